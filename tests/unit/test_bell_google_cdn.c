#include "bell_google_cdn.h"
#include "google.h"

#include <stdlib.h>

#define KEY   "000102030405060708090a0b0c0d0e0f"
#define OTHER "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff"
#define HOST  "https://cdn.school.example"
#define E     "Expires=1800000600"

static const bell_google_cdn_options plain = {.cookie = {NULL, 0}};

static bell_signed_reason check(signed_case *c, const bell_signed_keys *keys, bell_signed_result *out) {
    bell_signed_call call = signed_call(c, keys);
    bell_signed_reason r = bell_google_cdn_check(&call, &plain, out);

    google_check_target(r, out);
    return r;
}

/* ---- the vectors and what Google published */

static bell_signed_key *base64_key(const char *id, const char *text) {
    const char *why;
    bell_signed_key *k = bell_signed_key_secret(bell_str_of(id), BELL_SIGNED_HMAC_SHA1, bell_str_of(text), false, &why);

    assert_non_null(k);
    return k;
}

static void vectors(void **state) {
    json_t *file = signed_vectors("google"), *v, *own = json_object_get(json_object_get(file, "keys"), "cloudcdn");
    bell_signed_keys keys = {
        {base64_key("k1", json_string_value(json_object_get(own, "k1"))), base64_key("k2", json_string_value(json_object_get(own, "k2")))}, 2};
    size_t i, tried = 0;

    (void)state;
    json_array_foreach(json_object_get(file, "vectors"), i, v) {
        bell_signed_result out;
        signed_case c;
        if (!bell_str_eq(signed_text(v, "mode"), BELL_STR("cloudcdn"))) {
            continue;
        }
        signed_case_of(v, &c);
        signed_expect(v, check(&c, &keys, &out));
        tried++;
    }
    assert_true(tried >= 15);
    signed_keys_free(&keys);
    json_decref(file);
}

static void known_answers(void **state) {
    static const struct {
        const char *name, *url; /* url of what a cookie is for */
    } rows[] = {
        {"cloudcdn url 1", NULL},
        {"cloudcdn url 3", NULL},
        {"cloudcdn prefix 3", NULL},
        {"cloudcdn cookie 2", "http://www.example.com/foo/bar.ts"},
    };
    json_t *file = signed_vectors("google");
    bell_signed_keys keys = {{base64_key("my-key", "nZtRohdNF9m3cKM24IcK4w==")}, 1};

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        const char *answer = google_answer(file, rows[i].name);
        bell_str url = bell_str_of(rows[i].url != NULL ? rows[i].url : answer);
        bell_signed_result out;
        signed_case c;
        json_t *headers = rows[i].url != NULL ? json_pack("{s:s}", "Cookie", answer) : NULL;
        signed_case_init(&c);
        c.request.scheme = bell_str_cut(&url, ':');
        url = (bell_str){url.p + 2, url.len - 2};
        c.request.target = url;
        c.request.host = bell_str_cut(&c.request.target, '/');
        c.request.target = (bell_str){c.request.target.p - 1, c.request.target.len + 1};
        c.request.now_s = 1549751400;
        c.headers = headers;
        assert_row(check(&c, &keys, &out) == BELL_SIGNED_OK, rows[i].name);
        assert_row(out.expires_s == 1549751401 && bell_str_eq(out.key_id, BELL_STR("my-key")), rows[i].name);
        c.request.now_s++;
        assert_row(check(&c, &keys, &out) == BELL_SIGNED_EXPIRED, rows[i].name);
        json_decref(headers);
    }
    signed_keys_free(&keys);
    json_decref(file);
}

/* ---- shapes */

#define PREFIX "URLPrefix=<https://cdn.school.example/hls/c7/>&" E "&KeyName=k1"
#define COOKIE "URLPrefix=<https://cdn.school.example/hls/c7/>:" E ":KeyName=k1"

typedef struct {
    const char *text;   /* what is signed; marks as of google_expand() */
    const char *target; /* with the signature */
    bell_signed_reason reason;
    const char *left; /* of the target */
} url_row;

