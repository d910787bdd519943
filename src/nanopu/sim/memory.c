/* SPDX-License-Identifier: MIT */
#include "nanopu/sim/memory.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

int memory_init(struct memory *m, uint64_t size_bytes)
{
    void *dram = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    memset(m, 0, sizeof(*m));
    if (dram == MAP_FAILED) {
        return -ENOMEM;
    }
    m->dram = dram;
    m->size_bytes = size_bytes;
    return 0;
}

void memory_fini(struct memory *m)
{
    if (m->dram != NULL) {
        munmap(m->dram, m->size_bytes);
    }
    memset(m, 0, sizeof(*m));
}
