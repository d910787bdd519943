/* SPDX-License-Identifier: MIT */
/*
 * Superblock memory: every byte that is pushed or popped lives here.
 *
 * One region of address space is reserved for an instance and cut into aligned superblocks of 2 MiB. A superblock holds
 * objects of one size class; its header, found by masking a pointer, has the device's keys and a table of one 32-bit
 * word for each granule of 64 bytes. The word of an object's first granule is its reference word while it lives and the
 * free list's link while it does not, so that neither allocation nor free touches the object's own cache lines. All
 * other words are 0: whether a pointer that an application hands in starts a live object is one load, without a
 * division. The table takes 6 % of the address space, and of the memory no more than the objects' words touch.
 *
 * Reference word:  APP   the application owns the object (sgaalloc, malloc, a completed pop) and will free it
 *                  count references of the library: a push under way, an entry of a queue, a device
 * The object is released when both are gone: free is safe while a push is pending. A second free finds
 * APP cleared and is an error, whatever references the library still holds.
 *
 * A released object goes to its class's cache, a stack of pointers in the instance; a full cache gives half of it back
 * to the superblocks, an empty one is filled from them. A pair of allocation and free is a dozen dependent cycles.
 *
 * A free superblock keeps its pages at first: neither allocation nor free calls the kernel. Those beyond a few are
 * taken from it in pieces by mem_cool(), whose caller has time to spare; the highest first, since the lowest are used
 * again first. Giving back 2 MiB at once keeps everybody waiting for 160 to 600 us, a piece of 64 KiB for 9 to 40.
 * Where the number of objects alive goes up and down, what is not given back yet need not be faulted in again, which
 * costs four times as much.
 *
 * Designs that were rejected: a header in front of each object (costs 64 bytes beside a 64-byte message, shares a cache
 * line with what the application writes); a hash table of live pointers (a miss an operation); malloc (nothing to
 * register with a device, no way to judge a pointer the application hands in); huge pages for all superblocks (the
 * kernel clears 2 MiB at the first touch: 250 us at least, 2.7 ms at the median of a virtual machine).
 */
#ifndef CORE_MEM_H
#define CORE_MEM_H

#include "base.h"

#include <errno.h>

#ifndef SUPERBLOCK_SHIFT /* a build for a small machine sets it */
#define SUPERBLOCK_SHIFT 21
#endif
#define SUPERBLOCK_BYTES (UINT64_C(1) << SUPERBLOCK_SHIFT)
#define MEM_CLASS_MAX    28   /* size classes: 64, 128, 192, 256, 384, 512, ... 512 KiB */
#define MEM_SMALL_LIMIT  4096 /* bytes up to which the class is looked up in a table by 64-byte steps */
#define MEM_SMALL_TABLE  (MEM_SMALL_LIMIT / 64)
#define MEM_ALIGN        64     /* of every object: a cache line */
#define MEM_CLASS_LIMIT  524288 /* bytes of the largest class; larger objects take whole superblocks */
#define MEM_CACHE        60     /* freed objects a class keeps at hand */
#define MEM_WARM         8      /* free superblocks that keep their pages for good */
#define MEM_PIECES       32     /* of a superblock: its pages are given back piece by piece */
#define MEM_PIECE_BYTES  (SUPERBLOCK_BYTES / MEM_PIECES)
#define MEM_GRANULES     (SUPERBLOCK_BYTES / MEM_ALIGN)

#define REF_APP         UINT32_C(0x80000000)
#define REF_FREE        UINT32_C(0x40000000)
#define REF_META        UINT32_C(0x20000000) /* a struct mem_meta stands in front of the data */
#define REF_EXTERN      UINT32_C(0x10000000) /* the object is a struct mem_extern: the data lies in a peer's memory */
#define REF_CLASS       UINT32_C(0x0f800000) /* the size class */
#define REF_MASK        UINT32_C(0x007fffff) /* library references, or the granule of the next free object */
#define REF_HELD        (REF_APP | REF_MASK) /* somebody needs the object as long as one of these is set */
#define REF_NIL         REF_MASK
#define REF_CLASS_SHIFT 23

struct mem;

