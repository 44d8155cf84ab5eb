#include "bell_jwt.h"
#include "jose.h"

#include <openssl/err.h>
#include <stdlib.h>

#define NOW 1800000000

/* The keys of a provider, and one that it does not have. */
static EVP_PKEY *rsa, *p256, *ed25519, *other;
static char rsa_members[2048], p256_members[300], ed25519_members[200], other_members[2048];
static char set_text[8192];
static bell_jwks *set;

static bell_jwks *parse(const char *text) {
    const char *why = NULL;
    bell_jwks *s = bell_jwks_parse(bell_str_of(text), &why);

    assert_true((s != NULL) == (why == NULL));
    return s;
}

static int set_up(void **state) {
    (void)state;
    rsa = EVP_RSA_gen(2048);
    other = EVP_RSA_gen(2048);
    p256 = EVP_EC_gen("P-256");
    ed25519 = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    jose_rsa(rsa, rsa_members, sizeof(rsa_members));
    jose_rsa(other, other_members, sizeof(other_members));
    jose_p256(p256, p256_members, sizeof(p256_members));
    jose_ed25519(ed25519, ed25519_members, sizeof(ed25519_members));
    snprintf(set_text, sizeof(set_text),
             "{\"keys\":[{\"kid\":\"r\",%s},{\"kid\":\"p\",\"alg\":\"PS256\",%s},{\"kid\":\"e\",\"use\":\"sig\",%s},{\"kid\":\"d\",\"alg\":\"EdDSA\","
             "%s}]}",
             rsa_members, rsa_members, p256_members, ed25519_members);
    set = parse(set_text);
    assert_non_null(set);
    assert_int_equal(set->nkeys, 4);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    bell_jwks_free(set);
    EVP_PKEY_free(rsa);
    EVP_PKEY_free(other);
    EVP_PKEY_free(p256);
    EVP_PKEY_free(ed25519);
    return 0;
}

static bell_jwt_verdict verify_with(const bell_jwks *keys, const char *token) {
    json_t *claims;
    bell_jwa alg = BELL_JWA_NONE;
    bell_jwt_verdict v = bell_jwt_verify(keys, BELL_JWT_ID_TOKEN, bell_str_of(token), &claims, &alg);

    assert_true((v == BELL_JWT_OK) == (claims != NULL));
    assert_int_equal(ERR_peek_error(), 0);
    if (claims != NULL) {
        assert_true(alg != BELL_JWA_NONE);
        assert_string_equal(json_string_value(json_object_get(claims, "sub")), "ann");
    }
    json_decref(claims);
    return v;
}

#define ANN "{\"sub\":\"ann\"}"

static void signatures(void **state) {
    const struct {
        const char *row, *header;
        EVP_PKEY *key;
        bool pss;
        bell_jwt_verdict want;
    } rows[] = {
        {"RS256", "{\"alg\":\"RS256\",\"kid\":\"r\"}", rsa, false, BELL_JWT_OK},
        {"PS256 where the key says so", "{\"alg\":\"PS256\",\"kid\":\"p\"}", rsa, true, BELL_JWT_OK},
        {"ES256", "{\"alg\":\"ES256\",\"kid\":\"e\",\"typ\":\"JWT\"}", p256, false, BELL_JWT_OK},
        {"EdDSA", "{\"alg\":\"EdDSA\",\"kid\":\"d\",\"typ\":\"jwt\"}", ed25519, false, BELL_JWT_OK},
        {"no kid, one key of that algorithm", "{\"alg\":\"ES256\"}", p256, false, BELL_JWT_OK},
        {"PS256 with a key for RS256", "{\"alg\":\"PS256\",\"kid\":\"r\"}", rsa, true, BELL_JWT_ALGORITHM},
        {"RS256 with a key for PS256", "{\"alg\":\"RS256\",\"kid\":\"p\"}", rsa, false, BELL_JWT_ALGORITHM},
        {"PKCS #1 under the name of PSS", "{\"alg\":\"PS256\",\"kid\":\"p\"}", rsa, false, BELL_JWT_BAD_SIGNATURE},
        {"another's key", "{\"alg\":\"RS256\",\"kid\":\"r\"}", other, false, BELL_JWT_BAD_SIGNATURE},
        {"another key's name", "{\"alg\":\"ES256\",\"kid\":\"e\"}", ed25519, false, BELL_JWT_BAD_SIGNATURE},
        {"an unknown kid", "{\"alg\":\"RS256\",\"kid\":\"new\"}", rsa, false, BELL_JWT_UNKNOWN_KEY},
        {"none, signed", "{\"alg\":\"none\",\"kid\":\"r\"}", rsa, false, BELL_JWT_ALGORITHM},
        {"RS384", "{\"alg\":\"RS384\",\"kid\":\"r\"}", rsa, false, BELL_JWT_ALGORITHM},
        {"no alg", "{\"kid\":\"r\"}", rsa, false, BELL_JWT_ALGORITHM},
        {"alg that is no text", "{\"alg\":1,\"kid\":\"r\"}", rsa, false, BELL_JWT_ALGORITHM},
        {"kid that is no text", "{\"alg\":\"RS256\",\"kid\":7}", rsa, false, BELL_JWT_MALFORMED},
        {"crit", "{\"alg\":\"RS256\",\"kid\":\"r\",\"crit\":[\"b64\"],\"b64\":false}", rsa, false, BELL_JWT_MALFORMED},
        {"an access token", "{\"alg\":\"RS256\",\"kid\":\"r\",\"typ\":\"at+jwt\"}", rsa, false, BELL_JWT_MALFORMED},
        {"alg twice", "{\"alg\":\"none\",\"alg\":\"RS256\",\"kid\":\"r\"}", rsa, false, BELL_JWT_MALFORMED},
        {"a header that is no object", "[]", rsa, false, BELL_JWT_MALFORMED},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        assert_row(verify_with(set, jose_sign(rows[i].header, ANN, rows[i].key, rows[i].pss, NULL)) == rows[i].want, rows[i].row);
    }
}

