/* What changes an image in place: deltas, what else stands in a tenant, pools, revocations, signatures. */
#include "bell_directory_doc.h"
#include "unit.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CAPACITY 16384
#define NOW_S    1700000000

#define ROW(id_, name_) .id = (id_), .status = BELL_TENANT_ACTIVE, .name = BELL_STR(name_), .title = BELL_STR("T"), .locale = BELL_STR("en")

static const bell_directory_keys no_keys;
static _Alignas(8) char image[CAPACITY];
static char copy[BELL_DIRECTORY_RECORD_MAX];
static char err[300];

static bell_directory_verdict put(const bell_directory_doc *d) {
    bell_directory_verdict verdict;
    bell_buf out;

    err[0] = '\0';
    bell_buf_init(&out, 1 << 20);
    assert_true(bell_directory_write(&out, d, NULL));
    verdict = d->from == 0 ? bell_directory_load(image, CAPACITY, bell_buf_str(&out), &no_keys, NOW_S, err, sizeof(err))
                           : bell_directory_apply(image, CAPACITY, bell_buf_str(&out), &no_keys, NOW_S, err, sizeof(err));
    bell_buf_fini(&out);
    return verdict;
}

static bell_directory_verdict put_text(const char *payload, uint64_t from, uint64_t version) {
    unsigned char hash[EVP_MAX_MD_SIZE];
    char *text = malloc(strlen(payload) + 200), *p;
    bell_directory_verdict verdict;

    assert_int_equal(EVP_Digest(payload, strlen(payload), hash, NULL, EVP_sha256(), NULL), 1);
    p = text + sprintf(text, "bell-directory 2 %llu %llu %zu ", (unsigned long long)from, (unsigned long long)version, strlen(payload));
    for (int i = 0; i < 32; i++) {
        p += sprintf(p, "%02x", hash[i]);
    }
    sprintf(p, " - -\n%s", payload);
    verdict = from == 0 ? bell_directory_load(image, CAPACITY, bell_str_of(text), &no_keys, NOW_S, err, sizeof(err))
                        : bell_directory_apply(image, CAPACITY, bell_str_of(text), &no_keys, NOW_S, err, sizeof(err));
    free(text);
    return verdict;
}

static uint32_t who(const char *host) {
    bell_tenant t;

    return bell_directory_find(image, CAPACITY, bell_str_of(host), &t) != BELL_DIRECTORY_NOBODY ? t.id : 0;
}

static void start(void) {
    static const bell_str a[] = {BELL_STR("a.example"), BELL_STR("www.a.example")}, b[] = {BELL_STR("b.example")};
    const bell_directory_row rows[] = {{ROW(1, "a"), .hosts = a, .nhosts = 2}, {ROW(2, "b"), .hosts = b, .nhosts = 1}};
    const bell_directory_doc d = {.version = 7, .rows = rows, .nrows = 2};

    assert_int_equal(put(&d), BELL_DIRECTORY_OK);
}

/* ---- deltas */

static void a_tenant_is_changed_added_and_removed(void **state) {
    static const bell_str a[] = {BELL_STR("new.example")}, c[] = {BELL_STR("c.example"), BELL_STR("a.example")};
    const bell_directory_row rows[] = {{.id = 1,
                                        .status = BELL_TENANT_SUSPENDED,
                                        .name = BELL_STR("renamed"),
                                        .title = BELL_STR(""),
                                        .locale = BELL_STR("fr"),
                                        .hosts = a,
                                        .nhosts = 1},
                                       {ROW(3, "a"), .hosts = c, .nhosts = 2}};
    const uint32_t removed[] = {2, 99};
    const bell_directory_doc d = {.from = 7, .version = 9, .rows = rows, .nrows = 2, .removed = removed, .nremoved = 2};
    bell_tenant t;

    (void)state;
    start();
    assert_int_equal(put(&d), BELL_DIRECTORY_OK);
    assert_int_equal(bell_directory_version(image, CAPACITY), 9);
    assert_int_equal(bell_directory_tenant_count(image, CAPACITY), 2);
    assert_int_equal(bell_directory_find(image, CAPACITY, BELL_STR("new.example"), &t), BELL_DIRECTORY_EXACT);
    assert_int_equal(t.id, 1);
    assert_int_equal(t.status, BELL_TENANT_SUSPENDED);
    assert_int_equal(t.revision, 9);
    assert_string_equal(t.name, "renamed");
    assert_string_equal(t.locale, "fr");
    assert_int_equal(who("www.a.example"), 0);
    assert_int_equal(who("a.example"), 3);
    assert_int_equal(who("c.example"), 3);
    assert_int_equal(who("b.example"), 0);
}

