#include "bell_hls.h"

#include "bell_google_cdn.h"
#include "bell_path_token.h"
#include "bell_signed_text.h"

#define STEPS 8 /* of a lifetime, for which tokens stay the same */

static bell_str path_of(bell_str target) {
    bell_str path, query;
    bool has_query;

    bell_signed_split(target, &path, &query, &has_query);
    return path;
}

static bell_str folder_of(bell_str path) {
    while (path.len > 0 && path.p[path.len - 1] != '/') {
        path.len--;
    }
    return path;
}

static bell_str behind(bell_str s, size_t n) {
    return (bell_str){s.p + n, s.len - n};
}

/* Pieces, one behind the other, in the room; p is NULL: they do not fit. */
static bell_str join(bell_signed_room *room, const bell_str *pieces, size_t n) {
    size_t len = 0;

    for (size_t i = 0; i < n; i++) {
        len += pieces[i].len;
    }
    bell_signed_writer w = {.p = bell_signed_take(room, len), .size = len};
    if (w.p == NULL) {
        return BELL_STR_NULL;
    }
    for (size_t i = 0; i < n; i++) {
        bell_signed_put(&w, pieces[i]);
    }
    return (bell_str){w.p, w.len};
}

/* ---- one token */

static size_t write_component(const bell_hls *h, bell_str folder, char *out) {
    bell_path_token t = {.tenant_id = h->tenant_id, .until_s = h->until_s, .subject = h->subject, .data = h->data, .host = h->base.host};
    long len = bell_path_token_write(h->key, &t, folder, out);

    return len > 0 ? (size_t)len : 0;
}

static bool must_escape(char c) {
    return (unsigned char)c <= ' ' || (unsigned char)c >= 0x7f || strchr("\"#&+<>", c) != NULL;
}

static bool is_plain_value(bell_str s) {
    for (size_t i = 0; i < s.len; i++) {
        if (must_escape(s.p[i])) {
            return false;
        }
    }
    return true;
}

/* "NAME=TOKEN". A verifier takes the value as it was sent, or decoded: where it is escaped, its own escapes are as well. */
static size_t put_parameter(bell_str name, bell_str value, char *out) {
    static const char digits[] = "0123456789ABCDEF";
    bell_signed_writer w = {.p = out, .size = BELL_HLS_TOKEN_MAX};
    bool is_plain = is_plain_value(value);

    bell_signed_put(&w, name);
    bell_signed_put(&w, BELL_STR("="));
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.p[i];
        const char escaped[3] = {'%', digits[c >> 4], digits[c & 15]};
        bool is_escaped = !is_plain && (c == '%' || must_escape(value.p[i]));
        bell_signed_put(&w, is_escaped ? (bell_str){escaped, 3} : (bell_str){value.p + i, 1});
    }
    return w.failed ? 0 : w.len;
}

static size_t write_akamai(const bell_hls *h, bell_str acl, bell_str url, char *out) {
    bell_akamai_grant grant = {
        .acl = acl, .url = url, .id = h->subject, .data = h->data, .salt = h->akamai->salt, .expires_s = h->until_s, .escape = h->akamai->escape};
    bell_signed_room room = h->room;
    char *token = bell_signed_take(&room, BELL_HLS_ROOM / 2);
    size_t len = token != NULL ? bell_akamai_sign(h->key, &grant, token, BELL_HLS_ROOM / 2) : 0;

    return len > 0 ? put_parameter(h->akamai->name, (bell_str){token, len}, out) : 0;
}

/* Whether the path is a pattern for itself alone. */
static bool is_acl(bell_str path) {
    for (size_t i = 0; i < path.len; i++) {
        if (strchr("!*?~", path.p[i]) != NULL) {
            return false;
        }
    }
    return true;
}

