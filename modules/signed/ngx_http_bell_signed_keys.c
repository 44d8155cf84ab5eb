
/*
 * The keys of an issuer.  Those from files are read with the configuration.
 * Those of the directory are keys of a tenant with the issuer's use; each
 * worker keeps those of some tenants prepared, as long as the tenant is of
 * the same revision.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_signed.h"
#include "bell_jwe.h"


#define NGX_HTTP_BELL_SIGNED_FILE_MAX  16384

/* behind its end, for a clock that is set back */
#define NGX_HTTP_BELL_SIGNED_ENDED_S   3600


static ngx_int_t ngx_http_bell_signed_file(ngx_conf_t *cf, ngx_str_t *path,
    ngx_uint_t secret, ngx_str_t *text);
static bell_signed_key *ngx_http_bell_signed_private(bell_signed_key *key,
    const char **why);
static bell_signed_key *ngx_http_bell_signed_make(
    ngx_http_bell_signed_issuer_t *issuer, bell_record_key *key,
    const char **why);
static ngx_http_bell_signed_tenant_t *ngx_http_bell_signed_tenant(
    ngx_http_bell_signed_issuer_t *issuer, const ngx_http_bell_core_api_t *core,
    const bell_tenant *tenant, ngx_log_t *log);
static ngx_int_t ngx_http_bell_signed_create_tenants(
    ngx_http_bell_signed_issuer_t *issuer);
static ngx_http_bell_signed_tenant_t *ngx_http_bell_signed_place(
    ngx_http_bell_signed_tenant_t *table, uint32_t tenant_id);
static void ngx_http_bell_signed_read(ngx_http_bell_signed_issuer_t *issuer,
    ngx_http_bell_signed_tenant_t *t, const bell_tenant *tenant, void *record,
    size_t len, ngx_log_t *log);
static bell_signed_keys *ngx_http_bell_signed_keys_of(
    ngx_http_bell_signed_issuer_t *issuer, ngx_http_bell_signed_tenant_t *t,
    bell_str use);
static void ngx_http_bell_signed_forget(bell_signed_keys *keys);
static void ngx_http_bell_signed_forget_tenant(
    ngx_http_bell_signed_tenant_t *t);
static void ngx_http_bell_signed_free_files(void *data);
static void ngx_http_bell_signed_free_tenants(void *data);
static bell_str ngx_http_bell_signed_known_as(
    ngx_http_bell_signed_main_conf_t *smcf, const bell_signed_key *key,
    bell_signed_alg alg, bell_str bytes, bell_str spelled);


char *
ngx_http_bell_signed_key_file(ngx_conf_t *cf,
    ngx_http_bell_signed_issuer_t *issuer, ngx_str_t *value, ngx_uint_t which)
{
    u_char              *colon;
    bell_str             id, material;
    ngx_str_t            path, text;
    const char          *why;
    bell_signed_key     *key;
    bell_signed_keys    *keys;
    ngx_pool_cleanup_t  *cln;

    colon = ngx_strlchr(value->data, value->data + value->len, ':');

    if (colon == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" is not ID:FILE; where tokens name no key, "
                           "any id will do", value);
        return NGX_CONF_ERROR;
    }

    path.data = colon + 1;
    path.len = value->data + value->len - path.data;

    if (ngx_http_bell_signed_file(cf, &path,
                                  which != NGX_HTTP_BELL_SIGNED_PUBLIC, &text)
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    keys = which == NGX_HTTP_BELL_SIGNED_PRIVATE ? &issuer->private_files
                                                 : &issuer->files;

    if (keys->nkeys == BELL_SIGNED_KEYS_MAX) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "issuer \"%V\" has more than %d keys",
                           &issuer->name, BELL_SIGNED_KEYS_MAX);
        return NGX_CONF_ERROR;
    }

    id.p = (char *) value->data;
    id.len = colon - value->data;

    material.p = (char *) text.data;
    material.len = text.len;

    why = "";

    key = which == NGX_HTTP_BELL_SIGNED_PUBLIC
              ? bell_signed_key_public(id, material, &why)
              : bell_signed_key_secret(id, issuer->mac_alg, material,
                                       issuer->hex, &why);

    ngx_explicit_memzero(text.data, text.len);

    if (which == NGX_HTTP_BELL_SIGNED_PRIVATE) {
        key = ngx_http_bell_signed_private(key, &why);
    }

    if (key == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "the key in \"%V\" cannot be used: %s", &path, why);
        return NGX_CONF_ERROR;
    }

    if (keys->nkeys == 0) {
        cln = ngx_pool_cleanup_add(cf->pool, 0);
        if (cln == NULL) {
            bell_signed_key_free(key);
            return NGX_CONF_ERROR;
        }

        cln->handler = ngx_http_bell_signed_free_files;
        cln->data = keys;
    }

    keys->keys[keys->nkeys++] = key;

    return NGX_CONF_OK;
}


