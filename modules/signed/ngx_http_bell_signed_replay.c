
/*
 * Tokens that say how often they count: shared memory of those that were used
 * (bell_seen.h), and what a use of one comes to.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <openssl/rand.h>

#include "ngx_http_bell_signed.h"


#define NGX_HTTP_BELL_SIGNED_FULL_S  60     /* between two lines of a worker */


static ngx_http_bell_signed_used_t *ngx_http_bell_signed_used(
    ngx_http_bell_signed_verify_t *verify, const bell_signed_use *use);
static bell_seen_name ngx_http_bell_signed_used_as(
    ngx_http_bell_signed_verify_t *verify, const bell_signed_use *use);
static void ngx_http_bell_signed_is_full(
    ngx_http_bell_signed_main_conf_t *smcf);
static ngx_int_t ngx_http_bell_signed_replay_init(ngx_shm_zone_t *shm_zone,
    void *data);


/* zones of this module are told apart by it */

static ngx_uint_t  ngx_http_bell_signed_replay_tag;


/* in the order of bell_seen_answer */

static const char  *ngx_http_bell_signed_uses[] = {
    "first", "again", "unknown"
};


/*
 * All that the token says holds.  What is left is whether the host is one for
 * its keys: for others nothing is used up.
 */

bell_signed_reason
ngx_http_bell_signed_use(void *data, const bell_signed_use *use)
{
    ngx_http_bell_signed_verify_t  *verify = data;

    ngx_http_bell_signed_used_t  *used;

    if (!ngx_http_bell_signed_host(verify->request, verify->issuer,
                                   verify->tenant))
    {
        return BELL_SIGNED_RESOURCE;
    }

    used = ngx_http_bell_signed_used(verify, use);
    if (used == NULL) {
        return BELL_SIGNED_FULL;
    }

    verify->ctx->use = ngx_http_bell_signed_uses[used->answer];

    if (!use->once || used->answer == BELL_SEEN_FIRST) {
        return BELL_SIGNED_OK;
    }

    return used->answer == BELL_SEEN_AGAIN ? BELL_SIGNED_REPLAYED
                                           : BELL_SIGNED_FULL;
}


/*
 * What this request has found of that token; the memory is asked once.  NULL:
 * no memory of the process.
 */

static ngx_http_bell_signed_used_t *
ngx_http_bell_signed_used(ngx_http_bell_signed_verify_t *verify,
    const bell_signed_use *use)
{
    ngx_uint_t                         i;
    bell_seen_name                     name;
    bell_seen_thing                    thing;
    ngx_http_bell_signed_ctx_t        *ctx;
    ngx_http_bell_signed_used_t       *used;
    ngx_http_bell_signed_main_conf_t  *smcf;

    ctx = verify->ctx;
    smcf = verify->smcf;

    name = ngx_http_bell_signed_used_as(verify, use);

    if (ctx->used == NULL) {
        ctx->used = ngx_array_create(verify->request->pool, 1,
                                     sizeof(ngx_http_bell_signed_used_t));
        if (ctx->used == NULL) {
            return NULL;
        }
    }

    used = ctx->used->elts;

    for (i = 0; i < ctx->used->nelts; i++) {
        if (bell_seen_same(used[i].name, name)) {
            return &used[i];
        }
    }

    used = ngx_array_push(ctx->used);
    if (used == NULL) {
        return NULL;
    }

    /* without a directory nobody shares the memory */

    thing.name = name;
    thing.group = verify->tenant_id;
    thing.expires_s = use->expires_s;
    thing.yields = !use->once;

    used->name = name;
    used->answer = bell_seen_use(smcf->replay->memory, ngx_pid, &thing,
                                 ngx_time());

    if (used->answer == BELL_SEEN_FULL) {
        smcf->core->count(smcf->forgotten, 1);
        ngx_http_bell_signed_is_full(smcf);
    }

    if (used->answer == BELL_SEEN_AGAIN && !use->once) {
        smcf->core->count(smcf->reused, 1);
    }

    return used;
}


/*
 * The tenant, the key and the token's own id: not the issuer, who may stand
 * in the configuration under several names.
 */

