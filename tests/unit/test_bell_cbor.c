#include "bell_cbor.h"
#include "cbor_text.h"

static bool is_one_item(const char *text) {
    bell_buf b;
    bell_str whole, rest;

    bell_buf_init(&b, 1 << 20);
    cbor_of(text, &b);
    /* a copy of exactly that many bytes, so that one read too many is seen */
    char *exact = malloc(b.len + !b.len);
    memcpy(exact, b.p ? b.p : "", b.len);
    rest = (bell_str){exact, b.len};
    bool good = bell_cbor_take(&rest, &whole) && rest.len == 0;
    assert_true(!good || whole.len == b.len);
    free(exact);
    bell_buf_fini(&b);
    return good;
}

static void whole_items(void **state) {
    static const struct {
        const char *text;
        bool good;
    } rows[] = {
        {"0", true},
        {"23", true},
        {"24", true},
        {"256", true},
        {"65536", true},
        {"18446744073709551615", true},
        {"-1", true},
        {"-18446744073709551615", true},
        {"1.5", true},
        {"x'f93e00'", true}, /* floats of two and four bytes */
        {"x'fa3fc00000'", true},
        {"true", true},
        {"undefined", true},
        {"\"\"", true},
        {"\"\xc3\xa4\"", true},
        {"h''", true},
        {"[]", true},
        {"{}", true},
        {"[1, [2, {3: 4}], 52(h'c0000200')]", true},
        {"{1: 2, -1: 3, \"1\": 4, h'31': 5}", true},
        {"x'1801'", true}, /* a number in more bytes than it needs */
        {"", false},
        {"1 2", false},
        /* lengths */
        {"x'18'", false},
        {"x'42aa'", false},
        {"x'8201'", false},
        {"x'a101'", false},
        {"x'a1'", false},
        {"x'c1'", false},
        {"x'5bffffffffffffffff'", false},
        {"x'5b7fffffffffffffff00'", false},
        {"x'9bffffffffffffffff'", false},
        {"x'bbffffffffffffffff'", false},
        {"x'9a00ffffff'", false},
        /* without a length */
        {"x'9f01ff'", false},
        {"x'bf0102ff'", false},
        {"x'5f4100ff'", false},
        {"x'7f6161ff'", false},
        {"x'ff'", false},
        {"x'81ff'", false},
        /* reserved and unassigned */
        {"x'1c'", false},
        {"x'1f'", false},
        {"x'3e'", false},
        {"x'e0'", false},
        {"x'f0'", false},
        {"x'f8ff'", false},
        {"x'fc'", false},
        /* text */
        {"x'6180'", false},
        {"x'62c0af'", false},
        {"x'63eda080'", false},
        {"x'6100'", false},
        /* keys */
        {"{1: 2, 1: 3}", false},
        {"{1: 2, x'1801': 3}", false}, /* the same number in another spelling */
        {"{1: 2, x'1b0000000000000001': 3}", false},
        {"{-1: 2, x'3800': 3}", false},
        {"{\"a\": 1, \"a\": 2}", false},
        {"{\"a\": 1, x'780161': 2}", false},
        {"{h'00': 1, h'00': 2}", false},
        {"{[1]: 2}", false},
        {"{{}: 2}", false},
        {"{1.5: 2}", false},
        {"{true: 2}", false},
        {"{1(2): 2}", false},
        {"[{1: {2: 3, 2: 4}}]", false},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        assert_row(is_one_item(rows[i].text) == rows[i].good, rows[i].text);
    }
}

/* `opens` many times, an item, and `closes` as often. */
static bool is_deep(const char *open, const char *item, unsigned times) {
    bell_buf b;
    bell_str whole, rest;

    bell_buf_init(&b, 1 << 20);
    for (unsigned i = 0; i < times; i++) {
        cbor_of(open, &b);
    }
    cbor_of(item, &b);
    rest = bell_buf_str(&b);
    bool good = bell_cbor_take(&rest, &whole) && rest.len == 0;
    bell_buf_fini(&b);
    return good;
}

