/* SPDX-License-Identifier: MIT */
/* The ring driver, both ends in one process: frames arrive as they were, a full ring says so, a bad peer harms nothing.
 */
#include "core/counter.h"
#include "netdev/netdev.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define SLOTS 16

struct ends {
    struct mem mem;
    struct config cfg;
    uint64_t count[COUNTER_MAX];
    struct netdev *a, *b;
};

static int open_end(struct ends *e, struct netdev **d)
{
    struct netdev_params par = {.cfg = &e->cfg, .mem = &e->mem, .count = e->count};
    struct error_text et;

    return netdev_open("ring", &par, d, &et);
}

static int setup(void **state)
{
    struct ends *e = test_calloc(1, sizeof(*e));

    config_defaults(&e->cfg);
    snprintf(e->cfg.device, sizeof(e->cfg.device), "/dev/shm/caracal-ring-test-%d", (int)getpid());
    e->cfg.net_ring = SLOTS;
    assert_int_equal(mem_init(&e->mem, 16 * SUPERBLOCK_BYTES, 65536, false), 0);
    assert_int_equal(open_end(e, &e->a), 0);
    assert_int_equal(open_end(e, &e->b), 0);
    *state = e;
    return 0;
}

static int teardown(void **state)
{
    struct ends *e = *state;

    if (e->a != NULL)
        netdev_close(e->a);
    netdev_close(e->b);
    assert_int_equal(access(e->cfg.device, F_OK), -1); /* the last one takes the file along */
    assert_int_equal(mem_bytes_used(&e->mem), 0);
    mem_fini(&e->mem);
    test_free(e);
    return 0;
}

static struct frame *frame_of(struct ends *e, unsigned char fill, uint32_t header, uint32_t payload)
{
    struct frame *f = frame_init(mem_alloc(&e->mem, sizeof(*f), 1));
    char *obj;

    memset(frame_push(f, header), fill, header);
    if (payload > 0) {
        obj = mem_alloc(&e->mem, payload, 1);
        memset(obj, fill + 1, payload);
        assert_true(frame_add(f, obj, obj, payload));
        mem_unref(&e->mem, obj);
    }
    return f;
}

static void arrives(struct ends *e, struct netdev *at, unsigned char fill, uint32_t header, uint32_t payload)
{
    struct frame_in in;

    assert_int_equal(at->ops->rx_burst(at, &in, 1), 1);
    assert_int_equal(in.len, header + payload);
    for (uint32_t i = 0; i < in.len; i++)
        assert_int_equal(in.ptr[i], i < header ? fill : fill + 1);
    mem_unref(&e->mem, in.obj);
}

static void ring__frames_arrive_in_order(void **state)
{
    struct ends *e = *state;
    struct frame_in in;

    for (unsigned i = 0; i < 5 * SLOTS; i++) { /* several times round */
        struct frame *f[2] = {frame_of(e, (unsigned char)i, 14 + i % 50, i * 10),
                              frame_of(e, (unsigned char)(i + 100), 60, 0)};
        struct frame *back = frame_of(e, (unsigned char)(i + 50), 40, 1000);

        assert_int_equal(e->a->ops->tx_burst(e->a, f, 2), 2);
        assert_int_equal(e->b->ops->tx_burst(e->b, &back, 1), 1);
        arrives(e, e->b, (unsigned char)i, 14 + i % 50, i * 10);
        arrives(e, e->b, (unsigned char)(i + 100), 60, 0);
        arrives(e, e->a, (unsigned char)(i + 50), 40, 1000);
    }
    assert_int_equal(e->a->ops->rx_burst(e->a, &in, 1), 0);
}

static void ring__full_ring_takes_no_more(void **state)
{
    struct ends *e = *state;
    struct frame *f[SLOTS + 4];

    for (unsigned i = 0; i < SLOTS + 4; i++)
        f[i] = frame_of(e, (unsigned char)i, 60, 0);
    assert_int_equal(e->a->ops->tx_burst(e->a, f, SLOTS + 4), SLOTS);
    arrives(e, e->b, 0, 60, 0);
    assert_int_equal(e->a->ops->tx_burst(e->a, f + SLOTS, 4), 1);
    for (unsigned i = SLOTS + 1; i < SLOTS + 4; i++)
        frame_free(&e->mem, f[i]);
}

static void ring__third_end_is_refused(void **state)
{
    struct ends *e = *state;
    struct netdev *c;

    assert_int_equal(open_end(e, &c), -EBUSY);
}

static void ring__sleeper_is_woken(void **state)
{
    struct ends *e = *state;
    struct frame *f = frame_of(e, 1, 60, 0);
    struct pollfd p = {.fd = e->b->fd, .events = POLLIN};

    assert_true(e->b->ops->arm(e->b));
    assert_int_equal(poll(&p, 1, 0), 0);
    assert_int_equal(e->a->ops->tx_burst(e->a, &f, 1), 1);
    assert_int_equal(poll(&p, 1, 0), 1);
    assert_false(e->b->ops->arm(e->b)); /* there is one: do not sleep */
    arrives(e, e->b, 1, 60, 0);
}

static void ring__successor_throws_away_what_waited(void **state)
{
    struct ends *e = *state;
    struct frame *f[2] = {frame_of(e, 1, 60, 0), frame_of(e, 2, 60, 0)};

    assert_int_equal(e->b->ops->tx_burst(e->b, f, 1), 1);
    netdev_close(e->a);
    e->a = NULL;
    assert_int_equal(open_end(e, &e->a), 0);
    assert_int_equal(e->b->ops->tx_burst(e->b, f + 1, 1), 1);
    arrives(e, e->a, 2, 60, 0);
}

/* Every word of the file that the other process can write, overwritten with nonsense. */
static void ring__damaged_file_harms_nothing(void **state)
{
    struct ends *e = *state;
    int fd = open(e->cfg.device, O_RDWR);
    off_t bytes = lseek(fd, 0, SEEK_END);
    unsigned char *map = mmap(NULL, (size_t)bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    struct frame_in in;

    assert_ptr_not_equal(map, MAP_FAILED);
    for (unsigned round = 0; round < 200; round++) {
        uint32_t *slot = (uint32_t *)(void *)(map + 4096);

        for (unsigned i = 0; i < 4096; i++)
            map[i] = (unsigned char)(round * 37 + i * 11);
        slot[0] = 1; /* full, with a length of ... */
        slot[1] = round % 2 ? UINT32_MAX - round : round * 100;
        if (e->b->ops->rx_burst(e->b, &in, 1) == 1)
            mem_unref(&e->mem, in.obj);
    }
    munmap(map, (size_t)bytes);
    close(fd);
    assert_true(e->count[CTR_drop_device_rx] > 0);
}

/* All of the file is on its disk from the beginning: one that is full is told then, by an error. */
static void ring__has_its_room_at_once(void **state)
{
    const struct ends *e = *state;
    struct stat st;

    assert_int_equal(stat(e->cfg.device, &st), 0);
    assert_true(st.st_size > 0 && st.st_blocks * 512 >= st.st_size);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(ring__frames_arrive_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(ring__full_ring_takes_no_more, setup, teardown),
        cmocka_unit_test_setup_teardown(ring__third_end_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(ring__sleeper_is_woken, setup, teardown),
        cmocka_unit_test_setup_teardown(ring__successor_throws_away_what_waited, setup, teardown),
        cmocka_unit_test_setup_teardown(ring__has_its_room_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(ring__damaged_file_harms_nothing, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
