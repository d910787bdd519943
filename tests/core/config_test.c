/* SPDX-License-Identifier: MIT */
#include "core/config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static struct config c;
static struct error_text et;

static int setup(void **state)
{
    (void)state;
    config_defaults(&c);
    et.text[0] = '\0';
    return 0;
}

static int read_text(const char *text)
{
    return config_read_text(&c, "t.yaml", text, strlen(text), &et);
}

static void refused(const char *text, const char *message)
{
    assert_int_equal(read_text(text), -EINVAL);
    assert_string_equal(et.text, message);
}

static void config_defaults__are_those_of_the_list(void **state)
{
    (void)state;
    memset(&c, 0xff, sizeof(c));
    config_defaults(&c);
    assert_int_equal(c.idle, IDLE_ADAPTIVE);
    assert_int_equal(c.engine, ENGINE_EPOLL);
    assert_int_equal(c.spin_us, 50);
    assert_true(c.trace);
    assert_false(c.trace_keep);
    assert_string_equal(c.run_dir, "");
}

struct range {
    unsigned keys;
    bool bad;
};

static void check_default(void *arg, const char *name, const char *value, const char *def, const char *takes,
                          const char *help)
{
    struct range *r = arg;
    char text[512];

    r->keys++;
    assert_string_equal(value, def);
    assert_true(strlen(takes) > 0 && strlen(help) > 0);
    snprintf(text, sizeof(text), "%s: \"%s\"\n", name, def);
    r->bad = r->bad || read_text(text) != 0;
}

static void config_each__every_default_is_accepted_by_its_key(void **state)
{
    struct config defaults = c;
    struct range r = {0};

    (void)state;
    config_each(&defaults, check_default, &r);
    assert_true(r.keys >= 10);
    assert_false(r.bad);
    assert_memory_equal(&c, &defaults, sizeof(c));
}

static void find_value(void *arg, const char *name, const char *value, const char *def, const char *takes,
                       const char *help)
{
    (void)def;
    (void)takes;
    (void)help;
    if (strcmp(name, "idle") == 0 || strcmp(name, "trace") == 0 || strcmp(name, "spin_us") == 0 ||
        strcmp(name, "memory_limit") == 0)
        snprintf((char *)arg + strlen(arg), 100, "%s=%s ", name, value);
}

static void config_each__shows_current_values(void **state)
{
    char found[400] = "";

    (void)state;
    assert_int_equal(read_text("idle: block\ntrace: off\nspin_us: 1k\n"), 0);
    config_each(&c, find_value, found);
    assert_string_equal(found, "idle=block spin_us=1024 memory_limit=4g trace=false ");
}

static void config_read__every_type(void **state)
{
    (void)state;
    assert_int_equal(read_text("# settings\nidle: spin\nmax_queues: 100\ntsc: false\nrun_dir: \"/run/x\"\n"), 0);
    assert_int_equal(c.idle, IDLE_SPIN);
    assert_int_equal(c.max_queues, 100);
    assert_false(c.tsc);
    assert_string_equal(c.run_dir, "/run/x");
}

static void config_read__unnamed_keys_keep_their_values(void **state)
{
    (void)state;
    c.spin_us = 77;
    assert_int_equal(read_text("idle: spin"), 0);
    assert_int_equal(c.spin_us, 77);
}

static void config_read__file_without_settings(void **state)
{
    struct config before = c;

    (void)state;
    assert_int_equal(read_text(""), 0);
    assert_int_equal(read_text("# nothing\n\n"), 0);
    assert_int_equal(read_text("---\n"), 0);
    assert_int_equal(read_text("{}\n"), 0);
    assert_memory_equal(&c, &before, sizeof(c));
}

static void config_read__size_suffixes(void **state)
{
    (void)state;
    assert_int_equal(read_text("memory_limit: 16m\nsga_limit: 64K\nqueue_depth: 1k\n"), 0);
    assert_int_equal(c.memory_limit, 16 << 20);
    assert_int_equal(c.sga_limit, 64 << 10);
    assert_int_equal(c.queue_depth, 1024);
    assert_int_equal(read_text("memory_limit: 2g\n"), 0);
    assert_int_equal(c.memory_limit, UINT64_C(2) << 30);
}

