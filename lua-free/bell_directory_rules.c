/* The rules of what may stand in a directory. */
#include "bell_directory_image.h"

static const struct {
    bell_tenant_status status;
    const char *name;
} statuses[] = {
    {BELL_TENANT_ACTIVE, "active"},
    {BELL_TENANT_READ_ONLY, "read-only"},
    {BELL_TENANT_EXAM, "exam"},
    {BELL_TENANT_SUSPENDED, "suspended"},
};

static const struct {
    bell_server_state state;
    const char *name;
} states[] = {
    {BELL_SERVER_UP, "up"},
    {BELL_SERVER_DRAIN, "drain"},
    {BELL_SERVER_DOWN, "down"},
};

#define ROWS(table) (sizeof(table) / sizeof(*(table)))

const char *bell_tenant_status_name(bell_tenant_status s) {
    for (size_t i = 0; i < ROWS(statuses); i++) {
        if (statuses[i].status == s) {
            return statuses[i].name;
        }
    }
    return NULL;
}

bell_tenant_status bell_tenant_status_of(bell_str name) {
    for (size_t i = 0; i < ROWS(statuses); i++) {
        if (bell_str_eq(name, bell_str_of(statuses[i].name))) {
            return statuses[i].status;
        }
    }
    return 0;
}

const char *bell_server_state_name(bell_server_state s) {
    for (size_t i = 0; i < ROWS(states); i++) {
        if (states[i].state == s) {
            return states[i].name;
        }
    }
    return NULL;
}

bell_server_state bell_server_state_of(bell_str name) {
    for (size_t i = 0; i < ROWS(states); i++) {
        if (bell_str_eq(name, bell_str_of(states[i].name))) {
            return states[i].state;
        }
    }
    return 0;
}

static bool is_small(char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
}

bool bell_directory_is_name(bell_str s) {
    for (size_t i = 0; i < s.len; i++) {
        if (!is_small(s.p[i])) {
            return false;
        }
    }
    return s.len > 0 && s.len <= BELL_DIRECTORY_NAME_MAX;
}

bool bell_directory_is_word(bell_str s) {
    for (size_t i = 0; i < s.len; i++) {
        if (!is_small(s.p[i]) && s.p[i] != '_' && s.p[i] != '.') {
            return false;
        }
    }
    return s.len > 0 && s.len <= BELL_DIRECTORY_NAME_MAX;
}

bool bell_directory_is_locale(bell_str s) {
    for (size_t i = 0; i < s.len; i++) {
        if (!is_small(s.p[i]) && !(s.p[i] >= 'A' && s.p[i] <= 'Z')) {
            return false;
        }
    }
    return s.len > 0 && s.len <= BELL_DIRECTORY_LOCALE_MAX;
}

static bool is_normal(bell_str s) {
    char normal[BELL_HOST_MAX_BYTES + 1];
    long len = bell_host_normalize(s, normal);

    return len > 0 && bell_str_eq(s, (bell_str){normal, (size_t)len});
}

bool bell_directory_is_host(bell_str s) {
    bell_str rest;

    if (!bell_str_starts(s, BELL_STR("*."))) {
        return is_normal(s);
    }
    rest = (bell_str){s.p + 2, s.len - 2};
    return s.len <= BELL_HOST_MAX_BYTES && is_normal(rest) && rest.p[0] != '[' && memchr(rest.p, '.', rest.len) != NULL &&
           !(rest.p[rest.len - 1] >= '0' && rest.p[rest.len - 1] <= '9' && strspn(rest.p, "0123456789.") >= rest.len);
}

static bool is_port(bell_str s) {
    uint64_t port;

    return s.len > 0 && s.p[0] != '0' && bell_str_to_u64(s, 65535, &port);
}

/* A host name would have to be looked up, which an edge does not do while it serves: addresses only. */
static bool is_address(bell_str s) {
    size_t dots = 0;

    if (s.len > 2 && s.p[0] == '[') {
        return is_normal(s);
    }
    for (size_t i = 0; i < s.len; i++) {
        if (s.p[i] == '.') {
            dots++;
        } else if (s.p[i] < '0' || s.p[i] > '9') {
            return false;
        }
    }
    return dots == 3 && is_normal(s);
}

bool bell_directory_is_server(bell_str s) {
    size_t at = s.len;

    if (bell_str_starts(s, BELL_STR("unix:/"))) {
        for (size_t i = 0; i < s.len; i++) {
            if (s.p[i] <= ' ' || s.p[i] > '~') {
                return false;
            }
        }
        return s.len <= sizeof("unix:") - 1 + 107; /* sun_path without its NUL */
    }
    while (at > 0 && s.p[at - 1] != ':') {
        at--;
    }
    return at > 1 && is_port((bell_str){s.p + at, s.len - at}) && is_address((bell_str){s.p, at - 1});
}

bool bell_directory_is_text(bell_str s, size_t max) {
    return s.len <= max && bell_str_is_utf8(s);
}
