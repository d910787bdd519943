/* SPDX-License-Identifier: MIT */
#include "api/rig.h"

#include "api/rig_stack.h"
#include "libos/catnap/catnap.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

static struct rig_pools at_start;
static bool skipped; /* the test gave up in the middle and leaves what it has to demi_fini */
static char run_dir[64];
static pid_t made_by;

static void remove_run_dir(void)
{
    if (getpid() == made_by)
        rmdir(run_dir);
}

/* catpowder here stands on a ring that nobody else is at: the host talks to itself. */
static void use_ring(void)
{
    char path[sizeof(run_dir) + 8];

    snprintf(path, sizeof(path), "%s/wire", run_dir);
    setenv("DRIVER", "ring", 1);
    setenv("DEVICE", path, 1);
    setenv("NET_ADDRESS", "10.0.0.1/24, fd00::1/64", 1);
}

/* The module that the environment asks for: is it in this build? */
static bool module_is_built(void)
{
    const char *dir = getenv("CARACAL_MODULES");
    char path[512];

    snprintf(path, sizeof(path), "%s/caracal-uring.so", dir == NULL ? "" : dir);
    return access(path, R_OK) == 0;
}

/* One for each test program, so that tests of the demi command do not see these instances. */
void rig_make_run_dir(void)
{
    snprintf(run_dir, sizeof(run_dir), "/tmp/caracal-rig-XXXXXX");
    if (mkdtemp(run_dir) != NULL) {
        made_by = getpid();
        setenv("RUN_DIR", run_dir, 1);
        atexit(remove_run_dir);
        if (rig_network("catpowder") && getenv("DRIVER") == NULL)
            use_ring();
    }
}

bool rig_available(void)
{
    const char *libos = getenv("LIBOS");
    int err = demi_init(NULL);

    if (err == 0)
        return demi_fini() == 0;
    if ((err == ENOENT && (!rig_engine("uring") || !module_is_built())) || err == EPERM || err == ENOSYS) {
        printf("skip %s/%s %s\n", libos == NULL ? "catnap" : libos, rig_engine("uring") ? "uring" : "epoll",
               demi_last_error());
        return false;
    }
    printf("# demi_init: %d: %s\n", err, demi_last_error());
    return true; /* and every test will fail */
}

bool rig_libos(const char *name)
{
    const char *libos = getenv("LIBOS");

    return strcmp(libos == NULL || libos[0] == '\0' ? "catnap" : libos, name) == 0;
}

bool rig_network(const char *name)
{
    const char *libos = getenv("LIBOS");
    size_t len = strlen(name);

    return rig_libos(name) || (libos != NULL && strncmp(libos, name, len) == 0 && libos[len] == '+');
}

bool rig_engine(const char *name)
{
    const char *engine = getenv("ENGINE");

    return strcmp(engine == NULL || engine[0] == '\0' ? "epoll" : engine, name) == 0;
}

static void skip_for(const char *why)
{
    printf("# skip: %s\n", why);
    fflush(stdout);
    skipped = true;
    skip();
}

void rig_need_kernel(const char *why)
{
    if (!rig_libos("catnap"))
        skip_for(why);
}

void rig_need_instances(void)
{
    if (rig_network("catnip") && getenv("CLIENT_DEVICE") == NULL)
        skip_for("this device has no other end, and this test's ends are two instances");
    if (rig_network("sim"))
        skip_for("a simulated network lies inside one instance, and this test's ends are two");
}

struct instance *rig_instance(void)
{
    return api_self.inst;
}

void rig_measure(struct rig_pools *p)
{
    struct instance *inst = rig_instance();

    p->ops = inst->ops.used;
    p->queues = inst->queues.used;
    p->bytes = mem_bytes_used(&inst->mem);
    if (rig_network("catnap")) /* kept for the next receives */
        p->bytes -=
            catnap_of(inst)->lent_bytes + (catnap_of(inst)->spare != NULL ? mem_room(catnap_of(inst)->spare) : 0);
    if (rig_network("catpowder") ||
        rig_network("catnip")) /* connections in TIME_WAIT have that object, and nothing else */
        p->bytes -= inst->stat->value[CTR_tcp_conns_now] * rig_conn_bytes(&inst->mem);
}

bool rig_settle(const struct rig_pools *p)
{
    uint64_t end = rig_now_ns() + 20 * NS_PER_S; /* for a busy machine: it takes no time */
    struct timespec minutes = {.tv_sec = 400};
    struct rig_pools now;
    demi_qresult_t qr;
    int n;

    if (rig_network("sim")) /* where time costs nothing, TIME_WAIT and TCP's user timeout pass */
        demi_wait_next_n(&qr, 1, &n, &minutes);
    do {
        instance_turn(rig_instance());
        instance_look_at_clock(rig_instance());
        rig_measure(&now);
        if (now.ops == p->ops && now.queues == p->queues && now.bytes <= p->bytes)
            return true;
    } while (rig_now_ns() < end);
    print_error("left: %d operations, %d queues, %lld bytes\n", (int)(now.ops - p->ops), (int)(now.queues - p->queues),
                (long long)(now.bytes - p->bytes));
    return false;
}

