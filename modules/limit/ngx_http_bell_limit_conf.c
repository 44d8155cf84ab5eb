
/*
 * Directives other than "bell_limit_policy".
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_limit.h"


/* counts and the board take some 80k, the rest is keys */
#define NGX_HTTP_BELL_LIMIT_ZONE_MIN  (256 * 1024)

/* keys that "bell_limit_status" shows when it does not say how many */
#define NGX_HTTP_BELL_LIMIT_TOP       20


static ngx_int_t ngx_http_bell_limit_add_use(ngx_conf_t *cf,
    ngx_http_bell_limit_loc_conf_t *llcf, ngx_str_t *name, ngx_uint_t dry_run);
static ngx_int_t ngx_http_bell_limit_allow_text(ngx_conf_t *cf,
    ngx_http_bell_limit_loc_conf_t *llcf, ngx_str_t *text);
static ngx_int_t ngx_http_bell_limit_allow_cidr(ngx_conf_t *cf,
    ngx_http_bell_limit_loc_conf_t *llcf, ngx_str_t *text);


/* bell_limit_zone zone=NAME:SIZE */

char *
ngx_http_bell_limit_zone(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_bell_limit_main_conf_t  *lmcf = conf;

    size_t      size;
    ngx_str_t  *value, name;

    if (lmcf->shm_zone) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_http_bell_limit_parse_zone(cf, &value[1],
                                       NGX_HTTP_BELL_LIMIT_ZONE_MIN,
                                       "limits:16m", &name, &size)
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    lmcf->shm_zone = ngx_shared_memory_add(cf, &name, size,
                                           &ngx_http_bell_limit_module);
    if (lmcf->shm_zone == NULL) {
        return NGX_CONF_ERROR;
    }

    lmcf->shm_zone->init = ngx_http_bell_limit_init_zone;
    lmcf->shm_zone->data = lmcf;

    return NGX_CONF_OK;
}


/* bell_limit off | POLICY... [dry_run] */

char *
ngx_http_bell_limit(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_bell_limit_loc_conf_t  *llcf = conf;

    ngx_str_t   *value;
    ngx_uint_t   i, n, off, dry_run;

    value = cf->args->elts;
    n = cf->args->nelts;

    off = (n == 2 && ngx_strcmp(value[1].data, "off") == 0);
    dry_run = (ngx_strcmp(value[n - 1].data, "dry_run") == 0);

    if (llcf->uses && (off || llcf->uses->nelts == 0)) {
        return "is \"off\" and has a policy at the same level";
    }

    if (dry_run && --n == 1) {
        return "has \"dry_run\" and names no policy before it";
    }

    if (llcf->uses == NULL) {
        llcf->uses = ngx_array_create(cf->pool, 4,
                                      sizeof(ngx_http_bell_limit_use_t));
        if (llcf->uses == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    for (i = 1; i < n && !off; i++) {
        if (ngx_http_bell_limit_add_use(cf, llcf, &value[i], dry_run)
            != NGX_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


/* NGX_ERROR has been logged; so it is below */

static ngx_int_t
ngx_http_bell_limit_add_use(ngx_conf_t *cf,
    ngx_http_bell_limit_loc_conf_t *llcf, ngx_str_t *name, ngx_uint_t dry_run)
{
    ngx_uint_t                        i;
    ngx_http_bell_limit_use_t        *use;
    ngx_http_bell_limit_policy_t     *policy;
    ngx_http_bell_limit_main_conf_t  *lmcf;

    lmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_bell_limit_module);

    policy = ngx_http_bell_limit_find_policy(lmcf, name);

    if (policy == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "there is no policy \"%V\": \"bell_limit_policy "
                           "%V ...\" belongs above this line, in the http "
                           "block", name, name);
        return NGX_ERROR;
    }

    use = llcf->uses->elts;

    for (i = 0; i < llcf->uses->nelts; i++) {
        if (use[i].policy == policy) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "policy \"%V\" stands here already", name);
            return NGX_ERROR;
        }
    }

    if (llcf->uses->nelts == BELL_RATELIMIT_POLICIES_MAX) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "more than %d policies at one place",
                           BELL_RATELIMIT_POLICIES_MAX);
        return NGX_ERROR;
    }

    use = ngx_array_push(llcf->uses);
    if (use == NULL) {
        return NGX_ERROR;
    }

    use->policy = policy;
    use->dry_run = dry_run;

    return NGX_OK;
}


