/* The shape of the district: how many students, classes and teachers each school has, and who sits where. All of it is a function of the options and
 * a school's number, so that schools are passed one after the other and none is kept. */
#ifndef LOAD_DISTRICT_SCHOOL_H
#define LOAD_DISTRICT_SCHOOL_H

#include <stdbool.h>
#include <stdint.h>

#include "load/district/options.h"

#define CLASS_SIZE          28
#define SUBJECTS            6
#define CLASSES_PER_TEACHER 5
#define GRADES_MAX          6

typedef enum { MIDDLE, ELEMENTARY, HIGH } school_type;

typedef struct {
    const char *name, *code;
    unsigned ngrades;
    const char *grades[GRADES_MAX];
    unsigned weight;
} school_shape;

typedef struct {
    const char *code, *title, *subject;
    bool fall_only;
} subject;

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

extern const school_shape shapes[];
extern const subject subjects[SUBJECTS];

school_type type_of(uint64_t number);
/* The schools in order: for (bool more = first_school(opt, &s); more; more = next_school(opt, &s)). */
bool first_school(const options *opt, school *s);
bool next_school(const options *opt, school *s);

/* A place among the grades of the school's shape. */
unsigned grade_of(const school *s, uint64_t student);
/* Of this subject and grade, some are in the demo class. */
bool has_demo(const school *s, unsigned subject_number, unsigned grade);
/* Those who take the demo class: the first of grade 07, instead of its ordinary science. */
uint64_t in_demo(const school *s);
uint64_t sections(const school *s, unsigned subject_number, unsigned grade);
/* Within blocks of as many students as there are sections each goes to another one, shifted by subject, so that classmates differ. */
uint64_t section_of(uint64_t student, uint64_t nsections, unsigned subject_number);

#endif
