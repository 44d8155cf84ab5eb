/* Documents of the directory: what `firstbell jobs` publishes and an edge applies. One line of header, and a JSON payload:
 *
 *   bell-directory 2 <from> <version> <payload bytes> <SHA-256 of the payload, lower-case hex> <key id> <signature>\n
 *   {"version":N,"tenants":[{"id":1,"name":"demo","title":"Demo District","status":"active","locale":"en","hosts":["demo.localhost"]}],
 *    "pools":[{"name":"api","servers":[{"address":"10.0.0.1:8080","weight":1,"state":"up"}]}],
 *    "revoked":[{"tenant":1,"subject":"42","before":1700000000,"until":1700086400}],
 *    "removed":[7],"removed_pools":["old"],"default_tenant":1}
 *
 * <from> is 0 for a snapshot, which says everything, and the version that a delta changes into <version>, which is higher. A delta's tenants and
 * pools are whole: they take the place of what was there under that id or name. "removed" and "removed_pools" are a delta's alone. "default_tenant"
 * is absent where there is none, and refused beside a second tenant.
 *
 * The signature is Ed25519 over the header up to the space before it, base64url; "- -" stands for a document that is not signed. Signature and
 * checksum are verified before the payload is parsed.
 *
 * Members at the top come in this order, and all but the first two may be absent; within a tenant in any order, where unknown ones are passed over.
 * Of a tenant, "upstream", "cluster", "region", "notice" (texts), "flags" (texts), "limits" (name to number), "keys" and "sessions_from" may be
 * absent. Hosts are written as bell_host_normalize leaves them, or "*." and such a name of two labels or more; names and hosts are unique. */
#ifndef BELL_DIRECTORY_DOC_H
#define BELL_DIRECTORY_DOC_H

#include "bell_buf.h"
#include "bell_directory.h"

#pragma GCC visibility push(hidden)

#define BELL_DIRECTORY_HEADER_MAX   400
#define BELL_DIRECTORY_KEYS_MAX     8
#define BELL_DIRECTORY_VERSION_MAX  INT64_MAX /* what JSON readers agree on as an integer */
#define BELL_DIRECTORY_DOCUMENT_MAX (256u << 20)

/* ---- keys */

typedef struct bell_directory_key bell_directory_key;

/* A PEM file with an Ed25519 private key (signs and verifies) or public key (verifies). NULL: err holds a sentence with the path. */
bell_directory_key *bell_directory_key_load(const char *path, char *err, size_t err_len) __attribute__((warn_unused_result));
void bell_directory_key_free(bell_directory_key *k);
/* base64url of the first 8 bytes of SHA-256 over the DER SubjectPublicKeyInfo. */
const char *bell_directory_key_id(const bell_directory_key *k);

typedef struct {
    const bell_directory_key *keys[BELL_DIRECTORY_KEYS_MAX];
    size_t nkeys; /* 0: documents are taken unsigned, and signatures are not looked at */
} bell_directory_keys;

/* ---- writing */

typedef struct {
    bell_str name;
    uint64_t value;
} bell_directory_limit;

typedef struct {
    uint32_t id;
    bell_tenant_status status;
    int64_t sessions_from_s;
    bell_str name, title, locale;
    bell_str upstream, cluster, region, notice; /* empty: absent */
    const bell_str *hosts;
    size_t nhosts;
    const bell_str *flags;
    size_t nflags;
    const bell_directory_limit *limits;
    size_t nlimits;
    const bell_record_key *keys;
    size_t nkeys;
} bell_directory_row;

typedef struct {
    bell_str name;
    const bell_record_server *servers;
    size_t nservers;
} bell_directory_pool;

typedef struct {
    uint32_t tenant_id;
    bell_str subject;
    int64_t before_s; /* sessions that began then or earlier are over */
    int64_t until_s;  /* none of them can live longer than this */
} bell_directory_revoked;

typedef struct {
    uint64_t from, version;         /* from 0: a snapshot */
    const bell_directory_row *rows; /* ids ascending */
    size_t nrows;
    const bell_directory_pool *pools;
    size_t npools;
    const bell_directory_revoked *revoked;
    size_t nrevoked;
    const uint32_t *removed;
    size_t nremoved;
    const bell_str *removed_pools;
    size_t nremoved_pools;
    uint32_t default_tenant; /* 0: none */
} bell_directory_doc;

/* Appends a whole document, signed when there is a key. false: out failed, the key cannot sign, or something could not be read back (a version, id,
 * name, host, … that is not one). That names and hosts are unique is for the caller to know. */
bool bell_directory_write(bell_buf *out, const bell_directory_doc *d, const bell_directory_key *key) __attribute__((warn_unused_result));

/* ---- reading */

typedef struct {
    uint64_t from, version;
    bell_str payload;
    size_t bytes; /* header and payload */
} bell_directory_head;

typedef enum {
    BELL_DIRECTORY_OK,
    BELL_DIRECTORY_REFUSED, /* torn, changed, not signed by one of the keys, or it says something impossible */
    BELL_DIRECTORY_GAP,     /* a delta of another version than the image's: a snapshot is needed */
    BELL_DIRECTORY_FULL,    /* the image has no room for it */
} bell_directory_verdict;

/* Reads the header at the front of `text`, where a document may be followed by others. Nothing is verified. false: err holds a sentence; *whole tells
 * whether more bytes could make it one. */
bool bell_directory_peek(bell_str text, bell_directory_head *out, bool *whole, char *err, size_t err_len) __attribute__((warn_unused_result));

/* Verifies a document whole and fills an image of `capacity` bytes (aligned to 8) with it. When it fails, the image is no image any more, and err
 * holds a sentence ("checksum does not match: the file is torn or was changed", "tenants[3].hosts[0]: \"a_b\" is not a host name in lower case").
 * now_s: revocations that ended before are left out. */
bell_directory_verdict bell_directory_load(void *image, size_t capacity, bell_str snapshot, const bell_directory_keys *keys, int64_t now_s, char *err,
                                           size_t err_len) __attribute__((warn_unused_result));

/* The same with a delta, on an image of the version that it begins with. REFUSED and FULL may leave an image that is half of this and half of that:
 * it has version 0 then, and is to be filled anew. GAP leaves it as it was. */
bell_directory_verdict bell_directory_apply(void *image, size_t capacity, bell_str delta, const bell_directory_keys *keys, int64_t now_s, char *err,
                                            size_t err_len) __attribute__((warn_unused_result));

/* Copies what is used of an image into another of the same capacity. */
void bell_directory_copy(void *to, const void *from, size_t capacity);
/* A capacity that takes so many tenants and hosts with as many bytes of text in all. */
size_t bell_directory_capacity(size_t ntenants, size_t nhosts, size_t text_bytes);
/* The same for a snapshot, for messages; 0: it is none. */
size_t bell_directory_capacity_of(bell_str snapshot);
/* How full the fuller of the image's parts is, percent, and revocations for which there was no room. */
unsigned bell_directory_fill_percent(const void *image, size_t image_len);
uint32_t bell_directory_revoked_dropped(const void *image, size_t image_len);

/* Verifies header, signature (with keys) and checksum, and reads nothing of the payload. false: a sentence in err. */
bool bell_directory_open(bell_str text, const bell_directory_keys *keys, bell_directory_head *out, char *err, size_t err_len)
    __attribute__((warn_unused_result));

#pragma GCC visibility pop

#endif
