/* SPDX-License-Identifier: MIT */
/* UDP (RFC 768) over both families: ports that are bound and others, lengths and checksums of any value. */
#include "stack.h"

static uint32_t frame(struct stack *s, struct input *in, uint8_t *f)
{
    static const uint8_t good[UDP_HEADER] = {0, 9, 0, 7};
    uint32_t choice = next_byte(in), len = 0, start;
    bool v6 = (choice & 1) != 0;

    (void)s;
    stack_put_eth(f, &len, v6 ? ETHERTYPE_6 : ETHERTYPE_4);
    stack_put_ip(f, &len, v6, IPPROTO_UDP, 0);
    start = len;
    stack_put_changed(f, &len, good, sizeof(good), in);
    f[start + 3] ^= (uint8_t)(choice & 14); /* port 7 or 9, or one that nobody has */
    stack_put_input(f, &len, in, 255);
    if ((choice & 16) == 0)
        put16(f + start + 4, (uint16_t)(len - start));
    if ((choice & 32) != 0)
        len -= (choice >> 6) * 4 % (len - start);
    put16(f + STACK_LINK + (v6 ? 4 : 2), (uint16_t)(len - start + (v6 ? 0 : IP4_HEADER)));
    return len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return stack_run(data, size, &(struct stack_target){.frame = frame});
}
