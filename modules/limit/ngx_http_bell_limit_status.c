
/*
 * Who is near a limit, and who is over it: "bell_limit_status", as JSON; with
 * ?tenant=ID&subject=TEXT how it stands with him.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "bell_json.h"
#include "ngx_http_bell_fair.h"
#include "ngx_http_bell_limit.h"


/* all policies, the whole board and all pools fit */
#define NGX_HTTP_BELL_LIMIT_STATUS_MAX  (512 * 1024)


/* What a key spends of a budget over all edges. */

typedef enum {
    NGX_HTTP_BELL_LIMIT_OWN,            /* it is no such */
    NGX_HTTP_BELL_LIMIT_LENT,
    NGX_HTTP_BELL_LIMIT_SHARE
} ngx_http_bell_limit_standing_e;


/* A key of the board, as it is now. */

typedef struct {
    ngx_http_bell_limit_near_t      near;
    ngx_http_bell_limit_policy_t   *policy;
    bell_gcra_answer                now;
    uint64_t                        left;
    ngx_uint_t                      used_permille;

    /* of a policy over all edges */

    ngx_http_bell_limit_standing_e  standing;
    uint64_t                        in_hand;
    size_t                          len;        /* 0: it has no lease */
    u_char                          lease[NGX_HTTP_BELL_LIMIT_LEASE_NAME];
} ngx_http_bell_limit_seen_t;


static ngx_int_t ngx_http_bell_limit_asked_about(ngx_http_request_t *r,
    uint32_t *tenant_id, ngx_str_t *subject);
static ngx_int_t ngx_http_bell_limit_explain(ngx_http_request_t *r,
    uint32_t tenant_id, ngx_str_t *subject, ngx_http_bell_limit_seen_t *seen);
static void ngx_http_bell_limit_find_near(
    ngx_http_bell_limit_main_conf_t *lmcf, ngx_http_bell_limit_seen_t *seen,
    ngx_uint_t n);
static ngx_uint_t ngx_http_bell_limit_see(
    ngx_http_bell_limit_main_conf_t *lmcf, ngx_http_bell_limit_seen_t *seen);
static void ngx_http_bell_limit_see_key(ngx_http_bell_limit_main_conf_t *lmcf,
    ngx_http_bell_limit_seen_t *seen, int64_t now_us);
static ngx_http_bell_limit_policy_t *ngx_http_bell_limit_numbered(
    ngx_http_bell_limit_main_conf_t *lmcf, ngx_uint_t number);
static int ngx_libc_cdecl ngx_http_bell_limit_compare(const void *one,
    const void *two);
static void ngx_http_bell_limit_write_policies(bell_json *j,
    ngx_http_bell_limit_main_conf_t *lmcf);
static void ngx_http_bell_limit_write_edges(bell_json *j,
    ngx_http_bell_limit_main_conf_t *lmcf);
static void ngx_http_bell_limit_write_seen(bell_json *j,
    ngx_http_bell_limit_seen_t *seen);
static void ngx_http_bell_limit_write_lease(bell_json *j,
    ngx_http_bell_limit_seen_t *seen);
static void ngx_http_bell_limit_write_str(bell_json *j, const char *key,
    u_char *data, size_t len);
static ngx_buf_t *ngx_http_bell_limit_status_text(ngx_http_request_t *r,
    const char *what, ngx_http_bell_limit_seen_t *seen, ngx_uint_t n);
static ngx_int_t ngx_http_bell_limit_status_send(ngx_http_request_t *r,
    ngx_buf_t *b);


