#define _GNU_SOURCE 1
#include "origin/warm/courses.h"

#include <errno.h>
#include <fts.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "bell_url.h"
#include "origin/db/pg.h"

#define PATH_ROOM 1200

/* A row an asset; a course without any is a row with NULL. */
static const char top_courses[] =
    "WITH top AS (SELECT c.id, row_number() OVER (ORDER BY count(a.active) DESC, count(*) DESC, c.id) AS place FROM courses c "
    " JOIN classes k ON k.tenant_id = $1 AND k.course_id = c.id AND k.status = 1 "
    " JOIN enrollments e ON e.tenant_id = $1 AND e.class_id = k.id AND e.status = 1 AND e.role = 3 "
    " LEFT JOIN LATERAL (SELECT true AS active FROM progress p WHERE p.tenant_id = $1 AND p.enrollment_id = e.id "
    "                    AND p.updated_at > now() - interval '14 days' LIMIT 1) a ON true "
    " WHERE c.tenant_id = $1 AND c.status = 1 GROUP BY c.id) "
    "SELECT t.id, s.id, s.key FROM top t LEFT JOIN assets s ON s.tenant_id = $1 AND s.course_id = t.id WHERE t.place <= $2 ORDER BY t.place, s.id";

enum { COURSE, ASSET, KEY };

/* Playlists first, for players ask for them first; then by name, which is the order of segments. */
static int in_order(const FTSENT **a, const FTSENT **b) {
    size_t n = (*a)->fts_namelen, m = (*b)->fts_namelen;
    bool x = n > 5 && strcmp((*a)->fts_name + n - 5, ".m3u8") == 0, y = m > 5 && strcmp((*b)->fts_name + m - 5, ".m3u8") == 0;
    return x != y ? (x ? -1 : 1) : strverscmp((*a)->fts_name, (*b)->fts_name);
}

static bool add_file(fb_warm_urls *u, const char *asset, const char *file) {
    char path[PATH_ROOM];

    if (!bell_url_is_plain_path(bell_str_of(file))) {
        return true; /* the origin serves none such */
    }
    snprintf(path, sizeof path, "/media/%s/%s", asset, file);
    const char *fault = fb_warm_urls_add(u, bell_str_of(path));
    if (fault != NULL) {
        fprintf(stderr, "firstbell: %s cannot be asked for: %s\n", path, fault);
    }
    return fault == NULL;
}

static bool add_folder(fb_warm_urls *u, const char *asset, char *folder) {
    char *const folders[] = {folder, NULL};
    FTS *walk = fts_open(folders, FTS_PHYSICAL | FTS_NOCHDIR, in_order);
    size_t len = strlen(folder);
    bool ok = walk != NULL;
    const FTSENT *e;

    while (ok && (errno = 0, e = fts_read(walk)) != NULL) {
        if (e->fts_info == FTS_DNR || e->fts_info == FTS_ERR || e->fts_info == FTS_NS) {
            fprintf(stderr, "firstbell: %s cannot be read: %s; media_root has to be that of the api\n", e->fts_path, strerror(e->fts_errno));
            ok = false;
        } else if (e->fts_info == FTS_F) {
            ok = add_file(u, asset, e->fts_path + len + 1);
        }
    }
    if (walk != NULL) {
        fts_close(walk);
    }
    return ok;
}

bool fb_warm_courses(PGconn *c, const fb_settings *s, int32_t tenant_id, long most, fb_warm_urls *u, int *courses) {
    char tenant[16], limit[24], folder[PATH_ROOM];
    snprintf(tenant, sizeof tenant, "%d", tenant_id);
    snprintf(limit, sizeof limit, "%ld", most);
    PGresult *r = fb_pg_exec(c, top_courses, 2, (const char *const[]){tenant, limit});
    bool ok = r != NULL;

    *courses = 0;
    for (int row = 0; ok && row < PQntuples(r); row++) {
        *courses += row == 0 || strcmp(PQgetvalue(r, row, COURSE), PQgetvalue(r, row - 1, COURSE)) != 0;
        if (!PQgetisnull(r, row, ASSET)) {
            snprintf(folder, sizeof folder, "%s/%d/%s", s->media_root, tenant_id, PQgetvalue(r, row, KEY));
            ok = add_folder(u, PQgetvalue(r, row, ASSET), folder);
        }
    }
    PQclear(r);
    return ok;
}
