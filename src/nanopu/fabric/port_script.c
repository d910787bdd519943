/* SPDX-License-Identifier: MIT */
/* Doing what a script says: see port_script.h. Reading it is in port_script_parse.c. */
#include "port_script_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void script_free(struct script *s)
{
    if (s == NULL)
        return;
    for (size_t i = 0; i < s->step_count; i++)
        free(s->steps[i].packet.payload);
    free(s->steps);
    free(s->name);
    free(s);
}

/* What a packet is, in a line. */
static void describe(const struct port *p, const struct packet *packet, char *buf, size_t size)
{
    struct msg_header h;
    enum msg_layout layout = params_transport(p->config.params)->layout;
    size_t len;

    if (msg_header_parse(&h, layout, params_ip_protocol(p->config.params), packet->data, packet->len_bytes) != MSG_OK) {
        snprintf(buf, size, "%u bytes that are no packet of the transport", packet->len_bytes);
        return;
    }
    len = (size_t)snprintf(buf, size, "%u bytes:", packet->len_bytes);
    for (const struct script_field *f = script_fields; f->name != NULL && len < size; f++) {
        char value[40];

        script_field_text(f, &h, value, sizeof(value));
        len += (size_t)snprintf(buf + len, size - len, " %s=%s", f->name, value);
    }
}

static void COLD fail(struct script *s, const struct script_step *step, const struct port *p,
                      const struct packet *packet, const char *why)
{
    char what[300];

    describe(p, packet, what, sizeof(what));
    snprintf(s->failure, sizeof(s->failure), "%s:%u: %s; at cycle %" PRIu64 " came %s", s->name, step->line, why,
             packet->first_flit_cycle, what);
}

/* Does the packet have what the statement says of it? Otherwise why tells the first difference. */
static bool matches(const struct port *p, const struct script_step *step, const struct packet *packet, char *why,
                    size_t size)
{
    const struct script_packet *want = &step->packet;
    enum msg_layout layout = params_transport(p->config.params)->layout;
    struct msg_header h;
    unsigned payload;

    why[0] = '\0';
    if (msg_header_parse(&h, layout, params_ip_protocol(p->config.params), packet->data, packet->len_bytes) != MSG_OK) {
        snprintf(why, size, "a packet of the transport was expected");
        return false;
    }
    for (const struct script_field *f = script_fields; f->name != NULL; f++) {
        char wanted[40], got[40];

        if ((want->given & 1u << (f - script_fields)) == 0)
            continue;
        script_field_text(f, &want->header, wanted, sizeof(wanted));
        script_field_text(f, &h, got, sizeof(got));
        if (strcmp(wanted, got) != 0) {
            snprintf(why, size, "%s=%s was expected, not %s", f->name, wanted, got);
            return false;
        }
    }
    payload = packet->len_bytes - PACKET_HEADER_BYTES;
    for (unsigned i = 0; want->payload != NULL && i < want->payload_len; i++) {
        uint8_t got = i < payload ? packet->data[PACKET_HEADER_BYTES + i] : 0;

        if (i < payload && got == want->payload[i])
            continue;
        snprintf(why, size, "byte %u of the payload (of %u) was expected to be 0x%02x, not 0x%02x", i, payload,
                 want->payload[i], got);
        return false;
    }
    return true;
}

static bool is_ignored(const struct script *s, const struct port *p, const struct packet *packet)
{
    char why[SCRIPT_WHY_MAX];

    for (size_t i = 0; i < s->step_count && s->ignores > 0; i++) {
        if (s->steps[i].verb == SCRIPT_IGNORE && matches(p, &s->steps[i], packet, why, sizeof(why)))
            return true;
    }
    return false;
}

/* The statement that is to be done, unless script_done. */
static const struct script_step *current(const struct script *s)
{
    return &s->steps[s->next];
}

static void go_on(struct script *s, uint64_t cycle)
{
    s->cycle = cycle;
    do
        s->next++;
    while (s->next < s->step_count && s->steps[s->next].verb == SCRIPT_IGNORE);
}

/* When the statement sends, or the last cycle in which its packet may come. */
static uint64_t due(const struct script *s, const struct script_step *step)
{
    switch (step->when) {
    case SCRIPT_AT:
    case SCRIPT_BY:
        return step->cycle;
    case SCRIPT_AFTER:
        return s->cycle + step->cycle;
    default:
        return step->verb == SCRIPT_SEND ? s->cycle : PORT_NEVER;
    }
}

