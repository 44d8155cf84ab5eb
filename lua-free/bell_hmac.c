/* OpenSSL 3 would have these hashes asked for through EVP, where each use allocates and looks its way through a provider: beside blocks as few as
 * those of a token that is no small part (docs/adr/0023). */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "bell_hmac.h"

#include <openssl/crypto.h>

#define BLOCK_BYTES 64 /* of all three hashes */

static void begin(bell_hmac_hash hash, bell_hmac_state *state) {
    *state = (bell_hmac_state){0};
    switch (hash) {
    case BELL_HMAC_MD5:
        MD5_Init(&state->md5);
        break;
    case BELL_HMAC_SHA1:
        SHA1_Init(&state->sha1);
        break;
    default:
        SHA256_Init(&state->sha256);
    }
}

static void add(bell_hmac_hash hash, bell_hmac_state *state, const void *bytes, size_t len) {
    switch (hash) {
    case BELL_HMAC_MD5:
        MD5_Update(&state->md5, bytes, len);
        break;
    case BELL_HMAC_SHA1:
        SHA1_Update(&state->sha1, bytes, len);
        break;
    default:
        SHA256_Update(&state->sha256, bytes, len);
    }
}

static size_t end(bell_hmac_hash hash, bell_hmac_state *state, unsigned char out[BELL_HMAC_MAX]) {
    switch (hash) {
    case BELL_HMAC_MD5:
        MD5_Final(out, &state->md5);
        return MD5_DIGEST_LENGTH;
    case BELL_HMAC_SHA1:
        SHA1_Final(out, &state->sha1);
        return SHA_DIGEST_LENGTH;
    default:
        SHA256_Final(out, &state->sha256);
        return SHA256_DIGEST_LENGTH;
    }
}

/* A hash that has taken the secret's block, each byte of it changed by `pad`. */
static void begin_keyed(bell_hmac_hash hash, bell_hmac_state *state, const unsigned char block[BLOCK_BYTES], unsigned char pad) {
    unsigned char padded[BLOCK_BYTES];

    for (size_t i = 0; i < BLOCK_BYTES; i++) {
        padded[i] = block[i] ^ pad;
    }
    begin(hash, state);
    add(hash, state, padded, BLOCK_BYTES);
    OPENSSL_cleanse(padded, sizeof(padded));
}

bool bell_hmac_init(bell_hmac *h, bell_hmac_hash hash, const void *secret, size_t len) {
    unsigned char block[BLOCK_BYTES] = {0};

    *h = (bell_hmac){0};
    if (hash != BELL_HMAC_MD5 && hash != BELL_HMAC_SHA1 && hash != BELL_HMAC_SHA256) {
        return false;
    }
    if (len > BLOCK_BYTES) {
        begin(hash, &h->inner);
        add(hash, &h->inner, secret, len);
        end(hash, &h->inner, block);
    } else if (len > 0) {
        memcpy(block, secret, len);
    }
    h->hash = hash;
    begin_keyed(hash, &h->inner, block, 0x36);
    begin_keyed(hash, &h->outer, block, 0x5c);
    OPENSSL_cleanse(block, sizeof(block));
    return true;
}

size_t bell_hmac_of(const bell_hmac *h, const bell_str *pieces, size_t n, unsigned char out[BELL_HMAC_MAX]) {
    if (h->hash == BELL_HMAC_NONE) {
        return 0;
    }
    bell_hmac_state state = h->inner;
    for (size_t i = 0; i < n; i++) {
        add(h->hash, &state, pieces[i].p, pieces[i].len);
    }
    size_t len = end(h->hash, &state, out);
    state = h->outer;
    add(h->hash, &state, out, len);
    return end(h->hash, &state, out);
}
