/* Rows name the test of the public suite http-cache-tests that asks for the same, or a section of an RFC. Dates are seconds here: "@1000". */
#include "bell_conditional.h"
#include "bell_http_date.h"
#include "fields.h"
#include "unit.h"

/* what the tables say of a row */
#define NO   BELL_CONDITION_HOLDS
#define YES  BELL_CONDITION_NOT_MODIFIED
#define FAIL BELL_CONDITION_FAILED
#define ASK  BELL_CONDITION_FORWARD

static bool read_date(bell_str text, int64_t now_s, int64_t *unix_s) {
    uint64_t v;

    (void)now_s;
    if (text.len < 2 || text.p[0] != '@' || !bell_str_to_u64((bell_str){text.p + 1, text.len - 1}, INT64_MAX, &v)) {
        return false;
    }
    *unix_s = (int64_t)v;
    return true;
}

static bell_validators version(unsigned status, const char *etag, int64_t modified_s, int64_t date_s) {
    return (bell_validators){status, bell_str_of(etag), modified_s, date_s};
}

typedef struct {
    const char *why, *request;
    unsigned status;
    const char *etag;
    int64_t modified_s;
    bell_condition want;
} row;

static void at_a_cache(void **state) {
    static const row rows[] = {
        {"no condition", "", 200, "\"a\"", 1000, NO},
        {"conditional-etag-strong-respond", "If-None-Match: \"abcdef\"\n", 200, "\"abcdef\"", BELL_NO_TIME, YES},
        {"another tag", "If-None-Match: \"abcdeg\"\n", 200, "\"abcdef\"", BELL_NO_TIME, NO},
        {"letters count", "If-None-Match: \"ABCDEF\"\n", 200, "\"abcdef\"", BELL_NO_TIME, NO},
        {"conditional-etag-precedence: equal", "If-None-Match: \"abcdef\"\nIf-Modified-Since: @999\n", 200, "\"abcdef\"", 1000, YES},
        {"conditional-etag-precedence: not", "If-None-Match: \"x\"\nIf-Modified-Since: @2000\n", 200, "\"abcdef\"", 1000, NO},
        {"precedence without a tag", "If-None-Match: \"x\"\nIf-Modified-Since: @2000\n", 200, "", 1000, NO},
        {"conditional-etag-strong-respond-obs-text", "If-None-Match: \"abcdef\xFC\"\n", 200, "\"abcdef\xFC\"", BELL_NO_TIME, YES},
        {"conditional-etag-quoted-respond-unquoted", "If-None-Match: abcdef\n", 200, "\"abcdef\"", BELL_NO_TIME, NO},
        {"conditional-etag-unquoted-respond-unquoted", "If-None-Match: abcdef\n", 200, "abcdef", BELL_NO_TIME, YES},
        {"conditional-etag-unquoted-respond-quoted", "If-None-Match: \"abcdef\"\n", 200, "abcdef", BELL_NO_TIME, NO},
        {"conditional-etag-weak-respond", "If-None-Match: W/\"abcdef\"\n", 200, "W/\"abcdef\"", BELL_NO_TIME, YES},
        {"weak asks for strong", "If-None-Match: W/\"abcdef\"\n", 200, "\"abcdef\"", BELL_NO_TIME, YES},
        {"strong asks for weak", "If-None-Match: \"abcdef\"\n", 200, "W/\"abcdef\"", BELL_NO_TIME, YES},
        {"conditional-etag-weak-respond-lowercase", "If-None-Match: w/\"abcdef\"\n", 200, "w/\"abcdef\"", BELL_NO_TIME, YES},
        {"a small w is no mark", "If-None-Match: w/\"abcdef\"\n", 200, "W/\"abcdef\"", BELL_NO_TIME, NO},
        {"conditional-etag-weak-respond-backslash", "If-None-Match: W\\\"abcdef\"\n", 200, "W\\\"abcdef\"", BELL_NO_TIME, YES},
        {"conditional-etag-weak-respond-omit-slash", "If-None-Match: W\"abcdef\"\n", 200, "W\"abcdef\"", BELL_NO_TIME, YES},
        {"conditional-etag-strong-respond-multiple-first", "If-None-Match: \"abcdef\", \"1234\", \"5678\"\n", 200, "\"abcdef\"", BELL_NO_TIME, YES},
        {"conditional-etag-strong-respond-multiple-second", "If-None-Match: \"1234\", \"abcdef\", \"5678\"\n", 200, "\"abcdef\"", BELL_NO_TIME, YES},
        {"conditional-etag-strong-respond-multiple-last", "If-None-Match: \"1234\", \"5678\", \"abcdef\"\n", 200, "\"abcdef\"", BELL_NO_TIME, YES},
        {"lines", "If-None-Match: \"1\"\nIf-None-Match: ,W/\"2\",\n", 200, "\"2\"", BELL_NO_TIME, YES},
        {"without blanks", "If-None-Match: \"1\",\"2\"\n", 200, "\"2\"", BELL_NO_TIME, YES},
        {"a comma within", "If-None-Match: \"1,2\"\n", 200, "\"1,2\"", BELL_NO_TIME, YES},
        {"is no comma between", "If-None-Match: \"1,2\"\n", 200, "\"1\"", BELL_NO_TIME, NO},
        {"a backslash escapes nothing (8.8.3)", "If-None-Match: \"1\\\", \"2\"\n", 200, "\"2\"", BELL_NO_TIME, YES},
        {"empty tag", "If-None-Match: \"\"\n", 200, "\"\"", BELL_NO_TIME, YES},
        {"empty field", "If-None-Match:\n", 200, "\"1\"", BELL_NO_TIME, NO},
        {"empty field and no tag", "If-None-Match:\n", 200, "", BELL_NO_TIME, NO},
        {"empty field, and a date that is not looked at", "If-None-Match:\nIf-Modified-Since: @2000\n", 200, "", 1000, NO},
        {"open quote", "If-None-Match: \"1\n", 200, "\"1\"", BELL_NO_TIME, NO},
        {"star", "If-None-Match: *\n", 200, "\"1\"", BELL_NO_TIME, YES},
        {"star without a tag", "If-None-Match: *\n", 200, "", BELL_NO_TIME, YES},
        {"star in a list", "If-None-Match: *, \"2\"\n", 200, "\"1\"", BELL_NO_TIME, NO},
        {"star on a line of two", "If-None-Match: *\nIf-None-Match: \"2\"\n", 200, "\"1\"", BELL_NO_TIME, NO},
        {"conditional-lm-fresh", "If-Modified-Since: @1000\n", 200, "", 1000, YES},
        {"conditional-lm-fresh-earlier", "If-Modified-Since: @2000\n", 200, "", 1000, YES},
        {"modified later", "If-Modified-Since: @999\n", 200, "", 1000, NO},
        {"no Last-Modified: Date (RFC 9111, 4.3.2)", "If-Modified-Since: @5000\n", 200, "", BELL_NO_TIME, YES},
        {"no Last-Modified, and made later", "If-Modified-Since: @4999\n", 200, "", BELL_NO_TIME, NO},
        {"no date", "If-Modified-Since: yesterday\n", 200, "", 1000, NO},
        {"two dates", "If-Modified-Since: @2000\nIf-Modified-Since: @2000\n", 200, "", 1000, NO},
        {"404", "If-None-Match: \"a\"\n", 404, "\"a\"", 1000, NO},
        {"404 and a date", "If-Modified-Since: @2000\n", 404, "", 1000, NO},
        {"204", "If-None-Match: \"a\"\n", 204, "\"a\"", 1000, YES},
        {"If-Match", "If-Match: \"a\"\n", 200, "\"a\"", 1000, ASK},
        {"If-Match and If-None-Match", "If-None-Match: \"a\"\nIf-Match: \"a\"\n", 200, "\"a\"", 1000, ASK},
        {"If-Unmodified-Since", "If-Unmodified-Since: @1000\n", 200, "\"a\"", 1000, ASK},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        bell_str text = bell_str_of(rows[i].request);
        bell_fields fields = fields_of(&text);
        bell_condition_request request = {&fields, true, read_date, 0};
        bell_validators v = version(rows[i].status, rows[i].etag, rows[i].modified_s, 5000);
        assert_row(bell_condition_at_cache(&request, &v) == rows[i].want, rows[i].why);
    }
}

