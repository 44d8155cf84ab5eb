#define _GNU_SOURCE 1
#include "origin/server/edge_keys.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "origin/server/settings.h"

static int is_key(const struct dirent *e) {
    size_t n = strlen(e->d_name);
    return e->d_name[0] != '.' && n > 4 && strcmp(e->d_name + n - 4, ".key") == 0;
}

static bool add(fb_edge_keys *k, const char *path, char *err, size_t err_len) {
    if (k->nkeys == FB_EDGE_KEYS_MAX) {
        snprintf(err, err_len, "%s: there are more than %d keys of edges", path, FB_EDGE_KEYS_MAX);
        return false;
    }
    k->keys[k->nkeys] = bell_context_key_load(path, err, err_len);
    return k->keys[k->nkeys] != NULL && ++k->nkeys > 0;
}

bool fb_edge_keys_load(fb_edge_keys *k, const char *dir, char *err, size_t err_len) {
    struct dirent **names = NULL;
    char path[FB_SETTING_TEXT_MAX + 300];
    int n = scandir(dir, &names, is_key, alphasort);
    bool ok = n > 0;

    memset(k, 0, sizeof(*k));
    if (n < 0 && errno != ENOENT) {
        snprintf(err, err_len, "edge_keys_dir %s cannot be read: %s", dir, strerror(errno));
    } else if (!ok) {
        snprintf(err, err_len, "edge_keys_dir %s holds no key, so no edge would be believed; `firstbell edge-key new NAME` makes one", dir);
    }
    for (int i = 0; i < n; i++) {
        snprintf(path, sizeof(path), "%s/%s", dir, names[i]->d_name);
        ok = ok && add(k, path, err, err_len);
        free(names[i]);
    }
    free(names);
    if (!ok) {
        fb_edge_keys_free(k);
    }
    return ok;
}

void fb_edge_keys_free(fb_edge_keys *k) {
    for (size_t i = 0; i < k->nkeys; i++) {
        bell_context_key_free(k->keys[i]);
    }
    memset(k, 0, sizeof(*k));
}
