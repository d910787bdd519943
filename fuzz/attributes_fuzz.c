/* SPDX-License-Identifier: MIT */
/* A .riscv.attributes section of any bytes: what is found in it is a text that stands there, ended within its room. */
#include "fuzz.h"

#include "attributes.h"

#define ARCH_MAX 32

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char arch[ARCH_MAX + 1];
    size_t len;

    memset(arch, 0x55, sizeof(arch));
    arch[0] = '\0';
    attributes_arch(data, size, arch, ARCH_MAX);
    require(arch[ARCH_MAX] == 0x55);
    len = strlen(arch);
    require(len < ARCH_MAX);
    require(len == 0 || memmem(data, size, arch, len) != NULL);
    return 0;
}
