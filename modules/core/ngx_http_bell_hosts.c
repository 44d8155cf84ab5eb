
/*
 * Host names and their tenants: the directory, and what a process keeps of it.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_bell_hosts.h"


/*
 * Each name has its place in one of the sets; a set is the width of the loads
 * that compare its tags.  As many as names find room in the directory, within
 * bounds; the most are 7 MB a process and as many for long texts, of which
 * only what is used is touched.
 */

#define NGX_HTTP_BELL_HOSTS_SETS_MIN  64
#define NGX_HTTP_BELL_HOSTS_SETS_MAX  8192
#define NGX_HTTP_BELL_HOSTS_WAYS      4

/* of so many names that are not the first of their set one is made it */
#define NGX_HTTP_BELL_HOSTS_RARELY    8

#define NGX_HTTP_BELL_HOSTS_SHARE     (128 * NGX_HTTP_BELL_HOSTS_WAYS)

#define NGX_HTTP_BELL_HOSTS_PRIME     0x9e3779b97f4a7c15ULL

#define NGX_HTTP_BELL_HOSTS_LINE      64
#define NGX_HTTP_BELL_HOSTS_HUGE      (2 * 1024 * 1024)

/* longer names are looked up each time: hardly any is */
#define NGX_HTTP_BELL_HOSTS_LEN       100


/*
 * What every use of it reads, close together: of most names two cache lines.
 * The tenant's texts have a fixed place here when they are short.
 */

typedef struct {
    ngx_atomic_uint_t      generation;     /* when it was right at last */
    uint64_t               version;        /* of that generation */
    uint64_t               revision;
    uint32_t               sessions_from_s;
    uint32_t               id;
    u_char                 status;
    u_char                 brief;          /* the texts are short */
    uint16_t               len;
    uint16_t               scale_percent[BELL_SCALES];
    char                   name[24];
    char                   upstream[12];
    char                   locale[12];
    u_char                 host[NGX_HTTP_BELL_HOSTS_LEN];   /* as written */
} ngx_http_bell_hosts_entry_t;


typedef uint32_t  ngx_http_bell_hosts_tags_t[NGX_HTTP_BELL_HOSTS_WAYS];


struct ngx_http_bell_hosts_s {
    uint64_t                      seed;
    uint64_t                      mask;    /* of sets */
    ngx_uint_t                    turn;    /* whose place is given away next */
    ngx_http_bell_hosts_tags_t   *tags;    /* 0: nothing is there */
    ngx_http_bell_hosts_entry_t  *entries;
    bell_directory_trace         *traces;  /* of each entry */
    bell_tenant                  *tenants; /* of each that is not brief */
};


static uint64_t ngx_http_bell_hosts_hash(ngx_http_bell_hosts_t *hosts,
    ngx_str_t *host);
static ngx_http_bell_hosts_entry_t *ngx_http_bell_hosts_find(
    ngx_http_bell_hosts_t *hosts, uint64_t hash, ngx_str_t *host);
static ngx_http_bell_hosts_entry_t *ngx_http_bell_hosts_place(
    ngx_http_bell_hosts_t *hosts, uint64_t hash);
static void ngx_http_bell_hosts_to_front(ngx_http_bell_hosts_t *hosts,
    ngx_uint_t set, ngx_uint_t way);
static void ngx_http_bell_hosts_note(ngx_http_bell_hosts_t *hosts,
    ngx_http_bell_hosts_entry_t *e, bell_tenant *tenant,
    ngx_http_bell_directory_found_t *found);
static ngx_uint_t ngx_http_bell_hosts_brief(char *to, size_t size,
    char *from);
static void ngx_http_bell_hosts_tenant(ngx_http_bell_hosts_t *hosts,
    ngx_http_bell_hosts_entry_t *e, bell_tenant *tenant);
static bell_directory_match ngx_http_bell_hosts_look_up(
    ngx_http_bell_directory_t *d, ngx_str_t *host, bell_tenant *tenant,
    ngx_http_bell_directory_found_t *found);