static void hosts_and_names_change_hands_in_one_delta(void **state) {
    static const bell_str a[] = {BELL_STR("b.example")}, b[] = {BELL_STR("a.example")};
    const bell_directory_row rows[] = {{ROW(1, "b"), .hosts = a, .nhosts = 1}, {ROW(2, "a"), .hosts = b, .nhosts = 1}};
    const bell_directory_doc d = {.from = 7, .version = 8, .rows = rows, .nrows = 2};

    (void)state;
    start();
    assert_int_equal(put(&d), BELL_DIRECTORY_OK);
    assert_int_equal(who("b.example"), 1);
    assert_int_equal(who("a.example"), 2);
}

static void a_gap_leaves_the_image_as_it_was(void **state) {
    const bell_directory_doc late = {.from = 8, .version = 9}, early = {.from = 6, .version = 7};

    (void)state;
    start();
    assert_int_equal(put(&late), BELL_DIRECTORY_GAP);
    assert_string_equal(err, "it leads from version 8 to 9, and version 7 is what is here");
    assert_int_equal(put(&early), BELL_DIRECTORY_GAP);
    assert_int_equal(bell_directory_version(image, CAPACITY), 7);
    assert_int_equal(who("a.example"), 1);
    memset(image, 0, sizeof(image));
    assert_int_equal(put(&late), BELL_DIRECTORY_GAP);
}

static void a_bad_delta_spoils_the_image(void **state) {
    static const struct {
        const char *payload, *err;
    } rows[] = {
        {"{\"version\":8,\"tenants\":[{\"id\":3,\"name\":\"c\",\"title\":\"\",\"status\":\"exam\",\"locale\":\"en\",\"hosts\":[\"a.example\"]}]}",
         "tenants[0].hosts: \"a.example\" belongs to the tenant 1 already"},
        {"{\"version\":8,\"tenants\":[{\"id\":3,\"name\":\"b\",\"title\":\"\",\"status\":\"exam\",\"locale\":\"en\",\"hosts\":[]}]}",
         "tenants[0].name: \"b\" belongs to the tenant 2 already"},
        {"{\"version\":8,\"tenants\":[],\"removed\":[\"1\"]}", "removed[0] is not a number from 1 to 4294967295"},
        {"{\"version\":8,\"tenants\":[],\"default_tenant\":1}", "there is a default_tenant beside 2 tenants: it is for a directory of one"},
        {"{\"version\":8,\"tenants\":[],\"removed\":[1,2],\"default_tenant\":1}",
         "there is a default_tenant beside 0 tenants: it is for a directory of one"},
        {"{\"version\":8,\"tenants\":[],\"removed\":[1],\"pools\":[]}", "the payload does not end where it should, behind what is known of it"},
        {"{\"version\":9,\"tenants\":[]}", "the payload says version 9, the header 8"},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        start();
        assert_int_equal(put_text(rows[i].payload, 7, 8), BELL_DIRECTORY_REFUSED);
        assert_string_equal(err, rows[i].err);
        assert_int_equal(bell_directory_version(image, CAPACITY), 0);
        assert_int_equal(who("a.example"), 0);
    }
}

static void the_only_one_left_may_answer_to_every_name(void **state) {
    (void)state;
    start();
    assert_int_equal(put_text("{\"version\":8,\"tenants\":[],\"removed\":[1],\"default_tenant\":2}", 7, 8), BELL_DIRECTORY_OK);
    assert_int_equal(who("anything"), 2);
    assert_int_equal(put_text("{\"version\":9,\"tenants\":[]}", 8, 9), BELL_DIRECTORY_OK);
    assert_int_equal(who("anything"), 0);
}

static void an_image_that_is_full_says_so(void **state) {
    static char text[64][64];
    bell_str hosts[64];
    bell_directory_doc d = {.from = 7, .version = 8, .nrows = 1};
    bell_directory_row row = {ROW(3, "c"), .hosts = hosts, .nhosts = 64};
    bell_directory_verdict verdict = BELL_DIRECTORY_OK;

    (void)state;
    start();
    d.rows = &row;
    for (unsigned i = 0; i < 8 && verdict == BELL_DIRECTORY_OK; i++) {
        char name[2] = {(char)('c' + i), '\0'};

        row.id = 3 + i;
        row.name = (bell_str){name, 1};
        for (unsigned k = 0; k < 64; k++) {
            hosts[k] = (bell_str){text[k], (size_t)sprintf(text[k], "host%u.of.district%u.example", k, i)};
        }
        d.from = 7 + i;
        d.version = 8 + i;
        verdict = put(&d);
    }
    assert_int_equal(verdict, BELL_DIRECTORY_FULL);
    assert_string_equal(err, "there is no room for tenants[0] in an image of 16384 bytes");
    assert_int_equal(bell_directory_version(image, CAPACITY), 0);
}