/* The key, when it is one that something can be encrypted with. */

static bell_signed_key *
ngx_http_bell_signed_private(bell_signed_key *key, const char **why)
{
    if (key == NULL || bell_jwe_takes(key)) {
        return key;
    }

    bell_signed_key_free(key);

    *why = "expected 16, 24 or 32 bytes, for AES";

    return NULL;
}


ngx_int_t
ngx_http_bell_signed_secret_file(ngx_conf_t *cf, ngx_str_t *path,
    ngx_str_t *text)
{
    ngx_int_t  rc;

    rc = ngx_http_bell_signed_file(cf, path, 1, text);

    while (rc == NGX_OK && text->len
           && (text->data[text->len - 1] == LF
               || text->data[text->len - 1] == CR))
    {
        text->len--;
    }

    return rc;
}


/* What is said of a file never says what is in it. */

static ngx_int_t
ngx_http_bell_signed_file(ngx_conf_t *cf, ngx_str_t *path, ngx_uint_t secret,
    ngx_str_t *text)
{
    ssize_t          n;
    ngx_fd_t         fd;
    ngx_file_info_t  fi;

    if (path->len == 0
        || ngx_conf_full_name(cf->cycle, path, 1) != NGX_OK)
    {
        return NGX_ERROR;
    }

    text->data = ngx_pnalloc(cf->temp_pool, NGX_HTTP_BELL_SIGNED_FILE_MAX);
    if (text->data == NULL) {
        return NGX_ERROR;
    }

    fd = ngx_open_file(path->data, NGX_FILE_RDONLY|NGX_FILE_NONBLOCK,
                       NGX_FILE_OPEN, 0);

    if (fd == NGX_INVALID_FILE || ngx_fd_info(fd, &fi) == NGX_FILE_ERROR) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           "key file \"%V\" cannot be opened", path);

        if (fd != NGX_INVALID_FILE) {
            (void) ngx_close_file(fd);
        }

        return NGX_ERROR;
    }

    if (secret && (fi.st_mode & (S_IRWXG|S_IRWXO))) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "the secret in \"%V\" can be read or written by "
                           "others than its owner: chmod 600", path);
        (void) ngx_close_file(fd);
        return NGX_ERROR;
    }

    n = ngx_read_fd(fd, text->data, NGX_HTTP_BELL_SIGNED_FILE_MAX);

    if (n <= 0 || n == NGX_HTTP_BELL_SIGNED_FILE_MAX) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, n < 0 ? ngx_errno : 0,
                           "key file \"%V\" %s", path,
                           n < 0 ? "cannot be read"
                                 : n ? "is too large" : "is empty");
        (void) ngx_close_file(fd);
        return NGX_ERROR;
    }

    (void) ngx_close_file(fd);

    text->len = n;

    return NGX_OK;
}


