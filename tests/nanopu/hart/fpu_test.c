/* SPDX-License-Identifier: MIT */
/*
 * Floating point against the host's: each operation in each rounding mode that the host has, result and flags, over
 * all pairs of values that are special in some way and over random ones. Rounding to nearest with ties away from zero
 * is checked against an exact result in quadruple precision.
 */
#include "nanopu/hart/fpu.h"

#include <fenv.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#ifdef __clang__
#pragma STDC FENV_ACCESS ON
#endif

#define RANDOM_TURNS 20000

static const int host_rounding[] = {FE_TONEAREST, FE_TOWARDZERO, FE_DOWNWARD, FE_UPWARD};

static uint64_t random_next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static const uint64_t special64[] = {
    0,
    1,
    2,
    UINT64_C(0x000fffffffffffff),
    UINT64_C(0x0010000000000000),
    UINT64_C(0x0010000000000001),
    UINT64_C(0x0020000000000000),
    UINT64_C(0x1ff0000000000000),
    UINT64_C(0x3690000000000000),
    UINT64_C(0x36a0000000000000),
    UINT64_C(0x380fffffe0000000),
    UINT64_C(0x380ffffff0000000),
    UINT64_C(0x3c90000000000000),
    UINT64_C(0x3ca0000000000000),
    UINT64_C(0x3fdfffffffffffff),
    UINT64_C(0x3fe0000000000000),
    UINT64_C(0x3fe0000000000001),
    UINT64_C(0x3fefffffffffffff),
    UINT64_C(0x3ff0000000000000),
    UINT64_C(0x3ff0000000000001),
    UINT64_C(0x3ff8000000000000),
    UINT64_C(0x4000000000000000),
    UINT64_C(0x4004000000000000),
    UINT64_C(0x41dfffffffc00000),
    UINT64_C(0x41dfffffffe00000),
    UINT64_C(0x41e0000000000000),
    UINT64_C(0x41efffffffe00000),
    UINT64_C(0x41f0000000000000),
    UINT64_C(0x4330000000000001),
    UINT64_C(0x43dfffffffffffff),
    UINT64_C(0x43e0000000000000),
    UINT64_C(0x43efffffffffffff),
    UINT64_C(0x43f0000000000000),
    UINT64_C(0x47efffffe0000000),
    UINT64_C(0x47effffff0000000),
    UINT64_C(0x7fe0000000000000),
    UINT64_C(0x7fefffffffffffff),
    UINT64_C(0x7ff0000000000000),
    UINT64_C(0x7ff0000000000001),
    UINT64_C(0x7ff8000000000000),
    UINT64_C(0x7fffffffffffffff),
};

static const uint32_t special32[] = {
    0,          1,          2,          0x007fffff, 0x00800000, 0x00800001, 0x01000000, 0x20000000, 0x33800000,
    0x33800001, 0x34000000, 0x3effffff, 0x3f000000, 0x3f000001, 0x3f7fffff, 0x3f800000, 0x3f800001, 0x3fc00000,
    0x40000000, 0x40200000, 0x4b800001, 0x4effffff, 0x4f000000, 0x4f7fffff, 0x4f800000, 0x5effffff, 0x5f000000,
    0x5f7fffff, 0x5f800000, 0x7f000000, 0x7f7fffff, 0x7f800000, 0x7f800001, 0x7fc00000, 0x7fffffff,
};

/* The nth of the values that are tried: special ones with both signs, then random ones of which half are close. */
static uint64_t value64(unsigned n, uint64_t *state)
{
    if (n < 2 * ARRAY_LEN(special64)) {
        return special64[n / 2] | (uint64_t)(n & 1) << 63;
    }
    uint64_t bits = random_next(state);

    return n % 2 == 0 ? bits : (bits & ~UINT64_C(0x7fe0000000000000)) | UINT64_C(0x3fe0000000000000);
}

static uint32_t value32(unsigned n, uint64_t *state)
{
    if (n < 2 * ARRAY_LEN(special32)) {
        return special32[n / 2] | (uint32_t)(n & 1) << 31;
    }
    uint32_t bits = (uint32_t)random_next(state);

    return n % 2 == 0 ? bits : (bits & ~0x7f000000U) | 0x3f000000U;
}

