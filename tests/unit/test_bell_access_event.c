#include "bell_access_event.h"
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

#define ID "0123456789abcdef0123456789abcdef"

static const char session_line[] =
    "{\"at\":1763752345678,\"subject\":\"42\",\"by\":\"session\",\"path\":\"/media/9/film.mp4\",\"from\":0,\"to\":65536,"
    "\"size\":5242880,\"status\":206,\"id\":\"" ID "\"}\n";

static bell_access_event session_event(void) {
    return (bell_access_event){.at_ms = 1763752345678,
                               .from = 0,
                               .to = 65536,
                               .size = 5242880,
                               .status = 206,
                               .subject = BELL_STR("42"),
                               .by = BELL_STR("session"),
                               .path = BELL_STR("/media/9/film.mp4"),
                               .id = BELL_STR(ID)};
}

static bell_access_event token_event(void) {
    bell_access_event e = session_event();

    e.by = BELL_STR("path");
    e.issuer = BELL_STR("ours");
    return e;
}

static bell_str write_event(const bell_access_event *e) {
    static char line[BELL_ACCESS_LINE_BYTES];

    return (bell_str){line, bell_access_event_write(e, line)};
}

static void assert_same(const bell_access_event *a, const bell_access_event *b) {
    assert_true(a->at_ms == b->at_ms && a->from == b->from && a->to == b->to && a->size == b->size && a->status == b->status);
    assert_true(bell_str_eq(a->subject, b->subject) && bell_str_eq(a->by, b->by) && bell_str_eq(a->issuer, b->issuer));
    assert_true(bell_str_eq(a->path, b->path) && bell_str_eq(a->id, b->id));
}

static void what_is_written_is_what_the_page_says(void **state) {
    bell_access_event e = session_event();
    bell_str line = write_event(&e);

    (void)state;
    assert_int_equal(line.len, sizeof(session_line) - 1);
    assert_memory_equal(line.p, session_line, line.len);
    e = token_event();
    e.size = -1;
    line = write_event(&e);
    assert_non_null(memmem(line.p, line.len, ",\"by\":\"path\",\"issuer\":\"ours\",\"path\":", 36));
    assert_non_null(memmem(line.p, line.len, ",\"size\":-1,", 11));
}

static void what_is_written_is_read(void **state) {
    bell_access_event e = token_event(), back;
    bell_access_room room;
    bell_str line;

    (void)state;
    e.subject = BELL_STR("zo\xC3\xAB \"the\\one\" <b>");
    e.issuer = BELL_STR("a \"b\"");
    e.from = BELL_ACCESS_NUMBER_MAX - 2;
    e.to = BELL_ACCESS_NUMBER_MAX - 1;
    e.size = e.at_ms = BELL_ACCESS_NUMBER_MAX;
    line = write_event(&e);
    assert_true(line.len > 0 && line.p[line.len - 1] == '\n');
    assert_true(bell_access_event_read((bell_str){line.p, line.len - 1}, &room, &back));
    assert_same(&e, &back);
}

static void the_path_is_as_a_client_would_spell_it(void **state) {
    static const struct {
        const char *path, *written;
    } rows[] = {
        {"/", "/"},        {"/a?b=c", "/a"}, {"/a#b?c", "/a"}, {"/%41/b%2fc", "/%41/b%2fc"}, {"/\xC3\xAB\"\\ \x01\x7F", "/%C3%AB%22%5C%20%01%7F"},
        {"/\xFF", "/%FF"}, {"/?", "/"}};

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        bell_access_event e = session_event(), back;
        bell_access_room room;
        bell_str line;

        e.path = bell_str_of(rows[i].path);
        line = write_event(&e);
        assert_row(line.len > 0 && bell_access_event_read((bell_str){line.p, line.len - 1}, &room, &back), rows[i].path);
        assert_row(bell_str_eq(back.path, bell_str_of(rows[i].written)), rows[i].path);
    }
}

