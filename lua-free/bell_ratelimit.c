#include "bell_ratelimit.h"

#include "bell_json.h"
#include "bell_out.h"
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

static void put_parameter(bell_sf_writer *w, const char *key, uint64_t number) {
    bell_sf_param_integer(w, key, number < INTEGER_MAX ? (int64_t)number : INTEGER_MAX);
}

static void put_policy(bell_sf_writer *w, const bell_ratelimit_policy *p) {
    bell_sf_put_string(w, p->name);
    put_parameter(w, "q", p->quota);
    if (p->window_s > 0) {
        put_parameter(w, "w", p->window_s);
    }
    if (p->unit != BELL_RATELIMIT_REQUESTS) {
        bell_sf_param_string(w, "qu", bell_str_of(units[p->unit]));
    }
}

bool bell_ratelimit_prepare(const bell_ratelimit_policy *policy, bell_ratelimit_item *item) {
    bell_sf_writer w;

    if (!bell_ratelimit_name_fits(policy->name) || policy->partition.len > BELL_RATELIMIT_KEY_MAX) {
        return false;
    }
    bell_sf_writer_init(&w, item->policy, sizeof(item->policy));
    put_policy(&w, policy);
    size_t before = w.len;
    if (policy->partition.len > 0) {
        bell_sf_param_bytes(&w, "pk", policy->partition);
    }
    item->policy_len = (uint16_t)w.len;
    item->tail_len = (uint16_t)(w.len - before);
    memcpy(item->tail, item->policy + before, item->tail_len);
    bool failed = w.failed;
    bell_sf_writer_init(&w, item->head, sizeof(item->head));
    bell_sf_put_string(&w, policy->name);
    item->head_len = (uint16_t)w.len;
    return !failed && !w.failed;
}

/* The bytes behind what was written; out has room for an item. */
static char *put_text(char *out, const char *text, size_t len) {
    memcpy(out, text, len);
    return out + len;
}

static char *put_number(char *out, char key, uint64_t number) {
    char digits[20];
    size_t at = sizeof(digits);

    number = number < INTEGER_MAX ? number : INTEGER_MAX;
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    *out++ = ';';
    *out++ = key;
    *out++ = '=';
    return put_text(out, digits + at, sizeof(digits) - at);
}

static uint64_t whole_seconds(int64_t us) {
    return us <= 0 ? 0 : ((uint64_t)us + US_A_SECOND - 1) / US_A_SECOND;
}

static char *put_now(char *out, const bell_ratelimit_item *item, const bell_gcra_answer *answer) {
    out = put_text(out, item->head, item->head_len);
    out = put_number(out, 'r', answer->remaining > 0 ? (uint64_t)answer->remaining : 0);
    if (answer->more_us > 0) {
        out = put_number(out, 't', whole_seconds(answer->more_us));
    }
    return put_text(out, item->tail, item->tail_len);
}

/* One item after the other; those of RateLimit when there are answers. */
static long write_items(const bell_ratelimit_item *const *items, const bell_gcra_answer *answers, size_t n, char *out, size_t room) {
    char text[BELL_RATELIMIT_ITEM_MAX];
    bell_out o = {.p = out, .room = room, .full = n == 0 || n > BELL_RATELIMIT_POLICIES_MAX};

    for (size_t i = 0; i < n && !o.full; i++) {
        if (i > 0) {
            bell_out_put(&o, ", ", 2);
        }
        if (answers != NULL) {
            const char *end = put_now(text, items[i], &answers[i]);
            bell_out_put(&o, text, (size_t)(end - text));
        } else {
            bell_out_put(&o, items[i]->policy, items[i]->policy_len);
        }
    }
    return bell_out_len(&o);
}

long bell_ratelimit_write_policy(const bell_ratelimit_item *const *items, size_t n, char *out, size_t room) {
    return write_items(items, NULL, n, out, room);
}

long bell_ratelimit_write_now(const bell_ratelimit_item *const *items, const bell_gcra_answer *answers, size_t n, char *out, size_t room) {
    return write_items(items, answers, n, out, room);
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
