
/*
 * A module that uses all of core's table, as the other modules of the edge
 * do: what it finds goes into headers of the answer, and faults are provoked
 * on request, for the harness to catch.  A test's only, never installed.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_core.h"


#define NGX_HTTP_BELL_PROBE_BIT  5


typedef struct {
    const ngx_http_bell_core_api_t  *core;
    ngx_http_bell_metric_t          *answers;
    ngx_http_bell_metric_t          *refusals;
    ngx_http_bell_metric_t          *last_status;
    ngx_uint_t                       woken;    /* of this worker */
} ngx_http_bell_probe_main_conf_t;


typedef struct {
    ngx_str_t                        subject;  /* to identify, role r-, class c- */
    ngx_str_t                        reason;   /* to refuse with */
    ngx_str_t                        look_up;  /* a host */
    ngx_str_t                        pool;     /* and the tenant's record */
    ngx_str_t                        session;  /* a subject that began at 99 */
    ngx_str_t                        fault;    /* "heap", "shift", "leak" */
    ngx_str_t                        hold;     /* a zone's mutex, for ever */
    ngx_flag_t                       wake;     /* all slots but the own one */
} ngx_http_bell_probe_loc_conf_t;


/* what is of "family" among the figures, as "label=value:figure" */

typedef struct {
    ngx_http_bell_sink_t             sink;
    const char                      *family;
    ngx_uint_t                       wanted;
    u_char                          *p;
    u_char                           text[256];
} ngx_http_bell_probe_sink_t;


static ngx_int_t ngx_http_bell_probe_room(ngx_http_request_t *r);
static ngx_int_t ngx_http_bell_probe_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_bell_probe_identify(ngx_http_request_t *r,
    const ngx_http_bell_core_api_t *core, ngx_str_t *subject);
static void ngx_http_bell_probe_fault(ngx_http_request_t *r,
    ngx_str_t *fault);
static ngx_int_t ngx_http_bell_probe_hold(ngx_http_request_t *r,
    ngx_str_t *zone);
static ngx_int_t ngx_http_bell_probe_header_filter(ngx_http_request_t *r);
static ngx_int_t ngx_http_bell_probe_look_up(ngx_http_request_t *r,
    const ngx_http_bell_core_api_t *core, ngx_str_t *host);
static ngx_int_t ngx_http_bell_probe_records(ngx_http_request_t *r,
    const ngx_http_bell_core_api_t *core, ngx_str_t *pool);
static ngx_int_t ngx_http_bell_probe_session(ngx_http_request_t *r,
    const ngx_http_bell_core_api_t *core, ngx_str_t *subject);
static ngx_int_t ngx_http_bell_probe_status(ngx_http_request_t *r,
    const ngx_http_bell_core_api_t *core);
static ngx_int_t ngx_http_bell_probe_metrics(ngx_http_request_t *r,
    const ngx_http_bell_core_api_t *core);
static void ngx_http_bell_probe_wake(const ngx_http_bell_core_api_t *core);
static void ngx_http_bell_probe_woken(ngx_cycle_t *cycle, void *data);
static ngx_int_t ngx_http_bell_probe_process(ngx_http_request_t *r,
    const ngx_http_bell_core_api_t *core);
static ngx_uint_t ngx_http_bell_probe_number(ngx_http_request_t *r,
    const char *name);
static void ngx_http_bell_probe_family(ngx_http_bell_sink_t *sink,
    const char *name, ngx_http_bell_metric_e type, const char *help);
static void ngx_http_bell_probe_sample(ngx_http_bell_sink_t *sink,
    const ngx_http_bell_label_t *labels, ngx_uint_t n, int64_t value,
    ngx_uint_t digits);
static void ngx_http_bell_probe_collect(ngx_cycle_t *cycle,
    ngx_http_bell_sink_t *sink, void *data);
static ngx_int_t ngx_http_bell_probe_add(ngx_http_request_t *r,
    const char *name, const char *fmt, ...);
static ngx_int_t ngx_http_bell_probe_load(ngx_conf_t *cf);
static ngx_int_t ngx_http_bell_probe_add_metrics(ngx_conf_t *cf,
    ngx_http_bell_probe_main_conf_t *pmcf);
