/* Cancelling a statement on the server. libpq's PQcancel blocks for as long as the server likes: it connects, sends the key of the session, and waits
 * until the server closes. So it runs on a thread of its own, which the caller can end at any time. */
#ifndef FB_CANCELLER_H
#define FB_CANCELLER_H

#include <libpq-fe.h>

typedef struct fb_cancel fb_cancel;

/* Begins to cancel what the connection is doing. NULL: no memory, no thread, no descriptor. */
fb_cancel *fb_cancel_start(PGconn *pg) __attribute__((warn_unused_result));

/* Becomes readable when the server has taken the cancel, or it has failed: a signal to the session cannot come later than that. */
int fb_cancel_fd(const fb_cancel *c);

/* Ends it and frees it, done or not, without waiting for the server. What the server has been sent by then may still take effect. */
void fb_cancel_end(fb_cancel *c);

#endif
