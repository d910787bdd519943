/* SPDX-License-Identifier: MIT */
/* Superblock memory: the rare paths. The common ones are in the header. */
#include "mem.h"

#include "os.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CACHE_BYTES (UINT32_C(1) << 18) /* a cache holds at most so much of a large class */
#define HEAT_ALIEN  0x80                /* where the header and its table would be are bytes of a larger object */
#define COOL_LOOK   64                  /* superblocks looked at for one that has pages to give */

_Static_assert(MEM_PIECES < HEAT_ALIEN, "a superblock's heat is a byte");

/* Objects a cache holds at most, and now. */
static uint32_t cache_max(const struct mem_cache *c)
{
    return (uint32_t)(c->full - c->bottom);
}

static uint32_t cache_count(const struct mem_cache *c)
{
    return (uint32_t)(c->top - c->bottom);
}

static void cache_init(struct mem *m, unsigned cls, uint32_t max)
{
    struct mem_cache *c = &m->cache[cls];

    assert(max <= MEM_CACHE);
    c->top = c->bottom;
    c->full = c->bottom + max;
    c->word = cls << REF_CLASS_SHIFT;
}

static void class_table_init(struct mem *m)
{
    uint32_t bytes = 64;
    unsigned cls;

    for (cls = 0; cls <= MEM_CLASS_MAX; cls++) /* large objects are not kept, nor is what no class has */
        cache_init(m, cls, 0);
    cls = 0;
    /* 64, 128, 192, 256, 384, 512, 768, ...: two a power of two */
    while (cls < MEM_CLASS_MAX && bytes <= MEM_CLASS_LIMIT) {
        cache_init(m, cls,
                   bytes * MEM_CACHE <= CACHE_BYTES ? MEM_CACHE
                   : bytes <= CACHE_BYTES / 2       ? CACHE_BYTES / bytes
                                                    : 1);
        m->class_bytes[cls++] = bytes;
        if (bytes < 128)
            bytes = 128;
        else if ((bytes & (bytes - 1)) == 0)
            bytes += bytes / 2;
        else
            bytes += bytes / 3;
    }
    cls = 0;
    for (unsigned step = 0; step < MEM_SMALL_TABLE; step++) {
        if ((step + 1) * MEM_ALIGN > m->class_bytes[cls])
            cls++;
        m->class_of[step] = (uint8_t)cls;
    }
}

int mem_init(struct mem *m, size_t limit, size_t object_max, bool shared)
{
    size_t region = limit & ~(SUPERBLOCK_BYTES - 1);

    memset(m, 0, sizeof(*m));
    m->fd = -1;
    class_table_init(m);
    if (region < 8 * SUPERBLOCK_BYTES)
        region = 8 * SUPERBLOCK_BYTES;
    /* where address space is short (ulimit -v), a smaller region is better than none */
    for (;;) {
        m->map_bytes = region + SUPERBLOCK_BYTES;
        m->map = os_region_new(m->map_bytes, shared, &m->fd);
        if (m->map != NULL || region / 2 < 8 * SUPERBLOCK_BYTES)
            break;
        region = (region / 2) & ~(SUPERBLOCK_BYTES - 1);
    }
    if (m->map == NULL)
        return -ENOMEM;
    m->base = (char *)(((uintptr_t)m->map + SUPERBLOCK_BYTES - 1) & ~(SUPERBLOCK_BYTES - 1));
    m->region = region;
    m->granules = region / MEM_ALIGN;
    m->blocks = (uint32_t)(region >> SUPERBLOCK_SHIFT);
    m->object_max = object_max;
    m->owner = calloc(m->blocks, sizeof(*m->owner));
    m->heat = calloc(m->blocks, sizeof(*m->heat));
    if (m->owner == NULL || m->heat == NULL) {
        mem_fini(m);
        return -ENOMEM;
    }
    return 0;
}

