/* SPDX-License-Identifier: MIT */
/* Building a machine from a topology, and looking at it. */
#include "machine_internal.h"

#include "nanopu/sim/elf.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIXED_ARGS 3 /* path, MAC, IP: section 1.8 */

bool text_append(struct text *t, const char *s, size_t n)
{
    if (t->room - t->len < n) {
        size_t room = (t->len + n) * 2;
        char *bytes = realloc(t->bytes, room);

        if (bytes == NULL)
            return false;
        t->bytes = bytes;
        t->room = room;
    }
    memcpy(t->bytes + t->len, s, n);
    t->len += n;
    return true;
}

static void append_sent(struct node *n, unsigned port, struct packet *p)
{
    struct sent *out = &n->ends[port].out[n->machine->window % 2];

    p->next = NULL;
    if (out->tail != NULL)
        out->tail->next = p;
    else
        out->head = p;
    out->tail = p;
}

static void end_send(void *arg, struct packet *p)
{
    append_sent(arg, 0, p);
}

static void switch_send(void *arg, unsigned port, struct packet *p)
{
    append_sent(arg, port, p);
}

/* Without memory the guest's words are lost, which is not worth ending a run. */
static void host_output(void *arg, const char *s, size_t n)
{
    text_append(&((struct node *)arg)->output, s, n);
}

/* The program, loaded once for all hosts that run it. */
static struct elf_image *find_image(struct machine *m, const char *path, struct error_text *et, int *ret)
{
    struct elf_image *image;

    for (unsigned i = 0; i < m->image_count; i++) {
        image = m->images[i];
        if (image != NULL && strcmp(image->name, path) == 0)
            return image;
    }
    image = malloc(sizeof(*image));
    if (image == NULL) {
        *ret = error_set(et, ENOMEM, "out of memory");
        return NULL;
    }
    *ret = elf_load(image, path, et);
    if (*ret != 0) {
        free(image);
        return NULL;
    }
    m->images[m->image_count++] = image;
    return image;
}

/* The guest's arguments: path, MAC, IP, then its own. */
static char **make_argv(const struct topology_node *c)
{
    char **argv = calloc(FIXED_ARGS + c->arg_count + 1, sizeof(*argv)), mac[18], ip[16];

    if (argv == NULL)
        return NULL;
    argv[0] = strdup(c->program);
    argv[1] = strdup(mac_text(c->mac, mac));
    argv[2] = strdup(ip_text(c->ip, ip));
    for (unsigned i = 0; i < c->arg_count; i++)
        argv[FIXED_ARGS + i] = strdup(c->args[i]);
    return argv;
}

static bool complete(char *const *argv, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (argv[i] == NULL)
            return false;
    }
    return true;
}

static int read_input(struct node *n, struct error_text *et)
{
    FILE *f = fopen(n->config->input, "rbe");
    char chunk[4096];
    struct text t = {0};
    size_t got;
    bool fine = f != NULL;

    while (fine && (got = fread(chunk, 1, sizeof(chunk), f)) > 0)
        fine = text_append(&t, chunk, got);
    if (f == NULL || ferror(f) || !fine) {
        int err = f == NULL || ferror(f) ? errno : ENOMEM;

        if (f != NULL)
            fclose(f);
        free(t.bytes);
        return error_set(et, err, "%s: %s", n->config->input, strerror(err));
    }
    fclose(f);
    n->input = (uint8_t *)t.bytes;
    n->input_len = t.len;
    return 0;
}

