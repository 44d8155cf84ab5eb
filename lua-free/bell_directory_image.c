/* Reading an image: no allocation, no trust in any offset. */
#include "bell_directory_image.h"

#include <stdio.h>

#define WORDS(type)  (sizeof(type) / sizeof(uint32_t))
#define TEXT_MAX     (BELL_HOST_MAX_BYTES + 2)
#define LABELS_SHOWN 31

_Static_assert(sizeof(image_block) % sizeof(uint32_t) == 0, "blocks are read as words");

uint64_t bell_directory_hash(const uint32_t seed[4], bell_str s) {
    return bell_siphash((const unsigned char *)seed, s);
}

uint64_t bell_directory_revoked_hash(const uint32_t seed[4], uint32_t tenant_id, bell_str subject) {
    char text[sizeof(tenant_id) + BELL_DIRECTORY_SUBJECT_MAX];
    size_t len = subject.len < BELL_DIRECTORY_SUBJECT_MAX ? subject.len : BELL_DIRECTORY_SUBJECT_MAX;

    memcpy(text, &tenant_id, sizeof(tenant_id));
    if (len > 0) {
        memcpy(text + sizeof(tenant_id), subject.p, len);
    }
    return bell_directory_hash(seed, (bell_str){text, sizeof(tenant_id) + len});
}

/* A word of a structure of the image, some of whose fields are half as long. */
typedef uint32_t __attribute__((may_alias)) image_word;

/* Copies `n` words, each read once. */
static void load_words(void *to, const void *from, size_t n) {
    image_word *w = to;

    for (size_t i = 0; i < n; i++) {
        w[i] = __atomic_load_n((const image_word *)from + i, __ATOMIC_RELAXED);
    }
}

static bool is_inside(uint64_t at, uint64_t bytes, uint64_t capacity) {
    return at <= capacity && bytes <= capacity - at;
}

static bool is_table(uint32_t at, uint32_t nslots, size_t slot_bytes, uint32_t capacity) {
    return nslots != 0 && at % sizeof(uint32_t) == 0 && is_inside(at, (uint64_t)nslots * slot_bytes, capacity);
}

/* The head's copy, with every part it names inside of the image and aligned. */
static bool load_head(const void *image, size_t image_len, image_head *h) {
    if (image == NULL || image_len < sizeof(*h) || (uintptr_t)image % sizeof(uint32_t) != 0) {
        return false;
    }
    load_words(h, image, WORDS(*h));
    return h->magic == IMAGE_MAGIC && h->format == IMAGE_FORMAT && h->capacity_bytes <= image_len && (h->version_low | h->version_high) != 0 &&
           h->blocks_at <= h->capacity_bytes && is_table(h->texts_at, h->ntexts, sizeof(image_text), h->ids_at) &&
           is_table(h->ids_at, h->nids, sizeof(image_id), h->revoked_at) &&
           is_table(h->revoked_at, h->nrevoked, sizeof(image_revoked), h->stamps_at) &&
           is_table(h->stamps_at, h->nstamps, sizeof(image_stamp), h->recent_at) && h->nstamps <= IMAGE_STAMPS_MAX &&
           is_table(h->recent_at, h->nrecent, sizeof(image_recent), h->blocks_at);
}

uint64_t bell_directory_version(const void *image, size_t image_len) {
    image_head h;

    return load_head(image, image_len, &h) ? (uint64_t)h.version_high << 32 | h.version_low : 0;
}

size_t bell_directory_tenant_count(const void *image, size_t image_len) {
    image_head h;

    return load_head(image, image_len, &h) ? h.ntenants : 0;
}

/* ---- blocks */

/* The head of a block that is inside of the image. */
static bool load_block(const char *image, const image_head *h, uint32_t at, image_block *b) {
    if (at == 0 || at % sizeof(uint32_t) != 0 || !is_inside(at, sizeof(*b), h->capacity_bytes)) {
        return false;
    }
    load_words(b, image + at, WORDS(*b));
    return is_inside(at, b->bytes, h->capacity_bytes);
}

/* Whether the first n parts are inside of the block. */
static bool has_parts(const image_block *b, size_t n) {
    size_t sum = sizeof(*b);

    for (size_t i = 0; i < n; i++) {
        sum += b->part_bytes[i];
    }
    return sum <= b->bytes;
}

static bool copy_text(const char *from, uint32_t bytes, size_t max, char *out) {
    if (bytes > max) {
        return false;
    }
    memcpy(out, from, bytes);
    out[bytes] = '\0';
    return true;
}

