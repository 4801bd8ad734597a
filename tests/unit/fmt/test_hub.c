/* Names, file lists, page links and the local store.
 * SPDX-License-Identifier: MIT */
#include "fmt/hub_int.h"
#include "tests/check.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static void names_are_read_and_written(void **state)
{
    (void)state;
    static const struct {
        const char *text, *repo, *revision, *file, *canonical;
    } good[] = {
        {"a/b", "a/b", "main", "", "a/b"},
        {"hf:deepseek-ai/DeepSeek-R1", "deepseek-ai/DeepSeek-R1", "main", "",
         "deepseek-ai/DeepSeek-R1"},
        {"a/b@main", "a/b", "main", "", "a/b"},
        {"a/b.c_d@refs/pr/1", "a/b.c_d", "refs/pr/1", "", "a/b.c_d@refs/pr/1"},
        {"a/b:x.gguf", "a/b", "main", "x.gguf", "a/b:x.gguf"},
        {"a/b:d/x y.gguf@v1", "a/b", "v1", "d/x y.gguf", "a/b@v1:d/x y.gguf"},
        {"hf:a/b@v1:x.gguf", "a/b", "v1", "x.gguf", "a/b@v1:x.gguf"},
    };
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        ponder_error err;
        hub_name n;
        buf b = {0};
        check_ok(hub_name_parse(&n, good[i].text, &err));
        assert_string_equal(n.repo, good[i].repo);
        assert_string_equal(n.revision, good[i].revision);
        assert_string_equal(n.file, good[i].file);
        hub_name_write(&b, &n);
        assert_string_equal(b.p, good[i].canonical);
        hub_name again; /* what is written reads back */
        check_ok(hub_name_parse(&again, b.p, &err));
        assert_memory_equal(&again, &n, sizeof n);
        buf_free(&b);
    }
    static const char *const bad[] = {"",
                                      "a",
                                      "/a/b",
                                      "a/",
                                      "a/b/c",
                                      ".a/b",
                                      "a/..",
                                      "a/b..c",
                                      "a b/c",
                                      "a/b@",
                                      "a/b@../x",
                                      "a/b@x y",
                                      "a/b:",
                                      "a/b:x.bin",
                                      "a/b:/x.gguf",
                                      "a/b:../x.gguf",
                                      "a/b:x//y.gguf",
                                      "a/b:x\\y.gguf",
                                      "a/b:x.gguf@",
                                      "./model.gguf"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        if (hub_is_name(bad[i])) fail_msg("\"%s\" passed for a name", bad[i]);
    }
}

static void paths_stay_where_they_are_put(void **state)
{
    (void)state;
    assert_true(store_path_ok(STR("a")));
    assert_true(store_path_ok(STR("a/b c/.x/..y/z..")));
    static const str bad[] = {{"", 0},     {"/a", 2},   {"a/", 2},     {"a//b", 4},
                              {".", 1},    {"..", 2},   {"a/../b", 6}, {"a/.", 3},
                              {"a\0b", 3}, {"a\nb", 3}, {"a\\b", 3},   {"\x7f", 1}};
    for (size_t i = 0; i < COUNT_OF(bad); i++) assert_false(store_path_ok(bad[i]));
}

static void directories_are_one_to_one(void **state)
{
    (void)state;
    static const struct {
        const char *name, *dir;
    } cases[] = {
        {"a/b", "/r/a+b"}, {"a+b", "/r/a%2Bb"}, {"a/b@v/1:x y.gguf", "/r/a+b@v+1:x%20y.gguf"},
        {".a", "/r/%2Ea"}, {"..", "/r/%2E."},   {"a%2Bb", "/r/a%252Bb"},
    };
    ponder_error err;
    char *dir;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        check_ok(store_dir(&dir, "/r", str_of(cases[i].name), true, &err));
        assert_string_equal(dir, cases[i].dir);
        free(dir);
    }
    check_ok(store_dir(&dir, "/r", STR("a/b"), false, &err));
    assert_string_equal(dir, "/r/.partial/a+b");
    free(dir);
    char longest[300];
    memset(longest, 'x', sizeof longest);
    assert_int_equal(store_dir(&dir, "/r", (str){longest, sizeof longest}, true, &err),
                     PONDER_ELIMIT);
    assert_int_equal(store_dir(&dir, "/r", STR(""), true, &err), PONDER_ELIMIT);
}

#define SHA1             "\"0123456789012345678901234567890123456789\""
#define FILE_ENTRY(path) "{\"type\":\"file\",\"path\":\"" path "\",\"size\":5,\"oid\":" SHA1 "}"

/* What is chosen from a list of files (separated by blanks) for the whole checkpoint or one file.
 */
