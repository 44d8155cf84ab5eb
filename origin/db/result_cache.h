/* Rows that are the same for many requests, kept by one worker: what a course consists of, for one. An entry is found by its owner (a statement),
 * tenant, id and version; the version comes out of the database with every request, so that an entry is never older than what the request has
 * read. Nothing that belongs to one person is kept here. Bounded in bytes; what was not used for the longest time goes first. */
#ifndef FB_RESULT_CACHE_H
#define FB_RESULT_CACHE_H

#include <libpq-fe.h>

#include "origin/db/pool.h"

#define FB_RESULT_CACHE_RESULTS 2 /* of an entry */

typedef struct {
    const fb_stmt *owner;
    int32_t tenant_id;
    int64_t id, version;
} fb_result_key;

typedef struct fb_result_cache fb_result_cache;

fb_result_cache *fb_result_cache_new(size_t max_bytes);
void fb_result_cache_free(fb_result_cache *c);

/* The entry's results, FB_RESULT_CACHE_RESULTS of them, good until the next put. NULL: not there, or of another version. */
const PGresult *const *fb_result_cache_get(fb_result_cache *c, const fb_result_key *key);
/* Keeps copies, in place of another version. What is too large or finds no memory is not kept. */
void fb_result_cache_put(fb_result_cache *c, const fb_result_key *key, const PGresult *const results[FB_RESULT_CACHE_RESULTS]);

#endif
