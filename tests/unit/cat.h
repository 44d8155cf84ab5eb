/* Tokens and requests for the tests of bell_cat. The MAC is OpenSSL's own over bytes that are put together here, so that the tests do not lean on
 * what they test. */
#ifndef CAT_H
#define CAT_H

#include "bell_base64.h"
#include "bell_cat.h"
#include "cbor_text.h"
#include "signed.h"

#include <openssl/hmac.h>

#define CAT_NOW  1800000000
#define CAT_BASE "1: \"school\", 4: 1800000600, 310: 1"
#define K1       "403697de87af64611c1d32a05dab0fe1fcb715a86ab435f1ec99192d79569388"
#define K2       "0f0e0d0c0b0a09080706050403020100f0e0d0c0b0a090807060504030201000"

typedef struct {
    signed_case c;
    bell_signed_keys keys;
    bell_cat_options options;
    bell_signed_result out;
    char token[16384];
    json_t *headers;
} cat_case;

static const bell_str cat_audiences[] = {{"edge", 4}};

static inline void cat_add_secret(cat_case *t, const char *id, const char *hex) {
    const char *why = NULL;
    bell_signed_key *k = bell_signed_key_secret(bell_str_of(id), BELL_SIGNED_HMAC_SHA256, bell_str_of(hex), true, &why);

    assert_non_null(k);
    t->keys.keys[t->keys.nkeys++] = k;
}

static inline void cat_add_public(cat_case *t, const char *id, bell_str pem) {
    const char *why = NULL;
    bell_signed_key *k = bell_signed_key_public(bell_str_of(id), pem, &why);

    assert_non_null(k);
    t->keys.keys[t->keys.nkeys++] = k;
}

static inline cat_case *cat_new(void) {
    cat_case *t = calloc(1, sizeof(*t));

    assert_non_null(t);
    signed_case_init(&t->c);
    t->c.request.target = BELL_STR("/hls/c7/720/s1.ts");
    t->c.request.country = BELL_STR("US");
    t->c.request.asn = 64500;
    t->headers = json_pack("{s:s, s:[s,s], s:s}", "User-Agent", "Chromebook/1", "X-Two", "aa", "ab", "X-Empty", "");
    t->c.headers = t->headers;
    cat_add_secret(t, "k1", K1);
    cat_add_secret(t, "k2", K2);
    t->options = (bell_cat_options){.issuer = BELL_STR("school"),
                                    .audiences = cat_audiences,
                                    .naudiences = 1,
                                    .param = BELL_CAT_PARAM,
                                    .field = BELL_CAT_NAME,
                                    .cookie = BELL_CAT_NAME,
                                    .renewal_window_s = BELL_CAT_RENEWAL_WINDOW_S};
    return t;
}

static inline void cat_free(cat_case *t) {
    signed_keys_free(&t->keys);
    json_decref(t->headers);
    free(t);
}

static inline bell_signed_reason cat_check(cat_case *t) {
    bell_signed_call call = signed_call(&t->c, &t->keys);

    return bell_cat_check(&call, &t->options, &t->out);
}

/* The field of the token; NULL takes it away. */
static inline void cat_field(cat_case *t, const char *token) {
    if (token != NULL) {
        json_object_set_new(t->headers, "cta-common-access-token", json_string(token));
    } else {
        json_object_del(t->headers, "cta-common-access-token");
    }
}

typedef struct {
    const char *tags;   /* before the array, in hexadecimal digits */
    const char *secure; /* protected headers; the text is put into bytes */
    const char *open;
    const char *claims;
    const char *key; /* of the MAC, in hexadecimal digits */
    int cut;         /* bytes of the MAC that are left; 0: all */
} cat_spec;

#define CAT_SPEC(text) ((cat_spec){"d83dd1", "{1: 5}", "{4: h'6b31'}", (text), K1, 0})

static inline size_t cat_hex(const char *hex, unsigned char *out) {
    size_t n = 0;

    for (; hex[2 * n] != '\0'; n++) {
        char pair[3] = {hex[2 * n], hex[2 * n + 1], '\0'};
        out[n] = (unsigned char)strtol(pair, NULL, 16);
    }
    return n;
}

static inline void cat_add_bytes(bell_buf *out, bell_str bytes) {
    cbor_text_head(out, 2, bytes.len);
    bell_buf_add_str(out, bytes);
}

static inline void cat_cbor(const char *text, bell_buf *out) {
    bell_buf_init(out, 1 << 20);
    cbor_of(text, out);
}

/* [context, protected, h'', payload] */
static inline void cat_covered(const char *context, bell_str secure, bell_str payload, bell_buf *out) {
    bell_buf_init(out, 1 << 20);
    cbor_text_head(out, 4, 4);
    cbor_text_head(out, 3, strlen(context));
    bell_buf_add_z(out, context);
    cat_add_bytes(out, secure);
    cat_add_bytes(out, BELL_STR(""));
    cat_add_bytes(out, payload);
}

/* The message with its signature at the end. */
static inline void cat_message(const cat_spec *s, bell_str secure, bell_str payload, bell_str signature, bell_buf *out) {
    unsigned char tags[16];

    bell_buf_init(out, 1 << 20);
    bell_buf_add(out, tags, cat_hex(s->tags, tags));
    cbor_text_head(out, 4, 4);
    cat_add_bytes(out, secure);
    cbor_of(s->open, out);
    cat_add_bytes(out, payload);
    cat_add_bytes(out, signature);
}

static inline const char *cat_encode(cat_case *t, const bell_buf *message) {
    assert_true(BELL_BASE64URL_LEN(message->len) < sizeof(t->token));
    bell_base64url_encode(message->p, message->len, t->token);
    return t->token;
}

/* A token under a MAC. It stays in t->token until the next one. */
static inline const char *cat_make(cat_case *t, const cat_spec *s) {
    bell_buf secure, payload, covered, message;
    unsigned char key[64], mac[EVP_MAX_MD_SIZE];
    unsigned len;

    cat_cbor(s->secure, &secure);
    cat_cbor(s->claims, &payload);
    cat_covered("MAC0", bell_buf_str(&secure), bell_buf_str(&payload), &covered);
    assert_non_null(HMAC(EVP_sha256(), key, (int)cat_hex(s->key, key), (unsigned char *)covered.p, covered.len, mac, &len));
    cat_message(s, bell_buf_str(&secure), bell_buf_str(&payload), (bell_str){(char *)mac, s->cut ? (size_t)s->cut : len}, &message);
    cat_encode(t, &message);
    bell_buf_fini(&secure);
    bell_buf_fini(&payload);
    bell_buf_fini(&covered);
    bell_buf_fini(&message);
    return t->token;
}

/* The verdict on a token in the field. */
static inline bell_signed_reason cat_verdict(cat_case *t, const cat_spec *s) {
    cat_field(t, cat_make(t, s));
    return cat_check(t);
}

#define assert_reason(got, want, row)                                                                                                                \
    do {                                                                                                                                             \
        bell_signed_reason got_reason = (got);                                                                                                       \
        if (got_reason != (want))                                                                                                                    \
            fail_msg("row \"%s\": %s, expected %s", (row), bell_signed_reason_name(got_reason), bell_signed_reason_name(want));                      \
    } while (0)

#endif
