
/*
 * The directory's state on disk, of an edge that is fed by Redis: what is in
 * service as it was received, a snapshot and behind it the deltas.  It is
 * what the edge starts with when everything else is down.
 *
 * The snapshot is replaced by a rename, deltas are appended.  The feed may be
 * killed anywhere: deltas that the snapshot says already are passed over, and
 * a torn tail is cut off.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include <stdio.h>

#include "ngx_http_bell_directory.h"


#define NGX_HTTP_BELL_STATE_BATCH  256   /* deltas that are applied at once */
#define NGX_HTTP_BELL_STATE_MODE   0600


static ngx_int_t ngx_http_bell_state_read(ngx_str_t *file, ngx_str_t *content,
    ngx_log_t *log, char *reason);
static ngx_int_t ngx_http_bell_state_load_snapshot(
    ngx_http_bell_directory_t *d, ngx_http_bell_state_t *state,
    ngx_log_t *log);
static void ngx_http_bell_state_load_deltas(ngx_http_bell_directory_t *d,
    ngx_http_bell_state_t *state, ngx_uint_t cut, ngx_log_t *log);
static ngx_int_t ngx_http_bell_state_apply(ngx_http_bell_directory_t *d,
    bell_str text, char *reason);
static void ngx_http_bell_state_measure(ngx_http_bell_directory_t *d,
    ngx_http_bell_state_t *state, bell_str text);
static ngx_int_t ngx_http_bell_state_failed(ngx_http_bell_directory_t *d,
    ngx_http_bell_state_t *state, const char *what, ngx_str_t *file,
    ngx_log_t *log);
static ngx_int_t ngx_http_bell_state_write(ngx_fd_t fd, bell_str bytes);
static void ngx_http_bell_state_sync_folder(ngx_str_t *file);
static ngx_int_t ngx_http_bell_state_write_deltas(ngx_fd_t fd,
    ngx_http_bell_state_t *state, bell_str *documents, ngx_uint_t n);


ngx_int_t
ngx_http_bell_directory_state_begin(ngx_http_bell_directory_t *d,
    ngx_log_t *log)
{
    ngx_http_bell_state_t  state;

    /* a new zone: there is nobody else yet */

    if (ngx_http_bell_directory_lock(d, log) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_http_bell_directory_state_load(d, &state, 0, log);

    ngx_http_bell_directory_unlock(d);

    if (ngx_http_bell_directory_version(d) == 0) {
        ngx_log_error(NGX_LOG_WARN, log, 0,
                      "bell_directory: there is no directory to start with, "
                      "every host is answered 404 until Redis gives one");
    }

    return NGX_OK;
}


void
ngx_http_bell_directory_state_load(ngx_http_bell_directory_t *d,
    ngx_http_bell_state_t *state, ngx_uint_t cut, ngx_log_t *log)
{
    uint64_t  before, version;

    ngx_memzero(state, sizeof(ngx_http_bell_state_t));

    before = ngx_http_bell_directory_version(d);

    if (ngx_http_bell_state_load_snapshot(d, state, log) != NGX_OK) {
        state->broken = 1;
        return;
    }

    ngx_http_bell_state_load_deltas(d, state, cut, log);

    version = ngx_http_bell_directory_version(d);

    if (version != before) {
        ngx_log_error(NGX_LOG_NOTICE, log, 0,
                      "bell_directory: version %uL is in service, from the "
                      "state \"%V\"", version, &d->state);
    }
}


static ngx_int_t
ngx_http_bell_state_load_snapshot(ngx_http_bell_directory_t *d,
    ngx_http_bell_state_t *state, ngx_log_t *log)
{
    bool                 whole;
    char                 reason[NGX_HTTP_BELL_REASON_LEN];
    bell_str             snapshot;
    ngx_int_t            rc;
    ngx_str_t            content;
    bell_directory_head  head;

    rc = ngx_http_bell_state_read(&d->state, &content, log, reason);

    if (rc == NGX_DONE) {
        ngx_log_error(NGX_LOG_NOTICE, log, 0,
                      "bell_directory: there is no state \"%V\" yet",
                      &d->state);
        return NGX_DONE;
    }

    if (rc == NGX_OK) {
        snapshot.p = (char *) content.data;
        snapshot.len = content.len;

        rc = bell_directory_peek(snapshot, &head, &whole, reason,
                                 sizeof(reason))
             ? NGX_OK : NGX_DECLINED;

        /* what is not newer than what is in service is not looked into */

        if (rc == NGX_OK
            && head.version > ngx_http_bell_directory_version(d))
        {
            rc = ngx_http_bell_directory_apply(d, snapshot, reason);
        }

        ngx_free(content.data);
    }

    if (rc != NGX_OK) {
        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "bell_directory: the state \"%V\" is refused: %s",
                      &d->state, reason);
        return NGX_DECLINED;
    }

    state->snapshot = head.version;
    state->snapshot_len = content.len;
    state->version = head.version;

    return NGX_OK;
}