static const url_row url_rows[] = {
    {HOST "/v/a.mp4?" E "&KeyName=k1", "/v/a.mp4?" E "&KeyName=k1&Signature=$", BELL_SIGNED_OK, "/v/a.mp4"},
    {HOST "/v/a.mp4?" E "&KeyName=k1", "/v/a.mp4?" E "&KeyName=k1&Signature=^", BELL_SIGNED_OK, "/v/a.mp4"},
    {HOST "/v/a.mp4?" E "&KeyName=k1", "/v/a.mp4?" E "&KeyName=k1&Signature=!", BELL_SIGNED_OK, "/v/a.mp4"},
    {HOST "/?a=1&b&" E "&KeyName=k1", "/?a=1&b&" E "&KeyName=k1&Signature=$", BELL_SIGNED_OK, "/?a=1&b"},
    {HOST "/v/%C3%A9.mp4?" E "&KeyName=k1", "/v/%C3%A9.mp4?" E "&KeyName=k1&Signature=$", BELL_SIGNED_OK, "/v/%C3%A9.mp4"},
    {HOST "/v/%C3%A9.mp4?" E "&KeyName=k1", "/v/%c3%a9.mp4?" E "&KeyName=k1&Signature=$", BELL_SIGNED_SIGNATURE, "/v/%c3%a9.mp4"},
    {HOST ":443/v/a.mp4?" E "&KeyName=k1", "/v/a.mp4?" E "&KeyName=k1&Signature=$", BELL_SIGNED_SIGNATURE, "/v/a.mp4"},
    {"http://cdn.school.example/v/a.mp4?" E "&KeyName=k1", "/v/a.mp4?" E "&KeyName=k1&Signature=$", BELL_SIGNED_SIGNATURE, "/v/a.mp4"},
    {"/v/a.mp4?" E "&KeyName=k1", "/v/a.mp4?" E "&KeyName=k1&Signature=$", BELL_SIGNED_SIGNATURE, "/v/a.mp4"},
    {HOST "/v/../a.mp4?" E "&KeyName=k1", "/v/../a.mp4?" E "&KeyName=k1&Signature=$", BELL_SIGNED_PATH, "/v/../a.mp4"},
    {HOST "/v/%2E%2e/a.mp4?" E "&KeyName=k1", "/v/%2E%2e/a.mp4?" E "&KeyName=k1&Signature=$", BELL_SIGNED_PATH, "/v/%2E%2e/a.mp4"},
    {HOST "/a?Expires=1800000001&KeyName=k1", "/a?Expires=1800000001&KeyName=k1&Signature=$", BELL_SIGNED_OK, "/a"},
    {HOST "/a?Expires=1800000000&KeyName=k1", "/a?Expires=1800000000&KeyName=k1&Signature=$", BELL_SIGNED_EXPIRED, "/a"},
    {HOST "/a?Expires=0&KeyName=k1", "/a?Expires=0&KeyName=k1&Signature=$", BELL_SIGNED_MALFORMED, "/a"},
    {HOST "/a?Expires=01800000600&KeyName=k1", "/a?Expires=01800000600&KeyName=k1&Signature=$", BELL_SIGNED_MALFORMED, "/a"},
    {HOST "/a?Expires=99999999999&KeyName=k1", "/a?Expires=99999999999&KeyName=k1&Signature=$", BELL_SIGNED_MALFORMED, "/a"},
    {HOST "/a?Expires=-1&KeyName=k1", "/a?Expires=-1&KeyName=k1&Signature=$", BELL_SIGNED_MALFORMED, "/a"},
    {HOST "/a?Expires=&KeyName=k1", "/a?Expires=&KeyName=k1&Signature=$", BELL_SIGNED_MALFORMED, "/a"},
    {HOST "/a?" E "&KeyName=k2", "/a?" E "&KeyName=k2&Signature=$", BELL_SIGNED_SIGNATURE, "/a"},
    {HOST "/a?" E "&KeyName=k9", "/a?" E "&KeyName=k9&Signature=$", BELL_SIGNED_KEY, "/a"},
    {HOST "/a?" E "&KeyName=", "/a?" E "&KeyName=&Signature=$", BELL_SIGNED_MALFORMED, "/a"},
    {HOST "/a?" E "&KeyName=K1", "/a?" E "&KeyName=K1&Signature=$", BELL_SIGNED_MALFORMED, "/a"},
    {HOST "/a?" E "&KeyName=k1-", "/a?" E "&KeyName=k1-&Signature=$", BELL_SIGNED_MALFORMED, "/a"},
    {HOST "/a?" E "&KeyName=k%31", "/a?" E "&KeyName=k%31&Signature=$", BELL_SIGNED_MALFORMED, "/a"},
    {HOST "/a?" E "&KeyName=k1", "/a?" E "&KeyName=k1&Signature=$=", BELL_SIGNED_MALFORMED, "/a"},
    {HOST "/a?" E "&KeyName=k1", "/a?" E "&KeyName=k1&Signature=^%", BELL_SIGNED_MALFORMED, "/a"},
    {HOST "/a?" E "&KeyName=k1", "/a?" E "&KeyName=k1&Signature=", BELL_SIGNED_MALFORMED, "/a"},
    {HOST "/a?" E "&KeyName=k1",
     "/a?" E "&KeyName=k1&Signature=QhWcq48iCRTJFayWexw929QRxjOxE8ZPSQ38ybTxLhu77hmS_JB6GSougMu_-ejS_ZiGguqxT-HfgSFuy3f5DQ==", BELL_SIGNED_MISSING,
     ""},
    {HOST "/a?" E "&KeyName=k1", "/a?" E "&KeyName=k1&Signature=AAAA", BELL_SIGNED_MALFORMED, "/a"},
    {HOST "/a?" E "&KeyName=k1", "/a?" E "&KeyName=k1&Signature", BELL_SIGNED_MALFORMED, "/a"},
    {HOST "/a?" E "&KeyName=k1", "/a?" E "&KeyName=k1", BELL_SIGNED_MISSING, ""},
    {HOST "/a?" E "&KeyName=k1", "/a?" E "&Signature=$", BELL_SIGNED_MALFORMED, "/a"},
    {HOST "/a?KeyName=k1", "/a?KeyName=k1&Signature=$", BELL_SIGNED_MALFORMED, "/a"},
    {HOST "/a?" E "&KeyName=k1", "/a?" E "&KeyName=k1&Signature=$&", BELL_SIGNED_MALFORMED, "/a?"},
    {HOST "/a?" E "&KeyName=k1", "/a?" E "&KeyName=k1&Signature=$&x=1", BELL_SIGNED_MALFORMED, "/a?x=1"},
    {HOST "/a?" E "&KeyName=k1", "/a?" E "&KeyName=k1&Signature=$&Signature=$", BELL_SIGNED_MALFORMED, "/a"},
    {HOST "/a?" E "&" E "&KeyName=k1", "/a?" E "&" E "&KeyName=k1&Signature=$", BELL_SIGNED_MALFORMED, "/a"},
    {HOST "/a?" E "&KeyName=k1&KeyName=k1", "/a?" E "&KeyName=k1&KeyName=k1&Signature=$", BELL_SIGNED_MALFORMED, "/a"},
    {HOST "/a?KeyName=k1&" E, "/a?KeyName=k1&" E "&Signature=$", BELL_SIGNED_MALFORMED, "/a"},
    {HOST "/a?" E "&x=1&KeyName=k1", "/a?" E "&x=1&KeyName=k1&Signature=$", BELL_SIGNED_MALFORMED, "/a?x=1"},
    {HOST "/a?" E "&KeyName=k1&x=1", "/a?" E "&KeyName=k1&x=1&Signature=$", BELL_SIGNED_MALFORMED, "/a?x=1"},
    {HOST "/a?" E "&KeyName=k1&IPRanges=[192.0.2.0/24]", "/a?" E "&KeyName=k1&IPRanges=[192.0.2.0/24]&Signature=$", BELL_SIGNED_MALFORMED,
     "/a?IPRanges=[192.0.2.0/24]"},
    {HOST "/a?expires=1800000600&keyname=k1", "/a?expires=1800000600&keyname=k1&signature=$", BELL_SIGNED_MISSING, ""},
    {HOST "/a?" E, "/a?" E, BELL_SIGNED_MISSING, ""},
    {HOST "/a?" E, "/a?" E "&Key-Pair-Id=K&Signature=$", BELL_SIGNED_MISSING, ""},
    {HOST "/a", "/a", BELL_SIGNED_MISSING, ""},
    {HOST "/a", "/a?", BELL_SIGNED_MISSING, ""},
    {HOST "/a", "", BELL_SIGNED_MISSING, ""},

    {PREFIX, "/hls/c7/s1.ts?" PREFIX "&Signature=$", BELL_SIGNED_OK, "/hls/c7/s1.ts"},
    {PREFIX, "/hls/c7/a/b/s1.ts?x=1&" PREFIX "&Signature=^", BELL_SIGNED_OK, "/hls/c7/a/b/s1.ts?x=1"},
    {PREFIX, "/hls/c7/s1.ts?x=1&" PREFIX "&Signature=!&_HLS_msn=7", BELL_SIGNED_OK, "/hls/c7/s1.ts?x=1&_HLS_msn=7"},
    {PREFIX, "/hls/c7/?" PREFIX "&Signature=$", BELL_SIGNED_OK, "/hls/c7/"},
    {PREFIX, "/hls/c7?" PREFIX "&Signature=$", BELL_SIGNED_RESOURCE, "/hls/c7"},
    {PREFIX, "/hls/c8/s1.ts?" PREFIX "&Signature=$", BELL_SIGNED_RESOURCE, "/hls/c8/s1.ts"},
    {PREFIX, "/HLS/c7/s1.ts?" PREFIX "&Signature=$", BELL_SIGNED_RESOURCE, "/HLS/c7/s1.ts"},
    {PREFIX, "/hls/c7/../c8/s1.ts?" PREFIX "&Signature=$", BELL_SIGNED_PATH, "/hls/c7/../c8/s1.ts"},
    {PREFIX, "/hls/c7/%2e%2e%2fc8?" PREFIX "&Signature=$", BELL_SIGNED_PATH, "/hls/c7/%2e%2e%2fc8"},
    {PREFIX, "/hls/c7/s1.ts?" PREFIX "&Signature=$&" E, BELL_SIGNED_MALFORMED, "/hls/c7/s1.ts"},
    {"https://cdn.school.example/hls/c7/s1.ts?" PREFIX, "/hls/c7/s1.ts?" PREFIX "&Signature=$", BELL_SIGNED_SIGNATURE, "/hls/c7/s1.ts"},
    {E "&URLPrefix=<" HOST "/>&KeyName=k1", "/a?" E "&URLPrefix=<" HOST "/>&KeyName=k1&Signature=$", BELL_SIGNED_MALFORMED, "/a"},
    {"URLPrefix=[" HOST "/a]&" E "&KeyName=k1", "/a?URLPrefix=[" HOST "/a]&" E "&KeyName=k1&Signature=$", BELL_SIGNED_OK, "/a"},
    {"URLPrefix=<" HOST "/ab>&" E "&KeyName=k1", "/ab?URLPrefix=[" HOST "/ab]%3D&" E "&KeyName=k1&Signature=!", BELL_SIGNED_OK, "/ab"},
    {"URLPrefix=<" HOST "/ab>&" E "&KeyName=k1", "/ab?URLPrefix=[" HOST "/ab]&" E "&KeyName=k1&Signature=$", BELL_SIGNED_SIGNATURE, "/ab"},
    {"URLPrefix=[" HOST "/a?x=1]&" E "&KeyName=k1", "/a?x=12&URLPrefix=[" HOST "/a?x=1]&" E "&KeyName=k1&Signature=$", BELL_SIGNED_OK, "/a?x=12"},
    {"URLPrefix=[" HOST "]&" E "&KeyName=k1", "/a?URLPrefix=[" HOST "]&" E "&KeyName=k1&Signature=$", BELL_SIGNED_OK, "/a"},
    {"URLPrefix=[HTTPS://CDN.School.example/]&" E "&KeyName=k1", "/a?URLPrefix=[HTTPS://CDN.School.example/]&" E "&KeyName=k1&Signature=$",
     BELL_SIGNED_OK, "/a"},
    {"URLPrefix=[https://cdn.school]&" E "&KeyName=k1", "/a?URLPrefix=[https://cdn.school]&" E "&KeyName=k1&Signature=$", BELL_SIGNED_RESOURCE, "/a"},
    {"URLPrefix=[https://]&" E "&KeyName=k1", "/a?URLPrefix=[https://]&" E "&KeyName=k1&Signature=$", BELL_SIGNED_RESOURCE, "/a"},
    {"URLPrefix=[/]&" E "&KeyName=k1", "/a?URLPrefix=[/]&" E "&KeyName=k1&Signature=$", BELL_SIGNED_RESOURCE, "/a"},
    {"URLPrefix=&" E "&KeyName=k1", "/a?URLPrefix=&" E "&KeyName=k1&Signature=$", BELL_SIGNED_RESOURCE, "/a"},
    {"URLPrefix=[" HOST ":8443/]&" E "&KeyName=k1", "/a?URLPrefix=[" HOST ":8443/]&" E "&KeyName=k1&Signature=$", BELL_SIGNED_RESOURCE, "/a"},
    {"URLPrefix=[" HOST ".evil.example/]&" E "&KeyName=k1", "/a?URLPrefix=[" HOST ".evil.example/]&" E "&KeyName=k1&Signature=$",
     BELL_SIGNED_RESOURCE, "/a"},
    {"URLPrefix=[http://cdn.school.example/]&" E "&KeyName=k1", "/a?URLPrefix=[http://cdn.school.example/]&" E "&KeyName=k1&Signature=$",
     BELL_SIGNED_RESOURCE, "/a"},
    {"URLPrefix=****&" E "&KeyName=k1", "/a?URLPrefix=****&" E "&KeyName=k1&Signature=$", BELL_SIGNED_MALFORMED, "/a"},
    {"URLPrefix=%00&" E "&KeyName=k1", "/a?URLPrefix=%00&" E "&KeyName=k1&Signature=$", BELL_SIGNED_MALFORMED, "/a"},
};

