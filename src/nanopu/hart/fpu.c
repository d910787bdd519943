/* SPDX-License-Identifier: MIT */
/*
 * Every operation takes its operands apart, computes exactly or with a sticky last bit, and rounds once (pack).
 *
 * A finite number that is not zero is sig * 2^(exp - 63) with bit 63 of sig set. Intermediate results have up to 128
 * bits; `place` is the bit whose weight is 2^exp. Bits that a shift loses are ORed into the last one (jam), which is
 * always at least two places below where rounding looks.
 */
#include "nanopu/hart/fpu_host.h"

#include <math.h>

typedef unsigned __int128 u128;

enum kind { ZERO, FINITE, INFINITE, QUIET, SIGNALING };

struct number {
    enum kind kind;
    bool sign;
    int exp;
    uint64_t sig;
};

static inline int bias_of(struct format f)
{
    return (1 << (f.exp_bits - 1)) - 1;
}

static inline uint64_t sign_bit(struct format f, bool sign)
{
    return sign ? UINT64_C(1) << (f.precision - 1 + f.exp_bits) : 0;
}

static inline uint64_t infinity(struct format f, bool sign)
{
    return sign_bit(f, sign) | exp_mask(f) << (f.precision - 1);
}

static inline uint64_t canonical_nan(struct format f)
{
    return infinity(f, false) | UINT64_C(1) << (f.precision - 2);
}

static inline struct number unpack(struct format f, uint64_t bits)
{
    uint64_t exp = bits >> (f.precision - 1) & exp_mask(f), frac = bits & ((UINT64_C(1) << (f.precision - 1)) - 1);
    struct number n = {.kind = FINITE, .sign = (bits >> (f.precision - 1 + f.exp_bits) & 1) != 0};

    if (exp == exp_mask(f)) {
        n.kind = frac == 0 ? INFINITE : (frac >> (f.precision - 2)) != 0 ? QUIET : SIGNALING;
    } else if (exp != 0) {
        n.exp = (int)exp - bias_of(f);
        n.sig = (frac | UINT64_C(1) << (f.precision - 1)) << (64 - f.precision);
    } else if (frac == 0) {
        n.kind = ZERO;
    } else {
        int shift = __builtin_clzll(frac);

        n.exp = 1 - bias_of(f) + (64 - (int)f.precision) - shift;
        n.sig = frac << shift;
    }
    return n;
}

static inline bool is_nan(const struct number *n)
{
    return n->kind >= QUIET;
}

static inline uint64_t invalid(struct format f, struct fp_env *env)
{
    env->flags |= FP_NV;
    return canonical_nan(f);
}

/* The result of an operation with a NaN among its operands. */
static uint64_t nan_of(struct format f, bool signaling, struct fp_env *env)
{
    return signaling ? invalid(f, env) : canonical_nan(f);
}

static inline u128 shift_jam(u128 x, unsigned by)
{
    return by == 0 ? x : by > 127 ? x != 0 : x >> by | ((x << (128 - by)) != 0);
}

/* Is the magnitude to be increased? rest are the bits below the last one, half is the weight of their first. */
static inline bool rounds_up(const struct fp_env *env, bool sign, bool odd, uint64_t rest, uint64_t half)
{
    switch (env->rounding) {
    case FP_RNE:
        return rest > half || (rest == half && odd);
    case FP_RDN:
        return sign && rest != 0;
    case FP_RUP:
        return !sign && rest != 0;
    case FP_RMM:
        return rest >= half;
    default:
        return false;
    }
}

/* sig without the low bits, rounded; it may become a power of two of one bit more. */
static inline uint64_t round_at(const struct fp_env *env, bool sign, uint64_t sig, unsigned low, bool *inexact)
{
    uint64_t rest = sig & ((UINT64_C(1) << low) - 1), kept = sig >> low;

    *inexact = rest != 0;
    return kept + rounds_up(env, sign, (kept & 1) != 0, rest, UINT64_C(1) << (low - 1));
}

static uint64_t overflow(struct format f, bool sign, struct fp_env *env)
{
    bool to_infinity = env->rounding == FP_RNE || env->rounding == FP_RMM || env->rounding == (sign ? FP_RDN : FP_RUP);

    env->flags |= FP_OF | FP_NX;
    return infinity(f, sign) - !to_infinity; /* the number before infinity is the greatest */
}

