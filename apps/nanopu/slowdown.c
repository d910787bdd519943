/* SPDX-License-Identifier: MIT */
/*
 * What a transport makes of many senders with messages of different lengths: each client sends its message alone, one
 * client after the other, and then all send at once. A message's slowdown is the time from the moment when all may send
 * to its header at the server's core, over the time that it took alone.
 *
 * slowdown server CLIENTS | client SERVER_IP NUMBER CLIENTS      NUMBER: from 0; client n sends 20 + 2 n packets
 *
 * The server takes one word a cycle, or messages would wait for it and not for the network.
 */
#include <nanopu/nanopu.h>

#include <stdio.h>
#include <string.h>

#define CONTEXT       0
#define PACKET_BYTES  1024u
#define PACKETS_FIRST 20u
#define PACKETS_STEP  2u
#define CLIENTS_MAX   10u
#define START_CYCLE   60000u
#define ALONE_CYCLES  20000u /* for each client */
#define WARM_CYCLES   1000u  /* between messages of one packet that bring the programs into the caches */

#define UNROLLED 128 /* words by one instruction each: those of a packet */
#define FOUR(x)  x x x x
#define ALL(x)   FOUR(FOUR(FOUR(x x)))

static uint64_t start_of(uint64_t turn)
{
    return START_CYCLE + turn * ALONE_CYCLES;
}

static unsigned bytes_of(uint64_t number)
{
    return (unsigned)(PACKETS_FIRST + PACKETS_STEP * number) * PACKET_BYTES;
}

static __attribute__((noinline)) void send(uint32_t ip, uint64_t number, unsigned bytes)
{
    nanopu_send(ip, CONTEXT, bytes);
    for (unsigned left = nanopu_words(bytes); left > 0; left -= UNROLLED)
        __asm__ volatile(ALL("mv x31, %0\n") : : "r"(number + 1) : "memory");
}

static __attribute__((noinline)) uint64_t sum_of_words(unsigned count)
{
    uint64_t sum = 0;

    for (; count > 0; count -= UNROLLED)
        __asm__ volatile(ALL("add %0, %0, x30\n") : "+r"(sum) : : "memory");
    return sum;
}

/* Takes a message. Returns the client it came from, by its length, or -1 when it is not one of theirs, whole. */
static int receive(uint64_t clients, uint64_t *cycle)
{
    uint64_t header, number, sum;
    unsigned bytes;

    nanopu_poll();
    header = nanopu_rx();
    *cycle = nanopu_cycle();
    bytes = (unsigned)(header & 0xffff);
    sum = sum_of_words(nanopu_words(bytes));
    nanopu_msg_done();
    number = (bytes / PACKET_BYTES - PACKETS_FIRST) / PACKETS_STEP;
    return number < clients && sum == (number + 1) * nanopu_words(bytes) ? (int)number : -1;
}

static int server(uint64_t clients)
{
    static uint64_t alone[CLIENTS_MAX], together[CLIENTS_MAX];
    unsigned wrong = 0;

    nanopu_register(CONTEXT, 0);
    for (uint64_t i = 0; i < clients; i++) {
        uint64_t cycle;

        (void)receive(clients, &cycle);
    }
    for (uint64_t i = 0; i < 2 * clients; i++) {
        uint64_t cycle, *of = i < clients ? alone : together;
        int number = receive(clients, &cycle);

        wrong += number < 0 || of[number < 0 ? 0 : number] != 0;
        if (number >= 0)
            of[number] = cycle - start_of(i < clients ? (uint64_t)number : clients);
    }
    for (unsigned i = 0; i < clients; i++) {
        uint64_t thousandths = alone[i] == 0 ? 0 : together[i] * 1000 / alone[i];

        printf("starts %u %lu %lu\n", PACKETS_FIRST + PACKETS_STEP * i, start_of(i), start_of(clients));
        printf("slowdown %u %lu.%03lu (%lu cycles alone, %lu together)\n", PACKETS_FIRST + PACKETS_STEP * i,
               thousandths / 1000, thousandths % 1000, alone[i], together[i]);
    }
    printf("%lu messages, %u wrong\n", 2 * clients, wrong);
    return wrong != 0;
}

static int client(uint32_t ip, uint64_t number, uint64_t clients)
{
    nanopu_register(CONTEXT, 0);
    nanopu_wait_until(start_of(0) - (clients - number) * WARM_CYCLES);
    send(ip, number, PACKET_BYTES);
    nanopu_wait_until(start_of(number));
    send(ip, number, bytes_of(number));
    nanopu_wait_until(start_of(clients));
    send(ip, number, bytes_of(number));
    return 0;
}

int main(int argc, char **argv)
{
    const char *role = nanopu_arg(argc, argv, 0), *first = nanopu_arg(argc, argv, 1);
    uint64_t number = nanopu_number_parse(nanopu_arg(argc, argv, 2), 0);
    uint64_t clients = nanopu_number_parse(nanopu_arg(argc, argv, 3), 0);

    if (role != NULL && first != NULL && strcmp(role, "server") == 0) {
        clients = nanopu_number_parse(first, 0);
        if (clients > 0 && clients <= CLIENTS_MAX)
            return server(clients);
    }
    if (role != NULL && first != NULL && strcmp(role, "client") == 0 && number < clients && clients <= CLIENTS_MAX)
        return client(nanopu_ip_parse(first), number, clients);
    printf("usage: slowdown server CLIENTS | client SERVER_IP NUMBER CLIENTS\n");
    return 2;
}
