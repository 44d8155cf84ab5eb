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
static char label_byte(char c) {
    if (c >= 'A' && c <= 'Z') {
        return (char)(c + ('a' - 'A'));
    }
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-') {
        return c;
    }
    return 0;
}

/* Copies one label; false when it is not one. */
static bool copy_label(bell_str label, char *out) {
    if (label.len == 0 || label.len > LABEL_MAX_BYTES || label.p[0] == '-' || label.p[label.len - 1] == '-') {
        return false;
    }
    for (size_t i = 0; i < label.len; i++) {
        out[i] = label_byte(label.p[i]);
        if (out[i] == 0) {
            return false;
        }
    }
    return true;
}

/* A name that ends in a number is read as an IPv4 address by browsers (WHATWG URL, "ends in a number"), so it must be one here. */
static bool ends_in_number(const char *name, size_t len) {
    size_t from = len, digits;

    while (from > 0 && name[from - 1] != '.') {
        from--;
    }
    digits = strspn(name + from, "0123456789");
    if (from + digits == len) {
        return true;
    }
    return name[from] == '0' && name[from + 1] == 'x' && from + 2 + strspn(name + from + 2, "0123456789abcdef") == len;
}

long bell_host_normalize(bell_str host, char *out) {
    bell_str port = host, name, rest;
    size_t len = 0;
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
    rest = name;
    while (len < name.len) {
        bell_str label = bell_str_cut(&rest, '.');

        if (!copy_label(label, out + len)) {
            return -1;
        }
        len += label.len;
        if (len < name.len) {
            out[len++] = '.';
        }
    }
    if (out[len - 1] == '.') {
        return -1;
    }
    out[len] = '\0';
    if (ends_in_number(out, len) && inet_pton(AF_INET, out, &address) != 1) {
        return -1;
    }
    return (long)len;
}
