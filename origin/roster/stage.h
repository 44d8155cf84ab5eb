/* One CSV file of the zip → a temporary table of the same name: stage_<file>, with the columns of OneRoster under their own names, typed, and the
 * line each row came from. Every cell is checked on the way; one that is wrong is reported and staged as NULL, so that the checks behind it still see
 * the rest. Lives in the transaction of the import. */
#ifndef FB_ROSTER_STAGE_H
#define FB_ROSTER_STAGE_H

#include "origin/db/pg.h"
#include "origin/roster/zip.h"

#define FB_ROSTER_RECORD_BYTES_MAX 65536 /* one row of a CSV file */

/* The empty tables of all files that are used. false: PostgreSQL refused; a sentence is on standard error. */
bool fb_roster_stage_create(PGconn *pg) __attribute__((warn_unused_result));

typedef enum {
    FB_ROSTER_STAGED,     /* to its end; single rows may be wrong */
    FB_ROSTER_STAGE_PART, /* the file could not be read to its end; a mistake is in the report */
    FB_ROSTER_STAGE_LOST  /* PostgreSQL refused; a sentence is on standard error */
} fb_roster_staged;

/* Reads the file in hand of the zip. */
fb_roster_staged fb_roster_stage_file(PGconn *pg, fb_roster_zip *z, const bell_oneroster_file *f, bell_oneroster_mode mode)
    __attribute__((warn_unused_result));

/* The files that are used: those with a table. */
bool fb_roster_is_used(const bell_oneroster_file *f);

#endif
