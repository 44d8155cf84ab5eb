/* Content as it is stored names files as "media:KEY/file"; as it is given out, as "/media/ID/file". */
#ifndef FB_CONTENT_H
#define FB_CONTENT_H

#include "origin/server/job.h"

/* Writes `content` (JSON) as the next value. assets: rows of key and id. A key without an asset stays as it is. */
void fb_content_write(bell_json *j, bell_str content, const PGresult *assets);

#endif
