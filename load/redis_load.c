/* Counts in Redis, or in a Redis Cluster, by way of bell_redis.h, and says what became of each command: for tests/origin/redis-cluster.test.mjs,
 * which kills, moves and stops the nodes meanwhile. Every 100 ms it prints a line of JSON; at SIGTERM it gives no more commands, waits for the
 * results of those that were given, and prints a last line with a record for each key. */
#include <event2/event.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bell_redis.h"
#include "origin/db/redis_loop.h"

#define KEYS_MAX     1000
#define WORKERS_MAX  10000
#define CHANNELS_MAX 16
#define TURN_MS      5
#define LINE_TURNS   20
#define SECRET_BYTES (BELL_REDIS_SECRET_MAX + 2)

/* What became of the commands for a key. */
typedef struct {
    char name[32];
    uint64_t given, done, refused, undone, unsure;
} key;

typedef struct {
    char name[64];
    uint64_t listening, messages, deaf;
} channel;

/* One command under way. */
typedef struct {
    struct run *run;
    key *key; /* NULL: idle */
    int64_t due_ms;
    bool may_repeat;
} worker;

typedef struct run {
    struct event_base *base;
    bell_redis *store;
    bell_redis_script script;
    bell_redis_options options;
    bell_redis_tls_files tls;
    uint64_t nkeys, nworkers, deadline_ms;
    key keys[KEYS_MAX];
    worker workers[WORKERS_MAX];
    channel channels[CHANNELS_MAX];
    size_t nchannels;
    uint64_t given, results, twice, not_taken;
    int64_t late_ms; /* the most behind a deadline */
    bool is_ready, is_over;
    uint64_t turns;
    char reason[256]; /* of the last command that was not done */
} run;

