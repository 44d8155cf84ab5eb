/* The message around the claims, how it is carried, and what must not happen whatever the bytes are. */
#include "bell_es256.h"
#include "cat.h"

#include <openssl/pem.h>

#define T(more) "{" CAT_BASE ", " more "}"

/* ---- what is around the claims */

static void messages(void **state) {
    static const cat_spec good = {"d83dd1", "{1: 5}", "{4: h'6b31'}", "{" CAT_BASE "}", K1, 0};
    static const struct {
        const char *tags, *secure, *open;
        bell_signed_reason reason;
    } rows[] = {
        {"d83dd1", "{1: 5}", "{4: h'6b31'}", BELL_SIGNED_OK},
        {"d1", "{1: 5}", "{4: h'6b31'}", BELL_SIGNED_OK},
        {"d83dd1", "{1: 5, 4: h'6b31'}", "{}", BELL_SIGNED_OK},
        {"d83dd1", "{1: 5}", "{4: \"k1\"}", BELL_SIGNED_MALFORMED}, /* one bit from bytes, and nothing protects it */
        {"d83dd1", "{1: 5, 4: \"k1\"}", "{}", BELL_SIGNED_OK},
        {"d83dd1", "{1: 5, 3: \"application/cwt\", \"x\": 1}", "{4: h'6b31'}", BELL_SIGNED_OK},
        {"d83dd1", "{1: 5}", "{4: h'6b31', 5: h'00'}", BELL_SIGNED_MALFORMED},
        {"d83dd1", "{1: 5}", "{4: h'6b31', \"x\": 1}", BELL_SIGNED_MALFORMED},
        {"d83dd1", "{x'1801': x'1805'}", "{x'1804': h'6b31'}", BELL_SIGNED_OK},
        {"", "{1: 5}", "{4: h'6b31'}", BELL_SIGNED_MALFORMED},
        {"d83d", "{1: 5}", "{4: h'6b31'}", BELL_SIGNED_MALFORMED},
        {"d83dd83dd1", "{1: 5}", "{4: h'6b31'}", BELL_SIGNED_MALFORMED},
        {"d1d1", "{1: 5}", "{4: h'6b31'}", BELL_SIGNED_MALFORMED},
        {"d83dd2", "{1: 5}", "{4: h'6b31'}", BELL_SIGNED_ALGORITHM},
        {"d83dd861", "{1: 5}", "{4: h'6b31'}", BELL_SIGNED_MALFORMED}, /* COSE_Mac, of several recipients */
        {"d83dd1", "{1: 4}", "{4: h'6b31'}", BELL_SIGNED_ALGORITHM},
        {"d83dd1", "{1: 6}", "{4: h'6b31'}", BELL_SIGNED_ALGORITHM},
        {"d83dd1", "{1: -7}", "{4: h'6b31'}", BELL_SIGNED_ALGORITHM},
        {"d83dd1", "{1: \"HS256\"}", "{4: h'6b31'}", BELL_SIGNED_ALGORITHM},
        {"d83dd1", "{1: 0}", "{4: h'6b31'}", BELL_SIGNED_ALGORITHM},
        {"d83dd1", "{1: h'05'}", "{4: h'6b31'}", BELL_SIGNED_MALFORMED},
        {"d83dd1", "{}", "{4: h'6b31'}", BELL_SIGNED_ALGORITHM},
        {"d83dd1", "", "{4: h'6b31'}", BELL_SIGNED_ALGORITHM},
        {"d83dd1", "", "{1: 5, 4: h'6b31'}", BELL_SIGNED_ALGORITHM},
        {"d83dd1", "{1: 5}", "{1: 5, 4: h'6b31'}", BELL_SIGNED_MALFORMED},
        {"d83dd1", "{1: 5, 4: h'6b31'}", "{4: h'6b31'}", BELL_SIGNED_MALFORMED},
        {"d83dd1", "{1: 5, 1: 5}", "{4: h'6b31'}", BELL_SIGNED_MALFORMED},
        {"d83dd1", "{1: 5}", "{4: h'6b31', 4: h'6b31'}", BELL_SIGNED_MALFORMED},
        {"d83dd1", "{1: 5}", "{}", BELL_SIGNED_KEY}, /* no id, and two keys */
        {"d83dd1", "{1: 5}", "{4: h''}", BELL_SIGNED_KEY},
        {"d83dd1", "{1: 5}", "{4: h'6b3100'}", BELL_SIGNED_KEY},
        {"d83dd1", "{1: 5}", "{4: h'4b31'}", BELL_SIGNED_KEY},
        {"d83dd1", "{1: 5}", "{4: 1}", BELL_SIGNED_MALFORMED},
        {"d83dd1", "{1: 5}", "{4: h'6b32'}", BELL_SIGNED_SIGNATURE}, /* the other key's id */
        {"d83dd1", "{1: 5}", "[]", BELL_SIGNED_MALFORMED},
        {"d83dd1", "[]", "{4: h'6b31'}", BELL_SIGNED_MALFORMED},
        {"d83dd1", "{1: 5} 0", "{4: h'6b31'}", BELL_SIGNED_MALFORMED},
        {"d83dd1", "{1: 5, 2: [1]}", "{4: h'6b31'}", BELL_SIGNED_OK}, /* understood, though it need not be said */
        {"d83dd1", "{1: 5, 2: [4], 4: h'6b31'}", "{}", BELL_SIGNED_OK},
        {"d83dd1", "{1: 5, 2: [4]}", "{4: h'6b31'}", BELL_SIGNED_MALFORMED}, /* not protected */
        {"d83dd1", "{1: 5, 2: []}", "{4: h'6b31'}", BELL_SIGNED_MALFORMED},
        {"d83dd1", "{1: 5, 2: 1}", "{4: h'6b31'}", BELL_SIGNED_MALFORMED},
        {"d83dd1", "{1: 5, 2: [1, 3], 3: 0}", "{4: h'6b31'}", BELL_SIGNED_MALFORMED},
        {"d83dd1", "{1: 5, 2: [\"x\"], \"x\": 0}", "{4: h'6b31'}", BELL_SIGNED_MALFORMED},
        {"d83dd1", "{1: 5}", "{2: [1], 4: h'6b31'}", BELL_SIGNED_MALFORMED},
    };
    cat_case *t = cat_new();

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        cat_spec s = {rows[i].tags, rows[i].secure, rows[i].open, good.claims, K1, 0};
        char row[200];
        snprintf(row, sizeof(row), "%s %s %s", s.tags, s.secure, s.open);
        assert_reason(cat_verdict(t, &s), rows[i].reason, row);
    }
    for (int cut = 1; cut < 32; cut++) {
        cat_spec s = good;
        s.cut = cut;
        assert_int_equal(cat_verdict(t, &s), BELL_SIGNED_SIGNATURE);
    }
    cat_spec nameless = good;
    nameless.open = "{}";
    bell_signed_key_free(t->keys.keys[--t->keys.nkeys]);
    assert_int_equal(cat_verdict(t, &nameless), BELL_SIGNED_OK); /* the one key there is */
    t->keys.keys[0]->until_s = CAT_NOW;
    assert_int_equal(cat_verdict(t, &good), BELL_SIGNED_KEY);
    assert_int_equal(cat_verdict(t, &nameless), BELL_SIGNED_KEY);
    cat_free(t);
}

