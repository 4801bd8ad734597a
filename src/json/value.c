/* JSON values compared by what they stand for.
 * SPDX-License-Identifier: MIT */
#include "base/hash.h"
#include "json/json.h"

#include <math.h>
#include <stdlib.h>

static int order_i64_f64(int64_t i, double d)
{
    if (d >= 0x1p63) return -1;
    if (d < -0x1p63) return 1;
    int64_t whole = (int64_t)d;
    if (i != whole) return i < whole ? -1 : 1;
    double part = d - (double)whole;
    return part > 0 ? -1 : part < 0;
}

int json_number_order(const json_t *a, const json_t *b)
{
    if (json_is_integer(a) && json_is_integer(b)) {
        json_int_t x = json_integer_value(a), y = json_integer_value(b);
        return x < y ? -1 : x > y;
    }
    if (json_is_integer(a)) return order_i64_f64(json_integer_value(a), json_real_value(b));
    if (json_is_integer(b)) return -order_i64_f64(json_integer_value(b), json_real_value(a));
    double x = json_real_value(a), y = json_real_value(b);
    return x < y ? -1 : x > y;
}

bool json_same(const json_t *a, const json_t *b)
{
    if (json_is_number(a) && json_is_number(b)) return json_number_order(a, b) == 0;
    if (json_typeof(a) != json_typeof(b)) return false;
    if (json_is_string(a)) return str_eq(json_str(a), json_str(b));
    if (json_is_array(a)) {
        size_t n = json_array_size(a);
        if (n != json_array_size(b)) return false;
        for (size_t i = 0; i < n; i++)
            if (!json_same(json_array_get(a, i), json_array_get(b, i))) return false;
        return true;
    }
    if (json_is_object(a)) {
        const char *key;
        json_t *value;
        if (json_object_size(a) != json_object_size(b)) return false;
        json_object_foreach ((json_t *)a, key, value) {
            const json_t *other = json_object_get(b, key);
            if (!other || !json_same(value, other)) return false;
        }
    }
    return true;
}

/* ---- hash ------------------------------------------------------------------------------------ */

static uint64_t hash_text(str s) { return hash_mix(hash_bytes(HASH_BEGIN, s)); }

static uint64_t hash_number(const json_t *v)
{
    /* Equal numbers have the same double, whatever their type. */
    double d = json_number_value(v);
    uint64_t bits;
    if (d == 0) d = 0;
    memcpy(&bits, &d, sizeof bits);
    return hash_mix(bits + 7);
}

uint64_t json_hash(const json_t *v)
{
    if (json_is_number(v)) return hash_number(v);
    if (json_is_string(v)) return hash_text(json_str(v));
    uint64_t h = (uint64_t)json_typeof(v) + 1;
    if (json_is_array(v)) {
        for (size_t i = 0; i < json_array_size(v); i++)
            h = hash_mix(h * 31 + json_hash(json_array_get(v, i)));
    } else if (json_is_object(v)) {
        const char *key;
        json_t *value;
        /* A sum, for the order does not count. */
        json_object_foreach ((json_t *)v, key, value)
            h += hash_mix(hash_text(str_of(key)) * 31 + json_hash(value));
    }
    return hash_mix(h);
}

/* ---- divisibility ---------------------------------------------------------------------------- */

/* |v| = digits * 10^exponent */
typedef struct decimal {
    uint64_t digits;
    long exponent;
} decimal;

static decimal to_decimal(const json_t *v)
{
    if (json_is_integer(v)) {
        json_int_t i = json_integer_value(v);
        return (decimal){i < 0 ? -(uint64_t)i : (uint64_t)i, 0};
    }
    char text[40];
    double d = fabs(json_real_value(v));
    for (int digits = 0; digits < 17; digits++) {
        snprintf(text, sizeof text, "%.*e", digits, d);
        if (strtod(text, NULL) == d) break;
    }
    decimal out = {0};
    const char *c = text;
    for (; *c && *c != 'e'; c++) {
        if (*c < '0' || *c > '9') continue;
        out.digits = out.digits * 10 + (uint64_t)(*c - '0');
        if (c > text) out.exponent--;
    }
    if (*c) out.exponent += strtol(c + 1, NULL, 10);
    return out;
}

__extension__ typedef unsigned __int128 wide;

bool json_number_divides(const json_t *b, const json_t *a)
{
    decimal x = to_decimal(a), y = to_decimal(b);
    if (y.digits == 0) return false;
    if (x.digits == 0) return true;
    wide rest = x.digits, by = y.digits;
    /* 10^20 is above every digits; below that the products fit 128 bits. */
    if (x.exponent < y.exponent) {
        if (y.exponent - x.exponent > 19) return false;
        for (long i = x.exponent; i < y.exponent; i++) {
            if (by > ~(wide)0 / 10) return false;
            by *= 10;
        }
        return rest % by == 0;
    }
    rest %= by;
    for (long i = y.exponent; i < x.exponent && rest; i++) rest = rest * 10 % by;
    return rest == 0;
}
