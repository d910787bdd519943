/* SPDX-License-Identifier: MIT */
/* What all ports do; see port.h. */
#include "port_internal.h"

#include "nanopu/fabric/load.h"
#include "nanopu/fabric/port_script.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *after_prefix(const char *text, const char *prefix)
{
    size_t len = strlen(prefix);

    return strncmp(text, prefix, len) == 0 && text[len] != '\0' ? text + len : NULL;
}

static int connect_port(struct port *p, struct error_text *et)
{
    const char *what = p->config.connect, *rest;

    if ((rest = after_prefix(what, "script:")) != NULL)
        return script_read(&p->script, rest, et);
    if ((rest = after_prefix(what, "load:")) != NULL)
        return load_open(&p->load, p, rest, et);
    if ((rest = after_prefix(what, "socket:")) != NULL)
        return port_open_socket(p, rest, et);
    if ((rest = after_prefix(what, "tap:")) != NULL)
        return port_open_tap(p, rest, et);
    if ((rest = after_prefix(what, "ring:")) != NULL)
        return port_open_ring(p, rest, et);
    return error_set(et, EINVAL,
                     "%s: a port takes script:FILE, load:KEY=VALUE,..., socket:ADDRESS:PORT, tap:NAME or ring:FILE, "
                     "not \"%s\"",
                     p->config.name, what);
}

int port_new(struct port **out, const struct port_config *config, struct error_text *et)
{
    struct port *p = calloc(1, sizeof(*p));
    int ret;

    if (p == NULL)
        return error_set(et, ENOMEM, "out of memory");
    p->config = *config;
    p->fd = -1;
    packet_pool_init(&p->pool, config->node, PORT_PACKETS_MAX);
    ret = connect_port(p, et);
    if (ret != 0) {
        port_free(p);
        return ret;
    }
    *out = p;
    return 0;
}

void port_free(struct port *p)
{
    if (p == NULL)
        return;
    port_close_live(p);
    script_free(p->script);
    load_free(p->load);
    packet_pool_fini(&p->pool);
    free(p);
}

void port_receive(struct port *p, const struct packet *from)
{
    struct packet *copy = packet_alloc(&p->pool);

    if (copy == NULL) {
        p->stats.drop_memory++;
        return;
    }
    copy->first_flit_cycle = from->first_flit_cycle;
    copy->id = from->id;
    copy->len_bytes = from->len_bytes;
    memcpy(copy->data, from->data, from->len_bytes);
    if (p->tail != NULL)
        p->tail->next = copy;
    else
        p->head = copy;
    p->tail = copy;
    p->stats.received++;
}

void port_packet_free(struct port *p, struct packet *packet)
{
    packet_free(&p->pool, packet);
}

struct packet *port_take(struct port *p, uint64_t until)
{
    struct packet *first = p->head;

    if (first == NULL || first->first_flit_cycle >= until)
        return NULL;
    p->head = first->next;
    if (p->head == NULL)
        p->tail = NULL;
    return first;
}

uint64_t port_emit(struct port *p, struct packet *packet, uint64_t cycle)
{
    packet->first_flit_cycle = cycle > p->busy_until ? cycle : p->busy_until;
    cycle = packet->first_flit_cycle;
    p->busy_until = cycle + packet_flits(packet);
    p->stats.sent++;
    p->config.send(p->config.arg, packet);
    return cycle;
}

void port_advance(struct port *p, uint64_t until)
{
    if (p->script != NULL)
        script_advance(p->script, p, until);
    else if (p->load != NULL)
        load_advance(p->load, p, until);
    else
        port_live_advance(p, until);
}

uint64_t port_next_event(const struct port *p)
{
    if (p->load != NULL)
        return load_next_event(p->load, p);
    return p->script != NULL ? script_next_event(p->script, p) : p->next_poll;
}

void port_end(struct port *p)
{
    if (p->script != NULL)
        script_end(p->script);
    if (p->load != NULL)
        load_end(p->load);
}

bool port_is_scripted(const struct port *p)
{
    return p->script != NULL || p->load != NULL;
}

enum port_state port_state(const struct port *p)
{
    if (!port_is_scripted(p))
        return PORT_IDLE;
    if (port_failure(p)[0] != '\0')
        return PORT_FAILED;
    return (p->load != NULL ? load_done(p->load) : script_done(p->script)) ? PORT_IDLE : PORT_WAITING;
}

const char *port_failure(const struct port *p)
{
    if (p->load != NULL)
        return load_failure(p->load);
    return p->script != NULL ? script_failure(p->script) : "";
}

const struct port_stats *port_stats(const struct port *p)
{
    return &p->stats;
}
