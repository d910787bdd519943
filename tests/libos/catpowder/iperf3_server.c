/* SPDX-License-Identifier: MIT */
/*
 * usage: test-iperf3-server PORT
 * The server's side of iperf3's protocol for TCP, on PDPIX, so that iperf3 itself can load a stack of ours: one test
 * after another, both directions, any number of streams up to 32. A control connection says in single bytes what is
 * next (the client counts on this order); what is exchanged is JSON behind its length in four bytes, the high one
 * first.
 */
#include "common/demi_util.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COOKIE      37
#define STREAMS_MAX 32
#define JSON_MAX    65536
#define CHUNK       131072

enum state {
    TEST_START = 1,
    TEST_RUNNING = 2,
    TEST_END = 4,
    PARAM_EXCHANGE = 9,
    CREATE_STREAMS = 10,
    EXCHANGE_RESULTS = 13,
    DISPLAY_RESULTS = 14,
    IPERF_DONE = 16,
};

struct test {
    int control, stream[STREAMS_MAX];
    int streams;
    bool reverse; /* we send */
    uint64_t bytes[STREAMS_MAX];
    demi_sgarray_t chunk;
};

/* The result of one operation, or exit: somebody who loads this looks at what it says. */
static demi_qresult_t finish(int rc, demi_qtoken_t qt, const char *what)
{
    demi_qresult_t qr = {.qr_ret = 0};

    if (rc == 0)
        rc = demi_wait(&qr, qt, NULL);
    if (rc == 0 && qr.qr_opcode == DEMI_OPC_FAILED)
        rc = (int)qr.qr_ret;
    if (rc != 0) {
        fprintf(stderr, "%s: %s\n", what, demi_strerror(rc));
        exit(1);
    }
    return qr;
}

static void receive(int qd, void *buf, size_t len)
{
    for (char *to = buf; len > 0;) {
        demi_qtoken_t qt = 0;
        int rc = demi_pop_n(&qt, qd, len);
        demi_qresult_t qr = finish(rc, qt, "pop");
        size_t n = demi_sga_len(&qr.qr_value.sga);

        if (n == 0)
            finish(ECONNRESET, 0, "the stream ended");
        memcpy(to, qr.qr_value.sga.sga_segs[0].sgaseg_buf, n);
        demi_sgafree(&qr.qr_value.sga);
        to += n;
        len -= n;
    }
}

static void transmit(int qd, const void *buf, size_t len)
{
    demi_sgarray_t sga = demi_sgaalloc(len);
    demi_qtoken_t qt = 0;
    int rc = sga.sga_numsegs == 1 ? 0 : ENOMEM;

    if (rc == 0) {
        memcpy(sga.sga_segs[0].sgaseg_buf, buf, len);
        rc = demi_push(&qt, qd, &sga);
        demi_sgafree(&sga);
    }
    finish(rc, qt, "push");
}

static void say(const struct test *t, enum state state)
{
    char byte = (char)state;

    transmit(t->control, &byte, 1);
}

static int next_connection(int listener)
{
    demi_qtoken_t qt = 0;
    int rc = demi_accept(&qt, listener);
    demi_qresult_t qr = finish(rc, qt, "accept");
    char cookie[COOKIE];

    receive(qr.qr_value.ares.qd, cookie, sizeof(cookie));
    return qr.qr_value.ares.qd;
}

static void receive_json(const struct test *t, char *text)
{
    uint32_t len;

    receive(t->control, &len, sizeof(len));
    len = ntohl(len);
    if (len >= JSON_MAX)
        finish(EMSGSIZE, 0, "JSON");
    receive(t->control, text, len);
    text[len] = '\0';
}

static void send_json(const struct test *t, const char *text)
{
    uint32_t len = htonl((uint32_t)strlen(text));

    transmit(t->control, &len, sizeof(len));
    transmit(t->control, text, strlen(text));
}

/* Parameters of the client's: those that matter here, wherever they stand. */
static void read_parameters(struct test *t)
{
    static char text[JSON_MAX];
    const char *at;

    receive_json(t, text);
    at = strstr(text, "\"parallel\":");
    t->streams = at == NULL ? 1 : (int)strtol(at + strlen("\"parallel\":"), NULL, 10);
    t->reverse = strstr(text, "\"reverse\":") != NULL;
    if (t->streams < 1 || t->streams > STREAMS_MAX)
        finish(EINVAL, 0, "parallel");
}

