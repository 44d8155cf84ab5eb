#include "akamai.h"

#include <ctype.h>

/* ---- the vectors */

static bell_akamai_options options_of(const json_t *config) {
    bell_str location = signed_text(config, "location"), alg = signed_text(config, "algorithm");
    bell_akamai_options o = {
        .location = bell_str_eq(location, BELL_STR("cookie"))   ? BELL_AKAMAI_COOKIE
                    : bell_str_eq(location, BELL_STR("header")) ? BELL_AKAMAI_HEADER
                                                                : BELL_AKAMAI_QUERY,
        .name = signed_text(config, "param"),
        .alg = bell_str_eq(alg, BELL_STR("md5"))    ? BELL_SIGNED_HMAC_MD5
               : bell_str_eq(alg, BELL_STR("sha1")) ? BELL_SIGNED_HMAC_SHA1
                                                    : BELL_SIGNED_HMAC_SHA256,
        .escape = json_is_true(json_object_get(config, "escape")),
        .ignore_query = json_is_true(json_object_get(config, "ignore_query")),
        .salt = signed_text(config, "salt"),
    };
    return o;
}

static void vectors(void **state) {
    json_t *file = signed_vectors("akamai"), *v;
    size_t i;

    (void)state;
    json_array_foreach(json_object_get(file, "vectors"), i, v) {
        const json_t *config = json_object_get(v, "config");
        bell_akamai_options o = options_of(config);
        const char *next = json_string_value(json_object_get(config, "transition_key"));
        bell_signed_keys keys = {{new_key("first", o.alg, json_string_value(json_object_get(config, "key")))}, 1};
        bell_signed_result out;
        signed_case c;
        if (next != NULL) {
            keys.keys[keys.nkeys++] = new_key("next", o.alg, next);
        }
        signed_case_of(v, &c);
        bell_signed_reason r = check(&c, &keys, &o, &out);
        signed_expect(v, r);
        if (strcmp(json_string_value(json_object_get(v, "id")), "ak-transition") == 0) {
            assert_true(bell_str_eq(out.key_id, BELL_STR("next")));
        }
        if (strcmp(json_string_value(json_object_get(v, "id")), "ak-id-data") == 0) {
            assert_true(bell_str_eq(out.subject, BELL_STR("s-77")) && bell_str_eq(out.data, BELL_STR("tenant=district9")));
        }
        signed_keys_free(&keys);
    }
    json_decref(file);
}

/* ---- one field after the other */

