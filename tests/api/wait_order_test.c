/* SPDX-License-Identifier: MIT */
/* Which result a wait over many operations returns. */
#include "api/rig.h"

#define MANY 2000

static const struct timespec zero = {0, 0};
static int qd[MANY];
static demi_qtoken_t pop[MANY];

static void open_many(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        assert_int_equal(demi_queue(&qd[i]), 0);
        pop[i] = rig_pop(qd[i]);
    }
}

/* Closes the queues; what is still pending on them is cancelled. */
static void close_many(unsigned n)
{
    demi_qresult_t qr[64];
    int got = 64;

    for (unsigned i = 0; i < n; i++)
        assert_int_equal(demi_close(qd[i]), 0);
    while (got == 64 && demi_wait_next_n(qr, 64, &got, &zero) == 0)
        for (int i = 0; i < got; i++)
            assert_int_equal(qr[i].qr_ret, ECANCELED);
}

static void send_to(unsigned i)
{
    rig_send(qd[i], "x");
}

/* wait_any over n tokens returns what was popped from queue i. */
static void any_gives(unsigned n, unsigned i)
{
    struct timespec limit = rig_ms(RIG_MS);
    demi_qresult_t qr;
    int offset = -1;

    assert_int_equal(demi_wait_any(&qr, &offset, pop, (int)n, &limit), 0);
    assert_int_equal(offset, i);
    assert_int_equal(qr.qr_qt, pop[i]);
    assert_int_equal(qr.qr_qd, qd[i]);
    rig_free(&qr.qr_value.sga);
    pop[i] = rig_pop(qd[i]);
}

static void any__first_complete_wins(void **state)
{
    static const unsigned order[] = {2, 0, 3, 1};

    (void)state;
    open_many(4);
    for (unsigned i = 0; i < 4; i++)
        send_to(order[i]);
    for (unsigned i = 0; i < 4; i++)
        any_gives(4, order[i]);
    close_many(4);
}

static void any__others_results_stay(void **state)
{
    demi_qresult_t qr;
    int offset;

    (void)state;
    open_many(8);
    for (unsigned i = 8; i-- > 0;)
        send_to(i);
    for (unsigned i = 4; i-- > 0;)
        any_gives(4, i); /* 7 to 4 were complete before them */
    assert_int_equal(demi_wait_any(&qr, &offset, pop, 4, &zero), ETIMEDOUT);
    for (unsigned i = 7; i >= 4; i--)
        any_gives(8, i);
    close_many(8);
}

static void any__2000_tokens_in_any_order(void **state)
{
    unsigned random = 99;

    (void)state;
    open_many(MANY);
    for (unsigned round = 0; round < 300; round++) {
        unsigned burst[8], n = 0;

        while (n < ARRAY_LEN(burst)) {
            unsigned k = (random = random * 1103515245 + 12345) / 65536 % MANY;
            bool again = false;

            for (unsigned i = 0; i < n; i++)
                again |= burst[i] == k;
            if (again)
                continue;
            send_to(k);
            burst[n++] = k;
        }
        for (unsigned i = 0; i < n; i++)
            any_gives(MANY, burst[i]);
    }
    close_many(MANY);
}

/* Tokens move in the application's array: the library's guess where a token stands is only a guess. */
static void any__tokens_that_move(void **state)
{
    unsigned random = 7;

    (void)state;
    open_many(100);
    for (unsigned round = 0; round < 1000; round++) {
        unsigned a = (random = random * 1103515245 + 12345) / 65536 % 100, b = random / 128 % 100;
        demi_qtoken_t qt = pop[a];
        int q = qd[a];

        pop[a] = pop[b];
        qd[a] = qd[b];
        pop[b] = qt;
        qd[b] = q;
        send_to(b);
        any_gives(100, b);
    }
    close_many(100);
}

static void any__every_one_of_2000_complete(void **state)
{
    (void)state;
    open_many(MANY);
    for (unsigned i = 0; i < MANY; i++)
        send_to((i * 7 + 5) % MANY);
    for (unsigned i = 0; i < MANY; i++)
        any_gives(MANY, (i * 7 + 5) % MANY);
    close_many(MANY);
}

/* Two that are always ready take turns; the one that stands first in the array has no advantage. */
static void any__no_token_starves(void **state)
{
    unsigned served[3] = {0};

    (void)state;
    open_many(3);
    for (unsigned i = 0; i < 3; i++)
        send_to(i);
    for (unsigned round = 0; round < 300; round++) {
        demi_qresult_t qr;
        int i;

        assert_int_equal(demi_wait_any(&qr, &i, pop, 3, &zero), 0);
        served[i]++;
        rig_free(&qr.qr_value.sga);
        pop[i] = rig_pop(qd[i]);
        send_to((unsigned)i);
    }
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(served[i], 100);
    for (unsigned i = 0; i < 3; i++)
        any_gives(3, i);
    close_many(3);
}

