/* What the edge says of a request, in the header Bell-Context (bell_context.h): the tenant, the request id, and who asks when the edge has found that
 * out. It is verified as soon as the head is there, before a body is read. Without a right one a request has no tenant: every route that needs one
 * answers the same, as if nothing were here. The cause is in the log: a line at once, then at most one a cause in FB_CONTEXT_QUIET_MS, each with how
 * often it has happened. */
#ifndef FB_CONTEXT_H
#define FB_CONTEXT_H

#include "bell_context.h"

#define FB_CONTEXT_QUIET_MS 10000

struct fb_job;
struct fb_worker;

/* Further causes than those of bell_context_verdict. */
enum {
    FB_CONTEXT_ABSENT = BELL_CONTEXT_VERDICTS,
    FB_CONTEXT_TWICE,
    FB_CONTEXT_OTHER_SUBJECT, /* the cookie's is another, or of another role */
    FB_CONTEXT_CAUSES
};

/* Of a request. */
typedef struct {
    unsigned cause; /* BELL_CONTEXT_OK, or why there is no tenant */
    int64_t ahead_s;
    char key_id[BELL_CONTEXT_ID_BYTES + 1]; /* that it claims; "" when that is no id */
    char subject[BELL_CONTEXT_SUBJECT_BYTES + 1];
    char role[BELL_CONTEXT_ROLE_BYTES + 1];
    unsigned scopes; /* what of the role is left; all bits: nothing was taken away */
    bool by_token;   /* nobody is named, and a token of ours is for the request's target; there may be a session as well */
} fb_context;

/* Of a worker: what was refused, by cause. */
typedef struct {
    uint64_t total, unsaid; /* unsaid: since the last line */
    int64_t said_ms;        /* monotonic; 0: never */
    char why[256];          /* of the last one */
} fb_context_refusal;

/* Sets tenant_id, request_id and context of the job; tenant_id stays 0 when the context is not right. */
void fb_context_read(struct fb_job *job);
/* Whether the session is of whom the context names, and of that role, if it names somebody; otherwise context.cause says so. */
bool fb_context_fits_session(struct fb_job *job) __attribute__((warn_unused_result));
/* Answers 404 and counts the cause. */
void fb_context_refuse(struct fb_job *job);
/* Once a second: says what has been counted and not said. */
void fb_context_tell(struct fb_worker *w);

#endif
