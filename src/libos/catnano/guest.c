/* SPDX-License-Identifier: MIT */
/* Messages in registers: see guest.h. */
#include "guest.h"

#include "guest_context.h"
#include "guest_option.h"
#include "guest_take.h"
#include "guest_words.h"

#include "core/complete.h"

#include <errno.h>
#include <stdlib.h>

#define MESSAGE_USUAL 64      /* bytes of the first message, as long as nothing is known */
#define LOOKS         32      /* in one turn of a wait: half a microsecond at most */
#define AWAIT_SECONDS 1000000 /* the longest timeout that is waited for here */
#define BOUND_CYCLES  16000   /* lmsgcycles: a first message takes over 3000, with nothing in the caches */

struct nano {
    struct queue *of[NANOPU_CONTEXTS]; /* by context */
    uint8_t order[NANOPU_CONTEXTS];    /* contexts in the order in which they are looked at: by priority */
    uint32_t bound;                    /* of them */
};

static const struct queue_ops nano_ops;

static inline struct nano *nano_of(struct instance *inst)
{
    return inst->net_state;
}

/* Puts a context into the order of the looks. */
static void put_in_order(struct instance *inst, struct queue *q, unsigned context)
{
    struct nano *n = nano_of(inst);
    uint32_t at = n->bound++;

    n->of[context] = q;
    for (; at > 0 && n->of[n->order[at - 1]]->word[NANO_PRIORITY] > q->word[NANO_PRIORITY]; at--)
        n->order[at] = n->order[at - 1];
    n->order[at] = (uint8_t)context;
    inst->only = n->bound == 1 ? q : NULL;
    take_forgets(inst);
}

/* The context, or any free one with NANOPU_CONTEXTS. */
static int take_context(struct instance *inst, struct queue *q, unsigned context)
{
    int err = context_take(inst, q, context);

    if (err == 0)
        put_in_order(inst, q, (unsigned)q->word[NANO_CONTEXT]);
    return err;
}

static void send_unaligned(const char *from, uint32_t bytes)
{
    struct iovec iov = {(void *)(uintptr_t)from, bytes};

    words_send_packed(&iov, 1);
}

static inline void emit(uint64_t header, const char *bytes, uint32_t len)
{
    nanopu_tx(header | len);
    if (LIKELY(((uintptr_t)bytes & 7) == 0))
        words_send(bytes, len);
    else
        send_unaligned(bytes, len);
}

/* May the queue send that many bytes? Makes its context the current one. */
static int prepare(struct instance *inst, struct queue *q, uint32_t len) __attribute__((noinline));
static int prepare(struct instance *inst, struct queue *q, uint32_t len)
{
    if (len > NANOPU_MESSAGE_BYTES_MAX)
        return error_set(&inst->error, EMSGSIZE, "a message has at most %d bytes", NANOPU_MESSAGE_BYTES_MAX);
    if (q->word[NANO_CONTEXT] == CONTEXT_NONE) {
        int err = take_context(inst, q, NANOPU_CONTEXTS);

        if (err != 0)
            return err;
        q->status = QUEUE_BOUND;
    }
    context_enter(q->word[NANO_CONTEXT]);
    return 0;
}

static int nano_send(struct instance *inst, struct queue *q, demi_qtoken_t *qt_out, const char *bytes, uint32_t len,
                     const struct sockaddr *dest);

/* What the short ways leave. */
static int send_slow(struct instance *inst, struct queue *q, demi_qtoken_t *qt_out, const char *bytes, uint32_t len,
                     const struct sockaddr *dest) __attribute__((noinline));
static int send_slow(struct instance *inst, struct queue *q, demi_qtoken_t *qt_out, const char *bytes, uint32_t len,
                     const struct sockaddr *dest)
{
    int err = prepare(inst, q, len);

    return err != 0 ? err : nano_send(inst, q, qt_out, bytes, len, dest);
}

static inline bool may_send(const struct queue *q, uint32_t len)
{
    return LIKELY(len <= NANOPU_MESSAGE_BYTES_MAX && nanopu_csr_read(NANOPU_CSR_lcurcontext) == q->word[NANO_CONTEXT]);
}

static int nano_send(struct instance *inst, struct queue *q, demi_qtoken_t *qt_out, const char *bytes, uint32_t len,
                     const struct sockaddr *dest)
{
    if (!may_send(q, len))
        return send_slow(inst, q, qt_out, bytes, len, dest);
    emit(dest != NULL ? words_header(dest) : q->word[NANO_PEER], bytes, len);
    return op_pushed(inst, q, qt_out, len);
}

