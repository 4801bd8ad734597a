/* JSON Schema: the public test suite, and what it does not hold.
 * SPDX-License-Identifier: MIT
 *
 * The suite is Debian's package json-schema-test-suite, or any tree of that form that
 * JSON_SCHEMA_SUITE names. */
#include "tests/check.h"
#include "json/schema_int.h"

#include <dirent.h>
#include <stdlib.h>

/* ---- one value ------------------------------------------------------------------------------- */

static json_t *parse(const char *text)
{
    ponder_error err;
    json_t *v;
    check_ok(json_parse(&v, str_of(text), "test", &err));
    return v;
}

static ponder_status check(const char *schema, const char *value, ponder_error *err)
{
    json_t *s = parse(schema), *v = parse(value);
    json_schema *compiled;
    ponder_status st = json_schema_open(&compiled, s, "s", err);
    if (st != PONDER_OK) fail_msg("%s: %s", schema, err->message);
    json_decref(s);
    st = json_schema_check(compiled, v, err);
    json_schema_close(compiled);
    json_decref(v);
    return st;
}

static void test_messages(void **state)
{
    (void)state;
    static const struct {
        const char *schema, *value, *message;
    } ROW[] = {
        {"{\"items\":{\"properties\":{\"name\":{\"type\":\"string\"}}}}", "[{},{\"name\":3}]",
         "/1/name: must be of type string, is number"},
        {"{\"required\":[\"a\"]}", "{}", "value: must have \"a\""},
        {"{\"properties\":{\"a/b~\":{\"maximum\":3}}}", "{\"a/b~\":4}",
         "/a~1b~0: must be at most 3"},
        {"{\"additionalProperties\":false}", "{\"x\":1}", "value: must not have \"x\""},
        {"{\"$ref\":\"#/$defs/p\",\"$defs\":{\"p\":{\"pattern\":\"^a+$\"}}}", "\"ab\"",
         "value: must match \"^a+$\""},
        {"{\"anyOf\":[{\"type\":\"null\"},{\"minLength\":2}]}", "\"a\"",
         "value: fits no schema of \"anyOf\""},
        {"{\"not\":{\"const\":1}}", "1.0", "value: must not fit the schema of \"not\""},
    };
    for (size_t i = 0; i < COUNT_OF(ROW); i++) {
        ponder_error err = {0};
        assert_int_equal(check(ROW[i].schema, ROW[i].value, &err), PONDER_EFORMAT);
        assert_string_equal(err.message, ROW[i].message);
    }
}

static void test_bad_schemas(void **state)
{
    (void)state;
    static const struct {
        const char *schema;
        ponder_status status;
        const char *message;
    } ROW[] = {
        {"3", PONDER_EFORMAT, "s#: a schema must be an object, true or false"},
        {"{\"properties\":{\"a\":{\"minimum\":\"1\"}}}", PONDER_EFORMAT,
         "s#/properties/a/minimum: must be a number"},
        {"{\"type\":\"text\"}", PONDER_EFORMAT,
         "s#/type: must be the name of a JSON type, or a list of such"},
        {"{\"allOf\":[{},{\"pattern\":\"(\"}]}", PONDER_EFORMAT,
         "s#/allOf/1/pattern: regular expression \"(\": missing closing parenthesis at byte 1"},
        {"{\"multipleOf\":0}", PONDER_EFORMAT, "s#/multipleOf: must be a number above 0"},
        {"{\"maxItems\":-1}", PONDER_EFORMAT, "s#/maxItems: must be a whole number from 0"},
        {"{\"items\":{\"$ref\":\"#/$defs/x\"}}", PONDER_EFORMAT,
         "s: \"$ref\": \"#/$defs/x\" leads nowhere"},
        {"{\"$ref\":\"https://example.org/a.json\"}", PONDER_EUNSUPPORTED,
         "s: \"$ref\": \"https://example.org/a.json\" leads out of the document, and schemas are "
         "not fetched; put it into \"$defs\""},
        {"{\"$schema\":\"http://json-schema.org/draft-04/schema#\"}", PONDER_EUNSUPPORTED,
         "s: \"$schema\" \"http://json-schema.org/draft-04/schema\" is not read; drafts 2020-12, "
         "2019-09, 07 and 06 are"},
        {"{\"required\":[1]}", PONDER_EFORMAT, "s#/required: must be a list of strings"},
        {"{\"$ref\":\"#/const\",\"const\":3}", PONDER_EFORMAT,
         "s#/$ref: a schema must be an object, true or false"},
    };
    for (size_t i = 0; i < COUNT_OF(ROW); i++) {
        ponder_error err = {0};
        json_t *s = parse(ROW[i].schema);
        json_schema *compiled = NULL;
        assert_int_equal(json_schema_open(&compiled, s, "s", &err), ROW[i].status);
        assert_null(compiled);
        assert_string_equal(err.message, ROW[i].message);
        json_decref(s);
    }
}

