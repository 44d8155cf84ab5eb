#include "bell_access_event.h"

#include <stdio.h>

#include "bell_access_event_parts.h"

/* Numbers have up to 16 digits and status 3, a text of others doubles when all of it is quotes. */
_Static_assert(sizeof("{\"at\":,\"subject\":\"\",\"by\":\"\",\"issuer\":\"\",\"path\":\"\",\"from\":,\"to\":,\"size\":,\"status\":,\"id\":\"\"}\n") +
                       4 * 16 + 3 + 2 * (BELL_ACCESS_SUBJECT_BYTES + BELL_ACCESS_ISSUER_BYTES) + BELL_ACCESS_BY_BYTES + BELL_ACCESS_PATH_BYTES +
                       BELL_ACCESS_ID_BYTES <=
                   BELL_ACCESS_LINE_BYTES,
               "a line has room for the longest event");

#define PUT(to, literal) put((to), (literal), sizeof(literal) - 1)

/* What a byte may stand in, as it is. */
enum { TEXT = 1, PATH = 2, KIND = 4, HEX = 8 };

static const unsigned char classes[256] = {
    [' '] = TEXT,
    ['!'] = TEXT | PATH,
    ['#'] = TEXT,
    ['$' ... ','] = TEXT | PATH,
    ['-'] = TEXT | PATH | KIND,
    ['.' ... '/'] = TEXT | PATH,
    ['0' ... '9'] = TEXT | PATH | KIND | HEX,
    [':' ... '>'] = TEXT | PATH,
    ['?'] = TEXT,
    ['@' ... '['] = TEXT | PATH,
    [']' ... '`'] = TEXT | PATH,
    ['a' ... 'f'] = TEXT | PATH | KIND | HEX,
    ['g' ... 'z'] = TEXT | PATH | KIND,
    ['{' ... '~'] = TEXT | PATH,
};

/* Without branches: what is written is nearly always of one class. */
static bool is_all(bell_str s, unsigned class) {
    for (size_t i = 0; i < s.len; i++) {
        class &= classes[(unsigned char)s.p[i]];
    }
    return class != 0;
}

static char *put(char *to, const char *p, size_t n) {
    memcpy(to, p, n);
    return to + n;
}

static char *put_number(char *to, int64_t v) {
    char digits[20];
    size_t n = sizeof(digits);
    uint64_t rest = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;

    for (; rest >= 100; rest /= 100) {
        unsigned two = (unsigned)(rest % 100);
        digits[--n] = (char)('0' + two % 10);
        digits[--n] = (char)('0' + two / 10);
    }
    do {
        digits[--n] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (v < 0) {
        *to++ = '-';
    }
    return put(to, digits + n, sizeof(digits) - n);
}

/* A text without control characters needs nothing else escaped. */
static char *put_text(char *to, bell_str s) {
    if (is_all(s, TEXT)) {
        return put(to, s.p, s.len);
    }
    for (size_t i = 0; i < s.len; i++) {
        if (s.p[i] == '"' || s.p[i] == '\\') {
            *to++ = '\\';
        }
        *to++ = s.p[i];
    }
    return to;
}

bool bell_access_path_byte(unsigned char c) {
    return (classes[c] & PATH) != 0;
}

static char *put_escaped(char *to, const char *end, bell_str s) {
    static const char hex[] = "0123456789ABCDEF";

    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.p[i];
        bool plain = bell_access_path_byte(c);

        if (end - to < (plain ? 1 : 3)) {
            return NULL;
        }
        if (plain) {
            *to++ = (char)c;
        } else {
            *to++ = '%';
            *to++ = hex[c >> 4];
            *to++ = hex[c & 15];
        }
    }
    return to;
}

/* NULL: it is too long, or none. */
static char *put_path(char *to, bell_str s) {
    if (s.len == 0 || s.p[0] != '/') {
        return NULL;
    }
    s = bell_str_cut(&(bell_str){s.p, s.len}, '?');
    s = bell_str_cut(&(bell_str){s.p, s.len}, '#');
    if (s.len <= BELL_ACCESS_PATH_BYTES && is_all(s, PATH)) {
        return put(to, s.p, s.len);
    }
    return put_escaped(to, to + BELL_ACCESS_PATH_BYTES, s);
}

static bool is_text(bell_str s, size_t max) {
    if (s.len == 0 || s.len > max) {
        return false;
    }
    if (is_all(s, TEXT)) {
        return true;
    }
    for (size_t i = 0; i < s.len; i++) {
        if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7F) {
            return false;
        }
    }
    return bell_str_is_utf8(s);
}

static bool is_kind(bell_str s) {
    return s.len > 0 && s.len <= BELL_ACCESS_BY_BYTES && is_all(s, KIND);
}

static bool is_id(bell_str s) {
    return s.len == BELL_ACCESS_ID_BYTES && is_all(s, HEX);
}

static bool is_range(const bell_access_event *e) {
    int64_t end = e->size < 0 ? BELL_ACCESS_NUMBER_MAX : e->size;

    return e->size >= -1 && end <= BELL_ACCESS_NUMBER_MAX && e->from >= 0 && e->from < e->to && e->to <= end &&
           (e->status == 206 || (e->status == 200 && e->from == 0));
}

bool bell_access_event_is_sound(const bell_access_event *e) {
    bool session = bell_str_eq(e->by, BELL_STR("session"));

    return e->at_ms >= 0 && e->at_ms <= BELL_ACCESS_NUMBER_MAX && is_range(e) && is_text(e->subject, BELL_ACCESS_SUBJECT_BYTES) && is_kind(e->by) &&
           (session ? e->issuer.len == 0 : is_text(e->issuer, BELL_ACCESS_ISSUER_BYTES)) && is_id(e->id);
}

size_t bell_access_event_write(const bell_access_event *e, char *out) {
    char *to = out;

    if (!bell_access_event_is_sound(e)) {
        return 0;
    }
    to = put_number(PUT(to, "{\"at\":"), e->at_ms);
    to = put_text(PUT(to, ",\"subject\":\""), e->subject);
    to = put(PUT(to, "\",\"by\":\""), e->by.p, e->by.len);
    if (e->issuer.len > 0) {
        to = put_text(PUT(to, "\",\"issuer\":\""), e->issuer);
    }
    to = put_path(PUT(to, "\",\"path\":\""), e->path);
    if (to == NULL) {
        return 0;
    }
    to = put_number(PUT(to, "\",\"from\":"), e->from);
    to = put_number(PUT(to, ",\"to\":"), e->to);
    to = put_number(PUT(to, ",\"size\":"), e->size);
    to = put_number(PUT(to, ",\"status\":"), e->status);
    to = put(PUT(to, ",\"id\":\""), e->id.p, e->id.len);
    to = PUT(to, "\"}\n");
    return (size_t)(to - out);
}

bool bell_access_batch_next(bell_str *text, bell_str *line) {
    if (text->len == 0 || text->len > BELL_ACCESS_BATCH_BYTES) {
        return false;
    }
    *line = bell_str_cut(text, '\n');
    return true;
}

size_t bell_access_stream(uint32_t tenant_id, char out[BELL_ACCESS_STREAM_BYTES]) {
    return (size_t)snprintf(out, BELL_ACCESS_STREAM_BYTES, "bell:access:{%lu}", (unsigned long)tenant_id);
}
