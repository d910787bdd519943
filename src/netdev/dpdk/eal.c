/* SPDX-License-Identifier: MIT */
/*
 * Starting DPDK's environment abstraction layer (DPDK 22.11 programmer's guide, "Environment Abstraction Layer").
 *
 * 1. It prints: its log to standard error, and for an argument that it does not know a page of help to standard output.
 * The log goes to a stream of ours that keeps the first error; arguments are tried in a child first, whose output
 * nobody sees but us. What remains is the line `EAL: FATAL` of a start that fails for another reason.
 * 2. It binds the calling thread to a processor and starts a thread for each processor it may use; the thread gets its
 * processors back, and one processor is what we ask for when nobody else says.
 * 3. Processes that do not mean to share memory are kept apart (--in-memory, or where that cannot be --no-shconf); else
 * the second one would not start.
 */
#include "dpdk.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORDS_MAX 64
#define SAID_MAX  256
#define STOP      "/nonexistent/caracal-stop" /* a driver that is not there */

static struct {
    pthread_mutex_t lock;
    FILE *log;
    enum { EAL_NEW, EAL_RUNS, EAL_FAILED } state;
    int error; /* of EAL_FAILED */
    char why[ERROR_TEXT_MAX];
    char args[CONFIG_STR_MAX];
} eal = {.lock = PTHREAD_MUTEX_INITIALIZER};

static char said[SAID_MAX]; /* written by whoever logs; read under the lock, after the call that failed */

/* DPDK's log: the first error is the cause, what follows are consequences. The driver's own thread may write here. */
static ssize_t log_write(void *cookie, const char *text, size_t len)
{
    size_t n = len < SAID_MAX - 1 ? len : SAID_MAX - 1;
    int level = rte_log_cur_msg_loglevel();
    char line[SAID_MAX];

    (void)cookie;
    memcpy(line, text, n);
    line[n] = '\0';
    dpdk_hold_heard(line);
    if (said[0] != '\0' || level < 0 || level > (int)RTE_LOG_ERR)
        return (ssize_t)len;
    memcpy(said, text, n);
    said[n] = '\0';
    said[strcspn(said, "\n")] = '\0';
    return (ssize_t)len;
}

void dpdk_eal_mark(void)
{
    said[0] = '\0';
}

const char *dpdk_eal_said(void)
{
    return said;
}

static int open_log(struct error_text *et)
{
    static const cookie_io_functions_t io = {.write = log_write};

    if (eal.log == NULL)
        eal.log = fopencookie(NULL, "w", io);
    if (eal.log == NULL)
        return error_set(et, ENOMEM, "no memory for DPDK's log");
    setvbuf(eal.log, NULL, _IOLBF, BUFSIZ);
    rte_openlog_stream(eal.log);
    return 0;
}

/* --- arguments --- */

struct words {
    char text[CONFIG_STR_MAX];
    char processor[16];
    int n;
    char *word[WORDS_MAX + 8];
};

static bool has(const struct words *w, const char *option)
{
    size_t len = strlen(option);
    bool is_long = option[1] == '-';

    for (int i = 1; i < w->n; i++)
        if (strncmp(w->word[i], option, len) == 0 && (!is_long || w->word[i][len] == '\0' || w->word[i][len] == '='))
            return true;
    return false;
}

static void add(struct words *w, const char *word)
{
    w->word[w->n++] = (char *)(uintptr_t)word; /* getopt takes char *, and only moves the pointers */
    w->word[w->n] = NULL;
}

/* The argument vector: what the key says, and notes 2 and 3 where it does not. */
static int split(const char *args, struct words *w, struct error_text *et)
{
    char *rest = NULL;
    int cpu = sched_getcpu();

    w->n = 0;
    add(w, "caracal");
    snprintf(w->text, sizeof(w->text), "%s", args);
    for (char *word = strtok_r(w->text, " \t", &rest); word != NULL; word = strtok_r(NULL, " \t", &rest)) {
        if (w->n > WORDS_MAX)
            return error_set(et, EINVAL, "eal: more than %d words", WORDS_MAX);
        add(w, word);
    }
    if (!has(w, "-l") && !has(w, "-c") && !has(w, "--lcores")) {
        snprintf(w->processor, sizeof(w->processor), "%d", cpu < 0 ? 0 : cpu);
        add(w, "-l");
        add(w, w->processor);
    }
    if (!has(w, "--in-memory") && !has(w, "--file-prefix") && !has(w, "--proc-type") && !has(w, "--no-shconf"))
        add(w, has(w, "--no-huge") || has(w, "--legacy-mem") ? "--no-shconf" : "--in-memory");
    if (!has(w, "--no-telemetry") && !has(w, "--telemetry"))
        add(w, "--no-telemetry");
    return 0;
}