static uint8_t host_flags(void)
{
    int raised = fetestexcept(FE_ALL_EXCEPT);

    return (uint8_t)(((raised & FE_INEXACT) != 0 ? FP_NX : 0) | ((raised & FE_UNDERFLOW) != 0 ? FP_UF : 0) |
                     ((raised & FE_OVERFLOW) != 0 ? FP_OF : 0) | ((raised & FE_DIVBYZERO) != 0 ? FP_DZ : 0) |
                     ((raised & FE_INVALID) != 0 ? FP_NV : 0));
}

static double to_double(uint64_t bits)
{
    double d;

    memcpy(&d, &bits, sizeof(d));
    return d;
}

static uint64_t of_double(double d)
{
    uint64_t bits;

    memcpy(&bits, &d, sizeof(bits));
    return isnan(d) ? NAN64 : bits;
}

static float to_float(uint32_t bits)
{
    float f;

    memcpy(&f, &bits, sizeof(f));
    return f;
}

static uint32_t of_float(float f)
{
    uint32_t bits;

    memcpy(&bits, &f, sizeof(bits));
    return isnan(f) ? NAN32 : bits;
}

/* Infinity times zero is invalid even when a quiet NaN is added; IEEE 754 leaves that open and the host says no. */
static void fma_invalid(double x, double y)
{
    if ((isinf(x) && y == 0) || (x == 0 && isinf(y))) {
        feraiseexcept(FE_INVALID);
    }
}

/* An operation of up to three operands, ours and the host's. */
struct operation {
    const char *name;
    uint64_t (*ours)(uint64_t a, uint64_t b, uint64_t c, struct fp_env *env);
    uint64_t (*host)(uint64_t a, uint64_t b, uint64_t c);
    bool single; /* operands are of 32 bits */
};

/* The operands are volatile: the compiler knows nothing of rounding modes. */
#define OPERATION(name, our_expression, host_type, host_expression, host_bits, to_host)                                \
    static uint64_t ours_##name(uint64_t a, uint64_t b, uint64_t c, struct fp_env *env)                                \
    {                                                                                                                  \
        (void)b, (void)c;                                                                                              \
        return our_expression;                                                                                         \
    }                                                                                                                  \
    static uint64_t host_##name(uint64_t a, uint64_t b, uint64_t c)                                                    \
    {                                                                                                                  \
        volatile host_type x = to_host(a), y = to_host(b), z = to_host(c);                                             \
        (void)y, (void)z;                                                                                              \
        feclearexcept(FE_ALL_EXCEPT);                                                                                  \
        return host_bits(host_expression);                                                                             \
    }

#define S(v) ((uint32_t)(v))
OPERATION(add32, f32_add(S(a), S(b), env), float, x + y, of_float, to_float)
OPERATION(mul32, f32_mul(S(a), S(b), env), float, x *y, of_float, to_float)
OPERATION(div32, f32_div(S(a), S(b), env), float, x / y, of_float, to_float)
OPERATION(fma32, f32_fma(S(a), S(b), S(c), env), float, (fma_invalid(x, y), fmaf(x, y, z)), of_float, to_float)
OPERATION(sqrt32, f32_sqrt(S(a), env), float, sqrtf(x), of_float, to_float)
OPERATION(widen, f32_to_f64(S(a), env), float, (double)x, of_double, to_float)
OPERATION(add64, f64_add(a, b, env), double, x + y, of_double, to_double)
OPERATION(mul64, f64_mul(a, b, env), double, x *y, of_double, to_double)
OPERATION(div64, f64_div(a, b, env), double, x / y, of_double, to_double)
OPERATION(fma64, f64_fma(a, b, c, env), double, (fma_invalid(x, y), fma(x, y, z)), of_double, to_double)
OPERATION(sqrt64, f64_sqrt(a, env), double, sqrt(x), of_double, to_double)
OPERATION(narrow, f64_to_f32(a, env), double, (float)x, of_float, to_double)
OPERATION(lt64, f64_lt(a, b, env), double, x < y, (uint64_t), to_double)
OPERATION(le64, f64_le(a, b, env), double, x <= y, (uint64_t), to_double)
OPERATION(eq64, f64_eq(a, b, env), double, x == y, (uint64_t), to_double)
OPERATION(lt32, f32_lt(S(a), S(b), env), float, x < y, (uint64_t), to_float)
OPERATION(le32, f32_le(S(a), S(b), env), float, x <= y, (uint64_t), to_float)
OPERATION(eq32, f32_eq(S(a), S(b), env), float, x == y, (uint64_t), to_float)

