/* SPDX-License-Identifier: MIT */
#include "attributes.h"

#include <stdio.h>
#include <string.h>

static uint64_t uleb(const uint8_t **at, const uint8_t *end)
{
    uint64_t value = 0;

    for (unsigned shift = 0; *at < end && shift < 63; shift += 7) {
        uint8_t byte = *(*at)++;

        value |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0)
            break;
    }
    return value;
}

/*
 * .riscv.attributes (RISC-V ELF psABI): 'A', then length, "riscv", a file tag with its length, then pairs of tag and
 * value: a text where the tag is odd, a number where it is even. Tag 5 is the architecture.
 */
void attributes_arch(const uint8_t *data, size_t len, char *arch, size_t size)
{
    const uint8_t *end = data + len, *at = data + 16;

    if (len < 16 || data[0] != 'A' || memcmp(data + 5, "riscv", 6) != 0)
        return;
    while (at < end) {
        uint64_t tag = uleb(&at, end);
        const uint8_t *text = at;

        if ((tag & 1) == 0) {
            uleb(&at, end);
            continue;
        }
        at = memchr(text, '\0', (size_t)(end - text));
        if (at == NULL)
            return;
        if (tag == 5)
            snprintf(arch, size, "%s", (const char *)text);
        at++;
    }
}
