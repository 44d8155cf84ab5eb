/* Cancelling a statement on the server. libpq's PQcancel blocks: it connects, sends the key of the session, and waits until the server closes. So it
 * runs on a thread of its own, which nobody waits for. */
#ifndef FB_CANCELLER_H
#define FB_CANCELLER_H

#include <libpq-fe.h>

/* Cancels what the connection is doing. Gives a descriptor that becomes readable when the server has taken the cancel, or it has failed: a signal to
 * the session cannot come later than that. The caller closes it. -1: too many cancels hang already, or no memory. */
int fb_cancel_start(PGconn *pg);

#endif
