#include "bell_cache_key.h"
#include "unit.h"

#include <stdlib.h>

static const bell_cache_query_rules no_rules;

static void methods(void **state) {
    static const struct {
        const char *method;
        bell_cache_method is;
    } rows[] = {
        {"GET", BELL_CACHE_READ},        {"HEAD", BELL_CACHE_READ},   {"OPTIONS", BELL_CACHE_SAFE},  {"TRACE", BELL_CACHE_SAFE},
        {"PROPFIND", BELL_CACHE_SAFE},   {"POST", BELL_CACHE_UNSAFE}, {"DELETE", BELL_CACHE_UNSAFE}, {"PUT", BELL_CACHE_UNSAFE},
        {"M-SEARCH", BELL_CACHE_UNSAFE}, {"get", BELL_CACHE_UNSAFE},  {"", BELL_CACHE_UNSAFE},       {"GETS", BELL_CACHE_UNSAFE},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        assert_row(bell_cache_method_of(bell_str_of(rows[i].method)) == rows[i].is, rows[i].method);
    }
}

static void check_target(const char *target, const bell_cache_query_rules *rules, const char *want) {
    char out[400];
    long len = bell_cache_target_write(bell_str_of(target), rules, out, strlen(target) + 1);

    assert_row((len >= 0) == (want != NULL), target);
    if (want == NULL) {
        return;
    }
    if (!bell_str_eq((bell_str){out, (size_t)len}, bell_str_of(want))) {
        fail_msg("\"%s\" is \"%.*s\" and not \"%s\"", target, (int)len, out, want);
    }
    assert_row((size_t)len <= strlen(target), target);
    for (size_t room = 0; room < (size_t)len; room++) {
        assert_row(bell_cache_target_write(bell_str_of(target), rules, out, room) == -1, target);
    }
    /* what was written is written so */
    char once[400], twice[400];
    len = bell_cache_target_write(bell_str_of(target), rules, once, sizeof(once));
    assert_row(bell_cache_target_write((bell_str){once, (size_t)len}, rules, twice, sizeof(twice)) == len, target);
    assert_row(memcmp(once, twice, (size_t)len) == 0, target);
}

/* RFC 3986, 6.2.2.1 and 6.2.2.2. */
static void escapes(void **state) {
    static const struct {
        const char *target, *want; /* NULL: refused */
    } rows[] = {
        {"/", "/"},
        {"/a/b", "/a/b"},
        {"/%7Eann/%41%2d%2E%5f", "/~ann/A-._"},
        {"/a%2fb", "/a%2Fb"},
        {"/a%2Fb", "/a%2Fb"},
        {"/%c3%A4", "/%C3%A4"},
        {"/\xC3\xA4", "/\xC3\xA4"}, /* not the same: a server may tell them apart */
        {"/a+b", "/a+b"},
        {"/a%2Bb", "/a%2Bb"},
        {"/a%20b", "/a%20b"},
        {"/%2541", "/%2541"}, /* decoded once */
        {"/%25%34%31", "/%2541"},
        {"//a//", "//a//"},
        {"/a;b=c", "/a;b=c"},
        {"/...", "/..."},
        {"/a/.b/..c", "/a/.b/..c"},
        {"/a%2F..%2Fb", "/a%2F..%2Fb"},
        {"", NULL},
        {"a", NULL},
        {"?a", NULL},
        {"*", NULL},
        {"http://a/", NULL},
        {"/a/../b", NULL},
        {"/a/%2e%2E/b", NULL},
        {"/.", NULL},
        {"/a/..", NULL},
        {"/a/.?x", NULL},
        {"/%", NULL},
        {"/%4", NULL},
        {"/%zz", NULL},
        {"/a b", NULL},
        {"/a\t", NULL},
        {"/a\x7f", NULL},
        {"/a#b", NULL},
        {"/a?b#c", NULL},
        {"/a?b c", NULL},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        check_target(rows[i].target, &no_rules, rows[i].want);
    }
    char out[20];
    assert_int_equal(bell_cache_target_write((bell_str){"/a\0b", 4}, &no_rules, out, sizeof(out)), -1);
    assert_int_equal(bell_cache_target_write(BELL_STR_NULL, &no_rules, out, sizeof(out)), -1);
}

