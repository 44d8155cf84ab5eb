#include "bell_http.h"
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

#define TARGET_MAX 100
#define REST       " HTTP/1.1\r\nHost: a\r\n\r\n"
#define HEAD       "POST / HTTP/1.1\r\nHost: a\r\n"

/* Parses bytes that lie in memory of their own, so that a sanitizer sees a read past their end. */
static int parse(const char *bytes, size_t len, bell_http_request *r, const char **reason, char **copy) {
    size_t scanned = 0;

    *copy = malloc(len ? len : 1);
    memcpy(*copy, bytes, len);
    return bell_http_parse_head(*copy, len, &scanned, TARGET_MAX, r, reason);
}

/* The same bytes, one more at each call: the first verdict counts. */
static int parse_bytewise(const char *bytes, size_t len, bell_http_request *r, const char **reason) {
    size_t scanned = 0;
    int verdict = 0;

    for (size_t n = 0; n <= len && verdict == 0; n++) {
        verdict = bell_http_parse_head(bytes, n, &scanned, TARGET_MAX, r, reason);
    }
    return verdict;
}

static void assert_same_request(const bell_http_request *a, const bell_http_request *b) {
    assert_int_equal(a->method, b->method);
    assert_true(bell_str_eq(a->target, b->target));
    assert_true(bell_str_eq(a->path, b->path));
    assert_true(bell_str_eq(a->query, b->query));
    assert_true(bell_str_eq(a->host, b->host));
    assert_int_equal(a->minor, b->minor);
    assert_int_equal(a->keep_alive, b->keep_alive);
    assert_int_equal(a->chunked, b->chunked);
    assert_int_equal(a->content_length, b->content_length);
    assert_int_equal(a->nheaders, b->nheaders);
}

/* Whole, byte by byte and with something behind it: one verdict. */
static void assert_verdict(const char *bytes, size_t len, int expected) {
    bell_http_request whole = {0}, bytewise = {0};
    const char *reason = NULL, *again = NULL;
    char *copy;
    int verdict = parse(bytes, len, &whole, &reason, &copy);

    if (verdict != expected) {
        fail_msg("\"%.*s\": %d (%s), expected %d", (int)len, bytes, verdict, reason ? reason : "no reason", expected);
    }
    assert_int_equal(reason != NULL, verdict < 0);
    assert_row(parse_bytewise(bytes, len, &bytewise, &again) == expected, bytes);
    if (verdict < 0) {
        assert_string_equal(reason, again);
    }
    if (verdict > 0) {
        assert_same_request(&whole, &bytewise);
    }
    free(copy);
}

