/* What the tests of verifiers share: the vectors in tests/vectors (one request and a clock each, with the verdict), requests made of them, and room.
 * Run from the top of the checkout. */
#ifndef SIGNED_H
#define SIGNED_H

#include "bell_signed.h"
#include "unit.h"

#include <jansson.h>
#include <stdio.h>

#define SIGNED_ROOM_BYTES 32768

/* One request. Texts belong to the vector, lists of fields to it or to the test. */
typedef struct {
    bell_signed_request request;
    const json_t *headers; /* {"Name": "value" or ["value", …]} */
    char room_bytes[SIGNED_ROOM_BYTES];
    bell_signed_room room;
} signed_case;

static inline json_t *signed_vectors(const char *name) {
    char path[200];
    json_error_t error;

    snprintf(path, sizeof(path), "tests/vectors/%s.json", name);
    json_t *file = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
    if (file == NULL) {
        fail_msg("%s (from the top of the checkout): %s", path, error.text);
    }
    assert_true(json_array_size(json_object_get(file, "vectors")) > 0);
    return file;
}

static inline bell_str signed_text(const json_t *object, const char *name) {
    const json_t *v = json_object_get(object, name);
    return json_is_string(v) ? (bell_str){json_string_value(v), json_string_length(v)} : BELL_STR_NULL;
}

static inline bool signed_field(void *data, bell_str name, unsigned nth, bell_str *value) {
    const signed_case *c = data;
    const char *own;
    json_t *v;

    json_object_foreach((json_t *)c->headers, own, v) {
        size_t n = json_is_array(v) ? json_array_size(v) : 1;
        if (!bell_str_ieq(bell_str_of(own), name)) {
            continue;
        }
        if (nth < n) {
            const json_t *one = json_is_array(v) ? json_array_get(v, nth) : v;
            *value = bell_str_trim((bell_str){json_string_value(one), json_string_length(one)});
            return true;
        }
        nth -= (unsigned)n;
    }
    *value = BELL_STR_NULL;
    return false;
}

/* A request that asks for nothing yet. */
static inline void signed_case_init(signed_case *c) {
    *c = (signed_case){.request = {.method = BELL_STR("GET"),
                                   .scheme = BELL_STR("https"),
                                   .host = BELL_STR("cdn.school.example"),
                                   .target = BELL_STR("/"),
                                   .now_s = 1800000000,
                                   .field = signed_field,
                                   .data = c}};
    assert_true(bell_address_parse(BELL_STR("192.0.2.10"), &c->request.client));
    c->room = (bell_signed_room){c->room_bytes, sizeof(c->room_bytes)};
}

/* The vector's request, or, where a vector has but its "uri", one from 127.0.0.1. */
static inline void signed_case_of(const json_t *vector, signed_case *c) {
    const json_t *r = json_object_get(vector, "request"), *now = json_object_get(vector, "now");

    signed_case_init(c);
    if (json_is_integer(now)) {
        c->request.now_s = json_integer_value(now);
    }
    if (r == NULL) {
        c->request.target = signed_text(vector, "uri");
        assert_true(bell_address_parse(BELL_STR("127.0.0.1"), &c->request.client));
        return;
    }
    c->request.method = signed_text(r, "method");
    c->request.scheme = signed_text(r, "scheme");
    c->request.host = signed_text(r, "host");
    c->request.target = signed_text(r, "uri");
    c->request.country = signed_text(r, "geo_country");
    c->request.asn = (uint32_t)json_integer_value(json_object_get(r, "asn"));
    c->headers = json_object_get(r, "headers");
    assert_true(bell_address_parse(signed_text(r, "client_ip"), &c->request.client));
}

/* Gives the room back, for the next call. */
static inline bell_signed_call signed_call(signed_case *c, const bell_signed_keys *keys) {
    c->room = (bell_signed_room){c->room_bytes, sizeof(c->room_bytes)};
    return (bell_signed_call){.request = &c->request, .keys = keys, .room = &c->room};
}

static inline const char *signed_class(bell_signed_reason r) {
    switch (r) {
    case BELL_SIGNED_ADDRESS:
        return "ip";
    case BELL_SIGNED_COUNTRY:
        return "geo";
    case BELL_SIGNED_REPLAYED:
        return "replay";
    default:
        return bell_signed_reason_name(r);
    }
}

/* The verdict that the vector has, and the class of its reason. */
static inline void signed_expect(const json_t *vector, bell_signed_reason got) {
    const char *id = json_string_value(json_object_get(vector, "id")), *reason = json_string_value(json_object_get(vector, "reason"));
    bool allow = bell_str_eq(signed_text(vector, "expect"), BELL_STR("allow"));

    if (allow != (got == BELL_SIGNED_OK)) {
        fail_msg("%s: %s, not what is expected: %s %s", id, signed_class(got), allow ? "allow" : "deny", reason != NULL ? reason : "");
    }
    if (!allow && reason != NULL && strcmp(reason, "uri") == 0) {
        reason = "resource";
    }
    if (!allow && reason != NULL && strcmp(reason, signed_class(got)) != 0) {
        fail_msg("%s: denied for \"%s\", expected \"%s\"", id, signed_class(got), reason);
    }
}

static inline void signed_keys_free(bell_signed_keys *keys) {
    while (keys->nkeys > 0) {
        bell_signed_key_free(keys->keys[--keys->nkeys]);
    }
}

/* xorshift64*: mutations that are the same in every run. */
static inline uint64_t signed_random(uint64_t *state) {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 0x2545F4914F6CDD1Du;
}

#endif
