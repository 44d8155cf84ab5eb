#include "bell_purge_url.h"

#include <stdio.h>

#include "bell_cache_key.h"

/* Cuts the scheme off, as far as "//". The port that goes without saying; 0: another scheme, or none. */
static unsigned cut_scheme(bell_str *url) {
    static const struct {
        bell_str text;
        unsigned port;
    } schemes[] = {{{"https://", 8}, 443}, {{"http://", 7}, 80}};

    for (size_t i = 0; i < sizeof(schemes) / sizeof(*schemes); i++) {
        size_t n = schemes[i].text.len;
        if (url->len >= n && bell_str_ieq((bell_str){url->p, n}, schemes[i].text)) {
            *url = (bell_str){url->p + n, url->len - n};
            return schemes[i].port;
        }
    }
    return 0;
}

/* What stands before the path. */
static bell_str cut_authority(bell_str *url) {
    bell_str authority = {url->p, 0};

    while (authority.len < url->len && strchr("/?#", url->p[authority.len]) == NULL) {
        authority.len++;
    }
    *url = (bell_str){url->p + authority.len, url->len - authority.len};
    return authority;
}

/* Of an authority that is a host; usual when it has none. */
static unsigned port_of(bell_str authority, unsigned usual) {
    bell_str rest = authority;
    uint64_t port;

    if (authority.p[0] == '[') {
        (void)bell_str_cut(&rest, ']');
    }
    (void)bell_str_cut(&rest, ':');
    return bell_str_to_u64(rest, 65535, &port) ? (unsigned)port : usual;
}

static const char *read_host(bell_str authority, unsigned usual_port, bell_purge_url *out) {
    if (bell_host_normalize(authority, out->name) < 0) {
        return "behind // a host name or an address is expected, and perhaps a port";
    }
    unsigned port = port_of(authority, usual_port);
    if (port == usual_port) {
        snprintf(out->host, sizeof(out->host), "%s", out->name);
    } else {
        snprintf(out->host, sizeof(out->host), "%s:%u", out->name, port);
    }
    return NULL;
}

static bool is_ascii(bell_str s) {
    for (size_t i = 0; i < s.len; i++) {
        if ((unsigned char)s.p[i] >= 0x80) {
            return false;
        }
    }
    return true;
}

static const char *read_target(bell_str target, bell_purge_url *out) {
    static const bell_cache_query_rules none;

    if (target.len > BELL_PURGE_VALUE_BYTES_MAX) {
        return "path and query together have at most 7900 bytes";
    }
    if (!is_ascii(target)) {
        return "other letters than those of ASCII are written as escapes, as in %C3%BC";
    }
    if (memchr(target.p, '#', target.len) != NULL) {
        return "a fragment (\"#\") is the browser's alone, and no cache knows of it";
    }
    long len = bell_cache_target_write(target, &none, out->value, sizeof(out->value) - 1);
    if (len < 0) {
        return "behind the host a path is expected that begins with \"/\", has no blanks, no segment \".\" or \"..\", and behind each \"%\" two "
               "digits";
    }
    out->value[len] = '\0';
    return NULL;
}

const char *bell_purge_url_read(bell_str url, bell_purge_kind kind, bell_purge_url *out) {
    unsigned usual_port = cut_scheme(&url);

    if (usual_port == 0) {
        return "it begins with https:// or http://";
    }
    bell_str authority = cut_authority(&url);
    const char *fault = read_host(authority, usual_port, out);
    if (fault == NULL) {
        fault = read_target(url.len > 0 ? url : BELL_STR("/"), out);
    }
    if (fault != NULL) {
        return fault;
    }
    bell_purge purge = {.sequence = 1, .at_ms = 1, .kind = kind, .host = bell_str_of(out->host), .value = bell_str_of(out->value)};
    return bell_purge_fault(&purge);
}