static const struct {
    const char *body; /* signed as it stands */
    bool escape;
    bell_signed_reason reason;
    const char *subject, *data;
} field_rows[] = {
    {EXP "~acl=/live/*", false, BELL_SIGNED_OK, "", ""},
    {"acl=/live/*~" EXP, false, BELL_SIGNED_OK, "", ""},
    {EXP "~acl=/a*!/live/c7/*", false, BELL_SIGNED_OK, "", ""},
    {EXP "~acl=/live/c7/s1.ts", false, BELL_SIGNED_OK, "", ""},
    {EXP "~acl=/live/c?/s1.ts", false, BELL_SIGNED_OK, "", ""},
    {EXP "~acl=*.ts", false, BELL_SIGNED_OK, "", ""},
    {EXP "~acl=/live/c7/s1.ts*", false, BELL_SIGNED_OK, "", ""},
    {EXP "~acl=/live/c7/s1.ts?*", false, BELL_SIGNED_RESOURCE, "", ""},
    {EXP "~acl=/live/c7/s1.t", false, BELL_SIGNED_RESOURCE, "", ""},
    {EXP "~acl=/live/", false, BELL_SIGNED_RESOURCE, "", ""},
    {EXP "~acl=live/*", false, BELL_SIGNED_RESOURCE, "", ""},
    {EXP "~acl=", false, BELL_SIGNED_RESOURCE, "", ""},
    {EXP "~acl=!", false, BELL_SIGNED_RESOURCE, "", ""},
    {EXP "~acl=/LIVE/*", false, BELL_SIGNED_RESOURCE, "", ""},
    {EXP "~acl=https://cdn.school.example/live/*", false, BELL_SIGNED_RESOURCE, "", ""},
    {"ip=192.0.2.10~" EXP "~acl=/*", false, BELL_SIGNED_OK, "", ""},
    {"ip=::ffff:192.0.2.10~" EXP "~acl=/*", false, BELL_SIGNED_OK, "", ""},
    {"ip=192.0.2.11~" EXP "~acl=/*", false, BELL_SIGNED_ADDRESS, "", ""},
    {"ip=2001:db8::1~" EXP "~acl=/*", false, BELL_SIGNED_ADDRESS, "", ""},
    {"ip=192.0.2.0/24~" EXP "~acl=/*", false, BELL_SIGNED_MALFORMED, "", ""},
    {"ip=~" EXP "~acl=/*", false, BELL_SIGNED_MALFORMED, "", ""},
    {"ip=localhost~" EXP "~acl=/*", false, BELL_SIGNED_MALFORMED, "", ""},
    {"ip=192.0.2.10~ip=192.0.2.10~" EXP "~acl=/*", false, BELL_SIGNED_MALFORMED, "", ""},
    {"st=1799999999~" EXP "~acl=/*", false, BELL_SIGNED_OK, "", ""},
    {"st=1800000000~" EXP "~acl=/*", false, BELL_SIGNED_OK, "", ""},
    {"st=1800000001~" EXP "~acl=/*", false, BELL_SIGNED_NOT_YET, "", ""},
    {"st=~" EXP "~acl=/*", false, BELL_SIGNED_MALFORMED, "", ""},
    {"st=now~" EXP "~acl=/*", false, BELL_SIGNED_MALFORMED, "", ""},
    {"st=1~st=2~" EXP "~acl=/*", false, BELL_SIGNED_MALFORMED, "", ""},
    {"exp=1800000001~acl=/*", false, BELL_SIGNED_OK, "", ""},
    {"exp=1800000000~acl=/*", false, BELL_SIGNED_EXPIRED, "", ""},
    {"exp=1799999999~acl=/*", false, BELL_SIGNED_EXPIRED, "", ""},
    {"exp=9999999999~acl=/*", false, BELL_SIGNED_OK, "", ""},
    {"exp=18000006000~acl=/*", false, BELL_SIGNED_MALFORMED, "", ""},
    {"exp=01800000600~acl=/*", false, BELL_SIGNED_MALFORMED, "", ""},
    {"exp=-1~acl=/*", false, BELL_SIGNED_MALFORMED, "", ""},
    {"exp=+1800000600~acl=/*", false, BELL_SIGNED_MALFORMED, "", ""},
    {"exp=1.8e9~acl=/*", false, BELL_SIGNED_MALFORMED, "", ""},
    {"exp=~acl=/*", false, BELL_SIGNED_MALFORMED, "", ""},
    {"exp~acl=/*", false, BELL_SIGNED_MALFORMED, "", ""},
    {"acl=/*", false, BELL_SIGNED_MALFORMED, "", ""},
    {EXP "~" EXP "~acl=/*", false, BELL_SIGNED_MALFORMED, "", ""},
    {EXP "~exp=1900000000~acl=/*", false, BELL_SIGNED_MALFORMED, "", ""},
    {EXP "~acl=/*~id=s-1~data=x=y=z", false, BELL_SIGNED_OK, "s-1", "x=y=z"},
    {EXP "~acl=/*~id=~data=", false, BELL_SIGNED_OK, "", ""},
    {EXP "~acl=/*~id=a%20b~data=c+d", false, BELL_SIGNED_OK, "a%20b", "c+d"},
    {EXP "~acl=/*~id=a%20b~data=c+d%7e%3d", true, BELL_SIGNED_OK, "a b", "c d~="},
    {EXP "~acl=/*~id=%c3%a9", true, BELL_SIGNED_OK, "\xc3\xa9", ""},
    {EXP "~acl=/*~id=%ff", true, BELL_SIGNED_MALFORMED, "", ""},
    {EXP "~acl=/*~data=%00", true, BELL_SIGNED_MALFORMED, "", ""},
    {EXP "~acl=/*~data=a%0d%0ab", true, BELL_SIGNED_MALFORMED, "", ""},
    {EXP "~acl=/*~data=%zz", true, BELL_SIGNED_MALFORMED, "", ""},
    {EXP "~acl=/*~data=%4", true, BELL_SIGNED_MALFORMED, "", ""},
    {EXP "~acl=/*~id=1~id=2", false, BELL_SIGNED_MALFORMED, "", ""},
    {EXP "~acl=/*~data=a~b", false, BELL_SIGNED_MALFORMED, "", ""},
    {EXP "~acl=/*~~id=1", false, BELL_SIGNED_MALFORMED, "", ""},
    {"~" EXP "~acl=/*", false, BELL_SIGNED_MALFORMED, "", ""},
    {EXP "~acl=/*~", false, BELL_SIGNED_MALFORMED, "", ""},
    {EXP "~acl=/*~geo=US", false, BELL_SIGNED_MALFORMED, "", ""},
    {EXP "~acl=/*~EXP=1900000000", false, BELL_SIGNED_MALFORMED, "", ""},
    {EXP "~acl=/*~=x", false, BELL_SIGNED_MALFORMED, "", ""},
    {EXP "~acl=/*~url=/live/c7/s1.ts", false, BELL_SIGNED_MALFORMED, "", ""},
    {EXP "~url=/x~acl=/*", false, BELL_SIGNED_MALFORMED, "", ""},
    {EXP "~acl=/*~salt=pepper", false, BELL_SIGNED_MALFORMED, "", ""},
    {EXP "~acl=/*~hmac=00", false, BELL_SIGNED_MALFORMED, "", ""},
};

