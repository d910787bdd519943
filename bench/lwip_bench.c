/* SPDX-License-Identifier: MIT */
/*
 * Our TCP/IP stack beside lwIP, each between two interfaces in memory: a whole echo of 64 bytes, and bulk one way. Both
 * through their own callbacks (src/inet's calls, lwIP's raw API), both with checksums in software, over the same wire:
 * a queue of frames, each copied once into a receive buffer. The clock of both moves STEP_NS a turn. An application
 * answers where its stack lets it: lwIP's in the callback, ours once the call that brought the frame has returned.
 * Times are of the CPU. One JSON object.
 *
 * Fair: the same work, wire and frames (an echo is two on both sides), checksums computed and checked, one core for
 * both ends. In lwIP's favour: both ends share one stack's tables, and it sends no timestamps. Against it: it is
 * Debian's package as it is, with a window of 64 KiB, segments of 1460 bytes at any MTU, a copy of what is sent and
 * -O2; the bulk rows say what a user of the package has, not what lwIP could do. Neither side has an operation or a
 * token in its figure: bench-op measures those.
 *
 * usage: bench-lwip tcp_echo_mem|tcp_bulk_mem|tcp_bulk_mem_9000 [--quick] [--ours]
 *
 * With --ours our half runs alone and nothing is printed, for valgrind --tool=callgrind.
 */
#include "host.h"
#include "lwip/side.h"
#include "pair.h"

#include <dlfcn.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define STEP_NS     2000
#define SMALL       64
#define CHUNK       65536
#define TURNS_MAX   1000000 /* without progress: something is wrong */
#define PORT        80
#define BULK_BYTES  (UINT64_C(1) << 30)
#define BULK_ROUND  (UINT64_C(16) << 20)
#define MALLOC_KEEP (64 << 20)
#define ECHOES      1000
#define ECHO_ROUNDS 501
#define ROUNDS_MAX  512
#define MTU_USUAL   1500
#define MTU_JUMBO   9000

struct popped {
    void *obj; /* NULL: nothing */
    char *ptr;
    uint32_t len;
};

static struct host *a, *b; /* a opens the connection and sends first */
static struct tcp_conn *x, *y;
static char *small, *chunk;
static uint64_t now_ns, received, returned;
static bool returns; /* b answers */
static struct popped question;
static const struct lwip_side *side;

static void up_nothing(void *ctx)
{
    (void)ctx;
}

static void up_told(void *ctx, int err)
{
    (void)ctx, (void)err;
}

/* The pop is complete; the application answers with the bytes where they lie, or frees them. */
static uint32_t up_deliver(void *ctx, void *obj, char *ptr, uint32_t len)
{
    mem_ref(obj);
    if (ctx == b && returns) {
        must(question.obj == NULL, "one question at a time");
        question = (struct popped){obj, ptr, len};
        return len;
    }
    *(ctx == a ? &returned : &received) += len;
    mem_unref(&((struct host *)ctx)->mem, obj);
    return len;
}

static unsigned turn(void)
{
    unsigned n;

    now_ns += STEP_NS;
    host_at(a, now_ns);
    host_at(b, now_ns);
    n = host_carry(a, b, HOST_BURST);
    if (question.obj != NULL) {
        must(tcp_send(y, question.obj, question.ptr, question.len) == (int64_t)question.len, "an answer");
        mem_unref(&b->mem, question.obj);
        question.obj = NULL;
    }
    return n + host_carry(b, a, HOST_BURST);
}

static void ours_open(uint16_t mtu)
{
    struct host_config cfg = host_config_defaults();
    struct inet_end at = {INET_ANY4, PORT}, any = {INET_ANY4, 0}, to;
    struct tcp_listener *l;
    int err;

    cfg.mtu = mtu;
    cfg.up = (struct tcp_upcalls){up_nothing, up_told, up_deliver, up_nothing, up_told};
    cfg.tcp.conns = 16;
    a = host_new(1, &cfg);
    b = host_new(2, &cfg);
    host_acquaint(a, b);
    now_ns = a->in->env.now_ns;
    l = tcp_listen(b->t, &at, 1, b, &err);
    must(l != NULL, "tcp_listen");
    to = (struct inet_end){b->addr, PORT};
    x = tcp_connect(a->t, &any, &to, a, &err);
    must(x != NULL, "tcp_connect");
    host_settle(a, b);
    y = tcp_accept(l, b);
    must(y != NULL, "tcp_accept");
    small = mem_alloc(&a->mem, SMALL, 1);
    chunk = mem_alloc(&a->mem, CHUNK, 1);
    must(small != NULL && chunk != NULL, "memory");
    memset(small, 'x', SMALL);
    memset(chunk, 'x', CHUNK);
}

static void ours_close(void)
{
    mem_unref(&a->mem, small);
    mem_unref(&a->mem, chunk);
    host_free(a);
    host_free(b);
}

static void ours_echo(uint64_t n)
{
    uint64_t wanted = returned;

    returns = true;
    for (uint64_t i = 0; i < n; i++) {
        unsigned turns = 0;

        wanted += SMALL;
        must(tcp_send(x, small, small, SMALL) == SMALL, "tcp_send");
        while (returned < wanted && turns++ < TURNS_MAX)
            turn();
        must(returned == wanted, "an echo");
    }
}

