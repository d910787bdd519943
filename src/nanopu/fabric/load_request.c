/* SPDX-License-Identifier: MIT */
/* Requests: service time, sending time, then what the kind says. */
#include "load_request.h"

#include "nanopu/fabric/topology.h"

#include <string.h>

#define IDS 127 /* message ids go round */

/* Service times, as published. */
#define EXP_SCALE       10000.0
#define EXP_RATE        3.5
#define SHORT_MEAN      1600.0
#define SHORT_DEVIATION 100.0
#define LONG_MEAN       16000.0
#define LONG_DEVIATION  100.0
#define LONG_SHARE      0.005
#define SERVICE_MIN     300.0
#define SERVICE_MAX     1000000.0

#define MICA_READ         1
#define MICA_WRITE        2
#define MICA_VALUE_WORDS  64
#define RDMA_READ         1
#define CHAIN_WRITE       1
#define CHAIN_NODES       3
#define CHAIN_VALUE_WORDS 8
#define INTERSECT_MAX     4
#define EUCLID_WORDS      16 /* 64 elements of 16 bits */
#define EUCLID_FEWEST     2
#define EUCLID_MOST       5
#define CHOICES_MAX       5
#define TRACE_PACKETS     10
#define TRACE_WORDS       3
#define RAFT_CLIENT       2
#define RAFT_KEY_WORDS    2
#define RAFT_VALUE_WORDS  8
#define RAFT_LEADER       IP_FIRST_HOST

void load_maker_init(struct load_maker *m, const struct load_spec *spec)
{
    *m = (struct load_maker){.spec = spec, .leader = RAFT_LEADER};
    draw_init(&m->service, spec->seed, 1);
    draw_init(&m->choice, spec->seed, 2);
    if (spec->kind == LOAD_intersect)
        zipf_init(&m->zipf, spec->keys < DRAW_ZIPF_MAX ? (unsigned)spec->keys : DRAW_ZIPF_MAX);
}

double load_mean_service(const struct load_spec *spec)
{
    switch (spec->service) {
    case LOAD_EXP:
        return EXP_SCALE / EXP_RATE;
    case LOAD_BIMODAL:
        return SHORT_MEAN * (1 - LONG_SHARE) + LONG_MEAN * LONG_SHARE;
    default:
        return (double)spec->service_cycles;
    }
}

static uint64_t clipped(double cycles)
{
    return (uint64_t)(cycles < SERVICE_MIN ? SERVICE_MIN : cycles > SERVICE_MAX ? SERVICE_MAX : cycles);
}

/* Cycles of work; *mode: 1 for the longer of two. */
static uint64_t draw_service(struct load_maker *m, unsigned *mode)
{
    struct draw *d = &m->service;

    *mode = 0;
    switch (m->spec->service) {
    case LOAD_EXP:
        return clipped(EXP_SCALE * draw_exp(d, 1 / EXP_RATE));
    case LOAD_BIMODAL:
        *mode = draw_unit(d) <= LONG_SHARE;
        return clipped(*mode ? draw_normal(d, LONG_MEAN, LONG_DEVIATION) : draw_normal(d, SHORT_MEAN, SHORT_DEVIATION));
    default:
        return m->spec->service_cycles;
    }
}

static uint16_t choose_context(struct load_maker *m, unsigned mode)
{
    switch (load_test_context(m->spec->test)) {
    case LOAD_CONTEXT_OF_TWO:
        return (uint16_t)draw_below(&m->choice, 2);
    case LOAD_CONTEXT_OF_FOUR:
        return (uint16_t)draw_below(&m->choice, 4);
    case LOAD_CONTEXT_BY_MODE:
        return (uint16_t)mode;
    default:
        return 0;
    }
}

static void add(struct load_request *r, uint64_t word)
{
    assert(r->count < LOAD_WORDS_MAX);
    r->words[r->count++] = word;
}

static uint64_t rotated(uint64_t v, unsigned by)
{
    return v >> by | v << (64 - by);
}

/* CityHash64 1.1 of 16 bytes (Pike, Alakuijala), the words as a little-endian machine has them. */
static uint64_t city_hash(uint64_t first, uint64_t last)
{
    const uint64_t k2 = UINT64_C(0x9ae16a3b2f90404f), times = k2 + 2 * 16;
    uint64_t a = first + k2, u = rotated(last, 37) * times + a, v = (rotated(a, 25) + last) * times, x, y;

    x = (u ^ v) * times;
    x ^= x >> 47;
    y = (v ^ x) * times;
    y ^= y >> 47;
    return y * times;
}

static void add_key(struct load_maker *m, struct load_request *r, uint64_t *key)
{
    *key = m->spec->keys * r->context + 1 + draw_below(&m->choice, m->spec->keys);
    add(r, *key);
    add(r, 0);
    add(r, city_hash(*key, 0));
}

/* A value tells its key. */
static void add_value(struct load_request *r, uint64_t key, unsigned words)
{
    for (unsigned i = 0; i < words; i++)
        add(r, i < 3 ? key + i : 0);
}