/* Below the smallest normal number: fewer bits of precision. */
static uint64_t pack_subnormal(struct format f, bool sign, int exp, uint64_t sig, struct fp_env *env)
{
    int below = 1 - bias_of(f) - exp; /* > 0 */
    unsigned low = 64 - f.precision;
    bool inexact, unused;
    /* it is not tiny when it becomes normal if it is rounded as if there were no smallest exponent */
    bool tiny = below > 1 || round_at(env, sign, sig, low, &unused) >> f.precision == 0;
    uint64_t frac = round_at(env, sign, (uint64_t)shift_jam(sig, (unsigned)below), low, &inexact);

    if (inexact) {
        env->flags |= FP_NX | (tiny ? FP_UF : 0);
    }
    return sign_bit(f, sign) | frac; /* a carry into the exponent makes it the smallest normal number */
}

static inline uint64_t pack(struct format f, bool sign, int exp, uint64_t sig, struct fp_env *env)
{
    uint64_t rounded;
    bool inexact;

    assert(sig >> 63 != 0);
    if (UNLIKELY(exp < 1 - bias_of(f))) {
        return pack_subnormal(f, sign, exp, sig, env);
    }
    rounded = round_at(env, sign, sig, 64 - f.precision, &inexact);
    exp += rounded >> f.precision != 0; /* a power of two then: its fraction is 0 either way */
    if (UNLIKELY(exp > bias_of(f))) {
        return overflow(f, sign, env);
    }
    if (inexact) {
        env->flags |= FP_NX;
    }
    return sign_bit(f, sign) | (uint64_t)(exp + bias_of(f)) << (f.precision - 1) |
           (rounded & ((UINT64_C(1) << (f.precision - 1)) - 1));
}

/* x * 2^(exp - place), x not 0 */
static inline uint64_t pack_wide(struct format f, bool sign, int exp, u128 x, int place, struct fp_env *env)
{
    uint64_t high = (uint64_t)(x >> 64);
    int zeros = high != 0 ? __builtin_clzll(high) : 64 + __builtin_clzll((uint64_t)x);

    x <<= zeros;
    return pack(f, sign, exp + 127 - zeros - place, (uint64_t)(x >> 64) | ((uint64_t)x != 0), env);
}

/* The sign of an exact sum of zero whose terms have these signs. */
static inline bool zero_sign(bool a, bool b, const struct fp_env *env)
{
    return a == b ? a : env->rounding == FP_RDN;
}

/* The sum of two magnitudes with signs, both with their weight 2^exp at place. */
static inline uint64_t add_wide(struct format f, bool sa, u128 a, bool sb, u128 b, int exp, int place,
                                struct fp_env *env)
{
    u128 sum = sa == sb ? a + b : a > b ? a - b : b - a;

    if (sum == 0) {
        return sign_bit(f, zero_sign(sa, sb, env));
    }
    return pack_wide(f, a > b ? sa : sb, exp, sum, place, env);
}

static inline uint64_t fp_add(struct format f, uint64_t x, uint64_t y, struct fp_env *env)
{
    struct number a = unpack(f, x), b = unpack(f, y);
    int place = 125, d = a.exp - b.exp;
    u128 wa = (u128)a.sig << 62, wb = (u128)b.sig << 62;

    if (LIKELY(a.kind == FINITE && b.kind == FINITE)) {
        return d >= 0 ? add_wide(f, a.sign, wa, b.sign, shift_jam(wb, (unsigned)d), a.exp, place, env)
                      : add_wide(f, a.sign, shift_jam(wa, (unsigned)-d), b.sign, wb, b.exp, place, env);
    }
    if (is_nan(&a) || is_nan(&b)) {
        return nan_of(f, a.kind == SIGNALING || b.kind == SIGNALING, env);
    }
    if (a.kind == INFINITE) {
        return b.kind == INFINITE && a.sign != b.sign ? invalid(f, env) : x;
    }
    if (a.kind == ZERO && b.kind == ZERO) {
        return sign_bit(f, zero_sign(a.sign, b.sign, env));
    }
    return b.kind == ZERO ? x : y;
}

static inline uint64_t fp_mul(struct format f, uint64_t x, uint64_t y, struct fp_env *env)
{
    struct number a = unpack(f, x), b = unpack(f, y);
    bool sign = a.sign != b.sign;

    if (LIKELY(a.kind == FINITE && b.kind == FINITE)) {
        return pack_wide(f, sign, a.exp + b.exp, (u128)a.sig * b.sig, 126, env);
    }
    if (is_nan(&a) || is_nan(&b)) {
        return nan_of(f, a.kind == SIGNALING || b.kind == SIGNALING, env);
    }
    if (a.kind == INFINITE || b.kind == INFINITE) {
        return a.kind == ZERO || b.kind == ZERO ? invalid(f, env) : infinity(f, sign);
    }
    return sign_bit(f, sign);
}

