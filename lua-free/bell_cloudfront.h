/* Amazon CloudFront's signed URLs and signed cookies, as its SDKs make them: canned and custom policies, RSA and ECDSA P-256, SHA-1 (theirs when
 * nothing is said) and SHA-256.
 *
 * In a URL the parameters Expires or Policy, Signature, Key-Pair-Id and, with another hash than SHA-1, Hash-Algorithm; in cookies the same names
 * behind "CloudFront-". Where both Expires and Policy are sent, the policy decides. A URL that has Policy, Signature or Key-Pair-Id is judged by its
 * parameters alone: cookies are not asked when they are wrong, nor when one of them is missing (BELL_SIGNED_MISSING then, as other issuers call
 * theirs by the same names). Base64 has "-", "~" and "_" for "+", "/" and "="; the padding may be left out; of escapes only %7E, %2D and %5F are
 * read, in capitals.
 *
 * What is signed: of a canned policy its one form, made of the URL without those parameters and of the text of Expires; of a custom one its bytes as
 * received. A policy has one statement and nothing in it that is not known here: Resource, and the conditions DateLessThan (which must be there),
 * DateGreaterThan (both are open: at their very second they refuse) and IpAddress (IPv4 alone, one address or network).
 *
 * In a Resource "*" stands for any run of bytes and "?" for one. Where it has "://" and a "/" behind it, what stands between them is compared to the
 * host alone: "*.school.example" there is no way to a host of somebody else's that has the rest in its path. */
#ifndef BELL_CLOUDFRONT_H
#define BELL_CLOUDFRONT_H

#include "bell_signed.h"

#pragma GCC visibility push(hidden)

typedef struct {
    bool any_resource; /* a policy without a Resource is one for all that its key may sign, as CloudFront has it; else it is refused */
} bell_cloudfront_options;

/* The keys are RSA and P-256, by Key-Pair-Id. BELL_SIGNED_PATH, EXPIRED, NOT_YET, ADDRESS and RESOURCE come behind a right signature only. Subject
 * and data stay empty; there is no renewal. Room: about the URL and three quarters of signature and policy. */
bell_signed_reason bell_cloudfront_check(const bell_signed_call *call, const bell_cloudfront_options *options, bell_signed_result *out)
    __attribute__((warn_unused_result));

/* What a policy says. */
typedef struct {
    bool has_resource;
    bell_str resource;       /* into the text, or the room */
    int64_t until_s, from_s; /* DateLessThan, DateGreaterThan; Unix seconds, 0: none */
    bell_str network;        /* IPv4; empty: none */
} bell_cloudfront_policy;

/* Reads one whose signature holds; false: malformed, or no room. Read in place and without allocation when no text in it has an
 * escape. */
bool bell_cloudfront_policy_read(bell_str text, bell_signed_room *room, bell_cloudfront_policy *out) __attribute__((warn_unused_result));
/* The same for every text, by way of jansson. */
bool bell_cloudfront_policy_read_json(bell_str text, bell_signed_room *room, bell_cloudfront_policy *out) __attribute__((warn_unused_result));

#pragma GCC visibility pop

#endif
