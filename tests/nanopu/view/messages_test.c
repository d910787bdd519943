/* SPDX-License-Identifier: MIT */
#include "nanopu/view/messages.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char path[] = "messages-XXXXXX";
static const char *const names[] = {"client", "server"};

static int setup(void **state)
{
    int fd = mkstemp(path);

    *state = NULL;
    return fd < 0 ? -1 : close(fd);
}

static int teardown(void **state)
{
    (void)state;
    return unlink(path);
}

static void event(struct messages *m, enum probe_kind kind, uint64_t cycle, uint64_t id, uint64_t from)
{
    struct record r = {.e = {.kind = kind, .node = 1, .cycle = cycle, .a = id, .b = from, .c = 2048}};

    messages_record(m, &r);
}

static void record__a_line_for_each_message_and_those_that_were_never_whole(void **state)
{
    static const char wanted[] = "host,source,context,bytes,first,complete\n"
                                 "server,10.0.0.3,2,2048,110,400\n"
                                 "server,10.0.0.2,1,2048,100,500\n"
                                 "server,10.0.0.4,0,2048,600,\n";
    char text[512];
    struct error_text et;
    struct messages *m;
    FILE *f;

    (void)state;
    assert_int_equal(messages_open(&m, path, names, ARRAY_LEN(names), &et), 0);
    event(m, PROBE_msg_start, 100, 7, UINT64_C(0x0a000002) << 16 | 1);
    event(m, PROBE_msg_start, 110, 8, UINT64_C(0x0a000003) << 16 | 2);
    event(m, PROBE_msg_complete, 400, 8, 0);
    event(m, PROBE_msg_complete, 500, 7, 0);
    event(m, PROBE_msg_complete, 550, 7, 0); /* no message has this id any more */
    event(m, PROBE_msg_start, 600, 7, UINT64_C(0x0a000004) << 16);
    assert_int_equal(messages_close(m, &et), 0);
    f = fopen(path, "re");
    assert_non_null(f);
    text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
    fclose(f);
    assert_string_equal(text, wanted);
}

static void open__says_what_is_wrong_with_the_file(void **state)
{
    struct error_text et;
    struct messages *m;

    (void)state;
    assert_int_equal(messages_open(&m, "no/such/place", names, ARRAY_LEN(names), &et), -ENOENT);
    assert_non_null(strstr(et.text, "no/such/place"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(record__a_line_for_each_message_and_those_that_were_never_whole, setup,
                                        teardown),
        cmocka_unit_test(open__says_what_is_wrong_with_the_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
