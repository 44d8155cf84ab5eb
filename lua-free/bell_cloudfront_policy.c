/* Policies. What SDKs write is read where it stands; whatever this does not take, for whatever reason, goes to jansson, whose word is the last. */
#include "bell_cloudfront.h"

#include "bell_json_in.h"

#define SECONDS_MAX 9999999999 /* as in Expires: ten digits */

/* An IPv4 address or network; CloudFront knows no others, and what is not one must not pass for a condition. */
static bool is_network(bell_str text) {
    bell_address any = {.family = AF_INET};

    return memchr(text.p, ':', text.len) == NULL && bell_address_is_inside(&any, text) >= 0;
}

/* ---- without allocation: texts of ASCII without escapes, as all SDKs write them */

static void skip_space(bell_str *rest) {
    while (rest->len > 0 && (rest->p[0] == ' ' || rest->p[0] == '\n' || rest->p[0] == '\r' || rest->p[0] == '\t')) {
        rest->p++;
        rest->len--;
    }
}

/* This mark, behind white space or not. */
static bool mark(bell_str *rest, char c) {
    if (rest->len > 0 && rest->p[0] != c) {
        skip_space(rest);
    }
    if (rest->len == 0 || rest->p[0] != c) {
        return false;
    }
    rest->p++;
    rest->len--;
    return true;
}

static bool take_text(bell_str *rest, bell_str *out) {
    if (!mark(rest, '"')) {
        return false;
    }
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

static bool take_name(bell_str *rest, bell_str *out) {
    return take_text(rest, out) && mark(rest, ':');
}

/* The one member of an object, up to its value. */
static bool take_only(bell_str *rest, bell_str name) {
    bell_str own;

    return mark(rest, '{') && take_name(rest, &own) && bell_str_eq(own, name);
}

/* {"AWS:EpochTime": seconds} */
static bool take_time(bell_str *rest, int64_t *out) {
    size_t n = 0;

    if (*out != 0 || !take_only(rest, BELL_STR("AWS:EpochTime"))) { /* twice, or another */
        return false;
    }
    skip_space(rest);
    while (n < rest->len && rest->p[n] >= '0' && rest->p[n] <= '9') {
        n++;
    }
    if (!bell_signed_seconds((bell_str){rest->p, n}, out)) {
        return false;
    }
    *rest = (bell_str){rest->p + n, rest->len - n};
    return mark(rest, '}');
}

static bool take_conditions(bell_str *rest, bell_cloudfront_policy *out) {
    bell_str name;
    bool good = mark(rest, '{');

    while (good) {
        if (!take_name(rest, &name)) {
            return false;
        }
        if (bell_str_eq(name, BELL_STR("DateLessThan"))) {
            good = take_time(rest, &out->until_s);
        } else if (bell_str_eq(name, BELL_STR("DateGreaterThan"))) {
            good = take_time(rest, &out->from_s);
        } else {
            good = bell_str_eq(name, BELL_STR("IpAddress")) && out->network.p == NULL && take_only(rest, BELL_STR("AWS:SourceIp")) &&
                   take_text(rest, &out->network) && is_network(out->network) && mark(rest, '}');
        }
        if (good && !mark(rest, ',')) {
            return mark(rest, '}');
        }
    }
    return false;
}

static bool take_statement(bell_str *rest, bell_cloudfront_policy *out) {
    bell_str name;
    bool good = mark(rest, '{');

    while (good) {
        if (!take_name(rest, &name)) {
            return false;
        }
        if (bell_str_eq(name, BELL_STR("Resource"))) {
            good = !out->has_resource && take_text(rest, &out->resource);
            out->has_resource = true;
        } else {
            good = bell_str_eq(name, BELL_STR("Condition")) && out->until_s == 0 && take_conditions(rest, out) && out->until_s != 0;
        }
        if (good && !mark(rest, ',')) {
            return mark(rest, '}') && out->until_s != 0;
        }
    }
    return false;
}

/* false: not in this form, which says nothing yet. */
static bool read_usual(bell_str text, bell_cloudfront_policy *out) {
    *out = (bell_cloudfront_policy){0};
    if (!take_only(&text, BELL_STR("Statement")) || !mark(&text, '[') || !take_statement(&text, out) || !mark(&text, ']') || !mark(&text, '}')) {
        return false;
    }
    skip_space(&text);
    return text.len == 0;
}

/* ---- any JSON */

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
