/* An issuer of access tokens that a tenant trusts beside us: a provider of sign-in, a student information system. It is described by a JWK Set
 * (RFC 7517) with members more, all texts or lists of texts:
 *
 *   {"issuer": "https://sis.example", "audience": "https://north.example/api", "roles": ["teacher"], "scopes": ["classes"], "keys": [{…}]}
 *
 * "issuer" is what "iss" must be, "audience" what "aud" must be or hold. "roles" and "scopes" are what its claims "role" and "scope" (RFC 8693, 4.2)
 * may give: others are passed over, and without the members nothing is given. */
#ifndef BELL_ISSUER_H
#define BELL_ISSUER_H

#include "bell_jwt.h"

#pragma GCC visibility push(hidden)

#define BELL_ISSUER_NAME_BYTES 32 /* of our name for it, which begins its subjects */
#define BELL_ISSUER_TEXT_BYTES 255
#define BELL_ISSUER_LIST_MAX   16

typedef struct bell_issuer bell_issuer;

/* name: ours, of letters, digits, "_", "." and "-". NULL: *why is a static sentence. */
bell_issuer *bell_issuer_parse(bell_str name, bell_str text, const char **why) __attribute__((warn_unused_result));
void bell_issuer_free(bell_issuer *i);

bell_str bell_issuer_name(const bell_issuer *i);
/* A hash of name and text: another one after any change. */
uint64_t bell_issuer_id(const bell_issuer *i);

/* Signature, "iss" and "aud". OK: *claims is an object that the caller gives back with json_decref. */
bell_jwt_verdict bell_issuer_verify(const bell_issuer *i, bell_str token, json_t **claims) __attribute__((warn_unused_result));

/* Whether it may give that role, or that scope. */
bool bell_issuer_gives_role(const bell_issuer *i, bell_str role);
bool bell_issuer_gives_scope(const bell_issuer *i, bell_str scope);

#pragma GCC visibility pop

#endif
