#include "bell_cloudfront.h"

#include "signed.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>

#define HOST       "https://cdn.school.example"
#define LESS       "\"DateLessThan\":{\"AWS:EpochTime\":1900000000}"
#define GREATER(t) "\"DateGreaterThan\":{\"AWS:EpochTime\":" #t "}"
#define IP(a)      "\"IpAddress\":{\"AWS:SourceIp\":\"" a "\"}"
/* A policy of this resource (a JSON text) and these conditions. */
#define FOR(resource, conditions) "{\"Statement\":[{\"Resource\":" resource ",\"Condition\":{" conditions "}}]}"
#define ANY(conditions)           FOR("\"*\"", conditions)

static const bell_cloudfront_options usual = {0};

/* Keys of our own, beside those of the vectors: what is signed here is signed anew by each run. */
static EVP_PKEY *rsa, *p256;
static bell_signed_keys keys;
static json_t *vectors;
static bell_signed_keys vector_keys;

static bell_signed_key *public_of(const char *id, EVP_PKEY *pkey) {
    char text[2000];
    const char *why;
    BIO *out = BIO_new(BIO_s_mem());

    assert_int_equal(PEM_write_bio_PUBKEY(out, pkey), 1);
    int n = BIO_read(out, text, sizeof(text));
    BIO_free(out);
    bell_signed_key *k = bell_signed_key_public(bell_str_of(id), (bell_str){text, (size_t)n}, &why);
    assert_non_null(k);
    return k;
}

static int set_up(void **state) {
    const json_t *key;
    const char *why;
    size_t i;

    (void)state;
    rsa = EVP_RSA_gen(2048);
    p256 = EVP_EC_gen("P-256");
    keys.keys[keys.nkeys++] = public_of("KRSA", rsa);
    keys.keys[keys.nkeys++] = public_of("KEC", p256);
    keys.keys[keys.nkeys++] = bell_signed_key_secret(BELL_STR("KMAC"), BELL_SIGNED_HMAC_SHA1, BELL_STR("00"), true, &why);
    keys.keys[keys.nkeys++] = public_of("KOLD", rsa);
    keys.keys[3]->until_s = 1800000000;
    vectors = signed_vectors("cloudfront");
    json_array_foreach(json_object_get(vectors, "trusted_keys"), i, key) {
        bell_signed_key *k = bell_signed_key_public(signed_text(key, "id"), signed_text(key, "public_pem"), &why);
        assert_non_null(k);
        vector_keys.keys[vector_keys.nkeys++] = k;
    }
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    signed_keys_free(&keys);
    signed_keys_free(&vector_keys);
    json_decref(vectors);
    EVP_PKEY_free(rsa);
    EVP_PKEY_free(p256);
    return 0;
}

/* In CloudFront's letters; NUL behind it. */
static size_t encode(const void *in, size_t len, char *out) {
    size_t n = (size_t)EVP_EncodeBlock((unsigned char *)out, in, (int)len);

    for (size_t i = 0; i < n; i++) {
        const char *at = strchr("+=/", out[i]);
        if (at != NULL) {
            out[i] = "-_~"[at - "+=/"];
        }
    }
    return n;
}

static const char *sign(EVP_PKEY *pkey, const EVP_MD *md, const char *text) {
    static char out[800];
    unsigned char sig[512];
    size_t len = sizeof(sig);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();

    assert_int_equal(EVP_DigestSignInit(ctx, NULL, md, NULL, pkey), 1);
    assert_int_equal(EVP_DigestSign(ctx, sig, &len, (const unsigned char *)text, strlen(text)), 1);
    EVP_MD_CTX_free(ctx);
    encode(sig, len, out);
    return out;
}

/* The target with the parameters of a custom policy. */
static const char *custom(const char *target, const char *policy, bool with_sha256) {
    static char out[16384], encoded[8192];

    encode(policy, strlen(policy), encoded);
    snprintf(out, sizeof(out), "%s%cPolicy=%s&Signature=%s&Key-Pair-Id=KRSA%s", target, strchr(target, '?') != NULL ? '&' : '?', encoded,
             sign(rsa, with_sha256 ? EVP_sha256() : EVP_sha1(), policy), with_sha256 ? "&Hash-Algorithm=SHA256" : "");
    return out;
}

/* The signature of a canned policy. */
static const char *canned(EVP_PKEY *pkey, const EVP_MD *md, const char *url, const char *expires) {
    char policy[2000];

    snprintf(policy, sizeof(policy), "{\"Statement\":[{\"Resource\":\"%s\",\"Condition\":{\"DateLessThan\":{\"AWS:EpochTime\":%s}}}]}", url, expires);
    return sign(pkey, md, policy);
}

static bell_signed_reason check(signed_case *c, const bell_signed_keys *with, bell_signed_result *out) {
    bell_signed_call call = signed_call(c, with);
    bell_signed_reason r = bell_cloudfront_check(&call, &usual, out);

    assert_int_equal(ERR_peek_error(), 0);
    assert_true((r == BELL_SIGNED_MISSING) == (out->target.p == NULL));
    return r;
}

#define expect(got, want, row)                                                                                                                       \
    do {                                                                                                                                             \
        bell_signed_reason r_ = (got);                                                                                                               \
        if (r_ != (want))                                                                                                                            \
            fail_msg("%s: %s, expected %s", (row), bell_signed_reason_name(r_), bell_signed_reason_name(want));                                      \
    } while (0)

static void all_vectors(void **state) {
    const json_t *v;
    size_t i;

    (void)state;
    json_array_foreach(json_object_get(vectors, "vectors"), i, v) {
        signed_case c;
        bell_signed_result out;
        signed_case_of(v, &c);
        signed_expect(v, check(&c, &vector_keys, &out));
        /* logs see what is left of the target */
        assert_row(out.target.len == 0 || memmem(out.target.p, out.target.len, "Signature=", 10) == NULL,
                   json_string_value(json_object_get(v, "id")));
    }
}

