/* Changing an image in place: its slots and its blocks. */
#include "bell_directory_image.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#define IMAGE_BYTES_A_TEXT  64 /* a slot, and the share of a block, of one host or name, at least */
#define IMAGE_REVOKED_SHARE 16 /* of the image is for revocations */
#define IMAGE_STAMP_SHARE   64 /* of the image is for stamps, at most, until they are IMAGE_STAMPS_MAX */
#define IMAGE_RECENT_SHARE  256
#define IMAGE_SLOTS_MIN     16
#define IMAGE_LABELS_SHOWN  31
#define IMAGE_KEY_TEXT_MAX  (BELL_HOST_MAX_BYTES + 2)

static image_head *head_of(const bell_directory_editor *e) {
    return (image_head *)e->image;
}

static image_room *room_of(const bell_directory_editor *e) {
    return (image_room *)(e->image + sizeof(image_head));
}

static image_text *texts_of(const bell_directory_editor *e) {
    return (image_text *)(e->image + head_of(e)->texts_at);
}

static image_id *ids_of(const bell_directory_editor *e) {
    return (image_id *)(e->image + head_of(e)->ids_at);
}

static image_revoked *revoked_of(const bell_directory_editor *e) {
    return (image_revoked *)(e->image + head_of(e)->revoked_at);
}

static image_stamp *stamps_of(const bell_directory_editor *e) {
    return (image_stamp *)(e->image + head_of(e)->stamps_at);
}

static image_recent *recent_of(const bell_directory_editor *e) {
    return (image_recent *)(e->image + head_of(e)->recent_at);
}

static image_block *block_at(const bell_directory_editor *e, uint32_t at) {
    return (image_block *)(e->image + at);
}

bool bell_directory_fail(bell_directory_editor *e, const char *fmt, ...) {
    va_list args;

    va_start(args, fmt);
    vsnprintf(e->err, e->err_len, fmt, args);
    va_end(args);
    return false;
}

bool bell_directory_no_room(bell_directory_editor *e, const char *what) {
    e->full = true;
    return bell_directory_fail(e, "there is no room for %s in an image of %u bytes", what, head_of(e)->capacity_bytes);
}

/* ---- the empty image */

static uint32_t at_least(size_t n) {
    return n > IMAGE_SLOTS_MIN ? (uint32_t)n : IMAGE_SLOTS_MIN;
}

static uint32_t whole_units(size_t bytes) {
    return (uint32_t)((bytes + IMAGE_UNIT_BYTES - 1) / IMAGE_UNIT_BYTES * IMAGE_UNIT_BYTES);
}

static void stamp_at(bell_directory_editor *e, uint32_t at) {
    stamps_of(e)[at] = (image_stamp){(uint32_t)e->version, (uint32_t)(e->version >> 32)};
}

static uint32_t stamps_for(size_t capacity) {
    uint32_t n = at_least(capacity / IMAGE_STAMP_SHARE / sizeof(image_stamp));

    return n < IMAGE_STAMPS_MAX ? n : IMAGE_STAMPS_MAX;
}

static uint32_t recent_for(size_t capacity) {
    uint32_t n = at_least(capacity / IMAGE_RECENT_SHARE / sizeof(image_recent));

    return n < IMAGE_RECENT_MAX ? n : IMAGE_RECENT_MAX;
}

bool bell_directory_image_init(bell_directory_editor *e, size_t capacity) {
    image_head *h = head_of(e);

    capacity &= ~(size_t)7;
    if (capacity > UINT32_MAX / 2) {
        capacity = UINT32_MAX / 2;
    }
    if (capacity < sizeof(*h) + sizeof(image_room) + 2048) {
        e->full = true;
        return bell_directory_fail(e, "an image of %zu bytes is too small for anything", capacity);
    }
    memset(h, 0, sizeof(*h) + sizeof(image_room));
    h->magic = IMAGE_MAGIC;
    h->format = IMAGE_FORMAT;
    h->capacity_bytes = (uint32_t)capacity;
    h->ntexts = at_least(capacity / IMAGE_BYTES_A_TEXT);
    h->nids = at_least(h->ntexts / 2);
    h->nrevoked = at_least(capacity / IMAGE_REVOKED_SHARE / sizeof(image_revoked));
    h->nstamps = stamps_for(capacity);
    h->nrecent = recent_for(capacity);
    h->texts_at = whole_units(sizeof(*h) + sizeof(image_room));
    h->ids_at = h->texts_at + h->ntexts * (uint32_t)sizeof(image_text);
    h->revoked_at = h->ids_at + h->nids * (uint32_t)sizeof(image_id);
    h->stamps_at = h->revoked_at + h->nrevoked * (uint32_t)sizeof(image_revoked);
    h->recent_at = h->stamps_at + h->nstamps * (uint32_t)sizeof(image_stamp);
    h->blocks_at = whole_units(h->recent_at + h->nrecent * (uint32_t)sizeof(image_recent));
    room_of(e)->blocks_end = h->blocks_at;
    memset(e->image + h->texts_at, 0, h->blocks_at - h->texts_at);
    for (uint32_t i = 0; i < h->nstamps; i++) {
        stamp_at(e, i);
    }
    if (getrandom(h->seed, sizeof(h->seed), 0) != (ssize_t)sizeof(h->seed)) {
        return bell_directory_fail(e, "the system gave no random bytes");
    }
    return true;
}

