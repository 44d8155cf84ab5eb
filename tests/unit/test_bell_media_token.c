#include "bell_media_token.h"
#include "google.h"

#include <ctype.h>
#include <stdlib.h>

#define SEED   "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define OTHER  "0707070707070707070707070707070707070707070707070707070707070707"
#define SECRET "83f4a53082e22162aab02e99d8bee0cb4b117833aab52ac9ac4ec25cdaf9365f"
#define HOST   "https://cdn.school.example"
#define E      "Expires=1800000600"

static const bell_media_cdn_options plain = {.token_param = {"hdnts", 5}};

static bell_signed_keys all_keys(void) {
    return (bell_signed_keys){{google_public("other", OTHER), google_public("long", SEED), google_secret("other", BELL_SIGNED_HMAC_SHA256, OTHER),
                               google_secret("short", BELL_SIGNED_HMAC_SHA256, SECRET), google_secret("old", BELL_SIGNED_HMAC_SHA1, SECRET)},
                              5};
}

/* CARRIED with a signature over SIGNED, which may be another text; marks as of google_expand(). */
static void make_token(bell_signed_alg alg, const char *text, const char *carried, char *out, size_t size) {
    char expanded[1200];
    unsigned char signature[EVP_MAX_MD_SIZE];

    google_expand(text, NULL, 0, expanded, sizeof(expanded));
    google_expand(carried, NULL, 0, out, size);
    size_t n = strlen(out);
    if (alg == BELL_SIGNED_ED25519) {
        google_ed25519(SEED, expanded, signature);
        n += (size_t)snprintf(out + n, size - n, "~Signature=");
        google_base64(signature, 64, false, out + n);
        return;
    }
    unsigned len = google_hmac(alg == BELL_SIGNED_HMAC_SHA1 ? EVP_sha1() : EVP_sha256(), SECRET, expanded, signature);
    n += (size_t)snprintf(out + n, size - n, "~hmac=");
    for (unsigned i = 0; i < len; i++) {
        n += (size_t)snprintf(out + n, size - n, "%02x", signature[i]);
    }
    assert_true(n < size);
}

static bell_signed_reason check(signed_case *c, const bell_media_cdn_options *o, const bell_signed_keys *keys, bell_signed_result *out) {
    bell_signed_call call = signed_call(c, keys);
    bell_signed_reason r = bell_media_cdn_check(&call, o, out);

    google_check_target(r, out);
    return r;
}

/* ---- fields */

typedef struct {
    const char *text;    /* what is signed */
    const char *carried; /* NULL: the same */
    const char *headers; /* JSON, or NULL */
    bell_signed_reason reason;
    const char *subject, *data;
} row;

