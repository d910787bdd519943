/* SPDX-License-Identifier: MIT */
/*
 * The load generator as a state machine: start messages, then a phase of requests for each mean, then the last request.
 *
 * Iteration [S, S + L) as published: answers whose last flit comes in it are taken in the order in which they came and
 * acknowledged; at most one request is made, with the stamp S; then control packets leave before requests, each at its
 * stamp or behind the one before it, and what would not end before the iteration does waits for the next.
 */
#include "load_log.h"
#include "load_request.h"
#include "port_internal.h"

#include "transport/msg_header.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ACK_PAYLOAD_BYTES 16
#define ARRAY_WORD        2 /* of a start message: the array's address */
#define GIVE_UP_TIMES     2 /* the work of all requests, after the last one was sent */
#define BAND_CONTROL      0
#define BAND_REQUEST      1
#define BANDS             2

enum phase { PHASE_START, PHASE_RUN, PHASE_DONE };

struct waiting {
    struct packet *head, *tail;
};

struct load {
    struct load_spec spec;
    struct load_maker maker;
    struct load_log log;
    struct draw arrivals;
    bool exact;
    uint64_t iteration_cycles, iteration; /* the start of the next one that was not done */
    enum phase phase;
    unsigned starts;
    uint64_t mean;          /* of this phase */
    uint64_t threshold;     /* no request before */
    double exact_at;        /* exact: the same with its fraction */
    uint64_t sent, answers; /* of this phase */
    uint64_t last_sent, phase_start;
    struct waiting band[BANDS];
    struct load_request request;
    char failure[160];
};

int load_open(struct load **out, const struct port *p, const char *text, struct error_text *et)
{
    struct load *l = calloc(1, sizeof(*l));
    int ret;

    if (l == NULL)
        return error_set(et, ENOMEM, "out of memory");
    ret = load_spec_parse(&l->spec, p->config.name, text, et);
    if (ret == 0)
        ret = load_log_open(&l->log, &l->spec, load_mean_service(&l->spec), et);
    if (ret != 0) {
        free(l);
        return ret;
    }
    load_maker_init(&l->maker, &l->spec);
    draw_init(&l->arrivals, l->spec.seed, 0);
    l->exact = l->spec.time == LOAD_EXACT ||
               (l->spec.time == LOAD_BY_PROFILE && strcmp(p->config.params->profile, "osdi21") != 0);
    l->iteration_cycles = p->config.link_cycles;
    l->mean = l->spec.mean_first;
    l->phase = l->spec.starts == 0 ? PHASE_RUN : PHASE_START;
    *out = l;
    return 0;
}

void load_free(struct load *l)
{
    if (l == NULL)
        return;
    load_log_close(&l->log);
    free(l);
}

/* ---- What leaves ---- */

static void leave(struct load *l, struct port *p, struct packet *packet, unsigned band, uint64_t stamp)
{
    struct waiting *w = &l->band[band];

    if (l->exact) {
        port_emit(p, packet, stamp);
        return;
    }
    packet->first_flit_cycle = stamp;
    packet->next = NULL;
    if (w->tail != NULL)
        w->tail->next = packet;
    else
        w->head = packet;
    w->tail = packet;
}

static unsigned first_band(const struct load *l)
{
    return l->band[BAND_CONTROL].head != NULL ? BAND_CONTROL : BAND_REQUEST;
}

/* Sends what ends before the iteration does. */
static void emit(struct load *l, struct port *p, uint64_t end)
{
    for (;;) {
        struct waiting *w = &l->band[first_band(l)];
        struct packet *packet = w->head;
        uint64_t at;

        if (packet == NULL)
            return;
        at = packet->first_flit_cycle > l->iteration ? packet->first_flit_cycle : l->iteration;
        at = at > p->busy_until ? at : p->busy_until;
        if (at + packet_flits(packet) >= end)
            return;
        w->head = packet->next;
        if (w->head == NULL)
            w->tail = NULL;
        port_emit(p, packet, at);
    }
}

static struct msg_header header_to(const struct port *p, uint32_t ip)
{
    return (struct msg_header){.dst_mac = p->config.mac & ~UINT64_C(0xffffff),
                               .src_mac = p->config.switch_mac,
                               .src_ip = p->config.ip,
                               .dst_ip = ip,
                               .ip_protocol = params_ip_protocol(p->config.params)};
}

