#include "bell_context.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bell_base64.h"
#include "unit.h"

#include <openssl/hmac.h>

#define NOW    1800000000
#define SECRET "000102030405060708090a0b0c0d0e0f101112131415161718191A1B1C1D1E1F"
#define OTHER  "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100"

static bell_context_key *parse(const char *id, const char *text) {
    char err[200] = "";
    bell_context_key *k = bell_context_key_parse(bell_str_of(id), bell_str_of(text), err, sizeof(err));
    assert_true((k == NULL) == (err[0] != '\0'));
    return k;
}

static const bell_context_claims plain = {
    .time_s = NOW, .tenant_id = 42, .subject = {"17", 2}, .role = {"teacher", 7}, .scopes = {"self classes", 12}, .request_id = {"4f3c", 4}};

static long write_plain(bell_context_key *k, char *out) {
    return bell_context_write(k, &plain, BELL_STR("GET"), BELL_STR("/api/v1/me?a=b"), out);
}

/* A header with the right MAC over whatever stands before it, made without the code under test. */
static bell_str sign(const char *head, const char *method, const char *target, char out[2048]) {
    unsigned char key[32], mac[32];
    char text[4096];

    for (unsigned i = 0; i < sizeof(key); i++) {
        key[i] = (unsigned char)i;
    }
    int n = snprintf(text, sizeof(text), "%s\n%s %s", head, method, target);
    assert_non_null(HMAC(EVP_sha256(), key, sizeof(key), (unsigned char *)text, (size_t)n, mac, NULL));
    n = snprintf(out, 2048, "%s.", head);
    n += (int)bell_base64url_encode(mac, sizeof(mac), out + n);
    return (bell_str){out, (size_t)n};
}

static void what_is_written_is_what_the_page_says(void **state) {
    bell_context_key *k = parse("edge-1", SECRET);
    char out[BELL_CONTEXT_MAX_BYTES], expected[2048];

    (void)state;
    for (int again = 0; again < 3; again++) { /* the prepared MAC is set back by each use */
        long len = write_plain(k, out);
        bell_str s = sign("v1.edge-1.1800000000.42.MTc.dGVhY2hlcg.c2VsZiBjbGFzc2Vz.NGYzYw", "GET", "/api/v1/me?a=b", expected);
        assert_string_equal(out, expected);
        assert_int_equal(len, s.len);
    }
    bell_context_key_free(k);
}

static void what_is_written_is_verified(void **state) {
    bell_context_key *k = parse("edge-1", SECRET "\ntenants 7 42\n");
    char out[BELL_CONTEXT_MAX_BYTES];
    bell_context_claims c;

    (void)state;
    long len = write_plain(k, out);
    assert_int_equal(bell_context_verify(&k, 1, (bell_str){out, (size_t)len}, BELL_STR("GET"), BELL_STR("/api/v1/me?a=b"), NOW + 30, &c),
                     BELL_CONTEXT_OK);
    assert_int_equal(c.time_s, NOW);
    assert_int_equal(c.tenant_id, 42);
    assert_true(bell_str_eq(c.subject, plain.subject) && bell_str_eq(c.role, plain.role) && bell_str_eq(c.scopes, plain.scopes) &&
                bell_str_eq(c.request_id, plain.request_id));
    assert_ptr_equal(c.key, k);

    bell_context_claims bare = {.time_s = NOW, .tenant_id = 7};
    len = bell_context_write(k, &bare, BELL_STR("POST"), BELL_STR("/"), out);
    assert_int_equal(bell_context_verify(&k, 1, (bell_str){out, (size_t)len}, BELL_STR("POST"), BELL_STR("/"), NOW - 30, &c), BELL_CONTEXT_OK);
    assert_int_equal(c.subject.len + c.role.len + c.scopes.len + c.request_id.len, 0);
    bell_context_key_free(k);
}

