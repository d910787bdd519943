/* SPDX-License-Identifier: MIT */
/* Reading a trace ring: see trace_read.h. */
#include "trace_read.h"

#include "../common/text.h"
#include "core/counter.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEAD_BYTES offsetof(struct trace_header, event_name)

/* Copies len bytes from an offset of the source. */
static bool read_at(const struct trace_file *t, void *to, uint64_t offset, size_t len)
{
    size_t got = 0;
    ssize_t n;

    if (offset > t->len || len > t->len - offset)
        return false;
    if (t->fd < 0) {
        memcpy(to, t->mem + offset, len);
        return true;
    }
    while (got < len) {
        n = pread(t->fd, (char *)to + got, len - got, (off_t)(offset + got));
        if (n <= 0 && !(n < 0 && errno == EINTR))
            return false;
        got += n > 0 ? (size_t)n : 0;
    }
    return true;
}

static int read_names(struct trace_file *t, struct error_text *et)
{
    t->events = calloc((size_t)t->event_count + 1, sizeof(*t->events));
    if (t->events == NULL)
        return error_set(et, ENOMEM, "out of memory");
    if (!read_at(t, t->events, HEAD_BYTES, t->event_count * sizeof(*t->events))) {
        trace_file_close(t);
        return error_set(et, EINVAL, "damaged trace: the events' names are missing");
    }
    for (uint32_t i = 0; i < t->event_count; i++) {
        for (unsigned k = 0; k < 3; k++)
            text_copy(t->events[i].name[k], t->events[i].name[k], TRACE_NAME_MAX);
    }
    return 0;
}

static int read_head(struct trace_file *t, struct error_text *et)
{
    struct trace_header h;

    if (!read_at(t, &h, 0, HEAD_BYTES))
        return error_set(et, EINVAL, "too short for a trace");
    if (h.magic != TRACE_MAGIC)
        return error_set(et, EINVAL, "not a trace, or not written yet");
    if (h.version != TRACE_VERSION)
        return error_set(et, EINVAL, "trace of version %u; this demi reads version %u", h.version, TRACE_VERSION);
    if (h.record_bytes != sizeof(struct trace_record) || h.capacity == 0 || (h.capacity & (h.capacity - 1)) != 0 ||
        h.records_offset > t->len || (t->len - h.records_offset) / sizeof(struct trace_record) < h.capacity ||
        h.event_count > TRACE_EVENTS_MAX || h.records_offset < HEAD_BYTES ||
        (h.records_offset - HEAD_BYTES) / sizeof(struct trace_names) < h.event_count)
        return error_set(et, EINVAL, "damaged trace: its head contradicts itself or the file's length");
    t->pid = h.pid;
    t->tid = h.tid;
    t->capacity = h.capacity;
    t->records_offset = h.records_offset;
    t->start_unix_ns = h.start_unix_ns;
    t->start_ns = h.start_ns;
    t->event_count = h.event_count;
    text_copy(t->program, h.program, sizeof(t->program));
    return read_names(t, et);
}

int trace_file_open_fd(struct trace_file *t, int fd, struct error_text *et)
{
    struct stat st;

    memset(t, 0, sizeof(*t));
    t->fd = fd;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return error_set(et, EINVAL, "not a regular file");
    t->len = (uint64_t)st.st_size;
    return read_head(t, et);
}

int trace_file_open_memory(struct trace_file *t, const void *mem, size_t len, struct error_text *et)
{
    memset(t, 0, sizeof(*t));
    t->fd = -1;
    t->mem = mem;
    t->len = len;
    return read_head(t, et);
}

void trace_file_close(struct trace_file *t)
{
    free(t->events);
    t->events = NULL;
}

/* Reads records number first to first + count - 1, which lie in at most two runs. */
static bool read_records(const struct trace_file *t, struct trace_record *to, uint64_t first, size_t count)
{
    size_t slot = first & (t->capacity - 1);
    size_t run = t->capacity - slot < count ? t->capacity - slot : count;

    return read_at(t, to, t->records_offset + slot * sizeof(*to), run * sizeof(*to)) &&
           read_at(t, to + run, t->records_offset, (count - run) * sizeof(*to));
}

/*
 * Full times, from the newest record back: a record is less than half a wrap from its successor, or one of the two has
 * all bits itself (trace.h).
 */
static void set_times(struct trace_window *w, uint64_t base_ns)
{
    uint64_t unit = base_ns >> TRACE_TIME_SHIFT; /* time of the successor */

    for (size_t i = w->count; i-- > 0;) {
        const struct trace_record *r = &w->record[i];
        uint64_t full = ((uint64_t)r->b << 32 | r->a) >> TRACE_TIME_SHIFT;

        if (r->event == TRACE_TIME && (uint32_t)full == r->time)
            unit = full;
        else
            unit += (uint64_t)(int64_t)(int32_t)(r->time - (uint32_t)unit);
        w->time_ns[i] = unit << TRACE_TIME_SHIFT;
    }
}