void
ngx_http_bell_hosts_keep(ngx_http_bell_directory_t *d, ngx_pool_t *pool)
{
    u_char                 *p;
    size_t                  sets, n, size;
    ngx_http_bell_hosts_t  *hosts;

    hosts = ngx_pcalloc(pool, sizeof(ngx_http_bell_hosts_t));
    if (hosts == NULL) {
        return;
    }

    sets = NGX_HTTP_BELL_HOSTS_SETS_MIN;

    while (sets < NGX_HTTP_BELL_HOSTS_SETS_MAX
           && sets < d->sh->capacity / NGX_HTTP_BELL_HOSTS_SHARE)
    {
        sets *= 2;
    }

    n = sets * NGX_HTTP_BELL_HOSTS_WAYS;

    size = n * sizeof(ngx_http_bell_hosts_entry_t)
           + sets * sizeof(ngx_http_bell_hosts_tags_t)
           + n * sizeof(bell_directory_trace) + n * sizeof(bell_tenant);

    p = ngx_pmemalign(pool, size, size < NGX_HTTP_BELL_HOSTS_HUGE
                                  ? NGX_HTTP_BELL_HOSTS_LINE
                                  : NGX_HTTP_BELL_HOSTS_HUGE);
    if (p == NULL) {
        return;
    }

#if (MADV_HUGEPAGE)

    /* names come from anywhere in it: a look for each page would cost more */

    if (size >= NGX_HTTP_BELL_HOSTS_HUGE) {
        (void) madvise(p, size, MADV_HUGEPAGE);
    }

#endif

    /* not zeroed: what has no tag is not read */

    hosts->entries = (ngx_http_bell_hosts_entry_t *) p;
    p += n * sizeof(ngx_http_bell_hosts_entry_t);

    hosts->tags = (ngx_http_bell_hosts_tags_t *) p;
    p += sets * sizeof(ngx_http_bell_hosts_tags_t);

    hosts->tenants = (bell_tenant *) p;
    p += n * sizeof(bell_tenant);

    hosts->traces = (bell_directory_trace *) p;

    ngx_memzero(hosts->tags, sets * sizeof(ngx_http_bell_hosts_tags_t));

    hosts->mask = sets - 1;
    hosts->seed = (uint64_t) ngx_random() << 32 ^ (uint64_t) ngx_random();

    d->hosts = hosts;
}


uint64_t
ngx_http_bell_expect_host(ngx_http_bell_directory_t *d, ngx_str_t *host)
{
    u_char                 *p;
    uint64_t                hash, set;
    ngx_http_bell_hosts_t  *hosts;

    hosts = d->hosts;

    if (hosts == NULL || host->len == 0) {
        return 0;
    }

    hash = ngx_http_bell_hosts_hash(hosts, host);
    set = hash & hosts->mask;

    /* most names are the first of their set */

    p = (u_char *) &hosts->entries[set * NGX_HTTP_BELL_HOSTS_WAYS];

    __builtin_prefetch(hosts->tags[set]);
    __builtin_prefetch(p);
    __builtin_prefetch(p + NGX_HTTP_BELL_HOSTS_LINE);

    return hash;
}