static int nano_sendv(struct instance *inst, struct queue *q, const struct iovec *iov, int n, uint32_t total,
                      const struct sockaddr *dest)
{
    if (!may_send(q, total)) {
        int err = prepare(inst, q, total);

        if (err != 0)
            return err;
    }
    nanopu_tx(words_header(dest) | total);
    for (; n > 0; n--, iov++) {
        if (UNLIKELY((((uintptr_t)iov->iov_base | (n > 1 ? iov->iov_len : 0)) & 7) != 0)) {
            words_send_packed(iov, n);
            break;
        }
        words_send(iov->iov_base, iov->iov_len);
    }
    trace_add(&inst->trace, TRACE_PUSH, 0, (uint32_t)q->qd, total);
    COUNT(inst, pushes);
    COUNT_ADD(inst, push_bytes, total);
    return 0;
}

/* The bytes of the message whose header was read, in an object with one reference; NULL: they are lost. */
static inline void *take_message(struct instance *inst, struct queue *q, uint64_t header, uint32_t ref)
{
    unsigned bytes = nanopu_header_bytes(header);
    uint64_t *to = mem_alloc(&inst->mem, bytes, ref);

    if (UNLIKELY(to == NULL)) {
        context_drop(header);
        COUNT(inst, dgram_dropped);
        return NULL;
    }
    words_take(to, bytes);
    q->word[NANO_FLAGS] |= NANO_OWED;
    return to;
}

/* Does a connected socket not want it? Then it is gone. */
static inline bool is_foreign(struct instance *inst, const struct queue *q, uint64_t header)
{
    if (LIKELY(q->word[NANO_PEER] == 0 || (header ^ q->word[NANO_PEER]) >> 16 == 0))
        return false;
    context_drop(header);
    COUNT(inst, dgram_dropped);
    return true;
}

/* The message at the head of the context's FIFO completes op, or is lost. False: op still waits. */
static bool receive(struct instance *inst, struct queue *q, struct op *op)
{
    uint64_t header = nanopu_rx();
    uint64_t from[2] = {words_address(header), 0};
    uint32_t bytes = nanopu_header_bytes(header);
    void *obj;

    if (is_foreign(inst, q, header))
        return false;
    op_unpend(inst, &q->pops, op);
    obj = take_message(inst, q, header, 1);
    if (UNLIKELY(obj == NULL)) {
        op_fail(inst, op, ENOMEM);
        return true;
    }
    memcpy(__builtin_assume_aligned(&op->args.in, 8), from, sizeof(from));
    if (UNLIKELY(op->len != 0 && op->len < bytes)) {
        COUNT(inst, dgram_dropped); /* the rest of it */
        bytes = op->len;
    }
    op_complete_pop(inst, op, obj, obj, bytes);
    return true;
}

/*
 * Is op all that this thread waits for: the only pop, any length, on the only socket, with no job to be run? Then
 * nothing but a message can end the wait.
 */
static bool may_take(struct instance *inst, const struct op *op)
{
    const struct queue *q = op->queue;

    return nano_of(inst)->bound == 1 && context_left_over() == 0 && q->ops == &nano_ops && op->opcode == DEMI_OPC_POP &&
           op->len == 0 && q->pops.head == op->index && q->pops.tail == op->index &&
           sched_is_idle(&inst->sched, SCHED_APPLICATION) && sched_is_idle(&inst->sched, SCHED_BACKGROUND) &&
           inst->timers.armed == 0;
}

/* The message is longer than those before it: memory of another class. */
static int take_longer(struct instance *inst, struct queue *q, demi_qresult_t *qr, uint64_t header)
    __attribute__((noinline));
static int take_longer(struct instance *inst, struct queue *q, demi_qresult_t *qr, uint64_t header)
{
    uint32_t bytes = nanopu_header_bytes(header);
    demi_sgarray_t *sga = &qr->qr_value.sga;
    void *to;

    instance_cool(inst);
    if (sga->sga_buf != NULL)
        (void)mem_app_free(&inst->mem, sga->sga_buf);
    to = mem_alloc(&inst->mem, bytes, REF_APP);
    if (to == NULL) {
        context_drop(header);
        q->word[NANO_FLAGS] &= ~(uint64_t)NANO_OWED;
        COUNT(inst, dgram_dropped);
        COUNT(inst, failures);
        COUNT_ADD(inst, pops, -1);
        qr->qr_opcode = DEMI_OPC_FAILED;
        qr->qr_ret = ENOMEM;
        memset(sga, 0, sizeof(*sga));
        return 0;
    }
    q->pop_bytes = bytes;
    sga->sga_buf = sga->sga_segs[0].sgaseg_buf = to;
    words_take(to, bytes);
    write_header(sga, header, bytes);
    COUNT_ADD(inst, pop_bytes, bytes);
    return 0;
}

static int take_message_for(struct instance *inst, struct queue *q, demi_qresult_t *qr, void *obj, size_t room)
    __attribute__((noinline));

