/* A pid file that is locked for as long as its process lives: a second process of the kind cannot start, and a stale file harms nobody. */
#ifndef FB_PID_FILE_H
#define FB_PID_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* The locked descriptor, to be kept open until the end; -1 with a sentence in err (another one runs, as which pid; or the file cannot be written). */
int fb_pid_file_take(const char *path, char *err, size_t err_len) __attribute__((warn_unused_result));
/* Who holds the lock of a pid file; 0: nobody. */
pid_t fb_pid_file_owner(const char *path);
/* Removes the file and lets go of it. */
void fb_pid_file_leave(int fd, const char *path);

#endif
