
/*
 * What the other modules of the edge use of core: the edge context of a
 * request, that is what has been found out about it on its way, and a table
 * of functions.
 *
 * nginx loads modules with global symbols, and a module that was loaded once
 * stays in memory through reloads.  So nothing here is bound by the linker:
 * a module asks at configuration, in its preconfiguration handler, and is
 * given a table or refused with a sentence:
 *
 *     mcf->core = ngx_http_bell_core_load(cf, &ngx_http_bell_x_module);
 *     if (mcf->core == NULL) {
 *         return NGX_ERROR;
 *     }
 *
 * The pointer is kept in the module's main configuration, never in a static
 * variable: a reload that fails may take away the core that it had loaded.
 *
 * Within a version, nothing here changes.  What is added, at the end of the
 * table or of the context, makes a new version that serves the former ones
 * as well; what is changed or taken away raises the oldest one, too.
 */

#ifndef _NGX_HTTP_BELL_CORE_H_INCLUDED_
#define _NGX_HTTP_BELL_CORE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <dlfcn.h>

#include "bell_directory.h"


#define NGX_HTTP_BELL_CORE_VERSION  2   /* of what this header says */
#define NGX_HTTP_BELL_CORE_OLDEST   2   /* that such a core still serves */


/*
 * Lives in the pool of the main request and is shared by its subrequests.
 * It is a copy: nothing in it points into shared memory, so that a
 * connection that stays for hours keeps no version of the directory.  Only
 * core makes one; others read, and write what is said to be theirs.
 */

typedef struct {
    bell_tenant    tenant;              /* id 0: none was found */
    uint64_t       directory_version;   /* the one it was looked for in */

    /* who asks, by identify(); empty: nobody has proven who he is */

    ngx_str_t      subject;
    ngx_str_t      role;
    ngx_str_t      class;               /* of a school, not of traffic */

    ngx_str_t      reason;              /* by reason() */

    /*
     * Of the module that limits: a bit for each limit that the request has
     * been charged for, because an internal redirect passes by it again.
     */

    uint64_t       charged;
} ngx_http_bell_ctx_t;


typedef struct {
    ngx_uint_t     version;
    ngx_uint_t     oldest;
    size_t         size;                /* of this struct, bytes */

    /*
     * The context, made when there is none yet; NULL: no memory.  Survives
     * internal redirects, error_page and named locations, where nginx
     * forgets r->ctx.
     */

    ngx_http_bell_ctx_t  *(*context)(ngx_http_request_t *r);

    /*
     * NULL: "bell_tenant" is off here, the host is nobody's, or the request
     * has not come as far as the phase where tenants are told apart.
     */

    const bell_tenant    *(*tenant)(ngx_http_request_t *r);

    /*
     * Says who asks; the strings are copied, role and class may be empty.
     *
     *     NGX_OK        noted, or it was already
     *     NGX_DECLINED  somebody else is noted: a request has one subject
     *     NGX_ERROR     no memory
     */

    ngx_int_t             (*identify)(ngx_http_request_t *r,
        ngx_str_t *subject, ngx_str_t *role, ngx_str_t *class);

    /*
     * Says why the edge itself answers as it does, in nginx's own format:
     * an [info] line of the error log and $bell_reason of the access log.
     * The first reason stays; it is cut at 255 bytes.
     */

    void                  (*reason)(ngx_http_request_t *r, const char *fmt,
        ...);

    /*
     * Looks any host name up, in any process, without a request; it need
     * not be normalized.
     *
     *     NGX_OK        *tenant is filled in
     *     NGX_DECLINED  it is nobody's in *version, or there is no directory
     */

    ngx_int_t             (*find_tenant)(ngx_cycle_t *cycle, ngx_str_t *host,
        bell_tenant *tenant, uint64_t *version);
} ngx_http_bell_core_api_t;


/*
 * Core's only function that others can see; its own form never changes.
 * NULL: refused, and an [emerg] line says why.
 */

typedef const ngx_http_bell_core_api_t *(*ngx_http_bell_core_api_pt)(
    ngx_conf_t *cf, ngx_module_t *module, ngx_uint_t version);

const ngx_http_bell_core_api_t *ngx_http_bell_core_api(ngx_conf_t *cf,
    ngx_module_t *module, ngx_uint_t version);


/* -1: core is not loaded, 0: after the module, 1: before it */

static ngx_inline ngx_int_t
ngx_http_bell_core_order(ngx_conf_t *cf, ngx_module_t *module)
{
    ngx_uint_t     i, before;
    ngx_module_t  *m;

    before = 1;

    for (i = 0; cf->cycle->modules[i]; i++) {
        m = cf->cycle->modules[i];

        if (m == module) {
            before = 0;

        } else if (ngx_strcmp(m->name, "ngx_http_bell_core_module") == 0) {
            return before;
        }
    }

    return -1;
}


static ngx_inline const ngx_http_bell_core_api_t *
ngx_http_bell_core_load_version(ngx_conf_t *cf, ngx_module_t *module,
    ngx_uint_t version)
{
    ngx_http_bell_core_api_pt  api;

    switch (ngx_http_bell_core_order(cf, module)) {

    case -1:
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "module \"%s\" needs ngx_http_bell_core_module, which "
                      "is not loaded: add \"load_module "
                      "modules/ngx_http_bell_core_module.so;\" above the line "
                      "that loads it", module->name);
        return NULL;

    case 0:
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "module \"%s\" is loaded before "
                      "ngx_http_bell_core_module, which it needs: load core "
                      "first, its \"load_module\" belongs above the others",
                      module->name);
        return NULL;
    }

    api = (ngx_http_bell_core_api_pt) (uintptr_t)
                        dlsym(RTLD_DEFAULT, "ngx_http_bell_core_api");

    if (api == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "module \"%s\" cannot use the ngx_http_bell_core_module "
                      "that is loaded, it is of an older release: install "
                      "modules of one release and restart nginx (a reload "
                      "keeps the old ones in memory)", module->name);
        return NULL;
    }

    return api(cf, module, version);
}


/* For the preconfiguration handler of the module. */

static ngx_inline const ngx_http_bell_core_api_t *
ngx_http_bell_core_load(ngx_conf_t *cf, ngx_module_t *module)
{
    return ngx_http_bell_core_load_version(cf, module,
                                           NGX_HTTP_BELL_CORE_VERSION);
}


#endif /* _NGX_HTTP_BELL_CORE_H_INCLUDED_ */