static const row rows[] = {
    /* what it is for */
    {"URLPrefix=[" HOST "/hls/c7/]~" E, NULL, NULL, BELL_SIGNED_OK, "", ""},
    {"URLPrefix=<" HOST "/hls/c7/>~" E, NULL, NULL, BELL_SIGNED_OK, "", ""},
    {E "~URLPrefix=[" HOST "/hls/c7/]", NULL, NULL, BELL_SIGNED_OK, "", ""},
    {"URLPrefix=[" HOST "/hls/c8/]~" E, NULL, NULL, BELL_SIGNED_RESOURCE, "", ""},
    {"URLPrefix=[http://cdn.school.example/hls/]~" E, NULL, NULL, BELL_SIGNED_RESOURCE, "", ""},
    {"URLPrefix=[https://]~" E, NULL, NULL, BELL_SIGNED_RESOURCE, "", ""},
    {"URLPrefix=~" E, NULL, NULL, BELL_SIGNED_RESOURCE, "", ""},
    {"URLPrefix=*~" E, NULL, NULL, BELL_SIGNED_MALFORMED, "", ""},
    {"URLPrefix=[" HOST "/hls/c7/a.m3u8?x=1]~" E, NULL, NULL, BELL_SIGNED_OK, "", ""},
    {"FullPath=/hls/c7/a.m3u8~" E, "FullPath~" E, NULL, BELL_SIGNED_OK, "", ""},
    {E "~FullPath=/hls/c7/a.m3u8", E "~FullPath", NULL, BELL_SIGNED_OK, "", ""},
    {"FullPath=/hls/c7/a.m3u8?x=1~" E, "FullPath~" E, NULL, BELL_SIGNED_SIGNATURE, "", ""},
    {"FullPath=/hls/c7/b.m3u8~" E, "FullPath~" E, NULL, BELL_SIGNED_SIGNATURE, "", ""},
    {"FullPath~" E, NULL, NULL, BELL_SIGNED_SIGNATURE, "", ""},
    {"FullPath=/hls/c7/a.m3u8~" E, NULL, NULL, BELL_SIGNED_MALFORMED, "", ""},
    {"PathGlobs=/hls/*~" E, NULL, NULL, BELL_SIGNED_OK, "", ""},
    {"PathGlobs=/tv/*,/hls/c?/*~" E, NULL, NULL, BELL_SIGNED_OK, "", ""},
    {"PathGlobs=/tv/*!/hls/c7/a.m3u8~" E, NULL, NULL, BELL_SIGNED_OK, "", ""},
    {"PathGlobs=*.m3u8~" E, NULL, NULL, BELL_SIGNED_OK, "", ""},
    {"PathGlobs=/hls/c7/a.m3u~" E, NULL, NULL, BELL_SIGNED_RESOURCE, "", ""},
    {"PathGlobs=/tv/*,!,~" E, NULL, NULL, BELL_SIGNED_RESOURCE, "", ""},
    {"PathGlobs=~" E, NULL, NULL, BELL_SIGNED_RESOURCE, "", ""},
    {"PathGlobs=/*?x=1~" E, NULL, NULL, BELL_SIGNED_RESOURCE, "", ""},
    {"PathGlobs~" E, NULL, NULL, BELL_SIGNED_MALFORMED, "", ""},
    {"PathGlobs=/*~PathGlobs=/*~" E, NULL, NULL, BELL_SIGNED_MALFORMED, "", ""},
    {"PathGlobs=/*~URLPrefix=[" HOST "/]~" E, NULL, NULL, BELL_SIGNED_MALFORMED, "", ""},
    {"FullPath=/hls/c7/a.m3u8~PathGlobs=/tv/*~" E, "FullPath~PathGlobs=/tv/*~" E, NULL, BELL_SIGNED_MALFORMED, "", ""},
    {E, NULL, NULL, BELL_SIGNED_MALFORMED, "", ""},
    /* times */
    {"PathGlobs=/*", NULL, NULL, BELL_SIGNED_MALFORMED, "", ""},
    {"PathGlobs=/*~Expires=1800000001", NULL, NULL, BELL_SIGNED_OK, "", ""},
    {"PathGlobs=/*~Expires=1800000000", NULL, NULL, BELL_SIGNED_EXPIRED, "", ""},
    {"PathGlobs=/*~Expires=", NULL, NULL, BELL_SIGNED_MALFORMED, "", ""},
    {"PathGlobs=/*~Expires", NULL, NULL, BELL_SIGNED_MALFORMED, "", ""},
    {"PathGlobs=/*~Expires=0x70000000", NULL, NULL, BELL_SIGNED_MALFORMED, "", ""},
    {"PathGlobs=/*~" E "~Expires=1900000000", NULL, NULL, BELL_SIGNED_MALFORMED, "", ""},
    {"PathGlobs=/*~Starts=1800000000~" E, NULL, NULL, BELL_SIGNED_OK, "", ""},
    {"PathGlobs=/*~Starts=1800000001~" E, NULL, NULL, BELL_SIGNED_NOT_YET, "", ""},
    {"PathGlobs=/*~Starts=~" E, NULL, NULL, BELL_SIGNED_MALFORMED, "", ""},
    {"PathGlobs=/*~Starts=1~Starts=2~" E, NULL, NULL, BELL_SIGNED_MALFORMED, "", ""},
    /* who */
    {"PathGlobs=/*~" E "~SessionID=s-1~Data=a=b", NULL, NULL, BELL_SIGNED_OK, "s-1", "a=b"},
    {"PathGlobs=/*~" E "~Data=\xc3\xa9~SessionID=", NULL, NULL, BELL_SIGNED_OK, "", "\xc3\xa9"},
    {"PathGlobs=/*~" E "~Data=\xff", NULL, NULL, BELL_SIGNED_MALFORMED, "", ""},
    {"PathGlobs=/*~" E "~SessionID=a\tb", NULL, NULL, BELL_SIGNED_MALFORMED, "", ""},
    {"PathGlobs=/*~" E "~SessionID=a~SessionID=b", NULL, NULL, BELL_SIGNED_MALFORMED, "", ""},
    {"PathGlobs=/*~" E "~IPRanges=[192.0.2.0/24]", NULL, NULL, BELL_SIGNED_OK, "", ""},
    {"PathGlobs=/*~" E "~IPRanges=<192.0.2.10>", NULL, NULL, BELL_SIGNED_OK, "", ""},
    {"PathGlobs=/*~" E "~IPRanges=[2001:db8::/32, 198.51.100.0/24, 192.0.2.8/29]", NULL, NULL, BELL_SIGNED_OK, "", ""},
    {"PathGlobs=/*~" E "~IPRanges=[nonsense,192.0.2.0/24]", NULL, NULL, BELL_SIGNED_OK, "", ""},
    {"PathGlobs=/*~" E "~IPRanges=[198.51.100.0/24,2001:db8::/32]", NULL, NULL, BELL_SIGNED_ADDRESS, "", ""},
    {"PathGlobs=/*~" E "~IPRanges=[nonsense]", NULL, NULL, BELL_SIGNED_ADDRESS, "", ""},
    {"PathGlobs=/*~" E "~IPRanges=", NULL, NULL, BELL_SIGNED_ADDRESS, "", ""},
    {"PathGlobs=/*~" E "~IPRanges=192.0.2.0/24", NULL, NULL, BELL_SIGNED_MALFORMED, "", ""},
    /* what nobody understands */
    {"PathGlobs=/*~" E "~Country=US", NULL, NULL, BELL_SIGNED_MALFORMED, "", ""},
    {"PathGlobs=/*~" E "~Flag", NULL, NULL, BELL_SIGNED_MALFORMED, "", ""},
    {"PathGlobs=/*~" E "~expires=1", NULL, NULL, BELL_SIGNED_MALFORMED, "", ""},
    {"PathGlobs=/*~" E "~hmac=00", NULL, NULL, BELL_SIGNED_MALFORMED, "", ""},
    {"PathGlobs=/*~~" E, NULL, NULL, BELL_SIGNED_MALFORMED, "", ""},
    {"~PathGlobs=/*~" E, NULL, NULL, BELL_SIGNED_MALFORMED, "", ""},
    {"PathGlobs=/*~" E "~", NULL, NULL, BELL_SIGNED_MALFORMED, "", ""},
    {"PathGlobs=/*~" E "~=x", NULL, NULL, BELL_SIGNED_MALFORMED, "", ""},
    {"", NULL, NULL, BELL_SIGNED_MALFORMED, "", ""},
    /* headers */
    {"PathGlobs=/*~" E "~Headers=Foo=bar,BAZ=q u", "PathGlobs=/*~" E "~Headers=Foo,BAZ", "{\"foo\": \"bar\", \"Baz\": \" q u \"}", BELL_SIGNED_OK, "",
     ""},
    {"PathGlobs=/*~" E "~Headers=BAZ=q u,Foo=bar", "PathGlobs=/*~" E "~Headers=Foo,BAZ", "{\"foo\": \"bar\", \"Baz\": \"q u\"}",
     BELL_SIGNED_SIGNATURE, "", ""},
    {"Headers=Foo=bar~PathGlobs=/*~" E, "Headers=Foo~PathGlobs=/*~" E, "{\"Foo\": \"bar\"}", BELL_SIGNED_OK, "", ""},
    {"PathGlobs=/*~" E "~Headers=Foo=bar", "PathGlobs=/*~" E "~Headers=Foo", "{\"Foo\": \"Bar\"}", BELL_SIGNED_SIGNATURE, "", ""},
    {"PathGlobs=/*~" E "~Headers=Foo=bar", "PathGlobs=/*~" E "~Headers=Foo", NULL, BELL_SIGNED_SIGNATURE, "", ""},
    {"PathGlobs=/*~" E "~Headers=Foo=", "PathGlobs=/*~" E "~Headers=Foo", NULL, BELL_SIGNED_OK, "", ""},
    {"PathGlobs=/*~" E "~Headers=Foo=bar", "PathGlobs=/*~" E "~Headers=Foo", "{\"Foo\": [\"bar\", \"bar\"]}", BELL_SIGNED_HEADER, "", ""},
    {"PathGlobs=/*~" E "~Headers=UA=M/5 (X; L) (K, like G) a=b", "PathGlobs=/*~" E "~Headers=UA", "{\"UA\": \"M/5 (X; L) (K, like G) a=b\"}",
     BELL_SIGNED_OK, "", ""},
    {"PathGlobs=/*~" E "~Headers=Foo=a~b", "PathGlobs=/*~" E "~Headers=Foo", "{\"Foo\": \"a~b\"}", BELL_SIGNED_OK, "", ""},
    {"PathGlobs=/*~" E "~Headers=Foo", NULL, "{\"Foo\": \"bar\"}", BELL_SIGNED_SIGNATURE, "", ""},
    {"PathGlobs=/*~" E "~Headers=", NULL, NULL, BELL_SIGNED_MALFORMED, "", ""},
    {"PathGlobs=/*~" E "~Headers=Foo=,", "PathGlobs=/*~" E "~Headers=Foo,", NULL, BELL_SIGNED_MALFORMED, "", ""},
    {"PathGlobs=/*~" E "~Headers=a=,a=,a=,a=,a=,a=,a=,a=,a=,a=,a=,a=,a=,a=,a=,a=", "PathGlobs=/*~" E "~Headers=a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a", NULL,
     BELL_SIGNED_OK, "", ""},
    {"PathGlobs=/*~" E "~Headers=a=,a=,a=,a=,a=,a=,a=,a=,a=,a=,a=,a=,a=,a=,a=,a=,a=", "PathGlobs=/*~" E "~Headers=a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a",
     NULL, BELL_SIGNED_MALFORMED, "", ""},
    /* what was signed, with a part of it left out of the token and sent as the end of a header */
    {"PathGlobs=/*~" E "~Headers=Foo=bar~IPRanges=[198.51.100.0/24]", "PathGlobs=/*~" E "~Headers=Foo",
     "{\"Foo\": \"bar~IPRanges=MTk4LjUxLjEwMC4wLzI0\"}", BELL_SIGNED_HEADER, "", ""},
    {"PathGlobs=/*~" E "~Headers=Foo=bar~Later=1", "PathGlobs=/*~" E "~Headers=Foo", "{\"Foo\": \"bar~Later=1\"}", BELL_SIGNED_HEADER, "", ""},
    {"PathGlobs=/*~" E "~Headers=Foo=bar,Role=teacher", "PathGlobs=/*~" E "~Headers=Foo", "{\"Foo\": \"bar,Role=teacher\"}", BELL_SIGNED_HEADER, "",
     ""},
    {"PathGlobs=/*~" E "~Headers=A=b=", "PathGlobs=/*~" E "~Headers=A=b", NULL, BELL_SIGNED_MALFORMED, "", ""},
};

