
/*
 * The directory's feed from a file.
 *
 * Every worker has a timer.  At each turn the first one whose timer fires
 * looks at the file for all of them; nobody is appointed for longer than a
 * turn, so that there is nobody whose death would have to be noticed.  Old
 * workers that only finish their requests after a reload take no part.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include <stdio.h>

#include "ngx_http_bell_directory.h"


/* a snapshot of 50,000 tenants has some 20 megabytes */
#define NGX_HTTP_BELL_FILE_MAX  (256 * 1024 * 1024)


static void ngx_http_bell_directory_file_timer(ngx_event_t *ev);
static ngx_uint_t ngx_http_bell_directory_file_elected(
    ngx_http_bell_directory_t *d);
static void ngx_http_bell_directory_file_poll(ngx_http_bell_directory_t *d,
    ngx_log_t *log);
static ngx_uint_t ngx_http_bell_directory_file_is_judged(
    ngx_http_bell_directory_t *d);
static ngx_int_t ngx_http_bell_directory_file_judge(
    ngx_http_bell_directory_t *d, char *reason);
static ngx_int_t ngx_http_bell_directory_file_closed(
    ngx_http_bell_directory_t *d, ngx_http_bell_directory_stamp_t *stamp,
    char *reason);
static ngx_int_t ngx_http_bell_directory_file_read_all(ngx_fd_t fd,
    ngx_str_t *content, char *reason);
static void ngx_http_bell_directory_file_stamp(
    ngx_http_bell_directory_stamp_t *stamp, ngx_file_info_t *fi);


static ngx_http_bell_directory_t  *ngx_http_bell_directory_watched;


ngx_int_t
ngx_http_bell_directory_file_load(ngx_http_bell_directory_t *d, ngx_log_t *log)
{
    char       reason[NGX_HTTP_BELL_REASON_LEN];
    ngx_int_t  rc;

    /* a new zone: there is nobody else yet, and nothing older */

    if (ngx_http_bell_directory_lock(d, log) != NGX_OK) {
        return NGX_ERROR;
    }

    rc = ngx_http_bell_directory_file_judge(d, reason);

    ngx_http_bell_directory_unlock(d);

    if (rc == NGX_OK) {
        return NGX_OK;
    }

    ngx_log_error(NGX_LOG_EMERG, log, 0,
                  "bell_directory: \"%V\" is refused: %s; the edge has no "
                  "other directory to start with: let \"firstbell jobs\" write "
                  "the file, or correct \"bell_directory\" in %V:%ui",
                  &d->file, reason, &d->conf_file, d->conf_line);

    return NGX_ERROR;
}


void
ngx_http_bell_directory_file_watch(ngx_http_bell_directory_t *d,
    ngx_log_t *log)
{
    ngx_http_bell_directory_watched = d;

    d->dummy.fd = (ngx_socket_t) -1;
    d->dummy.data = d;

    d->timer.handler = ngx_http_bell_directory_file_timer;
    d->timer.data = &d->dummy;
    d->timer.log = log;

    /* a worker that finishes its last requests is not held by it */

    d->timer.cancelable = 1;

    ngx_http_bell_directory_sweep(d, log);

    /* at once: the file may have changed since the master read it */

    ngx_add_timer(&d->timer, 1);
}


ngx_uint_t
ngx_http_bell_directory_file_unwatch(void)
{
    ngx_http_bell_directory_t  *d;

    d = ngx_http_bell_directory_watched;

    if (d == NULL) {
        return 0;
    }

    if (d->timer.timer_set) {
        ngx_del_timer(&d->timer);
    }

    ngx_http_bell_directory_watched = NULL;

    return 1;
}


static void
ngx_http_bell_directory_file_timer(ngx_event_t *ev)
{
    ngx_connection_t           *c;
    ngx_http_bell_directory_t  *d;

    if (ngx_exiting || ngx_quit || ngx_terminate) {
        return;
    }

    c = ev->data;
    d = c->data;

    if (ngx_http_bell_directory_file_elected(d)) {
        ngx_http_bell_directory_file_poll(d, ev->log);
    }

    ngx_add_timer(ev, d->interval);
}


