
/*
 * Whom a policy counts a request for, and for how much.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <openssl/evp.h>

#include "ngx_http_bell_limit.h"


/* address, subject, role, class, route, and the text of key= */
#define NGX_HTTP_BELL_LIMIT_PARTS  6

/* keys up to this many bytes need no memory of the request */
#define NGX_HTTP_BELL_LIMIT_SHORT  512


typedef struct {
    const char                      *what;      /* for people */
    ngx_str_t                        value;
} ngx_http_bell_limit_part_t;


typedef struct {
    ngx_uint_t                       n;
    ngx_http_bell_limit_part_t       part[NGX_HTTP_BELL_LIMIT_PARTS];
    u_char                           address[16];
} ngx_http_bell_limit_parts_t;


static ngx_int_t ngx_http_bell_limit_bytes(ngx_http_request_t *r,
    ngx_http_bell_limit_policy_t *policy, u_char *buf, bell_str *key);
static ngx_int_t ngx_http_bell_limit_join(ngx_pool_t *pool,
    ngx_http_bell_limit_policy_t *policy, uint32_t tenant_id,
    ngx_http_bell_limit_parts_t *parts, u_char *buf, bell_str *key);
static ngx_int_t ngx_http_bell_limit_parts(ngx_http_request_t *r,
    ngx_http_bell_limit_policy_t *policy, ngx_http_bell_limit_parts_t *parts);
static void ngx_http_bell_limit_who(ngx_http_request_t *r,
    ngx_http_bell_ctx_t *ctx, ngx_http_bell_limit_policy_t *policy,
    ngx_http_bell_limit_parts_t *parts);
static void ngx_http_bell_limit_add(ngx_http_bell_limit_parts_t *parts,
    const char *what, ngx_str_t *value);
static void ngx_http_bell_limit_address(ngx_http_request_t *r,
    ngx_http_bell_limit_policy_t *policy, ngx_http_bell_limit_parts_t *parts);
#if (NGX_HAVE_INET6)
static size_t ngx_http_bell_limit_ipv6(struct in6_addr *from, ngx_uint_t bits,
    u_char *to);
#endif
static u_char *ngx_http_bell_limit_put(u_char *p, ngx_str_t *s);
static u_char *ngx_http_bell_limit_put_address(u_char *p, u_char *last,
    ngx_http_bell_limit_policy_t *policy, ngx_str_t *address);


ngx_int_t
ngx_http_bell_limit_name(ngx_http_request_t *r,
    ngx_http_bell_limit_policy_t *policy, bell_limits_name *name)
{
    u_char                            buf[NGX_HTTP_BELL_LIMIT_SHORT];
    bell_str                          key;
    ngx_int_t                         rc;
    ngx_http_bell_limit_main_conf_t  *lmcf;

    rc = ngx_http_bell_limit_bytes(r, policy, buf, &key);

    if (rc != NGX_OK) {
        return rc;
    }

    lmcf = ngx_http_get_module_main_conf(r, ngx_http_bell_limit_module);

    *name = bell_limits_name_of(lmcf->table, (uint8_t) policy->number, key);

    return NGX_OK;
}


/*
 * Of the same bytes, but one that all edges have: the table's has a seed of
 * its own.  It is asked for when a key begins to be used.
 */

ngx_int_t
ngx_http_bell_limit_digest(ngx_http_request_t *r,
    ngx_http_bell_limit_policy_t *policy, u_char *digest)
{
    u_char     buf[NGX_HTTP_BELL_LIMIT_SHORT], md[EVP_MAX_MD_SIZE];
    bell_str   key;
    ngx_int_t  rc;

    rc = ngx_http_bell_limit_bytes(r, policy, buf, &key);

    if (rc != NGX_OK) {
        return rc;
    }

    if (EVP_Digest(key.p, key.len, md, NULL, EVP_sha256(), NULL) != 1) {
        return NGX_ERROR;
    }

    ngx_memcpy(digest, md, BELL_LEASES_DIGEST_BYTES);

    return NGX_OK;
}


