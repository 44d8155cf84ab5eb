/* The listening socket of the `listen` setting: unix:PATH (mode 0660) or ADDRESS:PORT, IPv6 in brackets. */
#ifndef FB_LISTEN_H
#define FB_LISTEN_H

#include <stdbool.h>
#include <stddef.h>

#define FB_LISTEN_BACKLOG 1024

/* A non-blocking listening descriptor, or -1 with a sentence in err. A socket file that nobody listens on any more is replaced. */
int fb_listen(const char *where, char *err, size_t err_len) __attribute__((warn_unused_result));
/* Removes the socket file of a unix: address. */
void fb_listen_remove(const char *where);

#endif
