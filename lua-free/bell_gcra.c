#include "bell_gcra.h"

#define US_A_SECOND 1000000

/* All sums below are of at most four terms that are less than 2^60 or of one clock: none leaves 64 bits. */
#define SPAN_BOUND ((int64_t)1 << 60)

static int64_t clamp(int64_t v, int64_t least, int64_t most) {
    return v < least ? least : v > most ? most : v;
}

static int64_t clock_of(int64_t now_us) {
    return clamp(now_us, -BELL_GCRA_CLOCK_MAX_US, BELL_GCRA_CLOCK_MAX_US);
}

/* How long so many units take; what is too long for any rule is as good as another. */
static int64_t time_of(const bell_gcra_rule *rule, uint64_t cost) {
    int64_t us;

    if (__builtin_mul_overflow(cost, (uint64_t)rule->unit_us, &us) || us > SPAN_BOUND) {
        return SPAN_BOUND;
    }
    return us;
}

bool bell_gcra_rule_of(uint64_t count, uint64_t period_s, uint64_t burst, bell_gcra_rule *rule) {
    if (count == 0 || period_s == 0 || period_s > BELL_GCRA_PERIOD_MAX_S || count > period_s * BELL_GCRA_RATE_MAX) {
        return false;
    }
    uint64_t unit_us = (period_s * US_A_SECOND + count - 1) / count;
    if (burst >= (uint64_t)BELL_GCRA_SPAN_MAX_US / unit_us) {
        return false;
    }
    *rule = (bell_gcra_rule){.unit_us = (int64_t)unit_us, .burst_us = (int64_t)(unit_us * burst)};
    return true;
}

bell_gcra_rule bell_gcra_scaled(const bell_gcra_rule *rule, uint32_t percent) {
    bell_gcra_rule scaled = *rule;

    if (percent != 0 && percent != 100) {
        scaled.unit_us = clamp((rule->unit_us * 100 + percent - 1) / percent, 1, BELL_GCRA_SPAN_MAX_US - rule->burst_us);
    }
    return scaled;
}

int64_t bell_gcra_limit(const bell_gcra_rule *rule) {
    return rule->burst_us / rule->unit_us + 1;
}

/* As it counts: between now and as far ahead as it may be. */
static int64_t tat_of(const bell_gcra_rule *rule, int64_t tat_us, int64_t now) {
    int64_t most = now + rule->burst_us + rule->unit_us;

    return tat_us < now ? now : tat_us > most + BELL_GCRA_APART_US ? most : tat_us;
}

bell_gcra_answer bell_gcra_take(const bell_gcra_rule *rule, int64_t tat_us, int64_t now_us, uint64_t cost) {
    int64_t now = clock_of(now_us), span = rule->burst_us + rule->unit_us, cost_us = time_of(rule, cost);
    int64_t tat = tat_of(rule, tat_us, now), over = tat + cost_us - span - now;
    bell_gcra_answer a = {.allowed = over <= 0 || cost == 0, .hopeless = cost_us > span, .retry_after_us = -1};

    if (a.allowed) {
        tat += cost_us;
    } else {
        a.retry_after_us = over;
    }
    a.tat_us = cost == 0 || (!a.allowed && tat_us < tat) ? tat_us : tat;
    int64_t left = now + span - tat;
    a.remaining = left > 0 ? left / rule->unit_us : 0;
    a.reset_us = tat - now;
    a.more_us = tat == now ? 0 : (a.remaining + 1) * rule->unit_us - left;
    return a;
}

int64_t bell_gcra_give_back(const bell_gcra_rule *rule, int64_t tat_us, int64_t now_us, uint64_t cost) {
    int64_t now = clock_of(now_us), tat = tat_of(rule, tat_us, now), cost_us = time_of(rule, cost);

    if (tat_us <= now) {
        return tat_us;
    }
    return tat - now > cost_us ? tat - cost_us : now;
}
