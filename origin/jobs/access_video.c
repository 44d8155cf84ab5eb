#include "origin/jobs/access_video.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bell_buf.h"
#include "bell_playlist.h"
#include "bell_uri.h"
#include "bell_url.h"

#define PATH_ROOM          1024
#define PLAYLIST_MAX_BYTES (4u << 20)
#define PLAYLISTS_BYTES    (16u << 20) /* of all renditions */
#define RENDITIONS_MAX     32
#define SEGMENTS_MAX       50000 /* likewise; those that are not there count, for each is looked for */
#define NAMES_MAX_BYTES    (16u << 20)
#define STEP_MIN_MS        100
#define STEPS_MAX          4000
#define KEPT_MAX           128

typedef struct {
    size_t name; /* in names */
    uint64_t first_byte, bytes, file_bytes;
    int64_t begin_ms, end_ms;
} segment;

struct fb_video {
    segment *segments; /* by name, then by first byte */
    size_t n, cap;
    bell_buf names;
    int64_t duration_ms;
    int64_t step_ms;
};

/* A video in the making. */
typedef struct {
    fb_video *v;
    const char *folder;
    unsigned renditions;
    size_t playlists_bytes, segments; /* so far */
    char *err;
} loading;

static bool refuse(const loading *l, const char *file, const char *why) {
    snprintf(l->err, FB_VIDEO_ERROR_BYTES, "%.200s: %s", file, why);
    return false;
}

/* ---- files */

static bool open_file(const loading *l, const char *file, int *fd, struct stat *st) {
    char path[PATH_ROOM];
    int n = snprintf(path, sizeof path, "%s/%s", l->folder, file);
    *fd = n > 0 && n < PATH_ROOM ? open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC) : -1;
    if (*fd >= 0 && fstat(*fd, st) == 0 && S_ISREG(st->st_mode)) {
        return true;
    }
    if (*fd >= 0) {
        close(*fd);
        errno = EINVAL;
    }
    return false;
}

/* The whole of a playlist; the caller frees. */
static char *read_playlist(loading *l, const char *file, bell_str *text) {
    struct stat st;
    int fd;
    if (!open_file(l, file, &fd, &st)) {
        refuse(l, file, strerror(errno));
        return NULL;
    }
    size_t size = (size_t)st.st_size, got = 0;
    l->playlists_bytes += size <= PLAYLIST_MAX_BYTES ? size : 0;
    bool too_many = l->playlists_bytes > PLAYLISTS_BYTES;
    char *p = size <= PLAYLIST_MAX_BYTES && !too_many ? malloc(size + 1) : NULL;
    ssize_t n = 1;
    while (p && got < size && n > 0) {
        n = read(fd, p + got, size - got);
        got += n > 0 ? (size_t)n : 0;
    }
    close(fd);
    if (!p || got < size) {
        refuse(l, file,
               size > PLAYLIST_MAX_BYTES ? "a playlist of more than 4 MiB"
               : too_many                ? "the playlists of the video have more than 16 MiB"
                                         : "it cannot be read");
        free(p);
        return NULL;
    }
    *text = (bell_str){p, size};
    return p;
}

/* Where a URI of a playlist leads to, as a file below the folder; false: somewhere else, or to no file. */
static bool resolve(const char *playlist, bell_str uri, char out[PATH_ROOM]) {
    char target[PATH_ROOM], room[PATH_ROOM];
    bell_str path;
    snprintf(target, sizeof target, "/%s", playlist);
    const bell_uri_base base = {BELL_STR("https"), BELL_STR("media"), bell_str_of(target)};
    if (!bell_uri_resolve(&base, uri, room, sizeof room, &path)) {
        return false;
    }
    path = bell_str_cut(&path, '?');
    path = (bell_str){path.p + 1, path.len - 1};
    if (!bell_url_is_plain_path(path)) {
        return false;
    }
    snprintf(out, PATH_ROOM, "%.*s", BELL_STR_ARG(path));
    return true;
}

/* ---- segments */

static const char *name_of(const fb_video *v, const segment *s) {
    return v->names.p + s->name;
}

