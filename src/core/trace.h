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

/* 16 bytes: four to a cache line. time is the low 32 bits of now_ns >> TRACE_TIME_SHIFT; a TIME record has all bits. */
struct trace_record {
    uint32_t time;
    uint16_t event;
    uint16_t c; /* error number or small argument */
    uint32_t a;
    uint32_t b;
};

#define TRACE_TIME_SHIFT 6 /* 64 ns units: 32 bits wrap after 275 s, TIME records come more often */
#define TRACE_MAGIC UINT64_C(0x0031637274726363)
#define TRACE_VERSION 1
#define TRACE_NAME_MAX 24

/* Head of the file; records follow at records_offset. Event names travel with it. */
struct trace_header {
    uint64_t magic;
    uint32_t version;
    uint32_t pid, tid;
    uint32_t capacity; /* records, a power of two */
    uint32_t record_bytes;
    uint32_t records_offset;
    uint64_t start_unix_ns; /* wall clock when start_ns was read */
    uint64_t start_ns;
    uint32_t event_count;
    uint32_t spare;
    uint64_t written; /* records written in all: the next goes to written % capacity */
    char event_name[TRACE_EVENT_MAX][3][TRACE_NAME_MAX]; /* event, meaning of a, meaning of b */
};

struct trace {
    struct trace_header *head; /* NULL: off */
    struct trace_record *records;
    uint32_t mask;
    uint32_t now; /* time stamp for the next records */
    uint64_t last_time_ns;
};

/* Bytes of a ring's file for a number of records (a power of two). */
size_t trace_bytes(uint32_t records);

/* Lays a ring into mem (zeroed, trace_bytes(records) long, owned by the caller). */
void trace_init(struct trace *t, void *mem, uint32_t records, uint64_t now_ns);

/* Sets the time of the records to come; writes a TIME record when the last one is over 100 s old. */
void trace_time_slow(struct trace *t, uint64_t now_ns);

static inline void trace_add(struct trace *t, enum trace_event ev, uint16_t c, uint32_t a, uint32_t b)
{
    struct trace_record *r;

    if (UNLIKELY(t->head == NULL))
        return;
    r = &t->records[t->head->written & t->mask];
    r->time = t->now;
    r->event = (uint16_t)ev;
    r->c = c;
    r->a = a;
    r->b = b;
    t->head->written++;
}

static inline void trace_set_time(struct trace *t, uint64_t now_ns)
{
    t->now = (uint32_t)(now_ns >> TRACE_TIME_SHIFT);
    if (UNLIKELY(now_ns - t->last_time_ns > 100 * NS_PER_S))
        trace_time_slow(t, now_ns);
}

#endif /* CORE_TRACE_H */
