/* base/hash: published values, for what was hashed stays in files; sets.
 * SPDX-License-Identifier: MIT */
#include "base/hash.h"
#include "tests/check.h"

/* From the test vectors of the FNV authors (draft-eastlake-fnv, appendix C). */
static void bytes_have_their_published_hash(void **state)
{
    (void)state;
    assert_true(hash_bytes(HASH_BEGIN, STR("")) == UINT64_C(0xCBF29CE484222325));
    assert_true(hash_bytes(HASH_BEGIN, STR("a")) == UINT64_C(0xAF63DC4C8601EC8C));
    assert_true(hash_bytes(HASH_BEGIN, STR("foobar")) == UINT64_C(0x85944171F73967E8));
    uint64_t foo = hash_bytes(HASH_BEGIN, STR("foo"));
    assert_true(hash_bytes(foo, STR("bar")) == UINT64_C(0x85944171F73967E8));
    const char high[] = "\xff";
    assert_true(hash_bytes(HASH_BEGIN, str_of(high)) ==
                (HASH_BEGIN ^ 0xFF) * UINT64_C(0x100000001B3));
}

/* Of the 64-bit finaliser in MurmurHash3. */
static void mixing_has_its_published_value(void **state)
{
    (void)state;
    assert_true(hash_mix(0) == 0);
    assert_true(hash_mix(1) == UINT64_C(0xB456BCFC34C2CB2C));
}

static void a_set_knows_what_it_was_given(void **state)
{
    (void)state;
    ponder_error err;
    hash_set s = {0};
    assert_false(hash_set_has(&s, 0));
    for (uint64_t i = 0; i < 5000; i++) {
        uint64_t h = hash_mix(i) << 8; /* low bits that are all the same */
        assert_false(hash_set_has(&s, h));
        check_ok(hash_set_add(&s, h, &err));
        check_ok(hash_set_add(&s, h, &err));
    }
    assert_int_equal(s.n, 5000);
    for (uint64_t i = 0; i < 5000; i++) {
        assert_true(hash_set_has(&s, hash_mix(i) << 8));
        assert_false(hash_set_has(&s, hash_mix(i) << 8 | 2));
    }
    hash_set_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_have_their_published_hash),
        cmocka_unit_test(mixing_has_its_published_value),
        cmocka_unit_test(a_set_knows_what_it_was_given),
    };
    return cmocka_run_group_tests_name("hash", tests, NULL, NULL);
}
