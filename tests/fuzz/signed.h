/* What the fuzz targets of signed requests share: a request made of lines, and what holds of every answer. */
#ifndef FUZZ_SIGNED_H
#define FUZZ_SIGNED_H

#include "bell_signed.h"
#include "fuzz.h"

#include <string.h>

#define FUZZ_NOW 1800000000

typedef struct {
    bell_signed_request request;
    bell_str names[4], values[4]; /* fields, the same name twice or not */
    size_t nfields;
    char room_bytes[16384];
    bell_signed_room room;
} fuzz_request;

static inline bool fuzz_field(void *data, bell_str name, unsigned nth, bell_str *value) {
    const fuzz_request *f = data;

    for (size_t i = 0; i < f->nfields; i++) {
        if (bell_str_ieq(f->names[i], name) && nth-- == 0) {
            *value = f->values[i];
            return true;
        }
    }
    *value = BELL_STR_NULL;
    return false;
}

static inline bell_signed_call fuzz_call(fuzz_request *f, bell_str target, const bell_signed_keys *keys) {
    f->request = (bell_signed_request){.method = BELL_STR("GET"),
                                       .scheme = BELL_STR("https"),
                                       .host = BELL_STR("h.example"),
                                       .target = target,
                                       .client = {.family = AF_INET, .bytes = {192, 0, 2, 10}},
                                       .now_s = FUZZ_NOW,
                                       .field = fuzz_field,
                                       .data = f};
    f->room = (bell_signed_room){f->room_bytes, sizeof(f->room_bytes)};
    return (bell_signed_call){.request = &f->request, .keys = keys, .room = &f->room};
}

static inline void fuzz_add_field(fuzz_request *f, bell_str name, bell_str value) {
    if (f->nfields < 4 && value.len > 0) {
        f->names[f->nfields] = name;
        f->values[f->nfields++] = value;
    }
}

/* A target that may be logged and cut, times that hold, texts that may be shown. */
static inline void fuzz_check_result(const fuzz_request *f, bell_signed_reason r, const bell_signed_result *out) {
    fuzz_assert(r < BELL_SIGNED_REASONS && f->room.left <= sizeof(f->room_bytes));
    fuzz_assert(r == BELL_SIGNED_MISSING || out->target.p != NULL);
    fuzz_assert(out->target.len <= f->request.target.len);
    if (r == BELL_SIGNED_OK) {
        fuzz_assert(bell_signed_is_plain_target(out->target) && out->token.len > 0);
        fuzz_assert(out->expires_s == 0 || out->expires_s > FUZZ_NOW);
        fuzz_assert(bell_str_is_utf8(out->subject) && bell_str_is_utf8(out->data));
    } else {
        fuzz_assert(out->set_cookie.p == NULL && out->field_name.p == NULL && out->redirect.p == NULL);
    }
    if (r == BELL_SIGNED_SIGNATURE || r == BELL_SIGNED_MISSING) {
        fuzz_assert(out->subject.p == NULL && out->data.p == NULL && out->expires_s == 0);
    }
}

#endif
