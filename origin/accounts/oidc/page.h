/* The pages that a sign-in at another provider can end with, when it does not end signed in: a sentence that the person can act on, and the way back
 * to the sign-in page. What exactly went wrong is in the log, under the same request id. */
#ifndef FB_OIDC_PAGE_H
#define FB_OIDC_PAGE_H

#include "origin/server/job.h"

typedef enum {
    FB_OIDC_UNAVAILABLE, /* does not answer, or not in time */
    FB_OIDC_BROKEN,      /* answers what cannot be used: somebody has to set something right */
    FB_OIDC_UNTRUSTED,   /* its answer could not be verified */
    FB_OIDC_STALE,       /* the attempt is too old, of another browser, or was answered before */
    FB_OIDC_DENIED,
    FB_OIDC_UNKNOWN,
    FB_OIDC_AMBIGUOUS,
    FB_OIDC_TAKEN,
    FB_OIDC_UNVERIFIED,
    FB_OIDC_OUTSIDE,
    FB_OIDC_DISABLED,
    FB_OIDC_MESSAGES
} fb_oidc_message;

/* Ends the job with the page, and the attempt's cookie with it. provider: its title, NULL when it is not known yet. */
void fb_oidc_reply_message(fb_job *job, fb_oidc_message m, const char *provider);

#endif