static void fields(void **state) {
    (void)state;
    for (size_t i = 0; i < ROWS(field_rows); i++) {
        bell_akamai_options o = plain;
        char token[1024], target[1200];
        bell_signed_result out;
        signed_case c;
        o.escape = field_rows[i].escape;
        sign_text(o.alg, KEY, field_rows[i].body, "", token, sizeof(token));
        snprintf(target, sizeof(target), "/live/c7/s1.ts?hdnts=%s&x=1", token);
        signed_case_init(&c);
        c.request.target = bell_str_of(target);
        bell_signed_reason r = check_one(&c, &o, &out);
        if (r != field_rows[i].reason) {
            fail_msg("row \"%s\": %s", field_rows[i].body, bell_signed_reason_name(r));
        }
        assert_row(bell_str_eq(out.target, BELL_STR("/live/c7/s1.ts?x=1")), field_rows[i].body);
        assert_row(bell_str_eq(out.subject, bell_str_of(field_rows[i].subject)), field_rows[i].body);
        assert_row(bell_str_eq(out.data, bell_str_of(field_rows[i].data)), field_rows[i].body);
        assert_row(bell_str_eq(out.key_id, BELL_STR("one")), field_rows[i].body);
        assert_row(bell_str_eq(out.token, bell_str_of(token)), field_rows[i].body);
    }
}

/* Patterns as people write them, and what a client makes of the path. */
static void patterns_with_escapes(void **state) {
    static const struct {
        const char *acl, *path;
        bell_signed_reason reason;
    } rows[] = {
        {"/v/\xc3\xa9 1/*", "/v/%C3%A9%201/a.mp4", BELL_SIGNED_OK}, {"/v/%C3%A9%201/*", "/v/%C3%A9%201/a.mp4", BELL_SIGNED_OK},
        {"/v/\xc3\xa9/*", "/v/\xc3\xa9/a.mp4", BELL_SIGNED_OK},     {"/v/\xc3\xa9/*", "/v/%c3%a9/a.mp4", BELL_SIGNED_RESOURCE},
        {"/v/%c3%a9/*", "/v/%C3%A9/a.mp4", BELL_SIGNED_RESOURCE},   {"/v/a/*", "/v/%61/a.mp4", BELL_SIGNED_RESOURCE},
        {"/v/a/*", "/v%2Fa%2Fa.mp4", BELL_SIGNED_RESOURCE},         {"/v/a b/*", "/v/a%2520b/a.mp4", BELL_SIGNED_RESOURCE},
        {"/v/?/*", "/v/%C3%A9/a.mp4", BELL_SIGNED_RESOURCE},        {"/v/ */b", "/v/%20/../b", BELL_SIGNED_PATH},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        char body[200], token[400], target[600];
        bell_signed_result out;
        signed_case c;
        snprintf(body, sizeof(body), EXP "~acl=%s", rows[i].acl);
        sign_text(plain.alg, KEY, body, "", token, sizeof(token));
        snprintf(target, sizeof(target), "%s?hdnts=%s", rows[i].path, token);
        signed_case_init(&c);
        c.request.target = bell_str_of(target);
        assert_row(check_one(&c, &plain, &out) == rows[i].reason, rows[i].path);
    }
}