static void the_longest_parts_fit(void **state) {
    bell_context_key *k = parse("abcdefghijklmnopqrstuvwxyz012345", SECRET);
    char out[BELL_CONTEXT_MAX_BYTES], most[BELL_CONTEXT_SCOPES_BYTES + 1], target[8192];
    bell_context_claims c, full = {.time_s = INT64_MAX - 30, .tenant_id = INT32_MAX};

    (void)state;
    memset(most, '~', sizeof(most));
    memset(target, 'x', sizeof(target));
    target[0] = '/';
    full.subject = (bell_str){most, BELL_CONTEXT_SUBJECT_BYTES};
    full.role = (bell_str){most, BELL_CONTEXT_ROLE_BYTES};
    full.scopes = (bell_str){most, BELL_CONTEXT_SCOPES_BYTES};
    full.request_id = (bell_str){most, BELL_CONTEXT_REQUEST_BYTES};
    bell_str long_target = {target, sizeof(target)};
    long len = bell_context_write(k, &full, BELL_STR("DELETE"), long_target, out);
    assert_true(len > 0 && len < BELL_CONTEXT_MAX_BYTES);
    assert_int_equal(strlen(out), len);
    assert_int_equal(bell_context_verify(&k, 1, (bell_str){out, (size_t)len}, BELL_STR("DELETE"), long_target, full.time_s, &c), BELL_CONTEXT_OK);
    assert_int_equal(c.scopes.len, BELL_CONTEXT_SCOPES_BYTES);
    bell_context_key_free(k);
}

static void what_cannot_be_written(void **state) {
    static const struct {
        const char *what;
        bell_context_claims claims;
        const char *method, *target;
    } rows[] = {
        {"no tenant", {.time_s = NOW}, "GET", "/"},
        {"a tenant of another edge", {.time_s = NOW, .tenant_id = 43}, "GET", "/"},
        {"before 1970", {.time_s = -1, .tenant_id = 42}, "GET", "/"},
        {"a subject with a control byte", {.time_s = NOW, .tenant_id = 42, .subject = {"a\n", 2}}, "GET", "/"},
        {"a subject with NUL", {.time_s = NOW, .tenant_id = 42, .subject = {"a\0b", 3}}, "GET", "/"},
        {"a subject that is not ASCII", {.time_s = NOW, .tenant_id = 42, .subject = {"\xC3\xA4", 2}}, "GET", "/"},
        {"a role that is too long", {.time_s = NOW, .tenant_id = 42, .role = {"012345678901234567890123456789012", 33}}, "GET", "/"},
        {"a target with a space", {.time_s = NOW, .tenant_id = 42}, "GET", "/a b"},
        {"a target with a line feed", {.time_s = NOW, .tenant_id = 42}, "GET", "/a\nb"},
        {"a target with DEL", {.time_s = NOW, .tenant_id = 42}, "GET", "/a\x7f"},
        {"a target that is none", {.time_s = NOW, .tenant_id = 42}, "OPTIONS", "*"},
        {"no target", {.time_s = NOW, .tenant_id = 42}, "GET", ""},
        {"no method", {.time_s = NOW, .tenant_id = 42}, "", "/"},
        {"a method with a space", {.time_s = NOW, .tenant_id = 42}, "GET /", "/"},
        {"a method that is too long", {.time_s = NOW, .tenant_id = 42}, "012345678901234567890123456789012", "/"},
    };
    bell_context_key *k = parse("edge-1", SECRET "\ntenants 42");
    char out[BELL_CONTEXT_MAX_BYTES];

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        assert_row(bell_context_write(k, &rows[i].claims, bell_str_of(rows[i].method), bell_str_of(rows[i].target), out) == -1, rows[i].what);
    }
    bell_context_key_free(k);
}

