/* SPDX-License-Identifier: MIT */
/*
 * One core on a wire: latency and throughput by size, and dot products; with messages in registers and with a
 * conventional NIC on the same core. Settings: section 8.3 of the machine's contract.
 */
#include "bench.h"

#define BASELINE                                                                                                       \
    " The published baseline hands buffers over through registers, two queues and no rings; rings are what today's "   \
    "NICs have."

static const struct bench_experiment experiments[] = {
    {"loopback", "Wire to wire through one core", "payload, bytes", "median, nanoseconds", "8.4",
     "Published figures were read from a plot, to a nanosecond either way. From 32 to 256 bytes one to three "
     "nanoseconds are missing here: the way through the comparisons of the length is that of our compiler." BASELINE,
     3, false},
    {"throughput", "Messages sent back by one core", "payload, bytes", "Gbit/s", "8.4",
     "At 1024 bytes the published program is slower than the one that adds 1 to each word; here both are the same run "
     "of instructions." BASELINE,
     3, false},
    {"stream", "Messages sent back with 1 added to each word", "payload, bytes", "Gbit/s", "8.4", NULL, 3, false},
    {"dot", "Dot products of a message's words with a table", "words, bytes", "nanoseconds a message", "8.4",
     "Thirty messages back to back, after as many that warm the caches up. The published figures are ratios alone: "
     "dot_speedup.",
     10, false},
    {"dot_speedup", "Dot products: how many times quicker than with the conventional NIC", "words, bytes", "times",
     "8.4",
     "The published programs are not at hand: what exactly they multiply, and how the baseline's buffers are managed, "
     "is ours.",
     10, false},
};

#define TEXT_(x)     #x
#define TEXT(x)      TEXT_(x)
#define LINK         "cores: 1, link_cycles: " TEXT(BENCH_WIRE_CYCLES)
#define ON_WIRE      "timeout_cycles: 30000, " LINK
#define ON_RINGS     "nic: rings, " LINK
#define LATENCY      "time=exact,arrivals=fixed,mean=1207"
#define BACK_TO_BACK "time=exact,arrivals=fixed,mean=2000:1:1999"
#define DOT          "kind=dot,service=fixed:20000," BACK_TO_BACK
#define SIZES                                                                                                          \
    {                                                                                                                  \
        16, 32, 64, 128, 256, 512, 1024                                                                                \
    }
#define SIZES_ADD                                                                                                      \
    {                                                                                                                  \
        32, 64, 128, 256, 512, 1024                                                                                    \
    }
#define SIZES_DOT                                                                                                      \
    {                                                                                                                  \
        8, 40, 80, 200, 400                                                                                            \
    }

/* S(experiment, name, guest, arguments, parameters, load, count, sizes, bytes before those, metric, row) */
#define SERIES(S)                                                                                                      \
    S("loopback", "loopback", "loopback", "", ON_WIRE, LATENCY, 21, SIZES, 0, BENCH_LATENCY, "nanoPU")                 \
    S("loopback", "queues", "ring_loopback", "queues", ON_RINGS, LATENCY ",acks=no", 21, SIZES, 0, BENCH_LATENCY,      \
      "IceNIC")                                                                                                        \
    S("loopback", "poll", "ring_loopback", "poll", ON_RINGS, LATENCY ",acks=no", 21, SIZES, 0, BENCH_LATENCY,          \
      "rings, polled")                                                                                                 \
    S("loopback", "interrupt", "ring_loopback", "interrupt", ON_RINGS, LATENCY ",acks=no", 21, SIZES, 0,               \
      BENCH_LATENCY, "rings, interrupts")                                                                              \
    S("throughput", "throughput", "loopback", "", ON_WIRE, BACK_TO_BACK, 20, SIZES, 0, BENCH_THROUGHPUT, "nanoPU")     \
    S("throughput", "queues", "ring_loopback", "queues", ON_RINGS, BACK_TO_BACK ",acks=no", 20, SIZES, 0,              \
      BENCH_THROUGHPUT, "IceNIC")                                                                                      \
    S("throughput", "poll", "ring_loopback", "poll", ON_RINGS, BACK_TO_BACK ",acks=no", 20, SIZES, 0,                  \
      BENCH_THROUGHPUT, "rings, polled")                                                                               \
    S("stream", "stream", "loopback", "add", ON_WIRE, BACK_TO_BACK, 20, SIZES_ADD, 0, BENCH_THROUGHPUT, "nanoPU")      \
    S("stream", "queues", "ring_loopback", "queues, add", ON_RINGS, BACK_TO_BACK ",acks=no", 20, SIZES_ADD, 0,         \
      BENCH_THROUGHPUT, "IceNIC")                                                                                      \
    S("stream", "poll", "ring_loopback", "poll, add", ON_RINGS, BACK_TO_BACK ",acks=no", 20, SIZES_ADD, 0,             \
      BENCH_THROUGHPUT, "rings, polled")                                                                               \
    S("dot", "optimised", "dot", "optimised", ON_WIRE, DOT, 30, SIZES_DOT, 16, BENCH_PER_MESSAGE, "optimised")         \
    S("dot", "naive", "dot", "naive", ON_WIRE, DOT, 30, SIZES_DOT, 16, BENCH_PER_MESSAGE, "naive")                     \
    S("dot", "queues", "ring_dot", "queues", ON_RINGS, DOT ",acks=no", 30, SIZES_DOT, 16, BENCH_PER_MESSAGE, "IceNIC") \
    S("dot", "poll", "ring_dot", "poll", ON_RINGS, DOT ",acks=no", 30, SIZES_DOT, 16, BENCH_PER_MESSAGE,               \
      "rings, polled")

#define SERIES_ENTRY(e, n, g, a, p, l, c, sizes, before, m, row)                                                       \
    {.experiment = e,                                                                                                  \
     .name = n,                                                                                                        \
     .guest = g,                                                                                                       \
     .args = a,                                                                                                        \
     .params = p,                                                                                                      \
     .load = l,                                                                                                        \
     .settings = sizes,                                                                                                \
     .count = c,                                                                                                       \
     .quick_count = c,                                                                                                 \
     .bytes_before = before,                                                                                           \
     .metric = m,                                                                                                      \
     .rows = {row}},
static const struct bench_series series[] = {SERIES(SERIES_ENTRY)};

static const struct bench_ratio ratios[] = {
    {"dot_speedup", "optimised", "dot", "IceNIC", "optimised"},
    {"dot_speedup", "naive", "dot", "IceNIC", "naive"},
};

const struct bench_list bench_wire = {BENCH_ARRAYS, .ratios = ratios, .ratio_count = ARRAY_LEN(ratios)};
