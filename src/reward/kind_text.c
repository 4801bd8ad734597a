/* text: the same words, whole against whole. Kind "text".
 * SPDX-License-Identifier: MIT */
#include "reward/reward_int.h"
#include "text/text.h"

#include <utf8proc.h>

enum { LONGEST_FOLDED = 32 };

static bool is_blank(utf8proc_int32_t cp)
{
    utf8proc_category_t c = utf8proc_category(cp);
    return c == UTF8PROC_CATEGORY_ZS || c == UTF8PROC_CATEGORY_ZL || c == UTF8PROC_CATEGORY_ZP ||
           c == UTF8PROC_CATEGORY_CC;
}

/* NFKC would read 5² as 52. */
static bool is_raised(utf8proc_int32_t cp)
{
    unsigned type = utf8proc_get_property(cp)->decomp_type;
    return type == UTF8PROC_DECOMP_TYPE_SUPER || type == UTF8PROC_DECOMP_TYPE_SUB ||
           type == UTF8PROC_DECOMP_TYPE_FRACTION || type == UTF8PROC_DECOMP_TYPE_CIRCLE;
}

/* Runs of blanks as one space, none at the ends. */
static void squeeze(buf *out, str s)
{
    size_t start = out->n;
    bool due = false;
    for (size_t i = 0; i < s.n;) {
        utf8proc_int32_t cp;
        int step = utf8_step(s.p + i, s.n - i);
        if (step <= 0) step = 1;
        utf8proc_iterate((const utf8proc_uint8_t *)s.p + i, step, &cp);
        if (is_blank(cp)) {
            due = out->n > start;
        } else {
            if (due) buf_add_char(out, ' ');
            due = false;
            buf_add(out, s.p + i, (size_t)step);
        }
        i += (size_t)step;
    }
}

bool fold_text(buf *out, str s, bool keep_case)
{
    buf folded = {0}, normal = {0};
    utf8proc_option_t how = UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | UTF8PROC_IGNORE |
                            (keep_case ? 0 : UTF8PROC_CASEFOLD);
    bool ok = true;
    for (size_t i = 0; i < s.n && ok;) {
        utf8proc_int32_t cp, parts[LONGEST_FOLDED];
        utf8proc_uint8_t bytes[4];
        int step = utf8_step(s.p + i, s.n - i), last = 0;
        ok = step > 0;
        if (!ok) break;
        utf8proc_iterate((const utf8proc_uint8_t *)s.p + i, step, &cp);
        utf8proc_option_t compat = is_raised(cp) ? 0 : UTF8PROC_COMPAT;
        utf8proc_ssize_t n =
            utf8proc_decompose_char(cp, parts, LONGEST_FOLDED, how | compat, &last);
        ok = n <= LONGEST_FOLDED;
        for (utf8proc_ssize_t k = 0; ok && k < n; k++)
            buf_add(&folded, bytes, (size_t)utf8proc_encode_char(parts[k], bytes));
        i += (size_t)step;
    }
    ok =
        ok && !folded.failed && normal_form(&normal, FORM_NFC, buf_str(&folded), NULL) == PONDER_OK;
    if (ok) squeeze(out, buf_str(&normal));
    buf_free(&folded);
    buf_free(&normal);
    return ok && !out->failed;
}

/* ---- what stands around the words ------------------------------------------------------------ */

static const struct pair {
    str open, close;
} PAIRS[] = {
    {STR("\""), STR("\"")}, {STR("'"), STR("'")},   {STR("`"), STR("`")},   {STR("**"), STR("**")},
    {STR("*"), STR("*")},   {STR("“"), STR("”")},   {STR("‘"), STR("’")},   {STR("«"), STR("»")},
    {STR("„"), STR("“")},   {STR("「"), STR("」")}, {STR("『"), STR("』")}, {STR("《"), STR("》")},
};

static bool strip_pair(str *s)
{
    for (size_t i = 0; i < COUNT_OF(PAIRS); i++) {
        const struct pair *p = &PAIRS[i];
        if (s->n <= p->open.n + p->close.n || !str_starts(*s, p->open) || !str_ends(*s, p->close))
            continue;
        *s = (str){s->p + p->open.n, s->n - p->open.n - p->close.n};
        return true;
    }
    return false;
}

/* The mark that ends a sentence. "5!" keeps its "!": it may be a factorial. */
static bool strip_end(str *s)
{
    static const str END[] = {STR("."), STR(","), STR(";"),  STR(":"),
                              STR("!"), STR("?"), STR("。"), STR("、")};
    for (size_t i = 0; i < COUNT_OF(END); i++) {
        if (s->n <= END[i].n || !str_ends(*s, END[i])) continue;
        char before = s->p[s->n - 2];
        if (END[i].p[0] == '!' && ((before >= '0' && before <= '9') || before == ')')) return false;
        s->n -= END[i].n;
        return true;
    }
    return false;
}

static str strip(str s)
{
    for (;;) {
        while (s.n > 1 && s.p[0] == ' ') s = (str){s.p + 1, s.n - 1};
        while (s.n > 1 && s.p[s.n - 1] == ' ') s.n--;
        if (!strip_pair(&s) && !strip_end(&s)) return s;
    }
}

bool same_text(str a, str b)
{
    buf x = {0}, y = {0};
    bool same = fold_text(&x, a, false) && fold_text(&y, b, false) && x.n > 0 &&
                str_eq(strip(buf_str(&x)), strip(buf_str(&y)));
    buf_free(&x);
    buf_free(&y);
    return same;
}

/* ---- the kind
 * ------------------------------------------------------------------------------------ */

/* Gold as a list of texts; NULL: it is one text. */
static json_t *alternatives(str gold)
{
    json_t *list;
    if (gold.n == 0 || gold.p[0] != '[' || json_parse(&list, gold, "gold", NULL) != PONDER_OK)
        return NULL;
    bool texts = json_array_size(list) > 0;
    for (size_t i = 0; texts && i < json_array_size(list); i++)
        texts = json_is_string(json_array_get(list, i));
    if (texts) return list;
    json_decref(list);
    return NULL;
}

ponder_status check_text(const reward_question *q, ponder_error *err)
{
    if (same_text(q->gold, q->gold)) return PONDER_OK;
    return err_set(err, PONDER_EFORMAT, "kind text: \"gold\" is empty");
}

bool kind_text(const reward_question *q, str answer, const char **reason)
{
    json_t *list = alternatives(q->gold);
    bool same = false;
    for (size_t i = 0; !same && i < json_array_size(list); i++)
        same = same_text(json_str(json_array_get(list, i)), answer);
    if (!list) same = same_text(q->gold, answer);
    json_decref(list);
    *reason = same ? "same text" : "other text";
    return same;
}
