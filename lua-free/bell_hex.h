/* Hexadecimal digits (RFC 4648, section 8), as they stand in escapes, hashes, MACs and keys. */
#ifndef BELL_HEX_H
#define BELL_HEX_H

#include "bell_str.h"

#pragma GCC visibility push(hidden)

/* What a digit stands for, in either case; -1: it is none. For text that is no secret. */
static inline int bell_hex_digit(char c) {
    unsigned digit = (unsigned)(unsigned char)c - '0', letter = ((unsigned)(unsigned char)c | 0x20) - 'a';

    return digit < 10 ? (int)digit : letter < 6 ? (int)letter + 10 : -1;
}

/* The byte that two digits stand for, in either case; -1: they are none. */
static inline int bell_hex_byte(char first, char second) {
    int high = bell_hex_digit(first), low = bell_hex_digit(second);

    return (high | low) < 0 ? -1 : high << 4 | low;
}

/* The byte that an escape at the start stands for (RFC 3986, 2.1), with the "%" taken for granted; -1: none begins there. */
static inline int bell_hex_escape(bell_str s) {
    return s.len > 2 ? bell_hex_byte(s.p[1], s.p[2]) : -1;
}

typedef enum {
    BELL_HEX_ANY,   /* letters of either case */
    BELL_HEX_LOWER, /* small letters only, as most signers write */
} bell_hex_case;

/* Pairs of digits: half as many bytes to out, also when it says false, which is for an odd number of digits and for whatever is none. How long it
 * takes depends on the length alone: what is read may be a secret. */
bool bell_hex_decode(bell_str digits, bell_hex_case which, unsigned char *out) __attribute__((warn_unused_result));

/* Two digits for each byte, in small letters, without a NUL behind them. */
void bell_hex_encode(const void *bytes, size_t n, char *out);

#pragma GCC visibility pop

#endif
