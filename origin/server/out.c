#include "origin/server/out.h"

#include <errno.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

#include "origin/server/reply.h"
#include "origin/server/static_files.h"

#define SENDFILE_MAX_BYTES (256 * 1024) /* a turn of the loop: others want to be served too */

bool fb_out_init(fb_out *o, const fb_job *job, bool keep_alive, bool with_body) {
    const fb_reply *r = &job->reply;

    memset(o, 0, sizeof(*o));
    o->fd = -1;
    bell_buf_init(&o->head, 64 * 1024);
    fb_reply_head(job, keep_alive, &o->head);
    if (with_body && r->content_type != NULL) {
        if (r->file != NULL) {
            o->body = r->file->body;
        } else if (r->fd >= 0) {
            o->fd = r->fd;
            o->fd_at = r->fd_first;
            o->fd_left = r->fd_bytes;
        } else {
            o->body = bell_buf_str(&r->body);
        }
    }
    /* Without memory a header may be missing, the session's cookie for one: rather no answer than half of one. */
    return !o->head.failed && !r->headers.failed && !r->body.failed;
}

void fb_out_fini(fb_out *o) {
    bell_buf_fini(&o->head);
}

static fb_out_verdict failed_or_again(void) {
    return errno == EAGAIN || errno == EWOULDBLOCK ? FB_OUT_AGAIN : FB_OUT_FAILED;
}

static fb_out_verdict write_memory(fb_out *o, int socket) {
    while (o->head_sent < o->head.len || o->body_sent < o->body.len) {
        struct iovec v[2] = {{o->head.p + o->head_sent, o->head.len - o->head_sent}, {(char *)o->body.p + o->body_sent, o->body.len - o->body_sent}};
        int skip = v[0].iov_len == 0;
        ssize_t n = writev(socket, v + skip, v[1].iov_len == 0 ? 1 : 2 - skip);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return failed_or_again();
        }
        o->sent_bytes += (uint64_t)n;
        size_t of_head = (size_t)n < v[0].iov_len ? (size_t)n : v[0].iov_len;
        o->head_sent += of_head;
        o->body_sent += (size_t)n - of_head;
    }
    return FB_OUT_DONE;
}

fb_out_verdict fb_out_write(fb_out *o, int socket) {
    fb_out_verdict v = write_memory(o, socket);
    if (v != FB_OUT_DONE || o->fd_left == 0) {
        return v;
    }

    off_t at = (off_t)o->fd_at;
    ssize_t n = sendfile(socket, o->fd, &at, o->fd_left < SENDFILE_MAX_BYTES ? o->fd_left : SENDFILE_MAX_BYTES);
    if (n < 0) {
        return errno == EINTR ? FB_OUT_AGAIN : failed_or_again();
    }
    if (n == 0) {
        return FB_OUT_FAILED; /* the file is shorter than it was: the length we promised cannot be kept */
    }
    o->fd_at += (uint64_t)n;
    o->fd_left -= (uint64_t)n;
    o->sent_bytes += (uint64_t)n;
    return o->fd_left == 0 ? FB_OUT_DONE : FB_OUT_AGAIN;
}
