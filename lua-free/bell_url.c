#include "bell_url.h"

#include "bell_hex.h"

#define PLAIN_PATH_MAX_BYTES 255

/* The byte that begins at s->p, which moves past it; -1 for a bad escape or a NUL. */
static int next_byte(bell_str *s, bool form) {
    char c = s->p[0];

    if (c != '%') {
        s->p++;
        s->len--;
        if (form && c == '+') {
            return ' ';
        }
        return c == '\0' ? -1 : (unsigned char)c;
    }
    if (s->len < 3) {
        return -1;
    }
    int byte = bell_hex_escape(*s);
    s->p += 3;
    s->len -= 3;
    return byte == 0 ? -1 : byte;
}

long bell_url_decode(bell_str s, bool form, char *out) {
    long n = 0;

    while (s.len > 0) {
        int c = next_byte(&s, form);

        if (c < 0) {
            return -1;
        }
        out[n++] = (char)c;
    }
    return n;
}

static bool is_plain_byte(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
}

bool bell_url_is_plain_path(bell_str path) {
    char before = '/';

    if (path.len == 0 || path.len > PLAIN_PATH_MAX_BYTES) {
        return false;
    }
    for (size_t i = 0; i < path.len; i++) {
        char c = path.p[i];

        /* a segment begins here: neither empty nor hidden nor ".." */
        if (before == '/' && (c == '/' || c == '.')) {
            return false;
        }
        if (c != '/' && !is_plain_byte(c)) {
            return false;
        }
        before = c;
    }
    return before != '/';
}

/* Compares while it decodes. 1 equal, 0 not, -1 malformed: an escape is looked at even where the names differ already. */
static int name_is(bell_str encoded, bell_str name) {
    size_t at = 0;
    bool same = true;

    while (encoded.len > 0) {
        int c = next_byte(&encoded, true);

        if (c < 0) {
            return -1;
        }
        same = same && at < name.len && (unsigned char)name.p[at] == c;
        at++;
    }
    return same && at == name.len;
}

static int decode_value(bell_arena *a, bell_str encoded, bell_str *value) {
    char *p = bell_arena_alloc(a, encoded.len + 1);
    long len;

    if (p == NULL) {
        return -1;
    }
    len = bell_url_decode(encoded, true, p);
    if (len < 0 || !bell_str_is_utf8((bell_str){p, (size_t)len})) {
        return -1;
    }
    p[len] = '\0';
    *value = (bell_str){p, (size_t)len};
    return 1;
}

int bell_form_get(bell_arena *a, bell_str form, bell_str name, bell_str *value) {
    bell_str found = BELL_STR_NULL;

    while (form.len > 0) {
        bell_str encoded = bell_str_cut(&form, '&');
        bell_str encoded_name = bell_str_cut(&encoded, '=');
        int is = name_is(encoded_name, name);

        if (is < 0 || (is > 0 && found.p != NULL)) {
            return -1;
        }
        /* an empty pair ("a=1&&b=2") is nobody's, as in WHATWG's parser */
        if (is > 0 && encoded_name.len > 0) {
            found = encoded;
        }
    }
    return found.p == NULL ? 0 : decode_value(a, found, value);
}
