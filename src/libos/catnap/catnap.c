/* SPDX-License-Identifier: MIT */
/* catnap: making sockets and choosing the engine that serves them. */
#include "catnap.h"

#include "core/module.h"
#include "libos/registry.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>

static int catnap_socket(struct instance *inst, struct queue *q)
{
    int one = 1;

    q->fd = socket(q->domain, q->type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (q->fd < 0)
        return error_set(&inst->error, errno, "socket: %s", strerror(errno));
    /* Nagle's algorithm holds small messages back for a round trip; accepted sockets inherit this. */
    if (q->type == SOCK_STREAM)
        setsockopt(q->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    q->ops = catnap_of(inst)->engine->ops;
    q->flags = QUEUE_READABLE | QUEUE_WRITABLE;
    q->pop_bytes = CATNAP_POP_MIN;
    return 0;
}

static const struct catnap_engine *find_engine(struct instance *inst, struct catnap *c, int *err)
{
    const struct catnap_engine *engine;

    *err = 0;
    if (inst->config.engine == ENGINE_EPOLL)
        return &catnap_epoll;
    c->module = module_open("caracal-uring", &inst->error, err);
    if (c->module == NULL)
        return NULL;
    engine = module_symbol(c->module, "caracal_catnap_uring", &inst->error, err);
    return engine;
}

static int catnap_init(struct instance *inst)
{
    struct catnap *c = calloc(1, sizeof(*c));
    int err;

    if (c == NULL)
        return error_set(&inst->error, ENOMEM, "no memory for catnap");
    inst->net_state = c;
    c->engine = find_engine(inst, c, &err);
    if (c->engine != NULL)
        err = c->engine->init(inst);
    if (err == 0)
        return 0;
    if (c->module != NULL)
        module_close(c->module);
    free(c);
    inst->net_state = NULL;
    return err;
}

static void catnap_fini(struct instance *inst)
{
    struct catnap *c = catnap_of(inst);

    catnap_linger_end_all(inst);
    c->engine->fini(inst);
    if (c->spare != NULL)
        mem_unref(&inst->mem, c->spare);
    if (c->module != NULL)
        module_close(c->module);
    free(c);
    inst->net_state = NULL;
}

static void catnap_forget(struct instance *inst)
{
    const struct catnap *c = catnap_of(inst);

    catnap_linger_forget(inst);
    if (c->engine->forget != NULL)
        c->engine->forget(inst);
}

const struct libos libos_catnap = {
    .name = "catnap",
    .what = "the kernel's sockets",
    .init = catnap_init,
    .fini = catnap_fini,
    .socket = catnap_socket,
    .forget = catnap_forget,
};
