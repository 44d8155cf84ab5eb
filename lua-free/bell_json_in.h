/* Reading JSON (RFC 8259) from somebody who may mean no good. The text is judged before anything is allocated for it: UTF-8, nesting, number of
 * values. What is left is jansson's: names that stand twice and NULs in strings are refused. */
#ifndef BELL_JSON_IN_H
#define BELL_JSON_IN_H

#include <jansson.h>

#include "bell_str.h"

#pragma GCC visibility push(hidden)

#define BELL_JSON_IN_DEPTH_MAX   32    /* arrays and objects inside of each other */
#define BELL_JSON_IN_VALUES_MAX  10000 /* of all arrays and objects together; a value of jansson's takes fifty times the one byte of its text */
#define BELL_JSON_IN_ERROR_BYTES 120   /* room for every sentence, its NUL too */

/* The value, an array or an object, to be given back with json_decref. NULL: `err` is a sentence that names line and column and shows nothing of
 * the text; out of memory is one of them. */
json_t *bell_json_read(bell_str text, char *err, size_t err_len) __attribute__((warn_unused_result));

#pragma GCC visibility pop

#endif
