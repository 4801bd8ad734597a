/* task: the table of families, and problem i of a split.
 * SPDX-License-Identifier: MIT */
#include "base/hash.h"
#include "reward/reward.h"
#include "reward/task/task_int.h"

#include <stdlib.h>

enum {
    ATTEMPTS = 20000, /* draws before a level counts as having no problem in the split */
    FLAW_TRIES = 200,
    TEST_ONE_IN = 8,  /* share of all keys that belong to the test split */
    /* Draws without a new problem that end a search for more of them: where n are equally likely
     * each is missed with a chance below e^-16. */
    IN_VAIN = 256, IN_VAIN_EACH = 16
};

/* Streams of draws of one problem; the attempt stands in the bits above. */
enum { STREAM_PROBLEM, STREAM_WORDING, STREAM_TRACE, STREAM_TURN, STREAM_FLAW, STREAM_BITS = 3 };

static const task_family *const FAMILIES[] = {
    &task_parity,
    &task_chain,
    &task_addition,
    &task_multiplication,
    &task_gcd,
    &task_expression,
    &task_base,
    &task_linear,
    &task_divisibility,
    &task_calendar,
    &task_countdown,
    &task_sorting,
    &task_lists,
    &task_boolean,
    &task_sudoku,
    &task_knights,
    &task_path,
    &task_sat,
    &task_coloring,
    NULL,
};

const task_family *const *task_families(void) { return FAMILIES; }
const char *task_name(const task_family *f) { return f->name; }
const char *task_kind(const task_family *f) { return f->kind; }
const char *task_about(const task_family *f) { return f->about; }
int task_levels(const task_family *f) { return f->levels; }

bool task_read_levels(int *low, int *high, str text)
{
    char z[32];
    int used = 0;
    if (text.n >= sizeof z) return false;
    snprintf(z, sizeof z, "%.*s", STR_ARG(text));
    int got = sscanf(z, "%d%n-%d%n", low, &used, high, &used);
    if (got == 1) *high = *low;
    return got >= 1 && !z[used];
}

bool task_has_style(const task_family *f, enum task_style style)
{
    return style == TASK_NO_TRACE || (f->styles >> style & 1);
}

const task_family *task_find(str name)
{
    for (size_t i = 0; FAMILIES[i]; i++)
        if (str_eq(name, str_of(FAMILIES[i]->name))) return FAMILIES[i];
    return NULL;
}

static const char *const STYLES[TASK_STYLES] = {"none",         "direct",   "verification",
                                                "backtracking", "subgoals", "backward",
                                                "search"};

const char *task_style_name(enum task_style style) { return STYLES[style]; }

bool task_style_by_name(enum task_style *out, str name)
{
    for (int i = 0; i < TASK_STYLES; i++)
        if (str_eq(name, str_of(STYLES[i]))) return *out = (enum task_style)i, true;
    return false;
}

/* ---- splits --------------------------------------------------------------------------------- */

static enum task_split split_of(uint64_t key)
{
    return key % TEST_ONE_IN == 0 ? TASK_TEST : TASK_TRAIN;
}

/* ---- one problem ----------------------------------------------------------------------------- */

static task_draw stream(uint64_t seed, uint64_t index, uint64_t which, uint64_t attempt)
{
    return (task_draw){.seed = seed, .sequence = index, .stream = attempt << STREAM_BITS | which};
}

static ponder_status check_options(const task_family *f, const task_options *o, ponder_error *err)
{
    if (o->level < 1 || o->level > f->levels)
        return err_set(err, PONDER_EARG, "task %s has levels 1 to %d, not %d", f->name, f->levels,
                       o->level);
    if (o->flawed && o->style == TASK_NO_TRACE)
        return err_set(err, PONDER_EARG, "task %s: a flawed trace needs a style of trace", f->name);
    if (task_has_style(f, o->style)) return PONDER_OK;
    buf names = {0};
    for (int s = TASK_DIRECT; s < TASK_STYLES; s++)
        if (task_has_style(f, (enum task_style)s))
            buf_printf(&names, "%s%s", names.n ? ", " : "", STYLES[s]);
    ponder_status st = err_set(err, PONDER_EARG, "task %s has no %s traces; it has %.*s", f->name,
                               STYLES[o->style], STR_ARG(buf_str(&names)));
    buf_free(&names);
    return st;
}

