/* CBOR written down: the diagnostic notation of RFC 8949, section 8, as far as the tests need it. {1: "school", 4: 1800000600}, [1, -2, h'00ff'],
 * 61(17([])), 1.5, true, false, null, undefined; x'…' puts bytes as they are, for what the notation cannot say. */
#ifndef CBOR_TEXT_H
#define CBOR_TEXT_H

#include "bell_buf.h"
#include "unit.h"

#include <cbor.h>
#include <ctype.h>
#include <stdlib.h>

static inline void cbor_text_head(bell_buf *out, unsigned major, uint64_t n) {
    unsigned char head[9];
    size_t len = cbor_encode_uint(n, head, sizeof(head));

    head[0] |= (unsigned char)(major << 5);
    bell_buf_add(out, head, len);
}

static inline void cbor_text_blank(const char **p) {
    while (**p == ' ' || **p == ',' || **p == ':') {
        ++*p;
    }
}

static inline void cbor_text_hex(const char **p, bell_buf *out) {
    for (; isxdigit((unsigned char)**p); *p += 2) {
        char pair[3] = {(*p)[0], (*p)[1], '\0'};
        bell_buf_add_char(out, (char)strtol(pair, NULL, 16));
    }
    if (**p != '\'') {
        fail_msg("hexadecimal digits and ' are expected at \"%s\"", *p);
    }
    ++*p;
}

static inline void cbor_text_item(const char **p, bell_buf *out);

/* Items up to `end`, behind a head that counts them (in pairs for a map). */
static inline void cbor_text_list(const char **p, char end, bell_buf *out) {
    bell_buf inner;
    uint64_t n = 0;

    bell_buf_init(&inner, 1 << 20);
    ++*p;
    for (cbor_text_blank(p); **p != end; cbor_text_blank(p), n++) {
        cbor_text_item(p, &inner);
    }
    ++*p;
    cbor_text_head(out, end == ']' ? 4 : 5, end == ']' ? n : n / 2);
    bell_buf_add_str(out, bell_buf_str(&inner));
    bell_buf_fini(&inner);
}

static inline void cbor_text_string(const char **p, bell_buf *out) {
    bell_buf inner;

    bell_buf_init(&inner, 1 << 20);
    if (**p == '"') {
        const char *end = strchr(*p + 1, '"');
        assert_non_null(end);
        bell_buf_add(&inner, *p + 1, (size_t)(end - *p - 1));
        *p = end + 1;
        cbor_text_head(out, 3, inner.len);
    } else {
        *p += 2;
        cbor_text_hex(p, &inner);
        cbor_text_head(out, 2, inner.len);
    }
    bell_buf_add_str(out, bell_buf_str(&inner));
    bell_buf_fini(&inner);
}

static inline void cbor_text_number(const char **p, bell_buf *out) {
    unsigned char head[9];
    size_t digits = strspn(*p + (**p == '-'), "0123456789") + (**p == '-');
    char *end;

    if ((*p)[digits] == '.') {
        bell_buf_add(out, head, cbor_encode_double(strtod(*p, &end), head, sizeof(head)));
    } else if (**p == '-') {
        cbor_text_head(out, 1, strtoull(*p + 1, &end, 10) - 1);
    } else {
        uint64_t n = strtoull(*p, &end, 10);
        cbor_text_head(out, *end == '(' ? 6 : 0, n);
    }
    if (end == *p) {
        fail_msg("CBOR is expected at \"%s\"", *p);
    }
    *p = end;
    if (**p == '(') {
        ++*p;
        cbor_text_item(p, out);
        cbor_text_blank(p);
        assert_int_equal(**p, ')');
        ++*p;
    }
}

static inline bool cbor_text_word(const char **p, bell_buf *out) {
    static const struct {
        const char *word;
        char byte;
    } words[] = {{"false", '\xf4'}, {"true", '\xf5'}, {"null", '\xf6'}, {"undefined", '\xf7'}};

    for (size_t i = 0; i < ROWS(words); i++) {
        if (strncmp(*p, words[i].word, strlen(words[i].word)) == 0) {
            bell_buf_add_char(out, words[i].byte);
            *p += strlen(words[i].word);
            return true;
        }
    }
    return false;
}

static inline void cbor_text_item(const char **p, bell_buf *out) {
    cbor_text_blank(p);
    if (**p == '[' || **p == '{') {
        cbor_text_list(p, **p == '[' ? ']' : '}', out);
    } else if (**p == '"' || strncmp(*p, "h'", 2) == 0) {
        cbor_text_string(p, out);
    } else if (strncmp(*p, "x'", 2) == 0) {
        *p += 2;
        cbor_text_hex(p, out);
    } else if (!cbor_text_word(p, out)) {
        cbor_text_number(p, out);
    }
}

/* Appends all items of the text. */
static inline void cbor_of(const char *text, bell_buf *out) {
    for (cbor_text_blank(&text); *text != '\0'; cbor_text_blank(&text)) {
        cbor_text_item(&text, out);
    }
    assert_false(out->failed);
}

#endif
