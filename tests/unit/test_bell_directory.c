#include "bell_directory.h"
#include "unit.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#define ONE_HOST(name) "{\"id\":1,\"name\":\"demo\",\"title\":\"Demo\",\"status\":\"active\",\"locale\":\"en\",\"hosts\":[\"" name "\"]}"
#define A              "{\"id\":1,\"name\":\"a\",\"title\":\"A\",\"status\":\"active\",\"locale\":\"en\",\"hosts\":[\"a.example\",\"www.a.example\"]}"
#define B              "{\"id\":2,\"name\":\"b\",\"title\":\"B\",\"status\":\"exam\",\"locale\":\"de-CH\",\"hosts\":[\"b.example\"]}"
#define TENANTS(t)     "{\"version\":7,\"tenants\":[" t "]}"

/* A snapshot around a payload: the header is right, whatever the payload is. */
static char *wrap(const char *payload, uint64_t version) {
    unsigned char hash[EVP_MAX_MD_SIZE];
    char *text = malloc(strlen(payload) + 200), *p;

    assert_int_equal(EVP_Digest(payload, strlen(payload), hash, NULL, EVP_sha256(), NULL), 1);
    p = text + sprintf(text, "bell-directory 1 %llu %zu ", (unsigned long long)version, strlen(payload));
    for (int i = 0; i < 32; i++) {
        p += sprintf(p, "%02x", hash[i]);
    }
    sprintf(p, "\n%s", payload);
    return text;
}

static void *build(const char *payload, size_t *len, char err[200]) {
    char *snapshot = wrap(payload, 7);
    void *image = bell_directory_build(bell_str_of(snapshot), len, err, 200);

    free(snapshot);
    return image;
}

static void statuses(void **state) {
    (void)state;
    for (bell_tenant_status s = BELL_TENANT_ACTIVE; s <= BELL_TENANT_SUSPENDED; s++) {
        assert_int_equal(bell_tenant_status_of(bell_str_of(bell_tenant_status_name(s))), s);
    }
    assert_null(bell_tenant_status_name(0));
    assert_null(bell_tenant_status_name(5));
    assert_int_equal(bell_tenant_status_of(BELL_STR("Active")), 0);
    assert_int_equal(bell_tenant_status_of(BELL_STR("")), 0);
}

static void lookups(void **state) {
    char err[200] = "";
    size_t len;
    void *image = build(TENANTS(A "," B), &len, err);
    bell_tenant t;

    (void)state;
    assert_string_equal(err, "");
    assert_int_equal(bell_directory_version(image, len), 7);
    assert_int_equal(bell_directory_tenant_count(image, len), 2);
    assert_int_equal(bell_directory_find(image, len, BELL_STR("www.a.example"), &t), 1);
    assert_int_equal(t.id, 1);
    assert_int_equal(t.status, BELL_TENANT_ACTIVE);
    assert_string_equal(t.name, "a");
    assert_string_equal(t.locale, "en");
    assert_int_equal(bell_directory_find(image, len, BELL_STR("b.example"), &t), 1);
    assert_int_equal(t.id, 2);
    assert_int_equal(t.status, BELL_TENANT_EXAM);
    assert_string_equal(t.name, "b");
    assert_string_equal(t.locale, "de-CH");
    assert_int_equal(bell_directory_find(image, len, BELL_STR("c.example"), &t), 0);
    assert_int_equal(bell_directory_find(image, len, BELL_STR("example"), &t), 0);
    assert_int_equal(bell_directory_find(image, len, BELL_STR("B.example"), &t), 0);
    assert_int_equal(bell_directory_find(image, len, BELL_STR_NULL, &t), 0);
    free(image);
}

static void the_only_tenant_answers_to_every_name(void **state) {
    char err[200] = "", longest[300];
    size_t len;
    void *image = build("{\"version\":7,\"tenants\":[" A "],\"default_tenant\":1}", &len, err);
    bell_tenant t;

    (void)state;
    memset(longest, 'a', sizeof(longest));
    assert_string_equal(err, "");
    assert_int_equal(bell_directory_find(image, len, BELL_STR("a.example"), &t), 1);
    assert_int_equal(bell_directory_find(image, len, BELL_STR("10.0.0.1"), &t), 2);
    assert_int_equal(t.id, 1);
    assert_int_equal(bell_directory_find(image, len, (bell_str){longest, sizeof(longest)}, &t), 2);
    free(image);
}