const bell_signed_keys *
ngx_http_bell_signed_keys(ngx_http_bell_signed_issuer_t *issuer,
    const ngx_http_bell_core_api_t *core, const bell_tenant *tenant,
    ngx_log_t *log, const bell_signed_keys **private_keys)
{
    const bell_signed_keys         *keys;
    ngx_http_bell_signed_tenant_t  *t;

    t = NULL;
    keys = &issuer->files;

    if (issuer->files.nkeys == 0 && tenant) {

        t = ngx_http_bell_signed_tenant(issuer, core, tenant, log);
        if (t == NULL) {
            return NULL;
        }

        keys = &t->keys;
    }

    if (private_keys) {
        *private_keys = issuer->private_files.nkeys ? &issuer->private_files
                        : t ? t->private_keys : NULL;
    }

    return keys;
}


ngx_uint_t
ngx_http_bell_signed_is_keyless(ngx_http_bell_signed_issuer_t *issuer,
    const ngx_http_bell_core_api_t *core, const bell_tenant *tenant,
    ngx_log_t *log)
{
    ngx_http_bell_signed_tenant_t  *t;

    if (!issuer->keyless || issuer->files.nkeys || tenant == NULL) {
        return 0;
    }

    t = ngx_http_bell_signed_tenant(issuer, core, tenant, log);

    return t && !t->has_keys;
}


/* As it is in the tenant's revision. */

static ngx_http_bell_signed_tenant_t *
ngx_http_bell_signed_tenant(ngx_http_bell_signed_issuer_t *issuer,
    const ngx_http_bell_core_api_t *core, const bell_tenant *tenant,
    ngx_log_t *log)
{
    void                           *record;
    size_t                          len;
    uint64_t                        version;
    ngx_http_bell_signed_tenant_t  *t;

    if (issuer->tenants == NULL
        && ngx_http_bell_signed_create_tenants(issuer) != NGX_OK)
    {
        return NULL;
    }

    t = ngx_http_bell_signed_place(issuer->tenants, tenant->id);

    t->used_s = ngx_time();

    if (t->tenant_id == tenant->id && t->revision == tenant->revision) {
        bell_signed_keys_prefetch(&t->keys);
        return t;
    }

    record = malloc(BELL_DIRECTORY_RECORD_MAX);
    if (record == NULL) {
        return NULL;
    }

    ngx_http_bell_signed_forget_tenant(t);

    /*
     * The record may be of a later revision than the request's tenant: then
     * the next request, which finds that one, has it read again.
     */

    len = core->copy_tenant((ngx_cycle_t *) ngx_cycle, tenant->id, record,
                            &version);

    /* where there is none any more, nothing is known of its keys */

    t->has_keys = len == 0;

    ngx_http_bell_signed_read(issuer, t, tenant, record, len, log);

    ngx_explicit_memzero(record, len);
    free(record);

    t->tenant_id = tenant->id;
    t->revision = tenant->revision;

    return t;
}


/* In a worker, when the first key is wanted. */

