/* Three nodes of a cluster whose map and moods the test chooses. Each key is a counter that all nodes share, so that what was done is seen. */
#ifndef REDIS_FAKE_CLUSTER_H
#define REDIS_FAKE_CLUSTER_H

#include "redis_world.h"

#define CLUSTER_NODES 3

typedef struct {
    uint8_t owner[BELL_REDIS_SLOTS];
    uint8_t asked[BELL_REDIS_SLOTS]; /* from 1: whom ASK names; 0: the owner answers */
    bool has_shards;                 /* Redis 7 */
    bool is_dead[CLUSTER_NODES];     /* as the others see it */
    const char *mood;                /* an error instead of the next answers */
    unsigned moods;
    unsigned maps, commands, channels;
    long long counter;
    peer *listening; /* to the one channel */
} fake_cluster;

static inline fake_cluster *cluster_of(world *w) {
    return w->own;
}

static inline void say_shards(world *w, peer *p) {
    const fake_cluster *c = cluster_of(w);

    say(p, "*%d\r\n", CLUSTER_NODES);
    for (int n = 0; n < CLUSTER_NODES; n++) {
        char ranges[32768];
        int len = 0, count = 0;
        for (int slot = 0; slot < BELL_REDIS_SLOTS; slot++) {
            int first = slot;
            if (c->owner[slot] != n) {
                continue;
            }
            while (slot + 1 < BELL_REDIS_SLOTS && c->owner[slot + 1] == n) {
                slot++;
            }
            len += snprintf(ranges + len, sizeof ranges - (size_t)len, ":%d\r\n:%d\r\n", first, slot);
            count += 2;
        }
        say(p, "*4\r\n$5\r\nslots\r\n*%d\r\n%.*s$5\r\nnodes\r\n*1\r\n", count, len, ranges);
        say(p, "*8\r\n$4\r\nport\r\n:%d\r\n$8\r\nendpoint\r\n$9\r\n127.0.0.1\r\n$4\r\nrole\r\n$6\r\nmaster\r\n$6\r\nhealth\r\n$6\r\n%s\r\n",
            w->nodes[n].port, c->is_dead[n] ? "failed" : "online");
    }
}

/* As of Redis 6; a range for each run of slots. */
static inline void say_slots(world *w, peer *p) {
    const fake_cluster *c = cluster_of(w);
    char ranges[32768];
    int len = 0, count = 0;

    for (int slot = 0; slot < BELL_REDIS_SLOTS; slot++) {
        int first = slot;
        while (slot + 1 < BELL_REDIS_SLOTS && c->owner[slot + 1] == c->owner[first]) {
            slot++;
        }
        len += snprintf(ranges + len, sizeof ranges - (size_t)len, "*3\r\n:%d\r\n:%d\r\n*2\r\n$9\r\n127.0.0.1\r\n:%d\r\n", first, slot,
                        w->nodes[c->owner[first]].port);
        count++;
    }
    say(p, "*%d\r\n%.*s", count, len, ranges);
}

static inline int number_of(const world *w, const peer *p) {
    return (int)(p->at - w->nodes);
}

/* false: another node was named. */
static inline bool has_slot(world *w, peer *p, const char *key) {
    const fake_cluster *c = cluster_of(w);
    uint16_t slot = bell_redis_slot(bell_str_of(key));
    int here = number_of(w, p);

    if (p->is_asking && c->asked[slot] == here + 1) {
        return true;
    }
    if (c->owner[slot] != here) {
        say(p, "-MOVED %u 127.0.0.1:%u\r\n", slot, w->nodes[c->owner[slot]].port);
        return false;
    }
    if (c->asked[slot] != 0) {
        say(p, "-ASK %u 127.0.0.1:%u\r\n", slot, w->nodes[c->asked[slot] - 1].port);
        return false;
    }
    return true;
}

static inline void cluster_answers(world *w, peer *p, const char *const *words) {
    fake_cluster *c = cluster_of(w);

    if (strcmp(words[0], "CLUSTER") == 0) {
        c->maps++;
        if (strcmp(words[1], "SLOTS") == 0) {
            say_slots(w, p);
        } else if (c->has_shards) {
            say_shards(w, p);
        } else {
            say(p, "-ERR Unknown subcommand or wrong number of arguments for 'SHARDS'. Try CLUSTER HELP.\r\n");
        }
    } else if (c->moods > 0) {
        c->moods--;
        say(p, "-%s\r\n", c->mood);
    } else if (!has_slot(w, p, words[1])) {
        return;
    } else if (strcmp(words[0], "SSUBSCRIBE") == 0) {
        c->listening = p;
        c->channels++;
        say(p, "*3\r\n$10\r\nssubscribe\r\n$%zu\r\n%s\r\n:1\r\n", strlen(words[1]), words[1]);
    } else if (strcmp(words[0], "SUNSUBSCRIBE") == 0) {
        c->channels--;
        say(p, "*3\r\n$12\r\nsunsubscribe\r\n$%zu\r\n%s\r\n:0\r\n", strlen(words[1]), words[1]);
    } else {
        c->commands++;
        say(p, ":%lld\r\n", ++c->counter);
    }
}

static inline void cluster_begin(world *w, fake_cluster *c, uint64_t seed, bell_redis_options *o) {
    world_begin(w, seed);
    memset(c, 0, sizeof *c);
    c->has_shards = true;
    w->own = c;
    for (int n = 0; n < CLUSTER_NODES; n++) {
        node_lives(&w->nodes[n], cluster_answers);
    }
    for (int slot = 0; slot < BELL_REDIS_SLOTS; slot++) {
        c->owner[slot] = (uint8_t)(slot * CLUSTER_NODES / BELL_REDIS_SLOTS);
    }
    bell_redis_options_init(o);
    o->is_cluster = true;
    world_add_seed(o, &w->nodes[0]);
    world_add_seed(o, &w->nodes[1]);
}

#endif
