#include <stdlib.h>

#include "origin/content/item.h"
#include "origin/courses/courses.h"
#include "origin/courses/enrolled_sql.h"
#include "origin/db/result_cache.h"
#include "origin/server/reply.h"
#include "origin/server/worker.h"

/* A request reads what is the student's own, and the version of the course's content. What the course consists of is the same for everybody and
 * changes with an import: a worker keeps it by that version (origin/db/result_cache.h). */
const fb_stmt fb_sql_course_progress = {
    "course_progress",
    FB_ENROLLED_IN("$3") "SELECT c.content_version, c.id, c.title, me.class_title, me.role, p.item_id, " FB_PROGRESS_COLUMNS " "
                         "FROM me JOIN courses c ON c.tenant_id = $1 AND c.id = $3 "
                         "LEFT JOIN progress p ON p.tenant_id = $1 AND p.enrollment_id = me.id LIMIT 20000",
    3,
};

const fb_stmt fb_sql_course_items = {
    "course_items",
    "SELECT c.content_version, m.id, m.title, l.id, l.title, i.id, i.kind, i.title FROM courses c "
    "JOIN items i ON i.tenant_id = $1 AND i.course_id = c.id AND NOT i.retired "
    "JOIN lessons l ON l.tenant_id = $1 AND l.id = i.lesson_id JOIN modules m ON m.tenant_id = $1 AND m.id = l.module_id "
    "WHERE c.tenant_id = $1 AND c.id = $2 ORDER BY m.position, m.id, l.position, l.id, i.position, i.id LIMIT 2000",
    2,
};

const fb_stmt fb_sql_course_prerequisites = {
    "course_prerequisites",
    "SELECT q.item_id, r.id, r.title, q.minimum_score_hundredths FROM items i JOIN prerequisites q ON q.tenant_id = $1 AND q.item_id = i.id "
    "JOIN items r ON r.tenant_id = $1 AND r.id = q.required_item_id AND NOT r.retired "
    "WHERE i.tenant_id = $1 AND i.course_id = $2 AND NOT i.retired ORDER BY q.item_id, r.id LIMIT 20000",
    2,
};

enum { VERSION, COURSE_ID, COURSE_TITLE, CLASS_TITLE, ROLE, PROGRESS_ITEM, PROGRESS };                    /* course_progress */
enum { ITEMS_VERSION, MODULE_ID, MODULE_TITLE, LESSON_ID, LESSON_TITLE, ITEM_ID, ITEM_KIND, ITEM_TITLE }; /* course_items */
enum { WANTING_ITEM, REQUIRED_ITEM, REQUIRED_TITLE, MINIMUM_HUNDREDTHS };                                 /* course_prerequisites */

#define STATUS_COMPLETED 2
#define ROLE_STUDENT     3

typedef struct {
    int64_t item;
    int row;
} done_item;

/* What an outline is written from. */
typedef struct {
    const PGresult *own;           /* course_progress */
    const PGresult *items;         /* course_items */
    const PGresult *prerequisites; /* course_prerequisites: ordered by item */
    done_item *done;               /* the rows of `own` by item, for each is looked for several times */
    int ndone;
} outline;

static int by_item(const void *a, const void *b) {
    int64_t x = ((const done_item *)a)->item, y = ((const done_item *)b)->item;
    return (x > y) - (x < y);
}

/* false: out of memory. */
static bool list_done(fb_job *job, outline *o) {
    int n = PQntuples(o->own);

    o->done = bell_arena_alloc(&job->arena, (size_t)n * sizeof(*o->done));
    if (o->done == NULL) {
        return false;
    }
    for (int row = 0; row < n; row++) {
        if (!PQgetisnull(o->own, row, PROGRESS_ITEM)) { /* NULL: the one row of who has done nothing */
            o->done[o->ndone++] = (done_item){fb_col_i64(o->own, row, PROGRESS_ITEM), row};
        }
    }
    qsort(o->done, (size_t)o->ndone, sizeof(*o->done), by_item);
    return true;
}

/* The row of what was done of an item, -1 when nothing was. */
static int progress_row(const outline *o, int64_t item) {
    const done_item wanted = {.item = item};
    const done_item *found = bsearch(&wanted, o->done, (size_t)o->ndone, sizeof(*o->done), by_item);
    return found != NULL ? found->row : -1;
}

