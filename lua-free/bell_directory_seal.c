/* The envelope of a document: header, checksum, signature. */
#include "bell_base64.h"
#include "bell_directory_image.h"
#include "bell_hex.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>

#define WORD            "bell-directory 2 "
#define SHA256_BYTES    32
#define HEX_BYTES       (2 * SHA256_BYTES)
#define SIGNATURE_BYTES 64
#define ID_BYTES        8
#define ID_CHARS        BELL_BASE64URL_LEN(ID_BYTES)

struct bell_directory_key {
    EVP_PKEY *pkey;
    bool is_private;
    char id[ID_CHARS + 1];
};

/* ---- keys */

static bool name_key(bell_directory_key *k) {
    unsigned char *der = NULL, hash[EVP_MAX_MD_SIZE];
    int len = i2d_PUBKEY(k->pkey, &der);
    bool ok = len > 0 && EVP_Digest(der, (size_t)len, hash, NULL, EVP_sha256(), NULL) == 1;

    OPENSSL_free(der);
    if (ok) {
        bell_base64url_encode(hash, ID_BYTES, k->id);
    }
    return ok;
}

static int no_passphrase(char *buf, int size, int rw, void *data) {
    (void)buf;
    (void)size;
    (void)rw;
    (void)data;
    return 0;
}

static EVP_PKEY *read_pem(FILE *file, bool *is_private) {
    EVP_PKEY *pkey = PEM_read_PrivateKey(file, NULL, no_passphrase, NULL);

    *is_private = pkey != NULL;
    if (pkey == NULL) {
        rewind(file);
        pkey = PEM_read_PUBKEY(file, NULL, no_passphrase, NULL);
    }
    return pkey;
}

bell_directory_key *bell_directory_key_load(const char *path, char *err, size_t err_len) {
    bell_directory_key *k = calloc(1, sizeof(*k));
    FILE *file = fopen(path, "re");

    if (k == NULL || file == NULL) {
        snprintf(err, err_len, "%s cannot be read: %s", path, strerror(k == NULL ? ENOMEM : errno));
    } else if ((k->pkey = read_pem(file, &k->is_private)) == NULL) {
        snprintf(err, err_len, "%s holds no key: expected an Ed25519 key in PEM form, without a passphrase", path);
    } else if (EVP_PKEY_get_id(k->pkey) != EVP_PKEY_ED25519 || !name_key(k)) {
        snprintf(err, err_len, "%s holds a key of another kind: expected Ed25519", path);
        EVP_PKEY_free(k->pkey);
        k->pkey = NULL;
    }
    if (file != NULL) {
        fclose(file);
    }
    if (k != NULL && k->pkey == NULL) {
        free(k);
        return NULL;
    }
    return k;
}

void bell_directory_key_free(bell_directory_key *k) {
    if (k != NULL) {
        EVP_PKEY_free(k->pkey);
        free(k);
    }
}

const char *bell_directory_key_id(const bell_directory_key *k) {
    return k->id;
}

static bool sign(const bell_directory_key *k, bell_str text, unsigned char out[SIGNATURE_BYTES]) {
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    size_t len = SIGNATURE_BYTES;
    bool ok = ctx != NULL && k->is_private && EVP_DigestSignInit(ctx, NULL, NULL, NULL, k->pkey) == 1 &&
              EVP_DigestSign(ctx, out, &len, (const unsigned char *)text.p, text.len) == 1 && len == SIGNATURE_BYTES;

    EVP_MD_CTX_free(ctx);
    return ok;
}

static bool is_signed(const bell_directory_key *k, bell_str text, const unsigned char signature[SIGNATURE_BYTES]) {
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = ctx != NULL && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, k->pkey) == 1 &&
              EVP_DigestVerify(ctx, signature, SIGNATURE_BYTES, (const unsigned char *)text.p, text.len) == 1;

    EVP_MD_CTX_free(ctx);
    return ok;
}

/* ---- sealing */

static bool sha256_hex(bell_str s, char out[HEX_BYTES + 1]) {
    unsigned char hash[EVP_MAX_MD_SIZE];

    if (EVP_Digest(s.p ? s.p : "", s.len, hash, NULL, EVP_sha256(), NULL) != 1) {
        return false;
    }
    bell_hex_encode(hash, SHA256_BYTES, out);
    out[HEX_BYTES] = '\0';
    return true;
}

bool bell_directory_seal(bell_buf *out, uint64_t from, uint64_t version, bell_str payload, const bell_directory_key *key) {
    char header[BELL_DIRECTORY_HEADER_MAX], hash[HEX_BYTES + 1], text[BELL_BASE64URL_LEN(SIGNATURE_BYTES) + 1] = "-";
    unsigned char signature[SIGNATURE_BYTES];
    int len;

    if (!sha256_hex(payload, hash)) {
        return false;
    }
    len = snprintf(header, sizeof(header), WORD "%llu %llu %zu %s %s", (unsigned long long)from, (unsigned long long)version, payload.len, hash,
                   key ? key->id : "-");
    if (key != NULL) {
        if (!sign(key, (bell_str){header, (size_t)len}, signature)) {
            return false;
        }
        bell_base64url_encode(signature, sizeof(signature), text);
    }
    bell_buf_printf(out, "%s %s\n", header, text);
    return !out->failed;
}

/* ---- opening */

