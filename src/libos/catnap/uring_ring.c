/* SPDX-License-Identifier: MIT */
/*
 * io_uring engine: making the ring with what the kernel has, requests, buffers lent to the kernel.
 *
 * Features are found by trying: the sets of flags below from best to least, the kernel's own list of operations, the
 * registration of a buffer ring. SEND_ZC is never used but came with Linux 6.0, as the multishot receive did, which
 * no list mentions.
 */
#include "uring.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#define CQ_FACTOR         8 /* completion entries for each submission entry: a multishot request has many answers */
#define CQ_MIN            4096
#define STREAM_BUFFERS    512
#define DATAGRAM_BUFFERS  64
#define MEMORY_SHARE      16 /* a group takes at most this part of the memory */
#define REQUESTS_PER_SLOT 4  /* in and out, of the queue and of the one that was closed before it */
#define ALONE_PUSHES      64 /* pushes that try the socket at once after a submission had but one */
#define DRAIN_ROUNDS      1000
#define DRAIN_NAP_US      100

static const unsigned flag_sets[] = {
    IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG, /* Linux 6.1 */
    IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG,  /* 6.0 */
    IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
    0,
};

static const uint8_t needed[] = {
    IORING_OP_RECV,   IORING_OP_RECVMSG,  IORING_OP_SEND,         IORING_OP_SENDMSG,
    IORING_OP_ACCEPT, IORING_OP_POLL_ADD, IORING_OP_ASYNC_CANCEL, IORING_OP_SEND_ZC,
};

static int explain(struct instance *inst, int err)
{
    if (err == EPERM || err == EACCES)
        return error_set(&inst->error, EPERM,
                         "io_uring is not permitted here: kernel.io_uring_disabled, or a container's filter");
    if (err == ENOSYS)
        return error_set(&inst->error, ENOSYS, "this kernel has no io_uring");
    return error_set(&inst->error, err, "io_uring_setup: %s", strerror(err));
}

static int open_ring(struct instance *inst, struct uring *u)
{
    unsigned entries = (unsigned)inst->config.uring_entries;
    int err = -EINVAL;

    for (size_t i = 0; i < ARRAY_LEN(flag_sets) && err == -EINVAL; i++) {
        struct io_uring_params p = {
            .flags = flag_sets[i] | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP,
            .cq_entries = entries * CQ_FACTOR > CQ_MIN ? entries * CQ_FACTOR : CQ_MIN,
        };

        err = io_uring_queue_init_params(entries, &u->ring, &p);
        u->flags = p.flags;
    }
    return err < 0 ? explain(inst, -err) : 0;
}

static int check_operations(struct instance *inst, struct uring *u)
{
    struct io_uring_probe *p = io_uring_get_probe_ring(&u->ring);
    bool all = p != NULL;

    for (size_t i = 0; i < ARRAY_LEN(needed) && all; i++)
        all = io_uring_opcode_supported(p, needed[i]) != 0;
    io_uring_free_probe(p);
    return all ? 0 : error_set(&inst->error, ENOTSUP, "engine: uring needs Linux 6.0 or newer");
}