/* The MAC is right in every row: what is refused is refused for what it says. */
static void refusals_behind_a_right_mac(void **state) {
    static const struct {
        const char *head;
        bell_context_verdict verdict;
    } rows[] = {
        {"v1.edge-1.1800000000.42....", BELL_CONTEXT_OK},
        {"v1.edge-1.1799999970.42....", BELL_CONTEXT_OK},
        {"v1.edge-1.1799999969.42....", BELL_CONTEXT_TOO_OLD},
        {"v1.edge-1.0.42....", BELL_CONTEXT_TOO_OLD},
        {"v1.edge-1.1800000030.42....", BELL_CONTEXT_OK},
        {"v1.edge-1.1800000031.42....", BELL_CONTEXT_FROM_FUTURE},
        {"v1.edge-1.9223372036854775807.42....", BELL_CONTEXT_FROM_FUTURE},
        {"v1.edge-1.9223372036854775808.42....", BELL_CONTEXT_MALFORMED},
        {"v1.edge-1.1800000000.7....", BELL_CONTEXT_OK},
        {"v1.edge-1.1800000000.8....", BELL_CONTEXT_WRONG_TENANT},
        {"v1.edge-1.1800000000.0....", BELL_CONTEXT_MALFORMED},
        {"v1.edge-1.1800000000.2147483648....", BELL_CONTEXT_MALFORMED},
        {"v1.edge-1.1800000000.042....", BELL_CONTEXT_MALFORMED},
        {"v1.edge-1.01800000000.42....", BELL_CONTEXT_MALFORMED},
        {"v1.edge-1.+1800000000.42....", BELL_CONTEXT_MALFORMED},
        {"v1.edge-1.1800000000.-42....", BELL_CONTEXT_MALFORMED},
        {"v1.edge-1. 1800000000.42....", BELL_CONTEXT_MALFORMED},
        {"v1.edge-1..42....", BELL_CONTEXT_MALFORMED},
        {"v1.edge-1.1800000000.....", BELL_CONTEXT_MALFORMED},
        {"v1.edge-1.1800000000.42...", BELL_CONTEXT_MALFORMED},   /* a part is missing */
        {"v1.edge-1.1800000000.42.....", BELL_CONTEXT_MALFORMED}, /* one too many */
        {"v1.edge-1.1800000000.42", BELL_CONTEXT_MALFORMED},
        {"v1.edge-1", BELL_CONTEXT_MALFORMED},
        {"v1.edge-1.1800000000.42.MTc...", BELL_CONTEXT_OK},
        {"v1.edge-1.1800000000.42.MTc=...", BELL_CONTEXT_MALFORMED}, /* padded */
        {"v1.edge-1.1800000000.42.MTd...", BELL_CONTEXT_MALFORMED},  /* the same bytes, with bits that no byte uses */
        {"v1.edge-1.1800000000.42.M...", BELL_CONTEXT_MALFORMED},
        {"v1.edge-1.1800000000.42.MT c...", BELL_CONTEXT_MALFORMED},
        {"v1.edge-1.1800000000.42.YQo...", BELL_CONTEXT_MALFORMED},                                          /* "a\n" */
        {"v1.edge-1.1800000000.42.w6Q...", BELL_CONTEXT_MALFORMED},                                          /* not ASCII */
        {"v1.edge-1.1800000000.42..MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEy..", BELL_CONTEXT_MALFORMED}, /* a role of 33 bytes */
        {"v2.edge-1.1800000000.42....", BELL_CONTEXT_MALFORMED},
        {"V1.edge-1.1800000000.42....", BELL_CONTEXT_MALFORMED},
        {" v1.edge-1.1800000000.42....", BELL_CONTEXT_MALFORMED},
        {"v1.edge-2.1800000000.42....", BELL_CONTEXT_BAD_MAC}, /* that is another's key */
        {"v1.edge-3.1800000000.42....", BELL_CONTEXT_UNKNOWN_KEY},
        {"v1.EDGE-1.1800000000.42....", BELL_CONTEXT_UNKNOWN_KEY},
        {"v1..1800000000.42....", BELL_CONTEXT_UNKNOWN_KEY},
    };
    bell_context_key *keys[] = {parse("edge-1", SECRET "\ntenants 42 7\n"), parse("edge-2", OTHER)};
    bell_context_claims c;
    char value[2048];

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        bell_str v = sign(rows[i].head, "PUT", "/x", value);
        assert_row(bell_context_verify(keys, 2, v, BELL_STR("PUT"), BELL_STR("/x"), NOW, &c) == rows[i].verdict, rows[i].head);
        assert_row(bell_context_verify(keys, 0, v, BELL_STR("PUT"), BELL_STR("/x"), NOW, &c) != BELL_CONTEXT_OK, rows[i].head);
    }
    bell_context_key_free(keys[0]);
    bell_context_key_free(keys[1]);
}

