
/*
 * What becomes of an answer's head: stored, with what must be known to answer
 * from it later; or worked into what is stored already.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "bell_conditional.h"
#include "bell_http_date.h"

#include "ngx_http_bell_cache.h"
#include "ngx_http_bell_cache_load.h"
#include "ngx_http_bell_cache_purge.h"
#include "ngx_http_bell_cache_shelf.h"


static ngx_uint_t ngx_http_bell_cache_is_origins(ngx_table_elt_t *h);
static ngx_uint_t ngx_http_bell_cache_is_of_parts(
    ngx_http_bell_cache_load_t *load, ngx_table_elt_t *h);
static ngx_int_t ngx_http_bell_cache_add_line(
    ngx_http_bell_cache_load_t *load, ngx_str_t *name, ngx_str_t *value);
static bool ngx_http_bell_cache_line_of(void *data, bell_str name,
    unsigned nth, bell_str *value);
static ngx_uint_t ngx_http_bell_cache_varies(bell_fields *fields,
    bell_vary *vary);
static ngx_int_t ngx_http_bell_cache_store_as(
    ngx_http_bell_cache_load_t *load, bell_str names,
    const bell_cache_tags *tags, bell_str fields);
static ngx_uint_t ngx_http_bell_cache_is_nobodys(
    ngx_http_bell_cache_load_t *load, bell_str names);
static int64_t ngx_http_bell_cache_modified(bell_str fields);
static ngx_int_t ngx_http_bell_cache_publish(ngx_http_bell_cache_load_t *load,
    bell_cache_hash *hash, bell_str head);
static void ngx_http_bell_cache_fork(ngx_http_bell_cache_load_t *load,
    bell_cache_scope scope, bell_str names);
static ngx_uint_t ngx_http_bell_cache_is_for_asker(
    ngx_http_bell_cache_load_t *load, bell_store_verdict verdict);
static ngx_int_t ngx_http_bell_cache_put_small(
    ngx_http_bell_cache_zone_t *zone, bell_cache_hash *hash,
    uint32_t tenant_id, ngx_http_bell_cache_entry_t *entry, bell_str head);


/* what is hidden is so whatever is kept */

static const bell_stored_rules  ngx_http_bell_cache_no_rules;


/* ---- what has come */