static void unknown_client(void **state) {
    bell_signed_result out;
    char token[300], target[400];
    signed_case c;

    (void)state;
    sign_text(plain.alg, KEY, "ip=0.0.0.0~" EXP "~acl=/*", "", token, sizeof(token));
    snprintf(target, sizeof(target), "/x?hdnts=%s", token);
    signed_case_init(&c);
    c.request.target = bell_str_of(target);
    c.request.client = (bell_address){0};
    assert_int_equal(check_one(&c, &plain, &out), BELL_SIGNED_ADDRESS);
}

/* ---- the shape of what is sent */

static void shapes(void **state) {
    static const struct {
        const char *before, *after; /* around the token */
        bell_signed_reason reason;
    } rows[] = {
        {"/x?hdnts=", "", BELL_SIGNED_OK},
        {"/x?a=1&hdnts=", "&b=2", BELL_SIGNED_OK},
        {"/x?&&hdnts=", "", BELL_SIGNED_OK},
        {"/x?hdnts=", "&hdnts=", BELL_SIGNED_MALFORMED},
        {"/x?hdnts=&hdnts=", "", BELL_SIGNED_MALFORMED},
        {"/x?HDNTS=", "", BELL_SIGNED_MISSING},
        {"/x?hdnts%3d", "", BELL_SIGNED_MISSING},
        {"/x?%68dnts=", "", BELL_SIGNED_MISSING},
        {"/x?;hdnts=", "", BELL_SIGNED_MISSING},
        {"/x;hdnts=", "", BELL_SIGNED_MISSING},
        {"/x?y?hdnts=", "", BELL_SIGNED_MISSING},
        {"/x?hdnts==", "", BELL_SIGNED_SIGNATURE},
        {"/x?hdnts=%20", "", BELL_SIGNED_SIGNATURE},
        {"/x?hdnts=+", "", BELL_SIGNED_SIGNATURE},
        {"/x?hdnts=", "0", BELL_SIGNED_MALFORMED},
        {"/x?hdnts=", "~", BELL_SIGNED_MALFORMED},
        {"/x?hdnts=", "%00", BELL_SIGNED_MALFORMED},
        {"/x?hdnts=", "%", BELL_SIGNED_MALFORMED},
        {"/x?hdnts=", "#", BELL_SIGNED_MALFORMED},
        {"/x/../y?hdnts=", "", BELL_SIGNED_PATH},
        {"/x/%2e%2E/y?hdnts=", "", BELL_SIGNED_PATH},
        {"/x%2f..%2fy?hdnts=", "", BELL_SIGNED_PATH},
        {"/x/./y?hdnts=", "", BELL_SIGNED_PATH},
        {"/x%00?hdnts=", "", BELL_SIGNED_PATH},
        {"/x%zz?hdnts=", "", BELL_SIGNED_PATH},
        {"/x\\y?hdnts=", "", BELL_SIGNED_PATH},
    };
    char token[300], target[500];

    (void)state;
    sign_text(plain.alg, KEY, EXP "~acl=/*", "", token, sizeof(token));
    for (size_t i = 0; i < ROWS(rows); i++) {
        bell_signed_result out;
        signed_case c;
        snprintf(target, sizeof(target), "%s%s%s", rows[i].before, token, rows[i].after);
        signed_case_init(&c);
        c.request.target = bell_str_of(target);
        bell_signed_reason r = check_one(&c, &plain, &out);
        if (r != rows[i].reason) {
            fail_msg("row \"%s\" \"%s\": %s", rows[i].before, rows[i].after, bell_signed_reason_name(r));
        }
    }
}

static void digits_of_a_mac(void **state) {
    static const struct {
        int change; /* 0: upper case, 1: no hexadecimal digit, 2: one digit less, 3: none at all, 4: another digit */
        bell_signed_reason reason;
    } rows[] = {
        {0, BELL_SIGNED_MALFORMED}, {1, BELL_SIGNED_MALFORMED}, {2, BELL_SIGNED_MALFORMED}, {3, BELL_SIGNED_MALFORMED}, {4, BELL_SIGNED_SIGNATURE}};

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        char token[300], target[400];
        bell_signed_result out;
        signed_case c;
        sign_text(plain.alg, KEY, EXP "~acl=/*", "", token, sizeof(token));
        size_t len = strlen(token), letter = len - 1;
        while (token[letter] < 'a') {
            letter--;
        }
        if (rows[i].change == 0) {
            token[letter] = (char)(token[letter] - 32);
        } else if (rows[i].change == 1) {
            token[len - 1] = 'g';
        } else if (rows[i].change == 2) {
            token[len - 1] = '\0';
        } else if (rows[i].change == 3) {
            token[len - 64] = '\0';
        } else {
            token[len - 1] = token[len - 1] == '0' ? '1' : '0';
        }
        snprintf(target, sizeof(target), "/x?hdnts=%s", token);
        signed_case_init(&c);
        c.request.target = bell_str_of(target);
        assert_int_equal(check_one(&c, &plain, &out), rows[i].reason);
        assert_true(out.key_id.p == NULL && out.subject.p == NULL);
    }
}

