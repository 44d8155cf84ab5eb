/* Signing in and out with an account of this place, and who one is. */
#ifndef FB_ACCOUNTS_H
#define FB_ACCOUNTS_H

#include "origin/server/job.h"

extern const fb_stmt fb_sql_account_by_login, fb_sql_session_delete, fb_sql_me;

/* POST /api/v1/sessions (JSON) and its twin for a plain form, POST /sign-in */
void fb_sign_in_api(fb_job *job);
void fb_sign_in_form(fb_job *job);
/* DELETE /api/v1/sessions/current and POST /sign-out; both may be repeated */
void fb_sign_out_api(fb_job *job);
void fb_sign_out_form(fb_job *job);
/* GET /api/v1/me */
void fb_me(fb_job *job);

#endif
