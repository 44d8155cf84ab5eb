#include "bell_ratelimit.h"

#include "bell_json.h"
#include "bell_sf.h"

#define US_A_SECOND 1000000
#define INTEGER_MAX 999999999999999 /* RFC 9651, section 3.3.1 */

static const char *const units[] = {
    [BELL_RATELIMIT_REQUESTS] = "requests",
    [BELL_RATELIMIT_CONTENT_BYTES] = "content-bytes",
    [BELL_RATELIMIT_CONCURRENT_REQUESTS] = "concurrent-requests",
};

static const struct {
    unsigned status;
    const char *type, *title;
} problems[BELL_RATELIMIT_PROBLEM_COUNT] = {
    [BELL_RATELIMIT_QUOTA_EXCEEDED] = {429, "https://iana.org/assignments/http-problem-types#quota-exceeded",
                                       "There were too many of these requests. Please wait a little and try again."},
    [BELL_RATELIMIT_REDUCED_CAPACITY] = {503, "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity",
                                         "Many people are here right now. Please try again in a moment."},
    [BELL_RATELIMIT_ABNORMAL_USAGE] = {429, "https://iana.org/assignments/http-problem-types#abnormal-usage-detected",
                                       "These requests are not as people make them. Please wait a little and try again."},
};

bool bell_ratelimit_name_fits(bell_str name) {
    return name.len > 0 && name.len <= BELL_RATELIMIT_NAME_MAX && bell_sf_string_fits(name);
}

static bool fits(const bell_ratelimit_policy *policies, size_t n) {
    if (n == 0 || n > BELL_RATELIMIT_POLICIES_MAX) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (!bell_ratelimit_name_fits(policies[i].name) || policies[i].partition.len > BELL_RATELIMIT_KEY_MAX) {
            return false;
        }
    }
    return true;
}

static void put_number(bell_sf_writer *w, const char *key, uint64_t number) {
    bell_sf_param_integer(w, key, number < INTEGER_MAX ? (int64_t)number : INTEGER_MAX);
}

static void put_partition(bell_sf_writer *w, const bell_ratelimit_policy *policy) {
    if (policy->partition.len > 0) {
        bell_sf_param_bytes(w, "pk", policy->partition);
    }
}

long bell_ratelimit_write_policy(const bell_ratelimit_policy *policies, size_t n, char *out, size_t room) {
    bell_sf_writer w;

    if (!fits(policies, n)) {
        return -1;
    }
    bell_sf_writer_init(&w, out, room);
    for (size_t i = 0; i < n; i++) {
        const bell_ratelimit_policy *p = &policies[i];
        bell_sf_put_string(&w, p->name);
        put_number(&w, "q", p->quota);
        if (p->window_s > 0) {
            put_number(&w, "w", p->window_s);
        }
        if (p->unit != BELL_RATELIMIT_REQUESTS) {
            bell_sf_param_string(&w, "qu", bell_str_of(units[p->unit]));
        }
        put_partition(&w, p);
    }
    return w.failed ? -1 : (long)w.len;
}

static uint64_t whole_seconds(int64_t us) {
    return us <= 0 ? 0 : ((uint64_t)us + US_A_SECOND - 1) / US_A_SECOND;
}

long bell_ratelimit_write_now(const bell_ratelimit_policy *policies, const bell_gcra_answer *answers, size_t n, char *out, size_t room) {
    bell_sf_writer w;

    if (!fits(policies, n)) {
        return -1;
    }
    bell_sf_writer_init(&w, out, room);
    for (size_t i = 0; i < n; i++) {
        bell_sf_put_string(&w, policies[i].name);
        put_number(&w, "r", answers[i].remaining > 0 ? (uint64_t)answers[i].remaining : 0);
        if (answers[i].more_us > 0) {
            put_number(&w, "t", whole_seconds(answers[i].more_us));
        }
        put_partition(&w, &policies[i]);
    }
    return w.failed ? -1 : (long)w.len;
}

uint32_t bell_ratelimit_retry_s(const bell_gcra_answer *refused, uint32_t spread_s, uint64_t random) {
    int64_t us = refused->retry_after_us > refused->more_us ? refused->retry_after_us : refused->more_us;
    uint64_t s = whole_seconds(us);

    s = (s > 0 ? s : 1) + random % ((uint64_t)spread_s + 1);
    return s < UINT32_MAX ? (uint32_t)s : UINT32_MAX;
}

unsigned bell_ratelimit_status(bell_ratelimit_problem problem) {
    return problems[problem].status;
}

const char *bell_ratelimit_type(bell_ratelimit_problem problem) {
    return problems[problem].type;
}

void bell_ratelimit_write_problem(bell_buf *out, bell_ratelimit_problem problem, bell_str detail, const bell_str *violated, size_t n,
                                  bell_str request_id) {
    bell_json j;

    bell_json_init(&j, out);
    bell_json_object_open(&j);
    bell_json_key(&j, "type");
    bell_json_z(&j, problems[problem].type);
    bell_json_key(&j, "title");
    bell_json_z(&j, problems[problem].title);
    bell_json_key(&j, "status");
    bell_json_int(&j, problems[problem].status);
    if (detail.len > 0) {
        bell_json_key(&j, "detail");
        bell_json_str(&j, detail);
    }
    if (problem != BELL_RATELIMIT_REDUCED_CAPACITY && n > 0) {
        bell_json_key(&j, "violated-policies");
        bell_json_array_open(&j);
        for (size_t i = 0; i < n; i++) {
            bell_json_str(&j, violated[i]);
        }
        bell_json_array_close(&j);
    }
    bell_json_key(&j, "request_id");
    bell_json_str(&j, request_id);
    bell_json_object_close(&j);
}
