/* Apart from the writer, so that who only writes needs no jansson. */
#include "bell_access_event.h"
#include "bell_access_event_parts.h"
#include "bell_json_in.h"

static bool is_path(bell_str s) {
    for (size_t i = 0; i < s.len; i++) {
        if (!bell_access_path_byte((unsigned char)s.p[i])) {
            return false;
        }
    }
    return s.len > 0 && s.len <= BELL_ACCESS_PATH_BYTES && s.p[0] == '/';
}

/* The members, borrowed from the value; false when one is missing, too many or of another type. */
static bool unpack(json_t *v, bell_access_event *e) {
    json_int_t at, from, to, size, status;
    static const char absent[] = "";
    const char *issuer = absent;
    size_t issuer_len = 0;

    if (json_unpack(v, "{s:I,s:s%,s:s%,s?s%,s:s%,s:I,s:I,s:I,s:I,s:s%!}", "at", &at, "subject", &e->subject.p, &e->subject.len, "by", &e->by.p,
                    &e->by.len, "issuer", &issuer, &issuer_len, "path", &e->path.p, &e->path.len, "from", &from, "to", &to, "size", &size, "status",
                    &status, "id", &e->id.p, &e->id.len) != 0 ||
        (issuer != absent && issuer_len == 0) || (status != 200 && status != 206)) {
        return false;
    }
    e->issuer = (bell_str){issuer, issuer_len};
    e->at_ms = at;
    e->from = from;
    e->to = to;
    e->size = size;
    e->status = (unsigned)status;
    return true;
}

static char *move(char *to, bell_str *s) {
    if (s->len > 0) {
        memcpy(to, s->p, s->len);
    }
    s->p = to;
    return to + s->len;
}

bool bell_access_event_read(bell_str line, bell_access_room *room, bell_access_event *out) {
    char err[BELL_JSON_IN_ERROR_BYTES];
    bool good = false;

    if (line.len >= BELL_ACCESS_LINE_BYTES) {
        return false;
    }
    json_t *v = bell_json_read(line, err, sizeof(err));
    if (v == NULL) {
        return false;
    }
    *out = (bell_access_event){0};
    if (unpack(v, out) && bell_access_event_is_sound(out) && is_path(out->path)) {
        char *to = move(room->text, &out->subject);
        to = move(to, &out->by);
        to = move(to, &out->issuer);
        to = move(to, &out->path);
        move(to, &out->id);
        good = true;
    }
    json_decref(v);
    return good;
}
