/* SPDX-License-Identifier: MIT */
/* Messages in registers: see guest.h. */
#include "guest.h"

#include "core/complete.h"

#include <errno.h>
#include <nanopu/nanopu.h>
#include <stdlib.h>

#define CORES_MAX     64
#define BLOCK         8 /* words that are moved without a jump */
#define PRIORITY_LAST 255
#define CONTEXT_NONE  UINT64_MAX

/* A queue's words. */
enum nano_word {
    NANO_CONTEXT,  /* CONTEXT_NONE: not bound */
    NANO_PEER,     /* header of messages to the peer, of length 0; 0: not connected */
    NANO_PRIORITY, /* 0 first */
};

struct nano {
    struct queue *of[NANOPU_CONTEXTS]; /* by context */
    uint8_t order[NANOPU_CONTEXTS];    /* contexts in the order in which they are looked at: by priority */
    uint32_t bound;                    /* of them */
};

/* Contexts of each core that the hardware knows, and those that a socket has. */
static struct {
    uint8_t registered, taken;
} cores[CORES_MAX];

static inline struct nano *nano_of(struct instance *inst)
{
    return inst->net_state;
}

/* Reverses the bytes of a word (the machine's contract, section 1.4). */
static inline uint64_t swap_word(uint64_t word)
{
    uint64_t swapped;

    __asm__(".insn r 0x33, 2, 0x2a, %0, %1, zero" : "=r"(swapped) : "r"(word));
    return swapped;
}

/* The first eight bytes of a sockaddr_in (family, port, address) for a header's peer, and back. */
static inline uint64_t address_of_header(uint64_t header)
{
    uint64_t swapped = swap_word(header);

    return swapped << 32 | (swapped >> 16 & 0xffff0000) | AF_INET;
}

static inline uint64_t header_of_address(const struct sockaddr_in *in)
{
    uint64_t swapped;

    memcpy(&swapped, __builtin_assume_aligned(in, 8), sizeof(swapped));
    swapped = swap_word(swapped);
    return swapped << 32 | (swapped >> 16 & 0xffff0000);
}

static inline void enter(uint64_t context)
{
    if (UNLIKELY(nanopu_context() != context))
        nanopu_set_context((unsigned)context);
}

static void drop_words(unsigned words)
{
    for (unsigned i = 0; i < words; i++)
        (void)nanopu_rx();
    nanopu_msg_done();
}

static inline void take_words(uint64_t *to, unsigned bytes)
{
    unsigned words = bytes / 8;

    for (; words >= BLOCK; words -= BLOCK, to += BLOCK) {
#pragma GCC unroll 8
        for (unsigned i = 0; i < BLOCK; i++)
            to[i] = nanopu_rx();
    }
    for (; words != 0; words--)
        *to++ = nanopu_rx();
    if (bytes % 8 != 0)
        *to = nanopu_rx() >> (64 - bytes % 8 * 8);
}

/* The message at the head of the context's FIFO completes op, or is lost. False: op still waits. */
static bool receive(struct instance *inst, struct queue *q, struct op *op)
{
    uint64_t header = nanopu_rx();
    unsigned bytes = nanopu_header_bytes(header);
    uint64_t from[2] = {address_of_header(header), 0};
    uint64_t *to;

    if (UNLIKELY(q->word[NANO_PEER] != 0 && (header ^ q->word[NANO_PEER]) >> 16 != 0)) {
        drop_words(nanopu_words(bytes));
        COUNT(inst, dgram_dropped);
        return false;
    }
    op_unpend(inst, &q->pops, op);
    to = mem_alloc(&inst->mem, bytes, 1);
    if (UNLIKELY(to == NULL)) {
        drop_words(nanopu_words(bytes));
        COUNT(inst, dgram_dropped);
        op_fail(inst, op, ENOMEM);
        return true;
    }
    take_words(to, bytes);
    nanopu_msg_done();
    memcpy(&op->args.in, from, sizeof(from));
    if (UNLIKELY(op->len != 0 && op->len < bytes)) {
        COUNT(inst, dgram_dropped); /* the rest of it */
        bytes = op->len;
    }
    op_complete_pop(inst, op, to, (char *)to, bytes);
    return true;
}

/* Looks at every context that somebody pops from. */
static enum co_status look(struct instance *inst, struct op *task)
{
    struct nano *n = nano_of(inst);
    bool got = false;

    (void)task;
    for (uint32_t i = 0; i < n->bound; i++) {
        struct queue *q = n->of[n->order[i]];
        struct op *op = op_list_first(&inst->ops, &q->pops);

        if (op == NULL)
            continue;
        enter(q->word[NANO_CONTEXT]);
        for (; op != NULL && nanopu_ready(); op = op_list_first(&inst->ops, &q->pops))
            got |= receive(inst, q, op);
        if (got)
            break; /* what comes first goes first: the others' turn is when nothing is left here */
    }
    if (!got)
        nanopu_idle();
    return CO_AGAIN;
}

