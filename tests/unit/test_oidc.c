#include <string.h>

#include "origin/accounts/next.h"
#include "origin/accounts/oidc/attempt.h"
#include "origin/accounts/oidc/cache.h"
#include "origin/accounts/oidc/documents.h"
#include "origin/server/page_fill.h"
#include "unit.h"

#define NOW 1800000000

static const unsigned char keys[3][FB_OIDC_KEY_BYTES] = {"one", "two", "three"};

static fb_oidc_attempt attempt(const char *next) {
    fb_oidc_attempt a = {.tenant_id = 7, .provider_id = 3, .expires_s = NOW + 600};

    assert_true(fb_oidc_attempt_new(&a));
    strcpy(a.next, next);
    return a;
}

static void an_attempt_comes_back_as_it_was(void **state) {
    fb_oidc_attempt a = attempt("/courses/5"), b;
    char value[FB_OIDC_COOKIE_BYTES], one[FB_OIDC_RANDOM_LEN + 1], two[FB_OIDC_RANDOM_LEN + 1];

    (void)state;
    assert_true(fb_oidc_attempt_seal(&a, &keys[1], value));
    assert_true(fb_oidc_attempt_open(bell_str_of(value), &keys[0], 3, 7, 3, NOW, &b));
    assert_string_equal(b.next, "/courses/5");
    assert_string_equal(b.random, a.random);
    assert_true(fb_oidc_derive(&a, "state", one) && fb_oidc_derive(&b, "state", two));
    assert_string_equal(one, two);
    assert_true(fb_oidc_derive(&b, "nonce", two));
    assert_string_not_equal(one, two);
    assert_null(strstr(value, one));
    a = attempt("");
    assert_true(fb_oidc_attempt_seal(&a, &keys[0], value) && fb_oidc_attempt_open(bell_str_of(value), &keys[0], 1, 7, 3, NOW, &b));
    assert_string_equal(b.next, "");
    assert_true(fb_oidc_derive(&a, "state", two));
    assert_string_not_equal(one, two);
}

static void an_attempt_is_good_for_its_place_and_time(void **state) {
    fb_oidc_attempt a = attempt("/"), b;
    char value[FB_OIDC_COOKIE_BYTES], changed[FB_OIDC_COOKIE_BYTES];

    (void)state;
    assert_true(fb_oidc_attempt_seal(&a, &keys[0], value));
    bell_str v = bell_str_of(value);
    assert_true(fb_oidc_attempt_open(v, &keys[0], 2, 7, 3, NOW + 599, &b));
    assert_false(fb_oidc_attempt_open(v, &keys[0], 2, 7, 3, NOW + 600, &b));
    assert_false(fb_oidc_attempt_open(v, &keys[0], 2, 8, 3, NOW, &b)); /* another tenant */
    assert_false(fb_oidc_attempt_open(v, &keys[0], 2, 7, 4, NOW, &b)); /* another provider */
    assert_false(fb_oidc_attempt_open(v, &keys[1], 2, 7, 3, NOW, &b)); /* other keys */
    assert_false(fb_oidc_attempt_open(v, &keys[0], 0, 7, 3, NOW, &b));
    for (size_t i = 0; i < v.len; i++) {
        strcpy(changed, value);
        changed[i] = changed[i] == 'A' ? 'B' : 'A';
        assert_false(fb_oidc_attempt_open(bell_str_of(changed), &keys[0], 2, 7, 3, NOW, &b));
        assert_false(fb_oidc_attempt_open((bell_str){value, i}, &keys[0], 2, 7, 3, NOW, &b));
    }
}

