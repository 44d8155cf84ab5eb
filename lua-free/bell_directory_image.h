/* What the parts of the directory share: the layout of the image and the rules for what stands in it. For them alone. */
#ifndef BELL_DIRECTORY_IMAGE_H
#define BELL_DIRECTORY_IMAGE_H

#include "bell_directory_doc.h"
#include "bell_siphash.h"

#pragma GCC visibility push(hidden)

#define IMAGE_MAGIC  0x52494442u /* "BDIR" in memory */
#define IMAGE_FORMAT 5

#define IMAGE_UNIT_BYTES 64 /* blocks are multiples of it, and begin at one: a cache line */
#define IMAGE_STAMPS_MAX 4096
#define IMAGE_RECENT_MAX 2048
#define IMAGE_CLASSES    36 /* sizes of blocks: 1 to 4 units, then four steps to each doubling, up to BELL_DIRECTORY_RECORD_MAX */

/* The image: image_head, image_room, then texts' slots, ids' slots, revocations' slots, stamps, recent words, then blocks. All are 32-bit words up to
 * the blocks, read one by one as atomics: the compiler may not read a word again after it was checked. Offsets count from the image's first byte; 0
 * is none. */
typedef struct {
    uint32_t magic;
    uint32_t format;
    uint32_t capacity_bytes;
    uint32_t version_low, version_high;
    uint32_t seed[4]; /* of the hashes, drawn for each image */
    uint32_t ntenants;
    uint32_t default_id;  /* of a tenant, 0 for none */
    uint32_t wild_labels; /* bit n: there is a wildcard of n labels behind the star; bit 31: of 31 or more */
    uint32_t ntexts;      /* slots; a power of two, as are the next two */
    uint32_t nids;
    uint32_t nrevoked;
    uint32_t nstamps;
    uint32_t nrecent;
    uint32_t texts_at;
    uint32_t ids_at;
    uint32_t revoked_at;
    uint32_t stamps_at;
    uint32_t recent_at;
    uint32_t blocks_at;
} image_head;

/* Of the writer only. */
typedef struct {
    uint32_t texts_used;
    uint32_t revoked_used;
    uint32_t revoked_swept_s;
    uint32_t revoked_dropped;
    uint32_t blocks_end;          /* behind the last block that was ever taken */
    uint32_t free[IMAGE_CLASSES]; /* blocks given back; the first word of each is the next one's offset */
} image_room;

/* Host names, tenants' names behind a '=' and pools' names behind a '@', which no host can begin with. Open addressing, linear probing; empty when
 * bytes is 0. */
typedef struct {
    uint32_t hash; /* the upper half; the lower one chose the slot */
    uint32_t block_at;
    uint32_t text_at;
    uint32_t bytes;
} image_text;

/* Tenants by number; empty when id is 0. */
typedef struct {
    uint32_t id;
    uint32_t block_at;
} image_id;

/* Found by 64 bits of a keyed hash of tenant and subject; empty when until_s is 0. Seconds since 1970, unsigned. */
typedef struct {
    uint32_t hash_low, hash_high;
    uint32_t before_s;
    uint32_t until_s;
} image_revoked;

/* Of the tenants with this place: the latest before_s of their revocations. Who began later is over by none of them, and need not be looked for. */
typedef uint32_t image_recent;

/* The version in which a text with this place was put or taken out last, of the load at first: whatever was found before a load is to be found anew.
 */
typedef struct {
    uint32_t version_low, version_high;
} image_stamp;

/* A tenant or a pool (id 0): this, then the text of each part behind the other. A copy of it is a record. What every request reads (this, the first
 * parts and the hosts that it was found by) lies in the first two cache lines of most tenants. */
typedef struct {
    uint32_t id;
    uint32_t revision_low, revision_high;
    uint32_t sessions_from_s;
    uint16_t bytes; /* in use */
    uint16_t status;
    uint16_t scale_percent[BELL_SCALES]; /* of a tenant */
    uint16_t part_bytes[BELL_RECORD_PARTS];
} image_block;

/* ---- rules: bell_directory_rules.c */

