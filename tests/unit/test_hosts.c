#include "origin/db/hosts.h"
#include "unit.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *conninfo;
    unsigned n;
    fb_pg_host hosts[3];
} cases[] = {
    {"dbname=a", 1, {{NULL, NULL, NULL}}},
    {"host=db1 dbname=a", 1, {{"db1", NULL, NULL}}},
    {"host=db1 port=1 dbname=a", 1, {{"db1", NULL, "1"}}},
    {"host=/run/pg", 1, {{"/run/pg", NULL, NULL}}},
    {"host=db1 hostaddr=10.0.0.1", 1, {{"db1", "10.0.0.1", NULL}}},
    {"host=db1,db2 dbname=a", 2, {{"db1", NULL, NULL}, {"db2", NULL, NULL}}},
    {"host=db1,/run/pg,db3 port=5,6,7", 3, {{"db1", NULL, "5"}, {"/run/pg", NULL, "6"}, {"db3", NULL, "7"}}},
    {"host=db1,db2 port=5", 2, {{"db1", NULL, "5"}, {"db2", NULL, "5"}}},
    /* nothing that is left open may be filled in from the lists of the conninfo: libpq would find two of it for one host */
    {"host=db1,db2 port=,6", 2, {{"db1", NULL, "5432"}, {"db2", NULL, "6"}}},
    {"host=a, hostaddr=10.0.0.1,10.0.0.2", 2, {{"a", "10.0.0.1", NULL}, {"10.0.0.2", "10.0.0.2", NULL}}},
    {"host=a,b hostaddr=10.0.0.1,", 2, {{"a", "10.0.0.1", NULL}, {"b", NULL, NULL}}},
    {"host=,b", 1, {{NULL, NULL, NULL}}},
    {"hostaddr=10.0.0.1,10.0.0.2", 2, {{NULL, "10.0.0.1", NULL}, {NULL, "10.0.0.2", NULL}}},
    {"host=a,b hostaddr=10.0.0.1,10.0.0.2", 2, {{"a", "10.0.0.1", NULL}, {"b", "10.0.0.2", NULL}}},
    {"postgresql://db1:5,db2:6/a", 2, {{"db1", NULL, "5"}, {"db2", NULL, "6"}}},
    {"host=a,b port=1,2,3", 1, {{NULL, NULL, NULL}}}, /* libpq says what is wrong with it */
    {"host=a,b hostaddr=10.0.0.1", 1, {{NULL, NULL, NULL}}},
    {"no conninfo", 1, {{NULL, NULL, NULL}}},
    {"host=a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a", 1, {{NULL, NULL, NULL}}}, /* more than FB_PG_HOSTS_MAX */
};

static bool same(const char *a, const char *b) {
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static void lists(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        fb_pg_hosts h;
        fb_pg_hosts_init(&h, cases[i].conninfo);
        if (h.n != cases[i].n) {
            fail_msg("%s: %u hosts", cases[i].conninfo, h.n);
        }
        for (unsigned k = 0; k < h.n; k++) {
            const fb_pg_host *found = &h.list[k], *expected = &cases[i].hosts[k];
            if (!same(found->host, expected->host) || !same(found->hostaddr, expected->hostaddr) || !same(found->port, expected->port)) {
                fail_msg("%s: host %u", cases[i].conninfo, k);
            }
        }
        fb_pg_hosts_fini(&h);
    }
}

static const char *value(const fb_pg_words *w, const char *word) {
    for (int i = 0; w->words[i] != NULL; i++) {
        if (strcmp(w->words[i], word) == 0) {
            return w->values[i];
        }
    }
    return NULL;
}

