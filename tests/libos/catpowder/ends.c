/* SPDX-License-Identifier: MIT */
/*
 * usage: test-ends server ADDR:PORT | client ADDR:PORT
 * Ends of connections, for ends.sh. A connection's first byte, from the other side, says how it is to end: r we reset
 * it, R the other side does, h we close our half after a word and count what comes, H the other side closes its half
 * and is told how much came. What was seen is printed, a line a connection, until one says q.
 */
#include "common/demi_util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static demi_qresult_t finish(int rc, demi_qtoken_t qt, const char *what)
{
    demi_qresult_t qr = {.qr_ret = 0};

    if (rc == 0)
        rc = demi_wait(&qr, qt, NULL);
    if (rc == 0)
        return qr;
    fprintf(stderr, "%s: %s\n", what, demi_strerror(rc));
    exit(1);
}

static demi_qresult_t pop(int qd, size_t most)
{
    demi_qtoken_t qt = 0;
    int rc = demi_pop_n(&qt, qd, most);

    return finish(rc, qt, "pop");
}

static void push(int qd, const char *text)
{
    demi_sgarray_t sga = demi_sgaalloc(strlen(text));
    demi_qtoken_t qt = 0;
    int rc = sga.sga_numsegs == 1 ? 0 : ENOMEM;

    if (rc == 0) {
        memcpy(sga.sga_segs[0].sgaseg_buf, text, strlen(text));
        rc = demi_push(&qt, qd, &sga);
        demi_sgafree(&sga);
    }
    finish(rc, qt, "push");
}

/* Bytes until the end; -1: the stream broke, and its error is printed. */
static long count(int qd)
{
    long total = 0;

    for (;;) {
        demi_qresult_t qr = pop(qd, 65536);
        size_t n;

        if (qr.qr_opcode == DEMI_OPC_FAILED) {
            printf("%s\n", demi_strerror((int)qr.qr_ret));
            return -1;
        }
        n = demi_sga_len(&qr.qr_value.sga);
        demi_sgafree(&qr.qr_value.sga);
        if (n == 0)
            return total;
        total += (long)n;
    }
}

/* False: that was the last one. */
static bool play(int qd)
{
    demi_qresult_t qr = pop(qd, 1);
    char act = 'q', text[32];
    struct linger abort = {1, 0};
    long n;

    if (qr.qr_opcode == DEMI_OPC_POP && demi_sga_len(&qr.qr_value.sga) == 1)
        act = *(char *)qr.qr_value.sga.sga_segs[0].sgaseg_buf;
    if (qr.qr_opcode == DEMI_OPC_POP)
        demi_sgafree(&qr.qr_value.sga);
    if (act == 'r')
        demi_setsockopt(qd, SOL_SOCKET, SO_LINGER, &abort, sizeof(abort));
    if (act == 'h') {
        push(qd, "bye");
        demi_shutdown(qd, SHUT_WR);
    }
    n = act == 'R' || act == 'h' || act == 'H' ? count(qd) : 0;
    if (act == 'H') {
        snprintf(text, sizeof(text), "%ld", n);
        push(qd, text);
    }
    if (n >= 0)
        printf("%c %ld\n", act, n);
    fflush(stdout);
    demi_close(qd);
    return act != 'q';
}

static int accepted(int listener)
{
    demi_qtoken_t qt = 0;
    int rc = demi_accept(&qt, listener);

    return finish(rc, qt, "accept").qr_value.ares.qd;
}

static int connected(const struct addr *to)
{
    demi_qtoken_t qt = 0;
    int qd = -1, rc = demi_socket(&qd, to->storage.ss_family, SOCK_STREAM, 0);

    if (rc == 0)
        rc = demi_connect(&qt, qd, (const struct sockaddr *)&to->storage, to->len);
    if (finish(rc, qt, "connect").qr_opcode == DEMI_OPC_FAILED)
        finish(ECONNREFUSED, 0, "connect");
    return qd;
}

int main(int argc, char **argv)
{
    struct addr at, bound;
    bool server = argc == 3 && strcmp(argv[1], "server") == 0;
    int listener = -1;

    if (argc != 3 || !addr_parse(argv[2], &at) || !demi_begin(argc, argv))
        return 2;
    if (server) {
        listener = demi_bound_socket(&at, SOCK_STREAM, 4, &bound);
        if (listener < 0)
            return 1;
        print_listening(&bound);
    }
    while (play(server ? accepted(listener) : connected(&at)))
        ;
    demi_fini();
    return 0;
}
