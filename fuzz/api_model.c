/* SPDX-License-Identifier: MIT */
/* The model of memory queues; see api_model.h. */
#include "api_model.h"

#include "fuzz.h"

#include <errno.h>

struct content content_of(uint32_t start, uint32_t len)
{
    return (struct content){.pieces = 1, .len = len, .piece = {{start, len}}};
}

struct content content_slice(const struct content *c, uint32_t from, uint32_t len)
{
    struct content out = {.pieces = 0};

    require(from <= c->len && len <= c->len - from);
    for (uint32_t i = 0; i < c->pieces && out.len < len; i++) {
        uint32_t have = c->piece[i].len, n;

        if (from >= have) {
            from -= have;
            continue;
        }
        n = have - from < len - out.len ? have - from : len - out.len;
        out.piece[out.pieces].start = c->piece[i].start + from;
        out.piece[out.pieces++].len = n;
        out.len += n;
        from = 0;
    }
    return out;
}

bool content_append(struct content *a, const struct content *b)
{
    if (a->pieces + b->pieces > CONTENT_PIECES)
        return false;
    for (uint32_t i = 0; i < b->pieces; i++)
        a->piece[a->pieces++] = b->piece[i];
    a->len += b->len;
    return true;
}

bool content_is(const struct content *c, const void *p, const uint8_t *pattern)
{
    const uint8_t *at = p;

    for (uint32_t i = 0; i < c->pieces; i++) {
        if (memcmp(at, pattern + c->piece[i].start, c->piece[i].len) != 0)
            return false;
        at += c->piece[i].len;
    }
    return true;
}

void model_reset(struct model *m, uint32_t depth)
{
    m->depth = depth;
    m->open = m->live_count = m->done_count = 0;
    for (int q = 0; q < MODEL_QUEUES; q++)
        m->queue[q].open = false;
    for (uint32_t t = 0; t < m->tokens; t++)
        m->token[t].state = TOKEN_GONE;
}

int model_find_queue(const struct model *m, int qd)
{
    for (int q = 0; q < MODEL_QUEUES; q++)
        if (m->queue[q].open && m->queue[q].qd == qd)
            return q;
    return -1;
}

int model_find_token(const struct model *m, demi_qtoken_t qt)
{
    for (uint32_t i = 0; i < m->live_count; i++)
        if (m->token[m->live[i]].qt == qt)
            return m->live[i];
    return -1;
}

int model_first_done(const struct model *m)
{
    int first = -1;

    for (uint32_t i = 0; i < m->live_count; i++) {
        int t = m->live[i];

        if (m->token[t].state == TOKEN_DONE && (first < 0 || m->token[t].done_at < m->token[first].done_at))
            first = t;
    }
    return first;
}

/* The oldest pending push or pop of q, or -1. */
static int first_pending(const struct model *m, int q, demi_opcode_t opcode)
{
    for (uint32_t i = 0; i < m->live_count; i++) {
        const struct token *t = &m->token[m->live[i]];

        if (t->state == TOKEN_PENDING && t->queue == q && t->opcode == opcode)
            return m->live[i];
    }
    return -1;
}

static void done(struct model *m, int t, int err)
{
    require(m->token[t].state == TOKEN_PENDING);
    m->token[t].state = TOKEN_DONE;
    m->token[t].err = err;
    m->token[t].done_at = m->done_clock++;
    m->done_count++;
}

static int add_token(struct model *m, int q, demi_qtoken_t qt, demi_opcode_t opcode)
{
    int t = (int)m->tokens;

    require(m->tokens < MODEL_TOKENS && model_find_token(m, qt) < 0);
    m->tokens++;
    m->token[t] = (struct token){.qt = qt, .opcode = opcode, .queue = q, .qd = m->queue[q].qd, .object = -1};
    m->live[m->live_count++] = t;
    return t;
}

