#define _GNU_SOURCE 1
#include "origin/courses/import_media.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bell_url.h"
#include "origin/server/files.h"

#define PATH_ROOM      1024
#define FILES_MAX      20000 /* of an asset */
#define FILE_MAX_BYTES (INT64_C(16) << 30)
#define DEPTH_MAX      8
#define COPY_BYTES     (256u << 10)
#define STAGED         ".new-"

static bool failed(const char *what, const char *path) {
    fprintf(stderr, "firstbell: %s %s: %s\n", path, what, strerror(errno));
    return false;
}

/* "a/b"; false when it is too long for a path. */
static bool join(char out[PATH_ROOM], const char *a, const char *between, const char *b) {
    int n = snprintf(out, PATH_ROOM, "%s/%s%s", a, between, b);
    if (n > 0 && n < PATH_ROOM) {
        return true;
    }
    fprintf(stderr, "firstbell: the path %s/%s is longer than %d bytes\n", a, b, PATH_ROOM - 1);
    return false;
}

static const char *key_at(const fb_media_copy *m, size_t i) {
    return json_string_value(json_object_get(json_array_get(m->assets, i), "key"));
}

static bool asset_paths(const fb_media_copy *m, size_t i, char target[PATH_ROOM], char staged[PATH_ROOM]) {
    return join(target, m->target, "", key_at(m, i)) && join(staged, m->target, STAGED, key_at(m, i));
}

typedef struct {
    fb_course_report report;
    void *arg;
    size_t root_len;
    size_t files;
    bool ok;
} walk;

static void refuse(walk *w, const char *path, const char *why) {
    char sentence[PATH_ROOM + 200];
    snprintf(sentence, sizeof sentence, "media%s: %s", path + w->root_len, why);
    w->report(w->arg, sentence);
    w->ok = false;
}

static void check_entry(walk *w, const char *asset, const char *path, const struct stat *st) {
    if (!bell_url_is_plain_path(bell_str_of(path + strlen(asset) + 1))) {
        refuse(w, path, "a file's name may only have letters, digits, dots, hyphens and underscores, and begins with no dot");
    } else if (!S_ISREG(st->st_mode) && !S_ISDIR(st->st_mode)) {
        refuse(w, path, "expected a file, found a link or something else");
    } else if (st->st_size > FILE_MAX_BYTES) {
        refuse(w, path, "the file is larger than 16 GiB");
    } else if (S_ISREG(st->st_mode) && ++w->files > FILES_MAX) {
        refuse(w, path, "the asset has more than 20000 files");
    }
}

static void check_folder(walk *w, const char *asset, const char *path, int depth) {
    DIR *dir = opendir(path);
    if (!dir) {
        refuse(w, path, strerror(errno));
        return;
    }
    const struct dirent *e;
    while (w->files <= FILES_MAX && (e = readdir(dir)) != NULL) {
        char child[PATH_ROOM];
        struct stat st;
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) {
            continue;
        }
        if (!join(child, path, "", e->d_name) || lstat(child, &st) != 0) {
            refuse(w, path, "a file in it cannot be looked at");
            continue;
        }
        check_entry(w, asset, child, &st);
        if (S_ISDIR(st.st_mode) && depth == DEPTH_MAX) {
            refuse(w, child, "the folders are nested more than 8 deep");
        } else if (S_ISDIR(st.st_mode)) {
            check_folder(w, asset, child, depth + 1);
        }
    }
    closedir(dir);
}

static void check_reference(walk *w, const fb_media_copy *m, const fb_course_media *ref) {
    char path[PATH_ROOM];
    struct stat st;
    int n = snprintf(path, sizeof path, "%s/%.*s/%s", m->source, (int)ref->asset_len, ref->asset, ref->file);
    if (n < (int)sizeof path && stat(path, &st) == 0 && S_ISREG(st.st_mode)) {
        return;
    }
    char sentence[PATH_ROOM + 400];
    snprintf(sentence, sizeof sentence, "course.json: %s: there is no file media/%.*s/%s", ref->where ? ref->where : "?", (int)ref->asset_len,
             ref->asset, ref->file);
    w->report(w->arg, sentence);
    w->ok = false;
}

bool fb_media_check(const fb_media_copy *m, const fb_course_tree *tree, fb_course_report report, void *arg) {
    walk w = {.report = report, .arg = arg, .root_len = strlen(m->source), .ok = true};
    for (size_t i = 0; i < json_array_size(m->assets); i++) {
        char folder[PATH_ROOM];
        w.files = 0;
        if (!join(folder, m->source, "", key_at(m, i))) {
            return false;
        }
        check_folder(&w, folder, folder, 1);
    }
    for (size_t i = 0; i < tree->nmedia; i++) {
        check_reference(&w, m, &tree->media[i]);
    }
    return w.ok;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw) {
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

/* True also when there is nothing. */
static bool remove_tree(const char *path) {
    if (nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS) == 0 || errno == ENOENT) {
        return true;
    }
    return failed("cannot be removed", path);
}

