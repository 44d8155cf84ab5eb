/* Compact JWS (RFC 7515, 7.1) as far as every reader of one needs it: three parts and JSON objects in base64url. Keys, algorithms and claims are the
 * reader's own: bell_jwt.h, bell_uri_signing.h. */
#ifndef BELL_JWS_H
#define BELL_JWS_H

#include <jansson.h>

#include "bell_str.h"

#pragma GCC visibility push(hidden)

#define BELL_JWS_HEADER_BYTES 2048 /* the most, in base64url */

typedef struct {
    bell_str header, payload, signature; /* in base64url; the signature may be empty, the others are not */
    bell_str input;                      /* what is signed: header, dot, payload */
} bell_jws;

/* false: not three parts, or a header that is too long. */
bool bell_jws_split(bell_str token, bell_jws *out) __attribute__((warn_unused_result));
/* An object without a member that stands twice, which the caller gives back with json_decref; NULL: it is none. room: of encoded.len bytes. */
json_t *bell_jws_object(bell_str encoded, unsigned char *room) __attribute__((warn_unused_result));
/* A value that is a string; NULL p: it is none. */
bell_str bell_jws_text(const json_t *value);

#pragma GCC visibility pop

#endif