static void a_key_in_the_header_is_not_looked_at(void **state) {
    char header[3000];

    (void)state;
    snprintf(header, sizeof(header), "{\"alg\":\"RS256\",\"kid\":\"r\",\"jwk\":{%s}}", other_members);
    assert_int_equal(verify_with(set, jose_sign(header, ANN, other, false, NULL)), BELL_JWT_BAD_SIGNATURE);
}

static void secrets_are_not_taken_for_signatures(void **state) {
    char symmetric[300];

    (void)state;
    assert_int_equal(verify_with(set, jose_sign("{\"alg\":\"none\"}", ANN, NULL, false, NULL)), BELL_JWT_ALGORITHM);
    assert_int_equal(verify_with(set, jose_sign("{\"alg\":\"RS256\",\"kid\":\"r\"}", ANN, NULL, false, NULL)), BELL_JWT_MALFORMED);
    assert_int_equal(verify_with(set, jose_sign("{\"alg\":\"HS256\",\"kid\":\"r\"}", ANN, NULL, false, rsa_members)), BELL_JWT_ALGORITHM);
    snprintf(symmetric, sizeof(symmetric), "{\"keys\":[{\"kty\":\"oct\",\"kid\":\"s\",\"k\":\"c2VjcmV0\"}]}");
    bell_jwks *s = parse(symmetric);
    assert_int_equal(s->nkeys, 0);
    assert_int_equal(verify_with(s, jose_sign("{\"alg\":\"HS256\",\"kid\":\"s\"}", ANN, NULL, false, "secret")), BELL_JWT_ALGORITHM);
    bell_jwks_free(s);
}

static void shapes(void **state) {
    static const char *const rows[] = {"", ".", "..", "...", "a.b", "a.b.c.d", "e30.e30.e30", "!.e30.AAAA", "eyJhbGciOiJSUzI1NiJ9..AAAA"};
    char *good, cut[20000], large[BELL_JWT_MAX_BYTES + 2];

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        assert_row(verify_with(set, rows[i]) != BELL_JWT_OK, rows[i]);
    }
    good = jose_sign("{\"alg\":\"RS256\",\"kid\":\"r\"}", ANN, rsa, false, NULL);
    for (size_t len = 0; len < strlen(good); len++) {
        snprintf(cut, len + 1, "%s", good);
        assert_int_not_equal(verify_with(set, cut), BELL_JWT_OK);
    }
    snprintf(cut, sizeof(cut), "%sA", good);
    assert_int_not_equal(verify_with(set, cut), BELL_JWT_OK);
    memset(large, 'A', sizeof(large) - 1);
    large[sizeof(large) - 1] = '\0';
    assert_int_equal(verify_with(set, large), BELL_JWT_MALFORMED);
}

