
/*
 * What the other modules of the edge use of core: the edge context of a
 * request, that is what has been found out about it on its way, and a table
 * of functions.
 *
 * nginx loads modules with global symbols, and a module that was loaded once
 * stays in memory through reloads.  So nothing here is bound by the linker:
 * a module asks at configuration, in its preconfiguration handler, and is
 * given a table or refused with a sentence:
 *
 *     mcf->core = ngx_http_bell_core_load(cf, &ngx_http_bell_x_module);
 *     if (mcf->core == NULL) {
 *         return NGX_ERROR;
 *     }
 *
 * The pointer is kept in the module's main configuration, never in a static
 * variable: a reload that fails may take away the core that it had loaded.
 *
 * Within a version, nothing here changes.  What is added, at the end of the
 * table or of the context, makes a new version that serves the former ones
 * as well; what is changed or taken away raises the oldest one, too.
 */

#ifndef _NGX_HTTP_BELL_CORE_H_INCLUDED_
#define _NGX_HTTP_BELL_CORE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <dlfcn.h>

#include "bell_directory.h"
#include "bell_redis.h"


#define NGX_HTTP_BELL_CORE_VERSION  7   /* of what this header says */
#define NGX_HTTP_BELL_CORE_OLDEST   2   /* that such a core still serves */


/*
 * Lives in the pool of the main request and is shared by its subrequests.
 * It is a copy: nothing in it points into shared memory, so that a
 * connection that stays for hours keeps no version of the directory.  Only
 * core makes one; others read, and write what is said to be theirs.
 */

typedef struct {
    bell_tenant    tenant;              /* id 0: none was found */
    uint64_t       directory_version;   /* the one it was looked for in */

    /* who asks, by identify(); empty: nobody has proven who he is */

    ngx_str_t      subject;
    ngx_str_t      role;
    ngx_str_t      class;               /* of a school, not of traffic */

    ngx_str_t      reason;              /* by reason() */

    /*
     * Of the module that limits: a bit for each limit that the request has
     * been charged for, because an internal redirect passes by it again.
     */

    uint64_t       charged;

    /* since version 4 */

    ngx_str_t      scopes;              /* by grant(); empty: all of a role */
    void          *session;             /* of the module that verifies them */

    /*
     * Since version 5.  Of the module that takes signed addresses: whom the
     * token is for that let the request in, empty when it names nobody; which
     * kind of issuer has made it, and that one's name, empty when there was
     * none.  They live as long as the request.
     */

    ngx_str_t      token_subject;
    ngx_str_t      token_kind;
    ngx_str_t      token_issuer;
} ngx_http_bell_ctx_t;


/*
 * What stands before an answer, in the order of these rooms whatever the
 * order of load_module: all run in nginx's access phase, before those of
 * nginx itself (allow, auth_basic).
 */

#define NGX_HTTP_BELL_ROOM_ADDRESS   0  /* limits that need to know nobody */
#define NGX_HTTP_BELL_ROOM_IDENTITY  1
#define NGX_HTTP_BELL_ROOM_LIMIT     2


/*
 * What the directory's feed has done since the zone was made; of the whole
 * edge, for who shows figures.  Each is right for itself; they may be of
 * different moments.
 */

typedef struct {
    uint64_t       snapshots;           /* that came in service */
    uint64_t       deltas;
    uint64_t       refused;             /* documents: torn, forged, no room */
    uint64_t       gaps;                /* deltas of a version not reached */
    uint64_t       copies;              /* of a whole image */
    int64_t        changed_s;           /* Unix time of the last change */

    uint64_t       redis_connects;
    uint64_t       redis_failures;
    uint64_t       feeders;             /* workers that took the feed over */
    uint64_t       state_failures;      /* the state could not be written */
    uint64_t       clock_wrong;         /* times Redis' clock was far off */
    int64_t        clock_ahead_s;       /* of ours before Redis', at last */
} ngx_http_bell_counters_t;


typedef struct {
    uint64_t                  version;  /* in service, 0: none */
    size_t                    tenants;
    ngx_uint_t                fill_percent;     /* of a half of the zone */
    uint64_t                  revoked_dropped;  /* for want of room */
    ngx_pid_t                 feeder;   /* 0: none, or the feed is a file */
    ngx_http_bell_counters_t  counters;
} ngx_http_bell_directory_status_t;


