/* SPDX-License-Identifier: MIT */
/*
 * Events of many nodes in one order. Each node's probe writes into memory of its own, in the thread that runs the node;
 * between windows one thread hands everything on to the sinks, sorted by cycle, node and order there. So a view comes
 * out the same for any number of threads.
 */
#ifndef NANOPU_VIEW_RECORDER_H
#define NANOPU_VIEW_RECORDER_H

#include "nanopu/view/probe.h"

/* An event may tell of a cycle that lies so far behind the window in which it is told. */
#define RECORDER_LATE_CYCLES 4096
#define RECORDER_SINKS       4

struct recorder;

struct record {
    struct probe_event e;  /* e.p is NULL: */
    const uint8_t *packet; /* its bytes while the sink is called, or NULL */
    uint32_t packet_len;
    uint64_t packet_id;
};

/* NULL: out of memory. */
struct recorder *recorder_new(unsigned nodes);
void recorder_free(struct recorder *r);

/* Before the first recorder_probe: who wants which kinds (bits of enum probe_kind). At most RECORDER_SINKS. */
void recorder_sink(struct recorder *r, uint32_t wanted, void (*record)(void *arg, const struct record *rec), void *arg);

/* The probe of a node; the recorder owns it. */
struct probe *recorder_probe(struct recorder *r, unsigned node);

/* Hands on what happened before `until` - RECORDER_LATE_CYCLES; everything with UINT64_MAX. No node may be running. */
void recorder_flush(struct recorder *r, uint64_t until);

/* Events for which there was no memory. */
uint64_t recorder_lost(const struct recorder *r);

#endif /* NANOPU_VIEW_RECORDER_H */
