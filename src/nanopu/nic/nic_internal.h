/* SPDX-License-Identifier: MIT */
/*
 * The NIC's modules (section 4 of the machine's contract), in the order in which a message passes them:
 *
 *   ingress    wire to parsed packets; control packets act on the sender's side here
 *   assemble   DATA packets to messages in receive buffers
 *   rxq        reassembled messages to the global receive queues, word by word
 *   jbsq       messages to cores: core selection and the links to the cores
 *   packetize  words of the cores' transmit FIFOs to packets in transmit buffers
 *   schedule   which packet of which message is sent next; timers
 *   pktgen     control packets, pacing of PULLs
 *   egress     arbiter between control and data, the wire
 *
 * Design. A module has one time in nic.next: when it must be called next. nic_advance calls the module with the
 * earliest, at equal times in the order of enum nic_module. Stages that cannot be contended are no modules: their
 * cycles are the constants below. A module that is blocked sets CYCLE_NEVER and is woken by the one that frees what it
 * waits for. Nothing is ticked, and each module's state is the state after its last event.
 */
#ifndef NANOPU_NIC_INTERNAL_H
#define NANOPU_NIC_INTERNAL_H

#include "nanopu/nic/hts_nic.h"
#include "nanopu/nic/nic.h"
#include "nanopu/view/probe.h"
#include "transport/msg_header.h"
#include "transport/transport.h"

/* Section 4.6: cycles from one place to the next when nothing is in the way. */
#define RX_META_CYCLES    16 /* first flit to the match-action result: NDP's, and Homa's */
#define RX_META_HOMA      20
#define RX_DATA_CYCLES    4 /* last flit of a 64-byte word to that word behind the parser */
#define DESCRIPTOR_CYCLES 1 /* last word of a message or packet to its descriptor */
#define RXQ_CYCLES        1 /* descriptor to the first word in the receive queue */
#define DECIDE_CYCLES     1 /* event in a queue to the decision about it */
#define HEADER_CYCLES     1 /* decision to the header word at the core */
#define SCHEDULE_CYCLES   2 /* descriptor to the packet at the arbiter */
#define CONTROL_CYCLES    2 /* match-action result to the control packet at the arbiter */
#define EGRESS_CYCLES     1 /* arbiter to the first flit */
#define TIMER_SCAN_CYCLES 2 /* one timer is looked at in so many cycles */
#define ACCEPT_TO_CORE    4 /* assembled to the header word at the core: the sum of the four in between */

#define DONE_TO_OTHER_CORE                                                                                             \
    6 /* msg_done to the first word of a message that waited for it at another core, at least                          \
       */

#define WORD_BYTES       64   /* of the internal datapath */
#define WORD_WORDS       8    /* core words in it */
#define EGRESS_WORDS     34   /* bound of the arbiter's and the deparser's packet queues, in 64-byte words */
#define GET_NEXT_ENTRIES 16   /* of a core */
#define DONE_ENTRIES     4096 /* messages remembered as delivered, quirks off */
#define CORES_MAX        64
#define IDS_MAX          256

enum nic_module {
    MOD_COMMAND,
    MOD_INGRESS,
    MOD_RXQ,
    MOD_LINK,
    MOD_JBSQ,
    MOD_PACKETIZE,
    MOD_TIMER,
    MOD_SCHEDULE,
    MOD_PACED,
    MOD_EGRESS,
    MODULES
};

/* ---- Buffers: two sizes, each with a stack of free ones ---- */

#define CLASSES 2

struct buf_class {
    uint8_t *mem;
    uint16_t *free;
    uint32_t bytes, count, free_count; /* bytes of one: a multiple of WORD_BYTES */
};

struct buf_pool {
    struct buf_class class[CLASSES];
};

struct buf {
    uint8_t class;
    uint16_t index;
};

int buf_pool_init(struct buf_pool *b, const struct params *p);
void buf_pool_fini(struct buf_pool *b);
/* Takes one of the smallest class that holds len bytes and has one left. False when there is none. */
bool buf_take(struct buf_pool *b, unsigned len, struct buf *out);
void buf_give(struct buf_pool *b, struct buf buf);
uint8_t *buf_data(const struct buf_pool *b, struct buf buf);

/* ---- Reception ---- */

struct rx_msg {
    uint64_t key;
    uint32_t src_ip;
    uint16_t src_context, dst_context, msg_len;
    bool used, complete;
    struct buf buf;
    struct msg_rx state;
    uint16_t tx_msg_id, buf_ptr; /* what its sender wants back */
    uint8_t buf_class;
    uint16_t hash_next; /* in the table of keys */
};

static inline const struct rx_msg *rx_of(const struct msg_rx *state)
{
    return (const struct rx_msg *)(const void *)((const char *)state - offsetof(struct rx_msg, state));
}

