/* From fetches to views, and from views to progress. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bell_buf.h"
#include "bell_url.h"
#include "origin/jobs/access_round.h"

#define ARRAY_MAX_BYTES (8u << 20)
#define TEXT_BYTES      24
#define SPEED_MAX       2 /* nobody watches faster */

/* Columns of rows on their way into PostgreSQL, each the text of an array. */
enum { USER, ITEM, BEGIN, END, AT, DURATION, COLUMNS };

typedef struct {
    fb_access_round *round;
    char tenant[TEXT_BYTES];
    bell_buf columns[COLUMNS];
    /* of the fetch and the video in hand */
    const fb_access_fetch *fetch;
    const char *item;
    int64_t duration_ms;
} applying;

static void put(bell_buf *b, int64_t number) {
    bell_buf_add_char(b, b->len == 0 ? '{' : ',');
    bell_buf_add_i64(b, number);
}

/* The whole array as text; NULL: out of memory. */
static const char *finish(bell_buf *b) {
    bell_buf_add(b, b->len == 0 ? "{}" : "}", b->len == 0 ? 3 : 2); /* with the NUL */
    return b->failed ? NULL : b->p;
}

/* More than one transaction should hold: fewer batches at a time may do, and one that is too much by itself is passed over. */
static bool too_much(const applying *a) {
    snprintf(a->round->error, sizeof a->round->error, "the events say more than there is memory for");
    return true;
}

/* ---- who */

