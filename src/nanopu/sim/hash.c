/* SPDX-License-Identifier: MIT */
/*
 * One number for the architectural state of a machine. Of the DRAM only pages count that are not all zero: which pages
 * the kernel has already made is no part of the state. Its page map tells where there may be anything.
 */
#include "machine_internal.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PAGE_BYTES    4096
#define PAGES_AT_ONCE 512
#define PAGE_PRESENT  (UINT64_C(3) << 62) /* in memory or in swap */

static const uint16_t csrs[] = {0x003, 0x053, 0x055, 0x060, 0x061, 0x300, 0x304, 0x305, 0x323,
                                0x340, 0x341, 0x342, 0x343, 0x344, 0xb00, 0xb02, 0xb03};

static uint64_t mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 29;
}

static uint64_t hash_hart(uint64_t hash, const struct hart *h)
{
    hash = mix(hash, hart_pc(h));
    hash = mix(hash, hart_cycle(h));
    hash = mix(hash, hart_instret(h));
    hash = mix(hash, (uint64_t)hart_state(h));
    for (unsigned i = 1; i < 32; i++)
        hash = mix(hash, hart_x(h, i));
    for (unsigned i = 0; i < 32; i++)
        hash = mix(hash, hart_f(h, i));
    for (size_t i = 0; i < ARRAY_LEN(csrs); i++) {
        uint64_t value = 0;

        if (hart_csr_get(h, csrs[i], &value) == 0)
            hash = mix(hash, value);
    }
    return hash;
}

static uint64_t hash_page(uint64_t hash, uint64_t address, const uint8_t *page)
{
    uint64_t words[PAGE_BYTES / 8], any = 0;

    memcpy(words, page, PAGE_BYTES);
    for (unsigned i = 0; i < ARRAY_LEN(words); i++)
        any |= words[i];
    if (any == 0)
        return hash;
    hash = mix(hash, address);
    for (unsigned i = 0; i < ARRAY_LEN(words); i++)
        hash = mix(hash, words[i]);
    return hash;
}

/* Without a page map every page is looked at, which gives the same number later. */
static uint64_t hash_memory(uint64_t hash, const struct memory *m, int pagemap)
{
    uint64_t map[PAGES_AT_ONCE];

    for (uint64_t at = 0; at < m->size_bytes; at += sizeof(map) / 8 * PAGE_BYTES) {
        off_t where = (off_t)((uintptr_t)(m->dram + at) / PAGE_BYTES * 8);
        ssize_t got = pagemap >= 0 ? pread(pagemap, map, sizeof(map), where) : -1;

        for (unsigned i = 0; i < PAGES_AT_ONCE && at + (uint64_t)i * PAGE_BYTES < m->size_bytes; i++) {
            if (got == (ssize_t)sizeof(map) && (map[i] & PAGE_PRESENT) == 0)
                continue;
            hash = hash_page(hash, at + (uint64_t)i * PAGE_BYTES, m->dram + at + (uint64_t)i * PAGE_BYTES);
        }
    }
    return hash;
}

uint64_t machine_hash(struct machine *m)
{
    int pagemap = sysconf(_SC_PAGESIZE) == PAGE_BYTES ? open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC) : -1;
    uint64_t hash = m->start;

    for (unsigned i = 0; i < m->count; i++) {
        struct host *h = m->nodes[i].host;

        if (h == NULL)
            continue;
        hash = mix(hash, m->nodes[i].config->ip);
        hash = mix(hash, (uint64_t)host_state(h));
        for (unsigned c = 0; c < host_cores(h); c++)
            hash = hash_hart(hash, host_hart(h, c));
        hash = hash_memory(hash, host_memory(h), pagemap);
    }
    if (pagemap >= 0)
        close(pagemap);
    return hash;
}