static int open_group(struct instance *inst, struct uring *u, struct buffer_group *g, uint16_t id, uint32_t bytes,
                      uint32_t entries)
{
    struct io_uring_buf_reg reg = {.bgid = id};
    void *p;
    int err;

    while (entries > 8 && (uint64_t)entries * bytes > inst->config.memory_limit / MEMORY_SHARE)
        entries /= 2;
    p = mmap(NULL, entries * sizeof(struct io_uring_buf), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return error_set(&inst->error, ENOMEM, "no memory for a ring of buffers");
    reg.ring_addr = (uintptr_t)p;
    reg.ring_entries = entries;
    err = io_uring_register_buf_ring(&u->ring, &reg, 0);
    if (err < 0) {
        munmap(p, entries * sizeof(struct io_uring_buf));
        return error_set(&inst->error, -err, "io_uring: registration of a ring of buffers: %s", strerror(-err));
    }
    g->ring = p;
    g->id = id;
    g->bytes = bytes;
    g->entries = entries;
    io_uring_buf_ring_init(g->ring);
    return 0;
}

static void close_group(struct instance *inst, struct uring *u, struct buffer_group *g)
{
    if (g->ring == NULL)
        return;
    io_uring_unregister_buf_ring(&u->ring, g->id);
    munmap(g->ring, g->entries * sizeof(struct io_uring_buf));
    for (uint32_t i = 0; i < g->entries; i++)
        if (g->objects[i] != NULL)
            mem_unref(&inst->mem, g->objects[i]);
    g->ring = NULL;
}

static void *reserve(size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return p == MAP_FAILED ? NULL : p;
}

static int open_tables(struct instance *inst, struct uring *u)
{
    u->endpoints_max = inst->queues.capacity;
    u->requests_max = inst->queues.capacity * REQUESTS_PER_SLOT;
    u->endpoints = reserve(u->endpoints_max * sizeof(*u->endpoints));
    u->requests = reserve(u->requests_max * sizeof(*u->requests));
    u->requests_carved = 1;
    if (u->endpoints == NULL || u->requests == NULL)
        return error_set(&inst->error, ENOMEM, "no memory for the io_uring engine's tables");
    return 0;
}

static void close_tables(struct uring *u)
{
    if (u->endpoints != NULL)
        munmap(u->endpoints, u->endpoints_max * sizeof(*u->endpoints));
    if (u->requests != NULL)
        munmap(u->requests, u->requests_max * sizeof(*u->requests));
    u->endpoints = NULL;
    u->requests = NULL;
}

static int open_parts(struct instance *inst, struct uring *u)
{
    int err = check_operations(inst, u);

    if (err == 0)
        err = open_group(inst, u, &u->stream, 1, CATNAP_POP_MIN, STREAM_BUFFERS);
    if (err == 0)
        err = open_group(inst, u, &u->datagrams, 2, sizeof(struct mem_meta) + CATNAP_DGRAM_MAX, DATAGRAM_BUFFERS);
    if (err == 0)
        err = open_tables(inst, u);
    if (err < 0)
        return err;
    u->eventfd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (u->eventfd < 0)
        return error_set(&inst->error, errno, "eventfd: %s", strerror(errno));
    return 0;
}

int uring_open(struct instance *inst, struct uring *u)
{
    int err = open_ring(inst, u);

    if (err < 0)
        return err;
    u->eventfd = -1;
    u->hot_qd = u->last_qd = -1;
    /* the kernel's head of 16 bytes and a name of 48 take the place of a struct mem_meta */
    u->datagram_head.msg_namelen = sizeof(struct mem_meta) - sizeof(struct io_uring_recvmsg_out);
    io_uring_ring_dontfork(&u->ring);
    io_uring_register_ring_fd(&u->ring); /* only saves a look-up */
    err = open_parts(inst, u);
    if (err < 0)
        uring_close(inst, u);
    return err;
}

/* Waits until the kernel has answered everything: it may still write to our memory. */
static void drain(struct instance *inst, struct uring *u)
{
    struct io_uring_sqe *sqe;

    if (u->requests_used == 0)
        return;
    sqe = uring_sqe(inst, u);
    if (sqe != NULL) {
        io_uring_prep_cancel64(sqe, 0, IORING_ASYNC_CANCEL_ANY);
        sqe->user_data = 0;
    }
    for (int i = 0; i < DRAIN_ROUNDS && u->requests_used > 0; i++) {
        uring_enter(inst, u);
        uring_reap(inst, u);
        if (u->requests_used > 0)
            usleep(DRAIN_NAP_US);
    }
    assert(u->requests_used == 0);
}

void uring_close(struct instance *inst, struct uring *u)
{
    if (u->requests != NULL)
        drain(inst, u);
    close_group(inst, u, &u->stream);
    close_group(inst, u, &u->datagrams);
    io_uring_queue_exit(&u->ring);
    if (u->eventfd >= 0)
        close(u->eventfd);
    close_tables(u);
}

void uring_arm(struct uring *u, bool on)
{
    io_uring_cq_eventfd_toggle(&u->ring, on);
    u->armed = on;
    /* what the kernel does from now on it signals; what it did before is seen by the look that follows */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static void publish(struct buffer_group *g)
{
    if (g->added == 0)
        return;
    io_uring_buf_ring_advance(g->ring, (int)g->added);
    g->added = 0;
}

void uring_enter(struct instance *inst, struct uring *u)
{
    int n;

    publish(&u->stream);
    publish(&u->datagrams);
    n = io_uring_submit_and_get_events(&u->ring);
    COUNT(inst, syscalls);
    if (UNLIKELY(n < 0 || io_uring_sq_ready(&u->ring) != 0)) { /* the kernel is short of memory or of room: later */
        u->queued = io_uring_sq_ready(&u->ring);
        return;
    }
    if (u->sends != 0)
        u->alone = u->sends == 1 ? ALONE_PUSHES : 0;
    u->queued = u->sends = 0;
    u->epoch++;
}

struct io_uring_sqe *uring_sqe(struct instance *inst, struct uring *u)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&u->ring);

    if (UNLIKELY(sqe == NULL)) {
        uring_enter(inst, u);
        sqe = io_uring_get_sqe(&u->ring);
        if (sqe == NULL)
            return NULL;
    }
    u->queued++;
    return sqe;
}

