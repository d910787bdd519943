/* SPDX-License-Identifier: MIT */
/* Layout and time keeping of the trace ring: see trace.h. */
#include "trace.h"

#include "os.h"

#include <stdio.h>
#include <string.h>

_Static_assert(sizeof(struct trace_record) == 16, "four records to a cache line");

#define TRACE_EVENT(name, a_means, b_means)                                                                            \
    _Static_assert(sizeof(#name) <= TRACE_NAME_MAX && sizeof(a_means) <= TRACE_NAME_MAX &&                             \
                       sizeof(b_means) <= TRACE_NAME_MAX,                                                              \
                   #name " does not fit in the head");
TRACE_EVENTS(TRACE_EVENT)
#undef TRACE_EVENT

static const char *const event_names[TRACE_EVENT_MAX][3] = {
#define TRACE_EVENT(name, a_means, b_means) {#name, a_means, b_means},
    TRACE_EVENTS(TRACE_EVENT)
#undef TRACE_EVENT
};

/* Where the records begin: the head, rounded up to a cache line. */
static size_t records_offset(void)
{
    return (sizeof(struct trace_header) + CACHE_LINE - 1) & ~(size_t)(CACHE_LINE - 1);
}

uint32_t trace_capacity(uint32_t records)
{
    assert(records <= UINT32_C(1) << 31);
    return records <= 1 ? 1 : UINT32_C(1) << (32 - __builtin_clz(records - 1));
}

size_t trace_bytes(uint32_t records)
{
    assert(records != 0 && (records & (records - 1)) == 0);
    return records_offset() + (size_t)records * sizeof(struct trace_record);
}

/* Records the full time; the stamps of what follows count from it. */
static void time_record(struct trace *t, uint64_t now_ns)
{
    t->now = (uint32_t)(now_ns >> TRACE_TIME_SHIFT);
    t->last_time_ns = now_ns;
    if (t->head == NULL)
        return;
    trace_add(t, TRACE_TIME, 0, (uint32_t)now_ns, (uint32_t)(now_ns >> 32));
    t->head->time_ns = now_ns;
}

void trace_init(struct trace *t, void *mem, uint32_t records, uint64_t now_ns)
{
    struct trace_header *h = mem;
    struct os_identity who = os_identify();

    assert(records != 0 && (records & (records - 1)) == 0);
    h->version = TRACE_VERSION;
    h->pid = who.pid;
    h->tid = who.tid;
    h->capacity = records;
    h->record_bytes = sizeof(struct trace_record);
    h->records_offset = (uint32_t)records_offset();
    h->start_unix_ns = who.unix_ns;
    h->start_ns = now_ns;
    h->event_count = TRACE_EVENT_MAX;
    snprintf(h->program, sizeof(h->program), "%s", who.program);
    for (unsigned i = 0; i < TRACE_EVENT_MAX; i++) {
        for (unsigned j = 0; j < 3; j++)
            snprintf(h->event_name[i][j], TRACE_NAME_MAX, "%s", event_names[i][j]);
    }
    t->head = h;
    t->records = (struct trace_record *)(void *)((char *)mem + h->records_offset);
    t->mask = records - 1;
    time_record(t, now_ns);
    /* Last: whoever sees the magic sees all the rest. */
    __atomic_store_n(&h->magic, TRACE_MAGIC, __ATOMIC_RELEASE);
}

void trace_time_slow(struct trace *t, uint64_t now_ns)
{
    uint32_t since = t->now - (uint32_t)(t->last_time_ns >> TRACE_TIME_SHIFT);
    uint64_t latest_ns = t->last_time_ns + ((uint64_t)since << TRACE_TIME_SHIFT);

    if (t->last_time_ns != 0)
        time_record(t, latest_ns); /* the near side of the gap */
    time_record(t, now_ns);
}
