/* The dates of HTTP (RFC 9110, section 5.6.7), in seconds since 1970 (UTC). */
#ifndef BELL_HTTP_DATE_H
#define BELL_HTTP_DATE_H

#include "bell_str.h"

#pragma GCC visibility push(hidden)

/* IMF-fixdate: 29 bytes and NUL. What lies before 1970 or after 9999 is written as the nearest moment that has a form. */
void bell_http_date(int64_t unix_s, char out[30]);

/* The three forms that a recipient must accept:
 *     Sun, 06 Nov 1994 08:49:37 GMT     IMF-fixdate
 *     Sunday, 06-Nov-94 08:49:37 GMT    RFC 850, obsolete
 *     Sun Nov  6 08:49:37 1994          asctime(), obsolete
 * Letters in any case, every other byte as above: another zone, other spaces, one digit for an hour are refused, as is white space around it all.
 * The name of the day must be one and is not compared with the date. A 60th second is the next minute's first.
 * Of the years that end in RFC 850's two digits the latest is meant that is at most 50 years after now_s.
 * false: no date; *unix_s is untouched. Dates before 1970 are negative. */
bool bell_http_date_parse(bell_str s, int64_t now_s, int64_t *unix_s) __attribute__((warn_unused_result));

#pragma GCC visibility pop

#endif
