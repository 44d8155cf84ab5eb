/* The client and who says what no Redis says: it costs him his connection, and nobody else anything. */
#include "redis_world.h"

static world w;
static const char *later; /* said behind each command's answer, or instead of it */
static bool is_instead, is_torn;

static void answer(world *x, peer *p, const char *const *words) {
    (void)x;
    (void)words;
    if (!is_instead) {
        say(p, ":1\r\n");
    }
    if (later != NULL) {
        say(p, "%s", later);
    }
    if (is_torn) {
        hang_up(p);
    }
}

static int setup(void **state) {
    (void)state;
    later = NULL;
    is_instead = is_torn = false;
    world_begin(&w, 1);
    node_lives(&w.nodes[0], answer);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    world_close(&w);
    world_end(&w);
    return 0;
}

typedef struct {
    unsigned results;
    bell_redis_outcome outcome;
    char reason[200];
} seen;

static void note(void *data, const bell_redis_result *result) {
    seen *s = data;

    s->results++;
    s->outcome = result->outcome;
    snprintf(s->reason, sizeof s->reason, "%s", result->reason != NULL ? result->reason : "");
}

static void open_store(const char *password) {
    bell_redis_options o;

    bell_redis_options_init(&o);
    world_add_seed(&o, &w.nodes[0]);
    o.password = password != NULL ? bell_str_of(password) : BELL_STR_NULL;
    world_open(&w, &o);
}

static void give(seen *s) {
    const bell_str words[] = {BELL_STR("INCR"), BELL_STR("key")};
    const bell_redis_call call = {.key = words[1], .words = words, .nwords = 2, .deadline_ms = 300, .handler = note, .data = s};

    *s = (seen){0};
    assert_null(bell_redis_command(w.r, &call));
}

static size_t lines(const char *part) {
    size_t n = 0;

    for (const char *at = w.lines; (at = strstr(at, part)) != NULL; at++) {
        n++;
    }
    return n;
}

/* Behind an answer there comes something more. */
static void unasked(void **state) {
    static const char *const rows[] = {
        ":2\r\n", "+OK\r\n", "$-1\r\n", "*0\r\n", "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nb\r\n", "-ERR out of the blue\r\n"};

    for (size_t i = 0; i < ROWS(rows); i++) {
        seen a, b;
        setup(state);
        open_store(NULL);
        later = rows[i];
        give(&a);
        world_goes(&w, 10);
        assert_row(a.results == 1 && a.outcome == BELL_REDIS_DONE, rows[i]);
        assert_row(lines("error") == 1 && lines("it answers what nobody has asked") == 1, rows[i]);
        later = NULL;
        give(&b);
        world_goes(&w, 1000);
        assert_row(b.results == 1 && b.outcome == BELL_REDIS_DONE, rows[i]);
        assert_row(lines("is reached again") == 1, rows[i]);
        teardown(state);
    }
    setup(state);
    open_store(NULL);
}

/* What is no answer, or more of one than there is memory for. */
static void no_answers(void **state) {
    static const char *const rows[] = {
        "HTTP/1.1 400 Bad Request\r\n\r\n",
        "$-2\r\n",
        "$99999999999999999999\r\n",
        ":one\r\n",
        "*-2\r\n",
        "*2147483647\r\n",
        "*1048577\r\n",
        "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n",
        "*2\r\n*2147483647\r\n",
    };

    for (size_t i = 0; i < ROWS(rows); i++) {
        seen s;
        setup(state);
        open_store(NULL);
        later = rows[i];
        is_instead = true;
        give(&s);
        world_goes(&w, 1000);
        assert_row(s.results == 1 && s.outcome == BELL_REDIS_UNSURE, rows[i]);
        assert_row(lines("it speaks another protocol, or says more than anybody has asked for") == 1, rows[i]);
        teardown(state);
    }
    setup(state);
    open_store(NULL);
}

/* Half of an answer, and then nothing, or the end. */
static void halves(void **state) {
    static const char *const rows[] = {":", "$10\r\nabc", "*2\r\n:1\r\n", "-ERR hal", "*1\r\n$"};

    for (size_t i = 0; i < 2 * ROWS(rows); i++) {
        seen s;
        setup(state);
        open_store(NULL);
        later = rows[i / 2];
        is_instead = true;
        is_torn = i % 2 != 0;
        give(&s);
        world_goes(&w, 5000);
        assert_row(s.results == 1 && s.outcome == BELL_REDIS_UNSURE, rows[i / 2]);
        teardown(state);
    }
    setup(state);
    open_store(NULL);
}

