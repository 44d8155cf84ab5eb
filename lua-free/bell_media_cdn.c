#include "bell_media_cdn.h"

#include "bell_google_form.h"
#include "bell_media_token.h"

#define SIGNATURE_BYTES 64
#define MAC_BYTES       20 /* of a signature of Cloud CDN, whose URLs look the same */
#define SIGNATURE_TEXT  96 /* of 88 characters, escaped */
#define NAME_BYTES      64

#define COMPONENT BELL_STR("/edge-cache-token=")

static bool is_key_name(bell_str name) {
    for (size_t i = 0; i < name.len; i++) {
        char c = name.p[i];
        if (c != '-' && c != '_' && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9')) {
            return false;
        }
    }
    return name.len > 0 && name.len <= NAME_BYTES;
}

/* The URL up to `end`, in the room: p is NULL when it does not fit. */
static bell_str url_up_to(const bell_signed_call *call, const char *end) {
    const bell_signed_request *r = call->request;
    bell_str pieces[] = {r->scheme, BELL_STR("://"), r->host, {r->target.p, (size_t)(end - r->target.p)}};
    size_t len = pieces[0].len + pieces[1].len + pieces[2].len + pieces[3].len, n = 0;
    char *p = bell_signed_take(call->room, len);

    for (size_t i = 0; p != NULL && i < 4; i++) {
        if (pieces[i].len > 0) { /* a request may have no host */
            memcpy(p + n, pieces[i].p, pieces[i].len);
            n += pieces[i].len;
        }
    }
    return (bell_str){p, n};
}

/* OK, or how it ended with the last key. */
static bell_signed_reason try_keys(const bell_signed_call *call, bell_str name, bell_str bytes, bell_str signature, bell_signed_result *out) {
    const bell_signed_key *k;
    size_t i = 0;

    for (unsigned tries = 0; tries < BELL_MEDIA_CDN_TRIES && (k = bell_signed_next_key(call->keys, name, call->request->now_s, &i)) != NULL;) {
        if (k->type != BELL_SIGNED_EDDSA) {
            continue;
        }
        tries++;
        out->key_id = (bell_str){k->id, k->id_len};
        if (bell_signed_verify(call, k, BELL_SIGNED_ED25519, bytes, signature)) {
            return BELL_SIGNED_OK;
        }
    }
    return out->key_id.p != NULL ? BELL_SIGNED_SIGNATURE : BELL_SIGNED_KEY;
}

/* `whole_url`: the URL up to the signature is signed, else the fields. */
static bell_signed_reason verify(const bell_signed_call *call, const bell_google_form *f, bool whole_url, bell_signed_result *out) {
    unsigned char raw[SIGNATURE_TEXT];
    bell_str signature = {(const char *)raw, SIGNATURE_BYTES};

    long len = f->signature.len <= SIGNATURE_TEXT ? bell_google_decode(f->signature, raw) : -1;
    if (len == MAC_BYTES) {
        return BELL_SIGNED_MISSING;
    }
    if (len != SIGNATURE_BYTES || !is_key_name(f->key_name)) {
        return BELL_SIGNED_MALFORMED;
    }
    bell_str bytes = whole_url ? url_up_to(call, f->fields.p + f->fields.len) : f->fields;
    if (bytes.p == NULL) {
        return BELL_SIGNED_MALFORMED;
    }
    bell_signed_reason r = try_keys(call, f->key_name, bytes, signature, out);
    if (r == BELL_SIGNED_SIGNATURE && !whole_url) {
        bell_str unescaped = bell_google_unescape_padding(call->room, f->fields);
        r = unescaped.p != NULL ? try_keys(call, f->key_name, unescaped, signature, out) : r;
    }
    return r;
}

static bell_signed_reason check_form(const bell_signed_call *call, const bell_google_form *f, bool whole_url, bell_signed_result *out) {
    bell_signed_reason r = verify(call, f, whole_url, out);

    if (r == BELL_SIGNED_OK) {
        r = bell_google_check_time(call->request->now_s, BELL_STR_NULL, f->expires, out);
    }
    if (r == BELL_SIGNED_OK && !bell_signed_is_plain_target(out->target)) {
        r = BELL_SIGNED_PATH;
    }
    if (r == BELL_SIGNED_OK && f->prefix.p != NULL) {
        r = bell_google_check_prefix(call, f->prefix, out->target);
    }
    if (r == BELL_SIGNED_OK && f->ip_ranges.p != NULL) {
        r = bell_google_check_ranges(call, f->ip_ranges);
    }
    return r;
}

static bell_signed_reason check_url(const bell_signed_call *call, bell_str text, bell_signed_result *out) {
    const bell_str *target = &call->request->target;
    bell_google_form f;

    if (!bell_google_form_read(&text, '&', true, &f)) {
        return BELL_SIGNED_MALFORMED;
    }
    if (f.prefix.p == NULL && f.whole.p + f.whole.len != target->p + target->len) {
        return BELL_SIGNED_MALFORMED; /* it would not be signed */
    }
    out->token = f.whole;
    return check_form(call, &f, f.prefix.p == NULL, out);
}

