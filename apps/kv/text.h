/* SPDX-License-Identifier: MIT */
/* Small readings of text: numbers, words, patterns. */
#ifndef APPS_KV_TEXT_H
#define APPS_KV_TEXT_H

#include "kv/item.h"

/* Room for any int64_t as text. */
#define TEXT_NUMBER_MAX 24

/* A decimal integer in its one canonical form: no sign '+', no blanks, no leading zeros. */
bool text_number(struct span text, int64_t *out);

/* Writes the number and returns its length. */
size_t text_of_number(int64_t value, char out[TEXT_NUMBER_MAX]);

/* Whether text is the word, in upper or lower case; word is in lower case. */
bool text_is(struct span text, const char *word);

/* Whether text matches a glob pattern: * ? [a-z] [^a-z] and \ before a character that is meant itself. */
bool text_matches(struct span text, struct span pattern);

#endif /* APPS_KV_TEXT_H */
