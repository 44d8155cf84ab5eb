#include "akamai.h"

/* ---- URL tokens */

static const struct {
    const char *hashed; /* behind the fields */
    const char *before, *after;
    bool escape, ignore_query;
    bell_signed_reason reason;
} url_rows[] = {
    {"~url=/v/a.mp4", "/v/a.mp4?", "", false, true, BELL_SIGNED_OK},
    {"~url=/v/a.mp4", "/v/a.mp4?", "", false, false, BELL_SIGNED_OK},
    {"~url=/v/a.mp4", "/v/a.mp4?x=1&", "&y", false, true, BELL_SIGNED_OK},
    {"~url=/v/a.mp4", "/v/a.mp4?x=1&", "", false, false, BELL_SIGNED_SIGNATURE},
    {"~url=/v/a.mp4?x=1&y", "/v/a.mp4?x=1&", "&y", false, false, BELL_SIGNED_OK},
    {"~url=/v/a.mp4?x=1&y", "/v/a.mp4?y&", "&x=1", false, false, BELL_SIGNED_SIGNATURE},
    {"~url=/v/a.mp4?x=1&y", "/v/a.mp4?x=1&", "&y", false, true, BELL_SIGNED_SIGNATURE},
    {"~url=%2fv%2fa.mp4%3fx%3d1%26y", "/v/a.mp4?x=1&", "&y", true, false, BELL_SIGNED_OK},
    {"~url=%2fv%2fa.mp4", "/v/a.mp4?", "", true, true, BELL_SIGNED_OK},
    {"~url=%2fv%2fa.mp4", "/v/a.mp4?", "", false, true, BELL_SIGNED_SIGNATURE},
    {"~url=/v/a.mp4", "/v/a.mp4?", "", true, true, BELL_SIGNED_SIGNATURE},
    {"~url=%2Fv%2Fa.mp4", "/v/a.mp4?", "", true, true, BELL_SIGNED_SIGNATURE},
    {"~url=/v/a.mp4", "/v/A.mp4?", "", false, true, BELL_SIGNED_SIGNATURE},
    {"~url=/v/a.mp4", "//v/a.mp4?", "", false, true, BELL_SIGNED_SIGNATURE},
    {"~url=/v/a.mp4", "/v/%61.mp4?", "", false, true, BELL_SIGNED_SIGNATURE},
    {"~url=/v/../a.mp4", "/v/../a.mp4?", "", false, true, BELL_SIGNED_PATH},
    {"", "/v/a.mp4?", "", false, true, BELL_SIGNED_SIGNATURE},
    {"~url=", "/v/a.mp4?", "", false, true, BELL_SIGNED_SIGNATURE},
    {"~url=/v/a.mp4~salt=", "/v/a.mp4?", "", false, true, BELL_SIGNED_SIGNATURE},
    /* what the SDKs leave as it is: Node, Python, Python before 3.7 */
    {"~url=%2fv%2fa%20b!(c)%7e%27%2a-_.mp4", "/v/a%20b!(c)~'*-_.mp4?", "", true, true, BELL_SIGNED_OK},
    {"~url=%2fv%2fa+b%21%28c%29~%27%2a-_.mp4", "/v/a%20b!(c)~'*-_.mp4?", "", true, true, BELL_SIGNED_OK},
    {"~url=%2fv%2fa+b%21%28c%29%7e%27%2a-_.mp4", "/v/a%20b!(c)~'*-_.mp4?", "", true, true, BELL_SIGNED_OK},
    {"~url=%2fv%2fa~.mp4", "/v/a~.mp4?", "", true, true, BELL_SIGNED_OK},
    {"~url=%2fv%2fa%7e.mp4", "/v/a~.mp4?", "", true, true, BELL_SIGNED_OK},
    {"~url=%2fv%2f%28a%29.mp4", "/v/(a).mp4?", "", true, true, BELL_SIGNED_OK},
    {"~url=%2fv%2f(a).mp4", "/v/(a).mp4?", "", true, true, BELL_SIGNED_OK},
    {"~url=%2fv%2f%28a).mp4", "/v/(a).mp4?", "", true, true, BELL_SIGNED_SIGNATURE},
    /* signed as the URL is, or as the text it was made of */
    {"~url=%2fv%2fa%2520b.mp4", "/v/a%20b.mp4?", "", true, true, BELL_SIGNED_OK},
    {"~url=/v/a%20b.mp4", "/v/a%20b.mp4?", "", false, true, BELL_SIGNED_OK},
    {"~url=/v/a b.mp4", "/v/a%20b.mp4?", "", false, true, BELL_SIGNED_OK},
    {"~url=/v/\xc3\xa9.mp4", "/v/%C3%A9.mp4?", "", false, true, BELL_SIGNED_OK},
    {"~url=/v/\xc3\xa9.mp4", "/v/\xc3\xa9.mp4?", "", false, true, BELL_SIGNED_OK},
    {"~url=%2fv%2f%c3%a9.mp4", "/v/%C3%A9.mp4?", "", true, true, BELL_SIGNED_OK},
    {"~url=/v/\xc3\xa9.mp4", "/v/%c3%A9.mp4?", "", false, true, BELL_SIGNED_SIGNATURE},
    {"~url=/v/a b.mp4", "/v/a%2520b.mp4?", "", false, true, BELL_SIGNED_SIGNATURE},
    {"~url=/v/a%20b.mp4", "/v/a%2520b.mp4?", "", false, true, BELL_SIGNED_SIGNATURE},
    {"~url=/v/a/b.mp4", "/v/a%2Fb.mp4?", "", false, true, BELL_SIGNED_SIGNATURE},
    {"~url=/v/a?b.mp4", "/v/a%3Fb.mp4?", "", false, true, BELL_SIGNED_SIGNATURE},
    {"~url=/v/a#b.mp4", "/v/a%23b.mp4?", "", false, true, BELL_SIGNED_SIGNATURE},
    {"~url=/v/a%b.mp4", "/v/a%25b.mp4?", "", false, true, BELL_SIGNED_SIGNATURE},
    {"~url=/v/a;b.mp4", "/v/a%3Bb.mp4?", "", false, true, BELL_SIGNED_SIGNATURE},
    {"~url=/v/ab.mp4", "/v/%61b.mp4?", "", false, true, BELL_SIGNED_SIGNATURE},
};

