/* Which claims hold: the vectors, and tables of what may be under the signature. */
#include "cat.h"

/* ---- vectors */

static bell_signed_reason seen_before(void *data, const bell_signed_use *use) {
    assert_true(use->once && use->is_named && use->id.len > 0 && use->key != NULL && use->expires_s > CAT_NOW);
    return *(bool *)data ? BELL_SIGNED_REPLAYED : BELL_SIGNED_OK;
}

static void expect_renewal(const json_t *vector, cat_case *t) {
    const json_t *renewal = json_object_get(vector, "expect_renewal");
    const char *id = json_string_value(json_object_get(vector, "id"));
    int ways = (t->out.set_cookie.len > 0) + (t->out.field_value.len > 0) + (t->out.redirect.len > 0);

    assert_row(ways == (renewal != NULL), id);
    if (renewal == NULL) {
        return;
    }
    const char *via = json_string_value(json_object_get(renewal, "via"));
    bool good = strncmp(via, "header ", 7) == 0 ? bell_str_eq(t->out.field_name, bell_str_of(via + 7))
                : strncmp(via, "302 ", 4) == 0 ? t->out.redirect_status == 302 && bell_str_starts(t->out.redirect, BELL_STR("/hls/c7/720/s1.ts?CAT="))
                                               : bell_str_starts(t->out.set_cookie, BELL_STR("cat=")) &&
                                                     memmem(t->out.set_cookie.p, t->out.set_cookie.len, "; Path=/hls; Secure; HttpOnly", 29) != NULL;
    assert_row(good, id);
}

static void vectors(void **state) {
    json_t *file = signed_vectors("cat"), *vector;
    cat_case *t = cat_new();
    json_t *headers = t->headers;
    bool seen;
    size_t i;

    (void)state;
    cat_add_public(t, "e1", signed_text(json_object_get(file, "keys"), "e1_public_pem"));
    t->options.use = seen_before;
    t->options.data = &seen;
    json_array_foreach(json_object_get(file, "vectors"), i, vector) {
        seen = json_is_true(json_object_get(vector, "cti_seen_before"));
        signed_case_of(vector, &t->c);
        bell_signed_reason r = cat_check(t);
        signed_expect(vector, r);
        if (r == BELL_SIGNED_OK) {
            expect_renewal(vector, t);
        }
        if (r != BELL_SIGNED_MISSING) {
            assert_true(t->out.target.len > 0 && memmem(t->out.target.p, t->out.target.len, "CAT=", 4) == NULL);
        }
    }
    assert_true(i >= 60);
    t->headers = headers;
    cat_free(t);
    json_decref(file);
}

/* ---- what is under the signature */

#define T(more) "{" CAT_BASE ", " more "}"

