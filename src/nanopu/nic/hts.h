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
 * What one does and the other sees goes through this object alone. The hart's words of netTX and its commands to the
 * NIC (register a context, get_next_msg) are queued here with their cycles and the NIC takes them in order of time
 * (hts_nic.h); the NIC's words come with the cycle in which they enter the FIFO, which may lie ahead.
 */
#ifndef NANOPU_NIC_HTS_H
#define NANOPU_NIC_HTS_H

#include "nanopu/sim/params.h"

#define HTS_CONTEXTS   4
#define CTX_NANOKERNEL 0xffff
#define CYCLE_NEVER    UINT64_MAX

struct hts;

/* What a guest did wrong, for the report that ends a run; HTS_OK when all is well. */
#define HTS_ERRORS(E)                                                                                                  \
    E(TX_OVERFLOW, "netTX was written with the transmit FIFO full: the word is lost")                                  \
    E(TX_LENGTH, "a message to be sent has length 0 or is longer than max_msg_bytes: it is dropped")                   \
    E(RX_EMPTY, "netRX was read empty")                                                                                \
    E(DONE_UNDERFLOW, "msg_done without a message outstanding")                                                        \
    E(COMMAND_LOST, "commands to the NIC came faster than it takes them: one is lost")                                 \
    E(INSERT_LOSS, "a context was registered that had words in its receive FIFO: they are lost")

#define HTS_ERROR_ENUM(name, text) HTS_##name,
enum hts_error { HTS_OK, HTS_ERRORS(HTS_ERROR_ENUM) HTS_ERROR_COUNT };
#undef HTS_ERROR_ENUM

/* Returns NULL when memory is short. The pointer stays valid until hts_free. */
struct hts *hts_new(const struct params *p, unsigned core);
void hts_free(struct hts *h);

/*
 * netRX: takes the head word of the current context's FIFO for an instruction that commits at cycle. A word that
 * entered at q is there for commits from q + 4 (decode at q + 1). Returns 0 and takes nothing when there is none.
 */
uint64_t hts_pop(struct hts *h, uint64_t cycle);

/*
 * The instruction of the last hts_pop, at the same cycle, was killed by a trap: the word that it took, if it took one,
 * is at the head again. Nothing has happened in between.
 */
void hts_unpop(struct hts *h, uint64_t cycle);

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

/*
 * As if idle (0x056 <- 2) were written at first, first + period and so on, count times, with an empty FIFO, nothing
 * else in between and period below lmsgcycles: for skipping loops that idle. The caller knows from hts_next_change and
 * hts_next_pulse that nothing happens that it would notice.
 */
void hts_idle_turns(struct hts *h, uint64_t first, uint64_t period, uint64_t count);

/* The hart took the interrupt of a pulse at cycle: with quirk_pulse_unlatched off a pulse waits until then. */
void hts_pulse_taken(struct hts *h, uint64_t cycle);

/* The first error of the run, HTS_OK if there was none, and an error in words. Each has a counter below as well. */
enum hts_error hts_error(const struct hts *h);
const char *hts_error_text(enum hts_error e);

/* S(name, help) */
#define HTS_COUNTERS(S)                                                                                                \
    S(rx_words, "words that entered the receive FIFOs")                                                                \
    S(tx_words, "words written to netTX")                                                                              \
    S(empty_pops, "reads of netRX that found nothing")                                                                 \
    S(msgs_done, "msg_done commands")                                                                                  \
    S(idles, "idle commands")                                                                                          \
    S(pulses, "interrupt pulses")                                                                                      \
    S(demotions, "contexts demoted by the bounded processing time")                                                    \
    S(rotations, "idle rotations")                                                                                     \
    S(errors, "errors of the guest")

#define HTS_COUNTER_FIELD(name, help) uint64_t name;
struct hts_stats {
    HTS_COUNTERS(HTS_COUNTER_FIELD)
};
#undef HTS_COUNTER_FIELD
const struct hts_stats *hts_stats(const struct hts *h);

#endif /* NANOPU_NIC_HTS_H */
