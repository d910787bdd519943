/* SPDX-License-Identifier: MIT */
/*
 * Waiting. Results come from the instance's list in order of completion, so the cost of a wait does not grow with the
 * number of tokens: a completed operation remembers where the application's array held it (op->hint), the place where
 * the last result came from is the guess for a new token, and only a wrong guess is searched for.
 *
 * Tokens are judged only when none is complete, a few a turn while the wait polls, in order.
 */
#include "api.h"
#include "warm.h"

#include <demi/ext.h>
#include <demi/wait.h>

#define JUDGE_PER_TURN 32 /* tokens judged between two looks at the devices */
#define TURN_EVERY     32 /* results that were there at once between two looks at the devices */
#define FOREIGN_TURNS  8  /* looks at busy devices before a foreign event loop gets the thread back */
#define SEARCHES_MAX   4  /* wrong guesses searched for before the tokens themselves are walked */

/* What a wait waits for. */
struct waiter {
    struct instance *inst;
    const demi_qtoken_t *qts;
    int n;
    int judged;    /* tokens known to be valid */
    int to_judge;  /* tokens that must be judged before the wait may end or sleep */
    int offset;    /* of the result in qts */
    uint64_t seen; /* operations that were complete at the last look */
    struct op *op;
    /* Is there a result (1), none (0), or an invalid token (-EINVAL)? */
    int (*look)(struct waiter *w);
};

/* 0 with the deadline, UINT64_MAX for none; EINVAL. */
static int deadline_of(struct instance *inst, const struct timespec *timeout, uint64_t *deadline_ns)
{
    uint64_t ns;

    *deadline_ns = UINT64_MAX;
    if (timeout == NULL)
        return 0;
    if (timeout->tv_sec < 0 || timeout->tv_nsec < 0 || timeout->tv_nsec >= 1000000000)
        return api_fail(EINVAL, "a timeout that is negative or has over 999999999 ns");
    if ((uint64_t)timeout->tv_sec > UINT64_MAX / NS_PER_S / 4)
        return 0;
    ns = (uint64_t)timeout->tv_sec * NS_PER_S + (uint64_t)timeout->tv_nsec;
    inst->now_ns = clock_now_ns(&inst->clock);
    *deadline_ns = inst->now_ns + ns;
    return 0;
}

static int fail_timeout(void)
{
    static const char text[] = "the timeout passed before an operation was complete";

    memcpy(api_self.error.text, text, sizeof(text));
    return ETIMEDOUT;
}

static int fail_token(struct instance *inst, demi_qtoken_t qt)
{
    COUNT(inst, bad_tokens);
    return api_fail(EINVAL, "token %#llx is unknown, was consumed, or stands twice", (unsigned long long)qt);
}

/* Polls, then sleeps as configured, until w has a result. 0, ETIMEDOUT or EINVAL. */
static int wait_for(struct waiter *w, const struct timespec *timeout)
{
    struct instance *inst = w->inst;
    bool once = timeout != NULL && timeout->tv_sec == 0 && timeout->tv_nsec == 0;
    uint64_t deadline_ns, spin_end_ns;
    int r = deadline_of(inst, once ? NULL : timeout, &deadline_ns);

    if (r != 0)
        return r;
    spin_end_ns = inst->config.idle == IDLE_SPIN ? UINT64_MAX : 0;
    inst->waiting = !once;
    for (uint32_t turn = 1;; turn++) {
        instance_turn(inst);
        r = w->look(w);
        if (r != 0)
            break;
        if (once) {
            while (r == 0 && w->judged < w->to_judge)
                r = w->look(w);
            if (r != 0)
                break;
            if ((inst->stat->value[CTR_polls] & 7) == 0) {
                instance_look_at_clock(inst);
                r = w->look(w);
                if (r != 0)
                    break;
            }
            if (inst->timerfd < 0 || instance_arm_foreign(inst))
                return fail_timeout();
            if (turn < FOREIGN_TURNS)
                continue;
            instance_wake_foreign(inst);
            return fail_timeout();
        }
        if ((turn & 7) != 0 && spin_end_ns != 0 && inst->now_ns < spin_end_ns)
            continue; /* a look at the clock costs as much as one at a ring */
        instance_look_at_clock(inst);
        r = w->look(w); /* a timer may have completed something */
        if (r != 0)
            break;
        if (inst->now_ns >= deadline_ns)
            return fail_timeout();
        if (spin_end_ns == 0)
            spin_end_ns =
                inst->config.idle == IDLE_BLOCK ? inst->now_ns : inst->now_ns + inst->config.spin_us * NS_PER_US;
        if (inst->now_ns >= spin_end_ns && w->judged >= w->to_judge)
            instance_sleep(inst, deadline_ns);
    }
    return r > 0 ? 0 : fail_token(inst, w->qts[w->judged]);
}

