#include "bell_chunks.h"
#include "unit.h"

#include <stdlib.h>

#define COUNT 40
#define CHUNK 128
#define ROOM  (CHUNK - BELL_CHUNKS_HEAD_BYTES)

static void *chunks;

static int set_up(void **state) {
    size_t size = bell_chunks_size(COUNT, CHUNK);

    (void)state;
    chunks = aligned_alloc(BELL_CHUNKS_ALIGN, size);
    memset(chunks, 0xa5, size);
    assert_true(bell_chunks_init(chunks, size, COUNT, CHUNK));
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    free(chunks);
    return 0;
}

static void layout(void **state) {
    size_t size = bell_chunks_size(COUNT, CHUNK);

    (void)state;
    assert_false(bell_chunks_init(chunks, size - 1, COUNT, CHUNK));
    assert_false(bell_chunks_init((char *)chunks + 8, size, COUNT - 1, CHUNK));
    assert_false(bell_chunks_init(chunks, size, 0, CHUNK));
    assert_false(bell_chunks_init(chunks, size, 1, 0));
    assert_false(bell_chunks_init(chunks, size, 1, CHUNK + 1));
    assert_int_equal(bell_chunks_for(chunks, 0), 1);
    assert_int_equal(bell_chunks_for(chunks, ROOM), 1);
    assert_int_equal(bell_chunks_for(chunks, ROOM + 1), 2);
    assert_int_equal(bell_chunks_for(chunks, UINT64_MAX), UINT32_MAX);
    assert_int_equal(bell_chunks_free(chunks), COUNT);
}

static void what_was_written_is_read(void **state) {
    char text[8 * ROOM], back[8 * ROOM];

    (void)state;
    for (size_t i = 0; i < sizeof(text); i++) {
        text[i] = (char)(i * 7 + i / 256);
    }
    uint32_t other = bell_chunks_take(chunks, 3), first = bell_chunks_take(chunks, 8);
    assert_int_equal(bell_chunks_free(chunks), COUNT - 11);
    bell_chunks_give(chunks, other);
    for (size_t at = 0; at < sizeof(text); at += 37) {
        size_t n = sizeof(text) - at < 37 ? sizeof(text) - at : 37;
        assert_int_equal(bell_chunks_write(chunks, first, at, (bell_str){text + at, n}), n);
    }
    for (size_t at = 0; at < sizeof(text); at += 13) {
        assert_int_equal(bell_chunks_read(chunks, first, at, back, sizeof(back) - at), sizeof(back) - at);
        assert_memory_equal(back, text + at, sizeof(text) - at);
    }
    assert_int_equal(bell_chunks_read(chunks, first, sizeof(text) - 1, back, 2), 1);
    assert_int_equal(bell_chunks_read(chunks, first, sizeof(text), back, 1), 0);
    assert_int_equal(bell_chunks_write(chunks, first, sizeof(text) - 1, BELL_STR("xy")), 1);
    assert_int_equal(bell_chunks_write(chunks, first, UINT64_MAX, BELL_STR("xy")), 0);
    assert_true(bell_chunks_extend(chunks, first, 1));
    assert_int_equal(bell_chunks_write(chunks, first, sizeof(text) - 1, BELL_STR("xy")), 2);
}

static void all_are_taken_and_given_back(void **state) {
    uint32_t chains[COUNT], n = 0;

    (void)state;
    for (unsigned round = 0; round < 1000; round++) {
        uint32_t want = round % 5 + 1, chain = bell_chunks_take(chunks, want);
        if (chain == 0) {
            assert_true(bell_chunks_free(chunks) < want);
            uint32_t which = (round * 7) % n;
            bell_chunks_give(chunks, chains[which]);
            chains[which] = chains[--n];
        } else {
            chains[n++] = chain;
        }
    }
    assert_false(bell_chunks_extend(chunks, chains[0], COUNT));
    while (n > 0) {
        bell_chunks_give(chunks, chains[--n]);
    }
    bell_chunks_give(chunks, 0);
    assert_int_equal(bell_chunks_free(chunks), COUNT);
    assert_int_equal(bell_chunks_take(chunks, 0), 0);
    assert_int_equal(bell_chunks_take(chunks, COUNT + 1), 0);
    assert_int_not_equal(bell_chunks_take(chunks, COUNT), 0);
    assert_int_equal(bell_chunks_take(chunks, 1), 0);
}