static void urls(void **state) {
    (void)state;
    for (size_t i = 0; i < ROWS(url_rows); i++) {
        bell_akamai_options o = plain;
        char token[400], target[800];
        bell_signed_result out;
        signed_case c;
        o.escape = url_rows[i].escape;
        o.ignore_query = url_rows[i].ignore_query;
        sign_text(o.alg, KEY, EXP "~id=u1", url_rows[i].hashed, token, sizeof(token));
        snprintf(target, sizeof(target), "%shdnts=%s%s", url_rows[i].before, token, url_rows[i].after);
        signed_case_init(&c);
        c.request.target = bell_str_of(target);
        bell_signed_reason r = check_one(&c, &o, &out);
        if (r != url_rows[i].reason) {
            fail_msg("row %zu \"%s\" %s: %s", i, url_rows[i].hashed, target, bell_signed_reason_name(r));
        }
    }
}

/* A signer who does not escape may sign a URL that ends in fields: what was hashed for it is no token of its own. */
static void url_that_holds_fields(void **state) {
    char token[400], target[600];
    bell_signed_result out;
    signed_case c;

    (void)state;
    sign_text(plain.alg, KEY, EXP "~url=/x~acl=/*", "", token, sizeof(token));
    snprintf(target, sizeof(target), "/secret?hdnts=%s", token);
    signed_case_init(&c);
    c.request.target = bell_str_of(target);
    assert_int_equal(check_one(&c, &plain, &out), BELL_SIGNED_MALFORMED);
}

/* ---- signing */

