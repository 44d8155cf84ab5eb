#include "origin/db/hosts.h"
#include "unit.h"

#include <stdbool.h>
#include <string.h>

static const struct {
    const char *conninfo;
    unsigned n;
    fb_pg_host hosts[3];
} cases[] = {
    {"dbname=a", 1, {{NULL, NULL, NULL}}},
    {"host=db1 port=1 dbname=a", 1, {{NULL, NULL, NULL}}}, /* as it stands */
    {"host=db1,db2 dbname=a", 2, {{"db1", NULL, NULL}, {"db2", NULL, NULL}}},
    {"host=db1,/run/pg,db3 port=5,6,7", 3, {{"db1", NULL, "5"}, {"/run/pg", NULL, "6"}, {"db3", NULL, "7"}}},
    {"host=db1,db2 port=5", 2, {{"db1", NULL, "5"}, {"db2", NULL, "5"}}},
    {"host=db1,db2 port=,6", 2, {{"db1", NULL, NULL}, {"db2", NULL, "6"}}},
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

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(lists), cmocka_unit_test(words)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
