/* SPDX-License-Identifier: MIT */
/*
 * Every parameter of the machine, in one list: key in the topology file and after `--set`, type, the values of both
 * profiles, the bounds, and what it is. Cycles are of the one clock (3.2 GHz). A quirk of the prototype (section 10 of
 * the machine's contract) is a parameter of type flag whose name begins with quirk_; it is on in its profile and can be
 * switched off by name.
 */
#ifndef NANOPU_SIM_PARAMS_H
#define NANOPU_SIM_PARAMS_H

#include "core/base.h"
#include "transport/transport.h"

#define CLOCK_MHZ 3200

/* P(name, profile osdi21, profile homa, minimum, maximum, help) */
#define NANOPU_PARAMS(P)                                                                                               \
    /* host */                                                                                                         \
    P(cores, 4, 4, 1, 64, "harts of a host")                                                                           \
    P(memory_mib, 256, 256, 64, 16384, "DRAM of a host at 0x80000000, reserved and filled as it is touched")           \
    P(timing, 1, 1, 0, 1, "1: cycle-level timing; 0: one cycle an instruction, for speed")                             \
    P(quantum, 32, 32, 1, 100000, "cycles that one hart of a host may run ahead of another")                           \
    P(idle_skip, 1, 1, 0, 1, "polling that changes nothing is added up arithmetically; 0: it is executed")             \
    P(reservation_cycles, 80, 80, 1, 1000000000, "cycles after lr in which sc can succeed")                            \
    P(mtime_cycles, 3200, 3200, 1, 1000000, "cycles in a tick of mtime")                                               \
    P(strict, 0, 0, 0, 1, "1: where the prototype's assertions fail, the run fails; 0: it is counted")                 \
    P(htif_cycles, 2000, 2000, 1, 100000000, "cycles from a store to tohost to its answer")                            \
    P(boot_stagger, 40, 40, 0, 100000, "cycles between the starts of neighbouring harts")                              \
    /* NIC */                                                                                                          \
    P(transport, 0, 1, 0, 1, "0: NDP; 1: Homa")                                                                        \
    P(ip_protocol, 0, 0, 0, 254, "IP protocol number; 0: 153, in profile homa 155 for NDP and 154 for Homa")           \
    P(control_pad, 64, 1, 1, 960, "bytes after the header of a control packet")                                        \
    P(contexts, 4, 4, 1, 4, "contexts (ports) of a NIC")                                                               \
    P(max_msg_bytes, 2048, 38912, 1024, 65535, "longest message")                                                      \
    P(buffers_small, 64, 0, 0, 128, "buffers of 1024 bytes, for reception and for sending each")                       \
    P(buffers_large, 64, 16, 1, 128, "buffers of max_msg_bytes, for reception and for sending each")                   \
    P(key_ip_bits, 7, 4, 1, 16, "low bits of a source address in the reassembly key")                                  \
    P(key_id_bits, 7, 4, 1, 16, "low bits of a message id in the reassembly key")                                      \
    P(global_rxq_words, 256, 252, 8, 65536, "64-byte words in the global receive queues")                              \
    P(context_rxq_words, 64, 63, 4, 65536, "64-byte words of one context there")                                       \
    P(jbsq_bound, 2, 2, 1, 255, "messages outstanding at a core and context: JBSQ(n)")                                 \
    P(core_rx_words, 2048, 2048, 16, 65536, "words in a core's receive FIFOs")                                         \
    P(core_rx_context_words, 512, 512, 8, 65536, "words of one context there")                                         \
    P(core_tx_words, 1024, 1024, 8, 65536, "words in a core's transmit FIFO")                                          \
    P(input_flits, 272, 272, 16, 65536, "flits in the input queue")                                                    \
    P(sched_entries, 256, 256, 16, 65536, "descriptors in each of the packet schedulers and control queues")           \
    P(pull_interval, 122, 122, 0, 1000000, "cycles between two PULLs")                                                 \
    P(rtt_pkts, 2, 2, 1, 255, "packets that a sender may send unasked")                                                \
    P(timeout_cycles, 4480, 4480, 64, 1000000000, "retransmission timeout")                                            \
    P(msg_cycles, 3000, 3000, 1, 1000000000, "reset value of lmsgcycles, the bounded processing time")                 \
    P(idle_cycles, 3000, 3000, 1, 1000000000, "reset value of lidlecycles, the idle rotation")                         \
    P(quirk_pulse_unlatched, 1, 1, 0, 1, "an LNIC interrupt that is not taken in its cycle is lost")                   \
    P(quirk_demote_forever, 1, 1, 0, 1, "bounded processing time demotes a context for good")                          \
    P(quirk_four_contexts, 1, 1, 0, 1, "with four registered contexts idle rotation is off")                           \
    P(quirk_ctx_alias, 1, 1, 0, 1, "context 0xffff shares the entry of context 3")                                     \
    P(quirk_empty_pop, 1, 1, 0, 1, "a read of an empty netRX gives 0 (off: the run fails)")                            \
    P(quirk_no_ack_dup, 1, 0, 0, 1, "a duplicate DATA packet is not acknowledged again")                               \
    P(quirk_homa_dup, 1, 1, 0, 1, "Homa: a duplicate DATA packet is dropped without a word")                           \
    P(quirk_no_nack_full, 1, 1, 0, 1, "NDP: no NACK when there is no receive buffer")                                  \
    P(quirk_first_timeout, 1, 1, 0, 1, "a first timeout can resend packet 0 only")                                     \
    P(quirk_pull_overwrites, 1, 1, 0, 1, "a PULL sets the credit even when it lowers it")                              \
    P(quirk_pull_always, 1, 1, 0, 1, "every packet makes a PULL, also of a message of one packet")                     \
    P(quirk_hol_global, 1, 1, 0, 1, "a full context blocks the completed messages of all")                             \
    P(quirk_tx_strict, 1, 1, 0, 1, "packetization serves the lowest core first, and waits for it")                     \
    P(quirk_done_underflow, 1, 1, 0, 1, "msg_done without a message lowers the JBSQ count below zero")                 \
    P(quirk_key_truncated, 1, 1, 0, 1, "the reassembly key has the low bits alone")                                    \
    P(quirk_no_rx_check, 1, 1, 0, 1, "destination addresses are not looked at, IP checksums are 0")                    \
    P(quirk_double_free, 1, 0, 0, 1, "a second complete ACK frees a message id twice (guarded, counted)")              \
    /* the conventional NIC */                                                                                         \
    P(nic, 0, 0, 0, 1, "what a host has: 0, registers: the nanoPU's NIC; 1, rings: a conventional one")                \
    P(ring_doorbell_cycles, 15, 15, 1, 100000, "cycles from a store to a register of it until it acts")                \
    P(ring_dma_cycles, 24, 24, 1, 100000, "cycles from its request to the first byte of a line in the shared cache")   \
    P(ring_dma_lines, 8, 8, 1, 64, "lines of 64 bytes that it has under way at once, each way")                        \
    P(ring_bus_bytes, 8, 8, 1, 64, "bytes a cycle between it and the cache, each way")                                 \
    P(ring_wire_cycles, 4, 4, 0, 100000, "cycles between the wire and its own memory, each way")                       \
    P(ring_irq_cycles, 20, 20, 1, 100000, "cycles from a packet that is there to the interrupt at the hart")           \
    P(ring_input_bytes, 65536, 65536, 2048, 1000000000, "what it can hold of packets that were received")              \
    /* memory hierarchy */                                                                                             \
    P(l1_sets, 64, 64, 1, 4096, "sets of each first-level cache")                                                      \
    P(l1_ways, 4, 4, 1, 16, "ways of each first-level cache")                                                          \
    P(l2_kib, 1024, 1024, 16, 65536, "second-level cache, shared by the harts")                                        \
    P(l2_ways, 8, 8, 1, 32, "ways of the second-level cache")                                                          \
    P(l2_cycles, 38, 38, 1, 1000, "cycles from a miss in the first level to the use of a word of the second")          \
    P(llc_kib, 4096, 4096, 64, 262144, "last-level cache model")                                                       \
    P(llc_ways, 8, 8, 1, 32, "its ways; lines of 128 bytes")                                                           \
    P(llc_cycles, 66, 66, 1, 1000, "cycles that a miss in the second level adds when the last level has it")           \
    P(dram_cycles, 4, 4, 1, 1000, "cycles that a miss there adds besides the DRAM's own timing")                       \
    P(mmio_cycles, 30, 30, 1, 1000, "cycles of an uncached access")                                                    \
    /* fabric: defaults that a topology's links and switches can override */                                           \
    P(link_cycles, 140, 140, 1, 1000000, "latency of a link")                                                          \
    P(switch_cycles, 0, 0, 0, 1000000, "switching latency")                                                            \
    P(queue_high_bytes, 92480, 92480, 64, 1000000000, "limit of a switch port's high-priority queue")                  \
    P(queue_low_bytes, 92480, 92480, 64, 1000000000, "limit of a switch port's low-priority queue")                    \
    P(trimming, 1, 0, 0, 1, "a switch cuts the payload of DATA that does not fit")

#define NANOPU_PARAM_FIELD(name, osdi21, homa, low, high, help) int64_t name;
struct params {
    NANOPU_PARAMS(NANOPU_PARAM_FIELD)
    const char *profile; /* "osdi21" or "homa" */
};
#undef NANOPU_PARAM_FIELD

/* Fills in the profile's values. Returns 0, or -ENOENT when no profile has this name. */
int params_profile(struct params *p, const char *profile);

/*
 * Sets one by key and text (a number; "on", "off", "true", "false" for flags; "ndp", "homa" for transport; "registers",
 * "rings" for nic). Returns 0; -ENOENT for an unknown key, with *nearest (when not NULL) the known key most like it or
 * NULL when none is comparable; -ERANGE outside the bounds; -EINVAL otherwise.
 */
int params_set(struct params *p, const char *key, const char *value, const char **nearest);

const struct transport *params_transport(const struct params *p);
uint8_t params_ip_protocol(const struct params *p);

struct param_info {
    const char *key, *help;
    int64_t osdi21, homa, low, high;
    size_t offset;
};
extern const struct param_info param_list[];
extern const size_t param_list_len;

int64_t params_get(const struct params *p, const struct param_info *info);

#endif /* NANOPU_SIM_PARAMS_H */
