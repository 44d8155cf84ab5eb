/* Who has which slot, and how that is found out: one node after the other is asked, those first that are connected. A round has failed when nobody
 * could say it; the next one begins after a pause. */
#include "bell_redis_parts.h"

#include <hiredis/hiredis.h>
#include <stdio.h>

#define ASK_MS         500 /* for an answer, of a node that is connected */
#define BETWEEN_MS     100 /* from a reading to the next */
#define ROUND_LEAST_MS 100
#define ROUND_MOST_MS  2000

static void ask_next(bell_redis *r);

static bell_redis_link *of_seed(bell_redis *r, size_t i, bool is_of_channels) {
    return bell_redis_link_to(r, &r->o.seeds[i], is_of_channels);
}

/* ---- who is asked */

/* A connected one, from a place on that is drawn by lot: not all edges ask the same node. */
static bell_redis_link *connected(bell_redis *r, bool is_fresh) {
    size_t from = r->nlinks > 0 ? (size_t)(r->loop.random(r->loop.data) % r->nlinks) : 0;

    for (size_t i = 0; i < r->nlinks; i++) {
        bell_redis_link *l = r->links[(from + i) % r->nlinks];
        if (!l->is_of_channels && l->state == BELL_REDIS_LINK_READY && (!is_fresh || l->round != r->map_round)) {
            return l;
        }
    }
    return NULL;
}

/* Whose turn it is in this round, and who need not wait for a pause of its own to end. */
static bool may_ask(const bell_redis_link *l, const bell_redis *r) {
    return l != NULL && l->round != r->map_round && l->state != BELL_REDIS_LINK_PAUSED;
}

static bell_redis_link *candidate(bell_redis *r) {
    bell_redis_link *l = connected(r, true);

    for (size_t i = 0; l == NULL && i < r->o.nseeds; i++) {
        bell_redis_link *seed = of_seed(r, i, false);
        l = may_ask(seed, r) ? seed : NULL;
    }
    for (size_t i = 0; l == NULL && i < r->map->nnodes; i++) {
        bell_redis_link *node = bell_redis_link_to(r, &r->map->nodes[i].at, false);
        l = may_ask(node, r) ? node : NULL;
    }
    return l;
}

/* ---- what it says */

static void round_over(bell_redis *r) {
    r->map_link = NULL;
    r->is_map_asked = false;
    r->map_round++;
}

static void round_failed(bell_redis *r) {
    int64_t pause = bell_redis_pause(r, r->map_failures, ROUND_LEAST_MS, ROUND_MOST_MS);

    round_over(r);
    r->map_failures++;
    if (!r->is_map_lost) {
        r->is_map_lost = true;
        bell_redis_say(r, BELL_REDIS_ERROR_LINE, "no node of the cluster can say who has which slot; the last one: %s", r->reason);
    }
    bell_redis_timer_set(&r->timers, &r->map_timer, bell_redis_now(r) + pause);
}

/* Waits for nobody's connection that is not there: who waits may belong to another node by now. */
static void route_waiting(bell_redis *r) {
    for (size_t i = 0; i < r->nlinks; i++) {
        bell_redis_link *l = r->links[i];
        if (l->state != BELL_REDIS_LINK_READY && !l->is_of_channels) {
            bell_redis_task_route_all(&l->waiting);
        }
    }
}

static void adopt(bell_redis *r) {
    bell_redis_cluster *was = r->map;

    r->map = r->next;
    r->next = was;
    memset(r->at_node, 0, sizeof r->at_node);
    r->map_failures = 0;
    r->map_ms = bell_redis_now(r);
    r->figures.maps++;
    r->has_map = true;
    r->has_pruning = true;
    if (r->is_map_lost) {
        r->is_map_lost = false;
        bell_redis_say(r, BELL_REDIS_NOTICE_LINE, "the cluster says again who has which slot");
    }
    round_over(r);
    bell_redis_task_route_all(&r->homeless);
    route_waiting(r);
    bell_redis_channel_route_all(r);
    if (r->is_map_wanted) {
        r->is_map_wanted = false;
        bell_redis_map_want(r);
    }
}

static const char *read_map(bell_redis *r, const redisReply *reply) {
    const bell_redis_endpoint *from = &r->map_link->at;

    return r->is_map_old_way ? bell_redis_cluster_read_slots(r->next, reply, from)
                             : bell_redis_cluster_read_shards(r->next, reply, from, r->o.tls != NULL);
}

/* CLUSTER SHARDS is of Redis 7; who refuses it is asked for CLUSTER SLOTS. */
static void ask(bell_redis *r, bell_redis_link *l, bool old_way);