static void a_cache_answers_conditions_of_reads_only(void **state) {
    bell_str text = BELL_STR("If-None-Match: \"a\"\nIf-Modified-Since: @2000\n");
    bell_fields fields = fields_of(&text);
    bell_condition_request request = {&fields, false, read_date, 0};
    bell_validators v = version(200, "\"a\"", 1000, 5000);

    (void)state;
    assert_int_equal(bell_condition_at_cache(&request, &v), NO);
    request.is_read = true;
    assert_int_equal(bell_condition_at_cache(&request, &v), YES);
}

/* RFC 9110, 13.2.2. */
static void at_an_origin(void **state) {
    static const struct {
        row row;
        bool is_read;
    } rows[] = {
        {{"If-Match", "If-Match: \"b\", \"a\"\n", 200, "\"a\"", 1000, NO}, false},
        {{"If-Match of another", "If-Match: \"b\"\n", 200, "\"a\"", 1000, FAIL}, false},
        {{"If-Match is strong", "If-Match: W/\"a\"\n", 200, "\"a\"", 1000, FAIL}, false},
        {{"on both sides", "If-Match: \"a\"\n", 200, "W/\"a\"", 1000, FAIL}, false},
        {{"If-Match of no tag", "If-Match: a\n", 200, "a", 1000, FAIL}, false},
        {{"If-Match: *", "If-Match: *\n", 200, "", 1000, NO}, false},
        {{"If-Match: * of nothing", "If-Match: *\n", 0, NULL, 0, FAIL}, false},
        {{"If-Match before If-Unmodified-Since", "If-Match: \"a\"\nIf-Unmodified-Since: @1\n", 200, "\"a\"", 1000, NO}, false},
        {{"If-Unmodified-Since", "If-Unmodified-Since: @1000\n", 200, "", 1000, NO}, false},
        {{"If-Unmodified-Since, and it was", "If-Unmodified-Since: @999\n", 200, "", 1000, FAIL}, false},
        {{"If-Unmodified-Since no date", "If-Unmodified-Since: x\n", 200, "", 1000, NO}, false},
        {{"If-Unmodified-Since of an unknown time", "If-Unmodified-Since: @1\n", 200, "", BELL_NO_TIME, NO}, false},
        {{"If-None-Match of a read", "If-None-Match: W/\"a\"\n", 200, "\"a\"", 1000, YES}, true},
        {{"If-None-Match of a write", "If-None-Match: W/\"a\"\n", 200, "\"a\"", 1000, FAIL}, false},
        {{"If-None-Match: * makes it once", "If-None-Match: *\n", 200, "", 1000, FAIL}, false},
        {{"If-None-Match: * of nothing", "If-None-Match: *\n", 0, NULL, 0, NO}, false},
        {{"If-Match and then If-None-Match", "If-Match: \"a\"\nIf-None-Match: \"a\"\n", 200, "\"a\"", 1000, YES}, true},
        {{"If-Modified-Since", "If-Modified-Since: @1000\n", 200, "", 1000, YES}, true},
        {{"If-Modified-Since of a write", "If-Modified-Since: @1000\n", 200, "", 1000, NO}, false},
        {{"If-Modified-Since of an unknown time", "If-Modified-Since: @9000\n", 200, "", BELL_NO_TIME, NO}, true},
        {{"404 (13.2.1)", "If-Match: \"b\"\n", 404, "\"a\"", 1000, NO}, true},
        {{"nothing is asked", "", 200, "\"a\"", 1000, NO}, true},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        bell_str text = bell_str_of(rows[i].row.request);
        bell_fields fields = fields_of(&text);
        bell_condition_request request = {&fields, rows[i].is_read, read_date, 0};
        bell_validators v = version(rows[i].row.status, rows[i].row.etag, rows[i].row.modified_s, 5000);
        assert_row(bell_condition_at_origin(&request, rows[i].row.etag != NULL ? &v : NULL) == rows[i].row.want, rows[i].row.why);
    }
}

