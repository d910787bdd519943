/* SPDX-License-Identifier: MIT */
/* demi_init and what it refuses, with the cause in words; demi_fini; texts. */
#include "api/rig.h"
#include "open_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *const variables[] = {"LIBOS", "CONFIG_PATH", "ENGINE", "IDLE", "MAX_QUEUES", "MAX_OPERATIONS"};
static char config[64];

static int setup(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(variables); i++)
        unsetenv(variables[i]);
    return 0;
}

static int teardown(void **state)
{
    bool left = rig_instance() != NULL;

    (void)state;
    if (left)
        demi_fini();
    if (config[0] != '\0')
        unlink(config);
    config[0] = '\0';
    return left ? -1 : 0;
}

/* Points CONFIG_PATH at a file with this text. */
static void configure(const char *text)
{
    int fd;

    snprintf(config, sizeof(config), "/tmp/caracal-init-XXXXXX");
    fd = mkstemp(config);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    setenv("CONFIG_PATH", config, 1);
}

static void refused(int err, const char *text)
{
    rig_says(demi_init(NULL), err, text);
    assert_null(rig_instance());
}

static void init__nothing_set_is_catnap(void **state)
{
    (void)state;
    assert_int_equal(demi_init(NULL), 0);
    assert_string_equal(rig_instance()->net->name, "catnap");
    assert_int_equal(demi_fini(), 0);
}

static void init__empty_variables_count_as_not_set(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(variables); i++)
        setenv(variables[i], "", 1);
    assert_int_equal(demi_init(NULL), 0);
    assert_string_equal(rig_instance()->net->name, "catnap");
    assert_int_equal(demi_fini(), 0);
}

static void init__takes_arguments(void **state)
{
    char *const argv[] = {"program", NULL};
    struct demi_args args = {.argc = 1, .argv = argv};

    (void)state;
    assert_int_equal(demi_init(&args), 0);
    assert_int_equal(demi_fini(), 0);
}

static void init__second_time(void **state)
{
    struct instance *first;

    (void)state;
    assert_int_equal(demi_init(NULL), 0);
    first = rig_instance();
    setenv("LIBOS", "nonsense", 1); /* not even looked at */
    rig_says(demi_init(NULL), EEXIST, "called before");
    assert_ptr_equal(rig_instance(), first);
    assert_int_equal(demi_fini(), 0);
}

static void init__unknown_libos(void **state)
{
    (void)state;
    setenv("LIBOS", "nonsense", 1);
    refused(EINVAL, "LIBOS=nonsense");
    setenv("LIBOS", "catna", 1);
    refused(EINVAL, "LIBOS=catna:");
    setenv("LIBOS", "catnap ", 1);
    refused(EINVAL, "LIBOS=catnap ");
    setenv("CONFIG_PATH", "/no/such/file", 1);
    refused(EINVAL, "LIBOS="); /* the libOS is looked at first */
}

static void init__known_libos_that_is_not_installed(void **state)
{
    static const char *const names[] = {"catmint", "cattree"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        setenv("LIBOS", names[i], 1);
        refused(ENOENT, names[i]);
    }
}

static void init__two_liboses(void **state)
{
    static const char *const both_ways[] = {"catnap+catmem", "catmem+catnap"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(both_ways); i++) {
        setenv("LIBOS", both_ways[i], 1);
        assert_int_equal(demi_init(NULL), 0);
        assert_string_equal(rig_instance()->net->name, "catnap");
        assert_string_equal(rig_instance()->local->name, "catmem");
        assert_string_equal(rig_instance()->stat->libos, "catnap+catmem");
        assert_int_equal(demi_fini(), 0);
    }
}

static void init__two_liboses_that_do_not_go_together(void **state)
{
    static const struct {
        const char *name;
        int err;
        const char *says;
    } refusals[] = {
        {"catnap+catme", EINVAL, "\"catme\""},
        {"nonsense+catmem", EINVAL, "\"nonsense\""},
        {"catnap+", EINVAL, "\"\""},
        {"+catmem", EINVAL, "\"\""},
        {"catnap++catmem", EINVAL, "\"\""},
        {"catmem+catmem", EINVAL, "catmem stands there twice"},
        {"catnap+catnap", EINVAL, "catnap stands there twice"},
        {"catnap+catmem+catnap", EINVAL, "catnap stands there twice"},
        {"catnap+sim", EINVAL, "catnap and sim are both network libOSes"},
        {"sim+catmem+catnap", EINVAL, "sim and catnap are both network libOSes"},
        {"catmint+catmem", ENOENT, "catmint"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
        setenv("LIBOS", refusals[i].name, 1);
        refused(refusals[i].err, refusals[i].says);
    }
}

/* What begins first is ended when the second cannot begin, whichever that is. */
static void init__second_libos_that_cannot_begin(void **state)
{
    static const char *const names[] = {"catnap+catmem", "sim+catmem", "catmem"};
    unsigned before = open_files();

    (void)state;
    setenv("CATMEM_ADDRESS", "127.0.0.0/8, localhost", 1);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        setenv("LIBOS", names[i], 1);
        refused(EINVAL, "catmem_address: \"localhost\"");
    }
    unsetenv("CATMEM_ADDRESS");
    setenv("LIBOS", "catpowder+catmem", 1);
    setenv("DRIVER", "nonsense", 1);
    refused(EINVAL, "nonsense");
    unsetenv("DRIVER");
    setenv("LIBOS", "sim+catmem", 1);
    setenv("PCAP", "/no/such/place/file", 1);
    refused(ENOENT, "/no/such/place/file");
    unsetenv("PCAP");
    assert_int_equal(open_files(), before);
}

