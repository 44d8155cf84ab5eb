#include "origin/server/codes.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bell_base64.h"
#include "origin/server/log.h"

#define KEY_MIN_BYTES  32
#define FILE_MAX_BYTES (FB_CODES_KEYS_MAX * (FB_CODES_KEY_MAX + 2))

/* Without vowels, and of what looks alike at most one: 0 O Q D, 1 I L, 2 Z, 5 S, 6 G, 8 B, U V. */
static const char alphabet[] = "234679CDFHJKMNPRTVWXY";
#define LETTERS (sizeof alphabet - 1)
_Static_assert(sizeof alphabet - 1 == 21, "codes.h says 21");

static bool add_key(fb_codes_keys *k, bell_str line, const char *path, char *err, size_t err_len) {
    if (line.len < KEY_MIN_BYTES || line.len > FB_CODES_KEY_MAX || k->nkeys == FB_CODES_KEYS_MAX) {
        snprintf(err, err_len, "codes_key %s: 1 to %d lines of %d to %d bytes are expected, each a key; `openssl rand -hex 32` makes one", path,
                 FB_CODES_KEYS_MAX, KEY_MIN_BYTES, FB_CODES_KEY_MAX);
        return false;
    }
    memcpy(k->keys[k->nkeys].bytes, line.p, line.len);
    k->keys[k->nkeys++].len = line.len;
    return true;
}

static bool take_keys(fb_codes_keys *k, bell_str text, const char *path, char *err, size_t err_len) {
    while (text.len > 0) {
        bell_str line = bell_str_trim(bell_str_cut(&text, '\n'));
        if (line.len > 0 && !add_key(k, line, path, err, err_len)) {
            return false;
        }
    }
    return k->nkeys > 0 || add_key(k, text, path, err, err_len);
}

/* -1: errno says why; a file that others may read is refused like one that cannot be read. */
static ssize_t read_secret(const char *path, char *out, size_t room) {
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = -1;
    if (fd < 0) {
        return -1;
    }
    if (fstat(fd, &st) == 0 && (st.st_mode & 077) != 0) {
        errno = EPERM;
    } else {
        n = read(fd, out, room);
    }
    int why = errno;
    close(fd);
    errno = why;
    return n;
}

const fb_codes_keys *fb_codes_keys_of(const fb_settings *s) {
    static fb_codes_keys keys;
    static bool loaded;
    char err[FB_SETTING_TEXT_MAX + 200];
    if (!loaded) {
        loaded = fb_codes_keys_load(&keys, s->codes_key, err, sizeof err);
        if (!loaded) {
            fb_log(FB_LOG_ERROR, "%s", err);
        }
    }
    return loaded ? &keys : NULL;
}

bool fb_codes_keys_load(fb_codes_keys *k, const char *path, char *err, size_t err_len) {
    char text[FILE_MAX_BYTES + 1];
    k->nkeys = 0;
    ssize_t n = read_secret(path, text, sizeof text);
    if (n < 0) {
        snprintf(err, err_len, "codes_key %s: %s", path, errno == EPERM ? "others than its owner may read it; chmod 600 it" : strerror(errno));
        return false;
    }
    bool ok = n <= FILE_MAX_BYTES;
    if (ok) {
        ok = take_keys(k, (bell_str){text, (size_t)n}, path, err, err_len);
    } else { /* the last line could be cut, and would be another key */
        snprintf(err, err_len, "codes_key %s: the file has more than %d bytes; a line for each key is expected", path, FILE_MAX_BYTES);
    }
    explicit_bzero(text, sizeof text);
    return ok;
}

/* Bytes past the largest multiple of the alphabet's size are thrown away, so that every letter is as likely as any other. */
bool fb_code_new(char code[FB_CODE_BYTES + 1]) {
    unsigned char random[32];
    size_t n = 0;
    while (n < FB_CODE_BYTES) {
        if (getrandom(random, sizeof random, 0) != sizeof random) {
            return false;
        }
        for (size_t i = 0; i < sizeof random && n < FB_CODE_BYTES; i++) {
            if (random[i] < 256 / LETTERS * LETTERS) {
                code[n++] = alphabet[random[i] % LETTERS];
            }
        }
    }
    code[n] = 0;
    return true;
}

bool fb_link_new(char token[FB_LINK_BYTES + 1]) {
    unsigned char random[32];
    if (getrandom(random, sizeof random, 0) != sizeof random) {
        return false;
    }
    bell_base64url_encode(random, sizeof random, token);
    return true;
}

void fb_code_show(const char code[FB_CODE_BYTES + 1], char shown[FB_CODE_SHOWN_BYTES + 1]) {
    snprintf(shown, FB_CODE_SHOWN_BYTES + 1, "%.3s-%.3s-%.3s", code, code + 3, code + 6);
}

bool fb_code_read(bell_str typed, char code[FB_CODE_BYTES + 1]) {
    size_t n = 0;
    for (size_t i = 0; i < typed.len; i++) {
        char c = typed.p[i];
        if (c == ' ' || c == '-' || c == '.' || c == '\t') {
            continue;
        }
        c = c >= 'a' && c <= 'z' ? (char)(c - 0x20) : c;
        if (n == FB_CODE_BYTES || c == 0 || strchr(alphabet, c) == NULL) {
            return false;
        }
        code[n++] = c;
    }
    code[n] = 0;
    return n == FB_CODE_BYTES;
}

bool fb_code_hash(const fb_codes_keys *k, size_t i, fb_code_purpose purpose, int32_t tenant_id, bell_str code, char hash[FB_CODE_HASH_BYTES + 1]) {
    char text[96];
    unsigned char mac[32];
    unsigned n = 0;
    int len = snprintf(text, sizeof text, "firstbell %c %d %.*s", (char)purpose, tenant_id, BELL_STR_ARG(code));
    if (len < 0 || (size_t)len >= sizeof text ||
        !HMAC(EVP_sha256(), k->keys[i].bytes, (int)k->keys[i].len, (const unsigned char *)text, (size_t)len, mac, &n)) {
        return false;
    }
    explicit_bzero(text, sizeof text);
    for (unsigned j = 0; j < n; j++) {
        snprintf(hash + 2 * j, 3, "%02x", mac[j]);
    }
    return true;
}

bool fb_code_hashes(const fb_codes_keys *k, fb_code_purpose purpose, int32_t tenant_id, bell_str code, char out[FB_CODE_HASHES_MAX]) {
    char hash[FB_CODE_HASH_BYTES + 1];
    size_t n = 0;
    out[n++] = '{';
    for (size_t i = 0; i < k->nkeys; i++) {
        if (!fb_code_hash(k, i, purpose, tenant_id, code, hash)) {
            return false;
        }
        n += (size_t)sprintf(out + n, "%s%s", i > 0 ? "," : "", hash);
    }
    out[n++] = '}';
    out[n] = 0;
    return true;
}