/*
 * Results as of ngx_http_bell_limit_name(); buf has the room of a short key,
 * longer ones are the request's memory.
 */

static ngx_int_t
ngx_http_bell_limit_bytes(ngx_http_request_t *r,
    ngx_http_bell_limit_policy_t *policy, u_char *buf, bell_str *key)
{
    ngx_int_t                    rc;
    ngx_http_bell_limit_parts_t  parts;

    rc = ngx_http_bell_limit_parts(r, policy, &parts);

    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_http_bell_limit_join(r->pool, policy,
                                    ngx_http_bell_limit_tenant_id(r), &parts,
                                    buf, key);
}


/* Each part with its length: no two keys are one because of where they are
 * divided. */

static ngx_int_t
ngx_http_bell_limit_join(ngx_pool_t *pool,
    ngx_http_bell_limit_policy_t *policy, uint32_t tenant_id,
    ngx_http_bell_limit_parts_t *parts, u_char *buf, bell_str *key)
{
    size_t       len;
    u_char      *p, *start;
    ngx_uint_t   i;

    len = 2 * sizeof(uint32_t) + policy->name.len;

    for (i = 0; i < parts->n; i++) {
        len += sizeof(uint32_t) + parts->part[i].value.len;
    }

    start = (len <= NGX_HTTP_BELL_LIMIT_SHORT) ? buf : ngx_pnalloc(pool, len);
    if (start == NULL) {
        return NGX_ERROR;
    }

    p = ngx_cpymem(start, &tenant_id, sizeof(uint32_t));
    p = ngx_http_bell_limit_put(p, &policy->name);

    for (i = 0; i < parts->n; i++) {
        p = ngx_http_bell_limit_put(p, &parts->part[i].value);
    }

    key->p = (char *) start;
    key->len = p - start;

    return NGX_OK;
}


/* Without a request of his: only what his key is made of alone is known. */

ngx_int_t
ngx_http_bell_limit_name_for(ngx_http_request_t *r,
    ngx_http_bell_limit_policy_t *policy, uint32_t tenant_id,
    ngx_str_t *subject, bell_limits_name *name)
{
    u_char                            buf[NGX_HTTP_BELL_LIMIT_SHORT];
    bell_str                          key;
    ngx_http_bell_limit_parts_t       parts;
    ngx_http_bell_limit_main_conf_t  *lmcf;

    if (policy->key
        || (policy->by & ~(NGX_HTTP_BELL_LIMIT_SUBJECT
                           |NGX_HTTP_BELL_LIMIT_TENANT)))
    {
        return NGX_DECLINED;
    }

    parts.n = 0;

    if (policy->by & NGX_HTTP_BELL_LIMIT_SUBJECT) {
        ngx_http_bell_limit_add(&parts, "subject", subject);
    }

    if (ngx_http_bell_limit_join(r->pool, policy, tenant_id, &parts, buf, &key)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    lmcf = ngx_http_get_module_main_conf(r, ngx_http_bell_limit_module);

    *name = bell_limits_name_of(lmcf->table, (uint8_t) policy->number, key);

    return NGX_OK;
}


uint32_t
ngx_http_bell_limit_tenant_id(ngx_http_request_t *r)
{
    const bell_tenant                *tenant;
    ngx_http_bell_limit_main_conf_t  *lmcf;

    lmcf = ngx_http_get_module_main_conf(r, ngx_http_bell_limit_module);

    tenant = lmcf->core->tenant(r);

    return tenant ? tenant->id : 0;
}


/* Results as of ngx_http_bell_limit_name(). */

static ngx_int_t
ngx_http_bell_limit_parts(ngx_http_request_t *r,
    ngx_http_bell_limit_policy_t *policy, ngx_http_bell_limit_parts_t *parts)
{
    ngx_str_t                         text;
    ngx_uint_t                        i;
    ngx_http_bell_ctx_t              *ctx;
    ngx_http_bell_limit_main_conf_t  *lmcf;

    lmcf = ngx_http_get_module_main_conf(r, ngx_http_bell_limit_module);

    ctx = lmcf->core->context(r);
    if (ctx == NULL) {
        return NGX_ERROR;
    }

    parts->n = 0;

    ngx_http_bell_limit_who(r, ctx, policy, parts);

    if (policy->key) {
        if (ngx_http_complex_value(r, policy->key, &text) != NGX_OK) {
            return NGX_ERROR;
        }

        ngx_http_bell_limit_add(parts, "key", &text);
    }

    for (i = 0; i < parts->n; i++) {
        if (parts->part[i].value.len == 0) {
            return NGX_DECLINED;
        }
    }

    return NGX_OK;
}


static void
ngx_http_bell_limit_who(ngx_http_request_t *r, ngx_http_bell_ctx_t *ctx,
    ngx_http_bell_limit_policy_t *policy, ngx_http_bell_limit_parts_t *parts)
{
    ngx_str_t                  server = ngx_string("server");
    ngx_http_core_loc_conf_t  *clcf;

    if (policy->by & NGX_HTTP_BELL_LIMIT_ADDRESS) {
        ngx_http_bell_limit_address(r, policy, parts);
    }

    if (policy->by & NGX_HTTP_BELL_LIMIT_SUBJECT) {
        ngx_http_bell_limit_add(parts, "subject",
                                ctx->subject.len ? &ctx->subject
                                                 : &ctx->token_subject);
    }

    if (policy->by & NGX_HTTP_BELL_LIMIT_ROLE) {
        ngx_http_bell_limit_add(parts, "role", &ctx->role);
    }

    if (policy->by & NGX_HTTP_BELL_LIMIT_CLASS) {
        ngx_http_bell_limit_add(parts, "class", &ctx->class);
    }

    if (policy->by & NGX_HTTP_BELL_LIMIT_ROUTE) {
        clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);
        ngx_http_bell_limit_add(parts, "route",
                                clcf->name.len ? &clcf->name : &server);
    }
}


