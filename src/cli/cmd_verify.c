/* ponder verify: grades answers, line by line.
 * SPDX-License-Identifier: MIT
 *
 * Lines are read in batches, graded by the threads of a pool and written in order, so that memory is
 * bounded by a batch and a line depends on nothing but itself. */
#include "cli/cli.h"
#include "json/json.h"
#include "reward/code/code.h"
#include "reward/reward.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { BATCH_LINES = 256, BATCH_BYTES = 8 << 20, LINE_MAX_BYTES = 64 << 20 };

typedef struct line {
    size_t number;
    buf in, out;
    bool bad;
} line;

/* What judges programs, opened when the first one comes. */
typedef struct court {
    code_options options;
    pthread_mutex_t lock;
    bool tried;
    code_judge *judge;
    ponder_error err; /* why there is no judge */
} court;

typedef struct batch {
    line lines[BATCH_LINES];
    size_t n;
    court *court;
    _Atomic size_t next; /* for threads of a batch with programs */
} batch;

/* ---- one line ----------------------------------------------------------------------------------- */

/* A string field, or any other value as its JSON. */
static ponder_status text_field(const json_t *row, const char *name, const char *key, bool needed,
                                buf *owned, str *out, ponder_error *err)
{
    const json_t *v = json_object_get(row, key);
    json_writer w = {.out = owned};
    if (json_is_real(v)) json_f64(&w, json_real_value(v));
    else if (v && !json_is_string(v) && !json_is_null(v)) {
        char *text = json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT);
        if (!text) return err_set(err, PONDER_ENOMEM, "%s: out of memory", name);
        buf_add_str(owned, str_of(text));
        free(text);
    }
    if (owned->n) return *out = buf_str(owned), PONDER_OK;
    if (needed && (!v || json_is_null(v)))
        return err_set(err, PONDER_EFORMAT, "%s: no field \"%s\"", name, key);
    return json_field_str(row, name, key, out, err);
}

static void put_verdict(buf *out, const reward_verdict *v, enum reward_form form)
{
    json_writer w = {.out = out};
    json_open(&w, '{');
    json_key(&w, "equal");
    json_bool(&w, v->equal);
    json_key(&w, "reason");
    json_text(&w, str_of(v->reason));
    if (form != REWARD_ANSWER) {
        json_key(&w, "answer");
        if (v->answer.n) json_text(&w, v->answer);
        else json_none(&w);
    }
    json_close(&w, '}');
}

static ponder_status grade_answer(const json_t *row, const char *name, buf *out, ponder_error *err)
{
    buf gold = {0}, given = {0};
    str prediction = STR(""), form_name = STR("answer");
    enum reward_form form = REWARD_ANSWER;
    reward_question q = {.kind = STR(""), .gold = STR("")};
    const json_t *puzzle = json_object_get(row, "puzzle");
    bool has_puzzle = json_is_object(puzzle), has_gold = json_object_get(row, "gold") != NULL;
    if (has_puzzle) q.puzzle = puzzle;
    ponder_status st = json_field_str(row, name, "kind", &q.kind, err);
    if (st == PONDER_OK) st = json_field_str(row, name, "form", &form_name, err);
    if (st == PONDER_OK && !reward_form_by_name(&form, form_name))
        st = err_set(err, PONDER_EFORMAT, "%s: no form \"%.*s\": answer, response or lenient", name,
                     STR_ARG(form_name));
    if (st == PONDER_OK)
        st = text_field(row, name, has_gold ? "gold" : "answer", !has_puzzle, &gold, &q.gold, err);
    if (st == PONDER_OK) st = text_field(row, name, "prediction", true, &given, &prediction, err);
    reward_verdict v;
    if (st == PONDER_OK && (st = reward_verify(&v, &q, prediction, form, err)) != PONDER_OK)
        err_context(err, st, "%s", name);
    if (st == PONDER_OK) put_verdict(out, &v, form);
    buf_free(&gold);
    buf_free(&given);
    return st;
}

static const code_judge *open_court(court *c)
{
    pthread_mutex_lock(&c->lock);
    if (!c->tried) code_open(&c->judge, &c->options, &c->err);
    c->tried = true;
    pthread_mutex_unlock(&c->lock);
    return c->judge;
}