/* RFC 7636, appendix B. */
static void the_challenge_is_that_of_the_standard(void **state) {
    char challenge[FB_OIDC_RANDOM_LEN + 1];

    (void)state;
    assert_true(fb_oidc_challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", challenge));
    assert_string_equal(challenge, "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
}

static void parameters(void **state) {
    bell_buf b;

    (void)state;
    bell_buf_init(&b, 1000);
    fb_oidc_param(&b, "a", BELL_STR("1 & 2"));
    fb_oidc_param(&b, "b", BELL_STR("~\xc3\xa4/"));
    bell_buf_add_char(&b, '\0');
    assert_string_equal(b.p, "a=1%20%26%202&b=~%C3%A4%2F");
    bell_buf_reset(&b);
    bell_buf_add_z(&b, "https://idp/auth");
    fb_oidc_param(&b, "a", BELL_STR("1"));
    fb_oidc_param(&b, "b", BELL_STR("2"));
    bell_buf_add_char(&b, '\0');
    assert_string_equal(b.p, "https://idp/auth?a=1&b=2");
    bell_buf_reset(&b);
    bell_buf_add_z(&b, "https://idp/auth?tenant=x");
    fb_oidc_param(&b, "a", BELL_STR("1"));
    bell_buf_add_char(&b, '\0');
    assert_string_equal(b.p, "https://idp/auth?tenant=x&a=1");
    bell_buf_fini(&b);
}

#define ENDPOINTS "\"authorization_endpoint\":\"https://i/a\",\"token_endpoint\":\"https://i/t\",\"jwks_uri\":\"https://i/k\""

static void configurations(void **state) {
    static const struct {
        const char *json;
        bool good;
    } rows[] = {
        {"{\"issuer\":\"https://i\"," ENDPOINTS "}", true},
        {"{\"issuer\":\"https://i\"," ENDPOINTS ",\"code_challenge_methods_supported\":[\"plain\",\"S256\"]}", true},
        {"{\"issuer\":\"https://i\"," ENDPOINTS ",\"code_challenge_methods_supported\":[\"plain\"]}", false},
        {"{\"issuer\":\"https://i/\"," ENDPOINTS "}", false},
        {"{\"issuer\":\"https://evil\"," ENDPOINTS "}", false},
        {"{" ENDPOINTS "}", false},
        {"{\"issuer\":\"https://i\",\"authorization_endpoint\":\"https://i/a\",\"token_endpoint\":\"http://i/t\",\"jwks_uri\":\"https://i/k\"}",
         false},
        {"{\"issuer\":\"https://i\",\"authorization_endpoint\":\"javascript:alert(1)\",\"token_endpoint\":\"https://i/t\",\"jwks_uri\":\"https://i/"
         "k\"}",
         false},
        {"{\"issuer\":\"https://i\",\"authorization_endpoint\":7,\"token_endpoint\":\"https://i/t\",\"jwks_uri\":\"https://i/k\"}", false},
        {"{\"issuer\":\"https://i\",\"issuer\":\"https://i\"," ENDPOINTS "}", false},
        {"[]", false},
        {"", false},
        {"{", false},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        bell_arena a;
        fb_oidc_metadata m;
        const char *why = NULL;
        bell_arena_init(&a, 4096);
        assert_row(fb_oidc_metadata_parse(&a, bell_str_of(rows[i].json), "https://i", &m, &why) == rows[i].good, rows[i].json);
        assert_row((why == NULL) == rows[i].good, rows[i].json);
        bell_arena_fini(&a);
    }
}

static void answers_of_a_token_endpoint(void **state) {
    bell_arena a;
    fb_oidc_tokens t;

    (void)state;
    bell_arena_init(&a, 4096);
    assert_true(fb_oidc_tokens_parse(&a, BELL_STR("{\"id_token\":\"a.b.c\",\"access_token\":\"x\"}"), &t));
    assert_string_equal(t.id_token, "a.b.c");
    assert_true(fb_oidc_tokens_parse(&a, BELL_STR("{\"error\":\"invalid_grant\\n\\u001b[31m\"}"), &t));
    assert_string_equal(t.error, "invalid_grant31m");
    assert_true(fb_oidc_tokens_parse(&a, BELL_STR("{\"id_token\":\"a.b.c\",\"access_token\":\"x\\r\\nEvil: 1\"}"), &t));
    assert_null(t.access_token);
    assert_false(fb_oidc_tokens_parse(&a, BELL_STR("{\"access_token\":\"x\"}"), &t));
    assert_false(fb_oidc_tokens_parse(&a, BELL_STR("<html>"), &t));
    assert_false(fb_oidc_tokens_parse(&a, BELL_STR("[1]"), &t));
    bell_arena_fini(&a);
}

static void a_provider_has_a_place_of_its_own(void **state) {
    const char *why;

    (void)state;
    fb_oidc_cached *c = fb_oidc_cache_get(1, "https://i");
    assert_true(fb_oidc_cache_put_metadata(c, BELL_STR("{\"issuer\":\"https://i\"," ENDPOINTS "}"), 5, &why));
    assert_false(fb_oidc_cache_put_metadata(c, BELL_STR("{}"), 9, &why));
    assert_int_equal(c->metadata_until_s, 5); /* what was there stays */
    assert_ptr_equal(fb_oidc_cache_get(1, "https://i"), c);
    assert_ptr_not_equal(fb_oidc_cache_get(2, "https://i"), c); /* another tenant */
    for (int i = 0; i < FB_OIDC_CACHED_MAX - 2; i++) {
        char issuer[40];
        snprintf(issuer, sizeof(issuer), "https://i/%d", i);
        assert_ptr_not_equal(fb_oidc_cache_get(1, issuer), c);
    }
    assert_int_equal(fb_oidc_cache_get(1, "https://i")->metadata_until_s, 5);
    assert_non_null(fb_oidc_cache_get(1, "https://another")); /* takes the place of the one longest unused, which is tenant 2's */
    assert_int_equal(fb_oidc_cache_get(1, "https://i")->metadata_until_s, 5);
    for (int i = 0; i < FB_OIDC_CACHED_MAX; i++) {
        char issuer[40];
        snprintf(issuer, sizeof(issuer), "https://j/%d", i);
        assert_non_null(fb_oidc_cache_get(1, issuer));
    }
    assert_int_equal(fb_oidc_cache_get(1, "https://i")->metadata_until_s, 0);
}

static void pages_to_go_on_to(void **state) {
    static const char *const no[] = {"",        "/", "//evil.example", "/\\evil", "https://evil.example", "/a/../b", "/a?b", "/a#b",
                                     "/a\r\nb", "a", "/a//b"};

    (void)state;
    assert_true(fb_is_own_page(BELL_STR("/courses/5")));
    for (size_t i = 0; i < ROWS(no); i++) {
        assert_row(!fb_is_own_page(bell_str_of(no[i])), no[i]);
    }
}

static void marks_are_filled_in_once(void **state) {
    const fb_page_mark marks[] = {{"{{a}}", BELL_STR("<{{b}}&\"'>"), false}, {"{{b}}", BELL_STR("<b>"), true}};
    bell_buf b;

    (void)state;
    bell_buf_init(&b, 200);
    fb_page_fill(&b, BELL_STR("{{{a}} {{b}}{{c}} {{b}}{{b"), marks, 2);
    bell_buf_add_char(&b, '\0');
    assert_string_equal(b.p, "{&lt;{{b}}&amp;&quot;&#39;&gt; <b>{{c}} <b>{{b");
    bell_buf_fini(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_attempt_comes_back_as_it_was),
        cmocka_unit_test(an_attempt_is_good_for_its_place_and_time),
        cmocka_unit_test(the_challenge_is_that_of_the_standard),
        cmocka_unit_test(parameters),
        cmocka_unit_test(configurations),
        cmocka_unit_test(answers_of_a_token_endpoint),
        cmocka_unit_test(a_provider_has_a_place_of_its_own),
        cmocka_unit_test(pages_to_go_on_to),
        cmocka_unit_test(marks_are_filled_in_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
