/* The hash slot of a key in Redis Cluster: CRC-16/XMODEM of the key modulo 16384; of a key with a hash tag, which is what stands between its first
 * "{" and the first "}" behind that, only the tag counts, unless it is empty. Keys with the same tag are on one node. */
#ifndef BELL_REDIS_SLOT_H
#define BELL_REDIS_SLOT_H

#include "bell_str.h"

#pragma GCC visibility push(hidden)

#define BELL_REDIS_SLOTS 16384

uint16_t bell_redis_slot(bell_str key);

#pragma GCC visibility pop

#endif
