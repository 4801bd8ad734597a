/* {"program"}: answers judged by a program of the user's own, which reads a line of JSON for each and
 * prints a line with its reward.
 * SPDX-License-Identifier: MIT */
#include "train/terms_int.h"

#include "sandbox/child.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ARGS_MAX = 64, SHOWN = 60 };

typedef struct program {
    child c;
    const char *argv[ARGS_MAX + 1], *where;
    uint64_t timeout_ms, asked; /* asked: lines it was given */
    buf lines;
} program;

/* ---- starting -------------------------------------------------------------------------------- */

static ponder_status read_argv(program *x, const json_t *list, const char *where,
                               ponder_error *err)
{
    size_t n = json_array_size(list);
    for (size_t i = 0; i < n && i < ARGS_MAX; i++) {
        const json_t *v = json_array_get(list, i);
        str s = json_str(v);
        if (!json_is_string(v) || memchr(s.p, '\0', s.n) || (i == 0 && s.n == 0)) n = 0;
        else x->argv[i] = s.p;
    }
    if (n >= 1 && n <= ARGS_MAX) return PONDER_OK;
    return err_set(err, PONDER_EFORMAT,
                   "%s: \"program\": want a list of 1 to %d texts, the program and its arguments",
                   where, ARGS_MAX);
}

/* Found out before anything is trained; a program without a slash is looked for when it starts. */
static ponder_status check_runs(const program *x, const recipe *r, ponder_error *err)
{
    if (!strchr(x->argv[0], '/')) return PONDER_OK;
    char *path = recipe_path(r, x->argv[0]);
    if (!path) return err_set(err, PONDER_ENOMEM, "%s: out of memory", x->where);
    ponder_status st = PONDER_OK;
    if (access(path, X_OK) != 0)
        st = err_set(err, PONDER_ENOTFOUND, "%s: cannot run %s: %s%s", x->where, path,
                     strerror(errno), errno == EACCES ? " (chmod +x?)" : "");
    free(path);
    return st;
}

static ponder_status open_program(void **state, const term_settings *s, const term_place *p,
                                  ponder_error *err)
{
    program *x = *state = calloc(1, sizeof *x);
    if (!x) return err_set(err, PONDER_ENOMEM, "%s: out of memory", p->where);
    x->where = p->where;
    x->timeout_ms = (uint64_t)(s->timeout_s * 1000);
    TRY(read_argv(x, s->program, p->where, err));
    if (!p->c) return check_runs(x, p->r, err);
    ponder_status st = child_open(&x->c, x->argv, p->r->dir, err);
    return st == PONDER_OK ? st : err_context(err, st, "%s", p->where);
}

static void close_program(void *state)
{
    program *x = state;
    if (!x) return;
    child_close(&x->c);
    buf_free(&x->lines);
    free(x);
}

/* ---- what it is told ------------------------------------------------------------------------- */

static void put_text(json_writer *w, const char *name, str s, bool there)
{
    json_key(w, name);
    if (there) json_text(w, s);
    else json_none(w);
}

/* ENOMEM shows in the buffer. */
static void put_json(json_writer *w, const char *name, const json_t *v)
{
    if (!v) return;
    char *text = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);
    json_key(w, name);
    if (text) json_raw(w, str_of(text));
    else w->out->failed = true;
    free(text);
}

static void put_line(buf *out, const term_answer *a, uint64_t id)
{
    json_writer w = {.out = out};
    const question *q = a->asked;
    str answer = {0};
    const char *why;
    bool answered = reward_extract(&answer, a->response, REWARD_RESPONSE, &why);
    json_open(&w, '{');
    json_key(&w, "id"), json_i64(&w, (int64_t)id);
    json_key(&w, "prompt"), json_text(&w, buf_str(&q->prompt));
    json_key(&w, "response"), json_text(&w, a->response);
    put_text(&w, "answer", answer, answered);
    put_text(&w, "gold", buf_str(&q->gold), q->gold.n > 0);
    put_text(&w, "kind", buf_str(&q->kind), q->kind.n > 0);
    put_text(&w, "task", str_of(q->task ? q->task : ""), q->task != NULL);
    json_key(&w, "level"), json_i64(&w, q->level);
    json_key(&w, "lang"), json_text(&w, q->lang == TASK_ZH ? STR("zh") : STR("en"));
    json_key(&w, "truncated");
    json_bool(&w, a->sample && a->sample->finish == ENGINE_LENGTH);
    put_json(&w, "puzzle", q->puzzle);
    put_json(&w, "row", q->row);
    json_close(&w, '}');
    buf_add_char(out, '\n');
}

/* ---- what it answers ------------------------------------------------------------------------- */

bool term_read_reward(float *out, str line, uint64_t id)
{
    json_t *v;
    if (json_parse(&v, line, "", NULL) != PONDER_OK) return false;
    const json_t *x = json_is_object(v) ? json_object_get(v, "reward") : v, *of = json_object_get(v, "id");
    double r = json_is_boolean(x) ? json_is_true(x) : json_number_value(x);
    bool good = (json_is_boolean(x) || json_is_number(x)) && fabs(r) <= TERM_REWARD_MAX &&
                (!of || (json_is_integer(of) && json_integer_value(of) == (json_int_t)id));
    json_decref(v);
    if (good) *out = (float)r;
    return good;
}

