/* SPDX-License-Identifier: MIT */
/* The data path: memory, push, pop. */
#include "api.h"
#include "warm.h"

#include <demi/ext.h>
#include <demi/libos.h>
#include <demi/sga.h>
#include <string.h>

#define GATHER_MANY 1024 /* segments of any length in one push by reference */
#define GATHER_LONG 4096 /* average bytes of a segment where there are more */

typedef uint32_t half_word __attribute__((aligned(_Alignof(demi_sgaseg_t)), may_alias));

/* Written in one go: a copy of a half-written array would wait for its stores to retire. */
static inline demi_sgarray_t sga_of(void *obj, size_t size)
{
    return (demi_sgarray_t){
        .sga_buf = obj, .sga_numsegs = 1, .sga_segs = {{.sgaseg_buf = obj, .sgaseg_len = (uint32_t)size}}};
}

static demi_sgarray_t sgaalloc_slow(size_t size) __attribute__((noinline));
static demi_sgarray_t sgaalloc_slow(size_t size)
{
    struct instance *inst = api_self.inst;
    void *obj = inst != NULL ? mem_alloc(&inst->mem, size, REF_APP) : NULL;

    if (obj != NULL)
        return sga_of(obj, size);
    if (inst == NULL)
        api_no_instance();
    else
        api_fail(ENOMEM, "demi_sgaalloc(%zu): %s", size, size == 0 ? "size 0" : "over sga_limit or memory_limit");
    return (demi_sgarray_t){.sga_buf = NULL};
}

demi_sgarray_t demi_sgaalloc(size_t size)
{
    struct instance *inst = api_self.inst;
    void *obj = LIKELY(inst != NULL) ? mem_alloc_cached(&inst->mem, size, REF_APP) : NULL;

    return LIKELY(obj != NULL) ? sga_of(obj, size) : sgaalloc_slow(size);
}

/* The rare ways out of demi_sgafree and demi_free. */
static int free_slow(struct instance *inst, void *obj, const char *call) COLD;
static int free_slow(struct instance *inst, void *obj, const char *call)
{
    if (inst == NULL)
        return api_no_instance();
    instance_cool(inst);
    if (mem_app_free(&inst->mem, obj) != 0)
        return api_fail(EINVAL, "%s: not memory of this thread's instance, or freed before", call);
    return 0;
}

static inline bool free_quick(struct instance *inst, void *obj)
{
#if WARM_ARRAYS
    if (LIKELY(warm_frees(inst, obj)))
        return true;
#endif
    if (UNLIKELY(!mem_app_free_quick(&inst->mem, obj)))
        return false;
    instance_cool(inst);
    return true;
}

API_SHORT_WAY int demi_sgafree(demi_sgarray_t *sga)
{
    struct instance *inst = api_self.inst;

    if (LIKELY(inst != NULL && sga != NULL && free_quick(inst, sga->sga_buf)))
        return 0;
    return free_slow(inst, sga != NULL ? sga->sga_buf : NULL, "demi_sgafree");
}

void *demi_malloc(size_t size)
{
    struct instance *inst = api_self.inst;
    void *obj;

    if (UNLIKELY(inst == NULL)) {
        api_no_instance();
        return NULL;
    }
    obj = mem_alloc(&inst->mem, size, REF_APP);
    if (UNLIKELY(obj == NULL))
        api_fail(ENOMEM, "demi_malloc(%zu): %s", size, size == 0 ? "size 0" : "over sga_limit or memory_limit");
    return obj;
}

int demi_free(void *ptr)
{
    struct instance *inst = api_self.inst;

    if (LIKELY(inst != NULL && free_quick(inst, ptr)))
        return 0;
    return free_slow(inst, ptr, "demi_free");
}

/*
 * The first byte of an array's segment, read in halves: the pointer lies across the places where op_write_sga and a
 * compiler's copy of the array divide it, and a read over two stores waits until both have retired.
 */
static inline char *segment_of(const demi_sgarray_t *sga)
{
    const char *at = (const char *)sga + offsetof(demi_sgarray_t, sga_segs);
    uint32_t low = *(const volatile half_word *)(const void *)at;
    uint32_t high = *(const volatile half_word *)(const void *)(at + 4);

    return (char *)(uintptr_t)(low | (uint64_t)high << 32);
}

