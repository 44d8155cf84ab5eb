#include "bell_uri_signing.h"

#include "bell_base64.h"
#include "bell_jwe.h"
#include "jose.h"
#include "signed.h"

#define NOW  1800000000
#define HEX1 "9e8953d9fca700f51e5e0d9ccebfd690eab112a7cc39f4a86235b4c04382754a"
#define HEX2 "afd1bb81cffb18b807a239207f80c21ad667c33a162523c49b6fac12b770710b"

static bell_signed_key *secret(const char *id, const char *material, bool hex) {
    const char *why;
    bell_signed_key *k = bell_signed_key_secret(bell_str_of(id), BELL_SIGNED_HMAC_SHA256, bell_str_of(material), hex, &why);
    assert_non_null(k);
    return k;
}

static bell_signed_key *public_key(const char *id, bell_str jwk) {
    const char *why;
    bell_signed_key *k = bell_signed_key_public(bell_str_of(id), jwk, &why);
    assert_non_null(k);
    return k;
}

static bool is(bell_str s, const char *text) {
    return bell_str_eq(s, bell_str_of(text));
}

static bell_signed_reason check(signed_case *c, const bell_signed_keys *keys, const bell_uri_signing_options *options, bell_signed_result *out) {
    bell_signed_call call = signed_call(c, keys);
    return bell_uri_signing_check(&call, options, out);
}

/* A token of k1, whose secret is "secret one". */
static const char *token_of(const char *claims) {
    return jose_sign("{\"alg\":\"HS256\",\"kid\":\"k1\"}", claims, NULL, false, "secret one");
}

static bell_signed_keys one_key(void) {
    return (bell_signed_keys){.keys = {secret("k1", "c2VjcmV0IG9uZQ", false)}, .nkeys = 1};
}

static char *with_token(const char *form, const char *token) {
    static char target[24000];
    const char *at = strchr(form, '@');

    assert_non_null(at);
    snprintf(target, sizeof(target), "%.*sURISigningPackage=%s%s", (int)(at - form), form, token, at + 1);
    return target;
}

/* ---- vectors */

static void take_keys(const json_t *policy, bell_signed_keys *keys) {
    const char *id;
    json_t *k;

    json_object_foreach(json_object_get(policy, "keys"), id, k) {
        char *jwk = json_dumps(json_object_get(k, "jwk"), 0);
        keys->keys[keys->nkeys++] = jwk != NULL ? public_key(id, bell_str_of(jwk)) : secret(id, json_string_value(json_object_get(k, "hex")), true);
        free(jwk);
    }
}

/* "Set-Cookie URISigningPackage=..; Path=/" and the end of the new token, which is valid itself. */
static void renewal_is_right(const json_t *vector, signed_case *c, const bell_signed_keys *keys, const bell_uri_signing_options *options,
                             const bell_signed_result *out) {
    const json_t *want = json_object_get(vector, "expect_renewal");
    const char *path = want != NULL ? strstr(json_string_value(json_object_get(want, "via")), "; Path=") : NULL;
    char cookie[4096];
    bell_signed_result again;

    assert_true((out->set_cookie.len > 0) == (want != NULL));
    if (want == NULL) {
        return;
    }
    bell_str rest = out->set_cookie, pair = bell_str_cut(&rest, ';');
    assert_true(bell_str_starts(pair, BELL_STR("URISigningPackage=ey")));
    assert_true(is((bell_str){rest.p - 1, rest.len + 1}, path));
    snprintf(cookie, sizeof(cookie), "%.*s", BELL_STR_ARG(pair));
    json_t *headers = json_pack("{s:s}", "Cookie", cookie);
    c->headers = headers;
    c->request.target = BELL_STR("/hls/c7/720/s1.ts");
    assert_int_equal(check(c, keys, options, &again), BELL_SIGNED_OK);
    assert_int_equal(again.expires_s, json_integer_value(json_object_get(want, "exp")));
    assert_true(is(again.key_id, "k1") && again.set_cookie.len > 0);
    c->request.now_s = again.expires_s;
    assert_int_equal(check(c, keys, options, &again), BELL_SIGNED_EXPIRED);
    json_decref(headers);
}

static void vectors(void **state) {
    json_t *file = signed_vectors("rfc9246-uri-signing"), *policy = json_object_get(file, "policy"), *vector;
    bell_uri_signing_options options = {
        .issuer = signed_text(policy, "iss"), .audience = signed_text(policy, "id"), .renewal_key = signed_text(policy, "renewal_kid")};
    bell_signed_keys keys = {.nkeys = 0};
    bell_signed_result out;
    signed_case c;
    size_t i;

    (void)state;
    take_keys(policy, &keys);
    json_array_foreach(json_object_get(file, "vectors"), i, vector) {
        signed_case_of(vector, &c);
        bell_signed_reason reason = check(&c, &keys, &options, &out);
        signed_expect(vector, reason);
        if (reason == BELL_SIGNED_OK) {
            assert_true(is(out.target, "/hls/c7/720/s1.ts") || is(out.target, "/hls/c7/720/s1.ts?a=1"));
            assert_int_equal(out.expires_s, 2145916800);
            renewal_is_right(vector, &c, &keys, &options, &out);
        } else {
            assert_true((out.target.len == 0) == (reason == BELL_SIGNED_MISSING));
            assert_true(out.target.len == 0 || memmem(out.target.p, out.target.len, "ey", 2) == NULL);
        }
    }
    signed_keys_free(&keys);
    json_decref(file);
}

/* Traffic Server's own known answer: no container, no "kid", and a secret that is base64url. */
static void traffic_servers_known_answer(void **state) {
    json_t *file = signed_vectors("rfc9246-uri-signing");
    bell_signed_keys keys = {.keys = {secret("k", "SECRET00", false)}, .nkeys = 1};
    bell_uri_signing_options options = {.issuer = BELL_STR("issuer"), .any_uri = true};
    bell_signed_result out;
    signed_case c;

    (void)state;
    signed_case_init(&c);
    bell_str token = signed_text(json_object_get(file, "published_known_answers_ats"), "token");
    c.request.target = bell_str_of(with_token("/someasset.ts?@", token.p));
    assert_int_equal(check(&c, &keys, &options, &out), BELL_SIGNED_OK);
    assert_true(is(out.target, "/someasset.ts") && out.expires_s == 1923056084);
    c.request.now_s = 1923056084;
    assert_int_equal(check(&c, &keys, &options, &out), BELL_SIGNED_EXPIRED);
    c.request.now_s = NOW;
    options.any_uri = false;
    assert_int_equal(check(&c, &keys, &options, &out), BELL_SIGNED_MALFORMED);
    signed_keys_free(&keys);
    json_decref(file);
}

/* ---- the examples of the RFC, with its keys; their signatures were made by those who wrote it */

