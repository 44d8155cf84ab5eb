#include "bell_hex.h"

#include <endian.h>

#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

/* Of each byte, all below 0x80, the top bit: whether it is `least` or more. */
static uint64_t at_least(uint64_t bytes, unsigned least) {
    return bytes + EACH(0x80 - least);
}

/* Eight digits at once, without a branch and without a table: four bytes to out. `fold` is EACH of the bit that makes letters small, or 0. 0: all
 * eight are digits. */
static uint64_t decode_eight(const char digits[8], uint64_t fold, unsigned char out[4]) {
    uint64_t text, small;

    memcpy(&text, digits, sizeof(text));
    text = le64toh(text);
    uint64_t high_bits = text & EACH(0x80);
    text ^= high_bits;
    small = text | fold;
    uint64_t is_letter = (at_least(small, 'a') & ~at_least(small, 'f' + 1)) & EACH(0x80);
    uint64_t is_digit = (at_least(text, '0') & ~at_least(text, '9' + 1)) & EACH(0x80);
    uint64_t values = (text & EACH(0x0f)) + (is_letter >> 7) * 9;

    /* the first of two digits is the lower byte, and the upper half of what they stand for */
    uint64_t pairs = (values << 4 | values >> 8) & UINT64_C(0x00ff00ff00ff00ff);
    pairs = (pairs | pairs >> 8) & UINT64_C(0x0000ffff0000ffff);
    uint32_t bytes = htole32((uint32_t)(pairs | pairs >> 16));
    memcpy(out, &bytes, sizeof(bytes));
    return high_bits | ((is_digit | is_letter) ^ EACH(0x80));
}

bool bell_hex_decode(bell_str digits, bell_hex_case which, unsigned char *out) {
    uint64_t fold = which == BELL_HEX_ANY ? EACH(0x20) : 0, wrong = 0;
    char rest[8] = {'0', '0', '0', '0', '0', '0', '0', '0'};
    unsigned char bytes[4];
    size_t left = digits.len;

    for (; left >= 8; left -= 8, digits.p += 8, out += 4) {
        wrong |= decode_eight(digits.p, fold, out);
    }
    left -= left % 2;
    if (left > 0) {
        memcpy(rest, digits.p, left);
        wrong |= decode_eight(rest, fold, bytes);
        memcpy(out, bytes, left / 2);
    }
    return digits.len % 2 == 0 && wrong == 0;
}

void bell_hex_encode(const void *bytes, size_t n, char *out) {
    static const char digits[] = "0123456789abcdef";
    const unsigned char *p = bytes;

    for (size_t i = 0; i < n; i++) {
        *out++ = digits[p[i] >> 4];
        *out++ = digits[p[i] & 15];
    }
}