struct superblock {
    /* touched by each allocation and free */
    uint32_t free_head; /* granule of the first free object, REF_NIL when none */
    uint32_t carved;    /* objects that were handed out at least once; the rest is untouched */
    uint32_t count;     /* objects it holds */
    uint32_t used;      /* objects alive or in the class's cache */
    uint32_t obj_bytes;
    uint32_t first; /* offset of the first object */
    uint8_t cls;
    bool partial; /* linked into its class's list of superblocks with room */
    uint16_t spare;
    uint32_t span; /* superblocks of one large object, else 1 */
    struct superblock *next, *prev;
    struct mem *mem;
    size_t room; /* bytes of an object */
    /* set by a device when it registers the superblock */
    _Alignas(CACHE_LINE) uint32_t lkey;
    uint32_t rkey;
    uint64_t iova;
    uint64_t umem_offset;
    _Alignas(CACHE_LINE) uint32_t refs[MEM_GRANULES];
};

/* Offset of a large object in its first superblock: page aligned. */
#define MEM_LARGE_FIRST ((sizeof(struct superblock) + 4095) / 4096 * 4096)

/* What stands in front of a popped datagram's data: where it came from. */
struct mem_meta {
    uint32_t addr_len;
    uint8_t addr[28]; /* sockaddr_in or sockaddr_in6 */
    uint8_t pad[32];
};
_Static_assert(sizeof(struct mem_meta) == MEM_ALIGN, "data stays aligned behind its metadata");

struct mem;

/* An object that stands for bytes elsewhere: in memory shared by a peer. release runs when nobody holds it any more. */
struct mem_extern {
    char *ptr;
    size_t len;
    void (*release)(struct mem *m, struct mem_extern *x);
    void *owner;
    uint64_t word[4];
};
_Static_assert(sizeof(struct mem_extern) <= MEM_ALIGN, "fits the smallest object");

/* Freed objects of one class, a stack: what alloc takes from and free gives to. */
struct mem_cache {
    char **top;    /* the warmest object; the bottom, which is NULL, when there is none */
    char **full;   /* where top ends: at the bottom for large objects, early for large classes */
    uint32_t word; /* the class, as in a reference word */
    uint32_t spare;
    char *bottom[MEM_CACHE + 1];
};

/*
 * Whom superblocks of small objects are told to, so that a device can read them itself. made: before the first object;
 * it may replace the pages by others that are zero behind the header, which it keeps, and sets sb->iova where it can be
 * read (0: it cannot). gone: no object is left of one with an iova; all its bytes must be zero or as they were.
 */
struct mem_watcher {
    void (*made)(struct mem_watcher *w, struct superblock *sb);
    void (*gone)(struct mem_watcher *w, struct superblock *sb);
};

struct mem {
    char *base;                                /* aligned region */
    size_t region;                             /* bytes of it */
    size_t granules;                           /* of MEM_ALIGN bytes in it */
    size_t object_max;                         /* largest object */
    struct superblock *current[MEM_CLASS_MAX]; /* where a cache is filled from */
    struct superblock *partial[MEM_CLASS_MAX];
    uint32_t *owner;     /* per superblock: 0 free, else 1 + index of the superblock with its header */
    uint32_t blocks;     /* superblocks in the region */
    uint32_t blocks_top; /* from here on all are free: the search for a free one ends here */
    uint32_t first_free; /* below it none is free: the search begins here */
    uint32_t blocks_used;
    uint8_t *heat;    /* per superblock, while it is free: pieces from its begin that may have pages; and HEAT_ALIEN */
    uint32_t warm;    /* free superblocks that may have pages */
    uint32_t cool_at; /* they all lie below this one */
    bool pages_stay;  /* the machine does not take pages back */
    uint64_t bytes_out; /* object bytes outside the superblocks' free lists: alive, or in a cache */
    struct mem_cache cache[MEM_CLASS_MAX + 1];
    struct mem_watcher *watcher; /* NULL: nobody; borrowed */
    uint64_t refused;            /* allocations that failed for want of room */
    int fd;                      /* of a region that can be shared with other processes, else -1 */
    void *map;                   /* what was mapped: base is aligned inside */
    size_t map_bytes;
    uint32_t class_bytes[MEM_CLASS_MAX];
    uint8_t class_of[MEM_SMALL_TABLE]; /* by (bytes - 1) / MEM_ALIGN */
};

