/* SPDX-License-Identifier: MIT */
/*
 * What a host has below its DRAM (section 1.7): boot ROM, CLINT, an interrupt controller nobody uses, a serial port
 * that writes.
 */
#ifndef NANOPU_SIM_DEVICES_H
#define NANOPU_SIM_DEVICES_H

#include "nanopu/ring/ring.h"
#include "nanopu/sim/clint.h"

#define ROM_BASE        UINT64_C(0x00010000)
#define ROM_DEVICE_TREE (ROM_BASE + 0x40) /* what a1 points to at the start */

struct devices {
    struct clint *clint;
    struct ring_nic *ring;                              /* or NULL: the host has no conventional NIC */
    void (*output)(void *arg, const char *s, size_t n); /* the serial port's */
    void *arg;
};

/* For struct memory_device, with a struct devices as arg. */
int devices_load(void *arg, struct hart *hart, uint64_t cycle, uint64_t addr, unsigned size, uint64_t *value);
int devices_store(void *arg, struct hart *hart, uint64_t cycle, uint64_t addr, unsigned size, uint64_t value);

#endif /* NANOPU_SIM_DEVICES_H */