static void claims(void **state) {
    static const struct {
        const char *claims;
        bell_signed_reason reason;
    } rows[] = {
        {"{" CAT_BASE "}", BELL_SIGNED_OK},
        {"{1: \"school\", 4: 1800000600}", BELL_SIGNED_OK},
        {"[]", BELL_SIGNED_MALFORMED},
        {"\"text\"", BELL_SIGNED_MALFORMED},
        {"", BELL_SIGNED_MALFORMED},
        {"{" CAT_BASE "} 0", BELL_SIGNED_MALFORMED},
        {"x'bf01667363686f6f6c041a6b49d458ff'", BELL_SIGNED_MALFORMED},
        {"{" CAT_BASE ", 4: 1800000700}", BELL_SIGNED_MALFORMED},
        {"{" CAT_BASE ", x'1804': 1800000700}", BELL_SIGNED_MALFORMED},
        /* issuer, audience, version */
        {"{4: 1800000600, 310: 1}", BELL_SIGNED_ISSUER},
        {"{1: \"schoo\", 4: 1800000600}", BELL_SIGNED_ISSUER},
        {"{1: \"School\", 4: 1800000600}", BELL_SIGNED_ISSUER},
        {"{1: h'7363686f6f6c', 4: 1800000600}", BELL_SIGNED_MALFORMED},
        {"{1: \"school\", 4: 1800000600, 310: 0}", BELL_SIGNED_VERSION},
        {"{1: \"school\", 4: 1800000600, 310: 2}", BELL_SIGNED_VERSION},
        {"{1: \"school\", 4: 1800000600, 310: \"1\"}", BELL_SIGNED_VERSION},
        {"{1: \"school\", 4: 1800000600, 310: -1}", BELL_SIGNED_VERSION},
        {T("3: \"edge\""), BELL_SIGNED_OK},
        {T("3: [\"other\", \"edge\"]"), BELL_SIGNED_OK},
        {T("3: \"Edge\""), BELL_SIGNED_AUDIENCE},
        {T("3: [\"other\"]"), BELL_SIGNED_AUDIENCE},
        {T("3: []"), BELL_SIGNED_AUDIENCE},
        {T("3: 1"), BELL_SIGNED_MALFORMED},
        {T("3: [\"edge\", 1]"), BELL_SIGNED_MALFORMED},
        {T("3: {1: \"edge\"}"), BELL_SIGNED_MALFORMED},
        /* times */
        {"{1: \"school\"}", BELL_SIGNED_EXPIRED},
        {"{1: \"school\", 4: 1800000000}", BELL_SIGNED_EXPIRED},
        {"{1: \"school\", 4: 1800000001}", BELL_SIGNED_OK},
        {"{1: \"school\", 4: 1799999999}", BELL_SIGNED_EXPIRED},
        {"{1: \"school\", 4: 0}", BELL_SIGNED_EXPIRED},
        {"{1: \"school\", 4: -5}", BELL_SIGNED_EXPIRED},
        {"{1: \"school\", 4: 1800000000.0}", BELL_SIGNED_EXPIRED},
        {"{1: \"school\", 4: 1800000000.5}", BELL_SIGNED_OK},
        {"{1: \"school\", 4: 1799999999.5}", BELL_SIGNED_EXPIRED},
        {"{1: \"school\", 4: \"1800000600\"}", BELL_SIGNED_MALFORMED},
        {"{1: \"school\", 4: 1(1800000600)}", BELL_SIGNED_MALFORMED},
        {"{1: \"school\", 4: 18446744073709551615}", BELL_SIGNED_MALFORMED},
        {"{1: \"school\", 4: x'fb7ff0000000000000'}", BELL_SIGNED_MALFORMED}, /* infinity */
        {"{1: \"school\", 4: x'fb7ff8000000000000'}", BELL_SIGNED_MALFORMED}, /* no number */
        {"{1: \"school\", 4: null}", BELL_SIGNED_MALFORMED},
        {T("5: 1800000000"), BELL_SIGNED_OK},
        {T("5: 1800000001"), BELL_SIGNED_NOT_YET},
        {T("5: 1799999999.5"), BELL_SIGNED_OK},
        {T("5: 1800000000.5"), BELL_SIGNED_NOT_YET},
        {T("5: -1"), BELL_SIGNED_OK},
        {T("5: \"0\""), BELL_SIGNED_MALFORMED},
        {T("6: 1700000000"), BELL_SIGNED_OK},
        {T("6: \"x\""), BELL_SIGNED_MALFORMED},
        {T("2: \"ann\", 7: h'00ff'"), BELL_SIGNED_OK},
        {T("2: 5"), BELL_SIGNED_MALFORMED},
        {T("7: \"text\""), BELL_SIGNED_MALFORMED},
        /* what is not known */
        {T("-65537: {1: [2]}"), BELL_SIGNED_OK},
        {T("-65537: 1, -65538: 1"), BELL_SIGNED_OK},
        {T("-65537: 1, -65537: 1"), BELL_SIGNED_MALFORMED},
        {T("-70000: {1: 1, 1: 1}"), BELL_SIGNED_MALFORMED},
        {T("[1]: 1"), BELL_SIGNED_MALFORMED},
        {T("-65536: 1"), BELL_SIGNED_UNSUPPORTED},
        {T("-1: 1"), BELL_SIGNED_UNSUPPORTED},
        {T("8: {}"), BELL_SIGNED_UNSUPPORTED},
        {T("9: 1"), BELL_SIGNED_UNSUPPORTED},
        {T("0: 1"), BELL_SIGNED_UNSUPPORTED},
        {T("282: \"u33\""), BELL_SIGNED_UNSUPPORTED},
        {T("307: 1"), BELL_SIGNED_UNSUPPORTED},
        {T("317: []"), BELL_SIGNED_UNSUPPORTED},
        {T("318: []"), BELL_SIGNED_UNSUPPORTED},
        {T("319: h'00'"), BELL_SIGNED_UNSUPPORTED},
        {T("320: \"x\""), BELL_SIGNED_UNSUPPORTED},
        {T("321: {}"), BELL_SIGNED_UNSUPPORTED},
        {T("324: {}"), BELL_SIGNED_UNSUPPORTED},
        {T("70000: 1"), BELL_SIGNED_UNSUPPORTED},
        {T("\"exp\": 1"), BELL_SIGNED_UNSUPPORTED},
        {T("h'00': 1"), BELL_SIGNED_UNSUPPORTED},
        {T("18446744073709551615: 1"), BELL_SIGNED_UNSUPPORTED},
        {T("309: 0"), BELL_SIGNED_OK},
        {T("309: 0.0"), BELL_SIGNED_OK},
        {T("309: 50"), BELL_SIGNED_UNSUPPORTED},
        {T("309: [0]"), BELL_SIGNED_UNSUPPORTED},
        /* methods */
        {T("313: [\"GET\"]"), BELL_SIGNED_OK},
        {T("313: [\"get\"]"), BELL_SIGNED_OK},
        {T("313: [\"HEAD\", \"POST\"]"), BELL_SIGNED_METHOD},
        {T("313: [\"GETX\"]"), BELL_SIGNED_METHOD},
        {T("313: []"), BELL_SIGNED_METHOD},
        {T("313: \"GET\""), BELL_SIGNED_MALFORMED},
        {T("313: [\"GET\", 1]"), BELL_SIGNED_MALFORMED},
        /* countries */
        {T("316: [\"CA\", \"US\"]"), BELL_SIGNED_OK},
        {T("316: [\"us\"]"), BELL_SIGNED_OK},
        {T("316: [\"SE\"]"), BELL_SIGNED_COUNTRY},
        {T("316: [\"US-CA\"]"), BELL_SIGNED_COUNTRY},
        {T("316: [\"\"]"), BELL_SIGNED_COUNTRY},
        {T("316: []"), BELL_SIGNED_COUNTRY},
        {T("316: \"US\""), BELL_SIGNED_MALFORMED},
        /* what the caller has not given */
        {T("314: [\"h2\"]"), BELL_SIGNED_UNSUPPORTED},
        {T("308: 0"), BELL_SIGNED_OK},
        {T("7: h'01', 308: 1"), BELL_SIGNED_UNSUPPORTED},
        {T("7: h'01', 308: 2"), BELL_SIGNED_UNSUPPORTED},
        {T("7: h'01', 308: 3"), BELL_SIGNED_UNSUPPORTED},
        {T("7: h'01', 308: \"1\""), BELL_SIGNED_MALFORMED},
        /* whom it is for, "a CR LF b" being no name */
        {T("2: \"a b\""), BELL_SIGNED_OK},
        {T("2: x'64610d0a62'"), BELL_SIGNED_MALFORMED},
        {T("2: x'62617f'"), BELL_SIGNED_MALFORMED},
        {T("322: {}"), BELL_SIGNED_OK},
        {T("322: 1"), BELL_SIGNED_MALFORMED},
        {T("323: 1"), BELL_SIGNED_MALFORMED},
    };
    cat_case *t = cat_new();

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        cat_spec s = CAT_SPEC(rows[i].claims);
        assert_reason(cat_verdict(t, &s), rows[i].reason, rows[i].claims);
        assert_true(bell_str_eq(t->out.target, t->c.request.target) && t->out.token.len > 0);
    }
    cat_free(t);
}

