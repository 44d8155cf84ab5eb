/* The client and the nodes of a cluster: where a command goes, what it does when it is told otherwise, and channels. */
#include "redis_fake_cluster.h"

typedef struct {
    unsigned results;
    bell_redis_outcome outcome;
    bell_redis_error error;
    int64_t at_ms;
    char reason[200];
} seen;

static world w;
static fake_cluster c;
static bell_redis_options o;

static void note(void *data, const bell_redis_result *result) {
    seen *s = data;

    s->results++;
    s->outcome = result->outcome;
    s->error = result->error;
    s->at_ms = w.now_ms;
    snprintf(s->reason, sizeof s->reason, "%s", result->reason != NULL ? result->reason : "");
}

static void give(const char *key, uint32_t deadline_ms, seen *s) {
    const bell_str words[] = {BELL_STR("INCR"), bell_str_of(key)};
    const bell_redis_call call = {.key = words[1], .words = words, .nwords = 2, .deadline_ms = deadline_ms, .handler = note, .data = s};

    *s = (seen){.results = 0};
    assert_null(bell_redis_command(w.r, &call));
}

static bool is_done(const char *key, uint32_t ms) {
    seen s;

    give(key, ms, &s);
    world_goes(&w, ms);
    assert_int_equal(s.results, 1);
    return s.outcome == BELL_REDIS_DONE;
}

static int setup(void **state) {
    (void)state;
    cluster_begin(&w, &c, 1, &o);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    world_close(&w);
    world_end(&w);
    return 0;
}

static uint64_t redirected(void) {
    bell_redis_status status;
    bell_redis_status_of(w.r, &status);
    return status.redirected;
}

#define KEY_0 "b" /* slot 3300 */
#define KEY_1 "c" /* slot 7365 */
#define KEY_2 "a" /* slot 15495 */

static void each_key_at_its_node(void **state) {
    (void)state;
    world_open(&w, &o);
    assert_true(is_done(KEY_0, 100) && is_done(KEY_1, 100) && is_done(KEY_2, 100) && is_done("x{a}y", 100));
    assert_int_equal(redirected(), 0);
    assert_true(w.is_ready && c.maps == 1);
    assert_string_equal(w.lines, "");
}

static void an_older_redis_tells_slots(void **state) {
    (void)state;
    c.has_shards = false;
    world_open(&w, &o);
    assert_true(is_done(KEY_0, 100) && is_done(KEY_1, 100) && is_done(KEY_2, 100));
    assert_true(redirected() == 0 && c.maps == 2);
}

static void a_slot_moves(void **state) {
    (void)state;
    world_open(&w, &o);
    assert_true(is_done(KEY_0, 1000));
    c.owner[3300] = 2;
    assert_true(is_done(KEY_0, 1000));
    assert_int_equal(redirected(), 1);
    assert_true(is_done(KEY_0, 1000)); /* it knows */
    assert_int_equal(redirected(), 1);
    assert_int_equal(c.maps, 2);
}

/* The key is there already, the slot is not: asked there, this once. */
static void a_key_is_on_its_way(void **state) {
    (void)state;
    world_open(&w, &o);
    assert_true(is_done(KEY_0, 1000));
    c.asked[3300] = 3;
    assert_true(is_done(KEY_0, 1000) && is_done(KEY_0, 1000));
    assert_true(redirected() == 2 && c.maps == 1 && c.commands == 3);
    c.mood = "TRYAGAIN Multiple keys request during rehashing of slot";
    c.moods = 3;
    assert_true(is_done(KEY_0, 1000));
}

/* Two nodes that name each other: it does not go to and fro without an end. */
static void nobody_has_it(void **state) {
    (void)state;
    seen s;

    world_open(&w, &o);
    assert_true(is_done(KEY_0, 1000));
    c.mood = "MOVED 3300 127.0.0.1:1";
    c.moods = 100000;
    give(KEY_0, 1000, &s);
    world_goes(&w, 2000);
    assert_true(s.results == 1 && s.outcome == BELL_REDIS_UNDONE);
    c.mood = "CLUSTERDOWN The cluster is down";
    give(KEY_0, 1000, &s);
    world_goes(&w, 2000);
    assert_true(s.results == 1 && s.outcome == BELL_REDIS_UNDONE && s.error == BELL_REDIS_CLUSTERDOWN);
    assert_non_null(strstr(s.reason, "cluster is down"));
    c.moods = 0;
    assert_true(is_done(KEY_0, 1000));
}

