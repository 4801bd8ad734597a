/* choice: the letters of a multiple choice, A to J. Kind "choice".
 * SPDX-License-Identifier: MIT
 *
 * An answer is letters and marks around them, or one letter and the text of its choice:
 *
 *   answer = lead* ( letters | letter mark text )      lead = "the answer is", "Option", 选 ...
 *   letters = letter (("," | ";" | "、" | "&" | "and" | 和 | 与)? letter)*
 *
 * Everything else, above all alternatives ("A or B", "A/B"), is no answer. */
#include "reward/reward_int.h"

enum { LETTERS = 10 };

typedef struct choices {
    unsigned set; /* bit 0: A; 0: nothing could be read */
    int n;        /* letters written */
    str text;     /* what follows the letter; empty: nothing */
} choices;

static bool is_letter(char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); }

/* 0..9 for a letter that may name a choice, else -1. */
static int letter_index(char c)
{
    int i = c >= 'a' ? c - 'a' : c - 'A';
    return is_letter(c) && i < LETTERS ? i : -1;
}

static str from(str s, size_t n) { return (str){s.p + n, s.n - n}; }
static bool take(str *s, str what)
{
    if (!str_starts(*s, what)) return false;
    *s = from(*s, what.n);
    return true;
}

static void skip_blanks(str *s)
{
    while (s->n && s->p[0] == ' ') *s = from(*s, 1);
}

/* A word of ASCII letters in any case, whole. */
static bool take_word(str *s, str lower)
{
    if (s->n < lower.n || (s->n > lower.n && is_letter(s->p[lower.n]))) return false;
    for (size_t i = 0; i < lower.n; i++)
        if ((s->p[i] | (is_letter(s->p[i]) ? 0x20 : 0)) != lower.p[i]) return false;
    *s = from(*s, lower.n);
    return true;
}

/* ---- around the letters
 * --------------------------------------------------------------------------- */

/* Emphasis and LaTeX around the whole: **B**, $B$, \text{B}. */
static bool unwrap(str *s)
{
    static const struct {
        str open, close;
    } WRAP[] = {{STR("**"), STR("**")},       {STR("$"), STR("$")},
                {STR("`"), STR("`")},         {STR("\""), STR("\"")},
                {STR("\\text{"), STR("}")},   {STR("\\textbf{"), STR("}")},
                {STR("\\mathrm{"), STR("}")}, {STR("\\mathbf{"), STR("}")},
                {STR("\\boxed{"), STR("}")},  {STR("{"), STR("}")}};
    for (size_t i = 0; i < COUNT_OF(WRAP); i++) {
        if (s->n <= WRAP[i].open.n + WRAP[i].close.n || !str_starts(*s, WRAP[i].open) ||
            !str_ends(*s, WRAP[i].close))
            continue;
        *s = (str){s->p + WRAP[i].open.n, s->n - WRAP[i].open.n - WRAP[i].close.n};
        return true;
    }
    return false;
}

static bool take_lead(str *s)
{
    static const str WORD[] = {STR("the correct"), STR("the final"),  STR("the answer"),
                               STR("the option"),  STR("the choice"), STR("correct"),
                               STR("final"),       STR("answer"),     STR("option"),
                               STR("choice"),      STR("i choose"),   STR("is")};
    static const str HAN[] = {STR("正确"), STR("答案"), STR("应该"), STR("应"),
                              STR("故"),   STR("所以"), STR("选择"), STR("选项"),
                              STR("选"),   STR("我"),   STR("是"),   STR("为")};
    for (size_t i = 0; i < COUNT_OF(WORD); i++)
        if (take_word(s, WORD[i])) return true;
    for (size_t i = 0; i < COUNT_OF(HAN); i++)
        if (take(s, HAN[i])) return true;
    return false;
}

static void take_leads(str *s)
{
    while (take_lead(s)) {
        skip_blanks(s);
        if (take(s, STR(":"))) skip_blanks(s);
    }
}

/* ---- letters
 * -------------------------------------------------------------------------------------- */

/* "B", "(B)", "[B]"; with `joined`, another capital may follow at once. */
static int take_letter(str *s, bool joined)
{
    str t = *s;
    bool round = take(&t, STR("(")), square = !round && take(&t, STR("["));
    int i = t.n ? letter_index(t.p[0]) : -1;
    if (i < 0) return -1;
    t = from(t, 1);
    if ((round && !take(&t, STR(")"))) || (square && !take(&t, STR("]")))) return -1;
    if (t.n && is_letter(t.p[0]) && !(joined && t.p[0] <= 'Z')) return -1;
    *s = t;
    return i;
}

static void take_joint(str *s)
{
    static const str MARK[] = {STR(","), STR(";"), STR("、"), STR("&"), STR("和"), STR("与")};
    bool found = false;
    skip_blanks(s);
    for (size_t i = 0; i < COUNT_OF(MARK) && !found; i++) found = take(s, MARK[i]);
    skip_blanks(s);
    take_word(s, STR("and"));
    skip_blanks(s);
}

static bool add(choices *c, int letter)
{
    if (letter < 0 || c->set & 1u << letter) return false;
    c->set |= 1u << letter;
    c->n++;
    return true;
}

static void take_stop(str *s)
{
    skip_blanks(s);
    if (take(s, STR(".")) || take(s, STR("。"))) skip_blanks(s);
}

