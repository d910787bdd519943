/* SPDX-License-Identifier: MIT */
#include "wire.h"

#include "transport/msg_header.h"

#include <errno.h>
#include <string.h>

#define STEP          16
#define BOOT_CYCLES   200000
#define PULL_AHEAD    5
#define TESTER_IP     0x0a000001
#define HOST_IP       0x0a000002
#define TESTER_MAC    UINT64_C(0x085566778808)
#define HOST_MAC      UINT64_C(0x081122334408)
#define IDS           127
#define CONTROL_BYTES (PACKET_HEADER_BYTES + 64)

/* Puts a packet on the wire to the host. */
static uint64_t put_on_wire(struct wire *w, uint64_t cycle, struct packet *p)
{
    if (cycle < w->now)
        cycle = w->now;
    if (cycle < w->wire_free)
        cycle = w->wire_free;
    p->first_flit_cycle = cycle;
    w->wire_free = cycle + packet_flits(p);
    host_receive(w->host, p);
    return cycle;
}

static void acknowledge(struct wire *w, const struct msg_header *data)
{
    static struct packet p;
    struct msg_header h = *data;

    h.src_ip = TESTER_IP;
    h.dst_ip = HOST_IP;
    h.src_mac = TESTER_MAC;
    h.dst_mac = HOST_MAC;
    h.flags = MSG_ACK | MSG_PULL;
    h.src_context = data->dst_context;
    h.dst_context = data->src_context;
    h.pull_offset = (uint16_t)(data->pkt_offset + PULL_AHEAD);
    h.payload_len = CONTROL_BYTES - PACKET_HEADER_BYTES;
    memset(p.data, 0, CONTROL_BYTES);
    msg_header_write(&h, MSG_NDP, false, p.data);
    p.len_bytes = CONTROL_BYTES;
    put_on_wire(w, w->now, &p);
}

static void on_packet(void *arg, struct packet *p)
{
    struct wire *w = arg;
    struct msg_header h;

    if (msg_header_parse(&h, MSG_NDP, params_ip_protocol(&w->params), p->data, p->len_bytes) == MSG_OK &&
        (h.flags & MSG_DATA) != 0) {
        if (h.dst_ip == 0) {
            w->booted = true;
        } else if (w->answers < WIRE_ANSWERS_MAX) {
            w->first_flit[w->answers] = p->first_flit_cycle;
            w->last_flit[w->answers] = p->first_flit_cycle + packet_flits(p) - 1;
            w->all_answers = w->all_answers * 31 + w->last_flit[w->answers++];
        }
        acknowledge(w, &h);
    }
    host_packet_free(w->host, p);
}

static void on_output(void *arg, const char *s, size_t n)
{
    (void)arg;
    (void)s;
    (void)n;
}

uint64_t wire_send(struct wire *w, uint64_t cycle, const uint64_t *words, unsigned count)
{
    static struct packet p;
    struct msg_header h = {.dst_mac = HOST_MAC,
                           .src_mac = TESTER_MAC,
                           .src_ip = TESTER_IP,
                           .dst_ip = HOST_IP,
                           .ip_protocol = params_ip_protocol(&w->params),
                           .payload_len = (uint16_t)(8 * count),
                           .flags = MSG_DATA,
                           .msg_len = (uint16_t)(8 * count),
                           .tx_msg_id = w->next_id};

    w->next_id = (uint16_t)((w->next_id + 1) % IDS);
    msg_header_write(&h, MSG_NDP, false, p.data);
    for (unsigned i = 0; i < 8 * count; i++)
        p.data[PACKET_HEADER_BYTES + i] = (uint8_t)(words[i / 8] >> (56 - 8 * (i % 8)));
    p.len_bytes = PACKET_HEADER_BYTES + 8 * count;
    return put_on_wire(w, cycle, &p);
}

static void step(struct wire *w)
{
    w->now += w->step;
    host_advance(w->host, w->now);
}

bool wire_wait(struct wire *w, unsigned answers, uint64_t max_cycles)
{
    uint64_t end = w->now + max_cycles;

    while (w->answers < answers && w->now < end && host_state(w->host) == HOST_RUNNING)
        step(w);
    return w->answers >= answers;
}

int wire_start(struct wire *w, const char *program, bool idle_skip, struct error_text *et)
{
    static char *const argv[] = {"echo", "08:11:22:33:44:08", "10.0.0.2"};
    struct host_config config = {.params = &w->params,
                                 .mac = HOST_MAC,
                                 .switch_mac = TESTER_MAC,
                                 .ip = HOST_IP,
                                 .image = &w->image,
                                 .argc = (int)ARRAY_LEN(argv),
                                 .argv = argv,
                                 .send = on_packet,
                                 .output = on_output,
                                 .arg = w};
    int err;

    memset(w, 0, sizeof(*w));
    params_profile(&w->params, "osdi21");
    w->params.timeout_cycles = 30000;
    w->params.idle_skip = idle_skip;
    w->step = STEP;
    err = elf_load(&w->image, program, et);
    if (err != 0)
        return err;
    err = host_new(&w->host, &config, et);
    if (err != 0) {
        elf_free(&w->image);
        return err;
    }
    while (!w->booted && w->now < BOOT_CYCLES && host_state(w->host) == HOST_RUNNING)
        step(w);
    if (!w->booted) {
        err = error_set(et, EIO, "the guest did not boot: %s",
                        host_state(w->host) == HOST_FAILED ? host_failure(w->host) : "no boot message");
        wire_stop(w);
    }
    return err;
}

void wire_stop(struct wire *w)
{
    host_free(w->host);
    elf_free(&w->image);
}
