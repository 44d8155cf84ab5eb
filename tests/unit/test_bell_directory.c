#include "bell_directory_doc.h"
#include "unit.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#define ONE_HOST(name) "{\"id\":1,\"name\":\"demo\",\"title\":\"Demo\",\"status\":\"active\",\"locale\":\"en\",\"hosts\":[\"" name "\"]}"
#define A              "{\"id\":1,\"name\":\"a\",\"title\":\"A\",\"status\":\"active\",\"locale\":\"en\",\"hosts\":[\"a.example\",\"www.a.example\"]}"
#define B              "{\"id\":2,\"name\":\"b\",\"title\":\"B\",\"status\":\"exam\",\"locale\":\"de-CH\",\"hosts\":[\"b.example\"]}"
#define TENANTS(t)     "{\"version\":7,\"tenants\":[" t "]}"

#define CAPACITY 8192
#define NOW_S    1700000000

/* A document around a payload: the header is right, whatever the payload is. */
static char *wrap_from(const char *payload, uint64_t from, uint64_t version) {
    unsigned char hash[EVP_MAX_MD_SIZE];
    char *text = malloc(strlen(payload) + 200), *p;

    assert_int_equal(EVP_Digest(payload, strlen(payload), hash, NULL, EVP_sha256(), NULL), 1);
    p = text + sprintf(text, "bell-directory 2 %llu %llu %zu ", (unsigned long long)from, (unsigned long long)version, strlen(payload));
    for (int i = 0; i < 32; i++) {
        p += sprintf(p, "%02x", hash[i]);
    }
    sprintf(p, " - -\n%s", payload);
    return text;
}

static char *wrap(const char *payload, uint64_t version) {
    return wrap_from(payload, 0, version);
}

static const bell_directory_keys no_keys;

static void *load(bell_str snapshot, size_t capacity, char err[200]) {
    void *image = calloc(1, capacity); /* as shared memory is */
    bell_directory_verdict verdict = bell_directory_load(image, capacity, snapshot, &no_keys, NOW_S, err, 200);

    if (verdict == BELL_DIRECTORY_OK) {
        return image;
    }
    assert_int_equal(bell_directory_version(image, capacity), 0);
    free(image);
    return NULL;
}