/*
 * A program whose results are always there already would never reach the poll loop: now and then a wait makes a turn
 * before it takes one, so that no queue, timer or peer waits without bound.
 */
static inline void keep_turning(struct instance *inst)
{
    if (LIKELY(++inst->unturned < TURN_EVERY))
        return;
    inst->unturned = 0;
    inst->waiting = false;
    instance_turn(inst);
    instance_look_at_clock(inst);
}

static int look_one(struct waiter *w)
{
    return w->op->state == OP_DONE;
}

/* Apart, so that a wait for what is there already needs no room for a waiter. */
static int wait_for_one(struct instance *inst, struct op *op, const struct timespec *timeout) __attribute__((noinline));
static int wait_for_one(struct instance *inst, struct op *op, const struct timespec *timeout)
{
    struct waiter w = {.inst = inst, .op = op, .look = look_one};

    return wait_for(&w, timeout);
}

int demi_wait(demi_qresult_t *qr_out, demi_qtoken_t qt, const struct timespec *timeout)
{
    struct instance *inst = api_self.inst;
    struct op *op;

    if (UNLIKELY(inst == NULL))
        return api_no_instance();
    if (UNLIKELY(qr_out == NULL))
        return api_fail(EINVAL, "demi_wait: no place for the result");
    op = op_lookup(&inst->ops, qt);
    if (UNLIKELY(op == NULL))
        return fail_token(inst, qt);
    keep_turning(inst);
    if (op->state != OP_DONE) {
        if (timeout == NULL && inst->net->may_take != NULL && inst->net->may_take(inst, op))
            return inst->net->take(inst, op, qr_out);
        inst->waiting = false;
        instance_turn(inst); /* most of what a program waits for is there after one look */
    }
    if (UNLIKELY(op->state != OP_DONE)) {
        int r = wait_for_one(inst, op, timeout);

        if (r != 0)
            return r;
    }
    op_take(inst, op, qr_out);
    return 0;
}

/* Where qt stands in qts, or -1. Blocks of eight, so that the compiler compares them side by side. */
static int find_token(const demi_qtoken_t *qts, int n, demi_qtoken_t qt)
{
    int i = 0;

    for (; i + 8 <= n; i += 8) {
        bool hit = false;

        for (int k = 0; k < 8; k++)
            hit |= qts[i + k] == qt;
        if (hit)
            break;
    }
    for (; i < n; i++)
        if (qts[i] == qt)
            return i;
    return -1;
}

/* Walks the tokens for the complete one with the lowest number. */
static struct op *first_of_tokens(struct waiter *w)
{
    struct op *first = NULL;

    for (int i = 0; i < w->n; i++) {
        struct op *op = op_lookup(&w->inst->ops, w->qts[i]);

        if (op == NULL || op->state != OP_DONE || (first != NULL && first->done_seq < op->done_seq))
            continue;
        first = op;
        w->offset = i;
    }
    return first;
}

/* The result that completed first among w's tokens, or NULL. */
static struct op *first_done(struct waiter *w)
{
    struct op_slab *s = &w->inst->ops;
    int searches = 0;

