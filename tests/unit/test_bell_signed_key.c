#include "bell_signed_key.h"

#include "jose.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>

static EVP_PKEY *rsa, *p256, *ed25519;

static int set_up(void **state) {
    (void)state;
    rsa = EVP_RSA_gen(2048);
    p256 = EVP_EC_gen("P-256");
    ed25519 = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    return rsa == NULL || p256 == NULL || ed25519 == NULL;
}

static int tear_down(void **state) {
    (void)state;
    EVP_PKEY_free(rsa);
    EVP_PKEY_free(p256);
    EVP_PKEY_free(ed25519);
    return 0;
}

static bell_signed_key *public_of(const char *material) {
    const char *why = "left";
    bell_signed_key *k = bell_signed_key_public(BELL_STR("k1"), bell_str_of(material), &why);

    assert_true((k == NULL) == (why != NULL));
    assert_int_equal(ERR_peek_error(), 0);
    if (k != NULL) {
        assert_string_equal(k->id, "k1");
        assert_int_equal(k->id_len, 2);
        assert_true(k->from_s == 0 && k->until_s == 0 && k->mac.hash == BELL_HMAC_NONE);
    }
    return k;
}

static bell_signed_key *secret_of(bell_signed_alg alg, const char *material, bool hex) {
    const char *why = "left";
    bell_signed_key *k = bell_signed_key_secret(BELL_STR("s"), alg, bell_str_of(material), hex, &why);

    assert_true((k == NULL) == (why != NULL));
    assert_int_equal(ERR_peek_error(), 0);
    return k;
}

typedef enum { PUBLIC, PRIVATE } pem_kind;

static char *pem_of(EVP_PKEY *pkey, pem_kind kind) {
    static char text[8192];
    BIO *out = BIO_new(BIO_s_mem());

    if (kind == PUBLIC) {
        assert_int_equal(PEM_write_bio_PUBKEY(out, pkey), 1);
    } else {
        assert_int_equal(PEM_write_bio_PrivateKey(out, pkey, NULL, NULL, 0, NULL, NULL), 1);
    }
    int n = BIO_read(out, text, sizeof(text) - 1);
    assert_true(n > 0);
    text[n] = '\0';
    BIO_free(out);
    return text;
}

static size_t sign(EVP_PKEY *pkey, const EVP_MD *md, bell_str bytes, unsigned char out[512]) {
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    size_t len = 512;

    assert_int_equal(EVP_DigestSignInit(ctx, NULL, md, NULL, pkey), 1);
    assert_int_equal(EVP_DigestSign(ctx, out, &len, (const unsigned char *)bytes.p, bytes.len), 1);
    EVP_MD_CTX_free(ctx);
    return len;
}

