/* SPDX-License-Identifier: MIT */
/* The layers of a frame that scripts speak of, and their fields. */
#ifndef TESTS_INET_SCRIPT_LAYER_H
#define TESTS_INET_SCRIPT_LAYER_H

#include "script.h"

#define FIELDS_MAX 16
#define NO_ID      (-1)

enum kind { END, NUMBER, MAC, ADDR4, ADDR6, SEQ, ACK };

struct field {
    const char *name;
    uint16_t bit, bits; /* where it begins, from the header's first bit; how many */
    enum kind kind;
};

enum what { PLAIN, IP4, IP6, EXTENSION, ICMP4, ICMP6, UDP, TCP, OPTION };

struct layer {
    const char *name;
    enum what what;
    uint8_t bytes;
    int id; /* in the field of the layer in front that says what follows */
    uint8_t init[40];
    struct field field[FIELDS_MAX];
};

/* NULL, or negative: there is none of that name. */
const struct layer *layer_find(const char *name);
int layer_field(const struct layer *l, const char *name);

/* The field of a layer that tells what follows, or NULL. */
const char *layer_next_field(const struct layer *l);

/* Numbers of the wire, at most 32 bits. */
uint32_t get_bits(const uint8_t *h, unsigned bit, unsigned bits);
void put_bits(uint8_t *h, unsigned bit, unsigned bits, uint32_t v);

static inline bool is_number(enum kind kind)
{
    return kind == NUMBER || kind == SEQ || kind == ACK;
}

#endif /* TESTS_INET_SCRIPT_LAYER_H */
