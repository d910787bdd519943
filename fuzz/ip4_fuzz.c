/* SPDX-License-Identifier: MIT */
/* IPv4 headers and options (RFC 791): a good header, changed in a few bytes, with options of any bytes. */
#include "stack.h"

static uint32_t frame(struct stack *s, struct input *in, uint8_t *f)
{
    static const uint8_t protos[] = {IPPROTO_ICMP, IPPROTO_UDP, IPPROTO_TCP, 200};
    uint8_t good[IP4_HEADER] = {0x45, [8] = 64, 0, 0, 0, 10, 0, 0, 2, 10, 0, 0, 1};
    uint32_t len = 0, header;

    (void)s;
    good[9] = protos[next_below(in, 4)];
    stack_put_eth(f, &len, ETHERTYPE_4);
    stack_put_changed(f, &len, good, sizeof(good), in);
    stack_put_input(f, &len, in, 40);
    while ((len - STACK_LINK) % 4 != 0)
        f[len++] = 0;
    header = len - STACK_LINK;
    stack_put_input(f, &len, in, 64);
    if (next_byte(in) % 8 != 0) { /* lengths as they are */
        f[STACK_LINK] = (uint8_t)(0x40 | header / 4);
        put16(f + STACK_LINK + 2, (uint16_t)(len - STACK_LINK));
    }
    return len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return stack_run(data, size, &(struct stack_target){.frame = frame});
}
