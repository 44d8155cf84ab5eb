
/*
 * What a client is told of its limits.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_fair.h"
#include "ngx_http_bell_limit.h"


/* of the problem's text: sentences, a name, a request's id */
#define NGX_HTTP_BELL_LIMIT_PROBLEM  2048


static bell_ratelimit_problem ngx_http_bell_limit_problem(
    ngx_http_bell_limit_policy_t *policy);
static void ngx_http_bell_limit_write_problem(ngx_http_request_t *r,
    ngx_http_bell_limit_ctx_t *ctx, bell_buf *out);
static ngx_int_t ngx_http_bell_limit_header_filter(ngx_http_request_t *r);
static ngx_int_t ngx_http_bell_limit_tell(ngx_http_request_t *r,
    ngx_http_bell_limit_ctx_t *ctx);
static ngx_int_t ngx_http_bell_limit_known(ngx_http_request_t *r,
    ngx_http_bell_limit_ctx_t *ctx, const bell_ratelimit_item **items,
    bell_gcra_answer *answers);
static const bell_ratelimit_item *ngx_http_bell_limit_item(
    ngx_http_request_t *r, ngx_http_bell_limit_ask_t *ask);
static ngx_int_t ngx_http_bell_limit_add_field(ngx_http_request_t *r,
    const char *name, const char *value, long len);


static ngx_http_output_header_filter_pt  ngx_http_next_header_filter;


/* nginx answers with the status, or with what error_page has for it. */

ngx_int_t
ngx_http_bell_limit_refuse(ngx_http_request_t *r,
    ngx_http_bell_limit_ask_t *ask)
{
    u_char                            text[NGX_INT32_LEN], *p;
    uint32_t                          retry_s;
    ngx_http_bell_limit_main_conf_t  *lmcf;

    lmcf = ngx_http_get_module_main_conf(r, ngx_http_bell_limit_module);

    retry_s = bell_ratelimit_retry_s(&ask->answer, ask->policy->jitter_s,
                                     (uint64_t) ngx_random());

    lmcf->core->reason(r, "limit \"%V\" is used up: the next one is let in "
                       "in %L ms", &ask->policy->name,
                       (ask->answer.retry_after_us + 999) / 1000);

    p = ngx_sprintf(text, "%uD", retry_s);

    if (ngx_http_bell_limit_add_field(r, "Retry-After", (char *) text,
                                      p - text)
        != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ask->policy->status;
}


static bell_ratelimit_problem
ngx_http_bell_limit_problem(ngx_http_bell_limit_policy_t *policy)
{
    return policy->status == NGX_HTTP_SERVICE_UNAVAILABLE
           ? BELL_RATELIMIT_REDUCED_CAPACITY : BELL_RATELIMIT_QUOTA_EXCEEDED;
}


/* The body for who refuses in a page of error_page; nobody was: no value. */

ngx_int_t
ngx_http_bell_limit_problem_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    char                       *p;
    bell_buf                    out;
    ngx_http_bell_limit_ctx_t  *ctx;

    ctx = ngx_http_bell_limit_get_ctx(r);

    if (ctx && (!ctx->is_known || ctx->result != NGX_HTTP_BELL_LIMIT_REFUSED))
    {
        ctx = NULL;
    }

    if (ctx == NULL && !ngx_http_bell_fair_is_refused(r)) {
        v->not_found = 1;
        return NGX_OK;
    }

    bell_buf_init(&out, NGX_HTTP_BELL_LIMIT_PROBLEM);

    ngx_http_bell_limit_write_problem(r, ctx, &out);

    p = out.failed ? NULL : ngx_pnalloc(r->pool, out.len);

    if (p) {
        ngx_memcpy(p, out.p, out.len);

        ngx_http_bell_limit_set_variable(v, (u_char *) p, out.len);
    }

    bell_buf_fini(&out);

    return p ? NGX_OK : NGX_ERROR;
}


/* ctx NULL: no limit has refused it, the origin is full */

static void
ngx_http_bell_limit_write_problem(ngx_http_request_t *r,
    ngx_http_bell_limit_ctx_t *ctx, bell_buf *out)
{
    bell_str                          name, id;
    ngx_http_variable_value_t        *request_id;
    ngx_http_bell_limit_main_conf_t  *lmcf;

    lmcf = ngx_http_get_module_main_conf(r, ngx_http_bell_limit_module);

    request_id = ngx_http_get_indexed_variable(r, lmcf->request_id);

    id = BELL_STR_NULL;

    if (request_id && !request_id->not_found) {
        id.p = (char *) request_id->data;
        id.len = request_id->len;
    }

    if (ctx == NULL) {
        bell_ratelimit_write_problem(out, BELL_RATELIMIT_REDUCED_CAPACITY,
                             bell_str_of("More is asked of the server just "
                                         "now than it can answer. What was "
                                         "sent has not been taken: please "
                                         "send it again a little later."),
                             NULL, 0, id);
        return;
    }

    name.p = (char *) ctx->verdict.policy->name.data;
    name.len = ctx->verdict.policy->name.len;

    bell_ratelimit_write_problem(out,
                            ngx_http_bell_limit_problem(ctx->verdict.policy),
                            BELL_STR_NULL, &name, 1, id);
}