static void networks(void **state) {
    static const struct {
        const char *list, *client;
        bell_signed_reason reason;
    } rows[] = {
        {"[52(h'c000020a')]", "192.0.2.10", BELL_SIGNED_OK},
        {"[52(h'c000020b')]", "192.0.2.10", BELL_SIGNED_ADDRESS},
        {"[52([24, h'c0000200'])]", "192.0.2.10", BELL_SIGNED_OK},
        {"[52([24, h'c00002'])]", "192.0.2.10", BELL_SIGNED_OK}, /* zeros at the end left out */
        {"[52([24, h'c0'])]", "192.0.2.10", BELL_SIGNED_ADDRESS},
        {"[52([31, h'c000020a'])]", "192.0.2.11", BELL_SIGNED_OK},
        {"[52([31, h'c000020a'])]", "192.0.2.12", BELL_SIGNED_ADDRESS},
        {"[52([0, h''])]", "198.51.100.1", BELL_SIGNED_OK},
        {"[52([24, h'c00002ff'])]", "192.0.2.10", BELL_SIGNED_OK}, /* bits behind the prefix do not count */
        {"[52([33, h'c0000200'])]", "192.0.2.10", BELL_SIGNED_MALFORMED},
        {"[52([24, h'c000020000'])]", "192.0.2.10", BELL_SIGNED_MALFORMED},
        {"[52(h'c00002')]", "192.0.2.10", BELL_SIGNED_MALFORMED},
        {"[52([h'c0000200', 24])]", "192.0.2.10", BELL_SIGNED_MALFORMED},
        {"[52([24])]", "192.0.2.10", BELL_SIGNED_MALFORMED},
        {"[52([24, h'c0000200', 1])]", "192.0.2.10", BELL_SIGNED_MALFORMED},
        {"[52(\"192.0.2.10\")]", "192.0.2.10", BELL_SIGNED_MALFORMED},
        {"[53(h'c000020a')]", "192.0.2.10", BELL_SIGNED_MALFORMED},
        {"[\"192.0.2.10\"]", "192.0.2.10", BELL_SIGNED_MALFORMED},
        {"[64500, \"x\"]", "192.0.2.10", BELL_SIGNED_MALFORMED},
        {"52(h'c000020a')", "192.0.2.10", BELL_SIGNED_MALFORMED},
        {"[]", "192.0.2.10", BELL_SIGNED_ADDRESS},
        {"[-1]", "192.0.2.10", BELL_SIGNED_MALFORMED},
        {"[54([32, h'20010db8'])]", "2001:db8::5", BELL_SIGNED_OK},
        {"[54([33, h'20010db880'])]", "2001:db8::5", BELL_SIGNED_ADDRESS},
        {"[54([33, h'20010db880'])]", "2001:db8:8000::5", BELL_SIGNED_OK},
        {"[54(h'20010db8000000000000000000000005')]", "2001:db8::5", BELL_SIGNED_OK},
        {"[54(h'20010db8000000000000000000000005')]", "2001:db8::6", BELL_SIGNED_ADDRESS},
        {"[54([0, h''])]", "192.0.2.10", BELL_SIGNED_ADDRESS}, /* all of IPv6, none of IPv4 */
        {"[54([129, h''])]", "2001:db8::5", BELL_SIGNED_MALFORMED},
        {"[52([0, h''])]", "2001:db8::5", BELL_SIGNED_ADDRESS},
        {"[52([24, h'c0000200'])]", "::ffff:192.0.2.10", BELL_SIGNED_OK},
        {"[64500]", "192.0.2.10", BELL_SIGNED_OK},
        {"[64501]", "192.0.2.10", BELL_SIGNED_ADDRESS},
        {"[0]", "192.0.2.10", BELL_SIGNED_ADDRESS},
        {"[52(h'c000020b'), 64500]", "192.0.2.10", BELL_SIGNED_OK},
        {"[4294967296]", "192.0.2.10", BELL_SIGNED_ADDRESS},
    };
    cat_case *t = cat_new();
    char text[300];

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        snprintf(text, sizeof(text), T("311: %s"), rows[i].list);
        cat_spec s = CAT_SPEC(text);
        assert_true(bell_address_parse(bell_str_of(rows[i].client), &t->c.request.client));
        assert_reason(cat_verdict(t, &s), rows[i].reason, text);
    }
    cat_spec whole = CAT_SPEC(T("311: [52([0, h'']), 54([0, h''])]")), own = CAT_SPEC(T("311: [0]"));
    t->c.request.client = (bell_address){0}; /* not known */
    assert_int_equal(cat_verdict(t, &whole), BELL_SIGNED_ADDRESS);
    t->c.request.asn = 0; /* not known either: no network has that number */
    assert_int_equal(cat_verdict(t, &own), BELL_SIGNED_ADDRESS);
    cat_free(t);
}