/* The beginning of what was printed as one line of ASCII quotes and escapes. */
static void shown(char out[4 * SHOWN], str s)
{
    buf b = {0};
    json_writer w = {.out = &b};
    json_text(&w, (str){s.p, size_min(s.n, SHOWN)});
    snprintf(out, 4 * SHOWN, "%s%s", b.failed || !b.p ? "\"\"" : b.p, s.n > SHOWN ? "..." : "");
    buf_free(&b);
}

/* The last line that is not blank: of a traceback the one that says what is wrong. */
static str last_line(str s)
{
    while (s.n && strchr(" \t\r\n", s.p[s.n - 1])) s.n--;
    size_t from = s.n;
    while (from && s.p[from - 1] != '\n') from--;
    return (str){s.p + from, s.n - from};
}

static void how_it_ended(char out[64], int status)
{
    if (status == -1) snprintf(out, 64, "closed its output");
    else if (WIFSIGNALED(status)) snprintf(out, 64, "was ended by signal %d", WTERMSIG(status));
    else snprintf(out, 64, "ended with status %d", WEXITSTATUS(status));
}

#define GO_ON "the same command goes on"

static ponder_status complain(const program *x, const child_report *r, size_t n, ponder_error *err)
{
    char ending[64], text[4 * SHOWN];
    str complaint = last_line(buf_str(&x->c.complaint));
    size_t at = r->lines + 1;
    shown(text, complaint);
    switch (r->end) {
    case CHILD_ENDED:
        how_it_ended(ending, r->status);
        return err_set(err, PONDER_EIO, "%s: %s %s before answer %zu of %zu%s%s: mend it, and "
                       GO_ON, x->where, x->argv[0], ending, at, n, complaint.n ? ", saying " : "",
                       complaint.n ? text : "");
    case CHILD_SILENT:
        return err_set(err, PONDER_EIO,
                       "%s: %s gave no reward to answer %zu of %zu within %g s%s%s: it must print a "
                       "line for every line and flush it; mend it or raise \"timeout_s\", and "
                       GO_ON, x->where, x->argv[0], at, n, (double)x->timeout_ms / 1000,
                       complaint.n ? ", saying " : "", complaint.n ? text : "");
    case CHILD_MORE:
        return err_set(err, PONDER_EFORMAT,
                       "%s: %s printed more than a line for each of %zu answers: mend it, and "
                       GO_ON, x->where, x->argv[0], n);
    default:
        return err_set(err, PONDER_EFORMAT,
                       "%s: %s printed a line of more than %d bytes for answer %zu of %zu: mend "
                       "it, and " GO_ON, x->where, x->argv[0], CHILD_LINE, at, n);
    }
}

/* Lines that are there are judged also when others are missing: nonsense explains a silence. */
static ponder_status read_rewards(const program *x, size_t lines, size_t n, float *out,
                                  ponder_error *err)
{
    str all = buf_str(&x->c.lines);
    for (size_t k = 0, at = 0; k < lines && k < n; k++) {
        size_t end = str_find(all, STR("\n"), at);
        str line = {all.p + at, end - at};
        char text[4 * SHOWN];
        if (!term_read_reward(&out[k], line, x->asked - n + k)) {
            shown(text, line);
            return err_set(err, PONDER_EFORMAT,
                           "%s: %s printed %s for answer %zu of %zu, not a number or {\"reward\": "
                           "number} within +-%d, with the line's \"id\" or none: mend it, and " GO_ON,
                           x->where, x->argv[0], text, k + 1, n, TERM_REWARD_MAX);
        }
        at = end + 1;
    }
    return PONDER_OK;
}

static ponder_status judge(void *state, const term_answer *a, size_t n, float *out,
                           ponder_error *err)
{
    program *x = state;
    child_report r;
    buf_clear(&x->lines);
    for (size_t k = 0; k < n; k++) put_line(&x->lines, &a[k], x->asked++);
    if (x->lines.failed) return err_set(err, PONDER_ENOMEM, "%s: out of memory", x->where);
    ponder_status st = child_ask(&x->c, buf_str(&x->lines), n, x->timeout_ms, &r, err);
    if (st != PONDER_OK) return err_context(err, st, "%s", x->where);
    TRY(read_rewards(x, r.lines, n, out, err));
    return r.end == CHILD_ANSWERED ? PONDER_OK : complain(x, &r, n, err);
}

#define AT(field) offsetof(term_settings, field)
static const key program_keys[] = {
    {"program", KEY_LIST, AT(program), 0, 0},
    {"timeout_s", KEY_REAL, AT(timeout_s), 0.001, 1e6},
    {0},
};
const term_kind term_program = {"program", program_keys, open_program, judge, close_program};
