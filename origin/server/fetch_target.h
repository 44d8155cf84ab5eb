/* Where a fetch may go. An address that a provider names is somebody else's text: it must not lead into the network behind the origin. */
#ifndef FB_FETCH_TARGET_H
#define FB_FETCH_TARGET_H

#include <stdbool.h>
#include <sys/socket.h>

/* True for "https://HOST[:PORT]/…" of at most 2048 bytes without user, password and fragment. host (256 bytes, or NULL) gets the host's name. */
bool fb_fetch_url_is_https(const char *url, char *host) __attribute__((warn_unused_result));

/* False for addresses that do not lead into the public Internet: loopback, private, link-local, shared, documentation, multicast, reserved (RFC
 * 6890), also when they are embedded in an IPv6 address. */
bool fb_fetch_address_is_public(const struct sockaddr *a) __attribute__((warn_unused_result));

/* Whether `host` is one of the words of `list`, without regard to case. */
bool fb_fetch_host_is_listed(const char *list, const char *host) __attribute__((warn_unused_result));

#endif
