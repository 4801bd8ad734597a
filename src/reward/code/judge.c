/* The judge: a row's tests over the slots of the sandbox, and the verdict.
 * SPDX-License-Identifier: MIT
 *
 * Verdicts do not depend on the order in which tests happen to end: tests are taken in order, a test
 * that ends the judging sets `cut` to its place, and only what stands before the lowest cut counts. */
#include "reward/code/code_int.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/random.h>

enum { THREADS_MOST = 64, MESSAGE = 400 };

struct code_judge {
    sandbox *box;
    code_cache *cache;
    int repeat;
    bool stop_at_first;
};

const char *code_verdict_name(enum code_verdict v)
{
    static const char *const NAMES[] = {"AC", "WA", "TLE", "MLE", "RE", "CE", "OLE"};
    return NAMES[v];
}

ponder_status code_open(code_judge **out, const code_options *o, ponder_error *err)
{
    *out = NULL;
    if (o->repeat < 0 || o->repeat > 10)
        return err_set(err, PONDER_EARG, "%d runs of each test: use 1 to 10", o->repeat);
    code_judge *j = calloc(1, sizeof *j);
    if (!j) return err_set(err, PONDER_ENOMEM, "no memory for a judge");
    j->repeat = o->repeat ? o->repeat : 1;
    j->stop_at_first = o->stop_at_first;
    ponder_status st = sandbox_open(&j->box, &o->box, err);
    if (st == PONDER_OK) st = code_cache_open(&j->cache, err);
    if (st != PONDER_OK) return code_close(j), st;
    *out = j;
    return PONDER_OK;
}

void code_close(code_judge *j)
{
    if (!j) return;
    sandbox_close(j->box);
    code_cache_close(j->cache);
    free(j);
}

enum sandbox_level code_level(const code_judge *j) { return sandbox_level_of(j->box); }

/* ---- a row under judgement ------------------------------------------------------------------------ */

/* What one test, or the run of all cases, came to. */
typedef struct outcome {
    enum code_verdict verdict;
    uint64_t time_ms, memory_kb;
    buf message;
} outcome;

typedef struct trial {
    code_judge *j;
    const code_task *t;
    const code_program *program, *checker; /* NULL: Python; no special checker */
    const char *python;
    outcome *outcomes;                     /* one per test */
    _Atomic size_t next, cut;              /* the next test to take; the first that does not count */
    pthread_mutex_t lock;
    ponder_status st;                      /* the first failure of the sandbox */
    ponder_error err;
} trial;

static void lower_cut(trial *w, size_t to)
{
    size_t old = atomic_load(&w->cut);
    while (to < old && !atomic_compare_exchange_weak(&w->cut, &old, to)) {}
}

static const char *const PYTHON_ENV[] = {
    /* Sets of text have one order, so that a program's output is a function of its input. */
    "PYTHONHASHSEED=0", "PYTHONSAFEPATH=1", "PYTHONINTMAXSTRDIGITS=0", "PATH=/usr/bin:/bin",
    "LANG=C.UTF-8", NULL};

/* The last line of what an interpreter wrote on its way out. */
static str last_line(const buf *text)
{
    str s = buf_str(text);
    while (s.n && (s.p[s.n - 1] == '\n' || s.p[s.n - 1] == ' ')) s.n--;
    for (size_t i = s.n; i > 0; i--)
        if (s.p[i - 1] == '\n') return (str){s.p + i, s.n - i};
    return s;
}