static void custom_policies(void **state) {
    static const struct {
        const char *row, *policy, *target;
        bell_signed_reason want;
    } rows[] = {
        {"exact", FOR("\"" HOST "/a.ts\"", LESS), "/a.ts", BELL_SIGNED_OK},
        {"another", FOR("\"" HOST "/a.ts\"", LESS), "/b.ts", BELL_SIGNED_RESOURCE},
        {"own query", FOR("\"" HOST "/a.ts?x=1\"", LESS), "/a.ts?x=1", BELL_SIGNED_OK},
        {"own query is of the resource", FOR("\"" HOST "/a.ts\"", LESS), "/a.ts?x=1", BELL_SIGNED_RESOURCE},
        {"with a query it is less", FOR("\"" HOST "/a.ts?x=1\"", LESS), "/a.ts", BELL_SIGNED_RESOURCE},
        {"star over slashes and query", FOR("\"" HOST "/v/*\"", LESS), "/v/a/b.ts?x=1&y=/", BELL_SIGNED_OK},
        {"two stars", FOR("\"" HOST "/v/*/seg_*.ts\"", LESS), "/v/a/b/seg_1.ts", BELL_SIGNED_OK},
        {"star of a host", FOR("\"https://*.school.example/v/*\"", LESS), "/v/a", BELL_SIGNED_OK},
        {"star of another host", FOR("\"https://*.district.example/v/*\"", LESS), "/x.district.example/v/a", BELL_SIGNED_RESOURCE},
        {"question marks of a host", FOR("\"https://???.school.example/v\"", LESS), "/v", BELL_SIGNED_OK},
        {"star for all", FOR("\"https://*\"", LESS), "/v", BELL_SIGNED_OK},
        {"star for all hosts", FOR("\"https://*/v/*\"", LESS), "/v/a", BELL_SIGNED_OK},
        {"star for host and all below", FOR("\"" HOST "*\"", LESS), "/v", BELL_SIGNED_OK},
        {"star for the scheme", FOR("\"http*://cdn.school.example/v\"", LESS), "/v", BELL_SIGNED_OK},
        {"star that is anything before a path", FOR("\"*/v/*\"", LESS), "/x/v/a", BELL_SIGNED_OK},
        {"another scheme", FOR("\"http://cdn.school.example/v\"", LESS), "/v", BELL_SIGNED_RESOURCE},
        {"without a scheme", FOR("\"/v\"", LESS), "/v", BELL_SIGNED_RESOURCE},
        {"empty", FOR("\"\"", LESS), "/v", BELL_SIGNED_RESOURCE},
        {"capitals are others", FOR("\"" HOST "/V\"", LESS), "/v", BELL_SIGNED_RESOURCE},
        {"escapes are not decoded", FOR("\"" HOST "/a b\"", LESS), "/a%20b", BELL_SIGNED_RESOURCE},
        {"JSON escapes are", FOR("\"https:\\/\\/cdn.school.example\\u002fv\"", LESS), "/v", BELL_SIGNED_OK},
        {"not ASCII", FOR("\"" HOST "/\xc3\xa9\"", LESS), "/\xc3\xa9", BELL_SIGNED_OK},
        {"dots", FOR("\"" HOST "/v/*\"", LESS), "/v/../w", BELL_SIGNED_PATH},
        {"dots in capitals", FOR("\"" HOST "/v/*\"", LESS), "/v/%2E%2E/w", BELL_SIGNED_PATH},
        {"dots and an escaped slash", FOR("\"" HOST "/v/*\"", LESS), "/v/..%2fw", BELL_SIGNED_PATH},
        {"one dot", FOR("\"" HOST "/v/*\"", LESS), "/v/./w", BELL_SIGNED_PATH},
        {"a number sign", FOR("\"" HOST "/v/*\"", LESS), "/v/a#b", BELL_SIGNED_PATH},
        {"empty segments", FOR("\"" HOST "/v/*\"", LESS), "/v//w", BELL_SIGNED_OK},

        {"at the end", ANY("\"DateLessThan\":{\"AWS:EpochTime\":1800000000}"), "/", BELL_SIGNED_EXPIRED},
        {"before it", ANY("\"DateLessThan\":{\"AWS:EpochTime\":1800000001}"), "/", BELL_SIGNED_OK},
        {"at the start", ANY(LESS "," GREATER(1800000000)), "/", BELL_SIGNED_NOT_YET},
        {"behind it", ANY(LESS "," GREATER(1799999999)), "/", BELL_SIGNED_OK},
        {"conditions in another order", ANY(GREATER(1) "," IP("192.0.2.0/24") "," LESS), "/", BELL_SIGNED_OK},
        {"one address", ANY(LESS "," IP("192.0.2.10")), "/", BELL_SIGNED_OK},
        {"another address", ANY(LESS "," IP("192.0.2.1")), "/", BELL_SIGNED_ADDRESS},
        {"all of IPv4", ANY(LESS "," IP("0.0.0.0/0")), "/", BELL_SIGNED_OK},
        {"white space", "\n{ \"Statement\" : [ { \"Condition\" : { " LESS " } , \"Resource\" : \"*\" } ] }\r\n", "/", BELL_SIGNED_OK},

        {"as Java writes it", "{\"Statement\": [{\"Resource\":\"" HOST "/a\",\"Condition\":{" LESS "," IP("0.0.0.0/0") "," GREATER(1) "}}]}", "/a",
         BELL_SIGNED_OK},
        {"resource twice", "{\"Statement\":[{\"Resource\":\"*\",\"Resource\":\"*\",\"Condition\":{" LESS "}}]}", "/", BELL_SIGNED_MALFORMED},
        {"conditions twice", "{\"Statement\":[{\"Resource\":\"*\",\"Condition\":{" LESS "},\"Condition\":{" LESS "}}]}", "/", BELL_SIGNED_MALFORMED},
        {"empty conditions first", "{\"Statement\":[{\"Resource\":\"*\",\"Condition\":{},\"Condition\":{" LESS "}}]}", "/", BELL_SIGNED_MALFORMED},
        {"a comma too many", ANY(LESS ","), "/", BELL_SIGNED_MALFORMED},
        {"names without a colon", "{\"Statement\",[{\"Resource\":\"*\",\"Condition\":{" LESS "}}]}", "/", BELL_SIGNED_MALFORMED},
        {"no resource", "{\"Statement\":[{\"Condition\":{" LESS "}}]}", "/", BELL_SIGNED_RESOURCE},
        {"resource that is no text", FOR("1", LESS), "/", BELL_SIGNED_MALFORMED},
        {"resource null", FOR("null", LESS), "/", BELL_SIGNED_MALFORMED},
        {"list of resources", FOR("[\"*\"]", LESS), "/", BELL_SIGNED_MALFORMED},
        {"no conditions", "{\"Statement\":[{\"Resource\":\"*\"}]}", "/", BELL_SIGNED_MALFORMED},
        {"conditions that are a list", "{\"Statement\":[{\"Resource\":\"*\",\"Condition\":[]}]}", "/", BELL_SIGNED_MALFORMED},
        {"no end", ANY(""), "/", BELL_SIGNED_MALFORMED},
        {"no end, but a start", ANY(GREATER(1)), "/", BELL_SIGNED_MALFORMED},
        {"end as text", ANY("\"DateLessThan\":{\"AWS:EpochTime\":\"1900000000\"}"), "/", BELL_SIGNED_MALFORMED},
        {"end as a fraction", ANY("\"DateLessThan\":{\"AWS:EpochTime\":1900000000.0}"), "/", BELL_SIGNED_MALFORMED},
        {"end with an exponent", ANY("\"DateLessThan\":{\"AWS:EpochTime\":19e8}"), "/", BELL_SIGNED_MALFORMED},
        {"end in milliseconds", ANY("\"DateLessThan\":{\"AWS:EpochTime\":1900000000000}"), "/", BELL_SIGNED_MALFORMED},
        {"end below zero", ANY("\"DateLessThan\":{\"AWS:EpochTime\":-1}"), "/", BELL_SIGNED_MALFORMED},
        {"end zero", ANY("\"DateLessThan\":{\"AWS:EpochTime\":0}"), "/", BELL_SIGNED_MALFORMED},
        {"end with a zero before it", ANY("\"DateLessThan\":{\"AWS:EpochTime\":01900000000}"), "/", BELL_SIGNED_MALFORMED},
        {"end that is none", ANY("\"DateLessThan\":{}"), "/", BELL_SIGNED_MALFORMED},
        {"end null", ANY("\"DateLessThan\":null"), "/", BELL_SIGNED_MALFORMED},
        {"end with more", ANY("\"DateLessThan\":{\"AWS:EpochTime\":1900000000,\"x\":1}"), "/", BELL_SIGNED_MALFORMED},
        {"end of another name", ANY("\"DateLessThan\":{\"aws:EpochTime\":1900000000}"), "/", BELL_SIGNED_MALFORMED},
        {"end twice", ANY(LESS "," LESS), "/", BELL_SIGNED_MALFORMED},
        {"time twice in it", ANY("\"DateLessThan\":{\"AWS:EpochTime\":1900000000,\"AWS:EpochTime\":1900000000}"), "/", BELL_SIGNED_MALFORMED},
        {"start as text", ANY(LESS "," GREATER("1")), "/", BELL_SIGNED_MALFORMED},
        {"list of addresses", ANY(LESS ",\"IpAddress\":{\"AWS:SourceIp\":[\"192.0.2.10\"]}"), "/", BELL_SIGNED_MALFORMED},
        {"address twice", ANY(LESS "," IP("192.0.2.10") "," IP("192.0.2.10")), "/", BELL_SIGNED_MALFORMED},
        {"IPv6", ANY(LESS "," IP("::/0")), "/", BELL_SIGNED_MALFORMED},
        {"IPv4 as IPv6", ANY(LESS "," IP("::ffff:192.0.2.10")), "/", BELL_SIGNED_MALFORMED},
        {"no address", ANY(LESS "," IP("")), "/", BELL_SIGNED_MALFORMED},
        {"network too narrow", ANY(LESS "," IP("192.0.2.0/33")), "/", BELL_SIGNED_MALFORMED},
        {"network of words", ANY(LESS "," IP("school")), "/", BELL_SIGNED_MALFORMED},
        {"two networks in a text", ANY(LESS "," IP("192.0.2.0/24,198.51.100.0/24")), "/", BELL_SIGNED_MALFORMED},
        {"unknown condition", ANY(LESS ",\"Referer\":{\"x\":\"y\"}"), "/", BELL_SIGNED_MALFORMED},
        {"conditions in small letters", ANY("\"dateLessThan\":{\"AWS:EpochTime\":1900000000}"), "/", BELL_SIGNED_MALFORMED},
        {"unknown member of the statement", "{\"Statement\":[{\"Effect\":\"Allow\",\"Resource\":\"*\",\"Condition\":{" LESS "}}]}", "/",
         BELL_SIGNED_MALFORMED},
        {"unknown member of the policy", "{\"Version\":\"1\",\"Statement\":[{\"Resource\":\"*\",\"Condition\":{" LESS "}}]}", "/",
         BELL_SIGNED_MALFORMED},
        {"two statements", "{\"Statement\":[{\"Resource\":\"*\",\"Condition\":{" LESS "}},{\"Resource\":\"*\",\"Condition\":{" LESS "}}]}", "/",
         BELL_SIGNED_MALFORMED},
        {"no statement", "{\"Statement\":[]}", "/", BELL_SIGNED_MALFORMED},
        {"statement that is no list", "{\"Statement\":{\"Resource\":\"*\",\"Condition\":{" LESS "}}}", "/", BELL_SIGNED_MALFORMED},
        {"list", "[" ANY(LESS) "]", "/", BELL_SIGNED_MALFORMED},
        {"something behind it", ANY(LESS) "x", "/", BELL_SIGNED_MALFORMED},
        {"two of them", ANY(LESS) ANY(LESS), "/", BELL_SIGNED_MALFORMED},
        {"cut short", "{\"Statement\":[{\"Resource\":\"*\",\"Condition\":{" LESS "}}]", "/", BELL_SIGNED_MALFORMED},
        {"NUL in a text", FOR("\"\\u0000\"", LESS), "/", BELL_SIGNED_MALFORMED},
        {"not UTF-8", FOR("\"\xff*\"", LESS), "/", BELL_SIGNED_MALFORMED},
        {"half of a pair of surrogates", FOR("\"\\ud800*\"", LESS), "/", BELL_SIGNED_MALFORMED},
        {"a comment", ANY(LESS) "// x", "/", BELL_SIGNED_MALFORMED},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        signed_case c;
        bell_signed_result out;
        signed_case_init(&c);
        c.request.target = bell_str_of(custom(rows[i].target, rows[i].policy, i % 2));
        expect(check(&c, &keys, &out), rows[i].want, rows[i].row);
        assert_row(bell_str_eq(out.target, bell_str_of(rows[i].target)), rows[i].row);
        assert_row(bell_str_eq(out.key_id, BELL_STR("KRSA")), rows[i].row);
        if (rows[i].want == BELL_SIGNED_OK) {
            assert_row(out.expires_s > c.request.now_s, rows[i].row);
        }
    }
}

