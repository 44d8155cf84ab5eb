#include "origin/accounts/password.h"
#include "unit.h"

#include <pthread.h>
#include <stdio.h>
#include <time.h>

static const struct {
    const char *name;
    bell_str password;
    bool good;
} rules[] = {
    {"empty", {"", 0}, false},
    {"nine bytes", {"123456789", 9}, false},
    {"ten bytes", {"1234567890", 10}, true},
    {"five letters of two bytes", {"\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9", 10}, true},
    {"spaces", {"          ", 10}, true},
    {"not UTF-8", {"123456789\xff", 10}, false},
    {"a NUL", {"12345\0006789", 10}, false},
};

static void password_rules(void **state) {
    (void)state;
    for (size_t i = 0; i < ROWS(rules); i++) {
        assert_row((fb_password_problem(rules[i].password) == NULL) == rules[i].good, rules[i].name);
    }
    char text[FB_PASSWORD_MAX_BYTES + 1];
    memset(text, 'a', sizeof text);
    assert_null(fb_password_problem((bell_str){text, FB_PASSWORD_MAX_BYTES}));
    assert_non_null(fb_password_problem((bell_str){text, FB_PASSWORD_MAX_BYTES + 1}));
}

static void a_hash_verifies_its_password_only(void **state) {
    (void)state;
    char hash[FB_PASSWORD_ENCODED_MAX];
    assert_true(fb_password_hash(BELL_STR("correct horse"), hash));
    assert_memory_equal(hash, "$argon2id$v=19$m=19456,t=2,p=1$", 31);
    assert_true(fb_password_verify(hash, BELL_STR("correct horse")));
    assert_false(fb_password_verify(hash, BELL_STR("correct horsf")));
    assert_false(fb_password_verify(hash, BELL_STR("correct hors")));
    assert_false(fb_password_verify(hash, BELL_STR("")));
}

static void salts_differ(void **state) {
    (void)state;
    char first[FB_PASSWORD_ENCODED_MAX];
    char second[FB_PASSWORD_ENCODED_MAX];
    assert_true(fb_password_hash(BELL_STR("correct horse"), first));
    assert_true(fb_password_hash(BELL_STR("correct horse"), second));
    assert_string_not_equal(first, second);
}

/* A published vector of the reference implementation (argon2id, 64 MiB, password "password", salt "somesalt"). */
static void a_hash_of_another_program_verifies(void **state) {
    (void)state;
    static const char hash[] = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
    assert_true(fb_password_verify(hash, BELL_STR("password")));
}

static void nobody_matches_nothing(void **state) {
    (void)state;
    char text[FB_PASSWORD_MAX_BYTES + 100];
    memset(text, 'a', sizeof text);
    assert_false(fb_password_verify(NULL, BELL_STR("correct horse")));
    assert_false(fb_password_verify(NULL, BELL_STR("")));
    assert_false(fb_password_verify("", BELL_STR("correct horse")));
    assert_false(fb_password_verify("$argon2id$nonsense", BELL_STR("correct horse")));

    /* A longer text than any password, the first 256 bytes of which are one. */
    char hash[FB_PASSWORD_ENCODED_MAX];
    assert_true(fb_password_hash((bell_str){text, FB_PASSWORD_MAX_BYTES}, hash));
    assert_true(fb_password_verify(hash, (bell_str){text, FB_PASSWORD_MAX_BYTES}));
    assert_false(fb_password_verify(hash, (bell_str){text, sizeof text}));
}

static double thread_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* Not a measurement: without the dummy hash the difference would be a factor of thousands. */
static void an_unknown_account_costs_work(void **state) {
    (void)state;
    char hash[FB_PASSWORD_ENCODED_MAX];
    assert_true(fb_password_hash(BELL_STR("correct horse"), hash));
    double start = thread_ms();
    assert_false(fb_password_verify(hash, BELL_STR("wrong password")));
    double known = thread_ms() - start;
    start = thread_ms();
    assert_false(fb_password_verify(NULL, BELL_STR("wrong password")));
    double unknown = thread_ms() - start;
    assert_true(unknown > known / 4);
}

static void *verify_in_a_thread(void *hash) {
    bool ok = fb_password_verify(hash, BELL_STR("correct horse")) && !fb_password_verify(hash, BELL_STR("wrong password"));
    return ok ? hash : NULL;
}

static void threads_do_not_disturb_each_other(void **state) {
    (void)state;
    char hash[FB_PASSWORD_ENCODED_MAX];
    pthread_t threads[4];
    assert_true(fb_password_hash(BELL_STR("correct horse"), hash));
    for (size_t i = 0; i < ROWS(threads); i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, verify_in_a_thread, hash), 0);
    }
    for (size_t i = 0; i < ROWS(threads); i++) {
        void *ok;
        assert_int_equal(pthread_join(threads[i], &ok), 0);
        assert_non_null(ok);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(password_rules),
        cmocka_unit_test(a_hash_verifies_its_password_only),
        cmocka_unit_test(salts_differ),
        cmocka_unit_test(a_hash_of_another_program_verifies),
        cmocka_unit_test(nobody_matches_nothing),
        cmocka_unit_test(an_unknown_account_costs_work),
        cmocka_unit_test(threads_do_not_disturb_each_other),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
