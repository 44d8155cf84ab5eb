/* Rows name the test of the public suite http-cache-tests that asks for the same, or a section of an RFC. */
#include "bell_vary.h"
#include "fields.h"
#include "unit.h"

#include <stdio.h>

static bell_vary_verdict read_vary(const char *lines, bell_vary *out) {
    bell_str text = bell_str_of(lines);
    bell_fields answer = fields_of(&text);

    return bell_vary_read(&answer, out);
}

static void lists_of_names(void **state) {
    static const struct {
        const char *why, *lines;
        bell_vary_verdict verdict;
        const char *names;
        unsigned count;
    } rows[] = {
        {"none", "Date: now\n", BELL_VARY_OK, "", 0},
        {"empty", "Vary:\n", BELL_VARY_OK, "", 0},
        {"one", "Vary: Foo\n", BELL_VARY_OK, "foo", 1},
        {"sorted", "Vary: Foo, Bar, Baz\n", BELL_VARY_OK, "bar,baz,foo", 3},
        {"lines", "Vary: Foo\nX: y\nvary: bar\n", BELL_VARY_OK, "bar,foo", 2},
        {"once", "Vary: Foo, foo\nVary: FOO\n", BELL_VARY_OK, "foo", 1},
        {"a name and a longer one", "Vary: ab, a, abc\n", BELL_VARY_OK, "a,ab,abc", 3},
        {"empty elements", "Vary: , Foo,,\n", BELL_VARY_OK, "foo", 1},
        {"vary-syntax-star", "Vary: *\n", BELL_VARY_ANY, NULL, 0},
        {"vary-syntax-star-star", "Vary: *, *\n", BELL_VARY_ANY, NULL, 0},
        {"vary-syntax-star-star-lines", "Vary: *\nVary: *\n", BELL_VARY_ANY, NULL, 0},
        {"vary-syntax-empty-star", "Vary: , *\n", BELL_VARY_ANY, NULL, 0},
        {"vary-syntax-empty-star-lines", "Vary:\nVary: *\n", BELL_VARY_ANY, NULL, 0},
        {"vary-syntax-star-foo", "Vary: *, Foo\n", BELL_VARY_ANY, NULL, 0},
        {"vary-syntax-foo-star", "Vary: Foo, *\n", BELL_VARY_ANY, NULL, 0},
        {"star behind what is malformed", "Vary: a b, *\n", BELL_VARY_ANY, NULL, 0},
        {"a token with a star in it", "Vary: x*\n", BELL_VARY_OK, "x*", 1},
        {"malformed", "Vary: a b\n", BELL_VARY_MALFORMED, NULL, 0},
        {"malformed later", "Vary: a, \"b\"\n", BELL_VARY_MALFORMED, NULL, 0},
        {"16", "Vary: a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p\n", BELL_VARY_OK, "a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p", 16},
        {"16 and one again", "Vary: a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,A\n", BELL_VARY_OK, "a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p", 16},
        {"17", "Vary: a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q\n", BELL_VARY_LARGE, NULL, 0},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        bell_vary vary;
        assert_row(read_vary(rows[i].lines, &vary) == rows[i].verdict, rows[i].why);
        if (rows[i].names != NULL) {
            assert_row(bell_str_eq(bell_vary_names(&vary), bell_str_of(rows[i].names)) && vary.count == rows[i].count, rows[i].why);
        }
    }
}

static void bounds_of_bytes(void **state) {
    char line[1100];
    bell_vary vary;

    (void)state;
    for (int more = 0; more < 2; more++) {
        /* 255 + 1 + 256 bytes are just the bound */
        snprintf(line, sizeof(line), "Vary: a%0254d, b%0*d\n", 0, 255 + more, 0);
        assert_int_equal(read_vary(line, &vary), more ? BELL_VARY_LARGE : BELL_VARY_OK);
    }
    snprintf(line, sizeof(line), "Vary: a%0600d\n", 0);
    assert_int_equal(read_vary(line, &vary), BELL_VARY_LARGE);
}

/* ---- keys */

static const bell_vary_rules no_rules;

static long key_of(const char *names, const bell_vary_rules *rules, const char *lines, char *out, size_t room) {
    bell_str text = bell_str_of(lines);
    bell_fields request = fields_of(&text);

    return bell_vary_key(bell_str_of(names), rules, &request, out, room);
}

