/* SPDX-License-Identifier: MIT */
/*
 * A core's side of the NIC: its receive FIFO of each context, its transmit FIFO, the network CSRs and the hardware
 * thread scheduler (sections 1.2, 1.3, 1.5 and 3 of the machine's contract).
 *
 * The hart calls this at commit, with the cycle in which the instruction is in its last stage (WB). It calls in the
 * order of commits and never with a cycle for which the NIC may still have to deliver something: whoever drives both
 * first runs every hart up to a horizon, then the NIC (see sim/host.h). So the state here is exact at each call, and
 * nothing has to be ticked: timers are kept as the cycle in which they were last reset.
 *
 * What one does and the other sees goes through this object alone:
 *   hart -> NIC   words of netTX, register-a-context commands, get_next_msg: queued here with their cycles; the NIC
 * takes them in order of time (hts_take_*) NIC -> hart   hts_enqueue: a word with the cycle in which it enters the FIFO
 */
#ifndef NANOPU_NIC_HTS_H
#define NANOPU_NIC_HTS_H

#include "nanopu/sim/params.h"

#define HTS_CONTEXTS   4
#define CTX_NANOKERNEL 0xffff
#define CYCLE_NEVER    UINT64_MAX

struct hts;

/* What a guest did wrong, for the report that ends a run; HTS_OK when all is well. */
enum hts_error {
    HTS_OK,
    HTS_TX_OVERFLOW,   /* netTX was written with the transmit FIFO full: the word is lost */
    HTS_TX_LENGTH,     /* a message header with length 0 or more than max_msg_bytes */
    HTS_RX_EMPTY,      /* netRX was read empty, with quirk_empty_pop off */
    HTS_DONE_UNDERFLOW /* msg_done without a message outstanding */
};

/* Returns NULL when memory is short. The pointer stays valid until hts_free. */
struct hts *hts_new(const struct params *p, unsigned core);
void hts_free(struct hts *h);

/*
 * netRX: takes the head word of the current context's FIFO for an instruction that commits at cycle. A word that
 * entered at q is there for commits from q + 4 (decode at q + 1). Returns 0 and takes nothing when there is none.
 */
uint64_t hts_pop(struct hts *h, uint64_t cycle);

/* netTX: appends a word, tagged with the current context. The NIC can accept it from cycle + 1. */
void hts_push(struct hts *h, uint64_t cycle, uint64_t word);

/* The network CSRs 0x052 to 0x061. csr_write gives the new value after csrrs/csrrc's arithmetic. */
bool hts_is_csr(unsigned csr);
uint64_t hts_csr_read(struct hts *h, uint64_t cycle, unsigned csr);
void hts_csr_write(struct hts *h, uint64_t cycle, unsigned csr, uint64_t value);

/*
 * The first cycle at or after `from` in which an interrupt pulse comes if neither the hart nor the NIC does anything in
 * between; CYCLE_NEVER if there is none. Exact; cheap enough to be asked after each network CSR write and each arrival.
 */
uint64_t hts_next_pulse(struct hts *h, uint64_t from);

/* The first cycle after `from` in which a CSR reads differently than at `from`, nobody doing anything: for skipping. */
uint64_t hts_next_change(struct hts *h, uint64_t from);

/* The NIC's side. A word of a message enters the FIFO of ctx at cycle; first: it is the message's header word.
 * hts_can_enqueue tells if it can (512 words a context, no insert command in that cycle). */
bool hts_can_enqueue(const struct hts *h, unsigned ctx, uint64_t cycle);
void hts_enqueue(struct hts *h, unsigned ctx, uint64_t cycle, uint64_t word, bool first);

enum hts_error hts_error(const struct hts *h);

#endif /* NANOPU_NIC_HTS_H */
