/* json/lines: every line that is not blank comes once, with its number.
 * SPDX-License-Identifier: MIT */
#include "json/lines.h"
#include "tests/check.h"

static void expect(str text, const char *want)
{
    json_lines l = {.text = text};
    str line;
    buf got = {0};
    while (json_lines_next(&l, &line)) buf_printf(&got, "%zu:%.*s;", l.number, STR_ARG(line));
    assert_string_equal(buf_str(&got).p, want);
    buf_free(&got);
}

static void lines_come_with_their_numbers(void **state)
{
    (void)state;
    expect(STR(""), "");
    expect(STR("\n \t\r\n"), "");
    expect(STR("{}"), "1:{};");
    expect(STR("{}\r\n\n  \n [1] \n2"), "1:{};4: [1];5:2;");
    expect((str){"a\nbc", 3}, "1:a;2:b;"); /* nothing is read behind the end */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(lines_come_with_their_numbers)};
    return cmocka_run_group_tests_name("lines", tests, NULL, NULL);
}
