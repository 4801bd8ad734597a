/* Terms of a reward: the list, and the kinds that need nothing from elsewhere.
 * SPDX-License-Identifier: MIT */
#include "train/terms_int.h"

#include "base/pattern.h"

#include <ctype.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>

enum { NAME = 32, WHERE = 320 };

/* Which questions' answers a term looks at. */
enum of_which { OF_ALL, OF_OPEN, OF_KNOWN };

typedef struct term {
    const term_kind *kind;
    double weight;
    enum of_which which;
    const char *verifier;
    char name[NAME + 8], where[WHERE];
    void *state;
} term;

struct terms {
    term of[TERMS_MAX];
    size_t n;
};

static const term_kind *const kinds[] = {&term_regex, &term_verifier, &term_program,
                                        &term_model};

/* ---- opening --------------------------------------------------------------------------------- */

#define AT(field) offsetof(term_settings, field)
static const key common_keys[] = {
    {"about", KEY_NOTE, 0, 0, 0},
    {"name", KEY_TEXT, AT(name), 0, 0},
    {"weight", KEY_REAL, AT(weight), -1000, 1000},
    {"of", KEY_TEXT, AT(of), 0, 0},
    {0},
};

static ponder_status find_kind(const term_kind **out, const json_t *row, const char *where,
                               ponder_error *err)
{
    buf known = {0};
    size_t found = 0;
    for (size_t k = 0; k < COUNT_OF(kinds); k++) {
        buf_printf(&known, "%s\"%s\"", k ? ", " : "", kinds[k]->key);
        if (!json_object_get(row, kinds[k]->key)) continue;
        *out = kinds[k];
        found++;
    }
    ponder_status st = PONDER_OK;
    if (found != 1)
        st = err_set(err, PONDER_EFORMAT, "%s: want an object with a \"weight\" and one of %s",
                     where, known.p ? known.p : "");
    buf_free(&known);
    return st;
}

static bool name_ok(const char *s)
{
    size_t n = strlen(s);
    for (const char *p = s; *p; p++)
        if (!isalnum((unsigned char)*p) && *p != '-' && *p != '_') return false;
    return n > 0 && n <= NAME;
}

static bool name_taken(const terms *t, const char *name)
{
    for (size_t i = 0; i < t->n; i++)
        if (!strcmp(t->of[i].name, name)) return true;
    return false;
}

/* A name that is given must be free; one of the kind gets a number if need be. */
static ponder_status name_term(const terms *t, term *to, const char *given, ponder_error *err)
{
    if (given && (!name_ok(given) || name_taken(t, given)))
        return err_set(err, PONDER_EFORMAT,
                       "%s: \"name\" \"%s\": want up to %d letters, digits, - and _, another for "
                       "each", to->where, given, NAME);
    snprintf(to->name, sizeof to->name, "%s", given ? given : to->kind->key);
    for (int i = 2; name_taken(t, to->name); i++)
        snprintf(to->name, sizeof to->name, "%s_%d", to->kind->key, i);
    return PONDER_OK;
}

static ponder_status open_term(terms *t, const json_t *row, const recipe *r, const char *where,
                               const stage_context *c, ponder_error *err)
{
    term_settings s = {.weight = NAN, .timeout_s = 60};
    term new = {0};
    snprintf(new.where, sizeof new.where, "%s: \"rewards\" %zu", where, t->n + 1);
    TRY(find_kind(&new.kind, row, new.where, err));
    const key_table tables[] = {{common_keys, &s}, {new.kind->keys, &s}};
    TRY(keys_read(row, new.where, tables, COUNT_OF(tables), err));
    if (isnan(s.weight)) return err_set(err, PONDER_EFORMAT, "%s: no \"weight\"", new.where);
    TRY(name_term(t, &new, s.name, err));
    static const char *const WHICH[] = {"all", "open", "known"};
    size_t which = 0;
    while (s.of && which < COUNT_OF(WHICH) && strcmp(s.of, WHICH[which])) which++;
    if (which == COUNT_OF(WHICH))
        return err_set(err, PONDER_EFORMAT, "%s: \"of\" \"%s\": want all, open or known", new.where,
                       s.of);
    new.which = (enum of_which)which;
    new.weight = s.weight;
    new.verifier = s.kind;
    term *to = &t->of[t->n++];
    *to = new;
    const term_place place = {r, to->where, c};
    return to->kind->open(&to->state, &s, &place, err);
}

ponder_status terms_open(terms **out, const json_t *list, const recipe *r, const char *where,
                         const stage_context *c, ponder_error *err)
{
    size_t n = json_array_size(list);
    *out = NULL;
    if (n > TERMS_MAX)
        return err_set(err, PONDER_EFORMAT, "%s: %zu \"rewards\", %d at most", where, n, TERMS_MAX);
    if (n == 0) return PONDER_OK;
    terms *t = calloc(1, sizeof *t);
    if (!t) return err_set(err, PONDER_ENOMEM, "%s: no memory for \"rewards\"", where);
    for (size_t i = 0; i < n; i++) {
        ponder_status st = open_term(t, json_array_get(list, i), r, where, c, err);
        if (st == PONDER_OK) continue;
        terms_close(t);
        return st;
    }
    *out = t;
    return PONDER_OK;
}

void terms_close(terms *t)
{
    if (!t) return;
    for (size_t i = 0; i < t->n; i++) t->of[i].kind->close(t->of[i].state);
    free(t);
}