static bool refuse(char *err, size_t err_len, const char *sentence) {
    snprintf(err, err_len, "%s", sentence);
    return false;
}

/* What follows the word, up to and without the line's end. */
typedef struct {
    bell_str line; /* the whole header */
    bell_str signed_part;
    bell_str hash, key_id, signature;
} envelope;

static bool cut_line(bell_str text, bell_str *line, bool *whole, char *err, size_t err_len) {
    static const bell_str word = {WORD, sizeof(WORD) - 1};
    bell_str window = {text.p, text.len < BELL_DIRECTORY_HEADER_MAX ? text.len : BELL_DIRECTORY_HEADER_MAX};

    *whole = text.len < word.len && bell_str_starts(word, text);
    if (*whole || !bell_str_starts(window, word)) {
        return refuse(err, err_len, "not a directory: expected a first line that begins with \"" WORD "\"");
    }
    *line = bell_str_cut(&window, '\n');
    if (line->len == text.len || line->len == BELL_DIRECTORY_HEADER_MAX) {
        *whole = line->len == text.len && text.len < BELL_DIRECTORY_HEADER_MAX;
        return refuse(err, err_len, "the first line does not end: the file is torn or was changed");
    }
    return true;
}

static bool parse_header(bell_str text, bell_directory_head *h, envelope *e, bool *whole, char *err, size_t err_len) {
    bell_str rest, from, version, length;
    uint64_t bytes;

    if (!cut_line(text, &e->line, whole, err, err_len)) {
        return false;
    }
    rest = (bell_str){e->line.p + sizeof(WORD) - 1, e->line.len - (sizeof(WORD) - 1)};
    from = bell_str_cut(&rest, ' ');
    version = bell_str_cut(&rest, ' ');
    length = bell_str_cut(&rest, ' ');
    e->hash = bell_str_cut(&rest, ' ');
    e->key_id = bell_str_cut(&rest, ' ');
    e->signed_part = (bell_str){e->line.p, (size_t)(e->key_id.p + e->key_id.len - e->line.p)};
    e->signature = rest;
    if (!bell_str_to_u64(version, BELL_DIRECTORY_VERSION_MAX, &h->version) || h->version == 0) {
        return refuse(err, err_len, "the header's version is not a number above 0");
    }
    if (!bell_str_to_u64(from, BELL_DIRECTORY_VERSION_MAX, &h->from) || h->from >= h->version) {
        return refuse(err, err_len, "the header does not lead from a lower version to a higher one");
    }
    if (!bell_str_to_u64(length, BELL_DIRECTORY_DOCUMENT_MAX, &bytes)) {
        return refuse(err, err_len, "the header's length of the payload is not a number up to 268435456");
    }
    h->bytes = e->line.len + 1 + (size_t)bytes;
    if (bytes > text.len - e->line.len - 1) {
        *whole = true;
        snprintf(err, err_len, "the payload is %zu bytes, the header says %llu: the file is torn or was changed", text.len - e->line.len - 1,
                 (unsigned long long)bytes);
        return false;
    }
    h->payload = (bell_str){e->line.p + e->line.len + 1, (size_t)bytes};
    return true;
}

bool bell_directory_peek(bell_str text, bell_directory_head *out, bool *whole, char *err, size_t err_len) {
    envelope e = {0};

    *whole = false;
    return parse_header(text, out, &e, whole, err, err_len);
}

static bool check_signature(const envelope *e, const bell_directory_keys *keys, char *err, size_t err_len) {
    unsigned char signature[SIGNATURE_BYTES + 2];

    if (keys->nkeys == 0) {
        return true;
    }
    if (bell_str_eq(e->key_id, BELL_STR("-"))) {
        return refuse(err, err_len, "it is not signed");
    }
    if (e->signature.len != BELL_BASE64URL_LEN(SIGNATURE_BYTES) || bell_base64url_decode(e->signature, signature) != SIGNATURE_BYTES) {
        return refuse(err, err_len, "its signature is malformed");
    }
    for (size_t i = 0; i < keys->nkeys; i++) {
        if (bell_str_eq(e->key_id, bell_str_of(keys->keys[i]->id))) {
            return is_signed(keys->keys[i], e->signed_part, signature) ||
                   refuse(err, err_len, "its signature is wrong: it was changed, or made by somebody else");
        }
    }
    snprintf(err, err_len, "it is signed with the key %.*s, which is none of this edge's", (int)(e->key_id.len < 32 ? e->key_id.len : 32),
             e->key_id.p);
    return false;
}

bool bell_directory_open(bell_str text, const bell_directory_keys *keys, bell_directory_head *out, char *err, size_t err_len) {
    char actual[HEX_BYTES + 1];
    envelope e = {0};
    bool whole;

    if (!parse_header(text, out, &e, &whole, err, err_len)) {
        return false;
    }
    if (out->bytes != text.len) {
        snprintf(err, err_len, "the payload is %zu bytes, the header says %zu: the file is torn or was changed", text.len - e.line.len - 1,
                 out->payload.len);
        return false;
    }
    if (!check_signature(&e, keys, err, err_len)) {
        return false;
    }
    if (!sha256_hex(out->payload, actual)) {
        return refuse(err, err_len, "OpenSSL could not compute SHA-256");
    }
    if (!bell_str_eq(e.hash, (bell_str){actual, HEX_BYTES})) {
        return refuse(err, err_len, "checksum does not match: the file is torn or was changed");
    }
    return true;
}
