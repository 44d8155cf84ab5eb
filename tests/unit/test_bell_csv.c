#include "bell_csv.h"
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

/* What was read, as text: line[field|field] for each record. */
typedef struct {
    char text[4096];
    size_t len;
    size_t stop_after; /* records; 0: never */
    size_t records;
} transcript;

static bool on_record(void *arg, const bell_csv_record *rec) {
    transcript *t = arg;

    t->len += (size_t)snprintf(t->text + t->len, sizeof(t->text) - t->len, "%llu[", (unsigned long long)rec->line);
    for (size_t i = 0; i < rec->nfields; i++) {
        t->len += (size_t)snprintf(t->text + t->len, sizeof(t->text) - t->len, "%s%.*s", i ? "|" : "", BELL_STR_ARG(rec->fields[i]));
    }
    t->len += (size_t)snprintf(t->text + t->len, sizeof(t->text) - t->len, "]");
    return ++t->records != t->stop_after;
}

static bool read_all(bell_csv *c, const char *bytes, size_t len, size_t piece) {
    for (size_t at = 0; at < len; at += piece) {
        size_t n = len - at < piece ? len - at : piece;
        char *copy = malloc(n);
        bool good;

        memcpy(copy, bytes + at, n);
        good = bell_csv_feed(c, copy, n);
        free(copy);
        if (!good) {
            return false;
        }
    }
    return bell_csv_end(c);
}

/* The whole, and cut into pieces of every size: one transcript, one error. */
static void assert_read(const char *bytes, size_t len, const char *expected, const char *error, uint64_t error_line) {
    for (size_t piece = 1; piece <= len + 1; piece++) {
        transcript t = {0};
        bell_csv c;
        bool good;

        bell_csv_init(&c, 40, on_record, &t);
        good = read_all(&c, bytes, len, piece);
        if (strcmp(t.text, expected) != 0) {
            fail_msg("\"%s\" in pieces of %zu: read %s, expected %s", bytes, piece, t.text, expected);
        }
        assert_row(good == (error == NULL), bytes);
        assert_string_equal(c.error, error ? error : "");
        assert_int_equal(c.error_line, error_line);
        bell_csv_fini(&c);
    }
}

static void good_files(void **state) {
    static const struct {
        const char *bytes, *expected;
    } rows[] = {
        {"", ""},
        {"\n", ""},
        {"\r\n\n\r\n", ""},
        {"a", "1[a]"},
        {"a,b\r\nc,d\r\n", "1[a|b]2[c|d]"},
        {"a,b\nc,d\n", "1[a|b]2[c|d]"},
        {"a,b\nc,d", "1[a|b]2[c|d]"},
        {"a\r\nb\nc", "1[a]2[b]3[c]"},
        {"a\n\n\r\nb\n", "1[a]4[b]"},
        {",", "1[|]"},
        {",\n", "1[|]"},
        {",,\r\n", "1[||]"},
        {"a,\n,b\n", "1[a|]2[|b]"},
        {"\"\"", "1[]"},
        {"\"\"\n", "1[]"},
        {"\"\",\"\"\n", "1[|]"},
        {"\"a\",\"b\"\r\n", "1[a|b]"},
        {"\"a,b\",c", "1[a,b|c]"},
        {"\"a\"\"b\"", "1[a\"b]"},
        {"\"\"\"\"", "1[\"]"},
        {"\"\"\"a\"\"\"\n", "1[\"a\"]"},
        {" a , b \n", "1[ a | b ]"},
        {" ", "1[ ]"},
        {"\t\n", "1[\t]"},
        {"\xC3\xA4,\xE2\x82\xAC\n", "1[\xC3\xA4|\xE2\x82\xAC]"},
        {"\xEF\xBB\xBF"
         "a,b\n",
         "1[a|b]"},
        {"\xEF\xBB\xBF\"a\"\n", "1[a]"},
        {"\xEF\xBB\xBF", ""},
        {"\xEF\xBB\xBF\n", ""},
        {"\xEF\xBC\x81"
         "a",
         "1[\xEF\xBC\x81"
         "a]"}, /* begins as a byte order mark does */
        {"\xEF\xBB\xBE"
         "a",
         "1[\xEF\xBB\xBE"
         "a]"},
        {"a\n\xEF\xBB\xBF"
         "b\n",
         "1[a]2[\xEF\xBB\xBF"
         "b]"}, /* not at the start: text */
        {"'a','b'\n", "1['a'|'b']"},
        {"0123456789012345678901234567890123456789\n", "1[0123456789012345678901234567890123456789]"},
        {"0123456789,0123456789,0123456789,0123456789\n", "1[0123456789|0123456789|0123456789|0123456789]"},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        assert_read(rows[i].bytes, strlen(rows[i].bytes), rows[i].expected, NULL, 0);
    }
}