void bell_directory_image_close(bell_directory_editor *e, uint32_t default_id) {
    image_head *h = head_of(e);

    h->default_id = default_id;
    h->version_low = (uint32_t)e->version;
    h->version_high = (uint32_t)(e->version >> 32);
}

void bell_directory_image_spoil(char *image) {
    image_head *h = (image_head *)image;

    h->version_low = 0;
    h->version_high = 0;
}

void bell_directory_copy(void *to, const void *from, size_t capacity) {
    image_room room;

    memcpy(&room, (const char *)from + sizeof(image_head), sizeof(room));
    memcpy(to, from, room.blocks_end < capacity ? room.blocks_end : capacity);
}

/* Slots take these shares of an image (see bell_directory_image_init), blocks the rest; the whole is what the needier of them asks for. A block is on
 * average half of its class's step larger than its text, at most a quarter. */
size_t bell_directory_capacity(size_t ntenants, size_t nhosts, size_t text_bytes) {
    const size_t slot_share = 64, text_share = sizeof(image_text), id_share = sizeof(image_id) / 2, revoked_share = 4, stamp_share = 1;
    size_t texts = ((ntenants + nhosts) / 2 + 2) * 3, tenants = (ntenants / 2 + 2) * 3 * 2;
    size_t blocks = (ntenants * (sizeof(image_block) + IMAGE_UNIT_BYTES) + text_bytes) / 4 * 5;
    size_t for_blocks = blocks / (slot_share - text_share - id_share - revoked_share - stamp_share) * slot_share;
    size_t for_slots = (texts > tenants ? texts : tenants) * slot_share;

    return (for_blocks > for_slots ? for_blocks : for_slots) + 8192;
}

/* ---- blocks */

static unsigned class_of(uint32_t units) {
    unsigned e, step;

    if (units <= 4) {
        return units > 0 ? units - 1 : 0;
    }
    e = 31u - (unsigned)__builtin_clz(units - 1);
    step = e - 2;
    return 4 + (e - 2) * 4 + ((units - 1 - (1u << e)) >> step);
}

static uint32_t class_bytes(unsigned class) {
    unsigned e;

    if (class < 4) {
        return (class + 1) * IMAGE_UNIT_BYTES;
    }
    e = (class - 4) / 4 + 2;
    return ((1u << e) + ((class - 4) % 4 + 1) * (1u << (e - 2))) * IMAGE_UNIT_BYTES;
}

static unsigned class_for(uint32_t bytes) {
    return class_of((bytes + IMAGE_UNIT_BYTES - 1) / IMAGE_UNIT_BYTES);
}

/* From those given back, of its size or else a larger one that would lie idle; from the untouched end in between. 0: no room. */
static uint32_t take_block(bell_directory_editor *e, uint32_t bytes) {
    image_room *room = room_of(e);
    unsigned class = class_for(bytes);
    uint32_t at = room->free[class];

    if (at == 0 && class_bytes(class) <= head_of(e)->capacity_bytes - room->blocks_end) {
        at = room->blocks_end;
        room->blocks_end += class_bytes(class);
        return at;
    }
    while (at == 0 && ++class < IMAGE_CLASSES) {
        at = room->free[class];
    }
    if (at != 0) {
        memcpy(&room->free[class], e->image + at, sizeof(uint32_t));
    }
    return at;
}

/* A block that was taken from a larger class counts as the smaller one from here on: a list never promises more than its blocks have. */
static void give_block(bell_directory_editor *e, uint32_t at) {
    image_room *room = room_of(e);
    unsigned class = class_for(block_at(e, at)->bytes);

    memcpy(e->image + at, &room->free[class], sizeof(uint32_t));
    room->free[class] = at;
}

