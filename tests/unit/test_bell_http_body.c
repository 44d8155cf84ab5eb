/* The second half of bell_http.h's codec: bodies. */
#include "bell_buf.h"
#include "bell_http.h"
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

#define MAX_BYTES 1000

typedef struct {
    bell_http_body_state end; /* BELL_HTTP_BODY_MORE when the input was not enough */
    size_t used;
    bell_buf payload;
} outcome;

static void body_start(bell_http_body *b, int64_t length) {
    bell_http_request r = {.chunked = length < 0, .content_length = length};

    bell_http_body_init(b, &r, MAX_BYTES);
}

/* Feeds pieces of at most `piece` bytes, each in memory of its own. */
static outcome feed(int64_t length, const char *bytes, size_t len, size_t piece) {
    outcome o = {.end = BELL_HTTP_BODY_MORE};
    bell_http_body b;

    body_start(&b, length);
    bell_buf_init(&o.payload, 100000);
    do {
        size_t n = len - o.used < piece ? len - o.used : piece, used;
        char *copy = malloc(n ? n : 1);
        bell_str data;

        memcpy(copy, bytes + o.used, n);
        o.end = bell_http_body_feed(&b, copy, n, &used, &data);
        assert_true(used <= n);
        if (o.end != BELL_HTTP_BODY_DATA) {
            assert_int_equal(data.len, 0);
        }
        if (o.end == BELL_HTTP_BODY_MORE) {
            assert_int_equal(used, n);
        }
        bell_buf_add_str(&o.payload, data);
        o.used += used;
        free(copy);
    } while (o.end == BELL_HTTP_BODY_DATA || (o.end == BELL_HTTP_BODY_MORE && o.used < len));
    assert_int_equal(b.received_bytes, o.payload.len);
    return o;
}

static void assert_outcome(int64_t length, const char *bytes, bell_http_body_state end, const char *payload, const char *rest) {
    size_t len = strlen(bytes);

    for (size_t piece = 1; piece <= len + 1; piece++) {
        outcome o = feed(length, bytes, len, piece);

        assert_row(o.end == end, bytes);
        if (payload != NULL) {
            assert_row(bell_str_eq(bell_buf_str(&o.payload), bell_str_of(payload)), bytes);
        }
        if (end == BELL_HTTP_BODY_DONE) {
            assert_row(strcmp(bytes + o.used, rest) == 0, bytes);
        }
        bell_buf_fini(&o.payload);
    }
}

static void with_a_length(void **state) {
    (void)state;
    assert_outcome(0, "next", BELL_HTTP_BODY_DONE, "", "next");
    assert_outcome(0, "", BELL_HTTP_BODY_DONE, "", "");
    assert_outcome(5, "hellonext", BELL_HTTP_BODY_DONE, "hello", "next");
    assert_outcome(5, "hello", BELL_HTTP_BODY_DONE, "hello", "");
    assert_outcome(5, "hell", BELL_HTTP_BODY_MORE, "hell", NULL);
    assert_outcome(5, "", BELL_HTTP_BODY_MORE, "", NULL);
    assert_outcome(MAX_BYTES + 1, "x", BELL_HTTP_BODY_LARGE, "", NULL);
    assert_outcome(INT64_MAX, "", BELL_HTTP_BODY_LARGE, "", NULL);
}

static void without_a_body(void **state) {
    bell_http_request r = {.content_length = -1};
    bell_http_body b;
    bell_str data;
    size_t used;

    (void)state;
    bell_http_body_init(&b, &r, 0);
    assert_int_equal(bell_http_body_feed(&b, NULL, 0, &used, &data), BELL_HTTP_BODY_DONE);
    assert_int_equal(used, 0);
}