static ngx_uint_t
ngx_http_bell_directory_file_elected(ngx_http_bell_directory_t *d)
{
    ngx_msec_t                     now, last;
    ngx_http_bell_directory_sh_t  *sh;

    sh = d->sh;

    now = ngx_current_msec;
    last = sh->polled_ms;

    /*
     * The quarter less keeps timers that fire side by side, each a hair
     * early or late, from leaving out every other turn.
     */

    if (!sh->recheck
        && (ngx_msec_int_t) (now - last)
           < (ngx_msec_int_t) (d->interval - d->interval / 4))
    {
        return 0;
    }

    return ngx_atomic_cmp_set(&sh->polled_ms, last, now);
}


static void
ngx_http_bell_directory_file_poll(ngx_http_bell_directory_t *d, ngx_log_t *log)
{
    char      reason[NGX_HTTP_BELL_REASON_LEN];
    uint64_t  version;

    if (ngx_http_bell_directory_file_is_judged(d)) {
        return;
    }

    if (ngx_http_bell_directory_lock(d, log) != NGX_OK) {
        return;
    }

    /* somebody may have been here between the look and the lock */

    if (ngx_http_bell_directory_file_is_judged(d)) {
        ngx_http_bell_directory_unlock(d);
        return;
    }

    version = ngx_http_bell_directory_version(d);

    switch (ngx_http_bell_directory_file_judge(d, reason)) {

    case NGX_OK:
        ngx_log_error(NGX_LOG_NOTICE, log, 0,
                      "bell_directory: version %uL is in service, after %uL",
                      ngx_http_bell_directory_version(d), version);
        break;

    case NGX_DECLINED:
    case NGX_ERROR:
        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "bell_directory: \"%V\" is refused: %s; version %uL "
                      "stays in service",
                      &d->file, reason, version);
        break;

    default: /* NGX_DONE */
        break;
    }

    ngx_http_bell_directory_unlock(d);
}


/*
 * Without the lock this may read a stamp that is being written: the answer
 * is asked for again under the lock, or at the next turn.
 */

static ngx_uint_t
ngx_http_bell_directory_file_is_judged(ngx_http_bell_directory_t *d)
{
    ngx_file_info_t                   fi;
    ngx_http_bell_directory_stamp_t   stamp;

    if (!d->sh->judged || d->sh->recheck) {
        return 0;
    }

    ngx_memzero(&stamp, sizeof(ngx_http_bell_directory_stamp_t));

    if (ngx_file_info(d->file.data, &fi) != NGX_FILE_ERROR) {
        ngx_http_bell_directory_file_stamp(&stamp, &fi);
    }

    return ngx_memcmp(&stamp, &d->sh->stamp,
                      sizeof(ngx_http_bell_directory_stamp_t))
           == 0;
}


/*
 * Reads and applies the file, and notes which file that was, so that a bad
 * one is reported once.  The lock is held.  A process that is killed in here
 * has noted nothing, and the file is judged again.
 */

static ngx_int_t
ngx_http_bell_directory_file_judge(ngx_http_bell_directory_t *d, char *reason)
{
    ngx_fd_t                         fd;
    ngx_int_t                        rc;
    ngx_str_t                        content;
    ngx_file_info_t                  fi;
    ngx_http_bell_directory_stamp_t  stamp;

    d->sh->recheck = 0;

    ngx_memzero(&stamp, sizeof(ngx_http_bell_directory_stamp_t));
    ngx_str_null(&content);

    fd = ngx_open_file(d->file.data, NGX_FILE_RDONLY|NGX_FILE_NONBLOCK,
                       NGX_FILE_OPEN, 0);

    if (fd == NGX_INVALID_FILE) {
        rc = ngx_http_bell_directory_file_closed(d, &stamp, reason);

    } else {
        rc = ngx_http_bell_directory_read_file(fd, &content, &fi,
                                               d->shm_zone->shm.log, reason);
        ngx_http_bell_directory_file_stamp(&stamp, &fi);
        (void) ngx_close_file(fd);
    }

    if (rc == NGX_OK) {
        rc = ngx_http_bell_directory_apply(d,
                                           (bell_str) { (char *) content.data,
                                                        content.len },
                                           reason);
    }

    if (content.data) {
        ngx_free(content.data);
    }

    if (rc != NGX_ERROR) {
        d->sh->stamp = stamp;
        d->sh->judged = 1;
    }

    return rc;
}


