#include "bell_media_cdn.h"
#include "google.h"

#include <stdlib.h>

#define SEED   "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define SECOND "6465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f80818283"
#define OTHER  "0707070707070707070707070707070707070707070707070707070707070707"
#define SECRET "83f4a53082e22162aab02e99d8bee0cb4b117833aab52ac9ac4ec25cdaf9365f"
#define HOST   "https://cdn.school.example"
#define E      "Expires=1800000600"

static const bell_media_cdn_options plain = {.cookie = {NULL, 0}};

static bell_signed_reason check(signed_case *c, const bell_media_cdn_options *o, const bell_signed_keys *keys, bell_signed_result *out) {
    bell_signed_call call = signed_call(c, keys);
    bell_signed_reason r = bell_media_cdn_check(&call, o, out);

    google_check_target(r, out);
    return r;
}

static bell_signed_keys key_set(void) {
    return (bell_signed_keys){{google_public("ks1", OTHER), google_public("ks1", SEED), google_public("ks2", SECOND),
                               google_secret("ks3", BELL_SIGNED_HMAC_SHA256, SECRET)},
                              4};
}

/* ---- the vectors and what Google published */

static void vectors(void **state) {
    json_t *file = signed_vectors("google"), *v;
    bell_signed_keys keys = {{google_public("ks1", SEED), google_public("ks1", SECOND)}, 2};
    bell_signed_keys dual = {
        {google_public("", SEED), google_secret("", BELL_SIGNED_HMAC_SHA1, SECRET), google_secret("", BELL_SIGNED_HMAC_SHA256, SECRET)}, 3};
    bell_media_cdn_options o = plain;
    size_t i, tried = 0;

    (void)state;
    json_array_foreach(json_object_get(file, "vectors"), i, v) {
        bool is_dual = bell_str_eq(signed_text(v, "mode"), BELL_STR("mediacdn-dual"));
        bell_signed_result out;
        signed_case c;
        if (!is_dual && !bell_str_eq(signed_text(v, "mode"), BELL_STR("mediacdn"))) {
            continue;
        }
        o.token_param = is_dual ? BELL_STR("hdnts") : BELL_STR_NULL;
        signed_case_of(v, &c);
        signed_expect(v, check(&c, &o, is_dual ? &dual : &keys, &out));
        tried++;
    }
    assert_true(tried >= 27);
    signed_keys_free(&keys);
    signed_keys_free(&dual);
    json_decref(file);
}

/* A URL into the request's parts. */
static void ask_for(signed_case *c, bell_str url) {
    c->request.scheme = bell_str_cut(&url, ':');
    url = (bell_str){url.p + 2, url.len - 2};
    c->request.target = url;
    c->request.host = bell_str_cut(&c->request.target, '/');
    c->request.target = (bell_str){c->request.target.p - 1, c->request.target.len + 1};
}

#define MY_KEY      "071c175cd8de19aa16aa3afb1871329912643f849a382d767531a2c64ed8afc2"
#define GOOGLE_SEED "0c951c9cb82e5452a6542167586b9b1b531983b7d6027c5a70c8ca0e15593062"

static const struct {
    const char *name, *url; /* what the answer is for; NULL: it is a URL itself */
    bool is_token;
    int64_t expires_s;
} answers[] = {
    {"mediacdn url 2", NULL, false, 1650848400},
    {"mediacdn cookie 2", "http://www.example.com/foo/bar.ts", false, 1650848400},
    {"path component", NULL, false, 1663070400},
    {"dual ed25519 prefix", "http://10.20.30.40/a/b.ts", true, 1663070400},
    {"dual ed25519 FullPath", "https://any.example/example.m3u8", true, 1663070400},
    {"dual sha256 glob", "https://any.example/a/b", true, 1663070400},
    {"dual sha1 all", "https://any.example/a/b", true, 1663070400},
};

