
/*
 * The metrics registry: registration while the configuration is read, cells
 * in shared memory, and the way out of them.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_core_conf.h"


#define NGX_HTTP_BELL_METRICS_MAX   512
#define NGX_HTTP_BELL_METRICS_ROWS  16
#define NGX_HTTP_BELL_METRICS_ZONE  (256 * 1024)

/* with its label and a NUL, as a key of shared memory */
#define NGX_HTTP_BELL_METRIC_KEY    160
#define NGX_HTTP_BELL_METRIC_NAME   80


typedef struct {
    u_char                       key[NGX_HTTP_BELL_METRIC_KEY];
} ngx_http_bell_metric_key_t;


/* the n-th key's cells are rows[…][n]; the master alone adds keys */

typedef struct {
    ngx_uint_t                   n;
    ngx_http_bell_metric_key_t   keys[NGX_HTTP_BELL_METRICS_MAX];
    ngx_atomic_t                 rows[NGX_HTTP_BELL_METRICS_ROWS]
                                     [NGX_HTTP_BELL_METRICS_MAX];
} ngx_http_bell_metrics_sh_t;


struct ngx_http_bell_metric_s {
    ngx_http_bell_metric_def_t   def;
    ngx_http_bell_metrics_t     *metrics;
    ngx_uint_t                   cell;
    ngx_http_bell_metric_t      *next;      /* of the family */
    unsigned                     head:1;    /* the family's first */
};


typedef struct {
    ngx_http_bell_collect_pt     collect;
    void                        *data;
} ngx_http_bell_collector_t;


struct ngx_http_bell_metrics_s {
    ngx_http_bell_metrics_sh_t  *sh;        /* NULL while nginx starts */
    ngx_array_t                  metrics;   /* ngx_http_bell_metric_t * */
    ngx_array_t                  collectors;
};


static ngx_http_bell_metrics_t *ngx_http_bell_conf_metrics(ngx_conf_t *cf);
static ngx_http_bell_metrics_t *ngx_http_bell_cycle_metrics(
    ngx_cycle_t *cycle);
static ngx_int_t ngx_http_bell_metrics_init_zone(ngx_shm_zone_t *shm_zone,
    void *data);
static ngx_int_t ngx_http_bell_metrics_find_cell(ngx_http_bell_metric_t *m,
    ngx_log_t *log);
static void ngx_http_bell_metric_key(ngx_http_bell_metric_t *m, u_char *key);
static const char *ngx_http_bell_metric_fault(
    const ngx_http_bell_metric_def_t *def);
static ngx_uint_t ngx_http_bell_metric_is_name(const char *name,
    size_t max);
static ngx_int_t ngx_http_bell_metric_join(ngx_http_bell_metrics_t *metrics,
    ngx_http_bell_metric_t *m, ngx_log_t *log);
static int64_t ngx_http_bell_metric_value(ngx_http_bell_metric_t *m);


/* nobody else's zone can have this tag */
static ngx_uint_t  ngx_http_bell_metrics_tag;


ngx_http_bell_metrics_t *
ngx_http_bell_metrics_create(ngx_conf_t *cf)
{
    ngx_str_t                 name = ngx_string("bell_metrics");
    ngx_shm_zone_t           *shm_zone;
    ngx_http_bell_metrics_t  *metrics;

    metrics = ngx_pcalloc(cf->pool, sizeof(ngx_http_bell_metrics_t));
    if (metrics == NULL) {
        return NULL;
    }

    if (ngx_array_init(&metrics->metrics, cf->pool, 16,
                       sizeof(ngx_http_bell_metric_t *))
        != NGX_OK
        || ngx_array_init(&metrics->collectors, cf->pool, 4,
                          sizeof(ngx_http_bell_collector_t))
        != NGX_OK)
    {
        return NULL;
    }

    shm_zone = ngx_shared_memory_add(cf, &name, NGX_HTTP_BELL_METRICS_ZONE,
                                     &ngx_http_bell_metrics_tag);
    if (shm_zone == NULL) {
        return NULL;
    }

    shm_zone->init = ngx_http_bell_metrics_init_zone;
    shm_zone->data = metrics;

    return metrics;
}


static ngx_http_bell_metrics_t *
ngx_http_bell_conf_metrics(ngx_conf_t *cf)
{
    ngx_http_bell_core_main_conf_t  *bmcf;

    bmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_bell_core_module);

    return bmcf->metrics;
}


static ngx_http_bell_metrics_t *
ngx_http_bell_cycle_metrics(ngx_cycle_t *cycle)
{
    ngx_http_bell_core_main_conf_t  *bmcf;

    bmcf = ngx_http_cycle_get_module_main_conf(cycle,
                                               ngx_http_bell_core_module);

    return bmcf->metrics;
}


