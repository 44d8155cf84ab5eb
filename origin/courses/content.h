/* Content as it is stored names files as "media:KEY/file"; as it is given out, by their addresses (origin/content/media_links.h). */
#ifndef FB_CONTENT_H
#define FB_CONTENT_H

#include "origin/content/media_links.h"

/* Writes `content` (JSON) as the next value; empty: null. assets: rows of key and id. A key without an asset stays as it is. */
void fb_content_write(bell_json *j, bell_str content, const PGresult *assets, fb_media_links *links);
/* Sets named[row] for each asset of which `content` names a file. */
void fb_content_find_assets(bell_str content, const PGresult *assets, bool *named);

#endif