static void
ngx_http_bell_state_load_deltas(ngx_http_bell_directory_t *d,
    ngx_http_bell_state_t *state, ngx_uint_t cut, ngx_log_t *log)
{
    char       reason[NGX_HTTP_BELL_REASON_LEN];
    bell_str   text;
    ngx_int_t  rc;
    ngx_str_t  content;

    rc = ngx_http_bell_state_read(&d->deltas, &content, log, reason);

    if (rc == NGX_DONE) {
        return;
    }

    if (rc != NGX_OK) {
        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "bell_directory: the state \"%V\" is refused: %s",
                      &d->deltas, reason);
        state->broken = 1;
        return;
    }

    text.p = (char *) content.data;
    text.len = content.len;

    rc = ngx_http_bell_state_apply(d, text, reason);

    ngx_http_bell_state_measure(d, state, text);

    ngx_free(content.data);

    if (state->deltas_len == content.len) {
        return;
    }

    ngx_log_error(NGX_LOG_ERR, log, 0,
                  "bell_directory: the state \"%V\" is refused from byte %uz "
                  "of %uz on: %s",
                  &d->deltas, state->deltas_len, content.len,
                  rc == NGX_OK ? "it does not go on from what is before"
                               : reason);

    if (cut && truncate((char *) d->deltas.data, state->deltas_len) == -1) {
        (void) ngx_http_bell_state_failed(d, state, "cut", &d->deltas, log);
    }
}


/* Puts in service what the text has beyond it, up to the first bad document. */

static ngx_int_t
ngx_http_bell_state_apply(ngx_http_bell_directory_t *d, bell_str text,
    char *reason)
{
    bool                 whole, good;
    char                 why[NGX_HTTP_BELL_REASON_LEN];
    bell_str             documents[NGX_HTTP_BELL_STATE_BATCH];
    ngx_int_t            rc;
    ngx_uint_t           n;
    bell_directory_head  head;

    good = 1;

    while (good && text.len) {

        for (n = 0; text.len && n < NGX_HTTP_BELL_STATE_BATCH; n++) {

            good = bell_directory_peek(text, &head, &whole, reason,
                                       NGX_HTTP_BELL_REASON_LEN);
            if (!good) {
                break;
            }

            documents[n].p = text.p;
            documents[n].len = head.bytes;

            text.p += head.bytes;
            text.len -= head.bytes;
        }

        if (n) {
            rc = ngx_http_bell_directory_apply_deltas(d, documents, n, why);

            if (rc != NGX_OK && rc != NGX_DONE) {
                ngx_memcpy(reason, why, sizeof(why));
                return NGX_DECLINED;
            }
        }
    }

    return good ? NGX_OK : NGX_DECLINED;
}


/*
 * How far the text leads on from the snapshot, and not beyond what is in
 * service: only that far it is to be relied on.
 */

static void
ngx_http_bell_state_measure(ngx_http_bell_directory_t *d,
    ngx_http_bell_state_t *state, bell_str text)
{
    bool                 whole;
    char                 reason[NGX_HTTP_BELL_REASON_LEN];
    uint64_t             version;
    bell_directory_head  head;

    version = ngx_http_bell_directory_version(d);

    while (text.len
           && bell_directory_peek(text, &head, &whole, reason, sizeof(reason))
           && head.version <= version
           && (head.version <= state->version || head.from == state->version))
    {
        state->version = ngx_max(state->version, head.version);
        state->deltas_len += head.bytes;

        text.p += head.bytes;
        text.len -= head.bytes;
    }
}


