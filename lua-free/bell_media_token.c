#include "bell_media_token.h"

#include "bell_google_form.h"
#include "bell_hex.h"
#include "bell_signed_text.h"
#include "bell_url.h"

#define SIGNATURE_BYTES 64
#define SIGNATURE_TEXT  96

typedef enum {
    FIELD_URL_PREFIX,
    FIELD_FULL_PATH,
    FIELD_PATH_GLOBS,
    FIELD_STARTS,
    FIELD_EXPIRES,
    FIELD_SESSION_ID,
    FIELD_DATA,
    FIELD_HEADERS,
    FIELD_IP_RANGES,
    FIELDS
} field;

static const bell_str names[FIELDS] = {
    [FIELD_URL_PREFIX] = {"URLPrefix", 9},
    [FIELD_FULL_PATH] = {"FullPath", 8},
    [FIELD_PATH_GLOBS] = {"PathGlobs", 9},
    [FIELD_STARTS] = {"Starts", 6},
    [FIELD_EXPIRES] = {"Expires", 7},
    [FIELD_SESSION_ID] = {"SessionID", 9},
    [FIELD_DATA] = {"Data", 4},
    [FIELD_HEADERS] = {"Headers", 7},
    [FIELD_IP_RANGES] = {"IPRanges", 8},
};

typedef struct {
    bell_str body; /* the fields as sent, without the signature */
    bell_str values[FIELDS];
    bool has[FIELDS];
    bool unknown; /* a field that nobody here understands */
    bell_signed_alg alg;
    unsigned char signature[SIGNATURE_TEXT];
    size_t signature_len;
    bell_str bytes; /* what is signed */
} token;

/* ---- reading: nothing of it is believed before the signature holds */

static bool read_mac(bell_str value, token *t) {
    t->alg = value.len == 40 ? BELL_SIGNED_HMAC_SHA1 : BELL_SIGNED_HMAC_SHA256;
    t->signature_len = value.len / 2;
    return (value.len == 40 || value.len == 64) && bell_hex_decode(value, BELL_HEX_LOWER, t->signature);
}

static bool read_ed25519(bell_str value, token *t) {
    t->alg = BELL_SIGNED_ED25519;
    t->signature_len = SIGNATURE_BYTES;
    return value.len <= SIGNATURE_TEXT && bell_google_decode(value, t->signature) == SIGNATURE_BYTES;
}

static bool read_field(bell_str pair, token *t) {
    bell_str value = pair, name = bell_str_cut(&value, '=');
    bool bare = name.len == pair.len;

    for (size_t i = 0; i < FIELDS; i++) {
        if (bell_str_eq(name, names[i])) {
            bool twice = t->has[i];
            t->has[i] = true;
            t->values[i] = value;
            return !twice && bare == (i == FIELD_FULL_PATH); /* a path that is carried would be anybody's */
        }
    }
    t->unknown = true;
    return name.len > 0;
}

static bool read_token(bell_str text, token *t) {
    bell_str mark = BELL_STR("~Signature=");
    const char *at = text.len > 0 ? memrchr(text.p, '~', text.len) : NULL;

    *t = (token){0};
    if (at == NULL) {
        return false;
    }
    bell_str last = {at, text.len - (size_t)(at - text.p)};
    t->body = (bell_str){text.p, (size_t)(at - text.p)};
    if (bell_str_starts(last, mark)) {
        if (!read_ed25519((bell_str){last.p + mark.len, last.len - mark.len}, t)) {
            return false;
        }
    } else if (!bell_str_starts(last, BELL_STR("~hmac=")) || !read_mac((bell_str){last.p + 6, last.len - 6}, t)) {
        return false;
    }
    for (bell_str rest = t->body; rest.p != t->body.p + t->body.len;) {
        bool ends_in_mark = rest.p[rest.len - 1] == '~';
        bell_str pair = bell_str_cut(&rest, '~');
        if (!read_field(pair, t) || (rest.len == 0 && ends_in_mark)) {
            return false;
        }
    }
    return t->has[FIELD_EXPIRES] && t->has[FIELD_URL_PREFIX] + t->has[FIELD_FULL_PATH] + t->has[FIELD_PATH_GLOBS] == 1;
}

/* ---- what is signed */

static bool is_letters(bell_str name) {
    for (size_t i = 0; i < name.len; i++) {
        if ((name.p[i] | 0x20) < 'a' || (name.p[i] | 0x20) > 'z') {
            return false;
        }
    }
    return name.len > 0;
}

/* Whether a value of the request, set in where the token has only its name, would read as fields of its own, known or not: a field that was signed
 * could so be left out of the token and sent as the end of a header or a path. */
