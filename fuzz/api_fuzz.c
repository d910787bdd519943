/* SPDX-License-Identifier: MIT */
/*
 * Any sequence of calls on memory, memory queues and tokens, with valid, stale and garbage arguments, against a model
 * that says what each call returns: messages come out whole and in order, though their writer uses its buffer again;
 * results come once, in order of completion; each error is the documented one. At the end nothing is left.
 */
#include "api_fuzz.h"

#include "api/api.h"

#include <demi/ext.h>
#include <demi/libos.h>
#include <demi/sga.h>
#include <demi/wait.h>
#include <errno.h>
#include <limits.h>

#define CALLS_MAX 400

struct model model;
struct object objects[OBJECTS];
bool up, short_memory;
uint32_t sga_limit;
uint8_t pattern[PATTERN_BYTES];

void expect_at(int got, int want, const char *what, const char *file, int line)
{
    require_equal_at(got, want, what, file, line);
    require(want == 0 || demi_last_error()[0] != '\0');
    require(strnlen(demi_last_error(), ERROR_TEXT_MAX) < ERROR_TEXT_MAX);
}

bool ran_out(demi_qtoken_t qt)
{
    /* a slot says what its operation was until it is used again */
    return short_memory && op_at(&api_self.inst->ops, (uint32_t)(qt & OP_INDEX_MASK))->err == ENOMEM;
}

int pick_qd(struct input *in)
{
    static const int garbage[] = {-1, 0, 3, 499, INT_MIN, INT_MAX};
    uint32_t b = next_byte(in);
    int qd = model.queue[b % MODEL_QUEUES].qd; /* open, closed, or never there */

    if (b >= 240)
        return b == 240 ? qd + MODEL_QUEUES : garbage[b % ARRAY_LEN(garbage)];
    if (b >= 32 && model.open > 0)
        while (!model.queue[b % MODEL_QUEUES].open)
            b++;
    return b >= 32 ? model.queue[b % MODEL_QUEUES].qd : qd;
}

demi_qtoken_t pick_token(struct input *in)
{
    uint32_t b = next_byte(in);
    demi_qtoken_t qt = model.tokens == 0 ? 77 : model.token[b % model.tokens].qt; /* live or stale */

    if (b < 192 && model.live_count > 0)
        return model.token[model.live[b % model.live_count]].qt;
    switch (b) {
    case 250:
        return 0;
    case 251:
        return UINT64_MAX;
    case 252:
        return qt + 1;
    case 253:
        return qt ^ OP_GENERATION;
    case 254:
        return qt + 2 * OP_GENERATION;
    default:
        return qt;
    }
}

/* ready: the call has an answer at once, so that it may wait for ever. */
struct timeout pick_timeout(struct input *in, bool ready)
{
    static const struct timespec bad[] = {{-1, 0}, {0, -1}, {0, 1000000000}, {INT64_MIN, INT64_MAX}};
    uint32_t b = next_byte(in);
    struct timeout t = {.ts = {0, 0}};

    if (b >= 252)
        t = (struct timeout){.ts = bad[b % ARRAY_LEN(bad)], .bad = true};
    else if (b >= 240)
        t.ts.tv_nsec = (long)(b - 239) * 2000;
    t.null = ready && b >= 200 && b < 240;
    return t;
}

static void call_queue(struct input *in)
{
    int q = 0, qd = 77;

    if (!up || next_below(in, 32) == 0) {
        expect(demi_queue(NULL), up ? EINVAL : ENOSYS);
        return;
    }
    while (q < MODEL_QUEUES && model.queue[q].open)
        q++;
    expect(demi_queue(&qd), q < MODEL_QUEUES ? 0 : EMFILE);
    if (q == MODEL_QUEUES)
        return;
    require(qd >= 500 && model_find_queue(&model, qd) < 0);
    model_open(&model, q, qd);
}

static void close_queue(int q)
{
    int ended[MODEL_OPS];
    uint32_t n = model_close(&model, q, ended);

    for (uint32_t i = 0; i < n; i++)
        object_pushed(ended[i]);
}

static void call_close(struct input *in)
{
    int qd = pick_qd(in), q = model_find_queue(&model, qd);

    expect(demi_close(qd), !up ? ENOSYS : q < 0 ? EBADF : 0);
    if (up && q >= 0)
        close_queue(q);
}

static void call_pop(struct input *in)
{
    int qd = pick_qd(in), q = model_find_queue(&model, qd), want, got;
    uint32_t how = next_below(in, 8), max = how == 0 ? next_below(in, 200) : next_word(in);
    bool limited = how < 3, null = max % 64 == 63;
    demi_qtoken_t qt = 0;

    want = !up                             ? ENOSYS
           : null || (limited && max == 0) ? EINVAL
           : q < 0                         ? EBADF
           : model.live_count >= MODEL_OPS ? ENOMEM
                                           : 0;
    got = limited ? demi_pop_n(null ? NULL : &qt, qd, max) : demi_pop(null ? NULL : &qt, qd);
    expect(got, want);
    if (got == 0)
        model_pop(&model, q, qt, limited ? max : 0);
}

static void begin(void)
{
    expect(demi_init(NULL), 0);
    expect(demi_init(NULL), EEXIST);
    up = true;
}

