/* The lines of a calendar's file: what is kept of them, where each part begins, and what is no such file. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "origin/calendar/text.h"

#define HEAD "BEGIN:VCALENDAR\r\n"
#define TAIL "END:VCALENDAR\r\n"

static const struct {
    const char *what, *file, *events, *zones; /* the parts, one behind the other */
    unsigned line;                            /* of the first event; 0: there is none */
} kept[] = {
    {"empty lines first", "\r\n\n" HEAD TAIL, "", "", 0},
    {"nothing in it", HEAD TAIL, "", "", 0},
    {"what is used", HEAD "BEGIN:VEVENT\r\nUID:1\r\nDESCRIPTION:x\r\nX-A:b\r\nSUMMARY;LANGUAGE=en:Bell\r\nEND:VEVENT\r\n" TAIL,
     "BEGIN:VEVENT\r\nUID:1\r\nSUMMARY;LANGUAGE=en:Bell\r\nEND:VEVENT\r\n", "", 2},
    {"ends of lines of another kind, an empty one, and none at the end", "BEGIN:VCALENDAR\n\nBEGIN:VEVENT\nUID:1\nEND:VEVENT\nEND:VCALENDAR",
     "BEGIN:VEVENT\r\nUID:1\r\nEND:VEVENT\r\n", "", 3},
    {"folded lines", HEAD "X:1\r\n 2\r\nBEGIN:VEV\r\n\tENT\r\nUI\r\n D:1\r\n  2\r\nEND:VEVENT\r\n" TAIL, "BEGIN:VEVENT\r\nUID:1 2\r\nEND:VEVENT\r\n",
     "", 4},
    {"an alarm is left out", HEAD "BEGIN:VEVENT\r\nBEGIN:VALARM\r\nUID:2\r\nEND:VALARM\r\nUID:1\r\nEND:VEVENT\r\n" TAIL,
     "BEGIN:VEVENT\r\nUID:1\r\nEND:VEVENT\r\n", "", 2},
    {"so are other components", HEAD "BEGIN:VTODO\r\nUID:2\r\nEND:VTODO\r\nBEGIN:VEVENT\r\nUID:1\r\nEND:VEVENT\r\n" TAIL,
     "BEGIN:VEVENT\r\nUID:1\r\nEND:VEVENT\r\n", "", 5},
    {"an event within something else is none", HEAD "BEGIN:X\r\nBEGIN:VEVENT\r\nUID:2\r\nEND:VEVENT\r\nEND:X\r\n" TAIL, "", "", 0},
    {"of a zone all lines", HEAD "BEGIN:VTIMEZONE\r\nTZID:A\r\nBEGIN:STANDARD\r\nX-B:1\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n" TAIL, "",
     "BEGIN:VTIMEZONE\r\nTZID:A\r\nBEGIN:STANDARD\r\nX-B:1\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n", 0},
    {"control characters", HEAD "BEGIN:VEVENT\r\nUID:\x01\x1b[31m\r1\x7f\r\nSUMMARY:a\tb\r\nEND:VEVENT\r\n" TAIL,
     "BEGIN:VEVENT\r\nUID:??[31m?1?\r\nSUMMARY:a\tb\r\nEND:VEVENT\r\n", "", 2},
    {"two calendars, and a mark of the byte order", "\xEF\xBB\xBF" HEAD TAIL HEAD "BEGIN:VEVENT\r\nUID:1\r\nEND:VEVENT\r\n" TAIL,
     "BEGIN:VEVENT\r\nUID:1\r\nEND:VEVENT\r\n", "", 4},
};

static void join(const fb_calendar_text *t, const fb_calendar_part *parts, size_t n, char *out, size_t room) {
    out[0] = '\0';
    for (size_t i = 0; i < n; i++) {
        bell_str text = fb_calendar_text_of(t, &parts[i]);
        snprintf(out + strlen(out), room - strlen(out), "%.*s", BELL_STR_ARG(text));
    }
}