static void queries_without_rules(void **state) {
    static const struct {
        const char *target, *want;
    } rows[] = {
        {"/a?", "/a?"},
        {"/a?b", "/a?b"},
        {"/a?b=", "/a?b="},
        {"/a?b=1&a=2", "/a?b=1&a=2"},
        {"/a?b=1&&a=2&", "/a?b=1&&a=2&"},
        {"/a?&", "/a?&"},
        {"/a?%62=%7e%2f/?", "/a?b=~%2F/?"},
        {"/a?..=%2e", "/a?..=."},
        {"/a?x=100%&y=%41", "/a?x=100%&y=A"},
        {"/a?x=%%341&y=%41", "/a?x=%%341&y=A"}, /* half decoded it would be another one */
        {"/a?b=%26%3d", "/a?b=%26%3D"},
        {"/a?b=a+b%20c", "/a?b=a+b%20c"},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        check_target(rows[i].target, &no_rules, rows[i].want);
    }
}

static void parameters_that_change_nothing(void **state) {
    static const bell_str drop[] = {{"utm_*", 5}, {"fbclid", 6}};
    static const bell_cache_query_rules rules = {.drop = drop, .ndrop = ROWS(drop)};
    static const bell_str keep[] = {{"page", 4}, {"q*", 2}};
    static const bell_cache_query_rules few = {.keep = keep, .nkeep = ROWS(keep)};
    static const bell_cache_query_rules both = {.keep = keep, .nkeep = ROWS(keep), .drop = &keep[0], .ndrop = 1};
    static const bell_cache_query_rules none = {.empty_is_none = true};
    static const struct {
        const bell_cache_query_rules *rules;
        const char *target, *want;
    } rows[] = {
        {&rules, "/a?utm_source=x&b=1&fbclid=2&c", "/a?b=1&c"},
        {&rules, "/a?utm_=x", "/a"},
        {&rules, "/a?utm=x", "/a?utm=x"},
        {&rules, "/a?fbclid", "/a"},
        {&rules, "/a?fbclidx=1", "/a?fbclidx=1"},
        {&rules, "/a?UTM_source=1", "/a?UTM_source=1"},
        {&rules, "/a?utm%5Fsource=1&%66bclid=2&b", "/a?b"},
        {&rules, "/a?fbclid=100%&b", "/a?b"},
        {&rules, "/a?b&&fbclid=1", "/a?b&"},
        {&rules, "/a?x=utm_1", "/a?x=utm_1"},
        {&rules, "/utm_a?utm_b", "/utm_a"},
        {&rules, "/a?", "/a?"},
        {&rules, "/a", "/a"},
        {&few, "/a?page=2&x=1&query=3&q", "/a?page=2&query=3&q"},
        {&few, "/a?x=1", "/a"},
        {&few, "/a?pages=1", "/a"},
        {&few, "/a?&page=1", "/a?page=1"},
        {&both, "/a?page=1&q=2", "/a?q=2"},
        {&none, "/a?", "/a"},
        {&none, "/a", "/a"},
        {&none, "/a?&", "/a?&"},
        {&none, "/a?=", "/a?="},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        check_target(rows[i].target, rows[i].rules, rows[i].want);
    }
}

static void sorted_queries(void **state) {
    static const bell_str drop[] = {{"token", 5}};
    static const bell_cache_query_rules rules = {.drop = drop, .ndrop = ROWS(drop), .sort = true};
    static const struct {
        const char *target, *want;
    } rows[] = {
        {"/a?c=1&b=2&a=3", "/a?a=3&b=2&c=1"},
        {"/a?b=2&a=1&b=1&a=2", "/a?a=1&a=2&b=2&b=1"}, /* those of one name keep their order */
        {"/a?b&a=1&b=0&a", "/a?a=1&a&b&b=0"},
        {"/a?ab=1&a=2&a-=3", "/a?a=2&a-=3&ab=1"}, /* by name, not by pair */
        {"/a?z=1&token=2&y=3", "/a?y=3&z=1"},
        {"/a?b&&a&", "/a?a&b"},
        {"/a?&", "/a?"},
        {"/a?%62=1&a=2", "/a?a=2&b=1"},
        {"/a?token=1", "/a"},
        {"/a?b=long-long-long&a=1", "/a?a=1&b=long-long-long"},
        {"/a?c&b=long-long-long&a=1&bb=2&b", "/a?a=1&b=long-long-long&b&bb=2&c"},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        check_target(rows[i].target, &rules, rows[i].want);
    }
}