/* What is read in place is what jansson reads; what differs from it is left to it. */
static void two_readers(void **state) {
    static const struct {
        const char *row;
        bell_str text;
        bool good;
    } rows[] = {
        {"plain", BELL_STR(ANY(LESS)), true},
        {"white space",
         BELL_STR(" {\t\"Statement\"\n:\r[ {\"Resource\" : \"*\" , \"Condition\" : { \"DateLessThan\" : { \"AWS:EpochTime\" :\n1 } } } ] } \n"),
         true},
        {"white space that is none", BELL_STR("\f" ANY(LESS)), false},
        {"escapes", BELL_STR(FOR("\"\\u002a\"", LESS)), true},
        {"NUL behind it", BELL_STR(ANY(LESS) "\0"), false},
        {"NUL in a text", BELL_STR(FOR("\"*\0\"", LESS)), false},
        {"NUL for white space", BELL_STR("{\0\"Statement\":[{\"Resource\":\"*\",\"Condition\":{" LESS "}}]}"), false},
        {"a control byte in a text", BELL_STR(FOR("\"*\n\"", LESS)), false},
        {"DEL in a text", BELL_STR(FOR("\"*\x7f\"", LESS)), true},
        {"zero first", BELL_STR(ANY("\"DateLessThan\":{\"AWS:EpochTime\":01}")), false},
        {"ten digits", BELL_STR(ANY("\"DateLessThan\":{\"AWS:EpochTime\":9999999999}")), true},
        {"eleven digits", BELL_STR(ANY("\"DateLessThan\":{\"AWS:EpochTime\":10000000000}")), false},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        char bytes[2][500];
        bell_signed_room room = {bytes[0], sizeof(bytes[0])}, other = {bytes[1], sizeof(bytes[1])};
        bell_cloudfront_policy a, b;
        assert_row(bell_cloudfront_policy_read(rows[i].text, &room, &a) == rows[i].good, rows[i].row);
        assert_row(bell_cloudfront_policy_read_json(rows[i].text, &other, &b) == rows[i].good, rows[i].row);
        if (rows[i].good) {
            assert_row(bell_str_eq(a.resource, b.resource) && a.has_resource && b.has_resource, rows[i].row);
            assert_row(a.until_s == b.until_s && a.from_s == b.from_s, rows[i].row);
        }
    }
}

