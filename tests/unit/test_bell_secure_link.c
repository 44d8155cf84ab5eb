#include "bell_secure_link.h"

#include "bell_base64.h"
#include "signed.h"

#include <openssl/evp.h>

#define NOW 1800000000

static const bell_str names[] = {{"md5", 3}, {"expires", 7}};

static bool is(bell_str s, const char *text) {
    return bell_str_eq(s, bell_str_of(text));
}

static bell_str param(bell_str target, const char *name) {
    bell_str path, query, value;
    bool has_query;

    bell_signed_split(target, &path, &query, &has_query);
    bell_signed_param(query, bell_str_of(name), &value);
    return value;
}

/* What nginx makes of "secure_link $arg_md5,$arg_expires; secure_link_md5
 * "$secure_link_expires$uri$remote_addr secret"". */
static bell_signed_reason check(signed_case *c, const char *uri, bool served_path, bell_signed_result *out) {
    char expression[300];
    bell_signed_keys none = {.nkeys = 0};
    bell_signed_call call = signed_call(c, &none);
    bell_str expires = param(c->request.target, "expires");

    snprintf(expression, sizeof(expression), "%.*s%s127.0.0.1 secret", BELL_STR_ARG(expires), uri);
    bell_secure_link_options options = {.hash = param(c->request.target, "md5"),
                                        .has_expires = true,
                                        .expires = expires,
                                        .expression = bell_str_of(expression),
                                        .served_path = served_path,
                                        .params = names,
                                        .nparams = 2};
    return bell_secure_link_check(&call, &options, out);
}

/* "$arg_md5" alone, over "$uri s3". */
static bell_signed_reason check_endless(signed_case *c, const char *uri, bell_signed_result *out) {
    char expression[300];
    bell_signed_keys none = {.nkeys = 0};
    bell_signed_call call = signed_call(c, &none);

    snprintf(expression, sizeof(expression), "%s s3", uri);
    bell_secure_link_options options = {
        .hash = param(c->request.target, "md5"), .expression = bell_str_of(expression), .params = names, .nparams = 1};
    return bell_secure_link_check(&call, &options, out);
}

static bell_signed_reason check_secret(signed_case *c, bell_signed_result *out) {
    bell_signed_keys none = {.nkeys = 0};
    bell_signed_call call = signed_call(c, &none);
    bell_secure_link_secret_options options = {.secret = BELL_STR("enigma")};

    return bell_secure_link_secret_check(&call, &options, out);
}

/* Dots are let pass where nginx' own path was hashed; elsewhere they are
 * refused. */
static void vectors(void **state) {
    json_t *file = signed_vectors("nginx-secure-link"), *vector;
    bell_signed_result out;
    signed_case c;
    size_t i;

    (void)state;
    json_array_foreach(json_object_get(file, "vectors"), i, vector) {
        signed_case_of(vector, &c);
        bell_str target = c.request.target;
        if (bell_str_starts(target, BELL_STR("/old/"))) {
            signed_expect(vector, check_secret(&c, &out));
            assert_true(is(out.target, "/old/top/a.ts"));
        } else if (bell_str_starts(target, BELL_STR("/ne/"))) {
            signed_expect(vector, check_endless(&c, "/ne/a", &out));
            assert_true(is(out.target, "/ne/a"));
        } else {
            signed_expect(vector, check(&c, "/p/a.mp4", true, &out));
            bool dots = bell_str_starts(target, BELL_STR("/p/x/../"));
            assert_true(is(out.target, dots ? "/p/x/../a.mp4" : "/p/a.mp4"));
            assert_true((check(&c, "/p/a.mp4", false, &out) == BELL_SIGNED_PATH) == dots);
        }
    }
    json_decref(file);
}

static void hash_of(const char *text, char out[32]) {
    unsigned char hash[EVP_MAX_MD_SIZE];

    assert_int_equal(EVP_Digest(text, strlen(text), hash, NULL, EVP_md5(), NULL), 1);
    bell_base64url_encode(hash, 16, out);
}

