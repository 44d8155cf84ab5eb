/* The client and a cluster in which anything may happen, by lot of a seed: slots move, keys are on their way, nodes refuse, hang, die and come back.
 * Each command has one result, at its deadline at the latest; what was acknowledged was done; nothing was done more often than it was sent. A failure
 * names the seed. */
#include "redis_fake_cluster.h"

#define SEEDS    300
#define COMMANDS 400
#define STEPS    600

typedef struct {
    unsigned results;
    int64_t due_ms;
    bool is_taken;
} given;

static world w;
static fake_cluster c;
static given all[COMMANDS];
static size_t ngiven, nended;
static long long ndone;
static uint64_t seed;

#define always(condition)                                                                                                                            \
    do {                                                                                                                                             \
        if (!(condition))                                                                                                                            \
            fail_msg("seed %llu: %s", (unsigned long long)seed, #condition);                                                                         \
    } while (0)

static void note(void *data, const bell_redis_result *result) {
    given *g = data;

    g->results++;
    nended++;
    always(g->results == 1);
    always(w.now_ms <= g->due_ms);
    ndone += result->outcome == BELL_REDIS_DONE;
    always(result->outcome == BELL_REDIS_DONE || result->reason[0] != '\0');
}

static void give(void) {
    static const bell_redis_script script = {.text = {"return 1", 8}, .sha1 = "e0e1f9fabfc9d4800c877a703b823ac0578ff8db"};
    given *g = &all[ngiven++];
    char key[32];
    bell_redis_call call = {.deadline_ms = 1 + (uint32_t)(world_random(&w) % 3000), .handler = note, .data = g};

    snprintf(key, sizeof key, "k%u", (unsigned)(world_random(&w) % 50));
    call.key = bell_str_of(key);
    call.may_repeat = world_random(&w) % 2 == 0;
    *g = (given){.due_ms = w.now_ms + call.deadline_ms};
    if (world_random(&w) % 2 == 0) {
        call.words = (bell_str[]){BELL_STR("INCR"), bell_str_of(key)};
        call.nwords = 2;
        g->is_taken = bell_redis_command(w.r, &call) == NULL;
    } else {
        g->is_taken = bell_redis_eval(w.r, &script, &call) == NULL;
    }
    nended += !g->is_taken;
}

/* EVALSHA's key is another word, and a script may be missing. */
static void answers(world *x, peer *p, const char *const *words) {
    if (strcmp(words[0], "EVALSHA") != 0 && strcmp(words[0], "EVAL") != 0) {
        cluster_answers(x, p, words);
    } else if (strcmp(words[0], "EVALSHA") == 0 && world_random(x) % 4 == 0) {
        say(p, "-NOSCRIPT No matching script. Please use EVAL.\r\n");
    } else {
        const char *const incr[] = {"INCR", words[3], NULL};
        cluster_answers(x, p, incr);
    }
}

static void disturb(void) {
    static const char *const moods[] = {"TRYAGAIN x", "CLUSTERDOWN x", "LOADING x",       "READONLY x",
                                        "BUSY x",     "MASTERDOWN x",  "MOVED 1 nowhere", "ASK 5"};
    int slot = (int)(world_random(&w) % BELL_REDIS_SLOTS);
    node *n = &w.nodes[world_random(&w) % CLUSTER_NODES];

    switch (world_random(&w) % 12) {
    case 0:
        memset(c.owner, (int)(world_random(&w) % CLUSTER_NODES), sizeof c.owner);
        break;
    case 1:
        memset(c.owner + slot, (int)(world_random(&w) % CLUSTER_NODES), (size_t)(BELL_REDIS_SLOTS - slot));
        break;
    case 2:
        memset(c.asked + slot, (int)(world_random(&w) % (CLUSTER_NODES + 1)), (size_t)(BELL_REDIS_SLOTS - slot));
        break;
    case 3:
        memset(c.asked, 0, sizeof c.asked);
        break;
    case 4:
    case 5:
        c.mood = moods[world_random(&w) % ROWS(moods)];
        c.moods = (unsigned)(world_random(&w) % 20);
        break;
    case 6:
        node_dies(&w, n);
        break;
    case 7:
    case 8:
        if (n->fd < 0) {
            node_lives(n, answers);
        }
        break;
    case 9:
        n->is_deaf = true;
        break;
    case 10:
        n->is_deaf = false;
        break;
    default:
        hang_up(&w.peers[world_random(&w) % WORLD_PEERS]);
    }
}

static void in_the_end(bell_redis_status *status) {
    for (int n = 0; n < CLUSTER_NODES; n++) {
        w.nodes[n].is_deaf = false;
        if (w.nodes[n].fd < 0) {
            node_lives(&w.nodes[n], answers);
        }
    }
    memset(c.asked, 0, sizeof c.asked);
    c.moods = 0;
    world_goes(&w, 10000);
    bell_redis_status_of(w.r, status);
}

static void anything_may_happen(void **state) {
    (void)state;
    for (seed = 1; seed <= SEEDS; seed++) {
        bell_redis_options o;
        bell_redis_status status;

        cluster_begin(&w, &c, seed, &o);
        for (int n = 0; n < CLUSTER_NODES; n++) {
            w.nodes[n].answer = answers;
        }
        o.timeout_ms = o.connect_ms = 300;
        o.in_flight_max = 100;
        ngiven = nended = 0;
        ndone = 0;
        world_open(&w, &o);
        for (int step = 0; step < STEPS; step++) {
            if (world_random(&w) % 3 != 0 && ngiven < COMMANDS) {
                give();
            }
            if (world_random(&w) % 10 == 0) {
                disturb();
            }
            world_goes(&w, (int64_t)(world_random(&w) % 20));
        }
        in_the_end(&status);
        always(nended == ngiven && status.in_flight == 0 && status.is_ready);
        for (size_t i = 0; i < ngiven; i++) {
            always(all[i].results == (all[i].is_taken ? 1 : 0));
        }
        always(ndone <= c.counter && (uint64_t)c.counter <= status.sent);
        world_close(&w);
        world_end(&w);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(anything_may_happen)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
