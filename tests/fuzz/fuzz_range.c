/* Ranges: the first line is the value of a Range, the second one that of a Content-Range, the third one how much there is.
 * longest input: 160 bytes */
#include "bell_range.h"
#include "fuzz.h"

/* What there is of it lies within all there is; each of its parts does, and holds what it is a part of. */
static void check_range(bell_str value, uint64_t bytes) {
    bell_range_wish wish;
    bell_range range;

    if (!bell_range_read(value, &wish) || !bell_range_resolve(&wish, bytes, &range)) {
        return;
    }
    fuzz_assert(range.first <= range.last && range.last < bytes);
    for (uint64_t size = 1; size <= 1 << 20; size <<= 10) {
        bell_range part = bell_range_part(range.first, size);
        fuzz_assert(part.first <= range.first && part.last >= range.first && part.last - part.first == size - 1);
    }
}

/* What was read is written so that it is read again, and a body of just its length is a part. */
static void check_content_range(bell_str value) {
    char out[BELL_RANGE_TEXT];
    bell_range range, again;
    bell_range_wish wish;
    uint64_t complete, other;

    if (!bell_content_range_read(value, &range, &complete)) {
        return;
    }
    fuzz_assert(range.first <= range.last && range.last < complete && complete <= BELL_RANGE_BYTES_MAX);
    size_t len = bell_content_range_write(&range, complete, out);
    fuzz_assert(len < sizeof(out) && bell_content_range_read((bell_str){out, len}, &again, &other));
    fuzz_assert(again.first == range.first && again.last == range.last && other == complete);
    len = bell_range_write(&range, out);
    fuzz_assert(bell_range_read((bell_str){out, len}, &wish) && bell_range_resolve(&wish, complete, &again));
    fuzz_assert(again.first == range.first && again.last == range.last);
    fuzz_assert(bell_range_is_part(&range, complete, (int64_t)(range.last - range.first + 1), &range));
    fuzz_assert(!bell_range_is_part(&range, complete, (int64_t)(range.last - range.first), &range));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    bell_str text = {(const char *)data, size};
    bell_str range = bell_str_cut(&text, '\n'), content_range = bell_str_cut(&text, '\n');
    uint64_t bytes = 10;

    (void)bell_str_to_u64(text, BELL_RANGE_BYTES_MAX, &bytes);
    check_range(range, bytes);
    check_content_range(content_range);
    return 0;
}