static bool same_key(const char *names, const bell_vary_rules *rules, const char *a, const char *b) {
    char one[1024], other[1024];
    long len = key_of(names, rules, a, one, sizeof(one)), other_len = key_of(names, rules, b, other, sizeof(other));

    assert_true(len >= 0 && other_len >= 0);
    return len == other_len && memcmp(one, other, (size_t)len) == 0;
}

typedef struct {
    const char *why, *names, *a, *b;
    bool same;
} pair;

static void check_pairs(const pair *rows, size_t n, const bell_vary_rules *rules) {
    for (size_t i = 0; i < n; i++) {
        assert_row(same_key(rows[i].names, rules, rows[i].a, rows[i].b) == rows[i].same, rows[i].why);
        assert_row(same_key(rows[i].names, rules, rows[i].b, rows[i].b), rows[i].why);
    }
}

static void fields_that_nobody_knows(void **state) {
    static const pair rows[] = {
        {"no names", "", "Foo: 1\n", "Foo: 2\n", true},
        {"vary-match", "foo", "Foo: 1\n", "foo: 1\n", true},
        {"vary-no-match", "foo", "Foo: 1\n", "Foo: 2\n", false},
        {"vary-omit", "foo", "Foo: 1\n", "", false},
        {"absent is not empty", "foo", "Foo:\n", "", false},
        {"vary-cache-key", "foo", "Foo: 1\nOther: 2\n", "Foo: 1\nOther: 3\n", true},
        {"vary-2-no-match", "bar,foo", "Foo: 1\nBar: abc\n", "Foo: 2\nBar: abc\n", false},
        {"vary-3-order", "bar,baz,foo", "Foo: 1\nBar: abc\nBaz: 789\n", "Foo: 1\nBaz: 789\nBar: abcde\n", false},
        {"order of fields", "bar,foo", "Foo: 1\nBar: abc\n", "Bar: abc\nFoo: 1\n", true},
        {"vary-3-omit", "bar,baz,foo", "Foo: 1\nBaz: 789\n", "Foo: 1\nBaz: 789\n", true},
        {"a value moved to the next name", "bar,foo", "Bar: 1\nFoo:\n", "Bar:\nFoo: 1\n", false},
        {"vary-normalise-space", "foo", "Foo: 1,2\n", "Foo:  1, 2 \n", true},
        {"vary-normalise-combine", "foo", "Foo: 1, 2\n", "Foo: 1\nFoo: 2\n", true},
        {"blanks before a comma", "foo", "Foo: 1 , 2\n", "Foo: 1,2\n", true},
        {"blanks within", "foo", "Foo: 1  2\n", "Foo: 1 2\n", false},
        {"letters", "foo", "Foo: a\n", "Foo: A\n", false},
        {"order", "foo", "Foo: 1, 2\n", "Foo: 2, 1\n", false},
        {"blanks in quotes", "foo", "Foo: \"1, 2\"\n", "Foo: \"1,2\"\n", false},
        {"quotes that close", "foo", "Foo: \"1\" , 2\n", "Foo: \"1\",2\n", true},
        {"an escaped quote", "foo", "Foo: \"1\\\" , 2\"\n", "Foo: \"1\\\",2\"\n", false},
        {"quotes over lines", "foo", "Foo: \"1\nFoo: 2\"\n", "Foo: \"1, 2\"\n", true},
        {"quotes over lines are no comma alone", "foo", "Foo: \"1\nFoo: 2\"\n", "Foo: \"1,2\"\n", false},
        {"a line and an empty one", "foo", "Foo: 1\nFoo:\n", "Foo: 1\n", false},
        {"two cookies", "cookie", "Cookie: a=1; b=2\n", "Cookie: a=1\nCookie: b=2\n", true},
        {"cookies as they were sent", "cookie", "Cookie: a=1, b\n", "Cookie: a=1,b\n", false},
        {"credentials as they were sent", "authorization", "Authorization: X a, b\n", "Authorization: X a,b\n", false},
        {"letters of credentials", "authorization", "Authorization: Bearer a\n", "Authorization: Bearer A\n", false},
        {"blanks of media types", "accept", "Accept: text/html , */*;q=0.1\n", "Accept: text/html,*/*;q=0.1\n", true},
    };

    (void)state;
    check_pairs(rows, ROWS(rows), &no_rules);
}

