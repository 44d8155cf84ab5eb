/* Somebody's own words inside of a page or a JSON text, so that they stay words.
 *
 * Both forms may stand in HTML, between tags and in quoted values, by mistake as well: neither has < > " or ' of its own, nor what ends a line
 * or a string elsewhere. Bytes that are not UTF-8
 * become U+FFFD; control characters other than tab and newline are left out, as are those that are no characters (U+FFFE, U+FFFF). */
#ifndef BELL_ESCAPE_H
#define BELL_ESCAPE_H

#include "bell_buf.h"

#pragma GCC visibility push(hidden)

/* Character references for the five, the backslash, tabs and newlines: a browser reads those as they are. */
void bell_escape_html(bell_buf *out, bell_str text);
/* The inside of a JSON string, without its quotes (RFC 8259, section 7): \t, \n, \\ and \u00XX for the five; U+2028 and U+2029 are escaped, because
 * JavaScript once ended lines at them. */
void bell_escape_json(bell_buf *out, bell_str text);

#pragma GCC visibility pop

#endif
