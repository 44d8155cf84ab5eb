/* Replies: one call ends a job. What follows in the handler must be a return. */
#ifndef FB_REPLY_H
#define FB_REPLY_H

#include "origin/server/job.h"
#include "origin/server/page_fill.h"

#define FB_PAGE_MARKS_MAX 7

/* The JSON writer on the reply's body. */
void fb_reply_json_begin(fb_job *job, bell_json *j);
/* Ends with what the writer wrote; an unfinished or too large document becomes a 500. Private, not stored by anybody. */
void fb_reply_json(fb_job *job, const bell_json *j, unsigned status);
/* 200 with {key: […]}: the rows of the last group's first statement. */
void fb_reply_rows(fb_job *job, const char *key, void (*write_row)(bell_json *j, const PGresult *r, int row));

/* detail: a sentence more, or NULL. What was written to the body before is forgotten. */
void fb_reply_problem(fb_job *job, fb_problem p, const char *detail);
/* The same with a Retry-After of its own. */
void fb_reply_problem_after(fb_job *job, fb_problem p, const char *detail, unsigned retry_after_s);
/* 405; allowed: "GET, HEAD, PUT". */
void fb_reply_method_not_allowed(fb_job *job, const char *allowed);
/* No session: 401 to a program, 303 to the sign-in page to a page's request. */
void fb_reply_sign_in(fb_job *job);
/* 303 See Other. `location` holds no control bytes. */
void fb_reply_redirect(fb_job *job, const char *location);
void fb_reply_empty(fb_job *job, unsigned status);
void fb_reply_text(fb_job *job, unsigned status, const char *text);
/* 304, with the validators that were added as headers. */
void fb_reply_not_modified(fb_job *job);
/* A file of origin/web, by ETag or whole; one with a form gets its tokens and is stored by nobody. */
void fb_reply_static(fb_job *job, const fb_static_file *file, unsigned status);
/* A page with its marks (at most FB_PAGE_MARKS_MAX) and the tokens of its forms filled in; stored by nobody. */
void fb_reply_page(fb_job *job, const fb_static_file *file, unsigned status, const fb_page_mark *marks, size_t nmarks);
/* [first, first + bytes) of an open file, which the reply owns from here on. */
void fb_reply_fd(fb_job *job, unsigned status, const char *content_type, int fd, uint64_t first, uint64_t bytes);

/* "Name: value" without CRLF. */
void fb_reply_header(fb_job *job, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The status line and all header lines of a finished reply into `out`. keep_alive: what Connection says. */
void fb_reply_head(const fb_job *job, bool keep_alive, bell_buf *out);
uint64_t fb_reply_body_bytes(const fb_reply *r);
void fb_reply_fini(fb_reply *r);

#endif
