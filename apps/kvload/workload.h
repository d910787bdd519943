/* SPDX-License-Identifier: MIT */
/*
 * What is asked of the server: the core workloads of YCSB (Cooper et al., SoCC 2010). Keys are chosen by a Zipf
 * distribution whose popular ranks are scattered over all keys, or evenly; workload D prefers those inserted last.
 * A key's value is always the same bytes, so that an answer can be checked.
 */
#ifndef APPS_KVLOAD_WORKLOAD_H
#define APPS_KVLOAD_WORKLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KEY_BYTES_MIN 16u
#define KEY_BYTES_MAX 256u
#define INSERTS_MAX   65536u /* under way at a time */

/* Name, and what the server is asked. */
#define LOAD_KINDS(X)                                                                                                  \
    X(read)                                                                                                            \
    X(update)                                                                                                          \
    X(insert)                                                                                                          \
    X(scan)                                                                                                            \
    X(modify) /* a read, and an update when it is answered */

#define LOAD_KIND(name) LOAD_##name,
enum load_kind { LOAD_KINDS(LOAD_KIND) LOAD_KIND_COUNT };

struct operation {
    enum load_kind kind;
    bool second; /* of a modification: its update */
    uint64_t key;
};

struct workload {
    char letter; /* A to F, or L: insert every record once */
    uint64_t records;
    uint64_t inserted;          /* keys that there are, or will be */
    uint64_t visible;           /* of them, the first so many: their inserts were answered */
    bool answered[INSERTS_MAX]; /* of those behind: by number, modulo the size */
    bool uniform;
    double theta, zeta, alpha, eta; /* of the Zipf distribution (Gray et al., SIGMOD 1994) */
    uint64_t random;
    uint32_t key_bytes, value_bytes;
};

/* Prepares a workload over so many records, at least 1; theta is in (0, 1). */
void workload_init(struct workload *w, char letter, uint64_t records, bool uniform, double theta, uint64_t seed);

/* The next operation. false: L has inserted all. */
bool workload_next(struct workload *w, struct operation *op);

/* The insert of a key was answered. */
void workload_inserted(struct workload *w, uint64_t key);

/* Most bytes that a request takes. */
size_t workload_request_max(const struct workload *w);

/* Whether the answer is the key's value. */
static inline bool operation_reads(const struct operation *op)
{
    return op->kind == LOAD_read || (op->kind == LOAD_modify && !op->second);
}

/* Writes a key, key_bytes long, and its value, value_bytes long. */
void workload_key(const struct workload *w, uint64_t key, char *out);
void workload_value(const struct workload *w, uint64_t key, char *out);

/* Writes the request of an operation in RESP and returns its length. */
size_t workload_request(const struct workload *w, const struct operation *op, char *out);

/* Whether these are the bytes of the key's value. */
bool workload_check(const struct workload *w, uint64_t key, const char *value, size_t len);

#endif /* APPS_KVLOAD_WORKLOAD_H */
