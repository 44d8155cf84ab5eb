/* Rows name the test of the public suite http-cache-tests that asks for the same, or a section of an RFC. */
#include "bell_stored_fields.h"
#include "fields.h"
#include "unit.h"

#include <stdlib.h>

static const bell_stored_rules no_rules;

/* A block as a text: "Name: value\n" for each line, with "~" before those that are hidden. */
static void tell(bell_str block, char *out) {
    bell_stored_field f;

    *out = '\0';
    while (bell_stored_next(&block, &f)) {
        strcat(out, f.is_hidden ? "~" : "");
        strncat(out, f.name.p, f.name.len);
        strcat(out, ": ");
        strncat(out, f.value.p, f.value.len);
        strcat(out, "\n");
    }
    assert_int_equal(block.len, 0);
}

static bell_str stored(const char *lines, const bell_stored_rules *rules, char *out, size_t room) {
    bell_str text = bell_str_of(lines);
    bell_field_list answer = fields_list(&text);
    long len = bell_stored_write(&answer, rules, out, room);

    assert_true(len >= 0);
    assert_true(bell_stored_is_sound((bell_str){out, (size_t)len}));
    return (bell_str){out, (size_t)len};
}

static void classes(void **state) {
    static const struct {
        const char *name;
        bell_stored_class is;
    } rows[] = {
        {"Test-Header", BELL_STORED_SHOWN},
        {"Content-Type", BELL_STORED_SHOWN},
        {"Content-Length", BELL_STORED_SHOWN},
        {"Date", BELL_STORED_SHOWN},
        {"Set-Cookie2", BELL_STORED_SHOWN},
        {"Public-Key-Pins", BELL_STORED_SHOWN},
        {"WWW-Authenticate", BELL_STORED_SHOWN},
        {"Cache-Status", BELL_STORED_SHOWN},
        {"Strict-Transport-Security", BELL_STORED_SHOWN},
        {"Proxy", BELL_STORED_SHOWN},
        {"Connection", BELL_STORED_NOT},
        {"keep-alive", BELL_STORED_NOT},
        {"Proxy-Authenticate", BELL_STORED_NOT},
        {"Proxy-Authentication-Info", BELL_STORED_NOT},
        {"Proxy-Authorization", BELL_STORED_NOT},
        {"proxy-connection", BELL_STORED_NOT},
        {"TE", BELL_STORED_NOT},
        {"Trailer", BELL_STORED_NOT},
        {"Transfer-Encoding", BELL_STORED_NOT},
        {"Upgrade", BELL_STORED_NOT},
        {"Age", BELL_STORED_NOT},
        {"set-COOKIE", BELL_STORED_NOT},
        {"a b", BELL_STORED_NOT},
        {"", BELL_STORED_NOT},
        {"cdn-cache-control", BELL_STORED_HIDDEN},
        {"Surrogate-Control", BELL_STORED_HIDDEN},
        {"Surrogate-Key", BELL_STORED_HIDDEN},
        {"Cache-Tag", BELL_STORED_HIDDEN},
        {"Cache-Scope", BELL_STORED_HIDDEN},
    };
    static const bell_str named[] = {{"a, b", 4}, {"Content-Language", 16}};
    static const bell_stored_rules rules = {.set_cookie = true, .named = named, .nnamed = ROWS(named)};

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        assert_row(bell_stored_class_of(&no_rules, bell_str_of(rows[i].name)) == rows[i].is, rows[i].name);
    }
    assert_int_equal(bell_stored_class_of(&rules, BELL_STR("Set-Cookie")), BELL_STORED_SHOWN);
    assert_int_equal(bell_stored_class_of(&rules, BELL_STR("B")), BELL_STORED_NOT);
    assert_int_equal(bell_stored_class_of(&rules, BELL_STR("content-language")), BELL_STORED_NOT);
    assert_int_equal(bell_stored_class_of(&rules, BELL_STR("c")), BELL_STORED_SHOWN);
}