/* What it says goes into logs, in one line and without a terminal's commands. hiredis 1.x takes no line end within a line, 0.14 does. */
static void errors_are_one_line(void **state) {
    static const char *const rows[][2] = {{"-ERR a\tb\x1b[31mc\x7f\r\n", "ERR a?b?[31mc?"}, {"-ERR a\nb\r\n", "ERR a?b"}, {"-\r\n", ""}};

    for (size_t i = 0; i < ROWS(rows); i++) {
        seen s;
        setup(state);
        open_store(NULL);
        later = rows[i][0];
        is_instead = true;
        give(&s);
        world_goes(&w, 10);
        bool is_refused = HIREDIS_MAJOR >= 1 && strchr(rows[i][0], '\n')[1] != '\0';
        assert_row(s.results == 1 && s.outcome == (is_refused ? BELL_REDIS_UNSURE : BELL_REDIS_REFUSED), rows[i][0]);
        assert_row(is_refused || strcmp(s.reason, rows[i][1]) == 0, rows[i][0]);
        teardown(state);
    }
    setup(state);
    open_store(NULL);
}

/* Who is refused is told of it once, and does not come back many times a second. */
static void who_is_refused_comes_back_slowly(void **state) {
    bell_redis_status status;
    seen s;

    (void)state;
    w.nodes[0].password = "right";
    open_store("wrong");
    world_goes(&w, 60000);
    bell_redis_status_of(w.r, &status);
    assert_true(status.failures > 5 && status.failures < 60);
    assert_int_equal(lines("error"), 1);
    assert_int_equal(lines("reached again"), 0);
    w.nodes[0].password = "wrong";
    world_goes(&w, 5000);
    give(&s);
    world_goes(&w, 10);
    assert_int_equal(s.outcome, BELL_REDIS_DONE);
    assert_true(lines("error") == 1 && lines("reached again") == 1);
}

/* It greets each connection, and ends it. */
static void who_hangs_up_at_once(void **state) {
    bell_redis_status status;

    (void)state;
    open_store(NULL);
    for (unsigned turns = 0; world_turn(&w, 1060000); turns++) {
        assert_true(turns < 100000);
        if (w.is_ready) {
            for (size_t i = 0; i < WORLD_PEERS; i++) {
                hang_up(&w.peers[i]);
            }
        }
    }
    bell_redis_status_of(w.r, &status);
    assert_true(status.connects > 5 && status.connects < 60);
    assert_int_equal(lines("error"), 1);
    assert_int_equal(lines("reached again"), 0);
}

/* It answers PING, and nothing else. */
static void who_only_greets(void **state) {
    bell_redis_status status;

    (void)state;
    open_store(NULL);
    is_instead = true;
    for (unsigned i = 0; i < 60; i++) {
        seen s;
        give(&s);
        world_goes(&w, 1000);
        assert_true(s.results == 1 && s.outcome != BELL_REDIS_DONE);
    }
    bell_redis_status_of(w.r, &status);
    assert_true(status.connects > 5 && status.connects < 30);
    assert_int_equal(lines("error"), 1);
    assert_int_equal(lines("reached again"), 0);
}

/* "maxclients", "protected-mode": said instead of an answer to the greeting. */
static void who_is_sent_away(void **state) {
    static const char *const rows[] = {"ERR max number of clients reached", "DENIED Redis is running in protected mode"};

    for (size_t i = 0; i < ROWS(rows); i++) {
        setup(state);
        w.nodes[0].away = rows[i];
        open_store(i == 0 ? NULL : "a password");
        world_goes(&w, 10000);
        assert_row(lines("error") == 1 && lines("it takes no more connections, or none from here: ") == 1 && lines(rows[i]) == 1, rows[i]);
        w.nodes[0].away = NULL;
        w.nodes[0].password = i == 0 ? NULL : "a password";
        world_goes(&w, 10000);
        assert_row(w.is_ready && lines("reached again") == 1, rows[i]);
        teardown(state);
    }
    setup(state);
    open_store(NULL);
}

#define HOSTILE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(errors_are_one_line, teardown),
        HOSTILE(who_is_refused_comes_back_slowly),
        HOSTILE(who_hangs_up_at_once),
        HOSTILE(who_only_greets),
        cmocka_unit_test_teardown(unasked, teardown),
        cmocka_unit_test_teardown(no_answers, teardown),
        cmocka_unit_test_teardown(halves, teardown),
        cmocka_unit_test_teardown(who_is_sent_away, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