#define RFC_KEY                                                                                                                                      \
    "{\"kty\":\"EC\",\"kid\":\"P5UpOv0eMq1wcxLf7WxIg09JdSYGYFDOWkldueaImf0\",\"use\":\"sig\",\"crv\":\"P-256\","                                     \
    "\"x\":\"be807S4O7dzB6I4hTiCUvmxCI6FuxWba1xYBlLSSsZ8\",\"y\":\"rOGC4vI69g-WF9AGEVI37sNNwbjIzBxSjLvIL7f3RBA\"}"

static void the_examples_of_the_rfc(void **state) {
    static const char simple[] = "eyJhbGciOiJFUzI1NiIsImtpZCI6IlA1VXBPdjBlTXExd2N4TGY3V3hJZzA5SmRTWUdZRkRPV2tsZHVlYUltZjAifQ.eyJleHAiOjE2NDEwNzkyM"
                                 "jMsImlzcyI6InVDRE4gSW5jIiwiY2RuaXVjIjoiaGFzaDpzaGEtMjU2OzJ0ZGVyZldQYTg2S3U3WW56VzUxWVVwN2RHVWpCU18zU1czRUx4NGht"
                                 "V1kifQ.P5It6q0kxNx5NBA76D-bYKIxlourey5JpU4diFLGHaVTk21QkEskjxoeneDoBj_1C5Ty1smBOovQMrGzuPmEHA";
    static const char complex_one[] = "eyJhbGciOiJFUzI1NiIsImtpZCI6IlA1VXBPdjBlTXExd2N4TGY3V3hJZzA5SmRTWUdZRkRPV2tsZHVlYUltZjAifQ."
                                      "eyJhdWQiOiJkQ0ROIExMQyIsInN1YiI6ImV5SmxibU1pT2lKQk1"
                                      "USTRSME5OSWl3aVlXeG5Jam9pWkdseUlpd2lhMmxrSWpvaVppMVhZbXA0UWtNelpGQjFTVE5rTWpSclVESm9ablp2Y3pkUmVqWTRPRlZVYVRaa"
                                      "FFqQm9Uams1T0NKOS4uTWJUOHRXZXQw"
                                      "MVZWSGp1Uy40S1A3QUplZlU3MGIuUmNfbzN0Q2ZXb1BrSWR5U3NZdGZNdyIsImNkbmlpcCI6ImV5SmxibU1pT2lKQk1USTRSME5OSWl3aVlXeG"
                                      "5Jam9pWkdseUlpd2lhMmxrSWpvaVppM"
                                      "VhZbXA0UWtNelpGQjFTVE5rTWpSclVESm9ablp2Y3pkUmVqWTRPRlZVYVRaaFFqQm9Uams1T0NKOS4uczYxNHpfX2F0SzRDaWppYy5pZVNtN28"
                                      "ybzdySXFDWWJERXhkb3lRLkpVblBMUX"
                                      "pCZjJkUGhCUFJUeEhLd3ciLCJjZG5pdiI6MSwiZXhwIjoxNjQxMDc5MjIzLCJpYXQiOjE2NDA5MDY0MjMsImlzcyI6InVDRE4gSW5jIiwianRp"
                                      "IjoiNURBYWZMaFpBZmhzYmUiLCJuYmY"
                                      "iOjE2NDA5OTI4MjMsImNkbml1YyI6InJlZ2V4Omh0dHA6Ly9jZG5pXFwuZXhhbXBsZS9mb28vYmFyL1swLTldezN9XFwucG5nIn0."
                                      "MgV1AIvlWf3rjUqWGKlpR1CcCpF8N5FX7xlZ0wGC"
                                      "qfJY3KpqTrVNKaEWVXGoo12oVgQ7J2KoRtcr2ah9dsjqOA";
    bell_signed_keys keys = {.keys = {public_key("P5UpOv0eMq1wcxLf7WxIg09JdSYGYFDOWkldueaImf0", BELL_STR(RFC_KEY))}, .nkeys = 1},
                     private_keys = {.keys = {secret("f-WbjxBC3dPuI3d24kP2hfvos7Qz688UTi6aB0hN998", "4uFxxV7fhNmrtiah2d1fFg", false)}, .nkeys = 1};
    bell_uri_signing_options options = {.issuer = BELL_STR("uCDN Inc"), .audience = BELL_STR("dCDN LLC")};
    bell_signed_result out;
    signed_case c;

    (void)state;
    signed_case_init(&c);
    c.request.scheme = BELL_STR("http");
    c.request.host = BELL_STR("cdni.example");
    c.request.now_s = 1641079222;
    c.request.target = bell_str_of(with_token("/foo/bar?@", simple));
    assert_int_equal(check(&c, &keys, &options, &out), BELL_SIGNED_OK);
    c.request.scheme = BELL_STR("https");
    assert_int_equal(check(&c, &keys, &options, &out), BELL_SIGNED_RESOURCE);
    c.request.scheme = BELL_STR("http");
    c.request.target = bell_str_of(with_token("/foo/bar/?@", simple));
    assert_int_equal(check(&c, &keys, &options, &out), BELL_SIGNED_RESOURCE);

    c.request.target = bell_str_of(with_token("/foo/bar/042.png?@", complex_one));
    assert_true(bell_address_parse(BELL_STR("2001:db8:1::2"), &c.request.client));
    assert_int_equal(check(&c, &keys, &options, &out), BELL_SIGNED_UNSUPPORTED); /* "jti" */
    options.many_uses = true;
    assert_int_equal(check(&c, &keys, &options, &out), BELL_SIGNED_UNSUPPORTED); /* "cdniip" without a key */
    assert_int_equal(out.subject.len, 0);
    options.private_keys = &private_keys;
    assert_int_equal(check(&c, &keys, &options, &out), BELL_SIGNED_OK);
    assert_true(is(out.subject, "UserToken"));
    assert_true(bell_address_parse(BELL_STR("2001:db9::1"), &c.request.client));
    assert_int_equal(check(&c, &keys, &options, &out), BELL_SIGNED_ADDRESS);
    c.request.client = (bell_address){0};
    assert_int_equal(check(&c, &keys, &options, &out), BELL_SIGNED_ADDRESS);
    assert_true(bell_address_parse(BELL_STR("2001:db8::1"), &c.request.client));
    c.request.now_s = 1640992822;
    assert_int_equal(check(&c, &keys, &options, &out), BELL_SIGNED_NOT_YET);
    c.request.now_s = 1640992823;
    assert_int_equal(check(&c, &keys, &options, &out), BELL_SIGNED_OK);
    private_keys.keys[0]->until_s = 1;
    assert_int_equal(check(&c, &keys, &options, &out), BELL_SIGNED_KEY);
    signed_keys_free(&keys);
    signed_keys_free(&private_keys);
}

/* ---- places */

