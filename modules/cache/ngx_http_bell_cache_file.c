
/*
 * Files of the shelf, as they are read: found, checked and sent by nginx's own
 * filters; or read by those who wait for what is still being written.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_cache_load.h"
#include "ngx_http_bell_cache_shelf.h"


#define NGX_HTTP_BELL_CACHE_FILE_TRIES  2
#define NGX_HTTP_BELL_CACHE_TELL_S      60


static ngx_int_t ngx_http_bell_cache_file_open(ngx_http_bell_cache_ctx_t *ctx,
    uint64_t id, ngx_http_bell_cache_file_t *file);
static ngx_int_t ngx_http_bell_cache_file_head(ngx_http_bell_cache_ctx_t *ctx,
    bell_shelf_object *o, ngx_http_bell_cache_file_t *file, bell_str key);


/* ---- names */

u_char *
ngx_http_bell_cache_file_name(ngx_path_t *path, uint64_t id, u_char *name)
{
    size_t  len;

    len = path->name.len + 1 + path->len + BELL_SHELF_NAME_BYTES;

    ngx_memcpy(name, path->name.data, path->name.len);

    bell_shelf_name_write(id, (char *) name + len - BELL_SHELF_NAME_BYTES);

    name[len] = '\0';

    ngx_create_hashed_filename(path, name, len);

    return name;
}


void
ngx_http_bell_cache_file_failed(ngx_http_bell_cache_zone_t *zone,
    ngx_log_t *log, ngx_err_t err, const char *what, u_char *name)
{
    ngx_atomic_uint_t                    now, told;
    ngx_http_bell_cache_shelf_shared_t  *sh;

    sh = zone->sh->shelf;
    now = ngx_time();
    told = sh->told_s;

    (void) __atomic_fetch_add(&sh->failures, 1, __ATOMIC_RELAXED);

    if (now < told + NGX_HTTP_BELL_CACHE_TELL_S
        || !ngx_atomic_cmp_set(&sh->told_s, told, now))
    {
        return;
    }

    ngx_log_error(NGX_LOG_ERR, log, err,
                  "bell_cache_zone: a file of zone \"%V\" %s: \"%s\"; of "
                  "such, one a minute is told", &zone->shm_zone->shm.name, what,
                  name);
}


/* ---- what is whole */

ngx_int_t
ngx_http_bell_cache_file_find(ngx_http_bell_cache_ctx_t *ctx,
    bell_cache_hash *hash, bell_str key)
{
    ngx_int_t                     rc;
    ngx_uint_t                    i;
    bell_shelf_object             o;
    ngx_http_bell_cache_file_t   *file;
    ngx_http_bell_cache_found_t  *found;

    found = &ctx->found;
    file = NULL;

    for (i = 0; i < NGX_HTTP_BELL_CACHE_FILE_TRIES; i++) {

        if (ngx_http_bell_cache_shelf_get(ctx->zone, hash, &o) != NGX_OK) {
            return NGX_DECLINED;
        }

        if (file == NULL) {
            file = ngx_pcalloc(ctx->pool, sizeof(*file));
            if (file == NULL) {
                return NGX_ERROR;
            }
        }

        rc = ngx_http_bell_cache_file_head(ctx, &o, file, key);

        if (rc != NGX_DECLINED) {
            break;
        }
    }

    if (i == NGX_HTTP_BELL_CACHE_FILE_TRIES) {
        return NGX_DECLINED;
    }

    if (rc == NGX_OK) {
        found->hash = *hash;
        found->file = file;
        found->entry.times = o.times;
        found->entry.id = o.id;
        found->entry.url = o.url;
        found->entry.body_bytes = o.body_bytes;
        found->entry.checked = o.checked;
        found->entry.head = file->head;
        found->entry.body = file->body;
        found->entry.version = file->version;
        found->entry.head_bytes = o.head_bytes;
        found->entry.kind = o.kind;

        return NGX_OK;
    }

    return rc == NGX_ABORT ? NGX_DECLINED : rc;
}


/*
 * NGX_DECLINED: it is not there (any more), or is not what it should be, and
 * is on the shelf no longer; NGX_ABORT: it is another key's.
 */

