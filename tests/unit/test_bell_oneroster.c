#include <stdio.h>

#include "bell_oneroster.h"
#include "unit.h"

static const bell_oneroster_column *column(const char *file, const char *name) {
    const bell_oneroster_file *f = bell_oneroster_find(bell_str_of(file));

    assert_non_null(f);
    int at = bell_oneroster_column_index(f, name);
    assert_true(at >= 0);
    return &f->columns[at];
}

/* Cells of a row, from a text with '|' between them. */
static size_t cells(const char *text, bell_str *out) {
    bell_str rest = bell_str_of(text);
    size_t n = 0;

    while (rest.len > 0) {
        out[n++] = bell_str_cut(&rest, '|');
    }
    return n;
}

static void test_tables(void **state) {
    (void)state;
    for (size_t i = 0; i < BELL_ONEROSTER_FILES; i++) {
        const bell_oneroster_file *f = &bell_oneroster_files[i];

        assert_ptr_equal(f, bell_oneroster_find(bell_str_of(f->name)));
        assert_int_equal(i, bell_oneroster_index(f));
        assert_true(f->ncolumns <= BELL_ONEROSTER_COLUMNS_MAX);
        assert_true(i == 0 || strcmp(bell_oneroster_files[i - 1].name, f->name) < 0);
        assert_string_equal(f->columns[BELL_ONEROSTER_SOURCED_ID].name, "sourcedId");
        assert_string_equal(f->columns[BELL_ONEROSTER_STATUS].name, "status");
        assert_string_equal(f->columns[BELL_ONEROSTER_LAST_MODIFIED].name, "dateLastModified");
        for (size_t k = 0; k < f->ncolumns; k++) {
            assert_int_equal(k, bell_oneroster_column_index(f, f->columns[k].name));
            assert_true((f->columns[k].words != NULL) == (f->columns[k].type == BELL_ONEROSTER_WORD));
        }
    }
    assert_null(bell_oneroster_find(BELL_STR("manifest")));
    assert_null(bell_oneroster_find(BELL_STR("Users")));
    assert_null(bell_oneroster_find(BELL_STR("roles"))); /* of 1.2 */
    assert_int_equal(-1, bell_oneroster_column_index(&bell_oneroster_files[0], "nothing"));
}

typedef struct {
    const char *file, *column, *cell;
    bool required, ok, empty;
    int32_t number;
} cell_case;