static void refused(void **state) {
    static const struct {
        const char *head;
        int verdict;
    } rows[] = {
        /* request lines */
        {"\r\n", -400},
        {"\r\nGET /" REST, -400},
        {"\nGET /" REST, -400},
        {" GET /" REST, -400},
        {"GET  /" REST, -400},
        {"GET\t/" REST, -400},
        {"GET / " REST, -400},
        {"GET /a b" REST, -400},
        {"GET /\t" REST, -400},
        {"GET" REST, -400},
        {"GET " REST, -400},
        {"GET\r\nHost: a\r\n\r\n", -400},
        {"G@T /" REST, -400},
        {"GE\xC3\xA4 /" REST, -400},
        {"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", -400},
        {"GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", -400},
        {"GET / http/1.1\r\nHost: a\r\n\r\n", -400},
        {"GET / HTTP/1.1x\r\nHost: a\r\n\r\n", -400},
        {"GET / HTTP/11\r\nHost: a\r\n\r\n", -400},
        {"GET / HTTP/1,1\r\nHost: a\r\n\r\n", -400},
        {"GET / HTTP/1.10\r\nHost: a\r\n\r\n", -400},
        {"GET / HTTP/01.1\r\nHost: a\r\n\r\n", -400},
        {"GET / HTTP/+1.1\r\nHost: a\r\n\r\n", -400},
        {"GET / HTTPS/1.1\r\nHost: a\r\n\r\n", -400},
        {"GET / HTTP/\r\nHost: a\r\n\r\n", -400},
        {"GET / ICY/1.1\r\nHost: a\r\n\r\n", -400},
        {"GET / HTTP/1.x\r\nHost: a\r\n\r\n", -400},
        {"GET /\r\n\r\n", -400}, /* HTTP/0.9 */
        {"GET /\r\nHost: a\r\n\r\n", -400},
        {"GET / HTTP/0.9\r\nHost: a\r\n\r\n", -505},
        {"GET / HTTP/1.2\r\nHost: a\r\n\r\n", -505},
        {"GET / HTTP/1.9\r\nHost: a\r\n\r\n", -505},
        {"GET / HTTP/2.0\r\nHost: a\r\n\r\n", -505},
        {"GET / HTTP/3.0\r\nHost: a\r\n\r\n", -505},
        {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", -505},
        {"get /" REST, -501},
        {"Get /" REST, -501},
        {"TRACE /" REST, -501},
        {"CONNECT a:443" REST, -501},
        {"PROPFIND /" REST, -501},
        {"GETT /" REST, -501},
        {"M-SEARCH *" REST, -501},
        {"GET http://a/" REST, -400},
        {"GET https://a/x?y" REST, -400},
        {"GET a" REST, -400},
        {"GET a:443" REST, -400},
        {"GET ?x" REST, -400},
        {"OPTIONS *" REST, -400},
        {"GET *" REST, -400},
        {"GET /a#b" REST, -400},
        {"GET /\x7F" REST, -400},
        {"GET /\x01" REST, -400},
        {"GET /\xC3\xA4" REST, -400},
        {"GET /\x80" REST, -400},
        {"\x16\x03\x01\x02\n\r\n", -400}, /* TLS on a plain port */

        /* line ends */
        {"GET / HTTP/1.1\nHost: a\r\n\r\n", -400},
        {"GET / HTTP/1.1\r\nHost: a\n\r\n", -400},
        {"GET / HTTP/1.1\r\nHost: a\r\n\n", -400},
        {"GET / HTTP/1.1\nHost: a\n\n", -400},
        {"GET / HTTP/1.1\rHost: a\r\n\r\n", -400},
        {"GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n", -400},
        {"GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", -400},
        {"GET / HTTP/1.1\r\nHost: a\r\n\rX: b\r\n\r\n", -400},
        {"GET / HTTP/1.1\r\nHost: a\r\nX: b\x0B\r\n\r\n", -400},

        /* headers */
        {"GET / HTTP/1.1\r\n Host: a\r\n\r\n", -400},
        {"GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n", -400},
        {"GET / HTTP/1.1\r\nHost: a\r\n\tb: c\r\n\r\n", -400},
        {"GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n", -400},
        {"GET / HTTP/1.1\r\nHost: a\r\n \r\n\r\n", -400},
        {"GET / HTTP/1.1\r\nHost : a\r\n\r\n", -400},
        {"GET / HTTP/1.1\r\nHost\t: a\r\n\r\n", -400},
        {"GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n", -400},
        {"GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", -400},
        {"GET / HTTP/1.1\r\nHost: a\r\nX Y: b\r\n\r\n", -400},
        {"GET / HTTP/1.1\r\nHost: a\r\nX(: b\r\n\r\n", -400},
        {"GET / HTTP/1.1\r\nHost: a\r\nX\x80: b\r\n\r\n", -400},
        {"GET / HTTP/1.1\r\nHost: a\r\n\"X\": b\r\n\r\n", -400},
        {"GET / HTTP/1.1\r\nHost: a\r\nX: b\x01\r\n\r\n", -400},
        {"GET / HTTP/1.1\r\nHost: a\r\nX: b\x7F"
         "c\r\n\r\n",
         -400},
        {"GET / HTTP/1.1\r\nHost: a\r\nX: 12345678901234567890\x1F"
         "x\r\n\r\n",
         -400},
        {"GET / HTTP/1.1\r\nHost: a\r\nX: 12345678901234567890\x7F"
         "x234567890\r\n\r\n",
         -400},

        /* Host */
        {"GET / HTTP/1.1\r\n\r\n", -400},
        {"GET / HTTP/1.0\r\n\r\n", -400},
        {"GET / HTTP/1.1\r\nX: b\r\n\r\n", -400},
        {"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", -400},
        {"GET / HTTP/1.1\r\nHost: a\r\nhOST: b\r\n\r\n", -400},
        {"GET / HTTP/1.1\r\nHost:\r\n\r\n", -400},
        {"GET / HTTP/1.1\r\nHost: \t \r\n\r\n", -400},
        {"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", -400},
        {"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", -400},
        {"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", -400},
        {"GET / HTTP/1.1\r\nHost: a#b\r\n\r\n", -400},
        {"GET / HTTP/1.1\r\nHost: a?b\r\n\r\n", -400},
        {"GET / HTTP/1.1\r\nHost: a\\b\r\n\r\n", -400},
        {"GET / HTTP/1.1\r\nHost: \xC3\xA4\r\n\r\n", -400},
        {"GET / HTTP/1.1\r\nHost: http://a\r\n\r\n", -400},

        /* lengths: two readers must never disagree about where a body ends */
        {HEAD "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", -400},
        {HEAD "Content-Length: 5\r\nContent-Length: 6\r\n\r\n", -400},
        {HEAD "Content-Length: 0\r\ncontent-length: 0\r\n\r\n", -400},
        {HEAD "Content-Length: 5, 5\r\n\r\n", -400},
        {HEAD "Content-Length: 5,6\r\n\r\n", -400},
        {HEAD "Content-Length:\r\n\r\n", -400},
        {HEAD "Content-Length: +5\r\n\r\n", -400},
        {HEAD "Content-Length: -5\r\n\r\n", -400},
        {HEAD "Content-Length: 0x5\r\n\r\n", -400},
        {HEAD "Content-Length: 5 5\r\n\r\n", -400},
        {HEAD "Content-Length: 5.0\r\n\r\n", -400},
        {HEAD "Content-Length: 5e1\r\n\r\n", -400},
        {HEAD "Content-Length: \"5\"\r\n\r\n", -400},
        {HEAD "Content-Length: 5;\r\n\r\n", -400},
        {HEAD "Content-Length: \xB2\r\n\r\n", -400},
        {HEAD "Content-Length: 9223372036854775808\r\n\r\n", -400},
        {HEAD "Content-Length: 18446744073709551617\r\n\r\n", -400},
        {HEAD "Content-Length: 99999999999999999999999999\r\n\r\n", -400},
        {HEAD "Content-Length : 5\r\n\r\n", -400},
        {HEAD "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", -400},
        {HEAD "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", -400},
        {HEAD "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n", -400},

        /* codings */
        {HEAD "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", -400},
        {HEAD "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n", -400},
        {HEAD "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n", -501},
        {HEAD "Transfer-Encoding:\r\n\r\n", -400},
        {HEAD "Transfer-Encoding: \r\n\r\n", -400},
        {HEAD "Transfer-Encoding : chunked\r\n\r\n", -400},
        {HEAD "Transfer-Encoding\t:chunked\r\n\r\n", -400},
        {HEAD " Transfer-Encoding: chunked\r\n\r\n", -400},
        {HEAD "Transfer-Encoding: \x0B"
              "chunked\r\n\r\n",
         -400},
        {HEAD "Transfer-Encoding:\x0C"
              "chunked\r\n\r\n",
         -400},
        {HEAD "Transfer-Encoding:\r\n chunked\r\n\r\n", -400},
        {HEAD "X: y\rTransfer-Encoding: chunked\r\n\r\n", -400},
        {HEAD "X: y\nTransfer-Encoding: chunked\r\n\r\n", -400},
        {HEAD "Transfer-Encoding: identity\r\n\r\n", -501},
        {HEAD "Transfer-Encoding: gzip\r\n\r\n", -501},
        {HEAD "Transfer-Encoding: gzip, chunked\r\n\r\n", -501},
        {HEAD "Transfer-Encoding: chunked, gzip\r\n\r\n", -501},
        {HEAD "Transfer-Encoding: chunked, chunked\r\n\r\n", -501},
        {HEAD "Transfer-Encoding: chunked,\r\n\r\n", -501},
        {HEAD "Transfer-Encoding: ,chunked\r\n\r\n", -501},
        {HEAD "Transfer-Encoding: xchunked\r\n\r\n", -501},
        {HEAD "Transfer-Encoding: chunkedx\r\n\r\n", -501},
        {HEAD "Transfer-Encoding: chunke\r\n\r\n", -501},
        {HEAD "Transfer-Encoding: \"chunked\"\r\n\r\n", -501},
        {HEAD "Transfer-Encoding: chunked;q=1\r\n\r\n", -501},
        {HEAD "Transfer-Encoding: \xC2\xA0"
              "chunked\r\n\r\n",
         -501},
        {"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", -400},

        /* expectations */
        {HEAD "Expect: 200-ok\r\n\r\n", -417},
        {HEAD "Expect:\r\n\r\n", -417},
        {HEAD "Expect: 100-continue, x\r\n\r\n", -417},

        /* more is needed */
        {"", 0},
        {"G", 0},
        {"GET / HTTP/1.1", 0},
        {"GET / HTTP/1.1\r", 0},
        {"GET / HTTP/1.1\r\n", 0},
        {"GET / HTTP/1.1\r\nHost: a\r\n", 0},
        {"GET / HTTP/1.1\r\nHost: a\r\n\r", 0},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        assert_verdict(rows[i].head, strlen(rows[i].head), rows[i].verdict);
    }
}

static void nul_bytes(void **state) {
    static const char in_target[] = "GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n", in_name[] = "GET / HTTP/1.1\r\nHost: a\r\nX\0: b\r\n\r\n";
    static const char in_value[] = "GET / HTTP/1.1\r\nHost: a\r\nX: b\0\r\n\r\n", in_host[] = "GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n";

    (void)state;
    assert_verdict(in_target, sizeof(in_target) - 1, -400);
    assert_verdict(in_name, sizeof(in_name) - 1, -400);
    assert_verdict(in_value, sizeof(in_value) - 1, -400);
    assert_verdict(in_host, sizeof(in_host) - 1, -400);
}

/* Every byte at one place: in a value eight bytes are looked at together, so the place moves as well. */
static void every_byte_in_a_value(void **state) {
    char head[64];

    (void)state;
    for (unsigned c = 0; c < 256; c++) {
        bool good = c == '\t' || (c >= 0x20 && c != 0x7F);

        if (c == '\n') {
            continue;
        }
        for (unsigned at = 0; at < 20; at++) {
            int len = snprintf(head, sizeof(head), "GET / HTTP/1.1\r\nHost: a\r\nX:01234567890123456789\r\n\r\n");

            head[27 + at] = (char)c;
            assert_verdict(head, (size_t)len, good ? len : -400);
        }
    }
}

static void accepted(void **state) {
    static const char head[] = "PATCH /a/b%20c?x=1?y&z HTTP/1.1\r\n"
                               "Host: Demo.Localhost:8443\r\n"
                               "Accept:*/*\r\n"
                               "X-Empty:\r\n"
                               "X-Blank: \t \r\n"
                               "X-Tab: \ta\tb \t\r\n"
                               "x-tab: second\r\n"
                               "X-Latin: \xE4\xF6\r\n"
                               "!#$%&'*+-.^_`|~09az: odd\r\n"
                               "Content-Length: 0012\r\n"
                               "\r\n";
    bell_http_request r;
    const char *reason;
    char *copy;

    (void)state;
    assert_verdict(head, sizeof(head) - 1, sizeof(head) - 1);
    assert_int_equal(parse(head, sizeof(head) - 1, &r, &reason, &copy), sizeof(head) - 1);
    assert_int_equal(r.method, BELL_HTTP_PATCH);
    assert_true(bell_str_eq(r.method_name, BELL_STR("PATCH")));
    assert_true(bell_str_eq(r.target, BELL_STR("/a/b%20c?x=1?y&z")));
    assert_true(bell_str_eq(r.path, BELL_STR("/a/b%20c")));
    assert_true(bell_str_eq(r.query, BELL_STR("x=1?y&z")));
    assert_true(bell_str_eq(r.host, BELL_STR("Demo.Localhost:8443")));
    assert_int_equal(r.minor, 1);
    assert_int_equal(r.content_length, 12);
    assert_int_equal(r.nheaders, 9);
    assert_true(r.keep_alive);
    assert_false(r.chunked || r.upgrade || r.expect_continue);
    assert_true(bell_str_eq(bell_http_header_get(&r, BELL_STR("accept")), BELL_STR("*/*")));
    assert_non_null(bell_http_header_get(&r, BELL_STR("X-Empty")).p);
    assert_int_equal(bell_http_header_get(&r, BELL_STR("X-Empty")).len, 0);
    assert_int_equal(bell_http_header_get(&r, BELL_STR("x-blank")).len, 0);
    assert_true(bell_str_eq(bell_http_header_get(&r, BELL_STR("X-TAB")), BELL_STR("a\tb")));
    assert_int_equal(bell_http_header_count(&r, BELL_STR("X-Tab")), 2);
    assert_int_equal(bell_http_header_count(&r, BELL_STR("X-None")), 0);
    assert_null(bell_http_header_get(&r, BELL_STR("X-None")).p);
    assert_true(bell_str_eq(r.headers[7].name, BELL_STR("!#$%&'*+-.^_`|~09az")));
    free(copy);
}

/* What decides about the connection and the body. */
static void connection_rules(void **state) {
    static const struct {
        const char *line, *headers;
        bool keep_alive, upgrade, expect, chunked;
    } rows[] = {
        {"GET / HTTP/1.1", "", true, false, false, false},
        {"GET / HTTP/1.0", "", false, false, false, false},
        {"GET / HTTP/1.1", "Connection: close\r\n", false, false, false, false},
        {"GET / HTTP/1.1", "connection: CLOSE\r\n", false, false, false, false},
        {"GET / HTTP/1.1", "Connection: keep-alive\r\n", true, false, false, false},
        {"GET / HTTP/1.0", "Connection: keep-alive\r\n", true, false, false, false},
        {"GET / HTTP/1.0", "Connection: Keep-Alive, x\r\n", true, false, false, false},
        {"GET / HTTP/1.0", "Connection: keep-alive, close\r\n", false, false, false, false},
        {"GET / HTTP/1.1", "Connection: x\r\nConnection: y , close\r\n", false, false, false, false},
        {"GET / HTTP/1.1", "Connection: closed\r\n", true, false, false, false},
        {"GET / HTTP/1.1", "Connection:\r\n", true, false, false, false},
        {"GET / HTTP/1.1", "Connection: ,, ,\r\n", true, false, false, false},
        {"GET / HTTP/1.1", "Connection: Upgrade\r\nUpgrade: websocket\r\n", true, true, false, false},
        {"GET / HTTP/1.1", "Upgrade: websocket\r\nConnection: keep-alive, upgrade\r\n", true, true, false, false},
        {"GET / HTTP/1.1", "Upgrade: websocket\r\n", true, false, false, false},
        {"GET / HTTP/1.1", "Connection: upgrade\r\n", true, false, false, false},
        {"GET / HTTP/1.1", "Connection: upgrade\r\nUpgrade:\r\n", true, false, false, false},
        {"GET / HTTP/1.0", "Connection: upgrade\r\nUpgrade: websocket\r\n", false, false, false, false},
        {"PUT / HTTP/1.1", "Expect: 100-continue\r\nContent-Length: 1\r\n", true, false, true, false},
        {"PUT / HTTP/1.1", "Expect: 100-Continue\r\n", true, false, true, false},
        {"PUT / HTTP/1.0", "Expect: 100-continue\r\n", false, false, false, false},
        {"PUT / HTTP/1.1", "Transfer-Encoding: chunked\r\n", true, false, false, true},
        {"PUT / HTTP/1.1", "Transfer-Encoding: \t ChunKed \t\r\n", true, false, false, true},
        {"PUT / HTTP/1.1", "Transfer-encodinG:chunked\r\n", true, false, false, true},
        {"PUT / HTTP/1.1", "X-Transfer-Encoding: chunked\r\nTE: trailers\r\n", true, false, false, false},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        bell_http_request r;
        const char *reason;
        char head[256], *copy;
        int len = snprintf(head, sizeof(head), "%s\r\nHost: a\r\n%s\r\n", rows[i].line, rows[i].headers);

        assert_verdict(head, (size_t)len, len);
        assert_int_equal(parse(head, (size_t)len, &r, &reason, &copy), len);
        assert_row(r.keep_alive == rows[i].keep_alive, rows[i].headers);
        assert_row(r.upgrade == rows[i].upgrade, rows[i].headers);
        assert_row(r.expect_continue == rows[i].expect, rows[i].headers);
        assert_row(r.chunked == rows[i].chunked, rows[i].headers);
        free(copy);
    }
}

static void methods_and_targets(void **state) {
    static const struct {
        const char *name;
        bell_http_method method;
    } methods[] = {
        {"GET", BELL_HTTP_GET},     {"HEAD", BELL_HTTP_HEAD},     {"POST", BELL_HTTP_POST},       {"PUT", BELL_HTTP_PUT},
        {"PATCH", BELL_HTTP_PATCH}, {"DELETE", BELL_HTTP_DELETE}, {"OPTIONS", BELL_HTTP_OPTIONS},
    };
    static const char *const targets[] = {
        "/", "//", "//a", "/?", "/?a=b", "/%zz", "/a;b=c,d", "/{|}^`\"<>\\", "/~a!$&'()*+,;=:@", "/?a[]=b", "/../..", "/a?b?c",
    };

    (void)state;
    for (size_t i = 0; i < ROWS(methods); i++) {
        bell_http_request r;
        const char *reason;
        char head[128], *copy;
        int len = snprintf(head, sizeof(head), "%s /" REST, methods[i].name);

        assert_verdict(head, (size_t)len, len);
        assert_int_equal(parse(head, (size_t)len, &r, &reason, &copy), len);
        assert_int_equal(r.method, methods[i].method);
        assert_int_equal(r.content_length, -1);
        free(copy);
    }
    for (size_t i = 0; i < ROWS(targets); i++) {
        char head[128];
        int len = snprintf(head, sizeof(head), "GET %s" REST, targets[i]);

        assert_verdict(head, (size_t)len, len);
    }
}

static void targets_have_a_bound(void **state) {
    char head[1024], target[512];
    int len;

    (void)state;
    memset(target, 'a', sizeof(target));
    target[0] = '/';
    len = snprintf(head, sizeof(head), "OPTIONS %.*s" REST, TARGET_MAX, target);
    assert_verdict(head, (size_t)len, len);
    len = snprintf(head, sizeof(head), "GET %.*s" REST, TARGET_MAX + 1, target);
    assert_verdict(head, (size_t)len, -414);
    len = snprintf(head, sizeof(head), "GET %.*s" REST, 500, target);
    assert_verdict(head, (size_t)len, -414);
    /* told before the line has ended */
    len = snprintf(head, sizeof(head), "GET %.*s", 500, target);
    assert_verdict(head, (size_t)len, -414);
    /* and never told of a line behind the first one */
    len = snprintf(head, sizeof(head), "GET / HTTP/1.1\r\nHost: a\r\nX: %.*s\r\n\r\n", 500, target);
    assert_verdict(head, (size_t)len, len);
}

static void an_unbounded_target(void **state) {
    bell_http_request r;
    const char *reason;
    size_t scanned = 0;

    (void)state;
    assert_true(bell_http_parse_head("GET /" REST, sizeof("GET /" REST) - 1, &scanned, SIZE_MAX, &r, &reason) > 0);
}

static void headers_have_a_bound(void **state) {
    char head[2048];
    size_t len;

    (void)state;
    for (int extra = BELL_HTTP_HEADERS_MAX - 2; extra <= BELL_HTTP_HEADERS_MAX; extra++) {
        len = (size_t)sprintf(head, "GET / HTTP/1.1\r\nHost: a\r\n");
        for (int i = 0; i < extra; i++) {
            len += (size_t)sprintf(head + len, "x-%d: y\r\n", i);
        }
        len += (size_t)sprintf(head + len, "\r\n");
        assert_verdict(head, len, extra < BELL_HTTP_HEADERS_MAX ? (int)len : -431);
    }
}

/* Two requests and a body behind each other: each head ends where the next bytes begin. */
static void pipelining(void **state) {
    static const char bytes[] = "POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
                                "GET /2 HTTP/1.1\r\nHost: b\r\n\r\n"
                                "GET /3 HT";
    bell_http_request r;
    bell_http_body body;
    const char *reason, *p = bytes;
    size_t left = sizeof(bytes) - 1, scanned = 0, used;
    bell_str data;
    int n;

    (void)state;
    n = bell_http_parse_head(p, left, &scanned, TARGET_MAX, &r, &reason);
    assert_int_equal(n, 48);
    p += n;
    left -= (size_t)n;
    bell_http_body_init(&body, &r, 100);
    assert_int_equal(bell_http_body_feed(&body, p, left, &used, &data), BELL_HTTP_BODY_DATA);
    assert_true(bell_str_eq(data, BELL_STR("abc")));
    p += used;
    left -= used;
    assert_int_equal(bell_http_body_feed(&body, p, left, &used, &data), BELL_HTTP_BODY_DONE);
    assert_int_equal(used, 0);
    scanned = 0;
    n = bell_http_parse_head(p, left, &scanned, TARGET_MAX, &r, &reason);
    assert_int_equal(n, 28);
    assert_true(bell_str_eq(r.path, BELL_STR("/2")));
    p += n;
    left -= (size_t)n;
    scanned = 0;
    assert_int_equal(bell_http_parse_head(p, left, &scanned, TARGET_MAX, &r, &reason), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refused),
        cmocka_unit_test(nul_bytes),
        cmocka_unit_test(every_byte_in_a_value),
        cmocka_unit_test(accepted),
        cmocka_unit_test(connection_rules),
        cmocka_unit_test(methods_and_targets),
        cmocka_unit_test(targets_have_a_bound),
        cmocka_unit_test(an_unbounded_target),
        cmocka_unit_test(headers_have_a_bound),
        cmocka_unit_test(pipelining),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
