#include "bell_redis_cluster.h"

#include <hiredis/hiredis.h>

#define NO_PRIMARY BELL_REDIS_NODES_MAX

/* What a reply is read into, and why it cannot be. */
typedef struct {
    bell_redis_cluster *c;
    const bell_redis_endpoint *from;
    bool tls;
    const char *reason;
} reader;

/* ---- replies */

static bool is_list(const redisReply *r) {
#ifdef REDIS_REPLY_MAP
    if (r->type == REDIS_REPLY_MAP || r->type == REDIS_REPLY_SET) {
        return true;
    }
#endif
    return r->type == REDIS_REPLY_ARRAY;
}

static bool is_text(const redisReply *r) {
    return r->type == REDIS_REPLY_STRING || r->type == REDIS_REPLY_STATUS;
}

static bell_str text_of(const redisReply *r) {
    return r != NULL && is_text(r) ? (bell_str){r->str, r->len} : BELL_STR_NULL;
}

/* The value of a name in names and values by turns; NULL: there is none. */
static const redisReply *member(const redisReply *list, const char *name) {
    for (size_t i = 0; i + 1 < list->elements; i += 2) {
        if (bell_str_eq(text_of(list->element[i]), bell_str_of(name))) {
            return list->element[i + 1];
        }
    }
    return NULL;
}

static bool member_is(const redisReply *list, const char *name, const char *value) {
    return bell_str_eq(text_of(member(list, name)), bell_str_of(value));
}

/* ---- endpoints */

static bool is_host(bell_str host) {
    for (size_t i = 0; i < host.len; i++) {
        char c = host.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == ':' || c == '-' || c == '_')) {
            return false;
        }
    }
    return host.len > 0 && host.len <= BELL_REDIS_HOST_MAX;
}

static void set_endpoint(bell_redis_endpoint *at, bell_str host, uint16_t port) {
    if (host.len > 0) {
        memcpy(at->host, host.p, host.len);
    }
    at->host[host.len] = '\0';
    at->port = port;
}

static bool is_port(const redisReply *r) {
    return r != NULL && r->type == REDIS_REPLY_INTEGER && r->integer > 0 && r->integer <= UINT16_MAX;
}

/* A node may not know its host ("" or nothing at all), or have been told of a name that it does not know yet ("?"): then the next best is taken. */
static bool is_known(bell_str host) {
    return host.len > 0 && !bell_str_eq(host, BELL_STR("?"));
}

static bell_str host_of(const reader *r, bell_str preferred, bell_str address) {
    return is_known(preferred) ? preferred : is_known(address) ? address : bell_str_of(r->from->host);
}

/* The number of a node, which is a new one if need be; BELL_REDIS_NODES_MAX: there is no room. */
static uint16_t node_at(bell_redis_cluster *c, const bell_redis_endpoint *at) {
    uint16_t n = 0;

    while (n < c->nnodes && (c->nodes[n].at.port != at->port || strcmp(c->nodes[n].at.host, at->host) != 0)) {
        n++;
    }
    if (n == c->nnodes && n < BELL_REDIS_NODES_MAX) {
        c->nodes[n] = (bell_redis_node){.at = *at, .primary = NO_PRIMARY};
        c->nnodes++;
    }
    return n;
}

static uint16_t add_node(reader *r, bell_str host, const redisReply *port) {
    bell_redis_endpoint at;

    if (!is_host(host)) {
        r->reason = "a node's host is neither an address nor a name";
    } else if (!is_port(port)) {
        r->reason = "a node has no port, or one that is none";
    } else {
        set_endpoint(&at, host, (uint16_t)port->integer);
        uint16_t n = node_at(r->c, &at);
        r->reason = n == BELL_REDIS_NODES_MAX ? "there are more nodes than 256" : r->reason;
        return n;
    }
    return BELL_REDIS_NODES_MAX;
}

/* ---- slots */

static bool is_slot(const redisReply *r) {
    return r->type == REDIS_REPLY_INTEGER && r->integer >= 0 && r->integer < BELL_REDIS_SLOTS;
}

