/* How every answer names a person, and how they sign in. */
#ifndef FB_PERSON_H
#define FB_PERSON_H

#include "origin/server/job.h"

/* "id", "given_name", "family_name" and "username" from the four columns that begin at `col`. The object is the caller's. */
void fb_person_write(bell_json *j, const PGresult *r, int row, int col);

/* "signs_in_with": "password", "pictures" or "none", from a column with accounts.kind, 0 without an account. */
void fb_person_write_kind(bell_json *j, const PGresult *r, int row, int col);

#endif