static void a_query_of_many_pairs_stays_as_it_is(void **state) {
    static const bell_cache_query_rules rules = {.sort = true};
    char target[400] = "/a?b", out[400];

    (void)state;
    for (size_t pairs = 2; pairs <= BELL_CACHE_SORTED_PAIRS_MAX + 1; pairs++) {
        strcat(target, "&a");
        long len = bell_cache_target_write(bell_str_of(target), &rules, out, sizeof(out));
        assert_int_equal(len, strlen(target));
        assert_int_equal(out[3], pairs <= BELL_CACHE_SORTED_PAIRS_MAX ? 'a' : 'b');
    }
}

static void a_long_query_stays_as_it_is(void **state) {
    static const bell_cache_query_rules rules = {.sort = true};
    static char target[BELL_CACHE_SORTED_BYTES_MAX + 10], out[sizeof(target)];

    (void)state;
    for (size_t more = 0; more < 2; more++) {
        size_t len = 3 + BELL_CACHE_SORTED_BYTES_MAX + more;
        memset(target, 'x', sizeof(target));
        memcpy(target, "/a?c&b&a=", 9);
        assert_int_equal(bell_cache_target_write((bell_str){target, len}, &rules, out, sizeof(out)), len);
        assert_int_equal(out[3], more ? 'c' : 'a');
        assert_memory_equal(out + len - 4, more ? "xxxx" : "&b&c", 4);
    }
}

/* ---- keys */

static bell_cache_question some_key(void) {
    return (bell_cache_question){
        .tenant_id = 7, .method = BELL_CACHE_READ, .scope = BELL_CACHE_PUBLIC, .host = BELL_STR("www.school.example"), .target = BELL_STR("/a?b=1")};
}

static void who_must_fit_the_scope(void **state) {
    static const struct {
        const char *why;
        bell_cache_method method;
        int scope;
        const char *who;
        bool good;
    } rows[] = {
        {"public", BELL_CACHE_READ, BELL_CACHE_PUBLIC, "", true},
        {"public of somebody", BELL_CACHE_READ, BELL_CACHE_PUBLIC, "ann", false},
        {"role", BELL_CACHE_READ, BELL_CACHE_ROLE, "teacher", true},
        {"role of none", BELL_CACHE_READ, BELL_CACHE_ROLE, "", false},
        {"subject", BELL_CACHE_READ, BELL_CACHE_SUBJECT, "ann", true},
        {"subject of nobody", BELL_CACHE_READ, BELL_CACHE_SUBJECT, "", false},
        {"no scope", BELL_CACHE_READ, 0, "", false},
        {"none of the scopes", BELL_CACHE_READ, 4, "ann", false},
        {"safe", BELL_CACHE_SAFE, BELL_CACHE_PUBLIC, "", false},
        {"unsafe", BELL_CACHE_UNSAFE, BELL_CACHE_PUBLIC, "", false},
    };
    char out[200];

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        bell_cache_question key = some_key();
        key.method = rows[i].method;
        key.scope = (bell_cache_scope)rows[i].scope;
        key.who = bell_str_of(rows[i].who);
        long len = bell_cache_key_write(&key, &no_rules, out, sizeof(out));
        assert_row((len > 0) == rows[i].good, rows[i].why);
        for (long room = 0; room < len; room++) {
            assert_row(bell_cache_key_write(&key, &no_rules, out, (size_t)room) == -1, rows[i].why);
        }
    }
    bell_cache_question bad = some_key();
    bad.target = BELL_STR("/a/../b");
    assert_int_equal(bell_cache_key_write(&bad, &no_rules, out, sizeof(out)), -1);
}

/* A small alphabet, so that texts meet and run into each other often. */
static bell_str some_text(uint64_t *seed, char *out, size_t most, const char *alphabet) {
    size_t n;

    *seed = *seed * 6364136223846793005U + 1442695040888963407U;
    n = (size_t)(*seed >> 33) % (most + 1);
    for (size_t i = 0; i < n; i++) {
        *seed = *seed * 6364136223846793005U + 1442695040888963407U;
        out[i] = alphabet[(*seed >> 33) % strlen(alphabet)];
    }
    return (bell_str){out, n};
}

typedef struct {
    char who[4], scheme[4], origin[4], host[4], target[8];
    bell_cache_question key;
} question;