/* Draws until a problem is valid and in the split. */
static ponder_status draw_problem(void *state, uint64_t *key, buf *scratch, const task_family *f,
                                  const task_options *o, uint64_t seed, uint64_t index,
                                  ponder_error *err)
{
    for (uint64_t attempt = 0; attempt < ATTEMPTS; attempt++) {
        memset(state, 0, f->state_bytes);
        task_draw d = stream(seed, index, STREAM_PROBLEM, attempt);
        if (!f->draw(state, &d, o->level)) continue;
        buf_clear(scratch);
        f->key(state, scratch);
        *key = hash_mix(hash_bytes(hash_bytes(HASH_BEGIN, str_of(f->name)), buf_str(scratch)));
        if (split_of(*key) == o->split) return PONDER_OK;
    }
    return err_set(err, PONDER_ELIMIT,
                   "task %s, level %d: no problem of the %s split in %d draws; take another level",
                   f->name, o->level, o->split == TASK_TEST ? "test" : "train", ATTEMPTS);
}

/* Tells the trace with the flaw and the wrong turn at the given places. */
static task_tale tell_once(task_problem *out, const task_family *f, const void *state,
                           const task_options *o, const task_draw draws[2], uint32_t flaw,
                           uint32_t turn)
{
    task_draw d = draws[0], slips = draws[1];
    task_tale t = {.o = o, .d = &d, .slips = &slips, .out = &out->trace,
                   .answer = &out->trace_answer, .flaw = flaw, .turn = turn};
    buf_clear(t.out), buf_clear(t.answer);
    f->trace(state, &t);
    if (t.out->n && t.out->p[t.out->n - 1] == '\n') t.out->p[--t.out->n] = '\0';
    return t;
}

/* The same with the place of the wrong turn chosen here; returns how many places for a flaw there
 * are. */
static uint32_t tell(task_problem *out, const task_family *f, const void *state,
                     const task_options *o, uint64_t seed, uint64_t index, uint32_t flaw,
                     uint64_t try)
{
    const task_draw draws[2] = {stream(seed, index, STREAM_TRACE, o->style),
                                stream(seed, index, STREAM_FLAW, try)};
    uint32_t turn = UINT32_MAX;
    if (o->style == TASK_BACKTRACKING) {
        uint32_t forks = tell_once(out, f, state, o, draws, flaw, turn).forks;
        task_draw d = stream(seed, index, STREAM_TURN, 0);
        if (forks) turn = (uint32_t)task_below(&d, forks);
    }
    return tell_once(out, f, state, o, draws, flaw, turn).places;
}

static bool right_answer(const task_problem *p, const task_family *f, const json_t *puzzle)
{
    const reward_question q = {str_of(f->kind), buf_str(&p->answer), puzzle};
    reward_verdict v;
    return reward_verify(&v, &q, buf_str(&p->trace_answer), REWARD_ANSWER, NULL) != PONDER_OK ||
           v.equal;
}

static ponder_status tell_flawed(task_problem *out, const task_family *f, const void *state,
                                 const task_options *o, uint64_t seed, uint64_t index,
                                 ponder_error *err)
{
    json_t *puzzle = NULL;
    if (f->puzzle) TRY(json_parse(&puzzle, buf_str(&out->puzzle), f->name, err));
    uint32_t places = tell(out, f, state, o, seed, index, UINT32_MAX, 0);
    task_draw d = stream(seed, index, STREAM_FLAW, FLAW_TRIES);
    bool wrong = false;
    for (uint64_t try = 0; places && !wrong && try < FLAW_TRIES; try++) {
        tell(out, f, state, o, seed, index, (uint32_t)task_below(&d, places), try);
        wrong = !right_answer(out, f, puzzle);
    }
    json_decref(puzzle);
    if (wrong) return PONDER_OK;
    return err_set(err, PONDER_EINTERNAL, "task %s, level %d, problem %llu: no flaw makes it wrong",
                   f->name, o->level, (unsigned long long)index);
}

