/* What a shared cache wants to know of a response, gathered field by field as it arrives. Nothing is allocated; slices point into the field values.
 */
#ifndef BELL_RESPONSE_META_H
#define BELL_RESPONSE_META_H

#include "bell_cache_control.h"

#pragma GCC visibility push(hidden)

/* Cache-Scope, a field of Firstbell's own that never reaches clients: for whom the origin made the answer. Of several the narrowest counts. */
typedef enum {
    BELL_SCOPE_NONE,    /* not said */
    BELL_SCOPE_PUBLIC,  /* everybody of the tenant */
    BELL_SCOPE_ROLE,    /* whoever has the asker's role */
    BELL_SCOPE_PRIVATE, /* the asker */
    BELL_SCOPE_UNKNOWN, /* said, but not understood */
} bell_response_scope;

/* A date or a number that may be absent, or there and malformed. */
typedef enum { BELL_FIELD_ABSENT, BELL_FIELD_GOOD, BELL_FIELD_BAD } bell_field_state;

/* Fields that speak to caches like this one (RFC 9213), the one that counts first in front: CDN-Cache-Control, and what came before it,
 * Surrogate-Control (W3C Note "Edge Architecture Specification"), as far as it is a Dictionary, too. */
typedef enum { BELL_TARGET_CDN, BELL_TARGET_SURROGATE, BELL_TARGETS } bell_target;

typedef struct {
    bool bad;  /* a line of it was none: all of them are ignored */
    bool good; /* a line of it had members */
    bell_cache_control control;
} bell_targeted;

/* Begins as {0}; the caller fills the first part and gives every field of the response to bell_response_meta_add().
 *
 * After a 304: the fields as merged and the status as stored, but Age and Date of the 304 alone (without a Date, none), and the times of its request;
 * an older Age or Date would count the time between twice. */
typedef struct {
    unsigned status;
    bool get;                /* the request's method; no other than GET has an answer that is stored */
    bool authorization;      /* the request had an Authorization field */
    bool authenticated;      /* the edge knows whose request it was: its subject and role */
    bool request_no_store;   /* the request said Cache-Control: no-store */
    int64_t request_time_s;  /* wall clock when the request was sent */
    int64_t response_time_s; /* and when the response's head arrived */

    /* from fields */
    bell_field_state age, date, expires, last_modified;
    uint32_t age_s; /* these four are meant when GOOD */
    int64_t date_s;
    int64_t expires_s;
    int64_t last_modified_s;
    bool etag;
    bool set_cookie;
    bool vary_any;             /* Vary has a member "*" */
    bell_response_scope scope; /* Cache-Scope */
    bell_cache_control control;
    bell_targeted targeted[BELL_TARGETS];
} bell_response_meta;

/* One field line; others than those above are ignored. response_time_s is filled in before (a date with a year of two digits needs it).
 * Age: the first member of the first line counts (RFC 9111, section 5.1). Expires: lines that differ are as bad as a malformed one.
 * Date and Last-Modified: the first line. */
void bell_response_meta_add(bell_response_meta *m, bell_str name, bell_str value);

/* The directives that govern: those of the first targeted field that is there and good, else Cache-Control (RFC 9213, section 2.2). */
const bell_cache_control *bell_response_meta_control(const bell_response_meta *m);
/* Whether they are of a targeted field: Expires is ignored then. */
bool bell_response_meta_is_targeted(const bell_response_meta *m);

#pragma GCC visibility pop

#endif