/* NGX_DONE: there is no such file. */

static ngx_int_t
ngx_http_bell_state_read(ngx_str_t *file, ngx_str_t *content, ngx_log_t *log,
    char *reason)
{
    ngx_fd_t         fd;
    ngx_int_t        rc;
    ngx_file_info_t  fi;

    ngx_str_null(content);

    fd = ngx_open_file(file->data, NGX_FILE_RDONLY|NGX_FILE_NONBLOCK,
                       NGX_FILE_OPEN, 0);

    if (fd == NGX_INVALID_FILE) {

        if (ngx_errno == NGX_ENOENT) {
            return NGX_DONE;
        }

        snprintf(reason, NGX_HTTP_BELL_REASON_LEN,
                 "it cannot be opened: %s", strerror(ngx_errno));
        return NGX_DECLINED;
    }

    rc = ngx_http_bell_directory_read_file(fd, content, &fi, log, reason);

    (void) ngx_close_file(fd);

    if (rc != NGX_OK && content->data) {
        ngx_free(content->data);
    }

    return rc;
}


/* One line, until something has been written again. */

static ngx_int_t
ngx_http_bell_state_failed(ngx_http_bell_directory_t *d,
    ngx_http_bell_state_t *state, const char *what, ngx_str_t *file,
    ngx_log_t *log)
{
    ngx_err_t  err;

    err = ngx_errno;

    if (!state->told) {
        ngx_log_error(NGX_LOG_ERR, log, err,
                      "bell_directory: the state \"%V\" cannot be %s; what is "
                      "in service is not kept on disk until it can, and a "
                      "start without Redis would begin with what is there",
                      file, what);
    }

    state->broken = 1;
    state->told = 1;
    d->sh->counters.state_failures++;

    return NGX_ERROR;
}


ngx_int_t
ngx_http_bell_directory_state_replace(ngx_http_bell_directory_t *d,
    ngx_http_bell_state_t *state, bell_str snapshot, ngx_log_t *log)
{
    bool                 whole;
    char                 reason[NGX_HTTP_BELL_REASON_LEN];
    u_char               path[NGX_MAX_PATH];
    ngx_fd_t             fd;
    ngx_int_t            rc;
    ngx_str_t            name;
    bell_directory_head  head;

    if (!bell_directory_peek(snapshot, &head, &whole, reason, sizeof(reason)))
    {
        return NGX_ERROR;
    }

    name.data = path;
    name.len = ngx_snprintf(path, sizeof(path) - 1, "%V.new", &d->state)
               - path;
    path[name.len] = '\0';

    fd = ngx_open_file(path, NGX_FILE_WRONLY, NGX_FILE_TRUNCATE,
                       NGX_HTTP_BELL_STATE_MODE);

    if (fd == NGX_INVALID_FILE) {
        return ngx_http_bell_state_failed(d, state, "opened", &name, log);
    }

    rc = ngx_http_bell_state_write(fd, snapshot);

    if (rc == NGX_OK && fsync(fd) == -1) {
        rc = NGX_ERROR;
    }

    if (rc != NGX_OK) {
        rc = ngx_http_bell_state_failed(d, state, "written", &name, log);
        (void) ngx_close_file(fd);
        (void) ngx_delete_file(path);
        return rc;
    }

    (void) ngx_close_file(fd);

    if (ngx_rename_file(path, d->state.data) == NGX_FILE_ERROR) {
        return ngx_http_bell_state_failed(d, state, "replaced", &d->state,
                                          log);
    }

    ngx_http_bell_state_sync_folder(&d->state);

    /* killed before this, their deltas are passed over: all are older */

    if (ngx_delete_file(d->deltas.data) == NGX_FILE_ERROR
        && ngx_errno != NGX_ENOENT)
    {
        return ngx_http_bell_state_failed(d, state, "removed", &d->deltas,
                                          log);
    }

    state->snapshot = head.version;
    state->snapshot_len = snapshot.len;
    state->version = head.version;
    state->deltas_len = 0;
    state->broken = 0;
    state->told = 0;

    return NGX_OK;
}


