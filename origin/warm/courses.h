/* What the courses of a district that most people will open consist of, as far as an edge keeps it: the files of their assets. */
#ifndef FB_WARM_COURSES_H
#define FB_WARM_COURSES_H

#include "origin/server/settings.h"
#include "origin/warm/urls.h"

/* Adds the files of the first `most` courses, those first in which most students have done something within two weeks, then those with most students.
 * Within the transaction of the tenant. *courses: how many there were. false: a sentence has been written. */
bool fb_warm_courses(PGconn *c, const fb_settings *s, int32_t tenant_id, long most, fb_warm_urls *u, int *courses)
    __attribute__((warn_unused_result));

#endif