/* A message of bytes that are no message. */
static void not_messages(void **state) {
    static const char *const rows[] = {
        "",
        "0",
        "61(17(0))",
        "61(17([]))",
        "61(17([h'', {}, h'']))",
        "61(17([h'a10105', {4: h'6b31'}, h'a0', h'', h'']))",
        "61(17([h'a10105', {4: h'6b31'}, null, h'']))", /* detached */
        "61(17([h'a10105', {4: h'6b31'}, \"a0\", h'']))",
        "61(17([{1: 5}, {4: h'6b31'}, h'a0', h'']))",
        "61(17([h'a10105', {4: h'6b31'}, h'a0', \"\"]))",
        "61(17([h'a10105', {4: h'6b31'}, h'a0', h''])) 0",
        "61(17([h'a1', {4: h'6b31'}, h'a0', h'']))",
        "61(17([h'ff', {4: h'6b31'}, h'a0', h'']))",
        "x'd83dd19f43a10105a041a040ff'",
        "x'd83dd1845f43a10105ffa041a040'",
        "x'd83dd18443a10105bfff41a040'",
        "x'd83d'",
        "x'd83dd1'",
    };
    cat_case *t = cat_new();
    bell_buf b;

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        cat_cbor(rows[i], &b);
        cat_field(t, b.len > 0 ? cat_encode(t, &b) : "");
        assert_reason(cat_check(t), BELL_SIGNED_MALFORMED, rows[i]);
        bell_buf_fini(&b);
    }
    cat_free(t);
}