static void good_payloads(void **state) {
    static const char *const rows[] = {
        TENANTS(""),
        TENANTS(A),
        " \t\r\n{ \"version\" : 7 , \"tenants\" : [ " A " , " B " ] } \n",
        "{\"version\":7,\"tenants\":[ ]}",
        TENANTS("{\"hosts\":[],\"locale\":\"en\",\"more\":[{}],\"status\":\"suspended\",\"title\":\"\",\"name\":\"x-1\",\"id\":4294967295}"),
        TENANTS(ONE_HOST("[2001:db8::1]")),
        TENANTS(ONE_HOST("127.0.0.1")),
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        char err[200] = "";
        size_t len;
        void *image = build(rows[i], &len, err);

        if (image == NULL) {
            fail_msg("%s: %s", rows[i], err);
        }
        assert_int_equal(bell_directory_version(image, len), 7);
        free(image);
    }
}

static void payloads_that_are_refused(void **state) {
    static const struct {
        const char *payload, *err;
    } rows[] = {
        {"", "the payload does not begin with {\"version\":N"},
        {"[]", "the payload does not begin with {\"version\":N"},
        {"{\"version\":\"7\",\"tenants\":[]}", "the payload does not begin with {\"version\":N"},
        {"{\"version\":07,\"tenants\":[]}", "the payload does not begin with {\"version\":N"},
        {"{\"version\":8,\"tenants\":[]}", "the payload says version 8, the header 7"},
        {"{\"version\":7}", "\"tenants\", an array, does not follow the version"},
        {"{\"version\":7.0,\"tenants\":[]}", "\"tenants\", an array, does not follow the version"},
        {"{\"version\":7,\"tenants\":{}}", "\"tenants\", an array, does not follow the version"},
        {TENANTS("1"), "tenants[0] is not an object"},
        {TENANTS(A ","), "tenants[1] is not valid JSON: unexpected token near ']'"},
        {TENANTS(A " " B), "expected a comma or the end of the tenants behind tenants[0]"},
        {TENANTS("{\"id\":1,\"id\":1}"), "tenants[0] is not valid JSON: duplicate object key near '\"id\"'"},
        {TENANTS("") "x", "the payload does not end behind its tenants and default_tenant"},
        {"{\"version\":7,\"tenants\":[" A "],\"default_tenant\":1,\"x\":1}", "the payload does not end behind its tenants and default_tenant"},
        {"{\"version\":7,\"tenants\":[" A "],\"x\":1}", "what follows the tenants is not a default_tenant"},
        {"{\"version\":7,\"tenants\":[" A "],\"default_tenant\":\"1\"}", "what follows the tenants is not a default_tenant"},
        {"{\"version\":7,\"tenants\":[" A "],\"default_tenant\":2}", "default_tenant is 2, which is no tenant of this directory"},
        {"{\"version\":7,\"tenants\":[" A "," B "],\"default_tenant\":1}",
         "there is a default_tenant beside 2 tenants: it is for a directory of one"},
        {"{\"version\":7,\"tenants\":[],\"default_tenant\":1}", "there is a default_tenant beside 0 tenants: it is for a directory of one"},
        {TENANTS(B "," A), "tenants[1].id is 1, but ids ascend and the one before is 2"},
        {TENANTS(A "," A), "tenants[1].id is 1, but ids ascend and the one before is 1"},
        {TENANTS("{\"id\":0}"), "tenants[0].id is not a number from 1 to 4294967295"},
        {TENANTS("{\"id\":-1}"), "tenants[0].id is not a number from 1 to 4294967295"},
        {TENANTS("{\"id\":4294967296}"), "tenants[0].id is not a number from 1 to 4294967295"},
        {TENANTS("{\"id\":\"1\"}"), "tenants[0].id is not a number from 1 to 4294967295"},
        {TENANTS("{}"), "tenants[0].id is not a number from 1 to 4294967295"},
        {TENANTS("{\"id\":1,\"status\":\"open\"}"), "tenants[0].status: \"open\" is not active, read-only, exam or suspended"},
        {TENANTS("{\"id\":1}"), "tenants[0].status: \"\" is not active, read-only, exam or suspended"},
        {TENANTS("{\"id\":1,\"status\":\"exam\",\"name\":\"a\"}"), "tenants[0].title is not a string"},
        {TENANTS("{\"id\":1,\"status\":\"exam\",\"title\":\"\",\"name\":\"A b\"}"), "tenants[0].name: \"A b\" is not 1 to 63 of a-z, 0-9 and hyphen"},
        {TENANTS("{\"id\":1,\"status\":\"exam\",\"title\":\"\",\"name\":"
                 "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}"),
         "tenants[0].name: \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\" is not 1 to 63 of a-z, 0-9 and hyphen"},
        {TENANTS(A ",{\"id\":2,\"status\":\"exam\",\"title\":\"\",\"name\":\"a\"}"), "tenants[1].name: \"a\" is the name of tenants[0] already"},
        {TENANTS("{\"id\":1,\"status\":\"exam\",\"title\":\"\",\"name\":\"a\"}"), "tenants[0].locale: \"\" is not a language tag"},
        {TENANTS("{\"id\":1,\"status\":\"exam\",\"title\":\"\",\"name\":\"a\",\"locale\":\"en_US\"}"),
         "tenants[0].locale: \"en_US\" is not a language tag"},
        {TENANTS("{\"id\":1,\"status\":\"exam\",\"title\":\"\",\"name\":\"a\",\"locale\":\"en\"}"), "tenants[0].hosts is not an array"},
        {TENANTS("{\"id\":1,\"status\":\"exam\",\"title\":\"\",\"name\":\"a\",\"locale\":\"en\",\"hosts\":[1]}"),
         "tenants[0].hosts[0] is not a string"},
        {TENANTS(ONE_HOST("a_b")), "tenants[0].hosts[0]: \"a_b\" is not a host name in lower case"},
        {TENANTS(ONE_HOST("A.example")), "tenants[0].hosts[0]: \"A.example\" is not a host name in lower case"},
        {TENANTS(ONE_HOST("a.example:80")), "tenants[0].hosts[0]: \"a.example:80\" is not a host name in lower case"},
        {TENANTS(ONE_HOST("a.example.")), "tenants[0].hosts[0]: \"a.example.\" is not a host name in lower case"},
        {TENANTS(ONE_HOST("")), "tenants[0].hosts[0]: \"\" is not a host name in lower case"},
        {TENANTS(ONE_HOST("a\xC3\xA4")), "tenants[0].hosts[0]: \"a??\" is not a host name in lower case"},
        {TENANTS(ONE_HOST("x.example\",\"x.example")), "tenants[0].hosts[1]: \"x.example\" belongs to tenants[0] already"},
        {TENANTS(A ",{\"id\":2,\"status\":\"exam\",\"title\":\"\",\"name\":\"b\",\"locale\":\"en\",\"hosts\":[\"b\",\"a.example\"]}"),
         "tenants[1].hosts[1]: \"a.example\" belongs to tenants[0] already"},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        char err[200] = "";
        size_t len;

        assert_null(build(rows[i].payload, &len, err));
        assert_string_equal(err, rows[i].err);
    }
}

