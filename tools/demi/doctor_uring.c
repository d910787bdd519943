/* SPDX-License-Identifier: MIT */
/*
 * Trying io_uring with bare system calls, so that the answer does not depend on liburing being installed. A feature is
 * there when using it works: version numbers do not tell of backports, containers and settings.
 */
#include "doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#define ENTRIES      4
#define BUFFERS      4
#define BUFFER_BYTES 64
#define PAGE_BYTES   4096

struct ring {
    int fd;
    struct io_uring_params params;
    char *queues; /* both rings: IORING_FEAT_SINGLE_MMAP, Linux 5.4 */
    size_t queues_bytes;
    struct io_uring_sqe *sqes;
};

static int setup(struct io_uring_params *p, unsigned flags)
{
    memset(p, 0, sizeof(*p));
    p->flags = flags;
    return (int)syscall(__NR_io_uring_setup, ENTRIES, p);
}

static bool flags_work(unsigned flags)
{
    struct io_uring_params p;
    int fd = setup(&p, flags);

    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static void ring_close(struct ring *r)
{
    if (r->queues != NULL)
        munmap(r->queues, r->queues_bytes);
    if (r->sqes != NULL)
        munmap(r->sqes, ENTRIES * sizeof(*r->sqes));
    close(r->fd);
}

static bool ring_open(struct ring *r)
{
    void *p;
    size_t cq_bytes;

    memset(r, 0, sizeof(*r));
    r->fd = setup(&r->params, 0);
    if (r->fd < 0)
        return false;
    r->queues_bytes = r->params.sq_off.array + r->params.sq_entries * sizeof(uint32_t);
    cq_bytes = r->params.cq_off.cqes + r->params.cq_entries * sizeof(struct io_uring_cqe);
    if (cq_bytes > r->queues_bytes)
        r->queues_bytes = cq_bytes;
    if ((r->params.features & IORING_FEAT_SINGLE_MMAP) != 0) {
        p = mmap(NULL, r->queues_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, IORING_OFF_SQ_RING);
        r->queues = p == MAP_FAILED ? NULL : p;
        p = mmap(NULL, ENTRIES * sizeof(*r->sqes), PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, IORING_OFF_SQES);
        r->sqes = p == MAP_FAILED ? NULL : p;
    }
    if (r->queues != NULL && r->sqes != NULL)
        return true;
    ring_close(r);
    return false;
}

/* Submits one request and waits a little for its first completion. */
static bool ring_try(struct ring *r, const struct io_uring_sqe *sqe, struct io_uring_cqe *out)
{
    uint32_t *tail = (uint32_t *)(void *)(r->queues + r->params.sq_off.tail);
    uint32_t *array = (uint32_t *)(void *)(r->queues + r->params.sq_off.array);
    const uint32_t *cq_head = (uint32_t *)(void *)(r->queues + r->params.cq_off.head);
    const uint32_t *cq_tail = (uint32_t *)(void *)(r->queues + r->params.cq_off.tail);
    const struct io_uring_cqe *cqes = (struct io_uring_cqe *)(void *)(r->queues + r->params.cq_off.cqes);
    struct pollfd pfd = {.fd = r->fd, .events = POLLIN};

    r->sqes[0] = *sqe;
    array[0] = 0;
    __atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
    if (syscall(__NR_io_uring_enter, r->fd, 1, 0, IORING_ENTER_GETEVENTS, NULL, 0) != 1)
        return false;
    if (poll(&pfd, 1, 500) != 1 || __atomic_load_n(cq_tail, __ATOMIC_ACQUIRE) == *cq_head)
        return false;
    *out = cqes[*cq_head & (r->params.cq_entries - 1)];
    return true;
}

/* A request that is to go on after its first completion, says the kernel. */
static bool multishot_works(struct ring *r, const struct io_uring_sqe *sqe)
{
    struct io_uring_cqe cqe;

    return ring_try(r, sqe, &cqe) && cqe.res >= 0 && (cqe.flags & IORING_CQE_F_MORE) != 0;
}

static bool try_multishot_accept(void)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    socklen_t len = sizeof(sa_family_t); /* the kernel chooses an abstract name */
    int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct io_uring_sqe sqe = {.opcode = IORING_OP_ACCEPT, .fd = server, .ioprio = IORING_ACCEPT_MULTISHOT};
    struct ring r;
    bool works = false;

    if (bind(server, (struct sockaddr *)&name, len) == 0 && listen(server, 4) == 0) {
        len = sizeof(name);
        getsockname(server, (struct sockaddr *)&name, &len);
        if (connect(client, (struct sockaddr *)&name, len) == 0 && ring_open(&r)) {
            works = multishot_works(&r, &sqe);
            ring_close(&r);
        }
    }
    close(server);
    close(client);
    return works;
}

