/* When events take place: recurrences in a district's zone over the days on which its clocks are set, and what is refused of a file. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "origin/calendar/expand.h"

#define NOTES_BYTES 2000

static int64_t utc(const char *text) {
    struct tm tm = {0};
    const char *end = strptime(text, "%Y-%m-%dT%H:%MZ", &tm);
    assert_true(end && !*end);
    return (int64_t)timegm(&tm);
}

static void note(void *arg, unsigned line, bool is_mistake, const char *sentence) {
    char *notes = arg;
    size_t len = strlen(notes);
    snprintf(notes + len, NOTES_BYTES - len, "%s%u%s: %s", len > 0 ? "\n" : "", line, is_mistake ? "" : " (passed over)", sentence);
}

/* A calendar with these lines in its events, ended by line feeds. */
static char *calendar_of(const char *body) {
    char *file;
    assert_true(asprintf(&file, "BEGIN:VCALENDAR\nVERSION:2.0\n%sEND:VCALENDAR\n", body) > 0);
    return file;
}

/* The spans of the first event from 2026-08-01 to 2027-09-01, "2026-08-31T14:00Z+0" for each with its minutes, at most 2000 bytes. */
static void lay_out(const char *file, const char *zone, char out[NOTES_BYTES], bool *has_more) {
    char notes[NOTES_BYTES] = "", why[FB_CALENDAR_WHY_BYTES] = "";
    fb_calendar c;
    fb_calendar_spans spans;

    out[0] = '\0';
    if (!fb_calendar_read(&c, bell_str_of(file), fb_calendar_zone(zone), note, notes)) {
        fail_msg("%s", notes);
    }
    assert_true(c.nevents > 0);
    unsigned steps = FB_CALENDAR_STEPS_MAX;
    bool ok =
        fb_calendar_expand(c.root, &c.events[0], fb_calendar_zone(zone), utc("2026-08-01T00:00Z"), utc("2027-09-01T00:00Z"), &steps, &spans, why);
    for (size_t i = 0; ok && i < spans.n; i++) {
        time_t at = (time_t)spans.all[i].start_s;
        size_t len = strlen(out);
        strftime(out + len, NOTES_BYTES - len, len > 0 ? " %FT%RZ" : "%FT%RZ", gmtime(&at));
        len = strlen(out);
        snprintf(out + len, NOTES_BYTES - len, "+%lld", (long long)(spans.all[i].end_s - spans.all[i].start_s) / 60);
    }
    snprintf(out + strlen(out), NOTES_BYTES - strlen(out), "%s", ok ? "" : why);
    *has_more = spans.has_more;
    free(spans.all);
    fb_calendar_fini(&c);
}

#define BELL "BEGIN:VEVENT\nUID:b\nCATEGORIES:bell\n"
#define EXAM "BEGIN:VEVENT\nUID:e\nCATEGORIES:exam\n"
#define DUE  "BEGIN:VEVENT\nUID:d\nCATEGORIES:deadline\n"
#define END  "END:VEVENT\n"

