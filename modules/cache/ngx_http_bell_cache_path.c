
/*
 * Where the files of a zone are, and that nobody else has them: the words of
 * bell_cache_zone that say so, and a file with a lock on it, which lasts as
 * long as a process of this nginx lives.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <sys/file.h>

#include "ngx_http_bell_cache_shelf.h"


#define NGX_HTTP_BELL_CACHE_DISK       (10LL * 1024 * 1024 * 1024)
#define NGX_HTTP_BELL_CACHE_LEAST_DISK (1024 * 1024)
#define NGX_HTTP_BELL_CACHE_FILE_MAX   (1024LL * 1024 * 1024)
#define NGX_HTTP_BELL_CACHE_FILE_BYTES (64 * 1024)  /* one on average */
#define NGX_HTTP_BELL_CACHE_PATH_BYTES (NGX_MAX_PATH - 64)


static ngx_http_bell_cache_shelf_t *ngx_http_bell_cache_shelf_conf(
    ngx_conf_t *cf, ngx_http_bell_cache_zone_t *zone);
static ngx_int_t ngx_http_bell_cache_shelf_path(ngx_conf_t *cf,
    ngx_http_bell_cache_shelf_t *shelf, u_char *p, size_t len);
static ngx_int_t ngx_http_bell_cache_shelf_levels(
    ngx_http_bell_cache_shelf_t *shelf, u_char *p, size_t len);
static ngx_int_t ngx_http_bell_cache_shelf_same(
    ngx_http_bell_cache_shelf_t *shelf, ngx_http_bell_cache_shelf_t *old);
static ngx_int_t ngx_http_bell_cache_make_temp(
    ngx_http_bell_cache_shelf_t *shelf, ngx_log_t *log);
static ngx_int_t ngx_http_bell_cache_lock_path(
    ngx_http_bell_cache_zone_t *zone, ngx_uint_t is_late, ngx_log_t *log);
static void ngx_http_bell_cache_unlock_path(void *data);


/* ---- words */

ngx_int_t
ngx_http_bell_cache_shelf_option(ngx_conf_t *cf,
    ngx_http_bell_cache_zone_t *zone, ngx_str_t *word)
{
    off_t                         n;
    ngx_str_t                     s;
    ngx_uint_t                    i;
    ngx_http_bell_cache_shelf_t  *shelf;

    static ngx_str_t  words[] = {
        ngx_string("path="),
        ngx_string("levels="),
        ngx_string("disk="),
        ngx_string("largest_file="),
        ngx_string("files=")
    };

    for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (ngx_strncmp(word->data, words[i].data, words[i].len) == 0) {
            break;
        }
    }

    if (i == sizeof(words) / sizeof(words[0])) {
        return NGX_DECLINED;
    }

    shelf = ngx_http_bell_cache_shelf_conf(cf, zone);
    if (shelf == NULL) {
        return NGX_ERROR;
    }

    s.data = word->data + words[i].len;
    s.len = word->len - words[i].len;

    switch (i) {

    case 0:
        if (ngx_http_bell_cache_shelf_path(cf, shelf, s.data, s.len)
            == NGX_OK)
        {
            return NGX_OK;
        }

        break;

    case 1:
        if (ngx_http_bell_cache_shelf_levels(shelf, s.data, s.len) == NGX_OK) {
            return NGX_OK;
        }

        break;

    case 4:
        n = ngx_atoi(s.data, s.len);

        if (n >= 64 && n <= 100 * 1000 * 1000) {
            shelf->files = n;
            return NGX_OK;
        }

        break;

    default:
        n = ngx_parse_offset(&s);

        if (n >= (i == 2 ? NGX_HTTP_BELL_CACHE_LEAST_DISK : 1024)) {
            *(i == 2 ? &shelf->disk : &shelf->largest) = n;
            return NGX_OK;
        }
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid parameter \"%V\": path=FOLDER, levels=1:2, "
                       "disk=SIZE of 1m or more, largest_file=SIZE of 1k or "
                       "more and files=N from 64 to 100000000 are expected",
                       word);

    return NGX_ERROR;
}


