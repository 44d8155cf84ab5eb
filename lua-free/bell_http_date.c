#include "bell_http_date.h"

#include <stdio.h>
#include <time.h>

#define YEAR_9999_END_S 253402300799 /* 9999-12-31T23:59:59Z: a date has four digits for its year */
#define DAY_S           86400
#define YEARS_50_S      (50 * (INT64_C(3652425) * DAY_S / 10000)) /* Gregorian years have 365.2425 days */

static const char day_names[] = "SunMonTueWedThuFriSat";
static const char month_names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

typedef struct {
    unsigned year, month, day; /* month: 0 to 11 */
    unsigned second;           /* of the day */
} civil;

/* Seconds that have a form: 1970 to 9999. */
static time_t writable(int64_t unix_s) {
    return unix_s < 0 ? 0 : unix_s > YEAR_9999_END_S ? YEAR_9999_END_S : unix_s;
}

/* Not strftime: its names of days and months follow the process's locale. */
void bell_http_date(int64_t unix_s, char out[30]) {
    time_t t = writable(unix_s);
    struct tm tm;

    gmtime_r(&t, &tm);
    /* the moduli change nothing; they show the compiler that each number has its two or four digits */
    snprintf(out, 30, "%.3s, %02u %.3s %04u %02u:%02u:%02u GMT", day_names + 3 * tm.tm_wday, (unsigned)tm.tm_mday % 100, month_names + 3 * tm.tm_mon,
             (unsigned)(tm.tm_year + 1900) % 10000, (unsigned)tm.tm_hour % 100, (unsigned)tm.tm_min % 100, (unsigned)tm.tm_sec % 100);
}

/* Which of the names of three letters stands at p, -1: none. */
static int name_at(const char *p, const char *names, unsigned n) {
    for (unsigned i = 0; i < n; i++) {
        if (bell_str_ieq((bell_str){p, 3}, (bell_str){names + (size_t)3 * i, 3})) {
            return (int)i;
        }
    }
    return -1;
}

static bool is_day(const char *p) {
    return name_at(p, day_names, 7) >= 0;
}

static bool month_at(const char *p, unsigned *month) {
    int found = name_at(p, month_names, 12);

    *month = found < 0 ? 0 : (unsigned)found;
    return found >= 0;
}

static bool number_at(const char *p, unsigned digits, unsigned *out) {
    uint64_t v;

    if (!bell_str_to_u64((bell_str){p, digits}, 9999, &v)) {
        return false;
    }
    *out = (unsigned)v;
    return true;
}

/* "08:49:37" */
static bool clock_at(const char *p, unsigned *second) {
    unsigned h, m, s;

    if (!number_at(p, 2, &h) || p[2] != ':' || !number_at(p + 3, 2, &m) || p[5] != ':' || !number_at(p + 6, 2, &s)) {
        return false;
    }
    *second = h * 3600 + m * 60 + s;
    return h < 24 && m < 60 && s <= 60;
}

static bool gmt_at(const char *p) {
    return bell_str_ieq((bell_str){p, 4}, BELL_STR(" GMT"));
}

/* "Sun, 06 Nov 1994 08:49:37 GMT" */
static bool parse_imf(const char *p, civil *c) {
    return is_day(p) && p[3] == ',' && p[4] == ' ' && number_at(p + 5, 2, &c->day) && p[7] == ' ' && month_at(p + 8, &c->month) && p[11] == ' ' &&
           number_at(p + 12, 4, &c->year) && p[16] == ' ' && clock_at(p + 17, &c->second) && gmt_at(p + 25);
}

/* "Sun Nov  6 08:49:37 1994": a day of one digit has a space before it */
static bool parse_asctime(const char *p, civil *c) {
    bool one_digit = p[8] == ' ';

    return is_day(p) && p[3] == ' ' && month_at(p + 4, &c->month) && p[7] == ' ' && number_at(p + 8 + one_digit, 2 - one_digit, &c->day) &&
           p[10] == ' ' && clock_at(p + 11, &c->second) && p[19] == ' ' && number_at(p + 20, 4, &c->year);
}

/* "Sunday, 06-Nov-94 08:49:37 GMT"; the year is left at its two digits */
static bool parse_rfc850(bell_str s, civil *c) {
    static const bell_str names[] = {BELL_STR("Sunday"),   BELL_STR("Monday"), BELL_STR("Tuesday"), BELL_STR("Wednesday"),
                                     BELL_STR("Thursday"), BELL_STR("Friday"), BELL_STR("Saturday")};
    bell_str rest = s, name = bell_str_cut(&rest, ',');
    const char *p = rest.p;
    unsigned day = 0;

    while (day < 7 && !bell_str_ieq(name, names[day])) {
        day++;
    }
    return day < 7 && rest.len == 23 && p[0] == ' ' && number_at(p + 1, 2, &c->day) && p[3] == '-' && month_at(p + 4, &c->month) && p[7] == '-' &&
           number_at(p + 8, 2, &c->year) && p[10] == ' ' && clock_at(p + 11, &c->second) && gmt_at(p + 19);
}

static bool is_leap(unsigned year) {
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static bool has_day(const civil *c) {
    static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    return c->day >= 1 && c->day <= days[c->month] + (unsigned)(c->month == 1 && is_leap(c->year));
}

/* Counted from 0000-03-01, so that a leap day is the last of its year. */
static int64_t seconds_of(const civil *c) {
    int64_t year = (int64_t)c->year - (c->month < 2), month = (c->month + 10) % 12;
    int64_t leap_days = (year >= 0 ? year / 4 - year / 100 + year / 400 : -1);
    int64_t days = year * 365 + leap_days + (month * 153 + 2) / 5 + c->day - 1;

    return (days - 719468) * DAY_S + c->second;
}

static unsigned year_of(int64_t unix_s) {
    time_t t = writable(unix_s);
    struct tm tm;

    gmtime_r(&t, &tm);
    return (unsigned)tm.tm_year + 1900;
}

/* The century that two digits of a year leave out. */
static void complete_year(civil *c, int64_t now_s) {
    int64_t latest_s = writable(now_s) + YEARS_50_S;
    unsigned now = year_of(now_s);

    c->year += now - now % 100 + 100;
    while (seconds_of(c) > latest_s) {
        c->year -= 100;
    }
}

bool bell_http_date_parse(bell_str s, int64_t now_s, int64_t *unix_s) {
    civil c = {0};

    if (s.len == 29 && s.p[3] == ',') {
        if (!parse_imf(s.p, &c)) {
            return false;
        }
    } else if (s.len == 24 && s.p[3] == ' ') {
        if (!parse_asctime(s.p, &c)) {
            return false;
        }
    } else {
        if (!parse_rfc850(s, &c)) {
            return false;
        }
        complete_year(&c, now_s);
    }
    if (!has_day(&c)) {
        return false;
    }
    *unix_s = seconds_of(&c);
    return true;
}
