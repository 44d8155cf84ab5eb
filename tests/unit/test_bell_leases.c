#include "bell_leases.h"
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOW  5000000000
#define KEYS 1000

static void *memory;

static int set_up(void **state) {
    size_t bytes = bell_leases_size(KEYS);

    (void)state;
    memory = aligned_alloc(BELL_LEASES_ALIGN, bytes);
    assert_non_null(memory);
    memset(memory, 0, bytes);
    assert_true(bell_leases_init(memory, bytes, 100));
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    free(memory);
    return 0;
}

/* As good as a hash: splitmix64. */
static uint64_t mixed(uint64_t n) {
    n = (n + 1) * 0x9e3779b97f4a7c15;
    n = (n ^ (n >> 30)) * 0xbf58476d1ce4e5b9;
    n = (n ^ (n >> 27)) * 0x94d049bb133111eb;
    return n ^ (n >> 31);
}

static bell_limits_name named(uint64_t n) {
    return (bell_limits_name){.where = mixed(2 * n), .tag = mixed(2 * n + 1) | 1};
}

static bell_leases_key *add(uint64_t n) {
    bell_leases_key key = {.name = named(n), .limit = 7, .tenant_id = 9};

    memset(key.digest, (int)n, sizeof(key.digest));
    return bell_leases_add(memory, &key, NOW + (int64_t)n);
}

static size_t count(void) {
    size_t place = 0, n = 0;

    while (bell_leases_next(memory, &place) != NULL) {
        n++;
    }
    return n;
}

static void layout(void **state) {
    size_t least = bell_leases_size(0);

    (void)state;
    assert_true(bell_leases_places(memory) >= KEYS);
    assert_true(bell_leases_size(KEYS) < 360 * KEYS);
    assert_true(bell_leases_init(memory, least, 1));
    assert_int_equal(bell_leases_places(memory), BELL_LEASES_WAYS);
    assert_false(bell_leases_init(memory, least - 1, 1));
    assert_false(bell_leases_init((char *)memory + 8, least, 1));
}

static void keys(void **state) {
    (void)state;
    assert_null(bell_leases_find(memory, named(1)));
    bell_leases_key *one = add(1), *two = add(2);
    assert_true(one != NULL && two != NULL && one != two);
    assert_ptr_equal(bell_leases_find(memory, named(1)), one);
    assert_true(one->limit == 7 && one->tenant_id == 9 && one->digest[15] == 1);
    assert_int_equal(one->lease.local_tat_us, NOW + 1);
    assert_true(one->lease.epoch == 100 && two->lease.epoch == 101); /* no two leases are one to the store */
    bell_leases_prefetch(memory, named(1));

    bell_leases_remove(memory, one);
    assert_null(bell_leases_find(memory, named(1)));
    assert_ptr_equal(bell_leases_find(memory, named(2)), two);
    assert_int_equal(count(), 1);
    assert_int_equal(add(1)->lease.epoch, 102);
    assert_int_equal(bell_leases_find(memory, named(1))->lease.spent, 0);
}

/* Another key with the same tag is another key. */
static void tags(void **state) {
    bell_limits_name name = named(1);

    (void)state;
    assert_non_null(add(1));
    name.where ^= (uint64_t)1 << 40;
    assert_null(bell_leases_find(memory, name));
}

/* As many as there was room asked for find a place; what does not is told, and what is there stays. */
static void full(void **state) {
    size_t places = bell_leases_places(memory), n = 0;

    (void)state;
    for (; n < KEYS; n++) {
        assert_non_null(add(n));
    }
    for (; n < 20 * places; n++) {
        bool has_room = bell_leases_has_room(memory, named(n));
        assert_int_equal(add(n) != NULL, has_room);
        assert_int_equal(bell_leases_find(memory, named(n)) != NULL, has_room);
    }
    assert_int_equal(count(), places);
    for (n = 0; n < KEYS; n++) {
        assert_int_equal(bell_leases_find(memory, named(n))->lease.local_tat_us, NOW + (int64_t)n);
    }
    bell_leases_remove(memory, bell_leases_find(memory, named(3)));
    assert_int_equal(count(), places - 1);
    assert_non_null(add(3));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(layout, set_up, tear_down),
        cmocka_unit_test_setup_teardown(keys, set_up, tear_down),
        cmocka_unit_test_setup_teardown(tags, set_up, tear_down),
        cmocka_unit_test_setup_teardown(full, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
