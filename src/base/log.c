/* Log lines through one callback, and progress lines.
 * SPDX-License-Identifier: MIT */
#include "base/base.h"

#include <unistd.h>

void log_write(const logger *l, enum log_level level, const char *module, const char *fmt, ...)
{
    if (!l || !l->fn || level > l->level) return;
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    l->fn(l->user, level, module, text);
}

void progress_begin(progress *p, FILE *out, const char *label, const char *unit, double at,
                    double total, double scale)
{
    *p = (progress){.out = out, .label = label, .unit = unit, .total = total, .scale = scale,
                    .start_ns = clock_ns(), .start_at = at};
    p->tty = out && isatty(fileno(out));
    p->last_ns = p->start_ns;
}

static void show(progress *p, double at, uint64_t now)
{
    double seconds = (double)(now - p->start_ns) * 1e-9;
    double rate = seconds > 0 ? (at - p->start_at) / seconds : 0;
    fprintf(p->out, "%s%s %.1f", p->tty ? "\r\033[K" : "", p->label, at * p->scale);
    if (p->total > 0) fprintf(p->out, "/%.1f", p->total * p->scale);
    fprintf(p->out, " %s, %.1f %s/s", p->unit, rate * p->scale, p->unit);
    if (p->total > 0 && rate > 0) {
        long left = (long)((p->total - at) / rate + 0.5);
        fprintf(p->out, ", %ld:%02ld left", left / 60, left % 60);
    }
    if (!p->tty) fputc('\n', p->out);
    fflush(p->out);
    p->last_ns = now;
    p->shown = true;
}

void progress_update(progress *p, double at)
{
    if (!p->out) return;
    uint64_t now = clock_ns();
    if (now - p->last_ns >= (p->tty ? 200000000u : 5000000000u)) show(p, at, now);
}

void progress_end(progress *p, double at)
{
    if (!p->out || !p->shown) return; /* short jobs stay quiet */
    show(p, at, clock_ns());
    if (p->tty) fputc('\n', p->out);
}
