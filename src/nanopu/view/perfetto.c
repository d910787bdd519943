/* SPDX-License-Identifier: MIT */
#include "nanopu/view/perfetto.h"

#include "nanopu/nic/nic.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IDS     256 /* messages of a host under way, in each direction */
#define CORES   64
#define PENDING 255 /* messages at a core and context: the bound of jbsq_bound */

/* Messages that a core has of a context, oldest first. */
struct at_core {
    uint64_t message[PENDING];
    unsigned head, len;
};

struct node {
    uint64_t rx[IDS], tx[IDS]; /* the number of the message that has this id now; 0: none */
    struct at_core *core[CORES][HTS_CONTEXTS];
};

struct perfetto {
    FILE *file;
    struct node *nodes;
    unsigned count;
    uint64_t messages; /* seen so far */
    bool any;
    int error;
};

/* ---- Objects ---- */

static void begin(struct perfetto *p, const char *phase, const struct probe_event *e, unsigned thread)
{
    /* A cycle is 0.0003125 us: seven digits are exact. */
    uint64_t us = e->cycle / CLOCK_MHZ, rest = e->cycle % CLOCK_MHZ * (10000000 / CLOCK_MHZ);

    fprintf(p->file, "%s{\"ph\":\"%s\",\"pid\":%u,\"tid\":%u,\"ts\":%" PRIu64 ".%07" PRIu64, p->any ? ",\n" : "", phase,
            e->node + 1, thread, us, rest);
    p->any = true;
}

static void end(struct perfetto *p)
{
    if (fputs("}", p->file) == EOF && p->error == 0)
        p->error = errno;
}

static void name(struct perfetto *p, const char *what, unsigned node, unsigned thread, const char *text)
{
    struct probe_event e = {.node = node};

    begin(p, "M", &e, thread);
    fprintf(p->file, ",\"name\":\"%s\",\"args\":{\"name\":\"", what);
    for (; *text != '\0'; text++)
        fputc(*text < ' ' || *text == '"' || *text == '\\' ? '_' : *text, p->file);
    fputs("\"}", p->file);
    end(p);
}

static void asynchronous(struct perfetto *p, const char *phase, const struct probe_event *e, const char *category,
                         uint64_t id, const char *text)
{
    begin(p, phase, e, 0);
    fprintf(p->file, ",\"cat\":\"%s\",\"id\":\"%" PRIu64 "\",\"name\":\"%s\"", category, id, text);
}

/* ---- Threads: one a core and context ---- */

static unsigned thread_of(unsigned core, unsigned ctx)
{
    return 1 + core * HTS_CONTEXTS + ctx;
}

static struct at_core *at_core(struct perfetto *p, const struct probe_event *e)
{
    unsigned ctx = (unsigned)e->b;
    struct at_core **a = &p->nodes[e->node].core[e->unit % CORES][ctx % HTS_CONTEXTS];
    char text[64];

    if (*a == NULL) {
        *a = calloc(1, sizeof(**a));
        if (*a == NULL) {
            p->error = ENOMEM;
            return NULL;
        }
        snprintf(text, sizeof(text), "core %u context %u", e->unit, ctx);
        name(p, "thread_name", e->node, thread_of(e->unit, ctx), text);
    }
    return *a;
}

static void slice(struct perfetto *p, const char *phase, const struct probe_event *e, uint64_t message)
{
    begin(p, phase, e, thread_of(e->unit, (unsigned)e->b));
    fprintf(p->file, ",\"name\":\"message %" PRIu64 "\"", message);
    end(p);
}

static void dispatch(struct perfetto *p, const struct probe_event *e)
{
    struct at_core *a = at_core(p, e);
    uint64_t message = p->nodes[e->node].rx[e->a % IDS];

    if (a == NULL)
        return;
    asynchronous(p, "n", e, "received", message, "dispatched");
    fprintf(p->file, ",\"args\":{\"core\":%u}", e->unit);
    end(p);
    if (a->len == PENDING)
        return;
    a->message[(a->head + a->len++) % PENDING] = message;
    if (a->len == 1)
        slice(p, "B", e, message);
}

static void done(struct perfetto *p, const struct probe_event *e)
{
    struct at_core *a = at_core(p, e);
    uint64_t message;

    if (a == NULL || a->len == 0)
        return;
    message = a->message[a->head];
    a->head = (a->head + 1) % PENDING;
    a->len--;
    slice(p, "E", e, message);
    asynchronous(p, "e", e, "received", message, "message");
    end(p);
    if (a->len > 0)
        slice(p, "B", e, a->message[a->head]);
}