/* The first row of `prerequisites` that is of the item or of a later one. */
static int first_prerequisite(const outline *o, int64_t item) {
    int low = 0, high = PQntuples(o->prerequisites);

    while (low < high) {
        int middle = (low + high) / 2;
        if (fb_col_i64(o->prerequisites, middle, WANTING_ITEM) < item) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* The rule of missing_prerequisites() (schema/0004), over rows that are here already. tests/origin/outline.test.mjs compares the two. */
static bool is_met(const outline *o, int prerequisite) {
    int row = progress_row(o, fb_col_i64(o->prerequisites, prerequisite, REQUIRED_ITEM));
    if (row < 0 || fb_col_i64(o->own, row, PROGRESS) != STATUS_COMPLETED) {
        return false;
    }
    return PQgetisnull(o->prerequisites, prerequisite, MINIMUM_HUNDREDTHS) ||
           fb_col_i64(o->own, row, PROGRESS + 2) >= fb_col_i64(o->prerequisites, prerequisite, MINIMUM_HUNDREDTHS);
}

static void write_score(bell_json *j, const char *key, const PGresult *r, int row, int col) {
    bell_json_key(j, key);
    if (row < 0 || PQgetisnull(r, row, col)) {
        bell_json_null(j);
    } else {
        bell_json_fixed(j, fb_col_i64(r, row, col), 2);
    }
}

static void write_missing(bell_json *j, const outline *o, int prerequisite) {
    int64_t required = fb_col_i64(o->prerequisites, prerequisite, REQUIRED_ITEM);
    bell_json_object_open(j);
    bell_json_key(j, "item_id");
    bell_json_int(j, required);
    fb_col_write_str(j, "title", o->prerequisites, prerequisite, REQUIRED_TITLE);
    write_score(j, "need_score", o->prerequisites, prerequisite, MINIMUM_HUNDREDTHS);
    write_score(j, "have_score", o->own, progress_row(o, required), PROGRESS + 2);
    bell_json_object_close(j);
}

/* Teachers find everything open. */
static void write_lock(bell_json *j, const outline *o, int64_t item) {
    int first = fb_col_i64(o->own, 0, ROLE) == ROLE_STUDENT ? first_prerequisite(o, item) : PQntuples(o->prerequisites);
    int end = first;
    bool locked = false;

    for (; end < PQntuples(o->prerequisites) && fb_col_i64(o->prerequisites, end, WANTING_ITEM) == item; end++) {
        locked = locked || !is_met(o, end);
    }
    bell_json_key(j, "locked");
    bell_json_bool(j, locked);
    bell_json_key(j, "missing");
    bell_json_array_open(j);
    for (int i = first; locked && i < end; i++) {
        if (!is_met(o, i)) {
            write_missing(j, o, i);
        }
    }
    bell_json_array_close(j);
}

static void write_item(bell_json *j, const outline *o, int row) {
    int64_t id = fb_col_i64(o->items, row, ITEM_ID);
    int done = progress_row(o, id);

    bell_json_object_open(j);
    bell_json_key(j, "id");
    bell_json_int(j, id);
    bell_json_key(j, "kind");
    bell_json_z(j, fb_item_kind_name(fb_col_i64(o->items, row, ITEM_KIND)));
    fb_col_write_str(j, "title", o->items, row, ITEM_TITLE);
    if (done >= 0) {
        fb_item_write_progress(j, o->own, done, PROGRESS);
    } else {
        fb_item_write_no_progress(j);
    }
    write_lock(j, o, id);
    bell_json_object_close(j);
}

static void open_named(bell_json *j, const PGresult *r, int row, int id_col, const char *children) {
    bell_json_object_open(j);
    fb_col_write_int(j, "id", r, row, id_col);
    fb_col_write_str(j, "title", r, row, id_col + 1);
    bell_json_key(j, children);
    bell_json_array_open(j);
}

static void close_named(bell_json *j) {
    bell_json_array_close(j);
    bell_json_object_close(j);
}

static bool same(const PGresult *r, int row, int col) {
    return row > 0 && bell_str_eq(fb_col(r, row, col), fb_col(r, row - 1, col));
}

/* The rows come in order; a module and a lesson open where their id changes. */
static void write_modules(bell_json *j, const outline *o) {
    const PGresult *r = o->items;
    int n = PQntuples(r);

    for (int row = 0; row < n; row++) {
        bool new_module = !same(r, row, MODULE_ID), new_lesson = new_module || !same(r, row, LESSON_ID);
        if (new_lesson && row > 0) {
            close_named(j);
        }
        if (new_module && row > 0) {
            close_named(j);
        }
        if (new_module) {
            open_named(j, r, row, MODULE_ID, "lessons");
        }
        if (new_lesson) {
            open_named(j, r, row, LESSON_ID, "items");
        }
        write_item(j, o, row);
    }
    if (n > 0) {
        close_named(j);
        close_named(j);
    }
}

static int64_t mean_percent(const outline *o) {
    int64_t sum = 0, n = PQntuples(o->items);
    for (int i = 0; i < n; i++) {
        int row = progress_row(o, fb_col_i64(o->items, i, ITEM_ID));
        sum += row >= 0 ? fb_col_i64(o->own, row, PROGRESS + 1) : 0;
    }
    return n > 0 ? (sum + n / 2) / n : 0;
}

static void reply(fb_job *job, outline *o) {
    bell_json j;

    if (!list_done(job, o)) {
        fb_reply_problem(job, FB_PROBLEM_INTERNAL, NULL);
        return;
    }
    fb_reply_json_begin(job, &j);
    bell_json_object_open(&j);
    fb_col_write_int(&j, "id", o->own, 0, COURSE_ID);
    fb_col_write_str(&j, "title", o->own, 0, COURSE_TITLE);
    fb_col_write_str(&j, "class_title", o->own, 0, CLASS_TITLE);
    bell_json_key(&j, "percent");
    bell_json_int(&j, mean_percent(o));
    bell_json_key(&j, "modules");
    bell_json_array_open(&j);
    write_modules(&j, o);
    bell_json_array_close(&j);
    bell_json_object_close(&j);
    fb_reply_json(job, &j, 200);
}

static void add_own(fb_job *job) {
    fb_call_add(job, &fb_sql_course_progress, fb_text_i64(job, job->tenant_id), fb_text_i64(job, (int64_t)job->session.user_id),
                fb_text_i64(job, (int64_t)job->ids[0]));
}

static fb_result_key key_of(const fb_job *job, int64_t version) {
    return (fb_result_key){&fb_sql_course_items, job->tenant_id, (int64_t)job->ids[0], version};
}

/* All was read anew, in one group. An import between two of its statements leaves versions that differ: such a reading is not kept. */
static void answer_all(fb_job *job) {
    outline o = {.own = fb_rows(job, 0), .items = fb_rows(job, 1), .prerequisites = fb_rows(job, 2)};

    if (PQntuples(o.own) == 0) {
        fb_reply_problem(job, FB_PROBLEM_NOT_FOUND, NULL);
        return;
    }
    if (PQntuples(o.items) > 0 && fb_col_i64(o.items, 0, ITEMS_VERSION) == fb_col_i64(o.own, 0, VERSION)) {
        fb_result_key key = key_of(job, fb_col_i64(o.own, 0, VERSION));
        fb_result_cache_put(job->worker->results, &key, (const PGresult *const[]){o.items, o.prerequisites});
    }
    reply(job, &o);
}

static void answer(fb_job *job) {
    const PGresult *own = fb_rows(job, 0);

    if (PQntuples(own) == 0) {
        fb_reply_problem(job, FB_PROBLEM_NOT_FOUND, NULL);
        return;
    }
    fb_result_key key = key_of(job, fb_col_i64(own, 0, VERSION));
    const PGresult *const *kept = fb_result_cache_get(job->worker->results, &key);
    if (kept != NULL) {
        reply(job, &(outline){.own = own, .items = kept[0], .prerequisites = kept[1]});
        return;
    }
    const char *tenant = fb_text_i64(job, job->tenant_id), *course = fb_text_i64(job, (int64_t)job->ids[0]);
    add_own(job);
    fb_call_add(job, &fb_sql_course_items, tenant, course);
    fb_call_add(job, &fb_sql_course_prerequisites, tenant, course);
    fb_await_db(job, answer_all);
}

void fb_course_outline(fb_job *job) {
    add_own(job);
    fb_await_db(job, answer);
}
