/* SPDX-License-Identifier: MIT */
/* In-memory queues: demi_queue(). There beside any network libOS. */
#ifndef LIBOS_MEMQ_H
#define LIBOS_MEMQ_H

#include "core/instance.h"

/* Makes a queue. -EMFILE, -ENOMEM. */
int memq_open(struct instance *inst, int *qd_out);

#endif /* LIBOS_MEMQ_H */
