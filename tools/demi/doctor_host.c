/* SPDX-License-Identifier: MIT */
/* What the machine is and has. */
#include "doctor.h"

#include "core/clock.h"
#include "core/rundir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#define MEMLOCK_WANTED (UINT64_C(64) << 20)
#define NOFILE_WANTED  16384
#define SHM_WANTED     (UINT64_C(256) << 20)

struct check *check_add(struct checks *c, const char *name, enum verdict v, const char *fmt, ...)
{
    struct check *k = &c->check[c->count];
    va_list ap;

    assert(c->count < CHECKS_MAX);
    c->count++;
    k->name = name;
    k->verdict = v;
    k->mend[0] = '\0';
    va_start(ap, fmt);
    vsnprintf(k->found, sizeof(k->found), fmt, ap);
    va_end(ap);
    return k;
}

void check_mend(struct check *c, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(c->mend, sizeof(c->mend), fmt, ap);
    va_end(ap);
    mend_for_user(c->mend);
}

void mend_for_user(char *command)
{
    static const char word[] = "sudo ";
    char *at;

    if (geteuid() != 0)
        return;
    while ((at = strstr(command, word)) != NULL)
        memmove(at, at + sizeof(word) - 1, strlen(at + sizeof(word) - 1) + 1);
}

static bool has_capability(unsigned which)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {{0}, {0}};

    if (syscall(__NR_capget, &head, data) != 0)
        return false;
    return (data[which / 32].effective & UINT32_C(1) << which % 32) != 0;
}

static void look_at_kernel(struct checks *c)
{
    struct epoll_event ev;
    struct utsname u;
    struct check *k;

    uname(&u);
    /* Sleeping to the nanosecond; the youngest call that nothing else replaces. */
    if (epoll_pwait2(-1, &ev, 1, NULL, NULL) < 0 && errno == ENOSYS) {
        k = check_add(c, "kernel", VERDICT_BAD, "%s %s lacks epoll_pwait2 (5.11)", u.sysname, u.release);
        check_mend(k, "sudo apt-get install -y linux-image-amd64, and reboot");
        return;
    }
    check_add(c, "kernel", VERDICT_GOOD, "%s %s, %s, %ld CPUs", u.sysname, u.release, u.machine,
              sysconf(_SC_NPROCESSORS_ONLN));
}

/* Reads the first word of a file of the kernel. */
static bool first_word(const char *path, char *buf, size_t size)
{
    FILE *f = fopen(path, "re");
    bool good;

    if (f == NULL)
        return false;
    good = fgets(buf, (int)size, f) != NULL;
    fclose(f);
    if (good)
        buf[strcspn(buf, " \n")] = '\0';
    return good && buf[0] != '\0';
}

static void look_at_clock(struct checks *c, const struct config *cfg)
{
    char source[32];
    struct clock clock;

    if (cfg != NULL && !cfg->tsc) {
        check_add(c, "clock", VERDICT_INFO, "clock_gettime, because the setting tsc is false");
        return;
    }
    clock_init(&clock, false);
    if (clock.use_tsc) {
        check_add(c, "clock", VERDICT_GOOD, "time-stamp counter, invariant, %.1f MHz", (double)clock.tsc_hz / 1e6);
        return;
    }
    if (!first_word("/sys/devices/system/clocksource/clocksource0/current_clocksource", source, sizeof(source)))
        snprintf(source, sizeof(source), "unknown");
    check_add(c, "clock", VERDICT_INFO, "clock_gettime: the kernel does not trust the counter (clock source %s)",
              source);
}

static void look_at_run_dir(struct checks *c, const struct config *cfg)
{
    struct error_text et = {.text = ""};
    struct rundir_file f;
    char path[RUNDIR_PATH_MAX];
    struct check *k;

    rundir_path(path, sizeof(path), cfg != NULL ? cfg->run_dir : "");
    if (rundir_map(&f, path, "probe", 4096, &et) == 0 && f.path[0] != '\0') {
        check_add(c, "run_dir", VERDICT_GOOD, "%s can be written", path);
    } else {
        k = check_add(c, "run_dir", VERDICT_WARN, "demi stat and demi trace will see nothing: %s", et.text);
        check_mend(k, "RUN_DIR=$(mktemp -d) names another; or: sudo rm -rf %s", path);
    }
    rundir_unmap(&f, false);
}

