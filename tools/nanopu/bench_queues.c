/* SPDX-License-Identifier: MIT */
/*
 * What a switch's file of queue lengths says of one burst: the queue of data towards the server, over time. The
 * published figures look at it once an iteration, which is the latency of the links, and count from the burst.
 */
#include "bench.h"

#include "nanopu/sim/params.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_BYTES 256
#define BURSTS_MAX 16

/* From empty to empty. */
struct burst {
    uint64_t first_cycle, last_cycle, peak_bytes;
    bool ended;
};

struct bursts {
    struct burst burst[BURSTS_MAX];
    unsigned count;
};

static void take_line(struct bursts *b, uint64_t cycle, uint64_t low_bytes)
{
    struct burst *now = b->count > 0 ? &b->burst[b->count - 1] : NULL;

    if (now == NULL || now->ended) {
        if (low_bytes == 0 || b->count == BURSTS_MAX)
            return;
        now = &b->burst[b->count++];
        *now = (struct burst){.first_cycle = cycle};
    }
    now->last_cycle = cycle;
    now->peak_bytes = low_bytes > now->peak_bytes ? low_bytes : now->peak_bytes;
    now->ended = low_bytes == 0;
}

static int read_bursts(struct bursts *b, const struct bench_run *r)
{
    char path[PATH_MAX + 16], line[LINE_BYTES], *field[4];
    FILE *f;

    memset(b, 0, sizeof(*b));
    snprintf(path, sizeof(path), "%s/queues.csv", r->dir);
    f = fopen(path, "re");
    if (f == NULL)
        return -errno;
    while (fgets(line, sizeof(line), f) != NULL) {
        char *rest = line;

        for (unsigned i = 0; i < ARRAY_LEN(field); i++)
            field[i] = strsep(&rest, ",\n");
        if (field[3] != NULL && strcmp(field[1], "server") == 0)
            take_line(b, strtoull(field[0], NULL, 10), strtoull(field[3], NULL, 10));
    }
    fclose(f);
    return 0;
}

/* Microseconds from the iteration of the first burst to the begin of a cycle's. */
static double since_first(const struct bursts *b, uint64_t cycle)
{
    uint64_t from = b->burst[0].first_cycle / BENCH_INCAST_LINK, to = cycle / BENCH_INCAST_LINK;

    return (double)(to - from) * BENCH_INCAST_LINK / CLOCK_MHZ;
}

double bench_burst(const struct bench_run *r, enum bench_burst_figure figure)
{
    struct bursts b;

    if (read_bursts(&b, r) != 0 || b.count == 0)
        return NAN;
    if (figure == BENCH_EMPTY_AT)
        return since_first(&b, b.burst[b.count - 1].last_cycle + BENCH_INCAST_LINK);
    if (b.count < 2)
        return NAN;
    return figure == BENCH_SECOND_AT ? since_first(&b, b.burst[1].first_cycle) : (double)b.burst[1].peak_bytes;
}