static int make_host(struct machine *m, struct node *n, struct error_text *et)
{
    const struct topology_node *c = n->config;
    struct host_config config;
    int ret = 0;

    if (c->program == NULL)
        return error_set(et, EINVAL, "%s: no program is given for it", c->name);
    n->image = find_image(m, c->program, et, &ret);
    if (n->image == NULL)
        return ret;
    n->argv = make_argv(c);
    if (n->argv == NULL || !complete(n->argv, FIXED_ARGS + c->arg_count))
        return error_set(et, ENOMEM, "out of memory");
    if (c->input != NULL)
        ret = read_input(n, et);
    if (ret != 0)
        return ret;
    config = (struct host_config){.params = &c->params,
                                  .node = n->index,
                                  .mac = c->mac,
                                  .switch_mac = MAC_SWITCH,
                                  .ip = c->ip,
                                  .image = n->image,
                                  .argc = FIXED_ARGS + (int)c->arg_count,
                                  .argv = n->argv,
                                  .input = n->input,
                                  .input_len = n->input_len,
                                  .send = end_send,
                                  .output = host_output,
                                  .arg = n};
    if (m->config.probe != NULL)
        config.probe = m->config.probe(m->config.arg, n->index);
    return host_new(&n->host, &config, et);
}

/* The name of the node at the other end of a switch's port. */
static const char *port_peer(const struct node *n, unsigned port)
{
    const struct topology *t = n->machine->config.topology;

    for (unsigned i = 0; i < t->link_count; i++) {
        for (unsigned end = 0; end < 2; end++) {
            if (t->links[i].node[end] == n->index && t->links[i].port[end] == port)
                return t->nodes[t->links[i].node[1 - end]]->name;
        }
    }
    return "";
}

/* A line of a switch's file: which of its ports, by the node at the other end. */
static void switch_queues(void *arg, unsigned port, uint64_t cycle, uint64_t high_bytes, uint64_t low_bytes)
{
    struct node *n = arg;

    fprintf(n->queues, "%" PRIu64 ",%s,%" PRIu64 ",%" PRIu64 "\n", cycle, port_peer(n, port), high_bytes, low_bytes);
}

static int open_queues(struct node *n, struct switch_config *config, struct error_text *et)
{
    if (n->config->queues == NULL)
        return 0;
    n->queues = fopen(n->config->queues, "we");
    if (n->queues == NULL)
        return error_set(et, errno, "%s: %s: %s", n->config->name, n->config->queues, strerror(errno));
    fputs("cycle,to,high_bytes,low_bytes\n", n->queues);
    config->queues = switch_queues;
    return 0;
}

static int make_switch(struct machine *m, struct node *n, struct error_text *et)
{
    const struct topology_node *c = n->config;
    const struct params *p = &c->params;
    struct switch_config config = {.kind = c->switch_kind,
                                   .node = n->index,
                                   .ports = c->links,
                                   .latency_cycles = (uint64_t)p->switch_cycles,
                                   .iteration_cycles = (uint64_t)p->link_cycles,
                                   .store_and_forward = c->store_and_forward,
                                   .four_bands = strcmp(p->profile, "homa") == 0,
                                   .trimming = p->trimming != 0,
                                   .high_bytes = (uint64_t)p->queue_high_bytes,
                                   .low_bytes = (uint64_t)p->queue_low_bytes,
                                   .send = switch_send,
                                   .arg = n};
    int ret = open_queues(n, &config, et);
    uint16_t *routes = ret == 0 ? malloc(SWITCH_ROUTES * sizeof(*routes)) : NULL;

    if (ret != 0)
        return ret;
    if (routes != NULL && topology_routes(m->config.topology, n->index, routes) == 0) {
        config.routes = routes;
        n->sw = switch_new(&config);
    }
    free(routes);
    return n->sw != NULL ? 0 : error_set(et, ENOMEM, "out of memory");
}

/* The latency of a port's one link. */
static uint64_t link_cycles(const struct node *n)
{
    const struct topology *t = n->machine->config.topology;
    unsigned i = 0;

    while (t->links[i].node[0] != n->index && t->links[i].node[1] != n->index)
        i++;
    return t->links[i].latency_cycles;
}

static int make_port(struct node *n, struct error_text *et)
{
    const struct topology_node *c = n->config;
    const struct port_config config = {.node = n->index,
                                       .name = c->name,
                                       .connect = c->connect,
                                       .ip = c->ip,
                                       .mac = c->mac,
                                       .switch_mac = MAC_SWITCH,
                                       .params = &c->params,
                                       .link_cycles = link_cycles(n),
                                       .send = end_send,
                                       .arg = n};

    return port_new(&n->port, &config, et);
}