/* A reassembled message in a receive queue. */
struct rxq_msg {
    uint64_t header; /* word 0 as the core reads it */
    uint16_t msg_len, rx_id;
};

struct rxq {
    uint8_t (*words)[WORD_BYTES]; /* ring of context_rxq_words */
    struct rxq_msg *msgs;         /* ring of as many */
    uint32_t head, count;         /* words */
    uint32_t msg_head, msg_count;
    uint64_t cores; /* registered */
    int16_t outstanding[CORES_MAX];
};

struct timed {
    uint64_t cycle;
    uint16_t value;
};

/* What the narrower of a core holds, and get_next_msg of that core. */
struct core_link {
    uint64_t words[WORD_WORDS];
    uint8_t ctx, len, at;
    struct timed get_next[GET_NEXT_ENTRIES];
    uint8_t get_next_head, get_next_len;
};

/* ---- Sending ---- */

struct tx_msg {
    uint32_t dst_ip;
    uint16_t dst_context, src_context, msg_len;
    uint16_t generation; /* one more at the beginning and at the end of each use: odd while used */
    bool used;
    struct buf buf;
    struct msg_tx state;
    uint64_t deadline;
};

/* A message that a core is writing, for each of its contexts. */
struct tx_assembly {
    uint32_t words_left, written; /* written: words */
    uint16_t tx_id, generation;
    bool drop; /* its words are thrown away */
};

struct descriptor {
    uint64_t cycle, packets;
    uint16_t tx_id, generation;
};

enum { SCHED_INIT, SCHED_CREDIT, SCHED_TIMEOUT, SCHEDULERS };

struct sched_queue {
    struct descriptor *ring; /* sched_entries of them */
    uint32_t head, len;
};

struct control {
    uint64_t cycle; /* at the arbiter */
    struct msg_header h;
};

/* NDP's are all in the first; Homa's ACKs go before NACKs before GRANTs. */
enum { CONTROL_ACK, CONTROL_NACK, CONTROL_GRANT, CONTROL_QUEUES };

struct control_queue {
    struct control *ring; /* sched_entries of them */
    uint32_t head, len;
};

struct egress_packet {
    uint64_t cycle; /* at the arbiter */
    struct packet *p;
    uint8_t words;
};

struct nic {
    struct nic_config c;
    const struct params *p;
    struct probe *probe;
    const struct transport *transport;
    struct msg_receiver receiver; /* and the options */
    uint8_t ip_protocol;
    unsigned meta_cycles; /* RX_META_ */
    uint64_t now;         /* everything before it has happened */
    uint64_t next[MODULES];
    struct nic_stats stats;
    enum nic_fault fault;

    /* ingress and assemble */
    struct packet *rx_head,
        *rx_tail; /* on the wire or in the input queue; first_flit_cycle: of entry into the parser */
    uint64_t parser_free;
    uint64_t rx_done;   /* last word of the head packet accepted by assemble */
    bool rx_classified; /* the head packet's match-action result is there, its payload goes to rx_id */
    uint16_t rx_id;
    struct msg_header rx_h;
    struct buf_pool rx_bufs;
    struct rx_msg *rx;
    uint32_t ids; /* messages in reception at most, and in transmission */
    uint16_t *rx_free;
    uint32_t rx_free_count;
    uint16_t rx_hash[IDS_MAX]; /* first id of a chain */
    uint64_t *done_keys;       /* messages delivered not long ago, or NULL */

    /* rxq */
    struct timed *completed; /* ring of ids: descriptors */
    uint32_t completed_head, completed_len;
    bool rxq_active; /* rxq_id is being copied, rxq_word is next */
    uint16_t rxq_id;
    uint32_t rxq_word, rxq_total; /* rxq_total: words in all receive queues */
    struct rxq rxq[HTS_CONTEXTS];

    /* jbsq */
    struct timed *notes; /* ring of ids: enqueue notifications */
    uint32_t notes_head, notes_len;
    uint64_t jbsq_free;
    enum { JBSQ_IDLE, JBSQ_HEADER, JBSQ_WORDS } jbsq_state;
    uint8_t jbsq_ctx, jbsq_core;
    uint32_t jbsq_left; /* core words of the message still to be loaded */
    uint64_t registered_at;
    int32_t waiting[CORES_MAX]; /* context of a registration that waits, -1: none */
    struct core_link *links;

    /* packetize */
    struct tx_assembly (*assembly)[HTS_CONTEXTS];
    uint64_t packetize_free;
    unsigned served_core, served_ctx; /* the last */
    uint64_t served_at;
    bool tx_blocked;
    unsigned blocked_core;
    struct buf_pool tx_bufs;
    struct tx_msg *tx;
    uint16_t *tx_free; /* ring of ids: used in the order in which they were freed */
    uint32_t tx_free_head, tx_free_count;