/* The first three parts follow the head, in this order. */
static bool copy_tenant(const char *image, const image_head *h, uint32_t at, bell_tenant *out) {
    image_block b;
    const char *name = image + at + sizeof(b), *locale, *upstream;

    if (!load_block(image, h, at, &b) || !has_parts(&b, BELL_RECORD_UPSTREAM + 1) || b.part_bytes[BELL_RECORD_NAME] == 0) {
        return false;
    }
    locale = name + b.part_bytes[BELL_RECORD_NAME];
    upstream = locale + b.part_bytes[BELL_RECORD_LOCALE];
    out->id = b.id;
    out->status = (bell_tenant_status)b.status;
    out->revision = (uint64_t)b.revision_high << 32 | b.revision_low;
    out->sessions_from_s = b.sessions_from_s;
    memcpy(out->scale_percent, b.scale_percent, sizeof(out->scale_percent));
    return copy_text(name + 1, b.part_bytes[BELL_RECORD_NAME] - 1, BELL_DIRECTORY_NAME_MAX, out->name) &&
           copy_text(locale, b.part_bytes[BELL_RECORD_LOCALE], BELL_DIRECTORY_LOCALE_MAX, out->locale) &&
           copy_text(upstream, b.part_bytes[BELL_RECORD_UPSTREAM], BELL_DIRECTORY_NAME_MAX, out->upstream);
}

static size_t copy_block(const char *image, const image_head *h, uint32_t at, void *out) {
    image_block b;

    if (!load_block(image, h, at, &b) || !has_parts(&b, BELL_RECORD_PARTS)) {
        return 0;
    }
    memcpy(out, &b, sizeof(b));
    memcpy((char *)out + sizeof(b), image + at + sizeof(b), b.bytes - sizeof(b));
    return b.bytes;
}

/* ---- finding; a table without an empty slot, as a torn one may be, ends after one round */

/* Notes that a text was looked for; beyond the last place only how many there were. */
static void trace_text(bell_directory_trace *t, const image_head *h, uint64_t hash) {
    if (t->n < BELL_DIRECTORY_TRACE_MAX) {
        t->stamps[t->n] = (uint16_t)bell_directory_stamp_of(hash, h->nstamps);
    }
    t->n++;
}

/* The block of a text, 0 for none. */
static uint32_t find_text(const char *image, const image_head *h, bell_str s, bell_directory_trace *trace) {
    uint64_t hash = bell_directory_hash(h->seed, s);
    uint32_t at = bell_directory_home((uint32_t)hash, h->ntexts);

    trace_text(trace, h, hash);

    for (uint32_t probes = 0; probes < h->ntexts; probes++, at = bell_directory_next_slot(at, h->ntexts)) {
        image_text slot;

        load_words(&slot, image + h->texts_at + (size_t)at * sizeof(slot), WORDS(slot));
        if (slot.bytes == 0) {
            return 0;
        }
        if (slot.hash == (uint32_t)(hash >> 32) && slot.bytes == s.len && is_inside(slot.text_at, slot.bytes, h->capacity_bytes) &&
            memcmp(image + slot.text_at, s.p, s.len) == 0) {
            return slot.block_at;
        }
    }
    return 0;
}

static uint32_t find_id(const char *image, const image_head *h, uint32_t id) {
    uint32_t at = bell_directory_home(bell_directory_id_hash(h->seed, id), h->nids);

    for (uint32_t probes = 0; probes < h->nids; probes++, at = bell_directory_next_slot(at, h->nids)) {
        image_id slot;

        load_words(&slot, image + h->ids_at + (size_t)at * sizeof(slot), WORDS(slot));
        if (slot.id == 0) {
            return 0;
        }
        if (slot.id == id) {
            return slot.block_at;
        }
    }
    return 0;
}

/* The longest wildcard first: "*.b.c.example", then "*.c.example". Only those are looked for whose number of labels some wildcard has. */
static uint32_t find_wildcard(const char *image, const image_head *h, bell_str host, bell_directory_trace *trace) {
    char text[TEXT_MAX];
    unsigned labels = 1;

    if (h->wild_labels == 0) {
        return 0;
    }
    memcpy(text, host.p, host.len);
    for (size_t i = 0; i < host.len; i++) {
        labels += text[i] == '.';
    }
    for (size_t i = 1; i + 1 < host.len && labels > 1; i++) {
        uint32_t at;

        if (text[i] != '.') {
            continue;
        }
        labels--;
        if ((h->wild_labels >> (labels < LABELS_SHOWN ? labels : LABELS_SHOWN) & 1) == 0) {
            continue;
        }
        text[i - 1] = '*';
        at = find_text(image, h, (bell_str){text + i - 1, host.len - i + 1}, trace);
        if (at != 0) {
            return at;
        }
    }
    return 0;
}

/* What a host name cannot begin with begins other texts of the table. */
static bool is_host_text(bell_str s) {
    return s.len > 0 && s.len <= BELL_HOST_MAX_BYTES && s.p[0] != '=' && s.p[0] != '@' && s.p[0] != '*';
}