/* `component`: the segment without its slashes and its name. */
static bell_signed_reason check_component(const bell_signed_call *call, bell_str component, bool ends, bell_signed_result *out) {
    bell_str text = component;
    bell_google_form f;

    if (!ends || !bell_google_form_read(&text, '&', true, &f) || f.prefix.p != NULL || f.whole.len != component.len) {
        return BELL_SIGNED_MALFORMED;
    }
    return check_form(call, &f, true, out);
}

static bell_signed_reason check_cookie(const bell_signed_call *call, const bell_media_cdn_options *options, bell_signed_result *out) {
    bell_str name = options->cookie.len > 0 ? options->cookie : BELL_STR("Edge-Cache-Cookie");
    bell_google_form f;
    unsigned times = bell_signed_cookie(call->request, name, &out->token);

    if (times == 0 || (times == 1 && out->token.len == 0)) {
        return BELL_SIGNED_MISSING;
    }
    if (times > 1) {
        return BELL_SIGNED_MALFORMED;
    }
    bell_str text = out->token;
    if (bell_google_form_read(&text, ':', true, &f) && f.prefix.p != NULL && f.whole.len == out->token.len) {
        return check_form(call, &f, false, out);
    }
    return options->token_param.len > 0 ? bell_media_token_check(call, options, out->token, out) : BELL_SIGNED_MALFORMED;
}

/* ---- where tokens are */

typedef struct {
    bell_str component; /* what stands behind "/edge-cache-token=" in its segment */
    unsigned components;
    bool ends; /* by a slash: something follows that it is for */
    int form;  /* as bell_google_form_find() says */
    bell_str form_text;
    unsigned params;
    bell_str param;
} carriers;

static void find_carriers(const bell_signed_request *r, const bell_media_cdn_options *options, carriers *c) {
    bell_str path, query, rest;
    bool has_query;

    bell_signed_split(r->target, &path, &query, &has_query);
    rest = path;
    for (const char *at; (at = rest.len > 0 ? memmem(rest.p, rest.len, COMPONENT.p, COMPONENT.len) : NULL) != NULL;) {
        const char *start = at + COMPONENT.len;
        rest = (bell_str){start, rest.len - (size_t)(start - rest.p)};
        bell_str after = rest, component = bell_str_cut(&after, '/');
        if (c->components++ == 0) {
            c->component = component;
            c->ends = component.len < rest.len;
        }
    }
    c->form = bell_google_form_find(query, true, &c->form_text);
    if (options->token_param.len > 0) {
        c->params = bell_signed_param(query, options->token_param, &c->param);
    }
}

/* The path without its components, the query without what is the token's. The room given to the query's part is lost where both are cut, which is
 * malformed anyway. */
static bell_str strip(const bell_signed_call *call, const bell_media_cdn_options *options, const carriers *c) {
    bell_str target = call->request->target;

    if (c->form != 0) {
        target = bell_google_form_strip(call->room, target, true);
    }
    if (c->params > 0 && target.p != NULL) {
        target = bell_signed_strip(call->room, target, &options->token_param, 1);
    }
    char *p = c->components > 0 && target.p != NULL ? bell_signed_take(call->room, target.len) : NULL;
    if (p == NULL) {
        return c->components > 0 ? BELL_STR_NULL : target;
    }
    size_t n = 0, end = target.len;
    const char *query = memchr(target.p, '?', target.len);
    size_t path = query != NULL ? (size_t)(query - target.p) : end;
    for (size_t i = 0; i < end;) {
        if (i < path && bell_str_starts((bell_str){target.p + i, path - i}, COMPONENT)) {
            bell_str rest = {target.p + i + 1, path - i - 1}, segment = bell_str_cut(&rest, '/');
            i += 1 + segment.len;
            if (i == path) {
                p[n++] = '/'; /* the last segment: its folder */
            }
        } else {
            p[n++] = target.p[i++];
        }
    }
    return (bell_str){p, n};
}

static bool set_target(const bell_signed_call *call, const bell_media_cdn_options *options, const carriers *c, bell_signed_result *out) {
    out->target = strip(call, options, c);
    if (out->target.p == NULL) { /* no room: all from where the first token may be goes */
        bell_str query;
        bool has_query;
        bell_signed_split(call->request->target, &out->target, &query, &has_query);
        if (c->components > 0) {
            out->target.len = (size_t)(c->component.p - out->target.p) - COMPONENT.len + 1;
        }
        return false;
    }
    return true;
}

bell_signed_reason bell_media_cdn_check(const bell_signed_call *call, const bell_media_cdn_options *options, bell_signed_result *out) {
    carriers c = {0};

    *out = (bell_signed_result){0};
    find_carriers(call->request, options, &c);
    bool has_token = c.params > 1 || c.param.len > 0, has_room = set_target(call, options, &c, out);
    if (c.components == 0 && c.form == 0 && !has_token) {
        bell_signed_reason r = check_cookie(call, options, out);
        return has_room ? r : BELL_SIGNED_MALFORMED;
    }
    out->token = c.components > 0 ? c.component : c.form != 0 ? c.form_text : c.param;
    if (!has_room || c.components + (c.form != 0) + has_token > 1 || c.form < 0 || c.params > 1) {
        return BELL_SIGNED_MALFORMED;
    }
    if (c.components > 0) {
        return check_component(call, c.component, c.ends, out);
    }
    return c.form != 0 ? check_url(call, c.form_text, out) : bell_media_token_check(call, options, c.param, out);
}
