#include "bell_response_meta.h"

#include "bell_http_date.h"

/* A field that ought to come once: its first line counts. */
static void add_date(const bell_response_meta *m, bell_str value, bell_field_state *state, int64_t *out_s) {
    if (*state == BELL_FIELD_ABSENT) {
        *state = bell_http_date_parse(value, m->response_time_s, out_s) ? BELL_FIELD_GOOD : BELL_FIELD_BAD;
    }
}

static void date_line(bell_response_meta *m, bell_str value) {
    add_date(m, value, &m->date, &m->date_s);
}

static void last_modified_line(bell_response_meta *m, bell_str value) {
    add_date(m, value, &m->last_modified, &m->last_modified_s);
}

static void expires_line(bell_response_meta *m, bell_str value) {
    bell_field_state earlier = m->expires;
    int64_t earlier_s = m->expires_s;

    m->expires = BELL_FIELD_ABSENT;
    add_date(m, value, &m->expires, &m->expires_s);
    if (earlier == BELL_FIELD_BAD || (earlier == BELL_FIELD_GOOD && m->expires_s != earlier_s)) {
        m->expires = BELL_FIELD_BAD;
    }
}

static void age_line(bell_response_meta *m, bell_str value) {
    if (m->age == BELL_FIELD_ABSENT) {
        bell_str first = bell_str_trim(bell_str_cut(&value, ','));

        m->age = bell_delta_seconds(first, &m->age_s) ? BELL_FIELD_GOOD : BELL_FIELD_BAD;
    }
}

static void cache_control_line(bell_response_meta *m, bell_str value) {
    bell_cache_control_add(&m->control, value);
}

static void targeted_line(bell_targeted *t, bell_str value) {
    if (bell_str_trim(value).len == 0) {
        return;
    }
    if (bell_cdn_cache_control_add(&t->control, value)) {
        t->good = true;
    } else {
        t->bad = true;
    }
}

static void cdn_line(bell_response_meta *m, bell_str value) {
    targeted_line(&m->targeted[BELL_TARGET_CDN], value);
}

static void surrogate_line(bell_response_meta *m, bell_str value) {
    targeted_line(&m->targeted[BELL_TARGET_SURROGATE], value);
}

static void etag_line(bell_response_meta *m, bell_str value) {
    m->etag = m->etag || value.len > 0;
}

static void set_cookie_line(bell_response_meta *m, bell_str value) {
    (void)value;
    m->set_cookie = true;
}

static void vary_line(bell_response_meta *m, bell_str value) {
    while (value.len > 0) {
        bell_str name = bell_str_trim(bell_str_cut(&value, ','));
        m->vary_any = m->vary_any || bell_str_eq(name, BELL_STR("*"));
    }
}

/* The order of the values is from wide to narrow, and what is not understood is narrower than all. */
static void scope_line(bell_response_meta *m, bell_str value) {
    static const bell_str names[] = {
        [BELL_SCOPE_PUBLIC] = BELL_STR("public"),
        [BELL_SCOPE_ROLE] = BELL_STR("role"),
        [BELL_SCOPE_PRIVATE] = BELL_STR("private"),
    };
    bell_response_scope scope = BELL_SCOPE_PUBLIC;

    while (scope < BELL_SCOPE_UNKNOWN && !bell_str_ieq(value, names[scope])) {
        scope++;
    }
    m->scope = scope > m->scope ? scope : m->scope;
}

void bell_response_meta_add(bell_response_meta *m, bell_str name, bell_str value) {
    static const struct {
        bell_str name;
        void (*line)(bell_response_meta *, bell_str);
    } fields[] = {
        {BELL_STR("Age"), age_line},
        {BELL_STR("Cache-Control"), cache_control_line},
        {BELL_STR("Cache-Scope"), scope_line},
        {BELL_STR("CDN-Cache-Control"), cdn_line},
        {BELL_STR("Date"), date_line},
        {BELL_STR("ETag"), etag_line},
        {BELL_STR("Expires"), expires_line},
        {BELL_STR("Last-Modified"), last_modified_line},
        {BELL_STR("Set-Cookie"), set_cookie_line},
        {BELL_STR("Surrogate-Control"), surrogate_line},
        {BELL_STR("Vary"), vary_line},
    };

    for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
        if (bell_str_ieq(fields[i].name, name)) {
            fields[i].line(m, value);
            return;
        }
    }
}

const bell_cache_control *bell_response_meta_control(const bell_response_meta *m) {
    for (int i = 0; i < BELL_TARGETS; i++) {
        if (m->targeted[i].good && !m->targeted[i].bad) {
            return &m->targeted[i].control;
        }
    }
    return &m->control;
}

bool bell_response_meta_is_targeted(const bell_response_meta *m) {
    return bell_response_meta_control(m) != &m->control;
}
