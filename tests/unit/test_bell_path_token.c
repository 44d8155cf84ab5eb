#include "bell_path_token.h"

#include "bell_base64.h"
#include "signed.h"

#include <openssl/hmac.h>

#define NOW          1800000000
#define SECRET       "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define OTHER        "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100"
#define TARGET_BYTES 4096

static const bell_path_token plain = {.tenant_id = 7, .until_s = NOW + 60, .subject = {"s-17", 4}};

static bell_signed_key *secret(const char *id, const char *hex) {
    const char *why;
    bell_signed_key *k = bell_signed_key_secret(bell_str_of(id), BELL_SIGNED_HMAC_SHA256, bell_str_of(hex), true, &why);
    assert_non_null(k);
    return k;
}

static bell_signed_reason check(signed_case *c, const bell_signed_keys *keys, const char *target, bool one_host, bell_signed_result *out) {
    bell_path_token_options options = {.one_host = one_host};
    bell_signed_call call = signed_call(c, keys);

    c->request.target = bell_str_of(target);
    return bell_path_token_check(&call, &options, out);
}

static bool is(bell_str s, const char *text) {
    return bell_str_eq(s, bell_str_of(text));
}

/* PREFIX, the component and the rest, as a signer would make them. */
static char *make(const bell_signed_key *k, const bell_path_token *t, const char *prefix, const char *rest) {
    static char target[TARGET_BYTES];
    char component[BELL_PATH_TOKEN_MAX_BYTES];

    assert_true(bell_path_token_write(k, t, bell_str_of(prefix), component) > 0);
    snprintf(target, sizeof(target), "%s%s%s", prefix, component, rest);
    return target;
}

/* A component with a right MAC over whatever its parts are, made without the code under test. */
static char *sign(const char *parts, const char *host, const char *prefix, const char *rest) {
    static char target[TARGET_BYTES];
    unsigned char key[32], mac[32];
    char text[TARGET_BYTES], encoded[64];

    for (unsigned i = 0; i < sizeof(key); i++) {
        key[i] = (unsigned char)i;
    }
    int n = snprintf(text, sizeof(text), "firstbell path token\n%s\n%s\n%s", host, prefix, parts);
    assert_non_null(HMAC(EVP_sha256(), key, sizeof(key), (unsigned char *)text, (size_t)n, mac, NULL));
    bell_base64url_encode(mac, sizeof(mac), encoded);
    snprintf(target, sizeof(target), "%sbell-token=%s.%s%s", prefix, parts, encoded, rest);
    return target;
}

static void what_is_written_is_what_the_page_says(void **state) {
    bell_signed_key *k = secret("k1", SECRET);
    bell_path_token full = plain;

    (void)state;
    for (int again = 0; again < 3; again++) { /* the prepared MAC is set back by each use */
        char *got = strdup(make(k, &plain, "/courses/c7/", "/720/s1.ts"));
        assert_string_equal(got, sign("v1.k1.7..1800000060.cy0xNw.", "", "/courses/c7/", "/720/s1.ts"));
        free(got);
    }
    full.from_s = NOW;
    full.data = BELL_STR("room 4");
    full.host = BELL_STR("cdn.school.example:8443");
    char *got = strdup(make(k, &full, "/", ""));
    assert_string_equal(got, sign("v1h.k1.7.1800000000.1800000060.cy0xNw.cm9vbSA0", "cdn.school.example:8443", "/", ""));
    free(got);
    bell_signed_key_free(k);
}

