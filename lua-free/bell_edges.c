#include "bell_edges.h"

bool bell_edges_counted(bell_edges *edges, int64_t n, int64_t now_us) {
    uint32_t before = bell_edges_number(edges), counted = n < 1 ? 1 : n > BELL_EDGES_MAX ? BELL_EDGES_MAX : (uint32_t)n;

    if (counted < before && now_us - edges->seen_us <= BELL_EDGES_KEPT_US) {
        return false;
    }
    edges->seen_us = now_us;
    __atomic_store_n(&edges->n, counted, __ATOMIC_RELAXED);
    return counted != before;
}

uint32_t bell_edges_number(const bell_edges *edges) {
    uint32_t n = __atomic_load_n(&edges->n, __ATOMIC_RELAXED);

    return n > 0 ? n : 1;
}

/* Marks that are ahead of the clock are of before it went back. */
const char bell_edges_script[] = "local now = tonumber(redis.call('TIME')[1])\n"
                                 "redis.call('ZADD', KEYS[1], now, ARGV[1])\n"
                                 "redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', '(' .. (now - 30))\n"
                                 "redis.call('ZREMRANGEBYSCORE', KEYS[1], '(' .. (now + 1), '+inf')\n"
                                 "redis.call('EXPIRE', KEYS[1], 60)\n"
                                 "return redis.call('ZCARD', KEYS[1])\n";
