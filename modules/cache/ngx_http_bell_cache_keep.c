
/*
 * The keeper: one worker at a time goes round the files of a zone.  What is
 * doomed is deleted; what no entry names, because somebody was killed before he
 * could write it down or take it away, is found and deleted.  In its first
 * round it reads the bodies that another nginx has left, a piece at a time:
 * those that are brought back into memory are read whole there.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_cache_shelf.h"


#define NGX_HTTP_BELL_CACHE_KEEP_MS      250
#define NGX_HTTP_BELL_CACHE_MORE_MS      10
#define NGX_HTTP_BELL_CACHE_ROUND_S      600    /* between rounds */
#define NGX_HTTP_BELL_CACHE_TEMP_S       5
#define NGX_HTTP_BELL_CACHE_YOUNG_S      60     /* is somebody's yet */
#define NGX_HTTP_BELL_CACHE_LOOKS        64     /* at files, each time */
#define NGX_HTTP_BELL_CACHE_FOLDERS      256    /* that are not there */
#define NGX_HTTP_BELL_CACHE_DELETES      64
#define NGX_HTTP_BELL_CACHE_VERIFIED     (1024 * 1024)  /* bytes, each time */


/* of the process that goes round */

struct ngx_http_bell_cache_round_s {
    ngx_dir_t                     dir;
    u_char                        name[NGX_MAX_PATH];
    size_t                        len;
    ngx_uint_t                    folder;
    ngx_uint_t                    folders;
    uint32_t                      hit;      /* the next in memory */
    time_t                        temp_s;

    bell_shelf_object             object;   /* whose body is being read */
    ngx_fd_t                      fd;
    uint64_t                      at;
    uint32_t                      crc;

    unsigned                      is_open:1;
    unsigned                      is_reading:1;
};


static void ngx_http_bell_cache_keep(ngx_event_t *ev);
static ngx_int_t ngx_http_bell_cache_keeps(
    ngx_http_bell_cache_shelf_t *shelf);
static void ngx_http_bell_cache_sweep_temp(ngx_http_bell_cache_zone_t *zone,
    ngx_log_t *log);
static ngx_uint_t ngx_http_bell_cache_is_flying(
    ngx_http_bell_cache_zone_t *zone, uint64_t id);
static void ngx_http_bell_cache_go_round(ngx_http_bell_cache_zone_t *zone,
    ngx_log_t *log);
static ngx_int_t ngx_http_bell_cache_next_folder(
    ngx_http_bell_cache_shelf_t *shelf, ngx_http_bell_cache_round_t *round);
static void ngx_http_bell_cache_look_at(ngx_http_bell_cache_zone_t *zone,
    u_char *name, uint64_t id, ngx_log_t *log);
static ngx_int_t ngx_http_bell_cache_to_verify(
    ngx_http_bell_cache_zone_t *zone, bell_shelf_object *o, ngx_fd_t fd);
static size_t ngx_http_bell_cache_verify(ngx_http_bell_cache_zone_t *zone,
    ngx_log_t *log);
static void ngx_http_bell_cache_verified(ngx_http_bell_cache_zone_t *zone,
    ngx_uint_t is_right, ngx_log_t *log);
static ngx_int_t ngx_http_bell_cache_file_says(
    ngx_http_bell_cache_zone_t *zone, ngx_fd_t fd, off_t size,
    bell_shelf_object *o);


/* of the configuration that this process keeps, or NULL */

static ngx_http_bell_cache_main_conf_t  *ngx_http_bell_cache_kept;


/* ---- turns */

void
ngx_http_bell_cache_keep_start(ngx_http_bell_cache_main_conf_t *bmcf)
{
    ngx_uint_t                    i;
    ngx_http_bell_cache_zone_t  **zones;

    zones = bmcf->zones.elts;

    for (i = 0; i < bmcf->zones.nelts; i++) {
        if (zones[i]->shelf) {
            break;
        }
    }

    if (i == bmcf->zones.nelts) {
        return;
    }

    ngx_http_bell_cache_timer(bmcf, &bmcf->keep, ngx_http_bell_cache_keep,
                              NGX_HTTP_BELL_CACHE_KEEP_MS);

    ngx_http_bell_cache_kept = bmcf;
}


