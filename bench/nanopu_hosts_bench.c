/* SPDX-License-Identifier: MIT */
/*
 * hosts_64: 64 hosts of four harts at one switch, each asking all others; simulated cycles a second with two threads
 * beside one, run in turns, the best of five. One JSON object a line.
 * usage: nanopu_hosts_bench GUEST [HOSTS [CYCLES]]
 */
#include "pair.h"

#include "nanopu/sim/machine.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS        5
#define HOSTS         64
#define CYCLES        200000
#define PACKETS_LEAST 10 /* a host */
#define AIM           1.4

static void must(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "nanopu_hosts_bench: %s\n", what);
    exit(1);
}

static void add_hosts(struct topology *t, char *guest, unsigned hosts)
{
    char name[16], count[16];
    struct params p;

    params_profile(&p, "osdi21");
    p.memory_mib = 64;
    snprintf(count, sizeof(count), "%u", hosts);
    for (unsigned i = 0; i < hosts; i++) {
        struct topology_node *n;

        snprintf(name, sizeof(name), "host%u", i);
        n = topology_add(t, TOPOLOGY_HOST, name, &p);
        must(n != NULL, "out of memory");
        n->program = strdup(guest);
        n->args[n->arg_count++] = strdup(count);
    }
}

/* Simulated cycles a second, after which the hash tells whether all runs were the same. */
static double run(const struct topology *t, unsigned threads, uint64_t cycles, uint64_t *hash)
{
    const struct machine_config config = {.topology = t, .threads = threads, .limit_cycles = cycles};
    struct error_text et = {""};
    enum machine_end end;
    struct machine *m;
    uint64_t start;
    double rate;

    must(machine_new(&m, &config, &et) == 0, et.text);
    start = pair_now_ns();
    must(machine_run(m, &end, &et) == 0, et.text);
    rate = (double)machine_cycle(m) * 1e9 / (double)(pair_now_ns() - start);
    must(end == MACHINE_LIMIT, "the run ended before its limit of cycles");
    must(machine_packets(m) > (uint64_t)PACKETS_LEAST * t->host_count, "hardly a packet was sent");
    *hash = machine_hash(m);
    machine_free(m);
    return rate;
}

int main(int argc, char **argv)
{
    unsigned hosts = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : HOSTS;
    uint64_t cycles = argc > 3 ? strtoull(argv[3], NULL, 10) : CYCLES;
    double best[2] = {0, 0};
    uint64_t hash, first = 0;
    struct error_text et = {""};
    struct topology t;

    must(argc > 1 && argc <= 4 && hosts >= 2 && cycles > 0, "usage: nanopu_hosts_bench GUEST [HOSTS [CYCLES]]");
    topology_init(&t);
    add_hosts(&t, argv[1], hosts);
    must(topology_finish(&t, "hosts", &et) == 0, et.text);
    for (unsigned i = 0; i < 2 * ROUNDS; i++) {
        double rate = run(&t, i % 2 + 1, cycles, &hash);

        first = i == 0 ? hash : first;
        must(hash == first, "two runs of the same machine differ");
        best[i % 2] = rate > best[i % 2] ? rate : best[i % 2];
    }
    topology_free(&t);
    pair_print("hosts_64", best[1], "cycles/s", "one thread", best[0], best[1] / best[0], AIM);
    return 0;
}
