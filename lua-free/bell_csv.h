/* A streaming RFC 4180 reader: fed with bytes in any pieces, calls back once a record. Accepts a UTF-8 BOM at the start, CRLF or LF ends and a
 * last record without an end; refuses NUL, bytes that are not UTF-8, a quote inside an unquoted field, text behind a closing quote, a line break
 * inside a quoted field (OneRoster CSV forbids it), a field or record over the bounds. Blank lines are skipped. */
#ifndef BELL_CSV_H
#define BELL_CSV_H

#include "bell_buf.h"

#pragma GCC visibility push(hidden)

#define BELL_CSV_FIELDS_MAX 256

typedef struct {
    uint64_t line; /* 1-based line of the record */
    size_t nfields;
    const bell_str *fields; /* valid during the callback */
} bell_csv_record;

/* Return false to stop: bell_csv_feed then returns false with an empty error. */
typedef bool (*bell_csv_record_fn)(void *arg, const bell_csv_record *rec);

typedef struct {
    bell_csv_record_fn on_record;
    void *arg;
    size_t record_max_bytes; /* of the text of all fields of a record */
    int state;
    uint64_t line;
    bell_buf text;
    size_t nfields;
    size_t offsets[BELL_CSV_FIELDS_MAX + 1];
    size_t lens[BELL_CSV_FIELDS_MAX + 1];
    bell_str views[BELL_CSV_FIELDS_MAX];
    char error[160]; /* a sentence without the file's name */
    uint64_t error_line;
    unsigned char bom_seen;
} bell_csv;

void bell_csv_init(bell_csv *c, size_t record_max_bytes, bell_csv_record_fn fn, void *arg);
void bell_csv_fini(bell_csv *c);
bool bell_csv_feed(bell_csv *c, const char *p, size_t len) __attribute__((warn_unused_result));
/* The end of the file: the last record is given out. After either call has returned false every later one does. */
bool bell_csv_end(bell_csv *c) __attribute__((warn_unused_result));

#pragma GCC visibility pop

#endif
