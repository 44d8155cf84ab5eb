/* The client and a single Redis: each command has one result, whatever happens. */
#include "redis_world.h"

#define HELD 4

typedef struct {
    unsigned results;
    bell_redis_outcome outcome;
    bell_redis_error error;
    long long number; /* of a reply */
    char reason[200];
    int64_t at_ms;
    world *w;
} seen;

static world w;

static void note(void *data, const bell_redis_result *result) {
    seen *s = data;

    s->results++;
    s->outcome = result->outcome;
    s->error = result->error;
    s->at_ms = w.now_ms;
    s->number = result->outcome == BELL_REDIS_DONE ? result->reply->integer : -1;
    snprintf(s->reason, sizeof s->reason, "%s", result->reason != NULL ? result->reason : "");
    assert_int_equal(result->reply != NULL, result->outcome == BELL_REDIS_DONE || result->outcome == BELL_REDIS_REFUSED);
    assert_int_equal(result->reason != NULL, result->outcome != BELL_REDIS_DONE);
}

/* Counts per connectionless process: INCR gives 1, 2, 3. Other words say what is to be answered. */
static long long counter;
static unsigned heard; /* commands */
static bool has_script, is_held;
static peer *held[HELD];
static const char *refusal; /* the next answers, this many times */
static unsigned refusals;

static void redis(world *x, peer *p, const char *const *words) {
    (void)x;
    heard++;
    if (is_held) {
        assert_true(heard <= HELD);
        held[heard - 1] = p;
    } else if (refusals > 0) {
        refusals--;
        say(p, "-%s\r\n", refusal);
    } else if (strcmp(words[0], "EVALSHA") == 0 && !has_script) {
        say(p, "-NOSCRIPT No matching script. Please use EVAL.\r\n");
    } else if (strcmp(words[0], "HANGUP") == 0) {
        hang_up(p);
    } else {
        has_script = has_script || strcmp(words[0], "EVAL") == 0;
        say(p, ":%lld\r\n", ++counter);
    }
}

static bell_redis_options one_redis(void) {
    bell_redis_options o;

    bell_redis_options_init(&o);
    world_add_seed(&o, &w.nodes[0]);
    return o;
}

static int setup(void **state) {
    (void)state;
    counter = heard = refusals = 0;
    has_script = is_held = false;
    world_begin(&w, 1);
    node_lives(&w.nodes[0], redis);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    world_close(&w);
    world_end(&w);
    return 0;
}

static const char *give(const char *word, uint32_t deadline_ms, bool may_repeat, seen *s) {
    const bell_str words[] = {bell_str_of(word), BELL_STR("key")};
    const bell_redis_call call = {
        .key = words[1], .words = words, .nwords = 2, .deadline_ms = deadline_ms, .may_repeat = may_repeat, .handler = note, .data = s};

    *s = (seen){.w = &w};
    return bell_redis_command(w.r, &call);
}

static void a_command_has_a_reply(void **state) {
    (void)state;
    bell_redis_options o = one_redis();
    bell_redis_status status;
    seen a, b;

    world_open(&w, &o);
    assert_null(give("INCR", 0, false, &a)); /* before there is a connection */
    assert_int_equal(a.results, 0);
    world_goes(&w, 10);
    assert_true(w.is_ready);
    assert_null(give("INCR", 0, false, &b));
    assert_int_equal(b.results, 0);
    world_goes(&w, 10);
    assert_true(a.results == 1 && a.outcome == BELL_REDIS_DONE && a.number == 1);
    assert_true(b.results == 1 && b.outcome == BELL_REDIS_DONE && b.number == 2);
    bell_redis_status_of(w.r, &status);
    assert_true(status.is_ready && status.nodes == 1 && status.in_flight == 0 && status.sent == 2);
    assert_string_equal(status.reason, "");
    assert_string_equal(w.lines, "");
}

static void an_error_is_a_result(void **state) {
    (void)state;
    bell_redis_options o = one_redis();
    seen s;

    world_open(&w, &o);
    refusal = "OOM command not allowed when used memory > 'maxmemory'.";
    refusals = 1;
    assert_null(give("INCR", 0, false, &s));
    world_goes(&w, 10);
    assert_true(s.results == 1 && s.outcome == BELL_REDIS_REFUSED && s.error == BELL_REDIS_OOM);
    assert_non_null(strstr(s.reason, "maxmemory"));
    refusal = "ERR value is not an integer or out of range";
    refusals = 1;
    assert_null(give("INCR", 0, false, &s));
    world_goes(&w, 10);
    assert_true(s.outcome == BELL_REDIS_REFUSED && s.error == BELL_REDIS_OTHER);
    assert_string_equal(s.reason, refusal);
    refusal = "MOVED 3999 127.0.0.1:7001";
    refusals = 1;
    assert_null(give("INCR", 0, false, &s));
    world_goes(&w, 10);
    assert_true(s.outcome == BELL_REDIS_REFUSED);
    assert_non_null(strstr(s.reason, "\"cluster\" was not said"));
}

