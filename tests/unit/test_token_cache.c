#include "origin/server/token_cache.h"

#include <stdio.h>

#include "unit.h"

#define TOKENS      1024 /* a quarter of the slots */
#define TOKEN_BYTES 32

static bell_str a_token(unsigned number, char out[TOKEN_BYTES]) {
    return (bell_str){out, (size_t)snprintf(out, TOKEN_BYTES, "token %u", number)};
}

static void put(fb_token_cache *c, unsigned number) {
    char text[TOKEN_BYTES];
    bell_token_claims claims = {.user_id = number};

    fb_token_cache_put(c, a_token(number, text), &claims);
}

static const bell_token_claims *get(const fb_token_cache *c, unsigned number) {
    char text[TOKEN_BYTES];

    return fb_token_cache_get(c, a_token(number, text));
}

static void a_token_comes_back_with_its_claims_and_no_other(void **state) {
    fb_token_cache *c = fb_token_cache_new();

    (void)state;
    assert_non_null(c);
    assert_null(get(c, 1));
    put(c, 1);
    assert_int_equal(get(c, 1)->user_id, 1);
    assert_null(get(c, 10)); /* the first is its beginning */
    fb_token_cache_free(c);
}

/* The key is drawn anew each time. Were there one slot for tokens whose hashes meet, some 118 of these would be gone; so it is 4, give or take 2. */
static void tokens_whose_hashes_meet_are_all_kept(void **state) {
    fb_token_cache *c = fb_token_cache_new();
    unsigned kept = 0;

    (void)state;
    assert_non_null(c);
    for (unsigned i = 0; i < TOKENS; i++) {
        put(c, i);
    }
    for (unsigned i = 0; i < TOKENS; i++) {
        const bell_token_claims *claims = get(c, i);
        kept += claims != NULL;
        assert_true(claims == NULL || claims->user_id == i);
    }
    assert_true(kept >= TOKENS - 40);
    fb_token_cache_free(c);
}

static void the_newest_is_there_however_many_came_before(void **state) {
    fb_token_cache *c = fb_token_cache_new();

    (void)state;
    assert_non_null(c);
    for (unsigned i = 0; i < 5 * FB_TOKEN_CACHE_SLOTS; i++) {
        put(c, i);
        assert_int_equal(get(c, i)->user_id, i);
    }
    fb_token_cache_free(c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_comes_back_with_its_claims_and_no_other),
        cmocka_unit_test(tokens_whose_hashes_meet_are_all_kept),
        cmocka_unit_test(the_newest_is_there_however_many_came_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
