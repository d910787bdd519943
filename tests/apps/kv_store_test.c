/* SPDX-License-Identifier: MIT */
/* Tests of the server's index and store, in the order of apps/kv/index.h and store.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <demi/ext.h>
#include <demi/libos.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kv/store.h"

#define ITEMS      60000u
#define ITEM_ROOM  32u
#define MODEL_KEYS 3000u
#define MODEL_OPS  200000u

static const uint64_t seed[2] = {UINT64_C(0x0123456789abcdef), UINT64_C(0xfedcba9876543210)};
static struct index ix;
static struct store st;
static char *items; /* ITEMS of them, ITEM_ROOM bytes apart */

static int setup(void **state)
{
    (void)state;
    return demi_init(NULL) == 0 ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    return demi_fini() == 0 ? 0 : -1;
}

static uint32_t next_random(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (uint32_t)(*state >> 33);
}

static struct item *item_at(uint32_t i)
{
    return (struct item *)(void *)(items + (size_t)i * ITEM_ROOM);
}

static void make_items(void)
{
    items = calloc(ITEMS, ITEM_ROOM);
    assert_non_null(items);
    for (uint32_t i = 0; i < ITEMS; i++) {
        char key[16];
        item_at(i)->key_len = (uint16_t)snprintf(key, sizeof(key), "key-%u", i);
        memcpy(item_key(item_at(i)), key, item_at(i)->key_len);
    }
}

static uint64_t hash_at(uint32_t i)
{
    return index_hash(&ix, item_key(item_at(i)), item_at(i)->key_len);
}

static uint64_t *slot_at(uint32_t i)
{
    return index_find(&ix, hash_at(i), item_key(item_at(i)), item_at(i)->key_len);
}

/* Keys that count up, as those of most loads do, come apart as chance has it, with whatever seed. */
static void index_hash__spreads_keys_that_count_up(void **state)
{
    enum { BUCKETS = 8192, COUNT_UP = 5 * BUCKETS, SEEDS = 16 };
    static uint16_t bucket[BUCKETS];
    uint64_t x = 1 + 320 * UINT64_C(0x9e3779b97f4a7c15); /* one of the seeds was bad for a hash of one product and
                                                            nothing more: 10 instead of 6 */
    (void)state;
    for (unsigned s = 0; s < SEEDS; s++) {
        uint64_t random[2], looks = 0;
        for (unsigned i = 0; i < 2; i++) { /* splitmix64 */
            uint64_t z = x += UINT64_C(0x9e3779b97f4a7c15);
            z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
            z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
            random[i] = z ^ z >> 31;
        }
        memset(bucket, 0, sizeof(bucket));
        for (uint32_t i = 0; i < COUNT_UP; i++) {
            char key[17] = "user000000000000";
            for (uint32_t rest = i, at = 15; rest > 0; rest /= 10, at--) {
                key[at] = (char)('0' + rest % 10);
            }
            bucket[hash_bytes(key, 16, random) % BUCKETS]++;
        }
        for (unsigned b = 0; b < BUCKETS; b++) {
            looks += (uint64_t)bucket[b] * bucket[b];
        }
        /* each key meets itself and, of five a bucket, five others */
        assert_in_range(looks, COUNT_UP * 5, COUNT_UP * 7);
    }
}

static void index_add__finds_all_while_it_grows_and_shrinks(void **state)
{
    (void)state;
    make_items();
    assert_true(index_init(&ix, seed));
    for (uint32_t i = 0; i < ITEMS; i++) {
        assert_null(slot_at(i));
        assert_true(index_add(&ix, hash_at(i), item_at(i)));
        assert_non_null(slot_at(i / 2));
    }
    assert_true(ix.splits > ITEMS / 10 && ix.buckets * 5 > ITEMS);
    for (uint32_t i = 0; i < ITEMS; i++) {
        uint64_t *slot = slot_at(i);
        assert_non_null(slot);
        assert_ptr_equal(index_item(*slot), item_at(i));
    }
    for (uint32_t i = 0; i < ITEMS; i++) {
        index_remove(&ix, hash_at(i), slot_at(i));
        assert_null(slot_at(i));
        assert_non_null(slot_at(ITEMS - 1 - (ITEMS - 1 - i) / 2));
        if (i == ITEMS - 2) {
            break;
        }
    }
    assert_int_equal(ix.count, 1);
    assert_int_equal(ix.buckets, INDEX_BUCKETS_MIN);
    assert_int_equal(ix.overflow_used, 0);
    assert_true(ix.chunks <= 2);
    index_fini(&ix);
    free(items);
}