/* RFC 9110, 13.1.5. */
static void ranges(void **state) {
    static const struct {
        const char *why, *request, *etag;
        int64_t modified_s, date_s;
        bool want;
    } rows[] = {
        {"no If-Range", "Range: bytes=0-1\n", "", BELL_NO_TIME, BELL_NO_TIME, true},
        {"tag", "If-Range: \"a\"\n", "\"a\"", BELL_NO_TIME, 5000, true},
        {"another", "If-Range: \"b\"\n", "\"a\"", BELL_NO_TIME, 5000, false},
        {"weak", "If-Range: W/\"a\"\n", "W/\"a\"", BELL_NO_TIME, 5000, false},
        {"weak here", "If-Range: \"a\"\n", "W/\"a\"", BELL_NO_TIME, 5000, false},
        {"none here", "If-Range: \"a\"\n", "", 1000, 5000, false},
        {"a list is no tag", "If-Range: \"a\", \"b\"\n", "\"a\"", BELL_NO_TIME, 5000, false},
        {"twice", "If-Range: \"a\"\nIf-Range: \"a\"\n", "\"a\"", BELL_NO_TIME, 5000, false},
        {"no tag and no date", "If-Range: a\n", "a", 1000, 5000, false},
        {"date", "If-Range: @1000\n", "\"a\"", 1000, 5000, true},
        {"later", "If-Range: @1001\n", "", 1000, 5000, false},
        {"earlier", "If-Range: @999\n", "", 1000, 5000, false},
        {"a weak date (8.8.2.2)", "If-Range: @5000\n", "", 5000, 5000, false},
        {"a strong one", "If-Range: @4999\n", "", 4999, 5000, true},
        {"Date is not known", "If-Range: @1000\n", "", 1000, BELL_NO_TIME, false},
        {"nor Last-Modified", "If-Range: @1000\n", "", BELL_NO_TIME, 5000, false},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        bell_str text = bell_str_of(rows[i].request);
        bell_fields fields = fields_of(&text);
        bell_condition_request request = {&fields, true, read_date, 0};
        bell_validators v = version(200, rows[i].etag, rows[i].modified_s, rows[i].date_s);
        assert_row(bell_condition_takes_range(&request, &v) == rows[i].want, rows[i].why);
    }
}

