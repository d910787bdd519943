/* SPDX-License-Identifier: MIT */
/* Neighbour discovery (RFC 4861): all its messages, with options of any kind and length. */
#include "stack.h"

static void option(struct input *in, uint8_t *f, uint32_t *len)
{
    static const uint8_t link[8] = {1, 1, 2, 0, 0, 0, 0, 2}, mtu[8] = {5, 1, 0, 0, 0, 0, 5, 0x14};
    static const uint8_t prefix[32] = {3, 4, 64, 0xc0, 0, 0, 14, 16, 0, 0, 7, 8, [16] = 0x20, 1};

    switch (next_below(in, 4)) {
    case 0:
        stack_put_changed(f, len, link, sizeof(link), in);
        break;
    case 1:
        stack_put_changed(f, len, mtu, sizeof(mtu), in);
        break;
    case 2:
        stack_put_changed(f, len, prefix, sizeof(prefix), in);
        break;
    default:
        stack_put_input(f, len, in, 40);
        break;
    }
}

static uint32_t frame(struct stack *s, struct input *in, uint8_t *f)
{
    static const uint8_t sources[][16] = {{0xfe, 0x80, [15] = 2}, {0xfd, [15] = 2}, {0}, {0xfd, [15] = 1}};
    static const uint8_t groups[][16] = {{0xfd, [15] = 1}, {0xff, 2, [15] = 1}, {0xff, 2, [11] = 1, 0xff, 0, 0, 1}};
    static const uint8_t lengths[] = {8, 16, 24, 24, 40};
    uint8_t body[40] = {0};
    uint32_t which = next_below(in, 5), len = 0;

    (void)s;
    stack_put_eth(f, &len, ETHERTYPE_6);
    stack_put_ip(f, &len, true, IPPROTO_ICMPV6, 0);
    f[STACK_LINK + 7] = next_byte(in) == 1 ? 64 : 255;
    memcpy(f + STACK_LINK + 8, sources[next_below(in, 4)], 16);
    memcpy(f + STACK_LINK + 24, groups[next_below(in, 3)], 16);
    body[0] = (uint8_t)(133 + which);
    memcpy(body + 8, groups[0], 16);
    stack_put_changed(f, &len, body, lengths[which], in);
    f[STACK_LINK + IP6_HEADER] = body[0];
    for (uint32_t n = next_below(in, 5); n > 0; n--)
        option(in, f, &len);
    put16(f + STACK_LINK + 4, (uint16_t)(len - STACK_LINK - IP6_HEADER));
    return len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return stack_run(data, size, &(struct stack_target){.frame = frame});
}