static size_t write_acl(bell_hls *h, bell_str path, bool is_folder, char *out) {
    bell_signed_room room = h->room;
    const bell_str pieces[] = {path, BELL_STR("*")};
    bell_str acl = is_acl(path) ? join(&h->room, pieces, is_folder ? 2 : 1) : BELL_STR_NULL;
    size_t len = acl.p != NULL ? write_akamai(h, acl, BELL_STR_NULL, out) : 0;

    h->room = room;
    return len;
}

/* For all below a directory, or for one path. */
static size_t write_token(bell_hls *h, bell_str path, bool is_folder, char *out) {
    const bell_str url[3] = {h->base.scheme, h->base.host, path};

    if (h->key == NULL || path.len > BELL_HLS_FOLDER_MAX) {
        return 0;
    }
    switch (h->scheme) {
    case BELL_HLS_PATH:
        return is_folder ? write_component(h, path, out) : 0;
    case BELL_HLS_AKAMAI:
        return write_acl(h, path, is_folder, out);
    case BELL_HLS_GOOGLE_CDN:
        return bell_google_cdn_sign(h->key, url, h->until_s, out, BELL_HLS_TOKEN_MAX);
    default:
        return 0;
    }
}

/* ---- which token */

/* Servers merge slashes: "//" is the root as well. */
static bool is_root(bell_str path) {
    for (size_t i = 0; i < path.len; i++) {
        if (path.p[i] != '/') {
            return false;
        }
    }
    return path.len > 0;
}

static bool may_open_root(const bell_hls *h) {
    return is_root(h->below);
}

static bool is_inside(const bell_hls *h, bell_str path) {
    return bell_str_starts(path, h->below);
}

static bool is_own(const bell_hls *h, bell_str path) {
    return bell_str_starts(path, h->folder) && is_inside(h, h->folder) && (!is_root(h->folder) || may_open_root(h));
}

static bell_str token_of(const bell_hls_token *t) {
    return (bell_str){t->text, t->len};
}

/* The one that was made last is kept: what stands elsewhere mostly stands together. */
static bell_str other_token(bell_hls *h, bell_str path, bool is_folder) {
    bell_str kept = {h->other_is_for, h->other_is_for_len};

    if (path.len > sizeof(h->other_is_for)) {
        return BELL_STR_NULL;
    }
    if (!h->other.known || !bell_str_eq(kept, path)) {
        h->other.len = write_token(h, path, is_folder, h->other.text);
        h->other.known = h->other.len > 0;
        memcpy(h->other_is_for, path.p, path.len);
        h->other_is_for_len = path.len;
    }
    return token_of(&h->other);
}

bool bell_hls_init(bell_hls *h) {
    h->folder = folder_of(path_of(h->base.target));
    h->other.known = false;
    if (h->scheme == BELL_HLS_INHERIT) {
        return h->query.len > 0 || h->component.len > 0;
    }
    h->own.len = write_token(h, h->folder, true, h->own.text);
    h->own.known = h->own.len > 0;
    return h->own.known;
}

/* ---- one URI */

static bool has_parameter(bell_str target, bell_str name) {
    bell_str path, query, value;
    bool has_query;

    bell_signed_split(target, &path, &query, &has_query);
    return bell_signed_param(query, name, &value) > 0;
}

static bool has_any_parameter(bell_str target, bell_str pairs) {
    bell_str pair, name, value;

    while (bell_signed_next_pair(&pairs, &pair, &name, &value)) {
        if (has_parameter(target, name)) {
            return true;
        }
    }
    return false;
}

static bool has_component(bell_str path, bell_str component) {
    bell_str name = bell_str_cut(&component, '=');

    for (const char *p = path.p, *end = path.p + path.len; p < end && (p = memchr(p, '/', (size_t)(end - p))) != NULL; p++) {
        bell_str rest = {p + 1, (size_t)(end - p) - 1};
        if (bell_str_starts(rest, name) && rest.len > name.len && rest.p[name.len] == '=') {
            return true;
        }
    }
    return false;
}

