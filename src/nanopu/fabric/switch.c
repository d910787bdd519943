/* SPDX-License-Identifier: MIT */
/* Ports, queues, classes and trimming: see switch.h. */
#include "switch_internal.h"

#include "nanopu/fabric/frame.h"

#include <stdlib.h>
#include <string.h>

#define MIN_FLITS     3
#define TRIMMED_BYTES (PACKET_HEADER_BYTES + FLIT_BYTES)

void list_append(struct packet_list *l, struct packet *p)
{
    p->next = NULL;
    if (l->tail != NULL)
        l->tail->next = p;
    else
        l->head = p;
    l->tail = p;
    l->bytes += (uint64_t)packet_flits(p) * FLIT_BYTES;
}

struct packet *list_take(struct packet_list *l)
{
    struct packet *p = l->head;

    l->head = p->next;
    if (l->head == NULL)
        l->tail = NULL;
    l->bytes -= (uint64_t)packet_flits(p) * FLIT_BYTES;
    return p;
}

struct fabric_switch *switch_new(const struct switch_config *config)
{
    struct fabric_switch *s = calloc(1, sizeof(*s));

    assert(config->ports <= SWITCH_PORTS_MAX);
    if (s == NULL)
        return NULL;
    s->config = *config;
    s->config.routes = NULL;
    packet_pool_init(&s->pool, config->node, SWITCH_PACKETS_MAX);
    s->ports = calloc(config->ports, sizeof(*s->ports));
    s->routes = malloc(SWITCH_ROUTES * sizeof(*s->routes));
    if (s->ports == NULL || s->routes == NULL) {
        switch_free(s);
        return NULL;
    }
    memcpy(s->routes, config->routes, SWITCH_ROUTES * sizeof(*s->routes));
    return s;
}

void switch_free(struct fabric_switch *s)
{
    if (s == NULL)
        return;
    packet_pool_fini(&s->pool);
    free(s->ports);
    free(s->routes);
    free(s);
}

static struct packet *copy_packet(struct fabric_switch *s, const struct packet *from)
{
    struct packet *p = packet_alloc(&s->pool);

    if (p == NULL) {
        s->stats.drop_memory++;
        return NULL;
    }
    p->first_flit_cycle = from->first_flit_cycle;
    p->id = from->id;
    p->len_bytes = from->len_bytes;
    memcpy(p->data, from->data, from->len_bytes);
    return p;
}

void switch_receive(struct fabric_switch *s, unsigned port, const struct packet *p)
{
    struct packet *copy = copy_packet(s, p);

    if (copy == NULL)
        return;
    assert(s->ports[port].in.tail == NULL || s->ports[port].in.tail->first_flit_cycle < p->first_flit_cycle);
    list_append(&s->ports[port].in, copy);
    s->waiting_in++;
}

void switch_packet_free(struct fabric_switch *s, struct packet *p)
{
    packet_free(&s->pool, p);
}

bool switch_first_in(const struct fabric_switch *s, switch_key_fn *key, unsigned *port, uint64_t *least)
{
    bool found = false;

    if (s->waiting_in == 0)
        return false;
    for (unsigned i = 0; i < s->config.ports; i++) {
        const struct packet *p = s->ports[i].in.head;

        if (p != NULL && (!found || key(s, p) < *least)) {
            *port = i;
            *least = key(s, p);
            found = true;
        }
    }
    return found;
}

/* The band of a packet as it is, section 9.1. */
static unsigned band_of(const struct fabric_switch *s, const struct packet *p)
{
    bool transport = frame_is_transport(p);
    bool data = transport && (p->data[FRAME_FLAGS] & (FLAG_DATA | FLAG_CHOP)) == FLAG_DATA;

    if (s->config.four_bands && transport && p->data[FRAME_IP_PROTOCOL] == PROTOCOL_HOMA) {
        unsigned tos = p->data[FRAME_IP_TOS];

        return tos < SWITCH_BANDS ? tos : SWITCH_BANDS - 1;
    }
    return data ? 1 : 0;
}

static bool can_be_trimmed(const struct packet *p)
{
    return frame_is_transport(p) && (p->data[FRAME_FLAGS] & (FLAG_DATA | FLAG_CHOP)) == FLAG_DATA;
}

/* Leaves the header and one flit more: zeros, or in profile homa what stood there. */
static void trim(struct fabric_switch *s, struct packet *p)
{
    p->data[FRAME_FLAGS] |= FLAG_CHOP;
    if (!s->config.four_bands || p->len_bytes < TRIMMED_BYTES)
        memset(p->data + PACKET_HEADER_BYTES, 0, FLIT_BYTES);
    p->len_bytes = TRIMMED_BYTES;
    s->stats.trimmed++;
}

static bool has_room(const struct fabric_switch *s, const struct switch_port *o, unsigned band, uint64_t bytes)
{
    return bytes + o->band[band].bytes < (band == 0 ? s->config.high_bytes : s->config.low_bytes);
}