/* Every form of a key verifies what the key signed, has one fingerprint, and takes its own algorithms alone. */
static void forms_of_public_keys(void **state) {
    struct {
        EVP_PKEY *pkey;
        void (*members)(EVP_PKEY *, char *, size_t);
        bell_signed_key_type type;
        bell_signed_alg algs[2];
    } rows[] = {{rsa, jose_rsa, BELL_SIGNED_RSA, {BELL_SIGNED_RSA_SHA1, BELL_SIGNED_RSA_SHA256}},
                {p256, jose_p256, BELL_SIGNED_P256, {BELL_SIGNED_ECDSA_SHA1, BELL_SIGNED_ECDSA_SHA256}},
                {ed25519, jose_ed25519, BELL_SIGNED_EDDSA, {BELL_SIGNED_ED25519, BELL_SIGNED_ED25519}}};

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        char members[1200], jwk[1300];
        rows[i].members(rows[i].pkey, members, sizeof(members));
        snprintf(jwk, sizeof(jwk), " {\"use\":\"sig\",%s}\n", members);
        bell_signed_key *a = public_of(pem_of(rows[i].pkey, PUBLIC)), *b = public_of(jwk);
        assert_non_null(a);
        assert_non_null(b);
        assert_true(a->type == rows[i].type && b->type == a->type && a->fingerprint == b->fingerprint && a->fingerprint != 0);
        for (unsigned alg = BELL_SIGNED_HMAC_MD5; alg <= BELL_SIGNED_ED25519; alg++) {
            bool own = alg == rows[i].algs[0] || alg == rows[i].algs[1];
            const EVP_MD *md = alg == BELL_SIGNED_RSA_SHA1 || alg == BELL_SIGNED_ECDSA_SHA1 ? EVP_sha1() : EVP_sha256();
            unsigned char sig[512];
            size_t len = sign(rows[i].pkey, rows[i].pkey == ed25519 ? NULL : md, BELL_STR("signed"), sig);
            bell_str s = {(char *)sig, len};
            assert_int_equal(bell_signed_key_takes(a, alg), own);
            assert_int_equal(bell_signed_key_verify(a, alg, BELL_STR("signed"), s), own);
            assert_int_equal(bell_signed_key_verify(b, alg, BELL_STR("signed"), s), own);
            assert_false(bell_signed_key_verify(a, alg, BELL_STR("signee"), s));
            assert_false(bell_signed_key_verify(a, alg, BELL_STR("signed"), (bell_str){s.p, len - 1}));
            assert_false(bell_signed_key_verify(a, alg, BELL_STR("signed"), BELL_STR_NULL));
            sig[len / 2] ^= 1;
            assert_false(bell_signed_key_verify(a, alg, BELL_STR("signed"), s));
            assert_int_equal(ERR_peek_error(), 0);
        }
        unsigned char mac[BELL_SIGNED_MAC_MAX];
        assert_int_equal(bell_signed_mac(a, NULL, 0, mac), 0);
        bell_signed_key_free(a);
        bell_signed_key_free(b);
    }
}

/* An ECDSA signature has one spelling: r and s alone, or DER with something behind it, are none. */
static void one_spelling_of_ecdsa(void **state) {
    bell_signed_key *k = public_of(pem_of(p256, PUBLIC));
    unsigned char der[513] = {0}, raw[512];
    size_t len = sign(p256, EVP_sha256(), BELL_STR("signed"), der);

    (void)state;
    memcpy(raw, der, len);
    assert_true(bell_signed_key_verify(k, BELL_SIGNED_ECDSA_SHA256, BELL_STR("signed"), (bell_str){(char *)der, len}));
    assert_false(bell_signed_key_verify(k, BELL_SIGNED_ECDSA_SHA256, BELL_STR("signed"), (bell_str){(char *)der, len + 1}));
    size_t raw_len = jose_raw_from_der(raw, len);
    assert_false(bell_signed_key_verify(k, BELL_SIGNED_ECDSA_SHA256, BELL_STR("signed"), (bell_str){(char *)raw, raw_len}));
    bell_signed_key_free(k);
}

static void raw_ed25519(void **state) {
    unsigned char raw[32];
    char text[100];
    size_t len = sizeof(raw);

    (void)state;
    assert_int_equal(EVP_PKEY_get_raw_public_key(ed25519, raw, &len), 1);
    bell_base64url_encode(raw, len, text);
    bell_signed_key *a = public_of(text), *b, *pem = public_of(pem_of(ed25519, PUBLIC));
    strcat(text, "=");
    b = public_of(text);
    assert_true(a != NULL && b != NULL && a->type == BELL_SIGNED_EDDSA);
    assert_true(a->fingerprint == b->fingerprint && a->fingerprint == pem->fingerprint);
    bell_signed_key_free(a);
    bell_signed_key_free(b);
    bell_signed_key_free(pem);
    strcat(text, "=");
    assert_null(public_of(text));
    text[42] = '\0';
    assert_null(public_of(text));
}

