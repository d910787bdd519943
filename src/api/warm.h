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
#include "libos/catnano/guest_words.h"

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

static inline int warm_pushto(demi_qtoken_t *qt_out, const struct sockaddr *dest, uint64_t at, uint64_t len)
{
    struct instance *inst = api_self.inst;

    nanopu_tx(words_header(dest) | len);
    words_send((const void *)(uintptr_t)at, len);
    return op_pushed(inst, inst->warm.queue, qt_out, (uint32_t)len);
}
#endif

#endif /* API_WARM_H */
