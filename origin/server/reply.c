#define _GNU_SOURCE 1
#include "origin/server/reply.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "bell_http_date.h"
#include "origin/server/form_token.h"
#include "origin/server/log.h"
#include "origin/server/route.h"
#include "origin/server/static_files.h"
#include "origin/server/worker.h"

/* Pages, and the scripts that may become workers of theirs. hls.js plays through blob: URLs and a worker made from one. */
#define PAGE_POLICY                                                                                                                                  \
    "default-src 'self'; img-src 'self' data:; media-src 'self' blob:; worker-src 'self' blob:; connect-src 'self'; style-src 'self'; "              \
    "script-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
/* Everything else is no document: whoever makes a browser show it as one gets an inert one. */
#define DATA_POLICY "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

/* On every answer. The edge adds the same to its own (conf/nginx), and Strict-Transport-Security to all. */
static const char *const headers_of_all[] = {
    "X-Content-Type-Options: nosniff",
    "Referrer-Policy: same-origin",
    "Permissions-Policy: accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), magnetometer=(), microphone=(), midi=(), "
    "payment=(), usb=()",
    "Cross-Origin-Opener-Policy: same-origin",
    "Cross-Origin-Resource-Policy: same-origin",
};

static bool has_header(const fb_reply *r, const char *name) {
    bell_str lines = bell_buf_str(&r->headers);

    while (lines.len > 0) {
        bell_str line = bell_str_cut(&lines, '\n');
        if (bell_str_ieq(bell_str_cut(&line, ':'), bell_str_of(name))) {
            return true;
        }
    }
    return false;
}

/* What the handler did not say itself is said in the strictest way: nobody stores the answer, and it may do nothing in a browser. A 304 says
 * nothing: its headers take the place of those that were stored with the body (RFC 9111 section 3.2). */
static void add_defaults(fb_job *job, unsigned status, const char *content_type) {
    bool is_page = content_type != NULL && (strncmp(content_type, "text/html", 9) == 0 || strncmp(content_type, "text/javascript", 15) == 0);

    if (status == 304) {
        return;
    }
    if (!has_header(&job->reply, "Cache-Control")) {
        fb_reply_header(job, "Cache-Control: no-store");
    }
    if (!has_header(&job->reply, "Content-Security-Policy")) {
        fb_reply_header(job, "Content-Security-Policy: %s", is_page ? PAGE_POLICY : DATA_POLICY);
    }
}

static void finish(fb_job *job, unsigned status, const char *content_type) {
    if (job->replied) { /* a second answer to one question: a programmer's error, harmless to the client */
        fb_log(FB_LOG_ERROR, "request %s was answered twice", job->request_id);
        return;
    }
    add_defaults(job, status, content_type);
    job->replied = true;
    job->reply.status = status;
    job->reply.content_type = content_type;
    job->on_reply(job, job->on_reply_arg);
}

static void drop_body(fb_reply *r) {
    bell_buf_reset(&r->body);
    bell_buf_reset(&r->headers);
    r->file = NULL;
    if (r->fd >= 0) {
        close(r->fd);
    }
    r->fd = -1;
}

void fb_reply_json_begin(fb_job *job, bell_json *j) {
    bell_buf_reset(&job->reply.body);
    bell_json_init(j, &job->reply.body);
}

void fb_reply_json(fb_job *job, const bell_json *j, unsigned status) {
    if (!bell_json_done(j)) {
        fb_log(FB_LOG_ERROR, "request %s: the answer did not fit or was not complete", job->request_id);
        fb_reply_problem(job, FB_PROBLEM_INTERNAL, NULL);
        return;
    }
    fb_reply_header(job, "Cache-Control: private, no-store");
    finish(job, status, "application/json");
}

void fb_reply_rows(fb_job *job, const char *key, void (*write_row)(bell_json *j, const PGresult *r, int row)) {
    bell_json j;

    fb_reply_json_begin(job, &j);
    bell_json_object_open(&j);
    fb_rows_write(&j, key, fb_rows(job, 0), write_row);
    bell_json_object_close(&j);
    fb_reply_json(job, &j, 200);
}

