/* Rejection sampling as a kind of stage (docs/training.md, "sample").
 * SPDX-License-Identifier: MIT
 *
 * Questions are answered by the model the stage begins with, in an engine of its own: there is no
 * trainer, so the model may be of any type and size that runs. What an answer is depends on the
 * number of its question alone, and what is kept on the questions before it, so neither threads nor
 * the number of questions asked together nor a stop changes a byte. */
#include "base/hash.h"
#include "train/asker.h"
#include "train/part.h"
#include "train/stage.h"

#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

enum { GROUP_MAX = 1024, TOGETHER = 128 /* answers, unless the recipe says */ };

/* Why an answer is not kept; the first that holds. */
enum drop {
    DROP_UNFINISHED, /* cut off by its length, or caught in a loop */
    DROP_UNREADABLE, /* no UTF-8, control tokens inside, thinking not closed, or no answer */
    DROP_LONG,
    DROP_WRONG,
    DROP_FORM,
    DROP_LANGUAGE,
    DROP_REPETITION,
    DROP_DUPLICATE,
    DROP_SURPLUS, /* good, but enough are kept */
    DROPS
};
static const char *const DROP_KEYS[DROPS] = {
    "dropped_unfinished", "dropped_unreadable", "dropped_long",
    "dropped_wrong",      "dropped_format",     "dropped_language",
    "dropped_repetition", "dropped_duplicate",  "dropped_surplus"};

enum choose { CHOOSE_FIRST, CHOOSE_SHORTEST, CHOOSE_BEST };

typedef struct sample_keys {
    const json_t *data, *rewards;
    const char *choose;
    asker_keys asked;
    uint64_t questions;
    size_t group, batch, length_max, keep;
    double language_min, repetition_max;
    int repetition_gram;
    bool right, format, pairs;
    answer_reward reward;
    enum choose how;
} sample_keys;

/* Of all chunks so far; what a state line holds. */
typedef struct tally {
    uint64_t asked, sampled, right, kept, pairs, tokens, kept_tokens, dropped[DROPS];
} tally;

typedef struct sampling {
    sample_keys k;
    const stage_context *c;
    questions *ask;
    terms *terms;
    asker by;
    answers *a; /* by's */
    part part;
    tally n;
    hash_set kept; /* pairs of prompt and response */
    buf row;
    uint64_t *hash;       /* [group] of a question's answers, 0: not a candidate */
    size_t *order;        /* [group] candidates in the order of choice */
    uint64_t fresh;       /* tokens sampled by this process */
    double seconds;
} sampling;

/* ---- keys ------------------------------------------------------------------------------------ */

#define AT(field) offsetof(sample_keys, field)
static const key own_keys[] = {
    {"data", KEY_LIST, AT(data), 0, 0},
    {"rewards", KEY_LIST, AT(rewards), 0, 0},
    {"questions", KEY_COUNT, AT(questions), 1, 1e12},
    {"group", KEY_SIZE, AT(group), 1, GROUP_MAX},
    {"batch", KEY_SIZE, AT(batch), 1, 1 << 16},
    {"right", KEY_FLAG, AT(right), 0, 0},
    {"format", KEY_FLAG, AT(format), 0, 0},
    {"language_min", KEY_REAL, AT(language_min), 0, 1},
    {"repetition_max", KEY_REAL, AT(repetition_max), 0, 1},
    {"repetition_gram", KEY_INT, AT(repetition_gram), 1, 64},
    {"length_max", KEY_SIZE, AT(length_max), 1, 1 << 20},
    {"keep", KEY_SIZE, AT(keep), 0, GROUP_MAX},
    {"choose", KEY_TEXT, AT(choose), 0, 0},
    {"pairs", KEY_FLAG, AT(pairs), 0, 0},
    {"reward_accuracy", KEY_REAL, AT(reward.accuracy), 0, 1000},
    {"reward_format", KEY_REAL, AT(reward.format), 0, 1000},
    {"reward_language", KEY_REAL, AT(reward.language), 0, 1000},
    {0},
};
#undef AT