static void urls(void **state) {
    bell_signed_keys keys = {{google_secret("k2", BELL_SIGNED_HMAC_SHA1, OTHER), google_secret("k1", BELL_SIGNED_HMAC_SHA1, KEY),
                              google_secret("k9", BELL_SIGNED_HMAC_SHA256, KEY)},
                             3};

    (void)state;
    for (size_t i = 0; i < ROWS(url_rows); i++) {
        char text[600], target[800], left[300];
        unsigned char mac[EVP_MAX_MD_SIZE];
        bell_signed_result out;
        signed_case c;
        google_expand(url_rows[i].text, NULL, 0, text, sizeof(text));
        unsigned len = google_hmac(EVP_sha1(), KEY, text, mac);
        google_expand(url_rows[i].target, mac, len, target, sizeof(target));
        google_expand(url_rows[i].left, NULL, 0, left, sizeof(left));
        signed_case_init(&c);
        c.request.target = bell_str_of(target);
        bell_signed_reason r = check(&c, &keys, &out);
        if (r != url_rows[i].reason) {
            fail_msg("row %zu %s: %s", i, target, bell_signed_reason_name(r));
        }
        if (r != BELL_SIGNED_MISSING) {
            assert_row(bell_str_eq(out.target, bell_str_of(left)), target);
        }
        assert_row(out.expires_s == 0 || (r != BELL_SIGNED_SIGNATURE && r != BELL_SIGNED_KEY && r != BELL_SIGNED_MISSING), target);
    }
    signed_keys_free(&keys);
}

