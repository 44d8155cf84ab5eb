
/*
 * Host names and their tenants: the directory, and what a process keeps of it.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_bell_hosts.h"


/*
 * Each name has its place in one of the sets; a set is the width of the loads
 * that compare its tags.  All in all 2.5 MB a process, of which only what is
 * used is touched.
 */

#define NGX_HTTP_BELL_HOSTS_SETS  2048
#define NGX_HTTP_BELL_HOSTS_WAYS  4

#define NGX_HTTP_BELL_HOSTS_PRIME  0x9e3779b97f4a7c15ULL

/* longer names are looked up each time: hardly any is */
#define NGX_HTTP_BELL_HOSTS_LEN   94


/* Begins with what every use of it reads: of a short name a cache line. */

typedef struct {
    ngx_atomic_uint_t      generation;     /* when it was right at last */
    uint64_t               version;        /* of that generation */
    uint16_t               len;
    u_char                 host[NGX_HTTP_BELL_HOSTS_LEN];   /* as written */
    bell_tenant            tenant;
    bell_directory_trace   trace;
} ngx_http_bell_hosts_entry_t;


struct ngx_http_bell_hosts_s {
    uint64_t                      seed;
    ngx_uint_t                    turn;    /* whose place is given away next */

    /* 0: nothing is there */

    uint32_t                      tags[NGX_HTTP_BELL_HOSTS_SETS]
                                      [NGX_HTTP_BELL_HOSTS_WAYS];

    ngx_http_bell_hosts_entry_t  *entries;
};


static uint64_t ngx_http_bell_hosts_hash(ngx_http_bell_hosts_t *hosts,
    ngx_str_t *host);
static ngx_http_bell_hosts_entry_t *ngx_http_bell_hosts_find(
    ngx_http_bell_hosts_t *hosts, uint64_t hash, ngx_str_t *host);
static ngx_http_bell_hosts_entry_t *ngx_http_bell_hosts_place(
    ngx_http_bell_hosts_t *hosts, uint64_t hash);
static bell_directory_match ngx_http_bell_hosts_look_up(
    ngx_http_bell_directory_t *d, ngx_str_t *host, bell_tenant *tenant,
    ngx_http_bell_directory_found_t *found);


void
ngx_http_bell_hosts_keep(ngx_http_bell_directory_t *d, ngx_pool_t *pool)
{
    ngx_http_bell_hosts_t  *hosts;

    hosts = ngx_pcalloc(pool, sizeof(ngx_http_bell_hosts_t));
    if (hosts == NULL) {
        return;
    }

    /* not zeroed: what has no tag is not read */

    hosts->entries = ngx_pmemalign(pool, NGX_HTTP_BELL_HOSTS_SETS
                                         * NGX_HTTP_BELL_HOSTS_WAYS
                                         * sizeof(ngx_http_bell_hosts_entry_t),
                                   64);
    if (hosts->entries == NULL) {
        return;
    }

    hosts->seed = (uint64_t) ngx_random() << 32 ^ (uint64_t) ngx_random();

    d->hosts = hosts;
}


ngx_int_t
ngx_http_bell_find_host(ngx_http_bell_directory_t *d, ngx_str_t *host,
    bell_tenant *tenant, uint64_t *version)
{
    uint64_t                          hash;
    ngx_http_bell_hosts_t            *hosts;
    ngx_http_bell_hosts_entry_t      *e;
    ngx_http_bell_directory_found_t   found;

    hosts = d->hosts;

    if (host->len == 0 || host->len > NGX_HTTP_BELL_HOSTS_LEN) {
        hosts = NULL;
    }

    hash = 0;

    if (hosts) {
        hash = ngx_http_bell_hosts_hash(hosts, host);
        e = ngx_http_bell_hosts_find(hosts, hash, host);

        if (e && ngx_http_bell_directory_holds(d, &e->generation, &e->version,
                                               &e->trace))
        {
            *tenant = e->tenant;
            *version = e->version;

            return NGX_OK;
        }
    }

    if (ngx_http_bell_hosts_look_up(d, host, tenant, &found)
        == BELL_DIRECTORY_NOBODY)
    {
        *version = found.version;

        /* not even what a torn slot may have left there */
        ngx_memzero(tenant, sizeof(bell_tenant));

        return NGX_DECLINED;
    }

    *version = found.version;

    if (hosts) {
        e = ngx_http_bell_hosts_find(hosts, hash, host);

        if (e == NULL) {
            e = ngx_http_bell_hosts_place(hosts, hash);
            e->len = host->len;
            ngx_memcpy(e->host, host->data, host->len);
        }

        e->generation = found.generation;
        e->version = found.version;
        e->trace = found.trace;
        e->tenant = *tenant;
    }

    return NGX_OK;
}


