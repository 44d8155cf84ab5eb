#include "bell_shelf.h"

/* "BELLREC1", "BELLEND1" and "BELLTAB1", where the least byte comes first. */
#define RECORD_MARK  0x314345524c4c4542u
#define TRAILER_MARK 0x31444e454c4c4542u
#define PREFACE_MARK 0x314241544c4c4542u

/* A record and a trailer are alike, but for the mark and for what else the checksum is about. */
typedef struct {
    uint64_t mark;
    bell_shelf_object object;
    uint64_t sum;
} framed;

_Static_assert(sizeof(framed) == BELL_SHELF_RECORD_BYTES, "as a record");
_Static_assert(sizeof(framed) == BELL_SHELF_TRAILER_BYTES, "as a trailer");

typedef struct {
    uint64_t mark;
    bell_shelf_preface preface;
    uint64_t sum;
} framed_preface;

_Static_assert(sizeof(bell_shelf_preface) == 88 && sizeof(framed_preface) <= BELL_SHELF_PREFACE_BYTES, "no padding that would be written");

static const unsigned char no_key[BELL_SIPHASH_KEY_BYTES];

static bool is_sound(const bell_shelf_object *o) {
    return o->id != 0 && o->kind != 0 && o->head_bytes > 0 && o->head_bytes <= BELL_SHELF_HEAD_MAX && o->body_bytes <= INT64_MAX / 2 &&
           o->bytes <= INT64_MAX && o->bytes >= o->body_bytes + o->head_bytes + BELL_SHELF_TRAILER_BYTES;
}

static bell_str text_of(const void *p, size_t len) {
    return (bell_str){(const char *)p, len};
}

/* ---- records */

static uint64_t sum_of_record(const unsigned char *key, uint64_t slot, const framed *f) {
    unsigned char bytes[offsetof(framed, sum) + sizeof(slot)];

    memcpy(bytes, f, offsetof(framed, sum));
    memcpy(bytes + offsetof(framed, sum), &slot, sizeof(slot));
    return bell_siphash(key, text_of(bytes, sizeof(bytes)));
}

void bell_shelf_record_write(const unsigned char key[BELL_SIPHASH_KEY_BYTES], uint64_t slot, const bell_shelf_object *o,
                             unsigned char out[BELL_SHELF_RECORD_BYTES]) {
    framed f = {0};

    if (o != NULL) {
        f.mark = RECORD_MARK;
        f.object = *o;
        f.sum = sum_of_record(key, slot, &f);
    }
    memcpy(out, &f, sizeof(f));
}

bool bell_shelf_record_read(const unsigned char key[BELL_SIPHASH_KEY_BYTES], uint64_t slot, const unsigned char in[BELL_SHELF_RECORD_BYTES],
                            bell_shelf_object *o) {
    framed f;

    memcpy(&f, in, sizeof(f));
    if (f.mark != RECORD_MARK || f.sum != sum_of_record(key, slot, &f) || !is_sound(&f.object)) {
        return false;
    }
    *o = f.object;
    return true;
}

/* ---- trailers */

void bell_shelf_trailer_write(const unsigned char key[BELL_SIPHASH_KEY_BYTES], const bell_shelf_object *o, unsigned char *end) {
    framed f = {.mark = TRAILER_MARK, .object = *o};
    size_t len = o->head_bytes + offsetof(framed, sum);

    memcpy(end + o->head_bytes, &f, sizeof(f));
    f.sum = bell_siphash(key, text_of(end, len));
    memcpy(end + len, &f.sum, sizeof(f.sum));
}

bool bell_shelf_trailer_peek(const unsigned char in[BELL_SHELF_TRAILER_BYTES], bell_shelf_object *o) {
    framed f;

    memcpy(&f, in, sizeof(f));
    if (f.mark != TRAILER_MARK || !is_sound(&f.object)) {
        return false;
    }
    *o = f.object;
    return true;
}

