/* SPDX-License-Identifier: MIT */
/*
 * The proof that a libOS works: a program that uses nothing but PDPIX sends a message to itself and gets it back. It
 * runs in a child, with a run directory of its own, so that whatever goes wrong there is told and harms nothing.
 */
#include "doctor.h"

#include "doctor_wire.h"

#include <arpa/inet.h>
#include <demi/ext.h>
#include <demi/libos.h>
#include <demi/sga.h>
#include <demi/wait.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS        200
#define MESSAGE_BYTES 64
#define TIMEOUT_MS    10000

/* Both ends are here, or the client alone (driver), and what it sends comes back. */
struct ends {
    int listener, client, server;
    const char *driver; /* "" : both are here */
};

static bool told(struct selftest *t, const char *what, int err)
{
    const char *text = demi_last_error();

    snprintf(t->why, sizeof(t->why), "%s: %s", what, text[0] != '\0' ? text : demi_strerror(err));
    return false;
}

/* Waits for one operation and checks that it is of the kind that was started. */
static bool finish(struct selftest *t, const char *what, demi_qtoken_t qt, demi_opcode_t kind, demi_qresult_t *qr)
{
    struct timespec timeout = {.tv_sec = 2};
    int err = demi_wait(qr, qt, &timeout);

    if (err != 0)
        return told(t, what, err);
    if (qr->qr_opcode == kind)
        return true;
    snprintf(t->why, sizeof(t->why), "%s: %s", what, demi_strerror((int)qr->qr_ret));
    return false;
}

static bool join(struct selftest *t, struct ends *e)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(addr);
    demi_qtoken_t accepted, connected;
    demi_qresult_t qr;
    int err;

    if ((err = demi_socket(&e->listener, AF_INET, SOCK_STREAM, 0)) != 0)
        return told(t, "socket", err);
    if ((err = demi_bind(e->listener, (struct sockaddr *)&addr, sizeof(addr))) != 0)
        return told(t, "bind to 127.0.0.1", err);
    if ((err = demi_getsockname(e->listener, (struct sockaddr *)&addr, &len)) != 0)
        return told(t, "getsockname", err);
    if ((err = demi_listen(e->listener, 4)) != 0)
        return told(t, "listen", err);
    if ((err = demi_accept(&accepted, e->listener)) != 0)
        return told(t, "accept", err);
    if ((err = demi_socket(&e->client, AF_INET, SOCK_STREAM, 0)) != 0)
        return told(t, "socket", err);
    if ((err = demi_connect(&connected, e->client, (struct sockaddr *)&addr, sizeof(addr))) != 0)
        return told(t, "connect", err);
    if (!finish(t, "connect", connected, DEMI_OPC_CONNECT, &qr) || !finish(t, "accept", accepted, DEMI_OPC_ACCEPT, &qr))
        return false;
    e->server = qr.qr_value.ares.qd;
    return true;
}

/* A socket of messages with a context of its own, at our address. */
static bool open_messages(struct selftest *t, int *qd, struct sockaddr_in *addr)
{
    socklen_t len = sizeof(*addr);
    int err;

    *addr = (struct sockaddr_in){.sin_family = AF_INET};
    if ((err = demi_socket(qd, AF_INET, SOCK_RDM, 0)) != 0)
        return told(t, "socket", err);
    if ((err = demi_bind(*qd, (struct sockaddr *)addr, sizeof(*addr))) != 0)
        return told(t, "bind", err);
    err = demi_getsockname(*qd, (struct sockaddr *)addr, &len);
    return err == 0 || told(t, "getsockname", err);
}

static bool point(struct selftest *t, int qd, const struct sockaddr_in *to)
{
    demi_qtoken_t connected;
    demi_qresult_t qr;
    int err = demi_connect(&connected, qd, (const struct sockaddr *)to, sizeof(*to));

    return err == 0 ? finish(t, "connect", connected, DEMI_OPC_CONNECT, &qr) : told(t, "connect", err);
}