/* number: of the primary, or NO_PRIMARY. */
static void assign(reader *r, const redisReply *first, const redisReply *last, uint16_t number) {
    if (!is_slot(first) || !is_slot(last) || first->integer > last->integer) {
        r->reason = "a range of slots is none";
        return;
    }
    if (number == NO_PRIMARY) {
        return;
    }
    for (long long slot = first->integer; slot <= last->integer; slot++) {
        if (r->c->slots[slot] != 0) {
            r->reason = "a slot has two nodes";
            return;
        }
        r->c->slots[slot] = (uint16_t)(number + 1);
        r->c->nslots++;
    }
}

static void follow(reader *r, uint16_t number, uint16_t primary) {
    r->c->nodes[number].is_primary = number == primary;
    r->c->nodes[number].primary = primary;
}

void bell_redis_cluster_init(bell_redis_cluster *c) {
    memset(c, 0, sizeof(*c));
}

static const char *done(const reader *r) {
    if (r->reason != NULL) {
        bell_redis_cluster_init(r->c);
    }
    return r->reason;
}

/* ---- CLUSTER SHARDS */

static uint16_t read_shard_node(reader *r, const redisReply *node) {
    if (!is_list(node)) {
        r->reason = "a node is no list";
        return BELL_REDIS_NODES_MAX;
    }
    const redisReply *port = r->tls ? member(node, "tls-port") : NULL;
    port = port != NULL ? port : member(node, "port");
    return add_node(r, host_of(r, text_of(member(node, "endpoint")), text_of(member(node, "ip"))), port);
}

static bool is_well(const redisReply *node) {
    return member_is(node, "role", "master") && (member_is(node, "health", "online") || member_is(node, "health", "loading"));
}

/* The primary that is well; the nodes are lists. */
static uint16_t read_shard_nodes(reader *r, const redisReply *nodes) {
    uint16_t numbers[BELL_REDIS_NODES_MAX], primary = NO_PRIMARY;

    if (nodes->elements > BELL_REDIS_NODES_MAX) {
        r->reason = "there are more nodes than 256";
        return NO_PRIMARY;
    }
    for (size_t i = 0; i < nodes->elements; i++) {
        const redisReply *node = nodes->element[i];
        numbers[i] = read_shard_node(r, node);
        if (r->reason != NULL) {
            return NO_PRIMARY;
        }
        if (!member_is(node, "role", "master") && !member_is(node, "role", "replica")) {
            r->reason = "a node is neither a master nor a replica";
            return NO_PRIMARY;
        }
        primary = primary == NO_PRIMARY && is_well(node) ? numbers[i] : primary;
    }
    for (size_t i = 0; i < nodes->elements; i++) {
        follow(r, numbers[i], primary);
    }
    return primary;
}

static void read_shard(reader *r, const redisReply *shard) {
    const redisReply *slots = is_list(shard) ? member(shard, "slots") : NULL, *nodes = is_list(shard) ? member(shard, "nodes") : NULL;

    if (slots == NULL || !is_list(slots) || slots->elements % 2 != 0 || nodes == NULL || !is_list(nodes)) {
        r->reason = "a shard is not a list of slots and of nodes";
        return;
    }
    uint16_t primary = read_shard_nodes(r, nodes);
    for (size_t i = 0; r->reason == NULL && i < slots->elements; i += 2) {
        assign(r, slots->element[i], slots->element[i + 1], primary);
    }
}

const char *bell_redis_cluster_read_shards(bell_redis_cluster *c, const redisReply *reply, const bell_redis_endpoint *from, bool tls) {
    reader r = {.c = c, .from = from, .tls = tls};

    bell_redis_cluster_init(c);
    if (!is_list(reply) || reply->elements == 0) {
        r.reason = "the answer to CLUSTER SHARDS is no list of shards";
    }
    for (size_t i = 0; r.reason == NULL && i < reply->elements; i++) {
        read_shard(&r, reply->element[i]);
    }
    return done(&r);
}

/* ---- CLUSTER SLOTS */

