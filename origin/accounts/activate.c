/* Coming in with a one-time code of a sheet, or with the link of a mail: whose it is, and setting a password or pictures with it. */
#include "origin/accounts/activate.h"

#include <stdlib.h>

#include "origin/accounts/accounts.h"
#include "origin/accounts/open.h"
#include "origin/accounts/password.h"
#include "origin/accounts/password_rules.h"
#include "origin/server/codes.h"
#include "origin/server/json_in.h"
#include "origin/server/reply.h"
#include "origin/server/route.h"
#include "origin/server/worker.h"

#define PERSON                                                                                                                                       \
    "u.id, u.role, u.given_name, u.family_name, u.username, u.grades FROM users u WHERE u.tenant_id = $1 AND u.enabled AND u.status = 1 AND u.id = "

const fb_stmt fb_sql_person_by_code = {
    "person_by_code",
    "SELECT " PERSON "(SELECT c.user_id FROM account_codes c WHERE c.tenant_id = $1 AND c.code_hash = ANY ($2::text[]) AND c.expires_at > now())",
    2,
};

const fb_stmt fb_sql_person_by_link = {
    "person_by_link",
    "SELECT " PERSON "(SELECT l.user_id FROM reset_links l WHERE l.tenant_id = $1 AND l.link_hash = ANY ($2::text[]) AND l.expires_at > now())",
    2,
};

const fb_stmt fb_sql_account_set = {
    "account_set",
    "SELECT outcome FROM account_set($1, $2, $3::text[], $4, $5)",
    5,
};

enum { USER_ID, ROLE, GIVEN_NAME, FAMILY_NAME, USERNAME, GRADES };
enum { SET = 1, SET_UNKNOWN, SET_NAME_TAKEN }; /* account_set's outcome */
enum { KIND_PASSWORD = 1, KIND_PICTURES };     /* accounts.kind */

#define STUDENT 7 /* users.role */

/* What a helper thread works on; it outlives a job that is cancelled. */
typedef struct {
    fb_task task;
    size_t len;
    bool ok;
    char encoded[FB_PASSWORD_ENCODED_MAX];
    char password[FB_PASSWORD_MAX_BYTES];
} hashing;

typedef struct {
    bool is_link;
    bool sets;          /* or only asks whose it is */
    const char *secret; /* the code or the token; NULL: cannot be one */
    const char *hashes; /* for SQL */
    int kind;
    bell_str password; /* or the text of the pictures */
    const char *pictures_problem;
    bool pictures_good;
    fb_throttle try;
    bell_str given_name, family_name, username;
    bool may_pictures;
    const char *refusal;
    hashing *hashing;
    fb_opening opening;
} activation;

/* ---- answers ---- */

static void answer_unknown(fb_job *job) {
    const activation *a = job->state;
    fb_reply_problem(job, FB_PROBLEM_CODE,
                     a->is_link ? "This link has been used or is too old. Ask for a new one."
                                : "Look at the letters again, or ask your teacher for a new code.");
}

static void answer_refused(fb_job *job) {
    const activation *a = job->state;
    fb_reply_problem(job, FB_PROBLEM_PASSWORD, a->refusal);
}

static void answer_busy(fb_job *job) {
    fb_reply_problem(job, FB_PROBLEM_BUSY, NULL);
}

/* Enough of the family name that two people with the same given name know themselves, and no more. */
static bell_str initial(bell_str name) {
    int n = name.len > 0 ? bell_str_utf8_step(name.p, name.len) : 0;
    return (bell_str){name.p, n > 0 ? (size_t)n : 0};
}

static void answer_person(fb_job *job) {
    const activation *a = job->state;
    bell_json j;

    fb_reply_json_begin(job, &j);
    bell_json_object_open(&j);
    bell_json_key(&j, "given_name");
    bell_json_str(&j, a->given_name);
    bell_json_key(&j, "family_initial");
    bell_json_str(&j, initial(a->family_name));
    bell_json_key(&j, "username");
    bell_json_str(&j, a->username);
    bell_json_key(&j, "pictures");
    bell_json_bool(&j, a->may_pictures);
    bell_json_key(&j, "password_min_length");
    bell_json_int(&j, job->worker->settings->password_min_length);
    bell_json_object_close(&j);
    fb_reply_json(job, &j, 200);
}

static void answer_home(fb_job *job) {
    const activation *a = job->state;
    bell_json j;

    fb_reply_json_begin(job, &j);
    bell_json_object_open(&j);
    bell_json_key(&j, "home");
    bell_json_z(&j, fb_role_home(a->opening.role));
    bell_json_object_close(&j);
    fb_reply_json(job, &j, 201);
}

