
/*
 * "bell_redis": where Redis is and who asks it.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_bell_redis.h"


#define NGX_HTTP_BELL_REDIS_CONNECT_MS   1000
#define NGX_HTTP_BELL_REDIS_TIMEOUT_MS   2000
#define NGX_HTTP_BELL_REDIS_SECRET_MAX   512


static char *ngx_http_bell_redis_parse_address(ngx_conf_t *cf,
    ngx_http_bell_redis_conf_t *conf, ngx_str_t *value);
static char *ngx_http_bell_redis_parse_time(ngx_conf_t *cf, ngx_str_t *word,
    size_t skip, ngx_msec_t *to);
static u_char *ngx_http_bell_redis_copy(ngx_pool_t *pool, ngx_str_t *s);


char *
ngx_http_bell_redis_parse(ngx_conf_t *cf, ngx_http_bell_redis_conf_t *conf)
{
    char        *rv;
    ngx_str_t   *value, file;
    ngx_uint_t   i;

    conf->connect_timeout = NGX_HTTP_BELL_REDIS_CONNECT_MS;
    conf->timeout = NGX_HTTP_BELL_REDIS_TIMEOUT_MS;

    value = cf->args->elts;

    conf->directive = value[0];

    rv = ngx_http_bell_redis_parse_address(cf, conf, &value[1]);

    for (i = 2; i < cf->args->nelts && rv == NGX_CONF_OK; i++) {

        if (ngx_strncmp(value[i].data, "user=", 5) == 0) {
            conf->user.data = value[i].data + 5;
            conf->user.len = value[i].len - 5;

        } else if (ngx_strncmp(value[i].data, "password_file=", 14) == 0) {
            file.data = value[i].data + 14;
            file.len = value[i].len - 14;
            rv = ngx_http_bell_redis_read_password(cf, &file,
                                                   &conf->password);

        } else if (ngx_strncmp(value[i].data, "connect_timeout=", 16) == 0) {
            rv = ngx_http_bell_redis_parse_time(cf, &value[i], 16,
                                                &conf->connect_timeout);

        } else if (ngx_strncmp(value[i].data, "timeout=", 8) == 0) {
            rv = ngx_http_bell_redis_parse_time(cf, &value[i], 8,
                                                &conf->timeout);

        } else {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid parameter \"%V\": \"%V\" takes an "
                               "address, user=NAME, password_file=FILE, "
                               "connect_timeout=TIME and timeout=TIME",
                               &value[i], &conf->directive);
            rv = NGX_CONF_ERROR;
        }
    }

    if (rv == NGX_CONF_OK && conf->user.len && conf->password.len == 0) {
        return "takes user= together with password_file=";
    }

    return rv;
}


static char *
ngx_http_bell_redis_parse_address(ngx_conf_t *cf,
    ngx_http_bell_redis_conf_t *conf, ngx_str_t *value)
{
    u_char       text[NGX_SOCKADDR_STRLEN];
    ngx_str_t    s;
    ngx_addr_t   addr;

    conf->address = *value;

    if (value->len > 5 && ngx_strncmp(value->data, "unix:", 5) == 0) {
        s.data = value->data + 5;
        s.len = value->len - 5;

        conf->path = ngx_http_bell_redis_copy(cf->pool, &s);

        return conf->path ? NGX_CONF_OK : NGX_CONF_ERROR;
    }

    if (ngx_parse_addr_port(cf->pool, &addr, value->data, value->len)
        != NGX_OK
        || ngx_inet_get_port(addr.sockaddr) == 0)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid address \"%V\": ADDRESS:PORT is expected, "
                           "127.0.0.1:6379 or [::1]:6379 for one, or "
                           "unix:PATH; host names are not resolved", value);
        return NGX_CONF_ERROR;
    }

    conf->port = ngx_inet_get_port(addr.sockaddr);

    s.data = text;
    s.len = ngx_sock_ntop(addr.sockaddr, addr.socklen, text, sizeof(text), 0);

    /* hiredis takes an address of IPv6 without its brackets */

    if (s.len && s.data[0] == '[') {
        s.data++;
        s.len -= 2;
    }

    conf->host = ngx_http_bell_redis_copy(cf->pool, &s);

    return conf->host ? NGX_CONF_OK : NGX_CONF_ERROR;
}


static u_char *
ngx_http_bell_redis_copy(ngx_pool_t *pool, ngx_str_t *s)
{
    u_char  *p;

    p = ngx_pnalloc(pool, s->len + 1);

    if (p) {
        *ngx_cpymem(p, s->data, s->len) = '\0';
    }

    return p;
}


static char *
ngx_http_bell_redis_parse_time(ngx_conf_t *cf, ngx_str_t *word, size_t skip,
    ngx_msec_t *to)
{
    ngx_str_t  s;

    s.data = word->data + skip;
    s.len = word->len - skip;

    *to = (ngx_msec_t) ngx_parse_time(&s, 0);

    if (*to == (ngx_msec_t) NGX_ERROR || *to < 10 || *to > 60 * 1000) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid \"%V\": a time from 10ms to 60s is "
                           "expected", word);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/*
 * Read here, by who may read it; the workers need not.  A reload reads it
 * anew.
 */

char *
ngx_http_bell_redis_read_password(ngx_conf_t *cf, ngx_str_t *value,
    ngx_str_t *password)
{
    u_char           buf[NGX_HTTP_BELL_REDIS_SECRET_MAX];
    ssize_t          n;
    ngx_fd_t         fd;
    ngx_str_t        file;
    ngx_file_info_t  fi;

    file = *value;

    if (ngx_conf_full_name(cf->cycle, &file, 1) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    fd = ngx_open_file(file.data, NGX_FILE_RDONLY, NGX_FILE_OPEN, 0);

    if (fd == NGX_INVALID_FILE) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           "password_file=%V cannot be opened", value);
        return NGX_CONF_ERROR;
    }

    n = -1;

    if (ngx_fd_info(fd, &fi) == NGX_FILE_ERROR) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           "password_file=%V cannot be examined", value);

    } else if (fi.st_mode & 07) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "password_file=%V may be read by everybody: "
                           "\"chmod o= %V\" is expected", value, &file);

    } else {
        n = ngx_read_fd(fd, buf, sizeof(buf));

        while (n > 0 && (buf[n - 1] == LF || buf[n - 1] == CR)) {
            n--;
        }

        if (n <= 0 || n == sizeof(buf)) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "password_file=%V holds no password: one line "
                               "of 1 to %d bytes is expected", value,
                               NGX_HTTP_BELL_REDIS_SECRET_MAX - 1);
            n = -1;
        }
    }

    (void) ngx_close_file(fd);

    if (n < 0) {
        return NGX_CONF_ERROR;
    }

    password->len = n;
    password->data = ngx_pnalloc(cf->pool, n);
    if (password->data == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memcpy(password->data, buf, n);

    return NGX_CONF_OK;
}
