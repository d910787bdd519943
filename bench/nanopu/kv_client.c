/* SPDX-License-Identifier: MIT */
/*
 * The load of the kv_nanopu benchmark, on the bare registers: it fills apps/kv, which runs on another host, through the
 * message protocol (docs/kv.md) with keys of 16 and values of 64 bytes, finds out how many GETs a second it answers
 * with DEPTH in flight, and then asks at half that rate in an open loop. A latency counts from the cycle at which the
 * request was due.
 *
 * kv_client SERVER_IP
 */
#include <math.h>
#include <nanopu/nanopu.h>
#include <stdio.h>
#include <stdlib.h>

#define RECORDS     2000u
#define REQUESTS    20000u
#define DEPTH       4u
#define VALUE_WORDS 8u
#define START_CYCLE 3000000

/* The header's words: version 1 and the operation, lengths, the number. */
#define HEAD_BYTES 24u
#define KEY_BYTES  16u
#define GET        2u
#define SET        3u
#define REPLY      0x80u
#define STATUS(w)  ((w) >> 16 & 0xff)

static uint32_t server;
static uint64_t seed = 1;
static uint64_t start[REQUESTS], latency[REQUESTS];
static uint64_t wrong;

static uint64_t chance(void)
{
    uint64_t z = seed += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static void ask(unsigned operation, uint64_t number, uint64_t key)
{
    unsigned value_words = operation == SET ? VALUE_WORDS : 0;

    nanopu_send(server, 0, HEAD_BYTES + KEY_BYTES + 8 * value_words);
    nanopu_tx(1 | operation << 8 | (uint64_t)KEY_BYTES << 32);
    nanopu_tx(8 * value_words);
    nanopu_tx(number);
    nanopu_tx(key);
    nanopu_tx(~key);
    for (unsigned i = 0; i < value_words; i++)
        nanopu_tx(key + i);
}

/* Takes an answer; returns its number. */
static uint64_t take_answer(uint64_t *first)
{
    unsigned words = nanopu_words(nanopu_header_bytes(nanopu_rx()));
    uint64_t head = nanopu_rx(), number;

    wrong += STATUS(head) != 0 || (head >> 8 & REPLY) == 0;
    (void)nanopu_rx();
    number = nanopu_rx();
    *first = words > 3 ? nanopu_rx() : 0;
    for (unsigned i = 4; i < words; i++)
        (void)nanopu_rx();
    nanopu_msg_done();
    return number;
}

static void fill(void)
{
    uint64_t first;

    for (uint64_t key = 0; key < RECORDS; key++) {
        ask(SET, key, key);
        nanopu_wait();
        wrong += take_answer(&first) != key;
    }
}

/* Which key request number n asks for; the same each time. */
static uint64_t key_of(uint64_t n)
{
    return (n * UINT64_C(2654435761)) % RECORDS;
}

/* A GET's answer at this cycle. */
static void answered(uint64_t now)
{
    uint64_t first, n = take_answer(&first);

    if (n >= REQUESTS || first != key_of(n)) {
        wrong++;
        return;
    }
    latency[n] = now - start[n];
}

/* Cycles a request with DEPTH in flight. */
static uint64_t peak(void)
{
    uint64_t from = nanopu_cycle(), asked = 0;

    for (uint64_t done = 0; done < REQUESTS; done++) {
        for (; asked < REQUESTS && asked < done + DEPTH; asked++)
            ask(GET, asked, key_of(asked));
        nanopu_wait();
        answered(nanopu_cycle());
    }
    return (nanopu_cycle() - from) / REQUESTS;
}

/*
 * When each request is due, from 0 on. Drawn beforehand: while a logarithm is computed no answer is seen and no request
 * leaves.
 */
static void draw_arrivals(uint64_t mean)
{
    uint64_t due = mean;

    for (unsigned n = 0; n < REQUESTS; n++) {
        start[n] = due;
        due += (uint64_t)(-log(((double)(chance() >> 11) + 1) * 0x1p-53) * (double)mean);
    }
}

static void open_loop(uint64_t mean)
{
    uint64_t from, asked = 0;

    draw_arrivals(mean);
    from = nanopu_cycle();
    for (uint64_t done = 0; done < REQUESTS;) {
        uint64_t now = nanopu_cycle() - from;

        if (asked < REQUESTS && now >= start[asked]) {
            ask(GET, asked, key_of(asked));
            asked++;
        }
        if (nanopu_ready()) {
            answered(nanopu_cycle() - from);
            done++;
        }
    }
}

static int compare(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

int main(int argc, char **argv)
{
    uint64_t cycles;

    server = nanopu_ip_parse(nanopu_arg(argc, argv, 0));
    nanopu_register(0, 0);
    nanopu_wait_until(START_CYCLE);
    fill();
    cycles = peak();
    open_loop(2 * cycles);
    qsort(latency, REQUESTS, sizeof(latency[0]), compare);
    printf("kv: %lu cycles a GET at most, at half that rate p50 %lu p99 %lu ns, %lu wrong\n", cycles,
           nanopu_ns(latency[REQUESTS / 2]), nanopu_ns(latency[REQUESTS - 1 - REQUESTS / 100]), wrong);
    return wrong != 0;
}
