#include "bell_oneroster.h"

#include <stdio.h>

const bell_oneroster_file *bell_oneroster_find(bell_str name) {
    for (size_t i = 0; i < BELL_ONEROSTER_FILES; i++) {
        if (bell_str_eq(name, bell_str_of(bell_oneroster_files[i].name))) {
            return &bell_oneroster_files[i];
        }
    }
    return NULL;
}

size_t bell_oneroster_index(const bell_oneroster_file *f) {
    return (size_t)(f - bell_oneroster_files);
}

static int column_index(const bell_oneroster_file *f, bell_str name) {
    for (size_t i = 0; i < f->ncolumns; i++) {
        if (bell_str_eq(name, bell_str_of(f->columns[i].name))) {
            return (int)i;
        }
    }
    return -1;
}

int bell_oneroster_column_index(const bell_oneroster_file *f, const char *name) {
    return column_index(f, bell_str_of(name));
}

const char *bell_oneroster_word_of(const bell_oneroster_word *words, int number) {
    for (; words->word != NULL; words++) {
        if (words->number == number) {
            return words->word;
        }
    }
    return "unknown";
}

/* ---- sentences ---- */

#define SHOWN_BYTES 40

/* What was found, short and in one line: control bytes become '?', a cut ends between characters. */
static const char *shown(bell_str s, char out[SHOWN_BYTES + 8]) {
    size_t n = s.len < SHOWN_BYTES ? s.len : SHOWN_BYTES;

    while (n < s.len && n > 0 && ((unsigned char)s.p[n] & 0xC0) == 0x80) {
        n--;
    }
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        out[i] = c < 0x20 || c == 0x7F ? '?' : (char)c;
    }
    memcpy(out + n, n < s.len ? "..." : "", n < s.len ? 4 : 1);
    return out;
}

/* "COLUMN MUST", and what was found where that may be shown. Always false. */
static bool refuse_cell(const bell_oneroster_column *c, const char *must, bell_str found, char *err, size_t err_len) {
    char show[SHOWN_BYTES + 8];

    if (c->personal) {
        snprintf(err, err_len, "%s %s (what was found is not shown: it may tell something about a person)", c->name, must);
    } else {
        snprintf(err, err_len, "%s %s; found \"%s\"", c->name, must, shown(found, show));
    }
    return false;
}

/* ---- the header ---- */

static bool is_extension(bell_str name) {
    return name.len > sizeof("metadata.") - 1 && bell_str_starts(name, BELL_STR("metadata."));
}

static bool refuse_name(const bell_oneroster_file *f, const bell_str *cells, size_t at, char *err, size_t err_len) {
    char show[SHOWN_BYTES + 8];

    for (size_t i = 0; i < f->ncolumns; i++) {
        if (bell_str_ieq(cells[at], bell_str_of(f->columns[i].name))) {
            snprintf(err, err_len, "column %zu is named \"%s\"; names are compared with case: write \"%s\"", at + 1, shown(cells[at], show),
                     f->columns[i].name);
            return false;
        }
    }
    snprintf(
        err, err_len,
        "column %zu is named \"%s\", which %s.csv of OneRoster 1.1 does not have; columns of your own are named metadata.* and stand at the right",
        at + 1, shown(cells[at], show), f->name);
    return false;
}

static bool refuse_order(const bell_oneroster_file *f, size_t at, int column, const bell_oneroster_header *h, char *err, size_t err_len) {
    if (h->cell_of[column] >= 0) {
        snprintf(err, err_len, "the column %s is there twice: it is column %d and column %zu", f->columns[column].name, h->cell_of[column] + 1,
                 at + 1);
    } else {
        snprintf(err, err_len, "the column %s stands too far right (column %zu); the order of OneRoster 1.1 must be kept", f->columns[column].name,
                 at + 1);
    }
    return false;
}

static bool read_names(const bell_oneroster_file *f, const bell_str *cells, size_t n, bell_oneroster_header *h, char *err, size_t err_len) {
    int last = -1;
    bool extensions = false;

    for (size_t i = 0; i < n; i++) {
        int column = column_index(f, cells[i]);

        if (is_extension(cells[i])) {
            for (size_t k = 0; k < i; k++) {
                if (bell_str_eq(cells[k], cells[i])) {
                    char show[SHOWN_BYTES + 8];
                    snprintf(err, err_len, "the column %s is there twice: it is column %zu and column %zu", shown(cells[i], show), k + 1, i + 1);
                    return false;
                }
            }
            extensions = true;
            continue;
        }
        if (column < 0) {
            return refuse_name(f, cells, i, err, err_len);
        }
        if (column <= last || extensions) {
            return refuse_order(f, i, column, h, err, err_len);
        }
        h->cell_of[column] = (int)i;
        last = column;
    }
    return true;
}