static void assert_refused(const char *snapshot, size_t len, const char *expected) {
    char err[200] = "";
    size_t image_len;

    assert_null(bell_directory_build((bell_str){snapshot, len}, &image_len, err, sizeof(err)));
    if (expected != NULL) {
        assert_string_equal(err, expected);
    } else {
        assert_true(err[0] != '\0');
    }
}

static void headers_that_are_refused(void **state) {
    static const char not_one[] = "not a directory: expected a first line that begins with \"bell-directory 1 \"";
    static const char endless[] = "the first line does not end: the file is torn or was changed";
    static const char no_version[] = "the header's version is not a number above 0";
    static const struct {
        const char *snapshot, *err;
    } rows[] = {
        {"", not_one},
        {"x", not_one},
        {"{\"version\":7}", not_one},
        {"bell-directory 2 7 0 x\n", not_one},
        {"bell-directory 1", not_one},
        {"bell-directory 1 ", endless},
        {"bell-directory 1 7 0 x", endless},
        {"bell-directory 1 \n", no_version},
        {"bell-directory 1 0 0 x\n", no_version},
        {"bell-directory 1 -1 0 x\n", no_version},
        {"bell-directory 1  7 0 x\n", no_version},
        {"bell-directory 1 9223372036854775808 0 x\n", no_version},
        {"bell-directory 1 7\n", "the header's length of the payload is not a number"},
        {"bell-directory 1 7 x x\n", "the header's length of the payload is not a number"},
        {"bell-directory 1 7 5 x\n{}", "the payload is 2 bytes, the header says 5: the file is torn or was changed"},
        {"bell-directory 1 7 2\n{}", "checksum does not match: the file is torn or was changed"},
        {"bell-directory 1 7 2 \n{}", "checksum does not match: the file is torn or was changed"},
        {"bell-directory 1 7 2 44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8A\n{}",
         "checksum does not match: the file is torn or was changed"},
        {"bell-directory 1 7 2 44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a \n{}",
         "checksum does not match: the file is torn or was changed"},
        /* this one's checksum is right */
        {"bell-directory 1 7 2 44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a\n{}",
         "the payload does not begin with {\"version\":N"},
    };
    char line[400];

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        assert_refused(rows[i].snapshot, strlen(rows[i].snapshot), rows[i].err);
    }
    sprintf(line, "bell-directory 1 7 0 %0200d\n", 0);
    assert_refused(line, strlen(line), endless);
}

