/* SPDX-License-Identifier: MIT */
/* The disassembler: an instruction as one line of text, with the registers' names of the calling convention. */
#ifndef NANOPU_HART_DIS_H
#define NANOPU_HART_DIS_H

#include "core/base.h"

#define DIS_TEXT_MAX 64

/* Writes at most size bytes, always terminated; what is no instruction comes as .2byte or .4byte. Returns its bytes. */
unsigned dis_insn(char *out, size_t size, uint64_t pc, uint32_t raw);

/* Names of registers 0 to 63: x0 to x31 and f0 to f31. */
const char *reg_name(unsigned reg);

#endif /* NANOPU_HART_DIS_H */