static void check_selection(const char *listed, const char *file, ponder_status want,
                            const char *chosen)
{
    ponder_error err;
    hub_tree t = {0};
    hub_name n = {.repo = "a/b", .revision = "main"};
    buf json = {0}, got = {0};
    snprintf(n.file, sizeof n.file, "%s", file);
    buf_add_char(&json, '[');
    for (const char *p = listed; *p;) {
        size_t len = strcspn(p, " ");
        buf_printf(&json, "%s{\"type\":\"%s\",\"path\":\"%.*s\",\"size\":5,\"oid\":" SHA1 "}",
                   p == listed ? "" : ",", memchr(p, '.', len) ? "file" : "directory", (int)len, p);
        p += len + (p[len] == ' ');
    }
    buf_add_char(&json, ']');
    check_ok(hub_tree_add(&t, buf_str(&json), "test", &err));
    assert_int_equal(hub_tree_select(&t, &n, &err), want);
    for (size_t i = 0; want == PONDER_OK && i < t.n; i++)
        buf_printf(&got, "%s%s", i ? " " : "", t.v[i].path);
    assert_string_equal(buf_str(&got).p, chosen);
    buf_free(&json);
    buf_free(&got);
    hub_tree_free(&t);
}

static void the_right_files_are_selected(void **state)
{
    (void)state;
    const char *hf =
        "tokenizer.json model.safetensors config.json consolidated.safetensors original "
        "original/model.safetensors README.md";
    check_selection(hf, "", PONDER_OK, "config.json model.safetensors tokenizer.json");
    check_selection(hf, "x.gguf", PONDER_ENOTFOUND, "");
    check_selection("config.json weights.safetensors", "", PONDER_OK,
                    "config.json weights.safetensors");
    check_selection("model.safetensors", "", PONDER_ENOTFOUND, "");
    const char *gguf = "d/x-00002-of-00002.gguf d/x-00001-of-00002.gguf x.gguf "
                       "d/y-00001-of-00002.gguf d/x-00001-of-00003.gguf";
    const char *both = "d/x-00001-of-00002.gguf d/x-00002-of-00002.gguf";
    check_selection(gguf, "x.gguf", PONDER_OK, "x.gguf");
    check_selection(gguf, "d/x-00001-of-00002.gguf", PONDER_OK, both);
    check_selection(gguf, "d/x-00002-of-00002.gguf", PONDER_OK, both);
    check_selection(gguf, "d/y-00001-of-00002.gguf", PONDER_ENOTFOUND, "");
    check_selection(gguf, "", PONDER_ENOTFOUND, "");
    check_selection("x.gguf x.gguf", "x.gguf", PONDER_EFORMAT, "");
}

static void odd_lists_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "{}",
        "[1]",
        "[{\"type\":\"file\"}]",
        "[" FILE_ENTRY("../x") "]",
        "[" FILE_ENTRY("/x") "]",
        "[" FILE_ENTRY("x\\u0000y") "]",
        "[" FILE_ENTRY("x\\ny") "]",
        "[{\"type\":\"file\",\"path\":\"x\",\"size\":5}]",
        "[{\"type\":\"file\",\"path\":\"x\",\"size\":5,\"oid\":\"ABC\"}]",
        "[{\"type\":\"file\",\"path\":\"x\",\"size\":-1,\"oid\":" SHA1 "}]",
        "[{\"type\":\"file\",\"path\":\"x\",\"size\":1.5,\"oid\":" SHA1 "}]",
        "[{\"type\":\"file\",\"path\":\"x\",\"size\":5,\"oid\":" SHA1 ",\"lfs\":{\"oid\":" SHA1
        ",\"size\":5}}]",
        "[" FILE_ENTRY("x")};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        ponder_error err;
        hub_tree t = {0};
        if (hub_tree_add(&t, str_of(bad[i]), "test", &err) != PONDER_EFORMAT)
            fail_msg("accepted: %s", bad[i]);
        hub_tree_free(&t);
    }
}

static void the_next_page_is_a_query(void **state)
{
    (void)state;
    static const struct {
        const char *link, *query;
    } cases[] = {
        {"<https://h/api?recursive=true&cursor=abc%3D>; rel=\"next\"",
         "recursive=true&cursor=abc%3D"},
        {"<https://h/a?x=1>; rel=\"prev\", <https://h/a?x=3>; rel=\"next\"", "x=3"},
        {"<https://h/a?x=1>; rel=\"prev\"", ""},
        {"", ""},
        {"rel=\"next\"", ""},
        {"<https://h/a>; rel=\"next\"", ""},
        {"<https://h/a?x=1; rel=\"next\"", ""},
        {"<h?x y>; rel=\"next\"", ""},
        {"<h?x#y>; rel=\"next\"", ""},
    };
    buf b = {0};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        hub_link_next(str_of(cases[i].link), &b);
        assert_string_equal(buf_str(&b).p, cases[i].query);
    }
    hub_url_add(&b, STR("a/b c%\xc3\xa4~"), true);
    assert_string_equal(b.p, "a/b%20c%25%C3%A4~");
    buf_clear(&b);
    hub_url_add(&b, STR("refs/pr/1"), false);
    assert_string_equal(b.p, "refs%2Fpr%2F1");
    buf_free(&b);
}

