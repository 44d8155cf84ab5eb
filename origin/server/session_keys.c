#define _GNU_SOURCE 1
#include "origin/server/session_keys.h"

#include <dirent.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <sys/stat.h>

int64_t fb_session_key_until(const char *name) {
    bell_str rest = bell_str_of(name);
    uint64_t until;

    bell_str id = bell_str_cut(&rest, '.');
    bell_str seconds = bell_str_cut(&rest, '.');
    if (id.len == 0 || !bell_str_to_u64(seconds, INT64_MAX, &until) || !bell_str_eq(rest, BELL_STR("pem"))) {
        return -1;
    }
    return (int64_t)until;
}

static bool is_private_file(const char *path, char *err, size_t err_len) {
    struct stat st;

    if (stat(path, &st) != 0) {
        snprintf(err, err_len, "%s: cannot read the key: %s", path, strerror(errno));
        return false;
    }
    if ((st.st_mode & 077) != 0) {
        snprintf(err, err_len, "%s: the key may be read or written by others (mode %04o); expected 0600: chmod 600 it, and rotate it if it was seen",
                 path, (unsigned)st.st_mode & 07777);
        return false;
    }
    return true;
}

static bool add(fb_session_keys *k, const char *path, char *err, size_t err_len) {
    if (k->nkeys == FB_SESSION_KEYS_MAX) {
        snprintf(err, err_len, "%s: there are more than %d keys of sessions; `firstbell keys list` shows them", path, FB_SESSION_KEYS_MAX);
        return false;
    }
    bell_token_key *key = is_private_file(path, err, err_len) ? bell_token_key_load(path, err, err_len) : NULL;
    if (key == NULL) {
        return false;
    }
    k->keys[k->nkeys] = key;
    if (!bell_token_key_derive(key, BELL_STR("firstbell form token"), k->form_secrets[k->nkeys])) {
        snprintf(err, err_len, "%s: expected a private key; a public one cannot sign", path);
        bell_token_key_free(key);
        return false;
    }
    k->nkeys++;
    return true;
}

static int is_pem(const struct dirent *e) {
    size_t n = strlen(e->d_name);
    return e->d_name[0] != '.' && n > 4 && strcmp(e->d_name + n - 4, ".pem") == 0;
}

/* Newest end first does not matter: a token names its key. A directory that is not there has no keys. */
static bool add_directory(fb_session_keys *k, const char *dir, int64_t now_s, char *err, size_t err_len) {
    struct dirent **names = NULL;
    char path[FB_SETTING_TEXT_MAX + 300];
    int n = scandir(dir, &names, is_pem, alphasort);
    bool ok = n >= 0 || errno == ENOENT;

    if (!ok) {
        snprintf(err, err_len, "session_keys_dir %s cannot be read: %s", dir, strerror(errno));
    }
    for (int i = 0; i < n; i++) {
        int64_t until = fb_session_key_until(names[i]->d_name);
        if (ok && (until < 0 || until > now_s)) {
            snprintf(path, sizeof(path), "%s/%s", dir, names[i]->d_name);
            ok = add(k, path, err, err_len);
        }
        free(names[i]);
    }
    free(names);
    return ok;
}

bool fb_session_keys_load(fb_session_keys *k, const fb_settings *s, int64_t now_s, char *err, size_t err_len) {
    memset(k, 0, sizeof(*k));
    if (!add(k, s->session_key, err, err_len) || !add_directory(k, s->session_keys_dir, now_s, err, err_len)) {
        fb_session_keys_free(k);
        return false;
    }
    return true;
}

void fb_session_keys_free(fb_session_keys *k) {
    for (size_t i = 0; i < k->nkeys; i++) {
        bell_token_key_free(k->keys[i]);
    }
    OPENSSL_cleanse(k, sizeof(*k));
}
