/* GCRA, the generic cell rate algorithm (ITU-T I.371, annex A, as virtual scheduling): so many units in a period, and a burst of so many more at
 * once. All that is kept of a key is one number, its TAT: the theoretical arrival time of the next unit, were they sent evenly. Whole microseconds.
 *
 * With T the time of one unit and tau = burst * T, a use of `cost` units is allowed when max(tat, now) + cost * T <= now + tau + T. So a key that was
 * idle may use burst + 1 units at once, and then one each T.
 *
 * Pure: the clock is the caller's, any of one kind. Clocks of processes may differ, as those do that are read once a loop: a TAT that is further
 * ahead than now + tau + T by less than BELL_GCRA_APART_US is left as it is. One that is further (a clock went back, a rule became stricter) counts
 * as now + tau + T and is set back to it, also by a use that is refused: so nobody waits longer than the rule has it and BELL_GCRA_APART_US. No input
 * overflows. */
#ifndef BELL_GCRA_H
#define BELL_GCRA_H

#include <stdbool.h>
#include <stdint.h>

#pragma GCC visibility push(hidden)

#define BELL_GCRA_RATE_MAX     1000000               /* units a second */
#define BELL_GCRA_PERIOD_MAX_S (366 * 86400)         /* a year */
#define BELL_GCRA_SPAN_MAX_US  ((int64_t)1 << 51)    /* of tau + T: 71 years; twice as much is exact in a double */
#define BELL_GCRA_NEVER        (-((int64_t)1 << 62)) /* the TAT of a key that was never used */
#define BELL_GCRA_APART_US     1000000
#define BELL_GCRA_CLOCK_MAX_US ((int64_t)1 << 61) /* clocks are taken for no further than this, to both sides */

typedef struct {
    int64_t unit_us;  /* T, at least 1 */
    int64_t burst_us; /* tau */
} bell_gcra_rule;

typedef struct {
    bool allowed;
    bool hopeless;          /* refused, and will be at any time: the cost is more than burst + 1 */
    int64_t tat_us;         /* to be kept, also when refused */
    int64_t remaining;      /* units that could be used now, after this use */
    int64_t more_us;        /* until there is one more than that; 0: there are all */
    int64_t reset_us;       /* until there are all */
    int64_t retry_after_us; /* refused: until the same use would be allowed, if nobody else came; else -1 */
} bell_gcra_answer;

/* count units in period_s seconds. T is rounded up to whole microseconds, so that never more is allowed than asked for: rates that are no divisor of
 * a million are less by up to one part in T. false: a count or a period of 0, more than BELL_GCRA_RATE_MAX a second, more than
 * BELL_GCRA_PERIOD_MAX_S, or a burst that takes longer than BELL_GCRA_SPAN_MAX_US to come back. */
bool bell_gcra_rule_of(uint64_t count, uint64_t period_s, uint64_t burst, bell_gcra_rule *rule) __attribute__((warn_unused_result));
/* What can be used at once: burst + 1. */
int64_t bell_gcra_limit(const bell_gcra_rule *rule);

/* The rule at so many percent of its rate, with as many percent of what can be used at once: T changes, tau and so the time in which all comes back
 * do not. So the rule of a key that is in use may be scaled and scaled back: it has used the same part of what there is. 0 counts as 100. T stays
 * between 1 us and what BELL_GCRA_SPAN_MAX_US leaves. */
bell_gcra_rule bell_gcra_scaled(const bell_gcra_rule *rule, uint32_t percent);

/* A use of `cost` units by a key with that TAT. A cost of 0 only looks: it is allowed, and the TAT stays as it is. */
bell_gcra_answer bell_gcra_take(const bell_gcra_rule *rule, int64_t tat_us, int64_t now_us, uint64_t cost);

/* The TAT when a use that was allowed is undone, as of a request that a later limit refused. Never gives more than there was: what has come back by
 * itself since is not given again. */
int64_t bell_gcra_give_back(const bell_gcra_rule *rule, int64_t tat_us, int64_t now_us, uint64_t cost);

#pragma GCC visibility pop

#endif
