/* Answers that are kept: how long one is good, and that it is never good for longer. */
#include "bell_directory_image.h"
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

#define CAPACITY 16384
#define NOW_S    1700000000

static const bell_directory_keys no_keys;
static _Alignas(8) char image[CAPACITY];

static void put(const bell_directory_doc *d) {
    char err[300] = "";
    bell_buf out;

    bell_buf_init(&out, 1 << 20);
    assert_true(bell_directory_write(&out, d, NULL));
    if (d->from == 0) {
        assert_int_equal(bell_directory_load(image, CAPACITY, bell_buf_str(&out), &no_keys, NOW_S, err, sizeof(err)), BELL_DIRECTORY_OK);
    } else {
        assert_int_equal(bell_directory_apply(image, CAPACITY, bell_buf_str(&out), &no_keys, NOW_S, err, sizeof(err)), BELL_DIRECTORY_OK);
    }
    bell_buf_fini(&out);
}

#define ROW(id_, name_, hosts_, n)                                                                                                                   \
    {                                                                                                                                                \
        .id = (id_), .status = BELL_TENANT_ACTIVE, .name = BELL_STR(name_), .title = BELL_STR("T"), .locale = BELL_STR("en"), .hosts = (hosts_),     \
        .nhosts = (n)                                                                                                                                \
    }

static const bell_str a[] = {BELL_STR("a.example"), BELL_STR("*.a.example")}, b[] = {BELL_STR("b.example")};

static void start(void) {
    const bell_directory_row rows[] = {ROW(1, "a", a, 2), ROW(2, "b", b, 1)};
    const bell_directory_doc d = {.version = 7, .rows = rows, .nrows = 2};

    put(&d);
}

static bell_directory_trace trace_of(const char *host, bell_directory_match match) {
    bell_directory_trace trace;
    bell_tenant t;

    assert_int_equal(bell_directory_find_traced(image, CAPACITY, bell_str_of(host), &t, &trace), match);
    return trace;
}

static bool holds(const bell_directory_trace *trace, uint64_t version) {
    return bell_directory_is_unchanged(image, CAPACITY, trace, version);
}

/* Tenant 2 is put, with these hosts. */
static void change_b(uint64_t from, const bell_str *hosts, size_t n, bell_tenant_status status) {
    bell_directory_row row = ROW(2, "b", hosts, n);
    const bell_directory_doc d = {.from = from, .version = from + 1, .rows = &row, .nrows = 1};

    row.status = status;
    put(&d);
}

/* Whether a name of tenant 2 has its place among the stamps where one that was looked for has its own: the image's random seed decides. */
static bool shares_a_stamp_with_b(const bell_directory_trace *trace) {
    const bell_str texts[] = {BELL_STR("b.example"), BELL_STR("=b")};
    const image_head *h = (const image_head *)image;

    for (size_t i = 0; i < ROWS(texts) * trace->n; i++) {
        if (bell_directory_stamp_of(bell_directory_hash(h->seed, texts[i / trace->n]), h->nstamps) == trace->stamps[i % trace->n]) {
            return true;
        }
    }
    return false;
}

static void what_happens_to_others_does_not_matter(void **state) {
    bell_directory_trace exact, wild;

    (void)state;
    do {
        start();
        exact = trace_of("a.example", BELL_DIRECTORY_EXACT);
        wild = trace_of("x.a.example", BELL_DIRECTORY_WILDCARD);
    } while (shares_a_stamp_with_b(&exact) || shares_a_stamp_with_b(&wild));
    assert_int_equal(exact.n, 1);
    assert_int_equal(wild.n, 2);
    change_b(7, b, 1, BELL_TENANT_SUSPENDED);
    assert_true(holds(&exact, 7) && holds(&wild, 7) && holds(&exact, 8));
}