static void chunks(void **state) {
    static const struct {
        const char *bytes;
        bell_http_body_state end;
        const char *payload, *rest;
    } rows[] = {
        {"0\r\n\r\nnext", BELL_HTTP_BODY_DONE, "", "next"},
        {"5\r\nhello\r\n0\r\n\r\n", BELL_HTTP_BODY_DONE, "hello", ""},
        {"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\nGET", BELL_HTTP_BODY_DONE, "hello world", "GET"},
        {"a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n", BELL_HTTP_BODY_DONE, "01234567890123456789", ""},
        {"0000000000000000000005\r\nhello\r\n000\r\n\r\n", BELL_HTTP_BODY_DONE, "hello", ""},
        {"2\r\n\r\n\r\n0\r\n\r\n", BELL_HTTP_BODY_DONE, "\r\n", ""},
        {"5;ext\r\nhello\r\n0;a=b;c=\"d e\"\r\n\r\n", BELL_HTTP_BODY_DONE, "hello", ""},
        {"5;a;b;c=d\r\nhello\r\n0;a=\"\"\r\n\r\n", BELL_HTTP_BODY_DONE, "hello", ""},
        {"0;a=\"\\\"\\\\;\t\xE4\";b\r\n\r\n", BELL_HTTP_BODY_DONE, "", ""},
        {"0\r\nA: b\r\nC-D:\r\n\r\nrest", BELL_HTTP_BODY_DONE, "", "rest"},
        {"0\r\nA: \xE4\t \r\n\r\n", BELL_HTTP_BODY_DONE, "", ""},

        {"", BELL_HTTP_BODY_MORE, "", NULL},
        {"5", BELL_HTTP_BODY_MORE, "", NULL},
        {"5\r", BELL_HTTP_BODY_MORE, "", NULL},
        {"5\r\nhel", BELL_HTTP_BODY_MORE, "hel", NULL},
        {"5\r\nhello", BELL_HTTP_BODY_MORE, "hello", NULL},
        {"5\r\nhello\r\n", BELL_HTTP_BODY_MORE, "hello", NULL},
        {"5\r\nhello\r\n0\r\n", BELL_HTTP_BODY_MORE, "hello", NULL},
        {"0\r\n\r", BELL_HTTP_BODY_MORE, "", NULL},
        {"0\r\nA: b\r\n", BELL_HTTP_BODY_MORE, "", NULL},

        {"\r\n", BELL_HTTP_BODY_ERROR, "", NULL},
        {";x\r\n", BELL_HTTP_BODY_ERROR, "", NULL},
        {" 5\r\nhello", BELL_HTTP_BODY_ERROR, "", NULL},
        {"5 \r\nhello", BELL_HTTP_BODY_ERROR, "", NULL},
        {"5\t\r\nhello", BELL_HTTP_BODY_ERROR, "", NULL},
        {"5 ;x\r\nhello", BELL_HTTP_BODY_ERROR, "", NULL},
        {"+5\r\nhello", BELL_HTTP_BODY_ERROR, "", NULL},
        {"-5\r\nhello", BELL_HTTP_BODY_ERROR, "", NULL},
        {"0x5\r\nhello", BELL_HTTP_BODY_ERROR, "", NULL},
        {"5h\r\n", BELL_HTTP_BODY_ERROR, "", NULL},
        {"g\r\n", BELL_HTTP_BODY_ERROR, "", NULL},
        {"5,5\r\n", BELL_HTTP_BODY_ERROR, "", NULL},
        {"5_0\r\n", BELL_HTTP_BODY_ERROR, "", NULL},
        {"5\nhello\r\n0\r\n\r\n", BELL_HTTP_BODY_ERROR, "", NULL},
        {"5\rhello", BELL_HTTP_BODY_ERROR, "", NULL},
        {"5\r\rhello", BELL_HTTP_BODY_ERROR, "", NULL},
        {"5;\r\nhello", BELL_HTTP_BODY_ERROR, "", NULL},
        {"5;;a\r\nhello", BELL_HTTP_BODY_ERROR, "", NULL},
        {"5; a\r\nhello", BELL_HTTP_BODY_ERROR, "", NULL},
        {"5;a b\r\nhello", BELL_HTTP_BODY_ERROR, "", NULL},
        {"5;=b\r\nhello", BELL_HTTP_BODY_ERROR, "", NULL},
        {"5;a=\r\nhello", BELL_HTTP_BODY_ERROR, "", NULL},
        {"5;a=b=c\r\nhello", BELL_HTTP_BODY_ERROR, "", NULL},
        {"5;a=b\"c\"\r\nhello", BELL_HTTP_BODY_ERROR, "", NULL},
        {"5;a=\"b\"c\r\nhello", BELL_HTTP_BODY_ERROR, "", NULL},
        {"5;a=\"b\r\nhello", BELL_HTTP_BODY_ERROR, "", NULL}, /* a line end inside of quotes */
        {"5;a=\"b\\\r\nhello", BELL_HTTP_BODY_ERROR, "", NULL},
        {"5;a\xE4\r\nhello", BELL_HTTP_BODY_ERROR, "", NULL},
        {"5;a\nb\r\nhello", BELL_HTTP_BODY_ERROR, "", NULL},
        {"5;a\rb\r\nhello", BELL_HTTP_BODY_ERROR, "", NULL},
        {"5;a\x01\r\nhello", BELL_HTTP_BODY_ERROR, "", NULL},
        {"5;a\x7F\r\nhello", BELL_HTTP_BODY_ERROR, "", NULL},
        {"5\r\nhello0\r\n\r\n", BELL_HTTP_BODY_ERROR, "hello", NULL},
        {"5\r\nhello\n0\r\n\r\n", BELL_HTTP_BODY_ERROR, "hello", NULL},
        {"5\r\nhello\rX", BELL_HTTP_BODY_ERROR, "hello", NULL},
        {"5\r\nhello!\r\n", BELL_HTTP_BODY_ERROR, "hello", NULL},
        {"5\r\nhello\r\n\r\n", BELL_HTTP_BODY_ERROR, "hello", NULL},
        {"0\r\n\n", BELL_HTTP_BODY_ERROR, "", NULL},
        {"0\r\n\rX", BELL_HTTP_BODY_ERROR, "", NULL},
        {"0\r\nA\r\n\r\n", BELL_HTTP_BODY_ERROR, "", NULL},
        {"0\r\nA : b\r\n\r\n", BELL_HTTP_BODY_ERROR, "", NULL},
        {"0\r\n: b\r\n\r\n", BELL_HTTP_BODY_ERROR, "", NULL},
        {"0\r\n A: b\r\n\r\n", BELL_HTTP_BODY_ERROR, "", NULL},
        {"0\r\nA: b\r\n c\r\n\r\n", BELL_HTTP_BODY_ERROR, "", NULL},
        {"0\r\nA: b\n\r\n", BELL_HTTP_BODY_ERROR, "", NULL},
        {"0\r\nA: b\rc\r\n\r\n", BELL_HTTP_BODY_ERROR, "", NULL},
        {"0\r\nA: b\x01\r\n\r\n", BELL_HTTP_BODY_ERROR, "", NULL},

        {"3e9\r\n", BELL_HTTP_BODY_LARGE, "", NULL}, /* 1001 */
        {"ffffffffffffffff\r\n", BELL_HTTP_BODY_LARGE, "", NULL},
        {"10000000000000005\r\nhello", BELL_HTTP_BODY_LARGE, "", NULL}, /* 5 when the digits above 64 bits are lost */
        {"fffffffffffffffffffffffffffffffffffffff\r\n", BELL_HTTP_BODY_LARGE, "", NULL},
        {"80000000\r\n", BELL_HTTP_BODY_LARGE, "", NULL},
        {"5\r\nhello\r\n3e4\r\n", BELL_HTTP_BODY_LARGE, "hello", NULL},
        {"5\r\nhello\r\nfffffffffffffffb\r\n", BELL_HTTP_BODY_LARGE, "hello", NULL}, /* the sum would wrap to 0 */
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        assert_outcome(-1, rows[i].bytes, rows[i].end, rows[i].payload, rows[i].rest);
    }
}