static ponder_status check_keys(sample_keys *k, const char *where, ponder_error *err)
{
    static const char *const WAYS[] = {"first", "shortest", "best"};
    size_t way = 0;
    while (way < COUNT_OF(WAYS) && strcmp(k->choose, WAYS[way])) way++;
    k->how = (enum choose)way;
    if (way == COUNT_OF(WAYS))
        return err_set(err, PONDER_EFORMAT, "%s: \"choose\" \"%s\": want first, shortest or best",
                       where, k->choose);
    if (!k->data) return err_set(err, PONDER_EFORMAT, "%s: no \"data\"", where);
    if (k->pairs && k->group < 2)
        return err_set(err, PONDER_EFORMAT, "%s: \"pairs\" want a \"group\" of 2 or more", where);
    if (!k->keep && !k->pairs)
        return err_set(err, PONDER_EFORMAT, "%s: \"keep\" is 0 and there are no \"pairs\"", where);
    if (!k->batch) k->batch = size_max(1, TOGETHER / k->group);
    return asker_check(&k->asked, where, err);
}

static ponder_status read_keys(sample_keys *k, const recipe_stage *stage, const char *where,
                               ponder_error *err)
{
    *k = (sample_keys){.choose = "first", .group = 4, .right = true, .repetition_max = 1,
                       .repetition_gram = 20, .keep = 1, .reward = {.accuracy = 1},
                       .asked = {.layout = "think_answer", .precision = "bf16",
                                 .max_tokens = 1024, .temperature = 0.6f, .top_p = 0.95f}};
    const key_table tables[] = {{stage_keys, NULL}, {own_keys, k}, {asker_key_list, &k->asked}};
    TRY(keys_read(stage->json, where, tables, COUNT_OF(tables), err));
    size_t most = k->asked.max_tokens;
    if (!k->asked.answer_tokens) k->asked.answer_tokens = most - most / 4;
    return check_keys(k, where, err);
}

/* `c` is NULL while the recipe is only checked. */
static ponder_status open_questions(sampling *s, const recipe *r, const char *where,
                                    const stage_context *c, ponder_error *err)
{
    sample_keys *k = &s->k;
    TRY(terms_open(&s->terms, k->rewards, r, where, c, err));
    TRY(questions_open_once(&s->ask, k->data, where, r->dir,
                            rng_u64(c ? c->seed : 0, 0, 0, RNG_DATA), err));
    if (k->right)
        TRY(questions_check(s->ask, NULL, "give one, or set \"right\" to false", err));
    for (size_t i = 0; i < terms_count(s->terms); i++)
        if (terms_verifier(s->terms, i))
            TRY(questions_check(s->ask, terms_verifier(s->terms, i),
                                "a term of \"rewards\" wants one", err));
    k->reward.more = s->terms;
    if (!k->questions) k->questions = questions_rows(s->ask);
    if (k->questions) return PONDER_OK;
    return err_set(err, PONDER_EFORMAT,
                   "%s: how many \"questions\"? Only a file alone has an end of its own", where);
}

ponder_status sample_check(const recipe *r, const recipe_stage *stage, ponder_error *err)
{
    char where[256];
    sampling s = {0};
    recipe_where(where, r, stage);
    TRY(read_keys(&s.k, stage, where, err));
    ponder_status st = open_questions(&s, r, where, NULL, err);
    questions_close(s.ask);
    terms_close(s.terms);
    return st;
}

/* ---- judging --------------------------------------------------------------------------------- */

static bool blank(str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!strchr(" \t\r\n", s.p[i]) || !s.p[i]) return false;
    return true;
}

static bool is_utf8(str s)
{
    for (size_t i = 0; i < s.n;) {
        int n = utf8_step(s.p + i, s.n - i);
        if (n < 1) return false;
        i += (size_t)n;
    }
    return true;
}

/* Thinking, if there is any, is opened and closed once, and something follows. */
static bool complete(str text)
{
    const str open = STR("<think>"), close = STR("</think>");
    size_t from = str_find(text, open, 0), to = str_find(text, close, 0);
    if (from == SIZE_MAX && to == SIZE_MAX) return !blank(text);
    if (to == SIZE_MAX) return false;
    if (from != SIZE_MAX && (to < from || str_find(text, open, from + 1) != SIZE_MAX)) return false;
    return str_find(text, close, to + 1) == SIZE_MAX &&
           !blank((str){text.p + to + close.n, text.n - to - close.n});
}

