/* SPDX-License-Identifier: MIT */
/* Options and names of a guest's sockets: see guest_option.h. */
#include "guest_option.h"

#include "guest_context.h"
#include "guest_words.h"

#include <errno.h>
#include <string.h>

#define PRIORITY_LAST 255

int nano_setsockopt(struct instance *inst, struct queue *q, int level, int name, const void *val, socklen_t len)
{
    int value;

    if (level != SOL_SOCKET || (name != SO_PRIORITY && name != SO_REUSEPORT))
        return -ENOPROTOOPT;
    memcpy(&value, val, len);
    if (q->word[NANO_CONTEXT] != CONTEXT_NONE)
        return error_set(&inst->error, EINVAL, "bind has told the hardware how it is: set the option before");
    if (name == SO_REUSEPORT) {
        q->word[NANO_FLAGS] = value != 0 ? NANO_SHARED : 0;
        return 0;
    }
    if (value > PRIORITY_LAST)
        return error_set(&inst->error, EINVAL, "a priority is 0 (first) to %d", PRIORITY_LAST);
    q->word[NANO_PRIORITY] = (uint64_t)value;
    return 0;
}

int nano_getsockopt(struct instance *inst, struct queue *q, int level, int name, void *val, socklen_t *len)
{
    int value = 0;

    (void)inst;
    if (level != SOL_SOCKET || (name != SO_PRIORITY && name != SO_REUSEPORT && name != SO_ERROR))
        return -ENOPROTOOPT;
    if (name == SO_PRIORITY)
        value = (int)q->word[NANO_PRIORITY];
    else if (name == SO_REUSEPORT)
        value = (q->word[NANO_FLAGS] & NANO_SHARED) != 0;
    memcpy(val, &value, sizeof(value));
    *len = sizeof(value);
    return 0;
}

static int give(struct sockaddr_storage *addr, socklen_t *len, uint64_t header)
{
    uint64_t in[2] = {words_address(header), 0};

    memcpy(addr, in, sizeof(in));
    *len = sizeof(in);
    return 0;
}

int nano_getpeername(struct instance *inst, struct queue *q, struct sockaddr_storage *addr, socklen_t *len)
{
    (void)inst;
    return give(addr, len, q->word[NANO_PEER]);
}

int nano_getsockname(struct instance *inst, struct queue *q, struct sockaddr_storage *addr, socklen_t *len)
{
    bool bound = q->word[NANO_CONTEXT] != CONTEXT_NONE;

    (void)inst;
    return give(addr, len, nanopu_header(bound ? nanopu_host_ip() : 0, bound ? (unsigned)q->word[NANO_CONTEXT] : 0, 0));
}
