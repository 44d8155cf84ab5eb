
/*
 * What the directives say.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "bell_siphash.h"

#include "ngx_http_bell_cache.h"


static ngx_int_t ngx_http_bell_cache_hit(ngx_conf_t *cf,
    ngx_http_bell_cache_loc_conf_t *conf);
static ngx_int_t ngx_http_bell_cache_beside(ngx_conf_t *cf,
    ngx_http_bell_cache_loc_conf_t *conf);
static ngx_int_t ngx_http_bell_cache_bears(ngx_conf_t *cf,
    ngx_http_core_loc_conf_t *clcf, ngx_http_upstream_conf_t *ucf);
static ngx_int_t ngx_http_bell_cache_origin(ngx_conf_t *cf,
    ngx_http_bell_cache_loc_conf_t *conf, ngx_http_upstream_srv_conf_t *uscf);
static ngx_int_t ngx_http_bell_cache_add_name(ngx_conf_t *cf,
    const bell_str **names, size_t *n, u_char *p, size_t len);


void *
ngx_http_bell_cache_create_main_conf(ngx_conf_t *cf)
{
    ngx_http_bell_cache_main_conf_t  *bmcf;

    bmcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_bell_cache_main_conf_t));
    if (bmcf == NULL) {
        return NULL;
    }

    bmcf->pool = cf->pool;

    if (ngx_array_init(&bmcf->zones, cf->pool, 2,
                       sizeof(ngx_http_bell_cache_zone_t *))
        != NGX_OK)
    {
        return NULL;
    }

    return bmcf;
}


void *
ngx_http_bell_cache_create_loc_conf(ngx_conf_t *cf)
{
    ngx_http_bell_cache_loc_conf_t  *blcf;

    /* set by ngx_pcalloc(): policy, query and name are empty */

    blcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_bell_cache_loc_conf_t));
    if (blcf == NULL) {
        return NULL;
    }

    blcf->zone = NGX_CONF_UNSET_PTR;
    blcf->bypass = NGX_CONF_UNSET_PTR;
    blcf->exam = NGX_CONF_UNSET_PTR;
    blcf->default_ttl = NGX_CONF_UNSET;
    blcf->heuristic_max = NGX_CONF_UNSET;
    blcf->default_swr = NGX_CONF_UNSET;
    blcf->default_sie = NGX_CONF_UNSET;
    blcf->stale_max = NGX_CONF_UNSET;
    blcf->uncacheable = NGX_CONF_UNSET;
    blcf->wait = NGX_CONF_UNSET_MSEC;
    blcf->set_cookie = NGX_CONF_UNSET;
    blcf->scope_optional = NGX_CONF_UNSET_UINT;
    blcf->client_control = NGX_CONF_UNSET;
    blcf->early = NGX_CONF_UNSET;
    blcf->fetches.set = NGX_CONF_UNSET_UINT;

    return blcf;
}


char *
ngx_http_bell_cache_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_bell_cache_loc_conf_t  *prev = parent;
    ngx_http_bell_cache_loc_conf_t  *conf = child;

    bell_cache_policy  *policy;

    ngx_conf_merge_ptr_value(conf->zone, prev->zone, NULL);
    ngx_conf_merge_ptr_value(conf->bypass, prev->bypass, NULL);
    ngx_conf_merge_ptr_value(conf->exam, prev->exam, NULL);
    ngx_conf_merge_sec_value(conf->default_ttl, prev->default_ttl, 0);
    ngx_conf_merge_sec_value(conf->heuristic_max, prev->heuristic_max, 0);
    ngx_conf_merge_sec_value(conf->default_swr, prev->default_swr, 0);
    ngx_conf_merge_sec_value(conf->default_sie, prev->default_sie, 0);
    ngx_conf_merge_sec_value(conf->stale_max, prev->stale_max, 86400);
    ngx_conf_merge_sec_value(conf->uncacheable, prev->uncacheable, 120);
    ngx_conf_merge_msec_value(conf->wait, prev->wait, 30000);
    ngx_conf_merge_value(conf->set_cookie, prev->set_cookie, 0);
    ngx_conf_merge_uint_value(conf->scope_optional, prev->scope_optional, 0);
    ngx_conf_merge_value(conf->client_control, prev->client_control, 0);
    ngx_conf_merge_value(conf->early, prev->early, 100);
    ngx_conf_merge_str_value(conf->name, prev->name, "firstbell");

    if (!conf->query_set) {
        conf->query = prev->query;
        conf->query_set = prev->query_set;
    }

    if (conf->fetches.set == NGX_CONF_UNSET_UINT) {
        conf->fetches = prev->fetches;
        ngx_conf_init_uint_value(conf->fetches.set, 0);
    }

    if (conf->zone
        && (ngx_http_bell_cache_beside(cf, conf) != NGX_OK
            || ngx_http_bell_cache_hit(cf, conf) != NGX_OK))
    {
        return NGX_CONF_ERROR;
    }

    policy = &conf->policy;

    policy->default_ttl_s = (uint32_t) conf->default_ttl;
    policy->heuristic_max_s = (uint32_t) conf->heuristic_max;
    policy->default_swr_s = (uint32_t) conf->default_swr;
    policy->default_sie_s = (uint32_t) conf->default_sie;
    policy->stale_max_s = (uint32_t) conf->stale_max;
    policy->store_set_cookie = conf->set_cookie;
    policy->scope_optional = conf->scope_optional;

    return NGX_CONF_OK;
}


