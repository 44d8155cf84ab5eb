#include "bell_quiz.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>

static bool fail(char *err, size_t err_len, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

static bool fail(char *err, size_t err_len, const char *fmt, ...) {
    va_list args;

    va_start(args, fmt);
    vsnprintf(err, err_len, fmt, args);
    va_end(args);
    return false;
}

static json_t *load(bell_str text) {
    return text.len ? json_loadb(text.p, text.len, JSON_REJECT_DUPLICATES, NULL) : NULL;
}

static bell_str str_of(const json_t *s) {
    return (bell_str){json_string_value(s), json_string_length(s)};
}

static bool same_string(const json_t *a, const json_t *b) {
    return bell_str_eq(str_of(a), str_of(b));
}

/* The member of `list` whose "id" equals the string `id`. Lists are short; no index is worth its code. */
static const json_t *find_by_id(const json_t *list, const json_t *id) {
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *member = json_array_get(list, i);

        if (same_string(json_object_get(member, "id"), id)) {
            return member;
        }
    }
    return NULL;
}

static bool holds_string(const json_t *list, const json_t *s) {
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (same_string(json_array_get(list, i), s)) {
            return true;
        }
    }
    return false;
}

/* Objects in an array, each with a string "id" of its own and a string `text_name`. */
static bool is_list_with_ids(const json_t *list, const char *text_name) {
    if (!json_is_array(list) || json_array_size(list) == 0) {
        return false;
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *member = json_array_get(list, i), *id = json_object_get(member, "id");

        if (json_string_length(id) == 0 || !json_is_string(json_object_get(member, text_name)) || find_by_id(list, id) != member) {
            return false;
        }
    }
    return true;
}

/* Ids of choices, each once. */
static bool is_choice_list(const json_t *list, const json_t *choices) {
    if (!json_is_array(list)) {
        return false;
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *id = json_array_get(list, i);

        if (!json_is_string(id) || find_by_id(choices, id) == NULL) {
            return false;
        }
        for (size_t k = 0; k < i; k++) {
            if (same_string(json_array_get(list, k), id)) {
                return false;
            }
        }
    }
    return true;
}

static bool is_question(const json_t *q) {
    const json_t *kind = json_object_get(q, "kind"), *choices = json_object_get(q, "choices"), *answer = json_object_get(q, "answer");
    const json_t *explanation = json_object_get(q, "explanation");
    bool single = bell_str_eq(str_of(kind), BELL_STR("single")), multiple = bell_str_eq(str_of(kind), BELL_STR("multiple"));

    if ((!single && !multiple) || !is_list_with_ids(choices, "text") || !is_choice_list(answer, choices)) {
        return false;
    }
    if (explanation != NULL && !json_is_string(explanation)) {
        return false;
    }
    return single ? json_array_size(answer) == 1 : json_array_size(answer) >= 1;
}

static bool is_quiz(const json_t *quiz) {
    const json_t *questions = json_object_get(quiz, "questions"), *pass = json_object_get(quiz, "pass_score");

    if (!json_is_integer(pass) || json_integer_value(pass) < 0 || json_integer_value(pass) > 100) {
        return false;
    }
    if (!is_list_with_ids(questions, "prompt")) {
        return false;
    }
    for (size_t i = 0; i < json_array_size(questions); i++) {
        if (!is_question(json_array_get(questions, i))) {
            return false;
        }
    }
    return true;
}

static json_t *load_quiz(bell_str content) {
    json_t *quiz = load(content);

    if (quiz != NULL && is_quiz(quiz)) {
        return quiz;
    }
    json_decref(quiz);
    return NULL;
}

static void write_member(bell_json *out, const char *name, const json_t *object) {
    bell_json_key(out, name);
    bell_json_str(out, str_of(json_object_get(object, name)));
}

/* A list of what is written, not of what is left out: a member that somebody adds later stays hidden until it is named here. */
static void write_public_question(bell_json *out, const json_t *q) {
    const json_t *choices = json_object_get(q, "choices");

    bell_json_object_open(out);
    write_member(out, "id", q);
    write_member(out, "prompt", q);
    write_member(out, "kind", q);
    bell_json_key(out, "choices");
    bell_json_array_open(out);
    for (size_t i = 0; i < json_array_size(choices); i++) {
        bell_json_object_open(out);
        write_member(out, "id", json_array_get(choices, i));
        write_member(out, "text", json_array_get(choices, i));
        bell_json_object_close(out);
    }
    bell_json_array_close(out);
    bell_json_object_close(out);
}