static void what_happens_to_its_own_does(void **state) {
    static const bell_str exact[] = {BELL_STR("b.example"), BELL_STR("x.a.example")}, longer[] = {BELL_STR("b.example"), BELL_STR("*.y.a.example")};
    bell_directory_trace of_b, of_x, of_y;

    (void)state;
    start();
    of_b = trace_of("b.example", BELL_DIRECTORY_EXACT);
    change_b(7, b, 1, BELL_TENANT_SUSPENDED);
    assert_false(holds(&of_b, 7));
    of_b = trace_of("b.example", BELL_DIRECTORY_EXACT);
    assert_true(holds(&of_b, 8));
    of_x = trace_of("x.a.example", BELL_DIRECTORY_WILDCARD);
    change_b(8, exact, 2, BELL_TENANT_ACTIVE);
    assert_false(holds(&of_x, 8));
    of_y = trace_of("x.y.a.example", BELL_DIRECTORY_WILDCARD);
    change_b(9, longer, 2, BELL_TENANT_ACTIVE); /* no wildcard had three labels before */
    assert_false(holds(&of_y, 9));
}

static void a_tenant_that_goes_takes_its_names_with_it(void **state) {
    static const uint32_t removed[] = {1};
    const bell_directory_doc d = {.from = 7, .version = 9, .removed = removed, .nremoved = 1};
    bell_directory_trace exact, wild;

    (void)state;
    start();
    exact = trace_of("a.example", BELL_DIRECTORY_EXACT);
    wild = trace_of("x.a.example", BELL_DIRECTORY_WILDCARD);
    put(&d);
    assert_false(holds(&exact, 7));
    assert_false(holds(&wild, 7));
}

static void nothing_outlives_a_snapshot(void **state) {
    bell_directory_trace trace;
    const bell_directory_row rows[] = {ROW(1, "a", a, 2), ROW(2, "b", b, 1)};
    const bell_directory_doc d = {.version = 8, .rows = rows, .nrows = 2};

    (void)state;
    start();
    trace = trace_of("a.example", BELL_DIRECTORY_EXACT);
    put(&d);
    assert_false(holds(&trace, 7));
}

/* The default tenant's is everything that nobody has: any change may end it. */
static void the_default_is_of_its_version_alone(void **state) {
    const bell_directory_row rows[] = {ROW(1, "a", a, 2)};
    const bell_directory_doc d = {.version = 7, .rows = rows, .nrows = 1, .default_tenant = 1};
    bell_directory_trace trace;

    (void)state;
    put(&d);
    trace = trace_of("other.example", BELL_DIRECTORY_DEFAULT);
    assert_false(holds(&trace, 7));
    trace = trace_of("a.example", BELL_DIRECTORY_EXACT);
    assert_true(holds(&trace, 7));
}

static void so_is_a_name_for_which_many_were_looked_for(void **state) {
    static const bell_str many[] = {BELL_STR("*.a.example"), BELL_STR("*.e.d.c.b.example"), BELL_STR("*.b.x.example"), BELL_STR("*.c.b.x.example")};
    const bell_directory_row rows[] = {ROW(1, "a", many, 4)};
    const bell_directory_doc d = {.version = 7, .rows = rows, .nrows = 1};
    bell_directory_trace trace;

    (void)state;
    put(&d);
    trace = trace_of("5.4.3.2.1.a.example", BELL_DIRECTORY_WILDCARD);
    assert_int_equal(trace.n, 0);
    assert_false(holds(&trace, 7));
    trace = trace_of("1.c.b.x.example", BELL_DIRECTORY_WILDCARD);
    assert_true(trace.n > 0 && holds(&trace, 7));
}

static void rubbish_is_nothing_to_rely_on(void **state) {
    const bell_directory_trace none = {0}, too_many = {.n = 5}, outside = {.n = 1, .stamps = {65535}};

    (void)state;
    start();
    assert_false(holds(&none, 7) || holds(&too_many, 7) || holds(&outside, 7));
    assert_false(bell_directory_is_unchanged(NULL, 0, &outside, 7));
}

/* ---- by chance: tenants take, give back and exchange names; what is kept is compared with what would be found after each change */

enum { TENANTS_N = 5, CHANGES_N = 4000 };