static struct request *request_alloc(struct uring *u)
{
    struct request *r;

    if (u->requests_free != 0) {
        r = &u->requests[u->requests_free];
        u->requests_free = r->next_free;
        return r;
    }
    return u->requests_carved < u->requests_max ? &u->requests[u->requests_carved++] : NULL;
}

struct request *uring_request(struct instance *inst, struct uring *u, const struct queue *q, enum request_kind kind,
                              struct io_uring_sqe **sqe)
{
    struct request *r;

    *sqe = NULL;
    if (LIKELY(u->requests_free != 0 || u->requests_carved < u->requests_max))
        *sqe = uring_sqe(inst, u);
    if (UNLIKELY(*sqe == NULL)) {
        COUNT(inst, uring_full);
        return NULL;
    }
    r = request_alloc(u);
    u->requests_used++;
    COUNT(inst, uring_requests_now);
    assert(r->kind == REQUEST_FREE);
    r->kind = (uint8_t)kind;
    r->qd = q->qd;
    r->cancelled = false;
    r->obj = NULL;
    r->message = NULL;
    return r;
}

void uring_queue(struct uring *u, struct request *r, struct io_uring_sqe *sqe)
{
    sqe->user_data = (uint64_t)r->generation << 32 | uring_request_index(u, r);
    r->epoch = u->epoch;
}

void uring_request_free(struct instance *inst, struct uring *u, struct request *r)
{
    assert(r->kind != REQUEST_FREE);
    if (r->message != NULL)
        uring_message_free(inst, r->message);
    if (r->obj != NULL)
        mem_unref(&inst->mem, r->obj);
    r->kind = REQUEST_FREE;
    r->generation++;
    r->next_free = u->requests_free;
    u->requests_free = uring_request_index(u, r);
    u->requests_used--;
    COUNT_ADD(inst, uring_requests_now, -UINT64_C(1));
}

struct request *uring_request_find(const struct uring *u, uint64_t user_data)
{
    uint32_t index = (uint32_t)user_data;
    struct request *r;

    if (index == 0 || index >= u->requests_carved)
        return NULL;
    r = &u->requests[index];
    return r->kind != REQUEST_FREE && r->generation == (uint32_t)(user_data >> 32) ? r : NULL;
}

void uring_cancel(struct instance *inst, struct uring *u, uint32_t index)
{
    struct request *r = &u->requests[index];
    struct io_uring_sqe *sqe;

    assert(index != 0 && r->kind != REQUEST_FREE);
    if (r->cancelled)
        return;
    sqe = uring_sqe(inst, u);
    if (sqe == NULL)
        return;
    io_uring_prep_cancel64(sqe, (uint64_t)r->generation << 32 | index, 0);
    sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    sqe->user_data = 0;
    r->cancelled = true;
}

static void group_add(struct buffer_group *g, uint32_t bid)
{
    io_uring_buf_ring_add(g->ring, g->objects[bid], g->bytes, (uint16_t)bid, io_uring_buf_ring_mask(g->entries),
                          (int)g->added++);
}

/* Makes a new object for buffer bid. */
static bool group_fill(struct instance *inst, struct buffer_group *g, uint32_t bid)
{
    g->objects[bid] = mem_alloc(&inst->mem, g->bytes, 1);
    if (UNLIKELY(g->objects[bid] == NULL))
        return false;
    catnap_of(inst)->lent_bytes += mem_room(g->objects[bid]);
    group_add(g, bid);
    return true;
}

bool uring_group_ready(struct instance *inst, struct buffer_group *g)
{
    if (UNLIKELY(!g->filled)) {
        g->filled = true;
        for (g->missing_count = 0; g->missing_count < g->entries; g->missing_count++)
            g->missing[g->missing_count] = (uint16_t)g->missing_count;
    }
    while (UNLIKELY(g->missing_count > 0) && group_fill(inst, g, g->missing[g->missing_count - 1]))
        g->missing_count--;
    return g->missing_count < g->entries;
}

void *uring_group_take(struct instance *inst, struct buffer_group *g, uint32_t bid, size_t size, size_t n)
{
    void *obj = g->objects[bid], *copy;

    assert(bid < g->entries && obj != NULL && size <= g->bytes);
    copy = catnap_compact(inst, obj, size, n);
    if (LIKELY(copy != NULL)) {
        group_add(g, bid);
        return copy;
    }
    catnap_of(inst)->lent_bytes -= mem_room(obj);
    if (UNLIKELY(!group_fill(inst, g, bid)))
        g->missing[g->missing_count++] = (uint16_t)bid;
    return obj;
}

void uring_group_return(struct buffer_group *g, uint32_t bid)
{
    assert(bid < g->entries && g->objects[bid] != NULL);
    group_add(g, bid);
}