static void public_keys_that_are_refused(void **state) {
    static const char *const rows[] = {
        "",
        " \n",
        "k",
        "-----BEGIN PUBLIC KEY-----",
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
        "{",
        "{}",
        "{\"keys\":[]}",
        "{\"kty\":\"oct\",\"k\":\"AAAA\"}",
        "[]",
        "{\"kty\":\"OKP\",\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AA\"}",
    };
    EVP_PKEY *others[] = {EVP_RSA_gen(1024), EVP_EC_gen("P-384"), EVP_EC_gen("secp256k1"), EVP_PKEY_Q_keygen(NULL, NULL, "X25519")};
    char members[1200], jwk[1300];

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        assert_row(public_of(rows[i]) == NULL, rows[i]);
    }
    for (size_t i = 0; i < ROWS(others); i++) {
        assert_null(public_of(pem_of(others[i], PUBLIC)));
        EVP_PKEY_free(others[i]);
    }
    assert_null(public_of(pem_of(rsa, PRIVATE)));
    assert_null(public_of(pem_of(ed25519, PRIVATE)));
    jose_rsa(rsa, members, sizeof(members));
    snprintf(jwk, sizeof(jwk), "{\"alg\":\"PS256\",%s}", members);
    assert_null(public_of(jwk));
    snprintf(jwk, sizeof(jwk), "{\"d\":\"AQAB\",%s}", members);
    assert_null(public_of(jwk));
    snprintf(jwk, sizeof(jwk), "{\"use\":\"enc\",%s}", members);
    assert_null(public_of(jwk));
}

static void sentences_say_what_is_expected(void **state) {
    const char *why;

    (void)state;
    assert_null(bell_signed_key_public(BELL_STR("k"), bell_str_of(pem_of(p256, PRIVATE)), &why));
    assert_non_null(strstr(why, "private key"));
    assert_null(bell_signed_key_public(BELL_STR("k"), BELL_STR("secret words"), &why));
    assert_null(strstr(why, "words")); /* what is taken for a key is not shown */
    assert_null(bell_signed_key_secret(BELL_STR("k"), BELL_SIGNED_HMAC_SHA1, BELL_STR("zz"), true, &why));
    assert_non_null(strstr(why, "hexadecimal"));
}

static void names(void **state) {
    char id[200];
    const char *why;

    (void)state;
    memset(id, 'x', sizeof(id));
    bell_signed_key *k = bell_signed_key_secret((bell_str){id, 128}, BELL_SIGNED_HMAC_SHA256, BELL_STR("00"), true, &why);
    assert_int_equal(k->id_len, 128);
    assert_int_equal(strlen(k->id), 128);
    bell_signed_key_free(k);
    assert_null(bell_signed_key_secret((bell_str){id, 129}, BELL_SIGNED_HMAC_SHA256, BELL_STR("00"), true, &why));
    assert_null(bell_signed_key_secret((bell_str){"a\0b", 3}, BELL_SIGNED_HMAC_SHA256, BELL_STR("00"), true, &why));
    k = bell_signed_key_secret(BELL_STR_NULL, BELL_SIGNED_HMAC_SHA256, BELL_STR("00"), true, &why);
    assert_int_equal(k->id_len, 0);
    bell_signed_key_free(k);
}

/* RFC 2202 (2.2 and 3.2) and RFC 4231 (4.3): key "Jefe". */
static void macs(void **state) {
    static const struct {
        bell_signed_alg alg;
        size_t len;
        unsigned char mac[BELL_SIGNED_MAC_MAX];
    } rows[] = {
        {BELL_SIGNED_HMAC_MD5, 16, {0x75, 0x0c, 0x78, 0x3e, 0x6a, 0xb0, 0xb5, 0x03, 0xea, 0xa8, 0x6e, 0x31, 0x0a, 0x5d, 0xb7, 0x38}},
        {BELL_SIGNED_HMAC_SHA1, 20, {0xef, 0xfc, 0xdf, 0x6a, 0xe5, 0xeb, 0x2f, 0xa2, 0xd2, 0x74,
                                     0x16, 0xd5, 0xf1, 0x84, 0xdf, 0x9c, 0x25, 0x9a, 0x7c, 0x79}},
        {BELL_SIGNED_HMAC_SHA256, 32, {0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75, 0x4e, 0x6a, 0x04, 0x24, 0x26, 0x08, 0x95, 0x75, 0xc7,
                                       0x5a, 0x00, 0x3f, 0x08, 0x9d, 0x27, 0x39, 0x83, 0x9d, 0xec, 0x58, 0xb9, 0x64, 0xec, 0x38, 0x43}},
    };
    bell_str whole = BELL_STR("what do ya want for nothing?");
    bell_str pieces[] = {{whole.p, 7}, BELL_STR_NULL, {whole.p + 7, 1}, {whole.p + 8, whole.len - 8}};

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        bell_signed_key *k = secret_of(rows[i].alg, "4a656665", true), *same = secret_of(rows[i].alg, " SmVmZQ==\n", false);
        unsigned char out[BELL_SIGNED_MAC_MAX];
        assert_true(k != NULL && same != NULL && k->fingerprint == same->fingerprint);
        for (int times = 0; times < 2; times++) {
            memset(out, 0, sizeof(out));
            assert_int_equal(bell_signed_mac(k, &whole, 1, out), rows[i].len);
            assert_memory_equal(out, rows[i].mac, rows[i].len);
            memset(out, 0, sizeof(out));
            assert_int_equal(bell_signed_mac(same, pieces, ROWS(pieces), out), rows[i].len);
            assert_memory_equal(out, rows[i].mac, rows[i].len);
        }
        assert_false(bell_signed_key_verify(k, rows[i].alg, whole, (bell_str){(char *)out, rows[i].len}));
        bell_signed_key_free(k);
        bell_signed_key_free(same);
    }
}

