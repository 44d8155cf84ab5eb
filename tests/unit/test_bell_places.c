#include "bell_places.h"
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#define ITEMS 64

static void *places;
static uint32_t pushed_out;

static int set_up(void **state) {
    size_t size = bell_places_size(ITEMS);

    (void)state;
    places = malloc(size);
    memset(places, 0xa5, size);
    bell_places_init(places, ITEMS);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    free(places);
    return 0;
}

static bell_place ask(uint32_t item, uint32_t tenant, uint64_t pool, bool behind, uint16_t of_tenant, uint16_t of_pool, uint16_t queue) {
    bell_place_asked asked = {.tenant_id = tenant, .pool = pool, .behind = behind, .of_tenant = of_tenant, .of_pool = of_pool, .queue = queue};
    bell_place place = bell_places_ask(places, item, &asked, &pushed_out);

    assert_int_equal(bell_places_of(places, item), place == BELL_PLACE_REFUSED ? BELL_PLACE_NONE : place);
    return place;
}

/* Who goes on when this one is done; 0: nobody. */
static uint32_t give(uint32_t item) {
    bell_places_give(places, item);
    assert_int_equal(bell_places_of(places, item), BELL_PLACE_NONE);
    uint32_t next = bell_places_next(places);
    assert_true(next == 0 || bell_places_next(places) == 0);
    return next;
}

static void so_many_at_once(void **state) {
    (void)state;
    assert_int_equal(ask(1, 7, 1, false, 2, 3, 9), BELL_PLACE_HAS);
    assert_int_equal(ask(2, 7, 1, false, 2, 3, 9), BELL_PLACE_HAS);
    assert_int_equal(ask(3, 7, 1, false, 2, 3, 9), BELL_PLACE_WAITS); /* two of a tenant */
    assert_int_equal(ask(4, 8, 1, false, 2, 3, 9), BELL_PLACE_HAS);
    assert_int_equal(ask(5, 8, 1, false, 2, 3, 9), BELL_PLACE_WAITS); /* three of a pool */
    assert_int_equal(ask(6, 7, 2, false, 2, 3, 9), BELL_PLACE_HAS);   /* another pool */
    assert_int_equal(ask(7, 7, 2, false, 0, 0, 9), BELL_PLACE_HAS);
    assert_int_equal(ask(8, 7, 2, false, 0, 0, 9), BELL_PLACE_HAS); /* any number */
    assert_int_equal(bell_places_waiting(places), 2);
    assert_int_equal(bell_places_taken(places), 6);
    assert_int_equal(give(6), 0);
    assert_int_equal(give(1), 5); /* whose turn came first; 3 has only now become one who may */
    assert_int_equal(give(4), 3);
    assert_int_equal(give(3), 0);
    for (uint32_t n = 1; n <= 8; n++) {
        assert_int_equal(give(n), 0);
    }
    assert_int_equal(bell_places_taken(places), 0);
    assert_int_equal(bell_places_waiting(places), 0);
}

static void tenants_take_turns(void **state) {
    uint32_t running = 1;
    const uint32_t order[] = {10, 20, 30, 11, 21, 31, 12, 13, 14};

    (void)state;
    assert_int_equal(ask(running, 9, 1, false, 5, 1, 50), BELL_PLACE_HAS);
    for (uint32_t n = 10; n < 15; n++) {
        assert_int_equal(ask(n, 1, 1, false, 5, 1, 50), BELL_PLACE_WAITS);
    }
    assert_int_equal(ask(20, 2, 1, false, 5, 1, 50), BELL_PLACE_WAITS);
    assert_int_equal(ask(30, 3, 1, false, 5, 1, 50), BELL_PLACE_WAITS);
    assert_int_equal(ask(21, 2, 1, false, 5, 1, 50), BELL_PLACE_WAITS);
    assert_int_equal(ask(31, 3, 1, false, 5, 1, 50), BELL_PLACE_WAITS);
    for (size_t i = 0; i < ROWS(order); i++) {
        assert_int_equal(give(running), order[i]);
        running = order[i];
    }
    assert_int_equal(give(running), 0);
}