static void what_is_stored(void **state) {
    static const struct {
        const char *why, *lines, *want;
    } rows[] = {
        {"nothing", "", ""},
        {"as it came", "a: 1\nB-c: x  y\nempty:\n", "a: 1\nB-c: x  y\nempty: \n"},
        {"lines of one name", "a: 1\nb: 2\nA: 3\n", "a: 1\nb: 2\nA: 3\n"},
        {"headers-omit-headers-listed-in-Connection", "Connection: a, b\na: 1\nb: 2\nc: 3\n", "c: 3\n"},
        {"named behind", "a: 1\nB: 2\nc: 3\nConnection: A\nConnection: close, b\n", "c: 3\n"},
        {"headers-store-Set-Cookie", "Set-Cookie: a=b\nSet-Cookie2: a=b\n", "Set-Cookie2: a=b\n"},
        {"hidden", "CDN-Cache-Control: max-age=5\nCache-Tag: a\nx: y\n", "~CDN-Cache-Control: max-age=5\n~Cache-Tag: a\nx: y\n"},
        {"no such name", "a b: 1\nc: 2\n", "c: 2\n"},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        char block[400], told[400];
        tell(stored(rows[i].lines, &no_rules, block, sizeof(block)), told);
        assert_row(strcmp(told, rows[i].want) == 0, rows[i].why);
    }
    static const bell_str named[] = {{"a, b", 4}};
    static const bell_stored_rules rules = {.named = named, .nnamed = 1};
    char block[400], told[400];
    tell(stored("a: 1\nb: 2\nc: 3\n", &rules, block, sizeof(block)), told); /* headers-omit-headers-listed-in-Cache-Control-no-cache */
    assert_string_equal(told, "c: 3\n");
}

typedef struct {
    bell_str name, value;
} one_field;

static bool one_at(void *data, unsigned i, bell_str *name, bell_str *value) {
    const one_field *f = data;

    *name = f->name;
    *value = f->value;
    return i == 0;
}

static void bounds(void **state) {
    static char text[BELL_STORED_VALUE_MAX + 1], out[BELL_STORED_VALUE_MAX + 1000];
    one_field f = {BELL_STR("a"), {text, BELL_STORED_VALUE_MAX}};
    const bell_field_list list = {one_at, &f};
    bell_str value;

    (void)state;
    memset(text, 'x', sizeof(text));
    long len = bell_stored_write(&list, &no_rules, out, sizeof(out));
    assert_int_equal(len, 4 + 1 + BELL_STORED_VALUE_MAX);
    assert_int_equal(bell_stored_write(&list, &no_rules, out, (size_t)len - 1), -1);
    bell_str block = {out, (size_t)len};
    assert_true(bell_stored_field_of(&block, BELL_STR("A"), 0, &value));
    assert_int_equal(value.len, BELL_STORED_VALUE_MAX);
    f.value.len++;
    assert_int_equal(bell_stored_write(&list, &no_rules, out, sizeof(out)), -1);
    f = (one_field){{text, BELL_STORED_NAME_MAX}, BELL_STR_NULL};
    assert_int_equal(bell_stored_write(&list, &no_rules, out, sizeof(out)), 4 + BELL_STORED_NAME_MAX);
    f.name.len++;
    assert_int_equal(bell_stored_write(&list, &no_rules, out, sizeof(out)), -1);
    static const bell_str bad[] = {{"a\nb", 3}, {"a\rb", 3}, {"a\0b", 3}};
    for (size_t i = 0; i < ROWS(bad); i++) {
        f = (one_field){BELL_STR("a"), bad[i]};
        assert_int_equal(bell_stored_write(&list, &no_rules, out, sizeof(out)), -1);
        f.name = BELL_STR("Connection"); /* what is not kept is not looked at */
        assert_int_equal(bell_stored_write(&list, &no_rules, out, sizeof(out)), 0);
    }
    for (int more = 0; more < 2; more++) {
        char lines[400] = "";
        for (int i = 0; i < BELL_STORED_CONNECTION_MAX + more; i++) {
            strcat(lines, "Connection: a\n");
        }
        bell_str connections = bell_str_of(lines);
        bell_field_list many = fields_list(&connections);
        assert_int_equal(bell_stored_write(&many, &no_rules, out, sizeof(out)), -more);
    }
}