/* ---- many changes: the image answers as a plain table of what was put does */

enum { MODEL_TENANTS = 24, MODEL_HOSTS = 60, MODEL_ROUNDS = 4000 };

typedef struct {
    bool is_there[MODEL_TENANTS + 1];
    uint32_t owner[MODEL_HOSTS]; /* 0: nobody */
} model;

static void model_host(unsigned i, char out[40]) {
    sprintf(out, "h%u.%.*s.example", i, (int)(i % 7 + 1), "abcdefgh");
}

static void model_change(model *m, unsigned round) {
    static char text[MODEL_HOSTS][40], name[16];
    bell_str hosts[MODEL_HOSTS];
    uint32_t id = 1 + (uint32_t)rand() % MODEL_TENANTS;
    bell_directory_row row = {.id = id, .status = BELL_TENANT_ACTIVE, .title = BELL_STR(""), .locale = BELL_STR("en"), .hosts = hosts};
    bell_directory_doc d = {.from = round, .version = round + 1};
    bool remove = m->is_there[id] && rand() % 3 == 0;

    for (unsigned i = 0; i < MODEL_HOSTS; i++) {
        if (m->owner[i] == id) {
            m->owner[i] = 0;
        }
        if (!remove && m->owner[i] == 0 && rand() % 12 == 0) {
            m->owner[i] = id;
            model_host(i, text[row.nhosts]);
            hosts[row.nhosts] = bell_str_of(text[row.nhosts]);
            row.nhosts++;
        }
    }
    row.name = (bell_str){name, (size_t)sprintf(name, "t%u", id)};
    m->is_there[id] = !remove;
    if (remove) {
        d.removed = &id;
        d.nremoved = 1;
    } else {
        d.rows = &row;
        d.nrows = 1;
    }
    assert_int_equal(put(&d), BELL_DIRECTORY_OK);
}

static void model_compare(const model *m) {
    size_t n = 0;
    char host[40];

    for (unsigned i = 0; i < MODEL_HOSTS; i++) {
        model_host(i, host);
        assert_int_equal(who(host), m->owner[i]);
    }
    for (uint32_t id = 1; id <= MODEL_TENANTS; id++) {
        n += m->is_there[id];
        assert_int_equal(bell_directory_copy_tenant(image, CAPACITY, id, copy) > 0, m->is_there[id]);
    }
    assert_int_equal(bell_directory_tenant_count(image, CAPACITY), n);
}

static void many_changes(void **state) {
    const bell_directory_doc empty = {.version = 1};
    model m = {{false}, {0}};

    (void)state;
    srand(4);
    assert_int_equal(put(&empty), BELL_DIRECTORY_OK);
    for (unsigned round = 1; round <= MODEL_ROUNDS; round++) {
        model_change(&m, round);
        if (round % 16 == 0) {
            model_compare(&m);
        }
    }
    model_compare(&m);
    assert_true(bell_directory_fill_percent(image, CAPACITY) < 100);
}

/* ---- wildcards */

static void wildcards(void **state) {
    static const bell_str a[] = {BELL_STR("*.district.example"), BELL_STR("district.example")},
                          b[] = {BELL_STR("*.east.district.example"), BELL_STR("x.west.district.example")};
    const bell_directory_row rows[] = {{ROW(1, "a"), .hosts = a, .nhosts = 2}, {ROW(2, "b"), .hosts = b, .nhosts = 2}};
    const bell_directory_doc d = {.version = 7, .rows = rows, .nrows = 2};
    static const struct {
        const char *host;
        uint32_t tenant;
        bell_directory_match match;
    } cases[] = {
        {"district.example", 1, BELL_DIRECTORY_EXACT},
        {"www.district.example", 1, BELL_DIRECTORY_WILDCARD},
        {"a.b.c.district.example", 1, BELL_DIRECTORY_WILDCARD},
        {"east.district.example", 1, BELL_DIRECTORY_WILDCARD},
        {"a.east.district.example", 2, BELL_DIRECTORY_WILDCARD},
        {"a.b.east.district.example", 2, BELL_DIRECTORY_WILDCARD},
        {"x.west.district.example", 2, BELL_DIRECTORY_EXACT},
        {"y.west.district.example", 1, BELL_DIRECTORY_WILDCARD},
        {"a.x.west.district.example", 1, BELL_DIRECTORY_WILDCARD},
        {"xdistrict.example", 0, BELL_DIRECTORY_NOBODY},
        {"example", 0, BELL_DIRECTORY_NOBODY},
        {".district.example", 0, BELL_DIRECTORY_NOBODY},
        {"*.district.example", 0, BELL_DIRECTORY_NOBODY},
        {"=a", 0, BELL_DIRECTORY_NOBODY},
        {"[::1]", 0, BELL_DIRECTORY_NOBODY},
        {"10.0.0.1", 0, BELL_DIRECTORY_NOBODY},
    };
    static const char *const refused[] = {"*",           "*.",      "*.example", "*.*.example", "a.*.example", "*a.b.example",
                                          "*.A.example", "*.0.0.1", "*.[::1]",   "**.b.example"};

    (void)state;
    assert_int_equal(put(&d), BELL_DIRECTORY_OK);
    for (size_t i = 0; i < ROWS(cases); i++) {
        bell_tenant t;
        bell_directory_match match = bell_directory_find(image, CAPACITY, bell_str_of(cases[i].host), &t);

        if (match != cases[i].match || (match != BELL_DIRECTORY_NOBODY && t.id != cases[i].tenant)) {
            fail_msg("%s: match %d, tenant %u", cases[i].host, match, match ? t.id : 0);
        }
    }
    for (size_t i = 0; i < ROWS(refused); i++) {
        char payload[300];

        sprintf(payload,
                "{\"version\":7,\"tenants\":[{\"id\":1,\"name\":\"a\",\"title\":\"\",\"status\":\"exam\",\"locale\":\"en\",\"hosts\":[\"%s\"]}]}",
                refused[i]);
        assert_int_equal(put_text(payload, 0, 7), BELL_DIRECTORY_REFUSED);
    }
}

