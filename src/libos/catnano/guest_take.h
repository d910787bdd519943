/* SPDX-License-Identifier: MIT */
/*
 * From a message to the result of its pop. In a header of its own, because the API takes what is there without a call
 * in between.
 */
#ifndef LIBOS_CATNANO_GUEST_TAKE_H
#define LIBOS_CATNANO_GUEST_TAKE_H

#include "guest_context.h"
#include "guest_words.h"

#include "core/complete.h"

/* What is known of a popped message's result before it comes, and what its header tells. Objects lie below 4 GiB. */
static inline void write_result(uint64_t *out, const struct op *op, const void *obj)
{
    uint64_t at = (uintptr_t)obj;

    out[0] = DEMI_OPC_POP | (uint64_t)(uint32_t)op->qd << 32;
    out[1] = op->token;
    out[2] = 0;
    out[3] = at;
    out[4] = 1 | at << 32;
    out[5] = 0;
    out[6] = AF_INET;
    out[7] = 0;
}

static inline void write_header(demi_sgarray_t *sga, uint64_t header, uint64_t bytes)
{
    uint64_t swapped = words_swap64(header);

    sga->sga_segs[0].sgaseg_len = (uint32_t)bytes;
    sga->sga_addr.sin_port = (in_port_t)(swapped >> 32);
    sga->sga_addr.sin_addr.s_addr = (uint32_t)swapped;
}
_Static_assert(sizeof(demi_qresult_t) == 64 && offsetof(demi_qresult_t, qr_value) == 24 &&
                   offsetof(demi_sgarray_t, sga_segs) == 12 && offsetof(demi_sgarray_t, sga_addr) == 24,
               "the layout of a result is known here");

/* Notes the array that is handed out. */
static inline void take_warms(struct instance *inst, struct queue *q, void *obj, size_t room)
{
    inst->warm = (struct warm){.room = room,
                               .word = {(uintptr_t)obj, 1 | (uint64_t)(uintptr_t)obj << 32},
                               .queue = q,
                               .context = q->word[NANO_CONTEXT],
                               .qd = q->qd};
}

/* The message whose header was read becomes, in obj, the result of q's oldest pop, op. */
static inline void take_out(struct instance *inst, struct queue *q, struct op *op, uint64_t header, void *obj,
                            demi_qresult_t *qr)
{
    uint64_t bytes = header & 0xffff;

    __asm__("" : "+r"(bytes)); /* a number of its own: the compiler would mask the header again and again */
    q->word[NANO_FLAGS] |= NANO_OWED;
    words_take(obj, bytes);
    write_result((uint64_t *)(void *)qr, op, obj);
    write_header(&qr->qr_value.sga, header, bytes);
    take_warms(inst, q, obj, mem_room(obj));
    COUNT(inst, pops);
    COUNT_ADD(inst, pop_bytes, bytes);
    op_unpend(inst, &q->pops, op);
    op_free(&inst->ops, op);
}

/* The same where no memory is at hand. False: there is none at all, the message is lost and the pop has failed. */
bool take_slow(struct instance *inst, struct queue *q, struct op *op, uint64_t header, demi_qresult_t *qr);

#endif /* LIBOS_CATNANO_GUEST_TAKE_H */
