/* SPDX-License-Identifier: MIT */
/* Peers that break the rules: greetings of every malformed kind, records and indices nobody would write, noise. */
#include "box.h"
#include "libos/catmem/greet.h"
#include "open_files.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/un.h>
#include <unistd.h>

static socklen_t name_of(struct sockaddr_un *un, uint16_t port)
{
    int n;

    memset(un, 0, sizeof(*un));
    un->sun_family = AF_UNIX;
    n = snprintf(un->sun_path + 1, sizeof(un->sun_path) - 1, "caracal-catmem/%u/4/7f000001/%u", geteuid(), port);
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
}

/* Greetings. */

/* What a greeting is now; the tests bend copies of a real one. */
struct raw {
    struct greeting g;
    int fd[8];
    int fds;
    size_t len;
};

static void raw_send(int fd, const struct raw *r)
{
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(8 * sizeof(int))];
    } control = {0};
    struct iovec iov = {(void *)(uintptr_t)&r->g, r->len};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

    if (r->fds > 0) {
        msg.msg_control = &control;
        msg.msg_controllen = CMSG_SPACE((size_t)r->fds * sizeof(int));
        control.head.cmsg_level = SOL_SOCKET;
        control.head.cmsg_type = SCM_RIGHTS;
        control.head.cmsg_len = CMSG_LEN((size_t)r->fds * sizeof(int));
        memcpy(CMSG_DATA(&control.head), r->fd, (size_t)r->fds * sizeof(int));
    }
    assert_int_equal(sendmsg(fd, &msg, MSG_NOSIGNAL), (ssize_t)r->len);
}

/* A greeting that would be accepted. */
static struct raw raw_sound(void)
{
    struct raw r = {.g = {.magic = GREETING_MAGIC,
                          .version = GREETING_VERSION,
                          .kind = GREETING_HELLO,
                          .region_bytes = 1 << 20,
                          .bell_bytes = BELL_BYTES,
                          .ring_bytes = 4096,
                          .refs = RING_REFS,
                          .from = {.family = AF_INET},
                          .to = {.family = AF_INET}},
                    .fds = 4,
                    .len = sizeof(struct greeting)};
    struct bell *bell;
    void *p;

    r.fd[0] = peer_make_memory("region", 1 << 20, &p);
    munmap(p, 1 << 20);
    r.fd[1] = peer_make_memory("bell", BELL_BYTES, &p);
    bell = p;
    bell->magic = BELL_MAGIC;
    bell->version = BELL_VERSION;
    munmap(p, BELL_BYTES);
    r.fd[2] = eventfd(0, EFD_NONBLOCK);
    r.fd[3] = peer_make_memory("channel", ring_channel_bytes(4096), &p);
    munmap(p, ring_channel_bytes(4096));
    return r;
}

static void raw_close(struct raw *r)
{
    for (int i = 0; i < r->fds; i++)
        close(r->fd[i]);
}

static int unsealed(size_t bytes)
{
    int fd = memfd_create("unsealed", MFD_ALLOW_SEALING);

    assert_int_equal(ftruncate(fd, (off_t)bytes), 0);
    return fd;
}

static void swap_fd(struct raw *r, int at, int fd)
{
    close(r->fd[at]);
    r->fd[at] = fd;
}