static ngx_http_bell_cache_shelf_t *
ngx_http_bell_cache_shelf_conf(ngx_conf_t *cf,
    ngx_http_bell_cache_zone_t *zone)
{
    ngx_http_bell_cache_shelf_t  *shelf;

    if (zone->shelf) {
        return zone->shelf;
    }

    shelf = ngx_pcalloc(cf->pool, sizeof(*shelf));
    if (shelf == NULL) {
        return NULL;
    }

    shelf->path = ngx_pcalloc(cf->pool, sizeof(ngx_path_t));
    shelf->temp = ngx_pcalloc(cf->pool, sizeof(ngx_path_t));

    if (shelf->path == NULL || shelf->temp == NULL) {
        return NULL;
    }

    zone->shelf = shelf;

    return shelf;
}


static ngx_int_t
ngx_http_bell_cache_shelf_path(ngx_conf_t *cf,
    ngx_http_bell_cache_shelf_t *shelf, u_char *p, size_t len)
{
    u_char      *last;
    ngx_path_t  *path, *temp;

    path = shelf->path;
    temp = shelf->temp;

    while (len > 1 && p[len - 1] == '/') {
        p[--len] = '\0';
    }

    path->name.data = p;
    path->name.len = len;

    if (len == 0 || ngx_conf_full_name(cf->cycle, &path->name, 0) != NGX_OK
        || path->name.len > NGX_HTTP_BELL_CACHE_PATH_BYTES)
    {
        return NGX_ERROR;
    }

    temp->name.data = ngx_pnalloc(cf->pool,
                                  path->name.len + sizeof("/temp"));
    if (temp->name.data == NULL) {
        return NGX_ERROR;
    }

    last = ngx_sprintf(temp->name.data, "%V/temp%Z", &path->name);
    temp->name.len = last - temp->name.data - 1;

    path->conf_file = cf->conf_file->file.name.data;
    path->line = cf->conf_file->line;

    temp->conf_file = path->conf_file;
    temp->line = path->line;

    return NGX_OK;
}


/* As of proxy_cache_path: one to three of 1 or 2, with colons between them. */

static ngx_int_t
ngx_http_bell_cache_shelf_levels(ngx_http_bell_cache_shelf_t *shelf, u_char *p,
    size_t len)
{
    size_t       i;
    ngx_path_t  *path;

    path = shelf->path;
    path->len = 0;

    if (len % 2 == 0 || len > 2 * NGX_MAX_PATH_LEVEL - 1) {
        return NGX_ERROR;
    }

    for (i = 0; i < len; i += 2) {
        if ((p[i] != '1' && p[i] != '2') || (i + 1 < len && p[i + 1] != ':')) {
            return NGX_ERROR;
        }

        path->level[i / 2] = p[i] - '0';
        path->len += path->level[i / 2] + 1;
    }

    return NGX_OK;
}


char *
ngx_http_bell_cache_shelf_add(ngx_conf_t *cf,
    ngx_http_bell_cache_zone_t *zone, size_t size)
{
    ngx_path_t                   *path;
    ngx_uint_t                    n;
    ngx_pool_cleanup_t           *cln;
    ngx_http_bell_cache_shelf_t  *shelf;

    shelf = zone->shelf;
    path = shelf->path;

    if (path->name.len == 0) {
        return "has words about files, but no \"path=\"";
    }

    if (path->len == 0) {
        (void) ngx_http_bell_cache_shelf_levels(shelf, (u_char *) "1:2", 3);
    }

    if (shelf->disk == 0) {
        shelf->disk = NGX_HTTP_BELL_CACHE_DISK;
    }

    if (shelf->largest == 0) {
        shelf->largest = ngx_min(NGX_HTTP_BELL_CACHE_FILE_MAX,
                                 shelf->disk / 8);
    }

    if (shelf->largest > shelf->disk / 8) {
        return "has a \"largest_file\" of more than an eighth of \"disk\"";
    }

    if (shelf->files == 0) {
        n = size / 4 / (sizeof(bell_cache_entry) + 32);
        shelf->files = ngx_min((ngx_uint_t) (shelf->disk
                                             / NGX_HTTP_BELL_CACHE_FILE_BYTES),
                               n);
        shelf->files = ngx_max(shelf->files, 64);
    }

    /* made, and given to the workers' user, when nginx starts or reloads */

    shelf->cycle = cf->cycle;

    if (ngx_add_path(cf, &shelf->path) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    if (shelf->path != path) {
        return "has a \"path=\" that is used for something else";
    }

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NGX_CONF_ERROR;
    }

    cln->handler = ngx_http_bell_cache_unlock_path;
    cln->data = shelf;

    return NGX_CONF_OK;
}