static ponder_status grade_program(court *c, const json_t *row, const char *name, buf *out,
                                   ponder_error *err)
{
    code_result r = {0};
    if (!open_court(c)) return err_set(err, c->err.code, "%s: %s", name, c->err.message);
    ponder_status st = code_verify_row(c->judge, &r, row, name, err);
    if (st == PONDER_OK) code_result_write(out, &r, code_level(c->judge));
    code_result_free(&r);
    return st;
}

static ponder_status grade(court *c, const json_t *row, const char *name, buf *out, ponder_error *err)
{
    if (!json_is_object(row)) return err_set(err, PONDER_EFORMAT, "%s: no JSON object", name);
    if (str_eq(json_str(json_object_get(row, "kind")), STR("code")))
        return grade_program(c, row, name, out, err);
    return grade_answer(row, name, out, err);
}

static void answer_line(court *c, line *l)
{
    char name[32];
    json_t *row = NULL;
    ponder_error err;
    snprintf(name, sizeof name, "line %zu", l->number);
    ponder_status st = l->in.n > LINE_MAX_BYTES
                           ? err_set(&err, PONDER_ELIMIT, "%s: longer than %d MB", name, LINE_MAX_BYTES >> 20)
                           : json_parse(&row, buf_str(&l->in), name, &err);
    if (st == PONDER_OK) st = grade(c, row, name, &l->out, &err);
    json_decref(row);
    l->bad = st != PONDER_OK;
    if (l->bad) {
        buf_clear(&l->out);
        json_writer w = {.out = &l->out};
        json_open(&w, '{');
        json_key(&w, "equal");
        json_bool(&w, false);
        json_key(&w, "error");
        json_text(&w, str_of(err.message));
        json_close(&w, '}');
    }
    buf_add_char(&l->out, '\n');
}

static void answer_lines(void *arg, size_t begin, size_t end, int worker)
{
    batch *b = arg;
    (void)worker;
    for (size_t i = begin; i < end; i++) answer_line(b->court, &b->lines[i]);
}

/* ---- batches with programs ---------------------------------------------------------------------- */

/* A guess: it decides only which threads do the work. */
static bool has_programs(const batch *b)
{
    for (size_t i = 0; i < b->n; i++)
        if (str_find(buf_str(&b->lines[i].in), STR("\"code\""), 0) != SIZE_MAX) return true;
    return false;
}

static void *answer_some(void *arg)
{
    batch *b = arg;
    for (size_t i; (i = atomic_fetch_add(&b->next, 1)) < b->n;) answer_line(b->court, &b->lines[i]);
    return NULL;
}

/* Threads that sleep while a program runs: those of a pool would spin, at the programs' cost. */
static void answer_programs(batch *b, int threads)
{
    enum { MOST = 64 };
    pthread_t t[MOST];
    int n = 0;
    atomic_store(&b->next, 0);
    const int want = (int)size_min((size_t)threads, size_min(MOST, b->n));
    while (n + 1 < want && pthread_create(&t[n], NULL, answer_some, b) == 0) n++;
    answer_some(b);
    while (n) pthread_join(t[--n], NULL);
}

/* ---- all lines ---------------------------------------------------------------------------------- */

typedef struct reader {
    char *text;
    size_t cap, number;
    bool end;
} reader;

static bool blank(str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!strchr(" \t\r\n", s.p[i]) || !s.p[i]) return false;
    return true;
}

static void fill(batch *b, reader *r)
{
    size_t bytes = 0;
    b->n = 0;
    while (b->n < BATCH_LINES && bytes < BATCH_BYTES) {
        ssize_t n = getline(&r->text, &r->cap, stdin);
        if (n < 0) {
            r->end = true;
            return;
        }
        r->number++;
        str s = {r->text, (size_t)n};
        if (blank(s)) continue;
        line *l = &b->lines[b->n++];
        l->number = r->number;
        buf_clear(&l->in);
        buf_clear(&l->out);
        buf_add_str(&l->in, s);
        bytes += s.n;
    }
}