/* Endless or exploding schemas end in ELIMIT, whatever `not` makes of it. */
static void test_limits(void **state)
{
    (void)state;
    ponder_error err;
    assert_int_equal(check("{\"$ref\":\"#\"}", "1", &err), PONDER_ELIMIT);
    assert_int_equal(check("{\"not\":{\"$ref\":\"#\"}}", "1", &err), PONDER_ELIMIT);
    assert_int_equal(
        check("{\"pattern\":\"^(a|a)*$\"}", "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\"", &err),
        PONDER_ELIMIT);
    /* Names that are each within the budget of one match, but not together. */
    buf b = {0};
    buf_add_char(&b, '{');
    for (int i = 0; i < 2000; i++) buf_printf(&b, "\"%04daaaaaaaaaaaa\":1,", i);
    buf_add_str(&b, STR("\"b\":1}"));
    assert_int_equal(check("{\"patternProperties\":{\"(a|a)*[cd]\":true}}", b.p, &err),
                     PONDER_ELIMIT);
    buf_clear(&b);
    buf_add_str(&b, STR("{\"$ref\":\"#/$defs/d0\",\"$defs\":{"));
    for (int i = 0; i < 40; i++)
        buf_printf(&b,
                   "\"d%d\":{\"allOf\":[{\"$ref\":\"#/$defs/d%d\"},{\"$ref\":\"#/$defs/d%d\"}]},",
                   i, i + 1, i + 1);
    buf_add_str(&b, STR("\"d40\":true}}"));
    assert_int_equal(check(b.p, "1", &err), PONDER_ELIMIT);
    buf_clear(&b);
    for (int i = 0; i < 1500; i++) buf_add_str(&b, STR("["));
    for (int i = 0; i < 1500; i++) buf_add_str(&b, STR("]"));
    assert_int_equal(check("{\"items\":{\"$ref\":\"#\"}}", b.p, &err), PONDER_ELIMIT);
    assert_int_equal(check("{\"uniqueItems\":true}", b.p, &err), PONDER_OK);
    buf_clear(&b);
    buf_add_char(&b, '[');
    for (int i = 0; i < 100000; i++) buf_printf(&b, "%d,", i);
    buf_add_str(&b, STR("0.5]"));
    assert_int_equal(check("{\"uniqueItems\":true,\"items\":{\"minimum\":0}}", b.p, &err),
                     PONDER_OK);
    buf_free(&b);
}

/* The examples of RFC 3986, sections 5.4.1 and 5.4.2. */
static void test_uri(void **state)
{
    (void)state;
    static const struct {
        const char *ref, *uri, *fragment;
    } ROW[] = {
        {"g:h", "g:h", ""},
        {"g", "http://a/b/c/g", ""},
        {"./g", "http://a/b/c/g", ""},
        {"g/", "http://a/b/c/g/", ""},
        {"/g", "http://a/g", ""},
        {"//g", "http://g", ""},
        {"?y", "http://a/b/c/d;p?y", ""},
        {"g?y", "http://a/b/c/g?y", ""},
        {"#s", "http://a/b/c/d;p?q", "s"},
        {"g#s", "http://a/b/c/g", "s"},
        {"g?y#s", "http://a/b/c/g?y", "s"},
        {";x", "http://a/b/c/;x", ""},
        {"g;x=1/./y", "http://a/b/c/g;x=1/y", ""},
        {"g;x=1/../y", "http://a/b/c/y", ""},
        {"", "http://a/b/c/d;p?q", ""},
        {".", "http://a/b/c/", ""},
        {"./", "http://a/b/c/", ""},
        {"..", "http://a/b/", ""},
        {"../", "http://a/b/", ""},
        {"../g", "http://a/b/g", ""},
        {"../..", "http://a/", ""},
        {"../../g", "http://a/g", ""},
        {"../../../g", "http://a/g", ""},
        {"/./g", "http://a/g", ""},
        {"/../g", "http://a/g", ""},
        {"g.", "http://a/b/c/g.", ""},
        {"..g", "http://a/b/c/..g", ""},
        {"./../g", "http://a/b/g", ""},
        {"./g/.", "http://a/b/c/g/", ""},
        {"g/./h", "http://a/b/c/g/h", ""},
        {"g/../h", "http://a/b/c/h", ""},
        {"g?y/../x", "http://a/b/c/g?y/../x", ""},
        {"g#s/../x", "http://a/b/c/g", "s/../x"},
    };
    for (size_t i = 0; i < COUNT_OF(ROW); i++) {
        buf b = {0};
        str fragment;
        uri_resolve(&b, STR("http://a/b/c/d;p?q"), str_of(ROW[i].ref), &fragment);
        if (!str_eq(buf_str(&b), str_of(ROW[i].uri)) || !str_eq(fragment, str_of(ROW[i].fragment)))
            fail_msg("%s gives %s, not %s", ROW[i].ref, b.p, ROW[i].uri);
        buf_free(&b);
    }
}

