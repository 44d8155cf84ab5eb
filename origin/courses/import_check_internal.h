/* What import_check.c and import_check_content.c share; nobody else includes it. */
#ifndef FB_COURSES_IMPORT_CHECK_INTERNAL_H
#define FB_COURSES_IMPORT_CHECK_INTERNAL_H

#include "origin/courses/import_check.h"

#define FB_COURSE_ASSET_MAX_BYTES 63

enum { FB_COURSE_VIDEO = 1, FB_COURSE_READING, FB_COURSE_QUIZ, FB_COURSE_ASSIGNMENT }; /* items.kind */

typedef struct {
    fb_course_tree *tree;
    fb_course_report report;
    void *arg;
    unsigned errors;
    json_t *seen_modules, *seen_lessons, *seen_assets; /* key → true */
    json_t *seen_items;                                /* key → {"kind":N,"requires":[KEY…],"mark":0|1|2} */
    char path[400];                                    /* where in the file the check is */
} fb_course_checker;

/* Reports a sentence about the place c->path. */
void fb_course_refuse(fb_course_checker *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Goes one step down in c->path; what it returns is given to fb_course_leave. */
size_t fb_course_enter(fb_course_checker *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void fb_course_leave(fb_course_checker *c, size_t len);

/* "an object", "a number", "nothing". */
const char *fb_course_kind_of(const json_t *v);
/* A member that must be text of 1 to `most` bytes without control characters. NULL: refused. */
const char *fb_course_text(fb_course_checker *c, const json_t *object, const char *name, size_t most);
/* A member that must be an array with `least` to `most` elements; NULL when it is absent and may be, or refused. */
json_t *fb_course_array(fb_course_checker *c, const json_t *object, const char *name, size_t least, size_t most);

/* The content of an item, at c->path of the item. */
void fb_course_content(fb_course_checker *c, int kind, json_t *content);

#endif