/* Until it has read its data from disk: the command waits, within its deadline. */
static void a_redis_that_loads_is_waited_for(void **state) {
    (void)state;
    bell_redis_options o = one_redis();
    seen s;

    world_open(&w, &o);
    refusal = "LOADING Redis is loading the dataset in memory";
    refusals = 3;
    assert_null(give("INCR", 5000, false, &s));
    world_goes(&w, 5000);
    assert_true(s.results == 1 && s.outcome == BELL_REDIS_DONE && s.number == 1 && heard == 4);
    refusals = 1000;
    int64_t since = w.now_ms;
    assert_null(give("INCR", 700, false, &s));
    world_goes(&w, 699);
    assert_int_equal(s.results, 0);
    world_goes(&w, 10);
    assert_true(s.results == 1 && s.outcome == BELL_REDIS_UNDONE && s.error == BELL_REDIS_LOADING && s.at_ms == since + 700);
    assert_non_null(strstr(s.reason, "reads its data"));
}

static void a_script_is_given_once(void **state) {
    (void)state;
    bell_redis_options o = one_redis();
    bell_redis_script script;
    const bell_str argv[] = {BELL_STR("a"), BELL_STR("")};
    seen s[3];

    world_open(&w, &o);
    bell_redis_script_init(&script, BELL_STR("return 1"));
    assert_string_equal(script.sha1, "e0e1f9fabfc9d4800c877a703b823ac0578ff8db");
    for (size_t i = 0; i < ROWS(s); i++) {
        const bell_redis_call call = {.key = BELL_STR("{k}"), .words = argv, .nwords = 2, .handler = note, .data = &s[i]};
        s[i] = (seen){.w = &w};
        assert_null(bell_redis_eval(w.r, &script, &call));
        world_goes(&w, 10);
        assert_true(s[i].results == 1 && s[i].outcome == BELL_REDIS_DONE && s[i].number == (long long)i + 1);
    }
    assert_int_equal(heard, 4);
    has_script = false; /* SCRIPT FLUSH */
    const bell_redis_call call = {.key = BELL_STR("{k}"), .words = argv, .nwords = 2, .handler = note, .data = &s[0]};
    assert_null(bell_redis_eval(w.r, &script, &call));
    world_goes(&w, 10);
    assert_true(s[0].results == 2 && s[0].number == 4 && heard == 6);
}

static void nobody_is_there(void **state) {
    (void)state;
    bell_redis_options o = one_redis();
    bell_redis_status status;
    seen s;

    node_dies(&w, &w.nodes[0]);
    world_open(&w, &o);
    int64_t since = w.now_ms;
    assert_null(give("INCR", 300, false, &s));
    world_goes(&w, 1000);
    assert_true(s.results == 1 && s.outcome == BELL_REDIS_UNDONE && s.at_ms == since + 300);
    assert_non_null(strstr(s.reason, "refused"));
    assert_null(give("INCR", 60000, false, &s));
    world_goes(&w, 20000);
    bell_redis_status_of(w.r, &status);
    assert_true(!status.is_ready && status.in_flight == 1 && status.failures > 5 && status.failures < 40); /* pauses grow */
    assert_non_null(strstr(status.reason, "refused"));
    assert_non_null(strstr(w.lines, "error Redis cannot be used: 127.0.0.1:"));
    assert_null(strstr(strchr(w.lines, '\n'), "error")); /* one line */
    node_lives(&w.nodes[0], redis);
    world_goes(&w, 5000);
    assert_true(s.results == 1 && s.outcome == BELL_REDIS_DONE && w.is_ready);
    assert_non_null(strstr(w.lines, "is reached again"));
}

/* Whether a command was done that went out on a connection which then broke, nobody knows. */
static void a_connection_breaks(void **state) {
    (void)state;
    bell_redis_options o = one_redis();
    seen once, twice, next;

    world_open(&w, &o);
    world_goes(&w, 10);
    is_held = true;
    assert_null(give("INCR", 5000, false, &once));
    assert_null(give("INCR", 5000, true, &twice));
    while (heard < 2) {
        assert_true(world_turn(&w, w.now_ms + 1000));
    }
    is_held = false;
    hang_up(held[0]);
    world_goes(&w, 1);
    assert_true(once.results == 1 && once.outcome == BELL_REDIS_UNSURE);
    assert_int_equal(twice.results, 0);
    assert_null(give("INCR", 5000, false, &next));
    world_goes(&w, 3000);
    assert_true(once.results == 1 && twice.results == 1 && twice.outcome == BELL_REDIS_DONE);
    assert_true(next.results == 1 && next.outcome == BELL_REDIS_DONE && counter == 2);
}

