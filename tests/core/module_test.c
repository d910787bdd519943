/* SPDX-License-Identifier: MIT */
/* Opens the shared objects that the build makes of fake_module.c. */
#include "core/module.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static struct error_text et;
static int err;

static int setup(void **state)
{
    const char *build = getenv("CARACAL_BUILD_DIR");
    char dir[512];

    (void)state;
    et.text[0] = '\0';
    err = 0;
    if (build == NULL) {
        print_error("CARACAL_BUILD_DIR is not set\n");
        return -1;
    }
    snprintf(dir, sizeof(dir), "%s/tests/core", build);
    return setenv("CARACAL_MODULES", dir, 1);
}

static void refused(const char *name, int want, const char *part)
{
    assert_null(module_open(name, &et, &err));
    assert_int_equal(err, want);
    if (strstr(et.text, part) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", et.text, part);
}

static void module_open__of_this_build(void **state)
{
    void *module = module_open("fake-module", &et, &err);
    int *answer;

    (void)state;
    if (module == NULL)
        fail_msg("%d: %s", err, et.text);
    answer = module_symbol(module, "fake_answer", &et, &err);
    assert_non_null(answer);
    assert_int_equal(*answer, 42);
    module_close(module);
}

static void module_symbol__missing(void **state)
{
    void *module = module_open("fake-module", &et, &err);

    (void)state;
    assert_non_null(module);
    assert_null(module_symbol(module, "no_such_thing", &et, &err));
    assert_int_equal(err, -EINVAL);
    assert_string_equal(et.text, "the module lacks no_such_thing");
    module_close(module);
}

static void module_open__not_installed(void **state)
{
    (void)state;
    refused("caracal-nothing", -ENOENT, "module caracal-nothing is not installed");
}

static void module_open__of_another_build(void **state)
{
    (void)state;
    refused("fake-module-old", -EINVAL, "is of another build");
}

static void module_open__without_a_mark(void **state)
{
    (void)state;
    refused("fake-module-unmarked", -EINVAL, "is of another build");
}

static void module_open__no_shared_object(void **state)
{
    char dir[] = "/tmp/caracal-module-XXXXXX", path[64];
    int fd;

    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/broken.so", dir);
    fd = open(path, O_CREAT | O_WRONLY, 0600);
    assert_int_equal(write(fd, "text", 4), 4);
    close(fd);
    setenv("CARACAL_MODULES", dir, 1);
    refused("broken", -ENOENT, "broken");
    unlink(path);
    rmdir(dir);
}

static void module_open__empty_variable_is_the_installed_place(void **state)
{
    (void)state;
    setenv("CARACAL_MODULES", "", 1);
    refused("fake-module", -ENOENT, "/caracal/fake-module.so");
}

static void module_open__endless_name(void **state)
{
    char name[2000];

    (void)state;
    memset(name, 'x', sizeof(name));
    name[sizeof(name) - 1] = '\0';
    assert_null(module_open(name, &et, &err));
    assert_int_equal(err, -ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(module_open__of_this_build, setup),
        cmocka_unit_test_setup(module_symbol__missing, setup),
        cmocka_unit_test_setup(module_open__not_installed, setup),
        cmocka_unit_test_setup(module_open__of_another_build, setup),
        cmocka_unit_test_setup(module_open__without_a_mark, setup),
        cmocka_unit_test_setup(module_open__no_shared_object, setup),
        cmocka_unit_test_setup(module_open__empty_variable_is_the_installed_place, setup),
        cmocka_unit_test_setup(module_open__endless_name, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
