#include "bell_buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define CAP_MIN_BYTES 256

void bell_buf_init(bell_buf *b, size_t max_bytes) {
    /* One byte is kept for the NUL of bell_buf_printf, see grow(). */
    *b = (bell_buf){.max_bytes = max_bytes < SIZE_MAX ? max_bytes : SIZE_MAX - 1};
}

void bell_buf_fini(bell_buf *b) {
    free(b->p);
    bell_buf_init(b, b->max_bytes);
}

void bell_buf_reset(bell_buf *b) {
    b->len = 0;
    b->failed = false;
}

/* `cap` bytes are the content's; one more is allocated, because vsnprintf always writes a NUL. */
static bool grow(bell_buf *b, size_t need) {
    size_t cap = b->cap ? b->cap : CAP_MIN_BYTES;
    char *p;

    while (cap < need) {
        cap = cap > b->max_bytes / 2 ? b->max_bytes : cap * 2;
    }
    if (cap > b->max_bytes) {
        cap = b->max_bytes;
    }
    p = realloc(b->p, cap + 1);
    if (p == NULL) {
        return false;
    }
    b->p = p;
    b->cap = cap;
    return true;
}

bool bell_buf_reserve(bell_buf *b, size_t n) {
    if (b->failed) {
        return false;
    }
    if (b->p != NULL && n <= b->cap - b->len) {
        return true;
    }
    if (n > b->max_bytes - b->len || !grow(b, b->len + n)) {
        b->failed = true;
    }
    return !b->failed;
}

void bell_buf_add(bell_buf *b, const void *p, size_t n) {
    if (n == 0 || !bell_buf_reserve(b, n)) {
        return;
    }
    memcpy(b->p + b->len, p, n);
    b->len += n;
}

void bell_buf_add_str(bell_buf *b, bell_str s) {
    bell_buf_add(b, s.p, s.len);
}

void bell_buf_add_z(bell_buf *b, const char *z) {
    bell_buf_add_str(b, bell_str_of(z));
}

void bell_buf_add_char(bell_buf *b, char c) {
    bell_buf_add(b, &c, 1);
}

void bell_buf_add_u64(bell_buf *b, uint64_t v) {
    char digits[20];
    size_t at = sizeof(digits);

    do {
        digits[--at] = (char)('0' + v % 10);
        v /= 10;
    } while (v != 0);
    bell_buf_add(b, digits + at, sizeof(digits) - at);
}

void bell_buf_add_i64(bell_buf *b, int64_t v) {
    char digits[21];
    size_t at = sizeof(digits);
    uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;

    do {
        digits[--at] = (char)('0' + u % 10);
        u /= 10;
    } while (u != 0);
    if (v < 0) {
        digits[--at] = '-';
    }
    bell_buf_add(b, digits + at, sizeof(digits) - at);
}

void bell_buf_printf(bell_buf *b, const char *fmt, ...) {
    va_list args;
    int n;

    if (!bell_buf_reserve(b, 0)) {
        return;
    }
    va_start(args, fmt);
    n = vsnprintf(b->p + b->len, b->cap - b->len + 1, fmt, args);
    va_end(args);
    if (n < 0) {
        b->failed = true;
        return;
    }
    if ((size_t)n > b->cap - b->len) {
        if (!bell_buf_reserve(b, (size_t)n)) {
            return;
        }
        va_start(args, fmt);
        vsnprintf(b->p + b->len, (size_t)n + 1, fmt, args);
        va_end(args);
    }
    b->len += (size_t)n;
}

void bell_buf_consume(bell_buf *b, size_t n) {
    if (n == 0) {
        return;
    }
    b->len -= n;
    if (b->len) {
        memmove(b->p, b->p + n, b->len);
    }
}
