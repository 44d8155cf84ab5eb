/* The tenant directory as the edge reads it: which district answers to which host name, where it is served, and who has been signed out.
 *
 * It lies in shared memory as an image: one position-independent block of bytes, aligned to 8, that is filled from documents (bell_directory_doc.h)
 * and changed in place. Offsets are checked on every read, so that a reader who races a writer sees rubbish at worst, ends, and never reads outside
 * of the image; the caller's version check then discards what it found. What is not an image has version 0, no tenants and no hosts.
 *
 * A request keeps a bell_tenant, which is a copy. What is asked for less often lies in the tenant's record: its bytes are copied out whole, and the
 * copy, which nobody changes any more, is looked into. */
#ifndef BELL_DIRECTORY_H
#define BELL_DIRECTORY_H

#include "bell_host.h"

#pragma GCC visibility push(hidden)

#define BELL_DIRECTORY_NAME_MAX   63 /* bytes: of tenants, pools, clusters, regions, flags, limits */
#define BELL_DIRECTORY_LOCALE_MAX 35
#define BELL_DIRECTORY_RECORD_MAX 65535

typedef enum {
    BELL_TENANT_ACTIVE = 1,
    BELL_TENANT_READ_ONLY = 2,
    BELL_TENANT_EXAM = 3,
    BELL_TENANT_SUSPENDED = 4,
} bell_tenant_status;

/* "active", "read-only", "exam", "suspended". NULL for another value. */
const char *bell_tenant_status_name(bell_tenant_status s);
/* 0 when unknown. */
bell_tenant_status bell_tenant_status_of(bell_str name);

/* By how much a tenant's limits are scaled: numbers of its limits with these names, percent. What a document does not say is 100, and what is less or
 * more than an edge takes counts as the nearest. */
typedef enum {
    BELL_SCALE_ALL,         /* "scale" */
    BELL_SCALE_SUBMISSIONS, /* "scale-submissions"; "scale" where that is not said */
    BELL_SCALES,
} bell_scale;

#define BELL_SCALE_MIN_PERCENT 1
#define BELL_SCALE_MAX_PERCENT 10000

typedef struct {
    uint32_t id;
    bell_tenant_status status;
    uint64_t revision;                          /* the version of the directory in which it was last put */
    int64_t sessions_from_s;                    /* Unix seconds: sessions that began before are over; 0: none */
    char name[BELL_DIRECTORY_NAME_MAX + 1];     /* [a-z0-9-] */
    char upstream[BELL_DIRECTORY_NAME_MAX + 1]; /* a pool's name; empty: the edge's own default */
    char locale[BELL_DIRECTORY_LOCALE_MAX + 1];
    uint16_t scale_percent[BELL_SCALES]; /* takes what the structure was padded with */
} bell_tenant;

typedef enum {
    BELL_DIRECTORY_NOBODY,
    BELL_DIRECTORY_EXACT,
    BELL_DIRECTORY_WILDCARD, /* by the longest "*.…" that fits, any number of labels deep */
    BELL_DIRECTORY_DEFAULT,  /* while there is one tenant only, it may answer to every name */
} bell_directory_match;

/* host: already normalized (bell_host_normalize). NOBODY: *out is undefined. */
bell_directory_match bell_directory_find(const void *image, size_t image_len, bell_str host, bell_tenant *out) __attribute__((warn_unused_result));

/* What an answer depends on besides the host: the names that were looked for. Who keeps an answer keeps this with it. */
#define BELL_DIRECTORY_TRACE_MAX 4

typedef struct {
    uint32_t wild_labels;                      /* of the image: how many labels wildcards had */
    uint16_t n;                                /* 0: too many names, or the default tenant: the answer is of its version alone */
    uint16_t stamps[BELL_DIRECTORY_TRACE_MAX]; /* of the image: where it says when such a name was changed last */
} bell_directory_trace;

/* bell_directory_find, and *trace is filled in. */
bell_directory_match bell_directory_find_traced(const void *image, size_t image_len, bell_str host, bell_tenant *out, bell_directory_trace *trace)
    __attribute__((warn_unused_result));

/* Whether the same host has the same answer here, to the last byte of the bell_tenant, that it had in that version with that trace; `version` is of a
 * directory of which this one is a later state. false: it may have another one. */
bool bell_directory_is_unchanged(const void *image, size_t image_len, const bell_directory_trace *trace, uint64_t version)
    __attribute__((warn_unused_result));

uint64_t bell_directory_version(const void *image, size_t image_len);
size_t bell_directory_tenant_count(const void *image, size_t image_len);

/* Whether a session of this subject that began at began_s is over: the subject was signed out everywhere, or taken off the roster, at that moment or
 * later. The tenant's own sessions_from_s is the caller's to compare. */
bool bell_directory_is_revoked(const void *image, size_t image_len, uint32_t tenant_id, bell_str subject, int64_t began_s)
    __attribute__((warn_unused_result));

/* Records: `out` has room for BELL_DIRECTORY_RECORD_MAX bytes. Their length; 0: there is no such tenant, or pool. */
size_t bell_directory_copy_tenant(const void *image, size_t image_len, uint32_t tenant_id, void *out) __attribute__((warn_unused_result));
size_t bell_directory_copy_pool(const void *image, size_t image_len, bell_str name, void *out) __attribute__((warn_unused_result));

typedef enum {
    BELL_RECORD_NAME,
    BELL_RECORD_LOCALE,
    BELL_RECORD_UPSTREAM,
    BELL_RECORD_HOSTS,   /* a list */
    BELL_RECORD_CLUSTER, /* of databases */
    BELL_RECORD_REGION,
    BELL_RECORD_TITLE,   /* UTF-8 */
    BELL_RECORD_NOTICE,  /* UTF-8: the district's own words while it is suspended; may be empty */
    BELL_RECORD_FLAGS,   /* a list */
    BELL_RECORD_LIMITS,  /* pairs: name, number */
    BELL_RECORD_KEYS,    /* bell_record_next_key */
    BELL_RECORD_SERVERS, /* of a pool: bell_record_next_server */
    BELL_RECORD_PARTS,
} bell_record_part;

/* Points into the copy; empty when there is none, or the copy is none. */
bell_str bell_record_get(const void *copy, size_t len, bell_record_part part);
/* The next text of a list; false at its end. */
bool bell_record_next(bell_str *list, bell_str *item);
bool bell_record_has_flag(const void *copy, size_t len, bell_str name);
/* false: the tenant has no such limit. */
bool bell_record_limit(const void *copy, size_t len, bell_str name, uint64_t *value);

typedef struct {
    bell_str kid, use, alg;  /* what a key is for ("cloudfront", "session"), and how; words of the module that uses it */
    bell_str material;       /* as that module writes keys: PEM, JWK, base64url */
    int64_t from_s, until_s; /* Unix seconds, until_s excluded; 0: open on that side */
} bell_record_key;

bool bell_record_next_key(bell_str *keys, bell_record_key *out);

typedef enum { BELL_SERVER_UP = 1, BELL_SERVER_DRAIN = 2, BELL_SERVER_DOWN = 3 } bell_server_state;

typedef struct {
    bell_str address; /* ADDRESS:PORT or unix:PATH */
    uint32_t weight;  /* 1 to 1000 */
    bell_server_state state;
} bell_record_server;

bool bell_record_next_server(bell_str *servers, bell_record_server *out);

#pragma GCC visibility pop

#endif
