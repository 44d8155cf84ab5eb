#include "bell_akamai.h"

#include "bell_hex.h"
#include "bell_signed_text.h"
#include "bell_url.h"

#include <stdio.h>

/* ---- the forms of escaping: what an SDK leaves as it is, and what it makes of a space. All write hexadecimal digits in lower case. */

typedef enum { FORM_NODE, FORM_PYTHON, FORM_OLD_PYTHON, FORMS } form;

static bool is_alnum(unsigned char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_kept(unsigned char c, form f) {
    switch (c) {
    case '-':
    case '_':
    case '.':
        return true;
    case '!':
    case '(':
    case ')':
        return f == FORM_NODE;
    case '~':
        return f == FORM_PYTHON;
    default:
        return is_alnum(c);
    }
}

/* Whether this form would write the text as no earlier one does. */
static bool is_form_new(bell_str text, form f) {
    bool tilde = text.len > 0 && memchr(text.p, '~', text.len) != NULL, marks = false;

    for (size_t i = 0; i < text.len && !marks; i++) {
        marks = text.p[i] == ' ' || text.p[i] == '!' || text.p[i] == '(' || text.p[i] == ')';
    }
    return f == FORM_NODE || (f == FORM_PYTHON ? tilde || marks : tilde && marks);
}

/* At most three bytes for each. */
static size_t escape(bell_str text, form f, char *out) {
    static const char digits[] = "0123456789abcdef";
    size_t n = 0;

    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.p[i];
        if (is_kept(c, f)) {
            out[n++] = (char)c;
        } else if (c == ' ' && f != FORM_NODE) {
            out[n++] = '+';
        } else {
            out[n++] = '%';
            out[n++] = digits[c >> 4];
            out[n++] = digits[c & 15];
        }
    }
    return n;
}