/* ---- texts */

static uint32_t text_home(const image_head *h, uint64_t hash) {
    return bell_directory_home((uint32_t)hash, h->ntexts);
}

/* The slot of a text, or the empty one where it belongs. */
static image_text *text_slot(bell_directory_editor *e, bell_str s, uint64_t hash) {
    const image_head *h = head_of(e);
    image_text *slots = texts_of(e);
    uint32_t at = text_home(h, hash);

    while (slots[at].bytes != 0) {
        if (slots[at].hash == (uint32_t)(hash >> 32) && bell_str_eq(s, (bell_str){e->image + slots[at].text_at, slots[at].bytes})) {
            break;
        }
        at = bell_directory_next_slot(at, h->ntexts);
    }
    return &slots[at];
}

/* The block that has the text; 0 for none. */
static uint32_t text_owner(bell_directory_editor *e, bell_str s) {
    const image_text *slot = text_slot(e, s, bell_directory_hash(head_of(e)->seed, s));

    return slot->bytes != 0 ? slot->block_at : 0;
}

static void add_text(bell_directory_editor *e, uint32_t text_at, uint32_t bytes, uint32_t block) {
    bell_str s = {e->image + text_at, bytes};
    uint64_t hash = bell_directory_hash(head_of(e)->seed, s);

    *text_slot(e, s, hash) = (image_text){(uint32_t)(hash >> 32), block, text_at, bytes};
    room_of(e)->texts_used++;
    stamp_at(e, bell_directory_stamp_of(hash, head_of(e)->nstamps));
}

/* Takes a slot out; those behind it that could not stand nearer to their place move up (Knuth, TAOCP 3, 6.4, algorithm R). */
static void remove_text(bell_directory_editor *e, bell_str s) {
    const image_head *h = head_of(e);
    image_text *slots = texts_of(e);
    uint64_t hash = bell_directory_hash(h->seed, s);
    image_text *found = text_slot(e, s, hash);
    uint32_t n = h->ntexts, hole = (uint32_t)(found - slots);

    if (found->bytes == 0) {
        return;
    }
    for (uint32_t at = bell_directory_next_slot(hole, n); slots[at].bytes != 0; at = bell_directory_next_slot(at, n)) {
        bell_str other = {e->image + slots[at].text_at, slots[at].bytes};
        uint32_t home = text_home(h, bell_directory_hash(h->seed, other));

        if (bell_directory_distance(home, at, n) >= bell_directory_distance(hole, at, n)) {
            slots[hole] = slots[at];
            hole = at;
        }
    }
    slots[hole] = (image_text){0};
    room_of(e)->texts_used--;
    stamp_at(e, bell_directory_stamp_of(hash, h->nstamps));
}

static bool texts_have_room(bell_directory_editor *e, size_t more) {
    return room_of(e)->texts_used + more <= (uint64_t)head_of(e)->ntexts / 3 * 2;
}

/* ---- ids */

static uint32_t id_home(const image_head *h, uint32_t id) {
    return bell_directory_home(bell_directory_id_hash(h->seed, id), h->nids);
}

static image_id *id_slot(bell_directory_editor *e, uint32_t id) {
    const image_head *h = head_of(e);
    image_id *slots = ids_of(e);
    uint32_t at = id_home(h, id);

    while (slots[at].id != 0 && slots[at].id != id) {
        at = bell_directory_next_slot(at, h->nids);
    }
    return &slots[at];
}

static void remove_id(bell_directory_editor *e, image_id *found) {
    const image_head *h = head_of(e);
    image_id *slots = ids_of(e);
    uint32_t n = h->nids, hole = (uint32_t)(found - slots);

    for (uint32_t at = bell_directory_next_slot(hole, n); slots[at].id != 0; at = bell_directory_next_slot(at, n)) {
        if (bell_directory_distance(id_home(h, slots[at].id), at, n) >= bell_directory_distance(hole, at, n)) {
            slots[hole] = slots[at];
            hole = at;
        }
    }
    slots[hole] = (image_id){0};
}

/* ---- writing a record's parts */

static void add_item(bell_buf *b, bell_str s) {
    bell_buf_add_str(b, s);
    bell_buf_add_char(b, '\0');
}

static void add_number(bell_buf *b, uint64_t v) {
    bell_buf_add_u64(b, v);
    bell_buf_add_char(b, '\0');
}

