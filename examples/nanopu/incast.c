/* SPDX-License-Identifier: MIT */
/*
 * Many senders, one receiver, all at the same moment: the switch queue in front of the receiver fills up, packets are
 * trimmed, and the transport has them sent again. Each sender sends one message of 1024 bytes.
 *
 * incast server CLIENTS | client SERVER_IP          clients have the addresses behind the server's
 */
#include <nanopu/nanopu.h>

#include <stdio.h>
#include <string.h>

#define CONTEXT     0
#define BYTES       1024u
#define START_CYCLE 60000
#define CLIENTS_MAX 128

static int server(uint64_t clients)
{
    static bool seen[CLIENTS_MAX];
    uint64_t wanted = (nanopu_words(BYTES) - 1) * clients * (clients - 1) / 2;
    uint64_t first = 0, sum = 0, twice = 0;

    nanopu_register(CONTEXT, 0);
    for (uint64_t i = 0; i < clients; i++) {
        uint64_t number;

        nanopu_poll();
        if (i == 0)
            first = nanopu_cycle();
        (void)nanopu_rx();
        nanopu_poll();
        number = nanopu_rx() % CLIENTS_MAX;
        for (unsigned w = 1; w < nanopu_words(BYTES); w++) {
            nanopu_poll();
            sum += nanopu_rx();
        }
        nanopu_msg_done();
        twice += seen[number];
        seen[number] = true;
    }
    printf("%lu messages of %u bytes in %lu cycles after the first\n", clients, BYTES, nanopu_cycle() - first);
    if (sum != wanted || twice != 0) {
        printf("sum %lu and not %lu, %lu of them twice\n", sum, wanted, twice);
        return 1;
    }
    printf("each of them once and intact\n");
    return 0;
}

/* Each client sends its number in every word. */
static int client(uint32_t ip, uint64_t number)
{
    nanopu_register(CONTEXT, 0);
    nanopu_wait_until(START_CYCLE);
    nanopu_send(ip, CONTEXT, BYTES);
    for (unsigned w = 0; w < nanopu_words(BYTES); w++)
        nanopu_tx(number);
    return 0;
}

int main(int argc, char **argv)
{
    const char *role = nanopu_arg(argc, argv, 0), *arg = nanopu_arg(argc, argv, 1);

    if (role != NULL && arg != NULL && strcmp(role, "server") == 0)
        return server(nanopu_number_parse(arg, 0) % CLIENTS_MAX);
    if (role != NULL && arg != NULL && strcmp(role, "client") == 0)
        return client(nanopu_ip_parse(arg), nanopu_own_ip(argc, argv) - nanopu_ip_parse(arg) - 1);
    printf("usage: incast server CLIENTS | client SERVER_IP\n");
    return 2;
}
