/* SPDX-License-Identifier: MIT */
/* nanopu cc: drives the cross compiler for guests. */
#include "cc_check.h"
#include "nanopu.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CC       "riscv64-unknown-elf-gcc"
#define PACKAGES "gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf"
#define ARGS_MAX 1024
#define CORES    64

extern char **environ;

struct cc {
    char sdk[PATH_MAX];
    char *argv[ARGS_MAX + 1];
    int argc;
    char cores[64], include[PATH_MAX + 16], posix[PATH_MAX + 16], libraries[PATH_MAX + 16], start[PATH_MAX + 16],
        library[PATH_MAX + 16], script[PATH_MAX + 16];
    char map[PATH_MAX], map_option[PATH_MAX + 16];
    const char *output;
    bool link; /* no -c, -S or -E */
};

static bool is_sdk(const char *dir)
{
    char path[PATH_MAX + 16];

    snprintf(path, sizeof(path), "%s/libnanopu.a", dir);
    return access(path, R_OK) == 0;
}

/* NANOPU_SDK; beside the build tree's tools; under the prefix that this program is installed in; as configured. */
static bool find_sdk(char *out)
{
    static const char *const places[] = {"../sdk", "../lib/caracal/guest"};
    const char *given = getenv("NANOPU_SDK");
    char self[PATH_MAX / 2];
    ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);

    if (given != NULL) {
        snprintf(out, PATH_MAX, "%s", given);
        return is_sdk(out);
    }
    if (len > 0) {
        self[len] = '\0';
        *strrchr(self, '/') = '\0';
        for (size_t i = 0; i < ARRAY_LEN(places); i++) {
            snprintf(out, PATH_MAX, "%s/%s", self, places[i]);
            if (is_sdk(out))
                return true;
        }
    }
    snprintf(out, PATH_MAX, "%s", NANOPU_SDK_DIR);
    return is_sdk(out);
}

static bool add(struct cc *cc, const char *arg)
{
    if (cc->argc >= ARGS_MAX)
        return false;
    cc->argv[cc->argc++] = (char *)arg;
    cc->argv[cc->argc] = NULL;
    return true;
}

static bool add_all(struct cc *cc, const char *const *args, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!add(cc, args[i]))
            return false;
    }
    return true;
}

static bool add_first(struct cc *cc)
{
    const char *const first[] = {CC,
                                 "-march=rv64imafdc",
                                 "-mabi=lp64d",
                                 "-mcmodel=medany",
                                 "-ffixed-x30",
                                 "-ffixed-x31",
                                 "-D__NANOPU__",
                                 "-specs=picolibc.specs",
                                 "-std=gnu17",
                                 "-O2",
                                 "-ffunction-sections",
                                 "-fdata-sections",
                                 cc->include,
                                 cc->posix,
                                 cc->libraries};

    snprintf(cc->include, sizeof(cc->include), "-I%s/include", cc->sdk);
    snprintf(cc->posix, sizeof(cc->posix), "-I%s/posix", cc->sdk);
    snprintf(cc->libraries, sizeof(cc->libraries), "-L%s", cc->sdk);
    return add_all(cc, first, ARRAY_LEN(first));
}

static bool add_last(struct cc *cc)
{
    const char *const last[] = {cc->start, "-nostartfiles", "-nodefaultlibs", "-static", cc->map_option, cc->script,
                                /* ours, and not the C library's of the same name, whoever asks first */
                                "-Wl,-u,vfprintf,-u,sbrk,-u,memcpy,-u,__retarget_lock_acquire_recursive",
                                "-Wl,--start-group", cc->library, "-lc", "-lgcc", "-Wl,--end-group"};

    snprintf(cc->start, sizeof(cc->start), "%s/crt0.o", cc->sdk);
    snprintf(cc->library, sizeof(cc->library), "%s/libnanopu.a", cc->sdk);
    snprintf(cc->script, sizeof(cc->script), "-T%s/nanopu.ld", cc->sdk);
    snprintf(cc->map_option, sizeof(cc->map_option), "-Wl,-Map=%s", cc->map);
    return add_all(cc, last, ARRAY_LEN(last)) && (cc->cores[0] == '\0' || add(cc, cc->cores));
}

