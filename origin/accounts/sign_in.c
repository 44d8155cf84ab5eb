#include <stdlib.h>

#include "bell_url.h"
#include "origin/accounts/accounts.h"
#include "origin/accounts/activate.h"
#include "origin/accounts/next.h"
#include "origin/accounts/open.h"
#include "origin/accounts/password.h"
#include "origin/server/json_in.h"
#include "origin/server/reply.h"
#include "origin/server/route.h"

#define LOGIN_MAX_BYTES 256
#define KIND_PICTURES   2 /* accounts.kind */

const fb_stmt fb_sql_account_by_login = {
    "account_by_login",
    "SELECT a.user_id, u.role, a.password_hash, a.kind FROM accounts a "
    "JOIN users u ON u.tenant_id = a.tenant_id AND u.id = a.user_id "
    "WHERE a.tenant_id = $1 AND a.login = lower($2::text COLLATE \"C\") AND u.enabled AND u.status = 1",
    2,
};

/* What a helper thread works on; it outlives a job that is cancelled. */
typedef struct {
    fb_task task;
    char *password;
    size_t password_len;
    char *hash; /* NULL: there is no such account */
    bool right;
} check;

typedef struct {
    bool is_form;
    const char *next;         /* the page to go on to; NULL: the role's home */
    bell_str login, password; /* or the text of the pictures */
    bool by_pictures;
    check *check;
    fb_throttle try;
    fb_opening opening; /* user_id 0: there is no such account */
} sign_in;

/* The form again, with the sentence of that name on it. */
static void redirect_to_form(fb_job *job, const char *sentence) {
    const sign_in *s = job->state;
    const char *next = s->next != NULL ? s->next : "";

    const char *again = bell_arena_printf(&job->arena, "/sign-in%s%s#%s", s->next != NULL ? "?next=" : "", next, sentence);
    fb_reply_redirect(job, again != NULL ? again : "/sign-in");
}

static void answer_wrong(fb_job *job) {
    const sign_in *s = job->state;

    if (s->is_form) {
        redirect_to_form(job, "wrong");
    } else {
        fb_reply_problem(job, FB_PROBLEM_CREDENTIALS, NULL);
    }
}

static void answer_wait(fb_job *job, unsigned wait_s) {
    const sign_in *s = job->state;

    if (s->is_form) {
        redirect_to_form(job, wait_s <= 60 ? "wait" : "wait-long");
    } else {
        fb_throttle_refuse(job, wait_s);
    }
}

static void answer_busy(fb_job *job) {
    const sign_in *s = job->state;

    if (s->is_form) {
        redirect_to_form(job, "busy");
    } else {
        fb_reply_problem(job, FB_PROBLEM_BUSY, NULL);
    }
}

static void answer_right(fb_job *job) {
    sign_in *s = job->state;
    const char *home = fb_role_home(s->opening.role);
    fb_open_outcome outcome = fb_open_finish(job, &s->opening, 1);
    bell_json j;

    if (outcome == FB_OPEN_REFUSED) { /* the password was changed meanwhile */
        answer_wrong(job);
    } else if (outcome == FB_OPENED && s->is_form) {
        fb_reply_redirect(job, s->next != NULL ? s->next : home);
    } else if (outcome == FB_OPENED) {
        fb_reply_json_begin(job, &j);
        bell_json_object_open(&j);
        bell_json_key(&j, "home");
        bell_json_z(&j, home);
        bell_json_object_close(&j);
        fb_reply_json(job, &j, 201);
    }
}

static void check_run(void *arg) {
    check *c = arg;
    c->right = fb_password_verify(c->hash, (bell_str){c->password, c->password_len});
}

static void check_drop(fb_task *t) {
    check *c = (check *)t;
    if (c->password != NULL) {
        explicit_bzero(c->password, c->password_len);
    }
    free(c->password);
    free(c->hash);
    free(c);
}

static void take_verdict(fb_job *job) {
    sign_in *s = job->state;
    if (!s->check->right || s->opening.user_id == 0) {
        fb_throttle_failed(job, &s->try, answer_wrong);
        return;
    }
    fb_throttle_succeeded_call(job, &s->try);
    if (fb_open_call(job, &s->opening)) {
        fb_await_db(job, answer_right);
    }
}

static check *check_new(bell_str password, const char *hash) {
    check *c = calloc(1, sizeof(*c));
    if (c == NULL) {
        return NULL;
    }
    c->task = (fb_task){.run = check_run, .drop = check_drop, .arg = c};
    c->password = malloc(password.len + 1);
    c->password_len = password.len;
    c->hash = hash != NULL ? strdup(hash) : NULL;
    if (c->password == NULL || (hash != NULL && c->hash == NULL)) {
        check_drop(&c->task);
        return NULL;
    }
    memcpy(c->password, password.p, password.len);
    return c;
}

