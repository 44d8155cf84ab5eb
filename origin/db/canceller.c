#include "origin/db/canceller.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "origin/server/thread.h"

#define STACK_BYTES (256 * 1024)

struct fb_cancel {
    PGcancel *cancel;
    int ends[2]; /* of a pipe: the thread writes a byte when it is done */
    pthread_t thread;
};

/* The thread gets a table of descriptors of its own, with nothing of the worker's in it but the pipe: what PQcancel opens is closed with the thread,
 * wherever that is ended, and no client's socket is held open by it. */
static bool leave_descriptors(int kept) {
    return close_range((unsigned)kept + 1, ~0u, CLOSE_RANGE_UNSHARE) == 0 &&
           (kept == STDERR_FILENO + 1 || close_range(STDERR_FILENO + 1, (unsigned)kept - 1, 0) == 0);
}

static void *run(void *arg) {
    const fb_cancel *c = arg;
    char reason[256];

    if (leave_descriptors(c->ends[1])) {
        PQcancel(c->cancel, reason, sizeof(reason)); /* when it fails, the statement runs on to its time-out, and the caller's bound comes first */
    }
    (void)!write(c->ends[1], "", 1);
    return NULL;
}

static fb_cancel *free_cancel(fb_cancel *c) {
    PQfreeCancel(c->cancel);
    if (c->ends[0] >= 0) {
        close(c->ends[0]);
        close(c->ends[1]);
    }
    free(c);
    return NULL;
}

fb_cancel *fb_cancel_start(PGconn *pg) {
    fb_cancel *c = calloc(1, sizeof(*c));

    if (c == NULL) {
        return NULL;
    }
    c->cancel = PQgetCancel(pg);
    if (c->cancel == NULL || pipe2(c->ends, O_CLOEXEC | O_NONBLOCK) != 0) {
        c->ends[0] = -1;
        return free_cancel(c);
    }
    return fb_thread_start(&c->thread, STACK_BYTES, run, c) ? c : free_cancel(c);
}

int fb_cancel_fd(const fb_cancel *c) {
    return c->ends[0];
}

/* libpq says that PQcancel may be called in a signal handler: it takes no lock and no memory, and where it waits (connect, recv) a thread may be
 * ended. So the wait for the thread is a short one. */
void fb_cancel_end(fb_cancel *c) {
    pthread_cancel(c->thread);
    pthread_join(c->thread, NULL);
    free_cancel(c);
}