static void fields(void **state) {
    bell_signed_keys keys = all_keys();

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        char token[1000], target[1200];
        bell_signed_result out;
        signed_case c;
        json_t *headers = json_loads(rows[i].headers != NULL ? rows[i].headers : "{}", 0, NULL);
        assert_non_null(headers);
        make_token(BELL_SIGNED_HMAC_SHA256, rows[i].text, rows[i].carried != NULL ? rows[i].carried : rows[i].text, token, sizeof(token));
        snprintf(target, sizeof(target), "/hls/c7/a.m3u8?x=1&hdnts=%s&y=2", token);
        signed_case_init(&c);
        c.request.target = bell_str_of(target);
        c.headers = headers;
        bell_signed_reason r = check(&c, &plain, &keys, &out);
        if (r != rows[i].reason) {
            fail_msg("row %zu \"%s\": %s", i, rows[i].text, bell_signed_reason_name(r));
        }
        assert_row(bell_str_eq(out.target, BELL_STR("/hls/c7/a.m3u8?x=1&y=2")) && bell_str_eq(out.token, bell_str_of(token)), rows[i].text);
        assert_row(bell_str_eq(out.subject, bell_str_of(rows[i].subject)) && bell_str_eq(out.data, bell_str_of(rows[i].data)), rows[i].text);
        assert_row(r != BELL_SIGNED_OK || bell_str_eq(out.key_id, BELL_STR("short")), rows[i].text);
        json_decref(headers);
    }
    signed_keys_free(&keys);
}

