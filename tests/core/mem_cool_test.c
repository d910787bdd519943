/* SPDX-License-Identifier: MIT */
/* Pages of free superblocks: kept at first, given back in pieces, and never anything but zeros where a table begins. */
#include "core/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#define BLOCKS 32u
#define LIMIT  (BLOCKS * SUPERBLOCK_BYTES)
#define ONE    (SUPERBLOCK_BYTES - MEM_LARGE_FIRST) /* bytes of an object that takes one superblock */
#define PAGE   4096u

static struct mem m;

static int setup(void **state)
{
    bool shared = *state != NULL;

    return mem_init(&m, LIMIT, LIMIT, shared);
}

static int teardown(void **state)
{
    (void)state;
    mem_fini(&m);
    return 0;
}

/* Pages of a superblock that are there. */
static uint32_t pages_of(uint32_t block)
{
    unsigned char there[SUPERBLOCK_BYTES / PAGE];
    uint32_t n = 0;

    assert_int_equal(mincore(m.base + block * SUPERBLOCK_BYTES, SUPERBLOCK_BYTES, there), 0);
    for (size_t i = 0; i < sizeof(there); i++)
        n += there[i] & 1;
    return n;
}

/* So many superblocks are used and written all over, then free. */
static void use_and_free(uint32_t n)
{
    char *obj[BLOCKS];

    for (uint32_t i = 0; i < n; i++) {
        obj[i] = mem_alloc(&m, ONE, REF_APP);
        assert_non_null(obj[i]);
        memset(obj[i], 'x', ONE);
    }
    for (uint32_t i = 0; i < n; i++)
        assert_int_equal(mem_app_free(&m, obj[i]), 0);
}

static void mem_cool__nothing_where_few_are_free(void **state)
{
    (void)state;
    assert_false(mem_cool(&m));
    use_and_free(MEM_WARM);
    assert_false(mem_cool(&m));
    assert_int_equal(m.warm, MEM_WARM);
    assert_true(pages_of(MEM_WARM - 1) >= ONE / PAGE);
}

/* One superblock more than are kept: the highest loses its pages, a piece each time. */
static void mem_cool__a_piece_each_time(void **state)
{
    uint32_t before, pieces = 1;

    (void)state;
    use_and_free(MEM_WARM + 1);
    before = pages_of(MEM_WARM);
    assert_true(mem_cool(&m));
    assert_int_equal(pages_of(MEM_WARM), before - MEM_PIECE_BYTES / PAGE);
    while (mem_cool(&m))
        pieces++;
    assert_int_equal(pieces, MEM_PIECES - 1);
    assert_int_equal(pages_of(MEM_WARM), 0);
    assert_true(pages_of(MEM_WARM - 1) >= ONE / PAGE);
    assert_int_equal(m.warm, MEM_WARM);
}

static void mem_cool__leaves_what_is_used(void **state)
{
    char *obj[MEM_WARM + 3];
    uint32_t n = ARRAY_LEN(obj);

    (void)state;
    for (uint32_t i = 0; i < n; i++) {
        obj[i] = mem_alloc(&m, ONE, REF_APP);
        assert_non_null(obj[i]);
        memset(obj[i], 'a' + (int)i, ONE);
    }
    for (uint32_t i = 0; i < n; i++)
        if (i != n - 2)
            assert_int_equal(mem_app_free(&m, obj[i]), 0);
    while (mem_cool(&m)) {
    }
    assert_int_equal(m.warm, MEM_WARM);
    assert_int_equal(pages_of(n - 1), 0);
    assert_int_equal(pages_of(n - 3), 0);
    for (size_t at = 0; at < ONE; at++)
        if (obj[n - 2][at] != 'a' + (int)n - 2)
            fail_msg("byte %zu of an object alive is gone", at);
    assert_int_equal(mem_app_free(&m, obj[n - 2]), 0);
    assert_true(mem_cool(&m)); /* it is the highest now */
}

/* Pieces given back of two superblocks: those in which the tables lie come last. */
static const uint32_t stages[] = {0, 13, 29, 30, 31, 32, 61, 62, 63, 64};

/* After so many pieces, whatever lay in them, the words of a superblock that is taken again are those of new memory. */
static void taken_again(uint32_t pieces)
{
    void *obj[BLOCKS];
    uint32_t n = 0;

    while (pieces-- > 0)
        mem_cool(&m);
    for (; n < BLOCKS && m.blocks_used < m.blocks; n++) { /* three objects a superblock: little of it is written */
        struct superblock *sb;

        obj[n] = mem_alloc(&m, MEM_CLASS_LIMIT, REF_APP);
        assert_non_null(obj[n]);
        sb = mem_superblock(obj[n]);
        if (obj[n] != mem_object(sb, 0))
            continue;
        for (uint32_t i = 0; i < MEM_GRANULES; i++) {
            uint32_t offset = i * MEM_ALIGN - sb->first;

            if (i * MEM_ALIGN >= sb->first && offset % sb->obj_bytes == 0 && offset / sb->obj_bytes < sb->carved)
                continue;
            if (sb->refs[i] != 0)
                fail_msg("word %u of a superblock is %x", i, sb->refs[i]);
        }
    }
    while (n-- > 0)
        assert_int_equal(mem_app_free(&m, obj[n]), 0);
    mem_trim(&m);
}

