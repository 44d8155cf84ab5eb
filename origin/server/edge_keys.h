/* The keys of the edges (bell_context.h): every file ID.key in edge_keys_dir. What an edge says of a request counts under its own key only, and for
 * the tenants that the key names. An edge whose key is exchanged has two files for a while. Workers read them when they start, so a reload of the api
 * takes a change.
 *
 * A key file is a secret: one that others than its owner may read or write is refused. */
#ifndef FB_EDGE_KEYS_H
#define FB_EDGE_KEYS_H

#include "bell_context.h"

#define FB_EDGE_KEYS_MAX 256

typedef struct {
    bell_context_key *keys[FB_EDGE_KEYS_MAX];
    size_t nkeys;
} fb_edge_keys;

/* Reads all; there must be one. false: a sentence in err that names the file. */
bool fb_edge_keys_load(fb_edge_keys *k, const char *dir, char *err, size_t err_len) __attribute__((warn_unused_result));
void fb_edge_keys_free(fb_edge_keys *k);

#endif
