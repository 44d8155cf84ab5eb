#include "origin/server/request_id.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

static bool is_well_formed(bell_str id) {
    if (id.len == 0 || id.len > FB_REQUEST_ID_BYTES) {
        return false;
    }
    for (size_t i = 0; i < id.len; i++) {
        if (!isalnum((unsigned char)id.p[i]) && id.p[i] != '-' && id.p[i] != '_') {
            return false;
        }
    }
    return true;
}

void fb_request_id_take(bell_str id, char out[FB_REQUEST_ID_BYTES + 1]) {
    if (is_well_formed(id)) {
        memcpy(out, id.p, id.len);
        out[id.len] = '\0';
    }
}

void fb_request_id(const bell_http_request *r, char out[FB_REQUEST_ID_BYTES + 1]) {
    bell_str id = r != NULL ? bell_http_header_get(r, BELL_STR("X-Request-Id")) : BELL_STR_NULL;
    uint64_t random[2];

    if (is_well_formed(id)) {
        memcpy(out, id.p, id.len);
        out[id.len] = '\0';
        return;
    }
    if (getrandom(random, sizeof(random), GRND_NONBLOCK) != (ssize_t)sizeof(random)) {
        random[0] = (uint64_t)rand(); /* an id need not be secret */
        random[1] = (uint64_t)rand();
    }
    snprintf(out, FB_REQUEST_ID_BYTES + 1, "%016llx%016llx", (unsigned long long)random[0], (unsigned long long)random[1]);
}