static bool read_letters(choices *c, str s)
{
    *c = (choices){0};
    do {
        if (!add(c, take_letter(&s, s.n && s.p[0] >= 'A' && s.p[0] <= 'Z'))) return false;
        take_joint(&s);
        take_stop(&s);
    } while (s.n);
    return true;
}

/* Does a text mention another choice as one: "(C)", "C)", "C. ", "C:", "or C", "/C"? */
static bool offers_another(str text)
{
    for (size_t i = 0; i < text.n; i++) {
        str before = {text.p, i};
        char last = i ? text.p[i - 1] : ' ', next = i + 1 < text.n ? text.p[i + 1] : '\0';
        if (letter_index(text.p[i]) < 0 || is_letter(last) || last == '\'' || is_letter(next))
            continue;
        bool upper = text.p[i] <= 'Z';
        if (next == ')' && (last == '(' || !memchr(text.p, '(', i))) return true;
        if (upper && (next == ':' || (next == '.' && i + 2 < text.n && text.p[i + 2] == ' ')))
            return true;
        if (upper && (last == '/' || str_ends(before, STR(" or ")) || str_ends(before, STR("或"))))
            return true;
    }
    return false;
}

/* "B) is wrong" speaks about the choice instead of quoting it. */
static bool speaks_about(str text)
{
    static const str HAN[] = {STR("是"), STR("不"), STR("错"), STR("或")};
    for (size_t i = 0; i < COUNT_OF(HAN); i++)
        if (str_starts(text, HAN[i])) return true;
    return take_word(&text, STR("is")) || take_word(&text, STR("isn")) ||
           take_word(&text, STR("was")) || take_word(&text, STR("or"));
}

/* One letter, a mark, and text that offers no other letter. */
static bool read_quoted(choices *c, str s)
{
    static const str MARK[] = {STR(")"), STR("."), STR(":"), STR("、"), STR("。")};
    *c = (choices){0};
    bool bracket = s.n && (s.p[0] == '(' || s.p[0] == '[');
    if (!add(c, take_letter(&s, false))) return false;
    bool marked = bracket;
    for (size_t i = 0; i < COUNT_OF(MARK) && !marked; i++) marked = take(&s, MARK[i]);
    skip_blanks(&s);
    c->text = s;
    choices other;
    return marked && !offers_another(s) && !speaks_about(s) && !read_letters(&other, s);
}

/* Of a text in NFKC with single blanks; `text` of the result is borrowed from it. */
static bool read_choices(choices *c, str s)
{
    while (unwrap(&s)) skip_blanks(&s);
    take_leads(&s);
    while (unwrap(&s)) skip_blanks(&s);
    return read_letters(c, s) || read_quoted(c, s);
}

/* ---- the kind
 * -------------------------------------------------------------------------------------- */

/* The texts of the choices where the question has them: then a quoted text must be the letter's,
 * and the text of a choice alone stands for its letter. */
static bool fits_texts(choices *c, bool read, const json_t *texts, str whole)
{
    if (!texts) return read;
    for (size_t i = 0; read && i < LETTERS; i++)
        if (c->set == 1u << i && c->text.n)
            read = same_text(json_str(json_array_get(texts, i)), c->text);
    if (read) return true;
    *c = (choices){0};
    for (size_t i = 0; i < json_array_size(texts) && i < LETTERS; i++)
        if (same_text(json_str(json_array_get(texts, i)), whole)) add(c, (int)i);
    return c->n == 1;
}

static bool read_gold(choices *c, str gold)
{
    buf folded = {0};
    json_t *list = NULL;
    bool ok = true;
    *c = (choices){0};
    if (gold.n && gold.p[0] == '[' && json_parse(&list, gold, "gold", NULL) == PONDER_OK) {
        for (size_t i = 0; ok && i < json_array_size(list); i++) {
            str letter = json_str(json_array_get(list, i));
            ok = letter.n == 1 && add(c, letter_index(letter.p[0]));
        }
    } else {
        ok = fold_text(&folded, gold, true) && read_letters(c, buf_str(&folded));
    }
    json_decref(list);
    buf_free(&folded);
    return ok && c->n > 0;
}

ponder_status check_choice(const reward_question *q, ponder_error *err)
{
    choices c;
    const json_t *texts = json_object_get(q->puzzle, "choices");
    if (texts && !json_is_array(texts))
        return err_set(err, PONDER_EFORMAT,
                       "kind choice: \"puzzle.choices\" must be a list of texts");
    if (read_gold(&c, q->gold)) return PONDER_OK;
    return err_set(err, PONDER_EFORMAT,
                   "kind choice: \"gold\" \"%.*s\" is neither a letter A to J nor a list of such",
                   STR_ARG(q->gold));
}

bool kind_choice(const reward_question *q, str answer, const char **reason)
{
    buf folded = {0};
    choices gold, c = {0};
    bool known = read_gold(&gold, q->gold);
    bool read = fold_text(&folded, answer, true);
    if (read) {
        read = read_choices(&c, buf_str(&folded));
        read = fits_texts(&c, read, json_object_get(q->puzzle, "choices"), answer);
    }
    bool same = known && read && c.set == gold.set;
    *reason = same                     ? "same choice"
              : !read                  ? "not a choice"
              : c.n > 1 && gold.n == 1 ? "several choices"
                                       : "other choice";
    buf_free(&folded);
    return same;
}