/* Says what is wrong with an array that check_sga does not take. */
static int fail_sga(struct instance *inst, const demi_sgarray_t *sga) COLD;
static int fail_sga(struct instance *inst, const demi_sgarray_t *sga)
{
    if (sga == NULL || sga->sga_buf == NULL || sga->sga_numsegs != 1)
        return api_fail(EINVAL, "push: no scatter-gather array, or one without a segment");
    if (!mem_is_app_object(&inst->mem, sga->sga_buf))
        return api_fail(EINVAL, "push: the array was freed, or is not of this instance");
    return api_fail(EINVAL, "push: a segment of %u bytes is empty or leaves its buffer", sga->sga_segs[0].sgaseg_len);
}

/* Does sga's segment lie in an object that the application owns? */
static inline bool check_sga(struct instance *inst, const demi_sgarray_t *sga)
{
    const uint32_t *word;
    const char *from, *ptr;
    size_t room, len;

    if (UNLIKELY(sga == NULL || sga->sga_numsegs != 1))
        return false;
    from = sga->sga_buf;
    word = mem_word_at(&inst->mem, from);
    if (UNLIKELY(word == NULL || (*word & (REF_APP | REF_FREE)) != REF_APP))
        return false;
    room = mem_room(from);
    if (UNLIKELY((*word & REF_EXTERN) != 0)) {
        const struct mem_extern *x = sga->sga_buf;

        from = x->ptr;
        room = x->len;
    }
    ptr = segment_of(sga);
    len = sga->sga_segs[0].sgaseg_len;
    return LIKELY(len - 1 < room && (uintptr_t)ptr - (uintptr_t)from <= room - len);
}

static int fail_no_slot(const char *call)
{
    return api_fail(ENOMEM, "%s: max_operations are outstanding", call);
}

static int fail_send(struct instance *inst, int err) COLD;
static int fail_send(struct instance *inst, int err)
{
    return api_fail_libos(inst, "push", err);
}

/* The bytes go out first, so that none of the bookkeeping stands in their way. -EAGAIN: not this time. */
static inline int send_at_once(struct instance *inst, struct queue *q, demi_qtoken_t *qt_out, const char *bytes,
                               uint32_t len, const struct sockaddr *dest)
{
    int err;

    if (UNLIKELY(!op_spare(&inst->ops)))
        return fail_no_slot("push");
    err = q->ops->send(inst, q, qt_out, bytes, len, dest);
    return LIKELY(err == 0) || err == -EAGAIN ? err : fail_send(inst, err);
}

/* Starts the push of an sga whose object is obj. dest is NULL or the datagram's destination. */
static int start_push(struct instance *inst, struct queue *q, demi_qtoken_t *qt_out, const demi_sgarray_t *sga,
                      const struct sockaddr *dest, socklen_t size)
{
    struct op *op;
    int err;

    if (q->ops->send != NULL) {
        err = send_at_once(inst, q, qt_out, segment_of(sga), sga->sga_segs[0].sgaseg_len, dest);
        if (LIKELY(err != -EAGAIN))
            return err;
    }
    op = op_issue(inst, q, DEMI_OPC_PUSH);
    if (UNLIKELY(op == NULL))
        return fail_no_slot("push");
    op->obj = sga->sga_buf;
    mem_ref(op->obj);
    op->ptr = segment_of(sga);
    op->len = sga->sga_segs[0].sgaseg_len;
    op->args.in.sin_family = AF_UNSPEC;
    if (dest != NULL)
        memcpy(&op->args, dest, size);
    *qt_out = op->token; /* first: a push that completes and whose slot is reused at once must not change it */
    err = q->ops->push(inst, q, op);
    if (LIKELY(err == 0))
        return 0;
    op_drop(inst, op);
    op_free(&inst->ops, op);
    return api_fail_libos(inst, "push", err);
}

int demi_push(demi_qtoken_t *qt_out, int qd, const demi_sgarray_t *sga)
{
    struct instance *inst = api_self.inst;
    struct queue *q;

    if (UNLIKELY(inst == NULL))
        return api_no_instance();
    if (UNLIKELY(qt_out == NULL))
        return api_fail(EINVAL, "demi_push: no place for the token");
    if (UNLIKELY(!check_sga(inst, sga)))
        return fail_sga(inst, sga);
    q = api_queue(inst, qd);
    if (UNLIKELY(q == NULL))
        return api_fail(EBADF, "demi_push: queue %d is not open", qd);
    if (UNLIKELY(q->status != QUEUE_CONNECTED))
        return api_fail(ENOTCONN, "demi_push: queue %d is not connected", qd);
    return start_push(inst, q, qt_out, sga, NULL, 0);
}