void mem_fini(struct mem *m)
{
    if (m->map != NULL) {
        MEM_UNPOISON(m->base, (size_t)m->blocks_top << SUPERBLOCK_SHIFT); /* none above it is poisoned */
        os_region_free(m->map, m->map_bytes, m->fd);
    }
    free(m->owner);
    free(m->heat);
    memset(m, 0, sizeof(*m));
    m->fd = -1;
}

/* First-fit search for n free superblocks in a row below blocks_top; blocks_top when there are none. */
static uint32_t blocks_find(const struct mem *m, uint32_t n)
{
    uint32_t run = 0;

    if (m->blocks_top - m->blocks_used < n)
        return m->blocks_top;
    for (uint32_t i = m->first_free; i < m->blocks_top; i++) {
        run = m->owner[i] == 0 ? run + 1 : 0;
        if (run == n)
            return i + 1 - n;
    }
    return m->blocks_top;
}

/*
 * Makes the table of words of a superblock that was free zero again, as far as it has pages. What small objects left is
 * their words; over that of a larger object's bytes new pages are had for less than for writing into all of them.
 */
static void table_clear(struct mem *m, struct superblock *sb, uint8_t heat)
{
    size_t kept = (size_t)(heat & ~HEAT_ALIEN) * MEM_PIECE_BYTES, table;

    if (heat & HEAT_ALIEN) {
        table = (sizeof(*sb) + MEM_PIECE_BYTES - 1) & ~(MEM_PIECE_BYTES - 1);
        table = kept < table ? kept : table;
        if (!m->pages_stay && os_region_discard(sb, table, m->fd))
            return;
        m->pages_stay = true;
        table = table < sizeof(*sb) ? table : sizeof(*sb);
        memset(sb, 0, table);
        return;
    }
    for (uint32_t k = 0; k < sb->carved; k++) {
        uint32_t *word = mem_ref_word(mem_object(sb, k));

        if ((size_t)((char *)word - (char *)sb) >= kept)
            return;
        *word = 0;
    }
}

/* Takes n free superblocks in a row, or NULL. Cold: once in 2 MiB of allocations. */
static struct superblock *blocks_take(struct mem *m, uint32_t n)
{
    uint32_t i = blocks_find(m, n);
    struct superblock *sb;

    assert(m->first_free <= m->blocks_top && m->blocks_top <= m->blocks);
    if (n == 0 || n > m->blocks - i)
        return NULL;
    sb = (struct superblock *)(m->base + ((size_t)i << SUPERBLOCK_SHIFT));
    if (m->heat[i] != 0)
        table_clear(m, sb, m->heat[i]);
    for (uint32_t k = 0; k < n; k++) {
        m->owner[i + k] = i + 1;
        m->warm -= m->heat[i + k] != 0;
        m->heat[i + k] = 0;
    }
    if (i + n > m->blocks_top)
        m->blocks_top = i + n;
    if (n == 1 || i == m->first_free) /* where more fit, a smaller hole may lie below them */
        m->first_free = i + n;
    m->blocks_used += n;
    return sb;
}

static void blocks_give(struct mem *m, struct superblock *sb)
{
    uint32_t first = (uint32_t)(((uintptr_t)sb - (uintptr_t)m->base) >> SUPERBLOCK_SHIFT);
    uint32_t n = sb->span;

    if (m->watcher != NULL && sb->iova != 0)
        m->watcher->gone(m->watcher, sb);
    MEM_UNPOISON(sb, (size_t)n << SUPERBLOCK_SHIFT);
    for (uint32_t k = 0; k < n; k++) {
        m->owner[first + k] = 0;
        m->heat[first + k] = k == 0 ? MEM_PIECES : MEM_PIECES | HEAT_ALIEN;
    }
    m->blocks_used -= n;
    m->warm += n;
    if (first + n > m->cool_at)
        m->cool_at = first + n;
    if (first < m->first_free)
        m->first_free = first;
    while (m->blocks_top > 0 && m->owner[m->blocks_top - 1] == 0)
        m->blocks_top--;
}

