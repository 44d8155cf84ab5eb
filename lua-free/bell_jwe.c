#include "bell_jwe.h"

#include "bell_base64.h"
#include "bell_jws.h"

#include <openssl/err.h>

#define PARTS     5
#define IV_BYTES  12
#define TAG_BYTES 16

typedef struct {
    bell_str header, key, iv, ciphertext, tag; /* in base64url */
} jwe;

static bool split(bell_str text, jwe *out) {
    bell_str rest = text;

    out->header = bell_str_cut(&rest, '.');
    out->key = bell_str_cut(&rest, '.');
    out->iv = bell_str_cut(&rest, '.');
    out->ciphertext = bell_str_cut(&rest, '.');
    out->tag = rest;
    return out->header.len > 0 && out->key.len == 0 && out->iv.len == BELL_BASE64URL_LEN(IV_BYTES) && out->tag.len == BELL_BASE64URL_LEN(TAG_BYTES) &&
           out->ciphertext.len > 0;
}

bool bell_jwe_is_one(bell_str text) {
    size_t dots = 0;

    for (size_t i = 0; i < text.len; i++) {
        dots += text.p[i] == '.';
    }
    return dots == PARTS - 1;
}

static const struct {
    const char *enc;
    size_t key_bytes;
    const EVP_CIPHER *(*cipher)(void);
} kinds[] = {{"A128GCM", 16, EVP_aes_128_gcm}, {"A192GCM", 24, EVP_aes_192_gcm}, {"A256GCM", 32, EVP_aes_256_gcm}};

#define KINDS (sizeof(kinds) / sizeof(*kinds))

bool bell_jwe_takes(const bell_signed_key *key) {
    for (size_t i = 0; i < KINDS; i++) {
        if (key->type == BELL_SIGNED_SECRET && key->secret_len == kinds[i].key_bytes) {
            return true;
        }
    }
    return false;
}

static bool fits(const bell_signed_key *key, size_t kind) {
    return key->type == BELL_SIGNED_SECRET && key->secret_len == kinds[kind].key_bytes;
}

static bell_signed_reason read_header(const json_t *header, size_t *kind) {
    const json_t *kid = json_object_get(header, "kid");
    bell_str enc = bell_jws_text(json_object_get(header, "enc"));

    if (header == NULL || json_object_get(header, "crit") != NULL || json_object_get(header, "zip") != NULL ||
        (kid != NULL && !json_is_string(kid))) {
        return BELL_SIGNED_MALFORMED;
    }
    for (*kind = 0; *kind < KINDS && !bell_str_eq(enc, bell_str_of(kinds[*kind].enc)); ++*kind) {
    }
    if (*kind == KINDS || !bell_str_eq(bell_jws_text(json_object_get(header, "alg")), BELL_STR("dir"))) {
        return BELL_SIGNED_ALGORITHM;
    }
    return BELL_SIGNED_OK;
}

/* The bytes of the ciphertext are replaced by the plain ones, of which there are as many. */
static bool decrypt(const bell_signed_key *key, const EVP_CIPHER *cipher, const jwe *in, const unsigned char *iv, unsigned char *bytes, size_t len,
                    unsigned char *tag) {
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int n = 0;

    bool ok = ctx != NULL && EVP_DecryptInit_ex(ctx, cipher, NULL, key->secret, iv) == 1 &&
              EVP_DecryptUpdate(ctx, NULL, &n, (const unsigned char *)in->header.p, (int)in->header.len) == 1 &&
              EVP_DecryptUpdate(ctx, bytes, &n, bytes, (int)len) == 1 && EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, TAG_BYTES, tag) == 1 &&
              EVP_DecryptFinal_ex(ctx, bytes + n, &n) == 1;
    EVP_CIPHER_CTX_free(ctx);
    return ok;
}

static bell_signed_reason open_with(const bell_signed_key *key, size_t kind, const jwe *in, unsigned char *bytes, bell_str *plain) {
    unsigned char iv[IV_BYTES + 3], tag[TAG_BYTES + 3];
    long len = bell_base64url_decode(in->ciphertext, bytes);

    if (len <= 0 || bell_base64url_decode(in->iv, iv) != IV_BYTES || bell_base64url_decode(in->tag, tag) != TAG_BYTES) {
        return BELL_SIGNED_MALFORMED;
    }
    ERR_set_mark();
    bool ok = decrypt(key, kinds[kind].cipher(), in, iv, bytes, (size_t)len, tag);
    ERR_pop_to_mark();
    *plain = ok ? (bell_str){(char *)bytes, (size_t)len} : BELL_STR_NULL;
    return ok ? BELL_SIGNED_OK : BELL_SIGNED_MALFORMED;
}

/* With those of the name, or without one with each that fits: while one key follows another, both could be meant. */
static bell_signed_reason open_with_any(const bell_signed_keys *keys, int64_t now_s, const json_t *kid, size_t kind, const jwe *in,
                                        unsigned char *bytes, bell_str *plain) {
    bell_str id = kid != NULL ? bell_jws_text(kid) : BELL_STR_NULL;
    bell_signed_reason reason = BELL_SIGNED_KEY;
    const bell_signed_key *key;
    size_t i = 0;

    while ((key = bell_signed_next_key(keys, id, now_s, &i)) != NULL) {
        if (fits(key, kind)) {
            reason = open_with(key, kind, in, bytes, plain);
        } else if (kid != NULL && reason == BELL_SIGNED_KEY) {
            reason = BELL_SIGNED_ALGORITHM;
        }
        if (reason == BELL_SIGNED_OK) {
            break;
        }
    }
    return reason;
}

bell_signed_reason bell_jwe_open(const bell_signed_keys *keys, int64_t now_s, bell_str text, bell_signed_room *room, bell_str *plain) {
    size_t kind;
    jwe in;

    if (text.len > BELL_JWE_MAX_BYTES || !bell_jwe_is_one(text) || !split(text, &in)) {
        return BELL_SIGNED_MALFORMED;
    }
    unsigned char *bytes = (unsigned char *)bell_signed_take(room, text.len);
    if (bytes == NULL) {
        return BELL_SIGNED_MALFORMED;
    }
    json_t *header = bell_jws_object(in.header, bytes);
    bell_signed_reason reason = read_header(header, &kind);
    if (reason == BELL_SIGNED_OK) {
        reason = open_with_any(keys, now_s, json_object_get(header, "kid"), kind, &in, bytes, plain);
    }
    json_decref(header);
    return reason;
}
