/* Client connections of a worker: HTTP/1.1 in, one job at a time, the reply out. */
#ifndef FB_CONN_H
#define FB_CONN_H

#include "origin/server/worker.h"

typedef struct fb_conn fb_conn;

/* Takes over a non-blocking socket. false: no memory; the descriptor is still the caller's. */
bool fb_conn_open(fb_worker *w, int fd) __attribute__((warn_unused_result));
/* Closes what waits for a request; the others close after their reply. */
void fb_conn_close_idle(fb_worker *w);
void fb_conn_close_all(fb_worker *w);

#endif