static bell_seen_name
ngx_http_bell_signed_used_as(ngx_http_bell_signed_verify_t *verify,
    const bell_signed_use *use)
{
    u_char    *p;
    bell_str   what;

    /* an id is part of a token, which is shorter by far than what is here */

    p = (u_char *) verify->smcf->room + NGX_HTTP_BELL_SIGNED_ROOM;
    what.p = (char *) p;

    p = ngx_cpymem(p, &verify->tenant_id, sizeof(uint32_t));
    p = ngx_cpymem(p, &use->key->fingerprint, sizeof(uint64_t));
    *p++ = use->is_named;
    p = ngx_cpymem(p, use->id.p, use->id.len);

    what.len = (char *) p - what.p;

    return bell_seen_name_of(verify->smcf->replay->memory, what);
}


/* Not in the request's log, which shows its line with the token. */

static void
ngx_http_bell_signed_is_full(ngx_http_bell_signed_main_conf_t *smcf)
{
    if (smcf->full_s && ngx_time() - smcf->full_s < NGX_HTTP_BELL_SIGNED_FULL_S
        && ngx_time() >= smcf->full_s)
    {
        return;
    }

    smcf->full_s = ngx_time();

    ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                  "bell_signed_replay: zone \"%V\" is full: tokens that count "
                  "once are refused until others have ended, or the zone is "
                  "larger", &smcf->replay->shm_zone->shm.name);
}


static ngx_int_t
ngx_http_bell_signed_replay_init(ngx_shm_zone_t *shm_zone, void *data)
{
    ngx_http_bell_signed_replay_t  *old = data;

    size_t                          size;
    u_char                          seed[BELL_SIPHASH_KEY_BYTES];
    ngx_slab_pool_t                *shpool;
    ngx_http_bell_signed_replay_t  *replay;

    replay = shm_zone->data;
    shpool = (ngx_slab_pool_t *) shm_zone->shm.addr;

    /* what was used stays used behind a reload */

    if (old) {
        replay->memory = old->memory;
        return NGX_OK;
    }

    if (shm_zone->shm.exists) {
        replay->memory = shpool->data;
        return NGX_OK;
    }

    /* all that the zone has, in one piece; pages are aligned */

    size = shpool->pfree * ngx_pagesize;
    replay->memory = ngx_slab_calloc(shpool, size);

    if (RAND_bytes(seed, sizeof(seed)) != 1) {
        ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                      "bell_signed_replay: OpenSSL gave no randomness");
        return NGX_ERROR;
    }

    if (replay->memory == NULL
        || !bell_seen_init(replay->memory, size, seed))
    {
        ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                      "bell_signed_replay: zone \"%V\" of %uz bytes cannot be "
                      "laid out: make it larger", &shm_zone->shm.name,
                      shm_zone->shm.size);
        return NGX_ERROR;
    }

    shpool->data = replay->memory;

    return NGX_OK;
}


/* bell_signed_replay zone=NAME:SIZE */

char *
ngx_http_bell_signed_replay(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_bell_signed_main_conf_t  *smcf = conf;

    u_char                         *colon;
    ssize_t                         size;
    ngx_str_t                      *value, word, name, s;
    ngx_http_bell_signed_replay_t  *replay;

    if (smcf->replay) {
        return "is duplicate";
    }

    value = cf->args->elts;
    colon = NULL;

    if (ngx_http_bell_signed_split(&value[1], &word, &name)
        && ngx_http_bell_signed_is(&word, "zone"))
    {
        colon = ngx_strlchr(name.data, name.data + name.len, ':');
    }

    if (colon == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" is not zone=NAME:SIZE", &value[1]);
        return NGX_CONF_ERROR;
    }

    s.data = colon + 1;
    s.len = name.data + name.len - s.data;

    name.len = colon - name.data;

    size = ngx_parse_size(&s);

    if (name.len == 0 || size == NGX_ERROR
        || size < (ssize_t) (8 * ngx_pagesize))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\": a name and a size of %uzk or more are "
                           "expected, as in zone=replay:1m", &value[1],
                           8 * ngx_pagesize / 1024);
        return NGX_CONF_ERROR;
    }

    replay = ngx_pcalloc(cf->pool, sizeof(ngx_http_bell_signed_replay_t));
    if (replay == NULL) {
        return NGX_CONF_ERROR;
    }

    replay->shm_zone = ngx_shared_memory_add(cf, &name, size,
                                             &ngx_http_bell_signed_replay_tag);
    if (replay->shm_zone == NULL) {
        return NGX_CONF_ERROR;
    }

    replay->shm_zone->init = ngx_http_bell_signed_replay_init;
    replay->shm_zone->data = replay;

    smcf->replay = replay;

    return NGX_CONF_OK;
}
