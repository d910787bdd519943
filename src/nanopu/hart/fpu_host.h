/* SPDX-License-Identifier: MIT */
/* Formats of floating point, and when the host's own arithmetic may compute in them: for fpu.c. */
#ifndef NANOPU_HART_FPU_HOST_H
#define NANOPU_HART_FPU_HOST_H

#include "nanopu/hart/fpu.h"

#include <float.h>
#include <string.h>

/* A format: bits of precision, the leading one included, and bits of the exponent. */
struct format {
    unsigned precision, exp_bits;
};

static const struct format binary32 = {24, 8}, binary64 = {53, 11};

static inline uint64_t exp_mask(struct format f)
{
    return (UINT64_C(1) << f.exp_bits) - 1;
}

/*
 * The host's own arithmetic gives the same bits for normal operands and a normal result when it rounds to nearest, as
 * this program never tells it not to; and then no flag but NX can be raised. So it is asked when NX is set already,
 * whose raising it would have to be asked for. A result below twice the smallest normal number is left to the slow way:
 * there it depends on the rounding whether it is tiny.
 */
#if FLT_EVAL_METHOD == 0
#define HOST_CAN 1
#else
#define HOST_CAN 0
#endif

static inline bool host_may(const struct fp_env *env)
{
    return HOST_CAN && env->rounding == FP_RNE && (env->flags & FP_NX) != 0;
}

static inline bool is_normal(struct format f, uint64_t bits)
{
    return (((bits >> (f.precision - 1)) + 1) & exp_mask(f)) > 1;
}

static inline bool is_far_from_tiny(struct format f, uint64_t bits)
{
    uint64_t exp = bits >> (f.precision - 1) & exp_mask(f);

    return exp > 1 && exp < exp_mask(f);
}

/* Returns the host's result out of the function that this stands in when it is good. */
#define HOST(format, type, host, operands_normal, value)                                                               \
    do {                                                                                                               \
        if (LIKELY(host_may(env) && (operands_normal))) {                                                              \
            host result_ = (value);                                                                                    \
            type bits_;                                                                                                \
            memcpy(&bits_, &result_, sizeof(bits_));                                                                   \
            if (LIKELY(is_far_from_tiny(format, bits_))) {                                                             \
                return bits_;                                                                                          \
            }                                                                                                          \
        }                                                                                                              \
    } while (0)

static inline double as_double(uint64_t bits)
{
    double d;

    memcpy(&d, &bits, sizeof(d));
    return d;
}

static inline float as_float(uint32_t bits)
{
    float f;

    memcpy(&f, &bits, sizeof(f));
    return f;
}

#endif /* NANOPU_HART_FPU_HOST_H */
