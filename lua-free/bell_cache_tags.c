#include "bell_cache_tags.h"

#include "bell_host.h"

bool bell_cache_tag_is_good(bell_str tag) {
    if (tag.len == 0 || tag.len > BELL_CACHE_TAG_BYTES) {
        return false;
    }
    for (size_t i = 0; i < tag.len; i++) {
        unsigned char c = (unsigned char)tag.p[i];
        if (c <= ' ' || c == 0x7f || c == ',') {
            return false;
        }
    }
    return bell_str_is_utf8(tag);
}

/* ---- hashes: a letter for what it is, the tenant, the text */

enum { HEAD_BYTES = 5 };

static size_t begin(char *out, char kind, uint32_t tenant_id) {
    out[0] = kind;
    for (unsigned i = 0; i < 4; i++) {
        out[1 + i] = (char)(tenant_id >> (24 - 8 * i));
    }
    return HEAD_BYTES;
}

uint64_t bell_cache_tag_hash(const unsigned char key[BELL_SIPHASH_KEY_BYTES], uint32_t tenant_id, bell_str tag) {
    char text[HEAD_BYTES + BELL_CACHE_TAG_BYTES];
    size_t len = begin(text, 't', tenant_id), n = tag.len < BELL_CACHE_TAG_BYTES ? tag.len : BELL_CACHE_TAG_BYTES;

    if (n > 0) {
        memcpy(text + len, tag.p, n);
    }
    return bell_siphash(key, (bell_str){text, len + n});
}

/* A target begins with "/", which no host has: where one ends and the other begins is plain. */
bool bell_cache_url_hash(const unsigned char key[BELL_SIPHASH_KEY_BYTES], uint32_t tenant_id, bell_str host, bell_str target, uint64_t *out) {
    char text[HEAD_BYTES + BELL_CACHE_URL_BYTES_MAX];
    size_t len = begin(text, 'u', tenant_id);

    host = bell_host_name(host);
    if (target.len == 0 || host.len > BELL_CACHE_URL_BYTES_MAX || target.len > BELL_CACHE_URL_BYTES_MAX - host.len) {
        return false;
    }
    if (host.len > 0) {
        memcpy(text + len, host.p, host.len);
    }
    memcpy(text + len + host.len, target.p, target.len);
    *out = bell_siphash(key, (bell_str){text, len + host.len + target.len});
    return true;
}

/* ---- the set */

/* The first that is not below; count: none. */
static unsigned find(const bell_cache_tags *tags, uint64_t hash) {
    unsigned low = 0, high = tags->count;

    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (tags->hashes[middle] < hash) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

bool bell_cache_tags_has(const bell_cache_tags *tags, uint64_t hash) {
    unsigned at = find(tags, hash);

    return at < tags->count && tags->hashes[at] == hash;
}

static bool add(bell_cache_tags *tags, uint64_t hash) {
    unsigned at = find(tags, hash);

    if (at < tags->count && tags->hashes[at] == hash) {
        return true;
    }
    if (tags->count == BELL_CACHE_TAGS_MAX) {
        return false;
    }
    memmove(tags->hashes + at + 1, tags->hashes + at, (tags->count - at) * sizeof(*tags->hashes));
    tags->hashes[at] = hash;
    tags->count++;
    return true;
}

/* ---- the fields */

/* The next tag, trimmed, empty ones passed over. */
static bool next_tag(bell_str *line, char separator, bell_str *tag) {
    while (line->len > 0) {
        *tag = bell_str_trim(bell_str_cut(line, separator));
        if (tag->len > 0) {
            return true;
        }
    }
    return false;
}

bell_cache_tags_verdict bell_cache_tags_read(const bell_fields *answer, const unsigned char key[BELL_SIPHASH_KEY_BYTES], uint32_t tenant_id,
                                             bell_cache_tags *out) {
    static const struct {
        bell_str name;
        char separator;
    } fields[] = {{{"cache-tag", 9}, ','}, {{"surrogate-key", 13}, ' '}};
    size_t left = BELL_CACHE_TAGS_BYTES;
    bell_str line, tag;

    out->count = 0;
    for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
        for (unsigned nth = 0; answer->field(answer->data, fields[i].name, nth, &line); nth++) {
            if (line.len > left) {
                return BELL_CACHE_TAGS_LARGE;
            }
            left -= line.len;
            while (next_tag(&line, fields[i].separator, &tag)) {
                if (!bell_cache_tag_is_good(tag)) {
                    return tag.len > BELL_CACHE_TAG_BYTES ? BELL_CACHE_TAGS_LARGE : BELL_CACHE_TAGS_MALFORMED;
                }
                if (!add(out, bell_cache_tag_hash(key, tenant_id, tag))) {
                    return BELL_CACHE_TAGS_LARGE;
                }
            }
        }
    }
    return BELL_CACHE_TAGS_OK;
}