static void send_packet(struct script *s, struct port *p, const struct script_step *step, uint64_t cycle)
{
    const struct script_packet *from = &step->packet;
    struct packet *packet = packet_alloc(&p->pool);
    unsigned payload = from->payload_len > 0 ? from->payload_len : (unsigned)p->config.params->control_pad;
    struct msg_header h = from->header;

    if (packet == NULL) {
        p->stats.drop_memory++;
        go_on(s, cycle);
        return;
    }
    h.src_mac = p->config.mac;
    h.dst_mac = p->config.switch_mac;
    h.ip_protocol = params_ip_protocol(p->config.params);
    h.payload_len = (uint16_t)payload;
    if ((from->given & 1u << FIELD_src) == 0)
        h.src_ip = p->config.ip;
    if ((from->given & 1u << FIELD_flags) == 0)
        h.flags = MSG_DATA;
    if ((from->given & 1u << FIELD_len) == 0)
        h.msg_len = (uint16_t)from->payload_len;
    msg_header_write(&h, params_transport(p->config.params)->layout, false, packet->data);
    memset(packet->data + PACKET_HEADER_BYTES, 0, payload);
    if (from->payload_len > 0)
        memcpy(packet->data + PACKET_HEADER_BYTES, from->payload, from->payload_len);
    packet->len_bytes = PACKET_HEADER_BYTES + payload;
    go_on(s, port_emit(p, packet, cycle));
}

/* A packet came that is not ignored. */
static void judge(struct script *s, struct port *p, const struct packet *packet)
{
    static const struct script_step beyond = {.line = 0};
    const struct script_step *step = current(s);
    char why[SCRIPT_WHY_MAX];

    if (script_done(s)) {
        fail(s, &beyond, p, packet, "nothing more was expected");
    } else if (!matches(p, step, packet, why, sizeof(why))) {
        fail(s, step, p, packet, why);
    } else if (step->when == SCRIPT_AT && packet->first_flit_cycle != step->cycle) {
        snprintf(why, sizeof(why), "it was expected at cycle %" PRIu64, step->cycle);
        fail(s, step, p, packet, why);
    } else if (packet->first_flit_cycle > due(s, step)) {
        snprintf(why, sizeof(why), "it was expected by cycle %" PRIu64, due(s, step));
        fail(s, step, p, packet, why);
    } else {
        go_on(s, packet->first_flit_cycle);
    }
}

static void check_deadline(struct script *s, const struct script_step *step, uint64_t until)
{
    if (due(s, step) < until)
        snprintf(s->failure, sizeof(s->failure), "%s:%u: by cycle %" PRIu64 " a packet was expected; none came",
                 s->name, step->line, due(s, step));
}

void script_advance(struct script *s, struct port *p, uint64_t until)
{
    while (s->failure[0] == '\0') {
        const struct script_step *step = current(s);
        struct packet *packet;

        if (!script_done(s) && step->verb == SCRIPT_SEND) {
            if (due(s, step) >= until)
                return;
            send_packet(s, p, step, due(s, step));
            continue;
        }
        packet = port_take(p, until);
        if (packet == NULL) {
            if (!script_done(s))
                check_deadline(s, step, until);
            return;
        }
        if (is_ignored(s, p, packet))
            p->stats.ignored++;
        else
            judge(s, p, packet);
        port_packet_free(p, packet);
    }
}

uint64_t script_next_event(const struct script *s, const struct port *p)
{
    const struct script_step *step = current(s);
    uint64_t next = p->head != NULL ? p->head->first_flit_cycle : PORT_NEVER;

    if (s->failure[0] != '\0' || script_done(s))
        return s->failure[0] != '\0' ? PORT_NEVER : next;
    if (step->verb == SCRIPT_SEND)
        return due(s, step);
    return due(s, step) < next ? due(s, step) + 1 : next;
}

void script_end(struct script *s)
{
    if (!script_done(s) && s->failure[0] == '\0')
        snprintf(s->failure, sizeof(s->failure), "%s:%u: a packet was expected, and none will come any more", s->name,
                 current(s)->line);
}

bool script_done(const struct script *s)
{
    return s->next >= s->step_count;
}

const char *script_failure(const struct script *s)
{
    return s->failure;
}