ngx_uint_t
ngx_http_bell_cache_keep_stop(void)
{
    ngx_uint_t                        i;
    ngx_http_bell_cache_zone_t      **zones;
    ngx_http_bell_cache_round_t      *round;
    ngx_http_bell_cache_main_conf_t  *bmcf;

    bmcf = ngx_http_bell_cache_kept;

    if (bmcf == NULL) {
        return 0;
    }

    ngx_http_bell_cache_kept = NULL;

    if (bmcf->keep.timer_set) {
        ngx_del_timer(&bmcf->keep);
    }

    zones = bmcf->zones.elts;

    for (i = 0; i < bmcf->zones.nelts; i++) {

        if (zones[i]->shelf == NULL) {
            continue;
        }

        ngx_http_bell_cache_behind_stop(zones[i]);

        round = zones[i]->shelf->round;

        if (round && round->is_open) {
            (void) ngx_close_dir(&round->dir);
        }

        if (round && round->is_reading) {
            (void) ngx_close_file(round->fd);
        }

        if (round) {
            ngx_free(round);
            zones[i]->shelf->round = NULL;
        }
    }

    return 1;
}


static void
ngx_http_bell_cache_keep(ngx_event_t *ev)
{
    ngx_uint_t                        i, more;
    ngx_http_bell_cache_zone_t      **zones;
    ngx_http_bell_cache_main_conf_t  *bmcf;

    bmcf = ngx_http_bell_cache_timer_conf(ev);
    zones = bmcf->zones.elts;
    more = 0;

    for (i = 0; i < bmcf->zones.nelts; i++) {

        if (zones[i]->shelf == NULL || zones[i]->sh->shelf->off
            || !ngx_http_bell_cache_keeps(zones[i]->shelf))
        {
            continue;
        }

        more |= ngx_http_bell_cache_journal_flush(zones[i], ev->log);
        ngx_http_bell_cache_delete_doomed(zones[i], ev->log);
        ngx_http_bell_cache_tell_hits(zones[i], &zones[i]->shelf->round->hit);
        ngx_http_bell_cache_sweep_temp(zones[i], ev->log);
        ngx_http_bell_cache_go_round(zones[i], ev->log);
    }

    ngx_add_timer(ev, more ? NGX_HTTP_BELL_CACHE_MORE_MS
                           : NGX_HTTP_BELL_CACHE_KEEP_MS);
}


/* The system knows who has the lock, and takes it from who dies. */

static ngx_int_t
ngx_http_bell_cache_keeps(ngx_http_bell_cache_shelf_t *shelf)
{
    struct flock  fl;

    if (shelf->lock == NULL) {
        return 0;
    }

    if (shelf->round == NULL) {
        shelf->round = ngx_calloc(sizeof(ngx_http_bell_cache_round_t),
                                  ngx_cycle->log);
        if (shelf->round == NULL) {
            return 0;
        }
    }

    ngx_memzero(&fl, sizeof(fl));
    fl.l_type = F_WRLCK;
    fl.l_whence = SEEK_SET;
    fl.l_len = 1;

    return fcntl(shelf->lock->fd, F_SETLK, &fl) == 0;
}