/* ---- what else a tenant has */

static void a_whole_record(void **state) {
    static const bell_str hosts[] = {BELL_STR("a.example"), BELL_STR("*.a.example")}, flags[] = {BELL_STR("live"), BELL_STR("beta.quiz_2")};
    static const bell_directory_limit limits[] = {{BELL_STR("requests-per-second"), 200}, {BELL_STR("rooms"), 0}};
    static const bell_record_key keys[] = {
        {.kid = BELL_STR("K1"),
         .use = BELL_STR("cloudfront"),
         .alg = BELL_STR("rs256"),
         .material = BELL_STR("-----BEGIN\nAB+/="),
         .from_s = 5,
         .until_s = 9},
        {.kid = BELL_STR(""), .use = BELL_STR("path"), .alg = BELL_STR("hs256"), .material = BELL_STR("")},
    };
    const bell_directory_row row = {ROW(5, "a"),
                                    .hosts = hosts,
                                    .nhosts = 2,
                                    .flags = flags,
                                    .nflags = 2,
                                    .limits = limits,
                                    .nlimits = 2,
                                    .keys = keys,
                                    .nkeys = 2,
                                    .upstream = BELL_STR("pool-1"),
                                    .cluster = BELL_STR("main"),
                                    .region = BELL_STR("eu-1"),
                                    .notice = BELL_STR("We are back on Monday \xE2\x80\x94 the office"),
                                    .sessions_from_s = 1699999999};
    const bell_directory_doc d = {.version = 7, .rows = &row, .nrows = 1};
    bell_record_key k;
    bell_tenant t;
    bell_str list, item;
    uint64_t n = 1;
    size_t len;

    (void)state;
    assert_int_equal(put(&d), BELL_DIRECTORY_OK);
    assert_int_equal(bell_directory_find(image, CAPACITY, BELL_STR("a.example"), &t), BELL_DIRECTORY_EXACT);
    assert_string_equal(t.upstream, "pool-1");
    assert_int_equal(t.sessions_from_s, 1699999999);
    len = bell_directory_copy_tenant(image, CAPACITY, 5, copy);
    assert_true(len > 0);
    assert_true(bell_str_eq(bell_record_get(copy, len, BELL_RECORD_NAME), BELL_STR("a")));
    assert_true(bell_str_eq(bell_record_get(copy, len, BELL_RECORD_CLUSTER), BELL_STR("main")));
    assert_true(bell_str_eq(bell_record_get(copy, len, BELL_RECORD_REGION), BELL_STR("eu-1")));
    assert_true(bell_str_eq(bell_record_get(copy, len, BELL_RECORD_NOTICE), row.notice));
    list = bell_record_get(copy, len, BELL_RECORD_HOSTS);
    assert_true(bell_record_next(&list, &item) && bell_str_eq(item, hosts[0]));
    assert_true(bell_record_next(&list, &item) && bell_str_eq(item, hosts[1]));
    assert_false(bell_record_next(&list, &item));
    assert_true(bell_record_has_flag(copy, len, BELL_STR("beta.quiz_2")));
    assert_false(bell_record_has_flag(copy, len, BELL_STR("beta")));
    assert_true(bell_record_limit(copy, len, BELL_STR("requests-per-second"), &n) && n == 200);
    assert_true(bell_record_limit(copy, len, BELL_STR("rooms"), &n) && n == 0);
    assert_false(bell_record_limit(copy, len, BELL_STR("200"), &n));
    list = bell_record_get(copy, len, BELL_RECORD_KEYS);
    assert_true(bell_record_next_key(&list, &k));
    assert_true(bell_str_eq(k.kid, keys[0].kid) && bell_str_eq(k.use, keys[0].use) && bell_str_eq(k.material, keys[0].material));
    assert_int_equal(k.from_s, 5);
    assert_int_equal(k.until_s, 9);
    assert_true(bell_record_next_key(&list, &k));
    assert_true(bell_str_eq(k.alg, BELL_STR("hs256")) && k.material.len == 0 && k.until_s == 0);
    assert_false(bell_record_next_key(&list, &k));
    assert_int_equal(bell_directory_copy_tenant(image, CAPACITY, 4, copy), 0);
    assert_int_equal(bell_record_get(copy, 3, BELL_RECORD_NAME).len, 0);
}

