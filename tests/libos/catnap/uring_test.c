/* SPDX-License-Identifier: MIT */
/* What is particular to the io_uring engine. What it has in common with the other one is tested in tests/api. */
#include "libos/catnap/uring_rig.h"
#include "open_files.h"

#include "core/module.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define BIG (16 << 20)

static unsigned refused_flags; /* IORING_SETUP_ flags that this kernel pretends not to know */

typedef int init_params_fn(unsigned entries, struct io_uring *ring, struct io_uring_params *p);
__attribute__((visibility("default"))) init_params_fn io_uring_queue_init_params;

/* Stands in front of the library's. */
int io_uring_queue_init_params(unsigned entries, struct io_uring *ring, struct io_uring_params *p)
{
    void *lib = dlopen("liburing.so.2", RTLD_NOW | RTLD_NOLOAD);
    union {
        void *found;
        init_params_fn *call;
    } next = {.found = lib == NULL ? NULL : dlsym(lib, "io_uring_queue_init_params")};

    if (next.found == NULL)
        return -ENOSYS;
    dlclose(lib); /* the module holds it */
    return (p->flags & refused_flags) != 0 ? -EINVAL : next.call(entries, ring, p);
}

static void module__of_another_build_is_refused(void **state)
{
    static const struct module_mark mark = MODULE_MARK;
    char path[512], dir[] = "/tmp/caracal-uring-test-XXXXXX", copy[64], *bytes, *at;
    const char *modules = getenv("CARACAL_MODULES");
    struct stat st;
    int fd;

    (void)state;
    snprintf(path, sizeof(path), "%s/caracal-uring.so", modules);
    fd = open(path, O_RDONLY);
    assert_int_equal(fstat(fd, &st), 0);
    bytes = malloc((size_t)st.st_size);
    assert_int_equal(read(fd, bytes, (size_t)st.st_size), st.st_size);
    close(fd);
    at = memmem(bytes, (size_t)st.st_size, &mark, sizeof(mark));
    assert_non_null(at);
    at[offsetof(struct module_mark, queue_bytes)] ^= 64;
    assert_non_null(mkdtemp(dir));
    snprintf(copy, sizeof(copy), "%s/caracal-uring.so", dir);
    fd = open(copy, O_WRONLY | O_CREAT, 0700);
    assert_int_equal(write(fd, bytes, (size_t)st.st_size), st.st_size);
    close(fd);
    free(bytes);
    snprintf(path, sizeof(path), "%s", modules);
    setenv("CARACAL_MODULES", dir, 1);
    rig_says(demi_init(NULL), EINVAL, "another build");
    setenv("CARACAL_MODULES", path, 1);
    unlink(copy);
    rmdir(dir);
}

static void ring__works_with_less(void **state)
{
    static const unsigned less[] = {IORING_SETUP_DEFER_TASKRUN, IORING_SETUP_SINGLE_ISSUER,
                                    IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_COOP_TASKRUN};
    static const char *const idle[] = {"spin", "adaptive", "block"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(less) * ARRAY_LEN(idle); i++) {
        struct rig_pair p;

        refused_flags = less[i / ARRAY_LEN(idle)];
        setenv("IDLE", idle[i % ARRAY_LEN(idle)], 1);
        assert_int_equal(demi_init(NULL), 0);
        assert_int_equal(engine()->flags & refused_flags, 0);
        p = rig_pair(AF_INET);
        for (unsigned k = 0; k < 50; k++) {
            rig_send(p.client, "question");
            rig_expect(p.server, "question");
            rig_send(p.server, "answer");
            rig_expect(p.client, "answer");
        }
        rig_pop(p.client);
        rig_pair_close(p);
        assert_true(quiet());
        assert_int_equal(demi_fini(), 0);
    }
    refused_flags = 0;
}