/* From integers: a itself is the integer. */
#define SIGNED(v)   ((int64_t)(v))
#define UNSIGNED(v) (v)
#define WORD(v)     ((int32_t)(v))
#define UWORD(v)    ((uint32_t)(v))
OPERATION(l_to_64, f64_from_int(a, INT_L, env), int64_t, (double)x, of_double, SIGNED)
OPERATION(lu_to_64, f64_from_int(a, INT_LU, env), uint64_t, (double)x, of_double, UNSIGNED)
OPERATION(w_to_64, f64_from_int(a, INT_W, env), int32_t, (double)x, of_double, WORD)
OPERATION(wu_to_64, f64_from_int(a, INT_WU, env), uint32_t, (double)x, of_double, UWORD)
OPERATION(l_to_32, f32_from_int(a, INT_L, env), int64_t, (float)x, of_float, SIGNED)
OPERATION(w_to_32, f32_from_int(a, INT_W, env), int32_t, (float)x, of_float, WORD)
OPERATION(wu_to_32, f32_from_int(a, INT_WU, env), uint32_t, (float)x, of_float, UWORD)

#define ROW(name, single)                                                                                              \
    {                                                                                                                  \
#name, ours_##name, host_##name, single                                                                        \
    }
static const struct operation operations[] = {
    ROW(add32, true),    ROW(mul32, true),     ROW(div32, true),    ROW(fma32, true),    ROW(sqrt32, true),
    ROW(widen, true),    ROW(add64, false),    ROW(mul64, false),   ROW(div64, false),   ROW(fma64, false),
    ROW(sqrt64, false),  ROW(narrow, false),   ROW(lt64, false),    ROW(le64, false),    ROW(eq64, false),
    ROW(lt32, true),     ROW(le32, true),      ROW(eq32, true),     ROW(l_to_64, false), ROW(lu_to_64, false),
    ROW(w_to_64, false), ROW(wu_to_64, false), ROW(l_to_32, false), ROW(w_to_32, false), ROW(wu_to_32, false),
};

static void check(const struct operation *o, enum fp_rounding rounding, uint64_t a, uint64_t b, uint64_t c)
{
    struct fp_env env = {(uint8_t)rounding, 0}, known = {(uint8_t)rounding, FP_NX};
    uint64_t got = o->ours(a, b, c, &env), want;
    uint64_t quick = o->ours(a, b, c, &known); /* perhaps by the host: the same, but that NX was set before */
    uint8_t flags;

    fesetround(host_rounding[rounding]);
    want = o->host(a, b, c);
    flags = host_flags();
    fesetround(FE_TONEAREST);
    if (quick != got || known.flags != (env.flags | FP_NX)) {
        fail_msg("%s(0x%llx, 0x%llx, 0x%llx) rounding %d: 0x%llx flags %x with NX set before", o->name,
                 (unsigned long long)a, (unsigned long long)b, (unsigned long long)c, (int)rounding,
                 (unsigned long long)quick, known.flags);
    }
    if (got != want || env.flags != flags) {
        fail_msg("%s(0x%llx, 0x%llx, 0x%llx) rounding %d: 0x%llx flags %x, the host: 0x%llx flags %x", o->name,
                 (unsigned long long)a, (unsigned long long)b, (unsigned long long)c, (int)rounding,
                 (unsigned long long)got, env.flags, (unsigned long long)want, flags);
    }
}

static void special_values_as_on_the_host(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(operations); i++) {
        const struct operation *o = &operations[i];
        unsigned n = 2 * (unsigned)(o->single ? ARRAY_LEN(special32) : ARRAY_LEN(special64));

        for (unsigned a = 0; a < n; a++) {
            for (unsigned b = 0; b < n; b++) {
                for (unsigned r = 0; r < ARRAY_LEN(host_rounding); r++) {
                    unsigned c = (a * 7 + b * 13 + r) % n;

                    check(o, r, o->single ? value32(a, NULL) : value64(a, NULL),
                          o->single ? value32(b, NULL) : value64(b, NULL),
                          o->single ? value32(c, NULL) : value64(c, NULL));
                }
            }
        }
    }
}