/* ---- whose they are */

ngx_int_t
ngx_http_bell_cache_shelf_open(ngx_http_bell_cache_zone_t *zone,
    ngx_http_bell_cache_zone_t *old, ngx_log_t *log)
{
    ngx_http_bell_cache_shelf_t  *shelf;

    shelf = zone->shelf;

    if (old) {
        if (!ngx_http_bell_cache_shelf_same(shelf, old->shelf)) {
            ngx_log_error(NGX_LOG_EMERG, log, 0,
                          "bell_cache_zone: zone \"%V\" cannot have its files "
                          "elsewhere, or other bounds for them, without "
                          "another name or size", &zone->shm_zone->shm.name);
            return NGX_ERROR;
        }

        if (shelf == NULL) {
            return NGX_OK;
        }

        shelf->sh = old->shelf->sh;
        shelf->lock = old->shelf->lock;

        if (shelf->lock) {
            shelf->lock->refs++;
        }
    }

    if (shelf == NULL || ngx_test_config) {
        return NGX_OK;
    }

    if (ngx_http_bell_cache_make_temp(shelf, log) != NGX_OK) {
        return NGX_ERROR;
    }

    return shelf->lock
           ? NGX_OK : ngx_http_bell_cache_lock_path(zone, old != NULL, log);
}


/*
 * As nginx makes the folder above, and gives it away: but that one is the
 * workers' then, and what they may have put into this place is not followed.
 */

static ngx_int_t
ngx_http_bell_cache_make_temp(ngx_http_bell_cache_shelf_t *shelf,
    ngx_log_t *log)
{
    ngx_fd_t          fd;
    ngx_int_t         rc;
    const char       *name;
    ngx_core_conf_t  *ccf;
    ngx_file_info_t   fi;

    ccf = (ngx_core_conf_t *) ngx_get_conf(shelf->cycle->conf_ctx,
                                           ngx_core_module);
    name = (const char *) shelf->temp->name.data;
    rc = NGX_ERROR;

    (void) ngx_create_dir(name, 0700);

    fd = open(name, O_RDONLY|O_DIRECTORY|O_NOFOLLOW|O_CLOEXEC);

    if (fd != NGX_INVALID_FILE && ngx_fd_info(fd, &fi) != NGX_FILE_ERROR
        && (ccf->user == (ngx_uid_t) NGX_CONF_UNSET_UINT
            || fi.st_uid == ccf->user || fchown(fd, ccf->user, -1) == 0))
    {
        rc = NGX_OK;

    } else {
        ngx_log_error(NGX_LOG_EMERG, log, ngx_errno,
                      "bell_cache_zone: \"%s\" cannot be made, or is no "
                      "folder", name);
    }

    if (fd != NGX_INVALID_FILE) {
        (void) ngx_close_file(fd);
    }

    return rc;
}


/*
 * The first process of nginx may be root, and the folder is the workers':
 * what is not a file of its own alone is not opened for it.
 */