static int make_nodes(struct machine *m, struct error_text *et)
{
    const struct topology *t = m->config.topology;
    int ret = 0;

    for (unsigned i = 0; i < m->count && ret == 0; i++) {
        struct node *n = &m->nodes[i];

        n->machine = m;
        n->config = t->nodes[i];
        n->index = i;
        n->ends = calloc(n->config->links, sizeof(*n->ends));
        if (n->ends == NULL)
            return error_set(et, ENOMEM, "out of memory");
        if (n->config->kind == TOPOLOGY_HOST)
            ret = make_host(m, n, et);
        else if (n->config->kind == TOPOLOGY_SWITCH)
            ret = make_switch(m, n, et);
        else
            ret = make_port(n, et);
    }
    return ret;
}

static void join_nodes(struct machine *m)
{
    const struct topology *t = m->config.topology;

    for (unsigned i = 0; i < t->link_count; i++) {
        const struct topology_link *l = &t->links[i];

        for (unsigned e = 0; e < 2; e++) {
            struct link_end *end = &m->nodes[l->node[e]].ends[l->port[e]];

            end->neighbour = l->node[1 - e];
            end->neighbour_port = l->port[1 - e];
            end->latency_cycles = l->latency_cycles;
        }
    }
}

int machine_new(struct machine **out, const struct machine_config *config, struct error_text *et)
{
    struct machine *m = aligned_alloc(CACHE_LINE, sizeof(*m));
    int ret;

    assert(config->threads >= 1 && config->threads <= MACHINE_THREADS_MAX);
    if (m == NULL)
        return error_set(et, ENOMEM, "out of memory");
    memset(m, 0, sizeof(*m));
    m->config = *config;
    m->window_cycles = config->topology->window_cycles;
    m->hash_due = config->hash_cycles;
    m->nodes = aligned_alloc(CACHE_LINE, config->topology->node_count * sizeof(*m->nodes));
    m->images = calloc(config->topology->host_count, sizeof(struct elf_image *));
    if (m->nodes == NULL || m->images == NULL) {
        machine_free(m);
        return error_set(et, ENOMEM, "out of memory");
    }
    m->count = config->topology->node_count;
    memset(m->nodes, 0, m->count * sizeof(*m->nodes));
    ret = make_nodes(m, et);
    if (ret != 0) {
        machine_free(m);
        return ret;
    }
    join_nodes(m);
    *out = m;
    return 0;
}

static void free_argv(struct node *n)
{
    for (unsigned i = 0; n->argv != NULL && i < FIXED_ARGS + n->config->arg_count; i++)
        free(n->argv[i]);
    free(n->argv);
}

void machine_free(struct machine *m)
{
    if (m == NULL)
        return;
    for (unsigned i = 0; m->nodes != NULL && i < m->count; i++) {
        struct node *n = &m->nodes[i];

        host_free(n->host);
        switch_free(n->sw);
        if (n->queues != NULL)
            fclose(n->queues);
        port_free(n->port);
        free_argv(n);
        free(n->input);
        free(n->ends);
        free(n->output.bytes);
    }
    for (unsigned i = 0; m->images != NULL && i < m->image_count; i++) {
        elf_free(m->images[i]);
        free(m->images[i]);
    }
    free(m->images);
    free(m->nodes);
    free(m);
}

uint64_t machine_cycle(const struct machine *m)
{
    return m->start;
}

uint64_t machine_instret(const struct machine *m)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < m->count; i++)
        sum += m->nodes[i].host != NULL ? host_instret(m->nodes[i].host) : 0;
    return sum;
}

uint64_t machine_packets(const struct machine *m)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < m->count; i++)
        sum += m->nodes[i].packets;
    return sum;
}

uint64_t machine_windows(const struct machine *m)
{
    return m->window;
}

const struct port *machine_port(const struct machine *m, unsigned node)
{
    return m->nodes[node].port;
}

struct host *machine_host(const struct machine *m, unsigned node)
{
    return m->nodes[node].host;
}

const struct fabric_switch *machine_switch(const struct machine *m, unsigned node)
{
    return m->nodes[node].sw;
}
