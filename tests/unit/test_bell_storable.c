#include "bell_storable.h"
#include "response.h"
#include "unit.h"

/* What the operator's policy and the request are in a row, as letters. */
enum {
    COOKIES = 1 << 0,  /* policy: Set-Cookie is stored */
    PARTIAL = 1 << 1,  /* policy: 206 is stored */
    OPTIONAL = 1 << 2, /* policy: Cache-Scope is not needed for Authorization */
    TTL = 1 << 3,      /* policy: a default lifetime */
    AUTH = 1 << 4,     /* the request has Authorization */
    KNOWN = 1 << 5,    /* the edge knows who asks */
    NO_STORE = 1 << 6, /* the request says no-store */
    HEAD = 1 << 7,
};

static const struct {
    unsigned status, with;
    const char *fields, *verdict;
} rows[] = {
    {200, 0, "Cache-Control: max-age=60", "stored"},
    {200, 0, "Expires: @60", "stored"},
    {200, 0, "Last-Modified: @-86400", "stored"},
    /* RFC 9111, 3: method, request, status */
    {200, HEAD, "Cache-Control: max-age=60", "method"},
    {200, NO_STORE, "Cache-Control: max-age=60", "request-no-store"},
    {100, 0, "Cache-Control: max-age=60", "status"},
    {103, 0, "Cache-Control: max-age=60", "status"},
    {304, 0, "Cache-Control: max-age=60", "status"},
    {412, 0, "Cache-Control: max-age=60", "status"},
    {416, 0, "Cache-Control: max-age=60", "status"},
    {600, 0, "Cache-Control: max-age=60", "status"},
    {206, 0, "Cache-Control: max-age=60", "status"},
    {206, PARTIAL, "Cache-Control: max-age=60", "stored"},
    {206, PARTIAL, "Cache-Control: max-age=60, must-understand", "stored"},
    /* the suite's group status: any final status with explicit freshness */
    {203, 0, "Cache-Control: max-age=60", "stored"},
    {204, 0, "Cache-Control: max-age=60", "stored"},
    {299, 0, "Cache-Control: max-age=60", "stored"},
    {301, 0, "Cache-Control: max-age=60", "stored"},
    {302, 0, "Cache-Control: max-age=60", "stored"},
    {303, 0, "Cache-Control: max-age=60", "stored"},
    {307, 0, "Cache-Control: max-age=60", "stored"},
    {308, 0, "Cache-Control: max-age=60", "stored"},
    {400, 0, "Cache-Control: max-age=60", "stored"},
    {404, 0, "Cache-Control: max-age=60", "stored"},
    {410, 0, "Cache-Control: max-age=60", "stored"},
    {499, 0, "Cache-Control: max-age=60", "stored"},
    {500, 0, "Cache-Control: max-age=60", "stored"},
    {503, 0, "Cache-Control: max-age=60", "stored"},
    {599, 0, "Cache-Control: max-age=60", "stored"},
    {599, 0, "Cache-Control: max-age=3600, no-store, must-understand", "status"}, /* status-599-must-understand */
    {599, 0, "Cache-Control: max-age=3600, must-understand", "status"},
    {299, 0, "Cache-Control: max-age=3600, must-understand", "status"},
    {200, 0, "Cache-Control: max-age=3600, no-store, must-understand", "stored"}, /* status-200-must-understand */
    {404, 0, "Cache-Control: max-age=3600, no-store, must-understand", "stored"},
    {200, 0, "Cache-Control: max-age=3600, no-store, must-understand=1", "no-store"},
    /* Vary: * (4.1) */
    {200, 0, "Cache-Control: max-age=60\nVary: *", "vary-any"},
    {200, 0, "Cache-Control: max-age=60\nVary: *, Foo, Bar", "vary-any"}, /* it is read to its end */
    {200, 0, "Cache-Control: max-age=60\nVary: Foo, *", "vary-any"},
    {200, 0, "Cache-Control: max-age=60\nVary: , *", "vary-any"},
    {200, 0, "Cache-Control: max-age=60\nVary: Foo\nVary: *", "vary-any"},
    {200, 0, "Cache-Control: max-age=60\nVary: Foo, *a", "stored"},
    {200, 0, "Cache-Control: max-age=60\nVary: \"Foo, *", "vary-any"}, /* a quote hides nothing */
    /* cookies */
    {200, 0, "Cache-Control: max-age=60\nSet-Cookie: a=b", "set-cookie"},
    {200, COOKIES, "Cache-Control: max-age=60\nSet-Cookie: a=b", "stored"},
    /* cc-response, cdn-cache-control */
    {200, 0, "Cache-Control: no-store", "no-store"},
    {200, 0, "Cache-Control: max-age=10000, No-StOrE\nExpires: @10000\nDate: @0", "no-store"},
    {200, 0, "Cache-Control: private, max-age=3600", "private"},
    {200, 0, "Cache-Control: private=\"a\", max-age=3600", "stored"},
    {200, 0, "Cache-Control: private=\"\", max-age=3600", "private"},
    {200, 0, "CDN-Cache-Control: private\nCache-Control: max-age=10000\nExpires: @10000", "private"},
    {200, 0, "CDN-Cache-Control: no-store\nCache-Control: max-age=10000\nExpires: @10000", "no-store"},
    {200, 0, "CDN-Cache-Control: max-age=10000\nCache-Control: no-store", "stored"},
    {200, 0, "CDN-Cache-Control: max-age=10000\nCache-Control: private", "stored"},
    {200, 0, "CDN-Cache-Control: max-age=10000, &&&&&\nCache-Control: no-store", "no-store"},
    {200, 0, "CDN-Cache-Control: max-age=\"10000\"\nCache-Control: no-store", "not-usable"},
    {200, 0, "CDN-Cache-Control: MaX-aGe=3600", "not-usable"},
    {200, 0, "CDN-Cache-Control: max-age=0\nExpires: @10000", "not-usable"},
    /* somebody asked */
    {200, KNOWN, "Cache-Control: max-age=60, public", "no-scope"},
    {200, KNOWN | OPTIONAL, "Cache-Control: max-age=60, public", "no-scope"},
    {200, KNOWN | AUTH | OPTIONAL, "Cache-Control: max-age=60, public", "no-scope"},
    {200, KNOWN, "Cache-Control: max-age=60\nCache-Scope: public", "stored"},
    {200, KNOWN, "Cache-Control: max-age=60\nCache-Scope: role", "stored"},
    {200, KNOWN, "Cache-Control: max-age=60\nCache-Scope: private", "stored"},
    {200, KNOWN, "Cache-Control: max-age=60, private\nCache-Scope: private", "private"},
    {200, KNOWN, "Cache-Control: max-age=60\nCache-Scope: tenant", "scope-unknown"},
    {200, 0, "Cache-Control: max-age=60\nCache-Scope: tenant", "scope-unknown"},
    {200, 0, "Cache-Control: max-age=60\nCache-Scope: role", "stored"},
    {200, 0, "Cache-Control: max-age=60\nCache-Scope: private", "no-subject"},
    {200, AUTH, "Cache-Control: max-age=60\nCache-Scope: private", "no-subject"},
    /* RFC 9111, 3.5; the suite's group auth */
    {200, AUTH, "Cache-Control: max-age=60", "authorization"},
    {200, AUTH, "Cache-Control: max-age=60, public", "authorization"},
    {200, AUTH | OPTIONAL, "Cache-Control: max-age=60", "authorization"},
    {200, AUTH | OPTIONAL, "Cache-Control: max-age=60, public", "stored"},
    {200, AUTH | OPTIONAL, "Cache-Control: max-age=60, must-revalidate", "stored"},
    {200, AUTH | OPTIONAL, "Cache-Control: s-maxage=60", "stored"},
    {200, AUTH | OPTIONAL, "Cache-Control: max-age=60, proxy-revalidate", "authorization"},
    {200, AUTH, "Cache-Control: max-age=60\nCache-Scope: public", "stored"},
    {200, AUTH, "Cache-Control: max-age=60\nCache-Scope: role", "stored"},
    /* nothing says that it may be stored */
    {201, 0, "Last-Modified: @-86400", "not-explicit"},
    {403, 0, "ETag: \"a\"", "not-explicit"},
    {599, TTL, "", "not-explicit"},
    {599, 0, "Last-Modified: @-86400\nCache-Control: public", "stored"},
    {201, 0, "CDN-Cache-Control: foo\nExpires: @60", "not-explicit"},
    /* nothing to use it by: freshness-none */
    {200, 0, "", "not-usable"},
    {200, TTL, "", "stored"},
    {404, TTL, "", "stored"},
    {200, 0, "ETag: \"a\"", "stored"},
    {200, 0, "Cache-Control: max-age=0", "not-usable"},
    {200, 0, "Cache-Control: max-age=0\nETag: \"a\"", "stored"},
    {200, 0, "Cache-Control: max-age=0, stale-while-revalidate=5", "stored"},
    {200, 0, "Cache-Control: max-age=0, stale-if-error=5", "stored"},
    {200, 0, "Cache-Control: max-age=10, stale-if-error=5\nAge: 14", "stored"},
    {200, 0, "Cache-Control: max-age=10, stale-if-error=5\nAge: 15", "not-usable"},
    {200, 0, "Cache-Control: max-age=10, stale-if-error=5, must-revalidate\nAge: 14", "not-usable"},
    {200, 0, "Cache-Control: max-age=10\nAge: 10", "not-usable"},
    {200, 0, "Cache-Control: no-cache, max-age=60", "not-usable"},
    {200, 0, "Cache-Control: no-cache\nETag: \"abcd\"", "stored"}, /* cc-resp-no-cache-revalidate */
};