static void signs_what_the_sdk_signs(void **state) {
    static const struct {
        bell_akamai_grant grant;
        const char *token; /* as the SDK for Node made it */
    } rows[] = {
        {{.acl = {"/*", 2}, .expires_s = 2145916800}, "exp=2145916800~acl=/*~hmac=e70c7ce19c9af4f2d2b462a67c556f017df893cc8782b8066b8f004e9ced5a71"},
        {{.acl = {"/*", 2}, .expires_s = 2145916800, .salt = {"pepper", 6}},
         "exp=2145916800~acl=/*~hmac=935a8a6ec846f1ab5bb6bfac7d0bdbd1f8e748ed61e2c151a174009ad91b9e59"},
        {{.acl = {"/*", 2}, .expires_s = 2145916800, .id = {"s-77", 4}, .data = {"tenant=district9", 16}},
         "exp=2145916800~acl=/*~id=s-77~data=tenant=district9~hmac=8e5740d472071fa47b15e858534645e297fbabf07faa2ffc6f4d4ad369b1d4f4"},
        {{.url = {"/vod/a/movie.mp4", 16}, .expires_s = 2145916800, .escape = true},
         "exp=2145916800~hmac=3a14ca6484b113696bb707d8c4e965c9082adeaba3c1b5504cbf5d9b3a5d5b91"},
        {{.ip = {"2001:db8::1", 11}, .acl = {"/*", 2}, .expires_s = 2145916800, .escape = true},
         "ip=2001%3adb8%3a%3a1~exp=2145916800~acl=/*~hmac=771d343aa19ae44005957dc1920f908b34f614b5759f1c67f44346d0ef93f3db"},
        {{.acl = {"/*", 2}, .starts_s = 2145916700, .expires_s = 2145916800},
         "st=2145916700~exp=2145916800~acl=/*~hmac=16c937a56f2a64982ebfe509f76d1a72edc6833841aebc59cb60de379847df7e"},
    };
    bell_signed_key *k = new_key("one", BELL_SIGNED_HMAC_SHA256, KEY);

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        size_t want = strlen(rows[i].token), n = 0;
        for (size_t size = 0; size <= want + 100 && n == 0; size++) { /* memory of exactly that size */
            char *out = malloc(size + 1);
            n = bell_akamai_sign(k, &rows[i].grant, out, size);
            assert_row(n == 0 || (n == want && size >= want && memcmp(out, rows[i].token, n) == 0), rows[i].token);
            free(out);
        }
        assert_row(n == want, rows[i].token);
    }
    bell_signed_key_free(k);
}

static void signs_nothing_else(void **state) {
    static const bell_akamai_grant rows[] = {
        {.expires_s = NOW},
        {.acl = {"/*", 2}},
        {.acl = {"/*", 2}, .expires_s = -1},
        {.acl = {"/*", 2}, .expires_s = NOW, .starts_s = -1},
        {.acl = {"/*", 2}, .url = {"/x", 2}, .expires_s = NOW},
        {.acl = {"/~*", 3}, .expires_s = NOW},
        {.acl = {"/\n*", 3}, .expires_s = NOW},
        {.acl = {"/*", 2}, .expires_s = NOW, .data = {"a~acl=/*", 8}},
        {.acl = {"/*", 2}, .expires_s = NOW, .id = {"a\rb", 3}, .escape = true},
        {.url = {"/a\0", 3}, .expires_s = NOW},
    };
    bell_signed_key *k = new_key("one", BELL_SIGNED_HMAC_SHA256, KEY);
    char out[500];

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        assert_int_equal(bell_akamai_sign(k, &rows[i], out, sizeof(out)), 0);
    }
    bell_signed_key_free(k);
}