static void nul_bytes(void **state) {
    outcome o = feed(-1, "3\r\na\0b\r\n0\r\n\r\n", 14, 100);

    (void)state;
    assert_int_equal(o.end, BELL_HTTP_BODY_DONE);
    assert_int_equal(o.payload.len, 3);
    bell_buf_fini(&o.payload);
    o = feed(-1, "5;\0\r\n", 5, 100);
    assert_int_equal(o.end, BELL_HTTP_BODY_ERROR);
    bell_buf_fini(&o.payload);
}

/* The largest body that is taken, and one byte more. */
static void the_bound_is_exact(void **state) {
    char bytes[4096];

    (void)state;
    for (int size = MAX_BYTES - 1; size <= MAX_BYTES + 1; size++) {
        size_t len = (size_t)sprintf(bytes, "%x\r\n%0*d\r\n0\r\n\r\n", (unsigned)size, size, 0);
        outcome o = feed(-1, bytes, len, 4096);

        assert_int_equal(o.end, size <= MAX_BYTES ? BELL_HTTP_BODY_DONE : BELL_HTTP_BODY_LARGE);
        bell_buf_fini(&o.payload);
        o = feed(size, bytes, (size_t)size, 4096);
        assert_int_equal(o.end, size <= MAX_BYTES ? BELL_HTTP_BODY_DONE : BELL_HTTP_BODY_LARGE);
        bell_buf_fini(&o.payload);
    }
}

