/* What PostgreSQL has about districts, pools and revocations, as a document of the directory (lua-free/bell_directory_doc.h). */
#ifndef FB_JOBS_DIRECTORY_DOC_H
#define FB_JOBS_DIRECTORY_DOC_H

#include <libpq-fe.h>

#include "bell_directory_doc.h"

typedef struct {
    uint32_t *tenants; /* ids, ascending */
    size_t ntenants;
    bell_str *pools; /* names, in the order of their bytes */
    size_t npools;
} fb_directory_named;

/* Its texts point into the result that it was made of. */
typedef struct {
    bell_directory_doc doc;
    bell_directory_row *rows;
    bell_str *texts;
    bell_directory_limit *limits;
    bell_record_key *keys;
    bell_directory_pool *pools;
    bell_record_server *servers;
    bell_directory_revoked *revoked;
    uint32_t *removed;
    bell_str *removed_pools;
} fb_directory_content;

/* Columns of directory_read(). */
enum { FB_READ_PART, FB_READ_TENANT, FB_READ_A, FB_READ_B, FB_READ_C, FB_READ_D, FB_READ_E, FB_READ_F, FB_READ_G, FB_READ_N, FB_READ_M };

/* Fills *c with what directory_read() gave. named: what was asked for, so that what is not there any more is said to be removed; NULL for
 * everything. The versions are the caller's to set. false: no memory. To be given back in either case. */
bool fb_directory_content_of(fb_directory_content *c, const PGresult *r, const fb_directory_named *named) __attribute__((warn_unused_result));
void fb_directory_content_free(fb_directory_content *c);

#endif