/* encodeURIComponent() and URLSearchParams, as clients apply them to the whole value. */
static void encode(const char *text, bool all, char *out) {
    for (; *text != '\0'; text++) {
        if (isalnum((unsigned char)*text) || strchr("-_.*", *text) != NULL || (!all && strchr("~!'()", *text) != NULL)) {
            *out++ = *text;
        } else {
            out += sprintf(out, "%%%02X", (unsigned)(unsigned char)*text);
        }
    }
    *out = '\0';
}

static void encoded_values(void **state) {
    static const char *const bodies[] = {EXP "~acl=/live/*!/x", "ip=192.0.2.10~" EXP "~acl=/live/*!/x~id=a%2fb", EXP "~acl=/x~data={\"a\":\"b c\"}"};

    (void)state;
    for (size_t i = 0; i < 2 * ROWS(bodies); i++) {
        char token[300], value[900], target[1000], cookie[1000];
        bell_akamai_options o = plain;
        bell_signed_result out;
        signed_case c;
        sign_text(o.alg, KEY, bodies[i / 2], "", token, sizeof(token));
        encode(token, i % 2 == 1, value);
        assert_string_not_equal(token, value);
        signed_case_init(&c);
        snprintf(target, sizeof(target), "/x?hdnts=%s&v=1", value);
        c.request.target = bell_str_of(target);
        assert_int_equal(check_one(&c, &o, &out), BELL_SIGNED_OK);
        assert_true(bell_str_eq(out.target, BELL_STR("/x?v=1")));

        json_t *headers = json_object();
        snprintf(cookie, sizeof(cookie), "a=b; hdnts=%s; c=d", value);
        json_object_set_new(headers, "Cookie", json_string(cookie));
        c.request.target = BELL_STR("/x?v=1");
        c.headers = headers;
        o.location = BELL_AKAMAI_COOKIE;
        assert_int_equal(check_one(&c, &o, &out), BELL_SIGNED_OK);
        assert_true(bell_str_eq(out.target, BELL_STR("/x?v=1")));
        json_decref(headers);
    }
}

static void too_long(void **state) {
    char *target = malloc(70000);
    bell_signed_result out;
    signed_case c;

    (void)state;
    for (size_t len = BELL_AKAMAI_TOKEN_MAX; len < 70000 - 20; len += 53000) {
        memcpy(target, "/x?hdnts=", 9);
        memset(target + 9, 'a', len + 1);
        for (int excess = 0; excess < 2; excess++) {
            signed_case_init(&c);
            c.request.target = (bell_str){target, 9 + len + (size_t)excess};
            assert_int_equal(check_one(&c, &plain, &out), BELL_SIGNED_MALFORMED);
            assert_true(bell_str_eq(out.target, BELL_STR("/x")));
        }
    }
    char *body = malloc(9000), *token = malloc(9000); /* the longest that is taken */
    memset(body, 'a', 9000);
    memcpy(body, EXP "~acl=/*~data=", 27);
    body[BELL_AKAMAI_TOKEN_MAX - 70] = '\0';
    unsigned char mac[32], key[32];
    unsigned mac_len;
    for (size_t i = 0; i < 32; i++) {
        char pair[3] = {KEY[2 * i], KEY[2 * i + 1], '\0'};
        key[i] = (unsigned char)strtoul(pair, NULL, 16);
    }
    for (size_t cut = 0; cut < 2; cut++) {
        size_t n = BELL_AKAMAI_TOKEN_MAX - 70 + cut;
        body[n - 1] = body[n] = 'a';
        assert_non_null(HMAC(EVP_sha256(), key, 32, (unsigned char *)body, n, mac, &mac_len));
        memcpy(token, body, n);
        memcpy(token + n, "~hmac=", 6);
        for (size_t i = 0; i < 32; i++) {
            sprintf(token + n + 6 + 2 * i, "%02x", mac[i]);
        }
        memcpy(target + 9, token, n + 70);
        c.request.target = (bell_str){target, 9 + n + 70};
        assert_int_equal(check_one(&c, &plain, &out), cut == 0 ? BELL_SIGNED_OK : BELL_SIGNED_MALFORMED);
    }
    free(token);
    free(body);
    free(target);
}

