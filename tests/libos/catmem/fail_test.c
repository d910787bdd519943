/* SPDX-License-Identifier: MIT */
/* The n-th allocation, mapping or descriptor that catmem asks for is refused, for every n: errors, no crash, no leak.
 */
#include "box.h"
#include "open_files.h"

#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

/* The linker hands the library's calls to these (--wrap). */
#define WRAPPED(ret, name, params, args, failure, err)                                                                 \
    ret __real_##name params;                                                                                          \
    ret __wrap_##name params;                                                                                          \
    ret __wrap_##name params                                                                                           \
    {                                                                                                                  \
        if (refuse()) {                                                                                                \
            errno = err;                                                                                               \
            return failure;                                                                                            \
        }                                                                                                              \
        return __real_##name args;                                                                                     \
    }

static unsigned calls, refused_call;

static bool refuse(void)
{
    return refused_call != 0 && ++calls == refused_call;
}

WRAPPED(void *, calloc, (size_t n, size_t size), (n, size), NULL, ENOMEM)
WRAPPED(void *, realloc, (void *p, size_t size), (p, size), NULL, ENOMEM)
WRAPPED(void *, aligned_alloc, (size_t align, size_t size), (align, size), NULL, ENOMEM)
WRAPPED(void *, mmap, (void *at, size_t len, int prot, int flags, int fd, off_t off), (at, len, prot, flags, fd, off),
        MAP_FAILED, ENOMEM)
WRAPPED(int, memfd_create, (const char *name, unsigned flags), (name, flags), -1, EMFILE)
WRAPPED(int, eventfd, (unsigned count, int flags), (count, flags), -1, EMFILE)
WRAPPED(int, epoll_create1, (int flags), (flags), -1, EMFILE)
WRAPPED(int, epoll_ctl, (int epfd, int how, int fd, struct epoll_event *ev), (epfd, how, fd, ev), -1, ENOSPC)
WRAPPED(int, socket, (int domain, int type, int protocol), (domain, type, protocol), -1, EMFILE)
WRAPPED(int, accept4, (int fd, struct sockaddr *addr, socklen_t *len, int flags), (fd, addr, len, flags), -1, EMFILE)

/* True with the result, or false: the operation failed or did not end. */
static bool ends_well(demi_qtoken_t qt, demi_qresult_t *qr)
{
    struct timespec limit = rig_ms(200);
    int err = demi_wait(qr, qt, &limit);

    assert_true(err == 0 || err == ETIMEDOUT);
    if (err != 0)
        assert_int_equal(demi_cancel(qt), 0);
    return err == 0 && qr->qr_opcode != DEMI_OPC_FAILED;
}

static bool exchange(int from, int to, size_t size, bool give)
{
    demi_sgarray_t sga = demi_sgaalloc(size);
    demi_qtoken_t push, pop;
    demi_qresult_t qr;
    bool sent;

    if (sga.sga_buf == NULL)
        return false;
    memset(sga.sga_segs[0].sgaseg_buf, 'f', size);
    if (demi_push(&push, from, &sga) != 0)
        return rig_free(&sga), false;
    if (give)
        rig_free(&sga);
    if (demi_pop(&pop, to) != 0)
        return false;
    sent = ends_well(pop, &qr);
    if (sent) {
        assert_int_equal(rig_length(&qr.qr_value.sga), size);
        assert_int_equal(rig_bytes(&qr.qr_value.sga)[size - 1], 'f');
        rig_free(&qr.qr_value.sga);
    }
    sent &= ends_well(push, &qr);
    if (!give)
        rig_free(&sga);
    return sent;
}

static bool talk(int listener, int client, const union rig_addr *a)
{
    demi_qtoken_t accept = 0, connect = 0;
    demi_qresult_t qr;
    bool good;
    int server;

    if (demi_accept(&accept, listener) != 0 || demi_connect(&connect, client, &a->any, rig_len(a)) != 0)
        return false;
    good = ends_well(connect, &qr);
    if (!ends_well(accept, &qr))
        return false;
    server = qr.qr_value.ares.qd;
    good = good && exchange(client, server, 64, false) && exchange(server, client, 5000, true) &&
           exchange(client, server, 5000, false);
    for (unsigned i = 0; i < 40 && good; i++) { /* taken and not popped: the queue grows */
        demi_sgarray_t sga = rig_sga_fill(10, i);
        demi_qtoken_t push = rig_push(client, &sga);

        rig_free(&sga);
        good = ends_well(push, &qr);
    }
    box_turns(10);
    for (unsigned i = 0; i < 40 && good; i++) {
        demi_qtoken_t pop = rig_pop(server);

        good = ends_well(pop, &qr) || (ends_well(rig_pop(server), &qr));
        if (good)
            rig_free(&qr.qr_value.sga);
    }
    assert_int_equal(demi_close(server), 0);
    return good;
}

/* Everything from the beginning to the end. True: nothing failed. */
static bool all_of_it(void)
{
    union rig_addr a = rig_loopback(AF_INET, 0);
    int listener = -1, client = -1;
    socklen_t len = sizeof(a);
    bool good;

    if (demi_init(NULL) != 0) {
        assert_true(demi_last_error()[0] != '\0');
        return false;
    }
    good = demi_socket(&listener, AF_INET, SOCK_STREAM, 0) == 0 && demi_socket(&client, AF_INET, SOCK_STREAM, 0) == 0 &&
           demi_bind(listener, &a.any, sizeof(a.in)) == 0 && demi_getsockname(listener, &a.any, &len) == 0 &&
           demi_listen(listener, 4) == 0 && talk(listener, client, &a);
    if (client >= 0)
        assert_int_equal(demi_close(client), 0);
    if (listener >= 0)
        assert_int_equal(demi_close(listener), 0);
    assert_true(box_empty());
    refused_call = 0;
    assert_int_equal(demi_fini(), 0);
    return good;
}

static void refuse__every_one_in_turn(void **state)
{
    unsigned before = open_files(), survived = 0, n = 1;

    (void)state;
    for (;; n++) {
        bool good;

        calls = 0;
        refused_call = n;
        good = all_of_it();
        refused_call = 0;
        assert_int_equal(open_files(), before);
        if (calls < n) {
            assert_true(good);
            break;
        }
        survived += good;
    }
    print_message("# %u refusals, %u without an effect\n", n - 1, survived);
    assert_true(n > 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(refuse__every_one_in_turn)};

    return RIG_RUN(tests);
}
