/* Host names as tenants are told apart by (RFC 9110 7.2, RFC 3986 3.2.2, RFC 5890). */
#ifndef BELL_HOST_H
#define BELL_HOST_H

#include "bell_str.h"

#pragma GCC visibility push(hidden)

#define BELL_HOST_MAX_BYTES 253

/* Lower-cases, drops one trailing dot and a port, and checks: LDH labels of 1 to 63 bytes (underscore refused), an IPv4 address, or an
 * IPv6 address in brackets (kept in brackets, spelled as RFC 5952 says). A name whose last label is a number must be an IPv4 address.
 * Writes to out (BELL_HOST_MAX_BYTES + 1, NUL-terminated) and returns its length; -1 when it is not a host. Non-ASCII bytes are
 * refused: an IDN comes in punycode. */
long bell_host_normalize(bell_str host, char *out);

/* A host without the port behind it, whatever stands there; the colons of an address in brackets are none. */
bell_str bell_host_name(bell_str host);

#pragma GCC visibility pop

#endif
