/* SPDX-License-Identifier: MIT */
/* Four cores that wait for requests of 16 bytes for one context, and send each back. */
#include <nanopu/nanopu.h>

static struct nanopu_barrier registered;

int core_main(int argc, char **argv, unsigned hart, unsigned cores)
{
    (void)argc;
    (void)argv;
    (void)cores;
    nanopu_register(0, 0);
    nanopu_barrier(&registered);
    if (hart == 0)
        nanopu_boot_msg();
    for (;;) {
        nanopu_poll();
        nanopu_tx_rx();
        nanopu_tx_rx();
        nanopu_tx_rx();
        nanopu_msg_done();
    }
}