/* With the parser that servers use: a date of two digits is of the century that the clock says (suite: conditional-lm-fresh-rfc850). */
static void real_dates(void **state) {
    static const struct {
        const char *request;
        bell_condition want;
    } rows[] = {
        {"If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\n", YES},
        {"If-Modified-Since: Sun, 06 Nov 1994 08:49:36 GMT\n", NO},
        {"If-Modified-Since: Sunday, 06-Nov-94 08:49:37 GMT\n", YES},
        {"If-Modified-Since: Sunday, 06-Nov-94 08:49:36 GMT\n", NO},
        {"If-Modified-Since: 784111777\n", NO},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        bell_str text = bell_str_of(rows[i].request);
        bell_fields fields = fields_of(&text);
        bell_condition_request request = {&fields, true, bell_http_date_parse, 1800000000};
        bell_validators v = version(200, "", 784111777, 1800000000);
        assert_row(bell_condition_at_cache(&request, &v) == rows[i].want, rows[i].request);
    }
}

/* RFC 9111, 4.3.1. */
static void tags_that_are_sent(void **state) {
    static const struct {
        const char *etags[5], *want;
    } rows[] = {
        {{"\"abcdef\""}, "\"abcdef\""},
        {{"W/\"abcdef\""}, "W/\"abcdef\""},
        {{"abcdef"}, "abcdef"}, /* as its origin knows it */
        {{"\"a\"", "", "W/\"b\"", "\"a\"", "\"c,d\""}, "\"a\", W/\"b\", \"c,d\""},
        {{"*", "a,b", "\"a\", \"b\"", "a\nb", "c"}, "c"},
        {{"\"a", "\"b\"", "c\"d"}, "\"b\""}, /* an odd quote would take in the comma behind it */
        {{""}, ""},
    };
    bell_str etags[BELL_CONDITION_ETAGS_MAX + 1];
    char out[200], names[BELL_CONDITION_ETAGS_MAX + 1][4];

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        for (size_t j = 0; j < 5; j++) {
            etags[j] = bell_str_of(rows[i].etags[j]);
        }
        size_t len = bell_condition_write_etags(etags, 5, out, sizeof(out));
        assert_row(bell_str_eq((bell_str){out, len}, bell_str_of(rows[i].want)), rows[i].want);
    }
    for (size_t j = 0; j <= BELL_CONDITION_ETAGS_MAX; j++) {
        memcpy(names[j], (char[]){'"', (char)('a' + j), '"', '\0'}, 4);
        etags[j] = bell_str_of(names[j]);
    }
    assert_int_equal(bell_condition_write_etags(etags, BELL_CONDITION_ETAGS_MAX + 1, out, sizeof(out)), BELL_CONDITION_ETAGS_MAX * 5 - 2);
    for (size_t room = 0; room < 20; room++) {
        assert_int_equal(bell_condition_write_etags(etags, 4, out, room), room >= 18 ? 18 : room < 3 ? 0 : (room - 3) / 5 * 5 + 3);
    }
    assert_int_equal(bell_condition_write_etags(NULL, 0, out, sizeof(out)), 0);
}

