/* Pieces of SQL that the statements of several capabilities are made of. */
#ifndef FB_SQL_H
#define FB_SQL_H

/* A point in time as answers show it, RFC 3339 in UTC: 2026-09-01T07:59:00Z. */
#define FB_SQL_TIME(expression) "to_char((" expression ") AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"

/* True when $2 is a teacher of class $3 in tenant $1. Whatever belongs to another class does not exist for them. */
#define FB_SQL_TAUGHT                                                                                                                                \
    "EXISTS (SELECT FROM enrollments t WHERE t.tenant_id = $1 AND t.class_id = $3 AND t.user_id = $2 AND t.role = 4 AND t.status = 1)"

#endif
