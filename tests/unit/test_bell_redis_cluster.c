#include "bell_redis_cluster.h"
#include "redis_reply.h"

#include <stdlib.h>

static const bell_redis_endpoint asked = {.host = "10.0.0.9", .port = 7000};
static bell_redis_cluster c;

static const char *read_shards(const char *text, bool tls) {
    redisReply *reply = redis_reply_of(text);
    const char *reason = bell_redis_cluster_read_shards(&c, reply, &asked, tls);

    freeReplyObject(reply);
    return reason;
}

static const char *read_slots(const char *text) {
    redisReply *reply = redis_reply_of(text);
    const char *reason = bell_redis_cluster_read_slots(&c, reply, &asked);

    freeReplyObject(reply);
    return reason;
}

static bool slot_is_at(uint16_t slot, const char *host, uint16_t port) {
    const bell_redis_node *n = bell_redis_cluster_at(&c, slot);

    return n != NULL && strcmp(n->at.host, host) == 0 && n->at.port == port && n->is_primary;
}

#define NODE(ip, port, role, health)                                                                                                                 \
    "['id' 'e7d1' 'port' " port " 'ip' '" ip "' 'endpoint' '" ip "' 'role' '" role "' 'replication-offset' 72 'health' '" health "']"

static void shards(void **state) {
    (void)state;
    assert_null(read_shards("[['slots' [0 5460] 'nodes' [" NODE("127.0.0.1", "7001", "master", "online") " " NODE(
                                "127.0.0.1", "7004", "replica",
                                "online") "]]"
                                          " ['slots' [5461 10922 16000 16000] 'nodes' [" NODE("::1", "7002", "replica", "online") " " NODE(
                                              "::1", "7003", "master", "online") "]]"
                                                                                 " ['slots' [] 'nodes' [" NODE("redis-7.school.example", "7007",
                                                                                                               "master", "loading") "]]]",
                            false));
    assert_int_equal(c.nnodes, 5);
    assert_int_equal(c.nslots, 10924);
    assert_true(slot_is_at(0, "127.0.0.1", 7001) && slot_is_at(5460, "127.0.0.1", 7001));
    assert_true(slot_is_at(5461, "::1", 7003) && slot_is_at(16000, "::1", 7003));
    assert_null(bell_redis_cluster_at(&c, 10923));
    assert_null(bell_redis_cluster_at(&c, 16383));
    assert_true(!c.nodes[1].is_primary && c.nodes[1].primary == 0 && !c.nodes[2].is_primary && c.nodes[2].primary == 3);
    assert_true(c.nodes[4].is_primary);
}

/* In the middle of a failover: who has failed has no slots, and who follows him has them as soon as he is a primary. */
static void failover(void **state) {
    (void)state;
    assert_null(read_shards("[['slots' [0 16383] 'nodes' [" NODE("a", "1", "master", "fail") " " NODE("b", "1", "replica", "online") "]]]", false));
    assert_int_equal(c.nslots, 0);
    assert_true(c.nodes[1].primary == BELL_REDIS_NODES_MAX && !c.nodes[0].is_primary);
    assert_null(read_shards("[['slots' [0 16383] 'nodes' [" NODE("a", "1", "master", "failed") " " NODE("b", "1", "master", "online") "]]]", false));
    assert_true(slot_is_at(16383, "b", 1) && c.nslots == BELL_REDIS_SLOTS);
    assert_true(!c.nodes[0].is_primary && c.nodes[0].primary == 1);
}

static void ports_and_hosts(void **state) {
    const char *both =
        "[['slots' [0 1] 'nodes' [['port' 7001 'tls-port' 7101 'ip' '127.0.0.1' 'endpoint' 'a.example' 'role' 'master' 'health' 'online']"
        "]]]";

    (void)state;
    assert_null(read_shards(both, false));
    assert_true(slot_is_at(0, "a.example", 7001));
    assert_null(read_shards(both, true));
    assert_true(slot_is_at(0, "a.example", 7101));
    assert_null(read_shards("[['slots' [0 1] 'nodes' [['port' 7001 'ip' '' 'endpoint' nil 'role' 'master' 'health' 'online']]]]", true));
    assert_true(slot_is_at(0, "10.0.0.9", 7001)); /* who was asked */
    assert_null(read_shards("[['slots' [0 1] 'nodes' [['port' 7001 'ip' '10.1.1.1' 'endpoint' '?' 'role' 'master' 'health' 'online']]]]", false));
    assert_true(slot_is_at(0, "10.1.1.1", 7001));
}