/* Apart where there is a short way: what this saves on the stack that one need not. */
static API_LONG_WAY int pushto_checked(demi_qtoken_t *qt_out, int qd, const demi_sgarray_t *sga,
                                       const struct sockaddr *dest, socklen_t size)
{
    struct instance *inst = api_self.inst;
    struct queue *q;
    int err;

    if (UNLIKELY(inst == NULL))
        return api_no_instance();
    if (UNLIKELY(qt_out == NULL))
        return api_fail(EINVAL, "demi_pushto: no place for the token");
    if (UNLIKELY(!check_sga(inst, sga)))
        return fail_sga(inst, sga);
    if (UNLIKELY(dest == NULL || size != sizeof(struct sockaddr_in) || dest->sa_family != AF_INET)) {
        err = api_check_address("demi_pushto", dest, size);
        if (err != 0 || dest == NULL) /* never the latter alone */
            return err;
    }
    q = api_queue(inst, qd);
    if (UNLIKELY(q == NULL))
        return api_fail(EBADF, "demi_pushto: queue %d is not open", qd);
    if (UNLIKELY(q->type != SOCK_DGRAM))
        return api_fail(ENOTSUP, "demi_pushto: queue %d has no datagrams", qd);
    if (UNLIKELY(dest->sa_family != q->domain))
        return api_fail(EINVAL, "demi_pushto: the address's family is not the socket's");
    return start_push(inst, q, qt_out, sga, dest, size);
}

int demi_pushto(demi_qtoken_t *qt_out, int qd, const demi_sgarray_t *sga, const struct sockaddr *dest, socklen_t size)
{
#if WARM_ARRAYS
    uint64_t at, len;

    if (warm_may_pushto(qt_out, qd, sga, dest, size, &at, &len))
        return warm_pushto(qt_out, dest, at, len);
#endif
    return pushto_checked(qt_out, qd, sga, dest, size);
}

/* False: a segment is NULL, or the lengths overflow. */
static bool gather_total(const struct iovec *iov, int n, size_t *total)
{
    *total = 0;
    for (int i = 0; i < n; i++) {
        if (iov[i].iov_len > SIZE_MAX - *total || (iov[i].iov_len > 0 && iov[i].iov_base == NULL))
            return false;
        *total += iov[i].iov_len;
    }
    return true;
}

/* All segments copied into one object; the operation holds it. */
static int gather_copy(struct instance *inst, struct op *op, const struct iovec *iov, int n, size_t total)
{
    char *to = mem_alloc(&inst->mem, total, 1);

    if (to == NULL)
        return -ENOMEM;
    op->obj = to;
    op->ptr = to;
    for (int i = 0; i < n; i++) {
        if (iov[i].iov_len > 0)
            memcpy(to, iov[i].iov_base, iov[i].iov_len);
        to += iov[i].iov_len;
    }
    return 0;
}

/* Is it worth a reference each to spare the copy? Not for very many small segments. */
static bool gather_pays(const struct instance *inst, int n, size_t total)
{
    return total >= inst->config.zero_copy_threshold && (n <= GATHER_MANY || total / (size_t)n >= GATHER_LONG);
}

/* A reference on each segment that lies in our memory, a copy of each that does not. */
static int gather_refer(struct instance *inst, struct op *op, const struct iovec *iov, int n, size_t total)
{
    struct gather *g = mem_alloc(&inst->mem, sizeof(*g) + (size_t)n * sizeof(g->seg[0]), 1);

    if (g == NULL)
        return -ENOMEM;
    g->count = 0;
    g->total = total;
    op->args.gather = g;
    op->flags |= OP_GATHER;
    for (int i = 0; i < n; i++) {
        struct gather_seg *seg = &g->seg[g->count];

        if (iov[i].iov_len == 0)
            continue;
        seg->ptr = iov[i].iov_base;
        seg->len = iov[i].iov_len;
        seg->obj = mem_find(&inst->mem, seg->ptr, seg->len);
        if (seg->obj != NULL && mem_ref_spare(seg->obj)) {
            mem_ref(seg->obj);
        } else {
            seg->obj = mem_alloc(&inst->mem, seg->len, 1);
            if (seg->obj == NULL)
                return -ENOMEM;
            seg->ptr = memcpy(seg->obj, iov[i].iov_base, seg->len);
        }
        g->count++;
    }
    return 0;
}

