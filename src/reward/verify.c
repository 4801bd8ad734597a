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
    {"math", "a mathematical answer, in LaTeX or plain notation", kind_math, NULL, false},
    {"exact", "the same bytes", kind_exact, NULL, false},
    {"text", "the same words: case, width, blanks and outer punctuation aside", kind_text,
     check_text, false},
    {"integer", "the same whole number, of any size", kind_integer, check_integer, false},
    {"choice", "the same letter of a multiple choice, A to J", kind_choice, check_choice, false},
    {"regex", "matches the known regular expression as a whole", kind_regex, check_regex, true},
    {"json", "the same JSON value, or one that fits puzzle.schema", kind_json, check_json, false},
    {"format", "the response has the known form: think or think_answer", kind_format, check_format,
     true},
    {"language", "the words are of the known language", kind_language, check_language, true},
    {"digits", "digits in a base: case and leading zeros do not matter", kind_digits, NULL, false},
    {"assignment", "integers for unknowns, \"x = 3, y = 2\", in any order", kind_assignment, NULL,
     false},
    {"countdown", "an expression of the numbers, each once, that has the target's value",
     kind_countdown, check_puzzle, false},
    {"list", "integers in order, in any brackets; also for sorting", kind_list, check_puzzle,
     false},
    {"boolean", "true or false, in words, letters or digits", kind_boolean, check_puzzle, false},
    {"knights", "every name once as knight or knave, so that all statements fit", kind_knights,
     check_puzzle, false},
    {"sudoku", "a filled 4x4 or 9x9 grid that keeps the given digits", kind_sudoku, check_puzzle,
     false},
    {"path", "a shortest way through a maze as moves U D L R, or none", kind_path, check_puzzle,
     false},
    {"sat", "an assignment that makes every clause true, or unsat", kind_sat, check_puzzle, false},
    {"coloring", "a colour for every node, different along edges, or none", kind_coloring,
     check_puzzle, false},
    {NULL, NULL, NULL, NULL, false},
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

ponder_status reward_check(const reward_question *q, ponder_error *err)
{
    const reward_kind *k = reward_kind_find(q->kind);
    if (!k)
        return err_set(err, PONDER_EARG, "no verifier \"%.*s\"; `ponder verify --help` lists them",
                       STR_ARG(q->kind));
    return k->check ? k->check(q, err) : PONDER_OK;
}

ponder_status reward_verify(reward_verdict *out, const reward_question *q, str prediction,
                            enum reward_form form, ponder_error *err)
{
    *out = (reward_verdict){.reason = "no answer"};
    TRY(reward_check(q, err));
    if (!reward_extract(&out->answer, prediction, form, &out->reason)) return PONDER_OK;
    out->equal = reward_kind_find(q->kind)->equal(q, out->answer, &out->reason);
    return PONDER_OK;
}