/*
 * Reserves the region: limit bytes (rounded down to superblocks, at least eight), objects up to object_max; the library
 * itself gets up to MEM_CLASS_LIMIT in any case. With shared it is backed by a memory file whose descriptor is mem->fd.
 * -ENOMEM.
 */
int mem_init(struct mem *m, size_t limit, size_t object_max, bool shared);

/* Gives the region back, with everything in it. */
void mem_fini(struct mem *m);

/* The class that objects of bytes (1 to MEM_CLASS_LIMIT) come from. */
unsigned mem_class(const struct mem *m, size_t bytes);

/* The slow ways of mem_alloc and mem_release. */
void *mem_alloc_slow(struct mem *m, size_t bytes, uint32_t ref);
void mem_release_slow(struct mem *m, char *obj);

/* Gives what the caches hold back to the superblocks, and empty superblocks back to the region. */
void mem_trim(struct mem *m);

/* Gives a piece of the pages that free superblocks keep back to the machine, where they are more than MEM_WARM. One
 * system call at most. true: there is more to give back. */
bool mem_cool(struct mem *m);

/* Bytes of the objects alive, rounded up to their classes. */
uint64_t mem_bytes_used(const struct mem *m);

/*
 * Finds the live object that holds [ptr, ptr + bytes) and is owned by the application. NULL: foreign memory, a freed
 * object, or a range that leaves it. Any pointer value is safe.
 */
void *mem_find(const struct mem *m, const void *ptr, size_t bytes);

#if defined(__SANITIZE_ADDRESS__)
#define MEM_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MEM_ASAN 1
#endif
#endif
#ifdef MEM_ASAN
#include <sanitizer/asan_interface.h>
#define MEM_POISON(p, n)   ASAN_POISON_MEMORY_REGION(p, n)
#define MEM_UNPOISON(p, n) ASAN_UNPOISON_MEMORY_REGION(p, n)
#else
#define MEM_POISON(p, n)   ((void)(p), (void)(n))
#define MEM_UNPOISON(p, n) ((void)(p), (void)(n))
#endif

static inline struct superblock *mem_superblock(const void *obj)
{
    return (struct superblock *)((uintptr_t)obj & ~(SUPERBLOCK_BYTES - 1));
}

/* Which 64 bytes of its superblock ptr points into. */
static inline uint32_t mem_granule(const void *ptr)
{
    return (uint32_t)((uintptr_t)ptr & (SUPERBLOCK_BYTES - 1)) / MEM_ALIGN;
}

/* The reference word of an object, given its first byte. */
static inline uint32_t *mem_ref_word(const void *obj)
{
    return &mem_superblock(obj)->refs[mem_granule(obj)];
}

/* The index-th object of a superblock. */
static inline char *mem_object(struct superblock *sb, uint32_t index)
{
    return (char *)sb + sb->first + (size_t)index * sb->obj_bytes;
}

/* Takes an object of at most 4096 bytes from its class's cache. NULL: larger, or the cache is empty. */
static inline void *mem_alloc_cached(struct mem *m, size_t bytes, uint32_t ref)
{
    struct mem_cache *c;
    char *obj;

    if (UNLIKELY(bytes - 1 >= MEM_SMALL_LIMIT))
        return NULL;
    c = &m->cache[m->class_of[(bytes - 1) / MEM_ALIGN]];
    obj = *c->top;
    if (UNLIKELY(obj == NULL))
        return NULL;
    c->top--;
    assert(*mem_ref_word(obj) == (REF_FREE | REF_NIL));
    *mem_ref_word(obj) = ref | c->word;
    MEM_UNPOISON(obj, mem_superblock(obj)->obj_bytes);
    return obj;
}

/* Takes an object of at least bytes with the reference word ref (REF_APP, or 1). NULL: 0, too large, or no room. */
static inline void *mem_alloc(struct mem *m, size_t bytes, uint32_t ref)
{
    void *obj = mem_alloc_cached(m, bytes, ref);

    return LIKELY(obj != NULL) ? obj : mem_alloc_slow(m, bytes, ref);
}