static void bad_files(void **state) {
    static const char in_unquoted[] = "field 2 has a quote inside but is not quoted", behind[] = "field 1 has text behind its closing quote";
    static const char line_break[] = "field 2 has a line break inside its quotes, or its closing quote is missing";
    static const char bare_cr[] = "a carriage return has no line feed behind it";
    static const struct {
        const char *bytes, *expected, *error;
        uint64_t line;
    } rows[] = {
        {"a,b\"c\n", "", in_unquoted, 1},
        {"a\n\nb, \"c\"\n", "1[a]", in_unquoted, 3},
        {"a,b\"\n", "", in_unquoted, 1},
        {"\"a\"b\n", "", behind, 1},
        {"\"a\" ,b\n", "", behind, 1},
        {"x\n\"a\" \n", "1[x]", behind, 2},
        {"a,\"b\nc\"\n", "", line_break, 1},
        {"a,\"b\r\nc\"\n", "", line_break, 1},
        {"a,\"b\rc\"\n", "", line_break, 1},
        {"a,\"\n", "", line_break, 1},
        {"a,\"b", "", "the file ends inside the quotes of field 2", 1},
        {"a\n\"", "1[a]", "the file ends inside the quotes of field 1", 2},
        {"a\rb\n", "", bare_cr, 1},
        {"a\r", "", bare_cr, 1},
        {"\r", "", bare_cr, 1},
        {"a\r\r\n", "", bare_cr, 1},
        {"\r\r\n", "", bare_cr, 1},
        {"\"a\"\rb", "", bare_cr, 1},
        {"a,\xFF\n", "", "field 2 is not UTF-8 text", 1},
        {"x\r\na,b,\xE4\r\n", "1[x]", "field 3 is not UTF-8 text", 2},
        {"\xC3,\xA4\n", "", "field 1 is not UTF-8 text", 1}, /* one character over two fields is none */
        {"\xC3\n\xA4", "", "field 1 is not UTF-8 text", 1},
        {"\"\xC3\"\"\xA4\"", "", "field 1 is not UTF-8 text", 1},
        {"\xEF", "", "field 1 is not UTF-8 text", 1},
        {"\xEF\xBB", "", "field 1 is not UTF-8 text", 1},
        {"\xEF\xBB,", "", "field 1 is not UTF-8 text", 1},
        {"\xFE\xFF", "", "field 1 is not UTF-8 text", 1}, /* UTF-16 */
        {"01234567890123456789012345678901234567890\n", "", "the record is longer than 40 bytes", 1},
        {"a\n0123456789,0123456789,0123456789,01234567890\n", "1[a]", "the record is longer than 40 bytes", 2},
        {"\"01234567890123456789012345678901234567890", "", "the record is longer than 40 bytes", 1},
        {"\"0123456789012345678901234567890123456789\"\"\"", "", "the record is longer than 40 bytes", 1},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        assert_read(rows[i].bytes, strlen(rows[i].bytes), rows[i].expected, rows[i].error, rows[i].line);
    }
}

static void nul_bytes(void **state) {
    (void)state;
    assert_read("a\0b\n", 4, "", "field 1 holds a NUL byte", 1);
    assert_read("\0", 1, "", "field 1 holds a NUL byte", 1);
    assert_read("a,\"\0\"\n", 6, "", "field 2 holds a NUL byte", 1);
    assert_read("a\0,\n", 4, "", "field 1 holds a NUL byte", 1);
}

static void fields_have_a_bound(void **state) {
    char bytes[300];

    (void)state;
    for (size_t commas = BELL_CSV_FIELDS_MAX - 1; commas <= BELL_CSV_FIELDS_MAX; commas++) {
        transcript t = {0};
        bell_csv c;

        memset(bytes, ',', sizeof(bytes));
        bell_csv_init(&c, 1000, on_record, &t);
        assert_int_equal(read_all(&c, bytes, commas, 7), commas < BELL_CSV_FIELDS_MAX);
        assert_string_equal(c.error, commas < BELL_CSV_FIELDS_MAX ? "" : "the record has more than 256 fields");
        bell_csv_fini(&c);
    }
}

/* The callback may stop the reading; that is no error, and it is final. */
static void stopping(void **state) {
    transcript t = {.stop_after = 2};
    bell_csv c;

    (void)state;
    bell_csv_init(&c, 40, on_record, &t);
    assert_false(bell_csv_feed(&c, "a\nb\nc\n", 6));
    assert_string_equal(t.text, "1[a]2[b]");
    assert_string_equal(c.error, "");
    assert_false(bell_csv_feed(&c, "d\n", 2));
    assert_false(bell_csv_feed(&c, "", 0));
    assert_false(bell_csv_end(&c));
    assert_string_equal(t.text, "1[a]2[b]");
    bell_csv_fini(&c);
}

static void an_error_is_final(void **state) {
    transcript t = {0};
    bell_csv c;

    (void)state;
    bell_csv_init(&c, 40, on_record, &t);
    assert_false(bell_csv_feed(&c, "a\rb\n", 4));
    assert_false(bell_csv_feed(&c, "c\n", 2));
    assert_false(bell_csv_end(&c));
    assert_int_equal(t.records, 0);
    bell_csv_fini(&c);
}

static void an_end_is_an_end_of_one_record_only(void **state) {
    transcript t = {0};
    bell_csv c;

    (void)state;
    bell_csv_init(&c, 40, on_record, &t);
    assert_true(bell_csv_feed(&c, "a", 1));
    assert_true(bell_csv_end(&c));
    assert_true(bell_csv_end(&c));
    assert_string_equal(t.text, "1[a]");
    bell_csv_fini(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_files),
        cmocka_unit_test(bad_files),
        cmocka_unit_test(nul_bytes),
        cmocka_unit_test(fields_have_a_bound),
        cmocka_unit_test(stopping),
        cmocka_unit_test(an_error_is_final),
        cmocka_unit_test(an_end_is_an_end_of_one_record_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