static void ends_of_links(void **state) {
    static const struct {
        const char *expires;
        bell_signed_reason reason;
        int64_t expires_s;
    } rows[] = {
        {"1800000001", BELL_SIGNED_OK, 1800000001},
        {"1800000000", BELL_SIGNED_EXPIRED, 1800000000},
        {"1", BELL_SIGNED_EXPIRED, 1},
        {"001800000001", BELL_SIGNED_OK, 1800000001},
        {"9223372036854775807", BELL_SIGNED_OK, INT64_MAX},
        {"9223372036854775808", BELL_SIGNED_SIGNATURE, 0},
        {"99999999999999999999", BELL_SIGNED_SIGNATURE, 0},
        {"0", BELL_SIGNED_SIGNATURE, 0},
        {"000", BELL_SIGNED_SIGNATURE, 0},
        {"", BELL_SIGNED_SIGNATURE, 0},
        {"-1", BELL_SIGNED_SIGNATURE, 0},
        {"+1800000001", BELL_SIGNED_SIGNATURE, 0},
        {"1800000001x", BELL_SIGNED_SIGNATURE, 0},
        {"1800000001%20", BELL_SIGNED_SIGNATURE, 0},
        {"0x7fffffff", BELL_SIGNED_SIGNATURE, 0},
    };
    char text[300], hash[32], target[300];
    bell_signed_result out;
    signed_case c;

    (void)state;
    signed_case_init(&c);
    for (size_t i = 0; i < ROWS(rows); i++) {
        snprintf(text, sizeof(text), "%s/a127.0.0.1 secret", rows[i].expires);
        hash_of(text, hash);
        snprintf(target, sizeof(target), "/a?x=1&md5=%s&expires=%s&y", hash, rows[i].expires);
        c.request.target = bell_str_of(target);
        assert_row(check(&c, "/a", false, &out) == rows[i].reason, rows[i].expires);
        assert_row(out.expires_s == rows[i].expires_s && is(out.target, "/a?x=1&y"), rows[i].expires);
        assert_row(is(out.token, hash), rows[i].expires);
    }
}

static void spellings_of_hashes(void **state) {
    static const struct {
        const char *target;
        bell_signed_reason reason;
    } rows[] = {
        {"/ne/a?md5=@", BELL_SIGNED_OK},
        {"/ne/a?md5=@=", BELL_SIGNED_OK},
        {"/ne/a?md5=@==", BELL_SIGNED_OK},
        {"/ne/a?md5=@===", BELL_SIGNED_SIGNATURE},
        {"/ne/a?md5=@A", BELL_SIGNED_SIGNATURE},
        {"/ne/a?md5=@=A", BELL_SIGNED_SIGNATURE},
        {"/ne/a?md5=@&md5=x", BELL_SIGNED_OK}, /* as nginx has it, the first counts */
        {"/ne/a?md5=x&md5=@", BELL_SIGNED_SIGNATURE},
        {"/ne/a?md5=x", BELL_SIGNED_SIGNATURE},
        {"/ne/a?md5====================", BELL_SIGNED_SIGNATURE},
        {"/ne/a?md5=", BELL_SIGNED_MISSING},
        {"/ne/a?md5", BELL_SIGNED_MISSING},
        {"/ne/a", BELL_SIGNED_MISSING},
        {"/ne/./a?md5=@", BELL_SIGNED_PATH},
    };
    char hash[32], target[200];
    bell_signed_result out;
    signed_case c;

    (void)state;
    signed_case_init(&c);
    hash_of("/ne/a s3", hash);
    for (size_t i = 0; i < ROWS(rows); i++) {
        const char *at = strchr(rows[i].target, '@');
        snprintf(target, sizeof(target), at != NULL ? "%.*s%s%s" : "%.*s", (int)(at != NULL ? at - rows[i].target : 200), rows[i].target, hash,
                 at != NULL ? at + 1 : "");
        c.request.target = bell_str_of(target);
        assert_row(check_endless(&c, "/ne/a", &out) == rows[i].reason, rows[i].target);
        assert_row(out.target.len == 0 || memmem(out.target.p, out.target.len, "md5", 3) == NULL, rows[i].target);
    }
    c.request.target = bell_str_of(target);
    assert_int_equal(check_endless(&c, "/ne/b", &out), BELL_SIGNED_PATH);
    c.request.target = BELL_STR("/ne/a?x&md5=bNpxCjwHixiojfYQStJc2A&y");
    bell_signed_keys none = {.nkeys = 0};
    bell_signed_call call = signed_call(&c, &none);
    bell_secure_link_options options = {.hash = BELL_STR("x"), .params = names, .nparams = 2};
    c.room.left = 1;
    assert_int_equal(bell_secure_link_check(&call, &options, &out), BELL_SIGNED_MALFORMED);
    assert_true(is(out.target, "/ne/a"));
}

