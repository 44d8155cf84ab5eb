/* The id that is in every log line of a request and in every problem: the edge's X-Request-Id when it is well-formed, else a new one. */
#ifndef FB_REQUEST_ID_H
#define FB_REQUEST_ID_H

#include "origin/server/job.h"

/* r may be NULL. out is NUL-terminated. */
void fb_request_id(const bell_http_request *r, char out[FB_REQUEST_ID_BYTES + 1]);

/* Takes an id that is well-formed; another leaves out as it is. */
void fb_request_id_take(bell_str id, char out[FB_REQUEST_ID_BYTES + 1]);

#endif
