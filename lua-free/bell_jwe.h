/* Compact JWE (RFC 7516, 7.1) with a shared key used as it is ("dir") and AES in GCM: how claims about persons stand in the tokens of RFC 9246. */
#ifndef BELL_JWE_H
#define BELL_JWE_H

#include "bell_signed.h"

#pragma GCC visibility push(hidden)

#define BELL_JWE_MAX_BYTES 2048

/* Whether a text has the five parts of one. */
bool bell_jwe_is_one(bell_str text);

/* Whether it is a secret of a length that one of these encryptions has. */
bool bell_jwe_takes(const bell_signed_key *key);

/* The keys are secrets of 16, 24 or 32 bytes, kept for this and nothing else; that which "kid" names, or without it each that fits, is tried.
 * OK: *plain is in the room. ALGORITHM: another way of encryption, or not that of the key; KEY: none of them; MALFORMED: the rest. */
bell_signed_reason bell_jwe_open(const bell_signed_keys *keys, int64_t now_s, bell_str text, bell_signed_room *room, bell_str *plain)
    __attribute__((warn_unused_result));

#pragma GCC visibility pop

#endif