/* NGX_ERROR: nothing is wrong with the file, the next turn tries again. */

static ngx_int_t
ngx_http_bell_directory_file_closed(ngx_http_bell_directory_t *d,
    ngx_http_bell_directory_stamp_t *stamp, char *reason)
{
    ngx_err_t        err;
    ngx_file_info_t  fi;

    err = ngx_errno;

    snprintf(reason, NGX_HTTP_BELL_REASON_LEN,
             "it cannot be opened: %s", strerror(err));

    if (err == NGX_EMFILE || err == NGX_ENFILE || err == NGX_ENOMEM) {
        return NGX_ERROR;
    }

    if (ngx_file_info(d->file.data, &fi) != NGX_FILE_ERROR) {
        ngx_http_bell_directory_file_stamp(stamp, &fi);
    }

    return NGX_DECLINED;
}


ngx_int_t
ngx_http_bell_directory_read_file(ngx_fd_t fd, ngx_str_t *content,
    ngx_file_info_t *fi, ngx_log_t *log, char *reason)
{
    ngx_memzero(fi, sizeof(ngx_file_info_t));

    if (ngx_fd_info(fd, fi) == NGX_FILE_ERROR) {
        snprintf(reason, NGX_HTTP_BELL_REASON_LEN,
                 "it cannot be examined: %s", strerror(ngx_errno));
        return NGX_ERROR;
    }

    if (!ngx_is_file(fi)) {
        snprintf(reason, NGX_HTTP_BELL_REASON_LEN, "it is not a regular file");
        return NGX_DECLINED;
    }

    if (ngx_file_size(fi) > NGX_HTTP_BELL_FILE_MAX) {
        snprintf(reason, NGX_HTTP_BELL_REASON_LEN,
                 "it has %lld bytes and %d are the most that a directory may "
                 "have",
                 (long long) ngx_file_size(fi), NGX_HTTP_BELL_FILE_MAX);
        return NGX_DECLINED;
    }

    content->len = ngx_file_size(fi);

    /* one byte more, because an empty file is refused by what reads it */

    content->data = ngx_alloc(content->len + 1, log);
    if (content->data == NULL) {
        snprintf(reason, NGX_HTTP_BELL_REASON_LEN,
                 "there is no memory for its %zu bytes", content->len);
        return NGX_ERROR;
    }

    return ngx_http_bell_directory_file_read_all(fd, content, reason);
}


static ngx_int_t
ngx_http_bell_directory_file_read_all(ngx_fd_t fd, ngx_str_t *content,
    char *reason)
{
    size_t   len;
    ssize_t  n;

    len = 0;

    while (len < content->len) {
        n = ngx_read_fd(fd, content->data + len, content->len - len);

        if (n == -1 && ngx_errno == NGX_EINTR) {
            continue;
        }

        if (n == -1) {
            snprintf(reason, NGX_HTTP_BELL_REASON_LEN,
                     "it cannot be read: %s", strerror(ngx_errno));
            return NGX_ERROR;
        }

        if (n == 0) {
            break;
        }

        len += n;
    }

    /* one that is being cut short under our hands fails its checksum */

    content->len = len;

    return NGX_OK;
}


static void
ngx_http_bell_directory_file_stamp(ngx_http_bell_directory_stamp_t *stamp,
    ngx_file_info_t *fi)
{
    stamp->dev = fi->st_dev;
    stamp->ino = fi->st_ino;
    stamp->size = fi->st_size;
    stamp->mtime_ns = (uint64_t) fi->st_mtim.tv_sec * 1000000000
                      + fi->st_mtim.tv_nsec;
    stamp->ctime_ns = (uint64_t) fi->st_ctim.tv_sec * 1000000000
                      + fi->st_ctim.tv_nsec;
}