bool bell_shelf_trailer_read(const unsigned char key[BELL_SIPHASH_KEY_BYTES], bell_str end, bell_shelf_object *o) {
    uint64_t sum;

    if (end.len < BELL_SHELF_TRAILER_BYTES || !bell_shelf_trailer_peek((const unsigned char *)end.p + end.len - BELL_SHELF_TRAILER_BYTES, o) ||
        o->head_bytes != end.len - BELL_SHELF_TRAILER_BYTES) {
        return false;
    }
    memcpy(&sum, end.p + end.len - sizeof(sum), sizeof(sum));
    return sum == bell_siphash(key, text_of(end.p, end.len - sizeof(sum)));
}

/* ---- prefaces */

void bell_shelf_preface_write(const bell_shelf_preface *p, unsigned char out[BELL_SHELF_PREFACE_BYTES]) {
    framed_preface f = {.mark = PREFACE_MARK, .preface = *p};

    f.sum = bell_siphash(no_key, text_of(&f, offsetof(framed_preface, sum)));
    memset(out, 0, BELL_SHELF_PREFACE_BYTES);
    memcpy(out, &f, sizeof(f));
}

bool bell_shelf_preface_read(const unsigned char in[BELL_SHELF_PREFACE_BYTES], bell_shelf_preface *p) {
    framed_preface f;

    memcpy(&f, in, sizeof(f));
    if (f.mark != PREFACE_MARK || f.sum != bell_siphash(no_key, text_of(&f, offsetof(framed_preface, sum)))) {
        return false;
    }
    *p = f.preface;
    return true;
}

/* ---- names */

void bell_shelf_name_write(uint64_t id, char out[BELL_SHELF_NAME_BYTES]) {
    for (int i = BELL_SHELF_NAME_BYTES - 1; i >= 0; i--, id >>= 4) {
        out[i] = "0123456789abcdef"[id & 15];
    }
}

bool bell_shelf_name_read(bell_str name, uint64_t *id) {
    uint64_t n = 0;

    if (name.len != BELL_SHELF_NAME_BYTES) {
        return false;
    }
    for (size_t i = 0; i < name.len; i++) {
        char c = name.p[i];
        if ((c < '0' || c > '9') && (c < 'a' || c > 'f')) {
            return false;
        }
        n = n << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    *id = n;
    return n != 0;
}

/* ---- CRC-32C, eight bytes at a time (Kounavis and Berry, "A systematic approach to building high performance software-based CRC generators", 2005)
 */

static uint32_t crc_table[8][256];

static void make_crc_table(void) {
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int bit = 0; bit < 8; bit++) {
            c = c >> 1 ^ (0x82f63b78u & (0u - (c & 1)));
        }
        crc_table[0][i] = c;
    }
    for (uint32_t i = 0; i < 256; i++) {
        for (int n = 1; n < 8; n++) {
            crc_table[n][i] = crc_table[n - 1][i] >> 8 ^ crc_table[0][crc_table[n - 1][i] & 255];
        }
    }
}

uint32_t bell_crc32c(uint32_t crc, bell_str bytes) {
    const unsigned char *p = (const unsigned char *)bytes.p, *end = p + bytes.len;

    if (crc_table[0][1] == 0) {
        make_crc_table();
    }
    crc = ~crc;
    for (; end - p >= 8; p += 8) {
        uint32_t a = crc ^ ((uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24);
        crc = crc_table[7][a & 255] ^ crc_table[6][a >> 8 & 255] ^ crc_table[5][a >> 16 & 255] ^ crc_table[4][a >> 24] ^ crc_table[3][p[4]] ^
              crc_table[2][p[5]] ^ crc_table[1][p[6]] ^ crc_table[0][p[7]];
    }
    for (; p < end; p++) {
        crc = crc_table[0][(crc ^ *p) & 255] ^ crc >> 8;
    }
    return ~crc;
}
