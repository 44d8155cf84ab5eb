#include "origin/server/thread.h"

#include <signal.h>

bool fb_thread_start(pthread_t *thread, size_t stack_bytes, void *(*run)(void *arg), void *arg) {
    pthread_attr_t attr;
    sigset_t all, before;

    if (pthread_attr_init(&attr) != 0) {
        return false;
    }
    bool started = stack_bytes == 0 || pthread_attr_setstacksize(&attr, stack_bytes) == 0;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    started = started && pthread_create(thread, &attr, run, arg) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    return started;
}
