/* SPDX-License-Identifier: MIT */
/* What tests of the io_uring engine share: its insides. */
#ifndef TESTS_LIBOS_CATNAP_URING_RIG_H
#define TESTS_LIBOS_CATNAP_URING_RIG_H

#include "api/rig.h"

#include "libos/catnap/uring.h"

#include <unistd.h>

static inline int setup_idle(void **state, const char *idle)
{
    setenv("IDLE", idle, 1);
    return rig_setup(state);
}

static inline int setup_block(void **state)
{
    return setup_idle(state, "block");
}

static inline int setup_spin(void **state)
{
    return setup_idle(state, "spin");
}

#define BLOCK(name) cmocka_unit_test_setup_teardown(name, setup_block, rig_teardown)
#define SPIN(name)  cmocka_unit_test_setup_teardown(name, setup_spin, rig_teardown)

static inline struct uring *engine(void)
{
    return uring_of(rig_instance());
}

static inline struct endpoint *endpoint(int qd)
{
    return endpoint_of(rig_instance(), engine(), queue_lookup(&rig_instance()->queues, qd));
}

static inline uint64_t counted(enum counter c)
{
    return rig_instance()->stat->value[c];
}

static inline void turns(unsigned n)
{
    while (n-- > 0)
        instance_turn(rig_instance());
}

/* Nothing is under way in the kernel, soon. */
static inline bool quiet(void)
{
    for (unsigned i = 0; i < 10000 && engine()->requests_used > 0; i++) {
        turns(1);
        usleep(1000);
    }
    assert_int_equal(counted(CTR_uring_requests_now), engine()->requests_used);
    return engine()->requests_used == 0;
}

static inline void half_close(struct rig_half h)
{
    assert_int_equal(demi_close(h.qd), 0);
    close(h.fd);
}

static inline void say(int fd, const char *text)
{
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static inline void drop(demi_qresult_t qr)
{
    rig_free(&qr.qr_value.sga);
}

#endif /* TESTS_LIBOS_CATNAP_URING_RIG_H */