int demi_pushv(demi_qtoken_t *qt_out, int qd, const struct iovec *iov, int num_iov)
{
    struct instance *inst = api_self.inst;
    size_t total;
    struct queue *q;
    struct op *op;
    int err;

    if (UNLIKELY(inst == NULL))
        return api_no_instance();
    if (qt_out == NULL || iov == NULL || num_iov < 1)
        return api_fail(EINVAL, "demi_pushv: NULL or no segments");
    if (!gather_total(iov, num_iov, &total))
        return api_fail(EINVAL, "demi_pushv: a segment is NULL, or lengths overflow");
    if (total == 0)
        return api_fail(EINVAL, "demi_pushv: no bytes");
    if (total > inst->config.sga_limit)
        return api_fail(EMSGSIZE, "demi_pushv: %zu bytes are over sga_limit", total);
    q = api_queue(inst, qd);
    if (q == NULL)
        return api_fail(EBADF, "demi_pushv: queue %d is not open", qd);
    if (q->status != QUEUE_CONNECTED)
        return api_fail(ENOTCONN, "demi_pushv: queue %d is not connected", qd);
    op = op_issue(inst, q, DEMI_OPC_PUSH);
    if (op == NULL)
        return fail_no_slot("demi_pushv");
    op->len = (uint32_t)total;
    op->args.in.sin_family = AF_UNSPEC;
    *qt_out = op->token;
    /* a datagram must leave in one call, which takes only so many segments: it is copied together, 64 KiB at most */
    err = q->ops->gathers && q->type != SOCK_DGRAM && gather_pays(inst, num_iov, total)
              ? gather_refer(inst, op, iov, num_iov, total)
              : gather_copy(inst, op, iov, num_iov, total);
    if (err == 0)
        err = q->ops->push(inst, q, op);
    if (err == 0)
        return 0;
    op_drop(inst, op);
    op_free(&inst->ops, op);
    return api_fail_libos(inst, "demi_pushv", err);
}

/* The way of demi_pushtov where there is no shorter one: as a datagram of one segment, copied together. */
static int pushto_copied(struct instance *inst, struct queue *q, demi_qtoken_t *qt_out, const struct iovec *iov, int n,
                         size_t total, const struct sockaddr *dest, socklen_t size) __attribute__((noinline));
static int pushto_copied(struct instance *inst, struct queue *q, demi_qtoken_t *qt_out, const struct iovec *iov, int n,
                         size_t total, const struct sockaddr *dest, socklen_t size)
{
    struct op *op = op_issue(inst, q, DEMI_OPC_PUSH);
    int err;

    if (UNLIKELY(op == NULL))
        return fail_no_slot("demi_pushtov");
    op->len = (uint32_t)total;
    memcpy(&op->args, dest, size);
    if (qt_out != NULL)
        *qt_out = op->token;
    else
        op->flags |= OP_QUIET;
    err = gather_copy(inst, op, iov, n, total);
    if (LIKELY(err == 0))
        err = q->ops->push(inst, q, op);
    if (LIKELY(err == 0))
        return 0;
    op_drop(inst, op);
    op_free(&inst->ops, op);
    return api_fail_libos(inst, "demi_pushtov", err);
}

static API_LONG_WAY int pushtov_checked(demi_qtoken_t *qt_out, int qd, const struct iovec *iov, int num_iov,
                                        const struct sockaddr *dest, socklen_t size)
{
    struct instance *inst = api_self.inst;
    size_t total;
    struct queue *q;
    int err;

    if (UNLIKELY(inst == NULL))
        return api_no_instance();
    if (UNLIKELY(iov == NULL || num_iov < 1))
        return api_fail(EINVAL, "demi_pushtov: NULL or no segments");
    if (UNLIKELY(!gather_total(iov, num_iov, &total)))
        return api_fail(EINVAL, "demi_pushtov: a segment is NULL, or lengths overflow");
    if (UNLIKELY(total == 0))
        return api_fail(EINVAL, "demi_pushtov: no bytes");
    if (UNLIKELY(total > inst->config.sga_limit))
        return api_fail(EMSGSIZE, "demi_pushtov: %zu bytes are over sga_limit", total);
    if (UNLIKELY(dest == NULL || size != sizeof(struct sockaddr_in) || dest->sa_family != AF_INET)) {
        err = api_check_address("demi_pushtov", dest, size);
        if (err != 0 || dest == NULL) /* never the latter alone */
            return err;
    }
    q = api_queue(inst, qd);
    if (UNLIKELY(q == NULL))
        return api_fail(EBADF, "demi_pushtov: queue %d is not open", qd);
    if (UNLIKELY(q->type != SOCK_DGRAM))
        return api_fail(ENOTSUP, "demi_pushtov: queue %d has no datagrams", qd);
    if (UNLIKELY(dest->sa_family != q->domain))
        return api_fail(EINVAL, "demi_pushtov: the address's family is not the socket's");
    if (qt_out != NULL || q->ops->sendv == NULL)
        return pushto_copied(inst, q, qt_out, iov, num_iov, total, dest, size);
    err = q->ops->sendv(inst, q, iov, num_iov, (uint32_t)total, dest);
    return LIKELY(err == 0) ? 0 : fail_send(inst, err);
}

