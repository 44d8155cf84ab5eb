#include "origin/server/fetch_target.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <string.h>

#include "bell_str.h"

#define URL_MAX_BYTES  2048
#define HOST_MAX_BYTES 255

/* NULL when the part is absent. To be given back with curl_free. */
static char *part(CURLU *u, CURLUPart which) {
    char *text = NULL;
    return curl_url_get(u, which, &text, 0) == CURLUE_OK ? text : NULL;
}

static bool has_part(CURLU *u, CURLUPart which) {
    char *text = part(u, which);
    curl_free(text);
    return text != NULL;
}

/* curl's own parser: what is checked here is what is connected to. */
bool fb_fetch_url_is_https(const char *url, char *host) {
    bool good = false;
    CURLU *u = curl_url();

    for (const char *p = url; *p != '\0'; p++) {
        if ((unsigned char)*p <= ' ' || (unsigned char)*p >= 0x7f) {
            curl_url_cleanup(u);
            return false;
        }
    }
    if (u != NULL && strlen(url) <= URL_MAX_BYTES && curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK) {
        char *scheme = part(u, CURLUPART_SCHEME), *name = part(u, CURLUPART_HOST);
        good = scheme != NULL && strcmp(scheme, "https") == 0 && name != NULL && strlen(name) <= HOST_MAX_BYTES && !has_part(u, CURLUPART_USER) &&
               !has_part(u, CURLUPART_PASSWORD) && !has_part(u, CURLUPART_FRAGMENT);
        if (good && host != NULL) {
            memcpy(host, name, strlen(name) + 1);
        }
        curl_free(scheme);
        curl_free(name);
    }
    curl_url_cleanup(u);
    return good;
}

static bool v4_is_public(uint32_t a) {
    static const struct {
        uint32_t prefix;
        unsigned bits;
    } special[] = {
        {0x00000000, 8},  {0x0a000000, 8},  {0x64400000, 10}, {0x7f000000, 8},  {0xa9fe0000, 16}, {0xac100000, 12}, {0xc0000000, 24},
        {0xc0000200, 24}, {0xc0a80000, 16}, {0xc6120000, 15}, {0xc6336400, 24}, {0xcb007100, 24}, {0xe0000000, 3},
    };

    for (size_t i = 0; i < sizeof(special) / sizeof(*special); i++) {
        if (((a ^ special[i].prefix) >> (32 - special[i].bits)) == 0) {
            return false;
        }
    }
    return true;
}

static uint32_t be32(const unsigned char *p) {
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static bool v6_is_public(const unsigned char *a) {
    static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff}, nat64[12] = {0, 0x64, 0xff, 0x9b};

    if (memcmp(a, mapped, 12) == 0 || memcmp(a, nat64, 12) == 0) {
        return v4_is_public(be32(a + 12));
    }
    if (be32(a) >> 16 == 0x2002) { /* 6to4 */
        return v4_is_public(be32(a + 2));
    }
    /* Of the global unicast block all but Teredo and its neighbours (2001::/23) and documentation. */
    return a[0] >> 5 == 1 && be32(a) >> 9 != 0x20010000 >> 9 && be32(a) != 0x20010db8;
}

bool fb_fetch_address_is_public(const struct sockaddr *a) {
    if (a->sa_family == AF_INET) {
        return v4_is_public(ntohl(((const struct sockaddr_in *)(const void *)a)->sin_addr.s_addr));
    }
    return a->sa_family == AF_INET6 && v6_is_public(((const struct sockaddr_in6 *)(const void *)a)->sin6_addr.s6_addr);
}

bool fb_fetch_host_is_listed(const char *list, const char *host) {
    bell_str rest = bell_str_of(list);

    while (rest.len > 0) {
        bell_str word = bell_str_cut(&rest, ' ');
        if (word.len > 0 && bell_str_ieq(word, bell_str_of(host))) {
            return true;
        }
    }
    return false;
}
