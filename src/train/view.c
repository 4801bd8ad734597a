/* The line of a run.
 * SPDX-License-Identifier: MIT */
#include "train/view.h"

#include <unistd.h>

static const double EVERY_TTY = 0.2, EVERY_FILE = 10; /* seconds */

void view_begin(train_view *v, FILE *out, const char *name, uint64_t from, uint64_t steps)
{
    *v = (train_view){.out = out, .name = name, .from = from, .steps = steps,
                      .started = clock_seconds()};
    v->tty = out && isatty(fileno(out));
    v->shown_at = v->started;
}

/* "4:05" or "2:04:05". */
static void clock_text(char out[32], double seconds)
{
    long s = (long)(seconds + 0.5);
    if (s >= 3600) snprintf(out, 32, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
    else snprintf(out, 32, "%ld:%02ld", s / 60, s % 60);
}

void view_step(train_view *v, uint64_t step, double loss, double lr, double norm,
               double tokens_per_s)
{
    double now = clock_seconds();
    bool last = step == v->steps;
    if (!v->out || (!last && now - v->shown_at < (v->tty ? EVERY_TTY : EVERY_FILE))) return;
    char left[32];
    double each = (now - v->started) / (double)(step - v->from);
    clock_text(left, each * (double)(v->steps - step));
    fprintf(v->out, "%s%s %llu/%llu  loss %.4f  lr %.2e  |g| %.3g  %.0f tok/s  %s left%s",
            v->tty ? "\r\033[K" : "", v->name, (unsigned long long)step,
            (unsigned long long)v->steps, loss, lr, norm, tokens_per_s, left, v->tty ? "" : "\n");
    fflush(v->out);
    v->shown_at = now;
    v->shown = true;
}

void view_end(train_view *v)
{
    if (v->out && v->shown && v->tty) fputc('\n', v->out);
    v->shown = false;
}
