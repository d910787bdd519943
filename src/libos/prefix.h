/* SPDX-License-Identifier: MIT */
/* Addresses in settings: words of a list that commas and blanks separate, an address or one with its prefix each. */
#ifndef LIBOS_PREFIX_H
#define LIBOS_PREFIX_H

#include "inet/addr.h"

#define PREFIX_WORD  64 /* longest word, with its end */
#define PREFIXES_MAX 16 /* in a list of them */

/* Takes the next word of *list. False: there is none, or with *too_long it is longer than any address. */
bool prefix_word(const char **list, char word[PREFIX_WORD], bool *too_long);

/* An address of either family. */
bool prefix_parse_addr(const char *text, struct inet_addr *a);

/* An address with its prefix, counted in its family's bits; without one it stands for itself (32, 128). */
bool prefix_parse(const char *text, struct inet_addr *a, unsigned *bits);

/* Prefixes, counted in the 16 bytes of an address. */
struct prefix_list {
    unsigned count;
    struct prefix {
        struct inet_addr addr;
        unsigned bits;
    } prefix[PREFIXES_MAX];
};

/*
 * Reads a whole list. -EINVAL: a word that is no prefix, with what it is (or begins with) in bad; -E2BIG: more than
 * PREFIXES_MAX. An empty list is fine.
 */
int prefix_list_parse(struct prefix_list *l, const char *text, char bad[PREFIX_WORD]);

/* Is a within one of them, of its own family? An IPv4 address in IPv6's form (::ffff:a.b.c.d) is one of IPv4. */
bool prefix_list_has(const struct prefix_list *l, const struct inet_addr *a);

#endif /* LIBOS_PREFIX_H */
