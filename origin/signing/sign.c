#define _GNU_SOURCE 1
#include "origin/signing/signing.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECRET_DIGITS  64
#define FILE_MAX_BYTES 256

/* ---- keys */

bell_str fb_sign_key_id(const char *path) {
    const char *slash = strrchr(path, '/');
    bell_str name = bell_str_of(slash ? slash + 1 : path);

    if (name.len <= 4 || memcmp(name.p + name.len - 4, ".key", 4) != 0) {
        return BELL_STR_NULL;
    }
    name.len -= 4;
    return bell_path_token_is_key_id(name) ? name : BELL_STR_NULL;
}

/* The length; -1: err says why. */
static ssize_t read_private(const char *path, char bytes[FILE_MAX_BYTES], char *err, size_t err_len) {
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = -1;

    if (fd < 0 || fstat(fd, &st) != 0) {
        snprintf(err, err_len, "%s: the key cannot be read: %s", path, strerror(errno));
    } else if (!S_ISREG(st.st_mode)) {
        snprintf(err, err_len, "%s: this is not a file", path);
    } else if ((st.st_mode & 077) != 0) {
        snprintf(err, err_len,
                 "%s: the key may be read or written by others (mode %04o); expected 0600: chmod 600 it, and make a new one if it was seen", path,
                 (unsigned)st.st_mode & 07777);
    } else {
        n = read(fd, bytes, FILE_MAX_BYTES);
        if (n < 0) {
            snprintf(err, err_len, "%s: the key cannot be read: %s", path, strerror(errno));
        }
    }
    if (fd >= 0) {
        close(fd);
    }
    return n;
}

bell_signed_key *fb_sign_key_load(const char *path, char *err, size_t err_len) {
    char bytes[FILE_MAX_BYTES];
    bell_str id = fb_sign_key_id(path);
    bell_signed_key *k = NULL;
    const char *why;

    if (!id.p) {
        snprintf(err, err_len, "%s: expected a file ID.key; an id has 1 to %d letters, digits, - and _", path, BELL_PATH_TOKEN_KEY_BYTES);
        return NULL;
    }
    ssize_t n = read_private(path, bytes, err, err_len);
    if (n < 0) {
        return NULL;
    }
    bell_str rest = {bytes, (size_t)n}, line = bell_str_cut(&rest, '\n');
    if (line.len == SECRET_DIGITS && rest.len == 0) {
        k = bell_signed_key_secret(id, BELL_SIGNED_HMAC_SHA256, line, true, &why);
    }
    explicit_bzero(bytes, sizeof bytes);
    if (!k) {
        snprintf(err, err_len, "%s: expected the key, a line of %d hexadecimal digits", path, SECRET_DIGITS);
    }
    return k;
}

/* ---- URLs */

typedef struct {
    bell_str scheme, host, target; /* the first two are empty in a path alone */
} url_parts;

static bool split_url(bell_str url, url_parts *out) {
    static const char *const schemes[] = {"https", "http"};

    *out = (url_parts){.target = url};
    for (size_t i = 0; i < 2; i++) {
        size_t n = strlen(schemes[i]);
        if (url.len > n + 3 && bell_str_starts(url, bell_str_of(schemes[i])) && memcmp(url.p + n, "://", 3) == 0) {
            const char *host = url.p + n + 3, *slash = memchr(host, '/', url.len - n - 3);
            out->scheme = (bell_str){url.p, n};
            out->host = (bell_str){host, slash ? (size_t)(slash - host) : 0};
            out->target = slash ? (bell_str){slash, url.len - (size_t)(slash - url.p)} : BELL_STR_NULL;
            return out->host.len > 0;
        }
    }
    return url.len > 0 && url.p[0] == '/';
}

/* As requests have it: in lower case, without the scheme's own port. */
static bool plain_host(const url_parts *u, char out[BELL_PATH_TOKEN_HOST_BYTES + 1], bell_str *host) {
    bell_str own_port = bell_str_eq(u->scheme, BELL_STR("https")) ? BELL_STR(":443") : BELL_STR(":80");
    size_t len = u->host.len;

    if (len > own_port.len && memcmp(u->host.p + len - own_port.len, own_port.p, own_port.len) == 0) {
        len -= own_port.len;
    }
    if (len > BELL_PATH_TOKEN_HOST_BYTES) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        char c = u->host.p[i];
        if (c == '@' || c == '?' || c == '#') {
            return false;
        }
        out[i] = (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
    }
    *host = (bell_str){out, len};
    return true;
}

/* Up to the last slash of the path. */
static bell_str folder_of(bell_str target) {
    bell_str rest = target, path = bell_str_cut(&rest, '?');

    while (path.len > 0 && path.p[path.len - 1] != '/') {
        path.len--;
    }
    return path;
}

static bool check_prefix(bell_str target, bell_str prefix, char *err, size_t err_len) {
    if (!bell_path_token_is_prefix(prefix)) {
        snprintf(err, err_len, "\"%.*s\" cannot be what a token is for: expected a path that begins and ends with a slash, without dots for names",
                 BELL_STR_ARG(prefix));
        return false;
    }
    if (!bell_str_starts(target, prefix)) {
        snprintf(err, err_len, "the URL is not below \"%.*s\"", BELL_STR_ARG(prefix));
        return false;
    }
    return true;
}

bool fb_sign_url(const bell_signed_key *k, const fb_sign_wish *wish, bell_str url, bell_buf *out, char *err, size_t err_len) {
    char component[BELL_PATH_TOKEN_MAX_BYTES], host[BELL_PATH_TOKEN_HOST_BYTES + 1];
    bell_path_token token = wish->token;
    url_parts u;

    if (!split_url(url, &u) || !bell_signed_is_plain_target(u.target) || (wish->one_host && !plain_host(&u, host, &token.host))) {
        snprintf(err, err_len, "expected https://HOST/PATH or /PATH, with the host when the token is for that one alone, and no names of dots");
        return false;
    }
    bell_str prefix = wish->prefix.len > 0 ? wish->prefix : folder_of(u.target);
    if (!check_prefix(u.target, prefix, err, err_len)) {
        return false;
    }
    if (wish->one_host && token.host.len == 0) {
        snprintf(err, err_len, "a path alone has no host that the token could be for");
        return false;
    }
    long len = bell_path_token_write(k, &token, prefix, component);
    if (len < 0) {
        snprintf(err, err_len, "subject and data must be printable ASCII of at most %d and %d bytes", BELL_PATH_TOKEN_SUBJECT_BYTES,
                 BELL_PATH_TOKEN_DATA_BYTES);
        return false;
    }
    size_t before = (size_t)(u.target.p - url.p) + prefix.len;
    bell_buf_add(out, url.p, before);
    bell_buf_add(out, component, (size_t)len);
    bell_buf_add_char(out, '/');
    bell_buf_add(out, url.p + before, url.len - before);
    if (out->failed) {
        snprintf(err, err_len, "the URL is too long");
    }
    return !out->failed;
}
