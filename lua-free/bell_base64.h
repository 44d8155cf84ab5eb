/* base64url without padding (RFC 4648, section 5). */
#ifndef BELL_BASE64_H
#define BELL_BASE64_H

#include "bell_str.h"

#pragma GCC visibility push(hidden)

#define BELL_BASE64URL_LEN(n) (((n)*4 + 2) / 3)

/* Writes BELL_BASE64URL_LEN(len) bytes and NUL; returns that length. */
size_t bell_base64url_encode(const void *in, size_t len, char *out);
/* Strict: no padding, no white space, unused bits zero. Bytes written to out (room for in.len), -1 when malformed. */
long bell_base64url_decode(bell_str in, unsigned char *out);

#pragma GCC visibility pop

#endif
