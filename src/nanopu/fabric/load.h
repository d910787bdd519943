/* SPDX-License-Identifier: MIT */
/*
 * The load generator of the prototype's evaluation, section 9.2 of the machine's contract, as a kind of port:
 *
 *   connect: load:KEY=VALUE,KEY=VALUE,...        keys: LOAD_KEYS below
 *
 * It waits for the guests' start messages, sends requests to one host at random times, acknowledges every answer, and
 * notes when each came. After `count` answers, or when none came for too long, it goes on to the next mean time between
 * requests; after the last it sends a request with the service time 0, which ends the guest. Several generators are
 * several ports.
 *
 * Time: as published, an iteration is the latency of the generator's link, at most one request leaves in each, and what
 * leaves obeys the prototype's switch (control before data); with time=exact requests leave in the cycles that the
 * distribution names, and answers are acknowledged as they come.
 */
#ifndef NANOPU_FABRIC_LOAD_H
#define NANOPU_FABRIC_LOAD_H

#include "core/base.h"
#include "core/error.h"

#define LOAD_PATH_MAX  256
#define LOAD_COUNT_MAX 10000000

/* T(name, start messages, context of a request): the published names of tests */
#define LOAD_TESTS(T)                                                                                                  \
    T(ONE_CONTEXT_ONE_CORE, 1, LOAD_CONTEXT_ZERO)                                                                      \
    T(ONE_CONTEXT_FOUR_CORES, 4, LOAD_CONTEXT_ZERO)                                                                    \
    T(FOUR_CONTEXTS_FOUR_CORES, 4, LOAD_CONTEXT_OF_FOUR)                                                               \
    T(TWO_CONTEXTS_FOUR_SHARED_CORES, 8, LOAD_CONTEXT_BY_MODE)                                                         \
    T(DIF_PRIORITY_LNIC_DRIVEN, 2, LOAD_CONTEXT_OF_TWO)                                                                \
    T(DIF_PRIORITY_TIMER_DRIVEN, 2, LOAD_CONTEXT_OF_TWO)                                                               \
    T(HIGH_PRIORITY_C1_STALL, 2, LOAD_CONTEXT_OF_TWO)                                                                  \
    T(LOW_PRIORITY_C1_STALL, 2, LOAD_CONTEXT_OF_TWO)

/* by mode: 0 for a short request of the bimodal distribution, 1 for a long one */
enum load_context { LOAD_CONTEXT_ZERO, LOAD_CONTEXT_OF_TWO, LOAD_CONTEXT_OF_FOUR, LOAD_CONTEXT_BY_MODE };

#define LOAD_TEST_ENUM(name, starts, context) LOAD_TEST_##name,
enum load_test { LOAD_TESTS(LOAD_TEST_ENUM) LOAD_TEST_COUNT };
#undef LOAD_TEST_ENUM

/* K(name, what follows service time and sending time in a request) */
#define LOAD_KINDS(K)                                                                                                  \
    K(plain, "nothing")                                                                                                \
    K(mica, "a key-value operation: read or write, key, hash, 512-byte value")                                         \
    K(rdma, "a read of a word of the guest's array, whose address its start message has")                              \
    K(chainrep, "a write for a chain of three nodes behind a proxy")                                                   \
    K(intersect, "one to four words whose documents are intersected")                                                  \
    K(euclidean_dist, "a vector, and two to five that it is compared with")                                            \
    K(classification, "a packet's header fields for a classifier")                                                     \
    K(raft_write, "a write for a replicated log")                                                                      \
    K(dot, "words that are indices of a table")

#define LOAD_KIND_ENUM(name, help) LOAD_##name,
enum load_kind { LOAD_KINDS(LOAD_KIND_ENUM) LOAD_KIND_COUNT };
#undef LOAD_KIND_ENUM

enum load_service { LOAD_FIXED, LOAD_EXP, LOAD_BIMODAL };
enum load_time { LOAD_BY_PROFILE, LOAD_ITERATIONS, LOAD_EXACT };

/* K(key, help) */
#define LOAD_KEYS(K)                                                                                                   \
    K(test, "one of the published tests: start messages to wait for, contexts of requests")                            \
    K(kind, "what requests carry: plain, mica, rdma, chainrep, intersect, euclidean_dist, classification, "            \
            "raft_write, dot")                                                                                         \
    K(service, "fixed:CYCLES, exp or bimodal: cycles of work that a request asks for")                                 \
    K(mean, "cycles between requests: one, or FIRST:LAST:STEP downwards")                                              \
    K(arrivals, "exp or fixed: times between requests")                                                                \
    K(count, "requests for each mean")                                                                                 \
    K(seed, "of all random numbers")                                                                                   \
    K(bytes, "payload of a plain request or of dot, a multiple of 8 from 16 to 1024")                                  \
    K(keys, "how many keys, words or vectors there are to choose from")                                                \
    K(target, "the host that is asked")                                                                                \
    K(starts, "start messages to wait for, instead of the test's number")                                              \
    K(acks, "yes or no: answers are acknowledged, as the transport of the NIC that answers wants it or not")           \
    K(time, "iterations or exact; by default iterations in profile osdi21, exact elsewhere")                           \
    K(log, "a file for the published log's lines")                                                                     \
    K(csv, "a file for a line an answer")                                                                              \
    K(json, "a file for one JSON object with all answers")

struct load_spec {
    enum load_test test;
    enum load_kind kind;
    enum load_service service;
    uint64_t service_cycles; /* fixed */
    uint64_t mean_first, mean_last, mean_step;
    bool arrivals_fixed;
    uint64_t count, seed, keys, bytes;
    uint32_t target;
    unsigned starts;
    bool silent; /* acks=no */
    enum load_time time;
    char log[LOAD_PATH_MAX], csv[LOAD_PATH_MAX], json[LOAD_PATH_MAX]; /* "": none */
};

/* Reads KEY=VALUE,... ; name stands before messages. -EINVAL and a text. */
int load_spec_parse(struct load_spec *spec, const char *name, const char *text, struct error_text *et);

const char *load_test_name(enum load_test test);
unsigned load_test_starts(enum load_test test);
enum load_context load_test_context(enum load_test test);

struct load;
struct port;

/* -EINVAL, -ENOMEM, errors of files that cannot be written, with a text. */
int load_open(struct load **out, const struct port *p, const char *spec, struct error_text *et);
void load_free(struct load *l); /* writes what is left */

void load_advance(struct load *l, struct port *p, uint64_t until);
uint64_t load_next_event(const struct load *l, const struct port *p);
void load_end(struct load *l);
bool load_done(const struct load *l);
const char *load_failure(const struct load *l); /* "": none */

#endif /* NANOPU_FABRIC_LOAD_H */