/* With a NaN, an infinity or a zero factor among the operands. */
static uint64_t fma_special(struct format f, struct number a, struct number b, struct number c, uint64_t z,
                            struct fp_env *env)
{
    bool sign = a.sign != b.sign, signaling = a.kind == SIGNALING || b.kind == SIGNALING || c.kind == SIGNALING;
    bool inf_zero = (a.kind == INFINITE && b.kind == ZERO) || (a.kind == ZERO && b.kind == INFINITE);

    if (is_nan(&a) || is_nan(&b) || is_nan(&c)) {
        return nan_of(f, signaling || inf_zero, env);
    }
    if (inf_zero) {
        return invalid(f, env);
    }
    if (a.kind == INFINITE || b.kind == INFINITE) {
        return c.kind == INFINITE && c.sign != sign ? invalid(f, env) : infinity(f, sign);
    }
    if (c.kind == ZERO) {
        return sign_bit(f, zero_sign(sign, c.sign, env));
    }
    return z;
}

static inline uint64_t fp_fma(struct format f, uint64_t x, uint64_t y, uint64_t z, struct fp_env *env)
{
    struct number a = unpack(f, x), b = unpack(f, y), c = unpack(f, z);
    bool sign = a.sign != b.sign;
    int place = 124, exp = a.exp + b.exp, d = exp - c.exp;
    u128 product = (u128)a.sig * b.sig, addend = (u128)c.sig << 61;

    if (a.kind != FINITE || b.kind != FINITE || c.kind >= INFINITE) {
        return fma_special(f, a, b, c, z, env);
    }
    if (c.kind == ZERO) {
        return pack_wide(f, sign, exp, product, 126, env);
    }
    product = product >> 2; /* its low bits are 0: two significands of at most 53 bits */
    return d >= 0 ? add_wide(f, sign, product, c.sign, shift_jam(addend, (unsigned)d), exp, place, env)
                  : add_wide(f, sign, shift_jam(product, (unsigned)-d), c.sign, addend, c.exp, place, env);
}

static inline uint64_t fp_div(struct format f, uint64_t x, uint64_t y, struct fp_env *env)
{
    struct number a = unpack(f, x), b = unpack(f, y);
    bool sign = a.sign != b.sign;

    if (LIKELY(a.kind == FINITE && b.kind == FINITE)) {
        u128 dividend = (u128)a.sig << 63, quotient = dividend / b.sig;

        return pack_wide(f, sign, a.exp - b.exp, quotient << 1 | (quotient * b.sig != dividend), 64, env);
    }
    if (is_nan(&a) || is_nan(&b)) {
        return nan_of(f, a.kind == SIGNALING || b.kind == SIGNALING, env);
    }
    if (a.kind == b.kind) { /* both infinite or both zero */
        return invalid(f, env);
    }
    if (a.kind == INFINITE || b.kind == ZERO) {
        env->flags |= a.kind == FINITE ? FP_DZ : 0;
        return infinity(f, sign);
    }
    return sign_bit(f, sign);
}

/* The root of x, bit by bit, without what is behind the point; *exact: there is nothing. x < 2^128, root < 2^64. */
static uint64_t root_of(u128 x, bool *exact)
{
    uint64_t root = 0;

    for (int bit = 63; bit >= 0; bit--) {
        uint64_t next = root | UINT64_C(1) << bit;

        root = (u128)next * next <= x ? next : root;
    }
    *exact = (u128)root * root == x;
    return root;
}

static inline uint64_t fp_sqrt(struct format f, uint64_t x, struct fp_env *env)
{
    struct number a = unpack(f, x);
    uint64_t root;
    bool exact;

    if (is_nan(&a)) {
        return nan_of(f, a.kind == SIGNALING, env);
    }
    if (a.kind == ZERO || (a.kind == INFINITE && !a.sign)) {
        return x;
    }
    if (a.sign) {
        return invalid(f, env);
    }
    root = root_of((u128)a.sig << ((a.exp & 1) != 0 ? 64 : 63), &exact);
    return pack(f, false, (a.exp - (a.exp & 1)) / 2, root | !exact, env);
}