/* Bends a sound greeting in the i-th way. False: there are no more ways. */
static bool bend(struct raw *r, unsigned i)
{
    switch (i) {
    case 0:
        return r->g.magic++, true;
    case 1:
        return r->g.version++, true;
    case 2:
        return r->g.kind = GREETING_ANSWER, true;
    case 3:
        return r->g.kind = 77, true;
    case 4:
        return r->g.region_bytes = 0, true;
    case 5:
        return r->g.region_bytes += 4096, true;
    case 6:
        return r->g.region_bytes = UINT64_MAX, true;
    case 7:
        return r->g.bell_bytes = 4096, true;
    case 8:
        return r->g.ring_bytes = 2048, true;
    case 9:
        return r->g.ring_bytes = 5000, true;
    case 10:
        return r->g.ring_bytes = 8192, true;
    case 11:
        return r->g.ring_bytes = UINT64_C(1) << 63, true;
    case 12:
        return r->g.refs = 64, true;
    case 13:
        return r->g.slot = BELL_SLOTS, true;
    case 14:
        return r->g.from.family = AF_UNIX, true;
    case 15:
        return r->g.to.family = 0, true;
    case 16:
        return r->len = 1, true;
    case 17:
        return r->len--, true;
    case 18:
        return close(r->fd[--r->fds]), true;
    case 19:
        return raw_close(r), r->fds = 0, true;
    case 20:
        return r->fd[r->fds++] = dup(0), r->fd[r->fds++] = dup(0), true;
    case 21:
        return swap_fd(r, 0, open("/dev/null", O_RDWR)), true;
    case 22:
        return swap_fd(r, 0, unsealed(1 << 20)), true;
    case 23:
        return swap_fd(r, 1, unsealed(BELL_BYTES)), true;
    case 24:
        return swap_fd(r, 1, dup(r->fd[0])), true;
    case 25:
        return swap_fd(r, 2, eventfd(0, 0)), true;
    case 26:
        return swap_fd(r, 2, open("/dev/null", O_RDONLY | O_NONBLOCK)), true;
    case 27:
        return swap_fd(r, 3, unsealed(ring_channel_bytes(4096))), true;
    case 28:
        return swap_fd(r, 3, dup(r->fd[0])), true;
    case 29:
        return swap_fd(r, 3, open("/proc/self/exe", O_RDONLY)), true;
    default:
        return false;
    }
}

static int raw_dial(uint16_t port)
{
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    struct sockaddr_un un;
    socklen_t len = name_of(&un, port);

    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&un, len), 0);
    return fd;
}

static void greeting__malformed(void **state)
{
    union rig_addr a;
    int listener = rig_listening(AF_INET, &a), client;
    unsigned before = open_files(), ways = 0;
    demi_qtoken_t accept, connect;

    (void)state;
    assert_int_equal(demi_accept(&accept, listener), 0);
    for (;; ways++) {
        uint64_t errors = BOX_COUNT(peer_protocol_errors);
        struct raw r = raw_sound();
        int fd;
        char byte;

        if (!bend(&r, ways)) {
            raw_close(&r);
            break;
        }
        fd = raw_dial(ntohs(a.in.sin_port));
        raw_send(fd, &r);
        box_until(&BOX_COUNT(peer_protocol_errors), errors + 1);
        assert_int_equal(recv(fd, &byte, 1, 0), 0); /* told at once */
        close(fd);
        raw_close(&r);
    }
    assert_int_equal(ways, 30);
    box_turns(10);
    assert_int_equal(open_files(), before);
    client = rig_socket(AF_INET, SOCK_STREAM); /* and all is well */
    assert_int_equal(demi_connect(&connect, client, &a.any, rig_len(&a)), 0);
    rig_done(connect, DEMI_OPC_CONNECT);
    rig_pair_close((struct rig_pair){client, rig_done(accept, DEMI_OPC_ACCEPT).qr_value.ares.qd});
    assert_int_equal(demi_close(listener), 0);
    assert_true(box_empty());
}

/* Dialers that hang up, or say nothing for longer than anybody waits. */
static void greeting__none(void **state)
{
    union rig_addr a;
    int listener = rig_listening(AF_INET, &a), fd[3];
    uint64_t errors = BOX_COUNT(peer_protocol_errors), late = BOX_COUNT(greet_timeouts);
    char byte;

    (void)state;
    for (unsigned i = 0; i < 3; i++)
        fd[i] = raw_dial(ntohs(a.in.sin_port));
    close(fd[0]);
    box_turns(10);
    close(fd[1]);
    box_until(&BOX_COUNT(greet_timeouts), late + 1);
    assert_int_equal(recv(fd[2], &byte, 1, 0), 0);
    assert_int_equal(BOX_COUNT(peer_protocol_errors), errors);
    assert_int_equal(BOX_COUNT(greet_timeouts), late + 1);
    close(fd[2]);
    assert_int_equal(demi_close(listener), 0);
    assert_true(box_empty());
}