static void look_at_shm(struct checks *c)
{
    struct statvfs fs;
    uint64_t free_bytes;
    struct check *k;

    if (statvfs("/dev/shm", &fs) != 0) {
        k = check_add(c, "/dev/shm", VERDICT_WARN, "%s", strerror(errno));
        check_mend(k, "sudo mkdir -p /dev/shm && sudo mount -t tmpfs -o mode=1777 tmpfs /dev/shm");
        return;
    }
    free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
    k = check_add(c, "/dev/shm", free_bytes >= SHM_WANTED ? VERDICT_GOOD : VERDICT_WARN,
                  "%" PRIu64 " MiB free of %" PRIu64, free_bytes >> 20, (uint64_t)fs.f_blocks * fs.f_frsize >> 20);
    if (k->verdict != VERDICT_GOOD)
        check_mend(k, "sudo mount -o remount,size=1g /dev/shm");
    if (access("/dev/shm", W_OK) != 0) {
        k->verdict = VERDICT_WARN;
        snprintf(k->found, sizeof(k->found), "not writable for this user");
        check_mend(k, "sudo chmod 1777 /dev/shm");
    }
}

static void limit_text(rlim_t v, unsigned shift, char buf[32])
{
    if (v == RLIM_INFINITY)
        snprintf(buf, 32, "unlimited");
    else
        snprintf(buf, 32, "%" PRIu64, (uint64_t)v >> shift);
}

static void look_at_limits(struct checks *c)
{
    struct rlimit files, locked;
    char soft[32], hard[32];
    struct check *k;

    getrlimit(RLIMIT_NOFILE, &files);
    getrlimit(RLIMIT_MEMLOCK, &locked);
    limit_text(files.rlim_cur, 0, soft);
    limit_text(files.rlim_max, 0, hard);
    k = check_add(c, "open files", files.rlim_cur >= NOFILE_WANTED ? VERDICT_GOOD : VERDICT_WARN,
                  "%s (at most %s): about as many connections", soft, hard);
    if (files.rlim_cur < NOFILE_WANTED && files.rlim_max >= NOFILE_WANTED)
        check_mend(k, "ulimit -n %s", hard);
    else if (files.rlim_cur < NOFILE_WANTED)
        check_mend(k, "sudo prlimit --pid $$ --nofile=%d:%d", 4 * NOFILE_WANTED, 4 * NOFILE_WANTED);
    limit_text(locked.rlim_cur, 20, soft);
    if (has_capability(CAP_IPC_LOCK) || locked.rlim_cur >= MEMLOCK_WANTED) {
        check_add(c, "locked memory", VERDICT_GOOD, "%s%s", has_capability(CAP_IPC_LOCK) ? "not limited" : soft,
                  has_capability(CAP_IPC_LOCK) || locked.rlim_cur == RLIM_INFINITY ? "" : " MiB");
    } else {
        k = check_add(c, "locked memory", VERDICT_WARN, "%s MiB: too little to register buffers with devices", soft);
        check_mend(k, "sudo prlimit --pid $$ --memlock=unlimited:unlimited");
    }
}

static void look_at_settings(struct checks *c, const struct config *cfg, const char *problem)
{
    const char *path = getenv("CONFIG_PATH");

    if (cfg != NULL)
        check_add(c, "settings", VERDICT_GOOD, "%s and the environment",
                  path != NULL && path[0] != '\0' ? path : "no file (CONFIG_PATH)");
    else
        check_mend(check_add(c, "settings", VERDICT_BAD, "%s", problem), "demi config, once that is mended, shows all");
}

static void look_at_huge_pages(struct checks *c)
{
    char total[32];

    if (!first_word("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", total, sizeof(total)))
        snprintf(total, sizeof(total), "none");
    check_add(c, "huge pages", VERDICT_INFO, "%s of 2 MiB; only catnip can use them", total);
}

void doctor_host(struct checks *c, const struct config *cfg, const char *problem)
{
    look_at_kernel(c);
    look_at_settings(c, cfg, problem);
    look_at_clock(c, cfg);
    look_at_run_dir(c, cfg);
    look_at_shm(c);
    look_at_limits(c);
    look_at_huge_pages(c);
}

/* Is there an entry in a directory of /sys or /dev? Its name goes to first. */
static bool any_entry(const char *dir, const char *prefix, char *first, size_t size)
{
    DIR *d = opendir(dir);
    struct dirent *e;
    bool found = false;

    if (d == NULL)
        return false;
    while (!found && (e = readdir(d)) != NULL) {
        if (e->d_name[0] == '.' || strncmp(e->d_name, prefix, strlen(prefix)) != 0)
            continue;
        snprintf(first, size, "%.*s", (int)size - 1, e->d_name);
        found = true;
    }
    closedir(d);
    return found;
}

void doctor_prospect(const char *libos, char *buf, size_t size)
{
    char name[64];

    if (strcmp(libos, "catmint") == 0)
        snprintf(buf, size, "%s",
                 any_entry("/sys/class/infiniband", "", name, sizeof(name)) ? "this machine has a device"
                                                                            : "this machine has no device");
    else
        snprintf(buf, size, "%s",
                 any_entry("/sys/class/nvme", "nvme", name, sizeof(name))
                     ? "this machine has an NVMe device"
                     : "this machine has no NVMe device: files only");
}