/* A control token other than the marks of thinking and answer; the last one may end the answer. */
static bool has_control(const tokenizer *t, const int32_t *ids, size_t n)
{
    static const str MARKS[] = {{"<think>", 7}, {"</think>", 8}, {"<answer>", 8}, {"</answer>", 9}};
    if (n && tokenizer_is_end(t, ids[n - 1])) n--;
    for (size_t i = 0; i < n; i++) {
        bool mark = !tokenizer_is_special(t, ids[i]);
        for (size_t k = 0; k < COUNT_OF(MARKS) && !mark; k++)
            mark = str_eq(tokenizer_bytes(t, ids[i]), MARKS[k]);
        if (!mark) return true;
    }
    return false;
}

static size_t length(const rollout_sample *r) { return r->n - r->prompt; }

/* Whether answer i passes, but for what depends on others: *drop is DROPS then. text is its. */
static ponder_status filter(sampling *s, size_t i, str text, enum drop *drop, ponder_error *err)
{
    const sample_keys *k = &s->k;
    const answer *j = &s->a->of[i];
    const rollout_sample *r = &s->a->r.samples[i];
    const int32_t *ids = r->ids + r->prompt;
    double repeated = 0;
    *drop = DROPS;
    if (k->repetition_max < 1)
        TRY(reward_repetition(&repeated, ids, length(r), k->repetition_gram, err));
    if (r->finish != ENGINE_STOP) *drop = DROP_UNFINISHED;
    else if (!is_utf8(text) || !complete(text) || has_control(s->c->t, ids, length(r)))
        *drop = DROP_UNREADABLE;
    else if (k->length_max && length(r) > k->length_max) *drop = DROP_LONG;
    else if (k->right && !j->right) *drop = DROP_WRONG;
    else if (k->format && !j->format) *drop = DROP_FORM;
    else if (j->language < k->language_min) *drop = DROP_LANGUAGE;
    else if (repeated > k->repetition_max) *drop = DROP_REPETITION;
    return PONDER_OK;
}

/* ---- writing --------------------------------------------------------------------------------- */

enum { LETTER_SAMPLE = 's', LETTER_PAIR = 'p' };

/* The answer to question number `asked`, by its first text or both. */
static ponder_status write_row(sampling *s, char letter, size_t place, size_t first, size_t second,
                               ponder_error *err)
{
    const question *q = &s->a->asked[place];
    json_writer w = {.out = &s->row};
    char id[96];
    snprintf(id, sizeof id, "%s-%llu-%zu", s->c->stage->name, (unsigned long long)s->n.asked,
             first % s->k.group);
    buf_clear(&s->row);
    json_open(&w, '{');
    json_key(&w, "prompt"), json_text(&w, buf_str(&q->prompt));
    json_key(&w, letter == LETTER_SAMPLE ? "response" : "chosen");
    json_text(&w, answers_text(s->a, first));
    if (letter == LETTER_PAIR) {
        json_key(&w, "rejected"), json_text(&w, answers_text(s->a, second));
    }
    json_key(&w, "task"), json_text(&w, str_of(q->task));
    json_key(&w, "level"), json_i64(&w, q->level);
    json_key(&w, "lang"), json_text(&w, q->lang == TASK_ZH ? STR("zh") : STR("en"));
    json_key(&w, "id"), json_text(&w, str_of(id));
    json_close(&w, '}');
    if (s->row.failed || s->a->text.failed)
        return err_set(err, PONDER_ENOMEM, "%s: no memory for a sample", s->c->where);
    part_add(&s->part, letter, buf_str(&s->row));
    return PONDER_OK;
}

/* Is answer x to be chosen before y, which was sampled earlier? */
static bool before(const sampling *s, size_t x, size_t y)
{
    if (s->k.how == CHOOSE_SHORTEST)
        return length(&s->a->r.samples[x]) < length(&s->a->r.samples[y]);
    return s->k.how == CHOOSE_BEST && s->a->of[x].reward > s->a->of[y].reward;
}

/* Puts answer i into the order of n candidates. */
static void insert(sampling *s, size_t i, size_t n)
{
    for (; n && before(s, i, s->order[n - 1]); n--) s->order[n] = s->order[n - 1];
    s->order[n] = i;
}

