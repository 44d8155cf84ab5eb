/* The district's figures for those who run it. */
#ifndef FB_DISTRICT_H
#define FB_DISTRICT_H

#include "origin/server/job.h"

extern const fb_stmt fb_sql_district_counts, fb_sql_district_imports, fb_sql_district_queue;

/* GET /api/v1/district */
void fb_district(fb_job *job);

#endif
