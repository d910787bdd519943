/* SPDX-License-Identifier: MIT */
/*
 * NDP, Homa and Homa with trimming: ten senders with messages of 20 to 38 packets, and what a message's slowdown is.
 * The time that counts is that at which the NIC has the message; a core learns of it when it has read those before.
 */
#include "bench.h"

#include "transport/msg_header.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_BYTES 256
#define STARTS     "starts "

static const struct bench_experiment experiments[] = {
    {"slowdown", "Ten senders at once: NDP, Homa, and Homa with trimming", "packets of the message",
     "time among all, over the time alone", "8.4",
     "Published are the ends of each curve, read from a plot. Of NDP with 54 KB it is only known that it lies between "
     "8.5 and 10.4; here it ran through the exact switch. In the one whose time goes in windows of the link's latency "
     "it does not end: a window of 140 cycles holds one packet of 136, so a single trimmed header in it keeps all DATA "
     "from leaving; pulls come every 123 cycles, the full queue trims what they bring, and each trimmed packet is "
     "pulled again. Homa's message of 20 packets takes 102 windows with 108 KB, 90 for the packets that all send "
     "unasked and that go first, and 12 for what it is granted; published are 21 more, for which the transport's rules "
     "give no reason. With 54 KB and no trimming two messages here lose no packet and one there: who does depends on "
     "the order in which packets of one window are taken.",
     10, false},
    {"occupancy", "Ten senders at once: the most bytes in the queues of the receiver's port",
     "limit of each queue, bytes", "bytes", "8.4",
     "The published 89,216 are the 90 packets that are sent unasked less the eight that left meanwhile. Here a round "
     "trip is five windows, so the first packets that grants and pulls ask for come in the ninth window, too; Homa's "
     "have queues of their own, so with 54 KB they are beside the full one. The published machine's round trip would "
     "have to be nine windows; two traversals of its links and its NICs are not.",
     10, false},
};

#define TEN_SENDERS(kind)                                                                                              \
    "profile: homa\n"                                                                                                  \
    "hosts:\n"                                                                                                         \
    "  - {name: client, count: 10, program: @GUESTS@/slowdown.elf, args: [client, 10.0.0.12, \"{i}\", \"10\"]}\n"      \
    "  - {name: server, program: @GUESTS@/slowdown.elf, args: [server, \"10\"]}\n"                                     \
    "switches:\n"                                                                                                      \
    "  - {name: s, kind: " kind ", queue_high_bytes: @SETTING@, queue_low_bytes: @SETTING@}\n"
#define SETTINGS "cores: 1, rtt_pkts: 9, timeout_cycles: 22400"
#define SLOWDOWN(protocol, name_, row, bytes, kind)                                                                    \
    {                                                                                                                  \
        .experiment = "slowdown", .name = (name_), .params = SETTINGS ", " protocol, .hosts = TEN_SENDERS(kind),       \
        .options = "--messages messages.csv", .settings = {bytes}, .metric = BENCH_SLOWDOWN, .rows = {                 \
            row                                                                                                        \
        }                                                                                                              \
    }
#define OCCUPANCY(protocol, name_, row, ...)                                                                           \
    {                                                                                                                  \
        .experiment = "occupancy", .name = (name_), .params = SETTINGS ", " protocol, .hosts = TEN_SENDERS("osdi21"),  \
        .settings = {__VA_ARGS__}, .metric = BENCH_PEAK, .rows = {                                                     \
            row                                                                                                        \
        }                                                                                                              \
    }

#define NDP       "transport: ndp, trimming: on"
#define HOMA      "transport: homa, trimming: off"
#define HOMA_TR   "transport: homa, trimming: on"
#define LIMIT_54  54401
#define LIMIT_108 108801

static const struct bench_series series[] = {
    SLOWDOWN(NDP, "ndp-108", "NDP 108 KB", LIMIT_108, "osdi21"),
    SLOWDOWN(HOMA, "homa-108", "Homa 108 KB", LIMIT_108, "osdi21"),
    SLOWDOWN(HOMA_TR, "homatr-108", "HomaTr 108 KB", LIMIT_108, "osdi21"),
    SLOWDOWN(NDP, "ndp-54", "NDP 54 KB", LIMIT_54, "exact"),
    SLOWDOWN(HOMA, "homa-54", "Homa 54 KB", LIMIT_54, "osdi21"),
    SLOWDOWN(HOMA_TR, "homatr-54", "HomaTr 54 KB", LIMIT_54, "osdi21"),
    OCCUPANCY(NDP, "ndp", "NDP", LIMIT_108),
    OCCUPANCY(HOMA, "homa", "Homa", LIMIT_54, LIMIT_108),
    OCCUPANCY(HOMA_TR, "homatr", "HomaTr", LIMIT_54, LIMIT_108),
};

const struct bench_list bench_transport = {BENCH_ARRAYS};

/* The cycle in which the nth message (from 0) of so many bytes was whole; NAN without one. */
static double complete(FILE *messages, unsigned long bytes, unsigned n)
{
    char line[LINE_BYTES], *field[6], *rest;
    unsigned fields;

    rewind(messages);
    while (fgets(line, sizeof(line), messages) != NULL) {
        rest = line;
        fields = 0;
        while (fields < ARRAY_LEN(field) && (field[fields] = strsep(&rest, ",\n")) != NULL)
            fields++;
        if (fields == ARRAY_LEN(field) && strtoul(field[3], NULL, 10) == bytes && field[5][0] != '\0' && n-- == 0)
            return strtod(field[5], NULL);
    }
    return NAN;
}

static FILE *open_in(const struct bench_run *r, const char *name, struct error_text *et, int *ret)
{
    char path[PATH_MAX + 32];
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", r->dir, name);
    f = fopen(path, "re");
    if (f == NULL)
        *ret = error_set(et, errno, "%s: %s", path, strerror(errno));
    return f;
}

/* Lines STARTS "PACKETS ALONE TOGETHER" of the guest say when a message could be sent. */
int bench_slowdown(const struct bench_run *r, void (*point)(void *arg, unsigned packets, double slowdown), void *arg,
                   struct error_text *et)
{
    int ret = 0;
    FILE *output = open_in(r, "output.txt", et, &ret), *messages = open_in(r, "messages.csv", et, &ret);
    char line[LINE_BYTES];

    while (output != NULL && messages != NULL && fgets(line, sizeof(line), output) != NULL) {
        char *at = strstr(line, STARTS);
        unsigned long packets, bytes;
        double alone, together;

        if (at == NULL)
            continue;
        packets = strtoul(at + strlen(STARTS), &at, 10);
        alone = strtod(at, &at);
        together = strtod(at, &at);
        bytes = packets * MSG_SEGMENT_BYTES;
        point(arg, (unsigned)packets,
              (complete(messages, bytes, 1) - together) / (complete(messages, bytes, 0) - alone));
    }
    if (output != NULL)
        fclose(output);
    if (messages != NULL)
        fclose(messages);
    return ret;
}