static ngx_int_t
ngx_http_bell_state_write(ngx_fd_t fd, bell_str bytes)
{
    ssize_t  n;

    while (bytes.len) {
        n = ngx_write_fd(fd, (void *) bytes.p, bytes.len);

        if (n == -1 && ngx_errno == NGX_EINTR) {
            continue;
        }

        if (n <= 0) {
            return NGX_ERROR;
        }

        bytes.p += n;
        bytes.len -= n;
    }

    return NGX_OK;
}


/* So that the rename outlives a loss of power, where the folder allows it. */

static void
ngx_http_bell_state_sync_folder(ngx_str_t *file)
{
    u_char    path[NGX_MAX_PATH], *p;
    ngx_fd_t  fd;

    if (file->len >= sizeof(path)) {
        return;
    }

    ngx_memcpy(path, file->data, file->len);
    path[file->len] = '\0';

    p = (u_char *) strrchr((char *) path, '/');
    if (p == NULL) {
        return;
    }

    /* the root's own slash stays */

    p[p == path ? 1 : 0] = '\0';

    fd = ngx_open_file(path, NGX_FILE_RDONLY, NGX_FILE_OPEN, 0);

    if (fd != NGX_INVALID_FILE) {
        (void) fsync(fd);
        (void) ngx_close_file(fd);
    }
}


ngx_int_t
ngx_http_bell_directory_state_append(ngx_http_bell_directory_t *d,
    ngx_http_bell_state_t *state, bell_str *documents, ngx_uint_t n,
    ngx_log_t *log)
{
    ngx_fd_t         fd;
    ngx_int_t        rc;
    ngx_file_info_t  fi;

    if (state->broken || state->version == 0) {
        return NGX_DECLINED;
    }

    fd = ngx_open_file(d->deltas.data, NGX_FILE_RDWR, NGX_FILE_CREATE_OR_OPEN,
                       NGX_HTTP_BELL_STATE_MODE);

    if (fd == NGX_INVALID_FILE) {
        return ngx_http_bell_state_failed(d, state, "opened", &d->deltas, log);
    }

    /* another worker that took itself for the feeder may have been here */

    if (ngx_fd_info(fd, &fi) != NGX_FILE_ERROR
        && (size_t) ngx_file_size(&fi) != state->deltas_len)
    {
        ngx_http_bell_directory_state_load(d, state, 1, log);
    }

    rc = state->broken ? NGX_DECLINED
                       : ngx_http_bell_state_write_deltas(fd, state, documents,
                                                          n);

    if (rc == NGX_ERROR) {
        rc = ngx_http_bell_state_failed(d, state, "written", &d->deltas, log);
    }

    (void) ngx_close_file(fd);

    return rc;
}


/* NGX_DECLINED: they do not go on from what is there. */

static ngx_int_t
ngx_http_bell_state_write_deltas(ngx_fd_t fd, ngx_http_bell_state_t *state,
    bell_str *documents, ngx_uint_t n)
{
    bool                 whole;
    char                 reason[NGX_HTTP_BELL_REASON_LEN];
    ngx_int_t            rc;
    ngx_uint_t           i;
    bell_directory_head  head;

    if (lseek(fd, state->deltas_len, SEEK_SET) == -1) {
        return NGX_ERROR;
    }

    for (i = 0; i < n; i++) {

        if (!bell_directory_peek(documents[i], &head, &whole, reason,
                                 sizeof(reason)))
        {
            return NGX_DECLINED;
        }

        if (head.version <= state->version) {
            continue;
        }

        if (head.from != state->version) {
            state->broken = 1;
            return NGX_DECLINED;
        }

        if (ngx_http_bell_state_write(fd, documents[i]) != NGX_OK) {

            /* what was cut short must not stand before what comes */

            rc = ftruncate(fd, state->deltas_len);
            (void) rc;

            return NGX_ERROR;
        }

        state->deltas_len += documents[i].len;
        state->version = head.version;
    }

    return NGX_OK;
}