ngx_int_t
ngx_http_bell_limit_status_handler(ngx_http_request_t *r)
{
    ngx_int_t                         rc;
    ngx_str_t                         subject;
    ngx_buf_t                        *b;
    uint32_t                          tenant_id;
    ngx_http_bell_limit_seen_t       *seen;
    ngx_http_bell_limit_loc_conf_t   *llcf;
    ngx_http_bell_limit_main_conf_t  *lmcf;

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        return NGX_HTTP_NOT_ALLOWED;
    }

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    llcf = ngx_http_get_module_loc_conf(r, ngx_http_bell_limit_module);
    lmcf = ngx_http_get_module_main_conf(r, ngx_http_bell_limit_module);

    seen = ngx_palloc(r->pool, NGX_HTTP_BELL_LIMIT_BOARD
                               * sizeof(ngx_http_bell_limit_seen_t));
    if (seen == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    switch (ngx_http_bell_limit_asked_about(r, &tenant_id, &subject)) {

    case NGX_OK:
        rc = ngx_http_bell_limit_explain(r, tenant_id, &subject, seen);

        b = (rc >= 0) ? ngx_http_bell_limit_status_text(r, "explained", seen,
                                                        rc)
                      : NULL;
        break;

    case NGX_DECLINED:
        rc = lmcf->sh ? (ngx_int_t) ngx_http_bell_limit_see(lmcf, seen) : 0;

        b = ngx_http_bell_limit_status_text(r, "near", seen,
                                            ngx_min((ngx_uint_t) rc,
                                                    llcf->top));
        break;

    default:
        return NGX_HTTP_BAD_REQUEST;
    }

    return b ? ngx_http_bell_limit_status_send(r, b)
             : NGX_HTTP_INTERNAL_SERVER_ERROR;
}


/* NGX_OK: both were named, NGX_DECLINED: neither, NGX_ERROR: half of it */

static ngx_int_t
ngx_http_bell_limit_asked_about(ngx_http_request_t *r, uint32_t *tenant_id,
    ngx_str_t *subject)
{
    u_char     *src, *dst;
    ngx_int_t   n;
    ngx_str_t   value;
    ngx_uint_t  named;

    named = (ngx_http_arg(r, (u_char *) "tenant", 6, &value) == NGX_OK);

    n = named ? ngx_atoi(value.data, value.len) : 0;

    if (ngx_http_arg(r, (u_char *) "subject", 7, &value) != NGX_OK) {
        return named ? NGX_ERROR : NGX_DECLINED;
    }

    if (!named || n == NGX_ERROR || n > UINT32_MAX || value.len == 0) {
        return NGX_ERROR;
    }

    subject->data = ngx_pnalloc(r->pool, value.len);
    if (subject->data == NULL) {
        return NGX_ERROR;
    }

    src = value.data;
    dst = subject->data;

    ngx_unescape_uri(&dst, &src, value.len, 0);

    subject->len = dst - subject->data;
    *tenant_id = (uint32_t) n;

    return NGX_OK;
}


/* How it stands with somebody and his district; how many, or NGX_ERROR. */

static ngx_int_t
ngx_http_bell_limit_explain(ngx_http_request_t *r, uint32_t tenant_id,
    ngx_str_t *subject, ngx_http_bell_limit_seen_t *seen)
{
    int64_t                            now_us;
    ngx_int_t                          rc;
    ngx_uint_t                         i, n;
    ngx_http_bell_limit_near_t        *near;
    ngx_http_bell_limit_policy_t     **policies;
    ngx_http_bell_limit_main_conf_t   *lmcf;

    lmcf = ngx_http_get_module_main_conf(r, ngx_http_bell_limit_module);

    policies = lmcf->policies.elts;
    now_us = ngx_http_bell_limit_now_us();

    for (i = 0, n = 0; i < lmcf->policies.nelts; i++) {
        near = &seen[n].near;

        ngx_memzero(near, sizeof(ngx_http_bell_limit_near_t));

        rc = ngx_http_bell_limit_name_for(r, policies[i], tenant_id, subject,
                                          &near->name);
        if (rc == NGX_ERROR) {
            return NGX_ERROR;
        }

        if (rc == NGX_DECLINED) {
            continue;
        }

        near->tenant_id = tenant_id;
        near->percent = 100;

        if (policies[i]->by & NGX_HTTP_BELL_LIMIT_SUBJECT) {
            near->len = ngx_snprintf(near->text, sizeof(near->text),
                                     "subject %V", subject)
                        - near->text;
        }

        seen[n++].policy = policies[i];
    }

    ngx_http_bell_limit_find_near(lmcf, seen, n);

    for (i = 0; i < n; i++) {
        ngx_http_bell_limit_see_key(lmcf, &seen[i], now_us);
    }

    return n;
}


