/* A command of this program that `firstbell jobs` runs beside itself, because it takes long or may die: `firstbell warm`, `firstbell calendar
 * extend`. What it says goes into the log, a line each. */
#ifndef FB_JOBS_CALENDAR_CHILD_H
#define FB_JOBS_CALENDAR_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "origin/server/settings.h"

#define FB_CHILD_WORDS_MAX 24
#define FB_CHILD_LINE_MAX  500

typedef struct {
    char name[80];    /* begins the lines of the log */
    pid_t pid;        /* 0: none runs */
    int fd;           /* what it says; to be read when it can be (fb_child_read) */
    int64_t until_ms; /* monotonic; it is killed then */
    char line[FB_CHILD_LINE_MAX];
    size_t len;
} fb_child;

/* words: behind "firstbell -c FILE", NULL at the end. until_ms: by when it has ended, of CLOCK_MONOTONIC. false: it did not begin, a sentence was
 * logged. */
bool fb_child_start(fb_child *child, const fb_settings *s, const char *const *words, int64_t until_ms) __attribute__((warn_unused_result));
static inline bool fb_child_runs(const fb_child *child) {
    return child->pid > 0;
}
/* Takes what it has said, and waits for more when there is none. When that was the end, its exit code goes into *code (-1: killed), and it is no
 * more. */
bool fb_child_read(fb_child *child, int *code) __attribute__((warn_unused_result));
/* To be called now and then: kills it when its time is over, and says so; what follows is fb_child_read()'s, as when it ends by itself. */
void fb_child_look(fb_child *child, int64_t now_ms);
/* Ends it, whatever it does: nothing that it has begun stays half done. */
void fb_child_stop(fb_child *child);

#endif
