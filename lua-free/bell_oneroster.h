/* The rules of OneRoster 1.1 CSV as tables and pure functions: which files there are, their columns in order, what a cell may hold, and what
 * manifest.csv must say. Follows the IMS OneRoster 1.1 CSV tables; the numbers of enumerations are those of origin/schema/0002_rostering.sql.
 *
 * A refusal is a sentence in `err`. It shows what was found only where a column cannot hold something about a person. */
#ifndef BELL_ONEROSTER_H
#define BELL_ONEROSTER_H

#include "bell_str.h"

#define BELL_ONEROSTER_FILES       13
#define BELL_ONEROSTER_COLUMNS_MAX 24
#define BELL_ONEROSTER_TEXT_BYTES  1024
#define BELL_ONEROSTER_LIST_BYTES  16384
#define BELL_ONEROSTER_ERROR_BYTES 240

typedef enum {
    BELL_ONEROSTER_GUID,      /* 1 to 255 of 0-9 A-Z a-z . / @ _ - */
    BELL_ONEROSTER_GUID_LIST, /* separated by commas inside one cell */
    BELL_ONEROSTER_TEXT,
    BELL_ONEROSTER_TEXT_LIST,
    BELL_ONEROSTER_DATE,     /* YYYY-MM-DD, in the calendar */
    BELL_ONEROSTER_DATETIME, /* YYYY-MM-DDTHH:MM:SSZ, with or without .sss */
    BELL_ONEROSTER_BOOLEAN,  /* true or false */
    BELL_ONEROSTER_YEAR,     /* YYYY */
    BELL_ONEROSTER_NUMBER,   /* decimal, finite */
    BELL_ONEROSTER_WORD,     /* one of the column's words */
    BELL_ONEROSTER_SECRET    /* users.password: never looked at, never kept */
} bell_oneroster_type;

typedef struct {
    const char *word; /* NULL ends a table */
    int16_t number;
} bell_oneroster_word;

typedef struct {
    const char *name;
    bell_oneroster_type type;
    bool required;
    bool personal; /* its value says something about a person and is never shown */
    const bell_oneroster_word *words;
} bell_oneroster_column;

typedef struct {
    const char *name; /* without ".csv" */
    const bell_oneroster_column *columns;
    size_t ncolumns;
} bell_oneroster_file;

/* The first three columns of every file. */
enum { BELL_ONEROSTER_SOURCED_ID, BELL_ONEROSTER_STATUS, BELL_ONEROSTER_LAST_MODIFIED, BELL_ONEROSTER_OWN_COLUMNS };

enum { BELL_ONEROSTER_ACTIVE = 1, BELL_ONEROSTER_TO_BE_DELETED = 2 };

/* In the order of their names. */
extern const bell_oneroster_file bell_oneroster_files[BELL_ONEROSTER_FILES];

/* By name without ".csv"; NULL: 1.1 has no such file. */
const bell_oneroster_file *bell_oneroster_find(bell_str name);
/* The position in bell_oneroster_files. */
size_t bell_oneroster_index(const bell_oneroster_file *f);
/* A column's position by its name, or -1. */
int bell_oneroster_column_index(const bell_oneroster_file *f, const char *name);
/* The word that has this number in a table, or "unknown". */
const char *bell_oneroster_word_of(const bell_oneroster_word *words, int number);

/* Where each column of a file stands in its rows. */
typedef struct {
    int cell_of[BELL_ONEROSTER_COLUMNS_MAX]; /* -1: an optional column that the header leaves out */
    size_t ncells;
    const char *left_out; /* the first optional column that is missing; NULL when all are there */
} bell_oneroster_header;

/* Names are compared with case and must stand in the order of the table; columns named metadata.* may follow at the right. */
bool bell_oneroster_read_header(const bell_oneroster_file *f, const bell_str *cells, size_t n, bell_oneroster_header *h, char *err, size_t err_len)
    __attribute__((warn_unused_result));

typedef struct {
    bool empty;
    int32_t number; /* a word's number, 0 or 1 of a boolean, a year */
} bell_oneroster_value;

/* One cell. `required` is the caller's: status and dateLastModified are required in a delta file only. */
bool bell_oneroster_read_cell(const bell_oneroster_column *c, bool required, bell_str cell, bell_oneroster_value *v, char *err, size_t err_len)
    __attribute__((warn_unused_result));

/* Takes the next item off a list cell, without the blanks around it; commas inside {…} belong to an item (userIds). Empty items are passed over.
 * false: there is none left. */
bool bell_oneroster_next_item(bell_str *rest, bell_str *item);

typedef enum { BELL_ONEROSTER_UNSAID, BELL_ONEROSTER_ABSENT, BELL_ONEROSTER_BULK, BELL_ONEROSTER_DELTA } bell_oneroster_mode;

const char *bell_oneroster_mode_name(bell_oneroster_mode mode);

/* manifest.csv, fed a row at a time and judged at its end. Zero it before the first row. */
typedef struct {
    bell_oneroster_mode modes[BELL_ONEROSTER_FILES];
    bool header_seen;
    unsigned char seen; /* one bit a property that is not a file */
    /* A property that 1.1 does not know: told at the end, because the version tells more when it is another one. */
    char unknown[64];
    uint64_t unknown_line;
} bell_oneroster_manifest;

bool bell_oneroster_manifest_row(bell_oneroster_manifest *m, uint64_t line, const bell_str *cells, size_t n, char *err, size_t err_len)
    __attribute__((warn_unused_result));
/* *line is 0 where no line is to blame. */
bool bell_oneroster_manifest_end(const bell_oneroster_manifest *m, uint64_t *line, char *err, size_t err_len) __attribute__((warn_unused_result));

#endif