static void ours_bulk(uint64_t bytes)
{
    uint64_t until = received + bytes, left = bytes;
    unsigned idle = 0;

    returns = false;
    while (received < until && idle < TURNS_MAX) {
        while (left > 0) {
            int64_t n = tcp_send(x, chunk, chunk, left < CHUNK ? (uint32_t)left : CHUNK);

            if (n <= 0)
                break;
            left -= (uint64_t)n;
        }
        idle = turn() > 0 ? 0 : idle + 1;
    }
    must(received == until, "bulk");
}

/* --- lwIP --- */

static void theirs_open(uint16_t mtu)
{
    void *module = dlopen(LWIP_SIDE, RTLD_NOW | RTLD_LOCAL);

    side = module != NULL ? dlsym(module, "lwip_side") : NULL;
    /* lwIP here takes its buffers from malloc, which is not to give them back to the kernel in between. */
    (void)mallopt(M_TRIM_THRESHOLD, MALLOC_KEEP);
    (void)mallopt(M_TOP_PAD, MALLOC_KEEP);
    if (side == NULL)
        fprintf(stderr, "bench-lwip: %s\n", dlerror());
    must(side != NULL && side->open(mtu, STEP_NS, HOST_BURST), "lwIP");
}

static void theirs_echo(uint64_t n)
{
    must(side->echo((unsigned)n, SMALL), "lwIP's echo");
}

static void theirs_bulk(uint64_t bytes)
{
    must(side->bulk(bytes), "lwIP's bulk");
}

/* --- */

/* Medians of the rounds, in nanoseconds for one of amount. */
struct figures {
    double ours, theirs, ratio;
};

/* CPU time: a process that must wait for its turn would measure the turns of the others. */
static uint64_t cpu_now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

static struct figures paired(void (*ours)(uint64_t), void (*theirs)(uint64_t), uint64_t amount, unsigned rounds)
{
    double mine[ROUNDS_MAX], other[ROUNDS_MAX], ratio[ROUNDS_MAX];

    ours(amount);
    theirs(amount);
    for (unsigned i = 0; i < rounds; i++) {
        uint64_t t0 = cpu_now_ns(), t1, t2;

        ours(amount);
        t1 = cpu_now_ns();
        theirs(amount);
        t2 = cpu_now_ns();
        mine[i] = (double)(t1 - t0) / (double)amount;
        other[i] = (double)(t2 - t1) / (double)amount;
        ratio[i] = mine[i] / other[i];
    }
    return (struct figures){pair_median(mine, rounds), pair_median(other, rounds), pair_median(ratio, rounds)};
}

static void bench_echo(unsigned rounds)
{
    uint64_t mine = a->frames + b->frames, other = side->frames();
    struct figures f;

    ours_echo(ECHOES);
    theirs_echo(ECHOES);
    mine = a->frames + b->frames - mine;
    other = side->frames() - other;
    must(mine == 2 * ECHOES && other == 2 * ECHOES, "two frames an echo");
    f = paired(ours_echo, theirs_echo, ECHOES, rounds);
    pair_print("tcp_echo_mem", f.ours, "ns", "lwIP's raw API, the same frames", f.theirs, f.ratio, 0.5);
}

static void bench_bulk(const char *name, unsigned rounds)
{
    struct figures f = paired(ours_bulk, theirs_bulk, BULK_ROUND, rounds);
    char peer[96];

    snprintf(peer, sizeof(peer), "lwIP's raw API, segments of %u bytes, a window of %u", side->mss(), side->window());
    pair_print(name, 8 / f.ours, "Gb/s", peer, 8 / f.theirs, 1 / f.ratio, 2);
}

int main(int argc, char **argv)
{
    const char *name = NULL;
    bool quick = false, alone = false, echo, jumbo;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--quick") == 0)
            quick = true;
        else if (strcmp(argv[i], "--ours") == 0)
            alone = true;
        else
            name = argv[i];
    }
    echo = name != NULL && strcmp(name, "tcp_echo_mem") == 0;
    jumbo = name != NULL && strcmp(name, "tcp_bulk_mem_9000") == 0;
    if (!echo && !jumbo && (name == NULL || strcmp(name, "tcp_bulk_mem") != 0)) {
        fprintf(stderr, "usage: bench-lwip tcp_echo_mem|tcp_bulk_mem|tcp_bulk_mem_9000 [--quick] [--ours]\n");
        return 2;
    }
    ours_open(jumbo ? MTU_JUMBO : MTU_USUAL);
    if (alone && echo) {
        ours_echo(20 * ECHOES);
    } else if (alone) {
        ours_bulk(4 * BULK_ROUND);
    } else {
        theirs_open(jumbo ? MTU_JUMBO : MTU_USUAL);
        if (echo)
            bench_echo(quick ? ECHO_ROUNDS / 10 : ECHO_ROUNDS);
        else
            bench_bulk(name, (unsigned)(BULK_BYTES / BULK_ROUND / (quick ? 10 : 1)));
    }
    ours_close();
    return 0;
}
