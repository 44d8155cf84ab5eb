#include "bell_ratelimit.h"
#include "bell_sf.h"
#include "unit.h"

#include <jansson.h>
#include <stdlib.h>

#define SECOND 1000000

static char out[8192];

static bool written(long len, const char *expected) {
    return len >= 0 && bell_str_eq((bell_str){out, (size_t)len}, bell_str_of(expected)) && bell_sf_is_list((bell_str){out, (size_t)len});
}

static bell_ratelimit_item prepared[BELL_RATELIMIT_POLICIES_MAX + 1];

/* As the fields say it of n policies; -1 also when one of them has no form. */
static long tell(const bell_ratelimit_policy *policies, const bell_gcra_answer *answers, size_t n, char *to, size_t room) {
    const bell_ratelimit_item *items[BELL_RATELIMIT_POLICIES_MAX + 1];

    for (size_t i = 0; i < n; i++) {
        items[i] = &prepared[i];
        if (!bell_ratelimit_prepare(&policies[i], &prepared[i])) {
            return -1;
        }
    }
    return answers != NULL ? bell_ratelimit_write_now(items, answers, n, to, room) : bell_ratelimit_write_policy(items, n, to, room);
}

static void fields(void **state) {
    static const bell_ratelimit_policy policies[] = {
        {.name = {"tenant", 6}, .quota = 600, .window_s = 60},
        {.name = {"say \"hi\\\"", 9}, .quota = 5, .unit = BELL_RATELIMIT_CONCURRENT_REQUESTS, .partition = {"\0\xff\x10", 3}},
        {.name = {"upload", 6}, .quota = UINT64_MAX, .window_s = UINT64_MAX, .unit = BELL_RATELIMIT_CONTENT_BYTES},
    };
    static const bell_gcra_answer answers[] = {
        {.allowed = true, .remaining = 49, .more_us = 1},
        {.allowed = false, .remaining = 0, .more_us = 30 * SECOND, .retry_after_us = 30 * SECOND},
        {.allowed = true, .remaining = INT64_MAX},
    };

    (void)state;
    assert_true(written(tell(policies, NULL, 1, out, sizeof(out)), "\"tenant\";q=600;w=60"));
    assert_true(written(tell(policies, NULL, 3, out, sizeof(out)),
                        "\"tenant\";q=600;w=60, \"say \\\"hi\\\\\\\"\";q=5;qu=\"concurrent-requests\";pk=:AP8Q:, "
                        "\"upload\";q=999999999999999;w=999999999999999;qu=\"content-bytes\""));
    assert_true(written(tell(policies, answers, 3, out, sizeof(out)),
                        "\"tenant\";r=49;t=1, \"say \\\"hi\\\\\\\"\";r=0;t=30;pk=:AP8Q:, \"upload\";r=999999999999999"));
    assert_int_equal(tell(policies, NULL, 0, out, sizeof(out)), -1);
    assert_int_equal(tell(policies, answers, 0, out, sizeof(out)), -1);
    bell_ratelimit_policy many[BELL_RATELIMIT_POLICIES_MAX + 1];
    for (size_t i = 0; i < ROWS(many); i++) {
        many[i] = policies[0];
    }
    assert_true(tell(many, NULL, ROWS(many) - 1, out, sizeof(out)) > 0);
    assert_int_equal(tell(many, NULL, ROWS(many), out, sizeof(out)), -1);
}

/* What has no form is not sent, and neither is a part of it. */
static void names_that_fit(void **state) {
    char longest[BELL_RATELIMIT_NAME_MAX + 1];
    const struct {
        bell_str name;
        bool fits;
    } rows[] = {
        {{"a", 1}, true},
        {{" ", 1}, true},
        {{"", 0}, false},
        {{"z\xc3\xa4h", 4}, false},
        {{"a\r\nb", 4}, false},
        {{"a\0b", 3}, false},
        {{"\x7f", 1}, false},
        {{longest, BELL_RATELIMIT_NAME_MAX}, true},
        {{longest, BELL_RATELIMIT_NAME_MAX + 1}, false},
    };

    (void)state;
    memset(longest, '\\', sizeof(longest));
    for (size_t i = 0; i < ROWS(rows); i++) {
        bell_ratelimit_policy policy = {.name = rows[i].name, .quota = 1, .window_s = 1};
        bell_gcra_answer answer = {.allowed = true};
        assert_int_equal(bell_ratelimit_name_fits(rows[i].name), rows[i].fits);
        assert_int_equal(tell(&policy, NULL, 1, out, sizeof(out)) > 0, rows[i].fits);
        assert_int_equal(tell(&policy, &answer, 1, out, sizeof(out)) > 0, rows[i].fits);
    }
}

/* The longest of all items, and not one byte more than there is room. */
static void bounds(void **state) {
    char name[BELL_RATELIMIT_NAME_MAX], partition[BELL_RATELIMIT_KEY_MAX + 1];
    bell_ratelimit_policy policies[BELL_RATELIMIT_POLICIES_MAX];
    bell_gcra_answer answers[BELL_RATELIMIT_POLICIES_MAX];

    (void)state;
    memset(name, '"', sizeof(name));
    memset(partition, 'p', sizeof(partition));
    for (size_t i = 0; i < BELL_RATELIMIT_POLICIES_MAX; i++) {
        policies[i] = (bell_ratelimit_policy){.name = {name, sizeof(name)},
                                              .quota = UINT64_MAX,
                                              .window_s = UINT64_MAX,
                                              .unit = BELL_RATELIMIT_CONCURRENT_REQUESTS,
                                              .partition = {partition, BELL_RATELIMIT_KEY_MAX}};
        answers[i] = (bell_gcra_answer){.remaining = INT64_MAX, .more_us = INT64_MAX};
    }
    for (size_t n = 1; n <= BELL_RATELIMIT_POLICIES_MAX; n++) {
        long len = tell(policies, NULL, n, out, sizeof(out));
        assert_in_range(len, 1, (long)n * BELL_RATELIMIT_ITEM_MAX);
        char *exact = malloc((size_t)len);
        assert_int_equal(tell(policies, NULL, n, exact, (size_t)len), len);
        assert_int_equal(tell(policies, NULL, n, exact, (size_t)len - 1), -1);
        free(exact);
        len = tell(policies, answers, n, out, sizeof(out));
        assert_in_range(len, 1, (long)n * BELL_RATELIMIT_ITEM_MAX);
        assert_int_equal(tell(policies, answers, n, out, (size_t)len - 1), -1);
    }
    policies[0].partition.len++;
    assert_int_equal(tell(policies, NULL, 1, out, sizeof(out)), -1);
}