static void known_answers(void **state) {
    json_t *file = signed_vectors("google");
    bell_signed_keys keys = {{google_public("my-key", MY_KEY), google_public("test-key", SECRET), google_public("short", GOOGLE_SEED),
                              google_secret("sha1", BELL_SIGNED_HMAC_SHA1, SECRET), google_secret("sha256", BELL_SIGNED_HMAC_SHA256, SECRET)},
                             5};

    (void)state;
    for (size_t i = 0; i < ROWS(answers); i++) {
        const char *answer = google_answer(file, answers[i].name);
        bell_media_cdn_options o = plain;
        char url[600];
        bell_signed_result out;
        signed_case c;
        json_t *headers = json_pack("{s:s, s:s}", "foo", "bar", "baz", "quux");
        snprintf(url, sizeof(url), "%s%s%s", answers[i].url != NULL ? answers[i].url : answer, answers[i].is_token ? "?edge-cache-token=" : "",
                 answers[i].is_token ? answer : "");
        if (answers[i].url != NULL && !answers[i].is_token) {
            json_object_set_new(headers, "Cookie", json_string(answer));
        }
        signed_case_init(&c);
        ask_for(&c, bell_str_of(url));
        assert_true(bell_address_parse(BELL_STR("203.0.113.77"), &c.request.client));
        c.headers = headers;
        o.token_param = BELL_STR("edge-cache-token");
        c.request.now_s = answers[i].expires_s - 1;
        bell_signed_reason r = check(&c, &o, &keys, &out);
        if (r != BELL_SIGNED_OK) {
            fail_msg("%s: %s", answers[i].name, bell_signed_reason_name(r));
        }
        assert_row(out.expires_s == answers[i].expires_s, answers[i].name);
        c.request.now_s++;
        assert_row(check(&c, &o, &keys, &out) == BELL_SIGNED_EXPIRED, answers[i].name);
        json_decref(headers);
    }
    signed_keys_free(&keys);
    json_decref(file);
}

/* ---- shapes */

#define PREFIX    "URLPrefix=<https://cdn.school.example/hls/c7/>&" E "&KeyName=ks1"
#define COOKIE    "URLPrefix=[https://cdn.school.example/hls/c7/]:" E ":KeyName=ks1"
#define COMPONENT "/hls/c7/edge-cache-token=" E "&KeyName=ks1"
#define NEAR      "IPRanges=[192.0.2.0/24]"
#define FAR       "IPRanges=[198.51.100.0/24,2001:db8::/32]"

typedef struct {
    const char *text;   /* what is signed; marks as of google_expand() */
    const char *target; /* with the signature */
    const char *cookie; /* NULL: none */
    bell_signed_reason reason;
    const char *left; /* of the target */
} row;

