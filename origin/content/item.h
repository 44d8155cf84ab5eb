/* What the capabilities share about an item: its kinds, what a student has done of it, and how every answer shows that. */
#ifndef FB_ITEM_H
#define FB_ITEM_H

#include "origin/server/job.h"

/* items.kind */
typedef enum { FB_ITEM_VIDEO = 1, FB_ITEM_READING = 2, FB_ITEM_QUIZ = 3, FB_ITEM_ASSIGNMENT = 4 } fb_item_kind;

/* "video", "reading", "quiz", "assignment"; "not_started", "in_progress", "completed" */
const char *fb_item_kind_name(int64_t kind);
const char *fb_progress_status_name(int64_t status);

/* The columns that fb_item_write_progress reads, in this order, from a progress row named p (which may be missing). */
#define FB_PROGRESS_COLUMNS                                                                                                                          \
    "coalesce(p.status, 0), coalesce(p.percent, 0), p.score_hundredths, coalesce(p.position_ms, 0), coalesce(p.time_spent_s, 0), "                   \
    "floor(date_part('epoch', p.started_at))::bigint, floor(date_part('epoch', p.completed_at))::bigint"

/* The unmet conditions of item i for enrollment `me.id` as a JSON array, NULL when there are none. */
#define FB_MISSING_COLUMN                                                                                                                            \
    "(SELECT json_agg(json_build_object('item_id', m.item_id, 'title', m.title, 'need_score', trim_scale(m.need_hundredths / 100.0), "               \
    "'have_score', trim_scale(m.have_hundredths / 100.0))) FROM missing_prerequisites($1, me.id, i.id) m)"

/* "status", "percent", "score", … from the columns beginning at `col`. The object is the caller's. */
void fb_item_write_progress(bell_json *j, const PGresult *r, int row, int col);
/* The same for an item of which nothing was done. */
void fb_item_write_no_progress(bell_json *j);
/* "locked" and "missing" from the column with the array. */
void fb_item_write_lock(bell_json *j, const PGresult *r, int row, int col);

#endif
