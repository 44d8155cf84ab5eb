/* How many edges there are, as a store that they share counts them: each says every BELL_EDGES_BEAT_US that it is there, and is told of how many the
 * store has heard that lately. Pure but for the script, which the store runs.
 *
 * Who divides a budget by this number gives away too much when it is too small. So it goes up at once, and down only when no answer has said so many
 * for BELL_EDGES_KEPT_US: a store that was emptied, or whose clock has stepped, counts anew, and nobody notices. */
#ifndef BELL_EDGES_H
#define BELL_EDGES_H

#include <stdbool.h>
#include <stdint.h>

#pragma GCC visibility push(hidden)

#define BELL_EDGES_MAX     64
#define BELL_EDGES_BEAT_US 5000000
#define BELL_EDGES_KEPT_US 60000000

/* All zeros: nobody has been counted. In memory that processes share, and one of them changes. */
typedef struct {
    uint32_t n;
    int64_t seen_us; /* when an answer said that it is so many, or more */
} bell_edges;

/* What an answer said, at that time of a monotonic clock; less than 1 counts as 1, more than BELL_EDGES_MAX as that. true: the number is another. */
bool bell_edges_counted(bell_edges *edges, int64_t n, int64_t now_us);
/* At least 1. */
uint32_t bell_edges_number(const bell_edges *edges);

/* For EVAL and EVALSHA: KEYS[1] is a sorted set, ARGV[1] the edge's number. It answers with how many edges were heard in the last 30 s, and forgets
 * the others. The clock is the server's. */
extern const char bell_edges_script[];

#pragma GCC visibility pop

#endif
