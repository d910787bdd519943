/* SPDX-License-Identifier: MIT */
/*
 * The stack below TCP with whatever arrives: frames of any bytes, with or without their checksums made right, so that
 * what lies behind these is reached. The targets eth, arp, ip4, ip6, frag, icmp, ndisc and udp begin deeper.
 */
#include "stack.h"

static uint32_t frame(struct stack *s, struct input *in, uint8_t *f)
{
    uint32_t len = next_word(in) % 2000;

    (void)s;
    if (len > in->left)
        len = (uint32_t)in->left;
    memcpy(f, in->at, len);
    in->at += len;
    in->left -= len;
    return len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return stack_run(data, size, &(struct stack_target){.frame = frame});
}