static void what_is_written_is_right(void **state) {
    bell_signed_keys keys = {.keys = {secret("k1", SECRET)}, .nkeys = 1};
    bell_path_token full = plain;
    bell_signed_result out;
    signed_case c;

    (void)state;
    signed_case_init(&c);
    c.request.tenant_id = 7;
    full.from_s = NOW;
    full.data = BELL_STR("room 4");
    assert_int_equal(check(&c, &keys, make(keys.keys[0], &full, "/courses/c7/", "/720/s1.ts?a=b"), false, &out), BELL_SIGNED_OK);
    assert_true(is(out.target, "/courses/c7/720/s1.ts?a=b") && is(out.key_id, "k1") && is(out.subject, "s-17") && is(out.data, "room 4"));
    assert_int_equal(out.expires_s, NOW + 60);
    assert_true(bell_str_starts(out.token, BELL_STR("bell-token=v1.k1.7.")) && memchr(out.token.p, '/', out.token.len) == NULL);

    /* any name below it, and the prefix itself */
    assert_int_equal(check(&c, &keys, make(keys.keys[0], &plain, "/courses/c7/", "/"), false, &out), BELL_SIGNED_OK);
    assert_true(is(out.target, "/courses/c7/"));
    assert_int_equal(check(&c, &keys, make(keys.keys[0], &plain, "/courses/c7/", ""), false, &out), BELL_SIGNED_OK);
    assert_true(is(out.target, "/courses/c7/"));
    assert_int_equal(check(&c, &keys, make(keys.keys[0], &plain, "/courses/c7/", "?x"), false, &out), BELL_SIGNED_OK);
    assert_true(is(out.target, "/courses/c7/?x"));
    assert_int_equal(check(&c, &keys, make(keys.keys[0], &plain, "/", "/a%20b/c;d"), false, &out), BELL_SIGNED_OK);
    assert_true(is(out.target, "/a%20b/c;d"));
    signed_keys_free(&keys);
}

static void the_longest_parts_fit(void **state) {
    bell_signed_keys keys = {.keys = {secret("abcdefghijklmnopqrstuvwxyz-_0123", SECRET)}, .nkeys = 1};
    char most[BELL_PATH_TOKEN_DATA_BYTES + 1], prefix[BELL_PATH_TOKEN_PREFIX_BYTES + 1], component[BELL_PATH_TOKEN_MAX_BYTES];
    bell_path_token t = {.tenant_id = INT32_MAX, .from_s = 9999999998, .until_s = 9999999999};
    bell_signed_result out;
    signed_case c;

    (void)state;
    signed_case_init(&c);
    c.request.tenant_id = INT32_MAX;
    c.request.now_s = 9999999998;
    memset(most, '~', sizeof(most));
    memset(prefix, 'x', sizeof(prefix));
    prefix[0] = prefix[sizeof(prefix) - 2] = '/';
    prefix[sizeof(prefix) - 1] = '\0';
    t.subject = (bell_str){most, BELL_PATH_TOKEN_SUBJECT_BYTES};
    t.data = (bell_str){most, BELL_PATH_TOKEN_DATA_BYTES};
    assert_int_equal(check(&c, &keys, make(keys.keys[0], &t, prefix, "/s"), false, &out), BELL_SIGNED_OK);
    assert_int_equal(out.data.len, BELL_PATH_TOKEN_DATA_BYTES);
    t.data.len++;
    assert_int_equal(bell_path_token_write(keys.keys[0], &t, bell_str_of(prefix), component), -1);
    signed_keys_free(&keys);
}