static void uris(void **state) {
    static const char usual[] = "/hls/c7/720/s1.ts";
    static const struct {
        const char *claim, *target;
        bell_signed_reason reason;
    } rows[] = {
        {"{0: {0: \"https\"}}", usual, BELL_SIGNED_OK},
        {"{0: {0: \"HTTPS\"}}", usual, BELL_SIGNED_OK},
        {"{0: {0: \"http\"}}", usual, BELL_SIGNED_RESOURCE},
        {"{1: {0: \"CDN.school.example\"}}", usual, BELL_SIGNED_OK},
        {"{1: {2: \".school.example\"}}", usual, BELL_SIGNED_OK},
        {"{1: {2: \".School.Example\"}}", usual, BELL_SIGNED_OK},
        {"{1: {0: \"school.example\"}}", usual, BELL_SIGNED_RESOURCE},
        {"{2: {0: \"443\"}}", usual, BELL_SIGNED_RESOURCE},
        {"{3: {0: \"/hls/c7/720/s1.ts\"}}", usual, BELL_SIGNED_OK},
        {"{3: {0: \"/hls/c7/720/s1.ts\"}}", "/hls/c7/720/s1.ts?x=1", BELL_SIGNED_OK},
        {"{3: {0: \"/hls/c7/720/S1.ts\"}}", usual, BELL_SIGNED_RESOURCE},
        {"{3: {1: \"/hls/c7/\"}}", "/hls/c7/", BELL_SIGNED_OK},
        {"{3: {1: \"/hls/c7/\"}}", "/hls/c7", BELL_SIGNED_RESOURCE},
        {"{3: {1: \"/hls/c7/\"}}", "/hls/%637/x", BELL_SIGNED_RESOURCE}, /* as it was sent, never decoded */
        {"{3: {1: \"/hls/c7/\"}}", "/hls/c7/%2e%2e/c8/x", BELL_SIGNED_PATH},
        {"{3: {1: \"/hls/c7/\"}}", "/hls/c7/..%2fc8/x", BELL_SIGNED_PATH},
        {"{3: {1: \"/hls/c7/\"}}", "/hls/c7/\\..\\c8", BELL_SIGNED_PATH},
        {"{3: {1: \"\"}}", usual, BELL_SIGNED_OK},
        {"{3: {2: \".ts\"}}", usual, BELL_SIGNED_OK},
        {"{3: {3: \"/720/\"}}", usual, BELL_SIGNED_OK},
        {"{3: {3: \"/721/\"}}", usual, BELL_SIGNED_RESOURCE},
        {"{3: {1: \"/hls/\", 2: \".ts\", 3: \"c7\"}}", usual, BELL_SIGNED_OK},
        {"{3: {1: \"/hls/\", 2: \".ts\", 3: \"c8\"}}", usual, BELL_SIGNED_RESOURCE},
        {"{3: {1: \"/hls/\"}, 8: {0: \".m4s\"}}", usual, BELL_SIGNED_RESOURCE},
        {"{3: {0: h'2f'}}", "/", BELL_SIGNED_MALFORMED},
        {"{3: {}}", usual, BELL_SIGNED_MALFORMED},
        {"{}", usual, BELL_SIGNED_MALFORMED},
        {"[]", usual, BELL_SIGNED_MALFORMED},
        {"{3: \"/hls/\"}", usual, BELL_SIGNED_MALFORMED},
        {"{3: {\"0\": \"/\"}}", usual, BELL_SIGNED_MALFORMED},
        {"{3: {5: \"/\"}}", usual, BELL_SIGNED_UNSUPPORTED},
        {"{3: {-3: \"/\"}}", usual, BELL_SIGNED_UNSUPPORTED},
        {"{9: {0: \"\"}}", usual, BELL_SIGNED_UNSUPPORTED},
        {"{-1: {0: \"\"}}", usual, BELL_SIGNED_UNSUPPORTED},
        {"{\"path\": {0: \"/\"}}", usual, BELL_SIGNED_UNSUPPORTED},
        /* queries */
        {"{4: {0: \"\"}}", usual, BELL_SIGNED_OK},
        {"{4: {0: \"\"}}", "/x?a=1", BELL_SIGNED_RESOURCE},
        {"{4: {0: \"b=2&a=1\"}}", "/x?a=1&b=2", BELL_SIGNED_OK},
        {"{4: {0: \"?a=1&b=2\"}}", "/x?a=1&b=2", BELL_SIGNED_OK},
        {"{4: {0: \"a=1&a=1\"}}", "/x?a=1", BELL_SIGNED_RESOURCE},
        {"{4: {0: \"a=1\"}}", "/x?a=1&a=1", BELL_SIGNED_RESOURCE},
        {"{4: {0: \"a=1&a=2\"}}", "/x?a=2&a=1", BELL_SIGNED_OK},
        {"{4: {1: \"a=1\"}}", "/x?a=1&b=2", BELL_SIGNED_OK},
        {"{4: {1: \"b=2\"}}", "/x?a=1&b=2", BELL_SIGNED_RESOURCE},
        {"{4: {3: \"b=2\"}}", "/x?a=1&b=2", BELL_SIGNED_OK},
        /* folders and files */
        {"{5: {0: \"/hls/c7/720\"}}", usual, BELL_SIGNED_OK},
        {"{5: {0: \"/hls/c7/720/\"}}", usual, BELL_SIGNED_OK},
        {"{5: {0: \"/hls/c7\"}}", usual, BELL_SIGNED_RESOURCE},
        {"{5: {1: \"/hls/c7\"}}", usual, BELL_SIGNED_OK},
        {"{5: {0: \"\"}}", "/x.ts", BELL_SIGNED_OK},
        {"{5: {0: \"/\"}}", "/x.ts", BELL_SIGNED_OK},
        {"{6: {0: \"s1.ts\"}}", usual, BELL_SIGNED_OK},
        {"{6: {0: \"\"}}", "/hls/", BELL_SIGNED_OK},
        {"{7: {0: \"a.tar\"}}", "/a.tar.gz", BELL_SIGNED_OK},
        {"{8: {0: \".gz\"}}", "/a.tar.gz", BELL_SIGNED_OK},
        {"{8: {0: \".tar.gz\"}}", "/a.tar.gz", BELL_SIGNED_RESOURCE},
        {"{8: {0: \"\"}}", "/a.b/file", BELL_SIGNED_OK},
        {"{7: {0: \"file\"}}", "/a.b/file", BELL_SIGNED_OK},
        {"{7: {0: \"\"}, 8: {0: \".hidden\"}}", "/.hidden", BELL_SIGNED_OK},
        /* expressions */
        {"{3: {4: [\"^/hls/c[0-9]+/\"]}}", usual, BELL_SIGNED_OK},
        {"{3: {4: [\"720\"]}}", usual, BELL_SIGNED_OK}, /* searched for */
        {"{3: {4: [\"^720\"]}}", usual, BELL_SIGNED_RESOURCE},
        {"{3: {4: [\"(?i)^/HLS/\"]}}", usual, BELL_SIGNED_OK},
        {"{3: {4: [\"(\"]}}", usual, BELL_SIGNED_MALFORMED},
        {"{3: {4: []}}", usual, BELL_SIGNED_MALFORMED},
        {"{3: {4: \"720\"}}", usual, BELL_SIGNED_MALFORMED},
        {"{3: {4: [1]}}", usual, BELL_SIGNED_MALFORMED},
        {"{3: {4: [\"^/hls/(c7)/\", \"c7\"]}}", usual, BELL_SIGNED_UNSUPPORTED},
        {"{3: {4: [\"^(/?[a-z0-9.]*)*$\"]}}", "/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa_", BELL_SIGNED_RESOURCE}, /* too many steps */
        {"{3: {4: [\"(*LIMIT_MATCH=99999999)(*LIMIT_HEAP=99999999)^(a?){40}a{40}x\"]}}", "/", BELL_SIGNED_RESOURCE},
        {"{3: {4: [\"(*UTF)/\"]}}", usual, BELL_SIGNED_MALFORMED},
        {"{3: {4: [\"\\\\C\"]}}", usual, BELL_SIGNED_RESOURCE}, /* a backslash, then C: in the notation nothing is escaped */
        {"{3: {4: [\"((((((((((((((((((((((((((((((((((((((((x))))))))))))))))))))))))))))))))))))))))\"]}}", usual, BELL_SIGNED_MALFORMED},
        /* digests of "/x" */
        {"{3: {-1: \"5c3b2bd9a1eef3ebd1acc0e0ec5abbed55ce2a1b8bb3c51b3dd15e7e8a4bc2d8\"}}", "/x", BELL_SIGNED_RESOURCE},
        {"{3: {-1: 1}}", "/x", BELL_SIGNED_MALFORMED},
    };
    cat_case *t = cat_new();
    char text[300];

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        snprintf(text, sizeof(text), T("312: %s"), rows[i].claim);
        cat_spec s = CAT_SPEC(text);
        t->c.request.target = bell_str_of(rows[i].target);
        assert_reason(cat_verdict(t, &s), rows[i].reason, text);
    }
    cat_free(t);
}

