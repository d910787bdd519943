/* SPDX-License-Identifier: MIT */
/*
 * The dot products of dot.c on a conventional NIC: words are read where the NIC has put them.
 *
 * ring_dot poll|interrupt|queues
 */
#include "dot.h"
#include "ring.h"

#include <stdio.h>

int main(int argc, char **argv)
{
    const char *how = nanopu_arg(argc, argv, 0);
    uint64_t answered = 0;
    enum ring_mode mode;

    if (!ring_mode_parse(how, &mode)) {
        printf("usage: ring_dot poll|interrupt|queues\n");
        return 2;
    }
    dot_fill();
    ring_start(mode);
    ring_tell_ready(nanopu_own_ip(argc, argv));
    for (;;) {
        unsigned bytes;
        uint8_t *frame = ring_take(&bytes);
        uint64_t *word = (uint64_t *)(frame + RING_HEADER), sum = 0;

        if (word[0] == 0)
            break;
        for (unsigned i = 2; i < bytes / 8; i++)
            sum += dot_term(ring_word(word[i]));
        word[2] = ring_word(sum);
        ring_set_bytes(frame, 24);
        ring_turn(frame);
        ring_answer(frame, 24);
        answered++;
    }
    printf("%lu requests answered\n", answered);
    return 0;
}
