#include "origin/db/result_cache.h"

#include <stdlib.h>

#define ENTRIES_MAX 256

typedef struct {
    fb_result_key key; /* owner NULL: free */
    PGresult *results[FB_RESULT_CACHE_RESULTS];
    size_t bytes;
    uint64_t used; /* the tick of the last use */
} entry;

struct fb_result_cache {
    size_t max_bytes, bytes;
    uint64_t tick;
    entry entries[ENTRIES_MAX];
};

fb_result_cache *fb_result_cache_new(size_t max_bytes) {
    fb_result_cache *c = calloc(1, sizeof(*c));
    if (c != NULL) {
        c->max_bytes = max_bytes;
    }
    return c;
}

static void drop(fb_result_cache *c, entry *e) {
    for (unsigned i = 0; i < FB_RESULT_CACHE_RESULTS; i++) {
        PQclear(e->results[i]);
    }
    c->bytes -= e->bytes;
    *e = (entry){.bytes = 0};
}

void fb_result_cache_free(fb_result_cache *c) {
    if (c == NULL) {
        return;
    }
    for (unsigned i = 0; i < ENTRIES_MAX; i++) {
        drop(c, &c->entries[i]);
    }
    free(c);
}

static entry *find(fb_result_cache *c, const fb_result_key *key) {
    for (unsigned i = 0; i < ENTRIES_MAX; i++) {
        entry *e = &c->entries[i];
        if (e->key.owner == key->owner && e->key.tenant_id == key->tenant_id && e->key.id == key->id) {
            return e;
        }
    }
    return NULL;
}

const PGresult *const *fb_result_cache_get(fb_result_cache *c, const fb_result_key *key) {
    entry *e = find(c, key);

    if (e == NULL || e->key.version != key->version) {
        return NULL;
    }
    e->used = ++c->tick;
    return (const PGresult *const *)e->results;
}

static bool copy(entry *e, const PGresult *const results[FB_RESULT_CACHE_RESULTS]) {
    for (unsigned i = 0; i < FB_RESULT_CACHE_RESULTS; i++) {
        e->results[i] = PQcopyResult(results[i], PG_COPYRES_ATTRS | PG_COPYRES_TUPLES);
        if (e->results[i] == NULL) {
            return false;
        }
        e->bytes += PQresultMemorySize(e->results[i]);
    }
    return true;
}

/* Of those in use; when none is, any. */
static entry *longest_unused(fb_result_cache *c) {
    entry *oldest = &c->entries[0];
    for (unsigned i = 1; i < ENTRIES_MAX; i++) {
        entry *e = &c->entries[i];
        if (e->key.owner != NULL && (oldest->key.owner == NULL || e->used < oldest->used)) {
            oldest = e;
        }
    }
    return oldest;
}

static entry *free_entry(fb_result_cache *c) {
    for (unsigned i = 0; i < ENTRIES_MAX; i++) {
        if (c->entries[i].key.owner == NULL) {
            return &c->entries[i];
        }
    }
    entry *e = longest_unused(c);
    drop(c, e);
    return e;
}

void fb_result_cache_put(fb_result_cache *c, const fb_result_key *key, const PGresult *const results[FB_RESULT_CACHE_RESULTS]) {
    entry fresh = {.key = *key, .used = ++c->tick}, *old = find(c, key);

    if (old != NULL) {
        drop(c, old);
    }
    if (!copy(&fresh, results) || fresh.bytes > c->max_bytes) {
        c->bytes += fresh.bytes; /* drop() takes it off again */
        drop(c, &fresh);
        return;
    }
    while (c->bytes + fresh.bytes > c->max_bytes) {
        drop(c, longest_unused(c));
    }
    *free_entry(c) = fresh;
    c->bytes += fresh.bytes;
}