size_t terms_count(const terms *t) { return t ? t->n : 0; }
const char *terms_name(const terms *t, size_t i) { return t->of[i].name; }
double terms_weight(const terms *t, size_t i) { return t->of[i].weight; }
const char *terms_verifier(const terms *t, size_t i) { return t->of[i].verifier; }

bool terms_for_open(const terms *t)
{
    for (size_t i = 0; i < terms_count(t); i++)
        if (t->of[i].which == OF_OPEN) return true;
    return false;
}

static bool looks_at(const term *t, const term_answer *a)
{
    return t->which == OF_ALL || question_known(a->asked) == (t->which == OF_KNOWN);
}

/* Term i of all answers: those it does not look at earn nothing. `seen` has room for all. */
static ponder_status judge_by(const terms *t, size_t i, const term_answer *a, size_t n,
                              term_answer *seen, float *score, float *earned, ponder_error *err)
{
    const term *by = &t->of[i];
    size_t m = 0;
    for (size_t k = 0; k < n; k++)
        if (looks_at(by, &a[k])) seen[m++] = a[k];
    if (m) TRY(by->kind->judge(by->state, seen, m, score, err));
    m = 0;
    for (size_t k = 0; k < n; k++) {
        float got = looks_at(by, &a[k]) ? score[m++] : 0;
        earned[k * TERMS_MAX + i] = got;
        if (!isfinite(got))
            return err_set(err, PONDER_EFORMAT, "%s: answer %zu of %zu earns %g, no finite number",
                           by->where, k + 1, n, (double)got);
    }
    return PONDER_OK;
}

ponder_status terms_judge(terms *t, const term_answer *a, size_t n, float *earned,
                          ponder_error *err)
{
    if (terms_count(t) == 0 || n == 0) return PONDER_OK;
    float *score = malloc(n * sizeof *score);
    term_answer *seen = malloc(n * sizeof *seen);
    ponder_status st = score && seen ? PONDER_OK
                                     : err_set(err, PONDER_ENOMEM, "no memory for %zu rewards", n);
    for (size_t i = 0; i < t->n && st == PONDER_OK; i++)
        st = judge_by(t, i, a, n, seen, score, earned, err);
    free(score), free(seen);
    return st;
}

/* ---- {"regex"}: 1 if it is found ------------------------------------------------------------- */

typedef struct regex {
    pattern *pattern;
    bool answer; /* looks at what is taken from the response, else at all of it */
} regex;

static ponder_status regex_open(void **state, const term_settings *s, const term_place *p,
                                ponder_error *err)
{
    regex *x = *state = calloc(1, sizeof *x);
    if (!x) return err_set(err, PONDER_ENOMEM, "%s: out of memory", p->where);
    x->answer = s->form && !strcmp(s->form, "answer");
    if (s->form && !x->answer && strcmp(s->form, "response"))
        return err_set(err, PONDER_EFORMAT, "%s: \"form\" \"%s\": want response or answer",
                       p->where, s->form);
    ponder_status st = pattern_open(&x->pattern, str_of(s->regex), 0, err);
    return st == PONDER_OK ? st : err_context(err, st, "%s", p->where);
}

static ponder_status regex_judge(void *state, const term_answer *a, size_t n, float *out,
                                 ponder_error *err)
{
    const regex *x = state;
    (void)err;
    for (size_t k = 0; k < n; k++) {
        str seen = a[k].response;
        const char *why;
        bool there = !x->answer || reward_extract(&seen, a[k].response, REWARD_RESPONSE, &why);
        out[k] = there && pattern_match(x->pattern, seen, NULL) == PATTERN_YES;
    }
    return PONDER_OK;
}

static void regex_close(void *state)
{
    regex *x = state;
    if (x) pattern_close(x->pattern);
    free(x);
}

static const key regex_keys[] = {
    {"regex", KEY_TEXT, AT(regex), 0, 0},
    {"form", KEY_TEXT, AT(form), 0, 0},
    {0},
};
const term_kind term_regex = {"regex", regex_keys, regex_open, regex_judge, regex_close};

/* ---- {"kind"}: 1 if a built-in verifier finds the answer right ------------------------------- */

static ponder_status verifier_open(void **state, const term_settings *s, const term_place *p,
                                   ponder_error *err)
{
    *state = (void *)(uintptr_t)reward_kind_find(str_of(s->kind));
    if (*state) return PONDER_OK;
    return err_set(err, PONDER_EFORMAT, "%s: no verifier \"%s\"; `ponder verify --help` lists them",
                   p->where, s->kind);
}

static ponder_status verifier_judge(void *state, const term_answer *a, size_t n, float *out,
                                    ponder_error *err)
{
    const reward_kind *kind = state;
    (void)err;
    for (size_t k = 0; k < n; k++) {
        const question *q = a[k].asked;
        const reward_question ask = {str_of(kind->name), buf_str(&q->gold), q->puzzle};
        reward_verdict v;
        out[k] = reward_verify(&v, &ask, a[k].response, REWARD_RESPONSE, NULL) == PONDER_OK &&
                 v.equal;
    }
    return PONDER_OK;
}

static void verifier_close(void *state) { (void)state; }

static const key verifier_keys[] = {{"kind", KEY_TEXT, AT(kind), 0, 0}, {0}};
const term_kind term_verifier = {"kind", verifier_keys, verifier_open, verifier_judge,
                                 verifier_close};
