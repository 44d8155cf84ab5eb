
/*
 * Rate limits: what the configuration says, what lies in shared memory, and
 * what has been asked for a request.
 *
 * The arithmetic (bell_gcra.h), the table of what keys have used
 * (bell_limits.h) and what clients are told (bell_ratelimit.h) are lua-free's.
 */

#ifndef _NGX_HTTP_BELL_LIMIT_H_INCLUDED_
#define _NGX_HTTP_BELL_LIMIT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_core.h"
#include "bell_edges.h"
#include "bell_leases.h"
#include "bell_limits.h"
#include "bell_ratelimit.h"
#include "ngx_http_bell_limit_common.h"


extern ngx_module_t  ngx_http_bell_limit_module;


#pragma GCC visibility push(hidden)


/* as many as core's context has bits for */
#define NGX_HTTP_BELL_LIMIT_POLICIES  64

/* those of a configuration and of the one before it; numbers begin with 1 */
#define NGX_HTTP_BELL_LIMIT_NUMBERS   (2 * NGX_HTTP_BELL_LIMIT_POLICIES)

/* rows of counts: workers that count in different ones do not meet */
#define NGX_HTTP_BELL_LIMIT_ROWS      8

/* keys that are shown to operators, at most */
#define NGX_HTTP_BELL_LIMIT_BOARD     256

/* bytes of a key's text there */
#define NGX_HTTP_BELL_LIMIT_TEXT      128


/* bytes of what Redis calls a key: rl:{t<tenant>}:<policy>:<digest> */
#define NGX_HTTP_BELL_LIMIT_LEASE_NAME                                        \
    (sizeof("rl:{t}::") - 1 + NGX_INT32_LEN + BELL_RATELIMIT_NAME_MAX         \
     + 2 * BELL_LEASES_DIGEST_BYTES)


/* what a key is made of, besides the tenant's id, which is in all of them */

#define NGX_HTTP_BELL_LIMIT_ADDRESS   0x01
#define NGX_HTTP_BELL_LIMIT_SUBJECT   0x02
#define NGX_HTTP_BELL_LIMIT_ROLE      0x04
#define NGX_HTTP_BELL_LIMIT_CLASS     0x08
#define NGX_HTTP_BELL_LIMIT_TENANT    0x10
#define NGX_HTTP_BELL_LIMIT_ROUTE     0x20


/*
 * As $bell_limit_status, and what is counted of a policy.  Of several the last
 * of this list is what the request is told by.
 */

typedef enum {
    NGX_HTTP_BELL_LIMIT_PASSED,
    NGX_HTTP_BELL_LIMIT_ALLOWED,
    NGX_HTTP_BELL_LIMIT_DRY_RUN,
    NGX_HTTP_BELL_LIMIT_REFUSED,
    NGX_HTTP_BELL_LIMIT_RESULTS
} ngx_http_bell_limit_result_e;


/* What is counted of leases; in the order of the metric's words. */

typedef enum {
    NGX_HTTP_BELL_LIMIT_ANSWERED,       /* exchanges */
    NGX_HTTP_BELL_LIMIT_LATE,
    NGX_HTTP_BELL_LIMIT_FAILED,
    NGX_HTTP_BELL_LIMIT_NO_ROOM,        /* uses of keys without a place */
    NGX_HTTP_BELL_LIMIT_OWNERS,         /* workers that began to exchange */
    NGX_HTTP_BELL_LIMIT_LEASE_COUNTS
} ngx_http_bell_limit_lease_count_e;


typedef struct {
    ngx_str_t                        name;
    bell_gcra_rule                   rule;
    uint64_t                         quota;     /* units at once: burst + 1 */
    uint64_t                         window_s;  /* until all have come back */
    bell_ratelimit_item              told;      /* to clients */

    ngx_uint_t                       by;
    ngx_http_complex_value_t        *key;       /* NULL: "by" alone */
    ngx_http_complex_value_t        *cost;      /* NULL: 1 */
    ngx_uint_t                       ipv6_bits;

    ngx_uint_t                       status;    /* 429 or 503 */
    ngx_uint_t                       jitter_s;
    ngx_uint_t                       scale;     /* 0: none, 1 + bell_scale */
    ngx_uint_t                       over_edges;    /* unsigned  over_edges:1 */

    ngx_uint_t                       room;      /* of core's */
    uint64_t                         bit;       /* of core's context */
    ngx_uint_t                       number;    /* in the zone */
    uint64_t                         id;        /* of its name */
} ngx_http_bell_limit_policy_t;