/* A digest in each of the ways that libraries write it. */
static void digests(void **state) {
    static const struct {
        int label;
        const char *md;
        size_t cut;
        bool hex, holds;
    } rows[] = {
        {-1, "SHA256", 32, true, true},      {-1, "SHA256", 32, false, true},     {-2, "SHA512-256", 32, true, true},
        {-2, "SHA512-256", 32, false, true}, {-2, "SHA512", 64, true, true},      {-2, "SHA512", 64, false, true},
        {-2, "SHA512", 32, true, true},      {-2, "SHA512", 32, false, true},     {-1, "SHA512-256", 32, true, false},
        {-2, "SHA256", 32, true, false},     {-1, "SHA256", 31, true, false},     {-1, "SHA256", 31, false, false},
        {-2, "SHA512", 63, false, false},    {-2, "SHA512-256", 0, false, false},
    };
    cat_case *t = cat_new();
    char text[300], digits[2 * EVP_MAX_MD_SIZE + 1];
    unsigned char md[EVP_MAX_MD_SIZE];

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        assert_int_equal(EVP_Q_digest(NULL, rows[i].md, NULL, "/hls/c7/720/s1.ts", 17, md, NULL), 1);
        digits[0] = '\0';
        for (size_t b = 0; b < rows[i].cut; b++) {
            sprintf(digits + 2 * b, i % 4 == 0 ? "%02X" : "%02x", md[b]);
        }
        snprintf(text, sizeof(text), rows[i].hex ? T("312: {3: {%d: \"%s\"}}") : T("312: {3: {%d: h'%s'}}"), rows[i].label, digits);
        cat_spec s = CAT_SPEC(text);
        assert_reason(cat_verdict(t, &s), rows[i].holds ? BELL_SIGNED_OK : BELL_SIGNED_RESOURCE, text);
    }
    cat_free(t);
}