static int compare_ids(const void *a, const void *b) {
    const int64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* The distinct values of a field as the text of an array. */
static bool put_distinct(bell_buf *b, const fb_access_fetches *f, size_t offset) {
    int64_t *ids = malloc((f->n + 1) * sizeof *ids);
    for (size_t i = 0; ids && i < f->n; i++) {
        memcpy(&ids[i], (const char *)&f->list[i] + offset, sizeof *ids);
    }
    if (ids) {
        qsort(ids, f->n, sizeof *ids, compare_ids);
    }
    for (size_t i = 0; ids && i < f->n; i++) {
        if (i == 0 || ids[i] != ids[i - 1]) {
            put(b, ids[i]);
        }
    }
    free(ids);
    return ids != NULL;
}

/* The rows that a statement gives for these values of a field; $1 tenant, $2 the values. */
static PGresult *look_up(applying *a, const fb_access_fetches *f, size_t offset, const char *sql, bool *refused) {
    bell_buf ids;
    PGresult *rows = NULL;
    bell_buf_init(&ids, ARRAY_MAX_BYTES);
    const char *text = put_distinct(&ids, f, offset) ? finish(&ids) : NULL;
    if (text) {
        rows = fb_access_query(a->round, sql, 2, (const char *const[]){a->tenant, text}, refused);
    } else {
        *refused = too_much(a);
    }
    bell_buf_fini(&ids);
    return rows;
}

static bool has_id(const PGresult *rows, int64_t id) {
    int low = 0, high = PQntuples(rows);
    while (low < high) {
        int middle = (low + high) / 2;
        int64_t there = atoll(PQgetvalue(rows, middle, 0));
        if (there == id) {
            return true;
        }
        low = there < id ? middle + 1 : low;
        high = there < id ? high : middle;
    }
    return false;
}

/* Leaves those of users of this tenant. */
static bool drop_strangers(applying *a, fb_access_fetches *f, bool *refused) {
    PGresult *users = look_up(a, f, offsetof(fb_access_fetch, user_id),
                              "SELECT id FROM users WHERE tenant_id = $1::int AND id = ANY ($2::bigint[]) ORDER BY id", refused);
    size_t kept = 0;
    for (size_t i = 0; users && i < f->n; i++) {
        if (has_id(users, f->list[i].user_id)) {
            f->list[kept++] = f->list[i];
        } else {
            f->counts.strangers++;
        }
    }
    f->n = kept;
    PQclear(users);
    return users != NULL;
}

/* ---- what of it */

static void add_times(void *arg, int64_t begin_ms, int64_t end_ms) {
    applying *a = arg;
    const int64_t values[COLUMNS] = {a->fetch->user_id, atoll(a->item), begin_ms, end_ms, a->fetch->at_ms, a->duration_ms};
    for (int i = 0; i < COLUMNS; i++) {
        put(&a->columns[i], values[i]);
    }
}

enum { VIDEO_ASSET, VIDEO_KEY, VIDEO_VERSION, VIDEO_ITEM, VIDEO_FILE };

static const fb_video *open_video(applying *a, const PGresult *videos, int row) {
    fb_access_round *r = a->round;
    const char *key = PQgetvalue(videos, row, VIDEO_KEY), *file = PQgetvalue(videos, row, VIDEO_FILE);
    char folder[FB_SETTING_TEXT_MAX + 100], err[FB_VIDEO_ERROR_BYTES] = "no plain name of a file";
    snprintf(folder, sizeof folder, "%s/%s/%s", r->settings->media_root, a->tenant, key);
    const fb_video_key video = {r->tenant_id, atoll(PQgetvalue(videos, row, VIDEO_ITEM)), atoll(PQgetvalue(videos, row, VIDEO_VERSION))};
    const fb_video *v = bell_url_is_plain_path(bell_str_of(file)) ? fb_videos_get(r->videos, &video, folder, file, err) : NULL;
    if (!v) {
        snprintf(r->no_video, sizeof r->no_video, "media:%s/%.300s", key, err);
    }
    return v && fb_video_duration_ms(v) > 0 ? v : NULL;
}

/* Every fetch against every video of its asset; what is part of none is counted with the others. */
static bool find_times(applying *a, fb_access_fetches *f, bool *refused) {
    PGresult *videos = look_up(a, f, offsetof(fb_access_fetch, asset_id),
                               "SELECT a.id, a.key, c.content_version, i.id, substr(i.content->>'hls', length(a.key) + 8) FROM assets a"
                               " JOIN courses c ON c.tenant_id = $1::int AND c.id = a.course_id"
                               " JOIN items i ON i.tenant_id = $1::int AND i.course_id = a.course_id AND i.kind = 1 AND NOT i.retired"
                               " WHERE a.tenant_id = $1::int AND a.id = ANY ($2::bigint[]) AND i.content->>'hls' ^@ ('media:' || a.key || '/')"
                               " ORDER BY a.id, i.id",
                               refused);
    bool *used = videos ? calloc(f->n + 1, sizeof *used) : NULL;
    for (int row = 0; used && row < PQntuples(videos); row++) {
        const fb_video *v = open_video(a, videos, row);
        int64_t asset = atoll(PQgetvalue(videos, row, VIDEO_ASSET));
        a->item = PQgetvalue(videos, row, VIDEO_ITEM);
        a->duration_ms = v ? fb_video_duration_ms(v) : 0;
        for (size_t i = 0; v && i < f->n; i++) {
            a->fetch = &f->list[i];
            if (a->fetch->asset_id == asset && fb_video_times(v, a->fetch->file, a->fetch->from, a->fetch->to, a->fetch->size, add_times, a)) {
                used[i] = true;
            }
        }
    }
    for (size_t i = 0; used && i < f->n; i++) {
        f->counts.others += !used[i];
    }
    *refused = videos && !used ? too_much(a) : *refused;
    free(used);
    PQclear(videos);
    return used != NULL;
}

/* ---- views */

/* What is known already changes nothing. The union of what was fetched stays within the video. */
static const char views_sql[] =
    "WITH fetched AS ("
    "  SELECT f.user_id, f.item_id, max(f.duration_ms) AS duration_ms, range_agg(int8range(f.begin_ms, f.end_ms)) AS ms,"
    "         to_timestamp(min(f.at_ms) / 1000.0) AS first_at, to_timestamp(max(f.at_ms) / 1000.0) AS last_at"
    "  FROM unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[])"
    "       AS f (user_id, item_id, begin_ms, end_ms, at_ms, duration_ms)"
    "  GROUP BY f.user_id, f.item_id), "
    "kept AS (INSERT INTO item_views AS v (tenant_id, user_id, item_id, fetched_ms, duration_ms, first_at, last_at)"
    "  SELECT $1::int, f.user_id, f.item_id, f.ms, f.duration_ms, f.first_at, f.last_at FROM fetched f ORDER BY f.user_id, f.item_id"
    "  ON CONFLICT (tenant_id, user_id, item_id) DO UPDATE SET"
    "    fetched_ms = (v.fetched_ms + excluded.fetched_ms) * int8multirange(int8range(0, excluded.duration_ms)), duration_ms = excluded.duration_ms,"
    "    first_at = least(v.first_at, excluded.first_at), last_at = greatest(v.last_at, excluded.last_at)"
    "  WHERE NOT (v.fetched_ms @> excluded.fetched_ms AND v.duration_ms = excluded.duration_ms AND v.first_at <= excluded.first_at"
    "             AND v.last_at >= excluded.last_at)"
    "  RETURNING v.*) "
    "SELECT k.user_id, k.item_id, (SELECT coalesce(sum(upper(r) - lower(r)), 0) FROM unnest(k.fetched_ms) r)::bigint, k.duration_ms,"
    "       floor(extract(epoch FROM k.last_at - k.first_at) * 1000)::bigint FROM kept k WHERE k.completed_at IS NULL"
    " ORDER BY k.user_id, k.item_id";

enum { VIEW_USER, VIEW_ITEM, VIEW_FETCHED, VIEW_DURATION, VIEW_SPAN };

/* Enough was fetched, and not faster than anybody watches, but for what a player has in hand. */
static bool is_watched(const fb_settings *s, int64_t fetched_ms, int64_t duration_ms, int64_t span_ms) {
    int64_t wanted_ms = duration_ms * s->access_completion_percent / 100;
    return s->access_completion_percent > 0 && fetched_ms >= wanted_ms && span_ms >= wanted_ms / SPEED_MAX - s->access_prefetch_s * 1000;
}

/* As a client's own save does: for a student of the course, of an item that is not locked, and never back. */
static bool complete(applying *a, const char *user, const char *item, bool *refused) {
    PGresult *saved = fb_access_query(a->round,
                                      "SELECT FROM save_progress($1::int, ARRAY[$2::bigint], ARRAY[$3::bigint], ARRAY[NULL::int],"
                                      " ARRAY[100::smallint], ARRAY[0], ARRAY[false]) WHERE refused = 0",
                                      3, (const char *const[]){a->tenant, user, item}, refused);
    if (!saved) {
        return false;
    }
    bool is_theirs = PQntuples(saved) > 0;
    PQclear(saved);
    if (!is_theirs) {
        return true;
    }
    PGresult *noted = fb_access_query(a->round,
                                      "UPDATE item_views SET completed_at = now() WHERE tenant_id = $1::int AND user_id = $2::bigint"
                                      " AND item_id = $3::bigint",
                                      3, (const char *const[]){a->tenant, user, item}, refused);
    PQclear(noted);
    return noted != NULL;
}

static bool save_views(applying *a, bool *refused) {
    const char *params[1 + COLUMNS] = {a->tenant};
    for (int i = 0; i < COLUMNS; i++) {
        params[1 + i] = finish(&a->columns[i]);
        if (!params[1 + i]) {
            *refused = too_much(a);
            return false;
        }
    }
    PGresult *views = fb_access_query(a->round, views_sql, 1 + COLUMNS, params, refused);
    bool ok = views != NULL;
    for (int row = 0; ok && row < PQntuples(views); row++) {
        if (is_watched(a->round->settings, atoll(PQgetvalue(views, row, VIEW_FETCHED)), atoll(PQgetvalue(views, row, VIEW_DURATION)),
                       atoll(PQgetvalue(views, row, VIEW_SPAN)))) {
            ok = complete(a, PQgetvalue(views, row, VIEW_USER), PQgetvalue(views, row, VIEW_ITEM), refused);
        }
    }
    PQclear(views);
    return ok;
}

bool fb_access_apply(fb_access_round *r, fb_access_fetches *f, bool *refused) {
    applying a = {.round = r};
    snprintf(a.tenant, sizeof a.tenant, "%d", r->tenant_id);
    for (int i = 0; i < COLUMNS; i++) {
        bell_buf_init(&a.columns[i], ARRAY_MAX_BYTES);
    }
    bool ok = f->n == 0 || (drop_strangers(&a, f, refused) && find_times(&a, f, refused) && (a.columns[USER].len == 0 || save_views(&a, refused)));
    for (int i = 0; i < COLUMNS; i++) {
        bell_buf_fini(&a.columns[i]);
    }
    return ok;
}
