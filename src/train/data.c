/* Shuffling, and mixtures of sources.
 * SPDX-License-Identifier: MIT */
#include "train/data.h"

#include <stdlib.h>

/* ---- shuffling ------------------------------------------------------------------------------- */

/* A Feistel network over the smallest even number of bits that holds n, walked until it falls into
 * [0, n) (Black and Rogaway, "Ciphers with arbitrary finite domains", CT-RSA 2002). */
uint64_t data_shuffle(uint64_t n, uint64_t seed, uint64_t i)
{
    enum { ROUNDS = 6 };
    uint64_t pass = i / n, x = i % n;
    unsigned half = 1;
    while (half < 32 && n > 1ull << 2 * half) half++;
    const uint64_t mask = (1ull << half) - 1;
    do {
        uint64_t l = x >> half, r = x & mask;
        for (unsigned k = 0; k < ROUNDS; k++) {
            uint64_t f = rng_u64(seed, pass, (uint64_t)k << 32 | r, RNG_DATA) & mask, t = l ^ f;
            l = r;
            r = t;
        }
        x = l << half | r;
    } while (x >= n);
    return x;
}

/* ---- mixtures -------------------------------------------------------------------------------- */

/* Parts take turns in cycles of CYCLE examples, in which each has its share of places, dealt by
 * counted randomness: so the number of examples a part has given before example i is known from i.
 */
enum { CYCLE = 1024 };

typedef struct mix {
    train_source source;
    train_source *part[DATA_FILES];
    size_t n;
    uint64_t seed, share[DATA_FILES];
    uint16_t dealt[CYCLE]; /* the part of each place, before they are shuffled */
    uint64_t cycle;        /* whose places the following are; UINT64_MAX: none yet */
    uint16_t place[CYCLE], before[CYCLE]; /* the part; how many of its examples came before */
} mix;

static void lay_out(mix *m, uint64_t cycle)
{
    uint16_t seen[DATA_FILES] = {0};
    for (uint64_t j = 0; j < CYCLE; j++) {
        uint16_t k = m->dealt[data_shuffle(CYCLE, m->seed, cycle * CYCLE + j)];
        m->place[j] = k;
        m->before[j] = seen[k]++;
    }
    m->cycle = cycle;
}

/* The part that example i is of, and its number there. */
static train_source *part_of(mix *m, uint64_t i, uint64_t *at)
{
    if (i / CYCLE != m->cycle) lay_out(m, i / CYCLE);
    size_t k = m->place[i % CYCLE];
    *at = i / CYCLE * m->share[k] + m->before[i % CYCLE];
    return m->part[k];
}

static ponder_status draw(train_source *s, uint64_t i, train_batch *b, ponder_error *err)
{
    uint64_t at;
    train_source *part = part_of((mix *)s, i, &at);
    return part->draw(part, at, b, err);
}

static ponder_status text(train_source *s, uint64_t i, buf *out, ponder_error *err)
{
    uint64_t at;
    train_source *part = part_of((mix *)s, i, &at);
    return part->text(part, at, out, err);
}

static void close_mix(train_source *s)
{
    mix *m = (mix *)s;
    for (size_t k = 0; k < m->n; k++) train_source_close(m->part[k]);
    free(m);
}

/* The part whose share is furthest below (sign 1) or above (-1) what it should be; of the latter
 * only those that can spare a place. */
static size_t furthest(const mix *m, const double *want, double sign)
{
    size_t best = SIZE_MAX;
    double most = 0;
    for (size_t k = 0; k < m->n; k++) {
        double off = sign * (want[k] - (double)m->share[k]);
        if ((sign < 0 && m->share[k] < 2) || (best != SIZE_MAX && off <= most)) continue;
        best = k;
        most = off;
    }
    return best;
}

/* Every part has at least one place. */
static void deal(mix *m, const double *weight)
{
    double sum = 0, want[DATA_FILES];
    uint64_t given = 0;
    for (size_t k = 0; k < m->n; k++) sum += weight[k];
    for (size_t k = 0; k < m->n; k++) {
        want[k] = weight[k] / sum * CYCLE;
        m->share[k] = want[k] < 1 ? 1 : (uint64_t)want[k];
        given += m->share[k];
    }
    for (; given < CYCLE; given++) m->share[furthest(m, want, 1)]++;
    for (; given > CYCLE; given--) m->share[furthest(m, want, -1)]--;
    for (size_t k = 0, at = 0; k < m->n; k++)
        for (uint64_t j = 0; j < m->share[k]; j++) m->dealt[at++] = (uint16_t)k;
}

/* ---- from JSON ------------------------------------------------------------------------------- */

static ponder_status check_keys(const json_t *item, bool task, const char *name, ponder_error *err)
{
    static const char *const of_file[] = {"file", "weight", NULL};
    static const char *const of_task[] = {"task",   "weight", "levels", "zh",
                                          "mixed",  "flawed", "styles", NULL};
    const char *key;
    json_t *value;
    json_object_foreach ((json_t *)(uintptr_t)item, key, value) {
        bool known = false;
        for (const char *const *k = task ? of_task : of_file; *k; k++) known |= !strcmp(*k, key);
        if (!known)
            return err_set(err, PONDER_EFORMAT, "%s: no key \"%s\": a %s has %s", name, key,
                           task ? "task" : "file",
                           task ? "task, weight, levels, zh, mixed, flawed, styles" : "file, weight");
    }
    return PONDER_OK;
}

