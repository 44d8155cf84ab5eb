#include "bell_m3u8.h"
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

static const bell_uri_base base = {{"https", 5}, {"cdn.school.example", 18}, {"/hls/c7/master.m3u8?a=1", 23}};

/* Puts "t=" and the length of the target behind each URI, so that it is seen which target was shown; "keep", "bad" and "new" in a target do other
 * things. */
static bool edit(void *data, const bell_m3u8_uri *uri, bell_m3u8_change *change) {
    char *text = data;

    if (memmem(uri->target.p, uri->target.len, "keep", 4) != NULL) {
        return false;
    }
    if (memmem(uri->target.p, uri->target.len, "bad", 3) != NULL) {
        change->query = BELL_STR("t=\"\n#EXTINF");
    } else if (memmem(uri->target.p, uri->target.len, "hash", 4) != NULL) {
        change->uri = BELL_STR("#EXT-X-ENDLIST");
    } else if (memmem(uri->target.p, uri->target.len, "none", 4) == NULL) {
        snprintf(text, 200, memmem(uri->target.p, uri->target.len, "new", 3) ? "/token=%zu%.*s" : "t=%zu", uri->target.len,
                 BELL_STR_ARG(uri->target));
        *(text[0] == '/' ? &change->uri : &change->query) = bell_str_of(text);
    }
    return true;
}

/* The playlist in pieces that end at `cuts`. */
static void rewrite(bell_m3u8 *m, bell_str in, const size_t *cuts, size_t ncuts, bell_buf *out) {
    char text[200];
    size_t from = 0;

    bell_m3u8_init(m, &base, edit, text);
    bell_buf_reset(out);
    for (size_t i = 0; i <= ncuts; i++) {
        size_t to = i < ncuts ? cuts[i] : in.len;
        /* a copy of exactly that many bytes, so that one read too many is seen */
        char *piece = malloc(to - from + 1);
        memcpy(piece, in.p + from, to - from);
        piece = realloc(piece, to - from + (to == from));
        assert_true(bell_m3u8_feed(m, (bell_str){piece, to - from}, out));
        memset(piece, '\n', to - from);
        free(piece);
        from = to;
    }
    assert_true(bell_m3u8_end(m, out));
}

static bell_m3u8 *new_rewriter(bell_buf *out) {
    bell_m3u8 *m = malloc(sizeof(*m));

    assert_non_null(m);
    bell_buf_init(out, 1 << 24);
    return m;
}

static void lines(void **state) {
    static const struct {
        const char *in, *out; /* behind "#EXTM3U\n"; NULL: the same */
    } rows[] = {
        {"", NULL},
        {"s1.ts\n", "s1.ts?t=13\n"},
        {"s1.ts", "s1.ts?t=13"},
        {"s1.ts\r\n", "s1.ts?t=13\r\n"},
        {"s1.ts\r", "s1.ts?t=13\r"},
        {"s1.ts?a=1\n", "s1.ts?a=1&t=17\n"},
        {"s1.ts?\n", "s1.ts?t=14\n"},
        {"s1.ts?a&\n", "s1.ts?a&t=16\n"},
        {"s1.ts#t=5\n", "s1.ts?t=13#t=5\n"},
        {"s1.ts?a#t=5?b\n", "s1.ts?a&t=15#t=5?b\n"},
        {"  s1.ts \t\n", "  s1.ts?t=13 \t\n"},
        {"/s1.ts\n../c8/s1.ts\nhttps://cdn.school.example/s1.ts\n//CDN.school.example:443/s1.ts\n",
         "/s1.ts?t=6\n../c8/s1.ts?t=13\nhttps://cdn.school.example/s1.ts?t=6\n//CDN.school.example:443/s1.ts?t=6\n"},
        {"https://other.example/s1.ts\nhttp://cdn.school.example/s1.ts\ndata:text/plain,x\nskd://key\n", NULL},
        {"new/s1.ts#f\n", "/token=17/hls/c7/new/s1.ts#f\n"},
        {"keep/s1.ts\nnone/s1.ts\n", NULL},
        {"bad/s1.ts\nhash/s1.ts\n", NULL}, /* what the caller wants would break the line */
        {"{$path}/s1.ts\nhttps://{$host}/s1.ts\n", NULL},
        {"a{b}.ts\n", "a{b}.ts?t=19\n"},
        {"%2e%2e/s1.ts\na%zz.ts\na\\b.ts\n", NULL}, /* the server would refuse them */
        {"s\xc3\xa9.ts\n", "s\xc3\xa9.ts?t=18\n"},
        {"\xff.ts\n", "\xff.ts?t=14\n"},
        {"\n\r\n \n\t\r\n", NULL},
        {"# comment URI=\"x\"\n#EXTINF:4,URI=\"x\"\n#\n##\n #EXTINF\n", NULL},
        {"#EXT-X-UNKNOWN:URI=\"x\"\n#EXT-X-KEYS:URI=\"x\"\n#EXT-X-KEY\n#EXT-X-ENDLIST\n", NULL},
        {"#EXT-X-DEFINE:NAME=\"path\",VALUE=\"https://x/\"\n", NULL},
        {"#EXT-X-TARGETDURATION:4\n#EXT-X-BYTERANGE:5@0\ns.ts\n", "#EXT-X-TARGETDURATION:4\n#EXT-X-BYTERANGE:5@0\ns.ts?t=12\n"},
    };
    bell_buf out;
    bell_m3u8 *m = new_rewriter(&out);
    char in[1000], want[1000];

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        snprintf(in, sizeof(in), "#EXTM3U\n%s", rows[i].in);
        snprintf(want, sizeof(want), "#EXTM3U\n%s", rows[i].out != NULL ? rows[i].out : rows[i].in);
        rewrite(m, bell_str_of(in), NULL, 0, &out);
        if (!bell_str_eq(bell_buf_str(&out), bell_str_of(want))) {
            fail_msg("\"%s\": \"%.*s\", expected \"%s\"", in, BELL_STR_ARG(bell_buf_str(&out)), want);
        }
        assert_row((m->changed > 0) == (rows[i].out != NULL), rows[i].in);
    }
    bell_buf_fini(&out);
    free(m);
}

