/* SPDX-License-Identifier: MIT */
/* Ethernet headers and tags (802.1Q) of a station with or without a VLAN, in front of a ping. */
#include "stack.h"

static void config(struct inet_config *cfg, struct input *in)
{
    cfg->vlan = (uint16_t)(next_byte(in) % 2 * 5);
}

static uint32_t frame(struct stack *s, struct input *in, uint8_t *f)
{
    static const uint8_t good[STACK_LINK] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0};
    static const uint8_t tag[ETH_TAG] = {0x81, 0, 0, 5};
    static const uint8_t echo[8] = {8, 0, 0xf7, 0xff};
    uint32_t len = 0, choice = next_byte(in), cut = next_byte(in);

    (void)s;
    stack_put_changed(f, &len, good, sizeof(good), in);
    if ((choice & 1) != 0) {
        len = 12;
        stack_put_changed(f, &len, tag, sizeof(tag), in);
        stack_put(f, &len, good + 12, 2);
    }
    stack_put_ip(f, &len, false, IPPROTO_ICMP, sizeof(echo));
    stack_put(f, &len, echo, sizeof(echo));
    return cut < len ? len - cut : len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return stack_run(data, size, &(struct stack_target){.frame = frame, .config = config});
}