bool rig_prepare(void)
{
    rig_make_run_dir();
    return rig_available();
}

int rig_setup(void **state)
{
    int err = demi_init(NULL);

    (void)state;
    if (err != 0) {
        print_error("demi_init: %d: %s\n", err, demi_last_error());
        return -1;
    }
    rig_measure(&at_start);
    skipped = false;
    return 0;
}

int rig_teardown(void **state)
{
    bool clean;

    (void)state;
    if (rig_instance() == NULL) /* the test ended it */
        return 0;
    clean = skipped || rig_settle(&at_start);
    return demi_fini() == 0 && clean ? 0 : -1;
}

struct timespec rig_ms(long ms)
{
    return (struct timespec){ms / 1000, ms % 1000 * 1000000};
}

uint64_t rig_now_ns(void)
{
    struct instance *inst = rig_instance();

    return inst != NULL && inst->clock.virtual_ns != NULL ? clock_now_ns(&inst->clock) : clock_gettime_ns();
}

union rig_addr rig_loopback(int domain, uint16_t port)
{
    union rig_addr a;

    memset(&a, 0, sizeof(a));
    a.any.sa_family = (sa_family_t)domain;
    if (domain == AF_INET) { /* in a simulated network the first host, so that what is said goes over the network */
        a.in.sin_addr.s_addr = htonl(rig_libos("sim") ? 0x0a000001 : INADDR_LOOPBACK);
        a.in.sin_port = htons(port);
    } else {
        a.in6.sin6_addr = rig_libos("sim") ? (struct in6_addr){{{0xfd, [15] = 1}}} : in6addr_loopback;
        a.in6.sin6_port = htons(port);
    }
    return a;
}

union rig_addr rig_from(int domain)
{
    union rig_addr a = rig_loopback(domain, 0);

    if (rig_libos("sim") && domain == AF_INET) /* the second host */
        a.in.sin_addr.s_addr = htonl(0x0a000002);
    else if (rig_libos("sim"))
        a.in6.sin6_addr.s6_addr[15] = 2;
    return a;
}

socklen_t rig_len(const union rig_addr *a)
{
    return a->any.sa_family == AF_INET ? sizeof(a->in) : sizeof(a->in6);
}

union rig_addr rig_name(int qd)
{
    union rig_addr a;
    socklen_t len = sizeof(a);

    memset(&a, 0, sizeof(a));
    assert_int_equal(demi_getsockname(qd, &a.any, &len), 0);
    assert_int_equal(len, rig_len(&a));
    return a;
}

int rig_socket(int domain, int type)
{
    int qd = -1;

    if (type == SOCK_DGRAM && !rig_libos("sim") && !rig_libos("catpowder"))
        rig_need_kernel("this libOS has no datagrams");
    assert_int_equal(demi_socket(&qd, domain, type, 0), 0);
    assert_true(qd >= 500);
    return qd;
}

int rig_bound(int domain, int type)
{
    union rig_addr a = rig_loopback(domain, 0);
    int qd = rig_socket(domain, type);

    assert_int_equal(demi_bind(qd, &a.any, rig_len(&a)), 0);
    return qd;
}

int rig_listening(int domain, union rig_addr *a)
{
    int qd = rig_bound(domain, SOCK_STREAM);

    *a = rig_name(qd);
    assert_int_equal(demi_listen(qd, 4096), 0);
    return qd;
}

struct rig_pair rig_pair(int domain)
{
    union rig_addr a;
    int listener = rig_listening(domain, &a);
    struct rig_pair p = {.client = rig_socket(domain, SOCK_STREAM)};
    demi_qtoken_t accept, connect;

    assert_int_equal(demi_accept(&accept, listener), 0);
    assert_int_equal(demi_connect(&connect, p.client, &a.any, rig_len(&a)), 0);
    rig_done(connect, DEMI_OPC_CONNECT);
    p.server = rig_done(accept, DEMI_OPC_ACCEPT).qr_value.ares.qd;
    assert_int_equal(demi_close(listener), 0);
    return p;
}

void rig_pair_close(struct rig_pair p)
{
    assert_int_equal(demi_close(p.client), 0);
    assert_int_equal(demi_close(p.server), 0);
}

demi_sgarray_t rig_sga(const char *text)
{
    size_t len = strlen(text);
    demi_sgarray_t sga = demi_sgaalloc(len);

    assert_non_null(sga.sga_buf);
    memcpy(sga.sga_segs[0].sgaseg_buf, text, len);
    return sga;
}