static void places_of_a_token(void **state) {
    static const struct {
        const char *form, *stripped; /* "@" stands for the name, "=" and a token for every URI */
        bell_signed_reason reason;
    } rows[] = {
        {"/a/s.ts?@", "/a/s.ts", BELL_SIGNED_OK},
        {"/a/s.ts?@&x=1", "/a/s.ts?x=1", BELL_SIGNED_OK},
        {"/a/s.ts?x=1&@", "/a/s.ts?x=1", BELL_SIGNED_OK},
        {"/a/s.ts?x=1&@&y", "/a/s.ts?x=1&y", BELL_SIGNED_OK},
        {"/a/@/s.ts", "/a/s.ts", BELL_SIGNED_OK},
        {"/a/@/s.ts?x", "/a/s.ts?x", BELL_SIGNED_OK},
        {"/@/a/s.ts", "/a/s.ts", BELL_SIGNED_OK},
        {"/a/@", "/a", BELL_SIGNED_OK},
        {"/a/@/", "/a/", BELL_SIGNED_OK},
        {"/@", "/", BELL_SIGNED_OK},
        {"/a/s.ts;@", "/a/s.ts", BELL_SIGNED_OK},
        {"/a/s.ts;v=1;@", "/a/s.ts;v=1", BELL_SIGNED_OK},
        {"/a/s.ts;@;v=1", "/a/s.ts;v=1", BELL_SIGNED_OK},
        {"/a;@/s.ts", "/a/s.ts", BELL_SIGNED_OK},
        {"/a/@;v=1/s.ts", "/a/v=1/s.ts", BELL_SIGNED_OK},
        {"/a/../s.ts?@", "/a/../s.ts", BELL_SIGNED_PATH},
        {"/a/%2e%2e/s.ts?@", "/a/%2e%2e/s.ts", BELL_SIGNED_PATH},
        {"/a/@/../s.ts", "/a/../s.ts", BELL_SIGNED_PATH},
        {"/a/@;../s.ts", "/a/../s.ts", BELL_SIGNED_PATH},
        {"/a/@;%2E./s.ts", "/a/%2E./s.ts", BELL_SIGNED_PATH},
        {"/a/@;./s.ts", "/a/./s.ts", BELL_SIGNED_PATH},
        {"/a/s.ts?@&@", "/a/s.ts", BELL_SIGNED_MALFORMED},
        {"/a/@/s.ts?@", "/a/s.ts", BELL_SIGNED_MALFORMED},
        {"/a/@/@/s.ts", "/a/s.ts", BELL_SIGNED_MALFORMED},
        {"/a/@;@", "/a/", BELL_SIGNED_MALFORMED},
        {"/a/s;@;@", "/a/s", BELL_SIGNED_MALFORMED},
        {"/a/s?@x", "/a/s", BELL_SIGNED_SIGNATURE},
        {"/a/s.ts?URISigningPackage", "/a/s.ts", BELL_SIGNED_MALFORMED},
        {"/a/s.ts?URISigningPackage=", "/a/s.ts", BELL_SIGNED_MALFORMED},
        {"/a/URISigningPackage=/s.ts", "/a/s.ts", BELL_SIGNED_MALFORMED},
        {"/a/s.ts?urisigningpackage=x", "", BELL_SIGNED_MISSING},
        {"/a/s.ts?xURISigningPackage=x", "", BELL_SIGNED_MISSING},
        {"/a/xURISigningPackage=x/s.ts", "", BELL_SIGNED_MISSING},
        {"/a/URISigningPackage/s.ts", "", BELL_SIGNED_MISSING},
        {"/a/../s.ts", "", BELL_SIGNED_MISSING},
        {"/", "", BELL_SIGNED_MISSING},
    };
    bell_signed_keys keys = one_key();
    bell_uri_signing_options options = {.issuer = BELL_STR("i")};
    bell_signed_result out;
    signed_case c;
    char target[8192];
    char *token = strdup(token_of("{\"iss\":\"i\",\"exp\":2145916800,\"cdniuc\":\"regex:https://cdn\\\\.school\\\\.example/.*\"}"));

    (void)state;
    signed_case_init(&c);
    for (size_t i = 0; i < ROWS(rows); i++) {
        size_t n = 0;
        for (const char *p = rows[i].form; *p != '\0'; p++) {
            n += (size_t)(*p == '@' ? snprintf(target + n, sizeof(target) - n, "URISigningPackage=%s", token)
                                    : snprintf(target + n, sizeof(target) - n, "%c", *p));
        }
        c.request.target = (bell_str){target, n};
        assert_row(check(&c, &keys, &options, &out) == rows[i].reason, rows[i].form);
        assert_row(is(out.target, rows[i].stripped), rows[i].form);
        assert_row(out.set_cookie.len == 0, rows[i].form);
    }
    free(token);
    signed_keys_free(&keys);
}

static void another_name(void **state) {
    bell_signed_keys keys = one_key();
    bell_uri_signing_options options = {.name = BELL_STR("tok")};
    bell_signed_result out;
    signed_case c;
    char target[2000];

    (void)state;
    signed_case_init(&c);
    snprintf(target, sizeof(target), "/a?tok=%s", token_of("{\"exp\":2145916800,\"cdniuc\":\"regex:.*\"}"));
    c.request.target = bell_str_of(target);
    assert_int_equal(check(&c, &keys, &options, &out), BELL_SIGNED_OK);
    assert_true(is(out.target, "/a"));
    c.request.target = BELL_STR("/a?URISigningPackage=x");
    assert_int_equal(check(&c, &keys, &options, &out), BELL_SIGNED_MISSING);
    signed_keys_free(&keys);
}

