/* SPDX-License-Identifier: MIT */
#include "nanopu/view/fan.h"

static void fan_event(void *arg, const struct probe_event *e)
{
    const struct fan *fan = arg;

    for (unsigned i = 0; i < fan->observers; i++)
        if (probe_wants(fan->to[i], e->kind))
            fan->to[i]->event(fan->to[i]->arg, e);
}

void fan_init(struct fan *fan, uint32_t node)
{
    *fan = (struct fan){.probe = {.node = node, .event = fan_event, .arg = fan}};
}

void fan_add(struct fan *fan, struct probe *observer)
{
    assert(fan->observers < FAN_MAX);
    fan->to[fan->observers++] = observer;
    fan->probe.wanted |= observer->wanted;
}