/*
 * Puts an object into its class's cache that nobody holds any more and whose bytes are its own; word is its reference
 * word. False: the cache is full.
 */
static inline bool mem_release_cached(struct mem *m, void *obj, uint32_t *word)
{
    struct mem_cache *c = &m->cache[(*word & REF_CLASS) >> REF_CLASS_SHIFT];
    char **top = c->top;

    if (UNLIKELY(top == c->full))
        return false;
    MEM_POISON(obj, mem_superblock(obj)->obj_bytes);
    *word = REF_FREE | REF_NIL;
    top[1] = obj;
    c->top = top + 1;
    return true;
}

/* Nobody holds the object any more. */
static inline void mem_release(struct mem *m, void *obj, uint32_t *word)
{
    if (UNLIKELY((*word & REF_EXTERN) != 0 || !mem_release_cached(m, obj, word)))
        mem_release_slow(m, obj);
}

/* Adds a reference of the library. obj is the object's first byte. */
static inline void mem_ref(const void *obj)
{
    uint32_t *word = mem_ref_word(obj);

    assert((*word & REF_FREE) == 0);
    ++*word;
}

/* May a reference be added that no limit on operations bounds? What is left then is enough for every operation. */
static inline bool mem_ref_spare(const void *obj)
{
    return (*mem_ref_word(obj) & REF_MASK) < REF_MASK / 4;
}

/* Drops a reference of the library; the object is released with the last one. */
static inline void mem_unref(struct mem *m, void *obj)
{
    uint32_t *word = mem_ref_word(obj);

    assert((*word & REF_FREE) == 0 && (*word & REF_MASK) != 0);
    if ((--*word & REF_HELD) == 0)
        mem_release(m, obj, word);
}

static inline bool mem_app_owned(const void *obj)
{
    return (*mem_ref_word(obj) & REF_APP) != 0;
}

/* Turns one reference of the library into the application's ownership. The application must not own it already. */
static inline void mem_give(const void *obj)
{
    uint32_t *word = mem_ref_word(obj);

    assert((*word & (REF_FREE | REF_APP)) == 0 && (*word & REF_MASK) != 0);
    *word += REF_APP - 1;
}

/* Bytes an object has room for, given its first byte. */
static inline size_t mem_room(const void *obj)
{
    return mem_superblock(obj)->room;
}

/*
 * The reference word of what starts at ptr, which any value is safe for; NULL: no object can start there. The offset is
 * turned by 6 bits, so that one comparison finds what is outside the region and what is not aligned.
 */
static inline uint32_t *mem_word_at(const struct mem *m, const void *ptr)
{
    uintptr_t offset = (uintptr_t)ptr - (uintptr_t)m->base;
    uint64_t granule = offset / MEM_ALIGN | offset << (64 - __builtin_ctz(MEM_ALIGN));
    uint32_t block = (uint32_t)(granule / MEM_GRANULES);

    if (UNLIKELY(granule >= m->granules || m->owner[block] != block + 1))
        return NULL;
    return &mem_superblock(ptr)->refs[granule % MEM_GRANULES];
}

/* Is ptr the first byte of a live object of the application? Any value is safe. */
static inline bool mem_is_app_object(const struct mem *m, const void *ptr)
{
    const uint32_t *word = mem_word_at(m, ptr);

    return LIKELY(word != NULL) && (*word & (REF_APP | REF_FREE)) == REF_APP;
}

/* The application gives up the object that starts at ptr. -EINVAL: nothing of that kind starts there. */
int mem_app_free(struct mem *m, void *ptr);

/*
 * The same for the common cases: the object can be kept at hand, or a push still refers to it. False: another case.
 */
static inline bool mem_app_free_quick(struct mem *m, void *ptr)
{
    uint32_t *word = mem_word_at(m, ptr);

    if (UNLIKELY(word == NULL))
        return false;
    if (LIKELY((*word & ~(REF_CLASS | REF_META)) == REF_APP))
        return mem_release_cached(m, ptr, word);
    if (UNLIKELY((*word & (REF_APP | REF_FREE | REF_EXTERN)) != REF_APP))
        return false;
    assert((*word & REF_MASK) != 0);
    *word &= ~REF_APP;
    return true;
}

#endif /* CORE_MEM_H */
