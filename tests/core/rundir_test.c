/* SPDX-License-Identifier: MIT */
#include "core/rundir.h"

#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static char base[32], dir[64];
static struct rundir_file f;
static struct error_text et;

/* What happens just before the next lock is taken, and only then. */
static void (*before_lock)(void);

/* Takes the place of the C library's. */
int fcntl(int fd, int command, ...)
{
    void (*meanwhile)(void) = before_lock;
    va_list rest;
    void *arg;

    va_start(rest, command);
    arg = va_arg(rest, void *);
    va_end(rest);
    if (command == F_OFD_SETLK && ((struct flock *)arg)->l_type != F_UNLCK && meanwhile != NULL) {
        before_lock = NULL;
        meanwhile();
    }
    return (int)syscall(SYS_fcntl, fd, command, arg);
}

#define NAME_BYTE 1 /* of a file: locked by who removes or replaces its name */

static bool lock_name(int fd)
{
    struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = NAME_BYTE, .l_len = 1};

    return syscall(SYS_fcntl, fd, F_OFD_SETLK, &l) == 0;
}

static int setup(void **state)
{
    (void)state;
    snprintf(base, sizeof(base), "/tmp/rundir-test-XXXXXX");
    if (mkdtemp(base) == NULL)
        return -1;
    snprintf(dir, sizeof(dir), "%s/run", base);
    memset(&f, 0, sizeof(f));
    et.text[0] = '\0';
    before_lock = NULL;
    return 0;
}

static int teardown(void **state)
{
    char command[64];

    (void)state;
    rundir_unmap(&f, false);
    snprintf(command, sizeof(command), "rm -rf '%s'", base);
    return system(command);
}

static bool exists(const char *name)
{
    char path[200];

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    return access(path, F_OK) == 0;
}

/* A file as a dead process leaves it; age in seconds. */
static void leave(const char *name, int age)
{
    char path[200];
    struct timespec times[2] = {{.tv_nsec = UTIME_NOW}, {.tv_nsec = UTIME_NOW}};
    int fd;

    mkdir(dir, 0700);
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    clock_gettime(CLOCK_REALTIME, &times[1]);
    times[1].tv_sec -= age;
    assert_int_equal(futimens(fd, times), 0);
    close(fd);
}

/* Maps with the run directory as it is and expects plain memory, with the reason. */
static void expect_anonymous(const char *why)
{
    assert_int_equal(rundir_map(&f, dir, "stat", 4096, &et), 0);
    assert_non_null(f.mem);
    assert_string_equal(f.path, "");
    assert_non_null(strstr(et.text, why));
    memset(f.mem, 1, 4096);
}

static void rundir_path__default_is_the_users(void **state)
{
    char path[100], expected[100];

    (void)state;
    rundir_path(path, sizeof(path), "");
    snprintf(expected, sizeof(expected), "/dev/shm/caracal-%d", (int)geteuid());
    assert_string_equal(path, expected);
    rundir_path(path, sizeof(path), "/a/b//");
    assert_string_equal(path, "/a/b");
}

