#include "bell_redis_slot.h"
#include "unit.h"

#include <jansson.h>
#include <stdio.h>

static void vectors(void **state) {
    json_error_t error;
    json_t *file = json_load_file("tests/vectors/redis-slots.json", JSON_REJECT_DUPLICATES, &error), *vector;
    size_t i;

    (void)state;
    if (file == NULL) {
        fail_msg("tests/vectors/redis-slots.json (from the top of the checkout): %s", error.text);
    }
    assert_true(json_array_size(json_object_get(file, "vectors")) > 10);
    json_array_foreach(json_object_get(file, "vectors"), i, vector) {
        const json_t *key = json_object_get(vector, "key");
        bell_str s = {json_string_value(key), json_string_length(key)};
        assert_row(bell_redis_slot(s) == json_integer_value(json_object_get(vector, "slot")), s.p);
    }
    json_decref(file);
}

/* Of the published check value, and bytes of all kinds. */
static void of_any_bytes(void **state) {
    (void)state;
    assert_int_equal(bell_redis_slot(BELL_STR("123456789")), 0x31c3);
    assert_int_equal(bell_redis_slot((bell_str){"\0\0\0", 3}), 0);
    assert_int_equal(bell_redis_slot((bell_str){"{\0}x", 4}), bell_redis_slot((bell_str){"\0", 1}));
    assert_int_equal(bell_redis_slot(BELL_STR("{a}")), bell_redis_slot(BELL_STR("a")));
    assert_int_equal(bell_redis_slot(BELL_STR("x{a}}y")), bell_redis_slot(BELL_STR("a")));
    assert_int_equal(bell_redis_slot(BELL_STR("}{a}")), bell_redis_slot(BELL_STR("a")));
    assert_int_not_equal(bell_redis_slot(BELL_STR("{a")), bell_redis_slot(BELL_STR("a")));
    assert_int_equal(bell_redis_slot(BELL_STR_NULL), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors),
        cmocka_unit_test(of_any_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
