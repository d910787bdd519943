/* SPDX-License-Identifier: MIT */
/*
 * The n-th allocation fails, for every n, and then several in a row; the device refuses the n-th frame, for every n.
 * Two conversations between two whole hosts: every operation must complete, what is not whole must end with an error
 * that one of its ends was told, and every pool must come back to where it was.
 *
 * Allocations are caught by the linker (--wrap): those of buffer memory where objects come from, which no cache stands
 * in front of here, and calloc, which makes sockets and tables.
 */
#include "sim/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MOST  5000 /* more than any run makes */
#define SEEDS 8

static struct {
    bool armed, frames; /* frames: of the device are counted and refused, not allocations */
    unsigned n, row;    /* those from the n-th on fail, so many */
    unsigned calls;
} fault;

static bool strikes(bool frame)
{
    if (!fault.armed || frame != fault.frames)
        return false;
    fault.calls++;
    return fault.calls >= fault.n && fault.calls < fault.n + fault.row;
}

void *__real_mem_alloc_slow(struct mem *m, size_t bytes, uint32_t ref);
void *__wrap_mem_alloc_slow(struct mem *m, size_t bytes, uint32_t ref);
void __real_mem_release_slow(struct mem *m, char *obj);
void __wrap_mem_release_slow(struct mem *m, char *obj);
int __real_mem_app_free(struct mem *m, void *ptr);
int __wrap_mem_app_free(struct mem *m, void *ptr);
void *__real_calloc(size_t count, size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);

/* Caches of no place: every allocation and every release comes by here. */
static void close_caches(struct mem *m)
{
    mem_trim(m);
    for (unsigned c = 0; c < ARRAY_LEN(m->cache); c++)
        m->cache[c].full = m->cache[c].bottom;
}

static void open_caches(struct mem *m)
{
    for (unsigned c = 0; c < ARRAY_LEN(m->cache); c++)
        m->cache[c].full = m->cache[c].bottom + 1;
}

void *__wrap_mem_alloc_slow(struct mem *m, size_t bytes, uint32_t ref)
{
    void *obj;

    if (!fault.armed)
        return __real_mem_alloc_slow(m, bytes, ref);
    if (strikes(false))
        return NULL;
    open_caches(m);
    obj = __real_mem_alloc_slow(m, bytes, ref);
    close_caches(m);
    return obj;
}

void __wrap_mem_release_slow(struct mem *m, char *obj)
{
    if (fault.armed)
        open_caches(m);
    __real_mem_release_slow(m, obj);
    if (fault.armed)
        close_caches(m);
}

int __wrap_mem_app_free(struct mem *m, void *ptr)
{
    int err;

    if (fault.armed)
        open_caches(m);
    err = __real_mem_app_free(m, ptr);
    if (fault.armed)
        close_caches(m);
    return err;
}

void *__wrap_calloc(size_t count, size_t bytes)
{
    return strikes(false) ? NULL : __real_calloc(count, bytes);
}

/* The simulated port's calls, but that a frame may be refused. */
static struct netdev_ops ops;
static unsigned (*port_tx)(struct netdev *d, struct frame **f, unsigned n);

static unsigned refusing_tx(struct netdev *d, struct frame **f, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (strikes(true) || port_tx(d, &f[i], 1) == 0)
            return i;
    return n;
}

/* An object of each class stays allocated, so that no superblock becomes empty and is given back to the system. */
static void pin_classes(struct host *h)
{
    struct mem *m = &h->node.inst->mem;

    for (unsigned c = 0; c < MEM_CLASS_MAX && m->class_bytes[c] != 0; c++)
        assert_non_null(mem_alloc(m, m->class_bytes[c], 1));
    h->node.idle_bytes = mem_bytes_used(m);
    close_caches(m);
}

static void arm(struct world *w)
{
    for (unsigned i = 0; i < w->hosts; i++) {
        struct netdev *port = w->host[i].node.port;

        pin_classes(&w->host[i]);
        ops = *port->ops;
        port_tx = w->host[i].node.st->dev->ops->tx_burst == refusing_tx ? port_tx : port->ops->tx_burst;
        ops.tx_burst = refusing_tx;
    }
    for (unsigned i = 0; i < w->hosts; i++)
        w->host[i].node.port->ops = &ops;
    fault.armed = true;
    fault.calls = 0;
}

/* Every n, until a run does not come so far. */
static void every_n(bool frames, unsigned row)
{
    static struct world w;

    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        unsigned n;

        for (n = 1; n < MOST; n++) {
            bool good;

            fault.frames = frames;
            fault.n = n;
            fault.row = row;
            good = world_run_small(&w, seed, arm);
            fault.armed = false;
            if (!good)
                fail_msg("seed %u, %u from number %u on: %s", (unsigned)seed, row, n, w.text);
            if (fault.calls < n)
                break;
        }
        assert_in_range(n, frames ? 20 : 50, MOST - 1);
    }
}

static void starve__nth_allocation_fails(void **state)
{
    (void)state;
    every_n(false, 1);
}

static void starve__some_allocations_in_a_row_fail(void **state)
{
    (void)state;
    every_n(false, 7);
}

static void starve__nth_frame_is_refused(void **state)
{
    (void)state;
    every_n(true, 1);
}

static void starve__some_frames_in_a_row_are_refused(void **state)
{
    (void)state;
    every_n(true, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(starve__nth_allocation_fails),
        cmocka_unit_test(starve__some_allocations_in_a_row_fail),
        cmocka_unit_test(starve__nth_frame_is_refused),
        cmocka_unit_test(starve__some_frames_in_a_row_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