static bell_http_body_state end_of(bell_buf *bytes) {
    outcome o = feed(-1, bytes->p, bytes->len, 100000);

    bell_buf_fini(&o.payload);
    bell_buf_reset(bytes);
    return o.end;
}

/* What is read and dropped is bounded as well. */
static void framing_has_bounds(void **state) {
    bell_buf bytes;

    (void)state;
    bell_buf_init(&bytes, 100000);
    bell_buf_printf(&bytes, "0;a%0200d\r\n\r\n", 0);
    assert_int_equal(end_of(&bytes), BELL_HTTP_BODY_DONE);
    bell_buf_printf(&bytes, "0;a%0300d\r\n\r\n", 0);
    assert_int_equal(end_of(&bytes), BELL_HTTP_BODY_ERROR);
    bell_buf_printf(&bytes, "%0300d\r\n\r\n", 0);
    assert_int_equal(end_of(&bytes), BELL_HTTP_BODY_ERROR);
    bell_buf_printf(&bytes, "0\r\nA: %04000d\r\n\r\n", 0);
    assert_int_equal(end_of(&bytes), BELL_HTTP_BODY_DONE);
    bell_buf_printf(&bytes, "0\r\nA: %05000d\r\n\r\n", 0);
    assert_int_equal(end_of(&bytes), BELL_HTTP_BODY_ERROR);
    bell_buf_printf(&bytes, "0\r\n");
    for (int i = 0; i < 1000; i++) {
        bell_buf_printf(&bytes, "A: b\r\n");
    }
    bell_buf_printf(&bytes, "\r\n");
    assert_int_equal(end_of(&bytes), BELL_HTTP_BODY_ERROR);
    for (int i = 0; i < 30; i++) {
        bell_buf_printf(&bytes, "1;a%0200d\r\nx\r\n", 0);
    }
    bell_buf_printf(&bytes, "0\r\n\r\n");
    assert_int_equal(end_of(&bytes), BELL_HTTP_BODY_ERROR);
    bell_buf_fini(&bytes);
}

/* A verdict is final. */
static void ends_stay_ends(void **state) {
    static const struct {
        const char *bytes;
        bell_http_body_state end;
    } rows[] = {{"0\r\n\r\n", BELL_HTTP_BODY_DONE}, {"x", BELL_HTTP_BODY_ERROR}, {"ffffff", BELL_HTTP_BODY_LARGE}};

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        bell_http_body b;
        bell_str data;
        size_t used;

        body_start(&b, -1);
        assert_int_equal(bell_http_body_feed(&b, rows[i].bytes, strlen(rows[i].bytes), &used, &data), rows[i].end);
        assert_int_equal(bell_http_body_feed(&b, "5\r\nhello", 8, &used, &data), rows[i].end);
        assert_int_equal(used, 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(with_a_length),      cmocka_unit_test(without_a_body),     cmocka_unit_test(chunks),         cmocka_unit_test(nul_bytes),
        cmocka_unit_test(the_bound_is_exact), cmocka_unit_test(framing_has_bounds), cmocka_unit_test(ends_stay_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