static void tags(void **state) {
    static const struct {
        const char *in, *out;
    } rows[] = {
        {"#EXT-X-KEY:METHOD=AES-128,URI=\"k\",IV=0x1", "#EXT-X-KEY:METHOD=AES-128,URI=\"k?t=9\",IV=0x1"},
        {"#EXT-X-SESSION-KEY:METHOD=AES-128,URI=\"k\"", "#EXT-X-SESSION-KEY:METHOD=AES-128,URI=\"k?t=9\""},
        {"#EXT-X-MAP:URI=\"init.mp4\",BYTERANGE=\"5@0\"", "#EXT-X-MAP:URI=\"init.mp4?t=16\",BYTERANGE=\"5@0\""},
        {"#EXT-X-MEDIA:TYPE=AUDIO,NAME=\"a,URI=\",URI=\"a.m3u8\"", "#EXT-X-MEDIA:TYPE=AUDIO,NAME=\"a,URI=\",URI=\"a.m3u8?t=14\""},
        {"#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,URI=\"i.m3u8\"", "#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,URI=\"i.m3u8?t=14\""},
        {"#EXT-X-PART:DURATION=0.33,URI=\"p1.mp4\",INDEPENDENT=YES", "#EXT-X-PART:DURATION=0.33,URI=\"p1.mp4?t=14\",INDEPENDENT=YES"},
        {"#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"p2.mp4\"", "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"p2.mp4?t=14\""},
        {"#EXT-X-RENDITION-REPORT:URI=\"../1M/p.m3u8\",LAST-MSN=1", "#EXT-X-RENDITION-REPORT:URI=\"../1M/p.m3u8?t=14\",LAST-MSN=1"},
        {"#EXT-X-SESSION-DATA:DATA-ID=\"x\",URI=\"d.json\"", "#EXT-X-SESSION-DATA:DATA-ID=\"x\",URI=\"d.json?t=14\""},
        {"#EXT-X-CONTENT-STEERING:SERVER-URI=\"/steer?v=1\",PATHWAY-ID=\"A\"",
         "#EXT-X-CONTENT-STEERING:SERVER-URI=\"/steer?v=1&t=10\",PATHWAY-ID=\"A\""},
        {"#EXT-X-DATERANGE:ID=\"a\",X-ASSET-URI=\"ad.m3u8\",X-OTHER-URI=\"x\"",
         "#EXT-X-DATERANGE:ID=\"a\",X-ASSET-URI=\"ad.m3u8?t=15\",X-OTHER-URI=\"x\""},
        {"#EXT-X-DATERANGE:X-ASSET-LIST=\"l.json\",ID=\"a\",X-ASSET-URI=\"b\"",
         "#EXT-X-DATERANGE:X-ASSET-LIST=\"l.json?t=14\",ID=\"a\",X-ASSET-URI=\"b?t=9\""},
        {"#EXT-X-KEY:URI=\"k\", URI = \"x\"", "#EXT-X-KEY:URI=\"k?t=9\", URI = \"x\""},
        {"#EXT-X-KEY: URI=\"k\"", "#EXT-X-KEY: URI=\"k?t=9\""},
        {"#EXT-X-KEY:METHOD=NONE", NULL},
        {"#EXT-X-KEY:URI=k", NULL},
        {"#EXT-X-KEY:URI=\"k", NULL},
        {"#EXT-X-KEY:URI=\"\"", NULL},
        {"#EXT-X-KEY:XURI=\"k\",URI2=\"k\",uri=\"k\"", NULL},
        {"#EXT-X-KEY:URI=\"data:text/plain;base64,AAAA\",KEYFORMAT=\"URI=\"", NULL},
        {"#EXT-X-KEY:URI=\"skd://a\",KEYFORMAT=\"com.apple.streamingkeydelivery\"", NULL},
        {"#EXT-X-KEY:URI=\"https://keys.example/k\"", NULL},
        {"#EXT-X-KEY:URI=\"{$k}\"", NULL},
        {"#EXT-X-KEY:,,,=,=\"\"=", NULL},
        {"#EXT-X-KEY:", NULL},
        {"#EXT-X-KEY:URI", NULL},
        {"#EXT-X-STREAM-INF:BANDWIDTH=1,URI=\"x\"", NULL}, /* its URI is the next line */
        {"#ext-x-key:URI=\"k\"", NULL},
    };
    bell_buf out;
    bell_m3u8 *m = new_rewriter(&out);
    char in[1000], want[1000];

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        snprintf(in, sizeof(in), "#EXTM3U\r\n%s\r\n", rows[i].in);
        snprintf(want, sizeof(want), "#EXTM3U\r\n%s\r\n", rows[i].out != NULL ? rows[i].out : rows[i].in);
        rewrite(m, bell_str_of(in), NULL, 0, &out);
        if (!bell_str_eq(bell_buf_str(&out), bell_str_of(want))) {
            fail_msg("\"%s\": \"%.*s\", expected \"%s\"", in, BELL_STR_ARG(bell_buf_str(&out)), want);
        }
    }
    bell_buf_fini(&out);
    free(m);
}

