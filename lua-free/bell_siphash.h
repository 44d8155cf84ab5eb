/* SipHash-2-4 (Aumasson, Bernstein 2012): a hash under a secret key, for tables whose keys strangers choose. */
#ifndef BELL_SIPHASH_H
#define BELL_SIPHASH_H

#include "bell_str.h"

#pragma GCC visibility push(hidden)

#define BELL_SIPHASH_KEY_BYTES 16

uint64_t bell_siphash(const unsigned char key[BELL_SIPHASH_KEY_BYTES], bell_str s);

#pragma GCC visibility pop

#endif
