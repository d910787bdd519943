/* SPDX-License-Identifier: MIT */
/*
 * The experiments and their settings, section 8.3 of the machine's contract. Nothing that was measured on the prototype
 * stands here: see share/nanopu/published.csv.
 */
#include "bench.h"

#define LOAD "load, million requests a second"
#define ONE_RUN                                                                                                        \
    "Published is one run. Near saturation one run differs from another by more than the limit: see the range of the " \
    "seeds."

const struct bench_experiment bench_experiments[] = {
    {"hts", "Threads scheduled by hardware, and by a timer", LOAD, "99th percentile, microseconds", "8.4", ONE_RUN, 10,
     true},
    {"bounded", "Bounded processing time: some messages of one context take ten times as long", LOAD,
     "99th percentile, microseconds", "8.4", ONE_RUN, 10, true},
    {"balance", "Four cores: random, shortest queue, shortest queue with preemption", LOAD,
     "99th percentile, microseconds", "8.4",
     ONE_RUN " The shortest queue without preemption has its 99th percentile where a long request delays short ones, "
             "half a percent of all: it varies most. With preemption the last three loads are slower here with every "
             "seed, which is not explained.",
     10, true},
    {"loopback", "Wire to wire through one core", "payload, bytes", "median, nanoseconds", "8.4",
     "Published figures were read from a plot, to a nanosecond either way. From 32 to 256 bytes one to three "
     "nanoseconds are missing here: the way through the comparisons of the length is that of our compiler.",
     3, false},
    {"throughput", "Messages sent back by one core", "payload, bytes", "Gbit/s", "8.4",
     "At 1024 bytes the published program is slower than the one that adds 1 to each word; here both are the same run "
     "of instructions.",
     3, false},
    {"stream", "Messages sent back with 1 added to each word", "payload, bytes", "Gbit/s", "8.4", NULL, 3, false},
    {"mica", "A key-value store on one core", LOAD, "99th percentile, microseconds", "8.4",
     "Items are 5.3 MB, more than the caches, and each of an item's nine lines is a miss that nothing overlaps with. "
     "The "
     "median alone is 1,190 cycles at no load, near the published saturation; the latencies below the first-level "
     "cache "
     "are not published.",
     15, true},
    {"rdma_load", "One-sided reads of 3.2 MB", LOAD, "99th percentile, nanoseconds", "8.4",
     "How many cores served is not published; one could not have answered 58 million a second. With four the "
     "published saturation is not met: something in the prototype's server is slower.",
     15, true},
    {"incast", "80 hosts send to one at once: queues of the switch", "hosts", "bytes", "8.4", NULL, 3, false},
};
const size_t bench_experiment_count = ARRAY_LEN(bench_experiments);

#define ONE_LINK  "timeout_cycles: 2240"
#define TEXT_(x)  #x
#define TEXT(x)   TEXT_(x)
#define ON_WIRE   "timeout_cycles: 30000, cores: 1, link_cycles: " TEXT(BENCH_WIRE_CYCLES)
#define FIXED     "service=fixed:1600"
#define HTS_MEANS "3200:1400:200"
#define SIZES                                                                                                          \
    {                                                                                                                  \
        16, 32, 64, 128, 256, 512, 1024                                                                                \
    }

/* Sweeps of the load go downwards in the time between requests, as published: what one load leaves is there for the
 * next. */