static void a_node_dies_and_another_has_its_slots(void **state) {
    (void)state;
    seen waits;

    world_open(&w, &o);
    assert_true(is_done(KEY_0, 1000) && is_done(KEY_1, 1000) && is_done(KEY_2, 1000));
    node_dies(&w, &w.nodes[0]);
    world_goes(&w, 10);
    give(KEY_0, 20000, &waits);
    world_goes(&w, 2000);
    assert_int_equal(waits.results, 0);
    assert_true(w.is_ready && is_done(KEY_1, 100));
    c.is_dead[0] = true; /* the others have seen it; nobody has its slots yet */
    world_goes(&w, 2000);
    assert_int_equal(waits.results, 0);
    for (int slot = 0; slot < BELL_REDIS_SLOTS; slot++) {
        c.owner[slot] = c.owner[slot] == 0 ? 1 : c.owner[slot];
    }
    world_goes(&w, 600);
    assert_true(waits.results == 1 && waits.outcome == BELL_REDIS_DONE);
}

/* A node that hangs keeps nobody waiting beyond his deadline, and the map is asked of others. */
static void a_node_hangs(void **state) {
    (void)state;
    seen s, next;

    o.timeout_ms = 500;
    world_open(&w, &o);
    assert_true(is_done(KEY_0, 1000) && is_done(KEY_1, 1000));
    w.nodes[0].is_deaf = true;
    give(KEY_0, 5000, &s);
    world_goes(&w, 499);
    assert_int_equal(s.results, 0);
    world_goes(&w, 2);
    assert_true(s.results == 1 && s.outcome == BELL_REDIS_UNSURE);
    give(KEY_0, 5000, &next);
    for (int slot = 0; slot < BELL_REDIS_SLOTS; slot++) {
        c.owner[slot] = c.owner[slot] == 0 ? 2 : c.owner[slot];
    }
    world_goes(&w, 2000);
    assert_true(next.results == 1 && next.outcome == BELL_REDIS_DONE);
}

static void all_are_gone_for_a_while(void **state) {
    (void)state;
    seen s;
    bell_redis_status status;

    for (int n = 0; n < CLUSTER_NODES; n++) {
        node_dies(&w, &w.nodes[n]);
    }
    world_open(&w, &o);
    give(KEY_0, 60000, &s);
    world_goes(&w, 10000);
    bell_redis_status_of(w.r, &status);
    assert_true(!w.is_ready && !status.is_ready && s.results == 0 && status.failures < 60);
    assert_non_null(strstr(status.reason, "refused"));
    assert_non_null(strstr(w.lines, "no node of the cluster can say"));
    for (int n = 0; n < CLUSTER_NODES; n++) {
        node_lives(&w.nodes[n], cluster_answers);
    }
    world_goes(&w, 10000);
    assert_true(w.is_ready && s.results == 1 && s.outcome == BELL_REDIS_DONE);
    assert_non_null(strstr(w.lines, "notice the cluster says again"));
}

/* ---- channels */

typedef struct {
    unsigned listening, messages, deaf;
    char text[200];
    bool frees;
} ear;

static void hears(void *data, bell_redis_event event, bell_str text) {
    ear *e = data;

    e->listening += event == BELL_REDIS_LISTENING;
    e->messages += event == BELL_REDIS_MESSAGE;
    e->deaf += event == BELL_REDIS_DEAF;
    snprintf(e->text, sizeof e->text, "%.*s", BELL_STR_ARG(text));
    if (e->frees) {
        bell_redis_free(w.r);
    }
}

static void publish(const char *text) {
    say(c.listening, "*3\r\n$8\r\nsmessage\r\n$1\r\nb\r\n$%zu\r\n%s\r\n", strlen(text), text);
}

