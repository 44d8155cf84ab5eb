#include "bell_host.h"

#include <arpa/inet.h>

#define LABEL_MAX_BYTES 63
#define PORT_MAX        65535

/* RFC 3986 allows the port to be empty ("host:"). */
static bool is_port(bell_str s) {
    uint64_t port;

    return s.len == 0 || (s.len <= 5 && bell_str_to_u64(s, PORT_MAX, &port));
}

/* "[2001:DB8::1]:8443" becomes "[2001:db8::1]": RFC 5952's spelling, so that one address has one name. */
static long normalize_ipv6(bell_str host, char *out) {
    char text[INET6_ADDRSTRLEN];
    struct in6_addr address;
    bell_str rest = host, inside;
    size_t len;

    inside = bell_str_cut(&rest, ']');
    if (inside.len + 1 > host.len || inside.len < 3 || inside.len > sizeof(text)) {
        return -1;
    }
    if (rest.len > 0 && (rest.p[0] != ':' || !is_port((bell_str){rest.p + 1, rest.len - 1}))) {
        return -1;
    }
    memcpy(text, inside.p + 1, inside.len - 1);
    text[inside.len - 1] = '\0';
    if (strlen(text) != inside.len - 1 || inet_pton(AF_INET6, text, &address) != 1) {
        return -1;
    }
    if (inet_ntop(AF_INET6, &address, out + 1, INET6_ADDRSTRLEN) == NULL) {
        return -1;
    }
    len = strlen(out + 1);
    out[0] = '[';
    out[len + 1] = ']';
    out[len + 2] = '\0';
    return (long)len + 2;
}

/* The lower-case form of a byte that may stand in a label, else 0. */
static const char label_bytes[256] = {
    ['-'] = '-', ['0'] = '0', ['1'] = '1', ['2'] = '2', ['3'] = '3', ['4'] = '4', ['5'] = '5', ['6'] = '6', ['7'] = '7', ['8'] = '8', ['9'] = '9',
    ['a'] = 'a', ['b'] = 'b', ['c'] = 'c', ['d'] = 'd', ['e'] = 'e', ['f'] = 'f', ['g'] = 'g', ['h'] = 'h', ['i'] = 'i', ['j'] = 'j', ['k'] = 'k',
    ['l'] = 'l', ['m'] = 'm', ['n'] = 'n', ['o'] = 'o', ['p'] = 'p', ['q'] = 'q', ['r'] = 'r', ['s'] = 's', ['t'] = 't', ['u'] = 'u', ['v'] = 'v',
    ['w'] = 'w', ['x'] = 'x', ['y'] = 'y', ['z'] = 'z', ['A'] = 'a', ['B'] = 'b', ['C'] = 'c', ['D'] = 'd', ['E'] = 'e', ['F'] = 'f', ['G'] = 'g',
    ['H'] = 'h', ['I'] = 'i', ['J'] = 'j', ['K'] = 'k', ['L'] = 'l', ['M'] = 'm', ['N'] = 'n', ['O'] = 'o', ['P'] = 'p', ['Q'] = 'q', ['R'] = 'r',
    ['S'] = 's', ['T'] = 't', ['U'] = 'u', ['V'] = 'v', ['W'] = 'w', ['X'] = 'x', ['Y'] = 'y', ['Z'] = 'z',
};

static inline bool is_label(const char *label, size_t len) {
    return len > 0 && len <= LABEL_MAX_BYTES && label[0] != '-' && label[len - 1] != '-';
}

/* Copies labels and the dots between them in one go, for every request has one; false when they are none. */
static bool copy_name(bell_str name, char *out) {
    size_t label = 0;

    for (size_t i = 0; i < name.len; i++) {
        if (name.p[i] == '.') {
            out[i] = '.';
            if (!is_label(out + label, i - label)) {
                return false;
            }
            label = i + 1;
        } else if ((out[i] = label_bytes[(unsigned char)name.p[i]]) == 0) {
            return false;
        }
    }
    out[name.len] = '\0';
    return is_label(out + label, name.len - label);
}

/* A name that ends in a number is read as an IPv4 address by browsers (WHATWG URL, "ends in a number"), so it must be one here. */
static bool ends_in_number(const char *name, size_t len) {
    size_t from = len, digits;

    while (from > 0 && name[from - 1] != '.') {
        from--;
    }
    if (name[from] < '0' || name[from] > '9') {
        return false;
    }
    digits = strspn(name + from, "0123456789");
    if (from + digits == len) {
        return true;
    }
    return name[from] == '0' && name[from + 1] == 'x' && from + 2 + strspn(name + from + 2, "0123456789abcdef") == len;
}

long bell_host_normalize(bell_str host, char *out) {
    bell_str port = host, name;
    struct in_addr address;

    if (host.len == 0) {
        return -1;
    }
    if (host.p[0] == '[') {
        return normalize_ipv6(host, out);
    }
    name = bell_str_cut(&port, ':');
    if (!is_port(port)) {
        return -1;
    }
    if (name.len > 0 && name.p[name.len - 1] == '.') {
        name.len--;
    }
    if (name.len == 0 || name.len > BELL_HOST_MAX_BYTES) {
        return -1;
    }
    if (!copy_name(name, out)) {
        return -1;
    }
    if (ends_in_number(out, name.len) && inet_pton(AF_INET, out, &address) != 1) {
        return -1;
    }
    return (long)name.len;
}

bell_str bell_host_name(bell_str host) {
    size_t end = host.len;

    while (end > 0 && host.p[end - 1] != ':' && host.p[end - 1] != ']') {
        end--;
    }
    return (bell_str){host.p, end > 0 && host.p[end - 1] == ':' ? end - 1 : host.len};
}