static void
ngx_http_bell_limit_add(ngx_http_bell_limit_parts_t *parts, const char *what,
    ngx_str_t *value)
{
    parts->part[parts->n].what = what;
    parts->part[parts->n].value = *value;
    parts->n++;
}


/* That of the client, which realip may have set, in network byte order. */

static void
ngx_http_bell_limit_address(ngx_http_request_t *r,
    ngx_http_bell_limit_policy_t *policy, ngx_http_bell_limit_parts_t *parts)
{
    ngx_str_t            s;
    ngx_connection_t    *c;
    struct sockaddr_in  *sin;

    c = r->connection;

    s.data = parts->address;

    switch (c->sockaddr->sa_family) {

    case AF_INET:
        sin = (struct sockaddr_in *) c->sockaddr;
        s.len = sizeof(struct in_addr);
        ngx_memcpy(s.data, &sin->sin_addr, s.len);
        break;

#if (NGX_HAVE_INET6)
    case AF_INET6:
        s.len = ngx_http_bell_limit_ipv6(
                            &((struct sockaddr_in6 *) c->sockaddr)->sin6_addr,
                            policy->ipv6_bits, s.data);
        break;
#endif

    default: /* a unix socket: all who come by it are one */
        s = c->addr_text;
        break;
    }

    ngx_http_bell_limit_add(parts, "address", &s);
}


#if (NGX_HAVE_INET6)

/*
 * A house has a network, whose addresses are many and change: they count as
 * one.  An IPv4 address that came over IPv6 is itself.
 */

static size_t
ngx_http_bell_limit_ipv6(struct in6_addr *from, ngx_uint_t bits, u_char *to)
{
    size_t  whole;

    if (IN6_IS_ADDR_V4MAPPED(from)) {
        ngx_memcpy(to, &from->s6_addr[12], 4);
        return 4;
    }

    whole = bits / 8;

    ngx_memzero(to, 16);
    ngx_memcpy(to, from->s6_addr, whole);

    if (bits % 8) {
        to[whole] = from->s6_addr[whole] & (u_char) (0xff << (8 - bits % 8));
    }

    return 16;
}

#endif