static segment *new_segment(fb_video *v, const char *name) {
    if (v->n == v->cap) {
        size_t cap = v->cap == 0 ? 256 : 2 * v->cap;
        segment *grown = realloc(v->segments, cap * sizeof *grown);
        if (!grown) {
            return NULL;
        }
        v->segments = grown;
        v->cap = cap;
    }
    segment *s = &v->segments[v->n];
    bool same = v->n > 0 && strcmp(name_of(v, s - 1), name) == 0; /* byte ranges of one file */
    *s = (segment){.name = same ? (s - 1)->name : v->names.len, .file_bytes = same ? (s - 1)->file_bytes : 0};
    if (!same) {
        bell_buf_add(&v->names, name, strlen(name) + 1);
    }
    v->n += !v->names.failed;
    return v->names.failed ? NULL : s;
}

/* A file that is not there can be fetched by nobody; its time passes all the same. */
static bool add_segment(loading *l, const char *playlist, const bell_playlist_part *part) {
    fb_video *v = l->v;
    char name[PATH_ROOM];
    struct stat st = {0};
    int fd;
    if (part->uri.len == 0 || part->end_us == part->begin_us || !resolve(playlist, part->uri, name)) {
        return true;
    }
    segment *s = l->segments++ < SEGMENTS_MAX ? new_segment(v, name) : NULL;
    if (!s) {
        return refuse(l, playlist, "the video has more than 50000 segments, or too long names of them");
    }
    if (s->file_bytes == 0 && open_file(l, name, &fd, &st)) {
        close(fd);
        s->file_bytes = (uint64_t)st.st_size;
    }
    s->first_byte = part->first_byte;
    s->bytes = part->bytes > 0 ? part->bytes : s->file_bytes;
    s->begin_ms = (int64_t)(part->begin_us / 1000);
    s->end_ms = (int64_t)(part->end_us / 1000);
    v->n -= s->bytes == 0 || s->first_byte + s->bytes > s->file_bytes;
    return true;
}

static bool load_playlist(loading *l, const char *file, bool may_have_renditions);

static bool load_rendition(loading *l, const char *playlist, bell_str uri) {
    char file[PATH_ROOM];
    if (!resolve(playlist, uri, file)) {
        return true; /* on another host: nothing of it is fetched here */
    }
    return ++l->renditions <= RENDITIONS_MAX ? load_playlist(l, file, false) : refuse(l, playlist, "it has more than 32 renditions");
}

// NOLINTNEXTLINE(misc-no-recursion): renditions have none of their own
static bool load_playlist(loading *l, const char *file, bool may_have_renditions) {
    bell_str text;
    bell_playlist h;
    bell_playlist_part part;
    char *p = read_playlist(l, file, &text);
    if (!p) {
        return false;
    }
    bell_playlist_kind kind = bell_playlist_open(&h, text);
    bool ok = kind == BELL_PLAYLIST_SEGMENTS || (kind == BELL_PLAYLIST_RENDITIONS && may_have_renditions) || refuse(l, file, "no HLS playlist");
    while (ok && bell_playlist_next(&h, &part)) {
        ok = kind == BELL_PLAYLIST_RENDITIONS ? load_rendition(l, file, part.uri) : add_segment(l, file, &part);
    }
    if (ok && h.broken) {
        ok = refuse(l, file, "a playlist that breaks the rules of HLS");
    }
    int64_t ms = (int64_t)(h.at_us / 1000);
    l->v->duration_ms = ms > l->v->duration_ms ? ms : l->v->duration_ms;
    free(p);
    return ok;
}

static _Thread_local const fb_video *sorted; /* what qsort and bsearch compare in */

static int compare(const void *a, const void *b) {
    const segment *x = a, *y = b;
    int names = strcmp(name_of(sorted, x), name_of(sorted, y));
    return names != 0 ? names : (x->first_byte > y->first_byte) - (x->first_byte < y->first_byte);
}