/* Berlin's clocks are set on 2026-10-25 and 2027-03-28, New York's on 2026-11-01 and 2027-03-14, Apia's on none. */
static const struct {
    const char *what, *zone, *body, *spans;
    bool has_more;
} laid_out[] = {
    {"one time in UTC", "America/New_York", BELL "DTSTART:20260831T140000Z\n" END, "2026-08-31T14:00Z+0", false},
    {"without a zone it is the district's", "America/New_York", BELL "DTSTART:20260831T080000\n" END, "2026-08-31T12:00Z+0", false},
    {"a zone of the system's", "UTC", BELL "DTSTART;TZID=Europe/Berlin:20260831T080000\n" END, "2026-08-31T06:00Z+0", false},
    {"with an end", "UTC", EXAM "DTSTART:20260831T140000Z\nDTEND:20260831T153000Z\n" END, "2026-08-31T14:00Z+90", false},
    {"with a duration", "UTC", EXAM "DTSTART:20260831T140000Z\nDURATION:PT2H30M\n" END, "2026-08-31T14:00Z+150", false},
    {"a bell keeps its hour when clocks go back", "Europe/Berlin", BELL "DTSTART:20261023T080000\nRRULE:FREQ=DAILY;COUNT=4\n" END,
     "2026-10-23T06:00Z+0 2026-10-24T06:00Z+0 2026-10-25T07:00Z+0 2026-10-26T07:00Z+0", true},
    {"and when they go forward", "Europe/Berlin", BELL "DTSTART:20270327T080000\nRRULE:FREQ=DAILY;UNTIL=20270329T060000Z\n" END,
     "2027-03-27T07:00Z+0 2027-03-28T06:00Z+0 2027-03-29T06:00Z+0", false},
    {"weekdays, across the Atlantic", "America/New_York",
     BELL "DTSTART:20261029T081500\nRRULE:FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR;UNTIL=20261103T235959\n" END,
     "2026-10-29T12:15Z+0 2026-10-30T12:15Z+0 2026-11-02T13:15Z+0 2026-11-03T13:15Z+0", false},
    {"an hour that does not exist is that of before", "Europe/Berlin", BELL "DTSTART:20270327T023000\nRRULE:FREQ=DAILY;COUNT=3\n" END,
     "2027-03-27T01:30Z+0 2027-03-28T01:30Z+0 2027-03-29T00:30Z+0", true},
    {"an hour that is there twice is the first", "Europe/Berlin", BELL "DTSTART:20261024T023000\nRRULE:FREQ=DAILY;COUNT=3\n" END,
     "2026-10-24T00:30Z+0 2026-10-25T00:30Z+0 2026-10-26T01:30Z+0", true},
    {"the length of an exam is in hours", "Europe/Berlin", EXAM "DTSTART:20261025T010000\nDTEND:20261025T040000\n" END, "2026-10-24T23:00Z+240",
     false},
    {"the day on which clocks go back has 25 hours", "Europe/Berlin", DUE "DTSTART;VALUE=DATE:20261024\nRRULE:FREQ=DAILY;COUNT=3\n" END,
     "2026-10-23T22:00Z+1440 2026-10-24T22:00Z+1500 2026-10-25T23:00Z+1440", true},
    {"days are the district's", "Pacific/Apia", DUE "DTSTART;VALUE=DATE:20260901\nDTEND;VALUE=DATE:20260903\n" END, "2026-08-31T11:00Z+2880", false},
    {"EXDATE takes out", "Europe/Berlin",
     BELL "DTSTART;TZID=Europe/Berlin:20261023T080000\nRRULE:FREQ=DAILY;COUNT=4\nEXDATE;TZID=Europe/Berlin:20261024T080000,20261026T080000\n" END,
     "2026-10-23T06:00Z+0 2026-10-25T07:00Z+0", true},
    {"also in UTC", "Europe/Berlin", BELL "DTSTART:20261023T080000\nRRULE:FREQ=DAILY;COUNT=3\nEXDATE:20261025T070000Z\n" END,
     "2026-10-23T06:00Z+0 2026-10-24T06:00Z+0", true},
    {"also a whole day", "Europe/Berlin", BELL "DTSTART:20261023T080000\nRRULE:FREQ=DAILY;COUNT=3\nEXDATE;VALUE=DATE:20261024\n" END,
     "2026-10-23T06:00Z+0 2026-10-25T07:00Z+0", true},
    {"RDATE adds", "UTC", BELL "DTSTART:20260901T080000Z\nRDATE:20260903T080000Z,20260901T080000Z,20260902T093000Z\n" END,
     "2026-09-01T08:00Z+0 2026-09-02T09:30Z+0 2026-09-03T08:00Z+0", false},
    {"RDATE adds periods", "UTC", EXAM "DTSTART:20260901T080000Z\nRDATE;VALUE=PERIOD:20260903T080000Z/PT1H,20260904T080000Z/20260904T083000Z\n" END,
     "2026-09-01T08:00Z+0 2026-09-03T08:00Z+60 2026-09-04T08:00Z+30", false},
    {"a recurrence that is elsewhere, and one that is cancelled", "UTC",
     EXAM "DTSTART:20260901T080000Z\nDTEND:20260901T090000Z\nRRULE:FREQ=DAILY;COUNT=3\n" END EXAM
          "RECURRENCE-ID:20260902T080000Z\nDTSTART:20260902T100000Z\nDTEND:20260902T103000Z\n" END EXAM
          "RECURRENCE-ID:20260903T080000Z\nSTATUS:CANCELLED\nDTSTART:20260903T080000Z\n" END,
     "2026-09-01T08:00Z+60 2026-09-02T10:00Z+30", true},
    {"all of it is cancelled", "UTC", EXAM "STATUS:CANCELLED\nDTSTART:20260901T080000Z\nRRULE:FREQ=DAILY\n" END, "", false},
    {"it began long before, every other week", "UTC", BELL "DTSTART:20000103T080000Z\nRRULE:FREQ=WEEKLY;INTERVAL=2;UNTIL=20260820T000000Z\n" END,
     "2026-08-10T08:00Z+0", false},
    {"the last Friday of each month", "UTC", DUE "DTSTART:20260828T235900Z\nRRULE:FREQ=MONTHLY;BYDAY=-1FR;COUNT=3\n" END,
     "2026-08-28T23:59Z+0 2026-09-25T23:59Z+0 2026-10-30T23:59Z+0", true},
    {"a day that never comes", "UTC", BELL "DTSTART:20260901T080000Z\nRRULE:FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30\n" END, "2026-09-01T08:00Z+0", true},
    {"it is over", "UTC", BELL "DTSTART:20250901T080000Z\nRRULE:FREQ=DAILY;UNTIL=20250930T000000Z\n" END, "", false},
    {"it has begun and is not over", "UTC", EXAM "DTSTART:20260730T080000Z\nDTEND:20260802T080000Z\n" END, "2026-07-30T08:00Z+4320", false},
    {"it is too far ahead", "UTC", BELL "DTSTART:20280901T080000Z\n" END, "", true},
    {"too often", "UTC", BELL "DTSTART:20260901T000000Z\nRRULE:FREQ=DAILY;BYHOUR=0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23\n" END,
     "it takes place more than 4400 times within 400 days", true},
    {"a period that lasts for ages", "UTC", EXAM "DTSTART:20260901T080000Z\nRDATE;VALUE=PERIOD:20260903T080000Z/P99999999W\n" END,
     "a period of its RDATE ends before it begins, or lasts longer than 31 days", false},
    {"a zone that began in 1601, as Outlook has it", "UTC",
     "BEGIN:VTIMEZONE\nTZID:Eastern Standard Time\nBEGIN:STANDARD\nDTSTART:16011104T020000\nRRULE:FREQ=YEARLY;BYDAY=1SU;BYMONTH=11\n"
     "TZOFFSETFROM:-0400\nTZOFFSETTO:-0500\nEND:STANDARD\nBEGIN:DAYLIGHT\nDTSTART:16010311T020000\nRRULE:FREQ=YEARLY;BYDAY=2SU;BYMONTH=3\n"
     "TZOFFSETFROM:-0500\nTZOFFSETTO:-0400\nEND:DAYLIGHT\nEND:VTIMEZONE\n" BELL "DTSTART;TZID=Eastern Standard Time:20260831T080000\n" END,
     "2026-08-31T12:00Z+0", false},
    {"a zone that the file has, of an own name", "UTC",
     "BEGIN:VTIMEZONE\nTZID:School hours\nBEGIN:STANDARD\nDTSTART:19701101T020000\nRRULE:FREQ=YEARLY;BYMONTH=11;BYDAY=1SU\nTZOFFSETFROM:-0300\n"
     "TZOFFSETTO:-0400\nEND:STANDARD\nBEGIN:DAYLIGHT\nDTSTART:19700308T020000\nRRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=2SU\nTZOFFSETFROM:-0400\n"
     "TZOFFSETTO:-0300\nEND:DAYLIGHT\nEND:VTIMEZONE\n" BELL
     "DTSTART;TZID=School hours:20261031T080000\nRRULE:FREQ=DAILY;UNTIL=20261101T230000Z\n" END,
     "2026-10-31T11:00Z+0 2026-11-01T12:00Z+0", false},
    {"lines are folded, and letters small", "UTC", "begin:vevent\nuid:b\ncategories:lunch,\n  Bell\ndtstart:2026083\n\t1T140000Z\nend:vevent\n",
     "2026-08-31T14:00Z+0", false},
};

