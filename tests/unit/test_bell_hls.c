#include "akamai.h"
#include "bell_google_cdn.h"
#include "bell_hls.h"
#include "bell_path_token.h"

#include <stdio.h>

#define HOST "cdn.school.example"

/* What a playlist's URI has become, and what a verifier says when it is asked for. */
typedef struct {
    bell_signed_keys keys;
    bell_akamai_options akamai;
    bell_hls hls;
    bell_m3u8 m3u8;
    bell_buf out;
    char room[BELL_HLS_ROOM];
    char target[BELL_M3U8_TARGET_MAX];
    signed_case request;
} playing;

static playing *new_playing(bell_hls_scheme scheme, const char *base) {
    playing *p = calloc(1, sizeof(*p));
    bell_signed_alg alg = scheme == BELL_HLS_GOOGLE_CDN ? BELL_SIGNED_HMAC_SHA1 : BELL_SIGNED_HMAC_SHA256;

    assert_non_null(p);
    p->keys = (bell_signed_keys){{new_key("k1", alg, KEY)}, 1};
    p->akamai = plain;
    bell_buf_init(&p->out, 1 << 20);
    p->hls.scheme = scheme;
    p->hls.base = (bell_uri_base){BELL_STR("https"), BELL_STR(HOST), bell_str_of(base)};
    p->hls.akamai = &p->akamai;
    p->hls.key = p->keys.keys[0];
    p->hls.tenant_id = 7;
    p->hls.subject = BELL_STR("student 42");
    p->hls.data = BELL_STR("class");
    p->hls.until_s = NOW + 600;
    p->hls.room = (bell_signed_room){p->room, sizeof(p->room)};
    return p;
}

static void free_playing(playing *p) {
    signed_keys_free(&p->keys);
    bell_buf_fini(&p->out);
    free(p);
}

/* The line that a line of a playlist becomes. */
static bell_str rewrite(playing *p, const char *line) {
    bell_str head = BELL_STR("#EXTM3U\n");

    bell_buf_reset(&p->out);
    bell_m3u8_init(&p->m3u8, &p->hls.base, bell_hls_edit, &p->hls);
    assert_true(bell_m3u8_feed(&p->m3u8, head, &p->out));
    assert_true(bell_m3u8_feed(&p->m3u8, bell_str_of(line), &p->out));
    assert_true(bell_m3u8_end(&p->m3u8, &p->out));
    return (bell_str){p->out.p + head.len, p->out.len - head.len};
}

/* As a client asks for it who has the playlist from `base`, with or without its token. */
static bell_signed_reason ask(playing *p, const char *base, bell_str line, int64_t now_s, bell_signed_result *out) {
    bell_uri_base own = p->hls.base;
    bell_google_cdn_options google = {.cookie = BELL_STR_NULL};
    bell_path_token_options path = {.one_host = true};

    own.target = bell_str_of(base);
    signed_case_init(&p->request);
    assert_true(bell_uri_resolve(&own, line, p->target, sizeof(p->target), &p->request.request.target));
    p->request.request.now_s = now_s;
    p->request.request.tenant_id = 7;
    bell_signed_call call = signed_call(&p->request, &p->keys);
    switch (p->hls.scheme) {
    case BELL_HLS_PATH:
        return bell_path_token_check(&call, &path, out);
    case BELL_HLS_AKAMAI:
        return bell_akamai_check(&call, &p->akamai, out);
    default:
        return bell_google_cdn_check(&call, &google, out);
    }
}

static const bell_hls_scheme signing[] = {BELL_HLS_PATH, BELL_HLS_AKAMAI, BELL_HLS_GOOGLE_CDN};

/* ---- what is signed is let in, until its end, and is what the playlist named */

