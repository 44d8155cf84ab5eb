/* Tokens that ask for a new one, and those that say where to go when they fail. */
#include "cat.h"

#define T(more) "{" CAT_BASE ", " more "}"

typedef enum { NO, COOKIE, FIELD, REDIRECT } way;

static way way_of(const cat_case *t) {
    const bell_signed_result *o = &t->out;

    assert_true((o->set_cookie.len > 0) + (o->field_value.len > 0) + (o->redirect.len > 0) <= 1);
    assert_true((o->field_name.len > 0) == (o->field_value.len > 0) && (o->redirect_status > 0) == (o->redirect.len > 0));
    return o->set_cookie.len > 0 ? COOKIE : (o->field_value.len > 0 ? FIELD : (o->redirect.len > 0 ? REDIRECT : NO));
}

/* The token of a renewal: up to a ";" or "&", behind `name` and "=". */
static void new_token(const cat_case *t, char *token, size_t bytes) {
    const bell_signed_result *o = &t->out;
    bell_str text = o->set_cookie.len > 0 ? o->set_cookie : (o->redirect.len > 0 ? o->redirect : o->field_value);

    if (o->set_cookie.len > 0) {
        bell_str_cut(&text, '=');
    } else if (o->redirect.len > 0) {
        const char *at = memmem(text.p, text.len, "CAT=", 4);
        assert_non_null(at);
        text = (bell_str){at + 4, (size_t)(text.p + text.len - at) - 4};
    }
    text = bell_str_cut(&text, ';');
    snprintf(token, bytes, "%.*s", BELL_STR_ARG(text));
}

/* The token as it was sent: in the field, the cookie or the query. */
static void carry(cat_case *t, char carrier, const char *token, char *target, size_t bytes) {
    char cookie[3000];

    cat_field(t, carrier == 'f' ? token : NULL);
    json_object_del(t->headers, "cookie");
    snprintf(target, bytes, "/hls/c7/720/s1.ts?a=1");
    if (carrier == 'c') {
        snprintf(cookie, sizeof(cookie), "CTA-Common-Access-Token=%s", token);
        json_object_set_new(t->headers, "cookie", json_string(cookie));
    } else if (carrier == 'q') {
        snprintf(target, bytes, "/hls/c7/720/s1.ts?CAT=%s&a=1", token);
    }
    t->c.request.target = bell_str_of(target);
}

static void due_and_sent(void **state) {
    static const struct {
        const char *catr;
        char carrier;
        int64_t left_s; /* until the end */
        way way;
        const char *holds; /* a part of what is sent, or its whole name */
    } rows[] = {
        {"{0: 2, 1: 120, 2: 60}", 'f', 61, NO, NULL},
        {"{0: 2, 1: 120, 2: 60}", 'f', 60, FIELD, "CTA-Common-Access-Token"},
        {"{0: 2, 1: 120, 2: 60}", 'f', 1, FIELD, "CTA-Common-Access-Token"},
        {"{0: 2, 1: 120}", 'f', 61, NO, NULL}, /* the window that is usual */
        {"{0: 2, 1: 120}", 'f', 60, FIELD, "CTA-Common-Access-Token"},
        {"{0: 2, 1: 120, 2: 0}", 'f', 1, NO, NULL},
        {"{0: 2, 1: 120, 2: 60, 4: \"X-New-Token\"}", 'f', 30, FIELD, "X-New-Token"},
        {"{0: 2, 1: 120, 2: 60}", 'q', 30, FIELD, "CTA-Common-Access-Token"},
        {"{0: 2, 1: 120, 2: 60, 6: [\"a=1\", \"b\"]}", 'f', 30, FIELD, "; a=1; b"},
        {"{0: 1, 1: 120, 2: 60}", 'f', 30, COOKIE, "; Path=/; HttpOnly; Secure"},
        {"{0: 1, 1: 120, 2: 60, 3: \"cat\", 5: [\"Path=/hls\", \"Secure\"]}", 'c', 30, COOKIE, "; Path=/hls; Secure"},
        {"{0: 1, 1: 120, 2: 60, 5: \"Path=/hls; Secure\"}", 'c', 30, COOKIE, "; Path=/hls; Secure"},
        {"{0: 1, 1: 120, 2: 60, 5: []}", 'c', 30, COOKIE, "CTA-Common-Access-Token="},
        {"{0: 3, 1: 120, 2: 60}", 'q', 30, REDIRECT, "/hls/c7/720/s1.ts?a=1&CAT="},
        {"{0: 3, 1: 120, 2: 60, 7: 307}", 'f', 30, REDIRECT, "/hls/c7/720/s1.ts?a=1&CAT="},
        {"{0: 3, 1: 60, 2: 60}", 'q', 30, NO, NULL}, /* the next one would be due at once, and redirect again */
        {"{0: 0, 1: 120, 2: 60}", 'f', 30, FIELD, "CTA-Common-Access-Token"},
        {"{0: 0, 1: 120, 2: 60}", 'c', 30, COOKIE, "CTA-Common-Access-Token="},
        {"{0: 0, 1: 120, 2: 60}", 'q', 30, REDIRECT, "CAT="},
    };
    cat_case *t = cat_new();
    char claims[300], target[2000], token[1000];

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        snprintf(claims, sizeof(claims), T("6: 1700000000, 7: h'0102', 312: {3: {1: \"/hls/\"}}, 323: %s"), rows[i].catr);
        cat_spec s = CAT_SPEC(claims);
        t->c.request.now_s = CAT_NOW + 600 - rows[i].left_s;
        carry(t, rows[i].carrier, cat_make(t, &s), target, sizeof(target));
        assert_reason(cat_check(t), BELL_SIGNED_OK, claims);
        assert_row(way_of(t) == rows[i].way, claims);
        if (rows[i].way == NO) {
            continue;
        }
        bell_str text = t->out.set_cookie.len > 0 ? t->out.set_cookie : (t->out.redirect.len > 0 ? t->out.redirect : t->out.field_value);
        assert_row(bell_str_eq(t->out.field_name, bell_str_of(rows[i].holds)) ||
                       memmem(text.p, text.len, rows[i].holds, strlen(rows[i].holds)) != NULL,
                   claims);
        /* the new one holds, until 120 s from now */
        new_token(t, token, sizeof(token));
        carry(t, rows[i].carrier, token, target, sizeof(target));
        assert_reason(cat_check(t), BELL_SIGNED_OK, claims);
        assert_int_equal(t->out.expires_s, t->c.request.now_s + 120);
        t->c.request.now_s += 120;
        assert_reason(cat_check(t), BELL_SIGNED_EXPIRED, claims);
        assert_true(way_of(t) == NO);
    }
    cat_free(t);
}