/* What a request needs of the limits lies in the bell_tenant itself. */
static void scales_of_limits(void **state) {
    static const struct {
        bell_directory_limit limits[3];
        size_t n;
        uint16_t all, submissions;
    } cases[] = {
        {{{BELL_STR("seats"), 5}}, 1, 100, 100},
        {{{BELL_STR("scale"), 300}}, 1, 300, 300},
        {{{BELL_STR("scale-submissions"), 500}}, 1, 100, 500},
        {{{BELL_STR("scale-submissions"), 50}, {BELL_STR("seats"), 5}, {BELL_STR("scale"), 200}}, 3, 200, 50},
        {{{BELL_STR("scale"), 0}}, 1, BELL_SCALE_MIN_PERCENT, BELL_SCALE_MIN_PERCENT},
        {{{BELL_STR("scale"), 999999999999}}, 1, BELL_SCALE_MAX_PERCENT, BELL_SCALE_MAX_PERCENT},
    };
    static const bell_str host = BELL_STR("a.example");
    (void)state;
    for (size_t i = 0; i < ROWS(cases); i++) {
        const bell_directory_row row = {ROW(5, "a"), .hosts = &host, .nhosts = 1, .limits = cases[i].limits, .nlimits = cases[i].n};
        const bell_directory_doc d = {.version = 7, .rows = &row, .nrows = 1};
        bell_tenant t;
        assert_int_equal(put(&d), BELL_DIRECTORY_OK);
        assert_int_equal(bell_directory_find(image, CAPACITY, host, &t), BELL_DIRECTORY_EXACT);
        assert_int_equal(t.scale_percent[BELL_SCALE_ALL], cases[i].all);
        assert_int_equal(t.scale_percent[BELL_SCALE_SUBMISSIONS], cases[i].submissions);
    }
}

static void tenants_that_are_refused(void **state) {
    static const struct {
        const char *members, *err;
    } rows[] = {
        {"\"upstream\":\"Pool\"", "tenants[0].upstream: \"Pool\" is not 1 to 63 of a-z, 0-9 and hyphen"},
        {"\"upstream\":5", "tenants[0].upstream: \"\" is not 1 to 63 of a-z, 0-9 and hyphen"},
        {"\"cluster\":\"\"", "tenants[0].cluster: \"\" is not 1 to 63 of a-z, 0-9 and hyphen"},
        {"\"notice\":5", "tenants[0].notice is not a text of at most 4000 bytes"},
        {"\"flags\":\"x\"", "tenants[0].flags is not an array"},
        {"\"flags\":[\"A\"]", "tenants[0].flags: \"A\" is not 1 to 63 of a-z, 0-9, hyphen, dot and underscore"},
        {"\"limits\":[]", "tenants[0].limits is not an object"},
        {"\"limits\":{\"x\":-1}",
         "tenants[0].limits: \"x\" is not a limit: a word of a-z, 0-9, hyphen, dot and underscore, with a number of 0 or more"},
        {"\"limits\":{\"x\":1.5}",
         "tenants[0].limits: \"x\" is not a limit: a word of a-z, 0-9, hyphen, dot and underscore, with a number of 0 or more"},
        {"\"keys\":[{\"kid\":\"1\"}]",
         "tenants[0].keys[0] is not a key with \"kid\", \"use\", \"alg\" and \"key\", texts, and a time in \"from\" and \"until\""},
        {"\"sessions_from\":-1", "tenants[0].sessions_from is not a time in seconds since 1970"},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        char payload[400];

        sprintf(payload,
                "{\"version\":7,\"tenants\":[{\"id\":1,\"name\":\"a\",\"title\":\"\",\"status\":\"exam\",\"locale\":\"en\",\"hosts\":[],%s}]}",
                rows[i].members);
        assert_int_equal(put_text(payload, 0, 7), BELL_DIRECTORY_REFUSED);
        assert_string_equal(err, rows[i].err);
    }
}

