#include "origin/server/pages.h"

#include "origin/server/log.h"
#include "origin/server/reply.h"
#include "origin/server/worker.h"

void fb_page_root(fb_job *job) {
    fb_reply_redirect(job, job->has_session ? fb_role_home(job->session.role) : "/sign-in");
}

static void reply_file(fb_job *job, bell_str path) {
    const fb_static_file *f = fb_static_find(&job->worker->web, path);
    if (f != NULL) {
        fb_reply_static(job, f, 200);
    } else {
        fb_reply_problem(job, FB_PROBLEM_NOT_FOUND, NULL);
    }
}

void fb_page_file(fb_job *job) {
    reply_file(job, bell_str_of(job->route->file));
}

void fb_web_file(fb_job *job) {
    reply_file(job, job->rest);
}

void fb_healthz(fb_job *job) {
    fb_reply_text(job, 200, "ok\n");
}

void fb_readyz(fb_job *job) {
    if (fb_pool_ready(job->worker->pool)) {
        fb_reply_text(job, 200, "ok\n");
    } else {
        fb_reply_problem(job, FB_PROBLEM_DATABASE, NULL);
    }
}