/* Nothing that stands in the image under other names than those of the trace has a say in the answer. An exact name's is its own; behind it the
 * wildcards come in the order in which they were looked for, and the number of their labels says which those are. */
bell_directory_match bell_directory_find_traced(const void *image, size_t image_len, bell_str host, bell_tenant *out, bell_directory_trace *trace) {
    bell_directory_match match = BELL_DIRECTORY_EXACT;
    image_head h;
    uint32_t at = 0;

    *trace = (bell_directory_trace){0};
    if (!load_head(image, image_len, &h)) {
        return BELL_DIRECTORY_NOBODY;
    }
    trace->wild_labels = h.wild_labels;
    if (is_host_text(host)) {
        at = find_text(image, &h, host, trace);
        if (at == 0) {
            match = BELL_DIRECTORY_WILDCARD;
            at = find_wildcard(image, &h, host, trace);
        }
    }
    if (at == 0 || trace->n > BELL_DIRECTORY_TRACE_MAX) {
        trace->n = 0;
    }
    if (at == 0 && h.default_id != 0) {
        match = BELL_DIRECTORY_DEFAULT;
        at = find_id(image, &h, h.default_id);
    }
    return at != 0 && copy_tenant(image, &h, at, out) ? match : BELL_DIRECTORY_NOBODY;
}

bell_directory_match bell_directory_find(const void *image, size_t image_len, bell_str host, bell_tenant *out) {
    bell_directory_trace trace;

    return bell_directory_find_traced(image, image_len, host, out, &trace);
}

bool bell_directory_is_unchanged(const void *image, size_t image_len, const bell_directory_trace *trace, uint64_t version) {
    image_head h;

    if (trace->n == 0 || trace->n > BELL_DIRECTORY_TRACE_MAX || !load_head(image, image_len, &h) || h.wild_labels != trace->wild_labels) {
        return false;
    }
    for (unsigned i = 0; i < trace->n; i++) {
        image_stamp s;

        if (trace->stamps[i] >= h.nstamps) {
            return false;
        }
        load_words(&s, (const char *)image + h.stamps_at + trace->stamps[i] * sizeof(s), WORDS(s));
        if (((uint64_t)s.version_high << 32 | s.version_low) > version) {
            return false;
        }
    }
    return true;
}

static uint32_t load_word(const void *at) {
    return __atomic_load_n((const image_word *)at, __ATOMIC_RELAXED);
}

/* false: nobody of this tenant was revoked at began_s or later. Every request with a session asks, so it reads only what it needs of the head. */
static bool is_worth_looking(const void *image, size_t image_len, uint32_t tenant_id, int64_t began_s) {
    const image_head *h = image;
    uint32_t at, n;

    if (image == NULL || image_len < sizeof(*h) || load_word(&h->magic) != IMAGE_MAGIC || load_word(&h->format) != IMAGE_FORMAT) {
        return false;
    }
    at = load_word(&h->recent_at);
    n = load_word(&h->nrecent);
    if (!is_table(at, n, sizeof(image_recent), (uint32_t)(image_len < UINT32_MAX ? image_len : UINT32_MAX))) {
        return false;
    }
    return began_s <= (int64_t)load_word((const char *)image + at + bell_directory_recent_of(tenant_id, n) * sizeof(image_recent));
}

bool bell_directory_is_revoked(const void *image, size_t image_len, uint32_t tenant_id, bell_str subject, int64_t began_s) {
    image_head h;
    uint64_t hash;
    uint32_t at;

    if (!is_worth_looking(image, image_len, tenant_id, began_s) || !load_head(image, image_len, &h)) {
        return false;
    }
    hash = bell_directory_revoked_hash(h.seed, tenant_id, subject);
    at = bell_directory_home((uint32_t)hash, h.nrevoked);
    for (uint32_t probes = 0; probes < h.nrevoked; probes++, at = bell_directory_next_slot(at, h.nrevoked)) {
        image_revoked slot;

        load_words(&slot, (const char *)image + h.revoked_at + (size_t)at * sizeof(slot), WORDS(slot));
        if (slot.until_s == 0) {
            return false;
        }
        if (slot.hash_low == (uint32_t)hash && slot.hash_high == (uint32_t)(hash >> 32)) {
            return began_s <= (int64_t)slot.before_s;
        }
    }
    return false;
}

/* ---- records */

size_t bell_directory_copy_tenant(const void *image, size_t image_len, uint32_t tenant_id, void *out) {
    image_head h;

    return tenant_id != 0 && load_head(image, image_len, &h) ? copy_block(image, &h, find_id(image, &h, tenant_id), out) : 0;
}