static void the_longest_is_written_and_read(void **state) {
    static char path[BELL_ACCESS_PATH_BYTES + 1], text[BELL_ACCESS_SUBJECT_BYTES + 1], by[BELL_ACCESS_BY_BYTES];
    bell_access_event e = token_event(), back;
    bell_access_room room;
    bell_str line;

    (void)state;
    memset(path, 'p', sizeof(path));
    memset(text, '"', sizeof(text));
    memset(by, 'k', sizeof(by));
    path[0] = '/';
    e.path = (bell_str){path, BELL_ACCESS_PATH_BYTES};
    e.subject = (bell_str){text, BELL_ACCESS_SUBJECT_BYTES};
    e.issuer = (bell_str){text, BELL_ACCESS_ISSUER_BYTES};
    e.by = (bell_str){by, sizeof(by)};
    e.from = BELL_ACCESS_NUMBER_MAX - 2;
    e.to = BELL_ACCESS_NUMBER_MAX - 1;
    e.size = e.at_ms = BELL_ACCESS_NUMBER_MAX;
    line = write_event(&e);
    assert_true(line.len > BELL_ACCESS_LINE_BYTES - 200 && line.len <= BELL_ACCESS_LINE_BYTES);
    assert_true(bell_access_event_read((bell_str){line.p, line.len - 1}, &room, &back));
    assert_same(&e, &back);

    e.path.len++;
    assert_int_equal(write_event(&e).len, 0);
    e.path.len -= 2;
    path[BELL_ACCESS_PATH_BYTES - 2] = ' ';
    assert_int_equal(write_event(&e).len, 0);
    e.path.len--;
    assert_true(write_event(&e).len > 0);
    e.subject.len++;
    assert_int_equal(write_event(&e).len, 0);
    e.subject.len--;
    e.issuer.len++;
    assert_int_equal(write_event(&e).len, 0);
}

static void a_rule_that_is_broken_is_nothing(void **state) {
    static const struct {
        const char *what;
        int64_t from, to, size;
        unsigned status;
        bool good;
    } ranges[] = {{"whole", 0, 10, 10, 200, true},
                  {"a part of a whole answer", 0, 9, 10, 200, true},
                  {"200 that begins later", 1, 10, 10, 200, false},
                  {"nothing", 5, 5, 10, 206, false},
                  {"backwards", 6, 5, 10, 206, false},
                  {"past the end", 0, 11, 10, 206, false},
                  {"no size", 3, 11, -1, 206, true},
                  {"before the beginning", -1, 5, 10, 206, false},
                  {"a size below -1", 0, 5, -2, 206, false},
                  {"another status", 0, 5, 10, 304, false},
                  {"past 2^53", 0, BELL_ACCESS_NUMBER_MAX + 1, -1, 206, false},
                  {"too large", 0, 1, BELL_ACCESS_NUMBER_MAX + 1, 206, false}};
    bell_access_event e;

    (void)state;
    for (size_t i = 0; i < ROWS(ranges); i++) {
        e = session_event();
        e.from = ranges[i].from;
        e.to = ranges[i].to;
        e.size = ranges[i].size;
        e.status = ranges[i].status;
        assert_row((write_event(&e).len > 0) == ranges[i].good, ranges[i].what);
    }
    static const struct {
        const char *what, *subject, *by, *issuer, *path, *id;
    } texts[] = {{"no subject", "", "session", "", "/", ID},
                 {"a control", "a\nb", "session", "", "/", ID},
                 {"DEL", "a\x7F", "session", "", "/", ID},
                 {"no UTF-8", "\xC3", "session", "", "/", ID},
                 {"no kind", "a", "", "ours", "/", ID},
                 {"a kind with quotes", "a", "a\"b", "ours", "/", ID},
                 {"a session with an issuer", "a", "session", "ours", "/", ID},
                 {"a token without one", "a", "path", "", "/", ID},
                 {"a control in the issuer", "a", "path", "o\tu", "/", ID},
                 {"no path", "a", "session", "", "", ID},
                 {"a path of another form", "a", "session", "", "media", ID},
                 {"no id", "a", "session", "", "/", ""},
                 {"an id in capitals", "a", "session", "", "/", "0123456789ABCDEF0123456789abcdef"},
                 {"a long id", "a", "session", "", "/", ID "0"}};
    for (size_t i = 0; i < ROWS(texts); i++) {
        e = session_event();
        e.subject = bell_str_of(texts[i].subject);
        e.by = bell_str_of(texts[i].by);
        e.issuer = bell_str_of(texts[i].issuer);
        e.path = bell_str_of(texts[i].path);
        e.id = bell_str_of(texts[i].id);
        assert_row(write_event(&e).len == 0, texts[i].what);
    }
}

#define REST "\"from\":0,\"to\":1,\"size\":2,\"status\":206,\"id\":\"" ID "\"}"
#define HEAD "{\"at\":1,\"subject\":\"a\",\"by\":\"session\",\"path\":\"/\","

