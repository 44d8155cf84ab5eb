/* Where a request comes from, as the edge says: X-Forwarded-For, which our edge sets to the address of its peer, whatever the client sent. Only its
 * last element counts: the one that the nearest edge wrote. */
#ifndef FB_CLIENT_ADDRESS_H
#define FB_CLIENT_ADDRESS_H

#include "bell_http.h"

#define FB_SOURCE_BYTES 33

/* The address as something to count by: 'a' and 32 hex digits of a digest, over an IPv4 address or the first 64 bits of an IPv6 address (of a
 * mapped one its IPv4). A request without an address, or with one that is none, counts with all others of that kind. */
void fb_client_source(const bell_http_request *q, char out[FB_SOURCE_BYTES + 1]);

/* The digest of any bytes in that form: `kind` and 32 hex digits. */
void fb_source_digest(char kind, bell_str bytes, char out[FB_SOURCE_BYTES + 1]);

#endif
