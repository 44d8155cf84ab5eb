#include "load/district/school.h"

const school_shape shapes[] = {
    [MIDDLE] = {"Middle School", "MS", 3, {"06", "07", "08"}, 6},
    [ELEMENTARY] = {"Elementary School", "ES", 6, {"KG", "01", "02", "03", "04", "05"}, 5},
    [HIGH] = {"High School", "HS", 4, {"09", "10", "11", "12"}, 9},
};

/* Science first, so that the demo teacher is one of it. */
const subject subjects[SUBJECTS] = {
    {"sci", "Science", "Science", false},         {"ela", "English Language Arts", "English", false},
    {"mat", "Mathematics", "Mathematics", false}, {"soc", "Social Studies", "Social Studies", false},
    {"art", "Visual Art", "Art", false},          {"pe", "Physical Education", "Physical Education", true},
};

school_type type_of(uint64_t number) {
    static const school_type pattern[] = {MIDDLE, ELEMENTARY, HIGH, ELEMENTARY};

    return pattern[number % (sizeof(pattern) / sizeof(pattern[0]))];
}

bool has_demo(const school *s, unsigned subject_number, unsigned grade) {
    return s->number == 0 && subject_number == 0 && grade == 1;
}

static uint64_t in_grade(const school *s, unsigned grade) {
    return s->grade_first[grade + 1] - s->grade_first[grade];
}

uint64_t in_demo(const school *s) {
    uint64_t n = in_grade(s, 1);

    return n < CLASS_SIZE ? n : CLASS_SIZE;
}

static uint64_t in_sections(const school *s, unsigned subject_number, unsigned grade) {
    return in_grade(s, grade) - (has_demo(s, subject_number, grade) ? in_demo(s) : 0);
}

uint64_t sections(const school *s, unsigned subject_number, unsigned grade) {
    return (in_sections(s, subject_number, grade) + CLASS_SIZE - 1) / CLASS_SIZE;
}

uint64_t section_of(uint64_t student, uint64_t nsections, unsigned subject_number) {
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

bool first_school(const options *opt, school *s) {
    *s = (school){.number = 0};
    fill_school(opt, s);
    return true;
}

bool next_school(const options *opt, school *s) {
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

unsigned grade_of(const school *s, uint64_t student) {
    unsigned g = 0;

    while (student >= s->grade_first[g + 1]) {
        g++;
    }
    return g;
}
