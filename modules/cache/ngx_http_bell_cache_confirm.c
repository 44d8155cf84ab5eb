
/*
 * What was stored is true again, the origin says: with other fields and other
 * times, in memory and in its file.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_cache_load.h"
#include "ngx_http_bell_cache_purge.h"
#include "ngx_http_bell_cache_shelf.h"


static ngx_int_t ngx_http_bell_cache_renew(ngx_http_bell_cache_load_t *load,
    bell_freshness_times *times, bell_str head);
static ngx_int_t ngx_http_bell_cache_merge(ngx_http_bell_cache_load_t *load,
    bell_response_meta *meta, bell_str *head);
static ngx_uint_t ngx_http_bell_cache_is_of_it(
    ngx_http_bell_cache_load_t *load);


ngx_int_t
ngx_http_bell_cache_confirm(ngx_http_bell_cache_load_t *load)
{
    bell_str                       head;
    ngx_int_t                      rc, filed;
    bell_shelf_object              object;
    bell_response_meta             meta;
    bell_freshness_times           times;
    ngx_http_bell_cache_zone_t    *zone;
    ngx_http_bell_cache_flight_t  *flight;

    zone = load->ctx.zone;

    rc = ngx_http_bell_cache_merge(load, &meta, &head);

    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    filed = NGX_DECLINED;

    if (rc == NGX_OK) {
        times = bell_freshness_compute(&meta, &load->ctx.blcf->policy);
        times.fetch_ms = (uint32_t) (ngx_current_msec - load->begun_ms);

        filed = ngx_http_bell_cache_file_renew(load, &times, head, &object);
    }

    ngx_http_bell_cache_lock(zone);

    if (rc == NGX_OK) {
        rc = ngx_http_bell_cache_renew(load, &times, head);

        if (ngx_http_bell_cache_shelf_renewed(load, filed, &object) == NGX_OK)
        {
            rc = NGX_OK;
        }

    } else {
        ngx_http_bell_cache_remove(zone, &load->stale.hash);
    }

    flight = ngx_http_bell_cache_flight(zone, &load->flight);

    if (flight) {
        flight->confirmed = rc == NGX_OK ? load->stale.entry.id : 0;
        ngx_http_bell_cache_flight_ends(zone, flight,
                                        NGX_HTTP_BELL_CACHE_AGAIN);
    }

    ngx_http_bell_cache_unlock(zone);

    load->ended = 1;

    if (flight) {
        ngx_http_bell_cache_wake(load->ctx.bmcf->core, flight);
    }

    ngx_http_bell_cache_delete_doomed(zone, ngx_cycle->log);

    return NGX_OK;
}


/*
 * A 304 may be about another version than what is stored, which says nothing
 * of that then (RFC 9111, 4.3.4): the origin is asked once more, for the whole.
 */

static ngx_uint_t
ngx_http_bell_cache_is_of_it(ngx_http_bell_cache_load_t *load)
{
    bool                 selected;
    bell_str             fields;
    ngx_list_t          *answered;
    bell_validators      stored, answer;
    bell_response_meta  *meta;

    meta = &load->meta;
    fields = load->stale.fields;
    answered = &load->fetch.request->upstream->headers_in.headers;

    ngx_memzero(&stored, sizeof(stored));
    ngx_memzero(&answer, sizeof(answer));

    (void) bell_stored_field_of(&fields, BELL_STR("etag"), 0, &stored.etag);
    (void) ngx_http_bell_cache_list_field(answered, BELL_STR("etag"), 0,
                                          &answer.etag);

    stored.modified_s = load->stale.head->modified_s;
    answer.modified_s = meta->last_modified == BELL_FIELD_GOOD
                        ? meta->last_modified_s : BELL_NO_TIME;

    return bell_condition_select(&stored, 1, &answer, &selected);
}


/*
 * The fields as they are from now on.  NGX_DECLINED: what is stored is not to
 * be kept, or not under this key.
 */

