#include "bell_conditional.h"

/* ---- tags (RFC 9110, 8.8.3) */

typedef struct {
    bell_str opaque; /* with its quotes */
    bool is_weak;
    bool is_good; /* else all of its bytes are in `opaque` */
} etag;

static bool is_etag_byte(char c) {
    unsigned char u = (unsigned char)c;

    return u == 0x21 || (u >= 0x23 && u != 0x7f);
}

static etag parse_etag(bell_str s) {
    etag tag = {s, false, false};
    bell_str opaque = s;

    if (bell_str_starts(s, BELL_STR("W/"))) {
        opaque = (bell_str){s.p + 2, s.len - 2};
    }
    if (opaque.len < 2 || opaque.p[0] != '"' || opaque.p[opaque.len - 1] != '"') {
        return tag;
    }
    for (size_t i = 1; i + 1 < opaque.len; i++) {
        if (!is_etag_byte(opaque.p[i])) {
            return tag;
        }
    }
    return (etag){opaque, opaque.len < s.len, true};
}

static bool equals_weakly(etag a, etag b) {
    return bell_str_eq(a.opaque, b.opaque);
}

static bool equals_strongly(etag a, etag b) {
    return a.is_good && !a.is_weak && !b.is_weak && equals_weakly(a, b);
}

/* Where the first element of a list of tags ends: quotes hide commas, and a backslash is a byte as any other. */
static size_t element_length(bell_str list) {
    bool quoted = false;

    for (size_t i = 0; i < list.len; i++) {
        if (list.p[i] == '"') {
            quoted = !quoted;
        } else if (list.p[i] == ',' && !quoted) {
            return i;
        }
    }
    return list.len;
}

static bool next_etag(bell_str *list, etag *tag) {
    while (list->len > 0) {
        size_t n = element_length(*list), used = n < list->len ? n + 1 : n;
        bell_str element = bell_str_trim((bell_str){list->p, n});
        *list = (bell_str){list->p + used, list->len - used};
        if (element.len > 0) {
            *tag = parse_etag(element);
            return true;
        }
    }
    return false;
}

/* ---- conditions */

typedef enum { ABSENT, MATCHES, DIFFERS } match;

static bool get(const bell_condition_request *r, bell_str name, unsigned nth, bell_str *value) {
    return r->fields->field(r->fields->data, name, nth, value);
}

/* If-Match or If-None-Match against a tag; "*" is for whatever is there. */
static match match_etags(const bell_condition_request *r, bell_str name, const bell_validators *current, bool strongly) {
    bell_str line, second;
    etag mine = parse_etag(current != NULL ? current->etag : BELL_STR_NULL), tag;

    if (!get(r, name, 0, &line)) {
        return ABSENT;
    }
    if (current == NULL) {
        return DIFFERS;
    }
    if (bell_str_eq(line, BELL_STR("*")) && !get(r, name, 1, &second)) {
        return MATCHES;
    }
    for (unsigned nth = 0; get(r, name, nth, &line); nth++) {
        while (next_etag(&line, &tag)) {
            if (strongly ? equals_strongly(mine, tag) : equals_weakly(mine, tag)) {
                return MATCHES;
            }
        }
    }
    return DIFFERS;
}

/* A field with one date; false: there is none, or it is not to be looked at. */
static bool get_date(const bell_condition_request *r, bell_str name, int64_t *unix_s) {
    bell_str line, second;

    return get(r, name, 0, &line) && !get(r, name, 1, &second) && r->date(line, r->now_s, unix_s);
}

/* Whether something of that time is new to who asks. */
static bell_condition since(const bell_condition_request *r, int64_t modified_s) {
    int64_t since_s;

    if (modified_s == BELL_NO_TIME || !get_date(r, BELL_STR("if-modified-since"), &since_s)) {
        return BELL_CONDITION_HOLDS;
    }
    return modified_s <= since_s ? BELL_CONDITION_NOT_MODIFIED : BELL_CONDITION_HOLDS;
}

static bool is_success(const bell_validators *v) {
    return v->status >= 200 && v->status < 300;
}

bell_condition bell_condition_at_cache(const bell_condition_request *r, const bell_validators *stored) {
    bell_str line;

    if (get(r, BELL_STR("if-match"), 0, &line) || get(r, BELL_STR("if-unmodified-since"), 0, &line)) {
        return BELL_CONDITION_FORWARD;
    }
    if (!is_success(stored) || !r->is_read) {
        return BELL_CONDITION_HOLDS;
    }
    switch (match_etags(r, BELL_STR("if-none-match"), stored, false)) {
    case MATCHES:
        return BELL_CONDITION_NOT_MODIFIED;
    case DIFFERS:
        return BELL_CONDITION_HOLDS;
    default:
        return since(r, stored->modified_s != BELL_NO_TIME ? stored->modified_s : stored->date_s);
    }
}

