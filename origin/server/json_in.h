/* Reading a JSON request body: one object within the bounds of lua-free/bell_json_in.h. */
#ifndef FB_JSON_IN_H
#define FB_JSON_IN_H

#include <jansson.h>

#include "origin/server/job.h"

/* The object, to be given back with json_decref; NULL: the job has been answered (400 or 415). */
json_t *fb_json_body(fb_job *job) __attribute__((warn_unused_result));

/* True when `body` has no other members than these (NULL-terminated); else the job has been answered. */
bool fb_json_only(fb_job *job, json_t *body, const char *const *names) __attribute__((warn_unused_result));

/* An optional number within [min, max]: true with *out (times `scale`, rounded down) and *present. false: the job has been answered. */
bool fb_json_number(fb_job *job, json_t *body, const char *name, double min, double max, double scale, int64_t *out, bool *present)
    __attribute__((warn_unused_result));

#endif
