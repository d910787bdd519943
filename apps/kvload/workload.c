/* SPDX-License-Identifier: MIT */
/* Workloads; see workload.h. */
#include "kvload/workload.h"
#include "common/pattern.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define SCAN_KEYS 50 /* that a scan asks for: the mean of YCSB's 1 to 100 */

/* SplitMix64. */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static double next_unit(uint64_t *state)
{
    return (double)(next_random(state) >> 11) * 0x1p-53;
}

void workload_init(struct workload *w, char letter, uint64_t records, bool uniform, double theta, uint64_t seed)
{
    assert(records > 0 && theta > 0 && theta < 1);
    w->letter = letter;
    w->records = records;
    w->inserted = letter == 'L' ? 0 : records;
    w->visible = w->inserted;
    memset(w->answered, 0, sizeof(w->answered));
    w->uniform = uniform;
    w->random = seed;
    w->theta = theta;
    w->zeta = 0;
    for (uint64_t i = 1; i <= records && !uniform; i++) {
        w->zeta += pow((double)i, -theta);
    }
    w->alpha = 1 / (1 - theta);
    w->eta = uniform ? 0 : (1 - pow(2.0 / (double)records, 1 - theta)) / (1 - (1 + pow(0.5, theta)) / w->zeta);
}

/* A rank below records; 0 is the most popular. */
static uint64_t next_rank(struct workload *w)
{
    if (w->uniform) {
        return next_random(&w->random) % w->records;
    }
    double u = next_unit(&w->random);
    double uz = u * w->zeta;
    if (uz < 1) {
        return 0;
    }
    uint64_t rank =
        uz < 1 + pow(0.5, w->theta) ? 1 : (uint64_t)((double)w->records * pow(w->eta * u - w->eta + 1, w->alpha));
    return rank < w->records ? rank : w->records - 1;
}

static uint64_t next_key(struct workload *w)
{
    uint64_t rank = next_rank(w);
    if (w->letter == 'D') {
        return w->visible - 1 - rank;
    }
    uint64_t scattered = rank;
    return w->uniform ? rank : next_random(&scattered) % w->records;
}

void workload_inserted(struct workload *w, uint64_t key)
{
    w->answered[key % INSERTS_MAX] = true;
    while (w->visible < w->inserted && w->answered[w->visible % INSERTS_MAX]) {
        w->answered[w->visible++ % INSERTS_MAX] = false;
    }
}

bool workload_next(struct workload *w, struct operation *op)
{
    uint32_t percent = (uint32_t)(next_random(&w->random) % 100);
    *op = (struct operation){.kind = LOAD_read};
    switch (w->letter) {
    case 'L':
        op->kind = LOAD_insert;
        break;
    case 'A':
        op->kind = percent < 50 ? LOAD_read : LOAD_update;
        break;
    case 'B':
        op->kind = percent < 95 ? LOAD_read : LOAD_update;
        break;
    case 'D':
        op->kind = percent < 95 ? LOAD_read : LOAD_insert;
        break;
    case 'E':
        op->kind = percent < 95 ? LOAD_scan : LOAD_insert;
        break;
    case 'F':
        op->kind = percent < 50 ? LOAD_read : LOAD_modify;
        break;
    default: /* C */
        break;
    }
    if (op->kind == LOAD_insert && w->letter != 'L' && w->inserted - w->visible == INSERTS_MAX) {
        op->kind = LOAD_read;
    }
    if (op->kind == LOAD_insert) {
        if (w->letter == 'L' && w->inserted == w->records) {
            return false;
        }
        op->key = w->inserted++;
    } else {
        op->key = next_key(w);
    }
    return true;
}

size_t workload_request_max(const struct workload *w)
{
    return 96 + (size_t)w->key_bytes + w->value_bytes;
}

void workload_key(const struct workload *w, uint64_t key, char *out)
{
    static const char user[4] = {'u', 's', 'e', 'r'};

    memcpy(out, user, sizeof(user));
    for (size_t i = w->key_bytes; i > sizeof(user); i--) {
        out[i - 1] = (char)('0' + key % 10);
        key /= 10;
    }
}

void workload_value(const struct workload *w, uint64_t key, char *out)
{
    pattern_fill(out, w->value_bytes, key, 0);
}

static size_t put_key(const struct workload *w, uint64_t key, char *out)
{
    size_t len = (size_t)sprintf(out, "$%" PRIu32 "\r\n", w->key_bytes);
    workload_key(w, key, out + len);
    return (size_t)(stpcpy(out + len + w->key_bytes, "\r\n") - out);
}

size_t workload_request(const struct workload *w, const struct operation *op, char *out)
{
    size_t len;
    if (op->kind == LOAD_scan) { /* from a place that the key stands for: there is no order to scan in */
        uint64_t cursor = (op->key * UINT64_C(0x9e3779b97f4a7c15)) >> 16;
        char text[24];
        int n = snprintf(text, sizeof(text), "%" PRIu64, cursor);
        return (size_t)sprintf(out, "*4\r\n$4\r\nSCAN\r\n$%d\r\n%s\r\n$5\r\nCOUNT\r\n$2\r\n%d\r\n", n, text, SCAN_KEYS);
    }
    if (operation_reads(op)) {
        len = (size_t)(stpcpy(out, "*2\r\n$3\r\nGET\r\n") - out);
        return len + put_key(w, op->key, out + len);
    }
    len = (size_t)(stpcpy(out, "*3\r\n$3\r\nSET\r\n") - out);
    len += put_key(w, op->key, out + len);
    len += (size_t)sprintf(out + len, "$%" PRIu32 "\r\n", w->value_bytes);
    workload_value(w, op->key, out + len);
    return (size_t)(stpcpy(out + len + w->value_bytes, "\r\n") - out);
}

bool workload_check(const struct workload *w, uint64_t key, const char *value, size_t len)
{
    return len == w->value_bytes && pattern_match(value, len, key, 0) == len;
}
