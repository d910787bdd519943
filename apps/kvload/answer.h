/* SPDX-License-Identifier: MIT */
/* Answers of RESP2, as far as a load generator looks at them: where one ends and what its first line is. */
#ifndef APPS_KVLOAD_ANSWER_H
#define APPS_KVLOAD_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ANSWER_BROKEN SIZE_MAX

struct answer {
    char kind;         /* + - : $ * */
    int64_t number;    /* of a number, the length of a bulk string, an array or a line of text; -1: none there */
    const char *bytes; /* of a bulk string or a line of text */
};

/* Bytes of the answer that data begins with; 0: it is not complete; ANSWER_BROKEN: it is none. */
size_t answer_read(const char *data, size_t len, struct answer *out);

#endif /* APPS_KVLOAD_ANSWER_H */