/* A sound greeting, and then: a word where none is due; a death. */
static void greeting__then_noise_or_death(void **state)
{
    union rig_addr a;
    int listener = rig_listening(AF_INET, &a);

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        uint64_t errors = BOX_COUNT(peer_protocol_errors);
        struct raw r = raw_sound();
        int fd = raw_dial(ntohs(a.in.sin_port)), server;
        demi_qtoken_t accept;

        raw_send(fd, &r);
        assert_int_equal(demi_accept(&accept, listener), 0);
        server = rig_done(accept, DEMI_OPC_ACCEPT).qr_value.ares.qd;
        if (i == 0)
            raw_send(fd, &r);
        if (i == 1)
            assert_int_equal(send(fd, "", 0, 0), 0); /* an empty message is no end */
        if (i == 2)
            close(fd);
        rig_failed(rig_pop(server), ECONNRESET);
        assert_int_equal(BOX_COUNT(peer_protocol_errors), errors + (i < 2));
        assert_int_equal(demi_close(server), 0);
        if (i < 2)
            close(fd);
        raw_close(&r);
    }
    assert_int_equal(demi_close(listener), 0);
    assert_true(box_empty());
}

/* Somebody else answers in the place of a listener. */
static void greeting__malformed_answer(void **state)
{
    int stranger = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), fd, qd;
    struct sockaddr_un un;
    union rig_addr a = rig_loopback(AF_INET, 78);
    socklen_t len = name_of(&un, 78);
    unsigned before = open_files();
    demi_qtoken_t qt;

    (void)state;
    assert_int_equal(bind(stranger, (struct sockaddr *)&un, len), 0);
    assert_int_equal(listen(stranger, 8), 0);
    for (unsigned i = 0; i < 30; i++) {
        uint64_t errors = BOX_COUNT(peer_protocol_errors);
        struct raw r = raw_sound();

        r.g.kind = GREETING_ANSWER;
        close(r.fd[--r.fds]);
        if (i == 2 || (i >= 18 && i != 21 && i != 22 && i != 23 && i != 25 && i != 26)) {
            raw_close(&r);
            continue; /* bent in a way that does not hurt an answer, or that needs the fourth descriptor */
        }
        assert_true(bend(&r, i));
        if (i >= 8 && i <= 11)
            r.g.refs = 0; /* an answer's ring size is not used */
        qd = rig_socket(AF_INET, SOCK_STREAM);
        assert_int_equal(demi_connect(&qt, qd, &a.any, rig_len(&a)), 0);
        fd = accept(stranger, NULL, NULL);
        assert_true(fd >= 0);
        raw_send(fd, &r);
        rig_failed(qt, ECONNREFUSED);
        assert_int_equal(BOX_COUNT(peer_protocol_errors), errors + 1);
        close(fd);
        raw_close(&r);
        assert_int_equal(demi_close(qd), 0);
    }
    assert_int_equal(open_files(), before);
    close(stranger);
    assert_true(box_empty());
}

/* The ring. */

/* Writes a record as the client would, with whatever is in it. */
static void forge(struct conn *c, unsigned kind, uint32_t len, const void *payload, size_t bytes)
{
    struct ring_line *line = &c->tx[c->tx_pos & c->mask];

    if (bytes > 0)
        memcpy(line->bytes, payload, bytes);
    atomic_store(&line->head, ring_stamp(c->tx_pos) << RING_STAMP_SHIFT | (uint64_t)kind << RING_KIND_SHIFT | len);
    c->tx_pos++;
}

static void forge_ref(struct conn *c, struct ring_ref ref)
{
    forge(c, RING_REF, sizeof(ref), &ref, sizeof(ref));
}

/* A reference that is sound, to a word that shows an owner. */
static struct ring_ref sound_ref(const struct conn *c)
{
    uint64_t at = (uint64_t)(rig_instance()->mem.base - (char *)rig_instance()->mem.map);

    assert_true(c->peer->region_bytes > at + 100000);
    return (struct ring_ref){.data = at + 4096, .word = at, .len = 5000, .cookie = 3};
}

