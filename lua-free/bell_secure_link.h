/* nginx's own secure links, so that those which are out there keep working
 * (ngx_http_secure_link_module): an MD5 hash in base64url over whatever an
 * expression says, with or without an end; and the older form,
 * /PREFIX/HASH/LINK, with a hash in hexadecimal digits over LINK and a secret.
 *
 * What nginx takes is taken, but for what no signer writes: base64url with
 * unused bits that are not zero, or with other bytes behind the padding. And a
 * link ends at the second of its end, as all tokens here do; to nginx it counts
 * one more. Hashes are compared in constant time. */
#ifndef BELL_SECURE_LINK_H
#define BELL_SECURE_LINK_H

#include "bell_signed.h"

#pragma GCC visibility push(hidden)

/* Evaluated for this request by who has the configuration. */
typedef struct {
    bell_str hash;       /* in front of the comma of "secure_link"; empty: MISSING */
    bool has_expires;    /* "secure_link" has a comma */
    bell_str expires;    /* behind it: Unix seconds, decimal */
    bell_str expression; /* "secure_link_md5" */
    bool served_path;    /* the expression has the path as nginx serves it ($uri), so
                            that dot segments play no tricks and are let pass */
    const bell_str *params;
    size_t nparams; /* parameters of the query that belong to the token */
} bell_secure_link_options;

/* SIGNATURE also for a hash and an end of another form: nginx does not tell
 * them apart, and neither do the links' makers. */
bell_signed_reason bell_secure_link_check(const bell_signed_call *call, const bell_secure_link_options *options, bell_signed_result *out);

typedef struct {
    bell_str secret; /* "secure_link_secret" */
} bell_secure_link_secret_options;

/* PREFIX is the first segment; LINK has the query with it, as it was sent.
 * MISSING: the second segment is not a hash, or nothing follows it. out->target
 * is /PREFIX/LINK. */
bell_signed_reason bell_secure_link_secret_check(const bell_signed_call *call, const bell_secure_link_secret_options *options,
                                                 bell_signed_result *out);

#pragma GCC visibility pop

#endif
