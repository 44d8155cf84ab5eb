#include "bell_session.h"
#include "jose.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <unistd.h>

#define NOW 1800000000
#define SID "0123456789abcdef0123456789abcdef"

/* Two keys of ours, of which an edge has the public halves in one text; an issuer with a key of each kind; and a key of nobody's. */
static bell_token_key *ours, *next, *publics[4];
static char ours_pem[1024], next_pem[1024], bundle[2048];
static EVP_PKEY *rsa, *p256, *ed25519, *other;
static char issuer_text[8192];
static bell_issuer *issuer;

static bell_token_key *new_key(char *pem, size_t room) {
    char path[] = "/tmp/bell-session-XXXXXX", err[300] = "";
    EVP_PKEY *k = EVP_EC_gen("P-256");
    int fd = mkstemp(path);
    FILE *f = fdopen(fd, "w");
    BIO *out = BIO_new(BIO_s_mem());
    char *text;

    assert_int_equal(PEM_write_PrivateKey(f, k, NULL, NULL, 0, NULL, NULL), 1);
    fclose(f);
    assert_int_equal(PEM_write_bio_PUBKEY(out, k), 1);
    int len = (int)BIO_get_mem_data(out, &text);
    snprintf(pem, room, "%.*s", len, text);
    BIO_free(out);
    EVP_PKEY_free(k);
    bell_token_key *key = bell_token_key_load(path, err, sizeof(err));
    unlink(path);
    assert_string_equal(err, "");
    return key;
}

static int set_up(void **state) {
    char err[300] = "", r[2048], e[300], d[300];
    const char *why = NULL;

    (void)state;
    ours = new_key(ours_pem, sizeof(ours_pem));
    next = new_key(next_pem, sizeof(next_pem));
    snprintf(bundle, sizeof(bundle), "%s%s", ours_pem, next_pem);
    assert_int_equal(bell_token_keys_parse(bell_str_of(bundle), "keys", publics, 4, err, sizeof(err)), 2);
    rsa = EVP_RSA_gen(2048);
    other = EVP_RSA_gen(2048);
    p256 = EVP_EC_gen("P-256");
    ed25519 = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    jose_rsa(rsa, r, sizeof(r));
    jose_p256(p256, e, sizeof(e));
    jose_ed25519(ed25519, d, sizeof(d));
    snprintf(issuer_text, sizeof(issuer_text),
             "{\"issuer\":\"https://sis.example\",\"audience\":\"api\",\"roles\":[\"teacher\",\"student\"],\"scopes\":[\"classes\",\"content\"],"
             "\"keys\":[{\"kid\":\"r\",%s},{\"kid\":\"e\",%s},{\"kid\":\"d\",%s}]}",
             r, e, d);
    issuer = bell_issuer_parse(BELL_STR("sis"), bell_str_of(issuer_text), &why);
    assert_non_null(issuer);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    bell_token_key_free(ours);
    bell_token_key_free(next);
    bell_token_key_free(publics[0]);
    bell_token_key_free(publics[1]);
    bell_issuer_free(issuer);
    EVP_PKEY_free(rsa);
    EVP_PKEY_free(other);
    EVP_PKEY_free(p256);
    EVP_PKEY_free(ed25519);
    return 0;
}

static bell_session_verdict open_ours(bell_str token, bell_session *s) {
    bell_session_verdict v = bell_session_open((const bell_token_key *const *)publics, 2, token, s);

    assert_int_equal(ERR_peek_error(), 0);
    return v;
}

static void bundles_of_keys(void **state) {
    static char text[8192];
    const struct {
        const char *name, *begin, *end, *err;
        long n;
    } rows[] = {
        {"one", ours_pem, "", "", 1},
        {"two", ours_pem, next_pem, "", 2},
        {"words around them", "the keys of July\n", ours_pem, "", 1},
        {"none", "", "", "f: holds no public key; expected some on the curve P-256 in PEM form", -1},
        {"words alone", "nothing", " at all\n", "f: holds no public key; expected some on the curve P-256 in PEM form", -1},
        {"too many", bundle, bundle, "f: holds more than 3 keys", -1},
        {"a broken one behind a good one", ours_pem, "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
         "f: key 2 cannot be used: expected public keys on the curve P-256 in PEM form", -1},
        {"a private one", ours_pem, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
         "f: holds a private key, which could sign; expected the public halves only", -1},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        bell_token_key *keys[3];
        char err[300] = "";

        snprintf(text, sizeof(text), "%s%s", rows[i].begin, rows[i].end);
        long n = bell_token_keys_parse(bell_str_of(text), "f", keys, 3, err, sizeof(err));
        assert_row(n == rows[i].n, rows[i].name);
        assert_string_equal(err, rows[i].err);
        assert_int_equal(ERR_peek_error(), 0);
        while (n > 0) {
            bell_token_key_free(keys[--n]);
        }
    }
}