/* An unknown name costs what a known one costs, so that the answer's time tells nothing. */
static void check_password(fb_job *job) {
    sign_in *s = job->state;
    const PGresult *r = fb_rows(job, 0);
    unsigned wait_s = fb_throttle_admits(job, &s->try, 1);

    if (wait_s > 0) {
        answer_wait(job, wait_s);
        return;
    }
    /* Pictures are no password and a password is no pictures: each has tries of its own. */
    if (PQntuples(r) == 1 && (fb_col_i64(r, 0, 3) == KIND_PICTURES) == s->by_pictures) {
        s->opening.user_id = (uint64_t)fb_col_i64(r, 0, 0);
        s->opening.role = (uint32_t)fb_col_i64(r, 0, 1);
        s->opening.password_hash = fb_text(job, fb_col(r, 0, 2));
    }
    s->check = check_new(s->password, s->opening.password_hash);
    if (s->check == NULL || !fb_try_task(job, &s->check->task, take_verdict)) {
        fb_throttle_release(job, &s->try, answer_busy);
    }
}

static void look_up(fb_job *job) {
    sign_in *s = job->state;

    if (s->login.len == 0 || s->login.len > LOGIN_MAX_BYTES || s->password.len == 0 || s->password.len > FB_PASSWORD_MAX_BYTES ||
        !bell_str_is_utf8(s->login)) {
        answer_wrong(job);
        return;
    }
    fb_call_add(job, &fb_sql_account_by_login, fb_text_i64(job, job->tenant_id), fb_text(job, s->login));
    fb_throttle_check_call(job, &s->try, s->by_pictures ? FB_THROTTLE_PICTURES : FB_THROTTLE_PASSWORD, s->login);
    fb_await_db(job, check_password);
}

static bool begin(fb_job *job, bool is_form) {
    sign_in *s = bell_arena_zalloc(&job->arena, sizeof(*s));
    if (s == NULL) {
        fb_reply_problem(job, FB_PROBLEM_BUSY, NULL);
        return false;
    }
    s->is_form = is_form;
    job->state = s;
    return true;
}

/* "password" as text, or "pictures" as a list; nothing of pictures that are unknown or too few is somebody's. */
static bool take_secret(fb_job *job, sign_in *s, const json_t *password, const json_t *pictures) {
    fb_pictures_chosen chosen = {0};
    if (json_is_string(password) && pictures == NULL) {
        s->password = bell_str_of(fb_text(job, (bell_str){json_string_value(password), json_string_length(password)}));
        return true;
    }
    s->by_pictures = true;
    if (password == NULL && fb_pictures_of_json(job, pictures, &chosen)) {
        s->password = chosen.text;
        return true;
    }
    return false;
}

void fb_sign_in_api(fb_job *job) {
    static const char *const names[] = {"username", "password", "pictures", NULL};
    json_t *body = fb_json_body(job);

    if (body == NULL) {
        return;
    }
    if (!fb_json_only(job, body, names) || !begin(job, false)) {
        json_decref(body);
        return;
    }
    sign_in *s = job->state;
    json_t *username = json_object_get(body, "username");
    bool ok = json_is_string(username) && take_secret(job, s, json_object_get(body, "password"), json_object_get(body, "pictures"));
    if (ok) {
        s->login = bell_str_of(fb_text(job, (bell_str){json_string_value(username), json_string_length(username)}));
    }
    json_decref(body);
    if (ok) {
        look_up(job);
    } else {
        fb_reply_problem(job, FB_PROBLEM_INVALID,
                         "\"username\" and \"password\" are expected, both as text, or \"pictures\", a list of names, in place of the password.");
    }
}

/* The page that somebody wanted before they had to sign in: from the form, or, without a script, from the address that the form is on. */
static const char *wanted_page(fb_job *job, bell_str form) {
    bell_str next = BELL_STR_NULL;

    if (bell_form_get(&job->arena, form, BELL_STR("next"), &next) != 1 &&
        bell_form_get(&job->arena, job->request->query, BELL_STR("next"), &next) != 1) {
        return NULL;
    }
    return fb_is_own_page(next) ? fb_text(job, next) : NULL;
}

void fb_sign_in_form(fb_job *job) {
    bell_str form = bell_buf_str(&job->body);

    if (!begin(job, true)) {
        return;
    }
    sign_in *s = job->state;
    s->next = wanted_page(job, form);
    if (bell_form_get(&job->arena, form, BELL_STR("username"), &s->login) != 1 ||
        bell_form_get(&job->arena, form, BELL_STR("password"), &s->password) != 1) {
        answer_wrong(job);
        return;
    }
    look_up(job);
}
