/* The URL that a person writes to have answers taken back, as a purge has it (RFC 3986):
 *
 *   https://HOST[:PORT]/PATH[?QUERY]
 *
 * or http. HOST is spelled as bell_host_normalize() does, with a port behind it when it is not the scheme's own; without a path "/" is meant; the
 * path is spelled as in keys of the cache (bell_cache_target_write). No user, no fragment; what is not ASCII is written as escapes. */
#ifndef BELL_PURGE_URL_H
#define BELL_PURGE_URL_H

#include "bell_host.h"
#include "bell_purge.h"

#pragma GCC visibility push(hidden)

/* Each text has a NUL behind it. */
typedef struct {
    char name[BELL_HOST_MAX_BYTES + 1];       /* of the host alone: whose it is, is looked up with that */
    char host[BELL_PURGE_HOST_BYTES_MAX + 1]; /* with its port: the host of a bell_purge */
    char value[BELL_PURGE_VALUE_BYTES_MAX + 2];
} bell_purge_url;

/* For the kinds BELL_PURGE_URL and BELL_PURGE_PREFIX. NULL, or a sentence about what is wrong, without a capital and a full stop. */
const char *bell_purge_url_read(bell_str url, bell_purge_kind kind, bell_purge_url *out) __attribute__((warn_unused_result));

#pragma GCC visibility pop

#endif
