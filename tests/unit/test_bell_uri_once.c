/* Tokens of RFC 9246 with an id, which count once; and which keys open what is encrypted. */
#include "bell_base64.h"
#include "bell_jwe.h"
#include "bell_uri_signing.h"
#include "signed.h"

#include <openssl/hmac.h>

#define NOW     1800000000
#define ED25519 "2-Jj2UvNCvQiUPNYRgSi0cJSPiJI6Rs6D0UTeEpQVj8"

static bell_signed_key *secret(const char *id, const char *material, bool hex) {
    const char *why;
    bell_signed_key *k = bell_signed_key_secret(bell_str_of(id), BELL_SIGNED_HMAC_SHA256, bell_str_of(material), hex, &why);
    assert_non_null(k);
    return k;
}

static bell_signed_keys one_key(void) {
    return (bell_signed_keys){.keys = {secret("k1", "c2VjcmV0IG9uZQ", false)}, .nkeys = 1};
}

static bell_signed_reason check(signed_case *c, const bell_signed_keys *keys, const bell_uri_signing_options *options, bell_signed_result *out) {
    bell_signed_call call = signed_call(c, keys);
    return bell_uri_signing_check(&call, options, out);
}

static void keys_that_open(void **state) {
    static const struct {
        size_t bytes;
        bool takes;
    } rows[] = {{1, false}, {15, false}, {16, true}, {17, false}, {23, false}, {24, true}, {25, false}, {31, false}, {32, true}, {33, false}};
    const char *why;
    bell_signed_key *public_one = bell_signed_key_public(BELL_STR("k"), BELL_STR(ED25519), &why);

    (void)state;
    assert_non_null(public_one);
    for (size_t i = 0; i < ROWS(rows); i++) {
        char hex[80] = {0};
        memset(hex, 'a', 2 * rows[i].bytes);
        bell_signed_key *k = secret("k", hex, true);
        assert_true(bell_jwe_takes(k) == rows[i].takes);
        bell_signed_key_free(k);
    }
    assert_false(bell_jwe_takes(public_one));
    bell_signed_key_free(public_one);
}

/* ---- tokens that count once */

typedef struct {
    unsigned asked;
    char last[512], before[512];
} memory;

static bell_signed_reason remember(void *data, const bell_signed_use *use) {
    memory *m = data;

    assert_true(use->once && use->key != NULL && use->expires_s == NOW + 600);
    snprintf(m->last, sizeof(m->last), "%s %d %.*s", use->key->id, use->is_named, BELL_STR_ARG(use->id));
    m->asked++;
    if (strcmp(m->last, m->before) == 0) {
        return BELL_SIGNED_REPLAYED;
    }
    memcpy(m->before, m->last, sizeof(m->last));
    return BELL_SIGNED_OK;
}

/* A token of k1, whose secret is "secret one", in the query of a target. */
static void write_target(const char *claims, char *out) {
    static const char header[] = "{\"alg\":\"HS256\",\"kid\":\"k1\"}", key[] = "secret one";
    unsigned char mac[EVP_MAX_MD_SIZE];
    char *token = stpcpy(out, "/a?URISigningPackage="), *p = token;
    unsigned len;

    p += bell_base64url_encode(header, strlen(header), p);
    *p++ = '.';
    p += bell_base64url_encode(claims, strlen(claims), p);
    assert_non_null(HMAC(EVP_sha256(), key, (int)strlen(key), (unsigned char *)token, (size_t)(p - token), mac, &len));
    *p++ = '.';
    p[bell_base64url_encode(mac, len, p)] = '\0';
}

/* The verdict on a token in the URI. */
static bell_signed_reason of_uri(signed_case *c, const bell_signed_keys *keys, const bell_uri_signing_options *options, const char *claims,
                                 bell_signed_result *out) {
    static char target[4096];

    write_target(claims, target);
    c->request.target = bell_str_of(target);
    return check(c, keys, options, out);
}

#define IN_TIME "\"exp\":1800000600,\"cdniuc\":\"regex:.*\""