static bell_directory_match
ngx_http_bell_hosts_look_up(ngx_http_bell_directory_t *d, ngx_str_t *host,
    bell_tenant *tenant, ngx_http_bell_directory_found_t *found)
{
    char      name[BELL_HOST_MAX_BYTES + 1];
    long      len;
    bell_str  raw, normal;

    raw.p = (char *) host->data;
    raw.len = host->len;

    len = raw.len ? bell_host_normalize(raw, name) : 0;

    normal.p = name;
    normal.len = len > 0 ? (size_t) len : 0;

    return ngx_http_bell_directory_find(d, normal, tenant, found);
}


/*
 * Quick rather than strong: who finds names that share a set has them looked
 * up in the directory, and must have tenants' names to begin with.
 */

static uint64_t
ngx_http_bell_hosts_hash(ngx_http_bell_hosts_t *hosts, ngx_str_t *host)
{
    u_char    *p, *last;
    uint64_t   h, word;

    h = hosts->seed ^ host->len;
    last = host->data + ngx_max(host->len, sizeof(word)) - sizeof(word);

    for (p = host->data; p < last; p += sizeof(word)) {
        ngx_memcpy(&word, p, sizeof(word));
        h = (h ^ word) * NGX_HTTP_BELL_HOSTS_PRIME;
        h ^= h >> 32;
    }

    /* the last eight bytes, or all of a shorter name */

    word = 0;

    if (host->len >= sizeof(word)) {
        ngx_memcpy(&word, last, sizeof(word));

    } else {
        ngx_memcpy(&word, host->data, host->len);
    }

    h = (h ^ word) * NGX_HTTP_BELL_HOSTS_PRIME;

    return h ^ h >> 32;
}


static ngx_http_bell_hosts_entry_t *
ngx_http_bell_hosts_find(ngx_http_bell_hosts_t *hosts, uint64_t hash,
    ngx_str_t *host)
{
    uint32_t                      tag, *tags;
    ngx_uint_t                    i, set;
    ngx_http_bell_hosts_entry_t  *e;

    set = hash % NGX_HTTP_BELL_HOSTS_SETS;
    tag = (uint32_t) (hash >> 32) | 1;
    tags = hosts->tags[set];

    for (i = 0; i < NGX_HTTP_BELL_HOSTS_WAYS; i++) {

        if (tags[i] != tag) {
            continue;
        }

        e = &hosts->entries[set * NGX_HTTP_BELL_HOSTS_WAYS + i];

        if (e->len == host->len
            && ngx_memcmp(e->host, host->data, host->len) == 0)
        {
            return e;
        }
    }

    return NULL;
}


static ngx_http_bell_hosts_entry_t *
ngx_http_bell_hosts_place(ngx_http_bell_hosts_t *hosts, uint64_t hash)
{
    uint32_t    *tags;
    ngx_uint_t   i, set;

    set = hash % NGX_HTTP_BELL_HOSTS_SETS;
    tags = hosts->tags[set];

    for (i = 0; i < NGX_HTTP_BELL_HOSTS_WAYS && tags[i]; i++) { /* void */ }

    if (i == NGX_HTTP_BELL_HOSTS_WAYS) {
        i = hosts->turn++ % NGX_HTTP_BELL_HOSTS_WAYS;
    }

    tags[i] = (uint32_t) (hash >> 32) | 1;

    return &hosts->entries[set * NGX_HTTP_BELL_HOSTS_WAYS + i];
}
