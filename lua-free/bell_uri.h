/* References in documents, resolved to what a client will ask this server for (RFC 3986, section 5.2). */
#ifndef BELL_URI_H
#define BELL_URI_H

#include "bell_str.h"

#pragma GCC visibility push(hidden)

/* Where the document is. */
typedef struct {
    bell_str scheme; /* "http" or "https" */
    bell_str host;   /* lower case, with a port that is not the scheme's own */
    bell_str target; /* path, and query if any, as in the request line; begins with "/" */
} bell_uri_base;

/* The target that a reference of the same scheme and host leads to: path without dot segments, query, no fragment; bytes that clients escape by
 * themselves (spaces, quotes, angle brackets, braces, backquotes, all beyond ASCII) are escaped. false: another scheme or host, user names, the
 * document itself (empty, or a fragment alone), control bytes, backslashes, and what begins with a space or hides an origin behind other blanks,
 * which clients read in more than one way, or no room. */
bool bell_uri_resolve(const bell_uri_base *base, bell_str reference, char *room, size_t room_bytes, bell_str *target);

#pragma GCC visibility pop

#endif