bool mem_cool(struct mem *m)
{
    char *sb;
    uint8_t *heat;

    if (LIKELY(m->warm <= MEM_WARM) || m->pages_stay)
        return false;
    for (unsigned look = 0; m->owner[m->cool_at - 1] != 0 || m->heat[m->cool_at - 1] == 0; look++) {
        if (look == COOL_LOOK)
            return true;
        m->cool_at--;
        assert(m->cool_at > 0);
    }
    sb = m->base + ((size_t)(m->cool_at - 1) << SUPERBLOCK_SHIFT);
    heat = &m->heat[m->cool_at - 1];
    --*heat;
    if (!os_region_discard(sb + (*heat & ~HEAT_ALIEN) * MEM_PIECE_BYTES, MEM_PIECE_BYTES, m->fd)) {
        ++*heat;
        m->pages_stay = true; /* locked memory keeps its pages */
        return false;
    }
    if ((*heat & ~HEAT_ALIEN) == 0) { /* all its bytes are zero */
        *heat = 0;
        m->warm--;
    }
    return m->warm > MEM_WARM;
}

static void superblock_setup(struct mem *m, struct superblock *sb, uint32_t span, unsigned cls, uint32_t obj_bytes)
{
    /* the table of words is zero: fresh pages are, and blocks_take cleared it in others */
    memset(sb, 0, offsetof(struct superblock, refs));
    sb->mem = m;
    sb->span = span;
    sb->cls = (uint8_t)cls;
    sb->free_head = REF_NIL;
    sb->obj_bytes = obj_bytes;
    if (cls == MEM_CLASS_MAX) { /* one large object */
        sb->count = 1;
        sb->first = MEM_LARGE_FIRST;
        sb->room = span * SUPERBLOCK_BYTES - sb->first;
        return;
    }
    sb->first = sizeof(*sb);
    sb->room = obj_bytes;
    sb->count = (uint32_t)((SUPERBLOCK_BYTES - sizeof(*sb)) / obj_bytes);
    if (m->watcher != NULL)
        m->watcher->made(m->watcher, sb);
    MEM_POISON((char *)sb + sb->first, SUPERBLOCK_BYTES - sb->first);
}

static void partial_remove(struct mem *m, struct superblock *sb)
{
    if (sb->prev != NULL)
        sb->prev->next = sb->next;
    else
        m->partial[sb->cls] = sb->next;
    if (sb->next != NULL)
        sb->next->prev = sb->prev;
    sb->next = sb->prev = NULL;
    sb->partial = false;
}

static void partial_add(struct mem *m, struct superblock *sb)
{
    sb->prev = NULL;
    sb->next = m->partial[sb->cls];
    if (sb->next != NULL)
        sb->next->prev = sb;
    m->partial[sb->cls] = sb;
    sb->partial = true;
}

static void *large_alloc(struct mem *m, size_t bytes, uint32_t ref)
{
    uint32_t n;
    struct superblock *sb;

    if (bytes == 0 || bytes > m->object_max)
        return NULL;
    n = (uint32_t)((bytes + MEM_LARGE_FIRST + SUPERBLOCK_BYTES - 1) >> SUPERBLOCK_SHIFT);
    sb = blocks_take(m, n);
    if (sb == NULL)
        return NULL;
    superblock_setup(m, sb, n, MEM_CLASS_MAX, 0);
    sb->carved = sb->used = 1;
    m->bytes_out += (uint64_t)n << SUPERBLOCK_SHIFT;
    *mem_ref_word(mem_object(sb, 0)) = ref | MEM_CLASS_MAX << REF_CLASS_SHIFT;
    return mem_object(sb, 0);
}

