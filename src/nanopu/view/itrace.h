/* SPDX-License-Identifier: MIT */
/*
 * The instruction trace of a host, a text file: for each instruction a line with its commit cycle, hart, pc, encoding
 * and text, and what it wrote:
 *
 *     1042 0 0000000080000012 00a50533 add a0, a0, a0  a0=0000000000000054
 *
 * and for each trap one with its cause and value. Lines of one hart come in its order, of several as they ran.
 */
#ifndef NANOPU_VIEW_ITRACE_H
#define NANOPU_VIEW_ITRACE_H

#include "core/error.h"
#include "nanopu/view/probe.h"

struct itrace;

/* Makes the file anew. Returns 0, or a negative errno and a text. */
int itrace_open(struct itrace **out, const char *path, struct error_text *et);

/* What a host has to be given to be traced. */
struct probe *itrace_probe(struct itrace *t);

/* Returns 0, or a negative errno and a text when not all of it could be written. NULL is fine. */
int itrace_close(struct itrace *t, struct error_text *et);

#endif /* NANOPU_VIEW_ITRACE_H */
