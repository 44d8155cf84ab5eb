/* What takes stored answers back, as it goes from the origin to every edge: one line of text, in which nothing has two spellings.
 *
 *   1 SEQUENCE AT_MS TENANT soft|hard url HOST TARGET
 *   1 SEQUENCE AT_MS TENANT soft|hard prefix HOST PATH
 *   1 SEQUENCE AT_MS TENANT soft|hard tag TAG
 *   1 SEQUENCE AT_MS TENANT soft|hard all
 *
 * The fields stand one blank apart, numbers are decimal without leading zeros. An edge that was away asks for the sequence numbers that it has not
 * seen. A purge is about one tenant, always, and touches no answer of another one. */
#ifndef BELL_PURGE_H
#define BELL_PURGE_H

#include "bell_str.h"

#pragma GCC visibility push(hidden)

#define BELL_PURGE_HOST_BYTES_MAX  270  /* a name of BELL_HOST_MAX_BYTES and a port */
#define BELL_PURGE_VALUE_BYTES_MAX 7900 /* host and value together are a URL that bell_cache_url_hash() takes */
#define BELL_PURGE_BYTES_MAX       8300 /* of a line */

typedef enum {
    BELL_PURGE_URL,    /* this target, for whoever it is stored */
    BELL_PURGE_PREFIX, /* all targets that begin so, byte for byte: "/unit-1" is also about "/unit-10" */
    BELL_PURGE_TAG,    /* all that have the tag */
    BELL_PURGE_ALL,    /* all of the tenant's */
    BELL_PURGE_KINDS
} bell_purge_kind;

typedef struct {
    uint64_t sequence; /* from 1 on */
    int64_t at_ms;     /* when it was asked for, Unix milliseconds: what was fetched later is not meant */
    uint32_t tenant_id;
    bool is_hard; /* gone at once; else stale, and refreshed behind the next one who asks */
    bell_purge_kind kind;
    bell_str host;  /* URL and PREFIX: as in bell_cache_question; its port counts nothing */
    bell_str value; /* target, path or tag; empty for ALL */
} bell_purge;

/* "url", "prefix", "tag", "all" */
const char *bell_purge_kind_name(bell_purge_kind kind);

/* Whether it can be written: a host in lower case; a target or path that begins with "/", without blanks, control bytes or "#"; a path without "?"; a
 * good tag (bell_cache_tags.h); each within its bound. NULL, or a sentence about what is wrong. */
const char *bell_purge_fault(const bell_purge *p);

/* The line, without an end of line. Its bytes; -1: bell_purge_fault() or no room. */
long bell_purge_write(const bell_purge *p, char *out, size_t room) __attribute__((warn_unused_result));
/* Texts point into the line. false: anything but a line that bell_purge_write() writes. */
bool bell_purge_read(bell_str line, bell_purge *p) __attribute__((warn_unused_result));

/* Whether an answer is meant, by its tenant, host and target (as bell_cache_target_write() spells it). Of a TAG it is always false: that is asked
 * with bell_cache_tags_has(). */
bool bell_purge_is_about(const bell_purge *p, uint32_t tenant_id, bell_str host, bell_str target);

#pragma GCC visibility pop

#endif
