/* regex and json: the answer against a description of it. Kinds "regex" and "json".
 * SPDX-License-Identifier: MIT */
#include "base/pattern.h"
#include "reward/reward_int.h"
#include "json/schema.h"

ponder_status check_regex(const reward_question *q, ponder_error *err)
{
    pattern *p;
    ponder_status st = pattern_open(&p, q->gold, PATTERN_WHOLE, err);
    if (st != PONDER_OK) return err_context(err, st, "kind regex: \"gold\"");
    pattern_close(p);
    return PONDER_OK;
}

bool kind_regex(const reward_question *q, str answer, const char **reason)
{
    pattern *p;
    *reason = "no memory";
    if (pattern_open(&p, q->gold, PATTERN_WHOLE, NULL) != PONDER_OK) return false;
    enum pattern_verdict v = pattern_match(p, answer, NULL);
    pattern_close(p);
    *reason = v == PATTERN_YES  ? "matches"
              : v == PATTERN_NO ? "does not match"
                                : "undecided: the match takes too many steps";
    return v == PATTERN_YES;
}

/* ---- json
 * ----------------------------------------------------------------------------------------- */

/* What a question holds: a schema, a value, or both. */
typedef struct known {
    json_schema *schema;
    json_t *value;
} known;

static void known_close(known *k)
{
    json_schema_close(k->schema);
    json_decref(k->value);
}

static ponder_status known_open(known *k, const reward_question *q, ponder_error *err)
{
    *k = (known){0};
    json_t *schema = json_object_get(q->puzzle, "schema");
    if (schema) TRY(json_schema_open(&k->schema, schema, "puzzle.schema", err));
    if (schema && q->gold.n == 0) return PONDER_OK;
    ponder_status st = json_parse(&k->value, q->gold, "kind json: \"gold\"", err);
    if (st != PONDER_OK) known_close(k);
    return st;
}

ponder_status check_json(const reward_question *q, ponder_error *err)
{
    known k;
    TRY(known_open(&k, q, err));
    known_close(&k);
    return PONDER_OK;
}

static bool judge(const known *k, const json_t *v, const char **reason)
{
    if (k->value && !json_same(k->value, v)) return *reason = "other JSON value", false;
    if (!k->schema) return *reason = "same JSON value", true;
    ponder_status st = json_schema_check(k->schema, v, NULL);
    *reason = st == PONDER_OK        ? "fits the schema"
              : st == PONDER_EFORMAT ? "does not fit the schema"
                                     : "undecided: the schema takes too many steps";
    return st == PONDER_OK;
}

bool kind_json(const reward_question *q, str answer, const char **reason)
{
    known k;
    json_t *v;
    *reason = "no memory";
    if (known_open(&k, q, NULL) != PONDER_OK) return false;
    *reason = "not JSON";
    bool right = json_parse(&v, answer, "answer", NULL) == PONDER_OK && judge(&k, v, reason);
    json_decref(v);
    known_close(&k);
    return right;
}