/* A path is signed as a value too: one that holds a field would leave it out of the token. */
static void path_that_holds_a_field(void **state) {
    static const struct {
        const char *text, *carried, *target;
        bell_signed_reason reason;
    } paths[] = {
        {"FullPath=/x~Starts=1900000000~" E, "FullPath~" E, "/x~Starts=1900000000", BELL_SIGNED_PATH},
        {"FullPath=/x~Later=1~" E, "FullPath~" E, "/x~Later=1", BELL_SIGNED_PATH},
        {"FullPath=/~ada/Data~1=~" E, "FullPath~" E, "/~ada/Data~1=", BELL_SIGNED_OK},
        {"FullPath=/a/../b~" E, "FullPath~" E, "/a/../b", BELL_SIGNED_PATH},
        {"FullPath=/%C3%A9~" E, "FullPath~" E, "/%C3%A9", BELL_SIGNED_OK},
        {"FullPath=/%C3%A9~" E, "FullPath~" E, "/%c3%a9", BELL_SIGNED_SIGNATURE},
    };
    bell_signed_keys keys = all_keys();

    (void)state;
    for (size_t i = 0; i < ROWS(paths); i++) {
        char token[600], target[800];
        bell_signed_result out;
        signed_case c;
        make_token(BELL_SIGNED_HMAC_SHA256, paths[i].text, paths[i].carried, token, sizeof(token));
        snprintf(target, sizeof(target), "%s?hdnts=%s", paths[i].target, token);
        signed_case_init(&c);
        c.request.target = bell_str_of(target);
        assert_row(check(&c, &plain, &keys, &out) == paths[i].reason, paths[i].target);
        assert_row(bell_str_eq(out.target, bell_str_of(paths[i].target)), paths[i].target);
    }
    signed_keys_free(&keys);
}