static void long_tokens(void **state) {
    static const struct {
        const char *body, *hashed, *target;
        bool escape;
        const char *cookie; /* up to the MAC; NULL: none is given */
        const char *next;   /* what it is good for */
    } rows[] = {
        {EXP "~acl=/live/c7/*", "", "/live/c7/a.m3u8?", false, "hdntl=exp=1800086400~acl=/live/c7/*~hmac=", "/live/c7/720p/s1.ts"},
        {"ip=192.0.2.10~" EXP "~acl=/live/*~id=s-1~data=x", "", "/live/a.m3u8?", false,
         "hdntl=ip=192.0.2.10~exp=1800086400~acl=/live/*~id=s-1~data=x~hmac=", "/live/s1.ts"},
        {EXP "~id=a%2fb", "~url=%2flive%2fc7%2fa.m3u8", "/live/c7/a.m3u8?", true,
         "hdntl=exp=1800086400~acl=/live/c7/*~id=a%2fb~hmac=", "/live/c7/720p/s1.ts"},
        {EXP, "~url=/a.m3u8", "/a.m3u8?", false, "hdntl=exp=1800086400~acl=/*~hmac=", "/s1.ts"},
        {EXP "~acl=/*~data=a;b", "", "/a.m3u8?", false, NULL, NULL},
        {EXP "~acl=/*~data=\xc3\xa9", "", "/a.m3u8?", false, NULL, NULL},
        {EXP, "~url=/a!b/c.m3u8", "/a!b/c.m3u8?", false, NULL, NULL},
        {EXP, "~url=/a*/c.m3u8", "/a*/c.m3u8?", false, NULL, NULL},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        bell_akamai_options o = plain, next = plain;
        char token[400], target[600], cookie[600];
        bell_signed_result out;
        signed_case c;
        o.escape = next.escape = rows[i].escape;
        o.ignore_query = true;
        o.long_cookie = BELL_STR("hdntl");
        o.long_s = 86400;
        sign_text(o.alg, KEY, rows[i].body, rows[i].hashed, token, sizeof(token));
        snprintf(target, sizeof(target), "%shdnts=%s", rows[i].target, token);
        signed_case_init(&c);
        c.request.target = bell_str_of(target);
        assert_row(check_one(&c, &o, &out) == BELL_SIGNED_OK, rows[i].body);
        assert_row((out.set_cookie.len > 0) == (rows[i].cookie != NULL), rows[i].body);
        if (rows[i].cookie == NULL) {
            continue;
        }
        assert_row(bell_str_starts(out.set_cookie, bell_str_of(rows[i].cookie)), rows[i].body);
        snprintf(cookie, sizeof(cookie), "%.*s", BELL_STR_ARG(out.set_cookie));
        char *end = strchr(cookie, ';');
        assert_non_null(end);
        assert_string_equal(end, "; Path=/; Secure; HttpOnly");
        *end = '\0';
        signed_case_init(&c);
        json_t *headers = json_pack("{s:s}", "Cookie", cookie);
        c.headers = headers;
        c.request.target = bell_str_of(rows[i].next);
        c.request.now_s = NOW + 86399;
        next.location = BELL_AKAMAI_COOKIE;
        next.name = BELL_STR("hdntl");
        assert_row(check_one(&c, &next, &out) == BELL_SIGNED_OK, rows[i].body);
        c.request.now_s++;
        assert_row(check_one(&c, &next, &out) == BELL_SIGNED_EXPIRED, rows[i].body);
        json_decref(headers);

        o.long_attributes = BELL_STR("; Path=/live; SameSite=None; Secure");
        signed_case_init(&c);
        c.request.target = bell_str_of(target);
        assert_row(check_one(&c, &o, &out) == BELL_SIGNED_OK, rows[i].body);
        assert_row(memmem(out.set_cookie.p, out.set_cookie.len, o.long_attributes.p, o.long_attributes.len) != NULL, rows[i].body);
    }
}

/* ---- properties */

typedef struct {
    const char *body, *hashed;
    const char *before, *after; /* of the token in the target; before begins with what is protected */
    size_t protected_bytes;     /* of `before` */
    bool escape, ignore_query;
} valid_request;

static const valid_request valid[] = {
    {EXP "~acl=/live/c7/*!/slides/*", "", "/live/c7/s1.ts?q=1&hdnts=", "&z=2", 9, false, true},
    {"ip=192.0.2.10~st=1799999000~" EXP "~acl=/live/c7/s1.ts~id=s-1~data=x%3dy", "", "/live/c7/s1.ts?hdnts=", "", 14, true, true},
    {EXP, "~url=%2fv%2fa%20b(1).mp4", "/v/a%20b(1).mp4?hdnts=", "&z=2", 15, true, true},
    {EXP "~id=7", "~url=/v/a.mp4?x=1&y=2", "/v/a.mp4?x=1&y=2&hdnts=", "", 16, false, false},
    {EXP, "~url=%2fv%2f%c3%a9.mp4~salt=pepper", "/v/%C3%A9.mp4?hdnts=", "", 13, true, true},
};

