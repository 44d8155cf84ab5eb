/* Blocks of stored fields, and 304s: the first byte chooses rules, the next one says how many bytes are the block; the rest is fields, a line each.
 * longest input: 768 bytes */
#include "bell_stored_fields.h"
#include "fuzz.h"
#include "tests/unit/fields.h"

enum { ROOM = 4096 };

/* Whatever the bytes are, what is found lies within. */
static void check_reader(bell_str block) {
    bell_str rest = block, value, name;
    bell_stored_field f;
    unsigned n = 0;

    while (bell_stored_next(&rest, &f)) {
        fuzz_assert(f.name.p > block.p && f.name.len > 0 && f.name.p + f.name.len == f.value.p);
        fuzz_assert(f.value.p + f.value.len == rest.p && rest.p + rest.len == block.p + block.len);
        fuzz_assert(bell_stored_field_at(&block, n, &name, &value) && bell_str_eq(name, f.name) && bell_str_eq(value, f.value));
        fuzz_assert(bell_stored_field_of(&block, f.name, 0, &value));
        n++;
    }
    fuzz_assert(!bell_stored_field_at(&block, n, &name, &value));
    fuzz_assert(rest.len == 0 || !bell_stored_is_sound(block));
}

/* What an update writes can be read, and the same update changes nothing any more. */
static void check_update(bell_str block, const bell_field_list *update, const bell_stored_rules *rules) {
    static char one[ROOM], other[ROOM];
    long len = bell_stored_update(block, update, rules, one, ROOM);

    if (len < 0) {
        return;
    }
    bell_str updated = {one, (size_t)len};
    fuzz_assert(bell_stored_is_sound(updated));
    fuzz_assert(len == 0 || bell_stored_update(block, update, rules, other, (size_t)len - 1) == -1);
    fuzz_assert(bell_stored_update(updated, update, rules, other, (size_t)len) == len && memcmp(one, other, (size_t)len) == 0);
}

/* What is written is what is kept of the fields, in their order. */
static void check_write(bell_str *text, const bell_stored_rules *rules) {
    static char block[ROOM];
    bell_field_list answer = fields_list(text);
    long len = bell_stored_write(&answer, rules, block, ROOM);
    bell_str rest = {block, len > 0 ? (size_t)len : 0}, name, value;
    bell_stored_field f;
    unsigned i = 0;

    fuzz_assert(len < 0 || bell_stored_is_sound(rest));
    while (bell_stored_next(&rest, &f)) {
        do { /* those between are not kept */
            fuzz_assert(fields_at(text, i++, &name, &value));
        } while (name.p == NULL || !bell_str_eq(name, f.name) || !bell_str_eq(value, f.value));
        fuzz_assert(bell_stored_class_of(rules, name) == (f.is_hidden ? BELL_STORED_HIDDEN : BELL_STORED_SHOWN));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const bell_str named[] = {{"a, x-b", 6}};
    if (size < 2) {
        return 0;
    }
    bell_stored_rules rules = {.set_cookie = (data[0] & 1) != 0, .named = named, .nnamed = (data[0] & 2) != 0};
    size_t block_len = data[1] < size - 2 ? data[1] : size - 2;
    bell_str block = {(const char *)data + 2, block_len}, text = {(const char *)data + 2 + block_len, size - 2 - block_len};
    bell_field_list update = fields_list(&text);
    char *exact = malloc(block_len + 1); /* a sanitizer sees what is read behind it */

    fuzz_assert(exact != NULL);
    memcpy(exact + 1, block.p, block_len);
    block.p = exact + 1;
    check_reader(block);
    check_update(block, &update, &rules);
    check_write(&text, &rules);
    free(exact);
    return 0;
}