/* Options of ours, and what we have to know of the compiler's. Returns NANOPU_OK or an exit code. */
static int parse(struct cc *cc, int argc, char **argv)
{
    cc->link = true;
    cc->output = "a.out";
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--cores") == 0) {
            char *end = argv[i];
            long cores = ++i < argc ? strtol(argv[i], &end, 10) : 0;

            if (cores < 1 || cores > CORES || *end != '\0')
                return usage_error("cc", "--cores takes a number from 1 to %d", CORES);
            snprintf(cc->cores, sizeof(cc->cores), "-Wl,--defsym=__nanopu_cores=%ld", cores);
            continue;
        }
        if (strcmp(argv[i], "-c") == 0 || strcmp(argv[i], "-S") == 0 || strcmp(argv[i], "-E") == 0)
            cc->link = false;
        if (strncmp(argv[i], "-o", 2) == 0)
            cc->output = argv[i][2] != '\0' ? argv[i] + 2 : i + 1 < argc ? argv[i + 1] : cc->output;
        if (!add(cc, argv[i]))
            return usage_error("cc", "more than %d arguments", ARGS_MAX);
    }
    return NANOPU_OK;
}

/* Runs the compiler, silently if so wanted; its exit status, or -1 when it could not be started (errno). */
static int run(char *const *argv, bool silently)
{
    posix_spawn_file_actions_t actions;
    pid_t pid;
    int status, err = posix_spawn_file_actions_init(&actions);

    for (int fd = 1; err == 0 && silently && fd <= 2; fd++)
        err = posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_WRONLY, 0);
    if (err == 0)
        err = posix_spawnp(&pid, CC, &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (err != 0) {
        errno = err;
        return -1;
    }
    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR)
            return -1;
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Is the compiler there without its C library? Asked after a failure only. */
static bool lacks_picolibc(void)
{
    static char *const argv[] = {CC, "-specs=picolibc.specs", "-E", "-x", "c", "/dev/null", NULL};

    return run(argv, true) != 0;
}

static int compile(struct cc *cc)
{
    int status = run(cc->argv, false);

    if (status < 0 && errno == ENOENT)
        return fail("%s is not installed: apt-get install " PACKAGES, CC);
    if (status < 0)
        return fail("%s cannot be started: %s", CC, strerror(errno));
    if (status != 0 && lacks_picolibc())
        return fail("the cross compiler has no C library: apt-get install " PACKAGES);
    return status;
}

static int compile_and_link(struct cc *cc)
{
    const char *dir = getenv("TMPDIR");
    struct error_text et;
    int fd, code;

    snprintf(cc->map, sizeof(cc->map), "%s/nanopu-cc-XXXXXX", dir != NULL && dir[0] != '\0' ? dir : "/tmp");
    fd = mkstemp(cc->map);
    if (fd < 0)
        return fail("%s: %s", cc->map, strerror(errno));
    close(fd);
    code = add_last(cc) ? compile(cc) : usage_error("cc", "more than %d arguments", ARGS_MAX);
    if (code == NANOPU_OK && cc_check(cc->output, cc->map, &et) != 0) {
        code = fail("%s", et.text);
        unlink(cc->output);
    }
    unlink(cc->map);
    return code;
}

int cmd_cc(int argc, char **argv)
{
    static struct cc cc;
    int code;

    if (argc < 2)
        return usage_error("cc", "no file is given");
    if (!find_sdk(cc.sdk))
        return fail("there is no guest runtime in %s: build it with the cross compiler (apt-get install " PACKAGES
                    "), or set NANOPU_SDK to its directory",
                    cc.sdk);
    if (!add_first(&cc))
        return NANOPU_FAIL;
    code = parse(&cc, argc, argv);
    if (code != NANOPU_OK)
        return code;
    return cc.link ? compile_and_link(&cc) : compile(&cc);
}
