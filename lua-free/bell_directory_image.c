/* Reading an image: no allocation, no trust in any offset. */
#include "bell_directory_image.h"

static uint64_t rotate(uint64_t x, unsigned by) {
    return x << by | x >> (64 - by);
}

static void sip_rounds(uint64_t v[4], unsigned n) {
    while (n-- > 0) {
        v[0] += v[1];
        v[1] = rotate(v[1], 13) ^ v[0];
        v[0] = rotate(v[0], 32);
        v[2] += v[3];
        v[3] = rotate(v[3], 16) ^ v[2];
        v[0] += v[3];
        v[3] = rotate(v[3], 21) ^ v[0];
        v[2] += v[1];
        v[1] = rotate(v[1], 17) ^ v[2];
        v[2] = rotate(v[2], 32);
    }
}

uint64_t bell_directory_hash(const uint32_t seed[4], bell_str s) {
    uint64_t k0 = (uint64_t)seed[1] << 32 | seed[0], k1 = (uint64_t)seed[3] << 32 | seed[2], word;
    uint64_t v[4] = {k0 ^ 0x736f6d6570736575u, k1 ^ 0x646f72616e646f6du, k0 ^ 0x6c7967656e657261u, k1 ^ 0x7465646279746573u};
    size_t at = 0;

    for (; s.len - at >= 8; at += 8) {
        memcpy(&word, s.p + at, 8);
        v[3] ^= word;
        sip_rounds(v, 2);
        v[0] ^= word;
    }
    word = 0;
    memcpy(&word, s.p + at, s.len - at);
    word |= (uint64_t)s.len << 56;
    v[3] ^= word;
    sip_rounds(v, 2);
    v[0] ^= word;
    v[2] ^= 0xff;
    sip_rounds(v, 4);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static uint32_t load_word(const uint32_t *p) {
    return __atomic_load_n(p, __ATOMIC_RELAXED);
}

/* Copies `n` words, each read once. */
static void load_words(void *to, const void *from, size_t n) {
    uint32_t *w = to;

    for (size_t i = 0; i < n; i++) {
        w[i] = load_word((const uint32_t *)from + i);
    }
}

static bool is_inside(uint64_t at, uint64_t bytes, uint64_t image_len) {
    return at <= image_len && bytes <= image_len - at;
}

/* The head's copy, with every part it names inside of the image and aligned. */
static bool load_head(const void *image, size_t image_len, image_head *h) {
    if (image == NULL || image_len < sizeof(*h) || (uintptr_t)image % sizeof(uint32_t) != 0) {
        return false;
    }
    load_words(h, image, sizeof(*h) / sizeof(uint32_t));
    return h->magic == IMAGE_MAGIC && h->format == IMAGE_FORMAT && h->image_bytes <= image_len && h->nslots != 0 &&
           (h->nslots & (h->nslots - 1)) == 0 && (h->tenants_at | h->slots_at) % sizeof(uint32_t) == 0 &&
           is_inside(h->tenants_at, (uint64_t)h->ntenants * sizeof(image_tenant), h->image_bytes) &&
           is_inside(h->slots_at, (uint64_t)h->nslots * sizeof(image_slot), h->image_bytes);
}

uint64_t bell_directory_version(const void *image, size_t image_len) {
    image_head h;

    return load_head(image, image_len, &h) ? (uint64_t)h.version_high << 32 | h.version_low : 0;
}

size_t bell_directory_tenant_count(const void *image, size_t image_len) {
    image_head h;

    return load_head(image, image_len, &h) ? h.ntenants : 0;
}

static bool copy_text(const char *image, const image_head *h, uint32_t at, uint32_t bytes, size_t max, char *out) {
    if (bytes > max || !is_inside(at, bytes, h->image_bytes)) {
        return false;
    }
    memcpy(out, image + at, bytes);
    out[bytes] = '\0';
    return true;
}

static bool copy_tenant(const char *image, const image_head *h, uint32_t index, bell_tenant *out) {
    image_tenant t;

    if (index >= h->ntenants) {
        return false;
    }
    load_words(&t, image + h->tenants_at + (size_t)index * sizeof(t), sizeof(t) / sizeof(uint32_t));
    out->id = t.id;
    out->status = (bell_tenant_status)t.status;
    return copy_text(image, h, t.name_at, t.name_bytes, BELL_DIRECTORY_NAME_MAX, out->name) &&
           copy_text(image, h, t.locale_at, t.locale_bytes, BELL_DIRECTORY_LOCALE_MAX, out->locale);
}

/* The index of the tenant that has this host. Ends after nslots probes also where a torn image has no empty slot. */
static uint32_t find_slot(const char *image, const image_head *h, bell_str host) {
    uint64_t hash = bell_directory_hash(h->seed, host);
    uint32_t mask = h->nslots - 1, at = (uint32_t)hash & mask;

    for (uint32_t probes = 0; probes < h->nslots; probes++, at = (at + 1) & mask) {
        image_slot slot;

        load_words(&slot, image + h->slots_at + (size_t)at * sizeof(slot), sizeof(slot) / sizeof(uint32_t));
        if (slot.host_bytes == 0) {
            return BELL_DIRECTORY_NO_TENANT;
        }
        if (slot.hash != (uint32_t)(hash >> 32) || slot.host_bytes != host.len || !is_inside(slot.host_at, slot.host_bytes, h->image_bytes)) {
            continue;
        }
        if (memcmp(image + slot.host_at, host.p, host.len) == 0) {
            return slot.tenant;
        }
    }
    return BELL_DIRECTORY_NO_TENANT;
}

int bell_directory_find(const void *image, size_t image_len, bell_str host, bell_tenant *out) {
    image_head h;
    uint32_t index;

    if (!load_head(image, image_len, &h)) {
        return 0;
    }
    index = host.len > 0 && host.len <= BELL_HOST_MAX_BYTES ? find_slot(image, &h, host) : BELL_DIRECTORY_NO_TENANT;
    if (index != BELL_DIRECTORY_NO_TENANT) {
        return copy_tenant(image, &h, index, out) ? 1 : 0;
    }
    return h.default_tenant != BELL_DIRECTORY_NO_TENANT && copy_tenant(image, &h, h.default_tenant, out) ? 2 : 0;
}