/*
 * Metrics.  What a module counts is of the whole edge: one number of all
 * workers, in shared memory, that survives the death of a worker and reloads,
 * also with other modules; it begins anew with nginx.  It is bounded: there
 * are 512 of them at most, so a label's values are few and known when the
 * configuration is read.  They are never tenants, subjects or addresses:
 * those are for the access log.
 */

typedef enum {
    NGX_HTTP_BELL_COUNTER = 1,          /* goes up only */
    NGX_HTTP_BELL_GAUGE = 2
} ngx_http_bell_metric_e;


/*
 * The strings stay where they are: literals.  Several metrics with one name
 * and one label, of other values, are a family; they are told together, under
 * the first one's help.
 */

typedef struct {
    const char              *name;      /* firstbell_<part>_<what>_<unit>, a
                                           counter's with _total behind it */
    const char              *label;     /* NULL: none */
    const char              *value;     /* of the label */
    ngx_http_bell_metric_e   type;
    const char              *help;      /* a sentence; NULL: the first one's */
} ngx_http_bell_metric_def_t;


typedef struct ngx_http_bell_metric_s  ngx_http_bell_metric_t;


typedef struct {
    const char     *name;
    ngx_str_t       value;              /* any text, escaped by who shows it */
} ngx_http_bell_label_t;


/*
 * Where figures go when somebody asks for them.  A family() begins, its
 * sample()s follow; a value is value / 10^digits, as (250, 2) is 2.5.
 * All is copied.
 */

typedef struct ngx_http_bell_sink_s  ngx_http_bell_sink_t;

struct ngx_http_bell_sink_s {
    void          (*family)(ngx_http_bell_sink_t *sink, const char *name,
        ngx_http_bell_metric_e type, const char *help);
    void          (*sample)(ngx_http_bell_sink_t *sink,
        const ngx_http_bell_label_t *labels, ngx_uint_t n, int64_t value,
        ngx_uint_t digits);
};


/* Called in a worker when somebody asks; does not wait for anything. */

typedef void (*ngx_http_bell_collect_pt)(ngx_cycle_t *cycle,
    ngx_http_bell_sink_t *sink, void *data);


/*
 * A process of the edge: a slot, and how many have had that slot before.
 * Slots below NGX_HTTP_BELL_PROCESSES; epoch 0 is nobody.
 */

#define NGX_HTTP_BELL_PROCESSES  64

typedef struct {
    uint32_t       slot;
    uint32_t       epoch;
} ngx_http_bell_process_t;


/* Called in a worker that was woken, for whatever reason, once or more often. */

typedef void (*ngx_http_bell_wake_pt)(ngx_cycle_t *cycle, void *data);


/*
 * A store: Redis, or a Redis Cluster, on the loop of one worker.  What can be
 * asked of it is in bell_redis.h.
 */

typedef struct {
    ngx_str_t            directive;     /* its name, for messages */
    ngx_str_t            addresses;     /* as they were written, likewise */
    bell_redis_options   options;       /* all in it lives as long */
} ngx_http_bell_store_conf_t;

typedef struct ngx_http_bell_store_s  ngx_http_bell_store_t;

typedef void (*ngx_http_bell_store_turned_pt)(void *data, ngx_uint_t is_ready);


