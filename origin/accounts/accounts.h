/* Signing in and out with an account of this place, and who one is. */
#ifndef FB_ACCOUNTS_H
#define FB_ACCOUNTS_H

#include "origin/server/job.h"

extern const fb_stmt fb_sql_account_by_login, fb_sql_session_delete, fb_sql_me, fb_sql_sessions_mine, fb_sql_session_end_mine, fb_sql_password_mine,
    fb_sql_password_change;

/* POST /api/v1/sessions (JSON) and its twin for a plain form, POST /sign-in */
void fb_sign_in_api(fb_job *job);
void fb_sign_in_form(fb_job *job);
/* DELETE /api/v1/sessions/current and POST /sign-out; both may be repeated */
void fb_sign_out_api(fb_job *job);
void fb_sign_out_form(fb_job *job);
/* GET /api/v1/sessions: one's own that are open, newest first. DELETE: ends them all, and with ?others only the others. DELETE …/{id}: one. */
void fb_sessions_list(fb_job *job);
void fb_sessions_end_all(fb_job *job);
void fb_session_end_one(fb_job *job);
/* PUT /api/v1/me/password {"old", "new"}: ends all sessions and opens a new one here. */
void fb_password_change(fb_job *job);
/* GET /api/v1/me */
void fb_me(fb_job *job);

extern const fb_stmt fb_sql_person_by_code, fb_sql_person_by_link, fb_sql_account_set, fb_sql_reset_ask;
extern const fb_stmt fb_sql_codes_class, fb_sql_codes_students, fb_sql_codes_put, fb_sql_codes_student_reset, fb_sql_people_search,
    fb_sql_people_reset;

/* POST /api/v1/activation/person: whose a code or a link is; POST /api/v1/activation: sets a password or pictures with it and opens a session */
void fb_activation_check(fb_job *job);
void fb_activation_set(fb_job *job);
/* POST /api/v1/reset-links: a mail with a link, where there is a relay */
void fb_reset_ask(fb_job *job);
/* GET /api/v1/account-rules: what the pages before a sign-in have to know */
void fb_account_rules(fb_job *job);
/* GET and POST /api/v1/classes/{id}/codes, POST /api/v1/classes/{id}/students/{id}/reset: for the class's teachers */
void fb_class_codes_list(fb_job *job);
void fb_class_codes_make(fb_job *job);
void fb_class_student_reset(fb_job *job);
/* POST /api/v1/people/search, POST /api/v1/people/{id}/reset: for the operator */
void fb_people_search(fb_job *job);
void fb_people_reset(fb_job *job);

#endif