static void a_channel_is_where_its_slot_is(void **state) {
    (void)state;
    ear e = {.listening = 0};

    world_open(&w, &o);
    bell_redis_channel *ch = bell_redis_listen(w.r, BELL_STR(KEY_0), hears, &e);
    assert_non_null(ch);
    assert_null(bell_redis_listen(w.r, BELL_STR(KEY_0), hears, &e)); /* one for a name */
    assert_null(bell_redis_listen(w.r, BELL_STR(""), hears, &e));
    world_goes(&w, 100);
    assert_true(e.listening == 1 && number_of(&w, c.listening) == 0);
    publish("one");
    publish("two");
    world_goes(&w, 10);
    assert_true(e.messages == 2 && strcmp(e.text, "two") == 0);
    c.owner[3300] = 2; /* the node says so */
    say(c.listening, "*3\r\n$12\r\nsunsubscribe\r\n$1\r\nb\r\n:0\r\n");
    world_goes(&w, 1000);
    assert_true(e.deaf == 1 && e.listening == 2 && number_of(&w, c.listening) == 2);
    publish("three");
    world_goes(&w, 10);
    assert_true(e.messages == 3 && strcmp(e.text, "three") == 0);
    assert_true(is_done(KEY_1, 100));
    bell_redis_unlisten(ch);
    publish("four");
    world_goes(&w, 100);
    assert_int_equal(e.messages, 3);
}

static void a_channel_outlives_its_node(void **state) {
    (void)state;
    ear e = {.listening = 0};

    o.timeout_ms = 500;
    world_open(&w, &o);
    assert_non_null(bell_redis_listen(w.r, BELL_STR(KEY_0), hears, &e));
    world_goes(&w, 100);
    assert_int_equal(e.listening, 1);
    world_goes(&w, 5000); /* silence is no reason: it is asked, and answers */
    assert_int_equal(e.deaf, 0);
    w.nodes[0].is_deaf = true;
    world_goes(&w, 1600);
    assert_int_equal(e.deaf, 1);
    for (int slot = 0; slot < BELL_REDIS_SLOTS; slot++) {
        c.owner[slot] = c.owner[slot] == 0 ? 1 : c.owner[slot];
    }
    world_goes(&w, 5000);
    assert_true(e.deaf == 1 && e.listening == 2 && number_of(&w, c.listening) == 1);
}

static void a_channel_may_be_forbidden(void **state) {
    (void)state;
    ear e = {.listening = 0};

    world_open(&w, &o);
    world_goes(&w, 10);
    c.mood = "NOPERM this user has no permissions to access one of the channels used as arguments";
    c.moods = 3;
    assert_non_null(bell_redis_listen(w.r, BELL_STR(KEY_0), hears, &e));
    world_goes(&w, 15);
    assert_true(e.deaf == 1 && e.listening == 0);
    assert_non_null(strstr(e.text, "may not do this"));
    world_goes(&w, 5000);
    assert_true(e.deaf == 1 && e.listening == 1);
}

static void a_listener_frees_the_store(void **state) {
    (void)state;
    ear e = {.listening = 0};

    world_open(&w, &o);
    assert_non_null(bell_redis_listen(w.r, BELL_STR(KEY_0), hears, &e));
    world_goes(&w, 100);
    e.frees = true;
    publish("one");
    publish("two");
    world_goes(&w, 10);
    assert_int_equal(e.messages, 1);
    for (size_t i = 0; i < WORLD_WATCHED; i++) {
        assert_false(w.watching[i].is_used);
    }
    w.r = NULL;
    e.frees = false;
    w.is_ready = false;
    world_open(&w, &o);
}

#define WITH_CLUSTER(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_CLUSTER(each_key_at_its_node),
        WITH_CLUSTER(an_older_redis_tells_slots),
        WITH_CLUSTER(a_slot_moves),
        WITH_CLUSTER(a_key_is_on_its_way),
        WITH_CLUSTER(nobody_has_it),
        WITH_CLUSTER(a_node_dies_and_another_has_its_slots),
        WITH_CLUSTER(a_node_hangs),
        WITH_CLUSTER(all_are_gone_for_a_while),
        WITH_CLUSTER(a_channel_is_where_its_slot_is),
        WITH_CLUSTER(a_channel_outlives_its_node),
        WITH_CLUSTER(a_channel_may_be_forbidden),
        WITH_CLUSTER(a_listener_frees_the_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
