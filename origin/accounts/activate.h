/* Pictures in a request's JSON, for activation and for signing in. The routes of activation are in accounts.h. */
#ifndef FB_ACTIVATE_H
#define FB_ACTIVATE_H

#include <jansson.h>

#include "origin/server/job.h"

typedef struct {
    bell_str text;       /* what is hashed; in the arena */
    const char *problem; /* or why it is no picture password */
    bool good;           /* may be chosen anew */
} fb_pictures_chosen;

/* false: not a list. Names that are no text count as unknown ones. */
bool fb_pictures_of_json(fb_job *job, const json_t *list, fb_pictures_chosen *out) __attribute__((warn_unused_result));

#endif