/* ---- carriers */

static void encode(const char *text, char *out) {
    for (; *text != '\0'; text++) {
        out += isalnum((unsigned char)*text) || strchr("-_.", *text) != NULL ? sprintf(out, "%c", *text)
                                                                             : sprintf(out, "%%%02X", (unsigned)(unsigned char)*text);
    }
    *out = '\0';
}

static void carriers(void **state) {
    static const struct {
        const char *target, *cookie; /* $: the token, %: the token with escapes */
        bell_signed_reason reason;
    } places[] = {
        {"/hls/s.ts?hdnts=$", "", BELL_SIGNED_OK},
        {"/hls/s.ts?hdnts=%", "", BELL_SIGNED_OK},
        {"/hls/s.ts?a&hdnts=$&b", "", BELL_SIGNED_OK},
        {"/hls/s.ts", "Edge-Cache-Cookie=$", BELL_SIGNED_OK},
        {"/hls/s.ts", "a=b; Edge-Cache-Cookie=%", BELL_SIGNED_OK},
        {"/hls/s.ts?hdnts=", "Edge-Cache-Cookie=$", BELL_SIGNED_OK},
        {"/hls/s.ts?hdnts=$", "Edge-Cache-Cookie=x", BELL_SIGNED_OK},
        {"/hls/s.ts?hdnts=x", "Edge-Cache-Cookie=$", BELL_SIGNED_MALFORMED},
        {"/hls/s.ts?hdnts=$&hdnts=$", "", BELL_SIGNED_MALFORMED},
        {"/hls/s.ts?hdnts=$&hdnts=", "", BELL_SIGNED_MALFORMED},
        {"/hls/s.ts?hdnts=$&KeyName=k", "", BELL_SIGNED_OK},
        {"/hls/s.ts?hdnts=$&Signature=k", "", BELL_SIGNED_MALFORMED},
        {"/hls/edge-cache-token=x/s.ts?hdnts=$", "", BELL_SIGNED_MALFORMED},
        {"/hls/s.ts", "Edge-Cache-Cookie=$; Edge-Cache-Cookie=$", BELL_SIGNED_MALFORMED},
        {"/hls/s.ts?hdnts=$~", "", BELL_SIGNED_MALFORMED},
        {"/hls/s.ts?hdnts=$0", "", BELL_SIGNED_MALFORMED},
        {"/hls/s.ts?hdnts=x$", "", BELL_SIGNED_MALFORMED},
        {"/hls/s.ts?HDNTS=$", "", BELL_SIGNED_MISSING},
        {"/hls/s.ts", "edge-cache-cookie=$", BELL_SIGNED_MISSING},
        {"/hls/../s.ts?hdnts=$", "", BELL_SIGNED_PATH},
        {"/tv/s.ts?hdnts=$", "", BELL_SIGNED_RESOURCE},
    };
    static const bell_signed_alg algs[] = {BELL_SIGNED_ED25519, BELL_SIGNED_HMAC_SHA1, BELL_SIGNED_HMAC_SHA256};
    bell_signed_keys keys = all_keys();

    (void)state;
    for (size_t i = 0; i < ROWS(algs) * ROWS(places); i++) {
        size_t k = i / ROWS(algs);
        char token[400], escaped[1200], texts[2][3000];
        bell_signed_result out;
        signed_case c;
        make_token(algs[i % ROWS(algs)], E "~PathGlobs=/hls/*~SessionID=s", E "~PathGlobs=/hls/*~SessionID=s", token, sizeof(token));
        encode(token, escaped);
        for (int part = 0; part < 2; part++) {
            size_t n = 0;
            texts[part][0] = '\0';
            for (const char *p = part == 0 ? places[k].target : places[k].cookie; *p != '\0'; p++) {
                n += (size_t)snprintf(texts[part] + n, sizeof(texts[part]) - n, "%.*s", *p == '$' || *p == '%' ? 1200 : 1,
                                      *p == '$'   ? token
                                      : *p == '%' ? escaped
                                                  : p);
            }
        }
        json_t *headers = json_pack("{s:s}", "Cookie", texts[1]);
        signed_case_init(&c);
        c.request.target = bell_str_of(texts[0]);
        c.headers = headers;
        bell_signed_reason r = check(&c, &plain, &keys, &out);
        if (r != places[k].reason) {
            fail_msg("%s %s: %s", texts[0], texts[1], bell_signed_reason_name(r));
        }
        assert_row(r != BELL_SIGNED_OK || bell_str_eq(out.subject, BELL_STR("s")), texts[0]);
        json_decref(headers);
    }
    signed_keys_free(&keys);
}