/* The URI's decides, unless it has ended. Of cookies the first that is valid counts; when none is, the reason is the first one's. */
static void the_uri_and_cookies_together(void **state) {
    char *good = strdup(token_of("{\"exp\":2145916800,\"cdniuc\":\"regex:.*\",\"sub\":\"good\"}"));
    char *forged = strdup(jose_sign("{\"alg\":\"HS256\",\"kid\":\"k1\"}", "{\"exp\":1000000000}", NULL, false, "secret two"));
    char *old = strdup(token_of("{\"exp\":1000000000,\"cdniuc\":\"regex:.*\",\"sub\":\"old\"}"));
    const struct {
        const char *what, *target;
        const char *cookies[6];
        bell_signed_reason reason;
        const char *subject;
    } rows[] = {
        {"a good URI beside an old cookie", good, {old}, BELL_SIGNED_OK, "good"},
        {"an old URI beside a renewed cookie", old, {good}, BELL_SIGNED_OK, "good"},
        {"an old URI beside nothing", old, {NULL}, BELL_SIGNED_EXPIRED, "old"},
        {"an old URI beside nonsense", old, {"x", "y"}, BELL_SIGNED_EXPIRED, "old"},
        {"nonsense beside a good cookie", "a.b.c", {good}, BELL_SIGNED_MALFORMED, ""},
        {"a wrong signature beside a good cookie", forged, {good}, BELL_SIGNED_SIGNATURE, ""},
        {"no URI, nonsense and a good cookie", NULL, {"x", good}, BELL_SIGNED_OK, "good"},
        {"no URI, nonsense and an old cookie", NULL, {"x", old}, BELL_SIGNED_MALFORMED, ""},
        {"no URI, an old cookie and nonsense", NULL, {old, "x"}, BELL_SIGNED_EXPIRED, "old"},
        {"an empty cookie", NULL, {""}, BELL_SIGNED_MALFORMED, ""},
        {"the fourth cookie is asked", NULL, {"1", "2", "3", good}, BELL_SIGNED_OK, "good"},
        {"the fifth is not", NULL, {"1", "2", "3", "4", good}, BELL_SIGNED_MALFORMED, ""},
    };
    bell_signed_keys keys = one_key();
    bell_uri_signing_options options = {0};
    bell_signed_result out;
    signed_case c;

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        json_t *fields = json_array();
        signed_case_init(&c);
        c.request.target = rows[i].target != NULL ? bell_str_of(with_token("/a?@", rows[i].target)) : BELL_STR("/a");
        for (size_t n = 0; n < 6 && rows[i].cookies[n] != NULL; n++) {
            assert_int_equal(json_array_append_new(fields, json_sprintf("x=1; URISigningPackage=%s; y", rows[i].cookies[n])), 0);
        }
        json_t *headers = json_pack("{s:o}", "cookie", fields);
        c.headers = headers;
        assert_row(check(&c, &keys, &options, &out) == rows[i].reason, rows[i].what);
        assert_row(is(out.target, "/a") && is(out.subject, rows[i].subject), rows[i].what);
        json_decref(headers);
    }
    free(good);
    free(old);
    free(forged);
    signed_keys_free(&keys);
}

/* ---- claims */

#define EVER "\"exp\":2145916800"
#define ANY  "\"cdniuc\":\"regex:.*\""