static void cookies(void **state) {
    static const struct {
        const char *text, *headers, *target;
        bell_signed_reason reason;
    } rows[] = {
        {COOKIE, "Cloud-CDN-Cookie=" COOKIE ":Signature=$", "/hls/c7/s1.ts", BELL_SIGNED_OK},
        {COOKIE, "a=b;Cloud-CDN-Cookie=" COOKIE ":Signature=^ ; c=d", "/hls/c7/s1.ts?x=1", BELL_SIGNED_OK},
        {COOKIE, "Cloud-CDN-Cookie=" COOKIE ":Signature=!", "/hls/c7/s1.ts", BELL_SIGNED_OK},
        {COOKIE, "Cloud-CDN-Cookie=" COOKIE ":Signature=$", "/hls/c7/s1.ts?Expires=1", BELL_SIGNED_OK},
        {COOKIE, "Cloud-CDN-Cookie=" COOKIE ":Signature=$", "/hls/c8/s1.ts", BELL_SIGNED_RESOURCE},
        {COOKIE, "Cloud-CDN-Cookie=" COOKIE ":Signature=$", "/hls/c7/..%2fs1.ts", BELL_SIGNED_PATH},
        {COOKIE, "cloud-cdn-cookie=" COOKIE ":Signature=$", "/hls/c7/s1.ts", BELL_SIGNED_MISSING},
        {COOKIE, "Cloud-CDN-Cookie=", "/hls/c7/s1.ts", BELL_SIGNED_MISSING},
        {COOKIE, "Cloud-CDN-Cookie=" COOKIE ":Signature=$:", "/hls/c7/s1.ts", BELL_SIGNED_MALFORMED},
        {COOKIE, "Cloud-CDN-Cookie=" COOKIE ":Signature=$:x=1", "/hls/c7/s1.ts", BELL_SIGNED_MALFORMED},
        {COOKIE, "Cloud-CDN-Cookie=" COOKIE, "/hls/c7/s1.ts", BELL_SIGNED_MALFORMED},
        {COOKIE, "Cloud-CDN-Cookie=" COOKIE ":Signature=$; Cloud-CDN-Cookie=", "/hls/c7/s1.ts", BELL_SIGNED_MALFORMED},
        {PREFIX, "Cloud-CDN-Cookie=" PREFIX "&Signature=$", "/hls/c7/s1.ts", BELL_SIGNED_MALFORMED},
        {PREFIX, "Cloud-CDN-Cookie=" COOKIE ":Signature=$", "/hls/c7/s1.ts", BELL_SIGNED_SIGNATURE},
        {E ":KeyName=k1", "Cloud-CDN-Cookie=" E ":KeyName=k1:Signature=$", "/hls/c7/s1.ts", BELL_SIGNED_MALFORMED},
        {COOKIE, "Cloud-CDN-Cookie=" COOKIE ":Signature=$", "/hls/c7/s1.ts?" PREFIX "&Signature=$", BELL_SIGNED_SIGNATURE},
        {COOKIE, "Cloud-CDN-Cookie=" COOKIE ":Signature=$", "/hls/c7/s1.ts?KeyName=k1&URLPrefix=x", BELL_SIGNED_OK},
    };
    bell_signed_keys keys = {{google_secret("k1", BELL_SIGNED_HMAC_SHA1, KEY)}, 1};

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        char text[600], cookie[800], target[800];
        unsigned char mac[EVP_MAX_MD_SIZE];
        bell_signed_result out;
        signed_case c;
        google_expand(rows[i].text, NULL, 0, text, sizeof(text));
        unsigned len = google_hmac(EVP_sha1(), KEY, text, mac);
        google_expand(rows[i].headers, mac, len, cookie, sizeof(cookie));
        google_expand(rows[i].target, mac, len, target, sizeof(target));
        json_t *headers = json_pack("{s:s}", "cookie", cookie);
        signed_case_init(&c);
        c.request.target = bell_str_of(target);
        c.headers = headers;
        bell_signed_reason r = check(&c, &keys, &out);
        if (r != rows[i].reason) {
            fail_msg("row %zu %s: %s", i, cookie, bell_signed_reason_name(r));
        }
        json_decref(headers);
    }
    signed_keys_free(&keys);
}