static ngx_int_t
ngx_http_bell_metrics_init_zone(ngx_shm_zone_t *shm_zone, void *data)
{
    ngx_http_bell_metrics_t  *former = data;

    ngx_uint_t                i;
    ngx_slab_pool_t          *shpool;
    ngx_http_bell_metric_t  **m;
    ngx_http_bell_metrics_t  *metrics;

    metrics = shm_zone->data;
    shpool = (ngx_slab_pool_t *) shm_zone->shm.addr;

    if (former) {
        metrics->sh = former->sh;

    } else if (shm_zone->shm.exists) {
        metrics->sh = shpool->data;

    } else {
        metrics->sh = ngx_slab_calloc(shpool,
                                      sizeof(ngx_http_bell_metrics_sh_t));
        shpool->data = metrics->sh;
    }

    if (metrics->sh == NULL) {
        ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                      "the zone \"%V\" has no room for what modules count",
                      &shm_zone->shm.name);
        return NGX_ERROR;
    }

    m = metrics->metrics.elts;

    for (i = 0; i < metrics->metrics.nelts; i++) {
        if (ngx_http_bell_metrics_find_cell(m[i], shm_zone->shm.log)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/*
 * What a former configuration counted and this one does not keeps its cell:
 * the configuration after may count it again.
 */

static ngx_int_t
ngx_http_bell_metrics_find_cell(ngx_http_bell_metric_t *m, ngx_log_t *log)
{
    u_char                       key[NGX_HTTP_BELL_METRIC_KEY];
    ngx_uint_t                   i;
    ngx_http_bell_metrics_sh_t  *sh;

    sh = m->metrics->sh;

    ngx_http_bell_metric_key(m, key);

    for (i = 0; i < sh->n; i++) {
        if (ngx_strcmp(sh->keys[i].key, key) == 0) {
            m->cell = i;
            return NGX_OK;
        }
    }

    if (sh->n == NGX_HTTP_BELL_METRICS_MAX) {
        ngx_log_error(NGX_LOG_EMERG, log, 0,
                      "there is no room for the metric %s: modules of this and "
                      "of former configurations count %ui things; restart "
                      "nginx in place of reloading it",
                      key, (ngx_uint_t) NGX_HTTP_BELL_METRICS_MAX);
        return NGX_ERROR;
    }

    m->cell = sh->n;

    ngx_memcpy(sh->keys[sh->n].key, key, NGX_HTTP_BELL_METRIC_KEY);

    sh->n++;

    return NGX_OK;
}


static void
ngx_http_bell_metric_key(ngx_http_bell_metric_t *m, u_char *key)
{
    ngx_memzero(key, NGX_HTTP_BELL_METRIC_KEY);

    (void) ngx_snprintf(key, NGX_HTTP_BELL_METRIC_KEY - 1, "%s %s %s",
                        m->def.name, m->def.label ? m->def.label : "",
                        m->def.label ? m->def.value : "");
}


/* ---- registration */

ngx_http_bell_metric_t *
ngx_http_bell_add_metric(ngx_conf_t *cf,
    const ngx_http_bell_metric_def_t *def)
{
    const char               *fault;
    ngx_http_bell_metric_t   *m, **mp;
    ngx_http_bell_metrics_t  *metrics;

    metrics = ngx_http_bell_conf_metrics(cf);

    fault = ngx_http_bell_metric_fault(def);

    if (fault == NULL && metrics->metrics.nelts == NGX_HTTP_BELL_METRICS_MAX) {
        fault = "is one more than core has room for";
    }

    if (fault) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0, "the metric \"%s\" %s",
                      def->name, fault);
        return NULL;
    }

    m = ngx_pcalloc(cf->pool, sizeof(ngx_http_bell_metric_t));
    if (m == NULL) {
        return NULL;
    }

    m->def = *def;
    m->metrics = metrics;

    if (ngx_http_bell_metric_join(metrics, m, cf->log) != NGX_OK) {
        return NULL;
    }

    mp = ngx_array_push(&metrics->metrics);
    if (mp == NULL) {
        return NULL;
    }

    *mp = m;

    return m;
}


static const char *
ngx_http_bell_metric_fault(const ngx_http_bell_metric_def_t *def)
{
    size_t  len;

    if (!ngx_http_bell_metric_is_name(def->name, NGX_HTTP_BELL_METRIC_NAME)
        || ngx_strncmp(def->name, "firstbell_", 10) != 0)
    {
        return "has a name that is not firstbell_ and up to 70 of a-z, 0-9, _";
    }

    len = ngx_strlen(def->name);

    if (def->type == NGX_HTTP_BELL_COUNTER
        && (len < 6 || ngx_strcmp(def->name + len - 6, "_total") != 0))
    {
        return "is a counter, whose name ends with _total";
    }

    if (def->label
        && (!ngx_http_bell_metric_is_name(def->label, 16)
            || def->value == NULL || ngx_strlen(def->value) > 48))
    {
        return "has a label that is too long, or not of a-z, 0-9, _";
    }

    return NULL;
}


