/* Unicode normal forms, over utf8proc's tables.
 * SPDX-License-Identifier: MIT
 *
 * utf8proc's own entry point puts combining marks in order by exchanging neighbours, which is
 * quadratic in a run of marks, so decomposition is asked for character by character and long runs
 * are ordered here. Work goes in blocks that end before a character no normal form joins to the one
 * before it. */
#include "text/text_int.h"

#include <stdlib.h>
#include <utf8proc.h>

enum {
    BLOCK = 4096,            /* code points after which a block may end */
    LONGEST_DECOMPOSED = 18, /* U+FDFA in NFKD */
    SHORT_RUN = 16
};

typedef struct block {
    int32_t *cp;
    size_t n, cap;
    int32_t *spare; /* for ordering long runs */
    size_t spare_cap;
} block;

static bool grow(int32_t **p, size_t *cap, size_t need)
{
    if (need <= *cap) return true;
    size_t to = size_max(need, 2 * *cap);
    int32_t *q = realloc(*p, to * sizeof *q);
    if (!q) return false;
    *p = q;
    *cap = to;
    return true;
}

/* Code points that every composed form leaves alone and that begin no change to their left: most
 * letters of most text. NFC's quick-check table is not in utf8proc; these ranges are sound. */
static bool calm(int32_t cp)
{
    return cp < 0x300 || (cp >= 0x400 && cp < 0x483) || (cp >= 0x3041 && cp <= 0x3096) ||
           (cp >= 0x30A1 && cp <= 0x30FA) || (cp >= 0x4E00 && cp <= 0x9FFF) ||
           (cp >= 0xAC00 && cp <= 0xD7A3) || (cp >= 0x3001 && cp <= 0x3020) ||
           (cp >= 0xFF01 && cp <= 0xFF60) || (cp >= 0x2010 && cp <= 0x2027) ||
           (cp >= 0x1F300 && cp <= 0x1F9FF);
}

static int32_t decode(const char *p, int step)
{
    const unsigned char *c = (const unsigned char *)p;
    switch (step) {
    case 1: return c[0];
    case 2: return (c[0] & 31) << 6 | (c[1] & 63);
    case 3: return (c[0] & 15) << 12 | (c[1] & 63) << 6 | (c[2] & 63);
    default: return (c[0] & 7) << 18 | (c[1] & 63) << 12 | (c[2] & 63) << 6 | (c[3] & 63);
    }
}

bool normal_already(enum text_form form, str s)
{
    if (form == FORM_NONE) return true;
    for (size_t i = 0; i < s.n;) {
        if ((unsigned char)s.p[i] < 0x80) {
            i++;
            continue;
        }
        if (form != FORM_NFC) return false;
        int step = utf8_step(s.p + i, s.n - i);
        if (step > 0 && !calm(decode(s.p + i, step))) return false;
        i += step > 0 ? (size_t)step : 1;
    }
    return true;
}

static int class_of(int32_t cp) { return utf8proc_get_property(cp)->combining_class; }

/* Puts a run of marks in the order of their classes, keeping equals in place. */
static bool order_run(block *b, int32_t *cp, size_t n)
{
    if (n <= SHORT_RUN) {
        for (size_t i = 1; i < n; i++)
            for (size_t j = i; j > 0 && class_of(cp[j - 1]) > class_of(cp[j]); j--) {
                int32_t swap = cp[j];
                cp[j] = cp[j - 1];
                cp[j - 1] = swap;
            }
        return true;
    }
    if (!grow(&b->spare, &b->spare_cap, n)) return false;
    size_t start[257] = {0};
    for (size_t i = 0; i < n; i++) start[class_of(cp[i]) + 1]++;
    for (int c = 1; c <= 256; c++) start[c] += start[c - 1];
    for (size_t i = 0; i < n; i++) b->spare[start[class_of(cp[i])]++] = cp[i];
    memcpy(cp, b->spare, n * sizeof *cp);
    return true;
}

static bool finish_block(block *b, bool compose, buf *out)
{
    for (size_t i = 0, end; i < b->n; i = end) {
        end = i + 1;
        if (class_of(b->cp[i]) == 0) continue;
        while (end < b->n && class_of(b->cp[end]) != 0) end++;
        if (!order_run(b, b->cp + i, end - i)) return false;
    }
    utf8proc_ssize_t n = (utf8proc_ssize_t)b->n;
    if (compose) n = utf8proc_normalize_utf32(b->cp, n, UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    for (utf8proc_ssize_t i = 0; i < n; i++) {
        utf8proc_uint8_t bytes[4];
        buf_add(out, bytes, (size_t)utf8proc_encode_char(b->cp[i], bytes));
    }
    b->n = 0;
    return true;
}

ponder_status normal_form(buf *out, enum text_form form, str s, ponder_error *err)
{
    bool compose = form == FORM_NFC || form == FORM_NFKC, ok = true;
    utf8proc_option_t how = UTF8PROC_STABLE | UTF8PROC_DECOMPOSE;
    if (form == FORM_NFKC || form == FORM_NFKD) how |= UTF8PROC_COMPAT;
    block b = {0};
    for (size_t i = 0; i < s.n && ok;) {
        int step = utf8_step(s.p + i, s.n - i), last = 0;
        if (step <= 0) { /* not UTF-8: ends the block and stays as it is */
            size_t bad = step ? (size_t)-step : s.n - i;
            ok = finish_block(&b, compose, out);
            buf_add(out, s.p + i, bad);
            i += bad;
            continue;
        }
        int32_t cp = decode(s.p + i, step);
        i += (size_t)step;
        if (b.n >= BLOCK && cp < 0x300) ok = finish_block(&b, compose, out);
        ok = ok && grow(&b.cp, &b.cap, b.n + LONGEST_DECOMPOSED);
        if (!ok) break;
        utf8proc_ssize_t n =
            utf8proc_decompose_char(cp, b.cp + b.n, LONGEST_DECOMPOSED, how, &last);
        b.n += n > 0 && n <= LONGEST_DECOMPOSED ? (size_t)n : 0;
    }
    ok = ok && finish_block(&b, compose, out);
    free(b.cp);
    free(b.spare);
    if (!ok || out->failed) return err_set(err, PONDER_ENOMEM, "normalise: out of memory");
    return PONDER_OK;
}
