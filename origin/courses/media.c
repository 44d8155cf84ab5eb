#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bell_url.h"
#include "origin/courses/courses.h"
#include "origin/courses/enrolled_sql.h"
#include "origin/server/reply.h"
#include "origin/server/worker.h"

const fb_stmt fb_sql_asset_open = {
    "asset_open",
    FB_ENROLLED_IN("(SELECT a.course_id FROM assets a WHERE a.tenant_id = $1 AND a.id = $3)") "SELECT a.key, a.course_id FROM me JOIN assets a ON "
                                                                                              "a.tenant_id = $1 AND a.id = $3",
    3,
};

/* The edge has found that a token of ours is for this address. */
const fb_stmt fb_sql_asset_of_token = {
    "asset_of_token",
    "SELECT a.key, a.course_id FROM assets a WHERE a.tenant_id = $1 AND a.id = $2",
    2,
};

enum { KEY, COURSE };

/* Media are what authors gave. They are shown and played; opened by themselves they are a page of our origin, and run nothing there. */
#define MEDIA_POLICY "default-src 'none'; img-src 'self' data:; media-src 'self'; style-src 'unsafe-inline'; sandbox"

static const char *media_type(bell_str path) {
    const char *type = fb_content_type(path);
    bool runs = strncmp(type, "text/html", 9) == 0 || strncmp(type, "text/javascript", 15) == 0;
    return runs ? "application/octet-stream" : type;
}

static int open_file(fb_job *job, struct stat *st) {
    char path[1024];
    int n = snprintf(path, sizeof(path), "%s/%d/%s/%.*s", job->worker->settings->media_root, job->tenant_id, PQgetvalue(fb_rows(job, 0), 0, KEY),
                     BELL_STR_ARG(job->rest));

    if (n < 0 || (size_t)n >= sizeof(path)) {
        return -1;
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) {
        return -1;
    }
    if (fstat(fd, st) == 0 && S_ISREG(st->st_mode)) {
        return fd;
    }
    close(fd);
    return -1;
}

/* A range counts only for the file that it was asked of (RFC 9110, 13.1.5). */
static int wanted_range(const fb_job *job, const char *etag, uint64_t size, uint64_t *first, uint64_t *last) {
    bell_str range = bell_http_header_get(job->request, BELL_STR("Range"));
    bell_str if_range = bell_http_header_get(job->request, BELL_STR("If-Range"));

    if (range.p == NULL || size == 0 || (if_range.p != NULL && !bell_str_eq(if_range, bell_str_of(etag)))) {
        return 0;
    }
    return bell_http_range(range, size, first, last);
}

/* Both names are of what an import changes. */
static void say_whose(fb_job *job) {
    const char *tags =
        bell_arena_printf(&job->arena, "course-%s, asset-%llu", PQgetvalue(fb_rows(job, 0), 0, COURSE), (unsigned long long)job->ids[0]);

    if (tags != NULL) {
        fb_share_say(job, tags);
    }
}

static void reply_file(fb_job *job, int fd, const struct stat *st) {
    uint64_t size = (uint64_t)st->st_size, first = 0, last = size - 1;
    char etag[64];

    snprintf(etag, sizeof(etag), "\"%llx-%llx-%llx\"", (unsigned long long)st->st_ino,
             (unsigned long long)st->st_mtim.tv_sec * 1000 + (unsigned long long)st->st_mtim.tv_nsec / 1000000, (unsigned long long)size);
    int range = wanted_range(job, etag, size, &first, &last);
    if (range < 0) {
        close(fd);
        fb_reply_problem(job, FB_PROBLEM_RANGE, NULL);
        return;
    }
    fb_reply_header(job, "ETag: %s", etag);
    fb_reply_header(job, "Accept-Ranges: bytes");
    fb_reply_header(job, "Cache-Control: private, max-age=3600");
    say_whose(job);
    fb_reply_header(job, "Content-Security-Policy: " MEDIA_POLICY);
    bell_str inm = bell_http_header_get(job->request, BELL_STR("If-None-Match"));
    if (inm.p != NULL && bell_str_eq(inm, bell_str_of(etag))) {
        close(fd);
        fb_reply_not_modified(job);
        return;
    }
    if (range > 0) {
        fb_reply_header(job, "Content-Range: bytes %llu-%llu/%llu", (unsigned long long)first, (unsigned long long)last, (unsigned long long)size);
    }
    fb_reply_fd(job, range > 0 ? 206 : 200, media_type(job->rest), fd, first, size == 0 ? 0 : last - first + 1);
}

static void answer(fb_job *job) {
    struct stat st;
    int fd = PQntuples(fb_rows(job, 0)) == 1 ? open_file(job, &st) : -1;

    if (fd < 0) {
        fb_reply_problem(job, FB_PROBLEM_NOT_FOUND, NULL);
    } else {
        reply_file(job, fd, &st);
    }
}

void fb_media(fb_job *job) {
    if (!bell_url_is_plain_path(job->rest)) {
        fb_reply_problem(job, FB_PROBLEM_NOT_FOUND, NULL);
        return;
    }
    const char *tenant = fb_text_i64(job, job->tenant_id), *asset = fb_text_i64(job, (int64_t)job->ids[0]);
    if (job->has_session) {
        fb_call_add(job, &fb_sql_asset_open, tenant, fb_text_i64(job, (int64_t)job->session.user_id), asset);
    } else {
        fb_call_add(job, &fb_sql_asset_of_token, tenant, asset);
    }
    fb_await_db(job, answer);
}