static ngx_uint_t
ngx_http_bell_metric_is_name(const char *name, size_t max)
{
    size_t  i;

    for (i = 0; name[i]; i++) {
        if (!((name[i] >= 'a' && name[i] <= 'z') || name[i] == '_'
              || (i > 0 && name[i] >= '0' && name[i] <= '9')))
        {
            return 0;
        }
    }

    return i > 0 && i <= max;
}


/* Families hang together, because an exposition tells each of them once. */

static ngx_int_t
ngx_http_bell_metric_join(ngx_http_bell_metrics_t *metrics,
    ngx_http_bell_metric_t *m, ngx_log_t *log)
{
    u_char                    key[NGX_HTTP_BELL_METRIC_KEY];
    u_char                    other[NGX_HTTP_BELL_METRIC_KEY];
    ngx_uint_t                i;
    ngx_http_bell_metric_t  **mp, *last;

    last = NULL;
    mp = metrics->metrics.elts;

    ngx_http_bell_metric_key(m, key);

    for (i = 0; i < metrics->metrics.nelts; i++) {

        if (ngx_strcmp(mp[i]->def.name, m->def.name) != 0) {
            continue;
        }

        last = mp[i];

        ngx_http_bell_metric_key(last, other);

        if (ngx_strcmp(key, other) == 0) {
            ngx_log_error(NGX_LOG_EMERG, log, 0,
                          "the metric \"%s\" is there already", m->def.name);
            return NGX_ERROR;
        }

        if (last->def.type != m->def.type
            || ngx_strcmp(last->def.label ? last->def.label : "",
                          m->def.label ? m->def.label : "")
               != 0)
        {
            ngx_log_error(NGX_LOG_EMERG, log, 0,
                          "the metric \"%s\" is there already, of another "
                          "type or with another label", m->def.name);
            return NGX_ERROR;
        }
    }

    if (last) {
        last->next = m;

    } else {
        m->head = 1;
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_bell_add_collector(ngx_conf_t *cf, ngx_http_bell_collect_pt collect,
    void *data)
{
    ngx_http_bell_metrics_t    *metrics;
    ngx_http_bell_collector_t  *c;

    metrics = ngx_http_bell_conf_metrics(cf);

    c = ngx_array_push(&metrics->collectors);
    if (c == NULL) {
        return NGX_ERROR;
    }

    c->collect = collect;
    c->data = data;

    return NGX_OK;
}


/* ---- counting */

void
ngx_http_bell_count(ngx_http_bell_metric_t *m, ngx_int_t n)
{
    if (m->metrics->sh) {
        (void) ngx_atomic_fetch_add(
           &m->metrics->sh->rows[ngx_worker % NGX_HTTP_BELL_METRICS_ROWS]
                                [m->cell], n);
    }
}


void
ngx_http_bell_gauge(ngx_http_bell_metric_t *m, int64_t value)
{
    if (m->metrics->sh) {
        m->metrics->sh->rows[0][m->cell] = (ngx_atomic_uint_t) value;
    }
}


/* ---- the way out */

void
ngx_http_bell_collect(ngx_cycle_t *cycle, ngx_http_bell_sink_t *sink)
{
    ngx_uint_t                  i;
    ngx_http_bell_label_t       label;
    ngx_http_bell_metric_t    **mp, *m;
    ngx_http_bell_metrics_t    *metrics;
    ngx_http_bell_collector_t  *c;

    metrics = ngx_http_bell_cycle_metrics(cycle);
    mp = metrics->metrics.elts;

    for (i = 0; i < metrics->metrics.nelts; i++) {

        if (!mp[i]->head) {
            continue;
        }

        sink->family(sink, mp[i]->def.name, mp[i]->def.type, mp[i]->def.help);

        for (m = mp[i]; m; m = m->next) {
            label.name = m->def.label;
            label.value.data = (u_char *) m->def.value;
            label.value.len = m->def.label ? ngx_strlen(m->def.value) : 0;

            sink->sample(sink, &label, m->def.label ? 1 : 0,
                         ngx_http_bell_metric_value(m), 0);
        }
    }

    ngx_http_bell_collect_own(cycle, sink);

    c = metrics->collectors.elts;

    for (i = 0; i < metrics->collectors.nelts; i++) {
        c[i].collect(cycle, sink, c[i].data);
    }
}


static int64_t
ngx_http_bell_metric_value(ngx_http_bell_metric_t *m)
{
    ngx_uint_t                   i;
    ngx_atomic_uint_t            sum;
    ngx_http_bell_metrics_sh_t  *sh;

    sum = 0;
    sh = m->metrics->sh;

    for (i = 0; sh && i < NGX_HTTP_BELL_METRICS_ROWS; i++) {
        sum += sh->rows[i][m->cell];
    }

    return (int64_t) sum;
}