static void random_values_as_on_the_host(void **state)
{
    uint64_t seed = UINT64_C(0x9e3779b97f4a7c15);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(operations); i++) {
        const struct operation *o = &operations[i];

        for (unsigned n = 0; n < RANDOM_TURNS; n++) {
            uint64_t v[3];

            for (unsigned k = 0; k < 3; k++) {
                v[k] = o->single ? value32(1000 + n, &seed) : value64(1000 + n, &seed);
            }
            check(o, n / 2 % ARRAY_LEN(host_rounding), v[0], v[1], v[2]);
        }
    }
}

/*
 * Ties away from zero: of the two neighbours (the host's results towards zero and away from it) the nearer one to the
 * exact result, and at the same distance the one away from zero.
 */
static void ties_go_away_from_zero(void **state)
{
    uint64_t seed = UINT64_C(0x2545f4914f6cdd1d);

    (void)state;
    for (unsigned n = 0; n < RANDOM_TURNS; n++) {
        /* few bits, so that ties are common, and exponents so close that the exact result has at most 113 bits */
        uint32_t a = ((uint32_t)random_next(&seed) & 0x80ff0000U) | 0x3f000001U;
        uint32_t b = ((uint32_t)random_next(&seed) & 0x837f8000U) | 0x40000000U;
        struct fp_env env = {FP_RMM, 0};
        __float128 exact = (__float128)to_float(a) * to_float(b), low, high;
        uint32_t got = f32_mul(a, b, &env), zero, away;

        fesetround(FE_TOWARDZERO);
        zero = (uint32_t)host_mul32(a, b, 0);
        fesetround(exact < 0 ? FE_DOWNWARD : FE_UPWARD);
        away = (uint32_t)host_mul32(a, b, 0);
        fesetround(FE_TONEAREST);
        low = exact - to_float(zero);
        high = to_float(away) - exact;
        low = low < 0 ? -low : low;
        high = high < 0 ? -high : high;
        assert_int_equal(got, low < high ? zero : away);
        assert_int_equal(env.flags, zero != away ? FP_NX : 0);
    }
}

static void a_tie_away_from_zero_by_hand(void **state)
{
    static const struct {
        uint64_t a, b, sum;
    } rows[] = {
        /* 1 + 2^-53: to even it is 1 */
        {UINT64_C(0x3ff0000000000000), UINT64_C(0x3ca0000000000000), UINT64_C(0x3ff0000000000001)},
        {UINT64_C(0xbff0000000000000), UINT64_C(0xbca0000000000000), UINT64_C(0xbff0000000000001)},
        {UINT64_C(0x3ff0000000000000), UINT64_C(0x3c9fffffffffffff), UINT64_C(0x3ff0000000000000)},
        {UINT64_C(0x7fefffffffffffff), UINT64_C(0x7c90000000000000), UINT64_C(0x7ff0000000000000)},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct fp_env env = {FP_RMM, 0};

        assert_int_equal(f64_add(rows[i].a, rows[i].b, &env), rows[i].sum);
        assert_int_equal(env.flags & FP_NX, FP_NX);
    }
}

/* The library's: the compiler's own does not look at the rounding mode. */
static double (*const volatile host_rint)(double) = rint;

/* Conversions to integers: C leaves out of range undefined, so limits stand here and the rest is the host's rint. */
static void to_integers_round_and_saturate(void **state)
{
    static const struct {
        enum fp_int kind;
        __float128 min, max;
        uint64_t at_min, at_max;
    } kinds[] = {
        {INT_W, -2147483648.0, 2147483647.0, UINT64_C(0xffffffff80000000), 0x7fffffff},
        {INT_WU, 0, 4294967295.0, 0, UINT64_MAX},
        {INT_L, -9223372036854775808.0, (__float128)INT64_MAX, UINT64_C(1) << 63, INT64_MAX},
        {INT_LU, 0, (__float128)UINT64_MAX, 0, UINT64_MAX},
    };
    uint64_t seed = 88172645463325252;

    (void)state;
    for (unsigned n = 0; n < 2 * ARRAY_LEN(special64) + RANDOM_TURNS; n++) {
        uint64_t bits = value64(n, &seed);
        unsigned k = n % ARRAY_LEN(kinds), r = n / 8 % ARRAY_LEN(host_rounding);

        if (n >= 2 * ARRAY_LEN(special64)) { /* exponents around those of the limits */
            bits = (bits & ~UINT64_C(0x7ff0000000000000)) | (uint64_t)(0x3fd + n % 70) << 52;
        }
        volatile double d = to_double(bits);
        struct fp_env env = {(uint8_t)r, 0};
        uint64_t got = f64_to_int(bits, kinds[k].kind, &env), want;
        volatile double whole;
        uint8_t flags = 0;

        fesetround(host_rounding[r]);
        whole = host_rint(d);
        fesetround(FE_TONEAREST);
        if (isnan(d) || whole > kinds[k].max) {
            want = kinds[k].at_max;
            flags = FP_NV;
        } else if (whole < kinds[k].min) {
            want = kinds[k].at_min;
            flags = FP_NV;
        } else {
            want = whole < 0 ? (uint64_t)(int64_t)whole : (uint64_t)whole;
            want = kinds[k].kind == INT_WU ? (uint64_t)(int64_t)(int32_t)want : want;
            flags = whole != d ? FP_NX : 0;
        }
        if (got != want || env.flags != flags) {
            fail_msg("to_int(%a, %u) rounding %u: 0x%llx flags %x, wanted 0x%llx flags %x", d, k, r,
                     (unsigned long long)got, env.flags, (unsigned long long)want, flags);
        }
    }
}

