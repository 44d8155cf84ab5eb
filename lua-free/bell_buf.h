/* An append-only byte buffer with a bound. An append that fails (bound or memory) sets `failed` and appends nothing;
 * later appends do nothing either, so that a writer checks once, at the end. */
#ifndef BELL_BUF_H
#define BELL_BUF_H

#include "bell_str.h"

#pragma GCC visibility push(hidden)

typedef struct {
    char *p;
    size_t len;
    size_t cap;
    size_t max_bytes;
    bool failed;
} bell_buf;

void bell_buf_init(bell_buf *b, size_t max_bytes);
void bell_buf_fini(bell_buf *b);
/* Forgets the content, keeps the memory, clears `failed`. */
void bell_buf_reset(bell_buf *b);

/* Room for `n` more bytes at p + len; false sets `failed`. */
bool bell_buf_reserve(bell_buf *b, size_t n);
void bell_buf_add(bell_buf *b, const void *p, size_t n);
void bell_buf_add_str(bell_buf *b, bell_str s);
void bell_buf_add_z(bell_buf *b, const char *z);
void bell_buf_add_char(bell_buf *b, char c);
void bell_buf_add_u64(bell_buf *b, uint64_t v);
void bell_buf_add_i64(bell_buf *b, int64_t v);
void bell_buf_printf(bell_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Drops the first n bytes (n <= len). */
void bell_buf_consume(bell_buf *b, size_t n);

static inline bell_str bell_buf_str(const bell_buf *b) {
    return (bell_str){b->p, b->len};
}

#pragma GCC visibility pop

#endif