static void claims(void **state) {
    static const struct {
        const char *claims;
        bell_signed_reason reason;
    } rows[] = {
        {"{\"iss\":\"i\"," EVER "," ANY "}", BELL_SIGNED_OK},
        {"{\"iss\":\"i\"," EVER "," ANY ",\"something\":{\"deep\":[1,2]}}", BELL_SIGNED_OK},
        {"{\"iss\":\"i\"," EVER "," ANY ",\"exp\":2145916800}", BELL_SIGNED_MALFORMED},
        {"[\"iss\"]", BELL_SIGNED_MALFORMED},
        {"{}", BELL_SIGNED_MALFORMED},
        {"{\"iss\":\"i\"," EVER "," ANY "} ", BELL_SIGNED_OK},
        {"{\"iss\":\"i\"," EVER "," ANY "}x", BELL_SIGNED_MALFORMED},
        {"{\"iss\":\"i\"," EVER "}", BELL_SIGNED_MALFORMED},
        {"{\"iss\":\"i\"," ANY "}", BELL_SIGNED_MALFORMED},
        {"{\"iss\":7," EVER "," ANY "}", BELL_SIGNED_MALFORMED},
        {"{\"iss\":[\"i\"]," EVER "," ANY "}", BELL_SIGNED_MALFORMED},
        {"{\"iss\":\"I\"," EVER "," ANY "}", BELL_SIGNED_ISSUER},
        {"{\"iss\":\"\"," EVER "," ANY "}", BELL_SIGNED_ISSUER},
        {"{\"iss\":\"i \"," EVER "," ANY "}", BELL_SIGNED_ISSUER},
        {"{\"iss\":\"i\",\"aud\":\"us\"," EVER "," ANY "}", BELL_SIGNED_OK},
        {"{\"iss\":\"i\",\"aud\":[\"them\",\"us\"]," EVER "," ANY "}", BELL_SIGNED_OK},
        {"{\"iss\":\"i\",\"aud\":[]," EVER "," ANY "}", BELL_SIGNED_AUDIENCE},
        {"{\"iss\":\"i\",\"aud\":[\"them\"]," EVER "," ANY "}", BELL_SIGNED_AUDIENCE},
        {"{\"iss\":\"i\",\"aud\":7," EVER "," ANY "}", BELL_SIGNED_AUDIENCE},
        {"{\"iss\":\"i\",\"exp\":1800000001," ANY "}", BELL_SIGNED_OK},
        {"{\"iss\":\"i\",\"exp\":1800000000," ANY "}", BELL_SIGNED_EXPIRED},
        {"{\"iss\":\"i\",\"exp\":1800000000.5," ANY "}", BELL_SIGNED_OK}, /* Traffic Server writes fractions */
        {"{\"iss\":\"i\",\"exp\":0," ANY "}", BELL_SIGNED_EXPIRED},
        {"{\"iss\":\"i\",\"exp\":-1," ANY "}", BELL_SIGNED_MALFORMED},
        {"{\"iss\":\"i\",\"exp\":\"2145916800\"," ANY "}", BELL_SIGNED_MALFORMED},
        {"{\"iss\":\"i\",\"exp\":null," ANY "}", BELL_SIGNED_MALFORMED},
        {"{\"iss\":\"i\",\"exp\":1e300," ANY "}", BELL_SIGNED_MALFORMED},
        {"{\"iss\":\"i\",\"nbf\":1800000000," EVER "," ANY "}", BELL_SIGNED_OK},
        {"{\"iss\":\"i\",\"nbf\":1800000001," EVER "," ANY "}", BELL_SIGNED_NOT_YET},
        {"{\"iss\":\"i\",\"nbf\":\"0\"," EVER "," ANY "}", BELL_SIGNED_MALFORMED},
        {"{\"iss\":\"i\",\"iat\":1900000000," EVER "," ANY "}", BELL_SIGNED_OK},
        {"{\"iss\":\"i\",\"iat\":true," EVER "," ANY "}", BELL_SIGNED_MALFORMED},
        {"{\"iss\":\"i\",\"jti\":\"x\"," EVER "," ANY "}", BELL_SIGNED_UNSUPPORTED},
        {"{\"iss\":\"i\",\"cdniv\":1," EVER "," ANY "}", BELL_SIGNED_OK},
        {"{\"iss\":\"i\",\"cdniv\":0," EVER "," ANY "}", BELL_SIGNED_VERSION},
        {"{\"iss\":\"i\",\"cdniv\":\"1\"," EVER "," ANY "}", BELL_SIGNED_MALFORMED},
        {"{\"iss\":\"i\",\"cdnicrit\":\"\"," EVER "," ANY "}", BELL_SIGNED_UNSUPPORTED},
        {"{\"iss\":\"i\",\"cdnicrit\":\"exp\"," EVER "," ANY "}", BELL_SIGNED_UNSUPPORTED},
        {"{\"iss\":\"i\",\"cdnicrit\":[\"x\"]," EVER "," ANY "}", BELL_SIGNED_MALFORMED},
        {"{\"iss\":\"i\",\"cdniip\":\"192.0.2.10\"," EVER "," ANY "}", BELL_SIGNED_UNSUPPORTED},
        {"{\"iss\":\"i\",\"cdniip\":\"e..i.c.t\"," EVER "," ANY "}", BELL_SIGNED_UNSUPPORTED},
        {"{\"iss\":\"i\"," EVER ",\"cdniuc\":\"\"}", BELL_SIGNED_MALFORMED},
        {"{\"iss\":\"i\"," EVER ",\"cdniuc\":\"regex\"}", BELL_SIGNED_MALFORMED},
        {"{\"iss\":\"i\"," EVER ",\"cdniuc\":\"Regex:.*\"}", BELL_SIGNED_MALFORMED},
        {"{\"iss\":\"i\"," EVER ",\"cdniuc\":\"regex:\"}", BELL_SIGNED_RESOURCE},
        {"{\"iss\":\"i\"," EVER ",\"cdniuc\":\"regex:(\"}", BELL_SIGNED_MALFORMED},
        {"{\"iss\":\"i\"," EVER ",\"cdniuc\":\"regex:/a\"}", BELL_SIGNED_RESOURCE},
        {"{\"iss\":\"i\"," EVER ",\"cdniuc\":\"regex:https://cdn.school.example/a\\\\?b\"}", BELL_SIGNED_OK},
        {"{\"iss\":\"i\"," EVER ",\"cdniuc\":\"regex:https://cdn.school.example/a\"}", BELL_SIGNED_RESOURCE},
        {"{\"iss\":\"i\"," EVER ",\"cdniuc\":\"regex:https://cdn.school.example/A\\\\?b\"}", BELL_SIGNED_RESOURCE},
        {"{\"iss\":\"i\"," EVER ",\"cdniuc\":\"hash:sha-256;zr34rrfw_xfDk6d4DXo0KUdN2CIuNbmEND9ZyCod5Y4\"}", BELL_SIGNED_OK},
        {"{\"iss\":\"i\"," EVER ",\"cdniuc\":\"hash:zr34rrfw_xfDk6d4DXo0KUdN2CIuNbmEND9ZyCod5Y4\"}", BELL_SIGNED_OK},
        {"{\"iss\":\"i\"," EVER ",\"cdniuc\":\"hash:sha256:zr34rrfw_xfDk6d4DXo0KUdN2CIuNbmEND9ZyCod5Y4=\"}", BELL_SIGNED_OK},
        {"{\"iss\":\"i\"," EVER ",\"cdniuc\":\"hash:sha-256;zr34rrfw/xfDk6d4DXo0KUdN2CIuNbmEND9ZyCod5Y4\"}", BELL_SIGNED_OK},
        {"{\"iss\":\"i\"," EVER ",\"cdniuc\":\"hash:sha-256;zr34rrfw_xfDk6d4DXo0KUdN2CIuNbmEND9ZyCod5Y4-\"}", BELL_SIGNED_MALFORMED},
        {"{\"iss\":\"i\"," EVER ",\"cdniuc\":\"hash:sha-256;;zr34rrfw_xfDk6d4DXo0KUdN2CIuNbmEND9ZyCod5Y4\"}", BELL_SIGNED_MALFORMED},
        {"{\"iss\":\"i\"," EVER ",\"cdniuc\":\"hash:;zr34rrfw_xfDk6d4DXo0KUdN2CIuNbmEND9ZyCod5Y4\"}", BELL_SIGNED_UNSUPPORTED},
        {"{\"iss\":\"i\"," EVER ",\"cdniuc\":\"hash:sha-256;cebdf8aeb7f0ff17c393a7780d7a3429474dd8222e35b984343f59c82A1DE58E\"}", BELL_SIGNED_OK},
        {"{\"iss\":\"i\"," EVER ",\"cdniuc\":\"hash:sha-256;zr34rrfw_xfDk6d4DXo0KUdN2CIuNbmEND9ZyCod5Y5\"}", BELL_SIGNED_MALFORMED},
        {"{\"iss\":\"i\"," EVER ",\"cdniuc\":\"hash:sha-256;ar34rrfw_xfDk6d4DXo0KUdN2CIuNbmEND9ZyCod5Y4\"}", BELL_SIGNED_RESOURCE},
        {"{\"iss\":\"i\"," EVER ",\"cdniuc\":\"hash:sha-256;27AODmeBwKBdA2pS\"}", BELL_SIGNED_MALFORMED},
        {"{\"iss\":\"i\"," EVER ",\"cdniuc\":\"hash:sha-256;\"}", BELL_SIGNED_MALFORMED},
        {"{\"iss\":\"i\"," EVER ",\"cdniuc\":\"hash:\"}", BELL_SIGNED_MALFORMED},
        {"{\"iss\":\"i\"," EVER ",\"cdniuc\":\"hash:sha-512;zr34rrfw_xfDk6d4DXo0KUdN2CIuNbmEND9ZyCod5Y4\"}", BELL_SIGNED_UNSUPPORTED},
        {"{\"iss\":\"i\"," EVER ",\"cdniuc\":\"uri:https://cdn.school.example/a?b\"}", BELL_SIGNED_MALFORMED},
        {"{\"iss\":\"i\"," EVER ",\"cdniuc\":7}", BELL_SIGNED_MALFORMED},
        {"{\"iss\":\"i\",\"cdnistt\":0," EVER "," ANY "}", BELL_SIGNED_OK},
        {"{\"iss\":\"i\",\"cdnistt\":1,\"cdniets\":0," EVER "," ANY "}", BELL_SIGNED_MALFORMED},
        {"{\"iss\":\"i\",\"cdnistt\":1,\"cdniets\":-5," EVER "," ANY "}", BELL_SIGNED_MALFORMED},
        {"{\"iss\":\"i\",\"cdnistt\":1,\"cdniets\":1.5," EVER "," ANY "}", BELL_SIGNED_MALFORMED},
        {"{\"iss\":\"i\",\"cdnistt\":1,\"cdniets\":99999999999," EVER "," ANY "}", BELL_SIGNED_MALFORMED},
        {"{\"iss\":\"i\",\"cdnistt\":-1," EVER "," ANY "}", BELL_SIGNED_MALFORMED},
        {"{\"iss\":\"i\",\"cdnistt\":1,\"cdniets\":9,\"cdnistd\":-1," EVER "," ANY "}", BELL_SIGNED_MALFORMED},
        {"{\"iss\":\"i\",\"cdnistt\":1,\"cdniets\":9,\"cdnistd\":\"1\"," EVER "," ANY "}", BELL_SIGNED_MALFORMED},
        {"{\"iss\":\"i\",\"cdnistt\":3,\"cdniets\":9," EVER "," ANY "}", BELL_SIGNED_UNSUPPORTED},
        {"{\"iss\":\"i\",\"cdniets\":9," EVER "," ANY "}", BELL_SIGNED_OK},
        {"{\"iss\":\"i\",\"sub\":7," EVER "," ANY "}", BELL_SIGNED_MALFORMED},
    };
    bell_signed_keys keys = one_key();
    bell_uri_signing_options options = {.issuer = BELL_STR("i"), .audience = BELL_STR("us")};
    bell_signed_result out;
    signed_case c;

    (void)state;
    signed_case_init(&c);
    for (size_t i = 0; i < ROWS(rows); i++) {
        c.request.target = bell_str_of(with_token("/a?b&@", token_of(rows[i].claims)));
        bell_signed_reason got = check(&c, &keys, &options, &out);
        if (got != rows[i].reason) {
            fail_msg("%s: %s, expected %s", rows[i].claims, bell_signed_reason_name(got), bell_signed_reason_name(rows[i].reason));
        }
        assert_row(is(out.target, "/a?b") && is(out.key_id, "k1"), rows[i].claims);
    }
    signed_keys_free(&keys);
}