static void methods(void **state) {
    static const char *const taken[] = {"GET", "HEAD", "OPTIONS"}, *const refused[] = {"POST", "PUT", "DELETE", "get", ""};
    bell_signed_keys keys = {{google_secret("k1", BELL_SIGNED_HMAC_SHA1, KEY)}, 1};
    unsigned char mac[EVP_MAX_MD_SIZE];
    char target[300];
    bell_signed_result out;
    signed_case c;

    (void)state;
    unsigned len = google_hmac(EVP_sha1(), KEY, HOST "/a?" E "&KeyName=k1", mac);
    google_expand("/a?" E "&KeyName=k1&Signature=$", mac, len, target, sizeof(target));
    signed_case_init(&c);
    c.request.target = bell_str_of(target);
    for (size_t i = 0; i < ROWS(taken); i++) {
        c.request.method = bell_str_of(taken[i]);
        assert_int_equal(check(&c, &keys, &out), BELL_SIGNED_OK);
    }
    for (size_t i = 0; i < ROWS(refused); i++) {
        c.request.method = bell_str_of(refused[i]);
        assert_int_equal(check(&c, &keys, &out), BELL_SIGNED_METHOD);
    }
    signed_keys_free(&keys);
}

/* One key for as long as another: the name is of both, and of each in its time. */
static void keys_in_their_windows(void **state) {
    bell_signed_keys keys = {{google_secret("k1", BELL_SIGNED_HMAC_SHA1, OTHER), google_secret("k1", BELL_SIGNED_HMAC_SHA1, KEY)}, 2};
    unsigned char mac[EVP_MAX_MD_SIZE];
    char target[300];
    bell_signed_result out;
    signed_case c;

    (void)state;
    unsigned len = google_hmac(EVP_sha1(), KEY, HOST "/a?" E "&KeyName=k1", mac);
    google_expand("/a?" E "&KeyName=k1&Signature=$", mac, len, target, sizeof(target));
    signed_case_init(&c);
    c.request.target = bell_str_of(target);
    assert_int_equal(check(&c, &keys, &out), BELL_SIGNED_OK);
    keys.keys[1]->until_s = c.request.now_s;
    assert_int_equal(check(&c, &keys, &out), BELL_SIGNED_SIGNATURE);
    keys.keys[0]->from_s = c.request.now_s + 1;
    assert_int_equal(check(&c, &keys, &out), BELL_SIGNED_KEY);
    signed_keys_free(&keys);
}