/* The verdict of how a program ended; CODE_AC if its output is to be looked at. */
static enum code_verdict verdict_of_end(const trial *w, const sandbox_result *r)
{
    switch (r->end) {
    case SANDBOX_OUTPUT: return CODE_OLE;
    case SANDBOX_CPU:
    case SANDBOX_WALL: return CODE_TLE;
    case SANDBOX_MEMORY: return CODE_MLE;
    case SANDBOX_EXITED:
        if (r->code == 0) return CODE_AC;
        break;
    case SANDBOX_TASKS: return CODE_RE;
    case SANDBOX_SIGNALED: break;
    }
    /* An allocation that failed is the memory limit too. */
    str last = last_line(&r->err);
    if (str_find(buf_str(&r->err), STR("std::bad_alloc"), 0) != SIZE_MAX) return CODE_MLE;
    if (!w->python) return CODE_RE;
    if (str_starts(last, STR("MemoryError"))) return CODE_MLE;
    const bool syntax = str_starts(last, STR("SyntaxError")) ||
                        str_starts(last, STR("IndentationError")) || str_starts(last, STR("TabError"));
    return syntax && r->code == 1 && !r->out.n ? CODE_CE : CODE_RE;
}

static void describe_end(buf *out, const sandbox_result *r)
{
    static const char *const LIMITS[] = {
        [SANDBOX_CPU] = "time limit", [SANDBOX_WALL] = "time limit, while waiting",
        [SANDBOX_MEMORY] = "memory limit", [SANDBOX_TASKS] = "too many threads",
        [SANDBOX_OUTPUT] = "output limit"};
    str last = last_line(&r->err);
    if (r->end > SANDBOX_SIGNALED) buf_printf(out, "%s", LIMITS[r->end]);
    else if (r->end == SANDBOX_SIGNALED) buf_printf(out, "signal %d (%s)", r->code, strsignal(r->code));
    else buf_printf(out, "exit status %d", r->code);
    if (last.n && r->end <= SANDBOX_SIGNALED) {
        buf_add_str(out, STR(": "));
        buf_add(out, last.p, size_min(last.n, MESSAGE));
    }
}

/* A time limit passed with hardly any processor time is a program that sleeps, not a busy machine. */
static bool worth_retrying(const trial *w, const sandbox_result *r)
{
    return r->end == SANDBOX_CPU || (r->end == SANDBOX_WALL && r->cpu_ms * 10 >= (uint64_t)w->t->time_ms);
}

static ponder_status run_once(const trial *w, sandbox_job *job, sandbox_result *r, ponder_error *err)
{
    static const char *const NATIVE[] = {"./prog", NULL};
    const char *const python[] = {w->python, "-s", "-B", "main.py", NULL};
    job->argv = w->python ? python : NATIVE;
    job->env = w->python ? PYTHON_ENV : NULL;
    job->limits = (sandbox_limits){.cpu_ms = (uint64_t)w->t->time_ms,
                                   .memory = (uint64_t)w->t->memory_mb << 20,
                                   .output = job->limits.output};
    TRY(sandbox_run(w->j->box, job, r, err));
    if (!worth_retrying(w, r)) return PONDER_OK;
    /* Other runs may have slowed this one: once more, alone. */
    sandbox_job again = *job;
    again.alone = true;
    return sandbox_run(w->j->box, &again, r, err);
}

static void note_run(outcome *o, const sandbox_result *r)
{
    if (r->cpu_ms > o->time_ms) o->time_ms = r->cpu_ms;
    if (r->memory / 1024 > o->memory_kb) o->memory_kb = r->memory / 1024;
}

/* ---- tests: input and output ---------------------------------------------------------------------- */

/* The checker sees three files and says by its exit status; it may be misled but not stopped. */
static ponder_status ask_checker(const trial *w, str input, str want, str got, bool *good,
                                 const char **reason, ponder_error *err)
{
    static const char *const ARGV[] = {"./checker", "input", "output", "answer", NULL};
    const sandbox_file files[] = {{"checker", buf_str(&w->checker->bytes), true},
                                  {"input", input, false}, {"output", got, false}, {"answer", want, false}};
    const sandbox_job job = {.argv = ARGV, .files = files, .nfiles = COUNT_OF(files),
                             .limits = {.cpu_ms = 10000, .memory = (uint64_t)512 << 20,
                                        .files = 16 << 20}};
    sandbox_result r = {0};
    ponder_status st = sandbox_run(w->j->box, &job, &r, err);
    *good = st == PONDER_OK && r.end == SANDBOX_EXITED && r.code == 0;
    *reason = r.end == SANDBOX_EXITED ? "the checker says no" : "the checker failed on this output";
    sandbox_result_free(&r);
    return st;
}

