/* Threads beside the loop. All signals are blocked in them: they belong to the loop's thread. */
#ifndef FB_THREAD_H
#define FB_THREAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

/* Begins run(arg) with a stack of that size (0: the system's). The caller joins or detaches it. false: there is no such thread. */
bool fb_thread_start(pthread_t *thread, size_t stack_bytes, void *(*run)(void *arg), void *arg) __attribute__((warn_unused_result));

#endif