static void another_request_is_refused(void **state) {
    static const struct {
        const char *method, *target;
    } rows[] = {
        {"POST", "/api/v1/me?a=b"},
        {"HEAD", "/api/v1/me?a=b"},
        {"get", "/api/v1/me?a=b"},
        {"GE", "T/api/v1/me?a=b"},
        {"GET", "/api/v1/me?a=c"},
        {"GET", "/api/v1/me"},
        {"GET", "/api/v1/me?"},
        {"GET", "/api/v1/me?a=b&c"},
        {"GET", "/api/v1/me?a=b#"},
        {"GET", "/api/v1//me?a=b"},
        {"GET", "/api/v1/%6de?a=b"},
        {"GET", "/"},
        {"GET", ""},
        {"", "/api/v1/me?a=b"},
    };
    bell_context_key *k = parse("edge-1", SECRET);
    bell_context_claims c;
    char out[BELL_CONTEXT_MAX_BYTES];

    (void)state;
    bell_str v = {out, (size_t)write_plain(k, out)};
    for (size_t i = 0; i < ROWS(rows); i++) {
        bell_context_verdict got = bell_context_verify(&k, 1, v, bell_str_of(rows[i].method), bell_str_of(rows[i].target), NOW, &c);
        assert_row(got == BELL_CONTEXT_BAD_MAC || got == BELL_CONTEXT_MALFORMED, rows[i].target);
    }
    bell_context_key_free(k);
}

static bool is_taken(bell_context_key *k, const char *value, size_t len, const char *method, size_t method_len, const char *target,
                     size_t target_len) {
    bell_context_claims c;
    return bell_context_verify(&k, 1, (bell_str){value, len}, (bell_str){method, method_len}, (bell_str){target, target_len}, NOW, &c) ==
           BELL_CONTEXT_OK;
}

/* One bit of the header, the method or the target: every one of them, for requests until ten thousand have been tried. */
static void a_flipped_bit_is_refused(void **state) {
    bell_context_key *k = parse("edge-1", SECRET);
    unsigned tried = 0;

    (void)state;
    for (unsigned round = 0; tried < 10000; round++) {
        char all[BELL_CONTEXT_MAX_BYTES + 200], subject[16];
        bell_context_claims c = {.time_s = NOW + (int)(round % 30), .tenant_id = round + 1, .role = {"teacher", 7}};
        c.subject = (bell_str){subject, (size_t)snprintf(subject, sizeof(subject), "%u", round * 977)};
        bell_str method = round % 2 ? BELL_STR("GET") : BELL_STR("DELETE"), target = BELL_STR("/api/v1/courses/12?x=1");
        size_t len = (size_t)bell_context_write(k, &c, method, target, all);
        memcpy(all + len, method.p, method.len);
        memcpy(all + len + method.len, target.p, target.len);
        char *m = all + len, *t = m + method.len;
        assert_true(is_taken(k, all, len, m, method.len, t, target.len));
        for (size_t bit = 0; bit < (len + method.len + target.len) * 8; bit++, tried++) {
            all[bit / 8] = (char)(all[bit / 8] ^ 1 << bit % 8);
            if (is_taken(k, all, len, m, method.len, t, target.len)) {
                fail_msg("round %u, bit %zu: taken", round, bit);
            }
            all[bit / 8] = (char)(all[bit / 8] ^ 1 << bit % 8);
        }
        for (size_t cut = 0; cut < len; cut++) {
            assert_false(is_taken(k, all, cut, m, method.len, t, target.len));
            assert_false(is_taken(k, all + cut + 1, len - cut - 1, m, method.len, t, target.len));
        }
        assert_false(is_taken(k, all, len + 1, m, method.len, t, target.len));
    }
    bell_context_key_free(k);
}

static void keys_of_one_edge_side_by_side(void **state) {
    bell_context_key *keys[] = {parse("edge-1", SECRET), parse("edge-1b", OTHER)};
    char out[BELL_CONTEXT_MAX_BYTES];
    bell_context_claims c;

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        bell_str v = {out, (size_t)write_plain(keys[i], out)};
        assert_int_equal(bell_context_verify(keys, 2, v, BELL_STR("GET"), BELL_STR("/api/v1/me?a=b"), NOW, &c), BELL_CONTEXT_OK);
        assert_string_equal(bell_context_key_id(c.key), i == 0 ? "edge-1" : "edge-1b");
        assert_int_equal(bell_context_verify(&keys[1 - i], 1, v, BELL_STR("GET"), BELL_STR("/api/v1/me?a=b"), NOW, &c), BELL_CONTEXT_UNKNOWN_KEY);
    }
    bell_context_key_free(keys[0]);
    bell_context_key_free(keys[1]);
}

