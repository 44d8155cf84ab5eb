
/*
 * Signed requests: what the files of this module share.
 *
 *     module     directives, the handler of the access phase
 *     issuer     the directive bell_signed_issuer
 *     kinds      what kinds of issuers there are, and their options
 *     options    the values of options
 *     link       nginx's own secure links
 *     keys       an issuer's keys: from files, or of a tenant
 *     replay     what was used of tokens that count once
 *     request    what a verifier is told of a request
 *     cut        takes a token out of the request
 *     answer     what the client gets of it
 *     hls        tokens for the URIs of playlists; hls_conf: the directive,
 *                hls_body: the body
 *     variables  what was found
 *     metrics    what is counted
 *
 * The rules are in lua-free (bell_signed.h and what it names).
 */

#ifndef _NGX_HTTP_BELL_SIGNED_H_INCLUDED_
#define _NGX_HTTP_BELL_SIGNED_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_core.h"
#include "ngx_http_bell_sigcache.h"
#include "bell_seen.h"
#include "bell_signed.h"


extern ngx_module_t  ngx_http_bell_signed_module;


#pragma GCC visibility push(hidden)


#define NGX_HTTP_BELL_SIGNED_ROOM     65536  /* of a verifier, one a process */
#define NGX_HTTP_BELL_SIGNED_COOKIES  8      /* that a kind has at most */


typedef struct ngx_http_bell_signed_issuer_s  ngx_http_bell_signed_issuer_t;


/* ---- kinds of issuers */

typedef struct {
    const char               *name;
    ngx_uint_t                kind;         /* of its value */
    size_t                    offset;       /* in the options */
} ngx_http_bell_signed_option_t;


typedef struct {
    const char               *name;         /* in the configuration, and of
                                               keys in the directory */
    size_t                    size;         /* of the options of its verifier */
    const void               *defaults;
    ngx_http_bell_signed_option_t
                             *options;      /* NULL: none */
    bell_signed_alg           mac_alg;      /* of its secrets */
    ngx_uint_t                hex;          /* how they are written, mostly */

    bell_signed_reason      (*check)(const bell_signed_call *call,
                                     const void *options,
                                     bell_signed_result *out);

    /* where tokens stand besides the URL; n names at most, how many */

    ngx_uint_t              (*cookies)(const void *options, bell_str *names);
    bell_str                (*field)(const void *options);

    ngx_uint_t                hls;          /* bell_hls_scheme: how playlists'
                                               URIs are given its tokens */

    /* NGX_ERROR, with a line: an option is missing; NULL: none can be */

    ngx_int_t               (*ready)(ngx_conf_t *cf,
                                     ngx_http_bell_signed_issuer_t *issuer);
} ngx_http_bell_signed_kind_t;


ngx_http_bell_signed_kind_t *ngx_http_bell_signed_find_kind(ngx_str_t *name);


/* ---- issuers */

struct ngx_http_bell_signed_issuer_s {
    ngx_str_t                     name;
    ngx_http_bell_signed_kind_t  *kind;
    void                         *options;
    bell_signed_alg               mac_alg;
    ngx_uint_t                    hex;
    ngx_str_t                     use;      /* of keys in the directory */
    ngx_str_t                     private_use; /* of those that open what is
                                               encrypted; empty: none do */
    ngx_array_t                  *hosts;    /* of ngx_str_t; NULL: the names
                                               of the server */
    bell_signed_keys              files;    /* keys that the operator gave */
    bell_signed_keys              private_files;
    ngx_uint_t                    keyless;  /* 1: a tenant that has no key of
                                               this use is asked for nothing */

    struct ngx_http_bell_signed_tenant_s
                                 *tenants;  /* keys of the directory, kept */
};