static void any__invalid_token_is_judged_when_none_is_complete(void **state)
{
    static const unsigned places[] = {0, 1, 7, 31, 32, 33, 1000, MANY - 1};
    demi_qtoken_t good;
    demi_qresult_t qr;
    int offset;

    (void)state;
    open_many(MANY);
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        unsigned at = places[i], other = (at + 1) % MANY;
        struct timespec t = rig_ms(1000);

        good = pop[at];
        pop[at] = 0;
        assert_int_equal(demi_wait_any(&qr, &offset, pop, MANY, &zero), EINVAL);
        assert_int_equal(demi_wait_any(&qr, &offset, pop, MANY, NULL), EINVAL);
        assert_int_equal(demi_wait_any(&qr, &offset, pop, MANY, &t), EINVAL);
        send_to(other);
        any_gives(MANY, other); /* a result goes before the judgement */
        pop[at] = good;
    }
    close_many(MANY);
}

static void any__same_token_twice_is_one_result(void **state)
{
    demi_qtoken_t twice[2];
    demi_qresult_t qr;
    int offset;

    (void)state;
    open_many(1);
    twice[0] = twice[1] = pop[0];
    send_to(0);
    assert_int_equal(demi_wait_any(&qr, &offset, twice, 2, &zero), 0);
    assert_in_range(offset, 0, 1);
    rig_free(&qr.qr_value.sga);
    assert_int_equal(demi_wait_any(&qr, &offset, twice, 2, &zero), EINVAL);
    close_many(1);
}

static void any__failure_is_a_result(void **state)
{
    demi_qresult_t qr;
    int offset;

    (void)state;
    open_many(3);
    assert_int_equal(demi_close(qd[1]), 0);
    assert_int_equal(demi_wait_any(&qr, &offset, pop, 3, &zero), 0);
    assert_int_equal(offset, 1);
    assert_int_equal(qr.qr_opcode, DEMI_OPC_FAILED);
    assert_int_equal(qr.qr_ret, ECANCELED);
    assert_int_equal(qr.qr_qd, qd[1]);
    qd[1] = qd[2];
    close_many(2);
}

static void next_n__returns_what_is_ready_in_order(void **state)
{
    static const unsigned order[] = {3, 1, 4, 0, 2};
    demi_qresult_t qr[5];
    int n;

    (void)state;
    open_many(5);
    for (unsigned i = 0; i < 5; i++)
        send_to(order[i]);
    assert_int_equal(demi_wait_next_n(qr, 2, &n, NULL), 0);
    assert_int_equal(n, 2);
    assert_int_equal(demi_wait_next_n(qr + 2, 3, &n, &zero), 0);
    assert_int_equal(n, 3);
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(qr[i].qr_qt, pop[order[i]]);
        rig_free(&qr[i].qr_value.sga);
    }
    close_many(5);
}

static void next_n__fewer_than_asked_for(void **state)
{
    struct timespec limit = rig_ms(RIG_MS);
    demi_qresult_t qr[100];
    int n = 77;

    (void)state;
    open_many(3);
    send_to(2);
    assert_int_equal(demi_wait_next_n(qr, 100, &n, &limit), 0);
    assert_int_equal(n, 1);
    assert_int_equal(qr[0].qr_qt, pop[2]);
    rig_free(&qr[0].qr_value.sga);
    close_many(3);
}

static void next_n__timeout_writes_0(void **state)
{
    demi_qresult_t qr;
    int n = 77;

    (void)state;
    assert_int_equal(demi_wait_next_n(&qr, 1, &n, &zero), ETIMEDOUT);
    assert_int_equal(n, 0);
}

/* However many results a call takes, the devices are looked at between any 32 + so many. */
static void next_n__results_that_are_there_hold_no_turn_off(void **state)
{
    static demi_qresult_t qr[MANY / 20];
    uint64_t polls;
    int n;

    (void)state;
    open_many(MANY);
    for (unsigned i = 0; i < MANY; i++)
        send_to(i);
    polls = rig_instance()->stat->value[CTR_polls];
    for (unsigned taken = 0; taken < MANY; taken += (unsigned)n) {
        assert_int_equal(demi_wait_next_n(qr, ARRAY_LEN(qr), &n, &zero), 0);
        for (int i = 0; i < n; i++)
            rig_free(&qr[i].qr_value.sga);
    }
    assert_true(rig_instance()->stat->value[CTR_polls] - polls >= 19);
    close_many(MANY);
}

static void next_n__takes_every_kind_of_operation(void **state)
{
    demi_qresult_t qr[3];
    demi_sgarray_t sga = rig_sga("x");
    int n;

    (void)state;
    open_many(2);
    rig_push(qd[0], &sga); /* completes the pop, then itself */
    assert_int_equal(demi_close(qd[1]), 0);
    assert_int_equal(demi_wait_next_n(qr, 3, &n, &zero), 0);
    assert_int_equal(n, 3);
    assert_int_equal(qr[0].qr_opcode, DEMI_OPC_POP);
    assert_int_equal(qr[1].qr_opcode, DEMI_OPC_PUSH);
    assert_int_equal(qr[2].qr_opcode, DEMI_OPC_FAILED);
    rig_free(&qr[0].qr_value.sga);
    rig_free(&sga);
    close_many(1);
}

