/* `firstbell keys rotate|public|list`: the keys of sessions (session_keys.h). No step leaves the api without a key: the old one is kept before the
 * new one takes its place, each file appears by rename, and a rotation that was cut short is made whole by the next. */
#define _GNU_SOURCE 1
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bell_buf.h"
#include "origin/server/commands.h"
#include "origin/server/key_file.h"
#include "origin/server/options.h"
#include "origin/server/session_keys.h"

#define PATH_BYTES     (FB_SETTING_TEXT_MAX + 300)
#define KEY_FILE_BYTES 4096
#define GRACE_S        60 /* clocks of several origins differ */

static bool copy_key(const char *from, const char *to) {
    char bytes[KEY_FILE_BYTES];
    int fd = open(from, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, bytes, sizeof bytes);
    if (fd >= 0) {
        close(fd);
    }
    bool ok = n > 0 && (size_t)n < sizeof bytes;
    if (!ok) {
        fb_key_fail(from, "the key cannot be read");
    }
    ok = ok && fb_key_file_put(to, bytes, (size_t)n);
    explicit_bzero(bytes, sizeof bytes);
    return ok;
}

static bool make_key(const char *path) {
    EVP_PKEY *pkey = EVP_EC_gen("P-256");
    BIO *memory = BIO_new(BIO_s_mem());
    char *bytes = NULL;
    bool ok = pkey && memory && PEM_write_bio_PrivateKey(memory, pkey, NULL, NULL, 0, NULL, NULL) == 1;
    long len = ok ? BIO_get_mem_data(memory, &bytes) : 0;
    if (!ok) {
        fprintf(stderr, "firstbell: OpenSSL could not make a key\n");
    }
    ok = ok && fb_key_file_put(path, bytes, (size_t)len);
    if (bytes) {
        explicit_bzero(bytes, (size_t)len);
    }
    BIO_free(memory);
    EVP_PKEY_free(pkey);
    return ok;
}

/* The id of the key in a file; false when there is no such key. */
static bool key_id(const char *path, char id[64]) {
    char err[PATH_BYTES + 200];
    bell_token_key *k = bell_token_key_load(path, err, sizeof err);
    if (!k) {
        return false;
    }
    snprintf(id, 64, "%s", bell_token_key_id(k));
    bell_token_key_free(k);
    return true;
}

static int is_pem(const struct dirent *e) {
    size_t n = strlen(e->d_name);
    return e->d_name[0] != '.' && n > 4 && strcmp(e->d_name + n - 4, ".pem") == 0;
}

static void drop_expired(const char *dir, int64_t now_s) {
    struct dirent **names = NULL;
    char path[PATH_BYTES];
    int n = scandir(dir, &names, is_pem, alphasort);
    for (int i = 0; i < n; i++) {
        int64_t until = fb_session_key_until(names[i]->d_name);
        snprintf(path, sizeof path, "%s/%s", dir, names[i]->d_name);
        if (until >= 0 && until <= now_s && unlink(path) != 0) {
            fb_key_fail(path, "a key that has ended cannot be removed");
        }
        free(names[i]);
    }
    free(names);
}

/* The public halves of all keys that count, of the next one, too, one behind the other. */
static bool public_keys(const fb_settings *s, bell_buf *out) {
    char err[PATH_BYTES + 200], pem[KEY_FILE_BYTES];
    fb_session_keys keys;
    if (!fb_session_keys_load(&keys, s, (int64_t)time(NULL), err, sizeof err)) {
        fprintf(stderr, "firstbell: %s\n", err);
        return false;
    }
    for (size_t i = 0; i < keys.nkeys; i++) {
        long len = bell_token_key_public(keys.keys[i], pem, sizeof pem);
        bell_buf_add(out, pem, len > 0 ? (size_t)len : 0);
        out->failed = out->failed || len < 0;
    }
    fb_session_keys_free(&keys);
    return !out->failed || (fprintf(stderr, "firstbell: OpenSSL could not write a public key\n"), false);
}

