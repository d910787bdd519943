/* SPDX-License-Identifier: MIT */
/*
 * Driver ring: an Ethernet cable in shared memory between two processes of one machine. `device` is the path of its
 * file, on a memory file system; whoever comes first makes it, the last one to leave removes it.
 *
 * 1. A ring of slots for each direction, one writer and one reader, no lock. A slot's sequence number says that it is
 * full, so that the reader looks at one cache line alone; the reader's position, which tells the writer what is free,
 * is written once a burst.
 * 2. An end belongs to whoever holds its lock on a byte of the file, which the kernel takes back when a process dies,
 * however it dies. Who comes after it goes on at the positions in the file: full slots that the dead one had published
 * stay, one that it was filling was not. What waits for a reader that died is thrown away by its successor.
 * 3. The other process is not believed: positions and lengths are read once and judged. At worst frames are lost.
 * 4. A reader that is about to sleep says so in a word; the writer that sees it writes a byte into the reader's FIFO
 * beside the file. Rejected: a futex (nothing that epoll takes).
 * 5. Memory does not damage frames, so that checksums are not computed: a flag goes with the frame.
 * 6. Several queues are as many cables, with files of their own: the k-th instance of one process has the k-th of the
 * other as its peer, and nobody else.
 */
#include "netdev/iface.h"

#include "core/counter.h"
#include "core/reserve.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC       UINT64_C(0x31676e6972726163) /* "carring1" */
#define MTU         1500
#define MTU_MAX     9000
#define LINK_BYTES  18
#define RING        512
#define SLOTS_MAX   65536
#define INIT_BYTE   2 /* lock of whoever makes the file or leaves it; the ends' are 0 and 1 */
#define OPEN_TRIES  8
#define RING_SUM_OK 1 /* the transport checksum was left out */

struct slot {
    uint32_t seq; /* position + 1: full; anything else: not yet */
    uint32_t len;
    uint32_t flags;
    uint32_t spare;
    char bytes[];
};

/* One direction. */
struct lane {
    _Alignas(CACHE_LINE) uint32_t tail; /* the reader's position */
    uint32_t asleep;                    /* the reader wants a byte */
    _Alignas(CACHE_LINE) uint32_t head; /* the writer's position, for its successor */
};

struct shared {
    uint64_t magic;
    uint32_t slots, slot_bytes, mtu;
    struct lane lane[2]; /* of the end that writes */
};

#define HEADER_BYTES 4096
_Static_assert(sizeof(struct shared) <= HEADER_BYTES, "one page");

struct ring {
    struct netdev dev;
    struct shared *sh;
    size_t bytes;
    unsigned end;
    bool made;                 /* the file was empty before us */
    uint32_t mask, slot_bytes; /* copies: the file's may change under us */
    uint32_t head, tail;       /* of the lane we write; of the one we read */
    uint32_t seen_tail;        /* the other reader's, as we last looked */
    int file, bell;            /* bell: the FIFO of the other end; dev.fd is ours */
    char path[PATH_MAX];
};

static struct ring *ring_of(struct netdev *d)
{
    return CONTAINER_OF(d, struct ring, dev);
}

static struct slot *slot_at(const struct ring *r, unsigned end, uint32_t pos)
{
    size_t index = (size_t)end * (r->mask + 1) + (pos & r->mask);

    return (struct slot *)(void *)((char *)r->sh + HEADER_BYTES + index * r->slot_bytes);
}

static bool is_full(const struct slot *s, uint32_t pos)
{
    return __atomic_load_n(&s->seq, __ATOMIC_ACQUIRE) == pos + 1;
}

/* The rest of a short frame, which lies in three lines: they come together instead of one after the other. */
static inline void prefetch_short(const struct slot *s)
{
    __builtin_prefetch((const char *)s + CACHE_LINE);
    __builtin_prefetch((const char *)s + 2 * CACHE_LINE);
}

/*
 * The same lines for whoever will write there: nobody looks at them before, so they can be taken away from the reader
 * long before the frame is there. The first one is looked at all the time.
 */
static inline void own_short(struct slot *s)
{
#if defined(__x86_64__)
    __asm__ volatile("prefetchw %0" : : "m"(((const char *)s)[CACHE_LINE])); /* nothing where it is not known */
    __asm__ volatile("prefetchw %0" : : "m"(((const char *)s)[2 * CACHE_LINE]));
#else
    __builtin_prefetch((const char *)s + CACHE_LINE, 1);
    __builtin_prefetch((const char *)s + 2 * CACHE_LINE, 1);
#endif
}

