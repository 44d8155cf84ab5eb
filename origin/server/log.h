/* The error log: one line an event, "2026-11-21T08:00:00Z level pid: sentence". Never a secret, never a person's data. */
#ifndef FB_LOG_H
#define FB_LOG_H

#include <stdbool.h>

typedef enum { FB_LOG_ERROR, FB_LOG_WARNING, FB_LOG_NOTICE } fb_log_level;

/* "-": standard error. false: cannot be opened, errno is set. Opening again re-opens (rotation). */
bool fb_log_open(const char *path);
void fb_log(fb_log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
