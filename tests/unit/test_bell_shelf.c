#include "bell_shelf.h"
#include "unit.h"

#include <stdlib.h>

static const unsigned char key[BELL_SIPHASH_KEY_BYTES] = "0123456789abcdef", other_key[BELL_SIPHASH_KEY_BYTES] = "0123456789abcdeF";

static const bell_shelf_object object = {
    .hash = {{1, 2}},
    .times = {.born_s = 1700000000, .fresh_s = 60, .status = 200},
    .id = 77,
    .url = 5,
    .body_bytes = 1000,
    .checked = 9,
    .bytes = 1000 + 11 + BELL_SHELF_TRAILER_BYTES,
    .stamp = 3,
    .tenant_id = 4,
    .head_bytes = 11,
    .body_crc = 0xfeedu,
    .kind = 1,
    .queue = 1,
    .hits = 2,
};

static void records(void **state) {
    unsigned char record[BELL_SHELF_RECORD_BYTES];
    bell_shelf_object o;

    (void)state;
    bell_shelf_record_write(key, 12, &object, record);
    memset(&o, 0, sizeof(o));
    assert_true(bell_shelf_record_read(key, 12, record, &o));
    assert_memory_equal(&o, &object, sizeof(o));
    assert_false(bell_shelf_record_read(key, 13, record, &o)); /* of another slot */
    assert_false(bell_shelf_record_read(other_key, 12, record, &o));
    for (size_t i = 0; i < sizeof(record); i++) {
        record[i] ^= 16;
        assert_false(bell_shelf_record_read(key, 12, record, &o));
        record[i] ^= 16;
    }
    bell_shelf_record_write(key, 12, NULL, record);
    assert_false(bell_shelf_record_read(key, 12, record, &o));
    for (size_t i = 0; i < sizeof(record); i++) {
        assert_int_equal(record[i], 0); /* as a hole in the file is */
    }
}

/* What no object can be is none, whoever wrote it. */
static void sound_ones_only(void **state) {
    bell_shelf_object cases[8], o;
    unsigned char record[BELL_SHELF_RECORD_BYTES];

    (void)state;
    for (size_t i = 0; i < ROWS(cases); i++) {
        cases[i] = object;
    }
    cases[0].id = 0;
    cases[1].kind = 0;
    cases[2].head_bytes = 0;
    cases[3].head_bytes = BELL_SHELF_HEAD_MAX + 1;
    cases[3].bytes = 1u << 20;
    cases[4].bytes--;
    cases[5].bytes = UINT64_MAX;
    cases[6].body_bytes = UINT64_MAX;
    cases[7].body_bytes = UINT64_MAX - 11 - BELL_SHELF_TRAILER_BYTES;
    for (size_t i = 0; i < ROWS(cases); i++) {
        bell_shelf_record_write(key, 1, &cases[i], record);
        assert_false(bell_shelf_record_read(key, 1, record, &o));
    }
}

static void trailers(void **state) {
    unsigned char end[11 + BELL_SHELF_TRAILER_BYTES];
    bell_str text = {(const char *)end, sizeof(end)};
    bell_shelf_object o;

    (void)state;
    memcpy(end, "hello world", 11);
    bell_shelf_trailer_write(key, &object, end);
    assert_memory_equal(end, "hello world", 11);
    assert_true(bell_shelf_trailer_peek(end + 11, &o));
    assert_true(bell_shelf_trailer_read(key, text, &o));
    assert_memory_equal(&o, &object, sizeof(o));
    assert_false(bell_shelf_trailer_read(other_key, text, &o));
    for (size_t i = 0; i < sizeof(end); i++) {
        end[i] ^= 1;
        assert_false(bell_shelf_trailer_read(key, text, &o));
        end[i] ^= 1;
        assert_false(bell_shelf_trailer_read(key, (bell_str){text.p, i}, &o));
        assert_false(i > 0 && bell_shelf_trailer_read(key, (bell_str){text.p + i, text.len - i}, &o));
    }
}

