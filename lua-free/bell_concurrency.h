/* How many requests a pool of servers can have at a time, found out from how long it takes to answer. More than it can work on wait in its own queue,
 * where nobody is fair to anybody, and its answers come later by as much.
 *
 * The latency of answers is compared with what it is when fewer are under way (the gradient of Netflix's concurrency-limits and of Envoy's adaptive
 * concurrency): as long as it is about the same there may be more, when it grows there are to be fewer. What it is without a queue changes with what
 * is asked, so it is measured again: whenever the number is not used up, and else by halving it for some answers, every ten seconds or more rarely.
 * When the number has been halved and answers are as slow as before, it is not because of their number: an origin that is slow for all is not asked
 * less than one that is quick.
 *
 * Answers are counted in windows, of requests that were sent since the window began: others were sent under another number. Single answers say
 * little.
 *
 * Pure: the clock is the caller's, microseconds. Several processes may share one under a lock. */
#ifndef BELL_CONCURRENCY_H
#define BELL_CONCURRENCY_H

#include <stdbool.h>
#include <stdint.h>

#pragma GCC visibility push(hidden)

typedef struct {
    uint32_t min, max; /* the number is never below and never above; 1 or more */
} bell_concurrency_rule;

typedef struct {
    double limit;
    double base_us;                   /* of an answer without a queue; 0: not known yet */
    double before_limit, before_us;   /* when it began to sink, 0: it does not */
    double sum_us;                    /* of the window */
    uint32_t answers, most_in_flight; /* of the window */
    bool is_dip;                      /* the window is one with half the number */
    int64_t from_us;                  /* when the window began */
    int64_t dip_us;                   /* when the next dip is due */
    int64_t cut_us;                   /* when it was last made less because of an overload */
} bell_concurrency;

void bell_concurrency_init(bell_concurrency *c, const bell_concurrency_rule *rule, uint32_t start, int64_t now_us);

/* How many there may be now. */
uint32_t bell_concurrency_limit(const bell_concurrency *c, const bell_concurrency_rule *rule);

/* An answer began took_us after its request was sent; in_flight: how many were under way then, this one among them. Not for answers that say nothing
 * of work: what could not be connected to, or was refused. */
void bell_concurrency_answer(bell_concurrency *c, const bell_concurrency_rule *rule, int64_t now_us, int64_t took_us, uint32_t in_flight);

/* The origin says that it has too much to do (503), or a request has had no answer in its time; in_flight as above. Where not half of the number is
 * used it is not the number: an origin that cannot serve one tenant says the same. */
void bell_concurrency_overload(bell_concurrency *c, const bell_concurrency_rule *rule, int64_t now_us, uint32_t in_flight);

#pragma GCC visibility pop

#endif