static void keys_of_no_use_are_left_out(void **state) {
    char x_only[60], rows[14][3000];
    EVP_PKEY *small = EVP_RSA_gen(1024), *p384 = EVP_EC_gen("P-384");
    size_t n = 0;

    (void)state;
    snprintf(x_only, sizeof(x_only), "%.43s", strstr(p256_members, "\"x\":\"") + 5);
    snprintf(rows[n++], 3000, "{\"use\":\"enc\",%s}", rsa_members);
    snprintf(rows[n++], 3000, "{\"key_ops\":[\"sign\"],%s}", rsa_members);
    snprintf(rows[n++], 3000, "{\"alg\":\"RSA-OAEP\",%s}", rsa_members);
    snprintf(rows[n++], 3000, "{\"alg\":\"HS256\",%s}", rsa_members);
    snprintf(rows[n++], 3000, "{\"alg\":\"RS256\",%s}", p256_members);
    snprintf(rows[n++], 3000, "{\"d\":\"AQAB\",%s}", rsa_members);
    snprintf(rows[n++], 3000, "{\"kid\":7,%s}", rsa_members);
    snprintf(rows[n++], 3000, "{\"kid\":\"%0129d\",%s}", 0, rsa_members);
    snprintf(rows[n++], 3000, "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"%s\",\"y\":\"%s\"}", x_only, x_only); /* not on the curve */
    snprintf(rows[n++], 3000, "{\"kty\":\"EC\",\"crv\":\"P-384\",\"x\":\"%s\",\"y\":\"%s\"}", x_only, x_only);
    snprintf(rows[n++], 3000, "{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}");
    snprintf(rows[n++], 3000, "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AQAB\"}");
    snprintf(rows[n], 3000, "{");
    jose_rsa(small, rows[n] + 1, 2990);
    strcat(rows[n++], "}");
    snprintf(rows[n++], 3000, "\"text\"");
    for (size_t i = 0; i < n; i++) {
        char text[3100] = "{\"keys\":[";
        strcat(strcat(text, rows[i]), "]}");
        bell_jwks *s = parse(text);
        assert_row(s != NULL && s->nkeys == 0, rows[i]);
        bell_jwks_free(s);
    }
    assert_int_equal(ERR_peek_error(), 0);
    EVP_PKEY_free(small);
    EVP_PKEY_free(p384);
}

static void sets_that_are_none(void **state) {
    static const char *const rows[] = {"", "{", "[]", "{}", "{\"keys\":{}}", "{\"keys\":[],\"keys\":[]}", "\"keys\""};
    char text[8200] = "{\"keys\":[";

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        assert_row(parse(rows[i]) == NULL, rows[i]);
    }
    for (size_t i = 0; i <= BELL_JWKS_KEYS_MAX; i++) {
        strcat(text, i == 0 ? "{}" : ",{}");
    }
    strcat(text, "]}");
    assert_null(parse(text));
    memset(text, '[', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    assert_null(parse(text)); /* deeper than jansson goes */
}

static void two_keys_that_could_be_meant(void **state) {
    char text[5000];

    (void)state;
    snprintf(text, sizeof(text), "{\"keys\":[{%s},{%s}]}", rsa_members, other_members);
    bell_jwks *s = parse(text);
    assert_int_equal(s->nkeys, 2);
    assert_int_equal(verify_with(s, jose_sign("{\"alg\":\"RS256\"}", ANN, rsa, false, NULL)), BELL_JWT_UNKNOWN_KEY);
    bell_jwks_free(s);
}

