/* SPDX-License-Identifier: MIT */
/*
 * catmem between two processes, each figure beside the bare machine's in the same run: a 64-byte round trip beside one
 * over a bare ring in shared memory, 64 KiB messages beside memcpy. One JSON object a line.
 * usage: catmem_bench [catmem_rtt] [catmem_bw] [catmem_bw_ref]
 */
#include "pair.h"

#include <arpa/inet.h>
#include <demi/ext.h>
#include <demi/libos.h>
#include <demi/sga.h>
#include <demi/wait.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROUNDS    101
#define RTT_BATCH 2000
#define SMALL     64
#define LARGE     65536
#define BW_BATCH  256 /* messages a round */
#define BW_WINDOW 16  /* pushes outstanding */
#define SLOTS     64

/* A bare ring: what any two processes with shared memory can do. */
struct ring {
    _Alignas(64) atomic_uint tail; /* written by the producer */
    _Alignas(64) atomic_uint head; /* written by the consumer */
    _Alignas(64) char slot[SLOTS][SMALL];
};

/* Shared by the two processes. */
struct shared {
    struct ring to_child, to_parent;
    atomic_uint port;
    atomic_uint go; /* rounds the sender of the bandwidth run may have started */
};

static void must(int err, const char *what)
{
    if (err == 0)
        return;
    fprintf(stderr, "catmem_bench: %s: %s (%s)\n", what, demi_strerror(err), demi_last_error());
    exit(1);
}

static void pin(int cpu)
{
    cpu_set_t all, one;
    int n = 0;

    if (sched_getaffinity(0, sizeof(all), &all) < 0 || CPU_COUNT(&all) < 2)
        return;
    for (int i = 0; i < CPU_SETSIZE; i++) {
        if (!CPU_ISSET(i, &all) || n++ != cpu)
            continue;
        CPU_ZERO(&one);
        CPU_SET(i, &one);
        sched_setaffinity(0, sizeof(one), &one);
    }
}

static void ring_send(struct ring *r, const char *msg)
{
    unsigned tail = atomic_load_explicit(&r->tail, memory_order_relaxed);

    while (tail - atomic_load_explicit(&r->head, memory_order_acquire) == SLOTS)
        ;
    memcpy(r->slot[tail % SLOTS], msg, SMALL);
    atomic_store_explicit(&r->tail, tail + 1, memory_order_release);
}

static void ring_receive(struct ring *r, char *msg)
{
    unsigned head = atomic_load_explicit(&r->head, memory_order_relaxed);

    while (atomic_load_explicit(&r->tail, memory_order_acquire) == head)
        ;
    memcpy(msg, r->slot[head % SLOTS], SMALL);
    atomic_store_explicit(&r->head, head + 1, memory_order_release);
}

static void bare_ping(struct shared *s, unsigned n)
{
    char msg[SMALL] = {0};

    for (unsigned i = 0; i < n; i++) {
        ring_send(&s->to_child, msg);
        ring_receive(&s->to_parent, msg);
    }
}

static void bare_pong(struct shared *s, unsigned n)
{
    char msg[SMALL];

    for (unsigned i = 0; i < n; i++) {
        ring_receive(&s->to_child, msg);
        ring_send(&s->to_parent, msg);
    }
}

static demi_qresult_t await(demi_qtoken_t qt)
{
    demi_qresult_t qr;

    must(demi_wait(&qr, qt, NULL), "wait");
    if (qr.qr_opcode == DEMI_OPC_FAILED)
        must((int)qr.qr_ret, "operation");
    return qr;
}

static demi_sgarray_t pop(int qd)
{
    demi_qtoken_t qt;

    must(demi_pop(&qt, qd), "pop");
    return await(qt).qr_value.sga;
}

static void push_and_wait(int qd, demi_sgarray_t *sga)
{
    demi_qtoken_t qt;

    must(demi_push(&qt, qd, sga), "push");
    await(qt);
}

static void ping(int qd, unsigned n)
{
    demi_sgarray_t out = demi_sgaalloc(SMALL);

    for (unsigned i = 0; i < n; i++) {
        demi_sgarray_t in;

        push_and_wait(qd, &out);
        in = pop(qd);
        demi_sgafree(&in);
    }
    demi_sgafree(&out);
}

static void pong(int qd, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        demi_sgarray_t in = pop(qd);

        push_and_wait(qd, &in);
        demi_sgafree(&in);
    }
}

/* Sends messages with a window of pushes; by_reference: each buffer is given up with its push. */
static void stream_out(int qd, unsigned n, bool by_reference)
{
    demi_sgarray_t sga[BW_WINDOW];
    demi_qtoken_t qt[BW_WINDOW];

    for (unsigned i = 0; i < BW_WINDOW && !by_reference; i++)
        sga[i] = demi_sgaalloc(LARGE);
    for (unsigned i = 0; i < n + BW_WINDOW; i++) {
        unsigned k = i % BW_WINDOW;

        if (i >= BW_WINDOW)
            await(qt[k]);
        if (i >= n)
            continue;
        if (by_reference) {
            sga[k] = demi_sgaalloc(LARGE);
            if (sga[k].sga_buf == NULL)
                must(ENOMEM, "sgaalloc");
        }
        must(demi_push(&qt[k], qd, &sga[k]), "push");
        if (by_reference)
            demi_sgafree(&sga[k]);
    }
    for (unsigned i = 0; i < BW_WINDOW && !by_reference; i++)
        demi_sgafree(&sga[i]);
}

static void stream_in(int qd, unsigned n)
{
    for (size_t got = 0; got < (size_t)n * LARGE;) {
        demi_sgarray_t in = pop(qd);

        got += in.sga_segs[0].sgaseg_len;
        demi_sgafree(&in);
    }
}