void
ngx_http_bell_cache_delete_doomed(ngx_http_bell_cache_zone_t *zone,
    ngx_log_t *log)
{
    u_char                               name[NGX_MAX_PATH];
    uint64_t                             ids[NGX_HTTP_BELL_CACHE_DELETES];
    ngx_uint_t                           n;
    ngx_http_bell_cache_shelf_shared_t  *sh;

    sh = zone->sh->shelf;

    if (sh == NULL || sh->ndoomed == 0) {
        return;
    }

    ngx_http_bell_cache_lock(zone);

    for (n = 0; n < NGX_HTTP_BELL_CACHE_DELETES && sh->ndoomed; n++) {
        ids[n] = sh->doomed[--sh->ndoomed];
    }

    ngx_http_bell_cache_unlock(zone);

    while (n) {
        (void) ngx_http_bell_cache_file_name(zone->shelf->path, ids[--n],
                                             name);

        if (ngx_delete_file(name) == NGX_FILE_ERROR && ngx_errno != NGX_ENOENT)
        {
            ngx_http_bell_cache_file_failed(zone, log, ngx_errno,
                                            "cannot be deleted", name);
        }
    }
}


/* ---- what was never whole */

static void
ngx_http_bell_cache_sweep_temp(ngx_http_bell_cache_zone_t *zone,
    ngx_log_t *log)
{
    u_char                        name[NGX_MAX_PATH];
    uint64_t                      id;
    ngx_dir_t                     dir;
    ngx_file_info_t               fi;
    ngx_http_bell_cache_shelf_t  *shelf;

    shelf = zone->shelf;

    if (ngx_time() < shelf->round->temp_s
        || ngx_open_dir(&shelf->temp->name, &dir) != NGX_OK)
    {
        return;
    }

    shelf->round->temp_s = ngx_time() + NGX_HTTP_BELL_CACHE_TEMP_S;

    while (ngx_read_dir(&dir) == NGX_OK) {

        if (!bell_shelf_name_read(bell_str_of((char *) ngx_de_name(&dir)),
                                  &id)
            || ngx_http_bell_cache_is_flying(zone, id))
        {
            continue;
        }

        (void) ngx_http_bell_cache_file_name(shelf->temp, id, name);

        if (ngx_link_info(name, &fi) != NGX_FILE_ERROR && ngx_is_file(&fi)
            && ngx_file_mtime(&fi) + NGX_HTTP_BELL_CACHE_YOUNG_S < ngx_time())
        {
            (void) ngx_delete_file(name);
        }
    }

    (void) ngx_close_dir(&dir);
}


static ngx_uint_t
ngx_http_bell_cache_is_flying(ngx_http_bell_cache_zone_t *zone, uint64_t id)
{
    ngx_uint_t                     i;
    ngx_http_bell_cache_flight_t  *flight;

    for (i = 0; i < ngx_http_bell_cache_flights_most(); i++) {
        flight = &zone->sh->flights[i];

        if ((flight->state == NGX_HTTP_BELL_CACHE_COMING
             || flight->state == NGX_HTTP_BELL_CACHE_PASSING)
            && flight->filed && flight->entry.id == id)
        {
            return 1;
        }
    }

    return 0;
}


/* ---- what no entry names */

static void
ngx_http_bell_cache_go_round(ngx_http_bell_cache_zone_t *zone, ngx_log_t *log)
{
    size_t                        bytes;
    u_char                       *name;
    uint64_t                      id;
    ngx_uint_t                    n;
    ngx_http_bell_cache_round_t  *round;

    round = zone->shelf->round;
    bytes = 0;

    for (n = 0; n < NGX_HTTP_BELL_CACHE_LOOKS; n++) {

        if (round->is_reading) {
            bytes += ngx_http_bell_cache_verify(zone, log);

            if (bytes >= NGX_HTTP_BELL_CACHE_VERIFIED) {
                return;
            }

            continue;
        }

        if (!round->is_open
            && ngx_http_bell_cache_next_folder(zone->shelf, round) != NGX_OK)
        {
            return;
        }

        if (ngx_read_dir(&round->dir) != NGX_OK) {
            (void) ngx_close_dir(&round->dir);
            round->is_open = 0;
            continue;
        }

        name = ngx_de_name(&round->dir);

        if (!bell_shelf_name_read(bell_str_of((char *) name), &id)) {
            continue;
        }

        name = round->name;
        name[round->len] = '/';
        ngx_memcpy(name + round->len + 1, ngx_de_name(&round->dir),
                   BELL_SHELF_NAME_BYTES + 1);

        ngx_http_bell_cache_look_at(zone, name, id, log);
    }
}