static void when_to_come_back(void **state) {
    static const struct {
        const char *name;
        int64_t retry_after_us, more_us;
        uint32_t spread_s;
        uint64_t random;
        uint32_t expected;
    } rows[] = {
        {"at least a second", 0, 0, 0, 5, 1},
        {"rounded up", 1, 1, 0, 5, 1},
        {"a whole second", SECOND, 1, 0, 5, 1},
        {"and one more", SECOND + 1, 1, 0, 5, 2},
        {"not before t", SECOND, 3 * SECOND, 0, 5, 3},
        {"by lot", 2 * SECOND, 1, 4, 3, 5},
        {"by lot, the least", 2 * SECOND, 1, 4, 5, 2},
        {"by lot, the most", 2 * SECOND, 1, 4, 9, 6},
        {"any lot", 2 * SECOND, 1, UINT32_MAX, UINT32_MAX, UINT32_MAX},
        {"any time", INT64_MAX, 1, 0, 0, UINT32_MAX},
        {"a week", 7 * 86400LL * SECOND, 1, 0, 0, 7 * 86400},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        bell_gcra_answer refused = {.retry_after_us = rows[i].retry_after_us, .more_us = rows[i].more_us};
        assert_row(bell_ratelimit_retry_s(&refused, rows[i].spread_s, rows[i].random) == rows[i].expected, rows[i].name);
    }
}

/* Of a real refusal: Retry-After is not before the t of RateLimit. */
static void never_before_there_is_more(void **state) {
    (void)state;
    for (uint64_t count = 1; count < 200; count++) {
        bell_gcra_rule rule;
        assert_true(bell_gcra_rule_of(count, 60, count % 7, &rule));
        bell_gcra_answer a = bell_gcra_take(&rule, BELL_GCRA_NEVER, 0, (uint64_t)bell_gcra_limit(&rule));
        a = bell_gcra_take(&rule, a.tat_us, (int64_t)count * 3000, 1 + count % 3);
        if (!a.allowed) {
            assert_true((int64_t)bell_ratelimit_retry_s(&a, 0, 0) * SECOND >= a.more_us && a.retry_after_us >= a.more_us);
        }
    }
}

static void problems(void **state) {
    static const struct {
        unsigned status;
        const char *type;
        size_t violated;
    } rows[BELL_RATELIMIT_PROBLEM_COUNT] = {
        {429, "https://iana.org/assignments/http-problem-types#quota-exceeded", 2},
        {503, "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity", 0},
        {429, "https://iana.org/assignments/http-problem-types#abnormal-usage-detected", 2},
    };
    static const bell_str violated[] = {{"tenant", 6}, {"a \"class\"", 9}};
    bell_buf buf;

    (void)state;
    for (unsigned i = 0; i < BELL_RATELIMIT_PROBLEM_COUNT; i++) {
        bell_buf_init(&buf, 4096);
        bell_ratelimit_write_problem(&buf, (bell_ratelimit_problem)i, BELL_STR("Please wait \"8\" seconds."), violated, 2, BELL_STR("r-1"));
        assert_false(buf.failed);
        json_t *read = json_loadb(buf.p, buf.len, JSON_REJECT_DUPLICATES, NULL);
        assert_non_null(read);
        assert_string_equal(json_string_value(json_object_get(read, "type")), rows[i].type);
        assert_string_equal(bell_ratelimit_type((bell_ratelimit_problem)i), rows[i].type);
        assert_int_equal(json_integer_value(json_object_get(read, "status")), rows[i].status);
        assert_int_equal(bell_ratelimit_status((bell_ratelimit_problem)i), rows[i].status);
        assert_true(json_string_length(json_object_get(read, "title")) > 20);
        assert_string_equal(json_string_value(json_object_get(read, "detail")), "Please wait \"8\" seconds.");
        assert_string_equal(json_string_value(json_object_get(read, "request_id")), "r-1");
        json_t *names = json_object_get(read, "violated-policies");
        assert_int_equal(json_array_size(names), rows[i].violated);
        assert_true(names == NULL || strcmp(json_string_value(json_array_get(names, 1)), "a \"class\"") == 0);
        json_decref(read);
        bell_buf_fini(&buf);
    }
    bell_buf_init(&buf, 50);
    bell_ratelimit_write_problem(&buf, BELL_RATELIMIT_QUOTA_EXCEEDED, BELL_STR_NULL, NULL, 0, BELL_STR("r-1"));
    assert_true(buf.failed);
    bell_buf_fini(&buf);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields),
        cmocka_unit_test(names_that_fit),
        cmocka_unit_test(bounds),
        cmocka_unit_test(when_to_come_back),
        cmocka_unit_test(never_before_there_is_more),
        cmocka_unit_test(problems),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
