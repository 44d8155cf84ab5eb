#define _GNU_SOURCE 1
#include "origin/accounts/open.h"

#include <stdio.h>
#include <time.h>

#include "origin/server/client_address.h"
#include "origin/server/log.h"
#include "origin/server/reply.h"
#include "origin/server/session.h"
#include "origin/server/worker.h"

#define DEVICE_TTL_S 15552000 /* 180 days; the cleanup forgets what was not seen for as long */

const fb_stmt fb_sql_session_open = {
    "session_open",
    "SELECT session_open($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
    11,
};

const fb_stmt fb_sql_sessions_end = {
    "sessions_end",
    "SELECT sessions_end($1, $2, $3)",
    3,
};

static bool says(bell_str text, const char *word) {
    return text.p != NULL && memmem(text.p, text.len, word, strlen(word)) != NULL;
}

void fb_device_name(bell_str user_agent, char out[FB_DEVICE_NAME_BYTES]) {
    static const struct {
        const char *word, *name; /* in the order of asking: each also says what those behind it say */
    } browsers[] = {{"Edg/", "Edge"},        {"EdgA/", "Edge"},     {"OPR/", "Opera"},    {"SamsungBrowser/", "Samsung Internet"},
                    {"Firefox/", "Firefox"}, {"FxiOS/", "Firefox"}, {"CriOS/", "Chrome"}, {"Chrome/", "Chrome"},
                    {"Safari/", "Safari"},   {"curl/", "curl"}},
      systems[] = {{"CrOS", "a Chromebook"}, {"iPad", "an iPad"},    {"iPhone", "an iPhone"}, {"Android", "an Android device"},
                   {"Windows", "Windows"},   {"Macintosh", "a Mac"}, {"Linux", "Linux"}};
    const char *browser = NULL, *system = NULL;

    for (size_t i = 0; i < sizeof(browsers) / sizeof(browsers[0]) && browser == NULL; i++) {
        browser = says(user_agent, browsers[i].word) ? browsers[i].name : NULL;
    }
    for (size_t i = 0; i < sizeof(systems) / sizeof(systems[0]) && system == NULL; i++) {
        system = says(user_agent, systems[i].word) ? systems[i].name : NULL;
    }
    if (browser != NULL && system != NULL) {
        snprintf(out, FB_DEVICE_NAME_BYTES, "%s on %s", browser, system);
    } else {
        snprintf(out, FB_DEVICE_NAME_BYTES, "%s", browser != NULL ? browser : system != NULL ? system : "an unknown device");
    }
}

/* The number in the device's cookie, or a new one. */
static bool name_device(fb_job *job, fb_opening *o) {
    bell_str value = fb_cookie(job->request, BELL_STR(FB_DEVICE_COOKIE));

    o->device_is_new = !fb_session_is_sid(value);
    if (o->device_is_new) {
        return fb_session_new_sid(o->device);
    }
    memcpy(o->device, value.p, value.len);
    o->device[value.len] = '\0';
    return true;
}

bool fb_open_call(fb_job *job, fb_opening *o) {
    const fb_settings *s = job->worker->settings;
    char name[FB_DEVICE_NAME_BYTES], device[FB_SOURCE_BYTES + 1], address[FB_SOURCE_BYTES + 1];

    if (!fb_session_new_sid(o->claims.sid) || !name_device(job, o)) {
        fb_log(FB_LOG_ERROR, "request %s: the system gave no randomness for a session", job->request_id);
        fb_reply_problem(job, FB_PROBLEM_INTERNAL, NULL);
        return false;
    }
    o->claims.tenant_id = (uint32_t)job->tenant_id;
    o->claims.user_id = o->user_id;
    o->claims.role = o->role;
    o->claims.issued_s = (int64_t)time(NULL);
    o->claims.expires_s = o->claims.issued_s + s->session_ttl_s;
    fb_device_name(bell_http_header_get(job->request, BELL_STR("User-Agent")), name);
    fb_source_digest('d', bell_str_of(o->device), device);
    fb_client_source(job->request, address);
    fb_call_add(job, &fb_sql_session_open, fb_text_i64(job, job->tenant_id), o->claims.sid, fb_text_i64(job, (int64_t)o->user_id),
                fb_text_i64(job, o->role), fb_text_i64(job, s->session_ttl_s), o->password_hash, job->has_session ? job->session.sid : NULL,
                fb_text(job, bell_str_of(name)), fb_text_i64(job, s->sessions_a_user_max), fb_text(job, bell_str_of(device)),
                fb_text(job, bell_str_of(address)));
    return true;
}

fb_open_outcome fb_open_finish(fb_job *job, fb_opening *o, unsigned i) {
    if (!bell_str_eq(fb_col(fb_rows(job, i), 0, 0), BELL_STR("t"))) {
        return FB_OPEN_REFUSED;
    }
    if (!fb_session_give(job, &o->claims)) {
        fb_log(FB_LOG_ERROR, "request %s: a session token could not be signed", job->request_id);
        fb_reply_problem(job, FB_PROBLEM_INTERNAL, NULL);
        return FB_OPEN_FAILED;
    }
    fb_reply_header(job, "Set-Cookie: " FB_DEVICE_COOKIE "=%s; Max-Age=%d; " FB_COOKIE_ATTRIBUTES, o->device, DEVICE_TTL_S);
    return FB_OPENED;
}

void fb_sessions_end_call(fb_job *job, uint64_t user_id, const char *keep_sid) {
    fb_call_add(job, &fb_sql_sessions_end, fb_text_i64(job, job->tenant_id), fb_text_i64(job, (int64_t)user_id), keep_sid);
}
