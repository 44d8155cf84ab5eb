#include "load/district/zip.h"

#include <archive_entry.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEND_BYTES  65536
#define TIMESTAMP_S 1785542400 /* 2026-08-01T00:00:00Z, of every entry */

void die(const char *what, const char *why) {
    fprintf(stderr, "district: %s: %s\n", what, why);
    exit(1);
}

static void flush(writer *w) {
    if (w->buf.failed || archive_write_data(w->archive, w->buf.p, w->buf.len) != (la_ssize_t)w->buf.len) {
        die(w->opt->path, w->buf.failed ? "out of memory" : archive_error_string(w->archive));
    }
    bell_buf_reset(&w->buf);
}

void begin_file(writer *w, const char *name, const char *header) {
    struct archive_entry *e = archive_entry_new();
    char path[64];

    snprintf(path, sizeof(path), "%s%s.csv", w->opt->broken == IN_A_FOLDER ? "district/" : "", name);
    archive_entry_set_pathname(e, path);
    archive_entry_set_filetype(e, AE_IFREG);
    archive_entry_set_perm(e, 0644);
    archive_entry_set_mtime(e, TIMESTAMP_S, 0);
    if (archive_write_header(w->archive, e) != ARCHIVE_OK) {
        die(w->opt->path, archive_error_string(w->archive));
    }
    archive_entry_free(e);
    bell_buf_add_z(&w->buf, header);
    bell_buf_add_z(&w->buf, "\r\n");
    w->row = 0;
}

void row(writer *w, const char *fmt, ...) {
    char text[1024];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    bell_buf_add_z(&w->buf, text);
    bell_buf_add_z(&w->buf, "\r\n");
    w->row++;
    if (w->buf.len >= SEND_BYTES) {
        flush(w);
    }
}

void raw(writer *w, const void *bytes, size_t n) {
    bell_buf_add(&w->buf, bytes, n);
    if (w->buf.len >= SEND_BYTES) {
        flush(w);
    }
}

void end_file(writer *w) {
    flush(w);
    if (archive_write_finish_entry(w->archive) != ARCHIVE_OK) {
        die(w->opt->path, archive_error_string(w->archive));
    }
}

const char *cell(const char *name, char out[64]) {
    snprintf(out, 64, strchr(name, ',') != NULL ? "\"%s\"" : "%s", name);
    return out;
}

bool breaks(const writer *w, kind k, uint64_t at) {
    return w->opt->broken == k && w->row == at;
}

void open_zip(writer *w) {
    w->archive = archive_write_new();
    bell_buf_init(&w->buf, 8 << 20);
    if (w->archive == NULL || archive_write_set_format_zip(w->archive) != ARCHIVE_OK ||
        archive_write_set_options(w->archive, "zip:compression=deflate") != ARCHIVE_OK ||
        archive_write_open_filename(w->archive, w->opt->path) != ARCHIVE_OK) {
        die(w->opt->path, w->archive != NULL ? archive_error_string(w->archive) : "out of memory");
    }
}

void close_zip(writer *w) {
    bell_buf_fini(&w->buf);
    if (archive_write_close(w->archive) != ARCHIVE_OK) {
        die(w->opt->path, archive_error_string(w->archive));
    }
    archive_write_free(w->archive);
}
