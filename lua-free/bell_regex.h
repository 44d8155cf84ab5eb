/* A regular expression that somebody else wrote, used once and within bounds: what a signed token says about URIs. Syntax and meaning are PCRE2's
 * over bytes, of which POSIX extended expressions are a part. Nothing outlives the call. */
#ifndef BELL_REGEX_H
#define BELL_REGEX_H

#include "bell_str.h"

#pragma GCC visibility push(hidden)

#define BELL_REGEX_PATTERN_BYTES 2048
#define BELL_REGEX_DEPTH         32     /* of parentheses in each other */
#define BELL_REGEX_STEPS         100000 /* of trying; what takes more is no match */
#define BELL_REGEX_HEAP_KIB      8192   /* of memory while trying */

/* 1: it matches, the whole text or with `search` a part of it; 0: it does not, or could not be told within the bounds; -1: it is no expression, too
 * long or too deep, or there is no memory. */
int bell_regex_matches(bell_str pattern, bell_str text, bool search) __attribute__((warn_unused_result));

#pragma GCC visibility pop

#endif