/* Note 3: a length that cannot be is a frame that is lost. */
static bool take(struct ring *r, const struct slot *s, struct frame_in *in)
{
    uint32_t len = __atomic_load_n(&s->len, __ATOMIC_RELAXED), flags = __atomic_load_n(&s->flags, __ATOMIC_RELAXED);
    char *obj;

    if (UNLIKELY(len == 0 || len > r->slot_bytes - sizeof(*s))) {
        NETDEV_COUNT_ADD(&r->dev, drop_device_rx, 1);
        return false;
    }
    obj = mem_alloc(r->dev.mem, FRAME_IN_ROOM + len, 1);
    if (UNLIKELY(obj == NULL)) {
        NETDEV_COUNT_ADD(&r->dev, drop_no_memory, 1);
        return false;
    }
    memcpy(obj + FRAME_IN_ROOM, s->bytes, len);
    *in = (struct frame_in){.obj = obj,
                            .ptr = (uint8_t *)obj + FRAME_IN_ROOM,
                            .len = len,
                            .flags = (flags & RING_SUM_OK) != 0 ? FRAME_IN_CSUM_L4 : 0};
    return true;
}

static unsigned ring_rx(struct netdev *d, struct frame_in *in, unsigned max)
{
    struct ring *r = ring_of(d);
    uint32_t from = r->tail;
    unsigned n = 0;

    while (n < max) {
        const struct slot *s = slot_at(r, !r->end, r->tail);

        if (!is_full(s, r->tail))
            break;
        prefetch_short(s);
        __builtin_prefetch(slot_at(r, !r->end, r->tail + 1));
        if (take(r, s, &in[n]))
            n++;
        r->tail++;
    }
    if (r->tail != from)
        __atomic_store_n(&r->sh->lane[!r->end].tail, r->tail, __ATOMIC_RELEASE);
    return n;
}

/* Is there a free slot? A reader's position that cannot be counts as no progress. */
static bool has_room(struct ring *r)
{
    if (LIKELY(r->head - r->seen_tail <= r->mask))
        return true;
    r->seen_tail = __atomic_load_n(&r->sh->lane[r->end].tail, __ATOMIC_ACQUIRE);
    return r->head - r->seen_tail <= r->mask;
}

static unsigned ring_tx(struct netdev *d, struct frame **f, unsigned n)
{
    struct ring *r = ring_of(d);
    struct lane *lane = &r->sh->lane[r->end];
    unsigned i = 0;

    for (; i < n && has_room(r); i++) {
        struct slot *s = slot_at(r, r->end, r->head);

        if (LIKELY(f[i]->len <= r->slot_bytes - sizeof(*s))) {
            frame_copy(f[i], s->bytes);
            s->len = f[i]->len;
            s->flags = (f[i]->flags & FRAME_CSUM) != 0 ? RING_SUM_OK : 0;
            __atomic_store_n(&s->seq, ++r->head, __ATOMIC_RELEASE);
        } else {
            NETDEV_COUNT_ADD(d, drop_device_tx, 1);
        }
        frame_free(d->mem, f[i]);
    }
    __atomic_store_n(&lane->head, r->head, __ATOMIC_RELAXED);
    own_short(slot_at(r, r->end, r->head));
    /* full slots first, then the look at the reader: it says that it sleeps and then looks at the slots */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (UNLIKELY(__atomic_load_n(&lane->asleep, __ATOMIC_RELAXED) != 0)) {
        __atomic_store_n(&lane->asleep, 0, __ATOMIC_RELAXED);
        NETDEV_COUNT_ADD(d, syscalls, 1);
        if (write(r->bell, "", 1) < 0)
            return i; /* the FIFO is full of bytes: it wakes the reader as it is */
    }
    return i;
}