/* Whether work says yes in a child, whose identity, environment and output do not matter any more. */
static bool child_says(bool (*work)(void))
{
    pid_t pid = fork();
    int status;

    assert_true(pid >= 0);
    if (pid == 0)
        _exit(work() ? 0 : 1);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* Makes an interface, as a user who may not. */
static bool permission_is_missing(void)
{
    if (geteuid() == 0 && (setresgid(65534, 65534, 65534) != 0 || setresuid(65534, 65534, 65534) != 0))
        return false;
    setenv("LIBOS", "catpowder", 1);
    setenv("DRIVER", "tap", 1);
    setenv("DEVICE", "caracal-init", 1);
    setenv("NET_ADDRESS", "10.9.9.1/24", 1);
    return demi_init(NULL) == EPERM && strstr(demi_last_error(), "CAP_NET_ADMIN") != NULL && rig_instance() == NULL;
}

static void init__without_permission(void **state)
{
    (void)state;
    if (access("/dev/net/tun", F_OK) != 0) {
        printf("# skip: there is no /dev/net/tun\n");
        fflush(stdout);
        skip();
    }
    assert_true(child_says(permission_is_missing));
}

/* Every kind of refusal, and calls that are wrong, with a file for the standard output and error. */
static bool nothing_is_printed(void)
{
    static const char *const wrong[][2] = {{"LIBOS", "nonsense"},  {"LIBOS", "catmint"}, {"CONFIG_PATH", "/no/such"},
                                           {"LIBOS", "catpowder"}, {"LIBOS", "catnano"}, {"MAX_QUEUES", "1"}};
    demi_sgarray_t sga = {.sga_buf = &sga, .sga_numsegs = 7};
    FILE *said = tmpfile();
    bool good = said != NULL && dup2(fileno(said), STDOUT_FILENO) >= 0 && dup2(fileno(said), STDERR_FILENO) >= 0;
    demi_qresult_t qr;
    demi_qtoken_t qt;

    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        setenv(wrong[i][0], wrong[i][1], 1);
        good = good && demi_init(NULL) != 0;
        unsetenv(wrong[i][0]);
    }
    good = good && demi_wait(&qr, 1, NULL) == ENOSYS && demi_init(NULL) == 0 && demi_wait(&qr, 1, NULL) == EINVAL &&
           demi_close(3) == EBADF && demi_push(&qt, 500, &sga) == EINVAL && demi_sgafree(&sga) == EINVAL;
    demi_fini();
    return good && fflush(NULL) == 0 && lseek(fileno(said), 0, SEEK_END) == 0;
}

static void calls__print_nothing(void **state)
{
    (void)state;
    assert_true(child_says(nothing_is_printed));
}

static void init__engine_that_is_not_installed(void **state)
{
    const char *dir = getenv("CARACAL_MODULES");
    char before[512];

    (void)state;
    snprintf(before, sizeof(before), "%s", dir == NULL ? "" : dir);
    setenv("CARACAL_MODULES", "/no/such/place", 1);
    setenv("ENGINE", "uring", 1);
    refused(ENOENT, "caracal-uring");
    setenv("CARACAL_MODULES", before, 1);
}

static void init__config_that_is_not_there(void **state)
{
    (void)state;
    setenv("CONFIG_PATH", "/no/such/file.yaml", 1);
    refused(EINVAL, "/no/such/file.yaml");
    setenv("CONFIG_PATH", "/tmp", 1);
    refused(EINVAL, "/tmp");
}

static void init__config_with_an_unknown_key(void **state)
{
    (void)state;
    configure("trace: false\nidel: spin\n");
    refused(EINVAL, config);
    assert_non_null(strstr(demi_last_error(), ":2:"));
    assert_non_null(strstr(demi_last_error(), "idel"));
    assert_non_null(strstr(demi_last_error(), "idle")); /* the nearest known one */
}

static void init__config_with_a_bad_value(void **state)
{
    (void)state;
    configure("\n\nmax_queues: many\n");
    refused(EINVAL, ":3:");
    assert_non_null(strstr(demi_last_error(), "max_queues"));
}

static void init__config_that_is_no_yaml(void **state)
{
    (void)state;
    configure("a: [b\n: }");
    refused(EINVAL, config);
}

