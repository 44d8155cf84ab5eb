/* Content and attempt, parted by the first line feed.
 * longest input: 1024 bytes */
#include "bell_quiz.h"
#include "fuzz.h"

#include <jansson.h>

static json_t *result_of(bell_json *j) {
    json_t *v;

    fuzz_assert(bell_json_done(j));
    v = json_loadb(j->buf->p, j->buf->len, JSON_REJECT_DUPLICATES, NULL);
    fuzz_assert(v != NULL);
    return v;
}

/* No question that a student sees holds its answer. */
static void check_public(bell_str content) {
    bell_buf b;
    bell_json j;

    bell_buf_init(&b, 1 << 20);
    bell_json_init(&j, &b);
    if (bell_quiz_write_public(content, &j)) {
        json_t *v = result_of(&j), *questions = json_object_get(v, "questions");

        fuzz_assert(json_object_size(v) == 2 && json_array_size(questions) > 0);
        for (size_t i = 0; i < json_array_size(questions); i++) {
            const json_t *q = json_array_get(questions, i);

            fuzz_assert(json_object_size(q) == 4 && !json_object_get(q, "answer") && !json_object_get(q, "explanation"));
        }
        json_decref(v);
    } else {
        fuzz_assert(b.len == 0);
    }
    bell_buf_fini(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    bell_str attempt = {(const char *)data, size}, content = bell_str_cut(&attempt, '\n');
    bell_quiz_result r;
    char err[200] = "";
    bell_buf b;
    bell_json j;

    check_public(content);
    bell_buf_init(&b, 1 << 20);
    bell_json_init(&j, &b);
    if (bell_quiz_grade(content, attempt, &r, &j, err, sizeof(err))) {
        fuzz_assert(r.score_hundredths >= 0 && r.score_hundredths <= 10000);
        json_decref(result_of(&j));
    } else {
        fuzz_assert(err[0] != '\0' && b.len == 0);
    }
    bell_buf_fini(&b);
    return 0;
}
