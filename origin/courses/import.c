/* `firstbell course import`: checks DIR/course.json and DIR/media, then replaces the content of one course in one transaction. Ids stay by key,
 * so that the progress of students stays with what they did; what is no more in the file is retired, not deleted. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "origin/courses/import_check.h"
#include "origin/courses/import_media.h"
#include "origin/db/pg.h"
#include "origin/server/commands.h"
#include "origin/server/options.h"

#define PATH_ROOM        900
#define ERRORS_SHOWN_MAX 20

typedef struct {
    const char *dir;
    const char *file; /* in front of each sentence */
    unsigned errors;
} reporter;

static void report(void *arg, const char *sentence) {
    reporter *r = arg;
    if (r->errors++ < ERRORS_SHOWN_MAX) {
        fprintf(stderr, "firstbell: %s/%s%s\n", r->dir, r->file, sentence);
    }
}

/* NULL: a sentence has been written. The caller frees. */
static char *read_course_file(const char *dir, size_t *len) {
    char path[PATH_ROOM];
    snprintf(path, sizeof path, "%s/course.json", dir);
    FILE *f = fopen(path, "re");
    char *text = f ? malloc(FB_COURSE_FILE_MAX_BYTES + 1) : NULL;
    if (text) {
        *len = fread(text, 1, FB_COURSE_FILE_MAX_BYTES + 1, f);
    }
    if (!text || ferror(f)) {
        fprintf(stderr, "firstbell: %s cannot be read: %s\n", path, strerror(errno));
        free(text);
        text = NULL;
    } else if (*len > FB_COURSE_FILE_MAX_BYTES) {
        fprintf(stderr, "firstbell: %s is larger than %u MiB\n", path, FB_COURSE_FILE_MAX_BYTES >> 20);
        free(text);
        text = NULL;
    }
    if (f) {
        fclose(f);
    }
    return text;
}

/* The course's id, its row locked until the end of the transaction. */
static bool lock_course(PGconn *c, const char *tenant, const char *sourced_id, char id[24]) {
    PGresult *r = fb_pg_exec(c, "SELECT id FROM courses WHERE tenant_id = $1::int AND sourced_id = $2 AND status = 1 FOR UPDATE", 2,
                             (const char *const[]){tenant, sourced_id});
    bool found = r && PQntuples(r) == 1;
    if (found) {
        snprintf(id, 24, "%s", PQgetvalue(r, 0, 0));
    } else if (r) {
        fprintf(stderr, "firstbell: the tenant has no course with the sourcedId \"%s\"; a roster import brings courses\n", sourced_id);
    }
    PQclear(r);
    return found;
}

/* A statement about the course: $1 tenant, $2 course id, $3 rows as JSON. */
static bool apply_rows(PGconn *c, const char *sql, const char *tenant, const char *course, const json_t *rows) {
    char *json = json_dumps(rows, JSON_COMPACT);
    if (!json) {
        fprintf(stderr, "firstbell: there is no memory for the course\n");
        return false;
    }
    bool ok = fb_pg_do(c, sql, 3, (const char *const[]){tenant, course, json});
    free(json);
    return ok;
}

/* One row is an example of what is wrong; none is well. $1 tenant, $2 course id, $3 rows as JSON. */
static bool expect_no_rows(PGconn *c, const char *sql, const char *tenant, const char *course, const json_t *rows, const char *sentence) {
    char *json = json_dumps(rows, JSON_COMPACT);
    PGresult *r = json ? fb_pg_exec(c, sql, 3, (const char *const[]){tenant, course, json}) : NULL;
    bool ok = r && PQntuples(r) == 0;
    if (r && !ok) {
        fprintf(stderr, "firstbell: \"%s\" %s\n", PQgetvalue(r, 0, 0), sentence);
    }
    PQclear(r);
    free(json);
    return ok;
}

static bool put_modules(PGconn *c, const char *tenant, const char *course, const fb_course_tree *t) {
    return apply_rows(c,
                      "UPDATE modules SET retired = true WHERE tenant_id = $1::int AND course_id = $2::bigint AND NOT retired"
                      " AND key NOT IN (SELECT key FROM jsonb_to_recordset($3::jsonb) AS n (key text))",
                      tenant, course, t->modules) &&
           apply_rows(
               c,
               "INSERT INTO modules AS m (tenant_id, course_id, key, position, title)"
               " SELECT $1::int, $2::bigint, n.key, n.position, n.title FROM jsonb_to_recordset($3::jsonb) AS n (key text, position int, title text)"
               " ON CONFLICT (tenant_id, course_id, key) DO UPDATE SET position = EXCLUDED.position, title = EXCLUDED.title, retired = false"
               " WHERE (m.position, m.title, m.retired) IS DISTINCT FROM (EXCLUDED.position, EXCLUDED.title, false)",
               tenant, course, t->modules);
}

