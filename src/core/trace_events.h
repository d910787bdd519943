/* SPDX-License-Identifier: MIT */
/* The one list of trace events: TRACE_EVENT(name, meaning of a, meaning of b). c is the error number, 0 when none. */
#ifndef CORE_TRACE_EVENTS_H
#define CORE_TRACE_EVENTS_H

/* clang-format off */
#define TRACE_EVENTS(TRACE_EVENT)                     \
    TRACE_EVENT(TIME, "ns_low", "ns_high")            \
    TRACE_EVENT(INIT, "max_queues", "max_operations")  \
    TRACE_EVENT(FINI, "", "")                         \
    TRACE_EVENT(SOCKET, "qd", "type")                 \
    TRACE_EVENT(BIND, "qd", "port")                   \
    TRACE_EVENT(LISTEN, "qd", "backlog")              \
    TRACE_EVENT(CLOSE, "qd", "")                      \
    TRACE_EVENT(SHUTDOWN, "qd", "how")                \
    TRACE_EVENT(PUSH, "qd", "bytes")                  \
    TRACE_EVENT(POP, "qd", "bytes")                   \
    TRACE_EVENT(ACCEPT, "qd", "new_qd")               \
    TRACE_EVENT(CONNECT, "qd", "")                    \
    TRACE_EVENT(FAILED, "qd", "opcode")               \
    TRACE_EVENT(CANCEL, "qd", "opcode")               \
    TRACE_EVENT(SLEEP, "timeout_us", "")              \
    TRACE_EVENT(WAKE, "slept_us", "")                 \
    TRACE_EVENT(PEER_DIED, "qd", "pid")               \
    TRACE_EVENT(LIMIT, "counter", "")
/* clang-format on */

#endif /* CORE_TRACE_EVENTS_H */
