#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "origin/server/fetch_target.h"
#include "unit.h"

static void urls(void **state) {
    static const struct {
        const char *url;
        const char *host; /* NULL: refused */
    } rows[] = {
        {"https://idp.example", "idp.example"},
        {"https://idp.example:8443/a/b?c=d", "idp.example"},
        {"https://127.0.0.1/", "127.0.0.1"},
        {"https://[::1]/", "[::1]"},
        {"http://idp.example/", NULL},
        {"ftp://idp.example/", NULL},
        {"file:///etc/passwd", NULL},
        {"https:idp.example", NULL},
        {"//idp.example/", NULL},
        {"idp.example", NULL},
        {"", NULL},
        {"https://", NULL},
        {"https://user@idp.example/", NULL},
        {"https://user:word@idp.example/", NULL},
        {"https://idp.example/#part", NULL},
        {"https://idp.example/a b", NULL},
        {"https://idp.example/\r\nHost: x", NULL},
        {"https://idp.example/\xc3\xa4", NULL},
        {"https://idp.example:99999/", NULL},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        char host[256] = "";
        assert_row(fb_fetch_url_is_https(rows[i].url, host) == (rows[i].host != NULL), rows[i].url);
        assert_row(rows[i].host == NULL || strcmp(host, rows[i].host) == 0, rows[i].url);
    }
    char large[2100] = "https://idp.example/";
    memset(large + strlen(large), 'a', 2060 - strlen(large));
    large[2060] = '\0';
    assert_false(fb_fetch_url_is_https(large, NULL));
}

static bool is_public(const char *text) {
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};

    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1) {
        return fb_fetch_address_is_public((struct sockaddr *)&v4);
    }
    assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
    return fb_fetch_address_is_public((struct sockaddr *)&v6);
}

static void addresses(void **state) {
    static const char *const yes[] = {"8.8.8.8",      "100.63.255.255", "100.128.0.0",      "172.15.255.255",  "172.32.0.0",
                                      "192.0.1.0",    "198.20.0.0",     "223.255.255.255",  "1.1.1.1",         "2606:4700::1111",
                                      "2a00:1450::1", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1", "2001:4860::8888"};
    static const char *const no[] = {
        "0.0.0.0",   "10.1.2.3",        "100.64.0.1",  "127.0.0.1",  "127.255.255.254",  "169.254.169.254", "172.16.0.1",     "172.31.1.1",
        "192.0.0.8", "192.0.2.1",       "192.168.1.1", "198.18.0.1", "198.19.255.255",   "198.51.100.1",    "203.0.113.1",    "224.0.0.1",
        "240.0.0.1", "255.255.255.255", "::",          "::1",        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:7f00:1::",
        "2001::1",   "2001:db8::1",     "fe80::1",     "fc00::1",    "fd12::1",          "fec0::1",         "ff02::1",        "100::1"};
    struct sockaddr local = {.sa_family = AF_UNIX};

    (void)state;
    for (size_t i = 0; i < ROWS(yes); i++) {
        assert_row(is_public(yes[i]), yes[i]);
    }
    for (size_t i = 0; i < ROWS(no); i++) {
        assert_row(!is_public(no[i]), no[i]);
    }
    assert_false(fb_fetch_address_is_public(&local));
}

static void lists(void **state) {
    (void)state;
    assert_true(fb_fetch_host_is_listed("idp.example", "idp.example"));
    assert_true(fb_fetch_host_is_listed("a.example  IDP.example b", "idp.EXAMPLE"));
    assert_false(fb_fetch_host_is_listed("-", "idp.example"));
    assert_false(fb_fetch_host_is_listed("idp.example.org", "idp.example"));
    assert_false(fb_fetch_host_is_listed("", ""));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(urls),
        cmocka_unit_test(addresses),
        cmocka_unit_test(lists),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