static void all__results_stand_where_their_tokens_do(void **state)
{
    struct timespec limit = rig_ms(RIG_MS);
    static demi_qresult_t qr[MANY];

    (void)state;
    open_many(MANY);
    for (unsigned i = 0; i < MANY; i++)
        send_to((i * 13 + 1) % MANY);
    assert_int_equal(demi_wait_all(qr, pop, MANY, &limit), 0);
    for (unsigned i = 0; i < MANY; i++) {
        assert_int_equal(qr[i].qr_qt, pop[i]);
        assert_int_equal(qr[i].qr_qd, qd[i]);
        rig_free(&qr[i].qr_value.sga);
    }
    close_many(MANY);
}

static void all__timeout_consumes_nothing(void **state)
{
    struct timespec t = rig_ms(2);
    demi_qresult_t qr[3];

    (void)state;
    open_many(3);
    send_to(0);
    send_to(1);
    assert_int_equal(demi_wait_all(qr, pop, 3, &zero), ETIMEDOUT);
    assert_int_equal(demi_wait_all(qr, pop, 3, &t), ETIMEDOUT);
    send_to(2);
    assert_int_equal(demi_wait_all(qr, pop, 3, NULL), 0);
    for (unsigned i = 0; i < 3; i++)
        rig_free(&qr[i].qr_value.sga);
    close_many(3);
}

static void all__invalid_or_double_tokens_consume_nothing(void **state)
{
    demi_qresult_t qr[3];
    demi_qtoken_t good;

    (void)state;
    open_many(3);
    for (unsigned i = 0; i < 3; i++)
        send_to(i);
    good = pop[2];
    pop[2] = UINT64_MAX;
    assert_int_equal(demi_wait_all(qr, pop, 3, NULL), EINVAL);
    pop[2] = pop[0];
    rig_says(demi_wait_all(qr, pop, 3, NULL), EINVAL, "twice");
    pop[2] = good;
    assert_int_equal(demi_wait_all(qr, pop, 3, NULL), 0);
    for (unsigned i = 0; i < 3; i++)
        rig_free(&qr[i].qr_value.sga);
    close_many(3);
}

static void all__failures_are_results(void **state)
{
    demi_qresult_t qr[3];

    (void)state;
    open_many(3);
    send_to(0);
    assert_int_equal(demi_close(qd[1]), 0);
    send_to(2);
    assert_int_equal(demi_wait_all(qr, pop, 3, &zero), 0);
    assert_int_equal(qr[0].qr_opcode, DEMI_OPC_POP);
    assert_int_equal(qr[1].qr_opcode, DEMI_OPC_FAILED);
    assert_int_equal(qr[1].qr_ret, ECANCELED);
    assert_int_equal(qr[2].qr_opcode, DEMI_OPC_POP);
    rig_free(&qr[0].qr_value.sga);
    rig_free(&qr[2].qr_value.sga);
    assert_int_equal(demi_close(qd[0]), 0);
    assert_int_equal(demi_close(qd[2]), 0);
}

static void poll__pending_then_done_then_gone(void **state)
{
    demi_qresult_t qr;

    (void)state;
    open_many(1);
    rig_says(demi_poll(&qr, pop[0]), EAGAIN, "pending");
    send_to(0);
    assert_int_equal(demi_poll(&qr, pop[0]), 0);
    assert_int_equal(qr.qr_opcode, DEMI_OPC_POP);
    rig_free(&qr.qr_value.sga);
    assert_int_equal(demi_poll(&qr, pop[0]), EINVAL);
    close_many(1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(any__first_complete_wins),
        TEST(any__others_results_stay),
        TEST(any__2000_tokens_in_any_order),
        TEST(any__tokens_that_move),
        TEST(any__every_one_of_2000_complete),
        TEST(any__no_token_starves),
        TEST(any__invalid_token_is_judged_when_none_is_complete),
        TEST(any__same_token_twice_is_one_result),
        TEST(any__failure_is_a_result),
        TEST(next_n__returns_what_is_ready_in_order),
        TEST(next_n__fewer_than_asked_for),
        TEST(next_n__timeout_writes_0),
        TEST(next_n__results_that_are_there_hold_no_turn_off),
        TEST(next_n__takes_every_kind_of_operation),
        TEST(all__results_stand_where_their_tokens_do),
        TEST(all__timeout_consumes_nothing),
        TEST(all__invalid_or_double_tokens_consume_nothing),
        TEST(all__failures_are_results),
        TEST(poll__pending_then_done_then_gone),
    };

    return RIG_RUN(tests);
}
