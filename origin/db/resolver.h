/* Host names looked up off the loop. getaddrinfo blocks for as long as the slowest name server and cannot be broken off: it runs on a thread of its
 * own, which ends by itself when nobody waits for it any more. It is the system's resolver: the hosts file and nsswitch.conf count, and are read anew
 * each time. */
#ifndef FB_RESOLVER_H
#define FB_RESOLVER_H

#include <stdbool.h>
#include <stddef.h>

#define FB_ADDRESSES_MAX   8 /* of a name; further ones are left out */
#define FB_ADDRESS_BYTES   64
#define FB_ADDRESSES_BYTES (FB_ADDRESSES_MAX * FB_ADDRESS_BYTES) /* room for all of them, their commas, or a sentence, and NUL */

/* A host of libpq's that has to be looked up: no path of a socket, no address. */
bool fb_resolver_is_name(const char *host);

/* Begins. A descriptor that becomes readable when the answer is there; the caller closes it, at any time. -1: no memory, no thread, no descriptor. */
int fb_resolver_start(const char *name);

/* The answer, when the descriptor is readable. true: addresses with commas between them, in the system's order; false: a sentence that says why there
 * are none. */
bool fb_resolver_take(int fd, char out[FB_ADDRESSES_BYTES]) __attribute__((warn_unused_result));

#endif
