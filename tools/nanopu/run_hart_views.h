/* SPDX-License-Identifier: MIT */
/*
 * Views of what harts do: --trace, --konata, --gdb. The trace of a host goes into the file given when there is one
 * host, otherwise into that name, a dot and the host's: each is written by the thread that runs the host.
 */
#ifndef NANOPU_RUN_HART_VIEWS_H
#define NANOPU_RUN_HART_VIEWS_H

#include "run.h"

#include "nanopu/view/probe.h"

struct hart_views;

/* *out is NULL when the options ask for none, which all of these take. Returns 0, or a negative errno and a text. */
int hart_views_open(struct hart_views **out, const struct run_options *o, const struct topology *t,
                    struct error_text *et);

/* A host's probe, which hands on to another as well (or NULL). */
struct probe *hart_views_probe(struct hart_views *v, unsigned node, struct probe *other);

/* The machine is there and has not run: a debugger is waited for. */
int hart_views_begin(struct hart_views *v, struct machine *machine, struct error_text *et);

/* Between windows; true ends the run. */
bool hart_views_between(struct hart_views *v);

/* The machine is gone. Returns 0, or a negative errno and a text when a file could not be written. */
int hart_views_close(struct hart_views *v, int exit_code, struct error_text *et);

#endif /* NANOPU_RUN_HART_VIEWS_H */