static void config_read__limits_of_a_range_belong_to_it(void **state)
{
    (void)state;
    assert_int_equal(read_text("max_queues: 16"), 0);
    assert_int_equal(read_text("max_queues: 1048576"), 0);
    assert_int_equal(read_text("max_queues: 15"), -EINVAL);
    assert_int_equal(read_text("max_queues: 1048577"), -EINVAL);
}

static void config_read__out_of_range_says_the_range(void **state)
{
    (void)state;
    refused("idle: spin\nmax_queues: 7\n", "t.yaml:2: max_queues: \"7\" is out of range; it takes 16 to 1048576");
}

static void config_read__numbers_that_are_none(void **state)
{
    static const char *const bad[] = {"-1", "+1", "1.5", "0x10", "1e3", "1kk", "k", "1 k", "1t", "'\t1'", "\"\"", ""};
    char text[64];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        snprintf(text, sizeof(text), "spin_us: %s\n", bad[i]);
        assert_int_equal(read_text(text), -EINVAL);
        assert_non_null(strstr(et.text, "t.yaml:1: spin_us: "));
        assert_non_null(strstr(et.text, "is not a number"));
    }
}

static void config_read__numbers_over_64_bits(void **state)
{
    (void)state;
    assert_int_equal(read_text("spin_us: 18446744073709551616"), -EINVAL);
    assert_non_null(strstr(et.text, "is out of range"));
    assert_int_equal(read_text("spin_us: 18446744073709551615g"), -EINVAL);
    assert_non_null(strstr(et.text, "is out of range"));
    assert_int_equal(read_text("spin_us: 17179869184g"), -EINVAL); /* 2^64 */
    assert_non_null(strstr(et.text, "is out of range"));
}

static void config_read__words_for_true_and_false(void **state)
{
    static const char *const words[] = {"false", "true", "no", "yes", "Off", "ON", "0", "1"};
    char text[64];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        snprintf(text, sizeof(text), "trace: %s\n", words[i]);
        assert_int_equal(read_text(text), 0);
        assert_int_equal(c.trace, i % 2);
    }
    refused("trace: maybe\n", "t.yaml:1: trace: \"maybe\" is neither true nor false; it takes true|false");
}

static void config_read__word_that_is_not_in_the_list(void **state)
{
    (void)state;
    refused("engine: kqueue\n", "t.yaml:1: engine: \"kqueue\" is not one of its words; it takes epoll|uring");
    assert_int_equal(read_text("engine: epol\n"), -EINVAL);
    assert_int_equal(read_text("engine: epoll|uring\n"), -EINVAL);
    assert_int_equal(read_text("engine: \"\"\n"), -EINVAL);
}

static void config_read__text_that_is_too_long(void **state)
{
    char text[CONFIG_STR_MAX + 16];

    (void)state;
    snprintf(text, sizeof(text), "run_dir: %0*d", CONFIG_STR_MAX - 1, 1);
    assert_int_equal(read_text(text), 0);
    snprintf(text, sizeof(text), "run_dir: %0*d", CONFIG_STR_MAX, 1);
    assert_int_equal(read_text(text), -EINVAL);
    assert_non_null(strstr(et.text, "is too long"));
}

static void config_read__null_is_the_empty_text(void **state)
{
    (void)state;
    assert_int_equal(read_text("run_dir: /x\n"), 0);
    assert_int_equal(read_text("run_dir: ~\n"), 0);
    assert_string_equal(c.run_dir, "");
    assert_int_equal(read_text("run_dir: '~'\n"), 0);
    assert_string_equal(c.run_dir, "~");
}

static void config_read__unknown_key_names_the_nearest(void **state)
{
    (void)state;
    refused("idle: spin\n\nmax_qeues: 7\n", "t.yaml:3: max_qeues: unknown key; did you mean \"max_queues\"?");
    refused("zero-copy-threshold: 7\n",
            "t.yaml:1: zero-copy-threshold: unknown key; did you mean \"zero_copy_threshold\"?");
    refused("Idle: spin\n", "t.yaml:1: Idle: unknown key; did you mean \"idle\"?");
    refused("rtace: on\n", "t.yaml:1: rtace: unknown key; did you mean \"trace\"?");
    refused("stats: on\n", "t.yaml:1: stats: unknown key; did you mean \"stat\"?");
    refused("uring: 7\n", "t.yaml:1: uring: unknown key; the nearest there is, is \"engine\"");
}