static void slots(void **state) {
    (void)state;
    assert_null(read_slots("[[0 5460 ['127.0.0.1' 7001 'id1'] ['127.0.0.1' 7004 'id4']]"
                           " [5461 10922 ['127.0.0.1' 7002 'id2' []]]"
                           " [10923 16382 ['' 7003 'id3' ['hostname' 'x']] ['?' 7006 'id6' ['ip' '10.1.1.6']]]"
                           " [16383 16383 [nil 7001]]]"));
    assert_true(slot_is_at(5460, "127.0.0.1", 7001) && slot_is_at(5461, "127.0.0.1", 7002) && slot_is_at(16382, "10.0.0.9", 7003));
    assert_true(slot_is_at(16383, "10.0.0.9", 7001));
    assert_int_equal(c.nnodes, 6);
    assert_int_equal(c.nslots, BELL_REDIS_SLOTS);
    assert_true(strcmp(c.nodes[4].at.host, "10.1.1.6") == 0 && c.nodes[4].primary == 3 && !c.nodes[4].is_primary);
    assert_null(read_slots("[[0 1 ['a' 1]] [5 6 ['a' 1]]]")); /* one node, twice */
    assert_true(c.nnodes == 1 && c.nslots == 4);
}

/* Each is refused with a sentence, and leaves no nodes. */
static void what_is_not_as_documented(void **state) {
    static const char *const bad_shards[] = {
        "[]",
        "7",
        "'OK'",
        "nil",
        "[7]",
        "[[]]",
        "[['slots' [0 1]]]",
        "[['slots' 'x' 'nodes' []]]",
        "[['slots' [0] 'nodes' []]]",
        "[['slots' [0 1] 'nodes' [7]]]",
        "[['slots' [0 1] 'nodes' 7]]",
        "[['slots' [1 0] 'nodes' [" NODE("a", "1", "master", "online") "]]]",
        "[['slots' [0 16384] 'nodes' [" NODE("a", "1", "master", "online") "]]]",
        "[['slots' [-1 5] 'nodes' [" NODE("a", "1", "master", "online") "]]]",
        "[['slots' ['0' 5] 'nodes' [" NODE("a", "1", "master", "online") "]]]",
        "[['slots' [0 16384] 'nodes' []]]",
        "[['slots' [0 5] 'nodes' [" NODE("a", "1", "master", "online") "]] ['slots' [5 6] 'nodes' [" NODE("b", "1", "master", "online") "]]]",
        "[['slots' [0 5] 'nodes' [" NODE("a b", "1", "master", "online") "]]]",
        "[['slots' [0 5] 'nodes' [" NODE("a%0", "1", "master", "online") "]]]",
        "[['slots' [0 5] 'nodes' [" NODE("a", "0", "master", "online") "]]]",
        "[['slots' [0 5] 'nodes' [" NODE("a", "65536", "master", "online") "]]]",
        "[['slots' [0 5] 'nodes' [" NODE("a", "'1'", "master", "online") "]]]",
        "[['slots' [0 5] 'nodes' [" NODE("a", "1", "king", "online") "]]]",
        "[['slots' [0 5] 'nodes' [['ip' 'a' 'role' 'master' 'health' 'online']]]]",
    };
    static const char *const bad_slots[] = {
        "[]",
        "7",
        "[7]",
        "[[0 1]]",
        "[[0 1 7]]",
        "[[0 1 ['a']]]",
        "[[0 1 ['a' 'b']]]",
        "[['0' 1 ['a' 1]]]",
        "[[0 nil ['a' 1]]]",
        "[[1 0 ['a' 1]]]",
        "[[0 1 ['a' 1]] [1 2 ['b' 1]]]",
        "[[0 1 ['a' 1] ['b' 0]]]",
    };

    (void)state;
    for (size_t i = 0; i < ROWS(bad_shards); i++) {
        assert_row(read_shards(bad_shards[i], false) != NULL, bad_shards[i]);
        assert_row(c.nnodes == 0 && c.nslots == 0 && bell_redis_cluster_at(&c, 0) == NULL, bad_shards[i]);
    }
    for (size_t i = 0; i < ROWS(bad_slots); i++) {
        assert_row(read_slots(bad_slots[i]) != NULL, bad_slots[i]);
        assert_row(c.nnodes == 0 && c.nslots == 0, bad_slots[i]);
    }
}

static const char *read_many(unsigned nodes) {
    bell_buf text;

    bell_buf_init(&text, 1 << 20);
    bell_buf_add_char(&text, '[');
    for (unsigned i = 0; i < nodes; i++) {
        bell_buf_printf(&text, "[%u %u ['node-%u' 6379]]", i, i, i);
    }
    bell_buf_add(&text, "]", 2);
    const char *reason = read_slots(text.p);
    bell_buf_fini(&text);
    return reason;
}