    w->seen = s->done_seq;
    for (uint32_t i = s->done.head; i != OP_NIL; i = op_at(s, i)->next) {
        struct op *op = op_at(s, i);

        if (LIKELY(op->hint >= 0 && op->hint < w->n && w->qts[op->hint] == op->token)) {
            w->offset = op->hint;
            return op;
        }
        if (++searches > SEARCHES_MAX)
            return first_of_tokens(w);
        w->offset = find_token(w->qts, w->n, op->token);
        if (w->offset >= 0) {
            op->hint = w->offset;
            return op;
        }
    }
    return NULL;
}

static int judge(struct waiter *w)
{
    for (int k = 0; k < JUDGE_PER_TURN && w->judged < w->n; k++, w->judged++) {
        struct op *op = op_lookup(&w->inst->ops, w->qts[w->judged]);

        if (op == NULL)
            return -EINVAL;
        op->hint = w->judged;
    }
    return 0;
}

static int look_any(struct waiter *w)
{
    if (w->inst->ops.done_seq != w->seen) { /* what was complete at the last look is none of ours */
        w->op = first_done(w);
        if (w->op != NULL)
            return 1;
    }
    return w->judged < w->n ? judge(w) : 0;
}

int demi_wait_any(demi_qresult_t *qr_out, int *ready_offset, const demi_qtoken_t qts[], int num_qts,
                  const struct timespec *timeout)
{
    struct instance *inst = api_self.inst;
    struct waiter w;

    if (UNLIKELY(inst == NULL))
        return api_no_instance();
    if (UNLIKELY(qr_out == NULL || ready_offset == NULL || qts == NULL || num_qts < 1))
        return api_fail(EINVAL, "demi_wait_any: NULL or no tokens");
    keep_turning(inst);
    w = (struct waiter){.inst = inst, .qts = qts, .n = num_qts, .to_judge = num_qts, .look = look_any};
    if (op_list_is_empty(&inst->ops.done) || (w.op = first_done(&w)) == NULL) {
        int r = wait_for(&w, timeout);

        if (r != 0)
            return r;
    }
    inst->last_offset = w.offset;
    *ready_offset = w.offset;
    op_take(inst, w.op, qr_out);
    return 0;
}

static int look_next(struct waiter *w)
{
    return w->inst->ops.done_count > 0;
}

static int wait_for_next(struct instance *inst, const struct timespec *timeout) __attribute__((noinline));
static int wait_for_next(struct instance *inst, const struct timespec *timeout)
{
    struct waiter w = {.inst = inst, .look = look_next};

    return wait_for(&w, timeout);
}

/* Apart where there is a short way: what this saves on the stack that one need not. */
static API_LONG_WAY int wait_next_n(demi_qresult_t *qr_out, int num_qrs, int *num_qrs_out,
                                    const struct timespec *timeout)
{
    struct instance *inst = api_self.inst;
    uint32_t pops = 0;
    int n = 0;

    if (UNLIKELY(inst == NULL))
        return api_no_instance();
    if (UNLIKELY(qr_out == NULL || num_qrs_out == NULL || num_qrs < 1))
        return api_fail(EINVAL, "demi_wait_next_n: NULL or no room for a result");
    *num_qrs_out = 0;
    keep_turning(inst);
    if (inst->ops.done_count == 0) {
        int r = inst->net->take_next != NULL ? inst->net->take_next(inst, qr_out, timeout) : -EAGAIN;

        *num_qrs_out = r == 0;
        if (LIKELY(r == 0))
            return 0;
        r = r == -ETIMEDOUT ? fail_timeout() : wait_for_next(inst, timeout);
        if (r != 0)
            return r;
    } else {
        uint32_t there = inst->ops.done_count;

        inst->unturned += (there < (uint32_t)num_qrs ? there : (uint32_t)num_qrs) - 1; /* the first is counted */
    }
    for (; n < num_qrs && !op_list_is_empty(&inst->ops.done); n++) {
        op_take(inst, op_list_first(&inst->ops, &inst->ops.done), &qr_out[n]);
        pops += qr_out[n].qr_opcode == DEMI_OPC_POP;
    }
    inst->handed = pops > 0 ? pops - 1 : 0;
    *num_qrs_out = n;
    return 0;
}