static void what_is_kept(void **state) {
    (void)state;
    for (size_t i = 0; i < ROWS(kept); i++) {
        char why[200] = "", text[1000];
        unsigned line;
        fb_calendar_text t;
        assert_row(fb_calendar_text_read(bell_str_of(kept[i].file), &t, &line, why, sizeof why), kept[i].what);
        join(&t, t.events, t.nevents, text, sizeof text);
        assert_row(strcmp(text, kept[i].events) == 0, kept[i].what);
        join(&t, t.zones, t.nzones, text, sizeof text);
        assert_row(strcmp(text, kept[i].zones) == 0, kept[i].what);
        assert_row(kept[i].line == (t.nevents > 0 ? t.events[0].line : 0), kept[i].what);
        fb_calendar_text_fini(&t);
    }
}

static const struct {
    const char *file;
    unsigned line;
    const char *why;
} refused[] = {
    {"", 0, "the file is empty"},
    {"PK\003\004", 1, "there is no colon in it"},
    {"hello: world\n", 1, "BEGIN:VCALENDAR was expected: this is no calendar"},
    {"BEGIN:VEVENT\n", 1, "BEGIN:VCALENDAR was expected: this is no calendar"},
    {HEAD "BEGIN:VEVENT\r\n", 2, "the file ends within a component: it is not whole"},
    {HEAD "BEGIN:VEVENT\r\nUID:1\r\n" TAIL, 4, "it ends what has not begun, or before what stands in it has ended"},
    {TAIL, 1, "it ends what has not begun, or before what stands in it has ended"},
    {HEAD "BEGIN:VEVENT\r\nUID\r\n", 3, "there is no colon in it"},
    {HEAD HEAD, 2, "a calendar begins within another one"},
    {HEAD "BEGIN:A\nBEGIN:A\nBEGIN:A\nBEGIN:A\nBEGIN:A\nBEGIN:A\nBEGIN:A\nBEGIN:A\n", 9, "components stand in one another more than 8 deep"},
    {HEAD "X:\xFF\r\n" TAIL, 0, "the file is not UTF-8"},
};

static void what_is_refused(void **state) {
    (void)state;
    for (size_t i = 0; i < ROWS(refused); i++) {
        char why[200] = "";
        unsigned line;
        fb_calendar_text t;
        assert_row(!fb_calendar_text_read(bell_str_of(refused[i].file), &t, &line, why, sizeof why), refused[i].file);
        if (strcmp(why, refused[i].why) != 0 || line != refused[i].line) {
            fail_msg("%s: line %u: %s", refused[i].file, line, why);
        }
        fb_calendar_text_fini(&t);
    }
}

/* A file whose `n` repetitions of a text stand between a head and a tail. */
static void refuse_many(const char *head, const char *again, size_t n, const char *tail, const char *expected) {
    char why[200] = "";
    unsigned line;
    fb_calendar_text t;
    bell_buf file;

    bell_buf_init(&file, 32u << 20);
    bell_buf_add_z(&file, head);
    for (size_t i = 0; i < n; i++) {
        bell_buf_add_z(&file, again);
    }
    bell_buf_add_z(&file, tail);
    assert_false(file.failed);
    assert_false(fb_calendar_text_read(bell_buf_str(&file), &t, &line, why, sizeof why));
    assert_string_equal(why, expected);
    fb_calendar_text_fini(&t);
    bell_buf_fini(&file);
}

static void bounds(void **state) {
    (void)state;
    refuse_many(HEAD, "BEGIN:VEVENT\nEND:VEVENT\n", 10001, TAIL, "there are more than 10000 events");
    refuse_many(HEAD, "BEGIN:VTIMEZONE\nEND:VTIMEZONE\n", 101, TAIL, "there are more than 100 time zones");
    refuse_many(HEAD "BEGIN:VEVENT\n", "SUMMARY:long\n", 6000, "END:VEVENT\n" TAIL, "the event is larger than 65536 bytes");
    refuse_many(HEAD "BEGIN:VTIMEZONE\n", "X-LONG:long\n", 6000, "END:VTIMEZONE\n" TAIL, "the time zone is larger than 65536 bytes");
    refuse_many(HEAD "X:", "123456789\n ", 4000, "\n" TAIL, "the line is longer than 32768 bytes");
    refuse_many(HEAD, "X:0123456789ABCDEF\n", 500000, TAIL, "the file is larger than 8 MiB");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_is_kept), cmocka_unit_test(what_is_refused), cmocka_unit_test(bounds)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
