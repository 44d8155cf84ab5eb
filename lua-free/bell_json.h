/* An append-only JSON writer (RFC 8259). Commas are put by the writer; nesting is the caller's, up to BELL_JSON_DEPTH_MAX.
 * Input strings must be UTF-8; a byte sequence that is not is written as U+FFFD. A misuse (a member without a name, a name in an array, a
 * bracket that does not match, a second value) or a full buffer shows in buf->failed. */
#ifndef BELL_JSON_H
#define BELL_JSON_H

#include "bell_buf.h"

#pragma GCC visibility push(hidden)

#define BELL_JSON_DEPTH_MAX 32

typedef struct {
    bell_buf *buf;
    unsigned depth;
    uint32_t has_member; /* one bit a level, the outermost is bit 0 */
    uint32_t is_object;  /* likewise */
    bool after_key;
    bool has_value; /* the one value of the text is begun */
} bell_json;

void bell_json_init(bell_json *j, bell_buf *buf);

void bell_json_object_open(bell_json *j);
void bell_json_object_close(bell_json *j);
void bell_json_array_open(bell_json *j);
void bell_json_array_close(bell_json *j);

/* A member's name: a literal that needs no escaping. */
void bell_json_key(bell_json *j, const char *key);

void bell_json_str(bell_json *j, bell_str s);
void bell_json_z(bell_json *j, const char *z); /* NULL is written as null */
void bell_json_int(bell_json *j, int64_t v);
/* A fixed-point number: value / 10^digits without trailing zeros, e.g. (8750, 2) is 87.5 */
void bell_json_fixed(bell_json *j, int64_t value, unsigned digits);
void bell_json_bool(bell_json *j, bool v);
void bell_json_null(bell_json *j);
/* Text that is JSON already (a jsonb column); empty is written as null. */
void bell_json_raw(bell_json *j, bell_str json);

/* True when there is a value, every array and object is closed and nothing failed. */
bool bell_json_done(const bell_json *j);

#pragma GCC visibility pop

#endif