ngx_int_t
ngx_http_bell_find_host(ngx_http_bell_directory_t *d, ngx_str_t *host,
    uint64_t expected, bell_tenant *tenant, uint64_t *version)
{
    ngx_http_bell_hosts_t            *hosts;
    ngx_http_bell_hosts_entry_t      *e;
    ngx_http_bell_directory_found_t   found;

    hosts = (host->len && host->len <= NGX_HTTP_BELL_HOSTS_LEN) ? d->hosts
                                                                : NULL;

    if (hosts) {
        e = ngx_http_bell_hosts_find(hosts, expected, host);

        if (e && ngx_http_bell_directory_holds(d, &e->generation, &e->version,
                                          &hosts->traces[e - hosts->entries]))
        {
            ngx_http_bell_hosts_tenant(hosts, e, tenant);
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
        e = ngx_http_bell_hosts_find(hosts, expected, host);

        if (e == NULL) {
            e = ngx_http_bell_hosts_place(hosts, expected);
            e->len = (uint16_t) host->len;
            ngx_memcpy(e->host, host->data, host->len);
        }

        ngx_http_bell_hosts_note(hosts, e, tenant, &found);
    }

    return NGX_OK;
}


static void
ngx_http_bell_hosts_note(ngx_http_bell_hosts_t *hosts,
    ngx_http_bell_hosts_entry_t *e, bell_tenant *tenant,
    ngx_http_bell_directory_found_t *found)
{
    ngx_uint_t  i;

    e->generation = found->generation;
    e->version = found->version;
    e->revision = tenant->revision;
    e->sessions_from_s = (uint32_t) tenant->sessions_from_s;
    e->id = tenant->id;
    e->status = (u_char) tenant->status;
    ngx_memcpy(e->scale_percent, tenant->scale_percent,
               sizeof(e->scale_percent));

    e->brief = ngx_http_bell_hosts_brief(e->name, sizeof(e->name),
                                         tenant->name)
               && ngx_http_bell_hosts_brief(e->upstream, sizeof(e->upstream),
                                            tenant->upstream)
               && ngx_http_bell_hosts_brief(e->locale, sizeof(e->locale),
                                            tenant->locale);

    i = e - hosts->entries;

    hosts->traces[i] = found->trace;

    if (!e->brief) {
        hosts->tenants[i] = *tenant;
    }
}


static ngx_uint_t
ngx_http_bell_hosts_brief(char *to, size_t size, char *from)
{
    if (ngx_strlen(from) >= size) {
        return 0;
    }

    ngx_memzero(to, size);
    ngx_memcpy(to, from, ngx_strlen(from));

    return 1;
}


/* The sizes are known to the compiler: no loops, no calls. */

static ngx_inline void
ngx_http_bell_hosts_tenant(ngx_http_bell_hosts_t *hosts,
    ngx_http_bell_hosts_entry_t *e, bell_tenant *tenant)
{
    if (!e->brief) {
        *tenant = hosts->tenants[e - hosts->entries];
        return;
    }

    tenant->id = e->id;
    tenant->status = (bell_tenant_status) e->status;
    tenant->revision = e->revision;
    tenant->sessions_from_s = e->sessions_from_s;

    ngx_memcpy(tenant->scale_percent, e->scale_percent,
               sizeof(e->scale_percent));
    ngx_memcpy(tenant->name, e->name, sizeof(e->name));
    ngx_memcpy(tenant->upstream, e->upstream, sizeof(e->upstream));
    ngx_memcpy(tenant->locale, e->locale, sizeof(e->locale));
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

    set = hash & hosts->mask;
    tag = (uint32_t) (hash >> 32) | 1;
    tags = hosts->tags[set];

    for (i = 0; i < NGX_HTTP_BELL_HOSTS_WAYS; i++) {

        if (tags[i] != tag) {
            continue;
        }

        e = &hosts->entries[set * NGX_HTTP_BELL_HOSTS_WAYS + i];

        if (e->len != host->len
            || ngx_memcmp(e->host, host->data, host->len) != 0)
        {
            continue;
        }

        if (i > 0 && hosts->turn++ % NGX_HTTP_BELL_HOSTS_RARELY == 0) {
            ngx_http_bell_hosts_to_front(hosts, set, i);
            return &hosts->entries[set * NGX_HTTP_BELL_HOSTS_WAYS];
        }

        return e;
    }

    return NULL;
}


/*
 * The first of a set is fetched before it is known to be the right one.  One
 * in a few of the names that are found elsewhere changes places with it: who
 * is asked for often is there soon, and those who are not cost little.
 */

static void
ngx_http_bell_hosts_to_front(ngx_http_bell_hosts_t *hosts, ngx_uint_t set,
    ngx_uint_t way)
{
    uint32_t                      tag;
    ngx_uint_t                    first, i;
    bell_tenant                   tenant;
    bell_directory_trace          trace;
    ngx_http_bell_hosts_entry_t   e;

    first = set * NGX_HTTP_BELL_HOSTS_WAYS;
    i = first + way;

    tag = hosts->tags[set][0];
    hosts->tags[set][0] = hosts->tags[set][way];
    hosts->tags[set][way] = tag;

    if (!hosts->entries[first].brief || !hosts->entries[i].brief) {
        tenant = hosts->tenants[first];
        hosts->tenants[first] = hosts->tenants[i];
        hosts->tenants[i] = tenant;
    }

    e = hosts->entries[first];
    hosts->entries[first] = hosts->entries[i];
    hosts->entries[i] = e;

    trace = hosts->traces[first];
    hosts->traces[first] = hosts->traces[i];
    hosts->traces[i] = trace;
}


static ngx_http_bell_hosts_entry_t *
ngx_http_bell_hosts_place(ngx_http_bell_hosts_t *hosts, uint64_t hash)
{
    uint32_t    *tags;
    ngx_uint_t   i, set;

    set = hash & hosts->mask;
    tags = hosts->tags[set];

    for (i = 0; i < NGX_HTTP_BELL_HOSTS_WAYS && tags[i]; i++) { /* void */ }

    if (i == NGX_HTTP_BELL_HOSTS_WAYS) {
        i = hosts->turn++ % NGX_HTTP_BELL_HOSTS_WAYS;
    }

    tags[i] = (uint32_t) (hash >> 32) | 1;

    return &hosts->entries[set * NGX_HTTP_BELL_HOSTS_WAYS + i];
}