/* ---- keys */

static void algorithms_and_keys(void **state) {
    static const struct {
        bell_signed_alg alg;
        const char *key_set;
        unsigned first, last; /* of all_keys() */
        bell_signed_reason reason;
    } sets[] = {
        {BELL_SIGNED_ED25519, "", 0, 4, BELL_SIGNED_OK},
        {BELL_SIGNED_ED25519, "long", 0, 4, BELL_SIGNED_OK},
        {BELL_SIGNED_ED25519, "other", 0, 4, BELL_SIGNED_SIGNATURE},
        {BELL_SIGNED_ED25519, "short", 0, 4, BELL_SIGNED_ALGORITHM},
        {BELL_SIGNED_ED25519, "none", 0, 4, BELL_SIGNED_KEY},
        {BELL_SIGNED_ED25519, "", 2, 4, BELL_SIGNED_ALGORITHM},
        {BELL_SIGNED_HMAC_SHA256, "", 0, 1, BELL_SIGNED_ALGORITHM},
        {BELL_SIGNED_HMAC_SHA256, "", 4, 4, BELL_SIGNED_ALGORITHM},
        {BELL_SIGNED_HMAC_SHA256, "", 0, 4, BELL_SIGNED_OK},
        {BELL_SIGNED_HMAC_SHA1, "", 0, 4, BELL_SIGNED_OK},
        {BELL_SIGNED_HMAC_SHA1, "", 0, 3, BELL_SIGNED_ALGORITHM},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(sets); i++) {
        bell_signed_keys keys = all_keys(), some = {.nkeys = 0};
        bell_media_cdn_options o = plain;
        char token[400], target[600];
        bell_signed_result out;
        signed_case c;
        for (unsigned k = sets[i].first; k <= sets[i].last; k++) {
            some.keys[some.nkeys++] = keys.keys[k];
        }
        make_token(sets[i].alg, "PathGlobs=/*~" E, "PathGlobs=/*~" E, token, sizeof(token));
        snprintf(target, sizeof(target), "/a?hdnts=%s", token);
        o.token_keys = bell_str_of(sets[i].key_set);
        signed_case_init(&c);
        c.request.target = bell_str_of(target);
        assert_row(check(&c, &o, &some, &out) == sets[i].reason, target);
        signed_keys_free(&keys);
    }
}

