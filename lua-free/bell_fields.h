/* Fields of a message (RFC 9110, section 5), handed over by whoever has them: a server's lists, a stored block (bell_stored_fields.h), a table. */
#ifndef BELL_FIELDS_H
#define BELL_FIELDS_H

#include "bell_str.h"

#pragma GCC visibility push(hidden)

/* By name. */
typedef struct {
    /* The nth (from 0) line of that name, compared without case, with its value trimmed; false when there is none. */
    bool (*field)(void *data, bell_str name, unsigned nth, bell_str *value);
    void *data;
} bell_fields;

/* All of them, in their order. */
typedef struct {
    /* The line numbered i; false when there are no more. Asked for 0, 1, 2 and so on, more than once. */
    bool (*at)(void *data, unsigned i, bell_str *name, bell_str *value);
    void *data;
} bell_field_list;

/* A token (5.6.2), which a name must be. */
bool bell_field_is_token(bell_str s);
/* What a line may have as its value (5.5): no CR, LF or NUL, which would begin something else. */
bool bell_field_is_value(bell_str s);

/* The next element of a list (5.6.1), trimmed; empty ones are passed over; false at the end. A comma in a quoted string (5.6.4) divides nothing; a
 * quoted string without its end reaches to the end of the list. */
bool bell_field_next(bell_str *list, bell_str *element);
/* Whether a name stands in a list of names, compared without case. */
bool bell_field_is_named(bell_str list, bell_str name);

/* An element "name" or "name;q=0.5" (12.4.2), with the weight in thousandths; false: it is neither, or has other parameters. */
bool bell_field_weight(bell_str element, bell_str *name, unsigned *weight_milli);

#pragma GCC visibility pop

#endif