static void add_mica(struct load_maker *m, struct load_request *r)
{
    uint64_t key;
    bool write = r->msg_id % 2 == 0;

    add(r, write ? MICA_WRITE : MICA_READ);
    add_key(m, r, &key);
    if (write)
        add_value(r, key, MICA_VALUE_WORDS);
}

static void add_chain(struct load_maker *m, struct load_request *r)
{
    uint64_t key;

    /* flags, sequence, nodes to come, the client's context: a byte each; the client's address */
    add(r, (uint64_t)CHAIN_WRITE << 56 | (uint64_t)(CHAIN_NODES - 1) << 40 | m->spec->target);
    for (unsigned i = 1; i < CHAIN_NODES; i++)
        add(r, m->spec->target + 1 + i); /* context 0 in the upper half; the first node is who the client asks */
    add_key(m, r, &key);
    add_value(r, key, CHAIN_VALUE_WORDS);
}

/* How many of a list come before the element; true when it is there already. */
static bool place_of(const uint64_t *list, unsigned count, uint64_t element, unsigned *place)
{
    for (*place = 0; *place < count && list[*place] < element; ++*place)
        ;
    return *place < count && list[*place] == element;
}

/* Different numbers, in rising order. */
static void add_choices(struct load_maker *m, struct load_request *r, unsigned count)
{
    uint64_t list[CHOICES_MAX];

    for (unsigned n = 0; n < count;) {
        uint64_t element = m->spec->kind == LOAD_intersect ? draw_zipf(&m->choice, &m->zipf)
                                                           : 1 + draw_below(&m->choice, m->spec->keys);
        unsigned place;

        if (place_of(list, n, element, &place))
            continue;
        memmove(list + place + 1, list + place, (n - place) * sizeof(list[0]));
        list[place] = element;
        n++;
    }
    add(r, count);
    for (unsigned i = 0; i < count; i++)
        add(r, list[i]);
}

static void add_vector(struct load_maker *m, struct load_request *r)
{
    for (unsigned i = 0; i < EUCLID_WORDS; i++)
        add(r, UINT64_C(0x0101010101010101));
    add_choices(m, r, EUCLID_FEWEST + (unsigned)draw_below(&m->choice, EUCLID_MOST - EUCLID_FEWEST + 1));
}

/* The published trace is not at hand: ten packets' fields (addresses, ports, protocol) of our own. */
static void add_trace(struct load_maker *m, struct load_request *r)
{
    uint64_t n = m->next_trace;

    m->next_trace = (m->next_trace + 1) % TRACE_PACKETS;
    add(r, n << 32); /* its number; the priority that it matched comes back in the lower half */
    for (unsigned i = 0; i < TRACE_WORDS; i++)
        add(r, i == 0   ? (UINT64_C(0x0a010000) + n) << 32 | (UINT64_C(0x0a020000) + 7 * n)
               : i == 1 ? (1024 + 11 * n) << 32 | (80 + n)
                        : (n % 2 == 0 ? 6 : 17));
}

static void add_raft(struct load_maker *m, struct load_request *r)
{
    uint64_t key = 1 + draw_below(&m->choice, m->spec->keys);

    add(r, RAFT_CLIENT);
    add(r, key);
    for (unsigned i = 1; i < RAFT_KEY_WORDS; i++)
        add(r, 0);
    add_value(r, key, RAFT_VALUE_WORDS);
}

static void add_payload(struct load_maker *m, struct load_request *r)
{
    switch (m->spec->kind) {
    case LOAD_mica:
        add_mica(m, r);
        break;
    case LOAD_rdma:
        add(r, RDMA_READ);
        add(r, m->array + 8 * draw_below(&m->choice, m->spec->keys));
        break;
    case LOAD_chainrep:
        add_chain(m, r);
        break;
    case LOAD_intersect:
        add_choices(m, r, 1 + (unsigned)draw_below(&m->choice, INTERSECT_MAX));
        break;
    case LOAD_euclidean_dist:
        add_vector(m, r);
        break;
    case LOAD_classification:
        add_trace(m, r);
        break;
    case LOAD_raft_write:
        add_raft(m, r);
        break;
    case LOAD_dot:
        for (uint64_t i = 2; i < m->spec->bytes / 8; i++)
            add(r, draw_below(&m->choice, m->spec->keys));
        break;
    case LOAD_plain:
        for (uint64_t i = 2; i < m->spec->bytes / 8; i++)
            add(r, i);
        break;
    default:
        break;
    }
}

static void begin(struct load_maker *m, struct load_request *r, uint64_t service, uint64_t sent)
{
    r->count = 0;
    r->service_cycles = service;
    r->context = 0;
    r->msg_id = m->next_id;
    m->next_id = (uint16_t)((m->next_id + 1) % IDS);
    add(r, service);
    add(r, sent);
}

void load_make(struct load_maker *m, struct load_request *r, uint64_t sent)
{
    unsigned mode;
    uint64_t service = draw_service(m, &mode);

    begin(m, r, m->spec->kind == LOAD_raft_write ? m->leader : service, sent);
    r->service_cycles = service;
    r->context = choose_context(m, mode);
    add_payload(m, r);
}

void load_make_last(struct load_maker *m, struct load_request *r, uint64_t sent)
{
    begin(m, r, 0, sent);
    add_payload(m, r);
}