static void first_lines(void **state) {
    static const struct {
        const char *in;
        bool playlist;
    } rows[] = {
        {"#EXTM3U\ns.ts\n", true},    {"\xef\xbb\xbf#EXTM3U\r\ns.ts\n", true},
        {"#EXTM3U \ns.ts\n", true},   {"#EXTM3U", true},
        {"#EXTM3UX\ns.ts\n", false},  {"#EXTM3\ns.ts\n", false},
        {"\n#EXTM3U\ns.ts\n", false}, {" #EXTM3U\ns.ts\n", false},
        {"<html>\ns.ts\n", false},    {"s.ts", false},
        {"\xef\xbb\xbf", false},
    };
    bell_buf out;
    bell_m3u8 *m = new_rewriter(&out);

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        rewrite(m, bell_str_of(rows[i].in), NULL, 0, &out);
        assert_row((m->state == BELL_M3U8_LINES) == rows[i].playlist, rows[i].in);
        assert_row(m->changed == (rows[i].playlist && strstr(rows[i].in, "s.ts") != NULL), rows[i].in);
        assert_row(m->changed > 0 || bell_str_eq(bell_buf_str(&out), bell_str_of(rows[i].in)), rows[i].in);
    }
    bell_buf_fini(&out);
    free(m);
}

static const char playlist[] = "\xef\xbb\xbf#EXTM3U\r\n#EXT-X-VERSION:9\r\n"
                               "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"\xc3\x84, \xf0\x9f\x8e\xb5\",URI=\"audio/\xc3\xa4.m3u8?x=1#f\"\n"
                               "#EXT-X-KEY:METHOD=AES-128,URI=\"/keys/1\",IV=0x00\n#EXT-X-MAP:URI=\"new/init.mp4\"\r\n\r\n"
                               "#EXT-X-PART:DURATION=0.3,URI=\"p.1.mp4\"\n#EXTINF:4.0,\xc3\xa9t\xc3\xa9\n720/s\xe4\xb8\xad.ts\r\n"
                               "#EXTINF:4,\nhttps://cdn.school.example/x.ts?a&\n#EXTINF:4,\nhttps://other.example/y.ts\n{$v}/z.ts\n"
                               "#EXT-X-DATERANGE:ID=\"1\",X-ASSET-LIST=\"a.json\",X-ASSET-URI=\"b\"\nlast.ts";