/* Wherever a file was cut, and whichever bit was changed, nothing of it is used. */
static void torn_snapshots(void **state) {
    char *snapshot = wrap(TENANTS(A), 7);
    size_t len = strlen(snapshot);

    (void)state;
    for (size_t n = 0; n < len; n++) {
        assert_refused(snapshot, n, NULL);
    }
    for (size_t bit = 0; bit < len * 8; bit++) {
        snapshot[bit / 8] ^= (char)(1 << bit % 8);
        assert_refused(snapshot, len, NULL);
        snapshot[bit / 8] ^= (char)(1 << bit % 8);
    }
    free(snapshot);
}

static void writing(void **state) {
    static const char expected[] =
        "{\"version\":7,\"tenants\":[{\"id\":1,\"name\":\"demo\",\"title\":\"D\xC3\xA9mo \\\"1\\\"\",\"status\":\"read-only\","
        "\"locale\":\"fr\",\"hosts\":[\"demo.localhost\",\"[::1]\"]}],\"default_tenant\":1}";
    const bell_str hosts[] = {BELL_STR("demo.localhost"), BELL_STR("[::1]")};
    const bell_directory_row row = {1, BELL_TENANT_READ_ONLY, BELL_STR("demo"), BELL_STR("D\xC3\xA9mo \"1\""), BELL_STR("fr"), hosts, 2};
    char *snapshot = wrap(expected, 7);
    char err[200] = "";
    bell_tenant t;
    bell_buf out;
    size_t len;
    void *image;

    (void)state;
    bell_buf_init(&out, 10000);
    assert_true(bell_directory_write(&out, 7, &row, 1, 1));
    assert_true(bell_str_eq(bell_buf_str(&out), bell_str_of(snapshot)));
    image = bell_directory_build(bell_buf_str(&out), &len, err, sizeof(err));
    assert_string_equal(err, "");
    assert_int_equal(bell_directory_find(image, len, BELL_STR("[::1]"), &t), 1);
    assert_int_equal(t.status, BELL_TENANT_READ_ONLY);
    free(image);
    bell_buf_fini(&out);
    free(snapshot);
}