size_t bell_directory_copy_pool(const void *image, size_t image_len, bell_str name, void *out) {
    char text[1 + BELL_DIRECTORY_NAME_MAX] = "@";
    bell_directory_trace trace = {0};
    image_head h;

    if (name.len == 0 || name.len > BELL_DIRECTORY_NAME_MAX || !load_head(image, image_len, &h)) {
        return 0;
    }
    memcpy(text + 1, name.p, name.len);
    return copy_block(image, &h, find_text(image, &h, (bell_str){text, name.len + 1}, &trace), out);
}

bell_str bell_record_get(const void *copy, size_t len, bell_record_part part) {
    const char *p = (const char *)copy + sizeof(image_block);
    image_block b;

    if (len < sizeof(b) || (unsigned)part >= BELL_RECORD_PARTS) {
        return BELL_STR_NULL;
    }
    memcpy(&b, copy, sizeof(b));
    for (unsigned i = 0; i < (unsigned)part; i++) {
        p += b.part_bytes[i];
    }
    if (part == BELL_RECORD_NAME && b.part_bytes[part] > 0) {
        return (bell_str){p + 1, b.part_bytes[part] - 1};
    }
    return (bell_str){p, b.part_bytes[part]};
}

bool bell_record_next(bell_str *list, bell_str *item) {
    if (list->len == 0) {
        return false;
    }
    *item = bell_str_cut(list, '\0');
    return true;
}

bool bell_record_has_flag(const void *copy, size_t len, bell_str name) {
    bell_str list = bell_record_get(copy, len, BELL_RECORD_FLAGS), item;

    while (bell_record_next(&list, &item)) {
        if (bell_str_eq(item, name)) {
            return true;
        }
    }
    return false;
}

bool bell_record_limit(const void *copy, size_t len, bell_str name, uint64_t *value) {
    bell_str list = bell_record_get(copy, len, BELL_RECORD_LIMITS), item, number;

    while (bell_record_next(&list, &item) && bell_record_next(&list, &number)) {
        if (bell_str_eq(item, name)) {
            return bell_str_to_u64(number, UINT64_MAX, value);
        }
    }
    return false;
}

bool bell_record_next_key(bell_str *keys, bell_record_key *out) {
    bell_str from, until;
    uint64_t from_s = 0, until_s = 0;

    if (!bell_record_next(keys, &out->kid) || !bell_record_next(keys, &out->use) || !bell_record_next(keys, &out->alg) ||
        !bell_record_next(keys, &from) || !bell_record_next(keys, &until) || !bell_record_next(keys, &out->material) ||
        !bell_str_to_u64(from, BELL_DIRECTORY_SECONDS_MAX, &from_s) || !bell_str_to_u64(until, BELL_DIRECTORY_SECONDS_MAX, &until_s)) {
        return false;
    }
    out->from_s = (int64_t)from_s;
    out->until_s = (int64_t)until_s;
    return true;
}

bool bell_record_next_server(bell_str *servers, bell_record_server *out) {
    bell_str weight, state;
    uint64_t number = 0;

    if (!bell_record_next(servers, &out->address) || !bell_record_next(servers, &weight) || !bell_record_next(servers, &state) ||
        !bell_str_to_u64(weight, BELL_DIRECTORY_WEIGHT_MAX, &number)) {
        return false;
    }
    out->weight = (uint32_t)number;
    out->state = bell_server_state_of(state);
    return out->state != 0;
}

/* ---- figures, of the writer's own words */

static unsigned percent(uint64_t used, uint64_t of) {
    return of == 0 || used >= of ? 100 : (unsigned)(used * 100 / of);
}

unsigned bell_directory_fill_percent(const void *image, size_t image_len) {
    image_head h;
    image_room room;
    unsigned texts, ids, blocks;

    if (!load_head(image, image_len, &h) || image_len < sizeof(h) + sizeof(room)) {
        return 0;
    }
    load_words(&room, (const char *)image + sizeof(h), WORDS(room));
    texts = percent(room.texts_used, (uint64_t)h.ntexts / 3 * 2);
    ids = percent(h.ntenants, (uint64_t)h.nids / 3 * 2);
    blocks = percent(room.blocks_end > h.blocks_at ? room.blocks_end - h.blocks_at : 0,
                     h.capacity_bytes > h.blocks_at ? h.capacity_bytes - h.blocks_at : 0);
    texts = texts > ids ? texts : ids;
    return texts > blocks ? texts : blocks;
}

uint32_t bell_directory_revoked_dropped(const void *image, size_t image_len) {
    image_head h;
    image_room room;

    if (!load_head(image, image_len, &h) || image_len < sizeof(h) + sizeof(room)) {
        return 0;
    }
    load_words(&room, (const char *)image + sizeof(h), WORDS(room));
    return room.revoked_dropped;
}
