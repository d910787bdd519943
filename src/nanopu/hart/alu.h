/* SPDX-License-Identifier: MIT */
/* What is more than an operator of C in the integer instructions. */
#ifndef NANOPU_HART_ALU_H
#define NANOPU_HART_ALU_H

#include "core/base.h"

#define SEXT32(x) ((uint64_t)(int64_t)(int32_t)(x))

static inline uint64_t mulh_uu(uint64_t a, uint64_t b)
{
    return (uint64_t)((unsigned __int128)a * b >> 64);
}

static inline uint64_t mulh_ss(uint64_t a, uint64_t b)
{
    return (uint64_t)((__int128)(int64_t)a * (int64_t)b >> 64);
}

static inline uint64_t mulh_su(uint64_t a, uint64_t b)
{
    return mulh_uu(a, b) - ((int64_t)a < 0 ? b : 0);
}

/* Division by zero gives all ones and the dividend as the rest; the overflow gives the dividend and 0. */
static inline uint64_t div_u(uint64_t a, uint64_t b)
{
    return b == 0 ? UINT64_MAX : a / b;
}

static inline uint64_t rem_u(uint64_t a, uint64_t b)
{
    return b == 0 ? a : a % b;
}

static inline uint64_t div_s(uint64_t a, uint64_t b)
{
    return b == 0 ? UINT64_MAX : b == UINT64_MAX ? -a : (uint64_t)((int64_t)a / (int64_t)b);
}

static inline uint64_t rem_s(uint64_t a, uint64_t b)
{
    return b == 0 ? a : b == UINT64_MAX ? 0 : (uint64_t)((int64_t)a % (int64_t)b);
}

/* The same of the low 32 bits. */
static inline uint64_t divw_s(uint64_t a, uint64_t b)
{
    return SEXT32(div_s(SEXT32(a), SEXT32(b)));
}

static inline uint64_t divw_u(uint64_t a, uint64_t b)
{
    return (uint32_t)b == 0 ? UINT64_MAX : SEXT32((uint32_t)a / (uint32_t)b);
}

static inline uint64_t remw_s(uint64_t a, uint64_t b)
{
    return SEXT32(rem_s(SEXT32(a), SEXT32(b)));
}

static inline uint64_t remw_u(uint64_t a, uint64_t b)
{
    return (uint32_t)b == 0 ? SEXT32(a) : SEXT32((uint32_t)a % (uint32_t)b);
}

/* Section 1.4: swaps the two low bytes; the four low bytes. */
static inline uint64_t rev_s(uint64_t a)
{
    return (a & ~UINT64_C(0xffff)) | __builtin_bswap16((uint16_t)a);
}

static inline uint64_t rev_i(uint64_t a)
{
    return (a & ~UINT64_C(0xffffffff)) | __builtin_bswap32((uint32_t)a);
}

#endif /* NANOPU_HART_ALU_H */