/* Not from the peer of a connected socket. */
static int take_another(struct instance *inst, struct queue *q, demi_qresult_t *qr, uint64_t header)
    __attribute__((noinline));
static int take_another(struct instance *inst, struct queue *q, demi_qresult_t *qr, uint64_t header)
{
    context_drop(header);
    COUNT(inst, dgram_dropped);
    return take_message_for(inst, q, qr, (void *)(uintptr_t)inst->warm.word[0], inst->warm.room);
}

/* The way from the register to the result. It calls nothing that returns here, so it saves and restores nothing. */
static int take_message_for(struct instance *inst, struct queue *q, demi_qresult_t *qr, void *obj, size_t room)
{
    uint64_t *stat = inst->stat->value, peer = q->word[NANO_PEER] >> 16, header, bytes;

    nanopu_wait();
    header = nanopu_rx();
    if (UNLIKELY(peer != 0 && header >> 16 != peer))
        return take_another(inst, q, qr, header);
    bytes = header & 0xffff;
    __asm__("" : "+r"(bytes)); /* a number of its own: the compiler would mask the header again and again */
    if (UNLIKELY(bytes > room))
        return take_longer(inst, q, qr, header);
    words_take(obj, bytes);
    write_header(&qr->qr_value.sga, header, bytes);
    stat[CTR_pop_bytes] += bytes;
    return 0;
}

/* The usual wait, however long that takes. All that can be done before the message is here is. */
static int take(struct instance *inst, struct op *op, demi_qresult_t *qr)
{
    struct queue *q = op->queue;
    void *obj;
    size_t room;

    if (UNLIKELY(!take_again(inst, q->pop_bytes))) {
        obj = mem_alloc(&inst->mem, q->pop_bytes, REF_APP);
        take_warms(inst, q, obj, obj != NULL ? mem_room(obj) : 0);
    }
    obj = (void *)(uintptr_t)inst->warm.word[0];
    room = inst->warm.room;
    context_enter(q->word[NANO_CONTEXT]);
    context_settle(q);
    write_result((uint64_t *)(void *)qr, op, obj);
    COUNT(inst, pops);
    q->pops = OP_LIST_EMPTY;
    q->word[NANO_FLAGS] |= NANO_OWED;
    op_rest(&inst->ops, op);
    if (UNLIKELY(!nanopu_thread_is_alone()))
        nanopu_thread_wait();
    return take_message_for(inst, q, qr, obj, room);
}

/* Has nobody but the NIC something for this thread, so that it may look at nothing else? */
static bool is_undisturbed(const struct instance *inst)
{
    return nanopu_thread_is_alone() && context_left_over() == 0 && inst->timers.armed == 0 &&
           sched_is_idle(&inst->sched, SCHED_APPLICATION) && sched_is_idle(&inst->sched, SCHED_BACKGROUND);
}

/* Waits for a message in the current context. As take_next; only this part of it looks at the timeout. */
static int await_message(struct instance *inst, const struct timespec *timeout) __attribute__((noinline));
static int await_message(struct instance *inst, const struct timespec *timeout)
{
    uint64_t until = UINT64_MAX;

    if (!is_undisturbed(inst))
        return -EAGAIN;
    if (timeout != NULL) {
        uint64_t sec = (uint64_t)timeout->tv_sec, ns = (uint64_t)timeout->tv_nsec;

        if (sec > AWAIT_SECONDS || ns >= NS_PER_S || (sec | ns) == 0)
            return -EAGAIN;
        until = nanopu_cycle() + sec * (NANOPU_CLOCK_MHZ * UINT64_C(1000000)) + ns * NANOPU_CLOCK_MHZ / 1000;
    }
    for (;;) {
        uint64_t ready = nanopu_csr_read(NANOPU_CSR_lmsgsrdy), now;

        if (ready != 0)
            return 0;
        nanopu_idle();
        now = nanopu_cycle();
        /* in two registers: a simulator that skips such loops wants one that has nothing but the clock */
        __asm__("" : "+r"(now) : "r"(ready));
        if (UNLIKELY(now >= until)) {
            instance_look_at_clock(inst);
            return -ETIMEDOUT;
        }
    }
}

void take_forgets(struct instance *inst)
{
    struct warm *w = &inst->warm;

    if (w->spare != 0) {
        *w->ref = w->held;
        mem_release(&inst->mem, (void *)(uintptr_t)w->word[0], w->ref);
    }
    w->spare = w->room = 0;
}