/* ---- 304 */

static void updates(void **state) {
    static const struct {
        const char *why, *was, *update, *want;
    } rows[] = {
        {"304-lm-use-stored-Test-Header", "Test-Header: A\nLast-Modified: x\n", "Last-Modified: x\n", "Test-Header: A\nLast-Modified: x\n"},
        {"304-etag-update-response-Test-Header", "Test-Header: A\nETag: \"1\"\n", "Test-Header: B\n", "ETag: \"1\"\nTest-Header: B\n"},
        {"304-etag-update-response-Cache-Control", "Cache-Control: max-age=1\n", "cache-control: max-age=3600\n", "cache-control: max-age=3600\n"},
        {"304-etag-update-response-Content-Foo", "Content-Foo: A\n", "Content-Foo: B\n", "Content-Foo: B\n"},
        {"304-etag-update-response-Content-Type", "Content-Type: text/plain\n", "Content-Type: text/plain;charset=utf-8\n",
         "Content-Type: text/plain;charset=utf-8\n"},
        {"304-etag-update-response-Content-Length", "Content-Length: 5\n", "Content-Length: 10\n", "Content-Length: 5\n"},
        {"no length where none was", "a: 1\n", "Content-Length: 0\n", "a: 1\n"},
        {"bytes keep their coding", "Content-Encoding: gzip\n", "Content-Encoding: br\n", "Content-Encoding: gzip\n"},
        {"and their range", "Content-Range: bytes 0-4/10\n", "Content-Range: bytes 5-9/10\n", "Content-Range: bytes 0-4/10\n"},
        {"and their digests", "Content-MD5: A\nRepr-Digest: sha-256=:A:\n",
         "Content-MD5: B\nrepr-digest: sha-256=:B:\nDigest: B\nContent-Digest: B\n", "Content-MD5: A\nRepr-Digest: sha-256=:A:\n"},
        {"all lines of a name", "a: 1\nb: 2\na: 3\n", "A: 4\n", "b: 2\nA: 4\n"},
        {"by several", "a: 1\nb: 2\n", "a: 3\na: 4\n", "b: 2\na: 3\na: 4\n"},
        {"nothing new", "a: 1\nb: 2\n", "", "a: 1\nb: 2\n"},
        {"nothing old", "", "a: 1\n", "a: 1\n"},
        {"Age is not kept", "a: 1\n", "Age: 5\n", "a: 1\n"},
        {"nor what Connection names", "a: 1\nb: 2\n", "Connection: a\na: 3\nb: 4\n", "a: 1\nb: 4\n"},
        {"Connection is about its own message", "a: 1\n", "Connection: a\n", "a: 1\n"},
        {"cookies", "a: 1\n", "Set-Cookie: a=b\n", "a: 1\n"},
        {"hidden ones stay", "CDN-Cache-Control: max-age=5\na: 1\n", "a: 2\n", "~CDN-Cache-Control: max-age=5\na: 2\n"},
        {"hidden ones change", "CDN-Cache-Control: max-age=5\na: 1\n", "CDN-Cache-Control: max-age=6\n", "a: 1\n~CDN-Cache-Control: max-age=6\n"},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        char was[400], is[400], told[400];
        bell_str text = bell_str_of(rows[i].update), block = stored(rows[i].was, &no_rules, was, sizeof(was));
        bell_field_list update = fields_list(&text);
        long len = bell_stored_update(block, &update, &no_rules, is, sizeof(is));
        assert_row(len >= 0 && bell_stored_is_sound((bell_str){is, (size_t)len}), rows[i].why);
        tell((bell_str){is, (size_t)len}, told);
        assert_row(strcmp(told, rows[i].want) == 0, rows[i].why);
        for (size_t room = 0; room < (size_t)len; room++) {
            assert_row(bell_stored_update(block, &update, &no_rules, is, room) == -1, rows[i].why);
        }
    }
}

