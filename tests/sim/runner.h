/* SPDX-License-Identifier: MIT */
/*
 * The program around a simulation: which seeds, on how many processors, what is said of one that fails. A seed that
 * fails is named, with the command that repeats it, and its frames are written to NAME-SEED.pcapng.
 */
#ifndef TESTS_SIM_RUNNER_H
#define TESTS_SIM_RUNNER_H

#include <stdbool.h>
#include <stdint.h>

#define RUNNER_TEXT 512

struct runner {
    const char *name; /* of the files with frames */
    const char *what; /* what a seed makes, in the plural */
    bool fresh;       /* each seed has a process of its own */
    /* Runs one seed; frames to the file pcap where it is not NULL. text: what it was, or why it failed. */
    bool (*run)(uint64_t seed, const char *pcap, char text[RUNNER_TEXT]);
};

/*
 * The whole of main: [--seeds N] [--first SEED] [--jobs N] [--pcap FILE] [--stop] [--progress] [--verbose]. --stop ends
 * with the first seed that fails. 0: all good, 1: one failed.
 */
int runner_main(const struct runner *r, int argc, char **argv);

#endif /* TESTS_SIM_RUNNER_H */