static void mem_cool__no_word_is_left_of_larger_objects(void **state)
{
    (void)state;
    for (size_t k = 0; k < ARRAY_LEN(stages); k++) {
        size_t bytes = (MEM_WARM + 2) * SUPERBLOCK_BYTES - MEM_LARGE_FIRST;
        char *large = mem_alloc(&m, bytes, REF_APP);

        assert_non_null(large);
        memset(large, 0xff, bytes);
        assert_int_equal(mem_app_free(&m, large), 0);
        taken_again(stages[k]);
    }
}

static void mem_cool__no_word_is_left_of_smaller_objects(void **state)
{
    enum { MANY = (MEM_WARM + 2) * (SUPERBLOCK_BYTES / 512) };
    static void *obj[MANY];

    (void)state;
    for (size_t k = 0; k < ARRAY_LEN(stages); k++) {
        for (uint32_t i = 0; i < MANY; i++) {
            obj[i] = mem_alloc(&m, 512, REF_APP);
            assert_non_null(obj[i]);
        }
        for (uint32_t i = 0; i < MANY; i++)
            assert_int_equal(mem_app_free(&m, obj[i]), 0);
        mem_trim(&m);
        taken_again(stages[k]);
    }
}

/* Where the machine keeps its pages, they are used again all the same, and asked for only once. */
static void mem_cool__locked_memory_stays(void **state)
{
    (void)state;
    use_and_free(MEM_WARM + 2);
    if (syscall(SYS_mlock, m.base, (MEM_WARM + 2) * SUPERBLOCK_BYTES) != 0) /* mlock() does nothing under ASan */
        skip();                                                             /* not allowed to */
    assert_false(mem_cool(&m));
    assert_true(m.pages_stay);
    assert_true(pages_of(MEM_WARM + 1) >= ONE / PAGE);
    syscall(SYS_munlock, m.base, (MEM_WARM + 2) * SUPERBLOCK_BYTES);
    assert_false(mem_cool(&m));
    mem_cool__no_word_is_left_of_larger_objects(state);
    mem_cool__no_word_is_left_of_smaller_objects(state);
}

/* Any order of takes, gives and pieces: nothing of a free superblock is lost from sight, nothing alive is touched. */
static void mem_cool__at_random(void **state)
{
    struct {
        uint32_t *at;
        size_t bytes;
        uint32_t mark;
    } live[BLOCKS] = {{NULL, 0, 0}};
    uint32_t random = 4712;

    (void)state;
    for (uint32_t step = 0; step < 3000; step++) {
        uint32_t pick = (random = random * 1103515245 + 12345) >> 16, i = pick % BLOCKS;

        for (uint32_t k = 0; k < pick / 256 % 8; k++)
            mem_cool(&m);
        if (live[i].at != NULL) {
            assert_int_equal(live[i].at[0], live[i].mark);
            assert_int_equal(live[i].at[live[i].bytes / 4 - 1], live[i].mark);
            assert_int_equal(mem_app_free(&m, live[i].at), 0);
            live[i].at = NULL;
            continue;
        }
        live[i].bytes = pick % 3 == 0 ? 3 * SUPERBLOCK_BYTES - MEM_LARGE_FIRST : pick % 3 == 1 ? ONE : 4096;
        live[i].at = mem_alloc(&m, live[i].bytes, REF_APP);
        live[i].mark = step;
        if (live[i].at != NULL)
            live[i].at[0] = live[i].at[live[i].bytes / 4 - 1] = step;
    }
    for (uint32_t i = 0; i < BLOCKS; i++)
        if (live[i].at != NULL)
            assert_int_equal(mem_app_free(&m, live[i].at), 0);
    mem_trim(&m);
    while (mem_cool(&m)) {
    }
    assert_int_equal(m.warm, MEM_WARM);
    for (uint32_t i = 0, with_pages = 0; i < BLOCKS; i++) {
        with_pages += pages_of(i) > 0;
        assert_true(with_pages <= MEM_WARM);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define TEST_SHARED(name)                                                                                              \
    {                                                                                                                  \
#name "_shared", name, setup, teardown, &m                                                                     \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(mem_cool__nothing_where_few_are_free),
        TEST(mem_cool__a_piece_each_time),
        TEST_SHARED(mem_cool__a_piece_each_time),
        TEST(mem_cool__leaves_what_is_used),
        TEST_SHARED(mem_cool__leaves_what_is_used),
        TEST(mem_cool__no_word_is_left_of_larger_objects),
        TEST_SHARED(mem_cool__no_word_is_left_of_larger_objects),
        TEST(mem_cool__no_word_is_left_of_smaller_objects),
        TEST(mem_cool__locked_memory_stays),
        TEST(mem_cool__at_random),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
