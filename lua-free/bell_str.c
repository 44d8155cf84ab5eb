#include "bell_str.h"

#include <openssl/crypto.h>

bool bell_str_eq(bell_str a, bell_str b) {
    return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

static unsigned char lower(char c) {
    unsigned char u = (unsigned char)c;
    return u >= 'A' && u <= 'Z' ? u | 0x20 : u;
}

bool bell_str_ieq(bell_str a, bell_str b) {
    if (a.len != b.len) {
        return false;
    }
    for (size_t i = 0; i < a.len; i++) {
        if (lower(a.p[i]) != lower(b.p[i])) {
            return false;
        }
    }
    return true;
}

bool bell_str_starts(bell_str s, bell_str prefix) {
    return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.p, prefix.p, prefix.len) == 0);
}

bool bell_str_eq_secret(bell_str a, bell_str b) {
    return a.len == b.len && (a.len == 0 || CRYPTO_memcmp(a.p, b.p, a.len) == 0);
}

bell_str bell_str_cut(bell_str *rest, char sep) {
    bell_str head = *rest;
    const char *at = head.len ? memchr(head.p, sep, head.len) : NULL;

    if (at == NULL) {
        *rest = head.p ? (bell_str){head.p + head.len, 0} : BELL_STR_NULL;
        return head;
    }
    head.len = (size_t)(at - head.p);
    *rest = (bell_str){at + 1, rest->len - head.len - 1};
    return head;
}

static bool is_blank(char c) {
    return c == ' ' || c == '\t';
}

bell_str bell_str_trim(bell_str s) {
    while (s.len && is_blank(s.p[s.len - 1])) {
        s.len--;
    }
    while (s.len && is_blank(s.p[0])) {
        s.p++;
        s.len--;
    }
    return s;
}

bool bell_str_to_u64(bell_str s, uint64_t max, uint64_t *out) {
    enum { SAFE_DIGITS = 19 }; /* as many always fit */
    uint64_t v = 0;

    if (s.len == 0) {
        return false;
    }
    for (size_t i = 0; i < s.len; i++) {
        unsigned digit = (unsigned)(unsigned char)s.p[i] - '0';

        if (digit > 9 || (i >= SAFE_DIGITS && (v > UINT64_MAX / 10 || v * 10 > UINT64_MAX - digit))) {
            return false;
        }
        v = v * 10 + digit;
    }
    if (v > max) {
        return false;
    }
    *out = v;
    return true;
}

/* The lead byte decides how many bytes follow and which values the second one may have (table 3-7: no overlong forms, no surrogates,
 * nothing above U+10FFFF). */
static unsigned lead_byte(unsigned char c, unsigned char *low, unsigned char *high) {
    *low = 0x80;
    *high = 0xBF;
    if (c >= 0xC2 && c <= 0xDF) {
        return 1;
    }
    if (c >= 0xE0 && c <= 0xEF) {
        if (c == 0xE0) {
            *low = 0xA0;
        }
        if (c == 0xED) {
            *high = 0x9F;
        }
        return 2;
    }
    if (c >= 0xF0 && c <= 0xF4) {
        if (c == 0xF0) {
            *low = 0x90;
        }
        if (c == 0xF4) {
            *high = 0x8F;
        }
        return 3;
    }
    return 0;
}

int bell_str_utf8_step(const char *p, size_t left) {
    const unsigned char *u = (const unsigned char *)p;
    unsigned char low, high;
    unsigned follow;

    if (u[0] < 0x80) {
        return 1;
    }
    follow = lead_byte(u[0], &low, &high);
    if (follow == 0) {
        return -1;
    }
    for (unsigned i = 1; i <= follow; i++) {
        if (i >= left || u[i] < low || u[i] > high) {
            return -(int)i;
        }
        low = 0x80;
        high = 0xBF;
    }
    return (int)follow + 1;
}

/* Eight bytes at once, as most text is ASCII: true when none is NUL and none has its high bit set. */
static bool is_plain_word(const char *p) {
    uint64_t w;

    memcpy(&w, p, sizeof(w));
    return (((w - 0x0101010101010101u) | w) & 0x8080808080808080u) == 0;
}

bool bell_str_is_utf8(bell_str s) {
    size_t i = 0;

    while (i < s.len) {
        int step;

        if (s.len - i >= 8 && is_plain_word(s.p + i)) {
            i += 8;
            continue;
        }
        step = s.p[i] == '\0' ? -1 : bell_str_utf8_step(s.p + i, s.len - i);
        if (step < 0) {
            return false;
        }
        i += (size_t)step;
    }
    return true;
}