fb_video *fb_video_load(const char *folder, const char *file, char err[FB_VIDEO_ERROR_BYTES]) {
    fb_video *v = calloc(1, sizeof *v);
    loading l = {.v = v, .folder = folder, .err = err};
    if (!v) {
        refuse(&l, file, "no memory");
        return NULL;
    }
    bell_buf_init(&v->names, NAMES_MAX_BYTES);
    if (!load_playlist(&l, file, true)) {
        fb_video_free(v);
        return NULL;
    }
    v->step_ms = v->duration_ms / STEPS_MAX > STEP_MIN_MS ? v->duration_ms / STEPS_MAX : STEP_MIN_MS;
    sorted = v;
    if (v->n > 0) {
        qsort(v->segments, v->n, sizeof *v->segments, compare);
    }
    return v;
}

void fb_video_free(fb_video *v) {
    if (v) {
        free(v->segments);
        bell_buf_fini(&v->names);
        free(v);
    }
}

int64_t fb_video_duration_ms(const fb_video *v) {
    return v->duration_ms;
}

/* ---- times */

static int64_t in_steps(const fb_video *v, int64_t ms) {
    return ms >= v->duration_ms ? v->duration_ms : ms / v->step_ms * v->step_ms;
}

/* When a byte of the segment plays, or the one behind its last. */
static int64_t time_of(const segment *s, uint64_t byte) {
    return s->begin_ms + (int64_t)((double)(s->end_ms - s->begin_ms) * ((double)(byte - s->first_byte) / (double)s->bytes));
}

static size_t first_of(const fb_video *v, const char *file) {
    size_t low = 0, high = v->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(name_of(v, &v->segments[middle]), file) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

bool fb_video_times(const fb_video *v, const char *file, int64_t from, int64_t to, int64_t size, fb_video_each *each, void *arg) {
    size_t i = first_of(v, file);
    int64_t begin_ms = 0, end_ms = 0; /* what adjoins is one */
    bool found = false;
    for (; i < v->n && strcmp(name_of(v, &v->segments[i]), file) == 0; i++) {
        const segment *s = &v->segments[i];
        uint64_t last = s->first_byte + s->bytes;
        uint64_t a = (uint64_t)from > s->first_byte ? (uint64_t)from : s->first_byte, b = (uint64_t)to < last ? (uint64_t)to : last;
        if (size >= 0 && (uint64_t)size != s->file_bytes) {
            return false;
        }
        found = true;
        if (a >= b) {
            continue;
        }
        int64_t begin = in_steps(v, time_of(s, a)), end = in_steps(v, time_of(s, b));
        if (begin != end_ms && begin_ms < end_ms) {
            each(arg, begin_ms, end_ms);
        }
        begin_ms = begin == end_ms ? begin_ms : begin;
        end_ms = end;
    }
    if (begin_ms < end_ms) {
        each(arg, begin_ms, end_ms);
    }
    return found;
}

/* ---- the last ones */

struct fb_videos {
    struct {
        fb_video_key key;
        fb_video *v; /* NULL: free */
        uint64_t used;
    } kept[KEPT_MAX];
    uint64_t clock;
};

fb_videos *fb_videos_new(void) {
    return calloc(1, sizeof(fb_videos));
}

void fb_videos_free(fb_videos *c) {
    for (size_t i = 0; c && i < KEPT_MAX; i++) {
        fb_video_free(c->kept[i].v);
    }
    free(c);
}

const fb_video *fb_videos_get(fb_videos *c, const fb_video_key *key, const char *folder, const char *file, char err[FB_VIDEO_ERROR_BYTES]) {
    size_t oldest = 0;
    for (size_t i = 0; i < KEPT_MAX; i++) {
        bool same = c->kept[i].v && c->kept[i].key.tenant_id == key->tenant_id && c->kept[i].key.item_id == key->item_id;
        if (same && c->kept[i].key.version == key->version) {
            c->kept[i].used = ++c->clock;
            return c->kept[i].v;
        }
        oldest = same || c->kept[i].used < c->kept[oldest].used ? i : oldest;
        if (same) {
            break; /* of another version: its place is taken */
        }
    }
    fb_video_free(c->kept[oldest].v);
    c->kept[oldest].v = fb_video_load(folder, file, err);
    c->kept[oldest].key = *key;
    c->kept[oldest].used = c->kept[oldest].v ? ++c->clock : 0;
    return c->kept[oldest].v;
}