/* Drops records from the window's beginning that the writer has overwritten, or may be overwriting. */
static void drop_overwritten(struct trace_window *w, uint64_t written, uint32_t capacity)
{
    uint64_t oldest = written >= capacity ? written - capacity + 1 : 0;
    size_t drop;

    if (oldest <= w->first)
        return;
    drop = oldest - w->first < w->count ? (size_t)(oldest - w->first) : w->count;
    memmove(w->record, w->record + drop, (w->count - drop) * sizeof(*w->record));
    w->count -= drop;
    w->first += drop;
    w->lost += drop;
}

int trace_window_read(struct trace_window *w, const struct trace_file *t, uint64_t from, struct error_text *et)
{
    uint64_t marks[2], oldest; /* time_ns and written, which lie side by side */
    _Static_assert(offsetof(struct trace_header, written) == offsetof(struct trace_header, time_ns) + 8,
                   "side by side");
    bool good;

    memset(w, 0, sizeof(*w));
    if (!read_at(t, marks, offsetof(struct trace_header, time_ns), sizeof(marks)))
        return error_set(et, EINVAL, "the trace is shorter than it was");
    oldest = marks[1] > t->capacity ? marks[1] - t->capacity : 0;
    w->first = from > oldest ? from : oldest;
    w->lost = w->first - from;
    w->count = marks[1] > w->first ? (size_t)(marks[1] - w->first) : 0;
    w->record = malloc((w->count + 1) * sizeof(*w->record));
    w->time_ns = malloc((w->count + 1) * sizeof(*w->time_ns));
    if (w->record == NULL || w->time_ns == NULL) {
        trace_window_free(w);
        return error_set(et, ENOMEM, "out of memory");
    }
    good = read_records(t, w->record, w->first, w->count);
    if (good)
        good = read_at(t, &marks[1], offsetof(struct trace_header, written), sizeof(marks[1]));
    if (!good) {
        trace_window_free(w);
        return error_set(et, EINVAL, "the trace is shorter than it was");
    }
    drop_overwritten(w, marks[1], t->capacity);
    set_times(w, marks[0]);
    return 0;
}

void trace_window_free(struct trace_window *w)
{
    free(w->record);
    free(w->time_ns);
    memset(w, 0, sizeof(*w));
}

bool trace_file_finished(const struct trace_file *t)
{
    struct trace_record last;
    uint64_t written;

    if (!read_at(t, &written, offsetof(struct trace_header, written), sizeof(written)) || written == 0 ||
        !read_records(t, &last, written - 1, 1))
        return false;
    return strcmp(trace_event_text(t, &last), "FINI") == 0;
}

uint64_t trace_unix_ns(const struct trace_file *t, uint64_t time_ns)
{
    return t->start_unix_ns + (time_ns - t->start_ns);
}

const char *trace_event_text(const struct trace_file *t, const struct trace_record *r)
{
    return r->event < t->event_count && t->events[r->event].name[0][0] != '\0' ? t->events[r->event].name[0] : "?";
}

/* Words for numbers that stand for something, by the argument's name. NULL: none. */
static const char *word_of(const char *name, uint32_t number)
{
    static const char *const opcodes[] = {"INVALID", "PUSH", "POP", "ACCEPT", "CONNECT", "CLOSE", "FAILED"};
    static const char *const types[] = {NULL, "STREAM", "DGRAM", "RAW", "RDM", "SEQPACKET"};
    static const char *const hows[] = {"RD", "WR", "RDWR"};

    if (strcmp(name, "opcode") == 0)
        return number < ARRAY_LEN(opcodes) ? opcodes[number] : NULL;
    if (strcmp(name, "type") == 0)
        return number < ARRAY_LEN(types) ? types[number] : NULL;
    if (strcmp(name, "how") == 0)
        return number < ARRAY_LEN(hows) ? hows[number] : NULL;
    if (strcmp(name, "counter") == 0)
        return number < COUNTER_MAX ? counter_name((enum counter)number) : NULL;
    return NULL;
}

void trace_argument(struct trace_argument *arg, const struct trace_file *t, const struct trace_record *r,
                    unsigned which)
{
    static const char *const unnamed[] = {"a", "b"};
    uint32_t raw = which == 0 ? r->a : r->b;
    const char *word;

    assert(which < 2);
    arg->name = r->event < t->event_count ? t->events[r->event].name[which + 1] : unnamed[which];
    arg->number = raw;
    if (strcmp(arg->name, "qd") == 0 || strcmp(arg->name, "new_qd") == 0)
        arg->number = (int32_t)raw;
    word = word_of(arg->name, raw);
    arg->word = word != NULL;
    if (word != NULL)
        snprintf(arg->text, sizeof(arg->text), "%s", word);
    else
        snprintf(arg->text, sizeof(arg->text), "%" PRId64, arg->number);
}
