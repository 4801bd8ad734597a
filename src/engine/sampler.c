/* Chooses a token.
 * SPDX-License-Identifier: MIT
 *
 * Nothing is sorted. Tokens have one order, weight descending and id ascending, and every filter
 * keeps a first part of it; a first part is described by its last member, the cut. Cuts are found
 * by narrowing the bits of the weight, ten at a time, with the mass and number of tokens per value
 * of those bits: linear whatever the distribution. The token is then drawn by walking the ids in
 * order.
 *
 * Most of a vocabulary has no part in this. The largest logit and the mass of each block of ids
 * come from vector kernels; bounds that hold for any distribution tell which blocks can hold a
 * token that is kept, and only there weights are computed. */
#include "engine/engine_int.h"

#include <math.h>

enum { BITS = 10 };

/* Kept are weights above `weight`, and those equal to it up to candidate `at`. */
typedef struct cut {
    float weight;
    size_t at;
} cut;

static const cut CUT_NONE = {0, 0}; /* everything: candidates have weight */

static inline bool kept(cut c, float w, size_t i)
{
    return w > c.weight || (w == c.weight && i <= c.at);
}

static double mass_of(const float *w, size_t n, cut c)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        if (kept(c, w[i], i)) sum += (double)w[i];
    return sum;
}

static inline uint32_t bits_of(float w)
{
    uint32_t u;
    memcpy(&u, &w, sizeof u);
    return u;
}

/* The shortest first part of what `within` keeps whose mass is at least `mass` or that has `count`
 * members; `within` itself if there is none. Weights are in [0, 1], so their bits ascend with them
 * and fit thirty bits. */
static cut cut_find(sampler *s, const float *w, size_t n, cut within, double mass, size_t count)
{
    uint32_t prefix = 0, mask = 0;
    double have = 0;
    size_t members = 0;
    for (int shift = 2 * BITS; shift >= 0; shift -= BITS) {
        memset(s->bin_mass, 0, sizeof s->bin_mass);
        memset(s->bin_count, 0, sizeof s->bin_count);
        for (size_t i = 0; i < n; i++) {
            uint32_t u = bits_of(w[i]);
            if ((u & mask) != prefix || !kept(within, w[i], i)) continue;
            uint32_t b = u >> shift & (SAMPLER_BINS - 1);
            s->bin_mass[b] += (double)w[i];
            s->bin_count[b]++;
        }
        uint32_t at = SAMPLER_BINS;
        for (uint32_t b = SAMPLER_BINS; b-- > 0;) {
            if (s->bin_count[b] == 0) continue;
            if (at != SAMPLER_BINS) have += s->bin_mass[at], members += s->bin_count[at];
            at = b;
            if (have + s->bin_mass[b] >= mass || members + s->bin_count[b] >= count) break;
        }
        if (at == SAMPLER_BINS) return within;
        prefix |= at << shift;
        mask |= (uint32_t)(SAMPLER_BINS - 1) << shift;
    }
    /* All that is left to tell apart has one weight: the order goes on by id. */
    cut c = {0, 0};
    memcpy(&c.weight, &prefix, sizeof prefix);
    for (size_t i = 0; i < n; i++) {
        if (w[i] != c.weight || !kept(within, w[i], i)) continue;
        c.at = i;
        have += (double)w[i];
        members++;
        if (have >= mass || members >= count) break;
    }
    return c;
}

/* ---- blocks of ids --------------------------------------------------------------------------- */

static inline size_t block_len(size_t n, size_t b)
{
    return size_min(SAMPLER_BLOCK, n - b * SAMPLER_BLOCK);
}

/* Weights of block b of the logits x: relative to the largest one, top. */
static void weigh(const kern *k, float *w, const float *x, size_t n, float top)
{
    for (size_t i = 0; i < n; i++) w[i] = x[i] - top;
    k->exp(w, w, n);
}

/* Largest weight and mass of every block; returns the mass of all. */
static double survey(sampler *s, const kern *k, size_t n, float top)
{
    double total = 0;
    size_t blocks = size_ceil_div(n, SAMPLER_BLOCK);
    for (size_t b = 0; b < blocks; b++) {
        const float *x = s->x + b * SAMPLER_BLOCK;
        s->block_top[b] = k->max(x, block_len(n, b));
        total += s->block_mass[b] = k->sum_exp(x, block_len(n, b), top);
    }
    weigh(k, s->block_top, s->block_top, blocks, top);
    return total;
}