static void send_request(struct load *l, struct port *p, uint64_t stamp)
{
    const struct load_request *r = &l->request;
    struct packet *packet = packet_alloc(&p->pool);
    struct msg_header h = header_to(p, l->spec.target);

    if (packet == NULL) {
        p->stats.drop_memory++;
        return;
    }
    h.flags = MSG_DATA;
    h.dst_context = r->context;
    h.payload_len = h.msg_len = (uint16_t)(8 * r->count);
    h.tx_msg_id = r->msg_id;
    msg_header_write(&h, params_transport(p->config.params)->layout, false, packet->data);
    for (unsigned i = 0; i < 8 * r->count; i++)
        packet->data[PACKET_HEADER_BYTES + i] = (uint8_t)(r->words[i / 8] >> (56 - 8 * (i % 8)));
    packet->len_bytes = PACKET_HEADER_BYTES + 8 * r->count;
    leave(l, p, packet, BAND_REQUEST, stamp);
}

static void acknowledge(struct load *l, struct port *p, const struct msg_header *data, uint64_t stamp)
{
    struct packet *packet = l->spec.silent ? NULL : packet_alloc(&p->pool);
    struct msg_header h = header_to(p, data->src_ip);
    bool homa = params_transport(p->config.params) == &homa_transport;

    if (l->spec.silent)
        return;
    if (packet == NULL) {
        p->stats.drop_memory++;
        return;
    }
    h.dst_mac = data->src_mac;
    h.flags = homa ? MSG_ACK : MSG_ACK | MSG_PULL;
    h.src_context = data->dst_context;
    h.dst_context = data->src_context;
    h.payload_len = ACK_PAYLOAD_BYTES;
    h.msg_len = data->msg_len;
    /* Homa's names the first packet that is missing. */
    h.pkt_offset = (uint8_t)(data->pkt_offset + homa);
    h.pull_offset = homa ? 0 : (uint16_t)(data->pkt_offset + p->config.params->rtt_pkts);
    h.tx_msg_id = data->tx_msg_id;
    h.buf_ptr = data->buf_ptr;
    h.buf_class = data->buf_class;
    msg_header_write(&h, params_transport(p->config.params)->layout, false, packet->data);
    memset(packet->data + PACKET_HEADER_BYTES, 0, ACK_PAYLOAD_BYTES);
    packet->len_bytes = PACKET_HEADER_BYTES + ACK_PAYLOAD_BYTES;
    leave(l, p, packet, BAND_CONTROL, stamp);
}

/* ---- Phases ---- */

static void begin_phase(struct load *l, uint64_t now)
{
    l->sent = l->answers = 0;
    l->phase_start = now;
    if (l->threshold < now)
        l->threshold = now;
    l->exact_at = (double)l->threshold;
}

static void next_phase(struct load *l, struct port *p, uint64_t now)
{
    if (l->mean <= l->spec.mean_last || l->mean - l->spec.mean_last < l->spec.mean_step) {
        l->phase = PHASE_DONE;
        load_make_last(&l->maker, &l->request, now);
        send_request(l, p, now);
        return;
    }
    l->mean -= l->spec.mean_step;
    begin_phase(l, now);
}

/* The next threshold; the published one is cut to whole cycles and counts from the iteration. */
static void wait_for_next(struct load *l, uint64_t now)
{
    double gap = l->spec.arrivals_fixed ? (double)l->mean : draw_exp(&l->arrivals, (double)l->mean);

    if (l->exact) {
        l->exact_at += gap;
        l->threshold = (uint64_t)l->exact_at;
    } else {
        l->threshold = now + (uint64_t)gap;
    }
}

static void make_request(struct load *l, struct port *p, uint64_t now)
{
    load_make(&l->maker, &l->request, now);
    load_log_sent(&l->log, &(struct load_sent){l->request.service_cycles, now, l->request.context, l->mean});
    send_request(l, p, now);
    wait_for_next(l, now);
    l->sent++;
    l->last_sent = now;
}

/* When the phase ends without all of its answers. */
static uint64_t give_up_at(const struct load *l)
{
    return l->last_sent + (uint64_t)(load_mean_service(&l->spec) * (double)l->spec.count * GIVE_UP_TIMES);
}

static uint64_t payload_word(const struct packet *packet, unsigned word)
{
    const uint8_t *at = packet->data + PACKET_HEADER_BYTES + (size_t)8 * word;
    uint64_t v = 0;

    if (PACKET_HEADER_BYTES + 8 * (word + 1) > packet->len_bytes)
        return 0;
    for (unsigned i = 0; i < 8; i++)
        v = v << 8 | at[i];
    return v;
}

static void take_start(struct load *l, const struct packet *packet, uint64_t now)
{
    if (l->spec.kind == LOAD_rdma)
        l->maker.array = payload_word(packet, ARRAY_WORD);
    if (++l->starts < l->spec.starts)
        return;
    l->phase = PHASE_RUN;
    begin_phase(l, now);
}