static void links_with_a_secret(void **state) {
    static const struct {
        const char *target;
        bell_signed_reason reason;
        const char *stripped;
    } rows[] = {
        {"/old/e50d5ca1ba9653549171412b317a2cb0/top/a.ts", BELL_SIGNED_OK, "/old/top/a.ts"},
        {"/other/e50d5ca1ba9653549171412b317a2cb0/top/a.ts", BELL_SIGNED_OK, "/other/top/a.ts"}, /* the location says which */
        {"//e50d5ca1ba9653549171412b317a2cb0/top/a.ts", BELL_SIGNED_OK, "//top/a.ts"},
        {"/old/e50d5ca1ba9653549171412b317a2cb0/top/a.ts?x", BELL_SIGNED_SIGNATURE, "/old/top/a.ts?x"}, /* the query is part of the link */
        {"/old/e50d5ca1ba9653549171412b317a2cb0/top/%61.ts", BELL_SIGNED_SIGNATURE, "/old/top/%61.ts"},
        {"/old/e50d5ca1ba9653549171412b317a2cb1/top/a.ts", BELL_SIGNED_SIGNATURE, "/old/top/a.ts"},
        {"/old/e50d5ca1ba9653549171412b317a2cb0/top/../a.ts", BELL_SIGNED_PATH, "/old/top/../a.ts"},
        {"/old/e50d5ca1ba9653549171412b317a2cb0/", BELL_SIGNED_MISSING, ""},
        {"/old/e50d5ca1ba9653549171412b317a2cb0", BELL_SIGNED_MISSING, ""},
        {"/old/e50d5ca1ba9653549171412b317a2cb/top/a.ts", BELL_SIGNED_MISSING, ""},
        {"/old/e50d5ca1ba9653549171412b317a2cb00/top/a.ts", BELL_SIGNED_MISSING, ""},
        {"/old/g50d5ca1ba9653549171412b317a2cb0/top/a.ts", BELL_SIGNED_MISSING, ""},
        {"/old/top/a.ts", BELL_SIGNED_MISSING, ""},
        {"/secret.ts?/e50d5ca1ba9653549171412b317a2cb0/top/a.ts", BELL_SIGNED_MISSING, ""}, /* no path that the hash is of */
        {"/secret.ts?x/e50d5ca1ba9653549171412b317a2cb0/top/a.ts", BELL_SIGNED_MISSING, ""},
        {"/", BELL_SIGNED_MISSING, ""},
        {"", BELL_SIGNED_MISSING, ""},
        {"*", BELL_SIGNED_MISSING, ""},
    };
    bell_signed_result out;
    signed_case c;

    (void)state;
    signed_case_init(&c);
    for (size_t i = 0; i < ROWS(rows); i++) {
        c.request.target = bell_str_of(rows[i].target);
        assert_row(check_secret(&c, &out) == rows[i].reason, rows[i].target);
        assert_row(is(out.target, rows[i].stripped), rows[i].target);
    }
    bell_signed_keys none = {.nkeys = 0};
    bell_signed_call call = signed_call(&c, &none);
    bell_secure_link_secret_options options = {.secret = BELL_STR("enigma")};
    c.room.left = 5;
    c.request.target = bell_str_of(rows[0].target);
    assert_int_equal(bell_secure_link_secret_check(&call, &options, &out), BELL_SIGNED_MALFORMED);
    assert_true(is(out.target, "/old/"));
}

/* Whoever evaluates the expressions sees the flipped bit, too. In the older
 * form, the case of a digit is not protected, and neither is the first segment,
 * which is the location's. */
static void one_flipped_bit_is_refused(void **state) {
    char text[] = "/old/e50d5ca1ba9653549171412b317a2cb0/top/a.ts", target[300], hash[32];
    uint64_t seed = 5;
    bell_signed_result out;
    signed_case c;

    (void)state;
    signed_case_init(&c);
    for (int i = 0; i < 10000; i++) {
        uint64_t r = signed_random(&seed);
        size_t at = strlen("/old/") + (size_t)(r >> 8) % (strlen(text) - strlen("/old/"));
        bool only_case = (r & 7) == 5 && ((text[at] >= 'a' && text[at] <= 'f') || (text[at] >= 'A' && text[at] <= 'F')) && at < strlen("/old/") + 32;
        text[at] = (char)(text[at] ^ (1 << (r & 7)));
        c.request.target = bell_str_of(text);
        if ((check_secret(&c, &out) == BELL_SIGNED_OK) != only_case) {
            fail_msg("bit %u of byte %zu: %s", (unsigned)(r & 7), at, text);
        }
        text[at] = (char)(text[at] ^ (1 << (r & 7)));
    }
    hash_of("2145916800/p/a.mp4127.0.0.1 secret", hash);
    size_t len = (size_t)snprintf(target, sizeof(target), "/p/a.mp4?md5=%s&expires=2145916800", hash), query = strlen("/p/a.mp4?md5=");
    for (int i = 0; i < 10000; i++) {
        uint64_t r = signed_random(&seed);
        size_t at = query + (size_t)(r >> 8) % (len - query);
        target[at] = (char)(target[at] ^ (1 << (r & 7)));
        c.request.target = (bell_str){target, len};
        if (check(&c, "/p/a.mp4", false, &out) == BELL_SIGNED_OK) {
            fail_msg("bit %u of byte %zu is not protected: %s", (unsigned)(r & 7), at, target);
        }
        target[at] = (char)(target[at] ^ (1 << (r & 7)));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors),
        cmocka_unit_test(ends_of_links),
        cmocka_unit_test(spellings_of_hashes),
        cmocka_unit_test(links_with_a_secret),
        cmocka_unit_test(one_flipped_bit_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
