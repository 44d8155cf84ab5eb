#include "bell_context.h"

#include "bell_base64.h"
#include "bell_context_key.h"

#include <openssl/evp.h>
#include <stdio.h>

#define VERSION    "v1."
#define MAC_BYTES  32
#define MAC_CHARS  BELL_BASE64URL_LEN(MAC_BYTES)
#define METHOD_MAX 32

/* The parts in base64url, in the order of the header. */
typedef struct {
    bell_str *value;
    size_t most;
} part;

#define PARTS 4

static void list_parts(bell_context_claims *c, part parts[PARTS]) {
    parts[0] = (part){&c->subject, BELL_CONTEXT_SUBJECT_BYTES};
    parts[1] = (part){&c->role, BELL_CONTEXT_ROLE_BYTES};
    parts[2] = (part){&c->scopes, BELL_CONTEXT_SCOPES_BYTES};
    parts[3] = (part){&c->request_id, BELL_CONTEXT_REQUEST_BYTES};
}

static bool is_printable(bell_str s, size_t most) {
    for (size_t i = 0; i < s.len; i++) {
        if (s.p[i] < 0x20 || s.p[i] > 0x7e) {
            return false;
        }
    }
    return s.len <= most;
}

/* No byte that could end the method or the line before it; what a target may be made of otherwise is not asked here. */
static bool is_one_word(bell_str s) {
    for (size_t i = 0; i < s.len; i++) {
        if ((unsigned char)s.p[i] <= 0x20 || s.p[i] == 0x7f) {
            return false;
        }
    }
    return s.len > 0;
}

static bool is_request(bell_str method, bell_str target) {
    return method.len <= METHOD_MAX && is_one_word(method) && is_one_word(target) && target.p[0] == '/';
}

/* MAC_CHARS and NUL. */
static bool make_mac(const bell_hmac *h, bell_str head, bell_str method, bell_str target, char out[MAC_CHARS + 1]) {
    unsigned char mac[BELL_HMAC_MAX];
    const bell_str pieces[] = {head, BELL_STR("\n"), method, BELL_STR(" "), target};

    if (bell_hmac_of(h, pieces, sizeof(pieces) / sizeof(*pieces), mac) != MAC_BYTES) {
        return false;
    }
    bell_base64url_encode(mac, MAC_BYTES, out);
    return true;
}

long bell_context_write(bell_context_key *k, const bell_context_claims *c, bell_str method, bell_str target, char out[BELL_CONTEXT_MAX_BYTES]) {
    bell_context_claims copy = {.subject = c->subject, .role = c->role, .scopes = c->scopes, .request_id = c->request_id};
    part parts[PARTS];

    list_parts(&copy, parts);
    if (!is_request(method, target) || c->time_s < 0 || c->tenant_id == 0 || !bell_context_key_serves(k, c->tenant_id)) {
        return -1;
    }
    size_t len = (size_t)snprintf(out, BELL_CONTEXT_MAX_BYTES, VERSION "%s.%lld.%u", k->id, (long long)c->time_s, c->tenant_id);
    for (size_t i = 0; i < PARTS; i++) {
        if (!is_printable(*parts[i].value, parts[i].most)) {
            return -1;
        }
        out[len++] = '.';
        len += bell_base64url_encode(parts[i].value->p, parts[i].value->len, out + len);
    }
    char *mac = out + len + 1;
    if (!make_mac(&k->mac, (bell_str){out, len}, method, target, mac)) {
        return -1;
    }
    out[len] = '.';
    return (long)(len + 1 + MAC_CHARS);
}

/* ---- verifying */

static bell_context_key *find_key(bell_context_key *const *keys, size_t nkeys, bell_str id) {
    for (size_t i = 0; i < nkeys; i++) {
        if (bell_str_eq(bell_str_of(keys[i]->id), id)) {
            return keys[i];
        }
    }
    return NULL;
}

static bool take_number(bell_str *rest, uint64_t max, uint64_t *out) {
    bell_str digits = bell_str_cut(rest, '.');
    return (digits.len == 1 || (digits.len > 1 && digits.p[0] != '0')) && bell_str_to_u64(digits, max, out);
}