static const struct {
    const char *base, *uri, *target;
} signed_rows[] = {
    {"/hls/c7/master.m3u8", "720/index.m3u8", "/hls/c7/720/index.m3u8"},
    {"/hls/c7/master.m3u8?x=1", "720/s1.ts?a=b&c", "/hls/c7/720/s1.ts?a=b&c"},
    {"/hls/c7/720/index.m3u8", "s1.ts", "/hls/c7/720/s1.ts"},
    {"/hls/c7/720/index.m3u8", "./s1.ts#t=1", "/hls/c7/720/s1.ts"},
    {"/hls/c7/720/index.m3u8", "../audio/s1.ts", "/hls/c7/audio/s1.ts"},
    {"/hls/c7/720/index.m3u8", "/keys/k1?id=2", "/keys/k1?id=2"},
    {"/hls/c7/720/index.m3u8", "https://" HOST "/hls/c7/720/s1.ts", "/hls/c7/720/s1.ts"},
    {"/hls/c7/720/index.m3u8", "//" HOST ":443/hls/c8/s1.ts", "/hls/c8/s1.ts"},
    {"/hls/c7/720/index.m3u8", "?part=2", "/hls/c7/720/index.m3u8?part=2"},
    {"/hls/c7/720/index.m3u8", "\xc3\xa9t\xc3\xa9/a b.ts", "/hls/c7/720/%C3%A9t%C3%A9/a%20b.ts"},
    {"/hls/cl!*~ss/index.m3u8", "../other/s1.ts", "/hls/other/s1.ts"},
    {"/hls/c7/index.m3u8", "../we!r*d~/s1.ts?x", "/hls/we!r*d~/s1.ts?x"},
    {"/master.m3u8", "720/s1.ts", "/720/s1.ts"},
};

static void lets_in(playing *p, size_t row) {
    bell_signed_result out;
    bell_str line = rewrite(p, signed_rows[row].uri);
    const char *base = signed_rows[row].base;

    assert_row(p->m3u8.changed == 1, signed_rows[row].uri);
    assert_row(ask(p, base, line, NOW, &out) == BELL_SIGNED_OK, signed_rows[row].uri);
    assert_row(bell_str_eq(out.target, bell_str_of(signed_rows[row].target)), signed_rows[row].uri);
    assert_row(out.expires_s == NOW + 600, signed_rows[row].uri);
    assert_row(p->hls.scheme == BELL_HLS_GOOGLE_CDN || bell_str_eq(out.subject, p->hls.subject), signed_rows[row].uri);
    assert_row(ask(p, base, line, NOW + 599, &out) == BELL_SIGNED_OK, signed_rows[row].uri);
    assert_row(ask(p, base, line, NOW + 600, &out) == BELL_SIGNED_EXPIRED, signed_rows[row].uri);
}

static void signed_is_let_in(void **state) {
    (void)state;
    for (size_t s = 0; s < ROWS(signing); s++) {
        for (size_t i = 0; i < ROWS(signed_rows); i++) {
            playing *p = new_playing(signing[s], signed_rows[i].base);
            /* a directory that no pattern can be made of has no token of Akamai's */
            bool is_weird = signing[s] == BELL_HLS_AKAMAI && strstr(signed_rows[i].base, "!*") != NULL;
            assert_row(bell_hls_init(&p->hls) != is_weird, signed_rows[i].base);
            lets_in(p, i);
            free_playing(p);
        }
    }
}

/* The playlist came with a component in its path, which relative URIs would inherit: what becomes of them leads past it. */
static void playlist_with_a_component(void **state) {
    (void)state;
    for (size_t s = 0; s < ROWS(signing); s++) {
        playing *p = new_playing(signing[s], "/hls/c7/720/index.m3u8");
        bell_signed_result out;
        p->hls.whole_paths = true;
        assert_true(bell_hls_init(&p->hls));
        assert_int_equal(ask(p, "/hls/bell-token=T/c7/720/index.m3u8", rewrite(p, "../s1.ts?a"), NOW, &out), BELL_SIGNED_OK);
        assert_true(bell_str_eq(out.target, BELL_STR("/hls/c7/s1.ts?a")));
        free_playing(p);
    }
}

/* ---- one token for a directory, none for more than it must */

/* Without what is the playlist's own, as far as it goes. */
static bell_signed_reason ask_with(playing *p, bell_str line, const char *from, const char *to, bell_signed_result *out) {
    char *at = memmem(line.p, line.len, from, strlen(from)), text[4096];

    assert_non_null(at);
    snprintf(text, sizeof(text), "%.*s%s%.*s", (int)(at - line.p), line.p, to, (int)(line.p + line.len - at - strlen(from)), at + strlen(from));
    return ask(p, "/hls/c7/index.m3u8", bell_str_of(text), NOW, out);
}

