#include "origin/db/canceller.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#define THREADS_MAX 8 /* at once, a worker: a server that does not answer must not cost more */
#define STACK_BYTES (256 * 1024)

typedef struct {
    PGcancel *cancel;
    int done_fd;
} work;

static atomic_uint running;

static void *run(void *arg) {
    work *w = arg;
    char reason[256];

    PQcancel(w->cancel, reason, sizeof(reason)); /* when it fails, the statement runs on to its time-out, and the caller's bound comes first */
    PQfreeCancel(w->cancel);
    close(w->done_fd); /* which makes the other end readable */
    free(w);
    atomic_fetch_sub(&running, 1);
    return NULL;
}

/* Signals belong to the loop's thread. */
static bool start_thread(work *w) {
    pthread_attr_t attr;
    pthread_t thread;
    sigset_t all, before;

    if (pthread_attr_init(&attr) != 0) {
        return false;
    }
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool started = pthread_create(&thread, &attr, run, w) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    return started;
}

static void drop(work *w) {
    PQfreeCancel(w->cancel);
    free(w);
    atomic_fetch_sub(&running, 1);
}

int fb_cancel_start(PGconn *pg) {
    int ends[2];

    if (atomic_fetch_add(&running, 1) >= THREADS_MAX) {
        atomic_fetch_sub(&running, 1);
        return -1;
    }
    work *w = calloc(1, sizeof(*w));
    if (w == NULL) {
        atomic_fetch_sub(&running, 1);
        return -1;
    }
    w->cancel = PQgetCancel(pg);
    if (w->cancel == NULL || pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
        drop(w);
        return -1;
    }
    w->done_fd = ends[1];
    if (!start_thread(w)) {
        close(ends[0]);
        close(ends[1]);
        drop(w);
        return -1;
    }
    return ends[0];
}