/* Makes a superblock with room the class's current one. False: there is none and none can be had. */
static bool change_current(struct mem *m, unsigned cls)
{
    struct superblock *sb = m->partial[cls];

    if (sb != NULL) {
        partial_remove(m, sb);
    } else {
        sb = blocks_take(m, 1);
        if (sb == NULL)
            return false;
        superblock_setup(m, sb, 1, cls, m->class_bytes[cls]);
    }
    m->current[cls] = sb;
    return true;
}

static bool superblock_full(const struct superblock *sb)
{
    return sb->free_head == REF_NIL && sb->carved == sb->count;
}

/* Takes one object out of a superblock that is not full. */
static char *superblock_take(struct mem *m, struct superblock *sb)
{
    char *obj;

    if (sb->free_head != REF_NIL) {
        obj = (char *)sb + (size_t)sb->free_head * MEM_ALIGN;
        sb->free_head = *mem_ref_word(obj) & REF_MASK;
    } else {
        obj = mem_object(sb, sb->carved++);
    }
    *mem_ref_word(obj) = REF_FREE | REF_NIL;
    sb->used++;
    m->bytes_out += sb->obj_bytes;
    return obj;
}

/* Puts a released object back. An empty superblock, unless it is current, goes back to the region. */
static void superblock_give(struct mem *m, char *obj)
{
    struct superblock *sb = mem_superblock(obj);

    *mem_ref_word(obj) = REF_FREE | sb->free_head;
    sb->free_head = mem_granule(obj);
    sb->used--;
    m->bytes_out -= sb->obj_bytes;
    if (sb == m->current[sb->cls])
        return;
    if (sb->used == 0) {
        if (sb->partial)
            partial_remove(m, sb);
        blocks_give(m, sb);
    } else if (!sb->partial) {
        partial_add(m, sb);
    }
}

/* Fills half of a class's empty cache; less where memory runs short. */
static void cache_fill(struct mem *m, unsigned cls)
{
    struct mem_cache *c = &m->cache[cls];

    while (cache_count(c) < (cache_max(c) + 1) / 2) {
        struct superblock *sb = m->current[cls];

        if ((sb == NULL || superblock_full(sb)) && !change_current(m, cls))
            return;
        *++c->top = superblock_take(m, m->current[cls]);
    }
}

/* Gives the oldest n objects of a cache back. */
static void cache_give(struct mem *m, struct mem_cache *c, uint32_t n)
{
    char **oldest = c->bottom + 1;

    for (uint32_t i = 0; i < n; i++)
        superblock_give(m, oldest[i]);
    c->top -= n;
    memmove(oldest, oldest + n, cache_count(c) * sizeof(*oldest));
}

void mem_trim(struct mem *m)
{
    for (unsigned cls = 0; cls < MEM_CLASS_MAX; cls++) {
        struct superblock *sb;

        cache_give(m, &m->cache[cls], cache_count(&m->cache[cls]));
        sb = m->current[cls];
        if (sb != NULL && sb->used == 0) {
            m->current[cls] = NULL;
            blocks_give(m, sb);
        }
    }
}

unsigned mem_class(const struct mem *m, size_t bytes)
{
    unsigned top, cls;

    if (bytes <= MEM_SMALL_LIMIT)
        return m->class_of[(bytes - 1) / MEM_ALIGN];
    /* two classes a power of two: 2^top < bytes <= 1.5 * 2^top, or above */
    top = 63 - (unsigned)__builtin_clzll(bytes - 1);
    cls = (unsigned)m->class_of[MEM_SMALL_TABLE - 1] + 2 * (top - 12) + 1;
    return bytes <= (UINT64_C(3) << (top - 1)) ? cls : cls + 1;
}

static void *large_alloc_or_trim(struct mem *m, size_t bytes, uint32_t ref)
{
    void *obj = large_alloc(m, bytes, ref);

    if (obj == NULL) {
        mem_trim(m);
        obj = large_alloc(m, bytes, ref);
    }
    m->refused += obj == NULL;
    return obj;
}