static void some_question(uint64_t *seed, question *q) {
    bell_str rest;

    *seed = *seed * 6364136223846793005U + 1442695040888963407U;
    q->key =
        (bell_cache_question){.tenant_id = (uint32_t)(*seed >> 40) % 3, .method = BELL_CACHE_READ, .scope = BELL_CACHE_PUBLIC + (*seed >> 50) % 3};
    if (q->key.scope != BELL_CACHE_PUBLIC) {
        q->key.who = some_text(seed, q->who, 2, "a\x01");
        if (q->key.who.len == 0) {
            q->who[0] = 'a';
            q->key.who = (bell_str){q->who, 1};
        }
    }
    q->key.scheme = some_text(seed, q->scheme, 1, "a");
    q->key.origin = some_text(seed, q->origin, 1, "a/");
    q->key.host = some_text(seed, q->host, 2, "a/");
    q->target[0] = '/';
    rest = some_text(seed, q->target + 1, 3, "a/?&=");
    q->key.target = (bell_str){q->target, 1 + rest.len};
}

static bool same_question(const question *a, const question *b) {
    return a->key.tenant_id == b->key.tenant_id && a->key.scope == b->key.scope && bell_str_eq(a->key.who, b->key.who) &&
           bell_str_eq(a->key.scheme, b->key.scheme) && bell_str_eq(a->key.origin, b->key.origin) && bell_str_eq(a->key.host, b->key.host) &&
           bell_str_eq(a->key.target, b->key.target);
}

/* Without rules and escapes two questions have the same bytes when they are the same in every part. */
static void different_questions_have_different_keys(void **state) {
    enum { QUESTIONS = 1500 };
    static question questions[QUESTIONS];
    static char keys[QUESTIONS][64];
    static long lengths[QUESTIONS];
    uint64_t seed = 20261121;
    unsigned same = 0;

    (void)state;
    for (size_t i = 0; i < QUESTIONS; i++) {
        some_question(&seed, &questions[i]);
        lengths[i] = bell_cache_key_write(&questions[i].key, &no_rules, keys[i], sizeof(keys[i]));
        assert_true(lengths[i] > 0);
        for (size_t j = 0; j < i; j++) {
            bool equal = lengths[i] == lengths[j] && memcmp(keys[i], keys[j], (size_t)lengths[i]) == 0;
            assert_int_equal(equal, same_question(&questions[i], &questions[j]));
            same += equal;
        }
    }
    assert_true(same > 0); /* the seed is fixed: both cases are there */
}

static long hex_spelling(uint64_t *seed, bell_str target, char *out) {
    static const char lower[] = "0123456789abcdef", upper[] = "0123456789ABCDEF";
    long n = 0;

    for (size_t i = 0; i < target.len; i++) {
        unsigned char c = (unsigned char)target.p[i];
        *seed = *seed * 6364136223846793005U + 1442695040888963407U;
        if (c != 'a' || (*seed >> 60) % 2 == 0) {
            out[n++] = target.p[i];
            continue;
        }
        const char *digits = (*seed >> 62) % 2 == 0 ? lower : upper;
        out[n++] = '%';
        out[n++] = digits[c >> 4];
        out[n++] = digits[c & 15];
    }
    return n;
}

/* However a target's letters are spelled, and wherever dropped parameters stand, the key is the same. */
static void same_questions_have_the_same_key(void **state) {
    static const bell_str drop[] = {{"t*", 2}};
    static const bell_cache_query_rules rules = {.drop = drop, .ndrop = 1, .sort = true};
    static const char *const queries[] = {"b=1&a=2&a=1",     "a=2&b=1&a=1",       "a=2&a=1&b=1",
                                          "t=9&a=2&a=1&b=1", "a=2&tt=1&a=1&b=1&", "%61=2&a=%31&b=1&t%61=x"};
    uint64_t seed = 1;
    question q;

    (void)state;
    for (unsigned i = 0; i < 2000; i++) {
        char one[64], other[64], spelled[40];
        some_question(&seed, &q);
        long len = bell_cache_key_write(&q.key, &no_rules, one, sizeof(one));
        bell_str received = q.key.target;
        q.key.target.p = spelled;
        q.key.target.len = (size_t)bell_cache_target_write(received, &no_rules, spelled, sizeof(spelled));
        assert_int_equal(bell_cache_key_write(&q.key, NULL, other, sizeof(other)), len);
        assert_memory_equal(one, other, (size_t)len);
        q.key.target = (bell_str){spelled, (size_t)hex_spelling(&seed, received, spelled)};
        assert_int_equal(bell_cache_key_write(&q.key, &no_rules, other, sizeof(other)), len);
        assert_memory_equal(one, other, (size_t)len);
    }
    for (size_t i = 0; i < ROWS(queries); i++) {
        char target[64] = "/x?", out[64];
        strcat(target, queries[i]);
        long len = bell_cache_target_write(bell_str_of(target), &rules, out, sizeof(out));
        assert_row(bell_str_eq((bell_str){out, (size_t)len}, BELL_STR("/x?a=2&a=1&b=1")), queries[i]);
    }
}

