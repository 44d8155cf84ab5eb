#include "bell_purge_url.h"
#include "unit.h"

#include <stdio.h>

static void urls(void **state) {
    static const struct {
        const char *url, *name, *host, *value;
    } rows[] = {
        {"https://www.a.example/a/b?c=d", "www.a.example", "www.a.example", "/a/b?c=d"},
        {"http://www.a.example/", "www.a.example", "www.a.example", "/"},
        {"HTTPS://WWW.A.Example./A/b", "www.a.example", "www.a.example", "/A/b"},
        {"https://www.a.example", "www.a.example", "www.a.example", "/"},
        {"https://www.a.example:443/", "www.a.example", "www.a.example", "/"},
        {"https://www.a.example:0443/", "www.a.example", "www.a.example", "/"},
        {"https://www.a.example:/", "www.a.example", "www.a.example", "/"},
        {"http://www.a.example:80", "www.a.example", "www.a.example", "/"},
        {"https://www.a.example:80/", "www.a.example", "www.a.example:80", "/"},
        {"http://www.a.example:443/", "www.a.example", "www.a.example:443", "/"},
        {"https://demo.localhost:8443/x", "demo.localhost", "demo.localhost:8443", "/x"},
        {"https://[2001:DB8:0:0::1]/x", "[2001:db8::1]", "[2001:db8::1]", "/x"},
        {"https://[::1]:8443/x", "[::1]", "[::1]:8443", "/x"},
        {"https://127.0.0.1/x", "127.0.0.1", "127.0.0.1", "/x"},
        {"https://a/%7euser/%c3%bc%2f", "a", "a", "/~user/%C3%BC%2F"},
        {"https://a/x?b=2&a=%31", "a", "a", "/x?b=2&a=1"},
        {"https://a/x?", "a", "a", "/x?"},
        {"https://a/x?y=a/../b", "a", "a", "/x?y=a/../b"},
        {"https://a//b//", "a", "a", "//b//"},
    };
    bell_purge_url out;

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        const char *fault = bell_purge_url_read(bell_str_of(rows[i].url), BELL_PURGE_URL, &out);
        assert_row(fault == NULL, rows[i].url);
        assert_row(strcmp(out.name, rows[i].name) == 0, rows[i].url);
        assert_row(strcmp(out.host, rows[i].host) == 0, rows[i].url);
        assert_row(strcmp(out.value, rows[i].value) == 0, rows[i].url);
        fault = bell_purge_url_read(bell_str_of(rows[i].url), BELL_PURGE_PREFIX, &out);
        assert_row((fault == NULL) == (strchr(rows[i].url, '?') == NULL), rows[i].url);
    }
}

static void others_are_refused(void **state) {
    static const struct {
        const char *url, *part; /* of the sentence */
    } rows[] = {
        {"", "begins with https://"},
        {"/a", "begins with https://"},
        {"a.example/a", "begins with https://"},
        {"//a.example/a", "begins with https://"},
        {"https:/a.example/a", "begins with https://"},
        {"https:", "begins with https://"},
        {"ftp://a.example/a", "begins with https://"},
        {" https://a.example/a", "begins with https://"},
        {"https://", "host name"},
        {"https:///a", "host name"},
        {"https://?a", "host name"},
        {"https://user@a.example/", "host name"},
        {"https://user:password@a.example/", "host name"},
        {"https://a_b.example/", "host name"},
        {"https://*.a.example/", "host name"},
        {"https://a.example:65536/", "host name"},
        {"https://a.example:x/", "host name"},
        {"https://a.example :80/", "host name"},
        {"https://[::1/", "host name"},
        {"https://\xc3\xbc.example/", "host name"},
        {"https://a.example\\b/", "host name"},
        {"https://a?b", "begins with \"/\""},
        {"https://a/b c", "begins with \"/\""},
        {"https://a/b\tc", "begins with \"/\""},
        {"https://a/b\n", "begins with \"/\""},
        {"https://a/b\x7f", "begins with \"/\""},
        {"https://a/b/../c", "begins with \"/\""},
        {"https://a/b/%2e%2E/c", "begins with \"/\""},
        {"https://a/.", "begins with \"/\""},
        {"https://a/%", "begins with \"/\""},
        {"https://a/%zz", "begins with \"/\""},
        {"https://a/b#c", "fragment"},
        {"https://a#c", "fragment"},
        {"https://a/\xc3\xbc", "escapes"},
        {"https://a/?q=\xff", "escapes"},
    };
    bell_purge_url out;

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        const char *fault = bell_purge_url_read(bell_str_of(rows[i].url), BELL_PURGE_URL, &out);
        assert_row(fault != NULL && strstr(fault, rows[i].part) != NULL, rows[i].url);
    }
}

static void a_nul_within_is_refused(void **state) {
    static const bell_str rows[] = {{"https://a\0b/c", 13}, {"https://a/b\0c", 13}, {"https\0://a/b", 12}, {"https://a/\0", 11}};
    bell_purge_url out;

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        assert_non_null(bell_purge_url_read(rows[i], BELL_PURGE_URL, &out));
        assert_non_null(bell_purge_url_read(rows[i], BELL_PURGE_PREFIX, &out));
    }
}

static void the_longest(void **state) {
    static char url[BELL_PURGE_VALUE_BYTES_MAX + 400];
    bell_purge_url out;
    int head = snprintf(url, sizeof(url), "https://%0*d.%0*d.%0*d.%0*d:12345", 60, 0, 62, 0, 62, 0, 60, 0);

    (void)state;
    url[head - 7] = 'a'; /* a name that ends in a number would be an address */
    memset(url + head, '/', BELL_PURGE_VALUE_BYTES_MAX + 1);
    assert_non_null(bell_purge_url_read(bell_str_of(url), BELL_PURGE_PREFIX, &out));
    url[head + BELL_PURGE_VALUE_BYTES_MAX] = '\0';
    assert_null(bell_purge_url_read(bell_str_of(url), BELL_PURGE_PREFIX, &out));
    assert_int_equal(strlen(out.value), BELL_PURGE_VALUE_BYTES_MAX);
    memcpy(url + head + BELL_PURGE_VALUE_BYTES_MAX - 3, "%41", 3);
    assert_null(bell_purge_url_read(bell_str_of(url), BELL_PURGE_URL, &out));
    assert_int_equal(strlen(out.value), BELL_PURGE_VALUE_BYTES_MAX - 2);
}

/* What comes out goes through a purge's own line and is what the cache compares with. */
static void what_comes_out_can_be_sent(void **state) {
    char line[BELL_PURGE_BYTES_MAX];
    bell_purge_url out;
    bell_purge read;

    (void)state;
    assert_null(bell_purge_url_read(BELL_STR("https://A.example:8443/%61?b=c"), BELL_PURGE_URL, &out));
    bell_purge purge = {.sequence = 7, .at_ms = 9, .tenant_id = 3, .host = bell_str_of(out.host), .value = bell_str_of(out.value)};
    long len = bell_purge_write(&purge, line, sizeof(line));
    assert_true(len > 0 && bell_purge_read((bell_str){line, (size_t)len}, &read));
    assert_true(bell_purge_is_about(&read, 3, BELL_STR("a.example:8443"), BELL_STR("/a?b=c")));
    assert_false(bell_purge_is_about(&read, 4, BELL_STR("a.example:8443"), BELL_STR("/a?b=c")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(urls),        cmocka_unit_test(others_are_refused),         cmocka_unit_test(a_nul_within_is_refused),
        cmocka_unit_test(the_longest), cmocka_unit_test(what_comes_out_can_be_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
