/* SPDX-License-Identifier: MIT */
/* What an application may hand in: pointers of every kind, frees at every time. And a model that does it at random. */
#include "core/mem.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LIMIT      (UINT64_C(64) << 20)
#define STEPS      100000
#define LIVE_MAX   1500
#define MODEL_SEED UINT64_C(0x9e3779b97f4a7c15)

static struct mem m;

static int setup(void **state)
{
    (void)state;
    return mem_init(&m, LIMIT, LIMIT, false);
}

static int teardown(void **state)
{
    uint64_t left = mem_bytes_used(&m);

    (void)state;
    mem_fini(&m);
    if (left != 0)
        print_error("%llu bytes are still in use\n", (unsigned long long)left);
    return left == 0 ? 0 : -1;
}

/* As the API frees: the quick way, and where that says no, the other. */
static int app_free(void *ptr)
{
    return mem_app_free_quick(&m, ptr) ? 0 : mem_app_free(&m, ptr);
}

static void refused(void *ptr)
{
    assert_false(mem_is_app_object(&m, ptr));
    assert_int_equal(mem_app_free(&m, ptr), -EINVAL);
    assert_int_equal(app_free(ptr), -EINVAL);
}

static void foreign__any_pointer_value(void **state)
{
    char *obj = mem_alloc(&m, 64, REF_APP), on_stack[256];
    void *on_heap = malloc(4096);

    (void)state;
    for (unsigned bit = 0; bit < 64; bit++) {
        refused((void *)(uintptr_t)(UINT64_C(1) << bit));
        refused((void *)~(uintptr_t)(UINT64_C(1) << bit));
        refused((void *)((uintptr_t)obj ^ (UINT64_C(1) << bit)));
    }
    refused(NULL);
    refused((void *)UINTPTR_MAX);
    refused(on_stack);
    refused(on_heap);
    refused(&m);
    free(on_heap);
    assert_int_equal(mem_app_free(&m, obj), 0);
}

static void foreign__edges_of_the_region(void **state)
{
    char *obj = mem_alloc(&m, 64, REF_APP);

    (void)state;
    refused(m.base - 1);
    refused(m.base);
    refused(m.base + m.region - 1);
    refused(m.base + m.region);
    refused(m.base + m.region - MEM_ALIGN);
    assert_int_equal(mem_app_free(&m, obj), 0);
}

/* Of one superblock every address but the object's own first byte. */
static void foreign__interior_of_every_kind(void **state)
{
    char *obj = mem_alloc(&m, 192, REF_APP), *sb = (char *)mem_superblock(obj);

    (void)state;
    for (size_t at = 0; at < SUPERBLOCK_BYTES; at++)
        if (sb + at != obj && mem_is_app_object(&m, sb + at))
            fail_msg("offset %zu passes for an object", at);
    assert_true(mem_is_app_object(&m, obj));
    assert_int_equal(mem_app_free(&m, obj), 0);
}

static void foreign__interior_of_a_large_object(void **state)
{
    char *obj = mem_alloc(&m, 3 * SUPERBLOCK_BYTES, REF_APP), *sb = (char *)mem_superblock(obj);

    (void)state;
    for (size_t at = 0; at < 4 * SUPERBLOCK_BYTES; at += 61)
        if (sb + at != obj)
            refused(sb + at);
    refused(sb + SUPERBLOCK_BYTES + 4096);
    assert_int_equal(mem_app_free(&m, obj), 0);
    refused(obj);
}

static void foreign__another_instances_object(void **state)
{
    struct mem other;
    char *theirs;

    (void)state;
    assert_int_equal(mem_init(&other, LIMIT, LIMIT, false), 0);
    theirs = mem_alloc(&other, 64, REF_APP);
    refused(theirs);
    assert_null(mem_find(&m, theirs, 1));
    assert_int_equal(mem_app_free(&other, theirs), 0);
    mem_fini(&other);
}

static void foreign__object_of_the_library(void **state)
{
    char *obj = mem_alloc(&m, 64, 1);

    (void)state;
    refused(obj);
    assert_null(mem_find(&m, obj, 1));
    mem_unref(&m, obj);
}

static void mem_app_free__twice(void **state)
{
    (void)state;
    for (size_t bytes = 1; bytes <= LIMIT / 2; bytes = bytes * 3 + 1) {
        char *obj = mem_alloc(&m, bytes, REF_APP);

        assert_int_equal(app_free(obj), 0);
        assert_int_equal(app_free(obj), -EINVAL);
    }
}

