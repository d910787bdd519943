/* SPDX-License-Identifier: MIT */
/* Our stack meets lwIP, a seed at a time: see tests/sim/runner.h for how it is called. */
#include "meet.h"
#include "sim/runner.h"

#include <stdio.h>

static bool run(uint64_t seed, const char *pcap, char text[RUNNER_TEXT])
{
    static struct meet m;
    bool good = meet_run(&m, seed, pcap);

    snprintf(text, RUNNER_TEXT, "%s", m.text);
    return good;
}

int main(int argc, char **argv)
{
    static const struct runner meetings = {.name = "lwip", .what = "meetings with lwIP", .fresh = true, .run = run};

    return runner_main(&meetings, argc, argv);
}
