#include "bell_base64.h"
#include "bell_token.h"
#include "unit.h"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define NOW 1800000000
#define SID "0123456789abcdef0123456789abcdef"

/* Two P-256 keys and what must not be taken for one, in files of a directory of the test's own. */
static char dir[] = "/tmp/bell-token-XXXXXX";
static const char *const files[] = {"one.pem", "one.pub", "two.pem", "p384.pem", "rsa.pem", "locked.pem", "rubbish.pem", "empty.pem"};
static EVP_PKEY *one;
static bell_token_key *key_one, *public_one, *key_two;

static const char *path_of(const char *name) {
    static char path[100];

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    return path;
}

static void write_private(const char *name, EVP_PKEY *k, const char *pass_phrase) {
    FILE *f = fopen(path_of(name), "w");
    const EVP_CIPHER *cipher = pass_phrase ? EVP_aes_128_cbc() : NULL;

    assert_non_null(f);
    assert_int_equal(PEM_write_PrivateKey(f, k, cipher, NULL, 0, NULL, (void *)pass_phrase), 1);
    fclose(f);
}

static void write_text(const char *name, const char *text) {
    FILE *f = fopen(path_of(name), "w");

    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static int set_up(void **state) {
    EVP_PKEY *two = EVP_EC_gen("P-256"), *p384 = EVP_EC_gen("P-384"), *rsa = EVP_RSA_gen(2048);
    char err[300] = "";
    FILE *f;

    (void)state;
    one = EVP_EC_gen("P-256");
    assert_non_null(mkdtemp(dir));
    write_private("one.pem", one, NULL);
    write_private("two.pem", two, NULL);
    write_private("p384.pem", p384, NULL);
    write_private("rsa.pem", rsa, NULL);
    write_private("locked.pem", one, "secret");
    write_text("rubbish.pem", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
    write_text("empty.pem", "");
    f = fopen(path_of("one.pub"), "w");
    assert_int_equal(PEM_write_PUBKEY(f, one), 1);
    fclose(f);
    EVP_PKEY_free(two);
    EVP_PKEY_free(p384);
    EVP_PKEY_free(rsa);
    key_one = bell_token_key_load(path_of("one.pem"), err, sizeof(err));
    public_one = bell_token_key_load(path_of("one.pub"), err, sizeof(err));
    key_two = bell_token_key_load(path_of("two.pem"), err, sizeof(err));
    assert_string_equal(err, "");
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    for (size_t i = 0; i < ROWS(files); i++) {
        unlink(path_of(files[i]));
    }
    rmdir(dir);
    bell_token_key_free(key_one);
    bell_token_key_free(public_one);
    bell_token_key_free(key_two);
    EVP_PKEY_free(one);
    return 0;
}

static const bell_token_claims claims = {.tenant_id = 42, .user_id = 7, .sid = SID, .role = 2, .issued_s = NOW, .expires_s = NOW + 3600};

static bell_token_verdict verify_with(const bell_token_key *k, bell_str token, int64_t now_s, bell_token_claims *out) {
    return bell_token_verify(&k, 1, token, 42, now_s, out);
}

static void keys(void **state) {
    static const struct {
        const char *file, *err;
    } rows[] = {
        {"p384.pem", "%s: the key is not on the curve P-256; make one with openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256"},
        {"rsa.pem", "%s: the key is not on the curve P-256; make one with openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256"},
        {"locked.pem", "%s: found no PEM key without a pass phrase; expected a P-256 private key or public key"},
        {"rubbish.pem", "%s: found no PEM key without a pass phrase; expected a P-256 private key or public key"},
        {"empty.pem", "%s: found no PEM key without a pass phrase; expected a P-256 private key or public key"},
        {"none.pem", "%s: cannot read the key: No such file or directory"},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        char err[300] = "", expected[300];

        assert_null(bell_token_key_load(path_of(rows[i].file), err, sizeof(err)));
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(expected, sizeof(expected), rows[i].err, path_of(rows[i].file));
#pragma GCC diagnostic pop
        assert_string_equal(err, expected);
        assert_int_equal(ERR_peek_error(), 0);
    }
    bell_token_key_free(NULL);
}

static void key_ids(void **state) {
    unsigned char hash[32], *der = NULL;
    char expected[12];
    int len = i2d_PUBKEY(one, &der);

    (void)state;
    assert_int_equal(EVP_Digest(der, (size_t)len, hash, NULL, EVP_sha256(), NULL), 1);
    OPENSSL_free(der);
    bell_base64url_encode(hash, 8, expected);
    assert_string_equal(bell_token_key_id(key_one), expected);
    assert_string_equal(bell_token_key_id(public_one), expected);
    assert_string_not_equal(bell_token_key_id(key_two), expected);
}

/* A public file may spell the point compressed: still the same key. */
static void a_compressed_point_is_the_same_key(void **state) {
    char err[300] = "";
    bell_token_key *k;
    FILE *f = fopen(path_of("one.pub"), "w");

    (void)state;
    assert_int_equal(EVP_PKEY_set_utf8_string_param(one, "point-format", "compressed"), 1);
    assert_int_equal(PEM_write_PUBKEY(f, one), 1);
    fclose(f);
    assert_int_equal(EVP_PKEY_set_utf8_string_param(one, "point-format", "uncompressed"), 1);
    k = bell_token_key_load(path_of("one.pub"), err, sizeof(err));
    assert_string_equal(err, "");
    assert_string_equal(bell_token_key_id(k), bell_token_key_id(key_one));
    bell_token_key_free(k);
}

static void there_and_back(void **state) {
    const bell_token_claims extreme = {UINT32_MAX, UINT64_MAX, "ffffffffffffffffffffffffffffffff", UINT32_MAX, 0, INT64_MAX};
    const bell_token_key *both[] = {key_two, public_one};
    char token[BELL_TOKEN_MAX_BYTES];
    bell_token_claims c;
    long len;

    (void)state;
    len = bell_token_mint(key_one, &claims, token);
    assert_int_equal(len, strlen(token));
    assert_int_equal(bell_token_verify(both, 2, bell_str_of(token), 42, NOW, &c), BELL_TOKEN_OK);
    assert_int_equal(c.tenant_id, 42);
    assert_int_equal(c.user_id, 7);
    assert_string_equal(c.sid, SID);
    assert_int_equal(c.role, 2);
    assert_int_equal(c.issued_s, NOW);
    assert_int_equal(c.expires_s, NOW + 3600);
    assert_true(bell_token_mint(key_one, &extreme, token) > 0);
    assert_int_equal(bell_token_verify(both, 2, bell_str_of(token), UINT32_MAX, NOW, &c), BELL_TOKEN_OK);
    assert_true(c.user_id == UINT64_MAX && c.expires_s == INT64_MAX && c.role == UINT32_MAX);
}

/* r and s begin with zero bytes now and then: their places are fixed all the same. */
static void many_signatures(void **state) {
    char token[BELL_TOKEN_MAX_BYTES];
    bell_token_claims c;

    (void)state;
    for (int i = 0; i < 600; i++) {
        assert_true(bell_token_mint(key_one, &claims, token) > 0);
        assert_int_equal(verify_with(public_one, bell_str_of(token), NOW, &c), BELL_TOKEN_OK);
    }
}

static void what_cannot_be_minted(void **state) {
    bell_token_claims c = claims;
    char token[BELL_TOKEN_MAX_BYTES];

    (void)state;
    assert_int_equal(bell_token_mint(public_one, &c, token), -1);
    strcpy(c.sid, "0123456789abcdef0123456789abcde");
    assert_int_equal(bell_token_mint(key_one, &c, token), -1);
    strcpy(c.sid, "0123456789ABCDEF0123456789ABCDEF");
    assert_int_equal(bell_token_mint(key_one, &c, token), -1);
    strcpy(c.sid, "\"}");
    assert_int_equal(bell_token_mint(key_one, &c, token), -1);
    memset(c.sid, 'a', sizeof(c.sid));
    assert_int_equal(bell_token_mint(key_one, &c, token), -1);
}

static void clocks(void **state) {
    static const struct {
        int64_t now_s;
        bell_token_verdict verdict;
    } rows[] = {
        {NOW, BELL_TOKEN_OK},      {NOW + 3599, BELL_TOKEN_OK},    {NOW + 3600, BELL_TOKEN_EXPIRED}, {INT64_MAX, BELL_TOKEN_EXPIRED},
        {NOW - 60, BELL_TOKEN_OK}, {NOW - 61, BELL_TOKEN_NOT_YET}, {0, BELL_TOKEN_NOT_YET},          {INT64_MIN, BELL_TOKEN_NOT_YET},
    };
    char token[BELL_TOKEN_MAX_BYTES];

    (void)state;
    assert_true(bell_token_mint(key_one, &claims, token) > 0);
    for (size_t i = 0; i < ROWS(rows); i++) {
        bell_token_claims c = {0};

        assert_int_equal(verify_with(key_one, bell_str_of(token), rows[i].now_s, &c), rows[i].verdict);
        assert_int_equal(c.user_id, rows[i].verdict == BELL_TOKEN_OK ? 7 : 0);
    }
}

static void another_tenant(void **state) {
    const bell_token_key *k = key_one;
    char token[BELL_TOKEN_MAX_BYTES];
    bell_token_claims c = {0};

    (void)state;
    assert_true(bell_token_mint(key_one, &claims, token) > 0);
    assert_int_equal(bell_token_verify(&k, 1, bell_str_of(token), 43, NOW, &c), BELL_TOKEN_WRONG_TENANT);
    assert_int_equal(bell_token_verify(&k, 1, bell_str_of(token), 0, NOW, &c), BELL_TOKEN_WRONG_TENANT);
    assert_int_equal(c.user_id, 0);
}

static void other_keys(void **state) {
    char token[BELL_TOKEN_MAX_BYTES];
    bell_token_claims c;

    (void)state;
    assert_true(bell_token_mint(key_one, &claims, token) > 0);
    assert_int_equal(verify_with(key_two, bell_str_of(token), NOW, &c), BELL_TOKEN_UNKNOWN_KEY);
    assert_int_equal(bell_token_verify(NULL, 0, bell_str_of(token), 42, NOW, &c), BELL_TOKEN_UNKNOWN_KEY);
}

/* Signs header.payload with key one, whatever they are: what a holder of the key could say, or an old version of it. */
static void forge(const char *header, const char *payload, char *out) {
    unsigned char der[80];
    unsigned char raw[64];
    const unsigned char *p = der;
    size_t len = sizeof(der), n;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    ECDSA_SIG *sig;

    n = bell_base64url_encode(header, strlen(header), out);
    out[n++] = '.';
    n += bell_base64url_encode(payload, strlen(payload), out + n);
    assert_int_equal(EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, one), 1);
    assert_int_equal(EVP_DigestSign(ctx, der, &len, (unsigned char *)out, n), 1);
    EVP_MD_CTX_free(ctx);
    sig = d2i_ECDSA_SIG(NULL, &p, (long)len);
    BN_bn2binpad(ECDSA_SIG_get0_r(sig), raw, 32);
    BN_bn2binpad(ECDSA_SIG_get0_s(sig), raw + 32, 32);
    ECDSA_SIG_free(sig);
    out[n++] = '.';
    bell_base64url_encode(raw, sizeof(raw), out + n);
}

static void headers(void **state) {
    static const struct {
        const char *header; /* %s: the id of the key that signed */
        bell_token_verdict verdict;
    } rows[] = {
        {"{\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\"%s\"}", BELL_TOKEN_OK},
        {"{\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\"AAAAAAAAAAA\"}", BELL_TOKEN_UNKNOWN_KEY},
        {"{\"alg\":\"none\",\"typ\":\"JWT\",\"kid\":\"%s\"}", BELL_TOKEN_MALFORMED},
        {"{\"alg\":\"HS256\",\"typ\":\"JWT\",\"kid\":\"%s\"}", BELL_TOKEN_MALFORMED},
        {"{\"alg\":\"ES384\",\"typ\":\"JWT\",\"kid\":\"%s\"}", BELL_TOKEN_MALFORMED},
        {"{\"alg\":\"es256\",\"typ\":\"JWT\",\"kid\":\"%s\"}", BELL_TOKEN_MALFORMED},
        {"{\"typ\":\"JWT\",\"alg\":\"ES256\",\"kid\":\"%s\"}", BELL_TOKEN_MALFORMED},
        {"{\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\"%s\",\"crit\":[\"x\"]}", BELL_TOKEN_MALFORMED},
        {"{\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\"%s\",\"jwk\":{}}", BELL_TOKEN_MALFORMED},
        {"{\"alg\":\"ES256\",\"alg\":\"none\",\"typ\":\"JWT\",\"kid\":\"%s\"}", BELL_TOKEN_MALFORMED},
        {"{\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\"%s\"} ", BELL_TOKEN_MALFORMED},
        {"{\"alg\": \"ES256\",\"typ\":\"JWT\",\"kid\":\"%s\"}", BELL_TOKEN_MALFORMED},
        {"{\"alg\":\"ES256\",\"typ\":\"JWT\"}", BELL_TOKEN_MALFORMED},
        {"{}", BELL_TOKEN_MALFORMED},
        {"", BELL_TOKEN_MALFORMED},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        char header[200], token[BELL_TOKEN_MAX_BYTES];
        bell_token_claims c;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-extra-args"
        snprintf(header, sizeof(header), rows[i].header, bell_token_key_id(key_one));
#pragma GCC diagnostic pop
        forge(header, "{\"aud\":\"42\",\"sub\":\"7\",\"sid\":\"" SID "\",\"role\":2,\"iat\":1800000000,\"exp\":1800003600}", token);
        assert_row(verify_with(key_one, bell_str_of(token), NOW, &c) == rows[i].verdict, rows[i].header);
    }
}

static void payloads(void **state) {
    static const struct {
        const char *payload;
        bell_token_verdict verdict;
    } rows[] = {
        {"{\"aud\":\"42\",\"sub\":\"7\",\"sid\":\"" SID "\",\"role\":2,\"iat\":1800000000,\"exp\":1800003600}", BELL_TOKEN_OK},
        {"{\"exp\":1800003600,\"more\":[],\"aud\":\"42\",\"sub\":\"7\",\"sid\":\"" SID "\",\"role\":2,\"iat\":1800000000}", BELL_TOKEN_OK},
        {"{\"aud\":\"42\",\"aud\":\"42\",\"sub\":\"7\",\"sid\":\"" SID "\",\"role\":2,\"iat\":1800000000,\"exp\":1800003600}", BELL_TOKEN_MALFORMED},
        {"{\"aud\":\"43\",\"sub\":\"7\",\"sid\":\"" SID "\",\"role\":2,\"iat\":1800000000,\"exp\":1800003600}", BELL_TOKEN_WRONG_TENANT},
        {"{\"aud\":42,\"sub\":\"7\",\"sid\":\"" SID "\",\"role\":2,\"iat\":1800000000,\"exp\":1800003600}", BELL_TOKEN_MALFORMED},
        {"{\"aud\":[\"42\"],\"sub\":\"7\",\"sid\":\"" SID "\",\"role\":2,\"iat\":1800000000,\"exp\":1800003600}", BELL_TOKEN_MALFORMED},
        {"{\"aud\":\"+42\",\"sub\":\"7\",\"sid\":\"" SID "\",\"role\":2,\"iat\":1800000000,\"exp\":1800003600}", BELL_TOKEN_MALFORMED},
        {"{\"aud\":\"4294967338\",\"sub\":\"7\",\"sid\":\"" SID "\",\"role\":2,\"iat\":1800000000,\"exp\":1800003600}", BELL_TOKEN_MALFORMED},
        {"{\"aud\":\"42\",\"sub\":7,\"sid\":\"" SID "\",\"role\":2,\"iat\":1800000000,\"exp\":1800003600}", BELL_TOKEN_MALFORMED},
        {"{\"aud\":\"42\",\"sub\":\"\",\"sid\":\"" SID "\",\"role\":2,\"iat\":1800000000,\"exp\":1800003600}", BELL_TOKEN_MALFORMED},
        {"{\"aud\":\"42\",\"sub\":\"7\",\"sid\":\"" SID "0\",\"role\":2,\"iat\":1800000000,\"exp\":1800003600}", BELL_TOKEN_MALFORMED},
        {"{\"aud\":\"42\",\"sub\":\"7\",\"sid\":\"x\",\"role\":2,\"iat\":1800000000,\"exp\":1800003600}", BELL_TOKEN_MALFORMED},
        {"{\"aud\":\"42\",\"sub\":\"7\",\"role\":2,\"iat\":1800000000,\"exp\":1800003600}", BELL_TOKEN_MALFORMED},
        {"{\"aud\":\"42\",\"sub\":\"7\",\"sid\":\"" SID "\",\"role\":-1,\"iat\":1800000000,\"exp\":1800003600}", BELL_TOKEN_MALFORMED},
        {"{\"aud\":\"42\",\"sub\":\"7\",\"sid\":\"" SID "\",\"role\":4294967296,\"iat\":1800000000,\"exp\":1800003600}", BELL_TOKEN_MALFORMED},
        {"{\"aud\":\"42\",\"sub\":\"7\",\"sid\":\"" SID "\",\"role\":2,\"iat\":1800000000.5,\"exp\":1800003600}", BELL_TOKEN_MALFORMED},
        {"{\"aud\":\"42\",\"sub\":\"7\",\"sid\":\"" SID "\",\"role\":2,\"iat\":1800000000,\"exp\":\"1800003600\"}", BELL_TOKEN_MALFORMED},
        {"{\"aud\":\"42\",\"sub\":\"7\",\"sid\":\"" SID "\",\"role\":2,\"iat\":1800000000,\"exp\":-1}", BELL_TOKEN_MALFORMED},
        {"{\"aud\":\"42\",\"sub\":\"7\",\"sid\":\"" SID "\",\"role\":2,\"iat\":1800000000}", BELL_TOKEN_MALFORMED},
        {"{\"aud\":\"42\",\"sub\":\"7\",\"sid\":\"" SID "\",\"role\":2,\"iat\":1800000000,\"exp\":1800003600}x", BELL_TOKEN_MALFORMED},
        {"[]", BELL_TOKEN_MALFORMED},
        {"x", BELL_TOKEN_MALFORMED},
    };
    char header[200];

    (void)state;
    snprintf(header, sizeof(header), "{\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\"%s\"}", bell_token_key_id(key_one));
    for (size_t i = 0; i < ROWS(rows); i++) {
        char token[BELL_TOKEN_MAX_BYTES];
        bell_token_claims c = {0};

        forge(header, rows[i].payload, token);
        assert_row(verify_with(key_one, bell_str_of(token), NOW, &c) == rows[i].verdict, rows[i].payload);
        assert_row((c.user_id == 7) == (rows[i].verdict == BELL_TOKEN_OK), rows[i].payload);
    }
}

/* Change any one letter, cut anywhere, add anything: never valid, and never an error left behind in OpenSSL's queue. */
static void tampering(void **state) {
    char token[BELL_TOKEN_MAX_BYTES + 2], more[BELL_TOKEN_MAX_BYTES + 2];
    bell_token_claims c;
    long len = bell_token_mint(key_one, &claims, token);

    (void)state;
    for (long i = 0; i < len; i++) {
        char saved = token[i];

        token[i] = saved == 'A' ? 'B' : 'A';
        assert_int_not_equal(verify_with(key_one, bell_str_of(token), NOW, &c), BELL_TOKEN_OK);
        token[i] = saved;
        assert_int_not_equal(verify_with(key_one, (bell_str){token, (size_t)i}, NOW, &c), BELL_TOKEN_OK);
    }
    assert_int_equal(ERR_peek_error(), 0);
    for (const char *tail = "A.=\n \xFF"; *tail; tail++) {
        snprintf(more, sizeof(more), "%.*s%c", (int)len, token, *tail);
        assert_int_equal(verify_with(key_one, bell_str_of(more), NOW, &c), BELL_TOKEN_MALFORMED);
        snprintf(more, sizeof(more), "%c%.*s", *tail, (int)len, token);
        assert_int_equal(verify_with(key_one, bell_str_of(more), NOW, &c), BELL_TOKEN_MALFORMED);
    }
    assert_int_equal(verify_with(key_one, BELL_STR_NULL, NOW, &c), BELL_TOKEN_MALFORMED);
    memset(more, 'A', sizeof(more));
    assert_int_equal(verify_with(key_one, (bell_str){more, BELL_TOKEN_MAX_BYTES}, NOW, &c), BELL_TOKEN_MALFORMED);
}

/* CVE-2022-21449 and its kin: zero, and the group's order, as r and s. */
static void signatures_of_nothing(void **state) {
    static const unsigned char order[] = {0xFF, 0xFF, 0xFF, 0xFF, 0,    0,    0,    0,    0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
                                          0xBC, 0xE6, 0xFA, 0xAD, 0xA7, 0x17, 0x9E, 0x84, 0xF3, 0xB9, 0xCA, 0xC2, 0xFC, 0x63, 0x25, 0x51};
    unsigned char raw[64] = {0};
    char token[BELL_TOKEN_MAX_BYTES];
    bell_token_claims c;
    char *signature;

    (void)state;
    assert_true(bell_token_mint(key_one, &claims, token) > 0);
    signature = strrchr(token, '.') + 1;
    bell_base64url_encode(raw, sizeof(raw), signature);
    assert_int_equal(verify_with(key_one, bell_str_of(token), NOW, &c), BELL_TOKEN_BAD_SIGNATURE);
    memcpy(raw, order, 32);
    memcpy(raw + 32, order, 32);
    bell_base64url_encode(raw, sizeof(raw), signature);
    assert_int_equal(verify_with(key_one, bell_str_of(token), NOW, &c), BELL_TOKEN_BAD_SIGNATURE);
    memset(raw, 0xFF, sizeof(raw));
    bell_base64url_encode(raw, sizeof(raw), signature);
    assert_int_equal(verify_with(key_one, bell_str_of(token), NOW, &c), BELL_TOKEN_BAD_SIGNATURE);
}

static void verdicts_have_sentences(void **state) {
    (void)state;
    for (bell_token_verdict v = BELL_TOKEN_OK; v <= BELL_TOKEN_WRONG_TENANT; v++) {
        assert_string_not_equal(bell_token_verdict_text(v), "the verdict is not known");
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys),
        cmocka_unit_test(key_ids),
        cmocka_unit_test(a_compressed_point_is_the_same_key),
        cmocka_unit_test(there_and_back),
        cmocka_unit_test(many_signatures),
        cmocka_unit_test(what_cannot_be_minted),
        cmocka_unit_test(clocks),
        cmocka_unit_test(another_tenant),
        cmocka_unit_test(other_keys),
        cmocka_unit_test(headers),
        cmocka_unit_test(payloads),
        cmocka_unit_test(tampering),
        cmocka_unit_test(signatures_of_nothing),
        cmocka_unit_test(verdicts_have_sentences),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