static void *build(const char *payload, size_t *len, char err[200]) {
    char *snapshot = wrap(payload, 7);
    void *image = load(bell_str_of(snapshot), CAPACITY, err);

    *len = CAPACITY;
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
    assert_int_equal(bell_directory_find(image, len, BELL_STR("www.a.example"), &t), BELL_DIRECTORY_EXACT);
    assert_int_equal(t.id, 1);
    assert_int_equal(t.status, BELL_TENANT_ACTIVE);
    assert_string_equal(t.name, "a");
    assert_string_equal(t.locale, "en");
    assert_int_equal(bell_directory_find(image, len, BELL_STR("b.example"), &t), BELL_DIRECTORY_EXACT);
    assert_int_equal(t.id, 2);
    assert_int_equal(t.status, BELL_TENANT_EXAM);
    assert_string_equal(t.name, "b");
    assert_string_equal(t.locale, "de-CH");
    assert_int_equal(bell_directory_find(image, len, BELL_STR("c.example"), &t), BELL_DIRECTORY_NOBODY);
    assert_int_equal(bell_directory_find(image, len, BELL_STR("example"), &t), BELL_DIRECTORY_NOBODY);
    assert_int_equal(bell_directory_find(image, len, BELL_STR("B.example"), &t), BELL_DIRECTORY_NOBODY);
    assert_int_equal(bell_directory_find(image, len, BELL_STR_NULL, &t), BELL_DIRECTORY_NOBODY);
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
    assert_int_equal(bell_directory_find(image, len, BELL_STR("a.example"), &t), BELL_DIRECTORY_EXACT);
    assert_int_equal(bell_directory_find(image, len, BELL_STR("10.0.0.1"), &t), BELL_DIRECTORY_DEFAULT);
    assert_int_equal(t.id, 1);
    assert_int_equal(bell_directory_find(image, len, (bell_str){longest, sizeof(longest)}, &t), BELL_DIRECTORY_DEFAULT);
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

#define NOT_THE_END "the payload does not end where it should, behind what is known of it"

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
        {"{\"version\":7,\"tenants\":{}}", "\"tenants\" is not an array"},
        {TENANTS("1"), "tenants[0] is not an object"},
        {TENANTS(A ","), "tenants[1] is not valid JSON: unexpected token near ']'"},
        {TENANTS(A " " B), "expected a comma or the end of the tenants behind tenants[0]"},
        {TENANTS("{\"id\":1,\"id\":1}"), "tenants[0] is not valid JSON: duplicate object key near '\"id\"'"},
        {TENANTS("") "x", NOT_THE_END},
        {"{\"version\":7,\"tenants\":[" A "],\"default_tenant\":1,\"x\":1}", NOT_THE_END},
        {"{\"version\":7,\"tenants\":[" A "],\"x\":1}", NOT_THE_END},
        {"{\"version\":7,\"tenants\":[" A "],\"default_tenant\":\"1\"}", "default_tenant is not a number above 0"},
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
        {TENANTS(A ",{\"id\":2,\"status\":\"exam\",\"title\":\"\",\"name\":\"a\",\"locale\":\"en\",\"hosts\":[]}"),
         "tenants[1].name: \"a\" belongs to the tenant 1 already"},
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
        {TENANTS(ONE_HOST("x.example\",\"x.example")), "tenants[0].hosts: \"x.example\" belongs to the tenant 1 already"},
        {TENANTS(A ",{\"id\":2,\"status\":\"exam\",\"title\":\"\",\"name\":\"b\",\"locale\":\"en\",\"hosts\":[\"b\",\"a.example\"]}"),
         "tenants[1].hosts: \"a.example\" belongs to the tenant 1 already"},
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

    assert_null(load((bell_str){snapshot, len}, CAPACITY, err));
    if (expected != NULL) {
        assert_string_equal(err, expected);
    } else {
        assert_true(err[0] != '\0');
    }
}

static void headers_that_are_refused(void **state) {
    static const char not_one[] = "not a directory: expected a first line that begins with \"bell-directory 2 \"";
    static const char endless[] = "the first line does not end: the file is torn or was changed";
    static const char no_version[] = "the header's version is not a number above 0";
    static const char no_way[] = "the header does not lead from a lower version to a higher one";
    static const char no_length[] = "the header's length of the payload is not a number up to 268435456";
    static const char changed[] = "checksum does not match: the file is torn or was changed";
    static const struct {
        const char *snapshot, *err;
    } rows[] = {
        {"", not_one},
        {"x", not_one},
        {"{\"version\":7}", not_one},
        {"bell-directory 1 7 0 x\n", not_one},
        {"bell-directory 2", not_one},
        {"bell-directory 2 ", endless},
        {"bell-directory 2 0 7 0 x - -", endless},
        {"bell-directory 2 \n", no_version},
        {"bell-directory 2 0 0 0 x - -\n", no_version},
        {"bell-directory 2 0 -1 0 x - -\n", no_version},
        {"bell-directory 2 0  7 0 x - -\n", no_version},
        {"bell-directory 2 0 9223372036854775808 0 x - -\n", no_version},
        {"bell-directory 2 x 7 0 x - -\n", no_way},
        {"bell-directory 2 7 7 0 x - -\n", no_way},
        {"bell-directory 2 8 7 0 x - -\n", no_way},
        {"bell-directory 2 0 7\n", no_length},
        {"bell-directory 2 0 7 x x - -\n", no_length},
        {"bell-directory 2 0 7 268435457 x - -\n", no_length},
        {"bell-directory 2 0 7 5 x - -\n{}", "the payload is 2 bytes, the header says 5: the file is torn or was changed"},
        {"bell-directory 2 0 7 1 x - -\n{}", "the payload is 2 bytes, the header says 1: the file is torn or was changed"},
        {"bell-directory 2 0 7 2\n{}", changed},
        {"bell-directory 2 0 7 2 \n{}", changed},
        {"bell-directory 2 0 7 2 44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8A - -\n{}", changed},
        /* this one's checksum is right */
        {"bell-directory 2 0 7 2 44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a - -\n{}",
         "the payload does not begin with {\"version\":N"},
        {"bell-directory 2 6 7 2 44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a - -\n{}",
         "it is a delta from version 6, and a snapshot was expected"},
    };
    char line[600];

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        assert_refused(rows[i].snapshot, strlen(rows[i].snapshot), rows[i].err);
    }
    sprintf(line, "bell-directory 2 0 7 0 %0400d\n", 0);
    assert_refused(line, strlen(line), endless);
}

