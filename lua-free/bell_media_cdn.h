/* Google Media CDN, Ed25519: signed URLs, URL prefixes and cookies as of bell_google_form.h, and path components: in
 * "/PREFIX/edge-cache-token=Expires=E&KeyName=N&Signature=S/REST" the URL up to the signature is signed, so that the token is good for all below
 * PREFIX and addresses that a playlist gives relative to its own inherit it; it is cut from the target. And the tokens of its dual-token
 * authentication (bell_media_token.h), in a query parameter or in the same cookie. A URL is asked before a cookie, and one that is refused is not
 * saved by a cookie; two carriers in one URL are malformed. */
#ifndef BELL_MEDIA_CDN_H
#define BELL_MEDIA_CDN_H

#include "bell_signed.h"

#pragma GCC visibility push(hidden)

#define BELL_MEDIA_CDN_TRIES 4 /* public keys of one key set, or of all for a token that names none: a wrong signature costs each of them */

typedef struct {
    bell_str cookie;      /* empty: "Edge-Cache-Cookie" */
    bell_str token_param; /* the query parameter of tokens, "edge-cache-token", "hdnts", …; empty: tokens are not taken, in cookies neither */
    bell_str token_keys;  /* the key set (id of keys) of tokens, which name none; empty: all */
} bell_media_cdn_options;

/* A signature of Cloud CDN's length counts as none, so that both may stand side by side. A KeyName is the id that the keys of a set have in common:
 * those valid now are tried, the first BELL_MEDIA_CDN_TRIES of them. */
bell_signed_reason bell_media_cdn_check(const bell_signed_call *call, const bell_media_cdn_options *options, bell_signed_result *out);

#pragma GCC visibility pop

#endif
