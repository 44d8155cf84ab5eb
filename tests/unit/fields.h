/* Fields for tests and fuzz targets: a text with a line "Name: value" for each, given as bell_fields and bell_field_list. */
#ifndef FIELDS_H
#define FIELDS_H

#include "bell_fields.h"

/* `data` is the text, a bell_str. What has no colon is a name. */
static inline bool fields_at(void *data, unsigned i, bell_str *name, bell_str *value) {
    bell_str text = *(const bell_str *)data;

    while (text.len > 0) {
        bell_str line = bell_str_cut(&text, '\n');
        if (i-- == 0) {
            *name = bell_str_cut(&line, ':');
            *value = bell_str_trim(line);
            return true;
        }
    }
    return false;
}

static inline bool fields_field(void *data, bell_str name, unsigned nth, bell_str *value) {
    bell_str its_name;

    for (unsigned i = 0; fields_at(data, i, &its_name, value); i++) {
        if (bell_str_ieq(its_name, name) && nth-- == 0) {
            return true;
        }
    }
    return false;
}

static inline bell_fields fields_of(bell_str *text) {
    return (bell_fields){fields_field, text};
}

static inline bell_field_list fields_list(bell_str *text) {
    return (bell_field_list){fields_at, text};
}

#endif