static void build(const valid_request *v, bell_akamai_options *o, char *target, size_t size, size_t *token_at, size_t *token_len) {
    char token[400];

    *o = plain;
    o->escape = v->escape;
    o->ignore_query = v->ignore_query;
    o->salt = strstr(v->hashed, "~salt=") != NULL ? BELL_STR("pepper") : BELL_STR_NULL;
    sign_text(o->alg, KEY, v->body, v->hashed, token, sizeof(token));
    *token_at = strlen(v->before);
    *token_len = strlen(token);
    assert_true((size_t)snprintf(target, size, "%s%s%s", v->before, token, v->after) < size);
}

/* The signature covers every byte, and a digit of the MAC has one form: there is no exception. */
static void one_flipped_bit(void **state) {
    bell_signed_keys keys = {{new_key("one", BELL_SIGNED_HMAC_SHA256, KEY), new_key("two", BELL_SIGNED_HMAC_SHA256, OTHER)}, 2};
    uint64_t seed = 20261121;

    (void)state;
    for (unsigned i = 0; i < 10000; i++) {
        const valid_request *v = &valid[i % ROWS(valid)];
        bell_akamai_options o;
        char target[800];
        size_t token_at, token_len;
        bell_signed_result out;
        signed_case c;
        build(v, &o, target, sizeof(target), &token_at, &token_len);
        signed_case_init(&c);
        c.request.target = bell_str_of(target);
        if (i < ROWS(valid)) {
            assert_row(check(&c, &keys, &o, &out) == BELL_SIGNED_OK, target);
        }
        size_t at = (size_t)(signed_random(&seed) % (v->protected_bytes + token_len));
        at = at < v->protected_bytes ? at : token_at + at - v->protected_bytes;
        target[at] = (char)(target[at] ^ (1 << (signed_random(&seed) % 8)));
        c.request.target.len = strlen(v->before) + token_len + strlen(v->after); /* the flip may have made a NUL */
        bell_signed_call call = signed_call(&c, &keys);
        bell_signed_reason r = bell_akamai_check(&call, &o, &out);
        if (r == BELL_SIGNED_OK) {
            fail_msg("mutation %u at %zu: %s", i, at, target);
        }
        assert_true(r != BELL_SIGNED_SIGNATURE || (out.subject.p == NULL && out.data.p == NULL && out.expires_s == 0));
    }
    signed_keys_free(&keys);
}

/* With less room than it takes a request is refused, and its target still tells nothing. */
static void little_room(void **state) {
    bell_signed_keys keys = {{new_key("one", BELL_SIGNED_HMAC_SHA256, KEY)}, 1};

    (void)state;
    for (size_t i = 0; i < ROWS(valid); i++) {
        bell_akamai_options o;
        char target[800];
        size_t token_at, token_len;
        bool was_ok = false;
        build(&valid[i], &o, target, sizeof(target), &token_at, &token_len);
        o.long_cookie = BELL_STR("hdntl");
        o.long_s = 60;
        for (size_t size = 0; size < 700; size++) {
            bell_signed_result out;
            signed_case c;
            char *memory = malloc(size + 1);
            bell_signed_room room = {memory, size};
            signed_case_init(&c);
            c.request.target = bell_str_of(target);
            bell_signed_call call = {.request = &c.request, .keys = &keys, .room = &room};
            bell_signed_reason r = bell_akamai_check(&call, &o, &out);
            assert_true(r == BELL_SIGNED_OK || (!was_ok && r == BELL_SIGNED_MALFORMED));
            was_ok = r == BELL_SIGNED_OK;
            assert_true(out.target.len > 0 && memmem(out.target.p, out.target.len, "hmac=", 5) == NULL);
            free(memory);
        }
        assert_true(was_ok);
    }
    signed_keys_free(&keys);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(urls),
        cmocka_unit_test(url_that_holds_fields),
        cmocka_unit_test(signs_what_the_sdk_signs),
        cmocka_unit_test(signs_nothing_else),
        cmocka_unit_test(long_tokens),
        cmocka_unit_test(one_flipped_bit),
        cmocka_unit_test(little_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