/* Wherever a file was cut, and whichever bit was changed, nothing of it is used. */
static void torn_snapshots(void **state) {
    char *snapshot = wrap(TENANTS(A), 7);
    size_t len = strlen(snapshot), unsigned_at = (size_t)(strchr(snapshot, '\n') - snapshot) - 3;

    (void)state;
    for (size_t n = 0; n < len; n++) {
        assert_refused(snapshot, n, NULL);
    }
    for (size_t bit = 0; bit < len * 8; bit++) {
        if (bit / 8 >= unsigned_at && bit / 8 < unsigned_at + 3) {
            continue; /* who takes it unsigned does not look at what stands in the place of a signature */
        }
        snapshot[bit / 8] ^= (char)(1 << bit % 8);
        assert_refused(snapshot, len, NULL);
        snapshot[bit / 8] ^= (char)(1 << bit % 8);
    }
    free(snapshot);
}

static bool write_one(bell_buf *out, const bell_directory_row *row, uint64_t version, uint32_t default_tenant) {
    bell_directory_doc d = {.version = version, .rows = row, .nrows = row != NULL, .default_tenant = default_tenant};

    return bell_directory_write(out, &d, NULL);
}

static void writing(void **state) {
    static const char expected[] =
        "{\"version\":7,\"tenants\":[{\"id\":1,\"name\":\"demo\",\"title\":\"D\xC3\xA9mo \\\"1\\\"\",\"status\":\"read-only\","
        "\"locale\":\"fr\",\"hosts\":[\"demo.localhost\",\"[::1]\"]}],\"default_tenant\":1}";
    const bell_str hosts[] = {BELL_STR("demo.localhost"), BELL_STR("[::1]")};
    const bell_directory_row row = {.id = 1,
                                    .status = BELL_TENANT_READ_ONLY,
                                    .name = BELL_STR("demo"),
                                    .title = BELL_STR("D\xC3\xA9mo \"1\""),
                                    .locale = BELL_STR("fr"),
                                    .hosts = hosts,
                                    .nhosts = 2};
    char *snapshot = wrap(expected, 7);
    char err[200] = "";
    bell_tenant t;
    bell_buf out;
    void *image;

    (void)state;
    bell_buf_init(&out, 10000);
    assert_true(write_one(&out, &row, 7, 1));
    assert_true(bell_str_eq(bell_buf_str(&out), bell_str_of(snapshot)));
    image = load(bell_buf_str(&out), CAPACITY, err);
    assert_string_equal(err, "");
    assert_int_equal(bell_directory_find(image, CAPACITY, BELL_STR("[::1]"), &t), BELL_DIRECTORY_EXACT);
    assert_int_equal(t.status, BELL_TENANT_READ_ONLY);
    free(image);
    bell_buf_fini(&out);
    free(snapshot);
}