static void mem_app_free__while_referenced_keeps_the_memory(void **state)
{
    char *obj = mem_alloc(&m, 100, REF_APP), *next;

    (void)state;
    strcpy(obj, "in flight");
    mem_ref(obj);
    mem_ref(obj);
    assert_int_equal(mem_app_free(&m, obj), 0);
    refused(obj);
    next = mem_alloc(&m, 100, REF_APP);
    assert_ptr_not_equal(next, obj);
    mem_unref(&m, obj);
    assert_string_equal(obj, "in flight");
    mem_unref(&m, obj);
    assert_int_equal(mem_app_free(&m, next), 0);
}

static void mem_unref__last_returns_the_object(void **state)
{
    char *obj = mem_alloc(&m, 100, REF_APP);

    (void)state;
    mem_ref(obj);
    assert_int_equal(mem_app_free(&m, obj), 0);
    mem_unref(&m, obj);
    assert_ptr_equal(mem_alloc(&m, 100, 1), obj);
    mem_unref(&m, obj);
}

static void mem_unref__leaves_the_applications_object(void **state)
{
    char *obj = mem_alloc(&m, 100, REF_APP);

    (void)state;
    mem_ref(obj);
    mem_unref(&m, obj);
    assert_true(mem_is_app_object(&m, obj));
    assert_int_equal(mem_app_free(&m, obj), 0);
}

static void mem_give__makes_it_the_applications(void **state)
{
    char *obj = mem_alloc(&m, 100, 1);

    (void)state;
    assert_false(mem_app_owned(obj));
    mem_give(obj);
    assert_true(mem_app_owned(obj));
    assert_int_equal(mem_app_free(&m, obj), 0);
}

static void mem_find__ranges_inside_and_out(void **state)
{
    char *obj = mem_alloc(&m, 256, REF_APP);

    (void)state;
    assert_ptr_equal(mem_find(&m, obj, 256), obj);
    assert_ptr_equal(mem_find(&m, obj + 255, 1), obj);
    assert_ptr_equal(mem_find(&m, obj + 100, 0), obj);
    assert_null(mem_find(&m, obj, 257));
    assert_null(mem_find(&m, obj + 1, 256));
    assert_null(mem_find(&m, obj + 256, 1));
    assert_null(mem_find(&m, obj, SIZE_MAX));
    assert_null(mem_find(&m, obj + 1, SIZE_MAX));
    assert_null(mem_find(&m, mem_superblock(obj), 1));
    assert_null(mem_find(&m, NULL, 1));
    assert_int_equal(mem_app_free(&m, obj), 0);
    assert_null(mem_find(&m, obj, 1));
}

static void mem_find__ranges_of_a_large_object(void **state)
{
    char *obj = mem_alloc(&m, 3 * SUPERBLOCK_BYTES, REF_APP);
    size_t room = mem_room(obj);

    (void)state;
    assert_ptr_equal(mem_find(&m, obj + 2 * SUPERBLOCK_BYTES + 17, 100), obj);
    assert_ptr_equal(mem_find(&m, obj, room), obj);
    assert_null(mem_find(&m, obj, room + 1));
    assert_null(mem_find(&m, obj - 1, 1));
    assert_int_equal(mem_app_free(&m, obj), 0);
    assert_null(mem_find(&m, obj + SUPERBLOCK_BYTES, 1));
}

static unsigned released;

static void count_release(struct mem *mem, struct mem_extern *x)
{
    assert_ptr_equal(mem, &m);
    assert_string_equal(x->ptr, "elsewhere");
    released++;
}

static void extern__is_released_once_with_the_last_reference(void **state)
{
    static char text[] = "elsewhere";
    struct mem_extern *x = mem_alloc(&m, sizeof(*x), REF_APP | REF_EXTERN);

    (void)state;
    released = 0;
    *x = (struct mem_extern){.ptr = text, .len = sizeof(text), .release = count_release};
    mem_ref(x);
    assert_int_equal(mem_app_free(&m, x), 0);
    assert_int_equal(released, 0);
    mem_unref(&m, x);
    assert_int_equal(released, 1);
    assert_int_equal(mem_app_free(&m, x), -EINVAL);
}

/* A shadow of every object alive. */
struct shadow {
    unsigned char *ptr;
    size_t bytes;
    uint32_t refs; /* of the library */
    bool app;
    unsigned char stamp;
};

struct model {
    uint64_t random;
    struct shadow live[LIVE_MAX];
    unsigned count;
    uint64_t bytes;
};

static uint64_t draw(struct model *d, uint64_t below)
{
    d->random ^= d->random << 13;
    d->random ^= d->random >> 7;
    d->random ^= d->random << 17;
    return d->random % below;
}