static void what_others_write_is_read_strictly(void **state) {
    static const struct {
        const char *line;
        bool good;
    } rows[] = {{HEAD REST, true},
                {"{" REST, false},
                {"{\"path\":\"/\", \"by\":\"session\",\"subject\":\"\\u0061\",\"at\":1," REST, true},
                {HEAD "\"issuer\":\"\"," REST, false},
                {HEAD "\"issuer\":\"ours\"," REST, false},
                {HEAD "\"more\":1," REST, false},
                {HEAD "\"at\":1," REST, false},
                {"{\"at\":1.5,\"subject\":\"a\",\"by\":\"session\",\"path\":\"/\"," REST, false},
                {"{\"at\":\"1\",\"subject\":\"a\",\"by\":\"session\",\"path\":\"/\"," REST, false},
                {"{\"at\":-1,\"subject\":\"a\",\"by\":\"session\",\"path\":\"/\"," REST, false},
                {"{\"at\":99999999999999999999,\"subject\":\"a\",\"by\":\"session\",\"path\":\"/\"," REST, false},
                {"{\"at\":1,\"subject\":\"\\u0000\",\"by\":\"session\",\"path\":\"/\"," REST, false},
                {"{\"at\":1,\"subject\":\"\\n\",\"by\":\"session\",\"path\":\"/\"," REST, false},
                {"{\"at\":1,\"subject\":\"a\",\"by\":\"session\",\"path\":\"/a b\"," REST, false},
                {"{\"at\":1,\"subject\":\"a\",\"by\":\"session\",\"path\":\"/a?b\"," REST, false},
                {"{\"at\":1,\"subject\":\"a\",\"by\":\"session\",\"path\":\"\"," REST, false},
                {HEAD "\"from\":0,\"to\":1,\"size\":2,\"status\":4294967496,\"id\":\"" ID "\"}", false},
                {HEAD "\"from\":0,\"to\":1,\"size\":2,\"status\":206,\"id\":null}", false},
                {HEAD REST "x", false},
                {"[]", false},
                {"", false}};

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        bell_access_event e;
        bell_access_room room;

        assert_row(bell_access_event_read(bell_str_of(rows[i].line), &room, &e) == rows[i].good, rows[i].line);
    }
}

static void a_line_that_is_too_long_is_not_looked_at(void **state) {
    char line[BELL_ACCESS_LINE_BYTES + 1];
    bell_access_room room;
    bell_access_event e;

    (void)state;
    memset(line, ' ', sizeof(line));
    memcpy(line, HEAD REST, strlen(HEAD REST));
    assert_true(bell_access_event_read((bell_str){line, BELL_ACCESS_LINE_BYTES - 1}, &room, &e));
    assert_false(bell_access_event_read((bell_str){line, BELL_ACCESS_LINE_BYTES}, &room, &e));
}

static void a_batch_is_its_lines(void **state) {
    static char large[BELL_ACCESS_BATCH_BYTES + 1];
    bell_str text = BELL_STR("one\n\nthree"), line;

    (void)state;
    assert_true(bell_access_batch_next(&text, &line) && bell_str_eq(line, BELL_STR("one")));
    assert_true(bell_access_batch_next(&text, &line) && line.len == 0);
    assert_true(bell_access_batch_next(&text, &line) && bell_str_eq(line, BELL_STR("three")));
    assert_false(bell_access_batch_next(&text, &line));
    text = (bell_str){large, sizeof(large)};
    assert_false(bell_access_batch_next(&text, &line));
    text.len--;
    assert_true(bell_access_batch_next(&text, &line) && line.len == BELL_ACCESS_BATCH_BYTES);
}

static void a_stream_is_called_after_its_tenant(void **state) {
    char key[BELL_ACCESS_STREAM_BYTES];

    (void)state;
    assert_int_equal(bell_access_stream(7, key), 15);
    assert_string_equal(key, "bell:access:{7}");
    assert_int_equal(bell_access_stream(UINT32_MAX, key), 24);
    assert_string_equal(key, "bell:access:{4294967295}");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_what_the_page_says),    cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(the_path_is_as_a_client_would_spell_it),   cmocka_unit_test(the_longest_is_written_and_read),
        cmocka_unit_test(a_rule_that_is_broken_is_nothing),         cmocka_unit_test(what_others_write_is_read_strictly),
        cmocka_unit_test(a_line_that_is_too_long_is_not_looked_at), cmocka_unit_test(a_batch_is_its_lines),
        cmocka_unit_test(a_stream_is_called_after_its_tenant),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
