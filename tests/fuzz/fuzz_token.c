/* The first byte says what the rest is: 't' a token, anything else a payload, which gets a right header and signature so that the claims are
 * read. The key is made anew by each process: no input can depend on it.
 * longest input: 1024 bytes */
#include "bell_base64.h"
#include "bell_token.h"
#include "fuzz.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <string.h>
#include <unistd.h>

#define NOW 1800000000

static bell_token_key *key;

static void make_key(void) {
    char path[] = "/tmp/bell-fuzz-XXXXXX", err[200];
    int fd = mkstemp(path);
    FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
    EVP_PKEY *pkey = EVP_EC_gen("P-256");

    fuzz_assert(f != NULL && pkey != NULL && PEM_write_PrivateKey(f, pkey, NULL, NULL, 0, NULL, NULL) == 1);
    fclose(f);
    EVP_PKEY_free(pkey);
    key = bell_token_key_load(path, err, sizeof(err));
    unlink(path);
    fuzz_assert(key != NULL);
}

/* OpenSSL's own arithmetic is not what is searched here and would take nine tenths of the time: whether a signature holds is said by the target.
 * Real signatures are the unit test's. */
static bool signatures_hold;

int EVP_DigestVerify(EVP_MD_CTX *ctx, const unsigned char *sig, size_t siglen, const unsigned char *tbs, size_t tbslen) {
    fuzz_assert(ctx != NULL && sig != NULL && siglen > 0 && tbs != NULL && tbslen > 0);
    return signatures_hold;
}

int EVP_DigestVerifyInit(EVP_MD_CTX *ctx, EVP_PKEY_CTX **pctx, const EVP_MD *type, ENGINE *e, EVP_PKEY *pkey) {
    (void)pctx;
    (void)type;
    (void)e;
    return ctx != NULL && pkey != NULL;
}

static size_t sign(char *token, size_t len) {
    unsigned char raw[64];

    memset(raw, 0x42, sizeof(raw));
    token[len++] = '.';
    return len + bell_base64url_encode(raw, sizeof(raw), token + len);
}

static bell_token_verdict verify(const char *token, size_t len, bell_token_claims *c) {
    const bell_token_key *keys[] = {key};

    return bell_token_verify(keys, 1, (bell_str){token, len}, 42, NOW, c);
}

static void check_payload(const uint8_t *data, size_t size) {
    char token[2048], header[100];
    bell_token_claims c;
    bell_token_verdict v;
    size_t len;

    if (size > 700) {
        return;
    }
    snprintf(header, sizeof(header), "{\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\"%s\"}", bell_token_key_id(key));
    len = bell_base64url_encode(header, strlen(header), token);
    token[len++] = '.';
    len += bell_base64url_encode(data, size, token + len);
    len = sign(token, len);
    signatures_hold = true;
    v = verify(token, len, &c);
    signatures_hold = false;
    fuzz_assert(v != BELL_TOKEN_BAD_SIGNATURE && v != BELL_TOKEN_UNKNOWN_KEY);
    if (v == BELL_TOKEN_OK) {
        fuzz_assert(c.tenant_id == 42 && c.expires_s > NOW && strlen(c.sid) == BELL_TOKEN_SID_BYTES);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    bell_token_claims c;

    if (key == NULL) {
        make_key();
    }
    if (size == 0) {
        return 0;
    }
    if (data[0] == 't') {
        fuzz_assert(verify((const char *)data + 1, size - 1, &c) != BELL_TOKEN_OK);
    } else {
        check_payload(data + 1, size - 1);
    }
    return 0;
}
