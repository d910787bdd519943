/* SPDX-License-Identifier: MIT */
/* catnip: the TCP/IP stack on DPDK. */
#include "libos/registry.h"
#include "libos/stack/host.h"

static int catnip_init(struct instance *inst)
{
    return host_init(inst, "dpdk");
}

const struct libos libos_catnip = {
    .name = "catnip",
    .what = "DPDK, our TCP/IP",
    .init = catnip_init,
    .fini = host_fini,
    .socket = host_socket,
    .forget = host_forget,
};
