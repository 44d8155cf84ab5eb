/* What the commands about districts share. All of it speaks to standard error when it refuses. */
#ifndef FB_TENANTS_H
#define FB_TENANTS_H

#include "bell_host.h"
#include "origin/db/pg.h"

#define FB_TENANT_ID_BYTES 16

/* Connects as fb_operator, begins a transaction and makes the district that one's own; its id, as text, goes into id. NULL: refused. */
PGconn *fb_tenant_begin(const fb_settings *s, const char *command, const char *name, char id[FB_TENANT_ID_BYTES]) __attribute__((warn_unused_result));
/* COMMIT, which wakes the publisher of the directory when something changed. */
bool fb_tenant_commit(PGconn *c) __attribute__((warn_unused_result));

bool fb_tenant_title_is_right(const char *title) __attribute__((warn_unused_result));
bool fb_tenant_locale_is_right(const char *locale) __attribute__((warn_unused_result));

/* A host as the directory writes it: bell_host_normalize's, or "*." and such a name. */
bool fb_tenant_host_of(const char *text, char out[BELL_HOST_MAX_BYTES + 1]) __attribute__((warn_unused_result));
/* Gives the host to the tenant of the transaction, who may have it already. Refused when it is somebody else's. */
bool fb_tenant_host_put(PGconn *c, const char *id, const char *host) __attribute__((warn_unused_result));

#endif