static bool put_lessons(PGconn *c, const char *tenant, const char *course, const fb_course_tree *t) {
    return apply_rows(c,
                      "UPDATE lessons SET retired = true WHERE tenant_id = $1::int AND course_id = $2::bigint AND NOT retired"
                      " AND key NOT IN (SELECT key FROM jsonb_to_recordset($3::jsonb) AS n (key text))",
                      tenant, course, t->lessons) &&
           apply_rows(c,
                      "INSERT INTO lessons AS l (tenant_id, course_id, module_id, key, position, title)"
                      " SELECT $1::int, $2::bigint, m.id, n.key, n.position, n.title"
                      " FROM jsonb_to_recordset($3::jsonb) AS n (key text, module text, position int, title text)"
                      " JOIN modules m ON m.tenant_id = $1::int AND m.course_id = $2::bigint AND m.key = n.module"
                      " ON CONFLICT (tenant_id, course_id, key) DO UPDATE SET module_id = EXCLUDED.module_id, position = EXCLUDED.position,"
                      " title = EXCLUDED.title, retired = false WHERE (l.module_id, l.position, l.title, l.retired)"
                      " IS DISTINCT FROM (EXCLUDED.module_id, EXCLUDED.position, EXCLUDED.title, false)",
                      tenant, course, t->lessons);
}

static bool put_items(PGconn *c, const char *tenant, const char *course, const fb_course_tree *t) {
    return expect_no_rows(c,
                          "SELECT i.key FROM items i JOIN jsonb_to_recordset($3::jsonb) AS n (key text, kind smallint) ON n.key = i.key"
                          " WHERE i.tenant_id = $1::int AND i.course_id = $2::bigint AND i.kind <> n.kind ORDER BY i.key LIMIT 1",
                          tenant, course, t->items,
                          "is the key of an item of another kind, with the progress of students on it; give the new item a key of its own") &&
           apply_rows(c,
                      "UPDATE items SET retired = true WHERE tenant_id = $1::int AND course_id = $2::bigint AND NOT retired"
                      " AND key NOT IN (SELECT key FROM jsonb_to_recordset($3::jsonb) AS n (key text))",
                      tenant, course, t->items) &&
           apply_rows(c,
                      "INSERT INTO items AS i (tenant_id, course_id, lesson_id, key, position, kind, title, content)"
                      " SELECT $1::int, $2::bigint, l.id, n.key, n.position, n.kind, n.title, n.content FROM jsonb_to_recordset($3::jsonb)"
                      " AS n (key text, lesson text, position int, kind smallint, title text, content jsonb)"
                      " JOIN lessons l ON l.tenant_id = $1::int AND l.course_id = $2::bigint AND l.key = n.lesson"
                      " ON CONFLICT (tenant_id, course_id, key) DO UPDATE SET lesson_id = EXCLUDED.lesson_id, position = EXCLUDED.position,"
                      " title = EXCLUDED.title, content = EXCLUDED.content, retired = false"
                      " WHERE (i.lesson_id, i.position, i.title, i.content, i.retired)"
                      " IS DISTINCT FROM (EXCLUDED.lesson_id, EXCLUDED.position, EXCLUDED.title, EXCLUDED.content, false)",
                      tenant, course, t->items);
}

static bool put_prerequisites(PGconn *c, const char *tenant, const char *course, const fb_course_tree *t) {
    return apply_rows(c,
                      "DELETE FROM prerequisites p USING items i WHERE p.tenant_id = $1::int AND i.tenant_id = $1::int AND i.id = p.item_id"
                      " AND i.course_id = $2::bigint AND $3::jsonb IS NOT NULL",
                      tenant, course, t->prerequisites) &&
           apply_rows(c,
                      "INSERT INTO prerequisites (tenant_id, item_id, required_item_id, minimum_score_hundredths)"
                      " SELECT $1::int, i.id, r.id, n.minimum FROM jsonb_to_recordset($3::jsonb) AS n (item text, required text, minimum int)"
                      " JOIN items i ON i.tenant_id = $1::int AND i.course_id = $2::bigint AND i.key = n.item"
                      " JOIN items r ON r.tenant_id = $1::int AND r.course_id = $2::bigint AND r.key = n.required",
                      tenant, course, t->prerequisites);
}

