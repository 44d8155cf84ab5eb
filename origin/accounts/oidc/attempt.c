#include "origin/accounts/oidc/attempt.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <sys/random.h>

#define RANDOM_BYTES 32
#define MAC_BYTES    32
#define MAC_LEN      BELL_BASE64URL_LEN(MAC_BYTES)

bool fb_oidc_attempt_new(fb_oidc_attempt *a) {
    unsigned char random[RANDOM_BYTES];

    if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random)) {
        return false;
    }
    bell_base64url_encode(random, sizeof(random), a->random);
    return true;
}

/* The MAC is over the tenant, too, which the cookie need not name: it is sent to one host only. */
static bool sign(fb_oidc_key *key, int32_t tenant_id, bell_str value, char out[MAC_LEN + 1]) {
    char text[FB_OIDC_COOKIE_BYTES + 16];
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    int n = snprintf(text, sizeof(text), "%d~%.*s", tenant_id, BELL_STR_ARG(value));

    if (n < 0 || (size_t)n >= sizeof(text) || HMAC(EVP_sha256(), *key, FB_OIDC_KEY_BYTES, (unsigned char *)text, (size_t)n, mac, &len) == NULL) {
        return false;
    }
    bell_base64url_encode(mac, MAC_BYTES, out);
    return len == MAC_BYTES;
}

bool fb_oidc_attempt_seal(const fb_oidc_attempt *a, fb_oidc_key *key, char out[FB_OIDC_COOKIE_BYTES]) {
    int n = snprintf(out, FB_OIDC_COOKIE_BYTES, "1~%llu~%lld~%s~%s", (unsigned long long)a->provider_id, (long long)a->expires_s, a->random, a->next);

    if (n < 0 || (size_t)n + 1 + MAC_LEN >= FB_OIDC_COOKIE_BYTES) {
        return false;
    }
    out[n] = '~';
    return sign(key, a->tenant_id, (bell_str){out, (size_t)n}, out + n + 1);
}

static bool is_signed(bell_str value, bell_str mac, fb_oidc_key *keys, size_t nkeys, int32_t tenant_id) {
    char want[MAC_LEN + 1];
    bool good = false;

    for (size_t i = 0; i < nkeys; i++) {
        good = (sign(&keys[i], tenant_id, value, want) && bell_str_eq_secret(mac, bell_str_of(want))) || good;
    }
    return good;
}

static bool take_text(bell_str s, char *out, size_t most) {
    if (s.len > most) {
        return false;
    }
    memcpy(out, s.p, s.len);
    out[s.len] = '\0';
    return true;
}

bool fb_oidc_attempt_open(bell_str value, fb_oidc_key *keys, size_t nkeys, int32_t tenant_id, uint64_t provider_id, int64_t now_s,
                          fb_oidc_attempt *a) {
    const char *cut = value.len > 0 && value.len < FB_OIDC_COOKIE_BYTES ? memrchr(value.p, '~', value.len) : NULL;
    uint64_t expires_s;

    if (cut == NULL) {
        return false;
    }
    bell_str rest = {value.p, (size_t)(cut - value.p)}, mac = {cut + 1, value.len - rest.len - 1};
    if (!is_signed(rest, mac, keys, nkeys, tenant_id) || !bell_str_eq(bell_str_cut(&rest, '~'), BELL_STR("1"))) {
        return false;
    }
    if (!bell_str_to_u64(bell_str_cut(&rest, '~'), INT64_MAX, &a->provider_id) || a->provider_id != provider_id ||
        !bell_str_to_u64(bell_str_cut(&rest, '~'), INT64_MAX, &expires_s) || (int64_t)expires_s <= now_s) {
        return false;
    }
    a->tenant_id = tenant_id;
    a->expires_s = (int64_t)expires_s;
    return take_text(bell_str_cut(&rest, '~'), a->random, FB_OIDC_RANDOM_LEN) && take_text(rest, a->next, FB_OIDC_NEXT_MAX);
}

static bool digest(const char *a, const char *b, char out[FB_OIDC_RANDOM_LEN + 1]) {
    unsigned char hash[EVP_MAX_MD_SIZE];
    char text[128];
    int n = snprintf(text, sizeof(text), "%s%s", a, b);

    if (n < 0 || (size_t)n >= sizeof(text) || EVP_Digest(text, (size_t)n, hash, NULL, EVP_sha256(), NULL) != 1) {
        return false;
    }
    bell_base64url_encode(hash, 32, out);
    return true;
}

bool fb_oidc_derive(const fb_oidc_attempt *a, const char *purpose, char out[FB_OIDC_RANDOM_LEN + 1]) {
    char label[32];
    snprintf(label, sizeof(label), "%s:", purpose);
    return digest(label, a->random, out);
}

bool fb_oidc_challenge(const char *verifier, char out[FB_OIDC_RANDOM_LEN + 1]) {
    return digest(verifier, "", out);
}

void fb_oidc_escape(bell_buf *b, bell_str value) {
    static const char hex[] = "0123456789ABCDEF";
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";

    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.p[i];
        if (c != '\0' && strchr(plain, c) != NULL) {
            bell_buf_add_char(b, (char)c);
        } else {
            bell_buf_add_char(b, '%');
            bell_buf_add_char(b, hex[c >> 4]);
            bell_buf_add_char(b, hex[c & 15]);
        }
    }
}

void fb_oidc_param(bell_buf *b, const char *name, bell_str value) {
    if (b->len > 0) {
        bool is_url = bell_str_starts(bell_buf_str(b), BELL_STR("https:"));
        bell_buf_add_char(b, is_url && memchr(b->p, '?', b->len) == NULL ? '?' : '&');
    }
    bell_buf_add_z(b, name);
    bell_buf_add_char(b, '=');
    fb_oidc_escape(b, value);
}