API_SHORT_WAY int demi_pushtov(demi_qtoken_t *qt_out, int qd, const struct iovec *iov, int num_iov,
                               const struct sockaddr *dest, socklen_t size)
{
#if WARM_ARRAYS
    if (qt_out == NULL && warm_pushtov(qd, iov, num_iov, dest, size))
        return 0;
#endif
    return pushtov_checked(qt_out, qd, iov, num_iov, dest, size);
}

static API_LONG_WAY int start_pop(const char *call, demi_qtoken_t *qt_out, int qd, size_t max_bytes)
{
    struct instance *inst = api_self.inst;
    struct queue *q;
    struct op *op;
    int err;

    if (UNLIKELY(inst == NULL))
        return api_no_instance();
    if (UNLIKELY(qt_out == NULL))
        return api_fail(EINVAL, "%s: no place for the token", call);
    q = api_queue(inst, qd);
    if (UNLIKELY(q == NULL))
        return api_fail(EBADF, "%s: queue %d is not open", call, qd);
    if (UNLIKELY(q->status != QUEUE_CONNECTED && !(q->type == SOCK_DGRAM && q->status == QUEUE_BOUND))) {
        if (q->type == SOCK_DGRAM)
            return api_fail(EDESTADDRREQ, "%s: datagram queue %d is not bound", call, qd);
        return api_fail(ENOTCONN, "%s: queue %d is not connected", call, qd);
    }
    op = op_issue(inst, q, DEMI_OPC_POP);
    if (UNLIKELY(op == NULL))
        return fail_no_slot(call);
    op->len = max_bytes > UINT32_MAX ? UINT32_MAX : (uint32_t)max_bytes;
    memset(__builtin_assume_aligned(&op->args, 8), 0, sizeof(op->args.in));
    *qt_out = op->token;
    err = q->ops->pop(inst, q, op);
    if (LIKELY(err == 0))
        return 0;
    op_free(&inst->ops, op);
    return api_fail_libos(inst, call, err);
}

API_SHORT_WAY int demi_pop(demi_qtoken_t *qt_out, int qd)
{
#if WARM_ARRAYS
    if (warm_pop(qt_out, qd))
        return 0;
#endif
    return start_pop("demi_pop", qt_out, qd, 0);
}

int demi_pop_n(demi_qtoken_t *qt_out, int qd, size_t max_bytes)
{
    if (UNLIKELY(max_bytes == 0 && api_self.inst != NULL))
        return api_fail(EINVAL, "demi_pop_n: at most 0 bytes");
    return start_pop("demi_pop_n", qt_out, qd, max_bytes);
}

int demi_sga_source(const demi_sgarray_t *sga, struct sockaddr *addr, socklen_t *addrlen)
{
    struct instance *inst = api_self.inst;
    const struct mem_meta *meta;

    if (inst == NULL)
        return api_no_instance();
    if (sga == NULL || addr == NULL || addrlen == NULL || !mem_is_app_object(&inst->mem, sga->sga_buf))
        return api_fail(EINVAL, "demi_sga_source: NULL, or not a live array of this instance");
    if ((*mem_ref_word(sga->sga_buf) & REF_META) == 0)
        return api_fail(ENOTSUP, "demi_sga_source: not a popped datagram");
    meta = sga->sga_buf;
    if (*addrlen < meta->addr_len)
        return api_fail(EINVAL, "demi_sga_source: the address takes %u bytes", meta->addr_len);
    memcpy(addr, meta->addr, meta->addr_len);
    *addrlen = meta->addr_len;
    return 0;
}
