/* SPDX-License-Identifier: MIT */
/* Several observers of one host: a probe that hands every event on to those who want it. */
#ifndef NANOPU_VIEW_FAN_H
#define NANOPU_VIEW_FAN_H

#include "nanopu/view/probe.h"

#define FAN_MAX 8

struct fan {
    struct probe probe; /* what the host is given, when observers is not 0 */
    struct probe *to[FAN_MAX];
    unsigned observers;
};

/* Nobody observes the node yet. */
void fan_init(struct fan *fan, uint32_t node);

/* The observer joins, with its wishes as they are now; it must outlive the host. At most FAN_MAX may. */
void fan_add(struct fan *fan, struct probe *observer);

#endif /* NANOPU_VIEW_FAN_H */