static const row rows[] = {
    {HOST "/v/a.mp4?" E "&KeyName=ks1", "/v/a.mp4?" E "&KeyName=ks1&Signature=$", NULL, BELL_SIGNED_OK, "/v/a.mp4"},
    {HOST "/v/a.mp4?" E "&KeyName=ks1", "/v/a.mp4?" E "&KeyName=ks1&Signature=^", NULL, BELL_SIGNED_OK, "/v/a.mp4"},
    {HOST "/v/a.mp4?" E "&KeyName=ks1", "/v/a.mp4?" E "&KeyName=ks1&Signature=!", NULL, BELL_SIGNED_OK, "/v/a.mp4"},
    {HOST "/v/a.mp4?x&" E "&KeyName=ks1&" NEAR, "/v/a.mp4?x&" E "&KeyName=ks1&" NEAR "&Signature=$", NULL, BELL_SIGNED_OK, "/v/a.mp4?x"},
    {HOST "/v/a.mp4?x&" E "&KeyName=ks1&" FAR, "/v/a.mp4?x&" E "&KeyName=ks1&" FAR "&Signature=$", NULL, BELL_SIGNED_ADDRESS, "/v/a.mp4?x"},
    {HOST "/v/a.mp4?" E "&KeyName=ks1&" NEAR, "/v/a.mp4?" E "&KeyName=ks1&Signature=$", NULL, BELL_SIGNED_SIGNATURE, "/v/a.mp4"},
    {HOST "/v/a.mp4?" NEAR "&" E "&KeyName=ks1", "/v/a.mp4?" NEAR "&" E "&KeyName=ks1&Signature=$", NULL, BELL_SIGNED_MALFORMED, "/v/a.mp4"},
    {HOST "/v/a.mp4?" E "&KeyName=ks2", "/v/a.mp4?" E "&KeyName=ks2&Signature=$", NULL, BELL_SIGNED_SIGNATURE, "/v/a.mp4"},
    {HOST "/v/a.mp4?" E "&KeyName=ks3", "/v/a.mp4?" E "&KeyName=ks3&Signature=$", NULL, BELL_SIGNED_KEY, "/v/a.mp4"},
    {HOST "/v/a.mp4?" E "&KeyName=ks9", "/v/a.mp4?" E "&KeyName=ks9&Signature=$", NULL, BELL_SIGNED_KEY, "/v/a.mp4"},
    {HOST "/v/a.mp4?" E "&KeyName=k/s", "/v/a.mp4?" E "&KeyName=k/s&Signature=$", NULL, BELL_SIGNED_MALFORMED, "/v/a.mp4"},
    {HOST "/v/a.mp4?" E "&KeyName=ks1", "/v/b.mp4?" E "&KeyName=ks1&Signature=$", NULL, BELL_SIGNED_SIGNATURE, "/v/b.mp4"},
    {HOST "/v/a.mp4?" E "&KeyName=ks1", "/v/a.mp4?" E "&KeyName=ks1&Signature=$&x", NULL, BELL_SIGNED_MALFORMED, "/v/a.mp4?x"},
    {HOST "/v/a.mp4?" E "&KeyName=ks1", "/v/a.mp4?" E "&KeyName=ks1&Signature=AAAA", NULL, BELL_SIGNED_MALFORMED, "/v/a.mp4"},
    {HOST "/v/a.mp4?" E "&KeyName=ks1", "/v/a.mp4?" E "&KeyName=ks1&Signature=HN1b7aHL48ateGg-ldfZLD62qZI=", NULL, BELL_SIGNED_MISSING, ""},
    {HOST "/v/../a.mp4?" E "&KeyName=ks1", "/v/../a.mp4?" E "&KeyName=ks1&Signature=$", NULL, BELL_SIGNED_PATH, "/v/../a.mp4"},
    {HOST "/a?Expires=1800000000&KeyName=ks1", "/a?Expires=1800000000&KeyName=ks1&Signature=$", NULL, BELL_SIGNED_EXPIRED, "/a"},

    {PREFIX, "/hls/c7/s1.ts?x=1&" PREFIX "&Signature=^&y=2", NULL, BELL_SIGNED_OK, "/hls/c7/s1.ts?x=1&y=2"},
    {PREFIX "&" NEAR, "/hls/c7/s1.ts?" PREFIX "&" NEAR "&Signature=$", NULL, BELL_SIGNED_OK, "/hls/c7/s1.ts"},
    {PREFIX, "/hls/c8/s1.ts?" PREFIX "&Signature=$", NULL, BELL_SIGNED_RESOURCE, "/hls/c8/s1.ts"},
    {"URLPrefix=<" HOST "/ab>&" E "&KeyName=ks1", "/ab?URLPrefix=[" HOST "/ab]%3D&" E "&KeyName=ks1&Signature=!", NULL, BELL_SIGNED_OK, "/ab"},

    {COOKIE, "/hls/c7/s1.ts?x=1", COOKIE ":Signature=$", BELL_SIGNED_OK, "/hls/c7/s1.ts?x=1"},
    {COOKIE ":" NEAR, "/hls/c7/s1.ts", COOKIE ":" NEAR ":Signature=^", BELL_SIGNED_OK, "/hls/c7/s1.ts"},
    {COOKIE ":" FAR, "/hls/c7/s1.ts", COOKIE ":" FAR ":Signature=^", BELL_SIGNED_ADDRESS, "/hls/c7/s1.ts"},
    {COOKIE, "/hls/c8/s1.ts", COOKIE ":Signature=$", BELL_SIGNED_RESOURCE, "/hls/c8/s1.ts"},
    {COOKIE, "/hls/c7/s1.ts", COOKIE ":Signature=$:", BELL_SIGNED_MALFORMED, "/hls/c7/s1.ts"},
    {COOKIE, "/hls/c7/s1.ts", COOKIE ":Signature=$; Edge-Cache-Cookie=x", BELL_SIGNED_MALFORMED, "/hls/c7/s1.ts"},
    {COOKIE, "/hls/c7/s1.ts", "", BELL_SIGNED_MISSING, ""},
    {E ":KeyName=ks1", "/hls/c7/s1.ts", E ":KeyName=ks1:Signature=$", BELL_SIGNED_MALFORMED, "/hls/c7/s1.ts"},
    {COOKIE, "/hls/c7/s1.ts?KeyName=ks1", COOKIE ":Signature=$", BELL_SIGNED_OK, "/hls/c7/s1.ts?KeyName=ks1"},
    {COOKIE, "/hls/c7/s1.ts?" PREFIX "&Signature=$", COOKIE ":Signature=$", BELL_SIGNED_SIGNATURE, "/hls/c7/s1.ts"},
    {"URLPrefix=[" HOST "/]~" E, "/a", "URLPrefix=[" HOST "/]~" E "~Signature=$", BELL_SIGNED_MALFORMED, "/a"},

    {HOST COMPONENT, COMPONENT "&Signature=$/s1.ts", NULL, BELL_SIGNED_OK, "/hls/c7/s1.ts"},
    {HOST COMPONENT, COMPONENT "&Signature=^/720p/s1.ts?x=1", NULL, BELL_SIGNED_OK, "/hls/c7/720p/s1.ts?x=1"},
    {HOST COMPONENT, COMPONENT "&Signature=!/", NULL, BELL_SIGNED_OK, "/hls/c7/"},
    {HOST COMPONENT "&" NEAR, COMPONENT "&" NEAR "&Signature=^/s1.ts", NULL, BELL_SIGNED_OK, "/hls/c7/s1.ts"},
    {HOST COMPONENT "&" FAR, COMPONENT "&" FAR "&Signature=^/s1.ts", NULL, BELL_SIGNED_ADDRESS, "/hls/c7/s1.ts"},
    {HOST COMPONENT, COMPONENT "&Signature=^", NULL, BELL_SIGNED_MALFORMED, "/hls/c7/"},
    {HOST COMPONENT, COMPONENT "&Signature=^?x=1", NULL, BELL_SIGNED_MALFORMED, "/hls/c7/?x=1"},
    {HOST COMPONENT, COMPONENT "&Signature=^&x=1/s1.ts", NULL, BELL_SIGNED_MALFORMED, "/hls/c7/s1.ts"},
    {HOST COMPONENT, COMPONENT "/s1.ts", NULL, BELL_SIGNED_MALFORMED, "/hls/c7/s1.ts"},
    {HOST COMPONENT, "/hls/c7/edge-cache-token=/s1.ts", NULL, BELL_SIGNED_MALFORMED, "/hls/c7/s1.ts"},
    {HOST COMPONENT, COMPONENT "&Signature=^/../s1.ts", NULL, BELL_SIGNED_PATH, "/hls/c7/../s1.ts"},
    {HOST COMPONENT, COMPONENT "&Signature=^/%2e%2e/s1.ts", NULL, BELL_SIGNED_PATH, "/hls/c7/%2e%2e/s1.ts"},
    {HOST COMPONENT, COMPONENT "&Signature=^/a/edge-cache-token=x/s1.ts", NULL, BELL_SIGNED_MALFORMED, "/hls/c7/a/s1.ts"},
    {HOST COMPONENT, COMPONENT "&Signature=^/s1.ts?" PREFIX "&Signature=^", NULL, BELL_SIGNED_MALFORMED, "/hls/c7/s1.ts"},
    {HOST COMPONENT, COMPONENT "&Signature=^/s1.ts", COOKIE ":Signature=^", BELL_SIGNED_OK, "/hls/c7/s1.ts"},
    {HOST COMPONENT, "/x" COMPONENT "&Signature=^/s1.ts", COOKIE ":Signature=^", BELL_SIGNED_SIGNATURE, "/x/hls/c7/s1.ts"},
    {HOST "/edge-cache-token=" E "&KeyName=ks1", "/edge-cache-token=" E "&KeyName=ks1&Signature=^/s1.ts", NULL, BELL_SIGNED_OK, "/s1.ts"},
    {HOST "/edge-cache-token=" E "&KeyName=ks1", "/edge-cache-token=" E "&KeyName=ks1&Signature=^//s1.ts", NULL, BELL_SIGNED_OK, "//s1.ts"},
    {HOST "/hls/edge-cache-token=" PREFIX, "/hls/edge-cache-token=" PREFIX "&Signature=^/s1.ts", NULL, BELL_SIGNED_MALFORMED, "/hls/s1.ts"},
    {HOST "/a/../edge-cache-token=" E "&KeyName=ks1", "/a/../edge-cache-token=" E "&KeyName=ks1&Signature=^/b", NULL, BELL_SIGNED_PATH, "/a/../b"},
    {HOST COMPONENT, "/hls/c7/edge%2Dcache-token=" E "&KeyName=ks1&Signature=^/s1.ts", NULL, BELL_SIGNED_MISSING, ""},
    {HOST COMPONENT, "/hls/c7/Edge-Cache-Token=" E "&KeyName=ks1&Signature=^/s1.ts", NULL, BELL_SIGNED_MISSING, ""},
    {HOST COMPONENT, "/hls/c7/xedge-cache-token=" E "&KeyName=ks1&Signature=^/s1.ts", NULL, BELL_SIGNED_MISSING, ""},
    {HOST COMPONENT, "/hls/c7/s1.ts?p=/edge-cache-token=" E, NULL, BELL_SIGNED_MISSING, ""},
    {HOST "/a", "/a?hdnts=FullPath~" E "~Signature=$", NULL, BELL_SIGNED_MISSING, ""},
    {HOST "/a", "/a", NULL, BELL_SIGNED_MISSING, ""},
};

