/* SPDX-License-Identifier: MIT */
/*
 * One core on a wire: latency and throughput by size, and dot products; with messages in registers and with a
 * conventional NIC on the same core. Settings: section 8.3 of the machine's contract.
 */
#include "bench.h"

#define BASELINE                                                                                                       \
    " The published baseline (IceNIC) hands buffers over through registers with queues, and so does the row of that "  \
    "name; rings in memory are what today's NICs have. "

static const struct bench_experiment experiments[] = {
    {"loopback", "Wire to wire through one core", "payload, bytes", "median, nanoseconds", "8.4",
     "Published figures were read from a plot, to a nanosecond either way. From 32 to 256 bytes one to three "
     "nanoseconds are missing here: the way through the comparisons of the length is that of our compiler." BASELINE
     "The baseline's latencies are not published and nothing was fitted: it grows by the same four cycles for eight "
     "bytes, but is slower by 30 to 42 nanoseconds at each size. Our guest exchanges addresses in the frame, which it "
     "has to fetch for that.",
     3, false},
    {"throughput", "Messages sent back by one core", "payload, bytes", "Gbit/s", "8.4",
     "At 1024 bytes the published program is slower than the one that adds 1 to each word; here both are the same run "
     "of instructions." BASELINE
     "Its throughput agrees up to 256 bytes; above, sending and receiving overlap more here.",
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
#define SILENT       ",acks=no"
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

static const struct bench_series series[] = {
    {.experiment = "loopback",
     .name = "loopback",
     .guest = "loopback",
     .args = "",
     .params = ON_WIRE,
     .load = LATENCY,
     .settings = SIZES,
     .count = 21,
     .quick_count = 21,
     .metric = BENCH_LATENCY,
     .rows = {"nanoPU"}},
    {.experiment = "loopback",
     .name = "queues",
     .guest = "ring_loopback",
     .args = "queues",
     .params = ON_RINGS,
     .load = LATENCY SILENT,
     .settings = SIZES,
     .count = 21,
     .quick_count = 21,
     .metric = BENCH_LATENCY,
     .rows = {"IceNIC"}},
    {.experiment = "loopback",
     .name = "poll",
     .guest = "ring_loopback",
     .args = "poll",
     .params = ON_RINGS,
     .load = LATENCY SILENT,
     .settings = SIZES,
     .count = 21,
     .quick_count = 21,
     .metric = BENCH_LATENCY,
     .rows = {"rings polled"}},
    {.experiment = "loopback",
     .name = "interrupt",
     .guest = "ring_loopback",
     .args = "interrupt",
     .params = ON_RINGS,
     .load = LATENCY SILENT,
     .settings = SIZES,
     .count = 21,
     .quick_count = 21,
     .metric = BENCH_LATENCY,
     .rows = {"rings interrupts"}},
    {.experiment = "throughput",
     .name = "throughput",
     .guest = "loopback",
     .args = "",
     .params = ON_WIRE,
     .load = BACK_TO_BACK,
     .settings = SIZES,
     .count = 20,
     .quick_count = 20,
     .metric = BENCH_THROUGHPUT,
     .rows = {"nanoPU"}},
    {.experiment = "throughput",
     .name = "queues",
     .guest = "ring_loopback",
     .args = "queues",
     .params = ON_RINGS,
     .load = BACK_TO_BACK SILENT,
     .settings = SIZES,
     .count = 20,
     .quick_count = 20,
     .metric = BENCH_THROUGHPUT,
     .rows = {"IceNIC"}},
    {.experiment = "throughput",
     .name = "poll",
     .guest = "ring_loopback",
     .args = "poll",
     .params = ON_RINGS,
     .load = BACK_TO_BACK SILENT,
     .settings = SIZES,
     .count = 20,
     .quick_count = 20,
     .metric = BENCH_THROUGHPUT,
     .rows = {"rings polled"}},
    {.experiment = "stream",
     .name = "stream",
     .guest = "loopback",
     .args = "add",
     .params = ON_WIRE,
     .load = BACK_TO_BACK,
     .settings = SIZES_ADD,
     .count = 20,
     .quick_count = 20,
     .metric = BENCH_THROUGHPUT,
     .rows = {"nanoPU"}},
    {.experiment = "stream",
     .name = "queues",
     .guest = "ring_loopback",
     .args = "queues, add",
     .params = ON_RINGS,
     .load = BACK_TO_BACK SILENT,
     .settings = SIZES_ADD,
     .count = 20,
     .quick_count = 20,
     .metric = BENCH_THROUGHPUT,
     .rows = {"IceNIC"}},
    {.experiment = "stream",
     .name = "poll",
     .guest = "ring_loopback",
     .args = "poll, add",
     .params = ON_RINGS,
     .load = BACK_TO_BACK SILENT,
     .settings = SIZES_ADD,
     .count = 20,
     .quick_count = 20,
     .metric = BENCH_THROUGHPUT,
     .rows = {"rings polled"}},
    {.experiment = "dot",
     .name = "optimised",
     .guest = "dot",
     .args = "optimised",
     .params = ON_WIRE,
     .load = DOT,
     .settings = SIZES_DOT,
     .bytes_before = 16,
     .count = 30,
     .quick_count = 30,
     .metric = BENCH_PER_MESSAGE,
     .rows = {"optimised"}},
    {.experiment = "dot",
     .name = "naive",
     .guest = "dot",
     .args = "naive",
     .params = ON_WIRE,
     .load = DOT,
     .settings = SIZES_DOT,
     .bytes_before = 16,
     .count = 30,
     .quick_count = 30,
     .metric = BENCH_PER_MESSAGE,
     .rows = {"naive"}},
    {.experiment = "dot",
     .name = "queues",
     .guest = "ring_dot",
     .args = "queues",
     .params = ON_RINGS,
     .load = DOT SILENT,
     .settings = SIZES_DOT,
     .bytes_before = 16,
     .count = 30,
     .quick_count = 30,
     .metric = BENCH_PER_MESSAGE,
     .rows = {"IceNIC"}},
    {.experiment = "dot",
     .name = "poll",
     .guest = "ring_dot",
     .args = "poll",
     .params = ON_RINGS,
     .load = DOT SILENT,
     .settings = SIZES_DOT,
     .bytes_before = 16,
     .count = 30,
     .quick_count = 30,
     .metric = BENCH_PER_MESSAGE,
     .rows = {"rings polled"}},
};

static const struct bench_ratio ratios[] = {
    {"dot_speedup", "optimised", "dot", "IceNIC", "optimised"},
    {"dot_speedup", "naive", "dot", "IceNIC", "naive"},
};

const struct bench_list bench_wire = {BENCH_ARRAYS, .ratios = ratios, .ratio_count = ARRAY_LEN(ratios)};
