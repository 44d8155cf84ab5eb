#include "bell_uri.h"
#include "unit.h"

#include <stdlib.h>

static const bell_uri_base base = {{"https", 5}, {"cdn.school.example", 18}, {"/hls/c7/master.m3u8?a=1", 23}};

static void references(void **state) {
    static const struct {
        const char *reference, *target; /* NULL: not ours, or none */
    } rows[] = {
        {"720/s1.ts", "/hls/c7/720/s1.ts"},
        {"./720/s1.ts", "/hls/c7/720/s1.ts"},
        {"../c8/s1.ts", "/hls/c8/s1.ts"},
        {"../../s1.ts", "/s1.ts"},
        {"../../../../s1.ts", "/s1.ts"},
        {"a/../b", "/hls/c7/b"},
        {"a/./b/", "/hls/c7/a/b/"},
        {"a/..", "/hls/c7/"},
        {"a/.", "/hls/c7/a/"},
        {"..", "/hls/"},
        {".", "/hls/c7/"},
        {"...", "/hls/c7/..."},
        {".a", "/hls/c7/.a"},
        {"/s1.ts", "/s1.ts"},
        {"/", "/"},
        {"/a/../../b", "/b"},
        {"/a//b", "/a//b"},
        {"/a//../b", "/a/b"},
        {"a?x=../y", "/hls/c7/a?x=../y"},
        {"?x=1", "/hls/c7/master.m3u8?x=1"},
        {"?", "/hls/c7/master.m3u8?"},
        {"a#f?x", "/hls/c7/a"},
        {"a?q#f", "/hls/c7/a?q"},
        {"a:b", NULL}, /* a scheme */
        {"./a:b", "/hls/c7/a:b"},
        {"1a:b", "/hls/c7/1a:b"},
        {"https://cdn.school.example/x", "/x"},
        {"HTTPS://CDN.School.Example/x", "/x"},
        {"https://cdn.school.example:443/x", "/x"},
        {"https://cdn.school.example:/x", "/x"},
        {"https://cdn.school.example", "/"},
        {"https://cdn.school.example?x", "/?x"},
        {"https://cdn.school.example/a/../x?y#z", "/x?y"},
        {"//cdn.school.example/x", "/x"},
        {"//cdn.school.example", "/"},
        {"http://cdn.school.example/x", NULL},
        {"https://cdn.school.example:8443/x", NULL},
        {"https://cdn.school.example:80/x", NULL},
        {"https://other.example/x", NULL},
        {"https://cdn.school.example.evil.example/x", NULL},
        {"https://ann@cdn.school.example/x", NULL},
        {"//other.example/x", NULL},
        {"///x", NULL},
        {"https:/x", NULL},
        {"https:x", NULL},
        {"data:text/plain,x", NULL},
        {"skd://key", NULL},
        {"blob:https://cdn.school.example/x", NULL},
        {"", NULL},
        {"#", NULL},
        {"#frag", NULL},
        {" //other.example/x", NULL}, /* browsers and players take blanks off the front */
        {" x", NULL},
        {"\xc2\xa0//other.example/x", NULL},
        {"\xe2\x80\xa8 https://other.example/x", NULL},
        {"\xef\xbb\xbfhttps:x", NULL},
        {"\xc3\xa9/s1.ts", "/hls/c7/%C3%A9/s1.ts"},
        {"\xc3\xa9//x", NULL},
        {"a\\b", NULL},
        {"\\\\other.example\\x", NULL},
        {"a\tb", NULL},
        {"a\x7f", NULL},
        {"Lektion 1/s\xc3\xa9.ts", "/hls/c7/Lektion%201/s%C3%A9.ts"},
        {"a%20b", "/hls/c7/a%20b"},
        {"a\xff", "/hls/c7/a%FF"},
        {"{a}?{b}", "/hls/c7/%7Ba%7D?{b}"},
        {"a\"<>`?\"<>`", "/hls/c7/a%22%3C%3E%60?%22%3C%3E`"},
    };
    char room[200];
    bell_str target;

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        bool found = bell_uri_resolve(&base, bell_str_of(rows[i].reference), room, sizeof(room), &target);
        assert_row(found == (rows[i].target != NULL), rows[i].reference);
        if (found && !bell_str_eq(target, bell_str_of(rows[i].target))) {
            fail_msg("\"%s\": \"%.*s\", expected \"%s\"", rows[i].reference, BELL_STR_ARG(target), rows[i].target);
        }
    }
    assert_false(bell_uri_resolve(&base, (bell_str){"a\0b", 3}, room, sizeof(room), &target));
}

static void bases(void **state) {
    static const struct {
        const char *scheme, *host, *base, *reference, *target;
    } rows[] = {
        {"http", "a.example", "/x", "http://a.example:80/y", "/y"},
        {"http", "a.example", "/x", "http://a.example:443/y", NULL},
        {"http", "a.example:8080", "/x", "http://a.example:8080/y", "/y"},
        {"http", "a.example:8080", "/x", "http://a.example/y", NULL},
        {"https", "[2001:db8::1]", "/x", "https://[2001:DB8::1]:443/y", "/y"},
        {"https", "[2001:db8::1]:8443", "/x", "//[2001:db8::1]:8443/y", "/y"},
        {"https", "a.example", "/", "y", "/y"},
        {"https", "a.example", "/a/b/", "y", "/a/b/y"},
        {"https", "a.example", "/a/b/", "?y", "/a/b/?y"},
        {"https", "a.example", "/a?x=/b/c", "y", "/y"},
        {"https", "a.example", "/a b/c", "y", "/a%20b/y"},
    };
    char room[200];
    bell_str target;

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        bell_uri_base b = {bell_str_of(rows[i].scheme), bell_str_of(rows[i].host), bell_str_of(rows[i].base)};
        bool found = bell_uri_resolve(&b, bell_str_of(rows[i].reference), room, sizeof(room), &target);
        assert_row(found == (rows[i].target != NULL) && (!found || bell_str_eq(target, bell_str_of(rows[i].target))), rows[i].reference);
    }
}

/* Every size of the room: all of the target, or nothing. */
static void rooms(void **state) {
    bell_str target, reference = BELL_STR("../a \xc3\xa9/./b/../c?d e#f"), whole = BELL_STR("/hls/a%20%C3%A9/c?d%20e");

    (void)state;
    for (size_t bytes = 0; bytes < 60; bytes++) {
        char *room = malloc(bytes + !bytes);
        bool found = bell_uri_resolve(&base, reference, room, bytes, &target);
        assert_true(!found || bell_str_eq(target, whole));
        assert_true(found || bytes < 40);
        free(room);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(references), cmocka_unit_test(bases), cmocka_unit_test(rooms)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