/* -1, 0, 1, or 2 when one is a NaN; -0 and 0 are equal. */
static inline int compare(const struct number *a, const struct number *b, uint64_t x, uint64_t y)
{
    if (is_nan(a) || is_nan(b)) {
        return 2;
    }
    if ((a->kind == ZERO && b->kind == ZERO) || x == y) {
        return 0;
    }
    if (a->sign != b->sign) {
        return a->sign ? -1 : 1;
    }
    return (x < y) != a->sign ? -1 : 1; /* of one sign the encodings are in the order of the magnitudes */
}

/* quiet: only a signaling NaN is an invalid operand. */
static inline int fp_compare(struct format f, uint64_t x, uint64_t y, bool quiet, struct fp_env *env)
{
    struct number a = unpack(f, x), b = unpack(f, y);
    int order = compare(&a, &b, x, y);

    if (order == 2 && (!quiet || a.kind == SIGNALING || b.kind == SIGNALING)) {
        env->flags |= FP_NV;
    }
    return order;
}

static inline uint64_t fp_min(struct format f, uint64_t x, uint64_t y, bool max, struct fp_env *env)
{
    struct number a = unpack(f, x), b = unpack(f, y);
    int order = compare(&a, &b, x, y);

    if (a.kind == SIGNALING || b.kind == SIGNALING) {
        env->flags |= FP_NV;
    }
    if (order == 2) {
        return !is_nan(&b) ? y : !is_nan(&a) ? x : canonical_nan(f);
    }
    if (order == 0) { /* -0 is less than 0 */
        return a.sign != max ? x : y;
    }
    return (order < 0) != max ? x : y;
}

static unsigned fp_class(struct format f, uint64_t x)
{
    struct number a = unpack(f, x);
    bool subnormal = a.kind == FINITE && a.exp < 1 - bias_of(f);

    switch (a.kind) {
    case INFINITE:
        return a.sign ? 1 << 0 : 1 << 7;
    case ZERO:
        return a.sign ? 1 << 3 : 1 << 4;
    case SIGNALING:
        return 1 << 8;
    case QUIET:
        return 1 << 9;
    default:
        return a.sign ? (subnormal ? 1 << 2 : 1 << 1) : (subnormal ? 1 << 5 : 1 << 6);
    }
}

static uint64_t int_limit(enum fp_int kind, bool negative)
{
    switch (kind) {
    case INT_W:
        return negative ? (uint64_t)INT32_MIN : INT32_MAX;
    case INT_L:
        return negative ? (uint64_t)INT64_MIN : INT64_MAX;
    default: /* the greatest word of 32 bits is sign-extended, too */
        return negative ? 0 : UINT64_MAX;
    }
}

/* Magnitude of the limit on that side. */
static u128 int_reach(enum fp_int kind, bool negative)
{
    switch (kind) {
    case INT_W:
        return ((u128)1 << 31) - !negative;
    case INT_WU:
        return negative ? 0 : UINT32_MAX;
    case INT_L:
        return ((u128)1 << 63) - !negative;
    default:
        return negative ? 0 : UINT64_MAX;
    }
}

static uint64_t fp_to_int(struct format f, uint64_t x, enum fp_int kind, struct fp_env *env)
{
    struct number a = unpack(f, x);
    uint64_t rest;
    u128 fixed, mag;

    if (a.kind == ZERO) {
        return 0;
    }
    if (a.kind != FINITE || a.exp > 63) {
        env->flags |= FP_NV;
        return int_limit(kind, a.sign && !is_nan(&a));
    }
    fixed = shift_jam((u128)a.sig << 64, (unsigned)(63 - a.exp)); /* 64 bits behind the point */
    rest = (uint64_t)fixed;
    mag = fixed >> 64;
    mag += rounds_up(env, a.sign, (mag & 1) != 0, rest, UINT64_C(1) << 63);
    if (mag > int_reach(kind, a.sign)) {
        env->flags |= FP_NV;
        return int_limit(kind, a.sign);
    }
    env->flags |= rest != 0 ? FP_NX : 0;
    rest = a.sign ? -(uint64_t)mag : (uint64_t)mag;
    return kind == INT_W || kind == INT_WU ? (uint64_t)(int64_t)(int32_t)rest : rest;
}

static uint64_t fp_from_int(struct format f, uint64_t x, enum fp_int kind, struct fp_env *env)
{
    bool is_signed = kind == INT_W || kind == INT_L, sign;

    if (kind == INT_W || kind == INT_WU) {
        x = is_signed ? (uint64_t)(int64_t)(int32_t)x : (uint32_t)x;
    }
    sign = is_signed && x >> 63 != 0;
    x = sign ? -x : x;
    return x == 0 ? 0 : pack_wide(f, sign, 0, x, 0, env);
}

