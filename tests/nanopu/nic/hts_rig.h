/* SPDX-License-Identifier: MIT */
/* A scheduler alone, for its tests. */
#ifndef TESTS_NANOPU_NIC_HTS_RIG_H
#define TESTS_NANOPU_NIC_HTS_RIG_H

#include "nanopu/nic/hts_internal.h"

#include "rig.h"

static struct params params;

static inline struct hts *make(void)
{
    struct hts *h;

    h = hts_new(&params, 0);
    assert_non_null(h);
    return h;
}

static inline int setup(void **state)
{
    assert_int_equal(params_profile(&params, "osdi21"), 0);
    *state = make();
    return 0;
}

static inline int teardown(void **state)
{
    hts_free(*state);
    return 0;
}

/* The same with one parameter changed. */
static inline struct hts *again(void **state, const char *key, const char *value)
{
    hts_free(*state);
    assert_int_equal(params_set(&params, key, value, NULL), 0);
    *state = make();
    return *state;
}

/* Registers ctx with priority; takes three cycles from t on and leaves ctx the current one. */
static inline void insert(struct hts *h, uint64_t t, unsigned ctx, unsigned priority)
{
    hts_csr_write(h, t, CSR_CONTEXT, ctx);
    hts_csr_write(h, t + 1, CSR_PRIO, priority);
    hts_csr_write(h, t + 2, CSR_COMMAND, 1);
}

/* A message of `words` words enters from cycle t on, one word a cycle. */
static inline void message(struct hts *h, uint64_t t, unsigned ctx, unsigned words)
{
    for (unsigned i = 0; i < words; i++)
        hts_enqueue(h, ctx, t + i, 100 * ctx + i, i == 0);
}

static inline uint64_t csr(struct hts *h, uint64_t t, unsigned n)
{
    return hts_csr_read(h, t, n);
}

/* Context 0 is active with an empty FIFO, context 1 has a message of the same priority. */
static inline void two_contexts(struct hts *h)
{
    insert(h, 10, 1, 3);
    insert(h, 20, 0, 3);
    message(h, 100, 0, 1);
    message(h, 101, 1, 1);
    hts_pop(h, 110);
}

#endif /* TESTS_NANOPU_NIC_HTS_RIG_H */