static void a_policy_without_a_resource_where_that_is_allowed(void **state) {
    bell_cloudfront_options options = {.any_resource = true};
    bell_signed_result out;
    signed_case c;

    (void)state;
    signed_case_init(&c);
    bell_signed_call call = signed_call(&c, &keys);
    c.request.target = bell_str_of(custom("/a", "{\"Statement\":[{\"Condition\":{" LESS "}}]}", false));
    expect(bell_cloudfront_check(&call, &options, &out), BELL_SIGNED_OK, "none");
    call = signed_call(&c, &keys);
    c.request.target = bell_str_of(custom("/a", FOR("\"" HOST "/b\"", LESS), false));
    expect(bell_cloudfront_check(&call, &options, &out), BELL_SIGNED_RESOURCE, "another");
}

static void clients_of_other_families(void **state) {
    static const struct {
        const char *client, *network;
        bell_signed_reason want;
    } rows[] = {{"::ffff:192.0.2.10", "192.0.2.0/24", BELL_SIGNED_OK},
                {"2001:db8::1", "192.0.2.0/24", BELL_SIGNED_ADDRESS},
                {"2001:db8::1", "0.0.0.0/0", BELL_SIGNED_ADDRESS},
                {"", "0.0.0.0/0", BELL_SIGNED_ADDRESS}};

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        char policy[300];
        bell_signed_result out;
        signed_case c;
        signed_case_init(&c);
        snprintf(policy, sizeof(policy), ANY(LESS "," IP("%s")), rows[i].network);
        c.request.target = bell_str_of(custom("/a", policy, false));
        assert_int_equal(bell_address_parse(bell_str_of(rows[i].client), &c.request.client), rows[i].client[0] != '\0');
        expect(check(&c, &keys, &out), rows[i].want, rows[i].client);
    }
}

/* @ stands for the signature of a canned policy for /a until 1900000000 by the RSA key over SHA-1, $ for one of /a?x=1&y over SHA-256, ! for one of
 * /a by the P-256 key; < for a policy for all and > for its signature. */
static const char *fill(const char *template) {
    static char out[8192];
    char policy[300], *p = out;

    for (; *template != '\0'; template ++) {
        switch (*template) {
        case '@':
            p = stpcpy(p, canned(rsa, EVP_sha1(), HOST "/a", "1900000000"));
            break;
        case '$':
            p = stpcpy(p, canned(rsa, EVP_sha256(), HOST "/a?x=1&y", "1900000000"));
            break;
        case '!':
            p = stpcpy(p, canned(p256, EVP_sha1(), HOST "/a", "1900000000"));
            break;
        case '<':
            encode(ANY(LESS), strlen(ANY(LESS)), policy);
            p = stpcpy(p, policy);
            break;
        case '>':
            p = stpcpy(p, sign(rsa, EVP_sha1(), ANY(LESS)));
            break;
        default:
            *p++ = *template;
        }
    }
    *p = '\0';
    return out;
}

#define END "Expires=1900000000"
#define KEY "Key-Pair-Id=KRSA"

