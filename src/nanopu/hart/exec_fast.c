/* SPDX-License-Identifier: MIT */
/* The core without timing: one cycle an instruction. */
#include "nanopu/hart/alu.h"
#include "nanopu/hart/fpu.h"
#include "nanopu/hart/hart_internal.h"

#include <string.h>

static COLD enum exec_end exec_trap(struct hart *h, enum cause cause, uint64_t tval)
{
    h->cause = cause;
    h->tval = tval;
    return EXEC_TRAP;
}

static inline enum cause ecall_cause(const struct hart *h)
{
    return h->priv == PRIV_M ? CAUSE_ECALL_M : CAUSE_ECALL_U;
}

#define EXEC_NAME  hart_exec_fast
#define EXEC_TIMED 0
#include "nanopu/hart/exec_core.h"