/* The kernel was told to end its request when the call returns: the peer sees it without another call of ours. */
static void close__tells_the_peer_at_once(void **state)
{
    struct rig_half h = rig_half(AF_INET);
    demi_qtoken_t pop = rig_pop(h.qd);
    struct pollfd p = {.fd = h.fd, .events = POLLIN};
    char c;

    (void)state;
    turns(2);
    assert_int_not_equal(endpoint(h.qd)->input, 0);
    assert_int_equal(demi_close(h.qd), 0);
    assert_int_equal(poll(&p, 1, 1000), 1);
    assert_int_equal(read(h.fd, &c, 1), 0);
    rig_failed(pop, ECANCELED);
    close(h.fd);
}

static void close__sends_what_was_pushed_in_a_batch(void **state)
{
    enum { N = 4 };
    struct rig_half h[N];
    demi_qtoken_t pop[N], push[N];
    demi_sgarray_t sga = rig_sga("reply");
    char got[5];

    (void)state;
    for (unsigned i = 0; i < N; i++) {
        h[i] = rig_half(AF_INET);
        pop[i] = rig_pop(h[i].qd);
    }
    turns(2);
    for (unsigned i = 0; i < N; i++)
        say(h[i].fd, "request");
    for (unsigned i = 0; i < N; i++) {
        demi_qresult_t qr = rig_done(pop[i], DEMI_OPC_POP);

        rig_free(&qr.qr_value.sga);
    }
    assert_true(engine()->batch >= 2);
    for (unsigned i = 0; i < N; i++) {
        push[i] = rig_push(h[i].qd, &sga);
        assert_int_not_equal(endpoint(h[i].qd)->output, 0);
    }
    for (unsigned i = 0; i < N; i++) {
        assert_int_equal(demi_close(h[i].qd), 0);
        rig_failed(push[i], ECANCELED);
        assert_int_equal(recv(h[i].fd, got, 5, MSG_WAITALL), 5);
        close(h[i].fd);
    }
    rig_free(&sga);
}

/* One of everything the kernel can hold. */
struct under_way {
    union rig_addr a;
    int listener, datagram;
    struct rig_half receiving, sending, connecting;
    demi_qtoken_t token[5];
};

static void start_everything(struct under_way *w)
{
    demi_sgarray_t big = rig_sga_fill(BIG, 1);

    w->listener = rig_listening(AF_INET, &w->a);
    w->datagram = rig_bound(AF_INET, SOCK_DGRAM);
    w->receiving = rig_half(AF_INET);
    w->sending = rig_half(AF_INET);
    w->connecting = rig_connecting(AF_INET, &w->token[0]);
    assert_int_equal(demi_accept(&w->token[1], w->listener), 0);
    w->token[2] = rig_pop(w->datagram);
    w->token[3] = rig_pop(w->receiving.qd);
    w->token[4] = rig_push(w->sending.qd, &big);
    rig_free(&big);
    turns(3);
}

static void close__with_requests_under_way(void **state)
{
    struct under_way w;

    (void)state;
    for (unsigned i = 0; i < 20; i++) {
        start_everything(&w);
        assert_true(engine()->requests_used >= 5);
        assert_int_equal(demi_close(w.listener), 0);
        assert_int_equal(demi_close(w.datagram), 0);
        assert_int_equal(demi_close(w.connecting.qd), 0);
        half_close(w.receiving);
        half_close(w.sending);
        close(w.connecting.fd);
        for (unsigned k = 0; k < 5; k++)
            rig_failed(w.token[k], ECANCELED);
    }
    assert_true(quiet());
}

static void fini__with_requests_under_way(void **state)
{
    unsigned files = open_files();

    (void)state;
    setenv("IDLE", "block", 1);
    for (unsigned i = 0; i < 20; i++) {
        struct under_way w;

        assert_int_equal(demi_init(NULL), 0);
        start_everything(&w);
        assert_true(engine()->requests_used >= 5);
        assert_int_equal(demi_fini(), 0);
        close(w.connecting.fd);
        close(w.receiving.fd);
        close(w.sending.fd);
        assert_int_equal(open_files(), files);
    }
}