/* A weight below which nothing can be kept. Among k blocks there are k tokens at least as heavy as
 * the lightest of their heaviest. All tokens lighter than mass * (1 - p) / n weigh less together
 * than what top-p leaves out. The bounds are taken a little lower, for rounding. With top-k, the
 * share of top-p is of the k heaviest: all of these are needed then. */
static float floor_of(sampler *s, size_t n, double total, const engine_sampling *o)
{
    size_t blocks = size_ceil_div(n, SAMPLER_BLOCK);
    float floor = o->top_k == 0 || o->top_p == 1 ? 0.999f * o->min_p : 0;
    if (o->top_k > 0 && (size_t)o->top_k <= blocks) {
        cut c = cut_find(s, s->block_top, blocks, CUT_NONE, INFINITY, (size_t)o->top_k);
        floor = fmaxf(floor, 0.999f * c.weight);
    }
    if (o->top_k == 0 && o->top_p < 1)
        floor = fmaxf(floor, (float)(total * (1 - (double)o->top_p) / (2 * (double)n)));
    return floor;
}

/* Ids and weights of the tokens at or above the floor, in order; their number. */
static size_t gather(sampler *s, const kern *k, size_t n, float top, float floor)
{
    size_t found = 0;
    float w[SAMPLER_BLOCK];
    for (size_t b = 0; b < size_ceil_div(n, SAMPLER_BLOCK); b++) {
        if (s->block_top[b] < floor) continue;
        weigh(k, w, s->x + b * SAMPLER_BLOCK, block_len(n, b), top);
        for (size_t i = 0; i < block_len(n, b); i++) {
            if (!(w[i] > 0) || w[i] < floor) continue;
            s->id[found] = (int32_t)(b * SAMPLER_BLOCK + i);
            s->w[found++] = w[i];
        }
    }
    return found;
}

/* The first of n weights at which the running sum of those kept exceeds target; the last one kept
 * if rounding lets none. */
static size_t walk(const float *w, size_t n, cut c, double target)
{
    size_t last = 0;
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        if (!kept(c, w[i], i) || !(w[i] > 0)) continue;
        last = i;
        sum += (double)w[i];
        if (sum > target) break;
    }
    return last;
}

static int32_t draw_filtered(sampler *s, const kern *k, size_t n, float top, double total,
                             const engine_sampling *o, double u, double *p)
{
    size_t m = gather(s, k, n, top, floor_of(s, n, total, o));
    cut c = CUT_NONE;
    if (o->top_k > 0) c = cut_find(s, s->w, m, c, INFINITY, (size_t)o->top_k);
    if (o->top_p < 1)
        c = cut_find(s, s->w, m, c, (o->top_k > 0 ? mass_of(s->w, m, c) : total) * (double)o->top_p,
                     m + 1);
    /* The largest weight may be a rounding below 1, and stays whatever min-p says. */
    if (o->min_p > c.weight) c = (cut){fminf(o->min_p, k->max(s->w, m)), m};
    double mass = mass_of(s->w, m, c);
    size_t at = walk(s->w, m, c, u * mass);
    *p = (double)s->w[at] / mass;
    return s->id[at];
}

static int32_t draw_free(sampler *s, const kern *k, size_t n, float top, double total, double u,
                         double *p)
{
    double target = u * total, before = 0;
    size_t blocks = size_ceil_div(n, SAMPLER_BLOCK), at = 0;
    for (size_t b = 0; b < blocks; b++) {
        if (!(s->block_mass[b] > 0)) continue;
        if (at != b) before += s->block_mass[at];
        at = b;
        if (before + s->block_mass[b] > target) break;
    }
    weigh(k, s->w, s->x + at * SAMPLER_BLOCK, block_len(n, at), top);
    size_t i = walk(s->w, block_len(n, at), CUT_NONE, target - before);
    *p = (double)s->w[i] / total;
    return (int32_t)(at * SAMPLER_BLOCK + i);
}

static int32_t first_of(const kern *k, const float *x, size_t n, float value)
{
    size_t b = 0;
    while (k->max(x + b * SAMPLER_BLOCK, block_len(n, b)) != value) b++;
    size_t i = b * SAMPLER_BLOCK;
    while (x[i] != value) i++;
    return (int32_t)i;
}

/* ---- penalties ------------------------------------------------------------------------------- */

bool history_wanted(const engine_sampling *o)
{
    return o->repetition != 1 || o->presence != 0 || o->frequency != 0;
}

void history_add(history *h, int32_t id, bool prompt)
{
    if (h->count[id] == 0) h->seen[h->n_seen++] = id;
    if (prompt) h->count[id] |= HISTORY_PROMPT;
    else h->count[id]++;
}

