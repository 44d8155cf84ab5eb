#include "bell_quiz.h"
#include "origin/content/item.h"
#include "origin/courses/content.h"
#include "origin/courses/courses.h"
#include "origin/courses/enrolled_sql.h"
#include "origin/server/log.h"
#include "origin/server/reply.h"

/* The course of the lesson decides; the neighbours are those with something in them, in the order of the outline. */
#define LESSON_COURSE "(SELECT l.course_id FROM lessons l WHERE l.tenant_id = $1 AND l.id = $3)"

const fb_stmt fb_sql_lesson_head = {
    "lesson_head",
    FB_ENROLLED_IN(
        LESSON_COURSE) ", ordered AS (SELECT l.id, lag(l.id) OVER w AS previous, lead(l.id) OVER w AS next "
                       "  FROM lessons l JOIN modules m ON m.tenant_id = $1 AND m.id = l.module_id "
                       "  WHERE l.tenant_id = $1 AND l.course_id = " LESSON_COURSE
                       "  AND EXISTS (SELECT FROM items i WHERE i.tenant_id = $1 AND i.lesson_id = l.id AND NOT i.retired) "
                       "  WINDOW w AS (ORDER BY m.position, m.id, l.position, l.id)) "
                       "SELECT l.id, l.title, c.id, c.title, m.id, m.title, o.previous, o.next "
                       "FROM me CROSS JOIN ordered o JOIN lessons l ON l.tenant_id = $1 AND l.id = o.id "
                       "JOIN modules m ON m.tenant_id = $1 AND m.id = l.module_id JOIN courses c ON c.tenant_id = $1 AND c.id = l.course_id "
                       "WHERE o.id = $3",
    3,
};

const fb_stmt fb_sql_lesson_items = {
    "lesson_items",
    FB_ENROLLED_IN(LESSON_COURSE) "SELECT i.id, i.kind, i.title, i.content, CASE WHEN me.role = 3 THEN " FB_MISSING_COLUMN
                                  " END, " FB_PROGRESS_COLUMNS " "
                                  "FROM me JOIN items i ON i.tenant_id = $1 AND i.lesson_id = $3 AND NOT i.retired "
                                  "LEFT JOIN progress p ON p.tenant_id = $1 AND p.enrollment_id = me.id AND p.item_id = i.id "
                                  "ORDER BY i.position, i.id LIMIT 200",
    3,
};

const fb_stmt fb_sql_course_assets = {
    "course_assets",
    "SELECT a.key, a.id FROM assets a WHERE a.tenant_id = $1 AND a.course_id = (SELECT l.course_id FROM lessons l WHERE l.tenant_id = $1 AND l.id = "
    "$2)",
    2,
};

enum { ID, KIND, TITLE, CONTENT, MISSING, PROGRESS };

static void write_content(fb_job *job, bell_json *j, const PGresult *r, int row, const PGresult *assets, fb_media_links *links) {
    bell_str content = fb_col(r, row, CONTENT);

    bell_json_key(j, "content");
    if (!PQgetisnull(r, row, MISSING)) {
        bell_json_null(j); /* what is locked is not given out */
    } else if (fb_col_i64(r, row, KIND) == FB_ITEM_QUIZ) {
        if (!bell_quiz_write_public(content, j)) {
            fb_log(FB_LOG_ERROR, "request %s: the content of item %s is not a quiz", job->request_id, PQgetvalue(r, row, ID));
            j->buf->failed = true;
        }
    } else {
        fb_content_write(j, content, assets, links);
    }
}

static void write_items(fb_job *job, bell_json *j, const PGresult *r, const PGresult *assets, fb_media_links *links) {
    bell_json_key(j, "items");
    bell_json_array_open(j);
    for (int row = 0; row < PQntuples(r); row++) {
        bell_json_object_open(j);
        fb_col_write_int(j, "id", r, row, ID);
        bell_json_key(j, "kind");
        bell_json_z(j, fb_item_kind_name(fb_col_i64(r, row, KIND)));
        fb_col_write_str(j, "title", r, row, TITLE);
        fb_item_write_progress(j, r, row, PROGRESS);
        fb_item_write_lock(j, r, row, MISSING);
        write_content(job, j, r, row, assets, links);
        bell_json_object_close(j);
    }
    bell_json_array_close(j);
}

static void write_named(bell_json *j, const char *key, const PGresult *r, int col) {
    bell_json_key(j, key);
    bell_json_object_open(j);
    fb_col_write_int(j, "id", r, 0, col);
    fb_col_write_str(j, "title", r, 0, col + 1);
    bell_json_object_close(j);
}

static void write_lesson(fb_job *job, bell_json *j, fb_media_links *links) {
    const PGresult *head = fb_rows(job, 0);

    bell_json_object_open(j);
    fb_col_write_int(j, "id", head, 0, 0);
    fb_col_write_str(j, "title", head, 0, 1);
    write_named(j, "course", head, 2);
    write_named(j, "module", head, 4);
    fb_col_write_int_or_null(j, "previous_lesson_id", head, 0, 6);
    fb_col_write_int_or_null(j, "next_lesson_id", head, 0, 7);
    bell_json_key(j, "media");
    bell_json_object_open(j);
    fb_media_links_write_end(links, j);
    bell_json_object_close(j);
    write_items(job, j, fb_rows(job, 1), fb_rows(job, 2), links);
    bell_json_object_close(j);
}

static void answer(fb_job *job) {
    fb_media_links links;
    bell_json j;

    if (PQntuples(fb_rows(job, 0)) == 0) {
        fb_reply_problem(job, FB_PROBLEM_NOT_FOUND, NULL);
        return;
    }
    /* what can be read is read also when no key signs the addresses of what can be watched */
    fb_media_links_open(&links, job, fb_rows(job, 3));
    fb_reply_json_begin(job, &j);
    write_lesson(job, &j, &links);
    fb_media_links_close(&links);
    fb_reply_json(job, &j, 200);
}

void fb_lesson(fb_job *job) {
    const char *tenant = fb_text_i64(job, job->tenant_id), *user = fb_text_i64(job, (int64_t)job->session.user_id);
    const char *lesson = fb_text_i64(job, (int64_t)job->ids[0]);

    fb_call_add(job, &fb_sql_lesson_head, tenant, user, lesson);
    fb_call_add(job, &fb_sql_lesson_items, tenant, user, lesson);
    fb_call_add(job, &fb_sql_course_assets, tenant, lesson);
    fb_media_links_ask(job);
    fb_await_db(job, answer);
}
