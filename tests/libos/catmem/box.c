/* SPDX-License-Identifier: MIT */
#include "box.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

struct conn *box_conn(int qd)
{
    struct queue *q = queue_lookup(&rig_instance()->queues, qd);

    return q != NULL ? conn_of(q) : NULL;
}

void box_turns(unsigned n)
{
    while (n-- > 0) {
        instance_turn(rig_instance());
        instance_look_at_clock(rig_instance());
    }
}

void box_await(const atomic_uint *flag, unsigned value)
{
    uint64_t end = rig_now_ns() + RIG_MS * NS_PER_MS;

    while (atomic_load(flag) < value && rig_now_ns() < end)
        box_turns(1);
    assert_true(atomic_load(flag) >= value);
}

void box_until(const uint64_t *value, uint64_t least)
{
    uint64_t end = rig_now_ns() + RIG_MS * NS_PER_MS;

    while (*value < least && rig_now_ns() < end)
        box_turns(1);
    assert_true(*value >= least);
}

bool box_empty(void)
{
    struct catmem *m = catmem_of(rig_instance());
    uint64_t end = rig_now_ns() + RIG_MS * NS_PER_MS;

    while ((m->slots_used > 0 || m->peers != NULL) && rig_now_ns() < end)
        box_turns(1);
    if (m->slots_used > 0 || m->peers != NULL)
        print_error("left: %u connections, %s\n", m->slots_used, m->peers != NULL ? "a peer" : "no peer");
    return m->slots_used == 0 && m->peers == NULL;
}

struct box *box_new(void)
{
    void *p = mmap(NULL, sizeof(struct box), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    assert_true(p != MAP_FAILED);
    return p;
}

void box_free(struct box *b)
{
    munmap(b, sizeof(*b));
}

void box_die(const char *file, int line, const char *what)
{
    fprintf(stderr, "# child: %s:%d: %s: %s\n", file, line, what, demi_last_error());
    _exit(1);
}

pid_t box_child(box_body *body, struct box *b, unsigned arg)
{
    pid_t child;

    fflush(NULL);
    child = fork();
    assert_true(child >= 0);
    if (child > 0)
        return child;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    MUST(close_range(3, ~0u, 0) == 0);
    MUST(demi_init(NULL) == 0);
    body(b, arg);
    MUST(demi_fini() == 0);
    _exit(0);
}

int box_join(pid_t child)
{
    int status = -1;

    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

void box_kill(pid_t child)
{
    kill(child, SIGKILL);
    box_join(child);
}

demi_qresult_t box_wait(demi_qtoken_t qt)
{
    struct timespec limit = rig_ms(RIG_MS);
    demi_qresult_t qr;

    MUST(demi_wait(&qr, qt, &limit) == 0);
    return qr;
}

demi_qresult_t box_done(demi_qtoken_t qt)
{
    demi_qresult_t qr = box_wait(qt);

    if (qr.qr_opcode == DEMI_OPC_FAILED)
        box_die(__FILE__, __LINE__, demi_strerror((int)qr.qr_ret));
    return qr;
}

int box_listen(struct box *b)
{
    union rig_addr a = rig_loopback(AF_INET, 0);
    socklen_t len = sizeof(a);
    int qd;

    MUST(demi_socket(&qd, AF_INET, SOCK_STREAM, 0) == 0);
    MUST(demi_bind(qd, &a.any, sizeof(a.in)) == 0);
    MUST(demi_listen(qd, 4096) == 0);
    MUST(demi_getsockname(qd, &a.any, &len) == 0);
    atomic_store(&b->port, ntohs(a.in.sin_port));
    return qd;
}

int box_accept(int listener)
{
    demi_qtoken_t qt;

    MUST(demi_accept(&qt, listener) == 0);
    return box_done(qt).qr_value.ares.qd;
}

int box_connect(struct box *b)
{
    union rig_addr a;
    demi_qtoken_t qt;
    int qd;

    while (atomic_load(&b->port) == 0)
        usleep(100);
    a = rig_loopback(AF_INET, (uint16_t)atomic_load(&b->port));
    MUST(demi_socket(&qd, AF_INET, SOCK_STREAM, 0) == 0);
    MUST(demi_connect(&qt, qd, &a.any, sizeof(a.in)) == 0);
    box_done(qt);
    return qd;
}

demi_sgarray_t box_pop(int qd)
{
    demi_qtoken_t qt;

    MUST(demi_pop(&qt, qd) == 0);
    return box_done(qt).qr_value.sga;
}

void box_push(int qd, demi_sgarray_t *sga)
{
    demi_qtoken_t qt;

    MUST(demi_push(&qt, qd, sga) == 0);
    box_done(qt);
    MUST(demi_sgafree(sga) == 0);
}

void box_give(int qd, demi_sgarray_t *sga)
{
    demi_qtoken_t qt;

    MUST(demi_push(&qt, qd, sga) == 0);
    MUST(demi_sgafree(sga) == 0);
    box_done(qt);
}

void box_echo(int qd)
{
    for (;;) {
        demi_qresult_t qr;
        demi_qtoken_t qt;

        MUST(demi_pop(&qt, qd) == 0);
        MUST(demi_wait(&qr, qt, NULL) == 0);
        if (qr.qr_opcode == DEMI_OPC_FAILED)
            return;
        if (qr.qr_value.sga.sga_segs[0].sgaseg_len == 0) {
            MUST(demi_sgafree(&qr.qr_value.sga) == 0);
            return;
        }
        MUST(demi_push(&qt, qd, &qr.qr_value.sga) == 0);
        MUST(demi_sgafree(&qr.qr_value.sga) == 0);
        MUST(demi_wait(&qr, qt, NULL) == 0);
        if (qr.qr_opcode == DEMI_OPC_FAILED)
            return;
    }
}

demi_sgarray_t box_fill(size_t size, unsigned seed)
{
    demi_sgarray_t sga = demi_sgaalloc(size);

    MUST(sga.sga_buf != NULL);
    for (size_t i = 0; i < size; i++)
        ((unsigned char *)sga.sga_segs[0].sgaseg_buf)[i] = (unsigned char)(i % 251 + i / 251 * 7 + seed);
    return sga;
}