/* Chains that are nobody's any more, and numbers that never were one's: something is read, nothing outside. */
static void readers_of_what_is_gone(void **state) {
    static char out[COUNT * CHUNK * 4];
    const uint32_t numbers[] = {0, 1, COUNT, COUNT + 1, UINT32_MAX};

    (void)state;
    uint32_t *next = (uint32_t *)((char *)chunks + BELL_CHUNKS_ALIGN);
    *next = 1; /* a ring, as it may be for a moment */
    for (size_t i = 0; i < ROWS(numbers); i++) {
        size_t n = bell_chunks_read(chunks, numbers[i], 5, out, sizeof(out));
        assert_true(numbers[i] != 0 || n == 0);
        assert_true(bell_chunks_read(chunks, numbers[i], 100000, out, 10) <= 10);
    }
    *next = UINT32_MAX;
    assert_int_equal(bell_chunks_read(chunks, 1, 0, out, sizeof(out)), ROOM);
    assert_int_equal(bell_chunks_read(chunks, 1, ROOM, out, sizeof(out)), 0);
}

/* How many of the free chunks have a byte that is not zero. */
static uint32_t free_with_bytes(void) {
    char none[ROOM] = {0}, bytes[ROOM];
    uint32_t n = 0, taken[COUNT], count = 0;

    while (bell_chunks_free(chunks) > 0) {
        taken[count] = bell_chunks_take(chunks, 1);
        assert_int_equal(bell_chunks_read(chunks, taken[count++], 0, bytes, ROOM), ROOM);
        n += memcmp(bytes, none, ROOM) != 0;
    }
    while (count > 0) {
        bell_chunks_give(chunks, taken[--count]);
    }
    return n;
}

static void wipe_all(uint32_t most) {
    for (uint32_t chain; (chain = bell_chunks_take_used(chunks, most)) != 0;) {
        for (uint32_t n = chain; n != 0;) {
            n = bell_chunks_wipe(chunks, n);
        }
        bell_chunks_give_wiped(chunks, chain);
    }
}

static void what_was_used_is_wiped(void **state) {
    const uint32_t steps[] = {1, 3, 7, COUNT, COUNT + 5};
    char text[3 * ROOM];

    (void)state;
    memset(text, 'x', sizeof(text));
    for (size_t i = 0; i < ROWS(steps); i++) {
        uint32_t kept = bell_chunks_take(chunks, 3), chains[5];
        bell_chunks_write(chunks, kept, 0, (bell_str){text, sizeof(text)});
        for (size_t k = 0; k < ROWS(chains); k++) {
            chains[k] = bell_chunks_take(chunks, 2);
            bell_chunks_write(chunks, chains[k], 0, (bell_str){text, 2 * ROOM});
        }
        for (size_t k = 0; k < ROWS(chains); k++) {
            bell_chunks_give(chunks, chains[k]);
        }
        wipe_all(steps[i]);
        assert_int_equal(bell_chunks_take_used(chunks, COUNT), 0);
        assert_int_equal(bell_chunks_free(chunks), COUNT - 3);
        assert_int_equal(free_with_bytes(), 0);
        char back[3 * ROOM];
        assert_int_equal(bell_chunks_read(chunks, kept, 0, back, sizeof(back)), sizeof(back)); /* what is somebody's stays */
        assert_memory_equal(back, text, sizeof(back));
        bell_chunks_give(chunks, kept);
        assert_int_equal(free_with_bytes(), 3);
    }
    assert_int_equal(bell_chunks_wipe(chunks, 0), 0);
    assert_int_equal(bell_chunks_wipe(chunks, COUNT + 1), 0);
    bell_chunks_give_wiped(chunks, 0);
    assert_int_equal(bell_chunks_free(chunks), COUNT);
}

/* What is taken, given back and wiped in turn, down to the last chunk, is never lost. */
static void none_is_lost_between(void **state) {
    (void)state;
    for (unsigned round = 0; round < 200; round++) {
        uint32_t first = bell_chunks_take(chunks, round % COUNT + 1), wiped = bell_chunks_take_used(chunks, round % 5 + 1);
        if (round % 3 == 0) {
            bell_chunks_give(chunks, first);
            bell_chunks_give_wiped(chunks, wiped);
        } else {
            bell_chunks_give_wiped(chunks, wiped);
            bell_chunks_give_wiped(chunks, first);
        }
        assert_int_equal(bell_chunks_free(chunks), COUNT);
        uint32_t all = bell_chunks_take(chunks, COUNT);
        assert_int_not_equal(all, 0);
        assert_int_equal(bell_chunks_take(chunks, 1), 0);
        bell_chunks_give(chunks, all);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(layout, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_was_written_is_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(all_are_taken_and_given_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(readers_of_what_is_gone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_was_used_is_wiped, set_up, tear_down),
        cmocka_unit_test_setup_teardown(none_is_lost_between, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