/* ---- pools */

static void pools(void **state) {
    static const bell_record_server servers[] = {{BELL_STR("10.0.0.1:8080"), 1, BELL_SERVER_UP},
                                                 {BELL_STR("[2001:db8::1]:80"), 1000, BELL_SERVER_DRAIN},
                                                 {BELL_STR("unix:/run/api.sock"), 5, BELL_SERVER_DOWN}};
    const bell_directory_pool both[] = {{BELL_STR("api"), servers, 3}, {BELL_STR("empty"), NULL, 0}};
    const bell_directory_pool changed[] = {{BELL_STR("api"), servers, 1}};
    const bell_str removed[] = {BELL_STR("empty"), BELL_STR("never")};
    bell_directory_doc d = {.version = 7, .pools = both, .npools = 2};
    bell_record_server s;
    bell_str list;
    size_t len;

    (void)state;
    assert_int_equal(put(&d), BELL_DIRECTORY_OK);
    len = bell_directory_copy_pool(image, CAPACITY, BELL_STR("api"), copy);
    list = bell_record_get(copy, len, BELL_RECORD_SERVERS);
    for (size_t i = 0; i < 3; i++) {
        assert_true(bell_record_next_server(&list, &s));
        assert_true(bell_str_eq(s.address, servers[i].address) && s.weight == servers[i].weight && s.state == servers[i].state);
    }
    assert_false(bell_record_next_server(&list, &s));
    assert_true(bell_directory_copy_pool(image, CAPACITY, BELL_STR("empty"), copy) > 0);
    assert_int_equal(bell_directory_copy_pool(image, CAPACITY, BELL_STR("other"), copy), 0);

    d = (bell_directory_doc){.from = 7, .version = 8, .pools = changed, .npools = 1, .removed_pools = removed, .nremoved_pools = 2};
    assert_int_equal(put(&d), BELL_DIRECTORY_OK);
    len = bell_directory_copy_pool(image, CAPACITY, BELL_STR("api"), copy);
    list = bell_record_get(copy, len, BELL_RECORD_SERVERS);
    assert_true(bell_record_next_server(&list, &s));
    assert_false(bell_record_next_server(&list, &s));
    assert_int_equal(bell_directory_copy_pool(image, CAPACITY, BELL_STR("empty"), copy), 0);
}

static void servers_that_are_refused(void **state) {
    static const char *const refused[] = {
        "",          "10.0.0.1",     "10.0.0.1:", "10.0.0.1:0", "10.0.0.1:65536", "10.0.0.1:080", "api.example:80", "unix:relative",
        "unix:/a b", "10.0.0.1:80 ", "[::1]",     "::1:80",     "10.0.0:80",      "[::1]x:80"};

    (void)state;
    for (size_t i = 0; i < ROWS(refused); i++) {
        char payload[300];

        sprintf(payload,
                "{\"version\":7,\"tenants\":[],\"pools\":[{\"name\":\"api\",\"servers\":[{\"address\":\"%s\",\"weight\":1,\"state\":\"up\"}]}]}",
                refused[i]);
        if (put_text(payload, 0, 7) != BELL_DIRECTORY_REFUSED) {
            fail_msg("taken: %s", refused[i]);
        }
    }
    assert_int_equal(put_text("{\"version\":7,\"tenants\":[],\"pools\":[{\"name\":\"a\",\"servers\":[]},{\"name\":\"a\",\"servers\":[]}]}", 0, 7),
                     BELL_DIRECTORY_REFUSED);
    assert_string_equal(err, "pools[1]: the pool \"a\" is there already");
}

/* ---- revocations */

static void revocations(void **state) {
    static const bell_directory_revoked first[] = {{1, BELL_STR("42"), NOW_S - 10, NOW_S + 100}, {1, BELL_STR("43"), NOW_S - 10, NOW_S - 1}};
    static const bell_directory_revoked later[] = {{1, BELL_STR("42"), NOW_S, NOW_S + 50}};
    bell_directory_doc d = {.version = 7, .revoked = first, .nrevoked = 2};

    (void)state;
    assert_int_equal(put(&d), BELL_DIRECTORY_OK);
    assert_true(bell_directory_is_revoked(image, CAPACITY, 1, BELL_STR("42"), NOW_S - 11));
    assert_true(bell_directory_is_revoked(image, CAPACITY, 1, BELL_STR("42"), NOW_S - 10));
    assert_false(bell_directory_is_revoked(image, CAPACITY, 1, BELL_STR("42"), NOW_S - 9));
    assert_false(bell_directory_is_revoked(image, CAPACITY, 2, BELL_STR("42"), 0));
    assert_false(bell_directory_is_revoked(image, CAPACITY, 1, BELL_STR("4"), 0));
    assert_false(bell_directory_is_revoked(image, CAPACITY, 1, BELL_STR("43"), 0)); /* nothing that old can be valid any more */
    d = (bell_directory_doc){.from = 7, .version = 8, .revoked = later, .nrevoked = 1};
    assert_int_equal(put(&d), BELL_DIRECTORY_OK);
    assert_true(bell_directory_is_revoked(image, CAPACITY, 1, BELL_STR("42"), NOW_S - 9));
    assert_false(bell_directory_is_revoked(image, CAPACITY, 1, BELL_STR("42"), NOW_S + 1));
}

