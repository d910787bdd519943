/* SPDX-License-Identifier: MIT */
/*
 * Messages that hosts received, a line of CSV each: host,source,context,bytes,first,complete. first is the cycle in
 * which the first flit of its first packet entered the NIC, complete that in which it was reassembled; a message that
 * never was has a line at the end with an empty last field. So how long a transport needs is seen without the cores.
 */
#ifndef NANOPU_VIEW_MESSAGES_H
#define NANOPU_VIEW_MESSAGES_H

#include "core/error.h"
#include "nanopu/view/recorder.h"

struct messages;

#define MESSAGES_WANTED (1U << PROBE_msg_start | 1U << PROBE_msg_complete)

/* Creates the file; names are those of the hosts, node by node, and copied. 0; negative errno and a text. */
int messages_open(struct messages **out, const char *path, const char *const *names, unsigned count,
                  struct error_text *et);

/* A sink of the recorder, for MESSAGES_WANTED. */
void messages_record(void *messages, const struct record *rec);

/* Writes what is left and frees. 0; negative errno and a text when something could not be written. */
int messages_close(struct messages *m, struct error_text *et);

#endif /* NANOPU_VIEW_MESSAGES_H */