static const cell_case cell_cases[] = {
    /* ids */
    {"orgs", "sourcedId", "a", true, true, false, 0},
    {"orgs", "sourcedId", "Az09./@_-", true, true, false, 0},
    {"orgs", "sourcedId", "", true, false, true, 0},
    {"orgs", "sourcedId", "with blank", true, false, false, 0},
    {"orgs", "sourcedId", "{brace}", true, false, false, 0},
    {"orgs", "sourcedId", "\xC3\xA9", true, false, false, 0},
    {"orgs", "parentSourcedId", "", false, true, true, 0},
    /* lists */
    {"classes", "termSourcedIds", "t1", true, true, false, 0},
    {"classes", "termSourcedIds", "t1,t2", true, true, false, 0},
    {"classes", "termSourcedIds", " t1 , t2 ", true, true, false, 0},
    {"classes", "termSourcedIds", "t1,t 2", true, false, false, 0},
    {"classes", "termSourcedIds", ",", true, false, true, 0},
    {"classes", "termSourcedIds", ",", false, true, true, 0},
    {"classes", "grades", "07,08", false, true, false, 0},
    /* words */
    {"orgs", "type", "department", true, true, false, 1},
    {"orgs", "type", "school", true, true, false, 2},
    {"orgs", "type", "national", true, true, false, 6},
    {"orgs", "type", "School", true, false, false, 0},
    {"orgs", "type", "schools", true, false, false, 0},
    {"orgs", "type", "", true, false, true, 0},
    {"academicSessions", "type", "gradingPeriod", true, true, false, 1},
    {"academicSessions", "type", "schoolYear", true, true, false, 3},
    {"academicSessions", "type", "term", true, true, false, 4},
    {"classes", "classType", "homeroom", true, true, false, 1},
    {"classes", "classType", "scheduled", true, true, false, 2},
    {"users", "role", "administrator", true, true, false, 1},
    {"users", "role", "student", true, true, false, 7},
    {"users", "role", "teacher", true, true, false, 8},
    {"users", "role", "operator", true, false, false, 0},              /* never by roster */
    {"users", "role", "districtAdministrator", true, false, false, 0}, /* of 1.2 */
    {"enrollments", "role", "student", true, true, false, 3},
    {"enrollments", "role", "teacher", true, true, false, 4},
    {"enrollments", "role", "aide", true, false, false, 0},
    {"users", "status", "active", true, true, false, BELL_ONEROSTER_ACTIVE},
    {"users", "status", "tobedeleted", true, true, false, BELL_ONEROSTER_TO_BE_DELETED},
    {"users", "status", "inactive", true, false, false, 0}, /* of 1.0 */
    {"results", "scoreStatus", "fully graded", true, true, false, 2},
    /* dates */
    {"enrollments", "beginDate", "2026-08-17", false, true, false, 0},
    {"enrollments", "beginDate", "2028-02-29", false, true, false, 0},
    {"enrollments", "beginDate", "2000-02-29", false, true, false, 0},
    {"enrollments", "beginDate", "2027-02-29", false, false, false, 0},
    {"enrollments", "beginDate", "1900-02-29", false, false, false, 0},
    {"enrollments", "beginDate", "2026-04-31", false, false, false, 0},
    {"enrollments", "beginDate", "2026-00-10", false, false, false, 0},
    {"enrollments", "beginDate", "2026-13-10", false, false, false, 0},
    {"enrollments", "beginDate", "2026-10-00", false, false, false, 0},
    {"enrollments", "beginDate", "0000-01-01", false, false, false, 0},
    {"enrollments", "beginDate", "17/08/2026", false, false, false, 0},
    {"enrollments", "beginDate", "2026-8-17", false, false, false, 0},
    {"enrollments", "beginDate", "2026-08-17 ", false, false, false, 0},
    {"enrollments", "beginDate", "2026-08", false, false, false, 0},
    /* times */
    {"orgs", "dateLastModified", "2026-08-17T08:00:00.000Z", true, true, false, 0},
    {"orgs", "dateLastModified", "2026-08-17T08:00:00Z", true, true, false, 0},
    {"orgs", "dateLastModified", "2026-12-31T23:59:60Z", true, true, false, 0},
    {"orgs", "dateLastModified", "2026-08-17T24:00:00Z", true, false, false, 0},
    {"orgs", "dateLastModified", "2026-08-17T08:60:00Z", true, false, false, 0},
    {"orgs", "dateLastModified", "2026-02-30T08:00:00Z", true, false, false, 0},
    {"orgs", "dateLastModified", "2026-08-17T08:00:00.00Z", true, false, false, 0},
    {"orgs", "dateLastModified", "2026-08-17T08:00:00,000Z", true, false, false, 0},
    {"orgs", "dateLastModified", "2026-08-17T08:00:00+02:00", true, false, false, 0},
    {"orgs", "dateLastModified", "2026-08-17", true, false, false, 0},
    {"orgs", "dateLastModified", "", true, false, true, 0},
    /* booleans, years, numbers */
    {"users", "enabledUser", "true", true, true, false, 1},
    {"users", "enabledUser", "false", true, true, false, 0},
    {"users", "enabledUser", "TRUE", true, false, false, 0},
    {"users", "enabledUser", "1", true, false, false, 0},
    {"academicSessions", "schoolYear", "2027", true, true, false, 2027},
    {"academicSessions", "schoolYear", "0999", true, false, false, 999},
    {"academicSessions", "schoolYear", "20270", true, false, false, 2027},
    {"academicSessions", "schoolYear", "MMXX", true, false, false, -1},
    {"lineItems", "resultValueMax", "100.0", true, true, false, 0},
    {"lineItems", "resultValueMax", "-.5", true, true, false, 0},
    {"lineItems", "resultValueMax", "1e5", true, false, false, 0},
    {"lineItems", "resultValueMax", ".", true, false, false, 0},
    {"lineItems", "resultValueMax", "nan", true, false, false, 0},
    /* texts and the password, which nobody looks at */
    {"users", "givenName", "Zo\xC3\xAB", true, true, false, 0},
    {"users", "givenName", "", true, false, true, 0},
    {"users", "password", "secret", false, true, true, 0},
};

