/* SPDX-License-Identifier: MIT */
/* The NIC's side of a core's FIFOs: what it puts in and takes out. For src/nanopu/nic and its tests. */
#ifndef NANOPU_NIC_HTS_NIC_H
#define NANOPU_NIC_HTS_NIC_H

#include "nanopu/nic/hts.h"

/* ---- Towards the core ---- */

/* How many words of ctx the FIFOs take now, words that are on their way counted in. */
unsigned hts_room(const struct hts *h, unsigned ctx);

/* The first cycle in which the link to the core is free: one word a cycle, nothing while a context is registered. */
uint64_t hts_link_free(const struct hts *h);

/*
 * A word of a message enters the FIFO of ctx at cycle; first: it is the message's header word. There must be room, the
 * link free, and the hart must not have committed anything at that cycle or later.
 */
void hts_enqueue(struct hts *h, unsigned ctx, uint64_t cycle, uint64_t word, bool first);

/* ---- From the core ---- */

struct hts_tx_word {
    uint64_t word, cycle; /* of the write: the NIC may accept it from cycle + 1 */
    uint16_t ctx;
};

enum hts_command_kind { HTS_REGISTER, HTS_GET_NEXT };

struct hts_command {
    uint64_t cycle; /* in which the NIC sees it */
    enum hts_command_kind kind;
    uint16_t ctx;
};

/* The oldest, or NULL; *_take removes it. */
const struct hts_tx_word *hts_tx_head(const struct hts *h);
void hts_tx_take(struct hts *h);
const struct hts_command *hts_command_head(const struct hts *h);
void hts_command_take(struct hts *h);

/* Words that the transmit FIFO takes before it is full. */
unsigned hts_tx_room(const struct hts *h);

/* Something that the guest did wrong was found by the NIC. */
void hts_fail(struct hts *h, enum hts_error e);

#endif /* NANOPU_NIC_HTS_NIC_H */
