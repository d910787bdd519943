/* SPDX-License-Identifier: MIT */
/* The worlds of the whole-stack simulation: see runner.h for how it is called. */
#include "runner.h"
#include "world.h"

#include <stdio.h>

static bool run(uint64_t seed, const char *pcap, char text[RUNNER_TEXT])
{
    static struct world w;
    bool good = world_run(&w, seed, pcap);

    if (good)
        snprintf(text, RUNNER_TEXT, "%u hosts, %u plans, mtu %u, %llu turns, %s", w.hosts, w.plans, w.mtu,
                 (unsigned long long)w.steps, w.rough ? "rough" : "whole");
    else
        snprintf(text, RUNNER_TEXT, "%s", w.text);
    return good;
}

int main(int argc, char **argv)
{
    static const struct runner worlds = {.name = "sim", .what = "worlds", .run = run};

    return runner_main(&worlds, argc, argv);
}
