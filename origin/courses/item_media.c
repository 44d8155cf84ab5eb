/* Addresses of an item's files, for who asks again: a lesson has given the first ones with its content. */
#include "origin/content/item.h"
#include "origin/courses/content.h"
#include "origin/courses/courses.h"
#include "origin/courses/enrolled_sql.h"
#include "origin/server/reply.h"

#define ITEM_COURSE(item) "(SELECT i.course_id FROM items i WHERE i.tenant_id = $1 AND i.id = " item ")"

/* As a lesson shows it: to those of the course, and to a student when nothing is missing. */
const fb_stmt fb_sql_item_media = {
    "item_media",
    FB_ENROLLED_IN(ITEM_COURSE("$3")) "SELECT i.kind, i.content, i.content->'hls', CASE WHEN me.role = 3 THEN "
                                      "(SELECT string_agg(m.title, '; ') FROM missing_prerequisites($1, me.id, i.id) m) END "
                                      "FROM me JOIN items i ON i.tenant_id = $1 AND i.id = $3 AND NOT i.retired",
    3,
};

const fb_stmt fb_sql_item_assets = {
    "item_assets",
    "SELECT a.key, a.id FROM assets a WHERE a.tenant_id = $1 AND a.course_id = " ITEM_COURSE("$2") " ORDER BY a.id",
    2,
};

enum { KIND, CONTENT, HLS, MISSING };

static bool is_refused(fb_job *job, const PGresult *item) {
    if (PQntuples(item) == 0) {
        fb_reply_problem(job, FB_PROBLEM_NOT_FOUND, NULL);
        return true;
    }
    if (!PQgetisnull(item, 0, MISSING)) {
        fb_reply_problem(job, FB_PROBLEM_LOCKED, bell_arena_printf(&job->arena, "To be finished first: %s", PQgetvalue(item, 0, MISSING)));
        return true;
    }
    return false;
}

/* A quiz is given out without files. */
static bell_str content_of(const PGresult *item, int col) {
    return fb_col_i64(item, 0, KIND) == FB_ITEM_QUIZ ? BELL_STR_NULL : fb_col(item, 0, col);
}

static void write_folders(fb_job *job, bell_json *j, const PGresult *item, const PGresult *assets, fb_media_links *links) {
    size_t n = (size_t)PQntuples(assets);
    bool *named = bell_arena_zalloc(&job->arena, n + 1);
    bell_buf folder;

    bell_json_key(j, "folders");
    bell_json_array_open(j);
    if (named == NULL) {
        j->buf->failed = true;
        return;
    }
    fb_content_find_assets(content_of(item, CONTENT), assets, named);
    bell_buf_init(&folder, 2 * BELL_PATH_TOKEN_MAX_BYTES);
    for (int row = 0; row < PQntuples(assets); row++) {
        if (named[row]) {
            folder.len = 0;
            fb_media_links_folder(links, fb_col(assets, row, 1), &folder);
            bell_json_str(j, bell_buf_str(&folder));
        }
    }
    j->buf->failed |= folder.failed;
    bell_buf_fini(&folder);
    bell_json_array_close(j);
}

static void write_media(fb_job *job, const PGresult *item, const PGresult *assets, fb_media_links *links) {
    bell_json j;

    fb_reply_json_begin(job, &j);
    bell_json_object_open(&j);
    bell_json_key(&j, "url");
    fb_content_write(&j, content_of(item, HLS), assets, links);
    fb_media_links_write_end(links, &j);
    write_folders(job, &j, item, assets, links);
    bell_json_object_close(&j);
    fb_reply_json(job, &j, 200);
}

static void answer(fb_job *job) {
    const PGresult *item = fb_rows(job, 0);
    fb_media_links links;

    if (is_refused(job, item)) {
        return;
    }
    if (fb_media_links_open(&links, job, fb_rows(job, 2))) {
        write_media(job, item, fb_rows(job, 1), &links);
    } else {
        fb_reply_problem(job, FB_PROBLEM_MEDIA_KEY, NULL);
    }
    fb_media_links_close(&links);
}

void fb_item_media(fb_job *job) {
    const char *tenant = fb_text_i64(job, job->tenant_id), *item = fb_text_i64(job, (int64_t)job->ids[0]);

    fb_call_add(job, &fb_sql_item_media, tenant, fb_text_i64(job, (int64_t)job->session.user_id), item);
    fb_call_add(job, &fb_sql_item_assets, tenant, item);
    fb_media_links_ask(job);
    fb_await_db(job, answer);
}
