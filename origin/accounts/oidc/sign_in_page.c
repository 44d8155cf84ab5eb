/* The sign-in page is a file; the links to the tenant's providers are put into it here, so that it needs no script. Which providers there are is
 * remembered for some seconds: everybody asks for this page in the same minute, and nobody changes providers then. */
#include <stdlib.h>

#include "bell_url.h"
#include "origin/accounts/next.h"
#include "origin/accounts/oidc/cache.h"
#include "origin/accounts/oidc/oidc.h"
#include "origin/server/reply.h"
#include "origin/server/worker.h"

#define PAGE          "sign-in.html"
#define MARK          "<!--providers-->"
#define PROVIDERS_MAX 8
#define TENANTS_MAX   256
#define REMEMBERED_S  5

const fb_stmt fb_sql_oidc_providers = {
    "oidc_providers",
    "SELECT id, title FROM identity_providers WHERE tenant_id = $1 ORDER BY title, id LIMIT 8",
    1,
};

typedef struct {
    int32_t tenant_id;
    int64_t until_s;
    unsigned nproviders;
    struct {
        uint64_t id;
        char title[81];
    } providers[PROVIDERS_MAX];
} known;

static known *table[TENANTS_MAX]; /* of this process; two tenants with the same place take turns */

static known *place_of(int32_t tenant_id) {
    known **k = &table[(uint32_t)tenant_id % TENANTS_MAX];
    if (*k == NULL) {
        *k = calloc(1, sizeof(**k));
    }
    if (*k != NULL && (*k)->tenant_id != tenant_id) {
        memset(*k, 0, sizeof(**k));
        (*k)->tenant_id = tenant_id;
    }
    return *k;
}

static const char *next_of(fb_job *job) {
    bell_str next;
    if (bell_form_get(&job->arena, job->request->query, BELL_STR("next"), &next) == 1 && fb_is_own_page(next)) {
        return bell_arena_printf(&job->arena, "?next=%.*s", BELL_STR_ARG(next));
    }
    return "";
}

static void write_links(fb_job *job, const known *k, bell_buf *html) {
    const char *next = next_of(job);

    bell_buf_add_z(html, "<nav class=\"other-sign-ins\" aria-label=\"Other ways to sign in\">\n<p class=\"or\" aria-hidden=\"true\">or</p>\n");
    for (unsigned i = 0; i < k->nproviders; i++) {
        bell_buf_printf(html, "<a class=\"button button-wide\" href=\"/sign-in/oidc/%llu%s\">Sign in with ", (unsigned long long)k->providers[i].id,
                        next != NULL ? next : "");
        fb_html_escape(html, bell_str_of(k->providers[i].title));
        bell_buf_add_z(html, "</a>\n");
    }
    bell_buf_add_z(html, "</nav>");
}

static void reply(fb_job *job, const known *k) {
    const fb_static_file *file = fb_static_find(&job->worker->web, BELL_STR(PAGE));
    bell_buf html;

    if (file == NULL) {
        fb_reply_problem(job, FB_PROBLEM_NOT_FOUND, NULL);
        return;
    }
    bell_buf_init(&html, 16 * 1024);
    if (k != NULL && k->nproviders > 0) {
        write_links(job, k, &html);
    }
    const fb_page_mark mark = {MARK, bell_buf_str(&html), true};
    fb_reply_page(job, file, 200, &mark, 1);
    bell_buf_fini(&html);
}

static void have_providers(fb_job *job) {
    const PGresult *r = fb_rows(job, 0);
    known *k = place_of(job->tenant_id);

    if (k == NULL) {
        fb_reply_problem(job, FB_PROBLEM_BUSY, NULL);
        return;
    }
    k->until_s = fb_oidc_now_s() + REMEMBERED_S;
    k->nproviders = (unsigned)PQntuples(r);
    for (unsigned i = 0; i < k->nproviders; i++) {
        k->providers[i].id = (uint64_t)fb_col_i64(r, (int)i, 0);
        snprintf(k->providers[i].title, sizeof(k->providers[i].title), "%s", PQgetvalue(r, (int)i, 1));
    }
    reply(job, k);
}

void fb_sign_in_page(fb_job *job) {
    const known *k = place_of(job->tenant_id);

    /* Without the database the page comes with what is remembered: it says itself why a sign-in does not go on. */
    if (k == NULL || k->until_s > fb_oidc_now_s() || !fb_pool_ready(job->worker->pool)) {
        reply(job, k);
        return;
    }
    fb_call_add(job, &fb_sql_oidc_providers, fb_text_i64(job, job->tenant_id));
    fb_await_db(job, have_providers);
}