static void urls(void **state) {
    static const struct {
        const char *target, *left;
        bell_signed_reason want;
    } rows[] = {
        {"/a?" END "&Signature=@&" KEY, "/a", BELL_SIGNED_OK},
        {"/a?" KEY "&Signature=@&" END, "/a", BELL_SIGNED_OK},
        {"/a?" KEY "&Signature=@&" END "&Hash-Algorithm=SHA1", "/a", BELL_SIGNED_OK},
        {"/a?x=1&y&" END "&Signature=$&" KEY "&Hash-Algorithm=SHA256", "/a?x=1&y", BELL_SIGNED_OK},
        {"/a?" END "&x=1&Signature=$&y&" KEY "&Hash-Algorithm=SHA256", "/a?x=1&y", BELL_SIGNED_OK},
        {"/a?" END "&Signature=!&Key-Pair-Id=KEC", "/a", BELL_SIGNED_OK},
        {"/a?" END "&Signature=>&Policy=<&" KEY, "/a", BELL_SIGNED_OK},
        {"/a?Expires=x&Signature=>&Policy=<&" KEY, "/a", BELL_SIGNED_OK}, /* the policy decides */
        {"/any?Signature=>&Policy=<&" KEY "&z", "/any?z", BELL_SIGNED_OK},
        {"/a?y&x=1&" END "&Signature=$&" KEY "&Hash-Algorithm=SHA256", "/a?y&x=1", BELL_SIGNED_SIGNATURE},
        {"/a?x=1&y=&" END "&Signature=$&" KEY "&Hash-Algorithm=SHA256", "/a?x=1&y=", BELL_SIGNED_SIGNATURE},
        {"/a?x=1&y&&" END "&Signature=$&" KEY "&Hash-Algorithm=SHA256", "/a?x=1&y&", BELL_SIGNED_SIGNATURE},
        {"/a?x=1&y&" END "&Signature=$&" KEY, "/a?x=1&y", BELL_SIGNED_SIGNATURE},
        {"/a?" END "&Signature=@&" KEY "&Hash-Algorithm=SHA256", "/a", BELL_SIGNED_SIGNATURE},
        {"/a?" END "&Signature=@&" KEY "&z=1", "/a?z=1", BELL_SIGNED_SIGNATURE},
        {"/a?&" END "&Signature=@&" KEY, "/a?", BELL_SIGNED_SIGNATURE},
        {"/b?" END "&Signature=@&" KEY, "/b", BELL_SIGNED_SIGNATURE},
        {"/%61?" END "&Signature=@&" KEY, "/%61", BELL_SIGNED_SIGNATURE},
        {"//a?" END "&Signature=@&" KEY, "//a", BELL_SIGNED_SIGNATURE},
        {"/a?Expires=1900000001&Signature=@&" KEY, "/a", BELL_SIGNED_SIGNATURE},
        {"/a?" END "&Signature=!&" KEY, "/a", BELL_SIGNED_SIGNATURE},
        {"/a?" END "&Signature=@&Key-Pair-Id=KEC", "/a", BELL_SIGNED_SIGNATURE},
        {"/a?" END "&Signature=>&Policy=@&" KEY, "/a", BELL_SIGNED_SIGNATURE},
        {"/a?" END "&Signature=AAAA&" KEY, "/a", BELL_SIGNED_SIGNATURE},

        {"/a?" END "&Signature=@&Key-Pair-Id=KNONE", "/a", BELL_SIGNED_KEY},
        {"/a?" END "&Signature=@&Key-Pair-Id=krsa", "/a", BELL_SIGNED_KEY},
        {"/a?" END "&Signature=@&Key-Pair-Id=", "/a", BELL_SIGNED_KEY},
        {"/a?" END "&Signature=@&Key-Pair-Id", "/a", BELL_SIGNED_KEY},
        {"/a?" END "&Signature=@&Key-Pair-Id=K%52SA", "/a", BELL_SIGNED_KEY},
        {"/a?" END "&Signature=@&Key-Pair-Id=KOLD", "/a", BELL_SIGNED_KEY}, /* its time is over */
        {"/a?" END "&Signature=@&Key-Pair-Id=KMAC", "/a", BELL_SIGNED_ALGORITHM},
        {"/a?" END "&Signature=@&" KEY "&Hash-Algorithm=MD5", "/a", BELL_SIGNED_ALGORITHM},
        {"/a?" END "&Signature=@&" KEY "&Hash-Algorithm=sha1", "/a", BELL_SIGNED_ALGORITHM},
        {"/a?" END "&Signature=@&" KEY "&Hash-Algorithm=", "/a", BELL_SIGNED_ALGORITHM},
        {"/a?" END "&Signature=@&" KEY "&Hash-Algorithm", "/a", BELL_SIGNED_ALGORITHM},

        {"/a?" END "&Signature=@&" KEY "&" KEY, "/a", BELL_SIGNED_MALFORMED},
        {"/a?" END "&" END "&Signature=@&" KEY, "/a", BELL_SIGNED_MALFORMED},
        {"/a?" END "&Signature=@&Signature=@&" KEY, "/a", BELL_SIGNED_MALFORMED},
        {"/a?" END "&" END "&Signature=>&Policy=<&" KEY, "/a", BELL_SIGNED_MALFORMED},
        {"/a?Signature=>&Policy=<&Policy=<&" KEY, "/a", BELL_SIGNED_MALFORMED},
        {"/a?" END "&Signature=@&" KEY "&Hash-Algorithm=SHA1&Hash-Algorithm=SHA1", "/a", BELL_SIGNED_MALFORMED},
        {"/a?" END "&Signature=&" KEY, "/a", BELL_SIGNED_MALFORMED},
        {"/a?" END "&Signature&" KEY, "/a", BELL_SIGNED_MALFORMED},
        {"/a?" END "&Signature=A&" KEY, "/a", BELL_SIGNED_MALFORMED},
        {"/a?" END "&Signature=AB&" KEY, "/a", BELL_SIGNED_MALFORMED},
        {"/a?" END "&Signature=AAB&" KEY, "/a", BELL_SIGNED_MALFORMED},
        {"/a?" END "&Signature=A___&" KEY, "/a", BELL_SIGNED_MALFORMED},
        {"/a?" END "&Signature=AA_&" KEY, "/a", BELL_SIGNED_MALFORMED},
        {"/a?" END "&Signature=AA_A&" KEY, "/a", BELL_SIGNED_MALFORMED},
        {"/a?" END "&Signature=AA==&" KEY, "/a", BELL_SIGNED_MALFORMED},
        {"/a?" END "&Signature=AA+/&" KEY, "/a", BELL_SIGNED_MALFORMED},
        {"/a?" END "&Signature=AA%2B%2F&" KEY, "/a", BELL_SIGNED_MALFORMED},
        {"/a?" END "&Signature=AAA%41&" KEY, "/a", BELL_SIGNED_MALFORMED},
        {"/a?" END "&Signature=AAA%7e&" KEY, "/a", BELL_SIGNED_MALFORMED},
        {"/a?" END "&Signature=AAA%7&" KEY, "/a", BELL_SIGNED_MALFORMED},
        {"/a?" END "&Signature=AAA%&" KEY, "/a", BELL_SIGNED_MALFORMED},
        {"/a?" END "&Signature=AAA%7E&" KEY, "/a", BELL_SIGNED_SIGNATURE},
        {"/a?" END "&Signature=A%2DA%7E&" KEY, "/a", BELL_SIGNED_SIGNATURE},
        {"/a?" END "&Signature=AA%5F_&" KEY, "/a", BELL_SIGNED_SIGNATURE},
        {"/a?" END "&Signature=A%20A~&" KEY, "/a", BELL_SIGNED_MALFORMED},
        {"/a?Signature=>&Policy=&" KEY, "/a", BELL_SIGNED_MALFORMED},
        {"/a?" END "&Signature=>&Policy=&" KEY, "/a", BELL_SIGNED_MALFORMED},
        {"/a?Expires=&Signature=@&" KEY, "/a", BELL_SIGNED_MALFORMED},
        {"/a?Expires=0&Signature=@&" KEY, "/a", BELL_SIGNED_MALFORMED},
        {"/a?Expires=19000000000&Signature=@&" KEY, "/a", BELL_SIGNED_MALFORMED},
        {"/a?Expires=1900000000.0&Signature=@&" KEY, "/a", BELL_SIGNED_MALFORMED},
        {"/a?Expires=190000000%30&Signature=@&" KEY, "/a", BELL_SIGNED_MALFORMED},
        {"/a\"?" END "&Signature=@&" KEY, "/a\"", BELL_SIGNED_MALFORMED},
        {"/a\\?" END "&Signature=@&" KEY, "/a\\", BELL_SIGNED_MALFORMED},

        {"/a", "", BELL_SIGNED_MISSING},
        {"/a?", "", BELL_SIGNED_MISSING},
        {"/a?x=1", "", BELL_SIGNED_MISSING},
        {"/a?" END "&Signature=@", "", BELL_SIGNED_MISSING},
        {"/a?" END "&" KEY, "", BELL_SIGNED_MISSING},
        {"/a?Signature=@&" KEY, "", BELL_SIGNED_MISSING},
        {"/a?Policy=<&" KEY, "", BELL_SIGNED_MISSING},
        {"/a?" END "&Signature=@&key-pair-id=KRSA", "", BELL_SIGNED_MISSING},
        {"/a?" END "&Signature=@&Key%2DPair-Id=KRSA", "", BELL_SIGNED_MISSING},
        {"/a?" END "&KeyName=k&Signature=@", "", BELL_SIGNED_MISSING}, /* Google's */
        {"/Expires=1&Signature=@&" KEY, "", BELL_SIGNED_MISSING},
        {"", "", BELL_SIGNED_MISSING},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        signed_case c;
        bell_signed_result out;
        signed_case_init(&c);
        c.request.target = bell_str_of(fill(rows[i].target));
        expect(check(&c, &keys, &out), rows[i].want, rows[i].target);
        assert_row(bell_str_eq(out.target, bell_str_of(rows[i].left)), rows[i].target);
        assert_row((out.expires_s != 0) == (rows[i].want == BELL_SIGNED_OK), rows[i].target);
    }
}