static int listen_and_accept(struct shared *s)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(addr);
    demi_qtoken_t qt;
    int qd;

    must(demi_socket(&qd, AF_INET, SOCK_STREAM, 0), "socket");
    must(demi_bind(qd, (struct sockaddr *)&addr, sizeof(addr)), "bind");
    must(demi_listen(qd, 1), "listen");
    must(demi_getsockname(qd, (struct sockaddr *)&addr, &len), "getsockname");
    atomic_store(&s->port, ntohs(addr.sin_port));
    must(demi_accept(&qt, qd), "accept");
    return await(qt).qr_value.ares.qd;
}

static int connect_to(const struct shared *s)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    demi_qtoken_t qt;
    int qd;

    while (atomic_load(&s->port) == 0)
        sched_yield();
    addr.sin_port = htons((uint16_t)atomic_load(&s->port));
    must(demi_socket(&qd, AF_INET, SOCK_STREAM, 0), "socket");
    must(demi_connect(&qt, qd, (struct sockaddr *)&addr, sizeof(addr)), "connect");
    await(qt);
    return qd;
}

/* --- the two sides of each measurement: the parent times, the child answers --- */

static void rtt_child(struct shared *s, int qd)
{
    for (unsigned r = 0; r < ROUNDS; r++) {
        bare_pong(s, RTT_BATCH);
        pong(qd, RTT_BATCH);
    }
}

static void rtt_parent(struct shared *s, int qd)
{
    static double ours[ROUNDS], bare[ROUNDS], ratio[ROUNDS];

    for (unsigned r = 0; r < ROUNDS; r++) {
        uint64_t t0 = pair_now_ns(), t1, t2;

        bare_ping(s, RTT_BATCH);
        t1 = pair_now_ns();
        ping(qd, RTT_BATCH);
        t2 = pair_now_ns();
        bare[r] = (double)(t1 - t0) / RTT_BATCH;
        ours[r] = (double)(t2 - t1) / RTT_BATCH;
        ratio[r] = ours[r] / bare[r];
    }
    pair_print("catmem_rtt", pair_median(ours, ROUNDS), "ns", "a bare 64 B ring between the same processes",
               pair_median(bare, ROUNDS), pair_median(ratio, ROUNDS), 2.5);
}

/* GB/s of memcpy in blocks of a message, over as many blocks as there are messages under way. */
static double memcpy_rate(void)
{
    static char from[BW_WINDOW][LARGE], to[BW_WINDOW][LARGE];
    uint64_t t0;

    memset(from, 1, sizeof(from));
    t0 = pair_now_ns();
    for (unsigned i = 0; i < BW_BATCH; i++) {
        memcpy(to[i % BW_WINDOW], from[i % BW_WINDOW], LARGE);
        __asm__ volatile("" : : "r"(to) : "memory");
    }
    return (double)BW_BATCH * LARGE / (double)(pair_now_ns() - t0);
}

static void bw_child(struct shared *s, int qd, bool by_reference)
{
    for (unsigned r = 0; r < ROUNDS; r++) {
        while (atomic_load(&s->go) <= r)
            ;
        stream_out(qd, BW_BATCH, by_reference);
    }
}

static void bw_parent(struct shared *s, int qd, const char *name, double aim)
{
    static double ours[ROUNDS], copy[ROUNDS], ratio[ROUNDS];

    for (unsigned r = 0; r < ROUNDS; r++) {
        uint64_t t0;

        copy[r] = memcpy_rate();
        t0 = pair_now_ns();
        atomic_fetch_add(&s->go, 1);
        stream_in(qd, BW_BATCH);
        ours[r] = (double)BW_BATCH * LARGE / (double)(pair_now_ns() - t0);
        ratio[r] = ours[r] / copy[r];
    }
    pair_print(name, pair_median(ours, ROUNDS), "GB/s", "memcpy of 64 KiB blocks", pair_median(copy, ROUNDS),
               pair_median(ratio, ROUNDS), aim);
}

static void run_child(struct shared *s, const char *name)
{
    int qd;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    pin(1);
    must(demi_init(NULL), "init");
    qd = listen_and_accept(s);
    if (strcmp(name, "catmem_rtt") == 0)
        rtt_child(s, qd);
    else
        bw_child(s, qd, strcmp(name, "catmem_bw_ref") == 0);
    pop(qd); /* the end of the stream: the parent is done */
    demi_fini();
}

static void run_parent(struct shared *s, const char *name)
{
    int qd;

    must(demi_init(NULL), "init");
    qd = connect_to(s);
    if (strcmp(name, "catmem_rtt") == 0)
        rtt_parent(s, qd);
    else
        bw_parent(s, qd, name, strcmp(name, "catmem_bw") == 0 ? 0.8 : 1);
    demi_close(qd);
    demi_fini();
}

static int measure(const char *name)
{
    struct shared *s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int status = 0;
    pid_t child;

    if (s == MAP_FAILED)
        must(errno, "mmap");
    child = fork();
    if (child < 0)
        must(errno, "fork");
    if (child == 0) {
        run_child(s, name);
        exit(0);
    }
    pin(0);
    run_parent(s, name);
    waitpid(child, &status, 0);
    munmap(s, sizeof(*s));
    return status == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    static const char *const names[] = {"catmem_rtt", "catmem_bw", "catmem_bw_ref"};
    int failed = 0;

    setenv("LIBOS", "catmem", 1);
    setenv("IDLE", "spin", 1);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        bool wanted = argc < 2;

        for (int k = 1; k < argc; k++)
            wanted |= strcmp(argv[k], names[i]) == 0;
        if (wanted)
            failed |= measure(names[i]);
    }
    return failed;
}
