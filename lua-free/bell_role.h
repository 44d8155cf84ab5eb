/* Roles of people, by the number that stands in a session and in users.role: those of OneRoster 1.1 (section 3.4) in the order of its page, ours from
 * 20 on. What a role may do is the origin's route table to say. */
#ifndef BELL_ROLE_H
#define BELL_ROLE_H

#include "bell_str.h"

#pragma GCC visibility push(hidden)

/* "student", "teacher", "guardian", "school_admin", "district_admin", "operator"; "none" for a number that is no role of ours. */
const char *bell_role_name(uint32_t role);
/* Whether some role is called so. */
bool bell_role_is_name(bell_str name);

#pragma GCC visibility pop

#endif
