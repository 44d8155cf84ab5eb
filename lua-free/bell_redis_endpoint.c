#include "bell_redis.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <sys/un.h>

static bool is_path(bell_str text, bell_redis_endpoint *at) {
    struct sockaddr_un un;

    if (text.len == 0 || text.p[0] != '/' || text.len >= sizeof un.sun_path || memchr(text.p, '\0', text.len) != NULL) {
        return false;
    }
    memcpy(at->host, text.p, text.len);
    return true;
}

static bool is_address(bell_str host, int family, bell_redis_endpoint *at) {
    struct in6_addr any;
    char text[INET6_ADDRSTRLEN];

    if (host.len == 0 || host.len >= sizeof text || memchr(host.p, '\0', host.len) != NULL) {
        return false;
    }
    memcpy(text, host.p, host.len);
    text[host.len] = '\0';
    if (inet_pton(family, text, &any) != 1) {
        return false;
    }
    inet_ntop(family, &any, at->host, sizeof at->host); /* as the nodes write it */
    return true;
}

bool bell_redis_endpoint_of(bell_str text, bell_redis_endpoint *at) {
    const char *colon = text.len > 0 ? memrchr(text.p, ':', text.len) : NULL;
    uint64_t port;

    *at = (bell_redis_endpoint){.port = 0};
    if (bell_str_starts(text, BELL_STR("unix:"))) {
        return is_path((bell_str){text.p + 5, text.len - 5}, at);
    }
    if (colon == NULL || !bell_str_to_u64((bell_str){colon + 1, (size_t)(text.p + text.len - colon - 1)}, UINT16_MAX, &port) || port == 0) {
        return false;
    }
    at->port = (uint16_t)port;
    bell_str host = {text.p, (size_t)(colon - text.p)};
    if (host.len > 2 && host.p[0] == '[' && host.p[host.len - 1] == ']') {
        return is_address((bell_str){host.p + 1, host.len - 2}, AF_INET6, at);
    }
    return is_address(host, AF_INET, at);
}