/* Ends the instance in whatever state it is, and most often makes another. */
static void call_fini(struct input *in)
{
    if (next_below(in, 4) != 0)
        return;
    expect(demi_fini(), up ? 0 : ENOSYS);
    up = false;
    model_reset(&model, model.depth);
    memset(objects, 0, sizeof(objects));
    if (next_below(in, 4) != 0)
        begin();
}

/* What is for sockets only, and the rest. */
static void call_misc(struct input *in)
{
    struct sockaddr_in a = {.sin_family = AF_INET};
    int qd = pick_qd(in), want = !up ? ENOSYS : model_find_queue(&model, qd) < 0 ? EBADF : ENOTSUP, one = 1;
    socklen_t len = sizeof(a), one_len = sizeof(one);
    struct sockaddr *any = (struct sockaddr *)&a;
    demi_qtoken_t qt;

    switch (next_below(in, 10)) {
    case 0:
        expect(demi_bind(qd, any, sizeof(a)), want);
        break;
    case 1:
        expect(demi_listen(qd, 1), want);
        break;
    case 2:
        expect(demi_connect(&qt, qd, any, sizeof(a)), want);
        break;
    case 3:
        expect(demi_accept(&qt, qd), want);
        break;
    case 4:
        expect(demi_shutdown(qd, SHUT_RDWR), want);
        break;
    case 5:
        expect(demi_setsockopt(qd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one)), want);
        break;
    case 6:
        expect(demi_getsockopt(qd, SOL_SOCKET, SO_KEEPALIVE, &one, &one_len), want);
        break;
    case 7:
        expect(demi_eventfd(NULL), up ? EINVAL : ENOSYS);
        break;
    case 8:
        expect(demi_eventfd(&one), up ? 0 : ENOSYS);
        require(!up || one == api_self.inst->epfd);
        break;
    default:
        expect(demi_getpeername(qd, any, &len), want);
        expect(demi_getsockname(qd, any, &len), want);
    }
}

/* 32, so that a byte's low bits choose, and seeds keep their meaning. */
static void (*const calls[32])(struct input *) = {
    call_alloc, call_alloc, call_alloc,    call_free,     call_free,     call_write,  call_write, call_look,
    call_push,  call_push,  call_push,     call_push,     call_push,     call_pushv,  call_pop,   call_pop,
    call_pop,   call_pop,   call_pop,      call_queue,    call_queue,    call_close,  call_wait,  call_wait,
    call_poll,  call_next,  call_wait_any, call_wait_any, call_wait_all, call_cancel, call_fini,  call_misc,
};

/* The instance has what the model has. */
static void look_inside(void)
{
    const struct instance *inst = api_self.inst;

    require((inst != NULL) == up);
    if (!up)
        return;
    require_equal(inst->ops.used, model.live_count + inst->poller_count);
    require_equal(inst->ops.done_count, model.done_count);
    require_equal(inst->queues.used, model.open);
}

/* Closes and frees everything. Nothing may be left. */
static void finish(void)
{
    for (int q = 0; q < MODEL_QUEUES; q++)
        if (model.queue[q].open) {
            expect(demi_close(model.queue[q].qd), 0);
            close_queue(q);
        }
    require_equal(model.live_count, model.done_count);
    take_next(MODEL_OPS);
    require_equal(model.live_count, 0);
    for (int i = 0; i < OBJECTS; i++)
        if (objects[i].live)
            free_object(i);
    look_inside();
    require_equal((long long)mem_bytes_used(&api_self.inst->mem), 0);
    expect(demi_fini(), 0);
    up = false;
}

static void set_up(struct input *in)
{
    static const char *const depths[] = {"1", "2", "3", "15", "17", "1024", "1024", "1024"};
    static const char *const idle[] = {"spin", "adaptive", "block"};
    const char *depth = depths[next_below(in, ARRAY_LEN(depths))];
    uint32_t b = next_byte(in);

    short_memory = b >= 192;
    sga_limit = short_memory ? 1 << 20 : 1 << 16;
    setenv("QUEUE_DEPTH", depth, 1);
    setenv("IDLE", idle[b % ARRAY_LEN(idle)], 1);
    setenv("MEMORY_LIMIT", short_memory ? "16m" : "64m", 1);
    setenv("SGA_LIMIT", short_memory ? "1m" : "64k", 1);
    model.tokens = 0;
    model.done_clock = 0;
    model_reset(&model, (uint32_t)strtoul(depth, NULL, 10));
    memset(objects, 0, sizeof(objects));
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    pattern_init(pattern);
    unsetenv("CONFIG_PATH");
    setenv("LIBOS", "catnap", 1);
    setenv("ENGINE", "epoll", 1);
    setenv("STAT", "off", 1);
    setenv("TRACE", "off", 1);
    setenv("RUN_DIR", "/dev/null", 1);
    setenv("MAX_QUEUES", "16", 1);
    setenv("MAX_OPERATIONS", "64", 1);
    setenv("SPIN_US", "5", 1);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    int open_before = descriptors_open();

    set_up(&in);
    begin();
    for (unsigned n = 0; n < CALLS_MAX && in.left > 0; n++) {
        calls[next_byte(&in) % ARRAY_LEN(calls)](&in);
        look_inside();
    }
    if (up)
        finish();
    require_equal(descriptors_open(), open_before);
    return 0;
}
