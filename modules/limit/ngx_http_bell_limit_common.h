
/*
 * What both modules of this file do in the same way.
 */

#ifndef _NGX_HTTP_BELL_LIMIT_COMMON_H_INCLUDED_
#define _NGX_HTTP_BELL_LIMIT_COMMON_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


#pragma GCC visibility push(hidden)


/*
 * Reads zone=NAME:SIZE, of "least" bytes or more; "example" is one, without
 * "zone=".  NGX_ERROR has been logged.
 */
ngx_int_t ngx_http_bell_limit_parse_zone(ngx_conf_t *cf, ngx_str_t *word,
    size_t least, const char *example, ngx_str_t *name, size_t *size);

/* a text with variables; NULL: no memory, or it has been logged */
ngx_http_complex_value_t *ngx_http_bell_limit_compile(ngx_conf_t *cf,
    ngx_str_t *text);

/* a list that ends with ngx_http_null_variable */
ngx_int_t ngx_http_bell_limit_add_variables(ngx_conf_t *cf,
    ngx_http_variable_t *vars);
void ngx_http_bell_limit_set_variable(ngx_http_variable_value_t *v,
    u_char *data, size_t len);

/* one clock for all workers, microseconds */
int64_t ngx_http_bell_limit_now_us(void);


#pragma GCC visibility pop


#endif /* _NGX_HTTP_BELL_LIMIT_COMMON_H_INCLUDED_ */
