/* SPDX-License-Identifier: MIT */
/*
 * Floating point in integer arithmetic: IEEE 754-2008 binary32 and binary64 with the choices of the RISC-V F and D
 * extensions (NaNs that come out are canonical, tininess is detected after rounding, conversions saturate). Pure
 * functions of bits; flags are added to the environment's. When NX is among them already the host's arithmetic may do
 * the work: see fpu.c.
 */
#ifndef NANOPU_HART_FPU_H
#define NANOPU_HART_FPU_H

#include "core/base.h"

#define FP_NX 1  /* inexact */
#define FP_UF 2  /* underflow */
#define FP_OF 4  /* overflow */
#define FP_DZ 8  /* division by zero */
#define FP_NV 16 /* invalid */

enum fp_rounding { FP_RNE, FP_RTZ, FP_RDN, FP_RUP, FP_RMM, FP_ROUNDINGS };

struct fp_env {
    uint8_t rounding; /* enum fp_rounding */
    uint8_t flags;
};

#define SIGN32   (UINT32_C(1) << 31)
#define SIGN64   (UINT64_C(1) << 63)
#define NEG32(a) ((a) ^ SIGN32)
#define NEG64(a) ((a) ^ SIGN64)
#define NAN32    UINT32_C(0x7fc00000)
#define NAN64    UINT64_C(0x7ff8000000000000)
#define BOX32(a) ((uint64_t)(a) | UINT64_C(0xffffffff00000000))

/* A single-precision value in a register of 64 bits; what is not boxed counts as a NaN. */
static inline uint32_t fp_unbox(uint64_t reg)
{
    return reg >> 32 == UINT32_MAX ? (uint32_t)reg : NAN32;
}

enum fp_int { INT_W, INT_WU, INT_L, INT_LU };

uint32_t f32_add(uint32_t a, uint32_t b, struct fp_env *env);
uint32_t f32_mul(uint32_t a, uint32_t b, struct fp_env *env);
uint32_t f32_fma(uint32_t a, uint32_t b, uint32_t c, struct fp_env *env); /* a * b + c */
uint32_t f32_div(uint32_t a, uint32_t b, struct fp_env *env);
uint32_t f32_sqrt(uint32_t a, struct fp_env *env);
uint32_t f32_min(uint32_t a, uint32_t b, struct fp_env *env);
uint32_t f32_max(uint32_t a, uint32_t b, struct fp_env *env);
bool f32_eq(uint32_t a, uint32_t b, struct fp_env *env);
bool f32_lt(uint32_t a, uint32_t b, struct fp_env *env);
bool f32_le(uint32_t a, uint32_t b, struct fp_env *env);
unsigned f32_class(uint32_t a);                                        /* the bit mask of fclass */
uint64_t f32_to_int(uint32_t a, enum fp_int kind, struct fp_env *env); /* as a register has it */
uint32_t f32_from_int(uint64_t a, enum fp_int kind, struct fp_env *env);
uint64_t f32_to_f64(uint32_t a, struct fp_env *env);

uint64_t f64_add(uint64_t a, uint64_t b, struct fp_env *env);
uint64_t f64_mul(uint64_t a, uint64_t b, struct fp_env *env);
uint64_t f64_fma(uint64_t a, uint64_t b, uint64_t c, struct fp_env *env);
uint64_t f64_div(uint64_t a, uint64_t b, struct fp_env *env);
uint64_t f64_sqrt(uint64_t a, struct fp_env *env);
uint64_t f64_min(uint64_t a, uint64_t b, struct fp_env *env);
uint64_t f64_max(uint64_t a, uint64_t b, struct fp_env *env);
bool f64_eq(uint64_t a, uint64_t b, struct fp_env *env);
bool f64_lt(uint64_t a, uint64_t b, struct fp_env *env);
bool f64_le(uint64_t a, uint64_t b, struct fp_env *env);
unsigned f64_class(uint64_t a);
uint64_t f64_to_int(uint64_t a, enum fp_int kind, struct fp_env *env);
uint64_t f64_from_int(uint64_t a, enum fp_int kind, struct fp_env *env);
uint32_t f64_to_f32(uint64_t a, struct fp_env *env);

#endif /* NANOPU_HART_FPU_H */