static void recurrences(void **state) {
    (void)state;
    for (size_t i = 0; i < ROWS(laid_out); i++) {
        char out[NOTES_BYTES], *file = calendar_of(laid_out[i].body);
        bool has_more;
        lay_out(file, laid_out[i].zone, out, &has_more);
        if (strcmp(out, laid_out[i].spans) != 0 || has_more != laid_out[i].has_more) {
            fail_msg("%s: %s%s", laid_out[i].what, out, has_more ? " and more" : "");
        }
        free(file);
    }
}

/* The same event, written as a file of its own and read again, takes place at the same times. */
static void written_and_read(void **state) {
    (void)state;
    for (size_t i = 0; i < ROWS(laid_out); i++) {
        char before[NOTES_BYTES], again[NOTES_BYTES], notes[NOTES_BYTES] = "", *file = calendar_of(laid_out[i].body);
        bool has_more;
        fb_calendar c;
        bell_buf out;
        assert_true(fb_calendar_read(&c, bell_str_of(file), fb_calendar_zone(laid_out[i].zone), note, notes));
        assert_true(fb_calendar_write_event(&c, &c.events[0], &out));
        bell_buf_add_char(&out, '\0');
        lay_out(file, laid_out[i].zone, before, &has_more);
        lay_out(out.p, laid_out[i].zone, again, &has_more);
        assert_string_equal(before, again);
        bell_buf_fini(&out);
        fb_calendar_fini(&c);
        free(file);
    }
}

