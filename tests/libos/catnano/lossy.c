/* SPDX-License-Identifier: MIT */
/*
 * Carries frames between two files of core/port_ring.h and loses some: the first is a simulated machine's, the second
 * that of a program with the driver nanopu. Runs until it is killed, or the seconds are over.
 *
 * usage: lossy MACHINE PROGRAM LOST_OF_1000 SEED SECONDS
 */
#include "core/port_ring.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static struct port_ring *map(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT, 0600);
    struct port_ring *r;

    if (fd < 0 || ftruncate(fd, sizeof(*r)) != 0)
        exit(1);
    r = mmap(NULL, sizeof(*r), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (r == MAP_FAILED)
        exit(1);
    atomic_store(&r->magic, PORT_RING_MAGIC);
    return r;
}

static unsigned random_1000(void)
{
    return (unsigned)(random() % 1000);
}

/* Moves what is in one lane to another. Returns whether there was something. */
static bool carry(struct port_ring *from, struct port_ring *to, enum port_direction lane, unsigned lost)
{
    struct port_lane *in = &from->lane[lane], *out = &to->lane[lane];
    uint64_t taken = atomic_load(&in->taken), end = atomic_load(&in->put), put = atomic_load(&out->put);
    bool some = taken != end;

    for (; taken != end; taken++) {
        const struct port_slot *s = &from->slot[lane][taken % PORT_RING_SLOTS];

        if (random_1000() < lost || put - atomic_load(&out->taken) >= PORT_RING_SLOTS)
            continue;
        memcpy(&to->slot[lane][put % PORT_RING_SLOTS], s, sizeof(*s));
        put++;
    }
    atomic_store(&out->put, put);
    atomic_store(&in->taken, taken);
    return some;
}

int main(int argc, char **argv)
{
    struct port_ring *machine, *program;
    unsigned lost;
    time_t end;

    if (argc != 6)
        return 2;
    machine = map(argv[1]);
    program = map(argv[2]);
    lost = (unsigned)atoi(argv[3]);
    srandom((unsigned)atoi(argv[4]));
    end = time(NULL) + atoi(argv[5]);
    while (time(NULL) < end) {
        bool there = carry(program, machine, PORT_RING_IN, lost), back = carry(machine, program, PORT_RING_OUT, lost);

        if (!there && !back)
            sched_yield();
    }
    return 0;
}