static bool sync_folder(const char *path) {
    return fb_sync_folder(path) ? true : failed("cannot be written to the disk", path);
}

static bool copy_bytes(int in, int out, char *buf) {
    for (;;) {
        ssize_t n = read(in, buf, COPY_BYTES);
        if (n == 0) {
            return true;
        }
        if (n < 0 && errno != EINTR) {
            return false;
        }
        for (ssize_t done = 0; done < n;) {
            ssize_t w = write(out, buf + done, (size_t)(n - done));
            if (w < 0 && errno != EINTR) {
                return false;
            }
            done += w > 0 ? w : 0;
        }
    }
}

static bool copy_file(const char *from, const char *to, char *buf) {
    int in = open(from, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (in < 0) {
        return failed("cannot be read", from);
    }
    int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    bool ok = out >= 0 && copy_bytes(in, out, buf) && fsync(out) == 0;
    if (out >= 0) {
        ok = close(out) == 0 && ok;
    }
    ok = ok ? true : failed("cannot be written", to);
    close(in);
    return ok;
}

static bool copy_folder(const char *from, const char *to, char *buf, int depth) {
    DIR *dir = depth <= DEPTH_MAX ? opendir(from) : NULL;
    if (!dir) {
        return failed("cannot be read", from);
    }
    bool ok = mkdir(to, 0755) == 0 || failed("cannot be made", to);
    const struct dirent *e;
    while (ok && (e = readdir(dir)) != NULL) {
        char source[PATH_ROOM];
        char target[PATH_ROOM];
        struct stat st;
        if (e->d_name[0] == '.') { /* . and .., for the check has refused the others */
            continue;
        }
        ok = join(source, from, "", e->d_name) && join(target, to, "", e->d_name);
        if (ok && lstat(source, &st) != 0) {
            ok = failed("cannot be read", source);
        } else if (ok) {
            ok = S_ISDIR(st.st_mode) ? copy_folder(source, target, buf, depth + 1) : copy_file(source, target, buf);
        }
    }
    closedir(dir);
    return ok && sync_folder(to);
}

bool fb_media_stage(const fb_media_copy *m) {
    if (mkdir(m->target, 0755) != 0 && errno != EEXIST) {
        return failed("cannot be made", m->target);
    }
    char *buf = malloc(COPY_BYTES);
    bool ok = buf != NULL;
    for (size_t i = 0; ok && i < json_array_size(m->assets); i++) {
        char source[PATH_ROOM];
        char target[PATH_ROOM];
        char staged[PATH_ROOM];
        ok = join(source, m->source, "", key_at(m, i)) && asset_paths(m, i, target, staged) && remove_tree(staged) &&
             copy_folder(source, staged, buf, 1);
    }
    free(buf);
    return ok;
}

/* After a swap the older folder, if there is one, stands at `staged`. */
static bool swap_one(const char *staged, const char *target) {
    if (renameat2(AT_FDCWD, staged, AT_FDCWD, target, RENAME_EXCHANGE) == 0) {
        return true;
    }
    if (errno == ENOENT && rename(staged, target) == 0) {
        return true;
    }
    return failed("cannot be put in its place", target);
}

bool fb_media_swap(fb_media_copy *m) {
    for (; m->swapped < json_array_size(m->assets); m->swapped++) {
        char target[PATH_ROOM];
        char staged[PATH_ROOM];
        if (!asset_paths(m, m->swapped, target, staged) || !swap_one(staged, target)) {
            return false;
        }
    }
    return sync_folder(m->target);
}

void fb_media_swap_back(fb_media_copy *m) {
    while (m->swapped > 0) {
        char target[PATH_ROOM];
        char staged[PATH_ROOM];
        m->swapped--;
        if (asset_paths(m, m->swapped, target, staged) && renameat2(AT_FDCWD, staged, AT_FDCWD, target, RENAME_EXCHANGE) != 0) {
            rename(target, staged); /* there was no older one */
        }
    }
}

void fb_media_finish(const fb_media_copy *m) {
    for (size_t i = 0; i < json_array_size(m->assets); i++) {
        char target[PATH_ROOM];
        char staged[PATH_ROOM];
        if (asset_paths(m, i, target, staged)) {
            remove_tree(staged); /* what is left after a failure is removed by the next import */
        }
    }
}