static void end_part(bell_buf *b, image_block *head, bell_record_part part, size_t *begin) {
    head->part_bytes[part] = (uint16_t)(b->len - *begin);
    *begin = b->len;
}

static void add_part(bell_buf *b, image_block *head, bell_record_part part, bell_str s, size_t *begin) {
    bell_buf_add_str(b, s);
    end_part(b, head, part, begin);
}

static void add_lists(bell_buf *b, image_block *head, const bell_directory_row *row, size_t *begin) {
    for (size_t i = 0; i < row->nflags; i++) {
        add_item(b, row->flags[i]);
    }
    end_part(b, head, BELL_RECORD_FLAGS, begin);
    for (size_t i = 0; i < row->nlimits; i++) {
        add_item(b, row->limits[i].name);
        add_number(b, row->limits[i].value);
    }
    end_part(b, head, BELL_RECORD_LIMITS, begin);
    for (size_t i = 0; i < row->nkeys; i++) {
        const bell_record_key *k = &row->keys[i];

        add_item(b, k->kid);
        add_item(b, k->use);
        add_item(b, k->alg);
        add_number(b, (uint64_t)k->from_s);
        add_number(b, (uint64_t)k->until_s);
        add_item(b, k->material);
    }
    end_part(b, head, BELL_RECORD_KEYS, begin);
}

/* The scale of that name among its limits. */
static uint16_t scale_of(const bell_directory_row *row, bell_str name, uint16_t or_else) {
    for (size_t i = 0; i < row->nlimits; i++) {
        uint64_t percent = row->limits[i].value;

        if (bell_str_eq(row->limits[i].name, name)) {
            return (uint16_t)(percent < BELL_SCALE_MIN_PERCENT   ? BELL_SCALE_MIN_PERCENT
                              : percent > BELL_SCALE_MAX_PERCENT ? BELL_SCALE_MAX_PERCENT
                                                                 : percent);
        }
    }
    return or_else;
}

static void write_record(bell_buf *b, const bell_directory_editor *e, const bell_directory_row *row) {
    image_block head = {
        .id = row->id,
        .status = (uint16_t)row->status,
        .revision_low = (uint32_t)e->version,
        .revision_high = (uint32_t)(e->version >> 32),
        .sessions_from_s = (uint32_t)row->sessions_from_s,
    };
    size_t begin = sizeof(head);

    head.scale_percent[BELL_SCALE_ALL] = scale_of(row, BELL_STR("scale"), 100);
    head.scale_percent[BELL_SCALE_SUBMISSIONS] = scale_of(row, BELL_STR("scale-submissions"), head.scale_percent[BELL_SCALE_ALL]);
    bell_buf_add(b, &head, sizeof(head));
    bell_buf_add_char(b, '=');
    add_part(b, &head, BELL_RECORD_NAME, row->name, &begin);
    add_part(b, &head, BELL_RECORD_LOCALE, row->locale, &begin);
    add_part(b, &head, BELL_RECORD_UPSTREAM, row->upstream, &begin);
    for (size_t i = 0; i < row->nhosts; i++) {
        add_item(b, row->hosts[i]);
    }
    end_part(b, &head, BELL_RECORD_HOSTS, &begin);
    add_part(b, &head, BELL_RECORD_CLUSTER, row->cluster, &begin);
    add_part(b, &head, BELL_RECORD_REGION, row->region, &begin);
    add_part(b, &head, BELL_RECORD_TITLE, row->title, &begin);
    add_part(b, &head, BELL_RECORD_NOTICE, row->notice, &begin);
    add_lists(b, &head, row, &begin);
    head.bytes = (uint16_t)b->len;
    if (!b->failed) {
        memcpy(b->p, &head, sizeof(head));
    }
}

static void write_pool(bell_buf *b, const bell_directory_editor *e, const bell_directory_pool *pool) {
    image_block head = {.revision_low = (uint32_t)e->version, .revision_high = (uint32_t)(e->version >> 32)};
    size_t begin = sizeof(head);

    bell_buf_add(b, &head, sizeof(head));
    bell_buf_add_char(b, '@');
    add_part(b, &head, BELL_RECORD_NAME, pool->name, &begin);
    for (size_t i = 0; i < pool->nservers; i++) {
        add_item(b, pool->servers[i].address);
        add_number(b, pool->servers[i].weight);
        add_item(b, bell_str_of(bell_server_state_name(pool->servers[i].state)));
    }
    end_part(b, &head, BELL_RECORD_SERVERS, &begin);
    head.bytes = (uint16_t)b->len;
    if (!b->failed) {
        memcpy(b->p, &head, sizeof(head));
    }
}