static int digit_of(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Bytes that cannot stand in a URL, so that whoever writes it as text has them and every client escapes them. "%" and what ends a path are left out:
 * escaped and not they name different things. */
static bool is_escaped_by_clients(unsigned char c) {
    return c > 0x7f || c == ' ' || strchr("\"<>^`{|}", c) != NULL;
}

/* The text of which a client made the URL: one URL for each text. Its length, 0 when it is the same. */
static size_t unescape_url(bell_str url, char *out) {
    size_t n = 0;

    for (size_t i = 0; i < url.len; i++) {
        int high = url.p[i] == '%' && url.len - i > 2 ? digit_of(url.p[i + 1]) : -1, low = high >= 0 ? digit_of(url.p[i + 2]) : -1;
        int c = low >= 0 ? high * 16 + low : 0;
        if (c >= ' ' && is_escaped_by_clients((unsigned char)c)) {
            out[n++] = (char)c;
            i += 2;
        } else {
            out[n++] = url.p[i];
        }
    }
    return n < url.len ? n : 0;
}

/* ---- the MAC */

typedef struct {
    const bell_signed_call *call;
    const bell_akamai_options *options;
    bell_str body; /* the fields without the MAC */
    unsigned char mac[BELL_SIGNED_MAC_MAX];
    size_t mac_len;
    bool saw_key, no_room;
    const bell_signed_key *key; /* the one that is right */
} attempt;

static size_t mac_bytes(bell_signed_alg alg) {
    switch (alg) {
    case BELL_SIGNED_HMAC_MD5:
        return 16;
    case BELL_SIGNED_HMAC_SHA1:
        return 20;
    case BELL_SIGNED_HMAC_SHA256:
        return 32;
    default:
        return 0;
    }
}

/* "…~hmac=" and as many digits as the algorithm has: its length tells one of another algorithm. */
static bool split_token(bell_str token, attempt *a) {
    bell_str mark = BELL_STR("~hmac=");
    size_t digits = 2 * mac_bytes(a->options->alg);

    if (digits == 0 || token.len <= mark.len + digits) {
        return false;
    }
    a->body = (bell_str){token.p, token.len - mark.len - digits};
    a->mac_len = digits / 2;
    return memcmp(a->body.p + a->body.len, mark.p, mark.len) == 0 &&
           bell_hex_decode((bell_str){token.p + token.len - digits, digits}, BELL_HEX_LOWER, a->mac);
}

static bool try_keys(attempt *a, const bell_str *pieces, size_t n) {
    unsigned char mac[BELL_SIGNED_MAC_MAX];
    const bell_signed_key *k;
    size_t i = 0;

    while ((k = bell_signed_next_key(a->call->keys, BELL_STR_NULL, a->call->request->now_s, &i)) != NULL) {
        if (k->type != BELL_SIGNED_SECRET || k->mac_alg != a->options->alg) {
            continue;
        }
        a->saw_key = true;
        size_t len = bell_signed_mac(k, pieces, n, mac);
        if (len == a->mac_len && bell_str_eq_secret((bell_str){(const char *)mac, len}, (bell_str){(const char *)a->mac, a->mac_len})) {
            a->key = k;
            return true;
        }
    }
    return false;
}

/* What is hashed; url.p is NULL for a token with patterns. */
static bool try_text(attempt *a, bell_str url) {
    bell_str pieces[5];
    size_t n = 0;

    pieces[n++] = a->body;
    if (url.p != NULL) {
        pieces[n++] = BELL_STR("~url=");
        pieces[n++] = url;
    }
    if (a->options->salt.len > 0) {
        pieces[n++] = BELL_STR("~salt=");
        pieces[n++] = a->options->salt;
    }
    return try_keys(a, pieces, n);
}

/* The room is given back: what was written there is not kept. */
static bool try_forms(attempt *a, bell_str url) {
    bell_signed_room room = *a->call->room;
    char *escaped;

    if (!a->options->escape) {
        return try_text(a, url);
    }
    if (url.len > SIZE_MAX / 3 || (escaped = bell_signed_take(&room, 3 * url.len)) == NULL) {
        a->no_room = true;
        return false;
    }
    for (form f = FORM_NODE; f < FORMS; f++) {
        if (is_form_new(url, f) && try_text(a, (bell_str){escaped, escape(url, f, escaped)})) {
            return true;
        }
    }
    return false;
}

static bool try_url(attempt *a, bell_str url) {
    bell_signed_room room = *a->call->room;

    if (url.len == 0) {
        return false;
    }
    if (try_forms(a, url)) {
        return true;
    }
    if (memchr(url.p, '%', url.len) == NULL) {
        return false;
    }
    char *text = bell_signed_take(a->call->room, url.len);
    a->no_room = a->no_room || text == NULL;
    size_t len = text != NULL ? unescape_url(url, text) : 0;
    bool right = len > 0 && try_forms(a, (bell_str){text, len});
    *a->call->room = room;
    return right;
}

static bool has_acl(bell_str body) {
    return bell_str_starts(body, BELL_STR("acl=")) || memmem(body.p, body.len, "~acl=", 5) != NULL;
}

static bool try_token(attempt *a, bell_str target) {
    bell_str path, query;
    bool has_query;

    if (has_acl(a->body)) {
        return try_text(a, BELL_STR_NULL);
    }
    bell_signed_split(target, &path, &query, &has_query);
    return try_url(a, a->options->ignore_query ? path : target);
}

/* As it was sent, then decoded. Decoded text stays in the room when it was right: the fields point there. */
static bell_signed_reason verify(attempt *a, bell_str token, bell_str target) {
    bool shaped = split_token(token, a);

    if (shaped && try_token(a, target)) {
        return BELL_SIGNED_OK;
    }
    if (memchr(token.p, '%', token.len) != NULL) {
        char *decoded = bell_signed_take(a->call->room, token.len);
        a->no_room = a->no_room || decoded == NULL;
        long len = decoded != NULL ? bell_url_decode(token, false, decoded) : -1;
        if (len > 0 && split_token((bell_str){decoded, (size_t)len}, a)) {
            shaped = true;
            if (try_token(a, target)) {
                return BELL_SIGNED_OK;
            }
        }
    }
    if (!shaped || a->no_room) {
        return BELL_SIGNED_MALFORMED;
    }
    return a->saw_key ? BELL_SIGNED_SIGNATURE : BELL_SIGNED_KEY;
}

/* ---- the fields, behind a signature that holds */

typedef enum { FIELD_IP, FIELD_ST, FIELD_EXP, FIELD_ACL, FIELD_ID, FIELD_DATA, FIELDS } field;

typedef struct {
    bell_str values[FIELDS]; /* p is NULL: not there */
    int64_t starts_s;        /* 0: not there */
} claims;

static int field_of(bell_str name) {
    static const bell_str names[FIELDS] = {{"ip", 2}, {"st", 2}, {"exp", 3}, {"acl", 3}, {"id", 2}, {"data", 4}};

    for (int i = 0; i < FIELDS; i++) {
        if (bell_str_eq(name, names[i])) {
            return i;
        }
    }
    return -1;
}

/* Each once, and no other: "url" and "salt" are hashed and never carried. A signer who does not escape may be made to sign a URL or data with "~acl="
 * in it, and that text would be a token of its own. */
static bool split_fields(bell_str body, claims *c) {
    bool more = true;

    while (more) {
        size_t before = body.len;
        bell_str value = bell_str_cut(&body, '~'), name;
        more = value.len < before;
        size_t whole = value.len;
        name = bell_str_cut(&value, '=');
        int f = field_of(name);
        if (name.len == whole || f < 0 || c->values[f].p != NULL) {
            return false;
        }
        c->values[f] = value;
    }
    return true;
}

/* A value as its signer had it. False for what no signer means and a log or a header must not get: control bytes, what is not UTF-8. */
static bool read_text(const attempt *a, bell_str *value) {
    if (a->options->escape && value->len > 0 && (memchr(value->p, '%', value->len) != NULL || memchr(value->p, '+', value->len) != NULL)) {
        char *p = bell_signed_take(a->call->room, value->len);
        long len = p != NULL ? bell_url_decode(*value, true, p) : -1;
        if (len < 0) {
            return false;
        }
        *value = (bell_str){p, (size_t)len};
    }
    return bell_signed_is_text(*value);
}

static bell_signed_reason read_fields(const attempt *a, claims *c, bell_signed_result *out) {
    if (!split_fields(a->body, c) || !bell_signed_seconds(c->values[FIELD_EXP], &out->expires_s) ||
        (c->values[FIELD_ST].p != NULL && !bell_signed_seconds(c->values[FIELD_ST], &c->starts_s)) || !read_text(a, &c->values[FIELD_IP]) ||
        !read_text(a, &c->values[FIELD_ID]) || !read_text(a, &c->values[FIELD_DATA])) {
        return BELL_SIGNED_MALFORMED;
    }
    out->subject = c->values[FIELD_ID];
    out->data = c->values[FIELD_DATA];
    return BELL_SIGNED_OK;
}

static bool matches_one(bell_str acl, bell_str path) {
    while (acl.len > 0) {
        if (bell_signed_matches(bell_str_cut(&acl, '!'), path, true)) {
            return true;
        }
    }
    return false;
}

/* Patterns are of the path as it is in the request, or of the text that a client made it of. */
static bool is_path_inside(const attempt *a, bell_str acl, bell_str target) {
    bell_str path, query;
    bool has_query;

    bell_signed_split(target, &path, &query, &has_query);
    if (matches_one(acl, path)) {
        return true;
    }
    char *text = path.len > 0 && memchr(path.p, '%', path.len) != NULL ? bell_signed_take(a->call->room, path.len) : NULL;
    size_t len = text != NULL ? unescape_url(path, text) : 0;
    return len > 0 && matches_one(acl, (bell_str){text, len});
}

static bell_signed_reason check_address(const bell_signed_request *r, bell_str ip) {
    bell_address a;

    if (!bell_address_parse(ip, &a)) {
        return BELL_SIGNED_MALFORMED;
    }
    return a.family == r->client.family && memcmp(a.bytes, r->client.bytes, sizeof(a.bytes)) == 0 ? BELL_SIGNED_OK : BELL_SIGNED_ADDRESS;
}

static bell_signed_reason check_claims(const attempt *a, const claims *c, const bell_signed_result *out) {
    const bell_signed_request *r = a->call->request;

    if (r->now_s >= out->expires_s) {
        return BELL_SIGNED_EXPIRED;
    }
    if (r->now_s < c->starts_s) {
        return BELL_SIGNED_NOT_YET;
    }
    if (!bell_signed_is_plain_target(out->target)) {
        return BELL_SIGNED_PATH;
    }
    if (c->values[FIELD_ACL].p != NULL && !is_path_inside(a, c->values[FIELD_ACL], out->target)) {
        return BELL_SIGNED_RESOURCE;
    }
    return c->values[FIELD_IP].p != NULL ? check_address(r, c->values[FIELD_IP]) : BELL_SIGNED_OK;
}

/* ---- the token that an allowed request is given */

/* All below the last "/" of a path. */
static bell_str patterns_below(const attempt *a, bell_str target) {
    bell_str path, query;
    bool has_query;

    bell_signed_split(target, &path, &query, &has_query);
    while (path.len > 0 && path.p[path.len - 1] != '/') {
        path.len--;
    }
    char *p = memchr(path.p, '!', path.len) == NULL && memchr(path.p, '*', path.len) == NULL ? bell_signed_take(a->call->room, path.len + 1) : NULL;
    if (p == NULL) {
        return BELL_STR_NULL;
    }
    memcpy(p, path.p, path.len);
    p[path.len] = '*';
    return (bell_str){p, path.len + 1};
}

static bool may_be_cookie(const char *p, size_t len) {
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)p[i];
        if (c <= ' ' || c >= 0x7f || c == ';') {
            return false;
        }
    }
    return true;
}