static void a_redis_hangs(void **state) {
    (void)state;
    bell_redis_options o = one_redis();
    seen shortly, patient, again;

    o.timeout_ms = 1000;
    world_open(&w, &o);
    world_goes(&w, 10);
    w.nodes[0].is_deaf = true;
    int64_t since = w.now_ms;
    assert_null(give("INCR", 200, false, &shortly));
    assert_null(give("INCR", 10000, false, &patient));
    assert_null(give("INCR", 10000, true, &again));
    world_goes(&w, 500);
    assert_true(shortly.results == 1 && shortly.outcome == BELL_REDIS_UNSURE && shortly.at_ms == since + 200);
    assert_int_equal(patient.results, 0);
    world_goes(&w, 600);
    assert_true(patient.results == 1 && patient.outcome == BELL_REDIS_UNSURE && patient.at_ms == since + 1000);
    assert_non_null(strstr(patient.reason, "does not answer in time"));
    assert_false(w.is_ready);
    w.nodes[0].is_deaf = false;
    world_goes(&w, 8000);
    assert_true(shortly.results == 1 && patient.results == 1 && again.results == 1 && again.outcome == BELL_REDIS_DONE);
}

static void too_many_are_refused(void **state) {
    (void)state;
    bell_redis_options o = one_redis();
    bell_str words[BELL_REDIS_WORDS_MAX + 1];
    seen s[4];

    o.in_flight_max = 3;
    world_open(&w, &o);
    for (size_t i = 0; i < 3; i++) {
        assert_null(give("INCR", 0, false, &s[i]));
    }
    assert_string_equal(give("INCR", 0, false, &s[3]), "too many commands are in flight");
    world_goes(&w, 10);
    assert_true(s[0].results == 1 && s[1].results == 1 && s[2].results == 1 && s[3].results == 0);
    assert_null(give("INCR", 0, false, &s[3]));
    for (size_t i = 0; i < ROWS(words); i++) {
        words[i] = BELL_STR("x");
    }
    bell_redis_call call = {.words = words, .nwords = ROWS(words), .handler = note, .data = &s[0]};
    assert_non_null(bell_redis_command(w.r, &call));
    call.nwords = 0;
    assert_non_null(bell_redis_command(w.r, &call));
    assert_non_null(give("multi", 0, false, &s[0]));
    assert_non_null(give("SUBSCRIBE", 0, false, &s[0]));
    world_goes(&w, 10);
    assert_true(s[3].results == 1 && s[0].results == 0);
}

/* What hangs in hiredis without anybody waiting for it is bounded as well. */
static void those_forgotten_are_bounded(void **state) {
    (void)state;
    bell_redis_options o = one_redis();
    bell_redis_status status;
    seen s;

    o.in_flight_max = 5;
    o.timeout_ms = 60000;
    world_open(&w, &o);
    world_goes(&w, 10);
    w.nodes[0].is_deaf = true;
    for (int i = 0; i < 20; i++) {
        assert_null(give("INCR", 10, false, &s));
        world_goes(&w, 20);
        assert_true(s.results == 1 && s.outcome == (i < 5 ? BELL_REDIS_UNSURE : BELL_REDIS_UNDONE));
    }
    bell_redis_status_of(w.r, &status);
    assert_true(status.sent == 5 && status.late == 20);
    w.nodes[0].is_deaf = false;
    world_goes(&w, 10);
    assert_null(give("INCR", 0, false, &s));
    world_goes(&w, 10);
    assert_true(s.outcome == BELL_REDIS_DONE && counter == 6);
}

static void passwords(void **state) {
    (void)state;
    bell_redis_options o = one_redis();
    seen s;

    w.nodes[0].password = "of many words";
    world_open(&w, &o);
    assert_null(give("INCR", 100, false, &s));
    world_goes(&w, 100);
    assert_true(s.outcome == BELL_REDIS_UNDONE);
    assert_non_null(strstr(s.reason, "asks for a password"));
    world_close(&w);
    o.user = BELL_STR("edge");
    o.password = BELL_STR("another");
    world_open(&w, &o);
    assert_null(give("INCR", 100, false, &s));
    world_goes(&w, 100);
    assert_true(s.outcome == BELL_REDIS_UNDONE);
    assert_non_null(strstr(s.reason, "WRONGPASS"));
    assert_null(strstr(w.lines, "another"));
    world_close(&w);
    o.password = BELL_STR("of many words");
    world_open(&w, &o);
    assert_null(give("INCR", 100, false, &s));
    world_goes(&w, 100);
    assert_true(s.outcome == BELL_REDIS_DONE);
}

