#include "bell_cbor.h"

#include <cbor.h>

/* ---- heads: libcbor calls one of these for what it has read */

static void set(void *item, bell_cbor_type type, uint64_t n) {
    bell_cbor_item *i = item;

    i->type = type;
    i->n = n;
    i->text = BELL_STR_NULL;
}

static void on_uint8(void *item, uint8_t v) {
    set(item, BELL_CBOR_UINT, v);
}

static void on_uint16(void *item, uint16_t v) {
    set(item, BELL_CBOR_UINT, v);
}

static void on_uint32(void *item, uint32_t v) {
    set(item, BELL_CBOR_UINT, v);
}

static void on_uint64(void *item, uint64_t v) {
    set(item, BELL_CBOR_UINT, v);
}

static void on_negative8(void *item, uint8_t v) {
    set(item, BELL_CBOR_NEGATIVE, v);
}

static void on_negative16(void *item, uint16_t v) {
    set(item, BELL_CBOR_NEGATIVE, v);
}

static void on_negative32(void *item, uint32_t v) {
    set(item, BELL_CBOR_NEGATIVE, v);
}

static void on_negative64(void *item, uint64_t v) {
    set(item, BELL_CBOR_NEGATIVE, v);
}

static void set_text(void *item, bell_cbor_type type, cbor_data p, size_t len) {
    set(item, type, len);
    ((bell_cbor_item *)item)->text = (bell_str){(const char *)p, len};
}

static void on_bytes(void *item, cbor_data p, size_t len) {
    set_text(item, BELL_CBOR_BYTES, p, len);
}

static void on_text(void *item, cbor_data p, size_t len) {
    set_text(item, BELL_CBOR_TEXT, p, len);
}

static void on_array(void *item, size_t n) {
    set(item, BELL_CBOR_ARRAY, n);
}

static void on_map(void *item, size_t n) {
    set(item, BELL_CBOR_MAP, n);
}

static void on_tag(void *item, uint64_t n) {
    set(item, BELL_CBOR_TAG, n);
}

static void on_float(void *item, float v) {
    set(item, BELL_CBOR_FLOAT, 0);
    ((bell_cbor_item *)item)->number = (double)v;
}

static void on_double(void *item, double v) {
    set(item, BELL_CBOR_FLOAT, 0);
    ((bell_cbor_item *)item)->number = v;
}

static void on_bool(void *item, bool v) {
    set(item, BELL_CBOR_OTHER, v);
}

static void on_nothing(void *item) {
    set(item, BELL_CBOR_OTHER, 0);
}

/* What begins without a length, and the break that would end it. */
#define REFUSED ((uint64_t)-1)

static void on_indefinite(void *item) {
    set(item, BELL_CBOR_OTHER, REFUSED);
}

static const struct cbor_callbacks callbacks = {
    .uint8 = on_uint8,
    .uint16 = on_uint16,
    .uint32 = on_uint32,
    .uint64 = on_uint64,
    .negint8 = on_negative8,
    .negint16 = on_negative16,
    .negint32 = on_negative32,
    .negint64 = on_negative64,
    .byte_string = on_bytes,
    .byte_string_start = on_indefinite,
    .string = on_text,
    .string_start = on_indefinite,
    .array_start = on_array,
    .indef_array_start = on_indefinite,
    .map_start = on_map,
    .indef_map_start = on_indefinite,
    .tag = on_tag,
    .float2 = on_float,
    .float4 = on_float,
    .float8 = on_double,
    .undefined = on_nothing,
    .null = on_nothing,
    .boolean = on_bool,
    .indef_break = on_indefinite,
};

/* libcbor 0.8 does not know tags of one byte but a few of them; later versions do. Simple values that nobody has assigned are an error to it, and to
 * versions of tomorrow one more callback, which those of today have no place for. */
#define MAJOR(head)    ((unsigned char)(head) >> 5)
#define SHORT(head)    ((unsigned char)(head)&31)
#define MAJOR_TAG      6
#define SHORT_TAGS_END 24

static bool is_simple(unsigned char head) {
    return (head >= 0xe0 && head < 0xf4) || head == 0xf8;
}

