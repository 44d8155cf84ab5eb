#include "bell_sigcache.h"
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define BYTES 65536
#define SLOT  512
#define NOW   1800000000

static const unsigned char seed[BELL_SIPHASH_KEY_BYTES] = "sixteen of these";
static void *cache;

static int set_up(void **state) {
    (void)state;
    cache = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(cache != MAP_FAILED);
    assert_true(bell_sigcache_init(cache, BYTES, SLOT, seed));
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    munmap(cache, BYTES);
    return 0;
}

static bool put(const char *token, const char *value, int64_t now_s) {
    return bell_sigcache_put(cache, (uint32_t)getpid(), 0, bell_str_of(token), now_s, value, strlen(value));
}

static const char *get(const char *token, int64_t now_s) {
    static char value[SLOT + 1];
    long n = bell_sigcache_get(cache, 0, bell_str_of(token), now_s, value, SLOT);

    if (n < 0) {
        return NULL;
    }
    value[n] = '\0';
    return value;
}

static void layout(void **state) {
    static const struct {
        size_t bytes, slot;
        bool good;
    } rows[] = {{BYTES, 256, true}, {BYTES, 255, false},        {BYTES, 192, false},         {BYTES, 65536 + 64, false},
                {32, 256, false},   {128 + 4 * 256, 256, true}, {127 + 4 * 256, 256, false}, {BYTES, 8192, true}};

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        memset(cache, 0, BYTES);
        assert_int_equal(bell_sigcache_init(cache, rows[i].bytes, rows[i].slot, seed), rows[i].good);
        if (rows[i].good) {
            assert_int_equal(bell_sigcache_slots(cache), (rows[i].bytes - 64) / (64 + 4 * rows[i].slot) * 4);
            assert_int_equal(bell_sigcache_slot_bytes(cache), rows[i].slot);
        }
    }
    assert_false(bell_sigcache_init((char *)cache + 8, BYTES - 8, 256, seed));
}

static void what_was_put_is_there(void **state) {
    (void)state;
    assert_null(get("a token", NOW));
    assert_true(put("a token", "of ann", NOW));
    assert_string_equal(get("a token", NOW), "of ann");
    assert_null(get("a tokem", NOW));
    assert_null(get("a toke", NOW));
    assert_null(get("a token ", NOW));
    assert_true(put("a token", "of ann, again", NOW));
    assert_string_equal(get("a token", NOW), "of ann, again");
    assert_true(put("empty", "", NOW));
    assert_string_equal(get("empty", NOW), "");
}

static void realms_are_apart(void **state) {
    char value[16];
    bell_str token = BELL_STR("a token");

    (void)state;
    assert_true(bell_sigcache_put(cache, 1, 7, token, NOW, "seven", 5));
    assert_int_equal(bell_sigcache_get(cache, 8, token, NOW, value, sizeof(value)), -1);
    assert_int_equal(bell_sigcache_get(cache, 0, token, NOW, value, sizeof(value)), -1);
    assert_int_equal(bell_sigcache_get(cache, 7, token, NOW, value, sizeof(value)), 5);
    assert_memory_equal(value, "seven", 5);
    assert_true(bell_sigcache_put(cache, 1, 8, token, NOW, "eight!", 6)); /* takes nobody's place */
    assert_int_equal(bell_sigcache_get(cache, 8, token, NOW, value, sizeof(value)), 6);
    assert_int_equal(bell_sigcache_get(cache, 7, token, NOW, value, sizeof(value)), 5);
}

static void sizes(void **state) {
    static char token[SLOT];
    char value[SLOT];

    (void)state;
    memset(token, 'x', sizeof(token));
    for (size_t n = 1; n <= SLOT; n++) {
        bool fits = n + 10 + 24 <= SLOT;
        assert_int_equal(bell_sigcache_put(cache, 1, 0, (bell_str){token, n}, NOW, "ten bytes.", 10), fits);
        assert_int_equal(bell_sigcache_get(cache, 0, (bell_str){token, n}, NOW, value, sizeof(value)), fits ? 10 : -1);
    }
    assert_false(bell_sigcache_put(cache, 1, 0, BELL_STR_NULL, NOW, "", 0));
    assert_int_equal(bell_sigcache_get(cache, 0, BELL_STR_NULL, NOW, value, sizeof(value)), -1);
    assert_true(put("short", "a value", NOW));
    assert_int_equal(bell_sigcache_get(cache, 0, BELL_STR("short"), NOW, value, 6), -1); /* no room for it */
}