/* Other claims stay byte for byte; the end and the time of issue are those of now, and the id is new. */
static void what_is_new(void **state) {
    static const char renewed[] =
        "{x'1804': 1800000300, -70000: {\"a\": [1, 2.5]}, 7: h'00000000000000000000000000000000', 6: 1800000000, 1: \"school\", "
        "323: {0: 2, 1: 300, 2: 600}}";
    cat_case *t = cat_new();
    cat_spec s = CAT_SPEC("{x'1804': 1800000600.0, -70000: {\"a\": [1, 2.5]}, 7: h'01', 6: 1, 1: \"school\", 323: {0: 2, 1: 300, 2: 600}}");
    char first[1000], second[1000];
    unsigned char bytes[1000];
    bell_buf want;

    (void)state;
    cat_field(t, cat_make(t, &s));
    assert_int_equal(cat_check(t), BELL_SIGNED_OK);
    new_token(t, first, sizeof(first));
    long n = bell_base64url_decode(bell_str_of(first), bytes);
    cat_cbor(renewed, &want);
    size_t id = (size_t)((char *)memmem(want.p, want.len, "\x07\x50", 2) - want.p) + 2;
    char *payload = memmem(bytes, (size_t)n, want.p, id);
    assert_non_null(payload);
    assert_memory_not_equal(payload + id, want.p + id, 16);
    assert_memory_equal(payload + id + 16, want.p + id + 16, want.len - id - 16);
    bell_buf_fini(&want);
    t->c.request.now_s++;
    assert_int_equal(cat_check(t), BELL_SIGNED_OK);
    new_token(t, second, sizeof(second));
    assert_string_not_equal(first, second);
    cat_free(t);
}