/* The first address that takes connections, and writes. */
static void several_addresses(void **state) {
    (void)state;
    bell_redis_options o = one_redis();
    seen s;

    node_lives(&w.nodes[1], redis);
    world_add_seed(&o, &w.nodes[1]);
    node_dies(&w, &w.nodes[0]);
    world_open(&w, &o);
    assert_null(give("INCR", 1000, false, &s));
    world_goes(&w, 1000);
    assert_true(s.outcome == BELL_REDIS_DONE);
    node_lives(&w.nodes[0], redis);
    refusal = "READONLY You can't write against a read only replica.";
    refusals = 1;
    assert_null(give("INCR", 1000, false, &s));
    world_goes(&w, 1000);
    assert_true(s.results == 1 && s.outcome == BELL_REDIS_DONE && counter == 2);
    node_dies(&w, &w.nodes[0]);
    world_goes(&w, 1000);
    assert_null(give("INCR", 1000, false, &s));
    world_goes(&w, 1000);
    assert_true(s.results == 1 && s.outcome == BELL_REDIS_DONE && counter == 3);
}

/* Redis may end what is idle. */
static void an_idle_connection_ends(void **state) {
    (void)state;
    bell_redis_options o = one_redis();
    seen s;

    world_open(&w, &o);
    world_goes(&w, 10);
    for (size_t i = 0; i < WORLD_PEERS; i++) {
        hang_up(&w.peers[i]);
    }
    world_goes(&w, 500);
    assert_true(w.is_ready);
    assert_null(give("INCR", 0, false, &s));
    world_goes(&w, 10);
    assert_true(s.outcome == BELL_REDIS_DONE);
    assert_string_equal(w.lines, "");
}

/* ---- in handlers */

typedef struct {
    unsigned results, more;
    bool frees;
} doer;

static void do_more(void *data, const bell_redis_result *result) {
    doer *d = data;
    const bell_str words[] = {BELL_STR("INCR"), BELL_STR("key")};
    const bell_redis_call call = {.words = words, .nwords = 2, .deadline_ms = 100, .handler = do_more, .data = d};

    (void)result;
    d->results++;
    if (d->frees) {
        bell_redis_free(w.r);
        d->frees = false;
    } else if (d->more > 0) {
        d->more--;
        assert_null(bell_redis_command(w.r, &call));
    }
}

static void start(doer *d, unsigned n) {
    for (unsigned i = 0; i < n; i++) {
        const bell_str words[] = {BELL_STR("INCR"), BELL_STR("key")};
        const bell_redis_call call = {.words = words, .nwords = 2, .deadline_ms = 100, .handler = do_more, .data = d};
        assert_null(bell_redis_command(w.r, &call));
    }
}

static void a_handler_gives_commands(void **state) {
    (void)state;
    bell_redis_options o = one_redis();
    doer d = {.more = 50};

    world_open(&w, &o);
    start(&d, 3);
    world_goes(&w, 100);
    assert_int_equal(d.results, 53);
    w.nodes[0].is_deaf = true; /* also without replies */
    d = (doer){.more = 20};
    start(&d, 3);
    world_goes(&w, 10000);
    assert_int_equal(d.results, 23);
}

/* In each handler that there is, one after the other: with a reply, at a deadline, of a connection that breaks. */
static void a_handler_frees_the_store(void **state) {
    bell_redis_options o = one_redis();

    for (int how = 0; how < 4; how++) {
        doer d = {.frees = true};
        world_open(&w, &o);
        world_goes(&w, 10);
        w.nodes[0].is_deaf = how != 0;
        start(&d, 5);
        if (how == 2) {
            node_dies(&w, &w.nodes[0]);
        }
        if (how == 3) {
            d.frees = false;
            bell_redis_free(w.r);
        }
        while (d.results == 0) {
            assert_true(world_turn(&w, w.now_ms + 1000));
        }
        assert_int_equal(d.results, 5);
        w.r = NULL;
        w.is_ready = false;
        assert_int_equal(w.due_ms, -1);
        for (size_t i = 0; i < WORLD_WATCHED; i++) {
            assert_false(w.watching[i].is_used);
        }
        world_end(&w);
        node_lives(&w.nodes[0], redis);
        w.nodes[0].is_deaf = false;
    }
    (void)state;
}

