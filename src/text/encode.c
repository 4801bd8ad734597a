/* Text to ids: added tokens are cut out, the rest is normalised, cut into pieces and merged.
 * SPDX-License-Identifier: MIT
 *
 * Added tokens are found in two passes as in the reference: those with "normalized": false in the
 * text as it stands, the others in the normalised text between them; leftmost, then longest. */
#include "text/text_int.h"

#include <stdlib.h>

static const size_t TEXT_LIMIT = (size_t)1 << 31; /* positions are 32 bits wide in bpe.c */

typedef struct spans {
    const text_span *at;
    size_t n;
} spans;

typedef struct found {
    size_t begin, end;
    int32_t id;
} found;

/* The longest added token at the beginning of s: narrows the sorted list byte by byte. */
static bool longest_at(const added_list *list, str s, found *f)
{
    size_t lo = 0, hi = list->n;
    bool any = false;
    for (size_t d = 0; d < s.n && lo < hi; d++) {
        unsigned char c = (unsigned char)s.p[d];
        size_t a = lo, b = hi;
        while (a < b) { /* first token whose byte d is not below c; a token's end counts as below */
            size_t mid = a + (b - a) / 2;
            str k = list->token[mid].text;
            if (k.n <= d || (unsigned char)k.p[d] < c) a = mid + 1;
            else b = mid;
        }
        lo = a;
        for (b = hi; a < b;) { /* first token whose byte d is above c */
            size_t mid = a + (b - a) / 2;
            if ((unsigned char)list->token[mid].text.p[d] <= c) a = mid + 1;
            else b = mid;
        }
        hi = a;
        if (lo < hi && list->token[lo].text.n == d + 1) {
            *f = (found){0, d + 1, list->token[lo].id};
            any = true;
        }
    }
    return any;
}

/* The next added token at or behind `from` that lies inside a trusted span. */
static bool next_added(const added_list *list, str s, spans trusted, size_t from, found *f)
{
    for (size_t k = 0; k < trusted.n; k++) {
        text_span t = trusted.at[k];
        size_t end = size_min(t.end, s.n);
        for (size_t i = size_max(from, t.begin); i < end; i++) {
            if (!list->first[(unsigned char)s.p[i]]) continue;
            if (!longest_at(list, (str){s.p + i, end - i}, f)) continue;
            f->begin += i;
            f->end += i;
            return true;
        }
    }
    return false;
}

/* Valid runs go through the patterns; bytes that are not UTF-8 are pieces of their own. */
ponder_status encode_valid(encoder *e, str s)
{
    size_t from = 0, at = 0;
    while (at < s.n) {
        int step = utf8_step(s.p + at, s.n - at);
        if (step > 0) {
            at += (size_t)step;
            continue;
        }
        size_t bad = step ? (size_t)-step : s.n - at;
        TRY(pretok_split(e, (str){s.p + from, at - from}));
        TRY(e->piece(e, (str){s.p + at, bad}));
        from = at += bad;
    }
    return pretok_split(e, (str){s.p + from, s.n - from});
}

/* ---- sections: what stands between added tokens --------------------------------------------- */

typedef ponder_status section_fn(encoder *e, str s, spans trusted);

static ponder_status as_it_is(encoder *e, str s, spans trusted)
{
    (void)trusted;
    return encode_valid(e, s);
}

static ponder_status normalized(encoder *e, str s, spans trusted)
{
    if (normal_already(e->t->form, s)) return as_it_is(e, s, trusted);
    buf b = {0};
    ponder_status st = normal_form(&b, e->t->form, s, e->err);
    if (st == PONDER_OK) st = encode_valid(e, buf_str(&b));
    buf_free(&b);
    return st;
}

/* Emits the added tokens of one list and hands the text between them, with the parts of the spans
 * that lie there, to `between`. */
static ponder_status cut(encoder *e, const added_list *list, str s, spans trusted,
                         section_fn *between)
{
    text_span few[16], *moved = few;
    ponder_status st = PONDER_OK;
    if (list->n == 0 || trusted.n == 0) return between(e, s, trusted);
    if (trusted.n > COUNT_OF(few) && !(moved = malloc(trusted.n * sizeof *moved)))
        return err_set(e->err, PONDER_ENOMEM, "encode: out of memory");
    bool more = true;
    for (size_t at = 0; more && st == PONDER_OK;) {
        found f;
        while (trusted.n && trusted.at->end <= at) trusted.at++, trusted.n--;
        more = next_added(list, s, trusted, at, &f);
        size_t end = more ? f.begin : s.n, n = 0;
        for (size_t k = 0; k < trusted.n && trusted.at[k].begin < end; k++)
            moved[n++] = (text_span){size_max(trusted.at[k].begin, at) - at,
                                     size_min(trusted.at[k].end, end) - at};
        if (end > at) st = between(e, (str){s.p + at, end - at}, (spans){moved, n});
        if (more) tokens_add(e->out, f.id);
        at = more ? f.end : s.n;
    }
    if (moved != few) free(moved);
    return st;
}

/* The second pass. Where only parts are trusted it runs before normalisation, which would move the
 * spans: they hold a template's own text, and that is in every normal form already. */
static ponder_status second_pass(encoder *e, str s, spans trusted)
{
    const added_list *list = &e->t->added[1];
    bool all = trusted.n == 1 && trusted.at->begin == 0 && trusted.at->end >= s.n;
    if (list->n == 0 || !all || normal_already(e->t->form, s))
        return cut(e, list, s, trusted, normalized);
    buf b = {0};
    ponder_status st = normal_form(&b, e->t->form, s, e->err);
    if (st == PONDER_OK) st = cut(e, list, buf_str(&b), (spans){&(text_span){0, b.n}, 1}, as_it_is);
    buf_free(&b);
    return st;
}

ponder_status tokenizer_encode_trusted(const tokenizer *t, tokens *out, str text,
                                       const text_span *trusted, size_t n, ponder_error *err)
{
    if (text.n >= TEXT_LIMIT)
        return err_set(err, PONDER_ELIMIT, "encode: text has %zu bytes, at most %zu are possible",
                       text.n, TEXT_LIMIT - 1);
    size_t before = out->n;
    encoder e = {.t = t, .piece = bpe_piece, .out = out, .err = err};
    ponder_status st = PONDER_OK;
    if (!pretok_begin(&e, text.n)) st = err_set(err, PONDER_ENOMEM, "encode: out of memory");
    if (st == PONDER_OK) st = cut(&e, &t->added[0], text, (spans){trusted, n}, second_pass);
    if (st == PONDER_OK && out->failed) st = err_set(err, PONDER_ENOMEM, "encode: out of memory");
    if (st != PONDER_OK) out->n = before;
    pretok_end(&e);
    free(e.symbol);
    free(e.pair);
    free(e.heap);
    return st;
}

ponder_status tokenizer_encode(const tokenizer *t, tokens *out, str text, unsigned flags,
                               ponder_error *err)
{
    size_t before = out->n;
    if (flags & TEXT_BOS && t->adds_bos) tokens_add(out, t->bos);
    text_span all = {0, text.n};
    ponder_status st = tokenizer_encode_trusted(t, out, text, &all, !(flags & TEXT_PLAIN), err);
    if (st != PONDER_OK) out->n = before;
    return st;
}