/* Puts a written record in its block. 0: a sentence was written. */
static uint32_t place_record(bell_directory_editor *e, const bell_buf *b, const char *where) {
    uint32_t at;

    if (b->failed) {
        bell_directory_fail(e, "%s is larger than %u bytes", where, BELL_DIRECTORY_RECORD_MAX);
        return 0;
    }
    at = take_block(e, (uint32_t)b->len);
    if (at == 0) {
        bell_directory_no_room(e, where);
        return 0;
    }
    memcpy(e->image + at, b->p, b->len);
    return at;
}

/* ---- tenants */

static void note_wildcard(bell_directory_editor *e, bell_str host) {
    unsigned labels = 0;

    if (host.p[0] != '*') {
        return;
    }
    for (size_t i = 0; i < host.len; i++) {
        labels += host.p[i] == '.';
    }
    head_of(e)->wild_labels |= 1u << (labels < IMAGE_LABELS_SHOWN ? labels : IMAGE_LABELS_SHOWN);
}

/* For sentences: whose a text is already. */
static bool fail_owned(bell_directory_editor *e, const char *where, const char *what, bell_str s, uint32_t owner) {
    return bell_directory_fail(e, "%s%s: \"%.*s\" belongs to the tenant %u already", where, what, BELL_STR_ARG(s), block_at(e, owner)->id);
}

static bool add_hosts(bell_directory_editor *e, uint32_t block, const char *where) {
    uint32_t text_at = block + (uint32_t)sizeof(image_block);
    bell_str list;

    for (unsigned i = 0; i < BELL_RECORD_HOSTS; i++) {
        text_at += block_at(e, block)->part_bytes[i];
    }
    list = (bell_str){e->image + text_at, block_at(e, block)->part_bytes[BELL_RECORD_HOSTS]};
    for (bell_str host; bell_record_next(&list, &host);) {
        uint32_t owner = text_owner(e, host);

        if (owner != 0) {
            return fail_owned(e, where, ".hosts", host, owner);
        }
        add_text(e, (uint32_t)(host.p - e->image), (uint32_t)host.len, block);
        note_wildcard(e, host);
    }
    return true;
}

static bool add_name(bell_directory_editor *e, uint32_t block, const char *where) {
    uint32_t text_at = block + (uint32_t)sizeof(image_block), bytes = block_at(e, block)->part_bytes[BELL_RECORD_NAME];
    bell_str name = {e->image + text_at, bytes};
    uint32_t owner = text_owner(e, name);

    if (owner != 0) {
        return fail_owned(e, where, ".name", (bell_str){name.p + 1, name.len - 1}, owner);
    }
    add_text(e, text_at, bytes, block);
    return true;
}

bool bell_directory_put_tenant(bell_directory_editor *e, const bell_directory_row *row, const char *where) {
    image_id *slot = id_slot(e, row->id);
    bell_buf b;
    uint32_t at;

    if (slot->id != 0) {
        return bell_directory_fail(e, "%s: the tenant %u is there already", where, row->id);
    }
    if (!texts_have_room(e, row->nhosts + 1) || head_of(e)->ntenants + 1 > head_of(e)->nids / 3 * 2) {
        return bell_directory_no_room(e, where);
    }
    bell_buf_init(&b, BELL_DIRECTORY_RECORD_MAX);
    write_record(&b, e, row);
    at = place_record(e, &b, where);
    bell_buf_fini(&b);
    if (at == 0) {
        return false;
    }
    *slot = (image_id){row->id, at};
    head_of(e)->ntenants++;
    return add_name(e, at, where) && add_hosts(e, at, where);
}

bool bell_directory_take_tenant_out(bell_directory_editor *e, uint32_t id) {
    image_id *slot = id_slot(e, id);
    uint32_t at = slot->block_at;
    bell_str list, host;

    if (slot->id == 0) {
        return false;
    }
    list = bell_record_get(block_at(e, at), block_at(e, at)->bytes, BELL_RECORD_HOSTS);
    while (bell_record_next(&list, &host)) {
        remove_text(e, host);
    }
    remove_text(e, (bell_str){e->image + at + sizeof(image_block), block_at(e, at)->part_bytes[BELL_RECORD_NAME]});
    remove_id(e, slot);
    head_of(e)->ntenants--;
    give_block(e, at);
    return true;
}

/* ---- pools */