/* References that must not be followed. */
static void forge_bad_ref(struct conn *c, unsigned way)
{
    struct ring_ref ref = sound_ref(c);
    uint64_t region = c->peer->region_bytes;

    switch (way) {
    case 0:
        ref.len = 0;
        break;
    case 1:
        ref.data = region - ref.len + 1;
        break;
    case 2:
        ref.data = UINT64_MAX - 100;
        break;
    case 3:
        ref.len = UINT32_MAX, ref.data = region - 10;
        break;
    case 4:
        ref.word++;
        break;
    case 5:
        ref.word = region;
        break;
    case 6:
        ref.word = UINT64_MAX - 3;
        break;
    case 7:
        ref.cookie = RING_REFS;
        break;
    case 8:
        ref.cookie = UINT32_MAX;
        break;
    case 9:
        ref.home = 1;
        break;
    case 10:
        ref.home = RING_REFS + 1;
        break;
    default:
        ref.home = UINT32_MAX;
        break;
    }
    forge_ref(c, ref);
}

#define BAD_REFS 12

static void forge_way(struct conn *c, unsigned way)
{
    struct ring_ref ref = sound_ref(c);

    switch (way) {
    case 0:
        forge(c, 0, 10, NULL, 0);
        break;
    case 1:
        forge(c, 9, 10, NULL, 0);
        break;
    case 2:
        forge(c, RING_BYTES, 0, NULL, 0);
        break;
    case 3:
        forge(c, RING_BYTES, RING_LEN_MASK, NULL, 0);
        break;
    case 4:
        forge(c, RING_BYTES, ring_inline_max(c->ring_bytes) + 1, NULL, 0);
        break;
    case 5:
        forge(c, RING_REF, sizeof(ref) - 1, &ref, sizeof(ref));
        break;
    case 6:
        atomic_store(&c->mine->given_back[0], UINT64_C(1) << 8 | 5);
        break;
    case 7:
        atomic_store(&c->mine->given_back[0], UINT64_C(1) << 8 | 255);
        break;
    case 8:
        forge(c, RING_FIN, 0, NULL, 0);
        forge(c, RING_BYTES, 5, "after", 5);
        break;
    default:
        forge_bad_ref(c, way - 9);
        break;
    }
}

static void ring__forged_records(void **state)
{
    enum { WAYS = 9 + BAD_REFS, AFTER_THE_END = 8 };

    (void)state;
    for (unsigned way = 0; way < WAYS; way++) {
        uint64_t errors = BOX_COUNT(peer_protocol_errors);
        struct rig_pair p = rig_pair(AF_INET);
        demi_sgarray_t sga = rig_sga_fill(9000, 1);
        demi_qtoken_t push;

        catmem_stop_polling(box_conn(p.client)); /* it takes nothing: the server's message stays out */
        push = rig_push(p.server, &sga);
        forge_way(box_conn(p.client), way);
        if (way == AFTER_THE_END)
            rig_expect_end(p.server);
        else
            rig_failed(rig_pop(p.server), ECONNRESET);
        box_until(&BOX_COUNT(peer_protocol_errors), errors + 1);
        rig_wait(push);
        rig_failed(rig_push(p.server, &sga), ECONNRESET);
        rig_free(&sga);
        if (way == AFTER_THE_END) /* the end had come */
            rig_expect_end(p.server);
        else
            rig_failed(rig_pop(p.server), ECONNRESET);
        rig_pair_close(p);
        assert_true(box_empty());
        assert_int_equal(BOX_COUNT(peer_protocol_errors), errors + 1);
    }
}

