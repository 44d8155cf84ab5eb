/* What nodes of a Redis Cluster say: a reply as tests/unit/redis_reply.h writes it, taken for the answer to CLUSTER SHARDS and to CLUSTER SLOTS, and
 * all of the bytes for an error.
 * longest input: 4096 bytes */
#include "bell_redis_cluster.h"
#include "fuzz.h"

#include <hiredis/hiredis.h>

enum { REPLIES = 4096, DEPTH = 8 };

typedef struct {
    const char *p, *end;
    redisReply replies[REPLIES];
    redisReply *elements[REPLIES], *open[REPLIES];
    size_t nreplies, nelements, nopen;
} text;

static text in;
static bell_redis_cluster map;

static redisReply *new_reply(int type) {
    redisReply *r = &in.replies[in.nreplies++];

    memset(r, 0, sizeof(*r));
    r->type = type;
    return r;
}

static redisReply *read_text(void) {
    redisReply *r = new_reply(REDIS_REPLY_STRING);

    r->str = (char *)(uintptr_t)++in.p;
    while (in.p < in.end && *in.p != '\'') {
        in.p++;
    }
    r->len = (size_t)(in.p - r->str);
    in.p += in.p < in.end;
    return r;
}

static redisReply *read_word(void) {
    bool is_number = *in.p == '-' || (*in.p >= '0' && *in.p <= '9'), is_negative = *in.p == '-';
    redisReply *r = new_reply(is_number ? REDIS_REPLY_INTEGER : REDIS_REPLY_NIL);
    unsigned long long n = 0;

    for (; in.p < in.end && *in.p != ' ' && *in.p != ']'; in.p++) {
        n = n * 10 + (unsigned char)(*in.p - '0');
    }
    r->integer = (long long)(is_negative ? 0 - n : n);
    return r;
}

static redisReply *read_reply(unsigned depth);

static redisReply *read_list(unsigned depth) {
    redisReply *r = new_reply(REDIS_REPLY_ARRAY), *element;
    size_t from = in.nopen;

    in.p++;
    while ((element = read_reply(depth + 1)) != NULL) {
        in.open[in.nopen++] = element;
    }
    in.p += in.p < in.end && *in.p == ']';
    r->elements = in.nopen - from;
    r->element = &in.elements[in.nelements];
    memcpy(r->element, &in.open[from], r->elements * sizeof(*r->element));
    in.nelements += r->elements;
    in.nopen = from;
    return r;
}

/* NULL: the list or the text is at its end, or there are too many. */
static redisReply *read_reply(unsigned depth) {
    while (in.p < in.end && *in.p == ' ') {
        in.p++;
    }
    if (in.p == in.end || *in.p == ']' || in.nreplies == REPLIES || depth > DEPTH) {
        return NULL;
    }
    return *in.p == '[' ? read_list(depth) : *in.p == '\'' ? read_text() : read_word();
}

static void check_map(const char *reason, const bell_redis_endpoint *from) {
    unsigned covered = 0;

    fuzz_assert(map.nnodes <= BELL_REDIS_NODES_MAX && (reason == NULL || (map.nnodes == 0 && map.nslots == 0)));
    for (unsigned i = 0; reason == NULL && i < BELL_REDIS_SLOTS; i++) {
        const bell_redis_node *n = bell_redis_cluster_at(&map, (uint16_t)i);
        covered += n != NULL;
        fuzz_assert(n == NULL || map.slots[i] <= map.nnodes);
    }
    fuzz_assert(covered == map.nslots);
    for (unsigned i = 0; i < map.nnodes; i++) {
        const bell_redis_node *n = &map.nodes[i];
        fuzz_assert(n->at.port != 0 && strlen(n->at.host) > 0 && (n->primary < map.nnodes || n->primary == BELL_REDIS_NODES_MAX));
    }
    if (map.nnodes > 0) {
        fuzz_assert(bell_redis_cluster_move(&map, 5, &map.nodes[0].at) && bell_redis_cluster_at(&map, 5) == &map.nodes[0]);
    } else {
        fuzz_assert(bell_redis_cluster_move(&map, 5, from));
    }
}

static void check_error(bell_str error, const bell_redis_endpoint *from) {
    bell_redis_verdict v;

    for (unsigned redirects = 0; redirects <= BELL_REDIS_REDIRECTS_MAX; redirects += BELL_REDIS_REDIRECTS_MAX) {
        bool is_sent_on;
        bell_redis_judge(error, from, redirects, &v);
        is_sent_on = v.step == BELL_REDIS_SEND_THERE || v.step == BELL_REDIS_ASK_THERE;
        fuzz_assert(v.slot < BELL_REDIS_SLOTS && strlen(v.to.host) <= BELL_REDIS_HOST_MAX && strlen(bell_redis_error_reason(v.error)) > 0);
        fuzz_assert(!is_sent_on || (redirects == 0 && v.to.port != 0 && strlen(v.to.host) > 0));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const bell_redis_endpoint from = {.host = "10.0.0.9", .port = 7000};

    if (size > 4096) {
        return 0;
    }
    in.p = (const char *)data;
    in.end = in.p + size;
    in.nreplies = in.nelements = in.nopen = 0;
    const redisReply *reply = read_reply(0);
    if (reply != NULL) {
        check_map(bell_redis_cluster_read_shards(&map, reply, &from, false), &from);
        check_map(bell_redis_cluster_read_shards(&map, reply, &from, true), &from);
        check_map(bell_redis_cluster_read_slots(&map, reply, &from), &from);
    }
    check_error((bell_str){(const char *)data, size}, &from);
    (void)bell_redis_slot((bell_str){(const char *)data, size});
    return 0;
}
