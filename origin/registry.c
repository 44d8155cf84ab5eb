#include "origin/registry.h"

#include "origin/accounts/accounts.h"
#include "origin/accounts/oidc/oidc.h"
#include "origin/accounts/open.h"
#include "origin/classes/classes.h"
#include "origin/content/media_links.h"
#include "origin/courses/courses.h"
#include "origin/district/district.h"
#include "origin/progress/progress.h"
#include "origin/purges/purges.h"
#include "origin/server/pages.h"

#define GET    BELL_HTTP_GET
#define POST   BELL_HTTP_POST
#define PUT    BELL_HTTP_PUT
#define DELETE BELL_HTTP_DELETE

#define ROUTE(methods_, pattern_, scope_, shed_class_, handler_)                                                                                     \
    { .methods = (methods_), .pattern = (pattern_), .scope = (scope_), .shed_class = (shed_class_), .handler = (handler_) }
#define HEAVY(methods_, pattern_, scope_, shed_class_, handler_) /* looks at many rows */                                                            \
    {                                                                                                                                                \
        .methods = (methods_), .pattern = (pattern_), .scope = (scope_), .shed_class = (shed_class_), .handler = (handler_), .lane = FB_LANE_HEAVY,  \
        .timeout_ms = FB_HEAVY_TIMEOUT_MS                                                                                                            \
    }
#define BATCH(methods_, pattern_, scope_, shed_class_, handler_) /* saved for many clients in one commit */                                          \
    { .methods = (methods_), .pattern = (pattern_), .scope = (scope_), .shed_class = (shed_class_), .handler = (handler_), .lane = FB_LANE_BATCH }
#define SHARED(pattern_, scope_, shed_class_, handler_) /* the same for everybody of a district */                                                   \
    { .methods = GET, .pattern = (pattern_), .scope = (scope_), .shed_class = (shed_class_), .handler = (handler_), .share = FB_SHARE_DISTRICT }
#define BY_TOKEN(pattern_, scope_, shed_class_, handler_) /* open to a token that an edge has checked as well, and shared by those who have one */   \
    {                                                                                                                                                \
        .methods = GET, .pattern = (pattern_), .scope = (scope_), .shed_class = (shed_class_), .handler = (handler_), .by_token = true,              \
        .share = FB_SHARE_TOKEN                                                                                                                      \
    }
#define OPEN(pattern_, handler_) /* answers without a tenant, under any load */                                                                      \
    { .methods = GET, .pattern = (pattern_), .shed_class = FB_SHED_NEVER, .handler = (handler_), .without_tenant = true }
#define FORM(pattern_, scope_, shed_class_, handler_) /* posted by a page of ours, with its token */                                                 \
    { .methods = POST, .pattern = (pattern_), .scope = (scope_), .shed_class = (shed_class_), .handler = (handler_), .is_form = true }
#define PAGE(pattern_, scope_, file_)                                                                                                                \
    {                                                                                                                                                \
        .methods = GET, .pattern = (pattern_), .scope = (scope_), .shed_class = FB_SHED_BROWSING, .handler = fb_page_file, .is_page = true,          \
        .file = (file_), .share = (scope_) == FB_SCOPE_NONE ? FB_SHARE_DISTRICT : FB_SHARE_NOBODY                                                    \
    }