static void what_cannot_be_written(void **state) {
    static const struct {
        const char *what, *prefix;
        bell_path_token token;
    } rows[] = {
        {"a subject with a control byte", "/", {.until_s = NOW, .subject = {"a\n", 2}}},
        {"a subject that is not ASCII", "/", {.until_s = NOW, .subject = {"\xC3\xA4", 2}}},
        {"a subject that is too long", "/", {.until_s = NOW, .subject = {"12345678901234567890123456789012345678901234567890123456789012345", 65}}},
        {"data with NUL", "/", {.until_s = NOW, .data = {"a\0b", 3}}},
        {"no end", "/", {.tenant_id = 7}},
        {"an end before the beginning", "/", {.from_s = NOW, .until_s = NOW}},
        {"a beginning before 1970", "/", {.from_s = -1, .until_s = NOW}},
        {"an end of eleven digits", "/", {.until_s = 10000000000}},
        {"a tenant past the largest", "/", {.until_s = NOW, .tenant_id = UINT32_MAX}},
        {"a host in upper case", "/", {.until_s = NOW, .host = {"A.example", 9}}},
        {"a host with a line feed", "/", {.until_s = NOW, .host = {"a\nb", 3}}},
        {"no prefix", "", {.until_s = NOW}},
        {"a prefix that begins with a name", "a/", {.until_s = NOW}},
        {"a prefix that ends in a name", "/a", {.until_s = NOW}},
        {"a prefix with a query", "/a?/", {.until_s = NOW}},
        {"a prefix with dots", "/a/../", {.until_s = NOW}},
        {"a prefix with encoded dots", "/a/%2e%2E/", {.until_s = NOW}},
        {"a prefix with a line feed", "/a\n/", {.until_s = NOW}},
        {"a prefix with a token", "/bell-token=x/", {.until_s = NOW}},
    };
    bell_signed_key *k = secret("k1", SECRET), *dotted = secret("k.1", SECRET);
    char out[BELL_PATH_TOKEN_MAX_BYTES];
    const char *why;
    bell_signed_key *sha1 = bell_signed_key_secret(BELL_STR("k1"), BELL_SIGNED_HMAC_SHA1, BELL_STR(SECRET), true, &why);

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        assert_row(bell_path_token_write(k, &rows[i].token, bell_str_of(rows[i].prefix), out) == -1, rows[i].what);
    }
    assert_int_equal(bell_path_token_write(dotted, &plain, BELL_STR("/"), out), -1);
    assert_int_equal(bell_path_token_write(sha1, &plain, BELL_STR("/"), out), -1);
    assert_true(bell_path_token_write(k, &plain, BELL_STR("/"), out) > 0);
    bell_signed_key_free(k);
    bell_signed_key_free(dotted);
    bell_signed_key_free(sha1);
}

/* Behind a right MAC, which only a maker with other habits could have set. */
static void each_token_has_one_spelling(void **state) {
    static const struct {
        const char *parts;
        bell_signed_reason reason;
    } rows[] = {
        {"v1.k1.7..1800000060.cy0xNw.", BELL_SIGNED_OK},
        {"v1.k1.7..1800000060..", BELL_SIGNED_OK},
        {"v1.k1.7.1800000000.1800000060..", BELL_SIGNED_OK},
        {"v1.k1.7.1.1800000060..", BELL_SIGNED_OK},
        {"v1.k1.07..1800000060..", BELL_SIGNED_MALFORMED},
        {"v1.k1.+7..1800000060..", BELL_SIGNED_MALFORMED},
        {"v1.k1...1800000060..", BELL_SIGNED_MALFORMED},
        {"v1.k1.4294967303..1800000060..", BELL_SIGNED_MALFORMED},
        {"v1.k1.7.0.1800000060..", BELL_SIGNED_MALFORMED},
        {"v1.k1.7.00.1800000060..", BELL_SIGNED_MALFORMED},
        {"v1.k1.7..01800000060..", BELL_SIGNED_MALFORMED},
        {"v1.k1.7..18000000600..", BELL_SIGNED_MALFORMED},
        {"v1.k1.7....", BELL_SIGNED_MALFORMED},
        {"v1.k1.7..1800000060.cy0xNw=.", BELL_SIGNED_MALFORMED},
        {"v1.k1.7..1800000060.cy0xNx.", BELL_SIGNED_MALFORMED}, /* bits that no byte uses */
        {"v1.k1.7..1800000060.cy0xN.", BELL_SIGNED_MALFORMED},
        {"v1.k1.7..1800000060.Cg.", BELL_SIGNED_MALFORMED}, /* a line feed */
        {"v1.k1.7..1800000060..Cg", BELL_SIGNED_MALFORMED},
        {"v1.k1.7.1800000060.1800000060..", BELL_SIGNED_MALFORMED},
        {"v1.k1.7..1800000060.", BELL_SIGNED_MALFORMED},
        {"v1.k1.7..1800000060...", BELL_SIGNED_MALFORMED},
        {"v1.k1", BELL_SIGNED_MALFORMED},
        {"", BELL_SIGNED_MALFORMED},
        {"v2.k1.7..1800000060..", BELL_SIGNED_VERSION},
        {".k1.7..1800000060..", BELL_SIGNED_VERSION},
        {"V1.k1.7..1800000060..", BELL_SIGNED_VERSION},
        {"v1.k2.7..1800000060..", BELL_SIGNED_KEY},
        {"v1..7..1800000060..", BELL_SIGNED_KEY},
        {"v1.k%31.7..1800000060..", BELL_SIGNED_KEY},
        {"v1h.k1.7..1800000060..", BELL_SIGNED_SIGNATURE}, /* signed without a host */
        {"v1.k1.8..1800000060..", BELL_SIGNED_TENANT},
        {"v1.k1.0..1800000060..", BELL_SIGNED_TENANT},
        {"v1.k1.7..1800000000..", BELL_SIGNED_EXPIRED}, /* at the second of its end */
        {"v1.k1.7..1..", BELL_SIGNED_EXPIRED},
        {"v1.k1.7.1800000001.1800000060..", BELL_SIGNED_NOT_YET},
    };
    bell_signed_keys keys = {.keys = {secret("k1", SECRET)}, .nkeys = 1};
    bell_signed_result out;
    signed_case c;

    (void)state;
    signed_case_init(&c);
    c.request.tenant_id = 7;
    for (size_t i = 0; i < ROWS(rows); i++) {
        assert_row(check(&c, &keys, sign(rows[i].parts, "", "/c7/", "/s1.ts"), false, &out) == rows[i].reason, rows[i].parts);
        assert_row(is(out.target, "/c7/s1.ts"), rows[i].parts);
    }
    signed_keys_free(&keys);
}