const struct bench_series bench_all_series[] = {
    {.experiment = "hts",
     .name = "hardware",
     .guest = "evaluation",
     .args = "DIF_PRIORITY_LNIC_DRIVEN, '10', '100'",
     .params = ONE_LINK,
     .load = "test=DIF_PRIORITY_LNIC_DRIVEN," FIXED,
     .mean = HTS_MEANS,
     .count = 20000,
     .quick_count = 4000,
     .metric = BENCH_P99_CONTEXT,
     .rows = {"nanoPU high", "nanoPU low"}},
    {.experiment = "hts",
     .name = "timer",
     .guest = "evaluation",
     .args = "DIF_PRIORITY_TIMER_DRIVEN, '10', '100'",
     .params = ONE_LINK,
     .load = "test=DIF_PRIORITY_TIMER_DRIVEN," FIXED,
     .mean = "3200:1600:200",
     .count = 20000,
     .quick_count = 4000,
     .metric = BENCH_P99_CONTEXT,
     .rows = {"timer high", "timer low"}},
    {.experiment = "bounded",
     .name = "bounded",
     .guest = "evaluation",
     .args = "HIGH_PRIORITY_C1_STALL, '10', '100'",
     .params = ONE_LINK,
     .load = "test=HIGH_PRIORITY_C1_STALL," FIXED,
     .mean = HTS_MEANS,
     .count = 20000,
     .quick_count = 4000,
     .metric = BENCH_P99_CONTEXT,
     .rows = {"bounded well-behaved", "bounded misbehaving"}},
    {.experiment = "bounded",
     .name = "unbounded",
     .guest = "evaluation",
     .args = "LOW_PRIORITY_C1_STALL, '10', '100'",
     .params = ONE_LINK,
     .load = "test=LOW_PRIORITY_C1_STALL," FIXED,
     .mean = HTS_MEANS,
     .count = 20000,
     .quick_count = 4000,
     .metric = BENCH_P99_CONTEXT,
     .rows = {"unbounded well-behaved", "unbounded misbehaving"}},
    {.experiment = "balance",
     .name = "rss",
     .guest = "evaluation",
     .args = "FOUR_CONTEXTS_FOUR_CORES, '10', '100'",
     .params = ONE_LINK,
     .load = "test=FOUR_CONTEXTS_FOUR_CORES,service=bimodal",
     .mean = "900:350:50",
     .count = 20000,
     .quick_count = 4000,
     .metric = BENCH_P99,
     .rows = {"RSS"}},
    {.experiment = "balance",
     .name = "jbsq",
     .guest = "evaluation",
     .args = "ONE_CONTEXT_FOUR_CORES, '10', '100'",
     .params = ONE_LINK,
     .load = "test=ONE_CONTEXT_FOUR_CORES,service=bimodal",
     .mean = "900:350:50",
     .count = 20000,
     .quick_count = 4000,
     .metric = BENCH_P99,
     .rows = {"JBSQ"}},
    {.experiment = "balance",
     .name = "jbsq-pre",
     .guest = "evaluation",
     .args = "TWO_CONTEXTS_FOUR_SHARED_CORES, '10', '100'",
     .params = ONE_LINK,
     .load = "test=TWO_CONTEXTS_FOUR_SHARED_CORES,service=bimodal",
     .mean = "900:300:50",
     .count = 20000,
     .quick_count = 4000,
     .metric = BENCH_P99,
     .rows = {"JBSQ-PRE"}},
    /* 20 messages after the one that tells their length. Throughput: one phase that warms the guest up, one back to
     * back. */
    {.experiment = "loopback",
     .name = "loopback",
     .guest = "loopback",
     .args = "",
     .params = ON_WIRE,
     .load = "time=exact,arrivals=fixed,mean=1207",
     .settings = SIZES,
     .count = 21,
     .quick_count = 21,
     .metric = BENCH_LATENCY,
     .rows = {"nanoPU"}},
    {.experiment = "throughput",
     .name = "throughput",
     .guest = "loopback",
     .args = "",
     .params = ON_WIRE,
     .load = "time=exact,arrivals=fixed,mean=2000:1:1999",
     .settings = SIZES,
     .count = 20,
     .quick_count = 20,
     .metric = BENCH_THROUGHPUT,
     .rows = {"nanoPU"}},
    {.experiment = "stream",
     .name = "stream",
     .guest = "loopback",
     .args = "add",
     .params = ON_WIRE,
     .load = "time=exact,arrivals=fixed,mean=2000:1:1999",
     .settings = SIZES,
     .count = 20,
     .quick_count = 20,
     .metric = BENCH_THROUGHPUT,
     .rows = {"nanoPU"}},
    {.experiment = "mica",
     .name = "mica",
     .guest = "mica",
     .args = "",
     .params = "timeout_cycles: 4480",
     .load = "kind=mica,test=ONE_CONTEXT_ONE_CORE,service=fixed:1000",
     .mean = "3200:900:100",
     .count = 20000,
     .quick_count = 2000,
     .metric = BENCH_P99,
     .rows = {"1 core"}},
    {.experiment = "rdma_load",
     .name = "rdma",
     .guest = "rdma",
     .args = "",
     .params = "timeout_cycles: 4480, link_cycles: 42",
     .load = "kind=rdma,test=ONE_CONTEXT_FOUR_CORES,service=fixed:200",
     .mean = "150:15:15",
     .count = 10000,
     .quick_count = 4000,
     .metric = BENCH_P99_NS,
     .rows = {"READ"}},
    {.experiment = "incast",
     .name = "incast",
     .guest = "incast",
     .params = "cores: 1, link_cycles: 1218, timeout_cycles: 38976, queue_high_bytes: 81600, queue_low_bytes: 81600",
     .settings = {90},
     .senders = 80,
     .metric = BENCH_QUEUES,
     .rows = {"peak of the low queue", "peak of the high queue"}},
};
const size_t bench_series_count = ARRAY_LEN(bench_all_series);

const struct bench_experiment *bench_find(const char *experiment)
{
    for (size_t i = 0; i < bench_experiment_count; i++) {
        if (__builtin_strcmp(bench_experiments[i].name, experiment) == 0)
            return &bench_experiments[i];
    }
    return NULL;
}