/* clang-format off */
const fb_route fb_routes[] = {
    /* methods, pattern, scope, shedding class, handler */
    OPEN("/healthz", fb_healthz),
    OPEN("/readyz", fb_readyz),

    ROUTE(POST,   "/api/v1/sessions",             FB_SCOPE_NONE,      FB_SHED_SIGN_IN,        fb_sign_in_api),
    FORM(         "/sign-in",                     FB_SCOPE_NONE,      FB_SHED_SIGN_IN,        fb_sign_in_form),
    ROUTE(GET,    "/sign-in",                     FB_SCOPE_NONE,      FB_SHED_SIGN_IN,        fb_sign_in_page),
    ROUTE(GET,    "/sign-in/oidc/{id}",           FB_SCOPE_NONE,      FB_SHED_SIGN_IN,        fb_oidc_start),
    ROUTE(GET,    "/sign-in/oidc/{id}/callback",  FB_SCOPE_NONE,      FB_SHED_SIGN_IN,        fb_oidc_callback),
    ROUTE(DELETE, "/api/v1/sessions/current",     FB_SCOPE_NONE,      FB_SHED_SIGN_IN,        fb_sign_out_api),
    FORM(         "/sign-out",                    FB_SCOPE_NONE,      FB_SHED_SIGN_IN,        fb_sign_out_form),
    ROUTE(GET,    "/api/v1/sessions",             FB_SCOPE_SELF,      FB_SHED_BROWSING,       fb_sessions_list),
    ROUTE(DELETE, "/api/v1/sessions",             FB_SCOPE_SELF,      FB_SHED_SIGN_IN,        fb_sessions_end_all),
    ROUTE(DELETE, "/api/v1/sessions/{id}",        FB_SCOPE_SELF,      FB_SHED_SIGN_IN,        fb_session_end_one),
    ROUTE(PUT,    "/api/v1/me/password",          FB_SCOPE_SELF,      FB_SHED_SIGN_IN,        fb_password_change),
    ROUTE(GET,    "/api/v1/me",                   FB_SCOPE_SELF,      FB_SHED_BROWSING,       fb_me),

    SHARED(       "/api/v1/account-rules",        FB_SCOPE_NONE,      FB_SHED_SIGN_IN,        fb_account_rules),
    ROUTE(POST,   "/api/v1/activation/person",    FB_SCOPE_NONE,      FB_SHED_SIGN_IN,        fb_activation_check),
    ROUTE(POST,   "/api/v1/activation",           FB_SCOPE_NONE,      FB_SHED_SIGN_IN,        fb_activation_set),
    ROUTE(POST,   "/api/v1/reset-links",          FB_SCOPE_NONE,      FB_SHED_SIGN_IN,        fb_reset_ask),

    ROUTE(GET,    "/api/v1/courses",              FB_SCOPE_CONTENT,   FB_SHED_BROWSING,       fb_courses_list),
    ROUTE(GET,    "/api/v1/courses/{id}",         FB_SCOPE_CONTENT,   FB_SHED_PROGRESS_READ,  fb_course_outline),
    ROUTE(GET,    "/api/v1/lessons/{id}",         FB_SCOPE_CONTENT,   FB_SHED_PROGRESS_READ,  fb_lesson),
    ROUTE(GET,    "/api/v1/items/{id}/media",     FB_SCOPE_CONTENT,   FB_SHED_VIDEO,          fb_item_media),
    BY_TOKEN(     "/media/{id}/{path}",           FB_SCOPE_CONTENT,   FB_SHED_VIDEO,          fb_media),
    BATCH(PUT,    "/api/v1/items/{id}/progress",  FB_SCOPE_PROGRESS,  FB_SHED_PROGRESS_SAVE,  fb_progress_save),
    ROUTE(POST,   "/api/v1/items/{id}/attempts",  FB_SCOPE_PROGRESS,  FB_SHED_SUBMISSION,     fb_attempt),

    HEAVY(GET,    "/api/v1/classes",              FB_SCOPE_CLASSES,   FB_SHED_DASHBOARD,      fb_classes_list),
    HEAVY(GET,    "/api/v1/classes/{id}/progress", FB_SCOPE_CLASSES,  FB_SHED_DASHBOARD,      fb_class_progress),
    HEAVY(GET,    "/api/v1/district",             FB_SCOPE_DISTRICT,  FB_SHED_DASHBOARD,      fb_district),
    ROUTE(GET,    "/api/v1/classes/{id}/codes",   FB_SCOPE_CODES,     FB_SHED_DASHBOARD,      fb_class_codes_list),
    ROUTE(POST,   "/api/v1/classes/{id}/codes",   FB_SCOPE_CODES,     FB_SHED_DASHBOARD,      fb_class_codes_make),
    ROUTE(POST,   "/api/v1/classes/{id}/students/{id}/reset", FB_SCOPE_CODES, FB_SHED_SIGN_IN, fb_class_student_reset),
    ROUTE(POST,   "/api/v1/people/search",        FB_SCOPE_PEOPLE,    FB_SHED_DASHBOARD,      fb_people_search),
    ROUTE(POST,   "/api/v1/people/{id}/reset",    FB_SCOPE_PEOPLE,    FB_SHED_SIGN_IN,        fb_people_reset),

    ROUTE(POST,   "/api/v1/purges",               FB_SCOPE_PURGES,    FB_SHED_SIGN_IN,        fb_purge_ask),
    ROUTE(GET,    "/api/v1/purges",               FB_SCOPE_PURGES,    FB_SHED_DASHBOARD,      fb_purges_list),

    ROUTE(GET,    "/",                            FB_SCOPE_NONE,      FB_SHED_BROWSING,       fb_page_root),
    SHARED(       "/web/{path}",                  FB_SCOPE_NONE,      FB_SHED_BROWSING,       fb_web_file),
    PAGE("/account",                         FB_SCOPE_SELF,      "account.html"),
    PAGE("/activate",                        FB_SCOPE_NONE,      "activate.html"),
    PAGE("/reset",                           FB_SCOPE_NONE,      "reset.html"),
    PAGE("/courses",                         FB_SCOPE_CONTENT,   "courses.html"),
    PAGE("/courses/{id}",                    FB_SCOPE_CONTENT,   "course.html"),
    PAGE("/lessons/{id}",                    FB_SCOPE_CONTENT,   "lesson.html"),
    PAGE("/classes",                         FB_SCOPE_CLASSES,   "classes.html"),
    PAGE("/classes/{id}",                    FB_SCOPE_CLASSES,   "class.html"),
    PAGE("/classes/{id}/codes",              FB_SCOPE_CODES,     "codes.html"),
    PAGE("/people",                          FB_SCOPE_PEOPLE,    "people.html"),
    PAGE("/district",                        FB_SCOPE_DISTRICT,  "district.html"),
    {.pattern = NULL},
};

