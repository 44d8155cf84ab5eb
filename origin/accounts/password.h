/* Passwords as argon2id hashes (RFC 9106) in the encoded form "$argon2id$v=19$m=19456,t=2,p=1$SALT$HASH": 19 MiB and two passes, one of the
 * settings of OWASP's password storage guide. Every call costs tens of milliseconds and 19 MiB; all are thread-safe. */
#ifndef FB_PASSWORD_H
#define FB_PASSWORD_H

#include "bell_str.h"

#define FB_PASSWORD_MIN_BYTES   10
#define FB_PASSWORD_MAX_BYTES   256
#define FB_PASSWORD_ENCODED_MAX 128 /* with the NUL */

/* NULL when the password may be set; otherwise a sentence: "the password has 4 bytes; …" without naming it. Static text. */
const char *fb_password_problem(bell_str password);

/* false: no memory or no randomness. */
bool fb_password_hash(bell_str password, char encoded[FB_PASSWORD_ENCODED_MAX]) __attribute__((warn_unused_result));

/* encoded NULL stands for an account that does not exist: the work is the same, the answer is false. */
bool fb_password_verify(const char *encoded, bell_str password) __attribute__((warn_unused_result));

#endif