static ponder_status run_test(trial *w, size_t i, sandbox_result *r, ponder_error *err)
{
    const code_task *t = w->t;
    outcome *o = &w->outcomes[i];
    const json_t *test = json_array_get(t->tests, i);
    const str input = json_str(json_object_get(test, "input"));
    const str want = json_str(json_object_get(test, "output"));
    const sandbox_file file = {w->python ? "main.py" : "prog",
                               w->python ? t->code : buf_str(&w->program->bytes), !w->python};
    sandbox_job job = {.input = input, .files = &file, .nfiles = 1,
                       .limits.output = 2 * want.n + (16 << 20)};
    TRY(run_once(w, &job, r, err));
    note_run(o, r);
    o->verdict = verdict_of_end(w, r);
    if (o->verdict != CODE_AC) return describe_end(&o->message, r), PONDER_OK;
    bool good;
    const char *reason;
    if (w->checker) TRY(ask_checker(w, input, want, buf_str(&r->out), &good, &reason, err));
    else good = code_same_output(t, want, buf_str(&r->out), &reason);
    if (good) return PONDER_OK;
    o->verdict = CODE_WA;
    buf_printf(&o->message, "%s", reason);
    return PONDER_OK;
}

static void take_tests(trial *w, sandbox_result *r)
{
    for (;;) {
        const size_t i = atomic_fetch_add(&w->next, 1);
        if (i >= atomic_load(&w->cut)) return;
        ponder_error err;
        ponder_status st = PONDER_OK;
        outcome *o = &w->outcomes[i];
        for (int k = 0; st == PONDER_OK && o->verdict == CODE_AC && k < w->j->repeat; k++)
            st = run_test(w, i, r, &err);
        if (st != PONDER_OK) {
            pthread_mutex_lock(&w->lock);
            if (w->st == PONDER_OK) w->st = st, w->err = err;
            pthread_mutex_unlock(&w->lock);
            lower_cut(w, 0);
        }
        /* Every further test of a program that is too slow would take its whole time, too. */
        if (o->verdict == CODE_TLE || o->verdict == CODE_CE ||
            (o->verdict != CODE_AC && w->j->stop_at_first))
            lower_cut(w, i + 1);
    }
}

static void *tester_main(void *arg)
{
    sandbox_result r = {0};
    take_tests(arg, &r);
    sandbox_result_free(&r);
    return NULL;
}

/* As many threads as there are slots; the caller is one of them. */
static void run_tests(trial *w)
{
    pthread_t thread[THREADS_MOST];
    size_t want = size_min((size_t)sandbox_slots(w->j->box), w->t->total), n = 0;
    while (n + 1 < size_min(want, THREADS_MOST) && pthread_create(&thread[n], NULL, tester_main, w) == 0) n++;
    tester_main(w);
    while (n) pthread_join(thread[--n], NULL);
}

static void sum_tests(const trial *w, code_result *out)
{
    const size_t cut = atomic_load(&w->cut);
    for (size_t i = 0; i < w->t->total; i++) {
        const outcome *o = &w->outcomes[i];
        if (i < cut && o->time_ms > out->time_ms) out->time_ms = o->time_ms;
        if (i < cut && o->memory_kb > out->memory_kb) out->memory_kb = o->memory_kb;
        if (i < cut && o->verdict == CODE_AC) out->passed++;
        if (i >= cut || o->verdict == CODE_AC || out->verdict != CODE_AC) continue;
        out->verdict = o->verdict;
        buf_printf(&out->message, "test %zu: ", i + 1);
        buf_add_str(&out->message, buf_str(&o->message));
    }
}