static void carriers(void **state) {
    bell_signed_keys keys = key_set();

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        char text[600], target[1000], cookie[800], left[300];
        unsigned char signature[64];
        bell_signed_result out;
        signed_case c;
        google_expand(rows[i].text, NULL, 0, text, sizeof(text));
        google_ed25519(SEED, text, signature);
        google_expand(rows[i].target, signature, 64, target, sizeof(target));
        google_expand(rows[i].left, NULL, 0, left, sizeof(left));
        strcpy(cookie, "Edge-Cache-Cookie=");
        google_expand(rows[i].cookie != NULL ? rows[i].cookie : "", signature, 64, cookie + 18, sizeof(cookie) - 18);
        json_t *headers = json_pack("{s:s}", "Cookie", cookie);
        signed_case_init(&c);
        c.request.target = bell_str_of(target);
        c.headers = headers;
        bell_signed_call call = signed_call(&c, &keys);
        bell_signed_reason r = bell_media_cdn_check(&call, &plain, &out);
        if (r != rows[i].reason) {
            fail_msg("row %zu %s: %s", i, target, bell_signed_reason_name(r));
        }
        if (r != BELL_SIGNED_MISSING) {
            assert_row(bell_str_eq(out.target, bell_str_of(left)), target);
            assert_row(out.token.len > 0 || google_holds(c.request.target, "token=/"), target);
        }
        json_decref(headers);
    }
    signed_keys_free(&keys);
}

