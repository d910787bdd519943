/* SPDX-License-Identifier: MIT */
/*
 * Which of an instance's two libOSes serves a socket (struct instance, `local`).
 *
 * A socket belongs to the network libOS until it is given its first address, by bind, or by connect without a bind. If
 * that is one that the local libOS serves, and the socket a stream, it moves there, with the options that were set; one
 * whose connect failed is as good as new and may move back. A moved socket is a fresh one of the other libOS in the
 * same slot: descriptor and tokens stay what they are. Rejected: a socket that belongs to nobody until then, because
 * every call on it would need an answer of its own; a listener of both, because an unspecified address would then mean
 * two ports.
 */
#include "api.h"

#include <string.h>

/* Puts a fresh socket of os into q's slot; what q was goes to *before. Negative errno: q is what it was. */
static int renew(struct instance *inst, struct queue *q, const struct libos *os, struct queue *before)
{
    int err;

    *before = *q;
    q->state = NULL;
    q->fd = -1;
    q->flags = 0;
    q->error = 0;
    q->pop_bytes = q->linger_s = 0;
    memset(q->word, 0, sizeof(q->word));
    err = os->socket(inst, q);
    if (err < 0)
        *q = *before;
    else if (os == inst->local)
        q->flags |= QUEUE_LOCAL;
    return err;
}

static int move(struct instance *inst, struct queue *q, const struct libos *os)
{
    struct queue before, after;
    struct api_options options;
    int err = renew(inst, q, os, &before);

    if (err < 0)
        return err;
    after = *q;
    *q = before; /* what is closed must lie in its slot: libOSes keep things by that */
    api_options_take(inst, q, &options);
    q->ops->close(inst, q);
    *q = after;
    api_options_give(inst, q, &options);
    return 0;
}

int api_place_local(struct instance *inst, struct queue *q)
{
    struct queue before;

    inst->error.text[0] = '\0';
    return renew(inst, q, inst->local, &before);
}

int api_place_beside(struct instance *inst, struct queue *q, const struct sockaddr *addr)
{
    bool local = q->type == SOCK_STREAM && inst->local->serves(inst, addr);

    if (local == ((q->flags & QUEUE_LOCAL) != 0))
        return 0;
    return move(inst, q, local ? inst->local : inst->net);
}
