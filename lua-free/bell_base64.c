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

static bool decode_four(const char *in, unsigned char *out) {
    unsigned a = values[(unsigned char)in[0]] - 1U, b = values[(unsigned char)in[1]] - 1U;
    unsigned c = values[(unsigned char)in[2]] - 1U, d = values[(unsigned char)in[3]] - 1U;

    if ((a | b | c | d) > 63) {
        return false;
    }
    out[0] = (unsigned char)(a << 2 | b >> 4);
    out[1] = (unsigned char)(b << 4 | c >> 2);
    out[2] = (unsigned char)(c << 6 | d);
    return true;
}

/* The last two or three characters, of one or two bytes. Bits that no byte uses are zero, so that each value has one spelling only. */
static long decode_rest(bell_str in, unsigned char *out) {
    char four[4] = {'A', 'A', 'A', 'A'};
    unsigned char three[3];

    memcpy(four, in.p, in.len);
    if (!decode_four(four, three) || three[in.len - 1] != 0) {
        return -1;
    }
    memcpy(out, three, in.len - 1);
    return (long)in.len - 1;
}

long bell_base64url_decode(bell_str in, unsigned char *out) {
    size_t i = 0;
    long n = 0, rest;

    if (in.len % 4 == 1) {
        return -1;
    }
    for (; in.len - i >= 4; i += 4, n += 3) {
        if (!decode_four(in.p + i, out + n)) {
            return -1;
        }
    }
    if (i == in.len) {
        return n;
    }
    rest = decode_rest((bell_str){in.p + i, in.len - i}, out + n);
    return rest < 0 ? -1 : n + rest;
}
