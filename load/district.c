/* `district`: writes a deterministic district as a OneRoster 1.1 CSV zip. The same arguments give the same bytes, at any size in little memory:
 * every row is a function of the seed and its number.
 *
 *   district --schools N --students N --seed S --out FILE.zip [--broken KIND]
 *
 * The people are invented. The first school is a middle school; in it teacher.demo teaches the one class of course-demo, "Earth Science 7", to 28
 * students, student.demo among them. --broken makes one mistake of a kind in an otherwise whole district, for tests of whoever reads it. */
#include <archive.h>
#include <archive_entry.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bell_buf.h"

#define CLASS_SIZE          28
#define SUBJECTS            6
#define CLASSES_PER_TEACHER 5
#define GRADES_MAX          6
#define SEND_BYTES          65536
#define TIMESTAMP_S         1785542400 /* 2026-08-01T00:00:00Z, of every entry */

/* ---- options ---- */

typedef enum {
    WHOLE,
    MISSING_COLUMN,
    UNKNOWN_REFERENCE,
    DUPLICATE_SOURCEDID,
    BAD_ENUM,
    BAD_DATE,
    NUL_BYTE,
    INVALID_UTF8,
    LONG_FIELD,
    TRUNCATED_ZIP,
    ZIP_BOMB,
    MANIFEST_MISMATCH,
    BAD_QUOTE,
    WRONG_VERSION,
    IN_A_FOLDER,
    ORG_CIRCLE,
    KINDS
} kind;

static const char *const kind_names[KINDS] = {
    [WHOLE] = "none",
    [MISSING_COLUMN] = "missing-column",
    [UNKNOWN_REFERENCE] = "unknown-reference",
    [DUPLICATE_SOURCEDID] = "duplicate-sourcedid",
    [BAD_ENUM] = "bad-enum",
    [BAD_DATE] = "bad-date",
    [NUL_BYTE] = "nul-byte",
    [INVALID_UTF8] = "invalid-utf8",
    [LONG_FIELD] = "long-field",
    [TRUNCATED_ZIP] = "truncated-zip",
    [ZIP_BOMB] = "zip-bomb",
    [MANIFEST_MISMATCH] = "manifest-mismatch",
    [BAD_QUOTE] = "bad-quote",
    [WRONG_VERSION] = "wrong-version",
    [IN_A_FOLDER] = "in-a-folder",
    [ORG_CIRCLE] = "org-circle",
};

typedef struct {
    uint64_t schools, students, seed;
    const char *path;
    kind broken;
    uint64_t weights; /* of all schools together */
} options;

/* ---- numbers by chance ---- */

/* splitmix64's finalizer (Steele, Lea, Flood 2014): a number for each place, without a state to carry. */
static uint64_t mix(uint64_t x) {
    x += 0x9E3779B97F4A7C15;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
    return x ^ (x >> 31);
}

/* ---- people ---- */

typedef struct {
    const char *name, *login;
} a_name;

static const a_name given_names[] = {
    {"Amara", "amara"},     {"Mateo", "mateo"},         {"Zoë", "zoe"},
    {"Søren", "soren"},     {"Linh", "linh"},           {"José", "jose"},
    {"Aaliyah", "aaliyah"}, {"Noah", "noah"},           {"Emma", "emma"},
    {"Yusuf", "yusuf"},     {"Ines", "ines"},           {"Björn", "bjorn"},
    {"Wei", "wei"},         {"Priya", "priya"},         {"Kofi", "kofi"},
    {"Aoife", "aoife"},     {"Łukasz", "lukasz"},       {"Ana Sofía", "anasofia"},
    {"Hana", "hana"},       {"Omar", "omar"},           {"Tuấn", "tuan"},
    {"Chloé", "chloe"},     {"Dimitri", "dimitri"},     {"Fatima", "fatima"},
    {"Gabriel", "gabriel"}, {"Ximena", "ximena"},       {"Kai", "kai"},
    {"Leilani", "leilani"}, {"Marek", "marek"},         {"Nia", "nia"},
    {"Olivia", "olivia"},   {"Pelé", "pele"},           {"Quinn", "quinn"},
    {"Rania", "rania"},     {"Samuel", "samuel"},       {"Tomás", "tomas"},
    {"Uma", "uma"},         {"Valentina", "valentina"}, {"William", "william"},
    {"Xavier", "xavier"},   {"Yara", "yara"},           {"Žofie", "zofie"},
    {"Abel", "abel"},       {"Beatriz", "beatriz"},     {"Çağla", "cagla"},
    {"Dauda", "dauda"},     {"Eszter", "eszter"},       {"Finn", "finn"},
    {"Giulia", "giulia"},   {"Haruto", "haruto"},       {"Isla", "isla"},
    {"Jin-woo", "jinwoo"},  {"Katarzyna", "katarzyna"}, {"Luca", "luca"},
    {"Maya", "maya"},       {"Nasrin", "nasrin"},       {"Ólafur", "olafur"},
    {"Paulo", "paulo"},     {"Rosa", "rosa"},           {"Thandiwe", "thandiwe"},
};

