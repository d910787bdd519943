/* SPDX-License-Identifier: MIT */
/*
 * A run as a trace that ui.perfetto.dev and chrome://tracing open: JSON objects of the Trace Event Format in the order
 * of time. Each host is a process; a thread for each core and context shows the message that it has; messages are
 * asynchronous slices from their first flit to msg_done and, on the sender's side, from the last word to the last ACK;
 * queues are counters; drops and timeouts are instants.
 */
#ifndef NANOPU_VIEW_PERFETTO_H
#define NANOPU_VIEW_PERFETTO_H

#include "core/error.h"
#include "nanopu/view/recorder.h"

struct perfetto;

#define PERFETTO_WANTED                                                                                                \
    (1U << PROBE_msg_start | 1U << PROBE_msg_complete | 1U << PROBE_msg_dispatch | 1U << PROBE_msg_done |              \
     1U << PROBE_msg_sent | 1U << PROBE_msg_acked | 1U << PROBE_timeout | 1U << PROBE_drop | 1U << PROBE_queue)

/* Creates the file; names[i] is that of node i. 0; negative errno and a text. */
int perfetto_open(struct perfetto **out, const char *path, const char *const *names, unsigned count,
                  struct error_text *et);

/* A sink of the recorder, for PERFETTO_WANTED. */
void perfetto_record(void *perfetto, const struct record *rec);

int perfetto_close(struct perfetto *perfetto, struct error_text *et);

#endif /* NANOPU_VIEW_PERFETTO_H */