static void reaches_no_further(void **state) {
    (void)state;
    for (size_t s = 0; s < ROWS(signing); s++) {
        playing *p = new_playing(signing[s], "/hls/c7/index.m3u8");
        bool is_path = signing[s] == BELL_HLS_PATH;
        bell_signed_result out;
        assert_true(bell_hls_init(&p->hls));
        assert_int_equal(ask_with(p, rewrite(p, "/hls/c7/s1.ts"), "s1.ts", "720/s9.ts", &out), BELL_SIGNED_OK);
        assert_int_not_equal(ask_with(p, rewrite(p, "/hls/c7/s1.ts"), "/c7/", "/c8/", &out), BELL_SIGNED_OK);
        /* elsewhere it is for one object, but for a component, which is for a directory */
        assert_int_equal(ask_with(p, rewrite(p, "/keys/object1"), "object1", "object2", &out), is_path ? BELL_SIGNED_OK : BELL_SIGNED_RESOURCE);
        assert_int_not_equal(ask_with(p, rewrite(p, "/keys/k1"), "/keys/", "/other/", &out), BELL_SIGNED_OK);
        /* with whatever a player adds to the query */
        assert_int_equal(ask_with(p, rewrite(p, "/other/live.m3u8?_HLS_msn=1"), "_HLS_msn=1", "_HLS_msn=2&_HLS_part=3", &out), BELL_SIGNED_OK);
        free_playing(p);
    }
}

/* Nor by another name: slashes are merged. */
static void the_root_is_not_opened(void **state) {
    static const char *const bases[] = {"/index.m3u8", "//index.m3u8"};
    (void)state;
    for (size_t s = 0; s < ROWS(signing); s++) {
        for (int way = 0; way < 4; way++) {
            playing *p = new_playing(signing[s], bases[way / 2]);
            bell_signed_result out;
            p->hls.below = way % 2 == 1 ? BELL_STR("/") : BELL_STR_NULL;
            assert_true(bell_hls_init(&p->hls));
            bell_str line = rewrite(p, "s1.ts");
            assert_int_equal(p->m3u8.changed, signing[s] != BELL_HLS_PATH || way == 1); /* "//…" would be a host */
            if (p->m3u8.changed > 0) {
                assert_int_equal(ask(p, bases[way / 2], line, NOW, &out), BELL_SIGNED_OK);
                if (way < 2) {
                    assert_int_equal(ask_with(p, line, "s1.ts", "secret", &out), way > 0 ? BELL_SIGNED_OK : BELL_SIGNED_RESOURCE);
                }
            }
            free_playing(p);
        }
    }
}

/* ---- what stays as it is */

static void stays(playing *p, const char *line) {
    assert_row(bell_str_eq(rewrite(p, line), bell_str_of(line)), line);
    assert_row(p->m3u8.changed == 0, line);
}

static void left_alone(void **state) {
    static const char *const foreign[] = {"https://other.example/s1.ts", "http://" HOST "/s1.ts", "data:text/plain,x", "{$v}/s1.ts",
                                          "../%2e%2e/s1.ts"};
    (void)state;
    for (size_t s = 0; s < ROWS(signing); s++) {
        playing *p = new_playing(signing[s], "/hls/c7/index.m3u8");
        p->hls.below = BELL_STR("/hls/");
        assert_true(bell_hls_init(&p->hls));
        for (size_t i = 0; i < ROWS(foreign); i++) {
            stays(p, foreign[i]);
        }
        stays(p, "/keys/k1"); /* not below what may be signed */
        p->hls.below = BELL_STR_NULL;
        if (signing[s] != BELL_HLS_AKAMAI) { /* which has a token for just this one path */
            stays(p, "/");
            stays(p, "/.//");
        }
        if (signing[s] == BELL_HLS_PATH) {
            stays(p, "/.//s1.ts");
        }
        if (signing[s] == BELL_HLS_GOOGLE_CDN) {
            stays(p, "/keys/");
        }
        stays(p, signing[s] == BELL_HLS_PATH ? "x/bell-token=v1/s1.ts" : signing[s] == BELL_HLS_AKAMAI ? "s1.ts?a&hdnts=x" : "s1.ts?KeyName=x");
        p->hls.key = NULL; /* gone meanwhile: what was made of it still is */
        stays(p, "/keys/k1");
        rewrite(p, "s1.ts");
        assert_int_equal(p->m3u8.changed, 1);
        free_playing(p);
    }
}

