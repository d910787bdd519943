/* SPDX-License-Identifier: MIT */
/*
 * Scheduling of threads and cores. Settings: section 8.3 of the machine's contract. What was measured on the prototype
 * is in share/nanopu/published.csv and nowhere else.
 */
#include "bench.h"

#define ONE_RUN                                                                                                        \
    "Published is one run. Near saturation one run differs from another by more than the limit: see the range of the " \
    "seeds."

static const struct bench_experiment experiments[] = {
    {"hts", "Threads scheduled by hardware, and by a timer", BENCH_LOAD, "99th percentile, microseconds", "8.4",
     ONE_RUN, 10, true},
    {"bounded", "Bounded processing time: some messages of one context take ten times as long", BENCH_LOAD,
     "99th percentile, microseconds", "8.4", ONE_RUN, 10, true},
    {"balance", "Four cores: random, shortest queue, shortest queue with preemption", BENCH_LOAD,
     "99th percentile, microseconds", "8.4",
     ONE_RUN " The shortest queue without preemption has its 99th percentile where a long request delays short ones, "
             "half a percent of all: it varies most.",
     10, true},
};

#define ONE_LINK  "timeout_cycles: 2240"
#define FIXED     "service=fixed:1600"
#define HTS_MEANS "3200:1400:200"

/* Sweeps of the load go downwards in the time between requests, as published: what one load leaves is there for the
 * next. */
static const struct bench_series series[] = {
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
};

const struct bench_list bench_scheduling = {BENCH_ARRAYS};
