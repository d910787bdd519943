/* SPDX-License-Identifier: MIT */
/* The binary contract: every size, offset and number that programs linked to the library have compiled into them. */
#include "api/rig.h"

#define SIZE(type, bytes) assert_int_equal(sizeof(type), bytes)
#define AT(type, field, offset, bytes)                                                                                 \
    do {                                                                                                               \
        assert_int_equal(offsetof(type, field), offset);                                                               \
        assert_int_equal(sizeof(((type *)0)->field), bytes);                                                           \
    } while (0)

static void qtoken(void **state)
{
    (void)state;
    SIZE(demi_qtoken_t, 8);
    assert_true((demi_qtoken_t)-1 > 0);
}

static void sgaseg(void **state)
{
    (void)state;
    SIZE(demi_sgaseg_t, 12);
    AT(demi_sgaseg_t, sgaseg_buf, 0, 8);
    AT(demi_sgaseg_t, sgaseg_len, 8, 4);
}

static void sgarray(void **state)
{
    (void)state;
    assert_int_equal(DEMI_SGARRAY_MAXSIZE, 1);
    SIZE(demi_sgarray_t, 40);
    AT(demi_sgarray_t, sga_buf, 0, 8);
    AT(demi_sgarray_t, sga_numsegs, 8, 4);
    AT(demi_sgarray_t, sga_segs, 12, 12);
    AT(demi_sgarray_t, sga_addr, 24, 16);
}

static void accept_result(void **state)
{
    (void)state;
    SIZE(demi_accept_result_t, 20);
    AT(demi_accept_result_t, qd, 0, 4);
    AT(demi_accept_result_t, addr, 4, 16);
}

static void qresult(void **state)
{
    (void)state;
    SIZE(demi_qresult_t, 64);
    AT(demi_qresult_t, qr_opcode, 0, 4);
    AT(demi_qresult_t, qr_qd, 4, 4);
    AT(demi_qresult_t, qr_qt, 8, 8);
    AT(demi_qresult_t, qr_ret, 16, 8);
    AT(demi_qresult_t, qr_value, 24, 40);
    AT(demi_qresult_t, qr_value.sga, 24, 40);
    AT(demi_qresult_t, qr_value.ares, 24, 20);
}

static void args(void **state)
{
    (void)state;
    SIZE(struct demi_args, 20);
    AT(struct demi_args, argc, 0, 4);
    AT(struct demi_args, argv, 4, 8);
    AT(struct demi_args, callback, 12, 8);
}

static void opcodes(void **state)
{
    (void)state;
    SIZE(demi_opcode_t, 4);
    assert_int_equal(DEMI_OPC_INVALID, 0);
    assert_int_equal(DEMI_OPC_PUSH, 1);
    assert_int_equal(DEMI_OPC_POP, 2);
    assert_int_equal(DEMI_OPC_ACCEPT, 3);
    assert_int_equal(DEMI_OPC_CONNECT, 4);
    assert_int_equal(DEMI_OPC_CLOSE, 5);
    assert_int_equal(DEMI_OPC_FAILED, 6);
}

static void descriptors(void **state)
{
    int qd;

    (void)state;
    assert_int_equal(demi_init(NULL), 0);
    assert_int_equal(demi_queue(&qd), 0);
    assert_int_equal(qd, 500);
    assert_int_equal(demi_fini(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(qtoken),  cmocka_unit_test(sgaseg), cmocka_unit_test(sgarray), cmocka_unit_test(accept_result),
        cmocka_unit_test(qresult), cmocka_unit_test(args),   cmocka_unit_test(opcodes), cmocka_unit_test(descriptors),
    };

    return RIG_RUN(tests);
}