/* A table that is full loses the newest and counts them; what is in it stays, and what has ended makes room. */
static void more_revocations_than_room(void **state) {
    enum { N = 2000 };
    static char text[N][8];
    static bell_directory_revoked rows[N];
    bell_directory_doc d = {.version = 7, .revoked = rows, .nrevoked = N};
    uint32_t found = 0;

    (void)state;
    for (unsigned i = 0; i < N; i++) {
        rows[i] = (bell_directory_revoked){3, {text[i], (size_t)sprintf(text[i], "%u", i)}, NOW_S, NOW_S + (i % 2 ? 1000 : 1)};
    }
    assert_int_equal(put(&d), BELL_DIRECTORY_OK);
    for (unsigned i = 0; i < N; i++) {
        found += bell_directory_is_revoked(image, CAPACITY, 3, rows[i].subject, NOW_S);
    }
    assert_true(found > 0);
    assert_int_equal(found + bell_directory_revoked_dropped(image, CAPACITY), N);
}

/* More tenants than there are recent words in a small image: some share one, and each is told of its own. */
static void revocations_of_many_tenants(void **state) {
    enum { TENANTS_N = 80, SUBJECTS_N = 4 };
    static char text[SUBJECTS_N][2] = {"1", "2", "3", "4"};
    bell_directory_revoked rows[TENANTS_N];
    bell_directory_doc d = {.version = 7, .revoked = rows};

    (void)state;
    /* of each other tenant one person, at a moment of its own */
    for (uint32_t tenant = 0; tenant < TENANTS_N; tenant += 2) {
        rows[d.nrevoked++] = (bell_directory_revoked){tenant + 1, {text[tenant % SUBJECTS_N], 1}, NOW_S - tenant, NOW_S + 100};
    }
    assert_int_equal(put(&d), BELL_DIRECTORY_OK);
    assert_int_equal(bell_directory_revoked_dropped(image, CAPACITY), 0);
    for (uint32_t tenant = 0; tenant < TENANTS_N; tenant++) {
        for (size_t subject = 0; subject < SUBJECTS_N; subject++) {
            bool is_one = tenant % 2 == 0 && subject == tenant % SUBJECTS_N;
            bell_str name = {text[subject], 1};

            assert_int_equal(bell_directory_is_revoked(image, CAPACITY, tenant + 1, name, NOW_S - tenant), is_one);
            assert_false(bell_directory_is_revoked(image, CAPACITY, tenant + 1, name, NOW_S - tenant + 1));
        }
    }
}

/* ---- signatures */

static bell_directory_key *new_key(const char *path, bool is_public) {
    EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    char public_path[64];
    FILE *f = fopen(path, "w");
    bell_directory_key *k;

    assert_non_null(f);
    assert_int_equal(PEM_write_PrivateKey(f, pkey, NULL, NULL, 0, NULL, NULL), 1);
    fclose(f);
    sprintf(public_path, "%s.pub", path);
    f = fopen(public_path, "w");
    assert_non_null(f);
    assert_int_equal(PEM_write_PUBKEY(f, pkey), 1);
    fclose(f);
    EVP_PKEY_free(pkey);
    k = bell_directory_key_load(is_public ? public_path : path, err, sizeof(err));
    assert_non_null(k);
    return k;
}