static void es256(void **state) {
    EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256"), *other = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    cat_spec s = {"d83dd2", "{1: -7}", "{4: h'6531'}", "{" CAT_BASE "}", K1, 0};
    cat_case *t = cat_new();
    BIO *bio = BIO_new(BIO_s_mem());
    char *pem;
    long pem_len;

    (void)state;
    assert_true(pkey != NULL && other != NULL && PEM_write_bio_PUBKEY(bio, pkey) == 1);
    pem_len = BIO_get_mem_data(bio, &pem);
    cat_add_public(t, "e1", (bell_str){pem, (size_t)pem_len});
    for (int round = 0; round < 6; round++) {
        bell_buf secure, payload, covered, message;
        unsigned char der[128], raw[BELL_ES256_SIGNATURE_BYTES];
        size_t len = sizeof(der);
        EVP_MD_CTX *ctx = EVP_MD_CTX_new();
        s.secure = round == 4 ? "{1: 5}" : "{1: -7}";
        s.tags = round == 5 ? "d83dd1" : "d83dd2";
        cat_cbor(s.secure, &secure);
        cat_cbor(s.claims, &payload);
        cat_covered("Signature1", bell_buf_str(&secure), bell_buf_str(&payload), &covered);
        assert_int_equal(EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, round == 1 ? other : pkey), 1);
        assert_int_equal(EVP_DigestSign(ctx, der, &len, (unsigned char *)covered.p, covered.len), 1);
        assert_true(bell_es256_raw_from_der(der, len, raw));
        bell_str sig = round == 2 ? (bell_str){(char *)der, len} : (bell_str){(char *)raw, sizeof(raw) - (round == 3)};
        cat_message(&s, bell_buf_str(&secure), bell_buf_str(&payload), sig, &message);
        cat_field(t, cat_encode(t, &message));
        static const bell_signed_reason want[] = {BELL_SIGNED_OK,        BELL_SIGNED_SIGNATURE, BELL_SIGNED_SIGNATURE,
                                                  BELL_SIGNED_SIGNATURE, BELL_SIGNED_ALGORITHM, BELL_SIGNED_ALGORITHM};
        assert_int_equal(cat_check(t), want[round]);
        EVP_MD_CTX_free(ctx);
        bell_buf_fini(&secure);
        bell_buf_fini(&payload);
        bell_buf_fini(&covered);
        bell_buf_fini(&message);
    }
    BIO_free(bio);
    EVP_PKEY_free(pkey);
    EVP_PKEY_free(other);
    cat_free(t);
}

/* ---- how it is carried */

/* `good` and `bad` tokens in the places that a row names: f field, g a second field, c cookie, d cookie in small letters, q query; upper case: the
 * bad one. */