/* What Cache-Status says of a hit, but for the number at its end. */

static ngx_int_t
ngx_http_bell_cache_hit(ngx_conf_t *cf, ngx_http_bell_cache_loc_conf_t *conf)
{
    size_t             n;
    char               out[NGX_HTTP_BELL_CACHE_NAME_BYTES];
    u_char            *p;
    bell_cache_status  hit;

    ngx_memzero(&hit, sizeof(hit));

    hit.cache = ngx_http_bell_cache_str(&conf->name);
    hit.outcome = BELL_OUTCOME_HIT;

    n = bell_cache_status_write(&hit, (bell_str) { NULL, 0 }, out,
                                sizeof(out));
    if (n == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "bell_cache_name \"%V\" cannot be a name in "
                           "Cache-Status: up to %d printable ASCII characters "
                           "are expected", &conf->name,
                           NGX_HTTP_BELL_CACHE_NAME_BYTES / 2 - 4);
        return NGX_ERROR;
    }

    p = ngx_pnalloc(cf->pool, n + sizeof(";ttl=") - 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    conf->hit.p = (char *) p;
    conf->hit.len = n + sizeof(";ttl=") - 1;

    p = ngx_cpymem(p, out, n);
    ngx_memcpy(p, ";ttl=", sizeof(";ttl=") - 1);

    return NGX_OK;
}


/*
 * What the location asks is known where proxy_pass names it; with variables
 * in it the location itself stands for it.  What these modules know of a
 * location begins with what all upstreams have, and is merged before this.
 */

static ngx_int_t
ngx_http_bell_cache_beside(ngx_conf_t *cf, ngx_http_bell_cache_loc_conf_t *conf)
{
    static const char  *names[] = {
        "ngx_http_proxy_module",
        "ngx_http_fastcgi_module",
        "ngx_http_uwsgi_module",
        "ngx_http_scgi_module"
    };

    ngx_uint_t                     i, j;
    ngx_module_t                 **modules;
    ngx_http_conf_ctx_t           *ctx;
    ngx_http_core_loc_conf_t      *clcf;
    ngx_http_upstream_conf_t      *ucf;
    ngx_http_upstream_srv_conf_t  *uscf;

    ctx = cf->ctx;
    uscf = NULL;
    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    conf->fetches.upstream = ngx_murmur_hash2(clcf->name.data,
                                              clcf->name.len);
    modules = cf->cycle->modules;

    for (i = 0; modules[i]; i++) {
        for (j = 0; j < sizeof(names) / sizeof(names[0]); j++) {

            if (ngx_strcmp(modules[i]->name, names[j]) != 0) {
                continue;
            }

            ucf = ctx->loc_conf[modules[i]->ctx_index];

            if (ngx_http_bell_cache_bears(cf, clcf, ucf) != NGX_OK) {
                return NGX_ERROR;
            }

            if (ucf->upstream) {
                uscf = ucf->upstream;
                conf->fetches.upstream = (uint64_t) ucf->upstream->port << 32
                           | ngx_murmur_hash2(ucf->upstream->host.data,
                                              ucf->upstream->host.len);
            }
        }
    }

    return ngx_http_bell_cache_origin(cf, conf, uscf);
}


/*
 * One address may lead to several origins: by the port that the client has
 * come to, for he says what stands in Host, or by what a rewrite has made of
 * another one.  So whom it leads to is in the key.  It is the same behind a
 * reload, and in the next nginx.
 */

static ngx_int_t
ngx_http_bell_cache_origin(ngx_conf_t *cf,
    ngx_http_bell_cache_loc_conf_t *conf, ngx_http_upstream_srv_conf_t *uscf)
{
    size_t                     len;
    u_char                    *p, *text;
    bell_str                   bytes;
    ngx_str_t                  upstream;
    ngx_http_core_srv_conf_t  *cscf;
    ngx_http_core_loc_conf_t  *clcf;

    static const u_char  no_key[BELL_SIPHASH_KEY_BYTES];

    cscf = ngx_http_conf_get_module_srv_conf(cf, ngx_http_core_module);
    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    ngx_str_null(&upstream);

    if (uscf) {
        upstream = uscf->host;
    }

    len = cscf->server_name.len + 1 + clcf->name.len + 1 + upstream.len + 1
          + NGX_INT_T_LEN;

    text = ngx_pnalloc(cf->temp_pool, len);
    p = ngx_pnalloc(cf->pool, BELL_SIPHASH128_BYTES);

    if (text == NULL || p == NULL) {
        return NGX_ERROR;
    }

    bytes.p = (char *) text;
    bytes.len = ngx_sprintf(text, "%V%Z%V%Z%V%Z%ui", &cscf->server_name,
                            &clcf->name, &upstream,
                            uscf ? (ngx_uint_t) uscf->port : 0)
                - text;

    bell_siphash128(no_key, bytes, p);

    conf->origin = (bell_str) { (char *) p, BELL_SIPHASH128_BYTES };

    return NGX_OK;
}


