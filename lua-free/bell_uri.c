#include "bell_uri.h"

typedef struct {
    char *p;
    size_t len, cap;
} writer;

static bool put_char(writer *w, char c) {
    if (w->len == w->cap) {
        return false;
    }
    w->p[w->len++] = c;
    return true;
}

static bool must_escape(char c, bool in_path) {
    unsigned char u = (unsigned char)c;

    return u >= 0x7f || c == ' ' || c == '"' || c == '<' || c == '>' || (in_path && (c == '`' || c == '{' || c == '}'));
}

static bool put_escaped(writer *w, bell_str s, bool in_path) {
    static const char digits[] = "0123456789ABCDEF";

    for (size_t i = 0; i < s.len; i++) {
        unsigned char u = (unsigned char)s.p[i];
        bool good =
            must_escape(s.p[i], in_path) ? put_char(w, '%') && put_char(w, digits[u >> 4]) && put_char(w, digits[u & 15]) : put_char(w, s.p[i]);
        if (!good) {
            return false;
        }
    }
    return true;
}

/* One segment behind the path so far, which ends in "/": "." is nothing, ".." takes back the one before (RFC 3986, 5.2.4). */
static bool put_segment(writer *w, bell_str segment, bool is_last) {
    if (bell_str_eq(segment, BELL_STR("."))) {
        return true;
    }
    if (bell_str_eq(segment, BELL_STR(".."))) {
        for (w->len -= w->len > 1; w->len > 1 && w->p[w->len - 1] != '/'; w->len--) {
        }
        return true;
    }
    return put_escaped(w, segment, true) && (is_last || put_char(w, '/'));
}

/* `path` without its first slash. */
static bool put_segments(writer *w, bell_str path) {
    const char *end = path.p + path.len;

    while (path.p < end) {
        const char *slash = memchr(path.p, '/', (size_t)(end - path.p));
        bell_str segment = {path.p, (size_t)((slash != NULL ? slash : end) - path.p)};
        if (!put_segment(w, segment, slash == NULL)) {
            return false;
        }
        path.p = slash != NULL ? slash + 1 : end;
    }
    return true;
}

static bool is_letter(char c) {
    return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

/* "scheme:" at the start: its length without the colon; 0: none. */
static size_t scheme_length(bell_str s) {
    size_t n = 0;

    while (n < s.len && (is_letter(s.p[n]) || (n > 0 && ((s.p[n] >= '0' && s.p[n] <= '9') || s.p[n] == '+' || s.p[n] == '-' || s.p[n] == '.')))) {
        n++;
    }
    return n > 0 && n < s.len && s.p[n] == ':' ? n : 0;
}

static size_t length_before(bell_str s, const char *any) {
    size_t n = 0;

    while (n < s.len && strchr(any, s.p[n]) == NULL) {
        n++;
    }
    return n;
}

static bool is_own_host(const bell_uri_base *base, bell_str authority) {
    bell_str own_port = bell_str_eq(base->scheme, BELL_STR("https")) ? BELL_STR(":443") : BELL_STR(":80");

    if (authority.len > own_port.len && bell_str_eq((bell_str){authority.p + authority.len - own_port.len, own_port.len}, own_port)) {
        authority.len -= own_port.len;
    } else if (authority.len > 0 && authority.p[authority.len - 1] == ':') {
        authority.len--;
    }
    return bell_str_ieq(authority, base->host);
}

/* Scheme and authority off the front: false when they are not our own. *is_full: there was an authority. */
static bool cut_origin(const bell_uri_base *base, bell_str *s, bool *is_full) {
    size_t scheme = scheme_length(*s);

    *is_full = false;
    if (scheme > 0) {
        if (!bell_str_ieq((bell_str){s->p, scheme}, base->scheme) || !bell_str_starts((bell_str){s->p + scheme, s->len - scheme}, BELL_STR("://"))) {
            return false;
        }
        *s = (bell_str){s->p + scheme + 1, s->len - scheme - 1};
    }
    if (bell_str_starts(*s, BELL_STR("//"))) {
        bell_str rest = {s->p + 2, s->len - 2};
        size_t n = length_before(rest, "/?");
        *is_full = true;
        *s = (bell_str){rest.p + n, rest.len - n};
        return is_own_host(base, (bell_str){rest.p, n});
    }
    return true;
}

static bell_str path_of(bell_str target) {
    return (bell_str){target.p, length_before(target, "?")};
}

/* The base's path up to its last slash, without the first. */
static bell_str folder_of(bell_str target) {
    bell_str path = path_of(target);

    while (path.len > 0 && path.p[path.len - 1] != '/') {
        path.len--;
    }
    return path.len > 0 ? (bell_str){path.p + 1, path.len - 1} : BELL_STR_NULL;
}

static bool put_path(const bell_uri_base *base, writer *w, bell_str path, bool is_full) {
    if (!put_char(w, '/')) {
        return false;
    }
    if (path.len > 0 && path.p[0] == '/') {
        return put_segments(w, (bell_str){path.p + 1, path.len - 1});
    }
    if (is_full) {
        return true; /* an authority alone */
    }
    if (path.len == 0) {
        bell_str own = path_of(base->target);
        return own.len == 0 || put_segments(w, (bell_str){own.p + 1, own.len - 1});
    }
    return put_segments(w, folder_of(base->target)) && put_segments(w, path);
}

/* Clients take spaces off the front, and some take all that Unicode calls so: whatever is not ASCII there may leave an address of another host. */
static bool hides_origin(bell_str s) {
    size_t n = 0;

    while (n < s.len && (s.p[n] == ' ' || (unsigned char)s.p[n] >= 0x80)) {
        n++;
    }
    bell_str rest = {s.p + n, s.len - n};
    return n > 0 && (s.p[0] == ' ' || scheme_length(rest) > 0 || bell_str_starts(rest, BELL_STR("//")));
}

bool bell_uri_resolve(const bell_uri_base *base, bell_str reference, char *room, size_t room_bytes, bell_str *target) {
    writer w = {room, 0, room_bytes};
    bell_str s = {reference.p, length_before(reference, "#")};
    bool is_full;

    for (size_t i = 0; i < reference.len; i++) {
        if ((unsigned char)reference.p[i] < ' ' || reference.p[i] == '\x7f' || reference.p[i] == '\\') {
            return false;
        }
    }
    if (s.len == 0 || hides_origin(s) || !cut_origin(base, &s, &is_full)) {
        return false;
    }
    bell_str path = path_of(s), query = {s.p + path.len, s.len - path.len};
    if (!put_path(base, &w, path, is_full) || !put_escaped(&w, query, false)) {
        return false;
    }
    *target = (bell_str){room, w.len};
    return true;
}
