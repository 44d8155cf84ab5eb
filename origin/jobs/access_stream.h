/* The streams of access events in Redis, as their reader sees them (bell_access_event.h says what is in them). Commands: SRANDMEMBER, SREM, SADD,
 * XLEN, XINFO STREAM, XRANGE, XTRIM. A position is the id of the last entry that was read. */
#ifndef FB_JOBS_ACCESS_STREAM_H
#define FB_JOBS_ACCESS_STREAM_H

#include "bell_str.h"
#include "origin/db/redis.h"

#define FB_ACCESS_ID_BYTES    48 /* "18446744073709551615-18446744073709551615" and more than its NUL */
#define FB_ACCESS_TENANTS_MAX 64 /* a look */

typedef struct {
    uint64_t ms, seq;
} fb_access_id;

/* "1763752345678-0"; false: it is none. */
bool fb_access_id_read(bell_str text, fb_access_id *id) __attribute__((warn_unused_result));
void fb_access_id_write(fb_access_id id, char out[FB_ACCESS_ID_BYTES]);
/* As strcmp. */
int fb_access_id_compare(fb_access_id a, fb_access_id b);

typedef enum {
    FB_ACCESS_WELL,
    FB_ACCESS_NONE, /* there is no such stream, or the key is something else, which has been logged */
    FB_ACCESS_AWAY, /* Redis, or it refuses, which has been logged */
} fb_access_answer;

/* Some of the tenants in the set, by chance; what is no number of a tenant is taken out of it. */
fb_access_answer fb_access_tenants(fb_redis *r, int32_t tenants[FB_ACCESS_TENANTS_MAX], size_t *n) __attribute__((warn_unused_result));
/* Takes the tenant out of the set. NONE: somebody else did. */
fb_access_answer fb_access_take(fb_redis *r, int32_t tenant) __attribute__((warn_unused_result));
fb_access_answer fb_access_put_back(fb_redis *r, int32_t tenant) __attribute__((warn_unused_result));
/* NONE: the tenant's stream is empty, or there is none. */
fb_access_answer fb_access_has_entries(fb_redis *r, int32_t tenant) __attribute__((warn_unused_result));

typedef struct {
    fb_access_id last; /* the newest id that the stream has given out */
    int64_t added;     /* entries that it has ever got; counts from 0 again when it was removed */
    int64_t length;    /* entries in it */
} fb_access_state;

fb_access_answer fb_access_look(fb_redis *r, int32_t tenant, fb_access_state *out) __attribute__((warn_unused_result));
/* Removes the entries up to the position. -1: that was refused, or Redis is away; they are passed over in any case. */
int64_t fb_access_trim(fb_redis *r, int32_t tenant, fb_access_id position);

typedef struct {
    fb_access_id id;
    bell_str text; /* the events; NULL p: an entry of another form */
} fb_access_entry;

typedef struct {
    redisReply *reply; /* what the texts are borrowed from */
    fb_access_entry *list;
    size_t n;
} fb_access_entries;

/* At most `most` entries behind the position, in their order. The caller gives them back with fb_access_entries_free, whatever the answer. */
fb_access_answer fb_access_read(fb_redis *r, int32_t tenant, fb_access_id after, size_t most, fb_access_entries *out)
    __attribute__((warn_unused_result));
void fb_access_entries_free(fb_access_entries *e);

#endif