static void test_cells(void **state) {
    (void)state;
    for (size_t i = 0; i < ROWS(cell_cases); i++) {
        const cell_case *k = &cell_cases[i];
        bell_oneroster_value v;
        char err[BELL_ONEROSTER_ERROR_BYTES] = "";

        bool ok = bell_oneroster_read_cell(column(k->file, k->column), k->required, bell_str_of(k->cell), &v, err, sizeof(err));
        if (ok != k->ok || v.empty != k->empty || (ok && v.number != k->number) || (err[0] == '\0') != ok) {
            fail_msg("%s.%s \"%s\": ok %d, empty %d, number %d, \"%s\"", k->file, k->column, k->cell, ok, v.empty, v.number, err);
        }
    }
}

static void test_lengths(void **state) {
    static char long_text[BELL_ONEROSTER_LIST_BYTES + 1];
    char err[BELL_ONEROSTER_ERROR_BYTES];
    bell_oneroster_value v;

    (void)state;
    memset(long_text, 'a', sizeof(long_text));
    const bell_oneroster_column *id = column("orgs", "sourcedId"), *name = column("orgs", "name"), *list = column("classes", "grades");
    assert_true(bell_oneroster_read_cell(id, true, (bell_str){long_text, 255}, &v, err, sizeof(err)));
    assert_false(bell_oneroster_read_cell(id, true, (bell_str){long_text, 256}, &v, err, sizeof(err)));
    assert_true(bell_oneroster_read_cell(name, true, (bell_str){long_text, BELL_ONEROSTER_TEXT_BYTES}, &v, err, sizeof(err)));
    assert_false(bell_oneroster_read_cell(name, true, (bell_str){long_text, BELL_ONEROSTER_TEXT_BYTES + 1}, &v, err, sizeof(err)));
    assert_true(bell_oneroster_read_cell(list, true, (bell_str){long_text, BELL_ONEROSTER_LIST_BYTES}, &v, err, sizeof(err)));
    assert_false(bell_oneroster_read_cell(list, true, (bell_str){long_text, BELL_ONEROSTER_LIST_BYTES + 1}, &v, err, sizeof(err)));
}

/* A sentence shows what was found, short and in one line, but nothing of a person. */
static void test_what_sentences_show(void **state) {
    char err[BELL_ONEROSTER_ERROR_BYTES];
    bell_oneroster_value v;

    (void)state;
    assert_false(bell_oneroster_read_cell(column("orgs", "type"), true, BELL_STR("School"), &v, err, sizeof(err)));
    assert_string_equal(err, "type must be one of department, school, district, local, state, national; found \"School\"");
    assert_false(bell_oneroster_read_cell(column("users", "sourcedId"), true, BELL_STR("Mary Smith"), &v, err, sizeof(err)));
    assert_null(strstr(err, "Mary"));
    assert_false(bell_oneroster_read_cell(column("enrollments", "userSourcedId"), true, BELL_STR("Mary Smith"), &v, err, sizeof(err)));
    assert_null(strstr(err, "Mary"));
    assert_false(bell_oneroster_read_cell(column("demographics", "birthDate"), true, BELL_STR("2010-13-01"), &v, err, sizeof(err)));
    assert_null(strstr(err, "2010"));
    assert_false(bell_oneroster_read_cell(column("orgs", "sourcedId"), true, BELL_STR("a\tb\x7F"), &v, err, sizeof(err)));
    assert_non_null(strstr(err, "found \"a?b?\""));
    /* 39 letters and a character of two bytes across the limit */
    assert_false(bell_oneroster_read_cell(column("orgs", "sourcedId"), true, BELL_STR("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\xC3\xA9zz"), &v, err,
                                          sizeof(err)));
    assert_non_null(strstr(err, "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...\""));
    assert_true(bell_str_is_utf8(bell_str_of(err)));
}

static void test_items(void **state) {
    static const struct {
        const char *cell, *items; /* with '|' between */
    } cases[] = {
        {"", ""},
        {"a", "a"},
        {"a,b", "a|b"},
        {" a , b ", "a|b"},
        {",,a,,", "a"},
        {"{SIS:1},{LDAP:a,b}", "{SIS:1}|{LDAP:a,b}"},
        {"{open,a", "{open,a"},
        {"a},b", "a}|b"},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(cases); i++) {
        bell_str rest = bell_str_of(cases[i].cell), item;
        char joined[64] = "";

        while (bell_oneroster_next_item(&rest, &item)) {
            size_t used = strlen(joined);
            snprintf(joined + used, sizeof(joined) - used, "%s%.*s", used > 0 ? "|" : "", BELL_STR_ARG(item));
        }
        assert_string_equal(joined, cases[i].items);
    }
}