#define COOKIES "CloudFront-Expires=1900000000; CloudFront-Signature=@; CloudFront-Key-Pair-Id=KRSA"

static void cookies(void **state) {
    static const struct {
        const char *target, *cookies;
        bell_signed_reason want;
    } rows[] = {
        {"/a", COOKIES, BELL_SIGNED_OK},
        {"/a", "x=1;" COOKIES ";y", BELL_SIGNED_OK},
        {"/any", "CloudFront-Policy=<; CloudFront-Signature=>; CloudFront-Key-Pair-Id=KRSA", BELL_SIGNED_OK},
        {"/any?x=1", "CloudFront-Policy=<; CloudFront-Signature=>; CloudFront-Key-Pair-Id=KRSA", BELL_SIGNED_OK},
        {"/any?Expires=1", "CloudFront-Policy=<; CloudFront-Signature=>; CloudFront-Key-Pair-Id=KRSA", BELL_SIGNED_OK}, /* somebody's own */
        {"/a", "CloudFront-Expires=1; CloudFront-Policy=<; CloudFront-Signature=>; CloudFront-Key-Pair-Id=KRSA", BELL_SIGNED_OK},
        {"/a", COOKIES "; CloudFront-Hash-Algorithm=SHA1", BELL_SIGNED_OK},
        {"/a?x=1&y", "CloudFront-Expires=1900000000;CloudFront-Signature=$;CloudFront-Key-Pair-Id=KRSA;CloudFront-Hash-Algorithm=SHA256",
         BELL_SIGNED_OK},
        {"/b", COOKIES, BELL_SIGNED_SIGNATURE},
        {"/a?x=1", COOKIES, BELL_SIGNED_SIGNATURE},
        {"/a", COOKIES "; CloudFront-Hash-Algorithm=SHA256", BELL_SIGNED_SIGNATURE},
        {"/a", COOKIES "; CloudFront-Hash-Algorithm=MD5", BELL_SIGNED_ALGORITHM},
        {"/a", COOKIES "; " COOKIES, BELL_SIGNED_MALFORMED},
        {"/a", COOKIES "; CloudFront-Expires=1900000000", BELL_SIGNED_MALFORMED},
        {"/a", "CloudFront-Expires=1900000000; CloudFront-Signature=\"@\"; CloudFront-Key-Pair-Id=KRSA", BELL_SIGNED_MALFORMED},
        {"/a", "CloudFront-Expires=1900000000; CloudFront-Signature=@", BELL_SIGNED_MISSING},
        {"/a", "Expires=1900000000; Signature=@; Key-Pair-Id=KRSA", BELL_SIGNED_MISSING},
        {"/a", "cloudfront-Expires=1900000000; CloudFront-Signature=@; CloudFront-Key-Pair-Id=KRSA", BELL_SIGNED_MISSING},
        {"/a", "", BELL_SIGNED_MISSING},
        /* a URL that is signed, or tries to be, decides alone */
        {"/a?" END "&Signature=@&" KEY, COOKIES, BELL_SIGNED_OK},
        {"/a?" END "&Signature=AAAA&" KEY, COOKIES, BELL_SIGNED_SIGNATURE},
        {"/a?Expires=1&Signature=AAAA&" KEY, "CloudFront-Policy=<; CloudFront-Signature=>; CloudFront-Key-Pair-Id=KRSA", BELL_SIGNED_SIGNATURE},
        {"/a?Signature=AAAA&" KEY, "CloudFront-Policy=<; CloudFront-Signature=>; CloudFront-Key-Pair-Id=KRSA", BELL_SIGNED_MISSING},
        {"/a?" KEY, COOKIES, BELL_SIGNED_MISSING},
        {"/a?Policy=AAAA", "CloudFront-Policy=<; CloudFront-Signature=>; CloudFront-Key-Pair-Id=KRSA", BELL_SIGNED_MISSING},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        signed_case c;
        bell_signed_result out;
        char target[2000];
        signed_case_init(&c);
        snprintf(target, sizeof(target), "%s", fill(rows[i].target));
        c.request.target = bell_str_of(target);
        json_t *headers = json_pack("{s:s}", "Cookie", fill(rows[i].cookies));
        c.headers = headers;
        expect(check(&c, &keys, &out), rows[i].want, rows[i].cookies);
        if (rows[i].want != BELL_SIGNED_MISSING && strstr(target, "Signature") == NULL) {
            assert_row(bell_str_eq(out.target, c.request.target), rows[i].cookies);
        }
        json_decref(headers);
    }
}