static ponder_status put(const batch *b, bool *bad, ponder_error *err)
{
    for (size_t i = 0; i < b->n; i++) {
        const line *l = &b->lines[i];
        *bad |= l->bad;
        if (l->in.failed || l->out.failed) return err_set(err, PONDER_ENOMEM, "out of memory");
        if (fwrite(l->out.p, 1, l->out.n, stdout) != l->out.n)
            return err_set(err, PONDER_EIO, "stdout: %s", strerror(errno));
    }
    return fflush(stdout) ? err_set(err, PONDER_EIO, "stdout: %s", strerror(errno)) : PONDER_OK;
}

static ponder_status run(pool *p, court *c, bool *bad, ponder_error *err)
{
    batch *b = calloc(1, sizeof *b);
    reader r = {0};
    if (!b) return err_set(err, PONDER_ENOMEM, "out of memory");
    ponder_status st = PONDER_OK;
    b->court = c;
    while (st == PONDER_OK && !r.end) {
        fill(b, &r);
        if (has_programs(b)) answer_programs(b, pool_threads(p));
        else pool_run(p, b->n, 1, answer_lines, b);
        st = put(b, bad, err);
    }
    if (st == PONDER_OK && ferror(stdin)) st = err_set(err, PONDER_EIO, "stdin: %s", strerror(errno));
    for (size_t i = 0; i < BATCH_LINES; i++) buf_free(&b->lines[i].in), buf_free(&b->lines[i].out);
    free(b);
    free(r.text);
    return st;
}

int cmd_verify(int argc, char **argv)
{
    int threads = cpu_cores();
    const char *floor = "C";
    court c = {.lock = PTHREAD_MUTEX_INITIALIZER};
    const cli_option options[] = {
        {"threads", 't', CLI_INT, &threads, "N", "threads; verdicts do not depend on them", 1, 256},
        {"sandbox-floor", 0, CLI_TEXT, &floor, "LEVEL", "run no programs below this level: A, B, C", 0, 0},
        {"repeat", 0, CLI_INT, &c.options.repeat, "N", "runs of each test of a program, all must pass", 0, 10},
        {"stop-at-first", 0, CLI_FLAG, &c.options.stop_at_first, NULL,
         "tests of a program after the first failure count as failed", 0, 0},
        {NULL, 0, CLI_FLAG, NULL, NULL, NULL, 0, 0},
    };
    const cli_command command = {
        .usage = "verify [options] < rows.jsonl",
        .about =
            "Grades answers: JSON lines {\"gold\", \"prediction\", \"kind\"?, \"form\"?, \"puzzle\"?} become\n"
            "{\"equal\", \"reason\"}, in order. kind is math unless said; form is answer (the prediction\n"
            "is the answer), response (a whole completion, graded strictly) or lenient; with the last\n"
            "two the answer found is reported too. A row of `ponder task` with a prediction added is\n"
            "read as well. Programs, {\"kind\":\"code\", \"language\", \"code\", \"tests\", ...}, run in a sandbox\n"
            "and get a verdict too; docs/sandbox.md lists the fields. A line that cannot be read is\n"
            "answered with {\"equal\": false, \"error\"}, the rest goes on, and the exit status is 1.",
        .examples =
            "  echo '{\"gold\":\"1/2\",\"prediction\":\"0.5\"}' | ponder verify\n"
            "  ponder verify --threads 4 < answers.jsonl > verdicts.jsonl",
        .options = options,
    };
    ponder_error err;
    pool *p = NULL;
    bool bad = false;
    int status = cli_parse(&command, argc, argv, NULL);
    if (status >= 0) return status;
    if (!sandbox_level_by_name(&c.options.box.floor, str_of(floor))) {
        fprintf(stderr, "ponder verify: --sandbox-floor \"%s\": want A, B or C\n", floor);
        return CLI_USAGE;
    }
    if (pool_open(&p, threads, &err) != PONDER_OK) return cli_fail(argv[0], &err);
    ponder_status st = run(p, &c, &bad, &err);
    pool_close(p);
    code_close(c.judge);
    if (st != PONDER_OK) return cli_fail(argv[0], &err);
    return bad ? CLI_FAILED : CLI_DONE;
}