/* NGX_DECLINED: that was enough for now. */

static ngx_int_t
ngx_http_bell_cache_next_folder(ngx_http_bell_cache_shelf_t *shelf,
    ngx_http_bell_cache_round_t *round)
{
    u_char      *p;
    ngx_str_t    name;
    ngx_uint_t   i, j, n, digits;

    digits = 0;

    for (i = 0; i < NGX_MAX_PATH_LEVEL; i++) {
        digits += shelf->path->level[i];
    }

    for (n = 0; n < NGX_HTTP_BELL_CACHE_FOLDERS; n++) {

        if (round->folder == (ngx_uint_t) 1 << (4 * digits)) {
            shelf->sh->verified = 1;

            if (shelf->sh->round_s + NGX_HTTP_BELL_CACHE_ROUND_S
                > (ngx_atomic_uint_t) ngx_time())
            {
                return NGX_DECLINED;
            }

            round->folder = 0;
        }

        if (round->folder == 0) {
            shelf->sh->round_s = ngx_time();
        }

        p = ngx_cpymem(round->name, shelf->path->name.data,
                       shelf->path->name.len);

        j = round->folder++;

        for (i = 0; i < NGX_MAX_PATH_LEVEL && shelf->path->level[i]; i++) {
            p = shelf->path->level[i] == 1 ? ngx_sprintf(p, "/%xi", j & 15)
                                           : ngx_sprintf(p, "/%02xi", j & 255);
            j >>= 4 * shelf->path->level[i];
        }

        *p = '\0';

        name.data = round->name;
        name.len = p - round->name;

        if (ngx_open_dir(&name, &round->dir) == NGX_OK) {
            round->len = name.len;
            round->is_open = 1;
            return NGX_OK;
        }
    }

    return NGX_DECLINED;
}


static void
ngx_http_bell_cache_look_at(ngx_http_bell_cache_zone_t *zone, u_char *name,
    uint64_t id, ngx_log_t *log)
{
    ngx_fd_t                      fd;
    ngx_int_t                     rc;
    ngx_file_info_t               fi;
    bell_shelf_object             o;
    ngx_http_bell_cache_filed_t   filed;

    fd = ngx_open_file(name, NGX_FILE_RDONLY|NGX_FILE_NONBLOCK, NGX_FILE_OPEN,
                       0);

    if (fd == NGX_INVALID_FILE) {
        return;
    }

    if (ngx_fd_info(fd, &fi) == NGX_FILE_ERROR || !ngx_is_file(&fi)
        || ngx_file_mtime(&fi) + NGX_HTTP_BELL_CACHE_YOUNG_S >= ngx_time())
    {
        (void) ngx_close_file(fd);
        return;
    }

    rc = ngx_http_bell_cache_file_says(zone, fd, ngx_file_size(&fi), &o);

    if (rc == NGX_OK) {
        ngx_http_bell_cache_lock(zone);
        rc = ngx_http_bell_cache_shelf_of(zone, &o.hash, &filed);
        ngx_http_bell_cache_unlock(zone);
    }

    if (rc == NGX_OK && filed.id == id && o.id == id) {
        if (ngx_http_bell_cache_to_verify(zone, &o, fd) != NGX_OK) {
            (void) ngx_close_file(fd);
        }

        return;
    }

    (void) ngx_close_file(fd);

    if (ngx_delete_file(name) == NGX_FILE_ERROR && ngx_errno != NGX_ENOENT) {
        ngx_http_bell_cache_file_failed(zone, log, ngx_errno,
                                        "cannot be deleted", name);
        return;
    }

    ngx_log_error(NGX_LOG_INFO, log, 0,
                  "bell_cache_zone: \"%s\" was nobody's, and is deleted", name);
}