static void test_headers(void **state) {
    static const struct {
        const char *file, *header;
        const char *sentence; /* a part of it; NULL: accepted */
        const char *left_out;
    } cases[] = {
        {"orgs", "sourcedId|status|dateLastModified|name|type|identifier|parentSourcedId", NULL, NULL},
        {"orgs", "sourcedId|status|dateLastModified|name|type|identifier|parentSourcedId|metadata.a|metadata.b", NULL, NULL},
        {"orgs", "sourcedId|status|dateLastModified|name|type|parentSourcedId", NULL, "identifier"},
        {"orgs", "sourcedId|status|dateLastModified|name|type", NULL, "identifier"},
        {"orgs", "sourcedId|status|dateLastModified|type|identifier|parentSourcedId", "the column name is missing", NULL},
        {"orgs", "sourcedId|dateLastModified|name|type|identifier|parentSourcedId", "the column status is missing", NULL},
        {"orgs", "sourcedId|status|dateLastModified|type|name|identifier|parentSourcedId", "name stands too far right (column 5)", NULL},
        {"orgs", "sourcedId|status|dateLastModified|name|name|type", "name is there twice: it is column 4 and column 5", NULL},
        {"orgs", "sourcedId|status|dateLastModified|name|type|metadata.a|identifier", "identifier stands too far right (column 7)", NULL},
        {"orgs", "sourcedId|status|dateLastModified|name|type|metadata.a|metadata.a", "metadata.a is there twice", NULL},
        {"orgs", "sourcedId|status|dateLastModified|name|type|metadata.", "which orgs.csv of OneRoster 1.1 does not have", NULL},
        {"orgs", "sourcedId|status|dateLastModified|name|type|colour", "column 6 is named \"colour\"", NULL},
        {"orgs", "SourcedId|status|dateLastModified|name|type", "write \"sourcedId\"", NULL},
        {"orgs", "", "the column sourcedId is missing", NULL},
        {"users", "sourcedId|status|dateLastModified|enabledUser|username", "the column orgSourcedIds is missing", NULL}, /* 1.2's */
    };

    (void)state;
    for (size_t i = 0; i < ROWS(cases); i++) {
        const bell_oneroster_file *f = bell_oneroster_find(bell_str_of(cases[i].file));
        bell_oneroster_header h;
        bell_str names[32];
        char err[BELL_ONEROSTER_ERROR_BYTES] = "";
        size_t n = cells(cases[i].header, names);

        bool ok = bell_oneroster_read_header(f, names, n, &h, err, sizeof(err));
        if (ok != (cases[i].sentence == NULL) || (!ok && strstr(err, cases[i].sentence) == NULL)) {
            fail_msg("%s: %d, \"%s\"", cases[i].header, ok, err);
        }
        if (ok) {
            assert_int_equal(n, h.ncells);
            assert_true((h.left_out == NULL) == (cases[i].left_out == NULL));
            assert_true(h.left_out == NULL || strcmp(h.left_out, cases[i].left_out) == 0);
        }
    }
}

static void test_where_cells_stand(void **state) {
    const bell_oneroster_file *f = bell_oneroster_find(BELL_STR("orgs"));
    bell_oneroster_header h;
    bell_str names[32];
    char err[BELL_ONEROSTER_ERROR_BYTES];
    static const int expected[] = {0, 1, 2, 3, 4, -1, 5};

    (void)state;
    size_t n = cells("sourcedId|status|dateLastModified|name|type|parentSourcedId|metadata.x", names);
    assert_true(bell_oneroster_read_header(f, names, n, &h, err, sizeof(err)));
    for (size_t i = 0; i < ROWS(expected); i++) {
        assert_int_equal(expected[i], h.cell_of[i]);
    }
    assert_int_equal(7, h.ncells);
}

/* ---- the manifest ---- */

#define VERSIONS "propertyName|value\nmanifest.version|1.0\noneroster.version|1.1\n"
#define FILES_BUT_USERS                                                                                                                              \
    "file.academicSessions|bulk\nfile.categories|absent\nfile.classes|bulk\nfile.classResources|absent\nfile.courses|bulk\n"                         \
    "file.courseResources|absent\nfile.demographics|absent\nfile.enrollments|delta\nfile.lineItems|absent\nfile.orgs|bulk\n"                         \
    "file.resources|absent\nfile.results|absent\n"