static int64_t now_ms(void) {
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- commands */

static void on_result(void *data, const bell_redis_result *result) {
    worker *w = data;
    run *r = w->run;
    key *k = w->key;

    r->results++;
    if (k == NULL) {
        r->twice++;
        return;
    }
    k->done += result->outcome == BELL_REDIS_DONE;
    k->refused += result->outcome == BELL_REDIS_REFUSED;
    k->undone += result->outcome == BELL_REDIS_UNDONE;
    k->unsure += result->outcome == BELL_REDIS_UNSURE;
    if (result->reason != NULL) {
        snprintf(r->reason, sizeof(r->reason), "%s", result->reason);
    }
    int64_t late = now_ms() - w->due_ms;
    r->late_ms = late > r->late_ms ? late : r->late_ms;
    w->key = NULL;
}

/* By turns an INCR and the same by a script; each third key's may be done twice. */
static void give(worker *w) {
    run *r = w->run;
    size_t number = r->given % r->nkeys;
    key *k = &r->keys[number];
    const bell_str words[] = {BELL_STR("INCR"), bell_str_of(k->name)};
    const bool by_script = r->given / r->nkeys % 2 == 1;
    const bell_redis_call call = {.key = words[1],
                                  .words = by_script ? NULL : words,
                                  .nwords = by_script ? 0 : 2,
                                  .deadline_ms = (uint32_t)r->deadline_ms,
                                  .may_repeat = number % 3 == 2,
                                  .handler = on_result,
                                  .data = w};
    const char *reason = by_script ? bell_redis_eval(r->store, &r->script, &call) : bell_redis_command(r->store, &call);

    r->given++;
    if (reason != NULL) {
        r->not_taken++;
        snprintf(r->reason, sizeof(r->reason), "%s", reason);
        return;
    }
    k->given++;
    w->key = k;
    w->due_ms = now_ms() + (int64_t)r->deadline_ms;
}

static void on_channel(void *data, bell_redis_event event, bell_str text) {
    channel *c = data;

    (void)text;
    c->listening += event == BELL_REDIS_LISTENING;
    c->messages += event == BELL_REDIS_MESSAGE;
    c->deaf += event == BELL_REDIS_DEAF;
}

/* ---- what is printed */

static void print_text(const char *text) {
    putchar('"');
    for (const char *p = text; *p != '\0'; p++) {
        if (*p == '"' || *p == '\\') {
            putchar('\\');
        }
        putchar((unsigned char)*p < ' ' ? ' ' : *p);
    }
    putchar('"');
}

static void print_channels(const run *r) {
    printf(", \"channels\": {");
    for (size_t i = 0; i < r->nchannels; i++) {
        const channel *c = &r->channels[i];
        printf("%s\"%s\": {\"listening\": %" PRIu64 ", \"messages\": %" PRIu64 ", \"deaf\": %" PRIu64 "}", i > 0 ? ", " : "", c->name, c->listening,
               c->messages, c->deaf);
    }
    printf("}");
}

static void print_sums(const run *r) {
    key sum = {.given = 0};

    for (uint64_t i = 0; i < r->nkeys; i++) {
        sum.done += r->keys[i].done;
        sum.refused += r->keys[i].refused;
        sum.undone += r->keys[i].undone;
        sum.unsure += r->keys[i].unsure;
    }
    printf("\"given\": %" PRIu64 ", \"results\": %" PRIu64 ", \"twice\": %" PRIu64 ", \"notTaken\": %" PRIu64 ", \"done\": %" PRIu64
           ", \"refused\": %" PRIu64 ", \"undone\": %" PRIu64 ", \"unsure\": %" PRIu64 ", \"lateMs\": %" PRId64,
           r->given, r->results, r->twice, r->not_taken, sum.done, sum.refused, sum.undone, sum.unsure, r->late_ms);
}

static void print_keys(const run *r) {
    printf(", \"keys\": {");
    for (uint64_t i = 0; i < r->nkeys; i++) {
        const key *k = &r->keys[i];
        printf("%s\"%s\": {\"given\": %" PRIu64 ", \"done\": %" PRIu64 ", \"unsure\": %" PRIu64 ", \"mayRepeat\": %s}", i > 0 ? ", " : "", k->name,
               k->given, k->done, k->unsure, i % 3 == 2 ? "true" : "false");
    }
    printf("}");
}

static void print_line(const run *r, bool is_last) {
    bell_redis_status s;

    bell_redis_status_of(r->store, &s);
    printf("{\"ready\": %s, ", r->is_ready ? "true" : "false");
    print_sums(r);
    printf(", \"sent\": %" PRIu64 ", \"redirected\": %" PRIu64 ", \"repeated\": %" PRIu64 ", \"broken\": %" PRIu64 ", \"late\": %" PRIu64
           ", \"maps\": %" PRIu64 ", \"connects\": %" PRIu64 ", \"failures\": %" PRIu64 ", \"nodes\": %u, \"inFlight\": %u, \"why\": ",
           s.sent, s.redirected, s.repeated, s.broken, s.late, s.maps, s.connects, s.failures, s.nodes, s.in_flight);
    print_text(s.reason);
    printf(", \"reason\": ");
    print_text(r->reason);
    print_channels(r);
    if (is_last) {
        print_keys(r);
    }
    printf(", \"last\": %s}\n", is_last ? "true" : "false");
    fflush(stdout);
}

/* ---- turns */

static void on_turn(evutil_socket_t fd, short what, void *data) {
    run *r = data;
    uint64_t idle = 0;

    (void)fd;
    (void)what;
    for (uint64_t i = 0; i < r->nworkers; i++) {
        worker *w = &r->workers[i];
        if (w->key == NULL && !r->is_over) {
            give(w);
        }
        idle += w->key == NULL;
    }
    if (r->is_over && idle == r->nworkers) {
        event_base_loopbreak(r->base);
    } else if (++r->turns % LINE_TURNS == 0) {
        print_line(r, false);
    }
}

static void on_term(evutil_socket_t fd, short what, void *data) {
    run *r = data;

    (void)fd;
    (void)what;
    r->is_over = true;
}

static void on_turned(void *data, bool is_ready) {
    run *r = data;

    r->is_ready = is_ready;
}

/* ---- the beginning */

static bool read_number(const char *text, uint64_t max, uint64_t *out) {
    return bell_str_to_u64(bell_str_of(text), max, out) && *out > 0;
}

static bool read_password(const char *path, char secret[SECRET_BYTES]) {
    FILE *f = fopen(path, "r");

    if (f == NULL) {
        return false;
    }
    bool ok = fgets(secret, SECRET_BYTES, f) != NULL;
    fclose(f);
    secret[strcspn(ok ? secret : "", "\r\n")] = '\0';
    return ok;
}

/* --tls-WHAT */
static bool read_tls_option(run *r, const char *what, const char *value) {
    const struct {
        const char *what;
        bell_str *to;
    } all[] = {{"ca", &r->tls.ca_file}, {"cert", &r->tls.cert_file}, {"key", &r->tls.key_file}, {"name", &r->tls.name}};

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        if (strcmp(what, all[i].what) == 0) {
            *all[i].to = bell_str_of(value);
            return true;
        }
    }
    return false;
}

