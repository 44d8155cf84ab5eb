#include "origin/accounts/one_code.h"

#include "origin/content/person.h"
#include "origin/server/reply.h"
#include "origin/server/worker.h"

fb_one_code *fb_one_code_new(fb_job *job) {
    const fb_codes_keys *keys = fb_codes_keys_of(job->worker->settings);
    fb_one_code *c = bell_arena_zalloc(&job->arena, sizeof *c);
    if (keys == NULL || c == NULL || !fb_code_new(c->code) ||
        !fb_code_hash(keys, 0, FB_CODE_OF_SHEET, job->tenant_id, bell_str_of(c->code), c->hash)) {
        fb_reply_problem(job, FB_PROBLEM_INTERNAL, NULL);
        return NULL;
    }
    job->state = c;
    return c;
}

void fb_one_code_answer(fb_job *job) {
    fb_one_code *c = job->state;
    const PGresult *r = fb_rows(job, 0);
    char shown[FB_CODE_SHOWN_BYTES + 1];
    bell_json j;

    if (PQntuples(r) == 0) {
        fb_reply_problem(job, FB_PROBLEM_NOT_FOUND, NULL);
        return;
    }
    fb_code_show(c->code, shown);
    fb_reply_json_begin(job, &j);
    bell_json_object_open(&j);
    fb_person_write(&j, r, 0, 0);
    bell_json_key(&j, "code");
    bell_json_z(&j, shown);
    fb_col_write_str(&j, "expires_at", r, 0, 4);
    bell_json_object_close(&j);
    explicit_bzero(c, sizeof *c);
    fb_reply_json(job, &j, 201);
}