/* One of the policies of a location. */

typedef struct {
    ngx_http_bell_limit_policy_t    *policy;
    ngx_uint_t                       dry_run;   /* unsigned  dry_run:1 */
} ngx_http_bell_limit_use_t;


/* A policy that has a number: found by its name, also behind a reload. */

typedef struct {
    size_t                           len;       /* 0: nobody's */
    u_char                           name[BELL_RATELIMIT_NAME_MAX];
} ngx_http_bell_limit_number_t;


typedef struct {
    ngx_atomic_t                     results[NGX_HTTP_BELL_LIMIT_NUMBERS + 1]
                                            [NGX_HTTP_BELL_LIMIT_RESULTS];
} ngx_http_bell_limit_row_t;


/*
 * A key that was near its limit when it was used last.  The table of keys has
 * hashes only: here stands what they were made of, for operators.
 */

typedef struct {
    bell_limits_name                 name;      /* tag 0: nobody's */
    int64_t                          seen_us;
    uint64_t                         refused;   /* times, since it stands here */
    uint32_t                         tenant_id;
    uint16_t                         number;
    uint16_t                         percent;   /* of the policy's rule */
    size_t                           len;
    u_char                           text[NGX_HTTP_BELL_LIMIT_TEXT];
} ngx_http_bell_limit_near_t;


/* All of the zone: this, and behind it the table. */

typedef struct {
    ngx_http_bell_limit_number_t     numbers[NGX_HTTP_BELL_LIMIT_NUMBERS + 1];
    ngx_http_bell_limit_row_t        rows[NGX_HTTP_BELL_LIMIT_ROWS];
    ngx_http_bell_limit_near_t       board[NGX_HTTP_BELL_LIMIT_BOARD];
} ngx_http_bell_limit_sh_t;


/*
 * What lies before the table of leases.  One worker, the owner, exchanges with
 * Redis for all; "owner" is its slot and epoch, 0 is nobody.
 */

typedef struct {
    uint64_t                         edge;      /* who this is among all */
    bell_edges                       edges;
    ngx_atomic_t                     owner;
    ngx_atomic_t                     seen_us;   /* its last sign of life */
    ngx_atomic_t                     lent_us;   /* when Redis answered last */
    ngx_atomic_t                     is_lending;
    ngx_atomic_t                     counts[NGX_HTTP_BELL_LIMIT_LEASE_COUNTS];
} ngx_http_bell_limit_leases_sh_t;


/* "bell_limit_leases", "bell_limit_redis" */

typedef struct {
    ngx_str_t                          name;    /* of the zone */
    size_t                             size;
    ngx_uint_t                         edges;   /* 0: they are counted */
    ngx_http_bell_store_conf_t        *redis;   /* NULL: none */

    ngx_uint_t                         used;    /* by a policy */
    ngx_slab_pool_t                   *shpool;  /* its mutex: the table's */
    ngx_http_bell_limit_leases_sh_t   *sh;
    void                              *table;   /* bell_leases.h */
} ngx_http_bell_limit_leases_t;


typedef struct {
    const ngx_http_bell_core_api_t  *core;
    ngx_array_t                      policies;  /* of ..._policy_t * */
    ngx_int_t                        request_id;    /* a variable's index */

    ngx_shm_zone_t                  *shm_zone;  /* NULL: none */
    ngx_slab_pool_t                 *shpool;    /* its mutex: the board's */
    ngx_http_bell_limit_sh_t        *sh;
    void                            *table;     /* bell_limits.h */

    ngx_http_bell_limit_leases_t     leases;
} ngx_http_bell_limit_main_conf_t;


typedef struct {
    ngx_array_t                     *uses;      /* of ..._use_t, NULL: unset */
    ngx_array_t                     *cidrs;     /* of ngx_cidr_t */
    ngx_array_t                     *allow;     /* of complex values */
    ngx_uint_t                       allow_set; /* unsigned  allow_set:1 */
    ngx_flag_t                       headers;
    ngx_uint_t                       top;       /* of "bell_limit_status" */
} ngx_http_bell_limit_loc_conf_t;


/* One policy that was asked about a request, and its answer. */