static void answer_set(fb_job *job) {
    activation *a = job->state;
    int64_t outcome = fb_col_i64(fb_rows(job, 0), 0, 0);

    if (outcome == SET_NAME_TAKEN) {
        fb_reply_problem(job, FB_PROBLEM_NAME_TAKEN, NULL);
        return;
    }
    switch (fb_open_finish(job, &a->opening, 1)) {
    case FB_OPENED:
        answer_home(job);
        return;
    case FB_OPEN_REFUSED: /* used up, or the person left, since it was looked up */
        answer_unknown(job);
        return;
    case FB_OPEN_FAILED:
        return;
    }
}

/* ---- setting ---- */

static void hash_run(void *arg) {
    hashing *h = arg;
    h->ok = fb_password_hash((bell_str){h->password, h->len}, h->encoded);
}

static void hash_drop(fb_task *t) {
    explicit_bzero(t, sizeof(hashing));
    free(t);
}

/* The code's use, the new password and the session commit together or not at all. */
static void store(fb_job *job) {
    activation *a = job->state;

    if (!a->hashing->ok) {
        fb_throttle_release(job, &a->try, answer_busy);
        return;
    }
    a->opening.password_hash = fb_text(job, bell_str_of(a->hashing->encoded));
    fb_call_add(job, &fb_sql_account_set, fb_text_i64(job, job->tenant_id), a->is_link ? "true" : "false", a->hashes, fb_text_i64(job, a->kind),
                a->opening.password_hash);
    if (fb_open_call(job, &a->opening)) {
        fb_throttle_succeeded_call(job, &a->try);
        fb_await_db(job, answer_set);
    }
}

static void hash(fb_job *job) {
    activation *a = job->state;

    a->hashing = calloc(1, sizeof *a->hashing);
    if (a->hashing == NULL) {
        fb_throttle_release(job, &a->try, answer_busy);
        return;
    }
    a->hashing->task = (fb_task){.run = hash_run, .drop = hash_drop, .arg = a->hashing};
    a->hashing->len = a->password.len;
    memcpy(a->hashing->password, a->password.p, a->password.len);
    if (!fb_try_task(job, &a->hashing->task, store)) {
        fb_throttle_release(job, &a->try, answer_busy);
    }
}

/* NULL: what was chosen may be set. */
static const char *find_refusal(fb_job *job, const activation *a) {
    fb_password_owner owner = {a->username, a->given_name, a->family_name};
    char *room = bell_arena_alloc(&job->arena, 200);

    if (a->kind == KIND_PASSWORD) {
        return room != NULL ? fb_password_rule(a->password, job->worker->settings->password_min_length, &owner, room, 200) : "";
    }
    if (!a->may_pictures) {
        return "Pictures are for the youngest. Please choose a password.";
    }
    if (a->pictures_problem != NULL) {
        return a->pictures_problem;
    }
    return a->pictures_good ? NULL : "Do not choose the same picture every time. Take at least two different ones.";
}

static void take_person(fb_job *job, activation *a, const PGresult *r) {
    a->opening.user_id = (uint64_t)fb_col_i64(r, 0, USER_ID);
    a->opening.role = (uint32_t)fb_col_i64(r, 0, ROLE);
    a->given_name = bell_str_of(fb_text(job, fb_col(r, 0, GIVEN_NAME)));
    a->family_name = bell_str_of(fb_text(job, fb_col(r, 0, FAMILY_NAME)));
    a->username = bell_str_of(fb_text(job, fb_col(r, 0, USERNAME)));
    a->may_pictures = a->opening.role == STUDENT && fb_pictures_for_grades(fb_col(r, 0, GRADES));
}

static void found(fb_job *job) {
    activation *a = job->state;
    const PGresult *r = fb_rows(job, 0);
    unsigned wait_s = fb_throttle_admits(job, &a->try, 1);

    if (wait_s > 0) {
        fb_throttle_refuse(job, wait_s);
        return;
    }
    if (PQntuples(r) == 0) {
        fb_throttle_failed(job, &a->try, answer_unknown);
        return;
    }
    take_person(job, a, r);
    a->refusal = a->sets ? find_refusal(job, a) : NULL;
    if (a->refusal != NULL) {
        fb_throttle_release(job, &a->try, answer_refused);
    } else if (!a->sets) {
        fb_throttle_release(job, &a->try, answer_person);
    } else {
        hash(job);
    }
}

