#include "bell_json.h"

#define REPLACEMENT "\xEF\xBF\xBD" /* U+FFFD */

void bell_json_init(bell_json *j, bell_buf *buf) {
    *j = (bell_json){.buf = buf};
}

static uint32_t level_bit(const bell_json *j) {
    return (uint32_t)1 << (j->depth - 1);
}

static bool in_object(const bell_json *j) {
    return j->depth > 0 && (j->is_object & level_bit(j)) != 0;
}

static void put_comma(bell_json *j) {
    if (j->has_member & level_bit(j)) {
        bell_buf_add_char(j->buf, ',');
    }
    j->has_member |= level_bit(j);
}

/* Every value begins here: false when one may not stand at this place. */
static bool value_begin(bell_json *j) {
    bool fits = j->depth == 0 ? !j->has_value : in_object(j) == j->after_key;

    if (!fits) {
        j->buf->failed = true;
        return false;
    }
    if (j->depth > 0 && !j->after_key) {
        put_comma(j);
    }
    j->after_key = false;
    j->has_value = true;
    return !j->buf->failed;
}

static void nest_open(bell_json *j, char bracket, bool object) {
    if (!value_begin(j)) {
        return;
    }
    if (j->depth == BELL_JSON_DEPTH_MAX) {
        j->buf->failed = true;
        return;
    }
    j->depth++;
    j->has_member &= ~level_bit(j);
    j->is_object = object ? j->is_object | level_bit(j) : j->is_object & ~level_bit(j);
    bell_buf_add_char(j->buf, bracket);
}

static void nest_close(bell_json *j, char bracket, bool object) {
    if (j->depth == 0 || j->after_key || in_object(j) != object) {
        j->buf->failed = true;
        return;
    }
    j->depth--;
    bell_buf_add_char(j->buf, bracket);
}

void bell_json_object_open(bell_json *j) {
    nest_open(j, '{', true);
}

void bell_json_object_close(bell_json *j) {
    nest_close(j, '}', true);
}

void bell_json_array_open(bell_json *j) {
    nest_open(j, '[', false);
}

void bell_json_array_close(bell_json *j) {
    nest_close(j, ']', false);
}

void bell_json_key(bell_json *j, const char *key) {
    if (!in_object(j) || j->after_key) {
        j->buf->failed = true;
        return;
    }
    put_comma(j);
    bell_buf_add_char(j->buf, '"');
    bell_buf_add_z(j->buf, key);
    bell_buf_add(j->buf, "\":", 2);
    j->after_key = true;
}

/* 0 for a byte that is written as it is, 'u' for a control, 8 for the first byte of a longer character, else the letter of a short escape. */
static char escape_class(unsigned char c) {
    static const char controls[32] = {['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};

    if (c < 0x20) {
        return controls[c] ? controls[c] : 'u';
    }
    if (c == '"' || c == '\\') {
        return (char)c;
    }
    return c >= 0x80 ? 8 : 0;
}

static void add_escape(bell_buf *b, unsigned char c, char letter) {
    static const char hex[] = "0123456789abcdef";
    char unicode[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
    char simple[2] = {'\\', letter};

    if (letter == 'u') {
        bell_buf_add(b, unicode, sizeof(unicode));
    } else {
        bell_buf_add(b, simple, sizeof(simple));
    }
}

/* Plain stretches are copied whole; `from` is where the current one began. */
static void add_escaped(bell_buf *b, bell_str s) {
    size_t from = 0, i = 0;

    while (i < s.len) {
        char class = escape_class((unsigned char)s.p[i]);
        int step = class == 8 ? bell_str_utf8_step(s.p + i, s.len - i) : 1;

        if (class == 0 || (class == 8 && step > 0)) {
            i += (size_t)step;
            continue;
        }
        bell_buf_add(b, s.p + from, i - from);
        if (class == 8) {
            bell_buf_add(b, REPLACEMENT, sizeof(REPLACEMENT) - 1);
        } else {
            add_escape(b, (unsigned char)s.p[i], class);
        }
        i += (size_t)(step < 0 ? -step : step);
        from = i;
    }
    if (from < s.len) {
        bell_buf_add(b, s.p + from, s.len - from);
    }
}

void bell_json_str(bell_json *j, bell_str s) {
    if (!value_begin(j)) {
        return;
    }
    bell_buf_add_char(j->buf, '"');
    add_escaped(j->buf, s);
    bell_buf_add_char(j->buf, '"');
}

void bell_json_z(bell_json *j, const char *z) {
    if (z == NULL) {
        bell_json_null(j);
    } else {
        bell_json_str(j, bell_str_of(z));
    }
}

void bell_json_int(bell_json *j, int64_t v) {
    if (value_begin(j)) {
        bell_buf_add_i64(j->buf, v);
    }
}

void bell_json_fixed(bell_json *j, int64_t value, unsigned digits) {
    uint64_t u = value < 0 ? 0 - (uint64_t)value : (uint64_t)value, scale = 1;
    char fraction[20];

    if (!value_begin(j)) {
        return;
    }
    if (digits > 18) { /* 10^19 passes what the value itself can hold */
        j->buf->failed = true;
        return;
    }
    for (unsigned i = 0; i < digits; i++) {
        scale *= 10;
    }
    if (value < 0) {
        bell_buf_add_char(j->buf, '-');
    }
    bell_buf_add_u64(j->buf, u / scale);
    uint64_t rest = u % scale;
    if (rest == 0) {
        return;
    }
    for (; rest % 10 == 0; digits--) {
        rest /= 10;
    }
    for (unsigned i = digits; i > 0; i--, rest /= 10) {
        fraction[i] = (char)('0' + rest % 10);
    }
    fraction[0] = '.';
    bell_buf_add(j->buf, fraction, digits + 1);
}

void bell_json_bool(bell_json *j, bool v) {
    if (value_begin(j)) {
        bell_buf_add_z(j->buf, v ? "true" : "false");
    }
}

void bell_json_null(bell_json *j) {
    if (value_begin(j)) {
        bell_buf_add(j->buf, "null", 4);
    }
}

void bell_json_raw(bell_json *j, bell_str json) {
    if (value_begin(j)) {
        bell_buf_add_str(j->buf, json.len ? json : BELL_STR("null"));
    }
}

bool bell_json_done(const bell_json *j) {
    return j->has_value && j->depth == 0 && !j->after_key && !j->buf->failed;
}