/* `component` without its slash, between the folder and what is below it. */
static bool put_component(bell_hls *h, bell_str target, bell_str folder, bell_str component, bell_m3u8_change *change) {
    const bell_str pieces[] = {folder, component, BELL_STR("/"), behind(target, folder.len)};

    change->uri = join(&h->room, pieces, 4);
    return change->uri.p != NULL;
}

/* The target without what the rewriter takes for a separator where it puts a query behind it: nothing is left of that when the query is cut. */
static bell_str without_separator(bell_str target) {
    const char *mark = memchr(target.p, '?', target.len), *last = target.p + target.len - 1;

    target.len -= mark != NULL && (mark == last || *last == '&');
    return target;
}

static bool put_query(bell_hls *h, bell_str target, bell_str query, bell_m3u8_change *change) {
    bell_str own = without_separator(target);
    bool has_query = memchr(own.p, '?', own.len) != NULL;
    const bell_str pieces[] = {own, has_query ? BELL_STR("&") : BELL_STR("?"), query};

    if (!h->whole_paths) {
        change->query = query;
        return true;
    }
    change->uri = join(&h->room, pieces, 3);
    return change->uri.p != NULL;
}

static bool edit_path(bell_hls *h, bell_str target, bell_str path, bell_m3u8_change *change) {
    bell_str folder = is_own(h, path) ? h->folder : folder_of(path);

    if (has_component(path, BELL_STR(BELL_PATH_TOKEN_NAME)) || !is_inside(h, folder) || (is_root(folder) && !may_open_root(h))) {
        return false;
    }
    bell_str token = is_own(h, path) ? token_of(&h->own) : other_token(h, folder, true);
    return token.len > 0 && put_component(h, target, folder, token, change);
}

static bool edit_akamai(bell_hls *h, bell_str target, bell_str path, bell_m3u8_change *change) {
    if (has_parameter(target, h->akamai->name)) {
        return false;
    }
    bell_str token = is_own(h, path) ? token_of(&h->own) : other_token(h, path, false);
    if (token.len == 0 && h->key != NULL && !is_acl(path)) {
        /* a path that no pattern can be made of is hashed as it is */
        char *text = bell_signed_take(&h->room, BELL_HLS_TOKEN_MAX);
        token = (bell_str){text, text != NULL ? write_akamai(h, BELL_STR_NULL, h->akamai->ignore_query ? path : without_separator(target), text) : 0};
    }
    return token.len > 0 && put_query(h, target, token, change);
}

/* What begins with a directory's path is all of it: elsewhere that is no object. */
static bool edit_google(bell_hls *h, bell_str target, bell_str path, bell_m3u8_change *change) {
    bool is_folder = path.p[path.len - 1] == '/';

    if (has_any_parameter(target, BELL_STR("URLPrefix=&Expires=&KeyName=&Signature=")) || (is_folder && !is_own(h, path) && !may_open_root(h))) {
        return false;
    }
    bell_str token = is_own(h, path) ? token_of(&h->own) : other_token(h, path, false);
    return token.len > 0 && put_query(h, target, token, change);
}

static bool edit_inherited(bell_hls *h, bell_str target, bell_str path, bell_m3u8_change *change) {
    bell_str component = h->component;

    if (component.len > 0) {
        component.len--;
        return bell_str_starts(path, h->before) && !has_component(path, component) && put_component(h, target, h->before, component, change);
    }
    return !has_any_parameter(target, h->query) && put_query(h, target, h->query, change);
}

