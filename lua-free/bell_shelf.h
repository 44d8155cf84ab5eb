/* What a cache keeps in files: an object's file, and the record of it in a table of all, from which a cache that begins again knows them without
 * opening one. Bytes in and out; who opens, writes and deletes is the caller.
 *
 *     a file      body | head | trailer [| head | trailer]…       the last pair counts: a 304 appends another one
 *     the table   preface | records, one to a slot
 *
 * The body begins where the file does, so that it can be sent from there; what is behind it says what it is. A trailer is bound by a keyed checksum
 * to the head before it, a record to the slot that it is in: what was cut off, written half or put somewhere else is not read for something true. The
 * key is in the preface, and whoever can read that can make files. Bytes are in the order of the machine; those of another one are unknown. */
#ifndef BELL_SHELF_H
#define BELL_SHELF_H

#include "bell_cache_index.h"
#include "bell_freshness.h"
#include "bell_siphash.h"

#pragma GCC visibility push(hidden)

#define BELL_SHELF_RECORD_BYTES  128
#define BELL_SHELF_TRAILER_BYTES 128
#define BELL_SHELF_PREFACE_BYTES 128
#define BELL_SHELF_HEAD_MAX      65536u
#define BELL_SHELF_NAME_BYTES    16 /* of a file, its id in hexadecimal */
#define BELL_SHELF_BOOT_BYTES    36

/* Without padding: it is written as it lies. */
typedef struct {
    bell_cache_hash hash;
    bell_freshness_times times;
    uint64_t id; /* no other object has it, ever; 0: none */
    uint64_t url;
    uint64_t body_bytes;
    uint64_t checked; /* the last purge that it was asked about */
    uint64_t bytes;   /* of the file up to here */
    uint64_t stamp;   /* of the order in which objects came in */
    uint32_t tenant_id;
    uint32_t head_bytes;
    uint32_t body_crc; /* bell_crc32c() */
    uint16_t kind;     /* the caller's; 0: none */
    uint8_t queue;     /* as bell_cache_entry has it */
    uint8_t hits;
} bell_shelf_object;

_Static_assert(sizeof(bell_shelf_object) == 112, "a record, without mark and checksum");

/* o: NULL, and the slot is empty. */
void bell_shelf_record_write(const unsigned char key[BELL_SIPHASH_KEY_BYTES], uint64_t slot, const bell_shelf_object *o,
                             unsigned char out[BELL_SHELF_RECORD_BYTES]);
/* false: the slot is empty, or what is in it is no record of this slot. */
bool bell_shelf_record_read(const unsigned char key[BELL_SIPHASH_KEY_BYTES], uint64_t slot, const unsigned char in[BELL_SHELF_RECORD_BYTES],
                            bell_shelf_object *o) __attribute__((warn_unused_result));

/* `end` is a head with room for its trailer behind it; o->head_bytes is the head's. */
void bell_shelf_trailer_write(const unsigned char key[BELL_SIPHASH_KEY_BYTES], const bell_shelf_object *o, unsigned char *end);
/* false: these are no head and its trailer. */
bool bell_shelf_trailer_read(const unsigned char key[BELL_SIPHASH_KEY_BYTES], bell_str end, bell_shelf_object *o) __attribute__((warn_unused_result));

/* What a trailer says of itself, for who does not know how long the head before it is: nothing is proven by it. false: it is none. */
bool bell_shelf_trailer_peek(const unsigned char in[BELL_SHELF_TRAILER_BYTES], bell_shelf_object *o) __attribute__((warn_unused_result));

/* What stands at the beginning of a table. */
typedef struct {
    uint64_t layout; /* of what the caller keeps: another one cannot be read */
    uint64_t slots;
    uint64_t ids;  /* the last that was given, when it was left */
    uint64_t seen; /* purges of the feed, likewise */
    uint32_t is_clean;
    unsigned char key[BELL_SIPHASH_KEY_BYTES];
    char boot[BELL_SHELF_BOOT_BYTES]; /* which start of the machine it was written in */
} bell_shelf_preface;

void bell_shelf_preface_write(const bell_shelf_preface *p, unsigned char out[BELL_SHELF_PREFACE_BYTES]);
/* false: it is none, or of another version. */
bool bell_shelf_preface_read(const unsigned char in[BELL_SHELF_PREFACE_BYTES], bell_shelf_preface *p) __attribute__((warn_unused_result));

void bell_shelf_name_write(uint64_t id, char out[BELL_SHELF_NAME_BYTES]);
/* false: no file of ours has such a name. */
bool bell_shelf_name_read(bell_str name, uint64_t *id) __attribute__((warn_unused_result));

/* CRC-32C (Castagnoli; RFC 3720, appendix B.4) of what stood before, 0 at first, and of these bytes. */
uint32_t bell_crc32c(uint32_t crc, bell_str bytes);

#pragma GCC visibility pop

#endif
