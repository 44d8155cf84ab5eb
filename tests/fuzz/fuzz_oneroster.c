/* Rules of OneRoster over the cells of a file: the first byte chooses the file (or the manifest), line feeds part rows, tabs part cells.
 * longest input: 512 bytes */
#include "bell_oneroster.h"
#include "fuzz.h"

#include <time.h>

#define CELLS_MAX 64

static size_t cut_row(bell_str *rest, bell_str cells[CELLS_MAX]) {
    bell_str row = bell_str_cut(rest, '\n');
    size_t n = 0;

    do {
        cells[n++] = bell_str_cut(&row, '\t');
    } while (row.len > 0 && n < CELLS_MAX);
    return n;
}

static void check_sentence(bool good, const char *err) {
    fuzz_assert(good == (err[0] == '\0') && strlen(err) < BELL_ONEROSTER_ERROR_BYTES - 1);
}

static void read_manifest(bell_str rest) {
    bell_oneroster_manifest m = {0};
    bell_str cells[CELLS_MAX];

    for (uint64_t line = 1; rest.len > 0; line++) {
        char err[BELL_ONEROSTER_ERROR_BYTES] = "";
        size_t n = cut_row(&rest, cells);
        bool good = bell_oneroster_manifest_row(&m, line, cells, n, err, sizeof(err));

        check_sentence(good, err);
        if (!good) {
            return;
        }
    }
    char err[BELL_ONEROSTER_ERROR_BYTES] = "";
    uint64_t line = 0;
    bool good = bell_oneroster_manifest_end(&m, &line, err, sizeof(err));

    check_sentence(good, err);
    for (size_t i = 0; good && i < BELL_ONEROSTER_FILES; i++) {
        fuzz_assert(m.modes[i] != BELL_ONEROSTER_UNSAID && bell_oneroster_mode_name(m.modes[i]) != NULL);
    }
}

static void check_list(bell_str cell) {
    bell_str item;
    size_t total = 0;

    while (bell_oneroster_next_item(&cell, &item)) {
        fuzz_assert(item.len > 0 && item.p[0] != ' ' && item.p[item.len - 1] != ' ');
        total += item.len;
    }
    fuzz_assert(total <= BELL_ONEROSTER_LIST_BYTES);
}

/* libc's calendar knows the same days. */
static void check_date(bell_str cell) {
    struct tm tm = {0};
    char text[16];

    fuzz_assert(cell.len == 10);
    memcpy(text, cell.p, 10);
    text[10] = '\0';
    fuzz_assert(strptime(text, "%Y-%m-%d", &tm) == text + 10);
    int day = tm.tm_mday, month = tm.tm_mon;
    time_t t = timegm(&tm);
    gmtime_r(&t, &tm);
    fuzz_assert(tm.tm_mday == day && tm.tm_mon == month);
}

static void read_cell(const bell_oneroster_column *c, bell_str cell) {
    char err[BELL_ONEROSTER_ERROR_BYTES] = "";
    bell_oneroster_value v;
    bool good = bell_oneroster_read_cell(c, c->required, cell, &v, err, sizeof(err));

    check_sentence(good, err);
    if (!good) {
        /* nobody's address in a report */
        fuzz_assert(!c->personal || cell.len < 24 || memmem(err, strlen(err), cell.p, 24) == NULL);
        return;
    }
    fuzz_assert(!v.empty || !c->required);
    if (v.empty) {
        return;
    }
    if (c->type == BELL_ONEROSTER_DATE) {
        check_date(cell);
    } else if (c->type == BELL_ONEROSTER_WORD) {
        fuzz_assert(bell_str_eq(cell, bell_str_of(bell_oneroster_word_of(c->words, v.number))));
    } else if (c->type == BELL_ONEROSTER_GUID_LIST || c->type == BELL_ONEROSTER_TEXT_LIST) {
        check_list(cell);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char err[BELL_ONEROSTER_ERROR_BYTES] = "";
    bell_str rest = {(const char *)data + 1, size - 1}, cells[CELLS_MAX];
    bell_oneroster_header h;
    const bell_oneroster_file *f;

    if (size == 0) {
        return 0;
    }
    if (data[0] % (BELL_ONEROSTER_FILES + 1) == BELL_ONEROSTER_FILES) {
        read_manifest(rest);
        return 0;
    }
    f = &bell_oneroster_files[data[0] % (BELL_ONEROSTER_FILES + 1)];
    size_t n = cut_row(&rest, cells);
    bool good = bell_oneroster_read_header(f, cells, n, &h, err, sizeof(err));

    check_sentence(good, err);
    for (size_t i = 0; good && i < f->ncolumns; i++) {
        fuzz_assert(h.cell_of[i] < (int)n && (h.cell_of[i] >= 0 ? bell_str_eq(cells[h.cell_of[i]], bell_str_of(f->columns[i].name)) : true));
    }
    while (rest.len > 0) { /* whatever the header was: cells behind it are read as the columns in order */
        n = cut_row(&rest, cells);
        for (size_t i = 0; i < n; i++) {
            read_cell(&f->columns[i % f->ncolumns], cells[i]);
        }
    }
    return 0;
}
