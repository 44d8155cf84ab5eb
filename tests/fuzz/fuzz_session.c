/* The first byte says what the rest is: 'i' an issuer's document, 'b' a bundle of public keys in PEM form, anything else the claims of an access
 * token, which get a right header and signature, so that they are read. The key is made anew by each process: no input can depend on it. */
#include "bell_base64.h"
#include "bell_session.h"
#include "fuzz.h"

#include <string.h>

static EVP_PKEY *pkey;
static bell_issuer *issuer;

static void make_issuer(void) {
    unsigned char raw[32];
    char x[BELL_BASE64URL_LEN(32) + 1], text[300];
    size_t len = sizeof(raw);
    const char *why;

    pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    fuzz_assert(pkey != NULL && EVP_PKEY_get_raw_public_key(pkey, raw, &len) == 1);
    bell_base64url_encode(raw, len, x);
    snprintf(text, sizeof(text),
             "{\"issuer\":\"i\",\"audience\":\"a\",\"roles\":[\"teacher\"],\"scopes\":[\"classes\",\"content\"],"
             "\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"%s\"}]}",
             x);
    issuer = bell_issuer_parse(BELL_STR("sis"), bell_str_of(text), &why);
    fuzz_assert(issuer != NULL);
}

static void check_issuer(bell_str text) {
    const char *why = NULL;
    bell_issuer *i = bell_issuer_parse(BELL_STR("one"), text, &why);
    bell_session s;

    fuzz_assert((i == NULL) == (why != NULL));
    if (i != NULL) {
        fuzz_assert(bell_session_open_foreign(i, 1, BELL_STR("e30.e30.AA"), &s) != BELL_SESSION_OK);
    }
    bell_issuer_free(i);
}

static void check_bundle(bell_str text) {
    bell_token_key *keys[4];
    char err[300] = "";
    long n = bell_token_keys_parse(text, "f", keys, 4, err, sizeof(err));

    fuzz_assert(n != 0 && n <= 4 && (n < 0) == (err[0] != '\0'));
    while (n > 0) {
        bell_token_key_free(keys[--n]);
    }
}

static void check_session(const bell_session *s) {
    bell_str subject = bell_session_subject(s), role = bell_session_role(s), scopes = bell_session_scopes(s);

    fuzz_assert(bell_session_is_whole(s, bell_session_bytes(s)));
    fuzz_assert(bell_str_starts(subject, BELL_STR("sis:")) && subject.len > 4 && subject.len <= BELL_SESSION_SUBJECT_BYTES);
    fuzz_assert(role.len == 0 || bell_str_eq(role, BELL_STR("teacher")));
    fuzz_assert(scopes.len > 0 && scopes.len <= BELL_SESSION_SCOPES_BYTES && bell_session_sid(s).len == 0);
    if (bell_str_eq(scopes, BELL_STR(BELL_SESSION_NO_SCOPES))) {
        return;
    }
    while (scopes.len > 0) {
        bell_str word = bell_str_cut(&scopes, ' ');
        fuzz_assert(bell_str_eq(word, BELL_STR("classes")) || bell_str_eq(word, BELL_STR("content")));
    }
}

static void check_claims(bell_str payload) {
    static char token[16384];
    unsigned char sig[64];
    size_t sig_len = sizeof(sig);
    bell_session s;

    if (payload.len > 8000) {
        return;
    }
    size_t len = bell_base64url_encode("{\"alg\":\"EdDSA\"}", 15, token);
    token[len++] = '.';
    len += bell_base64url_encode(payload.p, payload.len, token + len);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    fuzz_assert(EVP_DigestSignInit(ctx, NULL, NULL, NULL, pkey) == 1);
    fuzz_assert(EVP_DigestSign(ctx, sig, &sig_len, (unsigned char *)token, len) == 1);
    EVP_MD_CTX_free(ctx);
    token[len++] = '.';
    len += bell_base64url_encode(sig, sig_len, token + len);
    bell_session_verdict v = bell_session_open_foreign(issuer, 7, (bell_str){token, len}, &s);
    fuzz_assert(v != BELL_SESSION_BAD_SIGNATURE);
    if (v == BELL_SESSION_OK) {
        check_session(&s);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (issuer == NULL) {
        make_issuer();
    }
    if (size == 0) {
        return 0;
    }
    bell_str rest = {(const char *)data + 1, size - 1};
    switch (data[0]) {
    case 'i':
        check_issuer(rest);
        break;
    case 'b':
        check_bundle(rest);
        break;
    default:
        check_claims(rest);
    }
    return 0;
}