static bool ring_arm(struct netdev *d)
{
    struct ring *r = ring_of(d);
    char old[64];

    while (read(d->fd, old, sizeof(old)) > 0)
        continue;
    __atomic_store_n(&r->sh->lane[!r->end].asleep, 1, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return !is_full(slot_at(r, !r->end, r->tail), r->tail);
}

/* Locks or unlocks one byte of the file for this descriptor. wait: until it is free. */
static int lock(int fd, short type, off_t byte, bool wait)
{
    struct flock l = {.l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};

    return fcntl(fd, wait ? F_OFD_SETLKW : F_OFD_SETLK, &l);
}

static void bell_path(const struct ring *r, unsigned end, char *path, size_t size)
{
    snprintf(path, size, "%s.bell%u", r->path, end);
}

/* Whoever leaves last takes the files along. Under the lock nobody is between opening and locking an end. */
static void leave(struct ring *r)
{
    char path[PATH_MAX + 8];

    lock(r->file, F_WRLCK, INIT_BYTE, true);
    if (lock(r->file, F_WRLCK, 0, false) == 0 && lock(r->file, F_WRLCK, 1, false) == 0) {
        for (unsigned end = 0; end < 2; end++) {
            bell_path(r, end, path, sizeof(path));
            unlink(path);
        }
        unlink(r->path);
    }
}

static void close_fds(struct ring *r)
{
    if (r->bell >= 0)
        close(r->bell);
    if (r->dev.fd >= 0)
        close(r->dev.fd);
    if (r->file >= 0)
        close(r->file);
}

static void ring_forget(struct netdev *d)
{
    close_fds(ring_of(d));
}

static void ring_free(struct ring *r)
{
    if (r->sh != NULL)
        munmap(r->sh, r->bytes);
    close_fds(r);
    free(r);
}

static void ring_close(struct netdev *d)
{
    leave(ring_of(d));
    ring_free(ring_of(d));
}

static const struct netdev_ops ring_ops = {.name = "ring",
                                           .rx_burst = ring_rx,
                                           .tx_burst = ring_tx,
                                           .arm = ring_arm,
                                           .forget = ring_forget,
                                           .close = ring_close};

static int failed(const struct ring *r, const char *what, struct error_text *et)
{
    return error_set(et, errno, "driver ring: %s: %s: %s", r->path, what, strerror(errno));
}

/* Opens the file and takes the lock of whoever arrives. A file that was removed meanwhile is opened anew. */
static int open_file(struct ring *r, struct error_text *et)
{
    for (unsigned tries = 0; tries < OPEN_TRIES; tries++) {
        struct stat ours, named;

        r->file = open(r->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (r->file < 0)
            return failed(r, "open", et);
        if (lock(r->file, F_WRLCK, INIT_BYTE, true) < 0)
            return failed(r, "lock", et);
        if (fstat(r->file, &ours) == 0 && stat(r->path, &named) == 0 && ours.st_ino == named.st_ino)
            return 0;
        close(r->file);
        r->file = -1;
    }
    return error_set(et, EBUSY, "driver ring: %s is removed again and again", r->path);
}

static bool header_good(const struct shared *sh, size_t bytes)
{
    return sh->magic == MAGIC && sh->slots >= 2 && sh->slots <= SLOTS_MAX && (sh->slots & (sh->slots - 1)) == 0 &&
           sh->mtu >= 68 && sh->mtu <= MTU_MAX && sh->slot_bytes >= sizeof(struct slot) + LINK_BYTES + sh->mtu &&
           sh->slot_bytes % CACHE_LINE == 0 && sh->slot_bytes <= HEADER_BYTES * 4 &&
           bytes == HEADER_BYTES + (size_t)2 * sh->slots * sh->slot_bytes;
}

/* Makes the header of a file that is new. */
static int furnish(struct ring *r, const struct config *cfg, struct error_text *et)
{
    struct shared sh = {.magic = MAGIC, .slots = 2, .mtu = cfg->net_mtu != 0 ? (uint32_t)cfg->net_mtu : MTU};
    size_t bytes;

    while (sh.slots < iface_ring(cfg, RING))
        sh.slots *= 2;
    sh.slot_bytes = (uint32_t)((sizeof(struct slot) + LINK_BYTES + sh.mtu + CACHE_LINE - 1) & ~(CACHE_LINE - 1ul));
    bytes = HEADER_BYTES + (size_t)2 * sh.slots * sh.slot_bytes;
    errno = -file_reserve(r->file, bytes);
    if (errno != 0 || pwrite(r->file, &sh, sizeof(sh), 0) != (ssize_t)sizeof(sh))
        return failed(r, "write", et);
    return 0;
}

static int map_file(struct ring *r, const struct config *cfg, struct error_text *et)
{
    struct stat st;
    void *map;

    if (fstat(r->file, &st) < 0)
        return failed(r, "stat", et);
    if (st.st_size == 0) {
        int err;

        r->made = true;
        err = furnish(r, cfg, et);
        if (err < 0 || fstat(r->file, &st) < 0)
            return err < 0 ? err : failed(r, "stat", et);
    }
    if (st.st_size < HEADER_BYTES)
        return error_set(et, EINVAL, "driver ring: %s is not a ring's file", r->path);
    r->bytes = (size_t)st.st_size;
    map = mmap(NULL, r->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, r->file, 0);
    if (map == MAP_FAILED)
        return failed(r, "map", et);
    r->sh = map;
    if (!header_good(r->sh, r->bytes))
        return error_set(et, EINVAL, "driver ring: %s is not a ring's file, or of another version", r->path);
    r->mask = r->sh->slots - 1;
    r->slot_bytes = r->sh->slot_bytes;
    r->dev.mtu = (uint16_t)r->sh->mtu;
    return 0;
}

/* Goes on where the end's last owner was: behind what it published, and without what waited for it (note 2). */
static void find_positions(struct ring *r)
{
    struct lane *in = &r->sh->lane[!r->end];

    r->head = r->sh->lane[r->end].head;
    for (uint32_t i = 0; i <= r->mask && is_full(slot_at(r, r->end, r->head), r->head); i++)
        r->head++;
    r->seen_tail = __atomic_load_n(&r->sh->lane[r->end].tail, __ATOMIC_ACQUIRE);
    r->tail = in->tail;
    for (uint32_t i = 0; i <= r->mask && is_full(slot_at(r, !r->end, r->tail), r->tail); i++)
        r->tail++;
    __atomic_store_n(&in->tail, r->tail, __ATOMIC_RELEASE);
    __atomic_store_n(&in->asleep, 0, __ATOMIC_RELAXED);
}

static int open_bell(struct ring *r, unsigned end, int *fd, struct error_text *et)
{
    char path[PATH_MAX + 8];

    bell_path(r, end, path, sizeof(path));
    if (mkfifo(path, 0600) < 0 && errno != EEXIST)
        return failed(r, "FIFO", et);
    *fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
    return *fd < 0 ? failed(r, "FIFO", et) : 0;
}

/* With the arrivals' lock held: takes a free end and all that belongs to it. */
static int arrive(struct ring *r, const struct config *cfg, struct error_text *et)
{
    int err = map_file(r, cfg, et);

    if (err < 0)
        return err;
    while (r->end < 2 && lock(r->file, F_WRLCK, (off_t)r->end, false) < 0)
        r->end++;
    if (r->end == 2)
        return error_set(et, EBUSY, "driver ring: two other processes have both ends of %s", r->path);
    err = open_bell(r, r->end, &r->dev.fd, et);
    if (err == 0)
        err = open_bell(r, !r->end, &r->bell, et);
    if (err < 0)
        return err;
    find_positions(r);
    return lock(r->file, F_UNLCK, INIT_BYTE, false) < 0 ? failed(r, "unlock", et) : 0;
}

static int ring_open(const struct netdev_params *par, struct netdev **d, struct error_text *et)
{
    uint8_t base[6] = {0};
    struct ring *r = calloc(1, sizeof(*r));
    int err;

    if (r == NULL)
        return error_set(et, ENOMEM, "no memory for a device");
    r->dev = (struct netdev){.ops = &ring_ops, .mem = par->mem, .count = par->count, .fd = -1};
    r->file = r->bell = -1;
    if (par->cfg->net_queues > 1) /* note 6 */
        snprintf(r->path, sizeof(r->path), "%s.%u", par->cfg->device, par->queue);
    else
        snprintf(r->path, sizeof(r->path), "%s", par->cfg->device);
    err = r->path[0] == '/' ? open_file(r, et)
                            : error_set(et, EINVAL,
                                        "device: \"%.64s\" is no path for a ring's file, as in "
                                        "/dev/shm/wire",
                                        r->path);
    if (err == 0)
        err = arrive(r, par->cfg, et);
    base[0] = (uint8_t)r->end;
    iface_own_mac(base, r->path, r->dev.mac);
    if (err == 0)
        err = iface_mac(par->cfg, r->dev.mac, et);
    if (par->cfg->net_offload)
        r->dev.offload = INET_TX_CSUM;
    if (err < 0) {
        if (r->made)
            leave(r);
        ring_free(r);
        return err;
    }
    *d = &r->dev;
    return 0;
}

const struct netdev_driver netdev_ring = {
    .name = "ring", .queues = NETDEV_APART, .netdev_bytes = sizeof(struct netdev), .open = ring_open};