static void ports(void **state) {
    static const struct {
        const char *host, *claim;
        bell_signed_reason reason;
    } rows[] = {
        {"cdn.school.example:8443", "{2: {0: \"8443\"}, 1: {0: \"cdn.school.example\"}}", BELL_SIGNED_OK},
        {"cdn.school.example:8443", "{2: {0: \"\"}}", BELL_SIGNED_RESOURCE},
        {"cdn.school.example:8443", "{1: {0: \"cdn.school.example:8443\"}}", BELL_SIGNED_RESOURCE},
        {"[2001:db8::1]:8443", "{2: {0: \"8443\"}, 1: {0: \"[2001:db8::1]\"}}", BELL_SIGNED_OK},
        {"[2001:db8::1]", "{2: {0: \"\"}, 1: {0: \"[2001:DB8::1]\"}}", BELL_SIGNED_OK},
    };
    cat_case *t = cat_new();
    char text[300];

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        snprintf(text, sizeof(text), T("312: %s"), rows[i].claim);
        cat_spec s = CAT_SPEC(text);
        t->c.request.host = bell_str_of(rows[i].host);
        assert_reason(cat_verdict(t, &s), rows[i].reason, text);
    }
    cat_free(t);
}

static void fields(void **state) {
    static const struct {
        const char *claim;
        bell_signed_reason reason;
    } rows[] = {
        {"{\"user-agent\": {1: \"Chromebook\"}}", BELL_SIGNED_OK},
        {"{\"User-Agent\": {0: \"Chromebook/1\"}}", BELL_SIGNED_OK},
        {"{\"user-agent\": {0: \"chromebook/1\"}}", BELL_SIGNED_HEADER},
        {"{\"user-agent\": {4: [\"^Chrome\"]}}", BELL_SIGNED_OK},
        {"{\"referer\": {1: \"\"}}", BELL_SIGNED_HEADER}, /* not there */
        {"{\"x-empty\": {0: \"\"}}", BELL_SIGNED_OK},
        {"{\"x-two\": {1: \"a\"}}", BELL_SIGNED_OK},
        {"{\"x-two\": {0: \"aa\"}}", BELL_SIGNED_HEADER}, /* the second one is another */
        {"{\"user-agent\": {1: \"Chromebook\"}, \"x-two\": {2: \"b\"}}", BELL_SIGNED_HEADER},
        {"{\"user-agent\": {}}", BELL_SIGNED_MALFORMED},
        {"{}", BELL_SIGNED_MALFORMED},
        {"{1: {1: \"a\"}}", BELL_SIGNED_MALFORMED},
        {"{\"\": {1: \"a\"}}", BELL_SIGNED_MALFORMED},
        {"[]", BELL_SIGNED_MALFORMED},
        {"{\"user-agent\": {7: \"a\"}}", BELL_SIGNED_UNSUPPORTED},
    };
    cat_case *t = cat_new();
    char text[300];

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        snprintf(text, sizeof(text), T("315: %s"), rows[i].claim);
        cat_spec s = CAT_SPEC(text);
        assert_reason(cat_verdict(t, &s), rows[i].reason, text);
    }
    cat_free(t);
}