static void cannot_be_made(void **state) {
    playing *p = new_playing(BELL_HLS_PATH, "/hls/../c7/index.m3u8");

    (void)state;
    assert_false(bell_hls_init(&p->hls));
    p->hls.base.target = BELL_STR("/hls/index.m3u8");
    assert_true(bell_hls_init(&p->hls));
    p->hls.subject = BELL_STR("\xc3\xa9");
    assert_false(bell_hls_init(&p->hls));
    p->hls.subject = BELL_STR_NULL;
    p->hls.key = NULL;
    assert_false(bell_hls_init(&p->hls));
    p->hls.scheme = BELL_HLS_INHERIT;
    assert_false(bell_hls_init(&p->hls));
    p->hls.scheme = BELL_HLS_NONE;
    assert_false(bell_hls_init(&p->hls));
    free_playing(p);
}

/* ---- Akamai's texts in a query, and its other forms */

static void akamai_texts(void **state) {
    static const char *const subjects[] = {"a&b", "a b", "a#b", "100%", "a+b", "%41", "\xc3\xa9", "\"x\"", "a=b;c,d"};

    (void)state;
    for (size_t i = 0; i < ROWS(subjects); i++) {
        for (int escape = 0; escape < 2; escape++) {
            playing *p = new_playing(BELL_HLS_AKAMAI, "/hls/c7/index.m3u8");
            bell_signed_result out;
            p->akamai.escape = escape;
            p->akamai.ignore_query = escape;
            p->akamai.salt = BELL_STR("pepper");
            p->hls.subject = bell_str_of(subjects[i]);
            assert_true(bell_hls_init(&p->hls));
            assert_row(ask(p, "/hls/c7/index.m3u8", rewrite(p, "s1.ts?a"), NOW, &out) == BELL_SIGNED_OK, subjects[i]);
            assert_row(ask(p, "/hls/c7/index.m3u8", rewrite(p, "/x!y/s1.ts?a"), NOW, &out) == BELL_SIGNED_OK, subjects[i]);
            free_playing(p);
        }
    }
}

/* ---- inherited */

static void inherited(void **state) {
    static const struct {
        const char *target, *cut, *line, *want; /* NULL: there is nothing to inherit */
    } rows[] = {
        {"/v/a.m3u8?Policy=p&Signature=s&Key-Pair-Id=k", "/v/a.m3u8", "s1.ts", "s1.ts?Policy=p&Signature=s&Key-Pair-Id=k"},
        {"/v/a.m3u8?x=1&Policy=p&x=2&Signature=s", "/v/a.m3u8?x=1&x=2", "/w/s1.ts?y", "/w/s1.ts?y&Policy=p&Signature=s"},
        {"/v/a.m3u8?t=1&t=1", "/v/a.m3u8?t=1", "s1.ts", "s1.ts?t=1"},
        {"/v/a.m3u8?Policy=p", "/v/a.m3u8", "s1.ts?Policy=q", "s1.ts?Policy=q"},
        {"/v/a.m3u8?hdnts=a\"b", "/v/a.m3u8", "s1.ts", "s1.ts"},
        {"/v/a.m3u8?Policy=p", "/v/a.m3u8", "https://other.example/s1.ts", "https://other.example/s1.ts"},
        {"/v/t=x/c/a.m3u8", "/v/c/a.m3u8", "s1.ts", "/v/t=x/c/s1.ts"},
        {"/v/t=x/c/a.m3u8?q=1", "/v/c/a.m3u8?q=1", "/v/d/s1.ts?e", "/v/t=x/d/s1.ts?e"},
        {"/v/t=x/c/a.m3u8", "/v/c/a.m3u8", "/w/s1.ts", "/w/s1.ts"},
        {"/v/t=x/c/a.m3u8", "/v/c/a.m3u8", "/v/t=y/c/s1.ts", "/v/t=y/c/s1.ts"},
        {"/v/t=x/t1/a.m3u8", "/v/t1/a.m3u8", "s1.ts", "/v/t=x/t1/s1.ts"},
        {"/t=x/a.m3u8", "/a.m3u8", "s1.ts", "/t=x/s1.ts"},
        {"/v/a.m3u8", "/v/a.m3u8", "s1.ts", NULL},
        {"/v/a.m3u8?x", "/v/a.m3u8?x", "s1.ts", NULL},
        {"/v/a.m3u8;t=x", "/v/a.m3u8", "s1.ts", NULL},
        {"/v/x/a.m3u8", "/v/a.m3u8", "s1.ts", NULL},
        {"/v/t=x/u=y/a.m3u8", "/v/a.m3u8", "s1.ts", NULL},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        playing *p = new_playing(BELL_HLS_INHERIT, rows[i].cut);
        bell_hls_find_token(bell_str_of(rows[i].target), bell_str_of(rows[i].cut), &p->hls.room, &p->hls.query, &p->hls.before, &p->hls.component);
        assert_row(bell_hls_init(&p->hls) == (rows[i].want != NULL), rows[i].target);
        if (rows[i].want != NULL) {
            assert_row(bell_str_eq(rewrite(p, rows[i].line), bell_str_of(rows[i].want)), rows[i].want);
        }
        free_playing(p);
    }
}