/* A context that was registered before: what came for it while nobody had it goes. */
static void clear_context(void)
{
    while (nanopu_ready())
        drop_words(nanopu_words(nanopu_header_bytes(nanopu_rx())));
}

/* Puts a context into the order of the looks. */
static void put_in_order(struct nano *n, struct queue *q, unsigned context)
{
    uint32_t at = n->bound++;

    n->of[context] = q;
    for (; at > 0 && n->of[n->order[at - 1]]->word[NANO_PRIORITY] > q->word[NANO_PRIORITY]; at--)
        n->order[at] = n->order[at - 1];
    n->order[at] = (uint8_t)context;
}

static int take_context(struct instance *inst, struct queue *q, unsigned context)
{
    unsigned core = nanopu_hart();

    if (core >= CORES_MAX)
        return error_set(&inst->error, ENOTSUP, "more than %d cores", CORES_MAX);
    for (unsigned c = 0; context == NANOPU_CONTEXTS && c < NANOPU_CONTEXTS; c++)
        if ((cores[core].taken >> c & 1) == 0)
            context = c;
    if (context == NANOPU_CONTEXTS || (cores[core].taken >> context & 1) != 0)
        return error_set(&inst->error, EADDRINUSE, "the context is another socket's on this core");
    cores[core].taken |= (uint8_t)(1u << context);
    q->word[NANO_CONTEXT] = context;
    put_in_order(nano_of(inst), q, context);
    if ((cores[core].registered >> context & 1) != 0) {
        nanopu_set_context(context);
        clear_context();
    } else {
        cores[core].registered |= (uint8_t)(1u << context);
        nanopu_register(context, (unsigned)q->word[NANO_PRIORITY]);
    }
    return 0;
}

static int nano_bind(struct instance *inst, struct queue *q, const struct sockaddr *addr, socklen_t len)
{
    struct sockaddr_in in;
    unsigned port;
    uint32_t ip;

    memcpy(&in, addr, len);
    ip = ntohl(in.sin_addr.s_addr);
    port = ntohs(in.sin_port);
    if (ip != INADDR_ANY && ip != nanopu_host_ip())
        return error_set(&inst->error, EADDRNOTAVAIL, "the address is not this host's");
    if (port >= NANOPU_CONTEXTS)
        return error_set(&inst->error, EADDRNOTAVAIL, "port %u: a port is a context, 0 to %d", port,
                         NANOPU_CONTEXTS - 1);
    return take_context(inst, q, port != 0 ? port : NANOPU_CONTEXTS);
}

/* A socket that sends has a context, for the answers. */
static int have_context(struct instance *inst, struct queue *q)
{
    return LIKELY(q->word[NANO_CONTEXT] != CONTEXT_NONE) ? 0 : take_context(inst, q, NANOPU_CONTEXTS);
}

static int nano_connect(struct instance *inst, struct queue *q, struct op *op, const struct sockaddr *addr,
                        socklen_t len)
{
    struct sockaddr_in in __attribute__((aligned(8)));
    int err = have_context(inst, q);

    if (err != 0)
        return err;
    memcpy(&in, addr, len);
    q->word[NANO_PEER] = header_of_address(&in);
    q->status = QUEUE_CONNECTED;
    op_complete_connect(inst, op);
    return 0;
}

/* Bytes that do not begin at a word of memory. */
static uint64_t gather_word(const char *from, unsigned bytes)
{
    uint64_t word = 0;

    for (unsigned i = 0; i < bytes; i++)
        word |= (uint64_t)(uint8_t)from[i] << 8 * i;
    return word;
}

static void send_unaligned(const char *from, unsigned bytes)
{
    for (; bytes >= 8; bytes -= 8, from += 8)
        nanopu_tx(gather_word(from, 8));
    if (bytes != 0)
        nanopu_tx(gather_word(from, bytes) << (64 - bytes * 8));
}

static inline void send_words(const uint64_t *from, unsigned bytes)
{
    unsigned words = bytes / 8;

    for (; words >= BLOCK; words -= BLOCK, from += BLOCK) {
#pragma GCC unroll 8
        for (unsigned i = 0; i < BLOCK; i++)
            nanopu_tx_from(&from[i]);
    }
    for (; words != 0; words--)
        nanopu_tx_from(from++);
    if (bytes % 8 != 0)
        nanopu_tx(gather_word((const char *)from, bytes % 8) << (64 - bytes % 8 * 8));
}

static int nano_push(struct instance *inst, struct queue *q, struct op *op)
{
    uint64_t header = q->word[NANO_PEER];
    int err;

    if (op->args.in.sin_family != AF_UNSPEC)
        header = header_of_address(&op->args.in);
    if (UNLIKELY(op->len > NANOPU_MESSAGE_BYTES_MAX))
        return error_set(&inst->error, EMSGSIZE, "a message has at most %d bytes", NANOPU_MESSAGE_BYTES_MAX);
    err = have_context(inst, q);
    if (UNLIKELY(err != 0))
        return err;
    if (UNLIKELY(q->status == QUEUE_FRESH))
        q->status = QUEUE_BOUND;
    enter(q->word[NANO_CONTEXT]);
    nanopu_tx(header | op->len);
    if (LIKELY(((uintptr_t)op->ptr & 7) == 0))
        send_words((const uint64_t *)(const void *)op->ptr, op->len);
    else
        send_unaligned(op->ptr, op->len);
    op_complete_push(inst, op);
    return 0;
}

