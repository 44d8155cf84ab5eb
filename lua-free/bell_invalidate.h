/* What a request that changes something makes untrue (RFC 9111, 4.4). */
#ifndef BELL_INVALIDATE_H
#define BELL_INVALIDATE_H

#include "bell_uri.h"

#pragma GCC visibility push(hidden)

#define BELL_INVALIDATE_MAX 3

typedef struct {
    bell_str method;
    unsigned status;
    bell_str location, content_location; /* of the answer; empty: none */
} bell_invalidate_answer;

/* The targets, each once, whose stored answers are no longer to be trusted: that of the request, and those that Location and Content-Location name
 * when they have its scheme and host. None (0) when the method is safe, or the answer is an error: only 2xx and 3xx are none. `request` is as it was
 * received; the others point into the room, which is to have twice the bytes that a field may have; a target that finds no room there is left out.
 * They are not normalised yet (bell_cache_target_write). */
unsigned bell_invalidate_targets(const bell_uri_base *request, const bell_invalidate_answer *answer, char *room, size_t room_bytes,
                                 bell_str targets[BELL_INVALIDATE_MAX]);

#pragma GCC visibility pop

#endif