/* ---- properties */

typedef struct {
    const char *text, *target, *cookie;
    size_t protected_bytes; /* from the start of the target; the rest but the token is free */
} valid_row;

static const valid_row valid[] = {
    {HOST "/v/a.mp4?x=1&" E "&KeyName=k1", "/v/a.mp4?x=1&" E "&KeyName=k1&Signature=$", NULL, 100},
    {HOST "/v/a.mp4?" E "&KeyName=k1", "/v/a.mp4?" E "&KeyName=k1&Signature=^", NULL, 100},
    {PREFIX, "/hls/c7/s1.ts?" PREFIX "&Signature=$", NULL, 8},
    {COOKIE, "/hls/c7/s1.ts", "Cloud-CDN-Cookie=" COOKIE ":Signature=$", 8},
};

/* base64url has one form each and the padding must be right: nothing but the last hexadecimal digit of "%3D" has two, and these have none. */
static void one_flipped_bit(void **state) {
    bell_signed_keys keys = {{google_secret("k1", BELL_SIGNED_HMAC_SHA1, KEY), google_secret("k2", BELL_SIGNED_HMAC_SHA1, OTHER)}, 2};
    uint64_t seed = 20261121;

    (void)state;
    for (unsigned i = 0; i < 10000; i++) {
        const valid_row *v = &valid[i % ROWS(valid)];
        char text[600], target[800], cookie[800] = "";
        unsigned char mac[EVP_MAX_MD_SIZE];
        bell_signed_result out;
        signed_case c;
        google_expand(v->text, NULL, 0, text, sizeof(text));
        unsigned len = google_hmac(EVP_sha1(), KEY, text, mac);
        google_expand(v->target, mac, len, target, sizeof(target));
        google_expand(v->cookie != NULL ? v->cookie : "", mac, len, cookie, sizeof(cookie));
        signed_case_init(&c);
        size_t target_len = strlen(target), token = v->cookie != NULL ? 17 : (size_t)(strchr(target, '?') - target) + 1;
        char *flipped = v->cookie != NULL ? cookie : target;
        size_t token_len = strlen(flipped) - token, before = v->protected_bytes < token || v->cookie != NULL ? v->protected_bytes : token;
        if (i >= ROWS(valid)) {
            size_t at = (size_t)(signed_random(&seed) % (before + token_len));
            char *p = at < before ? &target[at] : &flipped[token + at - before];
            *p = (char)(*p ^ (1 << (signed_random(&seed) % 8)));
        }
        c.request.target = (bell_str){target, target_len};
        json_t *headers = v->cookie != NULL ? json_object() : NULL;
        if (headers != NULL) {
            json_object_set_new(headers, "Cookie", json_stringn_nocheck(cookie, token + token_len));
            c.headers = headers;
        }
        bell_signed_reason r = check(&c, &keys, &out);
        if ((r == BELL_SIGNED_OK) != (i < ROWS(valid))) {
            fail_msg("mutation %u: %s %s: %s", i, target, cookie, bell_signed_reason_name(r));
        }
        json_decref(headers);
    }
    signed_keys_free(&keys);
}