static void note_peaks(struct fabric_switch *s, const struct switch_port *o, unsigned band)
{
    uint64_t *peak = band == 0 ? &s->stats.peak_high_bytes : &s->stats.peak_low_bytes, all = 0;

    if (o->band[band].bytes > *peak)
        *peak = o->band[band].bytes;
    for (unsigned i = 0; i < SWITCH_BANDS; i++)
        all += o->band[i].bytes;
    if (all > s->stats.peak_bytes)
        s->stats.peak_bytes = all;
}

static void tell_queues(const struct fabric_switch *s, unsigned port, uint64_t cycle)
{
    const struct switch_port *o = &s->ports[port];
    uint64_t low = 0;

    if (s->config.queues == NULL)
        return;
    for (unsigned i = 1; i < SWITCH_BANDS; i++)
        low += o->band[i].bytes;
    s->config.queues(s->config.arg, port, cycle, o->band[0].bytes, low);
}

static void drop(struct fabric_switch *s, struct packet *p, uint64_t *counter)
{
    ++*counter;
    packet_free(&s->pool, p);
}

/* Takes p: into a queue of the port, whole or trimmed, or nowhere. */
static void enqueue(struct fabric_switch *s, unsigned port, struct packet *p)
{
    struct switch_port *o = &s->ports[port];
    unsigned band = band_of(s, p), flits = packet_flits(p);
    bool fits = s->config.kind != SWITCH_OSDI21 || flits < s->config.iteration_cycles;
    bool room = has_room(s, o, band, (uint64_t)flits * FLIT_BYTES);

    if (!room && s->config.trimming && can_be_trimmed(p)) {
        unsigned lower = band + 1 < SWITCH_BANDS ? band + 1 : band;

        band = p->data[FRAME_IP_PROTOCOL] == PROTOCOL_HOMA && s->config.four_bands ? lower : 0;
        trim(s, p);
        room = has_room(s, o, band, TRIMMED_BYTES);
    }
    if (!fits || !room) {
        drop(s, p, !fits ? &s->stats.drop_long : band == 0 ? &s->stats.drop_high : &s->stats.drop_low);
        return;
    }
    list_append(&o->band[band], p);
    s->waiting_out++;
    note_peaks(s, o, band);
    tell_queues(s, port, p->first_flit_cycle);
}

/* A pause frame stops the output of the port it came in at. */
static bool obey_pause(struct fabric_switch *s, unsigned port, const struct packet *p)
{
    if (p->len_bytes < FRAME_PAUSE_QUANTA + 2 || frame_u16(p, FRAME_ETHERTYPE) != ETHERTYPE_MAC_CONTROL)
        return false;
    if (frame_u16(p, FRAME_PAUSE_OPCODE) == PAUSE_OPCODE) {
        s->ports[port].pause_until =
            p->first_flit_cycle + (uint64_t)frame_u16(p, FRAME_PAUSE_QUANTA) * PAUSE_QUANTUM_FLITS;
        s->stats.pauses++;
    }
    return true;
}

static void broadcast(struct fabric_switch *s, unsigned from, struct packet *p, switch_touch_fn *touched)
{
    for (unsigned i = 0; i < s->config.ports; i++) {
        struct packet *copy = i != from ? copy_packet(s, p) : NULL;

        if (copy == NULL)
            continue;
        touched(s, i, p->first_flit_cycle);
        enqueue(s, i, copy);
    }
    packet_free(&s->pool, p);
}

void switch_forward(struct fabric_switch *s, unsigned port, struct packet *p, switch_touch_fn *touched)
{
    uint16_t address, to;

    if (obey_pause(s, port, p)) {
        packet_free(&s->pool, p);
        return;
    }
    if (packet_flits(p) < MIN_FLITS) {
        drop(s, p, &s->stats.drop_short);
        return;
    }
    address = frame_is_ipv4(p) ? frame_u16(p, FRAME_IP_DEST + 2) : 0;
    if (address == ADDRESS_BROADCAST) {
        broadcast(s, port, p, touched);
        return;
    }
    to = frame_is_ipv4(p) ? s->routes[address] : ROUTE_NONE;
    if (to == ROUTE_NONE) {
        drop(s, p, &s->stats.drop_unknown);
        return;
    }
    touched(s, to, p->first_flit_cycle);
    enqueue(s, to, p);
}

void switch_depart(struct fabric_switch *s, unsigned port, unsigned band, uint64_t cycle)
{
    struct packet *p = list_take(&s->ports[port].band[band]);

    s->waiting_out--;
    s->stats.packets++;
    p->first_flit_cycle = cycle;
    tell_queues(s, port, cycle);
    s->config.send(s->config.arg, port, p);
}

void switch_advance(struct fabric_switch *s, uint64_t until)
{
    if (s->config.kind == SWITCH_OSDI21)
        switch_osdi21_advance(s, until);
    else
        switch_exact_advance(s, until);
}

uint64_t switch_next_event(const struct fabric_switch *s)
{
    return s->config.kind == SWITCH_OSDI21 ? switch_osdi21_next(s) : switch_exact_next(s);
}

const struct switch_stats *switch_stats(const struct fabric_switch *s)
{
    return &s->stats;
}
