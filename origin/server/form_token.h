/* Tokens of forms, against requests that another site makes a browser send. A page with a form carries FB_FORM_MARK where the token goes; it is
 * filled in when the page is sent, and such a page is stored by nobody. The token is a nonce and an HMAC-SHA256 over it, the tenant and what the
 * browser alone holds: the session, or before there is one a cookie with a random number (__Host-, so no other host can set it). Routes that say
 * is_form take a form only with its token; it is the field FB_FORM_FIELD. Made new with every page, it gives nothing away to who measures
 * compressed lengths. */
#ifndef FB_FORM_TOKEN_H
#define FB_FORM_TOKEN_H

#include "origin/server/job.h"

#define FB_FORM_MARK   "{{form_token}}"
#define FB_FORM_FIELD  "form_token"
#define FB_FORM_COOKIE "__Host-bell_form"

/* A token for a page of this job, in its arena; sets the cookie when there is neither a session nor a cookie. NULL: no randomness or memory. */
const char *fb_form_token_new(fb_job *job);

/* Whether the form in the job's body carries a token for its session or its cookie. Constant time. */
bool fb_form_token_holds(fb_job *job) __attribute__((warn_unused_result));

#endif
