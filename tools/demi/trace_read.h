/* SPDX-License-Identifier: MIT */
/*
 * Reading a trace ring, from a file that may still be written or from memory: bytes in, checked records out, oldest
 * first, each with its full time. Nothing in the bytes is trusted.
 */
#ifndef DEMI_TRACE_READ_H
#define DEMI_TRACE_READ_H

#include "core/error.h"
#include "core/trace.h"

#define TRACE_EVENTS_MAX 512

/* What a record's event and arguments are called. */
struct trace_names {
    char name[3][TRACE_NAME_MAX]; /* event, a, b */
};

struct trace_file {
    /* Where the bytes are: fd, or when it is negative mem, which belongs to the caller. */
    int fd;
    const unsigned char *mem;
    uint64_t len;
    /* Of the head. */
    uint32_t pid, tid;
    uint32_t capacity; /* records the ring holds */
    uint32_t records_offset;
    uint64_t start_unix_ns, start_ns;
    char program[TRACE_NAME_MAX];
    uint32_t event_count;
    struct trace_names *events;
};

/* A run of records that were read together. */
struct trace_window {
    uint64_t first; /* number of the first record since the ring was made */
    uint64_t lost;  /* records between what was asked for and first: overwritten */
    size_t count;
    struct trace_record *record;
    uint64_t *time_ns; /* of each record, on the instance's clock */
};

/* Reads and checks the head. -EINVAL: not a trace, of another version, damaged; -ENOMEM. The source stays the caller's.
 */
int trace_file_open_fd(struct trace_file *t, int fd, struct error_text *et);
int trace_file_open_memory(struct trace_file *t, const void *mem, size_t len, struct error_text *et);
void trace_file_close(struct trace_file *t);

/* Reads the records from number `from` on that are there now. -EINVAL: the file is shorter than it was; -ENOMEM. */
int trace_window_read(struct trace_window *w, const struct trace_file *t, uint64_t from, struct error_text *et);
void trace_window_free(struct trace_window *w);

/* Did the instance end in order? Its last event is then FINI; a crashed one's is any other. */
bool trace_file_finished(const struct trace_file *t);

/* Wall clock of a time of the instance's clock. */
uint64_t trace_unix_ns(const struct trace_file *t, uint64_t time_ns);

/* Name of a record's event; "?" for one that the head does not name. */
const char *trace_event_text(const struct trace_file *t, const struct trace_record *r);

/* One argument of a record: 0 is a, 1 is b. name is "" when the event has no such argument. */
struct trace_argument {
    const char *name;
    int64_t number; /* as signed where it is a descriptor */
    bool word;      /* the number stands for something that has a name */
    char text[40];  /* that name, else the number */
};
void trace_argument(struct trace_argument *arg, const struct trace_file *t, const struct trace_record *r,
                    unsigned which);

#endif /* DEMI_TRACE_READ_H */