static ngx_int_t
ngx_http_bell_cache_file_head(ngx_http_bell_cache_ctx_t *ctx,
    bell_shelf_object *o, ngx_http_bell_cache_file_t *file, bell_str key)
{
    off_t                         at;
    size_t                        len;
    u_char                       *p;
    ssize_t                       n;
    bell_str                      end;
    bell_shelf_object             is;
    ngx_http_bell_cache_zone_t   *zone;

    zone = ctx->zone;

    if (ngx_http_bell_cache_file_open(ctx, o->id, file) != NGX_OK) {
        ngx_http_bell_cache_file_lost(ctx, o, file, "cannot be opened");
        return NGX_DECLINED;
    }

    len = o->head_bytes + BELL_SHELF_TRAILER_BYTES;
    at = (off_t) (o->bytes - len);

    p = ngx_palloc(ctx->pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    do {
        n = pread(file->fd, p, len, at);
    } while (n == -1 && ngx_errno == NGX_EINTR);

    if (n == -1) {
        ngx_http_bell_cache_file_lost(ctx, o, file, "cannot be read");
        return NGX_DECLINED;
    }

    ngx_set_errno(0);

    end.p = (char *) p;
    end.len = n;

    if ((size_t) n != len
        || !bell_shelf_trailer_read(zone->sh->key, end, &is)
        || is.id != o->id || is.body_bytes != o->body_bytes)
    {
        ngx_http_bell_cache_file_lost(ctx, o, file,
                                      "is not what was written");
        return NGX_DECLINED;
    }

    end.len = o->head_bytes;

    if (ngx_http_bell_cache_parse_head(end, &ctx->found) != NGX_OK
        || ctx->found.key.len != key.len
        || ngx_memcmp(ctx->found.key.p, key.p, key.len) != 0)
    {
        return NGX_ABORT;
    }

    file->id = o->id;
    file->bytes = o->bytes;
    file->stamp = o->stamp;
    file->body_crc = is.body_crc;

    return ngx_http_bell_cache_bring_back(ctx, o, file, p);
}


/*
 * As nginx opens its own files, "open_file_cache" and all.  A name is one
 * object's forever, so what is open by it is never another's.  Without direct
 * reading: what is read here is not aligned.
 */

static ngx_int_t
ngx_http_bell_cache_file_open(ngx_http_bell_cache_ctx_t *ctx, uint64_t id,
    ngx_http_bell_cache_file_t *file)
{
    ngx_open_file_info_t          of;
    ngx_http_core_loc_conf_t     *clcf;
    ngx_http_bell_cache_shelf_t  *shelf;

    shelf = ctx->zone->shelf;

    file->name.len = shelf->path->name.len + 1 + shelf->path->len
                     + BELL_SHELF_NAME_BYTES;
    file->name.data = ngx_pnalloc(ctx->pool, file->name.len + 1);

    if (file->name.data == NULL) {
        file->name.data = (u_char *) "";
        return NGX_ERROR;
    }

    (void) ngx_http_bell_cache_file_name(shelf->path, id, file->name.data);

    clcf = ngx_http_get_module_loc_conf(ctx->request, ngx_http_core_module);

    ngx_memzero(&of, sizeof(of));

    of.valid = clcf->open_file_cache_valid;
    of.min_uses = clcf->open_file_cache_min_uses;
    of.events = clcf->open_file_cache_events;
    of.directio = NGX_OPEN_FILE_DIRECTIO_OFF;
    of.read_ahead = clcf->read_ahead;

    if (ngx_open_cached_file(clcf->open_file_cache, &file->name, &of,
                             ctx->pool)
        != NGX_OK)
    {
        ngx_set_errno(of.err);
        return NGX_ERROR;
    }

    if (!of.is_file) {
        ngx_set_errno(0);
        return NGX_ERROR;
    }

    file->fd = of.fd;

    return NGX_OK;
}


ngx_int_t
ngx_http_bell_cache_file_end(ngx_http_bell_cache_zone_t *zone, ngx_fd_t fd,
    const bell_shelf_object *o, u_char *p, bell_shelf_object *is)
{
    ssize_t   n;
    bell_str  end;

    end.p = (char *) p;
    end.len = o->head_bytes + BELL_SHELF_TRAILER_BYTES;

    do {
        n = pread(fd, p, end.len, (off_t) (o->bytes - end.len));
    } while (n == -1 && ngx_errno == NGX_EINTR);

    return n == (ssize_t) end.len
           && bell_shelf_trailer_read(zone->sh->key, end, is)
           && is->id == o->id
           ? NGX_OK : NGX_DECLINED;
}


/* It goes from the shelf, if it was not somebody else who took it. */

void
ngx_http_bell_cache_file_lost(ngx_http_bell_cache_ctx_t *ctx,
    bell_shelf_object *o, ngx_http_bell_cache_file_t *file, const char *what)
{
    ngx_err_t                     err;
    ngx_int_t                     rc;
    ngx_http_bell_cache_filed_t   filed;

    err = ngx_errno;

    ngx_http_bell_cache_lock(ctx->zone);

    rc = ngx_http_bell_cache_shelf_of(ctx->zone, &o->hash, &filed);

    if (rc == NGX_OK && filed.id == o->id && filed.stamp == o->stamp) {
        ngx_http_bell_cache_shelf_forget(ctx->zone, &o->hash, 0);

    } else {
        rc = NGX_DECLINED;
    }

    ngx_http_bell_cache_unlock(ctx->zone);

    if (rc == NGX_OK) {
        ngx_http_bell_cache_file_failed(ctx->zone,
                                        ctx->request->connection->log, err,
                                        what, file->name.data);
    }
}


ngx_int_t
ngx_http_bell_cache_file_body(ngx_http_bell_cache_ctx_t *ctx, ngx_chain_t *out)
{
    ngx_buf_t                   *b;
    ngx_http_request_t          *r;
    ngx_http_bell_cache_file_t  *file;

    r = ctx->request;
    file = ctx->found.file;

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_ERROR;
    }

    if (r->method != NGX_HTTP_HEAD && ctx->found.entry.body_bytes) {

        b->file = ngx_pcalloc(r->pool, sizeof(ngx_file_t));
        if (b->file == NULL) {
            return NGX_ERROR;
        }

        b->file->fd = file->fd;
        b->file->name = file->name;
        b->file->log = r->connection->log;

        b->file_pos = 0;
        b->file_last = (off_t) ctx->found.entry.body_bytes;
        b->in_file = 1;
    }

    b->last_buf = 1;
    b->last_in_chain = 1;

    out->buf = b;
    out->next = NULL;

    return NGX_OK;
}