/* ---- Events ---- */

static void addressed(struct perfetto *p, const struct probe_event *e, const char *what)
{
    uint32_t ip = (uint32_t)(e->b >> 16);

    fprintf(p->file, ",\"args\":{\"%s\":\"%u.%u.%u.%u:%u\",\"bytes\":%" PRIu64 "}", what, ip >> 24, ip >> 16 & 255,
            ip >> 8 & 255, ip & 255, (unsigned)e->b & 0xffff, e->c);
    end(p);
}

static void instant(struct perfetto *p, const struct probe_event *e, const char *text)
{
    begin(p, "i", e, 0);
    fprintf(p->file, ",\"s\":\"p\",\"name\":\"%s\"", text);
    end(p);
}

#define QUEUE_NAME(name, help) #name,
static void queue(struct perfetto *p, const struct probe_event *e)
{
    static const char *const names[] = {NIC_QUEUES(QUEUE_NAME)};

    if (e->unit >= ARRAY_LEN(names))
        return;
    begin(p, "C", e, 0);
    fprintf(p->file, ",\"name\":\"%s\",\"args\":{\"length\":%" PRIu64 "}", names[e->unit], e->a);
    end(p);
}
#undef QUEUE_NAME

void perfetto_record(void *arg, const struct record *rec)
{
    struct perfetto *p = arg;
    const struct probe_event *e = &rec->e;
    struct node *n = &p->nodes[e->node];

    assert(e->node < p->count);
    switch (e->kind) {
    case PROBE_msg_start:
        n->rx[e->a % IDS] = ++p->messages;
        asynchronous(p, "b", e, "received", p->messages, "message");
        addressed(p, e, "from");
        break;
    case PROBE_msg_complete:
        asynchronous(p, "n", e, "received", n->rx[e->a % IDS], "reassembled");
        end(p);
        break;
    case PROBE_msg_dispatch:
        dispatch(p, e);
        break;
    case PROBE_msg_done:
        done(p, e);
        break;
    case PROBE_msg_sent:
        n->tx[e->a % IDS] = ++p->messages;
        asynchronous(p, "b", e, "sent", p->messages, "message");
        addressed(p, e, "to");
        break;
    case PROBE_msg_acked:
        if (n->tx[e->a % IDS] != 0) {
            asynchronous(p, "e", e, "sent", n->tx[e->a % IDS], "message");
            end(p);
        }
        n->tx[e->a % IDS] = 0;
        break;
    case PROBE_timeout:
        instant(p, e, "timeout");
        break;
    case PROBE_drop:
        instant(p, e, nic_counter_name((unsigned)e->a));
        break;
    case PROBE_queue:
        queue(p, e);
        break;
    default:
        break;
    }
}

int perfetto_open(struct perfetto **out, const char *path, const char *const *names, unsigned count,
                  struct error_text *et)
{
    struct perfetto *p = calloc(1, sizeof(*p));

    if (p != NULL)
        p->nodes = calloc(count, sizeof(*p->nodes));
    if (p == NULL || p->nodes == NULL) {
        free(p);
        return error_set(et, ENOMEM, "out of memory");
    }
    p->count = count;
    p->file = fopen(path, "w");
    if (p->file == NULL) {
        int error = errno;

        free(p->nodes);
        free(p);
        return error_set(et, error, "%s: %s", path, strerror(error));
    }
    fputs("{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n", p->file);
    for (unsigned i = 0; i < count; i++)
        name(p, "process_name", i, 0, names[i]);
    *out = p;
    return 0;
}

int perfetto_close(struct perfetto *p, struct error_text *et)
{
    int error;

    fputs("\n]}\n", p->file);
    error = ferror(p->file) ? EIO : p->error;
    if (fclose(p->file) != 0 && error == 0)
        error = errno;
    for (unsigned i = 0; i < p->count; i++)
        for (unsigned core = 0; core < CORES; core++)
            for (unsigned ctx = 0; ctx < HTS_CONTEXTS; ctx++)
                free(p->nodes[i].core[core][ctx]);
    free(p->nodes);
    free(p);
    return error == 0 ? 0 : error_set(et, error, "the trace could not be written: %s", strerror(error));
}