bool bell_directory_put_pool(bell_directory_editor *e, const bell_directory_pool *pool, const char *where) {
    bell_buf b;
    uint32_t at;

    if (!texts_have_room(e, 1)) {
        return bell_directory_no_room(e, where);
    }
    bell_buf_init(&b, BELL_DIRECTORY_RECORD_MAX);
    write_pool(&b, e, pool);
    at = place_record(e, &b, where);
    bell_buf_fini(&b);
    if (at == 0) {
        return false;
    }
    if (text_owner(e, (bell_str){e->image + at + sizeof(image_block), pool->name.len + 1}) != 0) {
        return bell_directory_fail(e, "%s: the pool \"%.*s\" is there already", where, BELL_STR_ARG(pool->name));
    }
    add_text(e, at + (uint32_t)sizeof(image_block), (uint32_t)pool->name.len + 1, at);
    return true;
}

bool bell_directory_take_pool_out(bell_directory_editor *e, bell_str name) {
    char text[IMAGE_KEY_TEXT_MAX] = "@";
    bell_str key = {text, name.len + 1};
    uint32_t at;

    if (name.len == 0 || name.len > BELL_DIRECTORY_NAME_MAX) {
        return false;
    }
    memcpy(text + 1, name.p, name.len);
    at = text_owner(e, key);
    if (at == 0) {
        return false;
    }
    remove_text(e, key);
    give_block(e, at);
    return true;
}

/* ---- revocations */

/* The slot of this hash, or an empty one. */
static image_revoked *revoked_slot(bell_directory_editor *e, uint32_t low, uint32_t high) {
    image_revoked *slots = revoked_of(e);
    uint32_t n = head_of(e)->nrevoked, at = bell_directory_home(low, n);

    while (slots[at].until_s != 0 && (slots[at].hash_low != low || slots[at].hash_high != high)) {
        at = bell_directory_next_slot(at, n);
    }
    return &slots[at];
}

/* Leaves out what has ended; once a second at most, for a full table may stay one. */
static void sweep_revoked(bell_directory_editor *e) {
    uint32_t n = head_of(e)->nrevoked;
    image_revoked *old = malloc(n * sizeof(*old));

    if (old == NULL) {
        return;
    }
    memcpy(old, revoked_of(e), n * sizeof(*old));
    memset(revoked_of(e), 0, n * sizeof(*old));
    room_of(e)->revoked_used = 0;
    room_of(e)->revoked_swept_s = (uint32_t)e->now_s;
    for (uint32_t i = 0; i < n; i++) {
        if (old[i].until_s != 0 && (int64_t)old[i].until_s > e->now_s) {
            *revoked_slot(e, old[i].hash_low, old[i].hash_high) = old[i];
            room_of(e)->revoked_used++;
        }
    }
    free(old);
}

static bool revoked_has_room(bell_directory_editor *e) {
    return room_of(e)->revoked_used < head_of(e)->nrevoked / 4 * 3;
}

static void note_recent(bell_directory_editor *e, uint32_t tenant_id, uint32_t before_s) {
    image_recent *recent = &recent_of(e)[bell_directory_recent_of(tenant_id, head_of(e)->nrecent)];

    *recent = *recent > before_s ? *recent : before_s;
}

void bell_directory_put_revoked(bell_directory_editor *e, const bell_directory_revoked *r) {
    uint64_t hash = bell_directory_revoked_hash(head_of(e)->seed, r->tenant_id, r->subject);
    image_revoked *slot;

    if (r->until_s <= e->now_s) {
        return;
    }
    note_recent(e, r->tenant_id, (uint32_t)r->before_s);
    slot = revoked_slot(e, (uint32_t)hash, (uint32_t)(hash >> 32));
    if (slot->until_s != 0) {
        slot->before_s = (uint32_t)r->before_s > slot->before_s ? (uint32_t)r->before_s : slot->before_s;
        slot->until_s = (uint32_t)r->until_s > slot->until_s ? (uint32_t)r->until_s : slot->until_s;
        return;
    }
    if (!revoked_has_room(e) && room_of(e)->revoked_swept_s != (uint32_t)e->now_s) {
        sweep_revoked(e);
        slot = revoked_slot(e, (uint32_t)hash, (uint32_t)(hash >> 32));
    }
    if (!revoked_has_room(e)) {
        room_of(e)->revoked_dropped++;
        return;
    }
    *slot = (image_revoked){(uint32_t)hash, (uint32_t)(hash >> 32), (uint32_t)r->before_s, (uint32_t)r->until_s};
    room_of(e)->revoked_used++;
}