/* What may be looked at is counted over all events of a file, also what is over long since. */
static void steps_are_bounded(void **state) {
    char *file = calendar_of(BELL "DTSTART:20000101T080000Z\nRRULE:FREQ=DAILY\n" END), notes[NOTES_BYTES] = "", why[FB_CALENDAR_WHY_BYTES] = "";
    unsigned steps = 30000; /* days since then: 9,709 before the span, and 396 of it */
    fb_calendar c;

    (void)state;
    assert_true(fb_calendar_read(&c, bell_str_of(file), fb_calendar_zone("UTC"), note, notes));
    for (int again = 0; again < 3; again++) {
        fb_calendar_spans spans;
        bool ok = fb_calendar_expand(c.root, &c.events[0], fb_calendar_zone("UTC"), utc("2026-08-01T00:00Z"), utc("2027-09-01T00:00Z"), &steps,
                                     &spans, why);
        assert_int_equal(ok, again < 2);
        assert_true(!ok || spans.n == 396);
        free(spans.all);
    }
    assert_string_equal(why, "this calendar has more recurrences, with those that are over, than can be looked at");
    assert_int_equal(steps, 0);
    fb_calendar_fini(&c);
    free(file);
}

static const struct {
    const char *what, *body, *notes;
} refused[] = {
    {"no event", "", "0: there is no event in it"},
    {"no UID", "BEGIN:VEVENT\nCATEGORIES:bell\nDTSTART:20260831T140000Z\n" END, "3: the event has no UID of 1 to 255 bytes, in one line"},
    {"no DTSTART", BELL END, "3: the event is wrong: it has no DTSTART"},
    {"no time", BELL "DTSTART:tomorrow\n" END, "3: the event is wrong: *"},
    {"no such day", BELL "DTSTART:20260231T140000Z\n" END, "3: the event is wrong: DTSTART is no time from 1970 to 2100"},
    {"no such year", BELL "DTSTART:99990101T140000Z\n" END, "3: the event is wrong: DTSTART is no time from 1970 to 2100"},
    {"no such zone", BELL "DTSTART;TZID=Mars/Utopia:20260831T140000\n" END,
     "3: the event is wrong: DTSTART has the time zone \"Mars/Utopia\", which is neither in the file nor known here"},
    {"a zone that is a path", BELL "DTSTART;TZID=../../../etc/passwd:20260831T140000\n" END,
     "3: the event is wrong: DTSTART has the time zone \"../../../etc/passwd\", which is neither in the file nor known here"},
    {"an end before the beginning", EXAM "DTSTART:20260831T140000Z\nDTEND:20260831T130000Z\n" END,
     "3: the event is wrong: it ends before it begins, or lasts longer than 31 days"},
    {"two months", EXAM "DTSTART:20260831T140000Z\nDURATION:P60D\n" END,
     "3: the event is wrong: it ends before it begins, or lasts longer than 31 days"},
    {"a day with an hour at its end", EXAM "DTSTART;VALUE=DATE:20260831\nDTEND:20260831T130000Z\n" END,
     "3: the event is wrong: one of DTSTART and DTEND is a day, and the other has an hour"},
    {"a bell all day", BELL "DTSTART;VALUE=DATE:20260831\n" END, "3: a bell has an hour, and this event is a day"},
    {"each minute", BELL "DTSTART:20260831T140000Z\nRRULE:FREQ=MINUTELY\n" END,
     "3: the event's RRULE is none that is followed: daily, weekly, monthly or yearly is expected"},
    {"a rule that is none", BELL "DTSTART:20260831T140000Z\nRRULE:FREQ=SOMETIMES\n" END, "3: the event is wrong: *"},
    {"two rules", BELL "DTSTART:20260831T140000Z\nRRULE:FREQ=DAILY\nRRULE:FREQ=WEEKLY\n" END,
     "3: the event has more than one RRULE, or an EXRULE; one RRULE with EXDATE and RDATE is expected"},
    {"from one recurrence on", BELL "RECURRENCE-ID;RANGE=THISANDFUTURE:20260831T140000Z\nDTSTART:20260831T140000Z\n" END,
     "3: the event changes all recurrences from one on (RANGE); an event of its own from there on is expected"},
    {"one UID twice", BELL "DTSTART:20260831T140000Z\n" END BELL "DTSTART:20260831T150000Z\n" END, "8: the event has the UID of that in line 3"},
    {"of no kind", "BEGIN:VEVENT\nUID:x\nSUMMARY:Lunch\nDTSTART:nonsense\n" END, "3: the event is wrong: *"},
    {"a zone with a rule each second",
     "BEGIN:VTIMEZONE\nTZID:X\nBEGIN:STANDARD\nDTSTART:19700101T000000\nRRULE:FREQ=SECONDLY\nTZOFFSETFROM:+0000\nTZOFFSETTO:+0100\nEND:STANDARD\n"
     "END:VTIMEZONE\n" BELL "DTSTART;TZID=X:20260831T140000\n" END,
     "3: the time zone is wrong: *"},
    {"a zone whose rule is yearly and many times a year",
     "BEGIN:VTIMEZONE\nTZID:X\nBEGIN:STANDARD\nDTSTART:19700101T000000\nRRULE:FREQ=YEARLY;BYDAY=SU\nTZOFFSETFROM:+0000\nTZOFFSETTO:+0100\n"
     "END:STANDARD\nEND:VTIMEZONE\n" BELL "DTSTART;TZID=X:20260831T140000\n" END,
     "3: the time zone is wrong: *"},
    {"each second of a year",
     "BEGIN:VTIMEZONE\nTZID:X\nBEGIN:STANDARD\nDTSTART:19700101T000000\n"
     "RRULE:FREQ=YEARLY;BYMONTH=1,2,3,4,5,6,7,8,9,10,11,12;BYMONTHDAY=1,2,3,4,5,6,7,8,9,10;BYHOUR=1,2,3,4,5,6,7,8;BYMINUTE=0,15,30,45;BYSECOND=0,1,2,"
     "3\n"
     "TZOFFSETFROM:+0000\nTZOFFSETTO:+0100\nEND:STANDARD\nEND:VTIMEZONE\n" BELL "DTSTART;TZID=X:20260831T140000\n" END,
     "3: the time zone is wrong: *"},
    {"a second rule of a zone",
     "BEGIN:VTIMEZONE\nTZID:X\nBEGIN:STANDARD\nDTSTART:19700101T000000\nRRULE:FREQ=YEARLY\nRRULE:FREQ=HOURLY\nTZOFFSETFROM:+0000\nTZOFFSETTO:+0100\n"
     "END:STANDARD\nEND:VTIMEZONE\n" BELL "DTSTART;TZID=X:20260831T140000\n" END,
     "3: the time zone is wrong: *"},
    {"a UID of two lines", "BEGIN:VEVENT\nUID:a\\nfirstbell: all is well\nCATEGORIES:bell\nDTSTART:20260831T140000Z\n" END,
     "3: the event has no UID of 1 to 255 bytes, in one line"},
    {"two mistakes", BELL END "BEGIN:VEVENT\nUID:c\nCATEGORIES:exam\n" END,
     "3: the event is wrong: it has no DTSTART\n7: the event is wrong: it has no DTSTART"},
};

