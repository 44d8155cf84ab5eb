/* What an import has to say: mistakes and warnings with file and line, and what was written, by kind. Kept in memory with a bound; what passes
 * the bound is counted only. Nothing in it is a person's value. */
#ifndef FB_ROSTER_REPORT_H
#define FB_ROSTER_REPORT_H

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include "bell_buf.h"
#include "bell_oneroster.h"

#define FB_ROSTER_NOTES_MAX 100 /* kept of the mistakes, and as many of the warnings */

typedef struct {
    char file[40];  /* "users.csv"; empty: about the zip as a whole */
    uint64_t line;  /* 0: about the whole file */
    char text[400]; /* a sentence */
} fb_roster_note;

typedef struct {
    uint64_t total;
    size_t kept;
    fb_roster_note notes[FB_ROSTER_NOTES_MAX];
} fb_roster_notes;

typedef struct {
    bell_oneroster_mode mode;
    uint64_t rows;     /* data rows read */
    uint64_t nameless; /* of them, rows whose sourcedId could not be read: nobody can tell who refers to them */
    uint64_t repeated; /* rows whose sourcedId another row has already; joined with themselves they would multiply */
    uint64_t inserted, updated, unchanged, deleted;
} fb_roster_count;

typedef struct {
    const char *zip_name; /* borrowed; without folders */
    bool strict;          /* doubts are mistakes */
    fb_roster_notes errors, warnings;
    fb_roster_count counts[BELL_ONEROSTER_FILES]; /* as bell_oneroster_files; only those that are used */
} fb_roster_report;

/* A mistake: the import will be refused. `file` is a name without ".csv", NULL for the zip as a whole. */
void fb_roster_error(fb_roster_report *r, const char *file, uint64_t line, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* Something doubtful: a warning, or a mistake where the operator asked to be strict. */
void fb_roster_doubt(fb_roster_report *r, const char *file, uint64_t line, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* Counts mistakes that a statement found beyond those it gave out. */
void fb_roster_more_errors(fb_roster_report *r, uint64_t n);

/* "users.csv:12: sentence" a line, warnings marked as such. */
void fb_roster_print_notes(const fb_roster_report *r, FILE *out);
/* The table of counts. */
void fb_roster_print_counts(const fb_roster_report *r, FILE *out);
/* For roster_imports.report. false: it did not fit. */
bool fb_roster_report_json(const fb_roster_report *r, bell_buf *out) __attribute__((warn_unused_result));
/* The sum over all kinds. */
fb_roster_count fb_roster_total(const fb_roster_report *r);

#endif
