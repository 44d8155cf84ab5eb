/* Writing into bytes of the caller's, with their bound: what does not fit sets `full` and is not written, nor is anything behind it, so that a writer
 * looks once, at the end. bell_buf.h is for what may grow. */
#ifndef BELL_OUT_H
#define BELL_OUT_H

#include "bell_str.h"

#pragma GCC visibility push(hidden)

typedef struct {
    char *p;
    size_t len;
    size_t room;
    bool full;
} bell_out;

static inline void bell_out_put(bell_out *o, const void *p, size_t n) {
    if (o->full || n > o->room - o->len) {
        o->full = true;
        return;
    }
    if (n > 0) {
        memcpy(o->p + o->len, p, n);
    }
    o->len += n;
}

static inline void bell_out_char(bell_out *o, char c) {
    bell_out_put(o, &c, 1);
}

static inline void bell_out_str(bell_out *o, bell_str s) {
    bell_out_put(o, s.p, s.len);
}

/* Highest byte first. */
static inline void bell_out_u32(bell_out *o, uint32_t v) {
    const unsigned char be[4] = {(unsigned char)(v >> 24), (unsigned char)(v >> 16), (unsigned char)(v >> 8), (unsigned char)v};

    bell_out_put(o, be, sizeof(be));
}

/* The bytes, or -1 when not all of them found room. */
static inline long bell_out_len(const bell_out *o) {
    return o->full ? -1 : (long)o->len;
}

#pragma GCC visibility pop

#endif
