/* Keys of stored answers: the first byte chooses rules, the rest is a target.
 * longest input: 512 bytes */
#include "bell_cache_key.h"
#include "fuzz.h"

static size_t count(bell_str s, char c) {
    size_t n = 0;

    for (size_t i = 0; i < s.len; i++) {
        n += s.p[i] == c;
    }
    return n;
}

/* What was written is a target, is written so again, and needs no byte more. */
static void check_normal(bell_str target, const bell_cache_query_rules *rules, const char *out, size_t len) {
    char *again = malloc(target.len + 1);

    fuzz_assert(again != NULL && len > 0 && len <= target.len && out[0] == '/');
    fuzz_assert(bell_cache_target_write(target, rules, again, len - 1) == -1);
    fuzz_assert(bell_cache_target_write(target, rules, again, target.len + 1) == (long)len && memcmp(out, again, len) == 0);
    /* with more pairs than are sorted, dropping some may leave so many that are */
    if (count(target, '&') < BELL_CACHE_SORTED_PAIRS_MAX) {
        fuzz_assert(bell_cache_target_write((bell_str){out, len}, rules, again, len + 1) == (long)len && memcmp(out, again, len) == 0);
    }
    free(again);
}

/* The target ends a key, and who asks begins it: two of them differ before that. */
static void check_key(bell_str target, const bell_cache_query_rules *rules, const char *normal, size_t len) {
    bell_cache_question key = {
        7, BELL_CACHE_READ, BELL_CACHE_ROLE, BELL_STR("teacher"), BELL_STR_NULL, BELL_STR_NULL, BELL_STR("www.school.example"), target, 0, 0};
    size_t room = target.len + 200;
    char *one = malloc(room), *other = malloc(room);

    fuzz_assert(one != NULL && other != NULL);
    long one_len = bell_cache_key_write(&key, rules, one, room);
    fuzz_assert(one_len > (long)len && memcmp(one + one_len - len, normal, len) == 0);
    key.tenant_id++;
    fuzz_assert(bell_cache_key_write(&key, rules, other, room) == one_len && memcmp(one, other, (size_t)one_len) != 0);
    key.part_bytes = len; /* nor is that of a part one of a whole */
    fuzz_assert(bell_cache_key_write(&key, rules, one, room) > one_len && memcmp(one, other, (size_t)one_len) != 0);
    free(one);
    free(other);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const bell_str drop[] = {{"utm_*", 5}, {"t", 1}}, keep[] = {{"a*", 2}, {"b", 1}};
    unsigned how = size > 0 ? data[0] : 0;
    bell_cache_query_rules rules = {drop, how & 1 ? 2 : 0, keep, how & 2 ? 2 : 0, (how & 4) != 0, (how & 8) != 0};
    bell_str target = {(const char *)data + (size > 0), size - (size > 0)};
    char *out = malloc(target.len + 1);

    fuzz_assert(out != NULL);
    long len = bell_cache_target_write(target, &rules, out, target.len + 1);
    if (len >= 0) {
        check_normal(target, &rules, out, (size_t)len);
        check_key(target, &rules, out, (size_t)len);
    }
    free(out);
    return 0;
}
