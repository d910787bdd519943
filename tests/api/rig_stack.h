/* SPDX-License-Identifier: MIT */
#ifndef TESTS_API_RIG_STACK_H
#define TESTS_API_RIG_STACK_H

#include "core/mem.h"

/* What a connection of the TCP/IP stack takes of m, without its data. */
uint64_t rig_conn_bytes(const struct mem *m);

#endif /* TESTS_API_RIG_STACK_H */