static void key_files(void **state) {
    static const struct {
        const char *id, *text;
        bool right;
    } rows[] = {
        {"e", SECRET, true},
        {"e", SECRET "\n", true},
        {"e", SECRET "\ntenants *\n", true},
        {"e", SECRET "\ntenants 1", true},
        {"e", SECRET "\ntenants 3 1 2\ntenants 9 8 7 6 5\n", true},
        {"Edge_1-x", SECRET, true},
        {"", SECRET, false},
        {"a.b", SECRET, false},
        {"a b", SECRET, false},
        {"012345678901234567890123456789012", SECRET, false},
        {"e", "", false},
        {"e", "\n" SECRET, false},
        {"e", SECRET "0", false},
        {"e", SECRET "\r\n", false},
        {"e", "0x0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20", false},
        {"e", "g00102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", false},
        {"e", SECRET "\n\n", false},
        {"e", SECRET "\ntenants", false},
        {"e", SECRET "\ntenants ", false},
        {"e", SECRET "\ntenants 1 ", false},
        {"e", SECRET "\ntenants  1", false},
        {"e", SECRET "\ntenants 1 *", false},
        {"e", SECRET "\ntenants *\ntenants 1", false},
        {"e", SECRET "\ntenants 0", false},
        {"e", SECRET "\ntenants 01", false},
        {"e", SECRET "\ntenants 2147483648", false},
        {"e", SECRET "\ntenants north", false},
        {"e", SECRET "\ntenant 1", false},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        bell_context_key *k = parse(rows[i].id, rows[i].text);
        assert_row((k != NULL) == rows[i].right, rows[i].text);
        bell_context_key_free(k);
    }
    bell_context_key *k = parse("e", SECRET "\ntenants 30 10\ntenants 20\n");
    static const uint32_t ids[] = {9, 10, 11, 19, 20, 21, 30, 31, 0};
    for (size_t i = 0; i < ROWS(ids); i++) {
        assert_int_equal(bell_context_key_serves(k, ids[i]), ids[i] != 0 && ids[i] % 10 == 0);
    }
    bell_context_key_free(k);
}

static void a_key_file_is_its_owners_alone(void **state) {
    static const struct {
        const char *name;
        mode_t mode;
        const char *says; /* NULL: taken */
    } rows[] = {{"edge-1.key", 0600, NULL},
                {"edge-1.key", 0400, NULL},
                {"edge-1.key", 0640, "(mode 0640)"},
                {"edge-1.key", 0604, "(mode 0604)"},
                {"edge-1.key", 0620, "(mode 0620)"},
                {"edge-1.pem", 0600, "no id of a key"},
                {"edge 1.key", 0600, "no id of a key"},
                {".key", 0600, "no id of a key"}};
    char folder[] = "/tmp/bell-context-XXXXXX", path[100], err[300];

    (void)state;
    assert_non_null(mkdtemp(folder));
    for (size_t i = 0; i < ROWS(rows); i++) {
        snprintf(path, sizeof(path), "%s/%s", folder, rows[i].name);
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        assert_int_equal(write(fd, SECRET "\n", 65), 65);
        assert_int_equal(fchmod(fd, rows[i].mode), 0);
        close(fd);
        bell_context_key *k = bell_context_key_load(path, err, sizeof(err));
        assert_row((k != NULL) == (rows[i].says == NULL), rows[i].name);
        if (k != NULL) {
            assert_string_equal(bell_context_key_id(k), "edge-1");
        } else {
            assert_non_null(strstr(err, rows[i].says));
            assert_non_null(strstr(err, path));
            assert_null(strstr(err, "0102030405"));
        }
        bell_context_key_free(k);
        unlink(path);
    }
    assert_null(bell_context_key_load(path, err, sizeof(err)));
    assert_non_null(strstr(err, "cannot read the key"));
    assert_null(bell_context_key_load(folder, err, sizeof(err)));
    rmdir(folder);
}

static void every_verdict_has_a_text(void **state) {
    (void)state;
    for (int v = 0; v < BELL_CONTEXT_VERDICTS; v++) {
        assert_string_not_equal(bell_context_verdict_text((bell_context_verdict)v), "unknown");
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_what_the_page_says),
        cmocka_unit_test(what_is_written_is_verified),
        cmocka_unit_test(the_longest_parts_fit),
        cmocka_unit_test(what_cannot_be_written),
        cmocka_unit_test(refusals_behind_a_right_mac),
        cmocka_unit_test(another_request_is_refused),
        cmocka_unit_test(a_flipped_bit_is_refused),
        cmocka_unit_test(keys_of_one_edge_side_by_side),
        cmocka_unit_test(key_files),
        cmocka_unit_test(a_key_file_is_its_owners_alone),
        cmocka_unit_test(every_verdict_has_a_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
