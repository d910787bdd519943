/* SPDX-License-Identifier: MIT */
/*
 * A host that talks to itself: hart 0 echoes, hart 1 sends messages of growing length to this host's own address and
 * measures the time until each is back. Packets go to the switch and return.
 */
#include <nanopu/nanopu.h>

#include <stdio.h>

#define ECHO_CONTEXT   0
#define CLIENT_CONTEXT 1
#define WARM_UP        3

static struct nanopu_barrier registered;
static const unsigned sizes[] = {8, 16, 64, 256, 1024, 2048};

/* One word at a time, as it arrives: the answer leaves while the request still comes in. */
static void echo_one(void)
{
    uint64_t header;

    nanopu_wait();
    header = nanopu_rx();
    nanopu_tx(header);
    for (unsigned i = 0; i < nanopu_words(nanopu_header_bytes(header)); i++) {
        nanopu_poll();
        nanopu_tx_rx();
    }
    nanopu_msg_done();
}

static void echo(void)
{
    for (unsigned i = 0; i < (WARM_UP + 1) * sizeof(sizes) / sizeof(sizes[0]); i++)
        echo_one();
}

/* Returns the cycles it took; *wrong counts words that did not come back as they were sent. */
static uint64_t ask(uint32_t ip, unsigned bytes, unsigned *wrong)
{
    uint64_t start = nanopu_cycle(), header;
    unsigned words = nanopu_words(bytes);

    nanopu_send(ip, ECHO_CONTEXT, bytes);
    for (unsigned i = 0; i < words; i++)
        nanopu_tx(i * 0x0101010101010101u);
    nanopu_poll();
    header = nanopu_rx();
    *wrong += header != nanopu_header(ip, ECHO_CONTEXT, bytes);
    for (unsigned i = 0; i < words; i++) {
        nanopu_poll();
        *wrong += nanopu_rx() != i * 0x0101010101010101u;
    }
    nanopu_msg_done();
    return nanopu_cycle() - start;
}

static int client(uint32_t ip)
{
    unsigned wrong = 0;

    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        uint64_t cycles = 0;

        for (unsigned turn = 0; turn <= WARM_UP; turn++)
            cycles = ask(ip, sizes[i], &wrong);
        printf("%4u bytes: %lu cycles, %lu ns\n", sizes[i], cycles, nanopu_ns(cycles));
    }
    if (wrong == 0)
        printf("all came back\n");
    else
        printf("%u words were wrong\n", wrong);
    return wrong != 0;
}

int core_main(int argc, char **argv, unsigned hart, unsigned cores)
{
    uint32_t ip = nanopu_own_ip(argc, argv);

    (void)cores;
    if (hart < 2)
        nanopu_register(hart == 0 ? ECHO_CONTEXT : CLIENT_CONTEXT, 0);
    nanopu_barrier(&registered);
    if (hart == 0)
        echo();
    return hart == 1 ? client(ip) : 0;
}