bool take_elsewhere(struct instance *inst, struct queue *q, struct op *op, uint64_t header, demi_qresult_t *qr)
{
    void *obj = mem_alloc(&inst->mem, nanopu_header_bytes(header), REF_APP);

    if (obj != NULL) {
        take_warms(inst, q, obj, mem_room(obj));
        take_out(inst, q, op, header, nanopu_header_bytes(header), qr);
        return true;
    }
    context_drop(header);
    q->word[NANO_FLAGS] &= ~(uint64_t)NANO_OWED;
    COUNT(inst, dgram_dropped);
    op_unpend(inst, &q->pops, op);
    op_fail(inst, op, ENOMEM);
    return false;
}

/* A message at a time: with several cores the NIC gives the next one to whoever has least to do. */
static int take_next(struct instance *inst, demi_qresult_t *qr, const struct timespec *timeout)
{
    struct queue *q = inst->only;
    struct op *op;
    uint64_t header, bytes;

    if (UNLIKELY(q == NULL))
        return -EAGAIN;
    op = op_list_first(&inst->ops, &q->pops);
    if (UNLIKELY(op == NULL || op->len != 0))
        return -EAGAIN;
    context_enter(q->word[NANO_CONTEXT]);
    context_settle(q);
    do {
        if (!nanopu_ready()) {
            int err = await_message(inst, timeout);

            if (UNLIKELY(err != 0))
                return err;
        }
        header = nanopu_rx();
    } while (UNLIKELY(is_foreign(inst, q, header)));
    q->word[NANO_FLAGS] |= NANO_OWED;
    bytes = header & 0xffff;
    if (UNLIKELY(!take_again(inst, bytes)))
        return take_elsewhere(inst, q, op, header, qr) ? 0 : -EAGAIN;
    take_out(inst, q, op, header, bytes, qr);
    return 0;
}

/* The messages of one context complete its pops. False: there was none. */
static bool serve(struct instance *inst, struct queue *q)
{
    struct op *op = op_list_first(&inst->ops, &q->pops);
    bool got = false;

    if (op == NULL && (q->word[NANO_FLAGS] & NANO_OWED) == 0)
        return false;
    context_enter(q->word[NANO_CONTEXT]);
    context_settle(q);
    for (; op != NULL && nanopu_ready(); op = op_list_first(&inst->ops, &q->pops)) {
        context_settle(q);
        got |= receive(inst, q, op);
    }
    return got;
}

/*
 * Looks at the contexts in order; behind the first that had something the others wait for the next turn. A wait looks
 * more than once, so that a message is seen when it comes and not when the poll loop has come round.
 */
static enum co_status look(struct instance *inst, struct op *task)
{
    struct nano *n = nano_of(inst);

    (void)task;
    context_clear_left_over();
    for (unsigned looks = inst->waiting ? LOOKS : 1; looks != 0; looks--) {
        for (uint32_t i = 0; i < n->bound; i++)
            if (serve(inst, n->of[n->order[i]]))
                return CO_AGAIN;
        if (nanopu_thread_is_alone())
            nanopu_idle();
        else
            nanopu_thread_yield();
    }
    return CO_AGAIN;
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
    int err = have_context(inst, q);

    (void)len;
    if (err != 0)
        return err;
    q->word[NANO_PEER] = words_header(addr);
    q->status = QUEUE_CONNECTED;
    op_complete_connect(inst, op);
    return 0;
}

/* A push of several segments, which the API has copied together. */
static int nano_push(struct instance *inst, struct queue *q, struct op *op)
{
    int err = prepare(inst, q, op->len);

    if (err != 0)
        return err;
    emit(op->args.in.sin_family == AF_UNSPEC ? q->word[NANO_PEER] : words_header((const void *)&op->args), op->ptr,
         op->len);
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
    inst->only = to == 1 ? n->of[n->order[0]] : NULL;
    take_forgets(inst);
    if (inst->ops.rest != NULL && inst->ops.rest->queue == q)
        inst->ops.rest->queue = NULL;
    context_give_up(q);
}

static const struct queue_ops nano_ops = {
    .name = "catnano",
    .bind = nano_bind,
    .connect = nano_connect,
    .push = nano_push,
    .send = nano_send,
    .sendv = nano_sendv,
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
    context_enter(q->word[NANO_CONTEXT]);
    context_settle(q);
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
    q->pop_bytes = MESSAGE_USUAL;
    return 0;
}

static int nano_init(struct instance *inst)
{
    int err;

    inst->net_state = calloc(1, sizeof(struct nano));
    if (inst->net_state == NULL)
        return error_set(&inst->error, ENOMEM, "no memory for catnano");
    err = instance_add_poller(inst, look, NULL, NULL);
    if (err != 0) {
        free(inst->net_state);
        return err;
    }
    nanopu_csr_write(NANOPU_CSR_lmsgcycles, BOUND_CYCLES);
    return 0;
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
    .may_take = may_take,
    .take = take,
    .take_next = take_next,
    .socket = nano_socket,
};
