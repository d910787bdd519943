/* SPDX-License-Identifier: MIT */
#include "core/mem.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define LIMIT (UINT64_C(64) << 20)

static struct mem m;

static int setup(void **state)
{
    (void)state;
    return mem_init(&m, LIMIT, LIMIT, false);
}

/* Every test leaves the pool as it found it. */
static int teardown(void **state)
{
    uint64_t left = mem_bytes_used(&m);

    (void)state;
    mem_fini(&m);
    if (left != 0)
        print_error("%llu bytes are still in use\n", (unsigned long long)left);
    return left == 0 ? 0 : -1;
}

static unsigned classes(void)
{
    unsigned n = 0;

    while (n < MEM_CLASS_MAX && m.class_bytes[n] != 0)
        n++;
    return n;
}

static void mem_alloc__takes_a_larger_object_where_no_superblock_is_left(void **state)
{
    static struct mem few;
    void *obj[MEM_CLASS_MAX];
    unsigned n = 0;

    (void)state;
    assert_int_equal(mem_init(&few, 3 * SUPERBLOCK_BYTES, SUPERBLOCK_BYTES, false), 0);
    for (size_t bytes = 8192; bytes >= 64; bytes /= 2) { /* more classes than superblocks */
        obj[n] = mem_alloc(&few, bytes, 1);
        assert_non_null(obj[n]);
        assert_true(mem_room(obj[n++]) >= bytes);
    }
    while (n > 0)
        mem_unref(&few, obj[--n]);
    assert_int_equal(mem_bytes_used(&few), 0);
    mem_fini(&few);
}

static void mem_class__smallest_that_fits_for_every_size(void **state)
{
    (void)state;
    for (size_t bytes = 1; bytes <= MEM_CLASS_LIMIT; bytes++) {
        unsigned cls = mem_class(&m, bytes);

        if (cls >= classes() || m.class_bytes[cls] < bytes || (cls > 0 && m.class_bytes[cls - 1] >= bytes))
            fail_msg("class %u for %zu bytes", cls, bytes);
    }
    assert_int_equal(m.class_bytes[0], 64);
    assert_int_equal(m.class_bytes[classes() - 1], MEM_CLASS_LIMIT);
}

static void mem_class__wastes_at_most_half(void **state)
{
    (void)state;
    for (unsigned cls = 1; cls < classes(); cls++) {
        assert_int_equal(m.class_bytes[cls] % MEM_ALIGN, 0);
        assert_true(m.class_bytes[cls] <= 2 * m.class_bytes[cls - 1]);
    }
}

/* Of all granules of a superblock only those an object starts at have a reference word. */
static void mem_ref_word__only_where_an_object_starts(void **state)
{
    (void)state;
    for (unsigned cls = 0; cls < classes(); cls++) {
        char *obj = mem_alloc(&m, m.class_bytes[cls], 1);
        struct superblock *sb = mem_superblock(obj);

        for (uint32_t g = 0; g < MEM_GRANULES; g++) {
            bool start = g * MEM_ALIGN >= sb->first && (g * MEM_ALIGN - sb->first) % sb->obj_bytes == 0;

            if (sb->refs[g] != 0 && !start)
                fail_msg("class %u: granule %u has a word and no object", cls, g);
        }
        assert_int_equal(*mem_ref_word(obj) & (REF_HELD | REF_FREE), 1);
        assert_int_equal((*mem_ref_word(obj) & REF_CLASS) >> REF_CLASS_SHIFT, cls);
        mem_unref(&m, obj);
    }
}

static void superblock__objects_fill_it_behind_the_header(void **state)
{
    (void)state;
    for (unsigned cls = 0; cls < classes(); cls++) {
        char *obj = mem_alloc(&m, m.class_bytes[cls], 1);
        const struct superblock *sb = mem_superblock(obj);
        size_t end = sb->first + (size_t)sb->count * sb->obj_bytes;

        assert_true(sb->first >= sizeof(*sb) && sb->first % MEM_ALIGN == 0);
        assert_true(end <= SUPERBLOCK_BYTES && end + sb->obj_bytes > SUPERBLOCK_BYTES);
        mem_unref(&m, obj);
    }
}

