/* SPDX-License-Identifier: MIT */
/*
 * The reader of trace rings on arbitrary bytes: no access outside them, no more records than fit, names with an end,
 * and the same records whether read at once or from the middle on.
 */
#include "trace_read.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void look_at_records(const struct trace_file *t, const struct trace_window *w)
{
    struct trace_argument arg;

    for (size_t i = 0; i < w->count; i++) {
        require(strlen(trace_event_text(t, &w->record[i])) < TRACE_NAME_MAX);
        for (unsigned k = 0; k < 2; k++) {
            trace_argument(&arg, t, &w->record[i], k);
            require(strlen(arg.name) < TRACE_NAME_MAX && strlen(arg.text) > 0);
        }
        trace_unix_ns(t, w->time_ns[i]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct trace_window all, half;
    struct trace_file t;

    if (trace_file_open_memory(&t, data, size, NULL) != 0) {
        require(t.events == NULL);
        return 0;
    }
    trace_file_finished(&t);
    require(trace_window_read(&all, &t, 0, NULL) == 0);
    require(all.count <= t.capacity && all.lost == all.first);
    look_at_records(&t, &all);
    require(trace_window_read(&half, &t, all.first + all.count / 2, NULL) == 0);
    require(half.count == all.count - all.count / 2);
    require(half.count == 0 || memcmp(half.record, all.record + all.count / 2, half.count * sizeof(*half.record)) == 0);
    require(half.count == 0 || memcmp(half.time_ns, all.time_ns + all.count / 2, half.count * 8) == 0);
    trace_window_free(&half);
    trace_window_free(&all);
    trace_file_close(&t);
    return 0;
}