/* ---- what is being written */

size_t
ngx_http_bell_cache_file_read(ngx_http_bell_cache_ctx_t *ctx,
    ngx_http_bell_cache_flight_t *flight, u_char *p, size_t len)
{
    ssize_t  n;

    if (len == 0) {
        return 0;
    }

    if (ngx_http_bell_cache_file_follow(ctx, flight->entry.id) != NGX_OK) {
        return 0;
    }

    do {
        n = pread(ctx->file->fd, p, len, (off_t) ctx->sent);
    } while (n == -1 && ngx_errno == NGX_EINTR);

    if (n <= 0) {
        ngx_http_bell_cache_file_failed(ctx->zone,
                                        ctx->request->connection->log,
                                        n ? ngx_errno : 0, "cannot be read",
                                        ctx->file->name.data);
        return 0;
    }

    return n;
}


/* It has one name while it is written, and another one when it is whole. */

ngx_int_t
ngx_http_bell_cache_file_follow(ngx_http_bell_cache_ctx_t *ctx, uint64_t id)
{
    ngx_uint_t                    i;
    ngx_path_t                   *paths[2];
    ngx_pool_cleanup_t           *cln;
    ngx_pool_cleanup_file_t      *clnf;
    ngx_http_bell_cache_file_t   *file;
    ngx_http_bell_cache_shelf_t  *shelf;

    if (ctx->file && ctx->file->id == id) {
        return NGX_OK;
    }

    shelf = ctx->zone->shelf;

    file = ngx_pcalloc(ctx->request->pool, sizeof(*file));
    cln = ngx_pool_cleanup_add(ctx->request->pool,
                               sizeof(ngx_pool_cleanup_file_t));

    if (file == NULL || cln == NULL) {
        return NGX_ERROR;
    }

    file->name.data = ngx_pnalloc(ctx->request->pool, NGX_MAX_PATH);
    if (file->name.data == NULL) {
        return NGX_ERROR;
    }

    paths[0] = shelf->temp;
    paths[1] = shelf->path;

    for (i = 0; i < 2; i++) {
        (void) ngx_http_bell_cache_file_name(paths[i], id, file->name.data);

        file->fd = ngx_open_file(file->name.data,
                                 NGX_FILE_RDONLY|NGX_FILE_NONBLOCK,
                                 NGX_FILE_OPEN, 0);

        if (file->fd != NGX_INVALID_FILE) {
            break;
        }
    }

    if (file->fd == NGX_INVALID_FILE) {
        return NGX_ERROR;
    }

    clnf = cln->data;
    clnf->fd = file->fd;
    clnf->name = file->name.data;
    clnf->log = ctx->request->pool->log;

    cln->handler = ngx_pool_cleanup_file;

    file->id = id;
    ctx->file = file;

    return NGX_OK;
}