typedef struct {
    ngx_http_bell_limit_policy_t    *policy;
    bell_limits_name                 name;
    bell_gcra_rule                   rule;      /* the policy's, scaled */
    uint64_t                         quota;     /* of that rule */
    ngx_uint_t                       percent;
    uint64_t                         cost;
    bell_gcra_answer                 answer;
    uint64_t                         left;      /* units, at all edges */
    bell_leases_key                 *lease;     /* NULL: it has none */
    uint64_t                         epoch;     /* of it */
    ngx_uint_t                       dry_run;   /* unsigned  dry_run:1 */
    ngx_uint_t                       taken;     /* unsigned  taken:1 */
} ngx_http_bell_limit_ask_t;


/* Of a main request; survives internal redirects. */

typedef struct {
    uint64_t                         asked;     /* bits of policies */
    ngx_array_t                      asks;      /* of ..._ask_t */
    ngx_uint_t                       headers;   /* unsigned  headers:1 */
    ngx_uint_t                       is_known;  /* unsigned  is_known:1 */
    ngx_http_bell_limit_result_e     result;    /* when it is known */
    ngx_http_bell_limit_ask_t        verdict;   /* refused, or dry run */
} ngx_http_bell_limit_ctx_t;


/* ngx_http_bell_limit_module.c */

/* NULL: the request has none yet */
ngx_http_bell_limit_ctx_t *ngx_http_bell_limit_get_ctx(ngx_http_request_t *r);
/* makes one; NULL: no memory */
ngx_http_bell_limit_ctx_t *ngx_http_bell_limit_ctx(ngx_http_request_t *r);

/* ngx_http_bell_limit_conf.c, ngx_http_bell_limit_policy.c */