/* Who has been near a limit is on the board, with how often he was refused. */

static void
ngx_http_bell_limit_find_near(ngx_http_bell_limit_main_conf_t *lmcf,
    ngx_http_bell_limit_seen_t *seen, ngx_uint_t n)
{
    ngx_uint_t                   i, k;
    ngx_http_bell_limit_near_t  *near;

    if (n == 0) {
        return; /* perhaps there is no zone */
    }

    ngx_shmtx_lock(&lmcf->shpool->mutex);

    for (i = 0; i < NGX_HTTP_BELL_LIMIT_BOARD; i++) {
        near = &lmcf->sh->board[i];

        for (k = 0; k < n; k++) {

            if (near->name.tag == seen[k].near.name.tag
                && near->name.where == seen[k].near.name.where)
            {
                seen[k].near.refused = near->refused;
                seen[k].near.percent = near->percent;
            }
        }
    }

    ngx_shmtx_unlock(&lmcf->shpool->mutex);
}


static ngx_buf_t *
ngx_http_bell_limit_status_text(ngx_http_request_t *r, const char *what,
    ngx_http_bell_limit_seen_t *seen, ngx_uint_t n)
{
    bell_buf                          out;
    bell_json                         j;
    ngx_buf_t                        *b;
    ngx_uint_t                        i;
    ngx_http_bell_limit_main_conf_t  *lmcf;

    lmcf = ngx_http_get_module_main_conf(r, ngx_http_bell_limit_module);

    bell_buf_init(&out, NGX_HTTP_BELL_LIMIT_STATUS_MAX);
    bell_json_init(&j, &out);

    bell_json_object_open(&j);

    ngx_http_bell_limit_write_policies(&j, lmcf);

    if (lmcf->leases.used) {
        ngx_http_bell_limit_write_edges(&j, lmcf);
    }

    bell_json_key(&j, what);
    bell_json_array_open(&j);

    for (i = 0; i < n; i++) {
        ngx_http_bell_limit_write_seen(&j, &seen[i]);
    }

    bell_json_array_close(&j);

    ngx_http_bell_fair_write_status(&j, r);

    bell_json_object_close(&j);
    bell_buf_add_char(&out, '\n');

    b = (bell_json_done(&j) && !out.failed)
        ? ngx_create_temp_buf(r->pool, out.len) : NULL;

    if (b) {
        b->last = ngx_cpymem(b->pos, out.p, out.len);
        b->last_buf = 1;
        b->last_in_chain = 1;
    }

    bell_buf_fini(&out);

    return b;
}


/*
 * Copies those of the board that have used something, who has used most of
 * what he has first.
 */

static ngx_uint_t
ngx_http_bell_limit_see(ngx_http_bell_limit_main_conf_t *lmcf,
    ngx_http_bell_limit_seen_t *seen)
{
    int64_t                      now_us;
    ngx_uint_t                   i, n;
    ngx_http_bell_limit_seen_t  *s;

    now_us = ngx_http_bell_limit_now_us();
    n = 0;

    ngx_shmtx_lock(&lmcf->shpool->mutex);

    for (i = 0; i < NGX_HTTP_BELL_LIMIT_BOARD; i++) {
        s = &seen[n];

        s->near = lmcf->sh->board[i];
        s->policy = ngx_http_bell_limit_numbered(lmcf, s->near.number);

        n += s->near.name.tag != 0 && s->policy != NULL;
    }

    ngx_shmtx_unlock(&lmcf->shpool->mutex);

    for (i = 0; i < n; /* void */ ) {
        s = &seen[i];

        ngx_http_bell_limit_see_key(lmcf, s, now_us);

        if (s->now.reset_us == 0) {
            *s = seen[--n];
            continue;
        }

        i++;
    }

    ngx_qsort(seen, n, sizeof(ngx_http_bell_limit_seen_t),
              ngx_http_bell_limit_compare);

    return n;
}