/* A star at the end stands for anything. */
static bool is_like(const char *text, const char *pattern) {
    const char *star = strchr(pattern, '*');
    return star ? strncmp(text, pattern, (size_t)(star - pattern)) == 0 : strcmp(text, pattern) == 0;
}

static void refusals(void **state) {
    (void)state;
    for (size_t i = 0; i < ROWS(refused); i++) {
        char notes[NOTES_BYTES] = "", *file = calendar_of(refused[i].body);
        fb_calendar c;
        if (fb_calendar_read(&c, bell_str_of(file), fb_calendar_zone("UTC"), note, notes) || !is_like(notes, refused[i].notes)) {
            fail_msg("%s: %s", refused[i].what, notes);
        }
        fb_calendar_fini(&c);
        free(file);
    }
}

static const struct {
    const char *lines;
    fb_calendar_kind kind;
} kinds[] = {
    {"CATEGORIES:bell\n", FB_CALENDAR_BELL},
    {"CATEGORIES:School,EXAM\n", FB_CALENDAR_EXAM},
    {"CATEGORIES:School\nCATEGORIES:Deadline\n", FB_CALENDAR_DEADLINE},
    {"SUMMARY:Exam: algebra\n", FB_CALENDAR_EXAM},
    {"SUMMARY:bell\n", FB_CALENDAR_BELL},
    {"SUMMARY:Deadline of the essay\n", FB_CALENDAR_DEADLINE},
    {"CATEGORIES:deadline\nSUMMARY:Exam paper\n", FB_CALENDAR_DEADLINE},
    {"SUMMARY:Examination\n", FB_CALENDAR_UNKNOWN},
    {"SUMMARY:The exam\n", FB_CALENDAR_UNKNOWN},
    {"CATEGORIES:bells\n", FB_CALENDAR_UNKNOWN},
    {"", FB_CALENDAR_UNKNOWN},
};