static void signatures(void **state) {
    char path[] = "/tmp/firstbell-unit-XXXXXX", key_path[40], public_path[48];
    bell_directory_key *private_key, *public_key, *other;
    bell_directory_keys keys = {.nkeys = 1}, others = {.nkeys = 1};
    const bell_directory_doc d = {.version = 7};
    bell_buf out, plain;

    (void)state;
    assert_non_null(mkdtemp(path));
    sprintf(key_path, "%s/a", path);
    other = new_key(key_path, false);
    private_key = new_key(key_path, false);
    sprintf(public_path, "%s.pub", key_path);
    public_key = bell_directory_key_load(public_path, err, sizeof(err));
    assert_non_null(public_key);
    assert_string_equal(bell_directory_key_id(public_key), bell_directory_key_id(private_key));
    keys.keys[0] = public_key;
    others.keys[0] = other;
    bell_buf_init(&out, 4000);
    bell_buf_init(&plain, 4000);
    assert_true(bell_directory_write(&out, &d, private_key));
    assert_true(bell_directory_write(&plain, &d, NULL));
    assert_false(bell_directory_write(&plain, &d, public_key));

    assert_int_equal(bell_directory_load(image, CAPACITY, bell_buf_str(&out), &keys, NOW_S, err, sizeof(err)), BELL_DIRECTORY_OK);
    assert_int_equal(bell_directory_load(image, CAPACITY, bell_buf_str(&out), &no_keys, NOW_S, err, sizeof(err)), BELL_DIRECTORY_OK);
    assert_int_equal(bell_directory_load(image, CAPACITY, bell_buf_str(&plain), &keys, NOW_S, err, sizeof(err)), BELL_DIRECTORY_REFUSED);
    assert_string_equal(err, "it is not signed");
    assert_int_equal(bell_directory_load(image, CAPACITY, bell_buf_str(&out), &others, NOW_S, err, sizeof(err)), BELL_DIRECTORY_REFUSED);
    assert_memory_equal(err, "it is signed with the key ", 26);
    /* whichever bit is changed, of header or payload, nothing of it is taken */
    for (size_t bit = 0; bit < out.len * 8; bit++) {
        out.p[bit / 8] ^= (char)(1 << bit % 8);
        assert_int_equal(bell_directory_load(image, CAPACITY, bell_buf_str(&out), &keys, NOW_S, err, sizeof(err)), BELL_DIRECTORY_REFUSED);
        assert_int_equal(bell_directory_version(image, CAPACITY), 0);
        out.p[bit / 8] ^= (char)(1 << bit % 8);
    }
    assert_null(bell_directory_key_load(path, err, sizeof(err)));
    assert_null(bell_directory_key_load("/nowhere", err, sizeof(err)));
    assert_string_equal(err, "/nowhere cannot be read: No such file or directory");
    unlink(key_path);
    unlink(public_path);
    rmdir(path);
    bell_buf_fini(&out);
    bell_buf_fini(&plain);
    bell_directory_key_free(other);
    bell_directory_key_free(private_key);
    bell_directory_key_free(public_key);
}

/* Documents in a row, as a journal has them: where the next one begins, and whether the last one is whole. */
static void documents_in_a_row(void **state) {
    const bell_directory_doc one = {.version = 7}, two = {.from = 7, .version = 8};
    bell_directory_head head;
    bell_buf out;
    bool whole;
    size_t first;

    (void)state;
    bell_buf_init(&out, 4000);
    assert_true(bell_directory_write(&out, &one, NULL));
    first = out.len;
    assert_true(bell_directory_write(&out, &two, NULL));
    assert_true(bell_directory_peek(bell_buf_str(&out), &head, &whole, err, sizeof(err)));
    assert_int_equal(head.bytes, first);
    assert_int_equal(head.version, 7);
    assert_true(bell_directory_peek((bell_str){out.p + first, out.len - first}, &head, &whole, err, sizeof(err)));
    assert_int_equal(head.from, 7);
    assert_int_equal(head.bytes, out.len - first);
    for (size_t n = 0; n < out.len - first; n++) {
        assert_false(bell_directory_peek((bell_str){out.p + first, n}, &head, &whole, err, sizeof(err)));
        assert_true(whole);
    }
    assert_false(bell_directory_peek(BELL_STR("bell-x"), &head, &whole, err, sizeof(err)));
    assert_false(whole);
    bell_buf_fini(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tenant_is_changed_added_and_removed),
        cmocka_unit_test(hosts_and_names_change_hands_in_one_delta),
        cmocka_unit_test(a_gap_leaves_the_image_as_it_was),
        cmocka_unit_test(a_bad_delta_spoils_the_image),
        cmocka_unit_test(the_only_one_left_may_answer_to_every_name),
        cmocka_unit_test(an_image_that_is_full_says_so),
        cmocka_unit_test(many_changes),
        cmocka_unit_test(wildcards),
        cmocka_unit_test(a_whole_record),
        cmocka_unit_test(scales_of_limits),
        cmocka_unit_test(tenants_that_are_refused),
        cmocka_unit_test(pools),
        cmocka_unit_test(servers_that_are_refused),
        cmocka_unit_test(revocations),
        cmocka_unit_test(more_revocations_than_room),
        cmocka_unit_test(revocations_of_many_tenants),
        cmocka_unit_test(signatures),
        cmocka_unit_test(documents_in_a_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
