/* SPDX-License-Identifier: MIT */
/*
 * A host's physical memory: DRAM at MEMORY_BASE, reserved at once and filled as it is touched, and devices below it.
 * The harts address DRAM themselves (memory_dram); everything else goes through memory_device_*.
 */
#ifndef NANOPU_SIM_MEMORY_H
#define NANOPU_SIM_MEMORY_H

#include "core/base.h"

#define MEMORY_BASE      UINT64_C(0x80000000)
#define MEMORY_HARTS_MAX 64

struct hart;

/*
 * Devices: size is 1, 2, 4 or 8, the address is a multiple of it. Return 0, or -EFAULT where nothing answers (an access
 * fault of the hart). `cycle` is the commit cycle. An access may call hart_limit(hart, ...).
 */
struct memory_device {
    int (*load)(void *arg, struct hart *hart, uint64_t cycle, uint64_t addr, unsigned size, uint64_t *value);
    int (*store)(void *arg, struct hart *hart, uint64_t cycle, uint64_t addr, unsigned size, uint64_t value);
    void *arg;
};

struct memory {
    uint8_t *dram;       /* host address of MEMORY_BASE */
    uint64_t size_bytes; /* of it */
    struct memory_device device;
    /* A store that touches the 8 bytes at this guest address calls tohost_store after it was made; 0: none. */
    uint64_t tohost_addr;
    void (*tohost_store)(void *arg, struct hart *hart, uint64_t cycle);
    void *tohost_arg;
    /* Lines that harts hold reserved between lr and sc: address | 1, or 0; index: the hart's id. */
    unsigned reservations; /* how many are not 0 */
    uint64_t reserved[MEMORY_HARTS_MAX];
};

/* Reserves the DRAM; size_bytes is a multiple of 4096. 0 or -ENOMEM. */
int memory_init(struct memory *m, uint64_t size_bytes);
void memory_fini(struct memory *m);

/* The host address of len bytes at guest address addr, or NULL when they are not all DRAM. */
static inline uint8_t *memory_dram(const struct memory *m, uint64_t addr, uint64_t len)
{
    uint64_t offset = addr - MEMORY_BASE;

    return offset < m->size_bytes && len <= m->size_bytes - offset ? m->dram + offset : NULL;
}

#endif /* NANOPU_SIM_MEMORY_H */
