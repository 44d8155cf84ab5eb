/* A reply on its way into a socket: head, then a body in memory or from a file. */
#ifndef FB_OUT_H
#define FB_OUT_H

#include "origin/server/job.h"

typedef struct {
    bell_buf head;
    size_t head_sent;
    bell_str body; /* borrowed from the reply */
    size_t body_sent;
    int fd; /* -1: none; borrowed from the reply */
    uint64_t fd_at, fd_left;
    uint64_t sent_bytes;
} fb_out;

typedef enum { FB_OUT_DONE, FB_OUT_AGAIN, FB_OUT_FAILED } fb_out_verdict;

/* Readies a finished reply; with_body is false for HEAD. false: no memory. */
bool fb_out_init(fb_out *o, const fb_job *job, bool keep_alive, bool with_body) __attribute__((warn_unused_result));
void fb_out_fini(fb_out *o);
/* Writes as much as the socket takes. */
fb_out_verdict fb_out_write(fb_out *o, int socket) __attribute__((warn_unused_result));

#endif
