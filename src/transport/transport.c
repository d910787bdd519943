/* SPDX-License-Identifier: MIT */
/* What the transports have in common: the sender's bookkeeping, and their names. */
#include "transport/transport.h"

#include <string.h>

const struct transport *transport_find(const char *name)
{
    static const struct transport *const all[] = {&ndp_transport, &homa_transport};

    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        if (strcmp(all[i]->name, name) == 0)
            return all[i];
    return NULL;
}

bool msg_rx_complete(const struct msg_rx *m)
{
    return m->received == msg_mask(msg_packets(m->msg_len));
}

uint64_t msg_tx_timeout(struct msg_tx *m, const struct msg_options *o)
{
    unsigned highest = o->first_timeout_packet ? m->rtx_offset : m->sent_offset;
    uint64_t again = ~m->delivered & m->ready & msg_mask(highest + 1);

    if (again == 0 && !o->first_timeout_packet && !msg_tx_complete(m))
        again = m->sent & UINT64_C(1) << m->sent_offset;
    m->rtx_offset = m->sent_offset;
    m->waiting &= ~again;
    return again;
}

bool msg_tx_complete(const struct msg_tx *m)
{
    return m->delivered == msg_mask(msg_packets(m->msg_len));
}
