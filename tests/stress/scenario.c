/* SPDX-License-Identifier: MIT */
#include "stress/scenario.h"

struct scenario {
    int listener, client, server, memory;
    const char *wrong;
};

bool scenario_ran_out(int err)
{
    /* a stack without memory sends nothing: neighbours do not answer, TCP gives up in the end and resets the peer */
    if (rig_libos("sim") && (err == ETIMEDOUT || err == EHOSTUNREACH || err == ECONNRESET))
        return true;
    return err == ENOMEM || err == EMFILE || err == ENFILE || err == ENOBUFS || err == ENOSPC;
}

/*
 * Waits for an operation and takes what it brought: its error, or 0. A timeout is a wrong answer, but of a simulated
 * network, which loses all frames while there is no memory for them: who waits for a peer then waits for ever, like
 * before a cable that was cut.
 */
static int finish(demi_qtoken_t qt, demi_qresult_t *qr)
{
    bool sim = rig_libos("sim");
    struct timespec limit = sim ? (struct timespec){.tv_sec = 15} : rig_ms(RIG_MS);

    if (demi_wait(qr, qt, &limit) != 0) {
        demi_cancel(qt);
        return sim ? ETIMEDOUT : -1;
    }
    return qr->qr_opcode == DEMI_OPC_FAILED ? (int)qr->qr_ret : 0;
}

static int open_all(struct scenario *s, int domain)
{
    union rig_addr a = rig_loopback(domain, 0);
    socklen_t len = sizeof(a);
    demi_qtoken_t accept, connect;
    demi_qresult_t qr;
    int err, failed;

    if ((err = demi_socket(&s->listener, domain, SOCK_STREAM, 0)) != 0 ||
        (err = demi_bind(s->listener, &a.any, rig_len(&a))) != 0 || (err = demi_listen(s->listener, 10)) != 0 ||
        (err = demi_getsockname(s->listener, &a.any, &len)) != 0 ||
        (err = demi_socket(&s->client, domain, SOCK_STREAM, 0)) != 0 || (err = demi_queue(&s->memory)) != 0 ||
        (err = demi_accept(&accept, s->listener)) != 0)
        return err;
    err = demi_connect(&connect, s->client, &a.any, rig_len(&a));
    if (err == 0)
        err = finish(connect, &qr);
    if (err != 0) {
        demi_cancel(accept);
        return err;
    }
    failed = finish(accept, &qr);
    if (failed == 0)
        s->server = qr.qr_value.ares.qd;
    return failed;
}

/* Pushes size bytes at one end and pops them at the other, all or none. */
static int transfer(int from, int to, size_t size)
{
    demi_sgarray_t sga = demi_sgaalloc(size);
    demi_qtoken_t push, pop;
    demi_qresult_t qr;
    size_t got = 0;
    int err;

    if (sga.sga_buf == NULL)
        return ENOMEM;
    memset(rig_bytes(&sga), 's', size);
    err = demi_push(&push, from, &sga);
    demi_sgafree(&sga);
    if (err != 0)
        return err;
    while (err == 0 && got < size) {
        err = demi_pop(&pop, to);
        if (err == 0)
            err = finish(pop, &qr);
        if (err != 0)
            break;
        if (rig_length(&qr.qr_value.sga) == 0 || *rig_bytes(&qr.qr_value.sga) != 's')
            err = -1;
        got += rig_length(&qr.qr_value.sga);
        if (demi_sgafree(&qr.qr_value.sga) != 0)
            err = -1;
    }
    if (err != 0)
        demi_cancel(push);
    else
        err = finish(push, &qr);
    return err;
}

static int transfer_all(const struct scenario *s)
{
    static const size_t sizes[] = {10, 2000, 100000};
    int err = 0;

    for (size_t i = 0; i < ARRAY_LEN(sizes) && err == 0; i++) {
        err = transfer(s->client, s->server, sizes[i]);
        if (err == 0)
            err = transfer(s->server, s->client, sizes[i]);
        if (err == 0)
            err = transfer(s->memory, s->memory, sizes[i]);
    }
    return err;
}

int scenario_run(int domain)
{
    struct scenario s = {-1, -1, -1, -1, NULL};
    int qds[4], err = open_all(&s, domain);

    if (err == 0)
        err = transfer_all(&s);
    qds[0] = s.listener, qds[1] = s.client, qds[2] = s.server, qds[3] = s.memory;
    for (unsigned i = 0; i < 4; i++)
        if (qds[i] >= 0 && demi_close(qds[i]) != 0)
            err = -1;
    return err;
}