bool bell_oneroster_read_header(const bell_oneroster_file *f, const bell_str *cells, size_t n, bell_oneroster_header *h, char *err, size_t err_len) {
    h->ncells = n;
    h->left_out = NULL;
    for (size_t i = 0; i < BELL_ONEROSTER_COLUMNS_MAX; i++) {
        h->cell_of[i] = -1;
    }
    if (!read_names(f, cells, n, h, err, err_len)) {
        return false;
    }
    for (size_t i = 0; i < f->ncolumns; i++) {
        if (h->cell_of[i] >= 0) {
            continue;
        }
        if (f->columns[i].required || i < BELL_ONEROSTER_OWN_COLUMNS) {
            snprintf(err, err_len, "the column %s is missing", f->columns[i].name);
            return false;
        }
        if (h->left_out == NULL) {
            h->left_out = f->columns[i].name;
        }
    }
    return true;
}

/* ---- cells ---- */

static bool is_guid(bell_str s) {
    if (s.len < 1 || s.len > 255) {
        return false;
    }
    for (size_t i = 0; i < s.len; i++) {
        char c = s.p[i];
        bool ok =
            (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '.' || c == '/' || c == '@' || c == '_' || c == '-';
        if (!ok) {
            return false;
        }
    }
    return true;
}

/* A number of exactly `n` digits at s[at]; -1 when they are not there. */
static int digits_at(bell_str s, size_t at, size_t n) {
    int v = 0;

    if (at + n > s.len) {
        return -1;
    }
    for (size_t i = at; i < at + n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9') {
            return -1;
        }
        v = v * 10 + (s.p[i] - '0');
    }
    return v;
}

static bool is_date(bell_str s) {
    static const int month_days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int year = digits_at(s, 0, 4), month = digits_at(s, 5, 2), day = digits_at(s, 8, 2);

    if (s.len != 10 || s.p[4] != '-' || s.p[7] != '-' || year < 1 || month < 1 || month > 12 || day < 1) {
        return false;
    }
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return day <= month_days[month - 1] + (month == 2 && leap);
}

static bool is_datetime(bell_str s) {
    if (s.len != 20 && s.len != 24) {
        return false;
    }
    if (!is_date((bell_str){s.p, 10}) || s.p[10] != 'T' || s.p[13] != ':' || s.p[16] != ':' || s.p[s.len - 1] != 'Z') {
        return false;
    }
    int hour = digits_at(s, 11, 2), minute = digits_at(s, 14, 2), second = digits_at(s, 17, 2);
    if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60) {
        return false;
    }
    return s.len == 20 || (s.p[19] == '.' && digits_at(s, 20, 3) >= 0);
}

static bool is_number(bell_str s) {
    size_t i = s.len > 0 && (s.p[0] == '-' || s.p[0] == '+') ? 1 : 0;
    size_t digits = 0, dots = 0;

    if (s.len > 40) {
        return false;
    }
    for (; i < s.len; i++) {
        if (s.p[i] == '.') {
            dots++;
        } else if (s.p[i] >= '0' && s.p[i] <= '9') {
            digits++;
        } else {
            return false;
        }
    }
    return digits > 0 && dots <= 1;
}

bool bell_oneroster_next_item(bell_str *rest, bell_str *item) {
    while (rest->len > 0) {
        size_t n = 0;
        int braces = 0;

        for (; n < rest->len && (rest->p[n] != ',' || braces > 0); n++) {
            braces += rest->p[n] == '{';
            braces -= rest->p[n] == '}' && braces > 0;
        }
        *item = bell_str_trim((bell_str){rest->p, n});
        n += n < rest->len;
        rest->p += n;
        rest->len -= n;
        if (item->len > 0) {
            return true;
        }
    }
    return false;
}

static bool read_list(const bell_oneroster_column *c, bool required, bell_str cell, bell_oneroster_value *v, char *err, size_t err_len) {
    bell_str rest = cell, item;
    size_t n = 0;

    if (cell.len > BELL_ONEROSTER_LIST_BYTES) {
        snprintf(err, err_len, "%s is %zu bytes long; at most %d are read", c->name, cell.len, BELL_ONEROSTER_LIST_BYTES);
        return false;
    }
    for (; bell_oneroster_next_item(&rest, &item); n++) {
        if (c->type == BELL_ONEROSTER_GUID_LIST && !is_guid(item)) {
            return refuse_cell(c, "must be a list of ids, separated by commas, each of 1 to 255 letters, digits and . / @ _ -", item, err, err_len);
        }
    }
    v->empty = n == 0;
    if (v->empty && required) {
        return refuse_cell(c, "must hold at least one id", cell, err, err_len);
    }
    return true;
}

