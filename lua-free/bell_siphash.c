#include "bell_siphash.h"

#include <endian.h>

typedef struct {
    uint64_t a, b, c, d;
} state;

static uint64_t rotate(uint64_t x, unsigned by) {
    return x << by | x >> (64 - by);
}

/* At most 8 bytes, the first one lowest. */
static uint64_t read_le(const unsigned char *p, size_t n) {
    uint64_t v = 0;
    memcpy(&v, p, n);
    return le64toh(v);
}

static inline void mix(state *s) {
    s->a += s->b;
    s->c += s->d;
    s->b = rotate(s->b, 13) ^ s->a;
    s->d = rotate(s->d, 16) ^ s->c;
    s->a = rotate(s->a, 32);
    s->c += s->b;
    s->a += s->d;
    s->b = rotate(s->b, 17) ^ s->c;
    s->d = rotate(s->d, 21) ^ s->a;
    s->c = rotate(s->c, 32);
}

static inline void mix_4(state *s) {
    mix(s);
    mix(s);
    mix(s);
    mix(s);
}

static inline void take(state *s, uint64_t word) {
    s->d ^= word;
    mix(s);
    mix(s);
    s->a ^= word;
}

/* Takes all of the bytes and then their number: what both lengths of output have in common. The state is the caller's own copy, which stays in
 * registers. */
static inline state take_all(state s, bell_str str) {
    const unsigned char *p = (const unsigned char *)str.p;
    size_t left = str.len;

    for (; left >= 8; left -= 8, p += 8) {
        take(&s, read_le(p, 8));
    }
    take(&s, (left > 0 ? read_le(p, left) : 0) | (uint64_t)str.len << 56);
    return s;
}

static state begin(const unsigned char key[BELL_SIPHASH_KEY_BYTES]) {
    uint64_t k0 = read_le(key, 8), k1 = read_le(key + 8, 8);

    return (state){k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d, k0 ^ 0x6c7967656e657261, k1 ^ 0x7465646279746573};
}

uint64_t bell_siphash(const unsigned char key[BELL_SIPHASH_KEY_BYTES], bell_str str) {
    state s = take_all(begin(key), str);

    s.c ^= 0xff;
    mix_4(&s);
    return s.a ^ s.b ^ s.c ^ s.d;
}

void bell_siphash128(const unsigned char key[BELL_SIPHASH_KEY_BYTES], bell_str str, unsigned char out[BELL_SIPHASH128_BYTES]) {
    state s = begin(key);
    uint64_t half;

    s.b ^= 0xee;
    s = take_all(s, str);
    s.c ^= 0xee;
    mix_4(&s);
    half = htole64(s.a ^ s.b ^ s.c ^ s.d);
    memcpy(out, &half, 8);
    s.b ^= 0xdd;
    mix_4(&s);
    half = htole64(s.a ^ s.b ^ s.c ^ s.d);
    memcpy(out + 8, &half, 8);
}