static bool holds_field(bell_str value) {
    bell_str_cut(&value, '~');
    while (value.len > 0) {
        bell_str item = bell_str_cut(&value, '~'), rest = item, name = bell_str_cut(&rest, '=');
        if (bell_str_eq(name, names[FIELD_FULL_PATH]) || (name.len < item.len && is_letters(name))) {
            return true;
        }
    }
    return false;
}

static bool is_header_name(bell_str name) {
    for (size_t i = 0; i < name.len; i++) {
        char c = name.p[i];
        bool alnum = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!alnum && (c == '\0' || strchr("!#$%&'*+-.^_`|", c) == NULL)) {
            return false;
        }
    }
    return name.len > 0;
}

/* The same among headers: ",NAME=" would read as the next of them. */
static bool holds_header(bell_str value) {
    bell_str_cut(&value, ',');
    while (value.len > 0) {
        bell_str item = bell_str_cut(&value, ','), rest = item, name = bell_str_cut(&rest, '=');
        if (name.len < item.len && is_header_name(name)) {
            return true;
        }
    }
    return false;
}

static bell_signed_reason put_headers(const bell_signed_request *r, bell_str list, bell_signed_writer *w) {
    bell_str value, second;
    unsigned n = 0;

    for (bool more = true; more; n++) {
        size_t before = list.len;
        bell_str name = bell_str_cut(&list, ',');
        more = name.len < before;
        if (!is_header_name(name) || n == BELL_MEDIA_TOKEN_HEADERS) {
            return BELL_SIGNED_MALFORMED;
        }
        if (!r->field(r->data, name, 0, &value)) {
            value = BELL_STR_NULL; /* signed by nobody, or by somebody who meant it */
        } else if (r->field(r->data, name, 1, &second) || holds_field(value) || holds_header(value)) {
            return BELL_SIGNED_HEADER;
        }
        bell_signed_put(w, n > 0 ? BELL_STR(",") : BELL_STR_NULL);
        bell_signed_put(w, name);
        bell_signed_put(w, BELL_STR("="));
        bell_signed_put(w, value);
    }
    return BELL_SIGNED_OK;
}

static bell_signed_reason put_path(bell_str target, bell_signed_writer *w) {
    bell_str path, query;
    bool has_query;

    bell_signed_split(target, &path, &query, &has_query);
    bell_signed_put(w, BELL_STR("="));
    bell_signed_put(w, path);
    return holds_field(path) ? BELL_SIGNED_PATH : BELL_SIGNED_OK;
}

/* The fields with the path and the headers of the request, in the room. */
static bell_signed_reason write_bytes(const bell_signed_call *call, bell_str target, token *t) {
    bell_signed_writer w = {.p = call->room->p, .size = call->room->left};
    bell_signed_reason reason = BELL_SIGNED_OK;

    for (bell_str rest = t->body; rest.len > 0 && reason == BELL_SIGNED_OK;) {
        bell_str pair = bell_str_cut(&rest, '~'), value = pair, name = bell_str_cut(&value, '=');
        bell_signed_put(&w, w.len > 0 ? BELL_STR("~") : BELL_STR_NULL);
        if (bell_str_eq(name, names[FIELD_FULL_PATH])) {
            bell_signed_put(&w, name);
            reason = put_path(target, &w);
        } else if (bell_str_eq(name, names[FIELD_HEADERS])) {
            bell_signed_put(&w, name);
            bell_signed_put(&w, BELL_STR("="));
            reason = put_headers(call->request, value, &w);
        } else {
            bell_signed_put(&w, pair);
        }
    }
    if (reason == BELL_SIGNED_OK && (w.failed || w.p == NULL)) {
        reason = BELL_SIGNED_MALFORMED;
    }
    t->bytes = (bell_str){bell_signed_take(call->room, w.len), w.len};
    return reason;
}

static bool is_right(const bell_signed_call *call, const bell_signed_key *k, const token *t) {
    bell_str signature = {(const char *)t->signature, t->signature_len};
    unsigned char mac[BELL_SIGNED_MAC_MAX];

    if (t->alg == BELL_SIGNED_ED25519) {
        return bell_signed_verify(call, k, t->alg, t->bytes, signature);
    }
    size_t len = bell_signed_mac(k, &t->bytes, 1, mac);
    return bell_str_eq_secret((bell_str){(const char *)mac, len}, signature);
}

static bool is_for(const bell_signed_key *k, bell_signed_alg alg) {
    return alg == BELL_SIGNED_ED25519 ? k->type == BELL_SIGNED_EDDSA : k->type == BELL_SIGNED_SECRET && k->mac_alg == alg;
}