static void as_many_nodes_as_there_is_room_for(void **state) {
    bell_redis_endpoint to = {.host = "node-255", .port = 6379};

    (void)state;
    assert_string_equal(read_many(BELL_REDIS_NODES_MAX + 1), "there are more nodes than 256");
    assert_null(read_many(BELL_REDIS_NODES_MAX));
    assert_true(slot_is_at(255, "node-255", 6379));
    assert_true(bell_redis_cluster_move(&c, 3, &to)); /* is there */
    assert_true(slot_is_at(3, "node-255", 6379));
    to.port = 6380;
    assert_false(bell_redis_cluster_move(&c, 3, &to));
    assert_true(slot_is_at(3, "node-255", 6379) && c.nslots == BELL_REDIS_NODES_MAX);
}

static void moved(void **state) {
    bell_redis_endpoint to = {.host = "new", .port = 6379};

    (void)state;
    bell_redis_cluster_init(&c);
    assert_null(bell_redis_cluster_at(&c, 16383));
    assert_true(bell_redis_cluster_move(&c, 16383, &to));
    assert_true(slot_is_at(16383, "new", 6379) && c.nnodes == 1 && c.nslots == 1);
    assert_null(read_slots("[[0 1 ['a' 1] ['b' 1]]]"));
    assert_true(bell_redis_cluster_move(&c, 1, &c.nodes[1].at)); /* the replica has become a primary */
    assert_true(slot_is_at(1, "b", 1) && slot_is_at(0, "a", 1) && c.nslots == 2 && c.nnodes == 2);
}