static void config_read__very_long_unknown_key(void **state)
{
    char text[900]; /* YAML's own limit is 1024 */

    (void)state;
    memset(text, 'a', sizeof(text));
    memcpy(text + sizeof(text) - 4, ": 1", 4);
    assert_int_equal(read_text(text), -EINVAL);
    assert_non_null(strstr(et.text, "unknown key"));
}

static void config_read__key_twice(void **state)
{
    (void)state;
    refused("idle: spin\nspin_us: 1\nidle: block\n", "t.yaml:3: idle: key set a second time");
}

static void config_read__values_that_are_not_one(void **state)
{
    (void)state;
    refused("idle:\n  - spin\n", "t.yaml:2: idle: a list, where one value is expected");
    refused("idle: {a: b}\n", "t.yaml:1: idle: a mapping, where one value is expected");
    refused("? [a]\n: b\n", "t.yaml:1: a list, where one value is expected");
}

static void config_read__anchors_aliases_and_tags(void **state)
{
    (void)state;
    refused("spin_us: &a 5\n", "t.yaml:1: spin_us: anchors are not accepted");
    refused("idle: spin\nspin_us: *a\n", "t.yaml:2: spin_us: aliases are not accepted");
    refused("&a {idle: spin}\n", "t.yaml:1: anchors are not accepted");
    refused("spin_us: !!int 5\n", "t.yaml:1: spin_us: tags are not accepted");
    refused("!!map {spin_us: 5}\n", "t.yaml:1: tags are not accepted");
}

static void config_read__root_that_is_no_mapping(void **state)
{
    (void)state;
    refused("hello\n", "t.yaml:1: not a mapping of \"key: value\" lines");
    refused("- idle\n", "t.yaml:1: not a mapping of \"key: value\" lines");
}

static void config_read__second_document(void **state)
{
    (void)state;
    refused("idle: spin\n---\nidle: block\n", "t.yaml:2: a second document, where only one is accepted");
}

static void config_read__broken_yaml_names_the_line(void **state)
{
    (void)state;
    assert_int_equal(read_text("idle: spin\n\"spin_us: 5\n"), -EINVAL);
    assert_int_equal(strncmp(et.text, "t.yaml:", 7), 0);
    assert_non_null(strstr(et.text, "not YAML: "));
}

static void config_read__bytes_that_are_not_text(void **state)
{
    (void)state;
    assert_int_equal(config_read_text(&c, "t.yaml", "idle: \xff\xfe\n", 9, &et), -EINVAL);
    assert_non_null(strstr(et.text, "is not text"));
    assert_int_equal(config_read_text(&c, "t.yaml", "run_dir: \"a\\0b\"\n", 16, &et), -EINVAL);
    assert_string_equal(et.text, "t.yaml:1: run_dir: a zero byte");
}

static void config_read_file__missing_or_unreadable(void **state)
{
    (void)state;
    assert_int_equal(config_read_file(&c, "/nonexistent/x.yaml", &et), -ENOENT);
    assert_string_equal(et.text, "/nonexistent/x.yaml: No such file or directory");
    assert_int_equal(config_read_file(&c, "/", &et), -EISDIR);
    assert_string_equal(et.text, "/: Is a directory");
}

static void config_read_file__no_permission(void **state)
{
    char path[] = "/tmp/config-test-XXXXXX";
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    fchmod(fd, 0);
    close(fd);
    if (geteuid() == 0)
        assert_int_equal(config_read_file(&c, path, &et), 0);
    else
        assert_int_equal(config_read_file(&c, path, &et), -EACCES);
    unlink(path);
}

