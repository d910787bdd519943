/* SPDX-License-Identifier: MIT */
/*
 * A pipeline log for the viewer Konata ("Kanata 0004"): what each instruction of one hart did in which cycle.
 *
 * Stages: F the two cycles of fetch, D in decode (longer than one cycle: it waits for an operand or a unit), X, M, W.
 * What a redirect or a line of instructions cost shows as a gap before the next instruction's F, what a line of data
 * cost as one behind the instruction that asked for it.
 */
#ifndef NANOPU_VIEW_KONATA_H
#define NANOPU_VIEW_KONATA_H

#include "core/error.h"
#include "nanopu/view/probe.h"

struct konata;

/* Makes the file anew, for a hart of a host. Returns 0, or a negative errno and a text. */
int konata_open(struct konata **out, const char *path, uint32_t hart, struct error_text *et);

/* What that host has to be given. */
struct probe *konata_probe(struct konata *k);

/* Returns 0, or a negative errno and a text when not all of it could be written. NULL is fine. */
int konata_close(struct konata *k, struct error_text *et);

#endif /* NANOPU_VIEW_KONATA_H */
