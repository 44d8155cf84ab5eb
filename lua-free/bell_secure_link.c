#include "bell_secure_link.h"

#include "bell_base64.h"
#include "bell_hex.h"

#include <openssl/evp.h>

#define HASH_BYTES 16
#define HASH_CHARS BELL_BASE64URL_LEN(HASH_BYTES)
#define HEX_CHARS  (2 * HASH_BYTES)

static bool md5(const bell_str *pieces, size_t n, unsigned char out[EVP_MAX_MD_SIZE]) {
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = ctx != NULL && EVP_DigestInit_ex(ctx, EVP_md5(), NULL) == 1;

    for (size_t i = 0; ok && i < n; i++) {
        ok = pieces[i].len == 0 || EVP_DigestUpdate(ctx, pieces[i].p, pieces[i].len) == 1;
    }
    ok = ok && EVP_DigestFinal_ex(ctx, out, NULL) == 1;
    EVP_MD_CTX_free(ctx);
    return ok;
}

static bool equal(const unsigned char *a, const unsigned char *b) {
    return bell_str_eq_secret((bell_str){(const char *)a, HASH_BYTES}, (bell_str){(const char *)b, HASH_BYTES});
}

/* With one, two or no signs of padding. */
static bool decode_hash(bell_str text, unsigned char out[HASH_BYTES]) {
    for (int i = 0; i < 2 && text.len > HASH_CHARS && text.p[text.len - 1] == '='; i++) {
        text.len--;
    }
    return text.len == HASH_CHARS && bell_base64url_decode(text, out) == HASH_BYTES;
}

bell_signed_reason bell_secure_link_check(const bell_signed_call *call, const bell_secure_link_options *options, bell_signed_result *out) {
    unsigned char given[HASH_BYTES], want[EVP_MAX_MD_SIZE];
    const bell_signed_request *r = call->request;
    uint64_t expires = 0;

    *out = (bell_signed_result){0};
    if (options->hash.len == 0) {
        return BELL_SIGNED_MISSING;
    }
    out->token = options->hash;
    out->target = bell_signed_strip(call->room, r->target, options->params, options->nparams);
    if (out->target.p == NULL) {
        bell_str query;
        bool has_query;
        bell_signed_split(r->target, &out->target, &query, &has_query);
        return BELL_SIGNED_MALFORMED;
    }
    if (!options->served_path && !bell_signed_is_plain_target(r->target)) {
        return BELL_SIGNED_PATH;
    }
    if ((options->has_expires && (!bell_str_to_u64(options->expires, INT64_MAX, &expires) || expires == 0)) || !decode_hash(options->hash, given) ||
        !md5(&options->expression, 1, want) || !equal(given, want)) {
        return BELL_SIGNED_SIGNATURE;
    }
    out->expires_s = (int64_t)expires;
    return options->has_expires && r->now_s >= out->expires_s ? BELL_SIGNED_EXPIRED : BELL_SIGNED_OK;
}

static bool read_hex(bell_str text, unsigned char out[HASH_BYTES]) {
    return text.len == HEX_CHARS && bell_hex_decode(text, BELL_HEX_ANY, out);
}

/* Puts "/PREFIX/" and LINK together. */
static bool join(bell_signed_room *room, bell_str prefix, bell_str link, bell_str *out) {
    char *to = bell_signed_take(room, prefix.len + link.len);

    if (to == NULL) {
        return false;
    }
    memcpy(to, prefix.p, prefix.len);
    memcpy(to + prefix.len, link.p, link.len);
    *out = (bell_str){to, prefix.len + link.len};
    return true;
}

bell_signed_reason bell_secure_link_secret_check(const bell_signed_call *call, const bell_secure_link_secret_options *options,
                                                 bell_signed_result *out) {
    unsigned char given[HASH_BYTES], want[EVP_MAX_MD_SIZE];
    bell_str target = call->request->target, link = target;

    *out = (bell_signed_result){0};
    if (target.len == 0 || target.p[0] != '/') {
        return BELL_SIGNED_MISSING;
    }
    bell_str_cut(&link, '/');
    bell_str first = bell_str_cut(&link, '/'), hash = bell_str_cut(&link, '/');
    /* in a query it would be of no path at all */
    if (link.len == 0 || memchr(target.p, '?', first.len + 1) != NULL || !read_hex(hash, given)) {
        return BELL_SIGNED_MISSING;
    }
    bell_str prefix = {target.p, first.len + 2};
    out->token = hash;
    out->target = prefix;
    if (!join(call->room, prefix, link, &out->target)) {
        return BELL_SIGNED_MALFORMED;
    }
    if (!bell_signed_is_plain_target(target)) {
        return BELL_SIGNED_PATH;
    }
    const bell_str pieces[] = {link, options->secret};
    return md5(pieces, 2, want) && equal(given, want) ? BELL_SIGNED_OK : BELL_SIGNED_SIGNATURE;
}
