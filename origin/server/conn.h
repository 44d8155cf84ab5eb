/* Client connections of a worker: HTTP/1.1 in, one job at a time, the reply out. */
#ifndef FB_CONN_H
#define FB_CONN_H

#include "origin/server/worker.h"

typedef struct fb_conn fb_conn;

/* Takes over a non-blocking socket. false: no memory; the descriptor is still the caller's. */
bool fb_conn_open(fb_worker *w, int fd) __attribute__((warn_unused_result));
/* Closes what waits for a request; the others close after their reply. */
void fb_conn_close_idle(fb_worker *w);
/* Ends the reads under way whose peers have gone, and with them their statements; a write is brought to its end, for it was meant to be done. To be
 * called now and then: it asks the kernel about each such connection, in place of two more system calls a request. */
void fb_conn_drop_gone(fb_worker *w);
void fb_conn_close_all(fb_worker *w);

#endif
