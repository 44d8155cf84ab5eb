/* Bytes of a connection cut into requests as origin/server/conn.c does it, without its sockets: head, body, and on to the next request for as long as
 * the connection is kept. More bytes may come at any time; the caller keeps all of them in one piece of memory. */
#ifndef HTTP_STREAM_H
#define HTTP_STREAM_H

#include "bell_http.h"

typedef struct {
    size_t at;          /* of the head that is arriving, or of the body's next byte */
    size_t scanned;     /* of the head */
    bool in_body;       /* the head is whole */
    bool closed;        /* the client asked for the end */
    int refused;        /* status, or 0 */
    const char *reason; /* of a refused head */
    bell_http_request request;
    bell_http_body body;
    bell_buf payload; /* of the request that is arriving */
} http_stream;

/* Called for each request that is whole. */
typedef void (*http_stream_fn)(void *arg, const http_stream *s);

static inline void http_stream_init(http_stream *s) {
    memset(s, 0, sizeof(*s));
    bell_buf_init(&s->payload, 2u << 20);
}

static inline bool http_stream_body(http_stream *s, const char *bytes, size_t len) {
    bell_http_body_state state = BELL_HTTP_BODY_DATA;

    while (state == BELL_HTTP_BODY_DATA) {
        size_t used;
        bell_str data;

        state = bell_http_body_feed(&s->body, bytes + s->at, len - s->at, &used, &data);
        bell_buf_add_str(&s->payload, data);
        s->at += used;
    }
    s->refused = state == BELL_HTTP_BODY_ERROR ? 400 : state == BELL_HTTP_BODY_LARGE ? 413 : 0;
    return state == BELL_HTTP_BODY_DONE;
}

/* Reads on with all bytes that there are by now, those of earlier calls included. */
static inline void http_stream_read(http_stream *s, const char *bytes, size_t len, size_t target_max, size_t body_max, http_stream_fn fn, void *arg) {
    while (s->refused == 0 && !s->closed) {
        if (!s->in_body) {
            int n = bell_http_parse_head(bytes + s->at, len - s->at, &s->scanned, target_max, &s->request, &s->reason);

            if (n <= 0) {
                s->refused = -n;
                return;
            }
            s->at += (size_t)n;
            bell_http_body_init(&s->body, &s->request, body_max);
            bell_buf_reset(&s->payload);
            s->in_body = true;
        }
        if (!http_stream_body(s, bytes, len)) {
            return;
        }
        fn(arg, s);
        s->closed = !s->request.keep_alive;
        s->in_body = false;
        s->scanned = 0;
    }
}

#endif