/* HTTP/2 may send each cookie in a field of its own. */
static void cookies_in_several_fields(void **state) {
    signed_case c;
    bell_signed_result out;

    (void)state;
    signed_case_init(&c);
    json_t *headers =
        json_pack("{s:[s,s,s]}", "cookie", "CloudFront-Key-Pair-Id=KRSA", "CloudFront-Expires=1900000000", fill("CloudFront-Signature=@"));
    c.headers = headers;
    c.request.target = BELL_STR("/a");
    expect(check(&c, &keys, &out), BELL_SIGNED_OK, "fields");
    assert_true(bell_str_eq(out.token, bell_str_of(fill("@"))));
    assert_int_equal(out.expires_s, 1900000000);
    json_decref(headers);
}

/* The text of a custom policy must not pass for a canned one of some URL, and what a URL says must not become a condition. */
static void one_kind_of_policy_is_not_the_other(void **state) {
    char target[2000];
    signed_case c;
    bell_signed_result out;

    (void)state;
    signed_case_init(&c);
    const char *policy = FOR("\"" HOST "/a\",\"Condition\":{" IP("203.0.113.1") "},\"x\":\"", LESS);
    snprintf(target, sizeof(target), "/a\",\"Condition\":{%s},\"x\":\"?" END "&Signature=%s&" KEY, IP("203.0.113.1"), sign(rsa, EVP_sha1(), policy));
    c.request.target = bell_str_of(target);
    expect(check(&c, &keys, &out), BELL_SIGNED_MALFORMED, "quotes");
}

typedef struct {
    unsigned calls;
    bool verdict;
    bell_signed_alg alg;
    char bytes[300], id[BELL_SIGNED_KEY_ID_BYTES + 1], spelled[16], known[16];
    size_t signature_len, spelled_len;
} asked;

static bool was_known(void *data, const bell_signed_key *key, bell_signed_alg alg, bell_str bytes, bell_str spelled) {
    asked *a = data;

    return alg == BELL_SIGNED_RSA_SHA1 && strcmp(key->id, "KRSA") == 0 && bytes.len > 0 && bell_str_eq(spelled, bell_str_of(a->known));
}

static bool ask(void *data, const bell_signed_key *key, bell_signed_alg alg, bell_str bytes, bell_str signature, bell_str spelled) {
    asked *a = data;

    a->calls++;
    snprintf(a->spelled, sizeof(a->spelled), "%.*s", BELL_STR_ARG(spelled));
    a->spelled_len = spelled.len;
    a->alg = alg;
    a->signature_len = signature.len;
    snprintf(a->bytes, sizeof(a->bytes), "%.*s", BELL_STR_ARG(bytes));
    snprintf(a->id, sizeof(a->id), "%s", key->id);
    return a->verdict;
}

static void the_verdict_of_a_cache(void **state) {
    signed_case c;
    bell_signed_result out;
    asked a = {.verdict = true};

    (void)state;
    signed_case_init(&c);
    bell_signed_call call = signed_call(&c, &keys);
    call.verifier.verify = ask;
    call.verifier.data = &a;
    c.request.target = BELL_STR("/a?b&" END "&Signature=AAAA&" KEY);
    expect(bell_cloudfront_check(&call, &usual, &out), BELL_SIGNED_OK, "kept");
    assert_true(a.calls == 1 && a.alg == BELL_SIGNED_RSA_SHA1 && a.signature_len == 3);
    assert_string_equal(a.id, "KRSA");
    assert_string_equal(a.spelled, "AAAA");
    assert_string_equal(a.bytes, FOR("\"" HOST "/a?b\"", LESS));
    c.request.now_s = 1900000000;
    expect(bell_cloudfront_check(&call, &usual, &out), BELL_SIGNED_EXPIRED, "the clock is asked each time");
    c.request.now_s = 1800000000;
    a.verdict = false;
    expect(bell_cloudfront_check(&call, &usual, &out), BELL_SIGNED_SIGNATURE, "not right");
    c.request.target = BELL_STR("/a?b&" END "&Signature=AAAA&Key-Pair-Id=KMAC");
    expect(bell_cloudfront_check(&call, &usual, &out), BELL_SIGNED_ALGORITHM, "no key of this issuer");
    assert_int_equal(a.calls, 3);
    char target[1000] = "/a?b&" END "&" KEY "&Signature=";
    size_t len = strlen(target);
    memset(target + len, 'A', 684); /* 513 bytes: no key's */
    c.request.target = bell_str_of(target);
    expect(bell_cloudfront_check(&call, &usual, &out), BELL_SIGNED_MALFORMED, "longer than any");
    assert_int_equal(a.calls, 3);
}

/* A text that is known is not decoded, not even one that could not be; one with escapes is kept as what it stands for. */
static void a_signature_that_is_known(void **state) {
    signed_case c;
    bell_signed_result out;
    asked a = {.verdict = true, .known = "~no~base64~~"};

    (void)state;
    signed_case_init(&c);
    bell_signed_call call = signed_call(&c, &keys);
    call.verifier = (bell_signed_verifier){.verify = ask, .known = was_known, .data = &a};
    c.request.target = BELL_STR("/a?" END "&Signature=~no~base64~~&" KEY);
    expect(bell_cloudfront_check(&call, &usual, &out), BELL_SIGNED_OK, "known");
    assert_int_equal(a.calls, 0);
    c.request.now_s = 1900000000;
    expect(bell_cloudfront_check(&call, &usual, &out), BELL_SIGNED_EXPIRED, "and the clock is asked");
    c.request.now_s = 1800000000;
    c.request.target = BELL_STR("/a?" END "&Signature=~no~base64~~&Key-Pair-Id=KP256");
    assert_int_not_equal(bell_cloudfront_check(&call, &usual, &out), BELL_SIGNED_OK);
    c.request.target = BELL_STR("/a?" END "&Signature=AAA%2D&" KEY);
    expect(bell_cloudfront_check(&call, &usual, &out), BELL_SIGNED_OK, "escaped");
    assert_true(a.calls == 1 && a.spelled_len == 3);
}

/* Who is known by a canned policy is not looked at for dot segments again: those who have them are never kept. A custom policy says nothing of them.
 */
