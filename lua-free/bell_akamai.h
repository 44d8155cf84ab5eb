/* Akamai EdgeAuth 2.0: fields joined by "~" (ip, st, exp, acl, id, data, each at most once and all but exp optional) and an HMAC over them, in one
 * query parameter, cookie or header. A token with "acl" is good for the paths that one of its patterns matches; a token without is for one URL, which
 * is not carried: it is hashed behind the fields as "~url=", and so is a salt as "~salt=". Which algorithm, escaping and salt the signer uses is the
 * operator's to say, as in Akamai's own behaviour "Verify Token Authorization"; nothing of it is in a token. */
#ifndef BELL_AKAMAI_H
#define BELL_AKAMAI_H

#include "bell_signed.h"

#pragma GCC visibility push(hidden)

#define BELL_AKAMAI_TOKEN_MAX 8192 /* bytes of a token, as sent; longer ones are malformed */

typedef enum { BELL_AKAMAI_QUERY, BELL_AKAMAI_COOKIE, BELL_AKAMAI_HEADER } bell_akamai_location;

typedef struct {
    bell_akamai_location location;
    bell_str name;       /* of the parameter, cookie or header: "__token__", "hdnts", "hdntl", … */
    bell_signed_alg alg; /* BELL_SIGNED_HMAC_SHA256, _SHA1 or _MD5; keys of another one are not tried */
    bool escape;         /* the signer escapes ip, id, data and url ("escapeEarly", "Escape Hmac Inputs") */
    bool ignore_query;   /* a URL token is for a path, whatever the query */
    bell_str salt;       /* empty: none */

    /* A request that is allowed is given a token in a cookie, for what is asked for next: with the patterns of the token at hand or, of a URL token,
     * for all below the URL's last "/"; bound to the same address, id and data, under the key that was found right. None is given where its text
     * cannot stand in a cookie. */
    bell_str long_cookie;     /* its name, "hdntl" as a rule; empty: none is given */
    int64_t long_s;           /* how long it is good for */
    bell_str long_attributes; /* what stands behind it; empty: "; Path=/; Secure; HttpOnly" */
} bell_akamai_options;

/* Each key of the set that is valid now is tried, so that one may follow the other: the key_id found is of the one that was right. The value is tried
 * as it was sent and, when it has escapes, decoded: tokens may carry escapes of their own, and clients encode what they send. A URL is hashed as it
 * is in the request, and as its signer may have written it before a client made a URL of it (a space for "%20", "é" for "%C3%A9"), with `escape` in
 * the forms of the SDKs for Node and Python; patterns are matched with the path in both ways, too. A token that is empty counts as none. */
bell_signed_reason bell_akamai_check(const bell_signed_call *call, const bell_akamai_options *options, bell_signed_result *out);

/* What a token is to say. Empty texts and 0: not there. */
typedef struct {
    bell_str ip, id, data;
    bell_str acl;      /* patterns joined by "!"; never escaped */
    bell_str url;      /* in place of acl */
    bell_str salt;     /* of the signer, not carried */
    int64_t starts_s;  /* Unix seconds */
    int64_t expires_s; /* must be there */
    bool escape;       /* as the SDK for Node does */
} bell_akamai_grant;

/* Writes a token, without NUL; its length. 0: it does not fit (a URL is written there first, three bytes for each of its own at most), it says
 * neither or both of acl and url, it has no end, or a text would be read as something else ("~", control bytes). */
size_t bell_akamai_sign(const bell_signed_key *key, const bell_akamai_grant *grant, char *out, size_t size) __attribute__((warn_unused_result));

#pragma GCC visibility pop

#endif
