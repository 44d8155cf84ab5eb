#include "bell_vary.h"

#include "bell_out.h"

static char lower(char c) {
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/* ---- the list of names */

/* By bytes, the shorter one first. */
static int compare(bell_str a, bell_str b) {
    size_t n = a.len < b.len ? a.len : b.len;
    int by_bytes = n > 0 ? memcmp(a.p, b.p, n) : 0;

    return by_bytes != 0 ? by_bytes : (a.len > b.len) - (a.len < b.len);
}

/* Where a name (in lower case) belongs; false: it is there. */
static bool find_place(const bell_vary *v, bell_str name, size_t *at) {
    bell_str rest = bell_vary_names(v);

    *at = 0;
    while (rest.len > 0) {
        bell_str have = bell_str_cut(&rest, ',');
        int order = compare(name, have);
        if (order == 0) {
            return false;
        }
        if (order < 0) {
            break;
        }
        *at += have.len + 1;
    }
    return true;
}

static bell_vary_verdict add_name(bell_vary *v, bell_str as_sent) {
    char copy[BELL_VARY_BYTES_MAX];
    bell_str name = {copy, as_sent.len};
    size_t at;

    if (!bell_field_is_token(as_sent)) {
        return BELL_VARY_MALFORMED;
    }
    if (as_sent.len > sizeof(copy)) {
        return BELL_VARY_LARGE;
    }
    for (size_t i = 0; i < name.len; i++) {
        copy[i] = lower(as_sent.p[i]);
    }
    if (!find_place(v, name, &at)) {
        return BELL_VARY_OK;
    }
    if (v->count == BELL_VARY_NAMES_MAX || v->len + name.len + (v->count > 0) > sizeof(v->names)) {
        return BELL_VARY_LARGE;
    }
    if (at < v->len) {
        memmove(v->names + at + name.len + 1, v->names + at, v->len - at);
        v->names[at + name.len] = ',';
        v->len++;
    } else if (v->count > 0) {
        v->names[v->len++] = ',';
    }
    memcpy(v->names + at, name.p, name.len);
    v->len += name.len;
    v->count++;
    return BELL_VARY_OK;
}

bell_vary_verdict bell_vary_read(const bell_fields *answer, bell_vary *out) {
    bell_vary_verdict verdict = BELL_VARY_OK;
    bell_str line, name;

    out->count = 0;
    out->len = 0;
    for (unsigned nth = 0; answer->field(answer->data, BELL_STR("vary"), nth, &line); nth++) {
        while (bell_field_next(&line, &name)) {
            if (bell_str_eq(name, BELL_STR("*"))) {
                return BELL_VARY_ANY;
            }
            if (verdict == BELL_VARY_OK) {
                verdict = add_name(out, name);
            }
        }
    }
    return verdict;
}

/* ---- writing a key */

static void put_lower(bell_out *w, bell_str s) {
    for (size_t i = 0; i < s.len; i++) {
        bell_out_char(w, lower(s.p[i]));
    }
}

/* ---- Accept-Encoding */

enum { CODINGS = 4, UNSAID = -1 };

static const struct {
    bell_str name;
    unsigned bit;
} codings[] = {
    {{"identity", 8}, BELL_VARY_IDENTITY}, {{"gzip", 4}, BELL_VARY_GZIP}, {{"x-gzip", 6}, BELL_VARY_GZIP}, {{"br", 2}, BELL_VARY_BR},
    {{"zstd", 4}, BELL_VARY_ZSTD},
};

/* 0: none of those. */
static unsigned coding_of(bell_str name) {
    for (size_t i = 0; i < sizeof(codings) / sizeof(*codings); i++) {
        if (bell_str_ieq(name, codings[i].name)) {
            return codings[i].bit;
        }
    }
    return 0;
}

/* A weight that is said twice must be the same. */
static bool note_weight(int *slot, unsigned milli) {
    if (*slot != UNSAID && *slot != (int)milli) {
        return false;
    }
    *slot = (int)milli;
    return true;
}

static bool note_coding(int weights[CODINGS], int *star, bell_str element) {
    bell_str name;
    unsigned milli, bit;

    if (!bell_field_weight(element, &name, &milli)) {
        return false;
    }
    if (bell_str_eq(name, BELL_STR("*"))) {
        return note_weight(star, milli);
    }
    bit = coding_of(name);
    for (unsigned i = 0; i < CODINGS; i++) {
        if (bit == 1U << i) {
            return note_weight(&weights[i], milli);
        }
    }
    return true; /* a coding that nobody here asks about */
}

/* What is not said is as "*" says, and without that only identity is fine (RFC 9110, 12.5.3). */
static bool put_codings(bell_out *w, const bell_vary_rules *rules, const bell_fields *request) {
    int weights[CODINGS] = {UNSAID, UNSAID, UNSAID, UNSAID}, star = UNSAID;
    unsigned asked = rules->codings != 0 ? rules->codings | BELL_VARY_IDENTITY : ~0U, set = 0;
    bell_str line, element;

    for (unsigned nth = 0; request->field(request->data, BELL_STR("accept-encoding"), nth, &line); nth++) {
        while (bell_field_next(&line, &element)) {
            if (!note_coding(weights, &star, element)) {
                return false;
            }
        }
    }
    for (unsigned i = 0; i < CODINGS; i++) {
        unsigned bit = 1U << i;
        int said = weights[i] != UNSAID ? weights[i] : star;
        if (said > 0 || (said == UNSAID && bit == BELL_VARY_IDENTITY)) {
            set |= bit;
        }
    }
    bell_out_char(w, (char)(set & asked));
    return true;
}

bool bell_vary_is_coding_known(const bell_vary_rules *rules, bell_str content_encoding) {
    unsigned bit = coding_of(bell_str_trim(content_encoding));

    if (content_encoding.len == 0 || bit == BELL_VARY_IDENTITY) {
        return true;
    }
    return bit != 0 && (rules->codings == 0 || (rules->codings & bit) != 0);
}

/* ---- Accept-Language */

typedef struct {
    bell_str range;
    unsigned weight_milli;
} wish;

typedef struct {
    unsigned count;
    wish wishes[BELL_VARY_LANGUAGES_MAX];
} wishes;

bool bell_vary_is_language(bell_str tag) {
    for (size_t i = 0; i < tag.len; i++) {
        char low = (char)(tag.p[i] | 0x20);
        bool is_plain = (low >= 'a' && low <= 'z') || (tag.p[i] >= '0' && tag.p[i] <= '9');
        if (!is_plain && (tag.p[i] != '-' || i == 0 || i + 1 == tag.len)) {
            return false;
        }
    }
    return tag.len > 0;
}

static int compare_ranges(bell_str a, bell_str b) {
    for (size_t i = 0; i < a.len && i < b.len; i++) {
        int order = (unsigned char)lower(a.p[i]) - (unsigned char)lower(b.p[i]);
        if (order != 0) {
            return order;
        }
    }
    return (a.len > b.len) - (a.len < b.len);
}

/* Into its place; what is there already is not noted again. */
static bool add_wish(wishes *all, wish new) {
    unsigned at = 0;

    for (; at < all->count; at++) {
        const wish *w = &all->wishes[at];
        int order = compare_ranges(new.range, w->range);
        if (new.weight_milli == w->weight_milli && order == 0) {
            return true;
        }
        if (new.weight_milli > w->weight_milli || (new.weight_milli == w->weight_milli &&order < 0)) {
            break;
        }
    }
    if (all->count == BELL_VARY_LANGUAGES_MAX) {
        return false;
    }
    memmove(all->wishes + at + 1, all->wishes + at, (all->count - at) * sizeof(wish));
    all->wishes[at] = new;
    all->count++;
    return true;
}

/* false: it is not well-formed, or too long. */
static bool read_wishes(const bell_fields *request, wishes *all) {
    bell_str line, element;

    all->count = 0;
    for (unsigned nth = 0; request->field(request->data, BELL_STR("accept-language"), nth, &line); nth++) {
        while (bell_field_next(&line, &element)) {
            wish new;
            if (!bell_field_weight(element, &new.range, &new.weight_milli) ||
                (!bell_str_eq(new.range, BELL_STR("*")) && !bell_vary_is_language(new.range)) || !add_wish(all, new)) {
                return false;
            }
        }
    }
    return true;
}

/* "de,en;fr;!it": what is liked alike stands between semicolons, what is not wanted has a mark. */
static void put_wishes(bell_out *w, const wishes *all) {
    for (unsigned i = 0; i < all->count; i++) {
        const wish *one = &all->wishes[i];
        if (i > 0) {
            bell_out_char(w, one->weight_milli == all->wishes[i - 1].weight_milli ? ',' : ';');
        }
        if (one->weight_milli == 0) {
            bell_out_char(w, '!');
        }
        put_lower(w, one->range);
    }
}

/* "de" begins "de-CH". */
static bool is_range_of(bell_str range, bell_str tag) {
    return tag.len >= range.len && bell_str_ieq((bell_str){tag.p, range.len}, range) && (tag.len == range.len || tag.p[range.len] == '-');
}

/* The weight of a language of the site's: that of the longest range which begins its tag, else the highest of those which its tag begins, else
 * that of "*". */
static unsigned weight_of(const wishes *all, bell_str tag) {
    unsigned exact = 0, wider = 0, any = 0;
    size_t longest = 0;

    for (unsigned i = 0; i < all->count; i++) {
        const wish *w = &all->wishes[i];
        if (bell_str_eq(w->range, BELL_STR("*"))) {
            any = w->weight_milli > any ? w->weight_milli : any;
        } else if (is_range_of(w->range, tag) && w->range.len > longest) {
            longest = w->range.len;
            exact = w->weight_milli;
        } else if (is_range_of(tag, w->range) && w->weight_milli > wider) {
            wider = w->weight_milli;
        }
    }
    if (longest > 0) {
        return exact;
    }
    return wider > 0 ? wider : any;
}

static void put_best(bell_out *w, const bell_vary_rules *rules, const wishes *all) {
    const bell_str *best = NULL;
    unsigned most = 0;

    for (size_t i = 0; i < rules->nlanguages; i++) {
        unsigned weight = weight_of(all, rules->languages[i]);
        if (weight > most) {
            most = weight;
            best = &rules->languages[i];
        }
    }
    if (best != NULL) {
        put_lower(w, *best);
    }
}

bool bell_vary_top_language(const bell_fields *request, char *out, size_t room, bell_str *language) {
    bell_out w = {out, 0, room, false};
    wishes all;

    if (!read_wishes(request, &all) || all.count == 0) {
        return false;
    }
    const wish *top = &all.wishes[0];
    if (top->weight_milli == 0 || bell_str_eq(top->range, BELL_STR("*")) || (all.count > 1 && all.wishes[1].weight_milli == top->weight_milli)) {
        return false;
    }
    put_lower(&w, top->range);
    *language = (bell_str){out, w.len};
    return !w.full;
}

/* ---- all other fields */

/* The lines as they are. */
static void put_lines(bell_out *w, const bell_fields *request, bell_str name, bell_str between) {
    bell_str line;

    for (unsigned nth = 0; request->field(request->data, name, nth, &line); nth++) {
        if (nth > 0) {
            bell_out_str(w, between);
        }
        bell_out_str(w, line);
    }
}

static bool is_blank(char c) {
    return c == ' ' || c == '\t';
}

/* One line without the blanks around its commas. *quoted: it begins, and then it ends, within quotes. */
static void put_list(bell_out *w, bell_str line, bool *quoted) {
    bool at_start = true; /* of an element */
    size_t blanks = 0;

    for (size_t i = 0; i < line.len; i++) {
        char c = line.p[i];
        if (!*quoted && is_blank(c)) {
            blanks++;
            continue;
        }
        if (c != ',' && !at_start) {
            bell_out_put(w, line.p + i - blanks, blanks);
        }
        blanks = 0;
        bell_out_char(w, c);
        at_start = c == ',' && !*quoted;
        if (c == '"') {
            *quoted = !*quoted;
        } else if (c == '\\' && *quoted && i + 1 < line.len) {
            bell_out_char(w, line.p[++i]);
        }
    }
}

/* A line that ends within quotes goes on in the next one, as RFC 9110 5.2 joins them. */
static void put_lists(bell_out *w, const bell_fields *request, bell_str name) {
    bool quoted = false;
    bell_str line;

    for (unsigned nth = 0; request->field(request->data, name, nth, &line); nth++) {
        if (nth > 0) {
            bell_out_put(w, ", ", quoted ? 2 : 1);
        }
        put_list(w, line, &quoted);
    }
}

/* ---- */

/* What a value is: each kind has its own letter, so that no value of one is taken for one of another. */
static char put_value(bell_out *w, bell_str name, const bell_vary_rules *rules, const bell_fields *request) {
    bell_str line;
    wishes all;

    if (bell_str_eq(name, BELL_STR("accept-language")) && rules->language.len > 0) {
        put_lower(w, rules->language);
        return 'c';
    }
    if (!request->field(request->data, name, 0, &line)) {
        return 'a';
    }
    if (bell_str_eq(name, BELL_STR("accept-encoding")) && put_codings(w, rules, request)) {
        return 'e';
    }
    if (bell_str_eq(name, BELL_STR("accept-language")) && read_wishes(request, &all)) {
        if (rules->nlanguages > 0) {
            put_best(w, rules, &all);
            return 'c';
        }
        put_wishes(w, &all);
        return 'l';
    }
    if (bell_str_eq(name, BELL_STR("cookie"))) {
        put_lines(w, request, name, BELL_STR("; "));
    } else if (bell_str_eq(name, BELL_STR("authorization"))) {
        put_lines(w, request, name, BELL_STR(", "));
    } else {
        put_lists(w, request, name);
    }
    return 'v';
}

long bell_vary_key(bell_str names, const bell_vary_rules *rules, const bell_fields *request, char *out, size_t room) {
    bell_out w = {out, 0, room, false};

    while (names.len > 0) {
        bell_str name = bell_str_cut(&names, ',');
        bell_out_u32(&w, name.len);
        bell_out_str(&w, name);
        size_t head = w.len;
        bell_out_u32(&w, 0);
        bell_out_char(&w, '?');
        size_t start = w.len;
        char kind = put_value(&w, name, rules, request);
        if (w.full || w.len - start > UINT32_MAX) {
            return -1;
        }
        bell_out back = {out, head, start, false};
        bell_out_u32(&back, w.len - start);
        bell_out_char(&back, kind);
    }
    return w.full ? -1 : (long)w.len;
}

bool bell_vary_has_secrets(bell_str names) {
    return bell_field_is_named(names, BELL_STR("cookie")) || bell_field_is_named(names, BELL_STR("authorization"));
}