/* no-cache="a" of the 304 is about the field that is stored, too. */
static void rules_are_asked_of_both(void **state) {
    static const bell_str named[] = {{"a", 1}};
    static const bell_stored_rules rules = {.named = named, .nnamed = 1}, cookies = {.set_cookie = true};
    char was[200], is[200], told[200];
    bell_str text = BELL_STR("a: 3\nc: 4\n"), block = stored("a: 1\nb: 2\nSet-Cookie: x=y\n", &cookies, was, sizeof(was));
    bell_field_list update = fields_list(&text);

    (void)state;
    long len = bell_stored_update(block, &update, &rules, is, sizeof(is));
    assert_true(len > 0);
    tell((bell_str){is, (size_t)len}, told);
    assert_string_equal(told, "b: 2\nc: 4\n");
}

/* ---- reading */

static void cut_blocks_are_found_out(void **state) {
    char block[200];
    bell_str whole = stored("a: 1\nCache-Tag: x\nbb: 22\n", &no_rules, block, sizeof(block));
    unsigned sound = 0;

    (void)state;
    for (size_t len = 0; len <= whole.len; len++) {
        char *exact = malloc(len + 1); /* a sanitizer sees what is read behind it */
        assert_non_null(exact);
        char *copy = exact + 1;
        memcpy(copy, block, len);
        sound += bell_stored_is_sound((bell_str){copy, len});
        free(exact);
    }
    assert_int_equal(sound, 4); /* empty, and behind each line */
}

static void damaged_blocks_are_found_out(void **state) {
    static const bell_str rows[] = {
        {"x\1\0\1ab", 6},     /* neither shown nor hidden */
        {"s\0\0\1b", 5},      /* no name */
        {"s\1\377\377ab", 6}, /* longer than it is */
        {"s\377\0\0ab", 6},   /* likewise */
        {"s\1\0\1 b", 6},     /* a name that is none */
        {"s\1\0\1a\n", 6},    /* a line end */
        {"s\1\0\1abs", 7},    /* something behind */
    };
    char out[100];
    bell_str none = BELL_STR_NULL, name, value;
    bell_field_list update = fields_list(&none);

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        bell_str block = rows[i];
        assert_false(bell_stored_is_sound(block));
        long len = bell_stored_update(block, &update, &no_rules, out, sizeof(out));
        assert_true(len <= 0); /* -1, or without the line whose name is none */
        for (unsigned j = 0; bell_stored_field_at(&block, j, &name, &value); j++) {
            assert_true(j < 1);
        }
    }
}

static void a_line_without_a_name_is_not_read(void **state) {
    bell_str rest = {"s\0\0\1b", 5};
    bell_stored_field f;

    (void)state;
    assert_false(bell_stored_next(&rest, &f));
    assert_int_equal(rest.len, 5);
}

static void blocks_as_fields(void **state) {
    char block[200];
    bell_str whole = stored("a: 1\nb: 2\nA: 3\nCache-Tag: x\n", &no_rules, block, sizeof(block)), name, value;

    (void)state;
    assert_true(bell_stored_field_of(&whole, BELL_STR("a"), 1, &value) && bell_str_eq(value, BELL_STR("3")));
    assert_true(bell_stored_field_of(&whole, BELL_STR("cache-tag"), 0, &value) && bell_str_eq(value, BELL_STR("x")));
    assert_false(bell_stored_field_of(&whole, BELL_STR("a"), 2, &value));
    assert_true(bell_stored_field_at(&whole, 1, &name, &value) && bell_str_eq(name, BELL_STR("b")) && bell_str_eq(value, BELL_STR("2")));
    assert_false(bell_stored_field_at(&whole, 4, &name, &value));
    whole = BELL_STR_NULL;
    assert_false(bell_stored_field_at(&whole, 0, &name, &value));
    assert_true(bell_stored_is_sound(whole));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(classes),
        cmocka_unit_test(what_is_stored),
        cmocka_unit_test(bounds),
        cmocka_unit_test(updates),
        cmocka_unit_test(rules_are_asked_of_both),
        cmocka_unit_test(cut_blocks_are_found_out),
        cmocka_unit_test(damaged_blocks_are_found_out),
        cmocka_unit_test(a_line_without_a_name_is_not_read),
        cmocka_unit_test(blocks_as_fields),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
