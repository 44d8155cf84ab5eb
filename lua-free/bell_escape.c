#include "bell_escape.h"

#define REPLACEMENT "\xEF\xBF\xBD" /* U+FFFD */

typedef struct {
    const char *found, *replaced; /* "" takes away */
} escape;

static const escape in_html[] = {
    {"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}, {"\"", "&quot;"}, {"'", "&#39;"}, {"\\", "&#92;"}, {"\t", "&#9;"}, {"\n", "&#10;"}, {NULL, NULL},
};

static const escape in_json[] = {
    {"&", "\\u0026"}, {"<", "\\u003c"}, {">", "\\u003e"}, {"\"", "\\u0022"},           {"'", "\\u0027"},
    {"\\", "\\\\"},   {"\t", "\\t"},    {"\n", "\\n"},    {"\xE2\x80\xA8", "\\u2028"}, {"\xE2\x80\xA9", "\\u2029"},
    {NULL, NULL},
};

/* C0, DEL, C1, and the two last places of the basic plane. */
static bool is_nothing(bell_str c) {
    unsigned char first = (unsigned char)c.p[0];

    return (c.len == 1 && (first < 0x20 || first == 0x7F)) || (c.len == 2 && first == 0xC2 && (unsigned char)c.p[1] < 0xA0) ||
           (c.len == 3 && memcmp(c.p, "\xEF\xBF", 2) == 0 && (unsigned char)c.p[2] >= 0xBE);
}

static void put(bell_buf *out, bell_str c, const escape *table) {
    for (; table->found; table++) {
        if (bell_str_eq(c, bell_str_of(table->found))) {
            bell_buf_add_z(out, table->replaced);
            return;
        }
    }
    if (!is_nothing(c)) {
        bell_buf_add_str(out, c);
    }
}

static void put_all(bell_buf *out, bell_str text, const escape *table) {
    size_t i = 0;

    while (i < text.len) {
        int n = bell_str_utf8_step(text.p + i, text.len - i);
        if (n > 0) {
            put(out, (bell_str){text.p + i, (size_t)n}, table);
        } else {
            bell_buf_add_z(out, REPLACEMENT);
            n = -n;
        }
        i += (size_t)n;
    }
}

void bell_escape_html(bell_buf *out, bell_str text) {
    put_all(out, text, in_html);
}

void bell_escape_json(bell_buf *out, bell_str text) {
    put_all(out, text, in_json);
}