/* Decodes one part to *room, which is moved on behind it. */
static bool take_part(bell_str *rest, const part *p, char **room) {
    bell_str in = bell_str_cut(rest, '.');

    if (in.len > BELL_BASE64URL_LEN(p->most)) {
        return false;
    }
    long len = bell_base64url_decode(in, (unsigned char *)*room);
    if (len < 0 || !is_printable((bell_str){*room, (size_t)len}, p->most)) {
        return false;
    }
    *p->value = (bell_str){*room, (size_t)len};
    *room += len;
    return true;
}

/* The parts behind the key's id, up to the MAC. */
static bool read_parts(bell_str rest, bell_context_claims *out) {
    part parts[PARTS];
    uint64_t time_s, tenant_id;
    char *room = out->text;
    size_t dots = 0;

    for (size_t i = 0; i < rest.len; i++) {
        dots += rest.p[i] == '.';
    }
    if (dots != PARTS + 1 || !take_number(&rest, INT64_MAX, &time_s) || !take_number(&rest, INT32_MAX, &tenant_id) || tenant_id == 0) {
        return false;
    }
    out->time_s = (int64_t)time_s;
    out->tenant_id = (uint32_t)tenant_id;
    list_parts(out, parts);
    for (size_t i = 0; i < PARTS; i++) {
        if (!take_part(&rest, &parts[i], &room)) {
            return false;
        }
    }
    return true;
}

static bell_context_verdict judge(const bell_context_claims *c, int64_t now_s) {
    if (c->time_s < now_s - BELL_CONTEXT_WINDOW_S) {
        return BELL_CONTEXT_TOO_OLD;
    }
    if (c->time_s > now_s + BELL_CONTEXT_WINDOW_S) {
        return BELL_CONTEXT_FROM_FUTURE;
    }
    return bell_context_key_serves(c->key, c->tenant_id) ? BELL_CONTEXT_OK : BELL_CONTEXT_WRONG_TENANT;
}

bell_context_verdict bell_context_verify(bell_context_key *const *keys, size_t nkeys, bell_str value, bell_str method, bell_str target, int64_t now_s,
                                         bell_context_claims *out) {
    char mac[MAC_CHARS + 1];

    memset(out, 0, offsetof(bell_context_claims, text));
    if (value.len >= BELL_CONTEXT_MAX_BYTES || value.len < sizeof(VERSION) + MAC_CHARS || !bell_str_starts(value, BELL_STR(VERSION)) ||
        !is_request(method, target)) {
        return BELL_CONTEXT_MALFORMED;
    }
    bell_str head = {value.p, value.len - MAC_CHARS - 1}, given = {value.p + value.len - MAC_CHARS, MAC_CHARS};
    bell_str rest = {head.p + strlen(VERSION), head.len - strlen(VERSION)};
    if (value.p[head.len] != '.') {
        return BELL_CONTEXT_MALFORMED;
    }
    bell_context_key *k = find_key(keys, nkeys, bell_str_cut(&rest, '.'));
    if (k == NULL) {
        return BELL_CONTEXT_UNKNOWN_KEY;
    }
    out->key = k;
    if (!make_mac(&k->mac, head, method, target, mac) || !bell_str_eq_secret((bell_str){mac, MAC_CHARS}, given)) {
        return BELL_CONTEXT_BAD_MAC;
    }
    return read_parts(rest, out) ? judge(out, now_s) : BELL_CONTEXT_MALFORMED;
}

const char *bell_context_verdict_text(bell_context_verdict v) {
    static const char *const texts[BELL_CONTEXT_VERDICTS] = {
        [BELL_CONTEXT_OK] = "it is right",
        [BELL_CONTEXT_MALFORMED] = "it is no context",
        [BELL_CONTEXT_UNKNOWN_KEY] = "no edge has this key",
        [BELL_CONTEXT_BAD_MAC] = "the MAC does not match: another key, or it was made for another method or target",
        [BELL_CONTEXT_TOO_OLD] = "it is too old",
        [BELL_CONTEXT_FROM_FUTURE] = "it is from the future",
        [BELL_CONTEXT_WRONG_TENANT] = "the edge may not speak for this tenant",
    };
    return v < BELL_CONTEXT_VERDICTS ? texts[v] : "unknown";
}
