/* The helper pool of a worker: a few threads for what would block the loop (argon2). Bounded: past queue_max a task is refused and the caller
 * answers 503. Tasks run in order of arrival; `done` is called on the loop. */
#ifndef FB_HELPER_H
#define FB_HELPER_H

#include <stdbool.h>

struct event_base;

typedef struct fb_helper fb_helper;
typedef struct fb_task fb_task;

/* Owned by the caller until `done` was called; a cancelled task is freed by the pool through `drop`. `arg` belongs to the task alone: `run`
 * works on another thread and touches nothing else. */
struct fb_task {
    void (*run)(void *arg);
    void (*done)(fb_task *t, void *owner); /* on the loop; not called after fb_helper_cancel */
    void (*drop)(fb_task *t);              /* frees the task, after `done` or in its place */
    void *arg;
    void *owner;
    fb_task *next;
};

fb_helper *fb_helper_new(struct event_base *base, unsigned threads, unsigned queue_max);
/* Waits for the tasks that run; those that wait are dropped. */
void fb_helper_free(fb_helper *h);

/* false: the queue is full; nothing was taken. */
bool fb_helper_submit(fb_helper *h, fb_task *t) __attribute__((warn_unused_result));
/* The owner does not wait any more. Call on the loop. */
void fb_helper_cancel(fb_task *t);

#endif