/*
 * The first of all header filters, for answers from wherever: what stands in
 * front of the cache is not stored, and what the cache fetches is no request
 * that has passed a limit.
 */

static ngx_int_t
ngx_http_bell_limit_header_filter(ngx_http_request_t *r)
{
    ngx_http_bell_limit_ctx_t  *ctx;

    if (r != r->main) {
        return ngx_http_next_header_filter(r);
    }

    ctx = ngx_http_bell_limit_get_ctx(r);

    if (ctx && ctx->headers && ngx_http_bell_limit_tell(r, ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_next_header_filter(r);
}


static ngx_int_t
ngx_http_bell_limit_tell(ngx_http_request_t *r, ngx_http_bell_limit_ctx_t *ctx)
{
    long                        len;
    char                        text[BELL_RATELIMIT_POLICIES_MAX
                                     * BELL_RATELIMIT_ITEM_MAX];
    ngx_int_t                   n;
    bell_gcra_answer            answers[BELL_RATELIMIT_POLICIES_MAX];
    const bell_ratelimit_item  *items[BELL_RATELIMIT_POLICIES_MAX];

    n = ngx_http_bell_limit_known(r, ctx, items, answers);

    if (n <= 0) {
        return n == 0 ? NGX_OK : NGX_ERROR;
    }

    len = bell_ratelimit_write_policy(items, n, text, sizeof(text));

    if (ngx_http_bell_limit_add_field(r, "RateLimit-Policy", text, len)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    len = bell_ratelimit_write_now(items, answers, n, text, sizeof(text));

    return ngx_http_bell_limit_add_field(r, "RateLimit", text, len);
}


/* How many hold; of those that only look nobody need know. */

static ngx_int_t
ngx_http_bell_limit_known(ngx_http_request_t *r,
    ngx_http_bell_limit_ctx_t *ctx, const bell_ratelimit_item **items,
    bell_gcra_answer *answers)
{
    ngx_int_t                   n;
    ngx_uint_t                  i;
    ngx_http_bell_limit_ask_t  *ask;

    ask = ctx->asks.elts;
    n = 0;

    for (i = 0; i < ctx->asks.nelts && n < BELL_RATELIMIT_POLICIES_MAX; i++) {

        if (ask[i].dry_run) {
            continue;
        }

        items[n] = ngx_http_bell_limit_item(r, &ask[i]);

        if (items[n] == NULL) {
            return NGX_ERROR;
        }

        answers[n++] = ask[i].answer;
    }

    return n;
}


/* Made once, but for a rule that is scaled for the request's tenant. */

static const bell_ratelimit_item *
ngx_http_bell_limit_item(ngx_http_request_t *r, ngx_http_bell_limit_ask_t *ask)
{
    bell_ratelimit_item  *item;

    if (ask->percent == 100) {
        return &ask->policy->told;
    }

    item = ngx_palloc(r->pool, sizeof(bell_ratelimit_item));

    if (item == NULL
        || ngx_http_bell_limit_prepare(&ask->policy->name, &ask->rule, item)
           != NGX_OK)
    {
        return NULL;
    }

    return item;
}


static ngx_int_t
ngx_http_bell_limit_add_field(ngx_http_request_t *r, const char *name,
    const char *value, long len)
{
    u_char           *p;
    ngx_table_elt_t  *h;

    if (len < 0) {
        ngx_log_error(NGX_LOG_ALERT, r->connection->log, 0,
                      "bell_limit: %s has no room", name);
        return NGX_ERROR;
    }

    p = ngx_pnalloc(r->pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(h, sizeof(ngx_table_elt_t));

    ngx_memcpy(p, value, len);

    h->hash = 1;
    h->key.data = (u_char *) name;
    h->key.len = ngx_strlen(name);
    h->value.data = p;
    h->value.len = len;

    return NGX_OK;
}


ngx_int_t
ngx_http_bell_limit_init_filter(ngx_conf_t *cf)
{
    ngx_http_next_header_filter = ngx_http_top_header_filter;
    ngx_http_top_header_filter = ngx_http_bell_limit_header_filter;

    return NGX_OK;
}
