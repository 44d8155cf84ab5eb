/* What the district consists of before anybody is in it: the manifest, orgs, sessions, courses and classes. */
#ifndef LOAD_DISTRICT_ORGANISATION_H
#define LOAD_DISTRICT_ORGANISATION_H

#include "load/district/school.h"
#include "load/district/zip.h"

void write_manifest(writer *w);
void write_orgs(writer *w);
/* In place of the orgs: 64 MiB of line feeds, which deflate packs about a thousand times. */
void write_bomb(writer *w);
void write_sessions(writer *w);
void write_courses(writer *w);
void write_classes(writer *w);

typedef struct {
    char id[64];
    uint64_t number; /* within the school: says who teaches it */
} a_class;

/* Calls once for each class of a school, in the order that gives teachers their subjects. */
typedef void (*class_fn)(writer *w, const school *s, const a_class *c, unsigned subject_number, unsigned grade, uint64_t section);

void each_class(writer *w, const school *s, class_fn fn);
void class_id(const school *s, unsigned subject_number, unsigned grade, uint64_t section, char out[64]);

#endif
