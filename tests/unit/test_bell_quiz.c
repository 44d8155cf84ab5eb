#include "bell_quiz.h"
#include "unit.h"

#define CHOICES "\"choices\":[{\"id\":\"a\",\"text\":\"A\"},{\"id\":\"b\",\"text\":\"B\"},{\"id\":\"c\",\"text\":\"C\"}]"
#define Q1      "{\"id\":\"q1\",\"prompt\":\"One?\",\"kind\":\"single\"," CHOICES ",\"answer\":[\"a\"],\"explanation\":\"Since A.\"}"
#define Q2      "{\"id\":\"q2\",\"prompt\":\"Two?\",\"kind\":\"multiple\"," CHOICES ",\"answer\":[\"a\",\"c\"],\"secret\":\"x\"}"
#define Q3      "{\"id\":\"q3\",\"prompt\":\"Three?\",\"kind\":\"single\"," CHOICES ",\"answer\":[\"b\"]}"
#define QUIZ    "{\"pass_score\":66,\"questions\":[" Q1 "," Q2 "," Q3 "],\"note\":\"x\"}"

/* Content of one question. */
#define ONE(kind, choices, answer)                                                                                                                   \
    "{\"pass_score\":60,\"questions\":[{\"id\":\"q\",\"prompt\":\"?\",\"kind\":" kind ",\"choices\":" choices ",\"answer\":" answer "}]}"
#define AB "[{\"id\":\"a\",\"text\":\"A\"},{\"id\":\"b\",\"text\":\"B\"}]"

static bool write_public(const char *content, bell_buf *out) {
    bell_json j;

    bell_buf_init(out, 10000);
    bell_json_init(&j, out);
    if (!bell_quiz_write_public(bell_str_of(content), &j)) {
        assert_int_equal(out->len, 0);
        return false;
    }
    assert_true(bell_json_done(&j));
    return true;
}

static void students_see_no_answers(void **state) {
    static const char expected[] = "{\"pass_score\":66,\"questions\":["
                                   "{\"id\":\"q1\",\"prompt\":\"One?\",\"kind\":\"single\"," CHOICES "},"
                                   "{\"id\":\"q2\",\"prompt\":\"Two?\",\"kind\":\"multiple\"," CHOICES "},"
                                   "{\"id\":\"q3\",\"prompt\":\"Three?\",\"kind\":\"single\"," CHOICES "}]}";
    bell_buf out;

    (void)state;
    assert_true(write_public(QUIZ, &out));
    assert_true(bell_str_eq(bell_buf_str(&out), BELL_STR(expected)));
    bell_buf_fini(&out);
}

static void what_is_a_quiz(void **state) {
    static const struct {
        const char *content;
        bool good;
    } rows[] = {
        {QUIZ, true},
        {ONE("\"single\"", AB, "[\"b\"]"), true},
        {ONE("\"multiple\"", AB, "[\"b\"]"), true},
        {ONE("\"multiple\"", AB, "[\"b\",\"a\"]"), true},
        {"", false},
        {"{", false},
        {"[]", false},
        {"{}", false},
        {QUIZ "x", false},
        {"{\"questions\":[" Q1 "]}", false},
        {"{\"pass_score\":101,\"questions\":[" Q1 "]}", false},
        {"{\"pass_score\":-1,\"questions\":[" Q1 "]}", false},
        {"{\"pass_score\":\"60\",\"questions\":[" Q1 "]}", false},
        {"{\"pass_score\":60.5,\"questions\":[" Q1 "]}", false},
        {"{\"pass_score\":60,\"questions\":[]}", false},
        {"{\"pass_score\":60,\"questions\":{}}", false},
        {"{\"pass_score\":60,\"questions\":[1]}", false},
        {"{\"pass_score\":60,\"questions\":[" Q1 "," Q1 "]}", false},
        {"{\"pass_score\":60,\"pass_score\":60,\"questions\":[" Q1 "]}", false},
        {ONE("\"other\"", AB, "[\"a\"]"), false},
        {ONE("1", AB, "[\"a\"]"), false},
        {ONE("\"single\"", AB, "[\"a\",\"b\"]"), false},
        {ONE("\"single\"", AB, "[]"), false},
        {ONE("\"multiple\"", AB, "[]"), false},
        {ONE("\"multiple\"", AB, "[\"a\",\"a\"]"), false},
        {ONE("\"single\"", AB, "[\"z\"]"), false},
        {ONE("\"single\"", AB, "\"a\""), false},
        {ONE("\"single\"", AB, "[1]"), false},
        {ONE("\"single\"", "[]", "[\"a\"]"), false},
        {ONE("\"single\"", "[{\"id\":\"a\"}]", "[\"a\"]"), false},
        {ONE("\"single\"", "[{\"text\":\"a\"}]", "[\"a\"]"), false},
        {ONE("\"single\"", "[{\"id\":\"\",\"text\":\"a\"}]", "[\"\"]"), false},
        {ONE("\"single\"", "[{\"id\":1,\"text\":\"a\"}]", "[1]"), false},
        {ONE("\"single\"", "[{\"id\":\"a\",\"text\":\"A\"},{\"id\":\"a\",\"text\":\"B\"}]", "[\"a\"]"), false},
        {"{\"pass_score\":60,\"questions\":[{\"id\":\"q\",\"kind\":\"single\",\"choices\":" AB ",\"answer\":[\"a\"]}]}", false},
        {"{\"pass_score\":60,\"questions\":[{\"id\":\"q\",\"prompt\":\"?\",\"kind\":\"single\",\"choices\":" AB
         ",\"answer\":[\"a\"],\"explanation\":1}]}",
         false},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        bell_buf out;

        assert_row(write_public(rows[i].content, &out) == rows[i].good, rows[i].content);
        bell_buf_fini(&out);
    }
}