static void mem_alloc__aligned_and_writable_in_every_class(void **state)
{
    void *obj[MEM_CLASS_MAX];

    (void)state;
    for (unsigned cls = 0; cls < classes(); cls++) {
        obj[cls] = mem_alloc(&m, m.class_bytes[cls], REF_APP);
        assert_non_null(obj[cls]);
        assert_int_equal((uintptr_t)obj[cls] % MEM_ALIGN, 0);
        assert_int_equal(mem_room(obj[cls]), m.class_bytes[cls]);
        memset(obj[cls], (int)cls, m.class_bytes[cls]);
    }
    for (unsigned cls = 0; cls < classes(); cls++) {
        assert_int_equal(((char *)obj[cls])[m.class_bytes[cls] - 1], cls);
        assert_int_equal(mem_app_free(&m, obj[cls]), 0);
    }
}

static void mem_alloc__bytes_used_counts_classes(void **state)
{
    void *a = mem_alloc(&m, 1, REF_APP), *b = mem_alloc(&m, 65, 1);

    (void)state;
    assert_int_equal(mem_bytes_used(&m), 64 + 128);
    assert_int_equal(mem_app_free(&m, a), 0);
    assert_int_equal(mem_bytes_used(&m), 128);
    mem_unref(&m, b);
}

static void mem_alloc__size_0_is_refused(void **state)
{
    (void)state;
    assert_null(mem_alloc(&m, 0, REF_APP));
}

static void mem_alloc__over_the_largest_object_is_refused(void **state)
{
    (void)state;
    assert_null(mem_alloc(&m, LIMIT + 1, REF_APP));
    assert_null(mem_alloc(&m, SIZE_MAX, REF_APP));
    assert_null(mem_alloc(&m, SIZE_MAX - SUPERBLOCK_BYTES, REF_APP));
    assert_null(mem_alloc(&m, UINT32_MAX, REF_APP));
}

static void mem_alloc__takes_the_last_freed_first(void **state)
{
    void *a = mem_alloc(&m, 200, REF_APP), *b = mem_alloc(&m, 200, REF_APP);

    (void)state;
    assert_int_equal(mem_app_free(&m, a), 0);
    assert_int_equal(mem_app_free(&m, b), 0);
    assert_ptr_equal(mem_alloc(&m, 256, REF_APP), b);
    assert_ptr_equal(mem_alloc(&m, 256, REF_APP), a);
    assert_int_equal(mem_app_free(&m, a), 0);
    assert_int_equal(mem_app_free(&m, b), 0);
}

static void free_all(void **obj, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        assert_int_equal(mem_app_free(&m, obj[i]), 0);
}

/* Objects of 1 KiB enough to fill three superblocks and more. */
#define MANY 8000

static void *many[MANY];

static void alloc_many(void)
{
    for (uint32_t i = 0; i < MANY; i++) {
        many[i] = mem_alloc(&m, 1024, REF_APP);
        assert_non_null(many[i]);
    }
}

/* Frees up to max of the objects in sb, most of them cached then; returns how many are left in many[]. */
static uint32_t free_of_superblock(const struct superblock *sb, uint32_t max)
{
    uint32_t left = 0, freed = 0;

    for (uint32_t i = 0; i < MANY; i++) {
        if (mem_superblock(many[i]) != sb || freed == max) {
            many[left++] = many[i];
            continue;
        }
        assert_int_equal(mem_app_free(&m, many[i]), 0);
        freed++;
    }
    return left;
}

static void superblock__is_given_back_when_empty(void **state)
{
    uint32_t left, blocks;

    (void)state;
    alloc_many();
    blocks = m.blocks_used;
    assert_true(blocks > 3);
    left = free_of_superblock(mem_superblock(many[0]), MANY);
    mem_trim(&m);
    assert_int_equal(m.blocks_used, blocks - 1);
    free_all(many, left);
    mem_trim(&m);
    assert_int_equal(m.blocks_used, 0);
}

static void superblock__given_back_serves_another_class(void **state)
{
    struct superblock *sb;
    uint32_t left;
    void *other;

    (void)state;
    alloc_many();
    sb = mem_superblock(many[0]);
    left = free_of_superblock(sb, MANY);
    mem_trim(&m);
    other = mem_alloc(&m, 64, REF_APP);
    assert_ptr_equal(mem_superblock(other), sb);
    assert_int_equal(mem_app_free(&m, other), 0);
    free_all(many, left);
}

static void superblock__with_room_is_used_before_a_fresh_one(void **state)
{
    uint32_t left, blocks;

    (void)state;
    alloc_many();
    blocks = m.blocks_used;
    left = free_of_superblock(mem_superblock(many[0]), 500);
    mem_trim(&m);
    while (left < MANY)
        many[left++] = mem_alloc(&m, 1024, REF_APP);
    assert_int_equal(m.blocks_used, blocks);
    free_all(many, MANY);
}