static int nano_pop(struct instance *inst, struct queue *q, struct op *op)
{
    op_pend(inst, &q->pops, op);
    return 0;
}

static void nano_close(struct instance *inst, struct queue *q)
{
    struct nano *n = nano_of(inst);
    uint64_t context = q->word[NANO_CONTEXT];
    uint32_t to = 0;

    if (context == CONTEXT_NONE)
        return;
    for (uint32_t i = 0; i < n->bound; i++)
        if (n->order[i] != context)
            n->order[to++] = n->order[i];
    n->bound = to;
    cores[nanopu_hart()].taken &= (uint8_t) ~(1u << context);
}

static int nano_setsockopt(struct instance *inst, struct queue *q, int level, int name, const void *val, socklen_t len)
{
    int priority;

    if (level != SOL_SOCKET || name != SO_PRIORITY)
        return -ENOPROTOOPT;
    memcpy(&priority, val, len);
    if (priority > PRIORITY_LAST)
        return error_set(&inst->error, EINVAL, "a priority is 0 (first) to %d", PRIORITY_LAST);
    if (q->word[NANO_CONTEXT] != CONTEXT_NONE)
        return error_set(&inst->error, EINVAL, "the priority is given to the hardware by bind: set it before");
    q->word[NANO_PRIORITY] = (uint64_t)priority;
    return 0;
}

static int nano_getsockopt(struct instance *inst, struct queue *q, int level, int name, void *val, socklen_t *len)
{
    int value = 0;

    (void)inst;
    if (level != SOL_SOCKET || (name != SO_PRIORITY && name != SO_ERROR))
        return -ENOPROTOOPT;
    if (name == SO_PRIORITY)
        value = (int)q->word[NANO_PRIORITY];
    memcpy(val, &value, sizeof(value));
    *len = sizeof(value);
    return 0;
}

static int give(struct sockaddr_storage *addr, socklen_t *len, uint64_t header)
{
    uint64_t in[2] = {address_of_header(header), 0};

    memcpy(addr, in, sizeof(in));
    *len = sizeof(in);
    return 0;
}

static int nano_getpeername(struct instance *inst, struct queue *q, struct sockaddr_storage *addr, socklen_t *len)
{
    (void)inst;
    return give(addr, len, q->word[NANO_PEER]);
}

static int nano_getsockname(struct instance *inst, struct queue *q, struct sockaddr_storage *addr, socklen_t *len)
{
    bool bound = q->word[NANO_CONTEXT] != CONTEXT_NONE;

    (void)inst;
    return give(addr, len, nanopu_header(bound ? nanopu_host_ip() : 0, bound ? (unsigned)q->word[NANO_CONTEXT] : 0, 0));
}

static const struct queue_ops nano_ops = {
    .name = "catnano",
    .bind = nano_bind,
    .connect = nano_connect,
    .push = nano_push,
    .pop = nano_pop,
    .close = nano_close,
    .setsockopt = nano_setsockopt,
    .getsockopt = nano_getsockopt,
    .getpeername = nano_getpeername,
    .getsockname = nano_getsockname,
};

int catnano_enter(struct instance *inst, struct queue *q)
{
    if (q->ops != &nano_ops)
        return error_set(&inst->error, ENOTSUP, "not a socket of catnano");
    if (q->word[NANO_CONTEXT] == CONTEXT_NONE)
        return error_set(&inst->error, EDESTADDRREQ, "the socket is not bound");
    enter(q->word[NANO_CONTEXT]);
    return 0;
}

static int nano_socket(struct instance *inst, struct queue *q)
{
    if (q->domain != AF_INET)
        return error_set(&inst->error, ENOTSUP, "catnano: addresses are AF_INET");
    if (q->type != SOCK_DGRAM)
        return error_set(&inst->error, ENOTSUP, "catnano: sockets have messages (SOCK_RDM, SOCK_DGRAM), no streams");
    q->ops = &nano_ops;
    q->word[NANO_CONTEXT] = CONTEXT_NONE;
    return 0;
}

static int nano_init(struct instance *inst)
{
    int err;

    inst->net_state = calloc(1, sizeof(struct nano));
    if (inst->net_state == NULL)
        return error_set(&inst->error, ENOMEM, "no memory for catnano");
    err = instance_add_poller(inst, look, NULL, NULL);
    if (err != 0)
        free(inst->net_state);
    return err;
}

static void nano_fini(struct instance *inst)
{
    free(inst->net_state);
}

const struct libos libos_catnano_guest = {
    .name = "catnano",
    .what = "messages in the nanoPU's registers",
    .init = nano_init,
    .fini = nano_fini,
    .messages = true,
    .socket = nano_socket,
};