/* ---- keys and times */

static void keys_to_sign_with(void **state) {
    bell_signed_keys keys = {{new_key("sha1", BELL_SIGNED_HMAC_SHA1, KEY), new_key("over", BELL_SIGNED_HMAC_SHA256, KEY),
                              new_key("soon", BELL_SIGNED_HMAC_SHA256, KEY), new_key("later", BELL_SIGNED_HMAC_SHA256, KEY),
                              new_key("not yet", BELL_SIGNED_HMAC_SHA256, KEY)},
                             5};
    static const struct {
        int64_t wanted_s, until_s;
        const char *id;
    } rows[] = {{NOW + 5, NOW + 5, "soon"}, {NOW + 10, NOW + 10, "soon"}, {NOW + 11, NOW + 11, "later"}, {NOW + 99, NOW + 20, "later"}};

    (void)state;
    keys.keys[1]->until_s = NOW;
    keys.keys[2]->until_s = NOW + 10;
    keys.keys[3]->until_s = NOW + 20;
    keys.keys[4]->from_s = NOW + 1;
    for (size_t i = 0; i < ROWS(rows); i++) {
        int64_t until_s = rows[i].wanted_s;
        const bell_signed_key *k = bell_hls_choose_key(&keys, BELL_SIGNED_HMAC_SHA256, NOW, &until_s);
        assert_non_null(k);
        assert_string_equal(k->id, rows[i].id);
        assert_int_equal(until_s, rows[i].until_s);
    }
    int64_t until_s = NOW + 5;
    assert_null(bell_hls_choose_key(&keys, BELL_SIGNED_HMAC_MD5, NOW, &until_s));
    keys.keys[3]->until_s = 0;
    until_s = NOW + 1000;
    assert_string_equal(bell_hls_choose_key(&keys, BELL_SIGNED_HMAC_SHA256, NOW, &until_s)->id, "later");
    assert_int_equal(until_s, NOW + 1000);
    signed_keys_free(&keys);
}

static void ends(void **state) {
    (void)state;
    for (int64_t lifetime_s = 1; lifetime_s < 100; lifetime_s++) {
        unsigned steps = 0;
        for (int64_t now_s = NOW; now_s < NOW + 2 * lifetime_s; now_s++) {
            int64_t until_s = bell_hls_until(now_s, lifetime_s, 0);
            assert_true(until_s > now_s && until_s <= now_s + lifetime_s && until_s > now_s + lifetime_s - lifetime_s / 8 - 1);
            steps += until_s != bell_hls_until(now_s + 1, lifetime_s, 0);
        }
        assert_true(lifetime_s < 16 || steps <= 24);
    }
    assert_int_equal(bell_hls_until(NOW, 3600, NOW + 7), NOW + 7);
    assert_int_equal(bell_hls_until(NOW, 8, NOW + 7200), NOW + 8);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signed_is_let_in),   cmocka_unit_test(playlist_with_a_component),
        cmocka_unit_test(reaches_no_further), cmocka_unit_test(the_root_is_not_opened),
        cmocka_unit_test(left_alone),         cmocka_unit_test(cannot_be_made),
        cmocka_unit_test(akamai_texts),       cmocka_unit_test(inherited),
        cmocka_unit_test(keys_to_sign_with),  cmocka_unit_test(ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
