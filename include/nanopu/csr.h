/* SPDX-License-Identifier: MIT */
/*
 * The network CSRs of a nanoPU hart: one list, and access to them.
 *
 * Source: the machine's contract, section 1.3. All are 64 bits wide. A write to them does not flush the pipeline; a
 * value read is there for the next instruction two cycles later. Commands take effect in the cycle in which the
 * instruction commits.
 */
#ifndef NANOPU_CSR_H
#define NANOPU_CSR_H

#ifndef __NANOPU__
#error "x30 and x31 are the network registers: compile with nanopu cc, or -ffixed-x30 -ffixed-x31 -D__NANOPU__"
#endif

#include <stdint.h>

/* C(number, name, help) */
#define NANOPU_CSRS(C)                                                                                                 \
    C(0x052, lmsgsrdy, "1: the current context has a word to read")                                                    \
    C(0x053, lcurcontext, "the current context: 0 to 3, or NANOPU_NANOKERNEL")                                         \
    C(0x054, lniccmd, "command to the NIC: NANOPU_CMD_*")                                                              \
    C(0x055, lcurpriority, "priority that NANOPU_CMD_INSERT gives a context: 0 (first) to 255 (last)")                 \
    C(0x056, lnicucmd, "command of a thread: NANOPU_UCMD_*")                                                           \
    C(0x057, lnicrdy, "1: the NIC has initialised its tables")                                                         \
    C(0x058, ltargetcontext, "the context that the hardware scheduler would run")                                      \
    C(0x059, ltargetpriority, "its priority")                                                                          \
    C(0x060, lmsgcycles, "cycles that a message of priority 0 may take before its context is demoted to 1")            \
    C(0x061, lidlecycles, "cycles of idling after which the next context gets a turn")

#define NANOPU_CSR_ENUM(number, name, help) NANOPU_CSR_##name = (number),
enum nanopu_csr { NANOPU_CSRS(NANOPU_CSR_ENUM) };
#undef NANOPU_CSR_ENUM

/* lniccmd */
#define NANOPU_CMD_INSERT      1 /* register lcurcontext with priority lcurpriority on this core */
#define NANOPU_CMD_START_TIMER 4 /* a thread begins: its times run from now on */
/* lnicucmd */
#define NANOPU_UCMD_MSG_DONE 1 /* the current message is dealt with: another may come to this core */
#define NANOPU_UCMD_IDLE     2 /* nothing to do: another thread may run */

#define NANOPU_CONTEXTS   4
#define NANOPU_NANOKERNEL 0xffffu /* context of the code that no thread runs */

/* Interrupt 16 of mie and mip: another thread should run. */
#define NANOPU_MIE_LNIC  (UINT64_C(1) << 16)
#define NANOPU_MIE_TIMER (UINT64_C(1) << 7)

/* csr: a constant. */
#define nanopu_csr_read(csr)                                                                                           \
    __extension__({                                                                                                    \
        uint64_t value_;                                                                                               \
        __asm__ volatile("csrr %0, %1" : "=r"(value_) : "i"(csr));                                                     \
        value_;                                                                                                        \
    })

/* A small constant goes into the instruction. The compiler moves no access to memory across it. */
#define nanopu_csr_write(csr, value) __asm__ volatile("csrw %0, %1" : : "i"(csr), "rK"((uint64_t)(value)) : "memory")
#define nanopu_csr_set(csr, bits)    __asm__ volatile("csrs %0, %1" : : "i"(csr), "rK"((uint64_t)(bits)) : "memory")
#define nanopu_csr_clear(csr, bits)  __asm__ volatile("csrc %0, %1" : : "i"(csr), "rK"((uint64_t)(bits)) : "memory")

#endif /* NANOPU_CSR_H */