static void dot_segments_are_not_kept(void **state) {
    char target[1000], policy[400];
    signed_case c;
    bell_signed_result out;
    asked a = {.verdict = true, .known = "~no~base64~~"};

    (void)state;
    signed_case_init(&c);
    bell_signed_call call = signed_call(&c, &keys);
    call.verifier = (bell_signed_verifier){.verify = ask, .known = was_known, .data = &a};
    c.request.target = BELL_STR("/b/../a?" END "&Signature=AAAA&" KEY);
    expect(bell_cloudfront_check(&call, &usual, &out), BELL_SIGNED_PATH, "signed, and not plain");
    assert_true(a.calls == 1 && a.spelled_len == 0);
    encode(ANY(LESS), strlen(ANY(LESS)), policy);
    snprintf(target, sizeof(target), "/b/../a?Policy=%s&Signature=~no~base64~~&" KEY, policy);
    c.request.target = bell_str_of(target);
    expect(bell_cloudfront_check(&call, &usual, &out), BELL_SIGNED_PATH, "known, and not plain");
    assert_int_equal(a.calls, 1);
}

/* Whatever the room, there is a verdict, and none that allows what more room would refuse. */
static void room_that_is_used_up(void **state) {
    char target[3000];
    signed_case c;
    bell_signed_result out;

    (void)state;
    signed_case_init(&c);
    snprintf(target, sizeof(target), "%s", custom("/a", "{\"Statement\":[{\"Condition\":{" LESS "},\"Resource\":\"" HOST "/a\"}]}", false));
    c.request.target = bell_str_of(target);
    for (size_t bytes = 0; bytes < 4000; bytes++) {
        bell_signed_call call = signed_call(&c, &keys);
        c.room.left = bytes;
        bell_signed_reason r = bell_cloudfront_check(&call, &usual, &out);
        assert_true(r == BELL_SIGNED_OK || r == BELL_SIGNED_MALFORMED);
        assert_true(bell_str_eq(out.target, BELL_STR("/a")));
        assert_true(r == BELL_SIGNED_OK || bytes < 3000);
    }
}

static void long_ones(void **state) {
    static char target[70000];
    signed_case c;
    bell_signed_result out;

    (void)state;
    for (int policy = 0; policy < 2; policy++) {
        signed_case_init(&c);
        size_t n = (size_t)snprintf(target, sizeof(target), "/a?" END "&" KEY "&%sSignature=", policy ? "Signature=AAAA&Policy=AAAA&x" : "");
        memset(target + n, 'A', 65536);
        target[n + 65536] = '\0';
        c.request.target = bell_str_of(target);
        assert_int_equal(check(&c, &keys, &out), BELL_SIGNED_MALFORMED);
    }
    /* a policy that is deep, with a right signature */
    signed_case_init(&c);
    memset(target, '[', 3000);
    target[3000] = '\0';
    char copy[3001];
    memcpy(copy, target, sizeof(copy));
    c.request.target = bell_str_of(custom("/a", copy, false));
    assert_int_equal(check(&c, &keys, &out), BELL_SIGNED_MALFORMED);
}

/* ---- one bit anywhere */

/* Where a flipped bit must not pass: the whole target of a canned URL and of a policy for one URL; else the parameters of the token. Expires beside a
 * policy says nothing, and a star covers what it covers. */
static void protected_part(bell_str target, size_t *from, size_t *to) {
    const char *end = target.p + target.len, *policy = memmem(target.p, target.len, "Policy=", 7), *own;

    *from = 0;
    *to = target.len;
    if (policy == NULL) {
        return;
    }
    *from = (size_t)(policy - target.p);
    own = memmem(policy, (size_t)(end - policy), "&Expires=", 9);
    if (own != NULL) {
        *to = (size_t)(own - target.p);
    }
}

static void flip(const json_t *v, uint64_t *seed, unsigned times) {
    static char text[8192];
    signed_case c;
    bell_signed_result out;
    size_t from, to;
    json_t *headers = NULL;

    signed_case_of(v, &c);
    bell_str cookie = signed_text(c.headers, "Cookie"), subject = c.request.target;
    bool in_cookie = cookie.len > 0 && memchr(subject.p, '?', subject.len) == NULL;
    protected_part(subject, &from, &to);
    if (in_cookie) {
        subject = cookie;
        from = 0;
        to = cookie.len;
    }
    assert_true(subject.len < sizeof(text));
    for (unsigned i = 0; i < times; i++) {
        size_t at = from + signed_random(seed) % (to - from);
        memcpy(text, subject.p, subject.len);
        text[at] ^= (char)(1 << signed_random(seed) % 8);
        bell_str mutant = {text, subject.len};
        if (in_cookie) {
            headers = json_pack("{s:o}", "Cookie", json_stringn_nocheck(mutant.p, mutant.len));
            c.headers = headers;
        } else {
            c.request.target = mutant;
        }
        if (check(&c, &vector_keys, &out) == BELL_SIGNED_OK) {
            fail_msg("%s passes with another bit at %zu: %.*s", json_string_value(json_object_get(v, "id")), at, BELL_STR_ARG(mutant));
        }
        json_decref(headers);
        headers = NULL;
    }
}

static void one_flipped_bit(void **state) {
    uint64_t seed = 5;
    unsigned done = 0;
    const json_t *v;
    size_t i;

    (void)state;
    while (done < 10000) {
        json_array_foreach(json_object_get(vectors, "vectors"), i, v) {
            bool others = bell_str_eq(signed_text(v, "id"), BELL_STR("cf-cookie-custom-with-others")); /* cookies that are not ours */
            if (bell_str_eq(signed_text(v, "expect"), BELL_STR("allow")) && !others) {
                flip(v, &seed, 50);
                done += 50;
            }
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_vectors),
        cmocka_unit_test(custom_policies),
        cmocka_unit_test(two_readers),
        cmocka_unit_test(a_policy_without_a_resource_where_that_is_allowed),
        cmocka_unit_test(clients_of_other_families),
        cmocka_unit_test(urls),
        cmocka_unit_test(cookies),
        cmocka_unit_test(cookies_in_several_fields),
        cmocka_unit_test(one_kind_of_policy_is_not_the_other),
        cmocka_unit_test(the_verdict_of_a_cache),
        cmocka_unit_test(a_signature_that_is_known),
        cmocka_unit_test(dot_segments_are_not_kept),
        cmocka_unit_test(room_that_is_used_up),
        cmocka_unit_test(long_ones),
        cmocka_unit_test(one_flipped_bit),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