static void mem_trim__empties_the_pool_of_what_nobody_uses(void **state)
{
    void *obj[MEM_CLASS_MAX];

    (void)state;
    for (unsigned cls = 0; cls < classes(); cls++)
        obj[cls] = mem_alloc(&m, m.class_bytes[cls], REF_APP);
    free_all(obj, classes());
    assert_true(m.blocks_used > 0);
    mem_trim(&m);
    assert_int_equal(m.blocks_used, 0);
    assert_int_equal(m.bytes_out, 0);
}

struct watch {
    struct mem_watcher w;
    unsigned made, gone;
};

static void note_made(struct mem_watcher *w, struct superblock *sb)
{
    struct watch *watch = CONTAINER_OF(w, struct watch, w);

    if (++watch->made % 2 == 0) /* the others cannot be read by the device */
        sb->iova = (uint64_t)(uintptr_t)sb;
}

static void note_gone(struct mem_watcher *w, struct superblock *sb)
{
    struct watch *watch = CONTAINER_OF(w, struct watch, w);

    assert_int_equal(sb->iova, (uintptr_t)sb);
    assert_int_equal(sb->used, 0);
    watch->gone++;
}

/* A device hears of superblocks of small objects, and of the end of those that it can read. */
static void mem_watcher__hears_of_superblocks(void **state)
{
    struct watch watch = {.w = {note_made, note_gone}};
    void *obj[8], *large;

    (void)state;
    m.watcher = &watch.w;
    large = mem_alloc(&m, SUPERBLOCK_BYTES, 1);
    assert_non_null(large);
    assert_int_equal(watch.made, 0);
    for (size_t i = 0; i < ARRAY_LEN(obj); i++)
        obj[i] = mem_alloc(&m, MEM_CLASS_LIMIT, 1); /* three in a superblock */
    assert_int_equal(watch.made, 3);
    assert_int_equal(mem_superblock(obj[3])->iova, (uintptr_t)mem_superblock(obj[3]));
    for (size_t i = 0; i < ARRAY_LEN(obj); i++)
        mem_unref(&m, obj[i]);
    mem_unref(&m, large);
    mem_trim(&m);
    assert_int_equal(watch.gone, 1);
    m.watcher = NULL;
}

static void mem_alloc__refuses_at_the_limit_and_recovers(void **state)
{
    static void *obj[4096];
    uint32_t n = 0;

    (void)state;
    while (n < 4096 && (obj[n] = mem_alloc(&m, 262144, REF_APP)) != NULL)
        n++;
    assert_true(n > LIMIT / 262144 * 3 / 4 && n < LIMIT / 262144);
    assert_int_equal(m.refused, 1);
    assert_null(mem_alloc(&m, 262144, REF_APP));
    assert_int_equal(m.refused, 2);
    assert_int_equal(mem_app_free(&m, obj[n / 2]), 0);
    assert_ptr_equal(mem_alloc(&m, 262144, REF_APP), obj[n / 2]);
    free_all(obj, n);
}

/* A class's current superblock is kept when it is empty, but not at the cost of an allocation that finds no room. */
static void mem_alloc__empty_superblocks_of_other_classes_are_room(void **state)
{
    struct mem small;

    (void)state;
    assert_int_equal(mem_init(&small, 0, LIMIT, false), 0);
    for (unsigned cls = 0; cls < classes(); cls++) {
        void *obj = mem_alloc(&small, small.class_bytes[cls], REF_APP);

        if (obj == NULL)
            fail_msg("no room for class %u though nothing is in use", cls);
        assert_int_equal(mem_app_free(&small, obj), 0);
    }
    assert_non_null(mem_alloc(&small, 8 * SUPERBLOCK_BYTES - 2 * sizeof(struct superblock), REF_APP));
    mem_fini(&small);
}

static void mem_init__gives_at_least_eight_superblocks(void **state)
{
    struct mem small;

    (void)state;
    assert_int_equal(mem_init(&small, 0, LIMIT, false), 0);
    assert_int_equal(small.blocks, 8);
    assert_int_equal((uintptr_t)small.base % SUPERBLOCK_BYTES, 0);
    mem_fini(&small);
}

