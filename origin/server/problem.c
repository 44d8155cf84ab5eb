#include "origin/server/problem.h"

typedef struct {
    unsigned status;
    unsigned retry_after_s;
    const char *name;
    const char *title;
} problem_row;

static const problem_row problems[FB_PROBLEM_COUNT] = {
    [FB_PROBLEM_BAD_REQUEST] = {400, 0, "bad-request", "The request could not be understood."},
    [FB_PROBLEM_BAD_JSON] = {400, 0, "bad-json", "The request is not well-formed JSON."},
    [FB_PROBLEM_INVALID] = {422, 0, "invalid", "A value in the request is not acceptable."},
    [FB_PROBLEM_PASSWORD] = {422, 0, "password", "This password cannot be used."},
    [FB_PROBLEM_CREDENTIALS] = {401, 0, "credentials", "The user name or the password is not right."},
    [FB_PROBLEM_SIGN_IN_REQUIRED] = {401, 0, "sign-in-required", "Please sign in first."},
    [FB_PROBLEM_FORBIDDEN] = {403, 0, "forbidden", "Your account may not do this."},
    [FB_PROBLEM_CROSS_SITE] = {403, 0, "cross-site", "The request came from another web site and was refused."},
    [FB_PROBLEM_FORM_TOKEN] = {403, 0, "form-token",
                               "The page was open for too long, or the form did not come from it. Load it again and try once more."},
    [FB_PROBLEM_CODE] = {403, 0, "code", "This code is not right, has been used, or is too old."},
    [FB_PROBLEM_NOT_FOUND] = {404, 0, "not-found", "There is nothing here under this address."},
    [FB_PROBLEM_METHOD] = {405, 0, "method", "This cannot be done with this address."},
    [FB_PROBLEM_TIMEOUT] = {408, 0, "timeout", "The request did not arrive in time."},
    [FB_PROBLEM_LOCKED] = {409, 0, "locked", "This is still locked: something else has to be finished first."},
    [FB_PROBLEM_NAME_TAKEN] = {409, 0, "name-taken", "Somebody else signs in with the same user name already. Please tell your teacher."},
    [FB_PROBLEM_TOO_LARGE] = {413, 0, "too-large", "What was sent is too large."},
    [FB_PROBLEM_TARGET_TOO_LONG] = {414, 0, "target-too-long", "The address is too long."},
    [FB_PROBLEM_MEDIA_TYPE] = {415, 0, "media-type", "What was sent is not of a kind that is accepted here."},
    [FB_PROBLEM_RANGE] = {416, 0, "range", "The part that was asked for lies outside of the file."},
    [FB_PROBLEM_EXPECTATION] = {417, 0, "expectation", "What the request expects cannot be met here."},
    [FB_PROBLEM_TOO_MANY_TRIES] = {429, 0, "too-many-tries", "There were too many wrong tries. Please wait a little and try again."},
    [FB_PROBLEM_TOO_MANY] = {429, 0, "too-many", "There were too many of these requests. Please wait a little and try again."},
    [FB_PROBLEM_HEADERS_TOO_LARGE] = {431, 0, "headers-too-large", "The request's headers are too large."},
    [FB_PROBLEM_INTERNAL] = {500, 0, "internal", "Something went wrong on our side. It has been noted."},
    [FB_PROBLEM_NOT_IMPLEMENTED] = {501, 0, "not-implemented", "This kind of request is not known here."},
    [FB_PROBLEM_BUSY] = {503, 3, "busy", "Many people are here right now. Please try again in a moment."},
    [FB_PROBLEM_DATABASE] = {503, 5, "database", "The records cannot be reached right now. Please try again in a moment."},
    [FB_PROBLEM_DEADLINE] = {503, 5, "deadline", "This took too long. Please try again in a moment."},
    [FB_PROBLEM_MEDIA_KEY] = {503, 30, "media-key", "Videos and pictures cannot be opened here at the moment. Please tell your school."},
    [FB_PROBLEM_VERSION] = {505, 0, "version", "This version of HTTP is not spoken here."},
};

unsigned fb_problem_status(fb_problem p) {
    return problems[p].status;
}

const char *fb_problem_name(fb_problem p) {
    return problems[p].name;
}

unsigned fb_problem_retry_after_s(fb_problem p) {
    return problems[p].retry_after_s;
}

fb_problem fb_problem_of_status(unsigned status) {
    for (unsigned p = 0; p < FB_PROBLEM_COUNT; p++) {
        if (problems[p].status == status) {
            return (fb_problem)p;
        }
    }
    return FB_PROBLEM_BAD_REQUEST;
}

void fb_problem_write(bell_json *j, fb_problem p, const char *detail, bell_str request_id) {
    char type[64] = "/problems/";

    bell_json_object_open(j);
    bell_json_key(j, "type");
    strncat(type, problems[p].name, sizeof(type) - strlen(type) - 1);
    bell_json_z(j, type);
    bell_json_key(j, "title");
    bell_json_z(j, problems[p].title);
    bell_json_key(j, "status");
    bell_json_int(j, problems[p].status);
    if (detail != NULL) {
        bell_json_key(j, "detail");
        bell_json_z(j, detail);
    }
    bell_json_key(j, "request_id");
    bell_json_str(j, request_id);
    bell_json_object_close(j);
}