static bool grade(const char *content, const char *attempt, bell_quiz_result *r, bell_buf *out, char err[200]) {
    bell_json j;

    bell_buf_init(out, 10000);
    bell_json_init(&j, out);
    err[0] = '\0';
    if (!bell_quiz_grade(bell_str_of(content), bell_str_of(attempt), r, &j, err, 200)) {
        assert_int_equal(out->len, 0);
        assert_true(err[0] != '\0');
        return false;
    }
    assert_true(bell_json_done(&j));
    return true;
}

static void scores(void **state) {
    static const struct {
        const char *attempt;
        int32_t score;
        bool passed;
    } rows[] = {
        {"{\"answers\":{\"q1\":[\"a\"],\"q2\":[\"a\",\"c\"],\"q3\":[\"b\"]}}", 10000, true},
        {"{\"answers\":{\"q1\":[\"a\"],\"q2\":[\"c\",\"a\"],\"q3\":[\"b\"]}}", 10000, true},
        {"{\"answers\":{\"q1\":[\"a\"],\"q2\":[\"c\",\"a\"],\"q3\":[\"a\"]}}", 6667, true},
        {"{\"answers\":{\"q1\":[\"a\"],\"q2\":[\"a\"],\"q3\":[\"b\"]}}", 6667, true},
        {"{\"answers\":{\"q1\":[\"a\"],\"q2\":[\"a\",\"b\",\"c\"],\"q3\":[]}}", 3333, false},
        {"{\"answers\":{\"q1\":[\"a\"]}}", 3333, false},
        {"{\"answers\":{\"q1\":[\"b\"]}}", 0, false},
        {"{\"answers\":{}}", 0, false},
        {"{\"answers\":{\"q1\":[\"a\"]},\"more\":1}", 3333, false},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        bell_quiz_result r;
        bell_buf out;
        char err[200];

        assert_row(grade(QUIZ, rows[i].attempt, &r, &out, err), rows[i].attempt);
        assert_row(r.score_hundredths == rows[i].score, rows[i].attempt);
        assert_row(r.passed == rows[i].passed, rows[i].attempt);
        bell_buf_fini(&out);
    }
}

static void verdicts(void **state) {
    static const char expected[] =
        "[{\"id\":\"q1\",\"correct\":true,\"explanation\":\"Since A.\"},{\"id\":\"q2\",\"correct\":false,\"explanation\":null},"
        "{\"id\":\"q3\",\"correct\":false,\"explanation\":null}]";
    bell_quiz_result r;
    bell_buf out;
    char err[200];

    (void)state;
    assert_true(grade(QUIZ, "{\"answers\":{\"q1\":[\"a\"],\"q2\":[\"b\"]}}", &r, &out, err));
    assert_true(bell_str_eq(bell_buf_str(&out), BELL_STR(expected)));
    bell_buf_fini(&out);
}

