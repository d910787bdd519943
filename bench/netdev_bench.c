/* SPDX-License-Identifier: MIT */
/*
 * usage: bench-netdev server | client SECONDS
 *
 * Bare frames there and back over the device that the settings name (driver, device, net_mac, ...), without a stack:
 * what the stack's round trip is compared with. The frames are as long as those of 64 bytes on TCP. The client takes
 * the server's link address to be 02:00:00:00:00:01 and prints the round trip as one JSON object.
 */
#include "core/config.h"
#include "netdev/netdev.h"
#include "pair.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FRAME_BYTES (64 + 66) /* with Ethernet, IPv4 and TCP with timestamps */
#define SAMPLES_MAX 4000000
#define LOST_NS     1000000000

static volatile sig_atomic_t ended;

static void end(int number)
{
    (void)number;
    ended = 1;
}

static struct netdev *open_device(struct mem *mem)
{
    struct config cfg;
    struct error_text et = {.text = ""};
    struct netdev_params par = {.cfg = &cfg, .mem = mem};
    struct netdev *d = NULL;

    config_defaults(&cfg);
    if (config_read_env(&cfg, &et) != 0 || mem_init(mem, 64 * SUPERBLOCK_BYTES, cfg.sga_limit, false) != 0 ||
        netdev_open(cfg.driver, &par, &d, &et) != 0) {
        fprintf(stderr, "bench-netdev: %s\n", et.text);
        exit(1);
    }
    return d;
}

static void send_frame(struct netdev *d, const uint8_t dst[6])
{
    struct frame *f = frame_init(mem_alloc(d->mem, sizeof(*f), 1));
    uint8_t *p = (uint8_t *)frame_push(f, FRAME_BYTES);

    memset(p, 0, FRAME_BYTES);
    memcpy(p, dst, 6);
    memcpy(p + 6, d->mac, 6);
    p[12] = 0x88; /* for local experiments: IEEE 802, section 9.2.3 */
    p[13] = 0xb5;
    if (d->ops->tx_burst(d, &f, 1) == 0)
        frame_free(d->mem, f);
}

/* Takes what came and answers, or only counts. */
static unsigned look(struct netdev *d, bool answer)
{
    struct frame_in in[NETDEV_BURST];
    unsigned n = d->ops->rx_burst(d, in, NETDEV_BURST), ours = 0;

    for (unsigned i = 0; i < n; i++) {
        if (in[i].len == FRAME_BYTES && in[i].ptr[12] == 0x88 && in[i].ptr[13] == 0xb5) {
            ours++;
            if (answer)
                send_frame(d, in[i].ptr + 6);
        }
        mem_unref(d->mem, in[i].obj);
    }
    return ours;
}

static int ascending(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

static int measure(struct netdev *d, double seconds)
{
    static const uint8_t server[6] = {2, 0, 0, 0, 0, 1};
    uint32_t *ns = malloc(SAMPLES_MAX * sizeof(*ns)), n = 0;
    uint64_t last = pair_now_ns() + (uint64_t)(seconds * 1e9);

    while (ns != NULL && !ended && n < SAMPLES_MAX && pair_now_ns() < last) {
        uint64_t sent = pair_now_ns();

        send_frame(d, server);
        while (look(d, false) == 0 && !ended)
            if (pair_now_ns() - sent > LOST_NS)
                break; /* it counts as a round trip of that length */
        ns[n++] = (uint32_t)(pair_now_ns() - sent);
    }
    if (n > 0) {
        qsort(ns, n, sizeof(*ns), ascending);
        printf("{\"latency_ns\": {\"p50\": %u, \"p99\": %u}, \"req_per_s\": %.0f}\n", ns[n / 2],
               ns[(uint64_t)n * 99 / 100], n / seconds);
    }
    free(ns);
    return n > 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    struct mem mem;
    struct netdev *d;
    int status = 0;

    if (argc < 2 || (strcmp(argv[1], "server") != 0 && argc < 3)) {
        fprintf(stderr, "usage: bench-netdev server | client SECONDS\n");
        return 2;
    }
    signal(SIGTERM, end);
    signal(SIGINT, end);
    d = open_device(&mem);
    if (strcmp(argv[1], "server") == 0) {
        printf("listening on 0.0.0.0:0\n");
        fflush(stdout);
        while (!ended)
            look(d, true);
    } else {
        status = measure(d, strtod(argv[2], NULL));
    }
    netdev_close(d);
    mem_fini(&mem);
    return status;
}
