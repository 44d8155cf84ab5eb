#include "bell_signed_text.h"

static unsigned digit_of(char c) {
    if (c >= '0' && c <= '9') {
        return (unsigned)(c - '0');
    }
    return c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10 : 16;
}

bool bell_signed_unhex(bell_str digits, unsigned char *out) {
    if (digits.len % 2 != 0) {
        return false;
    }
    for (size_t i = 0; i < digits.len; i += 2) {
        unsigned high = digit_of(digits.p[i]), low = digit_of(digits.p[i + 1]);
        if (high > 15 || low > 15) {
            return false;
        }
        out[i / 2] = (unsigned char)(high << 4 | low);
    }
    return true;
}

bool bell_signed_is_text(bell_str value) {
    for (size_t i = 0; i < value.len; i++) {
        if ((unsigned char)value.p[i] < 0x20 || value.p[i] == 0x7f) {
            return false;
        }
    }
    return bell_str_is_utf8(value);
}

void bell_signed_put(bell_signed_writer *w, bell_str piece) {
    if (w->failed || piece.len > w->size - w->len) {
        w->failed = true;
        return;
    }
    if (piece.len > 0) {
        memcpy(w->p + w->len, piece.p, piece.len);
    }
    w->len += piece.len;
}