static ponder_status read_styles(data_task *k, const json_t *list, const char *name,
                                 ponder_error *err)
{
    for (int s = TASK_DIRECT; !list && s < TASK_SEARCH; s++)
        if (task_has_style(k->family, (enum task_style)s)) k->styles |= 1u << s;
    if (!list && !k->styles) k->styles = 1u << TASK_NO_TRACE;
    for (size_t i = 0; i < json_array_size(list); i++) {
        enum task_style style;
        str text = json_str(json_array_get(list, i));
        if (!task_style_by_name(&style, text))
            return err_set(err, PONDER_EFORMAT, "%s: no style of trace \"%.*s\"", name,
                           STR_ARG(text));
        k->styles |= 1u << style;
    }
    return PONDER_OK;
}

static ponder_status open_task(train_source **out, const json_t *item, const char *name,
                               const example_options *o, uint64_t seed, ponder_error *err)
{
    str family = {0}, levels = STR("1");
    data_task k = {.low = 1, .high = 1};
    TRY(json_field_str(item, name, "task", &family, err));
    TRY(json_field_str(item, name, "levels", &levels, err));
    TRY(json_field_f64(item, name, "zh", &k.chinese, err));
    TRY(json_field_f64(item, name, "mixed", &k.mixed, err));
    TRY(json_field_f64(item, name, "flawed", &k.flawed, err));
    k.family = task_find(family);
    if (!k.family)
        return err_set(err, PONDER_EFORMAT, "%s: no task \"%.*s\"; `ponder task list` shows them",
                       name, STR_ARG(family));
    if (!task_read_levels(&k.low, &k.high, levels))
        return err_set(err, PONDER_EFORMAT, "%s: levels \"%.*s\": want L or L-M", name,
                       STR_ARG(levels));
    TRY(read_styles(&k, json_object_get(item, "styles"), name, err));
    ponder_status st = data_task_open(out, &k, o, seed, err);
    return st == PONDER_OK ? st : err_context(err, st, "%s", name);
}

static ponder_status open_file(train_source **out, str file, const char *name, const char *dir,
                               const example_options *o, uint64_t seed, ponder_error *err)
{
    buf path = {0};
    if (file.n && file.p[0] != '/' && dir && *dir) buf_printf(&path, "%s/", dir);
    buf_add_str(&path, file);
    ponder_status st = path.failed ? err_set(err, PONDER_ENOMEM, "%s: out of memory", name)
                                   : data_file_open(out, path.p ? path.p : "", o, seed, err);
    buf_free(&path);
    return st;
}

static ponder_status open_part(mix *m, const json_t *item, const char *name, const char *dir,
                               const example_options *o, double *weight, ponder_error *err)
{
    str file = {0};
    bool task = json_object_get(item, "task") != NULL;
    if (task == (json_object_get(item, "file") != NULL))
        return err_set(err, PONDER_EFORMAT, "%s: each part has a \"file\" or a \"task\"", name);
    TRY(check_keys(item, task, name, err));
    TRY(json_field_str(item, name, "file", &file, err));
    TRY(json_field_f64(item, name, "weight", weight, err));
    if (!(*weight > 0 && *weight < 1e9))
        return err_set(err, PONDER_EFORMAT, "%s: \"weight\" must be above 0", name);
    uint64_t seed = rng_u64(m->seed, m->n, 1, RNG_DATA);
    train_source **out = &m->part[m->n];
    ponder_status st = task ? open_task(out, item, name, o, seed, err)
                            : open_file(out, file, name, dir, o, seed, err);
    if (st == PONDER_OK) m->n++;
    return st;
}

/* A pass is over when the part that lasts longest, by its share, is through. */
static void measure(mix *m)
{
    for (size_t k = 0; k < m->n; k++) {
        uint64_t n = m->part[k]->n;
        if (!n) {
            m->source.n = 0;
            return;
        }
        uint64_t cycles = n / m->share[k] * CYCLE + n % m->share[k] * CYCLE / m->share[k];
        if (cycles > m->source.n) m->source.n = cycles;
    }
}

ponder_status data_open(train_source **out, const json_t *list, const char *name, const char *dir,
                        const example_options *o, uint64_t seed, ponder_error *err)
{
    size_t n = json_array_size(list);
    double weight[DATA_FILES];
    *out = NULL;
    if (n < 1 || n > DATA_FILES)
        return err_set(err, PONDER_EFORMAT, "%s: want a list of 1 to %d parts", name, DATA_FILES);
    mix *m = calloc(1, sizeof *m);
    if (!m) return err_set(err, PONDER_ENOMEM, "%s: out of memory", name);
    *m = (mix){.source = {.draw = draw, .text = text, .close = close_mix},
               .seed = seed, .cycle = UINT64_MAX};
    ponder_status st = PONDER_OK;
    for (size_t k = 0; k < n && st == PONDER_OK; k++) {
        weight[k] = 1;
        st = open_part(m, json_array_get(list, k), name, dir, o, &weight[k], err);
        if (st == PONDER_OK && m->part[k]->pairs != m->part[0]->pairs)
            st = err_set(err, PONDER_EFORMAT, "%s: preference pairs beside other data", name);
    }
    if (st == PONDER_OK && n == 1) { /* alone it needs no turns */
        *out = m->part[0];
        free(m);
        return st;
    }
    if (st == PONDER_OK) {
        m->source.pairs = m->part[0]->pairs;
        m->source.labelled = true;
        for (size_t k = 0; k < n; k++) m->source.labelled &= m->part[k]->labelled;
        deal(m, weight);
        measure(m);
        *out = &m->source;
    } else {
        close_mix(&m->source);
    }
    return st;
}