static inline uint64_t fp_convert(struct format from, struct format to, uint64_t x, struct fp_env *env)
{
    struct number a = unpack(from, x);

    switch (a.kind) {
    case ZERO:
        return sign_bit(to, a.sign);
    case INFINITE:
        return infinity(to, a.sign);
    case FINITE:
        return pack(to, a.sign, a.exp, a.sig, env);
    default:
        return nan_of(to, a.kind == SIGNALING, env);
    }
}

uint32_t f64_to_f32(uint64_t a, struct fp_env *env)
{
    return (uint32_t)fp_convert(binary64, binary32, a, env);
}

uint64_t f32_to_f64(uint32_t a, struct fp_env *env)
{
    return fp_convert(binary32, binary64, a, env);
}

/* The operations of a format whose values are of a type, and the host's of the same. */
#define OPERATIONS(name, format, type, host, as, host_sqrt, host_fma)                                                  \
    type name##_add(type a, type b, struct fp_env *env)                                                                \
    {                                                                                                                  \
        HOST(format, type, host, is_normal(format, a) && is_normal(format, b), as(a) + as(b));                         \
        return (type)fp_add(format, a, b, env);                                                                        \
    }                                                                                                                  \
    type name##_mul(type a, type b, struct fp_env *env)                                                                \
    {                                                                                                                  \
        HOST(format, type, host, is_normal(format, a) && is_normal(format, b), as(a) * as(b));                         \
        return (type)fp_mul(format, a, b, env);                                                                        \
    }                                                                                                                  \
    type name##_fma(type a, type b, type c, struct fp_env *env)                                                        \
    {                                                                                                                  \
        HOST(format, type, host, is_normal(format, a) && is_normal(format, b) && is_normal(format, c),                 \
             host_fma(as(a), as(b), as(c)));                                                                           \
        return (type)fp_fma(format, a, b, c, env);                                                                     \
    }                                                                                                                  \
    type name##_div(type a, type b, struct fp_env *env)                                                                \
    {                                                                                                                  \
        HOST(format, type, host, is_normal(format, a) && is_normal(format, b), as(a) / as(b));                         \
        return (type)fp_div(format, a, b, env);                                                                        \
    }                                                                                                                  \
    type name##_sqrt(type a, struct fp_env *env)                                                                       \
    {                                                                                                                  \
        HOST(format, type, host, is_normal(format, a) && as(a) > 0, host_sqrt(as(a)));                                 \
        return (type)fp_sqrt(format, a, env);                                                                          \
    }                                                                                                                  \
    type name##_min(type a, type b, struct fp_env *env)                                                                \
    {                                                                                                                  \
        return (type)fp_min(format, a, b, false, env);                                                                 \
    }                                                                                                                  \
    type name##_max(type a, type b, struct fp_env *env)                                                                \
    {                                                                                                                  \
        return (type)fp_min(format, a, b, true, env);                                                                  \
    }                                                                                                                  \
    bool name##_eq(type a, type b, struct fp_env *env)                                                                 \
    {                                                                                                                  \
        return fp_compare(format, a, b, true, env) == 0;                                                               \
    }                                                                                                                  \
    bool name##_lt(type a, type b, struct fp_env *env)                                                                 \
    {                                                                                                                  \
        return fp_compare(format, a, b, false, env) == -1;                                                             \
    }                                                                                                                  \
    bool name##_le(type a, type b, struct fp_env *env)                                                                 \
    {                                                                                                                  \
        return fp_compare(format, a, b, false, env) <= 0;                                                              \
    }                                                                                                                  \
    unsigned name##_class(type a)                                                                                      \
    {                                                                                                                  \
        return fp_class(format, a);                                                                                    \
    }                                                                                                                  \
    uint64_t name##_to_int(type a, enum fp_int kind, struct fp_env *env)                                               \
    {                                                                                                                  \
        return fp_to_int(format, a, kind, env);                                                                        \
    }                                                                                                                  \
    type name##_from_int(uint64_t a, enum fp_int kind, struct fp_env *env)                                             \
    {                                                                                                                  \
        return (type)fp_from_int(format, a, kind, env);                                                                \
    }

OPERATIONS(f32, binary32, uint32_t, float, as_float, sqrtf, fmaf)
OPERATIONS(f64, binary64, uint64_t, double, as_double, sqrt, fma)
