/* Classes as their teachers see them. */
#ifndef FB_CLASSES_H
#define FB_CLASSES_H

#include "origin/server/job.h"

extern const fb_stmt fb_sql_classes_mine, fb_sql_class_head, fb_sql_class_items, fb_sql_class_progress;

/* GET /api/v1/classes */
void fb_classes_list(fb_job *job);
/* GET /api/v1/classes/{id}/progress */
void fb_class_progress(fb_job *job);

#endif
