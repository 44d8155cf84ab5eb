#include "bell_signed_text.h"

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
