#include "bell_cache_key.h"

#include "bell_hex.h"
#include "bell_out.h"

bell_cache_method bell_cache_method_of(bell_str method) {
    static const struct {
        bell_str name;
        bell_cache_method is;
    } known[] = {
        {{"GET", 3}, BELL_CACHE_READ},      {{"HEAD", 4}, BELL_CACHE_READ},   {{"OPTIONS", 7}, BELL_CACHE_SAFE}, {{"TRACE", 5}, BELL_CACHE_SAFE},
        {{"PROPFIND", 8}, BELL_CACHE_SAFE}, {{"REPORT", 6}, BELL_CACHE_SAFE}, {{"SEARCH", 6}, BELL_CACHE_SAFE},  {{"QUERY", 5}, BELL_CACHE_SAFE},
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
        if (bell_str_eq(method, known[i].name)) {
            return known[i].is;
        }
    }
    return BELL_CACHE_UNSAFE;
}

/* ---- writing */

static void put_u64(bell_out *w, uint64_t v) {
    bell_out_u32(w, (uint32_t)(v >> 32));
    bell_out_u32(w, (uint32_t)v);
}

static void put_text(bell_out *w, bell_str s) {
    bell_out_u32(w, (uint32_t)s.len);
    bell_out_str(w, s);
}

/* ---- escapes */

/* RFC 3986, 2.3. */
static bool is_unreserved(int c) {
    int low = c | 0x20;

    return (low >= 'a' && low <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
}

/* false: a "%" begins no escape. */
static bool put_normal(bell_out *w, bell_str s) {
    static const char digits[] = "0123456789ABCDEF";

    while (s.len > 0) {
        const char *escape = memchr(s.p, '%', s.len);
        size_t plain = escape != NULL ? (size_t)(escape - s.p) : s.len;
        bell_out_put(w, s.p, plain);
        s = (bell_str){s.p + plain, s.len - plain};
        if (escape == NULL) {
            break;
        }
        int c = bell_hex_escape(s);
        if (c < 0) {
            return false;
        }
        if (is_unreserved(c)) {
            bell_out_char(w, (char)c);
        } else {
            bell_out_put(w, (char[]){'%', digits[c >> 4], digits[c & 15]}, 3);
        }
        s = (bell_str){s.p + 3, s.len - 3};
    }
    return true;
}

static bool has_dot_segment(bell_str path) {
    while (path.len > 0) {
        bell_str segment = bell_str_cut(&path, '/');
        if (bell_str_eq(segment, BELL_STR(".")) || bell_str_eq(segment, BELL_STR(".."))) {
            return true;
        }
    }
    return false;
}

/* ---- queries */

static bool is_listed(const bell_str *names, size_t nnames, bell_str name) {
    for (size_t i = 0; i < nnames; i++) {
        bell_str one = names[i];
        if (one.len > 0 && one.p[one.len - 1] == '*') {
            if (bell_str_starts(name, (bell_str){one.p, one.len - 1})) {
                return true;
            }
        } else if (bell_str_eq(name, one)) {
            return true;
        }
    }
    return false;
}

static bool is_kept(const bell_cache_query_rules *rules, bell_str name) {
    return !is_listed(rules->drop, rules->ndrop, name) && (rules->nkeep == 0 || is_listed(rules->keep, rules->nkeep, name));
}

static bell_str name_of(bell_str pair) {
    bell_str value = pair;

    return bell_str_cut(&value, '=');
}

static int compare(bell_str a, bell_str b) {
    size_t n = a.len < b.len ? a.len : b.len;
    int by_bytes = n > 0 ? memcmp(a.p, b.p, n) : 0;

    return by_bytes != 0 ? by_bytes : (a.len > b.len) - (a.len < b.len);
}

/* Puts the pairs from `start` on, each with its "&" behind it, in the order of their names; those of one name stay as they were. */
static void sort_pairs(bell_out *w, size_t start) {
    struct {
        bell_str pair, name;
    } sorted[BELL_CACHE_SORTED_PAIRS_MAX];
    char copy[BELL_CACHE_SORTED_BYTES_MAX + 1];
    bell_str rest = {copy, w->len - start};
    size_t n = 0;

    memcpy(copy, w->p + start, rest.len);
    w->len = start;
    for (; rest.len > 0; n++) {
        bell_str pair = bell_str_cut(&rest, '&'), name = name_of(pair);
        size_t at = n;
        for (; at > 0 && compare(sorted[at - 1].name, name) > 0; at--) {
            sorted[at] = sorted[at - 1];
        }
        sorted[at].pair = pair;
        sorted[at].name = name;
    }
    for (size_t i = 0; i < n; i++) {
        bell_out_str(w, sorted[i].pair);
        bell_out_char(w, '&');
    }
}

/* A pair and its "&"; false: the rules drop it. */
static bool put_pair(bell_out *w, bell_str pair, const bell_cache_query_rules *rules) {
    size_t at = w->len;

    if (!put_normal(w, pair)) {
        w->len = at;
        bell_out_str(w, pair);
    }
    if (!w->full && !is_kept(rules, name_of((bell_str){w->p + at, w->len - at}))) {
        w->len = at;
        return false;
    }
    bell_out_char(w, '&');
    return true;
}

static size_t count_pairs(bell_str query) {
    size_t n = 1;

    for (size_t i = 0; i < query.len; i++) {
        n += query.p[i] == '&';
    }
    return n;
}

/* Behind the "?", which goes when nothing is left. */
static void put_query(bell_out *w, bell_str query, const bell_cache_query_rules *rules) {
    bool sort = rules->sort && query.len <= BELL_CACHE_SORTED_BYTES_MAX && count_pairs(query) <= BELL_CACHE_SORTED_PAIRS_MAX;
    bool more = true, dropped = false;
    size_t start = w->len;

    while (more && !w->full) {
        size_t before = query.len;
        bell_str pair = bell_str_cut(&query, '&');
        more = pair.len < before;
        if (!sort || pair.len > 0) {
            dropped = !put_pair(w, pair, rules) || dropped;
        }
    }
    if (w->full) {
        return;
    }
    if (sort && w->len > start) {
        sort_pairs(w, start);
    }
    w->len -= w->len > start; /* the last "&" */
    if (w->len == start && (dropped || rules->empty_is_none)) {
        w->len--;
    }
}

/* ---- targets and keys */

static bool has_forbidden_byte(bell_str target) {
    for (size_t i = 0; i < target.len; i++) {
        unsigned char c = (unsigned char)target.p[i];
        if (c <= ' ' || c == 0x7f || c == '#') {
            return true;
        }
    }
    return false;
}

static bool put_target(bell_out *w, bell_str target, const bell_cache_query_rules *rules) {
    bell_str query = target, path = bell_str_cut(&query, '?');
    size_t start = w->len;

    if (path.len == 0 || path.p[0] != '/' || has_forbidden_byte(target) || !put_normal(w, path) || w->full) {
        return false;
    }
    if (has_dot_segment((bell_str){w->p + start, w->len - start})) {
        return false;
    }
    if (path.len < target.len) {
        bell_out_char(w, '?');
        put_query(w, query, rules);
    }
    return !w->full;
}

long bell_cache_target_write(bell_str target, const bell_cache_query_rules *rules, char *out, size_t room) {
    bell_out w = {out, 0, room, false};

    return put_target(&w, target, rules) ? bell_out_len(&w) : -1;
}

static bool is_sound(const bell_cache_question *asked) {
    bool is_public = asked->scope == BELL_CACHE_PUBLIC;

    if (asked->method != BELL_CACHE_READ || asked->scope < BELL_CACHE_PUBLIC || asked->scope > BELL_CACHE_SUBJECT ||
        is_public != (asked->who.len == 0)) {
        return false;
    }
    return asked->who.len <= UINT32_MAX && asked->scheme.len <= UINT32_MAX && asked->origin.len <= UINT32_MAX && asked->host.len <= UINT32_MAX;
}

enum { WHOLE = 2, PART = 3 };

/* The form, method, scope, tenant, of a part where it begins and how long it is, who, scheme, origin, host, and the target, which needs no length as
 * the last one. */
long bell_cache_key_write(const bell_cache_question *asked, const bell_cache_query_rules *rules, char *out, size_t room) {
    bell_out w = {out, 0, room, false};

    if (!is_sound(asked)) {
        return -1;
    }
    bell_out_put(&w, (char[]){asked->part_bytes > 0 ? PART : WHOLE, (char)asked->method, (char)asked->scope}, 3);
    bell_out_u32(&w, asked->tenant_id);
    if (asked->part_bytes > 0) {
        put_u64(&w, asked->part_first);
        put_u64(&w, asked->part_bytes);
    }
    put_text(&w, asked->who);
    put_text(&w, asked->scheme);
    put_text(&w, asked->origin);
    put_text(&w, asked->host);
    if (rules == NULL) {
        bell_out_str(&w, asked->target);
        return bell_out_len(&w);
    }
    return put_target(&w, asked->target, rules) ? (long)w.len : -1;
}

static uint32_t take_u32(bell_str *rest) {
    const unsigned char *p = (const unsigned char *)rest->p;
    uint32_t v = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];

    rest->p += 4;
    rest->len -= 4;
    return v;
}

