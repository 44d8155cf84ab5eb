/* The one rule of who sees a course: an active enrollment, as student or teacher, in an active class of it. Whoever is both is a student first. */
#ifndef FB_ENROLLED_SQL_H
#define FB_ENROLLED_SQL_H

/* $1 tenant, $2 user, `course` an expression; gives me(id, role, class_title) with one row or none. */
#define FB_ENROLLED_IN(course)                                                                                                                       \
    "WITH me AS (SELECT e.id, e.role, k.title AS class_title FROM enrollments e JOIN classes k ON k.tenant_id = $1 AND k.id = e.class_id "           \
    "WHERE e.tenant_id = $1 AND e.user_id = $2 AND k.course_id = " course " AND e.status = 1 AND k.status = 1 AND e.role IN (3, 4) "                 \
    "ORDER BY e.role, e.id LIMIT 1) "

#endif