/* RFC 9110, 12.5.3. */
static void codings(void **state) {
    static const char *const n = "accept-encoding";
    const pair rows[] = {
        {"order", n, "Accept-Encoding: gzip, br\n", "Accept-Encoding: br,gzip\n", true},
        {"letters", n, "Accept-Encoding: GZip\n", "Accept-Encoding: gzip\n", true},
        {"old name", n, "Accept-Encoding: x-gzip\n", "Accept-Encoding: gzip\n", true},
        {"lines", n, "Accept-Encoding: gzip\nAccept-Encoding: br\n", "Accept-Encoding: gzip, br\n", true},
        {"weights above 0", n, "Accept-Encoding: gzip;q=0.5, br;q=1\n", "Accept-Encoding: gzip, br\n", true},
        {"weight 0", n, "Accept-Encoding: gzip;q=0\n", "Accept-Encoding: gzip\n", false},
        {"weight 0 is as if it were not there", n, "Accept-Encoding: gzip, br;q=0\n", "Accept-Encoding: gzip\n", true},
        {"others do not matter", n, "Accept-Encoding: gzip, deflate, br\n", "Accept-Encoding: gzip, br\n", true},
        {"identity is always there", n, "Accept-Encoding: gzip, identity\n", "Accept-Encoding: gzip\n", true},
        {"but where it is refused", n, "Accept-Encoding: gzip, identity;q=0\n", "Accept-Encoding: gzip\n", false},
        {"or all others are", n, "Accept-Encoding: gzip, *;q=0\n", "Accept-Encoding: gzip, identity;q=0\n", true},
        {"a star is all", n, "Accept-Encoding: *\n", "Accept-Encoding: gzip, br, zstd\n", true},
        {"a star and one that is refused", n, "Accept-Encoding: *;q=0.1, br;q=0\n", "Accept-Encoding: gzip, zstd\n", true},
        {"empty: identity alone", n, "Accept-Encoding:\n", "Accept-Encoding: identity\n", true},
        {"absent: anything", n, "Foo: 1\n", "Accept-Encoding:\n", false},
        {"malformed: as it was sent", n, "Accept-Encoding: gzip;q=5\n", "Accept-Encoding: gzip\n", false},
        {"malformed: as it was sent, but blanks", n, "Accept-Encoding: gzip;q=5, br\n", "Accept-Encoding: gzip;q=5,br\n", true},
        {"two weights, the other way", n, "Accept-Encoding: gzip;q=0, gzip\n", "Accept-Encoding: gzip\n", false},
        {"two weights", n, "Accept-Encoding: gzip, gzip;q=0\n", "Accept-Encoding: gzip\n", false},
    };
    static const bell_vary_rules only_gzip = {.codings = BELL_VARY_GZIP};

    (void)state;
    check_pairs(rows, ROWS(rows), &no_rules);
    assert_true(same_key(n, &only_gzip, "Accept-Encoding: gzip, br, zstd\n", "Accept-Encoding: gzip\n"));
    assert_false(same_key(n, &only_gzip, "Accept-Encoding: br\n", "Accept-Encoding: gzip\n"));
    assert_true(bell_vary_is_coding_known(&no_rules, BELL_STR_NULL));
    assert_true(bell_vary_is_coding_known(&no_rules, BELL_STR("zstd")));
    assert_true(bell_vary_is_coding_known(&only_gzip, BELL_STR("identity")));
    assert_true(bell_vary_is_coding_known(&only_gzip, BELL_STR("X-GZIP")));
    assert_false(bell_vary_is_coding_known(&only_gzip, BELL_STR("br")));
    assert_false(bell_vary_is_coding_known(&no_rules, BELL_STR("deflate")));
    assert_false(bell_vary_is_coding_known(&no_rules, BELL_STR("gzip, br")));
}

