/* num: small floats in every case, blocks against recorded values of the reference decoder,
 * encoders by their error bounds.
 * SPDX-License-Identifier: MIT */
#include "tests/check.h"

#include "num/grids.h"
#include "num/num.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

static uint32_t bits_of(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u;
}

/* A small float by the definition: sign, exponent of width e, mantissa of width m. */
static double by_definition(unsigned code, int e, int m)
{
    int bias = (1 << (e - 1)) - 1, exponent = (int)(code >> m) & ((1 << e) - 1);
    double mantissa = code & ((1u << m) - 1), sign = code >> (e + m) & 1 ? -1 : 1;
    if (exponent == 0) return sign * ldexp(mantissa, 1 - bias - m);
    return sign * ldexp(mantissa + (1 << m), exponent - bias - m);
}

static void f16_every_case(void **state)
{
    (void)state;
    for (unsigned h = 0; h < 65536; h++) {
        float f = num_f16_to_f32((uint16_t)h);
        if ((h & 0x7C00) != 0x7C00) assert_true((double)f == by_definition(h, 5, 10));
        else if (h & 0x3FF)
            assert_true(isnan(f) && (bits_of(f) >> 13 & 0x3FF) == ((h & 0x3FF) | 0x200));
        else assert_true(isinf(f));
        assert_int_equal(bits_of(f) >> 31, h >> 15);
        /* back again: the same, but that NaNs are quiet */
        assert_int_equal(num_f32_to_f16(f), isnan(f) ? (h | 0x200) : h);
    }
}

static void bf16_every_case(void **state)
{
    (void)state;
    for (unsigned h = 0; h < 65536; h++) {
        float f = num_bf16_to_f32((uint16_t)h);
        assert_int_equal(bits_of(f), h << 16);
        assert_int_equal(num_f32_to_bf16(f), isnan(f) ? (h | 0x40) : h);
    }
    assert_int_equal(num_f32_to_bf16(FLT_MAX), 0x7F80);
    assert_true(isnan(num_bf16_to_f32(num_f32_to_bf16(NAN))));
}

static void e4m3_every_case(void **state)
{
    (void)state;
    for (unsigned b = 0; b < 256; b++) {
        float f = num_e4m3_to_f32((uint8_t)b);
        if ((b & 127) == 127) assert_true(isnan(f));
        else assert_true((double)f == by_definition(b, 4, 3));
        assert_int_equal(bits_of(f) >> 31, b >> 7);
        assert_int_equal(num_f32_to_e4m3(f), b);
    }
    assert_int_equal(num_f32_to_e4m3(INFINITY), 0x7E);
    assert_int_equal(num_f32_to_e4m3(-1e9f), 0xFE);
    assert_int_equal(num_f32_to_e4m3(NAN) & 127, 127);
}

/* Between neighbours a < b (codes c, c+1): just below the middle gives a, just above gives b, the
 * middle the even code; for either sign. */
static void check_rounding(float a, float b, unsigned c, unsigned sign, unsigned (*narrow)(float))
{
    float middle = (float)(((double)a + (double)b) / 2);
    assert_int_equal(narrow(nextafterf(middle, a)), c);
    assert_int_equal(narrow(nextafterf(middle, b)), c + 1);
    assert_int_equal(narrow(middle), c + (c & 1));
    assert_int_equal(narrow(-middle), sign | (c + (c & 1)));
}

static unsigned narrow_f16(float f) { return num_f32_to_f16(f); }
static unsigned narrow_bf16(float f) { return num_f32_to_bf16(f); }
static unsigned narrow_e4m3(float f) { return num_f32_to_e4m3(f); }

static void rounding_to_nearest_even(void **state)
{
    (void)state;
    for (unsigned c = 0; c < 0x7BFF; c++)
        check_rounding(num_f16_to_f32((uint16_t)c), num_f16_to_f32((uint16_t)(c + 1)), c, 0x8000,
                       narrow_f16);
    for (unsigned c = 1; c < 0x7F7F; c++)
        check_rounding(num_bf16_to_f32((uint16_t)c), num_bf16_to_f32((uint16_t)(c + 1)), c, 0x8000,
                       narrow_bf16);
    for (unsigned c = 0; c < 0x7E; c++)
        check_rounding(num_e4m3_to_f32((uint8_t)c), num_e4m3_to_f32((uint8_t)(c + 1)), c, 0x80,
                       narrow_e4m3);
    assert_int_equal(num_f32_to_f16(65519.996f), 0x7BFF);
    assert_int_equal(num_f32_to_f16(65520.0f), 0x7C00);
    assert_int_equal(num_f32_to_f16(-1e30f), 0xFC00);
}