static void problem_begin(fb_job *job, fb_problem p, const char *detail, unsigned retry_after_s) {
    bell_json j;

    drop_body(&job->reply);
    fb_reply_json_begin(job, &j);
    fb_problem_write(&j, p, detail, bell_str_of(job->request_id));
    if (retry_after_s > 0) {
        fb_reply_header(job, "Retry-After: %u", retry_after_s);
    }
}

/* A person who opens a page gets a page. Programs, what a page fetches, and whoever does not come through an edge, get problem+json. */
static const fb_static_file *problem_page(const fb_job *job, fb_problem p) {
    const bell_http_request *q = job->request;
    bool by_person = q->method == BELL_HTTP_GET || q->method == BELL_HTTP_HEAD || (job->route != NULL && job->route->is_form);
    bell_str accept = by_person ? bell_http_header_get(q, BELL_STR("Accept")) : BELL_STR_NULL;
    const char *file = "error/not-found.html";

    if (job->tenant_id == 0 || accept.p == NULL || memmem(accept.p, accept.len, "text/html", 9) == NULL ||
        bell_str_starts(q->path, BELL_STR("/api/"))) {
        return NULL;
    }
    if (p == FB_PROBLEM_FORM_TOKEN) {
        file = "error/form.html";
    } else if (p == FB_PROBLEM_FORBIDDEN) {
        file = "error/forbidden.html";
    } else if (fb_problem_status(p) >= 500) {
        file = "error/unavailable.html";
    } else if (p != FB_PROBLEM_NOT_FOUND) {
        return NULL;
    }
    return fb_static_find(&job->worker->web, bell_str_of(file));
}

/* The page with its marks filled in, and a token of its own in each form. */
static bool fill(fb_job *job, const fb_static_file *file, const fb_page_mark *marks, size_t nmarks) {
    fb_page_mark all[FB_PAGE_MARKS_MAX + 1];
    const char *token = file->has_form ? fb_form_token_new(job) : "";

    if (token == NULL || nmarks > FB_PAGE_MARKS_MAX) {
        return false;
    }
    if (nmarks > 0) {
        memcpy(all, marks, nmarks * sizeof(*marks));
    }
    all[nmarks] = (fb_page_mark){FB_FORM_MARK, bell_str_of(token), false};
    bell_buf_reset(&job->reply.body);
    fb_page_fill(&job->reply.body, file->body, all, nmarks + 1);
    return !job->reply.body.failed;
}

void fb_reply_problem(fb_job *job, fb_problem p, const char *detail) {
    fb_reply_problem_after(job, p, detail, fb_problem_retry_after_s(p));
}

void fb_reply_problem_after(fb_job *job, fb_problem p, const char *detail, unsigned retry_after_s) {
    const fb_static_file *page = problem_page(job, p);

    problem_begin(job, p, detail, retry_after_s);
    if (page != NULL && page->has_form && !fill(job, page, NULL, 0)) {
        page = NULL;
    }
    if (page != NULL) {
        job->reply.file = page->has_form ? NULL : page;
    }
    finish(job, fb_problem_status(p), page != NULL ? page->content_type : "application/problem+json");
}

void fb_reply_method_not_allowed(fb_job *job, const char *allowed) {
    problem_begin(job, FB_PROBLEM_METHOD, NULL, 0);
    fb_reply_header(job, "Allow: %s", allowed);
    finish(job, fb_problem_status(FB_PROBLEM_METHOD), "application/problem+json");
}

/* The page that was asked for comes back behind the sign-in; targets are only ever paths of our own pages. */
void fb_reply_sign_in(fb_job *job) {
    const bell_http_request *q = job->request;

    if (job->route == NULL || !job->route->is_page) {
        fb_reply_problem(job, FB_PROBLEM_SIGN_IN_REQUIRED, NULL);
        return;
    }
    drop_body(&job->reply);
    const char *location = bell_arena_printf(&job->arena, "/sign-in?next=%.*s", BELL_STR_ARG(q->path));
    fb_reply_redirect(job, location != NULL && q->path.len > 1 ? location : "/sign-in");
}

void fb_reply_redirect(fb_job *job, const char *location) {
    fb_reply_header(job, "Location: %s", location);
    finish(job, 303, NULL);
}

void fb_reply_empty(fb_job *job, unsigned status) {
    finish(job, status, NULL);
}

void fb_reply_text(fb_job *job, unsigned status, const char *text) {
    bell_buf_add_z(&job->reply.body, text);
    finish(job, status, "text/plain; charset=utf-8");
}

