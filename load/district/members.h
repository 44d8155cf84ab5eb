/* Who is in the district: users and enrollments. */
#ifndef LOAD_DISTRICT_MEMBERS_H
#define LOAD_DISTRICT_MEMBERS_H

#include "load/district/zip.h"

void write_users(writer *w);
void write_enrollments(writer *w);

#endif
