/* SPDX-License-Identifier: MIT */
#include "devices.h"

#include <errno.h>
#include <string.h>

#define PLIC_BASE  UINT64_C(0x0c000000)
#define PLIC_BYTES UINT64_C(0x04000000)
#define UART_BASE  UINT64_C(0x54000000)
#define UART_BYTES UINT64_C(0x00001000)

#define UART_TXDATA   0
#define UART_RXDATA   4
#define UART_RX_EMPTY UINT32_C(0x80000000)

/* wfi and a jump back to it; then a flattened device tree of version 17 with an empty root. */
static const uint8_t rom[] = {
    0x73, 0x00, 0x50, 0x10, 0x6f, 0xf0, 0xdf, 0xff, 0, 0, 0, 0,    0, 0, 0, 0,    /* 0x00 */
    0,    0,    0,    0,    0,    0,    0,    0,    0, 0, 0, 0,    0, 0, 0, 0,    /* 0x10 */
    0,    0,    0,    0,    0,    0,    0,    0,    0, 0, 0, 0,    0, 0, 0, 0,    /* 0x20 */
    0,    0,    0,    0,    0,    0,    0,    0,    0, 0, 0, 0,    0, 0, 0, 0,    /* 0x30 */
    0xd0, 0x0d, 0xfe, 0xed, 0,    0,    0,    0x48, 0, 0, 0, 0x38, 0, 0, 0, 0x48, /* magic, size, structure, strings */
    0,    0,    0,    0x28, 0,    0,    0,    0x11, 0, 0, 0, 0x10, 0, 0, 0, 0,    /* reservations, versions, boot CPU */
    0,    0,    0,    0,    0,    0,    0,    0x10, 0, 0, 0, 0,    0, 0, 0, 0,    /* sizes; no reservations */
    0,    0,    0,    0,    0,    0,    0,    0,    0, 0, 0, 1,    0, 0, 0, 0,    /* root "" begins */
    0,    0,    0,    2,    0,    0,    0,    9,                                  /* root ends, end */
};

static int rom_load(uint64_t offset, unsigned size, uint64_t *value)
{
    if (offset + size > sizeof(rom))
        return -EFAULT;
    *value = 0;
    for (unsigned i = 0; i < size; i++)
        *value |= (uint64_t)rom[offset + i] << 8 * i;
    return 0;
}

int devices_load(void *arg, struct hart *hart, uint64_t cycle, uint64_t addr, unsigned size, uint64_t *value)
{
    struct devices *d = arg;

    (void)hart;
    *value = 0;
    if (addr - CLINT_BASE < CLINT_BYTES)
        return clint_load(d->clint, cycle, addr - CLINT_BASE, size, value);
    if (d->ring != NULL && addr - RING_BASE < RING_BYTES)
        return ring_load(d->ring, addr - RING_BASE, size, value);
    if (addr - ROM_BASE < sizeof(rom))
        return rom_load(addr - ROM_BASE, size, value);
    if (addr - PLIC_BASE < PLIC_BYTES)
        return 0;
    if (addr - UART_BASE < UART_BYTES) {
        *value = addr == UART_BASE + UART_RXDATA ? UART_RX_EMPTY : 0;
        return 0;
    }
    return -EFAULT;
}

int devices_store(void *arg, struct hart *hart, uint64_t cycle, uint64_t addr, unsigned size, uint64_t value)
{
    struct devices *d = arg;

    if (addr - CLINT_BASE < CLINT_BYTES)
        return clint_store(d->clint, hart, cycle, addr - CLINT_BASE, size, value);
    if (d->ring != NULL && addr - RING_BASE < RING_BYTES)
        return ring_store(d->ring, hart, cycle, addr - RING_BASE, size, value);
    if (addr - PLIC_BASE < PLIC_BYTES)
        return 0;
    if (addr - UART_BASE < UART_BYTES) {
        if (addr == UART_BASE + UART_TXDATA)
            d->output(d->arg, &(char){(char)value}, 1);
        return 0;
    }
    return -EFAULT;
}
