/* Ranges of bytes (RFC 9110, section 14), as a cache is asked for them, and as it asks for them itself.
 *
 * What is too long to be kept whole is kept in parts: pieces of one size, counted from the first byte on, the last one being as short as need be.
 * Each is an answer of its own (206), and says of how much it is a part; put side by side they are the whole again, if all of them have one strong
 * tag (RFC 9111, section 3.4). */
#ifndef BELL_RANGE_H
#define BELL_RANGE_H

#include "bell_str.h"

#pragma GCC visibility push(hidden)

#define BELL_RANGE_BYTES_MAX INT64_MAX /* of what there are ranges */
#define BELL_RANGE_TEXT      72        /* bytes of a field's value, at most */

/* Both ends are in it. */
typedef struct {
    uint64_t first;
    uint64_t last;
} bell_range;

/* What a request asks for. */
typedef struct {
    bool is_suffix; /* so many bytes of the end, `last` */
    uint64_t first;
    uint64_t last; /* BELL_RANGE_BYTES_MAX: to the end */
} bell_range_wish;

/* The value of Range. false: it is not one range of bytes: several, of another unit, or malformed, which a server ignores. */
bool bell_range_read(bell_str value, bell_range_wish *wish) __attribute__((warn_unused_result));
/* What of it there is in so many bytes; false: nothing (416). */
bool bell_range_resolve(const bell_range_wish *wish, uint64_t bytes, bell_range *range) __attribute__((warn_unused_result));

/* The part that a byte is in. */
bell_range bell_range_part(uint64_t at, uint64_t part_bytes);

/* The value of the Content-Range of a 206, and what of that is known: first <= last < complete. false: another unit, malformed, a length that is not
 * told ("*"), or invalid (section 14.4): nothing may be put together with what it came with. */
bool bell_content_range_read(bell_str value, bell_range *range, uint64_t *complete) __attribute__((warn_unused_result));
/* Whether this is what was asked for as a part, to the end of it or of all there is, and the body is as long. */
bool bell_range_is_part(const bell_range *range, uint64_t complete, int64_t body_bytes, const bell_range *part);

/* The value of a Range, and of a Content-Range; range: NULL, and it says that there is no such range (416). Their bytes, without a NUL. */
size_t bell_range_write(const bell_range *range, char out[BELL_RANGE_TEXT]);
size_t bell_content_range_write(const bell_range *range, uint64_t complete, char out[BELL_RANGE_TEXT]);

#pragma GCC visibility pop

#endif