/* Before a key signs, edges know it. */
static bool write_public_keys(const fb_settings *s) {
    bell_buf text;
    bell_buf_init(&text, FB_SESSION_KEYS_MAX * KEY_FILE_BYTES);
    bool ok = public_keys(s, &text) && fb_key_file_put_public(s->session_public_keys, text.p, text.len);
    bell_buf_fini(&text);
    return ok;
}

/* The next key signs, the one that signed is kept until its last session ends, and a new next one is made. */
static bool rotate(const fb_settings *s, int64_t now_s) {
    char next[PATH_BYTES], old[PATH_BYTES], parent[PATH_BYTES], id[64], next_id[64];
    const char *dir = s->session_keys_dir;
    snprintf(next, sizeof next, "%s/next.pem", dir);
    if (!key_id(s->session_key, id)) {
        fprintf(stderr, "firstbell: session_key %s is no key that could be rotated\n", s->session_key);
        return false;
    }
    if ((!key_id(next, next_id) || strcmp(id, next_id) == 0) && !make_key(next)) {
        return false;
    }
    snprintf(old, sizeof old, "%s/%s.%lld.pem", dir, id, (long long)now_s + s->session_ttl_s + GRACE_S);
    snprintf(parent, sizeof parent, "%s", s->session_key);
    *strrchr(parent, '/') = 0;
    bool ok = copy_key(s->session_key, old) && fb_key_dir_sync(dir) && copy_key(next, s->session_key) && fb_key_dir_sync(*parent ? parent : "/") &&
              make_key(next) && fb_key_dir_sync(dir);
    drop_expired(dir, now_s);
    return ok;
}

int fb_cmd_keys_rotate(const fb_settings *s, int argc, char **argv) {
    if (!fb_options_parse(argc, argv, NULL, 0, NULL, 0)) {
        return 2;
    }
    int lock = fb_key_dir_lock(s->session_keys_dir, "session_keys_dir");
    bool ok = lock >= 0 && rotate(s, (int64_t)time(NULL)) && write_public_keys(s);
    if (lock >= 0) {
        close(lock);
    }
    if (ok) {
        fb_key_reload_api(s);
    }
    return ok ? 0 : 1;
}

int fb_cmd_keys_public(const fb_settings *s, int argc, char **argv) {
    if (!fb_options_parse(argc, argv, NULL, 0, NULL, 0)) {
        return 2;
    }
    bell_buf text;
    bell_buf_init(&text, FB_SESSION_KEYS_MAX * KEY_FILE_BYTES);
    bool ok = public_keys(s, &text) && fwrite(text.p, 1, text.len, stdout) == text.len && fflush(stdout) == 0;
    bell_buf_fini(&text);
    return ok ? 0 : 1;
}

static void print_key(const char *path, const char *does, int64_t until_s) {
    char id[64], when[32] = "";
    time_t t = (time_t)until_s;
    struct tm tm;
    if (!key_id(path, id)) {
        printf("%-12s %-28s %s\n", "?", "is no key", path);
        return;
    }
    if (until_s >= 0 && gmtime_r(&t, &tm)) {
        strftime(when, sizeof when, " %Y-%m-%dT%H:%M:%SZ", &tm);
    }
    printf("%-12s %s%-*s %s\n", id, does, (int)(28 - strlen(does)), when, path);
}

int fb_cmd_keys_list(const fb_settings *s, int argc, char **argv) {
    if (!fb_options_parse(argc, argv, NULL, 0, NULL, 0)) {
        return 2;
    }
    struct dirent **names = NULL;
    char path[PATH_BYTES];
    int64_t now_s = (int64_t)time(NULL);
    print_key(s->session_key, "signs", -1);
    int n = scandir(s->session_keys_dir, &names, is_pem, alphasort);
    if (n < 0 && errno != ENOENT) {
        fb_key_fail(s->session_keys_dir, "session_keys_dir cannot be read");
        return 1;
    }
    for (int i = 0; i < n; i++) {
        int64_t until = fb_session_key_until(names[i]->d_name);
        snprintf(path, sizeof path, "%s/%s", s->session_keys_dir, names[i]->d_name);
        print_key(path, until < 0 ? "signs next" : until > now_s ? "counts until" : "ended", until);
        free(names[i]);
    }
    free(names);
    return 0;
}
