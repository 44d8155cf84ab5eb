#include "bell_csv.h"

#include <stdarg.h>
#include <stdio.h>

enum {
    CSV_BOM, /* before the first byte that is not of a byte order mark */
    CSV_RECORD,
    CSV_FIELD, /* behind a comma */
    CSV_PLAIN,
    CSV_QUOTED,
    CSV_QUOTE_IN_QUOTED, /* the end of the field, or the first half of "" */
    CSV_CR,
    CSV_STOPPED,
};

static const char bom[] = "\xEF\xBB\xBF";

void bell_csv_init(bell_csv *c, size_t record_max_bytes, bell_csv_record_fn fn, void *arg) {
    memset(c, 0, sizeof(*c));
    c->on_record = fn;
    c->arg = arg;
    c->record_max_bytes = record_max_bytes;
    c->line = 1;
    c->state = CSV_BOM;
    bell_buf_init(&c->text, record_max_bytes);
}

void bell_csv_fini(bell_csv *c) {
    bell_buf_fini(&c->text);
}

static bool fail(bell_csv *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static bool fail(bell_csv *c, const char *fmt, ...) {
    va_list args;

    va_start(args, fmt);
    vsnprintf(c->error, sizeof(c->error), fmt, args);
    va_end(args);
    c->error_line = c->line;
    c->state = CSV_STOPPED;
    return false;
}

static bool add_text(bell_csv *c, const char *p, size_t n) {
    bell_buf_add(&c->text, p, n);
    if (!c->text.failed) {
        return true;
    }
    if (n > c->record_max_bytes - c->text.len) {
        return fail(c, "the record is longer than %zu bytes", c->record_max_bytes);
    }
    return fail(c, "out of memory");
}

/* The field's text is what was added since offsets[nfields]. UTF-8 is checked field by field: two halves of a character on both sides of
 * a comma are not a character. */
static bool field_end(bell_csv *c) {
    size_t from = c->offsets[c->nfields];
    bell_str text = {c->text.p ? c->text.p + from : "", c->text.len - from};

    if (c->nfields == BELL_CSV_FIELDS_MAX) {
        return fail(c, "the record has more than %d fields", BELL_CSV_FIELDS_MAX);
    }
    if (!bell_str_is_utf8(text)) {
        return fail(c, "field %zu is not UTF-8 text", c->nfields + 1);
    }
    c->lens[c->nfields++] = text.len;
    c->offsets[c->nfields] = c->text.len;
    return true;
}

static bool record_end(bell_csv *c) {
    bell_csv_record rec = {.line = c->line, .nfields = c->nfields, .fields = c->views};
    const char *text = c->text.p ? c->text.p : "";

    c->state = CSV_RECORD;
    for (size_t i = 0; i < c->nfields; i++) {
        c->views[i] = (bell_str){text + c->offsets[i], c->lens[i]};
    }
    c->nfields = 0;
    c->offsets[0] = 0;
    if (rec.nfields > 0 && !c->on_record(c->arg, &rec)) {
        c->state = CSV_STOPPED;
        return false;
    }
    bell_buf_reset(&c->text);
    return true;
}

/* A byte that ends a field or a line, outside of quotes. */
static bool take_delimiter(bell_csv *c, char byte) {
    bool blank = c->state == CSV_RECORD;

    if (byte == ',') {
        c->state = CSV_FIELD;
        return field_end(c);
    }
    if (!blank && !field_end(c)) {
        return false;
    }
    if (byte == '\r') {
        c->state = CSV_CR;
        return true;
    }
    if (!record_end(c)) {
        return false;
    }
    c->line++;
    return true;
}

static bool is_delimiter(char byte) {
    return byte == ',' || byte == '\r' || byte == '\n';
}

/* Bytes that mean something outside and inside of quotes; NUL is among them because no field may hold one. */
static size_t plain_run(const char *p, size_t len) {
    size_t i = 0;

    while (i < len && !is_delimiter(p[i]) && p[i] != '"' && p[i] != '\0') {
        i++;
    }
    return i;
}

static size_t quoted_run(const char *p, size_t len) {
    size_t i = 0;

    while (i < len && p[i] != '"' && p[i] != '\r' && p[i] != '\n' && p[i] != '\0') {
        i++;
    }
    return i;
}

/* At the start of a field or within an unquoted one. Returns the bytes taken, 0 when refused. */
static size_t step_plain(bell_csv *c, const char *p, size_t len) {
    size_t n;

    if (is_delimiter(*p)) {
        return take_delimiter(c, *p);
    }
    if (*p == '"' && c->state != CSV_PLAIN) {
        c->state = CSV_QUOTED;
        return 1;
    }
    if (*p == '"') {
        return fail(c, "field %zu has a quote inside but is not quoted", c->nfields + 1);
    }
    if (*p == '\0') {
        return fail(c, "field %zu holds a NUL byte", c->nfields + 1);
    }
    c->state = CSV_PLAIN;
    n = plain_run(p, len);
    return add_text(c, p, n) ? n : 0;
}

static size_t step_quoted(bell_csv *c, const char *p, size_t len) {
    size_t n = quoted_run(p, len);

    if (n > 0) {
        return add_text(c, p, n) ? n : 0;
    }
    if (*p == '\0') {
        return fail(c, "field %zu holds a NUL byte", c->nfields + 1);
    }
    if (*p != '"') {
        return fail(c, "field %zu has a line break inside its quotes, or its closing quote is missing", c->nfields + 1);
    }
    c->state = CSV_QUOTE_IN_QUOTED;
    return 1;
}

static size_t step_after_quote(bell_csv *c, char byte) {
    if (byte == '"') {
        c->state = CSV_QUOTED;
        return add_text(c, "\"", 1);
    }
    if (is_delimiter(byte)) {
        return take_delimiter(c, byte);
    }
    return fail(c, "field %zu has text behind its closing quote", c->nfields + 1);
}

static size_t step_cr(bell_csv *c, char byte) {
    if (byte != '\n') {
        return fail(c, "a carriage return has no line feed behind it");
    }
    if (!record_end(c)) {
        return 0;
    }
    c->line++;
    return 1;
}

static bool feed_text(bell_csv *c, const char *p, size_t len) {
    while (len > 0) {
        size_t n = 0;

        switch (c->state) {
        case CSV_RECORD:
        case CSV_FIELD:
        case CSV_PLAIN:
            n = step_plain(c, p, len);
            break;
        case CSV_QUOTED:
            n = step_quoted(c, p, len);
            break;
        case CSV_QUOTE_IN_QUOTED:
            n = step_after_quote(c, *p);
            break;
        case CSV_CR:
            n = step_cr(c, *p);
            break;
        }
        if (n == 0) {
            return false;
        }
        p += n;
        len -= n;
    }
    return true;
}

/* What looked like a byte order mark and was none is text. */
static bool bom_end(bell_csv *c) {
    size_t seen = c->bom_seen;

    c->state = CSV_RECORD;
    return seen >= sizeof(bom) - 1 || feed_text(c, bom, seen);
}

bool bell_csv_feed(bell_csv *c, const char *p, size_t len) {
    while (c->state == CSV_BOM && len > 0) {
        if (c->bom_seen < 3 && *p == bom[c->bom_seen]) {
            c->bom_seen++;
            p++;
            len--;
        } else if (!bom_end(c)) {
            return false;
        }
    }
    return feed_text(c, p, len) && c->state != CSV_STOPPED;
}

bool bell_csv_end(bell_csv *c) {
    if (c->state == CSV_BOM && !bom_end(c)) {
        return false;
    }
    switch (c->state) {
    case CSV_STOPPED:
        return false;
    case CSV_RECORD:
        return true;
    case CSV_QUOTED:
        return fail(c, "the file ends inside the quotes of field %zu", c->nfields + 1);
    case CSV_CR:
        return fail(c, "a carriage return has no line feed behind it");
    default:
        return field_end(c) && record_end(c);
    }
}
