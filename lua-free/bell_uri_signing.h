/* URI Signing (RFC 9246): a signed JWT in the URI or in a cookie says which URIs somebody may have, and until when. As Apache Traffic Server, whose
 * plugin is older than the RFC, it is taken from four places:
 *
 *   ?URISigningPackage=JWT      a parameter of the query
 *   /URISigningPackage=JWT/…    a segment of the path, which relative URLs inherit
 *   ;URISigningPackage=JWT      a parameter of a segment
 *   Cookie: URISigningPackage=JWT
 *
 * A URI has at most one, and it decides; but where it has ended or was used, a cookie may hold the one that it was renewed to. Of several cookies the
 * first that is valid counts. Claims are compared with the URI without the token: scheme, "://", host and the rest of the raw target.
 *
 * The key says which algorithm a token has: a secret HS256, RSA RS256, P-256 ES256, Ed25519 EdDSA. Without "kid" the keys of the token's algorithm
 * are tried. The header is read for "alg" and "kid" alone; "crit" is refused.
 *
 * Claims: "iss", "aud", "exp", "nbf" (no leeway; a token has ended at the second of "exp"), "jti", "sub", "cdniv", "cdnicrit", "cdniip", "cdniuc"
 * ("regex:", and "hash:" with SHA-256 as RFC 6920, 5, writes it), "cdniets", "cdnistt", "cdnistd". Others are passed over, as RFC 7519 says,
 * unless "cdnicrit" is there: no extension is known here, so that is UNSUPPORTED. */
#ifndef BELL_URI_SIGNING_H
#define BELL_URI_SIGNING_H

#include "bell_signed.h"

#pragma GCC visibility push(hidden)

#define BELL_URI_SIGNING_NAME        "URISigningPackage"
#define BELL_URI_SIGNING_TOKEN_BYTES 8192
#define BELL_URI_SIGNING_URI_BYTES   8192
#define BELL_URI_SIGNING_COOKIES     4 /* that are asked */
#define BELL_URI_SIGNING_TRIES       8 /* keys that are tried for a token without "kid" */

typedef struct {
    bell_str name;                        /* of the parameter, segment and cookie; empty: BELL_URI_SIGNING_NAME */
    bell_str issuer;                      /* what "iss" must be; empty: it is not asked, the keys stand for it */
    bell_str audience;                    /* who we are: what "aud", when there is one, must be or hold; empty: a token with "aud" is refused */
    bool search;                          /* a regular expression may match a part of the URI (Traffic Server) and not the whole alone */
    bool any_uri;                         /* "cdniuc" may be missing (Traffic Server) */
    bool endless;                         /* "exp" may be missing */
    bool many_uses;                       /* "jti" does not mean that a token counts once; without this, and without use(), it is UNSUPPORTED */
    bool plain_address;                   /* "cdniip" may stand there unencrypted */
    const bell_signed_keys *private_keys; /* that open "cdniip" and "sub"; NULL: none */
    bell_str renewal_key;                 /* id of the key of HS256, one of the call's, that signs renewed tokens; empty: none are made */
    bell_str cookie_attributes;           /* what follows the path of the cookie, such as "; Secure; HttpOnly" */
    /* Of tokens with "jti", which need an end then: remembers the use. OK, REPLAYED when it was used before, FULL, or another reason of the caller's.
     * Asked last, when all else holds and a renewal, whose "jti" is another one, is made. */
    bell_signed_reason (*use)(void *data, const bell_signed_use *use);
    void *data;
} bell_uri_signing_options;

/* OK with "cdnistt" 1 and a renewal key: out->set_cookie has a token that ends "cdniets" seconds from now and says the same otherwise; its path are
 * the first "cdnistd" segments. out->subject is "sub", opened when it is encrypted and a key is there for it, and empty when it is not printable
 * ASCII. */
bell_signed_reason bell_uri_signing_check(const bell_signed_call *call, const bell_uri_signing_options *options, bell_signed_result *out);

#pragma GCC visibility pop

#endif