ngx_int_t
ngx_http_bell_cache_gather(ngx_http_bell_cache_load_t *load,
    ngx_http_request_t *r)
{
    static ngx_str_t  type = ngx_string("Content-Type");

    ngx_uint_t            i;
    ngx_list_part_t      *part;
    ngx_table_elt_t      *h;
    bell_response_meta   *meta;
    ngx_http_upstream_t  *u;

    u = r->upstream;
    meta = &load->meta;

    meta->status = (unsigned) u->headers_in.status_n;
    meta->get = true;
    meta->authorization = load->authorized;
    meta->authenticated = load->ctx.subject.len != 0;
    meta->request_no_store = (load->ctx.control.set & BELL_CC_NO_STORE) != 0;
    meta->response_time_s = ngx_time();

    /* whole seconds of its own: a fetch of 200 ms has taken none */

    meta->request_time_s = meta->response_time_s
                           - (ngx_current_msec - load->begun_ms) / 1000;

    if (ngx_array_init(&load->lines, load->pool, 24,
                       sizeof(ngx_http_bell_cache_line_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    /* as the origin sent it: some of it is not passed on, and counts */

    for (part = &u->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            bell_response_meta_add(meta, ngx_http_bell_cache_str(&h[i].key),
                                   ngx_http_bell_cache_str(&h[i].value));

            if (ngx_http_bell_cache_is_origins(&h[i])
                && ngx_http_bell_cache_add_line(load, &h[i].key, &h[i].value)
                   != NGX_OK)
            {
                return NGX_ERROR;
            }
        }
    }

    /* and what nginx would send of it, by the rules of the location */

    for (part = &r->headers_out.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (h[i].hash && !ngx_http_bell_cache_is_origins(&h[i])
                && !ngx_http_bell_cache_is_of_parts(load, &h[i])
                && ngx_http_bell_cache_add_line(load, &h[i].key, &h[i].value)
                   != NGX_OK)
            {
                return NGX_ERROR;
            }
        }
    }

    if (u->headers_in.content_type) {
        return ngx_http_bell_cache_add_line(load, &type,
                                           &u->headers_in.content_type->value);
    }

    return NGX_OK;
}


/* What is taken as the origin sent it, whatever nginx makes of it. */

static ngx_uint_t
ngx_http_bell_cache_is_origins(ngx_table_elt_t *h)
{
    bell_str  name;

    name = ngx_http_bell_cache_str(&h->key);

    return bell_str_ieq(name, BELL_STR("date"))
           || bell_str_ieq(name, BELL_STR("connection"))
           || bell_stored_class_of(&ngx_http_bell_cache_no_rules, name)
              == BELL_STORED_HIDDEN;
}


/* What a head of ours says of parts; their fields are those of the whole. */

static ngx_uint_t
ngx_http_bell_cache_is_of_parts(ngx_http_bell_cache_load_t *load,
    ngx_table_elt_t *h)
{
    return load->ctx.asked.part_bytes
           && bell_str_ieq(ngx_http_bell_cache_str(&h->key),
                           BELL_STR("content-range"));
}


static ngx_int_t
ngx_http_bell_cache_add_line(ngx_http_bell_cache_load_t *load, ngx_str_t *name,
    ngx_str_t *value)
{
    ngx_http_bell_cache_line_t  *line;

    line = ngx_array_push(&load->lines);
    if (line == NULL) {
        return NGX_ERROR;
    }

    line->name = ngx_http_bell_cache_str(name);
    line->value = ngx_http_bell_cache_str(value);

    return NGX_OK;
}


bool
ngx_http_bell_cache_line_at(void *data, unsigned i, bell_str *name,
    bell_str *value)
{
    ngx_array_t *lines = data;

    ngx_http_bell_cache_line_t  *line;

    if (i >= lines->nelts) {
        return false;
    }

    line = lines->elts;

    *name = line[i].name;
    *value = line[i].value;

    return true;
}


static bool
ngx_http_bell_cache_line_of(void *data, bell_str name, unsigned nth,
    bell_str *value)
{
    ngx_array_t *lines = data;

    ngx_uint_t                   i;
    ngx_http_bell_cache_line_t  *line;

    line = lines->elts;

    for (i = 0; i < lines->nelts; i++) {
        if (bell_str_ieq(line[i].name, name) && nth-- == 0) {
            *value = bell_str_trim(line[i].value);
            return true;
        }
    }

    return false;
}


void
ngx_http_bell_cache_rules(ngx_http_bell_cache_load_t *load,
    bell_response_meta *meta, bell_stored_rules *rules)
{
    const bell_cache_control  *control;

    control = bell_response_meta_control(meta);

    rules->set_cookie = load->ctx.blcf->policy.store_set_cookie;
    rules->named = control->names;
    rules->nnamed = control->nnames;
}


bell_cache_scope
ngx_http_bell_cache_scope_of(bell_response_scope scope)
{
    switch (scope) {

    case BELL_SCOPE_ROLE:
        return BELL_CACHE_ROLE;

    case BELL_SCOPE_PRIVATE:
        return BELL_CACHE_SUBJECT;

    default:
        return BELL_CACHE_PUBLIC;
    }
}


/* ---- a new one */

bell_cache_policy
ngx_http_bell_cache_policy(ngx_http_bell_cache_load_t *load)
{
    bell_cache_policy  policy;

    policy = load->ctx.blcf->policy;
    policy.store_partial = load->ctx.asked.part_bytes != 0;

    return policy;
}


ngx_int_t
ngx_http_bell_cache_store(ngx_http_bell_cache_load_t *load,
    ngx_http_request_t *r, bell_store_verdict *verdict)
{
    long                n;
    char               *p;
    bell_vary           vary;
    bell_fields         fields;
    bell_cache_tags     tags;
    bell_field_list     list;
    bell_cache_policy   policy;
    bell_stored_rules   rules;

    policy = ngx_http_bell_cache_policy(load);

    *verdict = bell_storable(&load->meta, &policy);

    if (*verdict == BELL_STORE && !ngx_http_bell_cache_fetch_is_direct(r)) {
        *verdict = BELL_STORE_NOT_DIRECT;
    }

    if (*verdict == BELL_STORE && load->ctx.asked.part_bytes
        && !ngx_http_bell_cache_is_part(load, r))
    {
        *verdict = BELL_STORE_NOT_PART;
    }

    if (*verdict != BELL_STORE) {
        return NGX_DECLINED;
    }

    fields.field = ngx_http_bell_cache_line_of;
    fields.data = &load->lines;

    *verdict = BELL_STORE_NOT_VARY;

    if (!ngx_http_bell_cache_varies(&fields, &vary)) {
        return NGX_DECLINED;
    }

    /* what stands in the way from here on is its size, or that of the zone */

    *verdict = BELL_STORE_NOT_USABLE;

    load->length = load->meta.status == NGX_HTTP_NO_CONTENT
                   ? 0 : r->headers_out.content_length_n;

    if (bell_cache_tags_read(&fields, load->ctx.zone->sh->key,
                             load->ctx.asked.tenant_id, &tags)
        != BELL_CACHE_TAGS_OK)
    {
        return NGX_DECLINED;
    }

    if (load->length > (int64_t) load->ctx.zone->largest
        && ngx_http_bell_cache_file_begin(load) != NGX_OK)
    {
        if (!load->full) {
            *verdict = BELL_STORE_NOT_SIZE;
        }

        if (!ngx_http_bell_cache_window_may(load, r)) {
            return NGX_DECLINED;
        }

        load->too_long = 1;
    }

    p = ngx_palloc(load->pool, NGX_HTTP_BELL_CACHE_HEAD_BYTES / 2);
    if (p == NULL) {
        return NGX_ERROR;
    }

    list.at = ngx_http_bell_cache_line_at;
    list.data = &load->lines;

    ngx_http_bell_cache_rules(load, &load->meta, &rules);

    n = bell_stored_write(&list, &rules, p,
                          NGX_HTTP_BELL_CACHE_HEAD_BYTES / 2);

    return n < 0 ? NGX_DECLINED
                 : ngx_http_bell_cache_store_as(load, bell_vary_names(&vary),
                                                &tags, (bell_str) { p, n });
}


/* Whether it can be told which requests the answer is for. */

static ngx_uint_t
ngx_http_bell_cache_varies(bell_fields *fields, bell_vary *vary)
{
    bell_str         coding;
    bell_vary_rules  rules;

    ngx_memzero(&rules, sizeof(rules));

    if (bell_vary_read(fields, vary) != BELL_VARY_OK) {
        return 0;
    }

    if (!fields->field(fields->data, BELL_STR("content-encoding"), 0, &coding))
    {
        coding = BELL_STR("");
    }

    return !bell_field_is_named(bell_vary_names(vary),
                                BELL_STR("accept-encoding"))
           || bell_vary_is_coding_known(&rules, coding);
}


/* Under the key of all, or under that of those who are to share it. */

static ngx_int_t
ngx_http_bell_cache_store_as(ngx_http_bell_cache_load_t *load, bell_str names,
    const bell_cache_tags *tags, bell_str fields)
{
    bell_str                    head;
    ngx_int_t                   rc;
    bell_cache_scope            scope;
    ngx_http_bell_cache_ctx_t  *own;

    own = &load->ctx;
    scope = ngx_http_bell_cache_scope_of(load->meta.scope);

    if (ngx_http_bell_cache_is_nobodys(load, names)) {
        rc = ngx_http_bell_cache_compose(load, own->variant_key, names, scope,
                                         tags, fields, &head);

        return rc == NGX_OK
               ? ngx_http_bell_cache_publish(load, &own->variant_hash, head)
               : rc;
    }

    if (scope == BELL_CACHE_PUBLIC && names.len == 0) {
        rc = ngx_http_bell_cache_compose(load, own->key, names, scope, tags,
                                         fields, &head);

        return rc == NGX_OK
               ? ngx_http_bell_cache_publish(load, &own->hash, head) : rc;
    }

    rc = ngx_http_bell_cache_ask_variant(own, scope, names);

    if (rc == NGX_OK) {
        rc = ngx_http_bell_cache_compose(load, own->variant_key, names, scope,
                                         tags, fields, &head);
    }

    if (rc == NGX_OK) {
        ngx_http_bell_cache_fork(load, scope, names);
        rc = ngx_http_bell_cache_publish(load, &own->variant_hash, head);
    }

    return rc;
}


/*
 * To somebody who is not known, where others have answers of their own, and
 * without a word of the origin that it is for them as well: it leaves theirs
 * where they are.
 */

static ngx_uint_t
ngx_http_bell_cache_is_nobodys(ngx_http_bell_cache_load_t *load,
    bell_str names)
{
    bell_cache_hash             asked;
    ngx_http_bell_cache_ctx_t  *own;

    own = &load->ctx;

    if (!own->nobody || load->meta.scope != BELL_SCOPE_NONE) {
        return 0;
    }

    asked = own->variant_hash;

    return ngx_http_bell_cache_ask_nobody(own, names) == NGX_OK
           && own->variant_hash.words[0] == asked.words[0]
           && own->variant_hash.words[1] == asked.words[1];
}


/* Unix seconds; read once, and not with each hit. */

static int64_t
ngx_http_bell_cache_modified(bell_str fields)
{
    int64_t   time_s;
    bell_str  value;

    return bell_stored_field_of(&fields, BELL_STR("last-modified"), 0, &value)
           && bell_http_date_parse(value, ngx_time(), &time_s)
           ? time_s : BELL_NO_TIME;
}


/* NGX_DECLINED: it is longer than a head may be. */

ngx_int_t
ngx_http_bell_cache_compose(ngx_http_bell_cache_load_t *load, bell_str key,
    bell_str names, bell_cache_scope scope, const bell_cache_tags *tags,
    bell_str fields, bell_str *out)
{
    u_char                      *p;
    size_t                       len;
    ngx_http_bell_cache_head_t  *head;

    len = sizeof(*head) + (tags ? tags->count * sizeof(uint64_t) : 0)
          + key.len + names.len + fields.len;

    if (len > NGX_HTTP_BELL_CACHE_HEAD_BYTES) {
        return NGX_DECLINED;
    }

    p = ngx_palloc(load->pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    out->p = (char *) p;
    out->len = len;

    head = (ngx_http_bell_cache_head_t *) p;
    ngx_memzero(head, sizeof(*head));

    head->key_bytes = (uint32_t) key.len;
    head->names_bytes = (uint32_t) names.len;
    head->ntags = tags ? tags->count : 0;
    head->fields_bytes = (uint32_t) fields.len;
    head->scope = scope;
    head->authorized = load->authorized;
    head->modified_s = ngx_http_bell_cache_modified(fields);
    head->complete = load->complete;
    head->first = load->complete ? load->ctx.asked.part_first : 0;

    p += sizeof(*head);

    if (head->ntags) {
        p = ngx_cpymem(p, tags->hashes, tags->count * sizeof(uint64_t));
    }

    p = ngx_cpymem(p, key.p, key.len);
    p = ngx_cpymem(p, names.p, names.len);

    if (fields.len) {
        ngx_memcpy(p, fields.p, fields.len);
    }

    return NGX_OK;
}


/* The flight has a head: who waits for it may begin. */

static ngx_int_t
ngx_http_bell_cache_publish(ngx_http_bell_cache_load_t *load,
    bell_cache_hash *hash, bell_str head)
{
    ngx_http_bell_cache_zone_t    *zone;
    ngx_http_bell_cache_entry_t   *entry;
    ngx_http_bell_cache_flight_t  *flight;

    zone = load->ctx.zone;

    if (load->too_long) {
        ngx_http_bell_cache_window_known(load);
    }

    ngx_http_bell_cache_lock(zone);

    flight = ngx_http_bell_cache_flight(zone, &load->flight);

    if (flight == NULL) {
        ngx_http_bell_cache_unlock(zone);
        return NGX_ERROR;
    }

    entry = &flight->entry;

    if (load->too_long) {
        if (ngx_http_bell_cache_window_take(zone, flight, head.len) != NGX_OK)
        {
            ngx_http_bell_cache_unlock(zone);
            return NGX_DECLINED;
        }

    } else if ((load->file_id
         && ngx_http_bell_cache_shelf_promise(zone, flight,
                                              load->length + head.len
                                              + BELL_SHELF_TRAILER_BYTES)
            != NGX_OK)
        || ngx_http_bell_cache_flight_take(zone, flight, head.len,
                                           load->length > 0 && !load->file_id
                                           ? load->length : 0)
           != NGX_OK)
    {
        ngx_http_bell_cache_unlock(zone);
        load->ctx.bmcf->core->count(
                  load->ctx.bmcf->requests[NGX_HTTP_BELL_CACHE_METRIC_FULL],
                  1);
        load->full = 1;
        return NGX_DECLINED;
    }

    (void) bell_chunks_write(zone->sh->chunks, entry->head, 0, head);

    entry->kind = NGX_HTTP_BELL_CACHE_OBJECT;
    entry->head_bytes = (uint32_t) head.len;
    entry->id = load->file_id ? load->file_id : ++zone->sh->ids;
    entry->url = load->ctx.url;
    entry->body_bytes = load->length > 0 ? load->length : 0;
    entry->checked = load->checked;
    entry->times = bell_freshness_compute(&load->meta,
                                          &load->ctx.blcf->policy);

    flight->stored_as = *hash;
    flight->length = load->length;
    flight->filed = load->file_id != 0;

    if (load->too_long) {
        ngx_http_bell_cache_flight_ends(zone, flight,
                                        NGX_HTTP_BELL_CACHE_PASSING);
        ngx_http_bell_cache_place_give(zone, flight);
        ngx_http_bell_cache_unlock(zone);
        ngx_http_bell_cache_window_has(load);

        return NGX_OK;
    }

    __atomic_store_n(&flight->state, NGX_HTTP_BELL_CACHE_COMING,
                     __ATOMIC_SEQ_CST);

    ngx_http_bell_cache_unlock(zone);

    load->stores = 1;

    ngx_http_bell_cache_wake(load->ctx.bmcf->core, flight);

    return NGX_OK;
}


/* That answers to this question are under keys that say more. */

static void
ngx_http_bell_cache_fork(ngx_http_bell_cache_load_t *load,
    bell_cache_scope scope, bell_str names)
{
    bell_str                      head;
    ngx_http_bell_cache_entry_t   entry;
    ngx_http_bell_cache_found_t   found;
    ngx_http_bell_cache_ctx_t    *own;

    own = &load->ctx;

    if (ngx_http_bell_cache_find(own->zone, load->pool, &own->hash, own->key,
                                 &found)
        == NGX_OK
        && found.entry.kind == NGX_HTTP_BELL_CACHE_FORK
        && found.head->scope == scope && bell_str_eq(found.names, names))
    {
        return;
    }

    if (ngx_http_bell_cache_compose(load, own->key, names, scope, NULL,
                                    BELL_STR(""), &head)
        != NGX_OK)
    {
        return;
    }

    ngx_memzero(&entry, sizeof(entry));
    entry.kind = NGX_HTTP_BELL_CACHE_FORK;

    (void) ngx_http_bell_cache_put_small(own->zone, &own->hash,
                                         own->asked.tenant_id, &entry, head);
}


void
ngx_http_bell_cache_remember(ngx_http_bell_cache_load_t *load,
    bell_store_verdict verdict, time_t seconds)
{
    bool                          guessed;
    bell_str                      head, key;
    bell_cache_hash              *hash;
    ngx_http_bell_cache_ctx_t    *own;
    ngx_http_bell_cache_entry_t   entry;

    own = &load->ctx;

    /* what has a lifetime, and was too old this once, may be younger next */

    if (verdict == BELL_STORE_NOT_USABLE
        && bell_freshness_lifetime_s(&load->meta, &own->blcf->policy, &guessed)
           > 0)
    {
        seconds = ngx_min(seconds, 1);
    }

    /* an object that is there is worth more than a failure */

    if (seconds == 0 || verdict == BELL_STORE_NOT_REQUEST
        || (load->meta.status >= 500
            && load->stale.entry.kind == NGX_HTTP_BELL_CACHE_OBJECT)
        || ngx_http_bell_cache_is_for_asker(load, verdict))
    {
        return;
    }

    key = own->variant_key.len ? own->variant_key : own->key;
    hash = own->variant_key.len ? &own->variant_hash : &own->hash;

    if (ngx_http_bell_cache_compose(load, key, BELL_STR(""),
                                    BELL_CACHE_PUBLIC, NULL, BELL_STR(""),
                                    &head)
        != NGX_OK)
    {
        return;
    }

    ngx_memzero(&entry, sizeof(entry));
    entry.kind = NGX_HTTP_BELL_CACHE_PASS;
    entry.reason = (uint8_t) verdict;
    entry.times.born_s = ngx_time();
    entry.times.fresh_s = (uint32_t) seconds;

    if (verdict == BELL_STORE_NOT_SIZE && load->length > 0) {
        entry.body_bytes = load->length;
    }

    (void) ngx_http_bell_cache_put_small(own->zone, hash,
                                         own->asked.tenant_id, &entry, head);
}


/*
 * What is said of him who happened to ask says nothing of what may be served
 * to others yet: anybody could else take it away from them.
 */

static ngx_uint_t
ngx_http_bell_cache_is_for_asker(ngx_http_bell_cache_load_t *load,
    bell_store_verdict verdict)
{
    if (load->stale.entry.kind != NGX_HTTP_BELL_CACHE_OBJECT
        || bell_freshness_judge(&load->stale.entry.times, NULL, ngx_time(),
                                load->ctx.exam)
           == BELL_MUST_VALIDATE)
    {
        return 0;
    }

    switch (load->meta.status) {

    case NGX_HTTP_UNAUTHORIZED:
    case NGX_HTTP_FORBIDDEN:
    case NGX_HTTP_TOO_MANY_REQUESTS:
        return 1;

    default:
        return verdict == BELL_STORE_NOT_SCOPE
               || verdict == BELL_STORE_NOT_SUBJECT
               || verdict == BELL_STORE_NOT_AUTHORIZATION;
    }
}


/* What has no body; takes the lock. */

static ngx_int_t
ngx_http_bell_cache_put_small(ngx_http_bell_cache_zone_t *zone,
    bell_cache_hash *hash, uint32_t tenant_id,
    ngx_http_bell_cache_entry_t *entry, bell_str head)
{
    ngx_int_t  rc;

    rc = NGX_ERROR;

    ngx_http_bell_cache_lock(zone);

    entry->id = ++zone->sh->ids;
    entry->head_bytes = (uint32_t) head.len;
    entry->head = ngx_http_bell_cache_take(zone, head.len);

    if (entry->head) {
        (void) bell_chunks_write(zone->sh->chunks, entry->head, 0, head);
        rc = ngx_http_bell_cache_put(zone, hash, tenant_id, entry);
    }

    ngx_http_bell_cache_unlock(zone);

    if (rc == NGX_OK && entry->kind == NGX_HTTP_BELL_CACHE_FORK) {
        ngx_http_bell_cache_behind(zone, hash, entry->id);
    }

    return rc;
}