static uint8_t seen[ITEMS];

static void mark_seen(void *context, struct item *it)
{
    (void)context;
    seen[((char *)it - items) / ITEM_ROOM] = 1;
}

/* The first half of the items is there all the time; the others come and go between the steps. */
static void index_scan__sees_what_stays_while_the_table_changes(void **state)
{
    uint64_t cursor = 0, rng = 5;
    uint32_t half = ITEMS / 2, others = 0, steps = 0;
    (void)state;
    make_items();
    memset(seen, 0, sizeof(seen));
    assert_true(index_init(&ix, seed));
    for (uint32_t i = 0; i < half; i++) {
        assert_true(index_add(&ix, hash_at(i), item_at(i)));
    }
    bool growing = true;
    do {
        index_scan(&ix, &cursor, mark_seen, NULL);
        for (uint32_t k = next_random(&rng) % 8; k > 0; k--) {
            if (growing && others < half) {
                assert_true(index_add(&ix, hash_at(half + others), item_at(half + others)));
                others++;
            } else if (!growing && others > 0) {
                others--;
                index_remove(&ix, hash_at(half + others), slot_at(half + others));
            }
        }
        growing = steps++ / 3000 % 2 == 0;
    } while (cursor != 0);
    for (uint32_t i = 0; i < half; i++) {
        assert_true(seen[i]);
    }
    index_fini(&ix);
    free(items);
}

static struct span key_of(uint32_t i)
{
    static char text[16];
    return (struct span){text, (size_t)snprintf(text, sizeof(text), "k%u", i)};
}

/* Lengths of all kinds: inside, at the border, outside. */
static size_t length_of(uint32_t version)
{
    static const size_t lengths[] = {0, 1, 7, 8, 60, 64, 300, ITEM_INSIDE_MAX, ITEM_INSIDE_MAX + 1, 5000};
    return lengths[version % (sizeof(lengths) / sizeof(lengths[0]))];
}

static char *bytes_of(uint32_t i, uint32_t version)
{
    static char bytes[8192];
    for (size_t k = 0; k < length_of(version); k++) {
        bytes[k] = (char)(i * 31 + version * 7 + k);
    }
    return bytes;
}

static int put(uint32_t i, uint32_t version, uint64_t expiry_ms)
{
    struct store_put p = {
        .key = key_of(i), .value = {bytes_of(i, version), length_of(version)}, .expiry_ms = expiry_ms};
    return store_put(&st, &p);
}

static void assert_value(uint32_t i, uint32_t version)
{
    struct item *it = store_get(&st, key_of(i));
    assert_non_null(it);
    assert_int_equal(it->value_len, length_of(version));
    assert_memory_equal(item_value(it), bytes_of(i, version), length_of(version));
}

