/* SPDX-License-Identifier: MIT */
#include "nanopu/view/messages.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IDS 256 /* messages of a host in reception at one time */

struct under_way {
    uint64_t first, from; /* from: source address << 16 | context */
    uint64_t bytes;       /* 0: none has this id */
};

struct node {
    char *name;
    struct under_way message[IDS];
};

struct messages {
    FILE *file;
    struct node *nodes;
    unsigned count;
};

static void release(struct messages *m)
{
    for (unsigned i = 0; i < m->count && m->nodes != NULL; i++)
        free(m->nodes[i].name);
    free(m->nodes);
    free(m);
}

int messages_open(struct messages **out, const char *path, const char *const *names, unsigned count,
                  struct error_text *et)
{
    struct messages *m = calloc(1, sizeof(*m));
    bool fine;

    if (m == NULL)
        return error_set(et, ENOMEM, "out of memory");
    m->nodes = calloc(count, sizeof(*m->nodes));
    m->count = count;
    fine = m->nodes != NULL;
    for (unsigned i = 0; i < count && fine; i++)
        fine = (m->nodes[i].name = strdup(names[i])) != NULL;
    if (!fine) {
        release(m);
        return error_set(et, ENOMEM, "out of memory");
    }
    m->file = fopen(path, "we");
    if (m->file == NULL) {
        int error = errno;

        release(m);
        return error_set(et, error, "%s: %s", path, strerror(error));
    }
    fputs("host,source,context,bytes,first,complete\n", m->file);
    *out = m;
    return 0;
}

static void put(const struct messages *m, const struct node *n, const struct under_way *u)
{
    uint32_t ip = (uint32_t)(u->from >> 16);

    fprintf(m->file, "%s,%u.%u.%u.%u,%u,%" PRIu64 ",%" PRIu64 ",", n->name, ip >> 24, ip >> 16 & 255, ip >> 8 & 255,
            ip & 255, (unsigned)(u->from & 0xffff), u->bytes, u->first);
}

void messages_record(void *messages, const struct record *rec)
{
    const struct messages *m = messages;
    const struct probe_event *e = &rec->e;
    struct node *n = &m->nodes[e->node];
    struct under_way *u = &n->message[e->a % IDS];

    if (e->kind == PROBE_msg_start) {
        *u = (struct under_way){.first = e->cycle, .from = e->b, .bytes = e->c};
        return;
    }
    if (u->bytes == 0)
        return;
    put(m, n, u);
    fprintf(m->file, "%" PRIu64 "\n", e->cycle);
    u->bytes = 0;
}

int messages_close(struct messages *m, struct error_text *et)
{
    int error;

    for (unsigned i = 0; i < m->count; i++) {
        for (unsigned id = 0; id < IDS; id++) {
            if (m->nodes[i].message[id].bytes == 0)
                continue;
            put(m, &m->nodes[i], &m->nodes[i].message[id]);
            fputc('\n', m->file);
        }
    }
    error = ferror(m->file) ? EIO : 0;
    if (fclose(m->file) != 0 && error == 0)
        error = errno;
    release(m);
    return error == 0 ? 0 : error_set(et, error, "the messages could not be written: %s", strerror(error));
}
