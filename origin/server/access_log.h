/* The access log: one JSON object a request, gathered and written at most a second later. No cookies, no query strings, no names. */
#ifndef FB_ACCESS_LOG_H
#define FB_ACCESS_LOG_H

#include "bell_buf.h"

typedef struct {
    bell_str request_id;
    bell_str method;
    bell_str path;
    const char *route; /* the pattern that matched, NULL when none did */
    int32_t tenant_id; /* 0: none */
    uint64_t user_id;  /* 0: nobody signed in */
    unsigned status;
    uint64_t sent_bytes;
    int64_t started_us; /* Unix time */
    int64_t duration_us;
} fb_access;

typedef struct {
    int fd;
    bell_buf text;
    uint64_t dropped; /* lines lost because the file could not be written */
} fb_access_log;

/* "-": standard output. false: errno is set. */
bool fb_access_log_open(fb_access_log *l, const char *path) __attribute__((warn_unused_result));
/* Opens the path again (rotation); keeps the old file when that fails. */
bool fb_access_log_reopen(fb_access_log *l, const char *path);
void fb_access_log_close(fb_access_log *l);

void fb_access_log_add(fb_access_log *l, const fb_access *a);
void fb_access_log_flush(fb_access_log *l);

#endif