static void not_renewals(void **state) {
    static const struct {
        const char *catr;
        bell_signed_reason reason;
    } rows[] = {
        {"{}", BELL_SIGNED_MALFORMED},
        {"{0: 2}", BELL_SIGNED_MALFORMED},
        {"{1: 120}", BELL_SIGNED_MALFORMED},
        {"{0: 2, 1: 0}", BELL_SIGNED_MALFORMED},
        {"{0: 4, 1: 120}", BELL_SIGNED_MALFORMED},
        {"{0: 2, 1: -1}", BELL_SIGNED_MALFORMED},
        {"{0: 2, 1: 315360001}", BELL_SIGNED_MALFORMED},
        {"{0: 2, 1: 18446744073709551615}", BELL_SIGNED_MALFORMED},
        {"{0: 2, 1: \"120\"}", BELL_SIGNED_MALFORMED},
        {"{0: 2, 1: 120, 2: 18446744073709551615}", BELL_SIGNED_MALFORMED},
        {"{0: 2, 1: 120, 3: \"a b\"}", BELL_SIGNED_MALFORMED},
        {"{0: 2, 1: 120, 3: \"\"}", BELL_SIGNED_MALFORMED},
        {"{0: 2, 1: 120, 4: \"X:Y\"}", BELL_SIGNED_MALFORMED},
        {"{0: 2, 1: 120, 4: x'66580d0a593a31'}", BELL_SIGNED_MALFORMED}, /* "X", the end of a line, "Y:1" */
        {"{0: 2, 1: 120, 5: x'64610d0a62'}", BELL_SIGNED_MALFORMED},
        {"{0: 2, 1: 120, 5: [x'64610d0a62']}", BELL_SIGNED_MALFORMED},
        {"{0: 2, 1: 120, 6: x'63610a62'}", BELL_SIGNED_MALFORMED},
        {"{0: 2, 1: 120, 6: [1]}", BELL_SIGNED_MALFORMED},
        {"{0: 2, 1: 120, 6: {}}", BELL_SIGNED_MALFORMED},
        {"{0: 2, 1: 120, 7: 200}", BELL_SIGNED_MALFORMED},
        {"{0: 2, 1: 120, 7: 304}", BELL_SIGNED_MALFORMED},
        {"{0: 2, 1: 120, \"x\": 1}", BELL_SIGNED_MALFORMED},
        {"{0: 2, 1: 120, 8: 1}", BELL_SIGNED_UNSUPPORTED},
        {"[]", BELL_SIGNED_MALFORMED},
    };
    cat_case *t = cat_new();
    char claims[300];

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        snprintf(claims, sizeof(claims), T("323: %s"), rows[i].catr);
        cat_spec s = CAT_SPEC(claims);
        assert_reason(cat_verdict(t, &s), rows[i].reason, claims);
        assert_true(way_of(t) == NO);
    }
    cat_free(t);
}

static void keys_and_methods(void **state) {
    cat_case *t = cat_new();
    cat_spec s = CAT_SPEC(T("323: {0: 2, 1: 900, 2: 700}")), redirect = CAT_SPEC(T("323: {0: 3, 1: 900, 2: 700}"));

    (void)state;
    t->options.renewal_key = BELL_STR("k2");
    assert_int_equal(cat_verdict(t, &s), BELL_SIGNED_OK);
    char token[1000];
    new_token(t, token, sizeof(token));
    cat_field(t, token);
    assert_int_equal(cat_check(t), BELL_SIGNED_OK);
    assert_true(bell_str_eq(t->out.key_id, BELL_STR("k2")));
    t->options.renewal_key = BELL_STR("k3"); /* not there: nothing is renewed, and the token holds all the same */
    assert_int_equal(cat_verdict(t, &s), BELL_SIGNED_OK);
    assert_true(way_of(t) == NO);
    t->options.renewal_key = BELL_STR("k2");
    t->keys.keys[1]->until_s = CAT_NOW;
    assert_int_equal(cat_verdict(t, &s), BELL_SIGNED_OK);
    assert_true(way_of(t) == NO);
    t->options.renewal_key = BELL_STR_NULL;
    assert_int_equal(cat_verdict(t, &redirect), BELL_SIGNED_OK);
    assert_true(way_of(t) == REDIRECT);
    t->c.request.method = BELL_STR("POST"); /* would become a GET on the way */
    assert_int_equal(cat_check(t), BELL_SIGNED_OK);
    assert_true(way_of(t) == NO);
    cat_free(t);
}