/* ---- places */

static void cookies_and_headers(void **state) {
    static const struct {
        bell_akamai_location location;
        const char *name, *headers; /* $ stands for the token */
        bell_signed_reason reason;
    } rows[] = {
        {BELL_AKAMAI_COOKIE, "hdntl", "{\"Cookie\": \"hdntl=$\"}", BELL_SIGNED_OK},
        {BELL_AKAMAI_COOKIE, "hdntl", "{\"Cookie\": [\"a=b\", \"c=d;hdntl=$ ; e=f\"]}", BELL_SIGNED_OK},
        {BELL_AKAMAI_COOKIE, "hdntl", "{\"Cookie\": \"HDNTL=$\"}", BELL_SIGNED_MISSING},
        {BELL_AKAMAI_COOKIE, "hdntl", "{\"Cookie\": \"xhdntl=$\"}", BELL_SIGNED_MISSING},
        {BELL_AKAMAI_COOKIE, "hdntl", "{\"Cookie\": \"hdntl=\"}", BELL_SIGNED_MISSING},
        {BELL_AKAMAI_COOKIE, "hdntl", "{\"hdntl\": \"$\"}", BELL_SIGNED_MISSING},
        {BELL_AKAMAI_COOKIE, "hdntl", "{\"Cookie\": \"hdntl=$; hdntl=$\"}", BELL_SIGNED_MALFORMED},
        {BELL_AKAMAI_COOKIE, "hdntl", "{\"Cookie\": [\"hdntl=$\", \"hdntl=x\"]}", BELL_SIGNED_MALFORMED},
        {BELL_AKAMAI_COOKIE, "hdntl", "{\"Cookie\": \"hdntl=\\\"$\\\"\"}", BELL_SIGNED_MALFORMED},
        {BELL_AKAMAI_HEADER, "X-Token", "{\"x-token\": \"$\"}", BELL_SIGNED_OK},
        {BELL_AKAMAI_HEADER, "x-token", "{\"X-TOKEN\": \"  $ \"}", BELL_SIGNED_OK},
        {BELL_AKAMAI_HEADER, "X-Token", "{\"X-Token\": [\"$\", \"$\"]}", BELL_SIGNED_MALFORMED},
        {BELL_AKAMAI_HEADER, "X-Token", "{\"X-Token\": \"\"}", BELL_SIGNED_MISSING},
        {BELL_AKAMAI_HEADER, "X-Token", "{\"X-Token\": \"$,$\"}", BELL_SIGNED_SIGNATURE},
        {BELL_AKAMAI_HEADER, "X-Token", "{\"Cookie\": \"X-Token=$\"}", BELL_SIGNED_MISSING},
    };
    char token[300];

    (void)state;
    sign_text(plain.alg, KEY, EXP "~acl=/*", "", token, sizeof(token));
    for (size_t i = 0; i < ROWS(rows); i++) {
        char text[1000];
        size_t n = 0;
        for (const char *p = rows[i].headers; *p != '\0'; p++) {
            n += (size_t)snprintf(text + n, sizeof(text) - n, "%.*s", *p == '$' ? 300 : 1, *p == '$' ? token : p);
        }
        bell_akamai_options o = plain;
        bell_signed_result out;
        signed_case c;
        signed_case_init(&c);
        json_t *headers = json_loads(text, 0, NULL);
        assert_non_null(headers);
        c.headers = headers;
        c.request.target = BELL_STR("/x?hdntl=not-here");
        o.location = rows[i].location;
        o.name = bell_str_of(rows[i].name);
        bell_signed_reason r = check_one(&c, &o, &out);
        if (r != rows[i].reason) {
            fail_msg("row \"%s\": %s", rows[i].headers, bell_signed_reason_name(r));
        }
        assert_row(bell_str_eq(out.target, c.request.target), rows[i].headers);
        json_decref(headers);
    }
}

/* ---- keys and algorithms */