static void minimum_and_maximum(void **state)
{
    static const struct {
        uint32_t a, b, min, max;
        uint8_t flags;
    } rows[] = {
        {0x3f800000, 0x40000000, 0x3f800000, 0x40000000, 0}, {0xbf800000, 0xc0000000, 0xc0000000, 0xbf800000, 0},
        {0x00000000, 0x80000000, 0x80000000, 0x00000000, 0}, {0x80000000, 0x00000000, 0x80000000, 0x00000000, 0},
        {0xff800000, 0x7f800000, 0xff800000, 0x7f800000, 0}, {0x7fc00001, 0x3f800000, 0x3f800000, 0x3f800000, 0},
        {0x3f800000, 0xffc00001, 0x3f800000, 0x3f800000, 0}, {0x7f800001, 0x3f800000, 0x3f800000, 0x3f800000, FP_NV},
        {0x7fc00001, 0xffc00001, NAN32, NAN32, 0},           {0x7fc00001, 0x7f800001, NAN32, NAN32, FP_NV},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct fp_env low = {0, 0}, high = {0, 0};

        assert_int_equal(f32_min(rows[i].a, rows[i].b, &low), rows[i].min);
        assert_int_equal(f32_max(rows[i].a, rows[i].b, &high), rows[i].max);
        assert_int_equal(low.flags, rows[i].flags);
        assert_int_equal(high.flags, rows[i].flags);
    }
}

static void classes(void **state)
{
    static const struct {
        uint64_t bits;
        unsigned class;
    } rows[] = {
        {UINT64_C(0xfff0000000000000), 1 << 0}, {UINT64_C(0xbff0000000000000), 1 << 1},
        {UINT64_C(0x8000000000000001), 1 << 2}, {UINT64_C(0x8000000000000000), 1 << 3},
        {UINT64_C(0x0000000000000000), 1 << 4}, {UINT64_C(0x000fffffffffffff), 1 << 5},
        {UINT64_C(0x0010000000000000), 1 << 6}, {UINT64_C(0x7ff0000000000000), 1 << 7},
        {UINT64_C(0x7ff0000000000001), 1 << 8}, {UINT64_C(0x7ff8000000000000), 1 << 9},
        {UINT64_C(0xfff8000000000001), 1 << 9}, {UINT64_C(0xfff7ffffffffffff), 1 << 8},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(f64_class(rows[i].bits), rows[i].class);
    }
    assert_int_equal(f32_class(0x80000001), 1 << 2);
    assert_int_equal(f32_class(0x7f7fffff), 1 << 6);
}

static void what_is_not_boxed_is_a_nan(void **state)
{
    (void)state;
    assert_int_equal(fp_unbox(UINT64_C(0xffffffff3f800000)), 0x3f800000);
    assert_int_equal(fp_unbox(UINT64_C(0x000000003f800000)), NAN32);
    assert_int_equal(fp_unbox(UINT64_C(0xfffffffe3f800000)), NAN32);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(special_values_as_on_the_host),
        cmocka_unit_test(random_values_as_on_the_host),
        cmocka_unit_test(ties_go_away_from_zero),
        cmocka_unit_test(a_tie_away_from_zero_by_hand),
        cmocka_unit_test(to_integers_round_and_saturate),
        cmocka_unit_test(minimum_and_maximum),
        cmocka_unit_test(classes),
        cmocka_unit_test(what_is_not_boxed_is_a_nan),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