/* RFC 9110, 12.5.4. */
static void languages(void **state) {
    static const char *const n = "accept-language";
    const pair rows[] = {
        {"vary-normalise-lang-order", n, "Accept-Language: en, de\n", "Accept-Language: de, en\n", true},
        {"vary-normalise-lang-case", n, "Accept-Language: en, de\n", "Accept-Language: eN, De\n", true},
        {"vary-normalise-lang-space", n, "Accept-Language: en, de\n", "Accept-Language:  en ,   de\n", true},
        {"only the order of weights counts", n, "Accept-Language: de, en;q=0.9, fr;q=0.8\n", "Accept-Language: fr;q=0.1,en;q=0.5,de\n", true},
        {"which is another", n, "Accept-Language: de, en;q=0.9\n", "Accept-Language: en, de;q=0.9\n", false},
        {"alike is not behind", n, "Accept-Language: de, en\n", "Accept-Language: de, en;q=0.9\n", false},
        {"one more", n, "Accept-Language: de\n", "Accept-Language: de, en;q=0.1\n", false},
        {"not wanted", n, "Accept-Language: de, en;q=0\n", "Accept-Language: de, en;q=0.1\n", false},
        {"not wanted is not nothing", n, "Accept-Language: de, en;q=0\n", "Accept-Language: de\n", false},
        {"twice", n, "Accept-Language: de, DE\n", "Accept-Language: de\n", true},
        {"lines", n, "Accept-Language: de\nAccept-Language: en\n", "Accept-Language: de,en\n", true},
        {"a longer tag", n, "Accept-Language: de-CH\n", "Accept-Language: de\n", false},
        {"malformed: letters as they were sent", n, "Accept-Language: de_CH\n", "Accept-Language: DE_CH\n", false},
    };

    (void)state;
    check_pairs(rows, ROWS(rows), &no_rules);
}

static void languages_of_the_site(void **state) {
    static const bell_str site[] = {{"en", 2}, {"de", 2}, {"pt-BR", 5}};
    static const bell_vary_rules rules = {.languages = site, .nlanguages = ROWS(site)};
    static const struct {
        const char *wish, *chosen;
    } rows[] = {
        {"de", "de"},
        {"de-CH, en;q=0.5", "de"},
        {"fr, de;q=0.1", "de"},
        {"en, de", "en"},
        {"de, en", "en"}, /* liked alike: the site's own order */
        {"pt", "pt-br"},
        {"pt-PT, en;q=0.1", "en"},
        {"*", "en"},
        {"*;q=0.1, de;q=0", "en"},
        {"en;q=0, *", "de"},
        {"fr", ""},
        {"en;q=0", ""},
        {"pt-BR;q=0.9, en;q=0.5, pt;q=0.1", "pt-br"},
        {"pt-BR;q=0.1, en;q=0.5, pt;q=0.9", "en"},
        {"en-US;q=0.9, en-GB;q=0.1, de;q=0.5", "en"},
        {"en-US;q=0.2, en;q=0.8, de;q=0.5", "en"},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        char line[100], key[200];
        snprintf(line, sizeof(line), "Accept-Language: %s\n", rows[i].wish);
        long len = key_of("accept-language", &rules, line, key, sizeof(key)), head = 4 + 15 + 4;
        assert_row(len >= head + 1 && key[head] == 'c', rows[i].wish);
        assert_row(bell_str_eq((bell_str){key + head + 1, (size_t)(len - head - 1)}, bell_str_of(rows[i].chosen)), rows[i].wish);
    }
}

/* vary-normalise-lang-select: what an origin has said is German is for whoever likes German best. */
static void the_language_of_an_answer(void **state) {
    static const struct {
        const char *wish, *top; /* NULL: none alone */
    } rows[] = {
        {"fr;q=0.5, de;q=1.0", "de"},
        {"DE-ch", "de-ch"},
        {"de, en;q=0.9", "de"},
        {"de, de", "de"},
        {"en, de", NULL},
        {"*", NULL},
        {"*, de;q=0.5", NULL},
        {"de;q=0", NULL},
        {"", NULL},
        {"de;q=2", NULL},
        {"a,b,c", NULL},
    };
    static const bell_vary_rules german = {.language = {"DE", 2}};

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        char line[100], out[20];
        snprintf(line, sizeof(line), "Accept-Language: %s\n", rows[i].wish);
        bell_str text = bell_str_of(line), top;
        bell_fields request = fields_of(&text);
        bool found = bell_vary_top_language(&request, out, sizeof(out), &top);
        assert_row(found == (rows[i].top != NULL), rows[i].wish);
        assert_row(!found || bell_str_eq(top, bell_str_of(rows[i].top)), rows[i].wish);
        assert_row(!bell_vary_top_language(&request, out, 1, &top), rows[i].wish);
    }
    bell_vary_rules asked = {.language = {"de", 2}};
    char one[100], other[100];
    long len = key_of("accept-language,foo", &german, "Accept-Language: en, de\nFoo: 1\n", one, sizeof(one));
    assert_int_equal(key_of("accept-language,foo", &asked, "Accept-Language: fr;q=0.5, de;q=1.0\nFoo: 1\n", other, sizeof(other)), len);
    assert_memory_equal(one, other, (size_t)len);
    assert_true(bell_vary_is_language(BELL_STR("de-CH-1996")));
    assert_false(bell_vary_is_language(BELL_STR("de, en")));
    assert_false(bell_vary_is_language(BELL_STR("-de")));
    assert_false(bell_vary_is_language(BELL_STR("de-")));
    assert_false(bell_vary_is_language(BELL_STR("*")));
    assert_false(bell_vary_is_language(BELL_STR_NULL));
}

