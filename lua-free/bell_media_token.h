/* Tokens of Media CDN's dual-token authentication: fields joined by "~", of which one says what the token is for (URLPrefix, PathGlobs, or FullPath
 * for the path of the request), Expires must be there, Starts, SessionID, Data, Headers and IPRanges may be, each once, in any order; behind them
 * "Signature=" (Ed25519, base64url) or "hmac=" (HMAC-SHA1 or SHA-256, hexadecimal digits). What is signed are the fields as sent, but that FullPath
 * and Headers are carried as names and signed with the values of the request. */
#ifndef BELL_MEDIA_TOKEN_H
#define BELL_MEDIA_TOKEN_H

#include "bell_media_cdn.h"

#pragma GCC visibility push(hidden)

#define BELL_MEDIA_TOKEN_HEADERS 16 /* most names in Headers */

/* Checks the text of a token, as sent (decoded as well when it has escapes); out->target and out->token are the caller's, the rest is filled. */
bell_signed_reason bell_media_token_check(const bell_signed_call *call, const bell_media_cdn_options *options, bell_str text,
                                          bell_signed_result *out);

#pragma GCC visibility pop

#endif
