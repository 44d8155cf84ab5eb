/* The claims of RFC 9246, once the signature holds; for bell_uri_signing.c. */
#ifndef BELL_URI_CLAIMS_H
#define BELL_URI_CLAIMS_H

#include <jansson.h>

#include "bell_uri_signing.h"

#pragma GCC visibility push(hidden)

/* uri: without the token. Fills out's expires_s and subject. */
bell_signed_reason bell_uri_claims_check(const bell_signed_call *call, const bell_uri_signing_options *options, const json_t *claims, bell_str uri,
                                         bell_signed_result *out) __attribute__((warn_unused_result));

/* Writes out's set_cookie when the claims ask for a renewal and the options have a key for it; target: without the token. false: there was no room or
 * no memory. */
bool bell_uri_claims_renew(const bell_signed_call *call, const bell_uri_signing_options *options, json_t *claims, bell_str target,
                           bell_signed_result *out) __attribute__((warn_unused_result));

#pragma GCC visibility pop

#endif