static void places_of_the_component(void **state) {
    bell_signed_keys keys = {.keys = {secret("k1", SECRET)}, .nkeys = 1};
    char good[BELL_PATH_TOKEN_MAX_BYTES], target[TARGET_BYTES];
    static const struct {
        const char *form, *stripped; /* "@" stands for a good component below /c7/ */
        bell_signed_reason reason;
    } rows[] = {
        {"/c7/@/s", "/c7/s", BELL_SIGNED_OK},
        {"/c7/@/s?bell-token=x", "/c7/s?bell-token=x", BELL_SIGNED_OK}, /* a query says nothing */
        {"/c7/@/xbell-token=y/s", "/c7/xbell-token=y/s", BELL_SIGNED_OK},
        {"/c8/@/s", "/c8/s", BELL_SIGNED_SIGNATURE},
        {"/c7/x/@/s", "/c7/x/s", BELL_SIGNED_SIGNATURE},
        {"/@/c7/s", "/c7/s", BELL_SIGNED_SIGNATURE},
        {"/C7/@/s", "/C7/s", BELL_SIGNED_SIGNATURE},
        {"//c7/@/s", "//c7/s", BELL_SIGNED_SIGNATURE},
        {"/%637/@/s", "/%637/s", BELL_SIGNED_SIGNATURE},
        {"/c7/@/@/s", "/c7/s", BELL_SIGNED_MALFORMED},
        {"/c7/@/a/@/s", "/c7/a/s", BELL_SIGNED_MALFORMED},
        {"/c7/@/s/@", "/c7/s/", BELL_SIGNED_MALFORMED},
        {"/c7/@/bell-token=/s", "/c7/s", BELL_SIGNED_MALFORMED},
        {"/c7/bell-token=/@/s", "/c7/s", BELL_SIGNED_MALFORMED},
        {"/c7/bell-token=/s", "/c7/s", BELL_SIGNED_MALFORMED},
        {"/c7/@x/s", "/c7/s", BELL_SIGNED_MALFORMED},
        {"/c7/@;x/s", "/c7/s", BELL_SIGNED_MALFORMED},
        {"/c7/@%2Fs", "/c7/", BELL_SIGNED_MALFORMED},
        {"/c7/@/../c8/s", "/c7/../c8/s", BELL_SIGNED_PATH},
        {"/c7/@/%2e%2E/c8/s", "/c7/%2e%2E/c8/s", BELL_SIGNED_PATH},
        {"/c7/@/x/..", "/c7/x/..", BELL_SIGNED_PATH},
        {"/c7/@/./s", "/c7/./s", BELL_SIGNED_PATH},
        {"/c7/@/a%2f..%2fb", "/c7/a%2f..%2fb", BELL_SIGNED_PATH},
        {"/c7/@/a%zz", "/c7/a%zz", BELL_SIGNED_PATH},
        {"/c7/s", "", BELL_SIGNED_MISSING},
        {"/c7/s?@", "", BELL_SIGNED_MISSING},
        {"/c7/s?x=/@/s", "", BELL_SIGNED_MISSING},
        {"/c7/Bell-token=x/s", "", BELL_SIGNED_MISSING},
        {"/c7/%62ell-token=x/s", "", BELL_SIGNED_MISSING},
        {"/c7/../s", "", BELL_SIGNED_MISSING},
        {"*", "", BELL_SIGNED_MISSING},
        {"", "", BELL_SIGNED_MISSING},
    };
    bell_signed_result out;
    signed_case c;

    (void)state;
    signed_case_init(&c);
    c.request.tenant_id = 7;
    assert_true(bell_path_token_write(keys.keys[0], &plain, BELL_STR("/c7/"), good) > 0);
    for (size_t i = 0; i < ROWS(rows); i++) {
        size_t n = 0;
        for (const char *p = rows[i].form; *p != '\0'; p++) {
            n += (size_t)(*p == '@' ? snprintf(target + n, sizeof(target) - n, "%s", good) : snprintf(target + n, sizeof(target) - n, "%c", *p));
        }
        target[n] = '\0';
        assert_row(check(&c, &keys, target, false, &out) == rows[i].reason, rows[i].form);
        assert_row(is(out.target, rows[i].stripped), rows[i].form);
    }
    signed_keys_free(&keys);
}