bool bell_hls_edit(void *data, const bell_m3u8_uri *uri, bell_m3u8_change *change) {
    bell_hls *h = data;
    bell_signed_room room = h->room;
    bell_str path = path_of(uri->target);
    bool done = false;

    if (!is_inside(h, path)) {
        return false;
    }
    switch (h->scheme) {
    case BELL_HLS_PATH:
        done = edit_path(h, uri->target, path, change);
        break;
    case BELL_HLS_AKAMAI:
        done = edit_akamai(h, uri->target, path, change);
        break;
    case BELL_HLS_GOOGLE_CDN:
        done = edit_google(h, uri->target, path, change);
        break;
    case BELL_HLS_INHERIT:
        done = edit_inherited(h, uri->target, path, change);
        break;
    case BELL_HLS_NONE:
        break;
    }
    h->room = room; /* what lies there is read before the next one */
    return done;
}

/* ---- keys and times */

const bell_signed_key *bell_hls_choose_key(const bell_signed_keys *keys, bell_signed_alg alg, int64_t now_s, int64_t *until_s) {
    const bell_signed_key *k, *longest = NULL;
    size_t i = 0;

    while ((k = bell_signed_next_key(keys, BELL_STR_NULL, now_s, &i)) != NULL) {
        if (k->type != BELL_SIGNED_SECRET || k->mac_alg != alg) {
            continue;
        }
        if (k->until_s == 0 || k->until_s >= *until_s) {
            return k;
        }
        if (longest == NULL || k->until_s > longest->until_s) {
            longest = k;
        }
    }
    if (longest != NULL) {
        *until_s = longest->until_s;
    }
    return longest;
}

int64_t bell_hls_until(int64_t now_s, int64_t lifetime_s, int64_t most_s) {
    int64_t step = lifetime_s >= STEPS ? lifetime_s / STEPS : 1, until_s = now_s + lifetime_s;

    until_s -= until_s % step;
    return most_s > 0 && most_s < until_s ? most_s : until_s;
}

/* ---- the token of a request */

static bell_str lost_parameters(bell_str was, bell_str left, bell_signed_room *room) {
    bell_str pair, name, value, kept = BELL_STR_NULL, kept_name, kept_value;
    bell_signed_writer w = {.p = bell_signed_take(room, was.len), .size = was.len};
    bool has_kept = bell_signed_next_pair(&left, &kept, &kept_name, &kept_value);

    if (w.p == NULL) {
        return BELL_STR_NULL;
    }
    while (bell_signed_next_pair(&was, &pair, &name, &value)) {
        if (has_kept && bell_str_eq(pair, kept)) {
            has_kept = bell_signed_next_pair(&left, &kept, &kept_name, &kept_value);
            continue;
        }
        if (w.len > 0) {
            bell_signed_put(&w, BELL_STR("&"));
        }
        bell_signed_put(&w, pair);
    }
    return (bell_str){w.p, w.len};
}

/* The cut path is the other one's without one component. */
static void lost_component(bell_str was, bell_str left, bell_str *before, bell_str *component) {
    size_t n = 0;

    while (n < was.len && n < left.len && was.p[n] == left.p[n]) {
        n++;
    }
    bell_str front = folder_of((bell_str){was.p, n}), rest = behind(left, front.len), lost = behind(was, front.len);
    if (front.len == 0 || lost.len <= rest.len) {
        return;
    }
    lost.len -= rest.len;
    if (memcmp(lost.p + lost.len, rest.p, rest.len) == 0 && memchr(lost.p, '/', lost.len) == lost.p + lost.len - 1 &&
        memchr(lost.p, '=', lost.len) != NULL) {
        *before = front;
        *component = lost;
    }
}

void bell_hls_find_token(bell_str target, bell_str cut, bell_signed_room *room, bell_str *query, bell_str *before, bell_str *component) {
    bell_str path, args, left_path, left_args;
    bool has_query;

    *query = *before = *component = BELL_STR_NULL;
    bell_signed_split(target, &path, &args, &has_query);
    bell_signed_split(cut, &left_path, &left_args, &has_query);
    if (bell_str_eq(path, left_path)) {
        *query = lost_parameters(args, left_args, room);
    } else {
        lost_component(path, left_path, before, component);
    }
}
