/* SPDX-License-Identifier: MIT */
/*
 * The key-value server's parser on arbitrary bytes: what it makes of a stream of commands does not depend on how the
 * bytes come in, arguments lie within the command, and a command ends within what was given. The first byte of the
 * input says how the rest is cut.
 */
#include "kv/decimal.h"
#include "kv/resp.h"

#include "fuzz.h"

#define COMMANDS_MAX 64

/* What became of a stream: one line for each command. */
struct outcome {
    enum resp_result end;
    unsigned commands;
    size_t used;
    uint64_t digest; /* of the arguments */
};

static void mix(uint64_t *digest, const void *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        *digest = (*digest ^ ((const uint8_t *)bytes)[i]) * UINT64_C(1099511628211);
    *digest = (*digest ^ len) * UINT64_C(1099511628211);
}

/* An argument that is a decimal fraction is the same when what is written of it is read again. */
static void as_decimal(struct span text)
{
    char out[DECIMAL_TEXT_MAX];
    decimal value, again;

    if (decimal_read(text, &value)) {
        size_t len = decimal_write(value, out);
        require(len > 0 && len < sizeof(out));
        require(decimal_read((struct span){out, len}, &again) && again == value);
    }
}

static void take(struct outcome *o, const struct resp *p, const char *data, size_t len)
{
    require(p->pos > 0 && p->pos <= len);
    require(p->have <= RESP_ARGS_MAX);
    for (uint32_t i = 0; i < p->have; i++) {
        require(p->arg[i].offset <= p->pos && p->arg[i].len <= p->pos - p->arg[i].offset);
        mix(&o->digest, data + p->arg[i].offset, p->arg[i].len);
        as_decimal((struct span){data + p->arg[i].offset, p->arg[i].len});
    }
    o->commands++;
    o->used += p->pos;
}

/* Gives the stream in steps; memory ends where what was given ends. */
static struct outcome parse(const uint8_t *bytes, size_t size, size_t step)
{
    struct outcome o = {.end = RESP_MORE};
    struct resp p;

    resp_init(&p);
    for (size_t have = step < size ? step : size; o.end != RESP_BAD && o.commands < COMMANDS_MAX;) {
        char *data = malloc(have - o.used + (have == o.used));

        require(data != NULL);
        memcpy(data, bytes + o.used, have - o.used);
        o.end = resp_parse(&p, data, have - o.used);
        if (o.end == RESP_DONE) {
            take(&o, &p, data, have - o.used);
            resp_next(&p);
        }
        free(data);
        if (o.end == RESP_MORE) {
            if (have == size)
                break;
            have = size - have < step ? size : have + step;
        }
    }
    resp_fini(&p);
    return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct outcome whole, pieces;

    if (size < 2 || size > 4096)
        return 0;
    whole = parse(data + 1, size - 1, size - 1);
    pieces = parse(data + 1, size - 1, 1 + data[0] % 32u);
    require_equal(pieces.commands, whole.commands);
    require_equal((long long)pieces.used, (long long)whole.used);
    require(pieces.digest == whole.digest);
    require((pieces.end == RESP_BAD) == (whole.end == RESP_BAD));
    return 0;
}
