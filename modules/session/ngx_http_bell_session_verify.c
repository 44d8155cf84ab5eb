
/*
 * A token and a tenant in, a verdict out.  The signature is looked up or
 * verified; the key, the tenant, the clock and who was signed out are asked
 * every time.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_session.h"


/* our own sessions are the same whatever host they come to */
#define NGX_HTTP_BELL_SESSION_OURS  0


static bell_session_verdict ngx_http_bell_session_open_own(
    ngx_http_bell_session_main_conf_t *smcf, bell_str token, bell_session *s,
    ngx_log_t *log);
static bell_session_verdict ngx_http_bell_session_open_others(
    ngx_http_bell_session_main_conf_t *smcf, const bell_tenant *tenant,
    bell_str token, bell_session *s, ngx_log_t *log);
static bell_session_verdict ngx_http_bell_session_try_issuers(
    ngx_http_bell_session_issuers_t *issuers, uint32_t tenant_id,
    bell_str token, bell_session *s);
static ngx_uint_t ngx_http_bell_session_signed_out(
    const ngx_http_bell_core_api_t *core, const bell_tenant *tenant,
    bell_session *s);
static ngx_int_t ngx_http_bell_session_cache_get(ngx_http_bell_sigcache_t *c,
    uint32_t realm, bell_str token, bell_session *s);
static void ngx_http_bell_session_cache_put(ngx_http_bell_sigcache_t *c,
    uint32_t realm, bell_str token, bell_session *s);


bell_session_verdict
ngx_http_bell_session_verify(ngx_http_bell_session_main_conf_t *smcf,
    const bell_tenant *tenant, bell_str token, ngx_uint_t foreign,
    bell_session *s, ngx_log_t *log)
{
    bell_session_verdict  v;

    v = BELL_SESSION_UNKNOWN_KEY;

    if (smcf->keys) {
        v = ngx_http_bell_session_open_own(smcf, token, s, log);
    }

    if (foreign
        && (v == BELL_SESSION_UNKNOWN_KEY || v == BELL_SESSION_MALFORMED))
    {
        v = ngx_http_bell_session_open_others(smcf, tenant, token, s, log);
    }

    if (v == BELL_SESSION_OK) {
        v = bell_session_judge(s, tenant->id, ngx_time());
    }

    if (v == BELL_SESSION_OK
        && ngx_http_bell_session_signed_out(smcf->core, tenant, s))
    {
        v = BELL_SESSION_SIGNED_OUT;
    }

    return v;
}


static bell_session_verdict
ngx_http_bell_session_open_own(ngx_http_bell_session_main_conf_t *smcf,
    bell_str token, bell_session *s, ngx_log_t *log)
{
    bell_session_verdict           v;
    ngx_http_bell_session_keys_t  *k;

    k = smcf->keys;

    ngx_http_bell_session_keys_look(k, 0, log);

    if (ngx_http_bell_session_cache_get(smcf->cache,
                                        NGX_HTTP_BELL_SESSION_OURS, token, s)
        == NGX_OK
        && ngx_http_bell_session_keys_has(k, s->source))
    {
        return BELL_SESSION_OK;
    }

    v = bell_session_open((const bell_token_key *const *) k->keys, k->nkeys,
                          token, s);

    if (v == BELL_SESSION_UNKNOWN_KEY) {

        /* the origin may have moved on in this very second */

        ngx_http_bell_session_keys_look(k, 1, log);

        v = bell_session_open((const bell_token_key *const *) k->keys,
                              k->nkeys, token, s);
    }

    if (v == BELL_SESSION_OK || v == BELL_SESSION_BAD_SIGNATURE) {
        smcf->core->count(smcf->computed, 1);
    }

    if (v == BELL_SESSION_OK) {
        ngx_http_bell_session_cache_put(smcf->cache,
                                        NGX_HTTP_BELL_SESSION_OURS, token, s);
    }

    return v;
}


static bell_session_verdict
ngx_http_bell_session_open_others(ngx_http_bell_session_main_conf_t *smcf,
    const bell_tenant *tenant, bell_str token, bell_session *s, ngx_log_t *log)
{
    bell_session_verdict              v;
    ngx_http_bell_session_issuers_t  *issuers;

    issuers = ngx_http_bell_session_tenant_issuers(smcf->issuers, smcf->core,
                                                   tenant, log);

    if (issuers == NULL || issuers->nissuers == 0) {
        return BELL_SESSION_UNKNOWN_KEY;
    }

    if (ngx_http_bell_session_cache_get(smcf->cache, tenant->id, token, s)
        == NGX_OK
        && ngx_http_bell_session_find_issuer(issuers, s->source))
    {
        return BELL_SESSION_OK;
    }

    v = ngx_http_bell_session_try_issuers(issuers, tenant->id, token, s);

    if (v != BELL_SESSION_UNKNOWN_KEY && v != BELL_SESSION_ALGORITHM
        && v != BELL_SESSION_MALFORMED)
    {
        smcf->core->count(smcf->computed, 1);
    }

    if (v == BELL_SESSION_OK) {
        ngx_http_bell_session_cache_put(smcf->cache, tenant->id, token, s);
    }

    return v;
}


/* What the last one says that knows the key; or else that none knows it. */

static bell_session_verdict
ngx_http_bell_session_try_issuers(ngx_http_bell_session_issuers_t *issuers,
    uint32_t tenant_id, bell_str token, bell_session *s)
{
    ngx_uint_t                       i;
    bell_session_verdict             v, best;
    ngx_http_bell_session_issuer_t  *issuer;

    best = BELL_SESSION_UNKNOWN_KEY;

    for (i = 0; i < issuers->nissuers; i++) {
        issuer = &issuers->issuers[i];

        if (!ngx_http_bell_session_issuer_counts(issuer)) {
            continue;
        }

        v = bell_session_open_foreign(issuer->issuer, tenant_id, token, s);

        if (v == BELL_SESSION_OK) {
            return v;
        }

        if (v != BELL_SESSION_UNKNOWN_KEY) {
            best = v;
        }
    }

    return best;
}


static ngx_uint_t
ngx_http_bell_session_signed_out(const ngx_http_bell_core_api_t *core,
    const bell_tenant *tenant, bell_session *s)
{
    bell_str   subject;
    ngx_str_t  name;

    if (s->issued_s < tenant->sessions_from_s) {
        return 1;
    }

    subject = bell_session_subject(s);
    name.data = (u_char *) subject.p;
    name.len = subject.len;

    return core->is_revoked((ngx_cycle_t *) ngx_cycle, tenant->id, &name,
                            s->issued_s);
}


/* What one worker has verified, all know. */

static ngx_int_t
ngx_http_bell_session_cache_get(ngx_http_bell_sigcache_t *c, uint32_t realm,
    bell_str token, bell_session *s)
{
    long  len;

    if (c == NULL) {
        return NGX_DECLINED;
    }

    len = bell_sigcache_get(c->cells, realm, token, ngx_time(), s,
                            sizeof(bell_session));

    return len > 0 && bell_session_is_whole(s, len) ? NGX_OK : NGX_DECLINED;
}


static void
ngx_http_bell_session_cache_put(ngx_http_bell_sigcache_t *c, uint32_t realm,
    bell_str token, bell_session *s)
{
    if (c) {
        (void) bell_sigcache_put(c->cells, ngx_pid, realm, token, ngx_time(),
                                 s, bell_session_bytes(s));
    }
}
