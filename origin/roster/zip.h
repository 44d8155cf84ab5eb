/* The walk over a roster's zip: never unpacked to disk, read in pieces, every size bounded before and while it is read.
 * The file is walked twice, because manifest.csv may stand anywhere in it: once for the list and the manifest, once for the data. */
#ifndef FB_ROSTER_ZIP_H
#define FB_ROSTER_ZIP_H

#include <archive.h>

#include "origin/roster/report.h"

#define FB_ROSTER_ENTRIES_MAX     64
#define FB_ROSTER_ENTRY_BYTES_MAX (UINT64_C(4) << 30) /* one file, inflated */
#define FB_ROSTER_TOTAL_BYTES_MAX (UINT64_C(8) << 30) /* all files together, inflated */
#define FB_ROSTER_RATIO_MAX       200                 /* inflated bytes a byte of the zip, past the first MiB; rosters stay under 40 */

typedef struct {
    fb_roster_report *report;
    const char *path; /* borrowed */
    int fd;
    uint64_t zip_bytes;
    uint64_t inflated_bytes; /* of both walks */
    uint64_t entry_bytes;    /* of the entry in hand */
    unsigned entries;        /* of this walk, harmless ones too */
    bool broken;             /* the zip cannot be read on; a mistake is in the report */
    struct archive *archive;
    char name[64]; /* of the entry in hand, without ".csv" */
} fb_roster_zip;

/* Takes over nothing; closed with fb_roster_zip_close in any case. false: a mistake is in the report. */
bool fb_roster_zip_open(fb_roster_zip *z, const char *path, fb_roster_report *report) __attribute__((warn_unused_result));
void fb_roster_zip_close(fb_roster_zip *z);

/* The first walk: every name is known, none is there twice, manifest.csv agrees with what is there. Fills modes; mistakes are in the report. */
bool fb_roster_zip_plan(fb_roster_zip *z, bell_oneroster_manifest *m) __attribute__((warn_unused_result));

/* Starts a walk from the beginning. */
bool fb_roster_zip_rewind(fb_roster_zip *z) __attribute__((warn_unused_result));
/* The next file of OneRoster (name in z->name); false at the end or when z->broken. What was not read of the last one is passed over. */
bool fb_roster_zip_next(fb_roster_zip *z) __attribute__((warn_unused_result));
/* Up to `cap` bytes of the file in hand; 0 at its end, -1 when z->broken. */
long fb_roster_zip_read(fb_roster_zip *z, char *buf, size_t cap) __attribute__((warn_unused_result));

#endif