/* Two of three are 66.666…: rounding must not lift them over a mark of 67. */
static void the_mark_is_compared_exactly(void **state) {
    static const struct {
        const char *content, *attempt;
        bool passed;
    } rows[] = {
        {"{\"pass_score\":66,\"questions\":[" Q1 "," Q2 "," Q3 "]}", "{\"answers\":{\"q1\":[\"a\"],\"q3\":[\"b\"]}}", true},
        {"{\"pass_score\":67,\"questions\":[" Q1 "," Q2 "," Q3 "]}", "{\"answers\":{\"q1\":[\"a\"],\"q3\":[\"b\"]}}", false},
        {"{\"pass_score\":100,\"questions\":[" Q1 "," Q3 "]}", "{\"answers\":{\"q1\":[\"a\"],\"q3\":[\"b\"]}}", true},
        {"{\"pass_score\":50,\"questions\":[" Q1 "," Q2 "]}", "{\"answers\":{\"q1\":[\"a\"]}}", true},
        {"{\"pass_score\":51,\"questions\":[" Q1 "," Q2 "]}", "{\"answers\":{\"q1\":[\"a\"]}}", false},
        {"{\"pass_score\":0,\"questions\":[" Q2 "]}", "{\"answers\":{}}", true},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        bell_quiz_result r;
        bell_buf out;
        char err[200];

        assert_row(grade(rows[i].content, rows[i].attempt, &r, &out, err), rows[i].content);
        assert_row(r.passed == rows[i].passed, rows[i].content);
        bell_buf_fini(&out);
    }
}

static void attempts_that_are_refused(void **state) {
    static const struct {
        const char *attempt, *err;
    } rows[] = {
        {"", "the attempt is not a JSON object with \"answers\", an object of lists"},
        {"[]", "the attempt is not a JSON object with \"answers\", an object of lists"},
        {"{}", "the attempt is not a JSON object with \"answers\", an object of lists"},
        {"{\"answers\":[]}", "the attempt is not a JSON object with \"answers\", an object of lists"},
        {"{\"answers\":null}", "the attempt is not a JSON object with \"answers\", an object of lists"},
        {"{\"answers\":{}}x", "the attempt is not a JSON object with \"answers\", an object of lists"},
        {"{\"answers\":{},\"answers\":{}}", "the attempt is not a JSON object with \"answers\", an object of lists"},
        {"{\"answers\":{\"q9\":[\"a\"]}}", "there is no question \"q9\" in this quiz"},
        {"{\"answers\":{\"\":[\"a\"]}}", "there is no question \"\" in this quiz"},
        {"{\"answers\":{\"q1\":\"a\"}}", "the answer to question \"q1\" is not a list of its choices, each at most once"},
        {"{\"answers\":{\"q1\":null}}", "the answer to question \"q1\" is not a list of its choices, each at most once"},
        {"{\"answers\":{\"q1\":[1]}}", "the answer to question \"q1\" is not a list of its choices, each at most once"},
        {"{\"answers\":{\"q1\":[\"z\"]}}", "the answer to question \"q1\" is not a list of its choices, each at most once"},
        {"{\"answers\":{\"q2\":[\"a\",\"a\"]}}", "the answer to question \"q2\" is not a list of its choices, each at most once"},
        {"{\"answers\":{\"q1\":[\"a\",\"b\"]}}", "question \"q1\" takes one choice, but 2 were given"},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        bell_quiz_result r;
        bell_buf out;
        char err[200];

        assert_row(!grade(QUIZ, rows[i].attempt, &r, &out, err), rows[i].attempt);
        assert_string_equal(err, rows[i].err);
        bell_buf_fini(&out);
    }
}

static void content_that_is_no_quiz_grades_nothing(void **state) {
    bell_quiz_result r;
    bell_buf out;
    char err[200];

    (void)state;
    assert_false(grade("{\"blocks\":[]}", "{\"answers\":{}}", &r, &out, err));
    assert_string_equal(err, "the content of this item is not a quiz");
    bell_buf_fini(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(students_see_no_answers),
        cmocka_unit_test(what_is_a_quiz),
        cmocka_unit_test(scores),
        cmocka_unit_test(verdicts),
        cmocka_unit_test(the_mark_is_compared_exactly),
        cmocka_unit_test(attempts_that_are_refused),
        cmocka_unit_test(content_that_is_no_quiz_grades_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