static bool read_option(run *r, const char *name, const char *value) {
    static char password[SECRET_BYTES];
    bell_redis_options *o = &r->options;

    if (strcmp(name, "--to") == 0) {
        return o->nseeds < BELL_REDIS_SEEDS_MAX && bell_redis_endpoint_of(bell_str_of(value), &o->seeds[o->nseeds++]);
    } else if (strcmp(name, "--as") == 0) {
        o->is_cluster = strcmp(value, "cluster") == 0;
        return o->is_cluster || strcmp(value, "single") == 0;
    } else if (strcmp(name, "--user") == 0) {
        o->user = bell_str_of(value);
    } else if (strcmp(name, "--password-file") == 0) {
        bool ok = read_password(value, password);
        o->password = bell_str_of(password);
        return ok;
    } else if (strcmp(name, "--keys") == 0) {
        return read_number(value, KEYS_MAX, &r->nkeys);
    } else if (strcmp(name, "--workers") == 0) {
        return read_number(value, WORKERS_MAX, &r->nworkers);
    } else if (strcmp(name, "--deadline-ms") == 0) {
        return read_number(value, 600000, &r->deadline_ms);
    } else if (strcmp(name, "--timeout-ms") == 0) {
        uint64_t ms;
        bool ok = read_number(value, 60000, &ms);
        o->timeout_ms = o->connect_ms = ok ? (uint32_t)ms : 0;
        return ok;
    } else if (strcmp(name, "--channel") == 0) {
        return r->nchannels < CHANNELS_MAX && snprintf(r->channels[r->nchannels++].name, sizeof(r->channels[0].name), "%s", value) > 0;
    } else {
        return strncmp(name, "--tls-", 6) == 0 && read_tls_option(r, name + 6, value);
    }
    return true;
}

static bool set_up(run *r, int argc, char **argv) {
    bell_redis_options_init(&r->options);
    r->nkeys = 300;
    r->nworkers = 32;
    r->deadline_ms = 2000;
    for (int i = 1; i < argc; i += 2) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (!read_option(r, argv[i], value)) {
            fprintf(stderr, "redis_load: %s \"%s\" is not understood\n", argv[i], value);
            return false;
        }
    }
    for (uint64_t i = 0; i < r->nkeys; i++) {
        snprintf(r->keys[i].name, sizeof(r->keys[i].name), "{t%" PRIu64 "}:count", i);
    }
    for (uint64_t i = 0; i < r->nworkers; i++) {
        r->workers[i].run = r;
    }
    bell_redis_script_init(&r->script, BELL_STR("return redis.call('INCR', KEYS[1])"));
    return r->options.nseeds > 0;
}

static bool begin(run *r, fb_redis_loop *loop) {
    const char *reason;

    if (r->tls.ca_file.len > 0 || r->tls.name.len > 0) {
        r->options.tls = bell_redis_tls_new(&r->tls, &reason);
        if (r->options.tls == NULL) {
            fprintf(stderr, "redis_load: %s\n", reason);
            return false;
        }
    }
    if (!fb_redis_loop_open(loop, &r->options, &reason)) {
        fprintf(stderr, "redis_load: %s\n", reason);
        return false;
    }
    r->store = fb_redis_loop_store(loop);
    for (size_t i = 0; i < r->nchannels; i++) {
        if (bell_redis_listen(r->store, bell_str_of(r->channels[i].name), on_channel, &r->channels[i]) == NULL) {
            fprintf(stderr, "redis_load: the channel \"%s\" cannot be listened to\n", r->channels[i].name);
            return false;
        }
    }
    return true;
}

int main(int argc, char **argv) {
    static run r;
    const struct timeval turn = {.tv_usec = TURN_MS * 1000};

    if (!set_up(&r, argc, argv)) {
        fprintf(stderr, "usage: redis_load --to ADDRESS [--to ADDRESS...] [--as cluster|single] [--user NAME] [--password-file FILE] [--keys N] "
                        "[--workers N] [--deadline-ms N] [--timeout-ms N] [--tls-ca FILE] [--tls-name NAME] [--tls-cert FILE --tls-key FILE] "
                        "[--channel NAME...]\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    r.base = event_base_new();
    fb_redis_loop *loop = fb_redis_loop_new(r.base, "redis_load", on_turned, &r);
    struct event *turns = event_new(r.base, -1, EV_PERSIST, on_turn, &r), *term = evsignal_new(r.base, SIGTERM, on_term, &r);
    bool ok = loop != NULL && turns != NULL && term != NULL && begin(&r, loop) && event_add(turns, &turn) == 0 && event_add(term, NULL) == 0;
    if (ok) {
        event_base_dispatch(r.base);
        print_line(&r, true);
    }
    fb_redis_loop_free(loop);
    bell_redis_tls_free(r.options.tls);
    event_free(turns);
    event_free(term);
    event_base_free(r.base);
    return ok ? 0 : 1;
}
