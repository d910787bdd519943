/* SPDX-License-Identifier: MIT */
/* Socket options: the table of the contract, what fits each, and those that move with a socket to another libOS. */
#include "api.h"

#include <demi/libos.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

enum option_kind { OPTION_INT, OPTION_LINGER, OPTION_NAME, OPTION_INFO };
enum option_access { OPTION_GET = 1, OPTION_SET = 2 };

static const struct option {
    int level, name;
    enum option_kind kind;
    int access;
} options[] = {
    {SOL_SOCKET, SO_LINGER, OPTION_LINGER, OPTION_GET | OPTION_SET},
    {SOL_SOCKET, SO_KEEPALIVE, OPTION_INT, OPTION_GET | OPTION_SET},
    {SOL_SOCKET, SO_REUSEADDR, OPTION_INT, OPTION_GET | OPTION_SET},
    {SOL_SOCKET, SO_REUSEPORT, OPTION_INT, OPTION_GET | OPTION_SET},
    {SOL_SOCKET, SO_RCVBUF, OPTION_INT, OPTION_GET | OPTION_SET},
    {SOL_SOCKET, SO_SNDBUF, OPTION_INT, OPTION_GET | OPTION_SET},
    {SOL_SOCKET, SO_PRIORITY, OPTION_INT, OPTION_GET | OPTION_SET},
    {SOL_SOCKET, SO_ERROR, OPTION_INT, OPTION_GET},
    {IPPROTO_TCP, TCP_NODELAY, OPTION_INT, OPTION_GET | OPTION_SET},
    {IPPROTO_TCP, TCP_KEEPIDLE, OPTION_INT, OPTION_GET | OPTION_SET},
    {IPPROTO_TCP, TCP_KEEPINTVL, OPTION_INT, OPTION_GET | OPTION_SET},
    {IPPROTO_TCP, TCP_KEEPCNT, OPTION_INT, OPTION_GET | OPTION_SET},
    {IPPROTO_TCP, TCP_USER_TIMEOUT, OPTION_INT, OPTION_GET | OPTION_SET},
    {IPPROTO_TCP, TCP_CONGESTION, OPTION_NAME, OPTION_GET | OPTION_SET},
    {IPPROTO_TCP, TCP_MAXSEG, OPTION_INT, OPTION_GET | OPTION_SET},
    {IPPROTO_TCP, TCP_INFO, OPTION_INFO, OPTION_GET},
};
_Static_assert(ARRAY_LEN(options) <= API_OPTIONS, "options_set has a bit for each, and api_options room");

/* The option, or NULL with *err: ENOTSUP unknown level, ENOPROTOOPT unknown name. */
static const struct option *find_option(int level, int name, int access, int *err)
{
    bool level_known = false;

    for (size_t i = 0; i < ARRAY_LEN(options); i++) {
        if (options[i].level != level)
            continue;
        level_known = true;
        if (options[i].name == name && (options[i].access & access) != 0)
            return &options[i];
    }
    *err = level_known ? api_fail(ENOPROTOOPT, "socket option: level %d has no such name as %d", level, name)
                       : api_fail(ENOTSUP, "socket option: level %d is neither SOL_SOCKET nor IPPROTO_TCP", level);
    return NULL;
}

static bool option_fits(const struct option *o, const void *val, socklen_t len)
{
    static const socklen_t size[] = {sizeof(int), sizeof(struct linger), 1, 1};

    return val != NULL && (o->kind <= OPTION_LINGER ? len == size[o->kind] : len >= 1);
}

/* Values the kernel would take for another: a negative size or time. */
static bool option_sane(const struct option *o, const void *val)
{
    int v;

    if (o->kind == OPTION_LINGER) {
        struct linger l;

        memcpy(&l, val, sizeof(l));
        return l.l_linger >= 0;
    }
    if (o->kind != OPTION_INT)
        return true;
    memcpy(&v, val, sizeof(v));
    return v >= 0;
}

int demi_setsockopt(int qd, int level, int name, const void *val, socklen_t len)
{
    struct instance *inst = api_self.inst;
    const struct option *o;
    struct queue *q;
    int err = 0;

    if (inst == NULL)
        return api_no_instance();
    o = find_option(level, name, OPTION_SET, &err);
    if (o == NULL)
        return err;
    if (!option_fits(o, val, len) || !option_sane(o, val))
        return api_fail(EINVAL, "demi_setsockopt: a value of this kind or length does not fit the option");
    q = api_queue(inst, qd);
    if (q == NULL)
        return api_fail_qd("demi_setsockopt", qd);
    if (q->ops->setsockopt == NULL)
        return api_fail_no_socket("demi_setsockopt", qd);
    err = q->ops->setsockopt(inst, q, level, name, val, len);
    if (err < 0)
        return api_fail_libos(inst, "demi_setsockopt", err);
    q->options_set |= UINT32_C(1) << (o - options);
    return 0;
}

int demi_getsockopt(int qd, int level, int name, void *val, socklen_t *len)
{
    struct instance *inst = api_self.inst;
    const struct option *o;
    struct queue *q;
    int err = 0;

    if (inst == NULL)
        return api_no_instance();
    o = find_option(level, name, OPTION_GET, &err);
    if (o == NULL)
        return err;
    if (len == NULL || !(option_fits(o, val, *len) || (val != NULL && *len >= sizeof(int) && o->kind == OPTION_INT)))
        return api_fail(EINVAL, "demi_getsockopt: NULL, or no room for the value");
    q = api_queue(inst, qd);
    if (q == NULL)
        return api_fail_qd("demi_getsockopt", qd);
    if (q->ops->getsockopt == NULL)
        return api_fail_no_socket("demi_getsockopt", qd);
    err = q->ops->getsockopt(inst, q, level, name, val, len);
    return err < 0 ? api_fail_libos(inst, "demi_getsockopt", err) : 0;
}

void api_options_take(struct instance *inst, struct queue *q, struct api_options *o)
{
    o->set = 0;
    for (size_t i = 0; i < ARRAY_LEN(options); i++) {
        uint32_t bit = UINT32_C(1) << i;

        if ((q->options_set & bit) == 0)
            continue;
        o->len[i] = options[i].kind == OPTION_INT ? sizeof(int) : sizeof(o->value[i]);
        if (q->ops->getsockopt(inst, q, options[i].level, options[i].name, o->value[i], &o->len[i]) == 0)
            o->set |= bit;
    }
}

void api_options_give(struct instance *inst, struct queue *q, const struct api_options *o)
{
    for (size_t i = 0; i < ARRAY_LEN(options); i++)
        if ((o->set & UINT32_C(1) << i) != 0)
            q->ops->setsockopt(inst, q, options[i].level, options[i].name, o->value[i], o->len[i]);
    inst->error.text[0] = '\0'; /* one that the other does not have is of no use there */
}
