#include "bell_signed_text.h"

/* One more than what a digit stands for; 0: it is none. */
static const unsigned char values[256] = {
    ['0'] = 1, ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,  ['6'] = 7,  ['7'] = 8,
    ['8'] = 9, ['9'] = 10, ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
};

bool bell_signed_unhex(bell_str digits, unsigned char *out) {
    unsigned wrong = 0;

    for (size_t i = 0; i + 1 < digits.len; i += 2) {
        unsigned high = values[(unsigned char)digits.p[i]] - 1U, low = values[(unsigned char)digits.p[i + 1]] - 1U;
        wrong |= high | low;
        out[i / 2] = (unsigned char)(high << 4 | low);
    }
    return digits.len % 2 == 0 && wrong < 16;
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