#define ROW                                                                                                                                          \
    .id = 1, .status = BELL_TENANT_ACTIVE, .name = BELL_STR("a"), .title = BELL_STR("A"), .locale = BELL_STR("en"), .hosts = good_host, .nhosts = 1

static void rows_that_are_not_written(void **state) {
    const bell_str good_host[] = {BELL_STR("a.example")}, bad_host[] = {BELL_STR("a_b")}, star[] = {BELL_STR("*.example")};
    const bell_directory_limit bad_limit = {BELL_STR("Per Second"), 1};
    const bell_record_key bad_key = {.kid = BELL_STR("1"), .use = BELL_STR("session"), .alg = BELL_STR(""), .material = BELL_STR("x")};
    const bell_directory_row good = {ROW};
    bell_directory_row rows[] = {{ROW}, {ROW}, {ROW}, {ROW}, {ROW}, {ROW}, {ROW}, {ROW}, {ROW}, {ROW}, {ROW}};
    const bell_directory_row unordered[] = {
        {.id = 2, .status = BELL_TENANT_ACTIVE, .name = BELL_STR("b"), .title = BELL_STR("B"), .locale = BELL_STR("en")}, good};
    const bell_directory_doc two = {.version = 7, .rows = unordered, .nrows = 2};
    const uint32_t removed[] = {1};
    const bell_directory_doc removing = {.version = 7, .removed = removed, .nremoved = 1};
    bell_buf out;

    (void)state;
    rows[0].id = 0;
    rows[1].status = 0;
    rows[2].name = BELL_STR("A");
    rows[3].title = BELL_STR("\xFF");
    rows[4].locale = BELL_STR("");
    rows[5].hosts = bad_host;
    rows[6].hosts = star;
    rows[7].upstream = BELL_STR("Pool 1");
    rows[8].sessions_from_s = -1;
    rows[9].limits = &bad_limit;
    rows[9].nlimits = 1;
    rows[10].keys = &bad_key;
    rows[10].nkeys = 1;
    bell_buf_init(&out, 10000);
    for (size_t i = 0; i < ROWS(rows); i++) {
        assert_false(write_one(&out, &rows[i], 7, 0));
    }
    assert_false(bell_directory_write(&out, &two, NULL));
    assert_false(bell_directory_write(&out, &removing, NULL));
    assert_false(write_one(&out, &good, 0, 0));
    assert_false(write_one(&out, &good, UINT64_MAX, 0));
    assert_false(write_one(&out, &good, 7, 2));
    assert_false(write_one(&out, NULL, 7, 1));
    assert_int_equal(out.len, 0);
    assert_true(write_one(&out, NULL, 7, 0));
    bell_buf_fini(&out);
}

static void a_snapshot_that_does_not_fit(void **state) {
    const bell_str good_host[] = {BELL_STR("a.example")};
    const bell_directory_row row = {ROW};
    bell_buf out;
    size_t len;

    (void)state;
    bell_buf_init(&out, 10000);
    assert_true(write_one(&out, &row, 7, 0));
    len = out.len;
    bell_buf_fini(&out);
    for (size_t max = 0; max <= len; max++) {
        bell_buf_init(&out, max);
        assert_int_equal(write_one(&out, &row, 7, 0), max == len);
        bell_buf_fini(&out);
    }
}

