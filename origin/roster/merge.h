/* From the staging tables to the roster: first the checks that need all files at once, then the merge, which writes what differs and nothing else.
 * Both run inside the transaction of the import, under its tenant. */
#ifndef FB_ROSTER_MERGE_H
#define FB_ROSTER_MERGE_H

#include "origin/db/pg.h"
#include "origin/roster/report.h"

/* Of a school's active enrollments no more may go in one import than these, both together. */
#define FB_ROSTER_GOING_PERCENT_MAX 20
#define FB_ROSTER_GOING_MAX         25

typedef struct {
    PGconn *pg;
    fb_roster_report *report;
    const char *tenant; /* its id in digits */
    bool allow_mass_change;
} fb_roster_merge;

/* Mistakes go to the report. false: PostgreSQL refused; a sentence is on standard error. */
bool fb_roster_check(const fb_roster_merge *m) __attribute__((warn_unused_result));
/* Only after checks without a mistake. Fills the counts of the report. false as above. */
bool fb_roster_apply(const fb_roster_merge *m) __attribute__((warn_unused_result));

#endif
