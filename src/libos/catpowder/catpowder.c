/* SPDX-License-Identifier: MIT */
/* catpowder: the TCP/IP stack on the frame devices that Linux itself offers. */
#include "libos/registry.h"
#include "libos/stack/host.h"

static int catpowder_init(struct instance *inst)
{
    return host_init(inst, "packet");
}

const struct libos libos_catpowder = {
    .name = "catpowder",
    .what = "frames from the kernel, our TCP/IP",
    .init = catpowder_init,
    .fini = host_fini,
    .socket = host_socket,
    .forget = host_forget,
};