/* Many tenants, each found by each of its names and by none that is almost one. */
static void many_tenants(void **state) {
    enum { TENANTS_N = 3000 };
    static char text[TENANTS_N][3][32];
    static bell_str hosts[TENANTS_N][3];
    static bell_directory_row rows[TENANTS_N];
    bell_directory_doc doc = {.version = 7};
    size_t len = bell_directory_capacity(TENANTS_N, (size_t)TENANTS_N * 3, (size_t)TENANTS_N * 80);
    char err[200] = "";
    bell_buf out;
    void *image;

    (void)state;
    for (unsigned i = 0; i < TENANTS_N; i++) {
        for (unsigned k = 0; k < 3; k++) {
            hosts[i][k] = (bell_str){text[i][k], (size_t)sprintf(text[i][k], "h%u.d%u.example", k, i)};
        }
        rows[i] = (bell_directory_row){.id = i * 2 + 1,
                                       .status = BELL_TENANT_ACTIVE,
                                       .name = {text[i][0] + 3, hosts[i][0].len - 11},
                                       .title = BELL_STR("T"),
                                       .locale = BELL_STR("en"),
                                       .hosts = hosts[i],
                                       .nhosts = 3};
    }
    bell_buf_init(&out, 10 << 20);
    doc.rows = rows;
    doc.nrows = TENANTS_N;
    assert_true(bell_directory_write(&out, &doc, NULL));
    assert_true(bell_directory_capacity_of(bell_buf_str(&out)) >= len);
    image = load(bell_buf_str(&out), len, err);
    assert_string_equal(err, "");
    assert_int_equal(bell_directory_tenant_count(image, len), TENANTS_N);
    for (unsigned i = 0; i < TENANTS_N; i++) {
        bell_tenant t;

        for (unsigned k = 0; k < 3; k++) {
            assert_int_equal(bell_directory_find(image, len, hosts[i][k], &t), BELL_DIRECTORY_EXACT);
            assert_int_equal(t.id, i * 2 + 1);
        }
        assert_true(bell_str_eq(bell_str_of(t.name), rows[i].name));
        assert_int_equal(bell_directory_find(image, len, (bell_str){hosts[i][0].p, hosts[i][0].len - 1}, &t), BELL_DIRECTORY_NOBODY);
    }
    free(image);
    bell_buf_fini(&out);
}

static void read_everything(const void *image, size_t len) {
    static const bell_directory_trace trace = {.n = 4, .stamps = {0, 1, 65535, 15}};
    static char copy[BELL_DIRECTORY_RECORD_MAX];
    bell_tenant t;

    bell_directory_version(image, len);
    bell_directory_tenant_count(image, len);
    if (bell_directory_find(image, len, BELL_STR("www.a.example"), &t)) {
        assert_true(strlen(t.name) <= BELL_DIRECTORY_NAME_MAX && strlen(t.locale) <= BELL_DIRECTORY_LOCALE_MAX);
    }
    (void)!bell_directory_find(image, len, BELL_STR("b.example"), &t);
    (void)!bell_directory_find(image, len, BELL_STR("nobody.example"), &t);
    (void)!bell_directory_is_unchanged(image, len, &trace, 7);
    (void)!bell_directory_is_revoked(image, len, 1, BELL_STR("42"), 1);
    (void)!bell_directory_copy_tenant(image, len, 1, copy);
    (void)!bell_directory_copy_pool(image, len, BELL_STR("api"), copy);
    bell_directory_fill_percent(image, len);
    bell_directory_revoked_dropped(image, len);
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
    assert_int_equal(bell_directory_find(zeros, sizeof(zeros), BELL_STR("a"), &t), BELL_DIRECTORY_NOBODY);
    assert_int_equal(bell_directory_find(ones, sizeof(ones), BELL_STR("a"), &t), BELL_DIRECTORY_NOBODY);
    assert_int_equal(bell_directory_find(NULL, 0, BELL_STR("a"), &t), BELL_DIRECTORY_NOBODY);
}

/* A table without an empty slot must not keep a lookup for ever. */
static void a_full_table_ends(void **state) {
    char err[200] = "";
    size_t len;
    char *image = build(TENANTS(A "," B), &len, err);
    uint32_t *words = (uint32_t *)image;
    bell_tenant t;

    (void)state;
    for (size_t i = 62; i < len / 4; i++) {
        words[i] = 0x01010101;
    }
    assert_int_equal(bell_directory_version(image, len), 7);
    assert_int_equal(bell_directory_find(image, len, BELL_STR("nobody.example"), &t), BELL_DIRECTORY_NOBODY);
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
