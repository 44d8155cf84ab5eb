/* The tags of an answer: names that an origin gives to what it is made of ("course-17"), by which it is taken back later. Two fields have them:
 * Cache-Tag, a list with commas (as with Cloudflare, and Akamai's Edge-Cache-Tag), and Surrogate-Key, words with blanks between (as with Fastly).
 * Both count; neither is shown to clients.
 *
 * A cache keeps hashes of 64 bits under a key of its own, with the tenant in each: a tag of one tenant is found by nothing that another one says. Who
 * finds an answer by a hash looks at its tenant as well, so that not even chance makes two tenants meet; two tags of one tenant that meet by chance
 * cost a refresh. */
#ifndef BELL_CACHE_TAGS_H
#define BELL_CACHE_TAGS_H

#include "bell_fields.h"
#include "bell_siphash.h"

#pragma GCC visibility push(hidden)

#define BELL_CACHE_TAGS_MAX      128
#define BELL_CACHE_TAG_BYTES     256   /* of one tag */
#define BELL_CACHE_TAGS_BYTES    16384 /* of all values of these fields together */
#define BELL_CACHE_URL_BYTES_MAX 8192  /* of a host and a target together */

typedef enum {
    BELL_CACHE_TAGS_OK, /* also without any */
    BELL_CACHE_TAGS_LARGE,
    BELL_CACHE_TAGS_MALFORMED, /* a tag that bell_cache_tag_is_good() refuses */
} bell_cache_tags_verdict;

typedef struct {
    unsigned count;
    uint64_t hashes[BELL_CACHE_TAGS_MAX]; /* ascending, each once */
} bell_cache_tags;

/* Bytes above the blank, but DEL and commas, 1 to BELL_CACHE_TAG_BYTES of them, well-formed UTF-8. Letters are not folded. */
bool bell_cache_tag_is_good(bell_str tag);

/* Over all lines of both fields. With any other verdict than OK the answer is not to be stored: a promise to take it back could not be kept. */
bell_cache_tags_verdict bell_cache_tags_read(const bell_fields *answer, const unsigned char key[BELL_SIPHASH_KEY_BYTES], uint32_t tenant_id,
                                             bell_cache_tags *out) __attribute__((warn_unused_result));
bool bell_cache_tags_has(const bell_cache_tags *tags, uint64_t hash);

/* Of a tag that is good. */
uint64_t bell_cache_tag_hash(const unsigned char key[BELL_SIPHASH_KEY_BYTES], uint32_t tenant_id, bell_str tag);
/* Of a URL, so that it is found whoever it was stored for: host as in bell_cache_question, of which the port counts nothing (a client writes what he
 * likes there, and could keep what was taken back under another one); target as bell_cache_target_write() spells it. false:
 * longer than BELL_CACHE_URL_BYTES_MAX. It is no hash of any tag. */
bool bell_cache_url_hash(const unsigned char key[BELL_SIPHASH_KEY_BYTES], uint32_t tenant_id, bell_str host, bell_str target, uint64_t *out)
    __attribute__((warn_unused_result));

#pragma GCC visibility pop

#endif
