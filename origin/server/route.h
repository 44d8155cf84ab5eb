/* Routes: what is answered, to whom, and how early it is given up under load. The table is in origin/registry.c, one line a route. A route
 * without a scope is open to everybody; every other needs a session whose role has the scope. */
#ifndef FB_ROUTE_H
#define FB_ROUTE_H

#include "origin/server/job.h"
#include "origin/server/share.h"

enum {
    FB_SCOPE_NONE = 0,
    FB_SCOPE_SELF = 1,      /* one's own account and session */
    FB_SCOPE_CONTENT = 2,   /* the content of courses one is enrolled in */
    FB_SCOPE_PROGRESS = 4,  /* saving one's own progress */
    FB_SCOPE_CLASSES = 8,   /* the progress of classes one teaches */
    FB_SCOPE_DISTRICT = 16, /* the district's figures */
    FB_SCOPE_CODES = 32,    /* codes and resets for students of classes one teaches */
    FB_SCOPE_PEOPLE = 64,   /* finding people and resetting them */
    FB_SCOPE_PURGES = 128,  /* taking answers back from the caches of the edges */
};

/* The order of shedding: the lowest goes first. */
typedef enum {
    FB_SHED_PREFETCH = 1,
    FB_SHED_ROSTER = 2,
    FB_SHED_BROWSING = 3,
    FB_SHED_DASHBOARD = 4,
    FB_SHED_PROGRESS_READ = 5,
    FB_SHED_VIDEO = 6,
    FB_SHED_PROGRESS_SAVE = 7,
    FB_SHED_SIGN_IN = 8,
    FB_SHED_LIVE = 9,
    FB_SHED_SUBMISSION = 10,
    FB_SHED_NEVER = 11, /* health */
} fb_shed_class;

/* The connections that a route's statements go over. A heavy read has its own, few and one group at a time each, so that it delays other heavy
 * reads only. What is saved for many clients in one commit has its own, because it is the longest of all that is not heavy. */
typedef enum { FB_LANE_FAST, FB_LANE_HEAVY, FB_LANE_BATCH } fb_lane;

#define FB_HEAVY_TIMEOUT_MS 8000

struct fb_route {
    unsigned methods;    /* bell_http_method bits; GET stands for HEAD too */
    const char *pattern; /* "/api/v1/courses/{id}": {id} is a positive number, {path} the rest */
    unsigned scope;
    fb_shed_class shed_class;
    fb_lane lane;
    unsigned timeout_ms; /* of each of its statements; 0: the setting db_statement_timeout_ms */
    fb_step handler;
    bool is_page;        /* without a session: 303 to the sign-in page */
    bool without_tenant; /* answers when no tenant was named */
    bool by_token;       /* also by a token that is for this address, for which the edge vouches (context.h): then nobody's session is looked at */
    fb_share share;      /* whose its answers are, for the caches of the edges */
    bool is_form;        /* posted by a form of ours: urlencoded, with its token (form_token.h); every other route takes JSON */
    const char *file;    /* for pages: the file of origin/web */
};

typedef enum { FB_MATCH, FB_MATCH_NO_PATH, FB_MATCH_NO_METHOD } fb_match;

/* Finds the route of a request; ids and rest are set in the job. NO_METHOD: *allowed holds the methods of that path. Routes end with pattern NULL. */
fb_match fb_route_find(const fb_route *routes, fb_job *job, unsigned *allowed);

/* Whether an edge has vouched for a tenant, or the request's route needs none. */
bool fb_route_has_tenant(const fb_route *routes, fb_job *job);

/* Whether a pattern matches; fills ids[FB_ROUTE_IDS_MAX] and *rest. */
bool fb_route_matches(const char *pattern, bell_str path, uint64_t *ids, bell_str *rest);

/* What the roles of lua-free/bell_role.h may do, ended by one without a home page. */
typedef struct {
    uint32_t number;
    unsigned scopes;
    const char *home;
} fb_role;
extern const fb_role fb_roles[];

/* "self", "content", … of one scope; NULL: there is none such. */
const char *fb_scope_name(unsigned scope);
/* The scope of that name; none of another word. */
unsigned fb_scope_of(bell_str name);
/* The scopes of a role (users.role); none of one that is not known. */
unsigned fb_role_scopes(uint32_t role);
/* The home page of the role. */
const char *fb_role_home(uint32_t role);

/* Whether a class still gets in while the waiting room is that full: class c of 10 up to c * 10 percent. */
bool fb_shed_admits(fb_shed_class c, unsigned pressure_percent);

/* Everything before the handler: tenant, shedding, session, scope, cross-site; then the handler. */
void fb_route_dispatch(const fb_route *routes, fb_job *job);

#endif
