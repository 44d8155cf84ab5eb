#include "origin/roster/stage.h"

#include <inttypes.h>
#include <stdio.h>

#include "bell_csv.h"

#define READ_BYTES      65536
#define COPY_SEND_BYTES 65536
/* A record, every byte of it escaped as a list's item is. */
#define COPY_BUF_BYTES_MAX (COPY_SEND_BYTES + 8 * FB_ROSTER_RECORD_BYTES_MAX)

typedef struct {
    PGconn *pg;
    fb_roster_report *report;
    fb_roster_count *count;
    const bell_oneroster_file *file;
    bell_oneroster_mode mode;
    bell_oneroster_header header;
    bool header_seen;
    bool refused; /* the header: nothing behind it means anything */
    bool pg_failed;
    bell_buf copy;
    uint64_t filled_rows, filled_line; /* bulk rows with a status or a date */
} stage;

static const char *const used_files[] = {"academicSessions", "classes", "courses", "enrollments", "orgs", "users"};

bool fb_roster_is_used(const bell_oneroster_file *f) {
    for (size_t i = 0; i < sizeof(used_files) / sizeof(used_files[0]); i++) {
        if (strcmp(used_files[i], f->name) == 0) {
            return true;
        }
    }
    return false;
}

/* ---- tables ---- */

static const char *sql_type(const bell_oneroster_column *c) {
    switch (c->type) {
    case BELL_ONEROSTER_GUID:
    case BELL_ONEROSTER_TEXT:
        return "text COLLATE \"C\"";
    case BELL_ONEROSTER_GUID_LIST:
    case BELL_ONEROSTER_TEXT_LIST:
        return "text[] NOT NULL";
    case BELL_ONEROSTER_DATE:
        return "date";
    case BELL_ONEROSTER_BOOLEAN:
        return "boolean";
    case BELL_ONEROSTER_YEAR:
    case BELL_ONEROSTER_WORD:
        return "smallint";
    case BELL_ONEROSTER_DATETIME: /* checked, not kept */
    case BELL_ONEROSTER_NUMBER:
    case BELL_ONEROSTER_SECRET: /* never kept */
        break;
    }
    return NULL;
}

static bool create_table(PGconn *pg, const bell_oneroster_file *f) {
    bell_buf sql;

    bell_buf_init(&sql, 8192);
    bell_buf_printf(&sql, "CREATE TEMPORARY TABLE stage_%s (line bigint NOT NULL", f->name);
    for (size_t i = 0; i < f->ncolumns; i++) {
        const char *type = sql_type(&f->columns[i]);
        if (type != NULL) {
            bell_buf_printf(&sql, ", \"%s\" %s", f->columns[i].name, type);
        }
    }
    bell_buf_add(&sql, ") ON COMMIT DROP", sizeof(") ON COMMIT DROP"));
    bool ok = !sql.failed && fb_pg_do(pg, sql.p, 0, NULL);
    bell_buf_fini(&sql);
    return ok;
}

bool fb_roster_stage_create(PGconn *pg) {
    for (size_t i = 0; i < BELL_ONEROSTER_FILES; i++) {
        if (fb_roster_is_used(&bell_oneroster_files[i]) && !create_table(pg, &bell_oneroster_files[i])) {
            return false;
        }
    }
    return true;
}

/* ---- COPY's text format ---- */

static void copy_text(bell_buf *b, bell_str s) {
    size_t from = 0;

    for (size_t i = 0; i < s.len; i++) {
        char c = s.p[i];
        const char *escaped = c == '\\' ? "\\\\" : c == '\t' ? "\\t" : c == '\n' ? "\\n" : c == '\r' ? "\\r" : NULL;
        if (escaped != NULL) {
            bell_buf_add(b, s.p + from, i - from);
            bell_buf_add(b, escaped, 2);
            from = i + 1;
        }
    }
    bell_buf_add(b, s.p + from, s.len - from);
}

/* An array's item: its own escape first, then COPY's over it. */
static void copy_item(bell_buf *b, bell_str s) {
    bell_buf_add_char(b, '"');
    for (size_t i = 0; i < s.len; i++) {
        switch (s.p[i]) {
        case '"':
            bell_buf_add(b, "\\\\\"", 3);
            break;
        case '\\':
            bell_buf_add(b, "\\\\\\\\", 4);
            break;
        default:
            copy_text(b, (bell_str){s.p + i, 1});
        }
    }
    bell_buf_add_char(b, '"');
}