/* What came for an operation that was given up is there for the next; the kernel's request is the same. */
static void cancel__leaves_the_request_to_the_next_pop(void **state)
{
    struct rig_half h = rig_half(AF_INET);
    demi_qtoken_t pop = rig_pop(h.qd);
    uint32_t input;

    (void)state;
    turns(2);
    input = endpoint(h.qd)->input;
    assert_int_not_equal(input, 0);
    assert_int_equal(demi_cancel(pop), 0);
    say(h.fd, "one");
    turns(2);
    assert_int_equal(endpoint(h.qd)->piece_count, 1);
    rig_expect(h.qd, "one");
    say(h.fd, "two");
    rig_expect(h.qd, "two");
    assert_int_equal(endpoint(h.qd)->input, input);
    half_close(h);
}

/* The kernel reads from the buffer until it has answered, and no longer. */
static void cancel__of_a_send_gives_its_buffer_back(void **state)
{
    struct rig_half h = rig_half(AF_INET);
    demi_sgarray_t big = rig_sga_fill(BIG, 2);
    demi_qtoken_t push = rig_push(h.qd, &big);
    struct rig_pools before, now;

    (void)state;
    rig_free(&big);
    turns(3);
    assert_int_not_equal(endpoint(h.qd)->output, 0);
    rig_measure(&before);
    assert_int_equal(demi_cancel(push), 0);
    turns(3);
    rig_measure(&now);
    assert_int_equal(endpoint(h.qd)->output, 0);
    assert_true(now.bytes + BIG <= before.bytes);
    half_close(h);
}

static void cancel__of_a_send_lets_the_next_one_go(void **state)
{
    struct rig_half h = rig_half(AF_INET);
    demi_sgarray_t big = rig_sga_fill(BIG, 2), last = rig_sga("last");
    demi_qtoken_t push[2] = {rig_push(h.qd, &big), rig_push(h.qd, &last)};
    char *got = malloc(BIG), tail[4] = "";
    ssize_t n;

    (void)state;
    turns(3);
    assert_int_equal(demi_cancel(push[0]), 0);
    do {
        turns(1);
        while ((n = recv(h.fd, got, BIG, MSG_DONTWAIT)) > 0)
            memcpy(tail, n >= 4 ? got + n - 4 : got, 4);
    } while (memcmp(tail, "last", 4) != 0);
    rig_done(push[1], DEMI_OPC_PUSH);
    rig_free(&big);
    rig_free(&last);
    free(got);
    half_close(h);
}

/* Answers to many requests of one turn leave in one system call. */
static void push__many_in_one_call(void **state)
{
    enum { N = 32 };
    struct rig_half h[N];
    demi_qtoken_t pop[N], push[N];
    demi_sgarray_t sga[N];
    uint64_t calls;

    (void)state;
    for (unsigned i = 0; i < N; i++) {
        h[i] = rig_half(AF_INET);
        pop[i] = rig_pop(h[i].qd);
    }
    turns(2);
    for (unsigned i = 0; i < N; i++)
        say(h[i].fd, "question");
    calls = counted(CTR_syscalls);
    for (unsigned i = 0; i < N; i++)
        sga[i] = rig_done(pop[i], DEMI_OPC_POP).qr_value.sga;
    for (unsigned i = 0; i < N; i++)
        push[i] = rig_push(h[i].qd, &sga[i]);
    for (unsigned i = 0; i < N; i++) {
        rig_done(push[i], DEMI_OPC_PUSH);
        rig_free(&sga[i]);
    }
    assert_in_range(counted(CTR_syscalls) - calls, 1, N / 2);
    for (unsigned i = 0; i < N; i++) {
        char got[8];

        assert_int_equal(recv(h[i].fd, got, 8, MSG_WAITALL), 8);
        half_close(h[i]);
    }
}

