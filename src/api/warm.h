/* SPDX-License-Identifier: MIT */
/*
 * The shortest way of a message back: a push of the array that the last wait handed out, to an address. What the wait
 * knew is not checked again (struct warm), and the words go out from here. Only where a dozen instructions count: a
 * build for the nanoPU has WARM_ARRAYS, and catnano is all that it has.
 */
#ifndef API_WARM_H
#define API_WARM_H

#include "api.h"

#include "core/complete.h"

#include <demi/types.h>

#if WARM_ARRAYS
#include "libos/catnano/guest_take.h"

#define API_LONG_WAY  __attribute__((noinline))
#define API_SHORT_WAY inline __attribute__((always_inline)) /* into the program, where that is linked with -flto */

#define WARM_TURN_EVERY 256 /* messages between two turns: the device, at least, is looked at for each */

/* Can warm_pushto do it? Then the bytes, and how many. */
static inline bool warm_may_pushto(const demi_qtoken_t *qt_out, int qd, const demi_sgarray_t *sga,
                                   const struct sockaddr *dest, socklen_t size, uint64_t *at, uint64_t *len)
{
    const struct instance *inst = api_self.inst;
    const struct warm *w;
    uint64_t word[3], differs;

    if (UNLIKELY(inst == NULL || sga == NULL || dest == NULL || qt_out == NULL || size != sizeof(struct sockaddr_in)))
        return false;
    w = &inst->warm;
    memcpy(word, __builtin_assume_aligned(sga, _Alignof(demi_sgarray_t)), sizeof(word));
    /* in one, so that no load waits for a branch */
    differs = (word[0] ^ w->word[0]) | (word[1] ^ w->word[1]) | word[2] << 32 | (uint64_t)(w->qd ^ qd) |
              (uint64_t)(dest->sa_family ^ AF_INET) | (nanopu_csr_read(NANOPU_CSR_lcurcontext) ^ w->context);
    *at = word[0];
    *len = word[2] >> 32;
    return LIKELY(differs == 0 && *len - 1 < w->room && op_spare(&inst->ops));
}

/* Is obj the array's object? Then it is free: nothing but the application holds it. False: the long way. */
static inline bool warm_frees(struct instance *inst, void *obj)
{
    if (UNLIKELY((uintptr_t)obj != inst->warm.word[0] || inst->warm.room == 0))
        return false;
    inst->warm.spare = inst->warm.room;
    inst->warm.room = 0;
    *inst->warm.ref = REF_FREE | REF_NIL;
    return true;
}

static inline int warm_pushto(demi_qtoken_t *qt_out, const struct sockaddr *dest, uint64_t at, uint64_t len)
{
    struct instance *inst = api_self.inst;

    nanopu_tx(words_header(dest) | len);
    words_send((const void *)(uintptr_t)at, len);
    return op_pushed(inst, inst->warm.queue, qt_out, (uint32_t)len);
}

/*
 * demi_pushtov with nobody told of the end, on the one bound socket, of one or two segments that are whole words but
 * for the last. Nothing was done when it returns false.
 */
static inline __attribute__((always_inline)) bool warm_pushtov(int qd, const struct iovec *iov, int n,
                                                               const struct sockaddr *dest, socklen_t size)
{
    struct instance *inst = api_self.inst;
    struct iovec first, last = {NULL, 0};
    const struct queue *q;
    uint64_t total;

    if (UNLIKELY(inst == NULL || iov == NULL || n < 1 || n > 2 || dest == NULL || size != sizeof(struct sockaddr_in)))
        return false;
    first = iov[0];
    if (n == 2)
        last = iov[1];
    q = inst->only;
    if (UNLIKELY(q == NULL || q->qd != qd || dest->sa_family != AF_INET ||
                 nanopu_csr_read(NANOPU_CSR_lcurcontext) != q->word[NANO_CONTEXT]))
        return false;
    if (UNLIKELY(first.iov_base == NULL || (last.iov_base == NULL && last.iov_len != 0) ||
                 (((uintptr_t)first.iov_base | (uintptr_t)last.iov_base | (n == 2 ? first.iov_len : 0)) & 7) != 0))
        return false;
    total = first.iov_len + last.iov_len;
    if (UNLIKELY(total - 1 >= NANOPU_MESSAGE_BYTES_MAX || first.iov_len > NANOPU_MESSAGE_BYTES_MAX ||
                 last.iov_len > NANOPU_MESSAGE_BYTES_MAX))
        return false;
    nanopu_tx(words_header(dest) | total);
    words_send(first.iov_base, first.iov_len);
    words_send(last.iov_base, last.iov_len);
    COUNT(inst, pushes);
    COUNT_ADD(inst, push_bytes, total);
    return true;
}

/* demi_pop on the one bound socket, as its last pop was. False: nothing was done. */
static inline __attribute__((always_inline)) bool warm_pop(demi_qtoken_t *qt_out, int qd)
{
    struct instance *inst = api_self.inst;
    struct queue *q;
    struct op *op;

    if (UNLIKELY(inst == NULL || qt_out == NULL))
        return false;
    q = inst->only;
    if (UNLIKELY(q == NULL || q->qd != qd))
        return false;
    op = inst->ops.rest;
    if (UNLIKELY(op == NULL || op->queue != q))
        return false;
    inst->ops.rest = NULL;
    op->token += OP_GENERATION;
    op_pend(inst, &q->pops, op);
    *qt_out = op->token;
    return true;
}

/* Makes the message that is there, if there is one for the one bound socket, the result of its oldest pop. */
static inline __attribute__((always_inline)) bool warm_take(struct instance *inst, demi_qresult_t *qr)
{
    struct queue *q = inst->only;
    uint64_t header, bytes, flags;
    struct op *op;

    if (UNLIKELY(q == NULL || q->word[NANO_PEER] != 0))
        return false;
    op = op_list_first(&inst->ops, &q->pops);
    if (UNLIKELY(op == NULL || op->len != 0 || nanopu_context() != q->word[NANO_CONTEXT]))
        return false;
    flags = q->word[NANO_FLAGS];
    if (LIKELY((flags & NANO_OWED) != 0)) /* context_settle, but that it stays set where a message is there */
        nanopu_msg_done();
    if (!nanopu_ready()) {
        q->word[NANO_FLAGS] = flags & ~(uint64_t)NANO_OWED;
        return false;
    }
    if (UNLIKELY((flags & NANO_OWED) == 0))
        q->word[NANO_FLAGS] = flags | NANO_OWED;
    header = nanopu_rx();
    bytes = header & 0xffff;
    if (UNLIKELY(!take_again(inst, bytes)))
        return take_elsewhere(inst, q, op, header, qr);
    take_out(inst, q, op, header, bytes, qr);
    return true;
}
#else
#define API_LONG_WAY
#define API_SHORT_WAY
#endif

#endif /* API_WARM_H */
