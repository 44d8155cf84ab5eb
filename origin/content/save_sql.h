/* The one statement that saves what a student has done of an item: for clients (origin/progress) and for what edges saw (origin/jobs). */
#ifndef FB_SAVE_SQL_H
#define FB_SAVE_SQL_H

#include "origin/content/item.h"

/* $1 tenant, $2 user, $3 item, $4 position in ms or NULL, $5 percent, $6 seconds spent, $7 completed. A video is completed by its percent, a reading
 * or an assignment by the student's word, a quiz only by an attempt. Time cannot pass faster than the clock between two saves, nor backwards when the
 * clock was set. The event goes to the outbox in the same transaction. No row: the item is locked, or none of this student's. */
#define FB_SQL_PROGRESS_SAVE                                                                                                                         \
    "WITH target AS (SELECT s.enrollment_id, s.kind, s.course_id, (s.kind = 1 AND $5::smallint >= 90) OR (s.kind IN (2, 4) AND $7::boolean) AS "     \
    "done "                                                                                                                                          \
    "  FROM student_item($1, $2, $3) s WHERE NOT s.locked), "                                                                                        \
    "saved AS (INSERT INTO progress AS p (tenant_id, enrollment_id, item_id, status, percent, position_ms, time_spent_s, started_at, completed_at) " \
    "  SELECT $1, t.enrollment_id, $3, CASE WHEN t.done THEN 2 ELSE 1 END, "                                                                         \
    "         CASE WHEN t.done THEN 100 WHEN t.kind = 3 THEN 0 ELSE least($5::smallint, 99) END, "                                                   \
    "         coalesce($4::integer, 0), $6::integer, now(), CASE WHEN t.done THEN now() END FROM target t "                                          \
    "  ON CONFLICT (tenant_id, enrollment_id, item_id) DO UPDATE SET "                                                                               \
    "    status = greatest(p.status, excluded.status), percent = greatest(p.percent, excluded.percent), "                                            \
    "    position_ms = coalesce($4::integer, p.position_ms), "                                                                                       \
    "    time_spent_s = p.time_spent_s + greatest(0, least(excluded.time_spent_s, 1 + ceil(extract(epoch FROM now() - p.updated_at))::integer)), "   \
    "    started_at = coalesce(p.started_at, excluded.started_at), completed_at = coalesce(p.completed_at, excluded.completed_at), updated_at = "    \
    "now() "                                                                                                                                         \
    "  RETURNING p.*), "                                                                                                                             \
    "told AS (INSERT INTO outbox (tenant_id, topic, payload) "                                                                                       \
    "  SELECT p.tenant_id, 'progress.saved', jsonb_build_object('enrollment_id', p.enrollment_id, 'item_id', p.item_id, 'status', p.status, "        \
    "         'percent', p.percent, 'position_ms', p.position_ms, 'time_spent_s', p.time_spent_s) FROM saved p) "                                    \
    "SELECT " FB_PROGRESS_COLUMNS " FROM saved p"

#endif