void model_open(struct model *m, int q, int qd)
{
    require(!m->queue[q].open);
    m->queue[q].qd = qd;
    m->queue[q].open = true;
    m->queue[q].head = m->queue[q].tail = 0;
    m->open++;
}

/* Makes a message of a push. */
static void enqueue(struct model *m, int q, int t)
{
    struct memory_queue *mq = &m->queue[q];

    mq->message[mq->tail].content = m->token[t].content;
    mq->message[mq->tail].token = t;
    mq->message[mq->tail++].empty = false;
    done(m, t, 0);
}

/* Steps over messages that were taken back, and lets pushes in that wait for room. */
static void move_up(struct model *m, int q)
{
    struct memory_queue *mq = &m->queue[q];
    int push;

    while (mq->head != mq->tail && mq->message[mq->head].empty)
        mq->head++;
    while (mq->tail - mq->head < m->depth && (push = first_pending(m, q, DEMI_OPC_PUSH)) >= 0)
        enqueue(m, q, push);
}

/* A pop that takes c, or fails. False: it failed. */
static bool hand_over(struct model *m, int pop, const struct content *c)
{
    struct token *t = &m->token[pop];

    if (t->max_bytes != 0 && c->len > t->max_bytes) {
        done(m, pop, EMSGSIZE);
        return false;
    }
    if (ran_out(t->qt)) {
        done(m, pop, ENOMEM);
        return false;
    }
    t->content = *c;
    done(m, pop, 0);
    return true;
}

int model_push(struct model *m, int q, demi_qtoken_t qt, const struct content *c, int object)
{
    struct memory_queue *mq = &m->queue[q];
    int t = add_token(m, q, qt, DEMI_OPC_PUSH), pop;

    m->token[t].content = *c;
    m->token[t].object = object;
    while ((pop = first_pending(m, q, DEMI_OPC_POP)) >= 0)
        if (hand_over(m, pop, c)) {
            done(m, t, 0);
            return t;
        }
    if (mq->tail - mq->head < m->depth)
        enqueue(m, q, t);
    return t;
}

int model_pop(struct model *m, int q, demi_qtoken_t qt, uint32_t max_bytes)
{
    struct memory_queue *mq = &m->queue[q];
    int t = add_token(m, q, qt, DEMI_OPC_POP);

    m->token[t].max_bytes = max_bytes;
    if (mq->head == mq->tail || !hand_over(m, t, &mq->message[mq->head].content))
        return t;
    mq->head++;
    move_up(m, q);
    return t;
}

void model_take_back(struct model *m, int t)
{
    struct memory_queue *mq = &m->queue[m->token[t].queue];
    uint32_t i = mq->head;

    while (i < mq->tail && mq->message[i].token != t)
        i++;
    require(i < mq->tail && mq->open); /* what was popped was sent */
    mq->message[i].empty = true;
    move_up(m, m->token[t].queue);
}

uint32_t model_close(struct model *m, int q, int ended[MODEL_OPS])
{
    uint32_t n = 0;
    int t;

    for (uint32_t i = 0; i < m->live_count; i++)
        if (m->token[m->live[i]].queue == q && m->token[m->live[i]].state == TOKEN_DONE &&
            m->token[m->live[i]].err != ECANCELED)
            ended[n++] = m->live[i];
    for (uint32_t i = 0; i < n; i++)
        model_end(m, ended[i]);
    while ((t = first_pending(m, q, DEMI_OPC_PUSH)) >= 0)
        done(m, t, ECANCELED);
    while ((t = first_pending(m, q, DEMI_OPC_POP)) >= 0)
        done(m, t, ECANCELED);
    m->queue[q].open = false;
    m->open--;
    return n;
}

void model_end(struct model *m, int t)
{
    uint32_t i = 0;

    while (m->live[i] != t)
        i++;
    m->live_count--;
    memmove(&m->live[i], &m->live[i + 1], (m->live_count - i) * sizeof(m->live[0]));
    m->done_count -= m->token[t].state == TOKEN_DONE;
    m->token[t].state = TOKEN_GONE;
}