static void mem_fini__twice_is_harmless(void **state)
{
    struct mem small;

    (void)state;
    assert_int_equal(mem_init(&small, 0, LIMIT, true), 0);
    mem_fini(&small);
    mem_fini(&small);
    assert_int_equal(small.fd, -1);
}

static void large__takes_as_many_superblocks_as_it_needs(void **state)
{
    static const struct {
        size_t bytes;
        uint32_t blocks;
    } want[] = {
        {MEM_CLASS_LIMIT + 1, 1},
        {SUPERBLOCK_BYTES - MEM_LARGE_FIRST, 1},
        {SUPERBLOCK_BYTES - MEM_LARGE_FIRST + 1, 2},
        {2 * SUPERBLOCK_BYTES - MEM_LARGE_FIRST, 2},
        {16 * SUPERBLOCK_BYTES - MEM_LARGE_FIRST, 16},
        {LIMIT - MEM_LARGE_FIRST, 32},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        char *obj = mem_alloc(&m, want[i].bytes, REF_APP);

        assert_non_null(obj);
        assert_int_equal(m.blocks_used, want[i].blocks);
        assert_true(mem_room(obj) >= want[i].bytes);
        obj[0] = obj[want[i].bytes - 1] = 'x';
        assert_int_equal(mem_app_free(&m, obj), 0);
        assert_int_equal(m.blocks_used, 0);
    }
    assert_null(mem_alloc(&m, LIMIT - MEM_LARGE_FIRST + 1, REF_APP)); /* the region has no room for its header */
}

static void large__freed_hole_is_filled_by_what_fits(void **state)
{
    size_t two = 2 * SUPERBLOCK_BYTES - 4096, three = 3 * SUPERBLOCK_BYTES - 4096;
    void *a = mem_alloc(&m, two, REF_APP), *b = mem_alloc(&m, two, REF_APP), *c = mem_alloc(&m, two, REF_APP);
    void *wide, *fits;

    (void)state;
    assert_int_equal(mem_app_free(&m, b), 0);
    wide = mem_alloc(&m, three, REF_APP);
    assert_ptr_not_equal(wide, b);
    fits = mem_alloc(&m, two, REF_APP);
    assert_ptr_equal(fits, b);
    free_all((void *[]){a, c, wide, fits}, 4);
    assert_int_equal(m.blocks_used, 0);
}

/* What the search must not look at is made to mislead it: used words beyond the top, a free one below first_free. */
static void large__search_goes_from_the_first_free_to_the_top(void **state)
{
    size_t one = SUPERBLOCK_BYTES - MEM_LARGE_FIRST;
    void *obj[5];
    uint32_t owner;

    (void)state;
    for (uint32_t i = 0; i < 4; i++)
        obj[i] = mem_alloc(&m, one, REF_APP);
    memset(m.owner + 4, 0xff, (m.blocks - 4) * sizeof(m.owner[0]));
    obj[4] = mem_alloc(&m, one, REF_APP);
    memset(m.owner + 5, 0, (m.blocks - 5) * sizeof(m.owner[0]));
    assert_non_null(obj[4]);
    assert_ptr_equal(mem_superblock(obj[4]), m.base + 4 * SUPERBLOCK_BYTES);

    assert_int_equal(mem_app_free(&m, obj[2]), 0);
    owner = m.owner[0];
    m.owner[0] = 0;
    obj[2] = mem_alloc(&m, one, REF_APP);
    m.owner[0] = owner;
    assert_ptr_equal(mem_superblock(obj[2]), m.base + 2 * SUPERBLOCK_BYTES);
    free_all(obj, 5);
    assert_int_equal(m.blocks_top, 0);
    assert_int_equal(m.first_free, 0);
}

