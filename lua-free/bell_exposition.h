/* Figures as Prometheus reads them: the text exposition format, version 0.0.4. A family of metrics is a name, a type and a sentence; its samples
 * follow it. Names are the caller's: [a-z_][a-z0-9_]*. Sentences and the values of labels may be any text; what is not UTF-8 becomes U+FFFD. */
#ifndef BELL_EXPOSITION_H
#define BELL_EXPOSITION_H

#include "bell_buf.h"

#pragma GCC visibility push(hidden)

#define BELL_EXPOSITION_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* "# HELP" (unless help is empty) and "# TYPE"; type is "counter" or "gauge". */
void bell_exposition_family(bell_buf *out, const char *name, const char *type, bell_str help);

/* A sample in its order: begin, a label for each, end. The value is value / 10^digits, as (-25, 2) is -0.25; digits up to 18. */
void bell_exposition_begin(bell_buf *out, const char *name);
void bell_exposition_label(bell_buf *out, bool first, const char *label, bell_str value);
void bell_exposition_end(bell_buf *out, bool has_labels, int64_t value, unsigned digits);

#pragma GCC visibility pop

#endif