static void kinds_of_events(void **state) {
    (void)state;
    for (size_t i = 0; i < ROWS(kinds); i++) {
        char notes[NOTES_BYTES] = "", body[300], *file;
        fb_calendar c;
        snprintf(body, sizeof body, "BEGIN:VEVENT\nUID:x\nDTSTART:20260831T140000Z\n%sEND:VEVENT\n", kinds[i].lines);
        file = calendar_of(body);
        assert_true(fb_calendar_read(&c, bell_str_of(file), fb_calendar_zone("UTC"), note, notes));
        assert_row(kinds[i].kind == (c.nevents == 1 ? c.events[0].kind : FB_CALENDAR_UNKNOWN), kinds[i].lines);
        assert_row((kinds[i].kind == FB_CALENDAR_UNKNOWN) == (c.skipped == 1), kinds[i].lines);
        assert_row((c.skipped == 1) == (strstr(notes, "3 (passed over)") != NULL), notes);
        fb_calendar_fini(&c);
        free(file);
    }
}

static void zones_of_the_system(void **state) {
    static const char *const known[] = {"UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+5", "Asia/Kolkata"};
    static const char *const unknown[] = {"", "utc", "Nowhere/At_All", "/etc/passwd", "../UTC", "Europe//Berlin", "Europe/", "Europe/Berlin\n"};
    (void)state;
    for (size_t i = 0; i < ROWS(known); i++) {
        assert_row(fb_calendar_zone(known[i]) != NULL, known[i]);
    }
    for (size_t i = 0; i < ROWS(unknown); i++) {
        assert_row(fb_calendar_zone(unknown[i]) == NULL, unknown[i]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recurrences),     cmocka_unit_test(written_and_read),    cmocka_unit_test(refusals),
        cmocka_unit_test(kinds_of_events), cmocka_unit_test(zones_of_the_system), cmocka_unit_test(steps_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
