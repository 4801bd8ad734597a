/* UTF-8: steps, repair, and streams that never split a character.
 * SPDX-License-Identifier: MIT */
#include "text/text.h"

static const str REPLACEMENT = {"\xEF\xBF\xBD", 3};

/* Unicode 15, table 3-7: the first byte fixes the length and narrows the range of the second. */
int utf8_step(const char *s, size_t n)
{
    const unsigned char *c = (const unsigned char *)s;
    if (c[0] < 0x80) return 1;
    size_t len = c[0] < 0xC2 ? 0 : c[0] < 0xE0 ? 2 : c[0] < 0xF0 ? 3 : c[0] < 0xF5 ? 4 : 0;
    if (len == 0) return -1;
    unsigned char lo = c[0] == 0xE0 ? 0xA0 : c[0] == 0xF0 ? 0x90 : 0x80;
    unsigned char hi = c[0] == 0xED ? 0x9F : c[0] == 0xF4 ? 0x8F : 0xBF;
    for (size_t i = 1; i < len; i++, lo = 0x80, hi = 0xBF) {
        if (i == n) return 0;
        if (c[i] < lo || c[i] > hi) return -(int)i;
    }
    return (int)len;
}

/* Appends the whole sequences of s and returns how many bytes that took; what is left is a cut
 * sequence. *clean becomes false at an invalid part. */
static size_t pass(buf *out, str s, bool *clean)
{
    size_t from = 0, at = 0;
    while (at < s.n) {
        int step = utf8_step(s.p + at, s.n - at);
        if (step == 0) break;
        if (step > 0) {
            at += (size_t)step;
            continue;
        }
        buf_add(out, s.p + from, at - from);
        buf_add_str(out, REPLACEMENT);
        *clean = false;
        from = at += (size_t)-step;
    }
    buf_add(out, s.p + from, at - from);
    return at;
}

bool utf8_repair(buf *out, str s)
{
    bool clean = true;
    if (pass(out, s, &clean) == s.n) return clean;
    buf_add_str(out, REPLACEMENT);
    return false;
}

void utf8_push(utf8_stream *u, str bytes, buf *out)
{
    bool clean;
    /* A held sequence is completed byte by byte, so that the held bytes never need joining with a
     * text of any length. */
    while (u->n && bytes.n) {
        u->held[u->n++] = *bytes.p++;
        bytes.n--;
        size_t done = pass(out, (str){u->held, u->n}, &clean);
        memmove(u->held, u->held + done, u->n - done);
        u->n -= done;
    }
    size_t done = pass(out, bytes, &clean);
    if (done < bytes.n) {
        u->n = bytes.n - done;
        memcpy(u->held, bytes.p + done, u->n);
    }
}

void utf8_flush(utf8_stream *u, buf *out)
{
    if (u->n) buf_add_str(out, REPLACEMENT);
    u->n = 0;
}
