#include "bell_path_token.h"

#include "bell_base64.h"

#include <ctype.h>
#include <stdio.h>

#define PURPOSE   "firstbell path token\n"
#define ANY_HOST  "v1"
#define ONE_HOST  "v1h"
#define SLASHED   "/" BELL_PATH_TOKEN_NAME
#define MAC_BYTES 32
#define MAC_CHARS BELL_BASE64URL_LEN(MAC_BYTES)
#define LAST_S    9999999999

bool bell_path_token_is_key_id(bell_str id) {
    for (size_t i = 0; i < id.len; i++) {
        if (!isalnum((unsigned char)id.p[i]) && id.p[i] != '-' && id.p[i] != '_') {
            return false;
        }
    }
    return id.len > 0 && id.len <= BELL_PATH_TOKEN_KEY_BYTES;
}

/* The first component of a path that begins with the name; false: none does. */
static bool find_component(bell_str path, bell_str *component) {
    const char *end = path.p + path.len, *slash = memchr(path.p, '/', path.len);

    while (slash != NULL && ((size_t)(end - slash) < strlen(SLASHED) || memcmp(slash, SLASHED, strlen(SLASHED)) != 0)) {
        slash = memchr(slash + 1, '/', (size_t)(end - slash - 1));
    }
    if (slash == NULL) {
        return false;
    }
    const char *next = memchr(slash + 1, '/', (size_t)(end - slash - 1));
    *component = (bell_str){slash + 1, (size_t)((next != NULL ? next : end) - slash - 1)};
    return true;
}

bool bell_path_token_is_prefix(bell_str prefix) {
    bell_str component;

    return prefix.len > 0 && prefix.len <= BELL_PATH_TOKEN_PREFIX_BYTES && prefix.p[0] == '/' && prefix.p[prefix.len - 1] == '/' &&
           memchr(prefix.p, '?', prefix.len) == NULL && bell_signed_is_plain_target(prefix) && !find_component(prefix, &component);
}

static bool is_printable(bell_str s, size_t most) {
    for (size_t i = 0; i < s.len; i++) {
        if (s.p[i] < 0x20 || s.p[i] > 0x7e) {
            return false;
        }
    }
    return s.len <= most;
}

/* One that a request could have in lower case, so that a token for it can ever count. */
static bool is_host(bell_str host) {
    for (size_t i = 0; i < host.len; i++) {
        if ((unsigned char)host.p[i] <= 0x20 || (unsigned char)host.p[i] >= 0x7f || (host.p[i] >= 'A' && host.p[i] <= 'Z') || host.p[i] == '/') {
            return false;
        }
    }
    return host.len <= BELL_PATH_TOKEN_HOST_BYTES;
}

static bool is_ours(const bell_signed_key *k) {
    return k->type == BELL_SIGNED_SECRET && k->mac_alg == BELL_SIGNED_HMAC_SHA256;
}

static bool make_mac(const bell_signed_key *k, bell_str host, bell_str prefix, bell_str head, unsigned char mac[BELL_SIGNED_MAC_MAX]) {
    const bell_str lf = BELL_STR("\n"), pieces[] = {BELL_STR(PURPOSE), host, lf, prefix, lf, head};

    return bell_signed_mac(k, pieces, sizeof(pieces) / sizeof(*pieces), mac) == MAC_BYTES;
}

