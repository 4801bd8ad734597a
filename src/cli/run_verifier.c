/* The verifier of --best-of: a row as `ponder verify` takes it, without its prediction.
 * SPDX-License-Identifier: MIT */
#include "cli/run.h"
#include "reward/code/code.h"
#include "reward/reward.h"

#include <stdlib.h>

enum { ROW_BYTES = 64 << 20 };

static const char NAME[] = "--verify"; /* in messages */

struct run_verifier {
    json_t *row;
    reward_question question;
    enum reward_form form;
    code_judge *code; /* of kind "code"; else NULL */
};

static ponder_status read_question(run_verifier *v, ponder_error *err)
{
    str form = STR("response");
    TRY(json_field_str(v->row, NAME, "kind", &v->question.kind, err));
    if (str_eq(v->question.kind, STR("code")))
        return code_open(&v->code, &(code_options){.stop_at_first = true}, err);
    TRY(json_field_str(v->row, NAME, "answer", &v->question.gold, err));
    TRY(json_field_str(v->row, NAME, "gold", &v->question.gold, err));
    TRY(json_field_str(v->row, NAME, "form", &form, err));
    v->question.puzzle = json_object_get(v->row, "puzzle");
    if (!reward_form_by_name(&v->form, form))
        return err_set(err, PONDER_EARG, "%s: form \"%.*s\": use answer, response or lenient", NAME,
                       STR_ARG(form));
    ponder_status st = reward_check(&v->question, err);
    return st == PONDER_OK ? st : err_context(err, st, "%s", NAME);
}

ponder_status run_verifier_open(run_verifier **out, const char *row, ponder_error *err)
{
    *out = NULL;
    run_verifier *v = calloc(1, sizeof *v);
    if (!v) return err_set(err, PONDER_ENOMEM, "no memory for a verifier");
    ponder_status st = *row == '{' ? json_parse(&v->row, str_of(row), NAME, err)
                                   : json_parse_file(&v->row, row, ROW_BYTES, err);
    if (st == PONDER_OK && !json_is_object(v->row))
        st = err_set(err, PONDER_EFORMAT, "%s: no JSON object", NAME);
    if (st == PONDER_OK) st = read_question(v, err);
    if (st != PONDER_OK) {
        run_verifier_close(v);
        return st;
    }
    *out = v;
    return PONDER_OK;
}

void run_verifier_close(run_verifier *v)
{
    if (!v) return;
    code_close(v->code);
    json_decref(v->row);
    free(v);
}

static ponder_status judge_code(bool *passed, run_verifier *v, str response, ponder_error *err)
{
    code_result r = {0};
    json_t *text = json_stringn(response.p, response.n);
    if (!text || json_object_set_new(v->row, "prediction", text) != 0)
        return err_set(err, PONDER_ENOMEM, "%s: no memory for an answer", NAME);
    ponder_status st = code_verify_row(v->code, &r, v->row, NAME, err);
    *passed = st == PONDER_OK && r.verdict == CODE_AC;
    code_result_free(&r);
    return st;
}

ponder_status run_verifier_judge(bool *passed, run_verifier *v, str response, ponder_error *err)
{
    reward_verdict verdict;
    if (v->code) return judge_code(passed, v, response, err);
    TRY(reward_verify(&verdict, &v->question, response, v->form, err));
    *passed = verdict.equal;
    return PONDER_OK;
}