/* ---- what was changed in place */

static ngx_int_t
ngx_http_bell_cache_to_verify(ngx_http_bell_cache_zone_t *zone,
    bell_shelf_object *o, ngx_fd_t fd)
{
    ngx_http_bell_cache_round_t  *round;

    round = zone->shelf->round;

    if (zone->sh->shelf->verified || o->id > zone->sh->shelf->before) {
        return NGX_DECLINED;
    }

    round->object = *o;
    round->fd = fd;
    round->at = 0;
    round->crc = 0;
    round->is_reading = 1;

    return NGX_OK;
}


/* The next piece is asked for meanwhile: nobody waits for the disk. */

static size_t
ngx_http_bell_cache_verify(ngx_http_bell_cache_zone_t *zone, ngx_log_t *log)
{
    size_t                        left;
    u_char                       *p;
    ssize_t                       n;
    bell_str                      bytes;
    ngx_http_bell_cache_round_t  *round;

    round = zone->shelf->round;

    p = ngx_alloc(NGX_HTTP_BELL_CACHE_VERIFIED, log);
    if (p == NULL) {
        return NGX_HTTP_BELL_CACHE_VERIFIED;
    }

    left = ngx_min(round->object.body_bytes - round->at,
                   NGX_HTTP_BELL_CACHE_VERIFIED);
    n = left ? pread(round->fd, p, left, (off_t) round->at) : 0;

    if (n > 0) {
        bytes.p = (char *) p;
        bytes.len = n;

        round->crc = bell_crc32c(round->crc, bytes);
        round->at += n;

        (void) posix_fadvise(round->fd, (off_t) round->at,
                             NGX_HTTP_BELL_CACHE_VERIFIED,
                             POSIX_FADV_WILLNEED);
    }

    ngx_free(p);

    if (n == -1 && ngx_errno == NGX_EINTR) {
        return 0;
    }

    if (n <= 0 || round->at == round->object.body_bytes) {
        ngx_http_bell_cache_verified(zone,
                                round->at == round->object.body_bytes
                                && round->crc == round->object.body_crc, log);
    }

    return n > 0 ? n : 0;
}


static void
ngx_http_bell_cache_verified(ngx_http_bell_cache_zone_t *zone,
    ngx_uint_t is_right, ngx_log_t *log)
{
    u_char                        name[NGX_MAX_PATH];
    bell_shelf_object            *o;
    ngx_http_bell_cache_filed_t   filed;

    (void) ngx_close_file(zone->shelf->round->fd);
    zone->shelf->round->is_reading = 0;

    if (is_right) {
        return;
    }

    o = &zone->shelf->round->object;

    ngx_http_bell_cache_lock(zone);

    if (ngx_http_bell_cache_shelf_of(zone, &o->hash, &filed) == NGX_OK
        && filed.id == o->id)
    {
        ngx_http_bell_cache_shelf_forget(zone, &o->hash, 0);
    }

    ngx_http_bell_cache_unlock(zone);

    (void) ngx_http_bell_cache_file_name(zone->shelf->path, o->id, name);
    ngx_http_bell_cache_file_failed(zone, log, 0, "is not what was written",
                                    name);
}


/* NGX_DECLINED: it is none of this zone's. */

static ngx_int_t
ngx_http_bell_cache_file_says(ngx_http_bell_cache_zone_t *zone, ngx_fd_t fd,
    off_t size, bell_shelf_object *o)
{
    u_char  trailer[BELL_SHELF_TRAILER_BYTES];

    if (size < (off_t) sizeof(trailer)
        || pread(fd, trailer, sizeof(trailer), size - sizeof(trailer))
           != (ssize_t) sizeof(trailer))
    {
        return NGX_DECLINED;
    }

    return bell_shelf_trailer_peek(trailer, o) ? NGX_OK : NGX_DECLINED;
}