static void take_answer(struct load *l, struct port *p, const struct packet *packet, const struct msg_header *h,
                        uint64_t now)
{
    struct load_answer a = {.service = payload_word(packet, 0),
                            .sent = payload_word(packet, 1),
                            .received = packet->first_flit_cycle + (uint64_t)p->config.params->switch_cycles,
                            .iteration = now,
                            .context = h->src_context,
                            .mean_cycles = l->mean};

    load_log_answer(&l->log, &a);
    /* What an earlier phase gave up comes late and counts for nothing. */
    if (a.sent >= l->phase_start)
        l->answers++;
    if (l->answers >= l->spec.count)
        next_phase(l, p, now);
}

/* A packet out of the machine. */
static void take(struct load *l, struct port *p, const struct packet *packet, uint64_t now)
{
    uint64_t stamp = packet->first_flit_cycle + (uint64_t)p->config.params->switch_cycles;
    struct msg_header h;

    if (msg_header_parse(&h, params_transport(p->config.params)->layout, params_ip_protocol(p->config.params),
                         packet->data, packet->len_bytes) != MSG_OK ||
        h.dst_ip != p->config.ip || (h.flags & MSG_DATA) == 0) {
        p->stats.ignored++;
        return;
    }
    acknowledge(l, p, &h, l->exact ? now : stamp);
    if (l->phase == PHASE_START)
        take_start(l, packet, now);
    else if (l->phase == PHASE_RUN)
        take_answer(l, p, packet, &h, now);
}

/* ---- Time ---- */

static uint64_t last_flit(const struct packet *packet)
{
    return packet->first_flit_cycle + packet_flits(packet) - 1;
}

static void take_until(struct load *l, struct port *p, uint64_t end, uint64_t now)
{
    struct packet *packet;

    while (p->head != NULL && last_flit(p->head) < end && (packet = port_take(p, end)) != NULL) {
        take(l, p, packet, l->exact ? last_flit(packet) + 1 : now);
        port_packet_free(p, packet);
    }
}

static bool may_send(const struct load *l)
{
    return l->phase == PHASE_RUN && l->sent < l->spec.count;
}

/* The cycle of what the phase does by itself. */
static uint64_t own_event(const struct load *l)
{
    if (may_send(l))
        return l->threshold;
    return l->phase == PHASE_RUN ? give_up_at(l) : PORT_NEVER;
}

static void act(struct load *l, struct port *p, uint64_t now)
{
    if (own_event(l) > now)
        return;
    if (may_send(l))
        make_request(l, p, now);
    else
        next_phase(l, p, now);
}

/* The start of the first iteration, at or after the next one, in which there is something to do. */
static uint64_t next_iteration(const struct load *l, const struct port *p)
{
    uint64_t length = l->iteration_cycles, at = own_event(l);

    if (first_band(l) == BAND_CONTROL || l->band[BAND_REQUEST].head != NULL)
        return l->iteration;
    if (at != PORT_NEVER)
        at = (at + length - 1) / length * length;
    if (p->head != NULL && last_flit(p->head) / length * length < at)
        at = last_flit(p->head) / length * length;
    return at > l->iteration ? at : l->iteration;
}

static void advance_iterations(struct load *l, struct port *p, uint64_t until)
{
    uint64_t length = l->iteration_cycles;

    for (;;) {
        uint64_t start = next_iteration(l, p);

        if (start == PORT_NEVER || start + length > until)
            break;
        l->iteration = start;
        take_until(l, p, start + length, start);
        act(l, p, start);
        emit(l, p, start + length);
        l->iteration = start + length;
    }
    if (l->iteration < until / length * length)
        l->iteration = until / length * length;
}

static void advance_exact(struct load *l, struct port *p, uint64_t until)
{
    for (;;) {
        uint64_t own = own_event(l), came = p->head != NULL ? last_flit(p->head) + 1 : PORT_NEVER;
        uint64_t at = own < came ? own : came;

        if (at >= until)
            return;
        if (came <= own)
            take_until(l, p, came, came);
        else
            act(l, p, own);
    }
}

void load_advance(struct load *l, struct port *p, uint64_t until)
{
    if (l->exact)
        advance_exact(l, p, until);
    else
        advance_iterations(l, p, until);
}

uint64_t load_next_event(const struct load *l, const struct port *p)
{
    uint64_t own = own_event(l), came = p->head != NULL ? last_flit(p->head) + 1 : PORT_NEVER, start;

    if (l->exact)
        return own < came ? own : came;
    start = next_iteration(l, p);
    return start == PORT_NEVER ? PORT_NEVER : start + l->iteration_cycles - 1;
}

void load_end(struct load *l)
{
    if (l->phase == PHASE_START)
        snprintf(l->failure, sizeof(l->failure), "%u of %u start messages came", l->starts, l->spec.starts);
}

bool load_done(const struct load *l)
{
    return l->phase == PHASE_DONE && l->band[BAND_CONTROL].head == NULL && l->band[BAND_REQUEST].head == NULL;
}

const char *load_failure(const struct load *l)
{
    return l->failure;
}
