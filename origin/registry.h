/* The two tables of the api: every route and every statement. */
#ifndef FB_REGISTRY_H
#define FB_REGISTRY_H

#include "origin/server/route.h"

extern const fb_route fb_routes[];           /* ends with pattern NULL */
extern const fb_stmt *const fb_statements[]; /* ends with NULL; of the lanes fast and heavy */
extern const fb_stmt *const fb_batched_statement;

#endif
