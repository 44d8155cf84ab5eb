/* Our own tokens of signed requests: one component of the path, so that the relative URLs of a playlist inherit it without cookies and without
 * rewriting.
 *
 *   /courses/c7/bell-token=V.KEY.TENANT.FROM.UNTIL.SUBJECT.DATA.MAC/720/s1.ts
 *
 * It allows what stands below the prefix, which is the text in front of the component: here "/courses/c7/", and here the target without the token is
 * "/courses/c7/720/s1.ts". The query is not signed.
 *
 *   V        "v1": under every host of the tenant; "v1h": under the host that it was made for, and no other
 *   KEY      the id of the key: 1 to 32 letters, digits, "-" and "_"
 *   TENANT   the tenant's number, decimal, without a leading zero; "0" where there is no directory
 *   FROM     Unix seconds, decimal, without a leading zero: not valid before; empty: valid at once
 *   UNTIL    Unix seconds, the same: no longer valid at this second
 *   SUBJECT  base64url without padding (RFC 4648, section 5) of who it is for: printable ASCII, may be empty
 *   DATA     the same, of the maker's own words, such as the name of a session
 *   MAC      base64url of HMAC-SHA256 (RFC 2104) under the key, over these bytes:
 *
 *     "firstbell path token" LF, then with "v1h" the host, LF, the prefix, LF, and "V.KEY.TENANT.FROM.UNTIL.SUBJECT.DATA"
 *
 * The host is in lower case, with its port unless it is the scheme's own. No part can hold a line feed or a dot, so they cannot run into each other,
 * and the first line is such that no MAC of something else, as of the header Bell-Context, is one of a token, should they ever share a key. Each
 * token has one spelling, and no other is taken.
 *
 * The MAC is looked at first, in constant time, and the parts behind it. Nothing is allocated. */
#ifndef BELL_PATH_TOKEN_H
#define BELL_PATH_TOKEN_H

#include "bell_signed.h"

#pragma GCC visibility push(hidden)

#define BELL_PATH_TOKEN_NAME          "bell-token="
#define BELL_PATH_TOKEN_KEY_BYTES     32 /* the most, each */
#define BELL_PATH_TOKEN_SUBJECT_BYTES 64
#define BELL_PATH_TOKEN_DATA_BYTES    128
#define BELL_PATH_TOKEN_MAX_BYTES     448 /* of the component, NUL included */
#define BELL_PATH_TOKEN_PREFIX_BYTES  2048
#define BELL_PATH_TOKEN_HOST_BYTES    260

typedef struct {
    uint32_t tenant_id;      /* 0 without a directory */
    int64_t from_s, until_s; /* Unix seconds; from_s 0: at once */
    bell_str subject, data;  /* printable ASCII, may be empty */
    bell_str host;           /* the only host that it is for; empty: any of the tenant */
} bell_path_token;

/* Whether a key could have that id. */
bool bell_path_token_is_key_id(bell_str id);
/* Whether a path can stand in front of a component: it begins and ends with "/", is plain (bell_signed_is_plain_target) and holds no component. */
bool bell_path_token_is_prefix(bell_str prefix);

/* Writes the component for what is below the prefix, and NUL; its length, or -1: a part is too long or of other bytes, until_s is not past from_s,
 * the prefix is none, the key is no secret of HMAC-SHA256 or its id is none of ours, or OpenSSL failed. */
long bell_path_token_write(const bell_signed_key *k, const bell_path_token *t, bell_str prefix, char out[BELL_PATH_TOKEN_MAX_BYTES])
    __attribute__((warn_unused_result));

typedef struct {
    bool one_host; /* only "v1h" counts */
} bell_path_token_options;

/* MISSING: no component of the path begins with the name. MALFORMED: more than one does, too; RESOURCE: another host. A token that was made for
 * another prefix is one whose MAC is wrong: SIGNATURE. */
bell_signed_reason bell_path_token_check(const bell_signed_call *call, const bell_path_token_options *options, bell_signed_result *out);

#pragma GCC visibility pop

#endif