/* [host, port, id, [name, value, …]], the last of which is of Redis 7. */
static uint16_t read_slots_node(reader *r, const redisReply *node) {
    bell_str address = BELL_STR_NULL;

    if (!is_list(node) || node->elements < 2) {
        r->reason = "a node is not a host and a port";
        return BELL_REDIS_NODES_MAX;
    }
    if (node->elements > 3 && is_list(node->element[3])) {
        address = text_of(member(node->element[3], "ip"));
    }
    return add_node(r, host_of(r, text_of(node->element[0]), address), node->element[1]);
}

static void read_range(reader *r, const redisReply *range) {
    uint16_t primary = NO_PRIMARY;

    if (!is_list(range) || range->elements < 3) {
        r->reason = "a range is not two slots and a node";
        return;
    }
    for (size_t i = 2; r->reason == NULL && i < range->elements; i++) {
        uint16_t number = read_slots_node(r, range->element[i]);
        primary = i == 2 ? number : primary;
        if (r->reason == NULL) {
            follow(r, number, primary);
        }
    }
    if (r->reason == NULL) {
        assign(r, range->element[0], range->element[1], primary);
    }
}

const char *bell_redis_cluster_read_slots(bell_redis_cluster *c, const redisReply *reply, const bell_redis_endpoint *from) {
    reader r = {.c = c, .from = from};

    bell_redis_cluster_init(c);
    if (!is_list(reply) || reply->elements == 0) {
        r.reason = "the answer to CLUSTER SLOTS is no list of ranges";
    }
    for (size_t i = 0; r.reason == NULL && i < reply->elements; i++) {
        read_range(&r, reply->element[i]);
    }
    return done(&r);
}

/* ---- the map in use */

const bell_redis_node *bell_redis_cluster_at(const bell_redis_cluster *c, uint16_t slot) {
    return c->slots[slot] != 0 ? &c->nodes[c->slots[slot] - 1] : NULL;
}

bool bell_redis_cluster_move(bell_redis_cluster *c, uint16_t slot, const bell_redis_endpoint *to) {
    uint16_t n = node_at(c, to);

    if (n == BELL_REDIS_NODES_MAX) {
        return false;
    }
    c->nodes[n].is_primary = true;
    c->nodes[n].primary = n;
    c->nslots = (uint16_t)(c->nslots + (c->slots[slot] == 0));
    c->slots[slot] = (uint16_t)(n + 1);
    return true;
}

/* ---- errors */

static const struct {
    const char *word;
    bell_redis_error error;
    bell_redis_step step;
    bool refresh;
} errors[] = {
    {"MOVED", BELL_REDIS_MOVED, BELL_REDIS_SEND_THERE, true},
    {"ASK", BELL_REDIS_ASK, BELL_REDIS_ASK_THERE, false},
    {"TRYAGAIN", BELL_REDIS_TRYAGAIN, BELL_REDIS_LATER, false},
    {"CLUSTERDOWN", BELL_REDIS_CLUSTERDOWN, BELL_REDIS_LATER, true},
    {"MASTERDOWN", BELL_REDIS_MASTERDOWN, BELL_REDIS_LATER, true},
    {"LOADING", BELL_REDIS_LOADING, BELL_REDIS_LATER, false},
    {"READONLY", BELL_REDIS_READONLY, BELL_REDIS_LATER, true},
    {"NOSCRIPT", BELL_REDIS_NOSCRIPT, BELL_REDIS_EVAL, false},
    {"OOM", BELL_REDIS_OOM, BELL_REDIS_GIVE_UP, false},
    {"BUSY", BELL_REDIS_BUSY, BELL_REDIS_LATER, false},
    {"MISCONF", BELL_REDIS_MISCONF, BELL_REDIS_GIVE_UP, false},
    {"NOREPLICAS", BELL_REDIS_NOREPLICAS, BELL_REDIS_GIVE_UP, false},
    {"NOAUTH", BELL_REDIS_DENIED, BELL_REDIS_GIVE_UP, false},
    {"WRONGPASS", BELL_REDIS_DENIED, BELL_REDIS_GIVE_UP, false},
    {"NOPERM", BELL_REDIS_DENIED, BELL_REDIS_GIVE_UP, false},
    {"CROSSSLOT", BELL_REDIS_CROSSSLOT, BELL_REDIS_GIVE_UP, false},
};

