/* SPDX-License-Identifier: MIT */
/* Devices for self tests: see doctor_wire.h. */
#include "doctor_wire.h"

#include <arpa/inet.h>
#include <demi/libos.h>
#include <demi/sga.h>
#include <demi/wait.h>
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define KERNEL_END "dr0"
#define OUR_END    "dr1"
#define WORDS_MAX  16
#define MESSAGE    256

extern char **environ;

static bool missing(struct selftest *t, const char *what)
{
    snprintf(t->why, sizeof(t->why), "%s: %s", what, strerror(errno));
    return false;
}

/* Runs ip with the words of text. */
static bool ip(struct selftest *t, const char *text)
{
    char copy[128], *words[WORDS_MAX] = {"ip"}, *rest = copy, *word;
    unsigned n = 1;
    int status = 0;
    pid_t pid;

    snprintf(copy, sizeof(copy), "%s", text);
    while (n < WORDS_MAX - 1 && (word = strsep(&rest, " ")) != NULL)
        words[n++] = word;
    errno = posix_spawnp(&pid, "ip", NULL, NULL, words, environ);
    if (errno != 0)
        return missing(t, "ip (package iproute2)");
    if (waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return true;
    snprintf(t->why, sizeof(t->why), "ip %s failed", text);
    return false;
}

/* XDP takes frames before anybody has computed what the sender left to its device. */
static bool compute_checksums(struct selftest *t)
{
    struct ethtool_value off = {.cmd = ETHTOOL_STXCSUM};
    struct ifreq r = {.ifr_name = KERNEL_END, .ifr_data = (char *)&off};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool good = fd >= 0 && ioctl(fd, SIOCETHTOOL, &r) == 0;

    if (!good)
        missing(t, "checksums of " KERNEL_END);
    if (fd >= 0)
        close(fd);
    return good;
}

static struct sockaddr_in everywhere(void)
{
    return (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(WIRE_PORT)};
}

/* The other end on the kernel's sockets. */
static void kernel_echo(int ready)
{
    struct sockaddr_in at = everywhere();
    int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1, fd;
    char bytes[MESSAGE];
    ssize_t n;

    if (listener < 0 || bind(listener, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(listener, 1) < 0 ||
        write(ready, "", 1) != 1)
        _exit(1);
    fd = accept(listener, NULL, NULL);
    setsockopt(fd, IPPROTO_TCP, 1, &one, sizeof(one)); /* TCP_NODELAY */
    while ((n = read(fd, bytes, sizeof(bytes))) > 0)
        if (write(fd, bytes, (size_t)n) != n)
            _exit(1);
    _exit(0);
}

/* The other end on this library, over the same ring. */
static void our_echo(int ready)
{
    struct sockaddr_in at = everywhere();
    demi_qtoken_t qt;
    demi_qresult_t qr;
    int listener, qd;

    setenv("NET_ADDRESS", "10.77.0.1/24", 1);
    setenv("STAT", "false", 1);
    setenv("TRACE", "false", 1);
    if (demi_init(NULL) != 0 || demi_socket(&listener, AF_INET, SOCK_STREAM, 0) != 0 ||
        demi_bind(listener, (struct sockaddr *)&at, sizeof(at)) != 0 || demi_listen(listener, 1) != 0 ||
        demi_accept(&qt, listener) != 0 || write(ready, "", 1) != 1 || demi_wait(&qr, qt, NULL) != 0)
        _exit(1);
    qd = qr.qr_value.ares.qd;
    while (demi_pop(&qt, qd) == 0 && demi_wait(&qr, qt, NULL) == 0 && qr.qr_opcode == DEMI_OPC_POP) {
        demi_sgarray_t sga = qr.qr_value.sga;
        bool sent = sga.sga_segs[0].sgaseg_len > 0 && demi_push(&qt, qd, &sga) == 0;

        demi_sgafree(&sga);
        if (!sent || demi_wait(&qr, qt, NULL) != 0)
            break;
    }
    _exit(0);
}

/* Starts the other end and waits until it listens. It ends with this process. */
static bool start_echo(struct selftest *t, void (*echo)(int))
{
    int pipefd[2];
    char ready;
    pid_t pid;
    bool good;

    if (pipe(pipefd) != 0)
        return missing(t, "pipe");
    pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(pipefd[0]);
        echo(pipefd[1]);
    }
    close(pipefd[1]);
    good = pid > 0 && read(pipefd[0], &ready, 1) == 1;
    close(pipefd[0]);
    if (!good)
        snprintf(t->why, sizeof(t->why), "the other end of the test's cable did not start");
    return good;
}

static bool make_pair(struct selftest *t)
{
    return ip(t, "link add " KERNEL_END " type veth peer name " OUR_END) &&
           ip(t, "addr add 10.77.0.1/24 dev " KERNEL_END) && ip(t, "link set " KERNEL_END " up") &&
           ip(t, "link set " OUR_END " up");
}

static bool make_namespace(struct selftest *t)
{
    if (unshare(CLONE_NEWNET) == 0)
        return ip(t, "link set lo up");
    if (errno != EPERM)
        return missing(t, "a network namespace to try it in");
    snprintf(t->why, sizeof(t->why), "this user may not make a network namespace to try it in, nor use such devices");
    return false;
}

bool wire_make(struct selftest *t, const char *driver, const char *dir)
{
    static const char *const unset[] = {"NET_MAC", "NET_GATEWAY", "XDP_MAP"};
    char path[128];

    setenv("DRIVER", driver, 1);
    setenv("DEVICE", OUR_END, 1);
    setenv("NET_ADDRESS", "10.77.0.2/24", 1);
    setenv("NET_VLAN", "0", 1);
    setenv("NET_MTU", "0", 1);
    setenv("NET_QUEUES", "1", 1);
    for (size_t i = 0; i < ARRAY_LEN(unset); i++)
        setenv(unset[i], "", 1);
    if (strcmp(driver, "ring") == 0) {
        snprintf(path, sizeof(path), "%s/wire", dir);
        setenv("DEVICE", path, 1);
        return start_echo(t, our_echo);
    }
    if (!make_namespace(t) || (strcmp(driver, "tap") != 0 && !make_pair(t)) ||
        (strcmp(driver, "xdp") == 0 && !compute_checksums(t)))
        return false;
    return start_echo(t, kernel_echo);
}

bool wire_join(struct selftest *t, const char *driver)
{
    return strcmp(driver, "tap") != 0 || ip(t, "addr add 10.77.0.1/24 dev " OUR_END);
}

void wire_mend(const char *driver, const char *why, char *mend, size_t size)
{
    static const struct {
        const char *driver, *mend;
    } rights[] = {
        {"packet", "run the program as root, or: sudo setcap cap_net_raw+ep PROGRAM"},
        {"xdp", "run the program as root, or: sudo setcap cap_net_raw,cap_net_admin,cap_bpf+ep PROGRAM, or with "
                "cap_net_raw alone: sudo demi xdp attach INTERFACE --pin /sys/fs/bpf/NAME --user $USER, and the key "
                "xdp_map"},
        {"tap", "run the program as root, or: sudo ip tuntap add dev tap0 mode tap user $USER && sudo ip addr add "
                "10.0.0.1/24 dev tap0 && sudo ip link set tap0 up"},
    };

    mend[0] = '\0';
    if (strstr(why, "iproute2") != NULL)
        snprintf(mend, size, "sudo apt-get install -y iproute2");
    else if (strstr(why, "libxdp.so") != NULL || strstr(why, "libbpf.so") != NULL)
        snprintf(mend, size, "sudo apt-get install -y libxdp1 libbpf1");
    else if (strstr(why, "module ") != NULL)
        snprintf(mend, size, "sudo apt-get install -y libxdp-dev libbpf-dev && make install   (in Caracal's sources)");
    else if (strstr(why, "/dev/net/tun") != NULL && strstr(why, "permission") == NULL)
        snprintf(mend, size, "sudo modprobe tun");
    for (size_t i = 0; i < ARRAY_LEN(rights) && mend[0] == '\0'; i++)
        if (strcmp(rights[i].driver, driver) == 0 &&
            (strstr(why, "this user may not") != NULL || strstr(why, "permission") != NULL))
            snprintf(mend, size, "%s", rights[i].mend);
}
