/* Where somebody goes on to after signing in. */
#ifndef FB_ACCOUNTS_NEXT_H
#define FB_ACCOUNTS_NEXT_H

#include "bell_str.h"

/* Only a page of ours: "/" and plain characters, no "//host", no dot segments; never an address elsewhere. */
bool fb_is_own_page(bell_str path) __attribute__((warn_unused_result));

#endif
