/* Opening a session, for whoever has proved who somebody is: by password, activation, reset or another identity provider. And ending them all.
 *
 * Opening is a statement in a group, so that it commits together with what it depends on (a new password, a used code); the group that opens may
 * end all other sessions before it. What every opening does:
 *   - a new random session id; the session that the request came with is ended (fixation), and the oldest beyond sessions_a_user_max;
 *   - nothing for a person who is disabled, has left, or has another role than `role`;
 *   - with password_hash, nothing once the account has another: a change of password must not be followed by an opening with the old one;
 *   - the device and the address are remembered as known to the account (throttle.h). */
#ifndef FB_ACCOUNTS_OPEN_H
#define FB_ACCOUNTS_OPEN_H

#include "origin/accounts/throttle.h"
#include "origin/server/job.h"

extern const fb_stmt fb_sql_session_open, fb_sql_sessions_end;

#define FB_DEVICE_COOKIE     "__Host-bell_device"
#define FB_DEVICE_NAME_BYTES 64

typedef struct {
    uint64_t user_id;
    uint32_t role;
    const char *password_hash; /* the one that was checked, in the arena; NULL: the proof was another */

    bell_token_claims claims; /* from here on open.c's own */
    char device[BELL_TOKEN_SID_BYTES + 1];
    bool device_is_new;
} fb_opening;

typedef enum {
    FB_OPENED,       /* the cookies are set; the caller answers */
    FB_OPEN_REFUSED, /* the account is not what it was: as if the proof had been wrong. The caller answers */
    FB_OPEN_FAILED,  /* has been answered */
} fb_open_outcome;

/* Adds the statement to the group that the caller then sends. `o`, in the arena, has user_id, role and password_hash set and the rest zero. false:
 * no randomness, answered. */
bool fb_open_call(fb_job *job, fb_opening *o) __attribute__((warn_unused_result));
/* After the group: i is the statement's place in it, from 0. */
fb_open_outcome fb_open_finish(fb_job *job, fb_opening *o, unsigned i) __attribute__((warn_unused_result));

/* Adds the statement that ends all sessions of a person, but `keep_sid` (NULL: all). Gives one row: how many. In SQL: sessions_end(). */
void fb_sessions_end_call(fb_job *job, uint64_t user_id, const char *keep_sid);

/* "Chrome on a Chromebook": what the User-Agent says, in plain words; "an unknown device" when it says nothing that is known. */
void fb_device_name(bell_str user_agent, char out[FB_DEVICE_NAME_BYTES]);

#endif