/* bell_limit_allow off | ADDRESS | CIDR | TEXT WITH VARIABLES ... */

char *
ngx_http_bell_limit_allow(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_bell_limit_loc_conf_t  *llcf = conf;

    ngx_int_t    rc;
    ngx_str_t   *value;
    ngx_uint_t   i;

    value = cf->args->elts;

    llcf->allow_set = 1;

    if (cf->args->nelts == 2 && ngx_strcmp(value[1].data, "off") == 0) {
        return (llcf->cidrs || llcf->allow)
               ? "is \"off\" and allows somebody at the same level"
               : NGX_CONF_OK;
    }

    for (i = 1; i < cf->args->nelts; i++) {
        rc = ngx_strlchr(value[i].data, value[i].data + value[i].len, '$')
             ? ngx_http_bell_limit_allow_text(cf, llcf, &value[i])
             : ngx_http_bell_limit_allow_cidr(cf, llcf, &value[i]);

        if (rc != NGX_OK) {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_bell_limit_allow_text(ngx_conf_t *cf,
    ngx_http_bell_limit_loc_conf_t *llcf, ngx_str_t *text)
{
    ngx_http_complex_value_t  *cv, *compiled;

    if (llcf->allow == NULL) {
        llcf->allow = ngx_array_create(cf->pool, 2,
                                       sizeof(ngx_http_complex_value_t));
        if (llcf->allow == NULL) {
            return NGX_ERROR;
        }
    }

    cv = ngx_array_push(llcf->allow);
    compiled = ngx_http_bell_limit_compile(cf, text);

    if (cv == NULL || compiled == NULL) {
        return NGX_ERROR;
    }

    *cv = *compiled;

    return NGX_OK;
}


static ngx_int_t
ngx_http_bell_limit_allow_cidr(ngx_conf_t *cf,
    ngx_http_bell_limit_loc_conf_t *llcf, ngx_str_t *text)
{
    ngx_int_t    rc;
    ngx_cidr_t  *cidr;

    if (llcf->cidrs == NULL) {
        llcf->cidrs = ngx_array_create(cf->pool, 4, sizeof(ngx_cidr_t));
        if (llcf->cidrs == NULL) {
            return NGX_ERROR;
        }
    }

    cidr = ngx_array_push(llcf->cidrs);
    if (cidr == NULL) {
        return NGX_ERROR;
    }

#if (NGX_HAVE_UNIX_DOMAIN)

    if (ngx_strcmp(text->data, "unix:") == 0) {
        cidr->family = AF_UNIX;
        return NGX_OK;
    }

#endif

    rc = ngx_ptocidr(text, cidr);

    if (rc == NGX_ERROR) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid \"%V\": an address, a network as "
                           "192.0.2.0/24, or a text with variables is "
                           "expected", text);
        return NGX_ERROR;
    }

    if (rc == NGX_DONE) {
        ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                           "low address bits of %V are meaningless", text);
    }

    return NGX_OK;
}


/* bell_limit_status [TOP] */

char *
ngx_http_bell_limit_status(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_bell_limit_loc_conf_t  *llcf = conf;

    ngx_int_t                  n;
    ngx_str_t                 *value;
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->handler) {
        return "is duplicate, or beside another directive that answers here";
    }

    value = cf->args->elts;

    n = (cf->args->nelts > 1) ? ngx_atoi(value[1].data, value[1].len)
                              : NGX_HTTP_BELL_LIMIT_TOP;

    if (n < 1 || n > NGX_HTTP_BELL_LIMIT_BOARD) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid \"%V\": how many keys are shown is a "
                           "number from 1 to %d", &value[1],
                           NGX_HTTP_BELL_LIMIT_BOARD);
        return NGX_CONF_ERROR;
    }

    llcf->top = n;
    clcf->handler = ngx_http_bell_limit_status_handler;

    return NGX_CONF_OK;
}