/* "NAME=TOKEN; ATTRIBUTES", all in one piece of the room. */
static bell_str write_cookie(const attempt *a, const bell_akamai_grant *grant) {
    const bell_akamai_options *o = a->options;
    bell_str rest = o->long_attributes.len > 0 ? o->long_attributes : BELL_STR("; Path=/; Secure; HttpOnly");
    bell_signed_room *room = a->call->room;
    size_t name = o->long_cookie.len + 1;

    if (room->left <= name + rest.len) {
        return BELL_STR_NULL;
    }
    size_t len = bell_akamai_sign(a->key, grant, room->p + name, room->left - name - rest.len);
    if (len == 0 || !may_be_cookie(room->p + name, len)) {
        return BELL_STR_NULL;
    }
    char *p = bell_signed_take(room, name + len + rest.len);
    memcpy(p, o->long_cookie.p, o->long_cookie.len);
    p[name - 1] = '=';
    memcpy(p + name + len, rest.p, rest.len);
    return (bell_str){p, name + len + rest.len};
}

static void give_long_token(const attempt *a, const claims *c, bell_signed_result *out) {
    const bell_akamai_options *o = a->options;
    bell_akamai_grant grant = {.ip = c->values[FIELD_IP],
                               .acl = c->values[FIELD_ACL],
                               .id = c->values[FIELD_ID],
                               .data = c->values[FIELD_DATA],
                               .salt = o->salt,
                               .expires_s = a->call->request->now_s + o->long_s,
                               .escape = o->escape};

    if (grant.acl.p == NULL) {
        grant.acl = patterns_below(a, out->target);
    }
    out->set_cookie = write_cookie(a, &grant);
}

