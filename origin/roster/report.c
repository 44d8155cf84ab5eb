#include "origin/roster/report.h"

#include <inttypes.h>

#include "bell_json.h"

static void note(fb_roster_notes *to, const char *file, uint64_t line, const char *fmt, va_list args) {
    to->total++;
    if (to->kept == FB_ROSTER_NOTES_MAX) {
        return;
    }
    fb_roster_note *n = &to->notes[to->kept++];
    snprintf(n->file, sizeof(n->file), "%s%s", file == NULL ? "" : file, file == NULL ? "" : ".csv");
    n->line = line;
    vsnprintf(n->text, sizeof(n->text), fmt, args);
}

void fb_roster_error(fb_roster_report *r, const char *file, uint64_t line, const char *fmt, ...) {
    va_list args;

    va_start(args, fmt);
    note(&r->errors, file, line, fmt, args);
    va_end(args);
}

void fb_roster_doubt(fb_roster_report *r, const char *file, uint64_t line, const char *fmt, ...) {
    va_list args;

    va_start(args, fmt);
    note(r->strict ? &r->errors : &r->warnings, file, line, fmt, args);
    va_end(args);
}

void fb_roster_more_errors(fb_roster_report *r, uint64_t n) {
    r->errors.total += n;
}

static void print_notes(const fb_roster_notes *notes, const char *zip_name, const char *mark, const char *kind, FILE *out) {
    for (size_t i = 0; i < notes->kept; i++) {
        const fb_roster_note *n = &notes->notes[i];

        fputs(n->file[0] != '\0' ? n->file : zip_name, out);
        if (n->line > 0) {
            fprintf(out, ":%" PRIu64, n->line);
        }
        fprintf(out, ": %s%s\n", mark, n->text);
    }
    if (notes->total > notes->kept) {
        fprintf(out, "and %" PRIu64 " more %s\n", notes->total - notes->kept, kind);
    }
}

void fb_roster_print_notes(const fb_roster_report *r, FILE *out) {
    print_notes(&r->warnings, r->zip_name, "warning: ", "warnings", out);
    print_notes(&r->errors, r->zip_name, "", "mistakes", out);
}

static bool is_counted(const fb_roster_count *c) {
    return c->mode == BELL_ONEROSTER_BULK || c->mode == BELL_ONEROSTER_DELTA;
}

void fb_roster_print_counts(const fb_roster_report *r, FILE *out) {
    fprintf(out, "%-18s %-5s %10s %10s %10s %10s %10s\n", "", "mode", "rows", "inserted", "updated", "unchanged", "deleted");
    for (size_t i = 0; i < BELL_ONEROSTER_FILES; i++) {
        const fb_roster_count *c = &r->counts[i];

        if (is_counted(c)) {
            fprintf(out, "%-18s %-5s %10" PRIu64 " %10" PRIu64 " %10" PRIu64 " %10" PRIu64 " %10" PRIu64 "\n", bell_oneroster_files[i].name,
                    bell_oneroster_mode_name(c->mode), c->rows, c->inserted, c->updated, c->unchanged, c->deleted);
        }
    }
}

fb_roster_count fb_roster_total(const fb_roster_report *r) {
    fb_roster_count sum = {.mode = BELL_ONEROSTER_UNSAID};

    for (size_t i = 0; i < BELL_ONEROSTER_FILES; i++) {
        sum.rows += r->counts[i].rows;
        sum.inserted += r->counts[i].inserted;
        sum.updated += r->counts[i].updated;
        sum.unchanged += r->counts[i].unchanged;
        sum.deleted += r->counts[i].deleted;
    }
    return sum;
}

/* ---- JSON ---- */

static void write_count(bell_json *j, const char *key, uint64_t v) {
    bell_json_key(j, key);
    bell_json_int(j, (int64_t)v);
}

static void write_files(bell_json *j, const fb_roster_report *r) {
    bell_json_key(j, "files");
    bell_json_object_open(j);
    for (size_t i = 0; i < BELL_ONEROSTER_FILES; i++) {
        const fb_roster_count *c = &r->counts[i];

        if (!is_counted(c)) {
            continue;
        }
        bell_json_key(j, bell_oneroster_files[i].name);
        bell_json_object_open(j);
        bell_json_key(j, "mode");
        bell_json_z(j, bell_oneroster_mode_name(c->mode));
        write_count(j, "rows", c->rows);
        write_count(j, "inserted", c->inserted);
        write_count(j, "updated", c->updated);
        write_count(j, "unchanged", c->unchanged);
        write_count(j, "deleted", c->deleted);
        bell_json_object_close(j);
    }
    bell_json_object_close(j);
}

static void write_notes(bell_json *j, const char *key, const fb_roster_notes *notes) {
    bell_json_key(j, key);
    bell_json_array_open(j);
    for (size_t i = 0; i < notes->kept; i++) {
        bell_json_object_open(j);
        bell_json_key(j, "file");
        bell_json_z(j, notes->notes[i].file[0] != '\0' ? notes->notes[i].file : NULL);
        write_count(j, "line", notes->notes[i].line);
        bell_json_key(j, "text");
        bell_json_z(j, notes->notes[i].text);
        bell_json_object_close(j);
    }
    bell_json_array_close(j);
}

bool fb_roster_report_json(const fb_roster_report *r, bell_buf *out) {
    bell_json j;

    bell_json_init(&j, out);
    bell_json_object_open(&j);
    write_files(&j, r);
    write_count(&j, "errors_total", r->errors.total);
    write_count(&j, "warnings_total", r->warnings.total);
    write_notes(&j, "errors", &r->errors);
    write_notes(&j, "warnings", &r->warnings);
    bell_json_object_close(&j);
    return bell_json_done(&j) && !out->failed;
}