static ponder_status keep(sampling *s, size_t place, size_t candidates, ponder_error *err)
{
    size_t kept = 0;
    for (size_t i = 0; i < candidates; i++) {
        size_t at = s->order[i];
        uint64_t h = s->hash[at % s->k.group];
        enum drop why = hash_set_has(&s->kept, h) ? DROP_DUPLICATE : DROP_SURPLUS;
        if (why == DROP_DUPLICATE || kept == s->k.keep) {
            s->n.dropped[why]++;
            continue;
        }
        TRY(hash_set_add(&s->kept, h, err));
        TRY(write_row(s, LETTER_SAMPLE, place, at, at, err));
        s->n.kept++, kept++;
        s->n.kept_tokens += length(&s->a->r.samples[at]);
    }
    return PONDER_OK;
}

/* The best and the worst answer of those that can be read, if one is better. */
static ponder_status pair(sampling *s, size_t place, ponder_error *err)
{
    size_t best = SIZE_MAX, worst = SIZE_MAX;
    for (size_t c = 0; c < s->k.group; c++) {
        size_t i = place * s->k.group + c;
        if (!s->hash[c]) continue;
        if (best == SIZE_MAX || s->a->of[i].reward > s->a->of[best].reward) best = i;
        if (worst == SIZE_MAX || s->a->of[i].reward < s->a->of[worst].reward) worst = i;
    }
    if (best == SIZE_MAX || s->a->of[best].reward <= s->a->of[worst].reward) return PONDER_OK;
    s->n.pairs++;
    return write_row(s, LETTER_PAIR, place, best, worst, err);
}

/* Of a prompt and its response; never 0, and where the first ends matters: no text has that byte. */
static uint64_t hash_pair(str prompt, str response)
{
    uint64_t h = hash_bytes(hash_bytes(HASH_BEGIN, prompt), STR("\xff"));
    return hash_bytes(h, response) | 1;
}

static ponder_status take(sampling *s, size_t place, ponder_error *err)
{
    size_t candidates = 0;
    for (size_t c = 0; c < s->k.group; c++) {
        size_t i = place * s->k.group + c;
        str text = answers_text(s->a, i);
        enum drop drop;
        TRY(filter(s, i, text, &drop, err));
        s->hash[c] = drop == DROP_UNFINISHED || drop == DROP_UNREADABLE
                         ? 0
                         : hash_pair(buf_str(&s->a->asked[place].prompt), text);
        s->n.sampled++;
        s->n.right += s->a->of[i].right;
        s->n.tokens += length(&s->a->r.samples[i]);
        s->fresh += length(&s->a->r.samples[i]);
        if (drop < DROPS) s->n.dropped[drop]++;
        else insert(s, i, candidates++);
    }
    TRY(keep(s, place, candidates, err));
    if (s->k.pairs) TRY(pair(s, place, err));
    s->n.asked++;
    return PONDER_OK;
}

/* ---- the state of a run ---------------------------------------------------------------------- */

/* The numbers of a tally by name. */
static size_t fields(tally *t, const char *name[16], uint64_t *at[16])
{
    const char *const names[] = {"asked", "sampled", "right",      "kept",
                                 "pairs", "tokens",  "kept_tokens"};
    uint64_t *const own[] = {&t->asked, &t->sampled, &t->right,      &t->kept,
                             &t->pairs, &t->tokens,  &t->kept_tokens};
    size_t n = 0;
    for (; n < COUNT_OF(names); n++) name[n] = names[n], at[n] = own[n];
    for (size_t d = 0; d < DROPS; d++, n++) name[n] = DROP_KEYS[d], at[n] = &t->dropped[d];
    return n;
}
_Static_assert(7 + DROPS <= 16, "fields of a tally");

static ponder_status commit(sampling *s, ponder_error *err)
{
    const char *name[16];
    uint64_t *at[16];
    size_t n = fields(&s->n, name, at);
    json_writer w = {.out = &s->row};
    buf_clear(&s->row);
    json_open(&w, '{');
    for (size_t i = 0; i < n; i++) json_key(&w, name[i]), json_i64(&w, (int64_t)*at[i]);
    json_close(&w, '}');
    if (s->row.failed) return err_set(err, PONDER_ENOMEM, "%s: out of memory", s->c->where);
    return part_commit(&s->part, buf_str(&s->row), err);
}

