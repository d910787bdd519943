/* SPDX-License-Identifier: MIT */
#include "core/error.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void error_set__returns_negative_code_and_formats(void **state)
{
    struct error_text et;

    (void)state;
    assert_int_equal(error_set(&et, ENOENT, "%s: line %d", "a.yaml", 7), -ENOENT);
    assert_string_equal(et.text, "a.yaml: line 7");
}

static void error_set__long_text_is_cut(void **state)
{
    struct error_text et;
    char text[2 * ERROR_TEXT_MAX];

    (void)state;
    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    error_set(&et, EINVAL, "%s", text);
    assert_int_equal(strlen(et.text), ERROR_TEXT_MAX - 1);
}

static void error_set__without_text_returns_code(void **state)
{
    (void)state;
    assert_int_equal(error_set(NULL, EPERM, "nobody reads this"), -EPERM);
}

static void error_set__leaves_errno(void **state)
{
    struct error_text et;

    (void)state;
    errno = EXDEV;
    error_set(&et, EPERM, "%ls", L"\x7fffffff"); /* vsnprintf fails and sets errno */
    assert_int_equal(errno, EXDEV);
    assert_string_equal(et.text, "");
}

static void error_name__names_the_contract(void **state)
{
    (void)state;
    assert_string_equal(error_name(EPERM), "EPERM");
    assert_string_equal(error_name(EAGAIN), "EAGAIN");
    assert_string_equal(error_name(ENOTSUP), "ENOTSUP");
    assert_string_equal(error_name(ECANCELED), "ECANCELED");
    assert_string_equal(error_name(EHWPOISON), "EHWPOISON");
}

static void error_name__knows_what_strerror_knows(void **state)
{
    (void)state;
    for (int err = 1; err < 200; err++) {
        bool known = strncmp(strerror(err), "Unknown error", 13) != 0;

        assert_int_equal(strcmp(error_name(err), "E?") != 0, known);
    }
}

static void error_name__unknown_code(void **state)
{
    (void)state;
    assert_string_equal(error_name(0), "E?");
    assert_string_equal(error_name(-1), "E?");
    assert_string_equal(error_name(100000), "E?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(error_set__returns_negative_code_and_formats),
        cmocka_unit_test(error_set__long_text_is_cut),
        cmocka_unit_test(error_set__without_text_returns_code),
        cmocka_unit_test(error_set__leaves_errno),
        cmocka_unit_test(error_name__names_the_contract),
        cmocka_unit_test(error_name__knows_what_strerror_knows),
        cmocka_unit_test(error_name__unknown_code),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