static void on_map(void *data, const bell_redis_result *result) {
    bell_redis *r = data;
    const char *reason = result->reason;

    if (r->is_closed || r->map_link == NULL) {
        return;
    }
    if (result->outcome == BELL_REDIS_REFUSED && !r->is_map_old_way) {
        ask(r, r->map_link, true);
        return;
    }
    if (result->outcome == BELL_REDIS_DONE) {
        reason = read_map(r, result->reply);
    }
    if (reason == NULL) {
        adopt(r);
        return;
    }
    snprintf(r->reason, sizeof r->reason, "%.200s:%u: %.100s", r->map_link->at.host, r->map_link->at.port, reason);
    ask_next(r);
}

static void ask(bell_redis *r, bell_redis_link *l, bool old_way) {
    const bell_str words[2] = {BELL_STR("CLUSTER"), old_way ? BELL_STR("SLOTS") : BELL_STR("SHARDS")};
    uint32_t ms = l->state == BELL_REDIS_LINK_READY ? ASK_MS : ASK_MS + r->o.connect_ms;
    const bell_redis_call call = {.words = words, .nwords = 2, .deadline_ms = ms, .handler = on_map, .data = r};

    r->map_link = l;
    r->is_map_asked = true;
    r->is_map_old_way = old_way;
    l->round = r->map_round;
    bell_redis_task *t = bell_redis_task_new(r, NULL, &call);
    if (t == NULL) {
        snprintf(r->reason, sizeof r->reason, "there is no memory left");
        round_failed(r);
        return;
    }
    t->pinned = l;
    bell_redis_task_route(t);
    bell_redis_rearm(r);
}

static void ask_next(bell_redis *r) {
    bell_redis_link *l = candidate(r);

    if (l != NULL) {
        ask(r, l, false);
    } else {
        round_failed(r);
    }
}

/* ---- when */

static void on_timer(bell_redis_timer *t) {
    bell_redis *r = (bell_redis *)((char *)t - offsetof(bell_redis, map_timer));

    r->is_map_wanted = false;
    ask_next(r);
}

void bell_redis_map_init(bell_redis *r) {
    r->map_timer.fire = on_timer;
    r->map_round = 1;
    r->map_ms = -BETWEEN_MS;
}

void bell_redis_map_want(bell_redis *r) {
    if (!r->o.is_cluster || r->is_closed || r->map_timer.place != 0) {
        return;
    }
    if (r->is_map_asked) {
        r->is_map_wanted = true;
        return;
    }
    int64_t now = bell_redis_now(r), at = r->map_ms + bell_redis_pause(r, 0, 2 * BETWEEN_MS, 2 * BETWEEN_MS);
    bell_redis_timer_set(&r->timers, &r->map_timer, at > now ? at : now);
    bell_redis_rearm(r);
}

void bell_redis_map_lost(bell_redis *r, bell_redis_link *l) {
    if (r->o.is_cluster) {
        if (l != r->map_link) {
            bell_redis_map_want(r);
        }
        return;
    }
    if (l != of_seed(r, r->seed, false) || r->o.nseeds == 1) {
        return;
    }
    r->seed = (r->seed + 1) % r->o.nseeds;
    bell_redis_link *next = of_seed(r, r->seed, false);
    if (next != NULL && !r->is_closed) {
        bell_redis_link_open(next);
    }
    bell_redis_channel_route_all(r);
}

/* ---- the links of the map */

bell_redis_link *bell_redis_map_link(bell_redis *r, uint16_t slot, bool is_of_channels) {
    if (!r->o.is_cluster) {
        return of_seed(r, r->seed, is_of_channels);
    }
    const bell_redis_node *node = bell_redis_cluster_at(r->map, slot);
    if (node == NULL) {
        return NULL;
    }
    if (is_of_channels) {
        return bell_redis_link_to(r, &node->at, true);
    }
    bell_redis_link **known = &r->at_node[node - r->map->nodes];
    if (*known == NULL) {
        *known = bell_redis_link_to(r, &node->at, false);
    }
    return *known;
}

bell_redis_link *bell_redis_map_any(bell_redis *r) {
    if (!r->o.is_cluster) {
        return of_seed(r, r->seed, false);
    }
    bell_redis_link *l = connected(r, false);
    for (size_t i = 0; l == NULL && i < r->map->nnodes; i++) {
        l = r->map->nodes[i].is_primary ? bell_redis_link_to(r, &r->map->nodes[i].at, false) : NULL;
    }
    return l;
}

void bell_redis_map_moved(bell_redis *r, const bell_redis_verdict *v) {
    if (bell_redis_cluster_move(r->map, v->slot, &v->to)) {
        const bell_redis_node *node = bell_redis_cluster_at(r->map, v->slot);
        r->at_node[node - r->map->nodes] = NULL;
    }
}