/* 1 to 63 of [a-z0-9-]. */
bool bell_directory_is_name(bell_str s);
/* 1 to 63 of [a-z0-9_.-]: flags, limits, words of keys. */
bool bell_directory_is_word(bell_str s);
/* A language tag's alphabet (BCP 47); which tags exist is not the directory's business. */
bool bell_directory_is_locale(bell_str s);
/* A host as bell_host_normalize leaves it, or "*." and one of two labels or more. */
bool bell_directory_is_host(bell_str s);
/* ADDRESS:PORT with an IPv4 address or an IPv6 address in brackets, or unix:PATH. */
bool bell_directory_is_server(bell_str s);
/* UTF-8 without NUL of at most `max` bytes. */
bool bell_directory_is_text(bell_str s, size_t max);

#define BELL_DIRECTORY_TITLE_MAX    800
#define BELL_DIRECTORY_NOTICE_MAX   4000
#define BELL_DIRECTORY_MATERIAL_MAX 8192
#define BELL_DIRECTORY_SUBJECT_MAX  255
#define BELL_DIRECTORY_WEIGHT_MAX   1000
#define BELL_DIRECTORY_SECONDS_MAX  UINT32_MAX

/* "up", "drain", "down"; NULL and 0 for others. */
const char *bell_server_state_name(bell_server_state s);
bell_server_state bell_server_state_of(bell_str name);

/* ---- hashes: bell_directory_image.c */

/* Where a hash belongs in a table of n slots, and how far a slot is from another one, going up and around. */
static inline uint32_t bell_directory_home(uint32_t hash, uint32_t n) {
    return (uint32_t)((uint64_t)hash * n >> 32);
}

static inline uint32_t bell_directory_next_slot(uint32_t at, uint32_t n) {
    return at + 1 < n ? at + 1 : 0;
}

static inline uint32_t bell_directory_distance(uint32_t from, uint32_t to, uint32_t n) {
    return to >= from ? to - from : to + n - from;
}

/* Neighbouring numbers lie apart. */
static inline uint32_t bell_directory_id_hash(const uint32_t seed[4], uint32_t id) {
    return (id ^ seed[0]) * 0x9E3779B1u;
}

/* Where the stamp of a text is: by the half of its hash that did not choose its slot. */
static inline uint32_t bell_directory_stamp_of(uint64_t hash, uint32_t nstamps) {
    return bell_directory_home((uint32_t)(hash >> 32), nstamps);
}

/* Where the recent word of a tenant is. */
static inline uint32_t bell_directory_recent_of(uint32_t tenant_id, uint32_t nrecent) {
    return bell_directory_home(tenant_id * 0x9E3779B1u, nrecent);
}

/* SipHash-2-4: who chooses host names must not be able to choose their slots. */
uint64_t bell_directory_hash(const uint32_t seed[4], bell_str s);
uint64_t bell_directory_revoked_hash(const uint32_t seed[4], uint32_t tenant_id, bell_str subject);

/* ---- changing an image: bell_directory_edit.c. Nobody reads it meanwhile, or those who do throw away what they find. */

typedef struct {
    char *image;
    uint64_t version;
    int64_t now_s;
    char *err;
    size_t err_len;
    bool full; /* the sentence is about room */
} bell_directory_editor;

/* Writes the sentence; returns false. */
bool bell_directory_fail(bell_directory_editor *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The same, and the image is full. */
bool bell_directory_no_room(bell_directory_editor *e, const char *what);

/* An empty image of version 0. false: too small, or no randomness. */
bool bell_directory_image_init(bell_directory_editor *e, size_t capacity);
/* Sets the version: from here on it is an image that readers take. */
void bell_directory_image_close(bell_directory_editor *e, uint32_t default_id);
/* Version 0 again: nobody takes it. */
void bell_directory_image_spoil(char *image);

/* `where` begins the sentence: "tenants[3]". The id and name of a tenant that is there must have been taken out before. */
bool bell_directory_put_tenant(bell_directory_editor *e, const bell_directory_row *row, const char *where) __attribute__((warn_unused_result));
bool bell_directory_put_pool(bell_directory_editor *e, const bell_directory_pool *pool, const char *where) __attribute__((warn_unused_result));
void bell_directory_put_revoked(bell_directory_editor *e, const bell_directory_revoked *revoked);
/* false: there is none. */
bool bell_directory_take_tenant_out(bell_directory_editor *e, uint32_t id);
bool bell_directory_take_pool_out(bell_directory_editor *e, bell_str name);

/* ---- the envelope: bell_directory_seal.c */

/* Appends the header for this payload. */
bool bell_directory_seal(bell_buf *out, uint64_t from, uint64_t version, bell_str payload, const bell_directory_key *key)
    __attribute__((warn_unused_result));

#pragma GCC visibility pop

#endif
