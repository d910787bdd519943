/* SPDX-License-Identifier: MIT */
/* Apart from the rig, because the stack's names of TCP's states are those of the system's headers. */
#include "api/rig_stack.h"

#include "inet/tcp_conn.h"

uint64_t rig_conn_bytes(const struct mem *m)
{
    return m->class_bytes[mem_class(m, sizeof(struct tcp_conn))];
}