/* Against an array of what was written last: writes, removals, expiries, and the cleaner all the while. */
static void store__holds_what_a_model_holds(void **state)
{
    static uint32_t version[MODEL_KEYS]; /* 0: not there */
    static uint64_t expiry_ms[MODEL_KEYS];
    uint64_t rng = 7;
    (void)state;
    assert_true(store_init(&st, UINT64_C(24) << 20, false, seed));
    st.now_ms = 1000000;
    for (uint32_t op = 1; op < MODEL_OPS; op++) {
        uint32_t i = next_random(&rng) % MODEL_KEYS, what = next_random(&rng) % 10;
        st.now_ms += op % 16 == 0;
        bool there = version[i] != 0 && (expiry_ms[i] == 0 || expiry_ms[i] > st.now_ms);
        if (what < 5) {
            expiry_ms[i] = what == 0 ? st.now_ms + next_random(&rng) % 5000 + 1 : 0;
            version[i] = op;
            assert_int_equal(put(i, op, expiry_ms[i]), 0);
        } else if (what < 7) {
            assert_int_equal(store_remove(&st, key_of(i)), there);
            version[i] = 0;
        } else if (what == 7 && there) {
            expiry_ms[i] = expiry_ms[i] == 0 ? st.now_ms + 3000 : 0;
            assert_int_equal(store_set_expiry(&st, key_of(i), expiry_ms[i]), 0);
        } else if (there) {
            assert_value(i, version[i]);
            assert_int_equal(item_expiry_ms(store_peek(&st, key_of(i))), expiry_ms[i]);
        } else {
            assert_null(store_get(&st, key_of(i)));
        }
        assert_true(store_bytes(&st) <= st.bytes_max);
    }
    assert_true(st.count.cleaned_segments > 0 && st.count.moved_items > 0);
    assert_int_equal(st.count.evicted_keys, 0);
    assert_true(store_clear(&st));
    assert_int_equal(st.log.segments, 0);
    assert_int_equal(st.outside_bytes, 0);
    store_fini(&st);
}

static void store_append__grows_a_value_from_inside_to_outside(void **state)
{
    char all[20000];
    size_t len = 0;
    uint64_t rng = 11;
    (void)state;
    assert_true(store_init(&st, UINT64_C(16) << 20, false, seed));
    struct store_put p = {.key = {"a", 1}, .value = {"", 0}};
    assert_int_equal(store_put(&st, &p), 0);
    while (len < sizeof(all) - 100) {
        size_t more = next_random(&rng) % 100;
        memset(all + len, (int)('a' + more % 26), more);
        assert_int_equal(store_append(&st, (struct span){"a", 1}, (struct span){all + len, more}), len + more);
        len += more;
        struct item *it = store_get(&st, (struct span){"a", 1});
        assert_int_equal(it->value_len, len);
        assert_memory_equal(item_value(it), all, len);
    }
    assert_int_equal(st.key_value_bytes, len + 1);
    store_fini(&st);
}

static void store_put__refuses_when_full_and_leaves_the_old(void **state)
{
    uint32_t i = 0;
    (void)state;
    assert_true(store_init(&st, STORE_BYTES_MIN, false, seed));
    while (put(i, 7, 0) == 0) {
        i++;
    }
    assert_true(i > 5000);
    for (uint32_t small = i; put(small, 1, 0) == 0; small++) { /* what room is left for small ones */
    }
    assert_int_equal(put(0, 9, 0), -ENOMEM);
    assert_value(0, 7);
    assert_int_equal(st.count.refused_writes, 3);
    store_fini(&st);
}

/* What is read now and then stays, all else goes in the order in which it came. */
static void store_put__evicts_what_is_not_read(void **state)
{
    (void)state;
    assert_true(store_init(&st, STORE_BYTES_MIN, true, seed));
    for (uint32_t i = 0; i < 60000; i++) {
        assert_int_equal(put(i, i % 20 == 0 ? 9 : 6, 0), 0);
        assert_true(store_bytes(&st) <= st.bytes_max);
        if (i % 500 == 0) {
            for (uint32_t hot = 0; hot < 20; hot++) {
                assert_true(hot > i || store_get(&st, key_of(hot)) != NULL);
            }
        }
    }
    assert_null(store_get(&st, key_of(1000)));
    assert_non_null(store_get(&st, key_of(59990)));
    assert_true(st.count.evicted_keys > 30000);
    assert_true(store_bytes(&st) > STORE_BYTES_MIN / 2);
    store_fini(&st);
}

