#include "bell_http.h"
#include "http_cases.h"
#include "http_stream.h"
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

#define TARGET_MAX HTTP_CASES_TARGET_MAX

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

/* Whole, byte by byte and cut in two at each place: one verdict. */
static void assert_verdict(const char *bytes, size_t len, int expected, const char *sentence) {
    bell_http_request whole = {0}, pieces = {0};
    const char *reason = NULL, *again = NULL;
    char *copy;
    int verdict = parse(bytes, len, &whole, &reason, &copy);

    if (verdict != expected || (sentence != NULL && (reason == NULL || strcmp(reason, sentence) != 0))) {
        fail_msg("\"%.*s\": %d (%s), expected %d (%s)", (int)len, bytes, verdict, reason ? reason : "no reason", expected,
                 sentence ? sentence : "any reason");
    }
    assert_int_equal(reason != NULL, verdict < 0);
    assert_true(reason == NULL || strstr(reason, " (RFC ") != NULL);
    assert_row(parse_bytewise(copy, len, &pieces, &again) == expected && again == reason, bytes);
    for (size_t cut = 0; cut <= len; cut++) {
        size_t scanned = 0;

        verdict = bell_http_parse_head(copy, cut, &scanned, TARGET_MAX, &pieces, &again);
        if (verdict == 0) {
            verdict = bell_http_parse_head(copy, len, &scanned, TARGET_MAX, &pieces, &again);
        }
        assert_row(verdict == expected && again == reason, bytes);
        if (verdict > 0) {
            assert_same_request(&whole, &pieces);
        }
    }
    free(copy);
}

static void refused(void **state) {
    (void)state;
    for (size_t i = 0; i < ROWS(http_refusals); i++) {
        const http_refusal *c = &http_refusals[i];

        assert_verdict(c->bytes, c->len, -c->status, c->reason);
    }
}

/* A stream's requests and its end as text, as http_cases.h writes it. */
static void note_request(void *arg, const http_stream *s) {
    bell_buf_printf(arg, "%s%.*s %.*s %.*s;", s->request.expect_continue ? "100 " : "", BELL_STR_ARG(s->request.method_name),
                    BELL_STR_ARG(s->request.target), BELL_STR_ARG(bell_buf_str(&s->payload)));
}

static void note_end(const http_stream *s, bell_buf *out) {
    if (s->refused) {
        bell_buf_printf(out, "%d", s->refused);
    } else {
        bell_buf_add_z(out, s->closed ? "close" : "more");
    }
}

/* The stream arrives as bytes[0..cut), then `step` bytes at a time. */
static void assert_stream(const http_stream_case *c, size_t cut, size_t step) {
    char *copy = malloc(c->len ? c->len : 1); /* of that size exactly: a sanitizer sees the first read past the end */
    bell_buf out;
    http_stream s;

    memcpy(copy, c->bytes, c->len);
    bell_buf_init(&out, 10000);
    http_stream_init(&s);
    for (size_t n = cut; n <= c->len; n = n == c->len ? n + 1 : n + step < c->len ? n + step : c->len) {
        http_stream_read(&s, copy, n, HTTP_CASES_TARGET_MAX, HTTP_CASES_BODY_MAX, note_request, &out);
    }
    note_end(&s, &out);
    bell_buf_add_char(&out, '\0');
    if (out.failed || strcmp(out.p, c->read) != 0) {
        fail_msg("\"%.*s\" cut at %zu: read as \"%s\", expected \"%s\"", (int)c->len, c->bytes, cut, out.p, c->read);
    }
    bell_buf_fini(&s.payload);
    bell_buf_fini(&out);
    free(copy);
}

static void streams(void **state) {
    (void)state;
    for (size_t i = 0; i < ROWS(http_streams); i++) {
        const http_stream_case *c = &http_streams[i];

        for (size_t cut = 0; cut <= c->len; cut++) {
            assert_stream(c, cut, c->len);
        }
        for (size_t step = 1; step <= 7; step++) {
            assert_stream(c, 0, step);
        }
    }
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
            assert_verdict(head, (size_t)len, good ? len : -400, NULL);
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
    assert_verdict(head, sizeof(head) - 1, sizeof(head) - 1, NULL);
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

        assert_verdict(head, (size_t)len, len, NULL);
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

        assert_verdict(head, (size_t)len, len, NULL);
        assert_int_equal(parse(head, (size_t)len, &r, &reason, &copy), len);
        assert_int_equal(r.method, methods[i].method);
        assert_int_equal(r.content_length, -1);
        free(copy);
    }
    for (size_t i = 0; i < ROWS(targets); i++) {
        char head[128];
        int len = snprintf(head, sizeof(head), "GET %s" REST, targets[i]);

        assert_verdict(head, (size_t)len, len, NULL);
    }
}

static void targets_have_a_bound(void **state) {
    char head[1024], target[512];
    int len;

    (void)state;
    memset(target, 'a', sizeof(target));
    target[0] = '/';
    len = snprintf(head, sizeof(head), "OPTIONS %.*s" REST, TARGET_MAX, target);
    assert_verdict(head, (size_t)len, len, NULL);
    len = snprintf(head, sizeof(head), "GET %.*s" REST, TARGET_MAX + 1, target);
    assert_verdict(head, (size_t)len, -414, LONG_TARGET);
    len = snprintf(head, sizeof(head), "GET %.*s" REST, 500, target);
    assert_verdict(head, (size_t)len, -414, LONG_TARGET);
    /* told before the line has ended */
    len = snprintf(head, sizeof(head), "GET %.*s", 500, target);
    assert_verdict(head, (size_t)len, -414, LONG_TARGET);
    /* and never told of a line behind the first one */
    len = snprintf(head, sizeof(head), "GET / HTTP/1.1\r\nHost: a\r\nX: %.*s\r\n\r\n", 500, target);
    assert_verdict(head, (size_t)len, len, NULL);
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
        assert_verdict(head, len, extra < BELL_HTTP_HEADERS_MAX ? (int)len : -431, extra < BELL_HTTP_HEADERS_MAX ? NULL : MANY_HEADERS);
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
        cmocka_unit_test(streams),
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
