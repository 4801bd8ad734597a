/* Verdicts on responses.
 * SPDX-License-Identifier: MIT */
#include "eval/patch.h"
#include "eval/prompt.h"
#include "reward/reward.h"

enum { TRIES = 3 };

static str trimmed(str s)
{
    while (s.n && strchr(" \t\r\n", s.p[0]) && s.p[0]) s.p++, s.n--;
    while (s.n && strchr(" \t\r\n", s.p[s.n - 1]) && s.p[s.n - 1]) s.n--;
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
    text = reward_after_thinking(text);
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

/* ---- programs ---------------------------------------------------------------------------------- */

bool eval_judge_is_slow(const eval_question *q)
{
    return q->form == EVAL_FUNCTION || q->form == EVAL_STDIO || q->form == EVAL_PATCH;
}

/* What a prompt gives before the function it asks for, imports and helpers: a reply that repeats only
 * the function means them too. */
static str before_function(const eval_question *q)
{
    const char *name = json_string_value(json_object_get(q->row, "entry_point"));
    buf def = {0};
    buf_printf(&def, "def %s(", name ? name : "");
    size_t at = name && !def.failed ? str_find(q->problem, buf_str(&def), 0) : SIZE_MAX;
    buf_free(&def);
    return at == SIZE_MAX ? STR("") : (str){q->problem.p, at};
}

/* The language of a block: its own word where the row leaves it open. */
static const char *block_language(const eval_judge *j, const eval_question *q, str word)
{
    static const char *const KNOWN[] = {"python", "c", "cpp"};
    static const char *const OTHER[][2] = {{"python3", "python"}, {"py", "python"}, {"c++", "cpp"}};
    const char *asked = eval_prompt_language(j->prompter, q);
    if (json_object_get(q->row, "language") || q->form == EVAL_FUNCTION) return asked;
    for (size_t i = 0; i < COUNT_OF(KNOWN); i++)
        if (str_eq(word, str_of(KNOWN[i]))) return KNOWN[i];
    for (size_t i = 0; i < COUNT_OF(OTHER); i++)
        if (str_eq(word, str_of(OTHER[i][0]))) return OTHER[i][1];
    return asked;
}

static ponder_status run_program(const eval_judge *j, code_result *r, const eval_question *q,
                                 const char *language, str code, ponder_error *err)
{
    buf whole = {0};
    if (!j->code)
        return err_set(err, PONDER_EUNSUPPORTED, "programs cannot be judged without a sandbox");
    if (q->form == EVAL_FUNCTION && code.n) buf_add_str(&whole, before_function(q));
    buf_add_str(&whole, code);
    json_t *row = json_deep_copy(q->row);
    bool ok = row && !whole.failed && !json_object_set_new(row, "language", json_string(language)) &&
              !json_object_set_new(row, "code", json_stringn(whole.n ? whole.p : "", whole.n));
    ponder_status st = ok ? PONDER_EIO : err_set(err, PONDER_ENOMEM, "no memory for a program");
    for (int i = 0; i < TRIES && st == PONDER_EIO; i++) /* the system refused something just now */
        st = code_verify_row(j->code, r, row, "the program", err);
    json_decref(row);
    buf_free(&whole);
    return st;
}

static ponder_status judge_program(const eval_judge *j, eval_verdict *out, const eval_question *q,
                                   str text, ponder_error *err)
{
    str word, code;
    code_result r = {0};
    out->reason = "no block of code";
    if (!reward_extract_code(&word, &code, text)) return PONDER_OK;
    ponder_status st = run_program(j, &r, q, block_language(j, q, word), code, err);
    if (st == PONDER_OK) {
        out->found = out->answered = true;
        out->strict = out->lenient = r.verdict == CODE_AC;
        out->reason = code_verdict_name(r.verdict);
        buf_printf(&out->answer, "%s %zu/%zu", out->reason, r.passed, r.total);
    }
    code_result_free(&r);
    return st;
}

static ponder_status judge_patch(const eval_judge *j, eval_verdict *out, const eval_question *q,
                                 str text, ponder_error *err)
{
    static const char *const ENDS[] = {"passed", "failed", "does not apply", "over a limit"};
    str word, diff;
    enum eval_patch_end end;
    out->reason = "no block of code";
    if (!reward_extract_code(&word, &diff, text)) return PONDER_OK;
    if (!j->box) return err_set(err, PONDER_EUNSUPPORTED, "patches cannot be judged without a sandbox");
    TRY(eval_patch_judge(j->box, &end, q->row, diff, err));
    out->found = out->answered = true;
    out->strict = out->lenient = end == EVAL_PATCH_PASSED;
    out->reason = ENDS[end];
    buf_add_str(&out->answer, str_of(out->reason));
    return PONDER_OK;
}

/* ---- all forms --------------------------------------------------------------------------------- */

ponder_status eval_judge_check(const eval_judge *j, const eval_question *q, ponder_error *err)
{
    const reward_question rq = {.kind = q->kind, .gold = q->gold, .puzzle = q->puzzle};
    code_result r = {0};
    ponder_status st = PONDER_OK;
    switch (q->form) {
    case EVAL_CHOICE: break;
    case EVAL_ANSWER: st = reward_check(&rq, err); break;
    case EVAL_FUNCTION:
    case EVAL_STDIO: /* an empty program is judged without running anything */
        st = run_program(j, &r, q, eval_prompt_language(j->prompter, q), STR(""), err);
        break;
    default: { /* the repository must be there; commit and tests show when they are used */
        const char *repo = json_string_value(json_object_get(q->row, "repo"));
        if (!repo || !file_is_dir(repo))
            st = err_set(err, PONDER_ENOTFOUND, "no repository \"%.200s\"", repo ? repo : "");
    }
    }
    code_result_free(&r);
    return st;
}

ponder_status eval_judge_text(const eval_judge *j, eval_verdict *out, const eval_question *q,
                              const eval_order *o, str text, ponder_error *err)
{
    buf answer = out->answer;
    buf_clear(&answer);
    *out = (eval_verdict){.answer = answer, .reason = "no answer"};
    ponder_status st = PONDER_OK;
    enum eval_style style = j->prompter->style;
    if (q->form == EVAL_CHOICE) judge_choice(out, q, style, o, text);
    else if (q->form == EVAL_ANSWER) st = judge_answer(out, q, style, text, err);
    else if (q->form == EVAL_PATCH) st = judge_patch(j, out, q, text, err);
    else st = judge_program(j, out, q, text, err);
    if (st == PONDER_OK && out->answer.failed) st = err_set(err, PONDER_ENOMEM, "out of memory");
    return st;
}