/* RFC 9111, 4.3.4. */
static void what_a_304_is_about(void **state) {
    static const struct {
        const char *why;
        struct {
            const char *etag;
            int64_t modified_s, date_s;
        } stored[3];
        unsigned n;
        const char *etag;
        int64_t modified_s;
        const char *selected; /* a letter for each: 'x' is */
    } rows[] = {
        {"strong", {{"\"a\"", BELL_NO_TIME, 1}, {"\"b\"", BELL_NO_TIME, 2}}, 2, "\"a\"", BELL_NO_TIME, "x."},
        {"all with it", {{"\"a\"", BELL_NO_TIME, 1}, {"\"b\"", BELL_NO_TIME, 2}, {"\"a\"", BELL_NO_TIME, 3}}, 3, "\"a\"", BELL_NO_TIME, "x.x"},
        {"304-etag-update-response-ETag: another one", {{"\"a\"", BELL_NO_TIME, 1}}, 1, "\"b\"", BELL_NO_TIME, "."},
        {"strong is not weak", {{"W/\"a\"", 1000, 1}}, 1, "\"a\"", 1000, "."},
        {"strong, whatever the date", {{"\"a\"", 1000, 1}}, 1, "\"a\"", 2000, "x"},
        {"weak: the latest",
         {{"W/\"a\"", BELL_NO_TIME, 1}, {"W/\"a\"", BELL_NO_TIME, 3}, {"W/\"a\"", BELL_NO_TIME, 2}},
         3,
         "W/\"a\"",
         BELL_NO_TIME,
         ".x."},
        {"weak: another one", {{"W/\"a\"", 1000, 1}}, 1, "W/\"b\"", 1000, "."},
        {"weak of strong", {{"\"a\"", 1000, 1}}, 1, "W/\"a\"", 1000, "x"},
        {"no tag that is one, but the same", {{"a", 1000, 1}}, 1, "a", 1000, "x"},
        {"date", {{"", 1000, 1}, {"\"a\"", 2000, 2}}, 2, "", 1000, "x."},
        {"date: the latest", {{"", 1000, 1}, {"\"a\"", 1000, 2}}, 2, "", 1000, ".x"},
        {"date: another one", {{"", 1000, 1}}, 1, "", 1001, "."},
        {"a tag where none was", {{"", 1000, 1}}, 1, "\"a\"", 1000, "."},
        {"no word, one asked about", {{"\"a\"", 1000, 1}}, 1, "", BELL_NO_TIME, "x"},
        {"no word, one that says none", {{"", BELL_NO_TIME, 1}}, 1, "", BELL_NO_TIME, "x"},
        {"no word, several", {{"\"a\"", 1000, 1}, {"\"b\"", 1000, 2}}, 2, "", BELL_NO_TIME, ".."},
        {"nothing stored", {{"", 0, 0}}, 0, "\"a\"", BELL_NO_TIME, ""},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        bell_validators stored[3], answer = version(304, rows[i].etag, rows[i].modified_s, 5000);
        bool selected[3] = {true, true, true};
        unsigned want = 0;
        for (size_t j = 0; j < rows[i].n; j++) {
            stored[j] = version(200, rows[i].stored[j].etag, rows[i].stored[j].modified_s, rows[i].stored[j].date_s);
            want += rows[i].selected[j] == 'x';
        }
        assert_row(bell_condition_select(stored, rows[i].n, &answer, selected) == want, rows[i].why);
        for (size_t j = 0; j < rows[i].n; j++) {
            assert_row(selected[j] == (rows[i].selected[j] == 'x'), rows[i].why);
        }
    }
}

