
/*
 * The public keys of our own sessions.  The file is replaced by a rename when
 * the origin's keys move on; the next key is in it before it signs.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_session.h"


#define NGX_HTTP_BELL_SESSION_KEYS_SIZE  65536


static void ngx_http_bell_session_keys_missing(
    ngx_http_bell_session_keys_t *k, ngx_err_t err, ngx_log_t *log);
static void ngx_http_bell_session_keys_take(ngx_http_bell_session_keys_t *k,
    ngx_log_t *log);
static ngx_int_t ngx_http_bell_session_keys_read(
    ngx_http_bell_session_keys_t *k, char *err);
static ssize_t ngx_http_bell_session_keys_bytes(
    ngx_http_bell_session_keys_t *k, char *text);
static void ngx_http_bell_session_keys_cleanup(void *data);


char *
ngx_http_bell_session_keys(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    char  *p = conf;

    char                           err[NGX_HTTP_BELL_SESSION_ERR_LEN];
    ngx_str_t                     *value;
    ngx_pool_cleanup_t            *cln;
    ngx_http_bell_session_keys_t  *k, **kp;

    kp = (ngx_http_bell_session_keys_t **) (p + cmd->offset);

    if (*kp) {
        return "is duplicate: one file holds all keys";
    }

    k = ngx_pcalloc(cf->pool, sizeof(ngx_http_bell_session_keys_t));
    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (k == NULL || cln == NULL) {
        return NGX_CONF_ERROR;
    }

    cln->handler = ngx_http_bell_session_keys_cleanup;
    cln->data = k;

    value = cf->args->elts;
    k->file = value[1];

    if (ngx_conf_full_name(cf->cycle, &k->file, 1) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    switch (ngx_http_bell_session_keys_read(k, err)) {

    case NGX_OK:
        break;

    case NGX_AGAIN:
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           "bell_session_keys \"%V\" cannot be read",
                           &k->file);
        return NGX_CONF_ERROR;

    default:
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "bell_session_keys %s", err);
        return NGX_CONF_ERROR;
    }

    *kp = k;

    return NGX_CONF_OK;
}


void
ngx_http_bell_session_keys_look(ngx_http_bell_session_keys_t *k,
    ngx_uint_t force, ngx_log_t *log)
{
    ngx_file_info_t  fi;

    if (k->looked_s == ngx_time() && !force) {
        return;
    }

    k->looked_s = ngx_time();

    if (ngx_file_info(k->file.data, &fi) == NGX_FILE_ERROR) {
        ngx_http_bell_session_keys_missing(k, ngx_errno, log);
        return;
    }

    if (ngx_file_uniq(&fi) == k->uniq && ngx_file_mtime(&fi) == k->mtime
        && ngx_file_size(&fi) == k->size)
    {
        k->missing = 0;
        return;
    }

    ngx_http_bell_session_keys_take(k, log);
}


/* Also one that is there and cannot be read: it is tried again. */

static void
ngx_http_bell_session_keys_missing(ngx_http_bell_session_keys_t *k,
    ngx_err_t err, ngx_log_t *log)
{
    if (err != k->missing) {
        ngx_log_error(NGX_LOG_ERR, log, err,
                      "bell_session_keys: \"%V\" cannot be read; the keys "
                      "that it held count on", &k->file);
    }

    k->missing = err;
}


static void
ngx_http_bell_session_keys_take(ngx_http_bell_session_keys_t *k,
    ngx_log_t *log)
{
    char  err[NGX_HTTP_BELL_SESSION_ERR_LEN];

    switch (ngx_http_bell_session_keys_read(k, err)) {

    case NGX_AGAIN:
        ngx_http_bell_session_keys_missing(k, ngx_errno, log);
        return;

    case NGX_OK:
        ngx_log_error(NGX_LOG_NOTICE, log, 0,
                      "bell_session_keys: %ui keys of sessions count from now "
                      "on", k->nkeys);
        break;

    default: /* NGX_ERROR: not looked at again until it is another file */
        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "bell_session_keys: %s; the keys before it count on",
                      err);
    }

    k->missing = 0;
}


/*
 * Takes the place of the former keys only when all are right.  NGX_AGAIN: it
 * cannot be read, ngx_errno says why; NGX_ERROR: "err" does.
 */

static ngx_int_t
ngx_http_bell_session_keys_read(ngx_http_bell_session_keys_t *k, char *err)
{
    char            *text;
    long             n;
    ssize_t          len;
    bell_str         s;
    bell_token_key  *keys[NGX_HTTP_BELL_SESSION_KEYS_MAX];

    text = malloc(NGX_HTTP_BELL_SESSION_KEYS_SIZE);
    if (text == NULL) {
        return NGX_AGAIN;
    }

    len = ngx_http_bell_session_keys_bytes(k, text);

    if (len < 0) {
        free(text);
        return NGX_AGAIN;
    }

    /* what is cut off here is no PEM, and says so */

    s.p = text;
    s.len = len;

    n = bell_token_keys_parse(s, (char *) k->file.data, keys,
                              NGX_HTTP_BELL_SESSION_KEYS_MAX, err,
                              NGX_HTTP_BELL_SESSION_ERR_LEN);
    free(text);

    if (n < 0) {
        return NGX_ERROR;
    }

    ngx_http_bell_session_keys_cleanup(k);

    ngx_memcpy(k->keys, keys, n * sizeof(bell_token_key *));
    k->nkeys = n;

    return NGX_OK;
}


static ssize_t
ngx_http_bell_session_keys_bytes(ngx_http_bell_session_keys_t *k, char *text)
{
    size_t           len;
    ssize_t          n;
    ngx_fd_t         fd;
    ngx_err_t        err;
    ngx_file_info_t  fi;

    fd = ngx_open_file(k->file.data, NGX_FILE_RDONLY|NGX_FILE_NONBLOCK,
                       NGX_FILE_OPEN, 0);
    if (fd == NGX_INVALID_FILE) {
        return NGX_ERROR;
    }

    n = ngx_fd_info(fd, &fi) == NGX_FILE_ERROR ? -1 : 1;

    for (len = 0; n > 0 && len < NGX_HTTP_BELL_SESSION_KEYS_SIZE; len += n) {
        n = ngx_read_fd(fd, text + len, NGX_HTTP_BELL_SESSION_KEYS_SIZE - len);

        if (n < 0) {
            break;
        }
    }

    err = ngx_errno;
    (void) ngx_close_file(fd);
    ngx_set_errno(err);

    if (n < 0) {
        return NGX_ERROR;
    }

    /* a change after this one makes another file, or another time of it */

    k->uniq = ngx_file_uniq(&fi);
    k->mtime = ngx_file_mtime(&fi);
    k->size = ngx_file_size(&fi);

    return len;
}


ngx_uint_t
ngx_http_bell_session_keys_has(ngx_http_bell_session_keys_t *k,
    uint64_t source)
{
    ngx_uint_t  i;

    for (i = 0; i < k->nkeys; i++) {
        if (bell_session_source(k->keys[i]) == source) {
            return 1;
        }
    }

    return 0;
}


static void
ngx_http_bell_session_keys_cleanup(void *data)
{
    ngx_http_bell_session_keys_t  *k = data;

    while (k->nkeys) {
        bell_token_key_free(k->keys[--k->nkeys]);
    }
}