static bool read_word(const bell_oneroster_column *c, bell_str cell, bell_oneroster_value *v, char *err, size_t err_len) {
    char must[160] = "must be one of";

    for (const bell_oneroster_word *w = c->words; w->word != NULL; w++) {
        if (bell_str_eq(cell, bell_str_of(w->word))) {
            v->number = w->number;
            return true;
        }
        size_t used = strlen(must);
        snprintf(must + used, sizeof(must) - used, "%s %s", w == c->words ? "" : ",", w->word);
    }
    return refuse_cell(c, must, cell, err, err_len);
}

static bool read_text(const bell_oneroster_column *c, bell_str cell, char *err, size_t err_len) {
    if (cell.len > BELL_ONEROSTER_TEXT_BYTES) {
        snprintf(err, err_len, "%s is %zu bytes long; at most %d are read", c->name, cell.len, BELL_ONEROSTER_TEXT_BYTES);
        return false;
    }
    return true;
}

static bool read_boolean(const bell_oneroster_column *c, bell_str cell, bell_oneroster_value *v, char *err, size_t err_len) {
    v->number = bell_str_eq(cell, BELL_STR("true"));
    return v->number == 1 || bell_str_eq(cell, BELL_STR("false")) || refuse_cell(c, "must be true or false", cell, err, err_len);
}

static bool read_year(const bell_oneroster_column *c, bell_str cell, bell_oneroster_value *v, char *err, size_t err_len) {
    v->number = digits_at(cell, 0, 4);
    return (cell.len == 4 && v->number >= 1000) || refuse_cell(c, "must be a year as YYYY", cell, err, err_len);
}

bool bell_oneroster_read_cell(const bell_oneroster_column *c, bool required, bell_str cell, bell_oneroster_value *v, char *err, size_t err_len) {
    v->number = 0;
    v->empty = cell.len == 0;
    if (c->type == BELL_ONEROSTER_SECRET) {
        v->empty = true;
        return true;
    }
    if (v->empty) {
        if (required) {
            snprintf(err, err_len, "%s is empty; a value is required", c->name);
        }
        return !required;
    }
    switch (c->type) {
    case BELL_ONEROSTER_GUID:
        return is_guid(cell) || refuse_cell(c, "must be an id of 1 to 255 letters, digits and . / @ _ -", cell, err, err_len);
    case BELL_ONEROSTER_GUID_LIST:
    case BELL_ONEROSTER_TEXT_LIST:
        return read_list(c, required, cell, v, err, err_len);
    case BELL_ONEROSTER_DATE:
        return is_date(cell) || refuse_cell(c, "must be a date of the calendar as YYYY-MM-DD", cell, err, err_len);
    case BELL_ONEROSTER_DATETIME:
        return is_datetime(cell) || refuse_cell(c, "must be a time as YYYY-MM-DDTHH:MM:SS.sssZ", cell, err, err_len);
    case BELL_ONEROSTER_BOOLEAN:
        return read_boolean(c, cell, v, err, err_len);
    case BELL_ONEROSTER_YEAR:
        return read_year(c, cell, v, err, err_len);
    case BELL_ONEROSTER_NUMBER:
        return is_number(cell) || refuse_cell(c, "must be a decimal number", cell, err, err_len);
    case BELL_ONEROSTER_WORD:
        return read_word(c, cell, v, err, err_len);
    case BELL_ONEROSTER_TEXT:
    case BELL_ONEROSTER_SECRET:
        break;
    }
    return read_text(c, cell, err, err_len);
}

/* ---- manifest.csv ---- */

enum { SEEN_MANIFEST_VERSION = 1, SEEN_ONEROSTER_VERSION = 2, SEEN_SYSTEM_NAME = 4, SEEN_SYSTEM_CODE = 8 };

const char *bell_oneroster_mode_name(bell_oneroster_mode mode) {
    static const char *const names[] = {"unsaid", "absent", "bulk", "delta"};
    return names[mode];
}

static bool once(bell_oneroster_manifest *m, unsigned char bit, const char *name, char *err, size_t err_len) {
    if (m->seen & bit) {
        snprintf(err, err_len, "%s is there twice", name);
        return false;
    }
    m->seen |= bit;
    return true;
}

