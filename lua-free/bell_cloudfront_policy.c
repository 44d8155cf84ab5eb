/* Policies: what SDKs write is compared to their own text piece by piece; whatever differs from that in a byte goes to jansson. */
#include "bell_cloudfront.h"

#include "bell_json_in.h"

#define SECONDS_MAX 9999999999 /* as in Expires: ten digits */

/* An IPv4 address or network; CloudFront knows no others, and what is not one must not pass for a condition. */
static bool is_network(bell_str text) {
    bell_address any = {.family = AF_INET};

    return memchr(text.p, ':', text.len) == NULL && bell_address_is_inside(&any, text) >= 0;
}

/* ---- as SDKs write it */

static bool skip(bell_str *rest, bell_str literal) {
    if (!bell_str_starts(*rest, literal)) {
        return false;
    }
    rest->p += literal.len;
    rest->len -= literal.len;
    return true;
}

/* A string without escapes and of ASCII, up to behind its closing quote. */
static bool take_string(bell_str *rest, bell_str *out) {
    for (size_t i = 0; i < rest->len; i++) {
        unsigned char c = (unsigned char)rest->p[i];
        if (c == '"') {
            *out = (bell_str){rest->p, i};
            *rest = (bell_str){rest->p + i + 1, rest->len - i - 1};
            return true;
        }
        if (c < 0x20 || c > 0x7e || c == '\\') {
            return false;
        }
    }
    return false;
}

/* A time and its closing brace. */
static bool take_time(bell_str *rest, int64_t *out) {
    if (*out != 0) {
        return false; /* twice */
    }
    return bell_signed_seconds(bell_str_cut(rest, '}'), out);
}

static bool take_condition(bell_str *rest, bell_cloudfront_policy *out) {
    if (skip(rest, BELL_STR("\"DateLessThan\":{\"AWS:EpochTime\":"))) {
        return take_time(rest, &out->until_s);
    }
    if (skip(rest, BELL_STR("\"DateGreaterThan\":{\"AWS:EpochTime\":"))) {
        return take_time(rest, &out->from_s);
    }
    return out->network.p == NULL && skip(rest, BELL_STR("\"IpAddress\":{\"AWS:SourceIp\":\"")) && take_string(rest, &out->network) &&
           is_network(out->network) && skip(rest, BELL_STR("}"));
}

static bool read_usual(bell_str text, bell_cloudfront_policy *out) {
    *out = (bell_cloudfront_policy){.has_resource = true};
    if (!skip(&text, BELL_STR("{\"Statement\":[{\"Resource\":\"")) || !take_string(&text, &out->resource) ||
        !skip(&text, BELL_STR(",\"Condition\":{"))) {
        return false;
    }
    do {
        if (!take_condition(&text, out)) {
            return false;
        }
    } while (skip(&text, BELL_STR(",")));
    return out->until_s != 0 && bell_str_eq(text, BELL_STR("}}]}"));
}

/* ---- as anybody writes it */

/* A copy in the room, which stays when the JSON is given back. */
static bool keep_text(bell_signed_room *room, const json_t *text, bell_str *out) {
    if (!json_is_string(text)) {
        return false;
    }
    size_t len = json_string_length(text);
    char *p = bell_signed_take(room, len);
    if (p == NULL) {
        return false;
    }
    memcpy(p, json_string_value(text), len);
    *out = (bell_str){p, len};
    return true;
}

/* {"AWS:EpochTime": seconds} */
static bool read_time(const json_t *condition, int64_t *out) {
    const json_t *time = json_object_get(condition, "AWS:EpochTime");

    if (json_object_size(condition) != 1 || !json_is_integer(time)) {
        return false;
    }
    *out = json_integer_value(time);
    return *out > 0 && *out <= SECONDS_MAX;
}

/* {"AWS:SourceIp": "192.0.2.0/24"} */
static bool read_network(const json_t *condition, bell_signed_room *room, bell_str *out) {
    return json_object_size(condition) == 1 && keep_text(room, json_object_get(condition, "AWS:SourceIp"), out) && is_network(*out);
}

static bool read_conditions(json_t *conditions, bell_signed_room *room, bell_cloudfront_policy *out) {
    const char *name;
    json_t *condition;

    json_object_foreach(conditions, name, condition) {
        bool good = false;
        if (strcmp(name, "DateLessThan") == 0) {
            good = read_time(condition, &out->until_s);
        } else if (strcmp(name, "DateGreaterThan") == 0) {
            good = read_time(condition, &out->from_s);
        } else if (strcmp(name, "IpAddress") == 0) {
            good = read_network(condition, room, &out->network);
        }
        if (!good) {
            return false;
        }
    }
    return out->until_s != 0;
}

static bool read_statement(const json_t *statement, bell_signed_room *room, bell_cloudfront_policy *out) {
    const json_t *resource = json_object_get(statement, "Resource");
    json_t *conditions = json_object_get(statement, "Condition");

    out->has_resource = resource != NULL;
    return json_object_size(statement) == (resource != NULL ? 2 : 1) && json_is_object(conditions) &&
           (resource == NULL || keep_text(room, resource, &out->resource)) && read_conditions(conditions, room, out);
}

bool bell_cloudfront_policy_read_json(bell_str text, bell_signed_room *room, bell_cloudfront_policy *out) {
    char err[BELL_JSON_IN_ERROR_BYTES];
    json_t *policy = bell_json_read(text, err, sizeof(err));
    const json_t *statements = json_object_get(policy, "Statement");

    *out = (bell_cloudfront_policy){0};
    bool good = json_object_size(policy) == 1 && json_array_size(statements) == 1 && read_statement(json_array_get(statements, 0), room, out);
    json_decref(policy);
    return good;
}

bool bell_cloudfront_policy_read(bell_str text, bell_signed_room *room, bell_cloudfront_policy *out) {
    return read_usual(text, out) || bell_cloudfront_policy_read_json(text, room, out);
}