char *ngx_http_bell_limit_zone(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_bell_limit_policy(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_bell_limit(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_bell_limit_allow(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_bell_limit_status(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* what clients are told of a policy with that rule; NGX_ERROR: its name */
ngx_int_t ngx_http_bell_limit_prepare(const ngx_str_t *name,
    const bell_gcra_rule *rule, bell_ratelimit_item *item);
/* NULL: there is none of that name */
ngx_http_bell_limit_policy_t *ngx_http_bell_limit_find_policy(
    ngx_http_bell_limit_main_conf_t *lmcf, ngx_str_t *name);

/* ngx_http_bell_limit_zone.c */

ngx_int_t ngx_http_bell_limit_init_zone(ngx_shm_zone_t *shm_zone, void *data);
void ngx_http_bell_limit_count(ngx_http_bell_limit_main_conf_t *lmcf,
    ngx_http_bell_limit_policy_t *policy, ngx_http_bell_limit_result_e result);
uint64_t ngx_http_bell_limit_counted(ngx_http_bell_limit_main_conf_t *lmcf,
    ngx_http_bell_limit_policy_t *policy, ngx_http_bell_limit_result_e result);
/* puts a key on the board that is near its limit, or over it */
void ngx_http_bell_limit_note(ngx_http_request_t *r,
    ngx_http_bell_limit_ask_t *ask, int64_t now_us);

/* ngx_http_bell_limit_key.c */

/*
 * What the request's key is called in the table.
 *
 *     NGX_OK        *name is filled in
 *     NGX_DECLINED  a part of it is empty: the policy has no say here
 *     NGX_ERROR     no memory
 */
ngx_int_t ngx_http_bell_limit_name(ngx_http_request_t *r,
    ngx_http_bell_limit_policy_t *policy, bell_limits_name *name);
/* the same for anybody; NGX_DECLINED: his key has more than him and a tenant */
ngx_int_t ngx_http_bell_limit_name_for(ngx_http_request_t *r,
    ngx_http_bell_limit_policy_t *policy, uint32_t tenant_id,
    ngx_str_t *subject, bell_limits_name *name);
/* likewise, what it is called at all edges: BELL_LEASES_DIGEST_BYTES */
ngx_int_t ngx_http_bell_limit_digest(ngx_http_request_t *r,
    ngx_http_bell_limit_policy_t *policy, u_char *digest);
/* 0: nobody's */
uint32_t ngx_http_bell_limit_tenant_id(ngx_http_request_t *r);
/* the policy's rule as it is for the request's tenant now */
void ngx_http_bell_limit_rule(ngx_http_request_t *r,
    ngx_http_bell_limit_ask_t *ask);
/* what the request costs by that rule; NGX_ERROR: no memory */
ngx_int_t ngx_http_bell_limit_cost(ngx_http_request_t *r,
    ngx_http_bell_limit_ask_t *ask);
/* what the key is made of, for people, cut at "last" */
u_char *ngx_http_bell_limit_describe(ngx_http_request_t *r,
    ngx_http_bell_limit_policy_t *policy, u_char *p, u_char *last);

/* ngx_http_bell_limit_ask.c */

/* for core's rooms: NGX_DECLINED, or a status to refuse with */
ngx_int_t ngx_http_bell_limit_room(ngx_http_request_t *r, ngx_uint_t room);
/* the request is not served after all: what it took is given back */
void ngx_http_bell_limit_take_back(ngx_http_request_t *r);

/* ngx_http_bell_limit_lease_conf.c */

char *ngx_http_bell_limit_leases(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_bell_limit_redis(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
/* when all has been read; NGX_ERROR has been logged */
ngx_int_t ngx_http_bell_limit_init_leases(ngx_conf_t *cf,
    ngx_http_bell_limit_main_conf_t *lmcf);

/* ngx_http_bell_limit_lease.c: of policies over all edges */

ngx_uint_t ngx_http_bell_limit_edges(ngx_http_bell_limit_main_conf_t *lmcf);
bell_lease_rule ngx_http_bell_limit_lease_rule(
    ngx_http_bell_limit_main_conf_t *lmcf, const bell_gcra_rule *gcra);
/* of a key, as it was used last */
bell_lease_rule ngx_http_bell_limit_lease_rule_of(
    ngx_http_bell_limit_main_conf_t *lmcf,
    ngx_http_bell_limit_policy_t *policy, bell_leases_key *key);
/* fills in answer, left, lease */
void ngx_http_bell_limit_lease_take(ngx_http_request_t *r,
    ngx_http_bell_limit_ask_t *ask, int64_t now_us);
/* likewise, when it is undone */
void ngx_http_bell_limit_lease_give_back(
    ngx_http_bell_limit_main_conf_t *lmcf, ngx_http_bell_limit_ask_t *ask,
    int64_t now_us);
/* likewise, and changes nothing */
void ngx_http_bell_limit_lease_look(ngx_http_bell_limit_main_conf_t *lmcf,
    ngx_http_bell_limit_ask_t *ask, int64_t now_us);
/* with the lock: a key that is not in use, or no policy's, has no lease */
void ngx_http_bell_limit_lease_end(ngx_http_bell_limit_main_conf_t *lmcf,
    ngx_http_bell_limit_policy_t *policy, bell_leases_key *key,
    int64_t now_us);
void ngx_http_bell_limit_lease_count(ngx_http_bell_limit_main_conf_t *lmcf,
    ngx_http_bell_limit_lease_count_e count);
/* NULL: it is no policy's, or holds at each edge for itself */
ngx_http_bell_limit_policy_t *ngx_http_bell_limit_lease_policy(
    ngx_http_bell_limit_main_conf_t *lmcf, bell_leases_key *key);
/* how many have a lease, and how many of these Redis answers for */
ngx_uint_t ngx_http_bell_limit_lease_keys(
    ngx_http_bell_limit_main_conf_t *lmcf, ngx_uint_t *lent);
/* what Redis calls it, at "last" it is cut */
u_char *ngx_http_bell_limit_lease_name(ngx_http_bell_limit_policy_t *policy,
    bell_leases_key *key, u_char *p, u_char *last);

/* ngx_http_bell_limit_owner.c */

ngx_int_t ngx_http_bell_limit_init_process(ngx_cycle_t *cycle);
void ngx_http_bell_limit_exit_process(ngx_cycle_t *cycle);

/* ngx_http_bell_limit_answer.c */

/* what it is refused with; sets Retry-After */
ngx_int_t ngx_http_bell_limit_refuse(ngx_http_request_t *r,
    ngx_http_bell_limit_ask_t *ask);
ngx_int_t ngx_http_bell_limit_problem_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
ngx_int_t ngx_http_bell_limit_init_filter(ngx_conf_t *cf);

/* ngx_http_bell_limit_metrics.c */

extern const char  *ngx_http_bell_limit_results[NGX_HTTP_BELL_LIMIT_RESULTS];

ngx_int_t ngx_http_bell_limit_add_metrics(ngx_conf_t *cf,
    ngx_http_bell_limit_main_conf_t *lmcf);

/* ngx_http_bell_limit_status.c */

ngx_int_t ngx_http_bell_limit_status_handler(ngx_http_request_t *r);


#pragma GCC visibility pop


#endif /* _NGX_HTTP_BELL_LIMIT_H_INCLUDED_ */
