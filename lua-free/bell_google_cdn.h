/* Google Cloud CDN: signed URLs, URL prefixes and cookies under HMAC-SHA1. A signed URL ends in "Expires=E&KeyName=N&Signature=S" and all before the
 * signature is signed. With "URLPrefix=P" before Expires only these fields are, the query's own parameters are free, and the same fields, joined by
 * ":", may be the cookie Cloud-CDN-Cookie. A URL is asked before a cookie, and one that is refused is not saved by a cookie. */
#ifndef BELL_GOOGLE_CDN_H
#define BELL_GOOGLE_CDN_H

#include "bell_signed.h"

#pragma GCC visibility push(hidden)

typedef struct {
    bell_str cookie; /* empty: "Cloud-CDN-Cookie" */
} bell_google_cdn_options;

/* A signature of Media CDN's length counts as none, so that both may stand side by side. The keys are secrets for BELL_SIGNED_HMAC_SHA1, their ids
 * the names of keys. */
bell_signed_reason bell_google_cdn_check(const bell_signed_call *call, const bell_google_cdn_options *options, bell_signed_result *out);

/* The fields that are good for every URL which begins with "SCHEME://HOST" and this path, a directory ("/hls/c7/") or one object, joined by "&" for a
 * query and without NUL; their length. 0: they do not fit in `size` bytes (the prefix is written there once more, in plain), the key is no secret of
 * HMAC-SHA1 or its id no name that Google gives, or they would have no end. */
size_t bell_google_cdn_sign(const bell_signed_key *key, const bell_str url[3], int64_t expires_s, char *out, size_t size)
    __attribute__((warn_unused_result));

#pragma GCC visibility pop

#endif