static void digits(void **state) {
    static const struct {
        const char *tail;
        bell_signed_reason reason;
    } tails[] = {
        {"~hmac=", BELL_SIGNED_MALFORMED},
        {"~hmac=0011", BELL_SIGNED_MALFORMED},
        {"~hmac=00112233445566778899aabbccddeeff0011223g", BELL_SIGNED_MALFORMED},
        {"~hmac=00112233445566778899AABBCCDDEEFF00112233", BELL_SIGNED_MALFORMED},
        {"~hmac=00112233445566778899aabbccddeeff00112233", BELL_SIGNED_SIGNATURE},
        {"~Hmac=00112233445566778899aabbccddeeff00112233", BELL_SIGNED_MALFORMED},
        {"~Signature=", BELL_SIGNED_MALFORMED},
        {"~Signature=AAAA", BELL_SIGNED_MALFORMED},
        {"~Signature", BELL_SIGNED_MALFORMED},
        {"hmac=00112233445566778899aabbccddeeff00112233", BELL_SIGNED_MALFORMED},
        {"", BELL_SIGNED_MALFORMED},
    };
    bell_signed_keys keys = all_keys();

    (void)state;
    for (size_t i = 0; i < ROWS(tails); i++) {
        char target[400];
        bell_signed_result out;
        signed_case c;
        snprintf(target, sizeof(target), "/a?hdnts=PathGlobs=/*~" E "%s", tails[i].tail);
        signed_case_init(&c);
        c.request.target = bell_str_of(target);
        assert_row(check(&c, &plain, &keys, &out) == tails[i].reason, tails[i].tail);
    }
    signed_keys_free(&keys);
}

/* ---- properties */

static const struct {
    bell_signed_alg alg;
    const char *text, *carried, *before;
    size_t protected_bytes; /* of `before` */
} valid[] = {
    {BELL_SIGNED_HMAC_SHA256, "PathGlobs=/hls/*~Starts=1799999999~" E "~SessionID=s~Data=d~IPRanges=[192.0.2.0/24]",
     "PathGlobs=/hls/*~Starts=1799999999~" E "~SessionID=s~Data=d~IPRanges=[192.0.2.0/24]", "/hls/s.ts?hdnts=", 5},
    {BELL_SIGNED_HMAC_SHA1, "FullPath=/hls/s.ts~" E "~Headers=Foo=bar", "FullPath~" E "~Headers=Foo", "/hls/s.ts?hdnts=", 9},
    {BELL_SIGNED_ED25519, "URLPrefix=[" HOST "/hls/]~" E, "URLPrefix=[" HOST "/hls/]~" E, "/hls/s.ts?hdnts=", 5},
};