/* Steps 1 and 2 of 13.2.2. */
static bool may_change(const bell_condition_request *r, const bell_validators *current) {
    match matched = match_etags(r, BELL_STR("if-match"), current, true);
    int64_t unmodified_s;

    if (matched != ABSENT) {
        return matched == MATCHES;
    }
    if (current == NULL || current->modified_s == BELL_NO_TIME || !get_date(r, BELL_STR("if-unmodified-since"), &unmodified_s)) {
        return true;
    }
    return current->modified_s <= unmodified_s;
}

bell_condition bell_condition_at_origin(const bell_condition_request *r, const bell_validators *current) {
    if (current != NULL && !is_success(current)) {
        return BELL_CONDITION_HOLDS;
    }
    if (!may_change(r, current)) {
        return BELL_CONDITION_FAILED;
    }
    switch (match_etags(r, BELL_STR("if-none-match"), current, false)) {
    case MATCHES:
        return r->is_read ? BELL_CONDITION_NOT_MODIFIED : BELL_CONDITION_FAILED;
    case DIFFERS:
        return BELL_CONDITION_HOLDS;
    default:
        return r->is_read && current != NULL ? since(r, current->modified_s) : BELL_CONDITION_HOLDS;
    }
}

bool bell_condition_takes_range(const bell_condition_request *r, const bell_validators *current) {
    bell_str line, second;
    int64_t date_s;

    if (!get(r, BELL_STR("if-range"), 0, &line)) {
        return true;
    }
    if (get(r, BELL_STR("if-range"), 1, &second)) {
        return false;
    }
    etag tag = parse_etag(line);
    if (tag.is_good) {
        return equals_strongly(tag, parse_etag(current->etag));
    }
    if (current->modified_s == BELL_NO_TIME || current->date_s == BELL_NO_TIME || !r->date(line, r->now_s, &date_s)) {
        return false;
    }
    return date_s == current->modified_s && current->date_s >= BELL_CONDITION_STRONG_DATE_S &&
           current->modified_s <= current->date_s - BELL_CONDITION_STRONG_DATE_S;
}

/* ---- conditions that the cache sends */

/* Whether it can stand in a list, and neither becomes another one nor makes others so. */
static bool can_be_sent(bell_str s) {
    bool quoted = false;

    for (size_t i = 0; i < s.len; i++) {
        quoted = quoted != (s.p[i] == '"');
        if (s.p[i] == ',' && !quoted) {
            return false;
        }
    }
    return s.len > 0 && s.len <= BELL_CONDITION_ETAG_BYTES && !quoted && bell_field_is_value(s) && !bell_str_eq(s, BELL_STR("*"));
}

static bool is_among(const bell_str *etags, size_t netags, bell_str one) {
    for (size_t i = 0; i < netags; i++) {
        if (bell_str_eq(etags[i], one)) {
            return true;
        }
    }
    return false;
}

size_t bell_condition_write_etags(const bell_str *etags, size_t netags, char *out, size_t room) {
    size_t len = 0;
    unsigned sent = 0;

    for (size_t i = 0; i < netags && sent < BELL_CONDITION_ETAGS_MAX; i++) {
        size_t between = sent > 0 ? 2 : 0;
        if (!can_be_sent(etags[i]) || is_among(etags, i, etags[i]) || room - len < between + etags[i].len) {
            continue;
        }
        memcpy(out + len, ", ", between);
        memcpy(out + len + between, etags[i].p, etags[i].len);
        len += between + etags[i].len;
        sent++;
    }
    return len;
}

/* The latest one that is of the same version, as far as a 304 without a strong tag says; n: none. */
static unsigned latest_of(const bell_validators *stored, unsigned n, const bell_validators *answer) {
    etag tag = parse_etag(answer->etag);
    unsigned latest = n;

    for (unsigned i = 0; i < n; i++) {
        bool same = answer->etag.len > 0 ? equals_weakly(tag, parse_etag(stored[i].etag)) : stored[i].modified_s == answer->modified_s;
        if (same && (latest == n || stored[i].date_s > stored[latest].date_s)) {
            latest = i;
        }
    }
    return latest;
}

unsigned bell_condition_select(const bell_validators *stored, unsigned n, const bell_validators *answer, bool *selected) {
    etag tag = parse_etag(answer->etag);
    unsigned count = 0;

    for (unsigned i = 0; i < n; i++) {
        selected[i] = equals_strongly(tag, parse_etag(stored[i].etag));
        count += selected[i];
    }
    if (tag.is_good && !tag.is_weak) {
        return count;
    }
    unsigned one = n;
    if (answer->etag.len > 0 || answer->modified_s != BELL_NO_TIME) {
        one = latest_of(stored, n, answer);
    } else if (n == 1) {
        one = 0;
    }
    if (one < n) {
        selected[one] = true;
        return 1;
    }
    return 0;
}

bool bell_condition_head_agrees(const bell_validators *stored, int64_t stored_bytes, const bell_validators *answer, int64_t answer_bytes) {
    if (answer->etag.len > 0 && !bell_str_eq(answer->etag, stored->etag)) {
        return false;
    }
    if (answer->modified_s != BELL_NO_TIME && answer->modified_s != stored->modified_s) {
        return false;
    }
    return answer_bytes < 0 || answer_bytes == stored_bytes;
}
