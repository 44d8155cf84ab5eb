/* The requests that http_load sends, ready as bytes. A line of the file is METHOD PATH, then headers and, after "=", a body, parted by tabs; "#"
 * begins a comment. Host and Content-Length are added; with an edge's key, a Bell-Context too, which is made anew every LOAD_CONTEXT_S because it
 * counts for half a minute only. */
#ifndef LOAD_REQUESTS_H
#define LOAD_REQUESTS_H

#include "bell_context.h"

#define LOAD_CONTEXT_S 10

typedef struct {
    char *bytes; /* owned by the list; what is being sent stays for one renewal more */
    size_t len;
    char *before;     /* the bytes before the last renewal */
    size_t line_len;  /* of the request's line: the context stands behind it */
    size_t stamp_len; /* of the context's line */
    int64_t stamped_s;
} load_request;

typedef struct {
    load_request *requests;
    size_t count;
} load_requests;

/* false: err holds a sentence with the line's number. */
bool load_requests_read(const char *path, load_requests *out, char *err, size_t err_len) __attribute__((warn_unused_result));
void load_requests_free(load_requests *l);

/* Puts a context into the request, or another in the place of one that is older than LOAD_CONTEXT_S. false: it cannot be made. */
bool load_request_stamp(load_request *q, bell_context_key *key, uint32_t tenant_id, int64_t now_s) __attribute__((warn_unused_result));

#endif