static const char *const names[] = {"a.example", "*.a.example", "x.a.example", "*.x.a.example", "y.x.a.example", "*.y.x.a.example", "z.y.x.a.example",
                                    "b.example", "*.b.example", "x.b.example", "*.x.b.example", "y.x.b.example", "c.example",       "*.c.example"};
static const char *const asked[] = {"a.example",         "x.a.example",     "q.a.example", "y.x.a.example", "q.x.a.example",
                                    "z.y.x.a.example",   "q.y.x.a.example", "b.example",   "x.b.example",   "y.x.b.example",
                                    "q.r.s.x.b.example", "c.example",       "q.c.example", "nobody.example"};

typedef struct {
    uint64_t version; /* 0: nobody's */
    bell_directory_trace trace;
    bell_tenant tenant;
} kept;

static unsigned owners[ROWS(names)]; /* 0: nobody */

/* A tenant takes names that are free, and gives back some of its own. */
static void change_one(uint64_t from) {
    uint32_t id = 1 + (uint32_t)rand() % TENANTS_N, removed[1] = {id};
    char name[] = {'t', (char)('0' + id)};
    bell_str hosts[ROWS(names)];
    bell_directory_row row = {.id = id,
                              .status = rand() % 2 ? BELL_TENANT_ACTIVE : BELL_TENANT_SUSPENDED,
                              .name = {name, 2},
                              .title = BELL_STR("T"),
                              .locale = BELL_STR("en"),
                              .hosts = hosts};
    bell_directory_doc d = {.from = from, .version = from + 1};

    for (size_t i = 0; i < ROWS(names); i++) {
        if (owners[i] == id || owners[i] == 0) {
            owners[i] = rand() % 3 == 0 ? id : 0;
        }
        if (owners[i] == id) {
            hosts[row.nhosts++] = bell_str_of(names[i]);
        }
    }
    if (row.nhosts > 0) {
        d.rows = &row;
        d.nrows = 1;
    } else {
        d.removed = removed;
        d.nremoved = 1;
    }
    put(&d);
}

static bool is_same(const bell_tenant *t, const bell_tenant *u) {
    return t->id == u->id && t->status == u->status && t->revision == u->revision && strcmp(t->name, u->name) == 0;
}

/* Returns 1 when what was kept is good still. */
static unsigned compare(kept *k, const char *host, uint64_t version) {
    bell_directory_trace trace;
    bell_tenant t;
    bell_directory_match match = bell_directory_find_traced(image, CAPACITY, bell_str_of(host), &t, &trace);

    if (k->version != 0 && holds(&k->trace, k->version)) {
        assert_row(match != BELL_DIRECTORY_NOBODY && is_same(&t, &k->tenant), host);
        k->version = rand() % 2 ? version : k->version; /* as who confirms it may or may not */
        return 1;
    }
    *k = match != BELL_DIRECTORY_NOBODY ? (kept){version, trace, t} : (kept){0};
    return 0;
}

static void what_is_kept_is_what_would_be_found(void **state) {
    static kept answers[ROWS(asked)];
    unsigned good = 0;

    (void)state;
    srand(4);
    start();
    owners[0] = owners[1] = 1;
    owners[7] = 2;
    for (uint64_t version = 7; version < 7 + CHANGES_N; version++) {
        change_one(version);
        for (size_t i = 0; i < ROWS(asked); i++) {
            if (rand() % 4) {
                good += compare(&answers[i], asked[i], version + 1);
            }
        }
    }
    assert_true(good > CHANGES_N);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_happens_to_others_does_not_matter),
        cmocka_unit_test(what_happens_to_its_own_does),
        cmocka_unit_test(a_tenant_that_goes_takes_its_names_with_it),
        cmocka_unit_test(nothing_outlives_a_snapshot),
        cmocka_unit_test(the_default_is_of_its_version_alone),
        cmocka_unit_test(so_is_a_name_for_which_many_were_looked_for),
        cmocka_unit_test(rubbish_is_nothing_to_rely_on),
        cmocka_unit_test(what_is_kept_is_what_would_be_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