static bool read_version(bell_oneroster_manifest *m, bool of_manifest, bell_str value, char *err, size_t err_len) {
    const char *name = of_manifest ? "manifest.version" : "oneroster.version";
    char show[SHOWN_BYTES + 8];

    if (!bell_str_eq(value, bell_str_of(of_manifest ? "1.0" : "1.1"))) {
        snprintf(err, err_len,
                 "%s is \"%s\"; this version of Firstbell reads OneRoster 1.1 (manifest.version 1.0, oneroster.version 1.1): export as 1.1", name,
                 shown(value, show));
        return false;
    }
    return once(m, of_manifest ? SEEN_MANIFEST_VERSION : SEEN_ONEROSTER_VERSION, name, err, err_len);
}

static bool read_mode(bell_oneroster_manifest *m, const bell_oneroster_file *f, bell_str value, char *err, size_t err_len) {
    bell_oneroster_mode *mode = &m->modes[bell_oneroster_index(f)];
    char show[SHOWN_BYTES + 8];

    if (*mode != BELL_ONEROSTER_UNSAID) {
        snprintf(err, err_len, "file.%s is there twice", f->name);
        return false;
    }
    for (bell_oneroster_mode k = BELL_ONEROSTER_ABSENT; k <= BELL_ONEROSTER_DELTA; k++) {
        if (bell_str_eq(value, bell_str_of(bell_oneroster_mode_name(k)))) {
            *mode = k;
            return true;
        }
    }
    snprintf(err, err_len, "file.%s must be absent, bulk or delta; found \"%s\"", f->name, shown(value, show));
    return false;
}

static bool read_property(bell_oneroster_manifest *m, uint64_t line, bell_str name, bell_str value, char *err, size_t err_len) {
    const bell_oneroster_file *f = NULL;

    if (bell_str_starts(name, BELL_STR("file."))) {
        f = bell_oneroster_find((bell_str){name.p + 5, name.len - 5});
    }
    if (f != NULL) {
        return read_mode(m, f, value, err, err_len);
    }
    if (bell_str_eq(name, BELL_STR("manifest.version"))) {
        return read_version(m, true, value, err, err_len);
    }
    if (bell_str_eq(name, BELL_STR("oneroster.version"))) {
        return read_version(m, false, value, err, err_len);
    }
    if (bell_str_eq(name, BELL_STR("source.systemName"))) {
        return once(m, SEEN_SYSTEM_NAME, "source.systemName", err, err_len);
    }
    if (bell_str_eq(name, BELL_STR("source.systemCode"))) {
        return once(m, SEEN_SYSTEM_CODE, "source.systemCode", err, err_len);
    }
    if (m->unknown_line == 0) {
        char show[SHOWN_BYTES + 8];
        snprintf(m->unknown, sizeof(m->unknown), "%s", shown(name, show));
        m->unknown_line = line;
    }
    return true;
}

bool bell_oneroster_manifest_row(bell_oneroster_manifest *m, uint64_t line, const bell_str *cells, size_t n, char *err, size_t err_len) {
    if (n != 2) {
        snprintf(err, err_len, "each row of the manifest has two cells, propertyName and value; this one has %zu", n);
        return false;
    }
    if (!m->header_seen) {
        m->header_seen = true;
        if (!bell_str_eq(cells[0], BELL_STR("propertyName")) || !bell_str_eq(cells[1], BELL_STR("value"))) {
            snprintf(err, err_len, "the first row of the manifest must be propertyName,value");
            return false;
        }
        return true;
    }
    return read_property(m, line, cells[0], cells[1], err, err_len);
}

bool bell_oneroster_manifest_end(const bell_oneroster_manifest *m, uint64_t *line, char *err, size_t err_len) {
    *line = 0;
    if (!m->header_seen) {
        snprintf(err, err_len, "the manifest is empty");
        return false;
    }
    if (!(m->seen & SEEN_MANIFEST_VERSION) || !(m->seen & SEEN_ONEROSTER_VERSION)) {
        snprintf(err, err_len, "%s is missing", m->seen & SEEN_MANIFEST_VERSION ? "oneroster.version" : "manifest.version");
        return false;
    }
    if (m->unknown_line > 0) {
        *line = m->unknown_line;
        snprintf(err, err_len, "\"%s\" is not a property of a OneRoster 1.1 manifest", m->unknown);
        return false;
    }
    for (size_t i = 0; i < BELL_ONEROSTER_FILES; i++) {
        if (m->modes[i] == BELL_ONEROSTER_UNSAID) {
            snprintf(err, err_len, "file.%s is missing; the manifest says absent, bulk or delta for each of the %d files",
                     bell_oneroster_files[i].name, BELL_ONEROSTER_FILES);
            return false;
        }
    }
    return true;
}
