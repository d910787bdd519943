/* SPDX-License-Identifier: MIT */
/* Fragments of both families: places, lengths, ends and identifiers near each other, so that they meet. */
#include "stack.h"

static uint32_t frame(struct stack *s, struct input *in, uint8_t *f)
{
    uint32_t choice = next_byte(in), at = next_byte(in) * 8, bytes = next_byte(in) * (1 + (choice >> 6)), len = 0;
    bool v6 = (choice & 1) != 0, more = (choice & 2) != 0;
    uint8_t data[1024] = {0}, head[8] = {IPPROTO_UDP, [7] = (uint8_t)(choice >> 2 & 3)};

    (void)s;
    if ((choice & 16) != 0)
        at += 65535 - 2048;
    if ((choice & 32) != 0)
        bytes &= ~7u;
    put16(data, 9);
    put16(data + 2, 7);
    put16(data + 4, (uint16_t)next_word(in));
    stack_put_eth(f, &len, v6 ? ETHERTYPE_6 : ETHERTYPE_4);
    stack_put_ip(f, &len, v6, v6 ? IP6_NEXT_FRAG : IPPROTO_UDP, bytes + (v6 ? 8 : 0));
    if (v6) {
        put16(head + 2, (uint16_t)((at & 0xfff8) | more));
        stack_put(f, &len, head, sizeof(head));
    } else {
        f[STACK_LINK + 5] = head[7];
        put16(f + STACK_LINK + 6, (uint16_t)((at / 8 & IP4_OFFSET) | (more ? IP4_MF : 0)));
        put16(f + STACK_LINK + 10, 0);
    }
    stack_put(f, &len, data, bytes);
    if (!v6) {
        uint16_t sum = checksum_finish(checksum_add(0, f + STACK_LINK, IP4_HEADER));

        memcpy(f + STACK_LINK + 10, &sum, 2);
    }
    return len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return stack_run(data, size, &(struct stack_target){.frame = frame});
}
