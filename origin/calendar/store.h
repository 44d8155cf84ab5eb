/* The calendar of a district in PostgreSQL (0018_calendar.sql), within a transaction of that district. What fails has written a sentence to standard
 * error. */
#ifndef FB_CALENDAR_STORE_H
#define FB_CALENDAR_STORE_H

#include "origin/calendar/expand.h"
#include "origin/db/pg.h"

#define FB_CALENDAR_OCCURRENCES_MAX 200000 /* of a district, in all */

typedef struct {
    PGconn *c;
    int32_t tenant_id;
    char tenant[16]; /* the same as text, for parameters */
    const char *name;
    icaltimezone *zone; /* the district's; it is also libical's */
    char zone_name[64];
} fb_calendar_tenant;

/* Connects as fb_operator, begins the transaction and reads the zone; one at a time changes a calendar (`lock`). false: a sentence has been written.
 */
bool fb_calendar_begin(const fb_settings *s, const char *command, const char *name, bool lock, fb_calendar_tenant *t)
    __attribute__((warn_unused_result));
/* COMMIT, which wakes `firstbell jobs`. */
bool fb_calendar_commit(const fb_calendar_tenant *t) __attribute__((warn_unused_result));
void fb_calendar_close(fb_calendar_tenant *t);

typedef enum { FB_CALENDAR_FROM_FILE = 1, FB_CALENDAR_FROM_ROSTER = 2 } fb_calendar_source;
typedef enum { FB_CALENDAR_ADDED, FB_CALENDAR_UPDATED, FB_CALENDAR_UNCHANGED, FB_CALENDAR_FAILED } fb_calendar_put;

/* Puts an event; its id, as text, goes into id. */
fb_calendar_put fb_calendar_put_event(const fb_calendar_tenant *t, fb_calendar_source source, const fb_calendar_event *e, const char *ics,
                                      char id[24]) __attribute__((warn_unused_result));

/* Its occurrences are these, of those that are not over at from_s; laid out until to_s. */
bool fb_calendar_put_spans(const fb_calendar_tenant *t, const char *id, int64_t from_s, int64_t to_s, const fb_calendar_spans *spans)
    __attribute__((warn_unused_result));

/* How many events went. uid NULL: all of that source. -1: failed. */
long fb_calendar_drop_events(const fb_calendar_tenant *t, fb_calendar_source source, const char *uid) __attribute__((warn_unused_result));
/* Those of a source that are not among these UIDs. */
long fb_calendar_drop_others(const fb_calendar_tenant *t, fb_calendar_source source, const fb_calendar *c) __attribute__((warn_unused_result));

/* Whether a district has no more occurrences than it may. */
bool fb_calendar_has_room(const fb_calendar_tenant *t) __attribute__((warn_unused_result));

typedef enum { FB_CALENDAR_DID_IMPORT = 1, FB_CALENDAR_DID_ROSTER, FB_CALENDAR_DID_REMOVE, FB_CALENDAR_DID_SET } fb_calendar_deed;

typedef struct {
    fb_calendar_deed deed;
    bool refused;
    const char *subject;
    long added, updated, unchanged, removed, skipped, errors;
} fb_calendar_change;

/* The record of who did what. */
bool fb_calendar_record(const fb_calendar_tenant *t, const fb_calendar_change *change) __attribute__((warn_unused_result));

/* From when events are laid out, and until when. */
int64_t fb_calendar_from(int64_t now_s);
int64_t fb_calendar_to(int64_t now_s);

#endif