static void what_the_caller_gives(void **state) {
    cat_case *t = cat_new();
    cat_spec protocol = CAT_SPEC(T("314: [\"h2\", h'6833']")), plain = CAT_SPEC("{" CAT_BASE "}"), audience = CAT_SPEC(T("3: \"edge\"")),
             country = CAT_SPEC(T("316: [\"US\", \"\"]"));

    (void)state;
    t->c.request.alpn = BELL_STR("h2");
    assert_int_equal(cat_verdict(t, &protocol), BELL_SIGNED_OK);
    t->c.request.alpn = BELL_STR("h3");
    assert_int_equal(cat_verdict(t, &protocol), BELL_SIGNED_OK);
    t->c.request.alpn = BELL_STR("http/1.1");
    assert_int_equal(cat_verdict(t, &protocol), BELL_SIGNED_HEADER);
    t->c.request.country = BELL_STR_NULL;
    assert_int_equal(cat_verdict(t, &country), BELL_SIGNED_COUNTRY);
    t->options.naudiences = 0;
    assert_int_equal(cat_verdict(t, &audience), BELL_SIGNED_AUDIENCE);
    t->options.issuer = BELL_STR_NULL;
    assert_int_equal(cat_verdict(t, &plain), BELL_SIGNED_OK);
    assert_int_equal(t->out.expires_s, CAT_NOW + 600);
    assert_true(bell_str_eq(t->out.key_id, BELL_STR("k1")));
    cat_free(t);
}

/* ---- tokens that count once */

/* What a caller would remember: of each use all that tells it from others. */
typedef struct {
    unsigned asked;
    char last[512], before[512];
    bell_signed_reason answer; /* to those that are not known */
} memory;

static bell_signed_reason remember(void *data, const bell_signed_use *use) {
    memory *m = data;

    assert_int_equal(use->expires_s, CAT_NOW + 600);
    int n = snprintf(m->last, sizeof(m->last), "%s %s %d ", use->once ? "once" : "noticed", use->key->id, use->is_named);
    for (size_t i = 0; i < use->id.len && n < 500; i++) {
        n += snprintf(m->last + n, sizeof(m->last) - (size_t)n, "%02x", (unsigned char)use->id.p[i]);
    }
    m->asked++;
    if (strcmp(m->last, m->before) == 0) {
        return BELL_SIGNED_REPLAYED;
    }
    memcpy(m->before, m->last, sizeof(m->last));
    return m->answer;
}

static void what_a_use_is_known_by(void **state) {
    cat_case *t = cat_new();
    memory m = {.answer = BELL_SIGNED_OK};
    cat_spec once = CAT_SPEC(T("7: h'0102', 308: 1")), noticed = CAT_SPEC(T("7: h'0102', 308: 2")), free_one = CAT_SPEC(T("7: h'0102', 308: 0")),
             nameless = CAT_SPEC(T("308: 1")), empty = CAT_SPEC(T("7: h'', 308: 1")), other = CAT_SPEC(T("308: 1, 2: \"ann\""));
    char claims[400];

    (void)state;
    t->options.use = remember;
    t->options.data = &m;
    assert_int_equal(cat_verdict(t, &free_one), BELL_SIGNED_OK);
    assert_int_equal(m.asked, 0);
    assert_int_equal(cat_verdict(t, &once), BELL_SIGNED_OK);
    assert_string_equal(m.last, "once k1 1 0102");
    assert_int_equal(cat_verdict(t, &once), BELL_SIGNED_REPLAYED);
    assert_int_equal(cat_verdict(t, &noticed), BELL_SIGNED_OK);
    assert_string_equal(m.last, "noticed k1 1 0102");
    once.key = K2;
    once.open = "{4: h'6b32'}";
    assert_int_equal(cat_verdict(t, &once), BELL_SIGNED_OK);
    assert_string_equal(m.last, "once k2 1 0102");
    assert_int_equal(cat_verdict(t, &nameless), BELL_SIGNED_OK); /* by all of its claims */
    assert_true(strncmp(m.last, "once k1 0 a4", 12) == 0);
    memcpy(claims, m.last, sizeof(claims));
    nameless.tags = "d1"; /* the same under another shell, as anybody can write it: without the outer tag, its key's id spelled longer */
    nameless.open = "{4: x'58026b31'}";
    assert_int_equal(cat_verdict(t, &nameless), BELL_SIGNED_REPLAYED);
    assert_string_equal(m.last, claims);
    assert_int_equal(cat_verdict(t, &other), BELL_SIGNED_OK);
    assert_int_equal(cat_verdict(t, &empty), BELL_SIGNED_OK); /* an id of no bytes would be that of many */
    assert_true(strncmp(m.last, "once k1 0 a5", 12) == 0);
    m.answer = BELL_SIGNED_FULL;
    assert_int_equal(cat_verdict(t, &other), BELL_SIGNED_FULL);
    cat_free(t);
}