static const char *const reasons[] = {
    [BELL_REDIS_MOVED] = "another node has the slot",
    [BELL_REDIS_ASK] = "the key is on its way to another node, and there already",
    [BELL_REDIS_TRYAGAIN] = "keys are on their way to another node",
    [BELL_REDIS_CLUSTERDOWN] = "the cluster is down: nobody has the slot, or too few nodes see each other",
    [BELL_REDIS_MASTERDOWN] = "a replica has lost its primary",
    [BELL_REDIS_LOADING] = "the node reads its data from disk",
    [BELL_REDIS_READONLY] = "the node has become a replica",
    [BELL_REDIS_NOSCRIPT] = "the node does not have the script yet",
    [BELL_REDIS_OOM] = "the node has no memory left: see maxmemory",
    [BELL_REDIS_BUSY] = "a script runs on the node for too long",
    [BELL_REDIS_MISCONF] = "the node cannot save to its disk and takes no writes",
    [BELL_REDIS_NOREPLICAS] = "too few replicas follow the node, and it takes no writes",
    [BELL_REDIS_DENIED] = "the user or the password is wrong, or the user may not do this",
    [BELL_REDIS_CROSSSLOT] = "keys of two slots in one command",
    [BELL_REDIS_OTHER] = "the node refuses the command",
};

const char *bell_redis_error_reason(bell_redis_error error) {
    return reasons[error];
}

/* "3999 127.0.0.1:6381"; no host: the one of who says it. */
static bool read_target(bell_str text, const bell_redis_endpoint *from, bell_redis_verdict *v) {
    bell_str host = text, slot = bell_str_cut(&host, ' ');
    const char *colon = host.len > 0 ? memrchr(host.p, ':', host.len) : NULL;
    uint64_t number, port;

    if (colon == NULL || !bell_str_to_u64(slot, BELL_REDIS_SLOTS - 1, &number)) {
        return false;
    }
    bell_str digits = {colon + 1, (size_t)(host.p + host.len - colon - 1)};
    host.len = (size_t)(colon - host.p);
    if (!bell_str_to_u64(digits, UINT16_MAX, &port) || port == 0 || (host.len > 0 && !is_host(host))) {
        return false;
    }
    v->slot = (uint16_t)number;
    set_endpoint(&v->to, host.len > 0 ? host : bell_str_of(from->host), (uint16_t)port);
    return true;
}

void bell_redis_judge(bell_str text, const bell_redis_endpoint *from, unsigned redirects, bell_redis_verdict *verdict) {
    bell_str rest = text, word = bell_str_cut(&rest, ' ');

    *verdict = (bell_redis_verdict){.error = BELL_REDIS_OTHER, .step = BELL_REDIS_GIVE_UP};
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        if (bell_str_eq(word, bell_str_of(errors[i].word))) {
            verdict->error = errors[i].error;
            verdict->step = errors[i].step;
            verdict->refresh = errors[i].refresh;
        }
    }
    bool is_sent_on = verdict->step == BELL_REDIS_SEND_THERE || verdict->step == BELL_REDIS_ASK_THERE;
    if ((is_sent_on && !read_target(rest, from, verdict)) || (verdict->step != BELL_REDIS_GIVE_UP && redirects >= BELL_REDIS_REDIRECTS_MAX)) {
        verdict->step = BELL_REDIS_LATER;
        verdict->refresh = true;
    }
}

uint32_t bell_redis_pause_ms(unsigned tries, uint32_t least_ms, uint32_t most_ms, uint64_t random) {
    uint64_t all = tries < 32 ? (uint64_t)least_ms << tries : most_ms;

    all = all < most_ms ? all : most_ms;
    return (uint32_t)(all - random % (all / 2 + 1));
}