static void errors(void **state) {
    static const struct {
        const char *text;
        unsigned redirects;
        bell_redis_error error;
        bell_redis_step step;
        bool refresh;
        uint16_t slot;
        const char *host;
        uint16_t port;
    } rows[] = {
        {"MOVED 3999 127.0.0.1:6381", 0, BELL_REDIS_MOVED, BELL_REDIS_SEND_THERE, true, 3999, "127.0.0.1", 6381},
        {"MOVED 0 ::1:6381", 4, BELL_REDIS_MOVED, BELL_REDIS_SEND_THERE, true, 0, "::1", 6381},
        {"MOVED 16383 redis-1.school.example:6381", 0, BELL_REDIS_MOVED, BELL_REDIS_SEND_THERE, true, 16383, "redis-1.school.example", 6381},
        {"MOVED 3999 :6381", 0, BELL_REDIS_MOVED, BELL_REDIS_SEND_THERE, true, 3999, "10.0.0.9", 6381},
        {"MOVED 3999 127.0.0.1:6381", 5, BELL_REDIS_MOVED, BELL_REDIS_LATER, true, 3999, "127.0.0.1", 6381},
        {"MOVED 3999 ?:6381", 0, BELL_REDIS_MOVED, BELL_REDIS_LATER, true, 0, "", 0},
        {"MOVED 16384 a:6381", 0, BELL_REDIS_MOVED, BELL_REDIS_LATER, true, 0, "", 0},
        {"MOVED -1 a:6381", 0, BELL_REDIS_MOVED, BELL_REDIS_LATER, true, 0, "", 0},
        {"MOVED 1 a:0", 0, BELL_REDIS_MOVED, BELL_REDIS_LATER, true, 0, "", 0},
        {"MOVED 1 a:65536", 0, BELL_REDIS_MOVED, BELL_REDIS_LATER, true, 0, "", 0},
        {"MOVED 1 a", 0, BELL_REDIS_MOVED, BELL_REDIS_LATER, true, 0, "", 0},
        {"MOVED 1 a:1 more", 0, BELL_REDIS_MOVED, BELL_REDIS_LATER, true, 0, "", 0},
        {"MOVED 1", 0, BELL_REDIS_MOVED, BELL_REDIS_LATER, true, 0, "", 0},
        {"MOVED", 0, BELL_REDIS_MOVED, BELL_REDIS_LATER, true, 0, "", 0},
        {"ASK 3999 127.0.0.1:6381", 0, BELL_REDIS_ASK, BELL_REDIS_ASK_THERE, false, 3999, "127.0.0.1", 6381},
        {"ASK 3999 127.0.0.1:6381", 5, BELL_REDIS_ASK, BELL_REDIS_LATER, true, 3999, "127.0.0.1", 6381},
        {"TRYAGAIN Multiple keys request during rehashing of slot", 0, BELL_REDIS_TRYAGAIN, BELL_REDIS_LATER, false, 0, "", 0},
        {"CLUSTERDOWN The cluster is down", 0, BELL_REDIS_CLUSTERDOWN, BELL_REDIS_LATER, true, 0, "", 0},
        {"CLUSTERDOWN Hash slot not served", 0, BELL_REDIS_CLUSTERDOWN, BELL_REDIS_LATER, true, 0, "", 0},
        {"MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.", 0, BELL_REDIS_MASTERDOWN, BELL_REDIS_LATER, true, 0, "",
         0},
        {"LOADING Redis is loading the dataset in memory", 0, BELL_REDIS_LOADING, BELL_REDIS_LATER, false, 0, "", 0},
        {"READONLY You can't write against a read only replica.", 0, BELL_REDIS_READONLY, BELL_REDIS_LATER, true, 0, "", 0},
        {"NOSCRIPT No matching script. Please use EVAL.", 0, BELL_REDIS_NOSCRIPT, BELL_REDIS_EVAL, false, 0, "", 0},
        {"NOSCRIPT No matching script. Please use EVAL.", 5, BELL_REDIS_NOSCRIPT, BELL_REDIS_LATER, true, 0, "", 0},
        {"OOM command not allowed when used memory > 'maxmemory'.", 0, BELL_REDIS_OOM, BELL_REDIS_GIVE_UP, false, 0, "", 0},
        {"BUSY Redis is busy running a script.", 0, BELL_REDIS_BUSY, BELL_REDIS_LATER, false, 0, "", 0},
        {"BUSYGROUP Consumer Group name already exists", 0, BELL_REDIS_OTHER, BELL_REDIS_GIVE_UP, false, 0, "", 0},
        {"MISCONF Errors writing to the AOF file: No space left on device", 9, BELL_REDIS_MISCONF, BELL_REDIS_GIVE_UP, false, 0, "", 0},
        {"NOREPLICAS Not enough good replicas to write.", 0, BELL_REDIS_NOREPLICAS, BELL_REDIS_GIVE_UP, false, 0, "", 0},
        {"NOAUTH Authentication required.", 0, BELL_REDIS_DENIED, BELL_REDIS_GIVE_UP, false, 0, "", 0},
        {"WRONGPASS invalid username-password pair or user is disabled.", 0, BELL_REDIS_DENIED, BELL_REDIS_GIVE_UP, false, 0, "", 0},
        {"NOPERM this user has no permissions", 0, BELL_REDIS_DENIED, BELL_REDIS_GIVE_UP, false, 0, "", 0},
        {"CROSSSLOT Keys in request don't hash to the same slot", 0, BELL_REDIS_CROSSSLOT, BELL_REDIS_GIVE_UP, false, 0, "", 0},
        {"ERR unknown command", 0, BELL_REDIS_OTHER, BELL_REDIS_GIVE_UP, false, 0, "", 0},
        {"moved 1 a:1", 0, BELL_REDIS_OTHER, BELL_REDIS_GIVE_UP, false, 0, "", 0},
        {"", 0, BELL_REDIS_OTHER, BELL_REDIS_GIVE_UP, false, 0, "", 0},
    };
    bell_redis_verdict v;

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        bell_redis_judge(bell_str_of(rows[i].text), &asked, rows[i].redirects, &v);
        assert_row(v.error == rows[i].error && v.step == rows[i].step && v.refresh == rows[i].refresh, rows[i].text);
        assert_row(v.slot == rows[i].slot && strcmp(v.to.host, rows[i].host) == 0 && v.to.port == rows[i].port, rows[i].text);
    }
    for (int e = BELL_REDIS_MOVED; e <= BELL_REDIS_OTHER; e++) {
        assert_true(strlen(bell_redis_error_reason((bell_redis_error)e)) > 10);
    }
}

static void pauses(void **state) {
    (void)state;
    assert_int_equal(bell_redis_pause_ms(0, 100, 5000, 0), 100);
    assert_int_equal(bell_redis_pause_ms(0, 100, 5000, 50), 50);
    assert_int_equal(bell_redis_pause_ms(0, 100, 5000, 51), 100);
    assert_int_equal(bell_redis_pause_ms(3, 100, 5000, 0), 800);
    assert_int_equal(bell_redis_pause_ms(31, UINT32_MAX, 5000, 0), 5000);
    for (uint64_t i = 0; i < 100000; i += 77) {
        assert_in_range(bell_redis_pause_ms(UINT32_MAX, 100, 5000, i), 2500, 5000);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shards),
        cmocka_unit_test(failover),
        cmocka_unit_test(ports_and_hosts),
        cmocka_unit_test(slots),
        cmocka_unit_test(what_is_not_as_documented),
        cmocka_unit_test(as_many_nodes_as_there_is_room_for),
        cmocka_unit_test(moved),
        cmocka_unit_test(errors),
        cmocka_unit_test(pauses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
