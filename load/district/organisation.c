#include "load/district/organisation.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const char *const school_names[] = {"Cedar Ridge",  "Lincoln",   "Riverside",    "Maple Grove", "Harriet Tubman", "Oak Hollow",
                                           "Cesar Chavez", "Northgate", "Willow Creek", "Mae Jemison", "Prairie View",   "Sunset"};

/* ---- manifest, orgs, sessions ---- */

void write_manifest(writer *w) {
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

void write_orgs(writer *w) {
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

void write_sessions(writer *w) {
    begin_file(w, "academicSessions", "sourcedId,status,dateLastModified,title,type,startDate,endDate,parentSourcedId,schoolYear");
    row(w, "year-2027,,,2026-2027,schoolYear,2026-08-17,2027-06-11,,2027");
    row(w, "fall-2026,,,Fall 2026,semester,2026-08-17,%s,year-2027,2027", w->opt->broken == BAD_DATE ? "2027-02-29" : "2027-01-15");
    row(w, "spring-2027,,,Spring 2027,semester,2027-01-19,2027-06-11,year-2027,2027");
    end_file(w);
}

void write_bomb(writer *w) {
    char block[4096];

    begin_file(w, "orgs", "sourcedId,status,dateLastModified,name,type,identifier,parentSourcedId");
    memset(block, '\n', sizeof(block)); /* blank lines are no rows: only the size is wrong */
    for (int i = 0; i < 16384; i++) {
        raw(w, block, sizeof(block));
    }
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

void write_courses(writer *w) {
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

void class_id(const school *s, unsigned subject_number, unsigned grade, uint64_t section, char out[64]) {
    snprintf(out, 64, "class-%" PRIu64 "-%s-%s-%" PRIu64, s->number + 1, shapes[s->type].grades[grade], subjects[subject_number].code, section + 1);
}

void each_class(writer *w, const school *s, class_fn fn) {
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

void write_classes(writer *w) {
    school s;

    begin_file(w, "classes",
               "sourcedId,status,dateLastModified,title,grades,courseSourcedId,classCode,classType,location,schoolSourcedId,termSourcedIds,subjects,"
               "subjectCodes,periods");
    for (bool more = first_school(w->opt, &s); more; more = next_school(w->opt, &s)) {
        each_class(w, &s, write_class);
    }
    end_file(w);
}