static uint64_t take_u64(bell_str *rest) {
    uint64_t high = take_u32(rest);

    return high << 32 | take_u32(rest);
}

/* false: it says that it is of a part, and not of which. */
static bool take_part(bell_str *rest, bell_cache_question *asked) {
    if (rest->len < 16) {
        return false;
    }
    asked->part_first = take_u64(rest);
    asked->part_bytes = take_u64(rest);
    return asked->part_bytes > 0;
}

static bool take_text(bell_str *rest, bell_str *text) {
    uint32_t len;

    if (rest->len < 4 || (len = take_u32(rest)) > rest->len) {
        return false;
    }
    *text = (bell_str){rest->p, len};
    rest->p += len;
    rest->len -= len;
    return true;
}

bool bell_cache_key_read(bell_str key, bell_cache_question *asked) {
    bell_str rest = key;

    if (key.len < 7 || (key.p[0] != WHOLE && key.p[0] != PART)) {
        return false;
    }
    *asked = (bell_cache_question){.method = (bell_cache_method)key.p[1], .scope = (bell_cache_scope)key.p[2]};
    rest.p += 3;
    rest.len -= 3;
    asked->tenant_id = take_u32(&rest);
    if (key.p[0] == PART && !take_part(&rest, asked)) {
        return false;
    }
    if (!take_text(&rest, &asked->who) || !take_text(&rest, &asked->scheme) || !take_text(&rest, &asked->origin) || !take_text(&rest, &asked->host)) {
        return false;
    }
    asked->target = rest;
    return true;
}
