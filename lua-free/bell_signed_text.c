#include "bell_signed_text.h"

/* A bit for every digit, and what it stands for. */
#define DIGIT 0x10

static const unsigned char values[256] = {
    ['0'] = DIGIT,      ['1'] = DIGIT + 1,  ['2'] = DIGIT + 2,  ['3'] = DIGIT + 3,  ['4'] = DIGIT + 4,  ['5'] = DIGIT + 5,
    ['6'] = DIGIT + 6,  ['7'] = DIGIT + 7,  ['8'] = DIGIT + 8,  ['9'] = DIGIT + 9,  ['a'] = DIGIT + 10, ['b'] = DIGIT + 11,
    ['c'] = DIGIT + 12, ['d'] = DIGIT + 13, ['e'] = DIGIT + 14, ['f'] = DIGIT + 15,
};

bool bell_signed_unhex(bell_str digits, unsigned char *out) {
    const unsigned char *p = (const unsigned char *)digits.p;
    unsigned all = DIGIT;

    for (size_t left = digits.len / 2; left > 0; left--, p += 2) {
        unsigned high = values[p[0]], low = values[p[1]];
        all &= high & low;
        *out++ = (unsigned char)(high << 4 | (low & 15));
    }
    return digits.len % 2 == 0 && all == DIGIT;
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