static void a_token_for_one_host(void **state) {
    bell_signed_keys keys = {.keys = {secret("k1", SECRET)}, .nkeys = 1};
    bell_path_token t = plain;
    bell_signed_result out;
    signed_case c;

    (void)state;
    signed_case_init(&c);
    c.request.tenant_id = 7;
    t.host = c.request.host;
    char *bound = strdup(make(keys.keys[0], &t, "/c7/", "/s"));
    assert_int_equal(check(&c, &keys, bound, true, &out), BELL_SIGNED_OK);
    assert_int_equal(check(&c, &keys, make(keys.keys[0], &plain, "/c7/", "/s"), true, &out), BELL_SIGNED_RESOURCE);
    c.request.host = BELL_STR("other.school.example");
    assert_int_equal(check(&c, &keys, make(keys.keys[0], &plain, "/c7/", "/s"), false, &out), BELL_SIGNED_OK);
    assert_int_equal(check(&c, &keys, bound, false, &out), BELL_SIGNED_SIGNATURE);
    c.request.host = BELL_STR("");
    assert_int_equal(check(&c, &keys, bound, false, &out), BELL_SIGNED_SIGNATURE);
    free(bound);
    signed_keys_free(&keys);
}

static void keys_and_their_windows(void **state) {
    bell_signed_keys keys = {.keys = {secret("old", OTHER), secret("k1", SECRET)}, .nkeys = 2};
    bell_signed_key *stranger = secret("k1", OTHER);
    const char *why;
    bell_signed_result out;
    signed_case c;

    (void)state;
    signed_case_init(&c);
    c.request.tenant_id = 7;
    char *by_old = strdup(make(keys.keys[0], &plain, "/c7/", "/s"));
    assert_int_equal(check(&c, &keys, by_old, false, &out), BELL_SIGNED_OK);
    keys.keys[0]->until_s = NOW + 1;
    assert_int_equal(check(&c, &keys, by_old, false, &out), BELL_SIGNED_OK);
    keys.keys[0]->until_s = NOW;
    assert_int_equal(check(&c, &keys, by_old, false, &out), BELL_SIGNED_KEY);
    assert_int_equal(check(&c, &keys, make(stranger, &plain, "/c7/", "/s"), false, &out), BELL_SIGNED_SIGNATURE);
    assert_true(is(out.key_id, "k1") && out.subject.len == 0 && out.expires_s == 0);
    free(by_old);
    signed_keys_free(&keys);

    /* a key of the same name that is for something else */
    keys.keys[0] = bell_signed_key_secret(BELL_STR("k1"), BELL_SIGNED_HMAC_SHA1, BELL_STR(OTHER), true, &why);
    keys.nkeys = 1;
    assert_int_equal(check(&c, &keys, make(stranger, &plain, "/c7/", "/s"), false, &out), BELL_SIGNED_ALGORITHM);
    bell_signed_key_free(stranger);
    signed_keys_free(&keys);
}