/* ---- the whole */

static unsigned find_field(const bell_signed_request *r, bell_str name, bell_str *value) {
    bell_str other;

    if (!r->field(r->data, name, 0, value)) {
        return 0;
    }
    return r->field(r->data, name, 1, &other) ? 2 : 1;
}

/* How often it is there. */
static unsigned find_token(const bell_signed_call *call, const bell_akamai_options *o, bell_signed_result *out) {
    const bell_signed_request *r = call->request;
    bell_str path, query;
    bool has_query;

    out->target = r->target;
    if (o->location == BELL_AKAMAI_COOKIE) {
        return bell_signed_cookie(r, o->name, &out->token);
    }
    if (o->location == BELL_AKAMAI_HEADER) {
        return find_field(r, o->name, &out->token);
    }
    bell_signed_split(r->target, &path, &query, &has_query);
    unsigned times = bell_signed_param(query, o->name, &out->token);
    if (times > 0) {
        out->target = bell_signed_strip(call->room, r->target, &o->name, 1);
    }
    return times;
}

bell_signed_reason bell_akamai_check(const bell_signed_call *call, const bell_akamai_options *options, bell_signed_result *out) {
    attempt a = {.call = call, .options = options};
    claims c = {0};

    *out = (bell_signed_result){0};
    unsigned times = find_token(call, options, out);
    if (times == 0 || (times == 1 && out->token.len == 0)) {
        return BELL_SIGNED_MISSING;
    }
    if (out->target.p == NULL) { /* no room: the query, where the token is, goes whole */
        bell_str query;
        bool has_query;
        bell_signed_split(call->request->target, &out->target, &query, &has_query);
        return BELL_SIGNED_MALFORMED;
    }
    if (times > 1 || out->token.len > BELL_AKAMAI_TOKEN_MAX) {
        return BELL_SIGNED_MALFORMED;
    }
    bell_signed_reason r = verify(&a, out->token, out->target);
    if (r != BELL_SIGNED_OK) {
        return r;
    }
    out->key_id = (bell_str){a.key->id, a.key->id_len};
    r = read_fields(&a, &c, out);
    if (r == BELL_SIGNED_OK) {
        r = check_claims(&a, &c, out);
    }
    if (r == BELL_SIGNED_OK && options->long_cookie.len > 0) {
        give_long_token(&a, &c, out);
    }
    return r;
}