    /* schedule, timers */
    struct sched_queue sched[SCHEDULERS];
    struct descriptor sending; /* packets: those still to go */
    uint64_t sched_free;
    uint32_t armed;
    uint64_t scan_shift; /* cycles by which the scan of the timers lags */

    /* pktgen */
    struct control *paced; /* rings of sched_entries */
    uint32_t paced_head, paced_len;
    uint64_t token_cycle, control_event; /* the token is there from this cycle on; cycle of the last event */
    struct control_queue control[CONTROL_QUEUES];
    uint32_t control_len; /* in all of them */

    /* egress */
    struct egress_packet data[EGRESS_WORDS];
    uint32_t data_head, data_len, data_words;
    struct timed deparser[EGRESS_WORDS]; /* cycle: of the first flit, value: words */
    uint32_t deparser_head, deparser_len, deparser_words;
    uint64_t arbiter_free, wire_free;
};

/* ---- Modules: each takes the cycle of its event and sets its next ---- */

void ingress_event(struct nic *nic, uint64_t t);
void rxq_event(struct nic *nic, uint64_t t);
void link_event(struct nic *nic, uint64_t t);
void jbsq_event(struct nic *nic, uint64_t t);
void command_event(struct nic *nic, uint64_t t);
void packetize_event(struct nic *nic, uint64_t t);
void timer_event(struct nic *nic, uint64_t t);
void schedule_event(struct nic *nic, uint64_t t);
void paced_event(struct nic *nic, uint64_t t);
void egress_event(struct nic *nic, uint64_t t);

/* ---- What they ask of each other ---- */

/* The cycle in which assemble takes the last word of a packet whose first flit came at `start`. */
uint64_t assemble_last_cycle(const struct nic *nic, uint64_t start, unsigned flits);
/* A DATA packet: finds or makes its message and replies. False: it is dropped, and counted. */
bool assemble_data(struct nic *nic, const struct packet *p, const struct msg_header *h, uint64_t t, uint16_t *rx_id);
/* Its payload, all of it; completes the message with the last. */
void assemble_payload(struct nic *nic, const struct packet *p, const struct msg_header *h, uint16_t rx_id, uint64_t t);
/* The message has left its buffer. */
void assemble_release(struct nic *nic, uint16_t rx_id);

void rxq_wake(struct nic *nic, uint64_t t);
void jbsq_notify(struct nic *nic, uint8_t ctx, uint64_t t);
void jbsq_word(struct nic *nic, unsigned ctx, uint64_t t); /* one more is in the receive queue of ctx */
/* The first cycle in which the cores' commands want to be looked at, and words of their transmit FIFOs. */
uint64_t command_next(const struct nic *nic);
uint64_t packetize_next(const struct nic *nic);
void packetize_wake(struct nic *nic, uint64_t t);

/* A control packet came for a message being sent. */
void sender_control(struct nic *nic, const struct msg_header *h, uint64_t t);
void schedule_packets(struct nic *nic, unsigned queue, uint16_t tx_id, uint64_t packets, uint64_t t);
void schedule_wake(struct nic *nic, uint64_t t);
void timer_start(struct nic *nic, uint16_t tx_id, uint64_t t);
void timer_cancel(struct nic *nic, uint16_t tx_id);

/* An answer to a DATA packet: what the transport says, the rest from the message whose sender it goes to. */
void pktgen_answer(struct nic *nic, const struct msg_header *data, const struct msg_control *answer, uint64_t t);

/* Whether a packet of so many 64-byte words fits into the arbiter's queue; puts it there. */
bool egress_room(const struct nic *nic, unsigned words);
void egress_data(struct nic *nic, struct packet *p, unsigned words, uint64_t t);
void egress_wake(struct nic *nic); /* a control packet is in its queue */

/* ---- Small things ---- */

static inline void earlier(struct nic *nic, enum nic_module m, uint64_t t)
{
    if (t < nic->next[m])
        nic->next[m] = t;
}

static inline uint64_t later_of(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static inline void nic_fail(struct nic *nic, enum nic_fault f)
{
    if (nic->fault == NIC_NO_FAULT)
        nic->fault = f;
}

void nic_tell(struct nic *nic, struct probe_event e);
void nic_tell_drop(struct nic *nic, uint64_t t, const struct packet *p, enum nic_counter why);

#define NIC_TELL(nic, what, ...)                                                                                       \
    do {                                                                                                               \
        if (probe_wants((nic)->probe, PROBE_##what))                                                                   \
            nic_tell(nic, (struct probe_event){.kind = PROBE_##what, __VA_ARGS__});                                    \
    } while (0)
#define NIC_DROP(nic, t, p, why)                                                                                       \
    do {                                                                                                               \
        (nic)->stats.why++;                                                                                            \
        nic_tell_drop(nic, t, p, NIC_COUNTER_##why);                                                                   \
    } while (0)

#endif /* NANOPU_NIC_INTERNAL_H */
