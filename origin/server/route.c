#include "origin/server/route.h"

#include "bell_role.h"
#include "origin/server/form_token.h"
#include "origin/server/reply.h"
#include "origin/server/session.h"
#include "origin/server/worker.h"

/* users.role → what it may. A role that is not here (5, a proctor) may nothing. Whoever answers for a school or a district sees figures, not what
 * single people do. */
const fb_role fb_roles[] = {
    {1, FB_SCOPE_SELF, "/courses"},                                       /* of a school */
    {2, FB_SCOPE_SELF | FB_SCOPE_CONTENT | FB_SCOPE_CLASSES, "/classes"}, /* aide */
    {3, FB_SCOPE_SELF, "/courses"},
    {4, FB_SCOPE_SELF, "/courses"}, /* parent */
    {6, FB_SCOPE_SELF, "/courses"}, /* relative */
    {7, FB_SCOPE_SELF | FB_SCOPE_CONTENT | FB_SCOPE_PROGRESS, "/courses"},
    {8, FB_SCOPE_SELF | FB_SCOPE_CONTENT | FB_SCOPE_CLASSES | FB_SCOPE_CODES, "/classes"},
    {20, FB_SCOPE_SELF | FB_SCOPE_DISTRICT | FB_SCOPE_PEOPLE | FB_SCOPE_PURGES, "/district"},
    {21, FB_SCOPE_SELF | FB_SCOPE_DISTRICT | FB_SCOPE_PURGES, "/district"},
    {.home = NULL},
};

static const fb_role *role_find(uint32_t role) {
    for (const fb_role *r = fb_roles; r->home != NULL; r++) {
        if (r->number == role) {
            return r;
        }
    }
    return NULL;
}

const char *fb_scope_name(unsigned scope) {
    static const struct {
        unsigned scope;
        const char *name;
    } names[] = {{FB_SCOPE_SELF, "self"},         {FB_SCOPE_CONTENT, "content"}, {FB_SCOPE_PROGRESS, "progress"}, {FB_SCOPE_CLASSES, "classes"},
                 {FB_SCOPE_DISTRICT, "district"}, {FB_SCOPE_CODES, "codes"},     {FB_SCOPE_PEOPLE, "people"},     {FB_SCOPE_PURGES, "purges"}};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (names[i].scope == scope) {
            return names[i].name;
        }
    }
    return NULL;
}

unsigned fb_scope_of(bell_str name) {
    for (unsigned scope = 1; fb_scope_name(scope) != NULL; scope <<= 1) {
        if (bell_str_eq(name, bell_str_of(fb_scope_name(scope)))) {
            return scope;
        }
    }
    return FB_SCOPE_NONE;
}

unsigned fb_role_scopes(uint32_t role) {
    const fb_role *r = role_find(role);
    return r != NULL ? r->scopes : FB_SCOPE_NONE;
}

const char *fb_role_home(uint32_t role) {
    const fb_role *r = role_find(role);
    return r != NULL ? r->home : "/courses";
}

bool fb_shed_admits(fb_shed_class c, unsigned pressure_percent) {
    return c >= FB_SHED_NEVER || pressure_percent < (unsigned)c * 10;
}

static bool take_id(bell_str *path, uint64_t *id) {
    size_t n = 0;
    while (n < path->len && path->p[n] != '/') {
        n++;
    }
    bell_str text = {path->p, n};
    if ((n > 1 && text.p[0] == '0') || !bell_str_to_u64(text, INT64_MAX, id) || *id == 0) {
        return false;
    }
    *path = (bell_str){path->p + n, path->len - n};
    return true;
}

bool fb_route_matches(const char *pattern, bell_str path, uint64_t *ids, bell_str *rest) {
    unsigned nids = 0;

    while (*pattern != '\0') {
        if (*pattern != '{') {
            if (path.len == 0 || path.p[0] != *pattern) {
                return false;
            }
            path = (bell_str){path.p + 1, path.len - 1};
            pattern++;
        } else if (strncmp(pattern, "{id}", 4) == 0) {
            if (nids == FB_ROUTE_IDS_MAX || !take_id(&path, &ids[nids++])) {
                return false;
            }
            pattern += 4;
        } else { /* {path}: the end of every pattern that has it */
            *rest = path;
            return path.len > 0;
        }
    }
    return path.len == 0;
}

fb_match fb_route_find(const fb_route *routes, fb_job *job, unsigned *allowed) {
    unsigned method = job->request->method == BELL_HTTP_HEAD ? BELL_HTTP_GET : job->request->method;

    *allowed = 0;
    for (const fb_route *r = routes; r->pattern != NULL; r++) {
        if (!fb_route_matches(r->pattern, job->request->path, job->ids, &job->rest)) {
            continue;
        }
        if (r->methods & method) {
            job->route = r;
            return FB_MATCH;
        }
        *allowed |= r->methods;
    }
    return *allowed != 0 ? FB_MATCH_NO_METHOD : FB_MATCH_NO_PATH;
}

