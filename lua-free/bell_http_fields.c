/* The second half of bell_http.h: reason phrases, ranges and cookies, which need nothing of the codec. */
#include "bell_http.h"

const char *bell_http_reason(unsigned status) {
    static const struct {
        unsigned status;
        const char *phrase;
    } table[] = {
        {100, "Continue"},
        {101, "Switching Protocols"},
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {206, "Partial Content"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {303, "See Other"},
        {304, "Not Modified"},
        {307, "Temporary Redirect"},
        {308, "Permanent Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {411, "Length Required"},
        {412, "Precondition Failed"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {416, "Range Not Satisfiable"},
        {417, "Expectation Failed"},
        {421, "Misdirected Request"},
        {422, "Unprocessable Content"},
        {423, "Locked"},
        {425, "Too Early"},
        {426, "Upgrade Required"},
        {428, "Precondition Required"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        if (table[i].status == status) {
            return table[i].phrase;
        }
    }
    return "Unknown";
}

/* A position in a range: digits; one that does not fit is as good as the largest. */
static bool parse_position(bell_str s, uint64_t *out) {
    if (s.len == 0) {
        return false;
    }
    for (size_t i = 0; i < s.len; i++) {
        if (s.p[i] < '0' || s.p[i] > '9') {
            return false;
        }
    }
    if (!bell_str_to_u64(s, UINT64_MAX, out)) {
        *out = UINT64_MAX;
    }
    return true;
}

/* "-n": the last n bytes. Of nothing no range can be given, so that all (nothing) is sent. */
static int suffix_range(uint64_t n, uint64_t size_bytes, uint64_t *first, uint64_t *last) {
    if (n == 0) {
        return -1;
    }
    if (size_bytes == 0) {
        return 0;
    }
    *first = n < size_bytes ? size_bytes - n : 0;
    *last = size_bytes - 1;
    return 1;
}

/* RFC 9110, 14.1.2 and 14.2: a Range that is not understood is ignored. */
int bell_http_range(bell_str value, uint64_t size_bytes, uint64_t *first, uint64_t *last) {
    bell_str to = value, unit = bell_str_cut(&to, '='), from;
    uint64_t a, b = UINT64_MAX;

    if (!bell_str_ieq(unit, BELL_STR("bytes")) || to.len == 0 || memchr(to.p, '-', to.len) == NULL) {
        return 0;
    }
    from = bell_str_cut(&to, '-');
    if (from.len == 0) {
        return parse_position(to, &b) ? suffix_range(b, size_bytes, first, last) : 0;
    }
    if (!parse_position(from, &a) || (to.len > 0 && (!parse_position(to, &b) || b < a))) {
        return 0;
    }
    if (a >= size_bytes) {
        return -1;
    }
    *first = a;
    *last = b < size_bytes ? b : size_bytes - 1;
    return 1;
}

bell_str bell_http_cookie(bell_str header, bell_str name) {
    bell_str found = BELL_STR_NULL;

    while (header.len > 0) {
        bell_str value = bell_str_trim(bell_str_cut(&header, ';'));
        bool has_name = value.len > 0 && memchr(value.p, '=', value.len) != NULL;
        bell_str its_name = bell_str_cut(&value, '=');

        if (!has_name || !bell_str_eq(its_name, name)) {
            continue;
        }
        if (found.p != NULL) {
            return BELL_STR_NULL;
        }
        found = value;
    }
    return found;
}