/* The keys of a set are tried, but not without end. */
static unsigned asked;

static bool count(void *data, const bell_signed_key *key, bell_signed_alg alg, bell_str bytes, bell_str signature, bell_str spelled) {
    (void)spelled;
    (void)data;
    asked++;
    assert_true(alg == BELL_SIGNED_ED25519 && signature.len == 64);
    return bell_signed_key_verify(key, alg, bytes, signature);
}

static void tries(void **state) {
    bell_signed_keys keys = {.nkeys = 0};
    unsigned char signature[64];
    char target[300];
    bell_signed_result out;
    signed_case c;

    (void)state;
    while (keys.nkeys < 7) {
        keys.keys[keys.nkeys++] = google_public("ks1", OTHER);
    }
    keys.keys[keys.nkeys++] = google_public("ks1", SEED);
    google_ed25519(SEED, HOST "/a?" E "&KeyName=ks1", signature);
    google_expand("/a?" E "&KeyName=ks1&Signature=$", signature, 64, target, sizeof(target));
    signed_case_init(&c);
    c.request.target = bell_str_of(target);
    for (size_t ended = 0; ended <= 7; ended++) {
        bell_signed_call call = signed_call(&c, &keys);
        call.verifier.verify = count;
        asked = 0;
        bell_signed_reason r = bell_media_cdn_check(&call, &plain, &out);
        assert_int_equal(r, 8 - ended <= BELL_MEDIA_CDN_TRIES ? BELL_SIGNED_OK : BELL_SIGNED_SIGNATURE);
        assert_true(asked <= BELL_MEDIA_CDN_TRIES && asked > 0);
        if (ended < 7) {
            keys.keys[ended]->until_s = c.request.now_s;
        }
    }
    signed_keys_free(&keys);
}

/* ---- properties */