static size_t unhex(uint8_t *out, const char *hex, size_t n)
{
    for (size_t i = 0; i < n / 2; i++) {
        char pair[3] = {hex[2 * i], hex[2 * i + 1], 0};
        out[i] = (uint8_t)strtoul(pair, NULL, 16);
    }
    return n / 2;
}

/* CRC-32 of ISO 3309 (as zlib's), bit by bit. */
static uint32_t crc32_of(const void *bytes, size_t n)
{
    uint32_t crc = ~0u;
    for (const uint8_t *p = bytes; n--; p++) {
        crc ^= *p;
        for (int k = 0; k < 8; k++) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
    }
    return ~crc;
}

static void check_decode(num_type t, const uint8_t *block, char *floats)
{
    float got[NUM_QK];
    uint8_t want[NUM_QK * 4];
    uint32_t n = num_info_of(t)->block;
    uint8_t shifted[256];
    memcpy(shifted + 1, block, num_info_of(t)->block_bytes); /* no alignment is promised */
    assert_true(num_decode(t, got, shifted + 1, n));
    char *first = strchr(floats, ':');
    if (!first) {
        assert_int_equal(unhex(want, floats, strlen(floats)), 4 * n);
        assert_memory_equal(got, want, 4 * n);
        return;
    }
    char *last = strchr(first + 1, ':');
    unhex(want, first + 1, 128);
    assert_memory_equal(got, want, 64);
    unhex(want, last + 1, 128);
    assert_memory_equal(got + n - 16, want, 64);
    assert_int_equal(crc32_of(got, 4 * n), strtoul(floats, NULL, 16));
}

