
/*
 * What a verifier is told of a request: all as it was received.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_signed.h"


static ngx_int_t ngx_http_bell_signed_scheme(ngx_http_request_t *r,
    bell_signed_request *sr);
static ngx_int_t ngx_http_bell_signed_authority(ngx_http_request_t *r,
    bell_signed_request *sr);
static ngx_uint_t ngx_http_bell_signed_port(ngx_http_request_t *r,
    bell_str scheme, ngx_str_t *port);
static void ngx_http_bell_signed_client(ngx_http_request_t *r,
    bell_address *client);
static ngx_int_t ngx_http_bell_signed_place(ngx_http_request_t *r,
    bell_signed_request *sr);
static bool ngx_http_bell_signed_field(void *data, bell_str name,
    unsigned nth, bell_str *value);
static ngx_uint_t ngx_http_bell_signed_is_field(ngx_table_elt_t *h,
    bell_str name);
static ngx_uint_t ngx_http_bell_signed_served(ngx_http_request_t *r);


ngx_int_t
ngx_http_bell_signed_request(ngx_http_request_t *r, const bell_tenant *tenant,
    ngx_http_bell_signed_fields_t *fields, bell_signed_request *sr)
{
    ngx_memzero(sr, sizeof(bell_signed_request));
    ngx_memzero(fields, sizeof(ngx_http_bell_signed_fields_t));

    fields->request = r;

    sr->method.p = (char *) r->method_name.data;
    sr->method.len = r->method_name.len;

    sr->target.p = (char *) r->unparsed_uri.data;
    sr->target.len = r->unparsed_uri.len;

    sr->now_s = ngx_time();
    sr->tenant_id = tenant ? tenant->id : 0;

    sr->field = ngx_http_bell_signed_field;
    sr->data = fields;

    ngx_http_bell_signed_client(r, &sr->client);

#if (NGX_HTTP_SSL && defined TLSEXT_TYPE_application_layer_protocol_negotiation)

    if (r->connection->ssl) {
        const unsigned char  *alpn;
        unsigned int          len;

        SSL_get0_alpn_selected(r->connection->ssl->connection, &alpn, &len);

        sr->alpn.p = (const char *) alpn;
        sr->alpn.len = len;
    }

#endif

    if (ngx_http_bell_signed_scheme(r, sr) != NGX_OK
        || ngx_http_bell_signed_authority(r, sr) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_bell_signed_place(r, sr);
}


static ngx_int_t
ngx_http_bell_signed_scheme(ngx_http_request_t *r, bell_signed_request *sr)
{
    ngx_str_t                         value;
    ngx_http_bell_signed_loc_conf_t  *slcf;

    slcf = ngx_http_get_module_loc_conf(r, ngx_http_bell_signed_module);

    if (slcf->scheme == NULL) {
        sr->scheme = BELL_STR("http");

#if (NGX_HTTP_SSL)
        if (r->connection->ssl) {
            sr->scheme = BELL_STR("https");
        }
#endif

        return NGX_OK;
    }

    if (ngx_http_complex_value(r, slcf->scheme, &value) != NGX_OK) {
        return NGX_ERROR;
    }

    sr->scheme.p = (char *) value.data;
    sr->scheme.len = value.len;

    return NGX_OK;
}


/* nginx keeps the name in lower case and without the port. */

