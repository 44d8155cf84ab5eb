#include "bell_host.h"
#include "unit.h"

#define A63 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define A61 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static const struct {
    const char *in, *out; /* out NULL: not a host */
} rows[] = {
    {"demo.localhost", "demo.localhost"},
    {"Demo.LOCALHOST", "demo.localhost"},
    {"demo.localhost:8443", "demo.localhost"},
    {"demo.localhost:", "demo.localhost"},
    {"demo.localhost.", "demo.localhost"},
    {"demo.localhost.:443", "demo.localhost"},
    {"localhost", "localhost"},
    {"a", "a"},
    {"xn--bcher-kva.example", "xn--bcher-kva.example"},
    {"a-b.c--d.e", "a-b.c--d.e"},
    {"1a.2b", "1a.2b"},
    {"3com.com", "3com.com"},
    {"127.0.0.1", "127.0.0.1"},
    {"127.0.0.1:80", "127.0.0.1"},
    {"127.0.0.1.", "127.0.0.1"},
    {"255.255.255.255", "255.255.255.255"},
    {"[::1]", "[::1]"},
    {"[::1]:8443", "[::1]"},
    {"[::1]:", "[::1]"},
    {"[2001:DB8:0:0:0:0:0:1]", "[2001:db8::1]"},
    {"[::ffff:1.2.3.4]", "[::ffff:1.2.3.4]"},
    {"[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255]:65535", "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]"},
    {A63 ".b", A63 ".b"},
    {A63 "." A63 "." A63 "." A61, A63 "." A63 "." A63 "." A61},
    {A63 "." A63 "." A63 "." A61 ".:1", A63 "." A63 "." A63 "." A61},
    {"a:65535", "a"},
    {"a:00080", "a"},

    {"", NULL},
    {".", NULL},
    {"..", NULL},
    {":80", NULL},
    {".a", NULL},
    {"a..b", NULL},
    {"a..", NULL},
    {"-a", NULL},
    {"a-", NULL},
    {"a-.b", NULL},
    {"a.-b", NULL},
    {"a_b", NULL},
    {"a b", NULL},
    {" a", NULL},
    {"a ", NULL},
    {"a/b", NULL},
    {"a@b", NULL},
    {"user@a:80", NULL},
    {"a,b", NULL},
    {"a%41", NULL},
    {"a\\b", NULL},
    {"*.example", NULL},
    {"b\xC3\xBC"
     "cher.example",
     NULL},
    {"a:b", NULL},
    {"a:+1", NULL},
    {"a:-1", NULL},
    {"a:65536", NULL},
    {"a:000080", NULL},
    {"a:80:80", NULL},
    {"a: 80", NULL},
    {"256.0.0.1", NULL},
    {"1.2.3", NULL},
    {"1.2.3.4.5", NULL},
    {"01.2.3.4", NULL},
    {"1", NULL},
    {"127.1", NULL},
    {"2130706433", NULL},
    {"0x7f000001", NULL},
    {"a.0x1", NULL},
    {"a.1", NULL},
    {"a.0x", NULL},
    {"::1", NULL},
    {"[::1", NULL},
    {"::1]", NULL},
    {"[]", NULL},
    {"[", NULL},
    {"]", NULL},
    {"[::1]x", NULL},
    {"[::1]:x", NULL},
    {"[::1]:65536", NULL},
    {"[::1]]", NULL},
    {"[[::1]]", NULL},
    {"[::1%lo]", NULL},
    {"[::1%25lo]", NULL},
    {"[v1.a]", NULL},
    {"[127.0.0.1]", NULL},
    {"[:::]", NULL},
    {"[::1 ]", NULL},
    {"[1:2:3:4:5:6:7]", NULL},
    {"[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.2555555]", NULL},
    {"a" A63, NULL},
    {A63 "." A63 "." A63 "." A61 "a", NULL},
    {"a\r\n", NULL},
};

static void table(void **state) {
    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        char out[BELL_HOST_MAX_BYTES + 1];
        long len = bell_host_normalize(bell_str_of(rows[i].in), out);

        assert_row((len >= 0) == (rows[i].out != NULL), rows[i].in);
        if (rows[i].out != NULL) {
            assert_string_equal(out, rows[i].out);
            assert_int_equal(len, strlen(out));
        }
    }
}

static void nul_bytes(void **state) {
    char out[BELL_HOST_MAX_BYTES + 1];

    (void)state;
    assert_int_equal(bell_host_normalize((bell_str){"a\0b", 3}, out), -1);
    assert_int_equal(bell_host_normalize((bell_str){"a\0", 2}, out), -1);
    assert_int_equal(bell_host_normalize((bell_str){"[::1\0]", 6}, out), -1);
    assert_int_equal(bell_host_normalize((bell_str){"127.0.0.1\0", 10}, out), -1);
    assert_int_equal(bell_host_normalize(BELL_STR_NULL, out), -1);
}

/* What was normalized is normal. */
static void twice_is_once(void **state) {
    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        char out[BELL_HOST_MAX_BYTES + 1];

        if (rows[i].out == NULL) {
            continue;
        }
        assert_int_equal(bell_host_normalize(bell_str_of(rows[i].out), out), strlen(rows[i].out));
        assert_string_equal(out, rows[i].out);
    }
}

static void names_without_ports(void **state) {
    static const struct {
        const char *in, *out;
    } names[] = {
        {"a.example", "a.example"},
        {"a.example:8443", "a.example"},
        {"a.example:", "a.example"},
        {"[::1]", "[::1]"},
        {"[::1]:80", "[::1]"},
        {"a:b:c", "a:b"},
        {":80", ""},
        {"", ""},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(names); i++) {
        assert_row(bell_str_eq(bell_host_name(bell_str_of(names[i].in)), bell_str_of(names[i].out)), names[i].in);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(table), cmocka_unit_test(nul_bytes), cmocka_unit_test(twice_is_once),
                                       cmocka_unit_test(names_without_ports)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
