#include "origin/content/media_links.h"
#include "origin/courses/content.h"
#include "origin/server/worker.h"

#include <string.h>
#include <time.h>

#include "unit.h"

#define SECRET   "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define LIFETIME 3600

/* Rows of so many texts each, as PostgreSQL would give them. */
static PGresult *rows_of(const char *const *cells, int rows, int columns) {
    PGresult *r = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    PGresAttDesc columns_of[5] = {{.name = "a"}, {.name = "b"}, {.name = "c"}, {.name = "d"}, {.name = "e"}};

    assert_non_null(r);
    assert_true(PQsetResultAttrs(r, columns, columns_of));
    for (int i = 0; i < rows * columns; i++) {
        char cell[100];
        snprintf(cell, sizeof(cell), "%s", cells[i]);
        assert_true(PQsetvalue(r, i / columns, i % columns, cell, (int)strlen(cell)));
    }
    return r;
}

typedef struct {
    fb_settings settings;
    fb_worker worker;
    fb_job job;
} scene;

static void set(scene *s) {
    memset(s, 0, sizeof(*s));
    s->settings.media_link_lifetime_s = LIFETIME;
    s->worker.settings = &s->settings;
    s->job.worker = &s->worker;
    s->job.tenant_id = 7;
    s->job.session.user_id = 42;
}

static bool open_with(scene *s, fb_media_links *l, const char *const *cells, int rows) {
    PGresult *keys = rows_of(cells, rows, 5);
    bool ok = fb_media_links_open(l, &s->job, keys);
    PQclear(keys);
    return ok;
}

static const char *const assets[] = {"rain", "12", "rain-2", "13", "unused", "14"};

/* The content with its addresses; *named: a mark for each asset, such as "+-+". */
static void written(fb_media_links *l, const char *content, char *out, size_t out_len, char named[4]) {
    PGresult *known = rows_of(assets, 3, 2);
    bool marks[3] = {false, false, false};
    bell_buf buf;
    bell_json j;

    bell_buf_init(&buf, 65536);
    bell_json_init(&j, &buf);
    fb_content_write(&j, bell_str_of(content), known, l);
    fb_content_find_assets(bell_str_of(content), known, marks);
    assert_true(bell_json_done(&j));
    snprintf(out, out_len, "%.*s", (int)buf.len, buf.p);
    snprintf(named, 4, "%c%c%c", marks[0] ? '+' : '-', marks[1] ? '+' : '-', marks[2] ? '+' : '-');
    bell_buf_fini(&buf);
    PQclear(known);
}

static void plain_addresses(void **state) {
    static const struct {
        const char *content, *expected, *named;
    } rows[] = {
        {"", "null", "---"},
        {"{}", "{}", "---"},
        {"\"media:rain/a.m3u8\"", "\"/media/12/a.m3u8\"", "+--"},
        {"{\"hls\": \"media:rain/a.m3u8\", \"more\": [\"media:rain-2/b/c.vtt\", \"media:rain/d\"]}",
         "{\"hls\": \"/media/12/a.m3u8\", \"more\": [\"/media/13/b/c.vtt\", \"/media/12/d\"]}", "++-"},
        {"[\"media:none/a\", \"media:rain-2/a\"]", "[\"media:none/a\", \"/media/13/a\"]", "-+-"},
        {"[\"it says \\\"media:rain/a\\\"\", \"media:\", \"media:rain\"]", "[\"it says \\\"media:rain/a\\\"\", \"media:\", \"media:rain\"]", "---"},
        {"[\"media:\", \"media:rain/a\"]", "[\"media:\", \"/media/12/a\"]", "+--"},
    };
    fb_media_links l;
    scene s;

    (void)state;
    set(&s);
    assert_true(open_with(&s, &l, NULL, 0));
    for (size_t i = 0; i < ROWS(rows); i++) {
        char out[400], named[4];
        written(&l, rows[i].content, out, sizeof(out), named);
        assert_row(strcmp(out, rows[i].expected) == 0, out);
        assert_row(strcmp(named, rows[i].named) == 0, named);
    }
    fb_media_links_close(&l);
}

static void signed_addresses(void **state) {
    static const char *const keys[] = {"m1", "hex", SECRET, "0", "t"};
    const char *const beginning = "[\"/media/12/bell-token=v1.m1.7..";
    char out[1600], named[4], alone[800];
    fb_media_links l;
    scene s;

    (void)state;
    set(&s);
    assert_true(open_with(&s, &l, keys, 1));
    assert_true(l.token.until_s > l.now_s + LIFETIME * 3 / 4 && l.token.until_s <= l.now_s + LIFETIME);
    written(&l, "[\"media:rain/a\", \"media:rain-2/b\", \"media:rain/c\"]", out, sizeof(out), named);
    assert_memory_equal(out, beginning, strlen(beginning));
    const char *first = strstr(out, "/media/12/"), *second = strstr(out, "/media/13/bell-token="), *third = strstr(out + 10, ", \"/media/12/");
    assert_non_null(second);
    assert_non_null(third);
    size_t len = (size_t)(strstr(first, "/a\"") - first);
    assert_memory_equal(first, third + 3, len); /* of one folder, with another one written in between */
    assert_string_equal(third + 3 + len, "/c\"]");
    written(&l, "\"media:rain/a\"", alone, sizeof(alone), named);
    assert_memory_equal(alone + 1, first, len);
    fb_media_links_close(&l);
}

static void keys_that_sign(void **state) {
    static const struct {
        const char *what;
        const char *cells[10];
        int rows;
        const char *kid; /* "": none */
        bool ok;
    } rows[] = {
        {"there is none", {NULL}, 0, "", true},
        {"the first", {"a", "hex", SECRET, "0", "t", "b", "hex", SECRET, "0", "t"}, 2, "a", true},
        {"in base64url", {"a", "base64url", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", "0", "t"}, 1, "a", true},
        {"one that does not count", {"a", "hex", SECRET, "0", "f"}, 1, "", false},
        {"an id that no token can have", {"a.b", "hex", SECRET, "0", "t", "b", "hex", SECRET, "0", "t"}, 2, "b", true},
        {"another algorithm", {"a", "public", SECRET, "0", "t", "b", "hex", SECRET, "0", "t"}, 2, "b", true},
        {"no digits", {"a", "hex", "zz", "0", "t"}, 1, "", false},
        {"one that has ended by our clock", {"a", "hex", SECRET, "1700000000", "t", "b", "hex", SECRET, "0", "t"}, 2, "b", true},
        {"nothing else", {"a", "hex", SECRET, "1700000000", "t"}, 1, "", false},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        fb_media_links l;
        scene s;
        set(&s);
        assert_row(open_with(&s, &l, rows[i].cells, rows[i].rows) == rows[i].ok, rows[i].what);
        assert_row(strcmp(l.key != NULL ? l.key->id : "", rows[i].kid) == 0, rows[i].what);
        fb_media_links_close(&l);
    }
}

static void no_token_outlives_its_key(void **state) {
    char until[24];
    const char *const keys[] = {"m1", "hex", SECRET, until, "t"};
    fb_media_links l;
    scene s;

    (void)state;
    set(&s);
    snprintf(until, sizeof(until), "%lld", (long long)time(NULL) + 100);
    assert_true(open_with(&s, &l, keys, 1));
    char as_text[24];
    snprintf(as_text, sizeof(as_text), "%lld", (long long)l.token.until_s);
    assert_string_equal(as_text, until);
    fb_media_links_close(&l);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_addresses),
        cmocka_unit_test(signed_addresses),
        cmocka_unit_test(keys_that_sign),
        cmocka_unit_test(no_token_outlives_its_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