/*
 * nginx's own cache and store want answers in files, and whole: a fetch hands
 * them on as they come.  And where errors are intercepted, what comes is not
 * what the origin has said.
 */

static ngx_int_t
ngx_http_bell_cache_bears(ngx_conf_t *cf, ngx_http_core_loc_conf_t *clcf,
    ngx_http_upstream_conf_t *ucf)
{
    ngx_uint_t  stores;

    stores = ucf->store;

#if (NGX_HTTP_CACHE)
    stores |= ucf->cache;
#endif

    if (stores) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"bell_cache\" cannot be where \"proxy_cache\" or "
                      "\"proxy_store\", or their like, are: one cache is "
                      "enough");
        return NGX_ERROR;
    }

    if (ucf->intercept_errors && clcf->error_pages && clcf->handler) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"bell_cache\" cannot be where an \"error_page\" takes "
                      "the place of what the origin answers: say "
                      "\"proxy_intercept_errors off\" (or that of fastcgi, "
                      "uwsgi or scgi) in location \"%V\"", &clcf->name);
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* bell_cache NAME | off */

char *
ngx_http_bell_cache(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_bell_cache_loc_conf_t *blcf = conf;

    ngx_str_t  *value;

    if (blcf->zone != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (value[1].len == 3 && ngx_strncmp(value[1].data, "off", 3) == 0) {
        blcf->zone = NULL;
        return NGX_CONF_OK;
    }

    blcf->zone = ngx_http_bell_cache_zone_of(cf, &value[1]);

    if (blcf->zone == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "there is no zone \"%V\": \"bell_cache_zone "
                           "zone=%V:SIZE\" belongs into the http block, above "
                           "this line", &value[1], &value[1]);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/* bell_cache_query off | [drop=NAME]… [keep=NAME]… [sort] */

char *
ngx_http_bell_cache_query(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_bell_cache_loc_conf_t *blcf = conf;

    ngx_int_t                rc;
    ngx_str_t               *value;
    ngx_uint_t               i;
    bell_cache_query_rules  *rules;

    if (blcf->query_set) {
        return "is duplicate";
    }

    blcf->query_set = 1;

    value = cf->args->elts;
    rules = &blcf->query;

    if (cf->args->nelts == 2 && ngx_strcmp(value[1].data, "off") == 0) {
        return NGX_CONF_OK;
    }

    for (i = 1; i < cf->args->nelts; i++) {
        rc = NGX_DECLINED;

        if (ngx_strncmp(value[i].data, "drop=", 5) == 0) {
            rc = ngx_http_bell_cache_add_name(cf, &rules->drop, &rules->ndrop,
                                              value[i].data + 5,
                                              value[i].len - 5);

        } else if (ngx_strncmp(value[i].data, "keep=", 5) == 0) {
            rc = ngx_http_bell_cache_add_name(cf, &rules->keep, &rules->nkeep,
                                              value[i].data + 5,
                                              value[i].len - 5);

        } else if (ngx_strcmp(value[i].data, "sort") == 0) {
            rules->sort = true;
            rules->empty_is_none = true;
            rc = NGX_OK;
        }

        if (rc == NGX_ERROR) {
            return NGX_CONF_ERROR;
        }

        if (rc == NGX_DECLINED) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid parameter \"%V\": drop=NAME, "
                               "keep=NAME, sort or off are expected",
                               &value[i]);
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_bell_cache_add_name(ngx_conf_t *cf, const bell_str **names, size_t *n,
    u_char *p, size_t len)
{
    bell_str  *all;

    if (len == 0) {
        return NGX_DECLINED;
    }

    all = ngx_palloc(cf->pool, (*n + 1) * sizeof(bell_str));
    if (all == NULL) {
        return NGX_ERROR;
    }

    if (*n) {
        ngx_memcpy(all, *names, *n * sizeof(bell_str));
    }

    all[*n] = (bell_str) { (char *) p, len };

    *names = all;
    *n += 1;

    return NGX_OK;
}


/* bell_cache_refresh_early off | FACTOR */

char *
ngx_http_bell_cache_early(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_bell_cache_loc_conf_t *blcf = conf;

    ngx_str_t  *value;

    if (blcf->early != NGX_CONF_UNSET) {
        return "is duplicate";
    }

    value = cf->args->elts;

    blcf->early = ngx_strcmp(value[1].data, "off") == 0
                  ? 0 : ngx_atofp(value[1].data, value[1].len, 2);

    if (blcf->early < 0 || blcf->early > 100 * 1000000) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\": off, or a factor up to 1000000 is "
                           "expected, as in 1.5", &value[1]);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/* bell_cache_purges ADDRESS:PORT | unix:PATH [user=NAME] … */

char *
ngx_http_bell_cache_purges(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_bell_cache_main_conf_t *bmcf = conf;

    return ngx_http_bell_cache_feed_set(cf, &bmcf->feed);
}
