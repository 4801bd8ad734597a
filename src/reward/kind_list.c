/* list and boolean: answers with one right value and several spellings.
 * SPDX-License-Identifier: MIT */
#include "reward/scan.h"

/* ---- list: integers in order, "[3, -1, 2]", "3 -1 2", "{3; -1; 2}" --------------------------- */

static const char *const OPEN[] = {"[", "(", "{", "\\{", "（", "【", "\\left[", NULL};
static const char *const CLOSE[] = {"]", ")", "}", "\\}", "）", "】", "\\right]", NULL};
static const char *const NEGATIVE[] = {"-", "−", "－", NULL};

enum { NO_LIST = -1, LIST_END, LIST_ITEM };

struct list {
    scan s;
    int bracket;
    bool first;
};

static bool list_begin(struct list *l, str text)
{
    *l = (struct list){.bracket = -1, .first = true};
    if (!scan_begin(&l->s, text)) return false;
    l->bracket = scan_any(&l->s, OPEN);
    return true;
}

static int list_next(struct list *l, int64_t *v)
{
    scan_blanks(&l->s);
    if (l->bracket >= 0 && scan_any(&l->s, CLOSE) == l->bracket)
        return scan_done(&l->s) ? LIST_END : NO_LIST;
    if (scan_done(&l->s)) return l->bracket >= 0 ? NO_LIST : LIST_END;
    if (!l->first) scan_separators(&l->s);
    l->first = false;
    bool negative = scan_any(&l->s, NEGATIVE) >= 0;
    if (!scan_number(&l->s, INT64_MAX, v) || (negative && *v == 0)) return NO_LIST;
    if (negative) *v = -*v;
    /* "1.5" and "3-4" are no items; a blank, a separator, a bracket or the end must follow. */
    scan rest = l->s;
    if (scan_done(&rest) || rest.p > l->s.p || scan_any(&rest, CLOSE) >= 0) return LIST_ITEM;
    scan_separators(&rest);
    return rest.p > l->s.p ? LIST_ITEM : NO_LIST;
}

static bool is_list(str text)
{
    struct list l;
    int64_t v;
    int next = list_begin(&l, text) ? LIST_ITEM : NO_LIST;
    while (next == LIST_ITEM) next = list_next(&l, &v);
    return next == LIST_END;
}

bool kind_list(const reward_question *q, str answer, const char **reason)
{
    struct list a, b;
    if (!is_list(q->gold) || !list_begin(&a, q->gold)) return scan_no(reason, reward_bad_gold);
    if (!list_begin(&b, answer)) return scan_no(reason, "empty or too long");
    for (;;) {
        int64_t x = 0, y = 0;
        int known = list_next(&a, &x), got = list_next(&b, &y);
        if (got == NO_LIST) return scan_no(reason, "not a list of integers");
        if (known != got) return scan_no(reason, "another length");
        if (known == LIST_END) break;
        if (x != y) return scan_no(reason, "another element");
    }
    *reason = "the same list";
    return true;
}

/* ---- boolean --------------------------------------------------------------------------------- */

/* Even places are true, odd ones false. */
static const char *const TRUTH[] = {"true",
                                    "false",
                                    "t",
                                    "f",
                                    "1",
                                    "0",
                                    "yes",
                                    "no",
                                    "真",
                                    "假",
                                    "对",
                                    "错",
                                    "是",
                                    "否",
                                    "\\text{true}",
                                    "\\text{false}",
                                    "⊤",
                                    "⊥",
                                    "\\top",
                                    "\\bot",
                                    "成立",
                                    "不成立",
                                    NULL};

static bool truth(str text, bool *out)
{
    scan s;
    if (!scan_begin(&s, text)) return false;
    int word = scan_any(&s, TRUTH);
    *out = word % 2 == 0;
    return word >= 0 && scan_done(&s);
}

bool kind_boolean(const reward_question *q, str answer, const char **reason)
{
    bool known, got;
    if (!truth(q->gold, &known)) return scan_no(reason, reward_bad_gold);
    if (!truth(answer, &got)) return scan_no(reason, "not one word for true or false");
    if (known != got) return scan_no(reason, "the other truth value");
    *reason = "the same truth value";
    return true;
}