static u_char *
ngx_http_bell_limit_put(u_char *p, ngx_str_t *s)
{
    uint32_t  len;

    len = (uint32_t) s->len;
    p = ngx_cpymem(p, &len, sizeof(uint32_t));

    return ngx_cpymem(p, s->data, s->len);
}


/*
 * The one place where a rule is made for a request.  It is kept with what is
 * asked: what was taken by a rule is given back by the same, also when the
 * tenant's scale has changed meanwhile.
 */

void
ngx_http_bell_limit_rule(ngx_http_request_t *r, ngx_http_bell_limit_ask_t *ask)
{
    const bell_tenant                *tenant;
    ngx_http_bell_limit_policy_t     *policy;
    ngx_http_bell_limit_main_conf_t  *lmcf;

    policy = ask->policy;

    ask->rule = policy->rule;
    ask->quota = policy->quota;
    ask->percent = 100;

    if (policy->scale == 0) {
        return;
    }

    lmcf = ngx_http_get_module_main_conf(r, ngx_http_bell_limit_module);

    tenant = lmcf->core->tenant(r);

    if (tenant == NULL || tenant->scale_percent[policy->scale - 1] == 100) {
        return;
    }

    ask->percent = tenant->scale_percent[policy->scale - 1];
    ask->rule = bell_gcra_scaled(&policy->rule, ask->percent);
    ask->quota = bell_gcra_limit(&ask->rule);
}


ngx_int_t
ngx_http_bell_limit_cost(ngx_http_request_t *r, ngx_http_bell_limit_ask_t *ask)
{
    bell_str                       s;
    uint64_t                      *cost;
    ngx_str_t                      text;
    ngx_http_bell_limit_policy_t  *policy;

    cost = &ask->cost;
    policy = ask->policy;

    *cost = 1;

    if (policy->cost == NULL) {
        return NGX_OK;
    }

    if (ngx_http_complex_value(r, policy->cost, &text) != NGX_OK) {
        return NGX_ERROR;
    }

    s.p = (char *) text.data;
    s.len = text.len;

    /* what is no number costs one; never nothing, by an operator's slip */

    if (s.len && !bell_str_to_u64(s, UINT64_MAX, cost)) {
        ngx_log_error(NGX_LOG_WARN, r->connection->log, 0,
                      "bell_limit: what a request costs by policy \"%V\" is "
                      "no number and counts as 1", &policy->name);
        *cost = 1;
    }

    /* what costs more than there ever is would never be let in */

    *cost = ngx_min(*cost, ask->quota);

    return NGX_OK;
}


u_char *
ngx_http_bell_limit_describe(ngx_http_request_t *r,
    ngx_http_bell_limit_policy_t *policy, u_char *p, u_char *last)
{
    u_char                       *start;
    ngx_str_t                    *value;
    ngx_uint_t                    i;
    ngx_http_bell_limit_parts_t   parts;

    if (ngx_http_bell_limit_parts(r, policy, &parts) != NGX_OK) {
        return p;
    }

    start = p;

    for (i = 0; i < parts.n; i++) {
        value = &parts.part[i].value;

        p = ngx_slprintf(p, last, "%s%s ", p > start ? ", " : "",
                         parts.part[i].what);

        if (value->data == parts.address) {
            p = ngx_http_bell_limit_put_address(p, last, policy, value);

        } else {
            p = ngx_slprintf(p, last, "%V", value);
        }
    }

    return p;
}


static u_char *
ngx_http_bell_limit_put_address(u_char *p, u_char *last,
    ngx_http_bell_limit_policy_t *policy, ngx_str_t *address)
{
#if (NGX_HAVE_INET6)

    u_char  text[NGX_INET6_ADDRSTRLEN];
    size_t  len;

    if (address->len == 16) {
        len = ngx_inet6_ntop(address->data, text, sizeof(text));

        return ngx_slprintf(p, last, "%*s/%ui", len, text, policy->ipv6_bits);
    }

#endif

    return ngx_slprintf(p, last, "%ud.%ud.%ud.%ud", address->data[0],
                        address->data[1], address->data[2], address->data[3]);
}
