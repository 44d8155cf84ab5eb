
/*
 * Who is near a limit, and who is over it: "bell_limit_status", as JSON.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "bell_json.h"
#include "ngx_http_bell_limit.h"


/* all policies and the whole board fit */
#define NGX_HTTP_BELL_LIMIT_STATUS_MAX  (256 * 1024)


/* A key of the board, as it is now. */

typedef struct {
    ngx_http_bell_limit_near_t      near;
    ngx_http_bell_limit_policy_t   *policy;
    bell_gcra_answer                now;
    ngx_uint_t                      used_permille;
} ngx_http_bell_limit_seen_t;


static ngx_uint_t ngx_http_bell_limit_see(
    ngx_http_bell_limit_main_conf_t *lmcf, ngx_http_bell_limit_seen_t *seen);
static ngx_http_bell_limit_policy_t *ngx_http_bell_limit_numbered(
    ngx_http_bell_limit_main_conf_t *lmcf, ngx_uint_t number);
static int ngx_libc_cdecl ngx_http_bell_limit_compare(const void *one,
    const void *two);
static void ngx_http_bell_limit_write_policies(bell_json *j,
    ngx_http_bell_limit_main_conf_t *lmcf);
static void ngx_http_bell_limit_write_seen(bell_json *j,
    ngx_http_bell_limit_seen_t *seen);
static void ngx_http_bell_limit_write_str(bell_json *j, const char *key,
    u_char *data, size_t len);
static ngx_buf_t *ngx_http_bell_limit_status_text(ngx_http_request_t *r);
static ngx_int_t ngx_http_bell_limit_status_send(ngx_http_request_t *r,
    ngx_buf_t *b);


ngx_int_t
ngx_http_bell_limit_status_handler(ngx_http_request_t *r)
{
    ngx_int_t   rc;
    ngx_buf_t  *b;

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        return NGX_HTTP_NOT_ALLOWED;
    }

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    b = ngx_http_bell_limit_status_text(r);

    return b ? ngx_http_bell_limit_status_send(r, b)
             : NGX_HTTP_INTERNAL_SERVER_ERROR;
}


static ngx_buf_t *
ngx_http_bell_limit_status_text(ngx_http_request_t *r)
{
    bell_buf                          out;
    bell_json                         j;
    ngx_buf_t                        *b;
    ngx_uint_t                        i, n;
    ngx_http_bell_limit_seen_t       *seen;
    ngx_http_bell_limit_loc_conf_t   *llcf;
    ngx_http_bell_limit_main_conf_t  *lmcf;

    llcf = ngx_http_get_module_loc_conf(r, ngx_http_bell_limit_module);
    lmcf = ngx_http_get_module_main_conf(r, ngx_http_bell_limit_module);

    seen = ngx_palloc(r->pool, NGX_HTTP_BELL_LIMIT_BOARD
                               * sizeof(ngx_http_bell_limit_seen_t));
    if (seen == NULL) {
        return NULL;
    }

    n = lmcf->sh ? ngx_http_bell_limit_see(lmcf, seen) : 0;

    bell_buf_init(&out, NGX_HTTP_BELL_LIMIT_STATUS_MAX);
    bell_json_init(&j, &out);

    bell_json_object_open(&j);

    ngx_http_bell_limit_write_policies(&j, lmcf);

    bell_json_key(&j, "near");
    bell_json_array_open(&j);

    for (i = 0; i < n && i < llcf->top; i++) {
        ngx_http_bell_limit_write_seen(&j, &seen[i]);
    }

    bell_json_array_close(&j);
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
    bell_gcra_rule               rule;
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

        rule = bell_gcra_scaled(&s->policy->rule, s->near.percent);

        s->now = bell_limits_peek(lmcf->table, s->near.name, &rule, now_us);
        s->used_permille = 1000 - (uint64_t) s->now.remaining * 1000
                                  / bell_gcra_limit(&rule);

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
    bell_json_int(j, seen->now.remaining);
    bell_json_key(j, "reset_s");
    bell_json_fixed(j, (seen->now.reset_us + 999) / 1000, 3);
    bell_json_key(j, "refused");
    bell_json_int(j, (int64_t) seen->near.refused);

    bell_json_object_close(j);
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