static const struct words *tried; /* in the child */

/* DPDK comes here from what it finds wrong. It does not name a word that it does not know: getopt stands behind it. */
static void usage_reached(const char *program)
{
    (void)program;
    if (said[0] != '\0')
        dprintf(STDERR_FILENO, "%s\n", said);
    else if (optind > 1 && optind <= tried->n)
        dprintf(STDERR_FILENO, "DPDK does not know \"%s\"\n", tried->word[optind - 1]);
    _exit(1);
}

/* In a child: when it misses the driver, all arguments were read and nothing was wrong with them. */
static void try_in_child(struct words *w, int out)
{
    dup2(out, STDERR_FILENO);
    if (freopen("/dev/null", "w", stdout) == NULL)
        _exit(1);
    rte_set_application_usage_hook(usage_reached);
    add(w, "-d");
    add(w, STOP);
    dpdk_eal_mark();
    tried = w;
    rte_eal_init(w->n, w->word);
    if (strstr(said, STOP) != NULL)
        _exit(0);
    usage_reached("");
}

/* Reads what the child says until it ends. */
static void hear(int fd, char *text, size_t size)
{
    size_t len = 0;
    ssize_t n = 1;

    while (n > 0 && len + 1 < size) {
        n = read(fd, text + len, size - 1 - len);
        len += n > 0 ? (size_t)n : 0;
    }
    text[len] = '\0';
    text[strcspn(text, "\n")] = '\0';
}

/* -EINVAL and DPDK's words: an argument is wrong. */
static int check_words(const struct words *w, struct error_text *et)
{
    char text[SAID_MAX];
    struct words copy = *w;
    int ends[2], status = 0;
    pid_t child;

    if (pipe(ends) < 0)
        return error_set(et, errno, "pipe: %s", strerror(errno));
    child = fork();
    if (child == 0)
        try_in_child(&copy, ends[1]);
    close(ends[1]);
    if (child > 0)
        hear(ends[0], text, sizeof(text));
    close(ends[0]);
    if (child < 0)
        return error_set(et, errno, "fork: %s", strerror(errno));
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    return status == 0 ? 0 : error_set(et, EINVAL, "eal: %s", text);
}

/* --- starting --- */

static int fail(struct error_text *et, int err)
{
    eal.state = EAL_FAILED;
    eal.error = err;
    if (said[0] != '\0')
        snprintf(eal.why, sizeof(eal.why), "eal: DPDK does not start: %s%s", said,
                 strstr(said, "hugepage") != NULL
                     ? "; as root: echo 256 > /proc/sys/vm/nr_hugepages, or add --no-huge to eal"
                     : "");
    else
        snprintf(eal.why, sizeof(eal.why), "eal: DPDK does not start: %s", rte_strerror(err));
    return error_set(et, err, "%s", eal.why);
}

/* The first time in this process. Wrong arguments are no failure that lasts: the EAL has not seen them. */
static int start(const char *args, struct error_text *et)
{
    cpu_set_t processors;
    struct words w = {.n = 0};
    int err = open_log(et), n;

    if (err == 0)
        err = split(args, &w, et);
    if (err == 0)
        err = check_words(&w, et);
    if (err < 0)
        return err;
    dpdk_eal_mark();
    pthread_getaffinity_np(pthread_self(), sizeof(processors), &processors);
    n = rte_eal_init(w.n, w.word);
    pthread_setaffinity_np(pthread_self(), sizeof(processors), &processors);
    if (n < 0)
        return fail(et, rte_errno > 0 ? rte_errno : EIO);
    snprintf(eal.args, sizeof(eal.args), "%s", args);
    eal.state = EAL_RUNS;
    return 0;
}

int dpdk_eal_start(const char *args, struct error_text *et)
{
    int err = 0;

    pthread_mutex_lock(&eal.lock);
    if (eal.state == EAL_NEW)
        err = start(args, et);
    else if (eal.state == EAL_FAILED)
        err = error_set(et, eal.error, "%s", eal.why);
    else if (strcmp(args, eal.args) != 0)
        err = error_set(et, EINVAL, "eal: DPDK runs in this process with \"%s\" and starts only once", eal.args);
    pthread_mutex_unlock(&eal.lock);
    /* A thread that DPDK knows has a cache of mbufs; one that it has no room for is slower. */
    if (err == 0 && rte_lcore_id() == LCORE_ID_ANY)
        rte_thread_register();
    return err;
}