static void behind_goes_last(void **state) {
    (void)state;
    assert_int_equal(ask(1, 1, 1, false, 0, 1, 50), BELL_PLACE_HAS);
    assert_int_equal(ask(2, 1, 1, true, 0, 1, 50), BELL_PLACE_WAITS);
    assert_int_equal(ask(3, 2, 1, true, 0, 1, 50), BELL_PLACE_WAITS);
    assert_int_equal(ask(4, 2, 1, false, 0, 1, 50), BELL_PLACE_WAITS);
    assert_int_equal(ask(5, 1, 1, false, 0, 1, 50), BELL_PLACE_WAITS);
    bell_places_behind(places, 3, false); /* somebody waits for it now */
    bell_places_behind(places, 5, true);  /* who waited has left */
    bell_places_behind(places, 1, true);  /* has its place already */
    assert_int_equal(bell_places_next(places), 0);
    assert_int_equal(give(1), 4);
    assert_int_equal(give(4), 3);
    assert_int_equal(give(3), 2);
    assert_int_equal(give(2), 5);
}

static void a_full_queue(void **state) {
    (void)state;
    assert_int_equal(ask(1, 1, 1, false, 0, 1, 4), BELL_PLACE_HAS);
    assert_int_equal(ask(2, 1, 1, true, 0, 1, 4), BELL_PLACE_WAITS);
    for (uint32_t n = 3; n < 6; n++) {
        assert_int_equal(ask(n, 1, 1, false, 0, 1, 4), BELL_PLACE_WAITS);
    }
    assert_int_equal(ask(6, 2, 1, true, 0, 1, 4), BELL_PLACE_REFUSED); /* nobody waits for it */
    assert_int_equal(ask(7, 1, 1, false, 0, 1, 4), BELL_PLACE_WAITS);
    assert_int_equal(pushed_out, 2); /* nobody waited for that one */
    assert_int_equal(ask(8, 1, 1, false, 0, 1, 4), BELL_PLACE_REFUSED);
    assert_int_equal(ask(9, 2, 2, false, 0, 1, 4), BELL_PLACE_HAS);
    assert_int_equal(ask(10, 2, 2, false, 0, 1, 4), BELL_PLACE_WAITS);
    assert_int_equal(pushed_out, 7); /* the last of who has most */
    assert_int_equal(bell_places_of(places, 7), BELL_PLACE_NONE);
    assert_int_equal(ask(11, 2, 1, false, 0, 1, 4), BELL_PLACE_WAITS);
    assert_int_equal(pushed_out, 5);
    assert_int_equal(ask(12, 2, 1, false, 0, 1, 4), BELL_PLACE_REFUSED); /* nobody has two more */
    assert_int_equal(ask(13, 3, 3, false, 0, 0, 4), BELL_PLACE_HAS);     /* who need not wait needs no queue */
    assert_int_equal(ask(14, 4, 1, false, 0, 1, 0), BELL_PLACE_REFUSED);
    assert_int_equal(bell_places_waiting(places), 4);
    assert_int_equal(give(1), 3);
    assert_int_equal(give(3), 11);
    assert_int_equal(give(9), 10);
}

/* More pools than have counts of their own: what is beyond shares one, and nothing is lost. */
static void many_pools(void **state) {
    (void)state;
    bell_places_init(places, ITEMS);
    for (uint32_t n = 1; n < ITEMS; n++) {
        assert_int_equal(ask(n, 1, 1000 + n, false, 1, 0, 9), BELL_PLACE_HAS);
    }
    assert_int_equal(ask(ITEMS, 1, 1001, false, 1, 0, 9), BELL_PLACE_WAITS);
    for (uint32_t n = 2; n < ITEMS; n++) {
        assert_int_equal(give(n), 0);
    }
    assert_int_equal(give(1), ITEMS);
}

/* ---- at random, against what must hold whatever happens */

#define TENANTS 5
#define POOLS   3

typedef struct {
    uint32_t tenant, pool;
    uint32_t came; /* a number that goes up; 0: does not wait */
    bool behind, has;
} wish;

