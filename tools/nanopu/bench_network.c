/* SPDX-License-Identifier: MIT */
/* Many hosts at one switch. Settings: section 8.3 of the machine's contract. */
#include "bench.h"

static const struct bench_experiment experiments[] = {
    {"incast", "80 hosts send to one at once: queues of the switch", "hosts", "bytes", "8.4", NULL, 3, false},
    {"incast_time", "80 hosts send to one at once: when the queue is empty, with and without trimming", "hosts",
     "microseconds after the first burst", "8.4",
     "Seen once an iteration of 1218 cycles (381 ns), as published. Without trimming the packets that found no room "
     "come again after the timeout.",
     3, false},
};

/* Those of the 90 that neither send nor receive are not there. */
static const char incast[] = "hosts:\n"
                             "  - {name: server, program: @GUESTS@/incast.elf, args: [server, '80']}\n"
                             "  - {name: client, count: 80, program: @GUESTS@/incast.elf, args: [client, 10.0.0.2]}\n"
                             "switches:\n"
                             "  - {name: s, kind: osdi21, queues: queues.csv}\n";

#define TEXT_(x) #x
#define TEXT(x)  TEXT_(x)
#define INCAST                                                                                                         \
    "cores: 1, link_cycles: " TEXT(BENCH_INCAST_LINK) ", timeout_cycles: 38976, queue_high_bytes: 81600, "             \
                                                      "queue_low_bytes: 81600"

static const struct bench_series series[] = {
    {.experiment = "incast",
     .name = "incast",
     .params = INCAST,
     .hosts = incast,
     .settings = {90},
     .metric = BENCH_QUEUES,
     .rows = {"peak of the low queue", "peak of the high queue"}},
    {.experiment = "incast",
     .name = "drop",
     .params = INCAST ", trimming: off",
     .hosts = incast,
     .settings = {90},
     .metric = BENCH_BURSTS,
     .figure = BENCH_SECOND_PEAK,
     .rows = {"second burst without trimming"}},
    {.experiment = "incast_time",
     .name = "trim",
     .params = INCAST,
     .hosts = incast,
     .settings = {90},
     .metric = BENCH_BURSTS,
     .rows = {"empty with trimming"}},
    {.experiment = "incast_time",
     .name = "drop",
     .params = INCAST ", trimming: off",
     .hosts = incast,
     .settings = {90},
     .metric = BENCH_BURSTS,
     .rows = {"empty without trimming", "second burst without trimming"}},
};

const struct bench_list bench_network = {BENCH_ARRAYS};
