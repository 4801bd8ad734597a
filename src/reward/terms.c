/* Format, length and repetition.
 * SPDX-License-Identifier: MIT */
#include "reward/terms.h"

#include <math.h>
#include <stdlib.h>

/* ---- format ---------------------------------------------------------------------------------- */

enum { MARKS = 4, MARKS_KEPT = 8 };

static const str MARK[MARKS] = {STR("<think>"), STR("</think>"), STR("<answer>"), STR("</answer>")};

typedef struct found {
    int mark;
    size_t begin, end;
} found;

/* The marks in a text; more than any layout has is wrong anyhow. */
typedef struct layout_text {
    str text;
    found mark[MARKS_KEPT];
    int n;
} layout_text;

bool reward_layout_by_name(enum reward_layout *out, str name)
{
    static const char *const NAMES[] = {"think", "think_answer"};
    for (size_t i = 0; i < COUNT_OF(NAMES); i++)
        if (str_eq(name, str_of(NAMES[i]))) return *out = (enum reward_layout)i, true;
    return false;
}

static void add_mark(layout_text *l, int mark, size_t begin, size_t end)
{
    if (l->n == MARKS_KEPT) return;
    int at = l->n++;
    for (; at > 0 && l->mark[at - 1].begin > begin; at--) l->mark[at] = l->mark[at - 1];
    l->mark[at] = (found){mark, begin, end};
}

static void add_spelled(layout_text *l, int mark)
{
    size_t at = str_find(l->text, MARK[mark], 0);
    for (; at != SIZE_MAX && l->n < MARKS_KEPT;
         at = str_find(l->text, MARK[mark], at + MARK[mark].n))
        add_mark(l, mark, at, at + MARK[mark].n);
}

static bool is_blank(str s, size_t begin, size_t end)
{
    while (begin < end && s.p[begin] && strchr(" \t\r\n", s.p[begin])) begin++;
    return begin == end;
}

static bool has_layout(const layout_text *l, enum reward_layout layout, bool opened)
{
    int first = opened ? 1 : 0, last = layout == LAYOUT_THINK ? 1 : 3;
    if (l->n != last - first + 1) return false;
    size_t from = 0;
    for (int i = first; i <= last; i++) {
        const found *m = &l->mark[i - first];
        if (m->mark != i) return false;
        /* Content stands before the marks that close, blanks before those that open. */
        if (is_blank(l->text, from, m->begin) != (i == 0 || i == 2)) return false;
        from = m->end;
    }
    return is_blank(l->text, from, l->text.n) == (layout == LAYOUT_THINK_ANSWER);
}

static int marks_of(enum reward_layout layout) { return layout == LAYOUT_THINK ? 2 : 4; }

double reward_format(str response, enum reward_layout layout, bool opened)
{
    layout_text l = {.text = response};
    for (int i = 0; i < marks_of(layout); i++) add_spelled(&l, i);
    return has_layout(&l, layout, opened);
}

ponder_status reward_format_tokens(double *out, const tokenizer *t, const int32_t *ids, size_t n,
                                   enum reward_layout layout, bool opened, ponder_error *err)
{
    layout_text l = {0};
    int32_t id[MARKS];
    buf text = {0};
    bool foreign = false;
    *out = 0;
    for (int i = 0; i < MARKS; i++) id[i] = i < marks_of(layout) ? tokenizer_find(t, MARK[i]) : -1;
    while (n && tokenizer_is_end(t, ids[n - 1])) n--;
    for (size_t k = 0; k < n && !foreign; k++) {
        int mark = 0;
        while (mark < MARKS && (id[mark] < 0 || id[mark] != ids[k])) mark++;
        if (mark < MARKS) {
            add_mark(&l, mark, text.n, text.n);
        } else {
            foreign = tokenizer_is_special(t, ids[k]);
            buf_add_str(&text, tokenizer_bytes(t, ids[k]));
        }
    }
    l.text = buf_str(&text);
    for (int i = 0; i < marks_of(layout); i++)
        if (id[i] < 0) add_spelled(&l, i);
    if (!foreign && !text.failed) *out = has_layout(&l, layout, opened);
    bool failed = text.failed;
    buf_free(&text);
    return failed ? err_set(err, PONDER_ENOMEM, "format reward: out of memory") : PONDER_OK;
}

