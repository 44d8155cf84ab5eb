/* The zip with its CSV files, written front to back. Whatever goes wrong ends the program with a sentence. */
#ifndef LOAD_DISTRICT_ZIP_H
#define LOAD_DISTRICT_ZIP_H

#include <archive.h>
#include <stdbool.h>
#include <stdint.h>

#include "bell_buf.h"
#include "load/district/options.h"

typedef struct {
    const options *opt;
    struct archive *archive;
    bell_buf buf;
    uint64_t row; /* data rows of the file in hand */
} writer;

void open_zip(writer *w);
void close_zip(writer *w);

void begin_file(writer *w, const char *name, const char *header);
/* One row, CSV already but for its end. */
void row(writer *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Bytes that no row() could say; the caller counts the row. Sent when there are many. */
void raw(writer *w, const void *bytes, size_t n);
void end_file(writer *w);

/* A name as a cell: quoted where it holds a comma. */
const char *cell(const char *name, char out[64]);
/* This is the row of the file in hand that the mistake is to be in. */
bool breaks(const writer *w, kind k, uint64_t at);

void die(const char *what, const char *why) __attribute__((noreturn));

#endif
