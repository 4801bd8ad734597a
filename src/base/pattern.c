/* Regular expressions with a budget.
 * SPDX-License-Identifier: MIT
 *
 * PCRE2's own match limit starts anew at every place a match could begin, so it does not bound a
 * search. Here every item of a pattern is an automatic callout that is charged for itself and for
 * the characters passed since the last one. */
#include "base/pattern.h"

#include <stdlib.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

enum {
    PATTERN_LIMIT = 64 << 10,
    NEST_LIMIT = 100,
    HEAP_LIMIT_KIB = 32 << 10,
    STEPS = 1 << 20,
    STEPS_PER_BYTE = 16
};

struct pattern {
    pcre2_code *code;
};

ponder_status pattern_open(pattern **out, str text, unsigned flags, ponder_error *err)
{
    *out = NULL;
    if (text.n >= PATTERN_LIMIT)
        return err_set(err, PONDER_ELIMIT, "regular expression has %zu bytes", text.n);
    uint32_t options = PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C | PCRE2_AUTO_CALLOUT;
    if (flags & PATTERN_ECMA)
        options |= PCRE2_ALT_BSUX | PCRE2_DOLLAR_ENDONLY | PCRE2_MATCH_UNSET_BACKREF;
    else options |= PCRE2_UCP;
    if (flags & PATTERN_WHOLE) options |= PCRE2_ANCHORED | PCRE2_ENDANCHORED;
    pattern *p = calloc(1, sizeof *p);
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    if (!p || !context) {
        pcre2_compile_context_free(context);
        free(p);
        return err_set(err, PONDER_ENOMEM, "regular expression: out of memory");
    }
    int code;
    PCRE2_SIZE where;
    pcre2_set_parens_nest_limit(context, NEST_LIMIT);
    if (flags & PATTERN_ECMA) pcre2_set_compile_extra_options(context, PCRE2_EXTRA_ALT_BSUX);
    p->code = pcre2_compile((PCRE2_SPTR)text.p, text.n, options, &code, &where, context);
    pcre2_compile_context_free(context);
    if (!p->code) {
        char why[128] = "";
        pcre2_get_error_message(code, (PCRE2_UCHAR *)why, sizeof why);
        free(p);
        return err_set(err, PONDER_EFORMAT, "regular expression \"%.*s\": %s at byte %zu",
                       STR_ARG(text), why, (size_t)where);
    }
    *out = p;
    return PONDER_OK;
}

void pattern_close(pattern *p)
{
    if (!p) return;
    pcre2_code_free(p->code);
    free(p);
}

typedef struct budget {
    size_t left, at;
} budget;

static int charge(pcre2_callout_block *block, void *arg)
{
    budget *b = arg;
    size_t at = block->current_position, cost = 1 + (at > b->at ? at - b->at : b->at - at);
    b->at = at;
    if (cost > b->left) return PCRE2_ERROR_MATCHLIMIT;
    b->left -= cost;
    return 0;
}

enum pattern_verdict pattern_match(const pattern *p, str subject)
{
    size_t steps;
    if (!size_mul(&steps, subject.n, STEPS_PER_BYTE) || !size_add(&steps, steps, STEPS))
        return PATTERN_GAVE_UP;
    budget b = {.left = steps};
    int rc = PCRE2_ERROR_NOMEMORY;
    pcre2_match_context *context = pcre2_match_context_create(NULL);
    pcre2_match_data *match = pcre2_match_data_create(1, NULL);
    if (context && match) {
        pcre2_set_heap_limit(context, HEAP_LIMIT_KIB);
        pcre2_set_callout(context, charge, &b);
        rc = pcre2_match(p->code, (PCRE2_SPTR)(subject.p ? subject.p : ""), subject.n, 0, 0, match,
                         context);
    }
    pcre2_match_data_free(match);
    pcre2_match_context_free(context);
    return rc >= 0 ? PATTERN_YES : rc == PCRE2_ERROR_NOMATCH ? PATTERN_NO : PATTERN_GAVE_UP;
}