static void bounds(void **state) {
    char *list = malloc(100000);
    size_t len;

    (void)state;
    assert_true(is_deep("x'81'", "0", BELL_CBOR_DEPTH_MAX));
    assert_false(is_deep("x'81'", "0", BELL_CBOR_DEPTH_MAX + 1));
    assert_false(is_deep("x'81'", "0", 500000)); /* as many as there are bytes for: refused without going there */
    assert_false(is_deep("x'a100'", "0", 250000));
    assert_false(is_deep("x'c1'", "0", 500000));
    assert_true(is_deep("x'a100'", "0", BELL_CBOR_DEPTH_MAX));
    for (size_t pairs = BELL_CBOR_PAIRS_MAX; pairs <= BELL_CBOR_PAIRS_MAX + 1; pairs++) {
        len = (size_t)sprintf(list, "{");
        for (size_t i = 0; i < pairs; i++) {
            len += (size_t)sprintf(list + len, "%zu: 0, ", i);
        }
        sprintf(list + len, "}");
        assert_int_equal(is_one_item(list), pairs == BELL_CBOR_PAIRS_MAX);
    }
    for (size_t items = BELL_CBOR_ITEMS_MAX - 1; items <= BELL_CBOR_ITEMS_MAX; items++) {
        len = (size_t)sprintf(list, "[");
        for (size_t i = 0; i < items; i++) {
            len += (size_t)sprintf(list + len, "0, ");
        }
        sprintf(list + len, "]");
        assert_int_equal(is_one_item(list), items == BELL_CBOR_ITEMS_MAX - 1);
    }
    free(list);
}

/* Tags of every length, also those that one version of libcbor or another does not decode. */
static void tags(void **state) {
    static const uint64_t numbers[] = {0, 5, 6, 16, 17, 18, 20, 21, 23, 24, 52, 61, 255, 256, 65535, 65536, 4294967295, 4294967296, UINT64_MAX};
    bell_cbor_item item;

    (void)state;
    for (size_t i = 0; i < ROWS(numbers); i++) {
        bell_buf b;
        bell_buf_init(&b, 100);
        cbor_text_head(&b, 6, numbers[i]);
        cbor_of("7", &b);
        bell_str rest = bell_buf_str(&b), whole;
        assert_true(bell_cbor_take(&rest, &whole) && rest.len == 0 && whole.len == b.len);
        assert_true(bell_cbor_next(&whole, &item) && item.type == BELL_CBOR_TAG && item.n == numbers[i]);
        assert_true(bell_cbor_next(&whole, &item) && item.type == BELL_CBOR_UINT && item.n == 7 && whole.len == 0);
        bell_buf_fini(&b);
    }
}

static void values(void **state) {
    bell_buf b;
    bell_cbor_item item;
    bell_str rest, whole;
    uint64_t left;
    int64_t n;

    (void)state;
    bell_buf_init(&b, 1000);
    cbor_of("-7 9223372036854775807 9223372036854775808 x'3b7fffffffffffffff' x'3b8000000000000000' [1, [2], \"x\"] x'f93e00' -1.5", &b);
    rest = bell_buf_str(&b);
    assert_true(bell_cbor_next(&rest, &item) && bell_cbor_to_i64(&item, &n) && n == -7);
    assert_true(bell_cbor_next(&rest, &item) && bell_cbor_to_i64(&item, &n) && n == INT64_MAX);
    assert_true(bell_cbor_next(&rest, &item) && !bell_cbor_to_i64(&item, &n));
    assert_true(bell_cbor_next(&rest, &item) && bell_cbor_to_i64(&item, &n) && n == INT64_MIN);
    assert_true(bell_cbor_next(&rest, &item) && !bell_cbor_to_i64(&item, &n));
    assert_true(bell_cbor_next(&rest, &item) && item.type == BELL_CBOR_ARRAY && !bell_cbor_to_i64(&item, &n));
    left = item.n;
    assert_true(bell_cbor_each(&rest, &left, &whole) && whole.len == 1 && bell_cbor_is(whole, BELL_CBOR_UINT, &item) && item.n == 1);
    assert_true(bell_cbor_each(&rest, &left, &whole) && whole.len == 2 && !bell_cbor_is(whole, BELL_CBOR_UINT, &item));
    assert_true(bell_cbor_each(&rest, &left, &whole) && bell_cbor_is(whole, BELL_CBOR_TEXT, &item) && bell_str_eq(item.text, BELL_STR("x")));
    assert_false(bell_cbor_each(&rest, &left, &whole));
    assert_true(bell_cbor_next(&rest, &item) && item.type == BELL_CBOR_FLOAT && item.number == 1.5);
    assert_true(bell_cbor_next(&rest, &item) && item.type == BELL_CBOR_FLOAT && item.number == -1.5);
    assert_false(bell_cbor_next(&rest, &item));
    bell_buf_fini(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_items),
        cmocka_unit_test(bounds),
        cmocka_unit_test(tags),
        cmocka_unit_test(values),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