static void copy_list(bell_buf *b, bell_str rest) {
    bell_str item;
    const char *before = "";

    bell_buf_add_char(b, '{');
    while (bell_oneroster_next_item(&rest, &item)) {
        bell_buf_add_z(b, before);
        copy_item(b, item);
        before = ",";
    }
    bell_buf_add_char(b, '}');
}

static void copy_cell(bell_buf *b, const bell_oneroster_column *c, bell_str cell, const bell_oneroster_value *v) {
    bool is_list = c->type == BELL_ONEROSTER_GUID_LIST || c->type == BELL_ONEROSTER_TEXT_LIST;

    if (is_list) {
        copy_list(b, v->empty ? BELL_STR("") : cell);
    } else if (v->empty) {
        bell_buf_add(b, "\\N", 2);
    } else if (c->type == BELL_ONEROSTER_BOOLEAN) {
        bell_buf_add_char(b, v->number ? 't' : 'f');
    } else if (c->type == BELL_ONEROSTER_WORD || c->type == BELL_ONEROSTER_YEAR) {
        bell_buf_add_i64(b, v->number);
    } else {
        copy_text(b, cell);
    }
}

static bool send_copy(stage *st) {
    if (st->copy.failed || PQputCopyData(st->pg, st->copy.p, (int)st->copy.len) != 1) {
        st->pg_failed = true;
        return false;
    }
    bell_buf_reset(&st->copy);
    return true;
}

/* ---- rows ---- */

static bool take_header(stage *st, const bell_csv_record *rec) {
    char err[BELL_ONEROSTER_ERROR_BYTES];

    st->header_seen = true;
    if (!bell_oneroster_read_header(st->file, rec->fields, rec->nfields, &st->header, err, sizeof(err))) {
        fb_roster_error(st->report, st->file->name, rec->line, "%s", err);
        st->refused = true;
        return false;
    }
    if (st->header.left_out != NULL) {
        fb_roster_doubt(st->report, st->file->name, rec->line, "the column %s is missing; it is read as empty", st->header.left_out);
    }
    return true;
}

/* A delta says of each row what became of it and when; a row that takes a record away needs nothing else. */
static bool is_required(const stage *st, size_t column, bool deletes) {
    if (column == BELL_ONEROSTER_STATUS || column == BELL_ONEROSTER_LAST_MODIFIED) {
        return st->mode == BELL_ONEROSTER_DELTA;
    }
    return st->file->columns[column].required && (!deletes || column == BELL_ONEROSTER_SOURCED_ID);
}

static bell_str cell_of(const stage *st, const bell_csv_record *rec, size_t column) {
    int at = st->header.cell_of[column];

    return at < 0 ? BELL_STR("") : rec->fields[at];
}

/* A bulk file has neither status nor dateLastModified; many exports fill them in all the same. Told once a file. */
static void note_filled(stage *st, const bell_csv_record *rec) {
    if (st->mode != BELL_ONEROSTER_BULK ||
        (cell_of(st, rec, BELL_ONEROSTER_STATUS).len == 0 && cell_of(st, rec, BELL_ONEROSTER_LAST_MODIFIED).len == 0)) {
        return;
    }
    if (st->filled_rows++ == 0) {
        st->filled_line = rec->line;
    }
}

static bool is_reserved(bell_str sourced_id) {
    return bell_str_starts(sourced_id, BELL_STR("local-"));
}

static void stage_cell(stage *st, const bell_csv_record *rec, size_t column, bool deletes) {
    const bell_oneroster_column *c = &st->file->columns[column];
    bell_str cell = cell_of(st, rec, column);
    bell_oneroster_value v;
    char err[BELL_ONEROSTER_ERROR_BYTES];

    if (!bell_oneroster_read_cell(c, is_required(st, column, deletes), cell, &v, err, sizeof(err))) {
        fb_roster_error(st->report, st->file->name, rec->line, "%s", err);
        v.empty = true;
        st->count->nameless += column == BELL_ONEROSTER_SOURCED_ID;
    } else if (column == BELL_ONEROSTER_SOURCED_ID && is_reserved(cell)) {
        fb_roster_error(st->report, st->file->name, rec->line,
                        "sourcedId begins with \"local-\", which is kept for records made in Firstbell itself");
    }
    if (sql_type(c) == NULL) {
        return;
    }
    if (column == BELL_ONEROSTER_STATUS && v.empty) {
        v = (bell_oneroster_value){.number = BELL_ONEROSTER_ACTIVE};
    }
    bell_buf_add_char(&st->copy, '\t');
    copy_cell(&st->copy, c, cell, &v);
}