static void a_session_of_ours(void **state) {
    bell_token_claims c = {.tenant_id = 42, .user_id = 18446744073709551615u, .sid = SID, .role = 7, .issued_s = NOW, .expires_s = NOW + 3600};
    char token[BELL_TOKEN_MAX_BYTES];
    bell_session s;

    (void)state;
    for (int i = 0; i < 2; i++) {
        const bell_token_key *k = i == 0 ? ours : next;
        long len = bell_token_mint(k, &c, token);
        assert_true(len > 0);
        assert_int_equal(open_ours((bell_str){token, (size_t)len}, &s), BELL_SESSION_OK);
        assert_true(s.source == bell_session_source(k));
        assert_int_equal(s.tenant_id, 42);
        assert_int_equal(s.issued_s, NOW);
        assert_int_equal(s.expires_s, NOW + 3600);
        assert_true(bell_str_eq(bell_session_subject(&s), BELL_STR("18446744073709551615")));
        assert_true(bell_str_eq(bell_session_role(&s), BELL_STR("student")));
        assert_true(bell_str_eq(bell_session_sid(&s), BELL_STR(SID)));
        assert_int_equal(bell_session_scopes(&s).len, 0);
    }
    assert_true(bell_session_source(ours) != bell_session_source(next));
}

static void refused_sessions_of_ours(void **state) {
    bell_token_claims c = {.tenant_id = 42, .user_id = 7, .sid = SID, .role = 7, .issued_s = NOW, .expires_s = NOW + 3600};
    char token[BELL_TOKEN_MAX_BYTES], pem[1024];
    bell_token_key *foreign = new_key(pem, sizeof(pem));
    bell_session s;
    long len = bell_token_mint(foreign, &c, token);

    (void)state;
    assert_int_equal(open_ours((bell_str){token, (size_t)len}, &s), BELL_SESSION_UNKNOWN_KEY);
    bell_token_key_free(foreign);
    len = bell_token_mint(ours, &c, token);
    assert_int_equal(open_ours((bell_str){token, (size_t)len - 1}, &s), BELL_SESSION_MALFORMED);
    assert_int_equal(open_ours(BELL_STR(""), &s), BELL_SESSION_MALFORMED);
    assert_int_equal(open_ours(BELL_STR("a.b.c"), &s), BELL_SESSION_MALFORMED);
    token[len - 20] = token[len - 20] == 'A' ? 'B' : 'A';
    assert_int_equal(open_ours((bell_str){token, (size_t)len}, &s), BELL_SESSION_BAD_SIGNATURE);
    assert_int_equal(bell_session_open(NULL, 0, (bell_str){token, (size_t)len}, &s), BELL_SESSION_UNKNOWN_KEY);
}

static void whom_and_when(void **state) {
    static const struct {
        const char *name;
        uint32_t tenant;
        int64_t issued, not_before, expires;
        bell_session_verdict v;
    } rows[] = {
        {"now", 42, NOW, NOW, NOW + 1, BELL_SESSION_OK},
        {"another tenant's", 43, NOW, NOW, NOW + 1, BELL_SESSION_WRONG_TENANT},
        {"another tenant's that has ended", 43, NOW - 9, NOW - 9, NOW - 1, BELL_SESSION_WRONG_TENANT},
        {"at its end", 42, NOW - 9, NOW - 9, NOW, BELL_SESSION_EXPIRED},
        {"a clock that is behind by a minute", 42, NOW + 60, NOW + 60, NOW + 90, BELL_SESSION_OK},
        {"and by a second more", 42, NOW + 61, NOW + 61, NOW + 90, BELL_SESSION_NOT_YET},
        {"not before", 42, NOW, NOW + 61, NOW + 90, BELL_SESSION_NOT_YET},
        {"the beginning of time", 42, 0, 0, NOW + 90, BELL_SESSION_OK},
        {"its end", 42, INT64_MAX, INT64_MAX, INT64_MAX, BELL_SESSION_NOT_YET},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        bell_session s = {.tenant_id = rows[i].tenant, .issued_s = rows[i].issued, .not_before_s = rows[i].not_before, .expires_s = rows[i].expires};
        assert_row(bell_session_judge(&s, 42, NOW) == rows[i].v, rows[i].name);
    }
}