/* An asset that is no more in the file stays, with its files: a student's open page may still play it. */
static bool put_assets(PGconn *c, const char *tenant, const char *course, const fb_course_tree *t) {
    return apply_rows(
               c,
               "INSERT INTO assets (tenant_id, course_id, key) SELECT $1::int, $2::bigint, n.key FROM jsonb_to_recordset($3::jsonb) AS n (key text)"
               " ORDER BY n.key ON CONFLICT (tenant_id, key) DO NOTHING",
               tenant, course, t->assets) &&
           expect_no_rows(c,
                          "SELECT a.key FROM assets a JOIN jsonb_to_recordset($3::jsonb) AS n (key text) ON n.key = a.key"
                          " WHERE a.tenant_id = $1::int AND a.course_id <> $2::bigint LIMIT 1",
                          tenant, course, t->assets, "is the key of an asset of another course; a key belongs to one course of a tenant");
}

/* Workers keep what a course consists of by its version. */
static bool new_version(PGconn *c, const char *tenant, const char *course) {
    return fb_pg_do(c, "UPDATE courses SET content_version = content_version + 1 WHERE tenant_id = $1::int AND id = $2::bigint", 2,
                    (const char *const[]){tenant, course});
}

static bool put_tree(PGconn *c, const char *tenant, const char *course, const fb_course_tree *t) {
    return put_modules(c, tenant, course, t) && put_lessons(c, tenant, course, t) && put_items(c, tenant, course, t) &&
           put_prerequisites(c, tenant, course, t) && put_assets(c, tenant, course, t) && new_version(c, tenant, course);
}

/* The media are in their place before the commit makes the new content visible; when the commit fails, the older ones come back. */
static bool import(PGconn *c, int32_t tenant_id, const char *sourced_id, const fb_course_tree *t, fb_media_copy *m) {
    char tenant[16];
    char course[24];
    snprintf(tenant, sizeof tenant, "%d", tenant_id);
    if (!fb_pg_begin_tenant(c, tenant_id) || !lock_course(c, tenant, sourced_id, course) || !put_tree(c, tenant, course, t)) {
        return false;
    }
    bool ok = fb_media_stage(m) && fb_media_swap(m) && fb_pg_do(c, "COMMIT", 0, NULL);
    if (!ok) {
        fb_media_swap_back(m);
    }
    fb_media_finish(m);
    if (ok) {
        printf("imported %zu modules, %zu lessons, %zu items, %zu assets\n", json_array_size(t->modules), json_array_size(t->lessons),
               json_array_size(t->items), json_array_size(t->assets));
    }
    return ok;
}

static bool check_course(const char *dir, fb_course_tree *t, const fb_media_copy *m) {
    reporter r = {dir, "course.json: ", 0};
    size_t len = 0;
    char *text = read_course_file(dir, &len);
    if (!text) {
        return false;
    }
    bool ok = fb_course_check((bell_str){text, len}, t, report, &r);
    free(text);
    if (ok) {
        fb_media_copy checked = *m;
        checked.assets = t->assets;
        r.file = "";
        ok = fb_media_check(&checked, t, report, &r);
    }
    if (!ok) {
        fprintf(stderr, "firstbell: %s was refused (%u %s%s); nothing was changed\n", dir, r.errors, r.errors == 1 ? "error" : "errors",
                r.errors > ERRORS_SHOWN_MAX ? ", of which the first 20 are shown" : "");
    }
    return ok;
}

int fb_cmd_course_import(const fb_settings *s, int argc, char **argv) {
    const char *tenant, *sourced_id, *dir;
    fb_option options[] = {{"tenant", &tenant, 1, true, 0}, {"course", &sourced_id, 1, true, 0}};
    if (!fb_options_parse(argc, argv, options, 2, &dir, 1)) {
        return 2;
    }
    if (strlen(dir) > PATH_ROOM - 32) {
        fprintf(stderr, "firstbell: the name of the folder is too long\n");
        return 1;
    }
    char source[PATH_ROOM];
    char target[FB_SETTING_TEXT_MAX + 16];
    snprintf(source, sizeof source, "%s/media", dir);
    fb_course_tree t = {0};
    fb_media_copy m = {.source = source, .target = target};
    bool ok = check_course(dir, &t, &m);
    PGconn *c = ok ? fb_pg_connect(s, "fb_operator", "course import") : NULL;
    int32_t tenant_id = c ? fb_pg_tenant_id(c, tenant) : 0;
    snprintf(target, sizeof target, "%s/%d", s->media_root, tenant_id);
    m.assets = t.assets;
    ok = tenant_id && import(c, tenant_id, sourced_id, &t, &m);
    PQfinish(c);
    fb_course_tree_free(&t);
    return ok ? 0 : 1;
}
