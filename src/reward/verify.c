/* reward: the table of kinds, and a prediction taken through extraction and verifier.
 * SPDX-License-Identifier: MIT */
#include "reward/reward_int.h"

bool kind_exact(const reward_question *q, str answer, const char **reason)
{
    bool same = str_eq(q->gold, answer);
    *reason = same ? "same text" : "other text";
    return same;
}

bool kind_math(const reward_question *q, str answer, const char **reason)
{
    return math_equal(q->gold, answer, reason);
}

const reward_kind reward_kinds[] = {
    {"math", "a mathematical answer, in LaTeX or plain notation", kind_math},
    {"exact", "the same bytes", kind_exact},
    {"digits", "digits in a base: case and leading zeros do not matter", kind_digits},
    {"assignment", "integers for unknowns, \"x = 3, y = 2\", in any order", kind_assignment},
    {NULL, NULL, NULL},
};

bool reward_form_by_name(enum reward_form *out, str name)
{
    static const char *const NAMES[] = {"answer", "response", "lenient"};
    for (size_t i = 0; i < COUNT_OF(NAMES); i++)
        if (str_eq(name, str_of(NAMES[i]))) return *out = (enum reward_form)i, true;
    return false;
}

const reward_kind *reward_kind_find(str name)
{
    if (name.n == 0) return &reward_kinds[0];
    for (const reward_kind *k = reward_kinds; k->name; k++)
        if (str_eq(name, str_of(k->name))) return k;
    return NULL;
}

ponder_status reward_verify(reward_verdict *out, const reward_question *q, str prediction,
                            enum reward_form form, ponder_error *err)
{
    *out = (reward_verdict){.reason = "no answer"};
    const reward_kind *k = reward_kind_find(q->kind);
    if (!k)
        return err_set(err, PONDER_EARG, "no verifier \"%.*s\"; `ponder verify --help` lists them",
                       STR_ARG(q->kind));
    if (!reward_extract(&out->answer, prediction, form, &out->reason)) return PONDER_OK;
    out->equal = k->equal(q, out->answer, &out->reason);
    return PONDER_OK;
}
