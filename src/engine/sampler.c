/* Chooses a token.
 * SPDX-License-Identifier: MIT
 *
 * Nothing is sorted. Tokens have one order, weight descending and id ascending, and every filter keeps
 * a first part of it; a first part is described by its last member, the cut. Cuts are found by
 * narrowing the bits of the weight, ten at a time, with the mass and number of tokens per value of
 * those bits: linear in the vocabulary whatever the distribution. The token is then drawn by walking
 * the ids in order. */
#include "engine/engine_int.h"

#include <float.h>
#include <math.h>

enum { BITS = 10 };

/* Kept are weights above `weight`, and those equal to it up to `id`. */
typedef struct cut {
    float weight;
    int32_t id;
} cut;

static const cut CUT_NONE = {0, -1}; /* everything that has any weight */

static inline bool kept(cut c, float w, size_t id)
{
    return w > c.weight || (w == c.weight && (int64_t)id <= c.id);
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
 * members; `within` itself if there is none. Weights are in [0, 1], so their bits ascend with them and
 * fit thirty bits. floor: weights below it are known to lie behind the cut. */
static cut cut_find(sampler *s, const float *w, size_t n, cut within, float floor, double mass,
                    size_t count)
{
    uint32_t prefix = 0, mask = 0;
    double have = 0;
    size_t members = 0;
    for (int shift = 2 * BITS; shift >= 0; shift -= BITS) {
        memset(s->bin_mass, 0, sizeof s->bin_mass);
        memset(s->bin_count, 0, sizeof s->bin_count);
        for (size_t i = 0; i < n; i++) {
            uint32_t u = bits_of(w[i]);
            if (w[i] < floor || (u & mask) != prefix || !kept(within, w[i], i)) continue;
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
    cut c = {0, -1};
    memcpy(&c.weight, &prefix, sizeof prefix);
    for (size_t i = 0; i < n; i++) {
        if (w[i] != c.weight || !kept(within, w[i], i)) continue;
        c.id = (int32_t)i;
        have += (double)w[i];
        members++;
        if (have >= mass || members >= count) break;
    }
    return c;
}

static cut cut_all(sampler *s, const kern *k, const float *w, size_t n, const engine_sampling *o)
{
    cut c = CUT_NONE;
    if (o->top_k > 0 && (size_t)o->top_k < n) c = cut_find(s, w, n, c, 0, INFINITY, (size_t)o->top_k);
    if (o->top_p < 1) {
        double mass = mass_of(w, n, c);
        /* All weights below mass * (1 - p) / n together are less than what top-p leaves out; half of
         * that allows for rounding. With top-k the bound would need its own proof. */
        float floor = o->top_k > 0 ? 0 : (float)(mass * (1 - (double)o->top_p) / (2 * (double)n));
        c = cut_find(s, w, n, c, floor, mass * (double)o->top_p, n);
    }
    /* The largest weight may be a rounding below 1, and stays whatever min-p says. */
    if (o->min_p > c.weight) c = (cut){fminf(o->min_p, k->max(w, n)), INT32_MAX};
    return c;
}

static int32_t draw(const float *w, size_t n, cut c, double u, double *mass)
{
    *mass = mass_of(w, n, c);
    double target = u * *mass, sum = 0;
    int32_t last = -1;
    for (size_t i = 0; i < n; i++) {
        if (!kept(c, w[i], i)) continue;
        last = (int32_t)i;
        sum += (double)w[i];
        if (sum > target) break;
    }
    return last;
}

static int32_t first_of(const float *x, size_t n, float value)
{
    for (size_t i = 0; i < n; i++)
        if (x[i] == value) return (int32_t)i;
    return -1;
}

bool history_wanted(const engine_sampling *o)
{
    return o->repetition != 1 || o->presence != 0 || o->frequency != 0;
}

void history_add(history *h, int32_t id, bool prompt)
{
    if (h->count[id] == 0) h->seen[h->n_seen++] = id;
    if (prompt)
        h->count[id] |= HISTORY_PROMPT;
    else
        h->count[id]++;
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

bool sampler_pick(sampler *s, const kern *k, const float *logits, size_t n, const engine_sampling *o,
                  const history *h, engine_bias nudge, double u, picked *out)
{
    float top = k->max(logits, n);
    double total = isfinite(top) ? k->sum_exp(logits, n, top) : 0;
    if (!(total > 0) || !isfinite(total)) return false;
    double log_total = (double)top + log(total);

    const float *x = logits;
    float max = top;
    bool changed = history_wanted(o) || o->n_bias || nudge.bias != 0;
    if (changed || o->temperature > 0) x = memcpy(s->w, logits, n * sizeof *logits);
    if (changed) {
        if (history_wanted(o)) penalize(s->w, o, h);
        for (size_t i = 0; i < o->n_bias; i++) s->w[o->bias[i].id] += o->bias[i].bias;
        if (nudge.bias != 0) s->w[nudge.id] += nudge.bias;
        max = k->max(s->w, n);
        if (!isfinite(max)) return false;
    }
    out->sample_logprob = 0;
    if (o->temperature > 0) {
        for (size_t i = 0; i < n; i++) s->w[i] = (s->w[i] - max) / o->temperature;
        k->exp(s->w, s->w, n);
        double mass;
        out->id = draw(s->w, n, cut_all(s, k, s->w, n, o), u, &mass);
        out->sample_logprob = (float)log((double)s->w[out->id] / mass);
    } else {
        out->id = first_of(x, n, max);
    }
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
    case CHAT_NONE: break;
    case CHAT_DEEPSEEK_V2: /* generation_config.json of the published models, this and the next two */
    case CHAT_DEEPSEEK_V3: s.temperature = 0.3f; break;
    case CHAT_LLAMA3: s.top_p = 0.9f; break;
    case CHAT_QWEN2_5:
        s.temperature = 0.7f, s.top_p = 0.8f, s.top_k = 20, s.repetition = 1.05f;
        break;
    case CHAT_CHATML: break;
    case CHAT_SMOLLM2: s.temperature = 0.2f, s.top_p = 0.9f; break; /* its model card */
    }
    return s;
}