/* ---- signing */

static void put_escaped(bell_signed_writer *w, bell_str s, bool escaped) {
    if (!escaped) {
        bell_signed_put(w, s);
    } else if (w->failed || s.len > (w->size - w->len) / 3) {
        w->failed = true;
    } else {
        w->len += escape(s, FORM_NODE, w->p + w->len);
    }
}

static void put_name(bell_signed_writer *w, const char *name) {
    if (w->len > 0) {
        bell_signed_put(w, BELL_STR("~"));
    }
    bell_signed_put(w, bell_str_of(name));
}

static bool may_stand(bell_str s, bool escaped) {
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c == 0x7f || c < 0x20 || (!escaped && c == '~')) {
            return false;
        }
    }
    return true;
}

static void put_text(bell_signed_writer *w, const char *name, bell_str s, bool escaped) {
    if (s.len == 0) {
        return;
    }
    w->failed = w->failed || !may_stand(s, escaped);
    put_name(w, name);
    put_escaped(w, s, escaped);
}

static void put_seconds(bell_signed_writer *w, const char *name, int64_t seconds) {
    char digits[24];

    if (seconds != 0) {
        put_name(w, name);
        snprintf(digits, sizeof(digits), "%lld", (long long)seconds);
        bell_signed_put(w, bell_str_of(digits));
    }
}

/* The URL is written behind the fields, hashed, and forgotten. */
static size_t hash_grant(const bell_signed_key *key, const bell_akamai_grant *g, bell_signed_writer w, unsigned char mac[BELL_SIGNED_MAC_MAX]) {
    if (g->url.len > 0) {
        bell_signed_put(&w, BELL_STR("~url="));
        w.failed = w.failed || !may_stand(g->url, true);
        put_escaped(&w, g->url, g->escape);
    }
    bell_str pieces[] = {{w.p, w.len}, BELL_STR("~salt="), g->salt};
    return w.failed ? 0 : bell_signed_mac(key, pieces, g->salt.len > 0 ? 3 : 1, mac);
}

size_t bell_akamai_sign(const bell_signed_key *key, const bell_akamai_grant *g, char *out, size_t size) {
    unsigned char mac[BELL_SIGNED_MAC_MAX];
    char digits[2 * BELL_SIGNED_MAC_MAX];
    bell_signed_writer w = {.p = out, .size = size};

    if ((g->acl.len > 0) == (g->url.len > 0) || g->expires_s <= 0 || g->starts_s < 0) {
        return 0;
    }
    put_text(&w, "ip=", g->ip, g->escape);
    put_seconds(&w, "st=", g->starts_s);
    put_seconds(&w, "exp=", g->expires_s);
    put_text(&w, "acl=", g->acl, false);
    put_text(&w, "id=", g->id, g->escape);
    put_text(&w, "data=", g->data, g->escape);
    size_t len = hash_grant(key, g, w, mac);
    bell_signed_put(&w, BELL_STR("~hmac="));
    bell_hex_encode(mac, len, digits);
    bell_signed_put(&w, (bell_str){digits, 2 * len});
    return len > 0 && !w.failed ? w.len : 0;
}