/* Mostly small, sometimes large, now and then several superblocks. */
static size_t draw_size(struct model *d)
{
    uint64_t kind = draw(d, 1000);

    if (kind < 700)
        return 1 + draw(d, 2048);
    return 1 + (kind < 995 ? draw(d, 65536) : draw(d, 5 * SUPERBLOCK_BYTES));
}

static void model_alloc(struct model *d)
{
    size_t bytes = draw_size(d);
    uint32_t ref = (uint32_t)draw(d, 2);
    unsigned char *p = mem_alloc(&m, bytes, ref == 0 ? REF_APP : 1);
    struct shadow *s;

    if (p == NULL)
        return; /* the limit was reached: model_step checks that nothing changed */
    s = &d->live[d->count++];
    *s = (struct shadow){p, bytes, ref, ref == 0, (unsigned char)draw(d, 256)};
    p[0] = p[bytes / 2] = p[bytes - 1] = s->stamp;
    d->bytes += mem_superblock(p)->cls == MEM_CLASS_MAX ? mem_superblock(p)->span * SUPERBLOCK_BYTES : mem_room(p);
}

static void model_gone(struct model *d, struct shadow *s, uint64_t bytes)
{
    d->bytes -= bytes;
    *s = d->live[--d->count];
}

/* One of: take a reference, drop one, free, free what is not the application's. */
static void model_change(struct model *d, struct shadow *s)
{
    struct superblock *sb = mem_superblock(s->ptr);
    uint64_t bytes = sb->cls == MEM_CLASS_MAX ? sb->span * SUPERBLOCK_BYTES : sb->obj_bytes;

    if (s->ptr[0] != s->stamp || s->ptr[s->bytes / 2] != s->stamp || s->ptr[s->bytes - 1] != s->stamp)
        fail_msg("an object of %zu bytes was written to by another", s->bytes);
    switch (draw(d, 4)) {
    case 0:
        mem_ref(s->ptr);
        s->refs++;
        return;
    case 1:
        if (s->refs == 0)
            return;
        mem_unref(&m, s->ptr);
        s->refs--;
        break;
    default:
        assert_int_equal(app_free(s->ptr), s->app ? 0 : -EINVAL);
        s->app = false;
    }
    if (s->refs == 0 && !s->app)
        model_gone(d, s, bytes);
}

/* share: of a hundred steps that are allocations. */
static void model_step(struct model *d, uint64_t share)
{

    if (d->count < LIVE_MAX && (d->count == 0 || draw(d, 100) < share))
        model_alloc(d);
    else
        model_change(d, &d->live[draw(d, d->count)]);
    if (draw(d, 16) == 0) {
        const void *wild = m.base + draw(d, m.region);

        if (mem_is_app_object(&m, wild))
            for (unsigned i = 0; i <= d->count; i++)
                if (i == d->count || (d->live[i].app && wild == d->live[i].ptr))
                    assert_true(i < d->count);
    }
    assert_int_equal(mem_bytes_used(&m), d->bytes);
}

static void model__100000_random_steps(void **state)
{
    static struct model d;

    (void)state;
    d.random = MODEL_SEED;
    for (unsigned step = 0; step < STEPS; step++)
        model_step(&d, step / 10000 % 2 == 0 ? 80 : 25);
    assert_true(m.refused > 0); /* the pool was full now and then */
    for (; d.count > 0; d.count--) {
        struct shadow *s = &d.live[d.count - 1];

        assert_int_equal(s->ptr[s->bytes - 1], s->stamp);
        if (s->app)
            assert_int_equal(app_free(s->ptr), 0);
        while (s->refs-- > 0)
            mem_unref(&m, s->ptr);
    }
    assert_int_equal(mem_bytes_used(&m), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(foreign__any_pointer_value),
        TEST(foreign__edges_of_the_region),
        TEST(foreign__interior_of_every_kind),
        TEST(foreign__interior_of_a_large_object),
        TEST(foreign__another_instances_object),
        TEST(foreign__object_of_the_library),
        TEST(mem_app_free__twice),
        TEST(mem_app_free__while_referenced_keeps_the_memory),
        TEST(mem_unref__last_returns_the_object),
        TEST(mem_unref__leaves_the_applications_object),
        TEST(mem_give__makes_it_the_applications),
        TEST(mem_find__ranges_inside_and_out),
        TEST(mem_find__ranges_of_a_large_object),
        TEST(extern__is_released_once_with_the_last_reference),
        TEST(model__100000_random_steps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