API_SHORT_WAY int demi_wait_next_n(demi_qresult_t *qr_out, int num_qrs, int *num_qrs_out,
                                   const struct timespec *timeout)
{
#if WARM_ARRAYS
    struct instance *inst = api_self.inst;

    if (LIKELY(inst != NULL && qr_out != NULL && num_qrs_out != NULL && num_qrs > 0 && inst->ops.done_count == 0 &&
               inst->unturned < WARM_TURN_EVERY && warm_take(inst, qr_out))) {
        inst->unturned++;
        *num_qrs_out = 1;
        return 0;
    }
#endif
    return wait_next_n(qr_out, num_qrs, num_qrs_out, timeout);
}

/* judged counts the tokens known to be complete: they are judged and looked at in one go. */
static int look_all(struct waiter *w)
{
    for (; w->judged < w->n; w->judged++) {
        struct op *op = op_lookup(&w->inst->ops, w->qts[w->judged]);

        if (op == NULL)
            return -EINVAL;
        if (op->state != OP_DONE)
            return 0;
    }
    return 1;
}

/* The first token that is invalid or stands twice, or -1. Marks each operation with its place. */
static int check_all(struct instance *inst, const demi_qtoken_t qts[], int n)
{
    for (int i = 0; i < n; i++) {
        struct op *op = op_lookup(&inst->ops, qts[i]);

        if (op == NULL)
            return i;
        op->hint = -1;
    }
    for (int i = 0; i < n; i++) {
        struct op *op = op_lookup(&inst->ops, qts[i]);

        if (op->hint != -1)
            return i;
        op->hint = i;
    }
    return -1;
}

int demi_wait_all(demi_qresult_t qrs_out[], const demi_qtoken_t qts[], int num_qts, const struct timespec *timeout)
{
    struct instance *inst = api_self.inst;
    struct waiter w;
    int r, bad;

    if (UNLIKELY(inst == NULL))
        return api_no_instance();
    if (qrs_out == NULL || qts == NULL || num_qts < 1)
        return api_fail(EINVAL, "demi_wait_all: NULL or no tokens");
    bad = check_all(inst, qts, num_qts);
    if (bad >= 0)
        return fail_token(inst, qts[bad]);
    keep_turning(inst);
    w = (struct waiter){.inst = inst, .qts = qts, .n = num_qts, .look = look_all};
    r = look_all(&w) == 1 ? 0 : wait_for(&w, timeout);
    if (r != 0)
        return r;
    for (int i = 0; i < num_qts; i++)
        op_take(inst, op_lookup(&inst->ops, qts[i]), &qrs_out[i]);
    return 0;
}

int demi_poll(demi_qresult_t *qr_out, demi_qtoken_t qt)
{
    struct instance *inst = api_self.inst;
    struct op *op;

    if (UNLIKELY(inst == NULL))
        return api_no_instance();
    if (UNLIKELY(qr_out == NULL))
        return api_fail(EINVAL, "demi_poll: no place for the result");
    op = op_lookup(&inst->ops, qt);
    if (UNLIKELY(op == NULL))
        return fail_token(inst, qt);
    if (op->state != OP_DONE) {
        inst->waiting = false;
        instance_turn(inst);
        if ((inst->stat->value[CTR_polls] & 7) == 0)
            instance_look_at_clock(inst);
    }
    if (op->state != OP_DONE)
        return api_fail(EAGAIN, "demi_poll: the operation is pending");
    op_take(inst, op, qr_out);
    return 0;
}

int demi_cancel(demi_qtoken_t qt)
{
    struct instance *inst = api_self.inst;
    struct op *op;

    if (UNLIKELY(inst == NULL))
        return api_no_instance();
    op = op_lookup(&inst->ops, qt);
    if (UNLIKELY(op == NULL))
        return fail_token(inst, qt);
    if (op->state == OP_DONE) {
        op_discard(inst, op);
        return 0;
    }
    op_abandon(inst, op);
    op_drop(inst, op);
    op_free(&inst->ops, op);
    return 0;
}
