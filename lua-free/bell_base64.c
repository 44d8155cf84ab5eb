#include "bell_base64.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

size_t bell_base64url_encode(const void *in, size_t len, char *out) {
    const unsigned char *u = in;
    uint32_t bits = 0;
    unsigned nbits = 0;
    size_t n = 0;

    for (size_t i = 0; i < len; i++) {
        bits = bits << 8 | u[i];
        for (nbits += 8; nbits >= 6; nbits -= 6) {
            out[n++] = alphabet[bits >> (nbits - 6) & 63];
        }
    }
    if (nbits > 0) {
        out[n++] = alphabet[bits << (6 - nbits) & 63];
    }
    out[n] = '\0';
    return n;
}

/* One more than what a character stands for; 0: it is none of the alphabet. */
static const unsigned char values[256] = {
    ['A'] = 1,  ['B'] = 2,  ['C'] = 3,  ['D'] = 4,  ['E'] = 5,  ['F'] = 6,  ['G'] = 7,  ['H'] = 8,  ['I'] = 9,  ['J'] = 10, ['K'] = 11,
    ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16, ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22,
    ['W'] = 23, ['X'] = 24, ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32, ['g'] = 33,
    ['h'] = 34, ['i'] = 35, ['j'] = 36, ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40, ['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44,
    ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48, ['w'] = 49, ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55,
    ['3'] = 56, ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62, ['-'] = 63, ['_'] = 64,
};

long bell_base64url_decode(bell_str in, unsigned char *out) {
    uint32_t bits = 0;
    unsigned nbits = 0;
    long n = 0;

    if (in.len % 4 == 1) {
        return -1;
    }
    for (size_t i = 0; i < in.len; i++) {
        unsigned v = values[(unsigned char)in.p[i]];

        if (v == 0) {
            return -1;
        }
        bits = bits << 6 | (v - 1);
        nbits += 6;
        if (nbits >= 8) {
            nbits -= 8;
            out[n++] = (unsigned char)(bits >> nbits);
        }
    }
    /* Bits that no byte uses are zero, so that each value has one spelling only. */
    return (bits & ((1u << nbits) - 1)) == 0 ? n : -1;
}
