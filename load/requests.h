/* The requests that http_load sends, ready as bytes. A line of the file is METHOD PATH, then headers and, after "=", a body, parted by tabs; "#"
 * begins a comment. Host and Content-Length are added. */
#ifndef LOAD_REQUESTS_H
#define LOAD_REQUESTS_H

#include "bell_str.h"

typedef struct {
    char *bytes; /* owned by the list */
    size_t len;
} load_request;

typedef struct {
    load_request *requests;
    size_t count;
} load_requests;

/* false: err holds a sentence with the line's number. */
bool load_requests_read(const char *path, load_requests *out, char *err, size_t err_len) __attribute__((warn_unused_result));
void load_requests_free(load_requests *l);

#endif
