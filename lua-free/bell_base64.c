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

static int value_of(char c) {
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    if (c == '-') {
        return 62;
    }
    return c == '_' ? 63 : -1;
}

long bell_base64url_decode(bell_str in, unsigned char *out) {
    uint32_t bits = 0;
    unsigned nbits = 0;
    long n = 0;

    if (in.len % 4 == 1) {
        return -1;
    }
    for (size_t i = 0; i < in.len; i++) {
        int v = value_of(in.p[i]);

        if (v < 0) {
            return -1;
        }
        bits = bits << 6 | (uint32_t)v;
        nbits += 6;
        if (nbits >= 8) {
            nbits -= 8;
            out[n++] = (unsigned char)(bits >> nbits);
        }
    }
    /* Bits that no byte uses are zero, so that each value has one spelling only. */
    return (bits & ((1u << nbits) - 1)) == 0 ? n : -1;
}