static void verdicts(void **state) {
    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        bell_response_meta m = response(rows[i].status, rows[i].fields);
        unsigned with = rows[i].with;
        bell_cache_policy policy = {.heuristic_max_s = 86400, .default_sie_s = 60, .stale_max_s = 1000};

        policy.store_set_cookie = with & COOKIES;
        policy.store_partial = with & PARTIAL;
        policy.scope_optional = with & OPTIONAL;
        policy.default_ttl_s = with & TTL ? 30 : 0;
        m.get = !(with & HEAD);
        m.authorization = with & AUTH;
        m.authenticated = with & KNOWN;
        m.request_no_store = with & NO_STORE;
        if (strcmp(bell_storable_name(bell_storable(&m, &policy)), rows[i].verdict) != 0) {
            fail_msg("%u \"%s\": %s", rows[i].status, rows[i].fields, bell_storable_name(bell_storable(&m, &policy)));
        }
    }
}

/* Each verdict has a name of its own, and a row above, but for those that callers find. */
static void names(void **state) {
    (void)state;
    for (unsigned v = 0; v < BELL_STORE_VERDICTS; v++) {
        const char *name = bell_storable_name((bell_store_verdict)v);
        size_t seen = 0;

        for (size_t i = 0; i < ROWS(rows); i++) {
            seen += strcmp(rows[i].verdict, name) == 0;
        }
        assert_row((seen > 0) == (v <= BELL_STORE_NOT_USABLE), name);
        for (unsigned other = 0; other < v; other++) {
            assert_string_not_equal(name, bell_storable_name((bell_store_verdict)other));
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verdicts),
        cmocka_unit_test(names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
