/* SipHash-2-4 (Aumasson, Bernstein 2012): a hash under a secret key, for tables whose keys strangers choose. */
#ifndef BELL_SIPHASH_H
#define BELL_SIPHASH_H

#include "bell_str.h"

#pragma GCC visibility push(hidden)

#define BELL_SIPHASH_KEY_BYTES 16
#define BELL_SIPHASH128_BYTES  16

uint64_t bell_siphash(const unsigned char key[BELL_SIPHASH_KEY_BYTES], bell_str s);
/* The authors' longer form: for keys of so many things that 64 bits would meet by chance. The bytes are the same on every machine. */
void bell_siphash128(const unsigned char key[BELL_SIPHASH_KEY_BYTES], bell_str s, unsigned char out[BELL_SIPHASH128_BYTES]);

#pragma GCC visibility pop

#endif