static const struct {
    const char *text, *target, *cookie;
    size_t protected_bytes; /* from the start of the target */
    const char *token;      /* its first bytes, in the target or the cookie; all up to `end` is it */
    const char *end;
} valid[] = {
    {HOST "/v/a.mp4?x=1&" E "&KeyName=ks1", "/v/a.mp4?x=1&" E "&KeyName=ks1&Signature=$", NULL, 13, "Expires", ""},
    {PREFIX "&" NEAR, "/hls/c7/s1.ts?" PREFIX "&" NEAR "&Signature=^", NULL, 8, "URLPrefix", ""},
    {COOKIE, "/hls/c7/s1.ts", "Edge-Cache-Cookie=" COOKIE ":Signature=$", 8, "URLPrefix", ""},
    {HOST COMPONENT, COMPONENT "&Signature=$/s1.ts", NULL, 8, "edge-cache-token", "/s1.ts"},
};

/* There is no exception: one form of base64url, padding that is right. */
static void one_flipped_bit(void **state) {
    bell_signed_keys keys = {{google_public("ks1", SEED)}, 1};
    uint64_t seed = 20261121;

    (void)state;
    for (unsigned i = 0; i < 10000; i++) {
        size_t k = i % ROWS(valid);
        char text[600], target[1000], cookie[800] = "";
        unsigned char signature[64];
        bell_signed_result out;
        signed_case c;
        google_expand(valid[k].text, NULL, 0, text, sizeof(text));
        google_ed25519(SEED, text, signature);
        google_expand(valid[k].target, signature, 64, target, sizeof(target));
        google_expand(valid[k].cookie != NULL ? valid[k].cookie : "", signature, 64, cookie, sizeof(cookie));
        char *flipped = valid[k].cookie != NULL ? cookie : target, *token = strstr(flipped, valid[k].token);
        size_t target_len = strlen(target), cookie_len = strlen(cookie), token_len = strlen(token) - strlen(valid[k].end);
        if (i >= ROWS(valid)) {
            size_t at = (size_t)(signed_random(&seed) % (valid[k].protected_bytes + token_len));
            char *p = at < valid[k].protected_bytes ? &target[at] : &token[at - valid[k].protected_bytes];
            *p = (char)(*p ^ (1 << (signed_random(&seed) % 8)));
        }
        json_t *headers = json_object();
        json_object_set_new(headers, "Cookie", json_stringn_nocheck(cookie, cookie_len));
        signed_case_init(&c);
        c.request.target = (bell_str){target, target_len};
        c.headers = headers;
        bell_signed_call call = signed_call(&c, &keys);
        bell_signed_reason r = bell_media_cdn_check(&call, &plain, &out);
        if ((r == BELL_SIGNED_OK) != (i < ROWS(valid))) {
            fail_msg("mutation %u: %s %s: %s", i, target, cookie, bell_signed_reason_name(r));
        }
        json_decref(headers);
    }
    signed_keys_free(&keys);
}

static void little_room(void **state) {
    static const char *const targets[] = {"/v/a.mp4?x=1&" E "&KeyName=ks1&Signature=$", COMPONENT "&Signature=$/s1.ts?x=1"}, *const texts[] = {
                                                                                                                                 HOST
                                                                                                                                 "/v/a.mp4?x=1&" E
                                                                                                                                 "&KeyName=ks1",
                                                                                                                                 HOST COMPONENT};
    bell_signed_keys keys = {{google_public("ks1", SEED)}, 1};

    (void)state;
    for (size_t i = 0; i < ROWS(targets); i++) {
        unsigned char signature[64];
        char target[600];
        google_ed25519(SEED, texts[i], signature);
        google_expand(targets[i], signature, 64, target, sizeof(target));
        for (size_t size = 0, was_ok = 0; size < 200 || !was_ok; size++) {
            assert_true(size < 600);
            char *memory = malloc(size + 1);
            bell_signed_room room = {memory, size};
            bell_signed_result out;
            signed_case c;
            signed_case_init(&c);
            c.request.target = bell_str_of(target);
            bell_signed_call call = {.request = &c.request, .keys = &keys, .room = &room};
            bell_signed_reason r = bell_media_cdn_check(&call, &plain, &out);
            assert_true(r == BELL_SIGNED_OK || (r == BELL_SIGNED_MALFORMED && !was_ok));
            google_check_target(r, &out);
            was_ok = r == BELL_SIGNED_OK;
            free(memory);
        }
    }
    signed_keys_free(&keys);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors), cmocka_unit_test(known_answers),   cmocka_unit_test(carriers),
        cmocka_unit_test(tries),   cmocka_unit_test(one_flipped_bit), cmocka_unit_test(little_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
