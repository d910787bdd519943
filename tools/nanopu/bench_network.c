/* SPDX-License-Identifier: MIT */
/* Many hosts at one switch. Settings: section 8.3 of the machine's contract. */
#include "bench.h"

static const struct bench_experiment experiments[] = {
    {"incast", "80 hosts send to one at once: queues of the switch", "hosts", "bytes", "8.4", NULL, 3, false},
};

/* Those of the 90 that neither send nor receive are not there. */
static const char incast[] = "hosts:\n"
                             "  - {name: server, program: @GUESTS@/incast.elf, args: [server, '80']}\n"
                             "  - {name: client, count: 80, program: @GUESTS@/incast.elf, args: [client, 10.0.0.2]}\n"
                             "switches:\n"
                             "  - {name: s, kind: osdi21}\n";

static const struct bench_series series[] = {
    {.experiment = "incast",
     .name = "incast",
     .params = "cores: 1, link_cycles: 1218, timeout_cycles: 38976, queue_high_bytes: 81600, queue_low_bytes: 81600",
     .hosts = incast,
     .settings = {90},
     .metric = BENCH_QUEUES,
     .rows = {"peak of the low queue", "peak of the high queue"}},
};

const struct bench_list bench_network = {BENCH_ARRAYS};
