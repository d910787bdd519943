/* SPDX-License-Identifier: MIT */
/*
 * What loopback.c does, on a conventional NIC: answers each message with its own words, or with 1 added to each but the
 * last (add). Without add it touches nothing but headers. It polls the ring, or sleeps until an interrupt, or asks a
 * register's queue.
 *
 * ring_loopback poll|interrupt|queues [add]
 */
#include "ring.h"

#include <stdio.h>

/* The last word is left alone, as loopback.c does. */
static inline void add_one(uint8_t *frame, unsigned bytes)
{
    uint64_t *word = (uint64_t *)(frame + RING_HEADER);

    for (unsigned i = 0; i + 1 < bytes / 8; i++)
        word[i] = ring_word(ring_word(word[i]) + 1);
}

int main(int argc, char **argv)
{
    const char *how = nanopu_arg(argc, argv, 0), *what = nanopu_arg(argc, argv, 1);
    bool add = what != NULL && strcmp(what, "add") == 0;
    enum ring_mode mode;

    if (!ring_mode_parse(how, &mode) || (what != NULL && !add)) {
        printf("usage: ring_loopback poll|interrupt|queues [add]\n");
        return 2;
    }
    ring_start(mode);
    ring_tell_ready(nanopu_own_ip(argc, argv));
    for (;;) {
        unsigned bytes;
        uint8_t *frame = ring_take(&bytes);

        if (add)
            add_one(frame, bytes);
        ring_turn(frame);
        ring_answer(frame, bytes);
    }
}