static void rundir_map__makes_directory_and_file(void **state)
{
    struct stat st;
    char name[64];

    (void)state;
    assert_int_equal(rundir_map(&f, dir, "stat", 5000, &et), 0);
    snprintf(name, sizeof(name), "%d.%d.stat", (int)getpid(), (int)gettid());
    assert_true(exists(name));
    assert_int_equal(stat(dir, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    assert_int_equal(stat(f.path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(st.st_size, 5000);
}

static void rundir_map__memory_is_zero_and_is_the_file(void **state)
{
    char byte = 0;
    int fd;

    (void)state;
    assert_int_equal(rundir_map(&f, dir, "trace", 100000, &et), 0);
    for (size_t i = 0; i < 100000; i++)
        assert_int_equal(((char *)f.mem)[i], 0);
    ((char *)f.mem)[99999] = 7;
    fd = open(f.path, O_RDONLY);
    assert_int_equal(pread(fd, &byte, 1, 99999), 1);
    close(fd);
    assert_int_equal(byte, 7);
}

static void rundir_map__replaces_what_a_dead_process_left(void **state)
{
    char name[64];

    (void)state;
    snprintf(name, sizeof(name), "%d.%d.stat", (int)getpid(), (int)gettid());
    leave(name, 0);
    assert_int_equal(rundir_map(&f, dir, "stat", 4096, &et), 0);
    assert_string_not_equal(f.path, "");
    assert_int_equal(((char *)f.mem)[0], 0);
}

static void rundir_map__name_in_use_gives_memory(void **state)
{
    struct rundir_file first;

    (void)state;
    assert_int_equal(rundir_map(&first, dir, "stat", 4096, &et), 0);
    expect_anonymous("File exists");
    assert_int_equal(access(first.path, F_OK), 0);
    rundir_unmap(&first, false);
}

static void rundir_map__directory_others_may_write_gives_memory(void **state)
{
    (void)state;
    mkdir(dir, 0700);
    chmod(dir, 0777);
    expect_anonymous("others may write");
}

static void rundir_map__symbolic_link_gives_memory(void **state)
{
    char real[64];

    (void)state;
    snprintf(real, sizeof(real), "%s/real", base);
    mkdir(real, 0700);
    assert_int_equal(symlink(real, dir), 0);
    expect_anonymous("symbolic link");
    rundir_unmap(&f, false);
    strcat(dir, "/"); /* which would make O_NOFOLLOW follow it */
    expect_anonymous("symbolic link");
}

static void rundir_map__link_in_place_of_the_file_is_not_followed(void **state)
{
    char victim[64], path[128];
    struct stat st;

    (void)state;
    mkdir(dir, 0700);
    snprintf(victim, sizeof(victim), "%s/victim", base);
    close(open(victim, O_WRONLY | O_CREAT, 0600));
    snprintf(path, sizeof(path), "%s/%d.%d.stat.new", dir, (int)getpid(), (int)gettid());
    assert_int_equal(symlink(victim, path), 0);
    path[strlen(path) - 4] = '\0';
    assert_int_equal(symlink(victim, path), 0);
    assert_int_equal(rundir_map(&f, dir, "stat", 4096, &et), 0);
    assert_int_equal(stat(victim, &st), 0);
    assert_int_equal(st.st_size, 0);
    assert_int_equal(lstat(f.path, &st), 0);
    assert_true(S_ISREG(st.st_mode));
}

static void rundir_map__another_users_directory_gives_memory(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    mkdir(dir, 0700);
    assert_int_equal(chown(dir, 65534, 65534), 0);
    expect_anonymous("another user");
}

static void rundir_map__missing_parent_gives_memory(void **state)
{
    (void)state;
    strcat(dir, "/a/b");
    expect_anonymous("No such file");
}

static void rundir_map__full_disk_gives_memory_and_leaves_nothing(void **state)
{
    int ret;

    (void)state;
    mkdir(dir, 0700);
    if (geteuid() != 0 || mount("none", dir, "tmpfs", 0, "size=64k,mode=0700") != 0)
        skip();
    ret = rundir_map(&f, dir, "trace", 1 << 20, &et);
    assert_int_equal(rmdir(dir), -1); /* busy: it is a mount point */
    umount2(dir, MNT_DETACH);
    assert_int_equal(ret, 0);
    assert_string_equal(f.path, "");
    assert_non_null(strstr(et.text, "No space left"));
    memset(f.mem, 1, 1 << 20);
}

static void rundir_map__no_directory_gives_memory(void **state)
{
    (void)state;
    assert_int_equal(rundir_map(&f, NULL, "stat", 4096, &et), 0);
    assert_string_equal(f.path, "");
    assert_string_equal(et.text, "");
    memset(f.mem, 1, 4096);
}

static void rundir_map__impossible_size_is_out_of_memory(void **state)
{
    (void)state;
    assert_int_equal(rundir_map(&f, dir, "stat", SIZE_MAX / 4, &et), -12 /* ENOMEM */);
    assert_null(f.mem);
}

static void rundir_unmap__removes_the_file_or_keeps_it(void **state)
{
    char path[RUNDIR_PATH_MAX];

    (void)state;
    assert_int_equal(rundir_map(&f, dir, "stat", 4096, &et), 0);
    strcpy(path, f.path);
    rundir_unmap(&f, false);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(rundir_map(&f, dir, "trace", 4096, &et), 0);
    strcpy(path, f.path);
    rundir_unmap(&f, true);
    assert_int_equal(access(path, F_OK), 0);
}

static void rundir_unmap__twice_or_never_mapped_is_harmless(void **state)
{
    struct rundir_file never = {0};

    (void)state;
    rundir_unmap(&never, false);
    assert_int_equal(rundir_map(&f, dir, "stat", 4096, &et), 0);
    rundir_unmap(&f, false);
    rundir_unmap(&f, false);
}

static void rundir_unmap__child_does_not_remove_its_parents(void **state)
{
    pid_t child;

    (void)state;
    assert_int_equal(rundir_map(&f, dir, "stat", 4096, &et), 0);
    child = fork();
    if (child == 0) {
        rundir_unmap(&f, false);
        _exit(0);
    }
    waitpid(child, NULL, 0);
    assert_int_equal(access(f.path, F_OK), 0);
}

static void rundir_prune__removes_dead_stat_pages(void **state)
{
    (void)state;
    leave("1.1.stat", 0);
    leave("99.100.stat", 0);
    rundir_prune(dir);
    assert_false(exists("1.1.stat"));
    assert_false(exists("99.100.stat"));
}

static void rundir_prune__keeps_the_newest_traces(void **state)
{
    char name[32];

    (void)state;
    for (int i = 0; i < 40; i++) {
        snprintf(name, sizeof(name), "%d.%d.trace", 1000 + i * 7 % 40, i);
        leave(name, 100 + i * 7 % 40);
    }
    rundir_prune(dir);
    for (int i = 0; i < 40; i++) {
        snprintf(name, sizeof(name), "%d.%d.trace", 1000 + i * 7 % 40, i);
        assert_int_equal(exists(name), i * 7 % 40 < RUNDIR_TRACES_KEPT);
    }
}

static void rundir_prune__leaves_foreign_files(void **state)
{
    static const char *const names[] = {"note.txt",          "1.stat", "1.2.", "a.2.stat", "1.2.stat.x", "1..stat",
                                        "99999999999.1.stat"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        leave(names[i], 0);
    rundir_prune(dir);
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        assert_true(exists(names[i]));
}

static void rundir_prune__missing_directory_is_not_made(void **state)
{
    (void)state;
    rundir_prune(dir);
    assert_int_equal(access(dir, F_OK), -1);
}

static void rundir_prune__living_stay_until_killed(void **state)
{
    char path[RUNDIR_PATH_MAX], byte;
    int ready[2];
    pid_t child;

    (void)state;
    assert_int_equal(pipe(ready), 0);
    child = fork();
    if (child == 0) {
        rundir_map(&f, dir, "stat", 4096, NULL);
        (void)!write(ready[1], "x", 1);
        pause();
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    close(ready[1]);
    snprintf(path, sizeof(path), "%s/%d.%d.stat", dir, (int)child, (int)child);
    rundir_prune(dir);
    assert_int_equal(access(path, F_OK), 0);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    rundir_prune(dir);
    assert_int_equal(access(path, F_OK), -1);
}

/* A child that has the name of that file locked as one who removes it, for a few milliseconds from now on. */
static pid_t remove_slowly(const char *name)
{
    char path[200], byte;
    int ready[2];
    pid_t child;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    assert_int_equal(pipe(ready), 0);
    child = fork();
    if (child == 0) {
        if (lock_name(open(path, O_RDWR)) && write(ready[1], "x", 1) == 1)
            usleep(5000);
        _exit(0);
    }
    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    return child;
}

static void rundir_map__waits_for_one_who_removes_the_dead_file(void **state)
{
    char name[64];
    pid_t child;

    (void)state;
    snprintf(name, sizeof(name), "%d.%d.stat", (int)getpid(), (int)gettid());
    leave(name, 0);
    child = remove_slowly(name);
    assert_int_equal(rundir_map(&f, dir, "stat", 4096, &et), 0);
    assert_string_not_equal(f.path, "");
    waitpid(child, NULL, 0);
}

static void rundir_prune__leaves_what_may_be_in_the_making(void **state)
{
    (void)state;
    leave("1.1.stat.new", 0);
    leave("1.1.trace.new", 0);
    rundir_prune(dir);
    assert_true(exists("1.1.stat.new"));
    assert_true(exists("1.1.trace.new"));
}

/* Is there a file, and is it still the one that has the name? */
static bool has_its_file(const struct rundir_file *file)
{
    struct stat opened, named;

    return file->path[0] != '\0' && fstat(file->fd, &opened) == 0 && stat(file->path, &named) == 0 &&
           opened.st_ino == named.st_ino;
}

static void map_stat(void)
{
    rundir_map(&f, dir, "stat", 4096, &et);
}

/* The file is opened, and before it is locked an instance that starts renames its own over it. */
static void rundir_prune__name_that_is_replaced_meanwhile_stays(void **state)
{
    char name[64];

    (void)state;
    snprintf(name, sizeof(name), "%d.%d.stat", (int)getpid(), (int)gettid());
    leave(name, 0);
    before_lock = map_stat;
    rundir_prune(dir);
    assert_null(before_lock);
    assert_true(has_its_file(&f));
}

static bool name_was_locked;

static void look_at_name(void)
{
    char path[200];
    int fd;

    snprintf(path, sizeof(path), "%s/%d.%d.stat", dir, (int)getpid(), (int)gettid());
    fd = open(path, O_RDWR);
    name_was_locked = fd >= 0 && !lock_name(fd);
    close(fd);
}

static void look_at_name_after_one_lock(void)
{
    before_lock = look_at_name;
}

/* The first lock is the dead file's, the second the new one's: nobody may remove the name in between. */
static void rundir_map__dead_file_is_locked_until_it_is_replaced(void **state)
{
    char name[64];

    (void)state;
    snprintf(name, sizeof(name), "%d.%d.stat", (int)getpid(), (int)gettid());
    leave(name, 0);
    name_was_locked = false;
    before_lock = look_at_name_after_one_lock;
    map_stat();
    assert_true(name_was_locked);
    assert_true(has_its_file(&f));
}

#define STARTERS       24
#define STARTS         30
#define STARTER_ROUNDS 3

/* Starts and ends instances as demi_init and demi_fini do; leaves some traces behind, to be replaced and pruned. */
static int start_often(void)
{
    struct rundir_file stat_file, trace_file;
    int lost = 0;

    for (int i = 0; i < STARTS; i++) {
        rundir_prune(dir);
        rundir_map(&stat_file, dir, "stat", 4096, &et);
        rundir_map(&trace_file, dir, "trace", 4096, &et);
        sched_yield();
        lost += !has_its_file(&stat_file) || !has_its_file(&trace_file);
        rundir_unmap(&stat_file, i % 3 == 0); /* as a crash leaves it */
        rundir_unmap(&trace_file, i % 2 == 0);
    }
    return lost;
}

static void rundir_map__many_that_start_at_once_lose_nothing(void **state)
{
    (void)state;
    for (int round = 0; round < STARTER_ROUNDS; round++) {
        pid_t child[STARTERS];
        int status, lost = 0;

        for (int i = 0; i < STARTERS; i++) {
            child[i] = fork();
            assert_true(child[i] >= 0);
            if (child[i] == 0)
                _exit(start_often());
        }
        for (int i = 0; i < STARTERS; i++) {
            assert_int_equal(waitpid(child[i], &status, 0), child[i]);
            assert_true(WIFEXITED(status));
            lost += WEXITSTATUS(status);
        }
        assert_int_equal(lost, 0);
    }
}

static void rundir_alive__until_unmapped(void **state)
{
    int fd;

    (void)state;
    assert_int_equal(rundir_map(&f, dir, "trace", 4096, &et), 0);
    fd = open(f.path, O_RDONLY);
    assert_true(rundir_alive(fd));
    rundir_unmap(&f, true);
    assert_false(rundir_alive(fd));
    close(fd);
}

static void rundir_parse__takes_names_apart(void **state)
{
    uint32_t pid = 0, tid = 0;
    const char *suffix = NULL;

    (void)state;
    assert_true(rundir_parse("12.4294967295.trace", &pid, &tid, &suffix));
    assert_int_equal(pid, 12);
    assert_int_equal(tid, UINT32_MAX);
    assert_string_equal(suffix, "trace");
    assert_false(rundir_parse("12.4294967296.trace", &pid, &tid, &suffix));
    assert_false(rundir_parse("-1.2.trace", &pid, &tid, &suffix));
    assert_false(rundir_parse("", &pid, &tid, &suffix));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(rundir_path__default_is_the_users),
        TEST(rundir_map__makes_directory_and_file),
        TEST(rundir_map__memory_is_zero_and_is_the_file),
        TEST(rundir_map__replaces_what_a_dead_process_left),
        TEST(rundir_map__name_in_use_gives_memory),
        TEST(rundir_map__directory_others_may_write_gives_memory),
        TEST(rundir_map__symbolic_link_gives_memory),
        TEST(rundir_map__link_in_place_of_the_file_is_not_followed),
        TEST(rundir_map__another_users_directory_gives_memory),
        TEST(rundir_map__missing_parent_gives_memory),
        TEST(rundir_map__full_disk_gives_memory_and_leaves_nothing),
        TEST(rundir_map__no_directory_gives_memory),
        TEST(rundir_map__impossible_size_is_out_of_memory),
        TEST(rundir_unmap__removes_the_file_or_keeps_it),
        TEST(rundir_unmap__twice_or_never_mapped_is_harmless),
        TEST(rundir_unmap__child_does_not_remove_its_parents),
        TEST(rundir_prune__removes_dead_stat_pages),
        TEST(rundir_prune__keeps_the_newest_traces),
        TEST(rundir_prune__leaves_foreign_files),
        TEST(rundir_prune__missing_directory_is_not_made),
        TEST(rundir_prune__living_stay_until_killed),
        TEST(rundir_map__waits_for_one_who_removes_the_dead_file),
        TEST(rundir_prune__leaves_what_may_be_in_the_making),
        TEST(rundir_prune__name_that_is_replaced_meanwhile_stays),
        TEST(rundir_map__dead_file_is_locked_until_it_is_replaced),
        TEST(rundir_map__many_that_start_at_once_lose_nothing),
        TEST(rundir_alive__until_unmapped),
        TEST(rundir_parse__takes_names_apart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