/* The byte at a place: a pattern whose period is no power of two. */
static unsigned char filler(size_t at, unsigned seed)
{
    return (unsigned char)(at % 251 + at / 251 * 7 + seed);
}

demi_sgarray_t rig_sga_fill(size_t size, unsigned seed)
{
    demi_sgarray_t sga = demi_sgaalloc(size);
    unsigned char *buf = sga.sga_segs[0].sgaseg_buf;

    assert_non_null(sga.sga_buf);
    for (size_t i = 0; i < size; i++)
        buf[i] = filler(i, seed);
    return sga;
}

bool rig_filled(const void *buf, size_t size, unsigned seed)
{
    const unsigned char *bytes = buf;

    for (size_t i = 0; i < size; i++)
        if (bytes[i] != filler(i, seed))
            return false;
    return true;
}

char *rig_bytes(demi_sgarray_t *sga)
{
    return sga->sga_segs[0].sgaseg_buf;
}

uint32_t rig_length(const demi_sgarray_t *sga)
{
    return sga->sga_segs[0].sgaseg_len;
}

void rig_free(demi_sgarray_t *sga)
{
    assert_int_equal(demi_sgafree(sga), 0);
}

demi_qtoken_t rig_push(int qd, const demi_sgarray_t *sga)
{
    demi_qtoken_t qt = 0;
    int err = demi_push(&qt, qd, sga);

    if (err != 0)
        fail_msg("demi_push: %d: %s", err, demi_last_error());
    return qt;
}

demi_qtoken_t rig_pop(int qd)
{
    demi_qtoken_t qt = 0;
    int err = demi_pop(&qt, qd);

    if (err != 0)
        fail_msg("demi_pop: %d: %s", err, demi_last_error());
    return qt;
}

demi_qresult_t rig_wait(demi_qtoken_t qt)
{
    struct timespec limit = rig_ms(RIG_MS);
    demi_qresult_t qr;
    int err = demi_wait(&qr, qt, &limit);

    if (err != 0)
        fail_msg("demi_wait: %d: %s", err, demi_last_error());
    assert_int_equal(qr.qr_qt, qt);
    return qr;
}

demi_qresult_t rig_done(demi_qtoken_t qt, demi_opcode_t opcode)
{
    demi_qresult_t qr = rig_wait(qt);

    if (qr.qr_opcode == DEMI_OPC_FAILED)
        fail_msg("operation failed: %s", demi_strerror((int)qr.qr_ret));
    assert_int_equal(qr.qr_opcode, opcode);
    assert_int_equal(qr.qr_ret, 0);
    return qr;
}

void rig_failed(demi_qtoken_t qt, int err)
{
    demi_qresult_t qr = rig_wait(qt);

    assert_int_equal(qr.qr_opcode, DEMI_OPC_FAILED);
    if (qr.qr_ret != err)
        fail_msg("failed with \"%s\" and not \"%s\"", demi_strerror((int)qr.qr_ret), demi_strerror(err));
}

void rig_complete(demi_qtoken_t qt)
{
    uint64_t end = rig_now_ns() + RIG_MS * NS_PER_MS;
    const struct op *op = op_lookup(&rig_instance()->ops, qt);

    assert_non_null(op);
    while (op->state != OP_DONE && rig_now_ns() < end)
        instance_turn(rig_instance());
    assert_int_equal(op->state, OP_DONE);
}

bool rig_pending(demi_qtoken_t qt)
{
    demi_qresult_t qr;
    int err = EAGAIN;

    for (unsigned turn = 0; turn < 50 && err == EAGAIN; turn++)
        err = demi_poll(&qr, qt);
    return err == EAGAIN;
}

void rig_send(int qd, const char *text)
{
    demi_sgarray_t sga = rig_sga(text);

    rig_done(rig_push(qd, &sga), DEMI_OPC_PUSH);
    rig_free(&sga);
}

void rig_arrives(int qd, const void *bytes, size_t size)
{
    size_t got = 0;

    while (got < size) {
        demi_qtoken_t qt;
        demi_qresult_t qr;
        uint32_t n;

        assert_int_equal(demi_pop_n(&qt, qd, size - got), 0);
        qr = rig_done(qt, DEMI_OPC_POP);
        n = rig_length(&qr.qr_value.sga);
        if (n == 0 || n > size - got)
            fail_msg("%u bytes came where %zu were to come", n, size - got);
        assert_memory_equal(rig_bytes(&qr.qr_value.sga), (const char *)bytes + got, n);
        got += n;
        rig_free(&qr.qr_value.sga);
    }
}

void rig_expect(int qd, const char *text)
{
    rig_arrives(qd, text, strlen(text));
}

