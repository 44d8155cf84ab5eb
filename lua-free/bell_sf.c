#include "bell_sf.h"

#include "bell_hex.h"

#define INTEGER_DIGITS_MAX 15
#define INTEGER_MAX        INT64_C(999999999999999)
#define WHOLE_DIGITS_MAX   12 /* of a decimal, before the point */
#define FRACTION_MAX       3

static bool is_lower(char c) {
    return c >= 'a' && c <= 'z';
}

static bool is_alpha(char c) {
    return is_lower(c) || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool is_printable(char c) {
    return c >= 0x20 && c <= 0x7E;
}

static bool begins_key(char c) {
    return is_lower(c) || c == '*';
}

static bool in_key(char c) {
    return begins_key(c) || is_digit(c) || c == '_' || c == '-' || c == '.';
}

static bool begins_token(char c) {
    return is_alpha(c) || c == '*';
}

static bool in_token(char c) {
    return is_alpha(c) || is_digit(c) || (c != '\0' && strchr("!#$%&'*+-.^_`|~:/", c) != NULL);
}

static bool ended(const bell_sf *r) {
    return r->p == r->end;
}

/* Steps over c when it is next. */
static bool take(bell_sf *r, char c) {
    if (ended(r) || *r->p != c) {
        return false;
    }
    r->p++;
    return true;
}

static void skip_spaces(bell_sf *r) {
    while (!ended(r) && *r->p == ' ') {
        r->p++;
    }
}

static void skip_blanks(bell_sf *r) {
    while (!ended(r) && (*r->p == ' ' || *r->p == '\t')) {
        r->p++;
    }
}

static bell_str since(const bell_sf *r, const char *start) {
    return (bell_str){start, (size_t)(r->p - start)};
}

/* Section 4.2.3.3 */
static bool read_key(bell_sf *r, bell_str *key) {
    const char *start = r->p;

    if (ended(r) || !begins_key(*r->p)) {
        return false;
    }
    while (!ended(r) && in_key(*r->p)) {
        r->p++;
    }
    *key = since(r, start);
    return true;
}

static unsigned read_digits(bell_sf *r, unsigned max, int64_t *value) {
    unsigned n = 0;

    for (*value = 0; !ended(r) && is_digit(*r->p) && n <= max; r->p++, n++) {
        *value = *value * 10 + (*r->p - '0');
    }
    return n;
}

/* Section 4.2.4. One digit more than may be is read, and refused. */
static bool read_number(bell_sf *r, bell_sf_value *v) {
    bool negative = take(r, '-');
    unsigned digits = read_digits(r, INTEGER_DIGITS_MAX, &v->number), decimals;
    int64_t fraction;

    if (digits == 0 || digits > INTEGER_DIGITS_MAX) {
        return false;
    }
    v->type = BELL_SF_INTEGER;
    if (take(r, '.')) {
        decimals = read_digits(r, FRACTION_MAX, &fraction);
        if (digits > WHOLE_DIGITS_MAX || decimals == 0 || decimals > FRACTION_MAX) {
            return false;
        }
        v->type = BELL_SF_DECIMAL;
        v->number = v->number * 1000 + fraction * (decimals == 1 ? 100 : decimals == 2 ? 10 : 1);
    }
    v->number = negative ? -v->number : v->number;
    return true;
}

/* Section 4.2.5, behind the opening quote */
static bool read_string(bell_sf *r, bell_sf_value *v) {
    const char *start = r->p;

    v->type = BELL_SF_STRING;
    for (; !ended(r); r->p++) {
        if (*r->p == '"') {
            v->text = since(r, start);
            r->p++;
            return true;
        }
        if (!is_printable(*r->p)) {
            return false;
        }
        if (*r->p == '\\' && (++r->p == r->end || (*r->p != '"' && *r->p != '\\'))) {
            return false;
        }
    }
    return false;
}

/* Section 4.2.6 */
static bool read_token(bell_sf *r, bell_sf_value *v) {
    const char *start = r->p;

    v->type = BELL_SF_TOKEN;
    while (!ended(r) && in_token(*r->p)) {
        r->p++;
    }
    v->text = since(r, start);
    return true;
}

/* Section 4.2.7, behind the opening colon. Padding may be left out; a lone sixth of three bytes is none. */
static bool read_bytes(bell_sf *r, bell_sf_value *v) {
    const char *start = r->p;
    size_t digits, padding = 0;

    v->type = BELL_SF_BYTES;
    while (!ended(r) && (is_alpha(*r->p) || is_digit(*r->p) || *r->p == '+' || *r->p == '/')) {
        r->p++;
    }
    for (digits = (size_t)(r->p - start); take(r, '='); padding++) {
    }
    v->text = since(r, start);
    return digits % 4 != 1 && (padding == 0 || (padding <= 2 && (digits + padding) % 4 == 0)) && take(r, ':');
}

/* Section 4.2.8, behind the question mark */
static bool read_boolean(bell_sf *r, bell_sf_value *v) {
    v->type = BELL_SF_BOOLEAN;
    v->number = take(r, '1');
    return v->number == 1 || take(r, '0');
}

/* Section 4.2.9, behind the at sign */
static bool read_date(bell_sf *r, bell_sf_value *v) {
    if (!read_number(r, v) || v->type != BELL_SF_INTEGER) {
        return false;
    }
    v->type = BELL_SF_DATE;
    return true;
}

/* One byte of a display string: 0 to 255; -1: there is none, or it is malformed. */
static int display_byte(bell_sf *r) {
    unsigned char byte;

    if (ended(r) || !is_printable(*r->p) || *r->p == '"') {
        return -1;
    }
    if (*r->p != '%') {
        return *r->p++;
    }
    if (r->end - r->p < 3 || !bell_hex_decode((bell_str){r->p + 1, 2}, BELL_HEX_LOWER, &byte)) {
        return -1;
    }
    r->p += 3;
    return byte;
}

/* One character of it, in as many bytes as the first says. */
static bool display_character(bell_sf *r) {
    int first = display_byte(r), next;
    char bytes[4] = {(char)first};
    size_t n = first < 0xC0 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;

    for (size_t i = 1; first >= 0 && i < n; i++) {
        next = display_byte(r);
        if (next < 0) {
            return false;
        }
        bytes[i] = (char)next;
    }
    return first >= 0 && bell_str_utf8_step(bytes, n) == (int)n;
}

/* Section 4.2.10, behind the percent sign */
static bool read_display(bell_sf *r, bell_sf_value *v) {
    const char *start = r->p + 1;

    v->type = BELL_SF_DISPLAY;
    if (!take(r, '"')) {
        return false;
    }
    while (!ended(r) && *r->p != '"') {
        if (!display_character(r)) {
            return false;
        }
    }
    v->text = since(r, start);
    return take(r, '"');
}

/* Section 4.2.3.1 */
static bool read_bare_item(bell_sf *r, bell_sf_value *v) {
    *v = (bell_sf_value){.params = BELL_STR("")};
    if (ended(r)) {
        return false;
    }
    if (*r->p == '-' || is_digit(*r->p)) {
        return read_number(r, v);
    }
    if (begins_token(*r->p)) {
        return read_token(r, v);
    }
    switch (*r->p++) {
    case '"':
        return read_string(r, v);
    case ':':
        return read_bytes(r, v);
    case '?':
        return read_boolean(r, v);
    case '@':
        return read_date(r, v);
    case '%':
        return read_display(r, v);
    default:
        return false;
    }
}

/* One parameter, behind its semicolon */
static bool read_param(bell_sf *r, bell_str *key, bell_sf_value *v) {
    skip_spaces(r);
    if (!read_key(r, key)) {
        return false;
    }
    if (take(r, '=')) {
        return read_bare_item(r, v);
    }
    *v = (bell_sf_value){.type = BELL_SF_BOOLEAN, .number = 1};
    return true;
}

/* Section 4.2.3.2 */
static bool read_params(bell_sf *r, bell_str *params) {
    const char *start = r->p;
    bell_str key;
    bell_sf_value ignored;

    while (take(r, ';')) {
        if (!read_param(r, &key, &ignored)) {
            return false;
        }
    }
    *params = since(r, start);
    return true;
}

static bool read_item(bell_sf *r, bell_sf_value *v) {
    return read_bare_item(r, v) && read_params(r, &v->params);
}

/* Section 4.2.1.2, behind the opening parenthesis. Between two items, and nowhere else, a space is needed. */
static bool read_inner_list(bell_sf *r, bell_sf_value *v) {
    const char *start = r->p;
    bell_sf_value item;

    for (skip_spaces(r); !ended(r) && *r->p != ')'; skip_spaces(r)) {
        if (!read_item(r, &item) || ended(r) || (*r->p != ' ' && *r->p != ')')) {
            return false;
        }
    }
    *v = (bell_sf_value){.type = BELL_SF_INNER_LIST, .text = since(r, start)};
    return take(r, ')') && read_params(r, &v->params);
}

static bool read_item_or_inner_list(bell_sf *r, bell_sf_value *v) {
    return take(r, '(') ? read_inner_list(r, v) : read_item(r, v);
}

void bell_sf_init(bell_sf *r, bell_str field) {
    *r = (bell_sf){.p = field.p, .end = field.len ? field.p + field.len : field.p};
    skip_spaces(r);
}

static int fail(bell_sf *r) {
    r->failed = true;
    return -1;
}

/* Steps to the next member: 1 there must be one, 0 the field is at its end, -1 something stands between two members, or nothing behind a comma. */
static int begin_member(bell_sf *r) {
    if (r->failed) {
        return -1;
    }
    if (!r->begun) {
        r->begun = true;
        return !ended(r);
    }
    skip_blanks(r);
    if (ended(r)) {
        return 0;
    }
    if (!take(r, ',')) {
        return fail(r);
    }
    skip_blanks(r);
    return ended(r) ? fail(r) : 1;
}

int bell_sf_next_member(bell_sf *r, bell_str *key, bell_sf_value *v) {
    int more = begin_member(r);

    if (more != 1) {
        return more;
    }
    if (!read_key(r, key)) {
        return fail(r);
    }
    if (take(r, '=')) {
        return read_item_or_inner_list(r, v) ? 1 : fail(r);
    }
    *v = (bell_sf_value){.type = BELL_SF_BOOLEAN, .number = 1};
    return read_params(r, &v->params) ? 1 : fail(r);
}

int bell_sf_next_entry(bell_sf *r, bell_sf_value *v) {
    int more = begin_member(r);

    if (more != 1) {
        return more;
    }
    return read_item_or_inner_list(r, v) ? 1 : fail(r);
}

bool bell_sf_item(bell_str field, bell_sf_value *v) {
    bell_sf r;

    bell_sf_init(&r, field);
    if (!read_item(&r, v)) {
        return false;
    }
    skip_spaces(&r);
    return ended(&r);
}

void bell_sf_params(bell_sf *r, const bell_sf_value *v) {
    *r = (bell_sf){.p = v->params.p, .end = v->params.len ? v->params.p + v->params.len : v->params.p};
}

int bell_sf_next_param(bell_sf *r, bell_str *key, bell_sf_value *v) {
    if (r->failed || ended(r)) {
        return r->failed ? -1 : 0;
    }
    return take(r, ';') && read_param(r, key, v) ? 1 : fail(r);
}

void bell_sf_inner(bell_sf *r, const bell_sf_value *inner_list) {
    bell_sf_init(r, inner_list->text);
}

int bell_sf_next_inner(bell_sf *r, bell_sf_value *v) {
    if (r->failed || ended(r)) {
        return r->failed ? -1 : 0;
    }
    if (!read_item(r, v) || (!ended(r) && *r->p != ' ')) {
        return fail(r);
    }
    skip_spaces(r);
    return 1;
}

bool bell_sf_is_dictionary(bell_str field) {
    bell_sf r;
    bell_str key;
    bell_sf_value v;
    int more = 1;

    for (bell_sf_init(&r, field); more == 1;) {
        more = bell_sf_next_member(&r, &key, &v);
    }
    return more == 0;
}

bool bell_sf_is_list(bell_str field) {
    bell_sf r;
    bell_sf_value v;
    int more = 1;

    for (bell_sf_init(&r, field); more == 1;) {
        more = bell_sf_next_entry(&r, &v);
    }
    return more == 0;
}

size_t bell_sf_unescape(bell_str text, char *out) {
    size_t n = 0;

    for (size_t i = 0; i < text.len; i++) {
        if (text.p[i] == '\\' && i + 1 < text.len) {
            i++;
        }
        out[n++] = text.p[i];
    }
    return n;
}

void bell_sf_writer_init(bell_sf_writer *w, char *out, size_t cap) {
    *w = (bell_sf_writer){.p = out, .cap = cap};
}

static void put(bell_sf_writer *w, const char *p, size_t n) {
    if (w->failed || w->cap - w->len < n) {
        w->failed = true;
        return;
    }
    if (n > 0) {
        memcpy(w->p + w->len, p, n);
        w->len += n;
    }
}

static void put_comma(bell_sf_writer *w) {
    if (w->len > 0) {
        put(w, ", ", 2);
    }
}

bool bell_sf_token_fits(bell_str token) {
    if (token.len == 0 || !begins_token(token.p[0])) {
        return false;
    }
    for (size_t i = 1; i < token.len; i++) {
        if (!in_token(token.p[i])) {
            return false;
        }
    }
    return true;
}

bool bell_sf_string_fits(bell_str text) {
    for (size_t i = 0; i < text.len; i++) {
        if (!is_printable(text.p[i])) {
            return false;
        }
    }
    return true;
}

static void put_token(bell_sf_writer *w, bell_str token) {
    if (!bell_sf_token_fits(token)) {
        w->failed = true;
    }
    put(w, token.p, token.len);
}

static void put_string(bell_sf_writer *w, bell_str text) {
    size_t from = 0;

    if (!bell_sf_string_fits(text)) {
        w->failed = true;
    }
    put(w, "\"", 1);
    for (size_t i = 0; i < text.len; i++) {
        if (text.p[i] == '"' || text.p[i] == '\\') {
            put(w, text.p + from, i - from);
            put(w, "\\", 1);
            from = i;
        }
    }
    put(w, text.len ? text.p + from : "", text.len - from);
    put(w, "\"", 1);
}

static void put_integer(bell_sf_writer *w, int64_t number) {
    char digits[20];
    size_t at = sizeof(digits);
    uint64_t left;

    if (number > INTEGER_MAX || number < -INTEGER_MAX) {
        w->failed = true;
        return;
    }
    left = (uint64_t)(number < 0 ? -number : number);
    do {
        digits[--at] = (char)('0' + left % 10);
        left /= 10;
    } while (left > 0);
    if (number < 0) {
        digits[--at] = '-';
    }
    put(w, digits + at, sizeof(digits) - at);
}

static void put_key(bell_sf_writer *w, const char *key) {
    bool fits = begins_key(key[0]);

    for (const char *p = key; *p != '\0'; p++) {
        fits = fits && in_key(*p);
    }
    if (!fits || w->len == 0) {
        w->failed = true;
    }
    put(w, ";", 1);
    put(w, key, strlen(key));
}

void bell_sf_put_token(bell_sf_writer *w, bell_str token) {
    put_comma(w);
    put_token(w, token);
}

void bell_sf_put_string(bell_sf_writer *w, bell_str text) {
    put_comma(w);
    put_string(w, text);
}

void bell_sf_put_integer(bell_sf_writer *w, int64_t number) {
    put_comma(w);
    put_integer(w, number);
}

void bell_sf_put_boolean(bell_sf_writer *w, bool value) {
    put_comma(w);
    put(w, value ? "?1" : "?0", 2);
}

void bell_sf_param_token(bell_sf_writer *w, const char *key, bell_str token) {
    put_key(w, key);
    put(w, "=", 1);
    put_token(w, token);
}

void bell_sf_param_string(bell_sf_writer *w, const char *key, bell_str text) {
    put_key(w, key);
    put(w, "=", 1);
    put_string(w, text);
}

void bell_sf_param_integer(bell_sf_writer *w, const char *key, int64_t number) {
    put_key(w, key);
    put(w, "=", 1);
    put_integer(w, number);
}

/* Base64 with padding (RFC 9651, section 4.1.8). */
static void put_bytes(bell_sf_writer *w, bell_str bytes) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    put(w, ":", 1);
    for (size_t i = 0; i < bytes.len; i += 3) {
        const unsigned char *p = (const unsigned char *)bytes.p + i;
        size_t n = bytes.len - i;
        unsigned three = (unsigned)p[0] << 16 | (n > 1 ? (unsigned)p[1] << 8 : 0) | (n > 2 ? p[2] : 0);
        const char four[] = {digits[three >> 18], digits[three >> 12 & 63], n > 1 ? digits[three >> 6 & 63] : '=', n > 2 ? digits[three & 63] : '='};
        put(w, four, sizeof(four));
    }
    put(w, ":", 1);
}

void bell_sf_param_bytes(bell_sf_writer *w, const char *key, bell_str bytes) {
    put_key(w, key);
    put(w, "=", 1);
    put_bytes(w, bytes);
}

void bell_sf_param_boolean(bell_sf_writer *w, const char *key, bool value) {
    put_key(w, key);
    if (!value) {
        put(w, "=?0", 3);
    }
}
