/* SPDX-License-Identifier: MIT */
/*
 * What tests of the API share: an instance a test, made by rig_setup and ended by rig_teardown, which fails the test
 * when it left an operation, a queue or memory behind; and calls that must succeed. Nothing waits longer than RIG_MS.
 *
 * LIBOS, ENGINE, IDLE and every other setting come from the environment: one program tests every engine.
 */
#ifndef TESTS_API_RIG_H
#define TESTS_API_RIG_H

#include <demi/ext.h>
#include <demi/libos.h>
#include <demi/sga.h>
#include <demi/storage.h>
#include <demi/wait.h>

#include "api/api.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define RIG_MS 20000

/* How often a long loop goes round: a fifth under the address sanitizer, which takes ten times as long for each. */
#ifdef MEM_ASAN
#define RIG_ROUNDS(n) ((n) / 5)
#else
#define RIG_ROUNDS(n) (n)
#endif

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

/* The end of main(). Says why nothing can be tested here, when the libOS or its engine is not in this build. */
#define RIG_RUN(tests) (rig_prepare() ? cmocka_run_group_tests(tests, NULL, NULL) : 0)

bool rig_prepare(void);
void rig_make_run_dir(void); /* the two halves of rig_prepare */
bool rig_available(void);
int rig_setup(void **state);
int rig_teardown(void **state);

/* Is this the libOS / engine under test? Skips a test that needs the kernel's sockets where they are not under test. */
bool rig_libos(const char *name);
bool rig_engine(const char *name);
bool rig_network(const char *name); /* the libOS under test, alone or with catmem beside it */
void rig_need_kernel(const char *why);

/* Skips a test whose ends are two instances where the network lies inside of one. */
void rig_need_instances(void);

/* The thread's instance, and what a test may leave as it found it. */
struct instance *rig_instance(void);
struct rig_pools {
    uint32_t ops, queues;
    uint64_t bytes;
};
void rig_measure(struct rig_pools *p);

/* Lets the instance run until its pools are as in p, for a second at most. False: they are not, and it said so. */
bool rig_settle(const struct rig_pools *p);

/* Time. */
struct timespec rig_ms(long ms);
uint64_t rig_now_ns(void);

/* Addresses. */
union rig_addr {
    struct sockaddr any;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
};
union rig_addr rig_loopback(int domain, uint16_t port);

/* Where a client that is not bound sends from to rig_loopback. */
union rig_addr rig_from(int domain);
socklen_t rig_len(const union rig_addr *a);
union rig_addr rig_name(int qd);                  /* of demi_getsockname */
int rig_socket(int domain, int type);             /* a fresh queue */
int rig_bound(int domain, int type);              /* one bound to a port of loopback */
int rig_listening(int domain, union rig_addr *a); /* one that listens there */

/* A connection inside this thread. */
struct rig_pair {
    int client, server;
};
struct rig_pair rig_pair(int domain);
void rig_pair_close(struct rig_pair p);

/* One socket queue of each state a socket can be in, all of one domain, and a memory queue; its index is its name. */
enum rig_kind {
    RIG_FRESH,
    RIG_BOUND,
    RIG_LISTENING,
    RIG_CONNECTING,
    RIG_CONNECTED,
    RIG_DGRAM,
    RIG_DGRAM_BOUND,
    RIG_MEMORY,
    RIG_KINDS
};
struct rig_zoo {
    int qd[RIG_KINDS];
    int peer, fd; /* of CONNECTED and CONNECTING */
    demi_qtoken_t connect;
};
void rig_zoo(struct rig_zoo *z);
void rig_zoo_close(struct rig_zoo *z);

/* Descriptors that name no queue. */
extern const int rig_bad_qd[7];

/* Memory. */
demi_sgarray_t rig_sga(const char *text); /* its bytes, without the end */
demi_sgarray_t rig_sga_fill(size_t size, unsigned seed);
bool rig_filled(const void *buf, size_t size, unsigned seed); /* are the bytes at buf those of rig_sga_fill? */
char *rig_bytes(demi_sgarray_t *sga);
uint32_t rig_length(const demi_sgarray_t *sga);
void rig_free(demi_sgarray_t *sga);

/* Operations. */
demi_qtoken_t rig_push(int qd, const demi_sgarray_t *sga);
demi_qtoken_t rig_pop(int qd);
demi_qresult_t rig_wait(demi_qtoken_t qt);
demi_qresult_t rig_done(demi_qtoken_t qt, demi_opcode_t opcode); /* must not have failed */
void rig_failed(demi_qtoken_t qt, int err);                      /* must have failed with err */
void rig_complete(demi_qtoken_t qt);                             /* becomes complete, and is not waited for */
bool rig_pending(demi_qtoken_t qt);                              /* still so after some turns */
void rig_send(int qd, const char *text);                         /* push, wait, free */
void rig_expect(int qd, const char *text);                       /* pops these bytes, in however many pieces */
void rig_arrives(int qd, const void *bytes, size_t size);        /* pops exactly these bytes of a stream */
void rig_expect_end(int qd);                                     /* pops the end of the stream */

/* Plain sockets: what a program without Caracal does at the other end. Descriptors. */
int rig_plain_listen(int domain, union rig_addr *a);
int rig_plain_nobody(int domain, union rig_addr *a); /* holds a port on which nobody listens */
int rig_plain_connect(const union rig_addr *a);
void rig_plain_reset(int fd); /* closes it with RST */
void rig_await_reset(int qd); /* until the kernel has heard of it */
struct rig_half {
    int qd, fd;
};
struct rig_half rig_half(int domain); /* a queue connected to a plain socket */

/* A queue whose connect stays pending: the plain listener behind fd is full. */
struct rig_half rig_connecting(int domain, demi_qtoken_t *qt);

/* The result of a call is err and demi_last_error() has text in it. */
void rig_says(int result, int err, const char *text);

#endif /* TESTS_API_RIG_H */
