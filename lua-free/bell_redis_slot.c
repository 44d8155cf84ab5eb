#include "bell_redis_slot.h"

/* Half a byte at a time: the polynomial is 0x1021. */
static uint16_t crc16(bell_str s) {
    static const uint16_t table[16] = {0x0000, 0x1021, 0x2042, 0x3063, 0x4084, 0x50a5, 0x60c6, 0x70e7,
                                       0x8108, 0x9129, 0xa14a, 0xb16b, 0xc18c, 0xd1ad, 0xe1ce, 0xf1ef};
    unsigned crc = 0;

    for (size_t i = 0; i < s.len; i++) {
        unsigned byte = (unsigned char)s.p[i];
        crc = (crc << 4 & 0xffff) ^ table[(crc >> 12) ^ (byte >> 4)];
        crc = (crc << 4 & 0xffff) ^ table[(crc >> 12) ^ (byte & 15)];
    }
    return (uint16_t)crc;
}

static bell_str tag_of(bell_str key) {
    bell_str rest = key;

    bell_str_cut(&rest, '{');
    bell_str tag = bell_str_cut(&rest, '}');
    bool is_closed = tag.len > 0 && tag.p + tag.len < key.p + key.len;
    return is_closed ? tag : key;
}

uint16_t bell_redis_slot(bell_str key) {
    return crc16(tag_of(key)) % BELL_REDIS_SLOTS;
}
