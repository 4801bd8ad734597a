/* view: what the line of a run says, and that it fits.
 * SPDX-License-Identifier: MIT */
#include "tests/check.h"
#include "train/view.h"

static void the_line_fits(void **state)
{
    (void)state;
    const train_view v = {.name = "zero", .from = 10, .steps = 200, .started = 100};
    buf b = {0};
    view_line(&b, &v, 60, "reward 0.512", 1234, 150, 1000);
    assert_string_equal(b.p, "zero [######..............] 60/200  reward 0.512  1234 tok/s  2:20 left");
    view_line(&b, &v, 60, "reward 0.512", 1234, 150, 60);
    assert_string_equal(b.p, "zero 60/200  reward 0.512  1234 tok/s  2:20 left");
    view_line(&b, &v, 60, "reward 0.512", 1234, 150, 20);
    assert_string_equal(b.p, "zero 60/200  reward ");
    view_line(&b, &v, 200, "reward 0.512", 1234, 150, 1000);
    assert_non_null(strstr(b.p, "[####################] 200/200"));
    assert_non_null(strstr(b.p, "0:00 left"));
    view_line(&b, &v, 11, "x", 1, 150, 1000);
    assert_non_null(strstr(b.p, "2:37:30 left"));
    buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_line_fits),
    };
    return cmocka_run_group_tests_name("train/view", tests, NULL, NULL);
}