/* A weak comparison over a list of entity tags (RFC 9110, 13.1.2). */
static bool etag_matches(bell_str list, const char *etag) {
    bell_str rest = list, want = bell_str_of(etag);

    while (rest.len > 0) {
        bell_str one = bell_str_trim(bell_str_cut(&rest, ','));
        if (bell_str_starts(one, BELL_STR("W/"))) {
            one = (bell_str){one.p + 2, one.len - 2};
        }
        if (bell_str_eq(one, want) || bell_str_eq(one, BELL_STR("*"))) {
            return true;
        }
    }
    return false;
}

void fb_reply_page(fb_job *job, const fb_static_file *file, unsigned status, const fb_page_mark *marks, size_t nmarks) {
    if (!fill(job, file, marks, nmarks)) {
        fb_reply_problem(job, FB_PROBLEM_INTERNAL, NULL);
        return;
    }
    finish(job, status, file->content_type);
}

void fb_reply_static(fb_job *job, const fb_static_file *file, unsigned status) {
    bell_str inm = bell_http_header_get(job->request, BELL_STR("If-None-Match"));

    if (file->has_form) {
        fb_reply_page(job, file, status, NULL, 0);
        return;
    }
    fb_reply_header(job, "ETag: %s", file->etag);
    fb_reply_header(job, "Cache-Control: no-cache");
    if (status == 200) {
        fb_share_say(job, "web");
    }
    if (status == 200 && inm.p != NULL && etag_matches(inm, file->etag)) {
        fb_reply_not_modified(job);
        return;
    }
    job->reply.file = file;
    finish(job, status, file->content_type);
}

void fb_reply_not_modified(fb_job *job) {
    finish(job, 304, NULL);
}

void fb_reply_fd(fb_job *job, unsigned status, const char *content_type, int fd, uint64_t first, uint64_t bytes) {
    job->reply.fd = fd;
    job->reply.fd_first = first;
    job->reply.fd_bytes = bytes;
    finish(job, status, content_type);
}

void fb_reply_header(fb_job *job, const char *fmt, ...) {
    char line[2048];
    va_list ap;

    va_start(ap, fmt);
    int n = vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    if (n < 0 || (size_t)n >= sizeof(line) || strpbrk(line, "\r\n") != NULL) {
        fb_log(FB_LOG_ERROR, "request %s: a header line was left out: too long or broken", job->request_id);
        return;
    }
    bell_buf_add(&job->reply.headers, line, (size_t)n);
    bell_buf_add(&job->reply.headers, "\r\n", 2);
}

uint64_t fb_reply_body_bytes(const fb_reply *r) {
    if (r->content_type == NULL) {
        return 0;
    }
    if (r->file != NULL) {
        return r->file->body.len;
    }
    return r->fd >= 0 ? r->fd_bytes : r->body.len;
}

void fb_reply_head(const fb_job *job, bool keep_alive, bell_buf *out) {
    const fb_reply *r = &job->reply;
    char date[30];

    bell_http_date((int64_t)time(NULL), date);
    bell_buf_printf(out, "HTTP/1.1 %u %s\r\nDate: %s\r\n", r->status, bell_http_reason(r->status), date);
    if (r->content_type != NULL) {
        bell_buf_printf(out, "Content-Type: %s\r\n", r->content_type);
    }
    if (r->status != 204 && r->status != 304) {
        bell_buf_printf(out, "Content-Length: %llu\r\n", (unsigned long long)fb_reply_body_bytes(r));
    }
    bell_buf_printf(out, "X-Request-Id: %s\r\n", job->request_id);
    for (size_t i = 0; i < sizeof(headers_of_all) / sizeof(headers_of_all[0]); i++) {
        bell_buf_printf(out, "%s\r\n", headers_of_all[i]);
    }
    bell_buf_add(out, r->headers.p, r->headers.len);
    bell_buf_add_z(out, keep_alive ? "Connection: keep-alive\r\n\r\n" : "Connection: close\r\n\r\n");
}

void fb_reply_fini(fb_reply *r) {
    bell_buf_fini(&r->headers);
    bell_buf_fini(&r->body);
    if (r->fd >= 0) {
        close(r->fd);
    }
    r->fd = -1;
}
