/* SPDX-License-Identifier: MIT */
/*
 * The published figures of the prototype's fast path beside the simulated machine's: latency and throughput of a guest
 * that sends messages back, between first flit in and last flit out. One JSON object a line.
 * `idle_skip` is about the simulator: four polling cores that get a request a microsecond.
 * usage: nanopu_bench GUEST [NAME]... | nanopu_bench POLLING_GUEST idle_skip
 */
#include "nanopu/wire.h"
#include "pair.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MESSAGES    20
#define GAP         1200 /* cycles between messages whose latency counts; */
#define GAP_STEP    7    /* they meet the guest's loop at different places */
#define ANSWER_MAX  100000
#define WORDS_MAX   128
#define HEADER_BITS (64 * 8)

#define IDLE_ROUNDS   5
#define IDLE_REQUESTS 1000
#define IDLE_CYCLES   3200 /* between them: a microsecond */

/* B(name, bytes of a message, what is measured, the published figure) */
#define BENCHES(B)                                                                                                     \
    B(loopback_16, 16, latency, 54)                                                                                    \
    B(loopback_1024, 1024, latency, 445)                                                                               \
    B(throughput_16, 16, throughput, 73)                                                                               \
    B(throughput_1024, 1024, throughput, 161)

static void must(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "nanopu_bench: %s\n", what);
    exit(1);
}

static const uint64_t *payload(void)
{
    static uint64_t words[WORDS_MAX];

    for (unsigned i = 0; i < WORDS_MAX; i++)
        words[i] = i;
    return words;
}

/* The first message tells the guest the length of all; with it its loop is in the cache. */
static void start(struct wire *w, const char *guest, unsigned bytes)
{
    struct error_text et;

    must(wire_start(w, guest, true, &et) == 0, et.text);
    wire_send(w, w->now, payload(), bytes / 8);
    must(wire_wait(w, 1, ANSWER_MAX), "the first message was not answered");
    w->answers = 0;
}

/* Median cycles from the first flit of a request to the last of its answer, both counted. */
static double latency(struct wire *w, unsigned bytes)
{
    double cycles[MESSAGES];

    for (unsigned i = 0; i < MESSAGES; i++) {
        uint64_t in = wire_send(w, w->now + GAP + GAP_STEP * i, payload(), bytes / 8);

        must(wire_wait(w, i + 1, ANSWER_MAX), "a message was not answered");
        cycles[i] = (double)(w->last_flit[i] + 1 - in);
    }
    return pair_median(cycles, MESSAGES);
}

/* Gbit/s of requests, their headers included, when they come back to back. */
static double throughput(struct wire *w, unsigned bytes)
{
    uint64_t first = 0, last;

    for (unsigned i = 0; i < MESSAGES; i++) {
        uint64_t in = wire_send(w, w->now + GAP, payload(), bytes / 8);

        first = i == 0 ? in : first;
    }
    must(wire_wait(w, MESSAGES, ANSWER_MAX), "a message was not answered");
    last = w->last_flit[MESSAGES - 1] + 1;
    return MESSAGES * (double)(HEADER_BITS + 8 * bytes) / ((double)(last - first) * 1000 / CLOCK_MHZ);
}

static const char *unit_of(double (*measure)(struct wire *, unsigned))
{
    return measure == latency ? "cycles" : "Gbit/s";
}

/* Seconds that a microsecond's worth of cycles takes for each of the requests; the hash of their answers' cycles. */
static double idle_seconds(const char *guest, bool skip, uint64_t *hash)
{
    static struct wire w;
    struct error_text et;
    uint64_t start;
    double seconds;

    must(wire_start(&w, guest, skip, &et) == 0, et.text);
    w.step = IDLE_CYCLES;
    start = pair_now_ns();
    for (unsigned i = 0; i < IDLE_REQUESTS; i++) {
        wire_send(&w, w.now + 1, payload(), 2);
        must(wire_wait(&w, 1, ANSWER_MAX), "a message was not answered");
        w.answers = 0;
    }
    seconds = (double)(pair_now_ns() - start) / 1e9;
    *hash = w.all_answers;
    wire_stop(&w);
    return seconds;
}

/* Simulated microseconds a second when waiting is added up, beside the same with each turn of each loop executed. */
static void idle_skip(const char *guest)
{
    double with[IDLE_ROUNDS], without[IDLE_ROUNDS], ratio[IDLE_ROUNDS];

    for (unsigned i = 0; i < IDLE_ROUNDS; i++) {
        uint64_t a, b;

        with[i] = IDLE_REQUESTS / idle_seconds(guest, true, &a);
        without[i] = IDLE_REQUESTS / idle_seconds(guest, false, &b);
        ratio[i] = with[i] / without[i];
        must(a == b, "skipping changes the cycles of the answers");
    }
    pair_print("idle_skip", pair_median(with, IDLE_ROUNDS), "simulated us/s", "the same without skipping",
               pair_median(without, IDLE_ROUNDS), pair_median(ratio, IDLE_ROUNDS), 10);
}

static bool wanted(int argc, char **argv, const char *name)
{
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], name) == 0)
            return true;
    }
    return argc <= 2;
}

static void run(const char *guest, const char *name, unsigned bytes, double (*measure)(struct wire *, unsigned),
                double published)
{
    static struct wire w;
    double value;

    start(&w, guest, bytes);
    value = measure(&w, bytes);
    wire_stop(&w);
    pair_print(name, value, unit_of(measure), "the prototype, as published", published, value / published, 1);
}

int main(int argc, char **argv)
{
    must(argc > 1, "usage: nanopu_bench GUEST [NAME]... | nanopu_bench POLLING_GUEST idle_skip");
    if (argc == 3 && strcmp(argv[2], "idle_skip") == 0) {
        idle_skip(argv[1]);
        return 0;
    }
#define RUN(name, bytes, measure, published)                                                                           \
    if (wanted(argc, argv, #name))                                                                                     \
        run(argv[1], #name, bytes, measure, published);
    BENCHES(RUN)
#undef RUN
    return 0;
}