/* The signature covers every byte but the names of headers, whose case is free in a request: it is signed as the token has it. */
static void one_flipped_bit(void **state) {
    bell_signed_keys keys = all_keys();
    json_t *headers = json_pack("{s:s}", "foo", "bar");
    uint64_t seed = 20261121;

    (void)state;
    for (unsigned i = 0; i < 10000; i++) {
        size_t k = i % ROWS(valid);
        char token[600], target[800];
        bell_signed_result out;
        signed_case c;
        make_token(valid[k].alg, valid[k].text, valid[k].carried, token, sizeof(token));
        snprintf(target, sizeof(target), "%s%s", valid[k].before, token);
        size_t len = strlen(target), start = strlen(valid[k].before);
        if (i >= ROWS(valid)) {
            size_t at = (size_t)(signed_random(&seed) % (valid[k].protected_bytes + len - start));
            at = at < valid[k].protected_bytes ? at : start + at - valid[k].protected_bytes;
            target[at] = (char)(target[at] ^ (1 << (signed_random(&seed) % 8)));
        }
        signed_case_init(&c);
        c.request.target = (bell_str){target, len};
        c.headers = headers;
        bell_signed_call call = signed_call(&c, &keys);
        bell_signed_reason r = bell_media_cdn_check(&call, &plain, &out);
        if ((r == BELL_SIGNED_OK) != (i < ROWS(valid))) {
            fail_msg("mutation %u: %s: %s", i, target, bell_signed_reason_name(r));
        }
    }
    json_decref(headers);
    signed_keys_free(&keys);
}

static void little_room(void **state) {
    bell_signed_keys keys = all_keys();
    json_t *headers = json_pack("{s:s}", "foo", "bar");

    (void)state;
    for (size_t i = 0; i < ROWS(valid); i++) {
        char token[600], target[800];
        make_token(valid[i].alg, valid[i].text, valid[i].carried, token, sizeof(token));
        snprintf(target, sizeof(target), "%s%s&x=1", valid[i].before, token);
        for (size_t size = 0, was_ok = 0; size < 200 || !was_ok; size++) {
            assert_true(size < 600);
            char *memory = malloc(size + 1);
            bell_signed_room room = {memory, size};
            bell_signed_result out;
            signed_case c;
            signed_case_init(&c);
            c.request.target = bell_str_of(target);
            c.headers = headers;
            bell_signed_call call = {.request = &c.request, .keys = &keys, .room = &room};
            bell_signed_reason r = bell_media_cdn_check(&call, &plain, &out);
            assert_true(r == BELL_SIGNED_OK || (r == BELL_SIGNED_MALFORMED && !was_ok));
            google_check_target(r, &out);
            was_ok = r == BELL_SIGNED_OK;
            free(memory);
        }
    }
    json_decref(headers);
    signed_keys_free(&keys);
}

static void too_long(void **state) {
    bell_signed_keys keys = all_keys();
    char *target = malloc(70000);
    bell_signed_result out;
    signed_case c;

    (void)state;
    memset(target, '~', 70000);
    memcpy(target, "/a?hdnts=", 9);
    for (size_t len = 10; len <= 70000; len += 6999) {
        signed_case_init(&c);
        c.request.target = (bell_str){target, len};
        assert_int_equal(check(&c, &plain, &keys, &out), BELL_SIGNED_MALFORMED);
    }
    free(target);
    signed_keys_free(&keys);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields), cmocka_unit_test(path_that_holds_a_field), cmocka_unit_test(carriers),    cmocka_unit_test(algorithms_and_keys),
        cmocka_unit_test(digits), cmocka_unit_test(one_flipped_bit),         cmocka_unit_test(little_room), cmocka_unit_test(too_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