static void init__config_is_read(void **state)
{
    (void)state;
    configure("max_queues: 32\nqueue_depth: 7\n");
    assert_int_equal(demi_init(NULL), 0);
    assert_int_equal(rig_instance()->config.max_queues, 32);
    assert_int_equal(rig_instance()->config.queue_depth, 7);
    assert_int_equal(demi_fini(), 0);
}

static void init__environment_goes_before_the_config(void **state)
{
    (void)state;
    configure("max_queues: 32\nmax_operations: 100\n");
    setenv("MAX_QUEUES", "64", 1);
    assert_int_equal(demi_init(NULL), 0);
    assert_int_equal(rig_instance()->config.max_queues, 64);
    assert_int_equal(rig_instance()->config.max_operations, 100);
    assert_int_equal(demi_fini(), 0);
}

static void init__environment_with_a_bad_value(void **state)
{
    (void)state;
    setenv("IDLE", "fast", 1);
    refused(EINVAL, "IDLE");
    assert_non_null(strstr(demi_last_error(), "spin"));
    unsetenv("IDLE");
    setenv("MAX_QUEUES", "1", 1);
    refused(EINVAL, "MAX_QUEUES");
    setenv("MAX_QUEUES", "-1", 1);
    refused(EINVAL, "MAX_QUEUES");
}

static void init__again_after_a_failure(void **state)
{
    (void)state;
    setenv("IDLE", "fast", 1);
    refused(EINVAL, "IDLE");
    unsetenv("IDLE");
    assert_int_equal(demi_init(NULL), 0);
    assert_int_equal(demi_fini(), 0);
}

static void init__and_fini_100_times_leak_no_descriptor(void **state)
{
    unsigned before = open_files();

    (void)state;
    for (unsigned i = 0; i < 100; i++) {
        int qd;

        assert_int_equal(demi_init(NULL), 0);
        assert_int_equal(demi_socket(&qd, AF_INET, SOCK_STREAM, 0), 0); /* closed by demi_fini */
        assert_int_equal(demi_queue(&qd), 0);
        assert_non_null(demi_malloc(100));
        assert_int_equal(demi_eventfd(&qd), 0);
        assert_int_equal(demi_fini(), 0);
    }
    assert_int_equal(open_files(), before);
}

static void init__failures_leak_no_descriptor(void **state)
{
    unsigned before = open_files();

    (void)state;
    setenv("IDLE", "fast", 1);
    refused(EINVAL, "IDLE");
    unsetenv("IDLE");
    setenv("ENGINE", "uring", 1);
    setenv("URING_ENTRIES", "17", 1); /* may or may not work; leaves nothing in either case */
    if (demi_init(NULL) == 0)
        assert_int_equal(demi_fini(), 0);
    unsetenv("URING_ENTRIES");
    assert_int_equal(open_files(), before);
}

static void init__without_files(void **state)
{
    int qd;

    (void)state;
    setenv("STAT", "false", 1);
    setenv("TRACE", "false", 1);
    assert_int_equal(demi_init(NULL), 0);
    assert_int_equal(demi_queue(&qd), 0);
    rig_send(qd, "no trace");
    rig_expect(qd, "no trace");
    assert_int_equal(demi_fini(), 0);
    unsetenv("STAT");
    unsetenv("TRACE");
}

static void strerror__every_number_has_a_text(void **state)
{
    (void)state;
    assert_string_equal(demi_strerror(0), "Success");
    assert_string_equal(demi_strerror(ECANCELED), "Operation canceled");
    for (int err = -10; err < 300; err++)
        assert_true(strlen(demi_strerror(err)) > 0);
    assert_true(strlen(demi_strerror(INT32_MAX)) > 0);
    assert_true(strlen(demi_strerror(INT32_MIN)) > 0);
}

static void version__has_three_numbers(void **state)
{
    unsigned a, b, c;
    char end;

    (void)state;
    assert_int_equal(sscanf(demi_version(), "%u.%u.%u%c", &a, &b, &c, &end), 3);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(init__nothing_set_is_catnap),
        CASE(init__empty_variables_count_as_not_set),
        CASE(init__takes_arguments),
        CASE(init__second_time),
        CASE(init__unknown_libos),
        CASE(init__known_libos_that_is_not_installed),
        CASE(init__two_liboses),
        CASE(init__two_liboses_that_do_not_go_together),
        CASE(init__second_libos_that_cannot_begin),
        CASE(init__without_permission),
        CASE(calls__print_nothing),
        CASE(init__engine_that_is_not_installed),
        CASE(init__config_that_is_not_there),
        CASE(init__config_with_an_unknown_key),
        CASE(init__config_with_a_bad_value),
        CASE(init__config_that_is_no_yaml),
        CASE(init__config_is_read),
        CASE(init__environment_goes_before_the_config),
        CASE(init__environment_with_a_bad_value),
        CASE(init__again_after_a_failure),
        CASE(init__and_fini_100_times_leak_no_descriptor),
        CASE(init__failures_leak_no_descriptor),
        CASE(init__without_files),
        CASE(strerror__every_number_has_a_text),
        CASE(version__has_three_numbers),
    };

    return RIG_RUN(tests);
}
