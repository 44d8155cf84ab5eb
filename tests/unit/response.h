/* Responses for the tests of caching rules, out of text. */
#ifndef RESPONSE_H
#define RESPONSE_H

#include "bell_http_date.h"
#include "bell_response_meta.h"

#include <stdlib.h>

#define NOW_S INT64_C(1795262400) /* 2026-11-21 12:00:00, when the response came */

/* Lines "Name: value"; a value "@-10" is the date ten seconds before NOW_S. Asked for with GET, by nobody known, and answered at once. */
static inline bell_response_meta response(unsigned status, const char *fields) {
    bell_response_meta m = {.status = status, .get = true, .request_time_s = NOW_S, .response_time_s = NOW_S};
    bell_str rest = bell_str_of(fields);

    while (rest.len > 0) {
        bell_str value = bell_str_cut(&rest, '\n'), name = bell_str_cut(&value, ':');
        char date[30];

        value = bell_str_trim(value);
        if (value.len > 0 && value.p[0] == '@') {
            bell_http_date(NOW_S + strtoll(value.p + 1, NULL, 10), date);
            value = bell_str_of(date);
        }
        bell_response_meta_add(&m, name, value);
    }
    return m;
}

#endif
