/* {"model"}: answers scored by the reward model of an earlier stage.
 * SPDX-License-Identifier: MIT */
#include "train/terms_int.h"

#include "train/scorer.h"

#include <stddef.h>
#include <stdlib.h>

/* Whether the stage is there and what it makes is found out with the order of stages (origin.h). */
static ponder_status open_scorer(void **state, const term_settings *s, const term_place *p,
                                 ponder_error *err)
{
    return p->c ? scorer_open((scorer **)state, p->c, s->model, p->where, err) : PONDER_OK;
}

static ponder_status judge(void *state, const term_answer *a, size_t n, float *out,
                           ponder_error *err)
{
    scorer_text *text = calloc(n, sizeof *text);
    if (!text) return err_set(err, PONDER_ENOMEM, "no memory to score %zu answers", n);
    for (size_t k = 0; k < n; k++)
        text[k] = (scorer_text){buf_str(&a[k].asked->prompt), a[k].response};
    ponder_status st = scorer_score(state, text, n, out, err);
    free(text);
    return st;
}

static void close_scorer(void *state) { scorer_close(state); }

static const key model_keys[] = {{"model", KEY_TEXT, offsetof(term_settings, model), 0, 0}, {0}};
const term_kind term_model = {"model", model_keys, open_scorer, judge, close_scorer};