char *ngx_http_bell_signed_issuer(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

typedef struct ngx_http_bell_signed_main_conf_s
                                        ngx_http_bell_signed_main_conf_t;

/* NULL: there is none, an [emerg] line says so */
ngx_http_bell_signed_issuer_t *ngx_http_bell_signed_find_issuer(ngx_conf_t *cf,
    ngx_http_bell_signed_main_conf_t *smcf, ngx_str_t *name);

/* "NAME=VALUE"; 0: without "=" */
ngx_uint_t ngx_http_bell_signed_split(ngx_str_t *arg, ngx_str_t *name,
    ngx_str_t *value);
ngx_uint_t ngx_http_bell_signed_is(ngx_str_t *name, const char *word);


/* ---- keys */

#define NGX_HTTP_BELL_SIGNED_TENANTS  1024  /* whose keys are kept */
#define NGX_HTTP_BELL_SIGNED_WAYS     4

typedef struct ngx_http_bell_signed_tenant_s {
    uint32_t                      tenant_id;    /* 0: empty */
    uint64_t                      revision;
    time_t                        used_s;
    ngx_uint_t                    has_keys; /* of the use: also those that
                                               cannot be read or have ended */
    bell_signed_keys              keys;
    bell_signed_keys             *private_keys; /* NULL: none */
} ngx_http_bell_signed_tenant_t;


#define NGX_HTTP_BELL_SIGNED_PUBLIC   0
#define NGX_HTTP_BELL_SIGNED_SECRET   1
#define NGX_HTTP_BELL_SIGNED_PRIVATE  2     /* opens what is encrypted */

/* The value is ID:FILE. */
char *ngx_http_bell_signed_key_file(ngx_conf_t *cf,
    ngx_http_bell_signed_issuer_t *issuer, ngx_str_t *value,
    ngx_uint_t which);

/* A small file that only its owner may read or write, without the line's end. */
ngx_int_t ngx_http_bell_signed_secret_file(ngx_conf_t *cf, ngx_str_t *path,
    ngx_str_t *text);

/*
 * Those from files, or else those of the tenant, as they are in the revision
 * that the request has found; good until the next call.  NULL: no memory.
 * private_keys, which may be NULL, is set to those that open what is
 * encrypted, or to NULL; from files, or of the tenant, likewise.
 */
const bell_signed_keys *ngx_http_bell_signed_keys(
    ngx_http_bell_signed_issuer_t *issuer, const ngx_http_bell_core_api_t *core,
    const bell_tenant *tenant, ngx_log_t *log,
    const bell_signed_keys **private_keys);


/* Whether the issuer asks this tenant, or one without, for nothing. */
ngx_uint_t ngx_http_bell_signed_is_keyless(
    ngx_http_bell_signed_issuer_t *issuer, const ngx_http_bell_core_api_t *core,
    const bell_tenant *tenant, ngx_log_t *log);


/* ---- configuration */

/* what becomes of playlists */

#define NGX_HTTP_BELL_SIGNED_REWRITTEN  0
#define NGX_HTTP_BELL_SIGNED_UNSIGNED   1   /* no token could be made */
#define NGX_HTTP_BELL_SIGNED_OPAQUE     2   /* compressed, or a part */
#define NGX_HTTP_BELL_SIGNED_PLAYLISTS  3

#define NGX_HTTP_BELL_SIGNED_PIECE      65536  /* bytes that one line becomes */

typedef struct ngx_http_bell_signed_hls_s  ngx_http_bell_signed_hls_t;
typedef struct ngx_http_bell_signed_ctx_s  ngx_http_bell_signed_ctx_t;


typedef struct {
    ngx_shm_zone_t                   *shm_zone;
    void                             *memory;   /* bell_seen.h */
} ngx_http_bell_signed_replay_t;


struct ngx_http_bell_signed_main_conf_s {
    const ngx_http_bell_core_api_t   *core;
    ngx_array_t                       issuers;  /* of issuers' pointers */
    ngx_http_bell_sigcache_t         *cache;    /* NULL: not configured */
    ngx_http_bell_signed_replay_t    *replay;   /* NULL: not configured */
    time_t                            full_s;   /* when this process said last
                                                   that it is full */
    char                             *room;     /* of this process: of the
                                                   verifiers, then of what the
                                                   cache and the memory of uses
                                                   are asked for */

    /* of variables that show a token, when they were read before it was cut */

    ngx_array_t                       showing;  /* of ngx_uint_t */
    ngx_uint_t                        showing_known;

    const bell_signed_key            *secret;   /* $bell_signed_secret now */
    ngx_uint_t                        hashes;   /* $bell_signed_token_hash is
                                                   used somewhere */

    ngx_http_bell_metric_t           *requests[BELL_SIGNED_REASONS];
    ngx_http_bell_metric_t           *computed;
    ngx_http_bell_metric_t           *reused;
    ngx_http_bell_metric_t           *forgotten;

    char                             *piece;    /* likewise; NULL: no playlist
                                                   is rewritten anywhere */
    ngx_http_bell_metric_t           *playlists[NGX_HTTP_BELL_SIGNED_PLAYLISTS];
    ngx_http_bell_metric_t           *uris;
    ngx_http_bell_metric_t           *long_lines;
};


typedef struct {
    ngx_array_t                      *issuers;  /* of issuers' pointers; NULL:
                                                   "off" */
    ngx_array_t                      *names;    /* of the server; where someone
                                                   is asked */
    ngx_http_complex_value_t         *scheme;   /* NULL: the connection's */
    ngx_http_complex_value_t         *country;
    ngx_http_complex_value_t         *asn;
    ngx_http_bell_signed_hls_t       *hls;      /* NULL: "off" */
} ngx_http_bell_signed_loc_conf_t;


/* Of whom a verifier is asked: "data" of what it calls. */

typedef struct {
    ngx_http_bell_signed_main_conf_t *smcf;
    ngx_http_request_t               *request;
    ngx_http_bell_signed_ctx_t       *ctx;
    ngx_http_bell_signed_issuer_t    *issuer;
    const bell_tenant                *tenant;
    uint32_t                          tenant_id;
    const bell_signed_keys           *private_keys;
} ngx_http_bell_signed_verify_t;


/* With what is known in shared memory already. */
bool ngx_http_bell_signed_verify(void *data, const bell_signed_key *key,
    bell_signed_alg alg, bell_str bytes, bell_str signature, bell_str spelled);
bool ngx_http_bell_signed_known(void *data, const bell_signed_key *key,
    bell_signed_alg alg, bell_str bytes, bell_str spelled);


/* ---- tokens that count once */

char *ngx_http_bell_signed_replay(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/*
 * For a verifier's options, where smcf->replay is not NULL.  A request uses a
 * token once, however often it is judged.
 */
bell_signed_reason ngx_http_bell_signed_use(void *data,
    const bell_signed_use *use);


/* ---- a request */

/* A token that the request has used, or has tried to. */

typedef struct {
    bell_seen_name                    name;
    bell_seen_answer                  answer;
} ngx_http_bell_signed_used_t;


/* What was found out of a request; found again by its handler. */

struct ngx_http_bell_signed_ctx_s {
    ngx_array_t                      *issuers;  /* who were asked */
    ngx_array_t                      *used;     /* NULL: nothing yet */
    const char                       *use;      /* $bell_signed_use; NULL: its
                                                   token says nothing of it */
    unsigned                          is_cut:1;
    unsigned                          is_open:1; /* none of them asks this
                                                    tenant for a token */
    unsigned                          is_moved:1; /* its path is another one,
                                                     and so may its location */
    ngx_http_bell_signed_issuer_t    *issuer;   /* NULL: no token of any */
    bell_signed_reason                reason;
    ngx_str_t                         target;   /* as it was received */
    ngx_str_t                         key;
    ngx_str_t                         subject;
    ngx_str_t                         data;
    ngx_str_t                         token_hash;
    int64_t                           expires_s;
    ngx_str_t                         set_cookie;
    ngx_str_t                         field_name;
    ngx_str_t                         field_value;
    ngx_str_t                         redirect;
    ngx_uint_t                        redirect_status;
};


/* NULL: the request has not come as far */
ngx_http_bell_signed_ctx_t *ngx_http_bell_signed_get_ctx(
    ngx_http_request_t *r);

/* Where the field was that was asked for last: behind it is the next one. */

typedef struct {
    ngx_http_request_t               *request;
    ngx_list_part_t                  *part;     /* NULL: none yet */
    ngx_uint_t                        i;
    ngx_uint_t                        nth;
} ngx_http_bell_signed_fields_t;


/*
 * The texts of *sr lie in the request and in its pool; its fields are found by
 * way of *fields, which is the caller's.
 */
ngx_int_t ngx_http_bell_signed_request(ngx_http_request_t *r,
    const bell_tenant *tenant, ngx_http_bell_signed_fields_t *fields,
    bell_signed_request *sr);

/* Whether the host is one that the issuer's keys are for. */
ngx_uint_t ngx_http_bell_signed_host(ngx_http_request_t *r,
    ngx_http_bell_signed_issuer_t *issuer, const bell_tenant *tenant);

/*
 * From here on the request is one for "target": for the rest of its way, in
 * logs, and for the upstream, whatever carried the token.  NGX_DONE: the
 * request is over already.
 */
ngx_int_t ngx_http_bell_signed_cut(ngx_http_request_t *r,
    ngx_http_bell_signed_ctx_t *ctx, bell_str target);

/*
 * What is left of a target without the issuer's tokens, in the request's pool;
 * unchanged when it has none.
 */
ngx_int_t ngx_http_bell_signed_strip(ngx_http_request_t *r,
    ngx_http_bell_signed_issuer_t *issuer, bell_str *target);

/* NGX_OK: it is let in; else a status, or an error. */
ngx_int_t ngx_http_bell_signed_answer(ngx_http_request_t *r,
    ngx_http_bell_signed_ctx_t *ctx);

/* Of the answer. */
ngx_int_t ngx_http_bell_signed_add_field(ngx_http_request_t *r,
    ngx_str_t *name, ngx_str_t *value);


/* ---- playlists */

char *ngx_http_bell_signed_hls(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* for the postconfiguration handler */
ngx_int_t ngx_http_bell_signed_hls_add(ngx_conf_t *cf);


/* for the preconfiguration handler */
ngx_int_t ngx_http_bell_signed_add_variables(ngx_conf_t *cf);

/* for the postconfiguration handler: whether anybody has asked for hashes */
ngx_uint_t ngx_http_bell_signed_wants_hashes(ngx_conf_t *cf);

/*
 * The first half of the SHA-256 of a token, in hexadecimal digits: the same on
 * every edge, and of no use to whoever reads logs.
 */
ngx_int_t ngx_http_bell_signed_hash(ngx_http_request_t *r, bell_str token,
    ngx_str_t *hash);
ngx_int_t ngx_http_bell_signed_add_metrics(ngx_conf_t *cf,
    ngx_http_bell_signed_main_conf_t *smcf);


#pragma GCC visibility pop


#endif /* _NGX_HTTP_BELL_SIGNED_H_INCLUDED_ */