void *mem_alloc_slow(struct mem *m, size_t bytes, uint32_t ref)
{
    struct mem_cache *c;
    unsigned cls;
    char *obj;

    if (bytes == 0 || (bytes > m->object_max && ((ref & REF_APP) != 0 || bytes > MEM_CLASS_LIMIT)))
        return NULL;
    if (bytes > MEM_CLASS_LIMIT)
        return large_alloc_or_trim(m, bytes, ref);
    cls = mem_class(m, bytes);
    c = &m->cache[cls];
    if (cache_count(c) == 0)
        cache_fill(m, cls);
    if (cache_count(c) == 0) {
        mem_trim(m); /* what other classes hoard */
        cache_fill(m, cls);
    }
    /* No superblock is left for this class: a larger object does as well, where its class has one. Otherwise a few
     * objects of some classes would keep others from ever having any. */
    while (cache_count(c) == 0 && cls + 1 < MEM_CLASS_MAX) {
        c = &m->cache[++cls];
        if (cache_count(c) == 0)
            cache_fill(m, cls);
    }
    if (cache_count(c) == 0) {
        m->refused++;
        return NULL;
    }
    obj = *c->top--;
    *mem_ref_word(obj) = ref | c->word;
    MEM_UNPOISON(obj, mem_superblock(obj)->obj_bytes);
    return obj;
}

void mem_release_slow(struct mem *m, char *obj)
{
    struct superblock *sb = mem_superblock(obj);
    struct mem_cache *c = &m->cache[sb->cls];
    uint32_t *word = mem_ref_word(obj);

    if ((*word & REF_EXTERN) != 0) {
        struct mem_extern *x = (struct mem_extern *)(void *)obj;

        *word &= ~REF_EXTERN;
        x->release(m, x);
    }
    if (sb->cls == MEM_CLASS_MAX) {
        m->bytes_out -= (uint64_t)sb->span << SUPERBLOCK_SHIFT;
        *word = 0;
        blocks_give(m, sb);
        return;
    }
    if (c->top == c->full)
        cache_give(m, c, (cache_max(c) + 1) / 2);
    mem_release(m, obj, word);
}

int mem_app_free(struct mem *m, void *ptr)
{
    uint32_t *word = mem_word_at(m, ptr);

    if (word == NULL || (*word & (REF_APP | REF_FREE)) != REF_APP)
        return -EINVAL;
    *word &= ~REF_APP;
    if ((*word & REF_HELD) == 0)
        mem_release(m, ptr, word);
    return 0;
}

uint64_t mem_bytes_used(const struct mem *m)
{
    uint64_t cached = 0;

    for (unsigned cls = 0; cls < MEM_CLASS_MAX; cls++)
        cached += (uint64_t)cache_count(&m->cache[cls]) * m->class_bytes[cls];
    return m->bytes_out - cached;
}

void *mem_find(const struct mem *m, const void *ptr, size_t bytes)
{
    uintptr_t offset = (uintptr_t)ptr - (uintptr_t)m->base;
    struct superblock *sb;
    uint32_t owner, index = 0;
    char *obj;

    if (offset >= m->region)
        return NULL;
    owner = m->owner[offset >> SUPERBLOCK_SHIFT];
    if (owner == 0)
        return NULL;
    sb = (struct superblock *)(m->base + ((size_t)(owner - 1) << SUPERBLOCK_SHIFT));
    if ((uintptr_t)ptr - (uintptr_t)sb < sb->first)
        return NULL;
    if (sb->cls != MEM_CLASS_MAX)
        index = (uint32_t)((uintptr_t)ptr - (uintptr_t)sb - sb->first) / sb->obj_bytes;
    obj = mem_object(sb, index);
    if (index >= sb->carved || (*mem_ref_word(obj) & (REF_APP | REF_FREE)) != REF_APP)
        return NULL;
    if (bytes > mem_room(obj) || (size_t)((const char *)ptr - obj) > mem_room(obj) - bytes)
        return NULL;
    return obj;
}