static void foreseen(void **state) {
    static const char at[] = "https://school.example/in?t=";
    static const struct {
        const char *claims;
        bell_signed_reason reason;
        const char *redirect;
        unsigned status;
    } rows[] = {
        {"{1: \"school\", 4: 1, 322: {4: [302, {\"Location\": \"https://school.example/in\"}]}}", BELL_SIGNED_EXPIRED, "https://school.example/in",
         302},
        {"{1: \"school\", 4: 1, 322: {4: [307, {\"location\": \"/in\"}, undefined]}}", BELL_SIGNED_EXPIRED, "/in", 307},
        {T("312: {3: {1: \"/x\"}}, 322: {4: [302, {\"Location\": \"/a\"}], 312: [303, {\"Location\": \"/b\"}]}"), BELL_SIGNED_RESOURCE, "/b", 303},
        {T("316: [\"SE\"], 322: {4: [302, {\"Location\": \"/a\"}]}"), BELL_SIGNED_COUNTRY, NULL, 0},
        {T("316: [\"US\"], 322: {316: [302, {\"Location\": \"/a\"}]}"), BELL_SIGNED_OK, NULL, 0},
        {"{1: \"school\", 4: 1, 322: {4: [401, {\"Location\": \"/a\"}]}}", BELL_SIGNED_EXPIRED, NULL, 0},
        {"{1: \"school\", 4: 1, 322: {4: [302, {}]}}", BELL_SIGNED_EXPIRED, NULL, 0},
        {"{1: \"school\", 4: 1, 322: {4: [302]}}", BELL_SIGNED_EXPIRED, NULL, 0},
        {"{1: \"school\", 4: 1, 322: {4: 302}}", BELL_SIGNED_EXPIRED, NULL, 0},
        {"{1: \"school\", 4: 1, 322: {4: [302, {\"Location\": \"javascript:1\"}]}}", BELL_SIGNED_EXPIRED, NULL, 0},
        {"{1: \"school\", 4: 1, 322: {4: [302, {\"Location\": \"/a b\"}]}}", BELL_SIGNED_EXPIRED, NULL, 0},
        {"{1: \"school\", 4: 1, 322: {4: [302, {\"Location\": x'642f0d0a61'}]}}", BELL_SIGNED_EXPIRED, NULL, 0},
        {"{1: \"school\", 4: 1, 322: {4: [302, {\"Location\": [\"https://school.example/in?t=\", {4: 1900000000}]}, \"k2\"]}}", BELL_SIGNED_EXPIRED,
         at, 302},
        {"{1: \"school\", 4: 1, 322: {4: [302, {\"Location\": [\"https://school.example/in?t=\", {4: 1900000000}]}, h'6b32']}}", BELL_SIGNED_EXPIRED,
         at, 302},
        {"{1: \"school\", 4: 1, 322: {4: [302, {\"Location\": [\"https://school.example/in?t=\", {4: 1900000000}]}]}}", BELL_SIGNED_EXPIRED, NULL, 0},
        {"{1: \"school\", 4: 1, 322: {4: [302, {\"Location\": [\"https://school.example/in?t=\", {4: 1900000000}]}, \"no\"]}}", BELL_SIGNED_EXPIRED,
         NULL, 0},
        {"{1: \"school\", 4: 1, 322: {4: [302, {\"Location\": [\"https://school.example/in?t=\", 5]}, \"k2\"]}}", BELL_SIGNED_EXPIRED, NULL, 0},
        {"{1: \"school\", 4: 1, 322: {4: [302, {\"Location\": [{}, {}]}, \"k2\"]}}", BELL_SIGNED_EXPIRED, NULL, 0},
    };
    cat_case *t = cat_new();

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        cat_spec s = CAT_SPEC(rows[i].claims);
        assert_reason(cat_verdict(t, &s), rows[i].reason, rows[i].claims);
        assert_row((rows[i].redirect != NULL) == (t->out.redirect.len > 0) && t->out.redirect_status == rows[i].status, rows[i].claims);
        if (rows[i].redirect == NULL || rows[i].redirect != at) {
            assert_row(bell_str_eq(t->out.redirect, bell_str_of(rows[i].redirect)), rows[i].claims);
            continue;
        }
        assert_row(bell_str_starts(t->out.redirect, bell_str_of(at)), rows[i].claims);
        char token[1000];
        snprintf(token, sizeof(token), "%.*s", (int)(t->out.redirect.len - strlen(at)), t->out.redirect.p + strlen(at));
        cat_field(t, token);
        assert_reason(cat_check(t), BELL_SIGNED_OK, rows[i].claims); /* with an issuer of ours */
        assert_int_equal(t->out.expires_s, 1900000000);
    }
    cat_free(t);
}

static void minted(void **state) {
    cat_case *t = cat_new();
    bell_buf claims;
    char room_bytes[1000];
    bell_signed_room room = {room_bytes, sizeof(room_bytes)}, none = {room_bytes, 10};
    cat_spec s = CAT_SPEC("{" CAT_BASE "}");

    (void)state;
    cat_cbor(s.claims, &claims);
    bell_str token = bell_cat_mint(&room, t->keys.keys[0], bell_buf_str(&claims));
    assert_true(bell_str_eq(token, bell_str_of(cat_make(t, &s)))); /* byte for byte as others write it */
    assert_null(bell_cat_mint(&none, t->keys.keys[0], bell_buf_str(&claims)).p);
    t->keys.keys[0]->mac_alg = BELL_SIGNED_HMAC_SHA1;
    assert_null(bell_cat_mint(&room, t->keys.keys[0], bell_buf_str(&claims)).p);
    t->keys.keys[0]->mac_alg = BELL_SIGNED_HMAC_SHA256;
    bell_buf_fini(&claims);
    cat_free(t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(due_and_sent),     cmocka_unit_test(what_is_new), cmocka_unit_test(not_renewals),
        cmocka_unit_test(keys_and_methods), cmocka_unit_test(foreseen),    cmocka_unit_test(minted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