void history_clear(history *h)
{
    for (size_t i = 0; i < h->n_seen; i++) h->count[h->seen[i]] = 0;
    h->n_seen = 0;
}

static void penalize(float *x, const engine_sampling *o, const history *h)
{
    for (size_t i = 0; i < h->n_seen; i++) {
        int32_t id = h->seen[i];
        uint32_t times = h->count[id] & ~HISTORY_PROMPT;
        x[id] = x[id] > 0 ? x[id] / o->repetition : x[id] * o->repetition;
        if (times) x[id] -= o->presence + o->frequency * (float)times;
    }
}

size_t sampler_tops(const float *x, size_t n, int want, engine_top *top)
{
    size_t have = 0;
    for (size_t i = 0; i < n && want > 0; i++) {
        if (have == (size_t)want && !(x[i] > top[have - 1].logprob)) continue;
        size_t at = have < (size_t)want ? have++ : have - 1;
        for (; at > 0 && x[i] > top[at - 1].logprob; at--) top[at] = top[at - 1];
        top[at] = (engine_top){(int32_t)i, x[i]};
    }
    return have;
}

bool sampler_place(sampler *s, size_t vocab, arena *a)
{
    size_t blocks = size_ceil_div(vocab, SAMPLER_BLOCK);
    s->x = arena_new(a, float, vocab);
    s->w = arena_new(a, float, vocab);
    s->id = arena_new(a, int32_t, vocab);
    s->block_top = arena_new(a, float, blocks);
    s->block_mass = arena_new(a, double, blocks);
    return s->block_mass;
}

bool sampler_pick(sampler *s, const kern *k, const float *logits, size_t n,
                  const engine_sampling *o, const history *h, engine_bias nudge, double u,
                  picked *out)
{
    float top;
    double log_total = ops_log_sum_exp(k, logits, n, &top), p = 1;
    if (!isfinite(log_total)) return false;

    const float *x = logits;
    bool changed = history_wanted(o) || o->n_bias || nudge.bias != 0;
    if (changed || o->temperature > 0) x = memcpy(s->x, logits, n * sizeof *logits);
    if (changed) {
        if (history_wanted(o)) penalize(s->x, o, h);
        for (size_t i = 0; i < o->n_bias; i++) s->x[o->bias[i].id] += o->bias[i].bias;
        if (nudge.bias != 0) s->x[nudge.id] += nudge.bias;
    }
    bool greedy = o->temperature == 0;
    if (!greedy && o->temperature != 1) k->scale(s->x, 1 / o->temperature, n);
    if (x != logits) top = k->max(x, n);
    if (!isfinite(top)) return false;
    if (greedy) {
        out->id = first_of(k, x, n, top);
    } else {
        double mass = survey(s, k, n, top);
        bool filtered = o->top_k > 0 || o->top_p < 1 || o->min_p > 0;
        out->id = filtered ? draw_filtered(s, k, n, top, mass, o, u, &p)
                           : draw_free(s, k, n, top, mass, u, &p);
    }
    out->sample_logprob = (float)log(p);
    out->logprob = (float)((double)logits[out->id] - log_total);
    out->n_top = sampler_tops(logits, n, out->want_tops, out->top);
    for (size_t i = 0; i < out->n_top; i++)
        out->top[i].logprob = (float)((double)out->top[i].logprob - log_total);
    return true;
}

engine_sampling engine_sampling_of(chat_template c)
{
    engine_sampling s = {.temperature = 0.6f, .top_p = 0.95f, .repetition = 1};
    switch (c) {
    case CHAT_DEEPSEEK_R1: /* README of DeepSeek-R1: 0.5 to 0.7, best 0.6; top-p 0.95 */
    case CHAT_DEEPSEEK_R1_0528:
    case CHAT_DEEPSEEK_V3_1:
    case CHAT_R1_DISTILL:
    case CHAT_R1_DISTILL_JAN:
    case CHAT_DEEPSEEK_V3:
    case CHAT_CHATML:
    case CHAT_NONE: break;
    /* The next three: generation_config.json of the published models. */
    case CHAT_DEEPSEEK_V2: s.temperature = 0.3f; break;
    case CHAT_LLAMA3: s.top_p = 0.9f; break;
    case CHAT_QWEN2_5:
        s.temperature = 0.7f, s.top_p = 0.8f, s.top_k = 20, s.repetition = 1.05f;
        break;
    case CHAT_SMOLLM2: s.temperature = 0.2f, s.top_p = 0.9f; break; /* its model card */
    }
    return s;
}