static bell_signed_reason verify(const bell_signed_call *call, const bell_media_cdn_options *options, const token *t, bell_signed_result *out) {
    bell_str id = options->token_keys.len > 0 ? options->token_keys : BELL_STR_NULL;
    bell_signed_reason reason = BELL_SIGNED_KEY;
    const bell_signed_key *k;
    size_t i = 0;

    for (unsigned tries = 0; tries < BELL_MEDIA_CDN_TRIES && (k = bell_signed_next_key(call->keys, id, call->request->now_s, &i)) != NULL;) {
        if (!is_for(k, t->alg)) {
            reason = reason == BELL_SIGNED_KEY ? BELL_SIGNED_ALGORITHM : reason;
            continue;
        }
        tries += t->alg == BELL_SIGNED_ED25519;
        reason = BELL_SIGNED_SIGNATURE;
        if (is_right(call, k, t)) {
            out->key_id = (bell_str){k->id, k->id_len};
            return BELL_SIGNED_OK;
        }
    }
    return reason;
}

/* ---- what it says */

/* Globs are joined by "!" or ",". */
static bool is_path_inside(bell_str globs, bell_str target) {
    bell_str path, query;
    bool has_query;

    bell_signed_split(target, &path, &query, &has_query);
    while (globs.len > 0) {
        size_t n = 0;
        while (n < globs.len && globs.p[n] != '!' && globs.p[n] != ',') {
            n++;
        }
        if (bell_signed_matches((bell_str){globs.p, n}, path, true)) {
            return true;
        }
        n += n < globs.len;
        globs = (bell_str){globs.p + n, globs.len - n};
    }
    return false;
}

static bell_signed_reason check_claims(const bell_signed_call *call, const token *t, bell_signed_result *out) {
    if (t->unknown || !bell_signed_is_text(t->values[FIELD_SESSION_ID]) || !bell_signed_is_text(t->values[FIELD_DATA])) {
        return BELL_SIGNED_MALFORMED;
    }
    out->subject = t->values[FIELD_SESSION_ID];
    out->data = t->values[FIELD_DATA];
    bell_str starts = t->has[FIELD_STARTS] ? t->values[FIELD_STARTS] : BELL_STR_NULL;
    bell_signed_reason r = bell_google_check_time(call->request->now_s, starts, t->values[FIELD_EXPIRES], out);
    if (r == BELL_SIGNED_OK && !bell_signed_is_plain_target(out->target)) {
        r = BELL_SIGNED_PATH;
    }
    if (r == BELL_SIGNED_OK && t->has[FIELD_URL_PREFIX]) {
        r = bell_google_check_prefix(call, t->values[FIELD_URL_PREFIX], out->target);
    }
    if (r == BELL_SIGNED_OK && t->has[FIELD_PATH_GLOBS] && !is_path_inside(t->values[FIELD_PATH_GLOBS], out->target)) {
        r = BELL_SIGNED_RESOURCE;
    }
    if (r == BELL_SIGNED_OK && t->has[FIELD_IP_RANGES]) {
        r = bell_google_check_ranges(call, t->values[FIELD_IP_RANGES]);
    }
    return r;
}

/* ---- the whole */

static bell_signed_reason try_text(const bell_signed_call *call, const bell_media_cdn_options *options, bell_str text, token *t,
                                   bell_signed_result *out) {
    if (!read_token(text, t)) {
        return BELL_SIGNED_MALFORMED;
    }
    bell_signed_reason r = write_bytes(call, out->target, t);
    return r == BELL_SIGNED_OK ? verify(call, options, t, out) : r;
}

bell_signed_reason bell_media_token_check(const bell_signed_call *call, const bell_media_cdn_options *options, bell_str text,
                                          bell_signed_result *out) {
    token t;

    if (text.len > BELL_GOOGLE_TEXT_MAX) {
        return BELL_SIGNED_MALFORMED;
    }
    bell_signed_reason r = try_text(call, options, text, &t, out);
    if ((r == BELL_SIGNED_MALFORMED || r == BELL_SIGNED_SIGNATURE) && memchr(text.p, '%', text.len) != NULL) {
        char *decoded = bell_signed_take(call->room, text.len);
        long len = decoded != NULL ? bell_url_decode(text, false, decoded) : -1;
        if (len > 0) {
            bell_signed_reason again = try_text(call, options, (bell_str){decoded, (size_t)len}, &t, out);
            r = again == BELL_SIGNED_MALFORMED ? r : again;
        }
    }
    return r == BELL_SIGNED_OK ? check_claims(call, &t, out) : r;
}
