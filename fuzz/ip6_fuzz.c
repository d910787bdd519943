/* SPDX-License-Identifier: MIT */
/* IPv6 headers and chains of extension headers (RFC 8200), each of a kind and with options that the input gives. */
#include "stack.h"

static void extension(struct input *in, uint8_t *f, uint32_t *len, uint32_t *next_at)
{
    static const uint8_t kinds[] = {0, 43, 44, 60, 59, 58, 17, 6, 200};
    uint32_t start = *len, at = *next_at;

    f[at] = kinds[next_below(in, ARRAY_LEN(kinds))];
    *next_at = start;
    stack_put(f, len, (const uint8_t[]){59, 0}, 2);
    stack_put_input(f, len, in, 30);
    while ((*len - start) % 8 != 0)
        f[(*len)++] = 0;
    f[start + 1] = (uint8_t)((*len - start) / 8 - 1 + (next_byte(in) == 1));
}

static uint32_t frame(struct stack *s, struct input *in, uint8_t *f)
{
    static const uint8_t good[IP6_HEADER] = {0x60, [6] = 59, 64, 0xfd, [23] = 2, 0xfd, [39] = 1};
    uint32_t len = 0, next_at = STACK_LINK + 6;

    (void)s;
    stack_put_eth(f, &len, ETHERTYPE_6);
    stack_put_changed(f, &len, good, sizeof(good), in);
    for (uint32_t n = next_below(in, 12); n > 0; n--)
        extension(in, f, &len, &next_at);
    stack_put_input(f, &len, in, 64);
    if (next_byte(in) % 8 != 0)
        put16(f + STACK_LINK + 4, (uint16_t)(len - STACK_LINK - IP6_HEADER));
    return len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return stack_run(data, size, &(struct stack_target){.frame = frame});
}