static void options_let_more_pass(void **state) {
    static const char network[] = "{\"iss\":\"j\",\"cdniip\":\"192.0.2.0/24\"," EVER "," ANY "}";
    const struct {
        const char *claims;
        bell_uri_signing_options options;
        bell_signed_reason reason;
    } rows[] = {
        {"{\"iss\":\"j\"," EVER "," ANY "}", {.search = false}, BELL_SIGNED_OK}, /* the keys stand for the issuer */
        {"{\"aud\":\"us\"," EVER "," ANY "}", {.search = false}, BELL_SIGNED_AUDIENCE},
        {"{\"aud\":\"\"," EVER "," ANY "}", {.search = false}, BELL_SIGNED_AUDIENCE},
        {"{" ANY "}", {.endless = true}, BELL_SIGNED_OK},
        {"{" EVER "}", {.any_uri = true}, BELL_SIGNED_OK},
        {"{\"jti\":\"x\"," EVER "," ANY "}", {.many_uses = true}, BELL_SIGNED_OK},
        {"{" EVER ",\"cdniuc\":\"regex:/a\"}", {.search = true}, BELL_SIGNED_OK},
        {"{" EVER ",\"cdniuc\":\"regex:/b\"}", {.search = true}, BELL_SIGNED_RESOURCE},
        {"{" EVER ",\"cdniuc\":\"regex:^/a\"}", {.search = true}, BELL_SIGNED_RESOURCE},
        {network, {.plain_address = true}, BELL_SIGNED_OK},
        {"{\"cdniip\":\"192.0.2.10\"," EVER "," ANY "}", {.plain_address = true}, BELL_SIGNED_OK},
        {"{\"cdniip\":\"192.0.2.11\"," EVER "," ANY "}", {.plain_address = true}, BELL_SIGNED_ADDRESS},
        {"{\"cdniip\":\"2001:db8::/32\"," EVER "," ANY "}", {.plain_address = true}, BELL_SIGNED_ADDRESS},
        {"{\"cdniip\":\"192.0.2.10/33\"," EVER "," ANY "}", {.plain_address = true}, BELL_SIGNED_MALFORMED},
        {"{\"cdniip\":\"\"," EVER "," ANY "}", {.plain_address = true}, BELL_SIGNED_MALFORMED},
        {"{\"cdniip\":\"school\"," EVER "," ANY "}", {.plain_address = true}, BELL_SIGNED_MALFORMED},
    };
    bell_signed_keys keys = one_key();
    bell_signed_result out;
    signed_case c;

    (void)state;
    signed_case_init(&c);
    for (size_t i = 0; i < ROWS(rows); i++) {
        c.request.target = bell_str_of(with_token("/a?@", token_of(rows[i].claims)));
        assert_row(check(&c, &keys, &rows[i].options, &out) == rows[i].reason, rows[i].claims);
    }
    signed_keys_free(&keys);
}

static void subjects(void **state) {
    static const struct {
        const char *sub, *subject;
    } rows[] = {
        {"\"s-1\"", "s-1"},
        {"\"\"", ""},
        {"\"a\\nb\"", ""},
        {"\"\\u00e4\"", ""},
        {"\"1234567890123456789012345678901234567890123456789012345678901234\"", "1234567890123456789012345678901234567890123456789012345678901234"},
        {"\"12345678901234567890123456789012345678901234567890123456789012345\"", ""},
        {"\"a..b.c.d\"", ""}, /* encrypted, or so it looks */
    };
    bell_signed_keys keys = one_key();
    bell_uri_signing_options options = {0};
    bell_signed_result out;
    signed_case c;
    char text[300];

    (void)state;
    signed_case_init(&c);
    for (size_t i = 0; i < ROWS(rows); i++) {
        snprintf(text, sizeof(text), "{\"sub\":%s," EVER "," ANY "}", rows[i].sub);
        c.request.target = bell_str_of(with_token("/a?@", token_of(text)));
        assert_row(check(&c, &keys, &options, &out) == BELL_SIGNED_OK, rows[i].sub);
        assert_row(is(out.subject, rows[i].subject), rows[i].sub);
    }
    signed_keys_free(&keys);
}

/* ---- renewal */

static void paths_of_renewed_cookies(void **state) {
    static const struct {
        const char *target, *depth, *path;
    } rows[] = {
        {"/a/b/c.ts?@", "0", "/"},
        {"/a/b/c.ts?@", "1", "/a"},
        {"/a/b/c.ts?@", "2", "/a/b"},
        {"/a/b/c.ts?@", "3", "/a/b/c.ts"},
        {"/a/b/c.ts?@", "1000", "/a/b/c.ts"},
        {"/a/b/@/c.ts", "3", "/a/b/c.ts"},
        {"/?@", "1", "/"},
        {"/a/?@", "2", "/a/"},
        {"/a;v=1/b?@", "2", "/"}, /* a semicolon would end the attribute */
        {"/a/b;v=1?@", "2", "/a"},
    };
    bell_signed_keys keys = one_key();
    bell_uri_signing_options options = {.renewal_key = BELL_STR("k1"), .cookie_attributes = BELL_STR("; Secure; HttpOnly")};
    bell_signed_result out;
    signed_case c;
    char text[300];

    (void)state;
    signed_case_init(&c);
    for (size_t i = 0; i < ROWS(rows); i++) {
        snprintf(text, sizeof(text), "{\"cdnistt\":1,\"cdniets\":30,\"cdnistd\":%s," EVER "," ANY "}", rows[i].depth);
        c.request.target = bell_str_of(with_token(rows[i].target, token_of(text)));
        assert_row(check(&c, &keys, &options, &out) == BELL_SIGNED_OK, rows[i].target);
        snprintf(text, sizeof(text), "; Path=%s; Secure; HttpOnly", rows[i].path);
        bell_str rest = out.set_cookie;
        bell_str_cut(&rest, ';');
        assert_row(is((bell_str){rest.p - 1, rest.len + 1}, text), rows[i].target);
    }
    signed_keys_free(&keys);
}