static void rows_that_are_not_written(void **state) {
    const bell_str good_host[] = {BELL_STR("a.example")}, bad_host[] = {BELL_STR("a_b")};
    const bell_directory_row good = {1, BELL_TENANT_ACTIVE, BELL_STR("a"), BELL_STR("A"), BELL_STR("en"), good_host, 1};
    const bell_directory_row rows[] = {
        {0, BELL_TENANT_ACTIVE, BELL_STR("a"), BELL_STR("A"), BELL_STR("en"), good_host, 1},
        {1, 0, BELL_STR("a"), BELL_STR("A"), BELL_STR("en"), good_host, 1},
        {1, BELL_TENANT_ACTIVE, BELL_STR("A"), BELL_STR("A"), BELL_STR("en"), good_host, 1},
        {1, BELL_TENANT_ACTIVE, BELL_STR("a"), BELL_STR("\xFF"), BELL_STR("en"), good_host, 1},
        {1, BELL_TENANT_ACTIVE, BELL_STR("a"), BELL_STR("A"), BELL_STR(""), good_host, 1},
        {1, BELL_TENANT_ACTIVE, BELL_STR("a"), BELL_STR("A"), BELL_STR("en"), bad_host, 1},
    };
    const bell_directory_row unordered[] = {{2, BELL_TENANT_ACTIVE, BELL_STR("b"), BELL_STR("B"), BELL_STR("en"), NULL, 0}, good};
    bell_buf out;

    (void)state;
    bell_buf_init(&out, 10000);
    for (size_t i = 0; i < ROWS(rows); i++) {
        assert_false(bell_directory_write(&out, 7, &rows[i], 1, 0));
    }
    assert_false(bell_directory_write(&out, 7, unordered, 2, 0));
    assert_false(bell_directory_write(&out, 0, &good, 1, 0));
    assert_false(bell_directory_write(&out, UINT64_MAX, &good, 1, 0));
    assert_false(bell_directory_write(&out, 7, &good, 1, 2));
    assert_false(bell_directory_write(&out, 7, NULL, 0, 1));
    assert_int_equal(out.len, 0);
    assert_true(bell_directory_write(&out, 7, NULL, 0, 0));
    bell_buf_fini(&out);
}

static void a_snapshot_that_does_not_fit(void **state) {
    const bell_directory_row row = {1, BELL_TENANT_ACTIVE, BELL_STR("a"), BELL_STR("A"), BELL_STR("en"), NULL, 0};
    bell_buf out;
    size_t len;

    (void)state;
    bell_buf_init(&out, 10000);
    assert_true(bell_directory_write(&out, 7, &row, 1, 0));
    len = out.len;
    bell_buf_fini(&out);
    for (size_t max = 0; max <= len; max++) {
        bell_buf_init(&out, max);
        assert_int_equal(bell_directory_write(&out, 7, &row, 1, 0), max == len);
        bell_buf_fini(&out);
    }
}

/* Many tenants, each found by each of its names and by none that is almost one. */
static void many_tenants(void **state) {
    enum { TENANTS_N = 3000 };
    static char text[TENANTS_N][3][32];
    static bell_str hosts[TENANTS_N][3];
    static bell_directory_row rows[TENANTS_N];
    char err[200] = "";
    bell_buf out;
    size_t len;
    void *image;

    (void)state;
    for (unsigned i = 0; i < TENANTS_N; i++) {
        for (unsigned k = 0; k < 3; k++) {
            hosts[i][k] = (bell_str){text[i][k], (size_t)sprintf(text[i][k], "h%u.d%u.example", k, i)};
        }
        rows[i] =
            (bell_directory_row){i * 2 + 1, BELL_TENANT_ACTIVE, {text[i][0] + 3, hosts[i][0].len - 11}, BELL_STR("T"), BELL_STR("en"), hosts[i], 3};
    }
    bell_buf_init(&out, 10 << 20);
    assert_true(bell_directory_write(&out, 7, rows, TENANTS_N, 0));
    image = bell_directory_build(bell_buf_str(&out), &len, err, sizeof(err));
    assert_string_equal(err, "");
    assert_int_equal(bell_directory_tenant_count(image, len), TENANTS_N);
    for (unsigned i = 0; i < TENANTS_N; i++) {
        bell_tenant t;

        for (unsigned k = 0; k < 3; k++) {
            assert_int_equal(bell_directory_find(image, len, hosts[i][k], &t), 1);
            assert_int_equal(t.id, i * 2 + 1);
        }
        assert_true(bell_str_eq(bell_str_of(t.name), rows[i].name));
        assert_int_equal(bell_directory_find(image, len, (bell_str){hosts[i][0].p, hosts[i][0].len - 1}, &t), 0);
    }
    free(image);
    bell_buf_fini(&out);
}

