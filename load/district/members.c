#include "load/district/members.h"

#include <inttypes.h>
#include <stdio.h>

#include "load/district/organisation.h"
#include "load/district/people.h"
#include "load/district/school.h"

/* ---- users ---- */

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

void write_users(writer *w) {
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

void write_enrollments(writer *w) {
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
