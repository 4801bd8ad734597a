/* Rows: what is to be judged, by which rule.
 * SPDX-License-Identifier: MIT */
#include "reward/code/code_int.h"
#include "reward/reward.h"

static bool language_by_name(enum code_language *out, str name)
{
    static const struct {
        const char *name;
        enum code_language language;
    } NAMES[] = {{"c", CODE_C}, {"cpp", CODE_CPP}, {"c++", CODE_CPP}, {"cxx", CODE_CPP},
                 {"cc", CODE_CPP}, {"python", CODE_PYTHON}, {"python3", CODE_PYTHON},
                 {"py", CODE_PYTHON}};
    char low[8];
    if (name.n >= sizeof low) return false;
    for (size_t i = 0; i < name.n; i++)
        low[i] = (char)(name.p[i] >= 'A' && name.p[i] <= 'Z' ? name.p[i] + 32 : name.p[i]);
    for (size_t i = 0; i < COUNT_OF(NAMES); i++)
        if (str_eq((str){low, name.n}, str_of(NAMES[i].name)))
            return *out = NAMES[i].language, true;
    return false;
}

/* "code", or what "prediction" holds; then the language. */
static ponder_status find_code(code_task *t, const json_t *row, const char *name, ponder_error *err)
{
    str language = STR(""), word = STR(""), prediction = STR("");
    TRY(json_field_str(row, name, "language", &language, err));
    TRY(json_field_str(row, name, "code", &t->code, err));
    TRY(json_field_str(row, name, "prediction", &prediction, err));
    const bool code = json_is_string(json_object_get(row, "code"));
    if (!code && !json_is_string(json_object_get(row, "prediction")))
        return err_set(err, PONDER_EFORMAT, "%s: want \"code\" or \"prediction\"", name);
    if (!code) {
        if (!reward_extract_code(&word, &t->code, prediction)) t->code = STR("");
        if (!language.n) language = word;
    }
    if (t->code.n > CODE_SOURCE_MOST)
        return err_set(err, PONDER_ELIMIT, "%s: more than %d bytes of code", name, CODE_SOURCE_MOST);
    if (language_by_name(&t->language, language)) return PONDER_OK;
    if (!language.n && t->entry.n) return t->language = CODE_PYTHON, PONDER_OK;
    if (!language.n && !code && !t->code.n) return PONDER_OK; /* no code: the verdict will say so */
    return err_set(err, PONDER_EFORMAT, "%s: \"language\" is \"%.*s\": want c, cpp or python", name,
                   STR_ARG(language));
}

static ponder_status find_rule(code_task *t, const json_t *row, const char *name, ponder_error *err)
{
    static const char *const NAMES[] = {"tokens", "lines", "exact", "float", "unordered", "special"};
    str rule = STR("tokens");
    TRY(json_field_str(row, name, "checker", &rule, err));
    TRY(json_field_bool(row, name, "nocase", &t->nocase, err));
    TRY(json_field_str(row, name, "checker_code", &t->checker, err));
    /* "special: the rule in words" */
    size_t colon = str_find(rule, STR(":"), 0);
    if (colon != SIZE_MAX) rule.n = colon;
    size_t i = 0;
    while (i < COUNT_OF(NAMES) && !str_eq(rule, str_of(NAMES[i]))) i++;
    if (i == COUNT_OF(NAMES))
        return err_set(err, PONDER_EFORMAT, "%s: \"checker\" is \"%.*s\": want tokens, lines, exact, "
                       "float, unordered or special", name, STR_ARG(rule));
    t->rule = (enum code_rule)i;
    if (t->rule == CODE_SPECIAL && !t->checker.n)
        return err_set(err, PONDER_EUNSUPPORTED, "%s: checker \"special\" needs \"checker_code\", a C "
                       "program called with the files input, output and answer", name);
    t->tolerance = t->rule == CODE_FLOAT ? 1e-6 : 0;
    TRY(json_field_f64(row, name, "float_tolerance", &t->tolerance, err));
    if (!(t->tolerance >= 0 && t->tolerance < 1))
        return err_set(err, PONDER_EFORMAT, "%s: \"float_tolerance\" must be from 0 to below 1", name);
    return PONDER_OK;
}

/* Every item is an object whose `a` and `b` are there, strings if `text`. */
static ponder_status check_items(const json_t *items, const char *key, const char *a, const char *b,
                                 bool text, const char *name, ponder_error *err)
{
    size_t n = json_array_size(items);
    if (!json_is_array(items) || n == 0 || n > CODE_TESTS_MOST)
        return err_set(err, PONDER_EFORMAT, "%s: \"%s\" must be a list of 1 to %d items", name, key,
                       CODE_TESTS_MOST);
    for (size_t i = 0; i < n; i++) {
        const json_t *item = json_array_get(items, i);
        const json_t *first = json_object_get(item, a), *second = json_object_get(item, b);
        const bool good = text ? json_is_string(first) && json_is_string(second)
                               : json_is_array(first) && second;
        if (!good)
            return err_set(err, PONDER_EFORMAT, "%s: item %zu of \"%s\": want \"%s\"%s and \"%s\"%s",
                           name, i + 1, key, a, text ? " (text)" : " (a list)", b, text ? " (text)" : "");
    }
    return PONDER_OK;
}

static bool is_identifier(str s)
{
    for (size_t i = 0; i < s.n; i++) {
        const unsigned char c = (unsigned char)s.p[i];
        if (c < 0x80 && c != '_' && !(c >= '0' && c <= '9') && !((c | 32) >= 'a' && (c | 32) <= 'z'))
            return false;
    }
    return s.n > 0 && s.n < 256;
}

ponder_status code_task_parse(code_task *out, const json_t *row, const char *name, ponder_error *err)
{
    code_task *t = out;
    *t = (code_task){.code = STR(""), .entry = STR(""), .checker = STR(""), .time_ms = 10000, .memory_mb = 512};
    if (!json_is_object(row)) return err_set(err, PONDER_EFORMAT, "%s: want a JSON object", name);
    TRY(json_field_str(row, name, "entry_point", &t->entry, err));
    TRY(find_code(t, row, name, err));
    TRY(find_rule(t, row, name, err));
    TRY(json_field_i64(row, name, "time_limit_ms", 1, 600000, &t->time_ms, err));
    TRY(json_field_i64(row, name, "memory_limit_mb", 1, 65536, &t->memory_mb, err));
    if (t->entry.n == 0) {
        t->tests = json_object_get(row, "tests");
        TRY(check_items(t->tests, "tests", "input", "output", true, name, err));
        t->total = json_array_size(t->tests);
        return PONDER_OK;
    }
    if (!is_identifier(t->entry))
        return err_set(err, PONDER_EFORMAT, "%s: \"entry_point\" must be the name of a function", name);
    t->cases = json_object_get(row, "cases");
    TRY(check_items(t->cases, "cases", "args", "expect", false, name, err));
    t->total = json_array_size(t->cases);
    if (t->language != CODE_PYTHON)
        return err_set(err, PONDER_EUNSUPPORTED, "%s: \"entry_point\" is for python; give programs in "
                       "c and cpp \"tests\" with input and output", name);
    return PONDER_OK;
}