static void without_room_the_token_is_not_told(void **state) {
    bell_signed_keys keys = {.keys = {secret("k1", SECRET)}, .nkeys = 1};
    bell_path_token_options options = {0};
    bell_signed_result out;
    signed_case c;

    (void)state;
    signed_case_init(&c);
    c.request.tenant_id = 7;
    c.request.target = bell_str_of(make(keys.keys[0], &plain, "/c7/", "/s"));
    for (size_t left = 0;; left++) {
        bell_signed_call call = signed_call(&c, &keys);
        c.room.left = left;
        if (bell_path_token_check(&call, &options, &out) == BELL_SIGNED_OK) {
            assert_true(left > c.request.target.len);
            break;
        }
        assert_true(is(out.target, "/c7/") || is(out.target, "/c7/s"));
    }
    signed_keys_free(&keys);
}

/* One bit of the prefix or the component; nothing else is signed. */
static void one_flipped_bit_is_refused(void **state) {
    bell_signed_keys keys = {.keys = {secret("k1", SECRET)}, .nkeys = 1};
    bell_path_token t = plain;
    uint64_t seed = 20260101;
    bell_signed_result out;
    signed_case c;

    (void)state;
    signed_case_init(&c);
    c.request.tenant_id = 7;
    t.host = c.request.host;
    t.from_s = NOW;
    t.data = BELL_STR("x");
    char *target = make(keys.keys[0], &t, "/courses/c7/", "/720/s1.ts");
    size_t len = strlen(target), protected = len - strlen("/720/s1.ts");
    assert_int_equal(check(&c, &keys, target, false, &out), BELL_SIGNED_OK);
    for (int i = 0; i < 10000; i++) {
        uint64_t r = signed_random(&seed);
        size_t at = (size_t)(r >> 8) % protected;
        bell_path_token_options options = {0};
        bell_signed_call call = signed_call(&c, &keys);

        target[at] = (char)(target[at] ^ (1 << (r & 7)));
        c.request.target = (bell_str){target, len};
        if (bell_path_token_check(&call, &options, &out) == BELL_SIGNED_OK) {
            fail_msg("bit %u of byte %zu is not protected: %.*s", (unsigned)(r & 7), at, (int)len, target);
        }
        target[at] = (char)(target[at] ^ (1 << (r & 7)));
    }
    signed_keys_free(&keys);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_what_the_page_says),
        cmocka_unit_test(what_is_written_is_right),
        cmocka_unit_test(the_longest_parts_fit),
        cmocka_unit_test(what_cannot_be_written),
        cmocka_unit_test(each_token_has_one_spelling),
        cmocka_unit_test(places_of_the_component),
        cmocka_unit_test(a_token_for_one_host),
        cmocka_unit_test(keys_and_their_windows),
        cmocka_unit_test(without_room_the_token_is_not_told),
        cmocka_unit_test(one_flipped_bit_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
