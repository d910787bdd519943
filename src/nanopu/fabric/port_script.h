/* SPDX-License-Identifier: MIT */
/*
 * A scripted peer. One statement a line, done one after the other; # begins a comment.
 *
 *   [at CYCLE | after CYCLES] send FIELD=VALUE...
 *   [at CYCLE | by CYCLE | within CYCLES] expect FIELD=VALUE...
 *   ignore FIELD=VALUE...            packets like this one are never looked at, wherever the line stands
 *
 * Times are those of a packet's first flit at the port; `after` and `within` count from the statement before. A packet
 * that comes is what the next expect wants, or is ignored, or fails the run.
 *
 * Fields: src, dst (10.0.0.2), flags (data+ack+nack+pull+chop), src_ctx, dst_ctx, len, offset, pull, id, buf, class,
 * tos, words (payload as 64-bit numbers a,b,c; 0x for hexadecimal), bytes (payload in hexadecimal digits). What send
 * does not name: src is the port's address, flags is data, len the payload's length, the rest 0; a packet without a
 * payload gets the padding of a control packet.
 */
#ifndef NANOPU_FABRIC_PORT_SCRIPT_H
#define NANOPU_FABRIC_PORT_SCRIPT_H

#include "nanopu/fabric/port.h"

#define SCRIPT_LINES_MAX 65536
#define SCRIPT_FILE_MAX  (16 << 20)

struct script;

/* -EINVAL and "name:line: what", -ENOMEM. */
int script_parse(struct script **out, const char *name, const char *text, size_t len, struct error_text *et);
int script_read(struct script **out, const char *path, struct error_text *et);
void script_free(struct script *s);

void script_advance(struct script *s, struct port *p, uint64_t until);
uint64_t script_next_event(const struct script *s, const struct port *p);
void script_end(struct script *s);
bool script_done(const struct script *s);
const char *script_failure(const struct script *s); /* "": none */

#endif /* NANOPU_FABRIC_PORT_SCRIPT_H */
