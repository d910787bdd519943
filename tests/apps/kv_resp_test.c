/* SPDX-License-Identifier: MIT */
/* Tests of the server's parser, in the order of apps/kv/resp.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kv/resp.h"

static struct resp p;

static int setup(void **state)
{
    (void)state;
    resp_init(&p);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    resp_fini(&p);
    return 0;
}

/* Parses text given in pieces that end at each multiple of step, as one that reads from a socket does. */
static enum resp_result parse_in_steps(char *copy, const char *text, size_t len, size_t step)
{
    enum resp_result r = RESP_MORE;
    memcpy(copy, text, len);
    for (size_t have = step; r == RESP_MORE; have += step) {
        r = resp_parse(&p, copy, have < len ? have : len);
        if (have >= len) {
            break;
        }
    }
    return r;
}

static void assert_arg(const char *data, uint32_t i, const char *want)
{
    assert_int_equal(p.arg[i].len, strlen(want));
    assert_memory_equal(data + p.arg[i].offset, want, strlen(want));
}

static void resp_parse__takes_an_array_however_it_is_cut(void **state)
{
    static const char text[] = "*3\r\n$3\r\nSET\r\n$0\r\n\r\n$5\r\na\r\nbc\r\nPING\r\n";
    char copy[sizeof(text)];
    (void)state;
    for (size_t step = 1; step < sizeof(text); step++) {
        assert_int_equal(parse_in_steps(copy, text, sizeof(text) - 1, step), RESP_DONE);
        assert_int_equal(p.have, 3);
        assert_arg(copy, 0, "SET");
        assert_arg(copy, 1, "");
        assert_arg(copy, 2, "a\r\nbc");
        assert_int_equal(p.pos, sizeof(text) - 1 - strlen("PING\r\n"));
        resp_next(&p);
    }
}

static void resp_parse__takes_words_of_a_line(void **state)
{
    static const char text[] = "  set 'a b' \"\\x41\\n\\\"q\" x\\y \r\n";
    char copy[sizeof(text)];
    (void)state;
    for (size_t step = 1; step < sizeof(text); step++) {
        assert_int_equal(parse_in_steps(copy, text, sizeof(text) - 1, step), RESP_DONE);
        assert_int_equal(p.have, 4);
        assert_arg(copy, 0, "set");
        assert_arg(copy, 1, "a b");
        assert_arg(copy, 2, "A\n\"q");
        assert_arg(copy, 3, "x\\y");
        resp_next(&p);
    }
}

static void resp_parse__takes_many_arguments(void **state)
{
    size_t room = (size_t)RESP_ARGS_MAX * 8 + 64, len;
    char *text = malloc(room);
    (void)state;
    assert_non_null(text);
    len = (size_t)snprintf(text, room, "*%u\r\n", RESP_ARGS_MAX);
    for (uint32_t i = 0; i < RESP_ARGS_MAX; i++) {
        memcpy(text + len, "$1\r\nx\r\n", 7);
        len += 7;
    }
    assert_int_equal(resp_parse(&p, text, len - 1), RESP_MORE);
    assert_int_equal(resp_parse(&p, text, len), RESP_DONE);
    assert_int_equal(p.have, RESP_ARGS_MAX);
    assert_int_equal(p.pos, len);
    resp_next(&p);
    assert_int_equal(p.room, RESP_FEW);
    free(text);
}

static void resp_parse__takes_lengths_of_any_number_of_digits(void **state)
{
    static const size_t lengths[] = {0, 9, 10, 99, 100, 999, 1000, 9999, 10000};
    static char text[10100], copy[sizeof(text)];
    (void)state;
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        int n = snprintf(text, sizeof(text), "*2\r\n$4\r\nECHO\r\n$%zu\r\n", lengths[i]);
        size_t len = (size_t)n + lengths[i] + 2;
        memset(text + n, 'v', lengths[i]);
        text[len - 2] = '\r';
        text[len - 1] = '\n';
        for (size_t step = len - 1; step <= len; step++) { /* all but the last byte, and all at once */
            assert_int_equal(parse_in_steps(copy, text, len, step), RESP_DONE);
            assert_int_equal(p.pos, len);
            assert_int_equal(p.have, 2);
            assert_int_equal(p.arg[1].offset, n);
            assert_int_equal(p.arg[1].len, lengths[i]);
            resp_next(&p);
        }
    }
}