/* A ring of buffers and a receive that takes from it. */
static void try_buffer_ring(bool *buffer_ring, bool *multishot_recv)
{
    struct io_uring_sqe sqe = {
        .opcode = IORING_OP_RECV, .ioprio = IORING_RECV_MULTISHOT, .flags = IOSQE_BUFFER_SELECT, .buf_group = 1};
    struct io_uring_buf_reg reg = {.ring_entries = BUFFERS, .bgid = 1};
    struct io_uring_buf_ring *br;
    static char memory[BUFFERS][BUFFER_BYTES];
    int pair[2] = {-1, -1};
    struct ring r;

    if (!ring_open(&r))
        return;
    br = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (br != MAP_FAILED) {
        reg.ring_addr = (uintptr_t)br;
        *buffer_ring = syscall(__NR_io_uring_register, r.fd, IORING_REGISTER_PBUF_RING, &reg, 1) == 0;
    }
    if (*buffer_ring && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0) {
        for (uint16_t i = 0; i < BUFFERS; i++) {
            br->bufs[i].addr = (uintptr_t)memory[i];
            br->bufs[i].len = BUFFER_BYTES;
            br->bufs[i].bid = i;
        }
        __atomic_store_n(&br->tail, BUFFERS, __ATOMIC_RELEASE);
        sqe.fd = pair[0];
        *multishot_recv = write(pair[1], "x", 1) == 1 && multishot_works(&r, &sqe);
        close(pair[0]);
        close(pair[1]);
    }
    ring_close(&r); /* before the memory that it receives into */
    if (br != MAP_FAILED)
        munmap(br, PAGE_BYTES);
}

static bool try_registered_ring(void)
{
    struct io_uring_rsrc_update up = {.offset = UINT32_MAX};
    struct ring r;
    bool works;

    if (!ring_open(&r))
        return false;
    up.data = (uint64_t)r.fd;
    works = syscall(__NR_io_uring_register, r.fd, IORING_REGISTER_RING_FDS, &up, 1) == 1;
    ring_close(&r);
    return works;
}

/* kernel.io_uring_disabled (Linux 6.6): 0 all may, 1 the privileged and a group, 2 nobody; -1 no such setting. */
static int disabled_setting(void)
{
    int fd = open("/proc/sys/kernel/io_uring_disabled", O_RDONLY | O_CLOEXEC);
    char c = '?';

    if (fd < 0)
        return -1;
    if (read(fd, &c, 1) != 1)
        c = '?';
    close(fd);
    return c >= '0' && c <= '9' ? c - '0' : -1;
}

static void explain_refusal(struct checks *c, int err)
{
    int disabled = disabled_setting();
    struct check *k;

    if (err == ENOSYS) {
        k = check_add(c, "io_uring", VERDICT_BAD, "this kernel, or the container's filter, does not have it");
        check_mend(k, "in a container: start it with --security-opt seccomp=unconfined");
    } else if (err == EPERM && disabled > 0) {
        k = check_add(c, "io_uring", VERDICT_BAD, "turned off: kernel.io_uring_disabled is %d", disabled);
        check_mend(k, "sudo sysctl -w kernel.io_uring_disabled=0");
    } else if (err == EPERM || err == EACCES) {
        k = check_add(c, "io_uring", VERDICT_BAD, "refused (%s): a container's filter or a security module",
                      strerror(err));
        check_mend(k, "in a container: start it with --security-opt seccomp=unconfined");
    } else if (err == ENOMEM) {
        k = check_add(c, "io_uring", VERDICT_BAD, "no locked memory left for a ring");
        check_mend(k, "sudo prlimit --pid $$ --memlock=unlimited:unlimited");
    } else {
        check_add(c, "io_uring", VERDICT_BAD, "a ring cannot be made: %s", strerror(err));
    }
}

/* Adds a word to a list that is joined by commas. */
static void list_add(char *list, size_t size, const char *word)
{
    size_t len = strlen(list);

    snprintf(list + len, size - len, "%s%s", len > 0 ? ", " : "", word);
}

void doctor_uring(struct checks *c)
{
    struct {
        const char *name;
        bool works, wanted;
    } features[] = {{"multishot accept", false, true}, {"multishot receive", false, true},
                    {"buffer rings", false, true},     {"DEFER_TASKRUN", false, false},
                    {"SINGLE_ISSUER", false, false},   {"registered ring", false, false}};
    char have[CHECK_TEXT] = "", lack[CHECK_TEXT / 2] = "";
    struct io_uring_params p;
    bool all = true;
    struct check *k;
    int fd = setup(&p, 0);

    if (fd < 0) {
        explain_refusal(c, errno);
        return;
    }
    close(fd);
    features[0].works = try_multishot_accept();
    try_buffer_ring(&features[2].works, &features[1].works);
    features[3].works = flags_work(IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);
    features[4].works = flags_work(IORING_SETUP_SINGLE_ISSUER);
    features[5].works = try_registered_ring();
    for (size_t i = 0; i < ARRAY_LEN(features); i++) {
        list_add(features[i].works ? have : lack, features[i].works ? sizeof(have) : sizeof(lack), features[i].name);
        all = all && (features[i].works || !features[i].wanted);
    }
    k = check_add(c, "io_uring", all ? VERDICT_GOOD : VERDICT_WARN, "%s%s%s", have, lack[0] != '\0' ? "; without " : "",
                  lack);
    if (!all)
        check_mend(k, "sudo apt-get install -y linux-image-amd64, and reboot: a kernel from 6.0 on has all of it");
}