static ngx_int_t
ngx_http_bell_signed_create_tenants(ngx_http_bell_signed_issuer_t *issuer)
{
    ngx_pool_cleanup_t  *cln;

    cln = ngx_pool_cleanup_add(ngx_cycle->pool, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    issuer->tenants = ngx_pcalloc(ngx_cycle->pool,
                                  NGX_HTTP_BELL_SIGNED_TENANTS
                                  * sizeof(ngx_http_bell_signed_tenant_t));
    if (issuer->tenants == NULL) {
        return NGX_ERROR;
    }

    cln->handler = ngx_http_bell_signed_free_tenants;
    cln->data = issuer->tenants;

    return NGX_OK;
}


/* Where a tenant is, or who has to go for it: who was asked for longest ago. */

static ngx_http_bell_signed_tenant_t *
ngx_http_bell_signed_place(ngx_http_bell_signed_tenant_t *table,
    uint32_t tenant_id)
{
    ngx_uint_t                      i;
    ngx_http_bell_signed_tenant_t  *set, *oldest;

    i = tenant_id % (NGX_HTTP_BELL_SIGNED_TENANTS / NGX_HTTP_BELL_SIGNED_WAYS);

    set = &table[i * NGX_HTTP_BELL_SIGNED_WAYS];
    oldest = set;

    for (i = 0; i < NGX_HTTP_BELL_SIGNED_WAYS; i++) {
        if (set[i].tenant_id == tenant_id) {
            return &set[i];
        }

        if (set[i].used_s < oldest->used_s) {
            oldest = &set[i];
        }
    }

    oldest->tenant_id = 0;

    return oldest;
}


static void
ngx_http_bell_signed_read(ngx_http_bell_signed_issuer_t *issuer,
    ngx_http_bell_signed_tenant_t *t, const bell_tenant *tenant, void *record,
    size_t len, ngx_log_t *log)
{
    bell_str           list;
    const char        *why;
    bell_record_key    key;
    bell_signed_key   *made;
    bell_signed_keys  *keys;

    list = bell_record_get(record, len, BELL_RECORD_KEYS);

    while (bell_record_next_key(&list, &key)) {

        keys = ngx_http_bell_signed_keys_of(issuer, t, key.use);
        if (keys == NULL) {
            continue;
        }

        t->has_keys = 1;

        /* it stays in the directory, and takes no place of one that counts */

        if (key.until_s
            && ngx_time() - key.until_s >= NGX_HTTP_BELL_SIGNED_ENDED_S)
        {
            continue;
        }

        why = "the issuer has 32 keys already";
        made = keys->nkeys < BELL_SIGNED_KEYS_MAX
                   ? ngx_http_bell_signed_make(issuer, &key, &why) : NULL;

        if (keys != &t->keys) {
            made = ngx_http_bell_signed_private(made, &why);
        }

        if (made == NULL) {
            ngx_log_error(NGX_LOG_WARN, log, 0,
                          "bell_signed: key \"%*s\" of tenant \"%s\" for "
                          "\"%*s\" cannot be used: %s", key.kid.len, key.kid.p,
                          tenant->name, key.use.len, key.use.p, why);
            continue;
        }

        made->from_s = key.from_s;
        made->until_s = key.until_s;

        keys->keys[keys->nkeys++] = made;
    }
}


/* NULL: the use is none of the issuer's, or there is no memory. */

static bell_signed_keys *
ngx_http_bell_signed_keys_of(ngx_http_bell_signed_issuer_t *issuer,
    ngx_http_bell_signed_tenant_t *t, bell_str use)
{
    if (use.len == issuer->use.len
        && ngx_strncmp(use.p, issuer->use.data, use.len) == 0)
    {
        return &t->keys;
    }

    if (issuer->private_use.len == 0 || use.len != issuer->private_use.len
        || ngx_strncmp(use.p, issuer->private_use.data, use.len) != 0)
    {
        return NULL;
    }

    if (t->private_keys == NULL) {
        t->private_keys = calloc(1, sizeof(bell_signed_keys));
    }

    return t->private_keys;
}


/* The algorithm of a key in the directory says how it is written. */

static bell_signed_key *
ngx_http_bell_signed_make(ngx_http_bell_signed_issuer_t *issuer,
    bell_record_key *key, const char **why)
{
    if (bell_str_eq(key->alg, BELL_STR("hex"))) {
        return bell_signed_key_secret(key->kid, issuer->mac_alg,
                                      key->material, true, why);
    }

    if (bell_str_eq(key->alg, BELL_STR("base64url"))) {
        return bell_signed_key_secret(key->kid, issuer->mac_alg,
                                      key->material, false, why);
    }

    if (bell_str_eq(key->alg, BELL_STR("public"))) {
        return bell_signed_key_public(key->kid, key->material, why);
    }

    *why = "its algorithm is none of \"public\", \"hex\" and \"base64url\"";

    return NULL;
}


static void
ngx_http_bell_signed_forget(bell_signed_keys *keys)
{
    while (keys->nkeys) {
        bell_signed_key_free(keys->keys[--keys->nkeys]);
    }
}


static void
ngx_http_bell_signed_forget_tenant(ngx_http_bell_signed_tenant_t *t)
{
    ngx_http_bell_signed_forget(&t->keys);

    if (t->private_keys) {
        ngx_http_bell_signed_forget(t->private_keys);
        free(t->private_keys);
        t->private_keys = NULL;
    }
}


static void
ngx_http_bell_signed_free_files(void *data)
{
    ngx_http_bell_signed_forget(data);
}


static void
ngx_http_bell_signed_free_tenants(void *data)
{
    ngx_http_bell_signed_tenant_t  *table = data;

    ngx_uint_t  i;

    for (i = 0; i < NGX_HTTP_BELL_SIGNED_TENANTS; i++) {
        ngx_http_bell_signed_forget_tenant(&table[i]);
    }
}


/*
 * What one worker has verified, all know; of each tenant for itself, so that
 * nobody's key can be made to pass for another one's.
 */

bool
ngx_http_bell_signed_verify(void *data, const bell_signed_key *key,
    bell_signed_alg alg, bell_str bytes, bell_str signature, bell_str spelled)
{
    ngx_http_bell_signed_verify_t  *verify = data;

    u_char                             found;
    bell_str                           name;
    ngx_http_bell_signed_main_conf_t  *smcf;

    if (ngx_http_bell_signed_known(data, key, alg, bytes, spelled)) {
        return true;
    }

    smcf = verify->smcf;

    smcf->core->count(smcf->computed, 1);

    if (!bell_signed_key_verify(key, alg, bytes, signature)) {
        return false;
    }

    name = ngx_http_bell_signed_known_as(smcf, key, alg, bytes, spelled);

    if (name.len) {
        found = 1;
        (void) bell_sigcache_put(smcf->cache->cells, ngx_pid,
                                 verify->tenant_id, name, ngx_time(), &found,
                                 sizeof(found));
    }

    return true;
}


bool
ngx_http_bell_signed_known(void *data, const bell_signed_key *key,
    bell_signed_alg alg, bell_str bytes, bell_str spelled)
{
    ngx_http_bell_signed_verify_t  *verify = data;

    u_char                             found;
    bell_str                           name;
    ngx_http_bell_signed_main_conf_t  *smcf;

    smcf = verify->smcf;

    name = ngx_http_bell_signed_known_as(smcf, key, alg, bytes, spelled);

    return name.len
           && bell_sigcache_get(smcf->cache->cells, verify->tenant_id, name,
                                ngx_time(), &found, sizeof(found))
              == sizeof(found);
}


/*
 * The key, what was signed and the signature, which comes last: by its end
 * the cache finds it.  Empty: there is no cache, it is too long for it, or the
 * verifier does not want the verdict kept.
 */

static bell_str
ngx_http_bell_signed_known_as(ngx_http_bell_signed_main_conf_t *smcf,
    const bell_signed_key *key, bell_signed_alg alg, bell_str bytes,
    bell_str spelled)
{
    char      *p;
    bell_str   name;
    uint32_t   head[4];

    head[0] = (uint32_t) key->fingerprint;
    head[1] = (uint32_t) (key->fingerprint >> 32);
    head[2] = (uint32_t) alg;
    head[3] = (uint32_t) bytes.len;

    name.len = sizeof(head) + bytes.len + spelled.len;

    if (smcf->cache == NULL || spelled.len == 0
        || name.len > BELL_SIGCACHE_SLOT_MAX)
    {
        return BELL_STR_NULL;
    }

    /* what is in front is the verifier's, who is at work */

    p = smcf->room + NGX_HTTP_BELL_SIGNED_ROOM;
    name.p = p;

    p = (char *) ngx_cpymem(p, head, sizeof(head));
    p = (char *) ngx_cpymem(p, bytes.p, bytes.len);
    ngx_memcpy(p, spelled.p, spelled.len);

    return name;
}