#define CLAIMS(more) "{\"iss\":\"https://sis.example\",\"aud\":\"api\",\"sub\":\"ann\",\"iat\":1800000000,\"exp\":1800003600" more "}"
#define SIXTY        "012345678901234567890123456789012345678901234567890123456789"

static void tokens_of_an_issuer(void **state) {
    const struct {
        const char *name, *header, *claims;
        EVP_PKEY *key;
        bell_session_verdict v;
        const char *subject, *role, *scopes;
    } rows[] = {
        {"RS256", "{\"alg\":\"RS256\",\"kid\":\"r\"}", CLAIMS(""), rsa, BELL_SESSION_OK, "sis:ann", "", "none"},
        {"ES256", "{\"alg\":\"ES256\",\"kid\":\"e\"}", CLAIMS(""), p256, BELL_SESSION_OK, "sis:ann", "", "none"},
        {"EdDSA", "{\"alg\":\"EdDSA\",\"kid\":\"d\"}", CLAIMS(""), ed25519, BELL_SESSION_OK, "sis:ann", "", "none"},
        {"at+jwt", "{\"alg\":\"EdDSA\",\"kid\":\"d\",\"typ\":\"at+jwt\"}", CLAIMS(""), ed25519, BELL_SESSION_OK, "sis:ann", "", "none"},
        {"the long form of it", "{\"alg\":\"EdDSA\",\"kid\":\"d\",\"typ\":\"application/AT+JWT\"}", CLAIMS(""), ed25519, BELL_SESSION_OK, "sis:ann",
         "", "none"},
        {"a role that may be given", "{\"alg\":\"EdDSA\"}", CLAIMS(",\"role\":\"teacher\""), ed25519, BELL_SESSION_OK, "sis:ann", "teacher", "none"},
        {"one that may not", "{\"alg\":\"EdDSA\"}", CLAIMS(",\"role\":\"operator\""), ed25519, BELL_SESSION_OK, "sis:ann", "", "none"},
        {"scopes", "{\"alg\":\"EdDSA\"}", CLAIMS(",\"scope\":\"classes people  content\""), ed25519, BELL_SESSION_OK, "sis:ann", "",
         "classes content"},
        {"several audiences", "{\"alg\":\"EdDSA\"}", "{\"iss\":\"https://sis.example\",\"aud\":[\"x\",\"api\"],\"sub\":\"ann\",\"iat\":1,\"exp\":2}",
         ed25519, BELL_SESSION_OK, "sis:ann", "", "none"},
        {"the longest subject", "{\"alg\":\"EdDSA\"}", "{\"iss\":\"https://sis.example\",\"aud\":\"api\",\"sub\":\"" SIXTY "\",\"iat\":1,\"exp\":2}",
         ed25519, BELL_SESSION_OK, "sis:" SIXTY, "", "none"},
        {"a longer one", "{\"alg\":\"EdDSA\"}", "{\"iss\":\"https://sis.example\",\"aud\":\"api\",\"sub\":\"" SIXTY "x\",\"iat\":1,\"exp\":2}",
         ed25519, BELL_SESSION_BAD_SUBJECT, NULL, NULL, NULL},
        {"no subject", "{\"alg\":\"EdDSA\"}", "{\"iss\":\"https://sis.example\",\"aud\":\"api\",\"iat\":1,\"exp\":2}", ed25519,
         BELL_SESSION_BAD_SUBJECT, NULL, NULL, NULL},
        {"a subject that no line can hold", "{\"alg\":\"EdDSA\"}",
         "{\"iss\":\"https://sis.example\",\"aud\":\"api\",\"sub\":\"a\\nb\",\"iat\":1,\"exp\":2}", ed25519, BELL_SESSION_BAD_SUBJECT, NULL, NULL,
         NULL},
        {"a subject twice", "{\"alg\":\"EdDSA\"}", CLAIMS(",\"sub\":\"bob\""), ed25519, BELL_SESSION_MALFORMED, NULL, NULL, NULL},
        {"no beginning", "{\"alg\":\"EdDSA\"}", "{\"iss\":\"https://sis.example\",\"aud\":\"api\",\"sub\":\"ann\",\"exp\":2}", ed25519,
         BELL_SESSION_MALFORMED, NULL, NULL, NULL},
        {"no end", "{\"alg\":\"EdDSA\"}", "{\"iss\":\"https://sis.example\",\"aud\":\"api\",\"sub\":\"ann\",\"iat\":1}", ed25519,
         BELL_SESSION_MALFORMED, NULL, NULL, NULL},
        {"nbf as a text", "{\"alg\":\"EdDSA\"}", CLAIMS(",\"nbf\":\"1\""), ed25519, BELL_SESSION_MALFORMED, NULL, NULL, NULL},
        {"another issuer", "{\"alg\":\"EdDSA\"}", "{\"iss\":\"https://six.example\",\"aud\":\"api\",\"sub\":\"ann\",\"iat\":1,\"exp\":2}", ed25519,
         BELL_SESSION_WRONG_ISSUER, NULL, NULL, NULL},
        {"no issuer", "{\"alg\":\"EdDSA\"}", "{\"aud\":\"api\",\"sub\":\"ann\",\"iat\":1,\"exp\":2}", ed25519, BELL_SESSION_WRONG_ISSUER, NULL, NULL,
         NULL},
        {"another audience", "{\"alg\":\"EdDSA\"}", "{\"iss\":\"https://sis.example\",\"aud\":\"app\",\"sub\":\"ann\",\"iat\":1,\"exp\":2}", ed25519,
         BELL_SESSION_WRONG_AUDIENCE, NULL, NULL, NULL},
        {"no audience", "{\"alg\":\"EdDSA\"}", "{\"iss\":\"https://sis.example\",\"sub\":\"ann\",\"iat\":1,\"exp\":2}", ed25519,
         BELL_SESSION_WRONG_AUDIENCE, NULL, NULL, NULL},
        {"another key", "{\"alg\":\"RS256\",\"kid\":\"r\"}", CLAIMS(""), other, BELL_SESSION_BAD_SIGNATURE, NULL, NULL, NULL},
        {"a key that is not there", "{\"alg\":\"RS256\",\"kid\":\"x\"}", CLAIMS(""), rsa, BELL_SESSION_UNKNOWN_KEY, NULL, NULL, NULL},
        {"another algorithm than the key's", "{\"alg\":\"PS256\",\"kid\":\"r\"}", CLAIMS(""), rsa, BELL_SESSION_ALGORITHM, NULL, NULL, NULL},
        {"none", "{\"alg\":\"none\"}", CLAIMS(""), NULL, BELL_SESSION_ALGORITHM, NULL, NULL, NULL},
        {"HS256", "{\"alg\":\"HS256\",\"kid\":\"r\"}", CLAIMS(""), rsa, BELL_SESSION_ALGORITHM, NULL, NULL, NULL},
        {"crit", "{\"alg\":\"EdDSA\",\"crit\":[\"exp\"]}", CLAIMS(""), ed25519, BELL_SESSION_MALFORMED, NULL, NULL, NULL},
        {"a header twice", "{\"alg\":\"EdDSA\",\"alg\":\"EdDSA\"}", CLAIMS(""), ed25519, BELL_SESSION_MALFORMED, NULL, NULL, NULL},
        {"of another type", "{\"alg\":\"EdDSA\",\"typ\":\"logout+jwt\"}", CLAIMS(""), ed25519, BELL_SESSION_MALFORMED, NULL, NULL, NULL},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        bell_session s;
        const char *token = jose_sign(rows[i].header, rows[i].claims, rows[i].key, false, NULL);
        bell_session_verdict v = bell_session_open_foreign(issuer, 42, bell_str_of(token), &s);

        assert_row(v == rows[i].v, rows[i].name);
        assert_int_equal(ERR_peek_error(), 0);
        if (v != BELL_SESSION_OK) {
            continue;
        }
        assert_row(s.tenant_id == 42 && s.source == bell_issuer_id(issuer), rows[i].name);
        assert_row(bell_str_eq(bell_session_subject(&s), bell_str_of(rows[i].subject)), rows[i].name);
        assert_row(bell_str_eq(bell_session_role(&s), bell_str_of(rows[i].role)), rows[i].name);
        assert_row(bell_str_eq(bell_session_scopes(&s), bell_str_of(rows[i].scopes)), rows[i].name);
        assert_row(bell_session_is_whole(&s, bell_session_bytes(&s)) && !bell_session_is_whole(&s, bell_session_bytes(&s) - 1), rows[i].name);
    }
}