static void test_many_names(void **state)
{
    (void)state;
    for (int n = 1000; n <= 1100; n += 100) {
        ponder_error err;
        json_schema *s;
        buf b = {0};
        buf_add_str(&b, STR("{\"$defs\":{\"x\":{}"));
        for (int i = 0; i < n; i++) buf_printf(&b, ",\"d%d\":{\"$anchor\":\"a%d\"}", i, i);
        buf_add_str(&b, STR("}}"));
        json_t *json = parse(b.p);
        ponder_status st = json_schema_open(&s, json, "s", &err);
        assert_int_equal(st, n == 1000 ? PONDER_OK : PONDER_ELIMIT);
        json_schema_close(s);
        json_decref(json);
        buf_free(&b);
    }
}

static void test_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        int order;
    } ROW[] = {
        {"1", "1.0", 0},
        {"-0.0", "0", 0},
        {"9007199254740993", "9007199254740992.0", 1},
        {"9223372036854775807", "9223372036854775808.0", -1},
        {"-9223372036854775808", "-9223372036854775808.0", 0},
        {"2", "2.5", -1},
        {"-2", "-2.5", 1},
        {"1e300", "5", 1},
    };
    for (size_t i = 0; i < COUNT_OF(ROW); i++) {
        json_t *a = parse(ROW[i].a), *b = parse(ROW[i].b);
        assert_int_equal(json_number_order(a, b), ROW[i].order);
        assert_int_equal(json_number_order(b, a), -ROW[i].order);
        assert_int_equal(json_same(a, b), ROW[i].order == 0);
        if (ROW[i].order == 0) assert_true(json_hash(a) == json_hash(b));
        json_decref(a);
        json_decref(b);
    }
    ponder_error err;
    assert_int_equal(check("{\"multipleOf\":0.01}", "4.35", &err), PONDER_OK);
    assert_int_equal(check("{\"multipleOf\":0.01}", "4.355", &err), PONDER_EFORMAT);
    assert_int_equal(check("{\"multipleOf\":0.0001}", "9223372036854775807", &err), PONDER_OK);
    assert_int_equal(check("{\"multipleOf\":1e300}", "1e308", &err), PONDER_OK);
    assert_int_equal(check("{\"multipleOf\":3e300}", "1e308", &err), PONDER_EFORMAT);
    assert_int_equal(check("{\"multipleOf\":3}", "1e308", &err), PONDER_EFORMAT);
    assert_int_equal(check("{\"multipleOf\":1e30}", "5", &err), PONDER_EFORMAT);
}