long bell_path_token_write(const bell_signed_key *k, const bell_path_token *t, bell_str prefix, char out[BELL_PATH_TOKEN_MAX_BYTES]) {
    unsigned char mac[BELL_SIGNED_MAC_MAX];
    char from[24] = "";

    if (!is_ours(k) || !bell_path_token_is_key_id(bell_str_of(k->id)) || !bell_path_token_is_prefix(prefix) || !is_host(t->host) ||
        !is_printable(t->subject, BELL_PATH_TOKEN_SUBJECT_BYTES) || !is_printable(t->data, BELL_PATH_TOKEN_DATA_BYTES) || t->from_s < 0 ||
        t->until_s <= t->from_s || t->until_s > LAST_S || t->tenant_id > INT32_MAX) {
        return -1;
    }
    if (t->from_s > 0) {
        snprintf(from, sizeof(from), "%lld", (long long)t->from_s);
    }
    size_t head = strlen(BELL_PATH_TOKEN_NAME);
    size_t len = (size_t)snprintf(out, BELL_PATH_TOKEN_MAX_BYTES, BELL_PATH_TOKEN_NAME "%s.%s.%u.%s.%lld.", t->host.len > 0 ? ONE_HOST : ANY_HOST,
                                  k->id, t->tenant_id, from, (long long)t->until_s);
    len += bell_base64url_encode(t->subject.p, t->subject.len, out + len);
    out[len++] = '.';
    len += bell_base64url_encode(t->data.p, t->data.len, out + len);
    if (!make_mac(k, t->host, prefix, (bell_str){out + head, len - head}, mac)) {
        return -1;
    }
    out[len++] = '.';
    return (long)(len + bell_base64url_encode(mac, MAC_BYTES, out + len));
}

/* ---- checking */

/* The target without `component`, and without any other of the name behind it; where one ends the path, its slash stays. How many there were; 0: no
 * room. */
static unsigned strip(bell_signed_room *room, bell_str target, bell_str path, bell_str component, bell_str *out) {
    char *to = bell_signed_take(room, target.len);
    const char *end = path.p + path.len, *from = target.p;
    unsigned times = 0;
    size_t n;

    if (to == NULL) {
        return 0;
    }
    *out = (bell_str){to, 0};
    do {
        const char *behind = component.p + component.len;
        n = (size_t)(component.p - from) - (behind < end ? 1 : 0);
        memcpy(to + out->len, from, n);
        out->len += n;
        from = behind;
        times++;
    } while (find_component((bell_str){from, (size_t)(end - from)}, &component));
    n = (size_t)(target.p + target.len - from);
    memcpy(to + out->len, from, n);
    out->len += n;
    return times;
}

/* What stands between a token's dots. */
typedef enum { VERSION, KEY_ID, TENANT, FROM, UNTIL, SUBJECT, DATA, MAC, PARTS } part;

static bool split_parts(bell_str token, bell_str parts[PARTS]) {
    for (int i = 0; i < MAC; i++) {
        size_t before = token.len;
        parts[i] = bell_str_cut(&token, '.');
        if (parts[i].len == before) {
            return false;
        }
    }
    parts[MAC] = token;
    return token.len == MAC_CHARS && memchr(token.p, '.', token.len) == NULL;
}

static bool take_text(bell_signed_room *room, bell_str encoded, size_t most, bell_str *out) {
    char *text = encoded.len <= BELL_BASE64URL_LEN(most) ? bell_signed_take(room, encoded.len) : NULL;
    long len = text != NULL ? bell_base64url_decode(encoded, (unsigned char *)text) : -1;

    if (len < 0 || !is_printable((bell_str){text, (size_t)len}, most)) {
        return false;
    }
    *out = (bell_str){text, (size_t)len};
    return true;
}

static bool read_parts(bell_signed_room *room, const bell_str parts[PARTS], bell_path_token *t) {
    bell_str tenant = parts[TENANT], from = parts[FROM];
    uint64_t id;

    if (!bell_str_to_u64(tenant, INT32_MAX, &id) || (tenant.len > 1 && tenant.p[0] == '0') || !bell_signed_seconds(parts[UNTIL], &t->until_s) ||
        (from.len > 0 && (!bell_signed_seconds(from, &t->from_s) || t->from_s == 0)) || t->until_s <= t->from_s) {
        return false;
    }
    t->tenant_id = (uint32_t)id;
    return take_text(room, parts[SUBJECT], BELL_PATH_TOKEN_SUBJECT_BYTES, &t->subject) &&
           take_text(room, parts[DATA], BELL_PATH_TOKEN_DATA_BYTES, &t->data);
}