static ponder_status read_state(sampling *s, str text, const char *path, ponder_error *err)
{
    const char *name[16];
    uint64_t *at[16];
    json_t *json;
    size_t n = fields(&s->n, name, at);
    if (!text.n) return PONDER_OK;
    TRY(json_parse(&json, text, path, err));
    ponder_status st = PONDER_OK;
    for (size_t i = 0; i < n && st == PONDER_OK; i++) {
        int64_t v = 0;
        st = json_field_i64(json, path, name[i], 0, INT64_MAX, &v, err);
        *at[i] = (uint64_t)v;
    }
    json_decref(json);
    return st;
}

static ponder_status recall(void *user, char letter, str row, ponder_error *err)
{
    sampling *s = user;
    json_t *json;
    if (letter != LETTER_SAMPLE) return PONDER_OK;
    TRY(json_parse(&json, row, s->c->where, err));
    uint64_t h = hash_pair(json_str(json_object_get(json, "prompt")),
                           json_str(json_object_get(json, "response")));
    json_decref(json);
    return hash_set_add(&s->kept, h, err);
}

/* ---- opening --------------------------------------------------------------------------------- */

static ponder_status open_model(sampling *s, ponder_error *err)
{
    const stage_context *c = s->c;
    s->hash = calloc(s->k.group, sizeof *s->hash);
    s->order = calloc(s->k.group, sizeof *s->order);
    if (!s->hash || !s->order)
        return err_set(err, PONDER_ENOMEM, "%s: no memory for %zu answers", c->where, s->k.group);
    s->a = &s->by.a;
    ponder_status st = asker_open(&s->by, &s->k.asked, c, c->start, c->t, s->k.batch, s->k.group,
                                  &s->k.reward, err);
    if (st != PONDER_OK) return err_context(err, st, "%s", c->where);
    return answers_check(s->a, s->ask, err);
}

static ponder_status open_part(sampling *s, const char *path, ponder_error *err)
{
    buf state = {0};
    ponder_status st = part_open(&s->part, path, &state, recall, s, err);
    if (st == PONDER_OK) st = read_state(s, buf_str(&state), path, err);
    buf_free(&state);
    if (st == PONDER_OK && s->n.asked && s->c->o->screen)
        fprintf(s->c->o->screen, "%s: goes on from question %llu\n", s->c->stage->name,
                (unsigned long long)s->n.asked);
    return st;
}

static void close_sampling(sampling *s)
{
    asker_close(&s->by);
    questions_close(s->ask);
    terms_close(s->terms);
    part_close(&s->part);
    buf_free(&s->row);
    free(s->hash), free(s->order);
    hash_set_free(&s->kept);
}

/* ---- running --------------------------------------------------------------------------------- */

static ponder_status ask_all(sampling *s, ponder_error *err)
{
    const stage_context *c = s->c;
    const uint64_t seed = rng_u64(c->seed, 1, 0, RNG_SAMPLE), all = s->k.questions;
    double start = clock_seconds();
    ponder_status st = PONDER_OK;
    progress bar;
    progress_begin(&bar, c->o->screen, c->stage->name, "questions", (double)s->n.asked,
                   (double)all, 1);
    while (s->n.asked < all && st == PONDER_OK) {
        size_t n = (size_t)(all - s->n.asked < s->k.batch ? all - s->n.asked : s->k.batch);
        st = answers_fill(s->a, s->ask, 0, n, s->n.asked, seed, err);
        if (st != PONDER_OK)
            st = err_context(err, st, "%s: questions %llu to %llu", c->where,
                             (unsigned long long)s->n.asked + 1,
                             (unsigned long long)(s->n.asked + n));
        for (size_t i = 0; i < n && st == PONDER_OK; i++) st = take(s, i, err);
        if (st == PONDER_OK) st = commit(s, err);
        if (st == PONDER_OK) progress_update(&bar, (double)s->n.asked);
        if (st == PONDER_OK && c->o->stop && *c->o->stop && s->n.asked < all)
            st = err_set(err, PONDER_ECANCELED,
                         "stage %s: stopped and saved after question %llu of %llu; the same "
                         "command goes on from there", c->stage->name,
                         (unsigned long long)s->n.asked, (unsigned long long)all);
    }
    progress_end(&bar, (double)s->n.asked);
    s->seconds = clock_seconds() - start;
    return st;
}

