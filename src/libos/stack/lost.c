/* SPDX-License-Identifier: MIT */
/*
 * A device that is gone for good: its interface was deleted. Connections are over with the device's error (ENODEV), and
 * so is everything that waits: accepting, connecting, datagrams. What came before it is still handed out. The queues
 * stay until they are closed; what is asked of them later fails in the same way (stack_gone).
 */
#include "stack.h"

static void lose(struct instance *inst, struct queue *q, int err)
{
    struct sock *s = sock_of(q);

    if (s->conn != NULL) {
        tcp_fail(s->conn, err); /* fails what waits, and may take the connection from s */
        return;
    }
    op_fail_all(inst, &q->pops, err);
    op_fail_all(inst, &q->pushes, err);
}

void stack_lose(struct stack *st)
{
    struct queue_table *t = &st->inst->queues;

    st->lost = true;
    for (uint32_t i = 0; i < t->carved; i++) {
        struct queue *q = &t->queues[i];

        if ((q->ops == &stack_stream_ops || q->ops == &stack_dgram_ops) && sock_of(q)->stack == st)
            lose(st->inst, q, -st->dev->error);
    }
}