/* A record is no trailer of nothing, and the other way round. */
static void not_each_other(void **state) {
    unsigned char bytes[BELL_SHELF_RECORD_BYTES];
    bell_shelf_object o;

    (void)state;
    bell_shelf_record_write(key, 0, &object, bytes);
    assert_false(bell_shelf_trailer_peek(bytes, &o));
    memset(bytes, 0, sizeof(bytes));
    assert_false(bell_shelf_trailer_peek(bytes, &o));
}

static void prefaces(void **state) {
    bell_shelf_preface p = {.layout = 1, .slots = 64, .ids = 7, .seen = 8, .is_clean = 1}, back;
    unsigned char bytes[BELL_SHELF_PREFACE_BYTES];

    (void)state;
    memcpy(p.key, key, sizeof(p.key));
    memcpy(p.boot, "6f1e1f7a-1111-2222-3333-444455556666", sizeof(p.boot));
    bell_shelf_preface_write(&p, bytes);
    assert_true(bell_shelf_preface_read(bytes, &back));
    assert_memory_equal(&back, &p, sizeof(p));
    for (size_t i = 0; i < 8 + sizeof(p) + 8; i++) {
        bytes[i] ^= 128;
        assert_false(bell_shelf_preface_read(bytes, &back));
        bytes[i] ^= 128;
    }
    memset(bytes, 0, sizeof(bytes));
    assert_false(bell_shelf_preface_read(bytes, &back));
}

static void names(void **state) {
    static const char *const bad[] = {"", "0000000000000000", "000000000000004", "00000000000000044", "000000000000004D", "00000000000000.d", "lock"};
    char name[BELL_SHELF_NAME_BYTES + 1] = {0};
    uint64_t id;

    (void)state;
    bell_shelf_name_write(0x4d, name);
    assert_string_equal(name, "000000000000004d");
    assert_true(bell_shelf_name_read(bell_str_of(name), &id));
    assert_int_equal(id, 0x4d);
    bell_shelf_name_write(UINT64_MAX, name);
    assert_string_equal(name, "ffffffffffffffff");
    assert_true(bell_shelf_name_read(bell_str_of(name), &id) && id == UINT64_MAX);
    for (size_t i = 0; i < ROWS(bad); i++) {
        assert_row(!bell_shelf_name_read(bell_str_of(bad[i]), &id), bad[i]);
    }
}

/* RFC 3720, B.4, and the check value of CRC-32C. */
static void crc(void **state) {
    char bytes[32];
    uint32_t sum = 0;

    (void)state;
    memset(bytes, 0, sizeof(bytes));
    assert_int_equal(bell_crc32c(0, (bell_str){bytes, 32}), 0x8a9136aau);
    memset(bytes, 0xff, sizeof(bytes));
    assert_int_equal(bell_crc32c(0, (bell_str){bytes, 32}), 0x62a8ab43u);
    for (int i = 0; i < 32; i++) {
        bytes[i] = (char)i;
    }
    assert_int_equal(bell_crc32c(0, (bell_str){bytes, 32}), 0x46dd794eu);
    assert_int_equal(bell_crc32c(0, BELL_STR("123456789")), 0xe3069283u);
    for (size_t cut = 0; cut <= 32; cut++) {
        sum = bell_crc32c(bell_crc32c(0, (bell_str){bytes, cut}), (bell_str){bytes + cut, 32 - cut});
        assert_int_equal(sum, 0x46dd794eu);
    }
    assert_int_equal(bell_crc32c(sum, BELL_STR("")), sum);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records),  cmocka_unit_test(sound_ones_only), cmocka_unit_test(trailers), cmocka_unit_test(not_each_other),
        cmocka_unit_test(prefaces), cmocka_unit_test(names),           cmocka_unit_test(crc),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