static void what_a_renewed_token_says(void **state) {
    bell_signed_keys keys = {.keys = {secret("k1", "c2VjcmV0IG9uZQ", false), secret("\"k 2", HEX2, true)}, .nkeys = 2};
    bell_uri_signing_options options = {.issuer = BELL_STR("i"), .renewal_key = BELL_STR("\"k 2"), .many_uses = true};
    bell_signed_result out;
    signed_case c;
    char decoded[2000];

    (void)state;
    signed_case_init(&c);
    c.request.target = bell_str_of(with_token("/a?@", token_of("{\"iss\":\"i\",\"sub\":\"s\",\"nbf\":5,\"iat\":6,\"jti\":\"j\"," EVER "," ANY
                                                               ",\"cdnistt\":1,\"cdniets\":30,\"own\":[true]}")));
    assert_int_equal(check(&c, &keys, &options, &out), BELL_SIGNED_OK);
    assert_true(is(out.key_id, "k1") && out.expires_s == 2145916800);
    bell_str rest = out.set_cookie;
    bell_str_cut(&rest, '=');
    bell_str token = bell_str_cut(&rest, ';'), header = bell_str_cut(&token, '.'), payload = bell_str_cut(&token, '.');
    decoded[bell_base64url_decode(header, (unsigned char *)decoded)] = '\0';
    assert_string_equal(decoded, "{\"alg\":\"HS256\",\"kid\":\"\\\"k 2\"}");
    decoded[bell_base64url_decode(payload, (unsigned char *)decoded)] = '\0';
    assert_string_equal(decoded, "{\"iss\":\"i\",\"sub\":\"s\",\"nbf\":5,\"iat\":1800000000,\"jti\":\"j\",\"exp\":1800000030,\"cdniuc\":\"regex:.*\","
                                 "\"cdnistt\":1,\"cdniets\":30,\"own\":[true]}");

    /* without a key for it, and with one that is none for it, there is no renewal */
    options.renewal_key = BELL_STR_NULL;
    assert_int_equal(check(&c, &keys, &options, &out), BELL_SIGNED_OK);
    assert_int_equal(out.set_cookie.len, 0);
    options.renewal_key = BELL_STR("k3");
    assert_int_equal(check(&c, &keys, &options, &out), BELL_SIGNED_OK);
    assert_int_equal(out.set_cookie.len, 0);
    signed_keys_free(&keys);
}

/* ---- signatures */

static void algorithms_belong_to_keys(void **state) {
    EVP_PKEY *rsa = EVP_RSA_gen(2048), *ec = EVP_EC_gen("P-256"), *ed = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    EVP_PKEY *signers[] = {NULL, rsa, ec, ed};
    static const char *const algs[] = {"HS256", "RS256", "ES256", "EdDSA", "PS256", "HS512", "none", "hs256", ""}, *const ids[] = {"h", "r", "e",
                                                                                                                                   "d"};
    char members[3][1000], jwk[3100], header[100];
    bell_uri_signing_options options = {0};
    bell_signed_keys keys = {.keys = {secret("h", "c2VjcmV0IG9uZQ", false)}, .nkeys = 1};
    bell_signed_result out;
    signed_case c;

    (void)state;
    signed_case_init(&c);
    jose_rsa(rsa, members[0], sizeof(members[0]));
    jose_p256(ec, members[1], sizeof(members[1]));
    jose_ed25519(ed, members[2], sizeof(members[2]));
    for (size_t i = 0; i < 3; i++) {
        snprintf(jwk, sizeof(jwk), "{%s}", members[i]);
        keys.keys[keys.nkeys++] = public_key(ids[i + 1], bell_str_of(jwk));
    }
    for (size_t signer = 0; signer < 4; signer++) {
        for (size_t said = 0; said < ROWS(algs); said++) {
            for (size_t id = 0; id < 5; id++) { /* the last: no "kid" */
                if (id < 4) {
                    snprintf(header, sizeof(header), "{\"alg\":\"%s\",\"kid\":\"%s\"}", algs[said], ids[id]);
                } else {
                    snprintf(header, sizeof(header), "{\"typ\":\"JWT\",\"alg\":\"%s\"}", algs[said]);
                }
                const char *token = jose_sign(header, "{" EVER "," ANY "}", signers[signer], false, signer == 0 ? "secret one" : NULL);
                c.request.target = bell_str_of(with_token("/a?@", token));
                bell_signed_reason reason = check(&c, &keys, &options, &out), want = BELL_SIGNED_ALGORITHM;
                if (said < 4 && (id == said || id == 4)) {
                    want = said == signer ? BELL_SIGNED_OK : BELL_SIGNED_SIGNATURE;
                }
                assert_row(reason == want, header);
            }
        }
    }
    signed_keys_free(&keys);
    EVP_PKEY_free(rsa);
    EVP_PKEY_free(ec);
    EVP_PKEY_free(ed);
}

static void headers_of_tokens(void **state) {
    static const struct {
        const char *header;
        bell_signed_reason reason;
    } rows[] = {
        {"{\"alg\":\"HS256\"}", BELL_SIGNED_OK},
        {"{\"alg\":\"HS256\",\"typ\":\"jwt\"}", BELL_SIGNED_OK},
        {"{\"alg\":\"HS256\",\"typ\":\"at+jwt\"}", BELL_SIGNED_MALFORMED},
        {"{\"alg\":\"HS256\",\"typ\":7}", BELL_SIGNED_MALFORMED},
        {"{\"alg\":\"HS256\",\"alg\":\"HS256\"}", BELL_SIGNED_MALFORMED},
        {"{\"alg\":\"HS256\",\"kid\":7}", BELL_SIGNED_MALFORMED},
        {"{\"alg\":\"HS256\",\"kid\":null}", BELL_SIGNED_MALFORMED},
        {"{\"alg\":\"HS256\",\"kid\":\"\"}", BELL_SIGNED_KEY},
        {"{\"alg\":\"HS256\",\"kid\":\"K1\"}", BELL_SIGNED_KEY},
        {"{\"alg\":\"HS256\",\"crit\":[]}", BELL_SIGNED_MALFORMED},
        {"{\"alg\":\"HS256\",\"jwk\":{\"kty\":\"oct\",\"k\":\"c2VjcmV0IG9uZQ\"}}", BELL_SIGNED_OK}, /* not looked at */
        {"{\"alg\":[\"HS256\"]}", BELL_SIGNED_ALGORITHM},
        {"{}", BELL_SIGNED_ALGORITHM},
        {"[]", BELL_SIGNED_MALFORMED},
        {"{\"alg\":\"HS256\"}x", BELL_SIGNED_MALFORMED},
        {"\"HS256\"", BELL_SIGNED_MALFORMED},
    };
    bell_signed_keys keys = one_key();
    bell_uri_signing_options options = {0};
    bell_signed_result out;
    signed_case c;

    (void)state;
    signed_case_init(&c);
    for (size_t i = 0; i < ROWS(rows); i++) {
        c.request.target = bell_str_of(with_token("/a?@", jose_sign(rows[i].header, "{" EVER "," ANY "}", NULL, false, "secret one")));
        assert_row(check(&c, &keys, &options, &out) == rows[i].reason, rows[i].header);
    }
    signed_keys_free(&keys);
}

