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

/* The array that was handed out last is nobody's business any more; if it was freed its object is. */
void take_forgets(struct instance *inst);

/* Notes the array that is handed out. */
static inline void take_warms(struct instance *inst, struct queue *q, void *obj, size_t room)
{
    uint32_t *ref = obj != NULL ? mem_ref_word(obj) : NULL;

    if (UNLIKELY(inst->warm.spare != 0))
        take_forgets(inst);
    inst->warm = (struct warm){.room = room,
                               .word = {(uintptr_t)obj, 1 | (uint64_t)(uintptr_t)obj << 32},
                               .queue = q,
                               .context = q->word[NANO_CONTEXT],
                               .qd = q->qd,
                               .first = DEMI_OPC_POP | (uint64_t)(uint32_t)q->qd << 32,
                               .ref = ref,
                               .held = ref != NULL ? *ref : 0};
}

/* Hands the last array's object out again, if that is free and large enough: all that is noted of it holds still. */
static inline bool take_again(struct instance *inst, size_t bytes)
{
    struct warm *w = &inst->warm;

    if (UNLIKELY(bytes - 1 >= w->spare))
        return false;
    *w->ref = w->held;
    w->room = w->spare;
    w->spare = 0;
    return true;
}

/*
 * The message whose header was read becomes, in the object that is warm, the result of q's oldest pop, op. */
static inline __attribute__((always_inline)) void take_out(struct instance *inst, struct queue *q, struct op *op,
                                                           uint64_t header, uint64_t bytes, demi_qresult_t *qr)
{
    uint64_t *out = (void *)qr, *stat = inst->stat->value;
    const struct warm *w = &inst->warm;

    __asm__("" : "+r"(out)); /* else each word of a result whose place is known is addressed by itself */
    words_take((void *)(uintptr_t)w->word[0], bytes);
    out[0] = w->first;
    out[1] = op->token;
    out[2] = 0;
    out[3] = w->word[0];
    out[4] = w->word[1];
    out[5] = bytes << 32;
    out[6] = words_address(header);
    out[7] = 0;
    stat[CTR_pops]++;
    stat[CTR_pop_bytes] += bytes;
    op_list_remove_first(&inst->ops, &q->pops, op);
    op_rest(&inst->ops, op);
}

/* The same in another object. False: there is no memory, the message is lost and the pop has failed. */
bool take_elsewhere(struct instance *inst, struct queue *q, struct op *op, uint64_t header, demi_qresult_t *qr);

#endif /* LIBOS_CATNANO_GUEST_TAKE_H */
