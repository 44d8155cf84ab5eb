/* What a key of an edge is made of; for bell_context.c, which uses it, and bell_context_key.c, which reads it. */
#ifndef BELL_CONTEXT_KEY_H
#define BELL_CONTEXT_KEY_H

#include "bell_context.h"
#include "bell_hmac.h"

struct bell_context_key {
    char id[BELL_CONTEXT_ID_BYTES + 1];
    bell_hmac mac;
    bool all_tenants;  /* the list is not asked */
    uint32_t *tenants; /* ascending, owned */
    size_t ntenants;
};

#endif