static void algorithms(void **state) {
    static const bell_signed_alg algs[] = {BELL_SIGNED_HMAC_MD5, BELL_SIGNED_HMAC_SHA1, BELL_SIGNED_HMAC_SHA256};

    (void)state;
    for (size_t i = 0; i < 9; i++) {
        bell_akamai_options o = plain;
        char token[300], target[400];
        bell_signed_result out;
        signed_case c;
        sign_text(algs[i / 3], KEY, EXP "~acl=/*", "", token, sizeof(token));
        snprintf(target, sizeof(target), "/x?hdnts=%s", token);
        o.alg = algs[i % 3];
        signed_case_init(&c);
        c.request.target = bell_str_of(target);
        assert_int_equal(check_one(&c, &o, &out), i / 3 == i % 3 ? BELL_SIGNED_OK : BELL_SIGNED_MALFORMED);
        o.alg = BELL_SIGNED_ED25519;
        bell_signed_keys none = {.nkeys = 0};
        assert_int_equal(check(&c, &none, &o, &out), BELL_SIGNED_MALFORMED);
    }
}

static void keys_and_their_windows(void **state) {
    static const struct {
        int64_t from_s, until_s;
        bell_signed_alg alg;
        bool with_other;
        bell_signed_reason reason;
    } rows[] = {
        {0, 0, BELL_SIGNED_HMAC_SHA256, false, BELL_SIGNED_OK},         {0, 0, BELL_SIGNED_HMAC_SHA256, true, BELL_SIGNED_OK},
        {NOW, NOW + 1, BELL_SIGNED_HMAC_SHA256, true, BELL_SIGNED_OK},  {NOW + 1, 0, BELL_SIGNED_HMAC_SHA256, true, BELL_SIGNED_SIGNATURE},
        {0, NOW, BELL_SIGNED_HMAC_SHA256, true, BELL_SIGNED_SIGNATURE}, {0, NOW, BELL_SIGNED_HMAC_SHA256, false, BELL_SIGNED_KEY},
        {0, 0, BELL_SIGNED_HMAC_SHA1, true, BELL_SIGNED_SIGNATURE},     {0, 0, BELL_SIGNED_HMAC_SHA1, false, BELL_SIGNED_KEY},
    };
    char token[300], target[400];

    (void)state;
    sign_text(plain.alg, KEY, EXP "~acl=/*", "", token, sizeof(token));
    snprintf(target, sizeof(target), "/x?hdnts=%s", token);
    for (size_t i = 0; i < ROWS(rows); i++) {
        bell_signed_keys keys = {.nkeys = 0};
        bell_signed_result out;
        signed_case c;
        if (rows[i].with_other) {
            keys.keys[keys.nkeys++] = new_key("other", BELL_SIGNED_HMAC_SHA256, OTHER);
        }
        keys.keys[keys.nkeys] = new_key("", rows[i].alg, KEY);
        keys.keys[keys.nkeys]->from_s = rows[i].from_s;
        keys.keys[keys.nkeys++]->until_s = rows[i].until_s;
        signed_case_init(&c);
        c.request.target = bell_str_of(target);
        assert_int_equal(check(&c, &keys, &plain, &out), rows[i].reason);
        assert_true(out.key_id.len == 0);
        signed_keys_free(&keys);
    }
}

static void salts(void **state) {
    bell_akamai_options o = plain;
    char token[300], target[400];
    bell_signed_result out;
    signed_case c;

    (void)state;
    o.salt = BELL_STR("pepper");
    sign_text(o.alg, KEY, EXP, "~url=/x~salt=pepper", token, sizeof(token));
    snprintf(target, sizeof(target), "/x?hdnts=%s", token);
    signed_case_init(&c);
    c.request.target = bell_str_of(target);
    assert_int_equal(check_one(&c, &o, &out), BELL_SIGNED_OK);
    o.salt = BELL_STR("Pepper");
    assert_int_equal(check_one(&c, &o, &out), BELL_SIGNED_SIGNATURE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors),
        cmocka_unit_test(fields),
        cmocka_unit_test(patterns_with_escapes),
        cmocka_unit_test(unknown_client),
        cmocka_unit_test(shapes),
        cmocka_unit_test(digits_of_a_mac),
        cmocka_unit_test(encoded_values),
        cmocka_unit_test(too_long),
        cmocka_unit_test(cookies_and_headers),
        cmocka_unit_test(algorithms),
        cmocka_unit_test(keys_and_their_windows),
        cmocka_unit_test(salts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