static ngx_int_t
ngx_http_bell_signed_authority(ngx_http_request_t *r, bell_signed_request *sr)
{
    u_char     *p;
    ngx_str_t   port;

    /* an empty one is a text, too: HTTP/1.0 has requests without */

    sr->host = BELL_STR("");

    if (r->headers_in.server.len) {
        sr->host.p = (char *) r->headers_in.server.data;
        sr->host.len = r->headers_in.server.len;
    }

    if (!ngx_http_bell_signed_port(r, sr->scheme, &port)) {
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, sr->host.len + port.len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(ngx_cpymem(p, sr->host.p, sr->host.len), port.data, port.len);

    sr->host.p = (char *) p;
    sr->host.len += port.len;

    return NGX_OK;
}


/* 1: there is one that is not the scheme's own, the colon included */

static ngx_uint_t
ngx_http_bell_signed_port(ngx_http_request_t *r, bell_str scheme,
    ngx_str_t *port)
{
    const char       *own;
    ngx_str_t        *name;
    ngx_table_elt_t  *host;

    host = r->headers_in.host;
    name = &r->headers_in.server;

    /* of another host in the request line the port is not known any more */

    if (host == NULL || host->value.len <= name->len + 1
        || host->value.data[name->len] != ':'
        || ngx_strncasecmp(host->value.data, name->data, name->len) != 0)
    {
        return 0;
    }

    port->data = host->value.data + name->len;
    port->len = host->value.len - name->len;

    own = bell_str_eq(scheme, BELL_STR("https")) ? ":443" : ":80";

    return port->len != ngx_strlen(own)
           || ngx_strncmp(port->data, own, port->len) != 0;
}


/* As realip has it, where it is in use. */

static void
ngx_http_bell_signed_client(ngx_http_request_t *r, bell_address *client)
{
    struct sockaddr      *sa;
    struct sockaddr_in   *sin;
#if (NGX_HAVE_INET6)
    struct sockaddr_in6  *sin6;
#endif

    sa = r->connection->sockaddr;

    switch (sa->sa_family) {

    case AF_INET:
        sin = (struct sockaddr_in *) sa;
        client->family = AF_INET;
        ngx_memcpy(client->bytes, &sin->sin_addr, 4);
        return;

#if (NGX_HAVE_INET6)

    case AF_INET6:
        sin6 = (struct sockaddr_in6 *) sa;

        if (IN6_IS_ADDR_V4MAPPED(&sin6->sin6_addr)) {
            client->family = AF_INET;
            ngx_memcpy(client->bytes, sin6->sin6_addr.s6_addr + 12, 4);
            return;
        }

        client->family = AF_INET6;
        ngx_memcpy(client->bytes, &sin6->sin6_addr, 16);
        return;

#endif

    default: /* a unix socket has none */
        return;
    }
}


/* What the operator's variables say of the client's network. */

static ngx_int_t
ngx_http_bell_signed_place(ngx_http_request_t *r, bell_signed_request *sr)
{
    ngx_int_t                         n;
    ngx_str_t                         value;
    ngx_http_bell_signed_loc_conf_t  *slcf;

    slcf = ngx_http_get_module_loc_conf(r, ngx_http_bell_signed_module);

    if (slcf->country) {
        if (ngx_http_complex_value(r, slcf->country, &value) != NGX_OK) {
            return NGX_ERROR;
        }

        sr->country.p = (char *) value.data;
        sr->country.len = value.len;
    }

    if (slcf->asn) {
        if (ngx_http_complex_value(r, slcf->asn, &value) != NGX_OK) {
            return NGX_ERROR;
        }

        n = ngx_atoi(value.data, value.len);
        sr->asn = (n > 0 && (uint64_t) n <= UINT32_MAX) ? (uint32_t) n : 0;
    }

    return NGX_OK;
}


/*
 * Who asks for all fields of a name asks for one behind the other: from the
 * beginning each time, a thousand of them would take a million steps.
 */

static bool
ngx_http_bell_signed_field(void *data, bell_str name, unsigned nth,
    bell_str *value)
{
    ngx_http_bell_signed_fields_t  *fields = data;

    ngx_uint_t        i, skip;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    i = 0;
    skip = nth;
    part = &fields->request->headers_in.headers.part;

    if (fields->part && nth == fields->nth + 1) {
        h = fields->part->elts;

        if (ngx_http_bell_signed_is_field(&h[fields->i], name)) {
            i = fields->i + 1;
            skip = 0;
            part = fields->part;
        }
    }

    for ( /* void */ ; part; part = part->next, i = 0) {
        h = part->elts;

        for ( /* void */ ; i < part->nelts; i++) {
            if (!ngx_http_bell_signed_is_field(&h[i], name) || skip-- > 0) {
                continue;
            }

            fields->part = part;
            fields->i = i;
            fields->nth = nth;

            value->p = (char *) h[i].value.data;
            value->len = h[i].value.len;

            return true;
        }
    }

    *value = BELL_STR_NULL;

    return false;
}


static ngx_uint_t
ngx_http_bell_signed_is_field(ngx_table_elt_t *h, bell_str name)
{
    return h->key.len == name.len
           && ngx_strncasecmp(h->key.data, (u_char *) name.p, name.len) == 0;
}


ngx_uint_t
ngx_http_bell_signed_host(ngx_http_request_t *r,
    ngx_http_bell_signed_issuer_t *issuer, const bell_tenant *tenant)
{
    ngx_str_t   *host, *name;
    ngx_uint_t   i;

    name = &r->headers_in.server;

    if (issuer->hosts) {
        host = issuer->hosts->elts;

        for (i = 0; i < issuer->hosts->nelts; i++) {
            if (host[i].len == name->len
                && ngx_strncasecmp(host[i].data, name->data, name->len) == 0)
            {
                return 1;
            }
        }

        return 0;
    }

    /* keys of a tenant are for the names by which it was found */

    if (issuer->files.nkeys == 0 && tenant) {
        return 1;
    }

    return ngx_http_bell_signed_served(r);
}


/*
 * Whether the server has the host's name, and was not taken for want of a
 * better one.
 */

static ngx_uint_t
ngx_http_bell_signed_served(ngx_http_request_t *r)
{
    ngx_str_t                        *host, *name;
    ngx_uint_t                        i;
    ngx_http_server_name_t           *sn;
    ngx_http_bell_signed_loc_conf_t  *slcf;

    slcf = ngx_http_get_module_loc_conf(r, ngx_http_bell_signed_module);

    host = &r->headers_in.server;
    sn = slcf->names->elts;

    for (i = 0; i < slcf->names->nelts; i++) {

#if (NGX_PCRE)
        if (sn[i].regex) {
            if (ngx_regex_exec(sn[i].regex->regex, host, NULL, 0) >= 0) {
                return 1;
            }

            continue;
        }
#endif

        name = &sn[i].name;

        /* "*.example" is kept as it is, ".example" as both */

        if (name->len > 1 && name->data[0] == '*') {
            if (host->len > name->len - 1
                && ngx_strncasecmp(host->data + host->len - (name->len - 1),
                                   name->data + 1, name->len - 1) == 0)
            {
                return 1;
            }

            continue;
        }

        if (name->len && name->data[0] == '.') {
            if (host->len >= name->len - 1
                && ngx_strncasecmp(host->data + host->len - (name->len - 1),
                                   name->data + 1, name->len - 1) == 0
                && (host->len == name->len - 1
                    || host->data[host->len - name->len] == '.'))
            {
                return 1;
            }

            continue;
        }

        if (host->len && name->len == host->len
            && ngx_strncasecmp(name->data, host->data, host->len) == 0)
        {
            return 1;
        }
    }

    return 0;
}