static void read_everything(const void *image, size_t len) {
    bell_tenant t;

    bell_directory_version(image, len);
    bell_directory_tenant_count(image, len);
    if (bell_directory_find(image, len, BELL_STR("www.a.example"), &t)) {
        assert_true(strlen(t.name) <= BELL_DIRECTORY_NAME_MAX && strlen(t.locale) <= BELL_DIRECTORY_LOCALE_MAX);
    }
    (void)!bell_directory_find(image, len, BELL_STR("b.example"), &t);
    (void)!bell_directory_find(image, len, BELL_STR("nobody.example"), &t);
}

/* A reader may meet an image that is being written. Whatever it finds, it reads inside of the image; the sanitizers watch. */
static void torn_images(void **state) {
    static const uint32_t words[] = {0, 1, 3, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFFFFF0};
    char err[200] = "";
    size_t len;
    char *image = build(TENANTS(A "," B), &len, err);

    (void)state;
    for (size_t n = 0; n < len; n++) {
        char *cut = malloc(n ? n : 1);

        memcpy(cut, image, n);
        read_everything(cut, n);
        assert_int_equal(bell_directory_version(cut, n), 0);
        free(cut);
    }
    for (size_t at = 0; at + 4 <= len; at += 4) {
        for (size_t i = 0; i < ROWS(words); i++) {
            char saved[4];

            memcpy(saved, image + at, 4);
            memcpy(image + at, &words[i], 4);
            read_everything(image, len);
            memcpy(image + at, saved, 4);
        }
    }
    srand(1);
    for (unsigned round = 0; round < 20000; round++) {
        size_t at = (size_t)rand() % len;
        char saved = image[at];

        image[at] = (char)rand();
        read_everything(image, len);
        image[at] = saved;
    }
    free(image);
}

static void what_is_no_image_is_nobody_s(void **state) {
    _Alignas(8) char zeros[4096] = {0}, ones[4096];
    bell_tenant t;

    (void)state;
    memset(ones, 0xFF, sizeof(ones));
    assert_int_equal(bell_directory_version(NULL, 0), 0);
    assert_int_equal(bell_directory_tenant_count(zeros, sizeof(zeros)), 0);
    assert_int_equal(bell_directory_find(zeros, sizeof(zeros), BELL_STR("a"), &t), 0);
    assert_int_equal(bell_directory_find(ones, sizeof(ones), BELL_STR("a"), &t), 0);
    assert_int_equal(bell_directory_find(NULL, 0, BELL_STR("a"), &t), 0);
}

/* A table without an empty slot must not keep a lookup for ever. */
static void a_full_table_ends(void **state) {
    char err[200] = "";
    size_t len;
    char *image = build(TENANTS(A "," B), &len, err);
    uint32_t *words = (uint32_t *)image;
    bell_tenant t;

    (void)state;
    for (size_t i = 14; i < len / 4; i++) {
        words[i] = 0x01010101;
    }
    assert_int_equal(bell_directory_version(image, len), 7);
    assert_int_equal(bell_directory_find(image, len, BELL_STR("nobody.example"), &t), 0);
    free(image);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(statuses),
        cmocka_unit_test(lookups),
        cmocka_unit_test(the_only_tenant_answers_to_every_name),
        cmocka_unit_test(good_payloads),
        cmocka_unit_test(payloads_that_are_refused),
        cmocka_unit_test(headers_that_are_refused),
        cmocka_unit_test(torn_snapshots),
        cmocka_unit_test(writing),
        cmocka_unit_test(rows_that_are_not_written),
        cmocka_unit_test(a_snapshot_that_does_not_fit),
        cmocka_unit_test(many_tenants),
        cmocka_unit_test(torn_images),
        cmocka_unit_test(what_is_no_image_is_nobody_s),
        cmocka_unit_test(a_full_table_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
