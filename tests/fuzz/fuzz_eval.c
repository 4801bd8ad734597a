/* Rows of a benchmark, the prompts made of them, and letters in responses: any bytes.
 * SPDX-License-Identifier: MIT */
#include "eval/prompt.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const str text = {(const char *)data, n};
    eval_dataset d;
    ponder_error err;
    char strict = eval_find_letter(text, 4, false), lenient = eval_find_letter(text, 4, true);
    if (strict > 'D' || lenient > 'D') abort();
    if (eval_dataset_parse(&d, "fuzz", text, &err) == PONDER_OK) {
        for (int style = 0; style < EVAL_STYLES; style++) {
            const eval_prompter p = {.style = (enum eval_style)style,
                                     .shots = &d,
                                     .n_shots = style == EVAL_BASE ? 2 : 0,
                                     .permute = true};
            for (size_t i = 0; i < d.n; i++) {
                buf out = {0};
                eval_order o = eval_order_of(&p, &d.q[i], i);
                if (eval_style_suits(p.style, d.q[i].form)) eval_prompt(&out, &p, &d.q[i], &o);
                buf_free(&out);
            }
        }
        eval_dataset_cut(&d, 2);
        if (d.n > 1) eval_dataset_drop(&d, 0);
    }
    eval_dataset_close(&d);
    return 0;
}