bool bell_quiz_write_public(bell_str content, bell_json *out) {
    json_t *quiz = load_quiz(content), *questions = json_object_get(quiz, "questions");

    if (quiz == NULL) {
        return false;
    }
    bell_json_object_open(out);
    bell_json_key(out, "pass_score");
    bell_json_int(out, json_integer_value(json_object_get(quiz, "pass_score")));
    bell_json_key(out, "questions");
    bell_json_array_open(out);
    for (size_t i = 0; i < json_array_size(questions); i++) {
        write_public_question(out, json_array_get(questions, i));
    }
    bell_json_array_close(out);
    bell_json_object_close(out);
    json_decref(quiz);
    return true;
}

static bool check_choices(const json_t *q, const json_t *chosen, char *err, size_t err_len) {
    const char *id = json_string_value(json_object_get(q, "id"));
    bool single = bell_str_eq(str_of(json_object_get(q, "kind")), BELL_STR("single"));

    if (!is_choice_list(chosen, json_object_get(q, "choices"))) {
        return fail(err, err_len, "the answer to question \"%.64s\" is not a list of its choices, each at most once", id);
    }
    if (single && json_array_size(chosen) > 1) {
        return fail(err, err_len, "question \"%.64s\" takes one choice, but %zu were given", id, json_array_size(chosen));
    }
    return true;
}

static bool check_answers(const json_t *answers, const json_t *questions, char *err, size_t err_len) {
    const char *name;
    json_t *chosen;

    if (!json_is_object(answers)) {
        return fail(err, err_len, "the attempt is not a JSON object with \"answers\", an object of lists");
    }
    json_object_foreach((json_t *)answers, name, chosen) {
        const json_t *q = NULL;

        for (size_t i = 0; q == NULL && i < json_array_size(questions); i++) {
            if (strcmp(json_string_value(json_object_get(json_array_get(questions, i), "id")), name) == 0) {
                q = json_array_get(questions, i);
            }
        }
        if (q == NULL) {
            return fail(err, err_len, "there is no question \"%.64s\" in this quiz", name);
        }
        if (!check_choices(q, chosen, err, err_len)) {
            return false;
        }
    }
    return true;
}

/* Equal as sets: both hold each id once, so equal sizes and one inclusion are enough. A question without an answer is wrong. */
static bool is_correct(const json_t *q, const json_t *answers) {
    const json_t *answer = json_object_get(q, "answer"), *chosen = json_object_get(answers, json_string_value(json_object_get(q, "id")));

    if (json_array_size(chosen) != json_array_size(answer)) {
        return false;
    }
    for (size_t i = 0; i < json_array_size(answer); i++) {
        if (!holds_string(chosen, json_array_get(answer, i))) {
            return false;
        }
    }
    return true;
}

static void write_verdict(bell_json *out, const json_t *q, bool correct) {
    const json_t *explanation = json_object_get(q, "explanation");

    bell_json_object_open(out);
    write_member(out, "id", q);
    bell_json_key(out, "correct");
    bell_json_bool(out, correct);
    bell_json_key(out, "explanation");
    if (explanation != NULL) {
        bell_json_str(out, str_of(explanation));
    } else {
        bell_json_null(out);
    }
    bell_json_object_close(out);
}

static void grade(const json_t *quiz, const json_t *answers, bell_quiz_result *result, bell_json *out) {
    const json_t *questions = json_object_get(quiz, "questions");
    int64_t total = (int64_t)json_array_size(questions), right = 0;

    bell_json_array_open(out);
    for (int64_t i = 0; i < total; i++) {
        const json_t *q = json_array_get(questions, (size_t)i);
        bool correct = is_correct(q, answers);

        right += correct;
        write_verdict(out, q, correct);
    }
    bell_json_array_close(out);
    result->score_hundredths = total > 0 ? (int32_t)((right * 10000 * 2 + total) / (total * 2)) : 0;
    /* compared exactly: a score that only rounding lifts to the mark has not reached it */
    result->passed = right * 100 >= json_integer_value(json_object_get(quiz, "pass_score")) * total;
}

bool bell_quiz_grade(bell_str content, bell_str attempt, bell_quiz_result *result, bell_json *out, char *err, size_t err_len) {
    json_t *quiz = load_quiz(content), *tried = load(attempt);
    const json_t *answers = json_object_get(tried, "answers");
    bool good = false;

    if (quiz == NULL) {
        fail(err, err_len, "the content of this item is not a quiz");
    } else if (check_answers(answers, json_object_get(quiz, "questions"), err, err_len)) {
        grade(quiz, answers, result, out);
        good = true;
    }
    json_decref(quiz);
    json_decref(tried);
    return good;
}