typedef struct {
    ngx_uint_t     version;
    ngx_uint_t     oldest;
    size_t         size;                /* of this struct, bytes */

    /*
     * The context, made when there is none yet; NULL: no memory.  Survives
     * internal redirects, error_page and named locations, where nginx
     * forgets r->ctx.
     */

    ngx_http_bell_ctx_t  *(*context)(ngx_http_request_t *r);

    /*
     * NULL: "bell_tenant" is off here, the host is nobody's, or the request
     * has not come as far as the phase where tenants are told apart.
     */

    const bell_tenant    *(*tenant)(ngx_http_request_t *r);

    /*
     * Says who asks; the strings are copied, role and class may be empty.
     *
     *     NGX_OK        noted, or it was already
     *     NGX_DECLINED  somebody else is noted: a request has one subject
     *     NGX_ERROR     no memory
     */

    ngx_int_t             (*identify)(ngx_http_request_t *r,
        ngx_str_t *subject, ngx_str_t *role, ngx_str_t *class);

    /*
     * Says why the edge itself answers as it does, in nginx's own format:
     * an [info] line of the error log and $bell_reason of the access log.
     * The first reason stays; it is cut at 255 bytes.
     */

    void                  (*reason)(ngx_http_request_t *r, const char *fmt,
        ...);

    /*
     * Looks any host name up, in any process, without a request; it need
     * not be normalized.
     *
     *     NGX_OK        *tenant is filled in
     *     NGX_DECLINED  it is nobody's in *version, or there is no directory
     */

    ngx_int_t             (*find_tenant)(ngx_cycle_t *cycle, ngx_str_t *host,
        bell_tenant *tenant, uint64_t *version);

    /* since version 3 */

    /*
     * Whether a session of this subject that began at began_s (Unix time) is
     * over, because the subject was signed out then or later; to be asked at
     * every use.  The tenant's own sessions_from_s is in its bell_tenant.  0
     * where there is no directory.
     */

    ngx_uint_t            (*is_revoked)(ngx_cycle_t *cycle,
        uint32_t tenant_id, ngx_str_t *subject, int64_t began_s);

    /*
     * A copy of a tenant's or of a pool's record, for bell_record_get() and
     * its like; "out" has room for BELL_DIRECTORY_RECORD_MAX bytes.  Its
     * length, and in which version of the directory; 0: there is none.
     */

    size_t                (*copy_tenant)(ngx_cycle_t *cycle,
        uint32_t tenant_id, void *out, uint64_t *version);
    size_t                (*copy_pool)(ngx_cycle_t *cycle, ngx_str_t *name,
        void *out, uint64_t *version);

    /* NGX_DECLINED: there is no directory, and all are zeros. */

    ngx_int_t             (*directory_status)(ngx_cycle_t *cycle,
        ngx_http_bell_directory_status_t *status);

    /* since version 4 */

    /*
     * While the configuration is read: registers what this module counts.
     * NULL: refused, an [emerg] line says why; the handler returns NGX_ERROR.
     */

    ngx_http_bell_metric_t  *(*add_metric)(ngx_conf_t *cf,
        const ngx_http_bell_metric_def_t *def);

    /* Likewise: a function that gives figures when somebody asks for them. */

    ngx_int_t             (*add_collector)(ngx_conf_t *cf,
        ngx_http_bell_collect_pt collect, void *data);

    /*
     * In a worker: adds to a metric, or says what a gauge is; whose last word
     * counts, of all workers.  A metric has one or the other done to it.
     */

    void                  (*count)(ngx_http_bell_metric_t *metric,
        ngx_int_t n);
    void                  (*gauge)(ngx_http_bell_metric_t *metric,
        int64_t value);

    /* All figures of the edge, for who shows them. */

    void                  (*collect)(ngx_cycle_t *cycle,
        ngx_http_bell_sink_t *sink);

    /*
     * Narrows what the subject of identify() may do to these scopes, words
     * with spaces between; copied.  Results as of identify().
     */

    ngx_int_t             (*grant)(ngx_http_request_t *r, ngx_str_t *scopes);

    /*
     * For the preconfiguration handler: "handler" runs for each main request
     * when its room's turn has come, and again after an internal redirect.
     * It returns as an access handler does: NGX_DECLINED when it has nothing
     * against the request, NGX_OK when it lets it in also where "satisfy any"
     * asks for one who does, a status to refuse it, NGX_AGAIN or NGX_DONE to
     * be called again; then the rooms before it are, too.  Under "satisfy
     * any" 401 and 403 are what nginx says when nobody lets the request in,
     * and the rooms behind are passed as well.
     */

    ngx_int_t             (*access)(ngx_conf_t *cf, ngx_uint_t room,
        ngx_http_handler_pt handler);

    /* since version 6 */

    /*
     * What is shared between workers, and begun by one of them, names the
     * process that has it: self() in a worker, nobody where all slots are
     * taken.  lives() asks the system: for when something looks stuck, not
     * for every request.
     */

    ngx_http_bell_process_t  (*self)(void);
    ngx_uint_t               (*lives)(ngx_http_bell_process_t process);

    /*
     * While the configuration is read: "handler" runs in each worker that
     * wake() was called for.  Calls are not counted: what there is to do is
     * in shared memory.
     */

    ngx_int_t             (*on_wake)(ngx_conf_t *cf,
        ngx_http_bell_wake_pt handler, void *data);
    void                  (*wake)(ngx_uint_t slot);

    /* since version 7 */

    /*
     * For the handler of a directive such as "bell_limit_redis ADDRESS...
     * [cluster] ...;": reads its arguments.  NGX_CONF_OK, or what nginx makes
     * a sentence of.  "conf" is all zeros before.
     */

    char                 *(*store_parse)(ngx_conf_t *cf,
        ngx_http_bell_store_conf_t *conf);

    /*
     * In a worker: begins to connect, and stays connected.  It holds neither
     * a reload nor the end of the worker, which closes it: then each command
     * without a result gets one, and none is taken any more.  "turned" may be
     * NULL.  NULL: no memory, and an [alert] line.  Freed by store_close(),
     * which the owner calls in its exit_process handler at the latest.
     */

    ngx_http_bell_store_t  *(*store_open)(ngx_http_bell_store_conf_t *conf,
        ngx_log_t *log, ngx_http_bell_store_turned_pt turned, void *data);
    void                  (*store_close)(ngx_http_bell_store_t *store);

    /* bell_redis_script_init(), _command(), _eval(), and so on */

    void                  (*store_script)(bell_redis_script *script,
        bell_str text);
    const char           *(*store_command)(ngx_http_bell_store_t *store,
        const bell_redis_call *call);
    const char           *(*store_eval)(ngx_http_bell_store_t *store,
        const bell_redis_script *script, const bell_redis_call *call);
    bell_redis_channel   *(*store_listen)(ngx_http_bell_store_t *store,
        bell_str name, bell_redis_listener listener, void *data);
    void                  (*store_unlisten)(bell_redis_channel *channel);
    void                  (*store_status)(ngx_http_bell_store_t *store,
        bell_redis_status *status);
} ngx_http_bell_core_api_t;