static void shapes_of_tokens(void **state) {
    static const char *const rows[] = {".",
                                       "..",
                                       "...",
                                       "a.b.c",
                                       "eyJhbGciOiJIUzI1NiJ9",
                                       "eyJhbGciOiJIUzI1NiJ9.",
                                       "eyJhbGciOiJIUzI1NiJ9..",
                                       "eyJhbGciOiJIUzI1NiJ9.e30",
                                       "eyJhbGciOiJIUzI1NiJ9.e30.",
                                       "eyJhbGciOiJIUzI1NiJ9.e30.A",
                                       "=.=.=",
                                       "%65yJ.e30.AA",
                                       "eyJhbGciOiJIUzI1NiJ9.e30.AA.AA",
                                       "eyJhbGciOiJIUzI1NiJ9..e30.AA"};
    bell_signed_keys keys = one_key();
    bell_uri_signing_options options = {0};
    bell_signed_result out;
    signed_case c;
    static char huge[65536];

    (void)state;
    signed_case_init(&c);
    for (size_t i = 0; i < ROWS(rows); i++) {
        c.request.target = bell_str_of(with_token("/a?@", rows[i]));
        assert_row(check(&c, &keys, &options, &out) == BELL_SIGNED_MALFORMED, rows[i]);
    }
    memset(huge, 'e', sizeof(huge));
    memcpy(huge, "/a?URISigningPackage=", 21);
    c.request.target = (bell_str){huge, sizeof(huge)};
    assert_int_equal(check(&c, &keys, &options, &out), BELL_SIGNED_MALFORMED);
    assert_true(memchr(out.target.p, 'e', out.target.len) == NULL);
    c.request.target.len = 12000;
    assert_int_equal(check(&c, &keys, &options, &out), BELL_SIGNED_MALFORMED);
    assert_true(is(out.target, "/a"));
    signed_keys_free(&keys);
}

static void without_room_it_is_malformed(void **state) {
    bell_signed_keys keys = one_key();
    bell_uri_signing_options options = {.renewal_key = BELL_STR("k1")};
    bell_signed_result out;
    signed_case c;
    bell_signed_reason reason;
    size_t left = 0;

    (void)state;
    signed_case_init(&c);
    c.request.target = bell_str_of(with_token("/a?@", token_of("{\"sub\":\"s\",\"cdnistt\":1,\"cdniets\":30," EVER "," ANY "}")));
    do {
        bell_signed_call call = signed_call(&c, &keys);
        c.room.left = left++;
        reason = bell_uri_signing_check(&call, &options, &out);
        assert_true(reason == BELL_SIGNED_OK || reason == BELL_SIGNED_MALFORMED);
        assert_true(is(out.target, "/a") || is(out.target, "/"));
    } while (reason != BELL_SIGNED_OK || out.set_cookie.len == 0);
    assert_true(left > c.request.target.len);
    signed_keys_free(&keys);
}

/* One bit anywhere in the token, or in the path of which it speaks. The last character of a part in base64url may have bits that no byte uses: those
 * are refused as well. The byte in front of the name is no part of either: "?" that becomes "/" or ";" is the same token at another place. */
static void one_flipped_bit_is_refused(void **state) {
    EVP_PKEY *ec = EVP_EC_gen("P-256");
    char members[400], jwk[500];
    uint64_t seed = 9246;
    bell_uri_signing_options options = {.issuer = BELL_STR("i")};
    bell_signed_keys keys = one_key();
    bell_signed_result out;
    signed_case c;

    (void)state;
    signed_case_init(&c);
    jose_p256(ec, members, sizeof(members));
    snprintf(jwk, sizeof(jwk), "{%s}", members);
    keys.keys[keys.nkeys++] = public_key("e1", bell_str_of(jwk));
    for (int kind = 0; kind < 2; kind++) {
        static const char said[] = "{\"iss\":\"i\"," EVER ",\"cdniuc\":\"regex:https://cdn\\\\.school\\\\.example/hls/c7/s1\\\\.ts\"}";
        const char *token = kind == 0 ? token_of(said) : jose_sign("{\"alg\":\"ES256\",\"kid\":\"e1\"}", said, ec, false, NULL);
        char *target = with_token("/hls/c7/s1.ts?@", token);
        size_t len = strlen(target);
        c.request.target = (bell_str){target, len};
        assert_int_equal(check(&c, &keys, &options, &out), BELL_SIGNED_OK);
        for (int i = 0; i < (kind == 0 ? 10000 : 2000); i++) {
            uint64_t r = signed_random(&seed);
            size_t at = (size_t)(r >> 8) % len;
            if (at == strlen("/hls/c7/s1.ts")) {
                continue;
            }
            target[at] = (char)(target[at] ^ (1 << (r & 7)));
            if (check(&c, &keys, &options, &out) == BELL_SIGNED_OK) {
                fail_msg("bit %u of byte %zu is not protected: %s", (unsigned)(r & 7), at, target);
            }
            target[at] = (char)(target[at] ^ (1 << (r & 7)));
        }
    }
    signed_keys_free(&keys);
    EVP_PKEY_free(ec);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors),
        cmocka_unit_test(traffic_servers_known_answer),
        cmocka_unit_test(the_examples_of_the_rfc),
        cmocka_unit_test(places_of_a_token),
        cmocka_unit_test(another_name),
        cmocka_unit_test(the_uri_and_cookies_together),
        cmocka_unit_test(claims),
        cmocka_unit_test(options_let_more_pass),
        cmocka_unit_test(subjects),
        cmocka_unit_test(paths_of_renewed_cookies),
        cmocka_unit_test(what_a_renewed_token_says),
        cmocka_unit_test(algorithms_belong_to_keys),
        cmocka_unit_test(headers_of_tokens),
        cmocka_unit_test(shapes_of_tokens),
        cmocka_unit_test(without_room_it_is_malformed),
        cmocka_unit_test(one_flipped_bit_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
