
/*
 * What both modules of this file do in the same way.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_limit_common.h"


ngx_int_t
ngx_http_bell_limit_parse_zone(ngx_conf_t *cf, ngx_str_t *word, size_t least,
    const char *example, ngx_str_t *name, size_t *size)
{
    u_char     *colon;
    ssize_t     n;
    ngx_str_t   s;

    colon = (u_char *) ngx_strchr(word->data, ':');

    if (ngx_strncmp(word->data, "zone=", 5) == 0 && colon) {
        name->data = word->data + 5;
        name->len = colon - name->data;

        s.data = colon + 1;
        s.len = word->data + word->len - s.data;

        n = ngx_parse_size(&s);

        if (name->len && n != NGX_ERROR && (size_t) n >= least) {
            *size = n;
            return NGX_OK;
        }
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid \"%V\": zone=NAME:SIZE is expected, a name "
                       "and a size of %uzk or more, as in zone=%s",
                       word, least / 1024, example);

    return NGX_ERROR;
}


ngx_http_complex_value_t *
ngx_http_bell_limit_compile(ngx_conf_t *cf, ngx_str_t *text)
{
    ngx_http_complex_value_t          *cv;
    ngx_http_compile_complex_value_t   ccv;

    cv = ngx_palloc(cf->pool, sizeof(ngx_http_complex_value_t));
    if (cv == NULL) {
        return NULL;
    }

    ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

    ccv.cf = cf;
    ccv.value = text;
    ccv.complex_value = cv;

    return ngx_http_compile_complex_value(&ccv) == NGX_OK ? cv : NULL;
}


ngx_int_t
ngx_http_bell_limit_add_variables(ngx_conf_t *cf, ngx_http_variable_t *vars)
{
    ngx_http_variable_t  *var, *v;

    for (v = vars; v->name.len; v++) {
        var = ngx_http_add_variable(cf, &v->name, v->flags);
        if (var == NULL) {
            return NGX_ERROR;
        }

        var->get_handler = v->get_handler;
        var->data = v->data;
    }

    return NGX_OK;
}


void
ngx_http_bell_limit_set_variable(ngx_http_variable_value_t *v, u_char *data,
    size_t len)
{
    v->len = len;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;
    v->data = data;
}


/*
 * Not nginx's, which each worker reads once a turn of its loop: times of all
 * workers are compared with each other.  It is the machine's, so that it is
 * the same for all, and knows no steps: who sets the wall clock gives nobody
 * anything, and locks nobody out.  CLOCK_BOOTTIME would go on while a machine
 * sleeps, and so would what it has to give; servers do not, and not every
 * system has it.
 */

int64_t
ngx_http_bell_limit_now_us(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);

    return (int64_t) ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}