static void carriers(void **state) {
    static const struct {
        const char *where;
        bell_signed_reason reason;
    } rows[] = {
        {"", BELL_SIGNED_MISSING},     {"f", BELL_SIGNED_OK},         {"c", BELL_SIGNED_OK},         {"q", BELL_SIGNED_OK},
        {"F", BELL_SIGNED_SIGNATURE},  {"C", BELL_SIGNED_SIGNATURE},  {"Q", BELL_SIGNED_SIGNATURE},  {"qF", BELL_SIGNED_OK},
        {"Qf", BELL_SIGNED_SIGNATURE}, {"qC", BELL_SIGNED_OK},        {"Qc", BELL_SIGNED_SIGNATURE}, {"fC", BELL_SIGNED_OK},
        {"Fc", BELL_SIGNED_SIGNATURE}, {"fg", BELL_SIGNED_MALFORMED}, {"cc", BELL_SIGNED_MALFORMED}, {"d", BELL_SIGNED_OK},
        {"D", BELL_SIGNED_SIGNATURE},  {"cd", BELL_SIGNED_MALFORMED}, {"qq", BELL_SIGNED_MALFORMED}, {"qQ", BELL_SIGNED_MALFORMED},
    };
    cat_case *t = cat_new();
    cat_spec spec = CAT_SPEC("{" CAT_BASE "}");
    char good[500], bad[500], target[3000], cookie[3000];

    (void)state;
    snprintf(good, sizeof(good), "%s", cat_make(t, &spec));
    spec.key = K2;
    snprintf(bad, sizeof(bad), "%s", cat_make(t, &spec));
    for (size_t i = 0; i < ROWS(rows); i++) {
        json_t *fields = json_array();
        size_t n = (size_t)sprintf(target, "/x.ts?a=1"), m = (size_t)sprintf(cookie, "sid=1");
        for (const char *w = rows[i].where; *w != '\0'; w++) {
            const char *token = isupper((unsigned char)*w) ? bad : good;
            char kind = (char)tolower((unsigned char)*w);
            if (kind == 'q') {
                n += (size_t)sprintf(target + n, "&CAT=%s", token);
            } else if (kind == 'c' || kind == 'd') {
                m += (size_t)sprintf(cookie + m, "; %s=%s", kind == 'c' ? "CTA-Common-Access-Token" : "cta-common-access-token", token);
            } else {
                json_array_append_new(fields, json_string(token));
            }
        }
        snprintf(target + n, sizeof(target) - n, "&b=2");
        json_object_clear(t->headers);
        json_object_set_new(t->headers, "cookie", json_string(cookie));
        json_object_set_new(t->headers, "CTA-Common-Access-Token", fields);
        t->c.request.target = bell_str_of(target);
        assert_reason(cat_check(t), rows[i].reason, rows[i].where);
        assert_true(rows[i].reason == BELL_SIGNED_MISSING || bell_str_eq(t->out.target, BELL_STR("/x.ts?a=1&b=2")));
    }
    t->options.cookie = t->options.field = t->options.param = BELL_STR_NULL; /* a token is everywhere, and looked for nowhere */
    assert_int_equal(cat_check(t), BELL_SIGNED_MISSING);
    cat_free(t);
}

/* Padding and the other alphabet. */
static void spellings(void **state) {
    cat_case *t = cat_new();
    char token[1000], target[1200], long_token[BELL_CAT_TOKEN_MAX + 2];
    unsigned other = 0;

    (void)state;
    for (int i = 0; i < 64; i++) {
        char claims_text[100];
        snprintf(claims_text, sizeof(claims_text), "{" CAT_BASE ", -70000: %d}", i);
        cat_spec s = CAT_SPEC(claims_text);
        snprintf(token, sizeof(token), "%s", cat_make(t, &s));
        size_t len = strlen(token), padding = (4 - len % 4) % 4;
        snprintf(target, sizeof(target), "/x?CAT=%s%.*s", token, (int)padding, "==");
        t->c.request.target = bell_str_of(target);
        assert_int_equal(cat_check(t), BELL_SIGNED_OK);
        for (char *p = token; *p != '\0'; p++) {
            *p = *p == '-' ? '+' : (*p == '_' ? '/' : *p);
        }
        bool differs = strpbrk(token, "+/") != NULL;
        other += differs;
        snprintf(target, sizeof(target), "/x?CAT=%s", token);
        t->c.request.target = bell_str_of(target);
        assert_int_equal(cat_check(t), differs ? BELL_SIGNED_MALFORMED : BELL_SIGNED_OK);
        t->c.request.target = BELL_STR("/x");
        strncat(token, "==", padding);
        cat_field(t, token);
        assert_int_equal(cat_check(t), BELL_SIGNED_OK);
        strcat(token, "=");
        cat_field(t, token);
        assert_int_equal(cat_check(t), BELL_SIGNED_MALFORMED);
        cat_field(t, NULL);
    }
    assert_true(other > 0);
    memset(long_token, 'A', sizeof(long_token) - 1);
    long_token[sizeof(long_token) - 1] = '\0';
    cat_field(t, long_token);
    assert_int_equal(cat_check(t), BELL_SIGNED_MALFORMED);
    cat_free(t);
}