/* Draft 2020-12 where the installed suite knows only older drafts. */
static void test_draft_2020(void **state)
{
    (void)state;
    static const struct {
        const char *schema, *good, *bad;
    } ROW[] = {
        {"{\"prefixItems\":[{\"type\":\"string\"}],\"items\":{\"type\":\"number\"}}", "[\"a\",1,2]",
         "[\"a\",\"b\"]"},
        {"{\"contains\":{\"type\":\"number\"},\"minContains\":2,\"maxContains\":3}", "[1,\"a\",2]",
         "[1,\"a\"]"},
        {"{\"contains\":{\"type\":\"number\"},\"minContains\":0,\"maxContains\":1}", "[]", "[1,2]"},
        {"{\"dependentRequired\":{\"a\":[\"b\"]}}", "{\"a\":1,\"b\":2}", "{\"a\":1}"},
        {"{\"dependentSchemas\":{\"a\":{\"maxProperties\":1}}}", "{\"b\":1,\"c\":2}",
         "{\"a\":1,\"b\":2}"},
        {"{\"$ref\":\"#n\",\"maximum\":5,\"$defs\":{\"x\":{\"$anchor\":\"n\",\"minimum\":3}}}", "4",
         "6"},
        {"{\"allOf\":[{\"properties\":{\"a\":true}}],\"unevaluatedProperties\":false}", "{\"a\":1}",
         "{\"a\":1,\"b\":2}"},
        {"{\"anyOf\":[{\"properties\":{\"a\":{\"const\":1}},\"required\":[\"a\"]},"
         "{\"properties\":{\"b\":{\"const\":2}},\"required\":[\"b\"]}],\"unevaluatedProperties\":"
         "false}",
         "{\"a\":1,\"b\":2}", "{\"a\":1,\"b\":3}"},
        {"{\"if\":{\"properties\":{\"k\":{\"const\":1}},\"required\":[\"k\"]},"
         "\"then\":{\"properties\":{\"a\":true}},\"else\":{\"properties\":{\"b\":true}},"
         "\"unevaluatedProperties\":false}",
         "{\"k\":1,\"a\":2}", "{\"k\":1,\"b\":2}"},
        {"{\"prefixItems\":[true],\"contains\":{\"type\":\"string\"},\"unevaluatedItems\":false}",
         "[1,\"a\",\"b\"]", "[1,\"a\",2]"},
        {"{\"not\":{\"not\":{\"properties\":{\"a\":true}}},\"unevaluatedProperties\":false}", "{}",
         "{\"a\":1}"},
        {"{\"$id\":\"http://e.org/"
         "tree\",\"$dynamicAnchor\":\"node\",\"properties\":{\"kids\":{\"items\":"
         "{\"$dynamicRef\":\"#node\"}},\"v\":{\"type\":\"number\"}}}",
         "{\"v\":1,\"kids\":[{\"v\":2}]}", "{\"v\":1,\"kids\":[{\"v\":\"2\"}]}"},
        {"{\"$id\":\"strict\",\"$dynamicAnchor\":\"node\",\"$ref\":\"tree\","
         "\"unevaluatedProperties\":false,"
         "\"$defs\":{\"t\":{\"$id\":\"tree\",\"$dynamicAnchor\":\"node\",\"properties\":{\"v\":"
         "true,\"kids\":"
         "{\"items\":{\"$dynamicRef\":\"#node\"}}}}}}",
         "{\"kids\":[{\"v\":1}]}", "{\"kids\":[{\"w\":1}]}"},
        {"{\"$schema\":\"http://json-schema.org/draft-07/"
         "schema#\",\"definitions\":{\"a\":{\"minimum\":3}},"
         "\"properties\":{\"x\":{\"$ref\":\"#/definitions/a\",\"maximum\":4}}}",
         "{\"x\":5}", "{\"x\":2}"},
        {"{\"type\":[\"integer\",\"null\"],\"format\":\"email\"}", "3.0", "3.5"},
        {"{\"pattern\":\"^\\\\d{2}$\"}", "\"12\"", "\"\\u0661\\u0662\""},
        {"{\"minLength\":2,\"maxLength\":2}", "\"\\ud83d\\ude00\\u00e9\"", "\"abc\""},
        {"{\"pattern\":\"^\\\\s[\\\\s]\\\\S$\"}", "\"\\u00a0\\u2003a\"", "\"aaa\""},
        {"{\"pattern\":\"^\\\\p{Letter}\\\\P{gc=Decimal_Number}$\"}", "\"\\u00e9a\"", "\"a1\""},
        {"{\"propertyNames\":{\"pattern\":\"^[a-z]+$\"}}", "{\"ab\":1}", "{\"aB\":1}"},
    };
    for (size_t i = 0; i < COUNT_OF(ROW); i++) {
        ponder_error err = {0};
        if (check(ROW[i].schema, ROW[i].good, &err) != PONDER_OK)
            fail_msg("%s refuses %s: %s", ROW[i].schema, ROW[i].good, err.message);
        if (check(ROW[i].schema, ROW[i].bad, &err) != PONDER_EFORMAT)
            fail_msg("%s accepts %s", ROW[i].schema, ROW[i].bad);
    }
}