ngx_fd_t
ngx_http_bell_cache_open_own(ngx_http_bell_cache_shelf_t *shelf,
    const char *name, int flags, u_char *path)
{
    ngx_fd_t         fd;
    ngx_file_info_t  fi;

    (void) ngx_sprintf(path, "%V/%s%Z", &shelf->path->name, name);

    fd = open((char *) path, flags|O_NOFOLLOW|O_NONBLOCK|O_CLOEXEC, 0600);

    if (fd == NGX_INVALID_FILE) {
        return NGX_INVALID_FILE;
    }

    ngx_memzero(&fi, sizeof(fi));

    if (ngx_fd_info(fd, &fi) != NGX_FILE_ERROR && ngx_is_file(&fi)
        && fi.st_nlink == 1)
    {
        return fd;
    }

    (void) ngx_close_file(fd);

    ngx_set_errno(ngx_is_file(&fi) ? NGX_EMLINK : NGX_EINVAL);

    return NGX_INVALID_FILE;
}


static ngx_int_t
ngx_http_bell_cache_shelf_same(ngx_http_bell_cache_shelf_t *shelf,
    ngx_http_bell_cache_shelf_t *old)
{
    if (shelf == NULL || old == NULL) {
        return shelf == old;
    }

    return shelf->disk == old->disk && shelf->files == old->files
           && shelf->path->name.len == old->path->name.len
           && ngx_strncmp(shelf->path->name.data, old->path->name.data,
                          shelf->path->name.len)
              == 0
           && ngx_memcmp(shelf->path->level, old->path->level,
                         sizeof(shelf->path->level))
              == 0;
}


/*
 * The lock is every process's that has the descriptor from this one, and goes
 * with the last of them.
 */

static ngx_int_t
ngx_http_bell_cache_lock_path(ngx_http_bell_cache_zone_t *zone,
    ngx_uint_t is_late, ngx_log_t *log)
{
    u_char                            name[NGX_MAX_PATH];
    ngx_fd_t                          fd;
    ngx_err_t                         err;
    ngx_http_bell_cache_lock_file_t  *lock;

    fd = ngx_http_bell_cache_open_own(zone->shelf, "lock", O_RDWR|O_CREAT,
                                      name);

    if (fd == NGX_INVALID_FILE) {
        ngx_log_error(NGX_LOG_EMERG, log, ngx_errno,
                      "bell_cache_zone: \"%s\" cannot be made", name);
        return NGX_ERROR;
    }

    if (flock(fd, LOCK_EX|LOCK_NB) == -1) {
        err = ngx_errno;
        (void) ngx_close_file(fd);

        if (err == NGX_EAGAIN && getenv("NGINX")) {

            /* a binary upgrade: the former nginx has them yet */

            ngx_log_error(NGX_LOG_WARN, log, 0,
                          "bell_cache_zone: the nginx before this one has "
                          "\"%V\"; zone \"%V\" goes without files until it "
                          "has gone and this one was reloaded",
                          &zone->shelf->path->name, &zone->shm_zone->shm.name);

            ngx_http_bell_cache_journal_key(zone);
            return NGX_OK;
        }

        ngx_log_error(NGX_LOG_EMERG, log, err == NGX_EAGAIN ? 0 : err,
                      "bell_cache_zone: \"%V\" is another nginx's, or this "
                      "one's from before a reload: one path is for one zone "
                      "of one nginx", &zone->shelf->path->name);
        return NGX_ERROR;
    }

    lock = ngx_alloc(sizeof(*lock), log);

    if (lock == NULL) {
        (void) ngx_close_file(fd);
        return NGX_ERROR;
    }

    lock->fd = fd;
    lock->table = NGX_INVALID_FILE;
    lock->purges = NGX_INVALID_FILE;
    lock->refs = 1;

    zone->shelf->lock = lock;

    return ngx_http_bell_cache_journal_open(zone, is_late, log);
}


static void
ngx_http_bell_cache_unlock_path(void *data)
{
    ngx_http_bell_cache_shelf_t *shelf = data;

    if (shelf->lock == NULL || --shelf->lock->refs) {
        return;
    }

    if (shelf->lock->table != NGX_INVALID_FILE) {
        (void) ngx_close_file(shelf->lock->table);
    }

    if (shelf->lock->purges != NGX_INVALID_FILE) {
        (void) ngx_close_file(shelf->lock->purges);
    }

    (void) ngx_close_file(shelf->lock->fd);
    ngx_free(shelf->lock);
}
