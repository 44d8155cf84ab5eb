/* Wrong tries are counted, in PostgreSQL: for all workers and over restarts. After some wrong ones each further try has to wait, twice as long every
 * time up to a bound; a right one forgets them. What is counted is a subject (a login, a code) from a source:
 *
 *   - the source is the device, when its cookie is one on which somebody of this district has signed in; else the address (/64 of an IPv6).
 *     So who guesses at somebody's password makes their own device or address wait, and not the person.
 *   - where the account is not known (its devices and addresses are those it has signed in from), wrong tries are also counted a subject; at an
 *     address that it is known at, but on a device that is not its own, a subject and that address; and first ones a source. These bounds are
 *     wide: they slow down who guesses from many addresses, on many devices, or at many accounts or codes. An account's own devices never feel
 *     them, and its places only what is done there. The bound of a source grows with the accounts that sign in from it.
 *
 * A try is charged before it is made and given back when it was right: many at once are not more than many in a row. The order in a handler:
 * fb_throttle_check_call in the group that looks the subject up; fb_throttle_admits in the next step; then either fb_throttle_failed or, in the group
 * that acts on the proof, fb_throttle_succeeded_call; fb_throttle_release when the try was not made at all. An unknown subject is counted like a
 * known one. Whoever gives a new password or code calls throttle_forget(tenant, kind, subject) in SQL, or fb_throttle_forget_call. */
#ifndef FB_THROTTLE_H
#define FB_THROTTLE_H

#include "origin/server/client_address.h"
#include "origin/server/job.h"

extern const fb_stmt fb_sql_throttle_take, fb_sql_throttle_failed, fb_sql_throttle_succeeded, fb_sql_throttle_release, fb_sql_throttle_forget;

typedef enum {
    FB_THROTTLE_PASSWORD, /* subject: the login */
    FB_THROTTLE_PICTURES, /* subject: the login; few combinations, long waits */
    FB_THROTTLE_MAIL,     /* subject: a user name or mail address; each asking for a mail counts */
    FB_THROTTLE_CODE,     /* subject: the code as it was typed; who tries many is counted by source */
} fb_throttle_kind;

/* One try, in the arena. */
typedef struct {
    const char *pair;
    bool is_first;                              /* of this subject from this source, and so of those that count against the source */
    const char *account_bucket, *source_bucket; /* where a wrong one counts besides; NULL: nowhere */
} fb_throttle;

/* Adds the statement that asks and charges. */
void fb_throttle_check_call(fb_job *job, fb_throttle *t, fb_throttle_kind kind, bell_str subject);
/* After the group; i is the statement's place in it, from 0. 0: go on. Otherwise the seconds to wait, of which the caller tells (a program by
 * fb_throttle_refuse). */
unsigned fb_throttle_admits(fb_job *job, fb_throttle *t, unsigned i) __attribute__((warn_unused_result));
/* 429 with Retry-After and a sentence. */
void fb_throttle_refuse(fb_job *job, unsigned wait_s);

/* The try was wrong: counts where it has to be counted, then `next`, which answers. */
void fb_throttle_failed(fb_job *job, fb_throttle *t, fb_step next);
/* The try was right: adds the statement that forgets the wrong ones. */
void fb_throttle_succeeded_call(fb_job *job, const fb_throttle *t);
/* Nothing was tried (no room, no memory): the charge is given back, then `next`. */
void fb_throttle_release(fb_job *job, const fb_throttle *t, fb_step next);
/* Adds the statement that forgets all wrong tries at a subject, from everywhere. */
void fb_throttle_forget_call(fb_job *job, fb_throttle_kind kind, bell_str subject);

#endif
