/* SPDX-License-Identifier: MIT */
/*
 * The load generator's reading of answers on arbitrary bytes: of a prefix an answer is incomplete or the very same, and
 * a complete one lies within what was given.
 */
#include "kvload/answer.h"

#include "fuzz.h"

/* In memory that ends with the bytes. */
static size_t read_part(const uint8_t *data, size_t len, struct answer *a, size_t *bytes_at)
{
    char *copy = malloc(len == 0 ? 1 : len);
    size_t used;

    require(copy != NULL);
    if (len > 0)
        memcpy(copy, data, len);
    used = answer_read(copy, len, a);
    if (used != 0 && used != ANSWER_BROKEN) {
        require(used <= len);
        *bytes_at = (size_t)(a->bytes - copy);
        require(a->kind != '$' || a->number < 0 || *bytes_at + (size_t)a->number + 2 <= used);
    }
    free(copy);
    return used;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct answer whole = {.kind = 0}, part = {.kind = 0};
    size_t whole_at = 0, part_at = 0, used, got;

    if (size > 2048)
        return 0;
    used = read_part(data, size, &whole, &whole_at);
    for (size_t len = 0; len < size; len++) {
        got = read_part(data, len, &part, &part_at);
        if (got == 0)
            continue;
        require(got == used);
        require(got == ANSWER_BROKEN || (part.kind == whole.kind && part.number == whole.number));
        require(got == ANSWER_BROKEN || part_at == whole_at);
    }
    return 0;
}
