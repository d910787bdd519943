/* SPDX-License-Identifier: MIT */
/* The section .riscv.attributes, in which a compiler notes what it compiled for. */
#ifndef NANOPU_ATTRIBUTES_H
#define NANOPU_ATTRIBUTES_H

#include "core/base.h"

/* Writes the architecture ("rv64i2p1_m2p0...") as a text; arch stays as it was when the section names none. */
void attributes_arch(const uint8_t *data, size_t len, char *arch, size_t size);

#endif /* NANOPU_ATTRIBUTES_H */
