/* CBOR (RFC 8949) as tokens use it, read in place with libcbor's stream decoder: nothing is allocated, whatever lengths the bytes claim. Definite
 * lengths only; text is UTF-8 without NUL; keys of maps are integers, text or bytes and none twice, by value and not by spelling (4 is a duplicate
 * of 4 in two bytes). */
#ifndef BELL_CBOR_H
#define BELL_CBOR_H

#include "bell_str.h"

#pragma GCC visibility push(hidden)

#define BELL_CBOR_DEPTH_MAX 12   /* maps, arrays and tags within each other */
#define BELL_CBOR_PAIRS_MAX 64   /* of one map */
#define BELL_CBOR_ITEMS_MAX 1024 /* of one item that is taken, all that is within it counted */
#define BELL_CBOR_HEAD_MAX  9    /* bytes of a head */

typedef enum {
    BELL_CBOR_UINT,     /* n */
    BELL_CBOR_NEGATIVE, /* -1 - n */
    BELL_CBOR_BYTES,
    BELL_CBOR_TEXT,
    BELL_CBOR_ARRAY, /* n items follow */
    BELL_CBOR_MAP,   /* n pairs follow */
    BELL_CBOR_TAG,   /* n; the tagged item follows */
    BELL_CBOR_FLOAT, /* number, of any of the three sizes */
    BELL_CBOR_OTHER, /* false, true, null, undefined */
} bell_cbor_type;

typedef struct {
    bell_cbor_type type;
    uint64_t n;
    double number; /* of FLOAT; otherwise not set */
    bell_str text; /* of BYTES and TEXT */
} bell_cbor_item;

/* The next head, with the bytes of a string; moves on behind it. false: at the end, or malformed. */
bool bell_cbor_next(bell_str *rest, bell_cbor_item *out);

/* One whole item, checked as the head of this file says and within the bounds, and all that is in it: *whole are its bytes. What is read of *whole
 * afterwards with bell_cbor_next cannot fail before its end. */
bool bell_cbor_take(bell_str *rest, bell_str *whole);

/* An integer of either sign that fits; false for other types. */
bool bell_cbor_to_i64(const bell_cbor_item *item, int64_t *out);

/* The next item of an array whose head was read, as a whole; false behind the last. *left counts down. */
bool bell_cbor_each(bell_str *rest, uint64_t *left, bell_str *whole);

/* The head of a whole item that was taken, when it is of that type. */
bool bell_cbor_is(bell_str whole, bell_cbor_type type, bell_cbor_item *out);

#pragma GCC visibility pop

#endif
