/* Percent-encoding, paths and forms (RFC 3986; WHATWG URL, application/x-www-form-urlencoded). */
#ifndef BELL_URL_H
#define BELL_URL_H

#include "bell_arena.h"

#pragma GCC visibility push(hidden)

/* Decodes %XX into out (at least s.len bytes). '+' becomes a space when `form`. -1: a bad escape or a NUL. */
long bell_url_decode(bell_str s, bool form, char *out);

/* True for a path that names a file below a root and nothing else: segments of [A-Za-z0-9._-], none empty, none beginning with '.',
 * no leading or trailing '/', at most 255 bytes. */
bool bell_url_is_plain_path(bell_str path);

/* The value of `name` in a query or form body, decoded into the arena and followed by a NUL that is not counted. 1 found, 0 absent, -1 malformed (a
 * bad escape in any name or in this value, a NUL, a value that is not UTF-8), twice, or out of memory. */
int bell_form_get(bell_arena *a, bell_str form, bell_str name, bell_str *value);

#pragma GCC visibility pop

#endif