/* Whatever does not hold, the use is not asked for; and a renewal that would go with it is none. */
static void a_use_comes_last(void **state) {
    static const struct {
        const char *claims;
        bell_signed_reason reason;
    } rows[] = {
        {T("7: h'01', 308: 1, 312: {3: {0: \"/other\"}}"), BELL_SIGNED_RESOURCE},
        {T("7: h'01', 308: 1, 313: [\"POST\"]"), BELL_SIGNED_METHOD},
        {T("7: h'01', 308: 1, 315: {\"user-agent\": {0: \"x\"}}"), BELL_SIGNED_HEADER},
        {T("7: h'01', 308: 1, 316: [\"DE\"]"), BELL_SIGNED_COUNTRY},
        {T("7: h'01', 308: 1, 5: 1800000001"), BELL_SIGNED_NOT_YET},
        {T("7: h'01', 308: 1, 3: \"other\""), BELL_SIGNED_AUDIENCE},
        {T("7: h'01', 308: 1, 323: {0: 9, 1: 60}"), BELL_SIGNED_MALFORMED},
        {"{1: \"school\", 4: 1800000000, 7: h'01', 308: 1}", BELL_SIGNED_EXPIRED},
        {T("7: h'01', 308: 3"), BELL_SIGNED_UNSUPPORTED},
        {T("7: h'01', 308: -1"), BELL_SIGNED_MALFORMED},
        {T("7: \"01\", 308: 1"), BELL_SIGNED_MALFORMED},
    };
    cat_case *t = cat_new();
    memory m = {.answer = BELL_SIGNED_OK};
    cat_spec forged = CAT_SPEC(T("7: h'01', 308: 1")), renewed = CAT_SPEC(T("7: h'01', 308: 1, 323: {0: 2, 1: 60, 2: 700}")),
             foreseen = CAT_SPEC(T("7: h'02', 308: 1, 322: {308: [302, {\"Location\": \"/used\"}]}"));

    (void)state;
    t->options.use = remember;
    t->options.data = &m;
    for (size_t i = 0; i < ROWS(rows); i++) {
        cat_spec s = CAT_SPEC(rows[i].claims);
        assert_reason(cat_verdict(t, &s), rows[i].reason, rows[i].claims);
        assert_row(m.asked == 0, rows[i].claims);
    }
    forged.key = K2;
    assert_int_equal(cat_verdict(t, &forged), BELL_SIGNED_SIGNATURE);
    assert_int_equal(m.asked, 0);
    assert_int_equal(cat_verdict(t, &renewed), BELL_SIGNED_OK);
    assert_true(t->out.field_value.len > 0);
    assert_int_equal(cat_verdict(t, &renewed), BELL_SIGNED_REPLAYED);
    assert_true(t->out.field_value.len == 0 && t->out.field_name.len == 0);
    assert_int_equal(cat_verdict(t, &foreseen), BELL_SIGNED_OK);
    assert_int_equal(t->out.redirect.len, 0);
    assert_int_equal(cat_verdict(t, &foreseen), BELL_SIGNED_REPLAYED);
    assert_true(bell_str_eq(t->out.redirect, BELL_STR("/used")) && t->out.redirect_status == 302);
    m.answer = BELL_SIGNED_FULL;
    memset(m.before, 0, sizeof(m.before));
    assert_int_equal(cat_verdict(t, &foreseen), BELL_SIGNED_FULL);
    assert_int_equal(t->out.redirect.len, 0);
    cat_free(t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors),
        cmocka_unit_test(claims),
        cmocka_unit_test(networks),
        cmocka_unit_test(uris),
        cmocka_unit_test(digests),
        cmocka_unit_test(ports),
        cmocka_unit_test(fields),
        cmocka_unit_test(what_the_caller_gives),
        cmocka_unit_test(what_a_use_is_known_by),
        cmocka_unit_test(a_use_comes_last),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