const fb_stmt *const fb_statements[] = {
    &fb_sql_tenant_enter, &fb_sql_session_enter,
    &fb_sql_account_by_login, &fb_sql_session_open, &fb_sql_sessions_end, &fb_sql_session_delete, &fb_sql_me,
    &fb_sql_sessions_mine, &fb_sql_session_end_mine, &fb_sql_password_mine, &fb_sql_password_change,
    &fb_sql_throttle_take, &fb_sql_throttle_failed, &fb_sql_throttle_succeeded, &fb_sql_throttle_release, &fb_sql_throttle_forget,
    &fb_sql_person_by_code, &fb_sql_person_by_link, &fb_sql_account_set, &fb_sql_reset_ask,
    &fb_sql_codes_class, &fb_sql_codes_students, &fb_sql_codes_put, &fb_sql_codes_student_reset, &fb_sql_people_search, &fb_sql_people_reset,
    &fb_sql_courses_mine, &fb_sql_course_progress, &fb_sql_course_items, &fb_sql_course_prerequisites,
    &fb_sql_lesson_head, &fb_sql_lesson_items, &fb_sql_course_assets, &fb_sql_asset_open,
    &fb_sql_asset_of_token, &fb_sql_item_media, &fb_sql_item_assets, &fb_sql_media_keys,
    &fb_sql_oidc_providers, &fb_sql_oidc_provider, &fb_sql_oidc_state_use, &fb_sql_oidc_identity, &fb_sql_oidc_link,
    &fb_sql_oidc_find_by_email, &fb_sql_oidc_find_by_username, &fb_sql_oidc_find_by_sourced_id,
    &fb_sql_attempt_target, &fb_sql_attempt_save,
    &fb_sql_classes_mine, &fb_sql_class_head, &fb_sql_class_items, &fb_sql_class_progress,
    &fb_sql_district_counts, &fb_sql_district_imports, &fb_sql_district_queue,
    &fb_sql_purge_ask, &fb_sql_purges_list,
    NULL,
};
/* clang-format on */

const fb_stmt *const fb_batched_statement = &fb_sql_progress_save;