/* Starts the next operation of a stream. */
static demi_qtoken_t next_on(struct test *t, int i)
{
    demi_qtoken_t qt = 0;
    int rc = t->reverse ? demi_push(&qt, t->stream[i], &t->chunk) : demi_pop(&qt, t->stream[i]);

    if (rc != 0)
        finish(rc, 0, "stream");
    return qt;
}

/* Moves bytes until the client says on the control connection that the test is over. */
static void move_bytes(struct test *t)
{
    demi_qtoken_t qt[STREAMS_MAX + 1];
    int n = t->streams;

    for (int i = 0; i < n; i++)
        qt[i] = next_on(t, i);
    if (demi_pop_n(&qt[n], t->control, 1) != 0)
        finish(EINVAL, 0, "control");
    for (;;) {
        demi_qresult_t qr;
        int at, rc = demi_wait_any(&qr, &at, qt, n + 1, NULL);

        if (rc == 0 && qr.qr_opcode == DEMI_OPC_FAILED)
            rc = (int)qr.qr_ret;
        if (rc != 0)
            finish(rc, 0, "wait");
        if (at == n) {
            bool end = *(const char *)qr.qr_value.sga.sga_segs[0].sgaseg_buf == TEST_END;

            demi_sgafree(&qr.qr_value.sga);
            if (!end)
                finish(EPROTO, 0, "control");
            break;
        }
        t->bytes[at] += t->reverse ? CHUNK : demi_sga_len(&qr.qr_value.sga);
        if (!t->reverse)
            demi_sgafree(&qr.qr_value.sga);
        qt[at] = next_on(t, at);
    }
    for (int i = 0; i < n; i++) { /* a client that receives waits for the ends of its streams */
        demi_cancel(qt[i]);
        demi_close(t->stream[i]);
    }
}

static void exchange_results(struct test *t)
{
    static char text[JSON_MAX];
    size_t len;

    receive_json(t, text);
    len = (size_t)snprintf(text, sizeof(text),
                           "{\"cpu_util_total\":0,\"cpu_util_user\":0,\"cpu_util_system\":0,"
                           "\"sender_has_retransmits\":-1,\"streams\":[");
    for (int i = 0; i < t->streams; i++) /* the client's numbers of streams: 1, 3, 4, 5 ... */
        len += (size_t)snprintf(text + len, sizeof(text) - len,
                                "%s{\"id\":%d,\"bytes\":%llu,\"retransmits\":-1,\"jitter\":0,\"errors\":0,"
                                "\"packets\":0,\"start_time\":0,\"end_time\":1}",
                                i > 0 ? "," : "", i == 0 ? 1 : i + 2, (unsigned long long)t->bytes[i]);
    snprintf(text + len, sizeof(text) - len, "]}");
    send_json(t, text);
}

static void serve_one(int listener)
{
    struct test t = {.control = next_connection(listener), .chunk = demi_sgaalloc(CHUNK)};
    char done;

    if (t.chunk.sga_numsegs != 1)
        finish(ENOMEM, 0, "memory");
    memset(t.chunk.sga_segs[0].sgaseg_buf, 'i', CHUNK);
    say(&t, PARAM_EXCHANGE);
    read_parameters(&t);
    say(&t, CREATE_STREAMS);
    for (int i = 0; i < t.streams; i++)
        t.stream[i] = next_connection(listener);
    say(&t, TEST_START);
    say(&t, TEST_RUNNING);
    move_bytes(&t);
    say(&t, EXCHANGE_RESULTS);
    exchange_results(&t);
    say(&t, DISPLAY_RESULTS);
    receive(t.control, &done, 1);
    demi_close(t.control);
    demi_sgafree(&t.chunk);
    printf("%s, %d streams\n", t.reverse ? "sent" : "received", t.streams);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    struct addr at = {.len = sizeof(struct sockaddr_in6)}, bound;
    struct sockaddr_in6 *any = (struct sockaddr_in6 *)(void *)&at.storage;
    int listener;

    if (argc != 2 || !demi_begin(argc, argv))
        return 2;
    any->sin6_family = AF_INET6;
    any->sin6_port = htons((uint16_t)strtoul(argv[1], NULL, 10));
    listener = demi_bound_socket(&at, SOCK_STREAM, 64, &bound);
    if (listener < 0)
        return 1;
    print_listening(&bound);
    for (;;)
        serve_one(listener);
}
