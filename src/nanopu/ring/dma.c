/* SPDX-License-Identifier: MIT */
/*
 * Time of DMA. Each way has a bus of its own, of ring_bus_bytes a cycle. A line is asked for ring_dma_cycles before its
 * first byte comes, more when the shared cache does not have it or a hart has changed it; ring_dma_lines of them are
 * under way at once. A line that was written is acknowledged as much later.
 */
#include "nanopu/ring/ring_internal.h"

#include "nanopu/hart/l2.h"

#include <string.h>

static uint64_t later_of(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* What the caches add, for a line that is written as a whole or not. */
static uint64_t cache_cycles(struct ring_nic *r, uint64_t line, enum l2_dma how, uint64_t cycle)
{
    return (uint64_t)r->p->ring_dma_cycles + (r->c.l2 != NULL ? l2_dma(r->c.l2, line, how, cycle) : 0);
}

/* Bytes of [address, end) in the line that address is in. */
static uint64_t bytes_in_line(uint64_t address, uint64_t end)
{
    uint64_t line_end = (address | (CACHE_LINE - 1)) + 1;

    return (end < line_end ? end : line_end) - address;
}

static uint64_t bus_cycles(const struct ring_nic *r, uint64_t bytes)
{
    uint64_t width = (uint64_t)r->p->ring_bus_bytes;

    return (bytes + width - 1) / width;
}

/* The cycle from which one more line can be under way. */
static uint64_t window_from(const struct ring_nic *r, struct ring_bus *b, uint64_t cycle, uint64_t **slot)
{
    *slot = &b->slot[b->next];
    b->next = (b->next + 1) % (unsigned)r->p->ring_dma_lines;
    return later_of(cycle, **slot);
}

uint64_t ring_read_done(struct ring_nic *r, uint64_t address, uint64_t bytes, uint64_t cycle, uint64_t *lines)
{
    struct ring_bus *b = &r->read;
    uint64_t end = address + bytes, *slot;

    while (address < end) {
        uint64_t part = bytes_in_line(address, end), asked = window_from(r, b, cycle, &slot);
        uint64_t come = asked + cache_cycles(r, address >> CACHE_LINE_SHIFT, L2_DMA_READ, asked);

        b->free = *slot = later_of(come, b->free) + bus_cycles(r, part);
        address += part;
        ++*lines;
        cycle++; /* one request a cycle */
    }
    return b->free;
}

uint64_t ring_write_done(struct ring_nic *r, uint64_t address, uint64_t bytes, uint64_t cycle, uint64_t *lines)
{
    struct ring_bus *b = &r->write;
    uint64_t end = address + bytes, done = cycle, *slot;

    while (address < end) {
        uint64_t part = bytes_in_line(address, end);
        enum l2_dma how = part == CACHE_LINE ? L2_DMA_WRITE_LINE : L2_DMA_WRITE_PART;
        uint64_t begin = later_of(window_from(r, b, cycle, &slot), b->free);

        b->free = begin + bus_cycles(r, part);
        *slot = b->free + cache_cycles(r, address >> CACHE_LINE_SHIFT, how, b->free);
        done = later_of(done, *slot);
        address += part;
        ++*lines;
    }
    return done;
}

uint64_t ring_write_back_done(struct ring_nic *r, uint64_t address, uint64_t bytes, uint64_t cycle)
{
    uint64_t on_bus = cycle + bus_cycles(r, bytes);

    return on_bus + cache_cycles(r, address >> CACHE_LINE_SHIFT, L2_DMA_WRITE_PART, on_bus);
}

uint64_t ring_fetch_done(struct ring_nic *r, uint64_t address, uint64_t cycle)
{
    r->stats.fetches++;
    return cycle + cache_cycles(r, address >> CACHE_LINE_SHIFT, L2_DMA_READ, cycle) + bus_cycles(r, CACHE_LINE);
}

/* No hart has a reservation of these bytes any more. */
static void unreserve(struct memory *m, uint64_t address, uint64_t bytes)
{
    for (unsigned i = 0; i < MEMORY_HARTS_MAX && m->reservations != 0; i++) {
        uint64_t line = m->reserved[i] & ~UINT64_C(1);

        if (m->reserved[i] == 0 || line + CACHE_LINE <= address || line >= address + bytes)
            continue;
        m->reserved[i] = 0;
        m->reservations--;
    }
}

void ring_put(struct ring_nic *r, uint64_t address, const void *data, uint64_t bytes, uint64_t cycle)
{
    uint8_t *to = memory_dram(r->c.memory, address, bytes);

    assert(to != NULL);
    memcpy(to, data, bytes);
    unreserve(r->c.memory, address, bytes);
    for (uint64_t line = address >> CACHE_LINE_SHIFT; line <= (address + bytes - 1) >> CACHE_LINE_SHIFT; line++) {
        if (r->c.l2 != NULL)
            l2_dma(r->c.l2, line, L2_DMA_PLACE, cycle);
    }
}