static bell_signed_reason judge(const bell_signed_request *r, const bell_path_token *t, bell_signed_result *out) {
    out->subject = t->subject;
    out->data = t->data;
    out->expires_s = t->until_s;
    if (t->tenant_id != r->tenant_id) {
        return BELL_SIGNED_TENANT;
    }
    if (r->now_s >= t->until_s) {
        return BELL_SIGNED_EXPIRED;
    }
    return r->now_s < t->from_s ? BELL_SIGNED_NOT_YET : BELL_SIGNED_OK;
}

static bool is_right_mac(const bell_signed_key *k, bell_str host, bell_str prefix, bell_str head, bell_str given) {
    unsigned char mac[BELL_SIGNED_MAC_MAX], theirs[MAC_CHARS];

    return bell_base64url_decode(given, theirs) == MAC_BYTES && make_mac(k, host, prefix, head, mac) &&
           bell_str_eq_secret((bell_str){(char *)mac, MAC_BYTES}, (bell_str){(char *)theirs, MAC_BYTES});
}

/* token: the component without its name. */
static bell_signed_reason verify(const bell_signed_call *call, const bell_path_token_options *options, bell_str prefix, bell_str token,
                                 const bell_str parts[PARTS], bell_signed_result *out) {
    bell_path_token t = {0};
    bool one_host = bell_str_eq(parts[VERSION], BELL_STR(ONE_HOST));

    if (!one_host && !bell_str_eq(parts[VERSION], BELL_STR(ANY_HOST))) {
        return BELL_SIGNED_VERSION;
    }
    const bell_signed_key *k = bell_path_token_is_key_id(parts[KEY_ID]) ? bell_signed_find(call->keys, parts[KEY_ID], call->request->now_s) : NULL;
    if (k == NULL) {
        return BELL_SIGNED_KEY;
    }
    if (!is_ours(k)) {
        return BELL_SIGNED_ALGORITHM;
    }
    out->key_id = (bell_str){k->id, k->id_len};
    bell_str host = one_host ? call->request->host : BELL_STR_NULL, head = {token.p, token.len - MAC_CHARS - 1};
    if (!is_right_mac(k, host, prefix, head, parts[MAC])) {
        return BELL_SIGNED_SIGNATURE;
    }
    if (!read_parts(call->room, parts, &t)) {
        return BELL_SIGNED_MALFORMED;
    }
    bell_signed_reason reason = judge(call->request, &t, out);
    return reason == BELL_SIGNED_OK && options->one_host && !one_host ? BELL_SIGNED_RESOURCE : reason;
}

bell_signed_reason bell_path_token_check(const bell_signed_call *call, const bell_path_token_options *options, bell_signed_result *out) {
    bell_str target = call->request->target, path, query, component, parts[PARTS];
    bool has_query;

    *out = (bell_signed_result){0};
    bell_signed_split(target, &path, &query, &has_query);
    if (!find_component(path, &component)) {
        return BELL_SIGNED_MISSING;
    }
    bell_str prefix = {target.p, (size_t)(component.p - target.p)};
    bell_str token = {component.p + strlen(BELL_PATH_TOKEN_NAME), component.len - strlen(BELL_PATH_TOKEN_NAME)};
    out->token = component;
    out->target = prefix; /* should there be no room for all of it */
    if (strip(call->room, target, path, component, &out->target) != 1 || component.len >= BELL_PATH_TOKEN_MAX_BYTES || !split_parts(token, parts)) {
        return BELL_SIGNED_MALFORMED;
    }
    /* the token itself is plain when its MAC is right, and leads nowhere when it is not */
    if (prefix.len > BELL_PATH_TOKEN_PREFIX_BYTES || !bell_signed_is_plain_target(out->target)) {
        return BELL_SIGNED_PATH;
    }
    return verify(call, options, prefix, token, parts, out);
}
