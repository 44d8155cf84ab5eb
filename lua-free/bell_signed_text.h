/* Small parts of the verifiers whose tokens are lists of fields: values that are shown to others, and text made of pieces. */
#ifndef BELL_SIGNED_TEXT_H
#define BELL_SIGNED_TEXT_H

#include "bell_str.h"

#pragma GCC visibility push(hidden)

/* Whether a value may be shown in a log or sent in a field: UTF-8 without control bytes. */
bool bell_signed_is_text(bell_str value);

/* Text made of pieces in memory of the caller's. What does not fit sets `failed` and is not written. */
typedef struct {
    char *p;
    size_t len, size;
    bool failed;
} bell_signed_writer;

void bell_signed_put(bell_signed_writer *w, bell_str piece);

#pragma GCC visibility pop

#endif