static void
ngx_http_bell_limit_see_key(ngx_http_bell_limit_main_conf_t *lmcf,
    ngx_http_bell_limit_seen_t *s, int64_t now_us)
{
    uint64_t                   quota;
    bell_gcra_rule             rule;
    ngx_http_bell_limit_ask_t  ask;

    rule = bell_gcra_scaled(&s->policy->rule, s->near.percent);
    quota = bell_gcra_limit(&rule);

    s->standing = NGX_HTTP_BELL_LIMIT_OWN;
    s->in_hand = 0;
    s->len = 0;

    if (s->policy->over_edges) {
        ngx_memzero(&ask, sizeof(ngx_http_bell_limit_ask_t));

        ask.policy = s->policy;
        ask.name = s->near.name;
        ask.rule = rule;
        ask.quota = quota;

        ngx_http_bell_limit_lease_look(lmcf, &ask, now_us);

        s->now = ask.answer;
        s->left = ngx_min(ask.left, quota);
        s->standing = NGX_HTTP_BELL_LIMIT_SHARE;

        if (ask.lease) {
            s->in_hand = bell_lease_in_hand(&ask.lease->lease, now_us);
            s->len = ngx_http_bell_limit_lease_name(s->policy, ask.lease,
                                                    s->lease, s->lease
                                                    + sizeof(s->lease))
                     - s->lease;

            if (!bell_lease_is_alone(&ask.lease->lease, now_us)) {
                s->standing = NGX_HTTP_BELL_LIMIT_LENT;
            }
        }

    } else {
        s->now = bell_limits_peek(lmcf->table, s->near.name, &rule, now_us);
        s->left = s->now.remaining;
    }

    s->used_permille = 1000 - s->left * 1000 / quota;
}


/* NULL: its policy is no longer in the configuration */

static ngx_http_bell_limit_policy_t *
ngx_http_bell_limit_numbered(ngx_http_bell_limit_main_conf_t *lmcf,
    ngx_uint_t number)
{
    ngx_uint_t                      i;
    ngx_http_bell_limit_policy_t  **policies;

    policies = lmcf->policies.elts;

    for (i = 0; i < lmcf->policies.nelts; i++) {
        if (policies[i]->number == number) {
            return policies[i];
        }
    }

    return NULL;
}


static int ngx_libc_cdecl
ngx_http_bell_limit_compare(const void *one, const void *two)
{
    const ngx_http_bell_limit_seen_t  *a = one;
    const ngx_http_bell_limit_seen_t  *b = two;

    if (a->used_permille != b->used_permille) {
        return a->used_permille > b->used_permille ? -1 : 1;
    }

    if (a->near.refused != b->near.refused) {
        return a->near.refused > b->near.refused ? -1 : 1;
    }

    return 0;
}


static void
ngx_http_bell_limit_write_policies(bell_json *j,
    ngx_http_bell_limit_main_conf_t *lmcf)
{
    ngx_uint_t                      i, result;
    ngx_http_bell_limit_policy_t  **policies;

    policies = lmcf->policies.elts;

    bell_json_key(j, "policies");
    bell_json_array_open(j);

    for (i = 0; i < lmcf->policies.nelts; i++) {
        bell_json_object_open(j);

        ngx_http_bell_limit_write_str(j, "name", policies[i]->name.data,
                                      policies[i]->name.len);
        bell_json_key(j, "quota");
        bell_json_int(j, (int64_t) policies[i]->quota);
        bell_json_key(j, "window_s");
        bell_json_int(j, (int64_t) policies[i]->window_s);
        bell_json_key(j, "over_edges");
        bell_json_bool(j, policies[i]->over_edges);

        for (result = 0; result < NGX_HTTP_BELL_LIMIT_RESULTS; result++) {
            bell_json_key(j, ngx_http_bell_limit_results[result]);
            bell_json_int(j, (int64_t) ngx_http_bell_limit_counted(lmcf,
                                                       policies[i], result));
        }

        bell_json_object_close(j);
    }

    bell_json_array_close(j);
}