#define KEYS_OF(members)                                                                                                                             \
    "{\"issuer\":\"i\",\"audience\":\"a\"" members                                                                                                   \
    ",\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}"

static void issuers(void **state) {
    static const struct {
        const char *name, *text, *why;
    } rows[] = {
        {"a", KEYS_OF(""), NULL},
        {"a.B_c-9", KEYS_OF(",\"roles\":[],\"scopes\":[]"), NULL},
        {"01234567890123456789012345678901", KEYS_OF(""), NULL},
        {"012345678901234567890123456789012", KEYS_OF(""), "its name has more than 32 bytes, or others than letters, digits, _, . and -"},
        {"a:b", KEYS_OF(""), "its name has more than 32 bytes, or others than letters, digits, _, . and -"},
        {"", KEYS_OF(""), "its name has more than 32 bytes, or others than letters, digits, _, . and -"},
        {"a", "", "it is not a JSON object, or a member stands there twice"},
        {"a", "[]", "it is not a JSON object, or a member stands there twice"},
        {"a", KEYS_OF(",\"issuer\":\"j\""), "it is not a JSON object, or a member stands there twice"},
        {"a", "{\"audience\":\"a\",\"keys\":[]}", "\"issuer\" is missing or no text of 1 to 255 bytes"},
        {"a", "{\"issuer\":7,\"audience\":\"a\",\"keys\":[]}", "\"issuer\" is missing or no text of 1 to 255 bytes"},
        {"a", "{\"issuer\":\"i\",\"audience\":\"\",\"keys\":[]}", "\"audience\" is missing or no text of 1 to 255 bytes"},
        {"a", KEYS_OF(",\"roles\":\"teacher\""), "\"roles\" is no list of at most 16 names of roles, other than operator"},
        {"a", KEYS_OF(",\"roles\":[\"operator\"]"), "\"roles\" is no list of at most 16 names of roles, other than operator"},
        {"a", KEYS_OF(",\"roles\":[\"king\"]"), "\"roles\" is no list of at most 16 names of roles, other than operator"},
        {"a", KEYS_OF(",\"scopes\":[\"a b\"]"), "\"scopes\" is no list of at most 16 words"},
        {"a", KEYS_OF(",\"scopes\":[\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\"]"),
         "\"scopes\" is no list of at most 16 words"},
        {"a", "{\"issuer\":\"i\",\"audience\":\"a\",\"keys\":[]}", "none of its keys can be used: RSA of 2048 to 4096 bits, P-256 or Ed25519 are"},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        const char *why = NULL;
        bell_issuer *one = bell_issuer_parse(bell_str_of(rows[i].name), bell_str_of(rows[i].text), &why);

        assert_row((one != NULL) == (rows[i].why == NULL), rows[i].text);
        if (rows[i].why != NULL) {
            assert_string_equal(why, rows[i].why);
        }
        bell_issuer_free(one);
    }
}

