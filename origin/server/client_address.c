#include "origin/server/client_address.h"

#include <arpa/inet.h>
#include <openssl/evp.h>
#include <stdio.h>

void fb_source_digest(char kind, bell_str bytes, char out[FB_SOURCE_BYTES + 1]) {
    unsigned char hash[32] = {0};
    unsigned n = 0;

    EVP_Digest(bytes.p, bytes.len, hash, &n, EVP_sha256(), NULL);
    out[0] = kind;
    for (unsigned i = 0; i < (FB_SOURCE_BYTES - 1) / 2; i++) {
        snprintf(out + 1 + 2 * (size_t)i, 3, "%02x", hash[i]);
    }
}

static bell_str last_element(bell_str list) {
    bell_str last = list;
    while (list.len > 0) {
        last = bell_str_cut(&list, ',');
    }
    return bell_str_trim(last);
}

void fb_client_source(const bell_http_request *q, char out[FB_SOURCE_BYTES + 1]) {
    bell_str address = last_element(bell_http_header_get(q, BELL_STR("X-Forwarded-For")));
    char text[INET6_ADDRSTRLEN + 1] = "";
    struct in_addr v4;
    struct in6_addr v6;
    bell_str prefix = BELL_STR("none");

    if (address.len > 0 && address.len < sizeof(text) && bell_http_header_count(q, BELL_STR("X-Forwarded-For")) == 1) {
        memcpy(text, address.p, address.len);
    }
    if (inet_pton(AF_INET, text, &v4) == 1) {
        prefix = (bell_str){(const char *)&v4, sizeof(v4)};
    } else if (inet_pton(AF_INET6, text, &v6) == 1) {
        bool mapped = IN6_IS_ADDR_V4MAPPED(&v6);
        prefix = mapped ? (bell_str){(const char *)&v6.s6_addr[12], 4} : (bell_str){(const char *)&v6, 8};
    }
    fb_source_digest('a', prefix, out);
}
