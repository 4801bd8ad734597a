/* The line of a run.
 * SPDX-License-Identifier: MIT */
#include "train/view.h"

#include <sys/ioctl.h>
#include <unistd.h>

enum { BAR = 20, COLUMNS = 80, COLUMNS_FILE = 1000 };
static const double EVERY_TTY = 0.2, EVERY_FILE = 10; /* seconds */

void view_begin(train_view *v, FILE *out, const char *name, uint64_t from, uint64_t steps)
{
    *v = (train_view){.out = out, .name = name, .from = from, .steps = steps,
                      .started = clock_seconds()};
    v->tty = out && isatty(fileno(out));
    v->shown_at = v->started;
}

/* "4:05" or "2:04:05". */
static void put_clock(buf *out, double seconds)
{
    long s = (long)(seconds + 0.5);
    if (s >= 3600) buf_printf(out, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
    else buf_printf(out, "%ld:%02ld", s / 60, s % 60);
}

static void put_bar(buf *out, uint64_t step, uint64_t steps)
{
    uint64_t full = steps ? step * BAR / steps : 0;
    buf_add_str(out, STR("["));
    for (uint64_t i = 0; i < BAR; i++) buf_add_char(out, i < full ? '#' : '.');
    buf_add_str(out, STR("] "));
}

void view_line(buf *out, const train_view *v, uint64_t step, const char *figures,
               double tokens_per_s, double now, size_t columns)
{
    for (int bar = 1; bar >= 0; bar--) {
        buf_clear(out);
        buf_printf(out, "%s ", v->name);
        if (bar) put_bar(out, step, v->steps);
        buf_printf(out, "%llu/%llu  %s  %.0f tok/s", (unsigned long long)step,
                   (unsigned long long)v->steps, figures, tokens_per_s);
        if (step > v->from) {
            double each = (now - v->started) / (double)(step - v->from);
            buf_add_str(out, STR("  "));
            put_clock(out, each * (double)(v->steps - step));
            buf_add_str(out, STR(" left"));
        }
        if (out->failed || out->n <= columns) return;
    }
    out->n = columns;
    out->p[columns] = '\0';
}

static size_t columns_of(const train_view *v)
{
    struct winsize w = {0};
    if (!v->tty) return COLUMNS_FILE;
    if (ioctl(fileno(v->out), TIOCGWINSZ, &w) != 0 || w.ws_col < 2) return COLUMNS - 1;
    return w.ws_col - 1u; /* the last column would wrap */
}

void view_step(train_view *v, uint64_t step, const char *figures, double tokens_per_s)
{
    double now = clock_seconds();
    bool last = step == v->steps;
    if (!v->out || (!last && now - v->shown_at < (v->tty ? EVERY_TTY : EVERY_FILE))) return;
    buf line = {0};
    view_line(&line, v, step, figures, tokens_per_s, now, columns_of(v));
    fprintf(v->out, "%s%s%s", v->tty ? "\r\033[K" : "", line.p ? line.p : "", v->tty ? "" : "\n");
    fflush(v->out);
    buf_free(&line);
    v->shown_at = now;
    v->shown = true;
}

void view_end(train_view *v)
{
    if (v->out && v->shown && v->tty) fputc('\n', v->out);
    v->shown = false;
}