/* ---- the store ------------------------------------------------------------------------------- */

static void put_model(const char *root, const char *name, const char *kind, const char *path,
                      bool complete)
{
    ponder_error err;
    char *dir, *at;
    store_file f = {.path = str_of(path), .oid = STR("abc"), .sha256 = STR("def"), .size = 4};
    store_model m = {.name = str_of(name), .kind = str_of(kind), .files = &f, .n_files = 1};
    file_writer w;
    check_ok(store_dir(&dir, root, m.name, complete, &err));
    check_ok(file_make_dirs(dir, &err));
    check_ok(store_write(&m, dir, &err));
    at = store_join(dir, complete ? f.path : STR("abc.partial"));
    check_ok(file_begin(&w, at, &err));
    check_ok(file_put(&w, "1234", complete ? 4 : 3, &err));
    check_ok(file_commit(&w, &err));
    free(at);
    free(dir);
}

static void check_found(const char *root, const char *name, ponder_status want, const char *tail)
{
    ponder_error err;
    char *path;
    ponder_status st = store_find(&path, root, name, &err);
    if (st != want)
        fail_msg("%s: status %d, want %d: %s", name, (int)st, (int)want, st ? err.message : "");
    if (st == PONDER_OK && !str_ends(str_of(path), str_of(tail)))
        fail_msg("%s: found %s", name, path);
    free(path);
}

static void store_keeps_finds_and_removes(void **state)
{
    (void)state;
    ponder_error err;
    char root[] = "/tmp/ponder-store-XXXXXX";
    store_list l;
    uint64_t bytes;
    assert_non_null(mkdtemp(root));
    check_ok(store_all(&l, "/nonexistent/store", &err));
    assert_int_equal(l.n, 0);
    put_model(root, "b/two", "hf", "config.json", true);
    put_model(root, "a/one:x.gguf", "gguf", "x.gguf", true);
    put_model(root, "c/two", "hf", "config.json", true);
    put_model(root, "d/part", "hf", "config.json", false);
    put_model(root, "b/two", "hf", "config.json", false); /* an update under way */
    check_ok(store_all(&l, root, &err));
    assert_int_equal(l.n, 4);
    assert_true(str_eq(l.v[0].name, STR("a/one:x.gguf")) && l.v[0].complete && l.v[0].have == 4);
    assert_true(str_eq(l.v[1].name, STR("b/two")) && l.v[1].complete);
    assert_true(str_eq(l.v[3].name, STR("d/part")) && !l.v[3].complete && l.v[3].have == 3);
    store_list_free(&l);

    check_found(root, "a/one:x.gguf", PONDER_OK, "/a+one:x.gguf/x.gguf");
    check_found(root, "hf:a/one:x.gguf", PONDER_OK, "/x.gguf");
    check_found(root, "one:x.gguf", PONDER_OK, "/x.gguf");
    check_found(root, "b/two", PONDER_OK, "/b+two");
    check_found(root, "two", PONDER_EARG, "");
    check_found(root, "part", PONDER_ENOTFOUND, "");
    check_found(root, "wo", PONDER_ENOTFOUND, "");
    check_found(root, "", PONDER_ENOTFOUND, "");

    /* a copied directory is not the model whose name it carries */
    char from[200], to[200];
    snprintf(from, sizeof from, "%s/c+two", root);
    snprintf(to, sizeof to, "%s/elsewhere", root);
    assert_int_equal(rename(from, to), 0);
    check_found(root, "c/two", PONDER_ENOTFOUND, "");
    check_found(root, "two", PONDER_OK, "/b+two");

    /* removing follows no links */
    char target[200], link[200];
    snprintf(target, sizeof target, "%s/elsewhere", root);
    snprintf(link, sizeof link, "%s/b+two/link", root);
    assert_int_equal(symlink(target, link), 0);
    check_ok(store_remove(root, "b/two", &bytes, &err));
    assert_int_equal(bytes, 7);
    assert_true(file_exists(target));
    check_found(root, "b/two", PONDER_ENOTFOUND, "");
    assert_int_equal(store_remove(root, "b/two", &bytes, &err), PONDER_ENOTFOUND);
    check_ok(store_remove(root, "part", &bytes, &err));
    assert_int_equal(bytes, 3);
    check_ok(store_remove_tree(root, &err));
    assert_false(file_exists(root));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_read_and_written),
        cmocka_unit_test(paths_stay_where_they_are_put),
        cmocka_unit_test(directories_are_one_to_one),
        cmocka_unit_test(the_right_files_are_selected),
        cmocka_unit_test(odd_lists_are_refused),
        cmocka_unit_test(the_next_page_is_a_query),
        cmocka_unit_test(store_keeps_finds_and_removes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