static void answer_method(fb_job *job, unsigned allowed) {
    static const struct {
        unsigned bit;
        const char *name;
    } names[] = {
        {BELL_HTTP_GET, "GET, HEAD"}, {BELL_HTTP_POST, "POST"}, {BELL_HTTP_PUT, "PUT"}, {BELL_HTTP_PATCH, "PATCH"}, {BELL_HTTP_DELETE, "DELETE"}};
    char list[80];
    size_t len = 0;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (allowed & names[i].bit) {
            len += (size_t)snprintf(list + len, sizeof(list) - len, "%s%s", len > 0 ? ", " : "", names[i].name);
        }
    }
    fb_reply_method_not_allowed(job, list);
}

/* A browser says where a request comes from; a form on another site may not act here (OWASP: verify the origin with standard headers). */
static bool is_cross_site(const bell_http_request *q) {
    bell_str site = bell_http_header_get(q, BELL_STR("Sec-Fetch-Site"));
    bell_str origin = bell_http_header_get(q, BELL_STR("Origin"));

    if (q->method == BELL_HTTP_GET || q->method == BELL_HTTP_HEAD) {
        return false;
    }
    if (site.p != NULL && !bell_str_eq(site, BELL_STR("same-origin")) && !bell_str_eq(site, BELL_STR("none"))) {
        return true;
    }
    if (origin.p == NULL) {
        return false;
    }
    if (!bell_str_starts(origin, BELL_STR("https://"))) {
        return true;
    }
    return !bell_str_ieq((bell_str){origin.p + 8, origin.len - 8}, q->host);
}

static bool has_type(const bell_http_request *q, bell_str wanted) {
    bell_str type = bell_http_header_get(q, BELL_STR("Content-Type"));
    return type.p != NULL && bell_str_ieq(bell_str_trim(bell_str_cut(&type, ';')), wanted);
}

/* What a form of another site can send without asking first is never JSON (Fetch, 4.1: only three types are); and of forms, ours carry a token. */
static bool is_ours(fb_job *job) {
    const bell_http_request *q = job->request;

    if (is_cross_site(q)) {
        fb_reply_problem(job, FB_PROBLEM_CROSS_SITE, NULL);
        return false;
    }
    if (!(q->method & (BELL_HTTP_POST | BELL_HTTP_PUT | BELL_HTTP_PATCH))) {
        return true;
    }
    if (!job->route->is_form) {
        if (!has_type(q, BELL_STR("application/json"))) {
            fb_reply_problem(job, FB_PROBLEM_MEDIA_TYPE, "Content-Type: application/json is expected.");
            return false;
        }
        return true;
    }
    if (!has_type(q, BELL_STR("application/x-www-form-urlencoded"))) {
        fb_reply_problem(job, FB_PROBLEM_MEDIA_TYPE, NULL);
        return false;
    }
    if (!fb_form_token_holds(job)) {
        fb_reply_problem(job, FB_PROBLEM_FORM_TOKEN, NULL);
        return false;
    }
    return true;
}

/* The answer is for all who have such a token, also when an edge passes it on to others: no session has a part in it. */
static bool comes_by_token(const fb_job *job) {
    return job->route->by_token && job->context.by_token;
}

static bool may_enter(fb_job *job) {
    const fb_route *r = job->route;

    if (r->scope == FB_SCOPE_NONE) {
        return true;
    }
    if (comes_by_token(job)) {
        return true;
    }
    if (!job->has_session) {
        fb_reply_sign_in(job);
        return false;
    }
    if ((fb_role_scopes(job->session.role) & job->context.scopes & r->scope) != r->scope) {
        const char *home = fb_role_home(job->session.role);
        if (r->is_page && !bell_str_eq(job->request->path, bell_str_of(home))) {
            fb_reply_redirect(job, home);
        } else {
            fb_reply_problem(job, FB_PROBLEM_FORBIDDEN, NULL);
        }
        return false;
    }
    return true;
}

bool fb_route_has_tenant(const fb_route *routes, fb_job *job) {
    unsigned allowed;
    return job->tenant_id != 0 || (fb_route_find(routes, job, &allowed) == FB_MATCH && job->route->without_tenant);
}

void fb_route_dispatch(const fb_route *routes, fb_job *job) {
    unsigned allowed;

    if (!fb_route_has_tenant(routes, job)) {
        fb_context_refuse(job);
        return;
    }
    switch (fb_route_find(routes, job, &allowed)) {
    case FB_MATCH_NO_PATH:
        fb_reply_problem(job, FB_PROBLEM_NOT_FOUND, NULL);
        return;
    case FB_MATCH_NO_METHOD:
        answer_method(job, allowed);
        return;
    case FB_MATCH:
        break;
    }
    if (!fb_shed_admits(job->route->shed_class, fb_worker_pressure_percent(job->worker, job->route->lane))) {
        fb_reply_problem(job, FB_PROBLEM_BUSY, NULL);
        return;
    }
    if (job->tenant_id != 0 && !comes_by_token(job)) {
        fb_session_read(job);
    }
    if (!fb_context_fits_session(job)) {
        fb_context_refuse(job);
    } else if (is_ours(job) && may_enter(job)) {
        job->route->handler(job);
    }
}
