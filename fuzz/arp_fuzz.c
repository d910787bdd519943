/* SPDX-License-Identifier: MIT */
/* ARP packets (RFC 826): a good request or reply, changed in a few bytes, perhaps cut short. */
#include "stack.h"

static uint32_t frame(struct stack *s, struct input *in, uint8_t *f)
{
    static const uint8_t good[28] = {0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 2, 10, 0, 0, 2, [24] = 10, 0, 0, 1};
    uint32_t len = 0, cut;

    (void)s;
    stack_put_eth(f, &len, ETHERTYPE_A);
    stack_put_changed(f, &len, good, sizeof(good), in);
    f[STACK_LINK + 7] ^= (uint8_t)next_below(in, 4);
    f[STACK_LINK + 17] ^= (uint8_t)next_byte(in); /* who asks */
    cut = next_byte(in);
    return cut > 0 && cut < 29 ? len - cut : len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return stack_run(data, size, &(struct stack_target){.frame = frame});
}