static void fingerprints_are_of_type_and_material(void **state) {
    bell_signed_key *keys[] = {secret_of(BELL_SIGNED_HMAC_SHA256, "00", true), secret_of(BELL_SIGNED_HMAC_SHA1, "00", true),
                               secret_of(BELL_SIGNED_HMAC_SHA256, "01", true), public_of(pem_of(p256, PUBLIC)), public_of(pem_of(rsa, PUBLIC))};

    (void)state;
    for (size_t i = 0; i < ROWS(keys); i++) {
        for (size_t k = 0; k < i; k++) {
            assert_true(keys[i]->fingerprint != keys[k]->fingerprint);
        }
    }
    for (size_t i = 0; i < ROWS(keys); i++) {
        bell_signed_key_free(keys[i]);
    }
}

static void secrets_that_are_refused(void **state) {
    static char long_hex[2 * BELL_SIGNED_SECRET_MAX + 3], long_text[400];
    static const struct {
        const char *material;
        bool hex;
    } rows[] = {{"", true}, {"", false}, {"0", true}, {"0g", true}, {"00 00", true}, {"A", false}, {"AA=", false}, {"A+AA", false}, {"AB", false}};

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        assert_row(secret_of(BELL_SIGNED_HMAC_SHA256, rows[i].material, rows[i].hex) == NULL, rows[i].material);
    }
    assert_null(secret_of(BELL_SIGNED_RSA_SHA256, "00", true));
    memset(long_hex, '0', 2 * BELL_SIGNED_SECRET_MAX);
    bell_signed_key *k = secret_of(BELL_SIGNED_HMAC_SHA256, long_hex, true);
    assert_int_equal(k->secret_len, BELL_SIGNED_SECRET_MAX);
    bell_signed_key_free(k);
    strcat(long_hex, "00");
    assert_null(secret_of(BELL_SIGNED_HMAC_SHA256, long_hex, true));
    memset(long_text, 'A', 342); /* 256 bytes */
    k = secret_of(BELL_SIGNED_HMAC_SHA256, long_text, false);
    assert_int_equal(k->secret_len, BELL_SIGNED_SECRET_MAX);
    bell_signed_key_free(k);
    strcat(long_text, "A");
    assert_null(secret_of(BELL_SIGNED_HMAC_SHA256, long_text, false));
    bell_signed_key_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forms_of_public_keys),
        cmocka_unit_test(one_spelling_of_ecdsa),
        cmocka_unit_test(raw_ed25519),
        cmocka_unit_test(public_keys_that_are_refused),
        cmocka_unit_test(sentences_say_what_is_expected),
        cmocka_unit_test(names),
        cmocka_unit_test(macs),
        cmocka_unit_test(fingerprints_are_of_type_and_material),
        cmocka_unit_test(secrets_that_are_refused),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
