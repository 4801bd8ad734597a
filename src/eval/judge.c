/* Verdicts on responses.
 * SPDX-License-Identifier: MIT */
#include "eval/prompt.h"
#include "reward/reward.h"

static str trimmed(str s)
{
    while (s.n && strchr(" \t\r\n", s.p[0]) && s.p[0]) s.p++, s.n--;
    while (s.n && strchr(" \t\r\n", s.p[s.n - 1]) && s.p[s.n - 1]) s.n--;
    return s;
}

/* What follows the last thinking; nothing when one was opened and not closed. */
static str after_thinking(str s)
{
    for (size_t at; (at = str_find(s, STR("</think>"), 0)) != SIZE_MAX;)
        s = (str){s.p + at + 8, s.n - at - 8};
    if (str_find(s, STR("<think>"), 0) != SIZE_MAX) s.n = 0;
    return s;
}

/* A response that writes a choice out instead of naming it: its number, or the count of choices. */
static size_t choice_by_text(const eval_question *q, str text)
{
    str answer;
    const char *reason;
    size_t i = q->n_choices;
    if (!reward_extract(&answer, text, REWARD_LENIENT, &reason)) return i;
    answer = trimmed(answer);
    for (i = 0; i < q->n_choices; i++)
        if (answer.n && str_eq(answer, trimmed(json_str(json_array_get(q->choices, i))))) break;
    return i;
}

static void judge_choice(eval_verdict *out, const eval_question *q, enum eval_style style,
                         const eval_order *o, str text)
{
    bool bare = style == EVAL_BASE; /* the letter was chosen, not written */
    text = after_thinking(text);
    char strict = eval_find_letter(text, q->n_choices, bare);
    char lenient = strict ? strict : eval_find_letter(text, q->n_choices, true);
    size_t row = lenient ? o->from[lenient - 'A'] : choice_by_text(q, text);
    out->found = strict != 0;
    out->answered = row < q->n_choices;
    if (out->answered) buf_add_char(&out->answer, (char)('A' + row));
    out->lenient = out->answered && q->gold.p[0] == (char)('A' + row);
    out->strict = out->found && out->lenient;
    out->reason = !out->answered ? "no letter" : out->lenient ? "the right letter" : "another letter";
}

static ponder_status judge_answer(eval_verdict *out, const eval_question *q, enum eval_style style,
                                  str text, ponder_error *err)
{
    bool bare = style == EVAL_BASE; /* the completion is the answer */
    const reward_question rq = {.kind = q->kind, .gold = q->gold, .puzzle = q->puzzle};
    reward_verdict strict, lenient;
    if (bare) text = trimmed(text);
    TRY(reward_verify(&strict, &rq, text, bare ? REWARD_ANSWER : REWARD_RESPONSE, err));
    TRY(reward_verify(&lenient, &rq, text, bare ? REWARD_ANSWER : REWARD_LENIENT, err));
    out->found = strict.answer.n > 0;
    out->answered = lenient.answer.n > 0;
    buf_add_str(&out->answer, lenient.answer);
    out->strict = strict.equal;
    out->lenient = lenient.equal;
    out->reason = lenient.reason;
    return PONDER_OK;
}

ponder_status eval_judge(eval_verdict *out, const eval_question *q, enum eval_style style,
                         const eval_order *o, str text, ponder_error *err)
{
    buf answer = out->answer;
    buf_clear(&answer);
    *out = (eval_verdict){.answer = answer, .reason = "no answer"};
    ponder_status st = PONDER_OK;
    if (q->form == EVAL_CHOICE) judge_choice(out, q, style, o, text);
    else if (q->form == EVAL_ANSWER) st = judge_answer(out, q, style, text, err);
    else st = err_set(err, PONDER_EUNSUPPORTED, "no judge of %s questions", eval_form_name(q->form));
    if (st == PONDER_OK && out->answer.failed) st = err_set(err, PONDER_ENOMEM, "out of memory");
    return st;
}

bool eval_can_judge(enum eval_form f) { return f == EVAL_ANSWER || f == EVAL_CHOICE; }

bool eval_same_answer(const eval_question *q, str a, str b)
{
    if (str_eq(a, b)) return true;
    if (q->form != EVAL_ANSWER || q->puzzle) return false;
    const reward_question rq = {.kind = q->kind, .gold = a};
    reward_verdict v;
    return reward_verify(&v, &rq, b, REWARD_ANSWER, NULL) == PONDER_OK && v.equal;
}
