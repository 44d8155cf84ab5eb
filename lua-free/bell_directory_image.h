/* What the three parts of bell_directory.h share: the layout of the image and the rules for what a row holds. For them alone. */
#ifndef BELL_DIRECTORY_IMAGE_H
#define BELL_DIRECTORY_IMAGE_H

#include "bell_directory.h"

#pragma GCC visibility push(hidden)

#define BELL_DIRECTORY_WORD          "bell-directory 1 "
#define BELL_DIRECTORY_SHA256_DIGITS 64
#define BELL_DIRECTORY_VERSION_MAX   INT64_MAX /* what JSON readers agree on as an integer */
#define BELL_DIRECTORY_NO_TENANT     UINT32_MAX

#define IMAGE_MAGIC  0x52494442u /* "BDIR" in memory */
#define IMAGE_FORMAT 1

/* The image: image_head, then tenants, then slots, then text. All are 32-bit words up to the text, read one by one as atomics: the
 * compiler may not read a word again after it was checked. Offsets count from the image's first byte. */
typedef struct {
    uint32_t magic;
    uint32_t format;
    uint32_t image_bytes;
    uint32_t version_low, version_high;
    uint32_t seed[4];        /* of the hash of host names, drawn for each image */
    uint32_t default_tenant; /* an index, NO_TENANT for none */
    uint32_t ntenants;
    uint32_t tenants_at;
    uint32_t nslots; /* a power of two */
    uint32_t slots_at;
} image_head;

typedef struct {
    uint32_t id;
    uint32_t status;
    uint32_t name_at, name_bytes;
    uint32_t locale_at, locale_bytes;
} image_tenant;

/* Open addressing, linear probing; empty when host_bytes is 0. */
typedef struct {
    uint32_t hash; /* the upper half; the lower one chose the slot */
    uint32_t tenant;
    uint32_t host_at, host_bytes;
} image_slot;

/* 1 to 63 of [a-z0-9-]. */
bool bell_directory_is_name(bell_str s);
/* A language tag's alphabet (BCP 47); which tags exist is not the directory's business. */
bool bell_directory_is_locale(bell_str s);
/* A host as bell_host_normalize leaves it. */
bool bell_directory_is_host(bell_str s);

/* SHA-256 in lower-case hex and NUL; false when OpenSSL failed. */
bool bell_directory_sha256(bell_str s, char out[BELL_DIRECTORY_SHA256_DIGITS + 1]);

/* SipHash-2-4 (Aumasson and Bernstein, 2012): who chooses host names must not be able to choose their slots. */
uint64_t bell_directory_hash(const uint32_t seed[4], bell_str s);

#pragma GCC visibility pop

#endif