/* ---- the suite ------------------------------------------------------------------------------- */

typedef struct tally {
    int passed, failed, unsupported;
} tally;

static void run_group(const json_t *group, const char *uri, const char *where, tally *t)
{
    json_t *schema = json_deep_copy(json_object_get(group, "schema"));
    const json_t *tests = json_object_get(group, "tests"), *test;
    json_schema *s;
    ponder_error err;
    size_t i;
    if (json_is_object(schema) && !json_object_get(schema, "$schema"))
        json_object_set_new(schema, "$schema", json_string(uri));
    ponder_status st = json_schema_open(&s, schema, "schema", &err);
    if (st == PONDER_EUNSUPPORTED) t->unsupported += (int)json_array_size(tests);
    else if (st != PONDER_OK) {
        t->failed += (int)json_array_size(tests);
        print_message("# %s: %s: %s\n", where,
                      json_string_value(json_object_get(group, "description")), err.message);
    } else {
        json_array_foreach ((json_t *)tests, i, test) {
            bool want = json_is_true(json_object_get(test, "valid"));
            st = json_schema_check(s, json_object_get(test, "data"), &err);
            bool right = want ? st == PONDER_OK : st == PONDER_EFORMAT;
            t->passed += right;
            t->failed += !right;
            if (!right)
                print_message("# %s: %s: %s\n", where,
                              json_string_value(json_object_get(group, "description")),
                              json_string_value(json_object_get(test, "description")));
        }
    }
    json_schema_close(s);
    json_decref(schema);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static tally run_folder(const char *dir, const char *uri)
{
    tally all = {0};
    struct dirent **names;
    int n = scandir(dir, &names, NULL, by_name);
    for (int i = 0; i < n; i++) {
        char path[1300];
        ponder_error err;
        json_t *groups, *group;
        size_t g;
        tally t = {0};
        snprintf(path, sizeof path, "%s/%s", dir, names[i]->d_name);
        if (str_ends(str_of(names[i]->d_name), STR(".json"))) {
            check_ok(json_parse_file(&groups, path, 16 << 20, &err));
            json_array_foreach (groups, g, group) run_group(group, uri, path, &t);
            json_decref(groups);
            print_message("# %-28s %4d of %4d%s\n", names[i]->d_name, t.passed, t.passed + t.failed,
                          t.unsupported ? ", others need remote schemas" : "");
            all.passed += t.passed;
            all.failed += t.failed;
            all.unsupported += t.unsupported;
        }
        free(names[i]);
    }
    if (n >= 0) free(names);
    return all;
}

static void run_suite(const char *draft, const char *uri)
{
    char dir[1000];
    const char *root = getenv("JSON_SCHEMA_SUITE");
    if (!root) root = "/usr/share/json-schema-test-suite";
    snprintf(dir, sizeof dir, "%s/tests/%s", root, draft);
    if (!file_is_dir(dir)) {
        print_message("# %s is absent (Debian package json-schema-test-suite)\n", dir);
        skip();
    }
    print_message("# %s\n", dir);
    tally t = run_folder(dir, uri);
    print_message("# %s: %d passed, %d failed, %d need remote schemas\n", draft, t.passed, t.failed,
                  t.unsupported);
    assert_true(t.passed > 0);
    assert_int_equal(t.failed, 0);
}

static void test_suite_6(void **state)
{
    (void)state;
    run_suite("draft6", "http://json-schema.org/draft-06/schema#");
}

static void test_suite_7(void **state)
{
    (void)state;
    run_suite("draft7", "http://json-schema.org/draft-07/schema#");
}

static void test_suite_2020(void **state)
{
    (void)state;
    run_suite("draft2020-12", "https://json-schema.org/draft/2020-12/schema");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages),   cmocka_unit_test(test_bad_schemas),
        cmocka_unit_test(test_limits),     cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_uri),        cmocka_unit_test(test_many_names),
        cmocka_unit_test(test_draft_2020), cmocka_unit_test(test_suite_6),
        cmocka_unit_test(test_suite_7),    cmocka_unit_test(test_suite_2020),
    };
    return cmocka_run_group_tests_name("schema", tests, NULL, NULL);
}