/* What was written is read; a part of it is no key, or one whose target is shorter. */
static void a_key_says_what_it_is_of(void **state) {
    const bell_cache_question asked = {.tenant_id = 70000,
                                       .method = BELL_CACHE_READ,
                                       .scope = BELL_CACHE_ROLE,
                                       .who = BELL_STR("teacher"),
                                       .scheme = BELL_STR("https"),
                                       .origin = BELL_STR("pages"),
                                       .host = BELL_STR("north.example"),
                                       .target = BELL_STR("/a?b")};
    bell_cache_question back;
    char out[200];

    (void)state;
    long n = bell_cache_key_write(&asked, NULL, out, sizeof(out));
    assert_true(n > 0 && bell_cache_key_read((bell_str){out, (size_t)n}, &back));
    assert_int_equal(back.tenant_id, 70000);
    assert_true(back.method == BELL_CACHE_READ && back.scope == BELL_CACHE_ROLE && bell_str_eq(back.who, asked.who));
    assert_true(bell_str_eq(back.scheme, asked.scheme) && bell_str_eq(back.origin, asked.origin));
    assert_true(bell_str_eq(back.host, asked.host) && bell_str_eq(back.target, asked.target));
    for (size_t len = 0; len < (size_t)n; len++) {
        bool is_key = bell_cache_key_read((bell_str){out, len}, &back);

        assert_int_equal(is_key, len >= (size_t)n - asked.target.len);
        assert_true(!is_key || back.target.len == len - ((size_t)n - asked.target.len));
    }
    out[0] = 1; /* of a former release */
    assert_false(bell_cache_key_read((bell_str){out, (size_t)n}, &back));
}

static void parts_have_keys_of_their_own(void **state) {
    bell_cache_question asked = {.tenant_id = 7, .method = BELL_CACHE_READ, .scope = BELL_CACHE_PUBLIC, .target = BELL_STR("/film.mp4")};
    const uint64_t large = (uint64_t)5 << 32;
    bell_cache_question back;
    char whole[100], first[100], second[100];

    (void)state;
    long n = bell_cache_key_write(&asked, NULL, whole, sizeof(whole));
    asked.part_bytes = 1 << 20;
    long m = bell_cache_key_write(&asked, NULL, first, sizeof(first));
    asked.part_first = large;
    assert_int_equal(bell_cache_key_write(&asked, NULL, second, sizeof(second)), m);
    assert_int_equal(m, n + 16);
    assert_memory_not_equal(whole, first, (size_t)n);
    assert_memory_not_equal(first, second, (size_t)m);
    assert_true(bell_cache_key_read((bell_str){second, (size_t)m}, &back));
    assert_true(back.part_first == large && back.part_bytes == 1 << 20 && back.tenant_id == 7 && bell_str_eq(back.target, asked.target));
    assert_true(bell_cache_key_read((bell_str){whole, (size_t)n}, &back) && back.part_bytes == 0);
    assert_false(bell_cache_key_read((bell_str){second, 22}, &back));
    memset(second + 15, 0, 8);
    assert_false(bell_cache_key_read((bell_str){second, (size_t)m}, &back));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(methods),
        cmocka_unit_test(a_key_says_what_it_is_of),
        cmocka_unit_test(parts_have_keys_of_their_own),
        cmocka_unit_test(escapes),
        cmocka_unit_test(queries_without_rules),
        cmocka_unit_test(parameters_that_change_nothing),
        cmocka_unit_test(sorted_queries),
        cmocka_unit_test(a_query_of_many_pairs_stays_as_it_is),
        cmocka_unit_test(a_long_query_stays_as_it_is),
        cmocka_unit_test(who_must_fit_the_scope),
        cmocka_unit_test(different_questions_have_different_keys),
        cmocka_unit_test(same_questions_have_the_same_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