/* RFC 9111, 4.3.5. */
static void answers_to_head(void **state) {
    static const struct {
        const char *why, *was, *is;
        int64_t was_modified_s, is_modified_s, was_bytes, is_bytes;
        bool agrees;
    } rows[] = {
        {"the same", "\"a\"", "\"a\"", 1000, 1000, 5, 5, true},
        {"nothing is said", "\"a\"", "", 1000, BELL_NO_TIME, 5, -1, true},
        {"another tag", "\"a\"", "\"b\"", 1000, 1000, 5, 5, false},
        {"weak now", "\"a\"", "W/\"a\"", 1000, 1000, 5, 5, false},
        {"a tag where none was", "", "\"a\"", 1000, 1000, 5, 5, false},
        {"another time", "\"a\"", "\"a\"", 1000, 1001, 5, 5, false},
        {"a time where none was", "\"a\"", "\"a\"", BELL_NO_TIME, 1000, 5, 5, false},
        {"another length", "\"a\"", "\"a\"", 1000, 1000, 5, 6, false},
        {"a length where none was", "\"a\"", "\"a\"", 1000, 1000, -1, 0, false},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        bell_validators was = version(200, rows[i].was, rows[i].was_modified_s, 5000), is = version(200, rows[i].is, rows[i].is_modified_s, 6000);
        assert_row(bell_condition_head_agrees(&was, rows[i].was_bytes, &is, rows[i].is_bytes) == rows[i].agrees, rows[i].why);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(at_a_cache),          cmocka_unit_test(a_cache_answers_conditions_of_reads_only),
        cmocka_unit_test(at_an_origin),        cmocka_unit_test(ranges),
        cmocka_unit_test(real_dates),          cmocka_unit_test(tags_that_are_sent),
        cmocka_unit_test(what_a_304_is_about), cmocka_unit_test(answers_to_head),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