static void store_tick__removes_what_has_expired(void **state)
{
    (void)state;
    assert_true(store_init(&st, UINT64_C(32) << 20, false, seed));
    st.now_ms = 1000;
    for (uint32_t i = 0; i < 20000; i++) {
        assert_int_equal(put(i, 4, i % 2 == 0 ? 2000 : 0), 0);
    }
    assert_int_equal(st.expiring, 10000);
    assert_false(store_tick(&st));
    assert_int_equal(st.index.count, 20000);
    st.now_ms = 2000;
    assert_true(store_tick(&st));
    for (int turn = 0; turn < 1000 && st.expiring > 0; turn++) {
        (void)store_tick(&st);
    }
    assert_int_equal(st.index.count, 10000);
    assert_int_equal(st.count.expired_keys, 10000);
    assert_null(store_get(&st, key_of(0)));
    assert_value(1, 4);
    store_fini(&st);
}

static unsigned released;

static void count_release(void *context, void *memory)
{
    (void)context;
    released++;
    (void)demi_free(memory);
}

static int put_long(uint32_t i, uint32_t len)
{
    static const char bytes[4000];
    struct store_put p = {.key = key_of(i), .value = {bytes, len}};
    return store_put(&st, &p);
}

static void store_clear__gives_back_little_by_little(void **state)
{
    (void)state;
    assert_true(store_init(&st, UINT64_C(64) << 20, false, seed));
    uint64_t empty = store_bytes(&st);
    st.release = count_release;
    released = 0;
    for (uint32_t i = 0; i < 6000; i++) {
        assert_int_equal(put_long(i, i % 3 == 0 ? 4000 : 300), 0);
    }
    assert_true(store_clear(&st));
    assert_int_equal(released, 0);
    assert_true(store_bytes(&st) > 8000000);
    assert_int_equal(put_long(1, 4), 0);
    assert_true(store_clear(&st)); /* again, before all is given back */
    unsigned ticks = 0, before = released;
    for (bool again = true; again; ticks++) {
        again = store_tick(&st);
        assert_true(released - before <= 16);
        before = released;
    }
    assert_true(ticks > 100);
    assert_int_equal(released, 2000);
    assert_int_equal(store_bytes(&st), empty);
    assert_false(store_wants_ticks(&st));
    store_fini(&st);
}

static void store_clear__leaves_room_for_writes_at_once(void **state)
{
    (void)state;
    assert_true(store_init(&st, STORE_BYTES_MIN, false, seed));
    for (int round = 0; round < 4; round++) {
        uint32_t written = 0;
        while (put_long(written, round % 2 == 0 ? 3000 : 500) == 0) {
            written++;
            assert_true(store_bytes(&st) <= st.bytes_max);
        }
        assert_true(written > (round % 2 == 0 ? 1500 : 8000));
        assert_true(store_clear(&st));
    }
    store_fini(&st);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(index_hash__spreads_keys_that_count_up),
        cmocka_unit_test_setup_teardown(index_add__finds_all_while_it_grows_and_shrinks, setup, teardown),
        cmocka_unit_test_setup_teardown(index_scan__sees_what_stays_while_the_table_changes, setup, teardown),
        cmocka_unit_test_setup_teardown(store__holds_what_a_model_holds, setup, teardown),
        cmocka_unit_test_setup_teardown(store_append__grows_a_value_from_inside_to_outside, setup, teardown),
        cmocka_unit_test_setup_teardown(store_put__refuses_when_full_and_leaves_the_old, setup, teardown),
        cmocka_unit_test_setup_teardown(store_put__evicts_what_is_not_read, setup, teardown),
        cmocka_unit_test_setup_teardown(store_tick__removes_what_has_expired, setup, teardown),
        cmocka_unit_test_setup_teardown(store_clear__gives_back_little_by_little, setup, teardown),
        cmocka_unit_test_setup_teardown(store_clear__leaves_room_for_writes_at_once, setup, teardown),
    };
    return cmocka_run_group_tests_name("kv_store", tests, NULL, NULL);
}
