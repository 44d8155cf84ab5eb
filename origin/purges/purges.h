/* Taking answers back from the caches of the edges: who may ask for it asks here; the row is numbered and sent by `firstbell jobs`
 * (origin/jobs/purge_relay.h). */
#ifndef FB_PURGES_H
#define FB_PURGES_H

#include "origin/server/job.h"

extern const fb_stmt fb_sql_purge_ask, fb_sql_purges_list;

/* POST /api/v1/purges */
void fb_purge_ask(fb_job *job);
/* GET /api/v1/purges */
void fb_purges_list(fb_job *job);

#endif