/* Two contexts of one host. */
static bool join_messages(struct selftest *t, struct ends *e)
{
    struct sockaddr_in client, server;

    return open_messages(t, &e->client, &client) && open_messages(t, &e->server, &server) &&
           point(t, e->client, &server) && point(t, e->server, &client);
}

/* The client of a program that is at the other end of a device. */
static bool join_wire(struct selftest *t, struct ends *e)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(WIRE_PORT)};
    demi_qtoken_t connected;
    demi_qresult_t qr;
    int err;

    inet_pton(AF_INET, "10.77.0.1", &addr.sin_addr);
    if (!wire_join(t, e->driver))
        return false;
    if ((err = demi_socket(&e->client, AF_INET, SOCK_STREAM, 0)) != 0)
        return told(t, "socket", err);
    if ((err = demi_connect(&connected, e->client, (struct sockaddr *)&addr, sizeof(addr))) != 0)
        return told(t, "connect", err);
    return finish(t, "connect", connected, DEMI_OPC_CONNECT, &qr);
}

/* Sends what is in sga from one end to the other; *sga becomes what arrived. */
static bool carry(struct selftest *t, demi_sgarray_t *sga, int from, int to)
{
    demi_qtoken_t pushed, popped;
    demi_qresult_t qr;
    int err;

    if ((err = demi_pop(&popped, to)) != 0)
        return told(t, "pop", err);
    if ((err = demi_push(&pushed, from, sga)) != 0)
        return told(t, "push", err);
    if (!finish(t, "push", pushed, DEMI_OPC_PUSH, &qr))
        return false;
    demi_sgafree(sga);
    if (!finish(t, "pop", popped, DEMI_OPC_POP, &qr))
        return false;
    *sga = qr.qr_value.sga;
    if (sga->sga_numsegs == 1 && sga->sga_segs[0].sgaseg_len == MESSAGE_BYTES)
        return true;
    snprintf(t->why, sizeof(t->why), "a message of %d bytes arrived with another length", MESSAGE_BYTES);
    return false;
}

static bool round_trip(struct selftest *t, const struct ends *e, unsigned char fill)
{
    demi_sgarray_t sga = demi_sgaalloc(MESSAGE_BYTES);
    const unsigned char *bytes;

    if (sga.sga_numsegs == 0)
        return told(t, "sgaalloc", ENOMEM);
    memset(sga.sga_segs[0].sgaseg_buf, fill, MESSAGE_BYTES);
    if (e->driver[0] != '\0' ? !carry(t, &sga, e->client, e->client)
                             : !carry(t, &sga, e->client, e->server) || !carry(t, &sga, e->server, e->client))
        return false;
    bytes = sga.sga_segs[0].sgaseg_buf;
    for (unsigned i = 0; i < MESSAGE_BYTES; i++) {
        if (bytes[i] != fill) {
            snprintf(t->why, sizeof(t->why), "a message came back changed");
            return false;
        }
    }
    demi_sgafree(&sga);
    return true;
}

static uint64_t now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

static void run(struct selftest *t, const char *driver, bool messages)
{
    uint64_t start, took;
    struct ends e = {.driver = driver};
    int err = demi_init(NULL);

    if (err != 0) {
        snprintf(t->why, sizeof(t->why), "%s", demi_last_error());
        return;
    }
    if (messages ? !join_messages(t, &e) : driver[0] != '\0' ? !join_wire(t, &e) : !join(t, &e))
        return;
    t->round_trip_ns = UINT64_MAX;
    for (unsigned i = 0; i < ROUNDS; i++) {
        start = now_ns();
        if (!round_trip(t, &e, (unsigned char)i))
            return;
        took = now_ns() - start;
        t->round_trip_ns = took < t->round_trip_ns ? took : t->round_trip_ns;
    }
    demi_close(e.client);
    if (driver[0] == '\0')
        demi_close(e.server);
    if (driver[0] == '\0' && !messages)
        demi_close(e.listener);
    demi_fini();
    t->works = true;
}

