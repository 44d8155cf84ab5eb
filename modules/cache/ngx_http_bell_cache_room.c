
/*
 * Room for the bodies of hits.  A process keeps what requests have given back,
 * and the last one given is the next one taken: most hits are copied into
 * memory that the processor has at hand, and none asks the allocator.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_cache_reader.h"


/* of a request that has a long body */

typedef struct {
    size_t                           *copied;   /* what its connection has */
    size_t                            bytes;
} ngx_http_bell_cache_copy_t;


static u_char *ngx_http_bell_cache_room_long(ngx_http_bell_cache_ctx_t *ctx,
    size_t size);
static void ngx_http_bell_cache_room_shrink(void *data);
static void ngx_http_bell_cache_room_give(void *data);


u_char *
ngx_http_bell_cache_room_take(ngx_http_bell_cache_ctx_t *ctx, size_t size)
{
    ngx_pool_cleanup_t               *cln;
    ngx_http_bell_cache_room_t       *room;
    ngx_http_bell_cache_main_conf_t  *bmcf;

    bmcf = ctx->bmcf;

    if (size > NGX_HTTP_BELL_CACHE_ROOM_BYTES) {
        return ngx_http_bell_cache_room_long(ctx, size);
    }

    if (bmcf->rooms == NULL && bmcf->nrooms == NGX_HTTP_BELL_CACHE_ROOMS) {
        return ngx_pnalloc(ctx->request->pool, size);
    }

    /* what is on its way may outlive the request, but not its pool */

    cln = ngx_pool_cleanup_add(ctx->request->pool, 0);
    if (cln == NULL) {
        return NULL;
    }

    room = bmcf->rooms;

    if (room) {
        bmcf->rooms = room->next;

    } else {
        room = ngx_palloc(bmcf->pool, sizeof(ngx_http_bell_cache_room_t)
                                      + NGX_HTTP_BELL_CACHE_ROOM_BYTES);
        if (room == NULL) {
            return NULL;
        }

        room->list = &bmcf->rooms;
        bmcf->nrooms++;
    }

    cln->handler = ngx_http_bell_cache_room_give;
    cln->data = room;

    return room->bytes;
}


static void
ngx_http_bell_cache_room_give(void *data)
{
    ngx_http_bell_cache_room_t *room = data;

    room->next = *room->list;
    *room->list = room;
}


/* ---- long ones, which are the allocator's, and counted */

static u_char *
ngx_http_bell_cache_room_long(ngx_http_bell_cache_ctx_t *ctx, size_t size)
{
    ngx_pool_cleanup_t          *cln;
    ngx_http_bell_cache_copy_t  *copy;

    cln = ngx_pool_cleanup_add(ctx->request->pool,
                               sizeof(ngx_http_bell_cache_copy_t));
    if (cln == NULL) {
        return NULL;
    }

    copy = cln->data;
    copy->copied = ngx_http_bell_cache_copied(ctx);
    copy->bytes = size;

    *copy->copied += size;

    cln->handler = ngx_http_bell_cache_room_shrink;

    return ngx_pnalloc(ctx->request->pool, size);
}


static void
ngx_http_bell_cache_room_shrink(void *data)
{
    ngx_http_bell_cache_copy_t *copy = data;

    *copy->copied -= copy->bytes;
}