static ngx_int_t ngx_http_bell_probe_init(ngx_conf_t *cf);
static void *ngx_http_bell_probe_create_main_conf(ngx_conf_t *cf);
static void *ngx_http_bell_probe_create_loc_conf(ngx_conf_t *cf);


static ngx_http_output_header_filter_pt  ngx_http_next_header_filter;


static ngx_command_t  ngx_http_bell_probe_commands[] = {

    { ngx_string("probe_identify"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_str_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_bell_probe_loc_conf_t, subject),
      NULL },

    { ngx_string("probe_refuse"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_str_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_bell_probe_loc_conf_t, reason),
      NULL },

    { ngx_string("probe_look_up"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_str_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_bell_probe_loc_conf_t, look_up),
      NULL },

    { ngx_string("probe_pool"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_str_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_bell_probe_loc_conf_t, pool),
      NULL },

    { ngx_string("probe_session"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_str_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_bell_probe_loc_conf_t, session),
      NULL },

    { ngx_string("probe_fault"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_str_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_bell_probe_loc_conf_t, fault),
      NULL },

    { ngx_string("probe_hold"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_str_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_bell_probe_loc_conf_t, hold),
      NULL },

    { ngx_string("probe_wake"),
      NGX_HTTP_LOC_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_bell_probe_loc_conf_t, wake),
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_bell_probe_module_ctx = {
    ngx_http_bell_probe_load,              /* preconfiguration */
    ngx_http_bell_probe_init,              /* postconfiguration */

    ngx_http_bell_probe_create_main_conf,  /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_bell_probe_create_loc_conf,   /* create location configuration */
    NULL                                   /* merge location configuration */
};


ngx_module_t  ngx_http_bell_probe_module = {
    NGX_MODULE_V1,
    &ngx_http_bell_probe_module_ctx,       /* module context */
    ngx_http_bell_probe_commands,          /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    NULL,                                  /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    NULL,                                  /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


/* As a limit: whom it would count, and how often it was asked. */

static ngx_int_t
ngx_http_bell_probe_room(ngx_http_request_t *r)
{
    ngx_str_t                         who, nobody = ngx_string("nobody");
    ngx_http_bell_ctx_t              *ctx;
    ngx_http_bell_probe_main_conf_t  *pmcf;

    pmcf = ngx_http_get_module_main_conf(r, ngx_http_bell_probe_module);

    ctx = pmcf->core->context(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    who = ctx->subject.len ? ctx->subject : nobody;

    return ngx_http_bell_probe_add(r, "Probe-Limit", "%V", &who) == NGX_OK
           ? NGX_DECLINED : NGX_HTTP_INTERNAL_SERVER_ERROR;
}


/* In ACCESS, so that an internal redirect passes it again. */

static ngx_int_t
ngx_http_bell_probe_handler(ngx_http_request_t *r)
{
    ngx_http_bell_ctx_t              *ctx;
    ngx_http_bell_probe_loc_conf_t   *plcf;
    ngx_http_bell_probe_main_conf_t  *pmcf;

    plcf = ngx_http_get_module_loc_conf(r, ngx_http_bell_probe_module);
    pmcf = ngx_http_get_module_main_conf(r, ngx_http_bell_probe_module);

    ctx = pmcf->core->context(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    /* counts in the low bits how often a charge was due */

    if (!(ctx->charged & (1 << NGX_HTTP_BELL_PROBE_BIT))) {
        ctx->charged |= 1 << NGX_HTTP_BELL_PROBE_BIT;
        ctx->charged++;
    }

    if (plcf->fault.len) {
        ngx_http_bell_probe_fault(r, &plcf->fault);
    }

    if (plcf->wake == 1) {
        ngx_http_bell_probe_wake(pmcf->core);
    }

    if (plcf->hold.len && ngx_http_bell_probe_hold(r, &plcf->hold) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (plcf->subject.len
        && ngx_http_bell_probe_identify(r, pmcf->core, &plcf->subject)
           != NGX_OK)
    {
        pmcf->core->reason(r, "there is another subject than %V",
                           &plcf->subject);
        return NGX_HTTP_UNAUTHORIZED;
    }

    if (plcf->reason.len) {
        pmcf->core->reason(r, "refused: %V", &plcf->reason);
        return NGX_HTTP_FORBIDDEN;
    }

    return NGX_DECLINED;
}


static ngx_int_t
ngx_http_bell_probe_identify(ngx_http_request_t *r,
    const ngx_http_bell_core_api_t *core, ngx_str_t *subject)
{
    ngx_str_t  role, class;

    ngx_str_set(&role, "teacher");
    ngx_str_set(&class, "7b");

    return core->identify(r, subject, &role, &class);
}


static void
ngx_http_bell_probe_fault(ngx_http_request_t *r, ngx_str_t *fault)
{
    u_char           *p;
    volatile int      bits;
    volatile u_char  *q;

    switch (fault->data[0]) {

    case 'h': /* one byte past an allocation of the pool */
        q = ngx_pnalloc(r->pool, 32);
        if (q) {
            q[32] = 1;
        }
        break;

    case 's':
        bits = 40;
        ngx_log_error(NGX_LOG_INFO, r->connection->log, 0, "%d", 1 << bits);
        break;

    default: /* "leak" */
        p = ngx_alloc(4321, r->connection->log);
        if (p) {
            p[0] = 1;
        }
    }
}


/*
 * Takes the mutex of the zone's slab pool, if nobody has it, and keeps it: a
 * worker that would die in the middle of an allocation is made so.
 */

static ngx_int_t
ngx_http_bell_probe_hold(ngx_http_request_t *r, ngx_str_t *zone)
{
    ngx_uint_t        i;
    ngx_shm_zone_t   *shm_zone;
    ngx_list_part_t  *part;
    ngx_slab_pool_t  *shpool;

    part = (ngx_list_part_t *) &ngx_cycle->shared_memory.part;

    for ( /* void */ ; part; part = part->next) {

        shm_zone = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (shm_zone[i].shm.name.len != zone->len
                || ngx_strncmp(shm_zone[i].shm.name.data, zone->data,
                               zone->len)
                   != 0)
            {
                continue;
            }

            shpool = (ngx_slab_pool_t *) shm_zone[i].shm.addr;

            return ngx_http_bell_probe_add(r, "Probe-Mutex", "%s",
                                           ngx_shmtx_trylock(&shpool->mutex)
                                           ? "taken" : "held by another");
        }
    }

    return NGX_ERROR;
}


static ngx_int_t
ngx_http_bell_probe_header_filter(ngx_http_request_t *r)
{
    const bell_tenant                *tenant;
    ngx_http_bell_ctx_t              *ctx;
    const ngx_http_bell_core_api_t   *core;
    ngx_http_bell_probe_loc_conf_t   *plcf;
    ngx_http_bell_probe_main_conf_t  *pmcf;

    plcf = ngx_http_get_module_loc_conf(r, ngx_http_bell_probe_module);
    pmcf = ngx_http_get_module_main_conf(r, ngx_http_bell_probe_module);

    core = pmcf->core;

    tenant = core->tenant(r);
    ctx = core->context(r);

    if (ctx == NULL) {
        return NGX_ERROR;
    }

    if (ngx_http_bell_probe_add(r, "Probe-Tenant", "%s",
                                tenant ? tenant->name : "none")
        != NGX_OK
        || ngx_http_bell_probe_add(r, "Probe-Charged", "%uL",
                                   ctx->charged & 3)
           != NGX_OK
        || ngx_http_bell_probe_add(r, "Probe-Subject", "%V %V %V",
                                   &ctx->subject, &ctx->role, &ctx->class)
           != NGX_OK
        || ngx_http_bell_probe_look_up(r, core, &plcf->look_up) != NGX_OK
        || ngx_http_bell_probe_records(r, core, &plcf->pool) != NGX_OK
        || ngx_http_bell_probe_session(r, core, &plcf->session) != NGX_OK
        || ngx_http_bell_probe_status(r, core) != NGX_OK
        || ngx_http_bell_probe_metrics(r, core) != NGX_OK
        || ngx_http_bell_probe_process(r, core) != NGX_OK)
    {
        return NGX_ERROR;
    }

    core->count(plcf->reason.len ? pmcf->refusals : pmcf->answers, 1);
    core->gauge(pmcf->last_status, r->headers_out.status);

    return ngx_http_next_header_filter(r);
}


static ngx_int_t
ngx_http_bell_probe_look_up(ngx_http_request_t *r,
    const ngx_http_bell_core_api_t *core, ngx_str_t *host)
{
    uint64_t     version;
    ngx_int_t    rc;
    bell_tenant  tenant;

    if (host->len == 0) {
        return NGX_OK;
    }

    rc = core->find_tenant((ngx_cycle_t *) ngx_cycle, host, &tenant,
                           &version);

    return ngx_http_bell_probe_add(r, "Probe-Found", "%s in %uL",
                                   rc == NGX_OK ? tenant.name : "nobody",
                                   version);
}


/* How long the records are, and in which version; their text is in them. */

static ngx_int_t
ngx_http_bell_probe_records(ngx_http_request_t *r,
    const ngx_http_bell_core_api_t *core, ngx_str_t *pool)
{
    void               *record;
    size_t              of_tenant, of_pool;
    uint64_t            version;
    ngx_uint_t          title, address;
    const bell_tenant  *tenant;

    tenant = core->tenant(r);

    if (pool->len == 0 || tenant == NULL) {
        return NGX_OK;
    }

    record = ngx_palloc(r->pool, BELL_DIRECTORY_RECORD_MAX);
    if (record == NULL) {
        return NGX_ERROR;
    }

    of_tenant = core->copy_tenant((ngx_cycle_t *) ngx_cycle, tenant->id,
                                  record, &version);
    title = memmem(record, of_tenant, "District", 8) != NULL;

    of_pool = core->copy_pool((ngx_cycle_t *) ngx_cycle, pool, record,
                              &version);
    address = memmem(record, of_pool, "127.0.0.1:8080", 14) != NULL;

    return ngx_http_bell_probe_add(r, "Probe-Records", "%s %ui, %s %ui in %uL",
                                   of_tenant ? "tenant" : "none", title,
                                   of_pool ? "pool" : "none", address,
                                   version);
}


static ngx_int_t
ngx_http_bell_probe_session(ngx_http_request_t *r,
    const ngx_http_bell_core_api_t *core, ngx_str_t *subject)
{
    const bell_tenant  *tenant;

    tenant = core->tenant(r);

    if (subject->len == 0 || tenant == NULL) {
        return NGX_OK;
    }

    return ngx_http_bell_probe_add(r, "Probe-Session", "%s",
                                   core->is_revoked((ngx_cycle_t *) ngx_cycle,
                                                    tenant->id, subject, 99)
                                   ? "revoked" : "good");
}


static ngx_int_t
ngx_http_bell_probe_status(ngx_http_request_t *r,
    const ngx_http_bell_core_api_t *core)
{
    ngx_int_t                         rc;
    ngx_http_bell_directory_status_t  s;

    rc = core->directory_status((ngx_cycle_t *) ngx_cycle, &s);

    return ngx_http_bell_probe_add(r, "Probe-Status",
                                   "%i version=%uL tenants=%uz snapshots=%uL "
                                   "deltas=%uL refused=%uL gaps=%uL "
                                   "copies=%uL changed=%d feeder=%P "
                                   "clock_wrong=%uL", rc,
                                   s.version, s.tenants, s.counters.snapshots,
                                   s.counters.deltas, s.counters.refused,
                                   s.counters.gaps, s.counters.copies,
                                   s.counters.changed_s > 0, s.feeder,
                                   s.counters.clock_wrong);
}


/* Of the requests before this one: families of cells, and of a collector. */

static ngx_int_t
ngx_http_bell_probe_metrics(ngx_http_request_t *r,
    const ngx_http_bell_core_api_t *core)
{
    ngx_http_bell_probe_sink_t  s;

    s.sink.family = ngx_http_bell_probe_family;
    s.sink.sample = ngx_http_bell_probe_sample;
    s.family = "firstbell_probe_";
    s.wanted = 0;
    s.p = s.text;

    core->collect((ngx_cycle_t *) ngx_cycle, &s.sink);

    return ngx_http_bell_probe_add(r, "Probe-Metrics", "%*s",
                                   (size_t) (s.p - s.text), s.text);
}


static void
ngx_http_bell_probe_family(ngx_http_bell_sink_t *sink, const char *name,
    ngx_http_bell_metric_e type, const char *help)
{
    ngx_http_bell_probe_sink_t  *s = (ngx_http_bell_probe_sink_t *) sink;

    s->wanted = ngx_strncmp(name, s->family, ngx_strlen(s->family)) == 0;

    if (s->wanted) {
        s->p = ngx_snprintf(s->p, s->text + sizeof(s->text) - s->p, "%s%s(%s)",
                            s->p > s->text ? "; " : "",
                            name + ngx_strlen(s->family),
                            type == NGX_HTTP_BELL_COUNTER ? "counter"
                                                          : "gauge");
    }
}


static void
ngx_http_bell_probe_sample(ngx_http_bell_sink_t *sink,
    const ngx_http_bell_label_t *labels, ngx_uint_t n, int64_t value,
    ngx_uint_t digits)
{
    ngx_uint_t                   i;
    ngx_http_bell_probe_sink_t  *s = (ngx_http_bell_probe_sink_t *) sink;

    if (!s->wanted) {
        return;
    }

    for (i = 0; i < n; i++) {
        s->p = ngx_snprintf(s->p, s->text + sizeof(s->text) - s->p, " %s=%V",
                            labels[i].name, &labels[i].value);
    }

    s->p = ngx_snprintf(s->p, s->text + sizeof(s->text) - s->p, " %L", value);

    if (digits) {
        s->p = ngx_snprintf(s->p, s->text + sizeof(s->text) - s->p, "/10^%ui",
                            digits);
    }
}


/* A figure that is found out when somebody asks, with a label of any bytes. */

static void
ngx_http_bell_probe_collect(ngx_cycle_t *cycle, ngx_http_bell_sink_t *sink,
    void *data)
{
    ngx_http_bell_label_t  labels[2];

    labels[0].name = "server";
    ngx_str_set(&labels[0].value, "a\"b\\c<d>");
    labels[1].name = "data";
    labels[1].value = *(ngx_str_t *) data;

    sink->family(sink, "firstbell_probe_load_ratio", NGX_HTTP_BELL_GAUGE,
                 "A ratio\nof \\ two lines.");
    sink->sample(sink, labels, 2, -25, 2);
}


static void
ngx_http_bell_probe_wake(const ngx_http_bell_core_api_t *core)
{
    ngx_uint_t  slot;

    for (slot = 0; slot < NGX_HTTP_BELL_PROCESSES; slot++) {
        if (slot != core->self().slot) {
            core->wake(slot);
        }
    }
}


static void
ngx_http_bell_probe_woken(ngx_cycle_t *cycle, void *data)
{
    (*(ngx_uint_t *) data)++;
}


/* Who this is, how often woken, and whether the process of the query lives. */

static ngx_int_t
ngx_http_bell_probe_process(ngx_http_request_t *r,
    const ngx_http_bell_core_api_t *core)
{
    ngx_http_bell_process_t           self, other;
    ngx_http_bell_probe_main_conf_t  *pmcf;

    pmcf = ngx_http_get_module_main_conf(r, ngx_http_bell_probe_module);

    self = core->self();

    other.slot = (uint32_t) ngx_http_bell_probe_number(r, "slot");
    other.epoch = (uint32_t) ngx_http_bell_probe_number(r, "epoch");

    return ngx_http_bell_probe_add(r, "Probe-Process", "%ud %ud %ui %s",
                                   self.slot, self.epoch, pmcf->woken,
                                   core->lives(other) ? "lives" : "dead");
}


static ngx_uint_t
ngx_http_bell_probe_number(ngx_http_request_t *r, const char *name)
{
    ngx_int_t  n;
    ngx_str_t  value;

    if (ngx_http_arg(r, (u_char *) name, ngx_strlen(name), &value) != NGX_OK) {
        return 0;
    }

    n = ngx_atoi(value.data, value.len);

    return n == NGX_ERROR ? 0 : n;
}


static ngx_int_t
ngx_http_bell_probe_add(ngx_http_request_t *r, const char *name,
    const char *fmt, ...)
{
    u_char           *p, *last;
    va_list           args;
    ngx_table_elt_t  *h;

    p = ngx_pnalloc(r->pool, 256);
    if (p == NULL) {
        return NGX_ERROR;
    }

    va_start(args, fmt);
    last = ngx_vslprintf(p, p + 256, fmt, args);
    va_end(args);

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(h, sizeof(ngx_table_elt_t));

    h->hash = 1;
    h->key.data = (u_char *) name;
    h->key.len = ngx_strlen(name);
    h->value.data = p;
    h->value.len = last - p;

    return NGX_OK;
}


/* PROBE_VERSION stands for a module that was built with another header. */

static ngx_int_t
ngx_http_bell_probe_load(ngx_conf_t *cf)
{
    const char                       *version;
    ngx_http_bell_probe_main_conf_t  *pmcf;

    pmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_bell_probe_module);

    version = getenv("PROBE_VERSION");

    if (version) {
        pmcf->core = ngx_http_bell_core_load_version(cf,
                                 &ngx_http_bell_probe_module, atoi(version));
    } else {
        pmcf->core = ngx_http_bell_core_load(cf, &ngx_http_bell_probe_module);
    }

    if (pmcf->core == NULL
        || pmcf->core->access(cf, NGX_HTTP_BELL_ROOM_LIMIT,
                              ngx_http_bell_probe_room)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    /* one that was built with an older header knows of no processes */

    if (version == NULL
        && pmcf->core->on_wake(cf, ngx_http_bell_probe_woken, &pmcf->woken)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_bell_probe_add_metrics(cf, pmcf);
}


/* PROBE_METRIC stands for a module that registers something else. */

static ngx_int_t
ngx_http_bell_probe_add_metrics(ngx_conf_t *cf,
    ngx_http_bell_probe_main_conf_t *pmcf)
{
    static ngx_str_t                   data = ngx_string("of the probe");
    static ngx_http_bell_metric_def_t  defs[] = {
        { "firstbell_probe_answers_total", "kind", "answer",
          NGX_HTTP_BELL_COUNTER, "Answers." },
        { "firstbell_probe_last_status", NULL, NULL, NGX_HTTP_BELL_GAUGE,
          "The status of the last answer." },
        { "firstbell_probe_answers_total", "kind", "refusal",
          NGX_HTTP_BELL_COUNTER, NULL }
    };

    ngx_http_bell_metric_def_t         other = defs[0];

    pmcf->answers = pmcf->core->add_metric(cf, &defs[0]);
    pmcf->last_status = pmcf->core->add_metric(cf, &defs[1]);
    pmcf->refusals = pmcf->core->add_metric(cf, &defs[2]);

    if (pmcf->answers == NULL || pmcf->last_status == NULL
        || pmcf->refusals == NULL)
    {
        return NGX_ERROR;
    }

    if (getenv("PROBE_METRIC")) {
        other.name = getenv("PROBE_METRIC");
        other.label = getenv("PROBE_LABEL");

        if (pmcf->core->add_metric(cf, &other) == NULL) {
            return NGX_ERROR;
        }
    }

    return pmcf->core->add_collector(cf, ngx_http_bell_probe_collect, &data);
}


static ngx_int_t
ngx_http_bell_probe_init(ngx_conf_t *cf)
{
    ngx_http_handler_pt        *h;
    ngx_http_core_main_conf_t  *cmcf;

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_ACCESS_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_bell_probe_handler;

    ngx_http_next_header_filter = ngx_http_top_header_filter;
    ngx_http_top_header_filter = ngx_http_bell_probe_header_filter;

    return NGX_OK;
}


static void *
ngx_http_bell_probe_create_main_conf(ngx_conf_t *cf)
{
    return ngx_pcalloc(cf->pool, sizeof(ngx_http_bell_probe_main_conf_t));
}


static void *
ngx_http_bell_probe_create_loc_conf(ngx_conf_t *cf)
{
    ngx_http_bell_probe_loc_conf_t  *plcf;

    plcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_bell_probe_loc_conf_t));

    if (plcf) {
        plcf->wake = NGX_CONF_UNSET;
    }

    return plcf;
}
