/* One round of the publisher: what changed becomes a delta, and when it is wanted the whole state a snapshot, in one transaction. */
#ifndef FB_JOBS_DIRECTORY_ROUND_H
#define FB_JOBS_DIRECTORY_ROUND_H

#include "bell_buf.h"
#include "bell_directory_doc.h"
#include "origin/db/pg.h"

#define FB_DIRECTORY_ERROR_BYTES 700

typedef struct {
    uint64_t version;     /* published last */
    uint64_t oldest_from; /* where the deltas that are kept begin; version when none is */
    bool waiting;         /* there are marks */
} fb_directory_standing;

typedef struct {
    PGconn *c;
    const fb_settings *settings;
    uint64_t above;        /* a version that some reader has seen: the next is above it */
    bool want_snapshot;    /* in any case */
    bool snapshot_with_it; /* when something changed */
    /* out: */
    uint64_t version;
    bool published;    /* a delta was made */
    bell_buf snapshot; /* of this version; empty when none was made */
    bool clashed;      /* with another transaction: to be tried again at once */
    char error[FB_DIRECTORY_ERROR_BYTES];
} fb_directory_round;

/* false: error holds a sentence. */
bool fb_directory_round_standing(fb_directory_round *r, fb_directory_standing *out) __attribute__((warn_unused_result));

/* Called with the publisher's lock held. false: nothing was published, error holds a sentence. The snapshot is to be given back with bell_buf_fini in
 * either case. */
bool fb_directory_round_run(fb_directory_round *r) __attribute__((warn_unused_result));

/* A statement of the round. NULL: error holds a sentence. */
PGresult *fb_directory_round_ask(fb_directory_round *r, const char *sql, int nparams, const char *const *params) __attribute__((warn_unused_result));

/* Loads the setting directory_key, a file that only its owner may read. *key is NULL when the setting is "-". false: a sentence. */
bool fb_directory_key_of(const fb_settings *s, bell_directory_key **key, char *err, size_t err_len) __attribute__((warn_unused_result));

#endif