void rig_expect_end(int qd)
{
    demi_qresult_t qr = rig_done(rig_pop(qd), DEMI_OPC_POP);

    assert_int_equal(rig_length(&qr.qr_value.sga), 0);
    rig_free(&qr.qr_value.sga);
}

int rig_plain_nobody(int domain, union rig_addr *a)
{
    socklen_t len = sizeof(*a);
    int fd;

    rig_need_kernel("plain sockets do not reach this libOS");
    fd = socket(domain, SOCK_STREAM | SOCK_CLOEXEC, 0);
    *a = rig_loopback(domain, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, &a->any, rig_len(a)), 0);
    assert_int_equal(getsockname(fd, &a->any, &len), 0);
    return fd;
}

int rig_plain_listen(int domain, union rig_addr *a)
{
    int fd = rig_plain_nobody(domain, a);

    assert_int_equal(listen(fd, 128), 0);
    return fd;
}

int rig_plain_connect(const union rig_addr *a)
{
    int fd;

    rig_need_kernel("plain sockets do not reach this libOS");
    fd = socket(a->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, &a->any, rig_len(a)), 0);
    return fd;
}

void rig_plain_reset(int fd)
{
    struct linger l = {1, 0};

    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l)), 0);
    assert_int_equal(close(fd), 0);
}

void rig_await_reset(int qd)
{
    uint64_t end = rig_now_ns() + RIG_MS * NS_PER_MS;
    struct tcp_info info = {.tcpi_state = TCP_ESTABLISHED};
    socklen_t len = sizeof(info);

    while (info.tcpi_state != TCP_CLOSE && rig_now_ns() < end)
        assert_int_equal(demi_getsockopt(qd, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
    assert_int_equal(info.tcpi_state, TCP_CLOSE);
}

struct rig_half rig_half(int domain)
{
    union rig_addr a;
    int listener = rig_plain_listen(domain, &a);
    struct rig_half h = {.qd = rig_socket(domain, SOCK_STREAM)};
    demi_qtoken_t qt;

    assert_int_equal(demi_connect(&qt, h.qd, &a.any, rig_len(&a)), 0);
    rig_done(qt, DEMI_OPC_CONNECT);
    h.fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    assert_true(h.fd >= 0);
    close(listener);
    return h;
}

void rig_says(int result, int err, const char *text)
{
    assert_int_equal(result, err);
    if (strstr(demi_last_error(), text) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", demi_last_error(), text);
}

struct rig_half rig_connecting(int domain, demi_qtoken_t *qt)
{
    union rig_addr a = rig_loopback(domain, 0);
    socklen_t len = sizeof(a);
    struct rig_half h;

    rig_need_kernel("a full backlog refuses in this libOS");
    h.fd = socket(domain, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(h.fd, &a.any, rig_len(&a)), 0);
    assert_int_equal(listen(h.fd, 0), 0);
    assert_int_equal(getsockname(h.fd, &a.any, &len), 0);
    for (unsigned tries = 0; tries < 16; tries++) {
        h.qd = rig_socket(domain, SOCK_STREAM);
        assert_int_equal(demi_connect(qt, h.qd, &a.any, rig_len(&a)), 0);
        if (rig_pending(*qt))
            return h; /* the kernel drops what does not fit the backlog: the connect goes on for seconds */
        assert_int_equal(demi_close(h.qd), 0);
    }
    fail_msg("a full listener still accepts");
    return h;
}

const int rig_bad_qd[7] = {-1, 0, 3, 499, 1000000, INT32_MAX, INT32_MIN};

void rig_zoo(struct rig_zoo *z)
{
    struct rig_half half = rig_connecting(AF_INET, &z->connect);
    struct rig_pair pair = rig_pair(AF_INET);
    union rig_addr a;

    z->qd[RIG_FRESH] = rig_socket(AF_INET, SOCK_STREAM);
    z->qd[RIG_BOUND] = rig_bound(AF_INET, SOCK_STREAM);
    z->qd[RIG_LISTENING] = rig_listening(AF_INET, &a);
    z->qd[RIG_CONNECTING] = half.qd;
    z->qd[RIG_CONNECTED] = pair.client;
    z->qd[RIG_DGRAM] = rig_socket(AF_INET, SOCK_DGRAM);
    z->qd[RIG_DGRAM_BOUND] = rig_bound(AF_INET, SOCK_DGRAM);
    assert_int_equal(demi_queue(&z->qd[RIG_MEMORY]), 0);
    z->peer = pair.server;
    z->fd = half.fd;
}

void rig_zoo_close(struct rig_zoo *z)
{
    for (unsigned kind = 0; kind < RIG_KINDS; kind++)
        assert_int_equal(demi_close(z->qd[kind]), 0);
    assert_int_equal(demi_close(z->peer), 0);
    rig_failed(z->connect, ECANCELED);
    close(z->fd);
}