static void resp_parse__takes_an_empty_line_as_no_command(void **state)
{
    char line[] = "\r\n", none[] = "*0\r\n", less[] = "*-1\r\n";
    (void)state;
    assert_int_equal(resp_parse(&p, line, 2), RESP_DONE);
    assert_int_equal(p.have, 0);
    assert_int_equal(p.pos, 2);
    resp_next(&p);
    assert_int_equal(resp_parse(&p, none, 4), RESP_DONE);
    assert_int_equal(p.have, 0);
    resp_next(&p);
    assert_int_equal(resp_parse(&p, less, 5), RESP_DONE);
    assert_int_equal(p.pos, 5);
}

static void resp_parse__refuses_what_is_malformed(void **state)
{
    static const char *const bad[][2] = {
        {"*1\r\n+x\r\n", "expected '$', got '+'"},       {"*65537\r\n", "invalid multibulk length"},
        {"*1x\r\n", "invalid multibulk length"},         {"*\r\n", "invalid multibulk length"},
        {"*1\rx", "invalid multibulk length"},           {"*99999999999\r\n", "invalid multibulk length"},
        {"*1\r\n$-1\r\n", "invalid bulk length"},        {"*1\r\n$33554433\r\n", "invalid bulk length"},
        {"*1\r\n$ 1\r\n", "invalid bulk length"},        {"*1\r\n$1\r\nxyz", "expected CRLF behind a bulk string"},
        {"*1\r\n$2\rx\nxy\r\n", "invalid bulk length"},  {"*12\r\r\n$1\r\n", "invalid multibulk length"},
        {"*1\r\n$12\nx\r\n\r\n", "invalid bulk length"}, {"*1\r\n$123x\r\n\r\n", "invalid bulk length"},
        {"a \"b\r\n", "unbalanced quotes in request"},   {"a 'b'c\r\n", "unbalanced quotes in request"},
    };
    char copy[64], want[128];
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        size_t len = strlen(bad[i][0]);
        snprintf(want, sizeof(want), "ERR Protocol error: %s", bad[i][1]);
        for (size_t step = 1; step <= len; step += len - 1) { /* byte by byte, and all at once */
            assert_int_equal(parse_in_steps(copy, bad[i][0], len, step), RESP_BAD);
            assert_string_equal(p.error, want);
            resp_next(&p);
        }
    }
}

static void resp_take_big__goes_on_behind_it(void **state)
{
    char head[] = "*3\r\n$3\r\nSET\r\n$20000\r\n$2\r\nxy\r\n";
    size_t begin = strlen("*3\r\n$3\r\nSET\r\n$20000\r\n");
    (void)state;
    assert_int_equal(resp_parse(&p, head, begin), RESP_MORE);
    assert_int_equal(resp_big(&p, 20001), 0);
    assert_int_equal(resp_big(&p, 20000), 20000);
    assert_true(resp_take_big(&p));
    assert_int_equal(resp_big(&p, 1), 0);
    assert_int_equal(resp_parse(&p, head, sizeof(head) - 1), RESP_DONE);
    assert_int_equal(p.have, 3);
    assert_int_equal(p.arg[1].offset, RESP_BIG);
    assert_int_equal(p.arg[1].len, 20000);
    assert_arg(head, 2, "xy");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(resp_parse__takes_an_array_however_it_is_cut, setup, teardown),
        cmocka_unit_test_setup_teardown(resp_parse__takes_words_of_a_line, setup, teardown),
        cmocka_unit_test_setup_teardown(resp_parse__takes_many_arguments, setup, teardown),
        cmocka_unit_test_setup_teardown(resp_parse__takes_lengths_of_any_number_of_digits, setup, teardown),
        cmocka_unit_test_setup_teardown(resp_parse__takes_an_empty_line_as_no_command, setup, teardown),
        cmocka_unit_test_setup_teardown(resp_parse__refuses_what_is_malformed, setup, teardown),
        cmocka_unit_test_setup_teardown(resp_take_big__goes_on_behind_it, setup, teardown),
    };
    return cmocka_run_group_tests_name("kv_resp", tests, NULL, NULL);
}
