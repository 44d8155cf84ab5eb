
/*
 * What was purged hard leaves files, though nobody asks for it.  Whoever erases
 * goes over the shelf when memory is done, some places at a time.  An object's
 * tags and its address are in its file alone: of those whose tenant has purged
 * something that may be about them, as far as the shelf can tell, the file's
 * end is read, and judged.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_cache_purge.h"
#include "ngx_http_bell_cache_shelf.h"


#define NGX_HTTP_BELL_CACHE_UNSHELVE_LOOKS  256     /* at places, each time */
#define NGX_HTTP_BELL_CACHE_UNSHELVE_FILES  4       /* a disk may be slow */


static ngx_uint_t ngx_http_bell_cache_unshelve_pick(
    ngx_http_bell_cache_zone_t *zone, bell_shelf_object *objects);
static ngx_uint_t ngx_http_bell_cache_unshelve_may(
    ngx_http_bell_cache_zone_t *zone, bell_shelf_object *o);
static ngx_uint_t ngx_http_bell_cache_unshelve_is_purged(
    ngx_http_bell_cache_zone_t *zone, bell_shelf_object *o, u_char *name,
    u_char *room);
static ngx_int_t ngx_http_bell_cache_unshelve_read(
    ngx_http_bell_cache_zone_t *zone, bell_shelf_object *o, u_char *name,
    u_char *room, ngx_http_bell_cache_found_t *found);


void
ngx_http_bell_cache_unshelve(ngx_http_bell_cache_zone_t *zone, u_char *room,
    ngx_log_t *log)
{
    u_char                        name[NGX_MAX_PATH];
    ngx_int_t                     rc;
    ngx_uint_t                    i, n;
    bell_shelf_object             objects[NGX_HTTP_BELL_CACHE_UNSHELVE_FILES];
    ngx_http_bell_cache_filed_t   filed;

    n = ngx_http_bell_cache_unshelve_pick(zone, objects);

    for (i = 0; i < n; i++) {
        (void) ngx_http_bell_cache_file_name(zone->shelf->path, objects[i].id,
                                             name);

        if (!ngx_http_bell_cache_unshelve_is_purged(zone, &objects[i], name,
                                                    room))
        {
            continue;
        }

        ngx_http_bell_cache_lock(zone);

        /* what was confirmed meanwhile has another stamp */

        rc = ngx_http_bell_cache_shelf_of(zone, &objects[i].hash, &filed);

        if (rc == NGX_OK && filed.id == objects[i].id
            && filed.stamp == objects[i].stamp)
        {
            ngx_http_bell_cache_shelf_forget(zone, &objects[i].hash, 0);

        } else {
            rc = NGX_DECLINED;
        }

        ngx_http_bell_cache_unlock(zone);

        /* it is among the doomed as well, if there was room for it */

        if (rc == NGX_OK && ngx_delete_file(name) == NGX_FILE_ERROR
            && ngx_errno != NGX_ENOENT)
        {
            ngx_http_bell_cache_file_failed(zone, log, ngx_errno,
                                            "cannot be deleted", name);
        }
    }
}


/* Takes the lock; how many there are to look at. */

static ngx_uint_t
ngx_http_bell_cache_unshelve_pick(ngx_http_bell_cache_zone_t *zone,
    bell_shelf_object *objects)
{
    ngx_uint_t                      n, looks;
    const bell_cache_entry         *entry;
    ngx_http_bell_cache_erasure_t  *erasure;

    erasure = &zone->sh->erasure;
    n = 0;

    ngx_http_bell_cache_lock(zone);

    for (looks = 0; looks < NGX_HTTP_BELL_CACHE_UNSHELVE_LOOKS; looks++) {

        if (n == NGX_HTTP_BELL_CACHE_UNSHELVE_FILES
            || erasure->at > zone->sh->shelf->slots)
        {
            break;
        }

        entry = bell_cache_index_at(zone->sh->shelf->index, erasure->at++);

        if (entry == NULL) {
            continue;
        }

        ngx_http_bell_cache_shelf_object(entry, &objects[n]);

        if (ngx_http_bell_cache_unshelve_may(zone, &objects[n])) {
            n++;
        }
    }

    if (n == 0 && erasure->at > zone->sh->shelf->slots) {
        erasure->step = NGX_HTTP_BELL_CACHE_BY_NAME;
    }

    ngx_http_bell_cache_unlock(zone);

    return n;
}


/* Under the lock: it has to be looked at more closely. */

static ngx_uint_t
ngx_http_bell_cache_unshelve_may(ngx_http_bell_cache_zone_t *zone,
    bell_shelf_object *o)
{
    bell_cache_question  asked;

    if (o->kind != NGX_HTTP_BELL_CACHE_OBJECT) {
        return 0;
    }

    if (o->times.flags & BELL_TIMES_INVALID) {
        return 1;
    }

    ngx_memzero(&asked, sizeof(asked));
    asked.tenant_id = o->tenant_id;

    return o->checked < zone->sh->erasure.target
           && ngx_http_bell_cache_struck(zone, &asked, o->url, o->checked);
}


static ngx_uint_t
ngx_http_bell_cache_unshelve_is_purged(ngx_http_bell_cache_zone_t *zone,
    bell_shelf_object *o, u_char *name, u_char *room)
{
    ngx_uint_t                   is_purged;
    bell_cache_question          asked;
    ngx_http_bell_cache_found_t  found;

    /* what cannot be read is nobody's to keep */

    if ((o->times.flags & BELL_TIMES_INVALID)
        || ngx_http_bell_cache_unshelve_read(zone, o, name, room, &found)
           != NGX_OK
        || !bell_cache_key_read(found.key, &asked))
    {
        return 1;
    }

    ngx_http_bell_cache_lock(zone);

    is_purged = ngx_http_bell_cache_purged_hard(zone, &asked, o->url,
                                                found.tags, found.head->ntags,
                                                o->checked);
    ngx_http_bell_cache_unlock(zone);

    return is_purged;
}


static ngx_int_t
ngx_http_bell_cache_unshelve_read(ngx_http_bell_cache_zone_t *zone,
    bell_shelf_object *o, u_char *name, u_char *room,
    ngx_http_bell_cache_found_t *found)
{
    bell_str           head;
    ngx_fd_t           fd;
    ngx_int_t          rc;
    bell_shelf_object  is;

    if (o->head_bytes > NGX_HTTP_BELL_CACHE_HEAD_BYTES) {
        return NGX_DECLINED;
    }

    fd = ngx_open_file(name, NGX_FILE_RDONLY|NGX_FILE_NONBLOCK, NGX_FILE_OPEN,
                       0);

    if (fd == NGX_INVALID_FILE) {
        return NGX_DECLINED;
    }

    rc = ngx_http_bell_cache_file_end(zone, fd, o, room, &is);

    (void) ngx_close_file(fd);

    if (rc != NGX_OK) {
        return NGX_DECLINED;
    }

    head.p = (char *) room;
    head.len = o->head_bytes;

    return ngx_http_bell_cache_parse_head(head, found);
}
