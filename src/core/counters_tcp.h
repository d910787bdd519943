/* SPDX-License-Identifier: MIT */
/* Counters of TCP. Whatever is dropped is counted under one of the names "drop_tcp_...". */
#ifndef CORE_COUNTERS_TCP_H
#define CORE_COUNTERS_TCP_H

/* clang-format off */
#define COUNTER_LIST_TCP(COUNTER)                                              \
    COUNTER(drop_tcp_bad, "TCP segments dropped: malformed header")            \
    COUNTER(drop_tcp_checksum, "TCP segments dropped: checksum")               \
    COUNTER(drop_tcp_port, "TCP segments dropped: no connection, no listener")
/* clang-format on */

#endif /* CORE_COUNTERS_TCP_H */