static bool on_record(void *arg, const bell_csv_record *rec) {
    stage *st = arg;

    if (!st->header_seen) {
        return take_header(st, rec);
    }
    st->count->rows++;
    if (rec->nfields != st->header.ncells) {
        fb_roster_error(st->report, st->file->name, rec->line, "the row has %zu cells, the header has %zu", rec->nfields, st->header.ncells);
        st->count->nameless++;
        return true;
    }
    note_filled(st, rec);
    bool deletes = bell_str_eq(cell_of(st, rec, BELL_ONEROSTER_STATUS), BELL_STR("tobedeleted"));
    bell_buf_add_u64(&st->copy, rec->line);
    for (size_t i = 0; i < st->file->ncolumns; i++) {
        stage_cell(st, rec, i, deletes);
    }
    bell_buf_add_char(&st->copy, '\n');
    return st->copy.len < COPY_SEND_BYTES || send_copy(st);
}

/* ---- a file ---- */

static bool copy_begin(stage *st) {
    char sql[128];

    snprintf(sql, sizeof(sql), "COPY stage_%s FROM STDIN", st->file->name);
    PGresult *r = PQexec(st->pg, sql);
    bool ok = PQresultStatus(r) == PGRES_COPY_IN;
    PQclear(r);
    return ok;
}

static bool copy_end(stage *st) {
    bool ok = !st->pg_failed && (st->copy.len == 0 || send_copy(st));

    ok = PQputCopyEnd(st->pg, ok ? NULL : "the import was given up") == 1 && ok;
    for (PGresult *r; (r = PQgetResult(st->pg)) != NULL; PQclear(r)) {
        ok = ok && PQresultStatus(r) == PGRES_COMMAND_OK;
    }
    return ok;
}

/* true: the file was read to its end. */
static bool feed(stage *st, fb_roster_zip *z) {
    static char buf[READ_BYTES];
    bell_csv csv;
    bool ok = true;
    long n;

    bell_csv_init(&csv, FB_ROSTER_RECORD_BYTES_MAX, on_record, st);
    while (ok && (n = fb_roster_zip_read(z, buf, sizeof(buf))) > 0) {
        ok = bell_csv_feed(&csv, buf, (size_t)n);
    }
    ok = ok && !z->broken && bell_csv_end(&csv);
    if (!ok && !z->broken && !st->refused && !st->pg_failed) {
        fb_roster_error(st->report, st->file->name, csv.error_line, "%s", csv.error);
    }
    bell_csv_fini(&csv);
    return ok;
}

static void judge_whole(stage *st) {
    if (!st->header_seen) {
        fb_roster_error(st->report, st->file->name, 0, "the file is empty; at least a header and one row were expected");
    } else if (st->count->rows == 0) {
        fb_roster_error(st->report, st->file->name, 0,
                        "the file has a header but no rows; a file without records is listed as absent in manifest.csv");
    }
    if (st->filled_rows > 0) {
        fb_roster_doubt(st->report, st->file->name, st->filled_line,
                        "status or dateLastModified is filled in on %" PRIu64 " rows (this is the first); a bulk file leaves both empty",
                        st->filled_rows);
    }
}

fb_roster_staged fb_roster_stage_file(PGconn *pg, fb_roster_zip *z, const bell_oneroster_file *f, bell_oneroster_mode mode) {
    stage st = {.pg = pg, .report = z->report, .count = &z->report->counts[bell_oneroster_index(f)], .file = f, .mode = mode};

    bell_buf_init(&st.copy, COPY_BUF_BYTES_MAX);
    if (!copy_begin(&st)) {
        st.pg_failed = true;
    }
    bool whole = !st.pg_failed && feed(&st, z);
    if (st.pg_failed || !copy_end(&st)) {
        fb_pg_report(pg, "the roster could not be staged");
        bell_buf_fini(&st.copy);
        return FB_ROSTER_STAGE_LOST;
    }
    bell_buf_fini(&st.copy);
    if (!whole) {
        return FB_ROSTER_STAGE_PART;
    }
    judge_whole(&st);
    return FB_ROSTER_STAGED;
}