static const a_name family_names[] = {
    {"Okafor", "okafor"},       {"García", "garcia"},
    {"Nguyễn", "nguyen"},       {"Smith", "smith"},
    {"O'Brien", "obrien"},      {"Müller", "muller"},
    {"de la Cruz", "delacruz"}, {"Kim", "kim"},
    {"Patel", "patel"},         {"Hernández", "hernandez"},
    {"Johansson", "johansson"}, {"Kowalski", "kowalski"},
    {"Chen", "chen"},           {"Al-Hassan", "alhassan"},
    {"Silva", "silva"},         {"Johnson", "johnson"},
    {"Dubois", "dubois"},       {"Yılmaz", "yilmaz"},
    {"Novák", "novak"},         {"Rossi", "rossi"},
    {"Tanaka", "tanaka"},       {"Begum", "begum"},
    {"Fernández", "fernandez"}, {"Ivanova", "ivanova"},
    {"King, Jr.", "king"},      {"Li", "li"},
    {"Mbeki", "mbeki"},         {"Nielsen", "nielsen"},
    {"Ortiz", "ortiz"},         {"Popescu", "popescu"},
    {"Quispe", "quispe"},       {"Ramírez", "ramirez"},
    {"Singh", "singh"},         {"Torres", "torres"},
    {"Umarov", "umarov"},       {"van den Berg", "vandenberg"},
    {"Williams", "williams"},   {"Xiong", "xiong"},
    {"Young", "young"},         {"Zapata", "zapata"},
    {"Abdi", "abdi"},           {"Brown", "brown"},
    {"Castillo", "castillo"},   {"Davis", "davis"},
    {"Erdoğan", "erdogan"},     {"Flores", "flores"},
    {"Gonzales", "gonzales"},   {"Haddad", "haddad"},
    {"Jones", "jones"},         {"Kaya", "kaya"},
    {"Lindqvist", "lindqvist"}, {"Moreau", "moreau"},
    {"Nakamura", "nakamura"},   {"Owusu", "owusu"},
    {"Pérez", "perez"},         {"Reyes", "reyes"},
    {"Sánchez", "sanchez"},     {"Tran", "tran"},
    {"Vargas", "vargas"},       {"Washington", "washington"},
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

typedef struct {
    a_name given, family;
} person;

static person a_person(uint64_t seed, uint64_t number) {
    uint64_t r = mix(seed * 0x100000001B3 + number);

    return (person){given_names[r % COUNT(given_names)], family_names[(r >> 32) % COUNT(family_names)]};
}

/* ---- the shape of the district ---- */

typedef enum { MIDDLE, ELEMENTARY, HIGH } school_type;

typedef struct {
    const char *name, *code;
    unsigned ngrades;
    const char *grades[GRADES_MAX];
    unsigned weight;
} school_shape;

static const school_shape shapes[] = {
    [MIDDLE] = {"Middle School", "MS", 3, {"06", "07", "08"}, 6},
    [ELEMENTARY] = {"Elementary School", "ES", 6, {"KG", "01", "02", "03", "04", "05"}, 5},
    [HIGH] = {"High School", "HS", 4, {"09", "10", "11", "12"}, 9},
};

static const char *const school_names[] = {"Cedar Ridge",  "Lincoln",   "Riverside",    "Maple Grove", "Harriet Tubman", "Oak Hollow",
                                           "Cesar Chavez", "Northgate", "Willow Creek", "Mae Jemison", "Prairie View",   "Sunset"};

typedef struct {
    const char *code, *title, *subject;
    bool fall_only;
} subject;

/* Science first, so that the demo teacher is one of it. */
static const subject subjects[SUBJECTS] = {
    {"sci", "Science", "Science", false},         {"ela", "English Language Arts", "English", false},
    {"mat", "Mathematics", "Mathematics", false}, {"soc", "Social Studies", "Social Studies", false},
    {"art", "Visual Art", "Art", false},          {"pe", "Physical Education", "Physical Education", true},
};

/* Students of a school are numbered 0 to students - 1, grade after grade; sections are formed of a grade. */
typedef struct {
    uint64_t number;
    school_type type;
    uint64_t first_student; /* in the district */
    uint64_t students;
    uint64_t grade_first[GRADES_MAX + 1];
    uint64_t classes, teachers;
    uint64_t first_teacher; /* in the district */
    uint64_t weights_before;
} school;

static school_type type_of(uint64_t number) {
    static const school_type pattern[] = {MIDDLE, ELEMENTARY, HIGH, ELEMENTARY};

    return pattern[number % COUNT(pattern)];
}

static bool has_demo(const school *s, unsigned subject_number, unsigned grade) {
    return s->number == 0 && subject_number == 0 && grade == 1;
}

static uint64_t in_grade(const school *s, unsigned grade) {
    return s->grade_first[grade + 1] - s->grade_first[grade];
}

/* Those who take the demo class: the first of grade 07, instead of its ordinary science. */
static uint64_t in_demo(const school *s) {
    uint64_t n = in_grade(s, 1);

    return n < CLASS_SIZE ? n : CLASS_SIZE;
}

static uint64_t in_sections(const school *s, unsigned subject_number, unsigned grade) {
    return in_grade(s, grade) - (has_demo(s, subject_number, grade) ? in_demo(s) : 0);
}

static uint64_t sections(const school *s, unsigned subject_number, unsigned grade) {
    return (in_sections(s, subject_number, grade) + CLASS_SIZE - 1) / CLASS_SIZE;
}

/* Within blocks of as many students as there are sections each goes to another one, shifted by subject, so that classmates differ. */
static uint64_t section_of(uint64_t student, uint64_t nsections, unsigned subject_number) {
    return (student % nsections + subject_number * (student / nsections)) % nsections;
}

static void share_grades(school *s) {
    unsigned n = shapes[s->type].ngrades;
    uint64_t held = s->number == 0 ? (s->students < CLASS_SIZE ? s->students : CLASS_SIZE) : 0; /* for the demo class */
    uint64_t rest = s->students - held, at = 0;

    for (unsigned g = 0; g < n; g++) {
        s->grade_first[g] = at;
        at += rest * (g + 1) / n - rest * g / n + (g == 1 ? held : 0);
    }
    s->grade_first[n] = s->students;
}

static void count_classes(school *s) {
    s->classes = s->number == 0;
    for (unsigned k = 0; k < SUBJECTS; k++) {
        for (unsigned g = 0; g < shapes[s->type].ngrades; g++) {
            s->classes += sections(s, k, g);
        }
    }
    s->teachers = (s->classes + CLASSES_PER_TEACHER - 1) / CLASSES_PER_TEACHER;
}

/* Those of the district that are shared out by weight; the rest is in the first school, for the demo class. */
static uint64_t first_extra(const options *opt) {
    return opt->students < CLASS_SIZE ? opt->students : CLASS_SIZE;
}

static void fill_school(const options *opt, school *s) {
    uint64_t shared = opt->students - first_extra(opt);

    s->type = type_of(s->number);
    uint64_t weights = s->weights_before + shapes[s->type].weight;
    s->students = shared * weights / opt->weights - shared * s->weights_before / opt->weights + (s->number == 0 ? first_extra(opt) : 0);
    share_grades(s);
    count_classes(s);
}

static bool first_school(const options *opt, school *s) {
    *s = (school){.number = 0};
    fill_school(opt, s);
    return true;
}

static bool next_school(const options *opt, school *s) {
    *s = (school){
        .number = s->number + 1,
        .first_student = s->first_student + s->students,
        .first_teacher = s->first_teacher + s->teachers,
        .weights_before = s->weights_before + shapes[s->type].weight,
    };
    if (s->number == opt->schools) {
        return false;
    }
    fill_school(opt, s);
    return true;
}

/* ---- the zip ---- */

typedef struct {
    const options *opt;
    struct archive *archive;
    bell_buf buf;
    uint64_t row; /* data rows of the file in hand */
} writer;

static void die(const char *what, const char *why) {
    fprintf(stderr, "district: %s: %s\n", what, why);
    exit(1);
}

static void flush(writer *w) {
    if (w->buf.failed || archive_write_data(w->archive, w->buf.p, w->buf.len) != (la_ssize_t)w->buf.len) {
        die(w->opt->path, w->buf.failed ? "out of memory" : archive_error_string(w->archive));
    }
    bell_buf_reset(&w->buf);
}

static void begin_file(writer *w, const char *name, const char *header) {
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

/* One row, CSV already but for its end. */
static void row(writer *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void row(writer *w, const char *fmt, ...) {
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

static void end_file(writer *w) {
    flush(w);
    if (archive_write_finish_entry(w->archive) != ARCHIVE_OK) {
        die(w->opt->path, archive_error_string(w->archive));
    }
}

/* A name as a cell: quoted where it holds a comma. */
static const char *cell(const char *name, char out[64]) {
    snprintf(out, 64, strchr(name, ',') != NULL ? "\"%s\"" : "%s", name);
    return out;
}

static bool breaks(const writer *w, kind k, uint64_t at) {
    return w->opt->broken == k && w->row == at;
}

/* ---- manifest, orgs, sessions ---- */

static void write_manifest(writer *w) {
    static const char *const files[] = {"academicSessions", "categories",   "classes",     "classResources", "courses",
                                        "courseResources",  "demographics", "enrollments", "lineItems",      "orgs",
                                        "resources",        "results",      "users"};
    static const char written[] = " academicSessions classes courses enrollments orgs users ";
    char key[32];

    begin_file(w, "manifest", "propertyName,value");
    row(w, "manifest.version,1.0");
    row(w, "oneroster.version,%s", w->opt->broken == WRONG_VERSION ? "1.2" : "1.1");
    for (size_t i = 0; i < COUNT(files); i++) {
        snprintf(key, sizeof(key), " %s ", files[i]);
        bool bulk = strstr(written, key) != NULL || (w->opt->broken == MANIFEST_MISMATCH && strcmp(files[i], "demographics") == 0);
        row(w, "file.%s,%s", files[i], bulk ? "bulk" : "absent");
    }
    row(w, "source.systemName,Firstbell district");
    row(w, "source.systemCode,%" PRIu64, w->opt->seed);
    end_file(w);
}

static void write_orgs(writer *w) {
    school s;

    begin_file(w, "orgs", "sourcedId,status,dateLastModified,name,type,identifier,parentSourcedId");
    row(w, "district,,,Northfield Unified School District,district,%06" PRIu64 ",%s", w->opt->seed % 1000000,
        w->opt->broken == ORG_CIRCLE ? "school-1" : "");
    for (bool more = first_school(w->opt, &s); more; more = next_school(w->opt, &s)) {
        uint64_t again = s.number / COUNT(school_names);
        char ordinal[24] = "";
        if (again > 0) {
            snprintf(ordinal, sizeof(ordinal), " %" PRIu64, again + 1);
        }
        row(w, "school-%" PRIu64 ",,,%s %s%s,%s,%06" PRIu64 ",district", s.number + 1, school_names[s.number % COUNT(school_names)],
            shapes[s.type].name, ordinal, breaks(w, BAD_ENUM, 2) ? "School" : "school", 100000 + s.number);
    }
    end_file(w);
}

static void write_sessions(writer *w) {
    begin_file(w, "academicSessions", "sourcedId,status,dateLastModified,title,type,startDate,endDate,parentSourcedId,schoolYear");
    row(w, "year-2027,,,2026-2027,schoolYear,2026-08-17,2027-06-11,,2027");
    row(w, "fall-2026,,,Fall 2026,semester,2026-08-17,%s,year-2027,2027", w->opt->broken == BAD_DATE ? "2027-02-29" : "2027-01-15");
    row(w, "spring-2027,,,Spring 2027,semester,2027-01-19,2027-06-11,year-2027,2027");
    end_file(w);
}

/* ---- courses and classes ---- */

static void course_title(const char *grade, const char *subject_title, char out[64]) {
    if (strcmp(grade, "KG") == 0) {
        snprintf(out, 64, "Kindergarten %s", subject_title);
    } else {
        snprintf(out, 64, "%s %d", subject_title, atoi(grade));
    }
}

static void write_courses(writer *w) {
    bool drop = w->opt->broken == MISSING_COLUMN;
    char title[64];

    begin_file(w, "courses",
               drop ? "sourcedId,status,dateLastModified,schoolYearSourcedId,courseCode,grades,orgSourcedId,subjects,subjectCodes"
                    : "sourcedId,status,dateLastModified,schoolYearSourcedId,title,courseCode,grades,orgSourcedId,subjects,subjectCodes");
    row(w, "course-demo,,,year-2027%s,SCI-07-E,07,district,Science,", drop ? "" : ",Earth Science 7");
    for (school_type t = MIDDLE; t <= HIGH; t++) {
        for (unsigned g = 0; g < shapes[t].ngrades; g++) {
            for (unsigned k = 0; k < SUBJECTS; k++) {
                const char *grade = shapes[t].grades[g];
                course_title(grade, subjects[k].title, title);
                row(w, "course-%s-%s,,,year-2027%s%s,%s-%s,%s,district,%s,", grade, subjects[k].code, drop ? "" : ",", drop ? "" : title,
                    subjects[k].code, grade, grade, subjects[k].subject);
            }
        }
    }
    end_file(w);
}

typedef struct {
    char id[64];
    uint64_t number; /* within the school: says who teaches it */
} a_class;

/* Calls once for each class of a school, in the order that gives teachers their subjects. */
typedef void (*class_fn)(writer *w, const school *s, const a_class *c, unsigned subject_number, unsigned grade, uint64_t section);

static void class_id(const school *s, unsigned subject_number, unsigned grade, uint64_t section, char out[64]) {
    snprintf(out, 64, "class-%" PRIu64 "-%s-%s-%" PRIu64, s->number + 1, shapes[s->type].grades[grade], subjects[subject_number].code, section + 1);
}

static void each_class(writer *w, const school *s, class_fn fn) {
    a_class c = {.number = 0};

    if (s->number == 0) {
        snprintf(c.id, sizeof(c.id), "class-demo");
        fn(w, s, &c, SUBJECTS, 1, 0);
        c.number++;
    }
    for (unsigned k = 0; k < SUBJECTS; k++) {
        for (unsigned g = 0; g < shapes[s->type].ngrades; g++) {
            for (uint64_t n = 0; n < sections(s, k, g); n++, c.number++) {
                class_id(s, k, g, n, c.id);
                fn(w, s, &c, k, g, n);
            }
        }
    }
}

static void write_class(writer *w, const school *s, const a_class *c, unsigned k, unsigned g, uint64_t section) {
    const char *grade = shapes[s->type].grades[g];
    bool demo = k == SUBJECTS;
    const subject *sub = &subjects[demo ? 0 : k];
    char title[64], course[64];
    bool unknown = breaks(w, UNKNOWN_REFERENCE, 4);

    course_title(grade, sub->title, title);
    snprintf(course, sizeof(course), demo ? "course-demo" : "course-%s-%s", grade, sub->code);
    row(w, "%s,,,\"%s, section %" PRIu64 "\",%s,%s,%s-%s-%s%" PRIu64 ",scheduled,Room %" PRIu64 ",school-%" PRIu64 ",%s,%s,,%" PRIu64, c->id,
        demo ? "Earth Science 7" : title, section + 1, grade, unknown ? "course-of-nobody" : course, sub->code, grade, demo ? "E" : "", section + 1,
        100 + c->number / CLASSES_PER_TEACHER, s->number + 1, sub->fall_only ? "fall-2026" : "\"fall-2026,spring-2027\"", sub->subject,
        c->number % CLASSES_PER_TEACHER + 1);
}

static void write_classes(writer *w) {
    school s;

    begin_file(w, "classes",
               "sourcedId,status,dateLastModified,title,grades,courseSourcedId,classCode,classType,location,schoolSourcedId,termSourcedIds,subjects,"
               "subjectCodes,periods");
    for (bool more = first_school(w->opt, &s); more; more = next_school(w->opt, &s)) {
        each_class(w, &s, write_class);
    }
    end_file(w);
}

/* ---- users ---- */

static unsigned grade_of(const school *s, uint64_t student) {
    unsigned g = 0;

    while (student >= s->grade_first[g + 1]) {
        g++;
    }
    return g;
}

/* The demo student is the first of the demo class. */
static bool is_demo_student(const school *s, uint64_t student) {
    return s->number == 0 && student == s->grade_first[1];
}

static bool has_guardian(uint64_t number) {
    return number % 3 == 0;
}

/* What one row of users.csv is broken by, if it is to be. */
static void break_user(writer *w, const char *id) {
    if (breaks(w, DUPLICATE_SOURCEDID, 20)) {
        row(w, "teacher-1,,,true,school-1,teacher,a.twin,,Twin,Teacher,,,,,,,,");
    } else if (breaks(w, INVALID_UTF8, 20)) {
        row(w, "%s-x,,,true,school-1,student,x.x,,\xC3\x28,Name,,,,,,,,", id);
    } else if (breaks(w, BAD_QUOTE, 20)) {
        row(w, "%s-x,,,true,school-1,student,x.x,,Quo\"te,Name,,,,,,,,", id);
    } else if (breaks(w, NUL_BYTE, 20)) {
        static const char with_nul[] = "student-x,,,true,school-1,student,x.\0x,,Nul,Name,,,,,,,,\r\n";
        bell_buf_add(&w->buf, with_nul, sizeof(with_nul) - 1);
        w->row++;
    } else if (breaks(w, LONG_FIELD, 20)) {
        bell_buf_add_z(&w->buf, "student-x,,,true,school-1,student,x.x,,");
        for (int i = 0; i < 2000000; i++) {
            bell_buf_add_char(&w->buf, (char)('a' + mix((uint64_t)i) % 26));
        }
        row(w, ",Name,,,,,,,,");
    }
}

static void write_student(writer *w, const school *s, uint64_t student) {
    uint64_t number = s->first_student + student;
    person p = a_person(w->opt->seed, number);
    const char *grade = shapes[s->type].grades[grade_of(s, student)];
    bool demo = is_demo_student(s, student);
    char login[64], agent[32] = "", given[64], family[64], id[32];

    snprintf(login, sizeof(login), "%.1s.%s%" PRIu64, p.given.login, p.family.login, number + 1);
    if (has_guardian(number)) {
        snprintf(agent, sizeof(agent), "guardian-%" PRIu64, number + 1);
    }
    snprintf(id, sizeof(id), "student-%" PRIu64, number + 1);
    break_user(w, id);
    row(w, "%s,,,true,school-%" PRIu64 ",student,%s,{SIS:%08" PRIu64 "},%s,%s,,%08" PRIu64 ",%s%s,,,%s,%s,", id, s->number + 1,
        demo ? "student.demo" : login, 10000000 + number, demo ? "Maya" : cell(p.given.name, given), demo ? "Okafor" : cell(p.family.name, family),
        10000000 + number,
        s->type == ELEMENTARY ? ""
        : demo                ? "student.demo"
                              : login,
        s->type == ELEMENTARY ? "" : "@northfield.example", agent, grade);
    if (has_guardian(number)) {
        p.given = a_person(w->opt->seed + 1, number).given;
        row(w, "%s,,,true,school-%" PRIu64 ",guardian,g.%s%" PRIu64 ",,%s,%s,,,%s%" PRIu64 "@mail.example,,+1 555 %03" PRIu64 " %04" PRIu64 ",%s,,",
            agent, s->number + 1, p.family.login, number + 1, cell(p.given.name, given), demo ? "Okafor" : cell(p.family.name, family),
            p.family.login, number + 1, number / 10000 % 1000, number % 10000, id);
    }
}

static void write_teacher(writer *w, const school *s, uint64_t teacher) {
    uint64_t number = s->first_teacher + teacher;
    person p = a_person(w->opt->seed + 2, number);
    bool demo = s->number == 0 && teacher == 0;
    char login[64], given[64], family[64];

    snprintf(login, sizeof(login), "%s.%s%" PRIu64, p.given.login, p.family.login, number + 1);
    row(w, "teacher-%" PRIu64 ",,,true,school-%" PRIu64 ",teacher,%s,,%s,%s,,T%06" PRIu64 ",%s@northfield.example,,,,,", number + 1, s->number + 1,
        demo ? "teacher.demo" : login, demo ? "Grace" : cell(p.given.name, given), demo ? "Lindqvist" : cell(p.family.name, family), number + 1,
        demo ? "teacher.demo" : login);
}

static void write_users(writer *w) {
    school s;

    begin_file(
        w, "users",
        "sourcedId,status,dateLastModified,enabledUser,orgSourcedIds,role,username,userIds,givenName,familyName,middleName,identifier,email,sms,"
        "phone,agentSourcedIds,grades,password");
    for (bool more = first_school(w->opt, &s); more; more = next_school(w->opt, &s)) {
        for (uint64_t i = 0; i < s.teachers; i++) {
            write_teacher(w, &s, i);
        }
        for (uint64_t i = 0; i < s.students; i++) {
            write_student(w, &s, i);
        }
    }
    end_file(w);
}

/* ---- enrollments ---- */

static void write_teaching(writer *w, const school *s, const a_class *c, unsigned k, unsigned g, uint64_t section) {
    (void)k;
    (void)g;
    (void)section;
    row(w, "enr-t-%s,,,%s,school-%" PRIu64 ",teacher-%" PRIu64 ",teacher,true,,", c->id + 6, c->id, s->number + 1,
        s->first_teacher + c->number / CLASSES_PER_TEACHER + 1);
}

static void write_learning(writer *w, const school *s, uint64_t student) {
    unsigned g = grade_of(s, student);
    uint64_t of_grade = student - s->grade_first[g];
    char id[64];

    for (unsigned k = 0; k < SUBJECTS; k++) {
        bool with_demo = has_demo(s, k, g);
        if (with_demo && of_grade < in_demo(s)) {
            snprintf(id, sizeof(id), "class-demo");
        } else {
            uint64_t at = with_demo ? of_grade - in_demo(s) : of_grade;
            class_id(s, k, g, section_of(at, sections(s, k, g), k), id);
        }
        row(w, "enr-%" PRIu64 "-%s,,,%s,school-%" PRIu64 ",student-%" PRIu64 ",student,,,", s->first_student + student + 1, subjects[k].code, id,
            s->number + 1, s->first_student + student + 1);
    }
}

static void write_enrollments(writer *w) {
    school s;

    begin_file(w, "enrollments", "sourcedId,status,dateLastModified,classSourcedId,schoolSourcedId,userSourcedId,role,primary,beginDate,endDate");
    for (bool more = first_school(w->opt, &s); more; more = next_school(w->opt, &s)) {
        each_class(w, &s, write_teaching);
        for (uint64_t i = 0; i < s.students; i++) {
            write_learning(w, &s, i);
        }
    }
    end_file(w);
}

/* ---- the whole ---- */

/* 64 MiB of line feeds, which deflate packs about a thousand times. */
static void write_bomb(writer *w) {
    char block[4096];

    begin_file(w, "orgs", "sourcedId,status,dateLastModified,name,type,identifier,parentSourcedId");
    memset(block, '\n', sizeof(block)); /* blank lines are no rows: only the size is wrong */
    for (int i = 0; i < 16384; i++) {
        bell_buf_add(&w->buf, block, sizeof(block));
        if (w->buf.len >= SEND_BYTES) {
            flush(w);
        }
    }
    end_file(w);
}

static void open_zip(writer *w) {
    w->archive = archive_write_new();
    bell_buf_init(&w->buf, 8 << 20);
    if (w->archive == NULL || archive_write_set_format_zip(w->archive) != ARCHIVE_OK ||
        archive_write_set_options(w->archive, "zip:compression=deflate") != ARCHIVE_OK ||
        archive_write_open_filename(w->archive, w->opt->path) != ARCHIVE_OK) {
        die(w->opt->path, w->archive != NULL ? archive_error_string(w->archive) : "out of memory");
    }
}

static void write_district(const options *opt) {
    writer w = {.opt = opt};

    open_zip(&w);
    write_manifest(&w);
    if (opt->broken == ZIP_BOMB) {
        write_bomb(&w);
    } else {
        write_orgs(&w);
    }
    write_sessions(&w);
    write_courses(&w);
    write_classes(&w);
    write_users(&w);
    write_enrollments(&w);
    bell_buf_fini(&w.buf);
    if (archive_write_close(w.archive) != ARCHIVE_OK) {
        die(opt->path, archive_error_string(w.archive));
    }
    archive_write_free(w.archive);
}

/* The last third is gone, and the list of contents with it. */
static void cut_off(const char *path) {
    FILE *f = fopen(path, "r+b");

    if (f == NULL || fseek(f, 0, SEEK_END) != 0) {
        die(path, "cannot be opened again");
    }
    long size = ftell(f);
    fclose(f);
    if (truncate(path, size / 3 * 2) != 0) {
        die(path, "cannot be cut off");
    }
}

static int usage(void) {
    fprintf(stderr, "usage: district --schools N --students N --seed S --out FILE.zip [--broken KIND]\nkinds:");
    for (int k = WHOLE + 1; k < KINDS; k++) {
        fprintf(stderr, " %s", kind_names[k]);
    }
    fprintf(stderr, "\n");
    return 2;
}

static bool read_number(const char *text, uint64_t min, uint64_t max, uint64_t *out) {
    return bell_str_to_u64(bell_str_of(text), max, out) && *out >= min;
}

static bool read_kind(const char *text, kind *out) {
    for (int k = WHOLE; k < KINDS; k++) {
        if (strcmp(text, kind_names[k]) == 0) {
            *out = (kind)k;
            return true;
        }
    }
    return false;
}

static bool read_options(int argc, char **argv, options *opt) {
    bool ok = true;

    for (int i = 1; ok && i < argc; i += 2) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--schools") == 0) {
            ok = read_number(value, 1, 100000, &opt->schools);
        } else if (strcmp(argv[i], "--students") == 0) {
            ok = read_number(value, 1, 100000000, &opt->students);
        } else if (strcmp(argv[i], "--seed") == 0) {
            ok = read_number(value, 0, UINT64_MAX, &opt->seed);
        } else if (strcmp(argv[i], "--out") == 0) {
            opt->path = value;
        } else {
            ok = strcmp(argv[i], "--broken") == 0 && read_kind(value, &opt->broken);
        }
        if (!ok) {
            fprintf(stderr, "district: %s \"%s\" is not understood\n", argv[i], value);
        }
    }
    return ok && opt->schools > 0 && opt->students > 0 && opt->path != NULL && opt->path[0] != '\0';
}

int main(int argc, char **argv) {
    options opt = {.seed = 1};

    if (!read_options(argc, argv, &opt)) {
        return usage();
    }
    for (uint64_t i = 0; i < opt.schools; i++) {
        opt.weights += shapes[type_of(i)].weight;
    }
    setenv("TZ", "UTC", 1); /* a zip holds local times */
    write_district(&opt);
    if (opt.broken == TRUNCATED_ZIP) {
        cut_off(opt.path);
    }
    return 0;
}