/* Any order of takes and gives of spans: the first place where a span fits is the one it gets. */
static void large__random_spans_take_the_first_fit(void **state)
{
    enum { BLOCKS = LIMIT / SUPERBLOCK_BYTES };
    char used[BLOCKS] = {0};
    void *at[BLOCKS] = {NULL};
    uint32_t span[BLOCKS] = {0}, random = 4711;

    (void)state;
    for (unsigned step = 0; step < 5000; step++) {
        uint32_t n, want = 0, pick = (random = random * 1103515245 + 12345) >> 16;

        n = 1 + pick / 64 % 4;
        if (at[pick % BLOCKS] != NULL) {
            memset(used + pick % BLOCKS, 0, span[pick % BLOCKS]);
            assert_int_equal(mem_app_free(&m, at[pick % BLOCKS]), 0);
            at[pick % BLOCKS] = NULL;
            continue;
        }
        while (want + n <= BLOCKS && memchr(used + want, 1, n) != NULL)
            want++;
        if (want + n > BLOCKS) {
            assert_null(mem_alloc(&m, n * SUPERBLOCK_BYTES - MEM_LARGE_FIRST, REF_APP));
            continue;
        }
        at[want] = mem_alloc(&m, n * SUPERBLOCK_BYTES - MEM_LARGE_FIRST, REF_APP);
        assert_ptr_equal(mem_superblock(at[want]), m.base + want * SUPERBLOCK_BYTES);
        memset(used + want, 1, n);
        span[want] = n;
    }
    for (unsigned i = 0; i < BLOCKS; i++)
        if (at[i] != NULL)
            assert_int_equal(mem_app_free(&m, at[i]), 0);
    assert_int_equal(m.blocks_top, 0);
}

static void large__counts_references_like_any_object(void **state)
{
    char *obj = mem_alloc(&m, 5 * SUPERBLOCK_BYTES, REF_APP);

    (void)state;
    mem_ref(obj);
    assert_int_equal(mem_app_free(&m, obj), 0);
    assert_int_equal(mem_app_free(&m, obj), -EINVAL);
    obj[5 * SUPERBLOCK_BYTES - 1] = 'x'; /* still mapped */
    mem_unref(&m, obj);
    assert_int_equal(m.blocks_used, 0);
    assert_int_equal(mem_app_free(&m, obj), -EINVAL);
}

static void large__one_that_does_not_fit_is_refused(void **state)
{
    void *a = mem_alloc(&m, LIMIT / 2, REF_APP);

    (void)state;
    assert_non_null(a);
    assert_null(mem_alloc(&m, LIMIT / 2, REF_APP));
    assert_int_equal(m.refused, 1);
    assert_int_equal(mem_app_free(&m, a), 0);
}

static void shared__another_mapping_sees_the_bytes(void **state)
{
    struct mem s;
    char *obj, *view;
    size_t at;

    (void)state;
    assert_int_equal(mem_init(&s, LIMIT, LIMIT, true), 0);
    obj = mem_alloc(&s, 4096, REF_APP);
    strcpy(obj, "seen");
    at = (size_t)((char *)mem_superblock(obj) - (char *)s.map);
    view = mmap(NULL, SUPERBLOCK_BYTES, PROT_READ, MAP_SHARED, s.fd, (off_t)at);
    assert_ptr_not_equal(view, MAP_FAILED);
    assert_string_equal(view + (obj - (char *)mem_superblock(obj)), "seen");
    assert_int_equal(mem_app_free(&s, obj), 0);
    munmap(view, SUPERBLOCK_BYTES);
    mem_fini(&s);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(mem_alloc__takes_a_larger_object_where_no_superblock_is_left),
        TEST(mem_class__smallest_that_fits_for_every_size),
        TEST(mem_class__wastes_at_most_half),
        TEST(mem_ref_word__only_where_an_object_starts),
        TEST(superblock__objects_fill_it_behind_the_header),
        TEST(mem_alloc__aligned_and_writable_in_every_class),
        TEST(mem_alloc__bytes_used_counts_classes),
        TEST(mem_alloc__size_0_is_refused),
        TEST(mem_alloc__over_the_largest_object_is_refused),
        TEST(mem_alloc__takes_the_last_freed_first),
        TEST(superblock__is_given_back_when_empty),
        TEST(superblock__given_back_serves_another_class),
        TEST(superblock__with_room_is_used_before_a_fresh_one),
        TEST(mem_trim__empties_the_pool_of_what_nobody_uses),
        TEST(mem_watcher__hears_of_superblocks),
        TEST(mem_alloc__refuses_at_the_limit_and_recovers),
        TEST(mem_alloc__empty_superblocks_of_other_classes_are_room),
        TEST(mem_init__gives_at_least_eight_superblocks),
        TEST(mem_fini__twice_is_harmless),
        TEST(large__takes_as_many_superblocks_as_it_needs),
        TEST(large__freed_hole_is_filled_by_what_fits),
        TEST(large__search_goes_from_the_first_free_to_the_top),
        TEST(large__random_spans_take_the_first_fit),
        TEST(large__counts_references_like_any_object),
        TEST(large__one_that_does_not_fit_is_refused),
        TEST(shared__another_mapping_sees_the_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
