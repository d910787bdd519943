/* SPDX-License-Identifier: MIT */
/* Options and names of a guest's sockets, as queue_ops has them. */
#ifndef LIBOS_CATNANO_GUEST_OPTION_H
#define LIBOS_CATNANO_GUEST_OPTION_H

#include "core/instance.h"

int nano_setsockopt(struct instance *inst, struct queue *q, int level, int name, const void *val, socklen_t len);
int nano_getsockopt(struct instance *inst, struct queue *q, int level, int name, void *val, socklen_t *len);
int nano_getpeername(struct instance *inst, struct queue *q, struct sockaddr_storage *addr, socklen_t *len);
int nano_getsockname(struct instance *inst, struct queue *q, struct sockaddr_storage *addr, socklen_t *len);

#endif /* LIBOS_CATNANO_GUEST_OPTION_H */
