/* Sessions of the origin: an ES256 token in a cookie, checked here, and a row in `sessions` that is checked with the first statements
 * of every request (session_enter). The cookie has the __Host- prefix: one host, Secure, Path=/. */
#ifndef FB_SESSION_H
#define FB_SESSION_H

#include "origin/server/job.h"

#define FB_SESSION_COOKIE    "__Host-bell_session"
#define FB_COOKIE_ATTRIBUTES "Path=/; Secure; HttpOnly; SameSite=Lax"

/* The value of a cookie; empty when it is absent, stands there twice, or the request has several Cookie lines. */
bell_str fb_cookie(const bell_http_request *q, bell_str name);

/* Sets job->has_session and job->session when the request carries a valid token of its tenant. */
void fb_session_read(fb_job *job);

/* A new random session id. false: the system gave no randomness. */
bool fb_session_new_sid(char sid[BELL_TOKEN_SID_BYTES + 1]) __attribute__((warn_unused_result));
/* 32 lower-case hex digits: a session id, or another random number of ours. */
bool fb_session_is_sid(bell_str s);
/* Adds the Set-Cookie line with a token for these claims. */
bool fb_session_give(fb_job *job, const bell_token_claims *c) __attribute__((warn_unused_result));
/* Adds the Set-Cookie line that takes the cookie away. */
void fb_session_take_away(fb_job *job);

#endif