static void config_read_file__reads_what_is_there(void **state)
{
    char path[] = "/tmp/config-test-XXXXXX", expected[100];
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "idle: block\nspinus: 1\n", 22), 22);
    close(fd);
    assert_int_equal(config_read_file(&c, path, &et), -EINVAL);
    snprintf(expected, sizeof(expected), "%s:2: spinus: unknown key; did you mean \"spin_us\"?", path);
    assert_string_equal(et.text, expected);
    assert_int_equal(c.idle, IDLE_BLOCK);
    unlink(path);
}

static void config_read_file__endless_file_is_refused(void **state)
{
    (void)state;
    assert_int_equal(config_read_file(&c, "/dev/zero", &et), -EINVAL);
    assert_string_equal(et.text, "/dev/zero: longer than 65536 bytes");
}

static void config_read_file__long_path_keeps_its_end(void **state)
{
    char name[600];

    (void)state;
    memset(name, 'd', sizeof(name));
    memcpy(name + sizeof(name) - 7, "/e.yml", 7); /* with its end */
    assert_int_equal(config_read_text(&c, name, "trase: 1", 8, &et), -EINVAL);
    assert_non_null(strstr(et.text, "/e.yml:1: trase: unknown key; did you mean \"trace\"?"));
}

static void config_read_env__lays_over_the_file(void **state)
{
    (void)state;
    assert_int_equal(read_text("max_queues: 100\nspin_us: 7\n"), 0);
    setenv("MAX_QUEUES", "2k", 1);
    assert_int_equal(config_read_env(&c, &et), 0);
    unsetenv("MAX_QUEUES");
    assert_int_equal(c.max_queues, 2048);
    assert_int_equal(c.spin_us, 7);
}

static void config_read_env__bad_value_names_the_variable(void **state)
{
    (void)state;
    setenv("IDLE", "sleepy", 1);
    assert_int_equal(config_read_env(&c, &et), -EINVAL);
    unsetenv("IDLE");
    assert_string_equal(et.text, "environment: IDLE: \"sleepy\" is not one of its words; it takes spin|adaptive|block");
}

static void config_read_env__empty_counts_as_not_set(void **state)
{
    (void)state;
    assert_int_equal(read_text("spin_us: 7\nrun_dir: /x\n"), 0);
    setenv("SPIN_US", "", 1);
    setenv("RUN_DIR", "", 1);
    assert_int_equal(config_read_env(&c, &et), 0);
    unsetenv("SPIN_US");
    unsetenv("RUN_DIR");
    assert_int_equal(c.spin_us, 7);
    assert_string_equal(c.run_dir, "");
}

#define TEST(f) cmocka_unit_test_setup(f, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(config_defaults__are_those_of_the_list),
        TEST(config_each__every_default_is_accepted_by_its_key),
        TEST(config_each__shows_current_values),
        TEST(config_read__every_type),
        TEST(config_read__unnamed_keys_keep_their_values),
        TEST(config_read__file_without_settings),
        TEST(config_read__size_suffixes),
        TEST(config_read__limits_of_a_range_belong_to_it),
        TEST(config_read__out_of_range_says_the_range),
        TEST(config_read__numbers_that_are_none),
        TEST(config_read__numbers_over_64_bits),
        TEST(config_read__words_for_true_and_false),
        TEST(config_read__word_that_is_not_in_the_list),
        TEST(config_read__text_that_is_too_long),
        TEST(config_read__null_is_the_empty_text),
        TEST(config_read__unknown_key_names_the_nearest),
        TEST(config_read__very_long_unknown_key),
        TEST(config_read__key_twice),
        TEST(config_read__values_that_are_not_one),
        TEST(config_read__anchors_aliases_and_tags),
        TEST(config_read__root_that_is_no_mapping),
        TEST(config_read__second_document),
        TEST(config_read__broken_yaml_names_the_line),
        TEST(config_read__bytes_that_are_not_text),
        TEST(config_read_file__missing_or_unreadable),
        TEST(config_read_file__no_permission),
        TEST(config_read_file__reads_what_is_there),
        TEST(config_read_file__endless_file_is_refused),
        TEST(config_read_file__long_path_keeps_its_end),
        TEST(config_read_env__lays_over_the_file),
        TEST(config_read_env__bad_value_names_the_variable),
        TEST(config_read_env__empty_counts_as_not_set),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
