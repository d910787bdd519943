/* SPDX-License-Identifier: MIT */
/* ICMP of both families: any type and code, quoting a packet of ours that is changed in a few bytes. */
#include "stack.h"

static void quote(struct input *in, uint8_t *f, uint32_t *len, bool v6)
{
    static const uint8_t good4[28] = {0x45, 0, 0, 40, [8] = 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0, 9, 0, 9, 0, 20};
    static const uint8_t good6[48] = {0x60, 0, 0, 0, 0, 8, 17, 64, 0xfd, [23] = 1, 0xfd, [39] = 2, 0, 7, 0, 9, 0, 8};

    if (v6)
        stack_put_changed(f, len, good6, sizeof(good6), in);
    else
        stack_put_changed(f, len, good4, sizeof(good4), in);
}

static uint32_t frame(struct stack *s, struct input *in, uint8_t *f)
{
    uint32_t choice = next_byte(in), len = 0, start;
    bool v6 = (choice & 1) != 0;

    (void)s;
    stack_put_eth(f, &len, v6 ? ETHERTYPE_6 : ETHERTYPE_4);
    stack_put_ip(f, &len, v6, v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP, 0);
    start = len;
    f[len++] = (uint8_t)next_byte(in);
    f[len++] = (uint8_t)next_below(in, 20);
    stack_put(f, &len, "\0\0", 2);
    for (unsigned i = 0; i < 4; i++)
        f[len++] = (uint8_t)next_byte(in);
    if ((choice & 2) != 0)
        quote(in, f, &len, v6);
    stack_put_input(f, &len, in, 200);
    if ((choice & 4) != 0)
        len -= (choice >> 3) % (len - start);
    put16(f + STACK_LINK + (v6 ? 4 : 2), (uint16_t)(len - start + (v6 ? 0 : IP4_HEADER)));
    return len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return stack_run(data, size, &(struct stack_target){.frame = frame});
}