static void words(void **state) {
    (void)state;
    fb_pg_host host = {.host = "db2", .port = "6"};
    fb_pg_words w;
    fb_pg_words_fill(&w, "host=db1,db2 user=somebody", &host, "fb_app", "firstbell api");
    assert_string_equal(value(&w, "host"), "db2");
    assert_string_equal(value(&w, "port"), "6");
    assert_null(value(&w, "hostaddr"));
    assert_string_equal(value(&w, "user"), "fb_app");
    assert_string_equal(value(&w, "target_session_attrs"), "read-write");
    fb_pg_words_fill(&w, "dbname=a", NULL, "fb_owner", "firstbell migrate");
    assert_null(value(&w, "host"));
}

/* The environment counts as it does for libpq. */
static void environment(void **state) {
    (void)state;
    fb_pg_hosts h;
    setenv("PGHOST", "db9", 1);
    fb_pg_hosts_init(&h, "dbname=a");
    unsetenv("PGHOST");
    assert_int_equal(h.n, 1);
    assert_string_equal(h.list[0].host, "db9");
    fb_pg_hosts_fini(&h);
}

/* Whatever is left open, libpq finds as many ports and addresses as hosts. */
static void libpq_agrees(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        fb_pg_hosts h;
        fb_pg_hosts_init(&h, cases[i].conninfo);
        for (unsigned k = 0; h.n > 1 && k < h.n; k++) {
            fb_pg_host one = h.list[k];
            fb_pg_words w;
            one.hostaddr = "127.0.0.1";
            fb_pg_words_fill(&w, cases[i].conninfo, &one, "fb_app", "firstbell test");
            PGconn *c = PQconnectStartParams(w.words, w.values, 1);
            if (strstr(PQerrorMessage(c), "could not match") != NULL) {
                fail_msg("%s: host %u: %s", cases[i].conninfo, k, PQerrorMessage(c));
            }
            PQfinish(c);
        }
        fb_pg_hosts_fini(&h);
    }
}

static void addresses(void **state) {
    static const struct {
        const char *addresses;
        unsigned first;
        const char *names, *rotated;
    } turns[] = {
        {"10.0.0.1", 0, "db", "10.0.0.1"},
        {"10.0.0.1", 7, "db", "10.0.0.1"},
        {"::1,127.0.0.1,10.0.0.1", 0, "db,db,db", "::1,127.0.0.1,10.0.0.1"},
        {"::1,127.0.0.1,10.0.0.1", 1, "db,db,db", "127.0.0.1,10.0.0.1,::1"},
        {"::1,127.0.0.1,10.0.0.1", 5, "db,db,db", "10.0.0.1,::1,127.0.0.1"},
    };
    char names[FB_PG_NAMES_BYTES], rotated[FB_ADDRESSES_BYTES], longest[400];
    (void)state;
    for (size_t i = 0; i < sizeof(turns) / sizeof(turns[0]); i++) {
        fb_pg_host h = {.host = "db", .port = "6"};
        assert_true(fb_pg_host_at(&h, turns[i].addresses, turns[i].first, names, rotated));
        assert_string_equal(h.host, turns[i].names);
        assert_string_equal(h.hostaddr, turns[i].rotated);
        assert_string_equal(h.port, "6");
    }
    memset(longest, 'a', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    fb_pg_host h = {.host = longest};
    assert_false(fb_pg_host_at(&h, "10.0.0.1,10.0.0.1,10.0.0.1,10.0.0.1,10.0.0.1,10.0.0.1,10.0.0.1,10.0.0.1", 0, names, rotated));
}

static void which_are_names(void **state) {
    (void)state;
    static const char *const no[] = {NULL, "", "/run/postgresql", "@abstract", "127.0.0.1", "::1", "fe80::1%lo"};
    for (size_t i = 0; i < sizeof(no) / sizeof(*no); i++) {
        assert_false(fb_resolver_is_name(no[i]));
    }
    assert_true(fb_resolver_is_name("localhost"));
    assert_true(fb_resolver_is_name("db.example.org"));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(lists),        cmocka_unit_test(words),     cmocka_unit_test(environment),
                                       cmocka_unit_test(libpq_agrees), cmocka_unit_test(addresses), cmocka_unit_test(which_are_names)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
