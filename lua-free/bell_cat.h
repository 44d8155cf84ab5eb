/* Common Access Tokens (CTA-5007): CBOR Web Tokens (RFC 8392) that say which requests they are for.
 *
 * A token is base64url of 61(17(COSE_Mac0)) with HS256 or 61(18(COSE_Sign1)) with ES256 (RFC 9052; the outer tag may be missing, the inner one may
 * not). It stands in a parameter of the query, in a field of the request or in a cookie, and is looked for in that order: what somebody put into a
 * URL goes before what a browser sends by itself, and one that is refused is not made good by another. In fields and cookies base64 of either
 * alphabet is taken, padded or not.
 *
 * Where libraries differ the narrower reading is taken. The algorithm is the key's and in the protected header; of the headers that nothing protects
 * only the key id is taken, and others are malformed. A token without a key id is one of the only key of a set. A token without "exp" has expired.
 * Claims that are not known are refused, but those for private use (labels below -65536). Of a component of "catu" and a field of "cath" all given
 * matches must hold; the extension begins with the last dot and includes it; regular expressions are PCRE2's, search, and have a bounded number of
 * steps; a digest may be bytes or hexadecimal text. A query is compared with the token's parameter taken out; for an exact match the order of its
 * parameters does not matter. Of "regex-match" only the expression is known, not what its groups must match. A token that may be used once
 * ("catreplay") is known by its key and its "cti" or, without one, by its key and its claims. One that is refused is not used up.
 *
 * Refused as UNSUPPORTED when present, because nobody here can tell whether they hold: cnf, geohash, catpor other than 0, catgeocoord, catgeoalt,
 * cattpk, catifdata, catdpop; catalpn and catreplay when the caller gives no protocol and no memory. */
#ifndef BELL_CAT_H
#define BELL_CAT_H

#include "bell_signed.h"

#pragma GCC visibility push(hidden)

#define BELL_CAT_TOKEN_MAX        4096  /* characters; a longer one is malformed */
#define BELL_CAT_ROOM_BYTES       32768 /* enough for every token and its renewal at a target of 8 KiB */
#define BELL_CAT_RENEWAL_WINDOW_S 60
#define BELL_CAT_NAME             BELL_STR("CTA-Common-Access-Token") /* of the field and the cookie */
#define BELL_CAT_PARAM            BELL_STR("CAT")

typedef struct {
    bell_str issuer; /* what "iss" must be; empty: whoever has a key of the set */
    const bell_str *audiences;
    size_t naudiences; /* a token with an audience must name one of these; one without is for all */
    bell_str param;    /* names of the query parameter, the field and the cookie; empty: not looked at */
    bell_str field;
    bell_str cookie;           /* compared without case */
    unsigned renewal_window_s; /* how long before its end a token is renewed that says no "deadline" */
    bell_str renewal_key;      /* id of the secret that renewed tokens get; empty: the token's own key, or else the first secret of the set */
    /* Of tokens with "catreplay" 1 (once) and 2 (reuse is noticed): remembers the use. OK, REPLAYED when it was used before, FULL, or another reason
     * of the caller's; with 2 it is OK whatever is found, unless the caller is stricter. Asked last, when all else holds and a renewal is made. NULL:
     * such tokens are refused. */
    bell_signed_reason (*use)(void *data, const bell_signed_use *use);
    void *data;
} bell_cat_options;

/* With OK: a renewal in *out when the token asks for one and it is due. With a refusal that "catif" foresees: out->redirect. */
bell_signed_reason bell_cat_check(const bell_signed_call *call, const bell_cat_options *options, bell_signed_result *out)
    __attribute__((warn_unused_result));

/* A token of these claims (a map in CBOR) under HS256 with this secret, in the room. Empty: no room, or no secret for HS256. */
bell_str bell_cat_mint(bell_signed_room *room, const bell_signed_key *key, bell_str claims);

#pragma GCC visibility pop

#endif
