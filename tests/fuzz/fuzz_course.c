/* course.json as `firstbell course import` checks it: what is taken is whole, what is refused has a sentence.
 * longest input: 1024 bytes */
#include "origin/courses/import_check.h"

#include "bell_url.h"
#include "fuzz.h"

static void count(void *arg, const char *sentence) {
    fuzz_assert(sentence[0] != '\0');
    ++*(unsigned *)arg;
}

static bool is_key_of(const json_t *rows, const json_t *key) {
    for (size_t i = 0; i < json_array_size(rows); i++) {
        if (json_equal(json_object_get(json_array_get(rows, i), "key"), key)) {
            return true;
        }
    }
    return false;
}

/* Every row of `rows` refers to a row of `others` by `member`. */
static void check_references(const json_t *rows, const char *member, const json_t *others) {
    for (size_t i = 0; i < json_array_size(rows); i++) {
        fuzz_assert(is_key_of(others, json_object_get(json_array_get(rows, i), member)));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    unsigned sentences = 0;
    fb_course_tree t;
    bool good = fb_course_check((bell_str){(const char *)data, size}, &t, count, &sentences);

    fuzz_assert(good == (sentences == 0));
    if (good) {
        check_references(t.lessons, "module", t.modules);
        check_references(t.items, "lesson", t.lessons);
        check_references(t.prerequisites, "item", t.items);
        check_references(t.prerequisites, "required", t.items);
        for (size_t i = 0; i < t.nmedia; i++) {
            fuzz_assert(bell_url_is_plain_path(bell_str_of(t.media[i].file)));
        }
    }
    fb_course_tree_free(&t);
    return 0;
}