static void an_issuer_that_changes_is_another(void **state) {
    const char *why;
    bell_issuer *a = bell_issuer_parse(BELL_STR("a"), BELL_STR(KEYS_OF("")), &why),
                *b = bell_issuer_parse(BELL_STR("b"), BELL_STR(KEYS_OF("")), &why),
                *wider = bell_issuer_parse(BELL_STR("a"), BELL_STR(KEYS_OF(",\"roles\":[\"teacher\"]")), &why),
                *same = bell_issuer_parse(BELL_STR("a"), BELL_STR(KEYS_OF("")), &why);

    (void)state;
    assert_true(bell_issuer_id(a) == bell_issuer_id(same));
    assert_true(bell_issuer_id(a) != bell_issuer_id(b));
    assert_true(bell_issuer_id(a) != bell_issuer_id(wider));
    bell_issuer_free(a);
    bell_issuer_free(b);
    bell_issuer_free(wider);
    bell_issuer_free(same);
}

static void every_verdict_has_a_name(void **state) {
    (void)state;
    for (int v = 0; v < BELL_SESSION_VERDICTS; v++) {
        assert_non_null(bell_session_verdict_name((bell_session_verdict)v));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bundles_of_keys),
        cmocka_unit_test(a_session_of_ours),
        cmocka_unit_test(refused_sessions_of_ours),
        cmocka_unit_test(whom_and_when),
        cmocka_unit_test(tokens_of_an_issuer),
        cmocka_unit_test(issuers),
        cmocka_unit_test(an_issuer_that_changes_is_another),
        cmocka_unit_test(every_verdict_has_a_name),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
