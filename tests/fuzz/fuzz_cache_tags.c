/* Tags of answers: fields, a line each.
 * longest input: 2048 bytes */
#include "bell_cache_tags.h"
#include "fuzz.h"
#include "tests/unit/fields.h"

static const unsigned char key[BELL_SIPHASH_KEY_BYTES] = "0123456789abcde";

/* Every tag of a line is good and in the set. */
static void check_line(const bell_cache_tags *tags, bell_str line, char separator) {
    while (line.len > 0) {
        bell_str tag = bell_str_trim(bell_str_cut(&line, separator));
        fuzz_assert(tag.len == 0 || (bell_cache_tag_is_good(tag) && bell_cache_tags_has(tags, bell_cache_tag_hash(key, 7, tag))));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    bell_str text = {(const char *)data, size}, name, value;
    bell_fields answer = fields_of(&text);
    bell_cache_tags tags, others;
    bell_cache_tags_verdict verdict = bell_cache_tags_read(&answer, key, 7, &tags);

    fuzz_assert(tags.count <= BELL_CACHE_TAGS_MAX && bell_cache_tags_read(&answer, key, 8, &others) == verdict);
    for (unsigned i = 1; i < tags.count; i++) {
        fuzz_assert(tags.hashes[i - 1] < tags.hashes[i]);
    }
    if (verdict != BELL_CACHE_TAGS_OK) {
        return 0;
    }
    fuzz_assert(others.count == tags.count);
    for (unsigned i = 0; fields_at(&text, i, &name, &value); i++) {
        if (bell_str_ieq(name, BELL_STR("cache-tag"))) {
            check_line(&tags, value, ',');
        }
        if (bell_str_ieq(name, BELL_STR("surrogate-key"))) {
            check_line(&tags, value, ' ');
        }
    }
    return 0;
}