/* tests/golden/gen_blocks.py wrote the file with the Python package `gguf`. */
static void blocks_agree_with_reference(void **state)
{
    (void)state;
    static const char *const decoded[] = {"Q4_0",   "Q4_1",   "Q5_0",    "Q5_1",  "Q8_0",
                                          "Q2_K",   "Q3_K",   "Q4_K",    "Q5_K",  "Q6_K",
                                          "IQ4_NL", "IQ4_XS", "IQ1_S",   "IQ1_M", "IQ2_XXS",
                                          "IQ2_XS", "IQ2_S",  "IQ3_XXS", "IQ3_S"};
    int seen[COUNT_OF(decoded)] = {0}, encoded = 0;
    ponder_error err;
    buf b = {0};
    check_ok(file_read(&b, "tests/golden/blocks.txt", 1 << 20, &err));
    char *rest = NULL;
    for (char *line = strtok_r(b.p, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        char *save = NULL, *what = strtok_r(line, " ", &save), *name = strtok_r(NULL, " ", &save),
             *hex = strtok_r(NULL, " ", &save), *floats = strtok_r(NULL, " ", &save);
        num_type t = num_type_by_name(str_of(name));
        uint8_t block[256], raw[256], made[256];
        size_t n = unhex(block, hex, strlen(hex));
        if (!strcmp(what, "decode")) {
            assert_int_equal(n, num_info_of(t)->block_bytes);
            check_decode(t, block, floats);
            for (size_t i = 0; i < COUNT_OF(decoded); i++) seen[i] += !strcmp(decoded[i], name);
        } else {
            float x[32];
            assert_int_equal(unhex(raw, floats, strlen(floats)), sizeof x);
            memcpy(x, raw, sizeof x);
            assert_true(num_encode(t, made, x, 32));
            assert_memory_equal(made, block, n);
            encoded++;
        }
    }
    for (size_t i = 0; i < COUNT_OF(decoded); i++) assert_true(seen[i] >= 4);
    assert_true(encoded >= 30);
    buf_free(&b);
}

static void grids_are_whole(void **state)
{
    (void)state;
    /* CRC-32 of the little-endian tables unfolded by the reference package. */
    assert_int_equal(crc32_of(num_grid_iq1, sizeof num_grid_iq1), 0xb85e6ccf);
    assert_int_equal(crc32_of(num_grid_iq2_xxs, sizeof num_grid_iq2_xxs), 0x9924ff02);
    assert_int_equal(crc32_of(num_grid_iq2_xs, sizeof num_grid_iq2_xs), 0xfa1e1bfd);
    assert_int_equal(crc32_of(num_grid_iq2_s, sizeof num_grid_iq2_s), 0x25ae5bf1);
    assert_int_equal(crc32_of(num_grid_iq3_xxs, sizeof num_grid_iq3_xxs), 0x07ba9ed0);
    assert_int_equal(crc32_of(num_grid_iq3_s, sizeof num_grid_iq3_s), 0xf576e4f3);
}

/* The largest error that plain rounding may make on a block whose elements lie in [low, high]: half
 * a step of the format's widest sub-block, plus the loss by rounding the scales themselves to their
 * bits, in steps: a scale of k levels is off by 1/(2k) of the widest, times the codes it
 * multiplies, and a rounded-down scale clips by as much. */
static const struct bound {
    num_type type;
    double steps;  /* codes from end to end (affine) or from zero to the peak (symmetric) */
    double levels; /* of the sub-block scale; 0: none */
    bool affine;
} BOUNDS[] = {
    {NUM_Q4_0, 8, 0, false},    {NUM_Q4_1, 15, 0, true},   {NUM_Q5_0, 16, 0, false},
    {NUM_Q5_1, 31, 0, true},    {NUM_Q8_0, 127, 0, false}, {NUM_Q2_K, 3, 15, true},
    {NUM_Q3_K, 4, 32, false},   {NUM_Q4_K, 15, 63, true},  {NUM_Q5_K, 31, 63, true},
    {NUM_Q6_K, 32, 128, false},
};

static void encoders_round_within_bounds(void **state)
{
    (void)state;
    for (size_t k = 0; k < COUNT_OF(BOUNDS); k++) {
        const struct bound *b = &BOUNDS[k];
        for (uint64_t trial = 0; trial < 200; trial++) {
            float x[NUM_QK], y[NUM_QK], low = 0, high = 0;
            uint8_t block[2 * NUM_QK];
            for (uint64_t i = 0; i < NUM_QK; i++) {
                float g[2];
                rng_normal2(g, trial, k, i, RNG_TEST);
                x[i] = g[0] * ldexpf(1, (int)(trial % 20) - 10) + (trial % 3 ? 0 : g[0]);
                low = fminf(low, x[i]);
                high = fmaxf(high, x[i]);
            }
            assert_true(num_encode(b->type, block, x, NUM_QK));
            assert_true(num_decode(b->type, y, block, NUM_QK));
            double width =
                b->affine ? (double)high - (double)low : fmax((double)high, -(double)low);
            /* A code at the far end of a symmetric range is missing: one whole step there. */
            double step = width / b->steps, limit = step * (b->affine ? 0.5 : 1);
            if (b->levels > 0) limit += width * (b->affine ? 2 : 1) / b->levels;
            limit += width * 0x1p-9; /* F16 scales */
            for (size_t i = 0; i < NUM_QK; i++)
                assert_true(fabs((double)x[i] - (double)y[i]) <= limit);
        }
    }
}

/* decode(encode(decode(encode(x)))) settles: what an encoder made, it can repeat closely. */
static void encoders_have_small_mean_error(void **state)
{
    (void)state;
    /* Root mean square error over that of the signal for normal numbers; the limits are those of a
     * min/max quantiser of that many bits, with a tenth to spare. */
    static const struct {
        num_type type;
        double limit;
    } CASES[] = {{NUM_F16, 3e-4},   {NUM_BF16, 2.5e-3}, {NUM_F8_E4M3, 0.03}, {NUM_Q8_0, 0.007},
                 {NUM_Q6_K, 0.022}, {NUM_Q5_K, 0.044},  {NUM_Q5_0, 0.05},    {NUM_Q5_1, 0.045},
                 {NUM_Q4_K, 0.09},  {NUM_Q4_0, 0.1},    {NUM_Q4_1, 0.09},    {NUM_IQ4_NL, 0.09},
                 {NUM_Q3_K, 0.2},   {NUM_Q2_K, 0.4}};
    enum { N = 64 * NUM_QK };
    static float x[N], y[N];
    static uint8_t bytes[4 * N];
    for (uint64_t i = 0; i < N; i += 2) rng_normal2(x + i, 3, 0, i, RNG_TEST);
    for (size_t k = 0; k < COUNT_OF(CASES); k++) {
        assert_true(num_can_encode(CASES[k].type));
        assert_true(num_encode(CASES[k].type, bytes, x, N));
        assert_true(num_decode(CASES[k].type, y, bytes, N));
        double e = 0, s = 0;
        for (size_t i = 0; i < N; i++) {
            double diff = (double)x[i] - (double)y[i];
            e += diff * diff;
            s += (double)x[i] * (double)x[i];
        }
        if (sqrt(e / s) > CASES[k].limit)
            fail_msg("%s: error %g of the signal", num_info_of(CASES[k].type)->name, sqrt(e / s));
    }
}

static const num_type ALL[] = {
    NUM_F32,     NUM_F16,    NUM_BF16,  NUM_F8_E4M3, NUM_Q4_0,  NUM_Q4_1,   NUM_Q5_0,  NUM_Q5_1,
    NUM_Q8_0,    NUM_Q2_K,   NUM_Q3_K,  NUM_Q4_K,    NUM_Q5_K,  NUM_Q6_K,   NUM_IQ1_S, NUM_IQ1_M,
    NUM_IQ2_XXS, NUM_IQ2_XS, NUM_IQ2_S, NUM_IQ3_XXS, NUM_IQ3_S, NUM_IQ4_NL, NUM_IQ4_XS};

static void extreme_values(void **state)
{
    (void)state;
    static const float odd[] = {
        0, -0.0f,    FLT_MAX,   -FLT_MAX, FLT_MIN, FLT_TRUE_MIN, -FLT_TRUE_MIN,
        1, INFINITY, -INFINITY, NAN};
    enum { FINITE = 8 };
    for (size_t k = 0; k < COUNT_OF(ALL); k++) {
        if (!num_can_encode(ALL[k])) continue;
        uint8_t block[4 * 2 * NUM_QK];
        float x[2 * NUM_QK], y[2 * NUM_QK];
        for (uint64_t trial = 0; trial < 300; trial++) {
            bool all = trial % 2;
            for (uint64_t i = 0; i < 2 * NUM_QK; i++)
                x[i] = i < NUM_QK
                           ? odd[rng_below(all ? COUNT_OF(odd) : FINITE, trial, k, i, RNG_TEST)]
                           : 1;
            assert_true(num_encode(ALL[k], block, x, 2 * NUM_QK));
            assert_true(num_decode(ALL[k], y, block, 2 * NUM_QK));
            for (int i = NUM_QK; i < 2 * NUM_QK; i++) assert_true(fabsf(y[i] - 1) < 0.01f);
        }
        memset(x, 0, sizeof x);
        assert_true(num_encode(ALL[k], block, x, NUM_QK));
        assert_true(num_decode(ALL[k], y, block, NUM_QK));
        for (int i = 0; i < NUM_QK; i++) assert_true(y[i] == 0);
        x[3] = NAN;
        assert_true(num_encode(ALL[k], block, x, NUM_QK));
        assert_true(num_decode(ALL[k], y, block, NUM_QK));
        assert_true(isnan(y[3]));
    }
}

static void any_bytes_decode(void **state)
{
    (void)state;
    for (size_t k = 0; k < COUNT_OF(ALL); k++)
        for (uint64_t trial = 0; trial < 200; trial++) {
            uint8_t bytes[NUM_QK * 4];
            float y[NUM_QK];
            for (size_t i = 0; i < sizeof bytes; i++)
                bytes[i] = trial ? (uint8_t)rng_u64(trial, k, i, RNG_TEST) : 0xFF;
            assert_true(num_decode(ALL[k], y, bytes, NUM_QK));
        }
}

static void names_and_sizes(void **state)
{
    (void)state;
    size_t bytes;
    for (size_t k = 0; k < COUNT_OF(ALL); k++)
        assert_int_equal(num_type_by_name(str_of(num_info_of(ALL[k])->name)), ALL[k]);
    assert_int_equal(num_type_by_name(STR("q4_k")), NUM_Q4_K);
    assert_int_equal(num_type_by_name(STR("Q4")), NUM_NONE);
    assert_int_equal(num_type_by_name(STR("Q4_KM")), NUM_NONE);
    assert_int_equal(num_type_by_name(STR("")), NUM_NONE);
    assert_null(num_info_of(NUM_NONE));
    assert_true(num_row_bytes(&bytes, NUM_Q6_K, 512));
    assert_int_equal(bytes, 420);
    assert_true(num_row_bytes(&bytes, NUM_Q4_0, 0));
    assert_int_equal(bytes, 0);
    assert_false(num_row_bytes(&bytes, NUM_Q6_K, 128));
    assert_false(num_row_bytes(&bytes, NUM_F32, SIZE_MAX / 2));
    assert_false(num_row_bytes(&bytes, NUM_NONE, 1));
    float x[64] = {0};
    assert_false(num_decode(NUM_I32, x, x, 32));
    assert_false(num_encode(NUM_IQ1_S, x, x, 256));
    assert_false(num_encode(NUM_Q4_0, x, x, 16));
    assert_false(num_can_encode(NUM_IQ2_XS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(f16_every_case),
        cmocka_unit_test(bf16_every_case),
        cmocka_unit_test(e4m3_every_case),
        cmocka_unit_test(rounding_to_nearest_even),
        cmocka_unit_test(blocks_agree_with_reference),
        cmocka_unit_test(grids_are_whole),
        cmocka_unit_test(encoders_round_within_bounds),
        cmocka_unit_test(encoders_have_small_mean_error),
        cmocka_unit_test(extreme_values),
        cmocka_unit_test(any_bytes_decode),
        cmocka_unit_test(names_and_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
