/* Pages are files; what differs from answer to answer stands in them as a mark and is filled in when the page is sent. */
#ifndef FB_PAGE_FILL_H
#define FB_PAGE_FILL_H

#include "bell_buf.h"

typedef struct {
    const char *mark; /* not empty, as it stands in the file */
    bell_str text;    /* what comes in its place */
    bool is_html;     /* ours, taken as it is; otherwise it is escaped */
} fb_page_mark;

/* Appends the page to `out` with every mark replaced; out->failed shows that it did not fit. Text that was filled in is not searched for marks. */
void fb_page_fill(bell_buf *out, bell_str page, const fb_page_mark *marks, size_t nmarks);

/* For text between tags and in quoted attributes. */
void fb_html_escape(bell_buf *out, bell_str text);

#endif