static ngx_int_t
ngx_http_bell_cache_merge(ngx_http_bell_cache_load_t *load,
    bell_response_meta *meta, bell_str *head)
{
    long                          n;
    char                         *p;
    bell_str                      block, rest;
    bell_vary                     vary;
    bell_fields                   fields;
    bell_cache_tags               tags;
    bell_field_list               list;
    bell_cache_policy             policy;
    bell_stored_field             field;
    bell_stored_rules             rules;
    ngx_http_bell_cache_found_t  *stale;

    stale = &load->stale;

    if (!ngx_http_bell_cache_is_of_it(load)) {
        return NGX_DECLINED;
    }

    p = ngx_palloc(load->pool, NGX_HTTP_BELL_CACHE_HEAD_BYTES / 2);
    if (p == NULL) {
        return NGX_ERROR;
    }

    list.at = ngx_http_bell_cache_line_at;
    list.data = &load->lines;

    ngx_http_bell_cache_rules(load, &load->meta, &rules);

    n = bell_stored_update(stale->fields, &list, &rules, p,
                           NGX_HTTP_BELL_CACHE_HEAD_BYTES / 2);
    if (n < 0) {
        return NGX_DECLINED;
    }

    block = (bell_str) { p, n };

    /* Age and Date are those of the 304, all else as merged */

    *meta = load->meta;

    meta->etag = false;
    meta->last_modified = BELL_FIELD_ABSENT;
    meta->expires = BELL_FIELD_ABSENT;
    meta->set_cookie = false;
    meta->vary_any = false;
    meta->scope = BELL_SCOPE_NONE;
    ngx_memzero(&meta->control, sizeof(meta->control));
    ngx_memzero(meta->targeted, sizeof(meta->targeted));

    meta->status = stale->entry.times.status;
    meta->authorization = stale->head->authorized;

    for (rest = block; bell_stored_next(&rest, &field); /* void */ ) {
        if (!bell_str_ieq(field.name, BELL_STR("date"))
            && !bell_str_ieq(field.name, BELL_STR("age")))
        {
            bell_response_meta_add(meta, field.name, field.value);
        }
    }

    fields.field = bell_stored_field_of;
    fields.data = &block;

    policy = ngx_http_bell_cache_policy(load);
    load->complete = stale->head->complete;

    if (bell_storable(meta, &policy) != BELL_STORE
        || bell_vary_read(&fields, &vary) != BELL_VARY_OK
        || !bell_str_eq(bell_vary_names(&vary), stale->names)
        || ngx_http_bell_cache_scope_of(meta->scope)
           != (bell_cache_scope) stale->head->scope
        || bell_cache_tags_read(&fields, load->ctx.zone->sh->key,
                                load->ctx.asked.tenant_id, &tags)
           != BELL_CACHE_TAGS_OK)
    {
        return NGX_DECLINED;
    }

    return ngx_http_bell_cache_compose(load, stale->key, stale->names,
                                       (bell_cache_scope) stale->head->scope,
                                       &tags, block, head);
}


/* Under the lock: another head for the same body. */

static ngx_int_t
ngx_http_bell_cache_renew(ngx_http_bell_cache_load_t *load,
    bell_freshness_times *times, bell_str head)
{
    const bell_cache_entry       *entry;
    ngx_http_bell_cache_zone_t   *zone;
    ngx_http_bell_cache_entry_t   e;

    zone = load->ctx.zone;

    entry = bell_cache_index_find(zone->sh->index, &load->stale.hash);

    if (entry == NULL) {
        return NGX_DECLINED;
    }

    ngx_memcpy(&e, entry->payload, sizeof(e));

    if (e.id != load->stale.entry.id) {
        return NGX_DECLINED;
    }

    /* it stays while room for the head is made */

    ngx_http_bell_cache_hold(zone, e.body);

    e.head = ngx_http_bell_cache_take(zone, head.len);

    if (e.head == 0) {
        ngx_http_bell_cache_drop(zone, e.body);
        return NGX_DECLINED;
    }

    (void) bell_chunks_write(zone->sh->chunks, e.head, 0, head);

    e.head_bytes = (uint32_t) head.len;
    e.checked = load->checked;
    e.times = *times;

    return ngx_http_bell_cache_put(zone, &load->stale.hash,
                                   load->ctx.asked.tenant_id, &e);
}