ponder_status task_generate(task_problem *out, const task_family *f, const task_options *o,
                            uint64_t index, ponder_error *err)
{
    _Alignas(max_align_t) unsigned char state[TASK_STATE_BYTES];
    TRY(check_options(f, o, err));
    if (f->state_bytes > sizeof state)
        return err_set(err, PONDER_EINTERNAL, "task %s: state too large", f->name);
    uint64_t name = hash_mix(hash_bytes(HASH_BEGIN, str_of(f->name)));
    uint64_t seed = rng_u64(o->seed, name, (uint64_t)o->level, RNG_TASK);
    TRY(draw_problem(state, &out->key, &out->prompt, f, o, seed, index, err));

    buf_clear(&out->prompt), buf_clear(&out->answer), buf_clear(&out->puzzle);
    buf_clear(&out->trace), buf_clear(&out->trace_answer);
    task_draw wording = stream(seed, index, STREAM_WORDING, 0);
    f->prompt(state, o->lang, &wording, &out->prompt);
    f->answer(state, &out->answer);
    if (f->puzzle) f->puzzle(state, &(json_writer){.out = &out->puzzle});
    if (o->flawed) TRY(tell_flawed(out, f, state, o, seed, index, err));
    else if (o->style != TASK_NO_TRACE) tell(out, f, state, o, seed, index, UINT32_MAX, 0);
    if (out->prompt.failed || out->answer.failed || out->puzzle.failed || out->trace.failed ||
        out->trace_answer.failed)
        return err_set(err, PONDER_ENOMEM, "task %s: out of memory", f->name);
    return PONDER_OK;
}

static ponder_status add_number(uint64_t **numbers, size_t *n, size_t *cap, uint64_t i,
                                ponder_error *err)
{
    if (*n == *cap) {
        *cap = *cap ? 2 * *cap : 256;
        uint64_t *more = realloc(*numbers, *cap * sizeof *more);
        if (!more) return err_set(err, PONDER_ENOMEM, "no memory for %zu problems", *cap);
        *numbers = more;
    }
    (*numbers)[(*n)++] = i;
    return PONDER_OK;
}

ponder_status task_distinct(uint64_t **numbers, size_t *n, const task_family *f,
                            const task_options *o, size_t most, ponder_error *err)
{
    task_problem p = {0};
    hash_set seen = {0};
    ponder_status st = PONDER_OK;
    *numbers = NULL, *n = 0;
    size_t cap = 0;
    for (uint64_t i = 0, vain = 0; *n < most && vain <= IN_VAIN + IN_VAIN_EACH * *n; i++) {
        st = task_generate(&p, f, o, i, err);
        bool known = st == PONDER_OK && hash_set_has(&seen, p.key);
        vain = known ? vain + 1 : 0;
        if (st == PONDER_OK && !known) st = hash_set_add(&seen, p.key, err);
        if (st == PONDER_OK && !known) st = add_number(numbers, n, &cap, i, err);
        if (st != PONDER_OK) break;
    }
    hash_set_free(&seen);
    task_problem_free(&p);
    if (st != PONDER_OK) free(*numbers), *numbers = NULL, *n = 0;
    return st;
}

void task_problem_free(task_problem *p)
{
    buf_free(&p->prompt), buf_free(&p->answer), buf_free(&p->puzzle);
    buf_free(&p->trace), buf_free(&p->trace_answer);
}
