/* SPDX-License-Identifier: MIT */
/*
 * What loopback.c does, on a conventional NIC: answers each message with its own words, or with 1 added to each but the
 * last (add). Without add it touches nothing but headers. It polls the ring, or sleeps until an interrupt.
 *
 * ring_loopback poll|interrupt [add]
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
    bool interrupts = how != NULL && strcmp(how, "interrupt") == 0, add = what != NULL && strcmp(what, "add") == 0;

    if (how == NULL || (!interrupts && strcmp(how, "poll") != 0) || (what != NULL && !add)) {
        printf("usage: ring_loopback poll|interrupt [add]\n");
        return 2;
    }
    ring_start(interrupts);
    ring_tell_ready(nanopu_own_ip(argc, argv));
    for (;;) {
        unsigned bytes;
        uint8_t *frame = ring_take(&bytes);

        if (add)
            add_one(frame, bytes);
        ring_turn(frame);
        ring_answer(bytes);
    }
}