static void accept__does_not_run_ahead(void **state)
{
    enum { N = 300 };
    union rig_addr a;
    int listener = rig_listening(AF_INET, &a), fd[N], refused = 0;
    demi_qtoken_t accept;

    (void)state;
    assert_int_equal(demi_accept(&accept, listener), 0);
    turns(1);
    for (unsigned i = 0; i < N; i++) {
        fd[i] = rig_plain_connect(&a);
        turns(1);
        assert_true(endpoint(listener)->piece_count <= URING_PIECES_STOP + 2);
    }
    assert_int_equal(demi_close(rig_done(accept, DEMI_OPC_ACCEPT).qr_value.ares.qd), 0);
    for (unsigned i = 1; i < N / 2; i++) {
        assert_int_equal(demi_accept(&accept, listener), 0);
        assert_int_equal(demi_close(rig_done(accept, DEMI_OPC_ACCEPT).qr_value.ares.qd), 0);
    }
    assert_int_equal(demi_close(listener), 0);
    for (unsigned i = 0; i < N; i++) {
        struct pollfd p = {.fd = fd[i], .events = POLLIN};

        refused += poll(&p, 1, 1000) == 1; /* closed or reset, accepted ahead or not */
        close(fd[i]);
    }
    assert_int_equal(refused, N);
}

static uint64_t cpu_us(void)
{
    struct rusage r;

    getrusage(RUSAGE_THREAD, &r);
    return (uint64_t)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1000000 +
           (uint64_t)(r.ru_utime.tv_usec + r.ru_stime.tv_usec);
}

/* A sleeping wait costs nothing and ends with the message, again and again, and on every queue. */
static void sleep__ends_with_a_message(void **state)
{
    struct rig_half h[2] = {rig_half(AF_INET), rig_half(AF_INET)};
    demi_qtoken_t pop[2] = {rig_pop(h[0].qd), rig_pop(h[1].qd)};
    uint64_t cpu = cpu_us(), sleeps = counted(CTR_sleeps);
    pid_t child = fork();

    (void)state;
    if (child == 0) {
        for (unsigned i = 0; i < 6; i++) {
            usleep(50000);
            if (write(h[i % 2].fd, "x", 1) != 1)
                _exit(1);
        }
        _exit(0);
    }
    for (unsigned i = 0; i < 6; i++) {
        demi_qresult_t qr;
        int at;

        assert_int_equal(demi_wait_any(&qr, &at, pop, 2, NULL), 0);
        assert_int_equal(at, i % 2);
        rig_free(&qr.qr_value.sga);
        pop[at] = rig_pop(h[at].qd);
    }
    assert_in_range(counted(CTR_sleeps) - sleeps, 6, 60);
    assert_true(cpu_us() - cpu < 100000);
    assert_int_equal(waitpid(child, NULL, 0), child);
    half_close(h[0]);
    half_close(h[1]);
    rig_failed(pop[0], ECANCELED);
    rig_failed(pop[1], ECANCELED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(module__of_another_build_is_refused),
        cmocka_unit_test(ring__works_with_less),
        BLOCK(close__tells_the_peer_at_once),
        BLOCK(close__sends_what_was_pushed_in_a_batch),
        BLOCK(close__with_requests_under_way),
        cmocka_unit_test(fini__with_requests_under_way),
        BLOCK(cancel__leaves_the_request_to_the_next_pop),
        BLOCK(cancel__of_a_send_gives_its_buffer_back),
        BLOCK(cancel__of_a_send_lets_the_next_one_go),
        BLOCK(push__many_in_one_call),
        BLOCK(accept__does_not_run_ahead),
        BLOCK(sleep__ends_with_a_message),
    };

    setenv("ENGINE", "uring", 1);
    setenv("MEMORY_LIMIT", "256m", 1);
    return RIG_RUN(tests);
}