/* "l0,l1,…", or from the other end. */
static void list_languages(char *out, size_t room, unsigned n, bool backwards) {
    size_t len = (size_t)snprintf(out, room, "Accept-Language: ");

    for (unsigned i = 0; i < n; i++) {
        len += (size_t)snprintf(out + len, room - len, "%sl%u", i ? "," : "", backwards ? n - 1 - i : i);
    }
}

static void too_many_languages_are_compared_as_sent(void **state) {
    char one[400], other[400];

    (void)state;
    for (unsigned more = 0; more < 2; more++) {
        list_languages(one, sizeof(one), BELL_VARY_LANGUAGES_MAX + more, false);
        list_languages(other, sizeof(other), BELL_VARY_LANGUAGES_MAX + more, true);
        assert_int_equal(same_key("accept-language", &no_rules, one, other), more == 0);
    }
}

/* What is kept beside an answer must be readable by the next release. */
static void the_bytes_of_a_key(void **state) {
    static const char want[] = "\0\0\0\3bar\0\0\0\0a\0\0\0\3foo\0\0\0\3v1,2";
    char out[100];

    (void)state;
    assert_int_equal(key_of("bar,foo", &no_rules, "Foo: 1 , 2\n", out, sizeof(out)), sizeof(want) - 1);
    assert_memory_equal(out, want, sizeof(want) - 1);
}

/* Neither names nor values of one list are taken for those of another one. */
static void lists_of_names_stay_apart(void **state) {
    static const struct {
        const char *names, *lines;
    } rows[] = {{"", "Foo: 1\n"},          {"foo", "Foo: 1\n"},          {"fo", "Fo: 1\n"},
                {"bar,foo", "Foo: 1\n"},   {"foo", "Bar: 1\n"},          {"foo,foox", "Foo: 1\n"},
                {"foo", "Foo: e\n"},       {"foo", "Foo: 1,\n"},         {"foo", "Foo: a\n"},
                {"bar,foo", "Bar: foo\n"}, {"bar,foo", "Foo: 1\nBar:\n"}};

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        for (size_t j = 0; j < i; j++) {
            char a[200], b[200];
            long a_len = key_of(rows[i].names, &no_rules, rows[i].lines, a, sizeof(a));
            long b_len = key_of(rows[j].names, &no_rules, rows[j].lines, b, sizeof(b));
            assert_row(a_len != b_len || memcmp(a, b, (size_t)a_len) != 0, rows[i].lines);
        }
    }
}

static void secrets(void **state) {
    (void)state;
    assert_true(bell_vary_has_secrets(BELL_STR("cookie")));
    assert_true(bell_vary_has_secrets(BELL_STR("accept,authorization,foo")));
    assert_false(bell_vary_has_secrets(BELL_STR("accept,cookies,x-authorization")));
    assert_false(bell_vary_has_secrets(BELL_STR_NULL));
}

static void no_room(void **state) {
    static const char lines[] = "Accept-Encoding: gzip\nAccept-Language: de, en;q=0.5\nCookie: a=1\nFoo: 1, 2\n";
    static const char names[] = "accept-encoding,accept-language,cookie,foo";
    char out[200];
    long len = key_of(names, &no_rules, lines, out, sizeof(out));

    (void)state;
    assert_true(len > 0);
    for (long room = 0; room < len; room++) {
        assert_int_equal(key_of(names, &no_rules, lines, out, (size_t)room), -1);
    }
    assert_int_equal(key_of(names, &no_rules, lines, out, (size_t)len), len);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_of_names),
        cmocka_unit_test(bounds_of_bytes),
        cmocka_unit_test(fields_that_nobody_knows),
        cmocka_unit_test(codings),
        cmocka_unit_test(languages),
        cmocka_unit_test(languages_of_the_site),
        cmocka_unit_test(the_language_of_an_answer),
        cmocka_unit_test(too_many_languages_are_compared_as_sent),
        cmocka_unit_test(the_bytes_of_a_key),
        cmocka_unit_test(lists_of_names_stay_apart),
        cmocka_unit_test(secrets),
        cmocka_unit_test(no_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