static void child(int out, const char *libos, const char *engine, const char *dir)
{
    struct selftest t = {.works = false};

    bool device = strcmp(libos, "catpowder") == 0, messages = strcmp(libos, "catnano") == 0;

    setenv("LIBOS", libos, 1);
    setenv("RUN_DIR", dir, 1);
    if (strcmp(libos, "catnip") == 0 && getenv("CONFIG_PATH") == NULL) {
        /* The stack's own loopback over a device that takes everything: whether DPDK starts here at all. */
        setenv("EAL", "--no-huge --no-pci --vdev net_null0", 0);
        setenv("NET_ADDRESS", "192.0.2.1/24", 0); /* for documentation (RFC 5737) */
    }
    if (messages) {
        char wire[64];

        snprintf(wire, sizeof(wire), "%s/wire", dir);
        setenv("DRIVER", "ring", 1);
        setenv("DEVICE", wire, 1);
        setenv("NET_ADDRESS", "192.0.2.1/24", 0);
    }
    if (!device && engine[0] != '\0')
        setenv("ENGINE", engine, 1);
    if (!device || wire_make(&t, engine, dir))
        run(&t, device ? engine : "", messages);
    if (write(out, &t, sizeof(t)) != (ssize_t)sizeof(t))
        _exit(1);
    _exit(0);
}

/* Reads the child's answer, or says what became of it. */
static void collect(struct selftest *t, int in, pid_t pid)
{
    struct pollfd pfd = {.fd = in, .events = POLLIN};
    int status = 0;

    if (poll(&pfd, 1, TIMEOUT_MS) == 0) {
        kill(pid, SIGKILL);
        snprintf(t->why, sizeof(t->why), "nothing came back within %d s", TIMEOUT_MS / 1000);
        waitpid(pid, &status, 0);
        return;
    }
    if (read(in, t, sizeof(*t)) != (ssize_t)sizeof(*t))
        memset(t, 0, sizeof(*t));
    waitpid(pid, &status, 0);
    if (!t->works && t->why[0] == '\0' && WIFSIGNALED(status))
        snprintf(t->why, sizeof(t->why), "the test program was killed: %s", strsignal(WTERMSIG(status)));
    else if (!t->works && t->why[0] == '\0')
        snprintf(t->why, sizeof(t->why), "the test program ended without an answer");
}

/* Removes the child's directory, with what a crash left in it. */
static void clean_up(const char *dir, pid_t pid)
{
    static const char *const suffix[] = {"stat", "trace"};
    char path[64];

    static const char *const wires[] = {"wire", "wire.bell0", "wire.bell1"};

    for (size_t i = 0; i < ARRAY_LEN(wires); i++) {
        snprintf(path, sizeof(path), "%s/%s", dir, wires[i]);
        unlink(path);
    }
    for (size_t i = 0; i < ARRAY_LEN(suffix); i++) {
        snprintf(path, sizeof(path), "%s/%d.%d.%s", dir, (int)pid, (int)pid, suffix[i]);
        unlink(path);
    }
    rmdir(dir);
}

void doctor_selftest(struct selftest *t, const char *libos, const char *engine)
{
    char dir[] = "/tmp/demi-doctor-XXXXXX";
    int pipefd[2];
    pid_t pid;

    memset(t, 0, sizeof(*t));
    if (mkdtemp(dir) == NULL) {
        snprintf(t->why, sizeof(t->why), "%s: %s", dir, strerror(errno));
        return;
    }
    if (pipe(pipefd) != 0) {
        snprintf(t->why, sizeof(t->why), "pipe: %s", strerror(errno));
        rmdir(dir);
        return;
    }
    fflush(stdout);
    pid = fork();
    if (pid == 0)
        child(pipefd[1], libos, engine, dir);
    close(pipefd[1]);
    if (pid < 0)
        snprintf(t->why, sizeof(t->why), "fork: %s", strerror(errno));
    else
        collect(t, pipefd[0], pid);
    close(pipefd[0]);
    clean_up(dir, pid);
}
