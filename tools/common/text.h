/* SPDX-License-Identifier: MIT */
/* Texts that others wrote. */
#ifndef TOOLS_TEXT_H
#define TOOLS_TEXT_H

#include "core/base.h"

/* Replaces what a terminal would take as a command. */
void text_clean(char *text);

/* Copies a name out of a field of size bytes, which may lack its end and hold anything. */
void text_copy(char *to, const char *from, size_t size);

/* Bytes of the UTF-8 character at p, 1 to 4; 0 when it is none. */
unsigned utf8_length(const unsigned char *p);

/* Longest text_yaml for a text of len bytes, with its end. */
#define TEXT_YAML_MAX(len) (6 * (len) + 3)

/*
 * Writes text as a YAML scalar in double quotes and returns its length. Everything but printable ASCII is escaped: YAML
 * takes some of Unicode for line ends. A byte that is not UTF-8 cannot be said in YAML and becomes U+FFFD.
 */
size_t text_yaml(char *to, size_t size, const char *text);

#endif /* TOOLS_TEXT_H */