static ponder_status judge_tests(trial *w, code_result *out, ponder_error *err)
{
    w->outcomes = calloc(w->t->total, sizeof *w->outcomes);
    if (!w->outcomes) return err_set(err, PONDER_ENOMEM, "no memory for %zu tests", w->t->total);
    run_tests(w);
    if (w->st == PONDER_OK) sum_tests(w, out);
    else if (err) *err = w->err;
    for (size_t i = 0; i < w->t->total; i++) buf_free(&w->outcomes[i].message);
    free(w->outcomes);
    return w->st;
}

/* ---- cases: calls of a function -------------------------------------------------------------------- */

static bool make_nonce(char out[CODE_NONCE + 1])
{
    uint8_t random[CODE_NONCE / 2];
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random) return false;
    for (size_t i = 0; i < sizeof random; i++) snprintf(out + 2 * i, 3, "%02x", random[i]);
    return true;
}

static enum code_verdict verdict_of_call(const trial *w, enum code_call c, const sandbox_result *r)
{
    switch (c) {
    case CALL_SAME: return CODE_AC;
    case CALL_OTHER: return CODE_WA;
    case CALL_RAISED: return CODE_RE;
    case CALL_MEMORY: return CODE_MLE;
    case CALL_MISSING: break;
    }
    const enum code_verdict v = verdict_of_end(w, r);
    return v == CODE_AC || v == CODE_CE ? CODE_RE : v;
}

static void sum_calls(const trial *w, const enum code_call *calls, const sandbox_result *r,
                      const buf *raised, bool tampered, code_result *out)
{
    size_t passed = 0, first = SIZE_MAX;
    for (size_t i = 0; i < w->t->total; i++) {
        passed += calls[i] == CALL_SAME;
        if (calls[i] != CALL_SAME && first == SIZE_MAX) first = i;
    }
    if (tampered) passed = 0;
    if (passed < out->passed) out->passed = passed;
    outcome o = {0};
    note_run(&o, r);
    if (o.time_ms > out->time_ms) out->time_ms = o.time_ms;
    if (o.memory_kb > out->memory_kb) out->memory_kb = o.memory_kb;
    /* Every result may be there and right, and the program ends badly all the same. */
    const enum code_verdict end = verdict_of_end(w, r);
    if (first == SIZE_MAX && !tampered && (end == CODE_AC || end == CODE_RE)) return;
    buf_clear(&out->message);
    out->verdict = tampered ? CODE_WA : first == SIZE_MAX ? end : verdict_of_call(w, calls[first], r);
    if (tampered) {
        buf_printf(&out->message, "the program wrote into the channel of results");
        return;
    }
    if (first != SIZE_MAX) buf_printf(&out->message, "case %zu: ", first + 1);
    if (first == SIZE_MAX || calls[first] == CALL_MISSING) describe_end(&out->message, r);
    else if (raised->n) buf_add(&out->message, raised->p, size_min(raised->n, MESSAGE));
    else buf_printf(&out->message, "other value");
}

static ponder_status run_calls(const trial *w, enum code_call *calls, buf *input, sandbox_result *r,
                               code_result *out, ponder_error *err)
{
    char nonce[CODE_NONCE + 1];
    buf raised = {0};
    if (!make_nonce(nonce)) return err_set(err, PONDER_EIO, "getrandom: %s", strerror(errno));
    code_call_input(input, w->t, nonce);
    if (input->failed) return err_set(err, PONDER_ENOMEM, "no memory for the arguments of a function");
    if (input->n > CODE_CASES_MOST)
        return err_set(err, PONDER_ELIMIT, "more than %d bytes of arguments", CODE_CASES_MOST);
    const sandbox_file files[] = {{"main.py", str_of(CODE_HARNESS), false},
                                  {"solution.py", w->t->code, false}};
    sandbox_job job = {.input = buf_str(input), .files = files, .nfiles = COUNT_OF(files),
                       .limits.output = 16 << 20};
    TRY(run_once(w, &job, r, err));
    const bool clean = code_read_frames(calls, w->t, buf_str(&r->out), nonce, &raised);
    sum_calls(w, calls, r, &raised, !clean, out);
    buf_free(&raised);
    return PONDER_OK;
}