bool bell_cbor_next(bell_str *rest, bell_cbor_item *out) {
    if (rest->len == 0) {
        return false;
    }
    if (MAJOR(*rest->p) == MAJOR_TAG && SHORT(*rest->p) < SHORT_TAGS_END) {
        set(out, BELL_CBOR_TAG, SHORT(*rest->p));
        *rest = (bell_str){rest->p + 1, rest->len - 1};
        return true;
    }
    if (is_simple((unsigned char)*rest->p)) {
        return false;
    }
    struct cbor_decoder_result r = cbor_stream_decode((cbor_data)rest->p, rest->len, &callbacks, out);
    if (r.status != CBOR_DECODER_FINISHED || r.read == 0 || r.read > rest->len || (out->type == BELL_CBOR_OTHER && out->n == REFUSED)) {
        return false;
    }
    rest->p += r.read;
    rest->len -= r.read;
    return true;
}

/* ---- whole items */

typedef struct {
    bell_str rest;
    unsigned items_left;
} walk;

static bool take_item(walk *w, unsigned depth, bell_cbor_item *head);

static bool is_same_key(const bell_cbor_item *a, const bell_cbor_item *b) {
    return a->type == b->type && a->n == b->n && bell_str_eq(a->text, b->text);
}

static bool take_pairs(walk *w, uint64_t pairs, unsigned depth) {
    bell_cbor_item keys[BELL_CBOR_PAIRS_MAX], value;

    if (pairs > BELL_CBOR_PAIRS_MAX) {
        return false;
    }
    for (uint64_t i = 0; i < pairs; i++) {
        if (!take_item(w, 0, &keys[i]) || keys[i].type > BELL_CBOR_TEXT) {
            return false;
        }
        for (uint64_t before = 0; before < i; before++) {
            if (is_same_key(&keys[before], &keys[i])) {
                return false;
            }
        }
        if (!take_item(w, depth, &value)) {
            return false;
        }
    }
    return true;
}

static bool take_items(walk *w, uint64_t n, unsigned depth) {
    bell_cbor_item item;

    for (uint64_t i = 0; i < n; i++) {
        if (!take_item(w, depth, &item)) {
            return false;
        }
    }
    return true;
}

/* `depth`: how many levels may still begin; keys of maps have none. */
static bool take_item(walk *w, unsigned depth, bell_cbor_item *head) {
    if (w->items_left == 0 || !bell_cbor_next(&w->rest, head)) {
        return false;
    }
    w->items_left--;
    switch (head->type) {
    case BELL_CBOR_TEXT:
        return bell_str_is_utf8(head->text);
    case BELL_CBOR_MAP:
        return depth > 0 && take_pairs(w, head->n, depth - 1);
    case BELL_CBOR_ARRAY:
        return depth > 0 && take_items(w, head->n, depth - 1);
    case BELL_CBOR_TAG:
        return depth > 0 && take_items(w, 1, depth - 1);
    default:
        return true;
    }
}

bool bell_cbor_take(bell_str *rest, bell_str *whole) {
    walk w = {*rest, BELL_CBOR_ITEMS_MAX};
    bell_cbor_item head;

    if (!take_item(&w, BELL_CBOR_DEPTH_MAX, &head)) {
        return false;
    }
    *whole = (bell_str){rest->p, rest->len - w.rest.len};
    *rest = w.rest;
    return true;
}

/* ---- what is read of them */

bool bell_cbor_to_i64(const bell_cbor_item *item, int64_t *out) {
    if ((item->type != BELL_CBOR_UINT && item->type != BELL_CBOR_NEGATIVE) || item->n > INT64_MAX) {
        return false;
    }
    *out = item->type == BELL_CBOR_UINT ? (int64_t)item->n : -1 - (int64_t)item->n;
    return true;
}

bool bell_cbor_each(bell_str *rest, uint64_t *left, bell_str *whole) {
    if (*left == 0) {
        return false;
    }
    *left -= 1;
    return bell_cbor_take(rest, whole);
}

bool bell_cbor_is(bell_str whole, bell_cbor_type type, bell_cbor_item *out) {
    return bell_cbor_next(&whole, out) && out->type == type;
}
