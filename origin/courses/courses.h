/* Courses as students and teachers see them: the list, the outline, a lesson, the media. */
#ifndef FB_COURSES_H
#define FB_COURSES_H

#include "origin/server/job.h"

extern const fb_stmt fb_sql_courses_mine, fb_sql_course_progress, fb_sql_course_items, fb_sql_course_prerequisites, fb_sql_lesson_head,
    fb_sql_lesson_items, fb_sql_course_assets, fb_sql_asset_open, fb_sql_asset_of_token, fb_sql_item_media, fb_sql_item_assets;

/* GET /api/v1/courses */
void fb_courses_list(fb_job *job);
/* GET /api/v1/courses/{id} */
void fb_course_outline(fb_job *job);
/* GET /api/v1/lessons/{id} */
void fb_lesson(fb_job *job);
/* GET /api/v1/items/{id}/media */
void fb_item_media(fb_job *job);
/* GET /media/{id}/{path}: for a session of somebody of the course, and for who has no session and came with a token that an edge has checked */
void fb_media(fb_job *job);

#endif