/*
 * Core's only function that others can see; its own form never changes.
 * NULL: refused, and an [emerg] line says why.
 */

typedef const ngx_http_bell_core_api_t *(*ngx_http_bell_core_api_pt)(
    ngx_conf_t *cf, ngx_module_t *module, ngx_uint_t version);

const ngx_http_bell_core_api_t *ngx_http_bell_core_api(ngx_conf_t *cf,
    ngx_module_t *module, ngx_uint_t version);


/* -1: core is not loaded, 0: after the module, 1: before it */

static ngx_inline ngx_int_t
ngx_http_bell_core_order(ngx_conf_t *cf, ngx_module_t *module)
{
    ngx_uint_t     i, before;
    ngx_module_t  *m;

    before = 1;

    for (i = 0; cf->cycle->modules[i]; i++) {
        m = cf->cycle->modules[i];

        if (m == module) {
            before = 0;

        } else if (ngx_strcmp(m->name, "ngx_http_bell_core_module") == 0) {
            return before;
        }
    }

    return -1;
}


static ngx_inline const ngx_http_bell_core_api_t *
ngx_http_bell_core_load_version(ngx_conf_t *cf, ngx_module_t *module,
    ngx_uint_t version)
{
    ngx_http_bell_core_api_pt  api;

    switch (ngx_http_bell_core_order(cf, module)) {

    case -1:
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "module \"%s\" needs ngx_http_bell_core_module, which "
                      "is not loaded: add \"load_module "
                      "modules/ngx_http_bell_core_module.so;\" above the line "
                      "that loads it", module->name);
        return NULL;

    case 0:
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "module \"%s\" is loaded before "
                      "ngx_http_bell_core_module, which it needs: load core "
                      "first, its \"load_module\" belongs above the others",
                      module->name);
        return NULL;
    }

    api = (ngx_http_bell_core_api_pt) (uintptr_t)
                        dlsym(RTLD_DEFAULT, "ngx_http_bell_core_api");

    if (api == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "module \"%s\" cannot use the ngx_http_bell_core_module "
                      "that is loaded, it is of an older release: install "
                      "modules of one release and restart nginx (a reload "
                      "keeps the old ones in memory)", module->name);
        return NULL;
    }

    return api(cf, module, version);
}


/* For the preconfiguration handler of the module. */

static ngx_inline const ngx_http_bell_core_api_t *
ngx_http_bell_core_load(ngx_conf_t *cf, ngx_module_t *module)
{
    return ngx_http_bell_core_load_version(cf, module,
                                           NGX_HTTP_BELL_CORE_VERSION);
}


#endif /* _NGX_HTTP_BELL_CORE_H_INCLUDED_ */