/* Wherever the body is cut, in two and in three, the answer is the same; and in pieces of one byte. */
static void boundaries(void **state) {
    bell_buf whole, out;
    bell_m3u8 *m = new_rewriter(&whole);
    bell_str in = {playlist, sizeof(playlist) - 1};
    size_t cuts[sizeof(playlist)];

    (void)state;
    bell_buf_init(&out, 1 << 20);
    rewrite(m, in, NULL, 0, &whole);
    assert_int_equal(m->changed, 9);
    for (size_t first = 0; first <= in.len; first++) {
        for (size_t second = first; second <= in.len; second += second == first ? 1 : 7) {
            cuts[0] = first;
            cuts[1] = second;
            rewrite(m, in, cuts, 2, &out);
            assert_true(bell_str_eq(bell_buf_str(&whole), bell_buf_str(&out)));
        }
    }
    for (size_t i = 0; i < in.len; i++) {
        cuts[i] = i;
    }
    rewrite(m, in, cuts, in.len, &out);
    assert_true(bell_str_eq(bell_buf_str(&whole), bell_buf_str(&out)));
    bell_buf_fini(&whole);
    bell_buf_fini(&out);
    free(m);
}

/* Lines about as long as the bound, cut anywhere near it: up to the bound they are rewritten, past it they are passed on, and what follows is a line
 * again. */
static void long_lines(void **state) {
    bell_buf in, out, want;
    bell_m3u8 *m = new_rewriter(&out);

    (void)state;
    bell_buf_init(&in, 1 << 20);
    bell_buf_init(&want, 1 << 20);
    for (size_t len = BELL_M3U8_LINE_MAX - 2; len <= BELL_M3U8_LINE_MAX + 2; len++) {
        static const char *const heads[] = {"#EXT-X-KEY:URI=\"k\",X=\"", "s.ts?"};
        for (size_t h = 0; h < ROWS(heads); h++) {
            size_t pad = len - strlen(heads[h]) - (h == 0) - 1;
            bool fits = len <= BELL_M3U8_LINE_MAX;
            bell_buf_reset(&in);
            bell_buf_reset(&want);
            bell_buf_add_z(&in, "#EXTM3U\n");
            size_t start = in.len;
            bell_buf_add_z(&in, heads[h]);
            for (size_t i = 0; i < pad; i++) {
                bell_buf_add_char(&in, 'x');
            }
            bell_buf_add_z(&in, h == 0 ? "\"\n" : "\n");
            assert_int_equal(in.len - start, len);
            bell_buf_add_str(&want, bell_buf_str(&in));
            bell_buf_add_z(&in, "after.ts\n");
            size_t cuts[] = {start + 5, start + BELL_M3U8_LINE_MAX - 1, start + BELL_M3U8_LINE_MAX};
            for (size_t ncuts = 0; ncuts <= 3; ncuts++) {
                rewrite(m, bell_buf_str(&in), ncuts == 1 ? &cuts[2] : cuts, ncuts, &out);
                assert_int_equal(m->long_lines, !fits);
                /* the URI with so long a query resolves to more than is kept for one */
                assert_int_equal(m->changed, 1 + (fits && h == 0));
                assert_int_equal(out.len, in.len + strlen("?t=16") + (fits && h == 0 ? strlen("?t=9") : 0));
                assert_memory_equal(out.p + out.len - 14, "after.ts?t=16\n", 14);
            }
        }
    }
    bell_buf_reset(&in);
    for (size_t i = 0; i < 3 * BELL_M3U8_LINE_MAX; i++) { /* no line at all: passed on, not gathered */
        bell_buf_add_char(&in, '#');
    }
    rewrite(m, bell_buf_str(&in), NULL, 0, &out);
    assert_true(m->state == BELL_M3U8_OTHER && bell_str_eq(bell_buf_str(&in), bell_buf_str(&out)));
    bell_buf_fini(&in);
    bell_buf_fini(&out);
    bell_buf_fini(&want);
    free(m);
}

static void no_room(void **state) {
    bell_buf out;
    bell_m3u8 *m = malloc(sizeof(*m));
    char text[200];

    (void)state;
    bell_buf_init(&out, 32);
    bell_m3u8_init(m, &base, edit, text);
    assert_true(bell_m3u8_feed(m, BELL_STR("#EXTM3U\n12345678901234567890.ts"), &out));
    assert_false(bell_m3u8_end(m, &out));
    bell_buf_fini(&out);
    free(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines),      cmocka_unit_test(tags),       cmocka_unit_test(first_lines),
        cmocka_unit_test(boundaries), cmocka_unit_test(long_lines), cmocka_unit_test(no_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