static ponder_status judge_calls(trial *w, code_result *out, ponder_error *err)
{
    enum code_call *calls = calloc(w->t->total, sizeof *calls);
    buf input = {0};
    sandbox_result r = {0};
    ponder_status st = PONDER_OK;
    if (!calls) return err_set(err, PONDER_ENOMEM, "no memory for %zu cases", w->t->total);
    out->passed = w->t->total;
    for (int k = 0; st == PONDER_OK && out->verdict == CODE_AC && k < w->j->repeat; k++)
        st = run_calls(w, calls, &input, &r, out, err);
    sandbox_result_free(&r);
    buf_free(&input);
    free(calls);
    return st;
}

/* ---- rows --------------------------------------------------------------------------------------- */

static ponder_status judge_task(code_judge *j, const code_task *t, trial *w, code_program **program,
                                code_program **checker, code_result *out, ponder_error *err)
{
    if (t->language == CODE_PYTHON) TRY(code_python(&w->python, err));
    else TRY(code_build(j->cache, j->box, t->language, t->code, program, err));
    if (*program && !(*program)->built) {
        out->verdict = CODE_CE;
        buf_add_str(&out->message, buf_str(&(*program)->bytes));
        return PONDER_OK;
    }
    if (t->rule == CODE_SPECIAL && t->tests) {
        TRY(code_build(j->cache, j->box, CODE_C, t->checker, checker, err));
        if (!(*checker)->built)
            return err_set(err, PONDER_EFORMAT, "\"checker_code\" does not compile: %.*s",
                           (int)size_min((*checker)->bytes.n, 300), (*checker)->bytes.p);
    }
    w->program = *program;
    w->checker = *checker;
    return t->tests ? judge_tests(w, out, err) : judge_calls(w, out, err);
}

ponder_status code_verify_row(code_judge *j, code_result *out, const json_t *row, const char *name,
                              ponder_error *err)
{
    code_task t;
    out->verdict = CODE_AC;
    out->passed = out->total = 0;
    out->time_ms = out->memory_kb = 0;
    buf_clear(&out->message);
    TRY(code_task_parse(&t, row, name, err));
    out->total = t.total;
    if (!t.code.n) {
        out->verdict = CODE_CE;
        buf_printf(&out->message, "no code");
        return PONDER_OK;
    }
    code_program *program = NULL, *checker = NULL;
    trial w = {.j = j, .t = &t};
    atomic_init(&w.next, 0);
    atomic_init(&w.cut, t.total);
    pthread_mutex_init(&w.lock, NULL);
    ponder_status st = judge_task(j, &t, &w, &program, &checker, out, err);
    pthread_mutex_destroy(&w.lock);
    code_program_release(j->cache, program);
    code_program_release(j->cache, checker);
    return st == PONDER_OK ? st : err_context(err, st, "%s", name);
}

void code_result_write(buf *out, const code_result *r, enum sandbox_level level)
{
    json_writer w = {.out = out};
    const char letter = sandbox_level_letter(level);
    json_open(&w, '{');
    json_key(&w, "equal"), json_bool(&w, r->verdict == CODE_AC);
    json_key(&w, "verdict"), json_text(&w, str_of(code_verdict_name(r->verdict)));
    json_key(&w, "tests_passed"), json_i64(&w, (int64_t)r->passed);
    json_key(&w, "tests_total"), json_i64(&w, (int64_t)r->total);
    json_key(&w, "time_ms"), json_i64(&w, (int64_t)r->time_ms);
    json_key(&w, "memory_kb"), json_i64(&w, (int64_t)r->memory_kb);
    if (r->message.n) json_key(&w, "message"), json_text(&w, buf_str(&r->message));
    json_key(&w, "sandbox"), json_text(&w, (str){&letter, 1});
    json_close(&w, '}');
}

void code_result_free(code_result *r) { buf_free(&r->message); }