/* A cache of one set: five tokens, four slots. */
static void the_least_recently_used_goes(void **state) {
    (void)state;
    memset(cache, 0, BYTES);
    assert_true(bell_sigcache_init(cache, 128 + 4 * SLOT, SLOT, seed));
    assert_true(put("one", "1", NOW));
    assert_true(put("two", "2", NOW + 1));
    assert_true(put("three", "3", NOW + 2));
    assert_true(put("four", "4", NOW + 3));
    assert_string_equal(get("one", NOW + 1000), "1");
    assert_true(put("five", "5", NOW + 1001));
    assert_null(get("two", NOW + 1001));
    assert_string_equal(get("one", NOW + 1001), "1");
    assert_string_equal(get("three", NOW + 1001), "3");
    assert_string_equal(get("five", NOW + 1001), "5");
    assert_true(put("five", "5b", NOW + 1002)); /* takes its own place, nobody else's */
    assert_string_equal(get("four", NOW + 1002), "4");
    assert_string_equal(get("five", NOW + 1002), "5b");
}

/* A slot's first word, behind the heads of cache and set, is its lock, the second its turn: as a process leaves them that dies while it writes. */
static void left_by_a_dead_process(void **state) {
    uint32_t *words = (uint32_t *)((char *)cache + 128);
    pid_t dead = fork();

    (void)state;
    if (dead == 0) {
        _exit(0);
    }
    assert_int_equal(waitpid(dead, NULL, 0), dead);
    memset(cache, 0, BYTES);
    assert_true(bell_sigcache_init(cache, 128 + 4 * SLOT, SLOT, seed));
    assert_true(put("one", "1", NOW));
    words[0] = (uint32_t)dead;
    words[1] |= 1;
    assert_null(get("one", NOW)); /* half written, for all we know */
    assert_true(put("one", "1b", NOW));
    assert_string_equal(get("one", NOW), "1b");
    assert_int_equal(words[0], 0);
}

static void held_by_a_living_process(void **state) {
    uint32_t *words = (uint32_t *)((char *)cache + 128);

    (void)state;
    memset(cache, 0, BYTES);
    assert_true(bell_sigcache_init(cache, 128 + 4 * SLOT, SLOT, seed));
    assert_true(put("one", "1", NOW));
    for (int i = 0; i < 4; i++) {
        words[i * SLOT / 4] = (uint32_t)getppid();
    }
    assert_false(put("one", "1b", NOW));
    assert_string_equal(get("one", NOW), "1"); /* the lock is for writers */
    words[3 * SLOT / 4] = 0;
    assert_true(put("two", "2", NOW)); /* the slot that is free */
    assert_string_equal(get("two", NOW), "2");
    words[0] = (uint32_t)getpid(); /* another one's, who had our number */
    assert_true(put("one", "1c", NOW));
    assert_string_equal(get("one", NOW), "1c");
}

/* Two writers and a reader on four slots: whatever is found belongs to its token, whole. */
static void never_torn(void **state) {
    char token[32], value[256], expected[256];
    pid_t writers[2];

    (void)state;
    memset(cache, 0, BYTES);
    assert_true(bell_sigcache_init(cache, 128 + 4 * SLOT, SLOT, seed));
    for (int w = 0; w < 2; w++) {
        writers[w] = fork();
        if (writers[w] == 0) {
            for (unsigned i = 0; i < 200000; i++) {
                snprintf(token, sizeof(token), "token %u", i % 16);
                memset(value, 'a' + (int)(i % 16), 200);
                bell_sigcache_put(cache, (uint32_t)getpid(), 0, bell_str_of(token), NOW + i, value, 200);
            }
            _exit(0);
        }
    }
    for (unsigned i = 0; i < 200000; i++) {
        snprintf(token, sizeof(token), "token %u", i % 16);
        long n = bell_sigcache_get(cache, 0, bell_str_of(token), NOW + i, value, sizeof(value));
        if (n >= 0) {
            assert_int_equal(n, 200);
            memset(expected, 'a' + (int)(i % 16), 200);
            assert_memory_equal(value, expected, 200);
        }
    }
    for (int w = 0; w < 2; w++) {
        int status;
        assert_int_equal(waitpid(writers[w], &status, 0), writers[w]);
        assert_int_equal(status, 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(layout, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_was_put_is_there, set_up, tear_down),
        cmocka_unit_test_setup_teardown(realms_are_apart, set_up, tear_down),
        cmocka_unit_test_setup_teardown(sizes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_least_recently_used_goes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(left_by_a_dead_process, set_up, tear_down),
        cmocka_unit_test_setup_teardown(held_by_a_living_process, set_up, tear_down),
        cmocka_unit_test_setup_teardown(never_torn, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