static double share(uint64_t a, uint64_t n) { return n ? (double)a / (double)n : 0; }

static ponder_status tell(const sampling *s, ponder_error *err)
{
    const stage_context *c = s->c;
    const tally *n = &s->n;
    metrics m;
    TRY(metrics_open(&m, c->metrics, c->stage->name, -1, err));
    metrics_begin(&m, n->asked);
    metrics_put(&m, "sampled", (double)n->sampled);
    metrics_put(&m, "kept", (double)n->kept);
    if (s->k.pairs) metrics_put(&m, "pairs", (double)n->pairs);
    metrics_put(&m, "accuracy", share(n->right, n->sampled));
    metrics_put(&m, "length", share(n->tokens, n->sampled));
    metrics_put(&m, "length_kept", share(n->kept_tokens, n->kept));
    for (size_t d = 0; d < DROPS; d++)
        metrics_put(&m, DROP_KEYS[d], share(n->dropped[d], n->sampled));
    if (s->fresh) metrics_put(&m, "sampled_per_s", (double)s->fresh / s->seconds);
    ponder_status st = metrics_end(&m, err);
    metrics_close(&m);
    const char *title = c->recipe->about ? c->recipe->about : c->recipe->name;
    return st == PONDER_OK ? report_write(c->report, c->metrics, title, err) : st;
}

/* Nothing to go on with is an error here, where the reason is known. */
static ponder_status check_found(const sampling *s, ponder_error *err)
{
    buf why = {0};
    if (s->n.kept || !s->k.keep) {
        if (!s->k.pairs || s->n.pairs) return PONDER_OK;
        return err_set(err, PONDER_EFORMAT,
                       "%s: no question had two readable answers of different rewards",
                       s->c->where);
    }
    for (size_t d = 0; d < DROPS; d++)
        if (s->n.dropped[d])
            buf_printf(&why, "%s%s %llu", why.n ? ", " : "", DROP_KEYS[d] + strlen("dropped_"),
                       (unsigned long long)s->n.dropped[d]);
    ponder_status st = err_set(err, PONDER_EFORMAT, "%s: of %llu answers none could be kept: %s",
                               s->c->where, (unsigned long long)s->n.sampled,
                               why.p ? why.p : "out of memory");
    buf_free(&why);
    return st;
}

static ponder_status finish(sampling *s, const char *samples, const char *pairs, ponder_error *err)
{
    TRY(check_found(s, err));
    TRY(tell(s, err));
    if (s->k.pairs) TRY(part_copy(&s->part, LETTER_PAIR, pairs, err));
    TRY(part_copy(&s->part, LETTER_SAMPLE, samples, err)); /* the last: it means all is there */
    if (s->c->o->screen)
        fprintf(s->c->o->screen, "%s: %llu of %llu answers kept\n", s->c->stage->name,
                (unsigned long long)s->n.kept, (unsigned long long)s->n.sampled);
    if (unlink(s->part.path) == 0) return PONDER_OK;
    return err_set(err, PONDER_EIO, "%s: cannot be removed", s->part.path);
}

static ponder_status work(sampling *s, const char *part_path, const char *samples,
                          const char *pairs, ponder_error *err)
{
    const stage_context *c = s->c;
    if (file_exists(samples) && !file_exists(part_path)) return PONDER_OK;
    TRY(open_questions(s, c->recipe, c->where, c, err));
    TRY(open_part(s, part_path, err));
    if (s->n.asked < s->k.questions) {
        TRY(open_model(s, err));
        TRY(ask_all(s, err));
    }
    return finish(s, samples, pairs, err);
}

ponder_status sample_run(const stage_context *c, ponder_error *err)
{
    sampling s = {.c = c, .part = {.fd = -1}};
    TRY(read_keys(&s.k, c->stage, c->where, err));
    char *part_path = stage_path(c->o->out, c->stage->name, "samples.part"),
         *samples = stage_path(c->o->out, c->stage->name, "samples.jsonl"),
         *pairs = stage_path(c->o->out, c->stage->name, "pairs.jsonl");
    ponder_status st = part_path && samples && pairs
                           ? work(&s, part_path, samples, pairs, err)
                           : err_set(err, PONDER_ENOMEM, "%s: out of memory", c->where);
    close_sampling(&s);
    free(part_path), free(samples), free(pairs);
    return st;
}
