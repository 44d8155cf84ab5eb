#define _GNU_SOURCE 1
#include "origin/server/static_files.h"

#include <errno.h>
#include <fts.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "bell_url.h"
#include "origin/server/form_token.h"

const char *fb_content_type(bell_str path) {
    static const struct {
        const char *ending, *type;
    } types[] = {
        {".html", "text/html; charset=utf-8"},
        {".css", "text/css; charset=utf-8"},
        {".js", "text/javascript; charset=utf-8"},
        {".mjs", "text/javascript; charset=utf-8"},
        {".json", "application/json"},
        {".svg", "image/svg+xml"},
        {".png", "image/png"},
        {".jpg", "image/jpeg"},
        {".webp", "image/webp"},
        {".ico", "image/x-icon"},
        {".txt", "text/plain; charset=utf-8"},
        {".m3u8", "application/vnd.apple.mpegurl"},
        {".ts", "video/mp2t"},
        {".m4s", "video/iso.segment"},
        {".mp4", "video/mp4"},
        {".vtt", "text/vtt; charset=utf-8"},
        {".webmanifest", "application/manifest+json"},
    };
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        size_t n = strlen(types[i].ending);
        if (path.len > n && memcmp(path.p + path.len - n, types[i].ending, n) == 0) {
            return types[i].type;
        }
    }
    return "application/octet-stream";
}

static char *read_file(const char *path, size_t len) {
    FILE *f = fopen(path, "rbe");
    char *body = f != NULL ? malloc(len + 1) : NULL;

    if (body != NULL && fread(body, 1, len, f) != len) {
        errno = ferror(f) ? errno : EIO; /* it became shorter under our hands */
        free(body);
        body = NULL;
    }
    int why = errno;
    if (f != NULL) {
        fclose(f);
    }
    errno = why;
    return body;
}

static bool set_etag(fb_static_file *f) {
    unsigned char hash[32];
    unsigned n = 0;

    if (EVP_Digest(f->body.p, f->body.len, hash, &n, EVP_sha256(), NULL) != 1) {
        errno = ENOMEM;
        return false;
    }
    f->etag[0] = '"';
    for (unsigned i = 0; i < 16; i++) {
        snprintf(f->etag + 1 + 2 * i, 3, "%02x", hash[i]);
    }
    f->etag[33] = '"';
    f->etag[34] = '\0';
    return true;
}

static bool add(fb_static_files *s, const FTSENT *e, size_t root_len, size_t *total) {
    const char *relative = e->fts_path + root_len + 1;
    size_t len = (size_t)e->fts_statp->st_size;

    if (!bell_url_is_plain_path(bell_str_of(relative))) {
        return true; /* an editor's file, a dot file: not to be served */
    }
    *total += len;
    if (s->nfiles == FB_STATIC_FILES_MAX || *total > FB_STATIC_BYTES_MAX) {
        errno = EFBIG;
        return false;
    }
    fb_static_file *f = &s->files[s->nfiles];
    f->path = strdup(relative);
    f->body = (bell_str){read_file(e->fts_path, len), len};
    s->nfiles++;
    if (f->path == NULL || f->body.p == NULL) {
        return false;
    }
    f->content_type = fb_content_type(bell_str_of(f->path));
    f->has_form = memmem(f->body.p, f->body.len, FB_FORM_MARK, sizeof(FB_FORM_MARK) - 1) != NULL;
    return set_etag(f);
}

static int by_path(const void *a, const void *b) {
    return strcmp(((const fb_static_file *)a)->path, ((const fb_static_file *)b)->path);
}

/* All or nothing: with a part of the pages missing, somebody would find out later and elsewhere. */
static bool add_all(fb_static_files *s, FTS *walk, size_t root_len, char *err, size_t err_len) {
    size_t total = 0;
    FTSENT *e;

    for (;;) {
        errno = 0;
        e = fts_read(walk);
        if (e == NULL) {
            break;
        }
        bool unread = e->fts_info == FTS_DNR || e->fts_info == FTS_ERR || e->fts_info == FTS_NS;
        if (unread || (e->fts_info == FTS_F && !add(s, e, root_len, &total))) {
            snprintf(err, err_len, "web_root %s: %s", e->fts_path, strerror(unread ? e->fts_errno : errno));
            return false;
        }
    }
    if (errno != 0) {
        snprintf(err, err_len, "web_root cannot be read: %s", strerror(errno));
        return false;
    }
    return true;
}

bool fb_static_load(fb_static_files *s, const char *root, char *err, size_t err_len) {
    char *const roots[] = {(char *)root, NULL};

    s->nfiles = 0;
    s->files = calloc(FB_STATIC_FILES_MAX, sizeof(*s->files));
    FTS *walk = s->files != NULL ? fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL) : NULL;
    bool ok = walk != NULL;
    if (!ok) {
        snprintf(err, err_len, "web_root %s: %s", root, strerror(errno));
    } else {
        ok = add_all(s, walk, strlen(root), err, err_len);
        fts_close(walk);
    }
    if (ok && s->nfiles == 0) {
        snprintf(err, err_len, "web_root %s: no pages are there; expected the files of origin/web (make install puts them in place)", root);
        ok = false;
    }
    if (!ok) {
        fb_static_free(s);
        return false;
    }
    qsort(s->files, s->nfiles, sizeof(*s->files), by_path);
    return true;
}

void fb_static_free(fb_static_files *s) {
    for (size_t i = 0; i < s->nfiles; i++) {
        free(s->files[i].path);
        free((void *)s->files[i].body.p);
    }
    free(s->files);
    s->files = NULL;
    s->nfiles = 0;
}

const fb_static_file *fb_static_find(const fb_static_files *s, bell_str path) {
    size_t lo = 0, hi = s->nfiles;

    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        bell_str have = bell_str_of(s->files[mid].path);
        size_t n = have.len < path.len ? have.len : path.len;
        int order = memcmp(path.p, have.p, n);
        if (order == 0) {
            order = path.len < have.len ? -1 : path.len > have.len;
        }
        if (order == 0) {
            return &s->files[mid];
        }
        if (order < 0) {
            hi = mid;
        } else {
            lo = mid + 1;
        }
    }
    return NULL;
}
