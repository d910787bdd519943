/* SPDX-License-Identifier: MIT */
/*
 * Trace ring: the last N events of an instance in fixed-size binary records, always on, in a shared mapping of a file
 * so that it survives the process. Writing one is four stores; no clock is read: the time is the poll loop's.
 */
#ifndef CORE_TRACE_H
#define CORE_TRACE_H

#include "base.h"
#include "trace_events.h"

enum trace_event {
#define TRACE_EVENT(name, a_means, b_means) TRACE_##name,
    TRACE_EVENTS(TRACE_EVENT)
#undef TRACE_EVENT
        TRACE_EVENT_MAX
};

/*
 * 16 bytes: four to a cache line. time is the low 32 bits of now_ns >> TRACE_TIME_SHIFT. They wrap; the rest is found
 * by walking back from the head's time_ns. A TIME record has all bits; wherever more than TRACE_TIME_GAP_NS pass
 * between two records there is one on either side of the gap, so that no wrap is missed.
 */
struct trace_record {
    uint32_t time;
    uint16_t event;
    uint16_t c; /* error number or small argument */
    uint32_t a;
    uint32_t b;
};

#define TRACE_TIME_SHIFT  6 /* 64 ns units: 32 bits wrap after 275 s */
#define TRACE_TIME_GAP_NS (100 * NS_PER_S)
#define TRACE_MAGIC       UINT64_C(0x0031637274726363)
#define TRACE_VERSION     1
#define TRACE_NAME_MAX    24

/* Head of the file; records follow at records_offset. Events' names and the meanings of their arguments travel with it.
 */
struct trace_header {
    uint64_t magic;
    uint32_t version;
    uint32_t pid, tid;
    uint32_t capacity; /* records, a power of two */
    uint32_t record_bytes;
    uint32_t records_offset;
    uint32_t event_count;
    uint64_t start_unix_ns; /* wall clock when start_ns was read */
    uint64_t start_ns;
    uint64_t time_ns; /* time of the newest TIME record: at most TRACE_TIME_GAP_NS before the newest record */
    uint64_t written; /* records written in all: the next goes to written % capacity */
    char program[TRACE_NAME_MAX];
    char event_name[TRACE_EVENT_MAX][3][TRACE_NAME_MAX]; /* event, meaning of a, meaning of b */
};

struct trace {
    struct trace_header *head; /* NULL: off */
    struct trace_record *records;
    uint32_t mask;
    uint32_t now;          /* time stamp for the next records */
    uint64_t last_time_ns; /* of the newest TIME record */
};

/* The power of two not below records, which is at most 2^31. */
uint32_t trace_capacity(uint32_t records);

/* Bytes of a ring's file for a number of records (a power of two). */
size_t trace_bytes(uint32_t records);

/* Lays a ring into mem (zeroed, trace_bytes(records) long, owned by the caller), which belongs to the calling thread.
 */
void trace_init(struct trace *t, void *mem, uint32_t records, uint64_t now_ns);

/* The part of trace_set_time for when the last TIME record is too old: closes the gap and writes the next. */
void trace_time_slow(struct trace *t, uint64_t now_ns);

static inline void trace_add(struct trace *t, enum trace_event ev, uint16_t c, uint32_t a, uint32_t b)
{
    struct trace_record *r;
    uint64_t written;

    if (UNLIKELY(t->head == NULL))
        return;
    written = t->head->written;
    r = &t->records[written & t->mask];
    r->time = t->now;
    r->event = (uint16_t)ev;
    r->c = c;
    r->a = a;
    r->b = b;
    /* A plain store on x86-64; readers of the file see the record before they see it counted. */
    __atomic_store_n(&t->head->written, written + 1, __ATOMIC_RELEASE);
}

/* Sets the time of the records to come. It must not go back. Harmless when the ring is off. */
static inline void trace_set_time(struct trace *t, uint64_t now_ns)
{
    if (UNLIKELY(now_ns - t->last_time_ns > TRACE_TIME_GAP_NS))
        trace_time_slow(t, now_ns);
    t->now = (uint32_t)(now_ns >> TRACE_TIME_SHIFT);
}

#endif /* CORE_TRACE_H */
