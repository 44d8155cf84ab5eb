#include "origin/server/json_in.h"

#include <math.h>

#include "bell_json_in.h"
#include "origin/server/reply.h"

static bool is_json(const bell_http_request *q) {
    bell_str type = bell_http_header_get(q, BELL_STR("Content-Type"));
    return type.p != NULL && bell_str_ieq(bell_str_trim(bell_str_cut(&type, ';')), BELL_STR("application/json"));
}

json_t *fb_json_body(fb_job *job) {
    char sentence[BELL_JSON_IN_ERROR_BYTES];

    if (!is_json(job->request)) {
        fb_reply_problem(job, FB_PROBLEM_MEDIA_TYPE, "Content-Type: application/json is expected.");
        return NULL;
    }
    json_t *body = bell_json_read(bell_buf_str(&job->body), sentence, sizeof(sentence));
    if (body == NULL) {
        fb_reply_problem(job, FB_PROBLEM_BAD_JSON, sentence);
        return NULL;
    }
    if (!json_is_object(body)) {
        json_decref(body);
        fb_reply_problem(job, FB_PROBLEM_INVALID, "An object is expected.");
        return NULL;
    }
    return body;
}

bool fb_json_only(fb_job *job, json_t *body, const char *const *names) {
    const char *key;
    json_t *value;

    json_object_foreach(body, key, value) {
        const char *const *n = names;
        while (*n != NULL && strcmp(*n, key) != 0) {
            n++;
        }
        if (*n == NULL) {
            fb_reply_problem(job, FB_PROBLEM_INVALID, bell_arena_printf(&job->arena, "\"%.40s\" is not known here.", key));
            return false;
        }
    }
    return true;
}

bool fb_json_number(fb_job *job, json_t *body, const char *name, double min, double max, double scale, int64_t *out, bool *present) {
    json_t *v = json_object_get(body, name);

    *present = v != NULL;
    if (v == NULL) {
        return true;
    }
    double d = json_number_value(v);
    if (!json_is_number(v) || !isfinite(d) || d < min || d > max) {
        fb_reply_problem(job, FB_PROBLEM_INVALID, bell_arena_printf(&job->arena, "\"%s\" is a number from %.0f to %.0f.", name, min, max));
        return false;
    }
    *out = (int64_t)(d * scale + 1e-6); /* 1.001 is 1001 thousandths, although its product falls a little short of that */
    return true;
}
