/* SPDX-License-Identifier: MIT */
/*
 * A debugger's stub for all harts of a machine: GDB's remote protocol over one TCP connection on loopback. Each hart is
 * a thread. It observes as a probe and holds the machine where it serves the debugger: inside the announcement of an
 * instruction, before that executes. So the machine has to run in one thread, and all of it stands while one hart does.
 *
 * Supported: breakpoints, steps, interruption, all registers with a target description, memory, threads, detach, kill.
 */
#ifndef NANOPU_VIEW_GDB_H
#define NANOPU_VIEW_GDB_H

#include "core/error.h"
#include "nanopu/view/probe.h"

#define GDB_BREAKPOINTS_MAX 256

struct gdb;
struct machine;

/* Listens on a port of 127.0.0.1; 0: any. For the first `hosts` nodes. Returns 0, or a negative errno and a text. */
int gdb_listen(struct gdb **out, uint16_t port, unsigned hosts, struct error_text *et);
uint16_t gdb_port(const struct gdb *g);

/* What a host has to be given. */
struct probe *gdb_probe(struct gdb *g, unsigned host);

/* Waits for the debugger, and serves it until it lets the machine run. Returns 0, or a negative errno and a text. */
int gdb_attach(struct gdb *g, struct machine *machine, struct error_text *et);

/* Now and then, while no hart executes: true when the debugger wants the run to end. */
bool gdb_poll(struct gdb *g);

/* The run is over: tells the debugger, and frees. NULL is fine. */
void gdb_finish(struct gdb *g, int exit_code);

#endif /* NANOPU_VIEW_GDB_H */