static void look_up(fb_job *job) {
    activation *a = job->state;
    const fb_codes_keys *keys = fb_codes_keys_of(job->worker->settings);
    char hashes[FB_CODE_HASHES_MAX];

    if (a->secret == NULL) {
        answer_unknown(job); /* no try: what cannot be a code is none of anybody */
        return;
    }
    if (keys == NULL || !fb_code_hashes(keys, a->is_link ? FB_CODE_OF_LINK : FB_CODE_OF_SHEET, job->tenant_id, bell_str_of(a->secret), hashes)) {
        fb_reply_problem(job, FB_PROBLEM_INTERNAL, NULL);
        return;
    }
    a->hashes = fb_text(job, bell_str_of(hashes));
    fb_call_add(job, a->is_link ? &fb_sql_person_by_link : &fb_sql_person_by_code, fb_text_i64(job, job->tenant_id), a->hashes);
    fb_throttle_check_call(job, &a->try, FB_THROTTLE_CODE, bell_str_of(a->secret));
    fb_await_db(job, found);
}

/* ---- reading the request ---- */

static bell_str text_of(fb_job *job, const json_t *value) {
    return bell_str_of(fb_text(job, (bell_str){json_string_value(value), json_string_length(value)}));
}

static bool take_secret(fb_job *job, activation *a, json_t *body) {
    json_t *code = json_object_get(body, "code"), *link = json_object_get(body, "link");
    char plain[FB_CODE_BYTES + 1];

    a->is_link = link != NULL;
    json_t *value = a->is_link ? link : code;
    if (!json_is_string(value) || (code != NULL && link != NULL)) {
        fb_reply_problem(job, FB_PROBLEM_INVALID, "Either \"code\" or \"link\" is expected, as text.");
        return false;
    }
    bell_str text = text_of(job, value);
    if (a->is_link) {
        a->secret = text.len == FB_LINK_BYTES ? text.p : NULL;
    } else {
        a->secret = fb_code_read(text, plain) ? fb_text(job, bell_str_of(plain)) : NULL;
    }
    return true;
}

bool fb_pictures_of_json(fb_job *job, const json_t *list, fb_pictures_chosen *out) {
    char text[FB_PICTURES_TEXT];
    bell_str names[FB_PICTURES_CHOSEN];
    size_t n = json_array_size(list);

    if (!json_is_array(list)) {
        return false;
    }
    for (size_t i = 0; i < n && i < FB_PICTURES_CHOSEN; i++) {
        names[i] = text_of(job, json_array_get(list, i));
    }
    out->problem = fb_pictures_text(names, n, text);
    if (out->problem == NULL) {
        out->good = fb_pictures_good(names, n);
        out->text = bell_str_of(fb_text(job, bell_str_of(text)));
    }
    return true;
}

static bool take_choice(fb_job *job, activation *a, json_t *body) {
    json_t *password = json_object_get(body, "password"), *pictures = json_object_get(body, "pictures");
    fb_pictures_chosen chosen = {0};

    if (json_is_string(password) && pictures == NULL) {
        a->kind = KIND_PASSWORD;
        a->password = text_of(job, password);
        return true;
    }
    if (password == NULL && fb_pictures_of_json(job, pictures, &chosen)) {
        a->kind = KIND_PICTURES;
        a->password = chosen.text;
        a->pictures_problem = chosen.problem;
        a->pictures_good = chosen.good;
        return true;
    }
    fb_reply_problem(job, FB_PROBLEM_INVALID, "Either \"password\", as text, or \"pictures\", as a list of names, is expected.");
    return false;
}

static void begin(fb_job *job, bool sets, const char *const *names) {
    json_t *body = fb_json_body(job);
    activation *a = bell_arena_zalloc(&job->arena, sizeof *a);

    if (body == NULL) {
        return;
    }
    if (a == NULL) {
        fb_reply_problem(job, FB_PROBLEM_BUSY, NULL);
    } else if (fb_json_only(job, body, names)) {
        a->sets = sets;
        job->state = a;
        if (take_secret(job, a, body) && (!sets || take_choice(job, a, body))) {
            look_up(job);
        }
    }
    json_decref(body);
}

void fb_activation_check(fb_job *job) {
    static const char *const names[] = {"code", "link", NULL};
    begin(job, false, names);
}

void fb_activation_set(fb_job *job) {
    static const char *const names[] = {"code", "link", "password", "pictures", NULL};
    begin(job, true, names);
}