static void little_room(void **state) {
    bell_signed_keys keys = {{google_secret("k1", BELL_SIGNED_HMAC_SHA1, KEY)}, 1};
    unsigned char mac[EVP_MAX_MD_SIZE];
    char text[600], target[800];

    (void)state;
    google_expand(PREFIX, NULL, 0, text, sizeof(text));
    unsigned len = google_hmac(EVP_sha1(), KEY, text, mac);
    google_expand("/hls/c7/s1.ts?x=1&" PREFIX "&Signature=$", mac, len, target, sizeof(target));
    for (size_t size = 0, was_ok = 0; size < 200 || !was_ok; size++) {
        assert_true(size < 300);
        char *memory = malloc(size + 1);
        bell_signed_room room = {memory, size};
        bell_signed_result out;
        signed_case c;
        signed_case_init(&c);
        c.request.target = bell_str_of(target);
        bell_signed_call call = {.request = &c.request, .keys = &keys, .room = &room};
        bell_signed_reason r = bell_google_cdn_check(&call, &plain, &out);
        assert_true(r == BELL_SIGNED_OK || (r == BELL_SIGNED_MALFORMED && !was_ok));
        google_check_target(r, &out);
        was_ok = r == BELL_SIGNED_OK;
        free(memory);
    }
    signed_keys_free(&keys);
}

static void too_long(void **state) {
    bell_signed_keys keys = {{google_secret("k1", BELL_SIGNED_HMAC_SHA1, KEY)}, 1};
    static const char *const heads[] = {"/a?" E "&KeyName=k1&Signature=", "/a?" E "&KeyName=", "/a?URLPrefix="};
    char *target = malloc(70000);
    bell_signed_result out;
    signed_case c;

    (void)state;
    for (size_t i = 0; i < ROWS(heads); i++) {
        memset(target, 'a', 70000);
        memcpy(target, heads[i], strlen(heads[i]));
        if (i > 0) {
            memcpy(target + 69000, i == 1 ? "&Signature=" : "&" E "&KeyName=k1&Signature=", i == 1 ? 11 : 41);
        }
        signed_case_init(&c);
        c.request.target = (bell_str){target, 70000};
        assert_int_equal(check(&c, &keys, &out), BELL_SIGNED_MALFORMED);
    }
    free(target);
    signed_keys_free(&keys);
}