static void
ngx_http_bell_limit_write_edges(bell_json *j,
    ngx_http_bell_limit_main_conf_t *lmcf)
{
    ngx_uint_t  lent, keys;

    keys = ngx_http_bell_limit_lease_keys(lmcf, &lent);

    bell_json_key(j, "edges");
    bell_json_object_open(j);

    bell_json_key(j, "count");
    bell_json_int(j, ngx_http_bell_limit_edges(lmcf));
    bell_json_key(j, "redis_lends");
    bell_json_bool(j, lmcf->leases.sh->is_lending);
    bell_json_key(j, "keys");
    bell_json_int(j, keys);
    bell_json_key(j, "keys_lent");
    bell_json_int(j, lent);
    bell_json_key(j, "keys_most");
    bell_json_int(j, bell_leases_places(lmcf->leases.table));

    bell_json_object_close(j);
}


static void
ngx_http_bell_limit_write_seen(bell_json *j, ngx_http_bell_limit_seen_t *seen)
{
    bell_json_object_open(j);

    ngx_http_bell_limit_write_str(j, "policy", seen->policy->name.data,
                                  seen->policy->name.len);
    bell_json_key(j, "tenant_id");
    bell_json_int(j, seen->near.tenant_id);
    ngx_http_bell_limit_write_str(j, "key", seen->near.text, seen->near.len);
    bell_json_key(j, "used_percent");
    bell_json_fixed(j, (int64_t) seen->used_permille, 1);
    bell_json_key(j, "remaining");
    bell_json_int(j, (int64_t) seen->left);
    bell_json_key(j, "reset_s");
    bell_json_fixed(j, (seen->now.reset_us + 999) / 1000, 3);
    bell_json_key(j, "refused");
    bell_json_int(j, (int64_t) seen->near.refused);

    if (seen->standing != NGX_HTTP_BELL_LIMIT_OWN) {
        ngx_http_bell_limit_write_lease(j, seen);
    }

    bell_json_object_close(j);
}


static void
ngx_http_bell_limit_write_lease(bell_json *j, ngx_http_bell_limit_seen_t *seen)
{
    bell_json_key(j, "spends");
    bell_json_str(j, bell_str_of(seen->standing == NGX_HTTP_BELL_LIMIT_LENT
                                 ? "lease" : "share"));
    bell_json_key(j, "in_hand");
    bell_json_int(j, (int64_t) seen->in_hand);

    if (seen->len) {
        ngx_http_bell_limit_write_str(j, "redis_key", seen->lease, seen->len);
    }
}


static void
ngx_http_bell_limit_write_str(bell_json *j, const char *key, u_char *data,
    size_t len)
{
    bell_str  s;

    s.p = (char *) data;
    s.len = len;

    bell_json_key(j, key);
    bell_json_str(j, s);
}


static ngx_int_t
ngx_http_bell_limit_status_send(ngx_http_request_t *r, ngx_buf_t *b)
{
    ngx_int_t         rc;
    ngx_chain_t       out;
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_memzero(h, sizeof(ngx_table_elt_t));

    h->hash = 1;
    ngx_str_set(&h->key, "Cache-Control");
    ngx_str_set(&h->value, "no-store");

    r->headers_out.status = NGX_HTTP_OK;
    r->headers_out.content_length_n = b->last - b->pos;
    ngx_str_set(&r->headers_out.content_type, "application/json");
    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_type_lowcase = NULL;

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    out.buf = b;
    out.next = NULL;

    return ngx_http_output_filter(r, &out);
}