static void claims_of_an_id_token(void **state) {
#define HEAD  "\"iss\":\"https://idp\",\"sub\":\"ann\""
#define AUD   ",\"aud\":\"us\""
#define TIMES ",\"iat\":1799999990,\"exp\":1800000300"
#define NONCE ",\"nonce\":\"n1\""
    static const struct {
        const char *row, *claims;
        bell_jwt_verdict want;
    } rows[] = {
        {"plain", HEAD AUD TIMES NONCE, BELL_JWT_OK},
        {"one of a list", HEAD ",\"aud\":[\"us\"]" TIMES NONCE, BELL_JWT_OK},
        {"two with azp", HEAD ",\"aud\":[\"them\",\"us\"],\"azp\":\"us\"" TIMES NONCE, BELL_JWT_OK},
        {"two without azp", HEAD ",\"aud\":[\"them\",\"us\"]" TIMES NONCE, BELL_JWT_AUDIENCE},
        {"azp of another", HEAD AUD ",\"azp\":\"them\"" TIMES NONCE, BELL_JWT_AUDIENCE},
        {"aud of another", HEAD ",\"aud\":\"them\"" TIMES NONCE, BELL_JWT_AUDIENCE},
        {"no aud", HEAD TIMES NONCE, BELL_JWT_AUDIENCE},
        {"aud that is no text", HEAD ",\"aud\":7" TIMES NONCE, BELL_JWT_AUDIENCE},
        {"iss of another", "\"iss\":\"https://idp/\",\"sub\":\"ann\"" AUD TIMES NONCE, BELL_JWT_ISSUER},
        {"no iss", "\"sub\":\"ann\"" AUD TIMES NONCE, BELL_JWT_ISSUER},
        {"expired within the skew", HEAD AUD ",\"iat\":1799999900,\"exp\":1799999941" NONCE, BELL_JWT_OK},
        {"expired", HEAD AUD ",\"iat\":1799999900,\"exp\":1799999940" NONCE, BELL_JWT_EXPIRED},
        {"old", HEAD AUD ",\"iat\":1799913600,\"exp\":1900000000" NONCE, BELL_JWT_EXPIRED},
        {"of the future within the skew", HEAD AUD ",\"iat\":1800000060,\"exp\":1800000300" NONCE, BELL_JWT_OK},
        {"of the future", HEAD AUD ",\"iat\":1800000061,\"exp\":1800000300" NONCE, BELL_JWT_NOT_YET},
        {"not before", HEAD AUD TIMES NONCE ",\"nbf\":1800000061", BELL_JWT_NOT_YET},
        {"a fraction of a second", HEAD AUD ",\"iat\":1799999990.5,\"exp\":1800000300.25" NONCE, BELL_JWT_OK},
        {"no exp", HEAD AUD ",\"iat\":1799999990" NONCE, BELL_JWT_MALFORMED},
        {"no iat", HEAD AUD ",\"exp\":1800000300" NONCE, BELL_JWT_MALFORMED},
        {"exp as text", HEAD AUD ",\"iat\":1799999990,\"exp\":\"1800000300\"" NONCE, BELL_JWT_MALFORMED},
        {"exp beyond any clock", HEAD AUD ",\"iat\":1799999990,\"exp\":1e300" NONCE, BELL_JWT_MALFORMED},
        {"another nonce", HEAD AUD TIMES ",\"nonce\":\"n2\"", BELL_JWT_NONCE},
        {"no nonce", HEAD AUD TIMES, BELL_JWT_NONCE},
        {"nonce that is no text", HEAD AUD TIMES ",\"nonce\":null", BELL_JWT_NONCE},
        {"no sub", "\"iss\":\"https://idp\"" AUD TIMES NONCE, BELL_JWT_SUBJECT},
        {"empty sub", "\"iss\":\"https://idp\",\"sub\":\"\"" AUD TIMES NONCE, BELL_JWT_SUBJECT},
        {"sub that is a number", "\"iss\":\"https://idp\",\"sub\":7" AUD TIMES NONCE, BELL_JWT_SUBJECT},
        /* SHA-256 of "token" is 3c469e9d6c5875d37a43f353d4f88e61 fcf812c66eee3457465a40b0da4153e0 */
        {"at_hash", HEAD AUD TIMES NONCE ",\"at_hash\":\"PEaenWxYddN6Q_NT1PiOYQ\"", BELL_JWT_OK},
        {"at_hash of another", HEAD AUD TIMES NONCE ",\"at_hash\":\"PEaenWxYddN6Q_NT1PiOYg\"", BELL_JWT_AT_HASH},
        {"at_hash that is no text", HEAD AUD TIMES NONCE ",\"at_hash\":1", BELL_JWT_AT_HASH},
    };
    bell_id_token_expected e = {BELL_STR("https://idp"), BELL_STR("us"), BELL_STR("n1"), BELL_STR("token"), BELL_JWA_RS256, NOW};

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        char text[600];
        snprintf(text, sizeof(text), "{%s}", rows[i].claims);
        json_t *claims = json_loads(text, 0, NULL);
        bell_jwt_verdict v = bell_id_token_check(claims, &e);
        if (v != rows[i].want) {
            fail_msg("row \"%s\": %s", rows[i].row, bell_jwt_verdict_text(v));
        }
        json_decref(claims);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signatures),
        cmocka_unit_test(a_key_in_the_header_is_not_looked_at),
        cmocka_unit_test(secrets_are_not_taken_for_signatures),
        cmocka_unit_test(shapes),
        cmocka_unit_test(keys_of_no_use_are_left_out),
        cmocka_unit_test(sets_that_are_none),
        cmocka_unit_test(two_keys_that_could_be_meant),
        cmocka_unit_test(claims_of_an_id_token),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