/* ---- signing */

#define URL(scheme, host, path) ((bell_str[3]){BELL_STR(scheme), BELL_STR(host), BELL_STR(path)})

static void signs_what_google_published(void **state) {
    json_t *file = signed_vectors("google");
    bell_str want = bell_str_of(strstr(google_answer(file, "cloudcdn prefix 3"), "URLPrefix="));
    bell_signed_key *k = base64_key("my-key", "nZtRohdNF9m3cKM24IcK4w==");
    char out[400];

    (void)state;
    size_t len = bell_google_cdn_sign(k, URL("http", "www.example.com", "/some/"), 1549751401, out, sizeof(out));
    assert_true(bell_str_eq((bell_str){out, len}, want));
    bell_signed_key_free(k);
    json_decref(file);
}

static void signed_is_let_in(void **state) {
    bell_signed_keys keys = {{google_secret("k1", BELL_SIGNED_HMAC_SHA1, KEY)}, 1};
    static const char *const targets[] = {"/hls/c7/s1.ts?", "/hls/c7/720/s1.ts?a=b&", "/hls/c7/?"};
    char token[400], target[600];
    bell_signed_result out;
    signed_case c;

    (void)state;
    size_t len = bell_google_cdn_sign(keys.keys[0], URL("https", "cdn.school.example", "/hls/c7/"), 1800000600, token, sizeof(token));
    assert_true(len > 0);
    for (size_t i = 0; i < ROWS(targets); i++) {
        snprintf(target, sizeof(target), "%s%.*s", targets[i], (int)len, token);
        signed_case_init(&c);
        c.request.target = bell_str_of(target);
        assert_int_equal(check(&c, &keys, &out), BELL_SIGNED_OK);
        assert_int_equal(out.expires_s, 1800000600);
    }
    snprintf(target, sizeof(target), "/hls/c8/s1.ts?%.*s", (int)len, token);
    c.request.target = bell_str_of(target);
    assert_int_equal(check(&c, &keys, &out), BELL_SIGNED_RESOURCE);
    signed_keys_free(&keys);
}

/* In every size of room: whole or not at all, and not a byte behind it. */
static void signs_in_any_room(void **state) {
    bell_signed_key *k = google_secret("k1", BELL_SIGNED_HMAC_SHA1, KEY), *other = google_secret("K", BELL_SIGNED_HMAC_SHA1, KEY),
                    *sha256 = google_secret("k1", BELL_SIGNED_HMAC_SHA256, KEY);
    char whole[400];
    size_t fits = 0, len = bell_google_cdn_sign(k, URL("https", "h", "/a/"), 1, whole, sizeof(whole));

    (void)state;
    assert_true(len > 0);
    for (size_t size = 0; size < 300; size++) {
        char *out = malloc(size + 1);
        size_t n = bell_google_cdn_sign(k, URL("https", "h", "/a/"), 1, out, size);
        assert_true(n == 0 || (n == len && n <= size && memcmp(out, whole, n) == 0));
        fits += n > 0;
        free(out);
    }
    assert_true(fits > 0);
    assert_int_equal(bell_google_cdn_sign(k, URL("https", "h", "/a/"), 0, whole, sizeof(whole)), 0);
    assert_int_equal(bell_google_cdn_sign(k, URL("https", "h", "/a/"), 10000000000, whole, sizeof(whole)), 0);
    assert_int_equal(bell_google_cdn_sign(other, URL("https", "h", "/a/"), 1, whole, sizeof(whole)), 0);
    assert_int_equal(bell_google_cdn_sign(sha256, URL("https", "h", "/a/"), 1, whole, sizeof(whole)), 0);
    bell_signed_key_free(k);
    bell_signed_key_free(other);
    bell_signed_key_free(sha256);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors),
        cmocka_unit_test(known_answers),
        cmocka_unit_test(urls),
        cmocka_unit_test(cookies),
        cmocka_unit_test(methods),
        cmocka_unit_test(keys_in_their_windows),
        cmocka_unit_test(one_flipped_bit),
        cmocka_unit_test(little_room),
        cmocka_unit_test(too_long),
        cmocka_unit_test(signs_what_google_published),
        cmocka_unit_test(signed_is_let_in),
        cmocka_unit_test(signs_in_any_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