static bool read_manifest(const char *text, bell_oneroster_manifest *m, uint64_t *line, char *err, size_t err_len) {
    bell_str rest = bell_str_of(text), row[32];

    memset(m, 0, sizeof(*m));
    *line = 0;
    while (rest.len > 0) {
        bell_str one = bell_str_cut(&rest, '\n');
        char copy[256];
        snprintf(copy, sizeof(copy), "%.*s", BELL_STR_ARG(one));
        ++*line;
        if (!bell_oneroster_manifest_row(m, *line, row, cells(copy, row), err, err_len)) {
            return false;
        }
    }
    return bell_oneroster_manifest_end(m, line, err, err_len);
}

static void test_manifests(void **state) {
    static const struct {
        const char *text, *sentence;
        uint64_t line;
    } cases[] = {
        {VERSIONS FILES_BUT_USERS "file.users|bulk\n", NULL, 0},
        {VERSIONS FILES_BUT_USERS "file.users|absent\nsource.systemName|SIS\nsource.systemCode|1\n", NULL, 0},
        {VERSIONS FILES_BUT_USERS, "file.users is missing", 0},
        {VERSIONS FILES_BUT_USERS "file.users|full\n", "must be absent, bulk or delta; found \"full\"", 16},
        {VERSIONS FILES_BUT_USERS "file.users|bulk\nfile.users|bulk\n", "file.users is there twice", 17},
        {VERSIONS FILES_BUT_USERS "file.users|bulk\nfile.roles|bulk\n", "\"file.roles\" is not a property", 17},
        {VERSIONS FILES_BUT_USERS "file.users|bulk\ncolour|red\n", "\"colour\" is not a property", 17},
        {VERSIONS FILES_BUT_USERS "file.users|bulk\nsource.systemName|a\nsource.systemName|b\n", "source.systemName is there twice", 18},
        {VERSIONS "manifest.version|1.0\n", "manifest.version is there twice", 4},
        {"propertyName|value\nmanifest.version|1.0\noneroster.version|1.2\n",
         "oneroster.version is \"1.2\"; this version of Firstbell reads OneRoster 1.1", 3},
        /* Another version explains more than the files it adds. */
        {"propertyName|value\nfile.roles|bulk\nmanifest.version|1.0\noneroster.version|1.2\n", "oneroster.version is \"1.2\"", 4},
        {"propertyName|value\nmanifest.version|2.0\n", "manifest.version is \"2.0\"", 2},
        {"propertyName|value\nmanifest.version|1.0\n", "oneroster.version is missing", 0},
        {"propertyName|value\noneroster.version|1.1\n", "manifest.version is missing", 0},
        {"property|value\n", "the first row of the manifest must be propertyName,value", 1},
        {"propertyName|value|more\n", "this one has 3", 1},
        {"", "the manifest is empty", 0},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(cases); i++) {
        bell_oneroster_manifest m;
        char err[BELL_ONEROSTER_ERROR_BYTES] = "";
        uint64_t line;

        bool ok = read_manifest(cases[i].text, &m, &line, err, sizeof(err));
        if (ok != (cases[i].sentence == NULL) || (!ok && (strstr(err, cases[i].sentence) == NULL || line != cases[i].line))) {
            fail_msg("case %zu: %d, line %d, \"%s\"", i, ok, (int)line, err);
        }
    }
}

static void test_modes(void **state) {
    bell_oneroster_manifest m;
    char err[BELL_ONEROSTER_ERROR_BYTES];
    uint64_t line;

    (void)state;
    assert_true(read_manifest(VERSIONS FILES_BUT_USERS "file.users|bulk\n", &m, &line, err, sizeof(err)));
    assert_int_equal(BELL_ONEROSTER_BULK, m.modes[bell_oneroster_index(bell_oneroster_find(BELL_STR("users")))]);
    assert_int_equal(BELL_ONEROSTER_DELTA, m.modes[bell_oneroster_index(bell_oneroster_find(BELL_STR("enrollments")))]);
    assert_int_equal(BELL_ONEROSTER_ABSENT, m.modes[bell_oneroster_index(bell_oneroster_find(BELL_STR("results")))]);
    assert_string_equal("delta", bell_oneroster_mode_name(BELL_ONEROSTER_DELTA));
    assert_string_equal("school", bell_oneroster_word_of(column("orgs", "type")->words, 2));
    assert_string_equal("unknown", bell_oneroster_word_of(column("orgs", "type")->words, 99));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tables),
        cmocka_unit_test(test_cells),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_what_sentences_show),
        cmocka_unit_test(test_items),
        cmocka_unit_test(test_headers),
        cmocka_unit_test(test_where_cells_stand),
        cmocka_unit_test(test_manifests),
        cmocka_unit_test(test_modes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