static void a_token_with_an_id_counts_once(void **state) {
    static const char once[] = "{\"jti\":\"one\"," IN_TIME "}", nameless[] = "{\"jti\":\"\"," IN_TIME "}";
    static const struct {
        const char *claims;
        bell_signed_reason reason;
    } rows[] = {
        {"{\"jti\":\"one\",\"exp\":1800000600,\"cdniuc\":\"regex:/b\"}", BELL_SIGNED_RESOURCE},
        {"{\"jti\":\"one\",\"exp\":1800000000,\"cdniuc\":\"regex:.*\"}", BELL_SIGNED_EXPIRED},
        {"{\"jti\":\"one\",\"aud\":\"them\"," IN_TIME "}", BELL_SIGNED_AUDIENCE},
        {"{\"jti\":\"one\",\"cdniuc\":\"regex:.*\"}", BELL_SIGNED_UNSUPPORTED}, /* it would have to be remembered for ever */
        {"{\"jti\":1," IN_TIME "}", BELL_SIGNED_MALFORMED},
        {"{" IN_TIME "}", BELL_SIGNED_OK},
    };
    memory m = {.asked = 0};
    bell_uri_signing_options options = {.endless = true, .use = remember, .data = &m};
    bell_signed_keys keys = one_key();
    bell_signed_result out;
    signed_case c;

    (void)state;
    signed_case_init(&c);
    for (size_t i = 0; i < ROWS(rows); i++) {
        assert_row(of_uri(&c, &keys, &options, rows[i].claims, &out) == rows[i].reason, rows[i].claims);
        assert_row(m.asked == 0, rows[i].claims);
    }
    assert_int_equal(of_uri(&c, &keys, &options, once, &out), BELL_SIGNED_OK);
    assert_string_equal(m.last, "k1 1 one");
    assert_int_equal(of_uri(&c, &keys, &options, once, &out), BELL_SIGNED_REPLAYED);
    assert_int_equal(of_uri(&c, &keys, &options, nameless, &out), BELL_SIGNED_OK);
    assert_true(strncmp(m.last, "k1 0 ey", 7) == 0); /* by all that it says */
    options.many_uses = true;
    assert_int_equal(of_uri(&c, &keys, &options, nameless, &out), BELL_SIGNED_OK);
    assert_int_equal(m.asked, 3);
    signed_keys_free(&keys);
}

/* The request that uses a token up gets the next one; the same token again gets none, but lets the one in that it was renewed to. */
static void a_used_token_and_its_renewal(void **state) {
    static const char claim_set[] = "{\"jti\":\"one\",\"cdnistt\":1,\"cdniets\":600," IN_TIME "}";
    memory m = {.asked = 0};
    bell_uri_signing_options options = {.renewal_key = BELL_STR("k1"), .use = remember, .data = &m};
    bell_signed_keys keys = one_key();
    bell_signed_result out;
    signed_case c;
    char cookie[2048];

    (void)state;
    signed_case_init(&c);
    assert_int_equal(of_uri(&c, &keys, &options, claim_set, &out), BELL_SIGNED_OK);
    assert_true(out.set_cookie.len > 0 && out.set_cookie.len < sizeof(cookie));
    snprintf(cookie, sizeof(cookie), "%.*s", BELL_STR_ARG(out.set_cookie));
    char *end = strchr(cookie, ';');
    assert_non_null(end);
    *end = '\0';
    assert_int_equal(of_uri(&c, &keys, &options, claim_set, &out), BELL_SIGNED_REPLAYED);
    assert_int_equal(out.set_cookie.len, 0);
    json_t *headers = json_pack("{s:s}", "cookie", cookie);
    c.headers = headers;
    assert_int_equal(of_uri(&c, &keys, &options, claim_set, &out), BELL_SIGNED_OK);
    assert_true(strncmp(m.last, "k1 1 ", 5) == 0 && strcmp(m.last, "k1 1 one") != 0);
    assert_true(out.set_cookie.len > 0 && memcmp(out.set_cookie.p, cookie, strlen(cookie)) != 0);
    assert_int_equal(check(&c, &keys, &options, &out), BELL_SIGNED_OK); /* "one" was the last but one: this memory is short */
    options.many_uses = true;
    c.headers = NULL;
    json_decref(headers);
    m.asked = 0;
    assert_int_equal(of_uri(&c, &keys, &options, claim_set, &out), BELL_SIGNED_OK);
    assert_int_equal(m.asked, 0);
    signed_keys_free(&keys);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_that_open),
        cmocka_unit_test(a_token_with_an_id_counts_once),
        cmocka_unit_test(a_used_token_and_its_renewal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