static const struct { uint16_t of_tenant, of_pool; } limits[POOLS] = {{2, 4}, {0, 3}, {3, 0}};

static wish wishes[ITEMS + 1];
static uint32_t came;

static uint32_t taken_of(uint32_t pool, uint32_t tenant) {
    uint32_t n = 0;

    for (uint32_t i = 1; i <= ITEMS; i++) {
        n += wishes[i].has && wishes[i].pool == pool && (tenant == TENANTS || wishes[i].tenant == tenant);
    }
    return n;
}

static bool has_room(const wish *w) {
    return (limits[w->pool].of_tenant == 0 || taken_of(w->pool, w->tenant) < limits[w->pool].of_tenant) &&
           (limits[w->pool].of_pool == 0 || taken_of(w->pool, TENANTS) < limits[w->pool].of_pool);
}

static void goes_on(void) {
    uint32_t next;

    while ((next = bell_places_next(places)) != 0) {
        wish *w = &wishes[next];

        assert_true(w->came != 0 && has_room(w));
        for (uint32_t i = 1; i <= ITEMS; i++) {
            const wish *o = &wishes[i];
            bool is_same = o->tenant == w->tenant && o->pool == w->pool;

            /* of its tenant it came first, and nobody waits whom somebody waits for */
            assert_false(o->came != 0 && is_same && o->behind == w->behind && o->came < w->came);
            assert_false(o->came != 0 && o->pool == w->pool && !o->behind && w->behind && has_room(o));
        }
        w->came = 0;
        w->has = true;
    }
}

static void nobody_waits_in_vain(void) {
    uint32_t waiting = 0, taken = 0;

    for (uint32_t i = 1; i <= ITEMS; i++) {
        const wish *w = &wishes[i];

        assert_false(w->came != 0 && has_room(w));
        assert_int_equal(bell_places_of(places, i), w->has ? BELL_PLACE_HAS : w->came ? BELL_PLACE_WAITS : BELL_PLACE_NONE);
        waiting += w->came != 0;
        taken += w->has;
    }
    assert_int_equal(bell_places_waiting(places), waiting);
    assert_int_equal(bell_places_taken(places), taken);
}

static void asks(uint32_t i) {
    wish *w = &wishes[i];

    *w = (wish){.tenant = (uint32_t)rand() % TENANTS, .pool = (uint32_t)rand() % POOLS, .behind = rand() % 4 == 0};
    bool had_room = has_room(w);
    bell_place place = ask(i, w->tenant, 100 + w->pool, w->behind, limits[w->pool].of_tenant, limits[w->pool].of_pool, 20);

    assert_int_equal(had_room, place == BELL_PLACE_HAS);
    w->has = place == BELL_PLACE_HAS;
    w->came = place == BELL_PLACE_WAITS ? ++came : 0;
    if (pushed_out != 0) {
        assert_true(place == BELL_PLACE_WAITS && wishes[pushed_out].came != 0);
        wishes[pushed_out].came = 0;
    }
}

static void at_random(void **state) {
    (void)state;
    srand(1);
    came = 0;
    memset(wishes, 0, sizeof(wishes));
    for (int step = 0; step < 100000; step++) {
        uint32_t i = 1 + (uint32_t)rand() % ITEMS;
        wish *w = &wishes[i];

        if (!w->has && w->came == 0) {
            asks(i);
        } else if (rand() % 3 == 0) {
            w->has = false;
            w->came = 0;
            bell_places_give(places, i);
        } else if (w->came != 0) {
            bool behind = rand() % 2;

            w->came = behind == w->behind ? w->came : ++came;
            w->behind = behind;
            bell_places_behind(places, i, behind);
        }
        goes_on();
        nobody_waits_in_vain();
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(so_many_at_once, set_up, tear_down),  cmocka_unit_test_setup_teardown(tenants_take_turns, set_up, tear_down),
        cmocka_unit_test_setup_teardown(behind_goes_last, set_up, tear_down), cmocka_unit_test_setup_teardown(a_full_queue, set_up, tear_down),
        cmocka_unit_test_setup_teardown(many_pools, set_up, tear_down),       cmocka_unit_test_setup_teardown(at_random, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