/* An index that is ahead of what was written, or goes back. */
static void ring__forged_index(void **state)
{
    (void)state;
    for (unsigned way = 0; way < 3; way++) {
        uint64_t errors = BOX_COUNT(peer_protocol_errors);
        struct rig_pair p = rig_pair(AF_INET);
        struct conn *server = box_conn(p.server);
        demi_sgarray_t sga = rig_sga_fill(800, 1);
        uint64_t lie[3] = {UINT64_MAX, 1, 1u << 30};
        unsigned n = 0;

        if (way == 1) { /* the index has moved before it goes back */
            for (; atomic_load(&server->mine->taken) < 2; n++) {
                rig_done(rig_push(p.client, &sga), DEMI_OPC_PUSH);
                box_turns(1);
            }
            while (BOX_COUNT(ring_full) == 0 && box_conn(p.client)->tx_limit < server->mask + 10) {
                rig_done(rig_push(p.client, &sga), DEMI_OPC_PUSH);
                box_turns(1);
            }
        }
        atomic_store(&server->mine->taken, lie[way]);
        for (unsigned i = 0; i < 3000 && BOX_COUNT(peer_protocol_errors) == errors; i++) {
            demi_qtoken_t qt = rig_push(p.client, &sga);

            assert_int_equal(demi_cancel(qt), 0);
        }
        assert_int_equal(BOX_COUNT(peer_protocol_errors), errors + 1);
        rig_failed(rig_push(p.client, &sga), ECONNRESET);
        rig_free(&sga);
        rig_pair_close(p);
        assert_true(box_empty());
    }
}

/* A reference that reads the other's memory is fine where it leads nowhere bad: the whole region is shared. */
static void ring__forged_reference_is_only_read(void **state)
{
    struct rig_pair p = rig_pair(AF_INET);
    demi_sgarray_t sga;

    (void)state;
    forge_ref(box_conn(p.client), sound_ref(box_conn(p.server)));
    sga = rig_done(rig_pop(p.server), DEMI_OPC_POP).qr_value.sga;
    assert_int_equal(rig_length(&sga), 5000);
    rig_free(&sga);
    rig_pair_close(p);
    assert_true(box_empty());
}

/* Noise over everything that is shared, while messages go both ways: nothing crashes, nothing is left. */
static void noise__anywhere(void **state)
{
    struct catmem *m = catmem_of(rig_instance());
    uint64_t errors = BOX_COUNT(peer_protocol_errors);
    uint32_t seed = 12345;

    (void)state;
    for (unsigned round = 0; round < 300; round++) {
        struct rig_pair p = rig_pair(AF_INET);
        demi_sgarray_t sga[2] = {rig_sga_fill(100, round), rig_sga_fill(3000, round)};

        for (unsigned i = 0; i < 60; i++) {
            int from = i & 1 ? p.server : p.client, to = i & 1 ? p.client : p.server;
            demi_qtoken_t push = rig_push(from, &sga[i / 2 % 2]), pop = rig_pop(to);
            struct conn *c = box_conn(from);

            for (unsigned k = 0; k < 3 + round % 50; k++) {
                uint64_t *where = c->channel;
                size_t words = ring_channel_bytes(c->ring_bytes) / 8;

                seed = seed * 1664525 + 1013904223;
                if (round % 3 == 0) /* the heads near the end, with plausible stamps */
                    where[RING_PAGE / 8 + (c->tx_pos + seed % 4) % (words / 2) * 8 % (words - RING_PAGE / 8)] =
                        ring_stamp(c->tx_pos + seed / 7 % 3) << RING_STAMP_SHIFT | (seed >> 8 & 0x7fffff);
                else
                    where[seed % (round % 3 == 1 ? RING_PAGE / 8 : words)] = (uint64_t)seed << (seed >> 27);
                if (k % 10 == 0)
                    atomic_fetch_or(&m->bell->word[seed % BELL_WORDS], (uint64_t)seed << 13);
                if (k % 11 == 0)
                    atomic_fetch_or(&m->bell->mid[seed % BELL_MIDS], seed);
                if (k % 12 == 0)
                    atomic_fetch_or(&m->bell->top, (uint64_t)seed << 7);
            }
            box_turns(2);
            demi_cancel(push);
            demi_cancel(pop);
        }
        rig_free(&sga[0]);
        rig_free(&sga[1]);
        rig_pair_close(p);
        box_turns(5);
    }
    assert_true(BOX_COUNT(peer_protocol_errors) > errors);
    atomic_store(&m->bell->sleeping, 0);
    assert_true(box_empty());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(greeting__malformed),
        TEST(greeting__none),
        TEST(greeting__then_noise_or_death),
        TEST(greeting__malformed_answer),
        TEST(ring__forged_records),
        TEST(ring__forged_index),
        TEST(ring__forged_reference_is_only_read),
        TEST(noise__anywhere),
    };

    return RIG_RUN(tests);
}