/* ---- what it is opened with */

static void endpoints(void **state) {
    static const struct {
        const char *text, *host;
        uint16_t port;
    } rows[] = {
        {"127.0.0.1:6379", "127.0.0.1", 6379},
        {"[::1]:7000", "::1", 7000},
        {"[2001:DB8:0:0::1]:7000", "2001:db8::1", 7000},
        {"unix:/run/redis.sock", "/run/redis.sock", 0},
        {"redis.school.example:6379", NULL, 0},
        {"127.0.0.1", NULL, 0},
        {"127.0.0.1:", NULL, 0},
        {"127.0.0.1:0", NULL, 0},
        {"127.0.0.1:65536", NULL, 0},
        {"127.0.0.1:+1", NULL, 0},
        {"::1:7000", NULL, 0},
        {"[::1]", NULL, 0},
        {"[]:7000", NULL, 0},
        {":7000", NULL, 0},
        {"unix:", NULL, 0},
        {"unix:run/redis.sock", NULL, 0},
        {"unix:/0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901", NULL, 0},
        {"", NULL, 0},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        bell_redis_endpoint at;
        assert_row(bell_redis_endpoint_of(bell_str_of(rows[i].text), &at) == (rows[i].host != NULL), rows[i].text);
        assert_row(rows[i].host == NULL || (strcmp(at.host, rows[i].host) == 0 && at.port == rows[i].port), rows[i].text);
    }
}

static void options(void **state) {
    bell_redis_options good = one_redis(), o;

    assert_null(bell_redis_options_check(&good));
#define REFUSED(change, why)                                                                                                                         \
    do {                                                                                                                                             \
        o = good;                                                                                                                                    \
        change;                                                                                                                                      \
        const char *reason = bell_redis_options_check(&o);                                                                                           \
        assert_row(reason != NULL && strstr(reason, why) != NULL, #change);                                                                          \
    } while (0)
    REFUSED(o.nseeds = 0, "addresses");
    REFUSED(o.nseeds = BELL_REDIS_SEEDS_MAX + 1, "addresses");
    REFUSED(o.user = BELL_STR("edge"), "password");
    REFUSED(o.connect_ms = 9, "10 ms");
    REFUSED(o.timeout_ms = 60001, "60 s");
    REFUSED(o.pause_least_ms = 0, "pauses");
    REFUSED(o.pause_least_ms = o.pause_most_ms + 1, "pauses");
    REFUSED(o.in_flight_max = 0, "in flight");
    REFUSED(o.in_flight_max = 1000001, "in flight");
    REFUSED((o.is_cluster = true, assert_true(bell_redis_endpoint_of(BELL_STR("unix:/r"), &o.seeds[0]))), "unix socket");
    world_open(&w, &good);
    (void)state;
}

/* What a hiredis with TLS says of these files; one without says so. */
static void tls(void **state) {
    static const struct {
        bell_redis_tls_files files;
        const char *reason;
    } rows[] = {
        {{.ca_file = {NULL, 0}}, "CA of its own"},
        {{.ca_file = {"/ca.pem", 7}, .cert_file = {"/c.pem", 6}}, "go together"},
        {{.ca_file = {"/nowhere/ca.pem", 15}}, "cannot be read"},
    };
    const char *reason;

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        assert_null(bell_redis_tls_new(&rows[i].files, &reason));
        assert_row(strstr(reason, rows[i].reason) != NULL || strstr(reason, "needs hiredis 1.0") != NULL, rows[i].reason);
        assert_row(HIREDIS_MAJOR >= 1 || strstr(reason, "needs hiredis 1.0") != NULL, rows[i].reason);
    }
}

#define WITH_REDIS(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_REDIS(a_command_has_a_reply),
        WITH_REDIS(an_error_is_a_result),
        WITH_REDIS(a_redis_that_loads_is_waited_for),
        WITH_REDIS(a_script_is_given_once),
        WITH_REDIS(nobody_is_there),
        WITH_REDIS(a_connection_breaks),
        WITH_REDIS(a_redis_hangs),
        WITH_REDIS(too_many_are_refused),
        WITH_REDIS(those_forgotten_are_bounded),
        WITH_REDIS(passwords),
        WITH_REDIS(several_addresses),
        WITH_REDIS(an_idle_connection_ends),
        WITH_REDIS(a_handler_gives_commands),
        cmocka_unit_test_setup(a_handler_frees_the_store, setup),
        cmocka_unit_test(endpoints),
        cmocka_unit_test(tls),
        WITH_REDIS(options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
