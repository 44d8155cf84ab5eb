/* Blocking PostgreSQL for the command line and for `firstbell jobs`. The api's pipelined pool is in pool.h. */
#ifndef FB_PG_H
#define FB_PG_H

#include <libpq-fe.h>
#include <stdint.h>

#include "origin/server/settings.h"

/* Connects as one of the roles "fb_owner", "fb_app", "fb_operator", with application_name `firstbell NAME`, a connect time-out of 5 s, and
 * notices kept off standard error: to direct_database, or else database. NULL: a sentence has been written to standard error; also when a pooler
 * stands in between, for what the commands leave in their session (a lock, a temporary table, LISTEN) would be left in somebody else's. */
PGconn *fb_pg_connect(const fb_settings *s, const char *role, const char *name);

/* The same without a word: NULL only without memory; the caller looks at PQstatus and frees with PQfinish. */
PGconn *fb_pg_open(const fb_settings *s, const char *role, const char *name);

/* SQL: whether the connection's role could look over the walls between tenants; and why it is not served with then. */
#define FB_PG_ROLE_LOOKS_OVER                                                                                                                        \
    "((SELECT bool_or(rolsuper OR rolbypassrls) FROM pg_roles WHERE pg_has_role(oid, 'member')) "                                                    \
    "OR EXISTS (SELECT FROM pg_class WHERE relkind IN ('r', 'p') AND pg_has_role(relowner, 'member')))"
#define FB_PG_ROLE_REFUSED "the role %s is a superuser, bypasses row security, or owns tables; it must not, for the walls between tenants"

/* True when the connection's role is behind the walls between tenants: no superuser, no BYPASSRLS, no owner of a table, neither by itself nor
 * by membership. Otherwise a sentence is in err. To be asked by every program that serves several tenants, before it begins. */
bool fb_pg_role_is_walled(PGconn *c, char *err, size_t err_len) __attribute__((warn_unused_result));

/* False with a sentence in err when the connection is one to a pooler, which gives out a session that may be another with each transaction. */
bool fb_pg_is_direct(PGconn *c, char *err, size_t err_len) __attribute__((warn_unused_result));

/* How long PostgreSQL may take for one statement before the connection counts as lost; an hour unless it was set. A statement time-out of the
 * server should end it earlier: this bound is for a server that is stopped, or gone without a word. */
void fb_pg_bound_wait(unsigned seconds);

/* PQexecParams with that bound. NULL or an error; a connection that was given up has the status CONNECTION_BAD. */
PGresult *fb_pg_query(PGconn *c, const char *sql, int nparams, const char *const *params) __attribute__((warn_unused_result));

/* PQgetResult with that bound. */
PGresult *fb_pg_next_result(PGconn *c) __attribute__((warn_unused_result));

/* One statement with text parameters (NULL is SQL's NULL). NULL when it failed: a sentence with the beginning of the statement and
 * PostgreSQL's reason has been written to standard error. The caller clears the result. */
PGresult *fb_pg_exec(PGconn *c, const char *sql, int nparams, const char *const *params) __attribute__((warn_unused_result));
/* The same for statements without rows that matter. */
bool fb_pg_do(PGconn *c, const char *sql, int nparams, const char *const *params) __attribute__((warn_unused_result));

/* BEGIN and the tenant of the transaction. */
bool fb_pg_begin_tenant(PGconn *c, int32_t tenant_id) __attribute__((warn_unused_result));

/* The id of a tenant by name as fb_operator; 0: none of that name, a sentence has been written. */
int32_t fb_pg_tenant_id(PGconn *c, const char *name);

/* PostgreSQL's or libpq's last message: its first line, without the severity. */
void fb_pg_reason(const PGconn *c, char *out, size_t out_len);

/* `firstbell: WHAT: reason` about the connection's last error on standard error, with PostgreSQL's primary message only. */
void fb_pg_report(PGconn *c, const char *what);

#endif
