#include "bell_range.h"

#include <inttypes.h>
#include <stdio.h>

/* ---- reading */

static bool read_number(bell_str s, uint64_t *n) {
    return bell_str_to_u64(s, BELL_RANGE_BYTES_MAX, n);
}

/* Units are compared without case (14.1). What is behind "bytes" and `sep`; false: another unit. */
static bool cut_unit(bell_str *value, char sep) {
    bell_str rest = *value, unit = bell_str_cut(&rest, sep);

    if (!bell_str_ieq(unit, BELL_STR("bytes")) || unit.len == value->len) {
        return false;
    }
    *value = rest;
    return true;
}

bool bell_range_read(bell_str value, bell_range_wish *wish) {
    bell_str last = value, first;

    if (!cut_unit(&last, '=') || memchr(last.p, '-', last.len) == NULL) {
        return false;
    }
    first = bell_str_cut(&last, '-');
    *wish = (bell_range_wish){first.len == 0, 0, BELL_RANGE_BYTES_MAX};
    if (wish->is_suffix) {
        return read_number(last, &wish->last);
    }
    return read_number(first, &wish->first) && (last.len == 0 || (read_number(last, &wish->last) && wish->first <= wish->last));
}

bool bell_range_resolve(const bell_range_wish *wish, uint64_t bytes, bell_range *range) {
    if (bytes == 0 || (wish->is_suffix ? wish->last == 0 : wish->first >= bytes)) {
        return false;
    }
    if (wish->is_suffix) {
        *range = (bell_range){wish->last < bytes ? bytes - wish->last : 0, bytes - 1};
    } else {
        *range = (bell_range){wish->first, wish->last < bytes ? wish->last : bytes - 1};
    }
    return true;
}

bool bell_content_range_read(bell_str value, bell_range *range, uint64_t *complete) {
    bell_str rest = value, last, first;

    if (!cut_unit(&rest, ' ')) {
        return false;
    }
    last = bell_str_cut(&rest, '/');
    first = bell_str_cut(&last, '-');
    return read_number(first, &range->first) && read_number(last, &range->last) && read_number(rest, complete) && range->first <= range->last &&
           range->last < *complete;
}

/* ---- parts */

bell_range bell_range_part(uint64_t at, uint64_t part_bytes) {
    uint64_t first = at - at % part_bytes;

    return (bell_range){first, first + (part_bytes - 1)};
}

bool bell_range_is_part(const bell_range *range, uint64_t complete, int64_t body_bytes, const bell_range *part) {
    uint64_t last = part->last < complete ? part->last : complete - 1;

    return complete > 0 && range->first == part->first && range->last == last && range->first <= range->last && body_bytes >= 0 &&
           (uint64_t)body_bytes - 1 == range->last - range->first;
}

/* ---- writing */

size_t bell_range_write(const bell_range *range, char out[BELL_RANGE_TEXT]) {
    return (size_t)snprintf(out, BELL_RANGE_TEXT, "bytes=%" PRIu64 "-%" PRIu64, range->first, range->last);
}

size_t bell_content_range_write(const bell_range *range, uint64_t complete, char out[BELL_RANGE_TEXT]) {
    if (range == NULL) {
        return (size_t)snprintf(out, BELL_RANGE_TEXT, "bytes */%" PRIu64, complete);
    }
    return (size_t)snprintf(out, BELL_RANGE_TEXT, "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, range->first, range->last, complete);
}
