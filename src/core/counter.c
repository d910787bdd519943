/* SPDX-License-Identifier: MIT */
/* Names of the counters and the head of their page: see counter.h. */
#include "counter.h"

#include "os.h"

#include <stdio.h>
#include <string.h>

static const char *const names[COUNTER_MAX] = {
#define COUNTER(name, help) #name,
    COUNTER_LIST(COUNTER)
#undef COUNTER
};

static const char *const helps[COUNTER_MAX] = {
#define COUNTER(name, help) help,
    COUNTER_LIST(COUNTER)
#undef COUNTER
};

#define COUNTER(name, help) _Static_assert(sizeof(#name) <= STAT_NAME_MAX, #name " does not fit in the page");
COUNTER_LIST(COUNTER)
#undef COUNTER

const char *counter_name(enum counter c)
{
    assert((unsigned)c < COUNTER_MAX);
    return names[c];
}

const char *counter_help(enum counter c)
{
    assert((unsigned)c < COUNTER_MAX);
    return helps[c];
}

void stat_page_init(struct stat_page *p, const char *libos, const char *program)
{
    struct os_identity who = os_identify();

    p->version = STAT_VERSION;
    p->pid = who.pid;
    p->tid = who.tid;
    p->count = COUNTER_MAX;
    p->value_offset = offsetof(struct stat_page, value);
    p->name_offset = offsetof(struct stat_page, name);
    p->start_unix_ns = who.unix_ns;
    snprintf(p->libos, sizeof(p->libos), "%s", libos);
    snprintf(p->program, sizeof(p->program), "%s", program);
    for (unsigned i = 0; i < COUNTER_MAX; i++)
        snprintf(p->name[i], sizeof(p->name[i]), "%s", names[i]);
    /* Last: whoever sees the magic sees all the rest. */
    __atomic_store_n(&p->magic, STAT_MAGIC, __ATOMIC_RELEASE);
}