/* ---- length ---------------------------------------------------------------------------------- */

double reward_overlong(size_t length, size_t limit, size_t cache)
{
    if (length > limit) return -1;
    size_t from = limit - size_min(cache, limit);
    return length <= from ? 0 : -(double)(length - from) / (double)(limit - from);
}

double reward_cosine(size_t length, size_t limit, double at_none, double at_limit)
{
    const double pi = 3.14159265358979323846;
    if (length >= limit) return at_limit;
    double way = (1 - cos(pi * (double)length / (double)limit)) / 2;
    return at_none + (at_limit - at_none) * way;
}

/* ---- repetition ------------------------------------------------------------------------------ */

/* A gram's hash from the tokens at both ends of a sliding window: a polynomial in an odd base. */
static const uint64_t BASE = 0x9E3779B97F4A7C15u;

static uint64_t mixed(uint64_t h)
{
    h = (h ^ h >> 32) * 0xD6E8FEB86659FD93u;
    return h ^ h >> 32;
}

/* Is the gram at `at` new to the table? Puts it there if so. */
static bool put(size_t *slot, size_t mask, const int32_t *ids, size_t at, size_t gram,
                uint64_t hash)
{
    for (size_t i = mixed(hash) & mask;; i = (i + 1) & mask) {
        if (slot[i] == 0) return slot[i] = at + 1, true;
        if (memcmp(ids + slot[i] - 1, ids + at, gram * sizeof *ids) == 0) return false;
    }
}

ponder_status reward_repetition(double *out, const int32_t *ids, size_t n, int gram,
                                ponder_error *err)
{
    size_t g = (size_t)gram, slots = 16, fresh = 0;
    *out = 0;
    if (gram < 1 || gram > 64)
        return err_set(err, PONDER_EARG, "repetition: n-grams of %d tokens, must be 1 to 64", gram);
    if (n <= g) return PONDER_OK;
    size_t grams = n - g + 1;
    while (slots / 2 < grams) slots *= 2;
    size_t *slot = calloc(slots, sizeof *slot);
    if (!slot) return err_set(err, PONDER_ENOMEM, "repetition: out of memory");
    uint64_t hash = 0, top = 1;
    for (size_t i = 0; i < g; i++) {
        hash = hash * BASE + mixed((uint64_t)ids[i] + 1);
        top *= BASE;
    }
    for (size_t at = 0;; at++) {
        fresh += put(slot, slots - 1, ids, at, g, hash);
        if (at + g == n) break;
        hash = hash * BASE + mixed((uint64_t)ids[at + g] + 1) - top * mixed((uint64_t)ids[at] + 1);
    }
    free(slot);
    *out = (double)(grams - fresh) / (double)grams;
    return PONDER_OK;
}

ponder_status reward_find_loop(reward_loop *out, const int32_t *ids, size_t n, size_t times,
                               size_t least, ponder_error *err)
{
    *out = (reward_loop){0};
    if (n == 0) return PONDER_OK;
    size_t *border = calloc(n, sizeof *border);
    if (!border) return err_set(err, PONDER_ENOMEM, "loop: out of memory");
    /* Knuth, Morris and Pratt's table of the sequence read backwards: an end of k tokens whose
     * longest border has b repeats every k - b. */
    for (size_t k = 1; k <= n; k++) {
        size_t b = k > 1 ? border[k - 2] : 0;
        if (k > 1) {
            while (b && ids[n - k] != ids[n - 1 - b]) b = border[b - 1];
            if (ids[n - k] == ids[n - 1 - b]) b++;
            border[k - 1] = b;
        }
        if (k >= least && b && k / (k - b) >= times) *out = (reward_loop){k - b, k};
    }
    free(border);
    return PONDER_OK;
}