/* ---- whatever happens */

/* Any room: what does not fit is malformed, and nothing is written past its end (AddressSanitizer watches). */
static void rooms(void **state) {
    cat_case *t = cat_new();
    cat_spec s = CAT_SPEC(T("6: 1, 7: h'00', 323: {0: 3, 1: 900, 2: 700}"));
    char target[1500], log_safe[] = "/hls/x.ts";
    bool fits = false;

    (void)state;
    snprintf(target, sizeof(target), "%s?a=1&CAT=%s&b=2", log_safe, cat_make(t, &s));
    t->c.request.target = bell_str_of(target);
    for (size_t bytes = 0; bytes < 3000; bytes++) {
        char *memory = malloc(bytes + !bytes);
        bell_signed_room room = {memory, bytes};
        bell_signed_call call = {.request = &t->c.request, .keys = &t->keys, .room = &room};
        bell_signed_reason r = bell_cat_check(&call, &t->options, &t->out);
        assert_true(r == BELL_SIGNED_OK || r == BELL_SIGNED_MALFORMED);
        assert_true(!fits || r == BELL_SIGNED_OK); /* once enough, always enough */
        assert_true(t->out.target.len > 0 && memmem(t->out.target.p, t->out.target.len, "CAT=", 4) == NULL);
        fits = r == BELL_SIGNED_OK;
        assert_true(!fits || t->out.redirect.len > 0);
        free(memory);
    }
    assert_true(fits);
    cat_free(t);
}

/* One bit of the token or of a path that is signed for, anywhere: never accepted. No exceptions: base64url has one spelling for each message. */
static void one_bit_flipped(void **state) {
    cat_case *t = cat_new();
    cat_spec s = CAT_SPEC(T("2: \"ann\", 7: h'0011', 311: [52([24, h'c0000200'])], 312: {3: {0: \"/hls/c7/720/s1.ts\"}}, 313: [\"GET\"]"));
    uint64_t random = 5007;
    char token[1000], target[] = "/hls/c7/720/s1.ts";
    size_t len, path_len = sizeof(target) - 1;

    (void)state;
    snprintf(token, sizeof(token), "%s", cat_make(t, &s));
    len = strlen(token);
    t->c.request.target = bell_str_of(target);
    for (int i = 0; i < 10000; i++) {
        uint64_t at = signed_random(&random) % ((len + path_len) * 8);
        char *byte = at / 8 < len ? &token[at / 8] : &target[at / 8 - len];
        *byte = (char)(*byte ^ 1 << at % 8);
        /* as bytes, not as JSON: what is no UTF-8 and a NUL are in it, too */
        json_object_set_new(t->headers, "cta-common-access-token", json_stringn_nocheck(token, len));
        bell_signed_reason r = cat_check(t);
        if (r == BELL_SIGNED_OK) {
            fail_msg("bit %d of byte %d of the %s is flipped: accepted", (int)(at % 8), (int)(at / 8), at / 8 < len ? "token" : "path");
        }
        *byte = (char)(*byte ^ 1 << at % 8);
    }
    json_object_set_new(t->headers, "cta-common-access-token", json_stringn_nocheck(token, len));
    assert_int_equal(cat_check(t), BELL_SIGNED_OK);
    cat_free(t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages),  cmocka_unit_test(not_messages), cmocka_unit_test(es256),           cmocka_unit_test(carriers),
        cmocka_unit_test(spellings), cmocka_unit_test(rooms),        cmocka_unit_test(one_bit_flipped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
